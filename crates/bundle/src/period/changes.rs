//! What changed from one bundle to the next: schedule, configuration, collector, catalogue and scope, with values.
//!
//! A change is no fault; that nobody is told would be one. Both sides are verified bundles. A list that is longer than
//! [`CHANGES`] for one pair is cut, and says so. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::check::printable;
use crate::digest::Digest;
use crate::id::Kind;
use crate::period::scene::{Account, Region, Scene};

/// Most changes that are listed between two bundles.
pub const CHANGES: usize = 200;
const NAMED: usize = 10;

/// One difference between two bundles that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The bundle before.
    pub from: String,
    /// The bundle in which it is new.
    pub to: String,
    /// What differs: `schedule`, `config.json a.b`, `account 111122223333`, `region eu-west-3`.
    pub what: String,
    /// What it was, and what it is.
    pub detail: String,
}

/// Every difference in scope, schedule and configuration.
pub(crate) fn changes(before: &Scene, after: &Scene) -> Vec<Change> {
    let mut found = Vec::new();
    let mut list = |what: String, detail: String| found.push((what, detail));
    let (old, new) = (&before.snapshot, &after.snapshot);
    for (what, was, is) in [
        ("schedule", old.schedule.clone(), new.schedule.clone()),
        ("collector version", old.version.clone(), new.version.clone()),
        ("collector image", digest(old.image_sha256.as_ref()), digest(new.image_sha256.as_ref())),
        ("policies", digest(old.policies_sha256.as_ref()), digest(new.policies_sha256.as_ref())),
        ("catalogue.json", digest(before.catalogue_sha256.as_ref()), digest(after.catalogue_sha256.as_ref())),
    ] {
        if was != is {
            list(what.to_owned(), format!("{was} -> {is}"));
        }
    }
    sets("items", &before.items, &after.items, &mut list);
    if old.config_sha256 != new.config_sha256 {
        differences("config.json", &before.config, &after.config, &mut list);
    }
    // A supplement plans only what it fills: what is not in it has left nothing.
    if !matches!(after.id.kind(), Kind::Supplement(_)) {
        of_accounts(before, after, &mut list);
        of_regions(before, after, &mut list);
        of_excluded(before, after, &mut list);
    }

    let more = found.len().saturating_sub(CHANGES);
    found.truncate(CHANGES);
    if more > 0 {
        found.push(("more".to_owned(), format!("{more} further changes are not listed")));
    }
    let change = |(what, detail): (String, String)| Change {
        from: before.id.to_string(),
        to: after.id.to_string(),
        what: printable(&what),
        detail: printable(&detail),
    };
    found.into_iter().map(change).collect()
}

