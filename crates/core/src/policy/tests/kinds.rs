//! Every check has a case of every kind of evidence: what passes, what fails, what is not there, what was denied.

use super::*;

/// A kind of cases: what it is called, and whether a case is of it.
type Kind = (&'static str, fn(&Case) -> bool);

const KINDS: &[Kind] = &[
    ("a resource that passes", |case| case.says("pass", "")),
    ("a resource that fails", |case| case.says("fail", "")),
    ("a population that is empty", |case| case.says("not-applicable", "population 0")),
    ("a region that the account has not opted in to", |case| case.says("not-applicable", "region-disabled")),
    ("no document of the population", |case| case.name == "absent" && case.says("unknown", "")),
    ("a call that was denied", |case| case.denies() && case.says("unknown", "")),
];

/// What cannot be, and why.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    ("config_recorder_on", "a population that is empty", "the region is the resource: no recorder fails"),
    ("config_rules_present", "a population that is empty", "the rules that are asked for are the resources"),
    ("vpc_block_public_access", "a population that is empty", "the region is the resource"),
    ("vpc_no_default", "a population that is empty", "the region is the resource: no VPC passes"),
    ("s3_not_public", "a region that the account has not opted in to", "buckets are asked for the account"),
    (
        "s3_refuses_plain_http",
        "a region that the account has not opted in to",
        "buckets are asked for the account",
    ),
];

impl Case {
    /// Whether a row has this verdict, for a reason with these words. That the case gives its rows is another test.
    fn says(&self, verdict: &str, reason: &str) -> bool {
        let expected = self.value["rows"].as_array().unwrap();
        expected.iter().any(|row| row["verdict"] == verdict)
            && (reason.is_empty()
                || self.rows(Engine::Interpreter).iter().any(|row| {
                    row.verdict.word() == verdict && row.resource.is_none() && row.reason.contains(reason)
                }))
    }

    /// Whether a call of its documents failed.
    fn denies(&self) -> bool {
        let documents = self.value["documents"].as_object().unwrap().values();
        let mut calls = documents.filter_map(Value::as_object).flat_map(|it| it.values());
        calls
            .any(|calls| calls.as_array().is_some_and(|it| it.iter().any(|call| call.get("error").is_some())))
    }
}

#[test]
fn every_check_has_cases_of_each_kind() {
    let cases = cases();
    let (mut missing, mut impossible) = (Vec::new(), 0);
    for text in shipped::checks() {
        for (kind, is_of) in KINDS {
            let mut own = cases.iter().filter(|case| case.check == text.id);
            let found = own.any(is_of);
            let named = IMPOSSIBLE.iter().any(|(check, known, _)| *check == text.id && known == kind);
            impossible += usize::from(named);
            if found == named {
                missing.push(format!(
                    "{}: {kind}: {}",
                    text.id,
                    if found { "is possible" } else { "no case" }
                ));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert_eq!(impossible, IMPOSSIBLE.len(), "a check or kind of IMPOSSIBLE is unknown");
}

/// Defects of other systems, and what two of them say differently: a case that is named for each.
#[test]
fn defects_of_other_systems_are_cases_that_name_them() {
    let systems = [
        "prowler",
        "powerpipe",
        "scoutsuite",
        "cloudquery",
        "custodian",
        "compai",
        "config",
        "securityhub",
        "auditkit",
        "datadog",
    ];
    let cases = cases();
    for system in systems {
        let named = cases.iter().filter(|case| case.name.starts_with(&format!("{system}_")));
        assert!(named.count() > 0, "no case is named for {system}");
    }
    let dull = cases.iter().filter(|case| case.value["about"].as_str().is_none_or(str::is_empty));
    assert_eq!(dull.map(|it| format!("{}/{}", it.check, it.name)).collect::<Vec<_>>(), Vec::<String>::new());
}
