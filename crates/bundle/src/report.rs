//! What verification found, for people and for programs.
//!
//! A report says first what may be believed, then what was proved, what was not, and each exception. It is made for
//! every path, whatever happens: a file that cannot be read is a report too.

use std::fmt::{self, Display, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::anchor::Anchor;
use crate::archive::UntrustedBundle;
use crate::assurance::{Assurance, Level};
use crate::attest::{Attested, Demand};
use crate::base64;
use crate::check::{Check, VerifyError, printable};
use crate::digest::Digest;
use crate::input::Input;
use crate::limits::Limits;
use crate::parts::{PartId, PartRecord};
use crate::run::{Gap, RunStatus, RunSummary};
use crate::sidecar::{PROOF, Sidecars, TSR, Wanted};
use crate::single::{Verified, verify_bundle};
use crate::statement::Statement;
use crate::workpaper::Finding;

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
    /// What it needs is not there: an exception when the caller accepts that, else nothing can be said.
    Absent,
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

/// What was seen stands below what would be true.
const BELOW: &str = "\n                                    ";

impl CheckResult {
    /// One line: number, name, result, and what was seen or what would be true.
    pub(crate) fn line(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Absent => "absent",
            Outcome::NotRun => "not run",
        };
        let Self { step, name, claim, detail, file, .. } = self;
        let mut line = format!("{step:>4}  {name:<19}  {outcome:<7}  {claim}");
        for more in
            [file.as_deref(), Some(detail.as_str())].into_iter().flatten().filter(|more| !more.is_empty())
        {
            line.push_str(BELOW);
            line.push_str(more);
        }
        line
    }
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
    /// How far the proof reaches: `signed, dated, logged`, less of that, or `none`.
    pub assurance: Assurance,
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
    /// When it was signed at the latest, as a timestamp authority says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// Where the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPlace>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunSummary>,
    /// The files that were read: the zip and what lies beside it.
    pub inputs: Vec<Input>,
    /// Each check.
    pub checks: Vec<CheckResult>,
    /// What makes it less than genuine without exceptions, one sentence each.
    pub exceptions: Vec<String>,
    /// What was not checked.
    pub not_checked: String,
    /// Its statement in a log, and the digest of that leaf, for what several bundles show together.
    #[serde(skip)]
    pub(crate) logged: Option<(Statement, Digest)>,
}

/// The place of a bundle in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPlace {
    /// Which log.
    pub origin: String,
    /// The number of the statement.
    pub index: u64,
    /// The root of the log when it had `index + 1` statements, in base64 as checkpoints write it.
    pub root: String,
}

