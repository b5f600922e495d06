//! The work of the service: a slot, an extra run, what waits in the spool; the lease before, the retry after.
//!
//! Promised: nothing is written before the bucket was asked; what a run settled on the way is recorded, however the run
//! itself ended; work that is given up is cut from the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_bundle::{BagId, Kind, UtcSecond};
use tracing::Instrument as _;

use super::begin::{self, newest};
use super::lease::{self, Lease, LeaseError};
use super::metrics::RunNumbers;
use super::state::State;
use super::{Held, PULSE, Service, Signals, chain, embedded};
use crate::collector::{self, CollectError, Ledger, Overrides, Progress, Refused, Stored};
use crate::store::{self, Leash};
use crate::{aws, trace};

/// After a failure of a run, doubled each time.
const FIRST_RETRY: Duration = Duration::from_mins(1);
const LAST_RETRY: Duration = Duration::from_mins(15);

const OUT_OF_TIME: &str = "the run did not end within [service] max_run";

/// How work came to its end.
enum Ended<T> {
    Done(T),
    /// Its time was over.
    OutOfTime,
    /// The service is to stop; what was done within the grace.
    Stopped(Option<T>),
}

/// What is left to do about a run when what it settled is recorded.
enum Left {
    /// The service is to stop.
    Stop,
    /// Its bundle is in the store.
    Nothing,
    OutOfTime,
    Failure(CollectError),
}

impl Service {
    /// Whether a slot is new, or it is time to try it again.
    pub(super) fn may_try(&self, slot: i64) -> bool {
        self.held.as_ref().is_none_or(|held| held.slot != slot || held.again <= Instant::now())
    }

    /// Works on a slot; false when the service is to stop.
    pub(super) async fn slot(&mut self, slot: i64) -> bool {
        let Some(second) = UtcSecond::from_unix(slot) else { return true };
        let id = BagId::new(self.scope.clone(), second, Kind::Schedule);
        let before = self.held.take().filter(|held| held.slot == slot);
        let failures = before.as_ref().map_or(0, |held| held.failures);
        let lease = before.and_then(|held| held.lease).filter(|lease| self.now() < lease.expires.unix());
        let asked = if let Some(lease) = lease {
            Ok(Some(lease))
        } else {
            tokio::select! {
                asked = Box::pin(self.lease(second)) => asked,
                () = self.signals.told() => return false,
            }
        };
        let lease = match asked {
            Ok(lease) => lease,
            Err(no) => match no {
                NoLease::Elsewhere { until } => {
                    // Another task works on it. When its lease is over, the log says whether it is done.
                    let wait =
                        Duration::from_secs(until.saturating_sub(self.now()).clamp(1, 60).unsigned_abs());
                    self.held = Some(Held { slot, lease: None, failures, again: Instant::now() + wait });
                    self.look(slot).await;
                    return true;
                }
                NoLease::Refused(error) => {
                    self.failed(&id, &error, None, failures);
                    return true;
                }
            },
        };
        self.state.metrics.lease_held.set(i64::from(lease.is_some()));
        let begun = Instant::now();
        let ledger = Ledger::default();
        let ended = Box::pin(self.collect(id.clone(), lease.as_ref(), &ledger)).await;
        self.state.metrics.lease_held.set(0);
        let took = begun.elapsed();
        match Box::pin(self.settle(ended, &id, &ledger, took)).await {
            Left::Stop => return false,
            Left::Nothing => {}
            Left::OutOfTime => {
                self.tell_failure(&id, "out-of-time", OUT_OF_TIME, failures);
                self.try_again(slot, None, failures);
            }
            Left::Failure(CollectError::SlotTaken { .. } | CollectError::Overtaken { .. }) => {
                tracing::info!(bundle = %id, "the slot is in the log already");
                self.state.set_ready(Ok(()));
                self.state.metrics.reached(self.now());
                self.agenda.note(slot);
            }
            Left::Failure(error @ CollectError::Conflict { .. }) => {
                tracing::error!(bundle = %id, error = %chain(&error), "another task had the slot");
                self.state.metrics.ran(&RunNumbers { result: "conflict", ..RunNumbers::default() });
                self.tell_failure(&id, "conflict", &chain(&error), failures);
                self.agenda.note(slot);
            }
            Left::Failure(error) => self.failed(&id, &error, lease, failures),
        }
        true
    }

    /// What every run has at its end, however it came: what was settled on the way is recorded.
    async fn settle(
        &mut self,
        ended: Ended<Result<Stored, CollectError>>,
        id: &BagId,
        ledger: &Ledger,
        took: Duration,
    ) -> Left {
        match ended {
            Ended::Stopped(done) => {
                self.last_words(ledger, done, took).await;
                Left::Stop
            }
            Ended::OutOfTime => {
                self.record(ledger, None).await;
                tracing::error!(bundle = %id, "{OUT_OF_TIME}: it was given up");
                Left::OutOfTime
            }
            Ended::Done(Ok(stored)) => {
                // It began with what a start before had left.
                self.looked_for = true;
                self.record(ledger, Some((&stored, took))).await;
                Left::Nothing
            }
            Ended::Done(Err(error)) => {
                self.record(ledger, None).await;
                Left::Failure(error)
            }
        }
    }

