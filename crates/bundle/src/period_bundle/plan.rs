//! What of a store goes into a period bundle.
//!
//! Reads the whole log, and of the period every leaf with its sidecars. In this order:
//!
//! 1. Every leaf of the log stands at its number and names the one before it; together they lead to the root of the
//!    log's checkpoint.
//! 2. The period is over: its last slot has its leaf (decision 24 of the format: there is no bundle of half a period).
//! 3. What is taken are the leaves from the first to the last one of the period, without a gap between them, so that a
//!    run for an earlier slot that was logged in between is there as well.
//! 4. The checkpoints before and behind them have the roots that their leaves lead to.
//! 5. Each leaf has its sidecars, which are about it.
//!
//! Signatures are not judged here: whoever verifies the period does that, with keys of their own. Memory: 32 bytes for
//! each leaf of the log, and the statements of the period.

use std::collections::BTreeMap;
use std::io;

use super::{SIDECARS, SMALL_BYTES, TILE_BYTES, TOKEN, TRUST_FOLDER, bag_of};
use crate::digest::{Digest, hash_reader};
use crate::id::{BagId, Kind, Scope};
use crate::merkle::{Leaves, consistency, leaf_hash, root, verify_inclusion};
use crate::note::{Checkpoint, Note, NoteError};
use crate::path::BundlePath;
use crate::proof::LogProof;
use crate::schedule::Schedule;
use crate::shelf::Shelf;
use crate::sigstore::Envelope;
use crate::span::Span;
use crate::sshsig::SshSig;
use crate::statement::Statement;
use crate::tile::{Row, TILE_WIDTH, Tile};
use crate::time::UtcSecond;
use crate::timestamp::stated_time;

use super::consistency::Consistency;

/// Why there is no period bundle of a store.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store did not answer.
    #[error("{key} cannot be read")]
    Unreadable {
        /// The key.
        key: String,
        /// What the store said.
        #[source]
        source: io::Error,
    },
    /// An object that the log asks for is not there.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// An object is not what the log makes it.
    #[error("{key} is not what the log makes it: {what}")]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong.
        what: String,
    },
    /// A checkpoint is none.
    #[error("{key} is no checkpoint")]
    Checkpoint {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: NoteError,
    },
    /// The log is one of another scope.
    #[error("the store holds the log of scope {found}, not of {wanted}")]
    OtherScope {
        /// In the log.
        found: Scope,
        /// Asked for.
        wanted: Scope,
    },
    /// No run of the period is in the log.
    #[error("no run of {span} is in the log")]
    Empty {
        /// The period.
        span: Span,
    },
    /// The last slot of the period is not sealed.
    #[error(
        "slot {slot} of the period {span} is not in the log yet; the period is over when {last}, its last slot, is sealed"
    )]
    NotSealed {
        /// The period.
        span: Span,
        /// The first slot that has no leaf.
        slot: UtcSecond,
        /// The last slot of the period.
        last: UtcSecond,
    },
    /// Days were chosen of which there is nothing.
    #[error("there is no run to open on {}", .days.join(", "))]
    Days {
        /// These.
        days: Vec<String>,
    },
}

/// A run of the period, or one that was logged between two of them.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) statement: Statement,
    /// What is beside the zip, and how long it is.
    pub(super) sidecars: Vec<(&'static str, u64)>,
    /// The earliest time that its tokens state.
    pub(super) token: Option<UtcSecond>,
    pub(super) zip_bytes: u64,
    /// Name, length and digest of the zip's parts.
    pub(super) parts: Vec<(String, u64, Digest)>,
}

/// What the period comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Number of the first leaf.
    pub first: u64,
    /// How many leaves.
    pub leaves: u64,
    /// How many slots have a leaf.
    pub slots: u64,
    /// Slots that have none, and by the order of the log never will.
    pub absent: Vec<UtcSecond>,
    /// Leaves without a token.
    pub undated: u64,
}

/// Everything that goes in.
pub(super) struct Plan {
    pub(super) coverage: Coverage,
    pub(super) leaves: Vec<Leaf>,
    pub(super) start: Option<Vec<u8>>,
    pub(super) end: Vec<u8>,
    pub(super) checkpoint: Checkpoint,
    pub(super) consistency: Vec<u8>,
    /// Keys of the tiles, and how long they are.
    pub(super) tiles: BTreeMap<String, u64>,
    pub(super) trust: BTreeMap<BundlePath, Vec<u8>>,
}

