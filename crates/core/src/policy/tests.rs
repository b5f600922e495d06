//! The cases of `tests/policies`: documents in, rows out, on both of the engine's ways to run a policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::*;
use crate::item::catalogue;
use crate::snapshot::Status;

#[cfg(feature = "coverage")]
mod coverage;
mod kinds;
mod metamorphic;
mod shortcuts;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const NOW: &str = "2026-11-22T02:00:00Z";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

#[expect(clippy::disallowed_methods, reason = "the cases are files")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    found.sort();
    found
}

/// Cases that the register machine of regorus 0.14.1 gets wrong; the interpreter and rego-cpp agree on them.
const REGISTERS_DIFFER: &[&str] = &["nacl_no_admin_ports_from_internet/ephemeral"];

/// A case: `{about, profile?, parameters?, documents, rows}`. A document is `{operation: output}` or
/// `{operation: [{parameters, output | error | fact}]}`; a text in its place is the status of a gap.
struct Case {
    check: String,
    name: String,
    value: Value,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in entries(&folder("tests/policies")).iter().filter(|it| it.is_dir()) {
        let check = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for path in entries(folder).iter().filter(|it| it.extension().is_some_and(|it| it == "json")) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let value = serde_json::from_str(&read(path))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases.push(Case { check: check.clone(), name, value });
        }
    }
    cases
}

/// The document that a case's short form stands for.
fn document(name: &str, short: &Value) -> Value {
    let (region, item) = name.split_once('/').unwrap();
    let mut calls = Vec::new();
    for (operation, answers) in short.as_object().unwrap() {
        let answers = match answers {
            Value::Array(answers) => answers.clone(),
            output => vec![json!({ "output": output })],
        };
        for answer in answers {
            let mut call = answer.as_object().unwrap().clone();
            call.insert("operation".to_owned(), json!(operation));
            call.entry("service").or_insert(json!("aws"));
            call.entry("parameters").or_insert(json!({}));
            calls.push(Value::Object(call));
        }
    }
    json!({ "account": ACCOUNT, "region": region, "item": item, "calls": calls })
}

impl Case {
    fn region(&self) -> &str {
        self.value.get("region").and_then(Value::as_str).unwrap_or(REGION)
    }

    fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::new(ACCOUNT);
        for (name, short) in self.value["documents"].as_object().unwrap() {
            let (region, item) = name.split_once('/').unwrap();
            if let Some(word) = short.as_str() {
                let status = [Status::RegionDisabled, Status::NotOffered, Status::Excluded];
                let status = status.into_iter().find(|it| it.word() == word).unwrap();
                evidence.gap(region, item, status, "as the case says");
            } else {
                let bytes = document(name, short).to_string().into_bytes();
                evidence.document(region, item, &bytes).unwrap();
            }
        }
        evidence
    }

    /// The check under the case's profile and parameters, compiled once for all cases that agree on them.
    fn policies(&self, engine: Engine) -> Arc<Policies> {
        static COMPILED: Mutex<BTreeMap<String, Arc<Policies>>> = Mutex::new(BTreeMap::new());
        let profile = self.value.get("profile").and_then(Value::as_str).unwrap_or("guide");
        let mut params = Map::new();
        if let Some(parameters) = self.value.get("parameters") {
            params.insert(self.check.clone(), parameters.clone());
        }
        let params = Value::Object(params);
        let key = format!("{engine:?} {} {profile} {params}", self.check);
        let compiled = || {
            let texts: Vec<Text> = shipped::checks().into_iter().filter(|it| it.id == self.check).collect();
            assert_eq!(texts.len(), 1, "tests/policies/{} has no policy", self.check);
            Arc::new(Policies::compile(profile, &texts, &params, engine).unwrap())
        };
        Arc::clone(COMPILED.lock().unwrap().entry(key).or_insert_with(compiled))
    }

    fn rows(&self, engine: Engine) -> Vec<Row> {
        self.policies(engine).assess(NOW, &self.evidence(), self.region(), &Offered::current())
    }
}

