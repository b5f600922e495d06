//! The command line: one file a subcommand, one table of exit codes.

mod acceptance;
mod checks;
mod collect;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod diff;
mod doctor;
mod download;
mod evaluate;
mod exceptions;
mod exit;
mod explain;
mod export;
mod fill;
mod genuine;
mod iam_policy;
mod init;
mod items;
mod judged;
mod keygen;
mod list;
mod period;
mod reperform;
mod report;
mod run;
mod status;
mod summary;
mod trust;
mod verify;
mod verify_page;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::logging::{self, LogFormat};
use crate::trace;
use exit::Failed;

const EXIT_CODES: &str = "\
Exit codes:
  0   good
  1   internal error
  2   usage or configuration, or could not tell
  3   findings, with --fail-on
  4   collected or genuine, with listed exceptions (gaps)
  5   not genuine
  6   no access: credentials or permissions at the door
  75  try again
Where several hold: 1, 2, 6, 5, 3, 4.";

/// Collects SOC 2 network-security evidence from AWS into signed bundles that anyone can verify.
#[derive(Debug, Parser)]
#[command(name = "evidenced", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    /// Form of the log on standard error.
    #[arg(long, global = true, value_enum, default_value = "text", env = "EVIDENCED_LOG_FORMAT")]
    log_format: LogFormat,
    /// Log more: -v what happens, -vv each request.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No progress bar.
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything without an AWS account: a simulated AWS, a run, a signed bundle, its verification.
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    /// Make keys, a commented configuration and a folder store.
    Init(init::Arguments),
    /// Collect once and store a signed bundle.
    Collect(collect::Arguments),
    /// Run for years: a snapshot at every slot of the schedule. Stops on SIGTERM; SIGUSR1 starts an extra run.
    Run(run::Arguments),
    /// Ask a running service whether it is well: for the health check of a container.
    Health(run::HealthArguments),
    /// Show how the last slots went, and when the next one is due. Reads the store: no service needs to run.
    ///
    /// Exit code 4 with gaps or missed slots among those shown, 5 when a slot is overdue by more than its period.
    Status(status::Arguments),
    /// List the bundles of the store, as the log has them.
    List(list::Arguments),
    /// Bring bundles from the store, and verify them on arrival.
    ///
    /// What is there already with the right digest is not fetched again, so a download that was interrupted goes on.
    /// Nothing is overwritten, and a file has its name only when it is whole.
    #[command(after_help = download::EXAMPLES)]
    Download(download::Arguments),
    /// Verify bundles: that they are what the holder of a key signed, and what is missing in them.
    Verify(verify::Arguments),
    /// Run checks over the evidence of a bundle: the present ones, or others.
    Evaluate(evaluate::Arguments),
    /// The process that the policies of other people run in; started by this program.
    #[command(hide = true)]
    Judge,
    /// Write what a bundle says in the form of other programs: CSV, OSCAL, OCSF. It is verified first.
    #[command(after_help = export::EXAMPLES)]
    Export(export::Arguments),
    /// Show what two bundles differ in: the estate, and apart from it what was asked and how it was judged.
    Diff(diff::Arguments),
    /// List the checks.
    Checks(checks::Arguments),
    /// Say what a check asks, why, from what, and what its verdicts mean.
    Explain(explain::Arguments),
    /// List the exceptions of the configuration, and which of them somebody should look at.
    #[command(after_help = exceptions::CODES)]
    Exceptions(exceptions::Arguments),
    /// Write the report that a bundle holds, once the bundle is verified.
    #[command(after_help = report::EXAMPLES)]
    Report(report::Arguments),
    /// Print the verifier for browsers: one file that works without a network.
    VerifyPage,
    /// Put everything about a period into one file, for the people who audit it.
    Period {
        #[command(subcommand)]
        command: period::Command,
    },
    /// Make, sign and change the trust root: which keys count, for what, from when to when.
    Trust {
        #[command(subcommand)]
        command: trust::Command,
    },
    /// Check that everything is there that a run needs: access, bucket, log, keys, authorities, clock, disk.
    #[command(after_help = doctor::STATES)]
    Doctor(doctor::Arguments),
    /// List the evidence items and their calls.
    Items(items::Arguments),
    /// Print the least-privilege IAM policy of exactly the calls that are made.
    ///
    /// Without an option: that of the roles that are read in each account, by the catalogue.
    IamPolicy(iam_policy::Arguments),
    /// Check a configuration.
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the page of every command into a folder.
    Man {
        /// Write one page per command here instead of printing the first.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// How a result is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Parses, runs, prints.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::from(error.use_stderr()) * 2;
            // A closed pipe is no reason for another code.
            error.print().unwrap_or_default();
            return ExitCode::from(code);
        }
    };
    // Until the end, when it sends the last spans, or as many as the collector takes in time.
    let _traces = logging::start(cli.log_format, cli.verbose, collector(&cli.command).as_deref());
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => failed.report(),
    }
}

/// Where the spans of a command that makes runs go.
fn collector(command: &Command) -> Option<String> {
    match command {
        Command::Run(arguments) => trace::endpoint(run::collector(arguments).as_deref()),
        Command::Collect(_) => trace::endpoint(None),
        _ => None,
    }
}

fn run(cli: Cli) -> Result<u8, Failed> {
    let quiet = cli.quiet;
    match cli.command {
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments, quiet),
        Command::Init(arguments) => init::run(arguments),
        Command::Collect(arguments) => collect::run(&arguments, quiet),
        Command::Run(arguments) => run::run(arguments),
        Command::Health(arguments) => run::health(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Download(arguments) => download::run(&arguments, quiet),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Judge => {
            crate::judge::serve()?;
            Ok(0)
        }
        Command::Export(arguments) => export::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Checks(arguments) => checks::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Exceptions(arguments) => exceptions::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::VerifyPage => verify_page::run(),
        Command::Period { command } => period::run(&command),
        Command::Trust { command } => trust::run(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Items(arguments) => items::run(&arguments),
        Command::IamPolicy(arguments) => iam_policy::run(&arguments),
        Command::Config { command } => config::run(&command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "evidenced", &mut script);
            print(&script)
        }
        Command::Man { dir: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(&page)
        }
        Command::Man { dir: Some(dir) } => {
            std::fs::create_dir_all(&dir)?;
            clap_mangen::generate_to(Cli::command(), &dir)?;
            Ok(0)
        }
    }
}

/// Writes a result to standard output; a reader that went away is not an error.
fn print(bytes: &[u8]) -> Result<u8, Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
