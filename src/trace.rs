//! Spans of a run: the run, each account in a region, each call. They go to an OpenTelemetry collector, if anywhere.
//!
//! Attributes are names and outcomes: never a body, a key or an ExternalId. Without a collector no span is made but that
//! of the run, which the log lines carry. Promised: a collector that is slow, dead or wrong costs a run nothing; what it
//! does not take is dropped. With the feature `otlp` (on by default).

use evidenced_bundle::BagId;
use tracing::Span;

/// Target of the spans that only traces have; log lines never carry them.
pub(crate) const TARGET: &str = "evidenced_spans";

/// The span of a run. An error's, so that no filter takes it away: every line of the run carries it.
pub(crate) fn run(id: &BagId) -> Span {
    tracing::error_span!("run", run = %id, slot = %id.slot())
}

/// The span of an account in a region, below the run that is current.
pub(crate) fn place(account: &str, region: &str) -> Span {
    tracing::info_span!(target: TARGET, "account/region", account, region)
}

/// The span of one request with all its attempts.
pub(crate) fn call(place: &Span, account: &str, region: &str, service: &str, operation: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: place,
        "call",
        account,
        region,
        "rpc.system" = "aws-api",
        "rpc.service" = service,
        "rpc.method" = operation,
        attempts = tracing::field::Empty,
        outcome = tracing::field::Empty,
    )
}

/// The collector that the environment names, or the configuration.
pub(crate) fn endpoint(configured: Option<&str>) -> Option<String> {
    let variable = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
    variable.filter(|url| !url.is_empty()).or_else(|| configured.map(str::to_owned))
}

#[cfg(feature = "otlp")]
pub(crate) use otlp::Traces;

#[cfg(feature = "otlp")]
mod otlp {
    //! The exporter: OTLP over HTTP with protobuf, on a thread of its own with a runtime of its own.

    use std::fmt;
    use std::pin::Pin;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use aws_smithy_http_client::Connector;
    use opentelemetry::KeyValue;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
    use tokio::runtime::Runtime;

    use crate::aws;
    use crate::post::post;

    /// For one batch of spans.
    const EXPORT: Duration = Duration::from_secs(5);
    /// For the last batch, when the process ends.
    const LAST: Duration = Duration::from_secs(3);
    /// The collector's answers are short.
    const ANSWER_BYTES: usize = 1 << 20;

    /// Where spans go; the last of them when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Traces {
        provider: SdkTracerProvider,
    }

    impl Traces {
        /// Begins to export to a collector, such as `http://127.0.0.1:4318`.
        pub(crate) fn start(endpoint: &str) -> Result<Self, Box<dyn std::error::Error>> {
            let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            let client = Client {
                connector: aws::connector(None, std::slice::from_ref(&url))?,
                runtime: Mutex::new(tokio::runtime::Builder::new_current_thread().enable_all().build()?),
            };
            let exporter = SpanExporter::builder()
                .with_http()
                .with_http_client(client)
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(url)
                .with_timeout(EXPORT)
                .build()?;
            let resource = Resource::builder()
                .with_service_name("evidenced")
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .build();
            let provider =
                SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
            Ok(Self { provider })
        }

        pub(crate) fn tracer(&self) -> SdkTracer {
            self.provider.tracer("evidenced")
        }
    }

    impl Drop for Traces {
        fn drop(&mut self) {
            if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
                tracing::debug!(%error, "the last spans were not exported");
            }
        }
    }

    /// The HTTP client of the SDK for AWS, as OpenTelemetry's.
    struct Client {
        connector: Connector,
        runtime: Mutex<Runtime>,
    }

    impl fmt::Debug for Client {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("Client")
        }
    }

    impl HttpClient for Client {
        // The trait is made by a macro, whose form this is.
        fn send_bytes<'a, 'b>(
            &'a self,
            request: Request<Bytes>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            // Asked by the exporter's own thread, which may block: it has nothing else to do.
            Box::pin(async move { self.send(request) })
        }
    }

    impl Client {
        fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let (parts, body) = request.into_parts();
            let headers: Vec<(String, String)> = parts
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect();
            let url = parts.uri.to_string();
            let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = runtime.block_on(async {
                let asked = post(&self.connector, &url, &headers, body.to_vec(), ANSWER_BYTES);
                tokio::time::timeout(EXPORT, asked).await
            })??;
            Ok(Response::builder().status(answer.status).body(answer.body.into())?)
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod otlp {
    /// Nothing is traced in this build.
    #[derive(Debug)]
    pub(crate) struct Traces;
}
#[cfg(not(feature = "otlp"))]
pub(crate) use otlp::Traces;
