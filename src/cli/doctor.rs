//! `evidenced doctor`: whether everything that a run needs is there.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::acceptance::{self, Form};
use super::exit::{Failed, NO_ACCESS, USAGE};
use super::print;
use crate::collector::{CollectError, Loaded};
use crate::doctor::{self, Line, Options, State};

/// What `evidenced doctor --help` ends with.
pub(super) const STATES: &str = "\
Each check ends as one of:
  ok       it is there
  warn     a run works, and somebody should look at it
  missing  a run fails, has gaps, or cannot be verified; the line below says what to do
  skipped  it was not asked, for the reason given

--json prints one object: `config` (the file), `exit` (the exit code), `counts` (by state), and
`checks`, a list of {check, subject?, state, detail, do?}.

The keys sign a fixed message that says that it is a test, and can be taken for nothing else; each
timestamp authority dates its digest. Nothing is written to the store or to the log.

With --acceptance, a real account is tried once for what no emulator can prove: see the list in
docs/OPERATIONS.md. Each check says what was done, expected and observed, and ends as one of:
  pass          exactly the expected was observed
  fail          something else was, or nothing; the line below says what to do
  not-possible  it cannot be tried from here; the line below has the command that shows it

It writes two or three small probes and its report below acceptance/ of the store, which keeps them
as long as its lock says, and tries to overwrite and to delete the probes; nothing else is touched.

Exit codes: 0 nothing is missing, nothing failed; 2 the configuration is broken; 6 something is
missing or failed.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// Profile of the shared AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Resolve and connect to the endpoint of every service in every region, and name those that cannot be reached.
    #[arg(long)]
    network: bool,
    /// Try what only a real account can prove, by probes in the store, with the role of the daemon.
    #[arg(long, conflicts_with = "network")]
    acceptance: bool,
    /// Write the report of --acceptance to a new file: text, or JSON where the name ends in .json.
    #[arg(long, value_name = "FILE", requires = "acceptance")]
    save: Option<PathBuf>,
    /// Print the checks as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let file = arguments.config.display().to_string();
    let loaded = match Loaded::read(&arguments.config) {
        Ok(loaded) => loaded,
        Err(error) if arguments.json => {
            print(object(&file, &[broken(&error)], USAGE).as_bytes())?;
            return Ok(USAGE);
        }
        Err(error) => return Err(error.into()),
    };
    let options = Options { profile: arguments.profile.clone(), network: arguments.network };
    if arguments.acceptance {
        let form = if arguments.json { Form::Json } else { Form::Text };
        return acceptance::run(&arguments.config, &loaded, &options, form, arguments.save.as_deref());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = runtime.block_on(doctor::examine(&arguments.config, &loaded, &options));
    // What still blocks was reported as such.
    runtime.shutdown_background();
    let missing = lines.iter().any(|line| line.state == State::Missing);
    let code = if missing { NO_ACCESS } else { 0 };
    let text = if arguments.json { object(&file, &lines, code) } else { table(&lines) };
    print(text.as_bytes())?;
    Ok(code)
}

/// A configuration that cannot be used, as the one check that could be made.
fn broken(error: &CollectError) -> Line {
    let mut detail = error.to_string();
    if let CollectError::Config { problems, .. } = error {
        for problem in &problems.config {
            write!(detail, "; {problem}").unwrap_or_default();
        }
        for problem in &problems.policies {
            write!(detail, "; {problem}").unwrap_or_default();
        }
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(detail, ": {cause}").unwrap_or_default();
        source = cause.source();
    }
    Line {
        check: "configuration",
        subject: None,
        state: State::Missing,
        detail,
        remedy: Some("`evidenced config check` says everything that is wrong at once".to_owned()),
    }
}

fn object(file: &str, lines: &[Line], code: u8) -> String {
    let counts: serde_json::Map<String, serde_json::Value> =
        State::ALL.iter().map(|state| (state.word().to_owned(), json!(count(lines, *state)))).collect();
    let value = json!({ "config": file, "exit": code, "counts": counts, "checks": lines });
    format!("{value}\n")
}

fn count(lines: &[Line], state: State) -> usize {
    lines.iter().filter(|line| line.state == state).count()
}

/// One line a check, and one below it where there is something to do.
fn table(lines: &[Line]) -> String {
    let name = |line: &Line| match &line.subject {
        Some(subject) => format!("{} {subject}", line.check),
        None => line.check.to_owned(),
    };
    let mut text = String::new();
    for line in lines {
        // Messages of servers are theirs: one line, and nothing that moves a cursor.
        let detail = evidenced_bundle::check::printable(&line.detail);
        let name = evidenced_bundle::check::printable(&name(line));
        writeln!(text, "{:<8} {name}: {detail}", line.state.word()).unwrap_or_default();
        if let Some(remedy) = &line.remedy {
            writeln!(text, "         -> {}", evidenced_bundle::check::printable(remedy)).unwrap_or_default();
        }
    }
    let counts: Vec<String> =
        State::ALL.iter().map(|state| format!("{} {}", count(lines, *state), state.word())).collect();
    writeln!(text, "{}", counts.join(", ")).unwrap_or_default();
    text
}
