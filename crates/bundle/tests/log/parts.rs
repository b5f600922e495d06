//! Runs in parts and the log: a root is adopted with its parts, and not without them.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroU16;

use evidenced_bundle::log::{Log, LogError};
use evidenced_bundle::store::{FolderLogStore, LogStore};
use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Kind, Limits, PartDraft, PartOf, PartRecord,
    prepare, seal_part,
};
use serde_json::{Value, json};

use crate::bag::{id, writer};
use crate::common::key;

const ACCOUNT: &str = "111122223333";

fn content(document: &Value) -> Content {
    Content::Bytes(format!("{document}\n").into_bytes())
}

/// A complete run of one cell, whose document is in a part.
fn divided(id: &BagId, key: &EvidenceKey) -> (Vec<(PartRecord, Vec<u8>)>, Vec<u8>) {
    let document = json!({"item": "vpc.vpcs", "account": ACCOUNT, "region": "eu-west-1", "calls": []});
    let path = format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.vpcs.json");
    let date = id.slot().date();
    let one = NonZeroU16::MIN;
    let part = PartDraft {
        id: id.clone(),
        part: PartOf { number: one, position: one, count: one },
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        bagging_date: date.clone(),
        files: BTreeMap::from([(BundlePath::new(path.clone()).unwrap(), content(&document))]),
    };
    let mut zip = Cursor::new(Vec::new());
    let sealed = seal_part(part, key.public().id(), &Limits::default(), &mut zip).unwrap();
    let zip = zip.into_inner();
    let record = sealed.record(Digest::of(&zip), zip.len().try_into().unwrap());

    let at = id.slot().to_string();
    let sha256 = Digest::of(format!("{document}\n").as_bytes()).to_string();
    let run = json!({
        "slot": at, "status": "complete", "trigger": "schedule", "schedule": "0 2 * * *",
        "collected": {"start": at, "end": at}, "scope": {"accounts": 1, "name": "demo", "regions": 1},
        "cells": [{"account": ACCOUNT, "region": "eu-west-1", "item": "vpc.vpcs", "status": "complete",
            "file": path, "sha256": sha256}],
    });
    let account = json!({"id": ACCOUNT, "name": "demo", "inScope": true, "regions": [
        {"name": "eu-west-1", "state": "enabled", "planned": true}]});
    let item = json!({"id": "vpc.vpcs", "title": "VPCs", "scope": "region", "criteria": [], "calls": []});
    let files = [
        ("data/catalogue.json", json!({"items": [item]})),
        ("data/config.json", json!({"scope": "demo", "schedule": "0 2 * * *"})),
        ("data/plan.json", json!({"accounts": [account]})),
        ("data/run.json", run),
    ];
    let draft = Draft {
        id: id.clone(),
        scope: id.scope().clone(),
        slot: id.slot(),
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        bagging_date: date,
        files: files.iter().map(|(path, file)| (BundlePath::new(*path).unwrap(), content(file))).collect(),
    };
    let draft = draft.with_parts(std::slice::from_ref(&record)).unwrap();
    let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let mut root = Cursor::new(Vec::new());
    unsigned.seal(signature, key.public(), &mut root).unwrap();
    (vec![(record, zip)], root.into_inner())
}

#[test]
fn an_orphan_in_parts_is_adopted_with_its_parts_and_not_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderLogStore::new(folder.path().join("store"));
    let keys = [key(1), key(2)];
    let (id, other) = (id(0, Kind::Schedule), id(1, Kind::Schedule));
    for (id, complete) in [(&id, true), (&other, false)] {
        let (parts, root) = divided(id, &key(1));
        for (record, zip) in parts.iter().filter(|_| complete) {
            store.create(&record.part.store_key(), zip).unwrap();
        }
        store.create(&id.store_key(), &root).unwrap();
    }
    let mut log = Log::new(&store, writer(&keys, None));
    let recovered = log.recover().unwrap();
    assert_eq!(recovered.adopted, [id]);
    let [(refused, LogError::Orphan { source, .. })] = &recovered.refused[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!(*refused, other);
    assert!(source.to_string().contains("part-0001"), "{source}");
    // The part comes after all, and the bundle is whole.
    let (parts, _) = divided(&other, &key(1));
    for (record, zip) in parts {
        store.create(&record.part.store_key(), &zip).unwrap();
    }
    assert_eq!(log.recover().unwrap().adopted, [other]);
}
