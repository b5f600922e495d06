//! The bundles of a period, one after the other in the order of the log.
//!
//! Each is opened, verified (steps 1 to 10), held against its leaf and its slot, compared with the one before, and
//! closed. A missing zip or sidecar is refused; a timestamp may be missing for 24 hours, or where no authority is
//! trusted. A zip that has no leaf proves nothing and is listed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::anchor::Anchor;
use crate::archive::UntrustedBundle;
use crate::attest::{Attested, Demand, Undated, attest};
use crate::check::VerifyError;
use crate::digest::Digest;
use crate::expect::Comparison;
use crate::id::{BagId, Kind};
use crate::input::Input;
use crate::parts::{PartId, PartsOn};
use crate::period::check::{Finding, LogCheck};
use crate::period::history::History;
use crate::period::report::{BundleRow, PeriodReport};
use crate::period::scene::Scene;
use crate::period::slots::{GRACE_SECONDS, end_of};
use crate::period::{Request, changes::changes};
use crate::report::Verdict;
use crate::run::RunStatus;
use crate::shelf::Shelf;
use crate::sidecar::{PROOF, SIGSTORE, SSHSIG, Sidecars, TSR, Wanted, ZipDigests};
use crate::single::{Verified, verify_bundle};
use crate::statement::Statement;
use crate::time::UtcSecond;
use crate::trust::Recomputed;

/// How many gaps of a run are named; all of them are in its own report.
const GAPS: usize = 20;

pub(crate) struct Bundles<'a, 'b> {
    pub(crate) shelf: &'a dyn Shelf,
    pub(crate) request: &'a Request<'a>,
    pub(crate) anchor: Anchor,
    pub(crate) history: &'a History,
    pub(crate) report: &'b mut PeriodReport,
    pub(crate) comparison: Option<Comparison<'a>>,
    /// The scheduled bundle before this one.
    pub(crate) before: Option<Scene>,
}

/// What one bundle came to.
enum Opened {
    /// The zip was verified.
    Whole(Box<Verified>),
    /// The zip was left out of a sample; its sidecars were verified.
    Sidecars(Box<Attested>),
}

impl Bundles<'_, '_> {
    pub(crate) fn verify(mut self) {
        let inside = |statement: &&Statement| {
            self.request.span.is_none_or(|span| span.contains(statement.snapshot.id.slot()))
        };
        let wanted: Vec<&Statement> = self.history.statements().iter().filter(inside).collect();
        self.baseline(wanted.first().map_or(0, |first| first.index));
        let mut newest: Option<(UtcSecond, BagId)> = None;
        for statement in wanted {
            let row = self.bundle(statement, &mut newest);
            self.report.bundle(row);
        }
        self.unlogged();
        if let Some(comparison) = self.comparison.take() {
            for deviation in comparison.deviations() {
                self.report.deviation(deviation);
            }
        }
    }

    /// The scheduled bundle before the period, so that a change at its border is seen.
    fn baseline(&mut self, first: u64) {
        let mut before = self.history.statements().iter().take(usize::try_from(first).unwrap_or(usize::MAX));
        let Some(statement) = before.rfind(|statement| is_scheduled(statement)) else { return };
        let why = match self.open(statement) {
            Ok(Opened::Whole(mut verified)) => match Scene::read(&mut verified.bundle, &statement.snapshot) {
                Ok(scene) => {
                    self.before = Some(scene);
                    return;
                }
                Err(error) => format!("it cannot be read: {error}"),
            },
            Ok(Opened::Sidecars(_)) => "it is not here".to_owned(),
            Err(Failure::Refused(Finding { check: LogCheck::BundlesThere, detail, .. })) => {
                format!("it is not here: {detail}")
            }
            // It is outside the period, so that it is not judged; but nobody must think that it was merely away.
            Err(Failure::Refused(finding)) => format!("it is not genuine: {}", finding.detail),
            Err(Failure::Verify(error)) => format!("it is not genuine: {error}"),
        };
        let id = &statement.snapshot.id;
        self.report.not_checked(format!("what changed since {id}, the bundle before the period: {why}"));
    }

