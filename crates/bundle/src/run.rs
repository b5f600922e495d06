//! Step 10: what the run says of itself agrees with its plan, its catalogue and its files.
//!
//! `data/run.json` is a full matrix, so that silence is impossible: one row for each planned cell. This holds the
//! rows against plan x catalogue, the rows against the documents, and the status against the rows. Unknown members
//! are left alone; a missing row, a row too many, a status that its rows do not add up to are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::archive::{Files, read_error};
use crate::check::{Check, VerifyError, printable};
use crate::digest::{CHUNK_BYTES, Digest};
use crate::id::{BagId, Kind};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::path::BundlePath;
use crate::time::{UtcSecond, is_date};

/// The region of cells that belong to no region.
pub const GLOBAL: &str = "global";
const CONFIG: &str = "data/config.json";
const CATALOGUE: &str = "data/catalogue.json";
const PLAN: &str = "data/plan.json";
const RUN: &str = "data/run.json";
const RUN_PARTS: &str = "data/run/";
const EVIDENCE: &str = "data/evidence/";

/// What became of a cell: the table of `docs/EVIDENCE.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellStatus {
    /// Every call succeeded to the last page.
    Complete,
    /// Some calls failed.
    Partial,
    /// Access was denied.
    Denied,
    /// An error or a time-out after retries.
    Failed,
    /// The service says that it is not enabled: a fact.
    NotEnabled,
    /// The service has no endpoint in the region.
    NotOffered,
    /// The account has not opted in to the region.
    RegionDisabled,
    /// Left out by configuration.
    Excluded,
}

/// Whether a row comes with a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Document {
    Required,
    Possible,
    None,
}

impl CellStatus {
    const ALL: [Self; 8] = [
        Self::Complete,
        Self::Partial,
        Self::Denied,
        Self::Failed,
        Self::NotEnabled,
        Self::NotOffered,
        Self::RegionDisabled,
        Self::Excluded,
    ];

    /// The word in `run.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::NotEnabled => "not-enabled",
            Self::NotOffered => "not-offered",
            Self::RegionDisabled => "region-disabled",
            Self::Excluded => "excluded",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether planned evidence is missing.
    pub fn is_gap(self) -> bool {
        matches!(self, Self::Partial | Self::Denied | Self::Failed)
    }

    fn document(self) -> Document {
        match self {
            Self::Complete | Self::Partial | Self::NotEnabled => Document::Required,
            Self::Denied | Self::Failed => Document::Possible,
            Self::NotOffered | Self::RegionDisabled | Self::Excluded => Document::None,
        }
    }
}

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// No gap that nobody accepted.
    Complete,
    /// Some planned evidence is missing.
    Partial,
    /// There was no run.
    Missed,
}

impl RunStatus {
    /// The word in `run.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missed => "missed",
        }
    }
}

/// Why a gap is expected, by whom and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Why.
    pub reason: String,
    /// Who accepted it.
    pub approver: String,
    /// The last day on which it counts, `YYYY-MM-DD`.
    pub expires: String,
}

/// A cell whose evidence is missing, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// The item.
    pub item: String,
    /// `partial`, `denied` or `failed`.
    pub status: CellStatus,
    /// What the server said, in one printable line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why, in one printable line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who accepted it, if somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// The run of a verified bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// The slot.
    #[serde(serialize_with = "crate::report::as_text")]
    pub slot: UtcSecond,
    /// What became of it.
    pub status: RunStatus,
    /// `schedule`, `manual` or `supplement`.
    pub trigger: String,
    /// The schedule in force.
    pub schedule: String,
    /// When collecting started.
    #[serde(serialize_with = "crate::report::as_text")]
    pub started: UtcSecond,
    /// When collecting ended.
    #[serde(serialize_with = "crate::report::as_text")]
    pub ended: UtcSecond,
    /// Accounts of the plan.
    pub accounts: u64,
    /// Different regions that were planned.
    pub regions: u64,
    /// Rows by status.
    pub cells: BTreeMap<&'static str, u64>,
    /// Why there was no run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Gaps that nobody accepted.
    pub gaps: Vec<Gap>,
    /// Gaps that somebody accepted.
    pub accepted_gaps: Vec<Gap>,
}

