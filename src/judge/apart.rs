//! Policies of other people run in a process of their own, whose memory is limited.
//!
//! The engine counts steps and not bytes, so the customer's own policies and those of a bundle run in a child of this
//! program (`evidenced judge`, which nobody needs to call): no environment, no files, at most [`MEMORY_BYTES`] of
//! address space. One line of JSON a request, one a check in the answer. A check that ends the child is named in a row,
//! and is not run again; the others go on in a new child.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use evidenced_core::assessment::CheckRecord;
use evidenced_core::item::GLOBAL;
use evidenced_core::judging::{self, Assessor, unjudged};
use evidenced_core::policy::{Evidence, Offered, Policies, Row};
use evidenced_core::snapshot::Status;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the subcommand.
pub(crate) const COMMAND: &str = "judge";
/// Address space of the child.
pub(crate) const MEMORY_BYTES: u64 = 1 << 30;

/// What the child runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) profile: String,
    /// By path below `data/policies/`.
    pub(crate) texts: BTreeMap<String, String>,
    /// The parameters in force, by check.
    pub(crate) parameters: Value,
    /// `catalogue.json`: which items and calls there are.
    pub(crate) catalogue: Value,
}

/// One place.
#[derive(Debug, Serialize, Deserialize)]
struct Request<'a> {
    account: &'a str,
    region: &'a str,
    now: &'a str,
    /// Checks that have their rows already.
    skip: BTreeSet<String>,
    cells: Vec<Held>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    region: String,
    item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The policies compile; their checks.
    Ready(Vec<CheckRecord>),
    /// They do not.
    Problems(Vec<String>),
    /// A check begins.
    Begins(String),
    /// Its rows.
    Rows(Vec<Row>),
    /// The place is done.
    Done,
}

/// Policies that run apart.
pub(crate) struct Apart {
    setup: Setup,
    /// Items that they read.
    items: BTreeSet<String>,
    checks: BTreeMap<String, CheckRecord>,
    child: Option<Talk>,
    /// Checks that ended their child, and how.
    fallen: BTreeMap<String, String>,
}

struct Talk {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Apart {
    /// Starts a child with these policies, or says what is wrong with them.
    pub(crate) fn start(setup: Setup) -> Result<Self, Vec<String>> {
        let (talk, records) = Talk::start(&setup)?;
        let items = records.iter().flat_map(|it| &it.inputs).map(|input| input.item.clone()).collect();
        let checks = records.into_iter().map(|record| (record.id.clone(), record)).collect();
        Ok(Self { setup, items, checks, child: Some(talk), fallen: BTreeMap::new() })
    }

    /// What the policies say of themselves, by id.
    pub(crate) fn table(&self) -> &BTreeMap<String, CheckRecord> {
        &self.checks
    }

    /// The checks that run apart, of a run.
    pub(crate) fn of_run(policies: &Policies, catalogue: Value) -> Result<Self, Vec<String>> {
        let setup = Setup {
            profile: policies.profile.clone(),
            texts: policies.texts(),
            parameters: policies.parameters(),
            catalogue,
        };
        Self::start(setup)
    }
}

impl Talk {
    fn start(setup: &Setup) -> Result<(Self, Vec<CheckRecord>), Vec<String>> {
        let one = |error: io::Error| vec![format!("the process for policies cannot be started: {error}")];
        let mut child = Command::new(std::env::current_exe().map_err(one)?)
            .arg(COMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(one)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| one(io::ErrorKind::BrokenPipe.into()))?;
        let mut talk = Self { child, to: BufWriter::new(to), from: BufReader::new(from) };
        match talk.say(setup).and_then(|()| talk.hear()) {
            Ok(Answer::Ready(checks)) => Ok((talk, checks)),
            Ok(Answer::Problems(problems)) => Err(problems),
            Ok(_) => Err(vec!["the process for policies does not answer as it should".to_owned()]),
            Err(_) => Err(vec![format!("the policies need more than {} MiB to be read", MEMORY_BYTES >> 20)]),
        }
    }

    fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, message)?;
        self.to.write_all(b"\n")?;
        self.to.flush()
    }

    fn hear(&mut self) -> io::Result<Answer> {
        let mut line = Vec::new();
        if self.from.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It ends when its standard input does; nothing of it is wanted any more.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}

