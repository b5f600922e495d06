//! What verification found, for people and for programs.
//!
//! A report says first what may be believed, then what was proved, what was not, and each exception. It is made for
//! every path, whatever happens: a file that cannot be read is a report too.

use std::fmt::{self, Display, Write as _};
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::anchor::Anchor;
use crate::archive::UntrustedBundle;
use crate::attest::Demand;
use crate::check::{Check, VerifyError, printable};
use crate::key::TrustedKeys;
use crate::limits::Limits;
use crate::run::{Gap, RunStatus, RunSummary};
use crate::sidecar::Sidecars;
use crate::single::verify_bundle;

/// What may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check passed and no evidence is missing.
    Genuine,
    /// Every check passed; some evidence is missing, and the bundle says which.
    GenuineWithExceptions,
    /// A check failed.
    NotGenuine,
    /// Something could not be read.
    CouldNotTell,
}

impl Verdict {
    /// 0, 4, 5 or 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Genuine => 0,
            Self::GenuineWithExceptions => 4,
            Self::NotGenuine => 5,
            Self::CouldNotTell => 2,
        }
    }

    /// The worst of several: could not tell, not genuine, exceptions, genuine.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let order = [Self::Genuine, Self::GenuineWithExceptions, Self::NotGenuine, Self::CouldNotTell];
        let rank = |verdict: &Self| order.iter().position(|other| other == verdict);
        verdicts.into_iter().max_by_key(rank).unwrap_or(Self::CouldNotTell)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Genuine => "genuine",
            Self::GenuineWithExceptions => "genuine, with exceptions",
            Self::NotGenuine => "NOT GENUINE",
            Self::CouldNotTell => "could not tell",
        })
    }
}

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// An earlier check failed.
    NotRun,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The number of the step in `docs/BUNDLE.md`.
    pub step: u8,
    /// The name of the check.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What is true when it passes.
    pub claim: &'static str,
    /// What was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The file it failed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What verification found about one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was looked at.
    pub path: String,
    /// What may be believed.
    pub verdict: Verdict,
    /// The exit code of this verdict.
    pub exit_code: u8,
    /// How far the proof reaches: `signed`, or `none`.
    pub assurance: &'static str,
    /// Why not, when it is not genuine or cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The name of the bag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `Source-Organization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// The digest of the whole zip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip_sha256: Option<String>,
    /// The digest of the signed message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagmanifest_sha256: Option<String>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunSummary>,
    /// Each check.
    pub checks: Vec<CheckResult>,
    /// What makes it less than genuine without exceptions, one sentence each.
    pub exceptions: Vec<String>,
    /// What was not checked.
    pub not_checked: &'static str,
}

/// Checks that need sidecars or a trust root.
const OF_SIDECARS: &[Check] = &[
    Check::TrustRoot,
    Check::StatementForm,
    Check::StatementSignature,
    Check::Tokens,
    Check::Statement,
    Check::ZipDigest,
    Check::LogProof,
    Check::Checkpoint,
    Check::Inclusion,
    Check::StatedManifest,
    Check::SshSignature,
    Check::RunStatement,
];

const NOT_CHECKED: &str = "when it was signed, whether other bundles were left out, and whether AWS was asked the \
                           right questions (data/catalogue.json and data/plan.json say what was asked)";

/// What each step of `docs/BUNDLE.md` proves when all of its checks pass.
const STEPS: &[(u8, &str)] = &[
    (1, "it was checked with a key from outside the bundle"),
    (8, "it has one reading: no hidden, doubled, unsafe or oversized file"),
    (9, "the holder of the key signed exactly these files under this name"),
    (
        10,
        "there is one row for every planned cell, one document for every row that needs one, and the status follows",
    ),
];

impl Report {
    /// 0 genuine, 4 with exceptions, 5 not genuine, 2 could not tell.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
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
        if let Some(problem) = &self.problem {
            writeln!(text, "  because       {problem}")?;
        }
        match &self.key_id {
            Some(key_id) => writeln!(text, "  assurance     {}, by key {key_id}", self.assurance)?,
            None => writeln!(text, "  assurance     {}", self.assurance)?,
        }
        if let Some(organisation) = &self.organisation {
            writeln!(text, "  organisation  {organisation}")?;
        }
        if let Some(run) = &self.run {
            let (slot, trigger, status) = (run.slot, &run.trigger, run.status.word());
            writeln!(
                text,
                "  run           {status}, slot {slot}, {trigger}, collected {} to {}",
                run.started, run.ended
            )?;
            let cells: Vec<String> =
                run.cells.iter().map(|(word, count)| format!("{count} {word}")).collect();
            writeln!(
                text,
                "  cells         {}",
                if cells.is_empty() { "none".into() } else { cells.join(", ") }
            )?;
        }
        if let Some(digest) = &self.zip_sha256 {
            writeln!(text, "  zip sha256    {digest}")?;
        }
        writeln!(text, "  proved")?;
        for (step, sentence) in STEPS {
            let mut checks = self.checks.iter().filter(|check| check.step == *step).peekable();
            if checks.peek().is_some() && checks.all(|check| check.outcome == Outcome::Passed) {
                writeln!(text, "    {step:>2}  {sentence}")?;
            }
        }
        for check in self.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
            writeln!(text, "  failed")?;
            writeln!(text, "    {:>2}  {}: not so that {}", check.step, check.name, check.claim)?;
        }
        if self.checks.iter().any(|check| check.outcome == Outcome::NotRun) {
            writeln!(text, "  not reached   the checks behind that")?;
        }
        writeln!(text, "  not checked   {}", self.not_checked)?;
        if !self.exceptions.is_empty() {
            writeln!(text, "  exceptions    {}", self.exceptions.len())?;
            for exception in &self.exceptions {
                writeln!(text, "    {exception}")?;
            }
        }
        let accepted = self.run.as_ref().map(|run| run.accepted_gaps.as_slice()).unwrap_or_default();
        if !accepted.is_empty() {
            writeln!(
                text,
                "  accepted gaps {} (expected by the organisation, still without evidence)",
                accepted.len()
            )?;
            for gap in accepted {
                writeln!(text, "    {}", gap_line(gap))?;
            }
        }
        Ok(())
    }

    /// The report for programs: one line of JSON without its line feed.
    pub fn render_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{\"verdict\":\"could-not-tell\"}".to_owned())
    }

    fn empty(path: &Path, verdict: Verdict) -> Self {
        Self {
            path: path.display().to_string(),
            verdict,
            exit_code: verdict.exit_code(),
            assurance: "none",
            problem: None,
            id: None,
            key_id: None,
            organisation: None,
            zip_sha256: None,
            tagmanifest_sha256: None,
            run: None,
            checks: Vec::new(),
            exceptions: Vec::new(),
            not_checked: NOT_CHECKED,
        }
    }
}

