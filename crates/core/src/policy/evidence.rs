//! What there is to judge: the documents of one account, and what is in the place of those that are missing.
//!
//! A document is read once and shared by every check. The table of CIDRs and the resolved prefix lists are made from
//! the documents. Refused: a document that is not JSON, or that is filed under another account, region or item than
//! it names.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_bundle::digest::Digest;
use serde_json::{Map, Value};

use super::addresses;
use crate::item::{GLOBAL, Scope, catalogue};
use crate::snapshot::Status;

/// What was offered to the collector: items, whether they are regional or global, and their calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    items: BTreeMap<String, Known>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    regional: bool,
    global: bool,
    calls: BTreeSet<String>,
}

impl Offered {
    /// The items of this version.
    pub fn current() -> Self {
        let mut offered = Self::default();
        for item in catalogue() {
            offered.add(item.id, item.scope == Scope::Region, item.steps.iter().map(|step| step.operation));
        }
        offered
    }

    /// Adds an item, regional or global, with its operations.
    pub fn add<'a>(&mut self, item: &str, regional: bool, operations: impl Iterator<Item = &'a str>) {
        let known = self.items.entry(item.to_owned()).or_default();
        known.regional |= regional;
        known.global |= !regional;
        known.calls.extend(operations.map(str::to_owned));
    }

    pub(super) fn has(&self, item: &str) -> bool {
        self.items.contains_key(item)
    }

    pub(super) fn has_call(&self, item: &str, operation: &str) -> bool {
        self.items.get(item).is_some_and(|known| known.calls.contains(operation))
    }

    pub(super) fn is_regional(&self, item: &str) -> bool {
        self.items.get(item).is_some_and(|known| known.regional)
    }

    pub(super) fn is_global(&self, item: &str) -> bool {
        self.items.get(item).is_some_and(|known| known.global)
    }
}

/// One cell, as it ended.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Document(Box<Document>),
    /// There is no document, and this is why.
    Gap(Status, String),
}

#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) shared: regorus::Value,
    pub(super) cidrs: BTreeMap<regorus::Value, regorus::Value>,
    pub(super) prefix_lists: Map<String, Value>,
}

/// Why a document cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It is not JSON.
    #[error("{path}: not JSON")]
    Json {
        /// Path in the bundle.
        path: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It says that it is of another account, region or item.
    #[error("{path}: says that it is {found}")]
    Misfiled {
        /// Path in the bundle.
        path: String,
        /// Account, region and item that it names.
        found: String,
    },
}

/// The evidence of one account.
#[derive(Debug, Clone)]
pub struct Evidence {
    account: String,
    cells: BTreeMap<String, Held>,
    digests: BTreeMap<String, String>,
}

impl Evidence {
    /// Nothing yet.
    pub fn new(account: &str) -> Self {
        Self { account: account.to_owned(), cells: BTreeMap::new(), digests: BTreeMap::new() }
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Adds a document, `data/evidence/<account>/<region>/<item>.json`.
    pub fn document(&mut self, region: &str, item: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
        let path = format!("data/evidence/{}/{region}/{item}.json", self.account);
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|source| EvidenceError::Json { path: path.clone(), source })?;
        let said = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let found = [said("account"), said("region"), said("item")];
        if found != [self.account.as_str(), region, item] {
            return Err(EvidenceError::Misfiled { path, found: found.join(" ") });
        }
        let mut cidrs = BTreeMap::new();
        addresses::collect(&value, &mut cidrs);
        let prefix_lists = prefix_lists(&value);
        let shared = shared(&value, &mut BTreeMap::new());
        let sha256 = Digest::of(bytes).to_string();
        self.digests.insert(path.clone(), sha256);
        let document = Document { path, value, shared, cidrs, prefix_lists };
        self.cells.insert(key(region, item), Held::Document(Box::new(document)));
        Ok(())
    }

    /// Adds a cell that has no document: `not-offered`, `region-disabled`, `excluded`.
    pub fn gap(&mut self, region: &str, item: &str, status: Status, reason: &str) {
        self.cells.insert(key(region, item), Held::Gap(status, reason.to_owned()));
    }

    /// Forgets the documents of a region, once it is judged.
    pub fn release(&mut self, region: &str) {
        let prefix = format!("{region}/");
        self.cells.retain(|key, _| !key.starts_with(&prefix));
    }

    /// SHA-256 of a document that was added, by its path in the bundle.
    pub fn sha256(&self, path: &str) -> Option<&str> {
        self.digests.get(path).map(String::as_str)
    }

    /// What is in the place of a cell: its document, or why there is none. `None`: nobody ever said.
    pub fn look(&self, region: &str, item: &str) -> Option<Result<&Value, (Status, &str)>> {
        Some(match self.cells.get(&key(region, item))? {
            Held::Document(document) => Ok(&document.value),
            Held::Gap(status, reason) => Err((*status, reason)),
        })
    }

    /// Every cell: its region, its item, and what is in its place.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &str, Result<&Value, (Status, &str)>)> {
        self.cells.iter().filter_map(|(key, held)| {
            let (region, item) = key.split_once('/')?;
            let held = match held {
                Held::Document(document) => Ok(&document.value),
                Held::Gap(status, reason) => Err((*status, reason.as_str())),
            };
            Some((region, item, held))
        })
    }

    pub(super) fn held(&self, key: &str) -> Option<&Held> {
        self.cells.get(key)
    }

    /// Regions that have a cell, without `global`, sorted.
    pub fn regions(&self) -> BTreeSet<&str> {
        let regions = self.cells.keys().filter_map(|key| Some(key.split_once('/')?.0));
        regions.filter(|region| *region != GLOBAL).collect()
    }
}

/// As the engine has it: what `regorus::Value::from` makes, without a copy, and with each name of a member once.
fn shared<'v>(value: &'v Value, names: &mut BTreeMap<&'v str, regorus::Value>) -> regorus::Value {
    match value {
        Value::Null => regorus::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => regorus::Value::from(Value::Number(number.clone())),
        Value::Array(entries) => entries.iter().map(|entry| shared(entry, names)).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let mut object = BTreeMap::new();
            for (name, member) in members {
                let member = shared(member, names);
                let name = names.entry(name).or_insert_with(|| name.as_str().into()).clone();
                object.insert(name, member);
            }
            object.into()
        }
    }
}

/// The name of a document in a policy's input.
pub(super) fn key(region: &str, item: &str) -> String {
    format!("{region}/{item}")
}

/// Prefix lists whose entries were read, by id: an empty list is a list.
fn prefix_lists(document: &Value) -> Map<String, Value> {
    let mut lists = Map::new();
    for call in document.get("calls").and_then(Value::as_array).into_iter().flatten() {
        if call.get("operation").and_then(Value::as_str) != Some("GetManagedPrefixListEntries") {
            continue;
        }
        let id = call.pointer("/parameters/PrefixListId").and_then(Value::as_str);
        let entries = call.pointer("/output/Entries").and_then(Value::as_array);
        let (Some(id), Some(entries)) = (id, entries) else { continue };
        // An entry without a CIDR leaves the list unresolved: a part of it is not the list.
        let cidrs: Option<Vec<Value>> = entries.iter().map(|entry| entry.get("Cidr").cloned()).collect();
        lists.extend(cidrs.map(|cidrs| (id.to_owned(), Value::Array(cidrs))));
    }
    lists
}
