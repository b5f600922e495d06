//! The checks of a configuration: the built-in ones and those of `[checks] policies_dir`, compiled at the start; by a
//! service once, and again when a file of the folder is another one.
//!
//! Everything that is wrong with them comes at once: texts with their file and line, parameters, exceptions and
//! controls with the line of the configuration. Refused: more or larger files than a policy folder has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_core::config::{Config, Problem};
use evidenced_core::policy::{self, Policies, Text};
use serde_json::Value;

use crate::collector::{Loaded, read_text};

/// Largest policy that is read.
const TEXT_BYTES: u64 = 1 << 20;
/// Most policies of a folder.
const TEXTS: usize = 500;

/// The checks of a run.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    /// All of them: the table, and the texts that go into the bundle.
    pub(crate) all: Policies,
    /// Those that are built in: they run in this process.
    pub(crate) built_in: Policies,
    /// The customer's own: they run apart.
    pub(crate) own: Option<Policies>,
}

/// The checks that a process compiled, for one configuration. Clones are one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compiled(Arc<Mutex<Option<Checks>>>);

/// Problems of the configuration, and of policy files.
#[derive(Debug, Default)]
pub(crate) struct ChecksError {
    pub(crate) config: Vec<Problem>,
    pub(crate) policies: Vec<policy::Problem>,
}

impl ChecksError {
    pub(crate) fn count(&self) -> usize {
        self.config.len() + self.policies.len()
    }

    /// All that is wrong, once: behind what the configuration was refused for already. A key that has a problem of its
    /// own has no second one.
    pub(crate) fn behind(mut self, problems: Vec<Problem>) -> Self {
        self.config.retain(|found| !problems.iter().any(|it| it.line == found.line && it.key == found.key));
        self.config.extend(problems);
        self.config.sort();
        self
    }
}

impl Compiled {
    /// The checks of the configuration, compiled when its folder has other texts than they were compiled from.
    pub(crate) fn of(&self, loaded: &Loaded) -> Result<Checks, ChecksError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = loaded.config.checks.policies_dir.as_deref().map(|dir| loaded.resolve(dir));
        // A folder that cannot be read is said by those who compile.
        let own = folder.as_deref().map_or(Ok(Vec::new()), read_policies).ok();
        if let (Some(checks), Some(own)) = (&*kept, own)
            && checks.are_of(&own)
        {
            return Ok(checks.clone());
        }
        let checks = Checks::of(loaded)?;
        *kept = Some(checks.clone());
        Ok(checks)
    }
}

impl Checks {
    fn are_of(&self, own: &[Text]) -> bool {
        let compiled = self.own.iter().flat_map(|own| &own.checks);
        let compiled = compiled.map(|(id, policy)| (id.as_str(), policy.text.as_str()));
        compiled.eq(own.iter().map(|own| (own.id.as_str(), own.text.as_str())))
    }

    /// Compiles the checks of a configuration.
    pub(crate) fn of(loaded: &Loaded) -> Result<Self, ChecksError> {
        let config = &loaded.config;
        let mut error = ChecksError::default();
        let folder = config.checks.policies_dir.as_deref().map(|dir| loaded.resolve(dir));
        let own = match folder.as_deref().map(read_policies).transpose() {
            Ok(own) => own.unwrap_or_default(),
            Err(why) => {
                error.config.push(problem(config, "checks.policies_dir", &why));
                Vec::new()
            }
        };
        let ids: Vec<&str> = own.iter().map(|text| text.id.as_str()).collect();
        let compiled = Policies::new(&config.checks.profile, &own, &config.checks.params);
        let all = match compiled {
            Ok(all) => {
                let known = all.checks.keys().map(String::as_str).collect();
                error.config.extend(unknown_checks(config, &known));
                Some(all)
            }
            Err(problems) => {
                for found in problems {
                    if found.place.starts_with("checks.") {
                        error.config.push(problem(config, &found.place, &found.message));
                    } else {
                        let place = folder.as_deref().unwrap_or(Path::new("")).join(&found.place);
                        error.policies.push(policy::Problem { place: place.display().to_string(), ..found });
                    }
                }
                // A broken policy still has its name: an exception from it is no mistake, and one from another is.
                let built_in = Policies::new(&config.checks.profile, &[], &Value::Null);
                let built_in = built_in.map(|all| all.checks).unwrap_or_default();
                let known = built_in.keys().map(String::as_str).chain(ids.iter().copied()).collect();
                error.config.extend(unknown_checks(config, &known));
                None
            }
        };
        error.config.sort();
        match all {
            Some(all) if error.count() == 0 => Ok(Self {
                built_in: all.only(|id| !ids.contains(&id)),
                own: (!ids.is_empty()).then(|| all.only(|id| ids.contains(&id))),
                all,
            }),
            _ => Err(error),
        }
    }
}

