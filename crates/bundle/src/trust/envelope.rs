//! `root-v<n>.dsse.json`: a document with the signatures of its holders.
//!
//! One line, one order of keys, at most one signature of a key. What counts are distinct keys whose signature
//! verifies: never how many signatures there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TrustError;
use super::document::{DOCUMENT_BYTES, Document, Holder};
use crate::base64;
use crate::digest::{Digest, KeyId};
use crate::dsse::{PAYLOAD_TYPE, pae};
use crate::key::EvidenceKey;

/// Longest file.
pub const ENVELOPE_BYTES: usize = 128 << 10;
const SIGNATURES: usize = 32;

/// A document, the bytes that were signed, and signatures that nobody has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    document: Document,
    signatures: BTreeMap<KeyId, [u8; 64]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EnvelopeText {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// A document that nobody has signed.
    pub fn draft(document: Document) -> Result<Self, TrustError> {
        Ok(Self { payload: document.render()?, document, signatures: BTreeMap::new() })
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > ENVELOPE_BYTES {
            return Err(TrustError::TooLong { bytes: bytes.len() });
        }
        let malformed = |detail: &str| TrustError::Malformed { detail: detail.to_owned() };
        let text: EnvelopeText =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        if text.payload_type != PAYLOAD_TYPE {
            return Err(malformed("another payload type"));
        }
        if text.payload.len() > DOCUMENT_BYTES * 2 || text.signatures.len() > SIGNATURES {
            return Err(malformed("too long a payload or too many signatures"));
        }
        let payload =
            base64::decode(text.payload.as_bytes()).ok_or_else(|| malformed("the payload is no base64"))?;
        let mut signatures = BTreeMap::new();
        for SignatureText { keyid, sig } in text.signatures {
            let id = KeyId::parse(&keyid).ok_or_else(|| malformed("a key id is none"))?;
            let signature = base64::decode(sig.as_bytes()).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
            let signature = signature.ok_or_else(|| malformed("a signature has not 64 bytes"))?;
            if signatures.insert(id, signature).is_some() {
                return Err(TrustError::KeyTwice { id });
            }
        }
        let envelope = Self { document: Document::parse(&payload)?, payload, signatures };
        if envelope.render().as_bytes() == bytes { Ok(envelope) } else { Err(TrustError::Spelling) }
    }

    /// The file.
    pub fn render(&self) -> String {
        let signatures: Vec<_> = self
            .signatures
            .iter()
            .map(|(id, signature)| {
                format!("{{\"keyid\":\"{id}\",\"sig\":\"{}\"}}", base64::encode(signature))
            })
            .collect();
        format!(
            "{{\"payload\":\"{}\",\"payloadType\":\"{PAYLOAD_TYPE}\",\"signatures\":[{}]}}\n",
            base64::encode(&self.payload),
            signatures.join(",")
        )
    }

    /// What is stated.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// SHA-256 of the statement: of version 1, the fingerprint of the trust root.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// Adds, or makes again, the signature of `key`. Who counts is decided when the chain is read.
    pub fn sign(&mut self, key: &EvidenceKey) -> Result<(), TrustError> {
        let signature = key.sign_within(&pae(PAYLOAD_TYPE, &self.payload), ENVELOPE_BYTES)?;
        self.signatures.insert(*key.public().id(), signature);
        Ok(())
    }

    /// The distinct keys of `holders` that have signed.
    pub fn signers(&self, holders: &[Holder]) -> BTreeSet<KeyId> {
        let message = pae(PAYLOAD_TYPE, &self.payload);
        holders
            .iter()
            .filter(|holder| {
                self.signatures
                    .get(holder.key.id())
                    .is_some_and(|signature| holder.key.verify_strict(&message, signature).is_ok())
            })
            .map(|holder| *holder.key.id())
            .collect()
    }

    /// Good when enough holders of this version have signed, and enough of the version before it.
    pub fn check(&self, before: Option<&Document>) -> Result<(), TrustError> {
        for document in [Some(&self.document), before].into_iter().flatten() {
            let found = self.signers(&document.holders).len();
            if found < document.threshold {
                return Err(TrustError::Threshold {
                    version: self.document.version,
                    of: document.version,
                    found,
                    needed: document.threshold,
                });
            }
        }
        Ok(())
    }
}
