//! What the collector asks of the world and what comes back: one request, one page.
//!
//! A [`Page`] is the final attempt's response as received; a [`Failure`] is why there is none. Nothing here
//! interprets a body: `wire` does. Refused: an empty answer in place of a failure.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

/// One API request: one page of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Service as the AWS CLI names its model: `ec2`, `elbv2`, `wafv2`, `acm`, `config`, `s3`.
    pub service: &'static str,
    /// Operation as the API names it: `DescribeVpcs`.
    pub operation: &'static str,
    /// Region whose endpoint is asked.
    pub region: String,
    /// Parameters in the AWS CLI's spelling, the page token included.
    pub parameters: Map<String, Value>,
}

/// The response of the final attempt of one request, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Response headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as received (after transfer decoding).
    pub body: Bytes,
    /// Scheme and authority that were asked, such as `https://ec2.eu-west-1.amazonaws.com`.
    pub endpoint: String,
    /// Attempts that were made, the final one included.
    pub attempts: u32,
    /// When the request was started, milliseconds since 1970 (UTC).
    pub started_at_ms: i64,
    /// When the final attempt was complete, milliseconds since 1970 (UTC).
    pub finished_at_ms: i64,
}

impl Page {
    /// The request id that AWS gave the final attempt.
    pub fn request_id(&self) -> Option<&str> {
        ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
            .iter()
            .find_map(|name| self.headers.get(*name))
            .map(String::as_str)
    }
}

/// Why a request has no page.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// A stable word for it: `Timeout`, `ConnectionFailed`, `CredentialsExpired`, `AccessDenied`, ...
    pub code: String,
    /// What the server or the transport said.
    pub message: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When the request was started, milliseconds since 1970 (UTC).
    pub started_at_ms: i64,
    /// When it was given up, milliseconds since 1970 (UTC).
    pub finished_at_ms: i64,
    /// Scheme and authority that were asked, where known.
    pub endpoint: Option<String>,
}

/// Kinds of [`Failure`], as far as they end in different words of the coverage matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No response within the limits.
    Timeout,
    /// The endpoint could not be reached, or the connection broke.
    Connection,
    /// No credentials: the role cannot be assumed, or they expired.
    Credentials,
    /// Credentials were refused for this account (`AssumeRole` was denied).
    Denied,
    /// The service has no endpoint in this region.
    NotOffered,
    /// A response that could not be received whole, or is larger than the limit.
    Response,
    /// A defect of ours: the request could not be built.
    Internal,
}

/// An account that is collected from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Name, empty where unknown.
    pub name: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
}

/// Who answers requests: AWS, the simulated AWS, or a fake in a test.
pub trait Source: Sync {
    /// Sends one request as `account` and gives the final attempt's response, whatever its status.
    ///
    /// A response with a status of 400 and more is a [`Page`]: its body says why.
    fn page(
        &self,
        account: &Account,
        request: &Request,
    ) -> impl Future<Output = Result<Page, Failure>> + Send;

    /// Who `account`'s requests are made as: the ARN of the caller.
    fn principal(&self, account: &Account) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Says that nothing more will be asked of `account` in `region`: clients may be dropped.
    fn release(&self, account: &Account, region: &str);
}
