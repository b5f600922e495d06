//! A bundle that is read only after it was verified: for the commands that show what is in one, or judge it.
//!
//! Whom to believe is said in one way by all of them: `--key`, or `--trust` with its fingerprint, or else the trust root
//! of the configuration; standard error says which it was, and how far the proof reaches. Refused: what is not genuine
//! (exit code 5), what cannot be told (2), and a bundle whose parts are not all there: what is in them would silently be
//! missing from the output.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use evidenced_bundle::check::{Check, printable};
use evidenced_bundle::command::{CommandError, is_shelf, read_keys};
use evidenced_bundle::{
    Anchor, BundlePath, Demand, Limits, Sidecars, Undated, UntrustedBundle, Verified, VerifiedBundle,
    VerifyError, verify_bundle,
};
use evidenced_core::assessment::findings_path;
use serde_json::Value;

use super::exit::{Failed, INTERNAL, NOT_GENUINE, USAGE};
use crate::collector::{CollectError, Loaded};
use crate::publish;

/// Whom to believe.
#[derive(Debug, Args)]
pub(super) struct Believed {
    /// Trust root that you trust: its folder, or a file root-v<n>.dsse.json in it. Without it and --key: that of the
    /// configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "key", requires = "root_fingerprint")]
    trust: Option<PathBuf>,
    /// SHA-256 of the first statement of the trust root, as the organisation published it.
    #[arg(long, value_name = "HEX", requires = "trust")]
    root_fingerprint: Option<String>,
    /// Public key that you trust, got by another way than the bundle; may be repeated.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The configuration whose `[signing] trust_root` is believed.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    pub(super) config: PathBuf,
}

/// What was given on the command line, read.
pub(super) struct Judge {
    anchor: Anchor,
    demand: Demand,
    /// Where it comes from, for people.
    named: String,
}

impl Believed {
    /// Reads the keys or the trust root.
    pub(super) fn judge(&self) -> Result<Judge, Failed> {
        // Who signed is what counts here; `evidenced verify` says when.
        let demand = Demand { undated: Undated::Accepted, ..Demand::default() };
        let (anchor, named) = if !self.key.is_empty() {
            let shown: Vec<String> = self.key.iter().map(|path| path.display().to_string()).collect();
            (Anchor::Keys(read_keys(&self.key)?), format!("key {}", shown.join(", ")))
        } else if let Some(path) = &self.trust {
            let fingerprint = self.root_fingerprint.as_deref();
            let anchor =
                Anchor::read_root(path, fingerprint, 0, &mut Vec::new()).map_err(CommandError::from)?;
            (anchor, format!("trust root {}", path.display()))
        } else {
            let named = format!("the trust root that {} names", self.config.display());
            (self.configured()?, named)
        };
        Ok(Judge { anchor, demand, named })
    }

    fn configured(&self) -> Result<Anchor, Failed> {
        const HINT: &str = "give --key FILE, or --trust DIR with --root-fingerprint HEX";
        if !self.config.exists() {
            let message = format!("nothing says whom to believe: there is no {}", self.config.display());
            return Err(Failed::usage(message, format!("{HINT}, or -c FILE")));
        }
        let loaded = Loaded::read(&self.config)?;
        let trusted = publish::trusted(&loaded).map_err(CollectError::from)?;
        let trusted = trusted.ok_or_else(|| {
            let message = format!("{} names no [signing] trust_root", self.config.display());
            Failed::usage(message, HINT)
        })?;
        Ok(Anchor::Root(Box::new(trusted.root)))
    }
}

impl Judge {
    /// What was believed already.
    pub(super) fn new(anchor: Anchor, demand: Demand) -> Self {
        Self { anchor, demand, named: String::new() }
    }

