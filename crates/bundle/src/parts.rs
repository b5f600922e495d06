//! The parts of a run that is too large for one zip.
//!
//! Evidence, findings and raw bodies lie in parts, everything else in the root. Parts carry no signature: `data/parts.json` of
//! the signed root names each with its digest. Files of all parts, ordered by account, region and path, are cut into
//! consecutive runs, so that a reader holds one part at a time and a file can be in one part only.
//!
//! [`print`] and [`parse`] are twins. Refused: a list of other names, an account out of order, an empty list.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::archive::ReadSeek;
use crate::check::printable;
use crate::digest::Digest;
use crate::id::BagId;
use crate::limits::Limits;
use crate::path::BundlePath;
use crate::shelf::Shelf;
use crate::store::LogStore;

mod verify;

pub(crate) use verify::Parts;

/// Where the list is.
pub const PARTS: &str = "data/parts.json";
/// The folders whose files lie in parts, below each of them the account.
const DIVIDED: [&str; 3] = ["data/evidence/", "data/findings/", "data/raw/"];
const LAST_NUMBER: u16 = 9_999;

/// The name of one part: `<id>.part-0001`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId {
    id: BagId,
    number: NonZeroU16,
}

impl PartId {
    /// `None` beyond part 9999.
    pub fn new(id: BagId, number: NonZeroU16) -> Option<Self> {
        (number.get() <= LAST_NUMBER).then_some(Self { id, number })
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, number) = text.split_once(".part-")?;
        let part = Self::new(BagId::parse(id)?, number.parse().ok()?)?;
        (part.to_string() == text).then_some(part)
    }

    /// Reads the name of a file.
    pub fn of_file_name(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(".zip")?)
    }

    /// The bag that it is a part of.
    pub fn root(&self) -> &BagId {
        &self.id
    }

    /// The number in the name.
    pub fn number(&self) -> NonZeroU16 {
        self.number
    }

    /// `<id>.part-0001.zip`.
    pub fn file_name(&self) -> String {
        format!("{self}.zip")
    }

    /// Where the part lies in a store: beside its root.
    pub fn store_key(&self) -> String {
        format!("{}{self}.zip", folder(&self.id))
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.part-{:04}", self.id, self.number)
    }
}

/// Which part a bag is, and of how many: `Bag-Count: 1 of 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOf {
    /// The number in the name.
    pub number: NonZeroU16,
    /// Its place in the list, counted from 1.
    pub position: NonZeroU16,
    /// How many parts there are.
    pub count: NonZeroU16,
}

/// A line of `data/parts.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRecord {
    /// The name of the part.
    pub part: PartId,
    /// The digest of the whole zip.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The number of its files, tag files included.
    pub entries: u64,
    /// The accounts whose files are in it, sorted.
    pub accounts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    sha256: String,
    size: u64,
    entries: u64,
    accounts: Vec<String>,
}

/// The bytes of `data/parts.json`.
pub fn print(parts: &[PartRecord]) -> Vec<u8> {
    let lines: Vec<Line> = parts
        .iter()
        .map(|part| Line {
            name: part.part.file_name(),
            sha256: part.sha256.to_string(),
            size: part.size,
            entries: part.entries,
            accounts: part.accounts.clone(),
        })
        .collect();
    // Strings and numbers always have a JSON form.
    let mut bytes = serde_json::to_vec(&lines).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads the list of a root; what is wrong with it otherwise.
pub fn parse(bytes: &[u8], root: &BagId, limits: &Limits) -> Result<Vec<PartRecord>, String> {
    let lines: Vec<Line> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if lines.is_empty() {
        return Err("names no part".to_owned());
    }
    if u64::try_from(lines.len()).unwrap_or(u64::MAX) > limits.parts {
        return Err(format!("{} parts are more than the limit {}", lines.len(), limits.parts));
    }
    let mut parts: Vec<PartRecord> = Vec::new();
    for line in lines {
        let part = PartId::of_file_name(&line.name).filter(|part| part.root() == root);
        let part = part.ok_or_else(|| format!("{:?} is no part of {root}", line.name))?;
        let wrong = |what: &str| Err(format!("{part}: {what}"));
        let Some(sha256) = Digest::parse(&line.sha256) else { return wrong("sha256 is no digest") };
        if line.entries > limits.entries || line.size > u64::from(u32::MAX) {
            return wrong("is larger than the limit");
        }
        if !line.accounts.is_sorted_by(|one, next| one < next) || line.accounts.is_empty() {
            return wrong("its accounts are not sorted, or it has none");
        }
        if let Some(last) = parts.last() {
            if last.part.number.checked_add(1) != Some(part.number) {
                return wrong("its number does not follow the one before it");
            }
            if last.accounts.last() > line.accounts.first() {
                return wrong("its accounts do not follow those of the part before it");
            }
        }
        parts.push(PartRecord {
            part,
            sha256,
            size: line.size,
            entries: line.entries,
            accounts: line.accounts,
        });
    }
    Ok(parts)
}

/// The order of files over all parts: account, region, path. `None`: the file belongs into the root.
///
/// A file that lies directly in the folder of its account has an empty region.
pub fn order(path: &BundlePath) -> Option<(&str, &str, &str)> {
    let text = path.as_str();
    let below = DIVIDED.iter().find_map(|folder| text.strip_prefix(folder))?;
    let (account, rest) = below.split_once('/')?;
    Some((account, rest.split_once('/').map_or("", |(region, _)| region), text))
}

/// What verification saw of the parts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsSeen {
    /// How many the signed list names; none: the run is in one bag.
    pub count: usize,
    /// Those that are not there.
    pub absent: Vec<PartRecord>,
    /// Documents of the run that are in parts that are not there.
    pub unread_documents: u64,
    /// Files that are named like parts of the run and are in no list.
    pub unlisted: Vec<String>,
}

