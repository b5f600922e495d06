//! The plan: which accounts and regions there are, which are collected, and why the others are not.
//!
//! Pure: the regions of an account come from its own `DescribeRegions`, or, when that could not be read, from the
//! partition's list. A failure never shrinks the plan. Refused: a region that is left out without a reason.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::source::Account;

/// Which regions the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Every region that the account has enabled.
    Enabled,
    /// These.
    Listed(Vec<String>),
}

/// An account as the shell found or was told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: Account,
    /// Of the SOC 2 system; others are collected and shown apart.
    pub in_scope: bool,
    /// Who answers for it, where configured.
    pub owner: Option<String>,
    /// Why it is left out, when it is.
    pub excluded: Option<String>,
}

/// `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Every account that was found or configured, sorted by id.
    pub accounts: Vec<PlannedAccount>,
}

/// One account of `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedAccount {
    /// Twelve digits.
    pub id: String,
    /// Name, where known.
    pub name: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Of the SOC 2 system.
    pub in_scope: bool,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why the account is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its regions, sorted by name.
    pub regions: Vec<PlannedRegion>,
}

/// One region of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRegion {
    /// Such as `eu-west-1`.
    pub name: String,
    /// `enabled`, `not-opted-in` or `unknown` (the account's regions could not be read).
    pub state: RegionState,
    /// Whether it is collected.
    pub planned: bool,
    /// Why it is not, or why its state is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the account says about a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionState {
    /// `opt-in-not-required` or `opted-in`.
    Enabled,
    /// `not-opted-in`.
    NotOptedIn,
    /// Could not be read.
    Unknown,
}

/// What is known of an account's regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Names with their opt-in status, as `DescribeRegions` gave them.
    Read(Vec<(String, String)>),
    /// The call failed, for this reason; the partition's regions stand in.
    Unread {
        /// The error, in one line.
        reason: String,
        /// Regions of the account's partition, as the SDK's data list them.
        partition: Vec<String>,
    },
}

impl Known {
    /// Reads the merged output of `DescribeRegions`; `None` when it does not hold a list of regions.
    pub fn from_output(output: &Value) -> Option<Self> {
        let regions = output.get("Regions")?.as_array()?;
        let mut read = Vec::with_capacity(regions.len());
        for region in regions {
            let name = region.get("RegionName")?.as_str()?.to_owned();
            // A name becomes a folder and a host name: what is no name of a region makes the list unreadable.
            if name.is_empty() || !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
                return None;
            }
            // moto and old endpoints leave the status out: such regions have none to opt in to.
            let status = region.get("OptInStatus").and_then(Value::as_str).unwrap_or("opt-in-not-required");
            read.push((name, status.to_owned()));
        }
        (!read.is_empty()).then_some(Self::Read(read))
    }
}

/// The regions of one account, sorted: which are collected, and why the others are not.
pub fn regions(known: &Known, wanted: &Regions) -> Vec<PlannedRegion> {
    let mut planned: Vec<PlannedRegion> = match known {
        Known::Read(read) => read.iter().map(|(name, status)| read_region(name, status, wanted)).collect(),
        Known::Unread { reason, partition } => {
            let names: BTreeSet<&String> = match wanted {
                Regions::Enabled => partition.iter().collect(),
                Regions::Listed(listed) => listed.iter().collect(),
            };
            names
                .into_iter()
                .map(|name| PlannedRegion {
                    name: name.clone(),
                    state: RegionState::Unknown,
                    planned: true,
                    reason: Some(format!("the account's regions could not be read: {reason}")),
                })
                .collect()
        }
    };
    // A listed region that the account does not have is planned all the same: its calls will say what is wrong.
    if let (Known::Read(read), Regions::Listed(listed)) = (known, wanted) {
        for name in listed.iter().filter(|name| !read.iter().any(|(have, _)| have == *name)) {
            planned.push(PlannedRegion {
                name: name.clone(),
                state: RegionState::Unknown,
                planned: true,
                reason: Some("the account's DescribeRegions does not list it".to_owned()),
            });
        }
    }
    planned.sort_by(|a, b| a.name.cmp(&b.name));
    planned.dedup_by(|a, b| a.name == b.name);
    planned
}

fn read_region(name: &str, status: &str, wanted: &Regions) -> PlannedRegion {
    let name = name.to_owned();
    if status == "not-opted-in" {
        let reason = Some("the account has not opted in to the region".to_owned());
        return PlannedRegion { name, state: RegionState::NotOptedIn, planned: false, reason };
    }
    match wanted {
        Regions::Listed(listed) if !listed.contains(&name) => PlannedRegion {
            name,
            state: RegionState::Enabled,
            planned: false,
            reason: Some("not listed in [aws] regions".to_owned()),
        },
        _ => PlannedRegion { name, state: RegionState::Enabled, planned: true, reason: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(planned: &[PlannedRegion]) -> Vec<(&str, bool)> {
        planned.iter().map(|region| (region.name.as_str(), region.planned)).collect()
    }

    fn three() -> Known {
        Known::from_output(&json!({ "Regions": [
            { "RegionName": "eu-west-1", "OptInStatus": "opt-in-not-required" },
            { "RegionName": "af-south-1", "OptInStatus": "not-opted-in" },
            { "RegionName": "eu-south-1", "OptInStatus": "opted-in" },
        ] }))
        .unwrap()
    }

    #[test]
    fn regions_that_are_not_opted_in_are_recorded_and_not_planned() {
        let planned = regions(&three(), &Regions::Enabled);
        assert_eq!(names(&planned), [("af-south-1", false), ("eu-south-1", true), ("eu-west-1", true)]);
        assert_eq!(planned[0].state, RegionState::NotOptedIn);
    }

    #[test]
    fn an_enabled_region_that_is_not_listed_is_excluded_with_a_reason() {
        let planned = regions(&three(), &Regions::Listed(vec!["eu-west-1".into()]));
        assert_eq!(names(&planned), [("af-south-1", false), ("eu-south-1", false), ("eu-west-1", true)]);
        assert_eq!(planned[1].reason.as_deref(), Some("not listed in [aws] regions"));
    }

    #[test]
    fn a_failed_region_list_does_not_shrink_the_plan() {
        let known = Known::Unread { reason: "AccessDenied".into(), partition: vec!["b".into(), "a".into()] };
        let planned = regions(&known, &Regions::Enabled);
        assert_eq!(names(&planned), [("a", true), ("b", true)]);
        assert!(planned.iter().all(|region| region.state == RegionState::Unknown && region.reason.is_some()));
    }

    #[test]
    fn an_empty_region_list_is_not_an_answer() {
        assert_eq!(Known::from_output(&json!({ "Regions": [] })), None);
        assert_eq!(Known::from_output(&json!({})), None);
        for name in ["../../etc", "", "eu-west-1/..", "eu west"] {
            assert_eq!(Known::from_output(&json!({ "Regions": [{ "RegionName": name }] })), None, "{name}");
        }
    }

    #[test]
    fn a_listed_region_that_the_account_lacks_is_still_planned() {
        let planned = regions(&three(), &Regions::Listed(vec!["eu-west-9".into()]));
        assert!(names(&planned).contains(&("eu-west-9", true)));
    }
}
