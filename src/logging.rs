//! Logs: `tracing` on standard error, as text or as one JSON object a line. Never a body, a key or an ExternalId.

use std::io::IsTerminal as _;

#[cfg(feature = "otlp")]
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::trace::{self, Traces};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What may show response bodies or headers when it traces: never more than `info`, whatever is asked for.
const QUIET: &[&str] = &[
    "aws_config",
    "aws_runtime",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "aws_sdk_s3",
    "hyper",
    "hyper_util",
];

/// Starts logging for the process, and traces where a collector is named. What is given back ends them.
pub(crate) fn start(format: LogFormat, verbosity: u8, collector: Option<&str>) -> Option<Traces> {
    let level = match verbosity {
        0 => "warn",
        1 => "evidenced=info,warn",
        2 => "evidenced=debug,info",
        _ => "evidenced=trace,debug",
    };
    let asked = EnvFilter::try_from_env("EVIDENCED_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let filter = QUIET
        .iter()
        .map(|target| format!("{target}=info"))
        // What is only for traces is no span of a log line.
        .chain([format!("{}=off", trace::TARGET)])
        .filter_map(|directive| directive.parse().ok())
        .fold(asked, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours()).with_target(false).with_filter(filter).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    };
    let (traces, spans, failed) = spans(collector);
    if tracing_subscriber::registry().with(lines).with(spans).try_init().is_err() {
        // A second start in one process (tests): the first one stays.
    }
    if let Some(error) = failed {
        tracing::error!(error, "traces are not exported");
    }
    traces
}

type Spans = Option<Box<dyn Layer<Layered<Lines, Registry>> + Send + Sync>>;
type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// The exporter of spans, where a collector is named; or why there is none.
#[cfg(feature = "otlp")]
fn spans(collector: Option<&str>) -> (Option<Traces>, Spans, Option<String>) {
    let Some(endpoint) = collector else { return (None, None, None) };
    match Traces::start(endpoint) {
        Ok(traces) => {
            let wanted = filter_fn(|about| {
                about.is_span() && (about.target() == trace::TARGET || about.name() == "run")
            });
            let layer = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer())
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(wanted);
            (Some(traces), Some(layer.boxed()), None)
        }
        Err(error) => (None, None, Some(error.to_string())),
    }
}

#[cfg(not(feature = "otlp"))]
fn spans(collector: Option<&str>) -> (Option<Traces>, Spans, Option<String>) {
    (None, None, collector.map(|_| "this build has no traces (feature otlp)".to_owned()))
}

/// Colours only on a terminal that wants them (no-color.org).
pub(crate) fn colours() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stderr().is_terminal()
        && unset("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
