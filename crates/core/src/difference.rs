//! What two runs differ in: the estate, and apart from it what was asked and how it was judged.
//!
//! Pure: documents come from the caller, pair by pair, so that memory is bounded by one cell. Only cells that have a
//! document in both runs say that a resource came or went; a cell that was not read on one side is said to be so. A
//! verdict that turned is told with its cause: the check or its parameters, an exception, or else the estate.

mod documents;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::assessment::{Assessed, Assessment, EXCEPTED};
use crate::facts::Facts;

pub use documents::{Changed, Documents, Thing, Unread, documents};
pub use values::Member;

/// One of the two runs.
#[derive(Debug)]
pub struct Run {
    /// The name of its bag.
    pub id: String,
    /// Its files beside evidence and findings.
    pub facts: Facts,
    /// What was judged, in a bundle that says so.
    pub assessment: Option<Assessment>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Before,
    /// The second.
    After,
}

/// What two runs differ in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The first bag, and its slot.
    pub before: Value,
    /// The second bag, and its slot.
    pub after: Value,
    /// Accounts, regions, items and settings that differ.
    pub scope: Vec<Setting>,
    /// Checks, parameters, profile and exceptions that differ.
    pub policy: Vec<Setting>,
    /// The estate, by account, region and item.
    pub places: Vec<Place>,
    /// Cells whose status differs.
    pub cells: Vec<Cell>,
    /// Verdicts that turned.
    pub verdicts: Vec<Turn>,
    /// Why verdicts are not compared, when they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
}

/// Something that was configured or found to be collected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// What it is.
    pub what: String,
    /// Before; absent when it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// After; absent when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One cell of which both runs have a document, and what differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// Account.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Item.
    pub item: String,
    /// What differs.
    #[serde(flatten)]
    pub documents: Documents,
}

/// A cell whose status differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cell {
    /// Account.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Item.
    pub item: String,
    /// Status before; absent when it was not planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Status after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A verdict that turned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// Account.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Check.
    pub check: String,
    /// Resource; absent when the row is about the whole population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Verdict before; absent when there was no such row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<&'static str>,
    /// Verdict after; absent when there is no such row any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<&'static str>,
    /// `check`, `parameters`, `exception` or `estate`.
    pub cause: &'static str,
    /// Why, as the later row says; as the earlier one where it is gone.
    pub reason: String,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Self { scope, policy, places, cells, verdicts, .. } = self;
        scope.is_empty() && policy.is_empty() && places.is_empty() && cells.is_empty() && verdicts.is_empty()
    }
}

/// Compares two runs. `read` gives a document of one of them.
pub fn difference<E>(
    before: &Run,
    after: &Run,
    mut read: impl FnMut(Side, &str) -> Result<Value, E>,
) -> Result<Difference, E> {
    let mut places = Vec::new();
    let mut turned = Vec::new();
    let (earlier, later) = (cells(&before.facts), cells(&after.facts));
    let keys: BTreeSet<_> = earlier.keys().chain(later.keys()).copied().collect();
    for key in keys {
        let (account, region, item) = key;
        let (one, other) = (earlier.get(&key).copied(), later.get(&key).copied());
        let status = |cell: Option<&Value>| cell.map(|cell| text(cell, "status").to_owned());
        if status(one) != status(other) {
            turned.push(Cell {
                account: account.to_owned(),
                region: region.to_owned(),
                item: item.to_owned(),
                before: status(one),
                after: status(other),
            });
        }
        let file = |cell: Option<&Value>| cell.and_then(|cell| cell.get("file")?.as_str().map(str::to_owned));
        let (Some(one_file), Some(other_file)) = (file(one), file(other)) else { continue };
        let digest = |cell: Option<&Value>| cell.map(|cell| text(cell, "sha256").to_owned());
        if digest(one) == digest(other) {
            continue;
        }
        let found = documents(&read(Side::Before, &one_file)?, &read(Side::After, &other_file)?);
        if !found.is_empty() {
            let (account, region, item) = (account.to_owned(), region.to_owned(), item.to_owned());
            places.push(Place { account, region, item, documents: found });
        }
    }
    let (scope, mut policy) = settings(&before.facts, &after.facts);
    let (verdicts, not_compared) = match (&before.assessment, &after.assessment) {
        (Some(one), Some(other)) => {
            policy.extend(checks(one, other));
            (verdicts(one, other), None)
        }
        (None, None) => (Vec::new(), Some("neither bundle holds verdicts".to_owned())),
        (None, _) => (Vec::new(), Some(format!("{} holds no verdicts", before.id))),
        (_, None) => (Vec::new(), Some(format!("{} holds no verdicts", after.id))),
    };
    let ends = |run: &Run| json!({ "id": run.id, "slot": text(&run.facts.run, "slot") });
    Ok(Difference {
        before: ends(before),
        after: ends(after),
        scope,
        policy,
        places,
        cells: turned,
        verdicts,
        not_compared,
    })
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

type Key<'v> = (&'v str, &'v str, &'v str);

