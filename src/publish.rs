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
mod settled;
mod tsa;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Cursor};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Instant;

use evidenced_bundle::log::{self, Log, LogError, Outcome, Signer, Writer};
use evidenced_bundle::note::KeyName;
use evidenced_bundle::run::{RunStatus, RunSummary};
use evidenced_bundle::statement::Snapshot;
use evidenced_bundle::store::{Creation, StoreError};
use evidenced_bundle::timestamp::Authorities;
use evidenced_bundle::trust::{Dated, KeyRefusal, TrustRoot, file_name};
use evidenced_bundle::{
    BagId, BundlePath, Digest, KeyId, Kind, Limits, PartId, PartRecord, Scope, SealError, TrustedKeys,
    UntrustedBundle, UtcSecond, VerifyError, hash_reader, prepare,
};
use evidenced_core::config::{Config, effective};
use evidenced_core::estate::{self, Stranger};
use evidenced_core::layout::{self, AskedBucket, Collector, Missed, Original};
use evidenced_core::moment;
use evidenced_core::schedule::{Schedule, ScheduleError};
use serde_json::Value;

use crate::aws::{self, AwsError};
use crate::clock::Time;
use crate::collector::{Loaded, SealedPart, SealedZip};
use crate::phase::Phase;
use crate::signer::{self, Key, SignerError};
use crate::store::{self, Leash, Leashed, Store};
use crate::trust_root::{TrustRootError, Trusted};

pub(crate) use settled::Settled;
use settled::{Extent, Look};
use tsa::Answer;
pub(crate) use tsa::TimestampClient;
use waiting::Waiting;
pub(crate) use waiting::{SpoolError, count as count_spool, seen};

/// A token that comes later than this after its slot is late (docs/BUNDLE.md).
const IN_TIME_SECONDS: i64 = 86_400;
/// Of the container, as `sha256:<hex>`: only its starter knows it.
const IMAGE_VARIABLE: &str = "EVIDENCED_IMAGE_DIGEST";

