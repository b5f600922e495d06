//! How much of a foreign file is read.
//!
//! Each reader takes these from its caller. What is beyond them is refused, not cut.

/// Upper bounds for one bundle. [`Limits::default`] is what the writer keeps to as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files in the archive.
    pub entries: u64,
    /// All files together, uncompressed.
    pub uncompressed_bytes: u64,
    /// One file, uncompressed.
    pub entry_bytes: u64,
    /// One tag file other than a manifest (`README.txt`, `bag-info.txt`).
    pub tag_file_bytes: u64,
    /// `manifest-sha256.txt`.
    pub manifest_bytes: u64,
    /// One of `config.json`, `catalogue.json`, `plan.json`, `run.json`, `run/<account>.json`: these are held in memory.
    pub json_bytes: u64,
    /// Parts of a run.
    pub parts: u64,
    /// Cells of a run: planned, and rows.
    pub cells: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 20_000,
            uncompressed_bytes: 1 << 30,
            entry_bytes: 512 << 20,
            tag_file_bytes: 64 << 10,
            manifest_bytes: 8 << 20,
            json_bytes: 64 << 20,
            // Each part that is there is an open file until the bundle is dropped.
            parts: 500,
            cells: 2_000_000,
        }
    }
}

/// The longest message that is ever signed: what AWS KMS takes as `RAW`. Signers and verifier hold to it alike.
pub const SIGNED_MESSAGE_BYTES: usize = 4096;
