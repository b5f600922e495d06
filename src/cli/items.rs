//! `evidenced items`: the catalogue.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use evidenced_core::item::{Item, catalogue};
use evidenced_core::layout::catalogue_value;

use super::exit::Failed;
use super::print;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How the catalogue is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// For programs: what is in every bundle as data/catalogue.json.
    Json,
    /// For docs/EVIDENCE.md.
    Markdown,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    match arguments.output {
        Form::Table => print(table().as_bytes()),
        Form::Json => print(format!("{}\n", catalogue_value()).as_bytes()),
        Form::Markdown => print(markdown().as_bytes()),
    }
}

/// Operations of an item, each service once.
fn calls(item: &Item) -> String {
    let mut text = String::new();
    let mut service = "";
    let mut seen: Vec<&str> = Vec::new();
    for step in item.steps {
        if seen.contains(&step.operation) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        if step.service != service {
            service = step.service;
            text.push_str(service);
            text.push(' ');
        }
        text.push_str(step.operation);
        seen.push(step.operation);
    }
    text
}

fn table() -> String {
    let mut table = Table::new();
    if table.is_tty() {
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        // A line an item, for grep.
        table.load_style(presets::NOTHING);
    }
    table.set_header(["item", "scope", "criteria", "title", "calls"]);
    for item in catalogue() {
        table.add_row([
            item.id.to_owned(),
            item.scope.word().to_owned(),
            item.criteria.join(" "),
            item.title.to_owned(),
            calls(item),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

/// The table of docs/EVIDENCE.md.
fn markdown() -> String {
    let mut text = String::from("| item | scope | criteria | what it is | calls |\n|---|---|---|---|---|\n");
    for item in catalogue() {
        // Writing to a String cannot fail.
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            item.id,
            item.scope.word(),
            item.criteria.join(", "),
            item.title,
            calls(item)
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_catalogue_is_the_one_in_the_program() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/EVIDENCE.md"));
        assert!(page.contains(&markdown()), "paste the output of `evidenced items --output markdown`");
    }

    #[test]
    fn every_call_of_the_catalogue_can_be_made() {
        let supported: Vec<(&str, &str)> = crate::aws::supported().collect();
        for item in catalogue() {
            for step in item.steps {
                assert!(
                    supported.contains(&(step.service, step.operation)),
                    "{} {}",
                    item.id,
                    step.operation
                );
            }
        }
    }
}
