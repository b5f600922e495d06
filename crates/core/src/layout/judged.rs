//! What was judged as the files of a bag.
//!
//! Checks, policies, exceptions and changes are small and in the root; findings were written while the run was judged,
//! and lie with the evidence of their account when a run is cut into parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use evidenced_bundle::Content;
use evidenced_bundle::digest::Digest;
use serde_json::{Map, Value, json};

use super::{LayoutError, line};
use crate::assessment::{
    Assessment, CHECKS, EXCEPTIONS, POLICIES, ReadError, checks_file, exceptions_file, json,
};
use crate::changes::{Before, Side, changes_file};
use crate::facts::{CHANGES, Facts};
use crate::formats::{Population, each_table};
use crate::report::{Drawings, each_page};
use crate::snapshot::Written;

/// Everything that was judged in a run.
#[derive(Debug)]
pub struct Judged {
    /// Rows, checks and exceptions.
    pub assessment: Arc<Assessment>,
    /// The texts that were run, by path below `data/policies/`.
    pub policies: BTreeMap<String, String>,
    /// `data/findings/**`, as they were written.
    pub findings: Vec<Written>,
    /// The bundle before.
    pub before: Before,
    /// Every resource.
    pub population: Population,
    /// The networks.
    pub drawings: Drawings,
}

/// Which files for people could not be made, and why; absent when all were.
const NOT_MADE: &str = "data/not-made.json";

/// `collector.policiesDigest`: SHA-256 over the lines that `sha256sum` prints of the files below `data/policies/`,
/// sorted by path; those of `manifest-sha256.txt`.
pub fn policies_digest(policies: &BTreeMap<String, String>) -> String {
    let mut listing = String::new();
    for (path, text) in policies {
        // Writing to a String cannot fail.
        writeln!(listing, "{}  {POLICIES}{path}", Digest::of(text.as_bytes())).unwrap_or_default();
    }
    Digest::of(listing.as_bytes()).to_string()
}

/// Puts a table or a page aside, by its path in the bag: what a draft then holds of it.
pub type Keep<'a> = dyn FnMut(&str, Vec<u8>) -> io::Result<Content> + 'a;

/// What was put aside so far, or the first failure to do so.
struct Aside<'a, 'k> {
    keep: &'a mut Keep<'k>,
    kept: Result<Vec<(String, Content)>, LayoutError>,
}

impl<'a, 'k> Aside<'a, 'k> {
    fn new(keep: &'a mut Keep<'k>) -> Self {
        Self { keep, kept: Ok(Vec::new()) }
    }

    fn put(&mut self, path: String, bytes: Vec<u8>) {
        if let Ok(kept) = &mut self.kept {
            match (self.keep)(&path, bytes) {
                Ok(content) => kept.push((path, content)),
                Err(source) => self.kept = Err(LayoutError::Keep { path, source }),
            }
        }
    }

    fn kept(self) -> Result<Vec<(String, Content)>, LayoutError> {
        self.kept
    }
}

impl Judged {
    /// Adds the files of what was judged to those that were made of the run, but for tables and pages: those grow with
    /// the estate, are made one after another and put aside, and are returned.
    pub(super) fn add_to(
        &self,
        made: &mut Vec<(String, Vec<u8>)>,
        keep: &mut Keep<'_>,
    ) -> Result<Vec<(String, Content)>, LayoutError> {
        let Self { assessment, policies, before, population, drawings, .. } = self;
        let Assessment { profile, now, checks, exceptions, .. } = &**assessment;
        made.push((CHECKS.to_owned(), checks_file(profile, now, checks)));
        made.push((EXCEPTIONS.to_owned(), exceptions_file(exceptions)));
        for (path, text) in policies {
            made.push((format!("{POLICIES}{path}"), text.clone().into_bytes()));
        }
        let mut files: BTreeMap<String, Vec<u8>> = made.iter().cloned().collect();
        let now = Side::new(Arc::clone(assessment), &files)?;
        let changes = changes_file(before, &now);
        files.insert(CHANGES.to_owned(), changes.clone());
        made.push((CHANGES.to_owned(), changes));
        let facts = Facts::read(&files)?;
        // What is made for people never keeps the evidence from being sealed: what failed is named.
        let mut tables = Aside::new(keep);
        let made_of = each_table(&facts, assessment, population, &mut |path, bytes| tables.put(path, bytes));
        let mut kept = Vec::new();
        let mut failed = Map::new();
        let of_tables = tables.kept()?;
        match made_of {
            Ok(()) => kept.extend(of_tables),
            Err(error) => drop(failed.insert("tables".to_owned(), json!(error.to_string()))),
        }
        let mut pages = Aside::new(keep);
        let made_of = each_page(&facts, assessment, drawings, &mut |path, bytes| pages.put(path, bytes));
        let of_pages = pages.kept()?;
        match made_of {
            Ok(()) => kept.extend(of_pages),
            Err(error) => drop(failed.insert("report".to_owned(), json!(error.to_string()))),
        }
        if !failed.is_empty() {
            made.push((NOT_MADE.to_owned(), line(&Value::Object(failed))));
        }
        Ok(kept)
    }

    /// Members of `summary.json`: rows by verdict, in all and by check.
    pub(super) fn counts(&self) -> Map<String, Value> {
        let mut checks: BTreeMap<&str, BTreeMap<&str, u64>> =
            self.assessment.checks.keys().map(|id| (id.as_str(), BTreeMap::new())).collect();
        for assessed in &self.assessment.rows {
            *checks.entry(&assessed.row.check).or_default().entry(assessed.verdict()).or_insert(0) += 1;
        }
        let members = [("verdicts", json!(self.assessment.counts())), ("checks", json!(checks))];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Side {
    /// What was judged, with the files of its bag.
    pub fn new(assessment: Arc<Assessment>, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ReadError> {
        let catalogue = files.get("data/catalogue.json").map(|bytes| Digest::of(bytes).to_string());
        Ok(Self {
            assessment,
            run: json(files, "data/run.json")?,
            plan: json(files, "data/plan.json")?,
            catalogue: catalogue.unwrap_or_default(),
        })
    }
}
