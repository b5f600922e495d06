//! What verification found about a log and a period, for people and for programs.
//!
//! First what may be believed, then the count of slots, what was proved, what was not, and each exception by name.

use std::fmt::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::assurance::{Assurance, Level};
use crate::base64;
use crate::check::printable;
use crate::expect::Deviation;
use crate::input::Input;
use crate::note::Checkpoint;
use crate::period::Request;
use crate::period::changes::Change;
use crate::period::check::{Finding, LogCheck};
use crate::period::history::History;
use crate::period::slots::Slots;
use crate::report::{CheckResult, Outcome, Verdict};
use crate::statement::Statement;
use crate::workpaper;

/// Where a log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Leaves.
    pub size: u64,
    /// The root, in base64 as in checkpoints.
    pub root: String,
}

impl Place {
    fn of(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: base64::encode(checkpoint.root.as_bytes()) }
    }
}

/// One bundle of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleRow {
    /// Its name.
    pub id: String,
    /// The number of its leaf.
    pub index: u64,
    /// Its slot, or the instant of a manual run.
    pub slot: String,
    /// `schedule`, `manual` or `supplement`.
    pub trigger: &'static str,
    /// `complete`, `partial` or `missed`.
    pub status: &'static str,
    /// What may be believed of it.
    pub verdict: Verdict,
    /// Whether the zip was here and passed every check.
    pub opened: bool,
    /// The digest of the zip, as the log has it.
    pub zip_sha256: String,
    /// The time of its earliest timestamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// Why it is not genuine or cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What makes it less than genuine without exceptions.
    pub exceptions: Vec<String>,
}

impl BundleRow {
    pub(crate) fn new(statement: &Statement) -> Self {
        let snapshot = &statement.snapshot;
        Self {
            id: snapshot.id.to_string(),
            index: statement.index,
            slot: snapshot.id.slot().to_string(),
            trigger: snapshot.id.kind().trigger(),
            status: snapshot.status.word(),
            verdict: Verdict::CouldNotTell,
            opened: false,
            zip_sha256: snapshot.zip_sha256.to_string(),
            dated: None,
            problem: None,
            exceptions: Vec::new(),
        }
    }
}

/// What verification found about a store or a period bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// What was looked at.
    pub path: String,
    /// What may be believed.
    pub verdict: Verdict,
    /// The exit code of this verdict.
    pub exit_code: u8,
    /// How far the proof reaches: `signed, dated, logged, pinned`, or what of these holds for all bundles.
    pub assurance: Assurance,
    /// The days that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The scope of every bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The newest checkpoint: what to keep for the next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Place>,
    /// The checkpoint that the verifier held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Place>,
    /// Slots that were due, in the period.
    pub slots_due: u64,
    /// Slots that have a leaf.
    pub slots_sequenced: u64,
    /// Slots whose bundle was opened and passed every check.
    pub slots_opened: u64,
    /// Slots that are not over yet.
    pub slots_open: u64,
    /// Why nothing can be said, where something could not be read.
    pub problems: Vec<String>,
    /// What does not hold.
    pub refused: Vec<Finding>,
    /// What is listed.
    pub exceptions: Vec<Finding>,
    /// What is not as it was agreed: exceptions too.
    pub deviations: Vec<Deviation>,
    /// What changed between bundles that follow each other.
    pub changes: Vec<Change>,
    /// The files that were read: the newest checkpoint, each zip and what lies beside it.
    pub inputs: Vec<Input>,
    /// Each check of step 11.
    pub checks: Vec<CheckResult>,
    /// Each bundle of the period, in the order of the log.
    pub bundles: Vec<BundleRow>,
    /// What was not checked.
    pub not_checked: Vec<String>,
    #[serde(skip)]
    passed: Vec<(LogCheck, String)>,
    #[serde(skip)]
    head: Option<Vec<u8>>,
    #[serde(skip)]
    has_pin: bool,
}

impl PeriodReport {
    pub(crate) fn new(path: &str, request: &Request<'_>) -> Self {
        let period = request.span.map(|span| span.to_string());
        Self { period, has_pin: request.pin.is_some(), ..Self::empty(path, Verdict::CouldNotTell) }
    }

    /// Of a path that no log could be read from.
    pub(crate) fn unread(path: &str, verdict: Verdict, why: &str) -> Self {
        let not_checked = vec!["anything behind that".to_owned()];
        Self { problems: vec![why.to_owned()], not_checked, ..Self::empty(path, verdict) }
    }

    /// Of one file with the whole store in it; `stated`: whose own words say which days it covers.
    pub(crate) fn of_period_bundle(mut self, input: Input, stated: bool) -> Self {
        self.inputs.insert(0, input);
        if stated {
            let what = "whether these are the days that were to be covered: the period bundle says so itself, and \
                        nobody signs that; give --quarter, or --from and --to";
            self.not_checked.insert(0, what.to_owned());
        }
        self
    }

