//! One X.509 certificate: its bytes and what this crate asks of them.

use std::time::Duration;

use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier};
use cms::cert::x509::{self, TbsCertificate};
use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;

use super::TimestampError;
use crate::digest::Digest;
use crate::time::UtcSecond;

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// A certificate that was read; nothing about it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    der: Vec<u8>,
    parsed: x509::Certificate,
}

impl Certificate {
    pub(super) fn from_der(der: &[u8]) -> der::Result<Self> {
        Ok(Self { der: der.to_vec(), parsed: x509::Certificate::from_der(der)? })
    }

    pub(super) fn new(parsed: &x509::Certificate) -> der::Result<Self> {
        Ok(Self { der: parsed.to_der()?, parsed: parsed.clone() })
    }

    pub(super) fn fields(&self) -> &TbsCertificate {
        &self.parsed.tbs_certificate
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn der(&self) -> CertificateDer<'_> {
        CertificateDer::from(self.der.as_slice())
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    pub(super) fn subject(&self) -> String {
        self.fields().subject.to_string()
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.fields().subject == self.fields().issuer
    }

    pub(super) fn valid_at(&self, time: UtcSecond) -> bool {
        let validity = &self.fields().validity;
        let at = u64::try_from(time.unix()).map(Duration::from_secs).ok();
        at.is_some_and(|at| {
            validity.not_before.to_unix_duration() <= at && at <= validity.not_after.to_unix_duration()
        })
    }

    /// For timestamping and for nothing else, critically (RFC 3161, 2.3), with a key that may sign.
    pub(super) fn check_purpose(&self) -> Result<(), TimestampError> {
        let wrong = || TimestampError::Purpose { authority: self.subject() };
        let (critical, purposes) = self.extension::<ExtendedKeyUsage>().ok_or_else(wrong)?;
        if !critical || purposes.0 != [TIME_STAMPING] {
            return Err(wrong());
        }
        match self.extension::<KeyUsage>() {
            Some((_, usage)) if !usage.digital_signature() && !usage.non_repudiation() => Err(wrong()),
            _ => Ok(()),
        }
    }

    pub(super) fn has_key_id(&self, wanted: &SubjectKeyIdentifier) -> bool {
        self.extension::<SubjectKeyIdentifier>().is_some_and(|(_, found)| found == *wanted)
    }

    /// The one extension of this kind, and whether it is critical; `None` when it is absent, double or unreadable.
    fn extension<T: AssociatedOid + for<'a> Decode<'a>>(&self) -> Option<(bool, T)> {
        let mut found =
            self.fields().extensions.iter().flatten().filter(|extension| extension.extn_id == T::OID);
        let (first, second) = (found.next()?, found.next());
        let value = T::from_der(first.extn_value.as_bytes()).ok()?;
        second.is_none().then_some((first.critical, value))
    }
}
