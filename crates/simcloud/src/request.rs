//! Reads a request: which operation of a service is asked for, and with which parameters.
//!
//! Parameters get the AWS CLI's names through the shape table, whatever the protocol spells. Refused as AWS does:
//! unknown operations, missing parameters, parameters that EC2 does not know, numbers outside the model's bounds,
//! words that are not in the model's list.

use std::collections::BTreeMap;

use evidenced_core::shape::{InputMember, Operation, Protocol, Service};
use hyper::HeaderMap;
use serde_json::{Map, Value};

use crate::{
    refuse::{self, Bound, Refusal},
    sign::decode,
};

/// Parameters by the AWS CLI's name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The words of a list; none when it is absent.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        words(self.0.get(name))
    }

    /// The words of a list inside a structure.
    pub(crate) fn words_in(&self, name: &str, member: &str) -> Vec<String> {
        words(self.0.get(name).and_then(|structure| structure.get(member)))
    }

    /// EC2's filters: name and values.
    pub(crate) fn filters(&self) -> Vec<(String, Vec<String>)> {
        let Some(Value::Array(filters)) = self.0.get("Filters") else { return Vec::new() };
        (filters.iter())
            .filter_map(|filter| {
                let name = filter.get("Name")?.as_str()?.to_owned();
                Some((name, words(filter.get("Value").or_else(|| filter.get("Values")))))
            })
            .collect()
    }

    /// Every word in them, for rules that look for a resource.
    pub(crate) fn all_words(&self) -> Vec<&str> {
        fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
            match value {
                Value::String(text) => into.push(text),
                Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
                Value::Object(members) => members.values().for_each(|value| collect(value, into)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        self.0.values().for_each(|value| collect(value, &mut found));
        found
    }

    /// All of them as text, without those named: what makes two requests the same.
    pub(crate) fn fingerprint(&self, without: &[&str]) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| !without.contains(&name.as_str())) {
            text.push_str(name);
            text.push('=');
            text.push_str(&value.to_string());
            text.push('&');
        }
        text
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// What arrives over HTTP, as far as it says what is asked.
pub(crate) struct Raw<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Which operation is asked for, and the parameters before they are checked.
pub(crate) fn read<'s>(service: &'s Service, raw: &Raw<'_>) -> Result<(&'s Operation, Parameters), Refusal> {
    let (name, given) = match service.protocol {
        Protocol::Ec2 | Protocol::Query => form(raw),
        Protocol::Json => {
            let target =
                raw.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
            if service.target_prefix.as_deref() != Some(prefix) {
                return Err(refuse::unknown_action(service, target));
            }
            (name.to_owned(), Given::Json(json(service, raw.body)?))
        }
        Protocol::RestXml => rest(service, raw),
    };
    let operation = service.operation(&name).ok_or_else(|| refuse::unknown_action(service, &name))?;
    let parameters = match given {
        Given::Json(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        Given::Form(pairs) => by_name(service, operation, pairs)?,
    };
    let parameters = Parameters(parameters);
    check(service, operation, &parameters)?;
    Ok((operation, parameters))
}

enum Given {
    Json(Map<String, Value>),
    Form(BTreeMap<String, String>),
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            let text = if text.contains('+') { text.replace('+', " ") } else { text.to_owned() };
            if text.contains('%') { String::from_utf8_lossy(&decode(&text)).into_owned() } else { text }
        };
        (plain(key), plain(value))
    })
}

fn form(raw: &Raw<'_>) -> (String, Given) {
    let body = String::from_utf8_lossy(raw.body);
    let mut all: BTreeMap<String, String> = pairs(raw.query).chain(pairs(&body)).collect();
    all.remove("Version");
    (all.remove("Action").unwrap_or_default(), Given::Form(all))
}

fn json(service: &Service, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => {
            Err(Refusal::new(400, "SerializationException", format!("{} takes a JSON object", service.name)))
        }
    }
}

