//! The log itself: every leaf, the roots over them, and every checkpoint held against those.
//!
//! 1. `log/checkpoint` is signed by log keys of the trust root; `log/checkpoints/<n>` may be one leaf ahead of it (a
//!    writer that stopped in between) and never more: then it was set back.
//! 2. Every leaf is there, and the root computed from all of them is the signed one.
//! 3. Every published checkpoint has the root of its size: two of one size with different roots are a split view.
//! 4. The hash tiles that are there are those of the leaves. Nothing is read from them.
//! 5. A log key that is not revoked vouches for the newest leaf, and so for what revoked keys signed before.
//! 6. Each leaf is a statement with its number, its origin, its scope and the digest of the leaf before it.
//!
//! What is kept is a statement and two digests a leaf.

use std::io;

use crate::digest::Digest;
use crate::id::Scope;
use crate::merkle::{Leaves, leaf_hash, node_hash, root};
use crate::note::{Checkpoint, KeyName, NOTE_BYTES, Note, NoteKey};
use crate::period::check::{Finding, HistoryError, LogCheck};
use crate::shelf::Shelf;
use crate::statement::Statement;
use crate::tile::{Row, TILE_WIDTH, Tile};
use crate::trust::{LogKey, Recomputed, TrustRoot};

const CHECKPOINT: &str = "log/checkpoint";
const CHECKPOINTS: &str = "log/checkpoints/";
/// An hourly log of eleven years. Longer logs are refused, not cut.
pub const LEAVES: u64 = 100_000;
/// A full entry bundle of the longest leaves.
const ENTRIES_BYTES: u64 = 256 * (2 + 4096);
const HASHES_BYTES: u64 = 256 * 32;

/// A log whose every leaf and checkpoint was held against the others. There is no other way to make one.
#[derive(Debug)]
pub struct History {
    origin: KeyName,
    keys: Vec<LogKey>,
    head: Checkpoint,
    head_bytes: Vec<u8>,
    published: usize,
    tiles: usize,
    statements: Vec<Statement>,
    /// The digest of each leaf, as `previous` has it.
    leaves: Vec<Digest>,
    /// The root of each size from 1.
    roots: Vec<Digest>,
}

/// A checkpoint that log keys of the trust root signed.
struct Signed {
    checkpoint: Checkpoint,
    unrevoked: bool,
}

impl History {
    /// Reads the whole log under one trust root.
    pub fn read(shelf: &dyn Shelf, trust: &TrustRoot) -> Result<Self, HistoryError> {
        // 1.
        let bytes = object(shelf, CHECKPOINT, note_bytes(), LogCheck::Head)?;
        let note = Note::parse(&bytes).map_err(|error| Finding::new(LogCheck::Head, CHECKPOINT, error))?;
        let named = Checkpoint::parse(note.text())
            .map_err(|error| Finding::new(LogCheck::Head, CHECKPOINT, error))?;
        let origin = named.origin;
        let keys = trust.log_keys(&origin);
        if keys.is_empty() {
            let detail = format!("the trust root has no log key for origin {origin}");
            return Err(Finding::new(LogCheck::Head, CHECKPOINT, detail).into());
        }
        let current = open(CHECKPOINT, &bytes, &origin, &keys, LogCheck::Head)?;
        let mut published = Vec::new();
        for key in list(shelf, CHECKPOINTS)? {
            let bytes = object(shelf, &key, note_bytes(), LogCheck::Checkpoints)?;
            let signed = open(&key, &bytes, &origin, &keys, LogCheck::Checkpoints)?;
            if key.strip_prefix(CHECKPOINTS) != Some(signed.checkpoint.size.to_string().as_str()) {
                let detail = format!("is a checkpoint of size {}", signed.checkpoint.size);
                return Err(Finding::new(LogCheck::Checkpoints, key, detail).into());
            }
            published.push((key, bytes, signed));
        }
        let newest = published.iter().max_by_key(|(_, _, signed)| signed.checkpoint.size);
        let (head, head_bytes) = match newest {
            Some((_, bytes, signed)) if signed.checkpoint.size > current.checkpoint.size => {
                let behind = signed.checkpoint.size - current.checkpoint.size;
                if behind > 1 {
                    let detail = format!(
                        "has size {}, {behind} less than the newest of {CHECKPOINTS}: it was set back",
                        current.checkpoint.size
                    );
                    return Err(Finding::new(LogCheck::Head, CHECKPOINT, detail).into());
                }
                (signed.checkpoint.clone(), bytes.clone())
            }
            _ => (current.checkpoint.clone(), bytes),
        };
        if head.size == 0 || head.size > LEAVES {
            let detail = format!("has {} leaves, 1 to {LEAVES} are read", head.size);
            return Err(Finding::new(LogCheck::Head, CHECKPOINT, detail).into());
        }

        // 2.
        let mut history = Self {
            origin,
            keys,
            head,
            head_bytes,
            published: published.len(),
            tiles: 0,
            statements: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::new(),
        };
        let (hashes, chain) = history.read_leaves(shelf)?;
        if history.roots.last() != Some(&history.head.root) {
            let detail = format!("its root is not that of the {} leaves in the store", history.head.size);
            return Err(Finding::new(LogCheck::Root, CHECKPOINT, detail).into());
        }
        // 3.
        let all = published.iter().map(|(key, _, signed)| (key.as_str(), signed));
        for (key, signed) in all.clone().chain([(CHECKPOINT, &current)]) {
            if history.root(signed.checkpoint.size) != Some(&signed.checkpoint.root) {
                let detail = format!(
                    "another root of size {} than that of the leaves: this log was shown in two versions",
                    signed.checkpoint.size
                );
                return Err(Finding::new(LogCheck::Checkpoints, key, detail).into());
            }
        }
        // 4.
        history.check_tiles(shelf, hashes)?;
        // 5.
        let vouched = all.map(|(_, signed)| signed).chain([&current]);
        let vouched = vouched.filter(|signed| signed.unrevoked).map(|signed| signed.checkpoint.size).max();
        if vouched != Some(history.head.size) {
            let detail = format!(
                "its key is revoked, and keys that are not vouch for {} of {} leaves",
                vouched.unwrap_or(0),
                history.head.size
            );
            return Err(Finding::new(LogCheck::Keys, CHECKPOINT, detail).into());
        }
        // 6.
        match chain {
            None => Ok(history),
            Some(refusal) => Err(refusal.into()),
        }
    }

