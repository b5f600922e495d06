//! Bags made without the code under test's writer, so that each part of one can be made wrong.

use std::collections::BTreeMap;
use std::io::Cursor;

use evidenced_bundle::{
    BagId, Check, Digest, EvidenceKey, Limits, TrustedKeys, UntrustedBundle, VerifiedBundle, VerifyError,
};
use serde_json::{Value, json};

use crate::raw_zip::{Archive, RawEntry};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const ID: &str = "evidence-prod-20261122T020000Z";
pub(crate) const DOCUMENT: &str = "data/evidence/111122223333/eu-west-1/vpc.vpcs.json";
pub(crate) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
pub(crate) const SIGNATURE: &str = "tagmanifest-sha256.txt.sig";

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn key(number: u8) -> EvidenceKey {
    EvidenceKey::from_seed(&[number; 32])
}

pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new([key(1).public().clone()]).unwrap()
}

/// The JSON of a run with a complete matrix, to be made wrong and then signed.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "named like the files")]
pub(crate) struct Run {
    pub(crate) config: Value,
    pub(crate) catalogue: Value,
    pub(crate) plan: Value,
    pub(crate) run: Value,
    /// Documents by path.
    pub(crate) documents: BTreeMap<String, Value>,
    /// Further files of the payload.
    pub(crate) more: Files,
}

impl Run {
    /// Two items of regions and two of accounts (one id in both scopes), one region planned and one not.
    pub(crate) fn complete() -> Self {
        let item = |id: &str, scope: &str| json!({"id": id, "title": id, "scope": scope, "criteria": [], "calls": []});
        let mut run = Self {
            config: json!({"scope": "prod", "schedule": "0 2 * * *"}),
            catalogue: json!({"items": [
                item("account.regions", "account"), item("vpc.vpcs", "region"),
                item("waf.web-acls", "region"), item("waf.web-acls", "account"),
            ]}),
            plan: json!({"accounts": [{"id": ACCOUNT, "name": "prod", "inScope": true, "regions": [
                {"name": "af-south-1", "state": "not-opted-in", "planned": false, "reason": "not opted in"},
                {"name": "eu-west-1", "state": "enabled", "planned": true},
            ]}]}),
            run: json!({
                "slot": "2026-11-22T02:00:00Z", "status": "complete", "trigger": "schedule", "schedule": "0 2 * * *",
                "collected": {"start": "2026-11-22T02:00:03Z", "end": "2026-11-22T02:00:12Z"},
                "scope": {"accounts": 1, "name": "prod", "regions": 1}, "cells": [],
            }),
            documents: BTreeMap::new(),
            more: BTreeMap::new(),
        };
        run.answer(ACCOUNT, "eu-west-1", "vpc.vpcs");
        run.answer(ACCOUNT, "eu-west-1", "waf.web-acls");
        run.answer(ACCOUNT, "global", "account.regions");
        run.answer(ACCOUNT, "global", "waf.web-acls");
        run.rows().push(json!({
            "account": ACCOUNT, "region": "af-south-1", "item": "vpc.vpcs", "status": "region-disabled",
            "reason": "not opted in",
        }));
        run
    }

    /// Adds a row `complete` and its document.
    pub(crate) fn answer(&mut self, account: &str, region: &str, item: &str) {
        let path = format!("data/evidence/{account}/{region}/{item}.json");
        let document = json!({
            "schema": "evidenced/evidence/v1", "item": item, "account": account, "region": region,
            "status": "complete",
            "calls": [{"service": "ec2", "operation": "DescribeVpcs", "output": {"Vpcs": [{"VpcId": "vpc-1"}]}}],
        });
        self.rows().push(json!({
            "account": account, "region": region, "item": item, "status": "complete", "file": path,
            "sha256": Digest::of(&line(&document)).to_string(), "resources": 1, "pages": 1, "requestIds": ["r-1"],
        }));
        self.documents.insert(path, document);
    }

    pub(crate) fn rows(&mut self) -> &mut Vec<Value> {
        self.run["cells"].as_array_mut().unwrap()
    }

    pub(crate) fn row(&mut self, region: &str, item: &str) -> &mut Value {
        self.rows().iter_mut().find(|row| row["region"] == region && row["item"] == item).unwrap()
    }

