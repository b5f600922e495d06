//! Collects one cell: the calls of an item, page after page, into one document.
//!
//! Promised: a cell ends as a document whatever happens; a call that failed carries its error in place of its output,
//! and what was read before it failed is kept apart as `incompleteOutput`. Refused: an empty output for a failed
//! call, a loop on a repeated token.

mod call;
mod document;

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::item::{Answer, Answers, GLOBAL, Item};
use crate::redact::Redactor;
use crate::shape::Shapes;
use crate::snapshot::{CellError, Status};
use crate::source::{Account, Failure, Source};

pub use call::{CallRecord, Outcome};

/// Requests of one step that may be under way at once; the source has the limit of the whole run.
const REQUESTS_AT_ONCE: usize = 16;

/// What every cell of a run shares.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// Who answers.
    pub source: &'a S,
    /// The shape tables.
    pub shapes: &'a Shapes,
    /// The redaction table.
    pub redactor: &'a Redactor,
    /// Keep response bodies.
    pub raw: bool,
}

/// Which cell.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The account that is asked.
    pub account: &'a Account,
    /// The ARN that it is asked as.
    pub principal: &'a str,
    /// Region of the cell, or `global`.
    pub region: &'a str,
    /// Region whose endpoint answers a `global` cell.
    pub home: &'a str,
    /// Whether the account's own list says that the region is enabled.
    pub known_enabled: bool,
    /// What is collected.
    pub item: &'static Item,
}

impl<'a> Cell<'a> {
    fn asked_region(&self) -> &'a str {
        if self.region == GLOBAL { self.home } else { self.region }
    }
}

/// What became of a cell.
#[derive(Debug)]
pub struct Collected {
    /// Its status word.
    pub status: Status,
    /// The document's bytes, with the final newline; absent for cells that are rows only.
    pub document: Option<Vec<u8>>,
    /// Kept bodies: name below the cell's folder, bytes.
    pub bodies: Vec<(String, bytes::Bytes)>,
    /// Resources counted.
    pub resources: u64,
    /// Responses received.
    pub pages: u64,
    /// Their request ids.
    pub request_ids: Vec<String>,
    /// First start, milliseconds since 1970.
    pub started_at_ms: i64,
    /// Last end, milliseconds since 1970.
    pub finished_at_ms: i64,
    /// The first error.
    pub error: Option<CellError>,
    /// What the status rests on, when the word alone does not say it.
    pub reason: Option<String>,
    /// The merged output of the item's first call, when it succeeded: the plan is made from one.
    pub first_output: Option<Arc<Value>>,
}

/// Collects a cell. Never fails: what went wrong is in the document and in the status.
pub async fn collect<S: Source>(context: &Context<'_, S>, cell: Cell<'_>) -> Collected {
    collect_about(context, cell, Vec::new()).await
}

/// As [`collect`], of something that is known beforehand rather than listed: `answered` is what the steps ask about.
pub async fn collect_about<S: Source>(
    context: &Context<'_, S>,
    cell: Cell<'_>,
    mut answered: Vec<Answer>,
) -> Collected {
    let mut calls: Vec<CallRecord> = Vec::new();
    for step in cell.item.steps {
        let asks = (step.requests)(&Answers { region: cell.asked_region(), answered: &answered });
        let records: Vec<CallRecord> = stream::iter(asks)
            .map(|ask| call::call(context, cell, step, ask))
            .buffered(REQUESTS_AT_ONCE)
            .collect()
            .await;
        for record in records {
            if let Outcome::Output(output) = &record.outcome {
                answered.push(Answer {
                    operation: step.operation,
                    parameters: record.parameters.clone(),
                    region: record.region.clone(),
                    output: Arc::clone(output),
                });
            }
            calls.push(record);
        }
    }
    document::finish(cell, calls)
}

/// The document of a cell whose account could not be entered: no call was made, and this is why.
pub fn closed_door(cell: Cell<'_>, failure: &Failure) -> Collected {
    document::finish(cell, vec![CallRecord::door(cell, failure)])
}
