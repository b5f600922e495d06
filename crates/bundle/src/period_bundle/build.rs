//! Writes a period bundle from a store.
//!
//! The same store gives the same bytes. Nothing is packed that is not what the log says: every zip is hashed as it is
//! copied, or, when it stays beside, before anything is written; so are the files that were measured. What a store
//! changes meanwhile is an error and no bundle. Memory: the lists, and a chunk of each file in turn. Refused: a period
//! whose last slot is not sealed, more files or bytes than a zip without zip64 has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, Write};

use super::coverage;
use super::index::{Index, Line, Place};
use super::info::{PeriodInfo, PeriodInfoError};
use super::plan::{Coverage, Leaf, Plan, PlanError, plan};
use super::stored::{AddError, StoredZip, zip_bytes};
use super::{
    BUNDLES, BUNDLES_LIST, CHECKPOINT_END, CHECKPOINT_START, CONSISTENCY, COVERAGE, LOG_FOLDER, PAGE,
    PERIOD_BYTES, PERIOD_FILES, PeriodId, REPORT, VERIFY_TEXT, store_key, text,
};
use crate::bag::{self, Oxum};
use crate::digest::{Digest, hash_reader};
use crate::manifest::Manifest;
use crate::path::{BundlePath, PathError, find_clash};
use crate::shelf::Shelf;
use crate::span::Span;
use crate::time::UtcSecond;

/// Which period, and what of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of the bundle.
    pub id: PeriodId,
    /// The days of the period.
    pub span: Span,
    /// Of a sample pack: the first seconds of the days whose zips go in. `None`: all.
    pub days: Option<BTreeSet<UtcSecond>>,
    /// `Source-Organization`.
    pub organisation: String,
    /// `Bag-Software-Agent`, as `evidenced 0.1.0`.
    pub agent: String,
    /// A longer bundle leaves its zips beside it; at most [`PERIOD_BYTES`].
    pub limit_bytes: u64,
}

/// What the caller adds.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// `data/verify.html`: the verifier for a browser.
    pub page: Option<Vec<u8>>,
    /// `data/report.html`.
    pub report: Option<Vec<u8>>,
}

/// A period bundle that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What is in it.
    pub coverage: Coverage,
    /// Where each zip is.
    pub index: Index,
    /// How long it is.
    pub bytes: u64,
    /// Keys in the store of the zips that belong beside it.
    pub beside: Vec<String>,
}

/// Why no period bundle was written. What is in the output then is none and is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store has no such period, or not whole.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file cannot be read.
    #[error("{key} cannot be read")]
    Read {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file has another length than a moment before.
    #[error("{key} changed while it was read")]
    Changed {
        /// Its key.
        key: String,
    },
    /// A zip is not the one that was logged.
    #[error("{key} has digest {found}, the log says {expected}")]
    OtherZip {
        /// Its key.
        key: String,
        /// What it has.
        found: Digest,
        /// What its statement says.
        expected: Digest,
    },
    /// The bundle cannot be written.
    #[error("the period bundle cannot be written")]
    Write(#[source] io::Error),
    /// More than the profile allows, even with all zips beside it.
    #[error("{what}: {found} is more than the limit {limit}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// The count.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A name or a value of the bag is not allowed.
    #[error(transparent)]
    Info(#[from] PeriodInfoError),
    /// A path that no bag has.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Two paths would be one file on some systems.
    #[error("file {path} clashes with another path")]
    Clash {
        /// The path.
        path: BundlePath,
    },
    /// A zip has no times before 1980.
    #[error("a period that starts on {day} has no time in a zip")]
    Start {
        /// Its first day.
        day: String,
    },
}

/// What fills a file.
enum Filling {
    Bytes(Vec<u8>),
    /// An object of the store with this length, and this digest where it is known.
    Object {
        key: String,
        bytes: u64,
        sha256: Option<Digest>,
    },
}

impl Filling {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(content) => u64::try_from(content.len()).unwrap_or(u64::MAX),
            Self::Object { bytes, .. } => *bytes,
        }
    }
}

