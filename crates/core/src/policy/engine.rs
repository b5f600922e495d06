//! Runs a policy: one program per check, compiled and analysed once, on regorus.
//!
//! What the library says of a place whatever the check (`place.rs`) is worked out once for all checks and given to a
//! second form of each program, in which it stands in the input. That form, and the asking for both rules at once, are
//! shortcuts: an error, an undefined rule and the limit of steps are decided by the plain form, rule by rule.
//!
//! A program is pure: no clock, network, randomness or file is compiled in, and a builtin that is not on our list is
//! refused when the policy is loaded. Time is counted in steps, so that the same policy stops at the same place on
//! every machine. The interpreter runs, because it tells an error (`to_number("ten")`) from a rule that does not
//! hold; the register machine of regorus 0.14 drops such errors, so it is the oracle of tests and not the engine.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Once};
use std::time::Duration;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Rc, Value};

use super::Problem;
use super::builtins;
use super::place;
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
    /// The same with what is so in a place as a part of the input.
    placed: Option<regorus::Engine>,
}

/// What every program is made from.
#[derive(Debug)]
pub(super) struct Base {
    whole: regorus::Engine,
    placed: Option<regorus::Engine>,
    /// Packages that lead to what is so in a place.
    leading: Vec<String>,
}

impl Base {
    fn asks(&self, text: &str) -> bool {
        self.leading.iter().any(|name| text.contains(&format!("data.lib.{name}")))
    }
}

/// The texts of a place in the place of their packages: an undefined rule is an undefined member.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    engine: regorus::Engine,
    names: Vec<String>,
}

/// What the two rules of a policy gave.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) subjects: Result<Value, String>,
    pub(super) findings: Result<Value, String>,
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

/// An engine that knows the library and the lists, and the same for texts that are told what is so in a place.
pub(super) fn base(support: &Support, lists: &Value, problems: &mut Vec<Problem>) -> (Base, Option<Placed>) {
    let mut whole = engine(lists, problems);
    for (name, text) in &support.library {
        if let Err(error) = whole.add_policy(format!("lib/{name}.rego"), text.clone()) {
            let place = format!("lib/{name}.rego");
            problems.push(Problem { place, line: 0, message: error.to_string() });
        }
    }
    let names = place::names(&support.library);
    let placed = (!names.is_empty()).then(|| told(support, &names, lists)).flatten();
    let once = placed.is_some().then(|| prepared(&whole)).flatten();
    let once = once.map(|engine| Placed { engine, names });
    let leading =
        place::leading(&support.library, &once.as_ref().map(|it| it.names.clone()).unwrap_or_default());
    (Base { whole, placed, leading }, once)
}

fn engine(lists: &Value, problems: &mut Vec<Problem>) -> regorus::Engine {
    let mut engine = regorus::Engine::new();
    engine.set_strict_builtin_errors(true);
    if let Err(error) = engine.add_data(lists.clone()) {
        problems.push(Problem { place: "data".to_owned(), line: 0, message: error.to_string() });
    }
    engine
}

/// The library with rules that look into the input in place of what is worked out once.
fn told(support: &Support, names: &[String], lists: &Value) -> Option<regorus::Engine> {
    let mut engine = engine(lists, &mut Vec::new());
    for (name, text) in support.library.iter().filter(|(name, _)| !names.contains(name)) {
        engine.add_policy(format!("lib/{name}.rego"), text.clone()).ok()?;
    }
    let mut text = "package lib\n".to_owned();
    for name in names {
        text.extend(["\n", name, " := input.", place::MEMBER, ".", name, "\n"]);
    }
    engine.add_policy("lib.rego".to_owned(), text).ok()?;
    Some(engine)
}

/// Analysed, so that a copy of it is not analysed again.
fn prepared(engine: &regorus::Engine) -> Option<regorus::Engine> {
    let mut engine = engine.clone();
    engine.eval_query("true".to_owned(), false).ok()?;
    Some(engine)
}

/// Compiles a policy together with the library.
pub(super) fn program(base: &Base, id: &str, text: &str) -> Result<Program, Vec<String>> {
    let mut interpreter = base.whole.clone();
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
    let interpreter = prepared(&interpreter).ok_or_else(|| vec!["cannot be analysed".to_owned()])?;
    let placed =
        base.placed.as_ref().filter(|_| base.asks(text) && place::may_be_told(text)).and_then(|base| {
            let mut engine = base.clone();
            engine.add_policy(format!("{id}.rego"), text.to_owned()).ok()?;
            prepared(&engine)
        });
    Ok(Program { package, compiled: program, interpreter, placed })
}

