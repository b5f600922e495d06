//! The files that a verification read: name, length, digest. What a workpaper and `--json` list.

use std::path::Path;

use serde::Serialize;

use crate::digest::Digest;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Where it was.
    pub path: String,
    /// How long it was.
    pub bytes: u64,
    /// What it was.
    #[serde(serialize_with = "crate::report::as_text")]
    pub sha256: Digest,
}

impl Input {
    /// A file that was held in memory.
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { path: path.display().to_string(), bytes: length, sha256: Digest::of(bytes) }
    }
}