/// Writes the bundle of a period to `out`, which is empty and at its start.
pub fn build<W: Write + Seek>(
    shelf: &dyn Shelf,
    request: &Request,
    extras: &Extras,
    out: W,
) -> Result<Built, BuildError> {
    let dos = request.span.start().dos();
    let dos = dos.ok_or_else(|| BuildError::Start { day: request.span.first_day() })?;
    let plan = plan(shelf, request.id.scope(), &request.span)?;
    chosen_days_have_runs(request, &plan.leaves)?;
    let root = request.id.to_string();
    let limit = request.limit_bytes.min(PERIOD_BYTES);

    let mut index = index(&plan.leaves, request, Place::Inside);
    let mut payload = payload(&plan, &index, extras)?;
    // The tag files are small: 256 bytes for each path and digest of the manifest, and two pages of text.
    let tags = |payload: &BTreeMap<BundlePath, Filling>| {
        let lines = payload.keys().map(|path| path.as_str().len() + 67).sum::<usize>();
        u64::try_from(lines).unwrap_or(u64::MAX).saturating_add(64 << 10)
    };
    let total = |payload: &BTreeMap<BundlePath, Filling>| {
        zip_bytes(&root, payload.iter().map(|(path, filling)| (path.as_str(), filling.bytes())))
            .saturating_add(tags(payload))
    };
    if total(&payload) > limit {
        index = self::index(&plan.leaves, request, Place::Beside);
        payload = self::payload(&plan, &index, extras)?;
    }
    within("bytes of the period bundle", total(&payload), limit)?;
    within("files", u64::try_from(payload.len()).unwrap_or(u64::MAX).saturating_add(5), PERIOD_FILES)?;
    if let Some(path) = find_clash(payload.keys()) {
        return Err(BuildError::Clash { path: path.clone() });
    }
    let beside = zips_beside(shelf, &index)?;

    let mut zip = StoredZip::new(out, root, dos);
    let bytes = write(shelf, request, &plan, payload, &mut zip)
        .and_then(|()| zip.finish().map_err(BuildError::Write))?;
    Ok(Built { coverage: plan.coverage, index, bytes, beside })
}

/// Tag files around the payload, in the order of their names.
fn write<W: Write + Seek>(
    shelf: &dyn Shelf,
    request: &Request,
    plan: &Plan,
    payload: BTreeMap<BundlePath, Filling>,
    zip: &mut StoredZip<W>,
) -> Result<(), BuildError> {
    let oxum = Oxum {
        bytes: payload.values().map(Filling::bytes).sum(),
        files: u64::try_from(payload.len()).unwrap_or(u64::MAX),
    };
    let ended = plan.leaves.iter().map(|leaf| leaf.statement.snapshot.ended).max();
    let info = PeriodInfo {
        id: request.id.clone(),
        agent: request.agent.clone(),
        bagging_date: ended.unwrap_or(request.span.start()).date(),
        origin: plan.checkpoint.origin.clone(),
        span: request.span,
        oxum,
        organisation: request.organisation.clone(),
    };
    info.check()?;
    let mut tags = BTreeMap::new();
    for (name, content) in [
        (bag::README, text::readme(&request.id, &request.span).into_bytes()),
        (bag::BAG_INFO, info.print()),
        (bag::BAGIT, bag::BAG_DECLARATION.as_bytes().to_vec()),
    ] {
        let path = BundlePath::new(name)?;
        let digest = add(shelf, zip, &path, Filling::Bytes(content))?;
        tags.insert(path, digest);
    }
    let mut digests = BTreeMap::new();
    for (path, filling) in payload {
        let digest = add(shelf, zip, &path, filling)?;
        digests.insert(path, digest);
    }
    let path = BundlePath::new(bag::MANIFEST)?;
    let digest = add(shelf, zip, &path, Filling::Bytes(Manifest::new(digests).print()))?;
    tags.insert(path, digest);
    let path = BundlePath::new(bag::TAG_MANIFEST)?;
    add(shelf, zip, &path, Filling::Bytes(Manifest::new(tags).print()))?;
    Ok(())
}

/// Copies a file into the zip and holds it to what is known of it.
fn add<W: Write + Seek>(
    shelf: &dyn Shelf,
    zip: &mut StoredZip<W>,
    path: &BundlePath,
    filling: Filling,
) -> Result<Digest, BuildError> {
    let bytes = filling.bytes();
    let (key, expected, mut from): (_, _, Box<dyn Read>) = match filling {
        Filling::Bytes(content) => (path.to_string(), None, Box::new(io::Cursor::new(content))),
        Filling::Object { key, sha256, .. } => {
            let file = open(shelf, &key)?;
            (key, sha256, file)
        }
    };
    let found = zip.add(path, bytes, &mut from).map_err(|error| match error {
        AddError::Read(source) => BuildError::Read { key: key.clone(), source },
        AddError::Write(source) => BuildError::Write(source),
        AddError::Length => BuildError::Changed { key: key.clone() },
    })?;
    match expected {
        Some(expected) if expected != found => Err(BuildError::OtherZip { key, found, expected }),
        _ => Ok(found),
    }
}

fn open(shelf: &dyn Shelf, key: &str) -> Result<Box<dyn crate::archive::ReadSeek>, BuildError> {
    let file = shelf.open(key).map_err(|source| BuildError::Read { key: key.to_owned(), source })?;
    file.ok_or_else(|| PlanError::Missing { key: key.to_owned() }.into())
}

