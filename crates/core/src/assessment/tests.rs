use serde_json::json;

use super::*;
use crate::exceptions::{Exception, Exceptions};
use crate::policy::{Evidence, Offered, Pointer};

const ACCOUNT: &str = "111122223333";
const NOW: &str = "2026-11-22T02:00:00Z";

fn open_group() -> Evidence {
    let mut evidence = Evidence::new(ACCOUNT);
    for (item, operation, output) in [
        (
            "vpc.security-groups",
            "DescribeSecurityGroups",
            json!({ "SecurityGroups": [{ "GroupId": "sg-1", "GroupName": "x", "OwnerId": ACCOUNT, "VpcId": "vpc-1",
                "IpPermissionsEgress": [], "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
                "IpRanges": [{ "CidrIp": "0.0.0.0/0" }], "Ipv6Ranges": [], "PrefixListIds": [],
                "UserIdGroupPairs": [] }] }] }),
        ),
        ("vpc.network-interfaces", "DescribeNetworkInterfaces", json!({ "NetworkInterfaces": [] })),
    ] {
        let document = json!({ "account": ACCOUNT, "region": "eu-west-1", "item": item, "calls": [
            { "service": "ec2", "operation": operation, "parameters": {}, "output": output }] });
        evidence.document("eu-west-1", item, document.to_string().as_bytes()).unwrap();
    }
    evidence
}

fn assessed() -> Assessment {
    let policies = Policies::new("guide", &[], &Value::Null).unwrap();
    let evidence = open_group();
    let exception: Exception =
        serde_json::from_value(json!({ "id": "EX-1", "check": "sg_no_ssh_from_internet",
        "resource": "sg-1", "reason": "bastion", "owner": "a", "approver": "b", "approved_at": "2026-11-22",
        "expires": "2027-01-01" }))
        .unwrap();
    let mut exceptions = Exceptions::new(&[exception], crate::moment::parse(NOW).unwrap());
    let rows = policies.assess(NOW, &evidence, "eu-west-1", &Offered::current());
    let documents = rows
        .iter()
        .flat_map(|row| &row.evidence)
        .map(|it| (it.document.clone(), evidence.sha256(&it.document).unwrap().to_owned()))
        .collect();
    let mut assessment = Assessment {
        profile: "guide".to_owned(),
        now: NOW.to_owned(),
        checks: CheckRecord::table(&policies),
        rows: rows.into_iter().map(|row| exceptions.cover(row)).collect(),
        documents,
        contents: BTreeMap::from([(
            format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.security-groups.json"),
            "00ff".to_owned(),
        )]),
        exceptions: exceptions.states(&[]),
    };
    assessment.sort();
    assessment
}

fn files(assessment: &Assessment) -> BTreeMap<String, Vec<u8>> {
    let Assessment { profile, now, checks, rows, exceptions, .. } = assessment;
    BTreeMap::from([
        (CHECKS.to_owned(), checks_file(profile, now, checks)),
        (EXCEPTIONS.to_owned(), exceptions_file(exceptions)),
        (findings_path(ACCOUNT, "eu-west-1"), findings_file(ACCOUNT, "eu-west-1", rows, assessment)),
    ])
}

#[test]
fn what_is_read_back_is_what_was_judged() {
    let assessment = assessed();
    assert_eq!(assessment.counts().get("excepted"), Some(&1));
    assert_eq!(Assessment::read(&files(&assessment)).unwrap(), assessment);
}

