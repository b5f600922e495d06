//! Judging beside collection: a thread that takes each account and region when its cells have ended.
//!
//! Documents are read from the folder of the run and released after each region, so that memory is bounded by one
//! account's global documents and one region's. Findings go to the same folder as they come.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use evidenced_bundle::Digest;
use evidenced_core::assessment::{Assessment, CheckRecord, findings_file, findings_path};
use evidenced_core::exceptions::Exceptions;
use evidenced_core::formats::Population;
use evidenced_core::item::GLOBAL;
use evidenced_core::judging::{Assessor, Cell, Documents, FindingsFile, Here, Judging, unjudged};
use evidenced_core::layout::catalogue_value;
use evidenced_core::moment;
use evidenced_core::plan::Plan;
use evidenced_core::policy::{Evidence, Offered};
use evidenced_core::report::Drawings;
use evidenced_core::run::{Observer, Place, Scratch as _};
use evidenced_core::snapshot::{Row, Written};
use serde_json::json;

use super::{Apart, Checks};
use crate::collector::{Progress, Spool};

/// Longest document that is judged.
const DOCUMENT_BYTES: u64 = 512 << 20;

/// The thread's name: Linux shows 15 bytes.
const THREAD: &str = "judging";

/// What the run tells the thread.
struct Finished {
    started: i64,
    account: String,
    region: String,
    places: usize,
    cells: Vec<Cell>,
}

/// Tells people and the judge.
pub(crate) struct Both<'a> {
    progress: &'a Progress,
    sender: Sender<Finished>,
}

impl Observer for Both<'_> {
    fn planned(&self, cells: usize) {
        self.progress.planned(cells);
    }

    fn ended(&self, row: &Row) {
        self.progress.ended(row);
    }

    fn finished(&self, place: Place<'_>) {
        let Place { started, account, region, places, rows } = place;
        let cells = rows.iter().filter_map(|row| Cell::read(&json!(row))).collect();
        let (account, region) = (account.to_owned(), region.to_owned());
        // The thread is gone only when it failed, which is said when it is joined.
        self.sender.send(Finished { started, account, region, places, cells }).unwrap_or_default();
    }
}

/// The thread.
pub(crate) struct Beside {
    sender: Sender<Finished>,
    handle: JoinHandle<io::Result<Work>>,
    checks: Checks,
    exceptions: Exceptions,
    spool: Spool,
}

/// What was judged.
pub(crate) struct Done {
    pub(crate) assessment: Assessment,
    pub(crate) exceptions: Exceptions,
    pub(crate) findings: Vec<Written>,
    pub(crate) population: Population,
    pub(crate) drawings: Drawings,
}

impl Beside {
    /// Starts it for the run in a folder. The thread has a name, so that what it costs can be told from outside
    /// (`top -H`, `bench/judging.py`).
    pub(crate) fn start(
        checks: Checks,
        exceptions: Exceptions,
        spool: &Spool,
        supplement: bool,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let (own, covering, folder) = (checks.clone(), exceptions.clone(), spool.clone());
        let handle = std::thread::Builder::new().name(THREAD.into()).spawn(move || {
            let mut work = Work {
                judging: None,
                own: own.own.as_ref().map(|own| match Apart::of_run(own, catalogue_value()) {
                    Ok(apart) => Own::Apart(Box::new(apart)),
                    Err(why) => Own::Not(own.checks.keys().cloned().collect(), why.join("; ")),
                }),
                checks: own,
                exceptions: covering,
                supplement,
                spool: folder,
                accounts: BTreeMap::new(),
                findings: Vec::new(),
                population: Population::new(),
                drawings: Drawings::new(),
            };
            work.all(&receiver)?;
            Ok(work)
        })?;
        Ok(Self { sender, handle, checks, exceptions, spool: spool.clone() })
    }

    /// What the run is watched by.
    pub(crate) fn observer<'a>(&self, progress: &'a Progress) -> Both<'a> {
        Both { progress, sender: self.sender.clone() }
    }

    /// Waits for the last place. Every observer must be gone.
    pub(crate) fn finish(self, started: i64, plan: &Plan) -> io::Result<Done> {
        let Self { sender, handle, checks, exceptions, spool } = self;
        drop(sender);
        let now = moment::seconds(started);
        if let Ok(worked) = handle.join() {
            let mut work = worked?;
            let judging = work.judging.take();
            let judging = judging.unwrap_or_else(|| work.begin(&now));
            let (assessment, exceptions) = judging.finish();
            let Work { findings, population, drawings, .. } = work;
            return Ok(Done { assessment, exceptions, findings, population, drawings });
        }
        // It failed in itself. The evidence is whole, and is sealed: with a row for each check that says so.
        tracing::error!("judging failed: the evidence is sealed without verdicts");
        spool.remove("data/findings")?;
        let mut assessment = Assessment {
            profile: checks.all.profile.clone(),
            now,
            checks: CheckRecord::table(&checks.all),
            ..Assessment::default()
        };
        let mut findings = Vec::new();
        for account in plan.accounts.iter().filter(|account| account.reason.is_none()) {
            let why = "judging failed in this program: the evidence is whole, `evidenced evaluate` judges it";
            let rows = checks.all.checks.keys().map(|id| unjudged(id, &account.id, GLOBAL, why));
            let mut covering = exceptions.clone();
            let rows: Vec<_> = rows.map(|row| covering.cover(row)).collect();
            let bytes = findings_file(&account.id, GLOBAL, &rows, &assessment);
            findings.push(write(&spool, (findings_path(&account.id, GLOBAL), bytes))?);
            assessment.rows.extend(rows);
        }
        let (population, drawings) = (Population::new(), Drawings::new());
        Ok(Done { assessment, exceptions, findings, population, drawings })
    }
}

