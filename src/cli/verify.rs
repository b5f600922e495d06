//! `evidenced verify`: the verifier of the bundle crate, with this program's options.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Args;
use evidenced_bundle::command::{Format, Options, PeriodOptions, Verifier, verify};
use evidenced_bundle::{Undated, UtcSecond, Verdict};

use super::exit::Failed;
use super::reperform::reperform;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Bundles (ID.zip) with what lies beside them, or the folders that they unpack to; a store (a folder with log/ in
    /// it); a period bundle (SCOPE-NAME.zip).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Trust root that you trust: its folder, or a file root-v<n>.dsse.json in it.
    #[arg(long, value_name = "DIR", conflicts_with = "key", required_unless_present = "key")]
    trust: Option<PathBuf>,
    /// SHA-256 of the first statement of the trust root, as the organisation published it; never from the folder
    /// itself.
    #[arg(long, value_name = "HEX", requires = "trust")]
    root_fingerprint: Option<String>,
    /// Refuse a trust root that ends before version N, which you have seen before.
    #[arg(long, value_name = "N", requires = "trust")]
    trust_version: Option<u32>,
    /// A bundle without any timestamp is an exception (exit code 4); without this nothing can be said of it (2).
    #[arg(long, requires = "trust")]
    undated: bool,
    /// Public key that you trust, got by another way than the bundle; may be repeated. Proves who signed; timestamps
    /// and log are not looked at.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Of a store or a period bundle: every slot that was due in this quarter has its bundle.
    #[arg(long, value_name = "2026-Q4", conflicts_with_all = ["from", "to"])]
    quarter: Option<String>,
    /// The same for days of UTC: the first.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<String>,
    /// The last day of them, included.
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,
    /// The log begins with this checkpoint, kept from the last time.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pin: Option<PathBuf>,
    /// Keep the newest checkpoint for the next time. The file must not be there.
    #[arg(long, value_name = "FILE", requires = "trust")]
    save_checkpoint: Option<PathBuf>,
    /// What was agreed beforehand (TOML: schedule, accounts, regions, items, `longest_gap`); every deviation is an
    /// exception (exit code 4).
    #[arg(long, value_name = "FILE", requires = "trust")]
    expect: Option<PathBuf>,
    /// Then run the bundle's own policies with its own parameters over its evidence, and compare with its findings row
    /// by row; each difference is named (exit code 5). Of a store or a period bundle: each bundle in it, of the days
    /// that were asked for.
    #[arg(long)]
    reperform: bool,
    /// One JSON object a line for each path, with every check.
    #[arg(long)]
    json: bool,
    /// Write what an auditor files: inputs with SHA-256, each step, result, time. The file must not be there.
    #[arg(long, value_name = "FILE")]
    workpaper: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<u8, Failed> {
    let options = Options {
        paths: arguments.paths,
        keys: arguments.key,
        trust: arguments.trust,
        root_fingerprint: arguments.root_fingerprint,
        trust_version: arguments.trust_version.unwrap_or(0),
        undated: if arguments.undated { Undated::Accepted } else { Undated::Refused },
        format: if arguments.json { Format::Json } else { Format::Text },
        workpaper: arguments.workpaper,
        period: PeriodOptions {
            quarter: arguments.quarter,
            from: arguments.from,
            to: arguments.to,
            pin: arguments.pin,
            save_checkpoint: arguments.save_checkpoint,
            expect: arguments.expect,
        },
        ..Options::default()
    };
    let now = UNIX_EPOCH.elapsed().ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    let name = concat!("evidenced verify ", env!("CARGO_PKG_VERSION"));
    let verifier = Verifier { name, now: now.and_then(UtcSecond::from_unix) };
    let verdict = verify(&options, verifier, &mut std::io::stdout().lock())?;
    if !arguments.reperform || matches!(verdict, Verdict::NotGenuine | Verdict::CouldNotTell) {
        return Ok(verdict.exit_code());
    }
    let again = reperform(&options, arguments.json)?;
    // Not genuine and could not tell outweigh what verification listed.
    Ok(if again == 0 { verdict.exit_code() } else { again })
}
