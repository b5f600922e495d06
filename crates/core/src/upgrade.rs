//! What a new configuration, or a new version of this program, changes against the last bundle: what it adds, and what
//! it drops.
//!
//! Pure. A change narrows when less would be collected, less would be checked, or more would be excused than in the
//! bundle. A parameter of a check that changed may do so too, which only a person can judge: it is listed as changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::assessment::CheckRecord;
use crate::pattern::matches;
use crate::schedule::Schedule;

/// Slots are counted over four weeks: every weekday four times.
const WEEKS_SECONDS: i64 = 28 * 86_400;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// `data/config.json`.
    pub config: &'a Value,
    /// `data/catalogue.json`.
    pub catalogue: &'a Value,
    /// The checks, where they are known.
    pub checks: Option<&'a BTreeMap<String, CheckRecord>>,
}

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It was there and is not any more.
    Drops,
    /// It was not there.
    Adds,
    /// It is another.
    Changes,
}

impl Effect {
    /// The word of the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Drops => "drops",
            Self::Adds => "adds",
            Self::Changes => "changes",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `item vpc.vpcs`, `region eu-west-1`, `check sg_no_ssh_from_internet`, `collect.raw`.
    pub what: String,
    /// Which way.
    pub effect: Effect,
    /// Whether less is collected or checked, or more is excused.
    pub narrows: bool,
    /// In the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// From now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn drops(&mut self, what: String, before: Value) {
        let before = (!before.is_null()).then_some(before);
        self.0.push(Change { what, effect: Effect::Drops, narrows: true, before, after: None });
    }

    fn adds(&mut self, what: String, after: Value) {
        let after = (!after.is_null()).then_some(after);
        self.0.push(Change { what, effect: Effect::Adds, narrows: false, before: None, after });
    }

    /// Something that excuses: more of it narrows.
    fn excuses(&mut self, what: String, after: Value) {
        self.0.push(Change { what, effect: Effect::Adds, narrows: true, before: None, after: Some(after) });
    }

    fn changes(&mut self, what: impl Into<String>, before: &Value, after: &Value, narrows: bool) {
        let (before, after) = (Some(before.clone()), Some(after.clone()));
        self.0.push(Change { what: what.into(), effect: Effect::Changes, narrows, before, after });
    }
}

/// Everything that differs, what is dropped first. `now` (seconds since 1970) is where schedules are counted from.
pub fn compare(before: Side<'_>, after: Side<'_>, now: i64) -> Vec<Change> {
    let mut found = Changes::default();
    let (old, new) = (before.config, after.config);
    schedule(old, new, now, &mut found);
    accounts(old, new, &mut found);
    regions(old, new, &mut found);
    items(before, after, &mut found);
    excuses("accepted_gaps", "accepted gap", old, new, &mut found);
    excuses("exceptions", "exception", old, new, &mut found);
    if let (Some(old), Some(new)) = (before.checks, after.checks) {
        checks(old, new, &mut found);
    }
    rest("", old, new, &mut found);
    found.0.sort_by(|a, b| (!a.narrows, a.effect, &a.what).cmp(&(!b.narrows, b.effect, &b.what)));
    found.0
}

/// Members that are compared by their meaning, not by their value.
const BY_MEANING: [&str; 9] = [
    "schedule",
    "aws.accounts",
    "aws.organization",
    "aws.regions",
    "collect.items",
    "collect.raw",
    "accepted_gaps",
    "exceptions",
    "signing.timestamp_urls",
];

fn at<'a>(config: &'a Value, pointer: &str) -> &'a Value {
    config.pointer(pointer).unwrap_or(&Value::Null)
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn schedule(old: &Value, new: &Value, now: i64, found: &mut Changes) {
    let (was, is) = (at(old, "/schedule"), at(new, "/schedule"));
    if was != is {
        let slots = |value: &Value| value.as_str().and_then(|text| count(text, now));
        // A schedule that cannot be counted may be rarer: somebody has to look.
        let rarer = slots(was).zip(slots(is)).is_none_or(|(was, is)| is < was);
        found.changes("schedule", was, is, rarer);
    }
    let (was, is) = (at(old, "/collect/raw"), at(new, "/collect/raw"));
    if was != is {
        found.changes("collect.raw", was, is, *was == Value::Bool(true));
    }
    let (was, is) = (at(old, "/signing/timestamp_urls"), at(new, "/signing/timestamp_urls"));
    if was != is {
        found.changes("signing.timestamp_urls", was, is, !texts(was).is_empty() && texts(is).is_empty());
    }
}

