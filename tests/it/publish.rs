//! The log, its sidecars and its recovery, as users and auditors meet them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use evidenced_bundle::UtcSecond;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::trust::Envelope as RootEnvelope;
use serde_json::Value;

use crate::estate::{Estate, PROGRAM, one_account};

const DAY: i64 = 86_400;

/// The last slot of `0 2 * * *` that is due.
pub(crate) fn due() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    (now - 2 * 3600).div_euclid(DAY) * DAY + 2 * 3600
}

fn slot(unix: i64) -> String {
    UtcSecond::from_unix(unix).unwrap().to_string()
}

/// The file of a scheduled bundle in the store of an estate.
pub(crate) fn bundle(estate: &Estate, unix: i64) -> PathBuf {
    let at = UtcSecond::from_unix(unix).unwrap();
    let date = at.date().replace('-', "/");
    estate.path(&format!("store/bundles/{date}/evidence-test-{}.zip", at.compact()))
}

pub(crate) fn with_log() -> Estate {
    let estate = Estate::new(one_account(), "");
    estate.configure_log("");
    estate
}

pub(crate) fn collect(estate: &Estate, unix: i64) -> Output {
    estate.command().args(["collect", "--output", "json", "--slot", &slot(unix)]).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A run that has to succeed, and its summary.
pub(crate) fn collected(estate: &Estate, unix: i64) -> Value {
    let output = collect(estate, unix);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn beside(zip: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", zip.display()))
}

pub(crate) fn fingerprint(estate: &Estate) -> String {
    let bytes = fs::read(estate.path("store/trust/root-v1.dsse.json")).unwrap();
    RootEnvelope::parse(&bytes).unwrap().digest().to_string()
}

/// The verifier's answer, with the trust root of the estate.
pub(crate) fn verify(estate: &Estate, zip: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("verify").arg(zip).arg("--trust").arg(estate.path("store/trust"));
    let output = command.args(["--root-fingerprint", &fingerprint(estate)]).args(more).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output))
}

