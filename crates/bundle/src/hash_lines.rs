//! The hashes of a proof as text: one in base64 a line, as C2SP's proofs have them.
//!
//! [`render`] and [`parse`] are twins. Refused: more hashes than a proof can have.

use crate::base64;
use crate::digest::Digest;
use crate::merkle::PROOF_HASHES;

/// A line each, with its end.
pub(crate) fn render(hashes: &[Digest]) -> String {
    hashes.iter().map(|hash| base64::encode(hash.as_bytes()) + "\n").collect()
}

/// The hashes of lines, or what is wrong with them.
pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Digest>, &'static str> {
    let hash = |line: &str| Some(Digest::from_bytes(base64::decode(line.as_bytes())?.try_into().ok()?));
    let hashes: Option<Vec<Digest>> = lines.take(PROOF_HASHES + 1).map(hash).collect();
    let hashes = hashes.ok_or("a hash is none")?;
    if hashes.len() > PROOF_HASHES { Err("too many hashes") } else { Ok(hashes) }
}
