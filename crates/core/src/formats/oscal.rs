//! OSCAL 1.2 assessment results: what was judged, with the evidence by path and digest.
//!
//! One observation per row, whatever its verdict; one risk per failure, `deviation-approved` under a live exception;
//! one finding per criterion and check, `satisfied` only when something passed and nothing failed, is excepted or is
//! unknown. Where nothing was there to be judged there is no finding. Ids are made of the run and the resource
//! (version 5), so the same run gives the same bytes. No id refers to a control that the catalog does not hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::about::{About, text};
use super::catalog::{Controls, statement};
use super::name_uuid::Namespace;
use super::{FormatError, Names};
use crate::assessment::{Assessed, Assessment, CheckRecord, EXCEPTED};
use crate::exceptions::Exception;
use crate::facts::Facts;

/// The version of OSCAL.
pub(super) const VERSION: &str = "1.2.1";
/// Whose names our properties are.
const NS: &str = "https://evidenced.example.com/ns/oscal";

/// The two documents.
#[derive(Debug)]
pub struct Oscal {
    /// Assessment results.
    pub results: Vec<u8>,
    /// The catalog that they refer to.
    pub catalog: Vec<u8>,
}

/// The documents of a run.
pub fn oscal(facts: &Facts, assessment: &Assessment, names: &Names) -> Result<Oscal, FormatError> {
    let about = About::of(facts);
    let controls = Controls::of(facts, assessment);
    let catalog = bytes(&controls.catalog(&about, facts));
    let digest = evidenced_bundle::Digest::of(&catalog).to_string();
    let finished = facts
        .cells
        .iter()
        .filter(|cell| !text(cell, "/finishedAt").is_empty())
        .map(|cell| (text(cell, "/file"), text(cell, "/finishedAt")))
        .collect();
    let ids = Namespace::new();
    let tool = ids.id(&["tool", &about.run]);
    let page = Page { ids, about, controls, assessment, names, finished, tool };
    Ok(Oscal { results: bytes(&page.results(facts, &digest)?), catalog })
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// Text as OSCAL's one-line strings are: no control characters, no space at the ends, never empty.
pub(super) fn line(text: &str) -> String {
    let spaced: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NS, "value": line(value) })
}

/// Those that say something.
fn props<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Vec<Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| prop(name, value))
        .collect()
}

/// The day of an exception as an instant: its beginning, or its end.
fn instant(day: &str, time: &str) -> Option<String> {
    let known = day.len() == 10 && day.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    known.then(|| format!("{day}T{time}Z"))
}

struct Page<'a> {
    ids: Namespace,
    about: About<'a>,
    controls: Controls,
    assessment: &'a Assessment,
    names: &'a Names,
    finished: BTreeMap<&'a str, &'a str>,
    tool: String,
}

