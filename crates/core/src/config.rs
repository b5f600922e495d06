//! The configuration: one TOML file in, one checked value out, or every problem at once.
//!
//! Pure: paths stay as they were written; the shell resolves them against the file's folder. Promised: unknown keys
//! are refused with the nearest known one; `effective` is what goes into the bundle (`data/config.json`), defaults
//! filled, without secrets, ExternalIds or file paths.

mod effective;
mod hook;
mod reader;
mod sections;
mod store;

use std::collections::BTreeMap;

use evidenced_bundle::Digest;
use serde_json::Value;
use toml::de::DeTable;

use crate::exceptions::Exception;
use crate::gaps::AcceptedGap;
use crate::plan::Regions;
use crate::schedule::Schedule;

pub use effective::effective;
pub use hook::{Hook, HookSecret, HookTarget};
pub use reader::{Problem, milliseconds, nearest};
pub use store::{Lock, LockMode, S3, Store};

/// A configuration without problems.
#[derive(Debug, Clone)]
pub struct Config {
    /// Names the bundles: `[a-z0-9-]{1,32}`.
    pub scope: String,
    /// Source-Organization of every bag.
    pub organisation: String,
    /// When a snapshot is due.
    pub schedule: Schedule,
    /// Where bundles, log and trust root lie.
    pub store: Store,
    /// Folder where a run works and a sealed bundle waits for the store, as written.
    pub spool: String,
    /// Less free space than this in the spool, and no run starts.
    pub spool_min_free_bytes: u64,
    /// Keys and the log's origin.
    pub signing: Signing,
    /// `[service]`.
    pub service: Service,
    /// Accounts and regions.
    pub aws: Aws,
    /// Gaps that are expected.
    pub accepted_gaps: Vec<AcceptedGap>,
    /// How collecting is done.
    pub collect: Collect,
    /// How large a bag may be.
    pub bundle: BagSize,
    /// `[checks]`.
    pub checks: Checks,
    /// `[[controls]]`.
    pub controls: Vec<Value>,
    /// `[[exceptions]]`.
    pub exceptions: Vec<Exception>,
    /// Where keys of these sections stand: `exceptions[0].check` and its line.
    pub lines: BTreeMap<String, usize>,
}

/// `[signing]`.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Origin of the log; never changes.
    pub origin: String,
    /// Signs bundles and statements.
    pub evidence_key: KeySource,
    /// Signs checkpoints.
    pub log_key: Option<KeySource>,
    /// Folder of the trust root, or one of its versions, as written.
    pub trust_root: Option<String>,
    /// Time-stamping authorities, tried in order.
    pub timestamp_urls: Vec<String>,
}

/// The trust root that a run was made under: a change of keys is dated by the bundle that first names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustRootInForce {
    /// Its version.
    pub version: u32,
    /// SHA-256 of its statement.
    pub sha256: Digest,
}

/// `[service]`: how `evidenced run` behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Where health and metrics are answered.
    pub listen: std::net::SocketAddr,
    /// Starts are put off by up to this, in seconds.
    pub jitter_seconds: u32,
    /// The bound on a run, and the life of its lease, in milliseconds.
    pub max_run_ms: u64,
    /// How long a run may go on after SIGTERM, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Told when a run failed.
    pub on_failure: Option<Hook>,
    /// Told when a run has gaps that the run before did not have.
    pub on_gap: Option<Hook>,
    /// Where traces go (OTLP over HTTP), such as `http://127.0.0.1:4318`; none: as the environment says.
    pub otlp_endpoint: Option<String>,
}

/// Where a signing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A PKCS#8 PEM file, as written.
    File(String),
    /// A key in AWS KMS: id, ARN or alias.
    Kms(String),
}

/// `[aws]`.
#[derive(Debug, Clone)]
pub struct Aws {
    /// Named profile.
    pub profile: Option<String>,
    /// Endpoint in place of AWS's.
    pub endpoint_url: Option<String>,
    /// PEM file of certificate authorities, as written.
    pub ca_bundle: Option<String>,
    /// Region for global calls.
    pub home_region: Option<String>,
    /// Which regions.
    pub regions: Regions,
    /// Configured accounts, by id.
    pub accounts: BTreeMap<String, AccountEntry>,
    /// `[aws.organization]`.
    pub organization: Option<Organization>,
}

