//! Stores made without the writer under test, so that each part of one can be made wrong, with the keys or without.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::Path;

use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::attest::Undated;
use evidenced_bundle::merkle::{Leaves, inclusion, leaf_hash, root};
use evidenced_bundle::note::{Checkpoint, KeyName, Note, NoteKey};
use evidenced_bundle::period::{PeriodReport, Request, verify_shelf};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::span::Span;
use evidenced_bundle::sshsig::{self, Sha512Digest, SshSig};
use evidenced_bundle::statement::{Snapshot, Statement};
use evidenced_bundle::tile::{Row, TILE_WIDTH, Tile, entry};
use evidenced_bundle::trust::{
    self, Document, Holder, KeyEntry, Purpose, Revocation, TrustRoot, TsaEntry, derive, file_name,
};
use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Kind, Limits, Scope, Shelf, UtcSecond, dsse,
    prepare,
};
use serde_json::{Value, json};

use crate::tsa::TSA;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn origin() -> KeyName {
    KeyName::new("evidence.example.com/demo").unwrap()
}

/// Evidence is 1, log is 2, the next log key is 3, the holder of the trust root is 9.
pub(crate) fn key(number: u8) -> EvidenceKey {
    EvidenceKey::from_seed(&[number; 32])
}

pub(crate) fn at(text: &str) -> UtcSecond {
    UtcSecond::parse(text).unwrap()
}

pub(crate) fn later(instant: UtcSecond, seconds: i64) -> UtcSecond {
    UtcSecond::from_unix(instant.unix() + seconds).unwrap()
}

/// 02:00 of the day with this number, from 2026-10-01 on.
pub(crate) fn slot(number: i64) -> UtcSecond {
    later(at("2026-10-01T02:00:00Z"), number * DAY)
}

/// What a run is to be, before it is sealed.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: BagId,
    pub(crate) status: RunStatus,
    pub(crate) started: UtcSecond,
    pub(crate) schedule: String,
    /// Regions that are planned, and what keeps the others out.
    pub(crate) regions: Vec<(&'static str, Option<&'static str>)>,
    /// Accounts and why they are left out.
    pub(crate) accounts: Vec<(&'static str, Option<&'static str>)>,
    /// Further members of the configuration.
    pub(crate) config: Value,
    /// Items that the configuration leaves out.
    pub(crate) excluded: Vec<&'static str>,
    /// When the token says; none: no `.tsr`.
    pub(crate) dated: Option<UtcSecond>,
}

impl Run {
    /// A complete run of a slot, dated a minute after it.
    pub(crate) fn of(number: i64) -> Self {
        Self::named(BagId::new(Scope::new("demo").unwrap(), slot(number), Kind::Schedule))
    }

    pub(crate) fn named(id: BagId) -> Self {
        let started = later(id.slot(), 3);
        Self {
            id,
            status: RunStatus::Complete,
            started,
            schedule: "0 2 * * *".to_owned(),
            regions: vec![("eu-west-1", None)],
            accounts: vec![(ACCOUNT, None)],
            config: json!({}),
            excluded: Vec::new(),
            dated: Some(later(started, 60)),
        }
    }

    pub(crate) fn at(mut self, started: UtcSecond) -> Self {
        self.started = started;
        self.dated = Some(later(started, 60));
        self
    }

    /// For a slot without a run.
    pub(crate) fn missed(mut self, written: UtcSecond) -> Self {
        self.status = RunStatus::Missed;
        self.at(written)
    }

    pub(crate) fn partial(mut self) -> Self {
        self.status = RunStatus::Partial;
        self
    }

    pub(crate) fn undated(mut self) -> Self {
        self.dated = None;
        self
    }

