//! Reads a period bundle as the store that it was built from.
//!
//! What passes [`PeriodShelf::open`] is of the one form that [`super::build`] writes, to the last byte, and complete in
//! itself. That proves nothing yet: nothing of the form is signed. The signed statements in it are verified by whoever
//! verifies a store, through [`Shelf`], with keys and a trust root from outside.
//!
//! 1. The zip is of the profile, and everything in it is stored.
//! 2. Every file has the checksum of its header and the digest of its manifest, and there are no others.
//! 3. `bag-info.txt` says the same as the name, the time of the headers and the payload.
//! 4. The payload is the files of a period bundle and nothing besides.
//! 5. The log leads to the root of both checkpoints, and `consistency.txt` from the one to the other.
//! 6. The list of zips has exactly the zips that the leaves of the period name; those that are inside are here, and
//!    every leaf has its sidecars.
//!
//! The bytes are read once for this, whatever their size; afterwards a file is a window of the zip. Memory: the names
//! and digests of the files, and 32 bytes for each leaf of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;

use super::consistency::Consistency;
use super::index::{Index, Place};
use super::info::PeriodInfo;
use super::plan::all_tiles;
use super::window::{Shared, Window};
use super::{
    BUNDLES, BUNDLES_LIST, CHECKPOINT_END, CHECKPOINT_START, CONSISTENCY, COVERAGE, LOG_FOLDER, PAGE,
    PERIOD_BYTES, PERIOD_FILES, PeriodId, REPORT, SIDECARS, SMALL_BYTES, TILE_BYTES, TOKEN, TRUST_FOLDER,
    VERIFY_TEXT, bag_of, store_key,
};
use crate::archive::{ReadSeek, second_reader};
use crate::bag::{self, Oxum};
use crate::check::{Check, VerifyError};
use crate::digest::{Digest, Hasher, for_each_chunk};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::merkle::{Leaves, leaf_hash, root, verify_consistency};
use crate::note::{Checkpoint, Note};
use crate::path::BundlePath;
use crate::profile::{self, Entry, Method};
use crate::shelf::Shelf;
use crate::span::Span;
use crate::statement::Statement;
use crate::tile::{Row, TILE_WIDTH, Tile};

const TAG_FILE_BYTES: u64 = 64 << 10;
/// Three paths and digests of each of the 65,534 files.
const LIST_BYTES: u64 = 32 << 20;

/// A period bundle, as the part of a store that it holds. Keys are those of the store: `log/checkpoint` is the
/// checkpoint of the end.
pub struct PeriodShelf {
    info: PeriodInfo,
    index: Index,
    keys: BTreeMap<String, Whereabouts>,
    start: Option<Vec<u8>>,
    folders: Vec<PathBuf>,
    zip: Shared,
    sha256: Digest,
    bytes: u64,
}

/// Where the bytes of a key are.
#[derive(Debug, Clone)]
enum Whereabouts {
    /// In the period bundle.
    Window { start: u64, bytes: u64 },
    /// In a folder that was given with it, under this name or by its key.
    Beside { name: String, bytes: u64 },
}

impl std::fmt::Debug for PeriodShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeriodShelf({})", self.info.id)
    }
}

/// Where each file is, and its digest.
type Files = BTreeMap<BundlePath, (Entry, Digest)>;

/// The files of the zip, once their bytes have been read.
struct Bag {
    zip: Shared,
    files: Files,
}

impl PeriodShelf {
    /// Whether a file is named like a period bundle: a zip, and not one of a slot.
    pub fn is_named(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_suffix(".zip").is_some_and(|stem| !stem.is_empty()) && bag_of(name).is_none()
    }

