//! The files that say what was judged. Rows refer to checks by id and say nothing that the table says already.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Assessed, Assessment, CheckRecord, FINDINGS};
use crate::exceptions::ExceptionState;
use crate::policy::{ENGINE, Pointer};

/// `data/findings/<account>/<region>.json`.
pub fn findings_path(account: &str, region: &str) -> String {
    format!("{FINDINGS}{account}/{region}.json")
}

/// A row as it is written: account and region are those of the file.
#[derive(Serialize)]
struct Written<'a> {
    check: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    verdict: &'static str,
    /// The verdict without the exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
    /// Absent where it is the title of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
}

impl<'a> Written<'a> {
    fn of(assessed: &'a Assessed, checks: &BTreeMap<String, CheckRecord>) -> Self {
        let row = &assessed.row;
        let title = checks.get(&row.check).map(|check| check.title.as_str());
        Self {
            check: &row.check,
            resource: row.resource.as_deref(),
            verdict: assessed.verdict(),
            raw: (assessed.verdict() != row.verdict.word()).then_some(row.verdict.word()),
            exception: assessed.exception.as_deref(),
            reason: (Some(row.reason.as_str()) != title).then_some(&row.reason),
            observed: row.observed.as_ref(),
            expected: row.expected.as_ref(),
            evidence: row.evidence.iter().map(|pointer| short(&row.account, pointer)).collect(),
        }
    }
}

/// `<region>/<item>#<JSON Pointer>`: the document is `data/evidence/<account>/<region>/<item>.json`.
fn short(account: &str, pointer: &Pointer) -> String {
    let Pointer { document, pointer } = pointer;
    let inner = document.strip_prefix("data/evidence/").and_then(|rest| rest.strip_prefix(account));
    let inner = inner.and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.strip_suffix(".json"));
    format!("{}#{pointer}", inner.unwrap_or(document))
}

/// The rows of one place, one a line, with the digests of the documents that they point into, and those of what each
/// document of the place says.
pub fn findings_file(account: &str, region: &str, rows: &[Assessed], assessment: &Assessment) -> Vec<u8> {
    let Assessment { checks, documents, contents, .. } = assessment;
    let pointers = rows.iter().flat_map(|assessed| &assessed.row.evidence);
    let named: BTreeMap<&str, &str> = pointers
        .filter_map(|pointer| documents.get_key_value(&pointer.document))
        .map(|(path, sha256)| (path.as_str(), sha256.as_str()))
        .collect();
    let here = format!("data/evidence/{account}/{region}/");
    let contents: BTreeMap<&str, &str> = contents
        .range(here.clone()..)
        .map_while(|(path, digest)| Some((path.strip_prefix(&here)?, digest.as_str())))
        .collect();
    let head = json!({ "schema": "evidenced/findings/v1", "account": account, "region": region,
        "documents": named, "contents": contents });
    lines(&head, "rows", rows.iter().map(|assessed| Written::of(assessed, checks)))
}

/// `data/checks.json`, one check a line.
pub fn checks_file(profile: &str, now: &str, checks: &BTreeMap<String, CheckRecord>) -> Vec<u8> {
    let head = json!({ "schema": "evidenced/checks/v1", "profile": profile, "now": now, "engine": ENGINE });
    lines(&head, "checks", checks.values())
}

/// `data/exceptions.json`, one exception a line.
pub fn exceptions_file(exceptions: &[ExceptionState]) -> Vec<u8> {
    lines(&json!({ "schema": "evidenced/exceptions/v1" }), "exceptions", exceptions.iter())
}

/// An object with a list as its last member, one entry a line, and one final newline.
pub(crate) fn lines<T: Serialize>(head: &Value, name: &str, entries: impl Iterator<Item = T>) -> Vec<u8> {
    let mut text = head.to_string();
    // The brace that closes it, and the list in its place.
    text.pop();
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":[");
    let mut bytes = text.into_bytes();
    for (number, entry) in entries.enumerate() {
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        // Texts, numbers and JSON values always have a JSON form.
        bytes.extend(serde_json::to_vec(&entry).unwrap_or_default());
    }
    bytes.extend_from_slice(b"\n]}\n");
    bytes
}
