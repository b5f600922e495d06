//! Publishing: from a sealed zip in the spool to a bundle in the store and in the log, whatever happened before.
//!
//! Order of effects for one bundle: it is sealed and fsynced in the spool; a timestamp authority is asked to date it;
//! the zip is created in the store; the log takes its leaf; sidecars are created beside the zip; the spool lets go.
//! After a crash at any of these points the next start goes on from there, by the same functions: claims are finished,
//! zips without a leaf are adopted, missing sidecars made, sealed zips published, oldest first, and each slot that
//! nobody collected gets a bag that says so before a later slot is published. A token that no authority gave waits,
//! and is asked for at each start.
//!
//! Refused: a store that is older than what was seen, another history, another scope.

mod before;
mod catch_up;
mod dating;
mod error;
mod examine;
mod put;
mod settled;
mod tsa;
mod waiting;

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Instant;

use evidenced_bundle::log::{Log, Signer, Writer};
use evidenced_bundle::note::KeyName;
use evidenced_bundle::timestamp::Authorities;
use evidenced_bundle::{BagId, Digest, Kind, Limits, PartId, Scope};
use evidenced_core::config::Config;
use evidenced_core::estate;
use evidenced_core::layout::{self, AskedBucket, Collector, Original};

use crate::aws;
use crate::clock::Time;
use crate::collector::{Loaded, SealedPart, SealedZip};
use crate::signer::{self, Key};
use crate::store::{self, Leash, Leashed, Store};
use crate::trust_root::Trusted;

pub(crate) use catch_up::CaughtUp;
pub(crate) use dating::Date;
pub(crate) use error::PublishError;
pub(crate) use examine::EstateRules;
use examine::{refuse_a_foreign_log_key, warn_of_a_foreign_evidence_key};
pub(crate) use put::Published;
use settled::Look;
pub(crate) use settled::Settled;
pub(crate) use tsa::TimestampClient;
use waiting::Waiting;
pub(crate) use waiting::{SpoolError, count as count_spool, seen};

/// Of the container, as `sha256:<hex>`: only its starter knows it.
const IMAGE_VARIABLE: &str = "EVIDENCED_IMAGE_DIGEST";

/// Dates a signature over a statement.
type Stamp<'a> = dyn Fn(&[u8; 64]) -> Vec<Vec<u8>> + 'a;

/// Publishes for one configuration. Holds the lock of the spool.
pub(crate) struct Publisher {
    config: Config,
    scope: Scope,
    collector: Collector,
    evidence: Key,
    log: Option<(KeyName, Key)>,
    trusted: Option<Trusted>,
    store: Store,
    spool: Waiting,
    settled: Settled,
    authorities: TimestampClient,
    time: Time,
    /// Accounts that are sure to be collected, and whether the store must be theirs.
    own: BTreeSet<String>,
    estate: EstateRules,
}

/// What is known of the collector beside its configuration.
fn collector(
    evidence: &dyn Signer,
    trusted: Option<&Trusted>,
    time: &Time,
) -> Result<Collector, PublishError> {
    let image = std::env::var(IMAGE_VARIABLE).ok().filter(|text| !text.is_empty());
    let image = image
        .map(|text| {
            let digest = text.strip_prefix("sha256:").and_then(Digest::parse);
            digest.ok_or(PublishError::Image(text))
        })
        .transpose()?;
    Ok(Collector {
        version: time.collector_version().to_owned(),
        key: Some(*evidence.public().id()),
        image,
        trust_root: trusted.map(Trusted::in_force),
        fence: None,
        bucket: None,
        supplements: None,
    })
}

/// The trust root of a configuration, where it names one.
pub(crate) fn trusted(loaded: &Loaded) -> Result<Option<Trusted>, PublishError> {
    let path = loaded.config.signing.trust_root.as_deref();
    Ok(path.map(|path| Trusted::load(&loaded.resolve(path))).transpose()?)
}

