//! The one path of a run: accounts -> regions -> plan -> cells -> rows.
//!
//! Promised: every planned cell ends as a row; what is excluded is a row with its reason; documents go to the scratch
//! space as they come, so memory is bounded by what is in flight. Refused: a run that goes on when the scratch space
//! cannot be written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use evidenced_bundle::BundlePath;
use evidenced_bundle::digest::Digest;
use evidenced_bundle::path::PathError;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::collect::{self, Cell, Collected, Context};
use crate::gaps::AcceptedGap;
use crate::item::{GLOBAL, Item, Scope, catalogue};
use crate::moment;
use crate::pattern::matches;
use crate::plan::{self, Known, Plan, PlannedAccount, PlannedRegion, RegionState, Regions, Target};
use crate::redact::Redactor;
use crate::shape::Shapes;
use crate::snapshot::{Row, Snapshot, Status, Written};
use crate::source::{Account, Failure, FailureKind, Source};

/// Items of one target that may be under way at once.
const ITEMS_AT_ONCE: usize = 4;

/// The item that the plan is made from.
const REGIONS_ITEM: &str = "account.regions";

/// Where documents go while a run is under way.
pub trait Scratch: Sync {
    /// Writes a new file of the bag; the bytes are on disk or the run ends.
    fn write(&self, path: &str, bytes: &[u8]) -> std::io::Result<()>;
}

/// What time it is.
pub trait Clock: Sync {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;
}

/// Told what happens, cell by cell: logs and the progress bar.
pub trait Observer: Sync {
    /// So many cells will be asked.
    fn planned(&self, cells: usize);
    /// A cell ended.
    fn ended(&self, row: &Row);
    /// Every cell of an account in a region has ended, those that were not asked too: it can be judged.
    fn finished(&self, _place: Place<'_>) {}
}

/// The cells of one account in one region, when all of them have ended.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// When the run started, seconds since 1970.
    pub started: i64,
    /// The account.
    pub account: &'a str,
    /// The region, or `global`.
    pub region: &'a str,
    /// So many places has the account.
    pub places: usize,
    /// A row for each cell.
    pub rows: &'a [Row],
}

/// What a run needs to know besides whom to ask.
#[derive(Debug)]
pub struct Settings {
    /// Which regions.
    pub regions: Regions,
    /// Which items: `*`, an id, or a prefix that ends in `*`.
    pub items: Vec<String>,
    /// Regions by partition, for accounts whose own list cannot be read.
    pub partitions: BTreeMap<String, Vec<String>>,
    /// The region that answers for `global` cells, where the configuration names one.
    pub home: Option<String>,
    /// Gaps that are expected.
    pub accepted: Vec<AcceptedGap>,
    /// The redaction table.
    pub redactor: Redactor,
    /// Keep response bodies.
    pub raw: bool,
    /// Targets (account x region) that may be under way at once.
    pub concurrency: usize,
    /// The slot, seconds since 1970: what acceptances are judged by.
    pub slot: i64,
    /// Only these cells; none: every planned one. A supplement asks what another run could not read.
    pub only: Option<Cells>,
}

/// Cells, by account, region (or `global`) and item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells(BTreeSet<(String, String, String)>);

impl Cells {
    /// Those of account, region and item.
    pub fn new(cells: impl IntoIterator<Item = (String, String, String)>) -> Self {
        Self(cells.into_iter().collect())
    }

    /// Whether a cell is among them.
    pub fn contains(&self, account: &str, region: &str, item: &str) -> bool {
        self.0.contains(&(account.to_owned(), region.to_owned(), item.to_owned()))
    }

    /// Whether some cell of an account is among them.
    pub fn has_account(&self, account: &str) -> bool {
        self.0.iter().any(|(found, _, _)| found == account)
    }