    fn empty(path: &str, verdict: Verdict) -> Self {
        Self {
            path: path.to_owned(),
            verdict,
            exit_code: verdict.exit_code(),
            assurance: Assurance::none(),
            inputs: Vec::new(),
            period: None,
            origin: None,
            scope: None,
            log: None,
            pinned: None,
            slots_due: 0,
            slots_sequenced: 0,
            slots_opened: 0,
            slots_open: 0,
            problems: Vec::new(),
            refused: Vec::new(),
            exceptions: Vec::new(),
            deviations: Vec::new(),
            changes: Vec::new(),
            checks: Vec::new(),
            bundles: Vec::new(),
            not_checked: Vec::new(),
            passed: Vec::new(),
            head: None,
            has_pin: false,
        }
    }

    /// The newest checkpoint as it was signed, of a log that was believed.
    pub fn head(&self) -> Option<&[u8]> {
        self.head.as_deref()
    }

    pub(crate) fn log(&mut self, history: &History) {
        self.origin = Some(history.origin().to_string());
        self.scope = history.scope().map(ToString::to_string);
        self.log = Some(Place::of(history.head()));
        self.head = Some(history.head_bytes().to_vec());
        self.inputs.push(Input::of(Path::new("log/checkpoint"), history.head_bytes()));
    }

    pub(crate) fn pin(&mut self, pinned: &Checkpoint) {
        self.pinned = Some(Place::of(pinned));
        self.pass(LogCheck::Pinned, format!("size {}", pinned.size));
    }

    pub(crate) fn slots(&mut self, slots: &Slots) {
        let Slots { due, sequenced, open, .. } = *slots;
        (self.slots_due, self.slots_sequenced, self.slots_open) = (due, sequenced, open);
    }

    pub(crate) fn pass(&mut self, check: LogCheck, detail: String) {
        self.passed.push((check, detail));
    }

    pub(crate) fn pass_unless_failed(&mut self, check: LogCheck, detail: String) {
        if !self.refused.iter().any(|finding| finding.check == check) && self.problems.is_empty() {
            self.pass(check, detail);
        }
    }

    pub(crate) fn fail(&mut self, finding: Finding) {
        self.refused.push(finding);
    }

    pub(crate) fn except(&mut self, finding: Finding) {
        self.exceptions.push(finding);
    }

    pub(crate) fn deviation(&mut self, deviation: Deviation) {
        self.deviations.push(deviation);
    }

    pub(crate) fn changes(&mut self, changes: Vec<Change>) {
        self.changes.extend(changes);
    }

    pub(crate) fn could_not_tell(&mut self, problem: &str) {
        self.problems.push(printable(problem));
    }

    pub(crate) fn not_checked(&mut self, what: String) {
        self.not_checked.push(what);
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push(input);
    }

    pub(crate) fn bundle(&mut self, row: BundleRow) {
        if row.opened && row.trigger == "schedule" && row.problem.is_none() {
            self.slots_opened += 1;
        }
        self.bundles.push(row);
    }

    /// What all of it comes to.
    pub(crate) fn finish(mut self) -> Self {
        self.verdict = if !self.refused.is_empty() {
            Verdict::NotGenuine
        } else if !self.problems.is_empty() {
            Verdict::CouldNotTell
        } else if self.exceptions.is_empty() && self.deviations.is_empty() {
            Verdict::Genuine
        } else {
            Verdict::GenuineWithExceptions
        };
        self.exit_code = self.verdict.exit_code();
        if matches!(self.verdict, Verdict::Genuine | Verdict::GenuineWithExceptions) {
            let dated = !self.bundles.is_empty() && self.bundles.iter().all(|row| row.dated.is_some());
            let levels = [
                Some(Level::Signed),
                dated.then_some(Level::Dated),
                Some(Level::Logged),
                self.pinned.as_ref().map(|_| Level::Pinned),
            ];
            self.assurance = levels.into_iter().flatten().collect();
        }
        let result = |check: LogCheck| CheckResult {
            step: 11,
            name: check.name(),
            outcome: check.outcome(&self.refused, &self.passed),
            claim: check.claim(),
            detail: self
                .passed
                .iter()
                .find(|(passed, _)| *passed == check)
                .map(|(_, detail)| detail.clone())
                .unwrap_or_default(),
            file: None,
        };
        let wanted = LogCheck::ALL.into_iter().filter(|check| self.has_pin || *check != LogCheck::Pinned);
        self.checks = wanted.map(result).collect();
        self.say_what_is_missing();
        self
    }

