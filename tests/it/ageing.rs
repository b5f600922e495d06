//! A service whose store grows old, by a clock that the test sets: what a run asks for does not grow, and nothing that
//! another writer left is overlooked for it.

use std::fs;
use std::path::PathBuf;

use evidenced_core::moment;

use crate::estate::Estate;
use crate::outages::in_a_bucket;
use crate::publish::{bundle, due};
use crate::service::{Service, until};

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
