//! What waits in the spool: sealed bundles, timestamps that nobody gave yet, and how far the log was last seen.
//!
//! ```text
//! runs/<id>.<pid>/          a run at work; a crash leaves it, the next start removes it: it was never sealed
//! sealed/<id>.zip           sealed and fsynced: whatever happens, it will be published
//! sealed/<id>.part-0001.zip its parts; without the root they are of a run that was never sealed, and are removed
//! tokens/<id>.zip.want      the digest that a timestamp authority is to date
//! tokens/<id>.zip.tsr       its answer, until the store has it
//! conflict/                 bundles that lost their slot to another: evidence all the same
//! log-seen                  the largest checkpoint seen: an older store is refused
//! holder                    the name under which this spool's service takes leases
//! lock                      held while a run works; two at once would each write the slots that the other has
//! ```
//!
//! A file has its name only when all of its bytes are on the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use evidenced_bundle::note::Checkpoint;
use evidenced_bundle::{BagId, Digest, PartId};

use crate::store::Leash;

/// Longest of the small files here.
const SMALL_BYTES: u64 = 128 << 10;
/// How the names of temporary files end; they begin with a dot.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// The spool did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The file system refused.
    #[error("spool {path}: {action} failed")]
    Io {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// Another process works in it.
    #[error("spool {path}: another run works in it")]
    Busy { path: PathBuf },
    /// A file of ours is not what we wrote.
    #[error("spool {path}: is not {expected}")]
    Damaged { path: PathBuf, expected: &'static str },
}

/// The folder of the spool, locked.
#[derive(Debug)]
pub(crate) struct Waiting {
    root: PathBuf,
    /// Unlocked by the system when the process ends, however it ends.
    _lock: File,
    /// Let go of after the lock: whoever waits until nobody has the leash finds the spool free.
    _leash: Leash,
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| SpoolError::Io { path, action, source }
}

impl Waiting {
    /// Makes and locks the spool, and removes what aborted runs left: nothing of it was sealed.
    pub(crate) fn open(root: &Path) -> Result<Self, SpoolError> {
        for folder in ["runs", "sealed", "tokens", "conflict"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(failed(&folder, "creating the folder"))?;
        }
        let path = root.join("lock");
        let options = OpenOptions::new().create(true).append(true).open(&path);
        let lock = options.map_err(failed(&path, "opening"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Busy { path: root.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(&path, "locking")(error)),
        }
        let runs = root.join("runs");
        for run in names(&runs)? {
            let run = runs.join(run);
            tracing::warn!(folder = %run.display(), "an aborted run left this; it was never sealed");
            fs::remove_dir_all(&run).map_err(failed(&run, "removing what an aborted run left"))?;
        }
        // Nobody else writes here: what has no name of its own yet is of a start that ended in the middle of a write.
        for folder in [root.to_owned(), root.join("sealed"), root.join("tokens")] {
            for name in all_names(&folder)?.iter().filter(|name| is_temporary(name)) {
                remove(&folder.join(name))?;
            }
        }
        let spool = Self { root: root.to_owned(), _lock: lock, _leash: Leash::default() };
        let sealed = spool.sealed()?;
        let folder = root.join("sealed");
        for name in names(&folder)? {
            if PartId::of_file_name(&name).is_some_and(|part| !sealed.contains(part.root())) {
                let part = folder.join(name);
                tracing::warn!(part = %part.display(), "a part of a run that was never sealed");
                remove(&part)?;
            }
        }
        Ok(spool)
    }

    /// From now on it is used on a leash.
    pub(crate) fn on(self, leash: Leash) -> Self {
        Self { _leash: leash, ..self }
    }

    /// The name under which the service of this spool takes leases; made at the first start.
    pub(crate) fn holder(&self) -> Result<String, SpoolError> {
        let path = self.root.join("holder");
        if let Some(bytes) = read_small(&path)? {
            let name = String::from_utf8(bytes).ok().map(|text| text.trim_end().to_owned());
            let name =
                name.filter(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
            return name.ok_or(SpoolError::Damaged { path, expected: "the name of a holder; remove it" });
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| failed(&path, "asking for randomness")(io::Error::other(error)))?;
        let name = random.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
        write_whole(&path, format!("{name}\n").as_bytes())?;
        Ok(name)
    }

    /// Where a sealed bundle waits.
    pub(crate) fn sealed_path(&self, id: &BagId) -> PathBuf {
        self.root.join("sealed").join(id.file_name())
    }

    /// Sealed bundles that wait.
    pub(crate) fn sealed(&self) -> Result<Vec<BagId>, SpoolError> {
        let names = names(&self.root.join("sealed"))?;
        Ok(names.iter().filter_map(|name| BagId::parse(name.strip_suffix(".zip")?)).collect())
    }

    /// The parts of a sealed bundle, in their order, with their names.
    pub(crate) fn parts(&self, id: &BagId) -> Result<Vec<(String, PathBuf)>, SpoolError> {
        let folder = self.root.join("sealed");
        let prefix = format!("{id}.part-");
        let names = names(&folder)?.into_iter().filter(|name| name.starts_with(&prefix));
        Ok(names.map(|name| (name.clone(), folder.join(name))).collect())
    }

    /// Takes over a file that was sealed and fsynced elsewhere on this file system. From here on it cannot get lost.
    pub(crate) fn seal(&self, from: &Path, name: &str) -> Result<(), SpoolError> {
        let folder = self.root.join("sealed");
        let to = folder.join(name);
        fs::rename(from, &to).map_err(failed(&to, "keeping the sealed bundle"))?;
        sync(&folder)
    }

    /// Writes a small sealed bundle.
    pub(crate) fn seal_bytes(&self, bytes: &[u8], name: &str) -> Result<(), SpoolError> {
        write_whole(&self.root.join("sealed").join(name), bytes)
    }

    /// The store has the bundle and everything that lies beside it.
    pub(crate) fn forget(&self, id: &BagId) -> Result<(), SpoolError> {
        remove(&self.sealed_path(id))?;
        for (_, part) in self.parts(id)? {
            remove(&part)?;
        }
        Ok(())
    }

    /// Keeps a bundle that lost its slot, and gives where it is.
    pub(crate) fn conflict(&self, id: &BagId, sha256: &Digest) -> Result<PathBuf, SpoolError> {
        let folder = self.root.join("conflict");
        let digest = sha256.to_string();
        let mark = digest.get(..16).unwrap_or(&digest).to_owned();
        let to = folder.join(format!("{id}.{mark}.zip"));
        fs::rename(self.sealed_path(id), &to)
            .map_err(failed(&to, "keeping the bundle that lost its slot"))?;
        for (name, part) in self.parts(id)? {
            let to = folder.join(format!("{mark}.{name}"));
            fs::rename(&part, &to).map_err(failed(&to, "keeping a part of it"))?;
        }
        self.forget_token(&id.file_name())?;
        sync(&folder)?;
        Ok(to)
    }

    fn token(&self, file_name: &str, suffix: &str) -> PathBuf {
        self.root.join("tokens").join(format!("{file_name}{suffix}"))
    }

    /// Notes that a zip is to be dated.
    pub(crate) fn want_token(&self, file_name: &str, sha256: &Digest) -> Result<(), SpoolError> {
        write_whole(&self.token(file_name, ".want"), format!("{sha256}  {file_name}\n").as_bytes())
    }

    /// The zips that wait for a token, with their digests.
    pub(crate) fn wanted_tokens(&self) -> Result<Vec<(BagId, Digest)>, SpoolError> {
        let folder = self.root.join("tokens");
        let mut wanted = Vec::new();
        for name in names(&folder)? {
            let Some(file_name) = name.strip_suffix(".want") else { continue };
            let path = folder.join(&name);
            let text = read_small(&path)?.unwrap_or_default();
            let digest = str::from_utf8(&text)
                .ok()
                .and_then(|text| text.strip_suffix(&format!("  {file_name}\n")))
                .and_then(Digest::parse);
            let id = file_name.strip_suffix(".zip").and_then(BagId::parse);
            let damaged = || SpoolError::Damaged { path, expected: "the digest of a zip and its name" };
            wanted.push(id.zip(digest).ok_or_else(damaged)?);
        }
        wanted.sort_by_key(|(id, _)| (id.slot(), id.kind()));
        Ok(wanted)
    }

    /// Keeps an authority's answer until the store has it.
    pub(crate) fn keep_token(&self, file_name: &str, answer: &[u8]) -> Result<(), SpoolError> {
        write_whole(&self.token(file_name, ".tsr"), answer)
    }

    /// An answer that was kept.
    pub(crate) fn kept_token(&self, file_name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        read_small(&self.token(file_name, ".tsr"))
    }

    /// The store has the token, or nobody needs it.
    pub(crate) fn forget_token(&self, file_name: &str) -> Result<(), SpoolError> {
        // The wish last: a crash between the two asks for one more token, and loses none.
        remove(&self.token(file_name, ".tsr"))?;
        remove(&self.token(file_name, ".want"))
    }

    /// The newest checkpoint that was seen before this start.
    pub(crate) fn seen(&self) -> Result<Option<Checkpoint>, SpoolError> {
        seen(&self.root)
    }

    /// Keeps the newest checkpoint for later starts.
    pub(crate) fn see(&self, checkpoint: &Checkpoint) -> Result<(), SpoolError> {
        write_whole(&self.root.join("log-seen"), checkpoint.body().as_bytes())
    }
}

/// The newest checkpoint that a spool saw, read without its lock.
pub(crate) fn seen(root: &Path) -> Result<Option<Checkpoint>, SpoolError> {
    let path = root.join("log-seen");
    let Some(bytes) = read_small(&path)? else { return Ok(None) };
    let checkpoint = str::from_utf8(&bytes).ok().and_then(|text| Checkpoint::parse(text).ok());
    checkpoint.map(Some).ok_or(SpoolError::Damaged { path, expected: "a checkpoint" })
}

/// What waits in a spool, read without its lock: it is only for people and alarms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Sealed bundles.
    pub(crate) sealed: usize,
    /// The slot of the oldest, seconds since 1970.
    pub(crate) oldest: Option<i64>,
    /// Tokens that nobody gave yet.
    pub(crate) tokens: usize,
}

/// Counts what waits in the spool at `root`.
pub(crate) fn count(root: &Path) -> Result<Count, SpoolError> {
    let sealed = names(&root.join("sealed"))?;
    let ids = || sealed.iter().filter_map(|name| BagId::parse(name.strip_suffix(".zip")?));
    let tokens = names(&root.join("tokens"))?;
    Ok(Count {
        sealed: ids().count(),
        oldest: ids().map(|id| id.slot().unix()).min(),
        tokens: tokens.iter().filter(|name| name.strip_suffix(".want").is_some()).count(),
    })
}

/// The names in a folder, sorted, without temporary files.
fn names(folder: &Path) -> Result<Vec<String>, SpoolError> {
    let mut found = all_names(folder)?;
    found.retain(|name| !name.starts_with('.'));
    Ok(found)
}

/// The names in a folder, sorted.
fn all_names(folder: &Path) -> Result<Vec<String>, SpoolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder, "listing"))? {
        let name = entry.map_err(failed(folder, "listing"))?.file_name();
        found.extend(name.to_str().map(str::to_owned));
    }
    found.sort();
    Ok(found)
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}