fn digest(digest: Option<&Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// Accounts that came, left, or are left out.
fn of_accounts(before: &Scene, after: &Scene, list: &mut dyn FnMut(String, String)) {
    let ids: BTreeSet<&String> = before.accounts.keys().chain(after.accounts.keys()).collect();
    for id in ids {
        let what = format!("account {id}");
        match (before.accounts.get(id), after.accounts.get(id)) {
            (Some(_), None) => list(what, "in the plan -> no longer in the plan".to_owned()),
            (None, Some(account)) => list(what, format!("not in the plan -> {}", standing(account))),
            (Some(old), Some(new)) if old.reason != new.reason => {
                list(what, format!("{} -> {}", standing(old), standing(new)));
            }
            _ => {}
        }
    }
}

fn standing(account: &Account) -> String {
    account.reason.as_ref().map_or("collected".to_owned(), |reason| format!("left out ({reason})"))
}

/// Regions that came or left, with the accounts for which they did.
fn of_regions(before: &Scene, after: &Scene, list: &mut dyn FnMut(String, String)) {
    let mut moved: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (id, new) in &after.accounts {
        let Some(old) = before.accounts.get(id).filter(|old| old.reason.is_none() && new.reason.is_none())
        else {
            continue;
        };
        let names: BTreeSet<&String> = old.regions.keys().chain(new.regions.keys()).collect();
        for name in names {
            let (was, is) = (old.regions.get(name), new.regions.get(name));
            if was != is {
                let key = (format!("region {name}"), format!("{} -> {}", place(was), place(is)));
                moved.entry(key).or_default().push(id);
            }
        }
    }
    for ((what, detail), accounts) in moved {
        list(what, format!("{detail}, {}", named("account", &accounts)));
    }
}

fn place(region: Option<&Region>) -> String {
    match region {
        None => "not in the plan".to_owned(),
        Some(Region::Planned) => "planned".to_owned(),
        Some(Region::Out(reason)) => format!("not planned ({reason})"),
    }
}

/// Rows that the configuration leaves out now and did not before, and the other way.
fn of_excluded(before: &Scene, after: &Scene, list: &mut dyn FnMut(String, String)) {
    let mut moved: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for ((from, to), words) in [((before, after), "now"), ((after, before), "no longer")] {
        for ((account, item, reason), regions) in &to.excluded {
            let counted = from.excluded.get(&(account.clone(), item.clone(), reason.clone()));
            if counted.is_none_or(|counted| counted < regions) {
                let key = (format!("item {item}"), format!("{words} excluded ({reason})"));
                moved.entry(key).or_default().push(account);
            }
        }
    }
    for ((what, detail), accounts) in moved {
        list(what, format!("{detail}, {}", named("account", &accounts)));
    }
}

fn named(noun: &str, names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(NAMED).copied().collect();
    let more = names.len().saturating_sub(NAMED);
    let plural = if names.len() == 1 { "" } else { "s" };
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{noun}{plural} {}{tail}", shown.join(", "))
}

/// What left and what came.
fn sets(what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, list: &mut dyn FnMut(String, String)) {
    let left: Vec<&str> = old.difference(new).map(String::as_str).collect();
    let came: Vec<&str> = new.difference(old).map(String::as_str).collect();
    for (names, verb) in [(left, "left"), (came, "came")] {
        if !names.is_empty() {
            list(what.to_owned(), format!("{verb}: {}", names.join(", ")));
        }
    }
}

/// Each value of two JSON documents that differs, by its path. Lists of plain values are compared as sets.
fn differences(path: &str, old: &Value, new: &Value, list: &mut dyn FnMut(String, String)) {
    match (old, new) {
        (Value::Object(was), Value::Object(is)) => {
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                // The file, a space, and the names with dots between them.
                let joint = if path.contains(' ') { '.' } else { ' ' };
                let (was, is) = (was.get(name), is.get(name));
                differences(
                    &format!("{path}{joint}{name}"),
                    was.unwrap_or(&Value::Null),
                    is.unwrap_or(&Value::Null),
                    list,
                );
            }
        }
        (Value::Array(was), Value::Array(is)) if was.iter().chain(is).all(is_plain) => {
            let set = |values: &[Value]| values.iter().map(shown).collect::<BTreeSet<_>>();
            if set(was) == set(is) && was != is {
                list(path.to_owned(), "the same values in another order".to_owned());
            }
            sets(path, &set(was), &set(is), list);
        }
        (was, is) if was != is => list(path.to_owned(), format!("{} -> {}", shown(was), shown(is))),
        _ => {}
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(old: &Value, new: &Value) -> Vec<String> {
        let mut found = Vec::new();
        differences("config.json", old, new, &mut |what, detail| found.push(format!("{what}: {detail}")));
        found
    }

    #[test]
    fn each_value_that_differs_is_listed_by_its_path() {
        let old = json!({"scope": "prod", "accounts": {"exclude": ["1", "2"]}, "limits": {"calls": 3}, "same": [1]});
        let new = json!({"scope": "prod", "accounts": {"exclude": ["2", "3"]}, "limits": {"calls": 4}, "same": [1],
            "new": true});
        assert_eq!(
            of(&old, &new),
            [
                "config.json accounts.exclude: left: 1",
                "config.json accounts.exclude: came: 3",
                "config.json limits.calls: 3 -> 4",
                "config.json new: absent -> true",
            ]
        );
        assert_eq!(
            of(&json!({"a": [1, 2]}), &json!({"a": [2, 1]})),
            ["config.json a: the same values in another order"]
        );
        assert_eq!(of(&json!({"a": [{"b": 1}]}), &json!({"a": [{"b": 2}]})).len(), 1);
        assert_eq!(of(&old, &old), [""; 0]);
    }
}
