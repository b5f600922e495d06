//! `status/<scope>.json`: the last slots, for people who have no shell where the service runs.
//!
//! The one page of a store, beside the checkpoint, that is overwritten. It is a convenience and proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evidenced_bundle::BagId;
use evidenced_bundle::run::RunSummary;
use evidenced_bundle::store::{LogStore, Replacement, StoreError};
use evidenced_core::moment;
use serde::{Deserialize, Serialize};

use super::metrics::RunNumbers;
use crate::publish::Published;

/// Slots that are kept on the page.
const ENTRIES: usize = 100;
/// Open gaps that are kept on the page.
const GAPS: usize = 10_000;
/// How often a page that another task writes too is tried.
const ATTEMPTS: usize = 5;

/// What the page is about.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) scope: String,
    pub(crate) schedule: String,
    /// When the next slot is due, seconds since 1970.
    pub(crate) next: i64,
    /// When the page is written.
    pub(crate) at: i64,
}

/// One bundle on the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) id: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    pub(crate) gaps: u64,
}

/// The page.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) scope: String,
    schedule: String,
    version: String,
    pub(crate) written_at: String,
    next_slot: String,
    /// Open gaps of the newest bundle with evidence, as `account/region/item`.
    #[serde(default)]
    open_gaps: BTreeSet<String>,
    pub(crate) bundles: Vec<Entry>,
}

impl Entry {
    /// A bundle that is in the store.
    pub(crate) fn of(published: &Published) -> Self {
        Self {
            id: published.id.to_string(),
            status: published.run.status.word().to_owned(),
            log_index: published.leaf.as_ref().map(|leaf| leaf.index),
            sha256: Some(published.sha256.to_string()),
            bytes: Some(published.bytes),
            gaps: published.run.gaps.len().try_into().unwrap_or(u64::MAX),
        }
    }

    /// A slot that nobody collected.
    pub(crate) fn missed(id: &BagId) -> Self {
        let status = "missed".to_owned();
        Self { id: id.to_string(), status, log_index: None, sha256: None, bytes: None, gaps: 0 }
    }
}

/// Where the page of a scope is.
pub(crate) fn key(scope: &str) -> String {
    format!("status/{scope}.json")
}

/// The open gaps of a run, as `account/region/item`.
pub(crate) fn open_gaps(run: &RunSummary) -> BTreeSet<String> {
    run.gaps.iter().take(GAPS).map(|gap| format!("{}/{}/{}", gap.account, gap.region, gap.item)).collect()
}

/// How many gaps the run before did not have, and how many it had.
pub(crate) fn new_and_old(before: &BTreeSet<String>, open: &BTreeSet<String>) -> (i64, i64) {
    let old = open.intersection(before).count();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    (count(open.len() - old), count(old))
}

/// What a run ended with, as numbers.
pub(crate) fn numbers(published: &Published, took: Duration, now: i64, gaps: (i64, i64)) -> RunNumbers {
    let count = |count: &u64| i64::try_from(*count).unwrap_or(i64::MAX);
    let cells: BTreeMap<&'static str, i64> =
        published.run.cells.iter().map(|(word, cells)| (*word, count(cells))).collect();
    let of = |word: &str| cells.get(word).copied().unwrap_or(0);
    let whole = of("complete") + of("not-enabled") + of("not-offered");
    let planned = whole + of("partial") + of("denied") + of("failed");
    let share = |part: i64| f64::from(i32::try_from(part).unwrap_or(i32::MAX));
    RunNumbers {
        result: published.run.status.word(),
        ended: now,
        seconds: took.as_secs_f64(),
        gaps,
        coverage: if planned == 0 { 1.0 } else { share(whole) / share(planned) },
        cells,
        verdicts: published
            .verdicts
            .as_ref()
            .map(|rows| rows.iter().map(|(word, rows)| (word.clone(), count(rows))).collect()),
        bytes: i64::try_from(published.bytes).unwrap_or(i64::MAX),
    }
}

/// Adds bundles to the page, newest first; gives the open gaps that the page had, where there was one. Without a run
/// among the bundles the page keeps its gaps.
pub(crate) fn write(
    store: &dyn LogStore,
    about: &About,
    fresh: &[Entry],
    open: Option<&BTreeSet<String>>,
) -> Result<Option<BTreeSet<String>>, StoreError> {
    let key = key(&about.scope);
    for _ in 0..ATTEMPTS {
        let (before, version) = match store.get(&key)? {
            Some((bytes, version)) => (serde_json::from_slice::<Page>(&bytes).ok(), Some(version)),
            None => (None, None),
        };
        let gaps = before.as_ref().map(|page| page.open_gaps.clone());
        let old = before.map(|page| page.bundles).unwrap_or_default();
        let old = old.into_iter().filter(|old| !fresh.iter().any(|new| new.id == old.id));
        let page = Page {
            scope: about.scope.clone(),
            schedule: about.schedule.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            written_at: moment::seconds(about.at),
            next_slot: moment::seconds(about.next),
            open_gaps: open.or(gaps.as_ref()).cloned().unwrap_or_default(),
            bundles: fresh.iter().cloned().chain(old).take(ENTRIES).collect(),
        };
        let text =
            serde_json::to_string_pretty(&page).map_err(|error| StoreError::new("write", &key, error))?;
        let bytes = (text + "\n").into_bytes();
        if store.replace(&key, &bytes, version.as_ref())? == Replacement::Replaced {
            return Ok(gaps);
        }
    }
    Err(StoreError::new("write", &key, "another task writes it all the time"))
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::store::FolderLogStore;

    use super::*;

    #[test]
    fn the_page_keeps_the_newest_bundles_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderLogStore::new(folder.path());
        for day in 1..=120_i64 {
            let at = 1_790_000_000 + day * 86_400;
            let about =
                About { scope: "prod".to_owned(), schedule: "0 2 * * *".to_owned(), next: at + 86_400, at };
            let entry = Entry {
                id: format!("evidence-{day}"),
                status: "complete".to_owned(),
                log_index: Some(0),
                sha256: None,
                bytes: None,
                gaps: 0,
            };
            let gap = |day: i64| BTreeSet::from([format!("111122223333/eu-west-1/item-{day}")]);
            let entry = [entry];
            let before = write(&store, &about, &entry, Some(&gap(day))).unwrap();
            assert_eq!(before, (day > 1).then(|| gap(day - 1)));
            // Without a run the gaps stay.
            write(&store, &about, &entry, None).unwrap();
        }
        let (bytes, _) = store.get("status/prod.json").unwrap().unwrap();
        let page: Page = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(page.bundles.len(), ENTRIES);
        assert_eq!(page.bundles[0].id, "evidence-120");
        assert_eq!(page.bundles[99].id, "evidence-21");
        store
            .replace(
                "status/prod.json",
                b"not a page",
                Some(&store.get("status/prod.json").unwrap().unwrap().1),
            )
            .unwrap();
        let about = About { scope: "prod".to_owned(), schedule: "0 2 * * *".to_owned(), next: 1, at: 0 };
        assert_eq!(write(&store, &about, &page.bundles[..1], None).unwrap(), None);
    }

    #[test]
    fn a_gap_that_the_run_before_had_is_not_new() {
        let gaps = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(new_and_old(&gaps(&["a", "b"]), &gaps(&["b", "c", "d"])), (2, 1));
        assert_eq!(new_and_old(&gaps(&["a"]), &gaps(&[])), (0, 0));
    }
}
