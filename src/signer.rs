//! Signing keys: in a file (read once, mode checked, zeroed when dropped), or in KMS (never read).

mod kms;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evidenced_bundle::EvidenceKey;
use evidenced_bundle::key::KeyError;
use evidenced_bundle::log::Signer;
use evidenced_core::config::KeySource;
use tokio::runtime::Handle;

use crate::aws::{self, AwsError};
use crate::collector::Loaded;

use kms::{KmsError, KmsKey};

/// Longest key file that is read.
const KEY_BYTES: u64 = 16 << 10;

/// A key that signs, wherever it is.
pub(crate) type Key = Box<dyn Signer + Send + Sync>;

/// Why a key cannot be used.
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
    /// KMS cannot be asked.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// KMS has no such key, or refuses it.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// It is no key.
    #[error("key {path}: is not an Ed25519 private key in PKCS#8 PEM")]
    Malformed {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
}

/// The key of a configuration. It signs on a thread of its own, never on one of the runtime's.
pub(crate) async fn open(
    loaded: &Loaded,
    settings: &aws::Settings,
    source: &KeySource,
) -> Result<Key, SignerError> {
    match source {
        KeySource::File(path) => Ok(Box::new(read_key(&loaded.resolve(path))?)),
        KeySource::Kms(key) => {
            let client = aws::kms(settings, key).await?;
            Ok(Box::new(KmsKey::open(client, Handle::current(), key).await?))
        }
    }
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
