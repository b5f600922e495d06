//! The vectors of `tests/vectors` and the keys in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_bundle::note::{KeyName, NoteKey};
use evidenced_bundle::{Digest, EvidenceKey};
use serde_json::Value;

pub(crate) const ORIGIN: &str = "evidence.example.com/demo";

pub(crate) fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/bundle-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn bundles() -> Vec<Value> {
    vectors()["bundles"].as_array().unwrap().clone()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

pub(crate) fn hash(text: &str) -> Digest {
    Digest::from_bytes(base64(text).try_into().unwrap())
}

/// Evidence is 1, log is 2, witness is 3.
pub(crate) fn key(number: u8) -> EvidenceKey {
    EvidenceKey::from_seed(&[number; 32])
}

pub(crate) fn origin() -> KeyName {
    KeyName::new(ORIGIN).unwrap()
}

pub(crate) fn log_key() -> NoteKey {
    NoteKey::log(origin(), key(2).public().clone())
}

/// `bytes` with one byte changed, at every position and to two values, and cut at every length.
pub(crate) fn changed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flipped = (0..bytes.len()).flat_map(move |position| {
        [0x01, 0x20].map(|bit| {
            let mut other = bytes.to_vec();
            other[position] ^= bit;
            other
        })
    });
    flipped.chain((0..bytes.len()).map(move |length| bytes[..length].to_vec()))
}