    /// The hashes of the leaves, and the first leaf that does not continue the one before it.
    fn read_leaves(&mut self, shelf: &dyn Shelf) -> Result<(Vec<Digest>, Option<Finding>), HistoryError> {
        let (mut hashes, mut chain) = (Vec::new(), None);
        // Complete subtrees, the largest first: the root of each size is their fold from the right.
        let mut peaks: Vec<(u32, Digest)> = Vec::new();
        let mut position = 0;
        while let Some(tile) = Tile::holding(Row::Entries, position, self.head.size) {
            let key = tile.key();
            let bytes = object(shelf, &key, ENTRIES_BYTES, LogCheck::Entries)?;
            let leaves = tile.entries(&bytes).ok_or_else(|| {
                Finding::new(LogCheck::Entries, &key, format!("does not hold {} leaves", tile.width()))
            })?;
            for leaf in leaves {
                let hash = leaf_hash(leaf);
                hashes.push(hash);
                let mut peak = (0, hash);
                while let Some((level, left)) = peaks.pop_if(|last| last.0 == peak.0) {
                    peak = (level + 1, node_hash(&left, &peak.1));
                }
                peaks.push(peak);
                let folded =
                    peaks.iter().rev().map(|(_, hash)| *hash).reduce(|right, left| node_hash(&left, &right));
                self.roots.extend(folded);
                if chain.is_none() {
                    chain = self.take(position, leaf).err();
                }
                position += 1;
            }
        }
        Ok((hashes, chain))
    }

    fn take(&mut self, position: u64, leaf: &[u8]) -> Result<(), Finding> {
        let refuse = |detail: String| Finding::new(LogCheck::Chain, format!("leaf {position}"), detail);
        let statement = Statement::parse(leaf).map_err(|error| refuse(error.to_string()))?;
        if statement.index != position {
            return Err(refuse(format!("says that it is number {}", statement.index)));
        }
        if statement.origin != self.origin {
            return Err(refuse(format!("belongs to log {}", statement.origin)));
        }
        if statement.previous.as_ref() != self.leaves.last() {
            return Err(refuse("does not name the digest of the leaf before it".to_owned()));
        }
        let scope = statement.snapshot.id.scope();
        if self.scope().is_some_and(|first| first != scope) {
            return Err(refuse(format!("is of scope {scope}: a log has one scope")));
        }
        self.leaves.push(Digest::of(leaf));
        self.statements.push(statement);
        Ok(())
    }

