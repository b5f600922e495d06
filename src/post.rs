//! A small POST to somebody who is not AWS: a timestamp authority, a notification, a collector of traces.
//!
//! One request, one answer under a limit, by the HTTP client of the SDK with its TLS, roots and proxy. Redirects are not
//! followed: an answer is that of the URL that was asked. The time-out is the caller's.

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use futures_util::future::poll_fn;
use http_body::Body as _;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("the URL cannot be asked: {0}")]
    Url(String),
    #[error("no answer")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("answered with more than {0} bytes")]
    TooLong(usize),
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty where there is none.
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// Posts a body, and reads the answer to its end.
pub(crate) async fn post(
    connector: &Connector,
    url: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
    limit_bytes: usize,
) -> Result<Answer, PostError> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    let wrong = |error: &dyn std::error::Error| PostError::Url(error.to_string());
    request.set_method("POST").map_err(|error| wrong(&error))?;
    request.set_uri(url).map_err(|error| wrong(&error))?;
    for (name, value) in headers {
        request
            .headers_mut()
            .try_insert(name.clone(), value.clone())
            .map_err(|error| PostError::Url(error.to_string()))?;
    }
    let response = connector.call(request).await.map_err(|error| PostError::Transport(error.into()))?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").unwrap_or_default().to_owned();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        let Ok(chunk) = frame.map_err(PostError::Transport)?.into_data() else { continue };
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(PostError::TooLong(limit_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Answer { status, content_type, body: bytes })
}
