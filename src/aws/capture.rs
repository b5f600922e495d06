//! Captures the final attempt of one request, as an interceptor of the SDK.
//!
//! Kept: status, headers, body, endpoint, attempts and times, for every status. A 2xx body that the SDK's own parser
//! would refuse is kept all the same. Each attempt starts anew: what an earlier attempt left is never reported as the
//! answer. Refused: a body that did not arrive whole, and a second try of one that is too large.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use evidenced_core::source::{Failure, FailureKind, Page};

use super::failure::Refusal;
use super::keep::{KeepingBody, Kept, Shelf, Shown};
use super::limiter::Lane;

/// What two clocks said at one moment, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerClock {
    /// The server's, from its `Date`.
    pub(crate) server: i64,
    /// That of this machine.
    pub(crate) ours: i64,
}

/// One request's capture; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    state: Arc<Mutex<State>>,
    lane: Option<Arc<Lane>>,
    limit_bytes: usize,
    stand_in: Option<Bytes>,
    started_at_ms: i64,
}

#[derive(Debug, Default)]
struct State {
    attempts: u32,
    throttles: u32,
    endpoint: Option<String>,
    answer: Option<Answer>,
    finished_at_ms: Option<i64>,
}

/// The head of an attempt's response, and where its body is kept.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Shelf,
}

impl Capture {
    /// A capture of a request that starts now. Bodies are kept up to `limit_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { state: Arc::default(), lane: None, limit_bytes, stand_in: None, started_at_ms: now_ms() }
    }

    /// Tells `lane` of further attempts and of throttles.
    pub(super) fn on(mut self, lane: Arc<Lane>) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Shows the SDK's parser this document in place of a 2xx body, where the typed output is not wanted.
    pub(super) fn showing(mut self, stand_in: Option<Bytes>) -> Self {
        self.stand_in = stand_in;
        self
    }

    /// The page, where the final attempt was answered in full; else why not.
    ///
    /// A whole answer wins over `outcome`: what the SDK makes of it (a modelled error, a parse that failed) is not
    /// asked.
    pub(super) fn finish(&self, outcome: Result<(), Refusal>) -> Result<Page, Failure> {
        let state = self.state();
        let attempts = state.attempts;
        let finished_at_ms = state.finished_at_ms.unwrap_or_else(now_ms);
        if let Some(Answer { status, headers, body }) = &state.answer
            && let Kept::Whole(body) = body.look()
        {
            return Ok(Page {
                status: *status,
                headers: headers.clone(),
                body,
                endpoint: state.endpoint.clone().unwrap_or_default(),
                attempts,
                started_at_ms: self.started_at_ms,
                finished_at_ms,
            });
        }
        let too_large = state.answer.as_ref().is_some_and(|answer| answer.body.look() == Kept::TooLarge);
        let Refusal { kind, code, message } = match outcome {
            Err(refusal) if too_large => Refusal {
                kind: FailureKind::Response,
                code: String::from("ResponseTooLarge"),
                message: format!("the response is larger than {} bytes ({})", self.limit_bytes, refusal.code),
            },
            Err(refusal) => refusal,
            Ok(()) => {
                Refusal::internal("CaptureMissing", "the SDK reports success, but no response was captured")
            }
        };
        Err(Failure {
            kind,
            code,
            message,
            attempts,
            started_at_ms: self.started_at_ms,
            finished_at_ms,
            endpoint: state.endpoint.clone(),
        })
    }

    /// Attempts that were throttled.
    pub(super) fn throttles(&self) -> u32 {
        self.state().throttles
    }

    /// Attempts, the endpoint that was asked, and the start.
    pub(super) fn asked(&self) -> (u32, Option<String>, i64) {
        let state = self.state();
        (state.attempts, state.endpoint.clone(), self.started_at_ms)
    }

    /// When the server says that it answered (its `Date`), and when its answer was here, by the clock of this machine.
    pub(super) fn clock(&self) -> Option<ServerClock> {
        let state = self.state();
        let date = state.answer.as_ref()?.headers.get("date")?;
        let server = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
        let ours = state.finished_at_ms.unwrap_or_else(now_ms).div_euclid(1000);
        Some(ServerClock { server, ours })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = self.state();
        if let Some(answer) = &state.answer
            && answer.body.look() == Kept::TooLarge
        {
            // The SDK takes a body that failed for transient; a large one only gets larger.
            return Err("the response was too large: not asked again".into());
        }
        state.attempts = state.attempts.saturating_add(1);
        state.answer = None;
        state.finished_at_ms = None;
        if state.attempts > 1
            && let Some(lane) = &self.lane
        {
            lane.spend();
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.state().endpoint = Some(origin(context.request().uri()).to_owned());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let status = response.status().as_u16();
        let headers = headers(response);
        let promised_bytes = headers.get("content-length").and_then(|length| length.parse().ok());
        let shown = match &self.stand_in {
            Some(document) if (200..300).contains(&status) => Shown::StandIn(document.clone()),
            Some(_) | None => Shown::Body,
        };
        let shelf = Shelf::default();
        let inner = response.take_body();
        let body = KeepingBody::new(inner, shelf.clone(), promised_bytes, self.limit_bytes, shown);
        *response.body_mut() = SdkBody::from_body_1_x(body);
        self.state().answer = Some(Answer { status, headers, body: shelf });
        Ok(())
    }

    fn read_after_attempt(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = self.state();
        state.finished_at_ms = Some(now_ms());
        if let Some(answer) = &state.answer
            && let Kept::Whole(body) = answer.body.look()
            && says_slow_down(answer.status, &answer.headers, &body)
        {
            state.throttles = state.throttles.saturating_add(1);
            if let Some(lane) = &self.lane {
                lane.throttled();
            }
        }
        Ok(())
    }
}

