//! What the loop, the endpoints and the signals share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_core::run::Clock as _;
use tokio::sync::Notify;

use super::metrics::Metrics;
use crate::collector::SystemClock;

/// The loop comes by at least every minute; after this it hangs.
const PULSE_SECONDS: i64 = 300;

/// Of one service.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) metrics: Arc<Metrics>,
    pulse: AtomicI64,
    ready: Mutex<Result<(), String>>,
    asked: AtomicBool,
    /// Wakes the loop: something was asked for, or a slot fell due.
    pub(crate) wake: Notify,
}

impl State {
    /// Alive, and not yet ready.
    pub(crate) fn new(version: &str, now: i64) -> Self {
        Self {
            metrics: Arc::new(Metrics::new(version)),
            pulse: AtomicI64::new(now.max(seconds())),
            ready: Mutex::new(Err("the store was not reached yet".to_owned())),
            asked: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// The loop has come by.
    pub(crate) fn beat(&self) {
        self.pulse.store(seconds(), Ordering::Relaxed);
    }

    /// Whether the loop still comes by. A clock that stepped backwards is no reason to be killed.
    pub(crate) fn alive(&self) -> Result<(), String> {
        let since = seconds().saturating_sub(self.pulse.load(Ordering::Relaxed));
        if since > PULSE_SECONDS { Err(format!("the loop has not come by for {since} s")) } else { Ok(()) }
    }

    /// Whether evidence could be stored when that was last tried.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_ready(&self, ready: Result<(), String>) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// Asks for an extra run; false when one is asked for already.
    pub(crate) fn ask_for_a_run(&self) -> bool {
        let first = !self.asked.swap(true, Ordering::AcqRel);
        self.wake.notify_one();
        first
    }

    /// Takes the wish for an extra run.
    pub(crate) fn take_wish(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }
}

fn seconds() -> i64 {
    SystemClock.now_ms().div_euclid(1000)
}
