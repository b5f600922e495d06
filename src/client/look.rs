//! What is shown of a bundle: its statement, and beside it what the store has of it.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_bundle::attest::{Demand, Timeliness, Undated, attest};
use evidenced_bundle::check::printable;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::shelf::StoreShelf;
use evidenced_bundle::statement::Statement;
use evidenced_bundle::store::StoreError;
use evidenced_bundle::trust::Recomputed;
use evidenced_bundle::{Digest, Kind, PartId, Sidecars, UtcSecond};
use serde::Serialize;

use super::Client;
use crate::daemon::status::{self, Page};

/// Requests of a bucket that are on their way at once.
const AT_ONCE: usize = 8;

/// What became of the date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Date {
    /// A timestamp says so, in time.
    By(String),
    /// A timestamp that is more than a day late, or earlier than what it dates.
    Odd(String),
    /// None.
    No,
    /// What lies beside the zip proves nothing.
    Refused(String),
}

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) slot: String,
    pub(crate) id: String,
    pub(crate) trigger: &'static str,
    pub(crate) status: &'static str,
    /// Without acceptance: 0 for a complete run; for a partial one what the status page says, where it speaks of the
    /// same bundle.
    pub(crate) gaps: Option<u64>,
    /// Of the zip in the store; none: it is not there.
    pub(crate) bytes: Option<u64>,
    pub(crate) parts: usize,
    pub(crate) log_index: u64,
    pub(crate) date: Date,
    pub(crate) sha256: String,
}

impl Client {
    /// The status page; what is wrong with it otherwise.
    pub(crate) fn page(&self) -> Result<Option<Page>, String> {
        let scope = &self.loaded.config.scope;
        let found = self.store.get(&status::key(scope)).map_err(|error| {
            let why = std::error::Error::source(&error).map(|why| format!(": {why}")).unwrap_or_default();
            printable(&format!("{error}{why}"))
        })?;
        let Some((bytes, _)) = found else { return Ok(None) };
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|error| format!("is no status page: {}", printable(&error.to_string())))?;
        if page.scope == *scope { Ok(Some(page)) } else { Err("is the page of another scope".to_owned()) }
    }

    /// Every key below `bundles/`.
    pub(crate) fn keys(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.store.list("bundles/")?.into_iter().collect())
    }

    /// Rows of statements, in their order.
    pub(crate) fn rows(
        &self,
        statements: &[&Statement],
        keys: &BTreeSet<String>,
        page: Option<&Page>,
    ) -> Result<Vec<Row>, StoreError> {
        let counted = counted(page);
        let share = statements.len().div_ceil(AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let counted = &counted;
            let row = move |statement: &&Statement| self.row(statement, keys, counted);
            let work = move |share: &[&Statement]| share.iter().map(row).collect::<Result<Vec<_>, _>>();
            let threads: Vec<_> =
                statements.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
            let mut rows = Vec::new();
            for thread in threads {
                let ended =
                    thread.join().map_err(|_| StoreError::new("read", "bundles/", "a thread ended"))?;
                rows.extend(ended?);
            }
            Ok(rows)
        })
    }

    fn row(
        &self,
        statement: &Statement,
        keys: &BTreeSet<String>,
        counted: &BTreeMap<(String, String), u64>,
    ) -> Result<Row, StoreError> {
        let snapshot = &statement.snapshot;
        let (id, key) = (&snapshot.id, snapshot.id.store_key());
        let sha256 = snapshot.zip_sha256.to_string();
        Ok(Row {
            slot: id.slot().to_string(),
            id: id.to_string(),
            trigger: id.kind().trigger(),
            status: snapshot.status.word(),
            gaps: match snapshot.status {
                RunStatus::Complete => Some(0),
                RunStatus::Partial => counted.get(&(id.to_string(), sha256.clone())).copied(),
                RunStatus::Missed => None,
            },
            bytes: if keys.contains(&key) { self.store.size(&key)? } else { None },
            parts: parts(keys, statement).count(),
            log_index: statement.index,
            date: self.date(statement, keys)?,
            sha256,
        })
    }

    /// What the sidecars prove of the date. The zip is not looked at.
    fn date(&self, statement: &Statement, keys: &BTreeSet<String>) -> Result<Date, StoreError> {
        let key = statement.snapshot.id.store_key();
        let shelf = StoreShelf(&*self.store);
        let sidecars = Sidecars::read(|suffix, limit| {
            let key = format!("{key}{suffix}");
            if keys.contains(&key) { evidenced_bundle::Shelf::small(&shelf, &key, limit) } else { Ok(None) }
        });
        let sidecars = sidecars.map_err(|error| StoreError::new("read", &key, error))?;
        let demand = Demand { undated: Undated::Accepted, log: Recomputed::MatchesUnrevoked };
        let name = statement.snapshot.id.file_name();
        let attested = match attest(&name, None, &sidecars, &self.trust, &demand, &mut |_, _| {}) {
            Ok(attested) => attested,
            Err(error) => return Ok(Date::Refused(printable(&error.to_string()))),
        };
        let index = usize::try_from(statement.index).unwrap_or(usize::MAX);
        if self.history.leaves().get(index) != Some(&Digest::of(&attested.leaf)) {
            return Ok(Date::Refused("its statement is not the one in the log".to_owned()));
        }
        Ok(match (attested.dated, attested.timeliness) {
            (Some(at), Timeliness::InTime) => Date::By(at.to_string()),
            (Some(at), _) => Date::Odd(at.to_string()),
            (None, _) => Date::No,
        })
    }

    /// The newest scheduled statement.
    pub(crate) fn newest(&self) -> Option<&Statement> {
        self.history.statements().iter().rfind(|statement| is_scheduled(statement))
    }

    /// Zips of bundles that no leaf speaks of, printable.
    pub(crate) fn unlogged(&self, keys: &BTreeSet<String>) -> Vec<String> {
        let mut logged = BTreeSet::new();
        for statement in self.history.statements() {
            let id = &statement.snapshot.id;
            logged.insert(id.store_key());
            logged.extend(parts(keys, statement).map(str::to_owned));
        }
        let zips = keys.iter().filter(|key| key.strip_suffix(".zip").is_some() && !logged.contains(*key));
        zips.map(|key| printable(key)).collect()
    }
}

