//! The algorithms that a token may use, and no others.

use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::asn1::{Any, ObjectIdentifier};
use rustls_pki_types::SignatureVerificationAlgorithm;
use sha2::Digest as _;
use webpki::ring as algorithms;

/// What certificates of authorities may be signed with.
pub(super) const CHAIN: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// A hash function of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The function that is named, with parameters absent or null.
    pub(super) fn of(found: &AlgorithmIdentifierOwned) -> Option<Self> {
        let plain = found.parameters.as_ref().is_none_or(Any::is_null);
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|hash| plain && hash.oid() == found.oid)
    }

    pub(super) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        }
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// The algorithms that a signature of this name over a digest of `hash` may be checked with: which of them depends on
/// the key. Empty when the name is not known or contradicts the hash.
pub(super) fn of_signature(
    name: &AlgorithmIdentifierOwned,
    hash: Hash,
) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    if !name.parameters.as_ref().is_none_or(Any::is_null) {
        return Vec::new();
    }
    match (name.oid, hash) {
        (RSA | RSA_SHA_256, Hash::Sha256) => vec![algorithms::RSA_PKCS1_2048_8192_SHA256],
        (RSA | RSA_SHA_384, Hash::Sha384) => vec![algorithms::RSA_PKCS1_2048_8192_SHA384],
        (RSA | RSA_SHA_512, Hash::Sha512) => vec![algorithms::RSA_PKCS1_2048_8192_SHA512],
        (ECDSA_SHA_256, Hash::Sha256) => vec![algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256],
        (ECDSA_SHA_384, Hash::Sha384) => vec![algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384],
        _ => Vec::new(),
    }
}
