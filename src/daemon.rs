//! The service: one slot after the other, for years, whatever happens in between.
//!
//! The loop asks the agenda what is due, takes the slot's lease, and makes the run, which first publishes what earlier
//! runs left and gives each slot that nobody collected its bag. It is woken by tokio-cron-scheduler, by signals and by
//! `POST /run`, and comes by every 30 seconds whatever the clock did; what waits in the spool is then tried again.
//! Promised: a mistake is said before anything is written; one run at a time; a run ends by the end of its lease;
//! SIGTERM ends it within the grace, and what was sealed is published at the next start.

mod begin;
mod embedded;
mod hooks;
mod http;
mod lease;
mod metrics;
mod record;
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
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::Instrument as _;

use crate::clock::Time;
use crate::collector::{
    self, BucketRules, CollectError, Ledger, Loaded, Overrides, Progress, Refused, Stored,
};
use crate::preflight;
use crate::publish::{self, EstateRules, PublishError};
use crate::store::{self, Leash};
use crate::{aws, trace};

use begin::{Begun, begin, newest};
use embedded::Waiting;
pub(crate) use hooks::HookError;
use hooks::Hooks;
use lease::{Lease, LeaseError};
use metrics::RunNumbers;
use state::State;

/// The loop comes by at least this often, so that a clock that was set is noticed.
const PULSE: Duration = Duration::from_secs(30);
/// While something is about to happen.
const SOON: Duration = Duration::from_millis(200);
/// After a failure of a run, doubled each time.
const FIRST_RETRY: Duration = Duration::from_mins(1);
const LAST_RETRY: Duration = Duration::from_mins(15);
/// For the last words of a service that was told to stop.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
    Hook(#[from] HookError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Collect(#[from] CollectError),
}

/// What is given on the command line rather than in the file.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Profile of the shared configuration files.
    pub(crate) profile: Option<String>,
    /// What time it is.
    pub(crate) time: Time,
    /// Whether the rules for the bucket count.
    pub(crate) bucket: BucketRules,
    /// Whether the store must be that of this configuration's estate.
    pub(crate) estate: EstateRules,
}

impl Options {
    fn overrides(&self) -> Overrides {
        Overrides {
            profile: self.profile.clone(),
            time: self.time.clone(),
            bucket: self.bucket,
            estate: self.estate,
            ..Overrides::default()
        }
    }
}

/// How work came to its end.
enum Ended<T> {
    Done(T),
    /// Its time was over.
    OutOfTime,
    /// The service is to stop; what was done within the grace.
    Stopped(Option<T>),
}

/// A slot that is being worked on, perhaps for the second time.
struct Held {
    slot: i64,
    lease: Option<Lease>,
    failures: u32,
    again: Instant,
}

/// Whether the service was told to stop. Whatever it waits for, it hears that.
#[derive(Clone)]
struct Signals(watch::Receiver<bool>);

impl Signals {
    fn hear(mut stop: Signal, mut interrupt: Signal) -> Self {
        let (told, heard) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = stop.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Nobody hears it when the service has ended by itself.
            told.send(true).unwrap_or_default();
            told.closed().await;
        });
        Self(heard)
    }

    async fn told(&self) {
        self.0.clone().wait_for(|told| *told).await.map(|_| ()).unwrap_or_default();
    }
}

/// The service of one configuration.
struct Service {
    loaded: Loaded,
    options: Options,
    scope: Scope,
    holder: String,
    state: Arc<State>,
    agenda: Agenda,
    held: Option<Held>,
    /// Open gaps of the last run, where the status page cannot be read.
    gaps: BTreeSet<String>,
    hooks: Hooks,
    /// Work that was given up and has not stopped yet.
    abandoned: Option<Leash>,
    /// The second of the last extra run, and whether another one waits for the next second.
    last_extra: i64,
    extra_waits: bool,
    /// When what waits in the spool is tried again without a run, and how often that failed.
    drain: (Instant, u32),
    /// Whether what a start before left in the store was looked for: a spool may be empty, or lost, and a sidecar missing.
    looked_for: bool,
    signals: Signals,
}