/// Gaps of bundles, by name and digest: a page that speaks of other bytes says nothing.
fn counted(page: Option<&Page>) -> BTreeMap<(String, String), u64> {
    let entries = page.iter().flat_map(|page| &page.bundles);
    entries
        .filter_map(|entry| Some(((entry.id.clone(), entry.sha256.clone()?), entry.gaps)))
        .filter(|(_, gaps)| *gaps > 0)
        .collect()
}

/// The keys that are named like parts of a bundle.
pub(crate) fn parts<'a>(
    keys: &'a BTreeSet<String>,
    statement: &'a Statement,
) -> impl Iterator<Item = &'a str> {
    let id = &statement.snapshot.id;
    let key = id.store_key();
    let prefix = format!("{}.part-", key.strip_suffix(".zip").unwrap_or(&key));
    let end = format!("{prefix}~");
    keys.range(prefix..end).map(String::as_str).filter(move |key| {
        let name = key.rsplit('/').next().unwrap_or(key);
        PartId::of_file_name(name).is_some_and(|part| part.root() == id)
    })
}

pub(crate) fn is_scheduled(statement: &Statement) -> bool {
    statement.snapshot.id.kind() == Kind::Schedule
}

/// The clock of this machine.
pub(crate) fn now() -> Option<UtcSecond> {
    let since = std::time::UNIX_EPOCH.elapsed().ok()?;
    UtcSecond::from_unix(i64::try_from(since.as_secs()).ok()?)
}

/// A length for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < units.len() {
        tenths /= 1000;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if bytes < 1000 { format!("{bytes} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// A span of time for people, in its largest unit and the next.
pub(crate) fn lasting(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (u64::MAX, "18446744.0 TB")]
        {
            assert_eq!(size(bytes), text);
        }
        for (seconds, text) in
            [(59, "0 min"), (3_599, "59 min"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h"), (0, "0 min")]
        {
            assert_eq!(lasting(seconds), text);
        }
    }
}