    /// Tiles are for others: each that is there must be what the leaves make it, and none is needed here.
    fn check_tiles(&mut self, shelf: &dyn Shelf, mut hashes: Vec<Digest>) -> Result<(), HistoryError> {
        for level in 0.. {
            let row = Row::Hashes(level);
            let mut above = Vec::new();
            for (number, items) in (0_u64..).zip(hashes.chunks(256)) {
                let Some(tile) = Tile::holding(row, number * TILE_WIDTH, self.head.size) else { break };
                let key = tile.key();
                if let Some(found) = small(shelf, &key, HASHES_BYTES, LogCheck::Tiles)? {
                    if tile.hashes(&found).as_deref() != Some(items) {
                        let detail = "does not hold the hashes of the leaves";
                        return Err(Finding::new(LogCheck::Tiles, key, detail).into());
                    }
                    self.tiles += 1;
                }
                if tile.width() == TILE_WIDTH {
                    above.extend(root(&mut Leaves(items), TILE_WIDTH).ok());
                }
            }
            if above.is_empty() {
                break;
            }
            hashes = above;
        }
        Ok(())
    }

    /// The log begins with the checkpoint in these bytes, which a log key of the trust root signed.
    pub fn check_pin(&self, name: &str, bytes: &[u8]) -> Result<Checkpoint, Finding> {
        let pinned = open(name, bytes, &self.origin, &self.keys, LogCheck::Pinned)?.checkpoint;
        if pinned.size > self.head.size {
            let detail = format!(
                "the log had {} leaves when this checkpoint was kept, and has {} now: it was cut",
                pinned.size, self.head.size
            );
            return Err(Finding::new(LogCheck::Pinned, name, detail));
        }
        if self.root(pinned.size) != Some(&pinned.root) {
            let detail =
                format!("the first {} leaves are not those of before: they were rewritten", pinned.size);
            return Err(Finding::new(LogCheck::Pinned, name, detail));
        }
        Ok(pinned)
    }

    /// The name of the log.
    pub fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The scope of every leaf.
    pub fn scope(&self) -> Option<&Scope> {
        self.statements.first().map(|first| first.snapshot.id.scope())
    }

    /// The newest checkpoint.
    pub fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The newest checkpoint as it was signed, to be kept for the next time.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }

    /// How many checkpoints were published besides the newest.
    pub fn published(&self) -> usize {
        self.published
    }

    /// How many hash tiles are there.
    pub fn tiles(&self) -> usize {
        self.tiles
    }

    /// Every statement, in its place.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The digest of each leaf.
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// The root of the first so many leaves.
    pub fn root(&self, size: u64) -> Option<&Digest> {
        self.roots.get(usize::try_from(size).ok()?.checked_sub(1)?)
    }
}

fn note_bytes() -> u64 {
    u64::try_from(NOTE_BYTES).unwrap_or(u64::MAX)
}

/// A checkpoint of the log, signed by keys of the trust root and by nobody else.
fn open(
    key: &str,
    bytes: &[u8],
    origin: &KeyName,
    keys: &[LogKey],
    check: LogCheck,
) -> Result<Signed, Finding> {
    let refuse = |detail: String| Finding::new(check, key, detail);
    let note_keys: Vec<_> = keys.iter().map(|key| NoteKey::log(origin.clone(), key.key().clone())).collect();
    let opened = Note::parse(bytes)
        .and_then(|note| note.open(&note_keys))
        .map_err(|error| refuse(error.to_string()))?;
    // A line of a key that nobody knows could be changed without a trace.
    if opened.ignored > 0 {
        return Err(refuse(format!("has {} signature lines of unknown keys", opened.ignored)));
    }
    if opened.checkpoint.origin != *origin {
        return Err(refuse(format!("is of log {}", opened.checkpoint.origin)));
    }
    let unrevoked = keys.iter().any(|key| {
        key.counts(Recomputed::Unknown) && opened.log_keys.iter().any(|by| by.id() == key.key().id())
    });
    Ok(Signed { checkpoint: opened.checkpoint, unrevoked })
}

fn list(shelf: &dyn Shelf, prefix: &str) -> Result<Vec<String>, HistoryError> {
    shelf.list(prefix).map_err(|source| HistoryError::Unreadable { key: prefix.to_owned(), source })
}

/// An object that is larger than it can be, or no file, is wrong; one that does not answer is unknown.
fn small(
    shelf: &dyn Shelf,
    key: &str,
    limit_bytes: u64,
    check: LogCheck,
) -> Result<Option<Vec<u8>>, HistoryError> {
    shelf.small(key, limit_bytes).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData => Finding::new(check, key, source).into(),
        _ => HistoryError::Unreadable { key: key.to_owned(), source },
    })
}

fn object(shelf: &dyn Shelf, key: &str, limit_bytes: u64, check: LogCheck) -> Result<Vec<u8>, HistoryError> {
    let found = small(shelf, key, limit_bytes, check)?;
    found.ok_or_else(|| Finding::new(check, key, "is missing").into())
}
