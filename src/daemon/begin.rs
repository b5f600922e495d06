//! The first minute of the service: every mistake is said before anything is written.
//!
//! In this order: keys and trust root, the spool, the clock and who asks, the bucket, the log. A store or an AWS that
//! does not answer is no mistake: it is said, and asked again before the first lease. Refused: a clock that is off, a
//! bucket that is not as it must be, a log under another key, a store of another scope or estate.

use std::sync::Arc;

use evidenced_core::config;

use super::state::State;
use super::{Options, ServiceError, chain};
use crate::collector::{self, CollectError, Loaded, Overrides};
use crate::preflight;
use crate::publish::{PublishError, Publisher};

/// What is known before the first run.
pub(super) struct Begun {
    /// The newest scheduled slot of the log, none where the store does not answer.
    pub(super) newest: Option<i64>,
    /// The name under which leases are taken.
    pub(super) holder: String,
}

pub(super) async fn begin(
    loaded: &Loaded,
    options: &Options,
    state: &Arc<State>,
) -> Result<Begun, ServiceError> {
    let settings = collector::aws_settings(loaded, None, options.overrides());
    let mut publisher = Publisher::open(loaded, &settings, options.time.clone()).await?;
    preflight::spool(&loaded.resolve(&loaded.config.spool)).map_err(PublishError::from)?;
    let caller = preflight::knock(&settings).await.map_err(CollectError::from)?;
    if let Err(error) = &caller {
        tracing::error!(error = %chain(error), "AWS does not say who asks: runs fail until it does");
    }
    publisher.on_behalf_of(caller.as_ref().ok().map(|caller| caller.account.as_str()), options.estate);
    let holder = publisher.holder()?;
    // Reading the log finishes what a crash left: only a store that may be written to is read.
    if !collector::is_bucket_good(loaded, &settings, caller, options.bucket).await? {
        state.set_ready(Err("the bucket was not asked yet".to_owned()));
        return Ok(Begun { newest: None, holder });
    }
    let newest = tokio::task::spawn_blocking(move || publisher.newest());
    match newest.await.map_err(CollectError::from)? {
        Ok(newest) => {
            state.set_ready(Ok(()));
            Ok(Begun { newest, holder })
        }
        Err(error) if error.is_the_store() => {
            tracing::error!(error = %chain(&error), "the store does not answer: runs are made, and wait in the spool");
            Ok(Begun { newest: None, holder })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the store may be written to now: false where nobody could say.
pub(super) async fn may_write(loaded: &Loaded, overrides: Overrides) -> Result<bool, CollectError> {
    if matches!(loaded.config.store, config::Store::Folder(_)) {
        return Ok(true);
    }
    let rules = overrides.bucket;
    let settings = collector::aws_settings(loaded, None, overrides);
    let caller = preflight::knock(&settings).await?;
    collector::is_bucket_good(loaded, &settings, caller, rules).await
}

/// The newest scheduled slot of the log, when another task works on it.
pub(super) async fn newest(loaded: &Loaded, overrides: Overrides) -> Result<Option<i64>, CollectError> {
    let (time, settled) = (overrides.time.clone(), overrides.settled.clone());
    let settings = collector::aws_settings(loaded, None, overrides);
    let publisher = Publisher::open(loaded, &settings, time).await?.knowing(settled);
    let newest = tokio::task::spawn_blocking(move || publisher.newest());
    Ok(newest.await??)
}
