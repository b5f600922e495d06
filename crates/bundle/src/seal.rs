//! Turns a draft into a signed zip.
//!
//! The same draft, key and signature give the same bytes: entries sorted by path, one time for all, deflate level 6.
//! [`prepare`] computes every tag file and the message to sign; [`Unsigned::seal`] refuses a signature that does not
//! verify before it writes anything, and a file whose bytes are no longer those that were hashed when it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::bag::{self, BagInfo, BagInfoError, Oxum};
use crate::digest::{Digest, Hasher, KeyId, for_each_chunk};
use crate::id::{BagId, Scope};
use crate::key::{KeyError, PublicKey};
use crate::limits::{Limits, SIGNED_MESSAGE_BYTES};
use crate::manifest::Manifest;
use crate::parts::{self, PARTS, PartId, PartOf, PartRecord, order};
use crate::path::{BundlePath, PathError, find_clash};
use crate::time::UtcSecond;

/// What goes into a bag.
#[derive(Debug)]
pub struct Draft {
    /// The name of the bag.
    pub id: BagId,
    /// Must be that of the id.
    pub scope: Scope,
    /// Must be that of the id.
    pub slot: UtcSecond,
    /// `Source-Organization`.
    pub organisation: String,
    /// `Bag-Software-Agent`, as `evidenced 0.1.0`.
    pub agent: String,
    /// `Bagging-Date`, `YYYY-MM-DD`.
    pub bagging_date: String,
    /// The payload; every path under `data/`.
    pub files: BTreeMap<BundlePath, Content>,
}

impl Draft {
    /// The root of a run whose parts are sealed: names them in `data/parts.json`. Without parts nothing changes.
    pub fn with_parts(mut self, parts: &[PartRecord]) -> Result<Self, PathError> {
        if !parts.is_empty() {
            self.files.insert(BundlePath::new(PARTS)?, Content::Bytes(parts::print(parts)));
        }
        Ok(self)
    }
}

/// What fills a file of the payload.
#[derive(Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// A file that was hashed when it was written.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its digest then.
        sha256: Digest,
        /// Its length then.
        bytes: u64,
    },
}

