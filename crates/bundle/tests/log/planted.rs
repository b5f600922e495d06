//! Objects that are there before the log writes them: "already exists" means equal, by kind, or nothing goes on.

use std::io::Cursor;
use std::sync::Arc;

use evidenced_bundle::dsse;
use evidenced_bundle::log::{Log, LogError, Outcome, Writer};
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::store::LogStore;
use evidenced_bundle::{Digest, EvidenceKey, Kind};

use crate::audit::audit;
use crate::bag::{bag, id, writer};
use crate::common::key;
use crate::faulty::{Fault, Faulty, Plan};

fn keys() -> [EvidenceKey; 2] {
    [key(1), key(2)]
}

#[test]
fn what_is_there_and_differs_stops_the_log() {
    let (snapshot, zip) = bag(&id(0, Kind::Schedule), 1, &key(1));
    let bundle = snapshot.id.store_key();
    // The sidecars of another day are well-formed and signed, and still not those of this one.
    let (other, other_zip) = bag(&id(1, Kind::Schedule), 1, &key(1));
    let elsewhere = Faulty::new(1, 1, Plan::Never);
    let (keys, handle) = (keys(), elsewhere.writer(0));
    Log::new(&handle, writer(&keys, None)).append(&other, &mut Cursor::new(other_zip)).unwrap();
    let of_other =
        |suffix: &str| handle.get(&format!("{}{suffix}", other.id.store_key())).unwrap().unwrap().0;

    // The right statement in an envelope of a key that nobody trusts.
    let good = Faulty::new(1, 1, Plan::Never);
    let good = good.writer(0);
    Log::new(&good, writer(&keys, None)).append(&snapshot, &mut Cursor::new(zip.clone())).unwrap();
    let envelope = good.get(&format!("{bundle}.sigstore.json")).unwrap().unwrap().0;
    let envelope = Envelope::parse(&envelope).unwrap();
    let signature = key(8).sign(&dsse::message(&envelope.payload).unwrap()).unwrap();
    let untrusted = Envelope { key_id: *key(8).public().id(), signature, ..envelope };

    for (planted, bytes) in [
        (format!("{bundle}.sigstore.json"), untrusted.render().into_bytes()),
        ("log/tile/entries/000.p/1".to_owned(), handle.get("log/tile/entries/000.p/1").unwrap().unwrap().0),
        ("log/tile/entries/000.p/1".to_owned(), b"junk".to_vec()),
        ("log/tile/0/000.p/1".to_owned(), vec![0; 32]),
        ("log/checkpoints/1".to_owned(), handle.get("log/checkpoints/1").unwrap().unwrap().0),
        ("log/checkpoints/1".to_owned(), b"junk".to_vec()),
        ("log/checkpoint".to_owned(), handle.get("log/checkpoint").unwrap().unwrap().0),
        (format!("{bundle}.sigstore.json"), of_other(".sigstore.json")),
        (format!("{bundle}.sigstore.json"), b"junk".to_vec()),
        (format!("{bundle}.tlog-proof"), of_other(".tlog-proof")),
        (format!("{bundle}.sshsig"), of_other(".sshsig")),
        (format!("{bundle}.sshsig"), b"junk".to_vec()),
    ] {
        let store = Faulty::new(1, 1, Plan::Never);
        let handle = store.writer(0);
        handle.create(&planted, &bytes).unwrap();
        let mut log = Log::new(&handle, writer(&keys, None));
        let result = log.append(&snapshot, &mut Cursor::new(zip.clone()));
        let refused = match result {
            Err(LogError::Corrupt { .. } | LogError::Checkpoint { .. }) => true,
            // A claim that is a good one of another writer is finished; ours is overtaken by its later slot.
            Err(LogError::Overtaken { .. }) => planted.starts_with("log/tile/entries/"),
            _ => false,
        };
        assert!(refused, "{planted}");
        if planted.starts_with("log/checkpoints/") {
            assert!(handle.get("log/checkpoint").unwrap().is_none(), "a foreign checkpoint became the head");
        }
        assert_eq!(handle.get(&planted).unwrap().unwrap().0, bytes, "{planted} is overwritten");
    }
}

#[test]
fn a_rotated_key_goes_on_where_the_old_one_died() {
    let (old, new) = (keys(), [key(8), key(9)]);
    let (snapshot, zip) = bag(&id(0, Kind::Schedule), 1, &key(1));
    for number in 1..8 {
        let store = Faulty::new(1, 1, Plan::At(number, Fault::Stored));
        let handle = store.writer(0);
        let mut log = Log::new(&handle, writer(&old, None));
        log.append(&snapshot, &mut Cursor::new(zip.clone())).unwrap_err();
        let rotated = Writer {
            evidence_keys: vec![key(1).public().clone()],
            log_keys: vec![key(2).public().clone()],
            ..writer(&new, None)
        };
        let mut log = Log::new(&handle, rotated);
        assert!(log.recover().unwrap().refused.is_empty());
        let appended = log.append(&snapshot, &mut Cursor::new(zip.clone())).unwrap();
        assert_eq!(appended.outcome, Outcome::Logged);
        // Without the old keys what they signed counts for nothing.
        let unknowing =
            Log::new(&handle, writer(&new, None)).append(&snapshot, &mut Cursor::new(zip.clone()));
        assert_eq!(unknowing.is_err(), number >= 3, "write {number}");
    }
}

#[test]
fn the_store_of_one_writer_passes_the_audit_of_another() {
    let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
    let handle = store.writer(0);
    for number in 0..5 {
        // A new process for each bundle, with nothing but the store.
        let (snapshot, zip) = bag(&id(number, Kind::Schedule), 1, &key(1));
        Log::new(&handle, writer(&keys, None)).append(&snapshot, &mut Cursor::new(zip)).unwrap();
    }
    assert_eq!(store.with(|shared| audit(&shared.objects)).len(), 5);
}

#[test]
fn a_leaf_that_is_not_that_of_the_tree_is_not_signed() {
    let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
    let handle = store.writer(0);
    let (snapshot, zip) = bag(&id(0, Kind::Schedule), 1, &key(1));
    let mut log = Log::new(&handle, writer(&keys, None));
    log.append(&snapshot, &mut Cursor::new(zip)).unwrap();
    // Somebody deletes the envelope and changes what the leaf says of the configuration.
    let (entries, config) = ("log/tile/entries/000.p/1", snapshot.config_sha256.to_string());
    let mut forged = handle.get(entries).unwrap().unwrap().0;
    let at = forged.windows(64).position(|window| window == config.as_bytes()).unwrap();
    forged.splice(at..at + 64, Digest::of(b"another").to_string().into_bytes());
    store.with(|shared| {
        shared.objects.retain(|key, _| !key.contains(".zip."));
        shared.objects.insert(entries.to_owned(), Arc::new(forged));
    });
    assert!(matches!(log.recover(), Err(LogError::Corrupt { key, .. }) if key == entries));
    assert_eq!(handle.list("bundles/").unwrap(), [snapshot.id.store_key()]);
}
