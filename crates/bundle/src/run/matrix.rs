//! Plan x catalogue: which rows there must be.
//!
//! Nothing is expanded: the cells are counted and looked up, so that a plan costs its own size. Refused: an account, a
//! region or an item that is there twice, since its rows could then be told apart by nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Check, VerifyError};
use crate::run::GLOBAL;
use crate::run::documents::{CatalogueDocument, ItemScope, PlanDocument, Row};

/// Accounts, regions and items, and which rows they ask for.
pub(super) struct Matrix {
    accounts: BTreeMap<String, Account>,
    region_items: BTreeSet<String>,
    global_items: BTreeSet<String>,
}

struct Account {
    /// Left out by configuration.
    excluded: bool,
    /// Region -> whether it is planned.
    regions: BTreeMap<String, bool>,
}

/// Whether there must be a row for a cell, and which.
#[derive(PartialEq, Eq)]
pub(super) enum Place {
    /// A row is needed.
    Planned,
    /// A row is needed, and it can only say `excluded`: the account is left out.
    Excluded,
    /// A row is possible, evidence is not: the region is not planned.
    Unplanned,
    Nowhere,
}

impl Matrix {
    pub(super) fn new(plan: PlanDocument, catalogue: CatalogueDocument) -> Result<Self, VerifyError> {
        let refuse = |detail: String| Err(VerifyError::refused(Check::Coverage, detail));
        let mut matrix =
            Self { accounts: BTreeMap::new(), region_items: BTreeSet::new(), global_items: BTreeSet::new() };
        for item in catalogue.items {
            let regional = item.scope == ItemScope::Region;
            let items = if regional { &mut matrix.region_items } else { &mut matrix.global_items };
            if !items.insert(item.id.clone()) {
                return refuse(format!("the catalogue has {} twice for one scope", item.id));
            }
        }
        for account in plan.accounts {
            let mut regions = BTreeMap::new();
            for region in account.regions {
                if region.name == GLOBAL || regions.insert(region.name.clone(), region.planned).is_some() {
                    return refuse(format!(
                        "the plan of account {} has region {} twice",
                        account.id, region.name
                    ));
                }
            }
            let excluded = account.reason.is_some();
            if excluded && regions.values().any(|planned| *planned) {
                return refuse(format!("account {} is left out and has a planned region", account.id));
            }
            if matrix.accounts.insert(account.id.clone(), Account { excluded, regions }).is_some() {
                return refuse(format!("the plan has account {} twice", account.id));
            }
        }
        Ok(matrix)
    }

    pub(super) fn place(&self, row: &Row) -> Place {
        let Some(account) = self.accounts.get(&row.account) else { return Place::Nowhere };
        let items = if row.region == GLOBAL { &self.global_items } else { &self.region_items };
        if !items.contains(&row.item) {
            return Place::Nowhere;
        }
        match (row.region.as_str(), account.regions.get(&row.region)) {
            (GLOBAL, _) if account.excluded => Place::Excluded,
            (GLOBAL, _) | (_, Some(true)) => Place::Planned,
            (_, Some(false)) => Place::Unplanned,
            (_, None) => Place::Nowhere,
        }
    }

    /// Cells that must have a row.
    pub(super) fn planned_count(&self) -> u64 {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.accounts.values().fold(0, |all: u64, account| {
            let planned = count(account.regions.values().filter(|planned| **planned).count());
            let regional = planned.saturating_mul(count(self.region_items.len()));
            all.saturating_add(regional).saturating_add(count(self.global_items.len()))
        })
    }

    /// The planned cells, one by one.
    pub(super) fn planned(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let cells = |account| self.planned_of(account).map(move |(region, item)| (account, region, item));
        self.accounts.keys().flat_map(move |account| cells(account.as_str()))
    }

    /// Region and item of the planned cells of one account.
    pub(super) fn planned_of(&self, account: &str) -> impl Iterator<Item = (&str, &str)> {
        self.accounts.get(account).into_iter().flat_map(move |Account { regions, .. }| {
            let global = self.global_items.iter().map(move |item| (GLOBAL, item.as_str()));
            let regional = regions.iter().filter(|(_, planned)| **planned).flat_map(move |(region, _)| {
                self.region_items.iter().map(move |item| (region.as_str(), item.as_str()))
            });
            global.chain(regional)
        })
    }

    /// Accounts that are not left out.
    pub(super) fn planned_accounts(&self) -> usize {
        self.accounts.values().filter(|account| !account.excluded).count()
    }

    /// Different regions that are planned in some account.
    pub(super) fn planned_regions(&self) -> usize {
        let regions = self.accounts.values().flat_map(|account| &account.regions);
        let planned = regions.filter(|(_, planned)| **planned);
        planned.map(|(region, _)| region).collect::<BTreeSet<_>>().len()
    }
}