/// A problem at a key whose line the reader of the configuration kept, or at that of its section.
fn problem(config: &Config, key: &str, message: &str) -> Problem {
    let mut known = key;
    let line = loop {
        match (config.lines.get(known), known.rsplit_once('.')) {
            (Some(line), _) => break *line,
            (None, Some((section, _))) => known = section,
            (None, None) => break 1,
        }
    };
    Problem { line, key: key.to_owned(), value: None, message: message.to_owned() }
}

/// Exceptions and controls of checks that do not exist would never be heard of again.
fn unknown_checks(config: &Config, known: &BTreeSet<&str>) -> Vec<Problem> {
    // An id that is missing is refused by the reader.
    let is_unknown = |id: &str| !id.is_empty() && !known.contains(id);
    let mut problems = Vec::new();
    let mut refuse = |key: String, id: &str| {
        let message = format!("{id:?} is no check; `evidenced checks` lists them");
        problems.push(problem(config, &key, &message));
    };
    for (number, exception) in config.exceptions.iter().enumerate() {
        if is_unknown(&exception.check) {
            refuse(format!("exceptions[{number}].check"), &exception.check);
        }
    }
    for (number, control) in config.controls.iter().enumerate() {
        let ids = control.get("checks").and_then(Value::as_array);
        for id in ids.into_iter().flatten().filter_map(Value::as_str).filter(|id| is_unknown(id)) {
            refuse(format!("controls[{number}].checks"), id);
        }
    }
    problems
}

/// The policies of a folder: `<id>.rego`. Other files are left alone.
pub(crate) fn read_policies(folder: &Path) -> Result<Vec<Text>, String> {
    let shown = folder.display();
    let failed = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(id) = name.strip_suffix(".rego") else { continue };
        if texts.len() == TEXTS {
            return Err(format!("{shown} has more than {TEXTS} policies"));
        }
        let text = read_text(&path, TEXT_BYTES).map_err(|error| format!("{name} cannot be read: {error}"))?;
        texts.insert(id.to_owned(), text);
    }
    if texts.is_empty() {
        return Err(format!("{shown} has no policy: expected files such as my_check.rego"));
    }
    Ok(texts.into_iter().map(|(id, text)| Text { id, text }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "scope = \"prod\"\norganisation = \"Example Ltd\"\n[store]\nurl = \"file:store\"\n\
        [signing]\norigin = \"evidence.example.com/prod\"\nevidence_key = \"file:keys/evidence.key.pem\"\n";
    const MINE: &str = "# METADATA\n# title: T\n# description: D\n# custom:\n#   version: 1\n#   scope: region\n\
        #   severity: low\n#   criteria: [CC6.6]\n#   inputs:\n#     vpc.vpcs:\n#       DescribeVpcs: [Vpcs.VpcId]\n\
        #   remediation: R\n#   references: []\npackage evidenced.checks.mine\n\nimport rego.v1\n\n\
        subjects contains \"x\" if false\n\nfindings contains \"x\" if false\n";

    fn text_of(checks: &Checks) -> &str {
        &checks.own.as_ref().unwrap().checks["mine"].text
    }

    #[test]
    fn a_service_compiles_its_checks_again_when_a_text_changes_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidenced.toml");
        fs::write(&path, format!("{CONFIG}[checks]\npolicies_dir = \"own\"\n")).unwrap();
        fs::create_dir(folder.path().join("own")).unwrap();
        let own = folder.path().join("own/mine.rego");
        fs::write(&own, MINE).unwrap();
        let loaded = Loaded::read(&path).unwrap();
        let compiled = Compiled::default();
        let first = compiled.of(&loaded).unwrap();
        assert_eq!(text_of(&first), MINE);
        // What is kept is given again: the marker is not overwritten.
        compiled.0.lock().unwrap().as_mut().unwrap().all.profile = "kept".to_owned();
        assert_eq!(compiled.clone().of(&loaded).unwrap().all.profile, "kept");
        let other = MINE.replace("title: T", "title: U");
        fs::write(&own, &other).unwrap();
        let second = compiled.of(&loaded).unwrap();
        assert_eq!((text_of(&second), second.all.profile.as_str()), (other.as_str(), "guide"));
        // A folder that is gone, or a text that is none, is said each time and not covered by what is kept.
        fs::write(&own, "package other\n").unwrap();
        assert!(compiled.of(&loaded).is_err() && compiled.of(&loaded).is_err());
        fs::remove_dir_all(folder.path().join("own")).unwrap();
        assert!(compiled.of(&loaded).is_err());
    }
}
