//! Exceptions: failures that somebody took responsibility for, until a day.
//!
//! A live exception turns the `fail` of a resource into `excepted`; the raw verdict stays beside it. What could not be
//! judged is never excepted. An exception counts from the first slot whose bundle holds it: an earlier approval is a
//! claim, and is flagged as one. One that has expired, or that is not approved yet, covers nothing. Pure.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::assessment::Assessed;
use crate::moment;
use crate::policy::{Row, Verdict};

/// One entry of `[[exceptions]]`; the names are those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Its name.
    pub id: String,
    /// The check.
    pub check: String,
    /// The resource's id or ARN, or a pattern with `*` and `?`.
    pub resource: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Who approved it.
    pub approver: String,
    /// When, `YYYY-MM-DD`, as the configuration says.
    pub approved_at: String,
    /// The last day on which it counts; none is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Where it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// Whether an exception counts on the day of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It counts.
    Live,
    /// Its last day is over: what it covered is open again.
    Expired,
    /// Its approval lies behind the slot.
    NotYet,
}

impl State {
    /// The word of `data/exceptions.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
        }
    }
}

/// What a reader should look at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Its resource is a pattern: it covers what nobody has looked at.
    Wildcard,
    /// It never ends.
    NoExpiry,
    /// Who answers for it approved it.
    OwnerIsApprover,
    /// Its approval is dated before the first bundle that holds it.
    Claimed,
    /// It matches no resource of its check.
    Orphaned,
    /// What it matches does not fail.
    Unused,
}

impl Flag {
    /// The word of `data/exceptions.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wildcard => "wildcard",
            Self::NoExpiry => "no-expiry",
            Self::OwnerIsApprover => "owner-is-approver",
            Self::Claimed => "claimed",
            Self::Orphaned => "orphaned",
            Self::Unused => "unused",
        }
    }
}

/// An exception, and what became of it in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionState {
    /// As configured.
    pub exception: Exception,
    /// Whether it counts.
    pub state: State,
    /// The first slot whose bundle holds it as it is now, `2026-11-22T02:00:00Z`.
    pub since: String,
    /// Rows of its check with a resource that it matches.
    pub matched: u64,
    /// Failures that it covers; those that it would cover, when it does not count.
    pub failing: u64,
    /// What a reader should look at twice.
    pub flags: Vec<Flag>,
}

/// The exceptions of a run, at work.
#[derive(Debug, Clone)]
pub struct Exceptions {
    slot: i64,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    exception: Exception,
    pattern: WildMatch,
    state: State,
    matched: u64,
    failing: u64,
}

impl Exceptions {
    /// Those of a configuration, on the day of a slot (seconds since 1970).
    pub fn new(exceptions: &[Exception], slot: i64) -> Self {
        let day = moment::day(slot);
        let entries = exceptions.iter().map(|exception| Entry {
            pattern: WildMatch::new(&exception.resource),
            state: match &exception.expires {
                Some(last) if *last < day => State::Expired,
                _ if exception.approved_at > day => State::NotYet,
                _ => State::Live,
            },
            exception: exception.clone(),
            matched: 0,
            failing: 0,
        });
        Self { slot, entries: entries.collect() }
    }

    /// A row with the exception that covers it: the first live one.
    pub fn cover(&mut self, row: Row) -> Assessed {
        let mut covering = None;
        if let Some(resource) = &row.resource {
            let matching =
                |entry: &&mut Entry| entry.exception.check == row.check && entry.pattern.matches(resource);
            for entry in self.entries.iter_mut().filter(matching) {
                entry.matched += 1;
                if row.verdict == Verdict::Fail {
                    entry.failing += 1;
                    if entry.state == State::Live && covering.is_none() {
                        covering = Some(entry.exception.id.clone());
                    }
                }
            }
        }
        Assessed { row, exception: covering }
    }

