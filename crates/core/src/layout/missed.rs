//! The bag of a slot for which there was no run.
//!
//! It holds what was to be done (configuration, catalogue, the configured accounts) and why it was not: no evidence,
//! no row. It is written when the next slot is due, states the schedule to which the slot belonged, and says of itself
//! when it was written, so that nobody takes it for a run. Pure.

use std::collections::BTreeMap;

use evidenced_bundle::digest::Digest;
use evidenced_bundle::{BagId, Content, Draft, Scope, UtcSecond};
use serde_json::json;

use super::{Collector, LayoutError, bundle_path, catalogue_value, line};
use crate::config::{Config, effective};
use crate::moment;
use crate::plan::{Plan, PlannedAccount};
use crate::schedule::Schedule;

/// Why a slot has no run, as far as its writer knows.
#[derive(Debug, Clone)]
pub struct Missed {
    /// The schedule that made the slot due: that of the run before it, which may no longer be in force.
    pub schedule: Schedule,
    /// When the run before it ended, seconds since 1970.
    pub since: i64,
    /// When this is written, seconds since 1970.
    pub written: i64,
    /// Why, in one sentence.
    pub reason: String,
}

/// The bag that says that there was no run.
pub fn draft_missed(
    config: &Config,
    missed: &Missed,
    id: BagId,
    collector: &Collector,
) -> Result<Draft, LayoutError> {
    let mut config = config.clone();
    config.schedule = missed.schedule.clone();
    let config_bytes = line(&effective(&config, collector.trust_root.as_ref()));
    let config_digest = Digest::of(&config_bytes).to_string();
    let plan = configured(&config);
    let accounts = plan.accounts.iter().filter(|account| account.reason.is_none()).count();
    let written = moment::seconds(missed.written);
    let run = json!({
        "slot": moment::seconds(id.slot().unix()),
        "status": "missed",
        "trigger": id.kind().trigger(),
        "schedule": missed.schedule.as_str(),
        "collected": { "start": written, "end": written },
        "scope": { "name": config.scope, "accounts": accounts, "regions": 0 },
        "collector": collector.value(&config_digest, None),
        "reason": missed.reason,
        "downtime": { "from": moment::seconds(missed.since), "to": written },
        "totals": { "cells": {}, "documents": 0, "resources": 0, "pages": 0, "openGaps": 0 },
        "cells": [],
    });
    let mut run = run;
    if let Some(members) = run.as_object_mut() {
        collector.name_key(members);
        if let Some(bucket) = collector.bucket.as_ref().filter(|bucket| !bucket.accepted.is_empty()) {
            members.insert("acceptedBucket".to_owned(), json!(bucket.accepted));
        }
    }
    let mut files = BTreeMap::new();
    for (path, bytes) in [
        ("data/config.json", config_bytes),
        ("data/catalogue.json", line(&catalogue_value())),
        ("data/plan.json", line(&json!(plan))),
        ("data/run.json", line(&run)),
    ] {
        files.insert(bundle_path(path.to_owned())?, Content::Bytes(bytes));
    }
    Ok(Draft {
        scope: Scope::new(config.scope.clone()).ok_or(LayoutError::Value("the scope"))?,
        slot: id.slot(),
        bagging_date: UtcSecond::from_unix(missed.written).ok_or(LayoutError::Value("the time"))?.date(),
        organisation: config.organisation.clone(),
        agent: format!("evidenced {}", collector.version),
        id,
        files,
    })
}

/// The accounts that the configuration names. Nobody was asked for regions, nor for members of the organisation.
fn configured(config: &Config) -> Plan {
    let accounts = config.aws.accounts.iter().map(|(id, entry)| PlannedAccount {
        id: id.clone(),
        name: entry.name.clone().unwrap_or_default(),
        partition: "unknown".to_owned(),
        in_scope: entry.in_scope,
        owner: entry.owner.clone(),
        reason: entry.excluded.clone(),
        regions: Vec::new(),
    });
    Plan { accounts: accounts.collect() }
}

/// The slots without a run: those of `schedule` after the slot `last` and before `until`.
pub fn slots(schedule: &Schedule, last: i64, until: i64) -> impl Iterator<Item = i64> {
    std::iter::successors(schedule.after(last), |slot| schedule.after(*slot))
        .take_while(move |slot| *slot < until)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use evidenced_bundle::run::RunStatus;
    use evidenced_bundle::statement::Snapshot;
    use evidenced_bundle::{EvidenceKey, Kind, Limits, TrustedKeys, UntrustedBundle, prepare};

    use super::*;
    use crate::config::{TrustRootInForce, parse};

    const CONFIG: &str = "scope = \"test\"\norganisation = \"Example Ltd\"\nschedule = \"0 3 * * *\"\n\
        [store]\nurl = \"file:store\"\n[signing]\norigin = \"example.com/test\"\nevidence_key = \"file:key\"\n\
        [[aws.accounts]]\nid = \"111122223333\"\n[[aws.accounts]]\nid = \"444455556666\"\nexcluded = \"sandbox\"\n";

    #[test]
    fn a_missed_bag_verifies_and_states_the_schedule_that_made_its_slot_due() {
        let slot = moment::parse("2026-11-22T02:00:00Z").unwrap();
        let missed = Missed {
            schedule: Schedule::parse("0 2 * * *").unwrap(),
            since: slot - 86_000,
            written: slot + 90_000,
            reason: "no run of this slot was sealed".to_owned(),
        };
        let id = BagId::new(Scope::new("test").unwrap(), UtcSecond::from_unix(slot).unwrap(), Kind::Schedule);
        let image = Digest::of(b"image");
        let root = TrustRootInForce { version: 2, sha256: Digest::of(b"root") };
        let collector = Collector { image: Some(image), trust_root: Some(root), ..Collector::new("0.1.0") };
        let draft = draft_missed(&parse(CONFIG).unwrap(), &missed, id.clone(), &collector).unwrap();
        let key = EvidenceKey::from_seed(&[1; 32]);
        let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
        let signature = key.sign(unsigned.message()).unwrap();
        let mut zip = Cursor::new(Vec::new());
        unsigned.seal(signature, key.public(), &mut zip).unwrap();
        let keys = TrustedKeys::new([key.public().clone()]).unwrap();
        let mut bundle =
            UntrustedBundle::open(zip, &id.file_name(), &Limits::default()).verify(&keys).unwrap();
        let snapshot = Snapshot::of(&mut bundle).unwrap();
        assert_eq!(
            (snapshot.status, snapshot.schedule.as_str(), snapshot.accounts, snapshot.image_sha256),
            (RunStatus::Missed, "0 2 * * *", 1, Some(image))
        );
        assert_eq!(bundle.run().reason.as_deref(), Some("no run of this slot was sealed"));
    }

    #[test]
    fn every_slot_between_two_runs_is_missed_and_neither_of_the_two() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        let at = |text| moment::parse(text).unwrap();
        let found: Vec<String> = slots(&schedule, at("2026-11-18T02:00:00Z"), at("2026-11-21T02:00:00Z"))
            .map(moment::seconds)
            .collect();
        assert_eq!(found, ["2026-11-19T02:00:00Z", "2026-11-20T02:00:00Z"]);
        assert_eq!(slots(&schedule, at("2026-11-20T02:00:00Z"), at("2026-11-21T02:00:00Z")).count(), 0);
    }
}