fn read_small(path: &Path) -> Result<Option<Vec<u8>>, SpoolError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "opening")(error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(SMALL_BYTES + 1).read_to_end(&mut bytes).map_err(failed(path, "reading"))?;
    if u64::try_from(read).is_ok_and(|read| read <= SMALL_BYTES) {
        Ok(Some(bytes))
    } else {
        Err(SpoolError::Damaged { path: path.to_owned(), expected: "a small file" })
    }
}

/// Under its name when all of it is on the disk.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let folder = path.parent().unwrap_or(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}{TEMPORARY_SUFFIX}"));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(failed(path, "writing"))?;
    sync(folder)
}

fn remove(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, "removing")(error)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder, "fsync"))
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::note::KeyName;

    use super::*;

    fn id() -> BagId {
        BagId::parse("evidence-prod-20261122T020000Z").unwrap()
    }

    #[test]
    fn one_run_at_a_time_works_in_a_spool() {
        let folder = tempfile::tempdir().unwrap();
        let first = Waiting::open(folder.path()).unwrap();
        assert!(matches!(Waiting::open(folder.path()), Err(SpoolError::Busy { .. })));
        drop(first);
        Waiting::open(folder.path()).unwrap();
    }

    #[test]
    fn a_spool_is_free_when_nobody_has_its_leash() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..500 {
            let leash = Leash::default();
            let spool = Waiting::open(folder.path()).unwrap().on(leash.clone());
            let work = std::thread::spawn(move || drop(spool));
            while leash.is_held() {
                std::hint::spin_loop();
            }
            Waiting::open(folder.path()).unwrap();
            work.join().unwrap();
        }
    }

    #[test]
    fn a_spool_keeps_the_name_of_its_holder_and_another_has_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spool = Waiting::open(one.path()).unwrap();
        let name = spool.holder().unwrap();
        drop(spool);
        assert_eq!(Waiting::open(one.path()).unwrap().holder().unwrap(), name);
        assert_ne!(Waiting::open(two.path()).unwrap().holder().unwrap(), name);
        fs::write(one.path().join("holder"), "me\n").unwrap();
        let refused = Waiting::open(one.path()).unwrap().holder();
        assert!(matches!(refused, Err(SpoolError::Damaged { .. })));
    }

    #[test]
    fn what_waits_is_counted_while_a_run_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        assert_eq!(count(folder.path()).unwrap(), Count::default());
        spool.seal_bytes(b"zip", &id().file_name()).unwrap();
        spool.want_token(&id().file_name(), &Digest::of(b"zip")).unwrap();
        let oldest = Some(id().slot().unix());
        assert_eq!(count(folder.path()).unwrap(), Count { sealed: 1, oldest, tokens: 1 });
    }

    #[test]
    fn what_an_aborted_run_left_is_removed_and_what_was_sealed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        spool.seal_bytes(b"zip", &id().file_name()).unwrap();
        fs::create_dir_all(folder.path().join("runs/evidence-prod-20261122T020000Z.7/data")).unwrap();
        drop(spool);
        let spool = Waiting::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
        assert_eq!(spool.sealed().unwrap(), [id()]);
    }

    #[test]
    fn what_was_half_written_is_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        spool.want_token(&id().file_name(), &Digest::of(b"zip")).unwrap();
        let half = [".log-seen.tmp", "sealed/.evidence-prod-20261122T020000Z.zip.tmp", "tokens/.a.want.tmp"];
        for name in half {
            fs::write(folder.path().join(name), b"ha").unwrap();
        }
        drop(spool);
        let spool = Waiting::open(folder.path()).unwrap();
        assert!(half.iter().all(|name| !folder.path().join(name).exists()));
        assert_eq!(spool.wanted_tokens().unwrap().len(), 1);
    }

    #[test]
    fn parts_are_kept_with_their_root_and_removed_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        let part = format!("{}.part-0001.zip", id());
        spool.seal_bytes(b"part", &part).unwrap();
        drop(spool);
        let spool = Waiting::open(folder.path()).unwrap();
        assert_eq!(spool.parts(&id()).unwrap(), []);
        spool.seal_bytes(b"part", &part).unwrap();
        spool.seal_bytes(b"root", &id().file_name()).unwrap();
        drop(spool);
        let spool = Waiting::open(folder.path()).unwrap();
        assert_eq!(spool.parts(&id()).unwrap().len(), 1);
        spool.forget(&id()).unwrap();
        assert!(spool.parts(&id()).unwrap().is_empty() && spool.sealed().unwrap().is_empty());
    }

    #[test]
    fn a_wanted_token_is_read_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        spool.want_token(&id().file_name(), &Digest::of(b"zip")).unwrap();
        assert_eq!(spool.wanted_tokens().unwrap(), [(id(), Digest::of(b"zip"))]);
        fs::write(spool.token(&id().file_name(), ".want"), "something else\n").unwrap();
        assert!(matches!(spool.wanted_tokens(), Err(SpoolError::Damaged { .. })));
        spool.forget_token(&id().file_name()).unwrap();
        assert_eq!(spool.wanted_tokens().unwrap(), []);
    }

    #[test]
    fn the_checkpoint_that_was_seen_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Waiting::open(folder.path()).unwrap();
        assert_eq!(spool.seen().unwrap(), None);
        let origin = KeyName::new("example.com/log").unwrap();
        let checkpoint = Checkpoint { origin, size: 3, root: Digest::of(b"root") };
        spool.see(&checkpoint).unwrap();
        assert_eq!(spool.seen().unwrap(), Some(checkpoint));
        fs::write(folder.path().join("log-seen"), "").unwrap();
        assert!(matches!(spool.seen(), Err(SpoolError::Damaged { .. })));
    }
}
