//! One run, from the configuration to a bundle in the store.
//!
//! Order of effects: the slot is looked up in the store, AWS is asked, documents go to the spool as they come, the
//! bag is sealed there and fsynced, the zip is hashed in a second read, the store takes it, the spool is cleared.
//! After a crash before the store took it nothing is published; a sealed zip stays in the spool.

mod files;
mod progress;
mod targets;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evidenced_bundle::{BagId, Digest, KeyId, Limits, Sealed, hash_reader, prepare};
use evidenced_core::config::{self, Config, Problem};
use evidenced_core::layout;
use evidenced_core::redact::Redactor;
use evidenced_core::run::{self, Clock, Settings, World};
use evidenced_core::shape::{Partitions, ShapeError, Shapes};
use evidenced_core::snapshot::Snapshot;

use crate::aws::{self, AwsError, AwsSource, Keys};
use crate::signer::{self, SignerError};
use crate::store::{FolderStore, Put, StoreError};

pub(crate) use files::Spool;
pub(crate) use progress::Progress;
pub(crate) use targets::TargetsError;

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
    #[error("configuration {path}: {} problem(s)", .problems.len())]
    Config { path: PathBuf, problems: Vec<Problem> },
    #[error("slot {slot}: the store already holds {path}")]
    SlotTaken { slot: String, path: PathBuf },
    #[error(transparent)]
    Key(#[from] SignerError),
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
    Sign(#[from] evidenced_bundle::key::KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("spool {path}: {action} failed")]
    Spool {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: std::io::Error,
    },
}

/// A configuration and the folder that its paths are relative to.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) folder: PathBuf,
}

impl Loaded {
    /// Reads a configuration file, or says everything that is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, CollectError> {
        let text = files::read_text(path, CONFIG_BYTES)
            .map_err(|source| CollectError::ConfigUnreadable { path: path.to_owned(), source })?;
        let config = config::parse(&text)
            .map_err(|problems| CollectError::Config { path: path.to_owned(), problems })?;
        let folder =
            path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        Ok(Self { config, folder })
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
}

/// A bundle in the store, and what is in it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) sealed: Sealed,
    pub(crate) snapshot: Snapshot,
    pub(crate) path: PathBuf,
    pub(crate) key_id: KeyId,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
}

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Makes one run.
pub(crate) async fn collect(
    loaded: &Loaded,
    id: BagId,
    overrides: Overrides,
    progress: &Progress,
) -> Result<Stored, CollectError> {
    let config = &loaded.config;
    let store = FolderStore::new(loaded.resolve(&config.store));
    let key = id.store_key();
    if store.holds(&key) {
        return Err(CollectError::SlotTaken { slot: id.slot().to_string(), path: store.path(&key) });
    }
    let signing = signer::read_key(&loaded.resolve(&config.signing.evidence_key))?;
    let shapes = Shapes::embedded()?;
    let partitions = Partitions::embedded()?;
    let mut source = AwsSource::new(aws_settings(loaded, &id, overrides)).await?;
    let targets = targets::find(loaded, &mut source).await?;
    let spool = Spool::open(&loaded.resolve(&config.spool), &id)?;
    let settings = Settings {
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
    };
    let world =
        World { source: &source, scratch: &spool, clock: &SystemClock, observer: progress, shapes: &shapes };
    let snapshot = run::run(&world, &settings, targets).await?;
    progress.finish();
    drop(source);

    let draft = layout::draft(
        config,
        &snapshot,
        id,
        &layout::Collector::new(env!("CARGO_PKG_VERSION")),
        spool.folder(),
    )?;
    let key_id = *signing.public().id();
    let unsigned = prepare(draft, &key_id, &Limits::default())?;
    let signature = signing.sign(unsigned.message())?;
    let zip = spool.zip();
    let failed = |action| {
        let path = zip.clone();
        move |source| CollectError::Spool { path, action, source }
    };
    let file = File::create_new(&zip).map_err(failed("creating the zip"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let sealed = unsigned.seal(signature, signing.public(), &mut out)?;
    let file = out.into_inner().map_err(|error| failed("writing the zip")(error.into_error()))?;
    file.sync_all().map_err(failed("fsync"))?;
    // From here the bundle exists: whatever happens next, it is in the spool.
    let (sha256, bytes) = File::open(&zip).and_then(hash_reader).map_err(failed("reading the zip back"))?;
    match store.create(&key, &zip, sha256) {
        Err(conflict @ StoreError::Conflict { .. }) => {
            spool.keep_conflict()?;
            return Err(conflict.into());
        }
        Err(other) => return Err(other.into()),
        Ok(Put::AlreadyThere) => tracing::info!(bundle = %key, "an equal bundle was there"),
        Ok(Put::Created) => {}
    }
    spool.clear()?;
    tracing::info!(bundle = %key, %sha256, bytes, status = snapshot.status(), "stored");
    Ok(Stored { path: store.path(&key), sealed, snapshot, key_id, sha256, bytes })
}

fn aws_settings(loaded: &Loaded, id: &BagId, overrides: Overrides) -> aws::Settings {
    let config = &loaded.config;
    aws::Settings {
        profile: overrides.profile.or_else(|| config.aws.profile.clone()),
        keys: overrides.keys,
        endpoint_url: config.aws.endpoint_url.clone(),
        ca_bundle: config.aws.ca_bundle.as_deref().map(|path| loaded.resolve(path)),
        home_region: config.aws.home_region.clone(),
        slot_compact: id.slot().compact(),
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
