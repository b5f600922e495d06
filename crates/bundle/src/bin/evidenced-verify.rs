//! Verifies bundles without AWS, without network, without the collector.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = evidenced_bundle::command::cli_verify(
        std::env::args_os().skip(1),
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    ExitCode::from(code)
}
