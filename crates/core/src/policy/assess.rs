//! From the evidence of a place to its rows.
//!
//! 1. A check whose item or call is not collected by this version is one `unknown` row per account.
//! 2. The inputs are gathered; what is missing is noted.
//! 3. The policy runs over what is there.
//! 4. Every subject has exactly one row: `unknown` when something that it needs is missing, else the worst of its
//!    findings, else `pass`.
//! 5. No subjects is a row that says so and names the call; `unknown` when something is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::demand::{Lack, Supply, supply};
use super::engine::Members;
use super::evidence::{Evidence, Offered};
use super::metadata::{Check, CheckScope};
use super::place::Common;
use super::row::{Pointer, Row, Verdict};
use super::{Policies, Policy};
use crate::item::GLOBAL;

/// Findings on one resource that a row shows; the rest is counted.
const SHOWN: usize = 5;
/// Pointers of a row.
const POINTERS: usize = 20;
/// Rows that one check may give in one place: a policy that invents resources does not fill the disk.
const ROWS: usize = 1_000_000;

impl Policies {
    /// The rows of every check in one region, or in `global`, sorted by check and resource. `now` is the start of the
    /// run, `2026-11-22T02:00:00Z`.
    pub fn assess(&self, now: &str, evidence: &Evidence, region: &str, offered: &Offered) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut commons = BTreeMap::new();
        for policy in self.checks.values() {
            if policy.runs_in(region, offered) {
                rows.extend(self.check(policy, now, evidence, region, offered, &mut commons));
            } else if region == GLOBAL
                && let Some(what) = policy.not_offered(offered)
            {
                let reason = format!("{what}: not collected by this version");
                rows.push(place_row(&policy.check, evidence, region, Verdict::Unknown, reason));
            }
        }
        rows
    }

    /// The exact input that a policy is given: for `--print-input`, and for another engine.
    pub fn input(
        &self,
        id: &str,
        now: &str,
        evidence: &Evidence,
        region: &str,
        offered: &Offered,
    ) -> Option<Value> {
        let policy = self.checks.get(id)?;
        let supply = supply(&policy.check, region, evidence, offered);
        let (frame, _) = self.frame(policy, now, evidence, region, &Common::of(&supply));
        let Value::Object(mut input) = super::engine::json(&frame.into()).ok()? else { return None };
        let documents = supply.documents.iter().map(|(name, it)| (name.clone(), it.value.clone()));
        input.insert("documents".to_owned(), Value::Object(documents.collect()));
        Some(Value::Object(input))
    }

    /// The input without the documents, and whether it has the CIDRs of the documents alone.
    fn frame(
        &self,
        policy: &Policy,
        now: &str,
        evidence: &Evidence,
        region: &str,
        common: &Common,
    ) -> (Members, bool) {
        let mut own = Members::new();
        super::addresses::collect(&Value::Object(policy.parameters.clone()), &mut own);
        let (cidrs, alone) = common.with(own);
        let frame = BTreeMap::from([
            ("account".into(), evidence.account().into()),
            ("region".into(), region.into()),
            ("now".into(), now.into()),
            ("profile".into(), self.profile.as_str().into()),
            ("parameters".into(), Value::Object(policy.parameters.clone()).into()),
            ("cidrs".into(), cidrs),
            ("prefix_lists".into(), common.prefix_lists.clone()),
        ]);
        (frame, alone)
    }

    fn check(
        &self,
        policy: &Policy,
        now: &str,
        evidence: &Evidence,
        region: &str,
        offered: &Offered,
        commons: &mut BTreeMap<Vec<String>, Common>,
    ) -> Vec<Row> {
        let check = &policy.check;
        let supply = supply(check, region, evidence, offered);
        if let Some(reason) = &supply.not_applicable {
            return vec![place_row(check, evidence, region, Verdict::NotApplicable, reason.clone())];
        }
        let names: Vec<String> = supply.documents.keys().cloned().collect();
        let common = commons.entry(names).or_insert_with(|| Common::of(&supply));
        let (mut input, alone) = self.frame(policy, now, evidence, region, common);
        input.insert("documents".into(), common.documents.clone());
        let placed = self.placed.as_ref().filter(|_| alone && policy.program.asks_of_the_place());
        let place = placed.and_then(|placed| common.place(placed, self.limit));
        let answered = policy.program.run(self.engine, &self.lists, input, place, self.limit);

        let mut judge = Judge { check, evidence, region, supply: &supply, rows: Vec::new() };
        let subjects = match answered.subjects.and_then(|value| subjects(&value)) {
            Ok(subjects) => subjects,
            Err(error) => {
                judge.whole(Verdict::Unknown, format!("subjects: {error}"));
                return judge.rows;
            }
        };
        match answered.findings.and_then(|value| findings(&value)) {
            Ok(findings) => judge.all(&subjects, findings),
            Err(error) => {
                for subject in &subjects {
                    judge.row(subject, Verdict::Unknown, format!("findings: {error}"));
                }
                if subjects.is_empty() {
                    judge.whole(Verdict::Unknown, format!("findings: {error}"));
                }
            }
        }
        judge.rows
    }
}