/// What each step proves when all of its checks pass: each sentence stands at one of them.
const STEPS: &[(Check, &str)] = &[
    (Check::TrustRoot, "the keys are those of the trust root whose fingerprint was given from outside"),
    (Check::Keys, "it was checked with a key from outside the bundle"),
    (Check::StatementForm, "the statement about it has one reading"),
    (Check::StatementSignature, "a trusted key signed that statement"),
    (Check::Tokens, "it existed at the time that a pinned timestamp authority gives, while the key counted"),
    (Check::Statement, "the statement is about the bundle of this name"),
    (Check::ZipDigest, "the statement is about exactly this zip, to the last byte"),
    (Check::LogProof, "the statement is in the log, at its number"),
    (Check::ZipEnd, "it has one reading: no hidden, doubled, unsafe or oversized file"),
    (Check::Folder, "it has one reading: no hidden, doubled, unsafe or oversized file"),
    (Check::BagName, "the holder of the key signed exactly these files under this name"),
    (
        Check::RunDocuments,
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
        if let Some(dated) = &self.dated {
            writeln!(text, "  dated         {dated}")?;
        }
        if let Some(LogPlace { origin, index, root }) = &self.log {
            writeln!(text, "  log           number {index} of {origin}, root {root}")?;
        }
        let nothing = !self.checks.iter().any(|check| check.outcome == Outcome::Passed);
        writeln!(text, "{}", if nothing { "  proved        nothing" } else { "  proved" })?;
        for (first, sentence) in STEPS {
            let step = first.step();
            let here = self.checks.iter().any(|check| check.name == first.name());
            let mut checks = self.checks.iter().filter(|check| check.step == step);
            if here && checks.all(|check| check.outcome == Outcome::Passed) {
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

    /// In the forms that outputs need.
    pub fn into_finding(self) -> Finding {
        Finding {
            verdict: self.verdict,
            text: self.render_text(),
            json: self.render_json(),
            steps: self.checks.iter().map(CheckResult::line).collect(),
            assurance: self.assurance,
            inputs: self.inputs,
        }
    }

    fn empty(path: &Path, verdict: Verdict) -> Self {
        Self {
            path: path.display().to_string(),
            verdict,
            exit_code: verdict.exit_code(),
            assurance: Assurance::none(),
            problem: None,
            id: None,
            key_id: None,
            organisation: None,
            zip_sha256: None,
            tagmanifest_sha256: None,
            dated: None,
            log: None,
            run: None,
            inputs: Vec::new(),
            checks: Vec::new(),
            exceptions: Vec::new(),
            not_checked: String::new(),
            logged: None,
        }
    }
}

/// Verifies a zip with what lies beside it, or a folder that one was unpacked to.
pub fn verify_path(path: &Path, anchor: &Anchor, demand: &Demand, limits: &Limits) -> Report {
    let read = || -> io::Result<(UntrustedBundle, Sidecars)> {
        let bundle = UntrustedBundle::open_path(path, limits)?;
        Ok((bundle, if path.is_dir() { Sidecars::default() } else { Sidecars::beside(path)? }))
    };
    match read() {
        Ok((bundle, sidecars)) => match part_of(path) {
            Some(part) => lone(path, &part),
            None => report(path, bundle, &sidecars, anchor, *demand),
        },
        Err(error) => {
            let problem = Some(format!("cannot be opened: {error}"));
            let not_checked = "anything".to_owned();
            Report { problem, not_checked, ..Report::empty(path, Verdict::CouldNotTell) }
        }
    }
}

/// The part that a zip or a folder is named as.
fn part_of(path: &Path) -> Option<PartId> {
    let name = path.file_name()?.to_str()?;
    PartId::parse(name.strip_suffix(".zip").unwrap_or(name))
}

/// A part carries no signature: alone it is neither genuine nor forged.
fn lone(path: &Path, part: &PartId) -> Report {
    let root = part.root().file_name();
    let problem =
        format!("is a part of {root}, whose signature covers it: verify {root} with its parts beside it");
    let not_checked = "anything".to_owned();
    Report { problem: Some(problem), not_checked, ..Report::empty(path, Verdict::CouldNotTell) }
}

fn report(
    path: &Path,
    mut bundle: UntrustedBundle,
    sidecars: &Sidecars,
    anchor: &Anchor,
    demand: Demand,
) -> Report {
    let zip = !path.is_dir();
    let mut checks: Vec<CheckResult> = Vec::new();
    let mut inputs: Vec<Input> =
        sidecars.files().map(|(suffix, bytes)| Input::of(&beside(path, suffix), bytes)).collect();
    // The zip is hashed here, so that a report names what was refused too.
    let hashed = bundle.hash(Wanted::beside(sidecars)).map(|digests| {
        let zip = digests.map(|zip| Input {
            path: path.display().to_string(),
            bytes: zip.bytes,
            sha256: zip.sha256,
        });
        inputs.splice(0..0, zip);
    });
    let mut passed = |check, detail: String| {
        checks.push(result(check, Outcome::Passed, printable(&detail), None));
    };
    let verified = hashed.and_then(|()| verify_bundle(bundle, sidecars, anchor, &demand, &mut passed));
    let report = match verified {
        Ok(verified) => {
            inputs.extend(parts(path, &verified));
            genuine(path, &verified)
        }
        Err(error) => {
            let verdict = match &error {
                VerifyError::Refused { check, file, detail } => {
                    checks.push(result(*check, Outcome::Failed, detail.clone(), file.clone()));
                    Verdict::NotGenuine
                }
                VerifyError::Missing { check, file, detail } => {
                    checks.push(result(*check, Outcome::Absent, detail.clone(), Some(file.clone())));
                    Verdict::CouldNotTell
                }
                VerifyError::Unreadable { .. } => Verdict::CouldNotTell,
            };
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            Report { problem: Some(format!("{error}{source}")), ..Report::empty(path, verdict) }
        }
    };
    let ended = report.problem.is_some();
    for check in Check::ALL.iter().filter(|check| belongs(**check, anchor, zip, sidecars)) {
        if !checks.iter().any(|done| done.name == check.name()) {
            let outcome = if ended { Outcome::NotRun } else { Outcome::Absent };
            checks.push(result(*check, outcome, String::new(), None));
        }
    }
    Report { checks, inputs, not_checked: not_checked(&report, anchor, sidecars), ..report }
}

/// The parts that were there: each was read to its end and is the one of the signed list.
fn parts(path: &Path, verified: &Verified) -> Vec<Input> {
    let absent = verified.bundle.parts().absent;
    let there = verified.bundle.part_records().filter(|part| !absent.contains(part));
    let input = |part: &PartRecord| Input {
        path: path.with_file_name(part.part.file_name()).display().to_string(),
        bytes: part.size,
        sha256: part.sha256,
    };
    there.map(input).collect()
}

fn genuine(path: &Path, verified: &Verified) -> Report {
    let Verified { bundle, attested, .. } = verified;
    let mut exceptions = attested.as_ref().map(Attested::exceptions).unwrap_or_default();
    exceptions.extend(of_run(bundle.run()));
    exceptions.extend(bundle.parts().exceptions());
    let verdict = if exceptions.is_empty() { Verdict::Genuine } else { Verdict::GenuineWithExceptions };
    let dated = attested.as_ref().and_then(|attested| attested.dated);
    let levels = [Some(Level::Signed), dated.map(|_| Level::Dated), attested.as_ref().map(|_| Level::Logged)];
    Report {
        assurance: levels.into_iter().flatten().collect(),
        id: Some(bundle.id().to_string()),
        key_id: Some(bundle.key_id().to_string()),
        organisation: Some(printable(&bundle.info().organisation)),
        zip_sha256: bundle.zip_sha256().map(ToString::to_string),
        tagmanifest_sha256: Some(bundle.tagmanifest_sha256().to_string()),
        dated: dated.map(|at| at.to_string()),
        logged: attested.as_ref().map(|attested| (attested.statement.clone(), Digest::of(&attested.leaf))),
        log: attested.as_ref().map(|attested| LogPlace {
            origin: attested.statement.origin.to_string(),
            index: attested.statement.index,
            root: base64::encode(attested.checkpoint.root.as_bytes()),
        }),
        run: Some(bundle.run().clone()),
        exceptions,
        ..Report::empty(path, verdict)
    }
}

/// Whether a check is part of verifying such a bundle.
fn belongs(check: Check, anchor: &Anchor, zip: bool, sidecars: &Sidecars) -> bool {
    let root = matches!(anchor, Anchor::Root(_));
    match check {
        Check::Keys => !root,
        Check::Folder => !zip,
        Check::StatementForm
        | Check::StatementSignature
        | Check::Statement
        | Check::ZipDigest
        | Check::StatedManifest
        | Check::RunStatement => root || sidecars.sigstore.is_some(),
        Check::SshSignature => root || sidecars.sshsig.is_some(),
        Check::TrustRoot | Check::Tokens | Check::LogProof | Check::Checkpoint | Check::Inclusion => root,
        _ => check.step() < 11 && (check.step() != 8 || zip),
    }
}

fn not_checked(report: &Report, anchor: &Anchor, sidecars: &Sidecars) -> String {
    let mut parts: Vec<String> = Vec::new();
    if matches!(anchor, Anchor::Keys(_)) {
        let ignored: Vec<_> = [(PROOF, &sidecars.proof), (TSR, &sidecars.tsr)]
            .into_iter()
            .filter_map(|(suffix, bytes)| bytes.as_ref().map(|_| suffix))
            .collect();
        if !ignored.is_empty() {
            parts.push(format!("{} beside it (they need a trust root: --trust)", ignored.join(" and ")));
        }
    }
    if report.dated.is_none() {
        parts.push("when it was signed".to_owned());
    }
    parts.push("whether other bundles were left out".to_owned());
    let asked = "whether AWS was asked the right questions (data/catalogue.json and data/plan.json say what was asked)";
    format!("{}, and {asked}", parts.join(", "))
}

fn beside(zip: &Path, suffix: &str) -> PathBuf {
    let mut path = zip.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

fn result(check: Check, outcome: Outcome, detail: String, file: Option<String>) -> CheckResult {
    CheckResult { step: check.step(), name: check.name(), outcome, claim: check.claim(), detail, file }
}

fn of_run(run: &RunSummary) -> Vec<String> {
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