/// Error codes with which AWS asks for fewer requests (those the SDK treats as throttles).
const THROTTLES: [&str; 13] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// How much of an error body is searched for its code.
const CODE_WITHIN_BYTES: usize = 4096;

fn says_slow_down(status: u16, headers: &BTreeMap<String, String>, body: &[u8]) -> bool {
    if status == 429 {
        return true;
    }
    if status < 400 {
        return false;
    }
    let head = String::from_utf8_lossy(body.get(..CODE_WITHIN_BYTES).unwrap_or(body));
    let named = headers.get("x-amzn-errortype").map_or("", String::as_str);
    THROTTLES.iter().any(|code| {
        // The code as an element, as a JSON value (`"X"` or `prefix#X"`), or in the header.
        head.contains(&format!("<Code>{code}</Code>"))
            || head.contains(&format!("\"{code}\""))
            || head.contains(&format!("#{code}\""))
            || named.split([':', '#']).any(|part| part == *code)
    })
}

/// Scheme and authority of a URI.
fn origin(uri: &str) -> &str {
    let authority = uri.find("://").map_or(0, |at| at.saturating_add(3));
    let end = uri
        .get(authority..)
        .and_then(|rest| rest.find(['/', '?']))
        .map_or(uri.len(), |at| authority.saturating_add(at));
    uri.get(..end).unwrap_or(uri)
}

fn headers(response: &Response) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    headers
}

/// Milliseconds since 1970 (UTC).
pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_authority() {
        assert_eq!(
            origin("https://ec2.eu-west-1.amazonaws.com/?Action=x"),
            "https://ec2.eu-west-1.amazonaws.com"
        );
        assert_eq!(origin("http://127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(origin("http://127.0.0.1:5000?x"), "http://127.0.0.1:5000");
    }

    #[test]
    fn throttles_are_told_by_their_code_and_a_quota_error_is_none() {
        let none = BTreeMap::new();
        let ec2 = b"<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>";
        assert!(says_slow_down(503, &none, ec2));
        assert!(says_slow_down(400, &none, br#"{"__type":"com.amazonaws.wafv2#ThrottlingException"}"#));
        assert!(says_slow_down(400, &none, br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#));
        assert!(says_slow_down(429, &none, b""));
        let header =
            BTreeMap::from([("x-amzn-errortype".to_owned(), "ThrottlingException:http://x".to_owned())]);
        assert!(says_slow_down(400, &header, b"{}"));
        assert!(!says_slow_down(400, &none, br#"{"__type":"WAFLimitsExceededException"}"#));
        assert!(!says_slow_down(403, &none, b"<Error><Code>AccessDenied</Code></Error>"));
        assert!(!says_slow_down(200, &none, ec2));
    }
}
