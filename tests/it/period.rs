//! The bundle of a period, built and verified by the program.

use std::process::Output;

use crate::estate::{Estate, one_account};

const NAME: &str = "test-first.zip";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An estate whose runs go into a log.
fn logged() -> Estate {
    let estate = Estate::new(one_account(), "items = [\"vpc.vpcs\"]");
    let file = estate.path("evidenced.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let evidence = "evidence_key = \"file:keys/evidence.key.pem\"\n";
    assert!(config.contains(evidence));
    let log = format!("{evidence}log_key = \"file:keys/log.key.pem\"\n");
    std::fs::write(file, config.replace(evidence, &log)).unwrap();
    estate
}

fn run(estate: &Estate, line: &str) -> Output {
    estate.command().args(line.split(' ')).output().unwrap()
}

#[test]
fn a_period_is_built_when_it_is_over_and_verified_like_the_store() {
    let estate = logged();
    let collected = run(&estate, "collect --slot 2026-11-01T02:00:00Z");
    assert_eq!(collected.status.code(), Some(0), "{}", text(&collected.stderr));

    let early = run(&estate, "period build --from 2026-11-01 --to 2026-11-02 --name first");
    assert_eq!(early.status.code(), Some(75), "{}", text(&early.stderr));
    assert!(
        text(&early.stderr).contains("slot 2026-11-02T02:00:00Z of the period"),
        "{}",
        text(&early.stderr)
    );
    assert!(!estate.path("store/periods").exists());

    let line = "period build --from 2026-11-01 --to 2026-11-01 --name first";
    let built = run(&estate, line);
    assert_eq!(built.status.code(), Some(0), "{}", text(&built.stderr));
    assert!(text(&built.stdout).contains("zips    1 inside"), "{}", text(&built.stdout));
    let place = estate.path("store/periods").join(NAME);
    let bytes = std::fs::read(&place).unwrap();
    // The same again is the same; the file in a folder, too, which is not overwritten.
    assert_eq!(run(&estate, line).status.code(), Some(0));
    std::fs::create_dir(estate.path("packs")).unwrap();
    let line = format!("{line} --output packs");
    assert_eq!(run(&estate, &line).status.code(), Some(0));
    assert!(std::fs::read(estate.path("packs").join(NAME)).unwrap() == bytes);
    let again = run(&estate, &line);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));
    assert_eq!(estate.path("packs").read_dir().unwrap().count(), 1, "nothing is left over");
    assert_eq!(estate.path("spool/periods").read_dir().unwrap().count(), 0, "nothing is left over");

    // The trust root of the store, and the copy in the file: both under the fingerprint only.
    let show = run(&estate, "trust show --dir store/trust");
    let shown = text(&show.stdout);
    let fingerprint =
        shown.split_whitespace().find(|word| word.len() == 64).unwrap_or_else(|| panic!("{shown}"));
    let pack = format!("packs/{NAME}");
    for trust in ["store/trust", &pack] {
        let line = format!("verify {pack} --trust {trust} --root-fingerprint {fingerprint} --undated");
        let verified = run(&estate, &line);
        let report = text(&verified.stdout);
        assert_eq!(verified.status.code(), Some(4), "{report}{}", text(&verified.stderr));
        assert!(report.contains("1 of 1 slots sequenced, 1 opened"), "{report}");
        let other = format!("verify {pack} --trust {trust} --root-fingerprint {} --undated", "0".repeat(64));
        assert_eq!(run(&estate, &other).status.code(), Some(2));
    }
    // A byte of the zip in it.
    let mut changed = bytes;
    let middle = changed.len() / 3;
    changed[middle] ^= 1;
    std::fs::write(estate.path(&pack), changed).unwrap();
    let line = format!("verify {pack} --trust store/trust --root-fingerprint {fingerprint} --undated");
    assert_eq!(run(&estate, &line).status.code(), Some(5));
}

#[test]
fn all_mistakes_in_the_arguments_are_said_at_once() {
    let estate = logged();
    let output = run(&estate, "period build --from soon --to 2026-11-31 --name a/b --days 2026-11-01,x");
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    for part in ["--from \"soon\"", "--to \"2026-11-31\"", "--name \"a/b\"", "--days \"x\""] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let empty = run(&estate, "period build --quarter 2026-Q4");
    assert_eq!(empty.status.code(), Some(2), "{}", text(&empty.stderr));
    assert!(text(&empty.stderr).contains("the store has no log"), "{}", text(&empty.stderr));
}
