//! Where bundles, the log and the trust root are kept: created once, never overwritten.
//!
//! One abstraction for every kind of store, [`LogStore`] of the bundle crate: what the log promises holds wherever it
//! is kept.

mod s3;
mod watched;

use std::path::PathBuf;

use evidenced_bundle::store::{FolderLogStore, LogStore};
use evidenced_core::config;
use tokio::runtime::Handle;

use crate::aws::{self, AwsError};
use crate::collector::Loaded;

use s3::S3Store;
use watched::Watched;

/// A store that publishing may use from its own thread.
pub(crate) type Store = Box<dyn LogStore + Send + Sync>;

/// The store of a configuration. Nothing is read or made yet.
pub(crate) async fn open(loaded: &Loaded, settings: &aws::Settings) -> Result<Store, AwsError> {
    match &loaded.config.store {
        config::Store::Folder(folder) => {
            Ok(Box::new(Watched::new(FolderLogStore::new(loaded.resolve(folder)))))
        }
        config::Store::S3(s3) => {
            let client = aws::s3(&self::settings(s3, settings)).await?;
            let scratch = loaded.resolve(&loaded.config.spool).join("reading");
            Ok(Box::new(Watched::new(S3Store::new(client, Handle::current(), s3.clone(), scratch))))
        }
    }
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
