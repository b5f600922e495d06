//! `evidenced list`: the bundles of a store.

use std::fmt::Write as _;

use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use evidenced_bundle::Span;
use evidenced_bundle::period::check_slots;
use evidenced_bundle::statement::Statement;
use serde_json::json;

use super::exit::Failed;
use super::{Output, print};
use crate::client::look::{self, Date, Row};
use crate::client::{Access, Client};

/// Bundles that are listed when no period is given.
const NEWEST: usize = 31;
/// Names that are listed before the rest is counted.
const SHOWN: usize = 10;

/// Columns before those with free text.
const UNBROKEN: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    days: Days,
    /// How the list is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Which bundles.
#[derive(Debug, Args)]
struct Days {
    /// Those of a quarter of a calendar year. Without a period: the newest 31.
    #[arg(long, value_name = "YYYY-Qn", conflicts_with_all = ["from", "to"])]
    quarter: Option<String>,
    /// Those of other days (UTC): the first.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    from: Option<String>,
    /// The last day, included.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    to: Option<String>,
}

impl Days {
    fn span(&self) -> Result<Option<Span>, Failed> {
        let span = match (&self.quarter, &self.from, &self.to) {
            (Some(quarter), _, _) => Span::quarter(quarter),
            (None, Some(from), Some(to)) => Span::days(from, to),
            _ => return Ok(None),
        };
        span.map(Some).map_err(|error| Failed::usage(error.to_string(), "evidenced list --help"))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let span = arguments.days.span()?;
    let client = Client::open(&arguments.access)?;
    let keys = client.keys()?;
    let statements: Vec<&Statement> = match span {
        Some(span) => {
            let inside = |it: &&Statement| span.contains(it.snapshot.id.slot());
            client.history.statements().iter().filter(inside).collect()
        }
        None => client.history.statements().iter().rev().take(NEWEST).rev().collect(),
    };
    let page = client.page();
    let page = page.as_ref().ok().and_then(Option::as_ref);
    let rows = client.rows(&statements, &keys, page)?;
    let unlogged = client.unlogged(&keys);
    let audit = check_slots(client.history.statements(), span.as_ref(), look::now());
    let findings: Vec<_> = audit.refused.iter().chain(&audit.exceptions).collect();
    if arguments.output == Output::Json {
        let value = json!({
            "store": client.name(),
            "log": { "origin": client.history.origin().to_string(), "size": client.history.head().size },
            "rootFingerprint": client.trust.fingerprint().to_string(),
            "bundles": rows,
            "notLogged": unlogged,
            "slots": findings,
        });
        return print(format!("{value}\n").as_bytes());
    }
    let mut text = table(&rows);
    let size = client.history.head().size;
    let mut line = |line: String| writeln!(text, "{line}").unwrap_or_default();
    line(format!("{} of {size} bundles in the log {}", rows.len(), client.history.origin()));
    for finding in findings.iter().take(SHOWN) {
        line(format!("  {}: {}", finding.subject, finding.detail));
    }
    for key in unlogged.iter().take(SHOWN) {
        line(format!("  {key}: is in no leaf of the log, and proves nothing"));
    }
    let more = findings.len().saturating_sub(SHOWN) + unlogged.len().saturating_sub(SHOWN);
    if more > 0 {
        line(format!("  and {more} more: --output json"));
    }
    print(text.as_bytes())
}

/// A line a bundle.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    if table.is_tty() {
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.load_style(presets::NOTHING);
    }
    table.set_header(["slot", "status", "gaps", "size", "log", "dated", "id"]);
    for row in rows {
        table.add_row([
            row.slot.clone(),
            row.status.to_owned(),
            gaps(row),
            row.bytes.map_or_else(|| "NOT THERE".to_owned(), look::size),
            row.log_index.to_string(),
            match &row.date {
                Date::By(_) => "yes".to_owned(),
                Date::Odd(at) => format!("oddly: {at}"),
                Date::No => "no".to_owned(),
                Date::Refused(why) => format!("REFUSED: {why}"),
            },
            row.id.clone(),
        ]);
    }
    // What is short stays in one line; the name gives way.
    for column in table.column_iter_mut().take(UNBROKEN) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    format!("{}\n", table.trim_fmt())
}

fn gaps(row: &Row) -> String {
    match (row.gaps, row.status) {
        (Some(gaps), _) => gaps.to_string(),
        (None, "partial") => "some".to_owned(),
        (None, _) => "-".to_owned(),
    }
}