/// The log, as its leaves make it.
struct Log {
    hashes: Vec<Digest>,
    first: Option<u64>,
    last: u64,
    absent: Vec<UtcSecond>,
    /// Scheduled, the newest.
    newest: Option<(UtcSecond, Schedule)>,
}

pub(super) fn plan(shelf: &dyn Shelf, scope: &Scope, span: &Span) -> Result<Plan, PlanError> {
    let head_key = "log/checkpoint";
    let (_, head) = checkpoint(head_key, &object(shelf, head_key, SMALL_BYTES)?)?;
    // 1.
    let log = read_log(shelf, &head, scope, span)?;
    same_root(head_key, &log.hashes, &head)?;
    // 2.
    if let Some((slot, schedule)) = &log.newest
        && let Some(next) = due(schedule, *slot, span.end(), span).next()
    {
        let last = schedule.at_or_before(span.end().unix() - 1).and_then(UtcSecond::from_unix);
        return Err(PlanError::NotSealed { span: *span, slot: next, last: last.unwrap_or(next) });
    }
    // 3.
    let first = log.first.ok_or(PlanError::Empty { span: *span })?;
    let size = log.last + 1;
    // 4.
    let end_key = format!("log/checkpoints/{size}");
    let end = object(shelf, &end_key, SMALL_BYTES)?;
    let (note, end_checkpoint) = checkpoint(&end_key, &end)?;
    same_log(&end_key, &end_checkpoint, &head, size)?;
    same_root(&end_key, &log.hashes, &end_checkpoint)?;
    let mut start = None;
    if first > 0 {
        let key = format!("log/checkpoints/{first}");
        let bytes = object(shelf, &key, SMALL_BYTES)?;
        let (_, found) = checkpoint(&key, &bytes)?;
        same_log(&key, &found, &head, first)?;
        same_root(&key, &log.hashes, &found)?;
        start = Some(bytes);
    }
    let hashes = consistency(&mut Leaves(&log.hashes), first, size)
        .map_err(|_| corrupt(&end_key, "its leaves are not all there"))?;
    let proof = Consistency { old: first, hashes, checkpoint: note };
    // 5.
    let mut leaves = Vec::new();
    for_each_leaf(shelf, &head, first, size, |statement, bytes| {
        leaves.push(leaf(shelf, statement, bytes, &log.hashes)?);
        Ok(())
    })?;
    let scheduled = |leaf: &&Leaf| {
        let id = &leaf.statement.snapshot.id;
        id.kind() == Kind::Schedule && span.contains(id.slot())
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let coverage = Coverage {
        first,
        leaves: count(leaves.len()),
        slots: count(leaves.iter().filter(scheduled).count()),
        absent: log.absent,
        undated: count(leaves.iter().filter(|leaf| leaf.token.is_none()).count()),
    };
    Ok(Plan {
        coverage,
        leaves,
        start,
        end,
        checkpoint: end_checkpoint,
        consistency: proof.render().into_bytes(),
        tiles: tiles(shelf, size)?,
        trust: trust(shelf)?,
    })
}

/// 1. The chain from the first leaf to the last, and where the period is in it.
fn read_log(shelf: &dyn Shelf, head: &Checkpoint, scope: &Scope, span: &Span) -> Result<Log, PlanError> {
    let mut log = Log { hashes: Vec::new(), first: None, last: 0, absent: Vec::new(), newest: None };
    for_each_leaf(shelf, head, 0, head.size, |statement, bytes| {
        let Statement { snapshot, index, .. } = statement;
        if snapshot.id.scope() != scope {
            return Err(PlanError::OtherScope { found: snapshot.id.scope().clone(), wanted: scope.clone() });
        }
        log.hashes.push(leaf_hash(bytes));
        if span.contains(snapshot.id.slot()) {
            log.first.get_or_insert(index);
            log.last = index;
        }
        if snapshot.id.kind() == Kind::Schedule {
            let slot = snapshot.id.slot();
            if let Some((before, schedule)) = &log.newest {
                log.absent.extend(due(schedule, *before, slot, span));
            }
            let schedule = Schedule::parse(&snapshot.schedule)
                .map_err(|error| corrupt(&tile_key(index, head.size), error.to_string()))?;
            log.newest = Some((slot, schedule));
        }
        Ok(())
    })?;
    Ok(log)
}

/// The instants of a schedule behind `after` and before `until` that are in the period.
fn due<'a>(
    schedule: &'a Schedule,
    after: UtcSecond,
    until: UtcSecond,
    span: &'a Span,
) -> impl Iterator<Item = UtcSecond> + 'a {
    let mut at = after.unix().max(span.start().unix() - 1);
    let until = until.min(span.end());
    std::iter::from_fn(move || {
        at = schedule.after(at)?;
        UtcSecond::from_unix(at).filter(|slot| *slot < until)
    })
}

