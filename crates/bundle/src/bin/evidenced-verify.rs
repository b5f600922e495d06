//! Verifies bundles without AWS, without network, without the collector.

use std::io;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use evidenced_bundle::UtcSecond;
use evidenced_bundle::command::cli_verify;

fn main() -> ExitCode {
    // The workpaper names the time, and slots that are not over yet are told by it.
    let now = UNIX_EPOCH.elapsed().ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    let now = now.and_then(UtcSecond::from_unix);
    let arguments = std::env::args_os().skip(1);
    ExitCode::from(cli_verify(arguments, now, &mut io::stdout().lock(), &mut io::stderr().lock()))
}
