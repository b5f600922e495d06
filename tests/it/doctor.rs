//! `evidenced doctor` as an operator meets it: a good setup, and one thing missing at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use simcloud::{Config, Effect, Fault};

use crate::authority::{Authority, P256, dead_url};
use crate::bucket::Bucket;
use crate::estate::{Estate, one_account, two_accounts};
use crate::publish::{collected, due, with_log};
use crate::timestamps::pin;

/// The answer of one call of `doctor --json`.
struct Answer {
    code: Option<i32>,
    value: Value,
}

impl Answer {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        Self { code: output.status.code(), value }
    }

    /// State, detail and remedy of the one check of that name.
    fn check(&self, check: &str, subject: Option<&str>) -> (String, String, String) {
        let checks = self.value["checks"].as_array().unwrap();
        let wanted = |line: &&Value| {
            line["check"] == check
                && subject.is_none_or(|it| line["subject"].as_str().is_some_and(|s| s.contains(it)))
        };
        let found: Vec<&Value> = checks.iter().filter(wanted).collect();
        assert_eq!(found.len(), 1, "{check} {subject:?}: {:#}", self.value);
        let word = |name: &str| found[0][name].as_str().unwrap_or_default().to_owned();
        (word("state"), word("detail"), word("do"))
    }

    fn state(&self, check: &str, subject: Option<&str>) -> String {
        self.check(check, subject).0
    }

    /// The checks that are missing; everything else of a good setup must still be there.
    fn missing(&self) -> Vec<String> {
        let checks = self.value["checks"].as_array().unwrap();
        let missing = checks.iter().filter(|line| line["state"] == "missing");
        missing.map(|line| line["check"].as_str().unwrap().to_owned()).collect()
    }

    /// Exactly these checks are missing, and the exit code says so.
    fn only(&self, missing: &[&str]) {
        assert_eq!(self.missing(), missing, "{:#}", self.value);
        assert_eq!(self.code, Some(if missing.is_empty() { 0 } else { 6 }), "{:#}", self.value);
        assert_eq!(self.value["exit"], self.code.unwrap());
    }
}

fn doctor(estate: &Estate, more: &[&str]) -> Answer {
    Answer::of(estate.command().args(["doctor", "--json"]).args(more))
}

fn files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            files(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

fn everything(estate: &Estate) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(estate.folder.path(), &mut found);
    found
}

