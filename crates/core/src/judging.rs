//! Judges a run place by place, from the rows of its cells and the documents behind them.
//!
//! The same for a run at work and for a bundle that is read back. One account is held at a time: its global documents
//! and those of one region, released when the region is judged. Promised: every place gets its rows; a document that
//! cannot be read, and a check that fails in itself, are rows that say so, never a missing row.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use evidenced_bundle::Digest;
use serde_json::{Value, json};

use crate::assessment::{Assessed, Assessment, CheckRecord, findings_file, findings_path};
use crate::exceptions::Exceptions;
use crate::item::GLOBAL;
use crate::policy::{Evidence, Offered, Policies, Row, Verdict};
use crate::snapshot::Status;

/// A cell, as its row in `run.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The account.
    pub account: String,
    /// The region, or `global`.
    pub region: String,
    /// The item.
    pub item: String,
    /// What became of it.
    pub status: Status,
    /// Whether it has a document.
    pub document: bool,
    /// Why it has none.
    pub reason: String,
}

impl Cell {
    /// Reads a row.
    pub fn read(row: &Value) -> Option<Self> {
        let text = |pointer: &str| row.pointer(pointer).and_then(Value::as_str);
        let error =
            text("/error/code").map(|code| format!("{}: {code}", text("/error/operation").unwrap_or("")));
        Some(Self {
            account: text("/account")?.to_owned(),
            region: text("/region")?.to_owned(),
            item: text("/item")?.to_owned(),
            status: Status::parse(text("/status")?)?,
            document: row.get("file").is_some(),
            reason: text("/reason").map(str::to_owned).or(error).unwrap_or_default(),
        })
    }

    fn path(&self) -> String {
        format!("data/evidence/{}/{}/{}.json", self.account, self.region, self.item)
    }
}

/// Where documents are.
pub trait Documents {
    /// The bytes of a document, or why there are none.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
}

/// Runs checks over evidence.
pub trait Assessor {
    /// The rows of its checks in one place. Whatever happens, each check that runs there has a row.
    fn assess(&mut self, now: &str, evidence: &Evidence, region: &str, offered: &Offered) -> Vec<Row>;
}

/// The built-in checks, in this process.
#[derive(Debug)]
pub struct Here<'a>(pub &'a Policies);

impl Assessor for Here<'_> {
    fn assess(&mut self, now: &str, evidence: &Evidence, region: &str, offered: &Offered) -> Vec<Row> {
        let guarded = |policies: &Policies| {
            catch_unwind(AssertUnwindSafe(|| policies.assess(now, evidence, region, offered))).ok()
        };
        if let Some(rows) = guarded(self.0) {
            return rows;
        }
        // One check brought the engine down: the others are judged without it.
        let mut rows = Vec::new();
        for check in self.0.checks.keys() {
            let judged = guarded(&self.0.only(|id| id == check));
            rows.extend(judged.unwrap_or_else(|| {
                vec![unjudged(check, evidence.account(), region, "the engine failed in the check")]
            }));
        }
        rows
    }
}

/// The row of a check that could not be run in a place.
pub fn unjudged(check: &str, account: &str, region: &str, reason: &str) -> Row {
    Row {
        check: check.to_owned(),
        account: account.to_owned(),
        region: region.to_owned(),
        resource: None,
        verdict: Verdict::Unknown,
        reason: reason.to_owned(),
        observed: None,
        expected: None,
        evidence: Vec::new(),
    }
}

/// Looks at the evidence of each place while it is in memory: diagrams, the population.
pub type Onlooker<'a> = dyn FnMut(&Evidence, &str) + 'a;

/// A file of findings.
pub type FindingsFile = (String, Vec<u8>);

/// A run that is being judged.
#[derive(Debug)]
pub struct Judging {
    assessment: Assessment,
    exceptions: Exceptions,
    offered: Offered,
    /// Items of regions that checks of a whole account read.
    everywhere: BTreeSet<String>,
    /// The bag has some cells of a run only: checks that none of them is for are left out.
    supplement: bool,
    /// The account at hand, with its global documents.
    current: Option<Evidence>,
}

