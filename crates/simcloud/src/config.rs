//! What is simulated: how many accounts, which regions, how large, and what goes wrong.
//!
//! Every answer is a function of these values: two servers with an equal [`Config`] give the same evidence.
//! Refused: no account, no region, a region name that AWS could not have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The role that every simulated account has for the collector.
pub const ROLE_NAME: &str = "EvidenceReader";

/// Regions that an account must opt in to, as AWS lists them; all others are on by default.
pub(crate) const OPT_IN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// Everything that the answers depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Accounts of the organisation; the first is the management account.
    pub accounts: u32,
    /// Regions that are enabled in every account. Those that need opting in are `opted-in`; three others exist
    /// as `not-opted-in` and refuse every call. With three and more, the last is all but empty: a default VPC
    /// and nothing else, no recorder either.
    pub regions: Vec<String>,
    /// Decides every identifier.
    pub seed: u64,
    /// How much there is in a region.
    pub scale: Scale,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Answers at most this many entries a page, whatever is asked for.
    pub page_cap: Option<u32>,
    /// The moment that ages and expiries count from, in seconds since 1970.
    pub now: i64,
    /// Whether requests must be signed.
    pub signatures: Signatures,
    /// How long credentials from `AssumeRole` live; what the caller asks for, an hour by default, when `None`.
    pub session_seconds: Option<u32>,
    /// A marker that is planted in every field that holds a secret, and in tags.
    pub canary: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accounts: 1,
            regions: vec!["us-east-1".to_owned(), "eu-central-1".to_owned()],
            seed: 1,
            scale: Scale::Small,
            faults: Vec::new(),
            page_cap: None,
            now: 1_795_305_600,
            signatures: Signatures::Verify,
            session_seconds: None,
            canary: None,
        }
    }
}

impl Config {
    /// Says what of it cannot be simulated.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.accounts == 0 || self.accounts > 1_000_000 {
            return Err(ConfigError::Accounts(self.accounts));
        }
        if self.regions.is_empty() {
            return Err(ConfigError::NoRegion);
        }
        for (at, region) in self.regions.iter().enumerate() {
            if !is_region(region) {
                return Err(ConfigError::Region(region.clone()));
            }
            if self.regions.iter().take(at).any(|earlier| earlier == region) {
                return Err(ConfigError::Twice(region.clone()));
            }
        }
        Ok(())
    }

    /// The region that is all but empty, where there is one.
    pub(crate) fn quiet_region(&self) -> Option<&str> {
        if self.regions.len() < 3 {
            return None;
        }
        self.regions.last().filter(|region| *region != "us-east-1").map(String::as_str)
    }

    /// Regions that exist and that no account has opted in to.
    pub(crate) fn not_opted_in(&self) -> impl Iterator<Item = &'static str> + '_ {
        OPT_IN.iter().copied().filter(|name| !self.regions.iter().any(|region| region == name)).take(3)
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// How much there is in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Every shape of resource about once.
    Small,
    /// A middling company: eight times `Small`.
    Medium,
    /// So many times `Small`.
    Of(u32),
}

impl Scale {
    /// How many times `Small`, one at least.
    pub(crate) fn unit(self) -> u32 {
        match self {
            Self::Small => 1,
            Self::Medium => 8,
            Self::Of(unit) => unit.max(1),
        }
    }
}

impl FromStr for Scale {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "small" => Ok(Self::Small),
            "medium" => Ok(Self::Medium),
            number => match number.parse() {
                Ok(unit @ 1..=10_000) => Ok(Self::Of(unit)),
                _ => Err(ConfigError::Scale(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("small"),
            Self::Medium => f.write_str("medium"),
            Self::Of(unit) => write!(f, "{unit}"),
        }
    }
}

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// As AWS: a wrong signature is refused.
    Verify,
    /// Benchmarks only: the key id still says which account asks, the signature is not looked at.
    Off,
}

/// What of a [`Config`] cannot be simulated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// None, or more than a million.
    #[error("{0} accounts: between 1 and 1000000 can be simulated")]
    Accounts(u32),
    /// The list of regions is empty.
    #[error("no region is named")]
    NoRegion,
    /// Not of the form `eu-central-1`.
    #[error("region {0:?} is not a name like eu-central-1")]
    Region(String),
    /// The same region again.
    #[error("region {0:?} is named twice")]
    Twice(String),
    /// Neither a word nor a number.
    #[error("scale {0:?} is neither small, medium nor a number from 1 to 10000")]
    Scale(String),
    /// The fault rules do not parse.
    #[error("the fault rules do not parse: {0}")]
    Faults(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_simulated_is_refused() {
        let good = Config::default();
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Config { accounts: 0, ..good.clone() }.check(), Err(ConfigError::Accounts(0)));
        assert_eq!(Config { regions: vec![], ..good.clone() }.check(), Err(ConfigError::NoRegion));
        for name in ["", "eu", "eu-central", "eu-central-x", "EU-central-1", "eu--1"] {
            let config = Config { regions: vec![name.to_owned()], ..good.clone() };
            assert_eq!(config.check(), Err(ConfigError::Region(name.to_owned())), "{name}");
        }
        let twice = vec!["eu-west-1".to_owned(), "eu-west-1".to_owned()];
        assert_eq!(
            Config { regions: twice, ..good }.check(),
            Err(ConfigError::Twice("eu-west-1".to_owned()))
        );
    }

    #[test]
    fn a_scale_is_a_word_or_a_number() {
        assert_eq!("small".parse(), Ok(Scale::Small));
        assert_eq!("12".parse(), Ok(Scale::Of(12)));
        assert_eq!("0".parse::<Scale>(), Err(ConfigError::Scale("0".to_owned())));
    }
}
