//! What a policy says of itself: the `# METADATA` block at the head of its file.
//!
//! It is YAML, as OPA reads it too, and it is ours: an unknown key, a missing one, a value of another type is
//! refused, all of them at once, with file and line. The id is the file's name; the package must be
//! `evidenced.checks.<id>`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Problem;
use super::parameters::{self, Parameter};
use super::yaml::{self, Kind, Node};

/// Where a check is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckScope {
    /// Per account and region.
    Region,
    /// Once per account.
    Account,
}

impl CheckScope {
    /// The word of the METADATA.
    pub fn word(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Account => "account",
        }
    }
}

/// How much a failure matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Look at it.
    Low,
    /// Plan it.
    Medium,
    /// Act.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word of the METADATA.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a check needs of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Every call answered, and these members in every entry: `SecurityGroups.IpPermissions`.
    Fields(Vec<String>),
    /// The policy itself says which resources a failed call concerns.
    Resolved,
}

/// One evidence item that a check reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Id of the item.
    pub item: String,
    /// Operations, in the order of the METADATA.
    pub calls: Vec<(String, Need)>,
}

/// A check, as its METADATA describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The file's name.
    pub id: String,
    /// Raised whenever the logic changes.
    pub version: u64,
    /// The claim, in one line: what a pass says.
    pub title: String,
    /// What is looked at, and what counts.
    pub description: String,
    /// Per region or per account.
    pub scope: CheckScope,
    /// How much a failure matters.
    pub severity: Severity,
    /// Ids of the Trust Services Criteria.
    pub criteria: Vec<String>,
    /// What it reads; the population comes from the first call.
    pub inputs: Vec<Input>,
    /// What can be configured.
    pub parameters: BTreeMap<String, Parameter>,
    /// What to do about a failure; never executed.
    pub remediation: String,
    /// Addresses.
    pub references: Vec<String>,
    /// Ids in other systems, by system.
    pub also: BTreeMap<String, Vec<String>>,
}

/// Reads the METADATA of a policy file.
pub(super) fn read(id: &str, text: &str) -> Result<Check, Vec<Problem>> {
    let mut reader = Reader { place: format!("{id}.rego"), problems: Vec::new() };
    let check = reader.check(id, text);
    match check {
        Some(check) if reader.problems.is_empty() => Ok(check),
        _ => {
            reader.problems.sort();
            Err(reader.problems)
        }
    }
}

/// The block: the comment lines behind `# METADATA` up to the first line that is no comment.
fn block(text: &str) -> Option<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| line.trim_end() == "# METADATA")?;
    let mut yaml = String::new();
    for line in lines.iter().skip(start + 1) {
        let Some(rest) = line.strip_prefix('#') else { break };
        yaml.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        yaml.push('\n');
    }
    Some((start + 1, yaml))
}

struct Reader {
    place: String,
    problems: Vec<Problem>,
}

/// A map whose keys are taken one by one; what is left is unknown.
struct Members<'a> {
    line: usize,
    left: Vec<(&'a str, &'a Node)>,
}

impl<'a> Members<'a> {
    fn take(&mut self, key: &str) -> Option<&'a Node> {
        let at = self.left.iter().position(|(name, _)| *name == key)?;
        Some(self.left.remove(at).1)
    }
}