    /// What became of each. `before` are the states of the bundle before, which say since when each is in the log.
    pub fn states(&self, before: &[ExceptionState]) -> Vec<ExceptionState> {
        let slot = moment::seconds(self.slot);
        let state = |entry: &Entry| {
            let Entry { exception, state, matched, failing, .. } = entry.clone();
            let known = before.iter().find(|it| it.exception == exception).map(|it| it.since.clone());
            let since = known.filter(|since| *since <= slot).unwrap_or_else(|| slot.clone());
            let first_day = since.get(..10).unwrap_or_default();
            let flags = [
                (exception.resource.contains(['*', '?']), Flag::Wildcard),
                (exception.expires.is_none(), Flag::NoExpiry),
                (exception.owner == exception.approver, Flag::OwnerIsApprover),
                (exception.approved_at.as_str() < first_day, Flag::Claimed),
                (matched == 0, Flag::Orphaned),
                (matched > 0 && failing == 0, Flag::Unused),
            ];
            let flags = flags.into_iter().filter_map(|(holds, flag)| holds.then_some(flag)).collect();
            ExceptionState { exception, state, since, matched, failing, flags }
        };
        self.entries.iter().map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: &str = "2026-11-22T02:00:00Z";

    fn exception(change: impl Fn(&mut Exception)) -> Exception {
        let text = |text: &str| text.to_owned();
        let mut exception = Exception {
            id: text("EX-1"),
            check: text("sg_no_ssh_from_internet"),
            resource: text("sg-1"),
            reason: text("bastion"),
            owner: text("platform"),
            approver: text("ciso"),
            approved_at: text("2026-11-22"),
            expires: Some(text("2026-11-22")),
            ticket: None,
        };
        change(&mut exception);
        exception
    }

    fn row(resource: &str, verdict: Verdict) -> Row {
        Row {
            check: "sg_no_ssh_from_internet".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            resource: Some(resource.to_owned()),
            verdict,
            reason: "port 22 from 0.0.0.0/0".to_owned(),
            observed: None,
            expected: None,
            evidence: Vec::new(),
        }
    }

    fn at(slot: &str, exception: Exception) -> Exceptions {
        Exceptions::new(&[exception], moment::parse(slot).unwrap())
    }

    #[test]
    fn a_failure_is_excepted_until_the_last_day_and_open_again_after_it() {
        let mut live = at("2026-11-22T23:59:59Z", exception(|_| {}));
        let covered = live.cover(row("sg-1", Verdict::Fail));
        assert_eq!((covered.verdict(), covered.row.verdict), ("excepted", Verdict::Fail));
        let mut over = at("2026-11-23T00:00:00Z", exception(|_| {}));
        assert_eq!(over.cover(row("sg-1", Verdict::Fail)).verdict(), "fail");
        let states = over.states(&[]);
        assert_eq!((states[0].state, states[0].failing), (State::Expired, 1));
    }

    #[test]
    fn only_failures_of_its_check_and_resource_are_excepted() {
        let mut live = at(SLOT, exception(|_| {}));
        for (resource, verdict) in
            [("sg-2", Verdict::Fail), ("sg-1", Verdict::Unknown), ("sg-1", Verdict::Pass)]
        {
            assert_eq!(live.cover(row(resource, verdict)).exception, None);
        }
        let other = Row { check: "sg_no_rdp_from_internet".to_owned(), ..row("sg-1", Verdict::Fail) };
        assert_eq!(live.cover(other).exception, None);
        let population = Row { resource: None, ..row("", Verdict::Fail) };
        assert_eq!(live.cover(population).exception, None);
    }

    #[test]
    fn an_approval_of_tomorrow_covers_nothing_today() {
        let mut early = at(SLOT, exception(|it| it.approved_at = "2026-11-23".to_owned()));
        assert_eq!(early.cover(row("sg-1", Verdict::Fail)).verdict(), "fail");
        assert_eq!(early.states(&[])[0].state, State::NotYet);
    }

    #[test]
    fn wildcards_missing_ends_and_own_approvals_are_flagged() {
        let mut wide = at(
            SLOT,
            exception(|it| {
                it.resource = "sg-*".to_owned();
                it.expires = None;
                it.approver = it.owner.clone();
            }),
        );
        assert_eq!(wide.cover(row("sg-77", Verdict::Fail)).exception.as_deref(), Some("EX-1"));
        assert_eq!(wide.states(&[])[0].flags, [Flag::Wildcard, Flag::NoExpiry, Flag::OwnerIsApprover]);
    }

    #[test]
    fn an_exception_that_matches_nothing_is_orphaned_and_one_that_covers_no_failure_unused() {
        let mut exceptions = at(SLOT, exception(|_| {}));
        assert_eq!(exceptions.states(&[])[0].flags, [Flag::Orphaned]);
        exceptions.cover(row("sg-1", Verdict::Pass));
        assert_eq!(exceptions.states(&[])[0].flags, [Flag::Unused]);
    }

    #[test]
    fn an_approval_before_the_first_bundle_that_shows_it_is_a_claim() {
        let dated = exception(|it| it.approved_at = "2026-11-01".to_owned());
        let mut first = at(SLOT, dated.clone());
        first.cover(row("sg-1", Verdict::Fail));
        let before = first.states(&[]);
        assert_eq!(
            (before[0].since.as_str(), before[0].flags.as_slice()),
            (SLOT, [Flag::Claimed].as_slice())
        );
        // A later bundle knows since when the log has it; a changed exception begins anew.
        let mut later = at("2026-11-23T02:00:00Z", exception(|it| it.expires = None));
        assert_eq!(later.states(&before)[0].since, "2026-11-23T02:00:00Z");
        later = at("2026-11-23T02:00:00Z", dated);
        assert_eq!(later.states(&before)[0].since, SLOT);
    }
}