#[derive(Deserialize)]
struct ConfigDocument {
    scope: Option<String>,
    schedule: Option<String>,
}

#[derive(Deserialize)]
struct CatalogueDocument {
    items: Vec<CatalogueItem>,
}

#[derive(Deserialize)]
struct CatalogueItem {
    id: String,
    scope: ItemScope,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum ItemScope {
    Region,
    Account,
    Organisation,
    Configured,
}

#[derive(Deserialize)]
struct PlanDocument {
    accounts: Vec<PlanAccount>,
}

#[derive(Deserialize)]
struct PlanAccount {
    id: String,
    regions: Vec<PlanRegion>,
}

#[derive(Deserialize)]
struct PlanRegion {
    name: String,
    planned: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunDocument {
    slot: String,
    status: String,
    trigger: String,
    schedule: String,
    collected: Collected,
    scope: RunScope,
    reason: Option<String>,
    cells: Option<Vec<Row>>,
    cell_files: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Collected {
    start: String,
    end: String,
}

#[derive(Deserialize)]
struct RunScope {
    accounts: u64,
    name: String,
    regions: u64,
}

#[derive(Deserialize)]
struct RunPart {
    cells: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    account: String,
    region: String,
    item: String,
    status: String,
    file: Option<String>,
    sha256: Option<String>,
    error: Option<Value>,
    reason: Option<String>,
    accepted: Option<Acceptance>,
}

impl Row {
    fn cell(&self) -> String {
        format!("{} {} {}", self.account, self.region, self.item)
    }
}

/// The head of an evidence document.
#[derive(Deserialize)]
struct EvidenceDocument {
    item: String,
    account: String,
    region: String,
    status: Option<String>,
    #[serde(default)]
    calls: Vec<EvidenceCall>,
}

#[derive(Deserialize)]
struct EvidenceCall {
    error: Option<IgnoredAny>,
}

/// The payload of a bundle whose manifest has been verified.
pub(crate) struct Payload<'a> {
    pub(crate) id: &'a BagId,
    pub(crate) manifest: &'a Manifest,
    pub(crate) files: &'a mut Files,
    pub(crate) limits: &'a Limits,
}

impl Payload<'_> {
    fn json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, VerifyError> {
        let refuse = |detail: String| VerifyError::in_file(Check::RunDocuments, path, detail);
        let path = BundlePath::new(path).map_err(|error| refuse(error.to_string()))?;
        let digest = self.manifest.digest(&path).ok_or_else(|| refuse("is missing".to_owned()))?;
        let bytes = self.files.read(&path, self.limits.json_bytes, Check::RunDocuments)?;
        // Read again since its digest was checked: what is parsed must be what was signed.
        if Digest::of(&bytes) != *digest {
            return Err(VerifyError::in_file(Check::Payload, path, "changed while it was read"));
        }
        serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))
    }
}

/// Accounts, regions and items, and which rows they ask for.
struct Matrix {
    /// Account -> region -> whether it is planned.
    accounts: BTreeMap<String, BTreeMap<String, bool>>,
    region_items: BTreeSet<String>,
    global_items: BTreeSet<String>,
}

/// Whether there must be a row for a cell.
#[derive(PartialEq, Eq)]
enum Place {
    Planned,
    /// Of a region that is not planned: a row is possible, evidence is not.
    Unplanned,
    Nowhere,
}

