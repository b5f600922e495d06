//! The store as those see it who only read it: its log under a trust root, and what the keys of the bundles are.
//!
//! Promised: what is said of a bundle comes from its statement in the log, which was verified as a whole before
//! anything is shown. The status page, names of objects and their sizes are hints, and are told apart from it.
//! Refused: a store without a log, a log of another scope, a log that the trust root does not vouch for.

pub(crate) mod bring;
pub(crate) mod look;
pub(crate) mod opened;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use clap::Args;
use evidenced_bundle::anchor::AnchorError;
use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::command::CommandError;
use evidenced_bundle::period::{History, HistoryError};
use evidenced_bundle::shelf::StoreShelf;
use evidenced_bundle::store::StoreError;
use evidenced_bundle::trust::TrustRoot;
use evidenced_bundle::{Anchor, Shelf};
use tokio::runtime::Runtime;

use crate::collector::{self, CollectError, Loaded, Overrides};
use crate::publish::{self, PublishError};
use crate::store::{self, Store};

/// Which store, and which trust root.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The configuration: which store, which scope, which trust root.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// Profile of the shared AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Trust root that you trust, instead of that of the configuration: its folder, or a file in it.
    #[arg(long, value_name = "DIR", requires = "root_fingerprint")]
    trust: Option<PathBuf>,
    /// SHA-256 of the first statement of the trust root, as the organisation published it.
    #[arg(long, value_name = "HEX", requires = "trust")]
    root_fingerprint: Option<String>,
}

impl Access {
    /// The store and the trust root of a configuration.
    pub(crate) fn of(config: PathBuf, profile: Option<String>) -> Self {
        Self { config, profile, trust: None, root_fingerprint: None }
    }
}

/// Why a store cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no trust root is named: what the store says cannot be verified")]
    NoTrust,
    #[error("the store {store} has no log")]
    NoLog { store: String },
    #[error("the store is that of scope {found}, not of {wanted}")]
    OtherScope { found: String, wanted: String },
    #[error("the log of the store is refused")]
    Log(#[source] HistoryError),
    #[error("the store does not answer")]
    Unreadable(#[source] HistoryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Anchor(#[from] CommandError),
    #[error("no runtime")]
    Runtime(#[from] io::Error),
}

impl From<AnchorError> for ClientError {
    fn from(error: AnchorError) -> Self {
        Self::Anchor(error.into())
    }
}

impl From<PublishError> for ClientError {
    fn from(error: PublishError) -> Self {
        Self::Collect(error.into())
    }
}

/// A store that is open for reading.
pub(crate) struct Client {
    pub(crate) loaded: Loaded,
    pub(crate) store: Store,
    pub(crate) trust: TrustRoot,
    /// Where the trust root was read from.
    pub(crate) trust_path: PathBuf,
    pub(crate) history: History,
    /// The objects of the log that were read for it.
    pub(crate) log: BTreeMap<String, Vec<u8>>,
    /// A bucket answers on its thread.
    _runtime: Runtime,
}

impl Client {
    /// Opens the store and reads its whole log.
    pub(crate) fn open(access: &Access) -> Result<Self, ClientError> {
        let loaded = Loaded::read(&access.config)?;
        let (trust, trust_path) = trust(access, &loaded)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let overrides = Overrides { profile: access.profile.clone(), ..Overrides::default() };
        let settings = collector::aws_settings(&loaded, None, overrides);
        let store = runtime.block_on(store::open(&loaded, &settings)).map_err(CollectError::Door)?;
        if store.get("log/checkpoint")?.is_none() {
            return Err(ClientError::NoLog { store: store::location(&loaded, "").display().to_string() });
        }
        let shelf = Remembering { shelf: StoreShelf(&*store), seen: RefCell::default() };
        let history = History::read(&shelf, &trust).map_err(|error| match error {
            HistoryError::Refused(_) => ClientError::Log(error),
            HistoryError::Unreadable { .. } => ClientError::Unreadable(error),
        })?;
        let log = shelf.seen.into_inner();
        if let Some(found) = history.scope().filter(|scope| scope.as_str() != loaded.config.scope) {
            let wanted = loaded.config.scope.clone();
            return Err(ClientError::OtherScope { found: found.to_string(), wanted });
        }
        Ok(Self { loaded, store, trust, trust_path, history, log, _runtime: runtime })
    }

    /// What the store is called.
    pub(crate) fn name(&self) -> String {
        store::location(&self.loaded, "").display().to_string()
    }

    /// The trust root, as verification takes it.
    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::Root(Box::new(self.trust.clone()))
    }
}

fn trust(access: &Access, loaded: &Loaded) -> Result<(TrustRoot, PathBuf), ClientError> {
    if let Some(path) = &access.trust {
        let anchor = Anchor::read_root(path, access.root_fingerprint.as_deref(), 0, &mut Vec::new())?;
        let Anchor::Root(root) = anchor else { return Err(ClientError::NoTrust) };
        return Ok((*root, path.clone()));
    }
    let trusted = publish::trusted(loaded)?.ok_or(ClientError::NoTrust)?;
    Ok((trusted.root, trusted.folder))
}

/// Keeps what was read, so that what is written down is what was verified.
struct Remembering<'a> {
    shelf: StoreShelf<'a>,
    seen: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Shelf for Remembering<'_> {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.shelf.small(key, limit_bytes)?;
        if let Some(bytes) = &found {
            self.seen.borrow_mut().insert(key.to_owned(), bytes.clone());
        }
        Ok(found)
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        self.shelf.open(key)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.shelf.list(prefix)
    }
}
