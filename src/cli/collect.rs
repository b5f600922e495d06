//! `evidenced collect`: one run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use evidenced_bundle::{BagId, Kind, Scope, UtcSecond};
use evidenced_core::config::Config;
use evidenced_core::moment;

use super::exit::{EXCEPTIONS, FINDINGS, Failed};
use super::fill::{self, Narrowing};
use super::judged::FailOn;
use super::{Output, print, summary};
use crate::client::Access;
use crate::clock::Time;
use crate::collector::{self, BucketRules, CollectError, Loaded, Overrides, Progress, Stored};
use crate::publish::EstateRules;

const UNTIL_THE_SECOND_IS_OVER: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// The scheduled slot that this run fills, such as 2026-11-22T02:00:00Z. None: an extra run of this moment.
    #[arg(long, value_name = "RFC3339")]
    slot: Option<String>,
    /// Ask again for the open gaps of a slot that is in the log as partial, and store what is found as a supplement to
    /// it. The slot stays partial; both are shown.
    #[arg(long, value_name = "SLOT", conflicts_with = "slot")]
    fill: Option<String>,
    /// Of the gaps, only those of this account; `*` at the end stands for any text. May be given several times.
    #[arg(long, value_name = "ID", requires = "fill")]
    account: Vec<String>,
    /// Of the gaps, only those of this region (or `global`). May be given several times.
    #[arg(long, value_name = "REGION", requires = "fill")]
    region: Vec<String>,
    /// Of the gaps, only those of this item. May be given several times.
    #[arg(long, value_name = "ITEM", requires = "fill")]
    item: Vec<String>,
    /// Profile of the shared AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Write even into a bucket that is not HTTPS-only or may become public; every bundle says so.
    #[arg(long)]
    accept_bucket: bool,
    /// Go on although the newest bundle names another organisation, or accounts of which this configuration has none.
    #[arg(long)]
    accept_estate: bool,
    /// End with exit code 3 when there are such verdicts; may be repeated.
    #[arg(long, value_enum, value_name = "VERDICT")]
    fail_on: Vec<FailOn>,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) fn run(arguments: &Arguments, quiet: bool) -> Result<u8, Failed> {
    let loaded = Loaded::read(&arguments.config)?;
    let (id, fill) = match &arguments.fill {
        None => (bag_id(&loaded.config, arguments.slot.as_deref())?, None),
        Some(slot) => {
            let access = Access::of(arguments.config.clone(), arguments.profile.clone());
            let narrowing = Narrowing {
                accounts: &arguments.account,
                regions: &arguments.region,
                items: &arguments.item,
            };
            let (id, fill) = fill::plan(&access, slot, &narrowing)?;
            (id, Some(fill))
        }
    };
    let overrides = || Overrides {
        profile: arguments.profile.clone(),
        bucket: if arguments.accept_bucket { BucketRules::Overridden } else { BucketRules::Demanded },
        estate: if arguments.accept_estate { EstateRules::Overridden } else { EstateRules::Demanded },
        fill: fill.clone(),
        ..Overrides::default()
    };
    let mut stored = make(&loaded, id.clone(), overrides(), quiet)?;
    if id.kind() == Kind::Manual && matches!(stored, Err(CollectError::SlotTaken { .. })) {
        // A bundle has its second in its name, and somebody has made a run in this one.
        tracing::info!(bundle = %id, "a run was made in this second: this one is named by the next");
        while Time::system().now() <= id.slot().unix() {
            std::thread::sleep(UNTIL_THE_SECOND_IS_OVER);
        }
        stored = make(&loaded, bag_id(&loaded.config, None)?, overrides(), quiet)?;
    }
    let stored = stored?;
    match arguments.output {
        Output::Table => print(summary::text(&stored).as_bytes())?,
        Output::Json => print(summary::json(&stored).as_bytes())?,
    };
    if FailOn::met(&arguments.fail_on, &stored.assessment) {
        return Ok(FINDINGS);
    }
    Ok(exit_code(&stored))
}

/// 0 for a complete run, 4 when a gap is open.
pub(super) fn exit_code(stored: &Stored) -> u8 {
    if stored.snapshot.open_gaps().next().is_some() { EXCEPTIONS } else { 0 }
}

/// Makes the run on a runtime of its own.
fn make(
    loaded: &Loaded,
    id: BagId,
    overrides: Overrides,
    quiet: bool,
) -> std::io::Result<Result<Stored, CollectError>> {
    let progress = Progress::new(id.to_string(), quiet);
    // One thread: a run waits for AWS, and hand-overs between threads cost more than a second core brings.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stored = runtime.block_on(collector::collect(loaded, id, overrides, &progress));
    progress.finish();
    Ok(stored)
}

/// The bundle of a slot, or of this moment.
pub(super) fn bag_id(config: &Config, slot: Option<&str>) -> Result<BagId, Failed> {
    let (unix, kind) = match slot {
        None => (Time::system().now(), Kind::Manual),
        Some(text) => (scheduled(config, text)?, Kind::Schedule),
    };
    let scope = Scope::new(config.scope.clone());
    let slot = UtcSecond::from_unix(unix);
    scope.zip(slot).map(|(scope, slot)| BagId::new(scope, slot, kind)).ok_or_else(|| {
        Failed::usage(
            format!("slot {} cannot be named in a bundle", moment::seconds(unix)),
            "use a slot between 1980 and 2107",
        )
    })
}

fn scheduled(config: &Config, text: &str) -> Result<i64, Failed> {
    let schedule = &config.schedule;
    let now = Time::system().now();
    let unix = moment::parse(text).ok_or_else(|| {
        let due = schedule.at_or_before(now).map(moment::seconds).unwrap_or_default();
        Failed::usage(
            format!("--slot {text:?} is not a time in whole seconds"),
            format!("the last slot that fell due is {due}"),
        )
    })?;
    if !schedule.is_slot(unix) {
        let before = schedule.at_or_before(unix).map(moment::seconds).unwrap_or_default();
        let after = schedule.after(unix).map(moment::seconds).unwrap_or_default();
        return Err(Failed::usage(
            format!(
                "--slot {} is not an instant of the schedule {:?}",
                moment::seconds(unix),
                schedule.as_str()
            ),
            format!("the nearest slots are {before} and {after}"),
        ));
    }
    if unix > now {
        return Err(Failed::usage(
            format!("--slot {} is in the future", moment::seconds(unix)),
            format!("it is {}; leave --slot out for an extra run", moment::seconds(now)),
        ));
    }
    Ok(unix)
}
