//! A simulated AWS: a stateless generator that answers as AWS would for (account, region, seed).
//!
//! For the demonstration, for scale, paging, faults and truth tables; not the proof of parity with AWS. It answers
//! every call of the evidence table over HTTP on loopback, in the protocol of each service, pages as AWS does, checks
//! signatures and takes fault rules. Refused: any address but loopback, unsigned requests.
//!
//! Nothing is stored: a resource is computed from its place, so every reference to it agrees. Dependencies point left:
//!
//! ```text
//! digest <- config, fault <- credentials, sign <- refuse <- request, page, write <- estate <- calls, truth <- server
//! ```

mod calls;
mod config;
mod credentials;
mod digest;
mod estate;
mod fault;
mod page;
mod refuse;
mod request;
mod server;
mod sign;
mod truth;
mod write;

use std::collections::BTreeMap;

pub use config::{Config, ConfigError, ROLE_NAME, Scale, Signatures};
pub use credentials::{Credentials, account_ids, credentials, credentials_of, external_id};
pub use fault::{Effect, Fault};
pub use server::{Running, StartError, start};
pub use truth::truth;

/// How often each (service, operation) was asked for.
pub type Requests = BTreeMap<(String, String), u64>;
