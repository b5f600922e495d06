//! Who is told of failures and gaps, as they are told: signed, in time, and never at the cost of a run.

use std::fs;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use simcloud::{Config, Effect, Fault};

use crate::estate::{Estate, one_account};
use crate::listener::{Listener, Posted};
use crate::publish::due;
use crate::service::{Service, configure, estate, free_port, next_second};

const SECRET: &str = "a secret of the tests, 7f3a";

/// The signature is that of time and body under the secret.
fn is_signed(posted: &Posted) -> bool {
    let time = posted.headers.get("evidenced-timestamp").cloned().unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(&posted.body);
    let wanted = mac
        .finalize()
        .into_bytes()
        .iter()
        .fold(String::from("v1="), |text, byte| format!("{text}{byte:02x}"));
    posted.headers.get("evidenced-signature") == Some(&wanted)
}

fn body(posted: &Posted) -> Value {
    serde_json::from_slice(&posted.body).unwrap()
}

/// One region does not show its VPCs.
fn with_a_gap() -> Config {
    let denied = Effect::AccessDenied { scp: false };
    let fault = Fault { region: Some("eu-central-1".to_owned()), ..Fault::on("ec2", "DescribeVpcs", denied) };
    Config { faults: vec![fault], ..one_account() }
}

fn away(estate: &Estate) {
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
}

#[test]
fn a_failure_is_posted_with_a_signature_and_the_run_goes_on() {
    let estate = estate(one_account());
    let listener = Listener::start();
    let port = free_port();
    let hook =
        format!("on_failure = {{ url = \"{}/hook?token=t0ken\", secret_file = \"secret\" }}", listener.url());
    fs::write(estate.path("secret"), format!("{SECRET}\n")).unwrap();
    configure(&estate, "a", port, &hook);
    away(&estate);
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_hooks_total{event=\"failure\",outcome=\"ok\"}", 1.0);
    let posted = listener.posted();
    assert_eq!((posted.len(), posted[0].path.as_str()), (1, "/hook?token=t0ken"));
    assert!(is_signed(&posted[0]), "{posted:?}");
    assert_eq!(posted[0].headers["content-type"], "application/json");
    let told = body(&posted[0]);
    let slot = evidenced_core::moment::seconds(due());
    let next = evidenced_core::moment::seconds(due() + 86_400);
    for (name, value) in [
        ("schema", Value::from("evidenced/notification/v1")),
        ("event", "failure".into()),
        ("scope", "test".into()),
        ("slot", slot.into()),
        ("result", "failed".into()),
        ("attempt", 1.into()),
        ("waiting", 1.into()),
        ("deadline", next.into()),
    ] {
        assert_eq!(told[name], value, "{name} of {told}");
    }
    assert!(told["error"].as_str().unwrap().contains("the store failed"), "{told}");
    // What was sealed is published as if nobody had been told.
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 2.0);
    let log = service.log();
    assert!(!log.contains("t0ken") && !log.contains(SECRET), "{log}");
    service.stop();
}

#[test]
fn new_gaps_are_told_once() {
    let estate = estate(with_a_gap());
    let listener = Listener::start();
    let port = free_port();
    let hook = format!("on_gap = {{ url = \"{}\", secret_env = \"HOOK_SECRET\" }}", listener.url());
    configure(&estate, "a", port, &hook);
    let service = Service::start_with(&estate, "a", port, |command| {
        command.env("HOOK_SECRET", SECRET);
    });
    service.until_metric("evidenced_hooks_total{event=\"gap\",outcome=\"ok\"}", 1.0);
    let posted = listener.posted();
    assert!(is_signed(&posted[0]));
    let told = body(&posted[0]);
    assert_eq!((&told["event"], &told["result"]), (&"gap".into(), &"partial".into()));
    assert_eq!((&told["gaps"]["new"], &told["gaps"]["known"]), (&1.into(), &0.into()));
    let gap = told["gaps"]["list"][0].as_str().unwrap();
    assert!(gap.ends_with("/eu-central-1/vpc.vpcs"), "{gap}");
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"partial\"}", 2.0);
    service.stop();
    assert_eq!(listener.posted().len(), 1, "the gap is known");
}

#[test]
fn a_command_gets_the_body_without_a_shell_and_is_killed_at_its_limit() {
    let estate = estate(with_a_gap());
    let port = free_port();
    let script = estate.path("told.sh");
    fs::write(&script, "cat > told.json; printf '%s' \"$1\" > argument; sleep 600\n").unwrap();
    let hook = "on_gap = { command = [\"/bin/sh\", \"told.sh\", \"$HOME; exit 1\"], timeout = \"1s\" }";
    configure(&estate, "a", port, hook);
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_hooks_total{event=\"gap\",outcome=\"timeout\"}", 1.0);
    assert_eq!(fs::read_to_string(estate.path("argument")).unwrap(), "$HOME; exit 1");
    let told: Value = serde_json::from_slice(&fs::read(estate.path("told.json")).unwrap()).unwrap();
    assert_eq!(told["event"], "gap");
    assert_eq!(service.metric("evidenced_runs_total{result=\"partial\"}"), Some(1.0));
    service.stop();
}

#[test]
fn a_hook_that_fails_or_never_answers_costs_a_run_nothing() {
    let estate = estate(with_a_gap());
    let (refuses, mute) = (Listener::start(), Listener::start());
    refuses.answers(302);
    mute.mute();
    let port = free_port();
    let hooks = format!(
        "on_gap = {{ url = \"{}\" }}\non_failure = {{ url = \"{}\", timeout = \"1s\" }}",
        refuses.url(),
        mute.url()
    );
    configure(&estate, "a", port, &hooks);
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"partial\"}", 1.0);
    service.until_metric("evidenced_hooks_total{event=\"gap\",outcome=\"failed\"}", 1.0);
    assert!(service.log().contains("answered with status 302"));
    away(&estate);
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_hooks_total{event=\"failure\",outcome=\"timeout\"}", 1.0);
    assert_eq!(service.ask("GET", "/livez").unwrap().0, 200);
    service.stop();
}

#[test]
fn a_secret_that_is_not_there_and_plain_http_elsewhere_are_refused() {
    let estate = estate(one_account());
    for (service, words) in [
        ("on_gap = { url = \"https://hooks.example.com\", secret_file = \"none\" }", "none: cannot be read"),
        (
            "on_gap = { url = \"https://hooks.example.com\", secret_env = \"NO_SUCH\" }",
            "NO_SUCH: the variable is not set",
        ),
        ("on_gap = { url = \"http://hooks.example.com\" }", "service.on_gap.url"),
        ("on_failure = { command = [] }", "service.on_failure.command"),
        ("on_failure = { command = [\"a\"], url = \"https://a\" }", "one of two"),
        ("on_failure = {}", "expected a command or a url"),
        ("on_failure = { comand = [\"a\"] }", "did you mean \"command\"?"),
    ] {
        configure(&estate, "a", free_port(), service);
        let output = estate.command().args(["run", "-c", "a.toml"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{service}: {said}");
        assert!(said.contains(words), "{service}: {said}");
    }
    assert!(!estate.path("store/lease").exists());
}
