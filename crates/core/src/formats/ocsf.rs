//! OCSF 1.5 Compliance Findings (class 2003), one JSON object a line: what monitoring systems take.
//!
//! One line per row, passing ones too. `finding_info.uid` names the check and the resource and stays the same from run
//! to run; `metadata.uid` names the row of this run. The verdict's own word is in `status_code`, because OCSF has
//! none for not-applicable and excepted. `severity` is the check's where somebody has to act, else informational.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::about::About;
use super::name_uuid::Namespace;
use super::{FormatError, Names};
use crate::assessment::{Assessed, Assessment, CheckRecord, EXCEPTED};
use crate::facts::Facts;

const VERSION: &str = "1.5.0";

/// The rows of a run.
pub fn ocsf(facts: &Facts, assessment: &Assessment, names: &Names) -> Result<Vec<u8>, FormatError> {
    let about = About::of(facts);
    let ids = Namespace::new();
    let time = crate::moment::parse(&assessment.now)
        .map(|seconds| seconds.saturating_mul(1000))
        .ok_or_else(|| FormatError::Time(assessment.now.clone()))?;
    let exceptions: BTreeMap<&str, Value> = assessment
        .exceptions
        .iter()
        .map(|state| (state.exception.id.as_str(), json!(state.exception)))
        .collect();
    let page = Page { about, ids, assessment, names, time, exceptions };
    let mut bytes = Vec::new();
    for assessed in &assessment.rows {
        bytes.extend_from_slice(page.line(assessed).to_string().as_bytes());
        bytes.push(b'\n');
    }
    Ok(bytes)
}

struct Page<'a> {
    about: About<'a>,
    ids: Namespace,
    assessment: &'a Assessment,
    names: &'a Names,
    time: i64,
    exceptions: BTreeMap<&'a str, Value>,
}

/// `severity_id` and its caption.
fn severity(word: &str) -> (u8, &'static str) {
    match word {
        "low" => (2, "Low"),
        "medium" => (3, "Medium"),
        "high" => (4, "High"),
        "critical" => (5, "Critical"),
        _ => (0, "Unknown"),
    }
}

/// `compliance.status_id`.
fn compliance(verdict: &str) -> u8 {
    match verdict {
        "pass" => 1,
        // OCSF: "did not yield a result due to missing information".
        "unknown" => 2,
        "fail" | EXCEPTED => 3,
        _ => 99,
    }
}