/// Path style: `/bucket?sub-resource`.
fn rest(service: &Service, raw: &Raw<'_>) -> (String, Given) {
    let path = String::from_utf8_lossy(&decode(raw.path)).into_owned();
    let (bucket, key) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let mut all: BTreeMap<String, String> = pairs(raw.query).collect();
    all.remove("x-id");
    if !bucket.is_empty() {
        all.insert("Bucket".to_owned(), bucket.to_owned());
    }
    if !key.is_empty() || (raw.method != "GET" && raw.method != "HEAD") {
        return ("an object".to_owned(), Given::Form(all));
    }
    let asked = service.operations.values().find(|operation| match operation.uri.split_once('?') {
        Some((_, sub)) => {
            let sub = sub.split('&').next().unwrap_or_default();
            !bucket.is_empty() && sub != "x-id=ListBuckets" && all.contains_key(sub)
        }
        None => bucket.is_empty() && !operation.uri.contains("{Bucket}"),
    });
    let listing = || service.operation("ListBuckets").filter(|_| bucket.is_empty());
    let Some(operation) = asked.or_else(listing) else { return ("the bucket".to_owned(), Given::Form(all)) };
    if let Some((_, sub)) = operation.uri.split_once('?') {
        all.remove(sub.split('&').next().unwrap_or_default());
    }
    (operation.name.clone(), Given::Form(all))
}

/// Gives form fields the CLI's names.
fn by_name(
    service: &Service,
    operation: &Operation,
    mut given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut named = BTreeMap::new();
    for member in &operation.input_members {
        if let Some(value) = given.remove(&member.wire) {
            named.insert(member.name.clone(), Value::String(value));
            continue;
        }
        if matches!(member.kind.as_str(), "list" | "structure" | "map") {
            let prefix = format!("{}.", member.wire);
            let keys: Vec<String> = given.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
            let mut tree = Value::Object(Map::new());
            for key in &keys {
                let steps = key.get(prefix.len()..).unwrap_or_default();
                if let Some(value) = given.remove(key) {
                    plant(&mut tree, steps, value);
                }
            }
            if !keys.is_empty() {
                named.insert(member.name.clone(), lists(tree));
            }
        }
    }
    match given.into_keys().next() {
        Some(unknown) if service.protocol == Protocol::Ec2 => Err(refuse::unknown_parameter(&unknown)),
        _ => Ok(named),
    }
}

fn plant(tree: &mut Value, path: &str, value: String) {
    let Value::Object(members) = tree else { return };
    match path.split_once('.') {
        None => {
            members.insert(path.to_owned(), Value::String(value));
        }
        Some((step, rest)) => {
            plant(members.entry(step).or_insert_with(|| Value::Object(Map::new())), rest, value);
        }
    }
}

/// Structures whose members are numbers are lists.
fn lists(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut numbered: Vec<(u32, Value)> = Vec::new();
    let mut named = Map::new();
    for (key, value) in members {
        match key.parse() {
            Ok(number) => numbered.push((number, lists(value))),
            Err(_) => {
                named.insert(key, lists(value));
            }
        }
    }
    if named.is_empty() && !numbered.is_empty() {
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, value)| value).collect()
    } else {
        Value::Object(named)
    }
}

fn check(service: &Service, operation: &Operation, parameters: &Parameters) -> Result<(), Refusal> {
    let limit = operation
        .pages
        .as_ref()
        .and_then(|pages| Some((pages.limit_key.as_deref()?, pages.page_size_min, pages.page_size_max)));
    for member in &operation.input_members {
        let Some(value) = parameters.0.get(&member.name) else {
            if member.required {
                return Err(refuse::missing_parameter(service, &member.name));
            }
            continue;
        };
        match member.kind.as_str() {
            "integer" => {
                let (least, most) = match limit {
                    Some((name, least, most)) if name == member.name => (least, most),
                    _ => (bound(member.min), bound(member.max)),
                };
                check_number(service, member, value, least, most)?;
            }
            "string" if !member.values.is_empty() => {
                let word = value.as_str().unwrap_or_default();
                if !member.values.iter().any(|allowed| allowed == word) {
                    return Err(refuse::not_allowed(service, &member.name, word, &member.values));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn bound(value: Option<i64>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

fn check_number(
    service: &Service,
    member: &InputMember,
    value: &Value,
    least: Option<u32>,
    most: Option<u32>,
) -> Result<(), Refusal> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Ok(number) = text.parse::<i64>() else {
        return Err(refuse::invalid(service, &format!("Invalid integer value {text}")));
    };
    if let Some(least) = least.filter(|least| number < i64::from(*least)) {
        return Err(refuse::out_of_bounds(service, &member.name, &text, Bound::AtLeast(least)));
    }
    if let Some(most) = most.filter(|most| number > i64::from(*most)) {
        return Err(refuse::out_of_bounds(service, &member.name, &text, Bound::AtMost(most)));
    }
    Ok(())
}
