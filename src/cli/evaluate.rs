//! `evidenced evaluate`: checks over the evidence of a bundle, which is verified first.
//!
//! The present checks, or those of a folder, under a profile and parameters; or the exact input of one check, for
//! another engine. Nothing is written: the verdicts in the bundle stay what they are.

use std::path::PathBuf;

use clap::Args;
use evidenced_bundle::report::Verdict;
use evidenced_bundle::{VerifiedBundle, VerifyError};
use evidenced_core::assessment::{Assessment, CheckRecord};
use evidenced_core::config;
use evidenced_core::judging;
use evidenced_core::policy::{Engine, Policies};
use serde_json::{Value, json};

use super::exit::{FINDINGS, Failed, NOT_GENUINE};
use super::genuine::Believed;
use super::judged::{self, FailOn};
use super::print;
use crate::collector::read_text;
use crate::judge::{Apart, BundleError, BundleFiles, evidence_of, read_policies, rejudge};

/// Largest file of parameters.
const PARAMS_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The bundle (ID.zip, its parts beside it), or the folder that it unpacks to.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    #[command(flatten)]
    believed: Believed,
    /// Policies of this folder instead of the built-in ones: <id>.rego.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Defaults of the parameters: `guide` or `aws`. None: those of the bundle's run.
    #[arg(long)]
    profile: Option<String>,
    /// Parameters by check (TOML), as under [checks.params]: [`sg_only_authorised_ports`] and tcp = [80, 443].
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Print the input of this check, one JSON object a line for each account and region: what OPA takes with --input.
    #[arg(long, value_name = "CHECK", conflicts_with = "fail_on")]
    print_input: Option<String>,
    /// Of these, only that of one place.
    #[arg(long, value_name = "ACCOUNT/REGION", requires = "print_input")]
    place: Option<String>,
    /// End with exit code 3 when there are such verdicts; may be repeated.
    #[arg(long, value_enum, value_name = "VERDICT")]
    fail_on: Vec<FailOn>,
    /// One JSON object a line for each row.
    #[arg(long)]
    json: bool,
}

impl From<BundleError> for Failed {
    fn from(error: BundleError) -> Self {
        let code = match &error {
            BundleError::Verify(VerifyError::Refused { .. }) => NOT_GENUINE,
            _ => Verdict::CouldNotTell.exit_code(),
        };
        Self::new(code, error)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let mut bundle = arguments.believed.judge()?.open(&arguments.bundle)?.bundle;
    let files = BundleFiles::read(&mut bundle, false)?;
    let policies = arguments.compile(&files)?;
    if let Some(check) = &arguments.print_input {
        return arguments.inputs(&mut bundle, &files, &policies, check);
    }
    let catalogue = files.facts.catalogue.clone();
    let mut apart = Apart::of_run(&policies, catalogue).map_err(|problems| {
        Failed::usage(problems.join("\n"), "docs/CHECKS.md says what a policy looks like")
    })?;
    let table = Assessment {
        profile: policies.profile.clone(),
        checks: CheckRecord::table(&policies),
        ..Assessment::default()
    };
    let assessment = rejudge(&mut bundle, &files, table, &mut apart).assessment;
    if arguments.json {
        let lines: Vec<String> = assessment.rows.iter().map(line).collect();
        print(lines.concat().as_bytes())?;
    } else {
        let (rows, checks) = (assessment.rows.len(), assessment.checks.len());
        let mut text = format!(
            "{}: {rows} rows of {checks} checks, profile {}\n  verdicts   {}\n",
            bundle.id(),
            assessment.profile,
            judged::counts(&assessment)
        );
        for finding in judged::worst(&assessment) {
            text = format!("{text}    {finding}\n");
        }
        print(text.as_bytes())?;
    }
    Ok(if FailOn::met(&arguments.fail_on, &assessment) { FINDINGS } else { 0 })
}

fn line(assessed: &evidenced_core::assessment::Assessed) -> String {
    let row = &assessed.row;
    let value = json!({ "account": row.account, "region": row.region, "check": row.check,
        "resource": row.resource, "verdict": assessed.verdict(), "exception": assessed.exception,
        "reason": row.reason, "observed": row.observed, "expected": row.expected, "evidence": row.evidence });
    format!("{value}\n")
}

impl Arguments {
    fn compile(&self, files: &BundleFiles) -> Result<Policies, Failed> {
        const HINT: &str = "docs/CHECKS.md has every check with its parameters";
        let of_bundle = files.facts.config.pointer("/checks/profile").and_then(Value::as_str);
        let profile = self.profile.as_deref().or(of_bundle).unwrap_or("guide");
        let params = match &self.params {
            None => Value::Null,
            Some(path) => {
                let shown = path.display();
                let text = read_text(path, PARAMS_BYTES)
                    .map_err(|error| Failed::usage(format!("{shown} cannot be read: {error}"), HINT))?;
                config::parse_params(&text).map_err(|problems| {
                    let lines: Vec<String> = problems.iter().map(|it| format!("{shown}:{it}")).collect();
                    Failed::usage(lines.join("\n"), HINT)
                })?
            }
        };
        let compiled = match &self.policies {
            None => Policies::new(profile, &[], &params),
            Some(folder) => {
                let texts = read_policies(folder).map_err(|why| Failed::usage(why, HINT))?;
                Policies::compile(profile, &texts, &params, Engine::Interpreter)
            }
        };
        compiled.map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failed::usage(lines.join("\n"), HINT)
        })
    }

    fn inputs(
        &self,
        bundle: &mut VerifiedBundle,
        files: &BundleFiles,
        policies: &Policies,
        check: &str,
    ) -> Result<u8, Failed> {
        if !policies.checks.contains_key(check) {
            return Err(Failed::usage(format!("{check:?} is no check"), "`evidenced checks` lists them"));
        }
        let offered = judging::offered(&files.facts.catalogue);
        let now = files.now().to_owned();
        let only = policies.only(|id| id == check);
        let mut printed = Ok(0);
        let mut places = 0;
        evidence_of(bundle, files, |evidence, region| {
            let place = format!("{}/{region}", evidence.account());
            let wanted = self.place.as_ref().is_none_or(|wanted| *wanted == place);
            // A check is given an input where it has rows, and nowhere else.
            if printed.is_ok() && wanted && !only.assess(&now, evidence, region, &offered).is_empty() {
                let input = policies.input(check, &now, evidence, region, &offered);
                places += 1;
                printed = print(format!("{}\n", input.unwrap_or(Value::Null)).as_bytes());
            }
        });
        match &self.place {
            Some(place) if places == 0 => Err(Failed::usage(
                format!("{check} is not run in {place}"),
                "such as 111122223333/eu-west-1, or 111122223333/global for a check of the account",
            )),
            _ => printed,
        }
    }
}
