//! What every start does before anything new: what was sealed is published, what is incomplete in the store is
//! completed, and each slot that nobody collected gets a bag that says so, all in the order of their slots.
//!
//! Each step is done or found done, so that a start may end anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use evidenced_bundle::log::Log;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::store::Creation;
use evidenced_bundle::trust::file_name;
use evidenced_bundle::{BagId, Digest, Kind, Limits, UtcSecond, prepare};
use evidenced_core::layout::{self, Missed};
use evidenced_core::moment;
use evidenced_core::schedule::Schedule;

use super::settled::Extent;
use super::{PublishError, Published, Publisher, newest_scheduled};
use crate::phase::Phase;
use crate::trust_root::TrustRootError;

/// What a start found to do.
#[derive(Debug, Default, Clone)]
pub(crate) struct CaughtUp {
    /// Sealed bundles that waited in the spool.
    pub(crate) published: Vec<Published>,
    /// Bundles that had no leaf, or lacked sidecars.
    pub(crate) repaired: Vec<BagId>,
    /// Slots without a run, which have a bag now that says so.
    pub(crate) missed: Vec<BagId>,
    /// Bundles whose token came late.
    pub(crate) dated: Vec<BagId>,
    /// Bundles that still wait for a token.
    pub(crate) undated: Vec<BagId>,
}

/// Where an unfinished bundle was found.
enum Origin {
    Store,
    Spool,
}

impl Publisher {
    /// What every start does before anything new: nothing that was sealed is lost, and no slot before `until` (seconds
    /// since 1970) stays without a leaf.
    pub(crate) fn catch_up(&self, until: i64) -> Result<CaughtUp, PublishError> {
        self.authorities.try_again();
        let mut done = CaughtUp::default();
        let look = self.look()?;
        self.examine(&look)?;
        if look.extent == Extent::All {
            self.store.tidy()?;
        }
        self.want_lost_tokens(&look.keys)?;
        self.publish_trust_root()?;
        let stamp = |signature: &[u8; 64]| self.stamp(signature);
        let Some(mut log) = self.log(&stamp)? else {
            for id in self.in_order()? {
                done.published.push(self.put(None, &id)?);
            }
            self.fetch_tokens(&mut done)?;
            // Without a log there is nothing that a zip in the store could lack.
            if let Some(newest) = newest_scheduled(&look.keys) {
                self.settled.learn(&look, newest, self.time.now(), BTreeSet::new());
            }
            return Ok(done);
        };
        let mut waiting: BTreeMap<(UtcSecond, Kind), (BagId, Origin)> = BTreeMap::new();
        let mut open: BTreeSet<BagId> = log.incomplete_among(&look.keys)?.into_iter().collect();
        for id in open.iter().cloned() {
            waiting.insert((id.slot(), id.kind()), (id, Origin::Store));
        }
        // What is in the spool too is published from there: its spool file then goes away as well.
        for id in self.spool.sealed()? {
            waiting.insert((id.slot(), id.kind()), (id, Origin::Spool));
        }
        for (id, origin) in waiting.into_values() {
            if id.kind() == Kind::Schedule {
                if id.slot().unix() > until {
                    // Its turn comes when the slots before it are settled.
                    continue;
                }
                self.fill(&mut log, id.slot().unix(), &mut done)?;
            }
            match origin {
                Origin::Spool => {
                    let published = self.put(Some(&mut log), &id)?;
                    tracing::warn!(bundle = %id, "a sealed bundle waited in the spool; it is published now");
                    done.published.push(published);
                }
                Origin::Store => self.adopt(&mut log, id, &mut done)?,
            }
        }
        self.fill(&mut log, until, &mut done)?;
        self.see(&log)?;
        let logged = done.published.iter().filter(|published| published.leaf.is_some());
        let whole: BTreeSet<&BagId> = logged.map(|published| &published.id).chain(&done.repaired).collect();
        open.retain(|id| !whole.contains(id));
        if let Some(newest) = log.newest_scheduled()? {
            self.settled.learn(&look, newest.snapshot.id.slot().unix(), self.time.now(), open);
        }
        self.fetch_tokens(&mut done)?;
        Ok(done)
    }