    /// Account, region and item of each, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(|(account, region, item)| (account.as_str(), region.as_str(), item.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a run ended without a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A name that AWS gave cannot be part of a path: nothing is written outside the run's folder.
    #[error("{path:?} cannot be the name of a file in a bundle")]
    Path {
        /// The path that would have been written.
        path: String,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// The scratch space refused a file.
    #[error("scratch space: cannot write {path}")]
    Scratch {
        /// Path in the bag.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Everything that a run talks to.
#[derive(Debug)]
pub struct World<'a, S, K, C, O> {
    /// Who answers requests.
    pub source: &'a S,
    /// Where documents go.
    pub scratch: &'a K,
    /// What time it is.
    pub clock: &'a C,
    /// Who is told.
    pub observer: &'a O,
    /// The shape tables.
    pub shapes: &'a Shapes,
}

/// An account with what was found at its door.
struct Entered {
    target: Target,
    door: Result<String, Failure>,
    regions: Vec<PlannedRegion>,
    home: String,
    rows: Vec<(Row, Vec<Written>)>,
}

/// Collects everything of every target.
pub async fn run<S: Source, K: Scratch, C: Clock, O: Observer>(
    world: &World<'_, S, K, C, O>,
    settings: &Settings,
    targets: Vec<Target>,
) -> Result<Snapshot, RunError> {
    let started = world.clock.now_ms().div_euclid(1000);
    let context = Context {
        source: world.source,
        shapes: world.shapes,
        redactor: &settings.redactor,
        raw: settings.raw,
    };
    let engine = Engine { world, settings, context, started };
    let wanted =
        |target: &Target| settings.only.as_ref().is_none_or(|only| only.has_account(&target.account.id));
    let entered: Vec<Entered> = stream::iter(targets.into_iter().filter(wanted))
        .map(|target| engine.enter(target))
        .buffer_unordered(settings.concurrency.max(1))
        .try_collect()
        .await?;
    let cells = engine.cells(&entered);
    world.observer.planned(cells.iter().map(|(_, _, _, items)| items.len()).sum());
    let collected: Vec<Vec<(Row, Vec<Written>)>> = stream::iter(&cells)
        .map(|(account, region, enabled, items)| engine.target(account, region, *enabled, items))
        .buffer_unordered(settings.concurrency.max(1))
        .try_collect()
        .await?;
    let ended = world.clock.now_ms().div_euclid(1000);

    let mut rows: Vec<Row> = Vec::new();
    let mut written: Vec<Written> = Vec::new();
    let mut accounts: Vec<PlannedAccount> = Vec::new();
    for (row, files) in collected.into_iter().flatten() {
        rows.push(row);
        written.extend(files);
    }
    for account in entered {
        rows.extend(engine.unasked(&account, None));
        for (row, files) in account.rows {
            rows.push(row);
            written.extend(files);
        }
        accounts.push(PlannedAccount {
            id: account.target.account.id,
            name: account.target.account.name,
            partition: account.target.account.partition,
            in_scope: account.target.in_scope,
            owner: account.target.owner,
            reason: account.target.excluded,
            regions: account.regions,
        });
    }
    for row in &mut rows {
        if row.status.is_gap() {
            row.accepted = settings.accepted.iter().find_map(|gap| gap.covers(row, settings.slot));
        }
    }
    accounts.sort_by(|a, b| a.id.cmp(&b.id));
    written.sort_by(|a, b| a.path.cmp(&b.path));
    rows.sort_by(|a, b| (&a.account, &a.region, &a.item).cmp(&(&b.account, &b.region, &b.item)));
    Ok(Snapshot { plan: Plan { accounts }, rows, written, started, ended })
}

struct Engine<'a, S, K, C, O> {
    world: &'a World<'a, S, K, C, O>,
    settings: &'a Settings,
    context: Context<'a, S>,
    started: i64,
}

impl<S: Source, K: Scratch, C: Clock, O: Observer> Engine<'_, S, K, C, O> {
    /// Who are we in this account, and which regions does it have?
    async fn enter(&self, target: Target) -> Result<Entered, RunError> {
        let home = self.home(&target.account.partition);
        if target.excluded.is_some() {
            let door = Ok(String::new());
            return Ok(Entered { target, door, regions: Vec::new(), home, rows: Vec::new() });
        }
        let door = self.world.source.principal(&target.account).await;
        let door =
            door.and_then(|principal| same_account(&target.account, principal, self.world.clock.now_ms()));
        let mut rows = Vec::new();
        let mut known = None;
        for item in catalogue().into_iter().filter(|item| item.id == REGIONS_ITEM) {
            let collected = self.ask(&target.account, &door, GLOBAL, &home, true, item).await;
            known = collected.first_output.as_deref().and_then(Known::from_output);
            let reason = collected.error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
            known = Some(known.unwrap_or_else(|| Known::Unread {
                reason: reason.unwrap_or_else(|| "DescribeRegions gave no list of regions".to_owned()),
                partition:
                    self.settings.partitions.get(&target.account.partition).cloned().unwrap_or_default(),
            }));
            // A supplement looks at the regions to find its cells: they are evidence of it only where they were a gap.
            if self.wanted(&target.account.id, GLOBAL, item.id) {
                rows.push(self.keep(&target.account, GLOBAL, item, collected)?);
            }
        }
        let regions = known.map(|known| plan::regions(&known, &self.settings.regions)).unwrap_or_default();
        Ok(Entered { target, door, regions, home, rows })
    }