fn cells(facts: &Facts) -> BTreeMap<Key<'_>, &Value> {
    facts
        .cells
        .iter()
        .map(|cell| ((text(cell, "account"), text(cell, "region"), text(cell, "item")), cell))
        .collect()
}

/// Settings that differ: those of scope, and those of how it is judged.
fn settings(before: &Facts, after: &Facts) -> (Vec<Setting>, Vec<Setting>) {
    let mut scope = Vec::new();
    let mut policy = Vec::new();
    let (earlier, later) = (planned(before), planned(after));
    for name in earlier.keys().chain(later.keys().filter(|name| !earlier.contains_key(*name))) {
        let (one, other) = (earlier.get(name), later.get(name));
        if one != other {
            scope.push(Setting { what: name.clone(), before: one.cloned(), after: other.cloned() });
        }
    }
    let items = |facts: &Facts| -> Vec<Value> {
        let items = facts.catalogue.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        items.into_iter().map(|item| json!({ "Key": format!("{} {}", text(&item, "id"), text(&item, "scope")), "item": item })).collect()
    };
    for member in values::members(&json!(items(before)), &json!(items(after)), &[]) {
        let what = match (&member.before, &member.after) {
            (Some(item), None) | (None, Some(item)) => format!("item {}", text(item, "Key")),
            _ => format!("catalogue {}", member.pointer),
        };
        scope.push(Setting { what, before: member.before, after: member.after });
    }
    for member in values::members(&before.config, &after.config, &[]) {
        let name = member.pointer.trim_start_matches('/').replace('/', ".");
        let judged = ["checks", "exceptions", "controls"].iter().any(|section| name.starts_with(section));
        let setting = Setting { what: name, before: member.before, after: member.after };
        if judged { policy.push(setting) } else { scope.push(setting) }
    }
    let version = |facts: &Facts| facts.run.pointer("/collector/version").cloned();
    if version(before) != version(after) {
        let setting =
            Setting { what: "collector".to_owned(), before: version(before), after: version(after) };
        scope.push(setting);
    }
    (scope, policy)
}

/// Accounts and planned regions.
fn planned(facts: &Facts) -> BTreeMap<String, Value> {
    let mut planned = BTreeMap::new();
    for account in facts.plan.get("accounts").and_then(Value::as_array).into_iter().flatten() {
        let id = text(account, "id");
        let mut about = json!({ "name": text(account, "name"), "inScope": account.get("inScope") });
        if let (Some(members), Some(reason)) = (about.as_object_mut(), account.get("reason")) {
            members.insert("excluded".to_owned(), reason.clone());
        }
        planned.insert(format!("account {id}"), about);
        for region in account.get("regions").and_then(Value::as_array).into_iter().flatten() {
            let word =
                if region.get("planned") == Some(&Value::Bool(true)) { "collected" } else { "not collected" };
            planned.insert(format!("account {id}, region {}", text(region, "name")), word.into());
        }
    }
    planned
}