impl Assessor for Apart {
    fn assess(&mut self, now: &str, evidence: &Evidence, region: &str, _: &Offered) -> Vec<Row> {
        let account = evidence.account();
        let wanted = |it: &(&str, &str, Result<&Value, (Status, &str)>)| {
            self.items.contains(it.1) && (it.0 == region || it.0 == GLOBAL || region == GLOBAL)
        };
        let cells = evidence.cells().filter(wanted).map(|(region, item, held)| Held {
            region: region.to_owned(),
            item: item.to_owned(),
            document: held.ok().cloned(),
            gap: held.err().map(|(status, reason)| (status.word().to_owned(), reason.to_owned())),
        });
        let skip: BTreeSet<String> = self.fallen.keys().cloned().collect();
        let mut rows: Vec<Row> =
            self.fallen.iter().map(|(check, why)| unjudged(check, account, region, why)).collect();
        let mut request = Request { account, region, now, skip, cells: cells.collect() };
        // Each turn ends the place, or takes one check out of it.
        while let Err((check, why)) = ask(&mut self.child, &self.setup, &mut request, &mut rows) {
            self.child = None;
            let Some(check) = check else {
                let open = self.checks.keys().filter(|id| !request.skip.contains(*id));
                rows.extend(open.map(|id| unjudged(id, account, region, &why)));
                break;
            };
            rows.push(unjudged(&check, account, region, &why));
            request.skip.insert(check.clone());
            self.fallen.insert(check, format!("{why}; it was not run again"));
        }
        rows
    }
}

/// One place in a child. When it ends before the place does: the check that it was at, and what to say of it.
fn ask(
    child: &mut Option<Talk>,
    setup: &Setup,
    request: &mut Request<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), (Option<String>, String)> {
    let talk = if let Some(talk) = child {
        talk
    } else {
        let (talk, _) = Talk::start(setup).map_err(|problems| (None, problems.join("; ")))?;
        child.insert(talk)
    };
    let mut at: Option<String> = None;
    let ended = |at: Option<String>| {
        let why = format!(
            "the policy ended its process, which has {} MiB of memory: it was not judged",
            MEMORY_BYTES >> 20
        );
        (at, why)
    };
    talk.say(request).map_err(|_| ended(None))?;
    loop {
        match talk.hear().map_err(|_| ended(at.clone()))? {
            Answer::Begins(check) => at = Some(check),
            Answer::Rows(found) => {
                rows.extend(found.into_iter().map(|row| Row {
                    account: request.account.to_owned(),
                    region: request.region.to_owned(),
                    ..row
                }));
                request.skip.extend(at.take());
            }
            Answer::Done => return Ok(()),
            Answer::Ready(_) | Answer::Problems(_) => return Err(ended(at)),
        }
    }
}

/// The child: takes policies, then places, until its input ends.
pub(crate) fn serve() -> io::Result<()> {
    let limit = Some(MEMORY_BYTES);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit })?;
    let mut from = io::stdin().lock();
    let mut to = BufWriter::new(io::stdout().lock());
    let mut say = |answer: &Answer| -> io::Result<()> {
        serde_json::to_writer(&mut to, answer)?;
        to.write_all(b"\n")?;
        to.flush()
    };
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    let Setup { profile, texts, parameters, catalogue } = serde_json::from_slice(&line)?;
    let policies = match Policies::of_bundle(&profile, &texts, &parameters) {
        Ok(policies) => policies,
        Err(problems) => {
            return say(&Answer::Problems(problems.iter().map(ToString::to_string).collect()));
        }
    };
    let offered = judging::offered(&catalogue);
    let single: BTreeMap<&String, Policies> =
        policies.checks.keys().map(|check| (check, policies.only(|id| id == check))).collect();
    say(&Answer::Ready(CheckRecord::table(&policies).into_values().collect()))?;
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let Request { account, region, now, skip, cells } = serde_json::from_slice(&line)?;
        let mut evidence = Evidence::new(account);
        for Held { region, item, document, gap } in cells {
            if let Some(document) = document {
                let taken = evidence.document(&region, &item, document.to_string().as_bytes());
                taken.map_err(io::Error::other)?;
            } else if let Some((status, reason)) = gap
                && let Some(status) = Status::parse(&status)
            {
                evidence.gap(&region, &item, status, &reason);
            }
        }
        for (check, policy) in single.iter().filter(|(check, _)| !skip.contains(**check)) {
            say(&Answer::Begins((*check).clone()))?;
            say(&Answer::Rows(policy.assess(now, &evidence, region, &offered)))?;
        }
        say(&Answer::Done)?;
    }
}
