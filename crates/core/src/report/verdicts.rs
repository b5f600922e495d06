//! Verdicts: criterion, check, resource, evidence.
//!
//! Every row of the assessment is on a page once. Rows about a whole population that say the same are one line that
//! names their places. What all rows of a check expect is said once at the check.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::criteria::{self, Criterion};
use super::read::{Account, called, digits, shown};
use crate::assessment::{Assessed, Assessment, CheckRecord, below, common};

/// The order in which verdicts are shown: what needs somebody first.
pub(super) const ORDER: [&str; 5] = ["fail", "unknown", "excepted", "pass", "not-applicable"];

/// Pointers that a row shows; its findings file has all.
const POINTERS: usize = 4;
/// Rows that need somebody up to which their checks are unfolded: beyond, the page begins as a register of checks.
const UNFOLDED: usize = 60;

/// Rows by verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) fail: usize,
    pub(super) unknown: usize,
    pub(super) excepted: usize,
    pub(super) pass: usize,
    pub(super) not_applicable: usize,
}

impl Counts {
    pub(super) fn add(&mut self, verdict: &str) {
        match verdict {
            "fail" => self.fail += 1,
            "unknown" => self.unknown += 1,
            "excepted" => self.excepted += 1,
            "pass" => self.pass += 1,
            _ => self.not_applicable += 1,
        }
    }

    pub(super) fn of<'a>(rows: impl Iterator<Item = &'a Assessed>) -> Self {
        let mut counts = Self::default();
        rows.for_each(|row| counts.add(row.verdict()));
        counts
    }

    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            fail: self.fail + other.fail,
            unknown: self.unknown + other.unknown,
            excepted: self.excepted + other.excepted,
            pass: self.pass + other.pass,
            not_applicable: self.not_applicable + other.not_applicable,
        }
    }

    /// The verdict that decides: a check without rows was not judged.
    pub(super) fn worst(self) -> &'static str {
        match self {
            Self { fail: 1.., .. } => "fail",
            Self { unknown: 1.., .. } => "unknown",
            Self { excepted: 1.., .. } => "excepted",
            Self { pass: 1.., .. } => "pass",
            Self { not_applicable: 1.., .. } => "not-applicable",
            _ => "unknown",
        }
    }
}

/// A criterion with the checks that are shown under it.
#[derive(Debug, Serialize)]
pub(super) struct CriterionBlock {
    id: String,
    words: String,
    checks: Vec<CheckBlock>,
    /// Checks that bear on it too, and stand elsewhere.
    also: Vec<Elsewhere>,
    counts: Counts,
    worst: &'static str,
}

#[derive(Debug, Serialize)]
struct Elsewhere {
    id: String,
    title: String,
    worst: &'static str,
}

/// A check with its rows.
#[derive(Debug, Serialize)]
pub(super) struct CheckBlock {
    id: String,
    title: String,
    description: String,
    severity: String,
    remediation: String,
    references: Vec<String>,
    also: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    inputs: Vec<(String, String)>,
    version: u64,
    sha256: String,
    counts: Counts,
    worst: &'static str,
    open: bool,
    /// What every row expects that does not say otherwise.
    expected: String,
    groups: Vec<Group>,
    /// Pages of accounts that hold the rows, when this one does not: those with something to look at.
    pages: Vec<AccountCount>,
    /// Accounts in which everything passes or does not apply.
    quiet: usize,
}

/// Counts of a check in one account, and the page that has its rows.
#[derive(Debug, Serialize)]
struct AccountCount {
    account: String,
    page: String,
    counts: Counts,
}

/// Rows of one verdict.
#[derive(Debug, Serialize)]
struct Group {
    verdict: &'static str,
    count: String,
    places: Vec<PlaceRows>,
    /// Rows about a population, once for all places that say the same.
    whole: Vec<Whole>,
}

#[derive(Debug, Serialize)]
struct PlaceRows {
    account: String,
    region: String,
    /// Where most of the evidence of these rows is; their pointers go on from here.
    at: Option<Shown>,
    rows: Vec<RowLine>,
}

impl PlaceRows {
    /// Says once what the pointers of all rows begin with.
    fn say_once(&mut self) {
        let whole = |it: &Shown| format!("{}#{}", it.document, it.pointer);
        let texts: Vec<String> = self.rows.iter().flat_map(|row| &row.evidence).map(whole).collect();
        let at = common(texts.iter().map(String::as_str));
        let Some((number, begins)) = at.split_once('#') else { return };
        let mut document = None;
        for shown in self.rows.iter_mut().flat_map(|row| &mut row.evidence) {
            if let Some(rest) = below(&whole(shown), at) {
                document.get_or_insert_with(|| (shown.item.clone(), shown.region.clone()));
                rest.clone_into(&mut shown.pointer);
                shown.near = true;
            }
        }
        let (item, region) = document.unwrap_or_default();
        let document = number.parse().unwrap_or_default();
        self.at = Some(Shown { document, item, region, pointer: begins.to_owned(), near: false });
    }
}

