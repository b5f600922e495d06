//! What a check needs of the evidence, and what of that is not there.
//!
//! Whatever is missing is named with its call and its reason, and with the texts by which a resource is recognised as
//! concerned: the parameters of the call that failed, or the entry that lacks a field. When no resource is, all are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::evidence::{Document, Evidence, Held, Offered, key};
use super::metadata::{Check, CheckScope, Need};
use super::row::Pointer;
use crate::item::GLOBAL;
use crate::snapshot::Status;

/// Something that is missing.
#[derive(Debug)]
pub(super) struct Lack {
    pub(super) reason: String,
    /// Where the evidence says so.
    pub(super) pointer: Option<Pointer>,
    /// Texts that name the resource.
    pub(super) marks: BTreeSet<String>,
}

/// The inputs of a check in one place.
#[derive(Debug, Default)]
pub(super) struct Supply<'a> {
    /// By the name that the policy knows them by.
    pub(super) documents: BTreeMap<String, &'a Document>,
    pub(super) lacks: Vec<Lack>,
    /// The population's item has no document and needs none, for this reason.
    pub(super) not_applicable: Option<String>,
}

/// Gathers what `check` reads in `region`.
pub(super) fn supply<'a>(
    check: &Check,
    region: &str,
    evidence: &'a Evidence,
    offered: &Offered,
) -> Supply<'a> {
    let mut supply = Supply::default();
    for (number, input) in check.inputs.iter().enumerate() {
        for name in names(check, &input.item, region, evidence, offered) {
            match evidence.held(&name) {
                None => supply.lacks.push(Lack::of(format!("{name}: not collected"))),
                Some(Held::Gap(status, reason)) => {
                    let absent = matches!(status, Status::RegionDisabled | Status::NotOffered);
                    if absent && number == 0 {
                        supply.not_applicable = Some(format!("{name}: {}: {reason}", status.word()));
                    }
                    supply.lacks.push(Lack::of(format!("{name}: {}: {reason}", status.word())));
                }
                Some(Held::Document(document)) => {
                    for (operation, need) in &input.calls {
                        lacks(document, &name, operation, need, &mut supply.lacks);
                    }
                    supply.documents.insert(name, document);
                }
            }
        }
    }
    supply
}

/// The names of an item's documents: the place's own; else the account's; all regions for a check of the account.
fn names(check: &Check, item: &str, region: &str, evidence: &Evidence, offered: &Offered) -> Vec<String> {
    let regional = offered.is_regional(item);
    if check.scope == CheckScope::Account && regional && !offered.is_global(item) {
        return evidence.regions().into_iter().map(|region| key(region, item)).collect();
    }
    let here = if regional && region != GLOBAL { region } else { GLOBAL };
    vec![key(here, item)]
}

impl Lack {
    fn of(reason: String) -> Self {
        Self { reason, pointer: None, marks: BTreeSet::new() }
    }
}

/// What one operation lacks.
fn lacks(document: &Document, name: &str, operation: &str, need: &Need, lacks: &mut Vec<Lack>) {
    let calls = document.value.get("calls").and_then(Value::as_array);
    let mut asked = false;
    let mut failed = None;
    for (index, call) in calls.into_iter().flatten().enumerate() {
        let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let error = call.get("error").map(|_| (text("/service"), text("/operation"), text("/error/code")));
        if text("/operation") != operation {
            failed = failed.or(error);
            continue;
        }
        asked = true;
        let Need::Fields(fields) = need else { continue };
        let at = |rest: &str| {
            Some(Pointer { document: document.path.clone(), pointer: format!("/calls/{index}{rest}") })
        };
        let parameters = call.get("parameters").unwrap_or(&Value::Null);
        if let Some((service, operation, code)) = error {
            let mut marks = BTreeSet::new();
            texts(parameters, 3, &mut marks);
            let reason = format!("{name}: {service} {operation} failed: {code}");
            lacks.push(Lack { reason, pointer: at("/error"), marks });
        } else if let Some(output) = call.get("output") {
            for field in fields {
                let path: Vec<&str> = field.split('.').collect();
                let mut seen = Vec::new();
                absent(output, &path, &mut Vec::new(), None, &mut seen);
                for (pointer, entry) in seen {
                    let mut marks = BTreeSet::new();
                    texts(entry.unwrap_or(parameters), 2, &mut marks);
                    let reason = format!("{name}: {operation}: an entry has no {field}");
                    lacks.push(Lack { reason, pointer: at(&format!("/output{pointer}")), marks });
                }
            }
        } else if call.get("fact").is_none() && call.get("vanished").is_none() {
            let reason = format!("{name}: {operation} has neither an output nor an error");
            lacks.push(Lack { reason, pointer: at(""), marks: BTreeSet::new() });
        }
    }
    // A later call is not made when the one that it depends on failed: that silence says nothing.
    // Where the policy resolves failures itself, it knows which resources have no answer.
    if let (false, Need::Fields(_), Some((service, cause, code))) = (asked, need, failed) {
        let reason = format!("{name}: {operation} was not asked: {service} {cause} failed: {code}");
        lacks.push(Lack { reason, pointer: None, marks: BTreeSet::new() });
    }
}

/// Where a member is missing: its place, and the entry of the outermost list that it is in.
fn absent<'v>(
    value: &'v Value,
    path: &[&'v str],
    at: &mut Vec<Token<'v>>,
    entry: Option<&'v Value>,
    seen: &mut Vec<(String, Option<&'v Value>)>,
) {
    match (value, path) {
        (_, []) => {}
        (Value::Array(entries), _) => {
            for (index, inner) in entries.iter().enumerate() {
                at.push(Token::Index(index));
                absent(inner, path, at, entry.or(Some(inner)), seen);
                at.pop();
            }
        }
        (_, [name, rest @ ..]) => match value.get(name) {
            Some(inner) if !inner.is_null() => {
                at.push(Token::Name(name));
                absent(inner, rest, at, entry, seen);
                at.pop();
            }
            _ => seen.push((pointer(at), entry)),
        },
    }
}

/// A step of a pointer that is only written out when something is missing there.
enum Token<'v> {
    Name(&'v str),
    Index(usize),
}

fn pointer(at: &[Token<'_>]) -> String {
    let mut text = String::new();
    for token in at {
        text.push('/');
        match token {
            Token::Name(name) => text.push_str(name),
            Token::Index(index) => text.push_str(&index.to_string()),
        }
    }
    text
}

/// Texts inside a value, so many levels deep.
fn texts(value: &Value, depth: usize, found: &mut BTreeSet<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Array(entries) => entries.iter().for_each(|entry| texts(entry, depth, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, depth, found)),
        _ => {}
    }
}
