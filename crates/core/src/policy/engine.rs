//! Runs a policy: one program per check, compiled once, on regorus.
//!
//! A program is pure: no clock, network, randomness or file is compiled in, and a builtin that is not on our list is
//! refused when the policy is loaded. Time is counted in steps, so that the same policy stops at the same place on
//! every machine. The interpreter runs, because it tells an error (`to_number("ten")`) from a rule that does not
//! hold; the register machine of regorus 0.14 drops such errors, so it is the oracle of tests and not the engine.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::{Arc, Once};
use std::time::Duration;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Rc, Value};

use super::Problem;
use super::builtins;
use super::shipped::Support;

/// What runs policies: its name and version, as Cargo.lock has it.
pub const ENGINE: &str = "regorus 0.14.1, interpreter";

/// Steps that one rule of a check may take. 10,000 security groups with five rules take a few million.
pub const STEP_LIMIT: u64 = 2_000_000_000;

/// Steps between two looks at the count.
const INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// Which of regorus's two ways to run a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The interpreter: what runs use.
    Interpreter,
    /// The register machine, which does not tell errors: what tests compare it with.
    Registers,
}

/// A clock that is a count: every look at it is the next nanosecond.
struct Steps;

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

impl TimeSource for Steps {
    fn now(&self) -> Option<Duration> {
        let look = LOOKS.get().wrapping_add(1);
        LOOKS.set(look);
        Some(Duration::from_nanos(look))
    }
}

static COUNTED: Once = Once::new();

fn limit(steps: u64) -> ExecutionTimerConfig {
    // Ours is the only clock that is ever set; a second one would be refused, and the first is the same.
    COUNTED.call_once(|| {
        let _registered = set_time_source(&Steps);
    });
    let looks = steps / u64::from(INTERVAL.get());
    ExecutionTimerConfig { limit: Duration::from_nanos(looks), check_interval: INTERVAL }
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub(super) struct Program {
    package: String,
    compiled: Arc<regorus::rvm::Program>,
    interpreter: regorus::Engine,
}

/// What the two rules of a policy gave.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) subjects: Result<serde_json::Value, String>,
    pub(super) findings: Result<serde_json::Value, String>,
}

/// The dated lists, as `data.lists`.
pub(super) fn lists(support: &Support, problems: &mut Vec<Problem>) -> Value {
    let mut lists = serde_json::Map::new();
    for (name, text) in &support.lists {
        match serde_json::from_str(text) {
            Ok(value) => {
                lists.insert(name.clone(), value);
            }
            Err(error) => problems.push(Problem {
                place: format!("data/{name}.json"),
                line: error.line(),
                message: error.to_string(),
            }),
        }
    }
    Value::from(serde_json::json!({ "lists": lists }))
}

/// An engine that knows the library.
pub(super) fn base(support: &Support, problems: &mut Vec<Problem>) -> regorus::Engine {
    let mut engine = regorus::Engine::new();
    engine.set_strict_builtin_errors(true);
    for (name, text) in &support.library {
        if let Err(error) = engine.add_policy(format!("lib/{name}.rego"), text.clone()) {
            let place = format!("lib/{name}.rego");
            problems.push(Problem { place, line: 0, message: error.to_string() });
        }
    }
    engine
}

/// Compiles a policy together with the library.
pub(super) fn program(base: &regorus::Engine, id: &str, text: &str) -> Result<Program, Vec<String>> {
    let mut interpreter = base.clone();
    let package = format!("data.evidenced.checks.{id}");
    let said = |error: &dyn std::fmt::Display| vec![error.to_string()];
    let added = interpreter.add_policy(format!("{id}.rego"), text.to_owned()).map_err(|it| said(&it))?;
    if added != package {
        return Err(vec![format!("its package is {added}, expected {package}")]);
    }
    let rules = [format!("{package}.subjects"), format!("{package}.findings")];
    let missing: Vec<String> = rules
        .iter()
        .filter(|rule| {
            !interpreter.has_declared_rule_rooted_at(&format!("{id}.rego"), last(rule)).unwrap_or(true)
        })
        .map(|rule| format!("has no rule {:?}", last(rule)))
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let entry: Rc<str> = Rc::from(rules[0].as_str());
    let compiled = interpreter.compile_with_entrypoint(&entry).map_err(|it| said(&it))?;
    let names: Vec<&str> = rules.iter().map(String::as_str).collect();
    let program = Compiler::compile_from_policy(&compiled, &names).map_err(|it| said(&it))?;
    let mut refused: Vec<String> = program
        .builtin_info_table
        .iter()
        .filter(|builtin| !builtins::is_allowed(&builtin.name))
        .map(|builtin| format!("calls {}, which is not among the allowed builtins", builtin.name))
        .collect();
    refused.sort();
    refused.dedup();
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok(Program { package, compiled: program, interpreter })
}

fn last(rule: &str) -> &str {
    rule.rsplit('.').next().unwrap_or_default()
}

impl Program {
    /// Runs both rules over an input.
    pub(super) fn run(&self, engine: Engine, lists: &Value, input: Value, steps: u64) -> Answered {
        match engine {
            Engine::Interpreter => self.interpreted(lists, input, steps),
            Engine::Registers => self.on_registers(lists, input),
        }
    }

    fn on_registers(&self, lists: &Value, input: Value) -> Answered {
        let mut machine = RegoVM::new();
        machine.load_program(Arc::clone(&self.compiled));
        machine.set_max_instructions(usize::MAX);
        machine.set_strict_builtin_errors(true);
        if let Err(error) = machine.set_data(lists.clone()) {
            let error = error.to_string();
            return Answered { subjects: Err(error.clone()), findings: Err(error) };
        }
        machine.set_input(input);
        let mut rule = |name: &str| {
            let value = machine.execute_entry_point_by_name(&format!("{}.{name}", self.package));
            value.map_err(|error| error.to_string()).and_then(|value| json(&value))
        };
        Answered { subjects: rule("subjects"), findings: rule("findings") }
    }

    fn interpreted(&self, lists: &Value, input: Value, steps: u64) -> Answered {
        let mut engine = self.interpreter.clone();
        engine.set_execution_timer_config(limit(steps));
        if let Err(error) = engine.add_data(lists.clone()) {
            let error = error.to_string();
            return Answered { subjects: Err(error.clone()), findings: Err(error) };
        }
        engine.set_input(input);
        let mut rule = |name: &str| {
            let value = engine.eval_rule(format!("{}.{name}", self.package));
            value.map_err(|error| error.to_string()).and_then(|value| json(&value))
        };
        Answered { subjects: rule("subjects"), findings: rule("findings") }
    }
}

/// A value of the engine as JSON; sets become sorted lists.
pub(super) fn json(value: &Value) -> Result<serde_json::Value, String> {
    if *value == Value::Undefined {
        return Err("the rule is undefined".to_owned());
    }
    let text = value.to_json_str().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