/// Why something was not published. What was sealed waits in the spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Key(#[from] SignerError),
    #[error(transparent)]
    TrustRoot(#[from] TrustRootError),
    #[error("{IMAGE_VARIABLE} is {0:?}, expected sha256: and 64 hexadecimal digits")]
    Image(String),
    #[error("[signing] origin {0:?} is not the name of a log")]
    Origin(String),
    #[error(transparent)]
    Tls(#[from] AwsError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the log was not written")]
    Log(#[from] LogError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the store is that of scope {found}, not of {expected}")]
    OtherScope { found: Scope, expected: Scope },
    #[error("the newest bundle of the store, {id}, is of another estate: {stranger}")]
    OtherEstate { id: BagId, stranger: Stranger },
    #[error("log {origin}: key {key} does not sign it, by version {version} of the trust root")]
    ForeignLogKey { origin: KeyName, key: KeyId, version: u32 },
    #[error("{key} is there with other bytes")]
    Changed { key: String },
    #[error("sealed bundle {path}: cannot be read")]
    Sealed {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("sealed bundle {path}: is not what was sealed")]
    Refused {
        path: PathBuf,
        #[source]
        source: VerifyError,
    },
    #[error("{id}: the evidence key does not count at the time of this bundle")]
    Window {
        id: BagId,
        #[source]
        source: KeyRefusal,
    },
    #[error("the schedule of the last run cannot be read")]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the evidence key cannot sign")]
    Sign(#[from] log::SignerError),
}

impl PublishError {
    /// Whether only the store did not answer, so that evidence can be collected all the same.
    pub(crate) fn is_the_store(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Log(LogError::Store(_)))
    }
}

/// Whether a store that another estate wrote into last is written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum EstateRules {
    /// It is not.
    #[default]
    Demanded,
    /// It is: the organisation was renamed, or all of its accounts are new.
    Overridden,
}

/// Who dated a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Date {
    /// An authority; its name when the trust root has its root.
    By { time: UtcSecond, authority: Option<String> },
    /// No authority answered: the token is asked for at the next start.
    Waits,
    /// No authority is configured.
    Nobody,
}

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
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
    /// None without a log key.
    pub(crate) leaf: Option<Leaf>,
    pub(crate) date: Date,
    /// Where ours is kept when another bundle had the slot before.
    pub(crate) conflict: Option<PathBuf>,
}

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

    /// Refuses a store of another scope, of another estate, or under another key. Nothing is written.
    fn examine(&self, look: &Look) -> Result<(), PublishError> {
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

    /// Asks the authorities to date a bundle that was just sealed. The store may be away for days: the token says when it
    /// was sealed, and waits with it.
    pub(crate) fn date_sealed(&self, id: &BagId, sha256: &Digest) -> Result<(), PublishError> {
        self.authorities.try_again();
        self.date(id, sha256).map(|_| ())
    }

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

    /// The token over a statement's signature, which goes into its envelope; none when nobody answers.
    fn stamp(&self, signature: &[u8; 64]) -> Vec<Vec<u8>> {
        let answer = self.authorities.date(&Digest::of(signature));
        answer.map(|answer| answer.bytes).into_iter().collect()
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

    /// Sealed bundles, oldest first.
    fn in_order(&self) -> Result<Vec<BagId>, PublishError> {
        let mut sealed = self.spool.sealed()?;
        sealed.sort_by_key(|id| (id.slot(), id.kind()));
        Ok(sealed)
    }

    /// One store, one scope.
    fn check_scope(&self, keys: &[String]) -> Result<(), PublishError> {
        match ids(keys).map(|id| id.scope().clone()).find(|scope| *scope != self.scope) {
            Some(found) => Err(PublishError::OtherScope { found, expected: self.scope.clone() }),
            None => Ok(()),
        }
    }

    /// The wish for a token was in the spool, which may have been on a disk that is gone. Where the token still comes in
    /// time it is wanted again; a later one would say no more than none.
    fn want_lost_tokens(&self, keys: &[String]) -> Result<(), PublishError> {
        if !self.authorities.is_configured() {
            return Ok(());
        }
        let there: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let wanted = self.spool.wanted_tokens()?;
        let is_young = |id: &BagId| self.time.now().saturating_sub(id.slot().unix()) < IN_TIME_SECONDS;
        for id in ids(keys).filter(is_young) {
            let key = id.store_key();
            if there.contains(format!("{key}.tsr").as_str()) || wanted.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let Some(zip) = self.store.open(&key)? else { continue };
            let (sha256, _) = hash_reader(zip).map_err(|error| StoreError::new("read", &key, error))?;
            tracing::warn!(bundle = %id, "has no token, and the wish for one is lost: it is wanted again");
            self.spool.want_token(&id.file_name(), &sha256)?;
        }
        Ok(())
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

    /// Everything from the sealed zip on. Each step is done or found done.
    fn put(&self, log: Option<&mut Log<'_>>, id: &BagId) -> Result<Published, PublishError> {
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
        drop(bundle);
        self.may_state(&snapshot)?;
        let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
        let sha256 = snapshot.zip_sha256;
        let published = |leaf, date, conflict| Published {
            id: id.clone(),
            run: run.clone(),
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

    fn own_keys(&self) -> Vec<evidenced_bundle::PublicKey> {
        let root = self.trusted.as_ref().map(|trusted| &trusted.root);
        let others = root.map(|root| root.evidence_keys().map(|(_, key)| key.clone()).collect::<Vec<_>>());
        [vec![self.evidence.public().clone()], others.unwrap_or_default()].concat()
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

    /// The token of a zip: kept from before, or asked for now.
    fn date(&self, id: &BagId, sha256: &Digest) -> Result<Date, PublishError> {
        let name = id.file_name();
        if let Some(kept) = self.spool.kept_token(&name)?
            && let Ok(Answer { time, authority, .. }) = self.authorities.judge(kept, sha256, None)
        {
            return Ok(Date::By { time, authority });
        }
        if !self.authorities.is_configured() {
            return Ok(Date::Nobody);
        }
        let Some(Answer { bytes, time, authority }) = self.authorities.date(sha256) else {
            tracing::warn!(bundle = %id, "no timestamp authority answered: the token waits in the spool");
            return Ok(Date::Waits);
        };
        self.spool.keep_token(&name, &bytes)?;
        Ok(Date::By { time, authority })
    }

    /// Puts a token that was got beside its zip; whether there was one.
    fn put_token(&self, id: &BagId) -> Result<bool, PublishError> {
        let name = id.file_name();
        let Some(token) = self.spool.kept_token(&name)? else { return Ok(false) };
        let key = format!("{}.tsr", id.store_key());
        if self.store.create(&key, &token)? == Creation::Exists {
            let found = self.store.get(&key)?.map(|(found, _)| found);
            if found.as_ref() != Some(&token) {
                // Of an earlier attempt, or of another writer. The verifier judges it; nothing is overwritten.
                tracing::warn!(bundle = %id, "another token is beside the zip already; it stays");
            }
        }
        self.spool.forget_token(&name)?;
        Ok(true)
    }

    /// Asks once more for the tokens of bundles that are published.
    fn fetch_tokens(&self, done: &mut CaughtUp) -> Result<(), PublishError> {
        for (id, sha256) in self.spool.wanted_tokens()? {
            if self.spool.sealed_path(&id).exists() {
                continue;
            }
            if !self.holds(&id)? {
                tracing::info!(bundle = %id, "a token was wanted for a bundle that was never sealed");
                self.spool.forget_token(&id.file_name())?;
                continue;
            }
            match self.date(&id, &sha256)? {
                Date::By { .. } if self.put_token(&id)? => done.dated.push(id),
                _ => done.undated.push(id),
            }
        }
        Ok(())
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

/// Where an unfinished bundle was found.
enum Origin {
    Store,
    Spool,
}

/// Verifiers will refuse what is signed by a key that the trust root does not have: better said now than by them. The
/// evidence is worth more than its date, and a trust root may follow its key: it is collected all the same.
fn warn_of_a_foreign_evidence_key(root: &TrustRoot, evidence: &dyn Signer, time: &Time) {
    let now = UtcSecond::from_unix(time.now());
    let id: &KeyId = evidence.public().id();
    if let Some(Err(error)) = now.map(|now| root.evidence_key(id, Dated::Claimed(now))) {
        tracing::error!(version = root.version(), %error, "the trust root does not accept the evidence key");
    }
}

/// A log goes on for ever under its origin: a checkpoint by a key that is not its own would end it.
fn refuse_a_foreign_log_key(root: &TrustRoot, log: Option<&(KeyName, Key)>) -> Result<(), PublishError> {
    let Some((origin, key)) = log else { return Ok(()) };
    let known = root.log_keys(origin);
    if known.iter().any(|known| known.key() == key.public() && known.entry().revoked.is_none()) {
        return Ok(());
    }
    let (origin, key, version) = (origin.clone(), *key.public().id(), root.version());
    Err(PublishError::ForeignLogKey { origin, key, version })
}