impl Policy {
    fn runs_in(&self, region: &str, offered: &Offered) -> bool {
        if self.not_offered(offered).is_some() {
            return false;
        }
        match self.check.scope {
            CheckScope::Account => region == GLOBAL,
            CheckScope::Region if region == GLOBAL => {
                self.check.inputs.iter().all(|input| offered.is_global(&input.item))
            }
            CheckScope::Region => true,
        }
    }

    /// The first item or call that is not collected at all.
    fn not_offered(&self, offered: &Offered) -> Option<String> {
        self.check.inputs.iter().find_map(|input| {
            if !offered.has(&input.item) {
                return Some(input.item.clone());
            }
            let missing = input.calls.iter().find(|(call, _)| !offered.has_call(&input.item, call));
            missing.map(|(call, _)| format!("{} {call}", input.item))
        })
    }
}

fn place_row(check: &Check, evidence: &Evidence, region: &str, verdict: Verdict, reason: String) -> Row {
    Row {
        check: check.id.clone(),
        account: evidence.account().to_owned(),
        region: region.to_owned(),
        resource: None,
        verdict,
        reason,
        observed: None,
        expected: None,
        evidence: Vec::new(),
    }
}

/// The set of resource ids.
fn subjects(value: &regorus::Value) -> Result<BTreeSet<String>, String> {
    match value {
        regorus::Value::Set(entries) => ids(entries.len(), entries.iter()),
        regorus::Value::Array(entries) => ids(entries.len(), entries.iter()),
        _ => Err("is not a set".to_owned()),
    }
}

fn ids<'v>(
    count: usize,
    entries: impl Iterator<Item = &'v regorus::Value>,
) -> Result<BTreeSet<String>, String> {
    if count > ROWS {
        return Err(format!("{count} resources, more than {ROWS}"));
    }
    let text = |entry: &regorus::Value| match entry {
        regorus::Value::String(text) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    };
    entries.map(text).collect::<Option<_>>().ok_or_else(|| "an entry is not the id of a resource".to_owned())
}

/// One thing that a policy found.
#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    reason: String,
    observed: Option<Value>,
    expected: Option<Value>,
    pointers: Vec<(String, String)>,
}

/// Findings by resource, in a fixed order.
fn findings(value: &regorus::Value) -> Result<BTreeMap<String, Vec<Finding>>, String> {
    let Value::Array(entries) = super::engine::json(value)? else { return Err("is not a set".to_owned()) };
    let mut found: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for entry in entries {
        let (subject, finding) = finding(entry)?;
        found.entry(subject).or_default().push(finding);
    }
    for findings in found.values_mut() {
        findings.sort_by(|a, b| (b.verdict, &a.reason).cmp(&(a.verdict, &b.reason)));
    }
    Ok(found)
}

