//! The timestamp authorities that a verifier pinned.
//!
//! A file holds certificates in PEM. The self-issued ones are roots: chains end there and nowhere else. The others
//! only help to build chains, for tokens that do not carry them.

use std::time::Duration;

use rustls_pki_types::{TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::TimestampError;
use super::algorithms::CHAIN;
use super::certificate::Certificate;
use crate::pem;
use crate::time::UtcSecond;

const LABEL: &str = "CERTIFICATE";
const END: &str = "-----END CERTIFICATE-----";
/// DER of the object identifier 1.3.6.1.5.5.7.3.8, without tag and length.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// Why a file of certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// It is not PEM blocks of X.509 certificates and nothing else.
    #[error("not a file of X.509 certificates in PEM")]
    Malformed,
    /// No certificate in it is its own issuer.
    #[error("no certificate of the file is a root (its own issuer)")]
    NoRoot,
}

#[derive(Debug, Clone)]
struct Root {
    certificate: Certificate,
    from: UtcSecond,
}

/// Pinned roots, each from an instant on.
#[derive(Debug, Clone, Default)]
pub struct Authorities {
    roots: Vec<Root>,
    helpers: Vec<Certificate>,
}

impl Authorities {
    /// Nobody is trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins the roots of a PEM file for tokens of `from` and later.
    pub fn add(&mut self, text: &str, from: UtcSecond) -> Result<(), AuthorityError> {
        let certificates = read(text)?;
        if !certificates.iter().any(Certificate::is_self_issued) {
            return Err(AuthorityError::NoRoot);
        }
        for certificate in certificates {
            if certificate.is_self_issued() {
                self.roots.push(Root { certificate, from });
            } else {
                self.helpers.push(certificate);
            }
        }
        Ok(())
    }

    /// Whether no root is pinned.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    pub(super) fn helpers(&self) -> &[Certificate] {
        &self.helpers
    }

    /// Whether `certificate` led to one of the roots at `time`.
    pub(super) fn check_chain(
        &self,
        certificate: &Certificate,
        pool: &[Certificate],
        time: UtcSecond,
    ) -> Result<(), TimestampError> {
        let authority = certificate.subject();
        let refuse = |error: &webpki::Error| match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
                TimestampError::NotValidThen { authority: authority.clone(), time }
            }
            webpki::Error::UnknownIssuer => {
                TimestampError::UnknownAuthority { authority: authority.clone(), time }
            }
            other => TimestampError::Chain { authority: authority.clone(), reason: format!("{other:?}") },
        };
        let pinned: Vec<_> = self
            .roots
            .iter()
            .filter(|root| root.from <= time && root.certificate.valid_at(time))
            .map(|root| root.certificate.der())
            .collect();
        let anchors =
            pinned.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<TrustAnchor<'_>>, _>>();
        let anchors = anchors.map_err(|error| refuse(&error))?;
        let others: Vec<_> =
            pool.iter().filter(|other| *other != certificate).map(Certificate::der).collect();
        let leaf = certificate.der();
        let leaf = EndEntityCert::try_from(&leaf).map_err(|error| refuse(&error))?;
        let at = u64::try_from(time.unix()).map_err(|_| TimestampError::Time)?;
        // The purpose of the leaf was checked in step 8; certificates above it need not state one.
        leaf.verify_for_usage(
            CHAIN,
            &anchors,
            &others,
            UnixTime::since_unix_epoch(Duration::from_secs(at)),
            KeyUsage::required_if_present(TIME_STAMPING),
            None,
            None,
        )
        .map_err(|error| refuse(&error))?;
        Ok(())
    }
}

/// The certificates of a PEM file, in its order, as DER.
pub(crate) fn certificates(text: &str) -> Result<Vec<Vec<u8>>, AuthorityError> {
    Ok(read(text)?.iter().map(|certificate| certificate.bytes().to_vec()).collect())
}

fn read(text: &str) -> Result<Vec<Certificate>, AuthorityError> {
    let mut certificates = Vec::new();
    for block in text.split_inclusive(END) {
        if block.trim().is_empty() {
            continue;
        }
        let der = pem::parse(LABEL, block).ok_or(AuthorityError::Malformed)?;
        certificates.push(Certificate::from_der(&der).map_err(|_| AuthorityError::Malformed)?);
    }
    if certificates.is_empty() { Err(AuthorityError::Malformed) } else { Ok(certificates) }
}
