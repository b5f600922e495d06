//! `evidenced verify --reperform`: the bundle's own policies over its own evidence, compared with its findings.
//!
//! Compared are the table of checks, every row of every place, what became of each exception, and the counts. Not
//! compared is since when the log has an exception: that is told by the bundles before.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use evidenced_bundle::check::printable;
use evidenced_bundle::command::{CommandError, Options, is_shelf, read_keys};
use evidenced_bundle::parts::PartsOn;
use evidenced_bundle::report::Verdict;
use evidenced_bundle::run::RunStatus;
use evidenced_bundle::trust::Recomputed;
use evidenced_bundle::{
    Anchor, BagId, Demand, FolderShelf, PeriodShelf, Shelf, Sidecars, Span, Undated, UntrustedBundle,
    VerifiedBundle,
};
use evidenced_core::assessment::{Assessed, Assessment, FINDINGS};
use evidenced_core::exceptions::{ExceptionState, Flag};
use evidenced_core::layout::policies_digest;
use evidenced_core::policy::ENGINE;
use serde_json::{Value, json};

use super::exit::{Failed, NOT_GENUINE, USAGE};
use super::genuine::Judge;
use super::print;
use crate::judge::{Apart, BundleError, BundleFiles, Rejudged, Setup, rejudge};

/// Differences that are listed before the rest is counted.
const SHOWN: usize = 50;

/// Re-performs each bundle of what was verified, prints what was found, and gives the exit code: 0, 5 or 2.
pub(super) fn reperform(options: &Options, as_json: bool) -> Result<u8, Failed> {
    let anchor = match &options.trust {
        Some(root) => {
            let fingerprint = options.root_fingerprint.as_deref();
            Anchor::read_root(root, fingerprint, options.trust_version, &mut Vec::new())
                .map_err(CommandError::from)?
        }
        None => Anchor::Keys(read_keys(&options.keys)?),
    };
    let mut code = 0;
    let mut take = |one: u8| {
        code = match (code, one) {
            (2, _) | (_, 2) => 2,
            (one, other) => one.max(other),
        };
    };
    for path in &options.paths {
        if is_shelf(path) {
            for one in on_shelf(path, &anchor, options, as_json)? {
                take(one);
            }
            continue;
        }
        let judge = Judge::new(anchor.clone(), Demand { undated: options.undated, ..Demand::default() });
        let unreadable = |error: io::Error| Failed::new(USAGE, format!("{}: {error}", path.display()));
        let bundle = UntrustedBundle::open_path(path, &options.limits).map_err(unreadable)?;
        let sidecars =
            if path.is_dir() { Sidecars::default() } else { Sidecars::beside(path).map_err(unreadable)? };
        let shown = path.display().to_string();
        take(one(judge.verify(bundle, &sidecars, &shown)?.bundle, &shown, as_json)?);
    }
    Ok(code)
}

