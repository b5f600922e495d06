//! Bags whose zip is in order and whose contents are not: made without the key, or with the key and a lie.

use std::collections::BTreeMap;

use evidenced_bundle::{Check, Digest, PublicKey, VerifyError};
use serde_json::{Value, json};

use crate::bag::{
    ACCOUNT, DOCUMENT, Files, ID, Run, SIGNATURE, TAG_MANIFEST, key, line, manifest, refusal, rehash, sign,
    signed, tags, verify, zip,
};

fn refused(files: &Files) -> (Check, String) {
    refusal(verify(zip(files).bytes()))
}

// Without the key.

#[test]
fn bag_manifest_rewritten() {
    let mut files = Run::complete().signed();
    files.insert(DOCUMENT.into(), b"{}\n".to_vec());
    let payload: Files = files.clone().into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
    files.insert("manifest-sha256.txt".into(), manifest(&payload));
    assert_eq!(refused(&files).0, Check::TagFiles);
}

#[test]
fn bag_tagmanifest_rewritten() {
    let mut files = Run::complete().signed();
    files.insert(DOCUMENT.into(), b"{}\n".to_vec());
    let payload: Files = files.clone().into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
    files.extend(tags(ID, &payload, &key(1)));
    rehash(&mut files);
    assert_eq!(refused(&files).0, Check::Signature);
}

#[test]
fn signed_by_another_key() {
    // The attacker's key, under their own id and under ours.
    assert_eq!(refused(&signed(ID, &Run::complete().payload(), &key(2))).0, Check::Signature);
    let mut files = Run::complete().signed();
    sign(&mut files, &key(2));
    assert_eq!(refused(&files).0, Check::Signature);
}

#[test]
fn signatures_of_other_lengths_and_places_are_refused() {
    let genuine = Run::complete().signed();
    for bytes in [
        Vec::new(),
        genuine[SIGNATURE][..63].to_vec(),
        [&genuine[SIGNATURE][..], b"\n"].concat(),
        vec![0; 64],
    ] {
        let mut files = genuine.clone();
        files.insert(SIGNATURE.into(), bytes);
        assert_eq!(refused(&files).0, Check::Signature);
    }
}

#[test]
fn a_signature_with_s_plus_the_group_order_is_refused() {
    // The classic malleable twin: verifiers that do not check S < L accept it.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut files = Run::complete().signed();
    let signature = files.get_mut(SIGNATURE).unwrap();
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(refused(&files).0, Check::Signature);
}

#[test]
fn a_weak_key_is_not_taken() {
    // The identity signs everything under lax rules.
    let mut identity = [0; 32];
    identity[0] = 1;
    assert!(PublicKey::from_bytes(&identity).is_err());
}