impl Content {
    /// How many bytes it holds.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => length(bytes),
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// Why a draft was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Scope or slot of the draft is not that of its id.
    #[error("{what} {found:?} is not that of the bag id {id}")]
    OtherId {
        /// Scope or slot.
        what: &'static str,
        /// Its value.
        found: String,
        /// The id.
        id: String,
    },
    /// A file outside `data/`.
    #[error("file {path} is not under data/")]
    NotPayload {
        /// Its path.
        path: BundlePath,
    },
    /// Evidence in the root of a run that is cut into parts, or anything else in a part.
    #[error("file {path} belongs into {}", if order(.path).is_some() { "a part" } else { "the root" })]
    OtherBag {
        /// Its path.
        path: BundlePath,
    },
    /// Two paths would be one file on some systems.
    #[error("file {path} clashes with another path")]
    Clash {
        /// One of the two.
        path: BundlePath,
    },
    /// A path that is not allowed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The bag would be larger than what a verifier reads.
    #[error("{what}: {found} is more than the limit {limit}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// Free text that is not one line, or no date.
    #[error("the tag file bag-info.txt cannot be written")]
    BagInfo(#[from] BagInfoError),
    /// The slot is outside what zip headers can say.
    #[error("slot {slot} is outside the years 1980 to 2107")]
    Slot {
        /// The slot.
        slot: UtcSecond,
    },
    /// The key is not the one that the bag names.
    #[error("key {found} is not the key {expected} that the bag names")]
    OtherKey {
        /// The key given.
        found: KeyId,
        /// The key named.
        expected: KeyId,
    },
    /// The signature does not verify.
    #[error("the signature over the tag manifest was refused")]
    Signature(#[from] KeyError),
    /// The file is not what was hashed when it was written.
    #[error("file {path} changed after it was written: sha256 {found}, expected {expected}")]
    Changed {
        /// Its path in the bag.
        path: BundlePath,
        /// What it is now.
        found: Digest,
        /// What it was.
        expected: Digest,
    },
    /// A file of the payload could not be read.
    #[error("file {path} cannot be read")]
    Read {
        /// Its path in the bag.
        path: BundlePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The zip could not be written.
    #[error("the zip cannot be written")]
    Write(#[source] io::Error),
}

/// A bag that lacks its signature only.
#[derive(Debug)]
pub struct Unsigned {
    id: BagId,
    key_id: KeyId,
    bag: Tagged,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The name of the bag.
    pub id: BagId,
    /// The digest of the signed message.
    pub tagmanifest_sha256: Digest,
    /// Entries of the zip.
    pub entries: u64,
    /// All files together before compression.
    pub uncompressed_bytes: u64,
}

/// A part of a run, which carries no signature: the root that is sealed after it names its digest.
#[derive(Debug)]
pub struct PartDraft {
    /// The name of the root.
    pub id: BagId,
    /// Which part this is.
    pub part: PartOf,
    /// `Source-Organization`.
    pub organisation: String,
    /// `Bag-Software-Agent`, as `evidenced 0.1.0`.
    pub agent: String,
    /// `Bagging-Date`, `YYYY-MM-DD`.
    pub bagging_date: String,
    /// Evidence and raw bodies, nothing else.
    pub files: BTreeMap<BundlePath, Content>,
}

/// A part that was written. Its zip is hashed in a second read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// Its name.
    pub part: PartId,
    /// Entries of the zip.
    pub entries: u64,
    /// All files together before compression.
    pub uncompressed_bytes: u64,
    /// Accounts whose files are in it, sorted.
    pub accounts: Vec<String>,
}

impl SealedPart {
    /// The line of `data/parts.json`, with what the second read found.
    pub fn record(self, sha256: Digest, size: u64) -> PartRecord {
        PartRecord { part: self.part, sha256, size, entries: self.entries, accounts: self.accounts }
    }
}

/// A bag whose tag files are computed.
#[derive(Debug)]
struct Tagged {
    payload: BTreeMap<BundlePath, Content>,
    tag_files: BTreeMap<BundlePath, Vec<u8>>,
    tag_manifest: Vec<u8>,
    uncompressed_bytes: u64,
}

/// Computes the tag files of a draft.
pub fn prepare(draft: Draft, key_id: &KeyId, limits: &Limits) -> Result<Unsigned, SealError> {
    let Draft { id, scope, slot, organisation, agent, bagging_date, files } = draft;
    let other = |what, found| SealError::OtherId { what, found, id: id.to_string() };
    if scope != *id.scope() {
        return Err(other("scope", scope.to_string()));
    }
    if slot != id.slot() {
        return Err(other("slot", slot.to_string()));
    }
    let divided = files.contains_key(PARTS);
    if let Some(path) = files.keys().find(|path| divided && order(path).is_some()) {
        return Err(SealError::OtherBag { path: path.clone() });
    }
    let readme = if divided { bag::divided_readme(&id, key_id) } else { bag::readme(&id, key_id) };
    let oxum = Oxum::default();
    let info = BagInfo {
        scope,
        agent,
        bagging_date,
        key_id: *key_id,
        id: id.clone(),
        part: None,
        oxum,
        organisation,
    };
    let bag = tag(info, readme, files, limits)?;
    Ok(Unsigned { id, key_id: *key_id, bag })
}

/// Writes a part. `out` must be empty and at its start. When this returns an error, what is in `out` is no part and is
/// to be thrown away.
pub fn seal_part<W: Write + Seek>(
    draft: PartDraft,
    key_id: &KeyId,
    limits: &Limits,
    out: W,
) -> Result<SealedPart, SealError> {
    let PartDraft { id, part: of, organisation, agent, bagging_date, files } = draft;
    let too_many = || SealError::TooLarge {
        what: "the number of a part",
        found: u64::from(of.number.get()),
        limit: 9_999,
    };
    let part = PartId::new(id.clone(), of.number).ok_or_else(too_many)?;
    let mut accounts = BTreeSet::new();
    for path in files.keys() {
        let (account, _, _) = order(path).ok_or_else(|| SealError::OtherBag { path: path.clone() })?;
        accounts.insert(account.to_owned());
    }
    let info = BagInfo {
        scope: id.scope().clone(),
        agent,
        bagging_date,
        key_id: *key_id,
        id,
        part: Some(of),
        oxum: Oxum::default(),
        organisation,
    };
    let slot = part.root().slot();
    let Tagged { payload, tag_files, tag_manifest, uncompressed_bytes } =
        tag(info, bag::part_readme(&part), files, limits)?;
    let mut files = payload;
    files.extend(tag_files.into_iter().map(|(path, bytes)| (path, Content::Bytes(bytes))));
    files.insert(BundlePath::new(bag::TAG_MANIFEST)?, Content::Bytes(tag_manifest));
    let entries = write_zip(&part.to_string(), slot, files, out)?;
    Ok(SealedPart { part, entries, uncompressed_bytes, accounts: accounts.into_iter().collect() })
}

/// Hashes what is in memory, sums up, and writes the tag files.
fn tag(
    info: BagInfo,
    readme: String,
    files: BTreeMap<BundlePath, Content>,
    limits: &Limits,
) -> Result<Tagged, SealError> {
    let slot = info.id.slot();
    slot.dos().ok_or(SealError::Slot { slot })?;
    if let Some(path) = files.keys().find(|path| !path.is_payload()) {
        return Err(SealError::NotPayload { path: path.clone() });
    }
    if let Some(path) = find_clash(files.keys()) {
        return Err(SealError::Clash { path: path.clone() });
    }

    let mut oxum = Oxum::default();
    let mut digests = BTreeMap::new();
    for (path, content) in &files {
        let (digest, bytes) = match content {
            Content::Bytes(bytes) => (Digest::of(bytes), length(bytes)),
            Content::File { sha256, bytes, .. } => (*sha256, *bytes),
        };
        within("bytes of one file", bytes, limits.entry_bytes)?;
        oxum.bytes = oxum.bytes.saturating_add(bytes);
        oxum.files += 1;
        digests.insert(path.clone(), digest);
    }
    let info = BagInfo { oxum, ..info };
    info.check()?;

    let mut tag_files = BTreeMap::new();
    for (name, bytes) in [
        (bag::README, readme.into_bytes()),
        (bag::BAG_INFO, info.print()),
        (bag::BAGIT, bag::BAG_DECLARATION.as_bytes().to_vec()),
        (bag::MANIFEST, Manifest::new(digests).print()),
    ] {
        tag_files.insert(BundlePath::new(name)?, bytes);
    }
    let digests = tag_files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect();
    let tag_manifest = Manifest::new(digests).print();

    let tag_bytes: u64 = tag_files.values().map(|bytes| length(bytes)).sum();
    let uncompressed_bytes = oxum.bytes.saturating_add(tag_bytes + length(&tag_manifest) + 64);
    within("bytes of all files", uncompressed_bytes, limits.uncompressed_bytes)?;
    within("files", oxum.files + 6, limits.entries)?;
    within(
        "bytes of the tag manifest",
        length(&tag_manifest),
        u64::try_from(SIGNED_MESSAGE_BYTES).unwrap_or(0),
    )?;
    Ok(Tagged { payload: files, tag_files, tag_manifest, uncompressed_bytes })
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), SealError> {
    if found > limit { Err(SealError::TooLarge { what, found, limit }) } else { Ok(()) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Unsigned {
    /// The message to sign: the bytes of `tagmanifest-sha256.txt`.
    pub fn message(&self) -> &[u8] {
        &self.bag.tag_manifest
    }

    /// The name of the bag.
    pub fn id(&self) -> &BagId {
        &self.id
    }

    /// Writes the zip. `out` must be empty and at its start. When this returns an error, what is in `out` is no
    /// bundle and is to be thrown away.
    pub fn seal<W: Write + Seek>(
        self,
        signature: [u8; 64],
        key: &PublicKey,
        out: W,
    ) -> Result<Sealed, SealError> {
        if *key.id() != self.key_id {
            return Err(SealError::OtherKey { found: *key.id(), expected: self.key_id });
        }
        // A wrong key, a prehashed signature or a flipped bit stops here, before there is anything to publish.
        let Tagged { payload, tag_files, tag_manifest, uncompressed_bytes } = self.bag;
        key.verify_strict(&tag_manifest, &signature)?;

        let tagmanifest_sha256 = Digest::of(&tag_manifest);
        let mut files = payload;
        files.extend(tag_files.into_iter().map(|(path, bytes)| (path, Content::Bytes(bytes))));
        files.insert(BundlePath::new(bag::TAG_MANIFEST)?, Content::Bytes(tag_manifest));
        files.insert(BundlePath::new(bag::SIGNATURE)?, Content::Bytes(signature.to_vec()));

        let entries = write_zip(&self.id.to_string(), self.id.slot(), files, out)?;
        Ok(Sealed { id: self.id, tagmanifest_sha256, entries, uncompressed_bytes })
    }
}

/// Writes the files into one folder of a zip of the profile; how many there are.
fn write_zip<W: Write + Seek>(
    folder: &str,
    slot: UtcSecond,
    files: BTreeMap<BundlePath, Content>,
    mut out: W,
) -> Result<u64, SealError> {
    if out.stream_position().map_err(SealError::Write)? != 0 {
        return Err(SealError::Write(io::Error::other("the output is not at its start")));
    }
    let options = options(slot)?;
    let mut zip = ZipWriter::new(out);
    let mut entries = 0;
    for (path, content) in files {
        zip.start_file(format!("{folder}/{path}"), options).map_err(zip_error)?;
        match content {
            Content::Bytes(bytes) => zip.write_all(&bytes).map_err(SealError::Write)?,
            Content::File { path: from, sha256, bytes } => {
                let found = copy(&from, &path, &mut zip)?;
                if found != (sha256, bytes) {
                    return Err(SealError::Changed { path, found: found.0, expected: sha256 });
                }
            }
        }
        entries += 1;
    }
    zip.finish().map_err(zip_error)?.flush().map_err(SealError::Write)?;
    Ok(entries)
}

/// Copies a file into the zip and hashes what was copied.
fn copy<W: Write + Seek>(
    from: &std::path::Path,
    path: &BundlePath,
    zip: &mut ZipWriter<W>,
) -> Result<(Digest, u64), SealError> {
    let unreadable = |source| SealError::Read { path: path.clone(), source };
    let mut file = File::open(from).map_err(unreadable)?;
    let mut hasher = Hasher::new();
    let mut unwritable = None;
    let copied = for_each_chunk(&mut Read::by_ref(&mut file), |chunk| {
        hasher.update(chunk);
        zip.write_all(chunk).map_err(|error| {
            let kind = error.kind();
            unwritable = Some(error);
            kind.into()
        })
    });
    match (copied, unwritable) {
        (_, Some(error)) => Err(SealError::Write(error)),
        (Err(source), None) => Err(unreadable(source)),
        (Ok(()), None) => Ok(hasher.finish()),
    }
}

fn options(slot: UtcSecond) -> Result<SimpleFileOptions, SealError> {
    let time = slot
        .dos()
        .and_then(|(date, time)| DateTime::try_from_msdos(date, time).ok())
        .ok_or(SealError::Slot { slot })?;
    Ok(SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(time)
        .unix_permissions(0o644)
        .large_file(false)
        .system(System::Unix))
}

fn zip_error(error: zip::result::ZipError) -> SealError {
    SealError::Write(io::Error::other(error))
}
