//! `evidenced download`: bundles from the store, verified on arrival.
//!
//! 1. The log is read and verified; it says which bundles there are and what their digests are.
//! 2. Each zip is fetched with what lies beside it and its parts, each held against its signed digest.
//! 3. Of a quarter, the log as it was verified and the trust root are written beside them: the folder is a store.
//! 4. The verifier has the last word: its result is printed, and its exit code is this command's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use evidenced_bundle::attest::Demand;
use evidenced_bundle::check::printable;
use evidenced_bundle::command::{Options, PeriodOptions, Verifier, verify};
use evidenced_bundle::parts::NoParts;
use evidenced_bundle::shelf::StoreShelf;
use evidenced_bundle::statement::Statement;
use evidenced_bundle::trust::Recomputed;
use evidenced_bundle::{
    BagId, BundlePath, Digest, Limits, PartRecord, Sidecars, Span, Undated, UntrustedBundle, UtcSecond, span,
    verify_bundle,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

use super::exit::{Failed, INTERNAL, NOT_GENUINE, TRY_AGAIN, USAGE};
use super::print;
use crate::client::bring::{self, BringError, Brought};
use crate::client::look::{self, is_scheduled, parts};
use crate::client::{Access, Client};

pub(super) const EXAMPLES: &str = "\
Examples:
  evidenced download 2026-10-03
  evidenced download 2026-10-03T02:00:00Z --to evidence/
  evidenced download 2026-Q4 --to 2026-Q4/";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A slot (2026-10-03T02:00:00Z), the id of a bundle, a day of UTC, or a quarter.
    #[arg(value_name = "SLOT|DATE|QUARTER")]
    what: String,
    /// The folder. Without it: this one, for a quarter a new one named SCOPE-QUARTER.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
    /// A bundle without any timestamp is an exception (exit code 4); without this nothing can be said of it (2).
    #[arg(long)]
    undated: bool,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Slot(UtcSecond),
    Bundle(BagId),
    Day(Span),
    Quarter(Span),
}

impl Wanted {
    fn read(text: &str) -> Option<Self> {
        let id = BagId::parse(text.strip_suffix(".zip").unwrap_or(text));
        let slot = UtcSecond::parse(text).or_else(|| UtcSecond::parse_compact(text));
        id.map(Self::Bundle)
            .or(slot.map(Self::Slot))
            .or_else(|| span::day(text).ok().and_then(|_| Span::days(text, text).ok()).map(Self::Day))
            .or_else(|| Span::quarter(text).ok().map(Self::Quarter))
    }

    fn includes(&self, id: &BagId) -> bool {
        match self {
            Self::Slot(slot) => id.slot() == *slot,
            Self::Bundle(wanted) => id == wanted,
            Self::Day(span) | Self::Quarter(span) => span.contains(id.slot()),
        }
    }
}

