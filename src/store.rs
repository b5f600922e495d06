//! The store: where bundles are created and never overwritten.

mod folder;

pub(crate) use folder::{FolderStore, Put, StoreError};
