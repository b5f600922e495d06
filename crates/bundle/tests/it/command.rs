//! The binary, as people and scripts meet it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::bag::{DOCUMENT, Files, ID, Run, key, zip};

fn evidenced_verify(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evidenced-verify")).args(arguments).current_dir(folder).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with a key and a zip under its right name.
fn folder(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), key(1).public().to_pem()).unwrap();
    std::fs::write(folder.path().join(format!("{ID}.zip")), zip(files).bytes()).unwrap();
    folder
}

const ZIP: &str = "evidence-prod-20261122T020000Z.zip";

fn partial() -> Run {
    let mut run = Run::complete();
    run.run["status"] = json!("partial");
    run.documents.remove(DOCUMENT);
    let row = run.row("eu-west-1", "vpc.vpcs").as_object_mut().unwrap();
    row.insert("status".into(), json!("denied"));
    row.insert("error".into(), json!({"code": "UnauthorizedOperation", "message": "no"}));
    row.remove("file");
    row.remove("sha256");
    run
}

#[test]
fn a_genuine_bundle_exits_with_0_and_says_what_was_not_checked() {
    let folder = folder(&Run::complete().signed());
    let output = evidenced_verify(&[ZIP, "--key", "key.pem"], folder.path());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.starts_with(&format!("genuine: {ZIP}\n  assurance     signed, by key {}", key(1).public().id())),
        "{text}"
    );
    assert!(text.contains("not checked   when it was signed"), "{text}");
}

#[test]
fn gaps_exit_with_4_and_each_is_listed() {
    let folder = folder(&partial().signed());
    let output = evidenced_verify(&["--key=key.pem", ZIP], folder.path());
    assert_eq!(code(&output), 4);
    let text = stdout(&output);
    assert!(text.starts_with("genuine, with exceptions: "), "{text}");
    assert!(text.contains("111122223333 eu-west-1 vpc.vpcs: denied, UnauthorizedOperation: no\n"), "{text}");
}

#[test]
fn a_forged_bundle_exits_with_5_and_names_step_and_file() {
    let mut files = Run::complete().signed();
    files.insert(DOCUMENT.into(), b"{}".to_vec());
    let folder = folder(&files);
    let output = evidenced_verify(&[ZIP, "--key", "key.pem"], folder.path());
    assert_eq!(code(&output), 5);
    let text = stdout(&output);
    assert!(text.starts_with("NOT GENUINE: "), "{text}");
    assert!(
        text.contains(&format!(
            "because       step 9 (payload): {DOCUMENT}: is not the file that was signed"
        )),
        "{text}"
    );
}