    fn say_what_is_missing(&mut self) {
        if self.period.is_none() {
            self.not_checked.push(
                "whether slots before the first leaf or after the last one were due: give --quarter, or --from and --to"
                    .to_owned(),
            );
        }
        if !self.has_pin {
            self.not_checked.push(
                "whether this log is the one that was shown before: keep --save-checkpoint FILE and give --pin FILE \
                 the next time"
                    .to_owned(),
            );
        }
        self.not_checked.push("witnesses: the trust root names none".to_owned());
        self.not_checked.push(
            "whether AWS was asked the right questions: data/catalogue.json and data/plan.json of each bundle say what \
             was asked"
                .to_owned(),
        );
    }

    /// The report for programs: one line of JSON without its line feed.
    pub fn render_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{\"verdict\":\"could-not-tell\"}".to_owned())
    }

    /// In the forms that outputs need.
    pub(crate) fn into_finding(self) -> workpaper::Finding {
        let bundle = |row: &BundleRow| {
            let BundleRow { id, index, status, verdict, dated, .. } = row;
            let dated = dated.as_deref().unwrap_or("undated");
            format!("  1-10  leaf {index}  {id}  {status}  {dated}  {verdict}")
        };
        let steps =
            self.checks.iter().map(CheckResult::line).chain(self.bundles.iter().map(bundle)).collect();
        workpaper::Finding {
            verdict: self.verdict,
            text: self.render_text(),
            json: self.render_json(),
            steps,
            assurance: self.assurance,
            inputs: self.inputs,
        }
    }

    /// The report for people.
    pub fn render_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        self.write_text(&mut text).unwrap_or_default();
        text
    }

    fn write_text(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "{}: {}", self.verdict, printable(&self.path))?;
        for problem in &self.problems {
            writeln!(text, "  because       {problem}")?;
        }
        writeln!(text, "  assurance     {}", self.assurance)?;
        if let Some(period) = &self.period {
            writeln!(text, "  period        {period} (UTC, both days included)")?;
        }
        if let (Some(origin), Some(scope)) = (&self.origin, &self.scope) {
            writeln!(text, "  log           {origin}, scope {scope}")?;
        }
        if let Some(Place { size, root }) = &self.log {
            writeln!(text, "  checkpoint    {size} leaves, root {root}")?;
        }
        if let Some(Place { size, root }) = &self.pinned {
            writeln!(text, "  pinned        {size} leaves, root {root}")?;
        }
        if self.origin.is_some() {
            let (sequenced, due, opened) = (self.slots_sequenced, self.slots_due, self.slots_opened);
            write!(text, "  slots         {sequenced} of {due} slots sequenced, {opened} opened")?;
            if self.slots_open > 0 {
                write!(text, ", {} not over yet", self.slots_open)?;
            }
            let extra = self.bundles.iter().filter(|row| row.trigger != "schedule").count();
            writeln!(text, "{}", if extra > 0 { format!(", {extra} extra runs") } else { String::new() })?;
        }
        for finding in &self.refused {
            writeln!(
                text,
                "  REFUSED       {}: {}: {}",
                finding.check.name(),
                finding.subject,
                finding.detail
            )?;
        }
        let nothing = !self.checks.iter().any(|check| check.outcome == Outcome::Passed);
        writeln!(text, "{}", if nothing { "  proved        nothing" } else { "  proved" })?;
        for check in self.checks.iter().filter(|check| check.outcome == Outcome::Passed) {
            writeln!(text, "    {:>2}  {}", check.step, check.claim)?;
        }
        for (outcome, heading) in [(Outcome::Failed, "failed"), (Outcome::NotRun, "not reached")] {
            let mut checks = self.checks.iter().filter(|check| check.outcome == outcome).peekable();
            if checks.peek().is_some() {
                writeln!(text, "  {heading}")?;
            }
            for check in checks {
                writeln!(text, "    {:>2}  {}: {}", check.step, check.name, check.claim)?;
            }
        }
        if !self.exceptions.is_empty() {
            writeln!(text, "  exceptions    {}", self.exceptions.len())?;
            for Finding { subject, detail, .. } in &self.exceptions {
                writeln!(text, "    {subject}: {detail}")?;
            }
        }
        if !self.deviations.is_empty() {
            writeln!(text, "  not as agreed {}", self.deviations.len())?;
            for Deviation { what, expected, found, bundles } in &self.deviations {
                writeln!(text, "    {what}: expected {expected}, found {found}, {}", some(bundles))?;
            }
        }
        if !self.changes.is_empty() {
            writeln!(text, "  changes       {}", self.changes.len())?;
            for Change { to, what, detail, .. } in &self.changes {
                writeln!(text, "    {to}: {what}: {detail}")?;
            }
        }
        writeln!(text, "  not checked")?;
        for what in &self.not_checked {
            writeln!(text, "    {what}")?;
        }
        Ok(())
    }
}

fn some(bundles: &[String]) -> String {
    match bundles {
        [] => "in no bundle".to_owned(),
        [one] => format!("in {one}"),
        [first, .., last] => format!("in {} bundles from {first} to {last}", bundles.len()),
    }
}
