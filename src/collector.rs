//! One run, from the configuration to a bundle in the store.
//!
//! Order of effects: what earlier runs left unfinished is published and slots that nobody collected get their bags;
//! the slot is looked up in the store; AWS is asked, documents go to the spool as they come; the bag is sealed there,
//! fsynced, and hashed in a second read; from then on it cannot be lost, and `publish` does the rest. After a crash
//! before that, nothing of the run is left; after it, the next start publishes the bundle.

mod bucket;
mod files;
mod progress;
mod sealing;
mod targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidenced_bundle::{BagId, Content, Digest, KeyId, Kind, PartRecord, Sealed};
use evidenced_core::assessment::Assessment;
use evidenced_core::bucket::Finding;
use evidenced_core::changes::Before;
use evidenced_core::config::{self, Config, Wrong};
use evidenced_core::exceptions::Exceptions;
use evidenced_core::layout::{self, Judged, Original};
use evidenced_core::plan::Plan;
use evidenced_core::redact::Redactor;
use evidenced_core::run::{self, Cells, Scratch as _, Settings, World};
use evidenced_core::shape::{Partitions, ShapeError, Shapes};
use evidenced_core::snapshot::{Row, Snapshot};

use crate::aws::{self, AwsError, AwsSource, Keys, Tally};
use crate::clock::Time;
use crate::judge::{Beside, Checks, ChecksError, Compiled, Done, State};
use crate::phase::Phase;
use crate::preflight::{self, ClockError, SpaceError};
use crate::publish::{CaughtUp, EstateRules, PublishError, Published, Publisher, Settled};
use crate::store::{self, Leash};

pub(crate) use bucket::{BucketRules, ask as ask_bucket, is_good as is_bucket_good};
pub(crate) use files::{Spool, read_text};
pub(crate) use progress::Progress;
use sealing::SealedRun;
pub(crate) use sealing::{SealedPart, SealedZip};
pub(crate) use targets::{TargetsError, find as find_targets};

/// Largest configuration that is read.
const CONFIG_BYTES: u64 = 4 << 20;
/// Largest response that is kept.
const BODY_BYTES: usize = 64 << 20;

