//! Asks timestamp authorities (RFC 3161 over HTTP) to date a digest.
//!
//! The configured authorities are asked in their order; the first answer that is good is taken. Good is: over this
//! digest, to this nonce, granted, and, where the trust root knows authorities, verified under them. Where it knows
//! none, nobody vouches for the answer here and that is said. Refused: redirects, other statuses and content types,
//! answers beyond the limit, and authorities that take too long. A clock of our own plays no part.

use std::cell::Cell;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use evidenced_bundle::timestamp::{
    Authorities, Nonce, REQUEST_TYPE, RESPONSE_BYTES, RESPONSE_TYPE, TimestampError, request, stated_time,
    verify,
};
use evidenced_bundle::{Digest, UtcSecond};
use futures_util::future::poll_fn;
use http_body::Body as _;

/// For one authority, from the connection to the last byte of its answer.
const EXCHANGE: Duration = Duration::from_secs(20);

/// Why an authority's answer was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TsaError {
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error("the URL cannot be asked: {0}")]
    Url(String),
    #[error("no answer")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", EXCHANGE.as_secs())]
    TimedOut,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("answered with content of type {0:?}, expected {RESPONSE_TYPE}")]
    ContentType(String),
    #[error("answered with more than {RESPONSE_BYTES} bytes")]
    TooLong,
    #[error("the answer is refused")]
    Refused(#[from] TimestampError),
}

/// An answer that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// As the authority sent it: what is kept.
    pub(crate) bytes: Vec<u8>,
    pub(crate) time: UtcSecond,
    /// The authority's name, when its root is in the trust root; else nobody vouches for it yet.
    pub(crate) authority: Option<String>,
}

/// The configured authorities.
#[derive(Debug)]
pub(crate) struct TimestampClient {
    urls: Vec<String>,
    connector: Connector,
    authorities: Authorities,
    /// All were silent a moment ago: hundreds of bundles must not wait for each of them.
    silent: Cell<bool>,
}

impl TimestampClient {
    /// `authorities` are those of the trust root; none: answers are taken unverified.
    pub(crate) fn new(urls: Vec<String>, connector: Connector, authorities: Authorities) -> Self {
        Self { urls, connector, authorities, silent: Cell::new(false) }
    }

    /// Whether there is anybody to ask.
    pub(crate) fn is_configured(&self) -> bool {
        !self.urls.is_empty()
    }

    /// Asks again even those that were silent before.
    pub(crate) fn try_again(&self) {
        self.silent.set(false);
    }

    /// The first good answer. Every refusal is a warning in the log. To be called where blocking is allowed.
    pub(crate) fn date(&self, imprint: &Digest) -> Option<Answer> {
        if self.silent.get() {
            return None;
        }
        for url in &self.urls {
            match self.ask(url, imprint) {
                Ok(answer) => {
                    let authority =
                        answer.authority.as_deref().unwrap_or("not in the trust root: unverified");
                    tracing::info!(url, %imprint, time = %answer.time, authority, "dated");
                    return Some(answer);
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(url, %imprint, %error, source, "timestamp authority");
                }
            }
        }
        self.silent.set(true);
        None
    }

    fn ask(&self, url: &str, imprint: &Digest) -> Result<Answer, TsaError> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(TsaError::Randomness)?;
        let nonce = Nonce::new(random);
        let request = request(imprint, &nonce)?;
        let exchange = tokio::time::timeout(EXCHANGE, self.exchange(url, request));
        let bytes =
            tokio::runtime::Handle::current().block_on(exchange).map_err(|_| TsaError::TimedOut)??;
        self.judge(bytes, imprint, Some(&nonce))
    }

    /// Whether an answer is good, as far as it can be known here.
    pub(crate) fn judge(
        &self,
        bytes: Vec<u8>,
        imprint: &Digest,
        nonce: Option<&Nonce>,
    ) -> Result<Answer, TsaError> {
        if self.authorities.is_empty() {
            let time = stated_time(&bytes, imprint, nonce)?;
            return Ok(Answer { bytes, time, authority: None });
        }
        let token = verify(&bytes, imprint, nonce, &self.authorities)?;
        let authority = Some(token.authority().to_owned());
        Ok(Answer { bytes, time: token.time(), authority })
    }

    async fn exchange(&self, url: &str, body: Vec<u8>) -> Result<Vec<u8>, TsaError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        let wrong = |error: &dyn std::error::Error| TsaError::Url(error.to_string());
        request.set_method("POST").map_err(|error| wrong(&error))?;
        request.set_uri(url).map_err(|error| wrong(&error))?;
        request.headers_mut().insert("content-type", REQUEST_TYPE);
        request.headers_mut().insert("accept", RESPONSE_TYPE);
        let response =
            self.connector.call(request).await.map_err(|error| TsaError::Transport(error.into()))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(TsaError::Status(status));
        }
        let found = response.headers().get("content-type").unwrap_or_default().to_owned();
        if !found.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(RESPONSE_TYPE)) {
            return Err(TsaError::ContentType(found));
        }
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(TsaError::Transport)?;
            let Ok(chunk) = frame.into_data() else { continue };
            if bytes.len() + chunk.len() > RESPONSE_BYTES {
                return Err(TsaError::TooLong);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