pub(super) fn run(arguments: &Arguments, quiet: bool) -> Result<u8, Failed> {
    let Arguments { what, to, access, undated } = arguments;
    let wanted = Wanted::read(what).ok_or_else(|| {
        let message = format!("{} is no slot, bundle, day or quarter", printable(what));
        Failed::usage(message, "such as 2026-10-03T02:00:00Z, 2026-10-03 or 2026-Q4")
    })?;
    // 1.
    let client = Client::open(access)?;
    let all = client.history.statements();
    let mut statements: Vec<&Statement> =
        all.iter().filter(|statement| wanted.includes(&statement.snapshot.id)).collect();
    let Some(first) = statements.first() else {
        let message = format!("the log has no bundle of {}", printable(what));
        return Err(Failed::usage(message, "`evidenced list` shows those that it has"));
    };
    let quarter = matches!(wanted, Wanted::Quarter(_));
    if quarter {
        // What changed at the border of the period is told by the bundle before it.
        let before = all.iter().take_while(|statement| statement.index < first.index);
        statements.splice(0..0, before.filter(|statement| is_scheduled(statement)).last());
    }
    let folder = to.clone().unwrap_or_else(|| match wanted {
        Wanted::Quarter(_) => format!("{}-{what}", client.loaded.config.scope).into(),
        _ => PathBuf::from("."),
    });
    // 2.
    let mut download = Download {
        client: &client,
        folder: &folder,
        quarter,
        bar: bar(statements.len(), quiet),
        files: 0,
        bytes: 0,
        here: 0,
    };
    let keys = client.keys()?;
    let mut refused = Vec::new();
    let mut zips = Vec::new();
    for statement in &statements {
        let named: Vec<&str> = parts(&keys, statement).collect();
        match download.bundle(statement, !named.is_empty()) {
            Ok(zip) => zips.push(zip),
            Err(error) if is_refusal(&error) => refused.push(error.to_string()),
            Err(error) => return Err(failed(error)),
        }
        download.bar.inc(1);
    }
    // 3.
    if quarter {
        download.log_and_trust().map_err(failed)?;
    }
    download.bar.finish_and_clear();
    let Download { files, bytes, here, .. } = download;
    let place = folder.display();
    let mut text = format!(
        "{} bundle(s) in {place}: {files} file(s) fetched ({}), {here} there already\n",
        zips.len(),
        look::size(bytes)
    );
    for refusal in &refused {
        text = format!("{text}  REFUSED  {}\n", printable(refusal));
    }
    print(text.as_bytes())?;
    if zips.is_empty() {
        return Ok(NOT_GENUINE);
    }
    // 4.
    let paths = if quarter { vec![folder.clone()] } else { zips };
    let options = Options {
        paths,
        trust: Some(client.trust_path.clone()),
        root_fingerprint: Some(client.trust.fingerprint().to_string()),
        undated: if *undated { Undated::Accepted } else { Undated::Refused },
        period: PeriodOptions { quarter: quarter.then(|| what.clone()), ..PeriodOptions::default() },
        ..Options::default()
    };
    let name = concat!("evidenced download ", env!("CARGO_PKG_VERSION"));
    let verifier = Verifier { name, now: look::now() };
    let verdict = verify(&options, verifier, &mut std::io::stdout().lock())?;
    Ok(if refused.is_empty() { verdict.exit_code() } else { NOT_GENUINE })
}

/// What is done, and what was.
struct Download<'a> {
    client: &'a Client,
    folder: &'a Path,
    /// Keys become paths; otherwise all files lie side by side.
    quarter: bool,
    bar: ProgressBar,
    files: u64,
    bytes: u64,
    here: u64,
}

impl Download<'_> {
    fn place(&self, key: &str) -> PathBuf {
        let name = if self.quarter { key } else { key.rsplit('/').next().unwrap_or(key) };
        self.folder.join(name)
    }

    fn count(&mut self, brought: Brought) {
        match brought {
            Brought::Here => self.here += 1,
            Brought::Fetched(bytes) => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
        }
    }

    /// A zip, what lies beside it, and its parts.
    fn bundle(&mut self, statement: &Statement, divided: bool) -> Result<PathBuf, BringError> {
        let snapshot = &statement.snapshot;
        let key = snapshot.id.store_key();
        self.zip(&key, &snapshot.zip_sha256)?;
        let shelf = StoreShelf(&*self.client.store);
        let sidecars = Sidecars::on(&shelf, &key).map_err(|error| unreadable(&key, error))?;
        for (suffix, bytes) in sidecars.files() {
            let brought = bring::small(bytes, &self.place(&format!("{key}{suffix}")))?;
            self.count(brought);
        }
        if divided {
            for record in self.records(statement, &sidecars) {
                self.zip(&record.part.store_key(), &record.sha256)?;
            }
        }
        Ok(self.place(&key))
    }

    fn zip(&mut self, key: &str, sha256: &Digest) -> Result<(), BringError> {
        let name = key.rsplit('/').next().unwrap_or(key);
        let bar = &self.bar;
        let mut hear = |bytes| bar.set_message(format!("{name} {}", look::size(bytes)));
        let brought = bring::zip(&*self.client.store, key, &self.place(key), sha256, &mut hear)?;
        self.count(brought);
        Ok(())
    }

    /// The signed list of the parts. A root that is refused has none: the verifier will say why.
    fn records(&self, statement: &Statement, sidecars: &Sidecars) -> Vec<PartRecord> {
        let id = &statement.snapshot.id;
        let Ok(file) = fs::File::open(self.place(&id.store_key())) else { return Vec::new() };
        let root = UntrustedBundle::open(file, &id.file_name(), &Limits::default()).with_parts(NoParts);
        let demand = Demand { undated: Undated::Accepted, log: Recomputed::MatchesUnrevoked };
        let verified = verify_bundle(root, sidecars, &self.client.anchor(), &demand, &mut |_, _| {});
        let records = |verified: evidenced_bundle::Verified| verified.bundle.parts().absent;
        verified.map(records).unwrap_or_default()
    }

    /// The log as it was verified, and the trust root as the store has it.
    fn log_and_trust(&mut self) -> Result<(), BringError> {
        for (key, bytes) in &self.client.log {
            let place = self.place(key);
            let brought = if key == "log/checkpoint" {
                bring::newest(bytes, &place)
            } else {
                bring::small(bytes, &place)
            };
            self.count(brought?);
        }
        let store = &self.client.store;
        for key in store.list("trust/")? {
            // A name that leads elsewhere is none of a store.
            if BundlePath::new(&*key).is_err() {
                tracing::warn!(key = printable(&key), "this is no name of a store: it was not fetched");
                continue;
            }
            if let Some((bytes, _)) = store.get(&key)? {
                let brought = bring::small(&bytes, &self.place(&key))?;
                self.count(brought);
            }
        }
        Ok(())
    }
}

