//! Tells somebody what the service could not do: a command, or a URL.
//!
//! The body is one JSON object (docs/OPERATIONS.md). A command gets it on its standard input, without a shell, and is
//! killed with what it started when its time is over. A URL gets it as a POST that is signed with HMAC-SHA-256 over
//! time and body, so that the receiver knows who sent it and when. Promised: a run never waits for a hook and never
//! fails by one; how each ended is logged and counted. Never logged: the URL, which may hold a token, and the secret.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_smithy_http_client::Connector;
use evidenced_core::config::{Hook, HookSecret, HookTarget};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinSet;

use super::metrics::Metrics;
use crate::aws::{self, AwsError};
use crate::collector::{Loaded, read_text};
use crate::post::{PostError, post};

pub(super) const FAILURE: &str = "failure";
pub(super) const GAP: &str = "gap";

/// Longest secret that is read.
const SECRET_BYTES: u64 = 4 << 10;
/// Longest answer that is read; nothing of it is used but its status.
const ANSWER_BYTES: usize = 64 << 10;
/// Notifications under way at once; what comes on top is counted and dropped.
const AT_ONCE: usize = 8;
/// How often a command is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Why a hook cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error("[service] on_{event} secret_file {path}: cannot be read")]
    File {
        event: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("[service] on_{event} secret_env {name}: the variable is not set, or empty")]
    Variable { event: &'static str, name: String },
    #[error("[service] on_{event} secret_file {path}: is empty")]
    Empty { event: &'static str, path: PathBuf },
    #[error(transparent)]
    Tls(#[from] AwsError),
}

/// Why somebody was not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("no end within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("the command did not start")]
    Start(#[source] std::io::Error),
    #[error("the command ended with {0}")]
    Exit(std::process::ExitStatus),
    #[error("answered with status {0}")]
    Status(u16),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("the command's thread ended")]
    Thread(#[from] tokio::task::JoinError),
}

enum Way {
    Command(Vec<String>),
    Url { url: String, connector: Connector, secret: Option<Vec<u8>> },
}

struct Bound {
    way: Way,
    limit: Duration,
    /// A variable that a command does not get.
    hidden: Option<String>,
}

/// The hooks of a configuration.
pub(super) struct Hooks {
    failure: Option<Arc<Bound>>,
    gap: Option<Arc<Bound>>,
    metrics: Arc<Metrics>,
    under_way: JoinSet<()>,
}

impl Hooks {
    /// Reads the secrets. Nobody is told anything yet.
    pub(super) fn new(loaded: &Loaded, metrics: Arc<Metrics>) -> Result<Self, HookError> {
        let service = &loaded.config.service;
        let others = [&service.on_failure, &service.on_gap];
        let bind = |event, hook: &Option<Hook>| {
            let hook = hook.as_ref().map(|hook| bind(loaded, event, hook, &others)).transpose()?;
            Ok::<_, HookError>(hook.map(Arc::new))
        };
        Ok(Self {
            failure: bind(FAILURE, &service.on_failure)?,
            gap: bind(GAP, &service.on_gap)?,
            metrics,
            under_way: JoinSet::new(),
        })
    }

    /// Tells in the background.
    pub(super) fn tell(&mut self, event: &'static str, body: &Value) {
        while self.under_way.try_join_next().is_some() {}
        let hook = if event == FAILURE { &self.failure } else { &self.gap };
        let Some(hook) = hook.clone() else { return };
        if self.under_way.len() >= AT_ONCE {
            tracing::error!(event, "too many notifications are under way: this one is dropped");
            self.metrics.told(event, "dropped");
            return;
        }
        let (bytes, metrics) = ((body.to_string() + "\n").into_bytes(), Arc::clone(&self.metrics));
        self.under_way.spawn(async move {
            let begun = Instant::now();
            let told = tell(hook, bytes).await;
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            match told {
                Ok(()) => {
                    tracing::info!(event, ms, "told");
                    metrics.told(event, "ok");
                }
                Err(error) => {
                    tracing::error!(event, ms, error = %super::chain(&error), "the notification failed");
                    let outcome = if matches!(error, Untold::TimedOut(_)) { "timeout" } else { "failed" };
                    metrics.told(event, outcome);
                }
            }
        });
    }

    /// Waits for what is under way, for a while.
    pub(super) async fn finish(&mut self, limit: Duration) {
        let all = async { while self.under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("a notification was still under way at the end");
        }
    }
}

fn bind(
    loaded: &Loaded,
    event: &'static str,
    hook: &Hook,
    all: &[&Option<Hook>],
) -> Result<Bound, HookError> {
    let secret = match &hook.secret {
        None => None,
        Some(HookSecret::File(path)) => {
            let path = loaded.resolve(path);
            let text = read_text(&path, SECRET_BYTES).map_err(|source| HookError::File {
                event,
                path: path.clone(),
                source,
            })?;
            let secret = text.trim_end_matches(['\r', '\n']);
            if secret.is_empty() {
                return Err(HookError::Empty { event, path });
            }
            Some(secret.as_bytes().to_vec())
        }
        Some(HookSecret::Variable(name)) => {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| HookError::Variable { event, name: name.clone() })?;
            Some(value.into_bytes())
        }
    };
    let way = match &hook.target {
        HookTarget::Command(words) => Way::Command(words.clone()),
        HookTarget::Url(url) => {
            let ca_bundle = loaded.config.aws.ca_bundle.as_deref().map(|path| loaded.resolve(path));
            let connector = aws::connector(ca_bundle, std::slice::from_ref(url))?;
            Way::Url { url: url.clone(), connector, secret }
        }
    };
    let hidden = all.iter().find_map(|hook| match hook.as_ref()?.secret.as_ref()? {
        HookSecret::Variable(name) => Some(name.clone()),
        HookSecret::File(_) => None,
    });
    Ok(Bound { way, limit: Duration::from_millis(hook.timeout_ms), hidden })
}

async fn tell(hook: Arc<Bound>, body: Vec<u8>) -> Result<(), Untold> {
    match &hook.way {
        Way::Command(_) => tokio::task::spawn_blocking(move || command(&hook, body)).await?,
        Way::Url { url, connector, secret } => {
            let mut headers = vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("user-agent".to_owned(), concat!("evidenced/", env!("CARGO_PKG_VERSION")).to_owned()),
            ];
            // Of the machine: the receiver compares it with its own clock.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
            headers.push(("evidenced-timestamp".to_owned(), now.to_string()));
            if let Some(secret) = secret {
                headers.push((
                    "evidenced-signature".to_owned(),
                    format!("v1={}", signature(secret, now, &body)),
                ));
            }
            let asked = post(connector, url, &headers, body, ANSWER_BYTES);
            let answer = tokio::time::timeout(hook.limit, asked).await;
            let answer = answer.map_err(|_| Untold::TimedOut(hook.limit))??;
            if (200..300).contains(&answer.status) { Ok(()) } else { Err(Untold::Status(answer.status)) }
        }
    }
}

