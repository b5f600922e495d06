//! The forms of a small run with one row of each verdict.

use serde_json::{Value, json};

use super::*;
use crate::assessment::{Assessed, Assessment, CheckRecord};
use crate::exceptions::{Exception, ExceptionState, State};
use crate::facts::Facts;
use crate::policy::{Evidence, Pointer, Row, Verdict};

const ACCOUNT: &str = "012345678901";
const REGION: &str = "eu-west-1";
const GROUPS: &str = "data/evidence/012345678901/eu-west-1/vpc.security-groups.json";

fn document(item: &str, calls: &Value) -> Vec<u8> {
    json!({ "account": ACCOUNT, "partition": "aws", "region": REGION, "item": item, "calls": calls })
        .to_string()
        .into_bytes()
}

fn evidence() -> Evidence {
    let mut evidence = Evidence::new(ACCOUNT);
    let peering = json!([{ "VpcPeeringConnectionId": "pcx-1", "Tags": [] }]);
    let connections = json!([
        { "operation": "DescribeVpcPeeringConnections", "output": { "VpcPeeringConnections": peering } },
        { "operation": "DescribeTransitGateways", "error": { "code": "UnauthorizedOperation" } },
    ]);
    evidence.document(REGION, "vpc.connections", &document("vpc.connections", &connections)).unwrap();
    let groups = json!([
        { "operation": "DescribeSecurityGroups", "output": { "SecurityGroups": [
            { "GroupId": "sg-2", "GroupName": "=cmd|' /C calc'!A0", "OwnerId": "999999999999" },
            { "GroupId": "sg-1", "GroupName": "zwölf, \"Fenster\"",
              "SecurityGroupArn": "arn:aws:ec2:eu-west-1:012345678901:security-group/sg-1" },
        ] } },
        { "operation": "DescribeVpcPeeringConnections", "output": { "VpcPeeringConnections": peering } },
    ]);
    evidence.document(REGION, "vpc.security-groups", &document("vpc.security-groups", &groups)).unwrap();
    let instances = json!([{ "operation": "DescribeInstances", "output": { "Reservations": [
        { "Instances": [{ "InstanceId": "i-1", "Tags": [{ "Key": "Name", "Value": "web\r\n-1" }] }] },
        { "Instances": [{ "InstanceId": "i-3" }, { "InstanceId": "i-2" }] },
    ] } }]);
    evidence.document(REGION, "ec2.instances", &document("ec2.instances", &instances)).unwrap();
    evidence
}

fn population() -> Population {
    let mut population = Population::new();
    population.add(&evidence(), REGION);
    population
}

fn check(criteria: &[&str]) -> CheckRecord {
    serde_json::from_value(json!({
        "id": "sg_shut", "version": 3, "title": "Groups are shut", "description": "Each group is looked at.",
        "scope": "region", "severity": "high", "criteria": criteria,
        "inputs": [{ "item": "vpc.security-groups", "calls": ["DescribeSecurityGroups"] }],
        "parameters": { "tcp": [22] }, "remediation": "Shut it.", "references": ["https://example.com/"],
        "also": { "securityhub": ["EC2.13"] }, "sha256": "ab".repeat(32),
    }))
    .unwrap()
}

fn row(resource: Option<&str>, verdict: Verdict, exception: Option<&str>) -> Assessed {
    let pointer = |at: &str| Pointer { document: GROUPS.to_owned(), pointer: at.to_owned() };
    let row = Row {
        check: "sg_shut".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        resource: resource.map(str::to_owned),
        verdict,
        reason: format!("because it is {}\n=1+1", verdict.word()),
        observed: Some(json!(["0.0.0.0/0"])),
        expected: Some(json!("nothing")),
        evidence: vec![pointer("/calls/0/output/SecurityGroups/1"), pointer("/calls/0")],
    };
    Assessed { row, exception: exception.map(str::to_owned) }
}

