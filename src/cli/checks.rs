//! `evidenced checks`: the checks that are run, under the parameters of a configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use evidenced_core::assessment::CheckRecord;
use evidenced_core::policy::{Policies, markdown};
use serde_json::{Value, json};

use super::exit::{Failed, INTERNAL};
use super::print;
use crate::collector::Loaded;
use crate::judge::Compiled;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration whose profile, parameters and own policies are in force. Without it: the built-in checks
    /// under the profile `guide`.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For programs: what is in every bundle as data/checks.json.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// With all there is to say of each: docs/CHECKS.md.
    #[arg(long)]
    markdown: bool,
}

/// The checks of a configuration, or the built-in ones.
pub(super) fn policies(config: Option<&Path>) -> Result<Policies, Failed> {
    if let Some(path) = config {
        return Ok(Loaded::read(path)?.checks(&Compiled::default())?.all);
    }
    Policies::new("guide", &[], &Value::Null).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failed::new(INTERNAL, format!("the built-in checks are damaged: {}", lines.join("; ")))
    })
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let policies = policies(arguments.config.as_deref())?;
    if arguments.markdown {
        return print(markdown(&policies).as_bytes());
    }
    if arguments.json {
        let checks: Vec<CheckRecord> = CheckRecord::table(&policies).into_values().collect();
        let value = json!({ "profile": policies.profile, "checks": checks });
        return print(format!("{value:#}\n").as_bytes());
    }
    print(table(&policies).as_bytes())
}

fn table(policies: &Policies) -> String {
    let mut table = Table::new();
    if table.is_tty() {
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        // A line a check, for grep.
        table.load_style(presets::NOTHING);
    }
    table.set_header(["check", "severity", "criteria", "claim", "reads"]);
    for policy in policies.checks.values() {
        let check = &policy.check;
        let items: Vec<&str> = check.inputs.iter().map(|input| input.item.as_str()).collect();
        table.add_row([
            check.id.clone(),
            check.severity.word().to_owned(),
            check.criteria.join(" "),
            check.title.clone(),
            items.join(" "),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
