//! A snapshot as the files of a bag: every path under `data/` that is not evidence is named here.
//!
//! Pure: the same snapshot and configuration give the same bytes. Field names are those of docs/BUNDLE.md.

mod cut;
mod judged;
mod missed;

use std::collections::BTreeMap;
use std::path::Path;

use evidenced_bundle::digest::{Digest, KeyId};
use evidenced_bundle::{BagId, BundlePath, Content, Draft, Scope, UtcSecond};
use serde_json::{Map, Value, json};

use crate::assessment::ReadError;
use crate::config::{Config, TrustRootInForce, effective};
use crate::item::catalogue;
use crate::moment;
use crate::run::planned_regions;
use crate::snapshot::{Row, Snapshot};

pub use cut::{Cut, cut};
pub use judged::{Judged, Keep, policies_digest};
pub use missed::{Missed, draft_missed, slots};

/// Rows beyond which the matrix is split by account.
const ROWS_IN_ONE_FILE: usize = 2_000;

/// Why a snapshot is not a bag.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A name from the outside is not a path of a bag.
    #[error("{0:?} cannot be the name of a file in a bundle")]
    Path(String),
    /// A digest of ours is not one.
    #[error("{0}: digest is not SHA-256 in hex")]
    Digest(String),
    /// A file that was just made cannot be read back.
    #[error("a file of the bag cannot be read back")]
    Read(#[from] ReadError),
    /// A scope or time that the format cannot hold.
    #[error("{0} does not fit the format of a bundle")]
    Value(&'static str),
    /// A table or page that was made cannot be put aside.
    #[error("{path} cannot be put aside")]
    Keep {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Who collects, and under which rules: what the shell knows beside the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Its version.
    pub version: String,
    /// The key that signs its bags, which `run.json` names.
    pub key: Option<KeyId>,
    /// The digest of its container image, where that is known.
    pub image: Option<Digest>,
    /// The trust root in force, where one is configured.
    pub trust_root: Option<TrustRootInForce>,
    /// The number of the lease under which the slot is collected, where there is one.
    pub fence: Option<u64>,
    /// What the bucket of the store answered, where the store is one.
    pub bucket: Option<AskedBucket>,
    /// The bundle that a supplement completes.
    pub supplements: Option<Original>,
}

/// A bundle with gaps that a supplement asks for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its id.
    pub id: BagId,
    /// The digest of its zip, as the log has it.
    pub sha256: Digest,
}

/// The bucket that a bundle is stored in, as it was before anything was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedBucket {
    /// The document of [`crate::item::STORE`].
    pub document: Vec<u8>,
    /// Rules that it does not keep, and that somebody accepted.
    pub accepted: Vec<&'static str>,
}

impl Collector {
    /// This version, and nothing else is known.
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            key: None,
            image: None,
            trust_root: None,
            fence: None,
            bucket: None,
            supplements: None,
        }
    }

    /// `collector` in `run.json`: what the statement of the bundle says of its maker.
    fn value(&self, config_digest: &str, policies_digest: Option<&str>) -> Value {
        let mut value = json!({
            "id": "urn:evidenced:collector",
            "version": self.version,
            "configDigest": { "sha256": config_digest },
        });
        if let (Some(members), Some(policies)) = (value.as_object_mut(), policies_digest) {
            members.insert("policiesDigest".to_owned(), json!({ "sha256": policies }));
        }
        if let (Some(members), Some(image)) = (value.as_object_mut(), self.image) {
            members.insert("imageDigest".to_owned(), json!({ "sha256": image.to_string() }));
        }
        value
    }

    /// `evidenceKeyId` in `run.json`, where the key is known.
    fn name_key(&self, run: &mut Map<String, Value>) {
        run.extend(self.key.map(|key| ("evidenceKeyId".to_owned(), json!(key.to_string()))));
    }
}

/// `catalogue.json`: items and their calls.
pub fn catalogue_value() -> Value {
    let items: Vec<Value> = catalogue()
        .into_iter()
        .map(|item| {
            let calls: Vec<Value> = item
                .steps
                .iter()
                .map(|step| json!({ "service": step.service, "operation": step.operation, "iam": step.iam }))
                .collect();
            json!({ "id": item.id, "title": item.title, "scope": item.scope.word(),
                "criteria": item.criteria, "calls": calls })
        })
        .collect();
    json!({ "items": items })
}

