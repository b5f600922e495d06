//! What the log needs of a store, and the store that is a folder.
//!
//! Objects are created once and never changed; only `log/checkpoint` is replaced, and only by a writer who read what
//! it replaces. An error of a write says nothing about whether it happened: the caller reads before it goes on.

use std::error::Error;
use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, Read, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::archive::ReadSeek;
use crate::digest::Digest;
use crate::path::BundlePath;

/// Larger objects are not read into memory; zips are opened.
const OBJECT_BYTES: u64 = 16 << 20;

/// A state of an object, for a later replacement: an `ETag`, a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// The version that the store names so.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// As the store named it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a write that may not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The object is there now, and was not.
    Created,
    /// An object is there already, perhaps with other bytes.
    Exists,
}

/// What became of a compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The object has the new bytes.
    Replaced,
    /// It was no longer what the writer had read; nothing changed.
    Conflict,
}

/// A store did not answer, or not as it should.
#[derive(Debug, thiserror::Error)]
#[error("store cannot {doing} {key}")]
pub struct StoreError {
    /// The verb.
    pub doing: &'static str,
    /// The key or the prefix.
    pub key: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// That `doing` something with `key` failed.
    pub fn new(doing: &'static str, key: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing, key: key.to_owned(), source: source.into() }
    }
}

/// A store of one scope.
pub trait LogStore {
    /// The bytes of a small object and their version.
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError>;
    /// A zip, to be read where one wants.
    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError>;
    /// How long an object is.
    fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let end = |mut zip: Box<dyn ReadSeek>| zip.seek(SeekFrom::End(0));
        self.open(key)?.map(end).transpose().map_err(|error| StoreError::new("measure", key, error))
    }
    /// Copies a zip as it comes, and says how long it is.
    fn fetch(&self, key: &str, to: &mut dyn Write) -> Result<Option<u64>, StoreError> {
        let copied = self.open(key)?.map(|mut zip| io::copy(&mut zip, to));
        copied.transpose().map_err(|error| StoreError::new("fetch", key, error))
    }
    /// Writes a small object that must not be there.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError>;
    /// Writes a zip that must not be there, from where the reader stands to its end.
    fn upload(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Creation, StoreError>;
    /// Replaces an object that must still be what it was: of that version, or absent.
    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError>;
    /// The keys that begin with `prefix`, sorted.
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.list_after(prefix, "")
    }
    /// Those of them that sort behind `after`, which need not be a key. What sorts before it costs nothing.
    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError>;
    /// Removes what writers that died left beside the objects, and nothing that a living one uses.
    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A folder with the keys of a store as its paths.
#[derive(Debug)]
pub struct FolderLogStore {
    root: PathBuf,
}

/// How the names of temporary files end; they begin with a dot.
const TEMPORARY_SUFFIX: &str = ".tmp";
/// Tells the temporary files of one process apart.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl FolderLogStore {
    /// The store in this folder, which is made when something is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, doing: &'static str, key: &str) -> Result<PathBuf, StoreError> {
        let key = BundlePath::new(key).map_err(|error| StoreError::new(doing, key, error))?;
        Ok(self.root.join(key.as_str()))
    }

    /// Writes beside the final place and makes sure that the bytes are on the disk. The file is locked for as long as
    /// it is held: what nobody holds is of a writer that died.
    fn temporary(folder: &Path, bytes: &mut dyn Read) -> io::Result<(PathBuf, File)> {
        fs::create_dir_all(folder)?;
        let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{}-{number}{TEMPORARY_SUFFIX}", std::process::id()));
        let written = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
            file.lock()?;
            io::copy(bytes, &mut file)?;
            file.flush()?;
            file.sync_all()?;
            Ok(file)
        });
        match written {
            Ok(file) => Ok((path, file)),
            Err(error) => {
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }

    /// A hard link is the one way to create a file whole or not at all: a rename would overwrite.
    fn create_from(&self, path: &Path, bytes: &mut dyn Read) -> io::Result<Creation> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if path.try_exists()? {
            return Ok(Creation::Exists);
        }
        let (temporary, held) = Self::temporary(folder, bytes)?;
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        drop(held);
        match linked {
            Ok(()) => self.sync_up(folder).map(|()| Creation::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Creation::Exists),
            Err(error) => Err(error),
        }
    }

    fn replace_at(&self, path: &Path, bytes: &[u8], was: Option<&Version>) -> io::Result<Replacement> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        // The lock goes away with its process, so a crash here locks nobody out.
        let lock = OpenOptions::new().create(true).append(true).open(folder.join(".lock"))?;
        lock.lock()?;
        let now = read(path)?.map(|bytes| version(&bytes));
        if now.as_ref() != was {
            return Ok(Replacement::Conflict);
        }
        let (temporary, held) = Self::temporary(folder, &mut &bytes[..])?;
        fs::rename(&temporary, path)?;
        drop(held);
        self.sync_up(folder)?;
        Ok(Replacement::Replaced)
    }

    /// A new name is on the disk when its folder is, and the folder when the one above it is.
    fn sync_up(&self, folder: &Path) -> io::Result<()> {
        folder
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&self.root))
            .try_for_each(|ancestor| File::open(ancestor)?.sync_all())
    }
}

