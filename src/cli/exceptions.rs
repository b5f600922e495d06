//! `evidenced exceptions`: the exceptions of a configuration, and which of them somebody should look at.
//!
//! Against a bundle the failures that each covers are counted, and those that cover nothing are named. Refused: a
//! bundle that is not genuine.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Args;
use evidenced_bundle::check::printable;
use evidenced_core::assessment::Assessment;
use evidenced_core::exceptions::{ExceptionState, Exceptions, Flag, State};
use evidenced_core::moment;
use serde_json::{Value, json};

use super::exit::{EXCEPTIONS, Failed};
use super::genuine::Believed;
use super::print;
use crate::collector::Loaded;
use crate::judge::Compiled;

/// Days before its end in which an exception is called expiring.
const SOON: i64 = 30;
const DAY: i64 = 86_400;

pub(super) const CODES: &str = "\
Exit code 0: every exception counts and nothing has to be done. 4: one has expired, expires within 30 days, is not
approved yet, covers nothing (with --bundle), covers a pattern, never expires, or was approved by its own owner.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Hold them against this bundle: what each covers, and which cover nothing.
    #[arg(long, value_name = "ZIP")]
    bundle: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    believed: Believed,
}

/// Where an exception stands, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Expired,
    Expiring,
    NotYet,
    Live,
}

impl Standing {
    fn of(state: &ExceptionState, now: i64) -> Self {
        let soon = moment::day(now + SOON * DAY);
        match state.state {
            State::Expired => Self::Expired,
            State::NotYet => Self::NotYet,
            State::Live if state.exception.expires.as_ref().is_some_and(|last| *last <= soon) => {
                Self::Expiring
            }
            State::Live => Self::Live,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::NotYet => "not-yet",
            Self::Live => "live",
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let loaded = Loaded::read(&arguments.believed.config)?;
    // An exception from a check that does not exist covers nothing, and no run would begin with it.
    loaded.checks(&Compiled::default())?;
    let since = UNIX_EPOCH.elapsed().ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    let now = since.unwrap_or_default();
    let mut exceptions = Exceptions::new(&loaded.config.exceptions, now);
    let mut before = Vec::new();
    let mut against = None;
    if let Some(path) = &arguments.bundle {
        let mut bundle = arguments.believed.judge()?.open(path)?;
        let assessment = Assessment::read(&bundle.files()?)?;
        for assessed in assessment.rows {
            exceptions.cover(assessed.row);
        }
        before = assessment.exceptions;
        against = Some(bundle.id());
    }
    let mut states: Vec<(Standing, ExceptionState)> =
        exceptions.states(&before).into_iter().map(|state| (Standing::of(&state, now), state)).collect();
    for (_, state) in &mut states {
        // Without a bundle nothing was matched; of what the bundle does not hold nobody knows since when it is in one.
        let held = before.iter().any(|before| before.exception == state.exception);
        state.flags.retain(|flag| match flag {
            Flag::Orphaned | Flag::Unused => against.is_some(),
            Flag::Claimed => held,
            _ => true,
        });
    }
    states.sort_by(|(one, a), (other, b)| (one, &a.exception.id).cmp(&(other, &b.exception.id)));
    let text = if arguments.json {
        document(&states, against.as_deref())
    } else {
        table(&states, against.as_deref())
    };
    print(text.as_bytes())?;
    let to_do = |(standing, state): &(Standing, ExceptionState)| {
        *standing != Standing::Live || state.flags.iter().any(|flag| *flag != Flag::Claimed)
    };
    Ok(if states.iter().any(to_do) { EXCEPTIONS } else { 0 })
}

fn document(states: &[(Standing, ExceptionState)], against: Option<&str>) -> String {
    let one = |(standing, state): &(Standing, ExceptionState)| {
        let mut value = json!({ "standing": standing.word(), "exception": state.exception,
            "flags": state.flags.iter().map(|flag| flag.word()).collect::<Vec<_>>() });
        if let (Some(members), Some(_)) = (value.as_object_mut(), against) {
            members.insert("matched".to_owned(), state.matched.into());
            members.insert("failing".to_owned(), state.failing.into());
            members.insert("since".to_owned(), state.since.clone().into());
        }
        value
    };
    let exceptions: Vec<Value> = states.iter().map(one).collect();
    format!("{:#}\n", json!({ "bundle": against, "exceptions": exceptions }))
}

fn meaning(flag: Flag) -> &'static str {
    match flag {
        Flag::Wildcard => "its resource is a pattern: it covers what nobody has looked at",
        Flag::NoExpiry => "it never ends",
        Flag::OwnerIsApprover => "its owner approved it",
        Flag::Claimed => "approved, it says, before the first bundle that holds it",
        Flag::Orphaned => "no resource of its check matches it: remove it",
        Flag::Unused => "what it matches does not fail: remove it",
    }
}

fn table(states: &[(Standing, ExceptionState)], against: Option<&str>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |line: String| writeln!(text, "{line}").unwrap_or_default();
    if states.is_empty() {
        line("no exceptions are configured".to_owned());
    }
    for (standing, ExceptionState { exception, matched, failing, flags, .. }) in states {
        let until = exception.expires.as_ref().map_or("never ends".to_owned(), |day| format!("until {day}"));
        line(format!(
            "{:<9} {}  {}  {}",
            standing.word(),
            exception.id,
            exception.check,
            printable(&exception.resource)
        ));
        line(format!(
            "          {until}; owner {}, approved by {} on {}{}",
            printable(&exception.owner),
            printable(&exception.approver),
            exception.approved_at,
            exception.ticket.as_ref().map(|ticket| format!(", {}", printable(ticket))).unwrap_or_default()
        ));
        line(format!("          {}", printable(&exception.reason)));
        if against.is_some() {
            let (verb, would) = match standing {
                Standing::Live | Standing::Expiring => ("covers", ""),
                Standing::Expired | Standing::NotYet => ("covers nothing now;", " would be covered"),
            };
            line(format!("          {verb} {failing} failure(s) of {matched} matching row(s){would}"));
        }
        for flag in flags {
            line(format!("          ! {}: {}", flag.word(), meaning(*flag)));
        }
    }
    if let Some(id) = against {
        line(format!("\nheld against {id}"));
    } else if !states.is_empty() {
        line("\n--bundle ZIP says what each covers, and which cover nothing".to_owned());
    }
    text
}
