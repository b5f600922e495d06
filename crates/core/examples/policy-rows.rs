//! What the checks say of documents that were collected: `policy-rows FOLDER NOW`, for tests in other languages.
//!
//! FOLDER is an unpacked bundle (`data/plan.json`, `data/run.json`, `data/evidence`). Its places are those that a run
//! judges: regions that the plan leaves out have no rows. Prints one line of JSON for each row: check,
//! account, region, resource or null, verdict, reason. Parameters are the defaults of the profile `guide`.

#![expect(clippy::disallowed_methods, reason = "an example reads the files that it is given")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use evidenced_core::judging::places;
use evidenced_core::policy::{Evidence, Offered, Policies};
use evidenced_core::snapshot::Status;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: policy-rows FOLDER NOW";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let now = arguments.next().ok_or(usage)?;
    let run: Value = serde_json::from_slice(&std::fs::read(folder.join("data/run.json"))?)?;
    let plan: Value = serde_json::from_slice(&std::fs::read(folder.join("data/plan.json"))?)?;
    let mut accounts: BTreeMap<String, Evidence> = BTreeMap::new();
    for cell in run.get("cells").and_then(Value::as_array).ok_or("run.json lists no cells")? {
        let text = |name: &str| cell.get(name).and_then(Value::as_str).unwrap_or_default();
        let (account, region, item) = (text("account"), text("region"), text("item"));
        let evidence = accounts.entry(account.to_owned()).or_insert_with(|| Evidence::new(account));
        match text("file") {
            "" => {
                let status = [Status::RegionDisabled, Status::NotOffered, Status::Excluded];
                let status = status.into_iter().find(|it| it.word() == text("status"));
                let status =
                    status.ok_or_else(|| format!("{region} {item}: no document and {}", text("status")))?;
                evidence.gap(region, item, status, text("reason"));
            }
            file => evidence.document(region, item, &std::fs::read(folder.join(file))?)?,
        }
    }
    let policies = Policies::new("guide", &[], &Value::Null).map_err(|problems| format!("{problems:?}"))?;
    let mut out = std::io::stdout().lock();
    let cells = run.get("cells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (account, places) in places(&plan, cells) {
        let Some(evidence) = accounts.get(&account) else { continue };
        for region in places.keys() {
            for row in policies.assess(&now, evidence, region, &Offered::current()) {
                let line =
                    json!([row.check, row.account, row.region, row.resource, row.verdict.word(), row.reason]);
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}