fn finding(entry: Value) -> Result<(String, Finding), String> {
    let Value::Object(mut entry) = entry else { return Err("an entry is not an object".to_owned()) };
    let mut text = |key: &str| match entry.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => Err(format!("{key} {other} is not text")),
        None => Err(format!("an entry has no {key}")),
    };
    let (subject, status, reason) = (text("subject")?, text("status")?, text("reason")?);
    let verdict = Verdict::of(&status).ok_or_else(|| format!("status {status:?} is no verdict"))?;
    let pointers = entry.remove("pointers").unwrap_or_else(|| json!([]));
    let pointers = pointers.as_array().and_then(|list| list.iter().map(split).collect::<Option<Vec<_>>>());
    let pointers = pointers.ok_or("pointers: expected texts such as \"eu-west-1/vpc.vpcs#/calls/0\"")?;
    // What is null is not there: findings that are read back say the same as those that were made.
    let mut said = |name: &str| entry.remove(name).filter(|value| !value.is_null());
    let (observed, expected) = (said("observed"), said("expected"));
    if let Some(key) = entry.keys().next() {
        return Err(format!("unknown key {key:?} in an entry"));
    }
    Ok((subject, Finding { verdict, reason, observed, expected, pointers }))
}

fn split(pointer: &Value) -> Option<(String, String)> {
    let (name, pointer) = pointer.as_str()?.split_once('#')?;
    Some((name.to_owned(), pointer.to_owned()))
}

/// The texts by which a resource is named: its id, and the long parts of its ARN.
fn parts(subject: &str) -> impl Iterator<Item = &str> {
    std::iter::once(subject).chain(subject.split(['/', ':']).filter(|part| part.len() >= 16))
}

/// Which lacks each text is a mark of.
fn marks(lacks: &[Lack]) -> BTreeMap<&str, Vec<usize>> {
    let mut marks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, lack) in lacks.iter().enumerate() {
        for mark in &lack.marks {
            marks.entry(mark).or_default().push(number);
        }
    }
    marks
}

/// Makes the rows of one check in one place.
struct Judge<'a> {
    check: &'a Check,
    evidence: &'a Evidence,
    region: &'a str,
    supply: &'a Supply<'a>,
    rows: Vec<Row>,
}

