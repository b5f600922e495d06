//! Several bundles that were given as files: whether they follow each other in one log.
//!
//! Their statements were verified one by one. Of those with neighbouring numbers each has to name the one before it,
//! and no slot may have been due between them. Numbers that were not given are named: nothing is known of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::assurance::Assurance;
use crate::digest::Digest;
use crate::note::KeyName;
use crate::period::{Finding as Refusal, LogCheck, check_slots};
use crate::report::Verdict;
use crate::statement::Statement;
use crate::workpaper::Finding;

/// What bundles of one log show together.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Together {
    /// The log.
    #[serde(rename = "together")]
    log: String,
    verdict: Verdict,
    exit_code: u8,
    bundles: usize,
    /// Numbers of leaves that follow each other, as `4-6`.
    ranges: Vec<String>,
    /// Numbers between them that were not given.
    not_given: Vec<String>,
    refused: Vec<Refusal>,
}

/// One line for each log of which two bundles or more were given. A statement comes with the digest of its leaf.
pub(super) fn together(statements: Vec<(Statement, Digest)>, assurance: &Assurance) -> Vec<Finding> {
    let mut logs: BTreeMap<KeyName, Vec<(Statement, Digest)>> = BTreeMap::new();
    for statement in statements {
        logs.entry(statement.0.origin.clone()).or_default().push(statement);
    }
    let several = logs.into_iter().filter(|(_, of_log)| of_log.len() > 1);
    several.map(|(origin, of_log)| finding(&origin, of_log, assurance)).collect()
}

fn finding(origin: &KeyName, mut of_log: Vec<(Statement, Digest)>, assurance: &Assurance) -> Finding {
    of_log.sort_by_key(|(statement, _)| statement.index);
    of_log.dedup();
    let mut refused = Vec::new();
    let mut ranges: Vec<Vec<Statement>> = Vec::new();
    let mut not_given = Vec::new();
    let mut before: Option<&(Statement, Digest)> = None;
    for this in &of_log {
        let (statement, _) = this;
        let id = &statement.snapshot.id;
        match before {
            Some((last, digest)) if statement.index == last.index + 1 => {
                if statement.previous != Some(*digest) {
                    let detail = format!("does not name {}, which is the leaf before it", last.snapshot.id);
                    refused.push(Refusal::new(LogCheck::Chain, id, detail));
                }
                ranges.last_mut().into_iter().for_each(|range| range.push(statement.clone()));
            }
            Some((last, _)) if statement.index == last.index => {
                let detail =
                    format!("is leaf {} as {} is: two versions of one log", last.index, last.snapshot.id);
                refused.push(Refusal::new(LogCheck::Chain, id, detail));
            }
            Some((last, _)) => {
                not_given.push(range(last.index + 1, statement.index - 1));
                ranges.push(vec![statement.clone()]);
            }
            None => ranges.push(vec![statement.clone()]),
        }
        before = Some(this);
    }
    for range in &ranges {
        let found = check_slots(range, None, None).refused.into_iter();
        // The run that a supplement completes may be a file that was not given.
        refused.extend(found.filter(|finding| finding.check != LogCheck::Supplements));
    }
    let verdict = if refused.is_empty() { Verdict::Genuine } else { Verdict::NotGenuine };
    let names = ranges.iter().filter_map(|of| Some(range(of.first()?.index, of.last()?.index)));
    let together = Together {
        log: origin.to_string(),
        verdict,
        exit_code: verdict.exit_code(),
        bundles: of_log.len(),
        ranges: names.collect(),
        not_given,
        refused,
    };
    let steps = vec![format!("  11  chain of {} bundles of {origin}: {verdict}", of_log.len())];
    Finding {
        verdict,
        assurance: assurance.clone(),
        inputs: Vec::new(),
        text: together.text(),
        json: serde_json::to_string(&together).unwrap_or_default(),
        steps,
    }
}

impl Together {
    fn text(&self) -> String {
        let mut text = format!("together: {} bundles of log {}\n", self.bundles, self.log);
        for refusal in &self.refused {
            // Writing to a string does not fail.
            writeln!(
                text,
                "  REFUSED       {}: {}: {}",
                refusal.check.name(),
                refusal.subject,
                refusal.detail
            )
            .unwrap_or_default();
        }
        for (what, numbers) in [("in a row", &self.ranges), ("not given", &self.not_given)] {
            if !numbers.is_empty() {
                writeln!(text, "  {what:<12}  leaves {}", numbers.join(", ")).unwrap_or_default();
            }
        }
        text.push_str("  not checked   what was before the first and after the last of them: verify the store or a period bundle\n");
        text
    }
}

fn range(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