fn assessment() -> Assessment {
    let exception = Exception {
        id: "EX-7".to_owned(),
        check: "sg_shut".to_owned(),
        resource: "sg-3".to_owned(),
        reason: "until the move".to_owned(),
        owner: "platform".to_owned(),
        approver: "ciso@example.com".to_owned(),
        approved_at: "2026-11-01".to_owned(),
        expires: Some("2027-01-31".to_owned()),
        ticket: Some("OPS-1".to_owned()),
    };
    let state = ExceptionState {
        exception,
        state: State::Live,
        since: "2026-11-22T02:00:00Z".to_owned(),
        matched: 1,
        failing: 1,
        flags: Vec::new(),
    };
    Assessment {
        profile: "guide".to_owned(),
        now: "2026-11-22T02:00:00Z".to_owned(),
        checks: [("sg_shut".to_owned(), check(&["CC6.6", "NET-04"]))].into(),
        rows: vec![
            row(Some("sg-1"), Verdict::Pass, None),
            row(Some("sg-2"), Verdict::Fail, None),
            row(Some("sg-3"), Verdict::Fail, Some("EX-7")),
            row(Some("sg-4"), Verdict::Unknown, None),
            row(None, Verdict::NotApplicable, None),
        ],
        documents: [(GROUPS.to_owned(), "cd".repeat(32))].into(),
        exceptions: vec![state],
        contents: std::collections::BTreeMap::new(),
    }
}

fn facts() -> Facts {
    Facts {
        run: json!({ "slot": "2026-11-22T02:00:00Z", "status": "partial", "trigger": "schedule",
            "collected": { "start": "2026-11-22T02:00:00Z", "end": "2026-11-22T02:04:00Z" },
            "scope": { "name": "prod" }, "collector": { "version": "0.1.0" } }),
        plan: json!({ "accounts": [{ "id": ACCOUNT, "name": "payments", "partition": "aws", "inScope": true }] }),
        config: json!({ "organisation": "Example Ltd" }),
        cells: vec![
            json!({ "account": ACCOUNT, "region": REGION, "item": "vpc.security-groups", "status": "complete",
                "file": GROUPS, "sha256": "cd".repeat(32), "resources": 2, "pages": 1,
                "startedAt": "2026-11-22T02:00:01.000Z", "finishedAt": "2026-11-22T02:00:02.000Z" }),
            json!({ "account": ACCOUNT, "region": REGION, "item": "vpc.vpcs", "status": "denied",
                "error": { "service": "ec2", "operation": "DescribeVpcs", "code": "UnauthorizedOperation",
                    "message": "no" },
                "accepted": { "approver": "ciso@example.com", "expires": "2027-01-01", "reason": "SCP" } }),
        ],
        ..Facts::default()
    }
}

/// Rows of a table by column, with the mark undone.
fn table(name: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let files = tables();
    let bytes = files.into_iter().find(|(path, _)| path == name).unwrap().1;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let head = reader.headers().unwrap().clone();
    let record = |record: csv::StringRecord| {
        let field = |text: &str| text.strip_prefix('\'').unwrap_or(text).to_owned();
        head.iter().map(str::to_owned).zip(record.iter().map(field)).collect()
    };
    reader.records().map(|it| record(it.unwrap())).collect()
}

/// Path and bytes of each table.
fn tables() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    each_table(&facts(), &assessment(), &population(), &mut |path, bytes| files.push((path, bytes))).unwrap();
    files
}

#[test]
fn every_resource_is_in_the_population_once() {
    let rows = table("data/population.csv");
    let listed = |kind: &str| -> Vec<&str> {
        rows.iter()
            .filter(|row| row["resource_type"] == kind)
            .map(|row| row["resource_id"].as_str())
            .collect()
    };
    assert_eq!(listed("AWS::EC2::SecurityGroup"), ["sg-1", "sg-2"]);
    assert_eq!(listed("AWS::EC2::VPCPeeringConnection"), ["pcx-1"], "though two calls list it");
    assert_eq!(listed("AWS::EC2::Instance"), ["i-1", "i-2", "i-3"]);
    let instance = rows.iter().find(|row| row["resource_id"] == "i-2").unwrap();
    assert_eq!(instance["evidence"], "ec2.instances#/calls/0/output/Reservations/1/Instances/1");
    assert_eq!(instance["resource_arn"], "", "the id and the place say it");
    assert_eq!(names().look(ACCOUNT, REGION, "i-2").arn, "arn:aws:ec2:eu-west-1:012345678901:instance/i-2");
    assert_eq!(instance["account"], "012345678901 payments");
    let shared = rows.iter().find(|row| row["resource_id"] == "sg-2").unwrap();
    assert_eq!(shared["resource_arn"], "arn:aws:ec2:eu-west-1:999999999999:security-group/sg-2");
    assert_eq!(shared["resource_name"], "=cmd|' /C calc'!A0");
}

