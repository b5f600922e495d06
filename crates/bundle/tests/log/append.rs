//! One writer, or two in turn: conflicts, orphans, older stores, bad signatures, crashes at each write.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroU32;
use std::sync::Arc;

use evidenced_bundle::log::{Log, LogError, Outcome, Signer, SignerError, Writer};
use evidenced_bundle::note::Checkpoint;
use evidenced_bundle::statement::{Snapshot, Statement};
use evidenced_bundle::store::{FolderLogStore, LogStore};
use evidenced_bundle::{BagId, EvidenceKey, Kind, PublicKey, Scope};

use crate::audit::audit;
use crate::bag::{bag, id, slot, snapshot, writer};
use crate::common::{base64, bundles, key, text};
use crate::faulty::{Fault, Faulty, Plan};

type Objects = BTreeMap<String, Arc<Vec<u8>>>;

fn keys() -> [EvidenceKey; 2] {
    [key(1), key(2)]
}

fn append(log: &mut Log<'_>, (snapshot, zip): &(Snapshot, Vec<u8>)) -> Result<Outcome, LogError> {
    Ok(log.append(snapshot, &mut Cursor::new(zip.clone()))?.outcome)
}

fn day(number: i64) -> (Snapshot, Vec<u8>) {
    bag(&id(number, Kind::Schedule), 1, &key(1))
}

/// A store with so many days in it, and its newest checkpoint.
fn filled(days: i64) -> (Faulty, Checkpoint) {
    let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
    // One writer only, so its turn need not be handed on.
    let handle = std::mem::ManuallyDrop::new(store.writer(0));
    let mut log = Log::new(&*handle, writer(&keys, None));
    for number in 0..days {
        append(&mut log, &day(number)).unwrap();
    }
    let seen = log.high_water().unwrap().clone();
    (store, seen)
}

fn objects(store: &Faulty) -> Objects {
    store.with(|shared| shared.objects.clone())
}

#[test]
fn the_log_of_the_vectors_is_written_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderLogStore::new(folder.path().join("store"));
    let keys = keys();
    let mut log = Log::new(&store, writer(&keys, None));
    for vector in bundles() {
        let statement = Statement::parse(text(&vector, "statement").as_bytes()).unwrap();
        let zip = base64(text(&vector, "zip_base64"));
        let read = snapshot(&statement.snapshot.id, &zip, &key(1));
        assert_eq!(
            Snapshot { policies_sha256: statement.snapshot.policies_sha256, ..read },
            statement.snapshot
        );
        let appended = log.append(&statement.snapshot, &mut Cursor::new(zip.clone())).unwrap();
        assert_eq!((appended.statement, appended.outcome), (statement.clone(), Outcome::Logged));
        let key = statement.snapshot.id.store_key();
        for (key, expected) in [
            (key.clone(), zip),
            (format!("{key}.sigstore.json"), text(&vector, "sigstore_json_without_token").into()),
            (format!("{key}.tlog-proof"), text(&vector, "tlog_proof").into()),
            (format!("{key}.sshsig"), text(&vector, "sshsig").into()),
            ("log/checkpoint".to_owned(), text(&vector, "checkpoint").into()),
            (format!("log/checkpoints/{}", statement.index + 1), text(&vector, "checkpoint").into()),
        ] {
            assert_eq!(store.get(&key).unwrap().unwrap().0, expected, "{key}");
        }
    }
    let objects: Objects = store
        .list("")
        .unwrap()
        .into_iter()
        .map(|key| (key.clone(), Arc::new(store.get(&key).unwrap().unwrap().0)))
        .collect();
    assert_eq!(audit(&objects).len(), 3);
}

