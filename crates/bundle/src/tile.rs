//! Tiles of a log (C2SP tlog-tiles): which object holds which leaf or hash.
//!
//! A tile holds up to 256 items: leaves with a length in front of each (`entries`), or the hashes of one level in
//! eight. A tile that is not full has its width in its name, so no object is ever written twice.

use crate::digest::Digest;

/// Items of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Where the log lies in a store.
pub const LOG: &str = "log/";

/// A row of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// The leaves themselves.
    Entries,
    /// The hashes of level `8 * n` of the tree.
    Hashes(u32),
}

impl Row {
    /// How many items it has in a tree of `size` leaves.
    pub fn items(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => size.checked_shr(level.saturating_mul(8)).unwrap_or(0),
        }
    }
}

/// A tile, full or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    row: Row,
    index: u64,
    width: u64,
}

impl Tile {
    /// The tile that holds `item` of a row when the tree has `size` leaves; `None` when it is not there yet.
    pub fn holding(row: Row, item: u64, size: u64) -> Option<Self> {
        let items = row.items(size);
        let index = item / TILE_WIDTH;
        (item < items).then(|| Self { row, index, width: (items - index * TILE_WIDTH).min(TILE_WIDTH) })
    }

    /// The tile with the newest item of a row; `None` while the row is empty.
    pub fn newest(row: Row, size: u64) -> Option<Self> {
        Self::holding(row, row.items(size).checked_sub(1)?, size)
    }

    /// How many items it holds, 1 to 256.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// The number of its first item in its row.
    pub fn start(&self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// Its key in a store: `log/tile/0/x001/067.p/12`.
    pub fn key(&self) -> String {
        let row = match self.row {
            Row::Entries => "entries".to_owned(),
            Row::Hashes(level) => level.to_string(),
        };
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        let partial = if self.width == TILE_WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("{LOG}tile/{row}/{path}{partial}")
    }

    /// The leaves in the bytes of this tile; `None` when they are not exactly its leaves.
    pub fn entries<'a>(&self, bytes: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let mut entries = Vec::new();
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            entries.push(entry);
            rest = after;
        }
        (rest.is_empty() && u64::try_from(entries.len()) == Ok(self.width)).then_some(entries)
    }

    /// The hashes in the bytes of this tile; `None` when they are not exactly its hashes.
    pub fn hashes(&self, bytes: &[u8]) -> Option<Vec<Digest>> {
        let hashes: Vec<_> = bytes.as_chunks().0.iter().map(|hash| Digest::from_bytes(*hash)).collect();
        let exact = bytes.len().is_multiple_of(32) && u64::try_from(hashes.len()) == Ok(self.width);
        exact.then_some(hashes)
    }
}

/// A leaf as an entry bundle holds it; `None` when it is longer than its length can say.
pub fn entry(leaf: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(leaf.len()).ok()?;
    Some([&length.to_be_bytes()[..], leaf].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_specification() {
        for (row, item, size, key) in [
            (Row::Hashes(0), 0, 1, "log/tile/0/000.p/1"),
            (Row::Hashes(0), 255, 256, "log/tile/0/000"),
            (Row::Hashes(0), 255, 70_000, "log/tile/0/000"),
            (Row::Entries, 1_234_067 * 256, u64::MAX, "log/tile/entries/x001/x234/067"),
            (Row::Hashes(1), 272, 70_000, "log/tile/1/001.p/17"),
            (Row::Hashes(2), 0, 70_000, "log/tile/2/000.p/1"),
        ] {
            assert_eq!(Tile::holding(row, item, size).unwrap().key(), key);
        }
        assert_eq!(Tile::holding(Row::Hashes(0), 5, 5), None);
        assert_eq!(Tile::newest(Row::Hashes(1), 255), None);
        assert_eq!(Tile::newest(Row::Entries, 0), None);
        assert_eq!(Tile::newest(Row::Hashes(9), u64::MAX), None);
        assert_eq!(Tile::newest(Row::Entries, 513).unwrap().key(), "log/tile/entries/002.p/1");
    }

    #[test]
    fn a_tile_is_read_whole_or_not_at_all() {
        let tile = Tile::newest(Row::Entries, 2).unwrap();
        let bytes = [entry(b"one").unwrap(), entry(b"").unwrap()].concat();
        assert_eq!(tile.entries(&bytes).unwrap(), [&b"one"[..], b""]);
        for length in 0..bytes.len() {
            assert_eq!(tile.entries(&bytes[..length]), None, "{length}");
        }
        assert_eq!(tile.entries(&[&bytes[..], &[0, 0]].concat()), None);
        assert_eq!(tile.hashes(&[0; 64]).unwrap().len(), 2);
        for length in [0, 32, 63, 65, 96] {
            assert_eq!(tile.hashes(&vec![0; length]), None, "{length}");
        }
        assert_eq!(entry(&vec![0; 65_536]), None);
    }
}
