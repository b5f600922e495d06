//! A store to be read and never written: what verification of a log and of a period asks for.
//!
//! Keys are those of `docs/BUNDLE.md` (`bundles/...`, `log/...`, `trust/...`) and are checked as [`BundlePath`]s before
//! they become names of files. Everything is read under a limit of the caller. Of a folder, plain files are read and
//! nothing else: a symbolic link below its root is refused, wherever it leads, and so is a pipe, which would never end.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::archive::ReadSeek;
use crate::path::BundlePath;
use crate::store::LogStore;

/// More keys than this under one prefix are refused. A daily log of ten years with 20 parts a day has half of it.
pub const LIST_KEYS: usize = 1 << 18;

/// A store, a period bundle: whatever has keys.
pub trait Shelf {
    /// The bytes of a small object; `None` when there is none. Longer than `limit_bytes` is an error.
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>>;
    /// A zip, to be read where one wants; `None` when there is none.
    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>>;
    /// The keys that begin with `prefix`, sorted.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;
    /// Whether this says of itself that the zip of `key` was left out on purpose, as a sample pack does. Nobody signs
    /// those words: what they name is not there, and a verifier lists it as an exception and not as opened.
    fn left_out(&self, _key: &str) -> bool {
        false
    }
}

/// A store that is written elsewhere, whatever it is.
pub struct StoreShelf<'a>(pub &'a dyn LogStore);

impl Shelf for StoreShelf<'_> {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        match self.0.get(key).map_err(io::Error::other)? {
            Some((bytes, _)) if u64::try_from(bytes.len()).is_ok_and(|length| length > limit_bytes) => {
                let what = format!("{key} has more than {limit_bytes} bytes");
                Err(io::Error::new(io::ErrorKind::FileTooLarge, what))
            }
            found => Ok(found.map(|(bytes, _)| bytes)),
        }
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        self.0.open(key).map_err(io::Error::other)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.0.list(prefix).map_err(io::Error::other)
    }
}

/// A folder with the keys of a store as its paths.
#[derive(Debug)]
pub struct FolderShelf {
    root: PathBuf,
}

impl FolderShelf {
    /// The store in this folder, which has to be there. The root itself may be reached through a link.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if root.is_dir() { Ok(Self { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// The path and what is there, each folder on the way a real one.
    fn find(&self, key: &str) -> io::Result<Option<(PathBuf, Metadata)>> {
        let key = BundlePath::new(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut path = self.root.clone();
        let mut found = None;
        for segment in key.as_str().split('/') {
            path.push(segment);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => return Err(unusable(&key, "is a symbolic link")),
                Ok(metadata) => found = Some(metadata),
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(found.map(|metadata| (path, metadata)))
    }

    fn file(&self, key: &str) -> io::Result<Option<File>> {
        let Some((path, metadata)) = self.find(key)? else { return Ok(None) };
        if !metadata.is_file() {
            return Err(unusable(&key, "is no plain file"));
        }
        File::open(path).map(Some)
    }

    fn walk(path: &Path, key: &str, found: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            // What starts with a dot is a writer's and temporary; what is no key can be named by nobody.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let key = if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
            if BundlePath::new(key.as_str()).is_err() {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                return Err(unusable(&key, "is a symbolic link"));
            }
            if kind.is_dir() {
                Self::walk(&entry.path(), &key, found)?;
            } else if found.len() < LIST_KEYS {
                found.push(key);
            } else {
                return Err(unusable(&key, "is one key more than are read"));
            }
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unusable(key: &dyn std::fmt::Display, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{key} {what}"))
}

impl Shelf for FolderShelf {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(key)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit_bytes) {
            Ok(Some(bytes))
        } else {
            let what = format!("has more than {limit_bytes} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{key} {what}")))
        }
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        match self.file(key)? {
            Some(file) => Ok(Some(Box::new(file))),
            None => Ok(None),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = if folder.is_empty() {
            Some(self.root.clone())
        } else {
            self.find(folder)?.filter(|(_, metadata)| metadata.is_dir()).map(|(path, _)| path)
        };
        let mut found = Vec::new();
        if let Some(path) = path {
            Self::walk(&path, folder, &mut found)?;
        }
        found.retain(|key| key.starts_with(prefix));
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> (tempfile::TempDir, FolderShelf) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bundles/2026/10/01")).unwrap();
        fs::write(folder.path().join("bundles/2026/10/01/a.zip"), b"zip").unwrap();
        fs::write(folder.path().join("bundles/2026/10/01/.a.tmp"), b"half").unwrap();
        fs::write(folder.path().join("checkpoint"), b"12345").unwrap();
        let shelf = FolderShelf::new(folder.path()).unwrap();
        (folder, shelf)
    }

    #[test]
    fn keys_are_read_and_listed() {
        let (_folder, shelf) = shelf();
        assert_eq!(shelf.list("bundles/").unwrap(), ["bundles/2026/10/01/a.zip"]);
        assert_eq!(shelf.list("bundles/2026/10/01/b").unwrap(), [""; 0]);
        assert_eq!(shelf.list("log/").unwrap(), [""; 0]);
        assert_eq!(shelf.list("").unwrap(), ["bundles/2026/10/01/a.zip", "checkpoint"]);
        assert_eq!(shelf.small("checkpoint", 5).unwrap().unwrap(), b"12345");
        assert_eq!(shelf.small("log/checkpoint", 5).unwrap(), None);
        assert_eq!(shelf.small("checkpoint/below", 5).unwrap(), None);
        let mut read = Vec::new();
        shelf.open("bundles/2026/10/01/a.zip").unwrap().unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, b"zip");
    }

    #[test]
    fn a_longer_object_is_an_error_and_not_cut() {
        let (_folder, shelf) = shelf();
        assert_eq!(shelf.small("checkpoint", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_key_that_leaves_the_store_is_refused() {
        let (_folder, shelf) = shelf();
        for key in ["../secret", "/etc/passwd", "log/../../secret", ".lock", "", "a//b", "log/"] {
            assert_eq!(shelf.small(key, 9).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{key}");
            assert!(shelf.open(key).is_err(), "{key}");
        }
        assert!(shelf.list("../").is_err());
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_refused() {
        let (_folder, shelf) = shelf();
        assert_eq!(shelf.small("bundles", 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_refused_wherever_it_leads() {
        let (folder, shelf) = shelf();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("log")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("checkpoint"), folder.path().join("same")).unwrap();
        for key in ["log/secret", "same"] {
            assert_eq!(shelf.small(key, 9).unwrap_err().kind(), io::ErrorKind::InvalidData, "{key}");
            assert!(shelf.open(key).is_err(), "{key}");
        }
        assert!(shelf.list("").is_err() && shelf.list("log/").is_err());
    }
}
