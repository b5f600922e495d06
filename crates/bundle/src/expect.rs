//! `--expect expectations.toml`: what was agreed with the auditor beforehand, held against every bundle.
//!
//! A narrowed scope or a rarer schedule is inside the rules of the log and is only listed as a change. Agreed values
//! make it a deviation: what, expected, found, and in which bundles. More than was agreed is none.
//!
//! ```toml
//! schedule = "0 2 * * *"
//! accounts = ["111122223333"]
//! regions = ["eu-west-1"]            # in each of the accounts
//! items = ["vpc.security-groups"]
//! longest_gap = "26h"                # from the start of one collected run to the next; also "2d"
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::check::printable;
use crate::id::Kind;
use crate::period::scene::{Region, Scene};
use crate::run::RunStatus;
use crate::schedule::Schedule;
use crate::time::UtcSecond;

/// Longer files are refused.
pub const EXPECTATIONS_BYTES: u64 = 256 << 10;
/// Most deviations that are told apart.
const DEVIATIONS: usize = 1000;

/// What was agreed. What is not named was not agreed and is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    schedule: Option<String>,
    accounts: Option<BTreeSet<String>>,
    regions: Option<BTreeSet<String>>,
    items: Option<BTreeSet<String>>,
    longest_gap: Option<String>,
}

/// Why a file of expectations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// Not TOML of this form.
    #[error("not expectations: {0}")]
    Malformed(String),
    /// A value that can never be met.
    #[error("{key} is {found:?}, {expected}")]
    Value {
        /// Which one.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it could be.
        expected: &'static str,
    },
    /// Nothing is expected.
    #[error("nothing is expected: give schedule, accounts, regions, items or longest_gap")]
    Empty,
}

/// One value that is not what was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// Which value.
    pub what: String,
    /// What was agreed.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// In which bundles, in the order of the log.
    pub bundles: Vec<String>,
}

impl Expectations {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self, ExpectError> {
        let found: Self = toml::from_str(text)
            .map_err(|error| ExpectError::Malformed(error.to_string().trim_end().to_owned()))?;
        if found == Self::default() {
            return Err(ExpectError::Empty);
        }
        let wrong =
            |key, found: &str, expected| ExpectError::Value { key, found: printable(found), expected };
        if let Some(schedule) = &found.schedule
            && Schedule::parse(schedule).is_err()
        {
            return Err(wrong("schedule", schedule, "expected five cron fields such as 0 2 * * *"));
        }
        if let Some(gap) = &found.longest_gap
            && seconds(gap).is_none()
        {
            return Err(wrong("longest_gap", gap, "expected hours or days such as 26h or 2d"));
        }
        for (key, list) in
            [("accounts", &found.accounts), ("regions", &found.regions), ("items", &found.items)]
        {
            if list.as_ref().is_some_and(BTreeSet::is_empty) {
                return Err(wrong(key, "[]", "leave it out when it was not agreed"));
            }
        }
        Ok(found)
    }
}

/// Hours or days in seconds.
fn seconds(gap: &str) -> Option<i64> {
    let (number, unit) = gap.split_at_checked(gap.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|number| digits && *number > 0)?.checked_mul(unit)
}

