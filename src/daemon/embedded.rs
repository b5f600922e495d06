//! One line per run in `CloudWatch`'s embedded metric format, on standard output.
//!
//! A log group turns it into metrics of the namespace `evidenced` with the dimension `scope`, without an agent and
//! without a permission. Names are fixed (`docs/OPERATIONS.md`). Nothing of an account or a resource is in it.

use std::io::Write as _;

use evidenced_bundle::BagId;
use serde_json::{Value, json};

use super::metrics::RunNumbers;

/// The line of a run whose bundle is in the store.
pub(crate) fn line(scope: &str, id: &BagId, run: &RunNumbers, missed: usize) -> String {
    let numbers = [
        ("RunDuration", "Seconds", json!(run.seconds)),
        ("CoverageRatio", "None", json!(run.coverage)),
        ("GapsNew", "Count", json!(run.gaps.0)),
        ("GapsKnown", "Count", json!(run.gaps.1)),
        ("SlotsMissed", "Count", json!(missed)),
        ("BundleBytes", "Bytes", json!(run.bytes)),
        ("Stored", "Count", json!(1)),
    ];
    let metrics: Vec<Value> =
        numbers.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": run.ended.saturating_mul(1000),
            "CloudWatchMetrics": [
                { "Namespace": "evidenced", "Dimensions": [["scope"]], "Metrics": metrics }
            ],
        },
        "scope": scope,
        "run": id.to_string(),
        "slot": id.slot().to_string(),
        "result": run.result,
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
            ..RunNumbers::default()
        };
        let line: Value = serde_json::from_str(&line("prod", &id, &run, 3)).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_790_000_000_000_i64);
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"]),
            (&json!("evidenced"), &json!([["scope"]]))
        );
        let declared = directive["Metrics"].as_array().unwrap();
        assert_eq!(declared.len(), 7);
        for metric in declared {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!((&line["scope"], &line["slot"]), (&json!("prod"), &json!("2026-11-22T02:00:00Z")));
        assert_eq!((&line["GapsNew"], &line["SlotsMissed"]), (&json!(2), &json!(3)));
    }
}
