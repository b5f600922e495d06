//! The command behind `evidenced-verify`, which `evidenced verify` shares: [`Options`] in, results and a verdict out.
//!
//! The two programs differ in how they read arguments and in nothing else. Time is an argument: the workpaper names it,
//! and slots that are not over yet are told by it. Refused before anything is verified: no trusted key, keys and a trust root at once, a workpaper that would
//! overwrite a file.

mod arguments;
mod parts;
mod period;
mod together;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use arguments::HELP;
pub use period::{PeriodOptions, is_shelf};

use crate::anchor::{self, Anchor, AnchorError};
use crate::attest::{Demand, Undated};
use crate::input::Input;
use crate::key::TrustedKeys;
use crate::limits::Limits;
use crate::report::{Verdict, verify_path};
use crate::time::UtcSecond;
use crate::workpaper::{Finding, Workpaper};
use arguments::Asked;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, one line a path.
    Json,
}

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What to verify; at least one.
    pub paths: Vec<PathBuf>,
    /// Files of public keys. With a trust root there are none.
    pub keys: Vec<PathBuf>,
    /// A trust root: its folder or a file of it.
    pub trust: Option<PathBuf>,
    /// SHA-256 of its first statement.
    pub root_fingerprint: Option<String>,
    /// The version that it must have reached; 0 for any.
    pub trust_version: u32,
    /// Whether a bundle without a timestamp is an exception or cannot be judged.
    pub undated: Undated,
    /// How results are printed.
    pub format: Format,
    /// Where the workpaper goes.
    pub workpaper: Option<PathBuf>,
    /// What is asked of a store or a period bundle.
    pub period: PeriodOptions,
    /// How much is read.
    pub limits: Limits,
}

/// Who verifies, and when.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    /// The program and its version.
    pub name: &'a str,
    /// The time; `None` when the clock of the machine shows none.
    pub now: Option<UtcSecond>,
}

/// Why verification could not begin, or its result not be written.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// There is nothing to verify with.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The workpaper was not written.
    #[error("workpaper {path} cannot be written")]
    Workpaper {
        /// Where it should go.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of an option could not be read.
    #[error("{path} cannot be read")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The checkpoint was not kept.
    #[error("checkpoint {path} cannot be written")]
    Checkpoint {
        /// Where it should go.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A workpaper says when.
    #[error("the clock of this machine shows no time that a workpaper could name")]
    Clock,
    /// The result could not be written.
    #[error("the result cannot be written")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Anchor(AnchorError::Key { .. }) => {
                Some("`openssl pkey -in evidence.key.pem -pubout` writes a public key file")
            }
            Self::Anchor(AnchorError::NoFingerprint | AnchorError::Fingerprint { .. }) => Some(
                "the organisation prints it with `evidenced trust show`, in its system description and its \
                 engagement letter",
            ),
            Self::Anchor(AnchorError::Root { .. }) => Some(
                "nothing was verified: get the folder `trust` of the store with every version, and compare the \
                 fingerprint with what the organisation published",
            ),
            Self::Checkpoint { .. } => {
                Some("a kept checkpoint is never overwritten: name a file that is not there")
            }
            Self::Workpaper { .. } => Some("a workpaper is never overwritten: name a file that is not there"),
            _ => None,
        }
    }
}

impl Options {
    /// What is trusted, and the files that it was read from.
    fn anchor(&self) -> Result<(Anchor, Vec<Input>), CommandError> {
        let mut inputs = Vec::new();
        let fingerprint = self.root_fingerprint.as_deref();
        let anchor = match &self.trust {
            Some(_) if !self.keys.is_empty() => {
                let both = "--key and --trust are given: a trust root brings its keys";
                return Err(CommandError::Usage(both.to_owned()));
            }
            Some(root) => Anchor::read_root(root, fingerprint, self.trust_version, &mut inputs)?,
            None if fingerprint.is_some() || self.trust_version > 0 || self.undated == Undated::Accepted => {
                let alone = "--root-fingerprint, --trust-version and --undated need --trust";
                return Err(CommandError::Usage(alone.to_owned()));
            }
            None => Anchor::Keys(anchor::read_keys(&self.keys, &mut inputs)?),
        };
        Ok((anchor, inputs))
    }
}

