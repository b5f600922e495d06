//! `on_failure` and `on_gap`: who is told of what the service could not do.
//!
//! A command, never through a shell, or a URL. The secret that signs what a URL is told is named, not written: the
//! file or the variable that holds it. Nothing of this goes into a bundle. Refused: plain HTTP to another machine.

use super::reader::{Reader, Table};

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// How.
    pub target: HookTarget,
    /// What signs the body; none: it is not signed.
    pub secret: Option<HookSecret>,
    /// After this it is given up, in milliseconds.
    pub timeout_ms: u64,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookTarget {
    /// Program and arguments; the body is its standard input.
    Command(Vec<String>),
    /// The body is posted there.
    Url(String),
}

/// Where the key of the signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookSecret {
    /// In a file, as written.
    File(String),
    /// In a variable of the environment.
    Variable(String),
}

/// The table `key`, where there is one.
pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, key: &'static str) -> Option<Hook> {
    if !top.has(key) {
        // Asked for, so that it is a known key.
        reader.table(top, key);
        return None;
    }
    let mut table = reader.table(top, key);
    let command = reader.texts(&mut table, "command");
    if command.as_ref().is_some_and(|words| words.first().is_none_or(String::is_empty)) {
        reader.refuse(&table, "command", "expected a program and its arguments, such as [\"/usr/bin/page\"]");
    }
    let url = reader.text(&mut table, "url");
    if url.as_deref().is_some_and(|url| !(url.starts_with("https://") || super::sections::is_loopback(url))) {
        reader.refuse(&table, "url", "expected an https URL; http only for 127.0.0.1, ::1 or localhost");
    }
    let file = reader.text(&mut table, "secret_file");
    let variable = reader.text(&mut table, "secret_env");
    let timeout_ms = reader.duration(&mut table, "timeout", 10_000);
    if file.is_some() && variable.is_some() {
        reader.refuse(&table, "secret_env", "is one of two: a secret is in a file or in a variable");
    }
    if timeout_ms > 300_000 {
        reader.refuse(&table, "timeout", "must be at most \"5m\"");
    }
    let target = match (command, url) {
        (Some(words), None) => Some(HookTarget::Command(words)),
        (None, Some(url)) => Some(HookTarget::Url(url)),
        (Some(_), Some(_)) => {
            reader.refuse(&table, "url", "is one of two: a hook is a command or a url");
            None
        }
        (None, None) => {
            if !table.has("command") {
                reader.refuse(&table, "command", "is missing; expected a command or a url");
            }
            None
        }
    };
    let secret = file.map(HookSecret::File).or(variable.map(HookSecret::Variable));
    if secret.is_some() && matches!(target, Some(HookTarget::Command(_))) {
        reader.refuse(
            &table,
            "secret_file",
            "counts for a url only: a command is given the body by this service",
        );
    }
    reader.finish(&table);
    target.map(|target| Hook { target, secret, timeout_ms })
}