impl Judging {
    /// Nothing is judged yet. `now` is the start of the run.
    pub fn new(
        profile: &str,
        now: &str,
        checks: BTreeMap<String, CheckRecord>,
        exceptions: Exceptions,
        offered: Offered,
    ) -> Self {
        let account = checks.values().filter(|check| check.scope == "account");
        let everywhere = account.flat_map(|check| &check.inputs).map(|input| input.item.clone()).collect();
        Self {
            assessment: Assessment {
                profile: profile.to_owned(),
                now: now.to_owned(),
                checks,
                ..Assessment::default()
            },
            exceptions,
            offered,
            everywhere,
            supplement: false,
            current: None,
        }
    }

    /// The bag completes another: it has some cells only, and checks that none of them is for get no row.
    #[must_use]
    pub fn supplement(mut self) -> Self {
        self.supplement = true;
        self
    }

    /// Takes up an account: its global documents are read, unless it is the one at hand.
    pub fn account(&mut self, account: &str, global: &[Cell], documents: &mut dyn Documents) {
        if self.current.as_ref().is_some_and(|evidence| evidence.account() == account) {
            return;
        }
        let mut evidence = Evidence::new(account);
        self.load(&mut evidence, global, documents);
        self.current = Some(evidence);
    }

    /// Judges a region of the account at hand, and forgets its documents.
    pub fn region(
        &mut self,
        region: &str,
        cells: &[Cell],
        documents: &mut dyn Documents,
        assessors: &mut [&mut dyn Assessor],
        onlooker: &mut Onlooker<'_>,
    ) -> FindingsFile {
        let mut evidence = self.current.take().unwrap_or_else(|| Evidence::new(""));
        self.load(&mut evidence, cells, documents);
        let file = self.place(&evidence, region, assessors, onlooker);
        evidence.release(region);
        self.current = Some(evidence);
        file
    }

    /// Judges what is about the whole of the account at hand, when all its regions are known, and forgets it.
    pub fn whole(
        &mut self,
        regions: &[Vec<Cell>],
        documents: &mut dyn Documents,
        assessors: &mut [&mut dyn Assessor],
        onlooker: &mut Onlooker<'_>,
    ) -> FindingsFile {
        let mut evidence = self.current.take().unwrap_or_else(|| Evidence::new(""));
        for cells in regions {
            let needed: Vec<Cell> =
                cells.iter().filter(|cell| self.everywhere.contains(&cell.item)).cloned().collect();
            self.load(&mut evidence, &needed, documents);
        }
        self.place(&evidence, GLOBAL, assessors, onlooker)
    }

    fn load(&mut self, evidence: &mut Evidence, cells: &[Cell], documents: &mut dyn Documents) {
        for cell in cells {
            let Cell { region, item, status, reason, .. } = cell;
            if !cell.document {
                evidence.gap(region, item, *status, reason);
                continue;
            }
            let read = documents.read(&cell.path());
            let taken = read
                .and_then(|bytes| evidence.document(region, item, &bytes).map_err(|error| error.to_string()));
            match taken {
                Ok(()) => {
                    if let Some(Ok(document)) = evidence.look(region, item) {
                        self.assessment.contents.insert(cell.path(), content(document));
                    }
                }
                Err(why) => evidence.gap(region, item, Status::Failed, &format!("cannot be judged: {why}")),
            }
        }
    }