/// Verifies a zip, or a folder that one was unpacked to.
pub fn verify_path(path: &Path, keys: &TrustedKeys, limits: &Limits) -> Report {
    let mut checks: Vec<CheckResult> = Vec::new();
    let bundle = match UntrustedBundle::open_path(path, limits) {
        Ok(bundle) => bundle,
        Err(error) => {
            let problem = Some(format!("cannot be opened: {error}"));
            return Report { problem, ..Report::empty(path, Verdict::CouldNotTell) };
        }
    };
    let zip = !path.is_dir();
    let mut passed = |check, detail: String| {
        checks.push(result(check, Outcome::Passed, printable(&detail), None));
    };
    let (anchor, sidecars) = (Anchor::Keys(keys.clone()), Sidecars::default());
    let verified = verify_bundle(bundle, &sidecars, &anchor, &Demand::default(), &mut passed);
    let verified = verified.map(|verified| verified.bundle);
    let mut report = match verified {
        Ok(bundle) => {
            let mut exceptions = exceptions(bundle.run());
            exceptions.extend(bundle.parts().exceptions());
            let verdict =
                if exceptions.is_empty() { Verdict::Genuine } else { Verdict::GenuineWithExceptions };
            Report {
                assurance: "signed",
                id: Some(bundle.id().to_string()),
                key_id: Some(bundle.key_id().to_string()),
                organisation: Some(printable(&bundle.info().organisation)),
                zip_sha256: bundle.zip_sha256().map(ToString::to_string),
                tagmanifest_sha256: Some(bundle.tagmanifest_sha256().to_string()),
                run: Some(bundle.run().clone()),
                exceptions,
                ..Report::empty(path, verdict)
            }
        }
        Err(error) => {
            let verdict = match &error {
                VerifyError::Refused { check, file, detail } => {
                    checks.push(result(*check, Outcome::Failed, detail.clone(), file.clone()));
                    Verdict::NotGenuine
                }
                VerifyError::Missing { .. } | VerifyError::Unreadable { .. } => Verdict::CouldNotTell,
            };
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            Report { problem: Some(format!("{error}{source}")), ..Report::empty(path, verdict) }
        }
    };
    for check in Check::ALL {
        let belongs =
            if zip { *check != Check::Folder } else { check.step() != 8 || *check == Check::Folder };
        let belongs = belongs && !OF_SIDECARS.contains(check);
        if belongs && !checks.iter().any(|done| done.name == check.name()) {
            checks.push(result(*check, Outcome::NotRun, String::new(), None));
        }
    }
    report.checks = checks;
    report
}

fn result(check: Check, outcome: Outcome, detail: String, file: Option<String>) -> CheckResult {
    CheckResult { step: check.step(), name: check.name(), outcome, claim: check.claim(), detail, file }
}

fn exceptions(run: &RunSummary) -> Vec<String> {
    let mut exceptions: Vec<String> = run.gaps.iter().map(gap_line).collect();
    if run.status == RunStatus::Missed {
        let reason = run.reason.as_deref().unwrap_or("no reason is given");
        exceptions.push(format!("slot {} was missed: {reason}", run.slot));
    }
    exceptions
}

fn gap_line(gap: &Gap) -> String {
    let mut line = printable(&format!("{} {} {}", gap.account, gap.region, gap.item));
    line.push_str(": ");
    line.push_str(gap.status.word());
    for more in
        [gap.error.as_ref(), gap.reason.as_ref()].into_iter().flatten().filter(|more| !more.is_empty())
    {
        line.push_str(", ");
        line.push_str(more);
    }
    if let Some(by) = &gap.accepted {
        for part in [" (accepted by ", &by.approver, " until ", &by.expires, ": ", &by.reason, ")"] {
            line.push_str(part);
        }
    }
    line
}

/// Serialises what has a text form.
pub(crate) fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
