//! What a run says when it is done: what was collected, where it is, what is missing.

use std::fmt::Write as _;

use evidenced_bundle::BagId;
use evidenced_core::snapshot::Row;
use serde_json::{Value, json};

use super::judged;
use crate::collector::Stored;
use crate::publish::{Date, Published};

/// Gaps that are listed before the rest is counted.
const GAPS_SHOWN: usize = 20;
/// Names of bundles that are listed before the rest is counted.
const IDS_SHOWN: usize = 5;

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
    line(format!("  verdicts   {}: {}", stored.assessment.rows.len(), judged::counts(&stored.assessment)));
    line(format!("  bundle     {}", stored.path.display()));
    line(format!("  size       {} bytes, {} files", stored.bytes, stored.sealed.entries));
    if !stored.parts.is_empty() {
        let bytes: u64 = stored.parts.iter().map(|part| part.size).sum();
        line(format!(
            "  parts      {} beside it, {bytes} bytes: its evidence is in them",
            stored.parts.len()
        ));
    }
    line(format!("  sha256     {}", stored.sha256));
    line(format!("  key id     {}", stored.key_id));
    line(format!("  log        {}", log(&stored.published)));
    line(format!("  date       {}", date(&stored.published)));
    let found = &stored.caught_up;
    for (word, what, ids) in [
        ("missed    ", "slot(s) without a run have a bag now that says so", &found.missed),
        (
            "repaired  ",
            "bundle(s) in the store lacked a leaf or a sidecar and are whole now",
            &found.repaired,
        ),
        ("dated     ", "bundle(s) got the timestamp that they waited for", &found.dated),
        ("undated   ", "bundle(s) still wait for a timestamp, which the next start asks for", &found.undated),
    ] {
        if !ids.is_empty() {
            line(format!("  {word} {} {what}: {}", ids.len(), some(ids)));
        }
    }
    if !found.published.is_empty() {
        let ids: Vec<BagId> = found.published.iter().map(|published| published.id.clone()).collect();
        line(format!(
            "  waited     {} sealed bundle(s) of earlier runs are published now: {}",
            ids.len(),
            some(&ids)
        ));
    }
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
    let worst = judged::worst(&stored.assessment);
    if !worst.is_empty() {
        line("  findings   worst first:".to_owned());
        for finding in worst {
            line(format!("    {finding}"));
        }
    }
    text
}

/// Names, as many as fit.
fn some(ids: &[BagId]) -> String {
    let names: Vec<String> = ids.iter().take(IDS_SHOWN).map(ToString::to_string).collect();
    let rest = ids.len().saturating_sub(IDS_SHOWN);
    if rest == 0 { names.join(", ") } else { format!("{} and {rest} more", names.join(", ")) }
}

fn log(published: &Published) -> String {
    match &published.leaf {
        Some(leaf) => format!("leaf {} of {}", leaf.index, leaf.origin),
        None => "none: without [signing] log_key nobody can see whether a bundle was left out".to_owned(),
    }
}

fn date(published: &Published) -> String {
    match &published.date {
        Date::By { time, authority: Some(authority) } => format!("{time}, by {authority}"),
        Date::By { time, authority: None } => {
            format!("{time}, by an authority that the trust root does not have: unverified here")
        }
        Date::Waits => "no timestamp authority answered: the next start asks again".to_owned(),
        Date::Nobody => "only the collector's own clock: [signing] timestamp_urls is empty".to_owned(),
    }
}

fn gap(row: &Row) -> String {
    let why = match (&row.error, &row.reason) {
        (Some(error), _) => format!("{} {}: {}", error.operation, error.code, clipped(&error.message)),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    format!("{} {} {} {}: {why}", row.account, row.region, row.item, row.status.word())
}

pub(super) fn clipped(text: &str) -> String {
    let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(160).collect();
    if line.chars().count() < text.chars().count() { format!("{line}...") } else { line }
}

/// For programs.
pub(super) fn json(stored: &Stored) -> String {
    let snapshot = &stored.snapshot;
    let gaps: Vec<&Row> = snapshot.open_gaps().collect();
    let found = &stored.caught_up;
    let names = |ids: &[BagId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let value = json!({
        "id": stored.sealed.id.to_string(),
        "status": snapshot.status(),
        "bundle": stored.path.display().to_string(),
        "sha256": stored.sha256.to_string(),
        "bytes": stored.bytes,
        "entries": stored.sealed.entries,
        "parts": stored
            .parts
            .iter()
            .map(|part| json!({
                "name": part.part.file_name(),
                "sha256": part.sha256.to_string(),
                "bytes": part.size,
                "entries": part.entries,
                "accounts": part.accounts,
            }))
            .collect::<Vec<_>>(),
        "keyId": stored.key_id.to_string(),
        "cells": snapshot.counts(),
        "verdicts": stored.assessment.counts(),
        "gaps": gaps,
        "log": stored.published.leaf.as_ref().map(|leaf| json!({ "index": leaf.index, "origin": leaf.origin })),
        "date": match &stored.published.date {
            Date::By { time, authority } => json!({ "time": time.to_string(), "authority": authority }),
            Date::Waits => json!("waits"),
            Date::Nobody => Value::Null,
        },
        "missed": names(&found.missed),
        "repaired": names(&found.repaired),
        "dated": names(&found.dated),
        "undated": names(&found.undated),
        "waited": found.published.iter().map(|published| published.id.to_string()).collect::<Vec<_>>(),
    });
    format!("{value}\n")
}
