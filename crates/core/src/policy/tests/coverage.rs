//! Which lines of the policies and their library the cases of `tests/policies` run: all of them.
//!
//! Behind the feature `coverage`: it is compiled into the engine and slows it down. Refused: a line that no case runs,
//! and an exception that is none any more.

use std::collections::BTreeSet;

use super::*;

/// Lines that regorus does not report although they ran: file, text of the line, why.
const UNREPORTED: &[(&str, &str, &str)] = &[];

/// Lines of a file: those that ran, and those that did not in some case.
#[derive(Default)]
struct Lines {
    ran: BTreeSet<u32>,
    not: BTreeSet<u32>,
    code: String,
}

#[test]
fn the_cases_run_every_line_of_every_policy() {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    for case in cases() {
        let policies = case.policies(Engine::Interpreter);
        let (evidence, offered) = (case.evidence(), Offered::current());
        let input = policies.input(&case.check, NOW, &evidence, case.region(), &offered).unwrap();
        let report = policies.checks[&case.check].program.coverage(input.into()).unwrap();
        for file in report.files {
            let lines = files.entry(file.path).or_default();
            lines.ran.extend(file.covered);
            lines.not.extend(file.not_covered);
            lines.code = file.code;
        }
    }
    let mut missed = Vec::new();
    let mut used = BTreeSet::new();
    for (path, lines) in &files {
        for number in lines.not.difference(&lines.ran) {
            let text =
                lines.code.lines().nth(usize::try_from(*number).unwrap() - 1).unwrap_or_default().trim();
            match UNREPORTED.iter().position(|(file, line, _)| file == path && *line == text) {
                Some(known) => {
                    used.insert(known);
                }
                None => missed.push(format!("config/policies/{path}:{number}: {text}")),
            }
        }
    }
    let texts = shipped_policies().texts();
    let unseen = texts.keys().filter(|path| !path.starts_with("data/") && !files.contains_key(*path));
    missed.extend(unseen.map(|path| format!("config/policies/{path}: no case runs it")));
    assert!(missed.is_empty(), "{} lines that no case runs:\n{}", missed.len(), missed.join("\n"));
    assert_eq!(used.len(), UNREPORTED.len(), "an exception of UNREPORTED is not needed any more");
}