/// Runs until SIGTERM, by the clock that is given. What happens to a run is logged, never an error of the service.
pub(crate) async fn serve(loaded: Loaded, options: Options) -> Result<(), ServiceError> {
    let config = &loaded.config;
    let address = config.service.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { address, source })?;
    let hear = |kind| signal(kind).map_err(ServiceError::Signals);
    let signals = Signals::hear(hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let mut extra = hear(SignalKind::user_defined1())?;
    let state = Arc::new(State::new(env!("CARGO_PKG_VERSION")));
    let hooks = Hooks::new(&loaded, Arc::clone(&state.metrics))?;

    let begun = tokio::select! {
        begun = Box::pin(begin(&loaded, &options, &state)) => begun?,
        () = signals.told() => {
            tracing::info!("stopped before it began");
            return Ok(());
        }
    };
    let Begun { newest, holder } = begun;
    let agenda = Agenda::new(config.schedule.clone(), &config.scope, config.service.jitter_seconds, newest);
    let scope = Scope::new(config.scope.clone());
    let scope =
        scope.ok_or(evidenced_core::layout::LayoutError::Value("the scope")).map_err(CollectError::from)?;
    let mut scheduler = wake_on(config.schedule.as_str(), &state).await?;
    let wishes = Arc::clone(&state);
    let wishing = tokio::spawn(async move {
        while extra.recv().await.is_some() {
            if !wishes.ask_for_a_run() {
                tracing::info!("an extra run is asked for already");
            }
        }
    });
    let answering = tokio::spawn(http::serve(listener, Arc::clone(&state)));
    tracing::info!(%address, schedule = config.schedule.as_str(), newest = newest.map(moment::seconds), "serving");

    let mut service = Service {
        loaded,
        options,
        scope,
        holder,
        state,
        agenda,
        held: None,
        gaps: BTreeSet::new(),
        hooks,
        abandoned: None,
        last_extra: i64::MIN,
        extra_waits: false,
        drain: (Instant::now(), 0),
        looked_for: false,
        signals,
    };
    Box::pin(service.run()).await;
    service.hooks.finish(LAST_WORDS).await;
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
            let waiting = self.count_spool();
            if !self.is_giving_up() && !Box::pin(self.work(waiting)).await {
                return;
            }
            tokio::select! {
                () = self.state.wake.notified() => {}
                () = self.options.time.moved() => self.clock_was_set(),
                () = tokio::time::sleep(self.pause()) => {}
                () = self.signals.told() => return,
            }
        }
    }

    /// What was to be waited for by the old clock is looked at by the new one.
    fn clock_was_set(&mut self) {
        tracing::info!(now = moment::seconds(self.now()), "the clock was set");
        if let Some(held) = &mut self.held {
            held.again = Instant::now();
        }
        self.drain.0 = Instant::now();
    }

    /// What there is to do now; false when the service is to stop.
    async fn work(&mut self, waiting: Option<Waiting>) -> bool {
        let asked = self.state.take_wish();
        if (asked || self.extra_waits) && !Box::pin(self.extra()).await {
            return false;
        }
        match self.agenda.next(self.now()) {
            Next::Run { slot, .. } if self.may_try(slot) => return Box::pin(self.slot(slot)).await,
            Next::Run { slot, .. } => {
                self.state.metrics.next_slot.set(slot);
            }
            Next::Wait { until } => {
                self.state.metrics.next_slot.set(until);
                let waits = waiting.is_some_and(|waiting| waiting.bundles + waiting.tokens > 0);
                if (waits || !self.looked_for) && self.drain.0 <= Instant::now() {
                    return Box::pin(self.drain()).await;
                }
            }
        }
        true
    }

    fn now(&self) -> i64 {
        self.options.time.now()
    }

    /// Whether work that was given up still has the spool.
    fn is_giving_up(&mut self) -> bool {
        self.abandoned = self.abandoned.take().filter(Leash::is_held);
        self.abandoned.is_some()
    }

    /// Until a slot is to be tried again, or the loop comes by anyway.
    fn pause(&self) -> Duration {
        if self.abandoned.is_some() || self.extra_waits {
            return SOON;
        }
        let again = self.held.as_ref().map(|held| held.again.saturating_duration_since(Instant::now()));
        again.filter(|again| !again.is_zero()).map_or(PULSE, |again| again.min(PULSE))
    }

    /// Refreshes the numbers of the spool, and gives them.
    fn count_spool(&self) -> Option<Waiting> {
        match preflight::space(&self.loaded) {
            Ok(space) => {
                let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
                self.state.metrics.spool_free.set(number(space.free_bytes));
                self.state.metrics.spool_needed.set(number(space.needed_bytes));
                self.state.set_room(if space.free_bytes < space.needed_bytes {
                    Err(space.to_string())
                } else {
                    Ok(())
                });
            }
            Err(error) => tracing::warn!(%error, "the free space of the spool is not known"),
        }
        match publish::count_spool(&self.loaded.resolve(&self.loaded.config.spool)) {
            Ok(count) => {
                let age = count.oldest.map_or(0, |slot| self.now().saturating_sub(slot).max(0));
                self.state.metrics.spool(count.sealed, age, count.tokens);
                Some(Waiting { bundles: count.sealed, oldest: age, tokens: count.tokens })
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
        let id = BagId::new(self.scope.clone(), second, Kind::Schedule);
        let before = self.held.take().filter(|held| held.slot == slot);
        let failures = before.as_ref().map_or(0, |held| held.failures);
        let lease = before.and_then(|held| held.lease).filter(|lease| self.now() < lease.expires.unix());
        let asked = match lease {
            Some(lease) => Ok(Some(lease)),
            None => tokio::select! {
                asked = Box::pin(self.lease(second)) => asked,
                () = self.signals.told() => return false,
            },
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
        match ended {
            Ended::Stopped(done) => {
                self.last_words(&ledger, done, took).await;
                return false;
            }
            Ended::OutOfTime => {
                self.record(&ledger, None).await;
                tracing::error!(bundle = %id, "the run did not end within [service] max_run: it was given up");
                self.tell_failure(
                    &id,
                    "out-of-time",
                    "the run did not end within [service] max_run",
                    failures,
                );
                self.try_again(slot, None, failures);
            }
            Ended::Done(Ok(stored)) => {
                self.agenda.note(slot);
                self.looked_for = true;
                self.record(&ledger, Some((&stored, took))).await;
            }
            Ended::Done(Err(error)) => {
                self.record(&ledger, None).await;
                match error {
                    CollectError::SlotTaken { .. } | CollectError::Overtaken { .. } => {
                        tracing::info!(bundle = %id, "the slot is in the log already");
                        self.state.set_ready(Ok(()));
                        self.state.metrics.reached(self.now());
                        self.agenda.note(slot);
                    }
                    CollectError::Conflict { .. } => {
                        tracing::error!(bundle = %id, error = %chain(&error), "another task had the slot");
                        self.state.metrics.ran(&RunNumbers { result: "conflict", ..RunNumbers::default() });
                        self.tell_failure(&id, "conflict", &chain(&error), failures);
                        self.agenda.note(slot);
                    }
                    error => self.failed(&id, &error, lease, failures),
                }
            }
        }
        true
    }

    /// An extra run; false when the service is to stop.
    async fn extra(&mut self) -> bool {
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
        match ended {
            Ended::Stopped(done) => {
                self.last_words(&ledger, done, took).await;
                return false;
            }
            Ended::OutOfTime => {
                self.record(&ledger, None).await;
                tracing::error!(bundle = %id, "the extra run did not end in time");
                self.state.metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
                self.tell_failure(&id, "out-of-time", "the run did not end within [service] max_run", 0);
            }
            Ended::Done(Ok(stored)) => self.record(&ledger, Some((&stored, took))).await,
            // The process before this one made a run in this second.
            Ended::Done(Err(CollectError::SlotTaken { .. })) => self.extra_waits = true,
            Ended::Done(Err(error)) => {
                self.record(&ledger, None).await;
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
    async fn drain(&mut self) -> bool {
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
            Err(error @ CollectError::Bucket { .. }) => {
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
        match newest(&self.loaded, &self.options).await {
            Ok(Some(newest)) if newest >= slot => self.agenda.note(newest),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "the log was not read"),
        }
    }

    fn overrides(&self) -> Overrides {
        let tally: Arc<dyn aws::Tally> = self.state.metrics.clone();
        Overrides { tally: Some(tally), refused: Refused::Waits, ..self.options.overrides() }
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