fn count(text: &str, now: i64) -> Option<usize> {
    let schedule = Schedule::parse(text).ok()?;
    let end = now.saturating_add(WEEKS_SECONDS);
    let slots = std::iter::successors(schedule.after(now), |slot| schedule.after(*slot));
    Some(slots.take_while(|slot| *slot < end).count())
}

fn by_id(config: &Value) -> BTreeMap<&str, &Value> {
    let accounts = at(config, "/aws/accounts").as_array().into_iter().flatten();
    accounts.filter_map(|account| Some((account.get("id")?.as_str()?, account))).collect()
}

fn accounts(old: &Value, new: &Value, found: &mut Changes) {
    let (was, is) = (at(old, "/aws/organization"), at(new, "/aws/organization"));
    match (was.is_null(), is.is_null()) {
        (false, true) => found.drops("aws.organization".to_owned(), was.clone()),
        (true, false) => found.adds("aws.organization".to_owned(), is.clone()),
        _ if was != is => found.changes("aws.organization", was, is, false),
        _ => {}
    }
    let listed_alone = is.is_null();
    let (earlier, later) = (by_id(old), by_id(new));
    // No list at all means the caller's own account: the first entry narrows it, or names it.
    if earlier.is_empty() != later.is_empty() && was.is_null() && listed_alone {
        let before = at(old, "/aws/accounts");
        found.changes("aws.accounts", before, at(new, "/aws/accounts"), later.is_empty());
        return;
    }
    let ids: BTreeSet<&str> = earlier.keys().chain(later.keys()).copied().collect();
    for id in ids {
        let what = format!("account {id}");
        match (earlier.get(id), later.get(id)) {
            (Some(account), None) if listed_alone => found.drops(what, (*account).clone()),
            (Some(account), None) => found.changes(what, account, &Value::Null, false),
            (None, Some(account)) if account.get("excluded").is_some() => {
                found.excuses(what, (*account).clone());
            }
            (None, Some(account)) => found.adds(what, (*account).clone()),
            (Some(was), Some(is)) if was != is => {
                let left_out = was.get("excluded").is_none() && is.get("excluded").is_some();
                let in_scope = |account: &Value| account.get("in_scope") != Some(&Value::Bool(false));
                found.changes(what, was, is, left_out || (in_scope(was) && !in_scope(is)));
            }
            _ => {}
        }
    }
}

fn regions(old: &Value, new: &Value, found: &mut Changes) {
    let (was, is) = (at(old, "/aws/regions"), at(new, "/aws/regions"));
    if was.is_array() && is.is_array() {
        let (was, is) = (texts(was), texts(is));
        for gone in was.difference(&is) {
            found.drops(format!("region {gone}"), Value::Null);
        }
        for come in is.difference(&was) {
            found.adds(format!("region {come}"), Value::Null);
        }
    } else if was != is {
        // From every enabled region to a list: whatever is enabled later is left out.
        found.changes("aws.regions", was, is, is.is_array());
    }
}

/// The selected items with their calls, by id and scope.
fn selected(side: Side<'_>) -> BTreeMap<(String, String), BTreeSet<String>> {
    let patterns = texts(at(side.config, "/collect/items"));
    let word =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let items = at(side.catalogue, "/items").as_array().into_iter().flatten();
    items
        .filter(|item| patterns.iter().any(|pattern| matches(pattern, &word(item, "id"))))
        .map(|item| {
            let calls = item.get("calls").and_then(Value::as_array).into_iter().flatten();
            let calls = calls.map(|call| format!("{} {}", word(call, "service"), word(call, "operation")));
            ((word(item, "id"), word(item, "scope")), calls.collect())
        })
        .collect()
}

