//! `evidenced collect --fill`: what was denied is collected later, and the slot says what it was.

use std::process::Output;

use evidenced_bundle::{BundlePath, UtcSecond};
use serde_json::Value;
use simcloud::{Config, Effect, Fault};

use crate::estate::{Estate, one_account};
use crate::publish::{collect, due, verify};

const REGION: &str = "eu-central-1";

/// So many requests for VPCs of one region are denied, and later ones are not.
fn denied_first(times: u64) -> Estate {
    let fault = Fault {
        region: Some(REGION.to_owned()),
        first: Some(times),
        ..Fault::on("ec2", "DescribeVpcs", Effect::AccessDenied { scp: false })
    };
    let subnets = Fault {
        region: Some(REGION.to_owned()),
        first: Some(times),
        ..Fault::on("ec2", "DescribeSubnets", Effect::AccessDenied { scp: false })
    };
    let estate = Estate::new(Config { faults: vec![fault, subnets], ..one_account() }, "");
    let log = "log_key = \"file:keys/log.key.pem\"\ntrust_root = \"store/trust\"\n";
    estate.write_configuration("test", log, "items = [\"vpc.vpcs\", \"vpc.subnets\"]");
    estate
}

fn slot(unix: i64) -> String {
    UtcSecond::from_unix(unix).unwrap().to_string()
}

fn fill(estate: &Estate, more: &[&str]) -> Output {
    let slot = slot(due());
    estate.command().args(["collect", "--output", "json", "--fill", &slot]).args(more).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `run.json` of a supplement.
fn run(estate: &Estate, number: u32) -> Value {
    let at = UtcSecond::from_unix(due()).unwrap();
    let date = at.date().replace('-', "/");
    let path = format!("store/bundles/{date}/evidence-test-{}-supplement-{number}.zip", at.compact());
    let mut bundle = estate.open(&estate.path(&path));
    serde_json::from_slice(&bundle.read(&BundlePath::new("data/run.json").unwrap()).unwrap()).unwrap()
}

fn cells(run: &Value) -> Vec<(String, String, String)> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = run["cells"].as_array().unwrap().iter();
    rows.map(|row| (word(row, "region"), word(row, "item"), word(row, "status"))).collect()
}

#[test]
fn a_supplement_has_exactly_the_gaps_and_the_store_says_both() {
    let estate = denied_first(1);
    assert_eq!(collect(&estate, due()).status.code(), Some(4));
    let filled = fill(&estate, &[]);
    assert_eq!(filled.status.code(), Some(0), "{}", stderr(&filled));
    let run = run(&estate, 1);
    let expected = ["vpc.subnets", "vpc.vpcs"].map(|item| (REGION.into(), item.into(), "complete".into()));
    assert_eq!(cells(&run), expected);
    assert_eq!((&run["trigger"], &run["status"]), (&"supplement".into(), &"complete".into()));
    let original = run["supplements"]["id"].as_str().unwrap();
    assert!(original.starts_with("evidence-test-") && !original.contains("supplement"), "{original}");
    assert_eq!(run["supplements"]["sha256"].as_str().unwrap().len(), 64);
    // The slot stays what it was: the store is genuine, with its gaps as exceptions and the supplement beside it.
    let (code, said) = verify(&estate, &estate.path("store"), &["--undated"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("1 extra run") && said.contains("denied"), "{said}");
    assert!(!said.contains("no longer"), "a supplement changes nothing of the scope: {said}");
    let listed = estate.command().args(["list", "--output", "json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let statuses: Vec<_> =
        listed["bundles"].as_array().unwrap().iter().map(|it| (&it["trigger"], &it["status"])).collect();
    assert_eq!(
        statuses,
        [(&Value::from("schedule"), &Value::from("partial")), (&"supplement".into(), &"complete".into())]
    );
    let status = estate.command().args(["status", "--output", "json"]).output().unwrap();
    assert_eq!(status.status.code(), Some(4));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let slots: Vec<_> =
        status["slots"].as_array().unwrap().iter().map(|it| it["trigger"].as_str().unwrap()).collect();
    assert_eq!(slots, ["schedule", "supplement"]);
    assert!(status["lastSuccessSeconds"].is_null(), "a supplement is no complete run: {status}");
    // Nothing is left.
    let again = fill(&estate, &[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is filled by its 1 supplement(s)"), "{}", stderr(&again));
}

#[test]
fn what_is_still_denied_stays_open_and_the_next_supplement_has_the_next_number() {
    let estate = denied_first(2);
    assert_eq!(collect(&estate, due()).status.code(), Some(4));
    let only = fill(&estate, &["--item", "vpc.vpcs"]);
    assert_eq!(only.status.code(), Some(4), "{}", stderr(&only));
    assert_eq!(cells(&run(&estate, 1)), [(REGION.into(), "vpc.vpcs".into(), "partial".into())]);
    let none = fill(&estate, &["--region", "us-east-1"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("none of the 2 open gaps"), "{}", stderr(&none));
    let vpcs = fill(&estate, &["--item", "vpc.vpcs", "--region", "eu-*"]);
    assert_eq!(vpcs.status.code(), Some(0), "{}", stderr(&vpcs));
    assert_eq!(cells(&run(&estate, 2)), [(REGION.into(), "vpc.vpcs".into(), "complete".into())]);
    // The subnets were not asked for in between: their second denial is still to come.
    let subnets = fill(&estate, &[]);
    assert_eq!(subnets.status.code(), Some(4), "{}", stderr(&subnets));
    assert_eq!(cells(&run(&estate, 3)), [(REGION.into(), "vpc.subnets".into(), "denied".into())]);
    let (code, said) = verify(&estate, &estate.path("store"), &["--undated"]);
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn a_slot_that_is_complete_missed_or_not_there_is_refused_with_what_to_do() {
    let estate = denied_first(0);
    let day = 86_400;
    assert_eq!(collect(&estate, due() - 2 * day).status.code(), Some(0));
    assert_eq!(collect(&estate, due()).status.code(), Some(0));
    for (at, words, hint) in [
        (due(), "is complete: it has no open gap", "an extra run of this moment"),
        (due() - day, "was missed", "a missed slot stays missed"),
        (due() - 3 * day, "is not in the log", "evidenced list"),
    ] {
        let refused = estate.command().args(["collect", "--fill", &slot(at)]).output().unwrap();
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.contains(hint), "{said}");
    }
    let both =
        estate.command().args(["collect", "--slot", &slot(due()), "--fill", &slot(due())]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    let alone = estate.command().args(["collect", "--item", "vpc.vpcs"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(2));
}
