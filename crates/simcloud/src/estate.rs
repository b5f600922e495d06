//! What one account has in one region: every resource a function of its place.
//!
//! An identifier is computed, never looked up, so all calls that name a resource agree. The answers are in the
//! AWS CLI's spelling, whole, before paging. Pure; the only clock is the configuration's `now`.

pub(crate) mod balancers;
pub(crate) mod buckets;
pub(crate) mod certificates;
pub(crate) mod compliance;
pub(crate) mod firewall;
pub(crate) mod gateways;
pub(crate) mod groups;
pub(crate) mod hosts;
pub(crate) mod links;
pub(crate) mod network;
pub(crate) mod organisation;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{config::Config, credentials::account_id, digest::Mix};

/// Owner of what AWS itself has: managed prefix lists, service interfaces.
pub(crate) const AWS_OWNER: &str = "AWS";

/// One account in one region.
#[derive(Debug, Clone)]
pub(crate) struct Estate<'a> {
    pub(crate) config: &'a Config,
    /// Place of the account in the organisation.
    pub(crate) index: u32,
    /// Its id.
    pub(crate) account: String,
    pub(crate) region: &'a str,
    /// Place of the region in the configuration.
    place: u64,
    key: Mix,
}

impl<'a> Estate<'a> {
    pub(crate) fn new(config: &'a Config, index: u32, region: &'a str) -> Self {
        let account = account_id(config.seed, index);
        let key = Mix::new(config.seed).word(&account).word(region);
        let place = config.regions.iter().position(|name| name == region);
        let place = place.and_then(|place| u64::try_from(place).ok()).unwrap_or_default();
        Self { config, index, account, region, place, key }
    }

    /// The next account of the organisation in the same region: who is peered with.
    pub(crate) fn neighbour(&self) -> Estate<'a> {
        let next = (self.index + 1) % self.config.accounts.max(1);
        Estate::new(self.config, next, self.region)
    }

    /// All but empty: a default VPC and nothing that anyone made. So is us-east-1 where it is not simulated.
    pub(crate) fn quiet(&self) -> bool {
        self.config.quiet_region() == Some(self.region)
            || !self.config.regions.iter().any(|name| name == self.region)
    }

    /// `count` for each unit of the scale, nothing in a quiet region.
    fn scaled(&self, base: u64, count: u64) -> u64 {
        if self.quiet() { 0 } else { base + count * u64::from(self.config.scale.unit()) }
    }

    /// A number that says which of several shapes the `n`th thing of a kind has, so that neighbouring accounts
    /// and regions differ.
    fn turn(&self, n: u64) -> u64 {
        n + self.place + u64::from(self.index)
    }

    fn hash(&self, kind: &str, n: u64) -> u64 {
        self.key.word(kind).number(n).finish()
    }

    /// Such as `vpc-0123456789abcdef0`.
    fn id(&self, prefix: &str, kind: &str, n: u64) -> String {
        format!("{prefix}-0{:016x}", self.hash(kind, n))
    }

    /// Such as `01234567-89ab-cdef-0123-456789abcdef`.
    fn uuid(&self, kind: &str, n: u64) -> String {
        let text = format!("{:016x}{:016x}", self.hash(kind, n), self.hash(kind, n ^ (1 << 63)));
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// Tags with a name; some carry what must not be taken for markup or for ASCII, and all carry the canary.
    fn tags(&self, name: &str, n: u64) -> Value {
        let mut tags = vec![json!({"Key": "Name", "Value": name})];
        match n % 7 {
            1 => tags.push(json!({"Key": "env", "Value": "prod"})),
            3 => tags.push(json!({"Key": "note", "Value": "</script><img src=x onerror=alert(1)>"})),
            4 => tags.push(json!({"Key": "Ort", "Value": "Zürich & 日本 <b>\"🚀\"</b>"})),
            5 => tags.push(json!({"Key": "aws:cloudformation:stack-name", "Value": "network"})),
            6 => tags.push(json!({"Key": "empty", "Value": ""})),
            _ => {}
        }
        if let Some(canary) = &self.config.canary {
            tags.push(json!({"Key": "canary", "Value": canary}));
        }
        Value::Array(tags)
    }

    /// A secret: the canary where one is planted.
    fn secret(&self, kind: &str, n: u64) -> String {
        match &self.config.canary {
            Some(canary) => canary.clone(),
            None => format!("{:016x}{:016x}", self.hash(kind, n), self.hash(kind, n + 1)),
        }
    }

    /// So many days before `now`, give or take some hours that depend on the place.
    fn days_ago(&self, days: i64, n: u64) -> String {
        let within = i64::try_from(self.hash("hour", n) % 86_400).unwrap_or_default();
        iso(self.config.now - days * 86_400 - within)
    }

    /// Zone `n` of the region: `eu-central-1a`.
    fn zone(&self, n: u64) -> String {
        let letter = match n % 3 {
            0 => 'a',
            1 => 'b',
            _ => 'c',
        };
        format!("{}{letter}", self.region)
    }

    /// The zone's id: `euc1-az1`.
    fn zone_id(&self, n: u64) -> String {
        let mut short = String::new();
        for (at, part) in self.region.split('-').enumerate() {
            match at {
                0 => short.push_str(part),
                _ => short.extend(part.chars().next()),
            }
        }
        format!("{short}-az{}", n % 3 + 1)
    }
}

/// Seconds since 1970 as the AWS CLI prints them: `2026-10-01T02:00:00+00:00`.
pub(crate) fn iso(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The same with microseconds.
pub(crate) fn iso_micros(seconds: i64, micros: i64) -> String {
    let time = Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// A list of JSON from an iterator.
fn list(values: impl IntoIterator<Item = Value>) -> Value {
    values.into_iter().collect()
}
