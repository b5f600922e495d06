//! Two runs over HTTP differ in named fields only.

use std::collections::BTreeMap;

use evidenced_core::assessment::{Assessment, CheckRecord};
use evidenced_core::exceptions::Exceptions;
use evidenced_core::facts::Facts;
use evidenced_core::formats::{Population, each_table};
use evidenced_core::item::GLOBAL;
use evidenced_core::judging::{Documents, Here, Judging, offered, places};
use evidenced_core::policy::{Evidence, Policies};
use evidenced_core::report::{Drawings, each_page};
use serde_json::Value;

use crate::estate::{Estate, Run, one_account, two_accounts};

/// What may differ between two runs of an estate that did not change, and why.
const MASKED: &[(&str, &str)] = &[
    ("collectedAt", "the time of the run"),
    ("startedAt", "the time of the call"),
    ("finishedAt", "the time of the call"),
    ("requestId", "given by the server to every request"),
    ("requestIds", "given by the server to every request"),
    ("date", "the server's clock"),
    ("principal", "the session is named after the slot"),
    ("collected", "the time of the run"),
    ("now", "the time of the run"),
    ("documents", "digests of documents"),
    ("slot", "the instant of the run"),
    ("bytes", "of the body, which holds the request id"),
    ("sha256", "of the body or document, which holds the above"),
];

fn masked(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if MASKED.iter().any(|(masked, _)| masked == name) {
                    *member = Value::Null;
                } else {
                    masked(member);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(masked),
        _ => {}
    }
}

fn payload(run: &mut Run) -> Vec<(String, Value)> {
    let manifest = String::from_utf8(run.bundle.manifest().print()).unwrap();
    let paths: Vec<String> = manifest.lines().map(|line| line[66..].to_owned()).collect();
    paths
        .into_iter()
        // Tables and pages are for people, and the changes name the other run.
        .filter(|path| path.strip_suffix(".json").is_some_and(|name| name != "data/changes"))
        .map(|path| {
            let mut value = run.json(&path);
            // The configuration names the port of the simulated AWS and is compared as it is: it is one estate.
            if path != "data/config.json" {
                masked(&mut value);
            }
            (path, value)
        })
        .collect()
}

/// Pointers of what differs, with both values.
fn compare(one: &Value, other: &Value, at: &str, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (name, value) in a {
                compare(value, &b[name], &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (value, other)) in a.iter().zip(b).enumerate() {
                compare(value, other, &format!("{at}/{index}"), found);
            }
        }
        _ if one == other => {}
        _ => found.push(format!("{at}: {one} / {other}").chars().take(300).collect()),
    }
}

#[test]
fn two_runs_over_http_differ_in_named_fields_only() {
    let estate = Estate::new(two_accounts(), "");
    let mut first = estate.collect();
    let first_payload = payload(&mut first);
    // The second run is named after another instant: the first one's bundle is moved out of the way.
    std::fs::rename(estate.path("store"), estate.path("store-1")).unwrap();
    let mut second = estate.collect();
    let second_payload = payload(&mut second);
    assert_eq!(first_payload.len(), second_payload.len());
    for (one, other) in first_payload.iter().zip(&second_payload) {
        assert_eq!(one.0, other.0);
        let mut differences = Vec::new();
        compare(&one.1, &other.1, "", &mut differences);
        assert!(differences.is_empty(), "{}: {differences:?}", one.0);
    }
}

fn same(path: &str, one: &[u8], other: &[u8]) {
    let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) else {
        return assert_eq!(one.len(), other.len(), "{path}");
    };
    let around = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[at.saturating_sub(200)..bytes.len().min(at + 100)]).into_owned()
    };
    panic!("{path} differs at byte {at}:\n{}\n--- and\n{}", around(one), around(other));
}

struct InBundle(BTreeMap<String, Vec<u8>>);

impl Documents for InBundle {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| format!("{path} is not there"))
    }
}

/// Findings, tables and pages of the evidence of a bundle, by nothing but its files.
fn judged(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let facts = Facts::read(files).unwrap();
    let policies = Policies::new("guide", &[], &Value::Null).unwrap();
    let now = facts.run["collected"]["start"].as_str().unwrap();
    let exceptions = Exceptions::new(&[], 0);
    let table = CheckRecord::table(&policies);
    let mut judging = Judging::new("guide", now, table, exceptions, offered(&facts.catalogue));
    let mut documents = InBundle(files.clone());
    let (mut population, mut drawings) = (Population::new(), Drawings::new());
    let onlooker = &mut |evidence: &Evidence, region: &str| {
        population.add(evidence, region);
        drawings.add(evidence, region);
    };
    let mut here = Here(&policies);
    let mut made: Vec<(String, Vec<u8>)> = Vec::new();
    for (account, mut regions) in places(&facts.plan, &facts.cells) {
        let global = regions.remove(GLOBAL).unwrap();
        judging.account(&account, &global, &mut documents);
        // Regions end in any order in a run.
        for (region, cells) in regions.iter().rev() {
            made.push(judging.region(region, cells, &mut documents, &mut [&mut here], onlooker));
        }
        let regions: Vec<_> = regions.into_values().collect();
        made.push(judging.whole(&regions, &mut documents, &mut [&mut here], onlooker));
    }
    let (mut assessment, exceptions) = judging.finish();
    assessment.exceptions = exceptions.states(&[]);
    each_table(&facts, &assessment, &population, &mut |path, bytes| made.push((path, bytes))).unwrap();
    each_page(&facts, &assessment, &drawings, &mut |path, bytes| made.push((path, bytes))).unwrap();
    // What is read back gives the same page.
    let all = files.clone().into_iter().chain(made.iter().cloned()).collect();
    let read = Assessment::read(&all).unwrap();
    let mut other = Vec::new();
    each_page(&facts, &read, &drawings, &mut |path, bytes| other.push((path, bytes))).unwrap();
    same("report.html of what was read back", &made.last().unwrap().1, &other.pop().unwrap().1);
    made.into_iter().collect()
}

#[test]
fn the_same_evidence_gives_the_same_findings_tables_and_report_to_the_byte() {
    let estate = Estate::new(one_account(), "");
    let mut run = estate.collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    let paths: Vec<String> =
        run.bundle.manifest().files().keys().map(|path| path.as_str().to_owned()).collect();
    let files: BTreeMap<String, Vec<u8>> =
        paths.into_iter().map(|path| (path.clone(), run.read(&path))).collect();
    let (once, again) = (judged(&files), judged(&files));
    assert!(once == again, "judging twice gives two results");
    let of_people = ["data/report.html", "data/findings.csv", "data/population.csv", "data/coverage.csv"];
    let stated = files
        .iter()
        .filter(|(path, _)| path.starts_with("data/findings/") || of_people.contains(&path.as_str()));
    let stated: BTreeMap<&String, &Vec<u8>> = stated.collect();
    assert!(stated.keys().copied().eq(once.keys()), "{:?} and {:?}", stated.keys(), once.keys());
    for (path, bytes) in stated {
        same(path, bytes, &once[path]);
    }
}
