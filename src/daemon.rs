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
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_bundle::Scope;
use evidenced_core::agenda::{Agenda, Next};
use evidenced_core::moment;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::clock::Time;
use crate::collector::{BucketRules, CollectError, Loaded, Overrides};
use crate::judge::Compiled;
use crate::preflight;
use crate::publish::{self, EstateRules, PublishError, Settled};
use crate::store::Leash;

use begin::{Begun, begin};
use embedded::Waiting;
pub(crate) use hooks::HookError;
use hooks::Hooks;
use lease::Lease;
use state::State;

/// The loop comes by at least this often, so that a clock that was set is noticed.
const PULSE: Duration = Duration::from_secs(30);
/// While something is about to happen.
const SOON: Duration = Duration::from_millis(200);
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
    /// What need not be listed again.
    settled: Settled,
    /// What need not be compiled again.
    compiled: Compiled,
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
        settled: Settled::default(),
        compiled: Compiled::default(),
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
