//! A bundle of the store, opened: the zip that its leaf names, verified under the trust root.
//!
//! Parts are not brought: what is read here is in the root. Refused: a zip that is not the one in the log.

use evidenced_bundle::parts::NoParts;
use evidenced_bundle::sidecar::ZipDigests;
use evidenced_bundle::statement::Statement;
use evidenced_bundle::{BundlePath, Limits, TrustedKeys, UntrustedBundle, VerifiedBundle, VerifyError};
use serde_json::Value;

use super::Client;

/// Why the contents of a bundle are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{key} is not in the store")]
    Absent { key: String },
    #[error(transparent)]
    Store(#[from] evidenced_bundle::store::StoreError),
    #[error("{key} is not the zip that its leaf in the log names")]
    Other { key: String },
    #[error("{key} is refused")]
    Refused {
        key: String,
        #[source]
        source: VerifyError,
    },
    #[error("{key}: {path} is no JSON")]
    Json { key: String, path: String },
}

impl Client {
    /// The bundle of a statement.
    pub(crate) fn bundle(&self, statement: &Statement) -> Result<VerifiedBundle, OpenError> {
        let id = &statement.snapshot.id;
        let key = id.store_key();
        let zip = self.store.open(&key)?.ok_or_else(|| OpenError::Absent { key: key.clone() })?;
        let refused = |source| OpenError::Refused { key: key.clone(), source };
        let mut bundle = UntrustedBundle::open(zip, &id.file_name(), &Limits::default()).with_parts(NoParts);
        let digests = bundle.hash(evidenced_bundle::sidecar::Wanted::Sha256).map_err(refused)?;
        if digests.is_none_or(|ZipDigests { sha256, .. }| *sha256 != statement.snapshot.zip_sha256) {
            return Err(OpenError::Other { key });
        }
        let keys = self.trust.evidence_keys().map(|(_, key)| key.clone());
        let keys = TrustedKeys::new(keys).ok_or_else(|| OpenError::Other { key: key.clone() })?;
        bundle.verify(&keys).map_err(refused)
    }
}

/// A JSON file of a bundle; none where it has no such file.
pub(crate) fn json(bundle: &mut VerifiedBundle, path: &str) -> Result<Option<Value>, OpenError> {
    let key = bundle.id().store_key();
    let wrong = || OpenError::Json { key: key.clone(), path: path.to_owned() };
    let at = BundlePath::new(path).map_err(|_| wrong())?;
    if bundle.manifest().digest(&at).is_none() {
        return Ok(None);
    }
    let bytes = bundle.read(&at).map_err(|source| OpenError::Refused { key: key.clone(), source })?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| wrong())
}
