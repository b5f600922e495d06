//! Whose store it is: asked before anything is written.
//!
//! Refused: bundles of another scope, a newest bundle of another estate, a log key that the trust root does not have.

use evidenced_bundle::log::Signer;
use evidenced_bundle::note::KeyName;
use evidenced_bundle::statement::Snapshot;
use evidenced_bundle::trust::{Dated, TrustRoot};
use evidenced_bundle::{BagId, BundlePath, Digest, KeyId, Limits, TrustedKeys, UntrustedBundle, UtcSecond};
use evidenced_core::config::effective;
use evidenced_core::estate;
use serde_json::Value;

use super::settled::Look;
use super::{PublishError, Publisher, ids};
use crate::clock::Time;
use crate::signer::Key;

/// Whether a store that another estate wrote into last is written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum EstateRules {
    /// It is not.
    #[default]
    Demanded,
    /// It is: the organisation was renamed, or all of its accounts are new.
    Overridden,
}

impl Publisher {
    /// Refuses a store of another scope, of another estate, or under another key. Nothing is written.
    pub(super) fn examine(&self, look: &Look) -> Result<(), PublishError> {
        self.check_scope(&look.keys)?;
        let stamp = |_: &[u8; 64]| Vec::new();
        let Some(log) = self.log(&stamp)? else { return Ok(()) };
        let Some(last) = log.last_published()? else { return Ok(()) };
        let Snapshot { id, zip_sha256, config_sha256, .. } = last.snapshot;
        let ours = format!("{}\n", effective(&self.config, self.collector.trust_root.as_ref()));
        if Digest::of(ours.as_bytes()) == config_sha256 {
            return Ok(());
        }
        // Only after a change of the configuration: the bundle says whose it is.
        let Some((config, plan)) = self.estate_of(&id, &zip_sha256)? else { return Ok(()) };
        match estate::stranger(&self.config, &self.own, &config, &plan) {
            Some(stranger) if self.estate == EstateRules::Demanded => {
                Err(PublishError::OtherEstate { id, stranger })
            }
            Some(stranger) => {
                tracing::warn!(bundle = %id, %stranger, "the store was that of another estate");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Configuration and plan of a bundle in the store, where it can be opened.
    fn estate_of(&self, id: &BagId, sha256: &Digest) -> Result<Option<(Value, Value)>, PublishError> {
        let key = id.store_key();
        let Some(zip) = self.store.open(&key)? else { return Ok(None) };
        let keys = TrustedKeys::new(self.own_keys());
        let bundle = UntrustedBundle::open(zip, &id.file_name(), &Limits::default());
        let Some(mut bundle) = keys.and_then(|keys| bundle.verify(&keys).ok()) else {
            // Whether it is genuine is judged where it matters; here it only says nothing.
            tracing::warn!(bundle = %id, %sha256, "the newest bundle does not say whose it is: it is not verified");
            return Ok(None);
        };
        let mut read = |path: &str| -> Option<Value> {
            let bytes = bundle.read(&BundlePath::new(path).ok()?).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        Ok(read("data/config.json").zip(read("data/plan.json")))
    }

    /// One store, one scope.
    fn check_scope(&self, keys: &[String]) -> Result<(), PublishError> {
        match ids(keys).map(|id| id.scope().clone()).find(|scope| *scope != self.scope) {
            Some(found) => Err(PublishError::OtherScope { found, expected: self.scope.clone() }),
            None => Ok(()),
        }
    }
}

/// Verifiers will refuse what is signed by a key that the trust root does not have: better said now than by them. The
/// evidence is worth more than its date, and a trust root may follow its key: it is collected all the same.
pub(super) fn warn_of_a_foreign_evidence_key(root: &TrustRoot, evidence: &dyn Signer, time: &Time) {
    let now = UtcSecond::from_unix(time.now());
    let id: &KeyId = evidence.public().id();
    if let Some(Err(error)) = now.map(|now| root.evidence_key(id, Dated::Claimed(now))) {
        tracing::error!(version = root.version(), %error, "the trust root does not accept the evidence key");
    }
}

/// A log goes on for ever under its origin: a checkpoint by a key that is not its own would end it.
pub(super) fn refuse_a_foreign_log_key(
    root: &TrustRoot,
    log: Option<&(KeyName, Key)>,
) -> Result<(), PublishError> {
    let Some((origin, key)) = log else { return Ok(()) };
    let known = root.log_keys(origin);
    if known.iter().any(|known| known.key() == key.public() && known.entry().revoked.is_none()) {
        return Ok(());
    }
    let (origin, key, version) = (origin.clone(), *key.public().id(), root.version());
    Err(PublishError::ForeignLogKey { origin, key, version })
}