    /// An extra run; false when the service is to stop.
    pub(super) async fn extra(&mut self) -> bool {
        // A bundle has its second in its name: the second run of one second waits for the next.
        let now = self.now();
        if now == self.last_extra {
            if !self.extra_waits {
                tracing::info!(
                    "an extra run was made in this second: the next one starts with the next second"
                );
            }
            self.extra_waits = true;
            return true;
        }
        (self.last_extra, self.extra_waits) = (now, false);
        let Some(second) = UtcSecond::from_unix(now) else { return true };
        let id = BagId::new(self.scope.clone(), second, Kind::Manual);
        let begun = Instant::now();
        let ledger = Ledger::default();
        let ended = Box::pin(self.collect(id.clone(), None, &ledger)).await;
        let took = begun.elapsed();
        match Box::pin(self.settle(ended, &id, &ledger, took)).await {
            Left::Stop => return false,
            Left::Nothing => {}
            Left::OutOfTime => {
                self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
                self.tell_failure(&id, "out-of-time", OUT_OF_TIME, 0);
            }
            // The process before this one made a run in this second.
            Left::Failure(CollectError::SlotTaken { .. }) => self.extra_waits = true,
            Left::Failure(error) => {
                tracing::error!(bundle = %id, error = %chain(&error), "the extra run failed");
                self.state.set_ready(Err(reason(&error)));
                self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
                self.tell_failure(&id, "failed", &chain(&error), 0);
                self.drain = (Instant::now() + FIRST_RETRY, 0);
            }
        }
        true
    }

    /// Makes a run, within its lease and until the service is to stop.
    async fn collect(
        &mut self,
        id: BagId,
        lease: Option<&Lease>,
        ledger: &Ledger,
    ) -> Ended<Result<Stored, CollectError>> {
        let leash = Leash::default();
        let overrides = Overrides {
            fence: lease.map(|lease| lease.fence),
            leash: leash.clone(),
            ledger: ledger.clone(),
            ..self.overrides()
        };
        let most = Duration::from_millis(self.loaded.config.service.max_run_ms);
        // Never more than the bound, also when the clock was set back since.
        let left = lease.map_or(most, |lease| {
            Duration::from_secs(u64::try_from(lease.expires.unix() - self.now()).unwrap_or(0)).min(most)
        });
        let progress = Progress::new(id.to_string(), true);
        let span = trace::run(&id);
        let run = collector::collect(&self.loaded, id, overrides, &progress).instrument(span);
        let grace = Duration::from_millis(self.loaded.config.service.shutdown_grace_ms);
        let ended = supervise(Box::pin(run), left, grace, &self.state, &self.signals).await;
        if !matches!(ended, Ended::Done(_)) {
            leash.cut();
            self.abandoned = Some(leash);
        }
        ended
    }

    /// Publishes what waits in the spool; false when the service is to stop.
    pub(super) async fn drain(&mut self) -> bool {
        let (leash, ledger) = (Leash::default(), Ledger::default());
        let overrides = Overrides { leash: leash.clone(), ledger: ledger.clone(), ..self.overrides() };
        let until = self.loaded.config.schedule.at_or_before(self.now()).unwrap_or(i64::MIN);
        let left = Duration::from_millis(self.loaded.config.service.max_run_ms);
        let grace = Duration::from_millis(self.loaded.config.service.shutdown_grace_ms);
        let work = collector::drain(&self.loaded, until, overrides);
        let ended = supervise(Box::pin(work), left, grace, &self.state, &self.signals).await;
        if !matches!(ended, Ended::Done(_)) {
            leash.cut();
            self.abandoned = Some(leash);
        }
        self.record(&ledger, None).await;
        match ended {
            Ended::Stopped(_) => return false,
            Ended::Done(Ok(())) => {
                self.looked_for = true;
                self.state.set_ready(Ok(()));
            }
            Ended::Done(Err(error)) => {
                tracing::warn!(error = %chain(&error), "what waits in the spool was not published yet");
                self.state.set_ready(Err(reason(&error)));
            }
            Ended::OutOfTime => tracing::warn!("what waits in the spool was not published in time"),
        }
        let failures = self.drain.1;
        let empty = self.count_spool().is_some_and(|waiting| waiting.bundles == 0);
        self.drain = (Instant::now() + retry(failures), if empty { 0 } else { failures + 1 });
        true
    }

