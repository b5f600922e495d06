//! The request: a digest, a nonce, and the wish for the certificate.

use der::asn1::{Any, Int, OctetString};
use der::{Encode, Tag};
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

use super::TimestampError;
use super::algorithms::Hash;
use crate::digest::Digest;

/// A number that ties an answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 8]);

impl Nonce {
    /// The nonce of eight random bytes, two bits of which are fixed: a positive number of eight bytes in DER.
    pub fn new(mut random: [u8; 8]) -> Self {
        let [first, ..] = &mut random;
        *first = *first & 0x3f | 0x40;
        Self(random)
    }

    pub(super) fn integer(&self) -> &[u8] {
        &self.0
    }
}

/// The DER of a request to date `imprint`.
pub fn request(imprint: &Digest, nonce: &Nonce) -> Result<Vec<u8>, TimestampError> {
    let build = || {
        TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: cms::cert::x509::spki::AlgorithmIdentifier {
                    oid: Hash::Sha256.oid(),
                    parameters: Some(Any::new(Tag::Null, Vec::new())?),
                },
                hashed_message: OctetString::new(&imprint.as_bytes()[..])?,
            },
            req_policy: None,
            nonce: Some(Int::new(nonce.integer())?),
            cert_req: true,
            extensions: None,
        }
        .to_der()
    };
    build().map_err(TimestampError::malformed("request"))
}