impl Page<'_> {
    fn results(&self, facts: &Facts, catalog: &str) -> Result<Value, FormatError> {
        let Self { about, assessment, .. } = self;
        let run = about.run.as_str();
        let plan = self.ids.id(&["plan", run]);
        let organisation = self.ids.id(&["organisation", about.organisation]);
        let mut result = json!({
            "uuid": self.ids.id(&["result", run]),
            "title": format!("{run}: network security of {}", line(about.scope)),
            "description": "Verdicts of the checks of one collection run over the evidence in its bundle. The bundle \
                            is signed; `evidenced verify` says whether it is genuine.",
            "start": about.start,
            "end": about.end,
            "props": props([
                ("run-id", run),
                ("scope", about.scope),
                ("slot", text(&facts.run, "/slot")),
                ("run-status", text(&facts.run, "/status")),
                ("profile", &assessment.profile),
            ]),
            "local-definitions": {
                "inventory-items": self.inventory(),
                "assessment-assets": {
                    "components": [{
                        "uuid": self.tool,
                        "type": "software",
                        "title": "evidenced",
                        "description": "Collects the evidence and runs the checks.",
                        "props": props([("version", about.version)]),
                        "status": { "state": "operational" },
                    }],
                    "assessment-platforms": [{
                        "uuid": self.ids.id(&["platform", run]),
                        "title": "evidenced",
                        "uses-components": [{ "component-uuid": self.tool }],
                    }],
                },
            },
            "reviewed-controls": { "control-selections": [self.selection()?] },
        });
        let lists =
            [("observations", self.observations()), ("risks", self.risks()), ("findings", self.findings()?)];
        if let Some(members) = result.as_object_mut() {
            for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                members.insert(name.to_owned(), list.into());
            }
            if assessment.rows.is_empty()
                && let Some(local) = members.get_mut("local-definitions").and_then(Value::as_object_mut)
            {
                local.remove("inventory-items");
            }
        }
        Ok(json!({ "assessment-results": {
            "uuid": self.ids.id(&["assessment-results", run]),
            "metadata": {
                "title": format!("Assessment results of {run}"),
                "last-modified": about.end,
                "version": line(about.version),
                "oscal-version": VERSION,
                "roles": [{ "id": "system-owner", "title": "The organisation whose system is assessed" }],
                "parties": [{ "uuid": organisation, "type": "organization", "name": line(about.organisation) }],
                "responsible-parties": [{ "role-id": "system-owner", "party-uuids": [organisation] }],
            },
            "import-ap": { "href": format!("#{plan}"), "remarks": "What was to be collected, and what was not: the plan of the run." },
            "results": [result],
            "back-matter": { "resources": self.resources(&plan, catalog) },
        } }))
    }

    /// The criteria that the checks of this run bear on.
    fn selection(&self) -> Result<Value, FormatError> {
        let named: BTreeSet<&str> =
            self.assessment.checks.values().flat_map(|check| &check.criteria).map(String::as_str).collect();
        if named.is_empty() {
            return Ok(json!({ "include-all": {} }));
        }
        let controls = named
            .into_iter()
            .map(|id| Ok(json!({ "control-id": self.token(id)? })))
            .collect::<Result<Vec<Value>, FormatError>>()?;
        Ok(json!({
            "links": [{ "href": format!("#{}", self.ids.id(&["catalog", &self.about.run])), "rel": "catalog" }],
            "include-controls": controls,
        }))
    }

    fn token(&self, id: &str) -> Result<&str, FormatError> {
        self.controls.token(id).ok_or_else(|| FormatError::Control(id.to_owned()))
    }

    /// The plan, the catalog, and each document that a row points into.
    fn resources(&self, plan: &str, catalog: &str) -> Vec<Value> {
        let rlink = |href: &str, sha256: &str| {
            let mut link = json!({ "href": href, "media-type": "application/json" });
            if let (Some(members), false) = (link.as_object_mut(), sha256.is_empty()) {
                members.insert("hashes".to_owned(), json!([{ "algorithm": "SHA-256", "value": sha256 }]));
            }
            link
        };
        let mut resources = vec![
            json!({ "uuid": plan, "title": "The plan of the run",
                "description": "Accounts and regions, what is collected, and why the others are not.",
                "rlinks": [rlink("data/plan.json", "")] }),
            json!({ "uuid": self.ids.id(&["catalog", &self.about.run]), "title": "Index of control identifiers",
                "rlinks": [rlink("oscal-catalog.json", catalog)] }),
        ];
        for (path, sha256) in &self.assessment.documents {
            resources.push(
                json!({ "uuid": self.document(path), "title": line(path), "rlinks": [rlink(path, sha256)] }),
            );
        }
        resources
    }

    fn document(&self, path: &str) -> String {
        self.ids.id(&["document", &self.about.run, path])
    }

    /// Everything that a row is about, once.
    fn inventory(&self) -> Vec<Value> {
        let mut seen = BTreeSet::new();
        let mut items = Vec::new();
        for Assessed { row, .. } in &self.assessment.rows {
            let id = row.resource.as_deref();
            if !seen.insert((&row.account, &row.region, id)) {
                continue;
            }
            let known = id.map(|id| self.names.look(&row.account, &row.region, id)).unwrap_or_default();
            let (kind, what) = match id {
                Some(id) => (known.kind.as_str(), format!("{id} in {}, {}", row.account, row.region)),
                None => ("place", format!("account {}, {}", row.account, row.region)),
            };
            let mut named = props([
                ("account-id", row.account.as_str()),
                ("account-name", self.about.name(&row.account)),
                ("region", &row.region),
                ("resource-type", kind),
                ("resource-id", id.unwrap_or_default()),
                ("resource-arn", &known.arn),
                ("resource-name", &known.name),
            ]);
            named.push(json!({ "name": "asset-id", "value": line(id.unwrap_or(&what)) }));
            items.push(json!({
                "uuid": self.subject(&row.account, &row.region, id),
                "description": line(&what),
                "props": named,
            }));
        }
        items
    }

    fn subject(&self, account: &str, region: &str, resource: Option<&str>) -> String {
        self.ids.id(&["subject", &self.about.run, account, region, resource.unwrap_or_default()])
    }

    /// The id of what is made of a row.
    fn of_row(&self, kind: &str, assessed: &Assessed) -> String {
        let row = &assessed.row;
        let resource = row.resource.as_deref().unwrap_or_default();
        self.ids.id(&[kind, &self.about.run, &row.account, &row.region, &row.check, resource])
    }

    fn observations(&self) -> Vec<Value> {
        self.assessment.rows.iter().map(|assessed| self.observation(assessed)).collect()
    }

    fn observation(&self, assessed: &Assessed) -> Value {
        let row = &assessed.row;
        let check = self.assessment.checks.get(&row.check);
        let first = row.evidence.first().and_then(|at| self.finished.get(at.document.as_str()).copied());
        let version = check.map(|check| check.version.to_string()).unwrap_or_default();
        let said = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let (observed, expected) = (said(row.observed.as_ref()), said(row.expected.as_ref()));
        let mut observation = json!({
            "uuid": self.of_row("observation", assessed),
            "title": line(check.map_or(row.check.as_str(), |check| &check.title)),
            "description": line(&row.reason),
            "props": props([
                ("verdict", assessed.verdict()),
                ("raw-verdict", row.verdict.word()),
                ("check-id", &row.check),
                ("check-version", &version),
                ("severity", check.map(|check| check.severity.as_str()).unwrap_or_default()),
                ("observed", &observed),
                ("expected", &expected),
                ("exception-id", assessed.exception.as_deref().unwrap_or_default()),
            ]),
            "methods": ["TEST"],
            "types": ["finding"],
            "origins": [{ "actors": [{ "type": "tool", "actor-uuid": self.tool }] }],
            "subjects": [{
                "subject-uuid": self.subject(&row.account, &row.region, row.resource.as_deref()),
                "type": "inventory-item",
            }],
            "collected": first.unwrap_or(self.about.start),
        });
        if let (Some(members), false) = (observation.as_object_mut(), row.evidence.is_empty()) {
            let at = members.len() - 1;
            let evidence = self.evidence(assessed);
            members.shift_insert(at, "relevant-evidence".to_owned(), evidence.into());
        }
        observation
    }

    fn evidence(&self, assessed: &Assessed) -> Vec<Value> {
        let mut by_document: Vec<(&str, Vec<Value>)> = Vec::new();
        for pointer in &assessed.row.evidence {
            // The pointer to a whole document is empty, and a property may not be.
            let at = if pointer.pointer.is_empty() { "/" } else { pointer.pointer.as_str() };
            let at = prop("json-pointer", at);
            match by_document.iter_mut().find(|(known, _)| *known == pointer.document) {
                Some((_, pointers)) => pointers.push(at),
                None => by_document.push((&pointer.document, vec![at])),
            }
        }
        let one = |(path, pointers): (&str, Vec<Value>)| json!({ "href": format!("#{}", self.document(path)), "description": line(path), "props": pointers });
        by_document.into_iter().map(one).collect()
    }

    /// Failures: open, or accepted under an exception.
    fn risks(&self) -> Vec<Value> {
        let failing = self.assessment.rows.iter().filter(|assessed| is_failure(assessed));
        failing.map(|assessed| self.risk(assessed)).collect()
    }

    fn risk(&self, assessed: &Assessed) -> Value {
        let row = &assessed.row;
        let check = self.assessment.checks.get(&row.check);
        let title = check.map_or(row.check.as_str(), |check| &check.title);
        let exception = assessed.exception.as_deref().and_then(|id| self.exception(id));
        let mut risk = Map::new();
        let mut set = |name: &str, value: Value| risk.insert(name.to_owned(), value);
        set("uuid", self.of_row("risk", assessed).into());
        set("title", line(&format!("Does not hold: {title}")).into());
        set("description", line(&row.reason).into());
        set("statement", line(check.map_or(row.reason.as_str(), |check| &check.description)).into());
        let severity = check.map(|check| check.severity.as_str()).unwrap_or_default();
        let mut named = vec![("check-id", row.check.as_str()), ("severity", severity)];
        if let Some(exception) = exception {
            named.extend([
                ("exception-id", exception.id.as_str()),
                ("owner", &exception.owner),
                ("approver", &exception.approver),
                ("ticket", exception.ticket.as_deref().unwrap_or_default()),
            ]);
        }
        set("props", props(named).into());
        let accepted = assessed.verdict() == EXCEPTED;
        set("status", if accepted { "deviation-approved" } else { "open" }.into());
        if let Some(exception) = exception {
            let expires = exception.expires.as_deref().and_then(|day| instant(day, "23:59:59"));
            if let Some(expires) = expires {
                set("deadline", expires.into());
            }
            if let Some(start) = instant(&exception.approved_at, "00:00:00") {
                set(
                    "risk-log",
                    json!({ "entries": [{
                        "uuid": self.of_row("exception", assessed),
                        "title": line(&format!("Exception {} approved by {}", exception.id, exception.approver)),
                        "description": line(&exception.reason),
                        "start": start,
                        "status-change": "deviation-approved",
                    }] }),
                );
            }
        }
        set("related-observations", json!([{ "observation-uuid": self.of_row("observation", assessed) }]));
        Value::Object(risk)
    }

    fn exception(&self, id: &str) -> Option<&Exception> {
        self.assessment.exceptions.iter().map(|state| &state.exception).find(|exception| exception.id == id)
    }

    fn findings(&self) -> Result<Vec<Value>, FormatError> {
        let mut by_check: BTreeMap<&str, Vec<&Assessed>> = BTreeMap::new();
        for assessed in &self.assessment.rows {
            by_check.entry(&assessed.row.check).or_default().push(assessed);
        }
        let mut findings = Vec::new();
        for (id, rows) in by_check {
            let Some(check) = self.assessment.checks.get(id) else { continue };
            for criterion in &check.criteria {
                findings.extend(self.finding(check, criterion, &rows)?);
            }
        }
        Ok(findings)
    }

    fn finding(
        &self,
        check: &CheckRecord,
        criterion: &str,
        rows: &[&Assessed],
    ) -> Result<Option<Value>, FormatError> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for assessed in rows {
            *counts.entry(assessed.verdict()).or_insert(0) += 1;
        }
        let count = |verdict: &str| counts.get(verdict).copied().unwrap_or(0);
        let (state, reason) = match (count("fail"), count("unknown") + count(EXCEPTED), count("pass")) {
            (0, 0, 0) => return Ok(None),
            (0, 0, _) => ("satisfied", "pass"),
            (0, _, _) => ("not-satisfied", "other"),
            _ => ("not-satisfied", "fail"),
        };
        let words: Vec<String> = counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        let observed: Vec<Value> = rows
            .iter()
            .map(|assessed| json!({ "observation-uuid": self.of_row("observation", assessed) }))
            .collect();
        let mut finding = json!({
            "uuid": self.ids.id(&["finding", &self.about.run, criterion, &check.id]),
            "title": line(&check.title),
            "description": line(&check.description),
            "props": props([
                ("check-id", check.id.as_str()),
                ("check-version", &check.version.to_string()),
                ("severity", &check.severity),
                ("policy-sha256", &check.sha256),
            ]),
            "origins": [{ "actors": [{ "type": "tool", "actor-uuid": self.tool }] }],
            "target": {
                "type": "statement-id",
                "target-id": statement(self.token(criterion)?),
                "status": { "state": state, "reason": reason, "remarks": format!("{} resources: {}", rows.len(), words.join(", ")) },
            },
            "related-observations": observed,
            "remarks": line(&check.remediation),
        });
        let risks: Vec<Value> = rows
            .iter()
            .filter(|assessed| is_failure(assessed))
            .map(|assessed| json!({ "risk-uuid": self.of_row("risk", assessed) }))
            .collect();
        if let (Some(members), false) = (finding.as_object_mut(), risks.is_empty()) {
            members.insert("related-risks".to_owned(), risks.into());
        }
        Ok(Some(finding))
    }
}

fn is_failure(assessed: &Assessed) -> bool {
    matches!(assessed.verdict(), "fail" | EXCEPTED)
}