fn items(before: Side<'_>, after: Side<'_>, found: &mut Changes) {
    let (earlier, later) = (selected(before), selected(after));
    let keys: BTreeSet<_> = earlier.keys().chain(later.keys()).collect();
    for key @ (id, scope) in keys {
        let what = format!("item {id} ({scope})");
        match (earlier.get(key), later.get(key)) {
            (Some(_), None) => found.drops(what, Value::Null),
            (None, Some(_)) => found.adds(what, Value::Null),
            (Some(was), Some(is)) => {
                for gone in was.difference(is) {
                    found.drops(format!("call {gone} of {id} ({scope})"), Value::Null);
                }
                for come in is.difference(was) {
                    found.adds(format!("call {come} of {id} ({scope})"), Value::Null);
                }
            }
            (None, None) => {}
        }
    }
}

/// Entries of a list that excuses something, as sets.
fn excuses(key: &str, word: &str, old: &Value, new: &Value, found: &mut Changes) {
    let entries = |config: &Value| -> BTreeMap<String, Value> {
        let list = config.get(key).and_then(Value::as_array).into_iter().flatten();
        list.map(|entry| (entry.to_string(), entry.clone())).collect()
    };
    let (was, is) = (entries(old), entries(new));
    let name = |entry: &Value| match entry.get("id").and_then(Value::as_str) {
        Some(id) => format!("{word} {id}"),
        None => word.to_owned(),
    };
    for (_, entry) in was.iter().filter(|(text, _)| !is.contains_key(*text)) {
        let before = Some(entry.clone());
        found.0.push(Change {
            what: name(entry),
            effect: Effect::Drops,
            narrows: false,
            before,
            after: None,
        });
    }
    for (_, entry) in is.iter().filter(|(text, _)| !was.contains_key(*text)) {
        found.excuses(name(entry), entry.clone());
    }
}

fn checks(old: &BTreeMap<String, CheckRecord>, new: &BTreeMap<String, CheckRecord>, found: &mut Changes) {
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for id in ids {
        let what = format!("check {id}");
        match (old.get(id), new.get(id)) {
            (Some(check), None) => found.drops(what, check.version.into()),
            (None, Some(check)) => found.adds(what, check.version.into()),
            (Some(was), Some(is)) => {
                if was.version != is.version || was.sha256 != is.sha256 {
                    found.changes(format!("{what} version"), &was.version.into(), &is.version.into(), false);
                }
                if was.severity != is.severity {
                    let (was, is) = (was.severity.clone().into(), is.severity.clone().into());
                    found.changes(format!("{what} severity"), &was, &is, false);
                }
                let names: BTreeSet<&String> = was.parameters.keys().chain(is.parameters.keys()).collect();
                for name in names {
                    let of = |check: &CheckRecord| check.parameters.get(name).cloned().unwrap_or(Value::Null);
                    let (was, is) = (of(was), of(is));
                    if was != is {
                        found.changes(format!("{what} parameter {name}"), &was, &is, false);
                    }
                }
            }
            (None, None) => {}
        }
    }
}

