//! `evidenced config check`: every problem at once; and what a change of it, or of this program, adds and drops.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use evidenced_bundle::Kind;
use evidenced_bundle::check::printable;
use evidenced_bundle::run::RunStatus;
use evidenced_core::assessment::{CHECKS, CheckRecord};
use evidenced_core::config::effective;
use evidenced_core::layout::catalogue_value;
use evidenced_core::upgrade::{Change, Side, compare};
use serde_json::{Value, json};

use super::exit::{EXCEPTIONS, Failed, NOT_GENUINE};
use super::{Output, print};
use crate::client::opened::{self, OpenError};
use crate::client::{Access, Client};
use crate::clock::Time;
use crate::collector::{CollectError, Loaded};
use crate::judge::Compiled;
use crate::publish;
use crate::trust_root::Trusted;

const EXIT: &str = "\
With --against-last a change narrows when less would be collected, less would be checked, or more
would be excused than in the newest bundle; each is marked with `!`. A changed parameter of a check
may do so too: read it. Exit codes: 0 nothing narrows; 2 the configuration is broken, or the store
has no bundle yet; 4 something narrows.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with a configuration, or what is in force.
    #[command(after_help = EXIT)]
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// Compare with the newest bundle of the store what this configuration and this version of the program add and drop:
    /// accounts, regions, items, calls, checks, parameters, schedule. For before an upgrade.
    #[arg(long)]
    against_last: bool,
    /// Profile of the shared AWS configuration, for a store that is a bucket.
    #[arg(long, requires = "against_last")]
    profile: Option<String>,
    /// `json` prints the effective configuration, as it goes into every bundle, or the comparison.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) fn run(command: &Command) -> Result<u8, Failed> {
    let Command::Check(arguments) = command;
    let loaded = Loaded::read(&arguments.config)?;
    let checks = loaded.checks(&Compiled::default())?;
    let trusted = publish::trusted(&loaded).map_err(CollectError::from)?;
    let trust_root = trusted.as_ref().map(Trusted::in_force);
    let effective = effective(&loaded.config, trust_root.as_ref());
    if arguments.against_last {
        return against_last(arguments, &effective, &CheckRecord::table(&checks.all));
    }
    match arguments.output {
        Output::Json => print(
            format!(
                "{effective:#}
"
            )
            .as_bytes(),
        ),
        Output::Table => print(
            format!(
                "{}: good; {} checks
",
                arguments.config.display(),
                checks.all.checks.len()
            )
            .as_bytes(),
        ),
    }
}

fn against_last(
    arguments: &Check,
    effective: &Value,
    checks: &BTreeMap<String, CheckRecord>,
) -> Result<u8, Failed> {
    let client = Client::open(&Access::of(arguments.config.clone(), arguments.profile.clone()))?;
    // A supplement has the configuration of another day, and a missed slot was not collected under any.
    let last = client.history.statements().iter().rfind(|it| {
        it.snapshot.status != RunStatus::Missed && !matches!(it.snapshot.id.kind(), Kind::Supplement(_))
    });
    let last = last.ok_or_else(|| {
        Failed::usage(
            "the store has no bundle of a run yet",
            "there is nothing to compare with before the first run",
        )
    })?;
    let opening = |error: OpenError| {
        Failed::new(NOT_GENUINE, error).hint("`evidenced verify` on a copy of the store names what is wrong")
    };
    let mut bundle = client.bundle(last).map_err(opening)?;
    let mut read = |path: &str| opened::json(&mut bundle, path).map_err(opening);
    let (config, catalogue, table) = (read("data/config.json")?, read("data/catalogue.json")?, read(CHECKS)?);
    let (config, catalogue) = (config.unwrap_or_default(), catalogue.unwrap_or_default());
    let mut not_compared = Vec::new();
    let before = table.as_ref().and_then(records);
    if before.is_none() {
        not_compared.push(format!("checks: {} has no table of them", last.snapshot.id));
    }
    let now = Time::system().now();
    let current = catalogue_value();
    let changes = compare(
        Side { config: &config, catalogue: &catalogue, checks: before.as_ref() },
        Side { config: effective, catalogue: &current, checks: Some(checks) },
        now,
    );
    let narrows = changes.iter().filter(|change| change.narrows).count();
    let id = last.snapshot.id.to_string();
    let versions = (last.snapshot.version.clone(), env!("CARGO_PKG_VERSION"));
    let text = match arguments.output {
        Output::Json => {
            let value = json!({
                "against": { "id": id, "sha256": last.snapshot.zip_sha256.to_string(), "version": versions.0 },
                "version": versions.1,
                "narrows": narrows,
                "changes": changes,
                "notCompared": not_compared,
            });
            format!("{value}\n")
        }
        Output::Table => {
            let mut text =
                format!("against {id}, made by {}; this is {}\n", printable(&versions.0), versions.1);
            for change in &changes {
                writeln!(text, "{}", line(change)).unwrap_or_default();
            }
            for what in &not_compared {
                writeln!(text, "  not compared: {}", printable(what)).unwrap_or_default();
            }
            let counted = match (changes.len(), narrows) {
                (0, _) => "nothing changes".to_owned(),
                (all, 0) => format!("{all} change(s), none of them narrows"),
                (all, narrows) => format!("{all} change(s), {narrows} of them narrow(s): see `!`"),
            };
            writeln!(text, "{counted}").unwrap_or_default();
            text
        }
    };
    print(text.as_bytes())?;
    Ok(if narrows > 0 { EXCEPTIONS } else { 0 })
}

fn line(change: &Change) -> String {
    let mark = if change.narrows { '!' } else { ' ' };
    let values = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!(": {before} -> {after}"),
        (Some(value), None) | (None, Some(value)) => format!(": {value}"),
        (None, None) => String::new(),
    };
    format!("{mark} {:<7} {}", change.effect.word(), printable(&format!("{}{values}", change.what)))
}

/// The table of checks of a bundle.
fn records(table: &Value) -> Option<BTreeMap<String, CheckRecord>> {
    let list: Vec<CheckRecord> = serde_json::from_value(table.get("checks")?.clone()).ok()?;
    Some(list.into_iter().map(|check| (check.id.clone(), check)).collect())
}
