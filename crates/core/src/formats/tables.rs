//! `data/findings.csv`, `data/population.csv` and `data/coverage.csv`: what auditors open in a spreadsheet.
//!
//! One row per check and resource, per resource, per planned cell; a heading, and nothing that is not a row. What
//! was not read is a row too. The order is that of account, region and id, so that two runs can be compared line by
//! line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::about::{About, text};
use super::sheet::Sheet;
use super::{FormatError, Names, Population};
use crate::assessment::{Assessed, Assessment};
use crate::facts::Facts;
use crate::policy::Pointer;

const FINDINGS: &[&str] = &[
    "run_id",
    "collected_at_utc",
    "account_id",
    "account",
    "region",
    "criteria",
    "check_id",
    "check_version",
    "severity",
    "resource_type",
    "resource_id",
    "resource_arn",
    "resource_name",
    "status",
    "reason",
    "expected",
    "observed",
    "exception_id",
    "evidence_file",
    "evidence_json_pointer",
    "evidence_sha256",
];

const POPULATION: &[&str] = &[
    "run_id",
    "account_id",
    "account",
    "in_scope",
    "region",
    "resource_type",
    "resource_id",
    "resource_arn",
    "resource_name",
    "evidence_file",
    "evidence_json_pointer",
    "note",
];

const COVERAGE: &[&str] = &[
    "run_id",
    "account_id",
    "account",
    "in_scope",
    "region",
    "item",
    "status",
    "resources",
    "pages",
    "started_at_utc",
    "finished_at_utc",
    "reason",
    "error",
    "accepted_by",
    "evidence_file",
    "evidence_sha256",
];

/// The tables of a run: path in the bag and bytes.
pub fn csv_files(
    facts: &Facts,
    assessment: &Assessment,
    population: &Population,
) -> Result<Vec<(String, Vec<u8>)>, FormatError> {
    let about = About::of(facts);
    Ok(vec![
        ("data/coverage.csv".to_owned(), coverage(&about, facts)?),
        ("data/findings.csv".to_owned(), findings(&about, facts, assessment, population)?),
        ("data/population.csv".to_owned(), resources(&about, population)?),
    ])
}

/// Text as it is; another value as JSON.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn findings(
    about: &About<'_>,
    facts: &Facts,
    assessment: &Assessment,
    population: &Population,
) -> Result<Vec<u8>, FormatError> {
    let finished: BTreeMap<&str, &str> = facts
        .cells
        .iter()
        .filter(|cell| cell.get("file").is_some())
        .map(|cell| (text(cell, "/file"), text(cell, "/finishedAt")))
        .collect();
    let mut sheet = Sheet::new(FINDINGS)?;
    let mut account = None;
    let mut names = Names::default();
    for assessed in &assessment.rows {
        let row = &assessed.row;
        // Rows are sorted by account: the names of one account are enough at a time.
        if account != Some(row.account.as_str()) {
            account = Some(&row.account);
            names = Names::of_account(population, &row.account);
        }
        let check = assessment.checks.get(&row.check);
        let resource = row.resource.as_deref().unwrap_or_default();
        let known = names.look(&row.account, &row.region, resource);
        let [files, pointers, digests] = evidence(assessed, assessment);
        let first = row.evidence.first().and_then(|at| finished.get(at.document.as_str()).copied());
        sheet.row(&[
            &about.run,
            first.filter(|at| !at.is_empty()).unwrap_or(&assessment.now),
            &row.account,
            &about.account(&row.account),
            &row.region,
            &check.map(|check| check.criteria.join(" ")).unwrap_or_default(),
            &row.check,
            &check.map(|check| check.version.to_string()).unwrap_or_default(),
            check.map(|check| check.severity.as_str()).unwrap_or_default(),
            &known.kind,
            resource,
            &known.arn,
            &known.name,
            assessed.verdict(),
            &row.reason,
            &shown(row.expected.as_ref()),
            &shown(row.observed.as_ref()),
            assessed.exception.as_deref().unwrap_or_default(),
            &files,
            &pointers,
            &digests,
        ])?;
    }
    sheet.finish()
}

/// Documents, the pointers into each, and their digests: documents apart by `; `, pointers into one by a space.
fn evidence(assessed: &Assessed, assessment: &Assessment) -> [String; 3] {
    let mut by_document: Vec<(&str, Vec<&str>)> = Vec::new();
    for Pointer { document, pointer, .. } in &assessed.row.evidence {
        match by_document.iter_mut().find(|(known, _)| *known == document.as_str()) {
            Some((_, pointers)) => pointers.push(pointer),
            None => by_document.push((document, vec![pointer])),
        }
    }
    let mut fields = [Vec::new(), Vec::new(), Vec::new()];
    let [files, pointers, digests] = &mut fields;
    for (document, into) in &by_document {
        files.push((*document).to_owned());
        pointers.push(into.join(" "));
        digests.push(assessment.documents.get(*document).cloned().unwrap_or_default());
    }
    fields.map(|field| field.join("; "))
}

fn resources(about: &About<'_>, population: &Population) -> Result<Vec<u8>, FormatError> {
    let mut sheet = Sheet::new(POPULATION)?;
    for (account, region, place) in population.places() {
        let label = about.account(account);
        let file = |item: &str| format!("data/evidence/{account}/{region}/{item}.json");
        let scope = about.in_scope(account);
        for resource in &place.resources {
            sheet.row(&[
                &about.run,
                account,
                &label,
                scope,
                region,
                resource.kind.name,
                &resource.id,
                &resource.arn(&place.partition, account, region),
                &resource.name,
                &file(resource.item),
                &resource.pointer(),
                "",
            ])?;
        }
        for unread in &place.unread {
            let note = format!("NOT COMPLETE: {} failed: {}", unread.kind.operation, unread.code);
            let pointer = format!("/calls/{}/error", unread.call);
            let (kind, file) = (unread.kind.name, file(unread.item));
            sheet.row(&[
                &about.run, account, &label, scope, region, kind, "", "", "", &file, &pointer, &note,
            ])?;
        }
    }
    sheet.finish()
}

fn coverage(about: &About<'_>, facts: &Facts) -> Result<Vec<u8>, FormatError> {
    let mut sheet = Sheet::new(COVERAGE)?;
    for cell in &facts.cells {
        let account = text(cell, "/account");
        let number = |name: &str| cell.get(name).map(ToString::to_string).unwrap_or_default();
        let error = match (text(cell, "/error/operation"), text(cell, "/error/code")) {
            ("", _) => String::new(),
            (operation, code) => format!("{operation}: {code}: {}", text(cell, "/error/message")),
        };
        sheet.row(&[
            about.run.as_str(),
            account,
            &about.account(account),
            about.in_scope(account),
            text(cell, "/region"),
            text(cell, "/item"),
            text(cell, "/status"),
            &number("resources"),
            &number("pages"),
            text(cell, "/startedAt"),
            text(cell, "/finishedAt"),
            text(cell, "/reason"),
            &error,
            text(cell, "/accepted/approver"),
            text(cell, "/file"),
            text(cell, "/sha256"),
        ])?;
    }
    sheet.finish()
}
