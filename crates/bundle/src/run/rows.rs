//! Rows, one by one: each in its place, with its document, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use serde_json::Value;

use crate::check::{Check, VerifyError, printable};
use crate::digest::{CHUNK_BYTES, Digest};
use crate::path::BundlePath;
use crate::run::documents::{Payload, Row};
use crate::run::matrix::{Matrix, Place};
use crate::run::{Acceptance, CellStatus, Document, EVIDENCE, Gap, Head};
use crate::time::is_date;

/// Rows that have been seen, and what they add up to.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Accounts whose rows are through and no longer in `seen`.
    pub(super) finished: BTreeSet<String>,
    /// The first planned cell of a finished account that has no row.
    pub(super) missing: Option<String>,
    pub(super) planned: u64,
    pub(super) rows: u64,
    pub(super) documents: u64,
    pub(super) cells: BTreeMap<&'static str, u64>,
    pub(super) gaps: Vec<Gap>,
    pub(super) accepted_gaps: Vec<Gap>,
}

impl Tally {
    fn has(&self, account: &str, region: &str, item: &str) -> bool {
        let items = self.seen.get(account).and_then(|regions| regions.get(region));
        items.is_some_and(|items| items.contains(item))
    }

    /// The first planned cell that has no row.
    pub(super) fn first_missing(&self, matrix: &Matrix) -> Option<String> {
        let open = |account: &str| !self.finished.contains(account);
        let missing = matrix
            .planned()
            .find(|(account, region, item)| open(account) && !self.has(account, region, item));
        self.missing
            .clone()
            .or_else(|| missing.map(|(account, region, item)| format!("{account} {region} {item}")))
    }

    /// Forgets the rows of an account that has no more, so that memory does not grow with their number.
    pub(super) fn finish(&mut self, account: &str, matrix: &Matrix) {
        if self.missing.is_none() {
            let missing = matrix.planned_of(account).find(|(region, item)| !self.has(account, region, item));
            self.missing = missing.map(|(region, item)| format!("{account} {region} {item}"));
        }
        self.seen.remove(account);
        self.finished.insert(account.to_owned());
    }
}

/// Holds one row against the plan and its document, and counts it.
pub(super) fn take_row(
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
        Place::Excluded if status != CellStatus::Excluded => {
            return refuse(Check::Coverage, format!("{} in an account that is left out", status.word()));
        }
        Place::Unplanned => {}
        Place::Planned | Place::Excluded => tally.planned += 1,
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
            let (path, wanted) = wanted(&row, status)?;
            if payload.parts.is_divided() {
                payload.parts.want(path, wanted);
            } else {
                document(payload, &path, &wanted)?;
            }
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

/// A document that a row asks for.
pub(crate) struct Wanted {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) item: String,
    pub(crate) status: CellStatus,
    pub(crate) sha256: Digest,
}

/// The document of a row is at its place; where it is read comes later.
fn wanted(row: &Row, status: CellStatus) -> Result<(BundlePath, Wanted), VerifyError> {
    let path = format!("{EVIDENCE}{}/{}/{}.json", row.account, row.region, row.item);
    let refuse = |detail: String| VerifyError::in_file(Check::RunFiles, &path, detail);
    if row.file.as_deref() != Some(path.as_str()) {
        return Err(refuse(format!("its row names {:?} instead", row.file.as_deref().unwrap_or_default())));
    }
    let bundle_path = BundlePath::new(path.clone()).map_err(|error| refuse(error.to_string()))?;
    let sha256 = row.sha256.as_deref().and_then(Digest::parse);
    let wanted = Wanted {
        account: row.account.clone(),
        region: row.region.clone(),
        item: row.item.clone(),
        status,
        sha256: sha256.ok_or_else(|| refuse("its row has no sha256".to_owned()))?,
    };
    Ok((bundle_path, wanted))
}

/// The document of a row is the one in the manifest.
fn document(payload: &mut Payload<'_>, path: &BundlePath, wanted: &Wanted) -> Result<(), VerifyError> {
    let refuse = |detail: &str| VerifyError::in_file(Check::RunFiles, path, detail);
    let digest = payload.manifest.digest(path);
    if *digest.ok_or_else(|| refuse("its row is there, the file is not"))? != wanted.sha256 {
        return Err(refuse("its row has another sha256"));
    }
    let head = match payload.heads.remove(path) {
        Some(head) => head,
        None => Head::read(BufReader::with_capacity(CHUNK_BYTES, payload.files.open(path)?), path)?,
    };
    head.agrees(path, wanted)
}

pub(super) fn is_orphan(
    path: &BundlePath,
    seen: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
) -> bool {
    let Some(cell) = path.as_str().strip_prefix(EVIDENCE) else { return false };
    let mut parts = cell.splitn(3, '/');
    let items = parts.next().and_then(|account| seen.get(account));
    let items = items.and_then(|regions| regions.get(parts.next()?));
    let item = parts.next().and_then(|file| file.strip_suffix(".json"));
    !items.zip(item).is_some_and(|(items, item)| items.contains(item))
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
