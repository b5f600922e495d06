//! Who signed a token: finding the certificate, checking the signature.

use cms::cert::CertificateChoices;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use webpki::EndEntityCert;

use super::algorithms::{Hash, of_signature};
use super::certificate::Certificate;
use super::{Authorities, TimestampError};

/// The certificates of the token, then the helpers of the verifier; each once.
pub(super) fn pool(
    signed: &SignedData,
    authorities: &Authorities,
) -> Result<Vec<Certificate>, TimestampError> {
    let mut pool: Vec<Certificate> = Vec::new();
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()) {
        if let CertificateChoices::Certificate(certificate) = choice {
            pool.push(Certificate::new(certificate).map_err(TimestampError::malformed("certificate"))?);
        }
    }
    for helper in authorities.helpers() {
        if !pool.contains(helper) {
            pool.push(helper.clone());
        }
    }
    Ok(pool)
}

/// The one certificate of the pool that the signer names.
pub(super) fn certificate<'a>(
    named: &SignerIdentifier,
    pool: &'a [Certificate],
) -> Result<&'a Certificate, TimestampError> {
    let found: Vec<_> = pool
        .iter()
        .filter(|certificate| match named {
            SignerIdentifier::IssuerAndSerialNumber(name) => {
                let fields = certificate.fields();
                fields.issuer == name.issuer && fields.serial_number == name.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(id) => certificate.has_key_id(id),
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        _ => Err(TimestampError::SignerCertificate { found: found.len() }),
    }
}

/// Whether the signature over `attributes` is of the key of `certificate`.
pub(super) fn check_signature(
    signer: &SignerInfo,
    certificate: &Certificate,
    attributes: &[u8],
) -> Result<(), TimestampError> {
    let unknown = |found: &cms::cert::x509::spki::AlgorithmIdentifierOwned| TimestampError::Algorithm {
        found: found.oid.to_string(),
    };
    let hash = Hash::of(&signer.digest_alg).ok_or_else(|| unknown(&signer.digest_alg))?;
    let algorithms = of_signature(&signer.signature_algorithm, hash);
    if algorithms.is_empty() {
        return Err(unknown(&signer.signature_algorithm));
    }
    let bad = || TimestampError::Signature { authority: certificate.subject() };
    let der = certificate.der();
    let key = EndEntityCert::try_from(&der).map_err(|_| bad())?;
    let good = algorithms
        .iter()
        .any(|algorithm| key.verify_signature(*algorithm, attributes, signer.signature.as_bytes()).is_ok());
    if good { Ok(()) } else { Err(bad()) }
}
