//! `evidenced period build`: one file with everything that the log says of a period.
//!
//! Says everything that is wrong with the arguments at once, before the store is read. The file is written beside its
//! place, read back as a verifier reads it, and put there whole or not at all; what is there is never overwritten.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use evidenced_bundle::period_bundle::{
    BuildError, Built, Extras, PERIOD_BYTES, Place, PlanError, Request, build,
};
use evidenced_bundle::shelf::StoreShelf;
use evidenced_bundle::store::{Creation, LogStore};
use evidenced_bundle::{
    Digest, PeriodId, PeriodName, PeriodShelf, Scope, Span, UtcSecond, hash_reader, span,
};

use super::exit::{EXCEPTIONS, Failed, INTERNAL, NOT_GENUINE, TRY_AGAIN, USAGE};
use super::{print, verify_page};
use crate::collector::{self, CollectError, Loaded, Overrides};
use crate::store;

const REPORT_BYTES: u64 = 64 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build the bundle of a period, or a sample pack of it, from the store.
    ///
    /// A period bundle is one zip with every signed statement of the period, the whole log up to its end, and the zips
    /// with the evidence. It lies in the store under `periods/`, or in the file that you name. `evidenced verify`
    /// verifies it like the store itself. It is refused before the last slot of the period is sealed.
    ///
    /// With --days it is a sample pack: all statements prove that no run was left out, and only the zips of those days
    /// are in it.
    #[command(after_help = EXAMPLES)]
    Build(Build),
}

const EXAMPLES: &str = "\
Examples:
  evidenced period build --quarter 2026-Q4
  evidenced period build --quarter 2026-Q4 --days 2026-10-03,2026-11-17 --name sample --output packs/
  evidenced period build --from 2026-11-01 --to 2026-11-30 --name november";

#[derive(Debug, Args)]
pub(super) struct Build {
    /// The configuration: which store, which scope.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// The quarter of a calendar year, such as 2026-Q4; it is the name as well, unless --name is given.
    #[arg(long, value_name = "YYYY-Qn")]
    quarter: Option<String>,
    /// The first day of another period (UTC); needs --to and --name.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    /// The last day of that period, which is in it.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// What the period is called: the file is SCOPE-NAME.zip. Letters, digits and -, at most 32.
    #[arg(long)]
    name: Option<String>,
    /// A sample pack: days of the period, with commas between them. Only their zips are put in.
    #[arg(long, value_name = "LIST")]
    days: Option<String>,
    /// An HTML report to put in as data/report.html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write SCOPE-NAME.zip into this folder, which is there, or as this file, instead of into the store. Nothing is
    /// overwritten.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> Result<u8, Failed> {
    match command {
        Command::Build(arguments) => run_build(arguments),
    }
}

fn run_build(arguments: &Build) -> Result<u8, Failed> {
    let loaded = Loaded::read(&arguments.config)?;
    let scope = Scope::new(loaded.config.scope.clone())
        .ok_or_else(|| Failed::new(INTERNAL, "the scope of the configuration names no bundle"))?;
    let asked = Asked::read(arguments, scope).map_err(|problems| usage(&problems))?;
    let extras = Extras {
        page: Some(verify_page::page().into_bytes()),
        report: arguments.report.as_deref().map(report).transpose()?,
    };
    let request = Request {
        id: asked.id,
        span: asked.span,
        days: asked.days,
        organisation: loaded.config.organisation.clone(),
        agent: concat!("evidenced ", env!("CARGO_PKG_VERSION")).to_owned(),
        limit_bytes: PERIOD_BYTES,
    };
    let target = Target::of(arguments.output.as_deref(), &loaded, &request.id);
    // A bucket answers on the runtime's thread; what asks it is on this one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let settings = collector::aws_settings(&loaded, None, Overrides::default());
    let store = runtime.block_on(store::open(&loaded, &settings)).map_err(CollectError::Door)?;
    let made = target.make(store.as_ref(), &request, &extras);
    target.clean()?;
    let Made { built, sha256 } = made?;
    print(summary(&request, &target.place, &built, &sha256).as_bytes())?;
    Ok(if built.coverage.absent.is_empty() { 0 } else { EXCEPTIONS })
}

