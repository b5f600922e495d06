//! `data/log/consistency.txt`: that the log of the end begins with the log of the start.
//!
//! The body of a request to a witness (C2SP tlog-witness, `add-checkpoint`): `old <size>`, one base64 hash a line, an
//! empty line, the checkpoint. [`Consistency::render`] and [`Consistency::parse`] are twins.

use crate::digest::Digest;
use crate::hash_lines;
use crate::note::{Note, NoteError};

/// Why bytes are not such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// Another form.
    #[error("not a consistency proof: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The checkpoint is none.
    #[error("the checkpoint of the proof is refused")]
    Checkpoint(#[from] NoteError),
}

/// A proof that nobody has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The size of the older log; 0 needs no proof.
    pub old: u64,
    /// As RFC 6962 orders them.
    pub hashes: Vec<Digest>,
    /// The newer checkpoint.
    pub checkpoint: Note,
}

impl Consistency {
    /// The file.
    pub fn render(&self) -> String {
        let hashes = hash_lines::render(&self.hashes);
        format!("old {}\n{hashes}\n{}", self.old, self.checkpoint.render())
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConsistencyError> {
        let malformed = |what| ConsistencyError::Malformed { what };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("no UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")?.parse().ok());
        let old = old.ok_or_else(|| malformed("no old size"))?;
        let hashes = hash_lines::parse(lines).map_err(malformed)?;
        let proof = Self { old, hashes, checkpoint: Note::parse(checkpoint.as_bytes())? };
        if proof.render() == text { Ok(proof) } else { Err(malformed("another spelling of itself")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKPOINT: &str = "log.example.com/a\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} log.example.com/a AAAAAAAA\n";

    #[test]
    fn what_is_rendered_is_parsed_and_other_spellings_are_refused() {
        let hashes = vec![Digest::of(b"a"), Digest::of(b"b")];
        let checkpoint = Note::parse(CHECKPOINT.as_bytes()).unwrap();
        let text = Consistency { old: 1, hashes, checkpoint }.render();
        assert_eq!(Consistency::parse(text.as_bytes()).unwrap().render(), text);
        let many =
            format!("old 1\n{}\n{CHECKPOINT}", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(65));
        for other in [
            text.replace("old 1", "old 01"),
            text.replace("old 1", "old -1"),
            text.replace("old 1", "Old 1"),
            text.replace("old 1\n", ""),
            text.replace("\n\n", "\n"),
            text.replace("=\n", "\n"),
            text.replace('\n', "\r\n"),
            format!("\n{text}"),
            many,
        ] {
            assert!(Consistency::parse(other.as_bytes()).is_err(), "{other:?}");
        }
    }
}
