//! Where bundles, the log and the trust root are kept: created once, never overwritten.
//!
//! One abstraction for every kind of store, [`LogStore`] of the bundle crate: what the log promises holds wherever it
//! is kept.

use std::path::PathBuf;

use evidenced_bundle::store::{FolderLogStore, LogStore};

use crate::collector::Loaded;

/// A store that publishing may use from its own thread.
pub(crate) type Store = Box<dyn LogStore + Send + Sync>;

/// The store of a configuration. Nothing is read or made yet.
pub(crate) fn open(loaded: &Loaded) -> Store {
    Box::new(FolderLogStore::new(loaded.resolve(&loaded.config.store)))
}

/// Where a key of the store is, for people.
pub(crate) fn location(loaded: &Loaded, key: &str) -> PathBuf {
    loaded.resolve(&loaded.config.store).join(key)
}