    /// Reads a file. Zips that stay beside it are looked for in its folder, and, when that is the `periods` of a store,
    /// in the store.
    pub fn open_path(path: &Path, passed: &mut dyn FnMut(Check, String)) -> Result<Self, VerifyError> {
        // A pipe or a device could be opened and never end.
        if !path.metadata().map_err(VerifyError::unreadable)?.is_file() {
            return Err(VerifyError::unreadable(io::ErrorKind::InvalidInput.into()));
        }
        let file = File::open(path).map_err(VerifyError::unreadable)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = path.canonicalize().map_err(VerifyError::unreadable)?;
        let folder = path.parent().map(Path::to_path_buf);
        let store = folder.as_ref().filter(|folder| folder.ends_with("periods"));
        let store = store.and_then(|folder| folder.parent()).map(Path::to_path_buf);
        Self::open(Box::new(file), &name, folder.into_iter().chain(store).collect(), passed)
    }

    /// Reads a zip of this name; `folders` is where zips that stay beside it are looked for. `passed` hears of each
    /// check.
    pub fn open(
        mut zip: Box<dyn ReadSeek>,
        name: &str,
        folders: Vec<PathBuf>,
        passed: &mut dyn FnMut(Check, String),
    ) -> Result<Self, VerifyError> {
        // 1.
        let length = zip.seek(SeekFrom::End(0)).map_err(VerifyError::unreadable)?;
        if length > PERIOD_BYTES {
            let detail = format!("{length} bytes are more than the limit {PERIOD_BYTES}");
            return Err(VerifyError::refused(Check::ZipLimits, detail));
        }
        let limits = Limits {
            entries: PERIOD_FILES,
            uncompressed_bytes: PERIOD_BYTES,
            entry_bytes: PERIOD_BYTES,
            ..Limits::default()
        };
        let headers = profile::check(&mut zip, &limits)?;
        if let Some(entry) = headers.entries.iter().find(|entry| entry.method != Method::Stored) {
            let detail = "is deflated, and a period bundle has stored files only";
            return Err(VerifyError::in_file(Check::ZipHeaders, &entry.path, detail));
        }
        second_reader(&mut zip, headers.entries.len())?;
        for check in [Check::ZipEnd, Check::ZipHeaders, Check::ZipLayout, Check::ZipNames, Check::ZipReaders]
        {
            passed(check, String::new());
        }
        passed(Check::ZipLimits, format!("{} files, {length} bytes", headers.entries.len()));
        // 2.
        let (sha256, files) = read_once(&mut zip, headers.entries)?;
        passed(Check::ZipContent, format!("sha256 {sha256}"));
        let bag = Bag { zip: Shared::new(zip), files };
        let oxum = bag.manifests(passed)?;
        // 3.
        let info = bag.info(name, &headers.root, headers.dos, oxum)?;
        passed(Check::BagInfo, format!("{}, {}", info.id, info.span));
        // 4.
        bag.known_files()?;
        // 5.
        let log = bag.log(&info)?;
        passed(Check::PeriodLog, format!("{} leaves, {} of them from here", log.hashes, log.zips.len()));
        // 6.
        let index = bag.index(&log.zips)?;
        passed(
            Check::PeriodZips,
            format!(
                "{} inside, {} beside, {} left out",
                index.count(Place::Inside),
                index.count(Place::Beside),
                index.count(Place::LeftOut)
            ),
        );
        let keys = bag.keys(&index, &log);
        Ok(Self { info, index, keys, start: log.start, folders, zip: bag.zip, sha256, bytes: length })
    }

    /// Its name.
    pub fn id(&self) -> &PeriodId {
        &self.info.id
    }

    /// The days that it says it covers.
    pub fn span(&self) -> &Span {
        &self.info.span
    }

    /// Where each zip is, by its own words.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The checkpoint before the first leaf of the period; `None` when the log begins with it.
    pub fn start(&self) -> Option<&[u8]> {
        self.start.as_deref()
    }

