//! Checks: policies over the evidence, and the harness that turns what they find into verdicts.
//!
//! A policy is a Rego file; it says which resources there are (`subjects`) and what it found on them (`findings`).
//! What is missing is decided here and never by a policy: an input that was not collected or whose call failed, a
//! resource without a declared field, an undefined rule, an error, the limit of steps, a finding on a resource
//! that is not a subject are `unknown`. Pure: texts in, rows out; a policy sees its input and nothing else. Refused:
//! a policy with a builtin that other engines or other days would answer differently.

mod addresses;
mod assess;
mod builtins;
mod demand;
mod engine;
mod evidence;
mod metadata;
mod parameters;
mod place;
mod row;
mod shipped;
mod table;
mod yaml;

use std::collections::BTreeMap;

use evidenced_bundle::digest::Digest;
use serde_json::{Map, Value};

pub(crate) use addresses::Public;
pub use builtins::ALLOWED as ALLOWED_BUILTINS;
pub use engine::{ENGINE, Engine, STEP_LIMIT};
pub use evidence::{Evidence, Offered};
pub use metadata::{Check, CheckScope, Input, Need, Severity};
pub use parameters::{Kind, Parameter};
pub use row::{Pointer, Row, Verdict};
pub use table::markdown;

/// One thing that is wrong with a policy or a parameter: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the key of the configuration: `checks.params.sg_tier_pattern.tiers`.
    pub place: String,
    /// Line, from 1; 0 when it has none.
    pub line: usize,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.message),
            line => write!(f, "{}:{line}: {}", self.place, self.message),
        }
    }
}

/// The text of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// File name without `.rego`: the check's id.
    pub id: String,
    /// The text.
    pub text: String,
}

/// A check that can be run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What its METADATA says.
    pub check: Check,
    /// The text that is run.
    pub text: String,
    /// SHA-256 of the text.
    pub sha256: String,
    /// The parameters in force.
    pub parameters: Map<String, Value>,
    program: engine::Program,
}

/// Every check of a run, compiled once.
#[derive(Debug, Clone)]
pub struct Policies {
    /// `guide` or `aws`.
    pub profile: String,
    /// By id.
    pub checks: BTreeMap<String, Policy>,
    support: shipped::Support,
    lists: regorus::Value,
    placed: Option<engine::Placed>,
    engine: Engine,
    limit: u64,
}

impl Policies {
    /// The built-in checks and `own` ones under a profile and parameters (`[checks.params]`, by check), or
    /// everything that is wrong with them.
    pub fn new(profile: &str, own: &[Text], params: &Value) -> Result<Self, Vec<Problem>> {
        Self::with_engine(profile, own, params, Engine::Interpreter)
    }

    /// As `new`, on the engine that is named: the other one is the oracle of tests.
    pub fn with_engine(
        profile: &str,
        own: &[Text],
        params: &Value,
        engine: Engine,
    ) -> Result<Self, Vec<Problem>> {
        let mut texts = shipped::checks();
        let mut problems = Vec::new();
        for text in own {
            if texts.iter().any(|known| known.id == text.id) {
                problems.push(Problem {
                    place: format!("{}.rego", text.id),
                    line: 0,
                    message: "a check of this id is there already: rename the file".to_owned(),
                });
            }
            texts.push(text.clone());
        }
        let policies = Self::compile(profile, &texts, params, engine);
        match policies {
            Ok(policies) if problems.is_empty() => Ok(policies),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                problems.sort();
                Err(problems)
            }
        }
    }

    /// These checks and no others: what re-performance runs.
    pub fn compile(
        profile: &str,
        texts: &[Text],
        params: &Value,
        engine: Engine,
    ) -> Result<Self, Vec<Problem>> {
        Self::compile_with(shipped::Support::shipped(), profile, texts, params, engine)
    }

    /// The texts of `data/policies/` by their path below it, library and lists included, and nothing of this version:
    /// what re-performance runs. A file that is no policy is a problem.
    pub fn of_bundle(
        profile: &str,
        texts: &BTreeMap<String, String>,
        params: &Value,
    ) -> Result<Self, Vec<Problem>> {
        let mut support = shipped::Support { library: BTreeMap::new(), lists: BTreeMap::new() };
        let (mut checks, mut problems) = (Vec::new(), Vec::new());
        for (path, text) in texts {
            let name = |folder: &str, suffix: &str| {
                let name = path.strip_prefix(folder)?.strip_suffix(suffix)?;
                (!name.contains('/')).then(|| name.to_owned())
            };
            if let Some(name) = name("lib/", ".rego") {
                support.library.insert(name, text.clone());
            } else if let Some(name) = name("data/", ".json") {
                support.lists.insert(name, text.clone());
            } else if let Some(id) = name("", ".rego") {
                checks.push(Text { id, text: text.clone() });
            } else {
                let message = "is no policy, library or list".to_owned();
                problems.push(Problem { place: path.clone(), line: 0, message });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::compile_with(support, profile, &checks, params, Engine::Interpreter)
    }

    fn compile_with(
        support: shipped::Support,
        profile: &str,
        texts: &[Text],
        params: &Value,
        engine: Engine,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let lists = engine::lists(&support, &mut problems);
        let (base, placed) = engine::base(&support, &lists, &mut problems);
        let mut checks = BTreeMap::new();
        for text in texts {
            let place = format!("{}.rego", text.id);
            let check = match metadata::read(&text.id, &text.text) {
                Ok(check) => check,
                Err(more) => {
                    problems.extend(more);
                    continue;
                }
            };
            let program = match engine::program(&base, &text.id, &text.text) {
                Ok(program) => program,
                Err(messages) => {
                    problems.extend(messages.into_iter().map(|message| Problem {
                        place: place.clone(),
                        line: 0,
                        message,
                    }));
                    continue;
                }
            };
            let parameters = parameters::defaults(&check, profile);
            let sha256 = Digest::of(text.text.as_bytes()).to_string();
            let text = text.text.clone();
            checks.insert(check.id.clone(), Policy { check, text, sha256, parameters, program });
        }
        parameters::apply(&mut checks, params, &mut problems);
        if !matches!(profile, "guide" | "aws") {
            problems.push(Problem {
                place: "checks.profile".to_owned(),
                line: 0,
                message: format!("{profile:?} is not \"guide\" or \"aws\""),
            });
        }
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(problems);
        }
        let profile = profile.to_owned();
        Ok(Self { profile, checks, support, lists, placed, engine, limit: STEP_LIMIT })
    }

    /// Only the checks that `keep` wants.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut some = self.clone();
        some.checks.retain(|id, _| keep(id));
        some
    }

    /// The parameters in force, by check: what `[checks.params]` would have to say for all of them.
    pub fn parameters(&self) -> Value {
        let params = self.checks.iter();
        Value::Object(params.map(|(id, it)| (id.clone(), Value::Object(it.parameters.clone()))).collect())
    }

    /// The same, with another limit of steps for each rule of each check.
    #[must_use]
    pub fn limited_to(mut self, steps: u64) -> Self {
        self.limit = steps;
        self
    }

    /// `data/policies/`: every text that is run, the library and the lists too, by path below that folder.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let mut texts = self.support.texts();
        for (id, policy) in &self.checks {
            texts.insert(format!("{id}.rego"), policy.text.clone());
        }
        texts
    }
}

#[cfg(test)]
mod tests;