impl Matrix {
    fn new(plan: PlanDocument, catalogue: CatalogueDocument) -> Result<Self, VerifyError> {
        let refuse = |detail: String| Err(VerifyError::refused(Check::Coverage, detail));
        let mut matrix =
            Self { accounts: BTreeMap::new(), region_items: BTreeSet::new(), global_items: BTreeSet::new() };
        for item in catalogue.items {
            let regional = item.scope == ItemScope::Region;
            let items = if regional { &mut matrix.region_items } else { &mut matrix.global_items };
            if !items.insert(item.id.clone()) {
                return refuse(format!("the catalogue has {} twice for one scope", item.id));
            }
        }
        for account in plan.accounts {
            let mut regions = BTreeMap::new();
            for region in account.regions {
                if region.name == GLOBAL || regions.insert(region.name.clone(), region.planned).is_some() {
                    return refuse(format!(
                        "the plan of account {} has region {} twice",
                        account.id, region.name
                    ));
                }
            }
            if matrix.accounts.insert(account.id.clone(), regions).is_some() {
                return refuse(format!("the plan has account {} twice", account.id));
            }
        }
        Ok(matrix)
    }

    fn place(&self, row: &Row) -> Place {
        let Some(regions) = self.accounts.get(&row.account) else { return Place::Nowhere };
        let items = if row.region == GLOBAL { &self.global_items } else { &self.region_items };
        if !items.contains(&row.item) {
            return Place::Nowhere;
        }
        match (row.region.as_str(), regions.get(&row.region)) {
            (GLOBAL, _) | (_, Some(true)) => Place::Planned,
            (_, Some(false)) => Place::Unplanned,
            (_, None) => Place::Nowhere,
        }
    }

    /// Cells that must have a row.
    fn planned_count(&self) -> u64 {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.accounts.values().fold(0, |all: u64, regions| {
            let planned = count(regions.values().filter(|planned| **planned).count());
            let regional = planned.saturating_mul(count(self.region_items.len()));
            all.saturating_add(regional).saturating_add(count(self.global_items.len()))
        })
    }

    /// The planned cells, one by one.
    fn planned(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.accounts.iter().flat_map(move |(account, regions)| {
            let global = self.global_items.iter().map(move |item| (account.as_str(), GLOBAL, item.as_str()));
            let regional = regions.iter().filter(|(_, planned)| **planned).flat_map(move |(region, _)| {
                self.region_items.iter().map(move |item| (account.as_str(), region.as_str(), item.as_str()))
            });
            global.chain(regional)
        })
    }

    fn planned_regions(&self) -> usize {
        let planned = self.accounts.values().flatten().filter(|(_, planned)| **planned);
        planned.map(|(region, _)| region).collect::<BTreeSet<_>>().len()
    }
}

/// Rows that have been seen, and what they add up to.
#[derive(Default)]
struct Tally {
    seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    planned: u64,
    rows: u64,
    documents: u64,
    cells: BTreeMap<&'static str, u64>,
    gaps: Vec<Gap>,
    accepted_gaps: Vec<Gap>,
}

