//! Parts beside a root whose list of them is signed.
//!
//! In this order: the list, the digest of every part that is there (before any of it is parsed), then each part on
//! its own: form of the zip, tag files, payload, and the documents that the rows of the run ask for. One part is held
//! at a time, whatever their number. A part that is absent is counted with what it would have held; one that is
//! there and is not the one that was named is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufReader, Seek, SeekFrom};
use std::num::NonZeroU16;

use crate::archive::{Files, ReadSeek};
use crate::bag::{self, BagInfo};
use crate::check::{Check, VerifyError, printable};
use crate::digest::{CHUNK_BYTES, Digest, hash_reader};
use crate::id::BagId;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::parts::{PARTS, PartOf, PartRecord, PartSource, order, parse};
use crate::path::BundlePath;
use crate::run::{EVIDENCE, Head, Wanted};
use crate::verify::{file_set, payload, tag_files, tag_manifest, with_source};

/// The parts of one root.
#[derive(Default)]
pub(crate) struct Parts {
    listed: Vec<Listed>,
    /// File names of parts that the list does not have.
    pub(crate) unlisted: Vec<String>,
    /// Documents that rows ask for and no part has shown yet.
    wanted: BTreeMap<BundlePath, Wanted>,
    /// How many parts are behind us.
    done: usize,
    /// The greatest key of their files.
    last: Option<Key>,
    /// Accounts of parts that are absent.
    absent_accounts: BTreeSet<String>,
    /// Documents that are in parts that are absent.
    unread: u64,
    current: Option<Opened>,
}

type Key = (String, String, String);

struct Listed {
    record: PartRecord,
    state: State,
    /// The digest of the tag manifest, and the smallest and greatest key, once it has been verified.
    seen: Option<(Digest, Key, Key)>,
}

enum State {
    Absent,
    Closed(Box<dyn ReadSeek>),
    /// It is the current one, or reading it failed.
    Taken,
}

struct Opened {
    index: usize,
    files: Files,
    manifest: Manifest,
}

impl Parts {
    /// Reads the list of a root, if it has one, and hashes every part that is there.
    pub(crate) fn find(
        id: &BagId,
        files: &mut Files,
        manifest: &Manifest,
        source: &mut dyn PartSource,
        limits: &Limits,
    ) -> Result<Self, VerifyError> {
        let Some((path, digest)) = manifest.files().get_key_value(PARTS) else { return Ok(Self::default()) };
        let bytes = files.read(path, limits.json_bytes, Check::Parts)?;
        if Digest::of(&bytes) != *digest {
            return Err(VerifyError::in_file(Check::Payload, PARTS, "changed while it was read"));
        }
        let refuse = |detail: String| VerifyError::in_file(Check::Parts, PARTS, detail);
        let records = parse(&bytes, id, limits).map_err(refuse)?;
        if let Some(path) = manifest.files().keys().find(|path| order(path).is_some()) {
            return Err(VerifyError::in_file(Check::Parts, path, "belongs into a part"));
        }
        let mut parts = Self::default();
        for record in records {
            let name = record.part.file_name();
            let unreadable = |source| VerifyError::Unreadable { file: Some(printable(&name)), source };
            let state = match source.open(&name).map_err(unreadable)? {
                None => State::Absent,
                Some(mut zip) => {
                    hash(&mut zip, &record)?;
                    State::Closed(zip)
                }
            };
            parts.listed.push(Listed { record, state, seen: None });
        }
        let names = source.names(&format!("{id}.part-")).map_err(VerifyError::unreadable)?;
        let listed: BTreeSet<String> =
            parts.listed.iter().map(|listed| listed.record.part.file_name()).collect();
        parts.unlisted = names.into_iter().filter(|name| !listed.contains(name)).collect();
        Ok(parts)
    }

    /// Whether evidence lies in parts.
    pub(crate) fn is_divided(&self) -> bool {
        !self.listed.is_empty()
    }

