//! `evidenced demo`: the whole path on a simulated AWS, without an account and without a configuration.
//!
//! Everything but AWS is real: signed requests over HTTP, the collector, the keys, the store, the verifier.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use evidenced_bundle::command::{CommandError, read_keys};
use evidenced_bundle::report::verify_path;
use evidenced_bundle::{Anchor, Demand, Digest, Limits, Undated};

use super::collect::{bag_id, exit_code};
use super::exit::{EXCEPTIONS, Failed, INTERNAL};
use super::{init, print, summary, trust};
use crate::aws::{Keys, Secret};
use crate::clock::Time;
use crate::collector::{self, Loaded, Overrides, Progress};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where keys, configuration, store and bundle are made; may be an earlier demonstration's.
    #[arg(long, default_value = "evidenced-demo")]
    dir: PathBuf,
    /// Accounts of the simulated organisation.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    accounts: u32,
    /// Decides every identifier of the simulated estate.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Seconds in which the simulated estate does not age.
const MOMENT: i64 = 600;
const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"];

pub(super) fn run(arguments: &Arguments, quiet: bool) -> Result<u8, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(demonstrate(arguments, quiet))
}

async fn demonstrate(arguments: &Arguments, quiet: bool) -> Result<u8, Failed> {
    let simulated = simcloud::Config {
        accounts: arguments.accounts,
        regions: REGIONS.iter().map(|region| (*region).to_owned()).collect(),
        seed: arguments.seed,
        // Ages of certificates count from today, so that the estate looks the same on any day; two demonstrations one
        // after the other have one estate, and `diff` shows none.
        now: Time::system().now().div_euclid(MOMENT) * MOMENT,
        ..simcloud::Config::default()
    };
    let keys = simcloud::credentials(&simulated);
    let external_id = simcloud::external_id(&simulated);
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let running = simcloud::start(simulated, listen)
        .await
        .map_err(|error| Failed::new(INTERNAL, Box::<dyn std::error::Error>::from(error)))?;
    let dir = &arguments.dir;
    let Pinned { public, fingerprint } = prepare(dir, &running.endpoint(), &external_id)?;
    let loaded = Loaded::read(&dir.join("evidenced.toml"))?;
    let id = bag_id(&loaded.config, None)?;
    let progress = Progress::new(id.to_string(), quiet);
    let overrides = Overrides {
        profile: None,
        keys: Some(Keys {
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: Secret::new(keys.secret_access_key.clone()),
        }),
        ..Overrides::default()
    };
    let stored = Box::pin(collector::collect(&loaded, id, overrides, &progress)).await;
    progress.finish();
    let stored = stored?;
    let requests: u64 = running.requests().values().sum();
    running.stop().await;

    let anchor = match fingerprint.map(|pinned| pinned.to_string()) {
        Some(pinned) => Anchor::read_root(&dir.join(init::TRUST), Some(&pinned), 0, &mut Vec::new())
            .map_err(CommandError::from)?,
        None => Anchor::Keys(read_keys(std::slice::from_ref(&public))?),
    };
    // No timestamp authority is asked from here: the demonstration needs no network.
    let demand = Demand { undated: Undated::Accepted, ..Demand::default() };
    let report = verify_path(&stored.path, &anchor, &demand, &Limits::default());
    let mut text = String::from("A simulated AWS answered on loopback; everything else was real.\n\n");
    text.push_str(&summary::text(&stored));
    text = format!("{text}  requests   {requests} signed API requests\n\n");
    text.push_str(&report.render_text());
    text.push_str(&next_steps(
        &stored.path,
        &stored.sealed.id.to_string(),
        &public,
        fingerprint.as_ref(),
        dir,
    ));
    print(text.as_bytes())?;
    // That nobody dated the bundle is listed, and is how a demonstration without a network has to be.
    let undated = matches!(report.exceptions.as_slice(), [only] if only.starts_with("undated"));
    let verified = if undated && report.exit_code() == EXCEPTIONS { 0 } else { report.exit_code() };
    Ok(verified.max(exit_code(&stored)))
}

/// Where the demonstration's keys are, and what it pins.
struct Pinned {
    public: PathBuf,
    /// None in the folder of an earlier version, which made no trust root.
    fingerprint: Option<Digest>,
}

const ORIGIN: &str = "evidence.example.com/demo";

/// Keys and trust root once, the configuration anew: the simulated AWS listens on another port each time.
fn prepare(dir: &Path, endpoint: &str, external_id: &str) -> Result<Pinned, Failed> {
    let public = dir.join("keys/evidence.pub.pem");
    let fingerprint = if public.exists() {
        trust::fingerprint(&dir.join(init::TRUST))?
    } else {
        init::keys_and_trust(dir, ORIGIN, true)?.fingerprint
    };
    let mark = "# Written by `evidenced demo`";
    let file = dir.join("evidenced.toml");
    if let Ok(text) = fs::read_to_string(&file)
        && !text.starts_with(mark)
    {
        let message = format!("{}: is not a demonstration's configuration", file.display());
        return Err(Failed::usage(message, "choose another --dir"));
    }
    let aws = format!(
        "endpoint_url = \"{endpoint}\"  # the simulated AWS; gone when the demonstration ends\n\
         regions = \"enabled\"\n\n[aws.organization]\nrole = \"{}\"\nexternal_id_file = \"external-id\"\n",
        simcloud::ROLE_NAME
    );
    let names = init::Names {
        scope: "demo",
        organisation: "Example Ltd (simulated)",
        origin: ORIGIN,
        trust: fingerprint.is_some().then_some(init::TRUST),
    };
    let config = init::template(&names, &aws);
    fs::write(&file, format!("{mark}; written anew each time.\n{config}"))?;
    fs::write(dir.join("external-id"), format!("{external_id}\n"))?;
    Ok(Pinned { public, fingerprint })
}

fn next_steps(bundle: &Path, id: &str, public: &Path, fingerprint: Option<&Digest>, dir: &Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "evidenced".to_owned());
    let (bundle, public, dir) = (bundle.display(), public.display(), dir.display());
    let (anchor, undated) = match fingerprint {
        Some(pinned) => (format!("--trust {dir}/{} --root-fingerprint {pinned}", init::TRUST), " --undated"),
        None => (format!("--key {public}"), ""),
    };
    format!(
        "\nVerify it yourself:\n\
         \x20 {program} verify {bundle} {anchor}{undated}\n\
         or with openssl and sha256sum only:\n\
         \x20 KEY=$(realpath {public}); unzip -q {bundle} -d {dir}/unpacked && cd {dir}/unpacked/{id}\n\
         \x20 openssl pkeyutl -verify -pubin -inkey \"$KEY\" -rawin -in tagmanifest-sha256.txt -sigfile tagmanifest-sha256.txt.sig\n\
         \x20 sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict --quiet manifest-sha256.txt\n\
         \x20 test \"$(find data -type f | wc -l)\" -eq \"$(wc -l < manifest-sha256.txt)\" && echo no file was added\n\
         \nNext:\n\
         \x20 {program} report {bundle} -c {dir}/evidenced.toml\n\
         \x20                            the page that people read: verdicts, gaps, networks\n\
         \x20 {program} init --dir DIR   make keys and a configuration for your own accounts\n\
         \x20 {program} iam-policy       what the collector may do there\n",
    )
}
