//! What a bundle states of itself, read from the bundle alone.
//!
//! `append` and the adoption of an orphan both start from this, so that both make the same statement. Optional member
//! of `data/run.json`: `collector: {version, policiesDigest, imageDigest}`; without it the version is that of
//! `Bag-Software-Agent`.

use serde::Deserialize;

use crate::check::{Check, VerifyError};
use crate::digest::Digest;
use crate::path::BundlePath;
use crate::statement::Snapshot;
use crate::verify::VerifiedBundle;

const RUN: &str = "data/run.json";
const CONFIG: &str = "data/config.json";

#[derive(Deserialize)]
struct RunDocument {
    collector: Option<Collector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collector {
    version: String,
    policies_digest: Option<Sha256>,
    image_digest: Option<Sha256>,
}

#[derive(Deserialize)]
struct Sha256 {
    sha256: String,
}

impl Snapshot {
    /// The predicate fields of a verified zip. A folder has no digest and is refused.
    pub fn of(bundle: &mut VerifiedBundle) -> Result<Self, VerifyError> {
        let refuse = |detail: &str| VerifyError::in_file(Check::RunIdentity, RUN, detail);
        let path = |path: &str| BundlePath::new(path).map_err(|error| refuse(&error.to_string()));
        let run: RunDocument = serde_json::from_slice(&bundle.read(&path(RUN)?)?)
            .map_err(|error| VerifyError::in_file(Check::RunDocuments, RUN, error))?;
        let digest = |found: Option<Sha256>| {
            let digest =
                found.map(|found| Digest::parse(&found.sha256).ok_or_else(|| refuse("a digest is none")));
            digest.transpose()
        };
        let agent = bundle.info().agent.as_str();
        let (version, policies, image) = match run.collector {
            Some(collector) => (collector.version, collector.policies_digest, collector.image_digest),
            None => (agent.rsplit(' ').next().unwrap_or(agent).to_owned(), None, None),
        };
        let config = bundle.manifest().digest(&path(CONFIG)?).copied();
        let zip = bundle.zip_sha256().copied();
        let summary = bundle.run();
        Ok(Self {
            id: bundle.id().clone(),
            zip_sha256: zip.ok_or_else(|| refuse("a folder is not logged, its zip is"))?,
            tagmanifest_sha256: *bundle.tagmanifest_sha256(),
            started: summary.started,
            ended: summary.ended,
            version,
            config_sha256: config.ok_or_else(|| refuse("there is no configuration"))?,
            policies_sha256: digest(policies)?,
            image_sha256: digest(image)?,
            schedule: summary.schedule.clone(),
            accounts: summary.accounts,
            regions: summary.regions,
            status: summary.status,
        })
    }
}
