//! `evidenced report BUNDLE`: the report that a bundle holds, as files to open.
//!
//! 1. The bundle is verified; nothing of one that is not genuine is written.
//! 2. The page is taken out as it was signed, byte for byte; nothing is made anew.
//! 3. A report of several pages becomes a folder, so that they find each other. Nothing is overwritten.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use evidenced_bundle::{BundlePath, VerifiedBundle};
use evidenced_core::report::REPORT;

use super::exit::{Failed, INTERNAL, NOT_GENUINE};
use super::genuine::Believed;
use super::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  evidenced report evidence-prod-20261122T020000Z.zip
  evidenced report evidence-prod-20261122T020000Z.zip --key evidence.pub.pem
  evidenced report evidence-prod-20261122T020000Z.zip --trust store/trust --root-fingerprint HEX -o october.html";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The bundle (ID.zip), with what lies beside it.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The file to write; `-` for standard output. Without it: ID.report.html. A report of several pages (more than
    /// 10,000 verdicts) is a folder of this name, or ID.report, with report.html in it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    believed: Believed,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    // 1.
    let mut bundle = arguments.believed.judge()?.open(&arguments.bundle)?.bundle;
    // 2.
    let mut pages: Vec<BundlePath> = bundle.manifest().files().keys().cloned().collect();
    let first = pages.iter().find(|path| path.as_str() == REPORT).cloned();
    let first = first.ok_or_else(|| {
        let message = format!("{}: holds no {REPORT}: nothing was judged in it", bundle.id());
        Failed::usage(message, "a missed slot and a bundle of an earlier version have none")
    })?;
    let first = read(&mut bundle, &first)?;
    pages.retain(|path| path.as_str().starts_with("data/report/"));
    let output = arguments.output.as_deref();
    if output.is_some_and(|path| path.as_os_str() == "-") {
        if !pages.is_empty() {
            let message = format!("{}: its report has {} pages", bundle.id(), pages.len() + 1);
            return Err(Failed::usage(message, "name a folder for them with --output"));
        }
        return print(&first);
    }
    // 3.
    if pages.is_empty() {
        let path =
            output.map_or_else(|| PathBuf::from(format!("{}.report.html", bundle.id())), Path::to_owned);
        write(&path, &first)?;
        return print(format!("{}  {} bytes\n", path.display(), first.len()).as_bytes());
    }
    let folder = output.map_or_else(|| PathBuf::from(format!("{}.report", bundle.id())), Path::to_owned);
    let path = several(&mut bundle, &folder, &first, &pages)?;
    print(format!("{}  and {} pages beside it\n", path.display(), pages.len()).as_bytes())
}

fn read(bundle: &mut VerifiedBundle, path: &BundlePath) -> Result<Vec<u8>, Failed> {
    bundle.read(path).map_err(|error| Failed::new(NOT_GENUINE, error))
}

/// A folder as the paths in the bundle are, without their `data/`.
fn several(
    bundle: &mut VerifiedBundle,
    folder: &Path,
    first: &[u8],
    pages: &[BundlePath],
) -> Result<PathBuf, Failed> {
    fs::create_dir_all(folder.join("report"))?;
    let index = folder.join("report.html");
    write(&index, first)?;
    for page in pages {
        let bytes = read(bundle, page)?;
        write(&folder.join(page.as_str().strip_prefix("data/").unwrap_or(page.as_str())), &bytes)?;
    }
    Ok(index)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let shown = path.display();
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    let written = made.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failed::usage(format!("{shown}: is there already"), "name another file with --output")
        }
        _ => Failed::new(INTERNAL, format!("{shown}: cannot be written: {error}")),
    })
}
