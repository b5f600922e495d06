//! What only a real account can prove: the promises of the templates, tried once with the daemon's own role.
//!
//! Promised: each check says what was done, what was expected and what was observed, and passes only when exactly the
//! expected was observed: a time-out, another error or a silence is no pass. What cannot be tried from here is `not
//! possible`, with the reason and the command that shows it. Written is below [`PREFIX`] of the store and nowhere else;
//! a good bucket keeps what was written, for as long as its lock says, and the report names it. Nothing that could
//! harm evidence when a promise does not hold is tried: only probes are overwritten and deleted, never the log, a
//! bundle, a key or a setting.

mod bucket;
mod elsewhere;
mod keys;
mod members;
mod place;

use std::path::Path;

use evidenced_bundle::Digest;
use evidenced_core::config;
use evidenced_core::moment;
use serde::Serialize;

use super::{LONG, Line, Options, SHORT, State, World, access};
use crate::clock::Time;
use crate::collector::Loaded;
use crate::publish;

/// What every key of a probe begins with, below the prefix of the store: docs/BUNDLE.md, the store.
pub(crate) const PREFIX: &str = "acceptance/";
/// Of the report.
const SCHEMA: &str = "evidenced/acceptance/v1";
/// What ECS tells the task of its image.
const IMAGE_VARIABLE: &str = "EVIDENCED_IMAGE_DIGEST";

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Exactly the expected was observed.
    Pass,
    /// Something else was observed, or nothing.
    Fail,
    /// It cannot be tried from here.
    NotPossible,
}

impl Verdict {
    /// Every verdict, in the order in which they are counted.
    pub(crate) const ALL: [Self; 3] = [Self::Pass, Self::Fail, Self::NotPossible];

    /// The word of the report.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotPossible => "not-possible",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// Its name.
    pub(crate) check: &'static str,
    /// Of which account, key or folder, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) verdict: Verdict,
    /// What was done.
    pub(crate) did: String,
    pub(crate) expected: String,
    pub(crate) observed: String,
    /// What to do; of a check that is not possible here, what shows it elsewhere.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// A check before it has its verdict.
#[derive(Debug, Clone)]
struct Trial {
    check: &'static str,
    subject: Option<String>,
    did: String,
    expected: &'static str,
}

impl Trial {
    fn new(check: &'static str, did: impl Into<String>, expected: &'static str) -> Self {
        Self { check, subject: None, did: did.into(), expected }
    }

    fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    fn pass(self, observed: impl Into<String>) -> Outcome {
        self.ends(Verdict::Pass, observed, None)
    }

    fn fail(self, observed: impl Into<String>, remedy: impl Into<String>) -> Outcome {
        self.ends(Verdict::Fail, observed, Some(remedy.into()))
    }

    fn not_possible(self, why: impl Into<String>, instead: impl Into<String>) -> Outcome {
        self.ends(Verdict::NotPossible, why, Some(instead.into()))
    }

    fn ends(self, verdict: Verdict, observed: impl Into<String>, remedy: Option<String>) -> Outcome {
        let Self { check, subject, did, expected } = self;
        Outcome {
            check,
            subject,
            verdict,
            did,
            expected: expected.to_owned(),
            observed: observed.into(),
            remedy,
        }
    }

    /// A check of the ordinary `doctor`, where a warning is no pass either.
    fn line(self, line: Line) -> Outcome {
        let observed = line.detail;
        let remedy = line.remedy.unwrap_or_else(|| "see `evidenced doctor`".to_owned());
        match line.state {
            State::Ok => self.pass(observed),
            State::Warn | State::Missing => self.fail(observed, remedy),
            State::Skipped => self.not_possible(observed, remedy),
        }
    }
}

/// Everything that was tried, and who tried it when with what.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    schema: &'static str,
    version: &'static str,
    /// Of the image, where ECS told the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<String>,
    scope: String,
    config: String,
    /// Of the configuration file as it was read.
    config_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_root_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    started: String,
    finished: String,
    /// Objects that stay in the store.
    written: Vec<Probe>,
    pub(crate) checks: Vec<Outcome>,
}

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probe {
    pub(crate) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_id: Option<String>,
}

impl Report {
    /// Whether something that was tried did not end as expected.
    pub(crate) fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Fail)
    }

    /// How many checks came to a verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// What stays in the store.
    pub(crate) fn written(&self) -> &[Probe] {
        &self.written
    }

    /// Who tried what, for people: name and value.
    pub(crate) fn facts(&self) -> Vec<(&'static str, &str)> {
        let mut facts = vec![
            ("scope", self.scope.as_str()),
            ("version", self.version),
            ("configuration", &self.config),
            ("its SHA-256", &self.config_sha256),
            ("started", &self.started),
            ("finished", &self.finished),
        ];
        for (name, value) in [
            ("image", &self.image_digest),
            ("trust root", &self.trust_root_fingerprint),
            ("caller", &self.caller),
        ] {
            facts.extend(value.as_deref().map(|value| (name, value)));
        }
        facts
    }
}

