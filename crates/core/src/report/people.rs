//! What people decided: exceptions, accepted gaps, and the organisation's own controls.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::look::{list, owned, text};
use super::read::texts;
use super::verdicts::Counts;
use crate::assessment::Assessment;
use crate::exceptions::Flag;
use crate::facts::Facts;

/// An exception, as its table shows it.
#[derive(Debug, Serialize)]
pub(super) struct ExceptionRow {
    id: String,
    check: String,
    title: String,
    resource: String,
    reason: String,
    owner: String,
    approver: String,
    approved_at: String,
    since: String,
    expires: String,
    ticket: String,
    state: &'static str,
    matched: u64,
    failing: u64,
    flags: Vec<&'static str>,
}

/// An acceptance of the configuration, with the gaps that it covers in this run.
#[derive(Debug, Serialize)]
pub(super) struct AcceptedRow {
    account: String,
    region: String,
    item: String,
    reason: String,
    approver: String,
    expires: String,
}

/// A control of the organisation or its auditor.
#[derive(Debug, Serialize)]
pub(super) struct ControlRow {
    id: String,
    title: String,
    criteria: String,
    owner: String,
    checks: Vec<ControlCheck>,
    items: Vec<String>,
    counts: Counts,
    worst: &'static str,
}

#[derive(Debug, Serialize)]
struct ControlCheck {
    id: String,
    /// None: there is no such check in this run.
    worst: Option<&'static str>,
}

/// What a flag says.
fn flag(flag: Flag) -> &'static str {
    match flag {
        Flag::Wildcard => "its resource is a pattern",
        Flag::NoExpiry => "it never ends",
        Flag::OwnerIsApprover => "owner and approver are the same",
        Flag::Claimed => "approval is claimed: dated before the first bundle that has it",
        Flag::Orphaned => "it matches no resource",
        Flag::Unused => "what it matches does not fail",
    }
}

pub(super) fn exceptions(assessment: &Assessment) -> Vec<ExceptionRow> {
    let row = |state: &crate::exceptions::ExceptionState| {
        let exception = &state.exception;
        ExceptionRow {
            id: exception.id.clone(),
            check: exception.check.clone(),
            title: assessment.checks.get(&exception.check).map(|it| it.title.clone()).unwrap_or_default(),
            resource: exception.resource.clone(),
            reason: exception.reason.clone(),
            owner: exception.owner.clone(),
            approver: exception.approver.clone(),
            approved_at: exception.approved_at.clone(),
            since: state.since.clone(),
            expires: exception.expires.clone().unwrap_or_default(),
            ticket: exception.ticket.clone().unwrap_or_default(),
            state: state.state.word(),
            matched: state.matched,
            failing: state.failing,
            flags: state.flags.iter().map(|it| flag(*it)).collect(),
        }
    };
    assessment.exceptions.iter().map(row).collect()
}

pub(super) fn accepted(facts: &Facts) -> Vec<AcceptedRow> {
    let any = |value: &Value, name: &str| text(value, name).unwrap_or("any").to_owned();
    list(&facts.config, "accepted_gaps")
        .map(|gap| AcceptedRow {
            account: any(gap, "account"),
            region: any(gap, "region"),
            item: any(gap, "item"),
            reason: owned(gap, "reason"),
            approver: owned(gap, "approver"),
            expires: owned(gap, "expires"),
        })
        .collect()
}

pub(super) fn controls(facts: &Facts, assessment: &Assessment) -> Vec<ControlRow> {
    let mut by_check: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in &assessment.rows {
        by_check.entry(&row.row.check).or_default().add(row.verdict());
    }
    let row = |control: &Value| {
        let mut counts = Counts::default();
        let mut checks = Vec::new();
        for id in texts(control, "checks") {
            let own = by_check.get(id).copied().unwrap_or_default();
            counts = counts.with(own);
            let worst = assessment.checks.contains_key(id).then(|| own.worst());
            checks.push(ControlCheck { id: id.to_owned(), worst });
        }
        ControlRow {
            id: owned(control, "id"),
            title: owned(control, "title"),
            criteria: texts(control, "criteria").join(", "),
            owner: owned(control, "owner"),
            items: texts(control, "items").into_iter().map(str::to_owned).collect(),
            worst: if checks.is_empty() { "not-applicable" } else { counts.worst() },
            checks,
            counts,
        }
    };
    list(&facts.config, "controls").map(row).collect()
}
