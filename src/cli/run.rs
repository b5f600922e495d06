//! `evidenced run`: the service; and `evidenced health`, which asks it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::exit::{Failed, INTERNAL};
use super::print;
use crate::clock::Time;
use crate::collector::Loaded;
use crate::daemon::{self, ServiceError};

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

pub(super) fn run(arguments: Arguments) -> Result<u8, Failed> {
    let loaded = Loaded::read(&arguments.config)?;
    // One thread: the service waits for AWS and for the clock; what blocks has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    #[cfg(feature = "demo")]
    let time = match &arguments.clock {
        Some(path) => simulated(path, &runtime)?,
        None => Time::system(),
    };
    #[cfg(not(feature = "demo"))]
    let time = Time::system();
    let served = runtime.block_on(daemon::serve(loaded, arguments.profile, time));
    // A blocked write to the store does not hold up the end: it is finished at the next start.
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(0),
        Err(ServiceError::Publish(error)) => Err(crate::collector::CollectError::from(error).into()),
        Err(ServiceError::Collect(error)) => Err(error.into()),
        Err(error @ ServiceError::Listen { .. }) => {
            Err(Failed::new(INTERNAL, error).hint("give [service] listen another port"))
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
