//! Reading the log: its checkpoint, its tiles, its leaves.
//!
//! Nothing is taken from the store on trust: the checkpoint verifies, the tiles lead to its root, the leaves that are
//! looked at are those of the tiles.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::id::{BagId, Kind};
use crate::log::{Log, LogError};
use crate::merkle::{Leaves, Nodes, leaf_hash, root};
use crate::note::{Checkpoint, Note};
use crate::statement::Statement;
use crate::store::{LogStore, Version};
use crate::tile::{Row, TILE_WIDTH, Tile};

pub(super) const CHECKPOINT: &str = "log/checkpoint";

/// The newest checkpoint, if there is one.
pub(super) struct Head {
    pub(super) checkpoint: Option<Checkpoint>,
    /// Of `log/checkpoint`, to replace it.
    pub(super) version: Option<Version>,
}

impl Head {
    pub(super) fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }
}

/// What the log knows of a bag.
pub(super) enum Search {
    /// Its leaf.
    Found(Vec<u8>),
    /// It is not there; the newest leaf, if there is one.
    Absent(Option<Vec<u8>>),
    /// It is not there, and a later slot is.
    Overtaken(BagId),
}

/// The hashes of the tree of one size, from the tiles of that size.
pub(super) struct Tiles<'a> {
    store: &'a dyn LogStore,
    size: u64,
    read: BTreeMap<Tile, Vec<Digest>>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(store: &'a dyn LogStore, size: u64) -> Self {
        Self { store, size, read: BTreeMap::new() }
    }

    pub(super) fn hashes(&mut self, tile: Tile) -> Result<&[Digest], LogError> {
        if !self.read.contains_key(&tile) {
            let key = tile.key();
            let bytes = object(self.store, &key)?;
            let what = "it does not hold the hashes of its width";
            let hashes = tile.hashes(&bytes).ok_or(LogError::Corrupt { key, what })?;
            self.read.insert(tile, hashes);
        }
        Ok(self.read.get(&tile).map(Vec::as_slice).unwrap_or_default())
    }
}

impl Nodes for Tiles<'_> {
    type Error = LogError;

    fn node(&mut self, level: u32, index: u64) -> Result<Digest, LogError> {
        // A tile has the hashes of every eighth level; those between are computed from it.
        let (row, above) = (Row::Hashes(level / 8), level % 8);
        let first = index << above;
        let missing =
            || LogError::Corrupt { key: CHECKPOINT.to_owned(), what: "a tile of its size is missing" };
        let tile = Tile::holding(row, first, self.size).ok_or_else(missing)?;
        let start = usize::try_from(first - tile.start()).unwrap_or(usize::MAX);
        let hashes = self.hashes(tile)?.get(start..).and_then(|hashes| hashes.get(..1 << above));
        root(&mut Leaves(hashes.ok_or_else(missing)?), 1 << above).map_err(|_| missing())
    }
}

/// The bytes of an object that must be there.
pub(super) fn object(store: &dyn LogStore, key: &str) -> Result<Vec<u8>, LogError> {
    let missing = || LogError::Corrupt { key: key.to_owned(), what: "it is missing" };
    Ok(store.get(key)?.ok_or_else(missing)?.0)
}

