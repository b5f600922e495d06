//! One at a time: the lease of a slot.
//!
//! A lease is an object `lease/<slot>/<fence>` that is created once and never renewed: its life is the bound on a
//! run. The next fence may be created when the one before has expired, or is the holder's own (a service that was
//! started again, with its spool, goes on at once), and only one writer creates it. A lease keeps two tasks from doing the same work; what keeps them from sealing a slot twice is that its zip is created once.
//! Refused: a lease that cannot be read, since nobody could say when it ends.

use std::time::Duration;

use evidenced_bundle::UtcSecond;
use evidenced_bundle::store::{Creation, LogStore, StoreError};
use serde::{Deserialize, Serialize};

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another task has it.
    #[error("slot {slot} is held by {holder} until {expires}")]
    Held {
        /// Which slot, compact.
        slot: String,
        /// Who.
        holder: String,
        /// Until when.
        expires: UtcSecond,
    },
    /// Not a lease of ours.
    #[error("{key} is not a lease: {what}; remove it if no task is running")]
    Unreadable {
        /// The object.
        key: String,
        /// What is wrong.
        what: String,
    },
}

/// A lease that this task has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Counts the holders of a slot, from 1; goes into `run.json`.
    pub(crate) fence: u64,
    /// When it ends: a run that is not over by then is abandoned.
    pub(crate) expires: UtcSecond,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    holder: String,
    expires: String,
}

/// Takes the lease of a slot (compact form) for `life`, or says who has it.
pub(crate) fn acquire(
    store: &dyn LogStore,
    slot: &str,
    holder: &str,
    now: UtcSecond,
    life: Duration,
) -> Result<Lease, LeaseError> {
    let prefix = format!("lease/{slot}/");
    loop {
        let last = last(store, &prefix)?;
        if let Some(fence) = last {
            let object = read(store, &format!("{prefix}{fence}"))?;
            if now < object.expires && object.holder != holder {
                let (holder, expires) = (object.holder, object.expires);
                return Err(LeaseError::Held { slot: slot.to_owned(), holder, expires });
            }
        }
        let fence = last.map_or(1, |fence| fence + 1);
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let key = format!("{prefix}{fence}");
        let expires = UtcSecond::from_unix(now.unix().saturating_add(life));
        let expires = expires.ok_or_else(|| unreadable(&key, &"its end is no date"))?;
        let object = Object { holder: holder.to_owned(), expires: expires.to_string() };
        let mut bytes = serde_json::to_vec(&object).map_err(|error| unreadable(&key, &error))?;
        bytes.push(b'\n');
        if store.create(&key, &bytes)? == Creation::Created {
            return Ok(Lease { fence, expires });
        }
        // Another task was faster; or it was ours, and its answer was lost: then the next one is ours too.
    }
}

/// The newest fence of a slot.
fn last(store: &dyn LogStore, prefix: &str) -> Result<Option<u64>, LeaseError> {
    let keys = store.list(prefix)?;
    let mut newest = None;
    for key in &keys {
        let fence = key.strip_prefix(prefix).and_then(|fence| fence.parse::<u64>().ok());
        let fence = fence.ok_or_else(|| unreadable(key, &"its name is no number"))?;
        newest = newest.max(Some(fence));
    }
    Ok(newest)
}

struct Read {
    holder: String,
    expires: UtcSecond,
}

fn read(store: &dyn LogStore, key: &str) -> Result<Read, LeaseError> {
    let (bytes, _) = store.get(key)?.ok_or_else(|| unreadable(key, &"it is gone"))?;
    let object: Object = serde_json::from_slice(&bytes).map_err(|error| unreadable(key, &error))?;
    let expires = UtcSecond::parse(&object.expires).ok_or_else(|| unreadable(key, &"expires is no time"))?;
    Ok(Read { holder: object.holder, expires })
}

fn unreadable(key: &str, what: &dyn ToString) -> LeaseError {
    LeaseError::Unreadable { key: key.to_owned(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::store::FolderLogStore;

    use super::*;

    const SLOT: &str = "20261122T020000Z";
    const LIFE: Duration = Duration::from_hours(1);

    fn at(text: &str) -> UtcSecond {
        UtcSecond::parse(text).unwrap()
    }

    #[test]
    fn a_lease_is_had_by_one_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path());
        let start = at("2026-11-22T02:00:00Z");
        let lease = acquire(&store, SLOT, "a", start, LIFE).unwrap();
        assert_eq!(lease, Lease { fence: 1, expires: at("2026-11-22T03:00:00Z") });
        for now in ["2026-11-22T02:00:00Z", "2026-11-22T02:59:59Z"] {
            let held = acquire(&store, SLOT, "b", at(now), LIFE).unwrap_err().to_string();
            assert_eq!(held, "slot 20261122T020000Z is held by a until 2026-11-22T03:00:00Z");
        }
        let next = acquire(&store, SLOT, "b", at("2026-11-22T03:00:00Z"), LIFE).unwrap();
        assert_eq!(next, Lease { fence: 2, expires: at("2026-11-22T04:00:00Z") });
        // The holder that was started again goes on, under a fence of its own; the other waits for that one's end.
        let again = acquire(&store, SLOT, "b", at("2026-11-22T03:30:00Z"), LIFE).unwrap();
        assert_eq!(again, Lease { fence: 3, expires: at("2026-11-22T04:30:00Z") });
        let held = acquire(&store, SLOT, "a", at("2026-11-22T04:00:00Z"), LIFE);
        assert!(matches!(held, Err(LeaseError::Held { .. })));
        assert!(acquire(&store, "20261123T020000Z", "c", start, LIFE).is_ok(), "another slot");
    }

    #[test]
    fn of_many_that_ask_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path());
        for round in 0..20 {
            let now = UtcSecond::from_unix(1_790_000_000 + round * 3600).unwrap();
            let held = std::thread::scope(|scope| {
                let ask = |name: usize| {
                    let store = &store;
                    scope.spawn(move || acquire(store, SLOT, &name.to_string(), now, LIFE).is_ok())
                };
                let threads: Vec<_> = (0..4).map(ask).collect();
                threads.into_iter().map(|it| it.join().unwrap()).filter(|it| *it).count()
            });
            assert_eq!(held, 1, "round {round}");
        }
        assert_eq!(store.list("lease/").unwrap().len(), 20);
    }

    #[test]
    fn a_lease_that_cannot_be_read_is_refused() {
        for (name, bytes) in
            [("1", "{}"), ("1", "{\"holder\":\"a\",\"expires\":\"soon\"}"), ("one", "{}"), ("1", "")]
        {
            let folder = tempfile::tempdir().unwrap();
            let store = FolderLogStore::new(folder.path());
            store.create(&format!("lease/{SLOT}/{name}"), bytes.as_bytes()).unwrap();
            let refused = acquire(&store, SLOT, "b", at("2026-11-22T03:00:00Z"), LIFE);
            assert!(matches!(refused, Err(LeaseError::Unreadable { .. })), "{name} {bytes}");
        }
    }
}