/// `[[aws.accounts]]`.
#[derive(Debug, Clone)]
pub struct AccountEntry {
    /// Name, where the organisation does not give one.
    pub name: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Of the SOC 2 system.
    pub in_scope: bool,
    /// Why it is left out, when it is.
    pub excluded: Option<String>,
    /// How it is entered; none: with the caller's own credentials.
    pub role: Option<Role>,
}

/// A role that is assumed.
#[derive(Debug, Clone)]
pub struct Role {
    /// Role name (not ARN).
    pub name: String,
    /// Where the `ExternalId` is, where the role's trust policy asks for one.
    pub external_id: Option<ExternalId>,
}

/// Where an `ExternalId` is; it is never in the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalId {
    /// A file, as written.
    File(String),
    /// A variable of the environment: how a container gets it from a vault.
    Variable(String),
}

/// `[aws.organization]`: every active account, by one role.
#[derive(Debug, Clone)]
pub struct Organization {
    /// How each member account is entered.
    pub role: Role,
}

/// `[collect]`.
#[derive(Debug, Clone)]
pub struct Collect {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Share of AWS's documented rates; none: 0.3 against AWS, no limit against a loopback endpoint.
    pub quota_share: Option<f64>,
    /// One attempt, body included, in milliseconds.
    pub attempt_timeout_ms: u64,
    /// All attempts together, in milliseconds.
    pub operation_timeout_ms: u64,
    /// Attempts at most.
    pub max_attempts: u32,
    /// Adaptive retries instead of standard ones.
    pub retry_mode: RetryMode,
    /// Keep response bodies.
    pub raw: bool,
    /// Header names whose values are secrets.
    pub redact_headers: Vec<String>,
    /// Which items.
    pub items: Vec<String>,
}

/// `[bundle]`: beyond this a run is cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BagSize {
    /// Files of a bag, tag files included.
    pub max_entries: u64,
    /// All its files together, uncompressed.
    pub max_bytes: u64,
}

/// The SDK's two ways to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMode {
    /// Exponential backoff.
    Standard,
    /// Backoff and a client-side rate limit.
    Adaptive,
}

/// `[checks]`.
#[derive(Debug, Clone)]
pub struct Checks {
    /// `guide` or `aws`.
    pub profile: String,
    /// Folder of the customer's own policies, as written.
    pub policies_dir: Option<String>,
    /// Parameters by check.
    pub params: Value,
}

/// What is wrong with a configuration, and what it says all the same.
#[derive(Debug)]
pub struct Wrong {
    /// In the order of the lines.
    pub problems: Vec<Problem>,
    /// What could be read, so that what depends on it can be looked at too. None where the file is no TOML: behind a
    /// broken line nobody knows which key belongs to which section, and every answer would be a guess.
    pub rest: Option<Box<Config>>,
}

/// Reads a configuration, or says everything that is wrong with it, in the order of the lines.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    read(text).map_err(|wrong| wrong.problems)
}

/// The same, with what could be read in spite of its problems.
pub fn read(text: &str) -> Result<Config, Wrong> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = reader::Reader::new(text);
    for error in &errors {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        reader.problem(line, String::new(), None, format!("not TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return Err(Wrong { problems: sorted(reader.problems), rest: None });
    }
    let config = sections::config(&mut reader, root.get_ref());
    match config {
        Some(config) if reader.problems.is_empty() => Ok(config),
        rest => Err(Wrong { problems: sorted(reader.problems), rest: rest.map(Box::new) }),
    }
}

/// Reads a file of parameters, `[<check>]` with their values: what `[checks.params]` of a configuration holds.
pub fn parse_params(text: &str) -> Result<Value, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = reader::Reader::new(text);
    for error in &errors {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        reader.problem(line, String::new(), None, format!("not TOML: {}", error.message()));
    }
    if errors.is_empty() { Ok(reader::json_of(root.get_ref())) } else { Err(sorted(reader.problems)) }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests;
