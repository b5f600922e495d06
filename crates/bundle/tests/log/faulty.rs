//! A store in memory that fails on purpose, and that lets writers take turns.
//!
//! At each write it can do nothing and fail, or do it and fail: to the writer both look the same. Turns and faults
//! come from one seeded generator under one lock, so a run is repeated by its seed.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Condvar, Mutex};

use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::store::{Creation, LogStore, Replacement, StoreError, Version};

/// What a write does when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    NotStored,
    Stored,
}

/// The steps of an append at which a process can die, by what it was writing.
pub(crate) const PHASES: [&str; 8] =
    ["zip", "claim", "hash-tile", "checkpoint", "head", "envelope", "proof", "ssh-signature"];

fn phase(key: &str) -> &'static str {
    let known = [
        (key.split('.').next_back() == Some("zip"), "zip"),
        (key.starts_with("log/tile/entries/"), "claim"),
        (key.starts_with("log/tile/"), "hash-tile"),
        (key.starts_with("log/checkpoints/"), "checkpoint"),
        (key == "log/checkpoint", "head"),
        (key.ends_with(".sigstore.json"), "envelope"),
        (key.ends_with(".tlog-proof"), "proof"),
        (key.ends_with(".sshsig"), "ssh-signature"),
    ];
    known.iter().find(|(is, _)| *is).unwrap().1
}

/// xorshift64*: enough to choose.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % limit
    }
}

/// When to fail.
pub(crate) enum Plan {
    Never,
    /// The write with this number, counted from 0.
    At(usize, Fault),
    /// Any write and, less often, any read; each phase often until it has been hit this many times.
    Random(usize),
}

pub(crate) struct Shared {
    pub(crate) objects: BTreeMap<String, Arc<Vec<u8>>>,
    versions: BTreeMap<String, u64>,
    pub(crate) crashes: BTreeMap<(&'static str, Fault), usize>,
    pub(crate) writes: usize,
    pub(crate) replaced: usize,
    pub(crate) plan: Plan,
    dice: Dice,
    turn: usize,
    alive: Vec<usize>,
}

/// The store that all writers share.
#[derive(Clone)]
pub(crate) struct Faulty(Arc<(Mutex<Shared>, Condvar)>);

impl Faulty {
    pub(crate) fn new(seed: u64, writers: usize, plan: Plan) -> Self {
        let shared = Shared {
            objects: BTreeMap::new(),
            versions: BTreeMap::new(),
            crashes: BTreeMap::new(),
            writes: 0,
            replaced: 0,
            plan,
            dice: Dice(seed),
            turn: 0,
            alive: (0..writers).collect(),
        };
        Self(Arc::new((Mutex::new(shared), Condvar::new())))
    }

    /// The store as one writer sees it.
    pub(crate) fn writer(&self, number: usize) -> Handle {
        Handle { store: self.clone(), number }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        look(&mut self.0.0.lock().unwrap())
    }
}

pub(crate) struct Handle {
    store: Faulty,
    number: usize,
}

impl Shared {
    /// Mostly the same writer goes on; where another does, two are in the middle of something.
    fn pass(&mut self) {
        if !self.alive.contains(&self.turn) || self.dice.below(24) == 0 {
            let next = self.dice.below(self.alive.len().max(1));
            self.turn = self.alive.get(next).copied().unwrap_or(usize::MAX);
        }
    }

    fn fault(&mut self, key: &str) -> Option<Fault> {
        let number = self.writes;
        self.writes += 1;
        let either = [Fault::NotStored, Fault::Stored][self.dice.below(2)];
        let fault = match self.plan {
            Plan::Never => None,
            Plan::At(at, fault) => (at == number).then_some(fault),
            Plan::Random(enough) => {
                let hits = self.crashes.get(&(phase(key), either)).copied().unwrap_or(0);
                let odds = if hits < enough { 16 } else { 400 };
                (self.dice.below(odds) == 0).then_some(either)
            }
        };
        if let Some(fault) = fault {
            *self.crashes.entry((phase(key), fault)).or_default() += 1;
        }
        fault
    }

    fn write(&mut self, key: &str, bytes: &[u8], allowed: bool) -> Result<bool, StoreError> {
        let fault = self.fault(key);
        if allowed && fault != Some(Fault::NotStored) {
            self.objects.insert(key.to_owned(), Arc::new(bytes.to_vec()));
            *self.versions.entry(key.to_owned()).or_default() += 1;
        }
        match fault {
            Some(_) => Err(StoreError::new("write", key, "the process died")),
            None => Ok(allowed),
        }
    }
}

impl Handle {
    fn turn<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        let (shared, changed) = &*self.store.0;
        let mut shared = shared.lock().unwrap();
        while shared.turn != self.number {
            shared = changed.wait(shared).unwrap();
        }
        let done = act(&mut shared);
        shared.pass();
        if shared.turn != self.number {
            changed.notify_all();
        }
        done
    }

    fn read<T>(&self, key: &str, look: impl FnOnce(&Shared) -> T) -> Result<T, StoreError> {
        self.turn(|shared| {
            if matches!(shared.plan, Plan::Random(_)) && shared.dice.below(2000) == 0 {
                return Err(StoreError::new("read", key, "the process died"));
            }
            Ok(look(shared))
        })
    }
}

impl Drop for Handle {
    /// A writer that is done leaves its turn to the others.
    fn drop(&mut self) {
        self.turn(|shared| {
            shared.alive.retain(|writer| *writer != self.number);
        });
    }
}

impl LogStore for Handle {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.read(key, |shared| {
            let bytes = shared.objects.get(key)?;
            Some((bytes.to_vec(), Version::new(shared.versions[key].to_string())))
        })
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError> {
        self.read(key, |shared| {
            let zip: Box<dyn ReadSeek> = Box::new(Cursor::new(shared.objects.get(key)?.to_vec()));
            Some(zip)
        })
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        self.turn(|shared| {
            let free = !shared.objects.contains_key(key);
            let created = shared.write(key, bytes, free)?;
            Ok(if created { Creation::Created } else { Creation::Exists })
        })
    }

    fn upload(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Creation, StoreError> {
        let mut bytes = Vec::new();
        zip.read_to_end(&mut bytes).unwrap();
        self.create(key, &bytes)
    }

    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError> {
        self.turn(|shared| {
            let now = shared.versions.get(key).map(|version| Version::new(version.to_string()));
            let same = now.as_ref() == was;
            let before = shared.versions.get(key).copied();
            let replaced = shared.write(key, bytes, same);
            if shared.versions.get(key).copied() != before {
                shared.replaced += 1;
            }
            Ok(if replaced? { Replacement::Replaced } else { Replacement::Conflict })
        })
    }

    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.read(prefix, |shared| {
            let keys = shared.objects.range(prefix.to_owned()..).map(|(key, _)| key);
            let keys = keys.take_while(|key| key.starts_with(prefix));
            keys.filter(|key| key.as_str() > after).cloned().collect()
        })
    }
}
