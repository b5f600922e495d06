//! Listens, answers, counts.

use std::net::SocketAddr;

use crate::{
    Requests,
    config::{Config, ConfigError},
};

/// A server that is running. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be simulated.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address that others could reach.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The embedded shape table does not load.
    #[error("the embedded shape table is broken: {0}")]
    Shapes(String),
}

/// Starts a server in the current tokio runtime.
#[expect(clippy::unused_async, reason = "the surface comes first")]
pub async fn start(config: Config, listen: SocketAddr) -> Result<Running, StartError> {
    config.check()?;
    if !listen.ip().is_loopback() {
        return Err(StartError::NotLoopback(listen));
    }
    Ok(Running { address: listen })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL: `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each (service, operation) was asked for so far.
    pub fn requests(&self) -> Requests {
        Requests::new()
    }

    /// Stops accepting and closes every connection.
    #[expect(clippy::unused_async, reason = "the surface comes first")]
    pub async fn stop(self) {}
}
