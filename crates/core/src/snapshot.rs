//! What a run has to say: a row per cell, the plan behind the rows, and the words for their status.
//!
//! Rows hold digests and paths; documents are on disk. Nothing is left out: a cell without a document is a row with
//! its reason. The field names are those of docs/BUNDLE.md (`run.json`).

use std::collections::BTreeMap;

pub use evidenced_bundle::run::{Acceptance, CellStatus as Status};
use serde::Serialize;

/// What the server or the transport said, in the words of the first call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellError {
    /// Service of the call.
    pub service: String,
    /// Operation of the call.
    pub operation: String,
    /// The server's error code, or a word of ours (`Timeout`, `ConnectionFailed`, ...).
    pub code: String,
    /// The server's message.
    pub message: String,
    /// The request id of the refusal, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One cell of the coverage matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Item id.
    pub item: String,
    /// What became of the cell.
    pub status: Status,
    /// Path of the document in the bag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256 of the document, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Resources counted in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<u64>,
    /// Pages fetched, error responses included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// When the first call started, `...Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When the last call finished, `...Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Request ids of every response, in the order of the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_ids: Vec<String>,
    /// What failed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CellError>,
    /// Why there is no document, or why the gap is what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The accepted gap that covers this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

impl Row {
    /// A row for a cell that was not asked.
    pub fn unasked(account: &str, region: &str, item: &str, status: Status, reason: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            item: item.to_owned(),
            status,
            file: None,
            sha256: None,
            resources: None,
            pages: None,
            started_at: None,
            finished_at: None,
            request_ids: Vec::new(),
            error: None,
            reason: Some(reason.to_owned()),
            accepted: None,
        }
    }

    /// Whether this row makes the run partial.
    pub fn is_open_gap(&self) -> bool {
        self.status.is_gap() && self.accepted.is_none()
    }
}

/// A file that was written while collecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Path in the bag.
    pub path: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// A whole run: plan, rows, and the files that were written.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Accounts and regions, planned or not, with the reason.
    pub plan: crate::plan::Plan,
    /// One row per cell, sorted by account, region, item.
    pub rows: Vec<Row>,
    /// Evidence documents and kept bodies, sorted by path.
    pub written: Vec<Written>,
    /// When collecting started, seconds since 1970.
    pub started: i64,
    /// When collecting ended, seconds since 1970.
    pub ended: i64,
}

impl Snapshot {
    /// Rows by status word.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.status.word()).or_insert(0) += 1;
        }
        counts
    }

    /// `complete` when no gap is open, else `partial`.
    pub fn status(&self) -> &'static str {
        if self.rows.iter().any(Row::is_open_gap) { "partial" } else { "complete" }
    }

    /// Gaps that nobody accepted.
    pub fn open_gaps(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_open_gap())
    }
}