/// Step 10, in this order: documents, identity, coverage, files, status. `passed` hears of each check.
pub(crate) fn check(
    payload: &mut Payload<'_>,
    passed: &mut dyn FnMut(Check, String),
) -> Result<RunSummary, VerifyError> {
    let config: ConfigDocument = payload.json(CONFIG)?;
    let catalogue: CatalogueDocument = payload.json(CATALOGUE)?;
    let plan: PlanDocument = payload.json(PLAN)?;
    let mut run: RunDocument = payload.json(RUN)?;
    passed(Check::RunDocuments, String::new());

    let identity = identity(payload.id, &config, &run)?;
    passed(Check::RunIdentity, format!("slot {}, trigger {}", run.slot, run.trigger));

    let matrix = Matrix::new(plan, catalogue)?;
    counts(&run.scope, &matrix)?;
    if matrix.planned_count() > payload.limits.cells {
        let detail = format!("{} planned cells are more than the limit", matrix.planned_count());
        return Err(VerifyError::refused(Check::Coverage, detail));
    }
    let mut tally = Tally::default();
    let part_files = run.cell_files.take();
    parts_listed(payload.manifest, part_files.as_deref().unwrap_or_default())?;
    match (run.cells.take(), part_files) {
        (Some(rows), None) => {
            rows.into_iter().try_for_each(|row| take_row(payload, &matrix, &mut tally, row))?;
        }
        (None, Some(files)) => {
            for file in files {
                let account = file.strip_prefix(RUN_PARTS).and_then(|name| name.strip_suffix(".json"));
                let part: RunPart = payload.json(&file)?;
                for row in part.cells {
                    if Some(row.account.as_str()) != account {
                        let detail = format!("has a row of account {}", row.account);
                        return Err(VerifyError::in_file(Check::Coverage, &file, detail));
                    }
                    take_row(payload, &matrix, &mut tally, row)?;
                }
            }
        }
        _ => {
            return Err(VerifyError::in_file(Check::RunDocuments, RUN, "has not one of cells and cellFiles"));
        }
    }
    coverage(payload.id, &run, &matrix, &tally)?;
    passed(Check::Coverage, format!("{} rows, {} planned cells", tally.rows, matrix.planned_count()));

    let evidence = payload.manifest.files().keys().filter(|path| path.as_str().starts_with(EVIDENCE)).count();
    if u64::try_from(evidence).ok() != Some(tally.documents) {
        let orphan = payload.manifest.files().keys().find(|path| is_orphan(path, &tally.seen));
        let file = orphan.map_or(EVIDENCE, BundlePath::as_str);
        return Err(VerifyError::in_file(Check::RunFiles, file, "belongs to no row of run.json"));
    }
    passed(Check::RunFiles, format!("{evidence} documents"));

    let status = status(&run, &tally)?;
    passed(Check::RunStatus, status.word().to_owned());
    Ok(RunSummary {
        slot: payload.id.slot(),
        status,
        trigger: run.trigger,
        schedule: printable(&run.schedule),
        started: identity.0,
        ended: identity.1,
        accounts: run.scope.accounts,
        regions: run.scope.regions,
        cells: tally.cells,
        reason: run.reason.as_deref().map(printable),
        gaps: tally.gaps,
        accepted_gaps: tally.accepted_gaps,
    })
}

/// Slot, scope, schedule and trigger are those of the name and the configuration; when it was collected.
fn identity(
    id: &BagId,
    config: &ConfigDocument,
    run: &RunDocument,
) -> Result<(UtcSecond, UtcSecond), VerifyError> {
    let refuse = |detail: String| VerifyError::in_file(Check::RunIdentity, RUN, detail);
    let slot = id.slot().to_string();
    for (what, found, expected) in [
        ("slot", &run.slot, slot.as_str()),
        ("scope", &run.scope.name, id.scope().as_str()),
        ("trigger", &run.trigger, id.kind().trigger()),
        ("schedule", &run.schedule, config.schedule.as_deref().unwrap_or(&run.schedule)),
    ] {
        if found != expected {
            return Err(refuse(format!("{what} is {found:?}, expected {expected:?}")));
        }
    }
    if let Some(scope) = config.scope.as_deref().filter(|scope| *scope != id.scope().as_str()) {
        return Err(VerifyError::in_file(Check::RunIdentity, CONFIG, format!("scope is {scope:?}")));
    }
    let (start, end) = (UtcSecond::parse(&run.collected.start), UtcSecond::parse(&run.collected.end));
    match (start, end) {
        (Some(start), Some(end)) if start <= end => Ok((start, end)),
        _ => Err(refuse(format!("collected from {:?} to {:?}", run.collected.start, run.collected.end))),
    }
}

fn counts(scope: &RunScope, matrix: &Matrix) -> Result<(), VerifyError> {
    for (what, stated, found) in [
        ("accounts", scope.accounts, matrix.accounts.len()),
        ("planned regions", scope.regions, matrix.planned_regions()),
    ] {
        if u64::try_from(found).ok() != Some(stated) {
            let detail = format!("scope speaks of {stated} {what}, the plan has {found}");
            return Err(VerifyError::in_file(Check::RunIdentity, RUN, detail));
        }
    }
    Ok(())
}

