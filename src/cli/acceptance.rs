//! `evidenced doctor --acceptance`: what only a real account can prove, tried and written down.
//!
//! The bytes of the report are made once: what is printed with --json, saved and stored is the same.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use evidenced_bundle::check::printable;

use super::exit::{Failed, NO_ACCESS};
use super::print;
use crate::collector::Loaded;
use crate::doctor::Options;
use crate::doctor::acceptance::{self, Examined, Outcome, Report, Verdict};

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

pub(super) fn run(
    path: &Path,
    loaded: &Loaded,
    options: &Options,
    form: Form,
    save: Option<&Path>,
) -> Result<u8, Failed> {
    // Before anything is written that stays for years.
    if let Some(file) = save {
        free(file)?;
    }
    // The keys sign on threads of their own, and wait for the runtime there.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let examined = runtime.block_on(acceptance::examine(path, loaded, options));
    runtime.shutdown_background();
    let Examined { report, bytes, stored } = examined?;
    match form {
        Form::Json => print(&bytes)?,
        Form::Text => print(text(&report, stored.as_ref()).as_bytes())?,
    };
    if let Some(file) = save {
        let is_json = file.extension().is_some_and(|it| it == "json");
        let text = if is_json { bytes.clone() } else { text(&report, stored.as_ref()).into_bytes() };
        let written = OpenOptions::new().write(true).create_new(true).open(file);
        written.and_then(|mut out| out.write_all(&text)).map_err(|error| {
            Failed::usage(
                format!("--save {}: {error}", file.display()),
                "the report is printed above, and in the store",
            )
        })?;
    }
    let lost = matches!(stored, Some(Err(_)));
    Ok(if report.has_failed() || lost { NO_ACCESS } else { 0 })
}

/// A new file in a folder that is there.
fn free(file: &Path) -> Result<(), Failed> {
    if file.symlink_metadata().is_ok() {
        let message = format!("--save {}: there is such a file already", file.display());
        return Err(Failed::usage(message, "name a new one: a report is never overwritten"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_err() {
        let message =
            format!("--save {}: {} is no folder that can be written", file.display(), folder.display());
        return Err(Failed::usage(
            message,
            "name a file in one, or leave --save out: the store has the report too",
        ));
    }
    Ok(())
}

fn text(report: &Report, stored: Option<&Result<String, String>>) -> String {
    let mut text = String::from("evidenced doctor --acceptance\n\n");
    for (name, value) in report.facts() {
        line(&mut text, "", name, value);
    }
    for check in &report.checks {
        one(&mut text, check);
    }
    text.push('\n');
    for probe in report.written() {
        let version = probe.version_id.as_deref().map(|id| format!(", version {id}")).unwrap_or_default();
        line(&mut text, "", "stays", &format!("{}{version}", probe.url));
    }
    match stored {
        Some(Ok(url)) => line(&mut text, "", "report", url),
        Some(Err(why)) => line(&mut text, "", "report", &format!("NOT STORED: {why}")),
        None => {}
    }
    let counts: Vec<String> =
        Verdict::ALL.iter().map(|verdict| format!("{} {}", report.count(*verdict), verdict.word())).collect();
    text.push_str(&counts.join(", "));
    text.push('\n');
    text
}

fn one(text: &mut String, check: &Outcome) {
    let name = match &check.subject {
        Some(subject) => format!("{} {subject}", check.check),
        None => check.check.to_owned(),
    };
    writeln!(text, "\n{:<14}{}", check.verdict.word(), printable(&name)).unwrap_or_default();
    let what = if check.verdict == Verdict::NotPossible { "because" } else { "observed" };
    line(text, "    ", "did", &check.did);
    line(text, "    ", "expected", &check.expected);
    // Messages of servers are theirs: one line, and nothing that moves a cursor.
    line(text, "    ", what, &printable(&check.observed));
    if let Some(remedy) = &check.remedy {
        line(text, "    ", "do", remedy);
    }
}

fn line(text: &mut String, indent: &str, name: &str, value: &str) {
    writeln!(text, "{indent}{name:<14}{value}").unwrap_or_default();
}
