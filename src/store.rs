//! Where bundles, the log and the trust root are kept: created once, never overwritten.
//!
//! One abstraction for every kind of store, [`LogStore`] of the bundle crate: what the log promises holds wherever it
//! is kept.

mod s3;
mod watched;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::store::{Creation, FolderLogStore, LogStore, Replacement, StoreError, Version};
use evidenced_core::config;
use tokio::runtime::Handle;

use crate::aws::{self, AwsError};
use crate::collector::Loaded;

pub(crate) use s3::{S3Error, S3Store};
use watched::Watched;

/// A store that publishing may use from its own thread.
pub(crate) type Store = Box<dyn LogStore + Send + Sync>;

/// Holds work in the store back: when it is cut, the next step of everybody on it fails.
///
/// Work on a thread cannot be ended from outside; what it does to the store can. Clones are one leash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leash(Arc<AtomicBool>);

impl Leash {
    /// Whoever is on it stops at the next step.
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether anybody else still has it.
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn step(&self, doing: &'static str, key: &str) -> Result<(), StoreError> {
        if self.0.load(Ordering::Acquire) {
            return Err(StoreError::new(doing, key, "the run was given up before"));
        }
        Ok(())
    }
}

/// A store on a leash.
pub(crate) struct Leashed {
    pub(crate) store: Store,
    pub(crate) leash: Leash,
}

impl LogStore for Leashed {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.leash.step("read", key)?;
        self.store.get(key)
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError> {
        self.leash.step("open", key)?;
        self.store.open(key)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.leash.step("measure", key)?;
        self.store.size(key)
    }

    fn fetch(&self, key: &str, to: &mut dyn Write) -> Result<Option<u64>, StoreError> {
        self.leash.step("fetch", key)?;
        self.store.fetch(key, to)
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        self.leash.step("create", key)?;
        self.store.create(key, bytes)
    }

    fn upload(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Creation, StoreError> {
        self.leash.step("create", key)?;
        self.store.upload(key, zip)
    }

    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError> {
        self.leash.step("replace", key)?;
        self.store.replace(key, bytes, was)
    }

    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.leash.step("list", prefix)?;
        self.store.list_after(prefix, after)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.leash.step("tidy", "")?;
        self.store.tidy()
    }
}

/// The store of a configuration. Nothing is read or made yet.
pub(crate) async fn open(loaded: &Loaded, settings: &aws::Settings) -> Result<Store, AwsError> {
    match &loaded.config.store {
        config::Store::Folder(folder) => {
            Ok(Box::new(Watched::new(FolderLogStore::new(loaded.resolve(folder)))))
        }
        config::Store::S3(s3) => Ok(Box::new(Watched::new(open_s3(loaded, settings, s3).await?))),
    }
}

/// A bucket as a store. Nothing is asked yet.
pub(crate) async fn open_s3(
    loaded: &Loaded,
    settings: &aws::Settings,
    s3: &config::S3,
) -> Result<S3Store, AwsError> {
    let client = aws::s3(&self::settings(s3, settings)).await?;
    let scratch = loaded.resolve(&loaded.config.spool).join("reading");
    Ok(S3Store::new(client, Handle::current(), s3.clone(), scratch))
}

/// How AWS is asked about a bucket.
pub(crate) fn settings(s3: &config::S3, settings: &aws::Settings) -> aws::Settings {
    aws::Settings {
        endpoint_url: s3.endpoint_url.clone().or_else(|| settings.endpoint_url.clone()),
        home_region: s3.region.clone().or_else(|| settings.home_region.clone()),
        ..settings.clone()
    }
}

/// Where a key of the store is, for people.
pub(crate) fn location(loaded: &Loaded, key: &str) -> PathBuf {
    match &loaded.config.store {
        config::Store::Folder(folder) => loaded.resolve(folder).join(key),
        config::Store::S3(s3) => s3::url(s3, key).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_was_given_up_writes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let leash = Leash::default();
        let store = Leashed { store: Box::new(FolderLogStore::new(folder.path())), leash: leash.clone() };
        assert!(leash.is_held());
        assert_eq!(store.create("a", b"one").unwrap(), Creation::Created);
        leash.cut();
        assert_eq!(store.create("b", b"two").unwrap_err().source.to_string(), "the run was given up before");
        assert!(store.get("a").is_err() && store.list("").is_err() && store.replace("a", b"", None).is_err());
        assert!(!folder.path().join("b").exists());
        drop(store);
        assert!(!leash.is_held());
    }
}
