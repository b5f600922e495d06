//! The command behind `evidenced-verify`, and the part of it that `evidenced verify` shares.
//!
//! Arguments are few enough to be read by hand: the verifier has no argument parser among its dependencies.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use crate::key::{KeyError, PublicKey, TrustedKeys};
use crate::limits::Limits;
use crate::report::{Verdict, verify_path};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line, one line a path.
    Json,
}

/// Text of `--help`.
pub const HELP: &str = "\
Verifies bundles of evidenced: that the holder of a key signed exactly these files, and that the
evidence in them is what the run says it is. Nothing is unpacked, no network is used.

Usage: evidenced-verify PATH... --key evidence.pub.pem [--key FILE]... [--json]

Arguments:
  PATH            a bundle (<id>.zip), or the folder that it unpacks to

Options:
  --key FILE      public key that you trust (PEM), got by another way than the bundle; may be repeated
  --json          one JSON object a line for each PATH, with every check
  -h, --help      this text
  -V, --version   the version

The key's id is the SHA-256 of its DER form; compare it with what the organisation told you:
  openssl pkey -pubin -in evidence.pub.pem -outform DER | sha256sum

Exit code:
  0  genuine: every check passed, no planned evidence is missing
  4  genuine, with exceptions: evidence is missing, and the bundle says which
  5  not genuine: a check failed; its step and file are named
  2  could not tell: a file or a key could not be read, or the arguments are wrong
Of several paths the worst counts: 2, then 5, then 4.
";

/// Why verification could not begin.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// A key file could not be read.
    #[error("key {path} cannot be read")]
    KeyUnreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key file is not a public key that can be trusted.
    #[error("key {path} cannot be used")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The result could not be written.
    #[error("the result cannot be written")]
    Output(#[from] io::Error),
}

const KEY_FILE_BYTES: u64 = 64 << 10;

/// Reads public key files; at least one.
pub fn read_keys(paths: &[PathBuf]) -> Result<TrustedKeys, CommandError> {
    let keys = paths.iter().map(|path| read_key(path)).collect::<Result<Vec<_>, _>>()?;
    TrustedKeys::new(keys)
        .ok_or_else(|| CommandError::Usage("no key is given: --key evidence.pub.pem".to_owned()))
}

fn read_key(path: &Path) -> Result<PublicKey, CommandError> {
    let shown = path.display().to_string();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES).read_to_string(&mut text))
        .map_err(|source| CommandError::KeyUnreadable { path: shown.clone(), source })?;
    PublicKey::from_pem(&text).map_err(|source| CommandError::Key { path: shown, source })
}

/// Verifies each path, prints its report, and gives the worst verdict.
pub fn verify_paths(
    paths: &[PathBuf],
    keys: &TrustedKeys,
    limits: &Limits,
    format: Format,
    out: &mut dyn Write,
) -> Result<Verdict, CommandError> {
    if paths.is_empty() {
        return Err(CommandError::Usage("no bundle is given".to_owned()));
    }
    let mut verdicts = Vec::new();
    for path in paths {
        let report = verify_path(path, keys, limits);
        match format {
            Format::Text => write!(out, "{}", report.render_text())?,
            Format::Json => writeln!(out, "{}", report.render_json())?,
        }
        verdicts.push(report.verdict);
    }
    out.flush()?;
    Ok(Verdict::worst(verdicts))
}

/// The whole of `evidenced-verify`: arguments without the program's name; the exit code.
pub fn cli_verify(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    match run(arguments, out) {
        Ok(code) => code,
        Err(error) => {
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let hint = match &error {
                CommandError::Usage(_) => "\nhint: evidenced-verify --help",
                CommandError::Key { .. } => {
                    "\nhint: `openssl pkey -in evidence.key.pem -pubout` writes such a file"
                }
                _ => "",
            };
            // There is nowhere to report that standard error is closed; the code says it failed.
            writeln!(errors, "error: {error}{source}{hint}").unwrap_or_default();
            Verdict::CouldNotTell.exit_code()
        }
    }
}

fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> Result<u8, CommandError> {
    let (mut paths, mut keys, mut format) = (Vec::new(), Vec::new(), Format::Text);
    let mut arguments = arguments.into_iter();
    let mut options_end = false;
    while let Some(argument) = arguments.next() {
        let text = if options_end { None } else { argument.to_str().filter(|text| text.starts_with('-')) };
        match text {
            None => paths.push(PathBuf::from(argument)),
            Some("--") => options_end = true,
            Some("-h" | "--help") => {
                write!(out, "{HELP}")?;
                return Ok(0);
            }
            Some("-V" | "--version") => {
                writeln!(out, "evidenced-verify {}", env!("CARGO_PKG_VERSION"))?;
                return Ok(0);
            }
            Some("--json") => format = Format::Json,
            Some("--key") => {
                let file =
                    arguments.next().ok_or_else(|| CommandError::Usage("--key needs a file".to_owned()))?;
                keys.push(PathBuf::from(file));
            }
            Some(option) => match option.strip_prefix("--key=") {
                Some(file) => keys.push(PathBuf::from(file)),
                None => return Err(CommandError::Usage(format!("unknown option {option}"))),
            },
        }
    }
    let keys = read_keys(&keys)?;
    Ok(verify_paths(&paths, &keys, &Limits::default(), format, out)?.exit_code())
}
