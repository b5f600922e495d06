//! One request without a signature: whether somebody answers, and what time it is there.
//!
//! Any status is an answer. Nothing is read of the body.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;

use super::chain;

/// From the name to the head of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server's clock, seconds since 1970.
    pub(super) date: Option<i64>,
}

/// Resolves, connects with TLS where the URL says so, and asks for `/`; why there is no answer otherwise.
pub(super) async fn get(connector: &Connector, url: &str) -> Result<Answer, String> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("GET").map_err(|error| chain(&error))?;
    request.set_uri(url).map_err(|error| chain(&error))?;
    let asked = tokio::time::timeout(PATIENCE, connector.call(request)).await;
    let response = asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
    let response = response.map_err(|error| chain(&error))?;
    let date =
        response.headers().get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
    Ok(Answer { status: response.status().as_u16(), date: date.map(|date| date.secs()) })
}
