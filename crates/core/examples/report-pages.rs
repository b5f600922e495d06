//! Makes the report of an unpacked bag for tests of its pages: `report-pages BAG OUT [ROWS]`.
//!
//! Findings that the bag holds are taken as they are; else they are made from its documents, under its configuration.
//! ROWS is how many one page holds. Writes the pages below OUT and prints their paths.

#![expect(clippy::disallowed_methods, reason = "reads and writes whole files of the tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use evidenced_core::assessment::{Assessment, CHECKS, CheckRecord};
use evidenced_core::exceptions::{Exception, Exceptions};
use evidenced_core::facts::Facts;
use evidenced_core::item::GLOBAL;
use evidenced_core::moment;
use evidenced_core::policy::{Evidence, Offered, Policies};
use evidenced_core::report::{self, Drawings};
use evidenced_core::snapshot::Status;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: report-pages BAG OUT [ROWS]";
    let bag = arguments.next().ok_or(usage)?;
    let out = arguments.next().ok_or(usage)?;
    let most = arguments.next().map_or(Ok(report::ROWS_OF_A_PAGE), |it| it.parse())?;
    let mut files = BTreeMap::new();
    small(Path::new(&bag), Path::new("data"), &mut files)?;
    let facts = Facts::read(&files)?;
    let (mut assessment, drawings) = assessed(Path::new(&bag), &facts)?;
    if files.contains_key(CHECKS) {
        assessment = Assessment::read(&files)?;
    }
    for (path, bytes) in report::pages_of(&facts, &assessment, &drawings, most)? {
        let path = Path::new(&out).join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, bytes)?;
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(())
}

/// Every file but the evidence.
fn small(bag: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(bag.join(folder))? {
        let path = folder.join(entry?.file_name());
        if !bag.join(&path).is_dir() {
            files.insert(path.display().to_string(), fs::read(bag.join(&path))?);
        } else if !path.ends_with("evidence") && !path.ends_with("raw") {
            small(bag, &path, files)?;
        }
    }
    Ok(())
}

fn assessed(bag: &Path, facts: &Facts) -> Result<(Assessment, Drawings), Box<dyn Error>> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let null = Value::Null;
    let profile = facts.config.pointer("/checks/profile").and_then(Value::as_str).unwrap_or("guide");
    let params = facts.config.pointer("/checks/params").unwrap_or(&null);
    let policies = Policies::new(profile, &[], params).map_err(|problems| format!("{problems:?}"))?;
    let now = text(facts.run.get("collected").unwrap_or(&null), "start");
    let slot = text(&facts.run, "slot");
    let listed: Vec<Exception> =
        serde_json::from_value(facts.config.get("exceptions").cloned().unwrap_or_default())?;
    let mut exceptions = Exceptions::new(&listed, moment::parse(&slot).ok_or("no slot")?);
    let mut accounts: BTreeMap<String, Evidence> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for cell in &facts.cells {
        let (account, region, item) = (text(cell, "account"), text(cell, "region"), text(cell, "item"));
        let evidence = accounts.entry(account.clone()).or_insert_with(|| Evidence::new(&account));
        if let Some(file) = cell.get("file").and_then(Value::as_str) {
            evidence.document(&region, &item, &fs::read(bag.join(file))?)?;
        } else {
            let status = match text(cell, "status").as_str() {
                "not-offered" => Status::NotOffered,
                "region-disabled" => Status::RegionDisabled,
                "excluded" => Status::Excluded,
                _ => Status::Denied,
            };
            evidence.gap(&region, &item, status, &text(cell, "reason"));
        }
        places.insert((account, region));
    }
    let mut assessment = Assessment {
        profile: profile.to_owned(),
        now: now.clone(),
        checks: CheckRecord::table(&policies),
        ..Assessment::default()
    };
    let mut drawings = Drawings::new();
    for (account, region) in &places {
        let Some(evidence) = accounts.get(account) else { continue };
        for row in policies.assess(&now, evidence, region, &Offered::current()) {
            for pointer in &row.evidence {
                if let Some(sha256) = evidence.sha256(&pointer.document) {
                    assessment.documents.insert(pointer.document.clone(), sha256.to_owned());
                }
            }
            assessment.rows.push(exceptions.cover(row));
        }
        if region != GLOBAL {
            drawings.add(evidence, region);
        }
    }
    assessment.exceptions = exceptions.states(&[]);
    assessment.sort();
    Ok((assessment, drawings))
}