impl Judge<'_> {
    fn whole(&mut self, verdict: Verdict, reason: String) {
        self.rows.push(place_row(self.check, self.evidence, self.region, verdict, reason));
    }

    fn row(&mut self, subject: &str, verdict: Verdict, reason: String) {
        self.whole(verdict, reason);
        if let Some(row) = self.rows.last_mut() {
            row.resource = Some(subject.to_owned());
        }
    }

    fn all(&mut self, subjects: &BTreeSet<String>, mut findings: BTreeMap<String, Vec<Finding>>) {
        // Each lack is about the resources that it names; about all of them when it names none.
        let mut named: BTreeSet<usize> = BTreeSet::new();
        let mut own_lacks: BTreeMap<&str, &Lack> = BTreeMap::new();
        let marks = marks(&self.supply.lacks);
        for subject in subjects {
            for number in parts(subject).filter_map(|part| marks.get(part)).flatten() {
                named.insert(*number);
                if let Some(lack) = self.supply.lacks.get(*number) {
                    own_lacks.entry(subject).or_insert(lack);
                }
            }
        }
        let lacks = self.supply.lacks.iter().enumerate();
        let general = lacks.filter(|(number, _)| !named.contains(number)).map(|(_, lack)| lack).next();
        let entries = entries(self.check, self.supply, subjects);
        for subject in subjects {
            let own = findings.remove(subject).unwrap_or_default();
            if let Some(lack) = general.or_else(|| own_lacks.get(subject.as_str()).copied()) {
                self.row(subject, Verdict::Unknown, lack.reason.clone());
                let pointer = lack.pointer.clone();
                if let Some(row) = self.rows.last_mut() {
                    row.evidence.extend(pointer);
                }
                continue;
            }
            self.judged(subject, own, entries.get(subject.as_str()));
        }
        for subject in findings.into_keys() {
            let reason = "the policy found something on a resource that is not among its subjects";
            self.row(&subject, Verdict::Unknown, reason.to_owned());
        }
        if !subjects.is_empty() {
            return;
        }
        if let Some(lack) = general {
            self.whole(Verdict::Unknown, lack.reason.clone());
        } else {
            let reason = format!("population 0: {}", self.population());
            self.whole(Verdict::NotApplicable, reason);
        }
    }

    /// Names the call that proved that there is nothing.
    fn population(&self) -> String {
        let first = self.check.inputs.first();
        let call = first.and_then(|input| input.calls.first()).map_or("", |(call, _)| call.as_str());
        format!("{call} ({}) names no such resource", first.map_or("", |input| input.item.as_str()))
    }

    fn judged(&mut self, subject: &str, mut own: Vec<Finding>, entry: Option<&Pointer>) {
        let verdict = own.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Pass);
        own.retain(|finding| finding.verdict == verdict);
        let mut reasons: Vec<&str> = own.iter().map(|finding| finding.reason.as_str()).collect();
        reasons.dedup();
        let more = reasons.len().saturating_sub(SHOWN);
        reasons.truncate(SHOWN);
        let and_more = format!("and {more} more");
        if more > 0 {
            reasons.push(&and_more);
        }
        let mut reason = reasons.join("; ");
        if reason.is_empty() {
            reason.clone_from(&self.check.title);
        }
        let mut observed: Vec<Value> = own.iter().filter_map(|finding| finding.observed.clone()).collect();
        observed.dedup();
        observed.truncate(SHOWN);
        let expected = own.iter().find_map(|finding| finding.expected.clone());
        let mut evidence: Vec<Pointer> = entry.cloned().into_iter().collect();
        for (name, pointer) in own.into_iter().flat_map(|finding| finding.pointers) {
            if let Some(document) = self.supply.documents.get(&name) {
                let pointer = Pointer { document: document.path.clone(), pointer };
                if !evidence.contains(&pointer) && evidence.len() < POINTERS {
                    evidence.push(pointer);
                }
            }
        }
        // A place inside an entry says which entry it is.
        let inside = |outer: &Pointer, inner: &Pointer| {
            let rest = inner.pointer.strip_prefix(&outer.pointer);
            outer.document == inner.document && rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let outer: Vec<bool> =
            evidence.iter().map(|it| evidence.iter().any(|other| inside(it, other))).collect();
        let mut outer = outer.into_iter();
        evidence.retain(|_| outer.next() != Some(true));
        self.row(subject, verdict, reason);
        if let Some(row) = self.rows.last_mut() {
            row.observed = match observed.len() {
                0 | 1 => observed.pop(),
                _ => Some(Value::Array(observed)),
            };
            row.expected = expected;
            row.evidence = evidence;
        }
    }
}

/// Where each resource is listed: the entry of the first input's first call that holds its id.
fn entries<'s>(
    check: &Check,
    supply: &'s Supply<'_>,
    subjects: &BTreeSet<String>,
) -> BTreeMap<&'s str, Pointer> {
    let mut found = BTreeMap::new();
    let Some((operation, item)) =
        check.inputs.first().and_then(|input| Some((&input.calls.first()?.0, &input.item)))
    else {
        return found;
    };
    for (name, document) in &supply.documents {
        if name.split_once('/').is_none_or(|(_, it)| it != item) {
            continue;
        }
        let calls = document.value.get("calls").and_then(Value::as_array);
        for (number, call) in calls.into_iter().flatten().enumerate() {
            if call.get("operation").and_then(Value::as_str) != Some(operation) {
                continue;
            }
            let Some(output) = call.get("output").and_then(Value::as_object) else { continue };
            for (member, list) in output {
                for (index, entry) in list.as_array().into_iter().flatten().enumerate() {
                    let texts = entry.as_object().into_iter().flatten().filter_map(|(_, it)| it.as_str());
                    for text in texts.filter(|text| subjects.contains(*text)) {
                        found.entry(text).or_insert_with(|| Pointer {
                            document: document.path.clone(),
                            pointer: format!("/calls/{number}/output/{member}/{index}"),
                        });
                    }
                }
            }
        }
    }
    found
}