    /// Verifies a bundle, says on standard error what it was verified with, and opens it.
    pub(super) fn open(&self, path: &Path) -> Result<Genuine, Failed> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            Failed::new(USAGE, format!("{shown}: cannot be opened: {error}"))
                .hint("name a bundle, such as evidence-prod-20261122T020000Z.zip")
        };
        if is_shelf(path) {
            let message = format!("{shown}: is a store or a period bundle, and this shows one bundle");
            return Err(Failed::usage(
                message,
                "name a bundle of it, such as STORE/bundles/2026/11/22/evidence-prod-20261122T020000Z.zip; \
                 `evidenced list` names them",
            ));
        }
        let limits = Limits::default();
        let bundle = UntrustedBundle::open_path(path, &limits).map_err(unreadable)?;
        let sidecars =
            if path.is_dir() { Sidecars::default() } else { Sidecars::beside(path).map_err(unreadable)? };
        let verified = self.verify(bundle, &sidecars, &shown.to_string())?;
        // A closed standard error takes nothing away from the result.
        writeln!(std::io::stderr(), "{}", self.told(&verified)).unwrap_or_default();
        let bundle = verified.bundle;
        if let Some(part) = bundle.parts().absent.first() {
            let message = format!("{shown}: {} is not beside it", part.part.file_name());
            return Err(Failed::usage(message, "bring the parts: `evidenced download` fetches them too"));
        }
        Ok(Genuine { path: path.to_owned(), bundle })
    }

    /// Verifies what was opened, wherever it lies.
    pub(super) fn verify(
        &self,
        bundle: UntrustedBundle<'_>,
        sidecars: &Sidecars,
        shown: &str,
    ) -> Result<Verified, Failed> {
        verify_bundle(bundle, sidecars, &self.anchor, &self.demand, &mut |_, _| {}).map_err(|error| {
            let (code, word) = match &error {
                VerifyError::Refused { .. } => (NOT_GENUINE, "NOT GENUINE"),
                VerifyError::Missing { .. } | VerifyError::Unreadable { .. } => (USAGE, "could not tell"),
            };
            Failed::new(code, format!("{shown}: {word}: {error}"))
                .hint("`evidenced verify` shows each check; nothing that it says is shown here")
        })
    }

    /// One line: the bundle, how far the proof reaches, and who was believed.
    fn told(&self, verified: &Verified) -> String {
        let by = match (&self.anchor, &verified.attested) {
            (Anchor::Root(root), Some(attested)) => {
                let when = attested.dated.map_or("undated".to_owned(), |at| format!("dated {at}"));
                format!("{when}, logged; believed: {}, version {}", self.named, root.version())
            }
            _ => format!("date and log not looked at; believed: {}", self.named),
        };
        let bundle = &verified.bundle;
        printable(&format!("{}: genuine, signed by {}, {by}", bundle.id(), bundle.key_id()))
    }
}

/// A bundle that was verified.
pub(super) struct Genuine {
    path: PathBuf,
    pub(super) bundle: VerifiedBundle,
}

impl Genuine {
    /// The name of the bag.
    pub(super) fn id(&self) -> String {
        self.bundle.id().to_string()
    }

    /// The bytes of one file; `None` when there is no such file.
    pub(super) fn file(&mut self, path: &str) -> Result<Option<Vec<u8>>, Failed> {
        let name = BundlePath::new(path).map_err(|error| Failed::new(INTERNAL, error))?;
        if self.bundle.manifest().digest(&name).is_none() && !path.starts_with("data/evidence/") {
            return Ok(None);
        }
        let bytes = self.bundle.read(&name);
        bytes.map(Some).map_err(|error| Failed::new(NOT_GENUINE, format!("{}: {error}", self.path.display())))
    }

    /// Every file but evidence, raw bodies and the report, by path.
    pub(super) fn files(&mut self) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
        let paths: Vec<String> = self.bundle.manifest().files().keys().map(ToString::to_string).collect();
        let mut files = BTreeMap::new();
        let large = ["data/evidence/", "data/raw/", "data/report"];
        for path in paths.into_iter().filter(|path| !large.iter().any(|folder| path.starts_with(folder))) {
            if let Some(bytes) = self.file(&path)? {
                files.insert(path, bytes);
            }
        }
        if self.bundle.part_records().next().is_some() {
            self.findings_in_parts(&mut files)?;
        }
        Ok(files)
    }

    /// Of a run in parts, findings lie where the evidence of their account does.
    fn findings_in_parts(&mut self, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Failed> {
        let plan = files.get("data/plan.json").map(Vec::as_slice).unwrap_or_default();
        let plan: Value = serde_json::from_slice(plan).unwrap_or_default();
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for account in plan.get("accounts").and_then(Value::as_array).into_iter().flatten() {
            let regions = account.get("regions").and_then(Value::as_array).into_iter().flatten();
            for region in regions.map(|region| text(region, "name")).chain(["global".to_owned()]) {
                let path = findings_path(&text(account, "id"), &region);
                let name = BundlePath::new(path.clone()).map_err(|error| Failed::new(INTERNAL, error))?;
                match self.bundle.read(&name) {
                    Ok(bytes) => {
                        files.insert(path, bytes);
                    }
                    // A region that was not collected has none.
                    Err(VerifyError::Refused { check: Check::FileSet, .. }) => {}
                    Err(error) => {
                        return Err(Failed::new(NOT_GENUINE, format!("{}: {error}", self.path.display())));
                    }
                }
            }
        }
        Ok(())
    }

    /// A document of evidence.
    pub(super) fn document(&mut self, path: &str) -> Result<Value, Failed> {
        let bytes = self.file(path)?.unwrap_or_default();
        serde_json::from_slice(&bytes)
            .map_err(|error| Failed::new(NOT_GENUINE, format!("{}: {path}: {error}", self.path.display())))
    }
}