fn listed(rows: &[Row]) -> String {
    let line = |it: &Row| format!("  {:?} {} {}", it.resource, it.verdict.word(), it.reason);
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_case_gives_its_rows() {
    let mut wrong = Vec::new();
    for case in cases() {
        let place = format!("{}/{}", case.check, case.name);
        let rows = case.rows(Engine::Interpreter);
        let other = case.rows(Engine::Registers);
        match (rows == other, REGISTERS_DIFFER.contains(&place.as_str())) {
            (false, false) => wrong.push(format!("{place}: the register machine says\n{}", listed(&other))),
            (true, true) => wrong.push(format!("{place}: the register machine agrees: take it off the list")),
            _ => {}
        }
        let expected = case.value["rows"].as_array().unwrap();
        let agrees = rows.len() == expected.len()
            && rows.iter().zip(expected).all(|(row, expected)| {
                let reason = expected["reason"].as_str().unwrap_or_default();
                expected.get("resource").and_then(Value::as_str) == row.resource.as_deref()
                    && expected["verdict"] == row.verdict.word()
                    && row.reason.contains(reason)
            });
        if !agrees {
            wrong.push(format!("{place}: expected {expected:?}, found\n{}", listed(&rows)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_pointer_of_a_row_is_there() {
    for case in cases() {
        for row in case.rows(Engine::Interpreter) {
            for pointer in &row.evidence {
                let name = pointer.document.strip_prefix(&format!("data/evidence/{ACCOUNT}/")).unwrap();
                let name = name.strip_suffix(".json").unwrap();
                let document = document(name, &case.value["documents"][name]);
                assert!(
                    document.pointer(&pointer.pointer).is_some(),
                    "{}/{}: {name}#{}",
                    case.check,
                    case.name,
                    pointer.pointer
                );
            }
        }
    }
}

/// The case with every call of an operation denied.
fn with_denied(case: &Case, name: &str, operation: &str) -> Case {
    let mut value = case.value.clone();
    let calls = value["documents"][name][operation].as_array().cloned().unwrap_or_else(|| vec![json!({})]);
    let denied = |call: &Value| json!({ "parameters": call.get("parameters").unwrap_or(&json!({})), "error": { "code": "AccessDenied" } });
    value["documents"][name][operation] = calls.iter().map(denied).collect();
    Case { check: case.check.clone(), name: format!("{} without {operation}", case.name), value }
}

fn verdicts(rows: &[Row]) -> BTreeMap<Option<&str>, Verdict> {
    rows.iter().map(|row| (row.resource.as_deref(), row.verdict)).collect()
}

#[test]
fn a_denied_call_never_makes_a_pass() {
    let policies = shipped_policies();
    let mut pairs = 0;
    for case in cases() {
        let before = case.rows(Engine::Interpreter);
        let before = verdicts(&before);
        for input in &policies.checks[&case.check].check.inputs {
            for (operation, need) in &input.calls {
                for (name, document) in case.value["documents"].as_object().unwrap() {
                    if name.split_once('/').unwrap().1 != input.item
                        || document.get(operation).is_none_or(|it| it == &json!([]))
                    {
                        continue;
                    }
                    pairs += 1;
                    let denied = with_denied(&case, name, operation);
                    let rows = denied.rows(Engine::Interpreter);
                    for (resource, verdict) in verdicts(&rows) {
                        let same = *need == Need::Resolved && before.get(&resource) == Some(&verdict);
                        assert!(
                            same || verdict == Verdict::Unknown,
                            "{}/{}: {resource:?} is {}",
                            case.check,
                            denied.name,
                            verdict.word()
                        );
                    }
                    assert!(!rows.is_empty(), "{}/{} has no rows", case.check, denied.name);
                }
            }
        }
    }
    assert!(pairs > 100, "only {pairs} pairs of a case and a call");
}

/// Every list of a value the other way round.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(entries) => entries.iter().rev().map(reversed).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), reversed(value))).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn the_order_of_lists_changes_no_verdict() {
    for case in cases() {
        let mut value = case.value.clone();
        value["documents"] = reversed(&value["documents"]);
        let turned = Case { check: case.check.clone(), name: case.name.clone(), value };
        let (before, after) = (case.rows(Engine::Interpreter), turned.rows(Engine::Interpreter));
        assert_eq!(verdicts(&before), verdicts(&after), "{}/{}", case.check, case.name);
    }
}

#[test]
fn every_call_that_a_check_names_is_in_the_catalogue() {
    let policies = shipped_policies();
    for policy in policies.checks.values() {
        for input in &policy.check.inputs {
            let items: Vec<_> = catalogue().into_iter().filter(|item| item.id == input.item).collect();
            assert!(!items.is_empty(), "{}: {} is no item", policy.check.id, input.item);
            for (call, _) in &input.calls {
                let known = items.iter().any(|item| item.steps.iter().any(|step| step.operation == *call));
                assert!(known, "{}: {} makes no call {call}", policy.check.id, input.item);
            }
        }
    }
}

fn shipped_policies() -> Policies {
    Policies::new("guide", &[], &Value::Null).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

#[test]
fn every_policy_compiles_and_fits_a_screen() {
    for text in shipped::checks() {
        let lines = text.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(lines.count() <= 100, "{} is long", text.id);
    }
    assert!(!shipped_policies().checks.is_empty());
}

fn own(id: &str, inputs: &str, body: &str) -> Text {
    let text = format!(
        "# METADATA\n# title: T\n# description: D\n# custom:\n#   version: 1\n#   scope: region\n\
         #   severity: low\n#   criteria: [CC6.6]\n#   inputs: {inputs}\n#   remediation: R\n#   references: []\n\
         #   parameters:\n#     days: {{description: D, kind: integer, guide: 90, aws: 30}}\n\
         package evidenced.checks.{id}\n\n{body}\n"
    );
    Text { id: id.to_owned(), text }
}

const VPCS: &str = "{vpc.vpcs: {DescribeVpcs: [Vpcs.VpcId, Vpcs.CidrBlock]}}";
const BODY: &str = r#"
subjects contains vpc.VpcId if some vpc in input.documents["eu-west-1/vpc.vpcs"].calls[0].output.Vpcs
findings contains {"subject": "vpc-2", "status": "fail", "reason": "bad"} if "vpc-2" in subjects
"#;

fn rows_of(body: &str, documents: &Value) -> Vec<(Option<String>, Verdict, String)> {
    let texts = [own("mine", VPCS, body)];
    let case = Case { check: "mine".into(), name: String::new(), value: json!({ "documents": documents }) };
    let policies = Policies::compile("guide", &texts, &Value::Null, Engine::Interpreter).unwrap();
    let rows = policies.limited_to(100_000).assess(NOW, &case.evidence(), REGION, &Offered::current());
    rows.into_iter().map(|row| (row.resource, row.verdict, row.reason)).collect()
}

fn vpcs() -> Value {
    json!({ "eu-west-1/vpc.vpcs": { "DescribeVpcs": { "Vpcs": [
        { "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16" }, { "VpcId": "vpc-2", "CidrBlock": "10.1.0.0/16" },
    ] } } })
}

#[test]
fn a_subject_without_a_finding_passes_with_the_claim_as_its_reason() {
    let rows = rows_of(BODY, &vpcs());
    assert_eq!(rows[0], (Some("vpc-1".into()), Verdict::Pass, "T".into()));
    assert_eq!(rows[1], (Some("vpc-2".into()), Verdict::Fail, "bad".into()));
}

#[test]
fn what_is_missing_is_unknown_and_never_a_pass() {
    // No document at all; a gap; a call that failed; a call with neither output nor error.
    for (documents, reason) in [
        (json!({}), "eu-west-1/vpc.vpcs: not collected"),
        (json!({ "eu-west-1/vpc.vpcs": "excluded" }), "excluded: as the case says"),
        (
            json!({ "eu-west-1/vpc.vpcs": { "DescribeVpcs": [{ "error": { "code": "UnauthorizedOperation" } }] } }),
            "DescribeVpcs failed: UnauthorizedOperation",
        ),
        (json!({ "eu-west-1/vpc.vpcs": { "DescribeVpcs": [{}] } }), "neither an output nor an error"),
        (
            json!({ "eu-west-1/vpc.vpcs": { "Earlier": [{ "error": { "code": "Throttled" } }] } }),
            "DescribeVpcs was not asked: aws Earlier failed: Throttled",
        ),
    ] {
        let rows = rows_of(BODY, &documents);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((&rows[0].0, rows[0].1), (&None, Verdict::Unknown));
        assert!(rows[0].2.contains(reason), "{rows:?}");
    }
}

#[test]
fn a_region_that_is_not_opted_in_is_not_applicable() {
    let rows = rows_of(BODY, &json!({ "eu-west-1/vpc.vpcs": "region-disabled" }));
    assert_eq!((rows.len(), rows[0].1), (1, Verdict::NotApplicable));
}

#[test]
fn a_missing_field_is_unknown_for_that_resource_alone() {
    let mut documents = vpcs();
    documents["eu-west-1/vpc.vpcs"]["DescribeVpcs"]["Vpcs"][0].as_object_mut().unwrap().remove("CidrBlock");
    let rows = rows_of(BODY, &documents);
    assert_eq!(rows[0].1, Verdict::Unknown);
    assert!(rows[0].2.contains("no Vpcs.CidrBlock"), "{rows:?}");
    assert_eq!(rows[1].1, Verdict::Fail);
}

#[test]
fn a_missing_id_is_unknown_for_all() {
    let mut documents = vpcs();
    documents["eu-west-1/vpc.vpcs"]["DescribeVpcs"]["Vpcs"][0].as_object_mut().unwrap().remove("VpcId");
    assert!(rows_of(BODY, &documents).iter().all(|row| row.1 == Verdict::Unknown));
}

#[test]
fn an_empty_population_names_its_call() {
    let documents = json!({ "eu-west-1/vpc.vpcs": { "DescribeVpcs": { "Vpcs": [] } } });
    let rows = rows_of(BODY, &documents);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].1, Verdict::NotApplicable);
    assert_eq!(rows[0].2, "population 0: DescribeVpcs (vpc.vpcs) names no such resource");
}

#[test]
fn what_a_policy_gets_wrong_is_unknown() {
    let subjects = "subjects contains vpc.VpcId if some vpc in input.documents[\"eu-west-1/vpc.vpcs\"].calls[0].output.Vpcs\n";
    for (body, reason) in [
        ("subjects := x if { x := input.nothing }\nfindings := set()", "subjects: the rule is undefined"),
        ("subjects := {1}\nfindings := set()", "subjects: an entry is not the id of a resource"),
        ("subjects := 1\nfindings := set()", "subjects: is not a set"),
        ("findings := x if { x := input.nothing }", "findings: the rule is undefined"),
        ("findings contains 1 if true", "findings: an entry is not an object"),
        ("findings contains {\"subject\": \"vpc-1\", \"status\": \"fail\"} if true", "has no reason"),
        (
            "findings contains {\"subject\": \"vpc-1\", \"status\": \"good\", \"reason\": \"r\"} if true",
            "status \"good\" is no verdict",
        ),
        (
            "findings contains {\"subject\": \"vpc-1\", \"status\": \"fail\", \"reason\": \"r\", \"x\": 1} if true",
            "unknown key \"x\"",
        ),
        (
            "findings contains {\"subject\": \"vpc-1\", \"status\": \"fail\", \"reason\": \"r\", \"pointers\": [\"/x\"]} if true",
            "pointers: expected",
        ),
        ("findings contains x if { x := to_number(\"ten\") }", "findings: "),
        ("findings contains x if { some i in numbers.range(1, 1000000); x := i; x < 0 }", "findings: "),
    ] {
        let whole = if body.starts_with("subjects") { body.to_owned() } else { format!("{subjects}{body}") };
        let rows = rows_of(&whole, &vpcs());
        assert!(!rows.is_empty() && rows.iter().all(|row| row.1 == Verdict::Unknown), "{body}: {rows:?}");
        assert!(rows[0].2.contains(reason), "{body}: {rows:?}");
    }
}

#[test]
fn a_finding_on_a_stranger_is_unknown() {
    let body = BODY.replace("\"subject\": \"vpc-2\"", "\"subject\": \"vpc-9\"");
    let rows = rows_of(&body, &vpcs());
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[2].0.as_deref(), rows[2].1), (Some("vpc-9"), Verdict::Unknown));
}

#[test]
fn the_worst_finding_wins_and_its_reasons_are_joined() {
    let body = format!(
        "{BODY}\nfindings contains {{\"subject\": \"vpc-2\", \"status\": s, \"reason\": s}} if some s in [\"unknown\", \"pass\", \"fail\"]"
    );
    assert_eq!(rows_of(&body, &vpcs())[1], (Some("vpc-2".into()), Verdict::Fail, "bad; fail".into()));
}

fn refusals(text: &Text, params: &Value) -> Vec<String> {
    let texts = std::slice::from_ref(text);
    let problems = Policies::compile("guide", texts, params, Engine::Interpreter).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_error_of_the_metadata_is_told_at_once() {
    let text = own("mine", VPCS, BODY).text;
    let text =
        text.replace("severity: low", "severity: grave").replace("#   remediation: R\n", "#   extra: 1\n");
    let found = refusals(&Text { id: "mine".into(), text }, &Value::Null);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found.iter().any(|it| it.starts_with("mine.rego:7: severity: expected one of low, ")),
        "{found:?}"
    );
    assert!(found.iter().any(|it| it.contains("mine.rego:10: unknown key \"extra\"")), "{found:?}");
    assert!(found.iter().any(|it| it.contains("remediation is missing")), "{found:?}");
}

#[test]
fn a_policy_that_is_not_what_its_name_says_is_refused() {
    let text = Text { id: "other".into(), ..own("mine", VPCS, BODY) };
    assert!(refusals(&text, &Value::Null)[0].contains("package evidenced.checks.other"));
    let text = Text { id: "Mine".into(), ..own("mine", VPCS, BODY) };
    assert!(refusals(&text, &Value::Null).iter().any(|it| it.contains("expected a-z")));
    let text = Text { id: "mine".into(), text: "package evidenced.checks.mine\n".into() };
    assert!(refusals(&text, &Value::Null)[0].contains("no METADATA"));
    let found = refusals(&own("mine", VPCS, "subjects := set()"), &Value::Null);
    assert!(found[0].contains("has no rule \"findings\""), "{found:?}");
    let found = refusals(&own("mine", VPCS, "subjects :="), &Value::Null);
    assert!(found[0].starts_with("mine.rego: "), "{found:?}");
}

#[test]
fn a_builtin_off_the_list_is_refused() {
    for (call, name) in [
        ("net.cidr_contains(\"10.0.0.0/8\", \"10.0.0.1/32\")", "net.cidr_contains"),
        ("time.now_ns()", "time.now_ns"),
        ("http.send({})", "http.send"),
        ("rand.intn(\"a\", 3)", "rand.intn"),
        ("opa.runtime()", "opa.runtime"),
        ("regex.match(\"a\", \"a\")", "regex.match"),
        ("units.parse(\"1K\")", "units.parse"),
        ("strings.reverse(\"ab\")", "strings.reverse"),
    ] {
        let body = format!("subjects := set()\nfindings contains x if {{ x := {call} }}");
        let found = refusals(&own("mine", VPCS, &body), &Value::Null);
        assert!(found.iter().any(|it| it.contains(name)), "{call}: {found:?}");
    }
}

#[test]
fn a_check_of_a_known_name_is_refused() {
    let mine = Text { id: "sg_no_ssh_from_internet".into(), ..own("sg_no_ssh_from_internet", VPCS, BODY) };
    let problems = Policies::new("guide", &[mine], &Value::Null).unwrap_err();
    assert!(problems[0].message.contains("is there already"), "{problems:?}");
}

#[test]
fn parameters_are_checked_at_the_start() {
    let mine = own("mine", VPCS, BODY);
    for (params, message) in [
        (json!({ "other": {} }), "checks.params.other: is no check"),
        (
            json!({ "mine": { "dyas": 1 } }),
            "checks.params.mine.dyas: is no parameter of the check; known: days",
        ),
        (json!({ "mine": { "days": "1" } }), "days: expected a whole number, found \"1\""),
        (json!({ "mine": { "days": -1 } }), "days: expected a whole number, found -1"),
        (json!({ "mine": 1 }), "expected a table of parameters"),
        (json!([]), "expected a table by check"),
    ] {
        let found = refusals(&mine, &params);
        assert!(found[0].contains(message), "{found:?}");
    }
    let texts = [mine];
    for (profile, params, days) in
        [("guide", json!({}), 90), ("aws", json!({}), 30), ("aws", json!({ "mine": { "days": 7 } }), 7)]
    {
        let policies = Policies::compile(profile, &texts, &params, Engine::Interpreter).unwrap();
        assert_eq!(policies.checks["mine"].parameters["days"], json!(days));
    }
    assert!(Policies::compile("seed", &texts, &json!({}), Engine::Interpreter).is_err());
}

#[test]
fn what_is_not_collected_is_one_row_per_account() {
    let texts = [own("mine", "{guard.duty: {ListDetectors: []}}", BODY)];
    let policies = Policies::compile("guide", &texts, &Value::Null, Engine::Interpreter).unwrap();
    let (evidence, offered) = (Evidence::new(ACCOUNT), Offered::current());
    assert_eq!(policies.assess(NOW, &evidence, REGION, &offered), []);
    let rows = policies.assess(NOW, &evidence, "global", &offered);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].verdict, rows[0].reason.as_str()),
        (Verdict::Unknown, "guard.duty: not collected by this version")
    );
}