impl Reader {
    fn refuse(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem { place: self.place.clone(), line, message: message.into() });
    }

    fn check(&mut self, id: &str, text: &str) -> Option<Check> {
        let named = !id.is_empty()
            && id.len() <= 64
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !named {
            self.refuse(0, "its file's name is the check's id: expected a-z, 0-9 and _");
        }
        let package = format!("package evidenced.checks.{id}");
        if !text.lines().any(|line| line.trim_end() == package) {
            self.refuse(0, format!("expected the line {package:?}: the package ends in the file's name"));
        }
        let Some((offset, block)) = block(text) else {
            self.refuse(1, "no METADATA: expected a block of comments that starts with \"# METADATA\"");
            return None;
        };
        let mut node = match yaml::read(&block) {
            Ok(node) => node,
            Err((line, message)) => {
                self.refuse(offset + line, message);
                return None;
            }
        };
        shift(&mut node, offset);
        let mut top = self.members(&node, "METADATA")?;
        let title = self.text(&mut top, "title");
        let description = self.text(&mut top, "description");
        let custom = top.take("custom");
        self.finish(&top, "title, description, custom");
        let Some(custom) = custom else {
            self.refuse(offset + 1, "custom is missing");
            return None;
        };
        let mut custom = self.members(custom, "custom")?;
        let version = self.version(&mut custom);
        let scope =
            self.word(&mut custom, "scope", &[CheckScope::Region, CheckScope::Account], CheckScope::word);
        let severities = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        let severity = self.word(&mut custom, "severity", &severities, Severity::word);
        let criteria = self.texts(&mut custom, "criteria");
        let inputs = self.inputs(&mut custom);
        let parameters = self.parameters(&mut custom);
        let remediation = self.text(&mut custom, "remediation");
        let references = self.texts(&mut custom, "references");
        let also = self.also(&mut custom);
        self.finish(
            &custom,
            "version, scope, severity, criteria, inputs, parameters, remediation, references, also",
        );
        Some(Check {
            id: id.to_owned(),
            version: version?,
            title: title?,
            description: description?,
            scope: scope?,
            severity: severity?,
            criteria: criteria?,
            inputs: inputs?,
            parameters,
            remediation: remediation?,
            references: references?,
            also,
        })
    }

    fn members<'a>(&mut self, node: &'a Node, what: &str) -> Option<Members<'a>> {
        let Kind::Map(members) = &node.kind else {
            self.refuse(node.line, format!("{what}: expected a map"));
            return None;
        };
        let left = members.iter().map(|(name, node)| (name.as_str(), node)).collect();
        Some(Members { line: node.line, left })
    }

    fn finish(&mut self, members: &Members<'_>, known: &str) {
        for (name, node) in &members.left {
            self.refuse(node.line, format!("unknown key {name:?}; known are {known}"));
        }
    }

    fn required<'a>(&mut self, members: &mut Members<'a>, key: &str) -> Option<&'a Node> {
        let node = members.take(key);
        if node.is_none() {
            self.refuse(members.line, format!("{key} is missing"));
        }
        node
    }

    fn text(&mut self, members: &mut Members<'_>, key: &str) -> Option<String> {
        let node = self.required(members, key)?;
        let text = node.text().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.refuse(node.line, format!("{key}: expected text"));
        }
        text.map(str::to_owned)
    }

    fn texts(&mut self, members: &mut Members<'_>, key: &str) -> Option<Vec<String>> {
        let node = self.required(members, key)?;
        self.list(node, key)
    }

    fn list(&mut self, node: &Node, key: &str) -> Option<Vec<String>> {
        let texts: Option<Vec<String>> = match &node.kind {
            Kind::List(entries) => entries.iter().map(|entry| entry.text().map(str::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.refuse(node.line, format!("{key}: expected a list of texts"));
        }
        texts
    }

    fn version(&mut self, members: &mut Members<'_>) -> Option<u64> {
        let node = self.required(members, "version")?;
        let version = node.plain().as_u64().filter(|version| *version > 0);
        if version.is_none() {
            self.refuse(node.line, "version: expected a number from 1");
        }
        version
    }

    fn word<T: Copy>(
        &mut self,
        members: &mut Members<'_>,
        key: &str,
        accepted: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let node = self.required(members, key)?;
        let found = accepted.iter().copied().find(|it| Some(word(*it)) == node.text());
        if found.is_none() {
            let words: Vec<&str> = accepted.iter().map(|it| word(*it)).collect();
            self.refuse(node.line, format!("{key}: expected one of {}", words.join(", ")));
        }
        found
    }

    fn inputs(&mut self, members: &mut Members<'_>) -> Option<Vec<Input>> {
        let node = self.required(members, "inputs")?;
        let items = self.members(node, "inputs")?;
        if items.left.is_empty() {
            self.refuse(node.line, "inputs: expected at least one item");
        }
        let mut inputs = Vec::new();
        for (item, node) in items.left {
            let Some(operations) = self.members(node, item) else { continue };
            if operations.left.is_empty() {
                self.refuse(node.line, format!("{item}: expected at least one operation"));
            }
            let mut calls = Vec::new();
            for (operation, node) in operations.left {
                let need = if node.text() == Some("resolved") {
                    Some(Need::Resolved)
                } else {
                    self.list(node, operation).map(Need::Fields)
                };
                calls.extend(need.map(|need| (operation.to_owned(), need)));
            }
            inputs.push(Input { item: item.to_owned(), calls });
        }
        Some(inputs)
    }

    fn parameters(&mut self, members: &mut Members<'_>) -> BTreeMap<String, Parameter> {
        let mut parameters = BTreeMap::new();
        let Some(node) = members.take("parameters") else { return parameters };
        let Some(named) = self.members(node, "parameters") else { return parameters };
        for (name, node) in named.left {
            let Some(mut inner) = self.members(node, name) else { continue };
            let description = self.text(&mut inner, "description");
            let kind = self.word(&mut inner, "kind", parameters::KINDS, parameters::Kind::word);
            let (default, guide, aws) = (inner.take("default"), inner.take("guide"), inner.take("aws"));
            let values = match (default, guide, aws) {
                (Some(both), None, None) => Some((both, both)),
                (None, Some(guide), Some(aws)) => Some((guide, aws)),
                _ => {
                    self.refuse(node.line, format!("{name}: expected default, or guide and aws"));
                    None
                }
            };
            self.finish(&inner, "description, kind, default, guide, aws");
            let (Some(description), Some(kind), Some((guide, aws))) = (description, kind, values) else {
                continue;
            };
            for value in [guide, aws] {
                if let Err(message) = kind.accepts(&value.plain()) {
                    self.refuse(value.line, format!("{name}: {message}"));
                }
            }
            let parameter = Parameter { description, kind, guide: guide.plain(), aws: aws.plain() };
            parameters.insert(name.to_owned(), parameter);
        }
        parameters
    }

    fn also(&mut self, members: &mut Members<'_>) -> BTreeMap<String, Vec<String>> {
        let mut also = BTreeMap::new();
        let Some(node) = members.take("also") else { return also };
        let Some(systems) = self.members(node, "also") else { return also };
        for (system, node) in systems.left {
            also.extend(self.list(node, system).map(|ids| (system.to_owned(), ids)));
        }
        also
    }
}

/// Lines of the block become lines of the file.
fn shift(node: &mut Node, offset: usize) {
    node.line += offset;
    match &mut node.kind {
        Kind::Scalar(_) => {}
        Kind::List(entries) => entries.iter_mut().for_each(|entry| shift(entry, offset)),
        Kind::Map(members) => members.iter_mut().for_each(|(_, node)| shift(node, offset)),
    }
}

impl Check {
    /// The value of `data/policies` tables: what rows refer to by id.
    pub fn described(&self) -> Value {
        serde_json::json!({
            "id": self.id,
            "version": self.version,
            "title": self.title,
            "description": self.description,
            "scope": self.scope.word(),
            "severity": self.severity.word(),
            "criteria": self.criteria,
            "remediation": self.remediation,
            "references": self.references,
            "also": self.also,
        })
    }
}
