//! The numbers of the service, as Prometheus reads them.
//!
//! Names are fixed (`docs/OPERATIONS.md`): alarms are written against them. No label holds an account or a resource,
//! so the number of series is bounded by the catalogue.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use evidenced_core::assessment::EXCEPTED;
use evidenced_core::policy::Verdict;

use crate::aws::Tally;

type Number = Gauge<i64, AtomicI64>;
type Fraction = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunResult {
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfVerdict {
    verdict: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct New {
    new: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    service: String,
    operation: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Service {
    service: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HookEnd {
    event: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: String,
}

/// What a run ended with.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunNumbers {
    /// `complete`, `partial`, `failed`, `conflict`.
    pub(crate) result: &'static str,
    /// When it ended, seconds since 1970.
    pub(crate) ended: i64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Rows by status word.
    pub(crate) cells: BTreeMap<&'static str, i64>,
    /// Rows by verdict; none where nothing was judged, which is not the same as no row.
    pub(crate) verdicts: Option<BTreeMap<String, i64>>,
    /// Open gaps that the run before did not have, and those that it had.
    pub(crate) gaps: (i64, i64),
    /// Cells with a document among those that were planned, 0 to 1.
    pub(crate) coverage: f64,
    /// Size of the zip.
    pub(crate) bytes: i64,
}

/// All of them.
pub(crate) struct Metrics {
    registry: Registry,
    /// When the next slot is due.
    pub(crate) next_slot: Number,
    /// Slots that ended as `missed`.
    pub(crate) slots_missed: Counter,
    /// Age of the oldest sealed bundle that the store does not hold.
    spool_oldest: Number,
    /// Sealed bundles that the store does not hold.
    spool_bundles: Number,
    /// Bundles whose timestamp is still to be fetched.
    tokens_pending: Number,
    /// Free space of the spool's file system, and what a run is taken to need.
    pub(crate) spool_free: Number,
    pub(crate) spool_needed: Number,
    /// Leaves of the log.
    pub(crate) log_size: Number,
    /// 1 while a lease is held.
    pub(crate) lease_held: Number,
    hooks: Family<HookEnd, Counter>,
    gaps: Family<New, Number>,
    last_success: Number,
    duration: Fraction,
    runs: Family<RunResult, Counter>,
    calls: Family<Call, Counter>,
    throttles: Family<Service, Counter>,
    coverage: Fraction,
    cells: Family<Outcome, Number>,
    findings: Family<OfVerdict, Number>,
    bundle_bytes: Number,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Everything at zero, of this version.
    pub(crate) fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("evidenced");
        macro_rules! registered {
            ($($field:ident $kind:ty, $name:literal, $help:literal;)+) => {
                $(
                    let $field = <$kind>::default();
                    registry.register($name, $help, $field.clone());
                )+
            };
        }
        // A counter's name gets `_total` when it is written.
        registered! {
            next_slot Number, "next_slot_timestamp_seconds", "When the next slot is due";
            slots_missed Counter, "slots_missed", "Slots that ended as missed";
            gaps Family<New, Number>, "gaps", "Open gaps of the last run, by whether the run before had them";
            spool_oldest Number, "spool_oldest_seconds", "Age of the oldest sealed bundle that the store lacks";
            spool_bundles Number, "spool_bundles", "Sealed bundles that the store lacks";
            tokens_pending Number, "tokens_pending", "Bundles whose timestamp is still to be fetched";
            spool_free Number, "spool_free_bytes", "Free space of the spool";
            spool_needed Number, "spool_needed_bytes", "What a run is taken to need of the spool";
            hooks Family<HookEnd, Counter>, "hooks", "Notifications by event and outcome";
            log_size Number, "log_size", "Leaves of the log";
            last_success Number, "run_last_success_timestamp_seconds", "When a run last reached the store";
            duration Fraction, "run_duration_seconds", "How long the last run took";
            runs Family<RunResult, Counter>, "runs", "Runs by result";
            calls Family<Call, Counter>, "api_calls", "Requests to AWS by outcome";
            throttles Family<Service, Counter>, "api_throttles", "Requests that AWS throttled";
            coverage Fraction, "coverage_ratio", "Planned cells of the last run that have their evidence";
            cells Family<Outcome, Number>, "cells", "Cells of the last run by outcome";
            findings Family<OfVerdict, Number>, "findings", "Rows of the last run by verdict";
            bundle_bytes Number, "bundle_bytes", "Size of the last bundle";
            lease_held Number, "lease_held", "1 while a slot is being worked on";
        }
        let build = Family::<Build, Number>::default();
        build.get_or_create(&Build { version: version.to_owned() }).set(1);
        registry.register("build_info", "The version that runs", build);
        Self {
            registry,
            next_slot,
            slots_missed,
            spool_oldest,
            spool_bundles,
            tokens_pending,
            spool_free,
            spool_needed,
            log_size,
            lease_held,
            hooks,
            gaps,
            last_success,
            duration,
            runs,
            calls,
            throttles,
            coverage,
            cells,
            findings,
            bundle_bytes,
        }
    }

    /// A run is over.
    pub(crate) fn ran(&self, run: &RunNumbers) {
        self.runs.get_or_create(&RunResult { result: run.result.to_owned() }).inc();
        if matches!(run.result, "failed" | "conflict") {
            return;
        }
        self.last_success.set(run.ended);
        self.duration.set(run.seconds);
        self.coverage.set(run.coverage);
        self.bundle_bytes.set(run.bytes);
        self.cells.clear();
        for (word, count) in &run.cells {
            self.cells.get_or_create(&Outcome { outcome: (*word).to_owned() }).set(*count);
        }
        self.findings.clear();
        if let Some(rows) = &run.verdicts {
            // All words, so that an alarm on one of them does not wait for its first row.
            let words =
                [Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::NotApplicable].map(Verdict::word);
            let none = words.into_iter().chain([EXCEPTED]).map(|word| (word, 0));
            for (word, count) in none.chain(rows.iter().map(|(word, count)| (word.as_str(), *count))) {
                self.findings.get_or_create(&OfVerdict { verdict: word.to_owned() }).set(count);
            }
        }
        for (new, count) in [("true", run.gaps.0), ("false", run.gaps.1)] {
            self.gaps.get_or_create(&New { new: new.to_owned() }).set(count);
        }
    }

    /// A slot is in the store and in the log.
    pub(crate) fn reached(&self, now: i64) {
        self.last_success.set(now);
    }

    /// A notification was made, or was not.
    pub(crate) fn told(&self, event: &str, outcome: &str) {
        let (event, outcome) = (event.to_owned(), outcome.to_owned());
        self.hooks.get_or_create(&HookEnd { event, outcome }).inc();
    }

    /// What waits in the spool.
    pub(crate) fn spool(&self, bundles: usize, oldest_seconds: i64, tokens: usize) {
        self.spool_bundles.set(i64::try_from(bundles).unwrap_or(i64::MAX));
        self.spool_oldest.set(oldest_seconds);
        self.tokens_pending.set(i64::try_from(tokens).unwrap_or(i64::MAX));
    }

    /// The text of `/metrics` (`OpenMetrics`).
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &self.registry).unwrap_or_default();
        text
    }
}

