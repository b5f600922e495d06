//! `data/changes.json`: what turned since the bundle before, and why.
//!
//! A verdict turns because the estate changed (what AWS said differs), because the policy or its parameters did,
//! because an exception came or went, or because time passed. Promised: these are told apart, row by row; a bundle
//! that cannot be compared says why. Only this file names the bundle before. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::assessment::{Assessed, Assessment, lines};
use crate::item::GLOBAL;

/// Rows of a list; how many there are is said in any case.
const LISTED: usize = 10_000;

/// One of the two bundles that are compared.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// What was judged.
    pub assessment: Arc<Assessment>,
    /// `data/run.json`.
    pub run: Value,
    /// `data/plan.json`.
    pub plan: Value,
    /// SHA-256 of `data/catalogue.json`.
    pub catalogue: String,
}

/// The bundle before.
#[derive(Debug, Clone)]
pub enum Before {
    /// There is none, or it cannot be compared, for this reason.
    None(String),
    /// There is one.
    Bundle {
        /// Its id.
        id: String,
        /// SHA-256 of its zip.
        sha256: String,
        /// What it holds.
        side: Box<Side>,
    },
}

/// A verdict that is another one now.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Turned<'a> {
    check: &'a str,
    account: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    from: &'static str,
    to: &'static str,
    causes: Vec<&'static str>,
}

type Key<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

fn key(assessed: &Assessed) -> Key<'_> {
    let row = &assessed.row;
    (&row.account, &row.region, &row.check, row.resource.as_deref())
}

/// The bytes of `data/changes.json`.
pub fn changes_file(before: &Before, now: &Side) -> Vec<u8> {
    const SCHEMA: &str = "evidenced/changes/v1";
    let (id, sha256, before) = match before {
        Before::None(reason) => {
            let head = json!({ "schema": SCHEMA, "previous": null, "reason": reason });
            return lines::<Turned<'_>>(&head, "turned", std::iter::empty());
        }
        Before::Bundle { id, sha256, side } => (id, sha256, side),
    };
    let scope = Scope::between(before, now);
    let old: BTreeMap<Key<'_>, &Assessed> = before.assessment.rows.iter().map(|it| (key(it), it)).collect();
    let new: BTreeMap<Key<'_>, &Assessed> = now.assessment.rows.iter().map(|it| (key(it), it)).collect();
    let turned: Vec<Turned<'_>> = new
        .iter()
        .filter_map(|(key, to)| {
            let from = old.get(key)?;
            (from.verdict() != to.verdict()).then(|| Turned {
                account: key.0,
                region: key.1,
                check: key.2,
                resource: key.3,
                from: from.verdict(),
                to: to.verdict(),
                causes: scope.causes(from, to),
            })
        })
        .collect();
    let mut steps: BTreeMap<String, u64> = BTreeMap::new();
    for it in &turned {
        *steps.entry(format!("{} -> {}", it.from, it.to)).or_insert(0) += 1;
    }
    let (appeared, vanished) = (resources(&new, &old), resources(&old, &new));
    let head = json!({
        "schema": SCHEMA,
        "previous": { "id": id, "sha256": sha256 },
        "estate": scope.estate(),
        "policy": scope.policy(),
        "scope": scope.scope(),
        "totals": { "turned": turned.len(), "steps": steps, "appeared": appeared.len(), "vanished": vanished.len() },
        "appeared": clipped(&appeared),
        "vanished": clipped(&vanished),
    });
    lines(&head, "turned", turned.iter().take(LISTED))
}

fn clipped(all: &[Value]) -> Value {
    Value::Array(all.iter().take(LISTED).cloned().collect())
}

/// Resources of `these` rows that none of `those` is about, with their verdicts.
fn resources(these: &BTreeMap<Key<'_>, &Assessed>, those: &BTreeMap<Key<'_>, &Assessed>) -> Vec<Value> {
    type Resource<'a> = (&'a str, &'a str, &'a str);
    fn resource<'a>(key: &Key<'a>) -> Resource<'a> {
        (key.0, key.1, key.3.unwrap_or_default())
    }
    let named = |key: &Key<'_>| key.3.is_some();
    let known: BTreeSet<Resource<'_>> = those.keys().filter(|key| named(key)).map(resource).collect();
    let mut found: BTreeMap<Resource<'_>, BTreeMap<&'static str, Vec<&str>>> = BTreeMap::new();
    for (key, assessed) in these.iter().filter(|(key, _)| named(key) && !known.contains(&resource(key))) {
        found.entry(resource(key)).or_default().entry(assessed.verdict()).or_default().push(key.2);
    }
    found
        .into_iter()
        .map(|((account, region, resource), verdicts)| {
            let counts: BTreeMap<&str, usize> =
                verdicts.iter().map(|(verdict, checks)| (*verdict, checks.len())).collect();
            let fails = verdicts.get("fail").cloned().unwrap_or_default();
            json!({ "account": account, "region": region, "resource": resource, "verdicts": counts,
                "fails": fails })
        })
        .collect()
}

/// What differs between the two beside their verdicts.
struct Scope<'a> {
    before: &'a Side,
    now: &'a Side,
    /// Documents whose content is another one, or that only one of the two has.
    documents: BTreeMap<&'a str, &'static str>,
    policies: (String, String),
}

