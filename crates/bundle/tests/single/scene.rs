//! Three daily bundles with everything beside them, made here and not by the log that writes them, and a trust root.
//!
//! The days begin tomorrow: a certificate of a timestamp authority is not valid before it was made.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::LazyLock;

use evidenced_bundle::attest::Timeliness;
use evidenced_bundle::dsse;
use evidenced_bundle::merkle::{Leaves, inclusion, leaf_hash, root as merkle_root};
use evidenced_bundle::note::{Checkpoint, KeyName, Note, NoteKey};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::sshsig::{self, Sha512Digest, SshSig};
use evidenced_bundle::statement::{Snapshot, Statement};
use evidenced_bundle::trust::{
    Document, Envelope as RootEnvelope, Holder, KeyEntry, Purpose, TrustRoot, TsaEntry, derive, file_name,
};
use evidenced_bundle::{
    Anchor, BagId, BundlePath, Check, Content, Demand, Digest, Draft, EvidenceKey, Kind, Limits, Scope,
    Sidecars, TrustedKeys, Undated, UntrustedBundle, UtcSecond, Verified, VerifyError, prepare,
    verify_bundle,
};
use serde_json::{Value, json};

use crate::tsa::{AS_TSA, ONE, Tsa, info};

pub(crate) const EVIDENCE: u8 = 1;
pub(crate) const LOG: u8 = 2;
pub(crate) const HOLDER: u8 = 3;
/// In nobody's trust root.
pub(crate) const THIEF: u8 = 9;

const ACCOUNT: &str = "111122223333";

pub(crate) fn key(number: u8) -> EvidenceKey {
    EvidenceKey::from_seed(&[number; 32])
}

pub(crate) fn origin() -> KeyName {
    KeyName::new("evidence.example.com/prod").unwrap()
}

pub(crate) fn log_key(number: u8) -> NoteKey {
    NoteKey::log(origin(), key(number).public().clone())
}

/// Two o'clock on the day with this number, from tomorrow on.
pub(crate) fn slot(day: i64) -> UtcSecond {
    static TODAY: LazyLock<i64> =
        LazyLock::new(|| i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400).unwrap());
    UtcSecond::from_unix((*TODAY + 1 + day) * 86_400 + 7_200).unwrap()
}

pub(crate) fn later(instant: UtcSecond, seconds: i64) -> UtcSecond {
    UtcSecond::from_unix(instant.unix() + seconds).unwrap()
}

/// A zip with everything that lies beside it.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) name: String,
    pub(crate) zip: Vec<u8>,
    pub(crate) statement: Statement,
    pub(crate) sidecars: Sidecars,
}

/// The files of the payload: a run of one account, one region and one item, with everything in it.
pub(crate) fn payload(id: &BagId) -> BTreeMap<String, Value> {
    let path = format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.vpcs.json");
    let document = json!({"schema": "evidenced/evidence/v1", "item": "vpc.vpcs", "account": ACCOUNT,
        "region": "eu-west-1", "status": "complete", "calls": []});
    let row = json!({"account": ACCOUNT, "region": "eu-west-1", "item": "vpc.vpcs", "status": "complete",
        "file": path, "sha256": Digest::of(&line(&document)).to_string(), "resources": 0, "pages": 1});
    let (started, ended) = (later(id.slot(), 3), later(id.slot(), 12));
    let run = json!({
        "slot": id.slot().to_string(), "status": "complete", "trigger": id.kind().trigger(),
        "schedule": "0 2 * * *", "collected": {"start": started.to_string(), "end": ended.to_string()},
        "scope": {"accounts": 1, "name": "prod", "regions": 1}, "cells": [row],
        "collector": {"version": "0.1.0", "policiesDigest": {"sha256": Digest::of(b"").to_string()}},
    });
    let region = json!({"name": "eu-west-1", "state": "enabled", "planned": true});
    BTreeMap::from([
        (path, document),
        ("data/config.json".to_owned(), json!({"scope": "prod", "schedule": "0 2 * * *"})),
        (
            "data/catalogue.json".to_owned(),
            json!({"items": [{"id": "vpc.vpcs", "title": "VPCs", "scope": "region", "criteria": [], "calls": []}]}),
        ),
        (
            "data/plan.json".to_owned(),
            json!({"accounts": [{"id": ACCOUNT, "name": "prod", "inScope": true, "regions": [region]}]}),
        ),
        ("data/run.json".to_owned(), run),
    ])
}

fn line(document: &Value) -> Vec<u8> {
    format!("{document}\n").into_bytes()
}

