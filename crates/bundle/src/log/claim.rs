//! Steps 3 and 4: claiming a number, and finishing a claim.
//!
//! The entry bundle of a width is created by one writer only: that is the claim. Everything after it is a function of
//! the claimed bytes, so every writer can finish it and all of them write the same.

use crate::digest::Digest;
use crate::log::head::{CHECKPOINT, Head, Tiles, object};
use crate::log::{Log, LogError};
use crate::merkle::{Leaves, leaf_hash, root};
use crate::note::Checkpoint;
use crate::statement::Statement;
use crate::store::Creation;
use crate::tile::{Row, TILE_WIDTH, Tile, entry};

impl Log<'_> {
    /// Finishes whatever is claimed and not signed; the head after that.
    pub(super) fn finish_claims(&mut self) -> Result<Head, LogError> {
        loop {
            let head = self.head()?;
            let Some(tile) = Tile::newest(Row::Entries, head.size() + 1) else { return Ok(head) };
            let Some((claimed, _)) = self.store.get(&tile.key())? else {
                self.writer.high_water.clone_from(&head.checkpoint);
                return Ok(head);
            };
            self.finish(&head, tile, &claimed)?;
        }
    }

    /// 3. Claims the next number for a leaf. After this the leaf is in the log, or another one is.
    pub(super) fn claim(&self, head: &Head, leaf: &[u8]) -> Result<Creation, LogError> {
        let size = head.size() + 1;
        let corrupt = |what| LogError::Corrupt { key: CHECKPOINT.to_owned(), what };
        let tile = Tile::newest(Row::Entries, size).ok_or_else(|| corrupt("the log is full"))?;
        let mut bundle = match Tile::newest(Row::Entries, head.size()) {
            Some(before) if tile.width() > 1 => {
                // A claim cannot be taken back, so nothing goes into it that could not be finished.
                let (key, bytes) = (before.key(), object(self.store, &before.key())?);
                let what = "its leaves are not those of the tree";
                let leaves = before.entries(&bytes);
                let hashes = self.row(Row::Hashes(0), before.width(), head.size())?;
                if leaves.is_none_or(|leaves| !leaves.iter().map(|leaf| leaf_hash(leaf)).eq(hashes)) {
                    return Err(LogError::Corrupt { key, what });
                }
                bytes
            }
            _ => Vec::new(),
        };
        bundle.extend(entry(leaf).ok_or_else(|| corrupt("the leaf is too long"))?);
        Ok(self.store.create(&tile.key(), &bundle)?)
    }

    /// 4. Hash tiles, checkpoint, and the checkpoint that all look at.
    fn finish(&self, head: &Head, tile: Tile, claimed: &[u8]) -> Result<(), LogError> {
        let size = head.size() + 1;
        let corrupt = |what| LogError::Corrupt { key: tile.key(), what };
        let leaves =
            tile.entries(claimed).ok_or_else(|| corrupt("it does not hold the leaves of its width"))?;
        let (leaf, before) = leaves.split_last().ok_or_else(|| corrupt("it is empty"))?;

        // The claim continues this log: the leaves before it are those of the tree, the new one comes next.
        let mut hashes = self.row(Row::Hashes(0), tile.width() - 1, head.size())?;
        if !before.iter().map(|leaf| leaf_hash(leaf)).eq(hashes.iter().copied()) {
            return Err(corrupt("a leaf is not that of the tree"));
        }
        let previous = match (before.last(), Tile::newest(Row::Entries, head.size())) {
            (Some(leaf), _) => Some(Digest::of(leaf)),
            (None, None) => None,
            (None, Some(full)) => {
                let bytes = object(self.store, &full.key())?;
                let leaves = full.entries(&bytes).ok_or_else(|| corrupt("the tile before it is damaged"))?;
                leaves.last().map(|leaf| Digest::of(leaf))
            }
        };
        let statement = Statement::parse(leaf)?;
        if (statement.index, &statement.origin, statement.previous)
            != (head.size(), &self.writer.origin, previous)
        {
            return Err(corrupt("its last leaf is not the next one of this log"));
        }

        // The tile of each level that ends here, from the leaves upwards.
        let mut hash = leaf_hash(leaf);
        let mut level = 0;
        loop {
            let row = Row::Hashes(level);
            let Some(tile) = Tile::newest(row, size) else { break };
            if level > 0 {
                hashes = self.row(row, tile.width() - 1, head.size())?;
            }
            hashes.push(hash);
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            self.create_same(&tile.key(), &bytes)?;
            if tile.width() < TILE_WIDTH {
                break;
            }
            hash = root(&mut Leaves(&hashes), TILE_WIDTH).map_err(|_| corrupt("a full tile is not full"))?;
            level += 1;
        }

        // Now the tiles of the new size are there, and nobody reads them yet.
        let root = root(&mut Tiles::new(self.store, size), size)?;
        let checkpoint = Checkpoint { origin: self.writer.origin.clone(), size, root };
        let signed = self.publish(&checkpoint)?;

        // Once for each size; a writer who comes late changes nothing and looks again.
        self.store.replace(CHECKPOINT, &signed, head.version.as_ref())?;
        Ok(())
    }

    /// The hashes of the unfinished tile of a row before this claim.
    fn row(&self, row: Row, width: u64, size: u64) -> Result<Vec<Digest>, LogError> {
        match Tile::newest(row, size) {
            Some(tile) if width > 0 => Tiles::new(self.store, size).hashes(tile).map(<[_]>::to_vec),
            _ => Ok(Vec::new()),
        }
    }

    /// The one signed note of this size: ours, or that of the writer who was first.
    fn publish(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, LogError> {
        let key = format!("log/checkpoints/{}", checkpoint.size);
        if let Some((bytes, _)) = self.store.get(&key)? {
            return self.same_checkpoint(&key, bytes, checkpoint);
        }
        let signature = Self::sign(self.writer.log, checkpoint.body().as_bytes())?;
        let what = "the key is none of this log";
        let own = self.note_keys.first().and_then(|own| checkpoint.sign(own, &signature));
        let note = own.ok_or(LogError::Corrupt { key: key.clone(), what })?.into_bytes();
        match self.store.create(&key, &note)? {
            Creation::Created => Ok(note),
            Creation::Exists => self.same_checkpoint(&key, object(self.store, &key)?, checkpoint),
        }
    }

    fn same_checkpoint(&self, key: &str, bytes: Vec<u8>, expected: &Checkpoint) -> Result<Vec<u8>, LogError> {
        if self.checkpoint(key, &bytes)? == *expected {
            return Ok(bytes);
        }
        Err(LogError::Corrupt { key: key.to_owned(), what: "another checkpoint of this size" })
    }

    /// Creates an object that is a function of the log: if it is there, it has these bytes.
    pub(super) fn create_same(&self, key: &str, bytes: &[u8]) -> Result<(), LogError> {
        if self.store.create(key, bytes)? == Creation::Exists && object(self.store, key)? != bytes {
            return Err(LogError::Corrupt { key: key.to_owned(), what: "other bytes are there" });
        }
        Ok(())
    }
}
