//! Runs the simulated AWS by itself, so that the AWS CLI can talk to it.
//!
//! Prints one line of JSON on standard output: where it listens, the credentials of the management account, the role
//! and external id of the others. Ends with the interrupt signal.

use std::{error::Error, io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use serde_json::json;
use simcloud::{
    Config, Fault, ROLE_NAME, Scale, Signatures, account_ids, credentials, external_id, start, truth,
};

/// A simulated AWS on loopback.
#[derive(Debug, Parser)]
#[command(name = "simcloud", version)]
struct Arguments {
    /// Loopback address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Accounts of the organisation.
    #[arg(long, default_value_t = 1)]
    accounts: u32,
    /// Regions that are enabled, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "us-east-1,eu-central-1")]
    regions: Vec<String>,
    /// How much there is in a region: small, medium, or how many times small.
    #[arg(long, default_value_t = Scale::Small)]
    scale: Scale,
    /// Decides every identifier.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fault rules, JSON or TOML.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Writes which resources have which property, and goes on.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// At most so many entries a page, whatever is asked for.
    #[arg(long, value_name = "N")]
    page_cap: Option<u32>,
    /// Seconds since 1970 that ages and expiries count from; the present when left out.
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
    /// How long credentials of a role live, in seconds.
    #[arg(long, value_name = "SECONDS")]
    session_seconds: Option<u32>,
    /// A marker that is planted in every field that holds a secret, and in tags.
    #[arg(long, value_name = "TEXT")]
    canary: Option<String>,
    /// `off` does not look at signatures: for benchmarks only.
    #[arg(long, value_name = "verify|off", default_value = "verify", value_parser = ["verify", "off"])]
    signatures: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("simcloud: {error}");
            let mut cause = error.source();
            while let Some(next) = cause {
                text = format!("{text}: {next}");
                cause = next.source();
            }
            // Nobody is left to tell if this fails too.
            writeln!(std::io::stderr(), "{text}").unwrap_or_default();
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let faults = match &arguments.faults {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Fault::parse(&text)?
        }
        None => Vec::new(),
    };
    let present = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let config = Config {
        accounts: arguments.accounts,
        regions: arguments.regions,
        seed: arguments.seed,
        scale: arguments.scale,
        faults,
        page_cap: arguments.page_cap,
        now: match arguments.now {
            Some(now) => now,
            None => i64::try_from(present)?,
        },
        signatures: if arguments.signatures == "off" { Signatures::Off } else { Signatures::Verify },
        session_seconds: arguments.session_seconds,
        canary: arguments.canary,
    };
    let running = start(config.clone(), arguments.listen).await?;
    if let Some(path) = &arguments.truth {
        let text = serde_json::to_string_pretty(&truth(&config))?;
        std::fs::write(path, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let own = credentials(&config);
    let line = json!({
        "endpoint": running.endpoint(),
        "address": running.address().to_string(),
        "access_key_id": own.access_key_id,
        "secret_access_key": own.secret_access_key,
        "role_name": ROLE_NAME,
        "external_id": external_id(&config),
        "accounts": account_ids(&config),
        "regions": config.regions,
        "now": config.now,
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
