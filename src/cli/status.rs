//! `evidenced status`: how the last slots went, and whether one is overdue.
//!
//! What is said comes from the log. The status page, which the service writes and nobody signs, is held against it.

use std::fmt::Write as _;

use clap::Args;
use evidenced_bundle::check::printable;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::schedule::Schedule;
use evidenced_bundle::statement::Statement;
use evidenced_bundle::{Kind, UtcSecond};
use serde::Serialize;
use serde_json::json;

use super::exit::{EXCEPTIONS, Failed, NOT_GENUINE};
use super::{Output, list, print};
use crate::client::look::{self, is_scheduled, lasting};
use crate::client::{Access, Client};
use crate::daemon::status::Page;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// How many slots are shown, and judged.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    last: u16,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Whether the next slot waits for its bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Due {
    /// It is not due yet.
    Later,
    /// It fell due, and the slot after it did not: a run may be under way.
    Now,
    /// The slot after it fell due as well.
    Overdue,
}

/// The slot behind `newest`, and how it stands.
fn due(schedule: &Schedule, newest: i64, now: i64) -> Option<(UtcSecond, Due)> {
    let next = schedule.after(newest)?;
    let due = match schedule.after(next) {
        _ if now < next => Due::Later,
        Some(end) if now >= end => Due::Overdue,
        _ => Due::Now,
    };
    UtcSecond::from_unix(next).map(|next| (next, due))
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let client = Client::open(&arguments.access)?;
    let keys = client.keys()?;
    let page = client.page();
    let all = client.history.statements();
    let scheduled = all.iter().rev().filter(|it| is_scheduled(it)).take(usize::from(arguments.last));
    let scheduled: Vec<&Statement> = scheduled.collect();
    // What was filled later stands beside the slot, which stays as it is.
    let fills = |it: &&Statement| {
        matches!(it.snapshot.id.kind(), Kind::Supplement(_))
            && scheduled.iter().any(|slot| slot.snapshot.id.slot() == it.snapshot.id.slot())
    };
    let mut shown = scheduled.clone();
    shown.extend(all.iter().filter(fills));
    shown.sort_by_key(|it| (std::cmp::Reverse(it.snapshot.id.slot()), it.snapshot.id.kind()));
    let rows = client.rows(&shown, &keys, page.as_ref().ok().and_then(Option::as_ref))?;
    let now = look::now().map_or(0, UtcSecond::unix);
    // Where only extra runs are, slots fall due after the last of them.
    let newest = client.newest().or(all.last());
    let schedule = newest.filter(|it| is_scheduled(it));
    let schedule = schedule.and_then(|it| Schedule::parse(&it.snapshot.schedule).ok());
    let schedule = schedule.unwrap_or_else(|| client.loaded.config.schedule.clone());
    let next = newest.and_then(|newest| due(&schedule, newest.snapshot.id.slot().unix(), now));
    // A supplement is no run of the estate.
    let whole = |it: &&Statement| !matches!(it.snapshot.id.kind(), Kind::Supplement(_));
    let ran = all.iter().rfind(|it| whole(it) && it.snapshot.status != RunStatus::Missed);
    let success = all.iter().rfind(|it| whole(it) && it.snapshot.status == RunStatus::Complete);
    let notes = notes(&client, &page, &schedule);
    let not_there = rows.iter().any(|row| row.bytes.is_none());
    let flawed = scheduled.iter().any(|it| it.snapshot.status != RunStatus::Complete) || not_there;
    let overdue = next.is_some_and(|(_, due)| due == Due::Overdue);
    let code = match (overdue, flawed) {
        (true, _) => NOT_GENUINE,
        (false, true) => EXCEPTIONS,
        (false, false) => 0,
    };
    let age = |it: &Statement| now.saturating_sub(it.snapshot.ended.unix()).max(0);
    if arguments.output == Output::Json {
        let value = json!({
            "store": client.name(),
            "scope": client.loaded.config.scope,
            "log": { "origin": client.history.origin().to_string(), "size": client.history.head().size },
            "schedule": schedule.as_str(),
            "next": next.map(|(slot, due)| json!({ "slot": slot.to_string(), "due": due })),
            "lastRunSeconds": ran.map(age),
            "lastSuccessSeconds": success.map(age),
            "slots": rows,
            "notes": notes,
        });
        print(format!("{value}\n").as_bytes())?;
        return Ok(code);
    }
    let mut text = if rows.is_empty() { String::new() } else { list::table(&rows) };
    let mut line = |line: String| writeln!(text, "{line}").unwrap_or_default();
    let ago = |it: Option<&Statement>| match it {
        Some(it) => format!("{} ({} ago)", it.snapshot.ended, lasting(age(it))),
        None => "never".to_owned(),
    };
    line(format!("last run      {}", ago(ran)));
    line(format!("last complete {}", ago(success)));
    if let Some((slot, due)) = next {
        let since = lasting(now.saturating_sub(slot.unix()));
        line(match due {
            Due::Later => format!("next slot     {slot}, in {}", lasting(slot.unix().saturating_sub(now))),
            Due::Now => format!("next slot     {slot}, due for {since}: a run may be under way"),
            Due::Overdue => format!(
                "OVERDUE       slot {slot} fell due {since} ago and has no bundle; look at the service: `evidenced health`"
            ),
        });
    }
    line(format!("log           {} bundles, {}", client.history.head().size, client.history.origin()));
    for note in notes {
        line(format!("note          {note}"));
    }
    print(text.as_bytes())?;
    Ok(code)
}

