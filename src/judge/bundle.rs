//! Checks over the evidence of a bundle: its own once more, or others.
//!
//! The bundle was verified before it comes here; its files are read one account at a time, each held against its
//! signed digest once more.

use std::collections::BTreeMap;

use evidenced_bundle::{BundlePath, VerifiedBundle, VerifyError};
use evidenced_core::assessment::{Assessment, CHECKS, EXCEPTIONS, FINDINGS, POLICIES, findings_path};
use evidenced_core::exceptions::{Exception, Exceptions};
use evidenced_core::facts::Facts;
use evidenced_core::item::GLOBAL;
use evidenced_core::judging::{self, Assessor, Cell, Documents, FindingsFile, Judging};
use evidenced_core::moment;
use evidenced_core::policy::Evidence;
use serde_json::Value;

/// Why a bundle cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// It cannot be read (any more).
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Its files are not those of a run with findings.
    #[error(transparent)]
    Read(#[from] evidenced_core::assessment::ReadError),
    /// A text of its policies is not UTF-8.
    #[error("{0}: is not a text")]
    Text(String),
    /// There is nothing to judge.
    #[error("{0}")]
    Nothing(String),
}

/// What of a bundle is not evidence.
#[derive(Debug)]
pub(crate) struct BundleFiles {
    /// By path.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Run, plan, configuration, catalogue.
    pub(crate) facts: Facts,
}

impl BundleFiles {
    /// Reads everything but evidence and findings; and findings too, where they are wanted and there.
    pub(crate) fn read(bundle: &mut VerifiedBundle, findings: bool) -> Result<Self, BundleError> {
        let wanted = |path: &&BundlePath| {
            let path = path.as_str();
            path.starts_with(POLICIES)
                || path.starts_with("data/run/")
                || path
                    .strip_prefix("data/")
                    .and_then(|name| name.strip_suffix(".json"))
                    .is_some_and(|name| !name.contains('/'))
                || (findings && path.starts_with(FINDINGS))
        };
        let paths: Vec<BundlePath> = bundle.manifest().files().keys().filter(wanted).cloned().collect();
        let mut files = BTreeMap::new();
        for path in paths {
            let bytes = bundle.read(&path)?;
            files.insert(path.as_str().to_owned(), bytes);
        }
        let facts = Facts::read(&files)?;
        // Of a run in parts, findings lie where the evidence of their account does.
        let divided = bundle.part_records().next().is_some();
        if findings && divided {
            for (account, regions) in judging::places(&facts.plan, &[]) {
                for region in regions.into_keys() {
                    let path = findings_path(&account, &region);
                    let Ok(inside) = BundlePath::new(path.clone()) else { continue };
                    if let Ok(bytes) = bundle.read(&inside) {
                        files.insert(path, bytes);
                    }
                }
            }
        }
        Ok(Self { files, facts })
    }

    /// What the bundle says was judged.
    pub(crate) fn assessment(&self) -> Result<Assessment, BundleError> {
        Ok(Assessment::read(&self.files)?)
    }

    /// The texts of its policies, by path below their folder.
    pub(crate) fn policies(&self) -> Result<BTreeMap<String, String>, BundleError> {
        let texts = self.files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(POLICIES)?, bytes)));
        texts
            .map(|(path, bytes)| {
                let text =
                    String::from_utf8(bytes.clone()).map_err(|_| BundleError::Text(path.to_owned()))?;
                Ok((path.to_owned(), text))
            })
            .collect()
    }

    /// The exceptions of its configuration, on the day of its slot.
    pub(crate) fn exceptions(&self) -> Exceptions {
        let list = self.facts.config.get("exceptions").and_then(Value::as_array);
        let read = |value: &Value| serde_json::from_value::<Exception>(value.clone()).ok();
        let list: Vec<Exception> = list.into_iter().flatten().filter_map(read).collect();
        let slot = self.facts.run.get("slot").and_then(Value::as_str).and_then(moment::parse);
        Exceptions::new(&list, slot.unwrap_or(0))
    }

    /// The start of the run, as policies are told it.
    pub(crate) fn now(&self) -> &str {
        self.facts.run.pointer("/collected/start").and_then(Value::as_str).unwrap_or_default()
    }

    fn is_supplement(&self) -> bool {
        self.facts.run.get("trigger").and_then(Value::as_str) == Some("supplement")
    }

    /// Whether the bundle says that it was judged.
    pub(crate) fn is_judged(&self) -> bool {
        self.files.contains_key(CHECKS)
    }

    /// Whether it has `data/exceptions.json`.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.files.contains_key(EXCEPTIONS)
    }
}

/// Documents of a bundle.
struct InBundle<'a>(&'a mut VerifiedBundle);

impl Documents for InBundle<'_> {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let path = BundlePath::new(path).map_err(|error| error.to_string())?;
        self.0.read(&path).map_err(|error| error.to_string())
    }
}

/// A bundle that was judged once more.
#[derive(Debug)]
pub(crate) struct Rejudged {
    pub(crate) assessment: Assessment,
    pub(crate) exceptions: Exceptions,
    pub(crate) findings: Vec<FindingsFile>,
}

/// Judges the evidence of a bundle, account by account.
pub(crate) fn rejudge(
    bundle: &mut VerifiedBundle,
    files: &BundleFiles,
    table: Assessment,
    assessor: &mut dyn Assessor,
) -> Rejudged {
    let offered = judging::offered(&files.facts.catalogue);
    let mut judging = Judging::new(&table.profile, files.now(), table.checks, files.exceptions(), offered);
    if files.is_supplement() {
        judging = judging.supplement();
    }
    let mut documents = InBundle(bundle);
    let onlooker = &mut |_: &Evidence, _: &str| {};
    let mut findings = Vec::new();
    for (account, mut regions) in judging::places(&files.facts.plan, &files.facts.cells) {
        let global = regions.remove(GLOBAL).unwrap_or_default();
        judging.account(&account, &global, &mut documents);
        for (region, cells) in &regions {
            findings.push(judging.region(region, cells, &mut documents, &mut [&mut *assessor], onlooker));
        }
        let regions: Vec<Vec<Cell>> = regions.into_values().collect();
        findings.push(judging.whole(&regions, &mut documents, &mut [&mut *assessor], onlooker));
    }
    let (assessment, exceptions) = judging.finish();
    Rejudged { assessment, exceptions, findings }
}

/// The evidence of each account, for `--print-input`: one account at a time, all its regions.
pub(crate) fn evidence_of(
    bundle: &mut VerifiedBundle,
    files: &BundleFiles,
    mut each: impl FnMut(&Evidence, &str),
) {
    let mut documents = InBundle(bundle);
    for (account, regions) in judging::places(&files.facts.plan, &files.facts.cells) {
        let mut evidence = Evidence::new(&account);
        for cell in regions.values().flatten() {
            let Cell { region, item, status, reason, document, .. } = cell;
            let path = format!("data/evidence/{account}/{region}/{item}.json");
            let taken = if *document {
                documents.read(&path).and_then(|bytes| {
                    evidence.document(region, item, &bytes).map_err(|error| error.to_string())
                })
            } else {
                Err(reason.clone())
            };
            if let Err(why) = taken {
                evidence.gap(region, item, *status, &why);
            }
        }
        for region in regions.keys() {
            each(&evidence, region);
        }
    }
}
