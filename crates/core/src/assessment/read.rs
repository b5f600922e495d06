//! Reads an assessment back from the files of a bundle.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
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
    checks: Vec<OfCheck>,
}

/// The rows of a check, and what they do not repeat.
#[derive(Deserialize)]
struct OfCheck {
    check: String,
    expected: Option<Value>,
    #[serde(default)]
    at: String,
    rows: Vec<Read>,
}

#[derive(Deserialize)]
struct Read {
    resource: Option<String>,
    verdict: String,
    raw: Option<String>,
    exception: Option<String>,
    reason: Option<String>,
    observed: Option<Value>,
    /// Null is something else than nothing.
    #[serde(default, deserialize_with = "given")]
    expected: Option<Value>,
    #[serde(default)]
    evidence: Vec<String>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
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
            for OfCheck { check, expected, at, rows } in place.checks {
                let wrong = |what| ReadError::Wrong { path: path.clone(), what };
                let record = assessment.checks.get(&check);
                let record = record.ok_or_else(|| wrong(format!("{check:?} is not in {CHECKS}")))?;
                let of = Of { account: &place.account, region: &place.region, record, expected, at };
                for read in rows {
                    assessment.rows.push(read.assessed(&of).map_err(wrong)?);
                }
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

/// What rows stand under.
struct Of<'a> {
    account: &'a str,
    region: &'a str,
    record: &'a CheckRecord,
    expected: Option<Value>,
    at: String,
}

impl Read {
    fn assessed(self, of: &Of<'_>) -> Result<Assessed, String> {
        let Self { resource, verdict, raw, exception, reason, observed, expected, evidence } = self;
        let raw =
            if verdict == EXCEPTED { raw.ok_or("an excepted row without its raw verdict")? } else { verdict };
        let verdict = Verdict::of(&raw).ok_or_else(|| format!("{raw:?} is no verdict"))?;
        let expected = match (expected, verdict) {
            (Some(Value::Null), _) => None,
            (None, Verdict::Fail) => of.expected.clone(),
            (own, _) => own,
        };
        let row = Row {
            check: of.record.id.clone(),
            account: of.account.to_owned(),
            region: of.region.to_owned(),
            resource,
            verdict,
            reason: reason.unwrap_or_else(|| of.record.title.clone()),
            observed,
            expected,
            evidence: evidence.iter().map(|text| of.long(text)).collect::<Result<_, _>>()?,
        };
        Ok(Assessed { row, exception })
    }
}

impl Of<'_> {
    /// What was shortened to `<item>#<JSON Pointer>`, `<region>/<item>#<JSON Pointer>` or what is below `at`.
    fn long(&self, text: &str) -> Result<Pointer, String> {
        let whole = if text.contains('#') { text.to_owned() } else { format!("{}{text}", self.at) };
        let (name, pointer) = whole.split_once('#').ok_or_else(|| format!("{text:?} is no pointer"))?;
        let Self { account, region, .. } = self;
        let document = match name.matches('/').count() {
            0 => format!("data/evidence/{account}/{region}/{name}.json"),
            1 => format!("data/evidence/{account}/{name}.json"),
            _ => name.to_owned(),
        };
        Ok(Pointer { document, pointer: pointer.to_owned() })
    }
}
