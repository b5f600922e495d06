//! Whether a store that holds a scope's bundles is this configuration's: two estates must not take turns in one log.
//!
//! Pure: the configuration, the account that asks, and what the newest bundle says of its own. A configuration may
//! change in every other way, which `data/changes.json` and the verifier then list (docs/adr/0014).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::Config;

/// Accounts that are named in a message.
const NAMED: usize = 5;

/// What the newest bundle says, and this configuration does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Whose evidence it is.
    #[error("its organisation is {theirs:?}, that of this configuration is {ours:?}")]
    Organisation {
        /// Of the bundle.
        theirs: String,
        /// Of this configuration.
        ours: String,
    },
    /// No account in common.
    #[error("its accounts are {theirs}, this configuration collects from {ours}: they have none in common")]
    Accounts {
        /// Of the bundle.
        theirs: String,
        /// Of this configuration.
        ours: String,
    },
}

/// Accounts that a configuration is sure to plan: those that it lists, and the caller's own where it lists none or
/// reads its organisation.
pub fn own_accounts(config: &Config, caller: Option<&str>) -> BTreeSet<String> {
    let mut own: BTreeSet<String> = config.aws.accounts.keys().cloned().collect();
    if own.is_empty() || config.aws.organization.is_some() {
        own.extend(caller.map(str::to_owned));
    }
    own
}

/// Compares with `data/config.json` and `data/plan.json` of the newest bundle. What they do not say is no difference.
pub fn stranger(config: &Config, own: &BTreeSet<String>, last: &Value, plan: &Value) -> Option<Stranger> {
    if let Some(theirs) = last.get("organisation").and_then(Value::as_str)
        && theirs != config.organisation
    {
        return Some(Stranger::Organisation { theirs: theirs.to_owned(), ours: config.organisation.clone() });
    }
    let accounts = plan.get("accounts").and_then(Value::as_array).into_iter().flatten();
    let theirs: BTreeSet<String> =
        accounts.filter_map(|account| account.get("id")?.as_str().map(str::to_owned)).collect();
    if theirs.is_empty() || own.is_empty() || !theirs.is_disjoint(own) {
        return None;
    }
    Some(Stranger::Accounts { theirs: named(&theirs), ours: named(own) })
}

fn named(accounts: &BTreeSet<String>) -> String {
    let mut text = accounts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = accounts.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text = format!("{text} and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::parse;

    fn config(aws: &str) -> Config {
        let text = "scope = \"prod\"\norganisation = \"Example Ltd\"\n[store]\nurl = \"file:store\"\n[signing]\n\
                    origin = \"example.com/prod\"\nevidence_key = \"file:key\"\n";
        parse(&format!("{text}{aws}")).unwrap()
    }

    fn plan(ids: &[&str]) -> Value {
        json!({ "accounts": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() })
    }

    #[test]
    fn an_estate_that_grew_or_shrank_is_the_same() {
        let ours =
            config("[[aws.accounts]]\nid = \"111122223333\"\n[[aws.accounts]]\nid = \"444455556666\"\n");
        let own = own_accounts(&ours, Some("999900001111"));
        assert_eq!(own.len(), 2, "the caller's own account is not collected");
        let last = json!({ "organisation": "Example Ltd" });
        for ids in [&["111122223333"][..], &["444455556666", "777788889999"], &[]] {
            assert_eq!(stranger(&ours, &own, &last, &plan(ids)), None, "{ids:?}");
        }
        assert_eq!(stranger(&ours, &own, &json!({}), &json!({})), None, "nothing is said");
    }

    #[test]
    fn an_estate_without_a_common_account_is_another() {
        let ours = config("[aws.organization]\nrole = \"EvidenceReader\"\n");
        let own = own_accounts(&ours, Some("111122223333"));
        let last = json!({ "organisation": "Example Ltd" });
        let found = stranger(&ours, &own, &last, &plan(&["444455556666"])).unwrap().to_string();
        assert_eq!(
            found,
            "its accounts are 444455556666, this configuration collects from 111122223333: they have none in common"
        );
        let many: Vec<String> = (0..7).map(|n| format!("44445555666{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = stranger(&ours, &own, &last, &plan(&many)).unwrap().to_string();
        assert!(found.contains("444455556664 and 2 more,"), "{found}");
        // Who asks is not known: nothing can be said.
        assert_eq!(stranger(&ours, &own_accounts(&ours, None), &last, &plan(&["444455556666"])), None);
    }

    #[test]
    fn another_organisation_is_another_estate() {
        let ours = config("");
        let own = own_accounts(&ours, Some("111122223333"));
        let last = json!({ "organisation": "Example GmbH" });
        let found = stranger(&ours, &own, &last, &plan(&["111122223333"])).unwrap();
        assert!(matches!(found, Stranger::Organisation { .. }), "{found}");
    }
}
