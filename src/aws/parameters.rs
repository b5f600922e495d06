//! JSON parameters in the AWS CLI's spelling, read as what the SDK's builders take.
//!
//! Each reader gives the value or the words for what it expected. Nothing is coerced: `"5"` is not an integer.

use std::fmt;

use serde_json::{Map, Value};

/// A value of the type, or what was expected.
pub(super) type Read<T> = Result<T, &'static str>;

/// A parameter that cannot be sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{operation}: parameter {name}: {problem}")]
pub(super) struct ParameterError {
    operation: &'static str,
    name: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq)]
enum Problem {
    Unknown,
    Type { found: String, expected: &'static str },
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("the operation has none of that name"),
            Self::Type { found, expected } => write!(formatter, "{found} is not {expected}"),
        }
    }
}

/// Refuses a parameter that is not among `known`.
pub(super) fn all_known(
    operation: &'static str,
    parameters: &Map<String, Value>,
    known: &[&str],
) -> Result<(), ParameterError> {
    match parameters.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ParameterError { operation, name: name.clone(), problem: Problem::Unknown }),
    }
}

/// The parameter `name`, where it is given.
pub(super) fn given<T>(
    operation: &'static str,
    parameters: &Map<String, Value>,
    name: &'static str,
    read: impl FnOnce(&Value) -> Read<T>,
) -> Result<Option<T>, ParameterError> {
    parameters
        .get(name)
        .map(|value| {
            read(value).map_err(|expected| {
                let problem = Problem::Type { found: value.to_string(), expected };
                ParameterError { operation, name: name.to_owned(), problem }
            })
        })
        .transpose()
}

pub(super) fn text(value: &Value) -> Read<String> {
    value.as_str().map(str::to_owned).ok_or("a string")
}

pub(super) fn texts(value: &Value) -> Read<Vec<String>> {
    list(value, text).map_err(|_| "a list of strings")
}

pub(super) fn int(value: &Value) -> Read<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or("a 32-bit integer")
}

pub(super) fn long(value: &Value) -> Read<i64> {
    value.as_i64().ok_or("an integer")
}

pub(super) fn flag(value: &Value) -> Read<bool> {
    value.as_bool().ok_or("true or false")
}

/// A word of an enumeration; words that the SDK does not know are sent as they are.
pub(super) fn word<T: for<'a> From<&'a str>>(value: &Value) -> Read<T> {
    value.as_str().map(T::from).ok_or("a string")
}

pub(super) fn words<T: for<'a> From<&'a str>>(value: &Value) -> Read<Vec<T>> {
    list(value, word).map_err(|_| "a list of strings")
}

pub(super) fn list<T>(value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    value.as_array().ok_or("a list")?.iter().map(read).collect()
}

/// The members of an object that has no others than `known`.
pub(super) fn members<'a>(value: &'a Value, known: &[&str]) -> Option<&'a Map<String, Value>> {
    value.as_object().filter(|object| object.keys().all(|name| known.contains(&name.as_str())))
}