    /// Changes a document and the digest in its row.
    pub(crate) fn document(&mut self, region: &str, item: &str, change: impl FnOnce(&mut Value)) {
        let path = format!("data/evidence/{ACCOUNT}/{region}/{item}.json");
        let document = self.documents.get_mut(&path).unwrap();
        change(document);
        let digest = Digest::of(&line(document)).to_string();
        self.row(region, item)["sha256"] = json!(digest);
    }

    pub(crate) fn payload(&self) -> Files {
        let mut files = self.more.clone();
        for (name, value) in [
            ("config", &self.config),
            ("catalogue", &self.catalogue),
            ("plan", &self.plan),
            ("run", &self.run),
        ] {
            files.insert(format!("data/{name}.json"), line(value));
        }
        files.extend(self.documents.iter().map(|(path, document)| (path.clone(), line(document))));
        files
    }

    /// Signed with key 1 under the id of the tests.
    pub(crate) fn signed(&self) -> Files {
        signed(ID, &self.payload(), &key(1))
    }
}

pub(crate) fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

pub(crate) fn manifest(files: &Files) -> Vec<u8> {
    files
        .iter()
        .map(|(path, bytes)| format!("{}  {path}\n", Digest::of(bytes)))
        .collect::<String>()
        .into_bytes()
}

/// A whole bag around a payload.
pub(crate) fn signed(id: &str, payload: &Files, key: &EvidenceKey) -> Files {
    let mut files = payload.clone();
    files.extend(tags(id, payload, key));
    sign(&mut files, key);
    files
}

pub(crate) fn tags(id: &str, payload: &Files, key: &EvidenceKey) -> Files {
    let scope = BagId::parse(id).map_or("prod".to_owned(), |id| id.scope().to_string());
    let bytes: usize = payload.values().map(Vec::len).sum();
    let info = format!(
        "Bag-Group-Identifier: {scope}\nBag-Software-Agent: evidenced 0.1.0\nBagging-Date: 2026-11-22\n\
         Evidenced-Key-Id: {}\nExternal-Identifier: {id}\nPayload-Oxum: {bytes}.{}\n\
         Source-Organization: Example Ltd\n",
        key.public().id(),
        payload.len()
    );
    let mut files = Files::new();
    files.insert("README.txt".into(), b"A test.\n".to_vec());
    files.insert("bag-info.txt".into(), info.into_bytes());
    files.insert("bagit.txt".into(), b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec());
    files.insert("manifest-sha256.txt".into(), manifest(payload));
    files
}

/// Makes tag manifest and signature anew.
pub(crate) fn sign(files: &mut Files, key: &EvidenceKey) {
    rehash(files);
    let signature = key.sign(&files[TAG_MANIFEST]).unwrap();
    files.insert(SIGNATURE.into(), signature.to_vec());
}

/// Makes the tag manifest anew and leaves the signature.
pub(crate) fn rehash(files: &mut Files) {
    let names = ["README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt"];
    let tags =
        names.iter().filter_map(|name| Some(((*name).to_owned(), files.get(*name)?.clone()))).collect();
    files.insert(TAG_MANIFEST.into(), manifest(&tags));
}

/// A zip of the profile around files, under the id of the tests.
pub(crate) fn zip(files: &Files) -> Archive {
    Archive::new(files.iter().map(|(path, bytes)| RawEntry::deflated(&format!("{ID}/{path}"), bytes)))
}

pub(crate) fn verify(zip: Vec<u8>) -> Result<VerifiedBundle, VerifyError> {
    verify_named(zip, &format!("{ID}.zip"))
}

pub(crate) fn verify_named(zip: Vec<u8>, name: &str) -> Result<VerifiedBundle, VerifyError> {
    UntrustedBundle::open(Cursor::new(zip), name, &Limits::default()).verify(&trusted())
}

/// The check that refused, and the message.
pub(crate) fn refusal(result: Result<VerifiedBundle, VerifyError>) -> (Check, String) {
    match result {
        Err(error @ VerifyError::Refused { check, .. }) => (check, error.to_string()),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_bag_of_the_tests_is_genuine_until_it_is_made_wrong() {
    let mut bundle = verify(zip(&Run::complete().signed()).bytes()).unwrap();
    assert_eq!(bundle.id().to_string(), ID);
    assert_eq!(bundle.run().cells, BTreeMap::from([("complete", 4), ("region-disabled", 1)]));
    assert!(bundle.run().gaps.is_empty());
    let path = evidenced_bundle::BundlePath::new(DOCUMENT).unwrap();
    assert_eq!(bundle.read(&path).unwrap(), line(&Run::complete().documents[DOCUMENT]));
}