/// Where each zip goes: to `place`, or nowhere when it is not chosen.
fn index(leaves: &[Leaf], request: &Request, place: Place) -> Index {
    let mut lines = BTreeMap::new();
    for leaf in leaves {
        let snapshot = &leaf.statement.snapshot;
        let place = if request.days.as_ref().is_none_or(|days| days.contains(&day_of(leaf))) {
            place
        } else {
            Place::LeftOut
        };
        let line = Line { bytes: leaf.zip_bytes, sha256: snapshot.zip_sha256, place };
        lines.insert(snapshot.id.file_name(), line);
        for (name, bytes, sha256) in &leaf.parts {
            lines.insert(name.clone(), Line { bytes: *bytes, sha256: *sha256, place });
        }
    }
    Index::new(lines)
}

fn day_of(leaf: &Leaf) -> UtcSecond {
    let slot = leaf.statement.snapshot.id.slot();
    UtcSecond::from_unix(slot.unix() - slot.unix().rem_euclid(86_400)).unwrap_or(slot)
}

fn chosen_days_have_runs(request: &Request, leaves: &[Leaf]) -> Result<(), BuildError> {
    let there: BTreeSet<UtcSecond> = leaves.iter().map(day_of).collect();
    let wanted = request.days.iter().flatten();
    let days: Vec<String> = wanted.filter(|day| !there.contains(day)).map(|day| day.date()).collect();
    if days.is_empty() { Ok(()) } else { Err(PlanError::Days { days }.into()) }
}

/// Every file under `data/`.
fn payload(plan: &Plan, index: &Index, extras: &Extras) -> Result<BTreeMap<BundlePath, Filling>, BuildError> {
    let mut files: Vec<(String, Filling)> = Vec::new();
    let object = |key: String, bytes, sha256| Filling::Object { key, bytes, sha256 };
    for (name, line) in index.lines().iter().filter(|(_, line)| line.place == Place::Inside) {
        let key = store_key(name).unwrap_or_default();
        files.push((format!("{BUNDLES}{name}"), object(key, line.bytes, Some(line.sha256))));
    }
    let mut rows = Vec::new();
    for leaf in &plan.leaves {
        let id = &leaf.statement.snapshot.id;
        for (suffix, bytes) in &leaf.sidecars {
            let key = format!("{}{suffix}", id.store_key());
            files.push((format!("{BUNDLES}{id}.zip{suffix}"), object(key, *bytes, None)));
        }
        let place = index.lines().get(&id.file_name()).map_or(Place::LeftOut, |line| line.place);
        rows.push((leaf, place.word()));
    }
    for (key, bytes) in &plan.tiles {
        let path = key.strip_prefix("log/").unwrap_or(key);
        files.push((format!("{LOG_FOLDER}{path}"), object(key.clone(), *bytes, None)));
    }
    let texts = [
        (BUNDLES_LIST, Some(index.print())),
        (COVERAGE, Some(coverage::print(rows.into_iter(), &plan.coverage.absent))),
        (VERIFY_TEXT, Some(text::verify().into_bytes())),
        (CHECKPOINT_START, plan.start.clone()),
        (CHECKPOINT_END, Some(plan.end.clone())),
        (CONSISTENCY, Some(plan.consistency.clone())),
        (PAGE, extras.page.clone()),
        (REPORT, extras.report.clone()),
    ];
    let texts = texts.into_iter().filter_map(|(path, bytes)| Some((path.to_owned(), Filling::Bytes(bytes?))));
    files.extend(texts);
    let mut payload = BTreeMap::new();
    for (path, filling) in files {
        payload.insert(BundlePath::new(path)?, filling);
    }
    payload.extend(plan.trust.iter().map(|(path, bytes)| (path.clone(), Filling::Bytes(bytes.clone()))));
    Ok(payload)
}

/// The zips that stay in the store are those of the log, too.
fn zips_beside(shelf: &dyn Shelf, index: &Index) -> Result<Vec<String>, BuildError> {
    let mut keys = Vec::new();
    for (name, line) in index.lines().iter().filter(|(_, line)| line.place == Place::Beside) {
        let key = store_key(name).unwrap_or_default();
        let (found, _) = hash_reader(open(shelf, &key)?)
            .map_err(|source| BuildError::Read { key: key.clone(), source })?;
        if found != line.sha256 {
            return Err(BuildError::OtherZip { key, found, expected: line.sha256 });
        }
        keys.push(key);
    }
    Ok(keys)
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), BuildError> {
    if found > limit { Err(BuildError::TooLarge { what, found, limit }) } else { Ok(()) }
}