    fn home(&self, partition: &str) -> String {
        let fallback = match partition {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        };
        self.settings.home.clone().unwrap_or_else(|| fallback.to_owned())
    }

    fn wanted(&self, account: &str, region: &str, item: &str) -> bool {
        self.settings.only.as_ref().is_none_or(|only| only.contains(account, region, item))
    }

    fn selected(&self, item: &Item) -> bool {
        item.id == REGIONS_ITEM || self.settings.items.iter().any(|pattern| matches(pattern, item.id))
    }

    /// What is left to ask: account, region, whether the account says that it is enabled, items.
    fn cells<'e>(&self, entered: &'e [Entered]) -> Vec<(&'e Entered, &'e str, bool, Vec<&'static Item>)> {
        let wanted = |scope: Scope, account: &Entered, region: &str| -> Vec<&'static Item> {
            catalogue()
                .into_iter()
                .filter(|item| item.scope == scope && item.id != REGIONS_ITEM && self.selected(item))
                .filter(|item| self.wanted(&account.target.account.id, region, item.id))
                .collect()
        };
        let mut cells = Vec::new();
        for account in entered.iter().filter(|it| it.target.excluded.is_none()) {
            cells.push((account, GLOBAL, true, wanted(Scope::Account, account, GLOBAL)));
            for region in account.regions.iter().filter(|region| region.planned) {
                let enabled = region.state == RegionState::Enabled;
                let items = wanted(Scope::Region, account, &region.name);
                cells.push((account, region.name.as_str(), enabled, items));
            }
        }
        cells.retain(|(.., items)| !items.is_empty() || self.settings.only.is_none());
        cells
    }

    /// Rows of what is not asked: excluded accounts, regions and items, regions that are not opted in.
    /// With `only`, those of one region.
    fn unasked(&self, account: &Entered, only: Option<&str>) -> Vec<Row> {
        let id = &account.target.account.id;
        let wanted = |region: &str| only.is_none_or(|only| only == region);
        let mut rows = Vec::new();
        let excluded = account.target.excluded.as_deref();
        for item in catalogue() {
            if item.scope == Scope::Account {
                if !wanted(GLOBAL) {
                    continue;
                }
                let reason = excluded.or_else(|| (!self.selected(item)).then_some(NOT_SELECTED));
                rows.extend(reason.map(|it| Row::unasked(id, GLOBAL, item.id, Status::Excluded, it)));
                continue;
            }
            for region in account.regions.iter().filter(|region| wanted(&region.name)) {
                let reason = region.reason.as_deref().unwrap_or(NOT_SELECTED);
                let status = match (region.planned, region.state) {
                    (false, RegionState::NotOptedIn) => Status::RegionDisabled,
                    (false, _) => Status::Excluded,
                    (true, _) if !self.selected(item) => Status::Excluded,
                    (true, _) => continue,
                };
                let reason = if region.planned { NOT_SELECTED } else { reason };
                rows.push(Row::unasked(id, &region.name, item.id, status, reason));
            }
        }
        rows.retain(|row| self.wanted(&row.account, &row.region, &row.item));
        rows
    }

    /// Everything of one account in one region.
    async fn target(
        &self,
        entered: &Entered,
        region: &str,
        enabled: bool,
        items: &[&'static Item],
    ) -> Result<Vec<(Row, Vec<Written>)>, RunError> {
        let account = &entered.target.account;
        let rows = stream::iter(items)
            .map(|item| async move {
                let collected = self.ask(account, &entered.door, region, &entered.home, enabled, item).await;
                let kept = self.keep(account, region, item, collected)?;
                self.world.observer.ended(&kept.0);
                Ok(kept)
            })
            .buffer_unordered(ITEMS_AT_ONCE)
            .try_collect()
            .await;
        self.world.source.release(account, region);
        let rows: Vec<(Row, Vec<Written>)> = rows?;
        let before = entered.rows.iter().filter(|(row, _)| row.region == region);
        let asked = rows.iter().chain(before).map(|(row, _)| row.clone());
        let all: Vec<Row> = asked.chain(self.unasked(entered, Some(region))).collect();
        let places = 1 + entered.regions.iter().filter(|region| region.planned).count();
        let (started, account) = (self.started, account.id.as_str());
        self.world.observer.finished(Place { started, account, region, places, rows: &all });
        Ok(rows)
    }

    async fn ask(
        &self,
        account: &Account,
        door: &Result<String, Failure>,
        region: &str,
        home: &str,
        known_enabled: bool,
        item: &'static Item,
    ) -> Collected {
        let principal = door.as_ref().map_or("", String::as_str);
        let cell = Cell { account, principal, region, home, known_enabled, item };
        match door {
            Ok(_) => collect::collect(&self.context, cell).await,
            Err(failure) => collect::closed_door(cell, failure),
        }
    }

    /// Writes what was collected and makes its row.
    fn keep(
        &self,
        account: &Account,
        region: &str,
        item: &Item,
        collected: Collected,
    ) -> Result<(Row, Vec<Written>), RunError> {
        let mut row = Row::unasked(&account.id, region, item.id, collected.status, "");
        row.reason = collected.reason;
        row.error = collected.error;
        row.pages = Some(collected.pages);
        row.request_ids = collected.request_ids;
        if collected.started_at_ms > 0 {
            row.started_at = Some(moment::milliseconds(collected.started_at_ms));
            row.finished_at = Some(moment::milliseconds(collected.finished_at_ms));
        }
        let mut files = Vec::new();
        if let Some(document) = collected.document {
            let path = format!("data/evidence/{}/{region}/{}.json", account.id, item.id);
            let written = self.write(path, &document)?;
            row.file = Some(written.path.clone());
            row.sha256 = Some(written.sha256.clone());
            row.resources = Some(collected.resources);
            files.push(written);
        }
        for (name, body) in collected.bodies {
            let body: Bytes = body;
            files.push(self.write(format!("data/raw/{}/{region}/{}/{name}", account.id, item.id), &body)?);
        }
        Ok((row, files))
    }

    fn write(&self, path: String, bytes: &[u8]) -> Result<Written, RunError> {
        // Account ids and region names are what AWS, or whoever answers in its place, said.
        if let Err(source) = BundlePath::new(path.clone()) {
            return Err(RunError::Path { path, source });
        }
        match self.world.scratch.write(&path, bytes) {
            Ok(()) => Ok(Written {
                path,
                sha256: Digest::of(bytes).to_string(),
                bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            }),
            Err(source) => Err(RunError::Scratch { path, source }),
        }
    }
}

/// Evidence of one account must never be filed under another: the caller's ARN names its account.
pub fn same_account(account: &Account, principal: String, now_ms: i64) -> Result<String, Failure> {
    let found = principal.split(':').nth(4).unwrap_or_default();
    if found == account.id {
        return Ok(principal);
    }
    Err(Failure {
        kind: FailureKind::Credentials,
        code: "WrongAccount".to_owned(),
        message: format!(
            "the credentials are of {principal}, not of account {}: configure a role",
            account.id
        ),
        attempts: 0,
        started_at_ms: now_ms,
        finished_at_ms: now_ms,
        endpoint: None,
    })
}

const NOT_SELECTED: &str = "not selected in [collect] items";

/// Distinct planned regions over all accounts: the number in `scope.regions`.
pub fn planned_regions(plan: &Plan) -> usize {
    plan.accounts
        .iter()
        .flat_map(|account| &account.regions)
        .filter(|region| region.planned)
        .map(|region| region.name.as_str())
        .collect::<BTreeSet<_>>()
        .len()
}

#[cfg(test)]
mod tests;
