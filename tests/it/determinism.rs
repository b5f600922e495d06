//! Two runs over HTTP differ in named fields only.

use serde_json::Value;

use crate::estate::{Estate, Run, two_accounts};

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
