//! `evidenced explain CHECK`: what a check asks, why, from what, under which parameters, and what its verdicts mean.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use evidenced_core::config::nearest;
use evidenced_core::formats::criterion;
use evidenced_core::policy::{Need, Policies, Policy};

use super::checks::policies;
use super::exit::Failed;
use super::print;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The check's id; `evidenced checks` lists them.
    #[arg(value_name = "CHECK")]
    check: String,
    /// The configuration whose profile, parameters and own policies are in force. Without it: the built-in checks
    /// under the profile `guide`.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the policy itself, as it is in every bundle.
    #[arg(long)]
    rego: bool,
}

/// Columns of the text.
const WIDTH: usize = 100;

const VERDICTS: &[(&str, &str)] = &[
    ("pass", "it was looked at and nothing was found on it"),
    ("fail", "something was found that should not be; the reason names it"),
    (
        "unknown",
        "it could not be judged: a call failed, a field or a document is missing, or the policy says so. Never a pass",
    ),
    (
        "not-applicable",
        "the check does not bear on it, for the reason given; a place with nothing to judge has one such row",
    ),
    ("excepted", "it fails, and an exception of the configuration that has not expired covers it"),
];

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let policies = policies(arguments.config.as_deref())?;
    let id = arguments.check.trim();
    let Some(policy) = policies.checks.get(id) else {
        let known = policies.checks.keys().map(String::as_str);
        let hint = nearest(id, known).map_or_else(
            || "`evidenced checks` lists them".to_owned(),
            |near| format!("did you mean {near}? `evidenced checks` lists them all"),
        );
        return Err(Failed::usage(format!("{id:?} is no check"), hint));
    };
    if arguments.rego {
        print(policy.text.as_bytes())
    } else {
        print(explained(&policies, policy).as_bytes())
    }
}

fn explained(policies: &Policies, policy: &Policy) -> String {
    let check = &policy.check;
    let mut page = Page::default();
    page.line(&check.id);
    page.line(&check.title);
    page.head("What it looks at");
    page.text(&check.description);
    let per = match check.scope.word() {
        "account" => "once per account",
        _ => "in each region of each account",
    };
    page.text(&format!("Severity {}; run {per}; version {}.", check.severity.word(), check.version));
    page.head("Why");
    for id in &check.criteria {
        page.entry(id, criterion(id).unwrap_or("an identifier of the policy's own"));
    }
    page.head("What it reads");
    for input in &check.inputs {
        page.item(&input.item);
        for (call, need) in &input.calls {
            let fields = match need {
                Need::Resolved => "for the resources that it concerns".to_owned(),
                Need::Fields(fields) if fields.is_empty() => "has to be answered".to_owned(),
                Need::Fields(fields) => format!("needs {}", fields.join(", ")),
            };
            page.entry(call, &fields);
        }
    }
    page.text("Without one of these the verdict is unknown. The population is what the first call lists.");
    page.head(&format!("Parameters in force (profile {})", policies.profile));
    if check.parameters.is_empty() {
        page.text("It has none.");
    }
    for (name, parameter) in &check.parameters {
        let value = policy.parameters.get(name).cloned().unwrap_or_default();
        let default = if policies.profile == "aws" { &parameter.aws } else { &parameter.guide };
        page.entry(name, &parameter.description);
        let set = if value == *default {
            "default".to_owned()
        } else {
            format!("configured; the default is {default}")
        };
        page.entry("", &format!("{value}  ({set})"));
        if parameter.guide != parameter.aws {
            page.entry("", &format!("guide: {}, aws: {}", parameter.guide, parameter.aws));
        }
    }
    if !check.parameters.is_empty() {
        page.text(&format!("Set them in [checks.params.{}].", check.id));
    }
    page.head("What the verdicts mean");
    for (verdict, meaning) in VERDICTS {
        page.entry(verdict, meaning);
    }
    page.head("What to do about a failure");
    page.text(&check.remediation);
    if !check.also.is_empty() {
        page.head("Its like in other systems");
        for (system, ids) in &check.also {
            page.entry(system, &ids.join(", "));
        }
    }
    if !check.references.is_empty() {
        page.head("References");
        for reference in &check.references {
            page.item(reference);
        }
    }
    page.head("The policy");
    page.text(&format!(
        "data/policies/{}.rego in every bundle; `evidenced explain {} --rego` prints it.",
        check.id, check.id
    ));
    page.text(&format!("SHA-256 {}", policy.sha256));
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a String cannot fail.
        writeln!(self.0, "{text}").unwrap_or_default();
    }

    fn head(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    fn item(&mut self, text: &str) {
        self.line(&format!("  {text}"));
    }

    /// A paragraph.
    fn text(&mut self, text: &str) {
        for line in wrapped(text, WIDTH - 2) {
            self.item(&line);
        }
    }

    /// A term and what it means, the meaning aligned.
    fn entry(&mut self, term: &str, meaning: &str) {
        const COLUMN: usize = 26;
        let mut start = format!("    {term:<COLUMN$}");
        if term.chars().count() >= COLUMN {
            self.line(start.trim_end());
            start = " ".repeat(COLUMN + 4);
        }
        for line in wrapped(meaning, WIDTH - COLUMN - 4) {
            self.line(&format!("{start}{line}"));
            start = " ".repeat(COLUMN + 4);
        }
    }
}

/// Lines of at most so many characters, broken at spaces; a longer word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