    fn documents(&self) -> BTreeMap<String, Value> {
        const ITEMS: [&str; 2] = ["vpc.security-groups", "vpc.vpcs"];
        let mut documents = BTreeMap::new();
        let mut cells = Vec::new();
        let mut accounts = Vec::new();
        for (id, reason) in &self.accounts {
            let region = |(name, out): &(&str, Option<&str>)| match out.or(*reason) {
                Some(reason) => json!({"name": name, "state": "enabled", "planned": false, "reason": reason}),
                None => json!({"name": name, "state": "enabled", "planned": true}),
            };
            let regions: Vec<Value> = self.regions.iter().map(region).collect();
            let mut account =
                json!({"id": id, "name": "demo", "inScope": reason.is_none(), "regions": regions});
            if let Some(reason) = reason {
                account["reason"] = json!(reason);
            }
            accounts.push(account);
            let planned = self.regions.iter().filter(|(_, out)| out.is_none() && reason.is_none());
            for ((region, _), item) in planned.flat_map(|region| ITEMS.map(|item| (*region, item))) {
                let mut row = json!({"account": id, "region": region, "item": item, "status": "complete"});
                if self.excluded.contains(&item) {
                    row["status"] = json!("excluded");
                    row["reason"] = json!("excluded by configuration");
                } else if self.status == RunStatus::Partial && item == "vpc.vpcs" {
                    row["status"] = json!("denied");
                    row["error"] = json!("AccessDenied");
                } else {
                    let file = format!("data/evidence/{id}/{region}/{item}.json");
                    let document = json!({"item": item, "account": id, "region": region, "status": "complete", "calls": []});
                    row["file"] = json!(file);
                    row["sha256"] = json!(Digest::of(&line(&document)).to_string());
                    documents.insert(file, document);
                }
                cells.push(row);
            }
        }
        if self.status == RunStatus::Missed {
            (cells, documents) = (Vec::new(), BTreeMap::new());
        }
        let items =
            ITEMS.map(|id| json!({"id": id, "title": id, "scope": "region", "criteria": [], "calls": []}));
        let mut run = json!({
            "slot": self.id.slot().to_string(), "status": self.status.word(), "trigger": self.id.kind().trigger(),
            "schedule": self.schedule,
            "collected": {"start": self.started.to_string(), "end": self.ended().to_string()},
            "scope": {"accounts": self.counts().0, "name": "demo", "regions": self.counts().1}, "cells": cells,
            "collector": {"version": "0.1.0", "policiesDigest": {"sha256": Digest::of(b"").to_string()}},
        });
        if self.status == RunStatus::Missed {
            run["reason"] = json!("the daemon was off");
        }
        documents.insert("data/catalogue.json".to_owned(), json!({"items": items}));
        documents.insert("data/config.json".to_owned(), self.configuration());
        documents.insert("data/plan.json".to_owned(), json!({"accounts": accounts}));
        documents.insert("data/run.json".to_owned(), run);
        documents
    }

    fn ended(&self) -> UtcSecond {
        if self.status == RunStatus::Missed { self.started } else { later(self.started, 9) }
    }

    fn configuration(&self) -> Value {
        let mut config = self.config.clone();
        config["scope"] = json!("demo");
        config["schedule"] = json!(self.schedule);
        config
    }

    fn counts(&self) -> (u64, u64) {
        let accounts = self.accounts.iter().filter(|(_, reason)| reason.is_none()).count();
        let regions = self.regions.iter().filter(|(_, out)| out.is_none() && accounts > 0).count();
        (u64::try_from(accounts).unwrap(), u64::try_from(regions).unwrap())
    }