#[test]
fn the_grammar_of_the_tag_manifest_comes_before_its_signature() {
    let genuine = Run::complete().signed();
    let text = String::from_utf8(genuine[TAG_MANIFEST].clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for wrong in [
        String::new(),
        lines[..3].join("\n") + "\n",
        text.replace("bagit.txt", "data/x.txt"),
        text.replace("  ", " *"),
        text.replace('\n', "\r\n"),
        format!("{text}{}  z.txt\n", "0".repeat(64)),
        format!("{text}\n"),
        text.to_uppercase(),
    ] {
        let mut files = genuine.clone();
        let signature = key(1).sign(wrong.as_bytes()).unwrap();
        files.insert(TAG_MANIFEST.into(), wrong.clone().into_bytes());
        files.insert(SIGNATURE.into(), signature.to_vec());
        assert_eq!(refused(&files).0, Check::TagManifest, "{wrong:?}");
    }
}

#[test]
fn a_signed_message_beyond_4096_bytes_is_refused() {
    let mut files = Run::complete().signed();
    files.insert(TAG_MANIFEST.into(), vec![b'0'; 4097]);
    assert_eq!(refused(&files).0, Check::TagManifest);
}

// With the key: the tag files.

#[test]
fn tag_files_that_lie_are_refused_though_they_are_signed() {
    let info = "bag-info.txt";
    for (file, from, to, check) in [
        ("bagit.txt", "1.0", "0.97", Check::BagDeclaration),
        ("bagit.txt", "UTF-8\n", "UTF-8\n\n", Check::BagDeclaration),
        (info, "Payload-Oxum: ", "Payload-Oxum: 1", Check::BagInfo),
        (info, ID, "evidence-prod-20261123T020000Z", Check::BagInfo),
        (info, "Identifier: prod", "Identifier: test", Check::BagInfo),
        (info, "Evidenced-Key-Id: ", "Evidenced-Key-Id: 0", Check::BagInfo),
        (info, "Bagging-Date: 2026-11-22\n", "", Check::BagInfo),
        (info, "Example Ltd", "Example \u{1b}[31mLtd", Check::BagInfo),
        ("manifest-sha256.txt", "  data/run.json", "  ../run.json", Check::Manifest),
        ("manifest-sha256.txt", "  data/run.json", " *data/run.json", Check::Manifest),
        ("manifest-sha256.txt", "  data/run.json", "  run.json", Check::Manifest),
    ] {
        let mut files = Run::complete().signed();
        let text = String::from_utf8(files[file].clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        files.insert(file.into(), text.replacen(from, to, 1).into_bytes());
        sign(&mut files, &key(1));
        let (found, message) = refused(&files);
        assert_eq!(found, check, "{file}: {from:?} -> {to:?}: {message}");
        assert!(message.contains(file), "{message}");
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
}

#[test]
fn the_key_id_of_another_key_is_refused() {
    let mut files = Run::complete().signed();
    let info = String::from_utf8(files["bag-info.txt"].clone()).unwrap();
    let info = info.replace(&key(1).public().id().to_string(), &key(2).public().id().to_string());
    files.insert("bag-info.txt".into(), info.into_bytes());
    sign(&mut files, &key(1));
    assert_eq!(refused(&files).0, Check::BagInfo);
}

#[test]
fn a_file_listed_and_not_there_or_there_and_not_listed_is_refused_though_it_is_signed() {
    let payload = Run::complete().payload();
    let mut listed = payload.clone();
    listed.insert("data/ghost.json".into(), b"{}".to_vec());
    let mut files = signed(ID, &listed, &key(1));
    files.remove("data/ghost.json");
    assert_eq!(refused(&files).0, Check::FileSet);

    let mut files = signed(ID, &payload, &key(1));
    files.insert("data/ghost.json".into(), b"{}".to_vec());
    assert_eq!(refused(&files).0, Check::FileSet);
}

// With the key: the run.

type Change = fn(&mut Run);

const LIES: &[(&str, Check, Change)] = &[
    ("a row is missing", Check::Coverage, |run| {
        run.rows().retain(|row| row["item"] != "account.regions");
        run.documents.retain(|path, _| !path.contains("account.regions"));
    }),
    ("the global row of an item of two scopes is missing", Check::Coverage, |run| {
        run.rows().retain(|row| row["item"] != "waf.web-acls" || row["region"] != "global");
        run.documents.retain(|path, _| !path.contains("global/waf"));
    }),
    ("all rows are missing", Check::Coverage, |run| {
        run.rows().clear();
        run.documents.clear();
    }),
    ("a row is there twice", Check::Coverage, |run| {
        let twin = run.row("eu-west-1", "vpc.vpcs").clone();
        run.rows().push(twin);
    }),
    ("a row of another account", Check::Coverage, |run| run.answer("999988887777", "eu-west-1", "vpc.vpcs")),
    ("a row of a region that the plan lacks", Check::Coverage, |run| {
        run.answer(ACCOUNT, "us-east-1", "vpc.vpcs");
    }),
    ("a row of an item that the catalogue lacks", Check::Coverage, |run| {
        run.answer(ACCOUNT, "eu-west-1", "vpc.subnets");
    }),
    ("a row of an account's item in a region", Check::Coverage, |run| {
        run.answer(ACCOUNT, "eu-west-1", "account.regions");
    }),
    ("a global row of a region's item", Check::Coverage, |run| run.answer(ACCOUNT, "global", "vpc.vpcs")),
    ("evidence from a region that is not planned", Check::Coverage, |run| {
        run.rows().retain(|row| row["region"] != "af-south-1");
        run.answer(ACCOUNT, "af-south-1", "vpc.vpcs");
    }),
    ("a planned region without rows", Check::RunIdentity, |run| {
        let regions = run.plan["accounts"][0]["regions"].as_array_mut().unwrap();
        regions.push(json!({"name": "us-east-1", "state": "enabled", "planned": true}));
    }),
    ("a planned region without rows, counted", Check::Coverage, |run| {
        let regions = run.plan["accounts"][0]["regions"].as_array_mut().unwrap();
        regions.push(json!({"name": "us-east-1", "state": "enabled", "planned": true}));
        run.run["scope"]["regions"] = json!(2);
    }),
    ("an account without rows", Check::Coverage, |run| {
        let accounts = run.plan["accounts"].as_array_mut().unwrap();
        accounts.push(json!({"id": "444455556666", "name": "x", "inScope": true, "regions": []}));
        run.run["scope"]["accounts"] = json!(2);
    }),
    ("evidence of an account that is left out", Check::Coverage, |run| {
        run.plan["accounts"][0]["reason"] = json!("not ours");
        run.plan["accounts"][0]["regions"] = json!([]);
        run.run["scope"] = json!({"accounts": 0, "name": "prod", "regions": 0});
        run.rows().retain(|row| row["region"] == "global");
        run.documents.retain(|path, _| path.contains("global"));
    }),
    ("a planned region of an account that is left out", Check::Coverage, |run| {
        run.plan["accounts"][0]["reason"] = json!("not ours");
    }),
    ("totals that hide a gap", Check::RunStatus, |run| {
        run.gap("denied");
        run.run["status"] = json!("partial");
        run.run["totals"] = json!({"cells": {"complete": 4, "region-disabled": 1}});
    }),
    ("totals of fewer gaps", Check::RunStatus, |run| {
        run.gap("denied");
        run.run["status"] = json!("partial");
        run.run["totals"] = json!({"openGaps": 0});
    }),
    ("totals of more documents", Check::RunStatus, |run| run.run["totals"] = json!({"documents": 5})),
    ("an item without rows", Check::Coverage, |run| {
        let items = run.catalogue["items"].as_array_mut().unwrap();
        items.push(json!({"id": "vpc.subnets", "scope": "region"}));
    }),
    ("an item twice in the catalogue", Check::Coverage, |run| {
        let items = run.catalogue["items"].as_array_mut().unwrap();
        items.push(json!({"id": "vpc.vpcs", "scope": "region"}));
    }),
    ("an account twice in the plan", Check::Coverage, |run| {
        let accounts = run.plan["accounts"].as_array_mut().unwrap();
        accounts.push(accounts[0].clone());
    }),
    ("a region twice in the plan", Check::Coverage, |run| {
        let regions = run.plan["accounts"][0]["regions"].as_array_mut().unwrap();
        regions.push(regions[0].clone());
    }),
    ("nothing planned and complete", Check::Coverage, |run| {
        run.plan = json!({"accounts": []});
        run.run["scope"] = json!({"accounts": 0, "name": "prod", "regions": 0});
        run.rows().clear();
        run.documents.clear();
    }),
    ("a row of an item that the catalogue lacks in place of one that it has", Check::Coverage, |run| {
        run.rows().retain(|row| row["region"] != "eu-west-1" || row["item"] != "vpc.vpcs");
        run.documents.remove(DOCUMENT);
        run.answer(ACCOUNT, "eu-west-1", "vpc.subnets");
    }),
    ("a row of an item that the catalogue lacks in a region that is not planned", Check::Coverage, |run| {
        run.row("af-south-1", "vpc.vpcs")["item"] = json!("vpc.subnets");
    }),
    ("a gap with the sha256 of no file", Check::RunFiles, |run| {
        run.gap("denied");
        run.row("eu-west-1", "vpc.vpcs")["sha256"] = json!(Digest::of(b"").to_string());
        run.run["status"] = json!("partial");
    }),
    ("a document that no row names", Check::RunFiles, |run| {
        run.documents.insert(format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.subnets.json"), json!({}));
    }),
    ("a document that no row names any more", Check::RunFiles, |run| {
        let row = run.row("eu-west-1", "vpc.vpcs").as_object_mut().unwrap();
        row.insert("status".into(), json!("excluded"));
        row.remove("file");
        row.remove("sha256");
    }),
    ("a document that is not there", Check::RunFiles, |run| {
        run.documents.remove(DOCUMENT);
    }),
    ("a row complete without its document", Check::RunFiles, |run| {
        run.documents.remove(DOCUMENT);
        let row = run.row("eu-west-1", "vpc.vpcs").as_object_mut().unwrap();
        row.remove("file");
        row.remove("sha256");
    }),
    ("another sha256 in the row", Check::RunFiles, |run| {
        run.row("eu-west-1", "vpc.vpcs")["sha256"] = json!(Digest::of(b"").to_string());
    }),
    ("no sha256 in the row", Check::RunFiles, |run| {
        run.row("eu-west-1", "vpc.vpcs").as_object_mut().unwrap().remove("sha256");
    }),
    ("a row with the document of another", Check::RunFiles, |run| {
        let other = run.row("eu-west-1", "waf.web-acls").clone();
        let row = run.row("eu-west-1", "vpc.vpcs");
        row["file"] = other["file"].clone();
        row["sha256"] = other["sha256"].clone();
    }),
    ("a row with a file elsewhere", Check::RunFiles, |run| {
        run.row("eu-west-1", "vpc.vpcs")["file"] = json!("data/run.json");
    }),
    ("excluded, with a document", Check::RunFiles, |run| {
        run.row("eu-west-1", "vpc.vpcs")["status"] = json!("excluded");
    }),
    ("a document about another region", Check::RunFiles, |run| {
        run.document("eu-west-1", "vpc.vpcs", |document| document["region"] = json!("eu-west-2"));
    }),
    ("a document about another account", Check::RunFiles, |run| {
        run.document("eu-west-1", "vpc.vpcs", |document| document["account"] = json!("999988887777"));
    }),
    ("a document that says denied, a row that says complete", Check::RunFiles, |run| {
        run.document("eu-west-1", "vpc.vpcs", |document| document["status"] = json!("denied"));
    }),
    ("a document with a failed call, a row that says complete", Check::RunFiles, |run| {
        run.document("eu-west-1", "vpc.vpcs", |document| {
            document["calls"][0] = json!({"service": "ec2", "error": {"code": "AccessDenied"}});
        });
    }),
    ("a document that is no object", Check::RunFiles, |run| {
        run.document("eu-west-1", "vpc.vpcs", |document| *document = json!("text"));
    }),
    ("a gap and status complete", Check::RunStatus, |run| run.gap("denied")),
    ("no gap and status partial", Check::RunStatus, |run| run.run["status"] = json!("partial")),
    ("an acceptance that has expired and status complete", Check::RunStatus, |run| {
        run.gap("denied");
        run.row("eu-west-1", "vpc.vpcs")["accepted"] =
            json!({"reason": "SCP", "approver": "ciso@example.com", "expires": "2026-11-21"});
    }),
    ("an acceptance without an approver", Check::RunStatus, |run| {
        run.gap("denied");
        run.row("eu-west-1", "vpc.vpcs")["accepted"] =
            json!({"reason": "SCP", "approver": "", "expires": "2027-01-01"});
    }),
    ("an acceptance until never", Check::RunStatus, |run| {
        run.gap("denied");
        run.row("eu-west-1", "vpc.vpcs")["accepted"] =
            json!({"reason": "SCP", "approver": "ciso", "expires": "never"});
    }),
    ("an acceptance of what is complete", Check::RunStatus, |run| {
        run.row("eu-west-1", "vpc.vpcs")["accepted"] =
            json!({"reason": "SCP", "approver": "ciso", "expires": "2027-01-01"});
    }),
    ("missed, with evidence", Check::Coverage, |run| run.run["status"] = json!("missed")),
    ("missed, with documents and no rows", Check::RunFiles, |run| {
        run.run["status"] = json!("missed");
        run.rows().clear();
    }),
    ("a status that is no word", Check::RunStatus, |run| run.run["status"] = json!("ok")),
    ("a row with a status that is no word", Check::RunStatus, |run| {
        run.row("eu-west-1", "vpc.vpcs")["status"] = json!("fine");
    }),
    ("another slot", Check::RunIdentity, |run| run.run["slot"] = json!("2026-11-23T02:00:00Z")),
    ("the slot in another spelling", Check::RunIdentity, |run| {
        run.run["slot"] = json!("2026-11-22T02:00:00+00:00");
    }),
    ("another scope", Check::RunIdentity, |run| run.run["scope"]["name"] = json!("test")),
    ("another trigger", Check::RunIdentity, |run| run.run["trigger"] = json!("manual")),
    ("another schedule than the configuration", Check::RunIdentity, |run| {
        run.run["schedule"] = json!("0 3 * * *");
    }),
    ("a configuration of another scope", Check::RunIdentity, |run| run.config["scope"] = json!("test")),
    ("more regions than the plan", Check::RunIdentity, |run| run.run["scope"]["regions"] = json!(17)),
    ("more accounts than the plan", Check::RunIdentity, |run| run.run["scope"]["accounts"] = json!(2)),
    ("another key than the signer", Check::RunIdentity, |run| {
        run.run["evidenceKeyId"] = json!(key(2).public().id().to_string());
    }),
    ("the signer in capitals", Check::RunIdentity, |run| {
        run.run["evidenceKeyId"] = json!(key(1).public().id().to_string().to_uppercase());
    }),
    ("the digest of other policies", Check::RunPolicies, |run| {
        run.policies();
        run.run["collector"]["policiesDigest"]["sha256"] = json!(Digest::of(b"").to_string());
    }),
    ("a policy that changed", Check::RunPolicies, |run| {
        run.policies();
        run.more.insert("data/policies/a.rego".into(), b"package weaker\n".to_vec());
    }),
    ("a policy that was added", Check::RunPolicies, |run| {
        run.policies();
        run.more.insert("data/policies/lib/b.rego".into(), b"package more\n".to_vec());
    }),
    ("a policy that is gone", Check::RunPolicies, |run| {
        run.policies();
        run.more.remove("data/policies/a.rego");
    }),
    ("policies and no digest of them", Check::RunPolicies, |run| {
        run.policies();
        run.run.as_object_mut().unwrap().remove("collector");
    }),
    ("a digest of policies that is no text", Check::RunDocuments, |run| {
        run.run["collector"] = json!({"version": "0.1.0", "policiesDigest": {"sha256": 7}});
    }),
    ("collected backwards", Check::RunIdentity, |run| {
        run.run["collected"]["end"] = json!("2026-11-22T01:00:00Z");
    }),
    ("no time of collection", Check::RunDocuments, |run| {
        run.run.as_object_mut().unwrap().remove("collected");
    }),
    ("no cells", Check::RunDocuments, |run| {
        run.run.as_object_mut().unwrap().remove("cells");
    }),
    ("an item of an unknown scope", Check::RunDocuments, |run| {
        run.catalogue["items"][0]["scope"] = json!("planet");
    }),
    ("a plan without accounts", Check::RunDocuments, |run| run.plan = json!({})),
    ("cells and cell files", Check::RunFiles, |run| run.run["cellFiles"] = json!(["data/run/x.json"])),
    ("a part that no list names", Check::RunFiles, |run| {
        run.more.insert(format!("data/run/{ACCOUNT}.json"), b"{\"cells\":[]}\n".to_vec());
    }),
];

impl Run {
    /// Makes the cell of VPCs a gap without a document.
    fn gap(&mut self, status: &str) {
        self.documents.remove(DOCUMENT);
        let row = self.row("eu-west-1", "vpc.vpcs").as_object_mut().unwrap();
        row.insert("status".into(), json!(status));
        row.insert(
            "error".into(),
            json!({"code": "UnauthorizedOperation", "message": "not \u{1b}[31mallowed"}),
        );
        row.remove("file");
        row.remove("sha256");
    }

    /// Adds policies, and the digest of what `sha256sum` prints of them.
    fn policies(&mut self) {
        let mut listing = String::new();
        for (path, text) in
            [("data/policies/a.rego", "package a\n"), ("data/policies/lib/a.rego", "package b\n")]
        {
            let line = format!("{}  {path}\n", Digest::of(text.as_bytes()));
            listing.push_str(&line);
            self.more.insert(path.into(), text.into());
        }
        let digest = Digest::of(listing.as_bytes()).to_string();
        self.run["collector"] = json!({"version": "0.1.0", "policiesDigest": {"sha256": digest}});
    }

    /// Moves the rows into one file an account.
    pub(crate) fn split(&mut self) {
        let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for row in std::mem::take(self.rows()) {
            let path = format!("data/run/{}.json", row["account"].as_str().unwrap());
            files.entry(path).or_default().push(row);
        }
        let run = self.run.as_object_mut().unwrap();
        run.remove("cells");
        run.insert("cellFiles".into(), json!(files.keys().collect::<Vec<_>>()));
        self.more.extend(files.into_iter().map(|(path, rows)| (path, line(&json!({ "cells": rows })))));
    }
}

#[test]
fn a_run_that_lies_is_refused_though_it_is_signed() {
    let mut wrong = Vec::new();
    for (name, expected, change) in LIES {
        let mut run = Run::complete();
        change(&mut run);
        let (check, message) = refused(&run.signed());
        if check != *expected {
            wrong.push(format!("{name}: expected {expected}, got {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_with_a_key_twice_is_refused() {
    let mut payload = Run::complete().payload();
    let run = String::from_utf8(payload["data/run.json"].clone()).unwrap();
    let run = run.replacen('{', "{\"status\":\"complete\",", 1);
    payload.insert("data/run.json".into(), run.into_bytes());
    assert_eq!(refused(&signed(ID, &payload, &key(1))).0, Check::RunDocuments);
}

#[test]
fn a_document_of_the_run_that_is_missing_is_refused() {
    for name in ["config", "catalogue", "plan", "run"] {
        let mut payload = Run::complete().payload();
        payload.remove(&format!("data/{name}.json"));
        let (check, message) = refused(&signed(ID, &payload, &key(1)));
        assert_eq!(check, Check::RunDocuments);
        assert!(message.contains(name), "{message}");
    }
}

// What is genuine all the same.

fn genuine(run: &Run) -> evidenced_bundle::VerifiedBundle {
    verify(zip(&run.signed()).bytes()).unwrap()
}

#[test]
fn a_run_that_names_its_signer_and_its_policies_is_genuine() {
    let mut run = Run::complete();
    run.policies();
    run.run["evidenceKeyId"] = json!(key(1).public().id().to_string());
    genuine(&run);
}

#[test]
fn a_gap_that_is_owned_up_to_is_genuine_and_listed() {
    for status in ["denied", "failed"] {
        let mut run = Run::complete();
        run.gap(status);
        run.run["status"] = json!("partial");
        let bundle = genuine(&run);
        let [gap] = bundle.run().gaps.as_slice() else { panic!("{:?}", bundle.run()) };
        assert_eq!(
            (gap.region.as_str(), gap.item.as_str(), gap.status.word()),
            ("eu-west-1", "vpc.vpcs", status)
        );
        assert_eq!(gap.error.as_deref(), Some("UnauthorizedOperation: not \\u{1b}[31mallowed"));
    }
}

#[test]
fn a_partial_document_is_a_gap_and_keeps_its_document() {
    let mut run = Run::complete();
    run.document("eu-west-1", "vpc.vpcs", |document| {
        document["status"] = json!("partial");
        document["calls"].as_array_mut().unwrap().push(json!({"error": {"code": "Throttling"}}));
    });
    run.row("eu-west-1", "vpc.vpcs")["status"] = json!("partial");
    run.run["status"] = json!("partial");
    assert_eq!(genuine(&run).run().gaps.len(), 1);
}

#[test]
fn an_accepted_gap_does_not_make_a_run_partial_and_is_reported_apart() {
    let mut run = Run::complete();
    run.gap("denied");
    run.row("eu-west-1", "vpc.vpcs")["accepted"] =
        json!({"reason": "SCP", "approver": "ciso@example.com", "expires": "2026-11-22"});
    let bundle = genuine(&run);
    assert!(bundle.run().gaps.is_empty());
    assert_eq!(bundle.run().accepted_gaps.len(), 1);
    assert_eq!(bundle.run().status.word(), "complete");
}

#[test]
fn facts_and_exclusions_are_no_gaps() {
    for status in ["not-offered", "region-disabled", "excluded"] {
        let mut run = Run::complete();
        run.gap(status);
        assert!(genuine(&run).run().gaps.is_empty(), "{status}");
    }
    let mut run = Run::complete();
    run.document("eu-west-1", "vpc.vpcs", |document| document["status"] = json!("not-enabled"));
    run.row("eu-west-1", "vpc.vpcs")["status"] = json!("not-enabled");
    assert_eq!(genuine(&run).run().cells["not-enabled"], 1);
}

#[test]
fn a_run_split_by_account_is_read_whole() {
    let mut run = Run::complete();
    run.split();
    assert_eq!(genuine(&run).run().cells["complete"], 4);
}

#[test]
fn a_split_run_that_lies_is_refused() {
    let lies: [(Check, Change); 4] = [
        (Check::RunFiles, |run| run.run["cellFiles"] = json!([])),
        (Check::RunFiles, |run| run.more.clear()),
        (Check::RunDocuments, |run| {
            run.more.values_mut().for_each(|part| *part = b"[]\n".to_vec());
        }),
        (Check::Coverage, |run| {
            let part = run.more.remove(&format!("data/run/{ACCOUNT}.json")).unwrap();
            run.more.insert("data/run/999988887777.json".into(), part);
            run.run["cellFiles"] = json!(["data/run/999988887777.json"]);
        }),
    ];
    for (expected, lie) in lies {
        let mut run = Run::complete();
        run.split();
        lie(&mut run);
        assert_eq!(refused(&run.signed()).0, expected);
    }
}

#[test]
fn an_account_that_is_left_out_is_excluded_in_every_row() {
    let mut run = Run::complete();
    let accounts = run.plan["accounts"].as_array_mut().unwrap();
    accounts.push(
        json!({"id": "444455556666", "name": "x", "inScope": true, "reason": "sandbox", "regions": []}),
    );
    for item in ["account.regions", "waf.web-acls"] {
        run.rows().push(json!({
            "account": "444455556666", "region": "global", "item": item, "status": "excluded", "reason": "sandbox",
        }));
    }
    run.run["totals"] =
        json!({"cells": {"complete": 4, "excluded": 2, "region-disabled": 1}, "documents": 4, "openGaps": 0});
    assert_eq!(genuine(&run).run().cells["excluded"], 2);
}

#[test]
fn unknown_members_do_not_matter() {
    let mut run = Run::complete();
    let members: [&mut Value; 4] = [&mut run.config, &mut run.catalogue, &mut run.plan, &mut run.run];
    for document in members {
        document["later"] = json!({"number": 1.5e300, "deep": [[1]]});
    }
    genuine(&run);
}

#[test]
fn manual_and_supplementary_bags_say_so() {
    for (id, trigger) in [
        ("evidence-prod-20261122T020000Z-manual", "manual"),
        ("evidence-prod-20261122T020000Z-supplement-1", "supplement"),
    ] {
        let mut run = Run::complete();
        run.run["trigger"] = json!(trigger);
        let files = signed(id, &run.payload(), &key(1));
        let entries = files
            .iter()
            .map(|(path, bytes)| crate::raw_zip::RawEntry::deflated(&format!("{id}/{path}"), bytes));
        let zip = crate::raw_zip::Archive::new(entries).bytes();
        let bundle = crate::bag::verify_named(zip, &format!("{id}.zip")).unwrap();
        assert_eq!(bundle.run().trigger, trigger);
    }
}

#[test]
fn a_supplement_has_some_rows_of_the_plan_and_never_none() {
    let supplement = |change: fn(&mut Run)| {
        let id = format!("{ID}-supplement-1");
        let mut run = Run::complete();
        run.run["trigger"] = json!("supplement");
        change(&mut run);
        let files = signed(&id, &run.payload(), &key(1));
        let entries = files
            .iter()
            .map(|(path, bytes)| crate::raw_zip::RawEntry::deflated(&format!("{id}/{path}"), bytes));
        crate::bag::verify_named(crate::raw_zip::Archive::new(entries).bytes(), &format!("{id}.zip"))
    };
    let some = supplement(|run| {
        run.rows().retain(|row| row["item"] == "vpc.vpcs" && row["region"] == "eu-west-1");
        run.documents.retain(|path, _| path == DOCUMENT);
    });
    assert_eq!(some.unwrap().run().cells, BTreeMap::from([("complete", 1)]));
    let (check, message) = refusal(supplement(|run| {
        run.rows().clear();
        run.documents.clear();
    }));
    assert_eq!(check, Check::Coverage);
    assert!(message.contains("a supplement has no rows"), "{message}");
}

#[test]
fn a_message_names_the_step_and_the_file() {
    let mut files = Run::complete().signed();
    files.insert(DOCUMENT.into(), b"{}".to_vec());
    let error = verify(zip(&files).bytes()).unwrap_err();
    assert!(matches!(&error, VerifyError::Refused { file: Some(file), .. } if file == DOCUMENT));
    assert_eq!(error.to_string(), format!("step 9 (payload): {DOCUMENT}: is not the file that was signed"));
}
