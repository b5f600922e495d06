//! What the collector's own path of a run makes of the simulated AWS, in this process: documents and rows.
//!
//! `evidenced_core::run` plans, asks, pages, converts and names gaps; only the SDK below it is not here (its faults
//! are `tests/it/faults.rs`): each request is signed and sent by the client of these tests.

use std::{
    collections::BTreeMap,
    io,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use evidenced_core::{
    plan::{Regions, Target},
    policy::{Evidence, Offered, Policies, Row, Verdict},
    redact::Redactor,
    run::{self, Clock, Observer, Scratch, Settings, World},
    snapshot::{self, Snapshot},
    source::{Account, Failure, FailureKind, Page, Request, Source},
};
use serde_json::{Value, json};
use simcloud::{Config, account_ids};

use crate::client::Client;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Source for Client {
    async fn page(&self, _: &Account, request: &Request) -> Result<Page, Failure> {
        let parameters = Value::Object(request.parameters.clone());
        let asked = self.raw(&request.region, request.service, request.operation, &parameters);
        let failed = |kind, code: &str| Failure {
            kind,
            code: code.to_owned(),
            message: "by the client of the test".to_owned(),
            attempts: 1,
            started_at_ms: 0,
            finished_at_ms: 0,
            endpoint: None,
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Err(_) => Err(failed(FailureKind::Timeout, "Timeout")),
            Ok(Err((io::ErrorKind::UnexpectedEof, _))) => {
                Err(failed(FailureKind::Response, "ResponseIncomplete"))
            }
            Ok(Err(_)) => Err(failed(FailureKind::Connection, "ConnectionFailed")),
            Ok(Ok(page)) => Ok(page),
        }
    }

    async fn principal(&self, account: &Account) -> Result<String, Failure> {
        Ok(format!("arn:aws:iam::{}:user/test", account.id))
    }

    fn release(&self, _: &Account, _: &str) {}
}

struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Scratch for Memory {
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match self.0.lock().unwrap().insert(path.to_owned(), bytes.to_vec()) {
            None => Ok(()),
            Some(_) => Err(io::Error::other(format!("{path} was written twice"))),
        }
    }
}

struct Still(i64);

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

struct Nobody;

impl Observer for Nobody {
    fn planned(&self, _: usize) {}
    fn ended(&self, _: &snapshot::Row) {}
}

/// The first account, as a run leaves it.
pub(crate) struct Collected {
    now: String,
    snapshot: Snapshot,
    files: BTreeMap<String, Vec<u8>>,
    evidence: Evidence,
}

impl Collected {
    pub(crate) async fn of(config: Config, regions: &[&str]) -> Self {
        let account = account_ids(&config).remove(0);
        let settings = Settings {
            regions: Regions::Listed(regions.iter().map(|it| (*it).to_owned()).collect()),
            items: vec!["*".to_owned()],
            partitions: BTreeMap::from([("aws".to_owned(), config.regions.clone())]),
            home: None,
            accepted: Vec::new(),
            redactor: Redactor::default(),
            raw: false,
            concurrency: 4,
            slot: config.now,
            only: None,
        };
        let target = Target {
            account: Account { id: account.clone(), name: String::new(), partition: "aws".to_owned() },
            in_scope: true,
            owner: None,
            excluded: None,
        };
        let mut client = Client::start(config).await;
        client.time = SystemTime::now();
        let (scratch, clock) = (Memory(Mutex::default()), Still(client.config.now * 1000));
        let world = World {
            source: &client,
            scratch: &scratch,
            clock: &clock,
            observer: &Nobody,
            shapes: &client.shapes,
        };
        let snapshot = run::run(&world, &settings, vec![target]).await.unwrap();
        let now = evidenced_core::moment::milliseconds(snapshot.started * 1000);
        let files = scratch.0.into_inner().unwrap();
        let evidence = evidence(&account, &snapshot, &files);
        Self { now, snapshot, files, evidence }
    }

    /// The same run with other documents: each is given with its region and item.
    pub(crate) fn changed(&self, change: impl Fn(&str, &str, &mut Value)) -> Self {
        let mut files = self.files.clone();
        for row in &self.snapshot.rows {
            let Some(path) = &row.file else { continue };
            let mut document: Value = serde_json::from_slice(&files[path]).unwrap();
            change(&row.region, &row.item, &mut document);
            files.insert(path.clone(), document.to_string().into_bytes());
        }
        let evidence = evidence(self.evidence.account(), &self.snapshot, &files);
        Self { now: self.now.clone(), snapshot: self.snapshot.clone(), files, evidence }
    }

    /// The documents of an item, without what differs from run to run; by region.
    pub(crate) fn documents(&self, item: &str) -> BTreeMap<String, Value> {
        let rows = self.snapshot.rows.iter().filter(|row| row.item == item);
        rows.map(|row| {
            let document = match &row.file {
                Some(path) => without_times(&serde_json::from_slice(&self.files[path]).unwrap()),
                None => json!([row.status.word(), row.reason]),
            };
            (row.region.clone(), document)
        })
        .collect()
    }

    /// The verdicts of every check that is there in one place, by what they are about.
    pub(crate) fn judged(&self, policies: &Policies, place: &str) -> Verdicts {
        let mut verdicts = Verdicts::new();
        for row in policies.assess(&self.now, &self.evidence, place, &Offered::current()) {
            let key = (row.check.clone(), row.region.clone(), row.resource.clone());
            let judged = Judged { verdict: row.verdict, said: self.said(&row) };
            assert!(verdicts.insert(key.clone(), judged).is_none(), "{key:?} has two rows");
        }
        verdicts
    }

    /// Everything that a row says, with what its pointers point at in the place of the pointers: a document from
    /// which another call is missing has its calls at other numbers.
    fn said(&self, row: &Row) -> Value {
        let shown = |document: &str, pointer: &str| {
            let value: Value = serde_json::from_slice(&self.files[document]).unwrap();
            let shown = value.pointer(pointer).unwrap_or_else(|| panic!("{document} has no {pointer}"));
            json!([document, without_times(shown)])
        };
        let proof: Vec<Value> = row.evidence.iter().map(|it| shown(&it.document, &it.pointer)).collect();
        json!({ "verdict": row.verdict.word(), "reason": row.reason, "observed": row.observed,
            "expected": row.expected, "proof": proof })
    }
}

/// Every cell, as the checks are given it.
fn evidence(account: &str, snapshot: &Snapshot, files: &BTreeMap<String, Vec<u8>>) -> Evidence {
    let mut evidence = Evidence::new(account);
    for row in &snapshot.rows {
        if let Some(path) = &row.file {
            evidence.document(&row.region, &row.item, &files[path]).unwrap();
        } else {
            let reason = row.reason.as_deref().unwrap_or_default();
            evidence.gap(&row.region, &row.item, row.status, reason);
        }
    }
    evidence
}

/// What the server makes up for each request is not part of what is compared.
fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| {
                !["requestId", "date", "sha256", "bytes", "endpoint"].contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), without_times(value)))
            .collect(),
        Value::Array(entries) => entries.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

/// One verdict, and everything that its row says.
#[derive(Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) said: Value,
}

/// By check, region and resource.
pub(crate) type Verdicts = BTreeMap<(String, String, Option<String>), Judged>;