    /// The bundle, signed with this evidence key.
    pub(crate) fn seal(&self, key: &EvidenceKey) -> (Snapshot, Vec<u8>) {
        let files = self.documents();
        let files = files.iter().map(|(path, document)| {
            (BundlePath::new(path.as_str()).unwrap(), Content::Bytes(line(document)))
        });
        let draft = Draft {
            id: self.id.clone(),
            scope: self.id.scope().clone(),
            slot: self.id.slot(),
            organisation: "Example Ltd".to_owned(),
            agent: "evidenced 0.1.0".to_owned(),
            bagging_date: self.id.slot().date(),
            files: files.collect(),
        };
        let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
        let signature = key.sign(unsigned.message()).unwrap();
        let mut zip = Cursor::new(Vec::new());
        let sealed = unsigned.seal(signature, key.public(), &mut zip).unwrap();
        let zip = zip.into_inner();
        let snapshot = Snapshot {
            id: self.id.clone(),
            zip_sha256: Digest::of(&zip),
            tagmanifest_sha256: sealed.tagmanifest_sha256,
            started: self.started,
            ended: self.ended(),
            version: "0.1.0".to_owned(),
            config_sha256: Digest::of(&line(&self.configuration())),
            policies_sha256: Some(Digest::of(b"")),
            image_sha256: None,
            schedule: self.schedule.clone(),
            accounts: self.counts().0,
            regions: self.counts().1,
            status: self.status,
        };
        (snapshot, zip)
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// A store in memory.
#[derive(Clone, Default)]
pub(crate) struct Store(pub(crate) BTreeMap<String, Vec<u8>>);

impl Shelf for Store {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.0.get(key);
        if found.is_some_and(|bytes| u64::try_from(bytes.len()).unwrap() > limit_bytes) {
            let what = format!("{key} has more than {limit_bytes} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        Ok(found.cloned())
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        match self.0.get(key) {
            Some(bytes) => Ok(Some(Box::new(Cursor::new(bytes.clone())))),
            None => Ok(None),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        Ok(self.0.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

impl Store {
    /// As a folder.
    pub(crate) fn write(&self, folder: &Path) {
        for (key, bytes) in &self.0 {
            let path = folder.join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// A statement at its place.
pub(crate) fn statements(snapshots: &[Snapshot]) -> Vec<Statement> {
    let mut previous = None;
    let mut statements = Vec::new();
    for (index, snapshot) in (0..).zip(snapshots) {
        let statement = Statement { snapshot: snapshot.clone(), origin: origin(), index, previous };
        previous = Some(Digest::of(&statement.render().unwrap()));
        statements.push(statement);
    }
    statements
}

/// A checkpoint signed with a log key.
pub(crate) fn checkpoint(leaves: &[Vec<u8>], size: usize, key: &EvidenceKey) -> Vec<u8> {
    let hashes: Vec<Digest> = leaves[..size].iter().map(|leaf| leaf_hash(leaf)).collect();
    let size = u64::try_from(size).unwrap();
    let checkpoint = Checkpoint { origin: origin(), size, root: root(&mut Leaves(&hashes), size).unwrap() };
    let signature = key.sign(checkpoint.body().as_bytes()).unwrap();
    checkpoint.sign(&NoteKey::log(origin(), key.public().clone()), &signature).unwrap().into_bytes()
}

/// Everything of `log/` for these leaves, as they are.
pub(crate) fn write_log(store: &mut Store, leaves: &[Vec<u8>], key: &EvidenceKey) {
    write_tiles(store, leaves);
    for size in 1..=leaves.len() {
        store.0.insert(format!("log/checkpoints/{size}"), checkpoint(leaves, size, key));
    }
    store.0.insert("log/checkpoint".to_owned(), checkpoint(leaves, leaves.len(), key));
}

/// The tiles of a log of this size.
pub(crate) fn write_tiles(store: &mut Store, leaves: &[Vec<u8>]) {
    let size = u64::try_from(leaves.len()).unwrap();
    for first in (0..size).step_by(256) {
        let range = usize::try_from(first).unwrap()..usize::try_from((first + TILE_WIDTH).min(size)).unwrap();
        let entries: Vec<u8> = leaves[range.clone()].iter().flat_map(|leaf| entry(leaf).unwrap()).collect();
        store.0.insert(Tile::holding(Row::Entries, first, size).unwrap().key(), entries);
        let tile: Vec<u8> = leaves[range].iter().flat_map(|leaf| *leaf_hash(leaf).as_bytes()).collect();
        store.0.insert(Tile::holding(Row::Hashes(0), first, size).unwrap().key(), tile);
    }
}

/// The leaves of these runs.
pub(crate) fn leaves_of(runs: &[Run]) -> Vec<Vec<u8>> {
    let snapshots: Vec<_> = runs.iter().map(|run| run.seal(&key(1)).0).collect();
    statements(&snapshots).iter().map(|statement| statement.render().unwrap()).collect()
}

/// A whole store of these runs, with every sidecar, by the holder of evidence key 1 and log key 2.
pub(crate) fn store_of(runs: &[Run]) -> Store {
    let (evidence, log) = (key(1), key(2));
    let sealed: Vec<_> = runs.iter().map(|run| run.seal(&evidence)).collect();
    let snapshots: Vec<_> = sealed.iter().map(|(snapshot, _)| snapshot.clone()).collect();
    let leaves: Vec<_> = statements(&snapshots).iter().map(|statement| statement.render().unwrap()).collect();
    let mut store = Store::default();
    write_log(&mut store, &leaves, &log);
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    for (index, ((run, (snapshot, zip)), leaf)) in (0_u64..).zip(runs.iter().zip(&sealed).zip(&leaves)) {
        let size = usize::try_from(index).unwrap() + 1;
        let key = snapshot.id.store_key();
        let signature = evidence.sign(&dsse::message(leaf).unwrap()).unwrap();
        let envelope = Envelope {
            key_id: *evidence.public().id(),
            payload: leaf.clone(),
            signature,
            tokens: Vec::new(),
        };
        let proof = LogProof {
            index,
            hashes: inclusion(&mut Leaves(&hashes), index, index + 1).unwrap(),
            checkpoint: Note::parse(&checkpoint(&leaves, size, &log)).unwrap(),
        };
        let ssh = evidence.sign(&sshsig::message(&Sha512Digest::of(zip))).unwrap();
        store.0.insert(format!("{key}.sigstore.json"), envelope.render().into_bytes());
        store.0.insert(format!("{key}.tlog-proof"), proof.render().into_bytes());
        store.0.insert(format!("{key}.sshsig"), SshSig::new(evidence.public(), ssh).render().into_bytes());
        if let Some(dated) = run.dated {
            store.0.insert(format!("{key}.tsr"), TSA.date(zip, dated));
        }
        store.0.insert(key, zip.clone());
    }
    store
}

/// A week of good runs.
pub(crate) fn week() -> Vec<Run> {
    (0..7).map(Run::of).collect()
}

/// Whether a timestamp authority is trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    Trusted,
    None,
}

/// A trust root of one holder, with evidence key 1 and log key 2.
pub(crate) fn trust() -> TrustRoot {
    trust_with(Authority::Trusted, &mut |_| {})
}

pub(crate) fn trust_with(authority: Authority, change: &mut dyn FnMut(&mut Vec<KeyEntry>)) -> TrustRoot {
    let (files, fingerprint) = trust_files(authority, change);
    TrustRoot::load_chain(&mut |name| Ok(files.get(name).cloned()), &fingerprint, 0).unwrap()
}

/// Its files and its fingerprint.
pub(crate) fn trust_files(
    authority: Authority,
    change: &mut dyn FnMut(&mut Vec<KeyEntry>),
) -> (BTreeMap<String, Vec<u8>>, Digest) {
    let mut sources = BTreeMap::new();
    let mut entry = |number: u8, purpose: Purpose, file: &str| {
        sources.insert(file.to_owned(), key(number).public().to_pem().into_bytes());
        KeyEntry {
            id: *key(number).public().id(),
            purpose,
            file: file.to_owned(),
            valid_from: at("2026-01-01T00:00:00Z"),
            valid_until: None,
            revoked: None,
        }
    };
    let mut keys = vec![
        entry(1, Purpose::Evidence, "evidence-2026a.pub.pem"),
        entry(2, Purpose::Log(origin()), "log-2026a.pub.pem"),
        entry(3, Purpose::Log(origin()), "log-2026b.pub.pem"),
    ];
    change(&mut keys);
    let mut authorities = Vec::new();
    if authority == Authority::Trusted {
        sources.insert("tsa-root.pem".to_owned(), TSA.root().into_bytes());
        authorities
            .push(TsaEntry { file: "tsa-root.pem".to_owned(), valid_from: at("2026-01-01T00:00:00Z") });
    }
    let mut document = Document {
        version: 1,
        threshold: 1,
        holders: vec![Holder { name: "Head of Security".to_owned(), key: key(9).public().clone() }],
        keys,
        authorities,
        previous: None,
        files: BTreeMap::new(),
    };
    let mut files = derive(&mut document, &sources).unwrap();
    let mut envelope = trust::Envelope::draft(document).unwrap();
    envelope.sign(&key(9)).unwrap();
    files.insert(file_name(1), envelope.render().into_bytes());
    let fingerprint = envelope.digest();
    (files, fingerprint)
}

pub(crate) fn revoked() -> Revocation {
    Revocation { at: at("2026-10-05T00:00:00Z"), reason: "laptop stolen".to_owned() }
}

/// The first so many days of October.
pub(crate) fn days(number: i64) -> Span {
    Span::days("2026-10-01", &slot(number - 1).date()).unwrap()
}

/// What most tests ask: a span, and no clock.
pub(crate) fn asking(trust: &TrustRoot, span: Span) -> Request<'_> {
    Request {
        trust,
        span: Some(span),
        now: None,
        undated: Undated::Refused,
        pin: None,
        expectations: None,
        limits: Limits::default(),
    }
}

/// The first week, without a clock.
pub(crate) fn verify_week(store: &dyn Shelf) -> PeriodReport {
    verify_shelf("store", store, &asking(&trust(), days(7)))
}

/// The names of the checks that failed, and of nothing else.
pub(crate) fn refused(report: &PeriodReport) -> Vec<&'static str> {
    let mut names: Vec<_> = report.refused.iter().map(|finding| finding.check.name()).collect();
    names.dedup();
    names
}

pub(crate) fn exceptions(report: &PeriodReport) -> Vec<String> {
    report.exceptions.iter().map(ToString::to_string).collect()
}
