//! Judges a region of many security groups: `policy-speed GROUPS [CHECK]`, timed from outside.
//!
//! Each group has five rules; one in a hundred is open to the internet. Without a check: all of them, which say
//! `unknown` where the region has no other documents. Prints the number of rows by verdict.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;

use evidenced_core::policy::{Engine, Evidence, Offered, Policies, Text};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let groups: usize = arguments.next().ok_or("usage: policy-speed GROUPS [CHECK [registers]]")?.parse()?;
    let wanted = arguments.next();
    let engine = if arguments.next().is_some() { Engine::Registers } else { Engine::Interpreter };
    let built = Policies::new("guide", &[], &Value::Null).map_err(|problems| format!("{problems:?}"))?;
    let texts: Vec<Text> = built
        .checks
        .iter()
        .filter(|(id, _)| wanted.as_ref().is_none_or(|it| it == *id))
        .map(|(id, policy)| Text { id: id.clone(), text: policy.text.clone() })
        .collect();
    let policies =
        Policies::compile("guide", &texts, &Value::Null, engine).map_err(|it| format!("{it:?}"))?;
    let list: Vec<Value> = (0..groups).map(group).collect();
    let document = |item: &str, calls: Value| {
        json!({ "account": "111122223333", "region": "eu-west-1", "item": item, "calls": calls }).to_string()
    };
    let mut evidence = Evidence::new("111122223333");
    let calls = json!([{ "service": "ec2", "operation": "DescribeSecurityGroups", "parameters": {},
        "output": { "SecurityGroups": list } }]);
    evidence.document(
        "eu-west-1",
        "vpc.security-groups",
        document("vpc.security-groups", calls).as_bytes(),
    )?;
    let calls = json!([{ "service": "ec2", "operation": "DescribeNetworkInterfaces", "parameters": {},
        "output": { "NetworkInterfaces": [] } }]);
    evidence.document(
        "eu-west-1",
        "vpc.network-interfaces",
        document("vpc.network-interfaces", calls).as_bytes(),
    )?;
    let rows = policies.assess("2026-11-22T02:00:00Z", &evidence, "eu-west-1", &Offered::current());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(row.verdict.word()).or_default() += 1;
    }
    writeln!(std::io::stdout(), "{counts:?}")?;
    Ok(())
}

fn group(number: usize) -> Value {
    let rule = |port: usize, cidr: &str| {
        json!({ "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{ "CidrIp": cidr }],
            "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": [] })
    };
    let source = if number.is_multiple_of(100) { "0.0.0.0/0" } else { "10.20.0.0/16" };
    let own = format!("10.{}.{}.0/24", number / 250 % 250, number % 250);
    let rules = [rule(22, source), rule(443, &own), rule(5432, "10.0.0.0/8"), rule(8080, &own)];
    json!({ "GroupId": format!("sg-{number:017x}"), "GroupName": format!("group-{number}"), "VpcId": "vpc-1",
        "IpPermissions": rules, "IpPermissionsEgress": [rule(443, "10.0.0.0/8")] })
}