impl Publisher {
    /// Reads the keys and the trust root and locks the spool. The store is not asked yet.
    pub(crate) async fn open(
        loaded: &Loaded,
        settings: &aws::Settings,
        time: Time,
    ) -> Result<Self, PublishError> {
        let config = loaded.config.clone();
        let signing = &config.signing;
        let evidence = signer::open(loaded, settings, &signing.evidence_key).await?;
        let origin = || KeyName::new(&*signing.origin).ok_or(PublishError::Origin(signing.origin.clone()));
        let log = if let Some(source) = &signing.log_key {
            Some((origin()?, signer::open(loaded, settings, source).await?))
        } else {
            tracing::warn!(
                "no [signing] log_key: bundles are stored without the log and without sidecars; an auditor sees \
                 who signed each bundle, not that none was left out, replaced or back-dated"
            );
            None
        };
        let trusted = trusted(loaded)?;
        if let Some(trusted) = &trusted {
            refuse_a_foreign_log_key(&trusted.root, log.as_ref())?;
            warn_of_a_foreign_evidence_key(&trusted.root, &*evidence, &time);
        }
        let scope = Scope::new(config.scope.clone()).ok_or(layout::LayoutError::Value("the scope"))?;
        let known = trusted.as_ref().map_or_else(Authorities::new, |it| it.root.tsa_roots().clone());
        let urls = signing.timestamp_urls.clone();
        if known.is_empty() && !urls.is_empty() {
            tracing::warn!(
                "the trust root has no timestamp authority (or none is configured): answers are kept unverified"
            );
        }
        let ca_bundle = config.aws.ca_bundle.as_deref().map(|path| loaded.resolve(path));
        let connector = aws::connector(ca_bundle, &urls)?;
        Ok(Self {
            collector: collector(&*evidence, trusted.as_ref(), &time)?,
            scope,
            evidence,
            log,
            trusted,
            store: store::open(loaded, settings).await?,
            spool: Waiting::open(&loaded.resolve(&config.spool))?,
            settled: Settled::default(),
            authorities: TimestampClient::new(urls, connector, known),
            own: estate::own_accounts(&config, None),
            estate: EstateRules::default(),
            config,
            time,
        })
    }

    /// The key that signs bundles.
    pub(crate) fn evidence(&self) -> &dyn Signer {
        &*self.evidence
    }

    /// Who collects, for the bag.
    pub(crate) fn collector(&self) -> &Collector {
        &self.collector
    }

    /// From now on the store is used on a leash.
    pub(crate) fn on(mut self, leash: Leash) -> Self {
        self.spool = self.spool.on(leash.clone());
        self.store = Box::new(Leashed { store: self.store, leash });
        self
    }

    /// What the process knows of the store from before.
    pub(crate) fn knowing(mut self, settled: Settled) -> Self {
        self.settled = settled;
        self
    }

    /// The lease under which the next bundle is collected goes into it.
    pub(crate) fn under(&mut self, fence: Option<u64>) {
        self.collector.fence = fence;
    }

    /// The bundle that the next one completes is named in it.
    pub(crate) fn supplementing(&mut self, original: Option<Original>) {
        self.collector.supplements = original;
    }

    /// What the bucket answered goes into the next bundles.
    pub(crate) fn writing_to(&mut self, bucket: Option<AskedBucket>) {
        self.collector.bucket = bucket;
    }

    /// Who asks AWS, for the comparison with the estate of the store.
    pub(crate) fn on_behalf_of(&mut self, caller: Option<&str>, rules: EstateRules) {
        (self.own, self.estate) = (estate::own_accounts(&self.config, caller), rules);
    }

    /// The bundles of the store that may not be settled, or all.
    fn look(&self) -> Result<Look, PublishError> {
        Ok(self.settled.look(&*self.store, Instant::now())?)
    }

    /// The newest scheduled slot that the log has, seconds since 1970; without a log, that the store has.
    pub(crate) fn newest(&self) -> Result<Option<i64>, PublishError> {
        let look = self.look()?;
        self.examine(&look)?;
        let stamp = |signature: &[u8; 64]| self.stamp(signature);
        if let Some(mut log) = self.log(&stamp)? {
            return Ok(log.newest_scheduled()?.map(|statement| statement.snapshot.id.slot().unix()));
        }
        if let Some(newest) = newest_scheduled(&look.keys) {
            return Ok(Some(newest));
        }
        Ok(newest_scheduled(&settled::all(&*self.store, Instant::now())?.keys))
    }

    /// The name under which leases are taken: that of the spool, so that a service that is started again goes on.
    pub(crate) fn holder(&self) -> Result<String, PublishError> {
        Ok(self.spool.holder()?)
    }

    /// Whether a bundle is sealed and waits for the store.
    pub(crate) fn waits(&self, id: &BagId) -> bool {
        self.spool.sealed_path(id).exists()
    }