impl Tally for Metrics {
    fn asked(&self, service: &str, operation: &str, outcome: &str, throttled: u32) {
        let (service, operation, outcome) = (service.to_owned(), operation.to_owned(), outcome.to_owned());
        if throttled > 0 {
            let throttles = self.throttles.get_or_create(&Service { service: service.clone() });
            throttles.inc_by(u64::from(throttled));
        }
        self.calls.get_or_create(&Call { service, operation, outcome }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_documented_name() {
        let metrics = Metrics::new("1.2.3");
        metrics.asked("ec2", "DescribeVpcs", "ok", 0);
        metrics.asked("ec2", "DescribeVpcs", "503", 1);
        metrics.slots_missed.inc();
        metrics.told("failure", "ok");
        metrics.next_slot.set(1_790_000_000);
        metrics.ran(&RunNumbers {
            result: "partial",
            ended: 1_780_000_000,
            seconds: 1.5,
            cells: BTreeMap::from([("complete", 7), ("denied", 1)]),
            gaps: (1, 0),
            coverage: 0.875,
            verdicts: Some(BTreeMap::from([("fail".to_owned(), 3), ("pass".to_owned(), 40)])),
            bytes: 4096,
        });
        metrics.ran(&RunNumbers { result: "failed", ..RunNumbers::default() });
        let text = metrics.text();
        for line in [
            "evidenced_next_slot_timestamp_seconds 1790000000",
            "evidenced_slots_missed_total 1",
            "evidenced_gaps{new=\"true\"} 1",
            "evidenced_gaps{new=\"false\"} 0",
            "evidenced_spool_oldest_seconds 0",
            "evidenced_spool_bundles 0",
            "evidenced_tokens_pending 0",
            "evidenced_spool_free_bytes 0",
            "evidenced_hooks_total{event=\"failure\",outcome=\"ok\"} 1",
            "evidenced_log_size 0",
            "evidenced_run_last_success_timestamp_seconds 1780000000",
            "evidenced_run_duration_seconds 1.5",
            "evidenced_runs_total{result=\"partial\"} 1",
            "evidenced_runs_total{result=\"failed\"} 1",
            "evidenced_api_calls_total{service=\"ec2\",operation=\"DescribeVpcs\",outcome=\"ok\"} 1",
            "evidenced_api_calls_total{service=\"ec2\",operation=\"DescribeVpcs\",outcome=\"503\"} 1",
            "evidenced_api_throttles_total{service=\"ec2\"} 1",
            "evidenced_coverage_ratio 0.875",
            "evidenced_cells{outcome=\"denied\"} 1",
            "evidenced_findings{verdict=\"fail\"} 3",
            "evidenced_findings{verdict=\"pass\"} 40",
            "evidenced_findings{verdict=\"unknown\"} 0",
            "evidenced_findings{verdict=\"excepted\"} 0",
            "evidenced_findings{verdict=\"not-applicable\"} 0",
            "evidenced_bundle_bytes 4096",
            "evidenced_lease_held 0",
            "evidenced_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_run_that_was_not_judged_has_no_findings_not_zero() {
        let metrics = Metrics::new("1.2.3");
        let run = |verdicts| RunNumbers { result: "complete", verdicts, ..RunNumbers::default() };
        metrics.ran(&run(Some(BTreeMap::from([("fail".to_owned(), 3)]))));
        assert!(metrics.text().contains("evidenced_findings{"));
        metrics.ran(&run(None));
        assert!(!metrics.text().contains("evidenced_findings{"), "{}", metrics.text());
    }
}
