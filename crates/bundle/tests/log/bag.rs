//! Small bundles of many slots, and who writes them.

use std::collections::BTreeMap;
use std::io::Cursor;

use evidenced_bundle::log::Writer;
use evidenced_bundle::note::Checkpoint;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::statement::Snapshot;
use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Kind, Limits, Scope, TrustedKeys,
    UntrustedBundle, UtcSecond, prepare,
};
use serde_json::{Value, json};

use crate::common::origin;

/// The slot with this number: one a day.
pub(crate) fn slot(number: i64) -> UtcSecond {
    UtcSecond::from_unix(1_790_820_000 + number * 86_400).unwrap()
}

pub(crate) fn id(number: i64, kind: Kind) -> BagId {
    BagId::new(Scope::new("demo").unwrap(), slot(number), kind)
}

/// The bundle of a slot for which there was no run, written so many seconds after it: two writers' differ.
pub(crate) fn bag(id: &BagId, late: i64, key: &EvidenceKey) -> (Snapshot, Vec<u8>) {
    bag_on("0 2 * * *", id, late, key)
}

/// The same on another schedule.
pub(crate) fn bag_on(schedule: &str, id: &BagId, late: i64, key: &EvidenceKey) -> (Snapshot, Vec<u8>) {
    let written = UtcSecond::from_unix(id.slot().unix() + late).unwrap();
    let account = json!({"id": "111122223333", "name": "demo", "inScope": true, "regions": [
        {"name": "eu-west-1", "state": "enabled", "planned": true}]});
    let run = json!({
        "slot": id.slot().to_string(), "status": "missed", "trigger": id.kind().trigger(),
        "schedule": schedule, "collected": {"start": written.to_string(), "end": written.to_string()},
        "scope": {"accounts": 1, "name": "demo", "regions": 1}, "cells": [], "reason": "no run",
        "collector": {"version": "0.1.0", "policiesDigest": {"sha256": Digest::of(b"").to_string()}},
    });
    let config = json!({"scope": "demo", "schedule": schedule});
    let documents = [
        (
            "data/catalogue.json",
            json!({"items": [
            {"id": "vpc.vpcs", "title": "VPCs", "scope": "region", "criteria": [], "calls": []}]}),
        ),
        ("data/config.json", config.clone()),
        ("data/plan.json", json!({"accounts": [account]})),
        ("data/run.json", run),
    ];
    let content = |document: &Value| Content::Bytes(format!("{document}\n").into_bytes());
    let files: BTreeMap<_, _> = documents
        .iter()
        .map(|(path, document)| (BundlePath::new(*path).unwrap(), content(document)))
        .collect();
    let draft = Draft {
        id: id.clone(),
        scope: id.scope().clone(),
        slot: id.slot(),
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        bagging_date: id.slot().date(),
        files,
    };
    let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let mut zip = Cursor::new(Vec::new());
    let sealed = unsigned.seal(signature, key.public(), &mut zip).unwrap();
    let zip = zip.into_inner();
    let snapshot = Snapshot {
        id: id.clone(),
        zip_sha256: Digest::of(&zip),
        tagmanifest_sha256: sealed.tagmanifest_sha256,
        started: written,
        ended: written,
        version: "0.1.0".to_owned(),
        config_sha256: Digest::of(format!("{config}\n").as_bytes()),
        policies_sha256: Some(Digest::of(b"")),
        image_sha256: None,
        schedule: schedule.to_owned(),
        accounts: 1,
        regions: 1,
        status: RunStatus::Missed,
    };
    (snapshot, zip)
}

/// What adoption reads from the zip.
pub(crate) fn snapshot(id: &BagId, zip: &[u8], key: &EvidenceKey) -> Snapshot {
    let keys = TrustedKeys::new([key.public().clone()]).unwrap();
    let bundle = UntrustedBundle::open(Cursor::new(zip.to_vec()), &id.file_name(), &Limits::default());
    Snapshot::of(&mut bundle.verify(&keys).unwrap()).unwrap()
}

/// Evidence key 1, log key 2, no timestamp authority.
pub(crate) fn writer(keys: &[EvidenceKey; 2], high_water: Option<Checkpoint>) -> Writer<'_> {
    Writer {
        origin: origin(),
        evidence: &keys[0],
        log: &keys[1],
        evidence_keys: Vec::new(),
        log_keys: Vec::new(),
        stamp: &|_| Vec::new(),
        high_water,
        limits: Limits::default(),
    }
}
