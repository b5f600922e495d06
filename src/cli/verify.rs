//! `evidenced verify`: the verifier of the bundle crate, with this program's options.

use std::path::PathBuf;

use clap::Args;
use evidenced_bundle::Limits;
use evidenced_bundle::command::{Format, read_keys, verify_paths};

use super::exit::Failed;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Bundles (ID.zip), or the folders that they unpack to.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Public key that you trust, got by another way than the bundle; may be repeated.
    #[arg(long, required = true, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// One JSON object a line for each path, with every check.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let keys = read_keys(&arguments.key)?;
    let format = if arguments.json { Format::Json } else { Format::Text };
    let mut out = std::io::stdout().lock();
    Ok(verify_paths(&arguments.paths, &keys, &Limits::default(), format, &mut out)?.exit_code())
}