/// What the arguments say, when all of them make sense.
#[derive(Debug)]
struct Asked {
    id: PeriodId,
    span: Span,
    days: Option<BTreeSet<UtcSecond>>,
}

impl Asked {
    /// Everything that is wrong, not only the first.
    fn read(arguments: &Build, scope: Scope) -> Result<Self, Vec<String>> {
        let Build { quarter, from, to, name, .. } = arguments;
        let mut problems = Vec::new();
        let span = match (quarter, from, to) {
            (Some(quarter), None, None) => {
                Span::quarter(quarter).map_err(|error| problems.push(format!("--quarter {error}"))).ok()
            }
            (Some(_), _, _) => {
                problems.push("--quarter is given with --from or --to: it says both days itself".to_owned());
                None
            }
            (None, Some(from), Some(to)) => {
                let dates = [("--from", from), ("--to", to)].map(|(option, text)| {
                    span::day(text).map_err(|error| problems.push(format!("{option} {error}"))).is_ok()
                });
                let days = dates.iter().all(|good| *good).then(|| Span::days(from, to));
                days.and_then(|days| days.map_err(|error| problems.push(error.to_string())).ok())
            }
            (None, None, None) => {
                problems.push("no period is given: --quarter, or --from and --to".to_owned());
                None
            }
            (None, Some(_), None) => {
                problems.push("--from is given without --to, the last day".to_owned());
                None
            }
            (None, None, Some(_)) => {
                problems.push("--to is given without --from, the first day".to_owned());
                None
            }
        };
        if name.is_none() && quarter.is_none() {
            problems.push("--name is missing: a period that is no quarter needs one".to_owned());
        }
        let name = name.as_deref().or(quarter.as_deref().filter(|_| span.is_some()));
        let id = name.and_then(|name| {
            let id = PeriodName::new(name).and_then(|name| PeriodId::new(scope, name));
            if id.is_none() {
                problems
                    .push(format!("--name {name:?} is not 1 to 32 letters, digits and -, or names a run"));
            }
            id
        });
        let days = arguments.days.as_deref().map(|list| chosen(list, span.as_ref(), &mut problems));
        match (id, span) {
            (Some(id), Some(span)) if problems.is_empty() => Ok(Self { id, span, days }),
            _ => Err(problems),
        }
    }
}

/// The days of a list, each once and in the period.
fn chosen(list: &str, span: Option<&Span>, problems: &mut Vec<String>) -> BTreeSet<UtcSecond> {
    let mut days = BTreeSet::new();
    for text in list.split(',') {
        match span::day(text) {
            Err(error) => problems.push(format!("--days {error}")),
            Ok(day) if span.is_some_and(|span| !span.contains(day)) => {
                problems.push(format!("--days {text} is not in the period"));
            }
            Ok(day) if !days.insert(day) => problems.push(format!("--days {text} is there twice")),
            Ok(_) => {}
        }
    }
    days
}

fn usage(problems: &[String]) -> Failed {
    let message = match problems {
        [one] => one.clone(),
        all => format!("{} things are wrong:\n  {}", all.len(), all.join("\n  ")),
    };
    Failed::usage(message, "evidenced period build --help")
}

fn report(path: &Path) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(REPORT_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if u64::try_from(read).is_ok_and(|read| read <= REPORT_BYTES) => Ok(bytes),
        Ok(_) => Err(Failed::new(USAGE, format!("--report {} is larger than 64 MiB", path.display()))),
        Err(error) => Err(Failed::new(USAGE, format!("--report {} cannot be read: {error}", path.display()))),
    }
}

/// Where the file goes, and where it is written first.
struct Target {
    /// For people.
    place: PathBuf,
    /// Under this key of the store, or, when there is none, as the file of that name.
    key: Option<String>,
    temporary: PathBuf,
}

/// A file that is where it belongs.
struct Made {
    built: Built,
    sha256: Digest,
}

impl Target {
    fn of(output: Option<&Path>, loaded: &Loaded, id: &PeriodId) -> Self {
        let name = id.file_name();
        let part = format!(".{name}.{}.tmp", std::process::id());
        if let Some(output) = output {
            let place = if output.is_dir() { output.join(&name) } else { output.to_owned() };
            let temporary = place.with_file_name(part);
            return Self { place, key: None, temporary };
        }
        let temporary = loaded.resolve(&loaded.config.spool).join("periods").join(part);
        Self { place: store::location(loaded, &id.store_key()), key: Some(id.store_key()), temporary }
    }

