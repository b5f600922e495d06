//! Everything that was judged in one run, and the files of the bag that say it.
//!
//! `data/checks.json` is the table of checks with the parameters in force, `data/findings/<account>/<region>.json` the
//! rows of one place, `data/exceptions.json` what became of each exception. What a run has just made and what is read
//! back from a bundle are the same value. Pure: the same rows give the same bytes. Refused: a file that is not one of
//! ours, a row of a check that is not in the table.

mod file;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::exceptions::ExceptionState;
use crate::policy::{Need, Policies, Policy, Row, Verdict};

pub(crate) use file::{below, common, lines, short};
pub use file::{checks_file, exceptions_file, findings_file, findings_path};
pub use read::ReadError;
pub(crate) use read::json;

/// The table of checks.
pub const CHECKS: &str = "data/checks.json";
/// What became of the exceptions.
pub const EXCEPTIONS: &str = "data/exceptions.json";
/// The folder of findings.
pub const FINDINGS: &str = "data/findings/";
/// The folder of policies.
pub const POLICIES: &str = "data/policies/";

/// Everything that was judged in one run; also readable back from the files of a bundle.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assessment {
    /// `guide` or `aws`.
    pub profile: String,
    /// The start of the run, as policies were told it: `2026-11-22T02:00:00Z`.
    pub now: String,
    /// The table of checks, by id.
    pub checks: BTreeMap<String, CheckRecord>,
    /// Sorted by account, region, check and resource.
    pub rows: Vec<Assessed>,
    /// SHA-256 of every document that a row points into, by path in the bundle.
    pub documents: BTreeMap<String, String>,
    /// The digest of what each document of AWS says, without times and request ids, by path: what tells a changed
    /// estate from a changed policy.
    pub contents: BTreeMap<String, String>,
    /// Each configured exception, and what became of it.
    pub exceptions: Vec<ExceptionState>,
}

/// One check of the table: what rows refer to by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Its id.
    pub id: String,
    /// Raised whenever the logic changes.
    pub version: u64,
    /// The claim: what a pass says.
    pub title: String,
    /// What is looked at, and what counts.
    pub description: String,
    /// `region` or `account`.
    pub scope: String,
    /// `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// Ids of the Trust Services Criteria.
    pub criteria: Vec<String>,
    /// The evidence that it reads; the population comes from the first call of the first one.
    pub inputs: Vec<InputRecord>,
    /// The parameters in force.
    pub parameters: Map<String, Value>,
    /// What to do about a failure.
    pub remediation: String,
    /// Addresses.
    pub references: Vec<String>,
    /// Ids in other systems, by system.
    pub also: BTreeMap<String, Vec<String>>,
    /// SHA-256 of `data/policies/<id>.rego`.
    pub sha256: String,
}

/// One evidence item that a check reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Id of the item.
    pub item: String,
    /// Its operations, in the order of the policy.
    pub calls: Vec<String>,
}

impl CheckRecord {
    /// The record of a policy under its parameters in force.
    pub fn of(policy: &Policy) -> Self {
        let check = &policy.check;
        let calls = |calls: &[(String, Need)]| calls.iter().map(|(call, _)| call.clone()).collect();
        Self {
            id: check.id.clone(),
            version: check.version,
            title: check.title.clone(),
            description: check.description.clone(),
            scope: check.scope.word().to_owned(),
            severity: check.severity.word().to_owned(),
            criteria: check.criteria.clone(),
            inputs: check
                .inputs
                .iter()
                .map(|input| InputRecord { item: input.item.clone(), calls: calls(&input.calls) })
                .collect(),
            parameters: policy.parameters.clone(),
            remediation: check.remediation.clone(),
            references: check.references.clone(),
            also: check.also.clone(),
            sha256: policy.sha256.clone(),
        }
    }

    /// The records of policies.
    pub fn table(policies: &Policies) -> BTreeMap<String, Self> {
        policies.checks.iter().map(|(id, policy)| (id.clone(), Self::of(policy))).collect()
    }
}

/// A row, and the exception that covers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessed {
    /// The row with its raw verdict.
    pub row: Row,
    /// The id of the live exception that covers a failure.
    pub exception: Option<String>,
}

/// The word for a failure that a live exception covers.
pub const EXCEPTED: &str = "excepted";

impl Assessed {
    /// `pass`, `not-applicable`, `unknown`, `fail` or `excepted`.
    pub fn verdict(&self) -> &'static str {
        match (&self.exception, self.row.verdict) {
            (Some(_), Verdict::Fail) => EXCEPTED,
            (_, verdict) => verdict.word(),
        }
    }

    fn order(&self) -> (&str, &str, &str, Option<&str>) {
        let Row { account, region, check, resource, .. } = &self.row;
        (account, region, check, resource.as_deref())
    }
}

impl Assessment {
    /// Rows by verdict.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for assessed in &self.rows {
            *counts.entry(assessed.verdict()).or_insert(0) += 1;
        }
        counts
    }

    /// Puts the rows into their order.
    pub fn sort(&mut self) {
        self.rows.sort_by(|one, other| one.order().cmp(&other.order()));
    }
}

#[cfg(test)]
mod tests;
