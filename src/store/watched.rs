//! A store whose writes are told to the log: which phase begins, and with `-vv` each write before and after it.
//!
//! Every answer of the store is handed on as it is.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::store::{Creation, LogStore, Replacement, StoreError, Version};

use crate::phase::Phase;

/// A store, and what it was last written for.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    store: S,
    phase: Mutex<Option<Phase>>,
}

impl<S> Watched<S> {
    pub(crate) fn new(store: S) -> Self {
        Self { store, phase: Mutex::new(None) }
    }

    fn write<T>(&self, key: &str, write: impl FnOnce(&S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let phase = Phase::of_key(key);
        let before =
            std::mem::replace(&mut *self.phase.lock().unwrap_or_else(PoisonError::into_inner), phase);
        if let Some(phase) = phase.filter(|_| phase != before) {
            phase.begins();
        }
        tracing::debug!(key, "writing");
        let begun = Instant::now();
        let done = write(&self.store);
        tracing::debug!(key, ms = begun.elapsed().as_millis(), ok = done.is_ok(), "written");
        done
    }
}

impl<S: LogStore> LogStore for Watched<S> {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.store.get(key)
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError> {
        self.store.open(key)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.store.size(key)
    }

    fn fetch(&self, key: &str, to: &mut dyn Write) -> Result<Option<u64>, StoreError> {
        self.store.fetch(key, to)
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        self.write(key, |store| store.create(key, bytes))
    }

    fn upload(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Creation, StoreError> {
        self.write(key, |store| store.upload(key, zip))
    }

    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError> {
        self.write(key, |store| store.replace(key, bytes, was))
    }

    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.store.list_after(prefix, after)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.store.tidy()
    }
}
