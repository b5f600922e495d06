//! A simulated AWS: a stateless generator that answers as AWS would for (account, region, seed).
//!
//! For the demonstration, for scale, paging, faults and truth tables; not the proof of parity with AWS. It
//! answers every call of the evidence table over HTTP on loopback, in the protocol of each service, pages as
//! AWS does, checks signatures and takes fault rules. Refused: any address but loopback, unsigned requests.
//!
//! Nothing is stored: a resource is computed from its place, so every reference to it agrees. Dependencies
//! point left:
//!
//! ```text
//! digest <- config, fault <- credentials, sign <- estate <- calls, page <- write, refuse <- server
//! ```

mod config;
mod credentials;
mod digest;
mod fault;
mod server;

use std::{collections::BTreeMap, net::SocketAddr};

pub use config::{Config, ConfigError, ROLE_NAME, Scale, Signatures};
pub use credentials::{Credentials, account_ids, credentials, credentials_of, external_id};
pub use fault::{Effect, Fault};
pub use server::{Running, StartError, start};

/// How often each (service, operation) was asked for.
pub type Requests = BTreeMap<(String, String), u64>;

/// Which resources have which property, for oracles.
pub fn truth(_config: &Config) -> serde_json::Value {
    serde_json::json!({})
}

const _: Option<SocketAddr> = None;
