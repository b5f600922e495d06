//! What of a store is settled, so that a service need not list all of it for each run.
//!
//! Keys are dated. Behind the mark every bundle is listed at every look; before it each has its leaf and its sidecars,
//! but for those that are remembered and looked at again. The mark stands a day before the newest slot of the log (and
//! before now), so that whoever still works on a bundle of these days is seen. All is listed by the first look of a
//! process and once a day: what another writer left far behind the mark and died over (a supplement of an old slot, a
//! bundle that waited in another spool) is found then, as it is by that writer's own next start.
//!
//! Only lists are saved by it: whether the store is that of before is asked of the checkpoint each time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evidenced_bundle::store::{LogStore, StoreError};
use evidenced_bundle::{BagId, UtcSecond};

/// All keys of bundles.
const BUNDLES: &str = "bundles/";
/// How long the mark is trusted, by the machine's clock: the service's may be set.
const COMPLETE_EVERY: Duration = Duration::from_hours(24);
const DAY_SECONDS: i64 = 86_400;

/// What a process knows of its store. Clones are one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled(Arc<Mutex<Option<Known>>>);

#[derive(Debug, Clone)]
struct Known {
    /// Of the last complete look.
    since: Instant,
    /// What sorts before it is settled, but for `open`.
    mark: String,
    open: BTreeSet<BagId>,
}

/// Keys of the store at one moment.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) keys: Vec<String>,
    /// Of the last complete look, which may be this one.
    since: Instant,
    pub(super) extent: Extent,
}

/// How much of the store a look has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// What is behind the mark, and what was open before it.
    Unsettled,
}

impl Settled {
    /// The keys of every bundle that may not be settled; all keys where that is not known.
    pub(super) fn look(&self, store: &dyn LogStore, now: Instant) -> Result<Look, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(known) = known.filter(|it| now.saturating_duration_since(it.since) < COMPLETE_EVERY) else {
            return all(store, now);
        };
        let mut keys = store.list_after(BUNDLES, &known.mark)?;
        for id in &known.open {
            keys.extend(store.list(&id.store_key())?);
        }
        keys.sort();
        keys.dedup();
        Ok(Look { keys, since: known.since, extent: Extent::Unsettled })
    }

    /// All that a look had is settled, but for `open`. The mark follows the newest slot of the log, and the clock where
    /// that is behind it.
    pub(super) fn learn(&self, look: &Look, newest: i64, now: i64, open: BTreeSet<BagId>) {
        let day = UtcSecond::from_unix(newest.min(now).saturating_sub(DAY_SECONDS));
        let Some(day) = day.map(|day| day.date().replace('-', "/")) else { return };
        let mark = format!("{BUNDLES}{day}/");
        let open = open.into_iter().filter(|id| id.store_key() <= mark).collect();
        let known = Known { since: look.since, mark, open };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// Everything, whatever is settled.
pub(super) fn all(store: &dyn LogStore, now: Instant) -> Result<Look, StoreError> {
    Ok(Look { keys: store.list(BUNDLES)?, since: now, extent: Extent::All })
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::Kind;
    use evidenced_bundle::Scope;
    use evidenced_bundle::store::FolderLogStore;

    use super::*;

    const FIRST: i64 = 1_790_000_000;

    fn id(day: i64) -> BagId {
        let slot = UtcSecond::from_unix(FIRST + day * DAY_SECONDS).unwrap();
        BagId::new(Scope::new("prod").unwrap(), slot, Kind::Schedule)
    }

    fn slot(day: i64) -> i64 {
        id(day).slot().unix()
    }

    fn stored(days: std::ops::Range<i64>) -> (tempfile::TempDir, FolderLogStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path());
        for day in days {
            store.create(&id(day).store_key(), b"zip").unwrap();
        }
        (folder, store)
    }

    #[test]
    fn what_is_listed_does_not_grow_with_the_age_of_the_store() {
        let (_folder, store) = stored(0..1);
        let (settled, now) = (Settled::default(), Instant::now());
        let mut listed = Vec::new();
        for day in 1..40 {
            store.create(&id(day).store_key(), b"zip").unwrap();
            let look = settled.look(&store, now).unwrap();
            listed.push((look.extent, look.keys.len()));
            settled.learn(&look, slot(day), slot(day), BTreeSet::new());
        }
        assert_eq!(listed[0], (Extent::All, 2));
        assert!(listed[2..].iter().all(|look| *look == (Extent::Unsettled, 3)), "{listed:?}");
    }

    #[test]
    fn all_is_listed_by_each_process_and_once_a_day() {
        let (_folder, store) = stored(0..30);
        let (settled, now) = (Settled::default(), Instant::now());
        let look = settled.look(&store, now).unwrap();
        settled.learn(&look, slot(29), slot(29), BTreeSet::new());
        assert_eq!(Settled::default().look(&store, now).unwrap().extent, Extent::All);
        let later = now + Duration::from_secs(86_399);
        let look = settled.clone().look(&store, later).unwrap();
        assert_eq!((look.extent, look.keys.len()), (Extent::Unsettled, 2));
        // What a look of a part teaches does not put the complete one off.
        settled.learn(&look, slot(29), slot(29), BTreeSet::new());
        let look = settled.look(&store, now + COMPLETE_EVERY).unwrap();
        assert_eq!((look.extent, look.keys.len()), (Extent::All, 30));
    }

    #[test]
    fn what_is_open_before_the_mark_is_looked_at_each_time_with_what_lies_beside_it() {
        let (_folder, store) = stored(0..30);
        store.create(&format!("{}.sshsig", id(3).store_key()), b"sig").unwrap();
        let (settled, now) = (Settled::default(), Instant::now());
        for _ in 0..3 {
            let look = settled.look(&store, now).unwrap();
            let old: Vec<_> = look.keys.iter().filter(|key| key.contains(&id(3).to_string())).collect();
            assert_eq!(old.len(), 2, "{old:?}");
            // What is open behind the mark is listed anyway, once.
            settled.learn(&look, slot(29), slot(29), BTreeSet::from([id(3), id(29)]));
        }
        let look = settled.look(&store, now).unwrap();
        assert_eq!(look.keys.len(), 4);
        settled.learn(&look, slot(29), slot(29), BTreeSet::new());
        assert_eq!(settled.look(&store, now).unwrap().keys.len(), 2);
    }

    #[test]
    fn a_clock_that_is_behind_the_log_keeps_the_mark_behind_itself() {
        let (_folder, store) = stored(0..30);
        let (settled, now) = (Settled::default(), Instant::now());
        let look = settled.look(&store, now).unwrap();
        settled.learn(&look, slot(29), slot(9), BTreeSet::new());
        assert_eq!(settled.look(&store, now).unwrap().keys.len(), 22);
    }
}