    /// The lease of a slot; none when the store does not answer, since evidence is collected all the same.
    async fn lease(&self, slot: UtcSecond) -> Result<Option<Lease>, NoLease> {
        // A lease is the first thing that is written: a bucket that must not be written to gets none.
        match begin::may_write(&self.loaded, self.overrides()).await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // Evidence is collected all the same, and waits in the spool until the bucket is as it must be.
            Err(error @ (CollectError::Bucket { .. } | CollectError::BucketOwner { .. })) => {
                tracing::error!(%error, "no lease: nothing is written into this bucket");
                return Ok(None);
            }
            Err(error) => return Err(NoLease::Refused(error)),
        }
        let settings = collector::aws_settings(&self.loaded, None, self.overrides());
        let store = match store::open(&self.loaded, &settings).await {
            Ok(store) => store,
            Err(error) => {
                tracing::error!(%error, "the store cannot be asked for a lease");
                return Ok(None);
            }
        };
        let (holder, life) =
            (self.holder.clone(), Duration::from_millis(self.loaded.config.service.max_run_ms));
        let Some(at) = UtcSecond::from_unix(self.now()) else { return Ok(None) };
        let asked =
            tokio::task::spawn_blocking(move || lease::acquire(&*store, &slot.compact(), &holder, at, life));
        match asked.await {
            Ok(Ok(lease)) => Ok(Some(lease)),
            Ok(Err(LeaseError::Held { slot, holder, expires })) => {
                tracing::info!(slot, holder, %expires, "another task has the slot");
                Err(NoLease::Elsewhere { until: expires.unix() })
            }
            Ok(Err(error)) => {
                tracing::error!(error = %chain(&error), "no lease: the zip that is created first has the slot");
                Ok(None)
            }
            Err(error) => {
                tracing::error!(%error, "no lease");
                Ok(None)
            }
        }
    }

    /// Whether somebody else has done a slot.
    async fn look(&mut self, slot: i64) {
        match newest(&self.loaded, self.overrides()).await {
            Ok(Some(newest)) if newest >= slot => self.agenda.note(newest),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "the log was not read"),
        }
    }

    pub(super) fn overrides(&self) -> Overrides {
        let tally: Arc<dyn aws::Tally> = self.state.metrics.clone();
        Overrides {
            tally: Some(tally),
            refused: Refused::Waits,
            settled: self.settled.clone(),
            compiled: self.compiled.clone(),
            ..self.options.overrides()
        }
    }

    /// Says why a run failed, everywhere, and tries again later, under the same lease while it lasts.
    fn failed(&mut self, id: &BagId, error: &CollectError, lease: Option<Lease>, failures: u32) {
        tracing::error!(bundle = %id, error = %chain(error), "the run failed");
        self.state.set_ready(Err(reason(error)));
        self.tell_failure(id, "failed", &chain(error), failures);
        self.try_again(id.slot().unix(), lease, failures);
    }

    fn try_again(&mut self, slot: i64, lease: Option<Lease>, failures: u32) {
        self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
        let waiting = self.count_spool();
        if let Some(second) = UtcSecond::from_unix(slot) {
            let id = BagId::new(self.scope.clone(), second, Kind::Schedule);
            embedded::print(&embedded::failed(&self.loaded.config.scope, &id, self.now(), waiting));
        }
        let wait = retry(failures);
        tracing::warn!(seconds = wait.as_secs(), "the slot is tried again, while its period lasts");
        self.held = Some(Held { slot, lease, failures: failures + 1, again: Instant::now() + wait });
    }
}

/// Why there is no lease.
enum NoLease {
    /// Another task has the slot.
    Elsewhere { until: i64 },
    /// Nothing may be written.
    Refused(CollectError),
}

fn retry(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.min(4)).min(LAST_RETRY)
}

/// For `/readyz`, which anybody may read: what is wrong, without names.
fn reason(error: &CollectError) -> String {
    match error {
        CollectError::Space(error) => error.space.to_string(),
        CollectError::Clock(error) => error.to_string(),
        CollectError::Bucket { .. } | CollectError::BucketOwner { .. } => "the bucket is refused".to_owned(),
        _ => "the last run failed; its log line says why".to_owned(),
    }
}

/// Lets work go on until it is done, its time is over, or the service is to stop and the grace is over.
async fn supervise<T>(
    work: impl Future<Output = T>,
    left: Duration,
    grace: Duration,
    state: &State,
    signals: &Signals,
) -> Ended<T> {
    tokio::pin!(work);
    let end = tokio::time::sleep(left);
    tokio::pin!(end);
    loop {
        tokio::select! {
            done = &mut work => return Ended::Done(done),
            () = &mut end => return Ended::OutOfTime,
            () = tokio::time::sleep(PULSE) => state.beat(),
            () = signals.told() => break,
        }
    }
    tracing::warn!(seconds = grace.as_secs(), "told to stop: the run may end within the grace");
    let done = tokio::time::timeout(grace, work).await.ok();
    if done.is_none() {
        tracing::warn!("the run was given up; what was sealed is published at the next start");
    }
    Ended::Stopped(done)
}
