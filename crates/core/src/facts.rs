//! The files of a bag that are not evidence and not findings, as JSON values.
//!
//! They are read from the bytes of the bag, so that they are the same whether a run has just made them or they come
//! out of a bundle.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::assessment::{ReadError, json};

/// What became of the findings since the previous bundle.
pub const CHANGES: &str = "data/changes.json";

/// What a report says beside the findings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `data/run.json`.
    pub run: Value,
    /// `data/plan.json`.
    pub plan: Value,
    /// `data/config.json`.
    pub config: Value,
    /// `data/summary.json`.
    pub summary: Value,
    /// `data/catalogue.json`.
    pub catalogue: Value,
    /// `data/changes.json`, where it is there.
    pub changes: Option<Value>,
    /// The rows of `data/run.json`, or of the files that it names.
    pub cells: Vec<Value>,
}

impl Facts {
    /// Reads the files of a bag by their paths; others are left alone.
    pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ReadError> {
        const RUN: &str = "data/run.json";
        let run: Value = json(files, RUN)?;
        let wrong = |path: &str| ReadError::Wrong { path: path.to_owned(), what: "has no rows".to_owned() };
        let rows = |value: &Value| value.get("cells").and_then(Value::as_array).cloned();
        let cells = match run.get("cellFiles").and_then(Value::as_array) {
            None => rows(&run).ok_or_else(|| wrong(RUN))?,
            Some(names) => {
                let mut cells = Vec::new();
                for name in names {
                    let name = name.as_str().ok_or_else(|| wrong(RUN))?;
                    cells.extend(rows(&json(files, name)?).ok_or_else(|| wrong(name))?);
                }
                cells
            }
        };
        let changes = files.contains_key(CHANGES).then(|| json(files, CHANGES)).transpose()?;
        Ok(Self {
            plan: json(files, "data/plan.json")?,
            config: json(files, "data/config.json")?,
            summary: json(files, "data/summary.json")?,
            catalogue: json(files, "data/catalogue.json")?,
            run,
            changes,
            cells,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_the_run_or_in_the_files_that_it_names() {
        let mut files: BTreeMap<String, Vec<u8>> = ["plan", "config", "summary", "catalogue"]
            .into_iter()
            .map(|name| (format!("data/{name}.json"), b"{}".to_vec()))
            .collect();
        files.insert("data/run.json".to_owned(), br#"{"cells":[{"item":"vpc.vpcs"}]}"#.to_vec());
        assert_eq!(Facts::read(&files).unwrap().cells, [serde_json::json!({ "item": "vpc.vpcs" })]);
        files.insert("data/run.json".to_owned(), br#"{"cellFiles":["data/run/1.json"]}"#.to_vec());
        assert!(matches!(Facts::read(&files), Err(ReadError::Missing(path)) if path == "data/run/1.json"));
        files.insert("data/run/1.json".to_owned(), br#"{"cells":[{},{}]}"#.to_vec());
        assert_eq!(Facts::read(&files).unwrap().cells.len(), 2);
    }
}
