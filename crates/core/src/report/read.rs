//! The files of the bag as the report needs them: names, owners and what is in scope, by account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::look::{list, owned, text};
use crate::facts::Facts;

/// An account of the plan.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) in_scope: bool,
    /// Why it was left out.
    pub(super) left_out: Option<String>,
    /// Regions that were planned.
    pub(super) regions: usize,
}

/// The accounts of the plan, by id.
pub(super) fn accounts(facts: &Facts) -> BTreeMap<String, Account> {
    let account = |value: &Value| Account {
        id: owned(value, "id"),
        name: owned(value, "name"),
        owner: text(value, "owner").filter(|owner| !owner.is_empty()).map(str::to_owned),
        in_scope: value.get("inScope") != Some(&Value::Bool(false)),
        left_out: text(value, "reason").map(str::to_owned),
        regions: list(value, "regions").filter(|it| it.get("planned") == Some(&Value::Bool(true))).count(),
    };
    list(&facts.plan, "accounts").map(account).map(|it| (it.id.clone(), it)).collect()
}

/// Name and id, or the id alone.
pub(super) fn called(accounts: &BTreeMap<String, Account>, id: &str) -> String {
    match accounts.get(id).map(|account| account.name.as_str()) {
        Some(name) if !name.is_empty() && name != id => format!("{name} ({id})"),
        _ => id.to_owned(),
    }
}

/// Whether an account counts: one that the plan does not name does.
pub(super) fn counts(accounts: &BTreeMap<String, Account>, id: &str) -> bool {
    accounts.get(id).is_none_or(|account| account.in_scope)
}

/// Texts of a list.
pub(super) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    list(value, name).filter_map(Value::as_str).collect()
}

/// `1 fail`, `2 fails`.
pub(super) fn number(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", digits(count), if count == 1 { one } else { many })
}

/// A number with its thousands apart.
pub(super) fn digits(count: usize) -> String {
    let plain = count.to_string();
    let mut shown = String::new();
    for (place, digit) in plain.chars().enumerate() {
        if place > 0 && (plain.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A value as it is shown: texts bare, everything else as compact JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(|it| !it.is_object() && !it.is_array()) => {
            list.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The first few of a set, and how many more there are.
pub(super) fn some(names: &BTreeSet<String>, most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let rest = names.len().saturating_sub(most);
    if rest == 0 { shown.join(", ") } else { format!("{} and {} more", shown.join(", "), digits(rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_thousands() {
        for (count, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(digits(count), shown);
        }
        assert_eq!(
            (number(1, "fail", "fails"), number(2, "fail", "fails")),
            ("1 fail".into(), "2 fails".into())
        );
    }
}