    fn place(
        &mut self,
        evidence: &Evidence,
        region: &str,
        assessors: &mut [&mut dyn Assessor],
        onlooker: &mut Onlooker<'_>,
    ) -> FindingsFile {
        let account = evidence.account().to_owned();
        let now = self.assessment.now.clone();
        let mut rows: Vec<Row> = assessors
            .iter_mut()
            .flat_map(|assessor| assessor.assess(&now, evidence, region, &self.offered))
            .collect();
        if self.supplement {
            rows.retain(|row| self.is_filled(&row.check, evidence, region));
        }
        onlooker(evidence, region);
        let mut rows: Vec<Assessed> = rows.into_iter().map(|row| self.exceptions.cover(row)).collect();
        let order = |it: &Assessed| (it.row.check.clone(), it.row.resource.clone());
        rows.sort_by_cached_key(order);
        for pointer in rows.iter().flat_map(|it| &it.row.evidence) {
            if let Some(sha256) = evidence.sha256(&pointer.document) {
                self.assessment.documents.insert(pointer.document.clone(), sha256.to_owned());
            }
        }
        let path = findings_path(&account, region);
        let bytes = findings_file(&account, region, &rows, &self.assessment);
        self.assessment.rows.extend(rows);
        (path, bytes)
    }

    /// Whether the bag has a cell that a check reads in a place.
    fn is_filled(&self, check: &str, evidence: &Evidence, region: &str) -> bool {
        let inputs =
            self.assessment.checks.get(check).map(|check| check.inputs.as_slice()).unwrap_or_default();
        let has = |item: &str| evidence.look(region, item).or_else(|| evidence.look(GLOBAL, item)).is_some();
        inputs.iter().any(|input| has(&input.item))
    }

    /// What was judged, in its order, and the exceptions that were at work.
    pub fn finish(mut self) -> (Assessment, Exceptions) {
        self.assessment.sort();
        (self.assessment, self.exceptions)
    }
}

/// The digest of what AWS said, without the times, request ids and sizes of the answers: the same while the estate is.
pub fn content(document: &Value) -> String {
    let calls = document.get("calls").and_then(Value::as_array);
    let said = |call: &Value| {
        let at = |pointer: &str| call.pointer(pointer).cloned().unwrap_or(Value::Null);
        json!([
            at("/service"),
            at("/operation"),
            at("/region"),
            at("/parameters"),
            at("/output"),
            at("/incompleteOutput"),
            at("/fact/code"),
            at("/vanished/code"),
            at("/error/code"),
        ])
        .to_string()
    };
    let lines: Vec<String> = calls.into_iter().flatten().map(said).collect();
    let digest = Digest::of(lines.join("\n").as_bytes()).to_string();
    digest.get(..32).unwrap_or(&digest).to_owned()
}

/// The places of a run that are judged, in their order: every region that was planned, and each account as a whole.
/// Rows of other regions say why they were not asked, and have no findings.
pub fn places(plan: &Value, rows: &[Value]) -> BTreeMap<String, BTreeMap<String, Vec<Cell>>> {
    let mut places: BTreeMap<String, BTreeMap<String, Vec<Cell>>> = BTreeMap::new();
    for account in plan.get("accounts").and_then(Value::as_array).into_iter().flatten() {
        let Some(id) = account.get("id").and_then(Value::as_str) else { continue };
        if account.get("reason").is_some_and(|reason| !reason.is_null()) {
            continue;
        }
        let regions = places.entry(id.to_owned()).or_default();
        regions.insert(GLOBAL.to_owned(), Vec::new());
        for region in account.get("regions").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(name), Some(true)) =
                (region.get("name").and_then(Value::as_str), region.get("planned").and_then(Value::as_bool))
            {
                regions.insert(name.to_owned(), Vec::new());
            }
        }
    }
    for cell in rows.iter().filter_map(Cell::read) {
        let regions = places.get_mut(&cell.account);
        if let Some(cells) = regions.and_then(|regions| regions.get_mut(&cell.region)) {
            cells.push(cell);
        }
    }
    places
}

/// The items and calls of a bundle's `catalogue.json`.
pub fn offered(catalogue: &Value) -> Offered {
    let mut offered = Offered::default();
    for item in catalogue.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let calls = item.get("calls").and_then(Value::as_array);
        let operations = calls.into_iter().flatten().filter_map(|call| call.get("operation")?.as_str());
        offered.add(text("id"), text("scope") == "region", operations);
    }
    offered
}

#[cfg(test)]
mod tests;