fn last(rule: &str) -> &str {
    rule.rsplit('.').next().unwrap_or_default()
}

impl Placed {
    /// What is so in a place; `None` when that cannot be worked out, so that each check does and says why.
    pub(super) fn look(&self, input: &Members, steps: u64) -> Option<Value> {
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(limit(steps));
        engine.set_input(input.clone().into());
        let asked: Vec<String> = self.names.iter().map(|name| format!("{name} = data.lib.{name}")).collect();
        bindings(&mut engine, asked.join("; "))
    }
}

/// The members of an object of the engine.
pub(super) type Members = BTreeMap<Value, Value>;

/// What the variables of a query are, when there is exactly one answer.
fn bindings(engine: &mut regorus::Engine, query: String) -> Option<Value> {
    let mut results = engine.eval_query(query, false).ok()?.result;
    match (results.pop(), results.is_empty()) {
        (Some(result), true) => Some(result.bindings),
        _ => None,
    }
}

impl Program {
    /// Whether it can be told what is so in the place.
    pub(super) fn asks_of_the_place(&self) -> bool {
        self.placed.is_some()
    }

    /// Runs both rules over an input; `place` is what is so in the place, when that is known.
    pub(super) fn run(
        &self,
        engine: Engine,
        lists: &Value,
        input: Members,
        place: Option<&Value>,
        steps: u64,
    ) -> Answered {
        match engine {
            Engine::Interpreter => {
                self.at_once(&input, place, steps).unwrap_or_else(|| self.one_by_one(input, steps))
            }
            Engine::Registers => self.on_registers(lists, input.into()),
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
            value.map_err(|error| error.to_string()).and_then(defined)
        };
        Answered { subjects: rule("subjects"), findings: rule("findings") }
    }

    /// Both rules in one evaluation: rules that both of them ask are evaluated once.
    pub(super) fn at_once(&self, input: &Members, place: Option<&Value>, steps: u64) -> Option<Answered> {
        let mut input = input.clone();
        let mut engine = match (&self.placed, place) {
            (Some(engine), Some(place)) => {
                input.insert(place::MEMBER.into(), place.clone());
                engine.clone()
            }
            _ => self.interpreter.clone(),
        };
        engine.set_execution_timer_config(limit(steps));
        engine.set_input(input.into());
        let package = &self.package;
        let both =
            bindings(&mut engine, format!("subjects = {package}.subjects; findings = {package}.findings"))?;
        let both = both.as_object().ok()?;
        let rule = |name: &str| both.get(&name.into()).cloned().map_or(Err(UNDEFINED.to_owned()), defined);
        let answered = Answered { subjects: rule("subjects"), findings: rule("findings") };
        (answered.subjects.is_ok() && answered.findings.is_ok()).then_some(answered)
    }

    pub(super) fn one_by_one(&self, input: Members, steps: u64) -> Answered {
        let mut engine = self.interpreter.clone();
        engine.set_execution_timer_config(limit(steps));
        engine.set_input(input.into());
        let mut rule = |name: &str| {
            let value = engine.eval_rule(format!("{}.{name}", self.package));
            value.map_err(|error| error.to_string()).and_then(defined)
        };
        Answered { subjects: rule("subjects"), findings: rule("findings") }
    }
}

const UNDEFINED: &str = "the rule is undefined";

fn defined(value: Value) -> Result<Value, String> {
    if value == Value::Undefined { Err(UNDEFINED.to_owned()) } else { Ok(value) }
}

#[cfg(all(test, feature = "coverage"))]
impl Program {
    /// Which lines both rules run over an input.
    pub(super) fn coverage(&self, input: Value) -> Result<regorus::coverage::Report, String> {
        let mut engine = self.interpreter.clone();
        engine.set_enable_coverage(true);
        engine.set_input(input);
        for rule in ["subjects", "findings"] {
            engine.eval_rule(format!("{}.{rule}", self.package)).map_err(|error| error.to_string())?;
        }
        engine.get_coverage_report().map_err(|error| error.to_string())
    }
}

/// A value of the engine as JSON; sets become sorted lists.
pub(super) fn json(value: &Value) -> Result<serde_json::Value, String> {
    if *value == Value::Undefined {
        return Err(UNDEFINED.to_owned());
    }
    let text = value.to_json_str().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
