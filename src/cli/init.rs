//! `evidenced init`: keys, a commented configuration and a folder store, ready for `evidenced collect`.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use evidenced_core::config;

use super::exit::Failed;
use super::{keygen, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where everything is made.
    #[arg(long)]
    dir: PathBuf,
    /// Names the bundles: a-z, 0-9 and -, at most 32.
    #[arg(long)]
    scope: Option<String>,
    /// The organisation, as every bundle names it.
    #[arg(long)]
    organisation: Option<String>,
    /// Origin of the log, such as evidence.example.com/prod; never changes.
    #[arg(long)]
    origin: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, Failed> {
    let scope = given(arguments.scope, "--scope", "Scope (names the bundles), such as prod")?;
    let organisation = given(arguments.organisation, "--organisation", "Organisation, such as Example Ltd")?;
    let origin = given(arguments.origin, "--origin", "Origin of the log, such as evidence.example.com/prod")?;
    let text = template(&scope, &organisation, &origin, "");
    checked(&text)?;
    let dir = arguments.dir;
    let keys = dir.join("keys");
    fs::create_dir_all(&keys)?;
    fs::create_dir_all(dir.join("store"))?;
    let (public, key) = keygen::make(&keys, "evidence")?;
    keygen::make(&keys, "log")?;
    let file = dir.join("evidenced.toml");
    keygen::create(&file, text.as_bytes(), 0o644)?;
    print(
        format!(
            "made {}\n  key id     {}\n  public key {}\n\nNext:\n  give the key id to your auditor by a way that nobody who can write to the store controls\n  evidenced config check -c {}\n  evidenced collect -c {}\n",
            dir.display(),
            key.id(),
            public.display(),
            file.display(),
            file.display()
        )
        .as_bytes(),
    )
}

/// An argument, or an answer when there is a person to ask.
fn given(argument: Option<String>, option: &str, question: &str) -> Result<String, Failed> {
    if let Some(text) = argument {
        return Ok(text);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failed::usage(format!("{option} is missing"), format!("{question}: {option} VALUE")));
    }
    write!(io::stderr(), "{question}: ")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// The configuration says what is wrong with the values, in its own words.
pub(super) fn checked(text: &str) -> Result<(), Failed> {
    match config::parse(text) {
        Ok(_) => Ok(()),
        Err(problems) => {
            let shown: Vec<String> = problems
                .iter()
                .map(|it| format!("{} = {}: {}", it.key, it.value.as_deref().unwrap_or(""), it.message))
                .collect();
            Err(Failed::usage(shown.join("; "), "evidenced init --help"))
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A commented configuration; `aws` is what goes into `[aws]`.
pub(super) fn template(scope: &str, organisation: &str, origin: &str, aws: &str) -> String {
    let (scope, organisation, origin) = (quoted(scope), quoted(organisation), quoted(origin));
    let aws = if aws.is_empty() {
        "regions = \"enabled\"                 # every region that an account has enabled, or [\"eu-central-1\", ...]\n\n\
         # Which accounts: none configured is the caller's own.\n\
         # [[aws.accounts]]\n\
         # id = \"111122223333\"\n\
         # role = \"EvidenceReader\"             # its policy: `evidenced iam-policy`\n\
         # external_id_file = \"external-id\"\n\
         # [aws.organization]                  # every active account of the organisation\n\
         # role = \"EvidenceReader\"\n\
         # external_id_file = \"external-id\"\n"
            .to_owned()
    } else {
        aws.to_owned()
    };
    format!(
        "# evidenced: paths are relative to this file; unknown keys are refused.\n\
         # `evidenced config check -c FILE` says everything that is wrong at once.\n\n\
         scope = {scope}                       # names the bundles\n\
         organisation = {organisation}         # Source-Organization of every bag\n\
         schedule = \"0 2 * * *\"                # when a snapshot is due: five numeric cron fields, UTC\n\n\
         [store]\n\
         url = \"file:store\"                    # bundles are created here and never overwritten\n\n\
         [spool]\n\
         dir = \"spool\"                         # where a run works\n\n\
         [signing]\n\
         origin = {origin}                     # of the log; never changes\n\
         evidence_key = \"file:keys/evidence.key.pem\"\n\
         log_key = \"file:keys/log.key.pem\"\n\
         timestamp_urls = []                   # RFC 3161 authorities, tried in order\n\n\
         [aws]                                 # credentials come from the standard chain\n\
         {aws}\n\
         [collect]\n\
         concurrency = 64                      # requests in flight\n\
         # quota_share = 0.3                   # of AWS's documented rates\n\
         raw = false                           # keep response bodies in the bundle\n\
         redact_headers = []                   # beside x-*-secret, x-*-token, x-*-key\n\
         items = [\"*\"]                         # ids of `evidenced items`, or prefixes such as \"vpc.*\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_configuration_has_no_problem_whatever_the_names() {
        checked(&template("prod", "Müller \"& Söhne\" \\ Ltd", "evidence.example.com/prod", "")).unwrap();
    }
}
