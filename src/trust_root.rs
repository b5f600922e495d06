//! The trust root that the collector works under: which keys verifiers will accept.
//!
//! The configuration names a folder of it, or one of its versions. The collector pins nothing: it says in every bundle
//! under which version it worked, and warns when its own keys are not in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use evidenced_bundle::trust::{ENVELOPE_BYTES, Envelope, TrustError, TrustRoot, file_name};
use evidenced_core::config::TrustRootInForce;

/// Why a configured trust root cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustRootError {
    #[error("trust root {path}: cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("trust root {path}: is refused")]
    Refused {
        path: PathBuf,
        #[source]
        source: TrustError,
    },
}

/// A trust root and the folder that it was read from.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) root: TrustRoot,
    pub(crate) folder: PathBuf,
}

impl Trusted {
    /// Reads the chain in a folder, or in the folder of a file.
    pub(crate) fn load(path: &Path) -> Result<Self, TrustRootError> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let first = folder.join(file_name(1));
        let limit = u64::try_from(ENVELOPE_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        File::open(&first)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|source| TrustRootError::Unreadable { path: first.clone(), source })?;
        let refused = |source| TrustRootError::Refused { path: folder.to_owned(), source };
        let first = Envelope::parse(&bytes).map_err(refused)?;
        let root = TrustRoot::load_folder(folder, &first.digest(), 0).map_err(refused)?;
        Ok(Self { root, folder: folder.to_owned() })
    }

    /// What the bundles say of it.
    pub(crate) fn in_force(&self) -> TrustRootInForce {
        TrustRootInForce { version: self.root.version(), sha256: self.root.digest() }
    }
}
