//! Logs: `tracing` on standard error, as text or as one JSON object a line. Never a body, a key or an ExternalId.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

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

/// Starts logging for the process.
pub(crate) fn start(format: LogFormat, verbosity: u8) {
    let level = match verbosity {
        0 => "warn",
        1 => "evidenced=info,warn",
        2 => "evidenced=debug,info",
        _ => "evidenced=trace,debug",
    };
    let asked = EnvFilter::try_from_env("EVIDENCED_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let filter = QUIET
        .iter()
        .filter_map(|target| format!("{target}=info").parse().ok())
        .fold(asked, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(colours()).with_target(false).try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
    };
    if started.is_err() {
        // A second start in one process (tests): the first one stays.
    }
}

/// Colours only on a terminal that wants them (no-color.org).
pub(crate) fn colours() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stderr().is_terminal()
        && unset("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
