//! A quarter of sixty accounts: how long its verification takes, and how much memory. Not part of the suite.
//!
//! `EVIDENCED_SCALE=FOLDER cargo test --release -p evidenced-bundle --test period -- --ignored --nocapture scale`
//! makes the store the first time, and verifies it when it is there: run it twice, since memory is that of a process.

#![expect(clippy::print_stdout, reason = "it is run by hand for what it prints")]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use evidenced_bundle::FolderShelf;
use evidenced_bundle::period::verify_shelf;
use evidenced_bundle::report::Verdict;
use evidenced_bundle::span::Span;

use crate::store::{Run, asking, store_of, trust};

const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The trust root is made anew with each process, and so is its timestamp authority: nothing here is dated.
#[test]
#[ignore = "a measurement"]
fn scale_of_a_quarter_of_sixty_accounts() {
    let Ok(folder) = std::env::var("EVIDENCED_SCALE").map(PathBuf::from) else { return };
    if !folder.exists() {
        let accounts: Vec<&'static str> = (0..60)
            .map(|number| &*Box::leak(format!("{:012}", 111_122_220_000_u64 + number).into_boxed_str()))
            .collect();
        let runs: Vec<Run> = (0..92)
            .map(|day| Run {
                accounts: accounts.iter().map(|account| (*account, None)).collect(),
                regions: REGIONS.map(|region| (region, None)).to_vec(),
                ..Run::of(day).undated()
            })
            .collect();
        for (key, bytes) in &store_of(&runs).0 {
            let path = folder.join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        println!("made; run it once more");
        return;
    }
    let trust = trust();
    let mut request = asking(&trust, Span::quarter("2026-Q4").unwrap());
    request.undated = evidenced_bundle::attest::Undated::Accepted;
    let began = Instant::now();
    let report = verify_shelf("store", &FolderShelf::new(&folder).unwrap(), &request);
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(report.slots_opened, 92);
    assert_eq!(report.verdict, Verdict::GenuineWithExceptions, "undated is an exception");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    println!("92 days of 60 accounts in 17 regions, 187680 documents: {seconds:.1} s, {peak}");
}
