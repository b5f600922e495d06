use serde_json::json;

use super::*;
use crate::assessment::CheckRecord;
use crate::policy::{Row, Verdict};

fn row(resource: &str, verdict: Verdict) -> Assessed {
    let row = Row {
        check: "vpcs".to_owned(),
        account: "1".to_owned(),
        region: "eu-1".to_owned(),
        resource: Some(resource.to_owned()),
        verdict,
        reason: String::new(),
        observed: None,
        expected: None,
        evidence: Vec::new(),
    };
    Assessed { row, exception: None }
}

fn side(rows: Vec<Assessed>, content: &str) -> Side {
    let check: CheckRecord = serde_json::from_value(json!({ "id": "vpcs", "version": 1, "title": "t",
        "description": "d", "scope": "region", "severity": "low", "criteria": [],
        "inputs": [{ "item": "vpc.vpcs", "calls": [] }], "parameters": { "days": 90 }, "remediation": "r",
        "references": [], "also": {}, "sha256": "aa" }))
    .unwrap();
    let document = "data/evidence/1/eu-1/vpc.vpcs.json".to_owned();
    let assessment = Assessment {
        rows,
        checks: BTreeMap::from([("vpcs".to_owned(), check)]),
        contents: BTreeMap::from([(document, content.to_owned())]),
        ..Assessment::default()
    };
    let run =
        json!({ "collector": { "policiesDigest": { "sha256": "p1" }, "configDigest": { "sha256": "c1" } } });
    let plan = json!({ "accounts": [{ "id": "1", "regions": [{ "name": "eu-1", "planned": true }] }] });
    Side { assessment: std::sync::Arc::new(assessment), run, plan, catalogue: "k1".to_owned() }
}

fn compare(before: Side, now: &Side) -> Value {
    let before =
        Before::Bundle { id: "evidence-a".to_owned(), sha256: "ff".to_owned(), side: Box::new(before) };
    serde_json::from_slice(&changes_file(&before, now)).unwrap()
}

#[test]
fn a_verdict_that_turned_with_the_document_turned_with_the_estate() {
    let found = compare(
        side(vec![row("vpc-1", Verdict::Pass), row("vpc-2", Verdict::Pass)], "x"),
        &side(vec![row("vpc-1", Verdict::Fail), row("vpc-2", Verdict::Pass)], "y"),
    );
    assert_eq!(
        found["turned"],
        json!([{ "check": "vpcs", "account": "1", "region": "eu-1", "resource": "vpc-1", "from": "pass",
            "to": "fail", "causes": ["estate"] }])
    );
    assert_eq!(found["estate"], json!({ "changed": true, "documents": { "changed": 1 } }));
    assert_eq!((&found["policy"]["changed"], &found["scope"]["changed"]), (&json!(false), &json!(false)));
    assert_eq!(found["previous"], json!({ "id": "evidence-a", "sha256": "ff" }));
    assert_eq!(found["totals"]["steps"], json!({ "pass -> fail": 1 }));
}

#[test]
fn a_changed_parameter_or_policy_is_told_apart_from_a_changed_estate() {
    let before = side(vec![row("vpc-1", Verdict::Pass)], "x");
    let mut now = side(vec![row("vpc-1", Verdict::Fail)], "x");
    let check = std::sync::Arc::make_mut(&mut now.assessment).checks.get_mut("vpcs").unwrap();
    check.parameters.insert("days".to_owned(), json!(30));
    let found = compare(before.clone(), &now);
    assert_eq!(found["turned"][0]["causes"], json!(["parameters"]));
    assert_eq!(found["policy"]["parameters"], json!(["vpcs"]));
    assert_eq!(found["estate"]["changed"], json!(false));
    // The library that checks share is in no check's own digest.
    let mut now = side(vec![row("vpc-1", Verdict::Fail)], "x");
    now.run =
        json!({ "collector": { "policiesDigest": { "sha256": "p2" }, "configDigest": { "sha256": "c1" } } });
    let found = compare(before, &now);
    assert_eq!(found["turned"][0]["causes"], json!(["policy"]));
    assert_eq!(found["policy"]["policiesDigest"], json!({ "from": "p1", "to": "p2" }));
}

#[test]
fn an_exception_and_a_passing_day_are_causes_of_their_own() {
    let before = side(vec![row("vpc-1", Verdict::Fail)], "x");
    let excepted = Assessed { exception: Some("EX-1".to_owned()), ..row("vpc-1", Verdict::Fail) };
    let found = compare(before, &side(vec![excepted], "x"));
    assert_eq!(
        (&found["turned"][0]["to"], &found["turned"][0]["causes"]),
        (&json!("excepted"), &json!(["exception"]))
    );
    let found = compare(side(vec![row("c", Verdict::Pass)], "x"), &side(vec![row("c", Verdict::Fail)], "x"));
    assert_eq!(found["turned"][0]["causes"], json!(["time"]));
}

#[test]
fn resources_that_came_and_went_are_listed_with_their_verdicts() {
    let mut now = side(vec![row("vpc-2", Verdict::Fail)], "y");
    now.plan = json!({ "accounts": [{ "id": "1", "regions": [] }] });
    let found = compare(side(vec![row("vpc-1", Verdict::Pass)], "x"), &now);
    assert_eq!(
        found["appeared"],
        json!([{ "account": "1", "region": "eu-1", "resource": "vpc-2", "verdicts": { "fail": 1 }, "fails": ["vpcs"] }])
    );
    assert_eq!(found["vanished"][0]["resource"], json!("vpc-1"));
    assert_eq!((&found["scope"]["removed"], &found["scope"]["changed"]), (&json!(["1 eu-1"]), &json!(true)));
}

#[test]
fn without_a_bundle_before_the_file_says_so() {
    let none = Before::None("there is none".to_owned());
    let found: Value = serde_json::from_slice(&changes_file(&none, &Side::default())).unwrap();
    assert_eq!((&found["previous"], &found["reason"]), (&Value::Null, &json!("there is none")));
    assert_eq!(found["turned"], json!([]));
}