#[test]
fn a_crash_at_every_write_leads_to_the_same_store() {
    let days: Vec<_> = (0..3).map(day).collect();
    let run = |plan: Plan| {
        let (keys, store) = (keys(), Faulty::new(1, 1, plan));
        let handle = store.writer(0);
        let (mut next, mut starts, mut seen) = (0, 0, None);
        while next < days.len() {
            // A process that starts: it recovers, then goes on with what is in its spool.
            starts += 1;
            let mut log = Log::new(&handle, writer(&keys, seen.take()));
            let mut process = || {
                log.recover()?;
                while let Some(day) = days.get(next) {
                    assert_eq!(append(&mut log, day)?, Outcome::Logged);
                    next += 1;
                }
                Ok(())
            };
            match process() {
                Ok(()) | Err(LogError::Store(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            seen = log.high_water().cloned();
        }
        (objects(&store), store.with(|shared| shared.writes), starts)
    };
    let (expected, writes, _) = run(Plan::Never);
    assert_eq!(audit(&expected).len(), 3);
    assert_eq!(writes, 24, "eight writes a bundle");
    for number in 0..writes {
        for fault in [Fault::NotStored, Fault::Stored] {
            let (found, _, starts) = run(Plan::At(number, fault));
            assert_eq!(starts, 2);
            assert!(found == expected, "write {number} {fault:?}");
        }
    }
}

#[test]
fn put_conflict_is_412() {
    let (store, seen) = filled(2);
    let before = objects(&store);
    let (keys, handle) = (keys(), store.writer(0));
    let mut log = Log::new(&handle, writer(&keys, Some(seen)));
    // The same bundle again is the same log.
    assert_eq!(append(&mut log, &day(1)).unwrap(), Outcome::Logged);
    assert_eq!(objects(&store), before);
    // Another bundle of that slot overwrites nothing and has no leaf.
    let other = bag(&id(1, Kind::Schedule), 2, &key(1));
    assert_eq!(append(&mut log, &other).unwrap(), Outcome::Conflict);
    assert_eq!(objects(&store), before);
    // A zip that is not the one announced is not uploaded.
    let forged = (day(2).0, day(3).1);
    assert!(matches!(append(&mut log, &forged), Err(LogError::OtherZip { .. })));
    assert_eq!(objects(&store), before);
}

#[test]
fn duplicate_slot() {
    let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
    let handle = store.writer(0);
    let mut log = Log::new(&handle, writer(&keys, None));
    let outcomes: Vec<_> =
        (1..4).map(|late| append(&mut log, &bag(&id(0, Kind::Schedule), late, &key(1))).unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Logged, Outcome::Conflict, Outcome::Conflict]);
    assert_eq!(audit(&objects(&store)).len(), 1);
}

#[test]
fn extra_runs_have_leaves_and_satisfy_no_slot() {
    let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
    let handle = store.writer(0);
    let mut log = Log::new(&handle, writer(&keys, None));
    let supplement = |number| Kind::Supplement(NonZeroU32::new(number).unwrap());
    for (number, kind) in [
        (0, Kind::Schedule),
        (5, Kind::Manual),
        (1, Kind::Schedule),
        (0, supplement(1)),
        (0, supplement(2)),
        (2, Kind::Schedule),
        (3, Kind::Manual),
    ] {
        assert_eq!(append(&mut log, &bag(&id(number, kind), 1, &key(1))).unwrap(), Outcome::Logged);
    }
    // A slot that a later one has overtaken is refused, whatever lies between; its zip waits and is reported.
    let (keys_before, statements) = (objects(&store).len(), audit(&objects(&store)));
    let triggers: Vec<_> = statements.iter().map(|found| found.snapshot.id.kind().trigger()).collect();
    assert_eq!(
        triggers,
        ["schedule", "manual", "schedule", "supplement", "supplement", "schedule", "manual"]
    );
    let late = bag(&id(-1, Kind::Schedule), 1, &key(1));
    assert!(matches!(append(&mut log, &late), Err(LogError::Overtaken { .. })));
    assert_eq!(objects(&store).len(), keys_before + 1, "the zip only");
    let recovered = log.recover().unwrap();
    assert!(matches!(&recovered.refused[..], [(found, LogError::Overtaken { .. })] if *found == late.0.id));
}

#[test]
fn an_orphan_is_adopted_and_a_forged_one_is_not() {
    let (store, seen) = filled(1);
    for read in [day(1), day(7)] {
        assert_eq!(snapshot(&read.0.id, &read.1, &key(1)), read.0);
    }
    let (orphan, forged) = (day(1), bag(&id(2, Kind::Manual), 1, &key(9)));
    let (keys, handle) = (keys(), store.writer(0));
    for (snapshot, zip) in [&orphan, &forged] {
        handle.create(&snapshot.id.store_key(), zip).unwrap();
    }
    handle.create("bundles/2026/10/02/evidence-demo-20261002T020000Z.part-0001.zip", b"a part").unwrap();
    let mut log = Log::new(&handle, writer(&keys, Some(seen)));
    let recovered = log.recover().unwrap();
    assert_eq!(recovered.adopted, std::slice::from_ref(&orphan.0.id));
    let [(id, LogError::Orphan { .. })] = &recovered.refused[..] else { panic!("{recovered:?}") };
    assert_eq!(*id, forged.0.id);
    // Adoption states what the writer would have stated.
    assert_eq!(append(&mut log, &orphan).unwrap(), Outcome::Logged);
    assert_eq!(log.high_water().unwrap().size, 2);
    // Sidecars that somebody lost come back as they were.
    let before = objects(&store);
    store
        .with(|shared| shared.objects.retain(|key, _| !key.ends_with(".sshsig") && !key.ends_with("-proof")));
    assert_eq!(log.recover().unwrap().completed.len(), 2);
    assert_eq!(objects(&store), before);
}

#[test]
fn older_store_is_refused() {
    let (store, old) = filled(2);
    let backup = objects(&store);
    let (keys, handle) = (keys(), store.writer(0));
    let mut log = Log::new(&handle, writer(&keys, Some(old)));
    append(&mut log, &day(2)).unwrap();
    let seen = log.high_water().cloned();
    assert_eq!(seen.as_ref().unwrap().size, 3);
    // Somebody restores the store: to sign there would be to fork.
    for (restored, leaves) in [(backup.clone(), 2), (Objects::new(), 0)] {
        store.with(|shared| shared.objects.clone_from(&restored));
        let mut log = Log::new(&handle, writer(&keys, seen.clone()));
        let refused = append(&mut log, &day(3)).unwrap_err();
        assert!(matches!(refused, LogError::Older { found, known: 3 } if found == leaves), "{refused:?}");
        let added = objects(&store).len() - restored.len();
        assert_eq!(added, 1, "the zip, and nothing of the log");
    }
    // Another history of the same length is no better.
    let fork = Faulty::new(1, 1, Plan::Never);
    let handle = fork.writer(0);
    let mut log = Log::new(&handle, writer(&keys, None));
    for number in 0..4 {
        append(&mut log, &bag(&id(number, Kind::Schedule), 2, &key(1))).unwrap();
    }
    let mut log = Log::new(&handle, writer(&keys, seen));
    assert!(matches!(append(&mut log, &day(4)), Err(LogError::Fork { size: 3 })));
}

/// Signs another message than the one it was given, as a prehashing service would.
struct WrongSigner(EvidenceKey);

impl Signer for WrongSigner {
    fn public(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Signer::sign(&self.0, evidenced_bundle::Digest::of(message).as_bytes())
    }
}

#[test]
fn kms_stub_bad_signature() {
    let (wrong_evidence, wrong_log) = (WrongSigner(key(1)), WrongSigner(key(2)));
    let [evidence_key, log_key] = keys();
    let cases: [(&dyn Signer, &dyn Signer, bool); 2] =
        [(&wrong_evidence, &log_key, true), (&evidence_key, &wrong_log, false)];
    for (evidence, log, published) in cases {
        let (keys, store) = (keys(), Faulty::new(1, 1, Plan::Never));
        let handle = store.writer(0);
        let mut wrong = Log::new(&handle, Writer { evidence, log, ..writer(&keys, None) });
        assert!(matches!(append(&mut wrong, &day(0)), Err(LogError::Signature(_))));
        let found = objects(&store);
        assert_eq!(found.contains_key("log/checkpoint"), published);
        assert!(!found.keys().any(|key| key.ends_with(".sigstore.json") || key.ends_with(".sshsig")));
        // With a signer that works the same log goes on.
        let mut log = Log::new(&handle, writer(&keys, None));
        assert_eq!(append(&mut log, &day(0)).unwrap(), Outcome::Logged);
        assert_eq!(audit(&objects(&store)).len(), 1);
    }
}

#[test]
fn a_changed_object_of_the_log_is_noticed_before_anything_is_signed() {
    let (store, seen) = filled(3);
    let (keys, good) = (keys(), objects(&store));
    let handle = store.writer(0);
    let changed = ["log/checkpoint", "log/tile/0/000.p/3", "log/tile/entries/000.p/3"];
    for key in changed {
        for position in (0..good[key].len()).step_by(3) {
            store.with(|shared| {
                shared.objects.clone_from(&good);
                let mut bytes = good[key].to_vec();
                bytes[position] ^= 1;
                shared.objects.insert(key.to_owned(), Arc::new(bytes));
            });
            let mut log = Log::new(&handle, writer(&keys, Some(seen.clone())));
            let result = append(&mut log, &day(3));
            assert!(result.is_err(), "byte {position} of {key}");
            // Nothing but the zip is new: no checkpoint, and no claim that nobody could finish.
            assert_eq!(objects(&store).len(), good.len() + 1);
        }
    }
}

#[test]
fn ids_of_the_model_are_slots_of_one_schedule() {
    assert_eq!(slot(1).to_string(), "2026-10-02T02:00:00Z");
    assert!(BagId::parse(&id(0, Kind::Schedule).to_string()).is_some());
}

#[test]
fn a_second_scope_in_one_store_is_refused() {
    let (store, seen) = filled(1);
    let (keys, handle) = (keys(), store.writer(0));
    let mut log = Log::new(&handle, writer(&keys, Some(seen)));
    let other = BagId::new(Scope::new("other").unwrap(), slot(1), Kind::Schedule);
    let refused = append(&mut log, &bag(&other, 1, &key(1)));
    assert!(matches!(refused, Err(LogError::OtherScope { .. })), "{refused:?}");
    // Its zip is no orphan that a later start would adopt.
    let recovered = log.recover().unwrap();
    assert!(matches!(recovered.refused.as_slice(), [(id, LogError::OtherScope { .. })] if *id == other));
}

#[test]
fn the_newest_scheduled_leaf_is_behind_the_manual_ones() {
    let (store, _) = filled(2);
    let (keys, handle) = (keys(), store.writer(0));
    let mut log = Log::new(&handle, writer(&keys, None));
    append(&mut log, &bag(&id(7, Kind::Manual), 1, &key(1))).unwrap();
    assert_eq!(log.newest().unwrap().unwrap().snapshot.id, id(7, Kind::Manual));
    assert_eq!(log.newest_scheduled().unwrap().unwrap().snapshot.id, id(1, Kind::Schedule));
}