/// The bundles of a store or a period bundle, in the order of their slots, those of the days that were asked for. They
/// were verified with their log; each is opened once more, and held against its statement. Slots without a run have
/// nothing that could be re-performed, and say so; so does a zip that a sample leaves out.
fn on_shelf(path: &Path, anchor: &Anchor, options: &Options, as_json: bool) -> Result<Vec<u8>, Failed> {
    let name = path.display();
    let unreadable = |error: io::Error| Failed::new(USAGE, format!("{name}: {error}"));
    let span = options.period.span()?;
    let (shelf, span): (Box<dyn Shelf>, Option<Span>) = if path.is_dir() {
        (Box::new(FolderShelf::new(path).map_err(unreadable)?), span)
    } else {
        let shelf = PeriodShelf::open_path(path, &mut |_, _| {})
            .map_err(|error| Failed::new(NOT_GENUINE, format!("{name}: {error}")))?;
        let own = *shelf.span();
        (Box::new(shelf), span.or(Some(own)))
    };
    let keys = shelf.list("bundles/").map_err(unreadable)?;
    let stem = |key: &String| BagId::parse(key.rsplit('/').next()?.strip_suffix(".zip")?);
    let mut ids: Vec<BagId> = keys.iter().filter_map(stem).collect();
    ids.retain(|id| span.is_none_or(|span| span.contains(id.slot())));
    ids.sort_by_key(|id| (id.slot(), id.kind()));
    ids.dedup();
    // As in the verification of the log, which said what lacks a date and whether every leaf is there.
    let demand = Demand { undated: Undated::Accepted, log: Recomputed::MatchesUnrevoked };
    let judge = Judge::new(anchor.clone(), demand);
    let mut codes = Vec::new();
    for id in ids {
        let key = id.store_key();
        let shown = format!("{name}: {key}");
        let Some(zip) = shelf.open(&key).map_err(unreadable)? else {
            say(&Found::nothing(&shown, &id.to_string(), "its zip is left out here"), as_json)?;
            continue;
        };
        let sidecars = Sidecars::on(&*shelf, &key).map_err(unreadable)?;
        let bundle = UntrustedBundle::open(zip, &id.file_name(), &options.limits);
        let bundle = bundle.with_parts(PartsOn::new(&*shelf, &id));
        let verified = judge.verify(bundle, &sidecars, &shown)?.bundle;
        if verified.run().status == RunStatus::Missed {
            say(&Found::nothing(&shown, &id.to_string(), "there was no run"), as_json)?;
            continue;
        }
        codes.push(one(verified, &shown, as_json)?);
    }
    if codes.is_empty() {
        let message = format!("{name}: no bundle of these days holds a run");
        return Err(Failed::usage(message, "name other days, or a bundle"));
    }
    Ok(codes)
}

/// One bundle, and its exit code.
fn one(mut bundle: VerifiedBundle, shown: &str, as_json: bool) -> Result<u8, Failed> {
    match again(&mut bundle) {
        Ok(found) => say(&(found.text(), found.value(shown), found.code()), as_json),
        Err(BundleError::Nothing(why)) => {
            say(&Found::nothing(shown, &bundle.id().to_string(), &why), as_json)
        }
        Err(error) => Err(error.into()),
    }
}

fn say((text, value, code): &(String, Value, u8), as_json: bool) -> Result<u8, Failed> {
    print(if as_json { format!("{value}\n") } else { text.clone() }.as_bytes())?;
    Ok(*code)
}

/// What re-performance found.
struct Found {
    id: String,
    rows: usize,
    checks: usize,
    /// The engine that the bundle names.
    engine: String,
    version: String,
    differences: Vec<String>,
}

impl Found {
    /// What is said where there is nothing to run: text, value, exit code.
    fn nothing(shown: &str, id: &str, why: &str) -> (String, Value, u8) {
        let text = format!("{id}: could not be re-performed: {why}");
        let value = json!({ "path": shown, "id": id, "reperformed": false, "reason": text });
        (format!("{text}\n"), value, Verdict::CouldNotTell.exit_code())
    }

    fn code(&self) -> u8 {
        if self.differences.is_empty() { 0 } else { Verdict::NotGenuine.exit_code() }
    }

    fn engines(&self) -> String {
        format!(
            "{ENGINE} of evidenced {}; the bundle was judged with {} of evidenced {}",
            env!("CARGO_PKG_VERSION"),
            self.engine,
            self.version
        )
    }

    fn text(&self) -> String {
        let Self { id, rows, checks, differences, .. } = self;
        let engines = self.engines();
        if differences.is_empty() {
            return format!(
                "re-performed: {id}\n  {rows} rows of {checks} checks are what its policies make of its evidence\n  {engines}\n"
            );
        }
        let mut text = format!(
            "NOT RE-PERFORMED: {id}\n  {} difference(s): its evidence does not give its findings\n  {engines}\n",
            differences.len()
        );
        for difference in differences.iter().take(SHOWN) {
            text = format!("{text}    {}\n", printable(difference));
        }
        if differences.len() > SHOWN {
            text = format!("{text}    and {} more\n", differences.len() - SHOWN);
        }
        text
    }