/// The parts of a split run are exactly the files that `cellFiles` names.
fn parts_listed(manifest: &Manifest, listed: &[String]) -> Result<(), VerifyError> {
    let there = manifest.files().keys().map(BundlePath::as_str).filter(|path| path.starts_with(RUN_PARTS));
    if there.eq(listed.iter().map(String::as_str)) {
        Ok(())
    } else {
        Err(VerifyError::in_file(Check::RunFiles, RUN, "cellFiles are not the files under data/run, sorted"))
    }
}

/// Holds one row against the plan and its document, and counts it.
fn take_row(
    payload: &mut Payload<'_>,
    matrix: &Matrix,
    tally: &mut Tally,
    row: Row,
) -> Result<(), VerifyError> {
    let cell = row.cell();
    let refuse = |check, detail: String| Err(VerifyError::refused(check, format!("cell {cell}: {detail}")));
    let Some(status) = CellStatus::parse(&row.status) else {
        return refuse(Check::RunStatus, format!("{:?} is no status", row.status));
    };
    match matrix.place(&row) {
        Place::Nowhere => return refuse(Check::Coverage, "the row is not in plan and catalogue".to_owned()),
        Place::Unplanned if !matches!(status, CellStatus::Excluded | CellStatus::RegionDisabled) => {
            return refuse(Check::Coverage, format!("{} in a region that is not planned", status.word()));
        }
        Place::Unplanned => {}
        Place::Planned => tally.planned += 1,
    }
    tally.rows += 1;
    if tally.rows > payload.limits.cells {
        return refuse(Check::Coverage, "more rows than the limit".to_owned());
    }
    let account = tally.seen.entry(row.account.clone()).or_default();
    if !account.entry(row.region.clone()).or_default().insert(row.item.clone()) {
        return refuse(Check::Coverage, "there is more than one row".to_owned());
    }
    *tally.cells.entry(status.word()).or_default() += 1;

    match (row.file.is_some(), status.document()) {
        (false, Document::Required) => return refuse(Check::RunFiles, "the row has no document".to_owned()),
        (true, Document::None) => {
            return refuse(Check::RunFiles, format!("{} with a document", status.word()));
        }
        (true, _) => {
            document(payload, &row, status)?;
            tally.documents += 1;
        }
        (false, _) if row.sha256.is_some() => return refuse(Check::RunFiles, "sha256 of no file".to_owned()),
        (false, _) => {}
    }

    let accepted = match &row.accepted {
        None => false,
        Some(_) if !status.is_gap() => {
            return refuse(Check::RunStatus, format!("{} is no gap that could be accepted", status.word()));
        }
        Some(by) if !is_date(&by.expires) || by.reason.is_empty() || by.approver.is_empty() => {
            return refuse(Check::RunStatus, "accepted without reason, approver or date".to_owned());
        }
        Some(by) => payload.id.slot().date() <= by.expires,
    };
    if status.is_gap() {
        let gap = Gap {
            account: row.account,
            region: row.region,
            item: row.item,
            status,
            error: row.error.as_ref().map(error_line),
            reason: row.reason.as_deref().map(printable),
            accepted: row.accepted.map(|by| Acceptance {
                reason: printable(&by.reason),
                approver: printable(&by.approver),
                expires: by.expires,
            }),
        };
        if accepted { tally.accepted_gaps.push(gap) } else { tally.gaps.push(gap) }
    }
    Ok(())
}

