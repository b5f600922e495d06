//! The file key: read once, mode checked, zeroed when dropped.

mod kms;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evidenced_bundle::EvidenceKey;
use evidenced_bundle::key::KeyError;

/// Longest key file that is read.
const KEY_BYTES: u64 = 16 << 10;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    /// It cannot be read.
    #[error("key {path}: cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Others could read it.
    #[error("key {path}: mode {mode:04o} lets others read it")]
    Open { path: PathBuf, mode: u32 },
    /// It is no key.
    #[error("key {path}: is not an Ed25519 private key in PKCS#8 PEM")]
    Malformed {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
}

/// Reads a private key that nobody else can read.
pub(crate) fn read_key(path: &Path) -> Result<EvidenceKey, SignerError> {
    let unreadable = |source| SignerError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SignerError::Open { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(KEY_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    EvidenceKey::from_pem(&text).map_err(|source| SignerError::Malformed { path: path.to_owned(), source })
}
