//! What earlier steps of an item were answered: where later steps take their parameters from.
//!
//! Values come in the order in which the service listed them, each once. A member that is absent or of another
//! type yields nothing: it is never replaced by a default.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

/// One call that was answered: its parameters and its merged output.
#[derive(Debug)]
pub struct Answer {
    /// Operation as the API names it.
    pub operation: &'static str,
    /// Parameters it was asked with.
    pub parameters: Map<String, Value>,
    /// Region that was asked.
    pub region: String,
    /// Output in the AWS CLI's shape.
    pub output: Arc<Value>,
}

/// The answers so far, and where the cell is.
#[derive(Debug)]
pub struct Answers<'a> {
    /// Region of the cell; the home region for an account's cell.
    pub region: &'a str,
    /// Successful calls in the order of the document.
    pub answered: &'a [Answer],
}

impl<'a> Answers<'a> {
    /// The outputs of one operation, with the call they belong to.
    pub fn of(&self, operation: &str) -> impl Iterator<Item = &'a Answer> {
        let operation = operation.to_owned();
        self.answered.iter().filter(move |answer| answer.operation == operation)
    }

    /// The entries of a list member over all outputs of one operation.
    pub fn entries(&self, operation: &str, list: &str) -> impl Iterator<Item = &'a Value> {
        let list = list.to_owned();
        self.of(operation)
            .filter_map(move |answer| answer.output.get(&list).and_then(Value::as_array))
            .flatten()
    }

    /// One text member of each entry of a list member, each value once.
    pub fn texts(&self, operation: &str, list: &str, member: &str) -> Vec<String> {
        distinct(self.entries(operation, list).filter_map(|entry| entry.get(member)?.as_str()))
    }
}

/// Every value once, in the order of first appearance.
pub(super) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    values.filter(|value| seen.insert(*value)).map(str::to_owned).collect()
}

/// Calls `visit` for every object anywhere inside `value`, parents first.
pub(super) fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(members) => {
                visit(members);
                pending.extend(members.values().rev());
            }
            Value::Array(entries) => pending.extend(entries.iter().rev()),
            _ => {}
        }
    }
}
