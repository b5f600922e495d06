//! `evidenced config check`: every problem at once.

use std::path::PathBuf;

use clap::Subcommand;
use evidenced_core::config::effective;

use super::exit::Failed;
use super::{Output, print};
use crate::collector::{CollectError, Loaded};
use crate::publish;
use crate::trust_root::Trusted;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with a configuration, or what is in force.
    Check {
        /// The configuration.
        #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
        config: PathBuf,
        /// `json` prints the effective configuration, as it goes into every bundle.
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
}

pub(super) fn run(command: &Command) -> Result<u8, Failed> {
    let Command::Check { config, output } = command;
    let loaded = Loaded::read(config)?;
    let checks = loaded.checks()?;
    let trusted = publish::trusted(&loaded).map_err(CollectError::from)?;
    let trust_root = trusted.as_ref().map(Trusted::in_force);
    match output {
        Output::Json => print(format!("{:#}\n", effective(&loaded.config, trust_root.as_ref())).as_bytes()),
        Output::Table => {
            print(format!("{}: good; {} checks\n", config.display(), checks.all.checks.len()).as_bytes())
        }
    }
}
