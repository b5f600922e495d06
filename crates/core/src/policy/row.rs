//! A verdict on one resource, and the file that rows are written to.
//!
//! Rows refer to a check by its id; title, severity and criteria are said once, in the table of checks. The digest of
//! each document is said once per file. Same evidence and same parameters give the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::Evidence;

/// What is said of a resource. The order is that of precedence among a policy's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was found that should not be.
    Pass,
    /// The check does not bear on it, for the reason given.
    NotApplicable,
    /// It could not be judged: never a pass.
    Unknown,
    /// Something was found.
    Fail,
}

impl Verdict {
    /// The word of a finding's `status` and of rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotApplicable => "not-applicable",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }

    /// The verdict of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Pass, Self::NotApplicable, Self::Unknown, Self::Fail].into_iter().find(|it| it.word() == word)
    }
}

/// Where in the evidence something is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pointer {
    /// Path in the bundle.
    pub document: String,
    /// JSON Pointer in the document.
    pub pointer: String,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Id of the check.
    pub check: String,
    /// Account.
    #[serde(skip)]
    pub account: String,
    /// Region, or `global`.
    #[serde(skip)]
    pub region: String,
    /// Id or ARN of the resource; absent when the row is about the whole population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
    /// What was to be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What proves it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Pointer>,
}

/// `data/findings/<account>/<region>.json`: rows of one place, and the digests of the documents they point into.
pub fn findings(account: &str, region: &str, rows: &[Row], evidence: &Evidence) -> Value {
    let mut documents: BTreeMap<&str, &str> = BTreeMap::new();
    for pointer in rows.iter().flat_map(|row| &row.evidence) {
        if let Some(sha256) = evidence.sha256(&pointer.document) {
            documents.insert(&pointer.document, sha256);
        }
    }
    json!({ "schema": "evidenced/findings/v1", "account": account, "region": region,
        "documents": documents, "rows": rows })
}
