//! Which bundle came before: the newest of the log that is a run of its own, or the one that waits in the spool.

use std::time::Instant;

use evidenced_bundle::parts::PartsIn;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::{BagId, Digest, Kind, Limits, TrustedKeys, UntrustedBundle};
use evidenced_core::changes::Before;

use super::settled::{self, Extent};
use super::{PublishError, Publisher, ids};
use crate::judge::{BundleFiles, State, side};

/// Bundles of a store without a log that are looked at.
const LOOKED_AT: usize = 10;

impl Publisher {
    /// The bundle before `id`, as far as it can be compared. Never fails: what is wrong is said.
    pub(crate) fn before(&self, id: &BagId, state: &State) -> Before {
        let kept = state.name();
        if let Some((kept, sha256)) = &kept
            && kept != id
            && self.waits(kept)
        {
            return compared(kept, *sha256, state.side());
        }
        let mut why = None;
        // Without a log the newest names of the store are tried; of all days where those of the last ones do not serve.
        for extent in [Extent::Unsettled, Extent::All] {
            let runs = match self.newest_runs(id, extent) {
                Ok(runs) => runs,
                Err(error) => {
                    // The store is down: what was sealed here last is all that is known.
                    return match &kept {
                        Some((kept, sha256)) if kept != id => compared(kept, *sha256, state.side()),
                        _ => Before::None(format!("the store does not say what came before: {error}")),
                    };
                }
            };
            if let Some((newest, logged)) = runs.first()
                && let Some((kept, sha256)) = &kept
                && kept == newest
                && logged.is_none_or(|logged| logged == *sha256)
            {
                return compared(kept, *sha256, state.side());
            }
            for (id, _) in runs.iter().take(LOOKED_AT) {
                match self.bring(id) {
                    Ok(before) => return before,
                    Err(error) => why = Some(format!("{id} cannot be compared: {error}")),
                }
            }
            if self.log.is_some() || runs.len() >= LOOKED_AT {
                break;
            }
        }
        let Some(why) = why else {
            return Before::None("there is no bundle before this one".to_owned());
        };
        tracing::warn!(why, "the bundle before cannot be compared");
        Before::None(why)
    }

    /// The newest run of the log with its digest; without a log, the newest names in the store.
    fn newest_runs(&self, own: &BagId, extent: Extent) -> Result<Vec<(BagId, Option<Digest>)>, PublishError> {
        let stamp = |signature: &[u8; 64]| self.stamp(signature);
        if let Some(mut log) = self.log(&stamp)? {
            let newest = log.newest_of(|it| {
                let supplement = matches!(it.snapshot.id.kind(), Kind::Supplement(_));
                !supplement && it.snapshot.status != RunStatus::Missed && it.snapshot.id != *own
            })?;
            return Ok(newest.map(|it| (it.snapshot.id, Some(it.snapshot.zip_sha256))).into_iter().collect());
        }
        let look = match extent {
            Extent::Unsettled => self.look()?,
            Extent::All => settled::all(&*self.store, Instant::now())?,
        };
        let mut ids: Vec<BagId> =
            ids(&look.keys).filter(|id| id != own && !matches!(id.kind(), Kind::Supplement(_))).collect();
        ids.sort_by_key(|id| std::cmp::Reverse((id.slot(), id.kind())));
        Ok(ids.into_iter().map(|id| (id, None)).collect())
    }

    /// Reads a bundle of the store, as a verifier does.
    fn bring(&self, id: &BagId) -> Result<Before, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let zip = self.store.open(&id.store_key()).map_err(|error| said(&error))?;
        let zip = zip.ok_or("it is not in the store")?;
        let keys = TrustedKeys::new(self.own_keys()).ok_or("no key can verify it")?;
        let bundle = UntrustedBundle::open(zip, &id.file_name(), &Limits::default());
        let bundle = bundle.with_parts(PartsIn::new(&*self.store, id)).verify(&keys);
        let mut bundle = bundle.map_err(|error| said(&error))?;
        let sha256 = bundle.zip_sha256().copied().ok_or("it has no digest")?;
        let files = BundleFiles::read(&mut bundle, true).map_err(|error| said(&error))?;
        Ok(compared(id, sha256, side(&files.files)))
    }
}

fn compared(id: &BagId, sha256: Digest, side: Result<evidenced_core::changes::Side, String>) -> Before {
    match side {
        Ok(side) => Before::Bundle { id: id.to_string(), sha256: sha256.to_string(), side: Box::new(side) },
        Err(why) => Before::None(format!("{id} cannot be compared: {why}")),
    }
}
