//! Paging: what to ask for next, and what the CLI prints once it has all pages.

use serde_json::{Map, Value};

use crate::shape::{Operation, Paginator};
use crate::wire::WireError;

/// The parameters that ask for the page after `output`; none after the last.
///
/// An empty token is no token, and a token without the flag that announces more means nothing. A service may repeat
/// a token or send one with its last page (WAF does): the caller stops on a token it has seen and where
/// [`is_empty`] says that a page brought nothing.
pub fn next_token(operation: &Operation, output: &Value) -> Result<Option<Map<String, Value>>, WireError> {
    let Some(pages) = &operation.pages else { return Ok(None) };
    if pages.more_results.is_some() && !announces_more(pages, output) {
        return Ok(None);
    }
    let mut parameters = Map::new();
    for (from, to) in pages.output_tokens.iter().zip(&pages.input_tokens) {
        match output.get(from) {
            None | Some(Value::Null) => {}
            Some(Value::String(token)) if token.is_empty() => {}
            Some(token @ Value::String(_)) => {
                parameters.insert(to.clone(), token.clone());
            }
            Some(_) => {
                return Err(WireError::Token { operation: operation.name.clone(), member: from.clone() });
            }
        }
    }
    Ok(if parameters.is_empty() { None } else { Some(parameters) })
}

/// The page says that there is more but gives no token to ask with: what it holds is not everything.
pub fn cut_short(operation: &Operation, output: &Value) -> bool {
    let announced = operation.pages.as_ref().is_some_and(|pages| announces_more(pages, output));
    announced && matches!(next_token(operation, output), Ok(None))
}

/// No result list of the page has an element. False for an operation without pages.
pub fn is_empty(operation: &Operation, output: &Value) -> bool {
    let has_elements =
        |key: &String| output.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    operation.pages.as_ref().is_some_and(|pages| !pages.result_keys.iter().any(has_elements))
}

/// The pages of one call as one answer.
///
/// 1. Where the CLI pages by itself: the result lists concatenated, the non-aggregate keys of page 1 (null where it
///    has none), no token, none of the model's other members. Members that the model does not have stay, from the
///    first page that has them.
/// 2. Where it does not (WAF): one page as it is, its token included; of several pages the result lists concatenated,
///    the other keys of the first page that has them, no token.
/// 3. Without a paginator there is one page.
pub fn merge(operation: &Operation, pages: Vec<Value>) -> Value {
    let Some(paginator) = &operation.pages else { return Value::Object(first_of_each(pages)) };
    if !paginator.from_botocore && pages.len() < 2 {
        return Value::Object(first_of_each(pages));
    }
    let first_page = pages.first().cloned().unwrap_or(Value::Null);
    let mut merged = Map::new();
    for page in pages {
        let Value::Object(page) = page else { continue };
        for (key, value) in page {
            if paginator.result_keys.contains(&key) {
                concatenate(&mut merged, key, value);
            } else if stays(operation, paginator, &key) {
                merged.entry(key).or_insert(value);
            }
        }
    }
    for key in &paginator.non_aggregate_keys {
        merged.insert(key.clone(), first_page.get(key).cloned().unwrap_or(Value::Null));
    }
    Value::Object(merged)
}

fn announces_more(pages: &Paginator, output: &Value) -> bool {
    pages.more_results.as_ref().is_some_and(|flag| output.get(flag) == Some(&Value::Bool(true)))
}

/// Whether a key that is no result list is in the merged answer.
fn stays(operation: &Operation, paginator: &Paginator, key: &String) -> bool {
    if paginator.from_botocore {
        !operation.output_members.contains(key)
    } else {
        !paginator.output_tokens.contains(key)
    }
}

fn first_of_each(pages: Vec<Value>) -> Map<String, Value> {
    let mut output = Map::new();
    for page in pages {
        if let Value::Object(page) = page {
            for (key, value) in page {
                output.entry(key).or_insert(value);
            }
        }
    }
    output
}

/// Appends a list to what is there. What is no list (an anomaly of its page) becomes an element.
fn concatenate(merged: &mut Map<String, Value>, key: String, value: Value) {
    match (merged.get_mut(&key), value) {
        (None, value) => drop(merged.insert(key, value)),
        (Some(Value::Array(so_far)), Value::Array(more)) => so_far.extend(more),
        (Some(Value::Array(so_far)), odd) => so_far.push(odd),
        (Some(odd), more) => *odd = Value::Array(vec![odd.take(), more]),
    }
}
