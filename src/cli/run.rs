//! `evidenced run`: the service; and `evidenced health`, which asks it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use evidenced_core::config::milliseconds;

use super::exit::{Failed, INTERNAL, USAGE};
use super::print;
use crate::clock::Time;
use crate::collector::{BucketRules, Loaded};
use crate::daemon::{self, HookError, Options, ServiceError};
use crate::publish::EstateRules;

/// A health check that takes longer is one that failed.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// Profile of the shared AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Write even into a bucket that is not HTTPS-only or may become public; every bundle says so.
    #[arg(long)]
    accept_bucket: bool,
    /// Go on although the newest bundle names another organisation, or accounts of which this configuration has none.
    #[arg(long)]
    accept_estate: bool,
    /// Put starts off by up to this, such as 5m, instead of [service] jitter; by an amount that follows from scope and
    /// slot.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    jitter: Option<u32>,
    /// A file that says what time it is, such as 2026-07-01T02:00:05Z: to live through a quarter in minutes. Every
    /// bundle says so.
    #[cfg(feature = "demo")]
    #[arg(long, value_name = "FILE", hide = true)]
    clock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// The configuration of the service.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// Ask whether evidence can be stored, not only whether the service works.
    #[arg(long)]
    ready: bool,
}

/// `0s`, `30s`, `5m` or `1h`, in seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let seconds = milliseconds(text).and_then(|ms| u32::try_from(ms / 1000).ok());
    seconds.ok_or_else(|| "expected a duration such as 0s, 30s, 5m or 1h".to_owned())
}

/// The collector of traces that the configuration names. What is wrong with the file is said when it is read again.
pub(super) fn collector(arguments: &Arguments) -> Option<String> {
    Loaded::read(&arguments.config).ok()?.config.service.otlp_endpoint
}

pub(super) fn run(arguments: Arguments) -> Result<u8, Failed> {
    let mut loaded = Loaded::read(&arguments.config)?;
    if let Some(jitter) = arguments.jitter {
        loaded.config.service.jitter_seconds = jitter;
    }
    // One thread: the service waits for AWS and for the clock; what blocks has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    #[cfg(feature = "demo")]
    let time = match &arguments.clock {
        Some(path) => simulated(path, &runtime)?,
        None => Time::system(),
    };
    #[cfg(not(feature = "demo"))]
    let time = Time::system();
    let options = Options {
        profile: arguments.profile,
        time,
        bucket: if arguments.accept_bucket { BucketRules::Overridden } else { BucketRules::Demanded },
        estate: if arguments.accept_estate { EstateRules::Overridden } else { EstateRules::Demanded },
    };
    let served = runtime.block_on(daemon::serve(loaded, options));
    // A blocked write to the store does not hold up the end: it is finished at the next start.
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(0),
        Err(ServiceError::Publish(error)) => Err(crate::collector::CollectError::from(error).into()),
        Err(ServiceError::Collect(error)) => Err(error.into()),
        Err(error @ ServiceError::Listen { .. }) => {
            Err(Failed::new(INTERNAL, error).hint("give [service] listen another port"))
        }
        Err(ServiceError::Hook(error)) => {
            let hint = match error {
                HookError::Tls(_) => "check AWS_CA_BUNDLE and [aws] ca_bundle",
                _ => {
                    "the secret of a notification is in a file or in a variable; paths are relative to the configuration"
                }
            };
            Err(Failed::new(USAGE, error).hint(hint))
        }
        Err(error) => Err(Failed::new(INTERNAL, error)),
    }
}

/// The clock in a file. It is looked at for as long as the runtime lives.
#[cfg(feature = "demo")]
fn simulated(path: &std::path::Path, runtime: &tokio::runtime::Runtime) -> Result<Time, Failed> {
    let (time, look) = crate::clock::file::open(path)
        .map_err(|error| Failed::usage(format!("--clock {}: {error}", path.display()), "write an instant"))?;
    tracing::warn!(clock = %path.display(), "the clock is simulated: every bundle says so");
    runtime.spawn(look);
    Ok(time)
}

pub(super) fn health(arguments: &HealthArguments) -> Result<u8, Failed> {
    let address = Loaded::read(&arguments.config)?.config.service.listen;
    let path = if arguments.ready { "/readyz" } else { "/livez" };
    let (status, body) = ask(address, path).map_err(|error| {
        Failed::new(INTERNAL, format!("the service does not answer on {address}: {error}"))
            .hint("`evidenced run` is the service; [service] listen is its address")
    })?;
    if status == 200 {
        return print(body.as_bytes());
    }
    Err(Failed::new(INTERNAL, format!("the service on {address} is not well: {}", body.trim_end())))
}

/// A request that is small enough to be written by hand: one line, one header, one short answer.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(16 << 10).read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}
