//! Brings objects of a store into a folder: whole or not at all, and never over something else.
//!
//! A file is written beside its place under a name with a dot, held against its digest there, and linked to its name
//! when it is right and on the disk. A crash leaves the file with the dot, which the next download uses again. What is
//! there with the right digest is not fetched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use evidenced_bundle::store::{LogStore, StoreError};
use evidenced_bundle::{Digest, hash_reader};

/// More than one PUT carries; a store that sends more would fill the disk.
const ZIP_BYTES: u64 = 5 << 30;

/// How a file came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It was there.
    Here,
    /// It was fetched, so many bytes.
    Fetched(u64),
}

/// Why a file is not at its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BringError {
    #[error("{key} is not in the store")]
    Absent { key: String },
    #[error("{key} has sha256 {found}, not {wanted}: it is not what was signed, and was not kept")]
    Digest { key: String, wanted: Digest, found: Digest },
    #[error("{path} is there already, with other bytes")]
    Other { path: PathBuf },
    #[error("{path} is written by another download")]
    Busy { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path} cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A zip of this digest, at `place`. `hear` is told how many bytes came so far.
pub(crate) fn zip(
    store: &dyn LogStore,
    key: &str,
    place: &Path,
    wanted: &Digest,
    hear: &mut dyn FnMut(u64),
) -> Result<Brought, BringError> {
    if let Some(found) = there(place)? {
        return if found == *wanted { Ok(Brought::Here) } else { Err(other(place)) };
    }
    let mut partial = Partial::open(place)?;
    let written = |source| BringError::Write { path: place.to_owned(), source };
    let mut counted = Counted { to: &mut partial.file, bytes: 0, hear, failed: None };
    let fetched = store.fetch(key, &mut counted);
    if let Some(source) = counted.failed {
        return Err(written(source));
    }
    let Some(bytes) = fetched? else {
        partial.discard()?;
        return Err(BringError::Absent { key: key.to_owned() });
    };
    // Read back: what is compared is what the disk took.
    partial.file.sync_all().and_then(|()| partial.file.seek(SeekFrom::Start(0))).map_err(written)?;
    let (found, _) = hash_reader(&partial.file).map_err(written)?;
    if found != *wanted {
        partial.discard()?;
        return Err(BringError::Digest { key: key.to_owned(), wanted: *wanted, found });
    }
    partial.keep()?;
    Ok(Brought::Fetched(bytes))
}

/// Small bytes that were read already, at `place`.
pub(crate) fn small(bytes: &[u8], place: &Path) -> Result<Brought, BringError> {
    if let Some(found) = there(place)? {
        return if found == Digest::of(bytes) { Ok(Brought::Here) } else { Err(other(place)) };
    }
    let mut partial = Partial::open(place)?;
    let written = partial.file.write_all(bytes).and_then(|()| partial.file.sync_all());
    written.map_err(|source| BringError::Write { path: place.to_owned(), source })?;
    partial.keep()?;
    Ok(Brought::Fetched(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
}

/// The newest state of what changes in a store: the checkpoint. An older one is replaced, in one step.
pub(crate) fn newest(bytes: &[u8], place: &Path) -> Result<Brought, BringError> {
    match small(bytes, place) {
        Err(BringError::Other { .. }) => {}
        ended => return ended,
    }
    let mut partial = Partial::open(place)?;
    let written = partial.file.write_all(bytes).and_then(|()| partial.file.sync_all());
    written
        .and_then(|()| fs::rename(&partial.path, place))
        .map_err(|source| BringError::Write { path: place.to_owned(), source })?;
    Ok(Brought::Fetched(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
}

fn other(place: &Path) -> BringError {
    BringError::Other { path: place.to_owned() }
}

/// The digest of the file that has the name already. A link or a folder is something else.
fn there(place: &Path) -> Result<Option<Digest>, BringError> {
    match place.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(other(place)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BringError::Write { path: place.to_owned(), source }),
    }
    let hashed = File::open(place).and_then(hash_reader);
    hashed
        .map(|(digest, _)| Some(digest))
        .map_err(|source| BringError::Write { path: place.to_owned(), source })
}

/// A file without its name yet.
struct Partial {
    file: File,
    path: PathBuf,
    place: PathBuf,
}

impl Partial {
    /// An empty one, locked: of two downloads into one folder one ends here. The lock goes with the process.
    fn open(place: &Path) -> Result<Self, BringError> {
        let write = |source| BringError::Write { path: place.to_owned(), source };
        let name = place.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| write(io::ErrorKind::InvalidInput.into()))?;
        if let Some(folder) = place.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(write)?;
        }
        let path = place.with_file_name(format!(".{name}.partial"));
        // What a link leads to is not ours to cut.
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(other(&path));
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(write)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BringError::Busy { path: place.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(write(source)),
        }
        file.set_len(0).map_err(write)?;
        Ok(Self { file, path, place: place.to_owned() })
    }

    /// Gives the file its name, unless something else got it meanwhile.
    fn keep(self) -> Result<(), BringError> {
        let linked = fs::hard_link(&self.path, &self.place);
        self.discard()?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(other(&self.place)),
            Err(source) => return Err(BringError::Write { path: self.place, source }),
        }
        // The name is on the disk when its folder is.
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(|source| BringError::Write { path: self.place.clone(), source })
    }

    fn discard(&self) -> Result<(), BringError> {
        fs::remove_file(&self.path).map_err(|source| BringError::Write { path: self.path.clone(), source })
    }
}