impl<'a> Scope<'a> {
    fn between(before: &'a Side, now: &'a Side) -> Self {
        let (old, new) = (&before.assessment.contents, &now.assessment.contents);
        let mut documents = BTreeMap::new();
        for (path, digest) in new {
            match old.get(path) {
                None => documents.insert(path.as_str(), "added"),
                Some(other) if other != digest => documents.insert(path.as_str(), "changed"),
                Some(_) => None,
            };
        }
        documents.extend(
            old.keys().filter(|path| !new.contains_key(*path)).map(|path| (path.as_str(), "removed")),
        );
        let policies = (collector(before, "policiesDigest"), collector(now, "policiesDigest"));
        Self { before, now, documents, policies }
    }

    /// Why a row's verdict turned. When nothing that we compare differs, the day does: certificates, exceptions.
    fn causes(&self, from: &Assessed, to: &Assessed) -> Vec<&'static str> {
        if from.row.verdict == to.row.verdict {
            return vec!["exception"];
        }
        let row = &to.row;
        let record = self.now.assessment.checks.get(&row.check);
        let known = self.before.assessment.checks.get(&row.check);
        let regions = [row.region.as_str(), GLOBAL];
        let estate = record.into_iter().flat_map(|check| &check.inputs).any(|input| {
            if row.region == GLOBAL {
                // A check of the account may read every region.
                let ending = format!("/{}.json", input.item);
                let account = format!("data/evidence/{}/", row.account);
                return self
                    .documents
                    .keys()
                    .any(|path| path.starts_with(&account) && path.ends_with(&ending));
            }
            regions.iter().any(|region| {
                let path = format!("data/evidence/{}/{region}/{}.json", row.account, input.item);
                self.documents.contains_key(path.as_str())
            })
        });
        let parameters = record.map(|it| &it.parameters) != known.map(|it| &it.parameters);
        let text = record.map(|it| &it.sha256) != known.map(|it| &it.sha256);
        // The library and the lists are part of the digest of the policies, and of no single check.
        let shared = self.policies.0 != self.policies.1 && !text && !estate && !parameters;
        let mut causes = Vec::new();
        for (holds, word) in [(estate, "estate"), (text || shared, "policy"), (parameters, "parameters")] {
            if holds {
                causes.push(word);
            }
        }
        if causes.is_empty() {
            causes.push("time");
        }
        causes
    }

    fn estate(&self) -> Value {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for what in self.documents.values() {
            *counts.entry(what).or_insert(0) += 1;
        }
        json!({ "changed": !self.documents.is_empty(), "documents": counts })
    }

    fn policy(&self) -> Value {
        let (old, new) = (&self.before.assessment, &self.now.assessment);
        let ids: BTreeSet<&String> = old.checks.keys().chain(new.checks.keys()).collect();
        let differs = |what: fn(&crate::assessment::CheckRecord) -> Value| -> Vec<&String> {
            let value = |side: &Assessment, id: &String| side.checks.get(id).map(what);
            ids.iter().copied().filter(|id| value(old, id) != value(new, id)).collect()
        };
        let texts = differs(|check| json!(check.sha256));
        let parameters = differs(|check| Value::Object(check.parameters.clone()));
        json!({
            "changed": self.policies.0 != self.policies.1 || !parameters.is_empty() || old.profile != new.profile,
            "policiesDigest": pair(&self.policies.0, &self.policies.1),
            "profile": pair(&old.profile, &new.profile),
            "checks": texts,
            "parameters": parameters,
        })
    }

    fn scope(&self) -> Value {
        let config = (collector(self.before, "configDigest"), collector(self.now, "configDigest"));
        let (old, new) = (planned(&self.before.plan), planned(&self.now.plan));
        let catalogue = (&self.before.catalogue, &self.now.catalogue);
        let versions = (version(self.before), version(self.now));
        json!({
            "changed": old != new || catalogue.0 != catalogue.1,
            "configDigest": pair(&config.0, &config.1),
            "catalogue": pair(catalogue.0, catalogue.1),
            "version": pair(&versions.0, &versions.1),
            "added": new.difference(&old).collect::<Vec<_>>(),
            "removed": old.difference(&new).collect::<Vec<_>>(),
        })
    }
}

fn collector(side: &Side, name: &str) -> String {
    let digest = side.run.pointer(&format!("/collector/{name}/sha256")).and_then(Value::as_str);
    digest.unwrap_or_default().to_owned()
}

fn version(side: &Side) -> String {
    side.run.pointer("/collector/version").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Both values where they differ; else the one.
fn pair(from: &str, to: &str) -> Value {
    if from == to { json!(to) } else { json!({ "from": from, "to": to }) }
}

/// Accounts and regions that were planned: `111122223333 eu-west-1`.
fn planned(plan: &Value) -> BTreeSet<String> {
    let mut planned = BTreeSet::new();
    for (account, regions) in crate::judging::places(plan, &[]) {
        planned.extend(regions.keys().map(|region| format!("{account} {region}")));
    }
    planned
}

#[cfg(test)]
mod tests;