    fn make(&self, store: &dyn LogStore, request: &Request, extras: &Extras) -> Result<Made, Failed> {
        // A verifier demands that the file has the name of its folder.
        let named = self.place.file_name().is_some_and(|name| *name == *request.id.file_name());
        if !named {
            let wanted = request.id.file_name();
            let name = self.place.display();
            return Err(Failed::usage(
                format!("--output {name} is not named {wanted}, which a verifier demands"),
                "name a folder, or give --name",
            ));
        }
        if self.key.is_none() && self.place.symlink_metadata().is_ok() {
            return Err(there(&self.place));
        }
        if let Some(folder) = self.temporary.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }
        let file = File::create(&self.temporary).map_err(|error| unwritable(&self.temporary, &error))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let built = build(&StoreShelf(store), request, extras, &mut out).map_err(failed)?;
        let file = out.into_inner().map_err(|error| unwritable(&self.temporary, error.error()))?;
        file.sync_all().map_err(|error| unwritable(&self.temporary, &error))?;
        // What a verifier would refuse is not put there.
        let file = File::open(&self.temporary)?;
        let read = PeriodShelf::open(Box::new(file), &request.id.file_name(), Vec::new(), &mut |_, _| {});
        let sha256 = *read.map_err(|error| Failed::new(INTERNAL, error))?.sha256();
        match &self.key {
            Some(key) => self.upload(store, key, sha256)?,
            None => self.link(store, &built)?,
        }
        Ok(Made { built, sha256 })
    }

    /// Into the store. The same bytes may be there from before.
    fn upload(&self, store: &dyn LogStore, key: &str, sha256: Digest) -> Result<(), Failed> {
        let store_failed = |error| Failed::new(INTERNAL, error);
        let mut file = File::open(&self.temporary)?;
        if store.upload(key, &mut file).map_err(store_failed)? == Creation::Created {
            return Ok(());
        }
        let there_now = store.open(key).map_err(store_failed)?.map(hash_reader).transpose()?;
        if there_now.is_some_and(|(found, _)| found == sha256) { Ok(()) } else { Err(there(&self.place)) }
    }

    /// Into a folder, with the zips that stay beside it.
    fn link(&self, store: &dyn LogStore, built: &Built) -> Result<(), Failed> {
        for key in &built.beside {
            let name = key.rsplit('/').next().unwrap_or(key);
            let place = self.place.with_file_name(name);
            let zip = store.open(key).map_err(|error| Failed::new(INTERNAL, error))?;
            let mut zip = zip.ok_or_else(|| Failed::new(NOT_GENUINE, format!("{key} is missing")))?;
            let mut file = match File::create_new(&place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(there(&place)),
                file => file.map_err(|error| unwritable(&place, &error))?,
            };
            io::copy(&mut zip, &mut file)
                .and_then(|_| file.sync_all())
                .map_err(|error| unwritable(&place, &error))?;
        }
        match fs::hard_link(&self.temporary, &self.place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there(&self.place)),
            linked => linked.map_err(|error| unwritable(&self.place, &error)),
        }
    }

    fn clean(&self) -> Result<(), Failed> {
        match fs::remove_file(&self.temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(&self.temporary, &error)),
            _ => Ok(()),
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failed {
    Failed::new(INTERNAL, format!("{} cannot be written: {error}", path.display()))
}

fn there(path: &Path) -> Failed {
    Failed::usage(
        format!("{} is there already, with other bytes", path.display()),
        "nothing is overwritten: give another --name, or --output",
    )
}

fn failed(error: BuildError) -> Failed {
    match &error {
        BuildError::Plan(PlanError::NotSealed { .. }) => Failed::new(TRY_AGAIN, error)
            .hint("build it when the slot is in the log; `evidenced collect --slot` fills it"),
        BuildError::Plan(PlanError::Empty { .. } | PlanError::Days { .. } | PlanError::OtherScope { .. }) => {
            Failed::new(USAGE, error).hint("data/coverage.csv of a period bundle lists every run")
        }
        BuildError::Plan(PlanError::Missing { key }) if key == "log/checkpoint" => Failed::new(USAGE, error)
            .hint("the store has no log: `[signing] log_key` makes `evidenced collect` write one"),
        BuildError::Plan(
            PlanError::Missing { .. } | PlanError::Corrupt { .. } | PlanError::Checkpoint { .. },
        )
        | BuildError::OtherZip { .. } => Failed::new(NOT_GENUINE, error)
            .hint("`evidenced verify` on the store names everything that is wrong with it"),
        BuildError::TooLarge { .. } | BuildError::Start { .. } => {
            Failed::new(USAGE, error).hint("build two shorter periods")
        }
        _ => Failed::new(INTERNAL, error),
    }
}

fn summary(request: &Request, place: &Path, built: &Built, sha256: &Digest) -> String {
    let Built { coverage, index, bytes, beside } = built;
    let places = [
        (Place::Inside, "inside"),
        (Place::Beside, "beside it"),
        (Place::LeftOut, "left out of this sample"),
    ];
    let zips: Vec<String> = places
        .into_iter()
        .map(|(place, words)| (index.count(place), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let last = coverage.first + coverage.leaves.saturating_sub(1);
    let mut text = format!(
        "built {}\n  period  {}\n  slots   {} in the log, {} absent\n  runs    {} in the log, number {} to {last}, {} without a timestamp\n  zips    {}\n  size    {bytes} bytes\n  sha256  {sha256}\n",
        place.display(),
        request.span,
        coverage.slots,
        coverage.absent.len(),
        coverage.leaves,
        coverage.first,
        coverage.undated,
        zips.join(", "),
    );
    if !beside.is_empty() {
        text.push_str("\nThe zips are too large for one file: keep those beside it with it.\n");
    }
    for slot in coverage.absent.iter().take(20) {
        text = format!("{text}  absent  slot {slot} has no run, and a later one is in the log\n");
    }
    format!("{text}\nNext:\n  evidenced verify {} --trust DIR --root-fingerprint HEX\n", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        build: Build,
    }

    fn asked(line: &str) -> Result<Asked, Vec<String>> {
        let line = Line::parse_from(std::iter::once("build").chain(line.split_whitespace()));
        Asked::read(&line.build, Scope::new("prod").unwrap())
    }

    #[test]
    fn a_quarter_is_its_own_name_and_other_periods_have_one() {
        let asked_for = asked("--quarter 2026-Q4").unwrap();
        assert_eq!((asked_for.id.to_string().as_str(), asked_for.days), ("prod-2026-Q4", None));
        let sample = asked("--quarter 2026-Q4 --name sample --days 2026-10-03,2026-12-31").unwrap();
        assert_eq!((sample.id.to_string().as_str(), sample.days.unwrap().len()), ("prod-sample", 2));
        let month = asked("--from 2026-11-01 --to 2026-11-30 --name november").unwrap();
        assert_eq!(month.span.to_string(), "2026-11-01 to 2026-11-30");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        for (line, words) in [
            ("", &["no period is given", "--name is missing"][..]),
            ("--quarter 2026-Q5", &["--quarter \"2026-Q5\" is not a quarter"]),
            ("--quarter 2026-Q4 --from 2026-10-01", &["--quarter is given with --from or --to"]),
            ("--from 2026-10-01", &["--from is given without --to", "--name is missing"]),
            ("--to 2026-10-01 --name x", &["--to is given without --from"]),
            (
                "--from x --to 2026-02-30 --name a/b",
                &["--from \"x\"", "--to \"2026-02-30\"", "--name \"a/b\""],
            ),
            (
                "--from 2026-10-02 --to 2026-10-01 --name x",
                &["the period ends on 2026-10-01, before it starts on"],
            ),
            (
                "--quarter 2026-Q4 --days 2026-09-30,2026-10-01,2026-10-01,soon",
                &[
                    "2026-09-30 is not in the period",
                    "2026-10-01 is there twice",
                    "--days \"soon\" is not a date",
                ],
            ),
        ] {
            let problems = asked(line).unwrap_err();
            assert_eq!(problems.len(), words.len(), "{line}: {problems:?}");
            for (problem, words) in problems.iter().zip(words) {
                assert!(problem.contains(words), "{line}: {problem}");
            }
        }
    }
}
