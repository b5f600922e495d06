//! What must not matter does not: order, names, a CIDR in two halves, resources of somewhere else.
//!
//! The documents are the collector's own (`collected`), changed; every check is run over them again, and each resource
//! has the verdict that it had.

use std::collections::BTreeMap;

use evidenced_core::policy::{Policies, Verdict};
use serde_json::{Value, json};
use simcloud::Config;

use crate::collected::Collected;

const PLACE: &str = "eu-west-3";
const ELSEWHERE: &str = "eu-north-1";

type Found = BTreeMap<(String, Option<String>), Verdict>;

async fn collected() -> Collected {
    let regions = ["us-east-1", "eu-central-1", "eu-west-1", ELSEWHERE, "eu-west-2", PLACE, "ap-south-1"];
    let config = Config { regions: regions.map(str::to_owned).to_vec(), ..Config::default() };
    Collected::of(config, &[PLACE, ELSEWHERE]).await
}

fn found(collected: &Collected, policies: &Policies) -> Found {
    let rows = [PLACE, "global"].into_iter().flat_map(|place| collected.judged(policies, place));
    rows.map(|((check, _, resource), judged)| ((check, resource), judged.verdict)).collect()
}

fn policies() -> Policies {
    Policies::new("guide", &[], &Value::Null).unwrap()
}

/// A shuffle that is the same on every machine: lists are dealt into two heaps, each the other way round.
fn shuffled(value: &mut Value) {
    match value {
        Value::Array(entries) => {
            entries.iter_mut().for_each(shuffled);
            let (even, odd): (Vec<_>, Vec<_>) =
                (0_usize..).zip(entries.drain(..)).partition(|(at, _)| at % 2 == 0);
            entries.extend(odd.into_iter().rev().chain(even.into_iter().rev()).map(|(_, entry)| entry));
        }
        Value::Object(members) => members.values_mut().for_each(shuffled),
        _ => {}
    }
}

/// Ids such as vpc-0123456789abcdef0, each made another one, wherever they are in a text.
fn renamed(text: &str) -> String {
    let mut parts = text.split("-0");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("-0");
        let id = part.get(..16).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match id {
            Some(id) => {
                out.extend(
                    id.chars().map(|digit| char::from_digit(15 - digit.to_digit(16).unwrap(), 16).unwrap()),
                );
                out.push_str(&part[16..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

fn rename(value: &mut Value) {
    match value {
        Value::String(text) => *text = renamed(text),
        Value::Array(entries) => entries.iter_mut().for_each(rename),
        Value::Object(members) => {
            if members.get("Key").is_some_and(|key| key == "Name") {
                members.insert("Value".to_owned(), json!("called otherwise"));
            }
            members.values_mut().for_each(rename);
        }
        _ => {}
    }
}

/// Members that hold a CIDR, in rules, entries and routes.
const CIDRS: [&str; 6] =
    ["CidrIp", "CidrIpv6", "CidrBlock", "Ipv6CidrBlock", "DestinationCidrBlock", "DestinationIpv6CidrBlock"];

/// Every entry of a list that names a whole family becomes two, with half of it each; the numbers of network ACLs
/// are doubled first, so that the second half has one of its own.
fn halved(value: &mut Value) {
    match value {
        Value::Array(entries) => {
            let mut all = Vec::new();
            for mut entry in entries.drain(..) {
                halved(&mut entry);
                if let Some(number) = entry.get("RuleNumber").and_then(Value::as_u64) {
                    entry["RuleNumber"] = json!(number * 2);
                }
                let whole = CIDRS.into_iter().find_map(|name| match entry.get(name)?.as_str()? {
                    "0.0.0.0/0" => Some((name, ["0.0.0.0/1", "128.0.0.0/1"])),
                    "::/0" => Some((name, ["::/1", "8000::/1"])),
                    _ => None,
                });
                let Some((name, halves)) = whole else {
                    all.push(entry);
                    continue;
                };
                for (more, half) in (0_u64..).zip(halves) {
                    let mut part = entry.clone();
                    part[name] = json!(half);
                    if let Some(number) = part.get("RuleNumber").and_then(Value::as_u64) {
                        part["RuleNumber"] = json!(number + more);
                    }
                    all.push(part);
                }
            }
            *entries = all;
        }
        Value::Object(members) => members.values_mut().for_each(halved),
        _ => {}
    }
}

#[tokio::test]
async fn order_names_and_halves_change_no_verdict() {
    let (collected, policies) = (collected().await, policies());
    let before = found(&collected, &policies);
    assert!(before.values().filter(|it| **it == Verdict::Fail).count() > 100);
    assert!(before.values().filter(|it| **it == Verdict::Pass).count() > 200);

    let other = collected.changed(|_, _, document| shuffled(&mut document["calls"]));
    assert_eq!(found(&other, &policies), before, "order");

    let other = collected.changed(|_, _, document| rename(&mut document["calls"]));
    let named = |((check, resource), verdict): (&(String, Option<String>), &Verdict)| {
        ((check.clone(), resource.as_deref().map(renamed)), *verdict)
    };
    let expected: Found = before.iter().map(named).collect();
    assert_ne!(expected, before);
    assert_eq!(found(&other, &policies), expected, "names");

    let other = collected.changed(|_, _, document| halved(&mut document["calls"]));
    assert_eq!(found(&other, &policies), before, "halves");
}

/// What is said of a region as a whole, or by names that are the same in every region.
const OF_THE_REGION: [&str; 5] = [
    "config_recorder_on",
    "config_rules_compliant",
    "config_rules_present",
    "vpc_block_public_access",
    "vpc_no_default",
];

#[tokio::test]
async fn resources_of_somewhere_else_change_no_verdict() {
    let (collected, policies) = (collected().await, policies());
    let before = found(&collected, &policies);
    let other = collected.changed(|region, item, document| {
        if region != PLACE || item == "config.compliance" {
            return;
        }
        let more = collected.documents(item)[ELSEWHERE]["calls"].clone();
        let calls = document["calls"].as_array_mut().unwrap();
        // One more answer to each call: pages of another list, and calls about resources that are not here.
        calls.extend(
            more.as_array().unwrap().iter().filter(|it| it["operation"] != "DescribeSSLPolicies").cloned(),
        );
    });
    let after = found(&other, &policies);
    assert!(after.len() > before.len() + 200, "{} rows, then {}", before.len(), after.len());
    for (key, verdict) in before.iter().filter(|((check, _), _)| !OF_THE_REGION.contains(&check.as_str())) {
        assert_eq!(after.get(key), Some(verdict), "{key:?}");
    }
}