#[test]
fn a_list_that_failed_is_said_in_the_population() {
    let rows = table("data/population.csv");
    let failed = rows.iter().find(|row| row["resource_type"] == "AWS::EC2::TransitGateway").unwrap();
    assert_eq!(
        (failed["resource_id"].as_str(), failed["evidence"].as_str()),
        ("", "vpc.connections#/calls/1/error")
    );
    assert_eq!(failed["note"], "NOT COMPLETE: DescribeTransitGateways failed: UnauthorizedOperation");
}

#[test]
fn adding_a_place_twice_changes_nothing() {
    let mut twice = population();
    twice.add(&evidence(), REGION);
    assert_eq!(twice.count(), population().count());
}

#[test]
fn findings_have_a_row_each_with_their_verdict_and_evidence() {
    let rows = table("data/findings.csv");
    let verdicts: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(verdicts, ["pass", "fail", "excepted", "unknown", "not-applicable"]);
    let row = &rows[1];
    assert_eq!(row["account"], "012345678901 payments");
    assert_eq!((row["criteria"].as_str(), row["severity"].as_str()), ("CC6.6 NET-04", "high"));
    assert_eq!(row["resource_name"], "=cmd|' /C calc'!A0");
    assert_eq!(row["observed"], "[\"0.0.0.0/0\"]");
    assert_eq!(row["evidence"], "vpc.security-groups#/calls/0/output/SecurityGroups/1 /calls/0");
    assert_eq!(rows[2]["exception_id"], "EX-7");
}

#[test]
fn coverage_has_every_cell_with_its_status_and_reason() {
    let rows = table("data/coverage.csv");
    let said: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["item"].as_str(), row["status"].as_str())).collect();
    assert_eq!(said, [("vpc.security-groups", "complete"), ("vpc.vpcs", "denied")]);
    assert_eq!(rows[1]["error"], "DescribeVpcs: UnauthorizedOperation: no");
    assert_eq!(rows[1]["accepted_by"], "ciso@example.com");
    // What a row of the findings points into has its digest and its time here.
    assert_eq!((rows[0]["evidence_file"].as_str(), rows[0]["evidence_sha256"].len()), (GROUPS, 64));
    assert_eq!(rows[0]["finished_at_utc"], "2026-11-22T02:00:02.000Z");
}

#[test]
fn the_same_run_gives_the_same_bytes_of_every_form() {
    let all = || {
        let names = names();
        let documents = oscal(&facts(), &assessment(), &names).unwrap();
        (tables(), documents.results, documents.catalog, ocsf(&facts(), &assessment(), &names).unwrap())
    };
    assert_eq!(all(), all());
}

fn names() -> Names {
    Names::read(&tables()[2].1, &facts()).unwrap()
}

fn results() -> Value {
    let documents = oscal(&facts(), &assessment(), &names()).unwrap();
    serde_json::from_slice::<Value>(&documents.results).unwrap()["assessment-results"]["results"][0].clone()
}

fn prop<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value["props"].as_array()?.iter().find(|prop| prop["name"] == name)?["value"].as_str()
}