/// The document of a row is the one in the manifest, at its place, about the same cell, and as complete as it says.
fn document(payload: &mut Payload<'_>, row: &Row, status: CellStatus) -> Result<(), VerifyError> {
    let path = format!("{EVIDENCE}{}/{}/{}.json", row.account, row.region, row.item);
    let refuse = |detail: String| VerifyError::in_file(Check::RunFiles, &path, detail);
    if row.file.as_deref() != Some(path.as_str()) {
        return Err(refuse(format!("its row names {:?} instead", row.file.as_deref().unwrap_or_default())));
    }
    let bundle_path = BundlePath::new(path.clone()).map_err(|error| refuse(error.to_string()))?;
    let digest = payload.manifest.digest(&bundle_path);
    let digest = digest.ok_or_else(|| refuse("its row is there, the file is not".to_owned()))?.to_string();
    if row.sha256.as_deref() != Some(digest.as_str()) {
        return Err(refuse("its row has another sha256".to_owned()));
    }
    let reader = BufReader::with_capacity(CHUNK_BYTES, payload.files.open(&bundle_path)?);
    let document: EvidenceDocument = serde_json::from_reader(reader).map_err(|error| {
        if error.is_io() { read_error(&bundle_path, error.into()) } else { refuse(error.to_string()) }
    })?;
    if (&document.account, &document.region, &document.item) != (&row.account, &row.region, &row.item) {
        return Err(refuse("the document is about another cell".to_owned()));
    }
    if let Some(found) = document.status.filter(|found| found != status.word()) {
        return Err(refuse(format!("the document says {found:?}, its row {:?}", status.word())));
    }
    if status == CellStatus::Complete && document.calls.iter().any(|call| call.error.is_some()) {
        return Err(refuse("a call failed, and its row says complete".to_owned()));
    }
    Ok(())
}

/// Every planned cell has its row.
fn coverage(id: &BagId, run: &RunDocument, matrix: &Matrix, tally: &Tally) -> Result<(), VerifyError> {
    let refuse = |detail: String| Err(VerifyError::refused(Check::Coverage, detail));
    if run.status == RunStatus::Missed.word() {
        return if tally.rows == 0 { Ok(()) } else { refuse("a missed slot has rows".to_owned()) };
    }
    if matches!(id.kind(), Kind::Supplement(_)) {
        return if tally.rows == 0 { refuse("a supplement has no rows".to_owned()) } else { Ok(()) };
    }
    if matrix.planned_count() == 0 {
        return refuse("nothing was planned".to_owned());
    }
    if tally.planned == matrix.planned_count() {
        return Ok(());
    }
    let missing = matrix.planned().find(|(account, region, item)| {
        let items = tally.seen.get(*account).and_then(|regions| regions.get(*region));
        !items.is_some_and(|items| items.contains(*item))
    });
    let (account, region, item) = missing.unwrap_or_default();
    refuse(format!("planned cell {account} {region} {item} has no row"))
}

fn is_orphan(path: &BundlePath, seen: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) -> bool {
    let Some(cell) = path.as_str().strip_prefix(EVIDENCE) else { return false };
    let mut parts = cell.splitn(3, '/');
    let items = parts.next().and_then(|account| seen.get(account));
    let items = items.and_then(|regions| regions.get(parts.next()?));
    let item = parts.next().and_then(|file| file.strip_suffix(".json"));
    !items.zip(item).is_some_and(|(items, item)| items.contains(item))
}

/// `complete` when no gap is open, `partial` when one is, `missed` when there was no run.
fn status(run: &RunDocument, tally: &Tally) -> Result<RunStatus, VerifyError> {
    let expected = match (run.status == RunStatus::Missed.word(), tally.gaps.is_empty()) {
        (true, _) => RunStatus::Missed,
        (false, true) => RunStatus::Complete,
        (false, false) => RunStatus::Partial,
    };
    if run.status == expected.word() {
        return Ok(expected);
    }
    let detail = format!(
        "status is {:?}, its {} open gaps make it {:?}",
        run.status,
        tally.gaps.len(),
        expected.word()
    );
    Err(VerifyError::in_file(Check::RunStatus, RUN, detail))
}

/// The error of a row in one line: `code: message` where it has both.
fn error_line(error: &Value) -> String {
    let text = |name| error.get(name).and_then(Value::as_str);
    printable(&match (text("code"), text("message"), error.as_str()) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        (None, _, Some(text)) => text.to_owned(),
        _ => error.to_string(),
    })
}
