//! Verdicts for people: counts, and the worst findings first.

use std::collections::BTreeMap;

use clap::ValueEnum;
use evidenced_bundle::check::printable;
use evidenced_core::assessment::{Assessed, Assessment};

/// Checks that are listed before the rest is counted.
const SHOWN: usize = 12;
/// Order of the counts, worst first.
const VERDICTS: [&str; 5] = ["fail", "unknown", "excepted", "pass", "not-applicable"];

/// What ends a command with exit code 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A failure that no live exception covers.
    Fail,
    /// Something that could not be judged.
    Unknown,
}

impl FailOn {
    /// Whether a verdict that somebody asked about is there.
    pub(super) fn met(asked: &[Self], assessment: &Assessment) -> bool {
        let counts = assessment.counts();
        let word = |it: &Self| match it {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        };
        asked.iter().any(|it| counts.contains_key(word(it)))
    }
}

/// `3 fail, 1 unknown, 96 pass`.
pub(super) fn counts(assessment: &Assessment) -> String {
    let counts = assessment.counts();
    let shown = VERDICTS.iter().filter_map(|word| Some(format!("{} {word}", counts.get(word)?)));
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "nothing was judged".to_owned() } else { shown.join(", ") }
}

/// A line a check that failed, or could not be judged: worst severity first, then most rows.
pub(super) fn worst(assessment: &Assessment) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), Vec<&Assessed>> = BTreeMap::new();
    for assessed in assessment.rows.iter().filter(|it| matches!(it.verdict(), "fail" | "unknown")) {
        found.entry((assessed.verdict(), &assessed.row.check)).or_default().push(assessed);
    }
    let severity = |check: &str| assessment.checks.get(check).map_or("", |check| check.severity.as_str());
    let rank =
        |check: &str| ["critical", "high", "medium", "low"].iter().position(|it| *it == severity(check));
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|((verdict, check), rows)| {
        (*verdict != "fail", rank(check).unwrap_or(4), std::cmp::Reverse(rows.len()), (*check).to_owned())
    });
    let rest = found.len().saturating_sub(SHOWN);
    let mut lines: Vec<String> = found
        .into_iter()
        .take(SHOWN)
        .map(|((verdict, check), rows)| {
            let first = rows.first().map(|it| {
                let row = &it.row;
                let resource =
                    row.resource.as_deref().map(|it| format!("{}: ", printable(it))).unwrap_or_default();
                format!("{} {} {resource}{}", row.account, row.region, super::summary::clipped(&row.reason))
            });
            let (count, severity) = (rows.len(), severity(check));
            format!("{severity:<8} {verdict:<7} {count:>5}  {check}  {}", first.unwrap_or_default())
        })
        .collect();
    if rest > 0 {
        lines.push(format!("and {rest} more; data/findings.csv has every row"));
    }
    lines
}
