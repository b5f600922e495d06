//! The document of a cell, and the status that its calls add up to.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::call::{CallRecord, Outcome, PageRecord};
use super::{Cell, Collected};
use crate::moment;
use crate::snapshot::{CellError, Status};
use crate::source::FailureKind;
use crate::wire::ServiceError;

/// Names the form of a document.
const SCHEMA: &str = "evidenced/evidence/v1";

/// Adds up the calls of a cell.
pub(super) fn finish(cell: Cell<'_>, mut calls: Vec<CallRecord>) -> Collected {
    let (status, reason) = status(cell, &calls);
    let started_at_ms = calls.iter().map(|call| call.started_at_ms).filter(|at| *at > 0).min().unwrap_or(0);
    let finished_at_ms = calls.iter().map(|call| call.finished_at_ms).max().unwrap_or(0);
    let document = match status {
        // Nothing was answered that could be evidence: the row says it all.
        Status::NotOffered | Status::RegionDisabled => None,
        _ => Some(document(cell, status, finished_at_ms, &calls)),
    };
    Collected {
        status,
        document,
        bodies: take_bodies(&mut calls),
        resources: calls.iter().map(counted).sum(),
        pages: calls.iter().map(|call| length(&call.pages)).sum(),
        request_ids: calls
            .iter()
            .flat_map(|call| call.pages.iter().filter_map(|page| page.request_id.clone()))
            .collect(),
        started_at_ms,
        finished_at_ms,
        error: calls.iter().find_map(cell_error),
        reason,
        first_output: calls.first().and_then(|call| match &call.outcome {
            Outcome::Output(output) => Some(Arc::clone(output)),
            _ => None,
        }),
    }
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn error_of(call: &CallRecord) -> Option<&ServiceError> {
    match &call.outcome {
        Outcome::Error(error) => Some(error),
        _ => None,
    }
}

fn cell_error(call: &CallRecord) -> Option<CellError> {
    let error = error_of(call)?;
    Some(CellError {
        service: call.service.clone(),
        operation: call.operation.to_owned(),
        code: error.code.clone(),
        message: error.message.clone(),
        request_id: error.request_id.clone(),
    })
}

/// `complete` when no call failed, `partial` when some did; when all did, why.
fn status(cell: Cell<'_>, calls: &[CallRecord]) -> (Status, Option<String>) {
    let failed: Vec<(&CallRecord, &ServiceError)> =
        calls.iter().filter_map(|call| Some((call, error_of(call)?))).collect();
    let scp = failed.iter().any(|(_, error)| names_scp(&error.message));
    let scp = scp.then(|| "an explicit deny in a service control policy".to_owned());
    if calls.is_empty() {
        return (Status::Failed, Some("no call was made".to_owned()));
    }
    if failed.is_empty() {
        return (Status::Complete, None);
    }
    if failed.len() < calls.len() || failed.iter().any(|(call, _)| call.incomplete.is_some()) {
        return (Status::Partial, scp);
    }
    if failed.iter().all(|(call, _)| call.failure == Some(FailureKind::NotOffered)) {
        return (Status::NotOffered, Some("the service has no endpoint in the region".to_owned()));
    }
    if failed.iter().all(|(_, error)| says_not_opted_in(&error.code, cell.known_enabled)) {
        return (Status::RegionDisabled, Some("the account has not opted in to the region".to_owned()));
    }
    if failed.iter().all(|(call, error)| is_denied(call, &error.code)) {
        return (Status::Denied, scp);
    }
    (Status::Failed, scp)
}

fn names_scp(message: &str) -> bool {
    message.contains("explicit deny in a service control policy")
}

/// Codes with which AWS refuses for want of permission.
fn is_denied(call: &CallRecord, code: &str) -> bool {
    call.failure == Some(FailureKind::Denied)
        || matches!(
            code,
            "AccessDenied"
                | "AccessDeniedException"
                | "UnauthorizedOperation"
                | "Client.UnauthorizedOperation"
                | "AuthorizationError"
                | "AuthorizationErrorException"
                | "UnauthorizedException"
                | "NotAuthorized"
                | "AllAccessDisabled"
        )
}

/// In a region that is not opted in, credentials are not known. Where the account's own list says that the region is
/// enabled, the same codes are what they say they are: bad credentials.
fn says_not_opted_in(code: &str, known_enabled: bool) -> bool {
    code == "OptInRequired"
        || (!known_enabled
            && matches!(code, "AuthFailure" | "UnrecognizedClientException" | "InvalidClientTokenId"))
}

/// Resources of the item: entries of the members that the item counts.
fn counted(call: &CallRecord) -> u64 {
    let Outcome::Output(output) = &call.outcome else { return 0 };
    call.counted.iter().filter_map(|member| output.get(member)?.as_array()).map(|list| length(list)).sum()
}

fn take_bodies(calls: &mut [CallRecord]) -> Vec<(String, bytes::Bytes)> {
    let mut bodies = Vec::new();
    for (index, call) in calls.iter_mut().enumerate() {
        for (number, page) in call.pages.iter_mut().enumerate() {
            if let Some(body) = page.body.take() {
                bodies.push((format!("{:04}-{:04}.body", index + 1, number + 1), body));
            }
        }
    }
    bodies
}

/// An object in the order in which its members are set.
struct Members(Map<String, Value>);

impl Members {
    fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

fn document(cell: Cell<'_>, status: Status, finished_at_ms: i64, calls: &[CallRecord]) -> Vec<u8> {
    let vanished: Vec<Value> = calls
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Vanished(_)))
        .map(|call| {
            json!({ "service": call.service, "operation": call.operation, "parameters": call.parameters })
        })
        .collect();
    let mut document = Members(Map::new());
    document.set("schema", json!(SCHEMA));
    document.set("item", json!(cell.item.id));
    document.set("title", json!(cell.item.title));
    document.set("criteria", json!(cell.item.criteria));
    document.set("account", json!(cell.account.id));
    document.set("partition", json!(cell.account.partition));
    document.set("region", json!(cell.region));
    document.set("collectedAt", json!(moment::milliseconds(finished_at_ms)));
    document.set("principal", json!(cell.principal));
    document.set("status", json!(status.word()));
    document.set("calls", Value::Array(calls.iter().map(call_value).collect()));
    if !vanished.is_empty() {
        document.set("vanished", Value::Array(vanished));
    }
    let mut bytes = Value::Object(document.0).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn call_value(call: &CallRecord) -> Value {
    let mut value = Members(Map::new());
    value.set("service", json!(call.service));
    value.set("operation", json!(call.operation));
    value.set("apiVersion", json!(call.api_version));
    value.set("region", json!(call.region));
    if let Some(endpoint) = &call.endpoint {
        value.set("endpoint", json!(endpoint));
    }
    value.set("parameters", Value::Object(call.parameters.clone()));
    if call.started_at_ms > 0 {
        value.set("startedAt", json!(moment::milliseconds(call.started_at_ms)));
        value.set("finishedAt", json!(moment::milliseconds(call.finished_at_ms)));
    }
    value.set("pages", Value::Array(call.pages.iter().map(page_value).collect()));
    if call.attempts_without_response > 0 {
        value.set("attemptsWithoutResponse", json!(call.attempts_without_response));
    }
    match &call.outcome {
        Outcome::Output(output) => value.set("output", Value::clone(output)),
        Outcome::Fact(error) => value.set("fact", error_value(error)),
        Outcome::Vanished(error) => value.set("vanished", error_value(error)),
        Outcome::Error(error) => value.set("error", error_value(error)),
    }
    if let Some(incomplete) = &call.incomplete {
        value.set("incompleteOutput", incomplete.clone());
    }
    for (name, list) in
        [("unknown", &call.unknown), ("anomalies", &call.anomalies), ("redacted", &call.redacted)]
    {
        if !list.is_empty() {
            value.set(name, json!(list));
        }
    }
    Value::Object(value.0)
}

fn error_value(error: &ServiceError) -> Value {
    let mut value = json!({ "code": error.code, "message": error.message });
    if let (Some(id), Some(members)) = (&error.request_id, value.as_object_mut()) {
        members.insert("requestId".to_owned(), json!(id));
    }
    value
}

fn page_value(page: &PageRecord) -> Value {
    let mut value = Members(Map::new());
    if page.status != 200 {
        value.set("status", json!(page.status));
    }
    if let Some(id) = &page.request_id {
        value.set("requestId", json!(id));
    }
    if let Some(date) = &page.date {
        value.set("date", json!(date));
    }
    value.set("attempts", json!(page.attempts));
    value.set("bytes", json!(page.bytes));
    value.set("sha256", json!(page.sha256));
    Value::Object(value.0)
}
