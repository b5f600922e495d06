//! Step 10: what the run says of itself agrees with its plan, its catalogue and its files.
//!
//! `data/run.json` is a full matrix, so that silence is impossible: one row for each planned cell. This holds the
//! rows against plan x catalogue, the rows against the documents, and the status against the rows. Unknown members
//! are left alone; a missing row, a row too many, a status that its rows do not add up to are refused.

mod documents;
mod head;
mod matrix;
mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::{Check, VerifyError, printable};
use crate::digest::{Digest, KeyId};
use crate::id::{BagId, Kind};
use crate::manifest::Manifest;
use crate::path::BundlePath;
use crate::time::UtcSecond;

pub(crate) use documents::Payload;
use documents::{CatalogueDocument, ConfigDocument, PlanDocument, RunDocument, RunPart, RunScope};
pub(crate) use head::{DOCUMENT_BYTES, Head, Heads, is_document};
use matrix::Matrix;
pub(crate) use rows::Wanted;
use rows::{Tally, is_orphan, take_row};

/// The region of cells that belong to no region.
pub const GLOBAL: &str = "global";
const CONFIG: &str = "data/config.json";
const CATALOGUE: &str = "data/catalogue.json";
const PLAN: &str = "data/plan.json";
const RUN: &str = "data/run.json";
const RUN_PARTS: &str = "data/run/";
const POLICIES: &str = "data/policies/";
pub(crate) const EVIDENCE: &str = "data/evidence/";

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

    /// The status of a word.
    pub fn parse(word: &str) -> Option<Self> {
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
    /// Accounts of the plan that are not left out.
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

/// Step 10, in this order: documents, identity, policies, coverage, files, status. `passed` hears of each check.
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
    signer(&payload.info.key_id, &run)?;
    passed(Check::RunIdentity, format!("slot {}, trigger {}", run.slot, run.trigger));

    let policies = policies(payload.manifest, &run)?;
    passed(Check::RunPolicies, format!("{policies} files"));

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
                if payload.parts.is_divided() {
                    tally.finish(account.unwrap_or_default(), &matrix);
                    payload.parts.advance(account, payload.info, payload.limits)?;
                }
            }
        }
        _ => {
            return Err(VerifyError::in_file(Check::RunDocuments, RUN, "has not one of cells and cellFiles"));
        }
    }
    coverage(payload.id, &run, &matrix, &tally)?;
    passed(Check::Coverage, format!("{} rows, {} planned cells", tally.rows, matrix.planned_count()));
    payload.parts.advance(None, payload.info, payload.limits)?;
    passed(Check::PartBags, payload.parts.to_string());

    let evidence = payload.manifest.files().keys().filter(|path| path.as_str().starts_with(EVIDENCE)).count();
    // Documents in parts were held against the rows there.
    if !payload.parts.is_divided() && u64::try_from(evidence).ok() != Some(tally.documents) {
        let orphan = payload.manifest.files().keys().find(|path| is_orphan(path, &tally.seen));
        let file = orphan.map_or(EVIDENCE, BundlePath::as_str);
        return Err(VerifyError::in_file(Check::RunFiles, file, "belongs to no row of run.json"));
    }
    let unread = payload.parts.unread();
    let absent =
        if unread > 0 { format!(", {unread} of them in parts that are absent") } else { String::new() };
    passed(Check::RunFiles, format!("{} documents{absent}", tally.documents));

    let status = status(&run, &tally)?;
    totals(&run, &tally)?;
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

/// A run that names its key names the one that signed it, which `bag-info.txt` was held against.
fn signer(signer: &KeyId, run: &RunDocument) -> Result<(), VerifyError> {
    match run.evidence_key_id.as_deref() {
        Some(named) if named != signer.to_string() => {
            let detail = format!("evidenceKeyId is {named:?}, the bag is signed by {signer}");
            Err(VerifyError::in_file(Check::RunIdentity, RUN, detail))
        }
        _ => Ok(()),
    }
}

/// The digest of the policies is that of their lines in the manifest; how many they are. A run that states none has
/// none.
fn policies(manifest: &Manifest, run: &RunDocument) -> Result<usize, VerifyError> {
    let refuse = |detail: String| VerifyError::in_file(Check::RunPolicies, RUN, detail);
    let lines: Vec<String> = manifest
        .files()
        .iter()
        .filter(|(path, _)| path.as_str().starts_with(POLICIES))
        .map(|(path, digest)| format!("{digest}  {path}\n"))
        .collect();
    let stated = run.collector.as_ref().and_then(|collector| collector.policies_digest.as_ref());
    match stated {
        None if lines.is_empty() => Ok(0),
        None => {
            Err(refuse(format!("collector.policiesDigest is absent, and {POLICIES} has {}", lines.len())))
        }
        Some(stated) => {
            let found = Digest::of(lines.concat().as_bytes()).to_string();
            if stated.sha256 == found {
                return Ok(lines.len());
            }
            let detail = format!(
                "collector.policiesDigest is {:?}, the {} files under {POLICIES} have {found}",
                stated.sha256,
                lines.len()
            );
            Err(refuse(detail))
        }
    }
}

fn counts(scope: &RunScope, matrix: &Matrix) -> Result<(), VerifyError> {
    for (what, stated, found) in [
        ("planned accounts", scope.accounts, matrix.planned_accounts()),
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
    refuse(format!("planned cell {} has no row", tally.first_missing(matrix).unwrap_or_default()))
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

/// The sums that the run states are those of its rows.
fn totals(run: &RunDocument, tally: &Tally) -> Result<(), VerifyError> {
    let Some(totals) = &run.totals else { return Ok(()) };
    let cells = totals.cells.as_ref().is_none_or(|cells| {
        cells
            .iter()
            .map(|(word, count)| (word.as_str(), *count))
            .eq(tally.cells.iter().map(|(word, count)| (*word, *count)))
    });
    let gaps = totals.open_gaps.is_none_or(|gaps| u64::try_from(tally.gaps.len()) == Ok(gaps));
    if cells && gaps && totals.documents.is_none_or(|documents| documents == tally.documents) {
        Ok(())
    } else {
        Err(VerifyError::in_file(Check::RunStatus, RUN, "totals are not those of the rows"))
    }
}
