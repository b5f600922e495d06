//! Our Merkle mathematics against `tlog_tiles`, a port of Go's `sumdb/tlog`.

use evidenced_bundle::Digest;
use evidenced_bundle::merkle::{
    Leaves, MerkleError, consistency, inclusion, leaf_hash, node_hash, root, verify_consistency,
    verify_inclusion,
};
use evidenced_bundle::tile::{Row, Tile};
use tlog_tiles::tlog::{self, Hash, HashReader};

struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn theirs(digest: &Digest) -> Hash {
    Hash(*digest.as_bytes())
}

fn ours(hashes: &[Hash]) -> Vec<Digest> {
    hashes.iter().map(|hash| Digest::from_bytes(hash.0)).collect()
}

fn leaf(number: u64) -> Vec<u8> {
    format!("leaf-{number}").into_bytes()
}

#[test]
fn proofs_are_those_of_the_oracle() {
    let mut stored = Stored(Vec::new());
    let mut leaves = Vec::new();
    let mut roots = vec![Digest::of(b"")];
    for size in 1..=70_u64 {
        let new = tlog::stored_hashes(size - 1, &leaf(size - 1), &stored).unwrap();
        stored.0.extend(new);
        leaves.push(leaf_hash(&leaf(size - 1)));
        let mut nodes = Leaves(&leaves);
        let whole = root(&mut nodes, size).unwrap();
        assert_eq!(theirs(&whole), tlog::tree_hash(size, &stored).unwrap(), "{size}");
        roots.push(whole);
        for index in 0..size {
            let proof = inclusion(&mut nodes, index, size).unwrap();
            assert_eq!(proof, ours(&tlog::prove_record(size, index, &stored).unwrap()), "{index} of {size}");
            let number = usize::try_from(index).unwrap();
            verify_inclusion(&leaves[number], index, size, &proof, &whole).unwrap();
            assert!(
                verify_inclusion(&leaves[number], (index + 1) % size, size, &proof, &whole).is_err()
                    || size == 1
            );
        }
        for old in 1..=size {
            let proof = consistency(&mut nodes, old, size).unwrap();
            if old < size {
                assert_eq!(proof, ours(&tlog::prove_tree(size, old, &stored).unwrap()), "{old} to {size}");
            }
            let old_root = &roots[usize::try_from(old).unwrap()];
            verify_consistency(old, size, old_root, &whole, &proof).unwrap();
        }
    }
}

#[test]
fn changed_proofs_are_refused_as_the_oracle_refuses_them() {
    let leaves: Vec<_> = (0..11).map(|number| leaf_hash(&leaf(number))).collect();
    let whole = root(&mut Leaves(&leaves), 11).unwrap();
    for index in 0..11_u64 {
        let number = usize::try_from(index).unwrap();
        let good = inclusion(&mut Leaves(&leaves), index, 11).unwrap();
        let mut others = vec![[&good[..], &good[..1]].concat(), good[1..].to_vec(), Vec::new()];
        for position in 0..good.len() {
            let mut other = good.clone();
            other[position] = node_hash(&good[position], &good[position]);
            others.push(other);
        }
        for other in others {
            assert!(verify_inclusion(&leaves[number], index, 11, &other, &whole).is_err());
            let oracle = other.iter().map(theirs).collect();
            assert!(tlog::check_record(&oracle, 11, theirs(&whole), index, theirs(&leaves[number])).is_err());
        }
    }
    for old in 1..11_u64 {
        let old_root = root(&mut Leaves(&leaves), old).unwrap();
        let good = consistency(&mut Leaves(&leaves), old, 11).unwrap();
        for position in 0..good.len() {
            let mut other = good.clone();
            other[position] = node_hash(&good[position], &good[position]);
            assert!(verify_consistency(old, 11, &old_root, &whole, &other).is_err());
            assert!(verify_consistency(old, 11, &old_root, &whole, &good[..position]).is_err());
        }
        assert!(verify_consistency(old, 11, &whole, &whole, &good).is_err(), "{old}: another old root");
        assert!(verify_consistency(old, 11, &old_root, &old_root, &good).is_err(), "{old}: another new root");
        let longer = [&good[..], &good[..1]].concat();
        assert!(verify_consistency(old, 11, &old_root, &whole, &longer).is_err(), "{old}: longer");
    }
}

#[test]
fn rewritten_history_vs_pinned() {
    let leaves: Vec<_> = (0..20).map(|number| leaf_hash(&leaf(number))).collect();
    let mut rewritten = leaves.clone();
    rewritten[3] = leaf_hash(b"another day");
    let pinned = root(&mut Leaves(&leaves), 8).unwrap();
    let new = root(&mut Leaves(&rewritten), 20).unwrap();
    let proof = consistency(&mut Leaves(&rewritten), 8, 20).unwrap();
    assert_eq!(verify_consistency(8, 20, &pinned, &new, &proof), Err(MerkleError::OtherRoot { root: new }));
}

#[test]
fn tlog_hostile_args() {
    let hash = Digest::of(b"x");
    let many = vec![hash; 100_000];
    let numbers =
        [0, 1, 2, 3, 255, 256, 257, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    for first in numbers {
        for second in numbers {
            for proof in [&many[..], &many[..1], &many[..63], &many[..64], &many[..65], &[]] {
                let one_leaf = (first, second, proof.len()) == (0, 1, 0);
                assert_eq!(verify_inclusion(&hash, first, second, proof, &hash).is_ok(), one_leaf);
                let same = first == second && first > 0 && proof.is_empty();
                assert_eq!(verify_consistency(first, second, &hash, &hash, proof).is_ok(), same);
            }
        }
    }
    assert_eq!(verify_inclusion(&hash, 5, 5, &[], &hash), Err(MerkleError::OutOfRange { inner: 5, size: 5 }));
    assert_eq!(
        verify_inclusion(&hash, u64::MAX - 1, u64::MAX, &many, &hash),
        Err(MerkleError::Length { found: 100_000 })
    );
}

#[test]
fn tile_keys_are_the_paths_of_the_oracle() {
    for size in [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 16_777_216, 256_000_000_256] {
        for (level, row) in [(0, Row::Hashes(0)), (1, Row::Hashes(1)), (2, Row::Hashes(2)), (0, Row::Entries)]
        {
            let Some(tile) = Tile::newest(row, size) else {
                assert!(size < 1 << (8 * level));
                continue;
            };
            let width = u32::try_from(tile.width()).unwrap();
            let oracle =
                tlog_tiles::tile::Tile::new(8, level, tile.start() / 256, width, row == Row::Entries);
            let path = oracle.path().replace("tile/8/data", "tile/entries").replace("tile/8/", "tile/");
            assert_eq!(tile.key(), format!("log/{path}"), "{size}");
        }
    }
}