    /// How many there are, and the records of those that are absent.
    pub(crate) fn absent(&self) -> (usize, impl Iterator<Item = &PartRecord>) {
        let absent = self.listed.iter().filter(|listed| matches!(listed.state, State::Absent));
        (self.listed.len(), absent.map(|listed| &listed.record))
    }

    /// The list.
    pub(crate) fn records(&self) -> impl Iterator<Item = &PartRecord> {
        self.listed.iter().map(|listed| &listed.record)
    }

    /// Documents of rows whose part is absent.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
    }

    /// A row asks for a document.
    pub(crate) fn want(&mut self, path: BundlePath, wanted: Wanted) {
        self.wanted.insert(path, wanted);
    }

    /// Verifies the parts that are through when all rows of accounts up to `account` are known; `None`: all parts.
    pub(crate) fn advance(
        &mut self,
        account: Option<&str>,
        info: &BagInfo,
        limits: &Limits,
    ) -> Result<(), VerifyError> {
        while let Some(listed) = self.listed.get(self.done) {
            let last = listed.record.accounts.last().map(String::as_str);
            if account.is_some_and(|account| last > Some(account)) {
                break;
            }
            if matches!(listed.state, State::Absent) {
                self.absent_accounts.extend(listed.record.accounts.iter().cloned());
            } else {
                self.verify(self.done, info, limits)?;
            }
            self.done += 1;
        }
        self.settle()
    }

    /// What rows of earlier accounts ask for and no part has shown is in a part that is absent, or nowhere.
    fn settle(&mut self) -> Result<(), VerifyError> {
        let next = self.listed.get(self.done).and_then(|listed| listed.record.accounts.first().cloned());
        while let Some((path, wanted)) = self.wanted.first_key_value() {
            if next.as_ref().is_some_and(|next| wanted.account >= *next) {
                return Ok(());
            }
            if !self.absent_accounts.contains(&wanted.account) {
                return Err(VerifyError::in_file(
                    Check::RunFiles,
                    path,
                    "its row is there, the file is in no part",
                ));
            }
            self.unread += 1;
            self.wanted.pop_first();
        }
        Ok(())
    }

    /// One part, from its headers to its documents.
    fn verify(&mut self, index: usize, info: &BagInfo, limits: &Limits) -> Result<(), VerifyError> {
        let count = self.listed.len();
        let (mut opened, message) = self.open(index, limits)?;
        let Some(listed) = self.listed.get_mut(index) else { return Ok(()) };
        let record = &listed.record;
        let wrap = |error| in_part(record, error);
        let refuse = |detail: String| VerifyError::in_file(Check::PartBags, record.part.file_name(), detail);

        let (oxum, mut heads) = payload(&mut opened.files, &opened.manifest).map_err(wrap)?;
        opened.files.no_free_bits().map_err(wrap)?;
        let entries = u64::try_from(opened.files.sizes.len()).unwrap_or(u64::MAX);
        if entries != record.entries {
            return Err(refuse(format!("has {entries} files, {PARTS} says {}", record.entries)));
        }
        let place = |number: usize| u16::try_from(number).ok().and_then(NonZeroU16::new);
        let part = place(index + 1).zip(place(count)).map(|(position, count)| PartOf {
            number: record.part.number(),
            position,
            count,
        });
        let bytes =
            opened.files.read(&path(bag::BAG_INFO)?, limits.tag_file_bytes, Check::BagInfo).map_err(wrap)?;
        let found = BagInfo::parse(&bytes).map_err(|error| refuse(format!("bag-info: {error}")))?;
        // The part says when and by which version it was made; all else is the root's.
        let (agent, bagging_date) = (found.agent.clone(), found.bagging_date.clone());
        let expected = BagInfo { agent, bagging_date, part, oxum, ..info.clone() };
        if found != expected {
            let (found, expected) = (found.print(), expected.print());
            let lines =
                |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
            let (found, expected) = (lines(&found), lines(&expected));
            let wrong = found.iter().find(|line| !expected.contains(line)).cloned().unwrap_or_default();
            return Err(refuse(format!("bag-info: {wrong:?} is not what its root says")));
        }

        let mut accounts: BTreeSet<&str> = BTreeSet::new();
        let (mut first, mut greatest): (Option<_>, Option<_>) = (None, None);
        for file in opened.manifest.files().keys() {
            let Some(key) = order(file) else {
                return Err(refuse(format!("{file} belongs into the root")));
            };
            accounts.insert(key.0);
            first = first.map_or(Some(key), |least| Some(std::cmp::min(least, key)));
            greatest = greatest.max(Some(key));
        }
        if !accounts.iter().copied().eq(record.accounts.iter().map(String::as_str)) {
            return Err(refuse(format!("its accounts are not those that {PARTS} names")));
        }
        let own = |key: (&str, &str, &str)| (key.0.to_owned(), key.1.to_owned(), key.2.to_owned());
        let (first, greatest) = (first.map(own).unwrap_or_default(), greatest.map(own).unwrap_or_default());
        if let Some(last) = self.last.as_ref().filter(|last| **last >= first) {
            return Err(refuse(format!("{} does not come after {} of the part before it", first.2, last.2)));
        }

        for (file, digest) in opened.manifest.files() {
            if !file.as_str().starts_with(EVIDENCE) {
                continue;
            }
            let orphan = || VerifyError::in_file(Check::RunFiles, file, "belongs to no row of run.json");
            let wanted = self.wanted.remove(file).ok_or_else(orphan)?;
            if wanted.sha256 != *digest {
                return Err(VerifyError::in_file(Check::RunFiles, file, "its row has another sha256"));
            }
            let head = if let Some(head) = heads.remove(file) {
                head
            } else {
                let reader = opened.files.open(file).map_err(wrap)?;
                Head::read(BufReader::with_capacity(CHUNK_BYTES, reader), file)?
            };
            head.agrees(file, &wanted)?;
        }
        self.last = Some(greatest.clone());
        listed.seen = Some((Digest::of(&message), first, greatest));
        self.current = Some(opened);
        Ok(())
    }

    /// Steps 8 and 9 of a part as far as they do not read its payload; and the bytes of its tag manifest.
    fn open(&mut self, index: usize, limits: &Limits) -> Result<(Opened, Vec<u8>), VerifyError> {
        if let Some(last) = self.current.take()
            && let (Some(listed), Some(zip)) = (self.listed.get_mut(last.index), last.files.into_zip())
        {
            listed.state = State::Closed(zip);
        }
        let gone = || VerifyError::refused(Check::Parts, "a part could not be read before");
        let listed = self.listed.get_mut(index).ok_or_else(gone)?;
        let State::Closed(zip) = std::mem::replace(&mut listed.state, State::Taken) else {
            return Err(gone());
        };
        let record = &listed.record;
        let (files, manifest, message) =
            read_bag(zip, record, limits).map_err(|error| in_part(record, error))?;
        Ok((Opened { index, files, manifest }, message))
    }

    /// The bytes of a file of a part, if one that is there holds it.
    pub(crate) fn read(
        &mut self,
        path: &BundlePath,
        limits: &Limits,
    ) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some((account, region, file)) = order(path) else { return Ok(None) };
        let key = (account.to_owned(), region.to_owned(), file.to_owned());
        let holds = |listed: &Listed| {
            listed.seen.as_ref().is_some_and(|(_, first, last)| *first <= key && key <= *last)
        };
        let Some(index) = self.listed.iter().position(holds) else { return Ok(None) };
        if self.current.as_ref().is_none_or(|opened| opened.index != index) {
            let (opened, message) = self.open(index, limits)?;
            let seen = self.listed.get(index).and_then(|listed| listed.seen.as_ref());
            if seen.is_none_or(|(digest, _, _)| *digest != Digest::of(&message)) {
                return Err(VerifyError::in_file(
                    Check::Parts,
                    path,
                    "its part changed since it was verified",
                ));
            }
            self.current = Some(opened);
        }
        let Some(opened) = &mut self.current else { return Ok(None) };
        let Some(digest) = opened.manifest.digest(path).copied() else { return Ok(None) };
        let bytes = opened.files.read(path, limits.entry_bytes, Check::Payload)?;
        if Digest::of(&bytes) == digest {
            Ok(Some(bytes))
        } else {
            Err(VerifyError::in_file(Check::Payload, path, "changed while it was read"))
        }
    }
}

