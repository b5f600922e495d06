//! What is true of every finished log, checked without the code that wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidenced_bundle::Digest;
use evidenced_bundle::merkle::{leaf_hash, node_hash};
use evidenced_bundle::note::Note;
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::sshsig::{Sha512Digest, SshSig};
use evidenced_bundle::statement::Statement;
use evidenced_bundle::tile::{Row, Tile};

use crate::common::{key, log_key};

/// One checkpoint a size, the chain whole, every leaf with its zip and its sidecars, and nothing else in the store.
pub(crate) fn audit(objects: &BTreeMap<String, Arc<Vec<u8>>>) -> Vec<Statement> {
    let checkpoint = |key: &str| {
        let opened = Note::parse(&objects[key]).unwrap().open(&[log_key()]).unwrap();
        assert_eq!(opened.ignored, 0);
        opened.checkpoint
    };
    let size = checkpoint("log/checkpoint").size;
    assert_eq!(objects["log/checkpoint"], objects[&format!("log/checkpoints/{size}")]);
    let checkpoints = objects.keys().filter(|key| key.starts_with("log/checkpoints/")).count();
    assert_eq!(u64::try_from(checkpoints), Ok(size), "one checkpoint a size");
    let claims = objects.keys().filter(|key| key.starts_with("log/tile/entries/")).count();
    assert_eq!(u64::try_from(claims), Ok(size), "one claim a number");

    let mut leaves: Vec<Vec<u8>> = Vec::new();
    while u64::try_from(leaves.len()).unwrap() < size {
        let tile = Tile::holding(Row::Entries, u64::try_from(leaves.len()).unwrap(), size).unwrap();
        leaves.extend(tile.entries(&objects[&tile.key()]).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    let mut statements: Vec<Statement> = Vec::new();
    let mut previous = None;
    // Complete subtrees, the largest first: the root of each size is their fold from the right.
    let mut peaks: Vec<(u32, Digest)> = Vec::new();
    for (index, leaf) in (0_u64..).zip(&leaves) {
        let statement = Statement::parse(leaf).unwrap();
        assert_eq!((statement.index, statement.previous), (index, previous));
        previous = Some(Digest::of(leaf));

        let mut peak = (0, leaf_hash(leaf));
        while let Some((level, left)) = peaks.pop_if(|last| last.0 == peak.0) {
            peak = (level + 1, node_hash(&left, &peak.1));
        }
        peaks.push(peak);
        let (last, rest) = peaks.split_last().unwrap();
        let root = rest.iter().rev().fold(last.1, |right, (_, left)| node_hash(left, &right));
        let found = checkpoint(&format!("log/checkpoints/{}", index + 1));
        assert_eq!((found.size, found.root), (index + 1, root));

        let zip_key = statement.snapshot.id.store_key();
        let zip = &objects[&zip_key];
        let name = zip_key.rsplit('/').next().unwrap();
        statement.describes(name, &Digest::of(zip)).unwrap();
        let envelope = Envelope::parse(&objects[&format!("{zip_key}.sigstore.json")]).unwrap();
        assert_eq!(envelope.verify(key(1).public()).unwrap(), statement);
        let proof = LogProof::parse(&objects[&format!("{zip_key}.tlog-proof")]).unwrap();
        assert_eq!(proof.index, index);
        assert_eq!(proof.verify(leaf, &[log_key()]).unwrap().checkpoint, found);
        let signature = SshSig::parse(&objects[&format!("{zip_key}.sshsig")]).unwrap();
        signature.verify(key(1).public(), &Sha512Digest::of(zip)).unwrap();
        statements.push(statement);
    }
    let bundles = objects.keys().filter(|key| key.starts_with("bundles/")).count();
    assert_eq!(bundles, 4 * statements.len(), "each zip has its leaf and three sidecars");
    statements
}