/// The leaves `from..to` with their bytes, each at its number and behind the one before it.
fn for_each_leaf(
    shelf: &dyn Shelf,
    head: &Checkpoint,
    from: u64,
    to: u64,
    mut take: impl FnMut(Statement, &[u8]) -> Result<(), PlanError>,
) -> Result<(), PlanError> {
    let mut previous: Option<Digest> = None;
    let mut index = from / TILE_WIDTH * TILE_WIDTH;
    while index < to {
        let Some(tile) = Tile::holding(Row::Entries, index, head.size) else { break };
        let key = tile.key();
        let bytes = object(shelf, &key, TILE_BYTES)?;
        let entries =
            tile.entries(&bytes).ok_or_else(|| corrupt(&key, "it does not hold the leaves of its width"))?;
        for bytes in entries {
            let statement = Statement::parse(bytes).map_err(|error| corrupt(&key, error.to_string()))?;
            let follows = previous.is_none() || statement.previous == previous;
            if statement.index != index || statement.origin != head.origin || !follows {
                return Err(corrupt(&key, format!("leaf {index} is not one of this log at its number")));
            }
            previous = Some(Digest::of(bytes));
            if (from..to).contains(&index) {
                take(statement, bytes)?;
            }
            index += 1;
        }
    }
    Ok(())
}

fn tile_key(index: u64, size: u64) -> String {
    Tile::holding(Row::Entries, index, size).map(|tile| tile.key()).unwrap_or_default()
}

/// 5. A leaf with what lies beside its zip.
fn leaf(shelf: &dyn Shelf, statement: Statement, bytes: &[u8], hashes: &[Digest]) -> Result<Leaf, PlanError> {
    let id = &statement.snapshot.id;
    let zip = id.store_key();
    let mut sidecars = Vec::new();
    let mut tokens = Vec::new();
    for (suffix, limit) in SIDECARS {
        let key = format!("{zip}{suffix}");
        let content = object(shelf, &key, limit)?;
        sidecars.push((suffix, length(&content)));
        match suffix {
            ".sigstore.json" => {
                let envelope = Envelope::parse(&content).map_err(|error| corrupt(&key, error.to_string()))?;
                if envelope.payload != bytes {
                    return Err(corrupt(&key, "it carries another statement"));
                }
                let imprint = Digest::of(&envelope.signature);
                tokens.extend(
                    envelope.tokens.iter().filter_map(|token| stated_time(token, &imprint, None).ok()),
                );
            }
            ".tlog-proof" => proves(&key, &content, bytes, &statement, hashes)?,
            _ => {
                SshSig::parse(&content).map_err(|error| corrupt(&key, error.to_string()))?;
            }
        }
    }
    let (suffix, limit) = TOKEN;
    let key = format!("{zip}{suffix}");
    if let Some(content) = shelf.small(&key, limit).map_err(unreadable(&key))? {
        sidecars.push((suffix, length(&content)));
        let time = stated_time(&content, &statement.snapshot.zip_sha256, None);
        tokens.push(time.map_err(|error| corrupt(&key, error.to_string()))?);
    }
    let token = tokens.into_iter().min();
    let zip_bytes = size(shelf, &zip)?;
    let parts = parts(shelf, id)?;
    Ok(Leaf { statement, sidecars, token, zip_bytes, parts })
}

/// The proof of a leaf leads to the root that the leaves have.
fn proves(
    key: &str,
    content: &[u8],
    leaf: &[u8],
    statement: &Statement,
    hashes: &[Digest],
) -> Result<(), PlanError> {
    let proof = LogProof::parse(content).map_err(|error| corrupt(key, error.to_string()))?;
    let found = Checkpoint::parse(proof.checkpoint.text())
        .map_err(|source| PlanError::Checkpoint { key: key.to_owned(), source })?;
    let included =
        verify_inclusion(&leaf_hash(leaf), proof.index, found.size, &proof.hashes, &found.root).is_ok();
    if !included || proof.index != statement.index || found.origin != statement.origin {
        return Err(corrupt(key, "it is the proof of another leaf"));
    }
    same_root(key, hashes, &found)
}