#[test]
fn a_document_of_another_place_is_refused() {
    let mut evidence = Evidence::new(ACCOUNT);
    let bytes = document("eu-west-1/vpc.vpcs", &json!({ "DescribeVpcs": {} })).to_string().into_bytes();
    assert!(evidence.document("us-east-1", "vpc.vpcs", &bytes).is_err());
    assert!(evidence.document("eu-west-1", "vpc.subnets", &bytes).is_err());
    assert!(evidence.document("eu-west-1", "vpc.vpcs", b"{").is_err());
    assert!(evidence.document("eu-west-1", "vpc.vpcs", &bytes).is_ok());
}

#[test]
fn a_row_points_to_the_entry_that_it_is_about() {
    let case = Case { check: "mine".into(), name: String::new(), value: json!({ "documents": vpcs() }) };
    let policies =
        Policies::compile("guide", &[own("mine", VPCS, BODY)], &Value::Null, Engine::Interpreter).unwrap();
    let evidence = case.evidence();
    let rows = policies.assess(NOW, &evidence, REGION, &Offered::current());
    assert_eq!(rows[1].verdict, Verdict::Fail);
    assert_eq!(rows[1].evidence[0].document, "data/evidence/111122223333/eu-west-1/vpc.vpcs.json");
    assert_eq!(rows[1].evidence[0].pointer, "/calls/0/output/Vpcs/1");
    assert!(evidence.sha256(&rows[1].evidence[0].document).is_some());
}

#[test]
fn the_engine_is_named_with_the_version_of_the_lock_file() {
    let lock = read(&folder("Cargo.lock"));
    let version = ENGINE.strip_prefix("regorus ").unwrap().split(',').next().unwrap();
    assert!(lock.contains(&format!("name = \"regorus\"\nversion = \"{version}\"\n")), "{ENGINE}");
}

#[expect(clippy::disallowed_methods, reason = "the table is a file, and renewed when it is asked for")]
#[test]
fn the_documented_table_is_the_current_one() {
    let (path, table) = (folder("docs/CHECKS.md"), markdown(&shipped_policies()));
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(read(&path), table, "RENEW=1 writes it");
}
