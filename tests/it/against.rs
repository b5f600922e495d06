//! `evidenced config check --against-last`: before an upgrade, what it adds and drops.

use std::fs;

use serde_json::Value;

use crate::estate::Estate;
use crate::publish::{collected, due, with_log};

fn check(estate: &Estate, more: &[&str]) -> (Option<i32>, String, String) {
    let output = estate.command().args(["config", "check", "--against-last"]).args(more).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn change(estate: &Estate, from: &str, to: &str) {
    let path = estate.path("evidenced.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_configuration_is_compared_with_the_newest_bundle_and_what_narrows_is_4() {
    let estate = with_log();
    let (code, _, said) = check(&estate, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("has no log"), "{said}");
    collected(&estate, due());
    let (code, text, said) = check(&estate, &[]);
    assert_eq!(code, Some(0), "{text}{said}");
    assert!(text.contains("\nnothing changes\n"), "{text}");
    change(&estate, "items = [\"vpc.vpcs\"]", "items = [\"vpc.vpcs\", \"vpc.subnets\"]");
    let (code, text, _) = check(&estate, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("  adds    item vpc.subnets (region)\n1 change(s), none of them narrows\n"),
        "{text}"
    );
    change(&estate, "items = [\"vpc.vpcs\", \"vpc.subnets\"]", "items = [\"vpc.subnets\"]");
    change(&estate, "regions = \"enabled\"", "regions = [\"us-east-1\"]");
    let (code, text, _) = check(&estate, &[]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("! drops   item vpc.vpcs (region)\n"), "{text}");
    assert!(text.contains("! changes aws.regions: \"enabled\" -> [\"us-east-1\"]\n"), "{text}");
    let (code, json, _) = check(&estate, &["--output", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["narrows"]), (Some(4), &2.into()));
    assert!(json["against"]["id"].as_str().unwrap().starts_with("evidence-test-"));
    assert_eq!(json["changes"][0]["effect"], "drops");
    // Without it nothing is compared, and nothing of the store is needed.
    let plain = estate.command().args(["config", "check"]).output().unwrap();
    assert_eq!(plain.status.code(), Some(0));
}
