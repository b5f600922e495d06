//! Tells people how a run goes: one log event per cell, and a bar on a terminal.

use evidenced_core::run::Observer;
use evidenced_core::snapshot::Row;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// A bar on a terminal, nothing in a pipe.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    run: String,
}

impl Progress {
    /// `run` names the bundle in every log line. The bar is shown only when standard error is a terminal.
    pub(crate) fn new(run: String, quiet: bool) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} cells  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, run }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn planned(&self, cells: usize) {
        self.bar.set_length(u64::try_from(cells).unwrap_or(u64::MAX));
        tracing::info!(run = %self.run, cells, "planned");
    }

    fn ended(&self, row: &Row) {
        self.bar.inc(1);
        self.bar.set_message(format!("{} {} {}", row.account, row.region, row.item));
        let error = row.error.as_ref().map(|error| format!("{} {}", error.operation, error.code));
        if row.status.is_gap() {
            tracing::warn!(run = %self.run, account = row.account, region = row.region, item = row.item,
                status = row.status.word(), error, "gap");
        } else {
            tracing::info!(run = %self.run, account = row.account, region = row.region, item = row.item,
                status = row.status.word(), resources = row.resources, "captured");
        }
    }
}