/// Every other value of the configuration, by its path.
fn rest(path: &str, old: &Value, new: &Value, found: &mut Changes) {
    if BY_MEANING.contains(&path) || old == new {
        return;
    }
    match (old, new) {
        (Value::Object(was), Value::Object(is)) => {
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                rest(&path, &of(was), &of(is), found);
            }
        }
        (was, is) => found.changes(path, was, is, false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::layout::catalogue_value;
    use crate::policy::Policies;

    const NOW: i64 = 1_795_312_800;

    fn config() -> Value {
        json!({
            "schedule": "0 2 * * *",
            "signing": { "timestamp_urls": ["https://tsa.example"] },
            "aws": { "regions": ["eu-west-1", "us-east-1"], "organization": null, "accounts": [
                { "id": "111122223333", "in_scope": true }, { "id": "444455556666", "in_scope": true },
            ] },
            "collect": { "items": ["*"], "raw": true, "concurrency": 64 },
            "accepted_gaps": [], "exceptions": [],
        })
    }

    /// `what` and whether it narrows, of one change of the configuration.
    fn changed(pointer: &str, value: Value) -> Vec<(String, &'static str, bool)> {
        let (old, mut new, catalogue) = (config(), config(), catalogue_value());
        *new.pointer_mut(pointer).unwrap() = value;
        let side = |config| Side { config, catalogue: &catalogue, checks: None };
        let found = compare(side(&old), side(&new), NOW);
        found.into_iter().map(|it| (it.what, it.effect.word(), it.narrows)).collect()
    }

    fn one(pointer: &str, value: Value, what: &str, effect: &str, narrows: bool) {
        assert_eq!(changed(pointer, value), [(what.to_owned(), effect_word(effect), narrows)], "{pointer}");
    }

    fn effect_word(word: &str) -> &'static str {
        [Effect::Drops, Effect::Adds, Effect::Changes]
            .map(Effect::word)
            .into_iter()
            .find(|it| *it == word)
            .unwrap()
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        assert_eq!(changed("/collect/raw", json!(true)), []);
    }

    #[test]
    fn what_leaves_the_scope_narrows_and_what_comes_does_not() {
        one("/aws/regions", json!(["eu-west-1"]), "region us-east-1", "drops", true);
        one("/aws/regions", json!(["eu-west-1", "us-east-1", "x"]), "region x", "adds", false);
        one("/aws/regions", json!("enabled"), "aws.regions", "changes", false);
        let only = json!([{ "id": "111122223333", "in_scope": true }]);
        one("/aws/accounts", only, "account 444455556666", "drops", true);
        let outside =
            json!([{ "id": "111122223333", "in_scope": true }, { "id": "444455556666", "in_scope": false }]);
        one("/aws/accounts", outside, "account 444455556666", "changes", true);
        let excluded = json!([{ "id": "111122223333", "in_scope": true },
            { "id": "444455556666", "in_scope": true, "excluded": "sandbox" }]);
        one("/aws/accounts", excluded, "account 444455556666", "changes", true);
        one("/aws/organization", json!({ "role": "Reader" }), "aws.organization", "adds", false);
        assert!(
            changed("/collect/items", json!(["vpc.*"]))
                .iter()
                .all(|(_, effect, narrows)| *effect == "drops" && *narrows)
        );
    }

    #[test]
    fn a_rarer_schedule_fewer_proofs_and_more_excuses_narrow() {
        one("/schedule", json!("0 2 * * 1"), "schedule", "changes", true);
        one("/schedule", json!("0 3 * * *"), "schedule", "changes", false);
        one("/schedule", json!("0 */6 * * *"), "schedule", "changes", false);
        one("/collect/raw", json!(false), "collect.raw", "changes", true);
        one("/signing/timestamp_urls", json!([]), "signing.timestamp_urls", "changes", true);
        one("/accepted_gaps", json!([{ "region": "ap-*" }]), "accepted gap", "adds", true);
        one("/exceptions", json!([{ "id": "EX-7" }]), "exception EX-7", "adds", true);
        one("/collect/concurrency", json!(1), "collect.concurrency", "changes", false);
    }

    #[test]
    fn a_catalogue_and_checks_that_lost_something_narrow() {
        let (config, catalogue) = (config(), catalogue_value());
        let mut smaller = catalogue.clone();
        let calls = smaller.pointer_mut("/items/1/calls").unwrap().as_array_mut().unwrap();
        calls.pop();
        let policies = Policies::new("guide", &[], &Value::Null);
        let all = policies.map(|policies| CheckRecord::table(&policies)).unwrap();
        let mut fewer = all.clone();
        let (gone, _) = fewer.pop_first().unwrap();
        let (changed, check) = fewer.iter_mut().next().unwrap();
        check.parameters.insert("extra".to_owned(), json!(1));
        let changed = format!("check {changed} parameter extra");
        let before = Side { config: &config, catalogue: &catalogue, checks: Some(&all) };
        let after = Side { config: &config, catalogue: &smaller, checks: Some(&fewer) };
        let found = compare(before, after, NOW);
        let found: Vec<_> = found.iter().map(|it| (it.what.as_str(), it.effect, it.narrows)).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].0.starts_with("call ec2 ") && found[0].2, "{found:?}");
        assert_eq!(found[1], (format!("check {gone}").as_str(), Effect::Drops, true));
        assert_eq!(found[2], (changed.as_str(), Effect::Changes, false));
        // The other way round nothing narrows.
        assert!(compare(after, before, NOW).iter().all(|it| !it.narrows));
    }
}
