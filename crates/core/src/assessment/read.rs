//! Reads an assessment back from the files of a bundle.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Assessed, Assessment, CHECKS, CheckRecord, EXCEPTED, EXCEPTIONS, FINDINGS};
use crate::exceptions::ExceptionState;
use crate::policy::{Pointer, Row, Verdict};

/// Why the files of a bundle are not what a run makes of its evidence.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A bundle of an earlier version, of a missed slot, or not one of ours.
    #[error("{0}: is not in the bundle")]
    Missing(String),
    /// Not JSON of this form.
    #[error("{path}: is not of the form that a run writes")]
    Json {
        /// Path in the bundle.
        path: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// JSON that says what it cannot say.
    #[error("{path}: {what}")]
    Wrong {
        /// Path in the bundle.
        path: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct Table {
    profile: String,
    now: String,
    checks: Vec<CheckRecord>,
}

#[derive(Deserialize)]
struct States {
    exceptions: Vec<ExceptionState>,
}

#[derive(Deserialize)]
struct Place {
    account: String,
    region: String,
    documents: BTreeMap<String, String>,
    contents: BTreeMap<String, String>,
    rows: Vec<Read>,
}

#[derive(Deserialize)]
struct Read {
    check: String,
    resource: Option<String>,
    verdict: String,
    raw: Option<String>,
    exception: Option<String>,
    reason: Option<String>,
    observed: Option<Value>,
    expected: Option<Value>,
    #[serde(default)]
    evidence: Vec<String>,
}

/// A file of a bundle as JSON.
pub(crate) fn json<T: DeserializeOwned>(
    files: &BTreeMap<String, Vec<u8>>,
    path: &str,
) -> Result<T, ReadError> {
    let bytes = files.get(path).ok_or_else(|| ReadError::Missing(path.to_owned()))?;
    serde_json::from_slice(bytes).map_err(|source| ReadError::Json { path: path.to_owned(), source })
}

impl Assessment {
    /// From `data/checks.json`, `data/findings/**` and, where it is there, `data/exceptions.json`. Other files are
    /// left alone.
    pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ReadError> {
        let Table { profile, now, checks } = json(files, CHECKS)?;
        let checks = checks.into_iter().map(|check| (check.id.clone(), check)).collect();
        let mut assessment = Self { profile, now, checks, ..Self::default() };
        if files.contains_key(EXCEPTIONS) {
            let states: States = json(files, EXCEPTIONS)?;
            assessment.exceptions = states.exceptions;
        }
        for path in files.keys().filter(|path| path.starts_with(FINDINGS)) {
            let place: Place = json(files, path)?;
            if *path != super::findings_path(&place.account, &place.region) {
                let what = format!("says that it is of {} {}", place.account, place.region);
                return Err(ReadError::Wrong { path: path.clone(), what });
            }
            for read in place.rows {
                let assessed = read.assessed(&place.account, &place.region, &assessment.checks);
                let wrong = |what| ReadError::Wrong { path: path.clone(), what };
                assessment.rows.push(assessed.map_err(wrong)?);
            }
            assessment.documents.extend(place.documents);
            let here = format!("data/evidence/{}/{}/", place.account, place.region);
            let contents = place.contents.into_iter();
            assessment.contents.extend(contents.map(|(name, digest)| (format!("{here}{name}"), digest)));
        }
        assessment.sort();
        Ok(assessment)
    }
}

impl Read {
    fn assessed(
        self,
        account: &str,
        region: &str,
        checks: &BTreeMap<String, CheckRecord>,
    ) -> Result<Assessed, String> {
        let Self { check, resource, verdict, raw, exception, reason, observed, expected, evidence } = self;
        let record = checks.get(&check).ok_or_else(|| format!("{check:?} is not in {CHECKS}"))?;
        let raw =
            if verdict == EXCEPTED { raw.ok_or("an excepted row without its raw verdict")? } else { verdict };
        let verdict = Verdict::of(&raw).ok_or_else(|| format!("{raw:?} is no verdict"))?;
        let row = Row {
            check,
            account: account.to_owned(),
            region: region.to_owned(),
            resource,
            verdict,
            reason: reason.unwrap_or_else(|| record.title.clone()),
            observed,
            expected,
            evidence: evidence.iter().map(|text| long(account, text)).collect::<Result<_, _>>()?,
        };
        Ok(Assessed { row, exception })
    }
}

/// What was shortened to `<region>/<item>#<JSON Pointer>`.
fn long(account: &str, text: &str) -> Result<Pointer, String> {
    let (name, pointer) = text.split_once('#').ok_or_else(|| format!("{text:?} is no pointer"))?;
    let document = format!("data/evidence/{account}/{name}.json");
    Ok(Pointer { document, pointer: pointer.to_owned() })
}