    fn bundle(&mut self, statement: &Statement, newest: &mut Option<(UtcSecond, BagId)>) -> BundleRow {
        let id = &statement.snapshot.id;
        let mut row = BundleRow::new(statement);
        match self.open(statement) {
            Ok(Opened::Sidecars(attested)) => {
                row.exceptions.push("left out of this sample: not opened".to_owned());
                row.exceptions.extend(dates(&attested, newest));
                row.dated = attested.dated.map(|at| at.to_string());
                row.verdict = Verdict::GenuineWithExceptions;
                self.compare_statement(statement);
            }
            Ok(Opened::Whole(mut verified)) => {
                row.opened = true;
                row.exceptions.extend(timing(statement));
                if let Some(attested) = &verified.attested {
                    row.exceptions.extend(dates(attested, newest));
                    row.dated = attested.dated.map(|at| at.to_string());
                }
                row.exceptions.extend(of_run(&verified));
                row.verdict =
                    if row.exceptions.is_empty() { Verdict::Genuine } else { Verdict::GenuineWithExceptions };
                match Scene::read(&mut verified.bundle, &statement.snapshot) {
                    Ok(scene) => self.compare(scene),
                    Err(error) => self.refused(&mut row, id, &error),
                }
            }
            Err(Failure::Refused(finding)) => {
                row.verdict = Verdict::NotGenuine;
                row.problem = Some(finding.detail.clone());
                self.report.fail(finding);
            }
            Err(Failure::Verify(error)) => self.refused(&mut row, id, &error),
        }
        for exception in &row.exceptions {
            self.report.except(Finding::new(LogCheck::Bundles, id, exception));
        }
        row
    }

    fn refused(&mut self, row: &mut BundleRow, id: &BagId, error: &VerifyError) {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        let problem = format!("{error}{source}");
        match error {
            VerifyError::Unreadable { .. } => {
                row.verdict = Verdict::CouldNotTell;
                self.report.could_not_tell(&format!("{id}: {problem}"));
            }
            // In a store nothing that belongs to a bundle may be missing.
            VerifyError::Refused { .. } | VerifyError::Missing { .. } => {
                row.verdict = Verdict::NotGenuine;
                self.report.fail(Finding::new(LogCheck::Bundles, id, &problem));
            }
        }
        row.problem = Some(problem);
    }

