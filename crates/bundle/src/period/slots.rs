//! Slots against leaves: what was due, what is there, and what is not due yet. Pure.
//!
//! Only leaves of scheduled runs satisfy slots; manual runs and supplements do not (decision 6). Between two of them
//! nothing may have been due by the schedule of the earlier one, and the later one is due by its own (decision 7).
//! After the last leaf its schedule goes on. A slot whose next slot, and 24 hours, are not over yet may still be
//! written: it is not absent but open.

use std::collections::BTreeSet;

use crate::id::{BagId, Kind};
use crate::period::check::{Finding, LogCheck};
use crate::schedule::Schedule;
use crate::span::Span;
use crate::statement::Statement;
use crate::time::UtcSecond;

/// More instants of foreign schedules than these are not computed. A quarter of minutes has 132,480.
pub const SLOTS: usize = 200_000;
/// How long a slot, and the token of a bundle, may be on its way.
pub const GRACE_SECONDS: i64 = 86_400;
/// How many slots a sentence names.
const NAMED: usize = 5;

/// What became of the slots of a period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots {
    /// Slots that were due: with a leaf, and absent.
    pub due: u64,
    /// Slots with a leaf.
    pub sequenced: u64,
    /// Slots that are not over yet.
    pub open: u64,
    /// The first of these.
    pub next: Option<UtcSecond>,
}

/// What the order of the leaves and the schedules give.
#[derive(Debug, Default)]
pub struct SlotAudit {
    /// Of the period, or of the whole log where no period was asked for.
    pub slots: Slots,
    /// What does not hold.
    pub refused: Vec<Finding>,
    /// What is to be listed.
    pub exceptions: Vec<Finding>,
}

struct Scheduled<'a> {
    id: &'a BagId,
    slot: UtcSecond,
    schedule: Schedule,
}

/// Holds the leaves against their schedules and the period. `now` is the verifier's clock, where it has one: without
/// it every slot of the period is due.
pub fn check_slots(statements: &[Statement], span: Option<&Span>, now: Option<UtcSecond>) -> SlotAudit {
    let mut audit = SlotAudit::default();
    audit.check_ids(statements);
    let scheduled = audit.scheduled(statements);
    audit.check_supplements(statements);
    let mut budget = SLOTS;
    for pair in scheduled.windows(2) {
        let [before, after] = pair else { continue };
        if after.slot < before.slot {
            let detail = format!("comes after {} in the log", before.id);
            audit.refuse(LogCheck::SlotOrder, after.id, detail);
        } else if after.slot > before.slot {
            let mut missing = Due::default();
            missing.collect(&before.schedule, before.slot, after.slot, &mut budget, &mut |_| true);
            audit.absent(&missing, span, &format!("between {} and {}", before.id, after.id));
        }
    }
    let inside = |slot| span.is_none_or(|span| span.contains(slot));
    let mut seen = BTreeSet::new();
    seen.extend(scheduled.iter().map(|leaf| leaf.slot).filter(|slot| inside(*slot)));
    audit.slots.sequenced = count(seen.len());
    audit.slots.due += audit.slots.sequenced;
    if let Some(span) = span {
        audit.ends(&scheduled, span, now, &mut budget);
    }
    if budget == 0 {
        let detail = format!("more than {SLOTS} slots were due: not all of them were looked for");
        audit.refuse(LogCheck::SlotCoverage, "period", detail);
    }
    audit
}

impl SlotAudit {
    fn refuse(&mut self, check: LogCheck, subject: impl std::fmt::Display, detail: impl std::fmt::Display) {
        self.refused.push(Finding::new(check, subject, detail));
    }

    fn check_ids(&mut self, statements: &[Statement]) {
        let mut seen = BTreeSet::new();
        for statement in statements {
            let id = &statement.snapshot.id;
            if !seen.insert(id) {
                self.refuse(
                    LogCheck::SlotOrder,
                    id,
                    format!("is in the log again as leaf {}", statement.index),
                );
            }
        }
    }

