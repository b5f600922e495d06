//! Two small runs.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::{Value, json};

use super::*;
use crate::assessment::CheckRecord;
use crate::policy::{Row, Verdict};

const FILE: &str = "data/evidence/111122223333/eu-west-1/vpc.security-groups.json";

fn cell(status: &str, sha256: &str) -> Value {
    json!({ "account": "111122223333", "region": "eu-west-1", "item": "vpc.security-groups", "status": status,
        "file": FILE, "sha256": sha256 })
}

fn run(id: &str, cells: Vec<Value>) -> Run {
    let facts = Facts {
        run: json!({ "slot": id }),
        plan: json!({ "accounts": [{ "id": "111122223333", "name": "payments", "inScope": true,
            "regions": [{ "name": "eu-west-1", "planned": true }] }] }),
        config: json!({ "checks": { "profile": "guide" }, "exceptions": [] }),
        catalogue: json!({ "items": [{ "id": "vpc.security-groups", "scope": "region" }] }),
        cells,
        ..Facts::default()
    };
    Run { id: id.to_owned(), facts, assessment: None }
}

fn groups(groups: &Value) -> Value {
    json!({ "collectedAt": "differs", "calls": [{ "operation": "DescribeSecurityGroups", "parameters": {},
        "pages": [{ "requestId": "differs" }], "output": { "SecurityGroups": groups } }] })
}

fn compared(before: &Value, after: &Value) -> Difference {
    let read = |side: Side, _: &str| {
        let value = if side == Side::Before { before } else { after };
        Ok::<Value, Infallible>(value.clone())
    };
    difference(&run("a", vec![cell("complete", "1")]), &run("b", vec![cell("complete", "2")]), read).unwrap()
}

#[test]
fn resources_that_came_went_and_changed_are_told_apart() {
    let before = groups(
        &json!([{ "GroupId": "sg-1", "Description": "x" }, { "GroupId": "sg-2", "GroupName": "old" }]),
    );
    let after = groups(&json!([{ "GroupId": "sg-3" }, { "GroupId": "sg-1", "Description": "y" }]));
    let found = compared(&before, &after);
    let documents = &found.places[0].documents;
    assert_eq!(documents.added[0].id, "sg-3");
    assert_eq!((documents.removed[0].id.as_str(), documents.removed[0].name.as_str()), ("sg-2", "old"));
    assert_eq!(documents.changed[0].members[0].pointer, "/Description");
    assert!(found.scope.is_empty() && found.policy.is_empty() && found.cells.is_empty());
}

#[test]
fn provenance_and_order_are_no_difference() {
    let mut before = groups(&json!([{ "GroupId": "sg-1" }, { "GroupId": "sg-2" }]));
    before["calls"][0]["pages"][0]["requestId"] = "another".into();
    let after = groups(&json!([{ "GroupId": "sg-2" }, { "GroupId": "sg-1" }]));
    assert!(compared(&before, &after).is_empty());
}

#[test]
fn a_call_that_failed_does_not_make_its_resources_vanish() {
    let before = groups(&json!([{ "GroupId": "sg-1" }]));
    let after =
        json!({ "calls": [{ "operation": "DescribeSecurityGroups", "error": { "code": "AccessDenied" } }] });
    let documents = compared(&before, &after).places.remove(0).documents;
    assert!(documents.removed.is_empty());
    let expected =
        Unread { call: "DescribeSecurityGroups".into(), before: None, after: Some("AccessDenied".into()) };
    assert_eq!(documents.unread, [expected]);
}

#[test]
fn a_cell_without_a_document_on_one_side_is_a_status_and_no_removal() {
    let gone = json!({ "account": "111122223333", "region": "eu-west-1", "item": "vpc.security-groups",
        "status": "excluded" });
    let read = |_: Side, _: &str| -> Result<Value, Infallible> { panic!("no document is read") };
    let found = difference(&run("a", vec![cell("complete", "1")]), &run("b", vec![gone]), read).unwrap();
    assert!(found.places.is_empty());
    assert_eq!(
        (found.cells[0].before.as_deref(), found.cells[0].after.as_deref()),
        (Some("complete"), Some("excluded"))
    );
}

