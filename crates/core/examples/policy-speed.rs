//! What judging costs: `policy-speed GROUPS [CHECK [registers]]`, a region of security groups with five rules each.
//!
//! One group in a hundred is open to the internet. Without a check: all of them, which say `unknown` where the region
//! has no other documents. Prints the rows by verdict, then CPU milliseconds of this thread (Linux counts them): what
//! the benchmark itself does before (making the evidence, compiling the checks), and what counts, from the bytes of the
//! documents to the rows and the file of findings. Nothing fails on a busy machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads its own CPU time")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;

use evidenced_core::assessment::{Assessed, Assessment, CheckRecord, findings_file};
use evidenced_core::policy::{Engine, Evidence, Offered, Policies, Text};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const NOW: &str = "2026-11-22T02:00:00Z";

/// CPU time of this thread since the last look.
struct Spent(u64);

impl Spent {
    fn now() -> Result<u64, Box<dyn Error>> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(text.split(' ').next().unwrap_or_default().parse()?)
    }

    fn milliseconds(&mut self) -> Result<u64, Box<dyn Error>> {
        let now = Self::now()?;
        let spent = now.saturating_sub(std::mem::replace(&mut self.0, now));
        Ok(spent / 1_000_000)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let groups: usize = arguments.next().ok_or("usage: policy-speed GROUPS [CHECK [registers]]")?.parse()?;
    let wanted = arguments.next();
    let engine = if arguments.next().is_some() { Engine::Registers } else { Engine::Interpreter };
    let mut spent = Spent(Spent::now()?);
    let built = Policies::new("guide", &[], &Value::Null).map_err(|problems| format!("{problems:?}"))?;
    let texts: Vec<Text> = built
        .checks
        .iter()
        .filter(|(id, _)| wanted.as_ref().is_none_or(|it| it == *id))
        .map(|(id, policy)| Text { id: id.clone(), text: policy.text.clone() })
        .collect();
    drop(built);
    let first = spent.milliseconds()?;
    let policies =
        Policies::compile("guide", &texts, &Value::Null, engine).map_err(|it| format!("{it:?}"))?;
    let compiled = spent.milliseconds()?;
    let documents = documents(groups);
    let made = spent.milliseconds()?;

    let mut evidence = Evidence::new(ACCOUNT);
    for (item, bytes) in &documents {
        evidence.document(REGION, item, bytes)?;
    }
    let read = spent.milliseconds()?;
    let rows = policies.assess(NOW, &evidence, REGION, &Offered::current());
    let judged = spent.milliseconds()?;
    let rows: Vec<Assessed> = rows.into_iter().map(|row| Assessed { row, exception: None }).collect();
    let mut assessment = Assessment { checks: CheckRecord::table(&policies), ..Assessment::default() };
    for (path, sha256) in rows
        .iter()
        .flat_map(|it| &it.row.evidence)
        .filter_map(|it| evidence.sha256(&it.document).map(|sha256| (&it.document, sha256)))
    {
        assessment.documents.insert(path.clone(), sha256.to_owned());
    }
    let file = findings_file(ACCOUNT, REGION, &rows, &assessment);
    let written = spent.milliseconds()?;

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for it in &rows {
        *counts.entry(it.row.verdict.word()).or_default() += 1;
    }
    let evidence_bytes: usize = documents.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{counts:?}")?;
    writeln!(out, "bytes: evidence {evidence_bytes}, findings {}", file.len())?;
    writeln!(
        out,
        "before, ms of CPU: checks of this version {first}, compiling {compiled}, making the evidence {made}"
    )?;
    writeln!(
        out,
        "judging, ms of CPU: reading the documents {read}, the checks {judged}, writing the rows {written}: {} in all",
        read + judged + written
    )?;
    let whole = first + compiled + made + read + judged + written;
    writeln!(out, "the whole process, ms of CPU: {whole}")?;
    Ok(())
}

/// The documents, by item, as they are in a bundle.
fn documents(groups: usize) -> Vec<(&'static str, Vec<u8>)> {
    let list: Vec<Value> = (0..groups).map(group).collect();
    let lists = [
        ("vpc.security-groups", "DescribeSecurityGroups", json!({ "SecurityGroups": list })),
        ("vpc.network-interfaces", "DescribeNetworkInterfaces", json!({ "NetworkInterfaces": [] })),
    ];
    let document = |item: &str, operation: &str, output: Value| {
        json!({ "account": ACCOUNT, "region": REGION, "item": item, "calls": [
            { "service": "ec2", "operation": operation, "parameters": {}, "output": output }] })
    };
    let written =
        |(item, operation, output)| (item, document(item, operation, output).to_string().into_bytes());
    lists.into_iter().map(written).collect()
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