fn unreadable(key: &str, error: std::io::Error) -> BringError {
    BringError::Store(evidenced_bundle::store::StoreError::new("read", key, error))
}

/// Whether the store is to blame for one bundle; the others are fetched all the same.
fn is_refusal(error: &BringError) -> bool {
    matches!(error, BringError::Absent { .. } | BringError::Digest { .. })
}

fn failed(error: BringError) -> Failed {
    let (code, hint) = match &error {
        BringError::Other { .. } => (USAGE, "nothing is overwritten: move it away, or give another --to"),
        BringError::Busy { .. } => (TRY_AGAIN, "wait for it, or give another --to"),
        BringError::Absent { .. } | BringError::Digest { .. } => {
            (NOT_GENUINE, "`evidenced verify` on the store names everything that is wrong with it")
        }
        BringError::Store(_) => (INTERNAL, "run it again: what is there whole is not fetched again"),
        BringError::Write { .. } => (INTERNAL, "the folder needs space and write permission"),
    };
    Failed::new(code, error).hint(hint)
}

/// A bar on a terminal, nothing in a pipe.
fn bar(bundles: usize, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = u64::try_from(bundles).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} bundles  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_a_bundle_a_day_and_a_quarter_are_told_apart() {
        let id = BagId::parse("evidence-prod-20261003T020000Z").unwrap();
        let slot = UtcSecond::parse("2026-10-03T02:00:00Z").unwrap();
        for (text, wanted) in [
            ("2026-10-03T02:00:00Z", Wanted::Slot(slot)),
            ("20261003T020000Z", Wanted::Slot(slot)),
            ("evidence-prod-20261003T020000Z", Wanted::Bundle(id.clone())),
            ("evidence-prod-20261003T020000Z.zip", Wanted::Bundle(id.clone())),
            ("2026-10-03", Wanted::Day(Span::days("2026-10-03", "2026-10-03").unwrap())),
            ("2026-Q4", Wanted::Quarter(Span::quarter("2026-Q4").unwrap())),
        ] {
            let read = Wanted::read(text);
            assert!(read.as_ref().is_some_and(|wanted| wanted.includes(&id)), "{text}");
            assert_eq!(read, Some(wanted), "{text}");
        }
        for text in ["", "..", "2026-10-32", "2026-Q5", "evidence-prod-20261003T020000Z/../x", "2026"] {
            assert_eq!(Wanted::read(text), None, "{text}");
        }
    }
}