pub(crate) fn id(day: i64) -> BagId {
    BagId::new(Scope::new("prod").unwrap(), slot(day), Kind::Schedule)
}

/// The zip of these files, and what is to be stated of it.
pub(crate) fn seal(id: &BagId, payload: &BTreeMap<String, Value>, key: &EvidenceKey) -> (Snapshot, Vec<u8>) {
    let files = payload
        .iter()
        .map(|(path, document)| (BundlePath::new(path.clone()).unwrap(), Content::Bytes(line(document))))
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
    unsigned.seal(signature, key.public(), &mut zip).unwrap();
    let zip = zip.into_inner();
    let keys = TrustedKeys::new([key.public().clone()]).unwrap();
    let bundle = UntrustedBundle::open(Cursor::new(zip.clone()), &id.file_name(), &Limits::default());
    (Snapshot::of(&mut bundle.verify(&keys).unwrap()).unwrap(), zip)
}

/// Everything beside a zip that is number `before.len()` of a log.
pub(crate) fn attested(snapshot: Snapshot, zip: Vec<u8>, before: &[Vec<u8>], signer: &EvidenceKey) -> Bundle {
    let statement = Statement {
        origin: origin(),
        index: u64::try_from(before.len()).unwrap(),
        previous: before.last().map(|leaf| Digest::of(leaf)),
        snapshot,
    };
    let leaf = statement.render().unwrap();
    let ended = statement.snapshot.ended;
    let sha512 = Sha512Digest::of(&zip);
    let sidecars = Sidecars {
        sigstore: Some(envelope(&leaf, signer, Vec::new()).render().into_bytes()),
        proof: Some(proof(before, &leaf, LOG).render().into_bytes()),
        sshsig: Some(
            SshSig::new(signer.public(), signer.sign(&sshsig::message(&sha512)).unwrap())
                .render()
                .into_bytes(),
        ),
        tsr: Some(token(&ONE, &zip, later(ended, 30))),
    };
    Bundle { name: statement.snapshot.id.file_name(), zip, statement, sidecars }
}

pub(crate) fn envelope(leaf: &[u8], signer: &EvidenceKey, tokens: Vec<Vec<u8>>) -> Envelope {
    let signature = signer.sign(&dsse::message(leaf).unwrap()).unwrap();
    Envelope { key_id: *signer.public().id(), payload: leaf.to_vec(), signature, tokens }
}

/// The proof of a leaf behind those before it, with the checkpoint of the log that then has this size.
pub(crate) fn proof(before: &[Vec<u8>], leaf: &[u8], signer: u8) -> LogProof {
    let hashes: Vec<_> = before.iter().map(Vec::as_slice).chain([leaf]).map(leaf_hash).collect();
    let index = u64::try_from(before.len()).unwrap();
    let checkpoint = Checkpoint {
        origin: origin(),
        size: index + 1,
        root: merkle_root(&mut Leaves(&hashes), index + 1).unwrap(),
    };
    LogProof {
        index,
        hashes: inclusion(&mut Leaves(&hashes), index, index + 1).unwrap(),
        checkpoint: note(&checkpoint, signer),
    }
}

pub(crate) fn note(checkpoint: &Checkpoint, signer: u8) -> Note {
    let signature = key(signer).sign(checkpoint.body().as_bytes()).unwrap();
    let note =
        checkpoint.sign(&NoteKey::log(checkpoint.origin.clone(), key(signer).public().clone()), &signature);
    Note::parse(note.unwrap().as_bytes()).unwrap()
}

/// A token over `data` with a time of ours in it.
pub(crate) fn token(tsa: &Tsa, data: &[u8], at: UtcSecond) -> Vec<u8> {
    let mut info = info(&tsa.date(data));
    let time = info.windows(2).position(|window| window == [0x18, 15]).unwrap() + 2;
    let text = at.compact().replace('T', "");
    info[time..time + text.len()].copy_from_slice(text.as_bytes());
    tsa.forge(&info, "good", AS_TSA)
}

/// The three days.
pub(crate) static DAYS: LazyLock<Vec<Bundle>> = LazyLock::new(|| {
    let mut days: Vec<Bundle> = Vec::new();
    for day in 0..3 {
        let (snapshot, zip) = seal(&id(day), &payload(&id(day)), &key(EVIDENCE));
        let before = leaves(&days);
        days.push(attested(snapshot, zip, &before, &key(EVIDENCE)));
    }
    days
});

pub(crate) fn leaves(days: &[Bundle]) -> Vec<Vec<u8>> {
    days.iter().map(|day| day.statement.render().unwrap()).collect()
}