    fn value(&self, path: &str) -> Value {
        json!({ "path": path, "id": self.id, "reperformed": self.differences.is_empty(), "rows": self.rows,
            "checks": self.checks, "engine": ENGINE, "version": env!("CARGO_PKG_VERSION"),
            "bundle": { "engine": self.engine, "version": self.version }, "differences": self.differences })
    }
}

fn again(bundle: &mut VerifiedBundle) -> Result<Found, BundleError> {
    let nothing = |why: String| BundleError::Nothing(why);
    if bundle.run().status == RunStatus::Missed {
        return Err(nothing("there was no run".to_owned()));
    }
    if let Some(part) = bundle.parts().absent.first() {
        return Err(nothing(format!("{} is absent", part.part.file_name())));
    }
    let files = BundleFiles::read(bundle, true)?;
    if !files.is_judged() {
        return Err(nothing("it has no findings".to_owned()));
    }
    let stated = files.assessment()?;
    let texts = files.policies()?;
    let mut differences = Vec::new();
    let digest = files.facts.run.pointer("/collector/policiesDigest/sha256").and_then(Value::as_str);
    if digest != Some(policies_digest(&texts).as_str()) {
        differences.push("collector.policiesDigest is not that of data/policies".to_owned());
    }
    let parameters = stated.checks.iter().map(|(id, it)| (id.clone(), Value::Object(it.parameters.clone())));
    let setup = Setup {
        profile: stated.profile.clone(),
        texts,
        parameters: Value::Object(parameters.collect()),
        catalogue: files.facts.catalogue.clone(),
    };
    let mut apart = Apart::start(setup).map_err(|problems| nothing(problems.join("; ")))?;
    differences.extend(tables(&stated, apart.table()));
    let table = Assessment {
        profile: stated.profile.clone(),
        checks: apart.table().clone(),
        ..Assessment::default()
    };
    let rejudged = rejudge(bundle, &files, table, &mut apart);
    if stated.now != rejudged.assessment.now {
        differences.push(format!(
            "data/checks.json: now is {:?}, the run began {:?}",
            stated.now, rejudged.assessment.now
        ));
    }
    differences.extend(places(&files, &rejudged));
    differences.extend(rows(&stated, &rejudged.assessment));
    if stated.documents != rejudged.assessment.documents || stated.contents != rejudged.assessment.contents {
        differences.push("the digests of documents in the findings are not those of the evidence".to_owned());
    }
    if files.has_exceptions() {
        differences.extend(exceptions(&stated.exceptions, &rejudged.exceptions.states(&[])));
    }
    let counts = json!(rejudged.assessment.counts());
    if files.facts.summary.get("verdicts") != Some(&counts) {
        differences.push(format!("data/summary.json: the verdicts are {counts}"));
    }
    let run =
        |pointer: &str| files.facts.run.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let engine = files.files.get(evidenced_core::assessment::CHECKS);
    let engine = engine.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let engine = engine.and_then(|value| value.get("engine")?.as_str().map(str::to_owned));
    Ok(Found {
        id: bundle.id().to_string(),
        rows: rejudged.assessment.rows.len(),
        checks: rejudged.assessment.checks.len(),
        engine: engine.unwrap_or_else(|| "an engine that it does not name".to_owned()),
        version: run("/collector/version"),
        differences,
    })
}

/// The table of checks is what the policies say of themselves.
fn tables(
    stated: &Assessment,
    found: &BTreeMap<String, evidenced_core::assessment::CheckRecord>,
) -> Vec<String> {
    let ids = stated.checks.keys().chain(found.keys().filter(|id| !stated.checks.contains_key(*id)));
    ids.filter(|id| stated.checks.get(*id) != found.get(*id))
        .map(|id| match (stated.checks.get(id), found.get(id)) {
            (Some(_), None) => format!("data/checks.json: {id} has no policy in data/policies"),
            (None, _) => format!("data/checks.json: {id} is in data/policies and not in the table"),
            _ => format!("data/checks.json: {id} is not what its policy says of itself"),
        })
        .collect()
}

