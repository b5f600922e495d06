//! One line per run in `CloudWatch`'s embedded metric format, on standard output.
//!
//! A log group turns it into metrics of the namespace `evidenced` with the dimension `scope`, without an agent and
//! without a permission. A run that failed has a line too, of what waits for the store. Names are fixed (`docs/OPERATIONS.md`). Nothing of an account or a resource is in it.

use std::io::Write as _;

use evidenced_bundle::BagId;
use evidenced_core::policy::Verdict;
use serde_json::{Value, json};

use super::metrics::RunNumbers;

/// What waits in the spool for the store; none where the spool could not be counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Sealed bundles.
    pub(crate) bundles: usize,
    /// Age of the oldest one's slot, in seconds.
    pub(crate) oldest: i64,
    /// Timestamps that nobody gave yet.
    pub(crate) tokens: usize,
}

impl Waiting {
    fn numbers(self) -> [Number; 2] {
        [("SpoolOldest", "Seconds", json!(self.oldest)), ("SpoolBundles", "Count", json!(self.bundles))]
    }
}

/// Name, unit, value.
type Number = (&'static str, &'static str, Value);

/// The line of a run whose bundle is in the store.
pub(crate) fn stored(
    scope: &str,
    id: &BagId,
    run: &RunNumbers,
    missed: usize,
    waiting: Option<Waiting>,
) -> String {
    let mut numbers = vec![
        ("RunDuration", "Seconds", json!(run.seconds)),
        ("CoverageRatio", "None", json!(run.coverage)),
        ("GapsNew", "Count", json!(run.gaps.0)),
        ("GapsKnown", "Count", json!(run.gaps.1)),
        ("SlotsMissed", "Count", json!(missed)),
        ("BundleBytes", "Bytes", json!(run.bytes)),
        ("Stored", "Count", json!(1)),
    ];
    if let Some(rows) = &run.verdicts {
        let of = |word: &str| json!(rows.get(word).copied().unwrap_or(0));
        let [fail, unknown] = [Verdict::Fail, Verdict::Unknown].map(|verdict| of(verdict.word()));
        numbers.extend([("FindingsFail", "Count", fail), ("FindingsUnknown", "Count", unknown)]);
    }
    numbers.extend(waiting.into_iter().flat_map(Waiting::numbers));
    line(scope, id, run.ended, run.result, numbers)
}

/// The line of an attempt that did not bring its bundle to the store.
pub(crate) fn failed(scope: &str, id: &BagId, at: i64, waiting: Option<Waiting>) -> String {
    let mut numbers = vec![("Failed", "Count", json!(1))];
    numbers.extend(waiting.into_iter().flat_map(Waiting::numbers));
    line(scope, id, at, "failed", numbers)
}

fn line(scope: &str, id: &BagId, at: i64, result: &str, numbers: Vec<Number>) -> String {
    let metrics: Vec<Value> =
        numbers.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.saturating_mul(1000),
            "CloudWatchMetrics": [
                { "Namespace": "evidenced", "Dimensions": [["scope"]], "Metrics": metrics }
            ],
        },
        "scope": scope,
        "run": id.to_string(),
        "slot": id.slot().to_string(),
        "result": result,
    });
    if let Some(object) = line.as_object_mut() {
        object.extend(numbers.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
    }
    line.to_string()
}

/// Prints a line. A log that nobody reads is no reason for a run to fail.
pub(crate) fn print(line: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        tracing::debug!(%error, "the metrics line was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_is_declared_has_its_number_beside_it() {
        let id = BagId::parse("evidence-prod-20261122T020000Z").unwrap();
        let run = RunNumbers {
            result: "partial",
            ended: 1_790_000_000,
            gaps: (2, 1),
            coverage: 0.5,
            verdicts: Some([("fail".to_owned(), 3), ("pass".to_owned(), 40)].into()),
            ..RunNumbers::default()
        };
        let waiting = Some(Waiting { bundles: 1, oldest: 7200, tokens: 0 });
        let line: Value = serde_json::from_str(&stored("prod", &id, &run, 3, waiting)).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_790_000_000_000_i64);
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"]),
            (&json!("evidenced"), &json!([["scope"]]))
        );
        let declared = directive["Metrics"].as_array().unwrap();
        assert_eq!(declared.len(), 11);
        for metric in declared {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!((&line["scope"], &line["slot"]), (&json!("prod"), &json!("2026-11-22T02:00:00Z")));
        assert_eq!((&line["GapsNew"], &line["SlotsMissed"]), (&json!(2), &json!(3)));
        assert_eq!((&line["SpoolOldest"], &line["SpoolBundles"]), (&json!(7200), &json!(1)));
        assert_eq!((&line["FindingsFail"], &line["FindingsUnknown"]), (&json!(3), &json!(0)));
        // What was not judged has no number, not zero.
        let run = RunNumbers { verdicts: None, ..run };
        let line: Value = serde_json::from_str(&stored("prod", &id, &run, 3, waiting)).unwrap();
        assert!(line.get("FindingsFail").is_none(), "{line}");
    }

    #[test]
    fn a_failed_attempt_tells_what_waits_and_never_that_something_was_stored() {
        let id = BagId::parse("evidence-prod-20261122T020000Z").unwrap();
        let waiting = Waiting { bundles: 2, oldest: 90_000, tokens: 0 };
        let line = |waiting| -> Value {
            serde_json::from_str(&failed("prod", &id, 1_790_000_000, waiting)).unwrap()
        };
        let told = line(Some(waiting));
        assert_eq!((&told["SpoolOldest"], &told["Failed"]), (&json!(90_000), &json!(1)));
        assert!(told.get("Stored").is_none() && told.get("GapsNew").is_none(), "{told}");
        // A spool that was not counted is not an empty one.
        assert!(line(None).get("SpoolOldest").is_none());
    }
}
