//! `evidenced`: the shell. Parses, runs, prints the error chain once, and exits with the code of the table.
//!
//! Exit codes are one table for every command (`evidenced --help`). Standard output belongs to the command's result,
//! standard error to people.

mod aws;
mod cli;
mod client;
mod clock;
mod collector;
mod daemon;
mod doctor;
mod judge;
mod logging;
mod phase;
mod post;
mod preflight;
mod publish;
mod signer;
mod store;
mod trace;
mod trust_root;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