/// Checks that came, went, or are judged otherwise.
fn checks(before: &Assessment, after: &Assessment) -> Vec<Setting> {
    let mut found = Vec::new();
    if before.profile != after.profile {
        let (before, after) = (Some(before.profile.clone().into()), Some(after.profile.clone().into()));
        found.push(Setting { what: "profile".to_owned(), before, after });
    }
    let ids: BTreeSet<&String> = before.checks.keys().chain(after.checks.keys()).collect();
    for id in ids {
        let (one, other) = (before.checks.get(id), after.checks.get(id));
        let version = |check: Option<&crate::assessment::CheckRecord>| {
            check.map(|check| json!({ "version": check.version, "sha256": check.sha256 }))
        };
        if version(one) != version(other) {
            let setting =
                Setting { what: format!("check {id}"), before: version(one), after: version(other) };
            found.push(setting);
        }
        let (Some(one), Some(other)) = (one, other) else { continue };
        let names: BTreeSet<&String> = one.parameters.keys().chain(other.parameters.keys()).collect();
        for name in names {
            let (one, other) = (one.parameters.get(name), other.parameters.get(name));
            if one != other {
                let what = format!("parameter {id}.{name}");
                found.push(Setting { what, before: one.cloned(), after: other.cloned() });
            }
        }
    }
    found
}

type RowKey<'v> = (&'v str, &'v str, &'v str, Option<&'v str>);

fn rows(assessment: &Assessment) -> BTreeMap<RowKey<'_>, &Assessed> {
    assessment.rows.iter().map(|assessed| (key(assessed), assessed)).collect()
}

fn key(assessed: &Assessed) -> RowKey<'_> {
    let row = &assessed.row;
    (&row.account, &row.region, &row.check, row.resource.as_deref())
}

fn verdicts(before: &Assessment, after: &Assessment) -> Vec<Turn> {
    let (earlier, later) = (rows(before), rows(after));
    let keys: BTreeSet<RowKey<'_>> = earlier.keys().chain(later.keys()).copied().collect();
    let mut turns = Vec::new();
    for key in keys {
        let (one, other) = (earlier.get(&key).copied(), later.get(&key).copied());
        if one.map(Assessed::verdict) == other.map(Assessed::verdict) {
            continue;
        }
        let (account, region, check, resource) = key;
        turns.push(Turn {
            account: account.to_owned(),
            region: region.to_owned(),
            check: check.to_owned(),
            resource: resource.map(str::to_owned),
            before: one.map(Assessed::verdict),
            after: other.map(Assessed::verdict),
            cause: cause(before, after, check, one, other),
            reason: other.or(one).map(|assessed| assessed.row.reason.clone()).unwrap_or_default(),
        });
    }
    turns
}

/// What made a verdict turn: the first that can have.
fn cause(
    before: &Assessment,
    after: &Assessment,
    check: &str,
    one: Option<&Assessed>,
    other: Option<&Assessed>,
) -> &'static str {
    let (earlier, later) = (before.checks.get(check), after.checks.get(check));
    if earlier.map(|check| &check.sha256) != later.map(|check| &check.sha256) {
        return "check";
    }
    if before.profile != after.profile
        || earlier.map(|check| &check.parameters) != later.map(|check| &check.parameters)
    {
        return "parameters";
    }
    let excepted = |assessed: Option<&Assessed>| assessed.is_some_and(|it| it.verdict() == EXCEPTED);
    match (one, other) {
        (Some(one), Some(other))
            if one.row.verdict == other.row.verdict && excepted(Some(one)) != excepted(Some(other)) =>
        {
            "exception"
        }
        _ => "estate",
    }
}

#[cfg(test)]
mod tests;