fn logged(estate: &Estate, unix: i64) {
    let (code, said) = verify(estate, &bundle(estate, unix), &["--undated"]);
    // Undated is an exception, and so is a slot that was missed.
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("signed, logged"), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

fn run(program: &str, arguments: &[&str], stdin: Option<&Path>, folder: &Path) -> Output {
    let mut command = Command::new(program);
    if let Some(stdin) = stdin {
        command.stdin(fs::File::open(stdin).unwrap());
    }
    command.args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_gap_of_days_gets_a_bag_for_each_before_the_next_run() {
    let estate = with_log();
    let first = collected(&estate, due() - 3 * DAY);
    assert_eq!((&first["log"]["index"], &first["missed"]), (&0.into(), &Value::Array(Vec::new())));
    let second = collected(&estate, due());
    assert_eq!(second["log"]["index"], 3);
    assert_eq!(second["missed"].as_array().unwrap().len(), 2);
    for day in [3, 2, 1, 0] {
        logged(&estate, due() - day * DAY);
    }
    // The bag of a day without a run says so, says why, and holds no evidence.
    let mut missed = estate.open(&bundle(&estate, due() - DAY));
    assert!(missed.run().reason.as_ref().unwrap().starts_with("no run of this slot was sealed"));
    let manifest = String::from_utf8(missed.manifest().print()).unwrap();
    let names: Vec<&str> = manifest.lines().map(|line| &line[66..]).collect();
    assert_eq!(names, ["data/catalogue.json", "data/config.json", "data/plan.json", "data/run.json"]);
    let run = missed.read(&evidenced_bundle::BundlePath::new("data/run.json").unwrap()).unwrap();
    let run: Value = serde_json::from_slice(&run).unwrap();
    assert_eq!(
        (run["status"].as_str(), run["downtime"]["to"].as_str()),
        (Some("missed"), run["collected"]["end"].as_str())
    );
    // Nothing is left to do, and nothing waits.
    assert_eq!(fs::read_dir(estate.path("spool/sealed")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(estate.path("spool/runs")).unwrap().count(), 0);
}

#[test]
fn stock_tools_verify_the_sidecars_with_the_files_of_the_trust_root() {
    let estate = with_log();
    collected(&estate, due());
    let (zip, trust) = (bundle(&estate, due()), estate.path("store/trust"));
    let signers = trust.join("allowed_signers-v1");
    let sshsig = beside(&zip, ".sshsig");
    let (signers, sshsig) = (signers.to_str().unwrap(), sshsig.to_str().unwrap());
    let verify =
        ["-Y", "verify", "-n", "evidenced", "-I", "evidence.example.com/test", "-f", signers, "-s", sshsig];
    let good = run("ssh-keygen", &verify, Some(&zip), &trust);
    assert!(good.status.success(), "{}", stderr(&good));
    let other = run("ssh-keygen", &verify, Some(Path::new(signers)), &trust);
    assert!(!other.status.success());
    // The statement, with openssl: the bytes that DSSE signs, and the signature.
    let envelope = Envelope::parse(&fs::read(beside(&zip, ".sigstore.json")).unwrap()).unwrap();
    let work = estate.path("work");
    fs::create_dir(&work).unwrap();
    let payload = String::from_utf8(envelope.payload.clone()).unwrap();
    fs::write(
        work.join("pae"),
        format!("DSSEv1 28 application/vnd.in-toto+json {} {payload}", payload.len()),
    )
    .unwrap();
    fs::write(work.join("sig"), envelope.signature).unwrap();
    let key = fs::read_dir(&trust).unwrap().map(|it| it.unwrap().path());
    let mut key = key.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("evidence-"));
    let key = key.next().unwrap();
    let checked = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        key.to_str().unwrap(),
        "-rawin",
        "-in",
        "pae",
        "-sigfile",
        "sig",
    ];
    let good = run("openssl", &checked, None, &work);
    assert!(good.status.success(), "{}", stderr(&good));
    assert!(payload.contains(&format!("\"name\":\"{}\"", zip.file_name().unwrap().to_str().unwrap())));
}

#[test]
fn a_run_whose_store_is_gone_waits_in_the_spool_and_comes_before_the_next() {
    let estate = with_log();
    collected(&estate, due() - 2 * DAY);
    // No folder of the store can be read while a file has its name: the trust root is elsewhere meanwhile.
    copy(&estate.path("store/trust"), &estate.path("trust"));
    estate.write_configuration(
        "test",
        "log_key = \"file:keys/log.key.pem\"\ntrust_root = \"trust\"\n",
        "items = [\"vpc.vpcs\"]",
    );
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
    let output = collect(&estate, due() - DAY);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("waits in the spool"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(estate.path("spool/sealed")).unwrap().count(), 1);
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
    let next = collected(&estate, due());
    assert_eq!(next["waited"].as_array().unwrap().len(), 1);
    assert_eq!((&next["missed"], &next["log"]["index"]), (&Value::Array(Vec::new()), &2.into()));
    logged(&estate, due() - DAY);
    assert_eq!(fs::read_dir(estate.path("spool/sealed")).unwrap().count(), 0);
}

#[test]
fn bundles_from_before_the_log_are_adopted_with_the_days_between_them() {
    let estate = Estate::new(one_account(), "items = [\"vpc.vpcs\"]");
    let output = collect(&estate, due() - 3 * DAY);
    assert!(stderr(&output).contains("no [signing] log_key"), "{}", stderr(&output));
    collected(&estate, due() - DAY);
    assert!(!estate.path("store/log").exists());
    estate.configure_log("");
    let next = collected(&estate, due());
    assert_eq!(next["repaired"].as_array().unwrap().len(), 2);
    assert_eq!(next["missed"].as_array().unwrap().len(), 1);
    for day in [3, 2, 1, 0] {
        logged(&estate, due() - day * DAY);
    }
}

#[test]
fn a_sidecar_that_is_lost_is_made_again() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    let zip = bundle(&estate, due() - DAY);
    let mut before = BTreeMap::new();
    files(&estate.path("store"), &mut before);
    for suffix in [".sigstore.json", ".sshsig", ".tlog-proof"] {
        fs::remove_file(beside(&zip, suffix)).unwrap();
    }
    let next = collected(&estate, due());
    assert_eq!(next["repaired"].as_array().unwrap().len(), 1);
    for suffix in [".sigstore.json", ".sshsig", ".tlog-proof"] {
        let path = beside(&zip, suffix);
        assert_eq!(fs::read(&path).unwrap(), before[&path], "{suffix}");
    }
}

#[test]
fn a_slot_is_collected_once_and_never_behind_a_later_one() {
    let estate = with_log();
    collected(&estate, due());
    let mut before = BTreeMap::new();
    files(&estate.path("store"), &mut before);
    for (unix, words) in [(due(), "already holds"), (due() - DAY, "already has a later one")] {
        let output = collect(&estate, unix);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let mut after = BTreeMap::new();
    files(&estate.path("store"), &mut after);
    assert!(before == after);
}

#[test]
fn older_store_is_refused() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    copy(&estate.path("store"), &estate.path("backup"));
    collected(&estate, due());
    fs::rename(estate.path("store"), estate.path("newest")).unwrap();
    fs::rename(estate.path("backup"), estate.path("store")).unwrap();
    let output = estate.command().arg("collect").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("the log has 1 leaves, and had 2 before"), "{}", stderr(&output));
    // Nothing was signed on top of it.
    assert!(!estate.path("store/log/checkpoints/2").exists());
}

