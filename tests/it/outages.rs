//! What a service lives through: a bucket that dies, runs that outlast their time, keys that change.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bucket::Bucket;
use crate::estate::{Estate, PROGRAM, one_account};
use crate::mistakes::store_in;
use crate::publish::{bundle, collected, due, fingerprint};
use crate::service::{Service, configure, estate, free_port, next_second, page, until, whole, zips};

const DAY: i64 = 86_400;

/// An estate whose store is a bucket with these words in `[service]`; quick to give up.
pub(crate) fn in_a_bucket(service: &str) -> (Estate, Bucket, u16) {
    let estate = estate(one_account());
    fs::create_dir(estate.path("bucket")).unwrap();
    let bucket = Bucket::over(estate.path("bucket"));
    let port = free_port();
    configure(&estate, "a", port, service);
    store_in(&estate, "a", &bucket, "");
    (estate, bucket, port)
}

fn stored_lines(service: &Service) -> Vec<Value> {
    let printed = fs::read_to_string(&service.printed).unwrap();
    let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["Stored"] == 1).collect()
}

#[test]
fn what_a_dead_bucket_did_not_take_is_published_in_order_when_it_is_back() {
    let (estate, bucket, port) = in_a_bucket("");
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    bucket.die(true);
    for failures in 1..=3 {
        next_second();
        assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
        service.until_metric("evidenced_runs_total{result=\"failed\"}", f64::from(failures));
    }
    service.until_metric("evidenced_spool_bundles", 3.0);
    assert_eq!(
        (service.ask("GET", "/livez").unwrap().0, service.ask("GET", "/readyz").unwrap().0),
        (200, 503)
    );
    let before = bucket.written().len();
    // A restart loses nothing, and begins although nobody answers.
    service.stop();
    let service = Service::start(&estate, "a", port);
    service.until_said("\"serving\"");
    service.until_metric("evidenced_spool_bundles", 3.0);
    service.stop();
    bucket.die(false);
    // Nothing is due and nobody asks: what waits goes all the same.
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_spool_bundles", 0.0);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 3.0);
    assert_eq!(service.ask("GET", "/readyz").unwrap().0, 200);
    let written = bucket.written();
    let zips: Vec<&String> = written[before..].iter().filter(|key| crate::bucket::is_zip(key)).collect();
    let mut sorted = zips.clone();
    sorted.sort();
    assert_eq!((zips.len(), &zips), (3, &sorted));
    let page: Value =
        serde_json::from_slice(&fs::read(estate.path("bucket/status/test.json")).unwrap()).unwrap();
    let listed: Vec<u64> =
        page["bundles"].as_array().unwrap().iter().map(|entry| entry["logIndex"].as_u64().unwrap()).collect();
    assert_eq!(listed, [3, 2, 1, 0]);
    assert_eq!(
        stored_lines(&service).len(),
        4,
        "one line of metrics each, the one before the outage included"
    );
    service.stop();
}

#[test]
fn a_run_that_waited_is_published_although_its_slot_is_done() {
    let estate = estate(one_account());
    let port = free_port();
    configure(&estate, "a", port, "");
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    service.until_metric("evidenced_spool_bundles", 1.0);
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
    // A minute later at most, without a restart and without a run.
    service.until_metric("evidenced_spool_bundles", 0.0);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 2.0);
    assert_eq!(page(&estate).unwrap()["bundles"].as_array().unwrap().len(), 2);
    assert_eq!(stored_lines(&service).len(), 2);
    service.stop();
    whole(&estate, 2);
}

#[test]
fn two_extra_runs_of_one_second_are_two_bundles_and_no_failure() {
    let estate = estate(one_account());
    let port = free_port();
    configure(&estate, "a", port, "");
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    for runs in 2..=5 {
        assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
        service.until_metric("evidenced_runs_total{result=\"complete\"}", f64::from(runs));
    }
    assert_eq!(service.metric("evidenced_runs_total{result=\"failed\"}"), None);
    service.stop();
    whole(&estate, 5);
}

#[test]
fn work_that_was_given_up_lets_go_of_the_spool() {
    let (estate, bucket, port) = in_a_bucket("max_run = \"15s\"");
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    // Each step takes ten seconds: asking the bucket alone takes longer than a run may.
    bucket.slow(10_000);
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    bucket.slow(0);
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 2.0);
    let log = service.log();
    assert!(!log.contains("another run works in it"), "{log}");
    service.stop();
}

#[test]
fn a_service_that_waits_for_a_bucket_stops_when_it_is_told() {
    let (estate, bucket, port) = in_a_bucket("shutdown_grace = \"1s\"");
    bucket.slow(15_000);
    let service = Service::start(&estate, "a", port);
    // It asks the bucket before anything else, and nobody answers yet.
    until("a question", || (bucket.asked() > 0).then_some(()));
    let told = std::time::Instant::now();
    service.stop();
    assert!(told.elapsed() < std::time::Duration::from_secs(10), "{:?}", told.elapsed());
    assert!(bucket.written().is_empty());
}

/// `evidenced trust ...`, which has to succeed.
fn trust(estate: &Estate, arguments: &[&str]) {
    let output =
        Command::new(PROGRAM).arg("trust").args(arguments).current_dir(estate.folder.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_rotated_evidence_key_signs_after_a_restart_and_the_old_bundles_stay_genuine() {
    let estate = estate(one_account());
    let port = free_port();
    configure(&estate, "spool", port, "");
    collected(&estate, due() - DAY);
    let other = Estate::new(one_account(), "");
    for half in ["key", "pub"] {
        fs::copy(
            other.path(&format!("keys/evidence.{half}.pem")),
            estate.path(&format!("keys/next.{half}.pem")),
        )
        .unwrap();
    }
    trust(&estate, &["rotate", "--dir", "trust", "--evidence", "keys/next.pub.pem"]);
    trust(&estate, &["sign", "--dir", "trust", "--key", "offline/root.key.pem"]);
    let text = fs::read_to_string(estate.path("spool.toml")).unwrap();
    fs::write(estate.path("spool.toml"), text.replace("keys/evidence.key.pem", "keys/next.key.pem")).unwrap();
    let service = Service::start(&estate, "spool", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    service.stop();
    assert!(estate.path("store/trust/root-v2.dsse.json").exists());
    let verified = |key: &str, zip: &std::path::Path| {
        let output = Command::new(PROGRAM)
            .args(["verify", "--key", estate.path(&format!("keys/{key}.pub.pem")).to_str().unwrap()])
            .arg(zip)
            .output()
            .unwrap();
        output.status.code()
    };
    let (old, new) = (bundle(&estate, due() - DAY), bundle(&estate, due()));
    assert_eq!((verified("evidence", &old), verified("next", &old)), (Some(0), Some(5)));
    assert_eq!((verified("evidence", &new), verified("next", &new)), (Some(5), Some(0)));
    assert_eq!(fingerprint(&estate).len(), 64);
    assert_eq!(zips(&estate.path("store/bundles")), 2);
    // Under the trust root with both keys, the whole store is genuine.
    whole(&estate, 2);
}