    /// The digest of the whole file, which names what was judged.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn beside(&self, key: &str, name: &str, bytes: u64) -> io::Result<Option<File>> {
        for path in self.folders.iter().flat_map(|folder| [folder.join(name), folder.join(key)]) {
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() && metadata.len() == bytes => {
                    return File::open(path).map(Some);
                }
                Ok(_) => {
                    let what = format!("{} is no plain file of {bytes} bytes", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn key(key: &str) -> io::Result<BundlePath> {
        BundlePath::new(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}

impl Shelf for PeriodShelf {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open(key)? else { return Ok(None) };
        let bytes = file.seek(SeekFrom::End(0))?;
        if bytes > limit_bytes {
            let what = format!("{key} has more than {limit_bytes} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        file.seek(SeekFrom::Start(0))?;
        let mut content = Vec::new();
        file.take(limit_bytes).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        match self.keys.get(Self::key(key)?.as_str()) {
            None => Ok(None),
            Some(Whereabouts::Window { start, bytes }) => Ok(Some(Box::new(self.zip.window(*start, *bytes)))),
            Some(Whereabouts::Beside { name, bytes }) => {
                let file = self.beside(key, name, *bytes)?;
                Ok(file.map(|file| -> Box<dyn ReadSeek> { Box::new(file) }))
            }
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        if let Some((folder, _)) = prefix.rsplit_once('/') {
            Self::key(folder)?;
        }
        let keys = self.keys.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(keys.map(|(key, _)| key.clone()).collect())
    }

    fn left_out(&self, key: &str) -> bool {
        let name = key.rsplit('/').next().unwrap_or(key);
        let line = self.index.lines().get(name);
        line.is_some_and(|line| line.place == Place::LeftOut) && store_key(name).as_deref() == Some(key)
    }
}

/// 2. The digest of everything, and of every file whose checksum is that of its header.
fn read_once(zip: &mut Box<dyn ReadSeek>, entries: Vec<Entry>) -> Result<(Digest, Files), VerifyError> {
    let unreadable = VerifyError::unreadable;
    zip.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut whole = Hasher::new();
    let mut files = BTreeMap::new();
    let mut at = 0;
    for entry in entries {
        let mut header = Read::take(&mut *zip, entry.data_start - at);
        for_each_chunk(&mut header, |chunk| {
            whole.update(chunk);
            Ok(())
        })
        .map_err(unreadable)?;
        let (mut hasher, mut crc) = (Hasher::new(), Crc::new());
        for_each_chunk(&mut Read::take(&mut *zip, entry.bytes), |chunk| {
            whole.update(chunk);
            hasher.update(chunk);
            crc.update(chunk);
            Ok(())
        })
        .map_err(unreadable)?;
        let (digest, bytes) = hasher.finish();
        if (bytes, crc.sum()) != (entry.bytes, entry.crc32) {
            let detail = "has another checksum than its header states";
            return Err(VerifyError::in_file(Check::ZipContent, &entry.path, detail));
        }
        at = entry.data_start + entry.bytes;
        files.insert(entry.path.clone(), (entry, digest));
    }
    for_each_chunk(zip, |chunk| {
        whole.update(chunk);
        Ok(())
    })
    .map_err(unreadable)?;
    Ok((whole.finish().0, files))
}

/// What the log of a period bundle comes to.
struct Log {
    /// How many leaves.
    hashes: u64,
    /// The zips that the leaves of the period name.
    zips: BTreeMap<String, Digest>,
    start: Option<Vec<u8>>,
    old: u64,
}

impl Bag {
    fn window(&self, path: &str) -> Option<Window> {
        let (entry, _) = self.files.get(path)?;
        Some(self.zip.window(entry.data_start, entry.bytes))
    }

    /// The bytes of a file that may not be there.
    fn optional(&self, path: &str, limit: u64, check: Check) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some(window) = self.window(path) else { return Ok(None) };
        let mut content = Vec::new();
        let read = window.take(limit.saturating_add(1)).read_to_end(&mut content);
        read.map_err(VerifyError::unreadable)?;
        if u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
            Ok(Some(content))
        } else {
            Err(VerifyError::in_file(check, path, format!("has more than {limit} bytes")))
        }
    }

    fn read(&self, path: &str, limit: u64, check: Check) -> Result<Vec<u8>, VerifyError> {
        let content = self.optional(path, limit, check)?;
        content.ok_or_else(|| VerifyError::in_file(Check::FileSet, path, "is missing"))
    }

    /// The files under `data/`.
    fn payload(&self) -> impl Iterator<Item = (&BundlePath, &(Entry, Digest))> {
        self.files.iter().filter(|(path, _)| path.is_payload())
    }

    /// 2. The manifests list every file with its digest.
    fn manifests(&self, passed: &mut dyn FnMut(Check, String)) -> Result<Oxum, VerifyError> {
        let tags = self.manifest(bag::TAG_MANIFEST, Check::TagManifest)?;
        let expected: BTreeSet<&str> = bag::TAG_FILES.into_iter().collect();
        if tags.files().keys().map(BundlePath::as_str).collect::<BTreeSet<_>>() != expected {
            let detail = format!("lists something else than {}", bag::TAG_FILES.join(", "));
            return Err(VerifyError::in_file(Check::TagManifest, bag::TAG_MANIFEST, detail));
        }
        passed(Check::TagManifest, String::new());
        let payload = self.manifest(bag::MANIFEST, Check::Manifest)?;
        passed(Check::Manifest, format!("{} files", payload.files().len()));
        if let Some(path) = payload.files().keys().find(|path| !path.is_payload()) {
            return Err(VerifyError::in_file(Check::Manifest, path, "is not under data/"));
        }
        for (path, (_, found)) in &self.files {
            let (listed, check) =
                if path.is_payload() { (&payload, Check::Payload) } else { (&tags, Check::TagFiles) };
            match listed.digest(path) {
                Some(digest) if digest == found => {}
                Some(_) => return Err(VerifyError::in_file(check, path, "is not the one of the manifest")),
                None if path.as_str() == bag::TAG_MANIFEST => {}
                None => return Err(VerifyError::in_file(Check::FileSet, path, "is in no manifest")),
            }
        }
        let listed = tags.files().keys().chain(payload.files().keys());
        if let Some(path) = listed.into_iter().find(|path| !self.files.contains_key(*path)) {
            return Err(VerifyError::in_file(Check::FileSet, path, "is missing"));
        }
        if self.read(bag::BAGIT, TAG_FILE_BYTES, Check::BagDeclaration)? != bag::BAG_DECLARATION.as_bytes() {
            return Err(VerifyError::in_file(Check::BagDeclaration, bag::BAGIT, "is not the standard one"));
        }
        for check in [Check::FileSet, Check::Payload, Check::TagFiles, Check::BagDeclaration] {
            passed(check, String::new());
        }
        Ok(Oxum {
            bytes: self.payload().map(|(_, (entry, _))| entry.bytes).sum(),
            files: u64::try_from(self.payload().count()).unwrap_or(u64::MAX),
        })
    }

    fn manifest(&self, name: &str, check: Check) -> Result<Manifest, VerifyError> {
        let bytes = self.read(name, LIST_BYTES, check)?;
        Manifest::parse(&bytes).map_err(|error| VerifyError::in_file(check, name, error))
    }

    /// 3.
    fn info(&self, name: &str, root: &str, dos: (u16, u16), oxum: Oxum) -> Result<PeriodInfo, VerifyError> {
        let bytes = self.read(bag::BAG_INFO, TAG_FILE_BYTES, Check::BagInfo)?;
        let refuse = |detail: String| VerifyError::in_file(Check::BagInfo, bag::BAG_INFO, detail);
        let info = PeriodInfo::parse(&bytes).map_err(|error| refuse(error.to_string()))?;
        let id = info.id.to_string();
        if root != id || name != info.id.file_name() {
            let detail = format!("file {name}, folder {root} and bag {id} should have one name");
            return Err(VerifyError::refused(Check::BagName, detail));
        }
        if info.span.start().dos() != Some(dos) {
            return Err(VerifyError::refused(
                Check::BagName,
                "the files have another time than the period's start",
            ));
        }
        if info.oxum != oxum {
            return Err(refuse(format!("Payload-Oxum is {}, the payload is {oxum}", info.oxum)));
        }
        Ok(info)
    }

    /// 4.
    fn known_files(&self) -> Result<(), VerifyError> {
        let fixed = [
            BUNDLES_LIST,
            CHECKPOINT_START,
            CHECKPOINT_END,
            CONSISTENCY,
            COVERAGE,
            PAGE,
            REPORT,
            VERIFY_TEXT,
        ];
        for (path, _) in self.payload() {
            let text = path.as_str();
            let known = fixed.contains(&text)
                || text
                    .strip_prefix(BUNDLES)
                    .is_some_and(|name| store_key(name).is_some() && !name.contains('/'))
                || text.starts_with("data/log/tile/")
                || text.starts_with(TRUST_FOLDER);
            if !known {
                return Err(VerifyError::in_file(Check::FileSet, path, "is no file of a period bundle"));
            }
        }
        for path in [BUNDLES_LIST, CHECKPOINT_END, CONSISTENCY, COVERAGE, VERIFY_TEXT] {
            if !self.files.contains_key(path) {
                return Err(VerifyError::in_file(Check::FileSet, path, "is missing"));
            }
        }
        Ok(())
    }

    /// 5.
    fn log(&self, info: &PeriodInfo) -> Result<Log, VerifyError> {
        let refuse = |file: &str, detail: &str| VerifyError::in_file(Check::PeriodLog, file, detail);
        let end = self.read(CHECKPOINT_END, SMALL_BYTES, Check::PeriodLog)?;
        let last = checkpoint(CHECKPOINT_END, &end, info)?;
        // Every tile is a file, so that a size that nobody could have read ends here.
        let tiles = u64::try_from(self.files.len()).unwrap_or(u64::MAX);
        if last.size.div_ceil(TILE_WIDTH) > tiles {
            return Err(refuse(CHECKPOINT_END, "there are fewer tiles than its size needs"));
        }
        let bytes = self.read(CONSISTENCY, SMALL_BYTES, Check::PeriodLog)?;
        let proof = Consistency::parse(&bytes).map_err(|error| refuse(CONSISTENCY, &chain(&error)))?;
        if proof.checkpoint.render().as_bytes() != end {
            return Err(refuse(CONSISTENCY, "its checkpoint is not that of the end"));
        }
        if proof.old >= last.size {
            return Err(refuse(CONSISTENCY, "its old size leaves no leaf to the period"));
        }
        let (hashes, zips) = self.leaves(last.size, proof.old, info)?;
        same_root(CHECKPOINT_END, &hashes, &last)?;
        self.hash_tiles(last.size, &hashes)?;
        let start = self.optional(CHECKPOINT_START, SMALL_BYTES, Check::PeriodLog)?;
        match (&start, proof.old) {
            (None, 0) if proof.hashes.is_empty() => {}
            (Some(bytes), old) if old > 0 => {
                let first = checkpoint(CHECKPOINT_START, bytes, info)?;
                if first.size != old {
                    return Err(refuse(CHECKPOINT_START, "is of another size than consistency.txt says"));
                }
                same_root(CHECKPOINT_START, &hashes, &first)?;
                verify_consistency(old, last.size, &first.root, &last.root, &proof.hashes)
                    .map_err(|error| refuse(CONSISTENCY, &error.to_string()))?;
            }
            _ => return Err(refuse(CONSISTENCY, "does not begin with the checkpoint of the start")),
        }
        Ok(Log { hashes: last.size, zips, start, old: proof.old })
    }

    /// The hashes of all leaves, and the zips of those from `old` on.
    fn leaves(
        &self,
        size: u64,
        old: u64,
        info: &PeriodInfo,
    ) -> Result<(Vec<Digest>, BTreeMap<String, Digest>), VerifyError> {
        let (mut hashes, mut zips) = (Vec::new(), BTreeMap::new());
        let mut tiles: BTreeSet<String> = all_tiles(size).map(|tile| path_of(&tile)).collect();
        for path in self.files.keys().filter(|path| path.as_str().starts_with("data/log/tile/")) {
            if !tiles.remove(path.as_str()) {
                return Err(VerifyError::in_file(Check::PeriodLog, path, "is no tile of a log of this size"));
            }
        }
        if let Some(path) = tiles.first() {
            return Err(VerifyError::in_file(Check::PeriodLog, path, "is missing"));
        }
        let mut index = 0;
        for tile in
            (0..size.div_ceil(TILE_WIDTH)).filter_map(|n| Tile::holding(Row::Entries, n * TILE_WIDTH, size))
        {
            let path = path_of(&tile);
            let refuse = |detail: String| VerifyError::in_file(Check::PeriodLog, &path, detail);
            let bytes = self.read(&path, TILE_BYTES, Check::PeriodLog)?;
            let entries = tile.entries(&bytes);
            for entry in entries.ok_or_else(|| refuse("does not hold the leaves of its width".to_owned()))? {
                hashes.push(leaf_hash(entry));
                if index >= old {
                    let statement =
                        Statement::parse(entry).map_err(|error| refuse(format!("leaf {index}: {error}")))?;
                    let id = &statement.snapshot.id;
                    if id.scope() != info.id.scope() {
                        return Err(refuse(format!("leaf {index} is of scope {}", id.scope())));
                    }
                    if zips.insert(id.file_name(), statement.snapshot.zip_sha256).is_some() {
                        return Err(refuse(format!("leaf {index} is a second one of {id}")));
                    }
                }
                index += 1;
            }
        }
        Ok((hashes, zips))
    }

    /// The tiles of hashes are those of the leaves.
    fn hash_tiles(&self, size: u64, hashes: &[Digest]) -> Result<(), VerifyError> {
        for row in 0..8 {
            let below = 1_u64.checked_shl(row * 8).unwrap_or(u64::MAX);
            for start in (0..Row::Hashes(row).items(size).div_ceil(TILE_WIDTH)).map(|tile| tile * TILE_WIDTH)
            {
                let Some(tile) = Tile::holding(Row::Hashes(row), start, size) else { break };
                let path = path_of(&tile);
                let found = tile.hashes(&self.read(&path, TILE_BYTES, Check::PeriodLog)?).unwrap_or_default();
                let expected: Option<Vec<Digest>> = (start..start + tile.width())
                    .map(|item| {
                        let from = usize::try_from(item.checked_mul(below)?).ok()?;
                        let leaves = hashes.get(from..from.checked_add(usize::try_from(below).ok()?)?)?;
                        root(&mut Leaves(leaves), below).ok()
                    })
                    .collect();
                if expected.as_ref() != Some(&found) {
                    let detail = "does not hold the hashes of the leaves";
                    return Err(VerifyError::in_file(Check::PeriodLog, &path, detail));
                }
            }
        }
        Ok(())
    }

    /// 6.
    fn index(&self, zips: &BTreeMap<String, Digest>) -> Result<Index, VerifyError> {
        let refuse = |file: &str, detail: &str| VerifyError::in_file(Check::PeriodZips, file, detail);
        let bytes = self.read(BUNDLES_LIST, LIST_BYTES, Check::PeriodZips)?;
        let index = Index::parse(&bytes).map_err(|error| refuse(BUNDLES_LIST, &error.to_string()))?;
        for (name, line) in index.lines() {
            let part = name.contains(".part-");
            match zips.get(name) {
                Some(sha256) if *sha256 != line.sha256 => {
                    return Err(refuse(name, "bundles.txt has another digest than its statement"));
                }
                None if !part => return Err(refuse(name, "no statement of the period names it")),
                _ => {}
            }
            let path = format!("{BUNDLES}{name}");
            match (self.files.get(path.as_str()), line.place) {
                (None, Place::Inside) => {
                    return Err(refuse(&path, "is missing, and bundles.txt says it is inside"));
                }
                (Some(_), Place::Beside | Place::LeftOut) => {
                    return Err(refuse(&path, "is here, and bundles.txt says it is not"));
                }
                (Some((entry, sha256)), Place::Inside)
                    if (entry.bytes, *sha256) != (line.bytes, line.sha256) =>
                {
                    return Err(refuse(&path, "is not the zip that bundles.txt and its statement name"));
                }
                _ => {}
            }
        }
        if let Some(name) = zips.keys().find(|name| !index.lines().contains_key(*name)) {
            return Err(refuse(BUNDLES_LIST, &format!("does not list {name}")));
        }
        for name in zips.keys() {
            for (suffix, _) in SIDECARS {
                let path = format!("{BUNDLES}{name}{suffix}");
                if !self.files.contains_key(path.as_str()) {
                    return Err(refuse(&path, "is missing"));
                }
            }
        }
        let mut known: BTreeSet<String> = index.lines().keys().cloned().collect();
        for name in zips.keys() {
            known.extend(SIDECARS.iter().chain([&TOKEN]).map(|(suffix, _)| format!("{name}{suffix}")));
        }
        for name in self.files.keys().filter_map(|path| path.as_str().strip_prefix(BUNDLES)) {
            if !known.contains(name) {
                return Err(refuse(name, "belongs to no run of the period"));
            }
        }
        Ok(index)
    }

    /// Where each key of the store is.
    fn keys(&self, index: &Index, log: &Log) -> BTreeMap<String, Whereabouts> {
        let mut keys = BTreeMap::new();
        for (path, (entry, _)) in self.payload() {
            let path = path.as_str();
            let window = Whereabouts::Window { start: entry.data_start, bytes: entry.bytes };
            if let Some(name) = path.strip_prefix(BUNDLES) {
                keys.extend(store_key(name).map(|key| (key, window)));
            } else if path == CHECKPOINT_END {
                keys.insert(format!("log/checkpoints/{}", log.hashes), window.clone());
                keys.insert("log/checkpoint".to_owned(), window);
            } else if path == CHECKPOINT_START {
                keys.insert(format!("log/checkpoints/{}", log.old), window);
            } else if let Some(rest) = path.strip_prefix(LOG_FOLDER).filter(|rest| rest.starts_with("tile/"))
            {
                keys.insert(format!("log/{rest}"), window);
            } else if let Some(name) = path.strip_prefix(TRUST_FOLDER) {
                keys.insert(format!("trust/{name}"), window);
            }
        }
        for (name, line) in index.lines().iter().filter(|(_, line)| line.place == Place::Beside) {
            let beside = Whereabouts::Beside { name: name.clone(), bytes: line.bytes };
            keys.extend(store_key(name).map(|key| (key, beside)));
        }
        keys
    }
}

fn path_of(tile: &Tile) -> String {
    let key = tile.key();
    format!("{LOG_FOLDER}{}", key.strip_prefix("log/").unwrap_or(&key))
}

fn checkpoint(file: &str, bytes: &[u8], info: &PeriodInfo) -> Result<Checkpoint, VerifyError> {
    let refuse = |detail: &str| VerifyError::in_file(Check::PeriodLog, file, detail);
    let read = || Checkpoint::parse(Note::parse(bytes)?.text());
    let checkpoint = read().map_err(|error| refuse(&error.to_string()))?;
    if checkpoint.origin != info.origin {
        return Err(refuse(&format!("is one of log {}, not of {}", checkpoint.origin, info.origin)));
    }
    Ok(checkpoint)
}

/// The leaves lead to the root of a checkpoint.
fn same_root(file: &str, hashes: &[Digest], checkpoint: &Checkpoint) -> Result<(), VerifyError> {
    match root(&mut Leaves(hashes), checkpoint.size) {
        Ok(found) if found == checkpoint.root => Ok(()),
        _ => Err(VerifyError::in_file(Check::PeriodLog, file, "its root is not that of the leaves")),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
