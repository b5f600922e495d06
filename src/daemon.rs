//! The service: one slot after the other, for years, whatever happens in between.
//!
//! The loop asks the agenda what is due, takes the slot's lease, and makes the run, which first publishes what earlier
//! runs left and gives each slot that nobody collected its bag. It is woken by tokio-cron-scheduler, by signals and by
//! `POST /run`, and comes by every 30 seconds whatever the clock did. Promised: one run at a time; a run ends by the end
//! of its lease; SIGTERM ends it within the grace, and what was sealed is published at the next start.

mod embedded;
mod http;
mod lease;
mod metrics;
mod state;
pub(crate) mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_bundle::{BagId, Kind, Scope, UtcSecond};
use evidenced_core::agenda::{Agenda, Next};
use evidenced_core::moment;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::Instrument as _;

use crate::aws;
use crate::clock::Time;
use crate::collector::{self, CollectError, Loaded, Overrides, Progress, Stored};
use crate::publish::{self, PublishError, Publisher};
use crate::store;

use embedded::Waiting;
use lease::{Lease, LeaseError};
use metrics::RunNumbers;
use state::State;

/// The loop comes by at least this often, so that a clock that was set is noticed.
const PULSE: Duration = Duration::from_secs(30);
/// After a failure of a run, doubled each time.
const FIRST_RETRY: Duration = Duration::from_mins(1);
const LAST_RETRY: Duration = Duration::from_mins(15);

