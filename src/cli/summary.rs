//! What a run says when it is done: what was collected, where it is, what is missing.

use std::fmt::Write as _;

use evidenced_core::snapshot::Row;
use serde_json::json;

use crate::collector::Stored;

/// Gaps that are listed before the rest is counted.
const GAPS_SHOWN: usize = 20;

/// For people.
pub(super) fn text(stored: &Stored) -> String {
    let snapshot = &stored.snapshot;
    let counts: Vec<String> =
        snapshot.counts().into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    let accounts = snapshot.plan.accounts.iter().filter(|account| account.reason.is_none()).count();
    let mut text = String::new();
    let resources: u64 = snapshot.rows.iter().filter_map(|row| row.resources).sum();
    let pages: u64 = snapshot.rows.iter().filter_map(|row| row.pages).sum();
    // Writing to a String cannot fail; `fmt::Result` is all it returns.
    let mut line = |line: String| writeln!(text, "{line}").unwrap_or_default();
    line(format!("{}: {}", stored.sealed.id, snapshot.status()));
    line(format!(
        "  collected  {accounts} account(s), {} region(s), {resources} resources in {pages} responses",
        evidenced_core::run::planned_regions(&snapshot.plan)
    ));
    line(format!("  cells      {}: {}", snapshot.rows.len(), counts.join(", ")));
    line(format!("  bundle     {}", stored.path.display()));
    line(format!("  size       {} bytes, {} files", stored.bytes, stored.sealed.entries));
    line(format!("  sha256     {}", stored.sha256));
    line(format!("  key id     {}", stored.key_id));
    let gaps: Vec<&Row> = snapshot.open_gaps().collect();
    if !gaps.is_empty() {
        line(format!("  gaps       {} without acceptance:", gaps.len()));
        for row in gaps.iter().take(GAPS_SHOWN) {
            line(format!("    {}", gap(row)));
        }
        if gaps.len() > GAPS_SHOWN {
            line(format!("    and {} more, each a row of data/run.json", gaps.len() - GAPS_SHOWN));
        }
    }
    let accepted = snapshot.rows.iter().filter(|row| row.accepted.is_some()).count();
    if accepted > 0 {
        line(format!("  accepted   {accepted} gap(s) are accepted in the configuration and reported apart"));
    }
    text
}

fn gap(row: &Row) -> String {
    let why = match (&row.error, &row.reason) {
        (Some(error), _) => format!("{} {}: {}", error.operation, error.code, clipped(&error.message)),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    format!("{} {} {} {}: {why}", row.account, row.region, row.item, row.status.word())
}

fn clipped(text: &str) -> String {
    let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(160).collect();
    if line.chars().count() < text.chars().count() { format!("{line}...") } else { line }
}

/// For programs.
pub(super) fn json(stored: &Stored) -> String {
    let snapshot = &stored.snapshot;
    let gaps: Vec<&Row> = snapshot.open_gaps().collect();
    let value = json!({
        "id": stored.sealed.id.to_string(),
        "status": snapshot.status(),
        "bundle": stored.path.display().to_string(),
        "sha256": stored.sha256.to_string(),
        "bytes": stored.bytes,
        "entries": stored.sealed.entries,
        "keyId": stored.key_id.to_string(),
        "cells": snapshot.counts(),
        "gaps": gaps,
    });
    format!("{value}\n")
}
