use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::policy::Text;

const NOW: &str = "2026-11-22T02:00:00Z";
const ACCOUNT: &str = "111122223333";

/// Documents by path.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Documents for Memory {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

fn policy(id: &str, scope: &str, item: &str, call: &str, subjects: &str) -> Text {
    let text = format!(
        "# METADATA\n# title: Claim of {id}\n# description: Looked at\n# custom:\n#   version: 1\n#   scope: {scope}\n#   severity: low\n#   criteria: [CC6.6]\n#   inputs:\n#     {item}:\n#       {call}: []\n#   remediation: None\n#   references: []\npackage evidenced.checks.{id}\n\nimport rego.v1\n\nsubjects contains id if {{\n\t{subjects}\n}}\n\nfindings contains finding if {{\n\tfalse\n\tfinding := {{}}\n}}\n"
    );
    Text { id: id.to_owned(), text }
}

fn policies() -> Policies {
    let vpcs = "some doc in input.documents\n\tsome call in doc.calls\n\tid := call.output.Vpcs[_].VpcId";
    let buckets =
        "some doc in input.documents\n\tsome call in doc.calls\n\tid := call.output.Buckets[_].Name";
    let texts = [
        policy("vpcs", "region", "vpc.vpcs", "DescribeVpcs", vpcs),
        policy("all_vpcs", "account", "vpc.vpcs", "DescribeVpcs", vpcs),
        policy("buckets", "account", "s3.buckets", "ListBuckets", buckets),
    ];
    Policies::compile("guide", &texts, &Value::Null, crate::policy::Engine::Interpreter).unwrap()
}

fn cell(region: &str, item: &str, document: bool) -> Cell {
    let (account, region, item) = (ACCOUNT.to_owned(), region.to_owned(), item.to_owned());
    let status = if document { Status::Complete } else { Status::Denied };
    Cell { account, region, item, status, document, reason: "DescribeVpcs: AccessDenied".to_owned() }
}

fn document(region: &str, item: &str, operation: &str, output: &Value) -> (String, Vec<u8>) {
    let text = json!({ "account": ACCOUNT, "region": region, "item": item, "collectedAt": NOW, "calls": [
        { "service": "aws", "operation": operation, "parameters": {}, "startedAt": NOW, "output": output }] });
    (format!("data/evidence/{ACCOUNT}/{region}/{item}.json"), text.to_string().into_bytes())
}

fn memory() -> Memory {
    let vpcs = |region: &str| {
        document(
            region,
            "vpc.vpcs",
            "DescribeVpcs",
            &json!({ "Vpcs": [{ "VpcId": format!("vpc-{region}") }] }),
        )
    };
    let buckets =
        document("global", "s3.buckets", "ListBuckets", &json!({ "Buckets": [{ "Name": "logs" }] }));
    Memory([vpcs("eu-1"), vpcs("eu-2"), buckets].into())
}

fn judge(cells: [&[Cell]; 3], memory: &mut Memory) -> (Assessment, Vec<String>) {
    let policies = policies();
    let checks = CheckRecord::table(&policies);
    let mut judging = Judging::new("guide", NOW, checks, Exceptions::new(&[], 0), Offered::current());
    let mut here = Here(&policies);
    let mut seen = Vec::new();
    let mut onlooker = |_: &Evidence, region: &str| seen.push(region.to_owned());
    let [global, one, two] = cells;
    for (region, cells) in [("eu-1", one), ("eu-2", two)] {
        judging.account(ACCOUNT, global, memory);
        judging.region(region, cells, memory, &mut [&mut here], &mut onlooker);
    }
    judging.account(ACCOUNT, global, memory);
    judging.whole(&[one.to_vec(), two.to_vec()], memory, &mut [&mut here], &mut onlooker);
    (judging.finish().0, seen)
}

fn rows(assessment: &Assessment) -> Vec<String> {
    let text = |it: &Assessed| {
        let resource = it.row.resource.as_deref().unwrap_or("-");
        format!("{} {} {resource} {}", it.row.region, it.row.check, it.verdict())
    };
    assessment.rows.iter().map(text).collect()
}

#[test]
fn every_place_is_judged_and_checks_of_the_account_see_every_region() {
    let cells = [
        &[cell("global", "s3.buckets", true)][..],
        &[cell("eu-1", "vpc.vpcs", true)],
        &[cell("eu-2", "vpc.vpcs", true)],
    ];
    let (assessment, seen) = judge(cells, &mut memory());
    assert_eq!(
        rows(&assessment),
        [
            "eu-1 vpcs vpc-eu-1 pass",
            "eu-2 vpcs vpc-eu-2 pass",
            "global all_vpcs vpc-eu-1 pass",
            "global all_vpcs vpc-eu-2 pass",
            "global buckets logs pass",
        ]
    );
    assert_eq!(seen, ["eu-1", "eu-2", "global"]);
    assert_eq!(assessment.contents.len(), 3);
}

