//! The table of checks for people: `docs/CHECKS.md`, made from METADATA and compared by a test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::metadata::Need;
use super::{Check, Policies};

/// Every check as Markdown.
pub fn markdown(policies: &Policies) -> String {
    let mut text = String::from(HEAD);
    let mut criteria: BTreeMap<&str, Vec<&Check>> = BTreeMap::new();
    for policy in policies.checks.values() {
        let first = policy.check.criteria.first().map_or("", String::as_str);
        criteria.entry(first).or_default().push(&policy.check);
    }
    for (criterion, checks) in &criteria {
        line(
            &mut text,
            format_args!("\n## {criterion}\n\n| check | claim | severity | reads |\n|---|---|---|---|"),
        );
        for check in checks {
            let items: Vec<String> = check.inputs.iter().map(|input| format!("`{}`", input.item)).collect();
            line(
                &mut text,
                format_args!(
                    "| [`{id}`](#{id}) | {} | {} | {} |",
                    check.title,
                    check.severity.word(),
                    items.join(", "),
                    id = check.id,
                ),
            );
        }
    }
    for check in criteria.values().flatten() {
        one(&mut text, check);
    }
    text
}

const HEAD: &str = "# Checks

Generated from the METADATA of `config/policies/*.rego` by `evidenced checks --markdown`; a test compares.

A verdict is `pass`, `fail`, `unknown` (it could not be judged: never a pass) or `not-applicable` (with the reason).
A check is a Rego file whose name is its id, in the package `evidenced.checks.<id>`. It is given
`input = {account, region, now, profile, parameters, cidrs, documents, prefix_lists}`: `documents[\"<region>/<item>\"]`
are the documents that its METADATA names, `now` is the start of the run, `cidrs[text]` is
`{family, first, last, next}` in fixed-width hex for every CIDR in them, and `prefix_lists[id]` the CIDRs of each prefix
list that was read. It answers with `subjects`, the set of resource ids, and `findings`, a set of
`{subject, status, reason, observed, expected, pointers}`, where a pointer is `<region>/<item>#<JSON Pointer>`.

The program makes the rows: a subject without a finding passes; an input that is missing or whose call failed, a
subject without a field that METADATA asks for, an undefined rule, an error, the limit of steps and a finding on a
stranger are `unknown`; no subjects is a row that names the call. In METADATA `inputs` is
`{item: {Operation: [List.Field, ...]}}`; `resolved` in the place of the fields means that the policy itself says which
resources a failed call concerns. A policy may call the builtins of `crates/core/src/policy/builtins.rs` and no others.
";

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    if text.write_fmt(arguments).is_ok() {
        text.push('\n');
    }
}

fn one(text: &mut String, check: &Check) {
    line(text, format_args!("\n### {}\n\n**{}.** {}\n", check.id, check.title, check.description));
    line(
        text,
        format_args!(
            "* Criteria {}; severity {}; per {}; version {}",
            check.criteria.join(", "),
            check.severity.word(),
            check.scope.word(),
            check.version
        ),
    );
    for input in &check.inputs {
        let calls: Vec<String> = input.calls.iter().map(|(call, need)| needed(call, need)).collect();
        line(text, format_args!("* Reads `{}`: {}", input.item, calls.join("; ")));
    }
    for (name, parameter) in &check.parameters {
        let default = if parameter.guide == parameter.aws {
            format!("default `{}`", parameter.guide)
        } else {
            format!("`guide`: `{}`, `aws`: `{}`", parameter.guide, parameter.aws)
        };
        line(
            text,
            format_args!(
                "* Parameter `{name}` ({}): {}; {default}",
                parameter.kind.word(),
                parameter.description
            ),
        );
    }
    line(text, format_args!("* What to do: {}", check.remediation));
    for (system, ids) in &check.also {
        line(text, format_args!("* In {system}: {}", ids.join(", ")));
    }
    for reference in &check.references {
        line(text, format_args!("* <{reference}>"));
    }
}

fn needed(call: &str, need: &Need) -> String {
    match need {
        Need::Resolved => format!("{call} (where it applies)"),
        Need::Fields(fields) if fields.is_empty() => call.to_owned(),
        Need::Fields(fields) => format!("{call} ({})", fields.join(", ")),
    }
}
