//! Commands and mistakes: what a user sees, and the code that it exits with.

use std::process::{Command, Output};

use crate::estate::{Estate, PROGRAM, one_account, two_accounts};

fn run(arguments: &[&str], folder: &std::path::Path) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn documented_sessions_print_what_they_say() {
    trycmd::TestCases::new()
        .register_bin("evidenced", std::path::PathBuf::from(PROGRAM))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case("tests/cli/*.trycmd");
}

#[test]
fn the_demonstration_makes_a_genuine_bundle_twice_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = run(&["demo", "--dir", "d", "--accounts", "2", "--seed", "7"], folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        assert!(shown.contains("genuine") && shown.contains("signed, logged"), "{shown}");
        assert!(output.stderr.is_empty(), "no progress bar in a pipe: {}", text(&output.stderr));
    }
    let stored = std::fs::read_dir(folder.path().join("d/store/bundles")).unwrap().count();
    assert_eq!(stored, 1);
}

#[test]
fn a_demonstration_does_not_overwrite_a_real_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evidenced.toml"), "scope = \"prod\"\n").unwrap();
    let output = run(&["demo", "--dir", "."], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(folder.path().join("evidenced.toml")).unwrap(), "scope = \"prod\"\n");
}

#[test]
fn init_overwrites_nothing_and_its_keys_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "init",
        "--dir",
        "d",
        "--scope",
        "prod",
        "--organisation",
        "Example Ltd",
        "--origin",
        "evidence.example.com/prod",
    ];
    let output = run(&arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for (name, mode) in [("evidence.key.pem", 0o400), ("log.key.pem", 0o400)] {
        let path = folder.path().join("d/keys").join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        let read = Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(&path).output().unwrap();
        assert!(read.status.success(), "{}", text(&read.stderr));
    }
    let before = std::fs::read(folder.path().join("d/keys/evidence.key.pem")).unwrap();
    let output = run(&arguments, folder.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(folder.path().join("d/keys/evidence.key.pem")).unwrap(), before);
}

#[test]
fn init_asks_only_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["init", "--dir", "d", "--scope", "prod"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--organisation"), "{}", text(&output.stderr));
    assert!(!folder.path().join("d").exists());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let estate = Estate::new(one_account(), "");
    let key = estate.path("keys/evidence.key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o444)).unwrap();
    let output = estate.command().arg("collect").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("mode 0444") && stderr.contains("chmod 0400"), "{stderr}");
}

#[test]
fn a_slot_has_one_bundle() {
    let estate = Estate::new(one_account(), "items = [\"vpc.vpcs\"]");
    let slot = ["collect", "--slot", "2026-11-01T02:00:00Z"];
    let first = estate.command().args(slot).output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(estate.path("store/bundles/2026/11/01/evidence-test-20261101T020000Z.zip").exists());
    let second = estate.command().args(slot).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("already holds"), "{}", text(&second.stderr));
    assert!(!estate.path("spool/runs").read_dir().unwrap().any(|_| true), "the spool is empty again");
}

#[test]
fn a_slot_that_is_not_on_the_schedule_names_its_neighbours() {
    let estate = Estate::new(one_account(), "");
    let output = estate.command().args(["collect", "--slot", "2026-11-01T03:00:00Z"]).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("2026-11-01T02:00:00Z and 2026-11-02T02:00:00Z"), "{stderr}");
}

#[test]
fn no_credentials_is_no_access() {
    let estate = Estate::new(one_account(), "");
    let output = estate
        .command()
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .arg("collect")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("hint: "));
}

#[test]
fn wrong_credentials_are_no_access() {
    let estate = Estate::new(one_account(), "");
    let output = estate.command().env("AWS_SECRET_ACCESS_KEY", "wrong").arg("collect").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("SignatureDoesNotMatch"), "{}", text(&output.stderr));
}

#[test]
fn an_account_without_a_role_is_not_collected_with_foreign_credentials() {
    let estate = Estate::new(one_account(), "");
    let text = std::fs::read_to_string(estate.path("evidenced.toml")).unwrap();
    let accounts = "[[aws.accounts]]\nid = \"999999999999\"\n[collect]";
    let start = text.find("[aws.organization]").unwrap();
    let end = text.find("[collect]").unwrap();
    let text = format!("{}{accounts}{}", &text[..start], &text[end + "[collect]".len()..]);
    std::fs::write(estate.path("evidenced.toml"), text).unwrap();
    let mut run = estate.collect();
    assert_eq!(run.code, 4, "{}", run.stderr());
    for row in run.rows() {
        assert_eq!(
            (row["status"].as_str(), row["error"]["code"].as_str()),
            (Some("failed"), Some("WrongAccount")),
            "{row}"
        );
    }
}

#[test]
fn verify_says_which_step_and_which_file() {
    let estate = Estate::new(one_account(), "items = [\"vpc.vpcs\"]");
    let run = estate.collect();
    let key = estate.path("keys/evidence.pub.pem");
    let verify = |path: &std::path::Path| {
        Command::new(PROGRAM).args(["verify", "--key"]).arg(&key).arg(path).output().unwrap()
    };
    assert_eq!(verify(&run.path).status.code(), Some(0));
    let mut bytes = std::fs::read(&run.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let forged = estate.path(run.path.file_name().unwrap().to_str().unwrap());
    std::fs::write(&forged, bytes).unwrap();
    let output = verify(&forged);
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stdout).starts_with("NOT GENUINE"), "{}", text(&output.stdout));
    let other = Command::new(PROGRAM)
        .args(["verify", "--key"])
        .arg(estate.path("keys/log.pub.pem"))
        .arg(&run.path)
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(5), "another key");
    assert_eq!(verify(&estate.path("absent.zip")).status.code(), Some(2));
}

#[test]
fn an_external_id_of_the_environment_opens_the_roles_and_without_it_no_run_begins() {
    let estate = Estate::new(two_accounts(), "items = [\"vpc.vpcs\"]");
    let file = estate.path("evidenced.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let by_variable =
        text.replace("external_id_file = \"external-id\"", "external_id_env = \"EVIDENCED_EXTERNAL_ID\"");
    assert_ne!(by_variable, text);
    std::fs::write(&file, by_variable).unwrap();
    let run =
        |value: &str| estate.command().arg("collect").env("EVIDENCED_EXTERNAL_ID", value).output().unwrap();
    let refused = run("");
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("external_id_env EVIDENCED_EXTERNAL_ID: is not set"), "{words}");
    // The simulated AWS opens a role for its own ExternalId only.
    assert_eq!(run("another").status.code(), Some(4));
    std::fs::remove_dir_all(estate.path("store/bundles")).unwrap();
    let collected = run(&simcloud::external_id(&estate.config));
    assert_eq!(collected.status.code(), Some(0), "{}", String::from_utf8_lossy(&collected.stderr));
}