/// Why a run did not end with a bundle in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("configuration {path}: cannot be read")]
    ConfigUnreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("configuration {path}: {} problem(s)", .problems.count())]
    Config { path: PathBuf, problems: ChecksError },
    #[error("configuration {path}: {} problem(s) with its checks", .problems.count())]
    Checks { path: PathBuf, problems: ChecksError },
    #[error("slot {slot}: the store already holds {path}")]
    SlotTaken { slot: String, path: PathBuf },
    #[error("slot {slot}: the log already has a later one, {later}")]
    Overtaken { slot: String, later: String },
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[error(
        "bucket {bucket}: every question was denied in the name of its owner {expected}: another account owns the \
         bucket, or the role may ask it nothing"
    )]
    BucketOwner { bucket: String, expected: String },
    #[error("bucket {bucket}: is refused ({})", bucket::rules(.findings))]
    Bucket { bucket: String, findings: Vec<Finding> },
    #[error("bucket {bucket}: was not asked before writing: {why}")]
    BucketSilent { bucket: String, why: String },
    #[error("{id}: another bundle of this slot was in the store before; this one is kept as {}", .kept.display())]
    Conflict { id: BagId, kept: PathBuf },
    #[error("no gap that was to be filled is of an account, region and item that this configuration plans")]
    NothingPlanned,
    #[error("publishing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Door(#[from] AwsError),
    #[error(transparent)]
    Targets(#[from] TargetsError),
    #[error("the shape tables in this program are damaged")]
    Shapes(#[from] ShapeError),
    #[error(transparent)]
    Run(#[from] run::RunError),
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    #[error(transparent)]
    Seal(#[from] evidenced_bundle::SealError),
    #[error("the evidence key cannot sign")]
    Sign(#[from] evidenced_bundle::log::SignerError),
    #[error("spool {path}: {action} failed")]
    Spool {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl CollectError {
    /// Whether only the bucket stands between a run and its store, so that evidence can be collected all the same.
    fn lets_the_run_wait(&self, refused: Refused) -> bool {
        match self {
            Self::BucketSilent { .. } => true,
            Self::Bucket { .. } | Self::BucketOwner { .. } => refused == Refused::Waits,
            _ => false,
        }
    }
}

/// A configuration and the folder that its paths are relative to.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) folder: PathBuf,
    /// The file.
    pub(crate) path: PathBuf,
}

impl Loaded {
    /// Reads a configuration file, or says everything that is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, CollectError> {
        let text = files::read_text(path, CONFIG_BYTES)
            .map_err(|source| CollectError::ConfigUnreadable { path: path.to_owned(), source })?;
        let folder =
            path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let loaded = |config| Self { config, folder, path: path.to_owned() };
        match config::read(&text) {
            Ok(config) => Ok(loaded(config)),
            Err(Wrong { problems, rest }) => {
                let of_checks = rest.and_then(|rest| Checks::of(&loaded(*rest)).err());
                let problems = of_checks.unwrap_or_default().behind(problems);
                Err(CollectError::Config { path: path.to_owned(), problems })
            }
        }
    }

    /// Its checks, compiled, or everything that is wrong with them.
    pub(crate) fn checks(&self, compiled: &Compiled) -> Result<Checks, CollectError> {
        compiled.of(self).map_err(|problems| CollectError::Checks { path: self.path.clone(), problems })
    }

    /// A path of the configuration.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// What is given on the command line rather than in the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// Profile of the shared configuration files.
    pub(crate) profile: Option<String>,
    /// Keys instead of the standard chain (the demonstration's).
    pub(crate) keys: Option<Keys>,
    /// The lease under which a slot is collected.
    pub(crate) fence: Option<u64>,
    /// Who counts the requests to AWS.
    pub(crate) tally: Option<Arc<dyn Tally>>,
    /// Whether the rules for the bucket count.
    pub(crate) bucket: BucketRules,
    /// Whether the store must be that of this configuration's estate.
    pub(crate) estate: EstateRules,
    /// What becomes of a run whose bucket is refused.
    pub(crate) refused: Refused,
    /// What time it is.
    pub(crate) time: Time,
    /// Ends the run's work in the store when it is given up.
    pub(crate) leash: Leash,
    /// The cells that a supplement asks, and of which bundle.
    pub(crate) fill: Option<Fill>,
    /// Takes down what is settled on the way, also when the run itself then fails.
    pub(crate) ledger: Ledger,
    /// What the process knows of its store.
    pub(crate) settled: Settled,
    /// The checks, where the process has compiled them.
    pub(crate) compiled: Compiled,
}

/// What a supplement fills.
#[derive(Debug, Clone)]
pub(crate) struct Fill {
    pub(crate) original: Original,
    pub(crate) cells: Cells,
}

/// What was settled on the way: clones write into one ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<CaughtUp>>);

impl Ledger {
    fn add(&self, more: &CaughtUp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.published.extend_from_slice(&more.published);
        all.repaired.extend_from_slice(&more.repaired);
        all.missed.extend_from_slice(&more.missed);
        all.dated.extend_from_slice(&more.dated);
        all.undated.clone_from(&more.undated);
    }

    /// What is in it, once.
    pub(crate) fn take(&self) -> CaughtUp {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What becomes of a run when the bucket that it is for is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Refused {
    /// It does not begin: somebody sees why, and starts it again.
    #[default]
    Ends,
    /// It is collected, and waits in the spool until the bucket is as it should be: nobody may be there before its
    /// period is over.
    Waits,
}

/// A bundle in the store, and what is in it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) published: Published,
    /// What was found to do before.
    pub(crate) caught_up: CaughtUp,
    pub(crate) sealed: Sealed,
    /// The parts that the run was too large without.
    pub(crate) parts: Vec<PartRecord>,
    pub(crate) snapshot: Snapshot,
    /// What was judged.
    pub(crate) assessment: Arc<Assessment>,
    pub(crate) path: PathBuf,
    pub(crate) key_id: KeyId,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
}

/// Makes one run.
pub(crate) async fn collect(
    loaded: &Loaded,
    id: BagId,
    overrides: Overrides,
    progress: &Progress,
) -> Result<Stored, CollectError> {
    let config = &loaded.config;
    let checks = loaded.checks(&overrides.compiled)?;
    let key = id.store_key();
    let (fence, rules, time) = (overrides.fence, overrides.bucket, overrides.time.clone());
    let (estate, leash, ledger) = (overrides.estate, overrides.leash.clone(), overrides.ledger.clone());
    let (refused, settled) = (overrides.refused, overrides.settled.clone());
    let fill = overrides.fill.clone();
    let settings = aws_settings(loaded, Some(&id), overrides);
    let mut publisher = Publisher::open(loaded, &settings, time.clone()).await?.on(leash).knowing(settled);
    publisher.under(fence);
    publisher.supplementing(fill.as_ref().map(|fill| fill.original.clone()));
    let only = fill.map(|fill| fill.cells);
    let caller = preflight::knock(&settings).await?;
    publisher.on_behalf_of(caller.as_ref().ok().map(|caller| caller.account.as_str()), estate);
    let asked = bucket::ask(loaded, &settings, caller).await?;
    let silent = match asked.as_ref().map(|asked| asked.judged(rules)).transpose() {
        Ok(accepted) => {
            publisher.writing_to(asked.zip(accepted).map(|(asked, accepted)| asked.kept(accepted)));
            false
        }
        // What is sealed already waits for the store: collecting it again would replace it.
        Err(error) if error.lets_the_run_wait(refused) && !publisher.waits(&id) => {
            tracing::error!(%error, "the run is collected, and waits in the spool for the bucket");
            publisher.writing_to(asked.map(|asked| asked.kept(Vec::new())));
            true
        }
        Err(error) => return Err(error),
    };
    // A scheduled slot is preceded by every slot before it; an extra run, by all but the last one that is due.
    let until = match id.kind() {
        Kind::Manual => config.schedule.at_or_before(id.slot().unix()).unwrap_or(i64::MIN),
        Kind::Schedule | Kind::Supplement(_) => id.slot().unix(),
    };
    let (publisher, started) = {
        let (id, ledger) = (id.clone(), ledger.clone());
        let work = move |publisher: &Publisher| {
            if silent { Ok(Start::Later) } else { start(publisher, &id, until, &ledger) }
        };
        blocking(publisher, work).await?
    };
    let mut caught_up = match started {
        Ok(Start::Later) => None,
        Ok(Start::Free(caught_up)) => Some(caught_up),
        Ok(Start::Taken) => {
            return Err(CollectError::SlotTaken {
                slot: id.slot().to_string(),
                path: store::location(loaded, &key),
            });
        }
        Ok(Start::Overtaken(later)) => {
            let (slot, later) = (id.slot().to_string(), later.slot().to_string());
            return Err(CollectError::Overtaken { slot, later });
        }
        // What is sealed already waits for the store: collecting it again would replace it.
        Err(error) if error.is_the_store() && !publisher.waits(&id) => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, why, "the store does not answer: the run is collected and waits in the spool");
            None
        }
        Err(error) => return Err(error.into()),
    };
    // After what waited has left the spool, and before anything of the run is in it.
    preflight::room(loaded)?;
    Phase::Collect.begins();
    let shapes = Shapes::embedded()?;
    let partitions = Partitions::embedded()?;
    let mut source = AwsSource::new(settings.clone()).await?;
    let targets = targets::find(loaded, &mut source).await?;
    let spool = Spool::open(&loaded.resolve(&config.spool), &id)?;
    let plan = Settings {
        regions: config.aws.regions.clone(),
        items: config.collect.items.clone(),
        partitions: partitions
            .iter()
            .map(|partition| (partition.id.clone(), partition.regions.iter().cloned().collect()))
            .collect(),
        home: config.aws.home_region.clone(),
        accepted: config.accepted_gaps.clone(),
        redactor: Redactor::new(&config.collect.redact_headers),
        raw: config.collect.raw,
        concurrency: config.collect.concurrency,
        slot: id.slot().unix(),
        only,
    };
    let policies = checks.all.texts();
    let exceptions = Exceptions::new(&config.exceptions, id.slot().unix());
    let beside = Beside::start(checks, exceptions, &spool, matches!(id.kind(), Kind::Supplement(_)))
        .map_err(|source| CollectError::Spool {
            path: spool.folder().to_owned(),
            action: "starting to judge",
            source,
        })?;
    let snapshot = {
        let observer = beside.observer(progress);
        let world =
            World { source: &source, scratch: &spool, clock: &time, observer: &observer, shapes: &shapes };
        run::run(&world, &plan, targets).await?
    };
    progress.finish();
    for (account, region, item) in plan.only.iter().flat_map(Cells::iter) {
        let has = |row: &Row| (&*row.account, &*row.region, &*row.item) == (account, region, item);
        if !snapshot.rows.iter().any(has) {
            tracing::warn!(
                account,
                region,
                item,
                "the gap is of nothing that this configuration plans: not asked"
            );
        }
    }
    if plan.only.is_some() && snapshot.rows.is_empty() {
        spool.clear()?;
        return Err(CollectError::NothingPlanned);
    }
    drop(source);
    let state = State::at(&loaded.resolve(&config.spool));
    let (publisher, judged) = {
        let (id, plan, started) = (id.clone(), snapshot.plan.clone(), snapshot.started);
        blocking(publisher, move |publisher| judged(publisher, beside, &state, &id, started, &plan, policies))
            .await?
    };
    let judged = judged.map_err(|source| CollectError::Spool {
        path: spool.folder().to_owned(),
        action: "writing findings",
        source,
    })?;

    Phase::Seal.begins();
    let collector = publisher.collector();
    let folder = spool.folder();
    let mut keep = |path: &str, bytes: Vec<u8>| {
        spool.write(path, &bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Content::File { path: folder.join(path), sha256: Digest::of(&bytes), bytes: length })
    };
    let draft = layout::draft(config, &snapshot, id.clone(), collector, folder, Some(&judged), &mut keep)?;
    let kept = State::of(&draft);
    let files: u64 = draft.files.values().map(Content::length).sum();
    let (publisher, run) = {
        let (id, size, folder) = (id.clone(), config.bundle, spool.folder().to_owned());
        blocking(publisher, move |publisher| {
            let first = publisher.first_part(&id)?;
            sealing::seal(draft, &size, first, publisher.evidence(), &folder)
        })
        .await?
    };
    let key_id = *publisher.evidence().public().id();
    let SealedRun { sealed, root, parts } = run?;
    Phase::Spool.begins();
    publisher.seal(&id, &parts, &root)?;
    let zips: u64 = parts.iter().map(|part| part.record.size).chain([root.bytes]).sum();
    preflight::note_need(&loaded.resolve(&config.spool), files.saturating_add(zips));
    let state = State::at(&loaded.resolve(&config.spool));
    if let Err(error) = state.keep(&id, &root.sha256, &kept, spool.folder()) {
        tracing::warn!(%error, "what the next run compares with is not kept: it is read from the store then");
    }
    // From here the bundle exists: whatever happens next, this or a later start publishes it.
    spool.clear()?;
    let (publisher, dated) = {
        let (id, sha256) = (id.clone(), root.sha256);
        blocking(publisher, move |publisher| publisher.date_sealed(&id, &sha256)).await?
    };
    dated?;
    // A run may take an hour: the bucket may have been changed, or answer now.
    let caller = preflight::knock(&settings).await?;
    if let Some(asked) = bucket::ask(loaded, &settings, caller).await? {
        asked.judged(rules)?;
    }
    let settled = caught_up.is_some();
    let (_, done) = {
        let id = id.clone();
        blocking(publisher, move |publisher| {
            // A store that did not answer at the start may do so now; what has to come before still comes before.
            let caught_up = if settled { None } else { Some(publisher.catch_up(until)?) };
            if let Some(caught_up) = &caught_up {
                ledger.add(caught_up);
            }
            let found = |done: &CaughtUp| done.published.iter().find(|published| published.id == id).cloned();
            let published = match caught_up.as_ref().and_then(found) {
                Some(published) => published,
                None => publisher.publish(&id)?,
            };
            Ok::<_, PublishError>((caught_up, published))
        })
        .await?
    };
    let (late, published) = done?;
    if let Some(kept) = published.conflict {
        return Err(CollectError::Conflict { id, kept });
    }
    caught_up = caught_up.or(late);
    let SealedZip { sha256, bytes, .. } = root;
    tracing::info!(bundle = %key, %sha256, bytes, parts = parts.len(), status = snapshot.status(), "stored");
    Ok(Stored {
        published,
        caught_up: caught_up.unwrap_or_default(),
        path: store::location(loaded, &key),
        sealed,
        parts: parts.into_iter().map(|part| part.record).collect(),
        snapshot,
        assessment: judged.assessment,
        key_id,
        sha256,
        bytes,
    })
}

/// Publishes what waits in the spool, without a run; `until` is the newest slot that is due.
pub(crate) async fn drain(loaded: &Loaded, until: i64, overrides: Overrides) -> Result<(), CollectError> {
    let (rules, estate, time) = (overrides.bucket, overrides.estate, overrides.time.clone());
    let (leash, ledger) = (overrides.leash.clone(), overrides.ledger.clone());
    let settled = overrides.settled.clone();
    let settings = aws_settings(loaded, None, overrides);
    let mut publisher = Publisher::open(loaded, &settings, time).await?.on(leash).knowing(settled);
    let caller = preflight::knock(&settings).await?;
    publisher.on_behalf_of(caller.as_ref().ok().map(|caller| caller.account.as_str()), estate);
    if let Some(asked) = bucket::ask(loaded, &settings, caller).await? {
        let accepted = asked.judged(rules)?;
        publisher.writing_to(Some(asked.kept(accepted)));
    }
    let (_, done) = blocking(publisher, move |publisher| publisher.catch_up(until)).await?;
    ledger.add(&done?);
    Ok(())
}

/// Waits for the verdicts, and finds the bundle before.
fn judged(
    publisher: &Publisher,
    beside: Beside,
    state: &State,
    id: &BagId,
    started: i64,
    plan: &Plan,
    policies: BTreeMap<String, String>,
) -> std::io::Result<Judged> {
    let Done { mut assessment, exceptions, findings, population, drawings } = beside.finish(started, plan)?;
    let before = publisher.before(id, state);
    let known = match &before {
        Before::Bundle { side, .. } => side.assessment.exceptions.as_slice(),
        Before::None(_) => &[],
    };
    assessment.exceptions = exceptions.states(known);
    let assessment = Arc::new(assessment);
    Ok(Judged { assessment, policies, findings, before, population, drawings })
}

/// Whether the slot can be collected.
enum Start {
    /// The store did not answer: it is asked when the bundle is sealed.
    Later,
    Free(CaughtUp),
    Taken,
    Overtaken(BagId),
}

fn start(publisher: &Publisher, id: &BagId, until: i64, ledger: &Ledger) -> Result<Start, PublishError> {
    let caught_up = publisher.catch_up(until)?;
    ledger.add(&caught_up);
    if publisher.holds(id)? {
        return Ok(Start::Taken);
    }
    Ok(publisher.overtaken_by(id)?.map_or(Start::Free(caught_up), Start::Overtaken))
}

/// The store and the log block: they work on a thread of their own, and give the publisher back.
async fn blocking<T: Send + 'static>(
    publisher: Publisher,
    work: impl FnOnce(&Publisher) -> T + Send + 'static,
) -> Result<(Publisher, T), CollectError> {
    let span = tracing::Span::current();
    let worked = tokio::task::spawn_blocking(move || {
        let done = span.in_scope(|| work(&publisher));
        (publisher, done)
    });
    Ok(worked.await?)
}

/// How AWS is asked, for a run or for the store alone.
pub(crate) fn aws_settings(loaded: &Loaded, id: Option<&BagId>, overrides: Overrides) -> aws::Settings {
    let config = &loaded.config;
    aws::Settings {
        profile: overrides.profile.or_else(|| config.aws.profile.clone()),
        keys: overrides.keys,
        tally: overrides.tally,
        endpoint_url: config.aws.endpoint_url.clone(),
        ca_bundle: config.aws.ca_bundle.as_deref().map(|path| loaded.resolve(path)),
        home_region: config.aws.home_region.clone(),
        slot_compact: id.map_or_else(|| "service".to_owned(), |id| id.slot().compact()),
        concurrency: config.collect.concurrency,
        quota_share: config.collect.quota_share,
        attempt_timeout: Duration::from_millis(config.collect.attempt_timeout_ms),
        operation_timeout: Duration::from_millis(config.collect.operation_timeout_ms),
        retry_mode: match config.collect.retry_mode {
            config::RetryMode::Standard => aws::RetryMode::Standard,
            config::RetryMode::Adaptive => aws::RetryMode::Adaptive,
        },
        max_attempts: config.collect.max_attempts,
        max_body_bytes: BODY_BYTES,
        ..aws::Settings::default()
    }
}