#[derive(Debug, Serialize)]
struct RowLine {
    resource: String,
    reason: String,
    observed: String,
    expected: String,
    exception: String,
    evidence: Vec<Shown>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Whole {
    reason: String,
    places: Vec<String>,
    evidence: Vec<Shown>,
}

/// A pointer into a document: the number of the document is that of the list at the end.
#[derive(Debug, Serialize)]
struct Shown {
    document: usize,
    item: String,
    region: String,
    pointer: String,
    /// Goes on from where the rows of its place are.
    near: bool,
}

/// A document with its number.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    number: usize,
    path: String,
    sha256: String,
}

/// The documents that rows point into, numbered in the order of their paths.
pub(super) struct Documents<'a> {
    numbers: BTreeMap<&'a str, (usize, &'a str)>,
}

impl<'a> Documents<'a> {
    /// Those of one account, or of all.
    pub(super) fn new(assessment: &'a Assessment, account: Option<&str>) -> Self {
        let prefix = account.map(|account| format!("data/evidence/{account}/"));
        let own = assessment
            .documents
            .iter()
            .filter(|(path, _)| prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str())));
        let numbered = own.enumerate().map(|(at, (path, sha256))| (path.as_str(), (at + 1, sha256.as_str())));
        Self { numbers: numbered.collect() }
    }

    pub(super) fn list(&self) -> Vec<Document> {
        let document = |(path, (number, sha256)): (&&str, &(usize, &str))| Document {
            number: *number,
            path: (*path).to_owned(),
            sha256: (*sha256).to_owned(),
        };
        self.numbers.iter().map(document).collect()
    }

    fn shown(&self, row: &Assessed) -> Vec<Shown> {
        let shown = row.row.evidence.iter().take(POINTERS).map(|pointer| {
            let path = pointer.document.as_str();
            let mut parts = path.rsplit('/');
            let item = parts.next().unwrap_or(path);
            let region = parts.next().filter(|region| *region != row.row.region);
            Shown {
                document: self.numbers.get(path).map_or(0, |(number, _)| *number),
                item: item.strip_suffix(".json").unwrap_or(item).to_owned(),
                region: region.unwrap_or_default().to_owned(),
                pointer: pointer.pointer.clone(),
                near: false,
            }
        });
        shown.collect()
    }
}

/// How rows are shown.
pub(super) enum Rows<'a> {
    /// On this page: all, or those of one account.
    Here { documents: &'a Documents<'a>, account: Option<&'a str> },
    /// On a page for each account.
    Elsewhere,
}

/// Criteria in their order, each with its checks, the worst first.
pub(super) fn blocks(
    assessment: &Assessment,
    accounts: &BTreeMap<String, Account>,
    rows: &Rows<'_>,
) -> Vec<CriterionBlock> {
    let mut by_check: BTreeMap<&str, Vec<&Assessed>> = BTreeMap::new();
    for row in &assessment.rows {
        if let Rows::Here { account: Some(account), .. } = rows
            && row.row.account != *account
        {
            continue;
        }
        by_check.entry(&row.row.check).or_default().push(row);
    }
    let of = |id: &str| by_check.get(id).map(Vec::as_slice).unwrap_or_default();
    let named: BTreeSet<&str> =
        assessment.checks.values().flat_map(|check| &check.criteria).map(String::as_str).collect();
    let all = Counts::of(by_check.values().flatten().copied());
    let unfolded = all.fail + all.unknown + all.excepted <= UNFOLDED;
    let block = |Criterion { id, words }: Criterion| {
        let mut checks = Vec::new();
        let mut also = Vec::new();
        let mut counts = Counts::default();
        for check in assessment.checks.values().filter(|check| check.criteria.contains(&id)) {
            let own = of(&check.id);
            let here = Counts::of(own.iter().copied());
            for row in own {
                counts.add(row.verdict());
            }
            if check.criteria.first() == Some(&id) {
                let mut made = check_block(check, own, accounts, rows);
                made.open = unfolded && matches!(made.worst, "fail" | "unknown");
                checks.push(made);
            } else {
                let (id, title) = (check.id.clone(), check.title.clone());
                also.push(Elsewhere { id, title, worst: here.worst() });
            }
        }
        let rank = |check: &CheckBlock| {
            let verdict = ORDER.iter().position(|verdict| *verdict == check.worst).unwrap_or(ORDER.len());
            (verdict, severity_rank(&check.severity))
        };
        checks.sort_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id)));
        CriterionBlock { worst: counts.worst(), id, words, checks, also, counts }
    };
    criteria::known(&named).into_iter().map(block).collect()
}