fn version(bytes: &[u8]) -> Version {
    Version(Digest::of(bytes).to_string())
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(OBJECT_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= OBJECT_BYTES) {
        Ok(Some(bytes))
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

/// What is in a folder, with its name as text; a folder that is not there is empty. What has no such name is nobody's.
fn entries(folder: &Path) -> io::Result<Vec<(String, DirEntry)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let named = |entry: DirEntry| entry.file_name().into_string().ok().map(|name| (name, entry));
    entries.filter_map(|entry| entry.map(named).transpose()).collect()
}

/// The keys below a folder whose keys begin with `key`, behind `after`.
fn walk(folder: &Path, key: &str, after: &str, found: &mut Vec<String>) -> io::Result<()> {
    for (name, entry) in entries(folder)? {
        // What starts with a dot is ours and temporary.
        if name.starts_with('.') {
            continue;
        }
        let key = format!("{key}{name}");
        if entry.file_type()?.is_dir() {
            let below = format!("{key}/");
            // Every key of a folder sorts with its beginning, but where `after` itself lies in it.
            if *below > *after || after.starts_with(&below) {
                walk(&entry.path(), &below, after, found)?;
            }
        } else if *key > *after {
            found.push(key);
        }
    }
    Ok(())
}

/// Removes the temporary files below a folder that nobody holds.
fn sweep(folder: &Path) -> io::Result<()> {
    // A writer may have finished since the folder was read.
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    for (name, entry) in entries(folder)? {
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX) {
            match File::open(entry.path()) {
                Ok(file) => match file.try_lock() {
                    Ok(()) => gone(fs::remove_file(entry.path()))?,
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error),
                },
                Err(error) => gone(Err(error))?,
            }
        }
    }
    Ok(())
}

impl LogStore for FolderLogStore {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let bytes = read(&self.path("read", key)?).map_err(|error| StoreError::new("read", key, error))?;
        Ok(bytes.map(|bytes| {
            let version = version(&bytes);
            (bytes, version)
        }))
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError> {
        match File::open(self.path("open", key)?) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::new("open", key, error)),
        }
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        let path = self.path("create", key)?;
        self.create_from(&path, &mut &*bytes).map_err(|error| StoreError::new("create", key, error))
    }

    fn upload(&self, key: &str, mut zip: &mut dyn ReadSeek) -> Result<Creation, StoreError> {
        let path = self.path("create", key)?;
        self.create_from(&path, &mut zip).map_err(|error| StoreError::new("create", key, error))
    }

    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError> {
        let path = self.path("replace", key)?;
        self.replace_at(&path, bytes, was).map_err(|error| StoreError::new("replace", key, error))
    }

    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (path, key) = if folder.is_empty() {
            (self.root.clone(), String::new())
        } else {
            (self.path("list", folder)?, format!("{folder}/"))
        };
        let mut found = Vec::new();
        walk(&path, &key, after, &mut found).map_err(|error| StoreError::new("list", prefix, error))?;
        found.retain(|key| key.starts_with(prefix));
        found.sort();
        Ok(found)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        sweep(&self.root).map_err(|error| StoreError::new("tidy", "", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_writer_that_died_left_is_removed_and_what_one_holds_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path().join("store"));
        store.tidy().unwrap();
        store.create("bundles/2026/11/22/a.zip", b"zip").unwrap();
        store.replace("log/checkpoint", b"one", None).unwrap();
        let below = folder.path().join("store/bundles/2026/11/22");
        fs::write(below.join(".7-0.tmp"), b"ha").unwrap();
        fs::write(folder.path().join("store/log/.7-1.tmp"), b"lf").unwrap();
        let (path, held) = FolderLogStore::temporary(&below, &mut &b"at work"[..]).unwrap();
        store.tidy().unwrap();
        let left = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(&below), [path.file_name().unwrap(), "a.zip".as_ref()]);
        assert_eq!(left(&folder.path().join("store/log")), [".lock", "checkpoint"]);
        drop(held);
        store.tidy().unwrap();
        assert_eq!(left(&below), ["a.zip"]);
        assert_eq!(store.list("").unwrap(), ["bundles/2026/11/22/a.zip", "log/checkpoint"]);
    }
}