impl Page<'_> {
    fn line(&self, assessed: &Assessed) -> Value {
        let Self { about, assessment, .. } = self;
        let row = &assessed.row;
        let verdict = assessed.verdict();
        let check = assessment.checks.get(&row.check);
        let resource = row.resource.as_deref().unwrap_or_default();
        let place = [row.account.as_str(), &row.region, &row.check, resource];
        let title = check.map_or(row.check.as_str(), |check| &check.title);
        let acts = matches!(verdict, "fail" | "unknown");
        let (severity_id, severity) = match check {
            Some(check) if acts => severity(&check.severity),
            _ => (1, "Informational"),
        };
        // Of the finding itself: nobody has looked at it yet, or somebody took responsibility for it.
        let (status_id, status) = if verdict == EXCEPTED { (3, "Suppressed") } else { (1, "New") };
        let mut event = json!({
            "activity_id": 1,
            "activity_name": "Create",
            "category_name": "Findings",
            "category_uid": 2,
            "class_name": "Compliance Finding",
            "class_uid": 2003,
            "type_name": "Compliance Finding: Create",
            "type_uid": 200_301,
            "time": self.time,
            "severity_id": severity_id,
            "severity": severity,
            "status_id": status_id,
            "status": status,
            "status_code": verdict,
            "status_detail": row.reason,
            "message": format!("{title}: {verdict}: {}", row.reason),
            "metadata": {
                "version": VERSION,
                "profiles": ["cloud"],
                "product": { "name": "evidenced", "vendor_name": "evidenced", "version": about.version },
                "uid": self.ids.id(&[&["row", about.run.as_str()][..], &place].concat()),
                "event_code": row.check,
                "correlation_uid": about.run,
            },
            "cloud": {
                "provider": "AWS",
                "region": row.region,
                "account": {
                    "uid": row.account,
                    "name": about.name(&row.account),
                    "type": "AWS Account",
                    "type_id": 10,
                },
            },
            "finding_info": {
                "uid": self.ids.id(&[&["finding", about.scope][..], &place].concat()),
                "title": title,
                "desc": check.map_or(row.reason.as_str(), |check| &check.description),
                "created_time": self.time,
            },
        });
        let Some(members) = event.as_object_mut() else { return event };
        if let Some(check) = check {
            members.insert("compliance".to_owned(), requirement(check, verdict));
            members.insert(
                "remediation".to_owned(),
                json!({ "desc": check.remediation, "references": check.references }),
            );
        } else {
            let compliance = json!({ "control": row.check, "status_id": compliance(verdict) });
            members.insert("compliance".to_owned(), compliance);
        }
        if !resource.is_empty() {
            members.insert("resources".to_owned(), json!([self.resource(assessed, resource)]));
        }
        if !row.evidence.is_empty() {
            members.insert("evidences".to_owned(), self.evidences(assessed).into());
        }
        let unmapped = self.unmapped(assessed);
        if !unmapped.is_empty() {
            members.insert("unmapped".to_owned(), unmapped.into());
        }
        event
    }

    fn resource(&self, assessed: &Assessed, id: &str) -> Value {
        let row = &assessed.row;
        let known = self.names.look(&row.account, &row.region, id);
        let mut resource = Map::new();
        resource.insert("uid".to_owned(), if known.arn.is_empty() { id } else { &known.arn }.into());
        for (name, value) in [("name", &known.name), ("type", &known.kind)] {
            if !value.is_empty() {
                resource.insert(name.to_owned(), value.as_str().into());
            }
        }
        resource.insert("region".to_owned(), row.region.as_str().into());
        resource.insert("cloud_partition".to_owned(), self.about.partition(&row.account).into());
        resource.insert("data".to_owned(), json!({ "id": id }));
        resource.into()
    }

    fn evidences(&self, assessed: &Assessed) -> Vec<Value> {
        let mut by_document: Vec<(&str, Vec<&str>)> = Vec::new();
        for pointer in &assessed.row.evidence {
            match by_document.iter_mut().find(|(known, _)| *known == pointer.document) {
                Some((_, pointers)) => pointers.push(&pointer.pointer),
                None => by_document.push((&pointer.document, vec![&pointer.pointer])),
            }
        }
        let one = |(path, pointers): (&str, Vec<&str>)| {
            let sha256 = self.assessment.documents.get(path);
            json!({ "name": path, "data": { "sha256": sha256, "json_pointers": pointers } })
        };
        by_document.into_iter().map(one).collect()
    }

    /// What OCSF has no place for.
    fn unmapped(&self, assessed: &Assessed) -> Map<String, Value> {
        let row = &assessed.row;
        let mut unmapped = Map::new();
        let exception = assessed.exception.as_deref();
        for (name, value) in [
            ("observed", row.observed.clone()),
            ("expected", row.expected.clone()),
            ("raw_verdict", exception.map(|_| row.verdict.word().into())),
            ("exception", exception.and_then(|id| self.exceptions.get(id).cloned())),
        ] {
            unmapped.extend(value.map(|value| (name.to_owned(), value)));
        }
        unmapped
    }
}

fn requirement(check: &CheckRecord, verdict: &str) -> Value {
    let (severity_id, severity) = severity(&check.severity);
    json!({
        "standards": ["SOC2"],
        "requirements": check.criteria,
        "control": check.id,
        "desc": check.title,
        "status_id": compliance(verdict),
        "checks": [{
            "uid": check.id,
            "name": check.title,
            "version": check.version.to_string(),
            "severity": severity,
            "severity_id": severity_id,
            "status_id": compliance(verdict),
            "standards": ["SOC2"],
        }],
    })
}