impl Log<'_> {
    /// The checkpoint of the store, which is not older than what was seen before and begins with it.
    pub(super) fn head(&self) -> Result<Head, LogError> {
        let known = self.writer.high_water.as_ref();
        let Some((bytes, version)) = self.store.get(CHECKPOINT)? else {
            return match known {
                Some(known) => Err(LogError::Older { found: 0, known: known.size }),
                None => Ok(Head { checkpoint: None, version: None }),
            };
        };
        let checkpoint = self.checkpoint(CHECKPOINT, &bytes)?;
        if let Some(known) = known {
            if checkpoint.size < known.size {
                return Err(LogError::Older { found: checkpoint.size, known: known.size });
            }
            let same = if checkpoint.size == known.size {
                checkpoint.root
            } else {
                root(&mut Tiles::new(self.store, known.size), known.size)?
            };
            if same != known.root {
                return Err(LogError::Fork { size: known.size });
            }
        }
        if root(&mut Tiles::new(self.store, checkpoint.size), checkpoint.size)? != checkpoint.root {
            let what = "its root is not that of the tiles";
            return Err(LogError::Corrupt { key: CHECKPOINT.to_owned(), what });
        }
        Ok(Head { checkpoint: Some(checkpoint), version: Some(version) })
    }

    /// A checkpoint of this log, signed by one of its keys.
    pub(super) fn checkpoint(&self, key: &str, bytes: &[u8]) -> Result<Checkpoint, LogError> {
        let opened = Note::parse(bytes).and_then(|note| note.open(&self.note_keys));
        let refused = |source| LogError::Checkpoint { key: key.to_owned(), source };
        Ok(opened.map_err(refused)?.checkpoint)
    }

    /// Goes through the leaves, newest first, until `visit` has found what it looks for.
    fn newest_first<T>(
        &self,
        head: &Head,
        mut visit: impl FnMut(&[u8]) -> Result<Option<T>, LogError>,
    ) -> Result<Option<T>, LogError> {
        let size = head.size();
        let mut end = size;
        while let Some(item) = end.checked_sub(1) {
            let Some(tile) = Tile::holding(Row::Entries, item, size) else { break };
            let key = tile.key();
            let bytes = object(self.store, &key)?;
            let corrupt = |what| LogError::Corrupt { key: key.clone(), what };
            let leaves =
                tile.entries(&bytes).ok_or_else(|| corrupt("it does not hold the leaves of its width"))?;
            let mut tiles = Tiles::new(self.store, size);
            let Some(row) = Tile::holding(Row::Hashes(0), item, size) else { break };
            for (leaf, hash) in leaves.iter().zip(tiles.hashes(row)?).rev() {
                if leaf_hash(leaf) != *hash {
                    return Err(corrupt("a leaf is not that of the tree"));
                }
                if let Some(found) = visit(leaf)? {
                    return Ok(Some(found));
                }
            }
            end = item / TILE_WIDTH * TILE_WIDTH;
        }
        Ok(None)
    }

    /// The newest leaf that a schedule asked for. Claims are finished first.
    pub fn newest_scheduled(&mut self) -> Result<Option<Statement>, LogError> {
        let head = self.finish_claims()?;
        self.newest_first(&head, |leaf| {
            let statement = Statement::parse(leaf)?;
            Ok((statement.snapshot.id.kind() == Kind::Schedule).then_some(statement))
        })
    }

    /// The newest leaf as the checkpoint has it. Nothing is finished, so nothing is written.
    pub fn last_published(&self) -> Result<Option<Statement>, LogError> {
        let head = self.head()?;
        self.newest_first(&head, |leaf| Ok(Some(Statement::parse(leaf)?)))
    }

    /// The newest leaf that is wanted. Claims are finished first.
    pub fn newest_of(&mut self, wanted: impl Fn(&Statement) -> bool) -> Result<Option<Statement>, LogError> {
        let head = self.finish_claims()?;
        self.newest_first(&head, |leaf| {
            let statement = Statement::parse(leaf)?;
            Ok(wanted(&statement).then_some(statement))
        })
    }

    /// The newest leaf. Claims are finished first.
    pub fn newest(&mut self) -> Result<Option<Statement>, LogError> {
        let head = self.finish_claims()?;
        self.newest_first(&head, |leaf| Ok(Some(Statement::parse(leaf)?)))
    }

    /// Looks for the leaf of a bag, newest first. Slots only increase, so a scheduled bag is not behind an older one.
    pub(super) fn search(&self, head: &Head, id: &BagId) -> Result<Search, LogError> {
        let (mut newest, mut later) = (None, None);
        let found = self.newest_first(head, |leaf| {
            newest.get_or_insert_with(|| leaf.to_vec());
            let found = Statement::parse(leaf)?.snapshot.id;
            if found == *id {
                return Ok(Some(Search::Found(leaf.to_vec())));
            }
            if found.scope() != id.scope() {
                return Err(LogError::OtherScope { id: id.clone(), scope: found.scope().clone() });
            }
            if (found.kind(), id.kind()) == (Kind::Schedule, Kind::Schedule) {
                if found.slot() < id.slot() {
                    return Ok(Some(later.take().map_or(Search::Absent(newest.take()), Search::Overtaken)));
                }
                later.get_or_insert(found);
            }
            Ok(None)
        })?;
        Ok(found.unwrap_or_else(|| later.map_or(Search::Absent(newest), Search::Overtaken)))
    }
}
