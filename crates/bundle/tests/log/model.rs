//! Three writers who die at every step.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::thread;

use evidenced_bundle::log::{Log, LogError, Outcome};
use evidenced_bundle::statement::Snapshot;
use evidenced_bundle::store::LogStore;
use evidenced_bundle::{Digest, Kind};

use crate::audit::audit;
use crate::bag::{bag, id, slot, writer};
use crate::common::key;
use crate::faulty::{Dice, Fault, Faulty, Handle, PHASES, Plan};

const SLOTS: i64 = 2000;
const WRITERS: usize = 3;
const ENOUGH: usize = 50;

/// What a writer has on its own disk: a crash does not touch it.
#[derive(Default)]
struct Disk {
    next: i64,
    spool: Option<(Snapshot, Vec<u8>)>,
    conflict: BTreeSet<Digest>,
    sealed: BTreeSet<Digest>,
    starts: usize,
}

fn process(
    log: &mut Log<'_>,
    store: &Handle,
    number: usize,
    disk: &mut Disk,
    dice: &mut Dice,
) -> Result<(), LogError> {
    let recovered = log.recover()?;
    assert!(recovered.refused.is_empty(), "{:?}", recovered.refused);
    while disk.next < SLOTS {
        let (snapshot, zip) = if let Some(sealed) = &disk.spool {
            sealed
        } else {
            let id = id(disk.next, Kind::Schedule);
            // Mostly a writer looks first whether there is anything left to do.
            if dice.below(8) > 0 && store.get(&format!("{}.tlog-proof", id.store_key()))?.is_some() {
                disk.next += 1;
                continue;
            }
            let sealed = bag(&id, i64::try_from(number).unwrap() + 1, &key(1));
            disk.sealed.insert(sealed.0.zip_sha256);
            disk.spool.insert(sealed)
        };
        let appended = log.append(snapshot, &mut Cursor::new(zip.clone()))?;
        if appended.outcome == Outcome::Conflict {
            disk.conflict.insert(snapshot.zip_sha256);
        }
        (disk.spool, disk.next) = (None, disk.next + 1);
    }
    Ok(())
}

fn run(store: &Handle, number: usize, seed: u64) -> Disk {
    let (keys, mut disk) = ([key(1), key(2)], Disk::default());
    let mut dice = Dice(seed ^ (u64::try_from(number).unwrap() + 1) << 32);
    let mut high_water = None;
    loop {
        disk.starts += 1;
        let mut log = Log::new(store, writer(&keys, high_water));
        match process(&mut log, store, number, &mut disk, &mut dice) {
            Ok(()) => return disk,
            Err(LogError::Store(_)) => high_water = log.high_water().cloned(),
            Err(error) => panic!("writer {number}: {error:?}"),
        }
    }
}

#[test]
fn append_three_writers_with_crashes() {
    let seed = std::env::var("EVIDENCED_SEED").map_or(0x0005_eed0_1bad_cafe, |seed| seed.parse().unwrap());
    println!("EVIDENCED_SEED={seed}");
    let store = Faulty::new(seed, WRITERS, Plan::Random(ENOUGH + 5));
    let disks: Vec<Disk> = thread::scope(|scope| {
        let handles: Vec<Handle> = (0..WRITERS).map(|number| store.writer(number)).collect();
        let writers: Vec<_> = handles
            .into_iter()
            .enumerate()
            .map(|(number, handle)| scope.spawn(move || run(&handle, number, seed)))
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });

    store.with(|shared| {
        let statements = audit(&shared.objects);
        // One leaf a slot, in the order of the slots.
        let slots = statements.iter().map(|statement| statement.snapshot.id.slot());
        assert!(slots.eq((0..SLOTS).map(slot)));
        assert_eq!(i64::try_from(shared.replaced), Ok(SLOTS), "the head moved once for each leaf");

        // No bundle lost: each one that was sealed is in the log or kept as a conflict.
        let logged: BTreeSet<_> = statements.iter().map(|statement| statement.snapshot.zip_sha256).collect();
        let mut conflicts = 0;
        for disk in &disks {
            assert!(disk.spool.is_none());
            assert!(disk.sealed.iter().all(|zip| logged.contains(zip) != disk.conflict.contains(zip)));
            conflicts += disk.conflict.len();
        }
        let sealed: usize = disks.iter().map(|disk| disk.sealed.len()).sum();
        println!(
            "{sealed} sealed, {} starts, {conflicts} conflicts",
            disks.iter().map(|disk| disk.starts).sum::<usize>()
        );
        assert!(conflicts > 100, "the writers met");
        for phase in PHASES {
            for fault in [Fault::NotStored, Fault::Stored] {
                let crashes = shared.crashes.get(&(phase, fault)).copied().unwrap_or(0);
                println!("{phase} {fault:?}: {crashes}");
                assert!(crashes >= ENOUGH, "{phase} {fault:?}: {crashes}");
            }
        }
    });
}