/// Counts what passes, tells it, and ends what does not end.
struct Counted<'a> {
    to: &'a mut File,
    bytes: u64,
    hear: &'a mut dyn FnMut(u64),
    /// Why our disk did not take it: not the store's fault.
    failed: Option<io::Error>,
}

impl Write for Counted<'_> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let written = match self.to.write(chunk) {
            Ok(written) => written,
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                return Err(kind.into());
            }
        };
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        if self.bytes > ZIP_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        (self.hear)(self.bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::store::FolderLogStore;

    use super::*;

    const KEY: &str = "bundles/2026/11/22/a.zip";

    fn store() -> (tempfile::TempDir, FolderLogStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path().join("store"));
        store.create(KEY, b"evidence").unwrap();
        (folder, store)
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_fetched_once() {
        let (folder, store) = store();
        let (place, wanted) = (folder.path().join("to/a.zip"), Digest::of(b"evidence"));
        let mut heard = 0;
        let bring = |heard: &mut u64| zip(&store, KEY, &place, &wanted, &mut |bytes| *heard = bytes).unwrap();
        assert_eq!(bring(&mut heard), Brought::Fetched(8));
        assert_eq!((heard, fs::read(&place).unwrap().as_slice()), (8, &b"evidence"[..]));
        assert_eq!(bring(&mut heard), Brought::Here);
        assert_eq!(names(&folder.path().join("to")), ["a.zip"]);
    }

    #[test]
    fn other_bytes_are_neither_kept_nor_overwritten() {
        let (folder, store) = store();
        let (to, wanted) = (folder.path().join("to"), Digest::of(b"signed"));
        let place = to.join("a.zip");
        let ended = zip(&store, KEY, &place, &wanted, &mut |_| {});
        assert!(matches!(ended, Err(BringError::Digest { .. })));
        assert_eq!(names(&to), [""; 0]);
        let absent = zip(&store, "bundles/2026/11/22/b.zip", &place, &wanted, &mut |_| {});
        assert!(matches!(absent, Err(BringError::Absent { .. })));
        fs::write(&place, "mine").unwrap();
        for ended in [zip(&store, KEY, &place, &wanted, &mut |_| {}), small(b"signed", &place)] {
            assert!(matches!(ended, Err(BringError::Other { .. })));
        }
        assert_eq!(fs::read(&place).unwrap(), b"mine");
        assert_eq!(newest(b"newer", &place).unwrap(), Brought::Fetched(5));
        assert_eq!(names(&to), ["a.zip"]);
    }

    #[test]
    fn what_a_crash_left_is_used_again_and_a_second_download_waits() {
        let (folder, store) = store();
        let (to, wanted) = (folder.path().join("to"), Digest::of(b"evidence"));
        fs::create_dir(&to).unwrap();
        let partial = to.join(".a.zip.partial");
        fs::write(&partial, "half of another, and longer").unwrap();
        let place = to.join("a.zip");
        let held = File::open(&partial).unwrap();
        held.lock().unwrap();
        let busy = zip(&store, KEY, &place, &wanted, &mut |_| {});
        assert!(matches!(busy, Err(BringError::Busy { .. })));
        drop(held);
        assert_eq!(zip(&store, KEY, &place, &wanted, &mut |_| {}).unwrap(), Brought::Fetched(8));
        assert_eq!(names(&to), ["a.zip"]);
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let (folder, store) = store();
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        fs::write(folder.path().join("mine"), "mine").unwrap();
        std::os::unix::fs::symlink("../mine", to.join(".a.zip.partial")).unwrap();
        let ended = zip(&store, KEY, &to.join("a.zip"), &Digest::of(b"evidence"), &mut |_| {});
        assert!(matches!(ended, Err(BringError::Other { .. })));
        assert_eq!(fs::read(folder.path().join("mine")).unwrap(), b"mine");
    }
}
