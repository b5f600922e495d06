//! Reads TOML tables and gathers every problem with its line and key, instead of stopping at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: usize,
    /// Dotted key, such as `aws.accounts[0].role`; empty for the file as a whole.
    pub key: String,
    /// The value as it stands, where there is one.
    pub value: Option<String>,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.line)?;
        if !self.key.is_empty() {
            write!(out, ": {}", self.key)?;
        }
        if let Some(value) = &self.value {
            write!(out, " = {value}")?;
        }
        write!(out, ": {}", self.message)
    }
}

/// The text and what is wrong with it so far.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) problems: Vec<Problem>,
    /// Lines of keys whose values are judged later, by dotted key.
    pub(super) lines: BTreeMap<String, usize>,
}

/// A table that is being read: what is asked for is marked, what is left is unknown.
pub(super) struct Table<'a> {
    path: String,
    line: usize,
    entries: BTreeMap<String, (usize, &'a Spanned<DeValue<'a>>)>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, problems: Vec::new(), lines: BTreeMap::new() }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    pub(super) fn problem(
        &mut self,
        line: usize,
        key: String,
        value: Option<String>,
        message: impl Into<String>,
    ) {
        self.problems.push(Problem { line, key, value, message: message.into() });
    }

    pub(super) fn root(&self, table: &'a DeTable<'a>) -> Table<'a> {
        self.table_of(table, String::new(), 1)
    }

    fn table_of(&self, table: &'a DeTable<'a>, path: String, line: usize) -> Table<'a> {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), (self.line(key.span().start), value)))
            .collect();
        Table { path, line, entries, asked: BTreeSet::new() }
    }

    /// Source text of a value, clipped: what the operator wrote.
    fn written(&self, value: &Spanned<DeValue<'_>>) -> String {
        let span = value.span();
        let text = self.text.get(span).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        match first.char_indices().nth(60) {
            Some((at, _)) => format!("{}...", first.get(..at).unwrap_or_default()),
            None if first.len() < text.len() => format!("{first}..."),
            None => first.to_owned(),
        }
    }

    fn wrong(&mut self, table: &Table<'a>, key: &'static str, accepted: &str) {
        if let Some((line, value)) = table.entries.get(key) {
            let (line, written) = (*line, self.written(value));
            self.problem(line, table.key(key), Some(written), format!("expected {accepted}"));
        }
    }

    /// Says what is wrong with a value that has the right type.
    pub(super) fn refuse(&mut self, table: &Table<'a>, key: &'static str, message: impl Into<String>) {
        let (line, value) = match table.entries.get(key) {
            Some((line, value)) => (*line, Some(self.written(value))),
            None => (table.line, None),
        };
        self.problem(line, table.key(key), value, message);
    }

    pub(super) fn text(&mut self, table: &mut Table<'a>, key: &'static str) -> Option<String> {
        if let DeValue::String(text) = table.take(key)?.get_ref() {
            return Some(text.to_string());
        }
        self.wrong(table, key, "a text in quotes");
        None
    }

    pub(super) fn required(&mut self, table: &mut Table<'a>, key: &'static str, accepted: &str) -> String {
        if !table.entries.contains_key(key) {
            table.asked.insert(key);
            self.problem(table.line, table.key(key), None, format!("is missing; expected {accepted}"));
            return String::new();
        }
        let text = self.text(table, key).unwrap_or_default();
        if text.is_empty() && !self.problems.iter().any(|problem| problem.key == table.key(key)) {
            self.wrong(table, key, accepted);
        }
        text
    }

    pub(super) fn boolean(&mut self, table: &mut Table<'a>, key: &'static str, default: bool) -> bool {
        match table.take(key).map(Spanned::get_ref) {
            None => default,
            Some(DeValue::Boolean(value)) => *value,
            Some(_) => {
                self.wrong(table, key, "true or false");
                default
            }
        }
    }

    pub(super) fn integer(
        &mut self,
        table: &mut Table<'a>,
        key: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        let Some(value) = table.take(key) else { return default };
        let parsed = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if let Some(number) = parsed.filter(|number| range.contains(number)) {
            return number;
        }
        self.wrong(table, key, &format!("a whole number from {} to {}", range.start(), range.end()));
        default
    }

    /// A share above 0 and at most 1.
    pub(super) fn share(&mut self, table: &mut Table<'a>, key: &'static str) -> Option<f64> {
        let value = table.take(key)?;
        let parsed: Option<f64> = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let found = parsed.filter(|share| *share > 0.0 && *share <= 1.0);
        if found.is_none() {
            self.wrong(table, key, "a number above 0 and at most 1, such as 0.3");
        }
        found
    }

    /// `500ms`, `20s`, `2m` or `1h`, in milliseconds: longer than nothing.
    pub(super) fn duration(&mut self, table: &mut Table<'a>, key: &'static str, default: u64) -> u64 {
        let accepted = "a duration such as \"500ms\", \"20s\", \"2m\" or \"1h\"";
        self.time(table, key, default, 1, accepted)
    }

    /// A duration that may be `0s`: where nothing is to be waited for.
    pub(super) fn duration_or_zero(&mut self, table: &mut Table<'a>, key: &'static str, default: u64) -> u64 {
        let accepted = "a duration such as \"0s\", \"500ms\", \"20s\", \"2m\" or \"1h\"";
        self.time(table, key, default, 0, accepted)
    }

    fn time(
        &mut self,
        table: &mut Table<'a>,
        key: &'static str,
        default: u64,
        least: u64,
        accepted: &str,
    ) -> u64 {
        let Some(value) = table.take(key) else { return default };
        let parsed = match value.get_ref() {
            DeValue::String(text) => milliseconds(text),
            _ => None,
        };
        match parsed {
            Some(found) if found >= least => return found,
            Some(_) => self.refuse(table, key, format!("leaves no time at all: expected {accepted}")),
            None => self.wrong(table, key, accepted),
        }
        default
    }

    pub(super) fn texts(&mut self, table: &mut Table<'a>, key: &'static str) -> Option<Vec<String>> {
        let value = table.take(key)?;
        let list: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(entries) => entries
                .iter()
                .map(|entry| match entry.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if list.is_none() {
            self.wrong(table, key, "a list of texts, such as [\"a\", \"b\"]");
        }
        list
    }

    pub(super) fn table(&mut self, table: &mut Table<'a>, key: &'static str) -> Table<'a> {
        let (path, line) = (table.key(key), table.entries.get(key).map_or(table.line, |(line, _)| *line));
        match table.take(key).map(Spanned::get_ref) {
            Some(DeValue::Table(inner)) => self.table_of(inner, path, line),
            None => Table { path, line, entries: BTreeMap::new(), asked: BTreeSet::new() },
            Some(_) => {
                self.wrong(table, key, &format!("a table: [{path}]"));
                Table { path, line, entries: BTreeMap::new(), asked: BTreeSet::new() }
            }
        }
    }

    pub(super) fn tables(&mut self, table: &mut Table<'a>, key: &'static str) -> Vec<Table<'a>> {
        let path = table.key(key);
        let Some(value) = table.take(key) else { return Vec::new() };
        let DeValue::Array(entries) = value.get_ref() else {
            self.wrong(table, key, &format!("tables: [[{path}]]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let line = self.line(entry.span().start);
            if let DeValue::Table(inner) = entry.get_ref() {
                found.push(self.table_of(inner, format!("{path}[{index}]"), line));
            } else {
                let message = format!("expected a table: [[{path}]]");
                self.problem(line, format!("{path}[{index}]"), None, message);
            }
        }
        found
    }

    /// A table whose keys are not ours, as JSON.
    pub(super) fn free(&mut self, table: &mut Table<'a>, key: &'static str) -> Value {
        match table.take(key) {
            None => Value::Object(serde_json::Map::new()),
            Some(value) if value.get_ref().is_table() => {
                self.note_lines(&table.key(key), value.get_ref());
                json(value.get_ref())
            }
            Some(_) => {
                self.wrong(table, key, "a table");
                Value::Null
            }
        }
    }

    /// Keeps the lines of a free table's keys, for those who judge them.
    fn note_lines(&mut self, path: &str, value: &DeValue<'_>) {
        let DeValue::Table(table) = value else { return };
        for (key, value) in table {
            let path = format!("{path}.{}", key.get_ref());
            self.lines.insert(path.clone(), self.line(key.span().start));
            self.note_lines(&path, value.get_ref());
        }
    }

    /// Keeps the line of a key, for those who judge its value.
    pub(super) fn note(&mut self, table: &Table<'a>, key: &'static str) {
        let line = table.entries.get(key).map_or(table.line, |(line, _)| *line);
        self.lines.insert(table.key(key), line);
    }

    /// Everything that nobody asked for is a mistake of the operator's, with the nearest known key.
    pub(super) fn finish(&mut self, table: &Table<'a>) {
        for (name, (line, _)) in table.entries.iter().filter(|(name, _)| !table.asked.contains(name.as_str()))
        {
            let nearest =
                nearest(name, table.asked.iter().copied()).map(|known| format!("; did you mean {known:?}?"));
            let known: Vec<&str> = table.asked.iter().copied().collect();
            let message = format!(
                "is not a known key{}",
                nearest.unwrap_or_else(|| format!("; known: {}", known.join(", ")))
            );
            let key = table.join(name);
            self.problem(*line, key, None, message);
        }
    }
}

impl<'a> Table<'a> {
    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn key(&self, key: &'static str) -> String {
        self.join(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key);
        self.entries.get(key).map(|(_, value)| *value)
    }
}

/// A duration as it is written, such as `500ms`, `20s`, `2m` or `1h`, in milliseconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A table as JSON.
pub(super) fn json_of(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => serde_json::from_str(number.as_str()).unwrap_or(Value::Null),
        DeValue::Float(number) => serde_json::from_str(number.as_str()).unwrap_or(Value::Null),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(entries) => entries.iter().map(|entry| json(entry.get_ref())).collect(),
        DeValue::Table(table) => json_of(table),
    }
}

/// The word that was meant, if one is near enough.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.map(|known| (distance(word, known), known)).min();
    // Long words are misspelt in more places.
    near.filter(|(steps, _)| *steps <= 3.max(word.len() / 4)).map(|(_, known)| known)
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let replace = row.get(j).copied().unwrap_or(0) + usize::from(left != *right);
            let delete = row.get(j + 1).copied().unwrap_or(0) + 1;
            let insert = next.last().copied().unwrap_or(0) + 1;
            next.push(replace.min(delete).min(insert));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