    /// The store carries the versions of the trust root and the files that they name, for those who pin it.
    fn publish_trust_root(&self) -> Result<(), PublishError> {
        let Some(trusted) = &self.trusted else { return Ok(()) };
        let versions = (1..=trusted.root.version()).map(file_name);
        let files = trusted.root.document().files.keys().cloned();
        for name in versions.chain(files) {
            let path = trusted.folder.join(&name);
            let bytes = std::fs::read(&path)
                .map_err(|source| TrustRootError::Unreadable { path: path.clone(), source })?;
            let key = format!("trust/{name}");
            let found = match self.store.get(&key)? {
                Some((found, _)) => Some(found),
                None => match self.store.create(&key, &bytes)? {
                    Creation::Created => None,
                    Creation::Exists => self.store.get(&key)?.map(|(found, _)| found),
                },
            };
            if found.is_some_and(|found| found != bytes) {
                return Err(PublishError::Changed { key });
            }
        }
        Ok(())
    }

    /// A bag for each slot after the last one in the log and before `until`: no run of it will come any more.
    fn fill(&self, log: &mut Log<'_>, until: i64, done: &mut CaughtUp) -> Result<(), PublishError> {
        let Some(last) = log.newest_scheduled()? else { return Ok(()) };
        let last = last.snapshot;
        let schedule = Schedule::parse(&last.schedule)?;
        let slots = || layout::slots(&schedule, last.id.slot().unix(), until);
        let count = slots().count();
        if count == 0 {
            return Ok(());
        }
        tracing::warn!(count, after = %last.id.slot(), "slots without a run: each gets a bag that says so");
        let since = if last.status == RunStatus::Missed { last.id.slot() } else { last.ended }.unix();
        for slot in slots() {
            let written = self.time.now();
            let missed = Missed {
                schedule: schedule.clone(),
                since,
                written,
                reason: format!(
                    "no run of this slot was sealed; the collector had no result between {} and {}",
                    moment::seconds(since),
                    moment::seconds(written)
                ),
            };
            let slot = UtcSecond::from_unix(slot).ok_or(layout::LayoutError::Value("the time"))?;
            let id = BagId::new(self.scope.clone(), slot, Kind::Schedule);
            Phase::Seal.begins();
            let draft = layout::draft_missed(&self.config, &missed, id.clone(), &self.collector)?;
            let unsigned = prepare(draft, self.evidence.public().id(), &Limits::default())?;
            let signature = self.evidence.sign(unsigned.message())?;
            let mut zip = Cursor::new(Vec::new());
            unsigned.seal(signature, self.evidence.public(), &mut zip)?;
            let zip = zip.into_inner();
            Phase::Spool.begins();
            if self.authorities.is_configured() {
                self.spool.want_token(&id.file_name(), &Digest::of(&zip))?;
            }
            // Sealed like any other: a crash from here on leaves it to the next start.
            self.spool.seal_bytes(&zip, &id.file_name())?;
            self.put(Some(log), &id)?;
            done.missed.push(id);
        }
        Ok(())
    }

    /// A zip of the store that lacks its leaf or a sidecar.
    fn adopt(&self, log: &mut Log<'_>, id: BagId, done: &mut CaughtUp) -> Result<(), PublishError> {
        match log.adopt(&id) {
            Ok(statement) => {
                self.see(log)?;
                tracing::warn!(bundle = %id, index = statement.index, "was incomplete in the store; it is whole now");
                let token = format!("{}.tsr", id.store_key());
                if self.authorities.is_configured() && self.store.get(&token)?.is_none() {
                    self.spool.want_token(&id.file_name(), &statement.snapshot.zip_sha256)?;
                }
                done.repaired.push(id);
                Ok(())
            }
            // One bad zip must not keep the others out.
            Err(error) if error.is_about_one_zip() => {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(bundle = %id, %error, why, "a zip in the store is not taken into the log");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sealed bundles, oldest first.
    fn in_order(&self) -> Result<Vec<BagId>, PublishError> {
        let mut sealed = self.spool.sealed()?;
        sealed.sort_by_key(|id| (id.slot(), id.kind()));
        Ok(sealed)
    }
}
