//! Makes the corpus: `EVIDENCED_WRITE_SEEDS=1 cargo test -p evidenced-bundle --test fuzz seeds`.
//!
//! Seeds of `bag` and `token` are written by hand and by `openssl ts`; all others follow from these and from keys that
//! are in the targets.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use evidenced_bundle::merkle::leaf_hash;
use evidenced_bundle::note::{Checkpoint, Note};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::sshsig::{Sha512Digest, SshSig, message};
use evidenced_bundle::statement::{Snapshot, Statement};
use evidenced_bundle::trust::{self, Document, Holder, KeyEntry, Purpose, Revocation, TsaEntry, derive};
use evidenced_bundle::{BagId, Digest, EvidenceKey, UtcSecond, merkle};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::corpus;
use crate::targets::{
    DATED, ID, LEAF, Packed, holder, key, log_key, origin, payload, sign_note, signed, zip,
};

type Seeds = BTreeMap<&'static str, Vec<u8>>;

fn at(text: &str) -> UtcSecond {
    UtcSecond::parse(text).unwrap()
}

fn archives() -> Seeds {
    let bag = &corpus("bag")["good-complete"];
    let deflated = |level| {
        let files = payload(bag).into_iter().map(|(path, file)| {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&file.bytes).unwrap();
            (path, Packed { data: encoder.finish().unwrap(), method: 8, bytes: file.bytes })
        });
        zip(ID, &signed(files.collect()))
    };
    Seeds::from([
        ("good-stored", zip(ID, &signed(payload(bag)))),
        ("good-deflated", deflated(6)),
        ("good-deflated-0", deflated(0)),
        ("good-deflated-1", deflated(1)),
        ("small", zip(ID, &signed(BTreeMap::from([("data/a".to_owned(), Packed::stored(b"a".to_vec()))])))),
    ])
}

fn statement(index: u64) -> Statement {
    let snapshot = Snapshot {
        id: BagId::parse(ID).unwrap(),
        zip_sha256: Digest::of(b"zip"),
        tagmanifest_sha256: Digest::of(b"tags"),
        started: at("2026-11-22T02:00:03Z"),
        ended: at("2026-11-22T02:00:12Z"),
        version: "0.1.0".to_owned(),
        config_sha256: Digest::of(b"config"),
        policies_sha256: (index > 0).then(|| Digest::of(b"policies")),
        image_sha256: (index > 0).then(|| Digest::of(b"image")),
        schedule: "0 2 * * *".to_owned(),
        accounts: 1,
        regions: 2,
        status: RunStatus::Partial,
    };
    Statement { snapshot, origin: origin(), index, previous: (index > 0).then(|| Digest::of(b"previous")) }
}

fn checkpoint(leaves: u64) -> (Vec<Digest>, Checkpoint) {
    let leaves: Vec<_> = (0..leaves).map(|leaf| leaf_hash(format!("leaf {leaf}").as_bytes())).collect();
    assert_eq!(leaves[0], leaf_hash(LEAF));
    let size = u64::try_from(leaves.len()).unwrap();
    let root = merkle::root(&mut merkle::Leaves(&leaves), size).unwrap();
    (leaves, Checkpoint { origin: origin(), size, root })
}

fn proof(size: u64) -> Vec<u8> {
    let (leaves, checkpoint) = checkpoint(size);
    let hashes = merkle::inclusion(&mut merkle::Leaves(&leaves), 0, size).unwrap();
    let checkpoint = Note::parse(sign_note(&checkpoint.body()).as_bytes()).unwrap();
    LogProof { index: 0, hashes, checkpoint }.render().into_bytes()
}

fn sidecars() -> Seeds {
    let key = key();
    let sigstore = |index, tokens| {
        let payload = statement(index).render().unwrap();
        let signature = key.sign(&evidenced_bundle::dsse::message(&payload).unwrap()).unwrap();
        Envelope { key_id: *key.public().id(), payload, signature, tokens }.render().into_bytes()
    };
    let ssh = key.sign(&message(&Sha512Digest::of(DATED))).unwrap();
    Seeds::from([
        ("good-sigstore", sigstore(0, Vec::new())),
        ("good-sigstore-token", sigstore(7, vec![corpus("token")["good-answer"].clone()])),
        ("good-sshsig", SshSig::new(key.public(), ssh).render().into_bytes()),
    ])
}

