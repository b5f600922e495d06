//! `data/findings.csv`, `data/population.csv` and `data/coverage.csv`: what auditors open in a spreadsheet.
//!
//! One row per check and resource, per resource, per planned cell; a heading, and nothing that is not a row. What
//! was not read is a row too. The order is that of account, region and id, so that two runs can be compared line by
//! line.

use serde_json::Value;

use super::about::{About, text};
use super::sheet::Sheet;
use super::{FormatError, Names, Population};
use crate::assessment::{Assessed, Assessment, short};
use crate::facts::Facts;

const FINDINGS: &[&str] = &[
    "account",
    "region",
    "criteria",
    "severity",
    "check_id",
    "resource_id",
    "resource_name",
    "status",
    "reason",
    "observed",
    "exception_id",
    "evidence",
];

const POPULATION: &[&str] = &[
    "account",
    "region",
    "resource_type",
    "resource_id",
    "resource_arn",
    "resource_name",
    "evidence",
    "note",
];

const COVERAGE: &[&str] = &[
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

/// The tables of a run, path in the bag and bytes, one after another: in a large organisation each is hundreds of
/// megabytes.
pub fn each_table(
    facts: &Facts,
    assessment: &Assessment,
    population: &Population,
    put: &mut dyn FnMut(String, Vec<u8>),
) -> Result<(), FormatError> {
    let about = About::of(facts);
    put("data/coverage.csv".to_owned(), coverage(&about, facts)?);
    put("data/findings.csv".to_owned(), findings(&about, assessment, population)?);
    put("data/population.csv".to_owned(), resources(&about, population)?);
    Ok(())
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
    assessment: &Assessment,
    population: &Population,
) -> Result<Vec<u8>, FormatError> {
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
        let claim = check.is_some_and(|check| check.title == row.reason);
        sheet.row(&[
            about.account(&row.account).as_str(),
            &row.region,
            &check.map(|check| check.criteria.join(" ")).unwrap_or_default(),
            check.map(|check| check.severity.as_str()).unwrap_or_default(),
            &row.check,
            resource,
            &known.name,
            assessed.verdict(),
            if claim { "" } else { &row.reason },
            &shown(row.observed.as_ref()),
            assessed.exception.as_deref().unwrap_or_default(),
            &evidence(assessed),
        ])?;
    }
    sheet.finish()
}

/// As in a file of findings, `<item>#` and the pointers into that document, apart by a space; documents apart by `; `.
fn evidence(assessed: &Assessed) -> String {
    let row = &assessed.row;
    let mut text = String::new();
    let mut last = None;
    for at in &row.evidence {
        if last == Some(&at.document) {
            text.push(' ');
            text.push_str(&at.pointer);
        } else {
            text.push_str(if last.is_some() { "; " } else { "" });
            text.push_str(&short(&row.account, &row.region, at));
        }
        last = Some(&at.document);
    }
    text
}

fn resources(about: &About<'_>, population: &Population) -> Result<Vec<u8>, FormatError> {
    let mut sheet = Sheet::new(POPULATION)?;
    for (account, region, place) in population.places() {
        let label = about.account(account);
        let partition = about.partition(account);
        for resource in &place.resources {
            let arn = resource.arn(&place.partition, account, region);
            // What the id and the place say already is not said again.
            let told =
                arn == *resource.id || resource.kind.made(partition, account, region, &resource.id) == arn;
            sheet.row(&[
                label.as_str(),
                region,
                resource.kind.name,
                &resource.id,
                if told { "" } else { &arn },
                &resource.name,
                &format!("{}#{}", resource.item, resource.pointer()),
                "",
            ])?;
        }
        for unread in &place.unread {
            let note = format!("NOT COMPLETE: {} failed: {}", unread.kind.operation, unread.code);
            let at = format!("{}#/calls/{}/error", unread.item, unread.call);
            sheet.row(&[label.as_str(), region, unread.kind.name, "", "", "", &at, &note])?;
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
            about.account(account).as_str(),
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