#[test]
fn every_row_is_an_observation_and_only_failures_are_risks() {
    let results = results();
    let observed: Vec<&str> =
        results["observations"].as_array().unwrap().iter().map(|it| prop(it, "verdict").unwrap()).collect();
    assert_eq!(observed, ["pass", "fail", "excepted", "unknown", "not-applicable"]);
    let risks = results["risks"].as_array().unwrap();
    let status: Vec<&str> = risks.iter().map(|risk| risk["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["open", "deviation-approved"]);
    assert_eq!(prop(&risks[1], "approver"), Some("ciso@example.com"));
    assert_eq!(risks[1]["deadline"], "2027-01-31T23:59:59Z");
    assert_eq!(prop(&results["observations"][2], "raw-verdict"), Some("fail"));
}

#[test]
fn a_finding_is_satisfied_only_when_something_passed_and_nothing_else_was_found() {
    let state = |rows: Vec<Assessed>| {
        let assessment = Assessment { rows, ..assessment() };
        let documents = oscal(&facts(), &assessment, &names()).unwrap();
        let value: Value = serde_json::from_slice(&documents.results).unwrap();
        let finding = &value["assessment-results"]["results"][0]["findings"][0]["target"];
        (
            finding["target-id"].as_str().map(str::to_owned),
            finding["status"]["state"].as_str().map(str::to_owned),
        )
    };
    let pass = || row(Some("sg-1"), Verdict::Pass, None);
    let target = Some("cc6.6_smt".to_owned());
    assert_eq!(state(vec![pass()]), (target.clone(), Some("satisfied".to_owned())));
    for other in [
        row(Some("sg-2"), Verdict::Fail, None),
        row(Some("sg-2"), Verdict::Fail, Some("EX-7")),
        row(Some("sg-2"), Verdict::Unknown, None),
    ] {
        assert_eq!(state(vec![pass(), other]), (target.clone(), Some("not-satisfied".to_owned())));
    }
    assert_eq!(state(vec![row(None, Verdict::NotApplicable, None)]), (None, None));
}

#[test]
fn no_id_of_the_results_is_missing_in_the_catalog() {
    let documents = oscal(&facts(), &assessment(), &names()).unwrap();
    let catalog: Value = serde_json::from_slice(&documents.catalog).unwrap();
    let mut known = std::collections::BTreeSet::new();
    for group in catalog["catalog"]["groups"].as_array().unwrap() {
        for control in group["controls"].as_array().unwrap() {
            known.insert(control["id"].clone().to_string());
            known.insert(control["parts"][0]["id"].to_string());
        }
    }
    let results = results();
    let selected =
        results["reviewed-controls"]["control-selections"][0]["include-controls"].as_array().unwrap();
    let targets = results["findings"].as_array().unwrap().iter().map(|it| &it["target"]["target-id"]);
    let used: Vec<String> =
        selected.iter().map(|it| &it["control-id"]).chain(targets).map(ToString::to_string).collect();
    assert_eq!(used.len(), 4, "two criteria, selected and found on");
    assert!(used.iter().all(|id| known.contains(id)), "{used:?}");
}

#[test]
fn a_line_of_ocsf_says_each_verdict_in_its_words() {
    let bytes = ocsf(&facts(), &assessment(), &names()).unwrap();
    let lines: Vec<Value> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|it| !it.is_empty())
        .map(|it| serde_json::from_slice(it).unwrap())
        .collect();
    let said: Vec<(&str, u64, u64, u64)> = lines
        .iter()
        .map(|it| {
            (
                it["status_code"].as_str().unwrap(),
                it["compliance"]["status_id"].as_u64().unwrap(),
                it["status_id"].as_u64().unwrap(),
                it["severity_id"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("pass", 1, 1, 1),
        ("fail", 3, 1, 4),
        ("excepted", 3, 3, 1),
        ("unknown", 2, 1, 4),
        ("not-applicable", 99, 1, 1),
    ];
    assert_eq!(said, expected);
    assert_eq!(lines[2]["unmapped"]["exception"]["id"], "EX-7");
    assert_eq!(lines[0]["time"], 1_795_312_800_000_u64);
}

#[test]
fn the_id_of_a_finding_stays_from_run_to_run_and_that_of_its_row_does_not() {
    let line = |slot: &str| {
        let mut facts = facts();
        facts.run["slot"] = slot.into();
        let bytes = ocsf(&facts, &assessment(), &names()).unwrap();
        serde_json::from_slice::<Value>(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
    };
    let (one, other) = (line("2026-11-22T02:00:00Z"), line("2026-11-23T02:00:00Z"));
    assert_eq!(one["finding_info"]["uid"], other["finding_info"]["uid"]);
    assert_ne!(one["metadata"]["uid"], other["metadata"]["uid"]);
}

#[test]
fn a_table_that_is_not_ours_is_refused() {
    let error = Names::read(b"a,b\r\n1,2\r\n", &facts()).unwrap_err();
    assert_eq!(error.to_string(), "population.csv has no column account");
}

#[test]
fn a_run_without_a_time_is_refused() {
    let assessment = Assessment { now: "yesterday".to_owned(), ..assessment() };
    assert!(ocsf(&facts(), &assessment, &names()).is_err());
}
