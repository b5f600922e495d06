//! The folder store: the same keys and rules as a bucket.
//!
//! Create-only: a temporary file in the target's folder, fsync, `hard_link(tmp, final)`, unlink, fsync of the folder.
//! `hard_link` fails when the name exists, so a bundle is there whole or not at all, and is never replaced.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use evidenced_bundle::{Digest, hash_reader};

/// Why the store did not take a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system refused.
    #[error("store {path}: {action} failed")]
    Io {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// Another file has the name.
    #[error("store {path}: already holds another file (sha256 {found}, ours is {ours})")]
    Conflict { path: PathBuf, found: Digest, ours: Digest },
}

/// What putting a file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was created.
    Created,
    /// An equal file was there: an earlier attempt succeeded.
    AlreadyThere,
}

/// A folder with the keys of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a key is.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Whether a key exists.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.path(key).exists()
    }

    /// Creates `key` with the contents of `from`. When it returns, the bytes and the name are on disk.
    pub(crate) fn create(&self, key: &str, from: &Path, ours: Digest) -> Result<Put, StoreError> {
        let to = self.path(key);
        let failed = |path: &Path, action| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, action, source }
        };
        let folder = to.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(failed(folder, "creating the folder"))?;
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let copied = copy(from, &temporary).map_err(failed(&temporary, "writing"));
        let linked = copied.and_then(|()| match fs::hard_link(&temporary, &to) {
            Ok(()) => Ok(Put::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A crash or a time-out can hide a success, so what is there is compared first.
                let found = File::open(&to).and_then(hash_reader).map_err(failed(&to, "reading"))?.0;
                if found == ours {
                    Ok(Put::AlreadyThere)
                } else {
                    Err(StoreError::Conflict { path: to.clone(), found, ours })
                }
            }
            Err(error) => Err(failed(&to, "linking")(error)),
        });
        let removed = match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&temporary, "removing")(error))
            }
            _ => Ok(()),
        };
        let put = linked?;
        removed?;
        sync_folders(folder, &self.root).map_err(failed(folder, "fsync"))?;
        Ok(put)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(to)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()
}

/// A new folder is only there after a crash when its parent is on disk as well.
fn sync_folders(from: &Path, root: &Path) -> io::Result<()> {
    let mut folder = from;
    loop {
        File::open(folder)?.sync_all()?;
        match folder.parent() {
            Some(parent) if folder != root && folder.starts_with(root) => folder = parent,
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(folder: &Path, bytes: &[u8]) -> (PathBuf, Digest) {
        let path = folder.join("source");
        fs::write(&path, bytes).unwrap();
        (path, Digest::of(bytes))
    }

    #[test]
    fn a_key_is_created_once_and_an_equal_file_is_no_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path().join("store"));
        let (path, digest) = source(folder.path(), b"one");
        assert_eq!(store.create("bundles/2026/a.zip", &path, digest).unwrap(), Put::Created);
        assert_eq!(store.create("bundles/2026/a.zip", &path, digest).unwrap(), Put::AlreadyThere);
        let (path, digest) = source(folder.path(), b"two");
        let refused = store.create("bundles/2026/a.zip", &path, digest);
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        assert_eq!(fs::read(store.path("bundles/2026/a.zip")).unwrap(), b"one");
    }

    #[test]
    fn nothing_but_the_file_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path().join("store"));
        let (path, digest) = source(folder.path(), b"one");
        store.create("bundles/a.zip", &path, digest).unwrap();
        let (path, digest) = source(folder.path(), b"two");
        store.create("bundles/a.zip", &path, digest).unwrap_err();
        let names: Vec<_> =
            fs::read_dir(store.path("bundles")).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["a.zip"]);
    }
}
