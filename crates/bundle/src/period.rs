//! Step 11: a log, and the bundles of a period, held against one another.
//!
//! One bundle says what was collected; only the log says that nothing was left out. [`verify_shelf`] reads all of it
//! ([`History`]), holds the leaves against their schedules ([`check_slots`]), and then opens the bundles one by one,
//! keeping of each only what the next is compared with. What does not hold is refused by name and everything else is
//! still looked at, since an auditor wants the whole list; only a log that cannot be believed ends it.
//!
//! Pure but for the reads of the [`Shelf`]: the clock is an argument.

mod bundles;
mod changes;
mod check;
mod history;
mod report;
pub(crate) mod scene;
mod slots;

pub use changes::{CHANGES, Change};
pub use check::{Finding, HistoryError, LogCheck};
pub use history::{History, LEAVES};
pub use report::{BundleRow, PeriodReport, Place};
pub use slots::{GRACE_SECONDS, SLOTS, SlotAudit, Slots, check_slots};

use crate::anchor::Anchor;
use crate::attest::Undated;
use crate::expect::{Comparison, Expectations};
use crate::limits::Limits;
use crate::period::bundles::Bundles;
use crate::report::Outcome;
use crate::shelf::Shelf;
use crate::span::Span;
use crate::time::UtcSecond;
use crate::trust::TrustRoot;

/// What is asked, and what the verifier brings.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Which keys count.
    pub trust: &'a TrustRoot,
    /// Which days; without them the whole log, from its first leaf to its last.
    pub span: Option<Span>,
    /// The verifier's clock. Without it every slot of the period is due, and every token.
    pub now: Option<UtcSecond>,
    /// Whether bundles without any timestamp are exceptions even where a timestamp authority is trusted.
    pub undated: Undated,
    /// A checkpoint that the verifier kept, with the name of its file.
    pub pin: Option<(&'a str, &'a [u8])>,
    /// What was agreed beforehand.
    pub expectations: Option<&'a Expectations>,
    /// For each bundle.
    pub limits: Limits,
}

/// Verifies the log on a shelf and the bundles of a period. The report is made whatever happens.
pub fn verify_shelf(name: &str, shelf: &dyn Shelf, request: &Request<'_>) -> PeriodReport {
    let mut report = PeriodReport::new(name, request);
    let history = match History::read(shelf, request.trust) {
        Ok(history) => history,
        Err(HistoryError::Refused(finding)) => {
            report.fail(finding);
            return report.finish();
        }
        Err(HistoryError::Unreadable { key, source }) => {
            report.could_not_tell(&format!("{key} cannot be read: {source}"));
            return report.finish();
        }
    };
    report.log(&history);
    for (check, detail) in [
        (LogCheck::Head, format!("size {}, root {}", history.head().size, history.head().root)),
        (LogCheck::Entries, format!("{} leaves", history.statements().len())),
        (LogCheck::Root, String::new()),
        (LogCheck::Checkpoints, counted(history.published(), "checkpoint")),
        (LogCheck::Tiles, counted(history.tiles(), "tile")),
        (LogCheck::Keys, String::new()),
        (LogCheck::Chain, format!("log {}", history.origin())),
    ] {
        report.pass(check, detail);
    }
    if let Some((file, bytes)) = request.pin {
        match history.check_pin(file, bytes) {
            Ok(pinned) => report.pin(&pinned),
            Err(finding) => report.fail(finding),
        }
    }

    let audit = check_slots(history.statements(), request.span.as_ref(), request.now);
    let slots = audit.slots;
    for finding in audit.refused {
        report.fail(finding);
    }
    for finding in audit.exceptions {
        report.except(finding);
    }
    report.pass_unless_failed(LogCheck::SlotOrder, String::new());
    let counted = format!("{} of {} slots", slots.sequenced, slots.due);
    report.pass_unless_failed(LogCheck::SlotCoverage, counted);
    report.pass_unless_failed(LogCheck::Supplements, String::new());
    report.slots(&slots);

    let anchor = Anchor::Root(Box::new(request.trust.clone()));
    let comparison = request.expectations.map(Comparison::new);
    Bundles { shelf, request, anchor, history: &history, report: &mut report, comparison, before: None }
        .verify();
    report.pass_unless_failed(LogCheck::BundlesThere, String::new());
    report.pass_unless_failed(LogCheck::Bundles, String::new());
    report.pass_unless_failed(LogCheck::BundlesLogged, String::new());
    report.finish()
}

impl LogCheck {
    /// A check that was not made is not one that passed.
    fn outcome(self, failed: &[Finding], passed: &[(Self, String)]) -> Outcome {
        if failed.iter().any(|finding| finding.check == self) {
            Outcome::Failed
        } else if passed.iter().any(|(check, _)| *check == self) {
            Outcome::Passed
        } else {
            Outcome::NotRun
        }
    }
}

/// `1 tile`, `2 tiles`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
