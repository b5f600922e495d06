//! The first screen: is it ready, what changed, who must act.
//!
//! Only accounts of the SOC 2 system count towards the answer; the others are said beside it. Ready means that nothing
//! fails, nothing is unknown and no gap is open: an exception or an accepted gap does not stand in the way, and is
//! counted where everybody sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::coverage::Coverage;
use super::read::{Account, counts, number};
use super::verdicts::{Counts, severity_rank};
use crate::assessment::{Assessed, Assessment};
use crate::exceptions::State;
use crate::facts::Facts;
use crate::moment;

/// Days before its end at which an exception's owner is named.
const SOON: i64 = 30;
/// Things to do that an owner's line shows.
const SHOWN: usize = 3;
/// Who acts where nobody is named.
const NOBODY: &str = "No owner is named";
/// Criteria beyond which the counts are not told apart.
const COLUMNS: usize = 4;

/// The answer in words.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    verdict: &'static str,
    word: &'static str,
    because: String,
    beside: Vec<String>,
    counts: Counts,
    /// The same by criterion. A check that bears on two is counted in both.
    criteria: Vec<(String, Counts)>,
    actors: Vec<Actor>,
}

/// Somebody who has something to do.
#[derive(Debug, Default, Serialize)]
struct Actor {
    owner: String,
    /// Whether that is a name.
    named: bool,
    fail: usize,
    unknown: usize,
    gaps: usize,
    exceptions: Vec<String>,
    first: Vec<Task>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Task {
    check: String,
    title: String,
    severity: String,
    count: usize,
}

/// Answers.
pub(super) fn answer(
    facts: &Facts,
    assessment: &Assessment,
    accounts: &BTreeMap<String, Account>,
    coverage: &Coverage,
) -> Answer {
    let own = || assessment.rows.iter().filter(|row| counts(accounts, &row.row.account));
    let total = Counts::of(own());
    let open = coverage.open.iter().filter(|gap| gap.in_scope).count();
    let mut missing = Vec::new();
    for (count, one, many) in [
        (total.fail, "fail", "fails"),
        (total.unknown, "unknown", "unknown"),
        (open, "open gap", "open gaps"),
    ] {
        if count > 0 {
            missing.push(number(count, one, many));
        }
    }
    let judged = total.pass + total.excepted + total.fail + total.unknown;
    let ready = missing.is_empty() && judged > 0;
    let because = match (ready, judged) {
        (true, _) => format!("{}, nothing unknown, no open gap", number(total.pass, "pass", "passes")),
        (false, 0) if missing.is_empty() => "no resource was judged".to_owned(),
        _ => missing.join(", "),
    };
    let mut beside = Vec::new();
    let open_checks: BTreeSet<&str> = own()
        .filter(|row| matches!(row.verdict(), "fail" | "unknown"))
        .map(|row| row.row.check.as_str())
        .collect();
    if !open_checks.is_empty() {
        let checks = number(assessment.checks.len(), "check", "checks");
        beside.push(format!("{} of {checks} fail somewhere or could not be answered", open_checks.len()));
    }
    if total.excepted > 0 {
        beside.push(number(total.excepted, "failure is excepted", "failures are excepted"));
    }
    if !coverage.accepted.is_empty() {
        beside.push(number(coverage.accepted.len(), "gap is accepted", "gaps are accepted"));
    }
    if coverage.regions_left_out > 0 {
        let regions = number(coverage.regions_left_out, "enabled region is", "enabled regions are");
        beside.push(format!("{regions} left out by the configuration and not judged"));
    }
    let others = Counts::of(assessment.rows.iter().filter(|row| !counts(accounts, &row.row.account)));
    let left = accounts.values().filter(|account| !account.in_scope).count();
    if left > 0 {
        beside.push(format!(
            "{} outside the SOC 2 system, shown and not counted here: {}, {} unknown",
            number(left, "account is", "accounts are"),
            number(others.fail, "fail", "fails"),
            others.unknown
        ));
    }
    Answer {
        verdict: if ready {
            "pass"
        } else {
            Counts { fail: total.fail, unknown: 1, ..Counts::default() }.worst()
        },
        word: if ready { "Ready" } else { "Not ready" },
        because,
        beside,
        counts: total,
        criteria: by_criterion(assessment, own()),
        actors: actors(facts, assessment, accounts, coverage, own()),
    }
}

fn by_criterion<'a>(
    assessment: &Assessment,
    rows: impl Iterator<Item = &'a Assessed>,
) -> Vec<(String, Counts)> {
    let named = assessment.checks.values().flat_map(|check| &check.criteria);
    let mut counts: BTreeMap<&str, Counts> =
        named.map(|criterion| (criterion.as_str(), Counts::default())).collect();
    if counts.len() > COLUMNS {
        return Vec::new();
    }
    for row in rows {
        let criteria = assessment.checks.get(&row.row.check).map(|check| check.criteria.as_slice());
        for criterion in criteria.unwrap_or_default() {
            counts.entry(criterion).or_default().add(row.verdict());
        }
    }
    counts.into_iter().map(|(criterion, counts)| (criterion.to_owned(), counts)).collect()
}