#[test]
fn details_of_a_resource_that_came_are_not_told_again() {
    let bucket = |name: &str| {
        [
            json!({ "operation": "GetBucketPolicy", "parameters": { "Bucket": name }, "output": { "Policy": "{}" } }),
            json!({ "operation": "GetBucketLogging", "parameters": { "Bucket": name }, "output": {} }),
        ]
    };
    let list = |names: &[&str]| {
        let mut calls = vec![json!({ "operation": "ListBuckets", "parameters": {},
            "output": { "Buckets": names.iter().map(|it| json!({ "Name": it })).collect::<Vec<_>>() } })];
        calls.extend(names.iter().flat_map(|name| bucket(name)));
        json!({ "calls": calls })
    };
    let mut before = list(&["one"]);
    before["calls"][1]["output"]["Policy"] = "{\"Version\":\"2012-10-17\"}".into();
    let documents = documents(&before, &list(&["one", "two"]));
    let added: Vec<&str> = documents.added.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(added, ["two"]);
    assert_eq!(
        (documents.changed[0].thing.kind.as_str(), documents.changed[0].thing.id.as_str()),
        ("GetBucketPolicy", "one")
    );
}

fn judged(id: &str, sha256: &str, tcp: u64, verdict: Verdict, exception: Option<&str>) -> Run {
    let record: CheckRecord = serde_json::from_value(json!({
        "id": "c", "version": 1, "title": "t", "description": "d", "scope": "region", "severity": "low",
        "criteria": ["CC6.6"], "inputs": [], "parameters": { "tcp": [tcp] }, "remediation": "r", "references": [],
        "also": {}, "sha256": sha256,
    }))
    .unwrap();
    let row = Row {
        check: "c".into(),
        account: "111122223333".into(),
        region: "eu-west-1".into(),
        resource: Some("sg-1".into()),
        verdict,
        reason: "why".into(),
        observed: None,
        expected: None,
        evidence: Vec::new(),
    };
    let assessment = Assessment {
        profile: "guide".into(),
        checks: BTreeMap::from([("c".to_owned(), record)]),
        rows: vec![Assessed { row, exception: exception.map(str::to_owned) }],
        ..Assessment::default()
    };
    Run { assessment: Some(assessment), ..run(id, Vec::new()) }
}

fn turned(before: &Run, after: &Run) -> Difference {
    difference(before, after, |_, _| Ok::<Value, Infallible>(Value::Null)).unwrap()
}

#[test]
fn a_verdict_that_turned_names_its_cause() {
    let base = judged("a", "1", 22, Verdict::Pass, None);
    for (after, cause) in [
        (judged("b", "1", 22, Verdict::Fail, None), "estate"),
        (judged("b", "2", 22, Verdict::Fail, None), "check"),
        (judged("b", "1", 23, Verdict::Fail, None), "parameters"),
    ] {
        let turn = turned(&base, &after).verdicts.remove(0);
        assert_eq!((turn.cause, turn.before, turn.after), (cause, Some("pass"), Some("fail")));
    }
    let failing = judged("a", "1", 22, Verdict::Fail, None);
    let turn = turned(&failing, &judged("b", "1", 22, Verdict::Fail, Some("EX-1"))).verdicts.remove(0);
    assert_eq!((turn.cause, turn.after), ("exception", Some("excepted")));
}

#[test]
fn scope_and_policy_are_told_apart_from_the_estate() {
    let base = judged("a", "1", 22, Verdict::Pass, None);
    let mut other = judged("b", "2", 23, Verdict::Pass, None);
    other.facts.plan["accounts"][0]["regions"] = json!([{ "name": "eu-west-1", "planned": false }]);
    other.facts.config["checks"]["profile"] = "aws".into();
    let found = turned(&base, &other);
    let whats = |settings: &[Setting]| -> Vec<String> { settings.iter().map(|it| it.what.clone()).collect() };
    assert_eq!(whats(&found.scope), ["account 111122223333, region eu-west-1"]);
    assert_eq!(whats(&found.policy), ["checks.profile", "check c", "parameter c.tcp"]);
    assert!(found.verdicts.is_empty() && found.places.is_empty());
}

#[test]
fn bundles_without_verdicts_say_that_none_are_compared() {
    let found = turned(&run("a", Vec::new()), &judged("b", "1", 22, Verdict::Pass, None));
    assert_eq!(found.not_compared.as_deref(), Some("a holds no verdicts"));
}