/// The report, its bytes, and where they lie in the store.
pub(crate) struct Examined {
    pub(crate) report: Report,
    /// As they are stored, printed and saved.
    pub(crate) bytes: Vec<u8>,
    /// The URL, or why it is not there; none: there is nothing to store it in.
    pub(crate) stored: Option<Result<String, String>>,
}

/// Tries everything; the order of the checks is always the same.
pub(crate) async fn examine(path: &Path, loaded: &Loaded, options: &Options) -> std::io::Result<Examined> {
    let (report, shelf) = Box::pin(tried(path, loaded, options)).await;
    let mut bytes = serde_json::to_vec_pretty(&report)?;
    bytes.push(b'\n');
    // A task's own disk ends with it: the report lies where the evidence does, under the same lock.
    let stored = match shelf {
        None => None,
        Some(shelf) => {
            let url = shelf.url.clone();
            Some(match tokio::time::timeout(SHORT, shelf.put(&bytes)).await {
                Ok(Ok(())) => Ok(url),
                Ok(Err(error)) => Err(format!("{url}: {error}")),
                Err(_) => Err(format!("{url}: no answer within {} s", SHORT.as_secs())),
            })
        }
    };
    Ok(Examined { report, bytes, stored })
}

async fn tried(path: &Path, loaded: &Loaded, options: &Options) -> (Report, Option<bucket::Shelf>) {
    let world = super::world(loaded, options);
    let started = world.time.now();
    let (identity, bucket, keys, (members, accounts), place) = tokio::join!(
        caller(&world),
        bucket::check(&world),
        within("kms", keys::check(&world)),
        members::check(&world),
        within("place", place::check(&world)),
    );
    let (caller, identity) = identity;
    let elsewhere = elsewhere::checks(&world, accounts);
    let config_sha256 = std::fs::read(path).map(|bytes| Digest::of(&bytes).to_string());
    let root = publish::trusted(loaded).ok().flatten().map(|trusted| trusted.root.fingerprint().to_string());
    let report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        image_digest: std::env::var(IMAGE_VARIABLE).ok().filter(|digest| !digest.is_empty()),
        scope: loaded.config.scope.clone(),
        config: path.display().to_string(),
        config_sha256: config_sha256.unwrap_or_default(),
        trust_root_fingerprint: root,
        caller,
        started: moment::seconds(started),
        finished: moment::seconds(Time::system().now()),
        written: bucket.written,
        checks: [vec![identity], bucket.checks, keys, members, place, elsewhere].concat(),
    };
    (report, bucket.shelf)
}

/// Whose promises are tried: they are those of the daemon only where its own role tries them.
async fn caller(world: &World<'_>) -> (Option<String>, Outcome) {
    let did = "asked STS who asks (GetCallerIdentity)";
    let trial =
        Trial::new("caller", did, "the role of the daemon, not a user and not the root of an account");
    let mut lines = Vec::new();
    let found = tokio::time::timeout(SHORT, access::identity(world, &mut lines)).await;
    let Ok(Some((_, caller))) = found else {
        let why = lines.pop().map_or_else(|| "no answer".to_owned(), |line| line.detail);
        return (None, trial.fail(why, "run it where the daemon runs, with its role"));
    };
    let arn = caller.arn;
    let check = if arn.contains(":assumed-role/") {
        trial.pass(arn.clone())
    } else {
        let remedy = "run it with the role of the daemon: as a one-off task of its task definition (docs/OPERATIONS.md)";
        trial.fail(arn.clone(), remedy)
    };
    (Some(arn), check)
}

/// Checks that do not come to their end have failed.
async fn within(check: &'static str, checks: impl Future<Output = Vec<Outcome>>) -> Vec<Outcome> {
    tokio::time::timeout(LONG, checks).await.unwrap_or_else(|_| {
        let trial = Trial::new(check, "asked AWS", "an answer");
        vec![trial.fail(
            format!("none within {} s", LONG.as_secs()),
            "see which server does not answer: evidenced doctor --network",
        )]
    })
}

/// The bucket of the store, where it is one.
fn store<'a>(world: &World<'a>) -> Option<&'a config::S3> {
    match &world.loaded.config.store {
        config::Store::S3(s3) => Some(s3),
        config::Store::Folder(_) => None,
    }
}
