//! Parameters of checks: their kinds, their defaults under a profile, and what the configuration sets.
//!
//! Everything is checked when the run starts: a check or a parameter that does not exist, a value of another kind.
//! What is in force goes into the bundle.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::metadata::Check;
use super::{Policy, Problem, addresses};

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number, not negative.
    Integer,
    /// A list of port numbers.
    Ports,
    /// One text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of CIDRs.
    Cidrs,
    /// Lists of ports by name: `{ lb = [80, 443] }`.
    PortsByName,
    /// Lists of texts by name.
    TextsByName,
    /// A list of rules, each a map of texts and numbers; what they mean is the check's.
    Rules,
}

/// Every kind.
pub(super) const KINDS: &[Kind] = &[
    Kind::Boolean,
    Kind::Integer,
    Kind::Ports,
    Kind::Text,
    Kind::Texts,
    Kind::Cidrs,
    Kind::PortsByName,
    Kind::TextsByName,
    Kind::Rules,
];

impl Kind {
    /// The word of the METADATA.
    pub fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Ports => "ports",
            Self::Text => "text",
            Self::Texts => "texts",
            Self::Cidrs => "cidrs",
            Self::PortsByName => "ports-by-name",
            Self::TextsByName => "texts-by-name",
            Self::Rules => "rules",
        }
    }

    /// Whether a value is of this kind; if not, what is expected.
    pub(super) fn accepts(self, value: &Value) -> Result<(), &'static str> {
        let (fits, expected) = match self {
            Self::Boolean => (value.is_boolean(), "expected true or false"),
            Self::Integer => (value.as_u64().is_some(), "expected a whole number"),
            Self::Ports => (all(value, is_port), "expected a list of ports such as [80, 443]"),
            Self::Text => (value.is_string(), "expected text"),
            Self::Texts => (all(value, Value::is_string), "expected a list of texts"),
            Self::Cidrs => (all(value, is_cidr), "expected a list of CIDRs such as [\"10.0.0.0/8\"]"),
            Self::PortsByName => {
                (named(value, is_port), "expected lists of ports by name such as { lb = [80, 443] }")
            }
            Self::TextsByName => (named(value, Value::is_string), "expected lists of texts by name"),
            Self::Rules => (all(value, is_rule), "expected a list of rules, each a map of texts and numbers"),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

fn all(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|entries| entries.iter().all(fits))
}

fn named(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_object().is_some_and(|members| members.values().all(|list| all(list, &fits)))
}

fn is_port(value: &Value) -> bool {
    value.as_u64().is_some_and(|port| port <= 65535)
}

fn is_cidr(value: &Value) -> bool {
    value.as_str().is_some_and(|text| addresses::range(text).is_some())
}

fn is_rule(value: &Value) -> bool {
    value.as_object().is_some_and(|members| {
        members.values().all(|value| value.is_string() || value.as_u64().is_some() || value.is_boolean())
    })
}

/// One parameter of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub kind: Kind,
    /// Default under `guide`.
    pub guide: Value,
    /// Default under `aws`.
    pub aws: Value,
}

/// The defaults of a check.
pub(super) fn defaults(check: &Check, profile: &str) -> Map<String, Value> {
    let value = |it: &Parameter| if profile == "aws" { it.aws.clone() } else { it.guide.clone() };
    check.parameters.iter().map(|(name, parameter)| (name.clone(), value(parameter))).collect()
}

/// Puts what the configuration sets in the place of the defaults.
pub(super) fn apply(checks: &mut BTreeMap<String, Policy>, params: &Value, problems: &mut Vec<Problem>) {
    let mut refuse = |place: String, message: String| problems.push(Problem { place, line: 0, message });
    let Some(sections) = params.as_object() else {
        if !params.is_null() {
            refuse("checks.params".to_owned(), "expected a table by check".to_owned());
        }
        return;
    };
    for (id, values) in sections {
        let place = format!("checks.params.{id}");
        let Some(policy) = checks.get_mut(id) else {
            refuse(place, "is no check; `evidenced checks` lists them".to_owned());
            continue;
        };
        let Some(values) = values.as_object() else {
            refuse(place, "expected a table of parameters".to_owned());
            continue;
        };
        for (name, value) in values {
            let place = format!("{place}.{name}");
            let Some(parameter) = policy.check.parameters.get(name) else {
                let known: Vec<&str> = policy.check.parameters.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
                refuse(place, format!("is no parameter of the check; known: {known}"));
                continue;
            };
            match parameter.kind.accepts(value) {
                Ok(()) => {
                    policy.parameters.insert(name.clone(), value.clone());
                }
                Err(expected) => refuse(place, format!("{expected}, found {value}")),
            }
        }
    }
}