    /// Whether the store has a bundle.
    pub(crate) fn holds(&self, id: &BagId) -> Result<bool, PublishError> {
        Ok(self.store.open(&id.store_key())?.is_some())
    }

    /// The scheduled slot that is in the log already and comes after `id`, if there is one.
    pub(crate) fn overtaken_by(&self, id: &BagId) -> Result<Option<BagId>, PublishError> {
        let stamp = |signature: &[u8; 64]| self.stamp(signature);
        let Some(mut log) = self.log(&stamp)? else { return Ok(None) };
        let newest = log.newest_scheduled()?.map(|statement| statement.snapshot.id);
        Ok(newest.filter(|newest| id.kind() == Kind::Schedule && newest.slot() > id.slot()))
    }

    /// The number of the first part of a run: one that no part in the store has. A run for the same slot may have died
    /// behind its first parts, with its spool; nothing of it is overwritten, and no root names it.
    pub(crate) fn first_part(&self, id: &BagId) -> Result<NonZeroU16, PublishError> {
        let key = id.store_key();
        let keys = match self.store.list(&format!("{}.part-", key.strip_suffix(".zip").unwrap_or(&key))) {
            Ok(keys) => keys,
            Err(error) => {
                // Nothing is lost by it: a part that is there with other bytes is found when ours is to be stored.
                tracing::error!(%error, "the store does not answer: parts are numbered from 1");
                Vec::new()
            }
        };
        let parts = keys.iter().filter_map(|key| PartId::of_file_name(key.rsplit('/').next()?));
        let last = parts.map(|part| part.number()).max();
        let next = last.map_or(Some(NonZeroU16::MIN), |last| last.checked_add(1));
        Ok(next.ok_or(layout::LayoutError::Value("the number of parts"))?)
    }

    /// Takes over zips that were written and fsynced in the spool. When this returns the bundle cannot be lost.
    pub(crate) fn seal(
        &self,
        id: &BagId,
        parts: &[SealedPart],
        root: &SealedZip,
    ) -> Result<(), PublishError> {
        if self.authorities.is_configured() {
            self.spool.want_token(&id.file_name(), &root.sha256)?;
        }
        // The root last: parts without a root are of a run that was never sealed.
        for part in parts {
            self.spool.seal(&part.path, &part.record.part.file_name())?;
        }
        Ok(self.spool.seal(&root.path, &id.file_name())?)
    }

    fn log<'a>(&'a self, stamp: &'a Stamp<'a>) -> Result<Option<Log<'a>>, PublishError> {
        let Some((origin, key)) = &self.log else { return Ok(None) };
        let root = self.trusted.as_ref().map(|trusted| &trusted.root);
        let writer = Writer {
            origin: origin.clone(),
            evidence: &*self.evidence,
            log: &**key,
            evidence_keys: root
                .map(|root| root.evidence_keys().map(|(_, key)| key.clone()).collect())
                .unwrap_or_default(),
            log_keys: root
                .map(|root| root.log_keys(origin).iter().map(|key| key.key().clone()).collect())
                .unwrap_or_default(),
            stamp,
            high_water: self.spool.seen()?,
            limits: Limits::default(),
        };
        Ok(Some(Log::new(&*self.store, writer)))
    }

    fn see(&self, log: &Log<'_>) -> Result<(), PublishError> {
        if let Some(checkpoint) = log.high_water() {
            self.spool.see(checkpoint)?;
        }
        Ok(())
    }

    fn own_keys(&self) -> Vec<evidenced_bundle::PublicKey> {
        let root = self.trusted.as_ref().map(|trusted| &trusted.root);
        let others = root.map(|root| root.evidence_keys().map(|(_, key)| key.clone()).collect::<Vec<_>>());
        [vec![self.evidence.public().clone()], others.unwrap_or_default()].concat()
    }
}

/// The bundles among the keys of a store.
fn ids(keys: &[String]) -> impl Iterator<Item = BagId> {
    keys.iter().filter_map(|key| {
        let id = BagId::parse(key.rsplit('/').next()?.strip_suffix(".zip")?)?;
        (id.store_key() == *key).then_some(id)
    })
}

/// The newest scheduled slot among the keys of a store.
fn newest_scheduled(keys: &[String]) -> Option<i64> {
    ids(keys).filter(|id| id.kind() == Kind::Schedule).map(|id| id.slot().unix()).max()
}