/// Replaces words of the configuration.
fn change(estate: &Estate, from: &str, to: &str) {
    let path = estate.path("evidenced.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A server that answers every request with this head and body.
fn server(head: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that goes away is its own affair.
            drop(answer(&stream, head, body));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: &TcpStream, head: &str, body: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])?;
    write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_good_setup_has_nothing_missing_and_doctor_writes_nothing() {
    let (estate, authority) = (with_log(), Authority::start(P256));
    pin(&estate, &authority);
    estate.configure_log(&format!("timestamp_urls = [\"{}\"]", authority.url()));
    collected(&estate, due());
    let before = everything(&estate);
    let good = doctor(&estate, &["--network"]);
    good.only(&[]);
    assert_eq!(everything(&estate), before, "doctor left something");
    for check in ["configuration", "clock", "identity", "organization", "trust-root", "evidence-key"] {
        assert_eq!(good.state(check, None), "ok", "{check}");
    }
    for check in ["log-key", "store", "log", "timestamp", "spool"] {
        assert_eq!(good.state(check, None), "ok", "{check}");
    }
    assert_eq!(good.state("account", Some("management")), "ok");
    assert_eq!(good.state("endpoint", Some("own")), "ok");
    assert_eq!(good.state("bucket", None), "skipped");
    assert!(good.check("log", None).1.starts_with("1 leaves, signed by a known key"));
    // simcloud has no IAM: what was not asked is not called good.
    let (state, why, _) = good.check("permissions", None);
    assert_eq!(state, "skipped");
    assert!(why.contains("iam:SimulatePrincipalPolicy"), "{why}");
    // Two regions, both asked.
    let regions = good.value["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "region");
    assert_eq!(regions.filter(|line| line["state"] == "ok").count(), 2);
}

#[test]
fn before_the_first_run_there_is_no_log_and_no_spool_and_that_is_good() {
    let estate = with_log();
    let before = everything(&estate);
    let first = doctor(&estate, &[]);
    first.only(&[]);
    assert_eq!(first.check("log", None).1, "there is none yet: the first run begins it");
    assert!(first.check("spool", None).1.starts_with("will be made in"));
    assert_eq!(first.state("timestamp", None), "warn");
    assert_eq!(everything(&estate), before, "doctor left something");
}

#[test]
fn the_text_has_a_line_for_each_check_what_to_do_and_the_counts() {
    let estate = with_log();
    change(&estate, "[signing]\n", "[signing]\ntimestamp_urls = []\n");
    let output = estate.command().arg("doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let words: Vec<&str> = text.lines().filter(|line| !line.starts_with(' ')).map(|it| &it[..8]).collect();
    let (counts, words) = words.split_last().unwrap();
    assert!(words.iter().all(|word| ["ok", "warn", "missing", "skipped"].contains(&word.trim())), "{text}");
    assert!(counts.chars().next().unwrap().is_ascii_digit());
    assert!(text.contains("ok       configuration: evidenced.toml: scope test\n"), "{text}");
    let warned =
        "warn     timestamp: none is configured: nothing is dated\n         -> name an RFC 3161 authority";
    assert!(text.contains(warned), "{text}");
    assert!(text.trim_end().ends_with(" warn, 0 missing, 3 skipped"), "{text}");
}

#[test]
fn a_broken_configuration_is_2_and_named_in_both_forms() {
    let estate = with_log();
    change(&estate, "scope = \"test\"", "scope = \"Not A Scope\"");
    let json = doctor(&estate, &[]);
    assert_eq!((json.code, &json.value["exit"]), (Some(2), &2.into()));
    assert!(json.check("configuration", None).1.contains("scope"), "{:#}", json.value);
    let text = estate.command().arg("doctor").output().unwrap();
    assert_eq!(text.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&text.stderr).contains("evidenced.toml:1: scope"));
    let absent = Answer::of(estate.command().args(["doctor", "--json", "-c", "nowhere.toml"]));
    assert_eq!(absent.code, Some(2));
}

#[test]
fn without_credentials_the_identity_is_missing_and_everything_else_is_still_checked() {
    let estate = with_log();
    let mut command = estate.command();
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").args(["doctor", "--json"]);
    let found = Answer::of(&mut command);
    found.only(&["identity"]);
    for check in ["organization", "accounts", "regions", "permissions"] {
        assert_eq!(found.state(check, None), "skipped", "{check}");
    }
    for check in ["clock", "store", "log", "evidence-key", "log-key", "spool"] {
        assert_eq!(found.state(check, None), "ok", "{check}");
    }
}

#[test]
fn an_account_that_cannot_be_entered_is_missing_and_the_others_are_entered() {
    let estate = Estate::new(two_accounts(), "");
    estate.configure_log("");
    fs::write(estate.path("external-id"), "another").unwrap();
    let found = doctor(&estate, &[]);
    let accounts = simcloud::account_ids(&two_accounts());
    found.only(&["account"]);
    let (state, detail, remedy) = found.check("account", Some(&accounts[1]));
    assert_eq!(state, "missing", "{detail}");
    assert!(detail.contains("AccessDenied") && !detail.contains("another"), "{detail}");
    assert!(remedy.contains(simcloud::ROLE_NAME) && remedy.contains("ExternalId"), "{remedy}");
    assert_eq!(found.state("account", Some(&accounts[0])), "ok");
}

#[test]
fn an_organisation_that_cannot_be_read_is_missing() {
    let fault = Fault::on("organizations", "ListAccounts", Effect::AccessDenied { scp: false });
    let estate = Estate::new(Config { faults: vec![fault], ..one_account() }, "");
    let found = doctor(&estate, &[]);
    found.only(&["organization"]);
    assert!(found.check("organization", None).2.contains("organizations:ListAccounts"));
}

#[test]
fn a_region_that_refuses_is_missing_unless_the_gap_is_accepted() {
    let region = "eu-central-1";
    let fault = Fault {
        region: Some(region.to_owned()),
        ..Fault::on("ec2", "DescribeVpcs", Effect::AccessDenied { scp: true })
    };
    let estate = Estate::new(Config { faults: vec![fault], ..one_account() }, "");
    let found = doctor(&estate, &[]);
    found.only(&["region"]);
    let (state, detail, _) = found.check("region", Some(region));
    assert_eq!(state, "missing");
    assert!(detail.contains("ec2: ") && detail.contains("service control policy"), "{detail}");
    let path = estate.path("evidenced.toml");
    let text = fs::read_to_string(&path).unwrap();
    let gap = format!(
        "[[accepted_gaps]]\naccount = \"*\"\nregion = \"{region}\"\nitem = \"*\"\nreason = \"by SCP\"\n\
         approver = \"ciso@example.com\"\nexpires = \"2099-12-31\"\n"
    );
    fs::write(path, format!("{text}{gap}")).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&[]);
    assert_eq!(found.state("region", Some(region)), "warn");
}

#[test]
fn denied_actions_are_missing_where_iam_says_so() {
    let denied = "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>\
        <EvalActionName>ec2:DescribeVpcs</EvalActionName><EvalDecision>implicitDeny</EvalDecision></member>\
        </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>";
    let estate = with_log();
    let iam = server("200 OK", denied);
    let found = Answer::of(estate.command().env("AWS_ENDPOINT_URL_IAM", iam).args(["doctor", "--json"]));
    found.only(&["permissions"]);
    // What the answer does not name is not allowed either.
    let (_, detail, remedy) = found.check("permissions", None);
    assert!(detail.contains("actions are denied: ec2:DescribeRegions"), "{detail}");
    assert!(remedy.contains("evidenced iam-policy"), "{remedy}");
}

#[test]
fn a_clock_that_is_off_is_missing_with_both_times() {
    let estate = with_log();
    let late = server("403 Forbidden\r\ndate: Sun, 22 Nov 2020 02:00:00 GMT", "no");
    let endpoint = estate.endpoint();
    change(&estate, &endpoint, &late);
    let found = doctor(&estate, &[]);
    let (state, detail, remedy) = found.check("clock", None);
    assert_eq!((state.as_str(), found.code), ("missing", Some(6)), "{detail}");
    assert!(detail.contains("2020-11-22T02:00:00Z at http://127.0.0.1"), "{detail}");
    assert!(remedy.contains("NTP"), "{remedy}");
    assert_eq!(found.state("spool", None), "ok");
}

#[test]
fn an_endpoint_that_nobody_answers_is_named() {
    let estate = with_log();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (endpoint, closed) = (estate.endpoint(), format!("http://{closed}"));
    change(&estate, &endpoint, &closed);
    let found = doctor(&estate, &["--network"]);
    assert_eq!(found.missing(), ["clock", "identity", "endpoint"], "{:#}", found.value);
    let (_, detail, _) = found.check("endpoint", Some(&closed));
    assert!(detail.contains("127.0.0.1"), "{detail}");
}

#[test]
fn a_store_that_cannot_be_read_or_is_of_another_scope_is_missing() {
    let estate = with_log();
    collected(&estate, due());
    change(&estate, "scope = \"test\"", "scope = \"other\"");
    let found = doctor(&estate, &[]);
    found.only(&["store"]);
    assert!(found.check("store", None).1.contains("that of scope test, not of other"));
    change(&estate, "scope = \"other\"", "scope = \"test\"");
    change(&estate, "trust_root = \"store/trust\"", "");
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
    let found = doctor(&estate, &[]);
    assert_eq!(found.state("store", None), "missing", "{:#}", found.value);
    assert_eq!(found.code, Some(6));
}

#[test]
fn a_log_that_another_key_signed_or_that_was_set_back_is_missing() {
    let (estate, other) = (with_log(), with_log());
    collected(&estate, due() - 86_400);
    let first = fs::read(estate.path("store/log/checkpoint")).unwrap();
    collected(&estate, due());
    fs::write(estate.path("store/log/checkpoint"), first).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["log"]);
    assert!(found.check("log", None).1.contains("has 1 leaves, and this spool saw 2"), "{:#}", found.value);
    collected(&other, due());
    fs::copy(other.path("store/log/checkpoint"), estate.path("store/log/checkpoint")).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["log"]);
    assert!(found.check("log", None).2.contains("log_key"), "{:#}", found.value);
    fs::remove_file(estate.path("store/log/checkpoint")).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["log"]);
    assert!(found.check("log", None).1.contains("this spool saw one of 2 leaves"), "{:#}", found.value);
}

