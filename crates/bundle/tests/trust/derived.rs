//! The derived files are what other tools read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use evidenced_bundle::note::{KeyName, NoteKey};
use evidenced_bundle::sshsig::{Sha512Digest, SshSig, message};
use evidenced_bundle::trust::{Document, Revocation, derive};
use serde_json::Value;

use crate::roots::{EVIDENCE, KEYS, LOG, at, first};

fn derived(change: impl FnOnce(&mut Document)) -> BTreeMap<String, String> {
    let (mut document, sources) = first();
    change(&mut document);
    let files = derive(&mut document, &sources).unwrap();
    files.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

fn revoke(document: &mut Document, number: usize) {
    document.keys[number].revoked =
        Some(Revocation { at: at("2026-11-10T00:00:00Z"), reason: "lost".to_owned() });
}

/// Whether `ssh-keygen` verifies our signature over `data`, as of a time.
fn ssh_verifies(dir: &Path, allowed_signers: &str, time: &str) -> bool {
    fs::write(dir.join("allowed"), allowed_signers).unwrap();
    let digest = Sha512Digest::of(b"data");
    let signature = KEYS[EVIDENCE].sign(&message(&digest)).unwrap();
    fs::write(dir.join("sig"), SshSig::new(KEYS[EVIDENCE].public(), signature).render()).unwrap();
    fs::write(dir.join("data"), "data").unwrap();
    let line = format!(
        "-Y verify -f allowed -I evidence.example.com/prod -n evidenced -s sig -O verify-time={time}"
    );
    let status = Command::new("ssh-keygen")
        .args(line.split(' '))
        .current_dir(dir)
        .stdin(fs::File::open(dir.join("data")).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
fn ssh_keygen_keeps_to_window_and_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let open = &derived(|_| ())["allowed_signers-v1"];
    let ended = &derived(|document| document.keys[0].valid_until = Some(at("2026-11-15T00:00:00Z")));
    let revoked = &derived(|document| {
        document.keys[0].valid_until = Some(at("2026-11-15T00:00:00Z"));
        revoke(document, 0);
    });
    let (ended, revoked) = (&ended["allowed_signers-v1"], &revoked["allowed_signers-v1"]);
    for (time, verdicts) in [
        ("20260930235900Z", [false, false, false]),
        ("20261109120000Z", [true, true, true]),
        ("20261112120000Z", [true, true, false]),
        ("20261116120000Z", [true, false, false]),
    ] {
        assert_eq!(
            [open, ended, revoked].map(|file| ssh_verifies(dir.path(), file, time)),
            verdicts,
            "{time}"
        );
    }
}

#[test]
fn tlog_policy_names_the_logs_that_are_not_revoked() {
    let key = NoteKey::log(KeyName::new("evidence.example.com/prod").unwrap(), KEYS[LOG].public().clone());
    assert_eq!(derived(|_| ())["tlog-policy-v1.txt"], format!("log {}\nquorum none\n", key.vkey()));
    assert_eq!(derived(|document| revoke(document, 1))["tlog-policy-v1.txt"], "quorum none\n");
}

#[test]
fn trusted_root_holds_the_timestamp_authorities_only() {
    let files = derived(|_| ());
    let root: Value = serde_json::from_str(&files["trusted_root-v1.json"]).unwrap();
    assert_eq!(root["mediaType"], "application/vnd.dev.sigstore.trustedroot+json;version=0.1");
    for none in ["tlogs", "ctlogs", "certificateAuthorities"] {
        assert_eq!(root[none], Value::Array(Vec::new()));
    }
    let authority = &root["timestampAuthorities"][0];
    assert_eq!(authority["validFor"]["start"], "2026-10-01T00:00:00Z");
    let pem: String = files["tsa-root.pem"].lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(authority["certChain"]["certificates"][0]["rawBytes"], pem.as_str());
}
