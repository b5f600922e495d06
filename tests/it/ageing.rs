//! A service whose store grows old, by a clock that the test sets: what a run asks for does not grow, and nothing that
//! another writer left is overlooked for it.

use std::fs;
use std::path::PathBuf;

use evidenced_core::moment;

use crate::estate::Estate;
use crate::outages::in_a_bucket;
use crate::publish::{bundle, due};
use crate::service::{Service, configure, estate, free_port, slow, until};

const DAY: i64 = 86_400;
const COMPLETE: &str = "evidenced_runs_total{result=\"complete\"}";

/// The slot of a day of the daily schedule, after the keys were made.
fn slot(day: i64) -> i64 {
    due() + (day + 1) * DAY
}

/// Sets the service's clock to the slot of a day.
pub(crate) fn set_clock(estate: &Estate, unix: i64) {
    fs::write(estate.path("clock.new"), moment::seconds(unix) + "\n").unwrap();
    fs::rename(estate.path("clock.new"), estate.path("clock")).unwrap();
}

pub(crate) fn by_the_clock(estate: &Estate, port: u16) -> Service {
    let clock = estate.path("clock");
    Service::start_with(estate, "a", port, |command| {
        command.arg("--clock").arg(clock);
    })
}

fn sidecar(estate: &Estate, day: i64) -> PathBuf {
    let zip = bundle(estate, slot(day)).strip_prefix(estate.path("store")).unwrap().to_owned();
    let zip = estate.path("bucket").join(zip);
    assert!(zip.exists());
    PathBuf::from(format!("{}.sshsig", zip.display()))
}

#[test]
fn a_run_lists_no_more_of_an_old_store_than_of_a_young_one_and_overlooks_nothing() {
    let (estate, bucket, port) = in_a_bucket("");
    set_clock(&estate, slot(0));
    let service = by_the_clock(&estate, port);
    let mut runs = 1.0;
    service.until_metric(COMPLETE, runs);
    let mut live = |service: &Service, day: i64| {
        bucket.listed();
        set_clock(&estate, slot(day));
        runs += 1.0;
        service.until_metric(COMPLETE, runs);
        bucket.listed()
    };
    let listed: Vec<u64> = (1..=9).map(|day| live(&service, day)).collect();
    assert!(listed[3] > 0 && listed[3..].iter().all(|count| *count == listed[3]), "{listed:?}");

    // What another writer left undone in these days is found by the next run.
    fs::remove_file(sidecar(&estate, 9)).unwrap();
    live(&service, 10);
    assert!(sidecar(&estate, 9).exists());
    // What somebody took from the old ones, by the next start (or a day later).
    fs::remove_file(sidecar(&estate, 2)).unwrap();
    live(&service, 11);
    assert!(!sidecar(&estate, 2).exists());
    service.stop();
    let service = by_the_clock(&estate, port);
    until("the sidecar", || sidecar(&estate, 2).exists().then_some(()));
    service.stop();
}

#[test]
fn a_bucket_that_was_restored_is_refused_by_a_service_that_need_not_list_it() {
    let (estate, _bucket, port) = in_a_bucket("");
    set_clock(&estate, slot(0));
    let service = by_the_clock(&estate, port);
    service.until_metric(COMPLETE, 1.0);
    let checkpoint = fs::read(estate.path("bucket/log/checkpoint")).unwrap();
    set_clock(&estate, slot(1));
    service.until_metric(COMPLETE, 2.0);
    fs::write(estate.path("bucket/log/checkpoint"), checkpoint).unwrap();
    // The second claim is still there: without it nobody could finish what the checkpoint does not have yet.
    fs::remove_dir_all(estate.path("bucket/log/tile")).unwrap();
    set_clock(&estate, slot(2));
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    assert!(service.log().contains("this store is older"), "{}", service.log());
    service.stop();
}

/// Puts words into `[store]`, before the bucket's own.
fn in_the_store(estate: &Estate, words: &str) {
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    fs::write(estate.path("a.toml"), text.replace("allow_plain_http", &format!("{words}\nallow_plain_http")))
        .unwrap();
}

#[test]
fn a_bucket_that_denies_costs_no_slot() {
    let (estate, bucket, port) = in_a_bucket("");
    in_the_store(&estate, "expected_bucket_owner = \"111122223333\"");
    bucket.belongs_to("111122223333");
    set_clock(&estate, slot(0));
    let service = by_the_clock(&estate, port);
    service.until_metric(COMPLETE, 1.0);
    let before = bucket.written();
    // Another account has it, and then it is no longer HTTPS-only: nothing is written, and each slot is collected.
    bucket.belongs_to("999900001111");
    set_clock(&estate, slot(1));
    service.until_metric("evidenced_spool_bundles", 1.0);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    bucket.belongs_to("111122223333");
    bucket.https_only(false);
    set_clock(&estate, slot(2));
    service.until_metric("evidenced_spool_bundles", 2.0);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 2.0);
    assert_eq!(bucket.written(), before);
    bucket.https_only(true);
    set_clock(&estate, slot(3));
    service.until_metric(COMPLETE, 4.0);
    assert_eq!(service.metric("evidenced_slots_missed_total"), Some(0.0));
    let zips: Vec<String> = bucket.written().into_iter().filter(|key| crate::bucket::is_zip(key)).collect();
    let slots: Vec<PathBuf> = (0..4).map(|day| bundle(&estate, slot(day))).collect();
    assert_eq!(zips.len(), 4);
    assert!(zips.iter().zip(&slots).all(|(key, path)| path.ends_with(key)), "{zips:?} {slots:?}");
    service.stop();
}

#[test]
fn a_run_is_put_off_by_its_jitter_and_keeps_its_slot() {
    let (estate, bucket, port) = in_a_bucket("");
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    assert!(!text.contains("jitter"));
    set_clock(&estate, slot(0));
    let clock = estate.path("clock");
    let service = Service::start_with(&estate, "a", port, |command| {
        command.arg("--clock").arg(clock).args(["--jitter", "2h"]);
    });
    let next = || service.metric("evidenced_next_slot_timestamp_seconds").filter(|next| *next > 0.0);
    let start = until("when the slot is started", next);
    let start =
        (0..7_200).map(|delay| slot(0) + delay).find(|at| at.to_string() == start.to_string()).unwrap();
    assert!(start > slot(0), "this scope is put off by nothing: choose another");
    set_clock(&estate, start - 1);
    service.until_said("the clock was set");
    service.until_metric("evidenced_next_slot_timestamp_seconds", next().unwrap());
    assert_eq!(service.metric(COMPLETE), None);
    assert!(!bucket.written().iter().any(|key| key.starts_with("lease/") || crate::bucket::is_zip(key)));
    set_clock(&estate, start);
    service.until_metric(COMPLETE, 1.0);
    assert!(
        bucket.written().iter().any(|key| bundle(&estate, slot(0)).ends_with(key)),
        "{:?}",
        bucket.written()
    );
    service.stop();
}

#[test]
fn a_clock_that_is_set_in_a_run_is_no_sign_of_a_dead_service() {
    let estate = estate(slow(4_000));
    let port = free_port();
    configure(&estate, "a", port, "");
    set_clock(&estate, slot(0));
    let service = by_the_clock(&estate, port);
    service.until_metric("evidenced_lease_held", 1.0);
    for seconds in [3_600, -86_400, 7_200] {
        set_clock(&estate, slot(0) + seconds);
        assert_eq!(service.ask("GET", "/livez").unwrap().0, 200);
    }
    assert_eq!(service.metric(COMPLETE), None, "the run was over before");
    service.until_metric(COMPLETE, 1.0);
    service.stop();
}
