//! The document of a cell, and the status that its calls add up to.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

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
    let (document, status, reason) = match status {
        // Nothing was answered that could be evidence: the row says it all.
        Status::NotOffered | Status::RegionDisabled => (None, status, reason),
        _ => match document(cell, status, finished_at_ms, &calls) {
            Ok(bytes) => (Some(bytes), status, reason),
            Err(error) => (None, Status::Failed, Some(format!("the document could not be written: {error}"))),
        },
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

/// A document as it is written: borrowed, so that a large output is never copied.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    item: &'a str,
    title: &'a str,
    criteria: &'a [&'a str],
    account: &'a str,
    partition: &'a str,
    region: &'a str,
    collected_at: String,
    principal: &'a str,
    status: &'static str,
    calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vanished: Vec<Gone<'a>>,
}

/// A resource that was listed and is gone.
#[derive(Serialize)]
struct Gone<'a> {
    service: &'a str,
    operation: &'a str,
    parameters: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    service: &'a str,
    operation: &'a str,
    api_version: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    parameters: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    pages: Vec<Response<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_without_response: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<Refusal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vanished: Option<Refusal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete_output: Option<&'a Value>,
    #[serde(skip_serializing_if = "list_is_empty")]
    unknown: &'a [String],
    #[serde(skip_serializing_if = "list_is_empty")]
    anomalies: &'a [String],
    #[serde(skip_serializing_if = "list_is_empty")]
    redacted: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<&'a str>,
    attempts: u32,
    bytes: u64,
    sha256: &'a str,
}

fn list_is_empty(list: &&[String]) -> bool {
    list.is_empty()
}

fn document(
    cell: Cell<'_>,
    status: Status,
    finished_at_ms: i64,
    calls: &[CallRecord],
) -> serde_json::Result<Vec<u8>> {
    let gone = |call: &&CallRecord| matches!(call.outcome, Outcome::Vanished(_));
    let document = Document {
        schema: SCHEMA,
        item: cell.item.id,
        title: cell.item.title,
        criteria: cell.item.criteria,
        account: &cell.account.id,
        partition: &cell.account.partition,
        region: cell.region,
        collected_at: moment::milliseconds(finished_at_ms),
        principal: cell.principal,
        status: status.word(),
        calls: calls.iter().map(Call::of).collect(),
        vanished: calls
            .iter()
            .filter(gone)
            .map(|call| Gone {
                service: &call.service,
                operation: call.operation,
                parameters: &call.parameters,
            })
            .collect(),
    };
    let mut bytes = serde_json::to_vec(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl<'a> Call<'a> {
    fn of(call: &'a CallRecord) -> Self {
        let at = |ms: i64| (call.started_at_ms > 0).then(|| moment::milliseconds(ms));
        let (output, fact, vanished, error) = match &call.outcome {
            Outcome::Output(output) => (Some(output.as_ref()), None, None, None),
            Outcome::Fact(refusal) => (None, Some(Refusal::of(refusal)), None, None),
            Outcome::Vanished(refusal) => (None, None, Some(Refusal::of(refusal)), None),
            Outcome::Error(refusal) => (None, None, None, Some(Refusal::of(refusal))),
        };
        Self {
            service: &call.service,
            operation: call.operation,
            api_version: &call.api_version,
            region: &call.region,
            endpoint: call.endpoint.as_deref(),
            parameters: &call.parameters,
            started_at: at(call.started_at_ms),
            finished_at: at(call.finished_at_ms),
            pages: call.pages.iter().map(Response::of).collect(),
            attempts_without_response: Some(call.attempts_without_response).filter(|count| *count > 0),
            output,
            fact,
            vanished,
            error,
            incomplete_output: call.incomplete.as_ref(),
            unknown: &call.unknown,
            anomalies: &call.anomalies,
            redacted: &call.redacted,
        }
    }
}

impl<'a> Refusal<'a> {
    fn of(error: &'a ServiceError) -> Self {
        Self { code: &error.code, message: &error.message, request_id: error.request_id.as_deref() }
    }
}

impl<'a> Response<'a> {
    fn of(page: &'a PageRecord) -> Self {
        Self {
            status: Some(page.status).filter(|status| *status != 200),
            request_id: page.request_id.as_deref(),
            date: page.date.as_deref(),
            attempts: page.attempts,
            bytes: page.bytes,
            sha256: &page.sha256,
        }
    }
}