fn document(version: u32) -> (Document, BTreeMap<String, Vec<u8>>) {
    let entry = |purpose, seed: u8, file: &str, revoked| {
        let key = EvidenceKey::from_seed(&[seed; 32]);
        let entry = KeyEntry {
            id: *key.public().id(),
            purpose,
            file: file.to_owned(),
            valid_from: at("2026-10-01T00:00:00Z"),
            valid_until: None,
            revoked,
        };
        (entry, (file.to_owned(), key.public().to_pem().into_bytes()))
    };
    let revoked = Revocation { at: at("2026-12-01T00:00:00Z"), reason: "lost".to_owned() };
    let (keys, mut files): (Vec<_>, BTreeMap<_, _>) = [
        entry(Purpose::Evidence, 1, "evidence-2026a.pub.pem", None),
        entry(Purpose::Log(origin()), 2, "log-2026a.pub.pem", None),
        entry(Purpose::Evidence, 9, "evidence-2026b.pub.pem", Some(revoked)),
    ]
    .into_iter()
    .unzip();
    files.insert("tsa-root.pem".to_owned(), include_bytes!("../../fuzz/tsa/root.pem").to_vec());
    let holders = (0..3)
        .map(|number| Holder { name: format!("Person {number}"), key: holder(number).public().clone() });
    let mut document = Document {
        version,
        threshold: 2,
        holders: holders.collect(),
        keys,
        authorities: vec![TsaEntry {
            file: "tsa-root.pem".to_owned(),
            valid_from: at("2026-10-01T00:00:00Z"),
        }],
        previous: (version > 1).then(|| Digest::of(b"made good by the target")),
        files: BTreeMap::new(),
    };
    let files = derive(&mut document, &files).unwrap();
    (document, files)
}

fn trust_roots() -> Seeds {
    let pack = |files: &BTreeMap<String, Vec<u8>>| {
        let files = files.iter().map(|(name, bytes)| [format!("== {name}\n").as_bytes(), bytes].concat());
        files.collect::<Vec<_>>().concat()
    };
    let (first, mut files) = document(1);
    let mut envelope = trust::Envelope::draft(first.clone()).unwrap();
    envelope.sign(&holder(0)).unwrap();
    envelope.sign(&holder(2)).unwrap();
    let envelope = envelope.render().into_bytes();
    let mut signed = files.clone();
    signed.insert(trust::file_name(1), envelope.clone());
    let plain = |document: &Document| [document.render().unwrap(), b"\n".to_vec()].concat();
    files.insert(trust::file_name(1), plain(&first));
    let one = pack(&files);
    let (second, more) = document(2);
    files.extend(more);
    files.insert(trust::file_name(2), plain(&second));
    Seeds::from([
        ("good-chain", pack(&signed)),
        ("good-documents-1", one),
        ("good-documents-2", pack(&files)),
        ("good-envelope", envelope),
        ("document", first.render().unwrap()),
    ])
}

fn seeds() -> BTreeMap<&'static str, Seeds> {
    let files = signed(payload(&corpus("bag")["good-complete"]));
    let bytes = |path: &str| files[path].bytes.clone();
    let note = |size| sign_note(&checkpoint(size).1.body());
    let other = log_key().vkey().replace('+', " ");
    let second = format!("{}\u{2014} {}\n", note(5), other.split(' ').collect::<Vec<_>>()[..2].join(" "));
    let numbers = |index: u64, size: u64, hashes: usize| {
        [&index.to_le_bytes()[..], &size.to_le_bytes(), &[0; 8], &vec![7; 32 * hashes]].concat()
    };
    BTreeMap::from([
        ("archive", archives()),
        (
            "manifest",
            Seeds::from([
                ("good-manifest", bytes("manifest-sha256.txt")),
                ("good-tag-manifest", bytes("tagmanifest-sha256.txt")),
                ("good-bag-info", bytes("bag-info.txt")),
                ("names", format!("{ID} 2026-11-22T02:00:00Z 20261122T020000Z data/a/b.json\n").into_bytes()),
            ]),
        ),
        (
            "statement",
            Seeds::from([
                ("good-first", statement(0).render().unwrap()),
                ("good-later", statement(7).render().unwrap()),
            ]),
        ),
        (
            "note",
            Seeds::from([
                ("good-1", note(1).into_bytes()),
                ("good-300", note(300).into_bytes()),
                ("two-lines", second.into_bytes()),
                ("vkey", log_key().vkey().into_bytes()),
                ("witness-vkey", crate::targets::witness_key().vkey().into_bytes()),
            ]),
        ),
        (
            "proof",
            Seeds::from([
                ("good-1", proof(1)),
                ("good-300", proof(300)),
                ("numbers", numbers(5, 300, 9)),
                ("numbers-large", numbers(u64::MAX - 1, u64::MAX, 64)),
            ]),
        ),
        ("sidecars", sidecars()),
        ("trust_root", trust_roots()),
    ])
}

#[test]
fn seeds_are_what_their_generator_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let write = std::env::var_os("EVIDENCED_WRITE_SEEDS").is_some();
    for (target, seeds) in seeds() {
        if write {
            fs::create_dir_all(folder.join(target)).unwrap();
        }
        for (name, bytes) in seeds {
            let path = folder.join(target).join(name);
            if write {
                fs::write(&path, &bytes).unwrap();
            }
            // What the deflater makes may change with its version; what it says is tested with every seed.
            let there = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(there == bytes || target == "archive", "{target}/{name} is another file");
        }
    }
}