/// The leaves before the last of the three days, which most tests change.
pub(crate) fn before_last() -> Vec<Vec<u8>> {
    leaves(&DAYS[..2])
}

pub(crate) fn last() -> Bundle {
    DAYS[2].clone()
}

pub(crate) fn entry(number: u8, purpose: Purpose, file: &str) -> KeyEntry {
    KeyEntry {
        id: *key(number).public().id(),
        purpose,
        file: file.to_owned(),
        valid_from: slot(-1),
        valid_until: None,
        revoked: None,
    }
}

/// A trust root of one holder, with one evidence key, one log key and one timestamp authority; and what `change` does.
pub(crate) fn root_files(change: impl FnOnce(&mut Document)) -> (BTreeMap<String, Vec<u8>>, Digest) {
    let mut document = Document {
        version: 1,
        threshold: 1,
        holders: vec![Holder { name: "Security".to_owned(), key: key(HOLDER).public().clone() }],
        keys: vec![
            entry(EVIDENCE, Purpose::Evidence, "evidence-a.pub.pem"),
            entry(LOG, Purpose::Log(origin()), "log-a.pub.pem"),
        ],
        authorities: vec![TsaEntry { file: "tsa-root.pem".to_owned(), valid_from: slot(-1) }],
        previous: None,
        files: BTreeMap::new(),
    };
    change(&mut document);
    let mut sources = BTreeMap::from([("tsa-root.pem".to_owned(), ONE.root().into_bytes())]);
    for number in 0..=THIEF {
        let public = key(number).public().clone();
        let entry = document.keys.iter().find(|entry| entry.id == *public.id());
        sources.extend(entry.map(|entry| (entry.file.clone(), public.to_pem().into_bytes())));
    }
    let mut files = derive(&mut document, &sources).unwrap();
    let mut envelope = RootEnvelope::draft(document).unwrap();
    envelope.sign(&key(HOLDER)).unwrap();
    files.insert(file_name(1), envelope.render().into_bytes());
    files.extend(sources);
    (files, envelope.digest())
}

pub(crate) fn root(change: impl FnOnce(&mut Document)) -> Anchor {
    let (files, fingerprint) = root_files(change);
    let root = TrustRoot::load_chain(&mut |name| Ok(files.get(name).cloned()), &fingerprint, 0);
    Anchor::Root(Box::new(root.unwrap()))
}

/// The one that most tests trust.
pub(crate) static ROOT: LazyLock<Anchor> = LazyLock::new(|| root(|_| {}));

pub(crate) fn public_key() -> Anchor {
    Anchor::Keys(TrustedKeys::new([key(EVIDENCE).public().clone()]).unwrap())
}

pub(crate) const UNDATED: fn() -> Demand = || Demand { undated: Undated::Accepted, ..Demand::default() };

pub(crate) fn verify(bundle: &Bundle, anchor: &Anchor, demand: Demand) -> Result<Verified, VerifyError> {
    let zip = UntrustedBundle::open(Cursor::new(bundle.zip.clone()), &bundle.name, &Limits::default());
    verify_bundle(zip, &bundle.sidecars, anchor, &demand, &mut |_, _| {})
}

/// The check that refuses it, under the trust root.
pub(crate) fn refusal(bundle: &Bundle) -> Check {
    refusal_under(bundle, &ROOT)
}

pub(crate) fn refusal_under(bundle: &Bundle, anchor: &Anchor) -> Check {
    match verify(bundle, anchor, Demand::default()) {
        Err(VerifyError::Refused { check, .. }) => check,
        other => panic!("not refused: {other:?}"),
    }
}

/// The check for which something is missing.
pub(crate) fn missing(result: Result<Verified, VerifyError>) -> Check {
    match result {
        Err(VerifyError::Missing { check, .. }) => check,
        other => panic!("nothing is missing: {other:?}"),
    }
}

#[test]
fn the_days_are_genuine_dated_and_logged() {
    for (index, day) in (0..).zip(DAYS.iter()) {
        let verified = verify(day, &ROOT, Demand::default()).unwrap();
        let attested = verified.attested.unwrap();
        assert_eq!((attested.statement.index, attested.checkpoint.size), (index, index + 1));
        assert_eq!(attested.dated, Some(later(slot(i64::try_from(index).unwrap()), 42)));
        assert_eq!((attested.timeliness, attested.exceptions()), (Timeliness::InTime, Vec::new()));
        assert_eq!(verified.statement.unwrap(), day.statement);
    }
}
