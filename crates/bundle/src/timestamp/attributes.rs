//! The signed attributes of a token: what its signature is over.

use cms::cert::x509::ext::pkix::name::GeneralName;
use cms::cert::x509::serial_number::SerialNumber;
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::signed_data::{SignedAttributes, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence};
use ring::digest::SHA1_FOR_LEGACY_USE_ONLY;

use super::algorithms::Hash;
use super::certificate::Certificate;
use super::{ID_TST_INFO, TimestampError};

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// RFC 5035: the first id is that of the signer.
#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    /// SHA-256 where it is absent.
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

/// RFC 2634: the same by SHA-1.
#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<EssCertId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct EssCertId {
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

#[derive(Sequence)]
struct IssuerSerial {
    issuer: Vec<GeneralName>,
    serial_number: SerialNumber,
}

/// Checks content type, digest and certificate ids; the bytes that the signature is over.
pub(super) fn check(
    signer: &SignerInfo,
    content: &[u8],
    certificate: &Certificate,
) -> Result<Vec<u8>, TimestampError> {
    let wrong = |name| TimestampError::Attribute { name };
    let attributes = signer.signed_attrs.as_ref().ok_or(wrong("content-type"))?;
    let hash = Hash::of(&signer.digest_alg)
        .ok_or_else(|| TimestampError::Algorithm { found: signer.digest_alg.oid.to_string() })?;

    let kind: ObjectIdentifier = one(attributes, CONTENT_TYPE).ok_or(wrong("content-type"))?;
    if kind != ID_TST_INFO {
        return Err(wrong("content-type"));
    }
    let digest: OctetString = one(attributes, MESSAGE_DIGEST).ok_or(wrong("message-digest"))?;
    if digest.as_bytes() != hash.digest(content) {
        return Err(wrong("message-digest"));
    }
    // Either of the two names the certificate (RFC 5816); what is there has to fit.
    let has = |kind| attributes.iter().any(|attribute| attribute.oid == kind);
    if !has(SIGNING_CERTIFICATE) && !has(SIGNING_CERTIFICATE_V2) {
        return Err(wrong("signing-certificate"));
    }
    if has(SIGNING_CERTIFICATE_V2) && !is_named_v2(attributes, certificate).unwrap_or(false) {
        return Err(wrong("signing-certificate-v2"));
    }
    if has(SIGNING_CERTIFICATE) && !is_named_v1(attributes, certificate).unwrap_or(false) {
        return Err(wrong("signing-certificate"));
    }
    attributes.to_der().map_err(TimestampError::malformed("signed attributes"))
}

fn is_named_v2(attributes: &SignedAttributes, certificate: &Certificate) -> Option<bool> {
    let ids: SigningCertificateV2 = one(attributes, SIGNING_CERTIFICATE_V2)?;
    let id = ids.certs.first()?;
    let hash = id.hash_algorithm.as_ref().map_or(Some(Hash::Sha256), Hash::of)?;
    let same = id.cert_hash.as_bytes() == hash.digest(certificate.bytes());
    Some(same && names(id.issuer_serial.as_ref(), certificate))
}

fn is_named_v1(attributes: &SignedAttributes, certificate: &Certificate) -> Option<bool> {
    let ids: SigningCertificate = one(attributes, SIGNING_CERTIFICATE)?;
    let id = ids.certs.first()?;
    let digest = ring::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.bytes());
    let same = id.cert_hash.as_bytes() == digest.as_ref();
    Some(same && names(id.issuer_serial.as_ref(), certificate))
}

/// The one value of the one attribute of this kind.
fn one<T: for<'a> Decode<'a>>(attributes: &SignedAttributes, kind: ObjectIdentifier) -> Option<T> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == kind);
    let (attribute, None) = (found.next()?, found.next()) else { return None };
    let [value] = attribute.values.as_slice() else { return None };
    T::from_der(&value.to_der().ok()?).ok()
}

/// Whether issuer and serial number, where given, are those of the certificate.
fn names(given: Option<&IssuerSerial>, certificate: &Certificate) -> bool {
    given.is_none_or(|given| {
        let fields = certificate.fields();
        let issuer =
            matches!(given.issuer.as_slice(), [GeneralName::DirectoryName(name)] if *name == fields.issuer);
        issuer && given.serial_number == fields.serial_number
    })
}
