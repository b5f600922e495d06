//! A path that is a store or a period bundle: step 11, with the options that belong to it.
//!
//! Refused before anything is read: such options without such a path, a checkpoint that would overwrite a file, and
//! one file of `--save-checkpoint` for two logs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{CommandError, Options};
use crate::anchor::Anchor;
use crate::check::{VerifyError, printable};
use crate::expect::{EXPECTATIONS_BYTES, Expectations};
use crate::id::BagId;
use crate::input::Input;
use crate::note::NOTE_BYTES;
use crate::period::{PeriodReport, Request, verify_shelf};
use crate::period_bundle::PeriodShelf;
use crate::report::Verdict;
use crate::shelf::FolderShelf;
use crate::span::Span;
use crate::time::UtcSecond;

/// What is asked of a log and a period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeriodOptions {
    /// `2026-Q4`.
    pub quarter: Option<String>,
    /// The first day.
    pub from: Option<String>,
    /// The last day.
    pub to: Option<String>,
    /// A checkpoint that was kept.
    pub pin: Option<PathBuf>,
    /// Where the newest checkpoint goes.
    pub save_checkpoint: Option<PathBuf>,
    /// What was agreed with the auditor.
    pub expect: Option<PathBuf>,
}

/// The same, read and checked.
pub(super) struct Asked {
    span: Option<Span>,
    pin: Option<(String, Vec<u8>)>,
    expectations: Option<Expectations>,
    /// The files that these came from.
    pub(super) inputs: Vec<Input>,
}

/// Whether a path is a store or a period bundle. A bundle of a slot that was renamed is still one, and is refused for
/// its name.
pub fn is_shelf(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("log").is_dir();
    }
    PeriodShelf::is_named(path) && first_folder(path).is_some_and(|folder| BagId::parse(&folder).is_none())
}

/// The folder of the first file of a zip: nothing is decided by it but which checks follow.
fn first_folder(path: &Path) -> Option<String> {
    const HEADER: usize = 30;
    // A pipe or a device could be opened and never end.
    path.is_file().then_some(())?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut bytes).ok()?;
    let name = bytes.strip_prefix(b"PK\x03\x04").and(bytes.get(HEADER..))?;
    let folder = name.split(|byte| *byte == b'/').next()?;
    String::from_utf8(folder.to_vec()).ok()
}

impl PeriodOptions {
    /// The days that are asked for, where there are any.
    pub fn span(&self) -> Result<Option<Span>, CommandError> {
        let usage = |text: String| CommandError::Usage(text);
        let span = match (&self.quarter, &self.from, &self.to) {
            (None, None, None) => None,
            (Some(quarter), None, None) => Some(Span::quarter(quarter)),
            (None, Some(from), Some(to)) => Some(Span::days(from, to)),
            _ => return Err(usage("give --quarter, or both --from and --to".to_owned())),
        };
        span.transpose().map_err(|error| usage(error.to_string()))
    }

    /// Reads what the options name.
    pub(super) fn read(&self, paths: &[PathBuf]) -> Result<Asked, CommandError> {
        let usage = |text: String| CommandError::Usage(text);
        let shelves = paths.iter().filter(|path| is_shelf(path)).count();
        if *self != Self::default() && shelves == 0 {
            let text = "--quarter, --from, --to, --pin, --save-checkpoint and --expect are for a store or a period \
                        bundle: a folder with log/ in it, or <scope>-<name>.zip";
            return Err(usage(text.to_owned()));
        }
        let span = self.span()?;
        if let Some(path) = &self.save_checkpoint {
            if shelves > 1 {
                return Err(usage("--save-checkpoint is for one log".to_owned()));
            }
            if path.symlink_metadata().is_ok() {
                return Err(not_saved(path, io::ErrorKind::AlreadyExists.into()));
            }
        }
        let mut inputs = Vec::new();
        let mut read = |path: &PathBuf, limit: u64| {
            let unreadable = |source| CommandError::File { path: path.display().to_string(), source };
            let bytes = read(path, limit).map_err(unreadable)?;
            inputs.push(Input::of(path, &bytes));
            Ok::<_, CommandError>(bytes)
        };
        let note_bytes = u64::try_from(NOTE_BYTES).unwrap_or(u64::MAX);
        let pin = match &self.pin {
            Some(path) => Some((path.display().to_string(), read(path, note_bytes)?)),
            None => None,
        };
        let expectations = match &self.expect {
            Some(path) => {
                let wrong = |why: String| usage(format!("{}: {why}", path.display()));
                let text = String::from_utf8(read(path, EXPECTATIONS_BYTES)?);
                let text = text.map_err(|_| wrong("is not text".to_owned()))?;
                Some(Expectations::parse(&text).map_err(|error| wrong(error.to_string()))?)
            }
            None => None,
        };
        Ok(Asked { span, pin, expectations, inputs })
    }
}

/// What was found of a store or a period bundle.
pub(super) fn find(
    path: &Path,
    anchor: &Anchor,
    asked: &Asked,
    options: &Options,
    now: Option<UtcSecond>,
) -> Result<PeriodReport, CommandError> {
    let name = path.display().to_string();
    let Anchor::Root(trust) = anchor else {
        let why =
            "a log needs a trust root, which says which log keys count: --trust DIR --root-fingerprint HEX";
        return Ok(PeriodReport::unread(&name, Verdict::CouldNotTell, why));
    };
    let request = |span| Request {
        trust,
        span,
        now,
        undated: options.undated,
        pin: asked.pin.as_ref().map(|(file, bytes)| (file.as_str(), bytes.as_slice())),
        expectations: asked.expectations.as_ref(),
        limits: options.limits,
    };
    let report = if path.is_dir() {
        match FolderShelf::new(path) {
            Ok(shelf) => verify_shelf(&name, &shelf, &request(asked.span)),
            Err(error) => PeriodReport::unread(&name, Verdict::CouldNotTell, &error.to_string()),
        }
    } else {
        match PeriodShelf::open_path(path, &mut |_, _| {}) {
            Ok(shelf) => {
                let input = Input { path: name.clone(), bytes: shelf.bytes(), sha256: *shelf.sha256() };
                let stated = asked.span.is_none();
                let span = asked.span.unwrap_or(*shelf.span());
                verify_shelf(&name, &shelf, &request(Some(span))).of_period_bundle(input, stated)
            }
            Err(error) => {
                let verdict = match error {
                    VerifyError::Refused { .. } => Verdict::NotGenuine,
                    VerifyError::Missing { .. } | VerifyError::Unreadable { .. } => Verdict::CouldNotTell,
                };
                PeriodReport::unread(&name, verdict, &with_source(&error))
            }
        }
    };
    if let Some(file) = &options.period.save_checkpoint {
        save(file, &report)?;
    }
    Ok(report)
}

/// Keeps the newest checkpoint as it was signed, of a log that is genuine and of no other.
fn save(file: &Path, report: &PeriodReport) -> Result<(), CommandError> {
    match (report.verdict, report.head()) {
        (Verdict::Genuine | Verdict::GenuineWithExceptions, Some(head)) => {
            super::create(file, head).map_err(|source| not_saved(file, source))
        }
        // The result says why.
        _ => Ok(()),
    }
}

fn not_saved(path: &Path, source: io::Error) -> CommandError {
    CommandError::Checkpoint { path: path.display().to_string(), source }
}

fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    // A pipe or a device could be opened and never end.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit_bytes) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    printable(&error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")))
}