    /// Steps 1 to 10, and the same leaf as in the log.
    fn open(&mut self, statement: &Statement) -> Result<Opened, Failure> {
        let id = &statement.snapshot.id;
        let (key, name) = (id.store_key(), id.file_name());
        // As beside a lone zip: what is larger than it can be, or no file, is wrong; what does not answer is unknown.
        let sidecars = Sidecars::on(self.shelf, &key).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData => {
                Finding::new(LogCheck::Bundles, id, error).into()
            }
            _ => unreadable(error),
        })?;
        let zip = self.shelf.open(&key).map_err(unreadable)?;
        for (suffix, bytes) in sidecars.files() {
            self.report.input(Input::of(Path::new(&format!("{key}{suffix}")), bytes));
        }
        let gone = zip.is_none() && !self.shelf.left_out(&key);
        let missing = [
            (gone, ""),
            (sidecars.sigstore.is_none(), SIGSTORE),
            (sidecars.proof.is_none(), PROOF),
            (sidecars.sshsig.is_none(), SSHSIG),
        ];
        if let Some(detail) = all_missing(&key, missing) {
            return Err(Finding::new(LogCheck::BundlesThere, id, detail).into());
        }
        if sidecars.tsr.is_none() && !self.may_lack_token(statement) {
            let detail = format!("{key}{TSR} is missing, more than 24 hours after collecting ended");
            return Err(Finding::new(LogCheck::BundlesThere, id, detail).into());
        }
        let demand = Demand { undated: Undated::Accepted, log: Recomputed::MatchesUnrevoked };
        let Some(zip) = zip else {
            let attested = attest(&name, None, &sidecars, self.request.trust, &demand, &mut |_, _| {})?;
            self.same_leaf(statement, &attested)?;
            return Ok(Opened::Sidecars(Box::new(attested)));
        };
        let bundle = UntrustedBundle::open(zip, &name, &self.request.limits);
        let mut bundle = bundle.with_parts(PartsOn::new(self.shelf, id));
        // The log names the zip: other bytes are not worth a look.
        let digests = bundle.hash(Wanted::Both)?;
        if let Some(ZipDigests { sha256, bytes, .. }) = digests {
            self.report.input(Input { path: key.clone(), bytes: *bytes, sha256: *sha256 });
        }
        if let Some(digests) = digests.filter(|digests| digests.sha256 != statement.snapshot.zip_sha256) {
            let detail = format!(
                "{key} has sha256 {}, its leaf in the log says {}",
                digests.sha256, statement.snapshot.zip_sha256
            );
            return Err(Finding::new(LogCheck::Bundles, id, detail).into());
        }
        let verified = verify_bundle(bundle, &sidecars, &self.anchor, &demand, &mut |_, _| {})?;
        if let Some(attested) = &verified.attested {
            self.same_leaf(statement, attested)?;
        }
        Ok(Opened::Whole(Box::new(verified)))
    }

    fn same_leaf(&self, statement: &Statement, attested: &Attested) -> Result<(), Failure> {
        let position = usize::try_from(statement.index).unwrap_or(usize::MAX);
        let id = &statement.snapshot.id;
        if self.history.leaves().get(position) != Some(&Digest::of(&attested.leaf)) {
            let detail = format!("the statement in {SIGSTORE} is not leaf {} of the log", statement.index);
            return Err(Finding::new(LogCheck::Bundles, id, detail).into());
        }
        if self.history.root(attested.checkpoint.size) != Some(&attested.checkpoint.root) {
            let detail = format!("the checkpoint in {PROOF} is of another log than the one here");
            return Err(Finding::new(LogCheck::Checkpoints, id, detail).into());
        }
        Ok(())
    }

    /// Whether the timestamp may be missing: nobody is trusted for one, the caller says so, or it may still come.
    fn may_lack_token(&self, statement: &Statement) -> bool {
        let ended = statement.snapshot.ended.unix();
        self.request.undated == Undated::Accepted
            || self.request.trust.document().authorities.is_empty()
            || self.request.now.is_some_and(|now| now.unix() < ended.saturating_add(GRACE_SECONDS))
    }

    /// Against the scheduled bundle before it, and against what was agreed.
    fn compare(&mut self, scene: Scene) {
        if let Some(before) = &self.before {
            self.report.changes(changes(before, &scene));
        }
        if let Some(comparison) = &mut self.comparison {
            comparison.take(&scene);
        }
        if scene.id.kind() == Kind::Schedule {
            self.before = Some(scene);
        }
    }

    /// Of a zip that is not here only the digest of its configuration is known.
    fn compare_statement(&mut self, statement: &Statement) {
        if self
            .before
            .as_ref()
            .is_some_and(|before| before.snapshot.config_sha256 != statement.snapshot.config_sha256)
        {
            let id = &statement.snapshot.id;
            self.report
                .not_checked(format!("what changed in the configuration of {id}: its zip is not here"));
        }
    }

    /// Zips that no leaf names.
    fn unlogged(&mut self) {
        let keys = match self.shelf.list("bundles/") {
            Ok(keys) => keys,
            Err(error) => return self.report.could_not_tell(&format!("bundles/ cannot be listed: {error}")),
        };
        let logged: BTreeSet<&BagId> =
            self.history.statements().iter().map(|statement| &statement.snapshot.id).collect();
        for key in &keys {
            let name = key.rsplit('/').next().unwrap_or(key);
            let Some(stem) = name.strip_suffix(".zip") else { continue };
            let Some(id) = bag_of(stem) else {
                let detail = "is not the name of a bundle: nothing is known of it";
                self.report.except(Finding::new(LogCheck::BundlesLogged, key, detail));
                continue;
            };
            let folder = |key: &str| key.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            if folder(key) != folder(&id.store_key()) {
                let detail = format!("is a second place for {id}, which belongs at {}", id.store_key());
                self.report.fail(Finding::new(LogCheck::BundlesLogged, key, detail));
            } else if !logged.contains(&id) && self.request.span.is_none_or(|span| span.contains(id.slot())) {
                let detail = "has no leaf in the log: it is not sequenced, and was not verified";
                self.report.except(Finding::new(LogCheck::BundlesLogged, key, detail));
            }
        }
    }
}

