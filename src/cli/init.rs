//! `evidenced init`: keys, a trust root, a commented configuration and a folder store, ready for `evidenced collect`.
//!
//! The trust root is signed by one holder, whose key is made here: that is for a trial, and said. It is kept apart from
//! the keys that the collector uses, so that it can be moved away as it is.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use evidenced_bundle::Digest;
use evidenced_bundle::note::KeyName;
use evidenced_core::config;

use super::exit::Failed;
use super::trust::{self, First};
use super::{keygen, print};

/// Where the configuration expects the trust root, relative to itself.
pub(super) const TRUST: &str = "store/trust";
/// What the only holder of a trial is called.
const HOLDER: &str = "trial";

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
    /// Name of the log, such as evidence.example.com/prod, in every proof of it; fixed for ever [default:
    /// evidence/SCOPE].
    #[arg(long)]
    origin: Option<String>,
    /// Make no trust root: several holders will, with `evidenced trust init`.
    #[arg(long)]
    no_trust_root: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, Failed> {
    let scope = given(arguments.scope, "--scope", "Scope (names the bundles), such as prod")?;
    let organisation = given(arguments.organisation, "--organisation", "Organisation, such as Example Ltd")?;
    let origin = arguments.origin.unwrap_or_else(|| format!("evidence/{scope}"));
    let trust = if arguments.no_trust_root { None } else { Some(TRUST) };
    let text = template(&Names { scope: &scope, organisation: &organisation, origin: &origin, trust }, "");
    checked(&text)?;
    let dir = arguments.dir;
    let made = keys_and_trust(&dir, &origin, trust.is_some())?;
    let file = dir.join("evidenced.toml");
    keygen::create(&file, text.as_bytes(), 0o644)?;
    let (shown, store, file) = (dir.display(), dir.join("store"), file.display());
    let mut text = format!(
        "made {shown}\n  key id       {}\n  public key   {}\n  log          {origin}: this name is fixed for ever\n",
        made.key_id,
        made.public.display(),
    );
    let next = match made.fingerprint {
        Some(fingerprint) => format!(
            "  trust root   {}, version 1\n  fingerprint  {fingerprint}\n\n\
             One holder of one signs this trust root, with {}: that is for a trial.\n\
             Before an audit, move that key to a machine without network and let two of three people sign:\n  \
             evidenced trust rotate --dir {} --threshold 2 --holder NAME=FILE ...   (docs/TRUST.md)\n\n\
             Next:\n  give the fingerprint to your auditor by a way that nobody who can write to the store controls\n  \
             evidenced config check -c {file}\n  evidenced collect -c {file}\n  \
             evidenced verify {} --trust {} --root-fingerprint {fingerprint}\n",
            store.join("trust").display(),
            root_key(&dir).display(),
            store.join("trust").display(),
            store.display(),
            store.join("trust").display(),
        ),
        None => format!(
            "\nNext:\n  make a trust root with its holders (docs/TRUST.md) and name its folder in [signing] trust_root:\n  \
             evidenced trust init --dir {} --threshold 2 --holder NAME=FILE ... --evidence {} --log {origin}={}\n  \
             evidenced config check -c {file}\n  evidenced collect -c {file}\n",
            store.join("trust").display(),
            made.public.display(),
            dir.join("keys/log.pub.pem").display(),
        ),
    };
    text.push_str(&next);
    print(text.as_bytes())
}

/// What was made, for those who have to be told.
pub(super) struct Made {
    pub(super) key_id: String,
    pub(super) public: PathBuf,
    pub(super) fingerprint: Option<Digest>,
}

fn root_key(dir: &Path) -> PathBuf {
    dir.join("offline/root.key.pem")
}

/// The keys of a collector and, unless holders make it, a trust root that one key signs.
pub(super) fn keys_and_trust(dir: &Path, origin: &str, with_trust: bool) -> Result<Made, Failed> {
    let keys = dir.join("keys");
    fs::create_dir_all(&keys)?;
    fs::create_dir_all(dir.join("store"))?;
    let (public, evidence) = keygen::make(&keys, "evidence")?;
    let (_, log) = keygen::make(&keys, "log")?;
    let key_id = evidence.id().to_string();
    if !with_trust {
        return Ok(Made { key_id, public, fingerprint: None });
    }
    let origin = KeyName::new(origin).ok_or_else(|| {
        Failed::usage(format!("{origin:?} is not the name of a log"), "such as evidence.example.com/prod")
    })?;
    fs::create_dir_all(dir.join("offline"))?;
    keygen::make(&dir.join("offline"), "root")?;
    let first = First { holder: HOLDER, evidence: &evidence, origin, log: &log };
    let fingerprint = trust::make_first(&dir.join(TRUST), &root_key(dir), first)?;
    Ok(Made { key_id, public, fingerprint: Some(fingerprint) })
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

/// What a configuration is told.
pub(super) struct Names<'a> {
    pub(super) scope: &'a str,
    pub(super) organisation: &'a str,
    pub(super) origin: &'a str,
    /// Folder of the trust root, relative to the configuration.
    pub(super) trust: Option<&'a str>,
}

/// A commented configuration; `aws` is what goes into `[aws]`.
pub(super) fn template(names: &Names<'_>, aws: &str) -> String {
    let (scope, organisation, origin) =
        (quoted(names.scope), quoted(names.organisation), quoted(names.origin));
    let trust = match names.trust {
        Some(folder) => format!("trust_root = {}", quoted(folder)),
        None => format!("# trust_root = {}", quoted(TRUST)),
    };
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
         origin = {origin}             # name of the log; fixed for ever\n\
         evidence_key = \"file:keys/evidence.key.pem\"\n\
         log_key = \"file:keys/log.key.pem\"     # without it there is no log: nobody can see what was left out\n\
         {trust}            # which keys count; every bundle names its version\n\
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
        let organisation = "Müller \"& Söhne\" \\ Ltd";
        for trust in [None, Some(TRUST)] {
            let names = Names { scope: "prod", organisation, origin: "evidence.example.com/prod", trust };
            checked(&template(&names, "")).unwrap();
        }
    }
}