impl PartsSeen {
    /// What makes the run less than whole, one printable sentence each.
    pub fn exceptions(&self) -> Vec<String> {
        let mut exceptions: Vec<String> = Vec::new();
        for part in &self.absent {
            let accounts = match part.accounts.as_slice() {
                [] => String::new(),
                [one] => format!("account {one}"),
                [first, .., last] => format!("{} accounts, {first} to {last}", part.accounts.len()),
            };
            let files = part.entries;
            exceptions.push(printable(&format!(
                "part {} is absent: its {files} files ({accounts}) were not checked",
                part.part.file_name()
            )));
        }
        for name in &self.unlisted {
            let name = printable(name);
            exceptions.push(format!(
                "{name} is named like a part of the run and is in no signed list: it was not read"
            ));
        }
        exceptions
    }
}

/// Where the parts of a run are.
pub trait PartSource {
    /// The part of this file name; `None`: it is not there.
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn ReadSeek>>>;
    /// The names of files that begin with `prefix`.
    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>>;
}

/// Parts beside the root, in the same folder.
#[derive(Debug)]
pub struct PartsBeside(pub PathBuf);

impl PartSource for PartsBeside {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        let path = self.0.join(name);
        match path.metadata() {
            // A pipe or a device could be opened and never end.
            Ok(metadata) if !metadata.is_file() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a file")))
            }
            Ok(_) => Ok(Some(Box::new(File::open(path)?))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(&self.0)? {
            let item = item?;
            let name = item.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) && !item.file_type()?.is_dir() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Parts on a shelf (a store that is only read, a period bundle), beside their root.
pub struct PartsOn<'a> {
    shelf: &'a dyn Shelf,
    folder: String,
}

impl<'a> PartsOn<'a> {
    /// Beside the root of this bag.
    pub fn new(shelf: &'a dyn Shelf, root: &BagId) -> Self {
        Self { shelf, folder: folder(root) }
    }
}

impl PartSource for PartsOn<'_> {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        self.shelf.open(&format!("{}{name}", self.folder))
    }

    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>> {
        let keys = self.shelf.list(&format!("{}{prefix}", self.folder))?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(&self.folder));
        Ok(names.map(str::to_owned).collect())
    }
}

/// Parts in a store that is written to, beside their root.
pub struct PartsIn<'a> {
    store: &'a dyn LogStore,
    folder: String,
}

impl<'a> PartsIn<'a> {
    /// Beside the root of this bag.
    pub fn new(store: &'a dyn LogStore, root: &BagId) -> Self {
        Self { store, folder: folder(root) }
    }
}

impl PartSource for PartsIn<'_> {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        self.store.open(&format!("{}{name}", self.folder)).map_err(io::Error::other)
    }

    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>> {
        let keys = self.store.list(&format!("{}{prefix}", self.folder)).map_err(io::Error::other)?;
        Ok(keys.iter().filter_map(|key| key.strip_prefix(&self.folder)).map(str::to_owned).collect())
    }
}

/// The folder of a root in a store, as `bundles/2026/11/22/`.
fn folder(root: &BagId) -> String {
    let key = root.store_key();
    key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

/// A root without its parts.
#[derive(Debug)]
pub struct NoParts;

impl PartSource for NoParts {
    fn open(&mut self, _: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        Ok(None)
    }

    fn names(&mut self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}