    /// The leaves of scheduled runs, with schedules by which they are due.
    fn scheduled<'a>(&mut self, statements: &'a [Statement]) -> Vec<Scheduled<'a>> {
        let mut scheduled: Vec<Scheduled<'a>> = Vec::new();
        for statement in statements.iter().filter(|statement| statement.snapshot.id.kind() == Kind::Schedule)
        {
            let (id, text) = (&statement.snapshot.id, &statement.snapshot.schedule);
            let known = scheduled.last().map(|last| &last.schedule).filter(|last| last.as_str() == text);
            let schedule = match known.cloned().map_or_else(|| Schedule::parse(text), Ok) {
                Ok(schedule) => schedule,
                Err(error) => {
                    self.refuse(LogCheck::SlotOrder, id, format!("schedule {text:?} {error}"));
                    continue;
                }
            };
            if !schedule.is_slot(id.slot().unix()) {
                self.refuse(
                    LogCheck::SlotOrder,
                    id,
                    format!("its schedule {text:?} is not due at {}", id.slot()),
                );
            }
            scheduled.push(Scheduled { id, slot: id.slot(), schedule });
        }
        scheduled
    }

    fn check_supplements(&mut self, statements: &[Statement]) {
        let mut before = BTreeSet::new();
        for statement in statements {
            let id = &statement.snapshot.id;
            match id.kind() {
                Kind::Schedule => {
                    before.insert(id.slot());
                }
                Kind::Supplement(_) if !before.contains(&id.slot()) => {
                    let detail = format!("there is no run for slot {} in the log before it", id.slot());
                    self.refuse(LogCheck::Supplements, id, detail);
                }
                Kind::Supplement(_) | Kind::Manual => {}
            }
        }
    }

    /// Slots without a leaf: refused in the period, listed outside of it.
    fn absent(&mut self, missing: &Due, span: Option<&Span>, place: &str) {
        let (inside, outside): (Vec<_>, Vec<_>) =
            missing.named.iter().partition(|slot| span.is_none_or(|span| span.contains(**slot)));
        if !inside.is_empty() {
            self.slots.due += count(inside.len());
            self.refuse(
                LogCheck::SlotCoverage,
                named(&inside),
                format!("no leaf of a scheduled run {place}"),
            );
        }
        if !outside.is_empty() {
            let detail = format!("no leaf of a scheduled run {place}, outside of the period");
            self.exceptions.push(Finding::new(LogCheck::SlotCoverage, named(&outside), detail));
        }
    }

    /// The slots of the period before the first leaf and after the last one.
    fn ends(&mut self, scheduled: &[Scheduled<'_>], span: &Span, now: Option<UtcSecond>, budget: &mut usize) {
        let (Some(first), Some(last)) = (scheduled.first(), scheduled.last()) else {
            self.refuse(LogCheck::SlotCoverage, span, "the log has no scheduled run");
            return;
        };
        let mut missing = Due::default();
        missing.collect(&first.schedule, before(span.start()), first.slot, budget, &mut |slot| {
            span.contains(slot)
        });
        if !missing.named.is_empty() {
            let slots: Vec<_> = missing.named.iter().collect();
            self.slots.due += count(slots.len());
            let detail = format!(
                "the log begins with {} and says nothing of what was before; verify --from {} if collecting began \
                 then",
                first.id,
                first.slot.date()
            );
            self.refuse(LogCheck::SlotCoverage, named(&slots), detail);
        }
        let mut missing = Due::default();
        let mut open = Vec::new();
        missing.collect(
            &last.schedule,
            last.slot.max(before(span.start())),
            span.end(),
            budget,
            &mut |slot| {
                let still_open = now.is_some_and(|now| is_open(&last.schedule, slot, now));
                if still_open {
                    open.push(slot);
                }
                !still_open
            },
        );
        if !missing.named.is_empty() {
            let slots: Vec<_> = missing.named.iter().collect();
            self.slots.due += count(slots.len());
            let detail = format!("the log ends with {}: the end of the period is not in it", last.id);
            self.refuse(LogCheck::SlotCoverage, named(&slots), detail);
        }
        self.slots.open = count(open.len());
        self.slots.next = open.first().copied();
        if let (Some(next), Some(now)) = (self.slots.next, now) {
            let detail = format!(
                "the period is not over at {now}: {} of its slots, from {next} on, are not due or may still be written",
                open.len()
            );
            self.exceptions.push(Finding::new(LogCheck::SlotCoverage, span, detail));
        }
    }
}

/// Instants of a schedule that have no leaf.
#[derive(Default)]
struct Due {
    named: Vec<UtcSecond>,
}

impl Due {
    /// Those after `from` and before `until` that `wanted` takes, as long as the budget lasts.
    fn collect(
        &mut self,
        schedule: &Schedule,
        from: UtcSecond,
        until: UtcSecond,
        budget: &mut usize,
        wanted: &mut dyn FnMut(UtcSecond) -> bool,
    ) {
        let mut at = from;
        while let Some(slot) = next(schedule, at).filter(|slot| *slot < until) {
            let Some(left) = budget.checked_sub(1) else { return };
            *budget = left;
            if wanted(slot) {
                self.named.push(slot);
            }
            at = slot;
        }
    }
}

/// Whether a slot without a leaf is no omission yet: its successor is not due, or 24 hours are not over.
fn is_open(schedule: &Schedule, slot: UtcSecond, now: UtcSecond) -> bool {
    let grace = slot.unix().saturating_add(GRACE_SECONDS);
    let successor = schedule.after(slot.unix()).unwrap_or(i64::MAX);
    now.unix() < grace.max(successor)
}

/// The end of a slot's own period: a run that starts then or later is late.
pub(crate) fn end_of(slot: UtcSecond, schedule: &str) -> Option<UtcSecond> {
    next(&Schedule::parse(schedule).ok()?, slot)
}

fn next(schedule: &Schedule, after: UtcSecond) -> Option<UtcSecond> {
    schedule.after(after.unix()).and_then(UtcSecond::from_unix)
}

fn before(instant: UtcSecond) -> UtcSecond {
    UtcSecond::from_unix(instant.unix() - 1).unwrap_or(instant)
}

fn named(slots: &[&UtcSecond]) -> String {
    let names: Vec<_> = slots.iter().take(NAMED).map(ToString::to_string).collect();
    let more = slots.len().saturating_sub(NAMED);
    let noun = if slots.len() == 1 { "slot" } else { "slots" };
    if more == 0 {
        format!("{noun} {}", names.join(", "))
    } else {
        format!("{noun} {} and {more} more", names.join(", "))
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
