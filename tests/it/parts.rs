//! A run beyond the configured size: parts, their root, and what becomes of them when something is in the way.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidenced_bundle::UntrustedBundle;
use evidenced_bundle::{BundlePath, Limits};
use serde_json::Value;
use simcloud::Config;

use crate::estate::Estate;

const SLOT: &str = "2026-11-01T02:00:00Z";
const ID: &str = "evidence-test-20261101T020000Z";

/// Three accounts, each of which fills a bag of this size.
fn three_accounts() -> Estate {
    let estate = Estate::new(Config { accounts: 3, ..Config::default() }, "");
    estate.configure("[bundle]\nmax_entries = 60\n");
    estate
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn collect(estate: &Estate) -> Output {
    estate.command().args(["collect", "--output", "json", "--slot", SLOT]).output().unwrap()
}

fn folder(estate: &Estate) -> PathBuf {
    estate.path("store/bundles/2026/11/01")
}

/// Exit code and report.
fn verify(estate: &Estate) -> (i32, Value) {
    let root = folder(estate).join(format!("{ID}.zip"));
    let mut command = estate.command();
    let output =
        command.arg("verify").arg(root).args(["--key", "keys/evidence.pub.pem", "--json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), report)
}

fn part(number: usize) -> String {
    format!("{ID}.part-{number:04}.zip")
}

fn zips(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| Path::new(name).extension() == Some("zip".as_ref())).collect();
    names.sort();
    names
}

fn shell(command: &str, folder: &Path) -> Output {
    Command::new("sh").args(["-c", command]).current_dir(folder).output().unwrap()
}

/// The commands that a README prints, with the key's path.
fn readme_commands(bag: &Path, key: &Path) -> Vec<String> {
    let readme = std::fs::read_to_string(bag.join("README.txt")).unwrap();
    let starts = ["openssl pkeyutl", "sha256sum", "test ", "sed "];
    let lines = readme.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
    lines.map(|line| line.replace("evidence.pub.pem", key.to_str().unwrap())).collect()
}

#[test]
fn a_run_of_three_accounts_becomes_three_parts_that_anybody_can_verify() {
    let estate = three_accounts();
    let output = collect(&estate);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = summary["parts"].as_array().unwrap();
    let accounts: Vec<usize> = parts.iter().map(|part| part["accounts"].as_array().unwrap().len()).collect();
    assert_eq!(accounts, [1, 1, 1], "{summary}");
    let names = [part(1), part(2), part(3), format!("{ID}.zip")];
    assert_eq!(zips(&folder(&estate)), names);
    assert_eq!(zips(&estate.path("spool/sealed")), [""; 0]);

    let (code, report) = verify(&estate);
    assert_eq!((code, &report["verdict"]), (0, &Value::from("genuine")), "{report}");
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!((check("parts"), check("part-bags")), ("3".to_owned(), "3".to_owned()));

    // Every document of every row is found, wherever it lies.
    let keys = evidenced_bundle::command::read_keys(&[estate.path("keys/evidence.pub.pem")]).unwrap();
    let root = folder(&estate).join(format!("{ID}.zip"));
    let bundle = UntrustedBundle::open_path(&root, &Limits::default()).unwrap();
    let mut bundle = bundle.verify(&keys).unwrap();
    let run: Value =
        serde_json::from_slice(&bundle.read(&BundlePath::new("data/run.json").unwrap()).unwrap()).unwrap();
    let rows = run["cells"].as_array().unwrap();
    for row in rows.iter().filter(|row| row.get("file").is_some()) {
        let path = BundlePath::new(row["file"].as_str().unwrap()).unwrap();
        let bytes = bundle.read(&path).unwrap();
        assert_eq!(evidenced_bundle::Digest::of(&bytes).to_string(), row["sha256"].as_str().unwrap());
    }

    // Tools of other hands: Info-ZIP, sha256sum, openssl. (bagit.py: tests/parity.)
    let unpacked = tempfile::tempdir().unwrap();
    for name in &names {
        std::fs::copy(folder(&estate).join(name), unpacked.path().join(name)).unwrap();
        assert!(shell(&format!("unzip -q {name}"), unpacked.path()).status.success());
    }
    let key = estate.path("keys/evidence.pub.pem");
    for name in &names {
        let bag = unpacked.path().join(name.strip_suffix(".zip").unwrap());
        let commands = readme_commands(&bag, &key);
        assert_eq!(commands.len(), if name.contains("part") { 2 } else { 4 }, "{commands:?}");
        for command in &commands {
            let output = shell(command, &bag);
            assert!(output.status.success(), "{name}: {command}: {}", text(&output.stderr));
        }
    }
    // The command about parts sees a part that changed.
    let bag = unpacked.path().join(ID);
    let about_parts = readme_commands(&bag, &key).into_iter().find(|it| it.starts_with("sed ")).unwrap();
    std::fs::copy(unpacked.path().join(part(1)), unpacked.path().join(part(2))).unwrap();
    assert!(!shell(&about_parts, &bag).status.success());
}

#[test]
fn missing_changed_and_stray_parts_are_named() {
    let estate = three_accounts();
    assert_eq!(collect(&estate).status.code(), Some(0));
    let second = folder(&estate).join(part(2));
    let bytes = std::fs::read(&second).unwrap();

    std::fs::remove_file(&second).unwrap();
    let (code, report) = verify(&estate);
    assert_eq!(code, 4, "{report}");
    assert!(report["exceptions"][0].as_str().unwrap().contains(&part(2)), "{report}");

    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    std::fs::write(&second, changed).unwrap();
    let (code, report) = verify(&estate);
    assert_eq!(code, 5, "{report}");
    assert!(report["problem"].as_str().unwrap().contains(&part(2)), "{report}");

    std::fs::write(&second, &bytes).unwrap();
    std::fs::write(folder(&estate).join(part(4)), &bytes).unwrap();
    let (code, report) = verify(&estate);
    assert_eq!(code, 4, "{report}");
    assert!(report["exceptions"][0].as_str().unwrap().contains(&part(4)), "{report}");
}

#[test]
fn a_run_that_died_behind_its_first_parts_does_not_block_its_slot() {
    let estate = three_accounts();
    std::fs::create_dir_all(folder(&estate)).unwrap();
    std::fs::write(folder(&estate).join(part(1)), b"of a run whose spool is gone").unwrap();
    let output = collect(&estate);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(zips(&folder(&estate)), [part(1), part(2), part(3), part(4), format!("{ID}.zip")]);
    assert_eq!(std::fs::read(folder(&estate).join(part(1))).unwrap(), b"of a run whose spool is gone");
    let (code, report) = verify(&estate);
    assert_eq!(code, 4, "{report}");
    assert!(report["exceptions"][0].as_str().unwrap().starts_with(&part(1)), "{report}");
}

#[test]
fn parts_that_waited_in_the_spool_are_published_before_their_root() {
    let estate = three_accounts();
    // A store that cannot be written to: the run is sealed and waits.
    std::fs::remove_dir_all(estate.path("store")).unwrap();
    std::fs::write(estate.path("store"), b"not a folder").unwrap();
    let output = collect(&estate);
    assert_ne!(output.status.code(), Some(0));
    let names = [part(1), part(2), part(3), format!("{ID}.zip")];
    assert_eq!(zips(&estate.path("spool/sealed")), names, "{}", text(&output.stderr));
    std::fs::remove_file(estate.path("store")).unwrap();
    // The first part is there already: a crash came after it.
    std::fs::create_dir_all(folder(&estate)).unwrap();
    std::fs::copy(estate.path("spool/sealed").join(part(1)), folder(&estate).join(part(1))).unwrap();
    let output = estate.command().args(["collect", "--output", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(zips(&folder(&estate)), names);
    assert_eq!(zips(&estate.path("spool/sealed")), [""; 0]);
    assert_eq!(verify(&estate).0, 0);
}

#[test]
fn findings_that_lie_in_parts_are_exported_and_judged_again() {
    let estate = Estate::new(Config { accounts: 3, ..Config::default() }, "");
    estate.configure("items = [\"vpc.vpcs\", \"vpc.security-groups\"]\n[bundle]\nmax_entries = 14\n");
    assert_eq!(collect(&estate).status.code(), Some(0));
    let root = folder(&estate).join(format!("{ID}.zip"));
    let root = root.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let key = ["--key", "keys/evidence.pub.pem"];
        estate.command().args([arguments, &key].concat()).output().unwrap()
    };
    // Nothing of the findings is in the root.
    let unzipped = shell(&format!("unzip -l {root}"), &folder(&estate));
    assert!(!text(&unzipped.stdout).contains("data/findings/"), "{}", text(&unzipped.stdout));

    let tables = run(&["export", root, "--format", "csv", "--to", "-"]);
    let rows = text(&tables.stdout).split("\r\n").filter(|line| !line.is_empty()).count() - 1;
    let lines = run(&["export", root, "--format", "ocsf", "--to", "-"]);
    assert_eq!(lines.status.code(), Some(0), "{}", text(&lines.stderr));
    assert!(rows > 100, "{rows}");
    assert_eq!(text(&lines.stdout).lines().count(), rows);
    let results = run(&["export", root, "--format", "oscal", "--to", "-"]);
    let results: Value = serde_json::from_slice(&results.stdout).unwrap();
    assert!(results["assessment-results"].is_object());
    let again = run(&["verify", root, "--reperform"]);
    assert!(text(&again.stdout).contains(&format!("{rows} rows")), "{}", text(&again.stdout));

    // Without one of them there is no export with fewer rows.
    std::fs::remove_file(folder(&estate).join(part(2))).unwrap();
    for arguments in [&["export", root, "--format", "ocsf", "--to", "-"][..], &["evaluate", root]] {
        let refused = run(arguments);
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(text(&refused.stderr).contains(&format!("{} is not beside it", part(2))));
    }
}
