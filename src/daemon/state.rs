//! What the loop, the endpoints and the signals share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::metrics::Metrics;

/// The loop comes by at least every minute; after this it hangs.
const PULSE: Duration = Duration::from_mins(5);

/// Of one service.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) metrics: Arc<Metrics>,
    /// Of the machine, not of the clock, which may be set.
    pulse: Mutex<Instant>,
    ready: Mutex<Result<(), String>>,
    /// Whether the spool has room for a run.
    room: Mutex<Result<(), String>>,
    asked: AtomicBool,
    /// Wakes the loop: something was asked for, or a slot fell due.
    pub(crate) wake: Notify,
}

impl State {
    /// Alive, and not yet ready.
    pub(crate) fn new(version: &str) -> Self {
        Self {
            metrics: Arc::new(Metrics::new(version)),
            pulse: Mutex::new(Instant::now()),
            ready: Mutex::new(Err("the store was not reached yet".to_owned())),
            room: Mutex::new(Ok(())),
            asked: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// The loop has come by.
    pub(crate) fn beat(&self) {
        *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether the loop still comes by. A clock that was set is no reason to be killed.
    pub(crate) fn alive(&self) -> Result<(), String> {
        let since = self.pulse.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if since > PULSE {
            return Err(format!("the loop has not come by for {} s", since.as_secs()));
        }
        Ok(())
    }

    /// Whether evidence could be stored when that was last tried, and there is room for more.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_ready(&self, ready: Result<(), String>) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    pub(crate) fn set_room(&self, room: Result<(), String>) {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = room;
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