/// HMAC-SHA-256 over `<timestamp>.<body>`, in hex.
fn signature(secret: &[u8], timestamp: u64, body: &[u8]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Runs a program of its own process group, so that what it started ends with it.
fn command(hook: &Bound, body: Vec<u8>) -> Result<(), Untold> {
    let Way::Command(words) = &hook.way else { return Ok(()) };
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let begun = Instant::now();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    if let Some(name) = &hook.hidden {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(Untold::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read must not hold us up. That it did not is its own affair.
        std::thread::spawn(move || stdin.write_all(&body).unwrap_or_default());
    }
    loop {
        if let Some(status) = child.try_wait().map_err(Untold::Start)? {
            return if status.success() { Ok(()) } else { Err(Untold::Exit(status)) };
        }
        if begun.elapsed() >= hook.limit {
            let group = rustix::process::Pid::from_child(&child);
            if let Err(error) = rustix::process::kill_process_group(group, rustix::process::Signal::KILL) {
                tracing::warn!(%error, "a notification's command was not killed");
            }
            child.kill().unwrap_or_default();
            child.wait().map_err(Untold::Start)?;
            return Err(Untold::TimedOut(hook.limit));
        }
        std::thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(words: &[&str], limit_ms: u64) -> Bound {
        let way = Way::Command(words.iter().map(|word| (*word).to_owned()).collect());
        Bound { way, limit: Duration::from_millis(limit_ms), hidden: None }
    }

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 2: key "Jefe", data "what do ya want for nothing?". Ours has time and a dot before the body.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let hex =
            mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(signature(b"Jefe", 7, b"{}").len(), 64);
        assert_ne!(signature(b"Jefe", 7, b"{}"), signature(b"Jefe", 8, b"{}"));
    }

    #[test]
    fn a_command_that_goes_on_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let script = format!("(sleep 1; touch {}) & sleep 60", mark.display());
        let begun = Instant::now();
        let untold = command(&bound(&["/bin/sh", "-c", &script], 200), b"{}".to_vec()).unwrap_err();
        assert!(matches!(untold, Untold::TimedOut(_)), "{untold}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1_300));
        assert!(!mark.exists(), "the child of the command lived on");
    }

    #[test]
    fn a_command_that_does_not_read_or_fails_or_is_not_there_is_told_apart() {
        assert!(command(&bound(&["/bin/true"], 5_000), vec![b'x'; 1 << 20]).is_ok());
        assert!(matches!(command(&bound(&["/bin/false"], 5_000), Vec::new()), Err(Untold::Exit(_))));
        assert!(matches!(command(&bound(&["/no/such/program"], 5_000), Vec::new()), Err(Untold::Start(_))));
    }
}
