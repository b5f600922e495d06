//! `evidenced iam-policy`: what the collector may do in an account, and nothing else.

use std::collections::BTreeSet;

use evidenced_core::item::catalogue;
use serde_json::{Value, json};

use super::exit::Failed;
use super::print;

pub(super) fn run() -> Result<u8, Failed> {
    print(format!("{:#}\n", policy()).as_bytes())
}

/// One statement of exactly the actions that the catalogue's calls need; all of them only read.
fn policy() -> Value {
    let actions: BTreeSet<&str> =
        catalogue().iter().flat_map(|item| item.steps).flat_map(|step| step.iam).copied().collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "EvidencedRead",
            "Effect": "Allow",
            "Action": actions,
            "Resource": "*",
        }],
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_policy_fits_a_managed_policy_and_only_reads() {
        let policy = super::policy();
        assert!(policy.to_string().len() < 6_144);
        for action in policy["Statement"][0]["Action"].as_array().unwrap() {
            let (_, verb) = action.as_str().unwrap().split_once(':').unwrap();
            assert!(["Describe", "Get", "List", "Search"].iter().any(|it| verb.starts_with(it)), "{action}");
        }
    }
}
