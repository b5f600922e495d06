//! The Merkle tree of RFC 6962 and RFC 9162: hashes, proofs and their verification.
//!
//! Proofs are made from complete subtrees, wherever those come from ([`Nodes`]); verification shares no code with
//! that and follows the RFC's loops. Whatever the numbers and hashes of a hostile proof are, it is refused without a
//! panic and in at most 64 steps.

use crate::digest::Digest;

/// A proof never has more hashes than a tree has levels.
pub const PROOF_HASHES: usize = 64;

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// There is no such leaf in a tree of that size, or no such pair of trees.
    #[error("{inner} is not within a tree of size {size}")]
    OutOfRange {
        /// The index, or the older size.
        inner: u64,
        /// The size.
        size: u64,
    },
    /// More or fewer hashes than the numbers ask for.
    #[error("{found} hashes are not the length of this proof")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes do not lead to the root.
    #[error("the hashes do not lead to root {root}")]
    OtherRoot {
        /// The root.
        root: Digest,
    },
}

/// `SHA-256(0x00 || data)`.
pub fn leaf_hash(data: &[u8]) -> Digest {
    Digest::of(&[&[0], data].concat())
}

/// `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], &left.as_bytes()[..], right.as_bytes()].concat())
}

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why a hash is not to be had.
    type Error;

    /// The root of the complete subtree over the leaves `index << level .. (index + 1) << level`.
    fn node(&mut self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

/// Leaf hashes in memory.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a>(pub &'a [Digest]);

/// A leaf that is not there was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("leaf {index} is not there")]
pub struct MissingLeaf {
    /// Which one.
    pub index: u64,
}

impl Nodes for Leaves<'_> {
    type Error = MissingLeaf;

    fn node(&mut self, level: u32, index: u64) -> Result<Digest, MissingLeaf> {
        let Some(below) = level.checked_sub(1) else {
            let leaf = usize::try_from(index).ok().and_then(|index| self.0.get(index));
            return leaf.copied().ok_or(MissingLeaf { index });
        };
        let left = self.node(below, index.saturating_mul(2))?;
        Ok(node_hash(&left, &self.node(below, index.saturating_mul(2).saturating_add(1))?))
    }
}

/// The root of a tree of `size` leaves; of an empty one the hash of nothing.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Digest, N::Error> {
    if size == 0 { Ok(Digest::of(b"")) } else { range(nodes, 0, size) }
}

/// The audit path of leaf `index` in a tree of `size`, the sibling of the leaf first. Empty when there is no such leaf.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Digest>, N::Error> {
    let mut siblings = Vec::new();
    let (mut start, mut end) = (0, if index < size { size } else { 0 });
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            siblings.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            siblings.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    siblings.reverse();
    Ok(siblings)
}

/// The proof that the tree of size `old` is a beginning of the one of size `new`. Empty when it needs none.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Digest>, N::Error> {
    let mut hashes = Vec::new();
    if old == 0 || old >= new {
        return Ok(hashes);
    }
    // SUBPROOF of RFC 9162, 2.1.4.1, from the root downwards: the subtree [start, end) holds the border `old`.
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            hashes.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            hashes.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    // The verifier has the old root already when the border subtree is the whole old tree.
    if start != 0 {
        hashes.push(range(nodes, start, end)?);
    }
    hashes.reverse();
    Ok(hashes)
}

/// The root over the leaves `start..end`, which are not empty and begin where a subtree begins.
fn range<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<Digest, N::Error> {
    let size = end - start;
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split(size);
    let left = range(nodes, start, middle)?;
    Ok(node_hash(&left, &range(nodes, middle, end)?))
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// RFC 9162, 2.1.3.2: `leaf` is number `index` of the tree of `size` with this `root`.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::OutOfRange { inner: index, size });
    }
    let (mut position, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(MerkleError::Length { found: proof.len() });
        }
        if position & 1 == 1 || position == last {
            hash = node_hash(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                (position, last) = (position >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (position, last) = (position >> 1, last >> 1);
    }
    if last != 0 {
        return Err(MerkleError::Length { found: proof.len() });
    }
    if hash == *root { Ok(()) } else { Err(MerkleError::OtherRoot { root: *root }) }
}

/// RFC 9162, 2.1.4.2: the tree of size `old` is a beginning of the one of size `new`. An empty tree proves nothing
/// and is refused.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Digest,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), MerkleError> {
    if old == 0 || old > new {
        return Err(MerkleError::OutOfRange { inner: old, size: new });
    }
    let length = MerkleError::Length { found: proof.len() };
    if old == new {
        return match (proof, old_root == new_root) {
            ([], true) => Ok(()),
            ([], false) => Err(MerkleError::OtherRoot { root: *new_root }),
            _ => Err(length),
        };
    }
    let (mut position, mut last) = (old - 1, new - 1);
    while position & 1 == 1 {
        (position, last) = (position >> 1, last >> 1);
    }
    let (first, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(length)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(length);
        }
        if position & 1 == 1 || position == last {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
            while position & 1 == 0 && position != 0 {
                (position, last) = (position >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
        (position, last) = (position >> 1, last >> 1);
    }
    if last != 0 {
        return Err(length);
    }
    for (hash, root) in [(old_hash, old_root), (new_hash, new_root)] {
        if hash != *root {
            return Err(MerkleError::OtherRoot { root: *root });
        }
    }
    Ok(())
}
