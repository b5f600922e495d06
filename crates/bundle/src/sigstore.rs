//! `.zip.sigstore.json`: the signed statement as a Sigstore bundle v0.3.
//!
//! One line in one order of keys, so that `sed` can take it apart. The payload is decoded once; what was decoded is
//! what was signed and what is parsed. Refused: other spellings, url-safe base64, a second signature, a hint that is
//! not the key id, a file beyond 256 KiB.

use serde::Deserialize;

use crate::base64;
use crate::digest::KeyId;
use crate::dsse::{self, PAYLOAD_TYPE};
use crate::key::{KeyError, PublicKey};
use crate::statement::{Statement, StatementError};

/// Longer files are refused unread.
pub const SIGSTORE_BYTES: usize = 256 << 10;
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Why the file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// Not such a file.
    #[error("not a sigstore bundle of a statement: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// The payload is too long to have been signed.
    #[error("the payload of {bytes} bytes is too long to be signed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Another key is named.
    #[error("key {found} is not the key {expected} that is asked for")]
    OtherKey {
        /// The key named.
        found: KeyId,
        /// The key to verify with.
        expected: KeyId,
    },
    /// The signature is refused.
    #[error("the signature over the statement is refused")]
    Signature(#[from] KeyError),
    /// The payload is not a statement of ours.
    #[error("the signed payload is refused")]
    Statement(#[from] StatementError),
}

/// A statement in its envelope, that nobody has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The key that is said to have signed: a hint.
    pub key_id: KeyId,
    /// The bytes of the statement.
    pub payload: Vec<u8>,
    /// Over [`dsse::pae`] of the payload.
    pub signature: [u8; 64],
    /// RFC 3161 responses (DER) over the signature.
    pub tokens: Vec<Vec<u8>>,
}

impl Envelope {
    /// The file.
    pub fn render(&self) -> String {
        let Self { key_id, payload, signature, tokens } = self;
        let tokens: Vec<_> = tokens
            .iter()
            .map(|token| format!("{{\"signedTimestamp\":\"{}\"}}", base64::encode(token)))
            .collect();
        [
            format!("{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{"),
            format!("\"publicKey\":{{\"hint\":\"{key_id}\"}},\"tlogEntries\":[],"),
            format!("\"timestampVerificationData\":{{\"rfc3161Timestamps\":[{}]}}}},", tokens.join(",")),
            format!("\"dsseEnvelope\":{{\"payload\":\"{}\",", base64::encode(payload)),
            format!("\"payloadType\":\"{PAYLOAD_TYPE}\",\"signatures\":[{{"),
            format!("\"sig\":\"{}\",\"keyid\":\"{key_id}\"}}]}}}}\n", base64::encode(signature)),
        ]
        .concat()
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigstoreError> {
        let malformed = |detail: &str| SigstoreError::Malformed { detail: detail.to_owned() };
        if bytes.len() > SIGSTORE_BYTES {
            return Err(malformed("too long"));
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        let Document { verification_material: material, dsse_envelope: envelope, .. } = document;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed("another payload type"));
        }
        let [signature] = envelope.signatures;
        if material.public_key.hint != signature.keyid {
            return Err(malformed("the hint is not the key id"));
        }
        let key_id = KeyId::parse(&signature.keyid).ok_or_else(|| malformed("the key id is none"))?;
        let bytes_of = |what, text: &str| base64::decode(text.as_bytes()).ok_or_else(|| malformed(what));
        let tokens: Result<_, _> = material
            .timestamp_verification_data
            .rfc3161_timestamps
            .iter()
            .map(|token| bytes_of("a token is no base64", &token.signed_timestamp))
            .collect();
        let signature = bytes_of("the signature is no base64", &signature.sig)?.try_into();
        let found = Self {
            key_id,
            payload: bytes_of("the payload is no base64", &envelope.payload)?,
            signature: signature.map_err(|_| malformed("the signature has not 64 bytes"))?,
            tokens: tokens?,
        };
        // Media type, order of keys, empty lists and the final line feed are all in here.
        if found.render().as_bytes() == bytes {
            Ok(found)
        } else {
            Err(malformed("another spelling of itself"))
        }
    }

    /// The statement, when `key` has signed it. The caller picked the key by id and purpose, never from the file.
    pub fn verify(&self, key: &PublicKey) -> Result<Statement, SigstoreError> {
        if self.key_id != *key.id() {
            return Err(SigstoreError::OtherKey { found: self.key_id, expected: *key.id() });
        }
        let message =
            dsse::message(&self.payload).ok_or(SigstoreError::TooLong { bytes: self.payload.len() })?;
        key.verify_strict(&message, &self.signature)?;
        Ok(Statement::parse(&self.payload)?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "mediaType")]
    _media_type: String,
    verification_material: Material,
    dsse_envelope: DsseEnvelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: Hint,
    #[serde(rename = "tlogEntries")]
    _tlog_entries: [(); 0],
    timestamp_verification_data: Timestamps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timestamps {
    #[serde(rename = "rfc3161Timestamps")]
    rfc3161_timestamps: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Token {
    signed_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DsseEnvelope {
    payload: String,
    payload_type: String,
    signatures: [EnvelopeSignature; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    sig: String,
    keyid: String,
}
