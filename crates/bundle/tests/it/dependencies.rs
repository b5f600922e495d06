//! What an auditor has to trust besides this crate: a list that changes only on purpose.

use std::collections::BTreeSet;
use std::process::Command;

const LIST: &str = include_str!("../../dependencies.txt");

#[test]
fn the_dependencies_are_those_of_the_committed_list() {
    let arguments = "tree -p evidenced-bundle -e normal --prefix none --locked --offline";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let found: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found: BTreeSet<&str> =
        found.into_iter().filter(|name| !name.is_empty() && *name != "evidenced-bundle").collect();
    let listed: BTreeSet<&str> = LIST
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| line.split(' ').next())
        .collect();
    let (new, gone): (Vec<_>, Vec<_>) =
        (found.difference(&listed).collect(), listed.difference(&found).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "new: {new:?}, gone: {gone:?}: change dependencies.txt on purpose"
    );
    for parser in ["clap", "lexopt", "pico-args", "argh", "getopts"] {
        assert!(!found.contains(parser), "{parser}");
    }
}
