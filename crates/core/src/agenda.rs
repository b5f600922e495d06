//! What the service does next: one pure function of the schedule, the log and the clock.
//!
//! Promised: the newest slot that fell due is started once, while its own period lasts; a slot is never started
//! twice, nor one that a later slot has overtaken; a clock that steps backwards starts nothing again, and one that
//! steps forwards starts the newest slot only (those between are `missed`, which the publisher writes). The service
//! may be asked as often as one likes.

use crate::schedule::Schedule;

/// What there is to do at a moment. Instants are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start the run of this slot.
    Run {
        /// The slot.
        slot: i64,
        /// The slot after it: what is not started by then is missed.
        until: i64,
    },
    /// Nothing until then, or until the clock is no longer what it was.
    Wait {
        /// When something falls due.
        until: i64,
    },
}

/// The agenda of one scope.
#[derive(Debug, Clone)]
pub struct Agenda {
    schedule: Schedule,
    jitter: i64,
    seed: u64,
    done: Option<i64>,
}

impl Agenda {
    /// `done` is the newest scheduled slot of the log. Starts are put off by up to `jitter` seconds, by an amount
    /// that follows from `scope` and slot, so that many scopes do not ask AWS in one second.
    pub fn new(schedule: Schedule, scope: &str, jitter: u32, done: Option<i64>) -> Self {
        // FNV-1a: spreads, and is the same on every machine.
        let seed = scope.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self { schedule, jitter: i64::from(jitter), seed, done }
    }

    /// The newest slot that has been started, or is in the log.
    pub fn done(&self) -> Option<i64> {
        self.done
    }

    /// Takes note that a slot has been started, by this service or by another.
    pub fn note(&mut self, slot: i64) {
        self.done = self.done.max(Some(slot));
    }

    /// What there is to do now.
    pub fn next(&self, now: i64) -> Next {
        let due = self.schedule.at_or_before(now);
        let from = match due.filter(|slot| self.done.is_none_or(|done| done < *slot)) {
            Some(slot) => {
                let until = self.schedule.after(slot).unwrap_or(i64::MAX);
                let start = slot + self.delay(slot, until);
                if start <= now {
                    return Next::Run { slot, until };
                }
                return Next::Wait { until: start };
            }
            None => self.done.unwrap_or(now).max(now),
        };
        match self.schedule.after(from) {
            Some(slot) => {
                let until = self.schedule.after(slot).unwrap_or(i64::MAX);
                Next::Wait { until: slot + self.delay(slot, until) }
            }
            None => Next::Wait { until: i64::MAX },
        }
    }

    /// How long the start of a slot is put off: at most a tenth of its period, so that it stays in it.
    fn delay(&self, slot: i64, until: i64) -> i64 {
        let most = self.jitter.min((until - slot) / 10);
        let mixed = (self.seed ^ slot.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        i64::try_from(mixed).unwrap_or(0).checked_rem(most + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment;

    fn at(text: &str) -> i64 {
        moment::parse(text).unwrap()
    }

    fn daily(done: Option<&str>) -> Agenda {
        Agenda::new(Schedule::parse("0 2 * * *").unwrap(), "prod", 0, done.map(at))
    }

    #[test]
    fn the_newest_slot_that_fell_due_is_run_and_then_the_next_is_waited_for() {
        let mut agenda = daily(Some("2026-11-20T02:00:00Z"));
        let slot = at("2026-11-22T02:00:00Z");
        let until = at("2026-11-23T02:00:00Z");
        for now in ["2026-11-22T02:00:00Z", "2026-11-22T09:00:00Z", "2026-11-23T01:59:59Z"] {
            assert_eq!(agenda.next(at(now)), Next::Run { slot, until });
        }
        agenda.note(slot);
        assert_eq!(agenda.next(at("2026-11-22T09:00:00Z")), Next::Wait { until });
        // Two days on, the slot between is not run late: it is missed.
        let slot = at("2026-11-24T02:00:00Z");
        assert_eq!(
            agenda.next(at("2026-11-24T05:00:00Z")),
            Next::Run { slot, until: at("2026-11-25T02:00:00Z") }
        );
    }

    #[test]
    fn a_clock_that_steps_backwards_starts_nothing_again() {
        let agenda = daily(Some("2026-11-22T02:00:00Z"));
        let until = at("2026-11-23T02:00:00Z");
        for now in ["2026-11-22T01:59:00Z", "2026-11-01T12:00:00Z", "1999-12-31T00:00:00Z"] {
            assert_eq!(agenda.next(at(now)), Next::Wait { until });
        }
    }

    #[test]
    fn a_first_start_takes_the_slot_whose_period_it_is() {
        let (slot, until) = (at("2026-11-22T02:00:00Z"), at("2026-11-23T02:00:00Z"));
        assert_eq!(daily(None).next(at("2026-11-22T10:00:00Z")), Next::Run { slot, until });
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_no_slot_starts_twice_or_out_of_its_period(
            steps in proptest::collection::vec(-100_000i64..200_000, 1..200),
            jitter in 0u32..100_000,
            cron in proptest::sample::select(vec!["0 2 * * *", "*/15 * * * *", "30 3 * * 1", "0 0 29 2 *"]),
        ) {
            let schedule = Schedule::parse(cron).unwrap();
            let mut agenda = Agenda::new(schedule.clone(), "prod", jitter, None);
            let (mut now, mut started) = (1_790_000_000, Vec::new());
            for step in steps {
                now += step;
                match agenda.next(now) {
                    Next::Run { slot, until } => {
                        prop_assert!(schedule.is_slot(slot) && slot <= now && now < until);
                        prop_assert!(started.last().is_none_or(|last| *last < slot));
                        started.push(slot);
                        agenda.note(slot);
                    }
                    // A wait ends where there is something to do, whichever instant in it one asks at.
                    Next::Wait { until } => {
                        prop_assert!(until > now);
                        let runs = matches!(agenda.next(until), Next::Run { .. });
                        prop_assert!(runs);
                        prop_assert_eq!(agenda.next(until - 1), Next::Wait { until });
                    }
                }
            }
        }
    }
}