/// Reads public key files; at least one.
pub fn read_keys(paths: &[PathBuf]) -> Result<TrustedKeys, CommandError> {
    Ok(anchor::read_keys(paths, &mut Vec::new())?)
}

/// Verifies each path, prints what was found, writes the workpaper, and gives the worst verdict.
pub fn verify(
    options: &Options,
    verifier: Verifier<'_>,
    out: &mut dyn Write,
) -> Result<Verdict, CommandError> {
    if options.paths.is_empty() {
        return Err(CommandError::Usage("no bundle is given".to_owned()));
    }
    let (anchor, mut anchor_inputs) = options.anchor()?;
    let asked = options.period.read(&options.paths)?;
    anchor_inputs.extend(asked.inputs.iter().cloned());
    // Known before hours of work are done.
    let workpaper = options.workpaper.as_deref().map(|path| free(path, verifier.now)).transpose()?;
    let mut findings = Vec::new();
    let mut statements = Vec::new();
    for path in options.paths.iter().filter(|path| !parts::is_read_with_its_root(path, &options.paths)) {
        let finding = if period::is_shelf(path) {
            period::find(path, &anchor, &asked, options, verifier.now)?.into_finding()
        } else {
            let demand = Demand { undated: options.undated, ..Demand::default() };
            let report = verify_path(path, &anchor, &demand, &options.limits);
            statements.extend(report.logged.clone());
            report.into_finding()
        };
        print(&finding, options.format, out)?;
        findings.push(finding);
    }
    let paths = findings.len();
    let assurance = findings.iter().map(|finding| finding.assurance.clone());
    let assurance = assurance.reduce(|all, one| all.shared(&one)).unwrap_or_default();
    for finding in together::together(statements, &assurance) {
        print(&finding, options.format, out)?;
        findings.push(finding);
    }
    out.flush()?;
    if let Some((path, at)) = workpaper {
        let (anchor_inputs, findings) = (&anchor_inputs, &findings);
        let text = Workpaper { at, verifier: verifier.name, anchor: &anchor, anchor_inputs, findings, paths }
            .render();
        create(path, text.as_bytes()).map_err(|source| unwritten(path, source))?;
    }
    Ok(Verdict::worst(findings.iter().map(|finding| finding.verdict)))
}

fn print(finding: &Finding, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => write!(out, "{}", finding.text),
        Format::Json => writeln!(out, "{}", finding.json),
    }
}

/// The path of a workpaper that is not there yet, and the time that goes into it.
fn free(path: &Path, now: Option<UtcSecond>) -> Result<(&Path, UtcSecond), CommandError> {
    if path.symlink_metadata().is_ok() {
        return Err(unwritten(path, io::ErrorKind::AlreadyExists.into()));
    }
    Ok((path, now.ok_or(CommandError::Clock)?))
}

/// Writes a file that must not be there.
fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn unwritten(path: &Path, source: io::Error) -> CommandError {
    CommandError::Workpaper { path: path.display().to_string(), source }
}

/// The whole of `evidenced-verify`: arguments without the program's name, and the time; the exit code.
pub fn cli_verify(
    arguments: impl IntoIterator<Item = OsString>,
    now: Option<UtcSecond>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    match run(arguments, now, out) {
        Ok(code) => code,
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            let usage = matches!(error, CommandError::Usage(_)).then_some("evidenced-verify --help");
            if let Some(hint) = error.hint().or(usage) {
                text = format!("{text}\nhint: {hint}");
            }
            // There is nowhere to report that standard error is closed; the code says it failed.
            writeln!(errors, "{text}").unwrap_or_default();
            Verdict::CouldNotTell.exit_code()
        }
    }
}

fn run(
    arguments: impl IntoIterator<Item = OsString>,
    now: Option<UtcSecond>,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let name = concat!("evidenced-verify ", env!("CARGO_PKG_VERSION"));
    match arguments::parse(arguments)? {
        Asked::Help => write!(out, "{HELP}")?,
        Asked::Version => writeln!(out, "{name}")?,
        Asked::Verify(options) => return Ok(verify(&options, Verifier { name, now }, out)?.exit_code()),
    }
    Ok(0)
}
