//! The catalogue: what an evidence item is, and every item there is.
//!
//! One declaration per item. The plan, the IAM policy, the documentation table, `evidenced items`, file names and
//! the calls that are made all come from it. A step asks what the answers of earlier steps make it ask; nothing
//! here does I/O. Refused: a step that guesses a parameter that no answer gave.

mod answers;
mod compute;
mod edge;
mod governance;
mod waf;

use serde_json::{Map, Value};

pub use governance::{NETWORK_RULES, STORE, about_store};

pub use answers::{Answer, Answers};

/// Where an item is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Once per account and region.
    Region,
    /// Once per account, under the region `global`.
    Account,
}

impl Scope {
    /// The word of `catalogue.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Account => "account",
        }
    }
}

/// The region name of cells that are collected once per account.
pub const GLOBAL: &str = "global";

/// One evidence item: one document per account and region, or per account.
#[derive(Debug)]
pub struct Item {
    /// `area.plural-noun`: names the file and the cell.
    pub id: &'static str,
    /// For people, one line.
    pub title: &'static str,
    /// Ids of the SOC 2 Trust Services Criteria that it bears on.
    pub criteria: &'static [&'static str],
    /// Per region or per account.
    pub scope: Scope,
    /// The calls, in the order in which they are made.
    pub steps: &'static [Step],
}

/// One call of an item: which operation, with what parameters, and what its errors mean.
#[derive(Debug)]
pub struct Step {
    /// Service as the AWS CLI's model is named: `ec2`, `elbv2`, ...
    pub service: &'static str,
    /// Operation as the API names it.
    pub operation: &'static str,
    /// IAM actions that the call needs, beyond none.
    pub iam: &'static [&'static str],
    /// Parameters of each request, derived from what was answered so far; the page size is added by the collector.
    pub requests: fn(&Answers<'_>) -> Vec<Ask>,
    /// Error codes that are an answer: "there is no policy".
    pub facts: &'static [&'static str],
    /// Error codes that say that the resource vanished between list and get.
    pub vanished: &'static [&'static str],
    /// Top-level members of the output whose entries are the resources of this item.
    pub counted: &'static [&'static str],
}

/// What one request of a step asks, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Region to ask when it is not the cell's own (a bucket's region, `us-east-1` for CloudFront).
    pub region: Option<String>,
    /// Parameters in the AWS CLI's spelling.
    pub parameters: Map<String, Value>,
}

impl Ask {
    /// One request in the cell's own region.
    pub fn here(parameters: Map<String, Value>) -> Self {
        Self { region: None, parameters }
    }
}

/// Every item of the catalogue, in the order of the documentation.
pub fn catalogue() -> Vec<&'static Item> {
    let mut items: Vec<&'static Item> = Vec::new();
    items.extend(compute::ITEMS);
    items.extend(waf::ITEMS);
    items.extend(edge::ITEMS);
    items.extend(governance::ITEMS);
    items
}

const fn step(service: &'static str, operation: &'static str, iam: &'static [&'static str]) -> Step {
    Step { service, operation, iam, requests: once, facts: &[], vanished: &[], counted: &[] }
}

impl Step {
    const fn counting(mut self, members: &'static [&'static str]) -> Self {
        self.counted = members;
        self
    }
    const fn asking(mut self, requests: fn(&Answers<'_>) -> Vec<Ask>) -> Self {
        self.requests = requests;
        self
    }
    const fn with_facts(mut self, codes: &'static [&'static str]) -> Self {
        self.facts = codes;
        self
    }
    const fn with_vanished(mut self, codes: &'static [&'static str]) -> Self {
        self.vanished = codes;
        self
    }
}

/// One request without parameters.
fn once(_: &Answers<'_>) -> Vec<Ask> {
    vec![Ask::here(Map::new())]
}

/// Parameters from pairs.
fn parameters<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One request per distinct value, under one parameter name, in the order of first appearance.
fn each(name: &str, values: Vec<String>) -> Vec<Ask> {
    values.into_iter().map(|value| Ask::here(parameters([(name, Value::String(value))]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_item_is_declared_once_per_scope() {
        let mut seen = BTreeSet::new();
        for item in catalogue() {
            assert!(seen.insert((item.id, item.scope)), "{} is declared twice", item.id);
            assert!(!item.steps.is_empty(), "{} makes no call", item.id);
            assert!(item.steps.iter().any(|step| !step.counted.is_empty()), "{} counts nothing", item.id);
        }
        assert_eq!(seen.len(), 18);
    }

    #[test]
    fn every_call_names_its_iam_actions() {
        for item in catalogue() {
            for step in item.steps {
                assert!(!step.iam.is_empty(), "{} {}", item.id, step.operation);
            }
        }
    }
}
