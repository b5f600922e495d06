//! What every row says of its run and its account: read from the plan and the run, as they are in the bag.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::Facts;

/// The run and its accounts.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// The bag's name: `evidence-prod-20261122T020000Z`, with `-manual` for an extra run.
    pub(super) run: String,
    /// `collected.start` and `collected.end`.
    pub(super) start: &'a str,
    pub(super) end: &'a str,
    pub(super) scope: &'a str,
    pub(super) organisation: &'a str,
    /// Version of the collector.
    pub(super) version: &'a str,
    accounts: BTreeMap<&'a str, &'a Value>,
}

/// The text of a member, empty when it has none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> About<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let run = &facts.run;
        let scope = text(run, "/scope/name");
        let slot: String = text(run, "/slot").chars().filter(|it| !matches!(it, '-' | ':')).collect();
        let extra = match text(run, "/trigger") {
            "" | "schedule" => String::new(),
            other => format!("-{other}"),
        };
        let accounts = facts.plan.get("accounts").and_then(Value::as_array).map(Vec::as_slice);
        Self {
            run: format!("evidence-{scope}-{slot}{extra}"),
            start: text(run, "/collected/start"),
            end: text(run, "/collected/end"),
            scope,
            organisation: text(&facts.config, "/organisation"),
            version: text(run, "/collector/version"),
            accounts: accounts
                .unwrap_or_default()
                .iter()
                .map(|account| (text(account, "/id"), account))
                .collect(),
        }
    }

    /// Name of an account; empty when it is not known.
    pub(super) fn name(&self, account: &str) -> &'a str {
        self.accounts.get(account).map(|it| text(it, "/name")).unwrap_or_default()
    }

    pub(super) fn partition(&self, account: &str) -> &'a str {
        self.accounts
            .get(account)
            .map(|it| text(it, "/partition"))
            .filter(|it| !it.is_empty())
            .unwrap_or("aws")
    }

    /// `yes` for an account of the SOC 2 system.
    pub(super) fn in_scope(&self, account: &str) -> &'static str {
        let scope = self.accounts.get(account).and_then(|it| it.get("inScope")).and_then(Value::as_bool);
        if scope == Some(true) { "yes" } else { "no" }
    }

    /// Id and name (or a dash) in one text: never a number, so that no spreadsheet takes the zeros in front of an id away.
    pub(super) fn account(&self, account: &str) -> String {
        match self.name(account) {
            "" => format!("{account} -"),
            name => format!("{account} {name}"),
        }
    }
}