/// There is a file of findings for each place, and none besides.
fn places(files: &BundleFiles, rejudged: &Rejudged) -> Vec<String> {
    let made: Vec<&str> = rejudged.findings.iter().map(|(path, _)| path.as_str()).collect();
    let there = |path: &str| files.files.contains_key(path);
    let absent = made.iter().filter(|path| !there(path)).map(|path| format!("{path}: is not in the bundle"));
    let found = files.files.keys().filter(|path| path.starts_with(FINDINGS));
    let besides = found.filter(|path| !made.contains(&path.as_str()));
    absent.chain(besides.map(|path| format!("{path}: is of no place of the run"))).collect()
}

fn name(assessed: &Assessed) -> String {
    let row = &assessed.row;
    let resource = row.resource.as_deref().unwrap_or("population");
    format!("{} {} {} {resource}", row.account, row.region, row.check)
}

/// Row by row.
fn rows(stated: &Assessment, found: &Assessment) -> Vec<String> {
    let index = |assessment: &Assessment| -> BTreeMap<String, Vec<Assessed>> {
        let mut rows: BTreeMap<String, Vec<Assessed>> = BTreeMap::new();
        for assessed in &assessment.rows {
            rows.entry(name(assessed)).or_default().push(assessed.clone());
        }
        rows
    };
    let (stated, found) = (index(stated), index(found));
    let mut differences = Vec::new();
    for (name, rows) in &found {
        match stated.get(name).map(Vec::as_slice) {
            None => differences
                .push(format!("{name}: is not in the findings, its evidence gives {}", verdicts(rows))),
            Some(other) if other != rows.as_slice() => differences.push(difference(name, other, rows)),
            Some(_) => {}
        }
    }
    for (name, rows) in stated.iter().filter(|(name, _)| !found.contains_key(*name)) {
        differences
            .push(format!("{name}: the findings say {}, its evidence gives no such row", verdicts(rows)));
    }
    differences
}

fn verdicts(rows: &[Assessed]) -> String {
    rows.iter().map(Assessed::verdict).collect::<Vec<_>>().join(" and ")
}

fn difference(name: &str, stated: &[Assessed], found: &[Assessed]) -> String {
    if verdicts(stated) != verdicts(found) {
        return format!(
            "{name}: the findings say {}, its evidence gives {}",
            verdicts(stated),
            verdicts(found)
        );
    }
    let ([stated], [found]) = (stated, found) else { return format!("{name}: its rows differ") };
    let (one, other) = (&stated.row, &found.row);
    let what = [
        (one.reason != other.reason, "reason"),
        (one.observed != other.observed, "observed"),
        (one.expected != other.expected, "expected"),
        (one.evidence != other.evidence, "evidence"),
        (one.verdict != other.verdict || stated.exception != found.exception, "exception"),
    ];
    let what: Vec<&str> = what.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect();
    format!("{name}: its {} is not what its evidence gives", what.join(" and "))
}

/// What became of the exceptions, but for since when the log has them.
fn exceptions(stated: &[ExceptionState], found: &[ExceptionState]) -> Vec<String> {
    let plain = |state: &ExceptionState| {
        let mut state = state.clone();
        state.since = String::new();
        state.flags.retain(|flag| *flag != Flag::Claimed);
        state
    };
    if stated.iter().map(plain).eq(found.iter().map(plain)) {
        return Vec::new();
    }
    let differing = found.iter().filter(|it| !stated.iter().any(|other| plain(other) == plain(it)));
    let mut ids: Vec<&str> = differing.map(|it| it.exception.id.as_str()).collect();
    if ids.is_empty() {
        ids.push("its list");
    }
    vec![format!("data/exceptions.json: {} is not what configuration and findings give", ids.join(", "))]
}