/// The parts of a bundle, as the store has them.
fn parts(shelf: &dyn Shelf, id: &BagId) -> Result<Vec<(String, u64, Digest)>, PlanError> {
    let key = id.store_key();
    let prefix = format!("{}.part-", key.strip_suffix(".zip").unwrap_or(&key));
    let mut parts = Vec::new();
    for key in shelf.list(&prefix).map_err(unreadable(&prefix))? {
        let name = key.rsplit('/').next().unwrap_or(&key);
        if !matches!(bag_of(name), Some((found, Some(_))) if found == *id) {
            continue;
        }
        let file = shelf.open(&key).map_err(unreadable(&key))?;
        let file = file.ok_or_else(|| PlanError::Missing { key: key.clone() })?;
        let (sha256, bytes) = hash_reader(file).map_err(unreadable(&key))?;
        parts.push((name.to_owned(), bytes, sha256));
    }
    Ok(parts)
}

/// Every tile of the log of this size.
fn tiles(shelf: &dyn Shelf, size: u64) -> Result<BTreeMap<String, u64>, PlanError> {
    let mut tiles = BTreeMap::new();
    for tile in all_tiles(size) {
        let key = tile.key();
        let bytes = length(&object(shelf, &key, TILE_BYTES)?);
        tiles.insert(key, bytes);
    }
    Ok(tiles)
}

/// The tiles that a log of this size has.
pub(super) fn all_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let rows = std::iter::once(Row::Entries).chain((0..8).map(Row::Hashes));
    rows.flat_map(move |row| {
        let items = row.items(size);
        (0..items.div_ceil(TILE_WIDTH)).filter_map(move |tile| Tile::holding(row, tile * TILE_WIDTH, size))
    })
}

fn trust(shelf: &dyn Shelf) -> Result<BTreeMap<BundlePath, Vec<u8>>, PlanError> {
    let mut files = BTreeMap::new();
    for key in shelf.list("trust/").map_err(unreadable("trust/"))? {
        let name = key.strip_prefix("trust/").unwrap_or(&key);
        let path = BundlePath::new(format!("{TRUST_FOLDER}{name}"))
            .map_err(|error| corrupt(&key, error.to_string()))?;
        files.insert(path, object(shelf, &key, SMALL_BYTES)?);
    }
    Ok(files)
}

fn checkpoint(key: &str, bytes: &[u8]) -> Result<(Note, Checkpoint), PlanError> {
    let read = || {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok((note, checkpoint))
    };
    read().map_err(|source| PlanError::Checkpoint { key: key.to_owned(), source })
}

fn same_log(key: &str, found: &Checkpoint, head: &Checkpoint, size: u64) -> Result<(), PlanError> {
    if found.origin == head.origin && found.size == size {
        Ok(())
    } else {
        Err(corrupt(key, "it is one of another log or of another size"))
    }
}

/// The leaves lead to the root of a checkpoint.
fn same_root(key: &str, hashes: &[Digest], checkpoint: &Checkpoint) -> Result<(), PlanError> {
    match root(&mut Leaves(hashes), checkpoint.size) {
        Ok(found) if found == checkpoint.root => Ok(()),
        _ => Err(corrupt(key, "its root is not that of the leaves")),
    }
}

/// A small object that must be there.
pub(super) fn object(shelf: &dyn Shelf, key: &str, limit: u64) -> Result<Vec<u8>, PlanError> {
    let bytes = shelf.small(key, limit).map_err(unreadable(key))?;
    bytes.ok_or_else(|| PlanError::Missing { key: key.to_owned() })
}

fn size(shelf: &dyn Shelf, key: &str) -> Result<u64, PlanError> {
    let file = shelf.open(key).map_err(unreadable(key))?;
    let mut file = file.ok_or_else(|| PlanError::Missing { key: key.to_owned() })?;
    io::Seek::seek(&mut file, io::SeekFrom::End(0)).map_err(unreadable(key))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn corrupt(key: &str, what: impl Into<String>) -> PlanError {
    PlanError::Corrupt { key: key.to_owned(), what: what.into() }
}

fn unreadable(key: &str) -> impl Fn(io::Error) -> PlanError + '_ {
    move |source| PlanError::Unreadable { key: key.to_owned(), source }
}