#[test]
fn what_cannot_be_told_exits_with_2() {
    let folder = folder(&Run::complete().signed());
    std::fs::write(folder.path().join("weak.pem"), weak_key()).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    std::fs::write(folder.path().join("private.pem"), key(1).to_pem().as_bytes()).unwrap();
    for (arguments, says) in [
        (&[ZIP][..], "no key is given"),
        (&["--key", "key.pem"], "no bundle is given"),
        (&[ZIP, "--key"], "--key needs a file"),
        (&[ZIP, "--key", "missing.pem"], "key missing.pem cannot be read"),
        (&[ZIP, "--key", "empty.pem"], "key empty.pem cannot be used"),
        (&[ZIP, "--key", "weak.pem"], "is weak"),
        (&[ZIP, "--key", "private.pem"], "openssl pkey -in"),
        (&[ZIP, "--key", "key.pem", "--key", "weak.pem"], "is weak"),
        (&[ZIP, "--frobnicate", "--key", "key.pem"], "unknown option --frobnicate"),
    ] {
        let output = evidenced_verify(arguments, folder.path());
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let output = evidenced_verify(&["missing.zip", "--key", "key.pem"], folder.path());
    assert_eq!((code(&output), stdout(&output).starts_with("could not tell: missing.zip\n")), (2, true));
}

/// The PEM of the identity element.
fn weak_key() -> String {
    use base64::Engine as _;
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0x01];
    der.resize(44, 0);
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn of_several_paths_the_worst_counts() {
    let folder = folder(&Run::complete().signed());
    let inside = |name: &str| folder.path().join(name);
    for name in ["gap", "forged"] {
        std::fs::create_dir(inside(name)).unwrap();
    }
    std::fs::write(inside("gap").join(ZIP), zip(&partial().signed()).bytes()).unwrap();
    std::fs::write(inside("forged").join(ZIP), b"nothing").unwrap();
    let (gap, forged) = (format!("gap/{ZIP}"), format!("forged/{ZIP}"));
    for (paths, expected) in [
        (&[ZIP, ZIP][..], 0),
        (&[ZIP, &gap], 4),
        (&[&gap, &forged, ZIP], 5),
        (&["missing.zip", &forged, &gap, ZIP], 2),
    ] {
        let output = evidenced_verify(&[paths, &["--key", "key.pem"]].concat(), folder.path());
        assert_eq!(code(&output), expected, "{paths:?}");
    }
}

#[test]
fn json_has_one_object_a_path_and_every_check() {
    let folder = folder(&partial().signed());
    let output = evidenced_verify(&["--json", ZIP, "missing.zip", "--key", "key.pem"], folder.path());
    let reports: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [report, missing] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(report["verdict"], "genuine-with-exceptions");
    assert_eq!(
        (&report["exitCode"], &report["assurance"], &report["id"]),
        (&json!(4), &json!("signed"), &json!(ID))
    );
    assert_eq!(report["run"]["gaps"][0]["status"], "denied");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["outcome"] == "passed"), "{checks:?}");
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        (names[0], names[1], names.len()),
        ("keys", "zip-end", 25),
        "none for folders or sidecars: {names:?}"
    );
    assert_eq!(missing["verdict"], "could-not-tell");
}

#[test]
fn json_of_a_refusal_lists_what_was_not_run() {
    let mut files = Run::complete().signed();
    files.insert("bagit.txt".into(), b"x".to_vec());
    let folder = folder(&files);
    let output = evidenced_verify(&["--json", ZIP, "--key", "key.pem"], folder.path());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcome = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (outcome("signature"), outcome("tag-files"), outcome("payload")),
        ("passed".into(), "failed".into(), "not-run".into())
    );
    assert_eq!(report["assurance"], "none");
}

#[test]
fn one_of_several_keys_is_enough() {
    let folder = folder(&Run::complete().signed());
    std::fs::write(folder.path().join("other.pem"), key(2).public().to_pem()).unwrap();
    let output = evidenced_verify(&[ZIP, "--key", "other.pem", "--key", "key.pem"], folder.path());
    assert_eq!(code(&output), 0);
    assert_eq!(code(&evidenced_verify(&[ZIP, "--key", "other.pem"], folder.path())), 5);
}

#[test]
fn help_and_version_need_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let help = evidenced_verify(&["--help"], folder.path());
    assert_eq!((code(&help), stdout(&help).as_str()), (0, evidenced_bundle::command::HELP));
    let version = evidenced_verify(&["--version"], folder.path());
    assert_eq!(stdout(&version), format!("evidenced-verify {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn memory_does_not_grow_with_the_files_nor_with_a_bomb() {
    // 100 MB of zeros, first as a file like others, then under a header that states 7 bytes.
    let mut run = Run::complete();
    run.more.insert("data/zeros.bin".into(), vec![0; 100 << 20]);
    let mut archive = zip(&run.signed());
    let folder = folder(&Run::complete().signed());
    let code_in_64_mib = |archive: &crate::raw_zip::Archive| {
        std::fs::write(folder.path().join(ZIP), archive.bytes()).unwrap();
        let command = format!(
            "ulimit -v 65536 && exec '{}' {ZIP} --key key.pem",
            env!("CARGO_BIN_EXE_evidenced-verify")
        );
        let output = Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().unwrap();
        (code(&output), stdout(&output))
    };
    assert_eq!(code_in_64_mib(&archive).0, 0);
    let bomb = archive.entry("zeros.bin");
    (bomb.size, bomb.local_size) = (7, 7);
    let (code, text) = code_in_64_mib(&archive);
    assert_eq!(code, 5);
    assert!(
        text.contains("step 8 (zip-content): data/zeros.bin: unpacks to more bytes than its header states"),
        "{text}"
    );
}
