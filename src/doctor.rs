//! Whether everything that a run needs is there: one line a check, and what to do where something is not.
//!
//! Promised: every check ends within its limit and none hides another; what could not be asked is `skipped` with the
//! reason, never `ok`. Nothing is written to the store or to the log, and what is tried in the spool is gone again. The
//! message that the keys sign for a test can be taken for nothing else ([`keys::TEST_MESSAGE`]).

pub(crate) mod acceptance;
mod access;
mod keys;
mod machine;
mod network;
mod reach;
mod store;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::aws;
use crate::clock::Time;
use crate::collector::{self, Loaded, Overrides};

/// For a check that asks one server or the disk.
const SHORT: Duration = Duration::from_mins(1);
/// For the checks that ask every account and every region.
const LONG: Duration = Duration::from_mins(5);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is there.
    Ok,
    /// A run works, and somebody should look at it.
    Warn,
    /// A run fails, has gaps, or cannot be verified.
    Missing,
    /// It was not asked, for the reason given.
    Skipped,
}

impl State {
    /// Every state, in the order in which they are counted.
    pub(crate) const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Missing, Self::Skipped];

    /// The word of the report.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) check: &'static str,
    /// Of which account, region, rule or URL, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) state: State,
    /// What was found.
    pub(crate) detail: String,
    /// What to do.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Line {
    fn new(check: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { check, subject: None, state, detail: detail.into(), remedy: None }
    }

    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Ok, detail)
    }

    fn warn(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::new(check, State::Warn, detail) }
    }

    fn missing(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::new(check, State::Missing, detail) }
    }

    fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, why)
    }

    fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }
}

/// What is asked for beside the configuration.
#[derive(Debug)]
pub(crate) struct Options {
    /// Profile of the shared configuration files.
    pub(crate) profile: Option<String>,
    /// Connect to every endpoint of every region.
    pub(crate) network: bool,
}

/// What every check works with.
struct World<'a> {
    loaded: &'a Loaded,
    settings: aws::Settings,
    time: Time,
}

fn world<'a>(loaded: &'a Loaded, options: &Options) -> World<'a> {
    let overrides = Overrides { profile: options.profile.clone(), ..Overrides::default() };
    let settings = collector::aws_settings(loaded, None, overrides);
    let settings = aws::Settings {
        slot_compact: "doctor".to_owned(),
        // Whoever waits for an answer of a check is a person, or a deployment.
        max_attempts: settings.max_attempts.min(2),
        attempt_timeout: settings.attempt_timeout.min(Duration::from_secs(10)),
        operation_timeout: settings.operation_timeout.min(Duration::from_secs(20)),
        ..settings
    };
    World { loaded, settings, time: Time::system() }
}

/// Runs every check; their order is always the same.
pub(crate) async fn examine(path: &Path, loaded: &Loaded, options: &Options) -> Vec<Line> {
    let world = world(loaded, options);
    let of = &loaded.config.scope;
    let first = Line::ok("configuration", format!("{}: scope {of}", path.display()));
    let (clock, access, bucket, store, keys, stamps, spool) = tokio::join!(
        within("clock", SHORT, machine::clock(&world)),
        within("identity", LONG, access::check(&world, options.network)),
        within("bucket", SHORT, store::bucket(&world)),
        within("store", SHORT, store::log(&world)),
        within("evidence-key", SHORT, keys::sign(&world)),
        within("timestamps", SHORT, keys::timestamps(&world)),
        within("spool", SHORT, machine::spool(&world)),
    );
    [vec![first], clock, access, bucket, store, keys, stamps, spool].concat()
}

/// A check that does not come to its end is one that failed.
async fn within(check: &'static str, limit: Duration, lines: impl Future<Output = Vec<Line>>) -> Vec<Line> {
    tokio::time::timeout(limit, lines).await.unwrap_or_else(|_| {
        let detail = format!("no result within {} s", limit.as_secs());
        vec![Line::missing(check, detail, "see which server does not answer: evidenced doctor --network -vv")]
    })
}

/// The message of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_that_never_answers_is_missing_and_hides_no_other() {
        let (never, other) = tokio::join!(
            within("store", Duration::from_millis(1), std::future::pending()),
            within("clock", SHORT, async { vec![Line::ok("clock", "good")] }),
        );
        assert_eq!((never.len(), never[0].state), (1, State::Missing));
        assert_eq!(never[0].detail, "no result within 0 s");
        assert_eq!(other, [Line::ok("clock", "good")]);
    }

    #[test]
    fn the_words_are_those_of_the_json() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