/// Why the service could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("cannot listen on {address}")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot hear signals")]
    Signals(#[source] std::io::Error),
    #[error("the scheduler did not start")]
    Scheduler(#[from] JobSchedulerError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Collect(#[from] CollectError),
}

/// How a run came to its end.
enum Ended {
    Done(Box<Result<Stored, CollectError>>),
    /// Its lease was over.
    OutOfTime,
    /// The service is to stop, and the grace is over.
    Abandoned,
}

/// A slot that is being worked on, perhaps for the second time.
struct Held {
    slot: i64,
    lease: Option<Lease>,
    failures: u32,
    again: Instant,
}

/// The service of one configuration.
struct Service {
    loaded: Loaded,
    profile: Option<String>,
    time: Time,
    scope: Scope,
    holder: String,
    state: Arc<State>,
    agenda: Agenda,
    held: Option<Held>,
    /// Open gaps of the last run, where the status page cannot be read.
    gaps: BTreeSet<String>,
    stop: Signal,
    interrupt: Signal,
}

/// Runs until SIGTERM, by the clock that is given. What happens to a run is logged, never an error of the service.
pub(crate) async fn serve(loaded: Loaded, profile: Option<String>, time: Time) -> Result<(), ServiceError> {
    let config = &loaded.config;
    let address = config.service.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { address, source })?;
    let hear = |kind| signal(kind).map_err(ServiceError::Signals);
    let (stop, interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let mut extra = hear(SignalKind::user_defined1())?;
    let state = Arc::new(State::new(env!("CARGO_PKG_VERSION")));

    // A mistake in keys, trust root or spool is said now, before anything is written.
    let (newest, holder) = newest(&loaded, profile.clone(), &state, &time).await?;
    let agenda = Agenda::new(config.schedule.clone(), &config.scope, config.service.jitter_seconds, newest);
    let scope = Scope::new(config.scope.clone());
    let scope =
        scope.ok_or(evidenced_core::layout::LayoutError::Value("the scope")).map_err(CollectError::from)?;
    let mut scheduler = wake_on(config.schedule.as_str(), &state).await?;
    let wishes = Arc::clone(&state);
    let wishing = tokio::spawn(async move {
        while extra.recv().await.is_some() {
            wishes.ask_for_a_run();
        }
    });
    let answering = tokio::spawn(http::serve(listener, Arc::clone(&state)));
    tracing::info!(%address, schedule = config.schedule.as_str(), newest = newest.map(moment::seconds), "serving");

    let gaps = BTreeSet::new();
    let mut service =
        Service { loaded, profile, time, scope, holder, state, agenda, held: None, gaps, stop, interrupt };
    Box::pin(service.run()).await;
    answering.abort();
    wishing.abort();
    scheduler.shutdown().await?;
    tracing::info!("stopped");
    Ok(())
}

impl Service {
    async fn run(&mut self) {
        loop {
            self.state.beat();
            self.count_spool();
            if self.state.take_wish() && !Box::pin(self.extra()).await {
                return;
            }
            match self.agenda.next(self.time.now()) {
                Next::Run { slot, .. } if self.may_try(slot) => {
                    if !Box::pin(self.slot(slot)).await {
                        return;
                    }
                }
                Next::Run { slot: next, .. } | Next::Wait { until: next } => {
                    self.state.metrics.next_slot.set(next);
                }
            }
            tokio::select! {
                () = self.state.wake.notified() => {}
                () = self.time.moved() => self.clock_was_set(),
                () = tokio::time::sleep(self.pause()) => {}
                _ = self.stop.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }

    /// What was to be waited for by the old clock is looked at by the new one.
    fn clock_was_set(&mut self) {
        tracing::info!(now = moment::seconds(self.time.now()), "the clock was set");
        if let Some(held) = &mut self.held {
            held.again = Instant::now();
        }
    }

    /// Until a slot is to be tried again, or the loop comes by anyway.
    fn pause(&self) -> Duration {
        let again = self.held.as_ref().map(|held| held.again.saturating_duration_since(Instant::now()));
        again.filter(|again| !again.is_zero()).map_or(PULSE, |again| again.min(PULSE))
    }

    /// Refreshes the numbers of the spool, and gives them.
    fn count_spool(&self) -> Option<Waiting> {
        match publish::count_spool(&self.loaded.resolve(&self.loaded.config.spool)) {
            Ok(count) => {
                let age = count.oldest.map_or(0, |slot| self.time.now().saturating_sub(slot).max(0));
                self.state.metrics.spool(count.sealed, age, count.tokens);
                Some(Waiting { bundles: count.sealed, oldest: age })
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the spool was not counted");
                None
            }
        }
    }

    /// Whether a slot is new, or it is time to try it again.
    fn may_try(&self, slot: i64) -> bool {
        self.held.as_ref().is_none_or(|held| held.slot != slot || held.again <= Instant::now())
    }

    /// Works on a slot; false when the service is to stop.
    async fn slot(&mut self, slot: i64) -> bool {
        let Some(second) = UtcSecond::from_unix(slot) else { return true };
        let before = self.held.take().filter(|held| held.slot == slot);
        let failures = before.as_ref().map_or(0, |held| held.failures);
        let lease = before.and_then(|held| held.lease).filter(|lease| self.time.now() < lease.expires.unix());
        let lease = match lease {
            Some(lease) => Some(lease),
            None => match self.lease(second).await {
                Ok(lease) => lease,
                Err(Elsewhere { until }) => {
                    // Another task works on it. When its lease is over, the log says whether it is done.
                    let wait = Duration::from_secs(
                        until.saturating_sub(self.time.now()).clamp(1, 60).unsigned_abs(),
                    );
                    self.held = Some(Held { slot, lease: None, failures, again: Instant::now() + wait });
                    self.look(slot).await;
                    return true;
                }
            },
        };
        let id = BagId::new(self.scope.clone(), second, Kind::Schedule);
        self.state.metrics.lease_held.set(i64::from(lease.is_some()));
        let begun = Instant::now();
        let ended = Box::pin(self.collect(id.clone(), lease.as_ref())).await;
        self.state.metrics.lease_held.set(0);
        match ended {
            Ended::Abandoned => return false,
            Ended::OutOfTime => {
                tracing::error!(bundle = %id, "the run did not end within [service] max_run: it was given up");
                self.failed(slot, None, failures);
            }
            Ended::Done(result) => match *result {
                Ok(stored) => {
                    self.agenda.note(slot);
                    self.stored(&stored, begun.elapsed()).await;
                }
                Err(CollectError::SlotTaken { .. } | CollectError::Overtaken { .. }) => {
                    tracing::info!(bundle = %id, "the slot is in the log already");
                    self.state.set_ready(Ok(()));
                    self.state.metrics.reached(self.time.now());
                    self.agenda.note(slot);
                }
                Err(error @ CollectError::Conflict { .. }) => {
                    tracing::error!(bundle = %id, error = %chain(&error), "another task had the slot");
                    self.state.metrics.ran(&RunNumbers { result: "conflict", ..RunNumbers::default() });
                    self.agenda.note(slot);
                }
                Err(error) => {
                    tracing::error!(bundle = %id, error = %chain(&error), "the run failed");
                    self.state.set_ready(Err("the last run failed; its log line says why".to_owned()));
                    self.failed(slot, lease, failures);
                }
            },
        }
        true
    }

    /// An extra run; false when the service is to stop.
    async fn extra(&mut self) -> bool {
        let Some(second) = UtcSecond::from_unix(self.time.now()) else { return true };
        let id = BagId::new(self.scope.clone(), second, Kind::Manual);
        let begun = Instant::now();
        match Box::pin(self.collect(id.clone(), None)).await {
            Ended::Abandoned => return false,
            Ended::OutOfTime => tracing::error!(bundle = %id, "the extra run did not end in time"),
            Ended::Done(result) => match *result {
                Ok(stored) => self.stored(&stored, begun.elapsed()).await,
                Err(error) => {
                    tracing::error!(bundle = %id, error = %chain(&error), "the extra run failed");
                    self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
                }
            },
        }
        true
    }

    /// Makes a run, within its lease and until the service is to stop.
    async fn collect(&mut self, id: BagId, lease: Option<&Lease>) -> Ended {
        let overrides = Overrides { fence: lease.map(|lease| lease.fence), ..self.overrides() };
        let most = Duration::from_millis(self.loaded.config.service.max_run_ms);
        // Never more than the bound, also when the clock was set back since.
        let left = lease.map_or(most, |lease| {
            Duration::from_secs(u64::try_from(lease.expires.unix() - self.time.now()).unwrap_or(0)).min(most)
        });
        let grace = Duration::from_millis(self.loaded.config.service.shutdown_grace_ms);
        let progress = Progress::new(id.to_string(), true);
        // An error's span, so that no filter takes it away: every line of the run carries it.
        let span = tracing::error_span!("run", run = %id, slot = %id.slot());
        let run = collector::collect(&self.loaded, id, overrides, &progress).instrument(span);
        tokio::pin!(run);
        let end = tokio::time::sleep(left);
        tokio::pin!(end);
        loop {
            tokio::select! {
                result = &mut run => return Ended::Done(Box::new(result)),
                () = &mut end => return Ended::OutOfTime,
                () = tokio::time::sleep(PULSE) => self.state.beat(),
                _ = self.stop.recv() => break,
                _ = self.interrupt.recv() => break,
            }
        }
        tracing::warn!(seconds = grace.as_secs(), "told to stop: the run may end within the grace");
        match tokio::time::timeout(grace, run).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = %chain(&error), "the run failed"),
            Err(_) => tracing::warn!("the run was given up; what was sealed is published at the next start"),
        }
        Ended::Abandoned
    }

    /// The lease of a slot; none when the store does not answer, since evidence is collected all the same.
    async fn lease(&self, slot: UtcSecond) -> Result<Option<Lease>, Elsewhere> {
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
        let Some(at) = UtcSecond::from_unix(self.time.now()) else { return Ok(None) };
        let asked =
            tokio::task::spawn_blocking(move || lease::acquire(&*store, &slot.compact(), &holder, at, life));
        match asked.await {
            Ok(Ok(lease)) => Ok(Some(lease)),
            Ok(Err(LeaseError::Held { slot, holder, expires })) => {
                tracing::info!(slot, holder, %expires, "another task has the slot");
                Err(Elsewhere { until: expires.unix() })
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
        match newest(&self.loaded, self.profile.clone(), &self.state, &self.time).await {
            Ok((Some(newest), _)) if newest >= slot => self.agenda.note(newest),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "the log was not read"),
        }
    }

    fn overrides(&self) -> Overrides {
        let tally: Arc<dyn aws::Tally> = self.state.metrics.clone();
        Overrides {
            profile: self.profile.clone(),
            tally: Some(tally),
            time: self.time.clone(),
            ..Overrides::default()
        }
    }

    /// Tries again later, under the same lease while it lasts.
    fn failed(&mut self, slot: i64, lease: Option<Lease>, failures: u32) {
        self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
        let waiting = self.count_spool();
        if let Some(second) = UtcSecond::from_unix(slot) {
            let id = BagId::new(self.scope.clone(), second, Kind::Schedule);
            embedded::print(&embedded::failed(&self.loaded.config.scope, &id, self.time.now(), waiting));
        }
        let wait = FIRST_RETRY.saturating_mul(1 << failures.min(4)).min(LAST_RETRY);
        tracing::warn!(seconds = wait.as_secs(), "the slot is tried again, while its period lasts");
        self.held = Some(Held { slot, lease, failures: failures + 1, again: Instant::now() + wait });
    }

    /// A bundle is in the store: numbers, and the status page.
    async fn stored(&mut self, stored: &Stored, took: Duration) {
        self.state.set_ready(Ok(()));
        let metrics = Arc::clone(&self.state.metrics);
        metrics.slots_missed.inc_by(u64::try_from(stored.caught_up.missed.len()).unwrap_or(0));
        if let Some(leaf) = &stored.published.leaf {
            metrics.log_size.set(i64::try_from(leaf.index).unwrap_or(i64::MAX).saturating_add(1));
        }
        let waiting = self.count_spool();
        let open = status::open_gaps(stored);
        let before = self.page(stored, open.clone()).await.unwrap_or_else(|| std::mem::take(&mut self.gaps));
        let numbers = status::numbers(stored, took, self.time.now(), status::new_and_old(&before, &open));
        self.gaps = open;
        metrics.ran(&numbers);
        let (id, missed) = (&stored.published.id, stored.caught_up.missed.len());
        embedded::print(&embedded::stored(&self.loaded.config.scope, id, &numbers, missed, waiting));
    }

    /// Writes the status page; gives the open gaps of the run before, where the page had them.
    async fn page(&self, stored: &Stored, open: BTreeSet<String>) -> Option<BTreeSet<String>> {
        let settings = collector::aws_settings(&self.loaded, None, self.overrides());
        let store = match store::open(&self.loaded, &settings).await {
            Ok(store) => store,
            Err(error) => {
                tracing::warn!(%error, "the status page was not written");
                return None;
            }
        };
        let next = match self.agenda.next(self.time.now()) {
            Next::Run { slot, .. } => slot,
            Next::Wait { until } => until,
        };
        self.state.metrics.next_slot.set(next);
        let page = status::Entry::of(stored);
        let scope = self.loaded.config.scope.clone();
        let schedule = self.loaded.config.schedule.as_str().to_owned();
        let (missed, at) = (stored.caught_up.missed.clone(), self.time.now());
        let written = tokio::task::spawn_blocking(move || {
            status::write(&*store, &status::About { scope, schedule, next, at }, &missed, page, &open)
        });
        match written.await {
            Ok(Ok(before)) => return before,
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the status page was not written"),
            Err(error) => tracing::warn!(%error, "the status page was not written"),
        }
        None
    }
}

/// Another task has the slot.
struct Elsewhere {
    until: i64,
}

/// The newest scheduled slot of the log, none where the store does not answer; and the holder's name.
async fn newest(
    loaded: &Loaded,
    profile: Option<String>,
    state: &Arc<State>,
    time: &Time,
) -> Result<(Option<i64>, String), ServiceError> {
    let overrides = Overrides { profile, ..Overrides::default() };
    let settings = collector::aws_settings(loaded, None, overrides);
    let publisher = Publisher::open(loaded, &settings, time.clone()).await?;
    let read = tokio::task::spawn_blocking(move || (publisher.newest(), publisher.holder()));
    let (newest, holder) = read.await.map_err(CollectError::from)?;
    let holder = holder?;
    match newest {
        Ok(newest) => {
            state.set_ready(Ok(()));
            Ok((newest, holder))
        }
        Err(error) if error.is_the_store() => {
            tracing::error!(error = %chain(&error), "the store does not answer: runs are made, and wait in the spool");
            Ok((None, holder))
        }
        Err(error) => Err(error.into()),
    }
}

/// Wakes the loop when a slot falls due. In UTC: the scheduler's own zones drift when clocks are changed.
async fn wake_on(schedule: &str, state: &Arc<State>) -> Result<JobScheduler, ServiceError> {
    let scheduler = JobScheduler::new().await?;
    let woken = Arc::clone(state);
    let job = Job::new_async(format!("0 {schedule}"), move |_, _| {
        let state = Arc::clone(&woken);
        Box::pin(async move { state.wake.notify_one() })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