/// The gravest first.
pub(super) fn severity_rank(severity: &str) -> usize {
    ["critical", "high", "medium", "low"].iter().position(|it| *it == severity).unwrap_or(4)
}

fn check_block(
    check: &CheckRecord,
    own: &[&Assessed],
    accounts: &BTreeMap<String, Account>,
    rows: &Rows<'_>,
) -> CheckBlock {
    let counts = Counts::of(own.iter().copied());
    let expected = usual(own);
    let mut groups = Vec::new();
    let mut pages = Vec::new();
    let mut quiet = 0;
    match rows {
        Rows::Here { documents, .. } => {
            for verdict in ORDER {
                let rows: Vec<&Assessed> =
                    own.iter().copied().filter(|row| row.verdict() == verdict).collect();
                if !rows.is_empty() {
                    groups.push(group(verdict, &rows, check, &expected, accounts, documents));
                }
            }
        }
        Rows::Elsewhere => {
            let mut by_account: BTreeMap<&str, Counts> = BTreeMap::new();
            for row in own {
                by_account.entry(&row.row.account).or_default().add(row.verdict());
            }
            let all = by_account.len();
            by_account.retain(|_, counts| counts.fail + counts.unknown + counts.excepted > 0);
            quiet = all - by_account.len();
            pages.extend(by_account.into_iter().map(|(account, counts)| AccountCount {
                account: called(accounts, account),
                page: format!("report/{account}.html"),
                counts,
            }));
        }
    }
    CheckBlock {
        id: check.id.clone(),
        title: check.title.clone(),
        description: check.description.clone(),
        severity: check.severity.clone(),
        remediation: check.remediation.clone(),
        references: check.references.clone(),
        also: check.also.iter().map(|(system, ids)| (system.clone(), ids.join(", "))).collect(),
        parameters: check.parameters.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
        inputs: check.inputs.iter().map(|it| (it.item.clone(), it.calls.join(", "))).collect(),
        version: check.version,
        sha256: check.sha256.clone(),
        worst: counts.worst(),
        open: false,
        counts,
        expected,
        groups,
        pages,
        quiet,
    }
}

/// What most rows expect, when at least two do.
fn usual(rows: &[&Assessed]) -> String {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for expected in rows.iter().filter_map(|row| row.row.expected.as_ref()) {
        *seen.entry(shown(expected)).or_default() += 1;
    }
    let most = seen.into_iter().filter(|(_, count)| *count > 1).max_by(|a, b| (a.1, &b.0).cmp(&(b.1, &a.0)));
    most.map(|(text, _)| text).unwrap_or_default()
}

fn group(
    verdict: &'static str,
    rows: &[&Assessed],
    check: &CheckRecord,
    usual: &str,
    accounts: &BTreeMap<String, Account>,
    documents: &Documents<'_>,
) -> Group {
    let mut places: Vec<PlaceRows> = Vec::new();
    let mut whole: Vec<Whole> = Vec::new();
    for row in rows {
        let (account, region) = (called(accounts, &row.row.account), row.row.region.as_str());
        let reason = if row.row.reason == check.title { "" } else { row.row.reason.as_str() };
        let evidence = documents.shown(row);
        let Some(resource) = &row.row.resource else {
            let place = format!("{account} {region}");
            match whole.iter_mut().find(|it| it.reason == reason) {
                Some(known) => known.places.push(place),
                None => whole.push(Whole { reason: reason.to_owned(), places: vec![place], evidence }),
            }
            continue;
        };
        let expected = row.row.expected.as_ref().map(shown).filter(|it| it != usual).unwrap_or_default();
        let observed = row.row.observed.as_ref().map(shown);
        let line = RowLine {
            resource: resource.clone(),
            reason: reason.to_owned(),
            // What the reason says already is not said again.
            observed: observed.filter(|it| !reason.contains(it.as_str())).unwrap_or_default(),
            expected,
            exception: row.exception.clone().unwrap_or_default(),
            evidence,
            more: row.row.evidence.len().saturating_sub(POINTERS),
        };
        match places.last_mut() {
            Some(last) if last.account == account && last.region == region => last.rows.push(line),
            _ => places.push(PlaceRows { account, region: region.to_owned(), at: None, rows: vec![line] }),
        }
    }
    places.iter_mut().for_each(PlaceRows::say_once);
    Group { verdict, count: digits(rows.len()), places, whole }
}
