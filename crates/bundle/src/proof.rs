//! `.zip.tlog-proof`: the proof that a statement is in the log (C2SP tlog-proof v1).
//!
//! It carries a checkpoint and the hashes that lead from the statement to its root, and is read in one spelling only.

use crate::digest::Digest;
use crate::hash_lines;
use crate::merkle::{MerkleError, verify_inclusion};
use crate::note::{Note, NoteError, NoteKey, Opened};

/// Longer proofs are refused unread.
pub const PROOF_BYTES: usize = 128 << 10;
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not such a file.
    #[error("not a tlog-proof: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The checkpoint in it is refused.
    #[error("the checkpoint of the proof is refused")]
    Checkpoint(#[from] NoteError),
    /// The leaf is not where the proof says.
    #[error("the leaf is not entry {index} of the log")]
    NotIncluded {
        /// Where it should be.
        index: u64,
        /// Why.
        #[source]
        source: MerkleError,
    },
}

/// A proof that nobody has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The number of the leaf.
    pub index: u64,
    /// The audit path, the sibling of the leaf first.
    pub hashes: Vec<Digest>,
    /// A checkpoint that covers the leaf.
    pub checkpoint: Note,
}

impl LogProof {
    /// The file.
    pub fn render(&self) -> String {
        let hashes = hash_lines::render(&self.hashes);
        format!("{HEADER}\nindex {}\n{hashes}\n{}", self.index, self.checkpoint.render())
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let malformed = |what| ProofError::Malformed { what };
        if bytes.len() > PROOF_BYTES {
            return Err(malformed("too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("no UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("another first line"));
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or_else(|| malformed("no index"))?;
        let hashes = hash_lines::parse(lines).map_err(malformed)?;
        let proof = Self { index, hashes, checkpoint: Note::parse(checkpoint.as_bytes())? };
        if proof.render() == text { Ok(proof) } else { Err(malformed("another spelling of itself")) }
    }

    /// The checkpoint is signed by a known log key, and `leaf` (the bytes of the statement) is entry `index` of it.
    pub fn verify(&self, leaf: &[u8], keys: &[NoteKey]) -> Result<Opened, ProofError> {
        let opened = self.checkpoint.open(keys)?;
        let (size, root) = (opened.checkpoint.size, &opened.checkpoint.root);
        verify_inclusion(&crate::merkle::leaf_hash(leaf), self.index, size, &self.hashes, root)
            .map_err(|source| ProofError::NotIncluded { index: self.index, source })?;
        Ok(opened)
    }
}