/// What is odd about the status page, which proves nothing by itself.
fn notes(client: &Client, page: &Result<Option<Page>, String>, schedule: &Schedule) -> Vec<String> {
    let mut notes = Vec::new();
    if schedule.as_str() != client.loaded.config.schedule.as_str() {
        notes.push(format!(
            "the configuration here has schedule {}, the newest bundle {}",
            client.loaded.config.schedule.as_str(),
            schedule.as_str()
        ));
    }
    if client.newest().is_none() {
        notes.push("no slot has a bundle: the log has extra runs only".to_owned());
    }
    match page {
        Ok(Some(page)) => notes.extend(behind(page, client.newest())),
        Ok(None) => notes.push("the store has no status page: `evidenced run` writes it".to_owned()),
        Err(why) => notes.push(format!("the status page is not used: {why}")),
    }
    notes
}

/// Whether a page is older than the log, or says what the log does not.
fn behind(page: &Page, newest: Option<&Statement>) -> Option<String> {
    let written = printable(&page.written_at);
    let id = newest?.snapshot.id.to_string();
    let Some(entry) = page.bundles.iter().find(|entry| entry.id == id) else {
        return Some(format!("the status page of {written} is older than the log: it does not know {id}"));
    };
    let sha256 = newest?.snapshot.zip_sha256.to_string();
    let other = entry.sha256.as_ref().is_some_and(|found| *found != sha256)
        || entry.log_index.is_some_and(|index| Some(index) != newest.map(|it| it.index));
    other.then(|| format!("the status page of {written} says of {id} what the log does not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_overdue_when_the_next_one_is_due() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        let at = |text: &str| UtcSecond::parse(text).unwrap().unix();
        let newest = at("2026-11-20T02:00:00Z");
        for (now, expected) in [
            ("2026-11-20T03:00:00Z", Due::Later),
            ("2026-11-21T01:59:59Z", Due::Later),
            ("2026-11-21T02:00:00Z", Due::Now),
            ("2026-11-22T01:59:59Z", Due::Now),
            ("2026-11-22T02:00:00Z", Due::Overdue),
        ] {
            let (slot, found) = due(&schedule, newest, at(now)).unwrap();
            assert_eq!((slot.unix(), found), (at("2026-11-21T02:00:00Z"), expected), "{now}");
        }
    }
}