/// Everything of a bag: the paths and what fills them. `folder` is where the run's files were written.
pub fn draft(
    config: &Config,
    snapshot: &Snapshot,
    id: BagId,
    collector: &Collector,
    folder: &Path,
    judged: Option<&Judged>,
    keep: &mut Keep<'_>,
) -> Result<Draft, LayoutError> {
    let mut files: BTreeMap<BundlePath, Content> = BTreeMap::new();
    let config_bytes = line(&effective(config, collector.trust_root.as_ref()));
    let config_digest = Digest::of(&config_bytes).to_string();
    let mut made: Vec<(String, Vec<u8>)> = vec![
        ("data/config.json".to_owned(), config_bytes),
        ("data/catalogue.json".to_owned(), line(&catalogue_value())),
        ("data/plan.json".to_owned(), line(&json!(snapshot.plan))),
        ("data/summary.json".to_owned(), line(&summary(snapshot, judged))),
    ];
    let policies_digest = judged.map(|judged| policies_digest(&judged.policies));
    let collector_value = collector.value(&config_digest, policies_digest.as_deref());
    made.extend(run_files(config, snapshot, &id, collector, &collector_value));
    if let Some(judged) = judged {
        for (path, content) in judged.add_to(&mut made, keep)? {
            files.insert(bundle_path(path)?, content);
        }
    }
    made.extend(
        collector.bucket.iter().map(|bucket| ("data/store.json".to_owned(), bucket.document.clone())),
    );
    for (path, bytes) in made {
        files.insert(bundle_path(path)?, Content::Bytes(bytes));
    }
    for written in snapshot.written.iter().chain(judged.into_iter().flat_map(|judged| &judged.findings)) {
        let sha256 =
            Digest::parse(&written.sha256).ok_or_else(|| LayoutError::Digest(written.path.clone()))?;
        let content = Content::File { path: folder.join(&written.path), sha256, bytes: written.bytes };
        files.insert(bundle_path(written.path.clone())?, content);
    }
    Ok(Draft {
        scope: Scope::new(config.scope.clone()).ok_or(LayoutError::Value("the scope"))?,
        slot: id.slot(),
        bagging_date: UtcSecond::from_unix(snapshot.ended).ok_or(LayoutError::Value("the time"))?.date(),
        organisation: config.organisation.clone(),
        agent: format!("evidenced {}", collector.version),
        id,
        files,
    })
}

fn bundle_path(path: String) -> Result<BundlePath, LayoutError> {
    BundlePath::new(path.clone()).map_err(|_| LayoutError::Path(path))
}

/// `run.json`, and a file per account when there are too many rows for one.
fn run_files(
    config: &Config,
    snapshot: &Snapshot,
    id: &BagId,
    collector: &Collector,
    collector_value: &Value,
) -> Vec<(String, Vec<u8>)> {
    let accounts = snapshot.plan.accounts.iter().filter(|account| account.reason.is_none()).count();
    let mut run = json!({
        "slot": moment::seconds(id.slot().unix()),
        "status": snapshot.status(),
        "trigger": id.kind().trigger(),
        "schedule": config.schedule.as_str(),
        "collected": { "start": moment::seconds(snapshot.started), "end": moment::seconds(snapshot.ended) },
        "scope": { "name": config.scope, "accounts": accounts, "regions": planned_regions(&snapshot.plan) },
        "collector": collector_value,
        "totals": totals(snapshot),
    });
    let mut files = Vec::new();
    let (name, value) = if snapshot.rows.len() <= ROWS_IN_ONE_FILE {
        ("cells", json!(snapshot.rows))
    } else {
        let mut by_account: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &snapshot.rows {
            by_account.entry(&row.account).or_default().push(row);
        }
        let mut names = Vec::new();
        for (account, rows) in by_account {
            let path = format!("data/run/{account}.json");
            files.push((path.clone(), line(&json!({ "cells": rows }))));
            names.push(path);
        }
        ("cellFiles", json!(names))
    };
    if let Some(members) = run.as_object_mut() {
        collector.name_key(members);
        if let Some(Original { id, sha256 }) = &collector.supplements {
            let original = json!({ "id": id.to_string(), "sha256": sha256.to_string() });
            members.insert("supplements".to_owned(), original);
        }
        if let Some(fence) = collector.fence {
            members.insert("lease".to_owned(), json!({ "fence": fence }));
        }
        if let Some(bucket) = collector.bucket.as_ref().filter(|bucket| !bucket.accepted.is_empty()) {
            members.insert("acceptedBucket".to_owned(), json!(bucket.accepted));
        }
        members.insert(name.to_owned(), value);
    }
    files.push(("data/run.json".to_owned(), line(&run)));
    files
}

fn totals(snapshot: &Snapshot) -> Value {
    json!({
        "cells": snapshot.counts(),
        "documents": snapshot.rows.iter().filter(|row| row.file.is_some()).count(),
        "resources": snapshot.rows.iter().filter_map(|row| row.resources).sum::<u64>(),
        "pages": snapshot.rows.iter().filter_map(|row| row.pages).sum::<u64>(),
        "openGaps": snapshot.open_gaps().count(),
    })
}

/// `summary.json`: the counts that people ask for first, per item and per verdict.
fn summary(snapshot: &Snapshot, judged: Option<&Judged>) -> Value {
    let mut items: BTreeMap<&str, (u64, BTreeMap<&'static str, u64>)> = BTreeMap::new();
    for row in &snapshot.rows {
        let (resources, cells) = items.entry(&row.item).or_default();
        *resources += row.resources.unwrap_or(0);
        *cells.entry(row.status.word()).or_insert(0) += 1;
    }
    let items: serde_json::Map<String, Value> = items
        .into_iter()
        .map(|(id, (resources, cells))| (id.to_owned(), json!({ "resources": resources, "cells": cells })))
        .collect();
    let mut summary = json!({ "status": snapshot.status(), "totals": totals(snapshot), "items": items });
    if let (Some(members), Some(judged)) = (summary.as_object_mut(), judged) {
        members.extend(judged.counts());
    }
    summary
}

/// Compact JSON with one final newline.
fn line(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