#[test]
fn a_key_that_is_not_there_is_open_to_others_or_unknown_to_the_trust_root_is_missing() {
    let (estate, other) = (with_log(), with_log());
    let key = estate.path("keys/evidence.key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["evidence-key"]);
    assert!(found.check("evidence-key", None).1.contains("0644"));
    fs::remove_file(&key).unwrap();
    doctor(&estate, &[]).only(&["evidence-key"]);
    fs::copy(other.path("keys/evidence.key.pem"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["evidence-key"]);
    assert!(found.check("evidence-key", None).1.starts_with("signs, but verifiers refuse it"));
    fs::remove_file(estate.path("store/trust/root-v1.dsse.json")).unwrap();
    let found = doctor(&estate, &[]);
    assert!(found.missing().contains(&"trust-root".to_owned()), "{:#}", found.value);
}

#[test]
fn an_authority_that_does_not_answer_is_missing_and_an_unknown_one_is_a_warning() {
    let (estate, authority) = (with_log(), Authority::start(P256));
    let dead = dead_url();
    estate.configure_log(&format!("timestamp_urls = [\"{dead}\", \"{}\"]", authority.url()));
    let found = doctor(&estate, &[]);
    found.only(&["timestamp"]);
    assert_eq!(found.state("timestamp", Some(&dead)), "missing");
    assert_eq!(found.state("timestamp", Some(&authority.url())), "warn");
}

#[test]
fn a_spool_that_is_no_folder_or_takes_no_file_is_missing() {
    let estate = with_log();
    fs::write(estate.path("spool"), "no folder").unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["spool"]);
    let path = estate.path("evidenced.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[spool]\ndir = \"/proc/evidenced\"\n")).unwrap();
    let found = doctor(&estate, &[]);
    found.only(&["spool", "space"]);
    let (_, detail, remedy) = found.check("spool", None);
    assert!(detail.starts_with("cannot be written"), "{detail}");
    assert!(remedy.contains("read-only"), "{remedy}");
}

#[test]
fn a_bucket_that_is_not_https_only_is_missing_with_the_statement_to_add() {
    let estate = with_log();
    collected(&estate, due());
    let bucket = Bucket::over(estate.path("store"));
    change(&estate, "url = \"file:store\"", &bucket.table());
    let good = doctor(&estate, &[]);
    good.only(&[]);
    for rule in ["https-only", "versioning", "object-lock", "public-access-block", "encryption"] {
        assert_eq!(good.state("bucket", Some(rule)), "ok", "{rule}");
    }
    assert_eq!(good.state("bucket", Some("owner")), "warn");
    bucket.https_only(false);
    let found = doctor(&estate, &[]);
    found.only(&["bucket"]);
    let (state, _, remedy) = found.check("bucket", Some("https-only"));
    assert_eq!(state, "missing");
    assert!(remedy.contains("aws:SecureTransport"), "{remedy}");
    for check in ["store", "log"] {
        assert_eq!(found.state(check, None), "ok", "{:#}", found.value);
    }
    assert_eq!((bucket.zips_fetched(), bucket.written()), (0, Vec::<String>::new()));
}
