//! One call of an item, to its last page.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use evidenced_bundle::digest::Digest;
use serde_json::{Map, Value};

use super::{Cell, Context};
use crate::item::{Ask, Step};
use crate::redact::Redactor;
use crate::shape::{Operation, Service};
use crate::source::{Failure, FailureKind, Page, Request, Source};
use crate::wire::{self, ServiceError, WireError};

/// More pages than any list of AWS has: beyond it a service is looping.
const PAGES_AT_MOST: usize = 20_000;

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every page was read: the merged output.
    Output(Arc<Value>),
    /// The service's refusal is the answer: there is no such configuration.
    Fact(ServiceError),
    /// The resource was there when it was listed, and is not any more.
    Vanished(ServiceError),
    /// It failed; what was read before is in `incomplete`.
    Error(ServiceError),
}

/// One call as it stands in the document.
#[derive(Debug)]
pub struct CallRecord {
    pub(super) service: String,
    pub(super) operation: &'static str,
    pub(super) api_version: String,
    pub(super) counted: &'static [&'static str],
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) parameters: Map<String, Value>,
    pub(super) started_at_ms: i64,
    pub(super) finished_at_ms: i64,
    pub(super) pages: Vec<PageRecord>,
    pub(super) attempts_without_response: u32,
    pub(super) outcome: Outcome,
    pub(super) failure: Option<FailureKind>,
    pub(super) incomplete: Option<Value>,
    pub(super) unknown: Vec<String>,
    pub(super) anomalies: Vec<String>,
    pub(super) redacted: Vec<String>,
}

/// One response as it stands in the document.
#[derive(Debug)]
pub(super) struct PageRecord {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    pub(super) date: Option<String>,
    pub(super) attempts: u32,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The body, when it is to be kept.
    pub(super) body: Option<Bytes>,
}

/// How reading the pages ended.
enum End {
    Last,
    Refused(ServiceError),
    Broken(ServiceError),
    NoResponse(Failure),
}

/// Makes one call and reads it to its last page.
pub(super) async fn call<S: Source>(
    context: &Context<'_, S>,
    cell: Cell<'_>,
    step: &'static Step,
    ask: Ask,
) -> CallRecord {
    let region = ask.region.unwrap_or_else(|| cell.asked_region().to_owned());
    let mut record = CallRecord::unasked(step.service, step.operation, region, ask.parameters);
    record.counted = step.counted;
    let table = context.shapes.service(step.service);
    let Some((service, operation)) = table.and_then(|it| Some((it, it.operations.get(step.operation)?)))
    else {
        record.outcome = Outcome::Error(ours("Internal", "the shape table does not have this operation"));
        return record;
    };
    record.api_version.clone_from(&service.api_version);
    set_page_size(operation, &mut record.parameters);
    let (outputs, end) = pages(context, cell, step, service, operation, &mut record).await;
    conclude(context, step, operation, outputs, end, &mut record);
    record
}

/// Asks for the largest page that the model allows: fewer requests, the same evidence.
fn set_page_size(operation: &Operation, parameters: &mut Map<String, Value>) {
    let Some(pages) = &operation.pages else { return };
    if let (Some(key), Some(most)) = (&pages.limit_key, pages.page_size_max) {
        parameters.entry(key.clone()).or_insert_with(|| Value::from(most));
    }
}

async fn pages<S: Source>(
    context: &Context<'_, S>,
    cell: Cell<'_>,
    step: &'static Step,
    service: &Service,
    operation: &Operation,
    record: &mut CallRecord,
) -> (Vec<Value>, End) {
    let mut outputs: Vec<Value> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut token: Map<String, Value> = Map::new();
    let keep = context.raw && !Redactor::covers(step.service, step.operation);
    loop {
        let mut parameters = record.parameters.clone();
        parameters.append(&mut token);
        let request = Request {
            service: step.service,
            operation: step.operation,
            region: record.region.clone(),
            parameters,
        };
        let page = match context.source.page(cell.account, &request).await {
            Ok(page) => page,
            Err(failure) => {
                record.note_failure(&failure);
                return (outputs, End::NoResponse(failure));
            }
        };
        record.note_page(&page, keep);
        if !(200..300).contains(&page.status) {
            return (outputs, End::Refused(wire::service_error(service, &page)));
        }
        let converted = match wire::convert(service, operation, &page) {
            Ok(converted) => converted,
            Err(error) => return (outputs, End::Broken(malformed(&error, &page))),
        };
        record.unknown.extend(converted.unknown);
        record.anomalies.extend(converted.anomalies);
        let output = converted.output;
        let next = wire::next_token(operation, &output);
        let empty = wire::is_empty(operation, &output);
        let short =
            wire::cut_short(operation, &output) || (matches!(next, Ok(None)) && left_out_routes(&output));
        outputs.push(output);
        if short {
            let message = "the service says that there are more results and gives no way to read them";
            return (outputs, End::Broken(with_request(ours("Truncated", message), &page)));
        }
        token = match next {
            Ok(None) => return (outputs, End::Last),
            Ok(Some(token)) => token,
            Err(error) => return (outputs, End::Broken(malformed(&error, &page))),
        };
        if !seen.insert(Value::Object(token.clone()).to_string()) {
            // WAF may give the same marker again with an empty page when there is nothing more.
            if empty && operation.pages.as_ref().is_some_and(|pages| !pages.from_botocore) {
                return (outputs, End::Last);
            }
            let message = "the service gave a page token a second time: the list cannot be completed";
            return (outputs, End::Broken(with_request(ours("RepeatedToken", message), &page)));
        }
        if outputs.len() >= PAGES_AT_MOST {
            let message = format!("more than {PAGES_AT_MOST} pages");
            return (outputs, End::Broken(with_request(ours("TooManyPages", &message), &page)));
        }
    }
}

