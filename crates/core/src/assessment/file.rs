//! The files that say what was judged. Rows stand under their check and say nothing that it or the table says already.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Assessed, Assessment, CheckRecord, FINDINGS};
use crate::exceptions::ExceptionState;
use crate::policy::{ENGINE, Pointer, Verdict};

/// `data/findings/<account>/<region>.json`.
pub fn findings_path(account: &str, region: &str) -> String {
    format!("{FINDINGS}{account}/{region}.json")
}

/// The rows of a check as they are written: what all of them would repeat is said once.
#[derive(Serialize)]
struct Head<'a> {
    check: &'a str,
    /// What a failing row expects that does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a Value>,
    /// What is in front of every pointer without a `#`.
    #[serde(skip_serializing_if = "str::is_empty")]
    at: &'a str,
}

/// A row as it is written: account, region and check are those that it stands under.
#[derive(Serialize)]
struct Written<'a> {
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
    /// Absent in a failing row that expects what the check says, null in one that expects nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<&'a str>,
}

impl<'a> Written<'a> {
    fn of(
        assessed: &'a Assessed,
        pointers: &'a [String],
        head: &Head<'a>,
        checks: &BTreeMap<String, CheckRecord>,
    ) -> Self {
        let row = &assessed.row;
        let title = checks.get(&row.check).map(|check| check.title.as_str());
        let expected = match (row.verdict, &row.expected, head.expected) {
            (Verdict::Fail, own, Some(usual)) if own.as_ref() == Some(usual) => None,
            (Verdict::Fail, None, Some(_)) => Some(&Value::Null),
            (_, own, _) => own.as_ref(),
        };
        Self {
            resource: row.resource.as_deref(),
            verdict: assessed.verdict(),
            raw: (assessed.verdict() != row.verdict.word()).then_some(row.verdict.word()),
            exception: assessed.exception.as_deref(),
            reason: (Some(row.reason.as_str()) != title).then_some(&row.reason),
            observed: row.observed.as_ref(),
            expected,
            evidence: pointers.iter().map(|pointer| below(pointer, head.at).unwrap_or(pointer)).collect(),
        }
    }
}

/// What most failing rows expect, when at least two do.
fn usual<'a>(rows: &[&'a Assessed]) -> Option<&'a Value> {
    let mut seen: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    for row in rows.iter().map(|it| &it.row).filter(|row| row.verdict == Verdict::Fail) {
        if let Some(expected) = &row.expected {
            seen.entry(expected.to_string()).or_insert((0, expected)).0 += 1;
        }
    }
    let most = seen.into_iter().filter(|(_, (count, _))| *count > 1);
    most.max_by(|a, b| (a.1.0, &b.0).cmp(&(b.1.0, &a.0))).map(|(_, (_, expected))| expected)
}

/// The longest beginning, up to a `/`, of all pointers into the document that most pointers lead into.
pub(crate) fn common<'p>(pointers: impl Iterator<Item = &'p str> + Clone) -> &'p str {
    let name = |pointer: &'p str| pointer.split_once('#').map_or("", |(name, _)| name);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for pointer in pointers.clone() {
        *seen.entry(name(pointer)).or_default() += 1;
    }
    let most = seen.into_iter().filter(|(_, count)| *count > 1).max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0)));
    let Some((document, _)) = most else { return "" };
    let mut common: Option<&str> = None;
    for pointer in pointers.filter(|pointer| name(pointer) == document) {
        let known = common.unwrap_or(pointer);
        let same = known.bytes().zip(pointer.bytes()).take_while(|(one, other)| one == other).count();
        let cut = pointer.as_bytes().get(..same).and_then(|same| same.iter().rposition(|byte| *byte == b'/'));
        common = pointer.get(..cut.map_or(0, |cut| cut.saturating_add(1)));
    }
    common.filter(|common| common.contains('#')).unwrap_or_default()
}

/// A pointer without what is in front of it, where it can be told from one that is whole.
pub(crate) fn below<'p>(pointer: &'p str, at: &str) -> Option<&'p str> {
    pointer.strip_prefix(at).filter(|rest| !at.is_empty() && !rest.contains('#'))
}

/// `<item>#<JSON Pointer>` for `data/evidence/<account>/<region>/<item>.json`, with `<region>/` in front for another
/// region than the row's; the whole path for another account.
pub(crate) fn short(account: &str, region: &str, pointer: &Pointer) -> String {
    let Pointer { document, pointer } = pointer;
    let inner = document.strip_prefix("data/evidence/").and_then(|rest| rest.strip_prefix(account));
    let inner = inner.and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.strip_suffix(".json"));
    let inner = inner.filter(|inner| inner.split('/').count() == 2);
    let own = inner.and_then(|rest| rest.strip_prefix(region)).and_then(|rest| rest.strip_prefix('/'));
    format!("{}#{pointer}", own.or(inner).unwrap_or(document))
}

/// The rows of one place by check, one a line, with the digests of the documents that they point into, and those of
/// what each document of the place says.
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
    let mut by_check: BTreeMap<&str, Vec<&Assessed>> = BTreeMap::new();
    for row in rows {
        by_check.entry(&row.row.check).or_default().push(row);
    }
    let mut bytes = opened(&head, "checks");
    for (number, (check, rows)) in by_check.into_iter().enumerate() {
        let short = |it: &&Assessed| it.row.evidence.iter().map(|it| short(account, region, it)).collect();
        let pointers: Vec<Vec<String>> = rows.iter().map(short).collect();
        let at = common(pointers.iter().flatten().map(String::as_str));
        let head = Head { check, expected: usual(&rows), at };
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        let said = serde_json::to_value(&head).unwrap_or_default();
        let written = rows.iter().zip(&pointers).map(|(row, own)| Written::of(row, own, &head, checks));
        let part = lines(&said, "rows", written);
        bytes.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(&part));
    }
    bytes.extend_from_slice(b"\n]}\n");
    bytes
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
    let mut bytes = opened(head, name);
    for (number, entry) in entries.enumerate() {
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        // Texts, numbers and JSON values always have a JSON form.
        bytes.extend(serde_json::to_vec(&entry).unwrap_or_default());
    }
    bytes.extend_from_slice(b"\n]}\n");
    bytes
}

/// An object up to the entries of the list that is its last member.
fn opened(head: &Value, name: &str) -> Vec<u8> {
    let mut text = head.to_string();
    // The brace that closes it, and the list in its place.
    text.pop();
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":[");
    text.into_bytes()
}
