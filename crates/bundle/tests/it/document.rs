//! docs/BUNDLE.md and the browser page say what the code says: names, steps and claims of the checks, and the slots.

use std::fs;
use std::path::Path;

use evidenced_bundle::Check;
use evidenced_bundle::period::LogCheck;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn the_table_of_the_document_is_that_of_the_code() {
    let table: String = Check::ALL
        .iter()
        .map(|check| format!("| {} | `{}` | {} |\n", check.step(), check.name(), check.claim()))
        .collect();
    let document = text("docs/BUNDLE.md");
    let start = document.find("| step | check |").unwrap();
    let found: String = document[start..]
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(found == table, "docs/BUNDLE.md should have\n{table}");
}

#[test]
fn the_checks_of_the_log_are_those_of_the_document_and_of_the_page() {
    let document = text("docs/BUNDLE.md");
    let rows = LogCheck::ALL.map(|check| format!("| 11 | `{}` | {} |\n", check.name(), check.claim()));
    assert!(document.contains(&rows.concat()), "docs/BUNDLE.md should have\n{}", rows.concat());

    let source = text("src/page/period.js");
    let (_, list) = source.split_once("const PERIOD_CHECKS = [\n").unwrap();
    let (list, _) = list.split_once("];\n").unwrap();
    let expected = LogCheck::ALL.map(|check| format!("  [\"{}\", \"{}\"],", check.name(), check.claim()));
    let found: Vec<_> = list.lines().map(|line| expected.iter().position(|other| other == line)).collect();
    assert!(found.len() >= 10 && found.is_sorted() && !found.contains(&None), "{found:?} of {expected:#?}");
}

/// What the page checks has the name, the step and the words of the code; what it cannot check it does not name.
#[test]
fn the_checks_of_the_page_are_checks_of_the_code() {
    let source = text("src/page/verify.js");
    let (_, list) = source.split_once("const CHECKS = [\n").unwrap();
    let (list, _) = list.split_once("];\n").unwrap();
    let expected: Vec<_> = Check::ALL
        .iter()
        .map(|check| format!("  [\"{}\", {}, \"{}\"],", check.name(), check.step(), check.claim()))
        .collect();
    let mut last = 0;
    for line in list.lines() {
        let position = expected.iter().position(|other| other == line);
        let position = position.unwrap_or_else(|| panic!("{line} is no check: {expected:#?}"));
        assert!(last <= position, "{line} stands out of order");
        last = position;
    }
    assert!(list.lines().count() > 25);
}

#[test]
fn the_slots_of_the_document_are_those_of_the_vectors() {
    let vectors: serde_json::Value =
        serde_json::from_str(&text("tests/vectors/bundle-vectors.json")).unwrap();
    let document = text("docs/BUNDLE.md");
    let slots = vectors["slots"].as_array().unwrap();
    assert!(!slots.is_empty());
    for slot in slots {
        let next: Vec<_> =
            slot["next"].as_array().unwrap().iter().map(|next| next.as_str().unwrap()).collect();
        let row = format!(
            "| `{}` | {} | {} |\n",
            slot["schedule"].as_str().unwrap(),
            slot["after"].as_str().unwrap(),
            next.join(", ")
        );
        assert!(document.contains(&row), "docs/BUNDLE.md lacks {row}");
    }
}
