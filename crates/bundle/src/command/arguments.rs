//! The arguments of `evidenced-verify`, read by hand: the verifier has no argument parser among its dependencies.
//!
//! Options and paths in any order, `--name value` or `--name=value`, `--` before paths that begin with a hyphen.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{CommandError, Format, Options};
use crate::attest::Undated;

/// Text of `--help`.
pub const HELP: &str = "\
Verifies bundles of evidenced: that the holder of a key signed exactly these files, and that the
evidence in them is what the run says it is. With a trust root also when they were signed, where
the log has them and, of a store or a period bundle, that none was left out. Nothing is unpacked,
no network is used.

Usage: evidenced-verify PATH... --trust DIR --root-fingerprint HEX [--undated]
       evidenced-verify STORE --trust DIR --root-fingerprint HEX --quarter 2026-Q4 [--pin FILE]
       evidenced-verify PATH... --key evidence.pub.pem [--key FILE]...

Arguments:
  PATH                    a bundle (<id>.zip), or the folder that it unpacks to; what lies beside a
                          zip (.sigstore.json, .tlog-proof, .sshsig, .tsr) is verified with it; or
                          a store (a folder with log/ in it), or a period bundle (<scope>-<name>.zip)

Options:
  --trust DIR             trust root that you trust: its folder, or a file root-v<n>.dsse.json in it
  --root-fingerprint HEX  SHA-256 of its first statement, as the organisation published it; never
                          from the folder itself
  --trust-version N       refuse a trust root that ends before version N, which you have seen before
  --undated               with --trust: a bundle without any timestamp is an exception (exit code 4);
                          without this nothing can be said of it (2)
  --key FILE              public key that you trust (PEM), got by another way than the bundle; may
                          be repeated. Proves who signed; timestamps and log are not looked at
  --quarter 2026-Q4       the period: every slot that was due in it has its bundle; also
  --from DATE --to DATE   days of UTC, both included; of a period bundle the days that it names
  --pin FILE              the log begins with this checkpoint, kept from the last time
  --save-checkpoint FILE  keep the newest checkpoint for the next time; FILE must not be there
  --expect FILE           what was agreed beforehand (TOML: schedule, accounts, regions, items,
                          longest_gap); every deviation is an exception
  --json                  one JSON object a line for each PATH, with every check
  --workpaper FILE        write what an auditor files: inputs with SHA-256, each step, result, time;
                          FILE must not be there
  -h, --help              this text
  -V, --version           the version

Assurance: signed (by a trusted key), dated (by a pinned timestamp authority), logged (in the log),
pinned (in the log that was shown before).

The key's id is the SHA-256 of its DER form; compare it with what the organisation told you:
  openssl pkey -pubin -in evidence.pub.pem -outform DER | sha256sum

Exit code:
  0  genuine: every check passed, no planned evidence is missing
  4  genuine, with exceptions: evidence is missing, a date is late, a slot was missed or is not over
     yet, something is not as agreed; the result says which
  5  not genuine: a check failed, or a slot or a file of a store is absent; it is named
  2  could not tell: a file, a key or a sidecar is missing or cannot be read, or the arguments are
     wrong
Of several paths the worst counts: 2, then 5, then 4.
";

/// What the arguments ask for.
pub(super) enum Asked {
    /// The text above.
    Help,
    /// The version.
    Version,
    /// A verification.
    Verify(Box<Options>),
}

pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, CommandError> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    let mut options_end = false;
    while let Some(argument) = arguments.next() {
        let text = if options_end { None } else { argument.to_str().filter(|text| text.starts_with('-')) };
        let Some(text) = text else {
            options.paths.push(PathBuf::from(argument));
            continue;
        };
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        let alone = inline.is_none();
        let mut value = |what: &str| {
            let given = inline.clone().or_else(|| arguments.next()).filter(|value| !value.is_empty());
            given.ok_or_else(|| CommandError::Usage(format!("{name} needs {what}")))
        };
        match name {
            "--" if alone => options_end = true,
            "-h" | "--help" if alone => return Ok(Asked::Help),
            "-V" | "--version" if alone => return Ok(Asked::Version),
            "--json" if alone => options.format = Format::Json,
            "--undated" if alone => options.undated = Undated::Accepted,
            "--key" => options.keys.push(value("a file")?.into()),
            "--trust" => once(name, &mut options.trust, value("a folder")?.into())?,
            "--workpaper" => once(name, &mut options.workpaper, value("a file")?.into())?,
            "--root-fingerprint" => {
                let hex = text_of(&value("64 hexadecimal digits")?);
                once(name, &mut options.root_fingerprint, hex)?;
            }
            "--quarter" => {
                once(name, &mut options.period.quarter, text_of(&value("a quarter such as 2026-Q4")?))?;
            }
            "--from" => once(name, &mut options.period.from, text_of(&value("a date")?))?,
            "--to" => once(name, &mut options.period.to, text_of(&value("a date")?))?,
            "--pin" => once(name, &mut options.period.pin, value("a file")?.into())?,
            "--save-checkpoint" => once(name, &mut options.period.save_checkpoint, value("a file")?.into())?,
            "--expect" => once(name, &mut options.period.expect, value("a file")?.into())?,
            "--trust-version" => {
                let number = value("a number")?.to_str().and_then(|text| text.parse().ok());
                options.trust_version =
                    number.ok_or_else(|| CommandError::Usage("--trust-version needs a number".to_owned()))?;
            }
            _ => {
                return Err(CommandError::Usage(format!("unknown option {}", crate::check::printable(text))));
            }
        }
    }
    Ok(Asked::Verify(Box::new(options)))
}

/// What is no text is no date and no digits either, and is refused as such.
fn text_of(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

/// A second value would silently replace the first.
fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), CommandError> {
    if slot.replace(value).is_some() {
        return Err(CommandError::Usage(format!("{name} is given twice")));
    }
    Ok(())
}