#[test]
fn another_scope_is_refused_before_anything_is_collected() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    estate.write_configuration("other", "log_key = \"file:keys/log.key.pem\"\n", "");
    let output = collect(&estate, due());
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("the store is that of scope test, not of other"), "{}", stderr(&output));
}

#[test]
fn a_second_run_at_the_same_time_is_asked_to_try_again() {
    let estate = with_log();
    fs::create_dir(estate.path("spool")).unwrap();
    let lock = fs::File::create(estate.path("spool/lock")).unwrap();
    lock.lock().unwrap();
    let output = collect(&estate, due());
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    drop(lock);
    collected(&estate, due());
}

#[test]
fn the_statement_names_image_and_trust_root() {
    let estate = with_log();
    let digest = "ab".repeat(32);
    let mut command = estate.command();
    command.env("EVIDENCED_IMAGE_DIGEST", format!("sha256:{digest}"));
    let output = command.args(["collect", "--slot", &slot(due())]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let envelope =
        Envelope::parse(&fs::read(beside(&bundle(&estate, due()), ".sigstore.json")).unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&envelope.payload).unwrap();
    assert_eq!(statement["predicate"]["collector"]["imageDigest"]["sha256"], digest);
    let path = evidenced_bundle::BundlePath::new("data/config.json").unwrap();
    let config = estate.open(&bundle(&estate, due())).read(&path).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let root = &config["signing"]["trust_root"];
    assert_eq!((&root["version"], root["sha256"].as_str()), (&1.into(), Some(fingerprint(&estate).as_str())));
    let output = estate.command().env("EVIDENCED_IMAGE_DIGEST", "latest").arg("collect").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_bundle_that_is_published_and_still_in_the_spool_changes_nothing() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    let zip = bundle(&estate, due() - DAY);
    let mut before = BTreeMap::new();
    files(&estate.path("store"), &mut before);
    // As after a crash between the last sidecar and the end.
    fs::copy(&zip, estate.path("spool/sealed").join(zip.file_name().unwrap())).unwrap();
    let next = collected(&estate, due());
    assert_eq!((next["waited"].as_array().unwrap().len(), &next["log"]["index"]), (1, &1.into()));
    for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with("log/checkpoint")) {
        assert_eq!(&fs::read(path).unwrap(), bytes, "{}", path.display());
    }
    assert_eq!(fs::read_dir(estate.path("spool/sealed")).unwrap().count(), 0);
}

/// Whether any file below a folder has a name that ends so.
fn there(folder: &Path, suffix: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| path.to_string_lossy().ends_with(suffix) || (path.is_dir() && there(&path, suffix)))
}

#[test]
fn a_run_that_is_killed_at_any_stage_leaves_nothing_half_done() {
    let estate = with_log();
    collected(&estate, due() - 6 * DAY);
    // What is there when the process is killed: the folder of the run, the sealed zip, the zip, the leaf, a sidecar.
    for (day, place, suffix) in [
        (5, "spool/runs", "data"),
        (4, "spool/sealed", ".zip"),
        (3, "store/bundles", "{slot}.zip"),
        (2, "store/log/tile/entries", "{leaf}"),
        (1, "store/bundles", "{slot}.zip.sigstore.json"),
    ] {
        let at = due() - day * DAY;
        let suffix = suffix.replace("{slot}", &UtcSecond::from_unix(at).unwrap().compact());
        let leaves = |width: i64| suffix.replace("{leaf}", &format!("000.p/{width}"));
        let mut command = estate.command();
        command.args(["-q", "collect", "--slot", &slot(at)]).stderr(std::process::Stdio::null());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        while !there(&estate.path(place), &leaves(7 - day)) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // It may have been faster than the kill: then it is whole, which is what is asked for.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = collected(&estate, due());
    assert_eq!(last["log"]["index"], 6);
    for day in 0..=6 {
        logged(&estate, due() - day * DAY);
    }
    for folder in ["spool/sealed", "spool/runs", "spool/conflict"] {
        assert_eq!(fs::read_dir(estate.path(folder)).unwrap().count(), 0, "{folder}");
    }
}
