//! What the evidence says, and where it says nothing: every reader gets a value or the reason why there is none.
//!
//! A call that failed is never an empty list.

use serde_json::Value;

use crate::policy::Evidence;

/// Read, or not read for this reason.
pub(super) type Known<T> = Result<T, String>;

/// The calls of an operation in a document: answered or not.
pub(super) fn calls<'a>(
    evidence: &'a Evidence,
    region: &str,
    item: &str,
    operation: &str,
) -> Known<Vec<&'a Value>> {
    let document = match evidence.look(region, item) {
        Some(Ok(document)) => document,
        Some(Err((status, reason))) => return Err(format!("{item} is {}: {reason}", status.word())),
        None => return Err(format!("{item} was not collected")),
    };
    let calls = document.get("calls").and_then(Value::as_array).into_iter().flatten();
    Ok(calls.filter(|call| text(call, "operation") == Some(operation)).collect())
}

/// The entries of a list in every answer of an operation.
pub(super) fn entries<'a>(
    evidence: &'a Evidence,
    region: &str,
    item: &str,
    operation: &str,
    member: &str,
) -> Known<Vec<&'a Value>> {
    let calls = calls(evidence, region, item, operation)?;
    if calls.is_empty() {
        return Err(format!("{operation} was not asked"));
    }
    let mut found = Vec::new();
    for call in calls {
        if let Some(why) = refusal(call) {
            return Err(why);
        }
        let list = call.get("output").and_then(|output| output.get(member)).and_then(Value::as_array);
        found.extend(list.into_iter().flatten());
    }
    Ok(found)
}

/// Why a call has no answer; an answer, and a fact such as "there is none", is no refusal.
pub(super) fn refusal(call: &Value) -> Option<String> {
    if call.get("output").is_some() || call.get("fact").is_some() || call.get("vanished").is_some() {
        return None;
    }
    let operation = text(call, "operation").unwrap_or("a call");
    let code = call.pointer("/error/code").and_then(Value::as_str);
    Some(format!("{operation}: {}", code.unwrap_or("no answer")))
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

pub(super) fn owned(value: &Value, name: &str) -> String {
    text(value, name).unwrap_or_default().to_owned()
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The value of a tag.
pub(super) fn tag(value: &Value, key: &str) -> Option<String> {
    list(value, "Tags").find(|tag| text(tag, "Key") == Some(key)).map(|tag| owned(tag, "Value"))
}
