//! Two documents of one cell: which resources came, went and changed.
//!
//! Only what AWS answered is compared; request ids, times of collection and who asked are provenance, and so are the
//! members that change without anybody's doing (when a rule was last evaluated). A call that failed on either side
//! is said, and nothing of it is called added or removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::values::{Member, form, members};
use crate::formats::kinds::{KINDS, Kind};
use crate::formats::{entries, name_of};

/// Members that say when something last ran or which version of an answer it is.
const PROVENANCE: &[&str] = &[
    "LockToken",
    "NextMarker",
    "NextToken",
    "LastSuccessfulInvocationTime",
    "LastFailedInvocationTime",
    "LastSuccessfulEvaluationTime",
    "LastFailedEvaluationTime",
    "LastDeactivatedTime",
    "ResultRecordedTime",
    "ConfigRuleInvokedTime",
    "OrderingTimestamp",
    "lastStartTime",
    "lastStopTime",
    "lastStatusChangeTime",
    "LastStatusChange",
];

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Thing {
    /// Its type, or the call that describes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id, or the parameters of the call.
    pub id: String,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A resource that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// Which.
    #[serde(flatten)]
    pub thing: Thing,
    /// What of it.
    pub members: Vec<Member>,
}

/// A call that failed in one of the runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unread {
    /// Which call.
    pub call: String,
    /// How it failed before; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How it fails now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What two documents of a cell differ in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Documents {
    /// Resources that were not there before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Thing>,
    /// Resources that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Thing>,
    /// Resources that are there in both and differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
    /// Calls that could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

impl Documents {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed, unread } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty() && unread.is_empty()
    }
}

/// The differences of two documents of one cell.
pub fn documents(before: &Value, after: &Value) -> Documents {
    let (before, after) = (Side::of(before), Side::of(after));
    let mut found = Documents::default();
    let failed: BTreeSet<&String> = before.failed.keys().chain(after.failed.keys()).collect();
    for call in &failed {
        let unread = Unread {
            call: (*call).clone(),
            before: before.failed.get(*call).cloned(),
            after: after.failed.get(*call).cloned(),
        };
        found.unread.push(unread);
    }
    let failed_lists: BTreeSet<&str> = before.failed_lists.union(&after.failed_lists).copied().collect();
    let listed = |side: &Side<'_>, kind: &str| side.lists.contains(kind);
    for kind in KINDS.iter().filter(|kind| !failed_lists.contains(kind.operation)) {
        // A list that one of the versions did not ask for says nothing about what came or went.
        if listed(&before, kind.name) && listed(&after, kind.name) {
            resources(kind, &before, &after, &mut found);
        }
    }
    let moved: BTreeSet<String> = found
        .added
        .iter()
        .chain(&found.removed)
        .flat_map(|thing| [thing.id.clone(), thing.name.clone()])
        .filter(|text| !text.is_empty())
        .collect();
    let calls: BTreeSet<&(String, String)> = before.calls.keys().chain(after.calls.keys()).collect();
    for call in calls {
        let told = before.named.get(call).or_else(|| after.named.get(call));
        let about_moved = told.is_some_and(|texts| texts.iter().any(|text| moved.contains(*text)));
        let thing = Thing {
            kind: call.0.clone(),
            id: told.map(|texts| texts.join(" ")).unwrap_or_default(),
            name: String::new(),
        };
        match (before.calls.get(call), after.calls.get(call)) {
            (Some(one), Some(other)) => {
                let members = members(one, other, PROVENANCE);
                if !members.is_empty() {
                    found.changed.push(Changed { thing, members });
                }
            }
            // Of a resource that came or went its details came or went too.
            _ if about_moved || failed.iter().any(|text| text.starts_with(&call.0)) => {}
            (None, Some(_)) => found.added.push(thing),
            (Some(_), None) => found.removed.push(thing),
            (None, None) => {}
        }
    }
    found.changed.sort_by(|a, b| a.thing.cmp(&b.thing));
    found
}

fn resources(kind: &'static Kind, before: &Side<'_>, after: &Side<'_>, found: &mut Documents) {
    let none = BTreeMap::new();
    let earlier = before.resources.get(kind.name).unwrap_or(&none);
    let later = after.resources.get(kind.name).unwrap_or(&none);
    let thing = |id: &str, value: &Value| Thing {
        kind: kind.name.to_owned(),
        id: id.to_owned(),
        name: name_of(kind, value).filter(|name| *name != id).unwrap_or_default().to_owned(),
    };
    for (id, value) in later {
        let Some(earlier) = earlier.get(id) else {
            found.added.push(thing(id, value));
            continue;
        };
        let members = members(earlier, value, PROVENANCE);
        if !members.is_empty() {
            found.changed.push(Changed { thing: thing(id, value), members });
        }
    }
    let gone = earlier.iter().filter(|(id, _)| !later.contains_key(*id));
    found.removed.extend(gone.map(|(id, value)| thing(id, value)));
}

/// One document, taken apart.
#[derive(Default)]
struct Side<'v> {
    /// Kinds that were listed, though the list may be empty.
    lists: BTreeSet<&'static str>,
    resources: BTreeMap<&'static str, BTreeMap<&'v str, &'v Value>>,
    /// Answers that are no lists, by operation and the form of the parameters.
    calls: BTreeMap<(String, String), Value>,
    /// Texts among the parameters of those.
    named: BTreeMap<(String, String), Vec<&'v str>>,
    failed: BTreeMap<String, String>,
    failed_lists: BTreeSet<&'v str>,
}

impl<'v> Side<'v> {
    fn of(document: &'v Value) -> Self {
        let mut side = Self::default();
        for call in document.get("calls").and_then(Value::as_array).into_iter().flatten() {
            side.call(call);
        }
        side
    }

    fn call(&mut self, call: &'v Value) {
        let operation = call.get("operation").and_then(Value::as_str).unwrap_or_default();
        let parameters = call.get("parameters").unwrap_or(&Value::Null);
        let texts: Vec<&str> = match parameters {
            Value::Object(members) => members.values().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(|kind| kind.operation == operation).collect();
        if let Some(error) = call.get("error") {
            let code = error.get("code").and_then(Value::as_str).unwrap_or("error");
            let name = [&[operation][..], &texts].concat().join(" ");
            self.failed.insert(name, code.to_owned());
            if !kinds.is_empty() {
                self.failed_lists.insert(operation);
            }
            return;
        }
        let fact = call.get("fact").and_then(|fact| fact.get("code"));
        let Some(output) = call.get("output").or(fact) else { return };
        if kinds.is_empty() {
            let key = (operation.to_owned(), form(parameters, &["MaxResults", "PageSize", "Limit"]));
            self.named.insert(key.clone(), texts);
            self.calls.insert(key, output.clone());
            return;
        }
        for kind in kinds {
            self.lists.insert(kind.name);
            let found = self.resources.entry(kind.name).or_default();
            for (_, _, resource) in entries(kind, output) {
                if let Some(id) = kind.id_of(resource) {
                    found.entry(id).or_insert(resource);
                }
            }
        }
    }
}
