//! Why an answer proves nothing.

use crate::digest::Digest;
use crate::time::UtcSecond;

/// The first step of [`super::verify`] that failed.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    /// Longer than any answer.
    #[error("timestamp answer of {bytes} bytes is longer than the {} that are read", super::RESPONSE_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not the DER of what stands here, or something follows it.
    #[error("timestamp: {part} is not the DER of one")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What the decoder said.
        #[source]
        source: der::Error,
    },
    /// The authority declined.
    #[error("timestamp authority answered {status}")]
    NotGranted {
        /// Its word.
        status: String,
    },
    /// Granted, but empty.
    #[error("timestamp answer holds no token")]
    NoToken,
    /// Signed data of another kind.
    #[error("timestamp token has content of type {found}")]
    ContentType {
        /// The type.
        found: String,
    },
    /// A token over other data.
    #[error("timestamp is not over the SHA-256 {wanted}")]
    Imprint {
        /// What should have been dated.
        wanted: Digest,
    },
    /// The answer to another request.
    #[error("timestamp has another nonce than the request")]
    Nonce,
    /// No second between 1970 and 9999.
    #[error("timestamp has a time out of range")]
    Time,
    /// None, or several.
    #[error("timestamp has {found} signers, expected 1")]
    Signers {
        /// How many.
        found: usize,
    },
    /// The certificate that the signer names is missing, or two are.
    #[error("timestamp has {found} certificates of its signer, expected 1")]
    SignerCertificate {
        /// How many.
        found: usize,
    },
    /// A signed attribute is missing, there twice, or wrong.
    #[error("timestamp attribute {name} is missing or does not fit")]
    Attribute {
        /// Which.
        name: &'static str,
    },
    /// A certificate for anything else, or for several things, or not critically so.
    #[error("certificate of {authority} is not one for timestamping only")]
    Purpose {
        /// Its subject.
        authority: String,
    },
    /// Not among what this verifier knows.
    #[error("timestamp algorithm {found} is not accepted")]
    Algorithm {
        /// Its object identifier.
        found: String,
    },
    /// The signature is not the signer's.
    #[error("timestamp signature is not one of {authority}")]
    Signature {
        /// The subject of the certificate.
        authority: String,
    },
    /// Some certificate of the chain was not valid at the time.
    #[error("certificate of {authority}, or one above it, was not valid at {time}")]
    NotValidThen {
        /// The subject of the certificate.
        authority: String,
        /// The time in the token.
        time: UtcSecond,
    },
    /// The chain ends elsewhere.
    #[error("{authority} does not lead to a pinned timestamp root that was in force at {time}")]
    UnknownAuthority {
        /// The subject of the certificate.
        authority: String,
        /// The time in the token.
        time: UtcSecond,
    },
    /// The chain is wrong in another way.
    #[error("certificate chain of {authority} is refused: {reason}")]
    Chain {
        /// The subject of the certificate.
        authority: String,
        /// The word of the chain checker.
        reason: String,
    },
}

impl TimestampError {
    pub(super) fn malformed(part: &'static str) -> impl FnOnce(der::Error) -> Self {
        move |source| Self::Malformed { part, source }
    }
}
