//! A verdict on one resource.
//!
//! Rows refer to a check by its id; title, severity and criteria are said once, in the table of checks. How rows are
//! written is in `assessment`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is said of a resource. The order is that of precedence among a policy's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pointer {
    /// Path in the bundle.
    pub document: String,
    /// JSON Pointer in the document.
    pub pointer: String,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
    /// What was to be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What proves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Pointer>,
}