/// Who answers for a row: the owner of the account, else of a control that names the check.
fn owners(facts: &Facts) -> BTreeMap<&str, &str> {
    let mut owners = BTreeMap::new();
    for control in super::look::list(&facts.config, "controls") {
        let Some(owner) = super::look::text(control, "owner") else { continue };
        for check in super::read::texts(control, "checks") {
            owners.entry(check).or_insert(owner);
        }
    }
    owners
}

fn actors<'a>(
    facts: &Facts,
    assessment: &Assessment,
    accounts: &BTreeMap<String, Account>,
    coverage: &Coverage,
    rows: impl Iterator<Item = &'a Assessed>,
) -> Vec<Actor> {
    let of_check = owners(facts);
    let of_account = |account: &str| accounts.get(account).and_then(|account| account.owner.clone());
    let mut actors: BTreeMap<String, (Actor, BTreeMap<&str, usize>)> = BTreeMap::new();
    for row in rows {
        let verdict = row.verdict();
        if verdict != "fail" && verdict != "unknown" {
            continue;
        }
        let owner = of_account(&row.row.account)
            .or_else(|| of_check.get(row.row.check.as_str()).map(|it| (*it).to_owned()))
            .unwrap_or_else(|| NOBODY.to_owned());
        let (actor, checks) = actors.entry(owner).or_default();
        actor.fail += usize::from(verdict == "fail");
        actor.unknown += usize::from(verdict == "unknown");
        *checks.entry(&row.row.check).or_default() += usize::from(verdict == "fail");
    }
    for gap in coverage.open.iter().filter(|gap| gap.in_scope) {
        let owner = of_account(&gap.account).unwrap_or_else(|| NOBODY.to_owned());
        actors.entry(owner).or_default().0.gaps += 1;
    }
    for (owner, words) in exceptions(assessment) {
        actors.entry(owner).or_default().0.exceptions.push(words);
    }
    let mut listed: Vec<Actor> = actors
        .into_iter()
        .map(|(owner, (mut actor, checks))| {
            let mut tasks: Vec<Task> = checks
                .into_iter()
                .filter_map(|(id, count)| Some((assessment.checks.get(id)?, count)))
                .map(|(check, count)| Task {
                    check: check.id.clone(),
                    title: check.title.clone(),
                    severity: check.severity.clone(),
                    count,
                })
                .collect();
            // Failures before unknowns, the gravest first.
            tasks.sort_by(|a, b| {
                (a.count == 0, severity_rank(&a.severity), b.count, &a.check).cmp(&(
                    b.count == 0,
                    severity_rank(&b.severity),
                    a.count,
                    &b.check,
                ))
            });
            actor.more = tasks.len().saturating_sub(SHOWN);
            tasks.truncate(SHOWN);
            actor.first = tasks;
            actor.named = owner != NOBODY;
            actor.owner = owner;
            actor
        })
        .collect();
    listed.sort_by(|a, b| (b.fail, b.unknown, b.gaps, &a.owner).cmp(&(a.fail, a.unknown, a.gaps, &b.owner)));
    listed
}

/// Exceptions that somebody has to renew or to end: those that are over, and those that soon will be.
fn exceptions(assessment: &Assessment) -> Vec<(String, String)> {
    let soon = moment::parse(&assessment.now).map(|now| moment::day(now + SOON * 86_400));
    let mut found = BTreeSet::new();
    for state in &assessment.exceptions {
        let exception = &state.exception;
        let Some(expires) = &exception.expires else { continue };
        let words = match state.state {
            State::Expired if state.failing > 0 => {
                format!("{} expired on {expires}: what it covered is open again", exception.id)
            }
            State::Live if soon.as_ref().is_some_and(|soon| expires <= soon) => {
                format!("{} ends on {expires}", exception.id)
            }
            _ => continue,
        };
        found.insert((exception.owner.clone(), words));
    }
    found.into_iter().collect()
}