#[test]
fn an_excepted_row_shows_both_verdicts_and_a_pass_does_not_repeat_its_claim() {
    let files = files(&assessed());
    let text = String::from_utf8(files[&findings_path(ACCOUNT, "eu-west-1")].clone()).unwrap();
    let below = |check: &str| {
        let mut lines = text.lines().skip_while(move |line| !line.contains(check)).skip(1);
        lines.next().unwrap()
    };
    let row = below("\"sg_no_ssh_from_internet\"");
    assert!(row.contains(r#""verdict":"excepted","raw":"fail","exception":"EX-1""#), "{row}");
    assert!(row.contains(r#"["vpc.security-groups#/calls/0/output/SecurityGroups/0"#), "{row}");
    let pass = below("\"sg_no_rdp_from_internet\"");
    assert!(pass.contains("\"pass\"") && !pass.contains("\"reason\""), "{pass}");
}

#[test]
fn a_findings_file_of_another_place_or_of_an_unknown_check_is_refused() {
    let good = files(&assessed());
    let path = findings_path(ACCOUNT, "eu-west-1");
    let text = String::from_utf8(good[&path].clone()).unwrap();
    for (from, to) in [
        ("\"region\":\"eu-west-1\"", "\"region\":\"eu-west-2\""),
        ("\"check\":\"sg_no_rdp_from_internet\"", "\"check\":\"sg_no_rdp\""),
        ("\"verdict\":\"pass\"", "\"verdict\":\"good\""),
        ("\"raw\":\"fail\",", ""),
        ("security-groups#", "security-groups"),
    ] {
        assert!(text.contains(from), "{from}");
        let mut files = good.clone();
        files.insert(path.clone(), text.replace(from, to).into_bytes());
        assert!(matches!(Assessment::read(&files), Err(ReadError::Wrong { .. })), "{from}");
    }
    let mut files = good.clone();
    files.remove(CHECKS);
    assert!(matches!(Assessment::read(&files), Err(ReadError::Missing(_))));
    files.insert(CHECKS.to_owned(), b"[]".to_vec());
    assert!(matches!(Assessment::read(&files), Err(ReadError::Json { .. })));
}

#[test]
fn a_pointer_outside_of_the_account_keeps_its_whole_path() {
    let mut assessment = assessed();
    assessment.rows.truncate(1);
    assessment.rows[0].row.evidence =
        vec![Pointer { document: "data/evidence/999/eu-west-1/x.json".to_owned(), pointer: "/a".to_owned() }];
    let text = String::from_utf8(files(&assessment)[&findings_path(ACCOUNT, "eu-west-1")].clone()).unwrap();
    assert!(text.contains("data/evidence/999/eu-west-1/x.json#/a"), "{text}");
}

#[test]
fn what_rows_share_is_said_once_and_read_back() {
    let mut assessment = assessed();
    let mut row = assessment.rows.iter().find(|it| it.row.verdict == Verdict::Fail).unwrap().clone();
    row.exception = None;
    row.row.region = "eu-west-1".to_owned();
    let path = |region: &str| format!("data/evidence/{ACCOUNT}/{region}/vpc.security-groups.json");
    let pointer = |region: &str, at: &str| Pointer { document: path(region), pointer: at.to_owned() };
    let expected = [Some(json!("nothing")), Some(json!("nothing")), None, Some(json!({ "tcp": [443] }))];
    let evidence = [
        vec![pointer("eu-west-1", "/calls/0/output/SecurityGroups/7")],
        vec![
            pointer("eu-west-1", "/calls/0/output/SecurityGroups/8/IpPermissions/0"),
            pointer("eu-west-2", "/calls/1"),
        ],
        vec![pointer("eu-west-1", "/calls/0/output/SecurityGroups/a#b")],
        Vec::new(),
    ];
    assessment.rows = expected
        .into_iter()
        .zip(evidence)
        .enumerate()
        .map(|(at, (expected, evidence))| {
            let mut row = row.clone();
            row.row.resource = Some(format!("sg-{at}"));
            (row.row.expected, row.row.evidence) = (expected, evidence);
            row
        })
        .collect();
    assessment.documents.clear();
    let files = files(&assessment);
    let text = String::from_utf8(files[&findings_path(ACCOUNT, "eu-west-1")].clone()).unwrap();
    assert!(
        text.contains(r#""expected":"nothing","at":"vpc.security-groups#/calls/0/output/SecurityGroups/""#),
        "{text}"
    );
    assert!(text.contains(r#""evidence":["7"]"#), "{text}");
    assert!(text.contains(r#"["8/IpPermissions/0","eu-west-2/vpc.security-groups#/calls/1"]"#), "{text}");
    assert!(
        text.contains(
            r#""expected":null,"evidence":["vpc.security-groups#/calls/0/output/SecurityGroups/a#b"]"#
        ),
        "{text}"
    );
    assert_eq!(Assessment::read(&files).unwrap(), assessment);
}
