//! What changed since the bundle before, and why: `data/changes.json` in lines.

use serde::Serialize;
use serde_json::Value;

use super::look::{list, owned, text};
use super::read::{digits, number, texts};
use crate::facts::Facts;

/// Rows of one cause that the page shows; the file has all.
const SHOWN: usize = 200;
/// Ids that a line names.
const NAMED: usize = 5;

/// The section, as the template reads it.
#[derive(Debug, Serialize)]
pub(super) struct Changes {
    /// The bundle before; empty where there is none to compare with.
    since: String,
    lines: Vec<String>,
    turned: Vec<Turned>,
}

/// Verdicts that turned, by what turned them.
#[derive(Debug, Serialize)]
struct Turned {
    title: &'static str,
    rows: Vec<TurnedRow>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct TurnedRow {
    before: String,
    after: String,
    check: String,
    resource: String,
    place: String,
}

/// Causes in the order in which they are told, each with its heading.
const CAUSES: [(&str, &str); 5] = [
    ("estate", "Because the estate changed"),
    ("policy", "Because a policy changed"),
    ("parameters", "Because parameters changed"),
    ("exception", "Because an exception came or went"),
    ("time", "Because time passed"),
];

/// Reads `data/changes.json`, where there is one.
pub(super) fn changes(facts: &Facts) -> Option<Changes> {
    let changes = facts.changes.as_ref()?;
    let Some(previous) = changes.get("previous").filter(|previous| previous.is_object()) else {
        let why = text(changes, "reason").unwrap_or("there is no bundle before this one");
        return Some(Changes { since: String::new(), lines: vec![why.to_owned()], turned: Vec::new() });
    };
    let total = |name: &str| count(changes, &format!("/totals/{name}"));
    let mut lines = Vec::new();
    let steps = changes.pointer("/totals/steps").and_then(Value::as_object);
    let steps: Vec<String> = steps
        .into_iter()
        .flatten()
        .map(|(step, count)| format!("{count} from {}", step.replace(" -> ", " to ")))
        .collect();
    lines.push(match total("turned") {
        0 => "No verdict turned.".to_owned(),
        turned => format!("{} turned: {}.", number(turned, "verdict", "verdicts"), steps.join(", ")),
    });
    let (appeared, vanished) = (total("appeared"), total("vanished"));
    if appeared + vanished > 0 {
        let failing = list(changes, "appeared").filter(|it| list(it, "fails").next().is_some()).count();
        let failing = if failing == 0 { String::new() } else { format!(" ({} fail)", digits(failing)) };
        lines.push(format!(
            "{} appeared{failing}, {} vanished.",
            number(appeared, "resource", "resources"),
            digits(vanished)
        ));
    }
    let documents = |what: &str| count(changes, &format!("/estate/documents/{what}"));
    let (added, changed, removed) = (documents("added"), documents("changed"), documents("removed"));
    lines.push(match added + changed + removed {
        0 => "Estate: AWS answered the same as before.".to_owned(),
        _ => format!("Estate: {changed} documents say something else, {added} are new, {removed} are gone."),
    });
    lines.push(policy(changes.get("policy").unwrap_or(&Value::Null)));
    lines.push(scope(changes.get("scope").unwrap_or(&Value::Null)));
    Some(Changes { since: owned(previous, "id"), lines, turned: turned(changes) })
}

fn count(value: &Value, pointer: &str) -> usize {
    let count = value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn named(ids: &[&str]) -> String {
    let rest = ids.len().saturating_sub(NAMED);
    let shown = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

fn policy(policy: &Value) -> String {
    if policy.get("changed") != Some(&Value::Bool(true)) {
        return "Policies and parameters: the same.".to_owned();
    }
    let mut parts = Vec::new();
    let (checks, parameters) = (texts(policy, "checks"), texts(policy, "parameters"));
    if !checks.is_empty() {
        parts.push(format!("policies of {}", named(&checks)));
    }
    if !parameters.is_empty() {
        parts.push(format!("parameters of {}", named(&parameters)));
    }
    if let Some(profile) = policy.get("profile").filter(|profile| profile.is_object()) {
        parts.push(format!("profile from {} to {}", owned(profile, "from"), owned(profile, "to")));
    }
    if parts.is_empty() {
        parts.push("the library or the lists of the policies".to_owned());
    }
    format!("Changed: {}.", parts.join("; "))
}

fn scope(scope: &Value) -> String {
    let (added, removed) = (texts(scope, "added"), texts(scope, "removed"));
    if scope.get("changed") != Some(&Value::Bool(true)) {
        return "Scope: the same.".to_owned();
    }
    let mut parts = Vec::new();
    if !added.is_empty() {
        parts.push(format!("came in: {}", named(&added)));
    }
    if !removed.is_empty() {
        parts.push(format!("left: {}", named(&removed)));
    }
    if parts.is_empty() {
        parts.push("the items that are collected are others".to_owned());
    }
    format!("Scope: {}.", parts.join("; "))
}

fn turned(changes: &Value) -> Vec<Turned> {
    let mut groups: Vec<Turned> = CAUSES
        .iter()
        .map(|(_, title)| Turned { title, rows: Vec::new(), more: 0 })
        .chain([Turned { title: "On resources that are new", rows: Vec::new(), more: 0 }])
        .collect();
    let mut put = |at: usize, row: TurnedRow| {
        if let Some(group) = groups.get_mut(at) {
            if group.rows.len() < SHOWN {
                group.rows.push(row);
            } else {
                group.more += 1;
            }
        }
    };
    for it in list(changes, "turned") {
        let causes = texts(it, "causes");
        let at = CAUSES.iter().position(|(cause, _)| causes.contains(cause)).unwrap_or(CAUSES.len() - 1);
        put(
            at,
            TurnedRow {
                before: owned(it, "from"),
                after: owned(it, "to"),
                check: owned(it, "check"),
                resource: owned(it, "resource"),
                place: format!("{} {}", owned(it, "account"), owned(it, "region")),
            },
        );
    }
    for it in list(changes, "appeared") {
        for check in texts(it, "fails") {
            put(
                CAUSES.len(),
                TurnedRow {
                    before: String::new(),
                    after: "fail".to_owned(),
                    check: check.to_owned(),
                    resource: owned(it, "resource"),
                    place: format!("{} {}", owned(it, "account"), owned(it, "region")),
                },
            );
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(changes: Value) -> Changes {
        changes_of(changes).unwrap()
    }

    fn changes_of(changes: Value) -> Option<Changes> {
        super::changes(&Facts { changes: Some(changes), ..Facts::default() })
    }

    #[test]
    fn why_there_is_nothing_to_compare_with_is_said() {
        let told = told(json!({ "previous": null, "reason": "the store has no bundle before this slot" }));
        assert_eq!((told.since.as_str(), told.lines.len()), ("", 1));
        assert!(told.lines[0].contains("no bundle before"));
    }

    #[test]
    fn the_estate_and_the_policies_are_told_apart() {
        let turned = |cause: &str| json!({ "check": "c", "account": "1", "region": "r", "resource": "x", "from": "pass", "to": "fail", "causes": [cause] });
        let told = told(json!({
            "previous": { "id": "evidence-prod-20261121T020000Z", "sha256": "00" },
            "estate": { "changed": true, "documents": { "changed": 2 } },
            "policy": { "changed": true, "checks": ["a"], "parameters": ["b"], "profile": "guide" },
            "scope": { "changed": true, "added": ["1 eu-west-1"], "removed": [] },
            "totals": { "turned": 2, "steps": { "pass -> fail": 2 }, "appeared": 1, "vanished": 0 },
            "appeared": [{ "account": "1", "region": "r", "resource": "new", "fails": ["c"] }],
            "turned": [turned("policy"), turned("estate")],
        }));
        assert_eq!(told.since, "evidence-prod-20261121T020000Z");
        assert_eq!(
            told.lines,
            [
                "2 verdicts turned: 2 from pass to fail.",
                "1 resource appeared (1 fail), 0 vanished.",
                "Estate: 2 documents say something else, 0 are new, 0 are gone.",
                "Changed: policies of a; parameters of b.",
                "Scope: came in: 1 eu-west-1.",
            ]
        );
        let titles: Vec<&str> = told.turned.iter().map(|group| group.title).collect();
        assert_eq!(
            titles,
            ["Because the estate changed", "Because a policy changed", "On resources that are new"]
        );
    }
}
