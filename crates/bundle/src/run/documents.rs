//! The JSON of a run: the members that verification relies on, and how they are read.
//!
//! Members that are not named here are left alone. Refused: a member twice, a member of another type, and bytes that
//! are not those of the manifest.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::archive::Files;
use crate::bag::BagInfo;
use crate::check::{Check, VerifyError};
use crate::digest::Digest;
use crate::id::BagId;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::parts::Parts;
use crate::path::BundlePath;
use crate::run::{Acceptance, Heads};

/// The payload of a bundle whose manifest has been verified.
pub(crate) struct Payload<'a> {
    pub(crate) id: &'a BagId,
    pub(crate) info: &'a BagInfo,
    pub(crate) manifest: &'a Manifest,
    pub(crate) files: &'a mut Files,
    pub(crate) parts: &'a mut Parts,
    pub(crate) heads: Heads,
    pub(crate) limits: &'a Limits,
}

impl Payload<'_> {
    pub(super) fn json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, VerifyError> {
        let refuse = |detail: String| VerifyError::in_file(Check::RunDocuments, path, detail);
        let path = BundlePath::new(path).map_err(|error| refuse(error.to_string()))?;
        let digest = self.manifest.digest(&path).ok_or_else(|| refuse("is missing".to_owned()))?;
        let bytes = self.files.read(&path, self.limits.json_bytes, Check::RunDocuments)?;
        // Read again since its digest was checked: what is parsed must be what was signed.
        if Digest::of(&bytes) != *digest {
            return Err(VerifyError::in_file(Check::Payload, path, "changed while it was read"));
        }
        serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))
    }
}

#[derive(Deserialize)]
pub(super) struct ConfigDocument {
    pub(super) scope: Option<String>,
    pub(super) schedule: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CatalogueDocument {
    pub(super) items: Vec<CatalogueItem>,
}

#[derive(Deserialize)]
pub(super) struct CatalogueItem {
    pub(super) id: String,
    pub(super) scope: ItemScope,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ItemScope {
    Region,
    Account,
    Organisation,
    Configured,
}

#[derive(Deserialize)]
pub(super) struct PlanDocument {
    pub(super) accounts: Vec<PlanAccount>,
}

#[derive(Deserialize)]
pub(super) struct PlanAccount {
    pub(super) id: String,
    /// Why the account is left out.
    pub(super) reason: Option<String>,
    pub(super) regions: Vec<PlanRegion>,
}

#[derive(Deserialize)]
pub(super) struct PlanRegion {
    pub(super) name: String,
    pub(super) planned: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunDocument {
    pub(super) evidence_key_id: Option<String>,
    pub(super) collector: Option<CollectorDocument>,
    pub(super) slot: String,
    pub(super) status: String,
    pub(super) trigger: String,
    pub(super) schedule: String,
    pub(super) collected: Collected,
    pub(super) scope: RunScope,
    pub(super) reason: Option<String>,
    pub(super) totals: Option<Totals>,
    pub(super) cells: Option<Vec<Row>>,
    pub(super) cell_files: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CollectorDocument {
    pub(super) policies_digest: Option<Sha256>,
}

#[derive(Deserialize)]
pub(super) struct Sha256 {
    pub(super) sha256: String,
}

#[derive(Deserialize)]
pub(super) struct Collected {
    pub(super) start: String,
    pub(super) end: String,
}

#[derive(Deserialize)]
pub(super) struct RunScope {
    pub(super) accounts: u64,
    pub(super) name: String,
    pub(super) regions: u64,
}

/// Sums over the rows, where they are given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) cells: Option<BTreeMap<String, u64>>,
    pub(super) documents: Option<u64>,
    pub(super) open_gaps: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct RunPart {
    pub(super) cells: Vec<Row>,
}

#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) item: String,
    pub(super) status: String,
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) error: Option<Value>,
    pub(super) reason: Option<String>,
    pub(super) accepted: Option<Acceptance>,
}

impl Row {
    pub(super) fn cell(&self) -> String {
        format!("{} {} {}", self.account, self.region, self.item)
    }
}
