//! The organisation: its accounts, its regions, and who is asking.
//!
//! One suspended account is listed besides the active ones; nobody can assume a role in it.

use serde_json::{Value, json};

use crate::{
    config::OPT_IN,
    credentials::{Caller, account_id},
    digest::Mix,
};

use super::{Estate, iso_micros, list};

impl Estate<'_> {
    /// Answers `DescribeRegions`.
    pub(crate) fn describe_regions(&self, all: bool) -> Value {
        let region = |name: &str, status: &str| {
            json!({
                "OptInStatus": status,
                "RegionName": name,
                "Endpoint": format!("ec2.{name}.amazonaws.com"),
            })
        };
        let enabled = self.config.regions.iter().map(|name| {
            region(name, if OPT_IN.contains(&name.as_str()) { "opted-in" } else { "opt-in-not-required" })
        });
        let others = self.config.not_opted_in().filter(|_| all).map(|name| region(name, "not-opted-in"));
        json!({"Regions": list(enabled.chain(others))})
    }

    /// Answers `ListAccounts`, which only the management account may ask.
    pub(crate) fn list_accounts(&self) -> Value {
        let seed = self.config.seed;
        let management = account_id(seed, 0);
        let hash = Mix::new(seed).word("organisation").finish();
        let organisation = format!("o-{:010x}", hash & 0xff_ffff_ffff);
        let names = ["payments-prod", "web-prod", "Zürich & Söhne", "sandbox <b>", "shared-services"];
        let count = self.config.accounts;
        json!({"Accounts": list((0..=count).map(|index| {
            let id = account_id(seed, index);
            let name = usize::try_from(index).ok().and_then(|at| names.iter().cycle().nth(at % names.len()));
            let (name, suspended) = match (index, index == count) {
                (_, true) => ("closed".to_owned(), true),
                (0, _) => ("management".to_owned(), false),
                _ => (format!("{}-{index}", name.unwrap_or(&"account")), false),
            };
            json!({
                "Id": id,
                "Arn": format!("arn:aws:organizations::{management}:account/{organisation}/{id}"),
                "Email": format!("aws+{id}@example.com"),
                "Name": name,
                "Status": if suspended { "SUSPENDED" } else { "ACTIVE" },
                "State": if suspended { "SUSPENDED" } else { "ACTIVE" },
                "JoinedMethod": if index == 0 { "INVITED" } else { "CREATED" },
                "JoinedTimestamp": iso_micros(
                    self.config.now - 86_400 * (900 - i64::from(index % 800)), i64::from(index % 1000) * 1000,
                ),
            })
        }))})
    }

    /// Answers `GetCallerIdentity`.
    pub(crate) fn get_caller_identity(&self, caller: &Caller) -> Value {
        let user = match &caller.session {
            Some(session) => format!("{}:{session}", self.role_id()),
            None => format!("AIDA{:016X}", self.hash("user", 0)),
        };
        json!({"UserId": user, "Account": self.account, "Arn": caller.arn(&self.account)})
    }

    /// The id of the collector's role.
    pub(crate) fn role_id(&self) -> String {
        let hash = Mix::new(self.config.seed).word(&self.account).word("role").finish();
        format!("AROA{hash:016X}")
    }
}
