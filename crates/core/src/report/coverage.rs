//! Coverage: what was asked and what came of it, gaps first.
//!
//! Every planned cell is counted once: answered, an open gap, an accepted gap, or not asked for a reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::look::{list, owned, text};
use super::read::{Account, called, counts, digits, some};
use crate::facts::Facts;
use crate::item::GLOBAL;

/// The section, as the template reads it.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    pub(super) open: Vec<Gap>,
    pub(super) accepted: Vec<Gap>,
    unasked: Vec<Unasked>,
    /// Regions of accounts in the system of which nothing was asked because the configuration says so.
    pub(super) regions_left_out: usize,
    regions: Vec<String>,
    matrix: Vec<MatrixRow>,
    items: Vec<ItemRow>,
    cells: String,
    answered: String,
    resources: String,
    documents: String,
}

/// A cell without a whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Gap {
    pub(super) account: String,
    account_name: String,
    pub(super) in_scope: bool,
    region: String,
    item: String,
    status: String,
    reason: String,
    approver: String,
    expires: String,
    why: String,
}

/// Cells that were not asked, by the reason.
#[derive(Debug, Serialize)]
struct Unasked {
    status: String,
    reason: String,
    regions: String,
    accounts: String,
    cells: String,
}

#[derive(Debug, Serialize)]
struct MatrixRow {
    account: String,
    places: Vec<Place>,
}

/// One account in one region.
#[derive(Debug, Default, Clone, Serialize)]
struct Place {
    answered: usize,
    open: usize,
    accepted: usize,
    unasked: usize,
    /// Of those: left out by the configuration.
    #[serde(skip)]
    excluded: usize,
}

#[derive(Debug, Serialize)]
struct ItemRow {
    id: String,
    title: String,
    criteria: String,
    answered: usize,
    open: usize,
    accepted: usize,
    unasked: usize,
    resources: String,
}

/// What was not asked for one reason.
#[derive(Default)]
struct Left<'a> {
    regions: BTreeSet<String>,
    accounts: BTreeSet<&'a str>,
    cells: usize,
}

/// Why a cell is what it is, in one line.
fn why(cell: &Value) -> String {
    let error = cell.get("error");
    let part = |name: &str| error.and_then(|error| text(error, name));
    match (part("operation"), part("code"), text(cell, "reason")) {
        (Some(operation), Some(code), Some(reason)) => format!("{operation}: {code} ({reason})"),
        (Some(operation), Some(code), None) => {
            let message = part("message").map(|it| format!(": {it}")).unwrap_or_default();
            format!("{operation}: {code}{message}")
        }
        (_, _, reason) => reason.unwrap_or("no reason was given").to_owned(),
    }
}

/// Reads the matrix of cells.
pub(super) fn coverage(facts: &Facts, accounts: &BTreeMap<String, Account>) -> Coverage {
    let mut open = Vec::new();
    let mut accepted = Vec::new();
    let mut unasked: BTreeMap<(String, String), Left<'_>> = BTreeMap::new();
    let mut places: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    let mut items: BTreeMap<&str, (Place, u64)> = BTreeMap::new();
    let (mut answered, mut resources, mut documents) = (0, 0_u64, 0);
    for cell in &facts.cells {
        let part = |name: &str| text(cell, name).unwrap_or_default();
        let (account, region, item, status) = (part("account"), part("region"), part("item"), part("status"));
        let place = places.entry((account, region)).or_default();
        let (of_item, found) = items.entry(item).or_default();
        let count = cell.get("resources").and_then(Value::as_u64).unwrap_or(0);
        *found += count;
        resources += count;
        documents += usize::from(cell.get("file").is_some());
        match status {
            "complete" | "not-enabled" => {
                answered += 1;
                place.answered += 1;
                of_item.answered += 1;
            }
            "partial" | "denied" | "failed" => {
                let acceptance = cell.get("accepted");
                let given = |name: &str| acceptance.map(|it| owned(it, name)).unwrap_or_default();
                let gap = Gap {
                    account: account.to_owned(),
                    account_name: called(accounts, account),
                    in_scope: counts(accounts, account),
                    region: region.to_owned(),
                    item: item.to_owned(),
                    status: status.to_owned(),
                    reason: why(cell),
                    approver: given("approver"),
                    expires: given("expires"),
                    why: given("reason"),
                };
                if acceptance.is_some() {
                    place.accepted += 1;
                    of_item.accepted += 1;
                    accepted.push(gap);
                } else {
                    place.open += 1;
                    of_item.open += 1;
                    open.push(gap);
                }
            }
            _ => {
                place.unasked += 1;
                place.excluded += usize::from(status == "excluded");
                of_item.unasked += 1;
                let left = unasked.entry((status.to_owned(), why(cell))).or_default();
                left.regions.insert(region.to_owned());
                left.accounts.insert(account);
                left.cells += 1;
            }
        }
    }
    // A region of which nothing was asked at all: an item that is not selected leaves the others.
    let left_out = |((account, region), place): &(&(&str, &str), &Place)| {
        *region != GLOBAL
            && place.excluded > 0
            && place.answered + place.open + place.accepted == 0
            && counts(accounts, account)
            && accounts.get(*account).is_none_or(|account| account.left_out.is_none())
    };
    let regions_left_out = places.iter().filter(left_out).count();
    let regions: BTreeSet<&str> = places
        .iter()
        .filter(|((_, region), place)| *region != GLOBAL && place.answered + place.open + place.accepted > 0)
        .map(|((_, region), _)| *region)
        .collect();
    let regions: Vec<&str> = std::iter::once(GLOBAL).chain(regions).collect();
    let named: BTreeSet<&str> = places.keys().map(|(account, _)| *account).collect();
    let row = |account: &&str| MatrixRow {
        account: called(accounts, account),
        places: regions
            .iter()
            .map(|region| places.get(&(*account, *region)).cloned().unwrap_or_default())
            .collect(),
    };
    // An item that the catalogue has twice, by region and once an account, is called by its first entry.
    let mut titles: BTreeMap<&str, &Value> = BTreeMap::new();
    for item in list(&facts.catalogue, "items") {
        if let Some(id) = text(item, "id") {
            titles.entry(id).or_insert(item);
        }
    }
    let unasked = unasked.into_iter().map(|((status, reason), left)| Unasked {
        status,
        reason,
        regions: some(&left.regions, 30),
        accounts: digits(left.accounts.len()),
        cells: digits(left.cells),
    });
    let items = items.into_iter().map(|(id, (place, found))| {
        let known = titles.get(id).copied().unwrap_or(&Value::Null);
        ItemRow {
            id: id.to_owned(),
            title: owned(known, "title"),
            criteria: super::read::texts(known, "criteria").join(", "),
            answered: place.answered,
            open: place.open,
            accepted: place.accepted,
            unasked: place.unasked,
            resources: digits(usize::try_from(found).unwrap_or(usize::MAX)),
        }
    });
    Coverage {
        matrix: named.iter().map(row).collect(),
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        unasked: unasked.collect(),
        items: items.collect(),
        cells: digits(facts.cells.len()),
        answered: digits(answered),
        resources: digits(usize::try_from(resources).unwrap_or(usize::MAX)),
        documents: digits(documents),
        regions_left_out,
        open,
        accepted,
    }
}
