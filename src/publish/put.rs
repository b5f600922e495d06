//! One bundle, from the spool to the store and the log. Each step is done or found done.
//!
//! Refused: a zip that is not what was sealed, a statement that no verifier would take.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use evidenced_bundle::log::{Log, Outcome};
use evidenced_bundle::run::RunSummary;
use evidenced_bundle::statement::Snapshot;
use evidenced_bundle::store::{Creation, StoreError};
use evidenced_bundle::trust::{Dated, KeyRefusal};
use evidenced_bundle::{
    BagId, BundlePath, Digest, Limits, PartRecord, TrustedKeys, UntrustedBundle, VerifiedBundle, hash_reader,
};
use serde_json::Value;

use super::{Date, PublishError, Publisher};

/// Where a bundle is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) index: u64,
    pub(crate) origin: String,
}

/// A bundle that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) id: BagId,
    /// What it says of its run.
    pub(crate) run: RunSummary,
    /// Rows by verdict; none where nothing was judged.
    pub(crate) verdicts: Option<BTreeMap<String, u64>>,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
    /// None without a log key.
    pub(crate) leaf: Option<Leaf>,
    pub(crate) date: Date,
    /// Where ours is kept when another bundle had the slot before.
    pub(crate) conflict: Option<PathBuf>,
}

impl Publisher {
    /// Publishes a sealed bundle.
    pub(crate) fn publish(&self, id: &BagId) -> Result<Published, PublishError> {
        let started = Instant::now();
        let stamp = |signature: &[u8; 64]| self.stamp(signature);
        let mut log = self.log(&stamp)?;
        let published = self.put(log.as_mut(), id)?;
        let ms = started.elapsed().as_millis();
        tracing::info!(bundle = %id, ms, index = published.leaf.as_ref().map(|leaf| leaf.index), "published");
        Ok(published)
    }

    /// Everything from the sealed zip on. Each step is done or found done.
    pub(super) fn put(&self, log: Option<&mut Log<'_>>, id: &BagId) -> Result<Published, PublishError> {
        let path = self.spool.sealed_path(id);
        let unreadable = |source| PublishError::Sealed { path: path.clone(), source };
        let refused = |source| PublishError::Refused { path: path.clone(), source };
        // Read back and verified as an auditor would: what is published is what was sealed.
        let keys = TrustedKeys::new(self.own_keys());
        let keys = keys.ok_or_else(|| unreadable(io::ErrorKind::InvalidInput.into()))?;
        let bundle = UntrustedBundle::open_path(&path, &Limits::default()).map_err(unreadable)?;
        let mut bundle = bundle.verify(&keys).map_err(refused)?;
        let snapshot = Snapshot::of(&mut bundle).map_err(refused)?;
        if let Some(absent) = bundle.parts().absent.first() {
            let path = path.with_file_name(absent.part.file_name());
            return Err(PublishError::Sealed { path, source: io::ErrorKind::NotFound.into() });
        }
        let parts: Vec<PartRecord> = bundle.part_records().cloned().collect();
        let run = bundle.run().clone();
        let verdicts = verdicts(&mut bundle);
        drop(bundle);
        self.may_state(&snapshot)?;
        let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
        let sha256 = snapshot.zip_sha256;
        let published = |leaf, date, conflict| Published {
            id: id.clone(),
            run: run.clone(),
            verdicts: verdicts.clone(),
            sha256,
            bytes,
            leaf,
            date,
            conflict,
        };
        let date = self.date(id, &snapshot.zip_sha256)?;
        // Parts come before the root that names them: a root in the store is whole.
        for part in &parts {
            let path = path.with_file_name(part.part.file_name());
            let mut zip =
                File::open(&path).map_err(|source| PublishError::Sealed { path: path.clone(), source })?;
            if self.create_zip(&part.part.store_key(), &mut zip, &part.sha256)? {
                let kept = self.spool.conflict(id, &snapshot.zip_sha256)?;
                tracing::error!(bundle = %id, part = %part.part, kept = %kept.display(),
                    "another part of this name was in the store before; ours is kept");
                return Ok(published(None, date, Some(kept)));
            }
        }
        let mut zip = File::open(&path).map_err(unreadable)?;
        let (leaf, lost) = match log {
            Some(log) => {
                let appended = log.append(&snapshot, &mut zip);
                // Also after a failure: what was seen was seen.
                self.see(log)?;
                let appended = appended?;
                let leaf = Leaf {
                    index: appended.statement.index,
                    origin: appended.statement.origin.as_str().to_owned(),
                };
                (Some(leaf), appended.outcome == Outcome::Conflict)
            }
            None => (None, self.create_zip(&id.store_key(), &mut zip, &snapshot.zip_sha256)?),
        };
        if lost {
            let kept = self.spool.conflict(id, &snapshot.zip_sha256)?;
            tracing::error!(bundle = %id, kept = %kept.display(),
                "another bundle of this slot was in the store before; ours is kept");
            return Ok(published(leaf, date, Some(kept)));
        }
        // The bundle is published. Its token follows now, or stays in the spool with the wish for it.
        self.put_token(id)?;
        self.spool.forget(id)?;
        Ok(published(leaf, date, None))
    }

    /// A statement counts by the window of its key at the time that it is about. One that no verifier would take is not
    /// written: it could never be replaced.
    fn may_state(&self, snapshot: &Snapshot) -> Result<(), PublishError> {
        let (Some(trusted), Some(_)) = (&self.trusted, &self.log) else { return Ok(()) };
        let at = Dated::Claimed(snapshot.ended);
        match trusted.root.evidence_key(self.evidence.public().id(), at) {
            Err(source @ KeyRefusal::Window { .. })
                if self.store.get(&format!("{}.sigstore.json", snapshot.id.store_key()))?.is_none() =>
            {
                Err(PublishError::Window { id: snapshot.id.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Creates a zip, or finds it there; whether it is another one.
    fn create_zip(&self, key: &str, zip: &mut File, ours: &Digest) -> Result<bool, PublishError> {
        if self.store.upload(key, zip)? == Creation::Created {
            return Ok(false);
        }
        // A crash or a time-out can hide a success, so what is there is compared first.
        let gone = || StoreError::new("read", key, "it is there and cannot be opened");
        let found = self.store.open(key)?.ok_or_else(gone)?;
        let (found, _) = hash_reader(found).map_err(|error| StoreError::new("read", key, error))?;
        Ok(found != *ours)
    }
}

/// Rows by verdict, as the bundle says.
fn verdicts(bundle: &mut VerifiedBundle) -> Option<BTreeMap<String, u64>> {
    let bytes = bundle.read(&BundlePath::new("data/summary.json").ok()?).ok()?;
    let mut summary: Value = serde_json::from_slice(&bytes).ok()?;
    serde_json::from_value(summary.get_mut("verdicts")?.take()).ok()
}