fn conclude<S>(
    context: &Context<'_, S>,
    step: &Step,
    operation: &Operation,
    outputs: Vec<Value>,
    end: End,
    record: &mut CallRecord,
) {
    let first = outputs.is_empty();
    let mut merged = (!first).then(|| wire::merge(operation, outputs));
    if let Some(output) = &mut merged {
        record.redacted = context.redactor.apply(step.service, step.operation, output);
    }
    record.outcome = match end {
        End::Last => match merged.take() {
            Some(output) => Outcome::Output(Arc::new(output)),
            None => Outcome::Error(ours("Internal", "a call without a page")),
        },
        End::Refused(error) if first && step.facts.contains(&error.code.as_str()) => Outcome::Fact(error),
        End::Refused(error) if first && step.vanished.contains(&error.code.as_str()) => {
            Outcome::Vanished(error)
        }
        End::Refused(error) | End::Broken(error) => Outcome::Error(unquoted(step, error)),
        End::NoResponse(failure) => {
            record.failure = Some(failure.kind);
            Outcome::Error(ours(&failure.code, &failure.message))
        }
    };
    record.incomplete = merged;
}

/// `SearchTransitGatewayRoutes` says when it left routes out; without a token they cannot be read.
fn left_out_routes(output: &Value) -> bool {
    output.get("AdditionalRoutesAvailable").and_then(Value::as_bool) == Some(true)
}

/// A body that is not an error of the service's form may echo what the redaction table removes: it is not quoted.
fn unquoted(step: &Step, mut error: ServiceError) -> ServiceError {
    if error.code.starts_with("Http") && Redactor::covers(step.service, step.operation) {
        "the body is not quoted: it may hold values that are redacted".clone_into(&mut error.message);
    }
    error
}

fn ours(code: &str, message: &str) -> ServiceError {
    ServiceError { code: code.to_owned(), message: message.to_owned(), request_id: None, region: None }
}

fn with_request(mut error: ServiceError, page: &Page) -> ServiceError {
    error.request_id = page.request_id().map(str::to_owned);
    error
}

fn malformed(error: &WireError, page: &Page) -> ServiceError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let code = match error {
        WireError::WrongRoot { .. } => "WrongRoot",
        _ => "MalformedResponse",
    };
    with_request(ours(code, &text), page)
}

impl CallRecord {
    fn unasked(
        service: &str,
        operation: &'static str,
        region: String,
        parameters: Map<String, Value>,
    ) -> Self {
        Self {
            service: service.to_owned(),
            operation,
            api_version: String::new(),
            counted: &[],
            region,
            endpoint: None,
            parameters,
            started_at_ms: 0,
            finished_at_ms: 0,
            pages: Vec::new(),
            attempts_without_response: 0,
            outcome: Outcome::Error(ours("Internal", "not asked")),
            failure: None,
            incomplete: None,
            unknown: Vec::new(),
            anomalies: Vec::new(),
            redacted: Vec::new(),
        }
    }

    /// The record of an account that could not be entered.
    pub(super) fn door(cell: Cell<'_>, failure: &Failure) -> Self {
        let mut record =
            Self::unasked("sts", "GetCallerIdentity", cell.asked_region().to_owned(), Map::new());
        "2011-06-15".clone_into(&mut record.api_version);
        record.note_failure(failure);
        record.outcome = Outcome::Error(ours(&failure.code, &failure.message));
        record.failure = Some(failure.kind);
        record
    }

    fn note_times(&mut self, started: i64, finished: i64) {
        if self.started_at_ms == 0 {
            self.started_at_ms = started;
        }
        self.finished_at_ms = finished;
    }

    fn note_failure(&mut self, failure: &Failure) {
        self.note_times(failure.started_at_ms, failure.finished_at_ms);
        if self.endpoint.is_none() {
            self.endpoint.clone_from(&failure.endpoint);
        }
        self.attempts_without_response += failure.attempts;
    }

    fn note_page(&mut self, page: &Page, keep: bool) {
        self.note_times(page.started_at_ms, page.finished_at_ms);
        if self.endpoint.is_none() {
            self.endpoint = Some(page.endpoint.clone());
        }
        self.pages.push(PageRecord {
            status: page.status,
            request_id: page.request_id().map(str::to_owned),
            date: page.headers.get("date").cloned(),
            attempts: page.attempts,
            bytes: u64::try_from(page.body.len()).unwrap_or(u64::MAX),
            sha256: Digest::of(&page.body).to_string(),
            body: keep.then(|| page.body.clone()),
        });
    }
}
