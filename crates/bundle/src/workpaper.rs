//! The workpaper: what an auditor files of a verification.
//!
//! Plain text of fixed form: what was concluded, what it was concluded from (every file with its SHA-256 and length),
//! each step with its result, by which program and when. Nothing in it depends on the machine but the paths as they
//! were given and the time. The caller brings the time: there is no clock here.

use std::fmt::{self, Write as _};

use crate::anchor::Anchor;
use crate::assurance::Assurance;
use crate::check::printable;
use crate::input::Input;
use crate::report::Verdict;
use crate::time::UtcSecond;

/// What verification of one path found, in the forms that outputs need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What may be believed.
    pub verdict: Verdict,
    /// How far the proof reaches.
    pub assurance: Assurance,
    /// The files that were read.
    pub inputs: Vec<Input>,
    /// For people.
    pub text: String,
    /// For programs: one line without its line feed.
    pub json: String,
    /// Each step with its result: the lines of the workpaper.
    pub steps: Vec<String>,
}

/// What an auditor files.
#[derive(Debug)]
pub struct Workpaper<'a> {
    /// When it was verified, by the caller's clock.
    pub at: UtcSecond,
    /// Which program, with its version.
    pub verifier: &'a str,
    /// What was trusted.
    pub anchor: &'a Anchor,
    /// The files that it was read from.
    pub anchor_inputs: &'a [Input],
    /// What was found of each path, and behind that what several of them show together.
    pub findings: &'a [Finding],
    /// How many paths there were.
    pub paths: usize,
}

const WIDTH: usize = 100;

impl Workpaper<'_> {
    /// The text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let verdict = Verdict::worst(self.findings.iter().map(|finding| finding.verdict));
        let assurance = self.findings.iter().map(|finding| finding.assurance.clone());
        let assurance = assurance.reduce(|all, one| all.shared(&one)).unwrap_or_default();
        let trusted = match self.anchor {
            Anchor::Keys(_) => "public keys",
            Anchor::Root(_) => "trust root",
        };
        heading(text, '=', "Verification of evidence")?;
        writeln!(text, "result        {verdict} (exit code {})", verdict.exit_code())?;
        writeln!(
            text,
            "assurance     {assurance}{}",
            if self.findings.len() > 1 { " (of all)" } else { "" }
        )?;
        writeln!(text, "verified at   {}", self.at)?;
        writeln!(text, "verifier      {}", self.verifier)?;
        writeln!(text, "trusted       {trusted}: {}", self.anchor.describe())?;
        writeln!(text, "verified      {} of {} paths genuine", self.genuine(), self.paths)?;
        writeln!(
            text,
            "\nHow the trusted keys or the fingerprint were obtained, and by whom this was run, is for the"
        )?;
        writeln!(text, "auditor to add: no program can know it.")?;

        heading(text, '-', "Files that were read")?;
        writeln!(text, "{:<64}  {:>12}  path", "sha256", "bytes")?;
        let inputs = self.findings.iter().flat_map(|finding| &finding.inputs);
        for Input { path, bytes, sha256 } in self.anchor_inputs.iter().chain(inputs) {
            writeln!(text, "{sha256}  {bytes:>12}  {}", printable(path))?;
        }
        for (number, finding) in (1..).zip(self.findings) {
            heading(text, '-', &format!("Result {number} of {}", self.findings.len()))?;
            text.push_str(&finding.text);
            writeln!(text, "\nsteps")?;
            for line in &finding.steps {
                writeln!(text, "{line}")?;
            }
        }
        heading(text, '=', "End")
    }

    fn genuine(&self) -> usize {
        let good =
            |finding: &&Finding| matches!(finding.verdict, Verdict::Genuine | Verdict::GenuineWithExceptions);
        self.findings.iter().take(self.paths).filter(good).count()
    }
}

fn heading(text: &mut String, rule: char, title: &str) -> fmt::Result {
    let gap = if text.is_empty() { "" } else { "\n" };
    let rule: String = std::iter::repeat_n(rule, WIDTH).collect();
    writeln!(text, "{gap}{rule}\n{title}\n{rule}")
}