/// The whole zip has the digest and the length that the signed list says.
fn hash(zip: &mut Box<dyn ReadSeek>, record: &PartRecord) -> Result<(), VerifyError> {
    let name = record.part.file_name();
    let unreadable = |source| VerifyError::Unreadable { file: Some(name.clone()), source };
    let refuse = |detail: String| Err(VerifyError::in_file(Check::Parts, &name, detail));
    let length = zip.seek(SeekFrom::End(0)).map_err(unreadable)?;
    if length != record.size {
        return refuse(format!("has {length} bytes, {PARTS} says {}", record.size));
    }
    zip.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let (found, bytes) = hash_reader(zip).map_err(unreadable)?;
    if found == record.sha256 && bytes == record.size {
        return Ok(());
    }
    refuse(format!("has sha256 {found}, {PARTS} says {}", record.sha256))
}

/// Names, tag files and the set of files: everything of a part but its payload.
fn read_bag(
    zip: Box<dyn ReadSeek>,
    record: &PartRecord,
    limits: &Limits,
) -> Result<(Files, Manifest, Vec<u8>), VerifyError> {
    let refuse = |check, file: &str, detail: String| Err(VerifyError::in_file(check, file, detail));
    let mut files = Files::of_zip(zip, Some(record.sha256), limits, &mut |_, _| {})?;
    if files.root != record.part.to_string() {
        let detail = format!("its folder should be {}", record.part);
        return refuse(Check::BagName, &files.root, detail);
    }
    if files.dos != record.part.root().slot().dos() {
        return refuse(Check::ZipHeaders, &files.root, "the time in the headers is not the slot".to_owned());
    }
    let (tags, message) = tag_manifest(&mut files)?;
    let contents = tag_files(&mut files, &tags, limits)?;
    let [_, _, declaration, manifest] = contents.as_slice() else {
        return refuse(Check::TagFiles, bag::TAG_MANIFEST, "there are not four tag files".to_owned());
    };
    if declaration != bag::BAG_DECLARATION.as_bytes() {
        let detail = "is not the declaration of BagIt 1.0".to_owned();
        return refuse(Check::BagDeclaration, bag::BAGIT, detail);
    }
    let manifest = Manifest::parse(manifest)
        .map_err(|error| VerifyError::in_file(Check::Manifest, bag::MANIFEST, with_source(&error)))?;
    // A signature in a part would be one that nobody checks.
    file_set(&files, &manifest, &[bag::TAG_MANIFEST])?;
    Ok((files, manifest, message))
}

/// A failure inside a part names the part.
fn in_part(record: &PartRecord, error: VerifyError) -> VerifyError {
    let name = record.part.file_name();
    match error {
        VerifyError::Refused { check, file, detail } => {
            let file = file.map(|file| format!("{file}: ")).unwrap_or_default();
            VerifyError::in_file(Check::PartBags, name, format!("{}: {file}{detail}", check.name()))
        }
        VerifyError::Unreadable { file, source } => {
            let file = file.map(|file| format!(": {file}")).unwrap_or_default();
            VerifyError::Unreadable { file: Some(format!("{name}{file}")), source }
        }
        missing @ VerifyError::Missing { .. } => missing,
    }
}

fn path(name: &str) -> Result<BundlePath, VerifyError> {
    BundlePath::new(name).map_err(|error| VerifyError::refused(Check::PartBags, error))
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.listed.len(), self.absent().1.count()) {
            (0, _) => f.write_str("none, the run is in one bag"),
            (count, 0) => write!(f, "{count}"),
            (count, absent) => write!(f, "{count}, of which {absent} are absent"),
        }
    }
}
