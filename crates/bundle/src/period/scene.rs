//! What one bundle says of its scope: the part of it that is held against other bundles and against expectations.
//!
//! Read from a verified bundle only, file by file, and small: plans and configurations are kept, rows of evidence are
//! counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::check::{Check, VerifyError};
use crate::digest::Digest;
use crate::id::BagId;
use crate::path::BundlePath;
use crate::run::CellStatus;
use crate::statement::Snapshot;
use crate::verify::VerifiedBundle;

/// The scope of one bundle.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) id: BagId,
    pub(crate) snapshot: Snapshot,
    pub(crate) config: Value,
    pub(crate) catalogue_sha256: Option<Digest>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Rows that the configuration left out: account, item and reason, with how many regions.
    pub(crate) excluded: BTreeMap<(String, String, String), u64>,
}

/// An account of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Why it is left out.
    pub(crate) reason: Option<String>,
    /// Region -> whether it is planned, or what keeps it out.
    pub(crate) regions: BTreeMap<String, Region>,
}

/// A region of an account of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Region {
    Planned,
    Out(String),
}

#[derive(Deserialize)]
struct Plan {
    accounts: Vec<PlanAccount>,
}

#[derive(Deserialize)]
struct PlanAccount {
    id: String,
    reason: Option<String>,
    regions: Vec<PlanRegion>,
}

#[derive(Deserialize)]
struct PlanRegion {
    name: String,
    state: Option<String>,
    planned: bool,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Catalogue {
    items: Vec<CatalogueItem>,
}

#[derive(Deserialize)]
struct CatalogueItem {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    cells: Option<Vec<Row>>,
    cell_files: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Part {
    cells: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    account: String,
    item: String,
    status: String,
    reason: Option<String>,
}

impl Scene {
    /// Reads configuration, catalogue, plan and the rows that were left out.
    pub(crate) fn read(bundle: &mut VerifiedBundle, snapshot: &Snapshot) -> Result<Self, VerifyError> {
        let config = json(bundle, "data/config.json")?;
        let catalogue: Catalogue = json(bundle, "data/catalogue.json")?;
        let plan: Plan = json(bundle, "data/plan.json")?;
        let mut excluded = BTreeMap::new();
        if bundle.run().cells.get(CellStatus::Excluded.word()).is_some_and(|count| *count > 0) {
            let run: Run = json(bundle, "data/run.json")?;
            count_excluded(run.cells.unwrap_or_default(), &mut excluded);
            for file in run.cell_files.unwrap_or_default() {
                let part: Part = json(bundle, &file)?;
                count_excluded(part.cells, &mut excluded);
            }
        }
        let path = BundlePath::new("data/catalogue.json").ok();
        Ok(Self {
            id: snapshot.id.clone(),
            snapshot: snapshot.clone(),
            config,
            catalogue_sha256: path.and_then(|path| bundle.manifest().digest(&path).copied()),
            items: catalogue.items.into_iter().map(|item| item.id).collect(),
            accounts: plan.accounts.into_iter().map(account).collect(),
            excluded,
        })
    }

    /// Accounts that are not left out.
    pub(crate) fn planned_accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        let accounts = self.accounts.iter().filter(|(_, account)| account.reason.is_none());
        accounts.map(|(id, account)| (id.as_str(), account))
    }
}

fn account(account: PlanAccount) -> (String, Account) {
    let PlanAccount { id, reason, regions } = account;
    let region = |region: PlanRegion| {
        let PlanRegion { name, state, planned, reason } = region;
        let out = || Region::Out(reason.or(state).unwrap_or_else(|| "no reason is given".to_owned()));
        (name, if planned { Region::Planned } else { out() })
    };
    (id, Account { reason, regions: regions.into_iter().map(region).collect() })
}

fn count_excluded(rows: Vec<Row>, excluded: &mut BTreeMap<(String, String, String), u64>) {
    for Row { account, item, status, reason } in rows {
        if status == CellStatus::Excluded.word() {
            let reason = reason.unwrap_or_else(|| "no reason is given".to_owned());
            *excluded.entry((account, item, reason)).or_default() += 1;
        }
    }
}

fn json<T: serde::de::DeserializeOwned>(bundle: &mut VerifiedBundle, path: &str) -> Result<T, VerifyError> {
    let refuse = |error: String| VerifyError::in_file(Check::RunDocuments, path, error);
    let name = BundlePath::new(path).map_err(|error| refuse(error.to_string()))?;
    let bytes = bundle.read(&name)?;
    serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))
}