/// Why a bundle was not opened.
enum Failure {
    Refused(Finding),
    Verify(VerifyError),
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        Self::Refused(finding)
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::Verify(error)
    }
}

/// What is not there of a bundle, all at once: a whole day that was taken away reads like one.
fn all_missing(key: &str, files: [(bool, &str); 4]) -> Option<String> {
    let mut missing = files.into_iter().filter_map(|(missing, suffix)| missing.then_some(suffix));
    let first = missing.next()?;
    let more: Vec<&str> = missing.collect();
    Some(match (first, more.as_slice()) {
        (_, []) => format!("{key}{first} is missing"),
        ("", more) => format!("{key} is missing, and beside it {}", more.join(", ")),
        (_, more) => format!("{key}{first} is missing, and {}", more.join(", ")),
    })
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Verify(VerifyError::unreadable(error))
}

fn is_scheduled(statement: &Statement) -> bool {
    statement.snapshot.id.kind() == Kind::Schedule
}

/// The bundle that a zip belongs to: itself, or the one that it is a part of.
fn bag_of(stem: &str) -> Option<BagId> {
    PartId::parse(stem).map(|part| part.root().clone()).or_else(|| BagId::parse(stem))
}

/// A run belongs to its slot when it starts in the slot's own period.
fn timing(statement: &Statement) -> Option<String> {
    let snapshot = &statement.snapshot;
    let (slot, started) = (snapshot.id.slot(), snapshot.started);
    if snapshot.id.kind() != Kind::Schedule || snapshot.status == RunStatus::Missed {
        return None;
    }
    if started < slot {
        return Some(format!("early: collecting started at {started}, before its slot {slot}"));
    }
    let end = end_of(slot, &snapshot.schedule).filter(|end| started >= *end)?;
    Some(format!("late: collecting started at {started}, when slot {end} was due already"))
}

/// Late, early, undated, and dated before a leaf that comes before it.
fn dates(attested: &Attested, newest: &mut Option<(UtcSecond, BagId)>) -> Vec<String> {
    let mut exceptions = attested.exceptions();
    let id = &attested.statement.snapshot.id;
    let Some(dated) = attested.dated else { return exceptions };
    match newest {
        Some((latest, before)) if dated < *latest => exceptions.push(format!(
            "out of order: dated {dated}, and {before}, which comes before it in the log, {latest}"
        )),
        _ => *newest = Some((dated, id.clone())),
    }
    exceptions
}

/// A missed slot, and the gaps of a run.
fn of_run(verified: &Verified) -> Vec<String> {
    let run = verified.bundle.run();
    let mut exceptions = verified.bundle.parts().exceptions();
    if run.status == RunStatus::Missed {
        let reason = run.reason.as_deref().unwrap_or("no reason is given");
        exceptions.push(format!("missed, written late at {}: {reason}", run.started));
    }
    for gap in run.gaps.iter().take(GAPS) {
        let why =
            gap.error.as_deref().or(gap.reason.as_deref()).map(|why| format!(", {why}")).unwrap_or_default();
        exceptions.push(format!("{}: {} {} {}{why}", gap.status.word(), gap.account, gap.region, gap.item));
    }
    let more = run.gaps.len().saturating_sub(GAPS);
    if more > 0 {
        exceptions.push(format!(
            "{more} more gaps: verify {} alone to list them",
            verified.bundle.id().file_name()
        ));
    }
    exceptions
}