#[test]
fn a_gap_and_a_document_that_cannot_be_read_are_rows_that_could_not_be_judged() {
    let cells = [
        &[cell("global", "s3.buckets", true)][..],
        &[cell("eu-1", "vpc.vpcs", false)],
        &[cell("eu-2", "vpc.vpcs", true)],
    ];
    let mut memory = memory();
    memory.0.remove(&format!("data/evidence/{ACCOUNT}/eu-2/vpc.vpcs.json"));
    let (assessment, _) = judge(cells, &mut memory);
    assert_eq!(rows(&assessment)[..2], ["eu-1 vpcs - unknown", "eu-2 vpcs - unknown"]);
    let reasons: Vec<&str> = assessment.rows.iter().map(|it| it.row.reason.as_str()).collect();
    assert_eq!(reasons[0], "eu-1/vpc.vpcs: denied: DescribeVpcs: AccessDenied");
    assert_eq!(reasons[1], "eu-2/vpc.vpcs: failed: cannot be judged: no such file");
}

#[test]
fn a_supplement_has_rows_of_the_checks_that_its_cells_are_for_and_no_others() {
    let policies = policies();
    let checks = CheckRecord::table(&policies);
    let mut judging =
        Judging::new("guide", NOW, checks, Exceptions::new(&[], 0), Offered::current()).supplement();
    let mut memory = memory();
    let mut here = Here(&policies);
    judging.account(ACCOUNT, &[], &mut memory);
    let cells = [cell("eu-1", "vpc.vpcs", true)];
    judging.region("eu-1", &cells, &mut memory, &mut [&mut here], &mut |_, _| {});
    judging.whole(&[], &mut memory, &mut [&mut here], &mut |_, _| {});
    assert_eq!(rows(&judging.finish().0), ["eu-1 vpcs vpc-eu-1 pass"]);
}

#[test]
fn the_content_of_a_document_is_the_same_on_another_day_and_another_when_the_estate_is() {
    let one =
        json!({ "calls": [{ "operation": "DescribeVpcs", "startedAt": "a", "output": { "Vpcs": [] } }] });
    let later =
        json!({ "calls": [{ "operation": "DescribeVpcs", "startedAt": "b", "output": { "Vpcs": [] } }] });
    let other =
        json!({ "calls": [{ "operation": "DescribeVpcs", "startedAt": "a", "output": { "Vpcs": [1] } }] });
    let denied = json!({ "calls": [{ "operation": "DescribeVpcs", "error": { "code": "AccessDenied" } }] });
    assert_eq!(content(&one), content(&later));
    assert_ne!(content(&one), content(&other));
    assert_ne!(content(&one), content(&denied));
}

#[test]
fn places_are_the_planned_regions_and_each_account_that_is_not_left_out() {
    let plan = json!({ "accounts": [
        { "id": "1", "regions": [{ "name": "eu-1", "planned": true }, { "name": "eu-2", "planned": false }] },
        { "id": "2", "reason": "sandbox", "regions": [] },
    ] });
    let row = |account: &str, region: &str| {
        json!({ "account": account, "region": region, "item": "vpc.vpcs", "status": "denied",
            "error": { "operation": "DescribeVpcs", "code": "AccessDenied" } })
    };
    let places = places(&plan, &[row("1", "eu-1"), row("1", "eu-2"), row("2", "global")]);
    assert_eq!(places.keys().collect::<Vec<_>>(), ["1"]);
    assert_eq!(places["1"].keys().collect::<Vec<_>>(), ["eu-1", "global"]);
    assert_eq!(places["1"]["eu-1"][0].reason, "DescribeVpcs: AccessDenied");
}

/// A region that the configuration leaves out has rows in `run.json` and none of any check: its findings would be one
/// `unknown` for each check, seventeen regions long, and say nothing that the plan does not.
#[test]
fn a_region_that_the_configuration_leaves_out_is_stated_once_and_not_judged() {
    let plan = json!({ "accounts": [{ "id": "1", "regions": [
        { "name": "eu-1", "planned": true },
        { "name": "eu-2", "planned": false, "state": "enabled", "reason": "not selected" },
        { "name": "eu-3", "planned": false, "state": "not-opted-in" },
    ] }] });
    let row = |region: &str, item: &str, status: &str| json!({ "account": "1", "region": region, "item": item, "status": status, "reason": "not selected" });
    let places = places(
        &plan,
        &[
            row("eu-1", "vpc.vpcs", "excluded"),
            row("eu-2", "vpc.vpcs", "excluded"),
            row("eu-3", "vpc.vpcs", "region-disabled"),
        ],
    );
    assert_eq!(places["1"].keys().collect::<Vec<_>>(), ["eu-1", "global"]);
    // An item that is not selected in a region that is planned stays a cell: its checks are unknown there.
    assert_eq!(places["1"]["eu-1"][0].status, Status::Excluded);
}

#[test]
fn a_catalogue_that_is_read_back_offers_what_this_version_offers() {
    assert_eq!(offered(&crate::layout::catalogue_value()), Offered::current());
}