/// Bundles held against expectations, one after the other.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    expected: &'a Expectations,
    found: BTreeMap<(String, String, String), Vec<String>>,
    /// When the collected run before this one started.
    last: Option<UtcSecond>,
    /// Deviations beyond [`DEVIATIONS`].
    more: usize,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(expected: &'a Expectations) -> Self {
        Self { expected, found: BTreeMap::new(), last: None, more: 0 }
    }

    /// Holds one scheduled bundle against what was agreed; extra runs cannot make good what is missing.
    pub(crate) fn take(&mut self, scene: &Scene) {
        if scene.id.kind() != Kind::Schedule {
            return;
        }
        let Expectations { schedule, accounts, regions, items, longest_gap } = self.expected;
        if let Some(schedule) = schedule.as_ref().filter(|schedule| **schedule != scene.snapshot.schedule) {
            self.add("schedule", schedule, &scene.snapshot.schedule, scene);
        }
        let planned: BTreeMap<_, _> = scene.planned_accounts().collect();
        for id in accounts.iter().flatten().filter(|id| !planned.contains_key(id.as_str())) {
            let found = match scene.accounts.get(id) {
                None => "not in the plan".to_owned(),
                Some(account) => format!("left out ({})", account.reason.as_deref().unwrap_or_default()),
            };
            self.add(&format!("account {id}"), "collected", &found, scene);
        }
        for name in regions.iter().flatten() {
            for (id, account) in &planned {
                if accounts.as_ref().is_some_and(|accounts| !accounts.contains(*id)) {
                    continue;
                }
                let found = match account.regions.get(name) {
                    Some(Region::Planned) => continue,
                    Some(Region::Out(reason)) => format!("not planned ({reason})"),
                    None => "not in the plan".to_owned(),
                };
                self.add(&format!("region {name} of account {id}"), "planned", &found, scene);
            }
        }
        for item in items.iter().flatten() {
            if !scene.items.contains(item) {
                self.add(&format!("item {item}"), "in the catalogue", "not in the catalogue", scene);
            }
            for ((id, _, reason), _) in scene.excluded.iter().filter(|((_, excluded, _), _)| excluded == item)
            {
                if accounts.as_ref().is_none_or(|accounts| accounts.contains(id)) {
                    let found = format!("excluded ({reason})");
                    self.add(&format!("item {item} of account {id}"), "collected", &found, scene);
                }
            }
        }
        if let Some(gap) = longest_gap
            && scene.snapshot.status != RunStatus::Missed
        {
            let started = scene.snapshot.started;
            let limit = seconds(gap).unwrap_or(i64::MAX);
            if let Some(last) = self.last.filter(|last| started.unix() - last.unix() > limit) {
                let found = format!("from {last} to {started}");
                self.add("longest gap", gap, &found, scene);
            }
            self.last = Some(started);
        }
    }

    fn add(&mut self, what: &str, expected: &str, found: &str, scene: &Scene) {
        let key = (printable(what), printable(expected), printable(found));
        if self.found.len() < DEVIATIONS || self.found.contains_key(&key) {
            self.found.entry(key).or_default().push(scene.id.to_string());
        } else {
            self.more += 1;
        }
    }

    /// Every deviation; that there were more than are told apart is the last of them.
    pub(crate) fn deviations(self) -> Vec<Deviation> {
        let deviation = |((what, expected, found), bundles)| Deviation { what, expected, found, bundles };
        let more = (self.more > 0).then(|| Deviation {
            what: "more".to_owned(),
            expected: "no deviation".to_owned(),
            found: format!("{} that are not listed", self.more),
            bundles: Vec::new(),
        });
        self.found.into_iter().map(deviation).chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_read_strictly() {
        let text = "schedule = \"0 2 * * *\"\naccounts = [\"111122223333\"]\nlongest_gap = \"26h\"\n";
        let found = Expectations::parse(text).unwrap();
        assert_eq!(found.schedule.as_deref(), Some("0 2 * * *"));
        assert_eq!(found.accounts.unwrap().len(), 1);
        for text in [
            "",
            "shedule = \"0 2 * * *\"",
            "schedule = \"daily\"",
            "longest_gap = \"26\"",
            "longest_gap = \"+1h\"",
            "longest_gap = \"0d\"",
            "accounts = []",
            "accounts = \"111122223333\"",
            "accounts = [\"1\"",
        ] {
            assert!(Expectations::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gap_is_hours_or_days() {
        assert_eq!((seconds("26h"), seconds("2d")), (Some(93_600), Some(172_800)));
        for text in ["", "h", "1m", "-1h", "1.5d", "9223372036854775807d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