fn write(spool: &Spool, (path, bytes): FindingsFile) -> io::Result<Written> {
    spool.write(&path, &bytes)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Written { path, sha256: Digest::of(&bytes).to_string(), bytes: length })
}

/// Documents in the folder of a run.
struct InFolder<'a>(&'a Path);

impl Documents for InFolder<'_> {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let file = File::open(self.0.join(path)).map_err(|error| error.to_string())?;
        let read =
            file.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if u64::try_from(read).is_ok_and(|read| read <= DOCUMENT_BYTES) {
            Ok(bytes)
        } else {
            Err(format!("it is larger than {DOCUMENT_BYTES} bytes"))
        }
    }
}

/// The customer's own checks.
enum Own {
    Apart(Box<Apart>),
    /// They could not be started, and why.
    Not(Vec<String>, String),
}

impl Assessor for Own {
    fn assess(
        &mut self,
        now: &str,
        evidence: &Evidence,
        region: &str,
        offered: &Offered,
    ) -> Vec<evidenced_core::policy::Row> {
        match self {
            Self::Apart(apart) => apart.assess(now, evidence, region, offered),
            Self::Not(ids, why) => {
                ids.iter().map(|id| unjudged(id, evidence.account(), region, why)).collect()
            }
        }
    }
}

/// An account whose places come in any order.
#[derive(Default)]
struct Account {
    global: Option<Vec<Cell>>,
    /// Regions that came before the global cells.
    waiting: Vec<(String, Vec<Cell>)>,
    judged: Vec<Vec<Cell>>,
}

struct Work {
    judging: Option<Judging>,
    checks: Checks,
    own: Option<Own>,
    exceptions: Exceptions,
    supplement: bool,
    spool: Spool,
    accounts: BTreeMap<String, Account>,
    findings: Vec<Written>,
    population: Population,
    drawings: Drawings,
}

impl Work {
    fn begin(&self, now: &str) -> Judging {
        let checks = CheckRecord::table(&self.checks.all);
        let offered = Offered::current();
        let judging = Judging::new(&self.checks.all.profile, now, checks, self.exceptions.clone(), offered);
        if self.supplement { judging.supplement() } else { judging }
    }

    fn all(&mut self, places: &Receiver<Finished>) -> io::Result<()> {
        for place in places {
            self.place(place)?;
        }
        Ok(())
    }

    fn place(&mut self, place: Finished) -> io::Result<()> {
        let Finished { started, account: id, region, places, cells } = place;
        let mut judging = match self.judging.take() {
            Some(judging) => judging,
            None => self.begin(&moment::seconds(started)),
        };
        let mut account = self.accounts.remove(&id).unwrap_or_default();
        if region == GLOBAL {
            account.global = Some(cells);
        } else {
            account.waiting.push((region, cells));
        }
        let mut made = Vec::new();
        if let Some(global) = &account.global {
            let folder: PathBuf = self.spool.folder().to_owned();
            let mut documents = InFolder(&folder);
            let mut here = Here(&self.checks.built_in);
            let mut assessors: Vec<&mut dyn Assessor> = vec![&mut here];
            if let Some(own) = self.own.as_mut() {
                assessors.push(own);
            }
            let (population, drawings) = (&mut self.population, &mut self.drawings);
            let onlooker = &mut |evidence: &Evidence, region: &str| {
                population.add(evidence, region);
                drawings.add(evidence, region);
            };
            for (region, cells) in account.waiting.drain(..) {
                judging.account(&id, global, &mut documents);
                made.push(judging.region(&region, &cells, &mut documents, &mut assessors, onlooker));
                account.judged.push(cells);
            }
            if account.judged.len() + 1 == places {
                judging.account(&id, global, &mut documents);
                made.push(judging.whole(&account.judged, &mut documents, &mut assessors, onlooker));
                account.judged.clear();
            }
        }
        for file in made {
            self.findings.push(write(&self.spool, file)?);
        }
        self.accounts.insert(id, account);
        self.judging = Some(judging);
        Ok(())
    }
}
