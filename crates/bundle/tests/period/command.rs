//! `evidenced-verify` with stores, period bundles and several files.

use std::ffi::OsString;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use evidenced_bundle::command::cli_verify;
use evidenced_bundle::period_bundle::{self, Extras, PERIOD_BYTES, build};
use evidenced_bundle::span::Span;
use evidenced_bundle::{PeriodId, PeriodName, Scope};
use serde_json::Value;
use tempfile::TempDir;

use crate::store::{
    Authority, Run, at, days, later, leaves_of, slot, store_of, trust_files, week, write_tiles,
};

/// A folder with a trust root, a store of a week, and what the tests add.
struct Desk {
    dir: TempDir,
    fingerprint: String,
}

impl Desk {
    fn new() -> Self {
        Self::with(&week())
    }

    fn with(runs: &[Run]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (files, fingerprint) = trust_files(Authority::Trusted, &mut |_| {});
        fs::create_dir(dir.path().join("trust")).unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join("trust").join(name), bytes).unwrap();
        }
        store_of(runs).write(&dir.path().join("store"));
        Self { dir, fingerprint: fingerprint.to_string() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Code, output and errors of a line in which `@` stands for the folder.
    fn verify(&self, line: &str) -> (u8, String, String) {
        let root = self.dir.path().to_str().unwrap();
        let line = format!("{line} --trust @trust --root-fingerprint {}", self.fingerprint);
        let arguments =
            line.split_whitespace().map(|word| OsString::from(word.replace('@', &format!("{root}/"))));
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let now = Some(at("2026-10-08T01:00:00Z"));
        let code = cli_verify(arguments, now, &mut out, &mut errors);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(errors).unwrap())
    }

    fn zip(number: i64) -> String {
        format!("@store/{}", Run::of(number).id.store_key())
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_store_is_verified_for_a_period_and_its_checkpoint_is_kept() {
    let desk = Desk::new();
    let line = "@store --from 2026-10-01 --to 2026-10-07 --save-checkpoint @kept --workpaper @paper";
    let (code, out, errors) = desk.verify(line);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("7 of 7 slots sequenced, 7 opened") && out.contains("signed, dated, logged\n"),
        "{out}"
    );
    assert_eq!(read(&desk.path("kept")), read(&desk.path("store/log/checkpoint")));
    let paper = fs::read_to_string(desk.path("paper")).unwrap();
    for line in
        ["log-root", "slot-coverage", "leaf 6  evidence-demo-20261007T020000Z  complete", "log/checkpoint\n"]
    {
        assert!(paper.contains(line), "{line}: {paper}");
    }
    assert!(paper.contains(&format!("{}.tsr\n", Run::of(3).id.store_key())), "{paper}");
    // It is never overwritten.
    let (code, _, errors) = desk.verify(line);
    assert_eq!(code, 2);
    assert!(errors.contains("kept cannot be written") && errors.contains("hint:"), "{errors}");
    // The next time it is held against the log.
    let (code, out, _) = desk.verify("@store --from 2026-10-01 --to 2026-10-07 --pin @kept");
    assert!(code == 0 && out.contains("signed, dated, logged, pinned"), "{out}");
    let (code, out, _) = desk.verify("@store --quarter 2026-Q4");
    assert!(
        code == 4 && out.contains("the period is not over at 2026-10-08T01:00:00Z: 85 of its slots"),
        "{out}"
    );
}

#[test]
fn a_checkpoint_of_a_log_that_is_not_genuine_is_not_kept() {
    let desk = Desk::new();
    fs::remove_file(desk.path("store").join(Run::of(3).id.store_key())).unwrap();
    let (code, out, _) = desk.verify("@store --from 2026-10-01 --to 2026-10-07 --save-checkpoint @kept");
    assert!(code == 5 && out.contains("REFUSED       bundles-there"), "{out}");
    assert!(!desk.path("kept").exists());
}

#[test]
fn expectations_are_read_from_their_file() {
    let desk = Desk::new();
    fs::write(desk.path("agreed.toml"), "longest_gap = \"23h\" # agreed\n").unwrap();
    let (code, out, _) = desk.verify("@store --expect @agreed.toml --json");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["deviations"].as_array().unwrap().len()), (4, 6), "{out}");
    fs::write(desk.path("agreed.toml"), "longest_gap = 23\n").unwrap();
    let (code, _, errors) = desk.verify("@store --expect @agreed.toml");
    assert!(code == 2 && errors.contains("agreed.toml: not expectations"), "{errors}");
}

#[test]
fn options_of_a_period_need_one() {
    let desk = Desk::new();
    let zip = Desk::zip(1);
    for (line, part) in [
        (format!("{zip} --quarter 2026-Q4"), "for a store or a period bundle"),
        ("@store --quarter 2026-Q5".to_owned(), "not a quarter"),
        ("@store --from 2026-10-01".to_owned(), "both --from and --to"),
        ("@store --quarter 2026-Q4 --from 2026-10-01 --to 2026-10-02".to_owned(), "give --quarter, or both"),
        ("@store --from 2026-10-02 --to 2026-10-01".to_owned(), "before it starts"),
        ("@store --pin @nothing".to_owned(), "nothing cannot be read"),
    ] {
        let (code, _, errors) = desk.verify(&line);
        assert!(code == 2 && errors.contains(part), "{line}: {errors}");
    }
}

#[test]
fn a_store_needs_a_trust_root() {
    let desk = Desk::new();
    fs::write(desk.path("key.pem"), crate::store::key(1).public().to_pem()).unwrap();
    let arguments =
        [desk.path("store").into_os_string(), "--key".into(), desk.path("key.pem").into_os_string()];
    let mut out = Vec::new();
    assert_eq!(cli_verify(arguments, None, &mut out, &mut Vec::new()), 2);
    assert!(String::from_utf8(out).unwrap().contains("a log needs a trust root"));
}

#[test]
fn several_bundles_follow_each_other_or_not() {
    let desk = Desk::new();
    let (code, out, _) = desk.verify(&format!("{} {} {}", Desk::zip(2), Desk::zip(1), Desk::zip(5)));
    assert_eq!(code, 0, "{out}");
    let log = "together: 3 bundles of log evidence.example.com/demo";
    for part in [
        log,
        "in a row      leaves 1-2, 5",
        "not given     leaves 3-4",
        "verify the store or a period bundle",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    // One of another version of the log.
    let mut other = week();
    other[2] = other[2].clone().at(later(slot(2), 30));
    store_of(&other).write(&desk.path("other"));
    let (code, out, _) =
        desk.verify(&format!("{} {}", Desk::zip(2), Desk::zip(3).replace("@store", "@other")));
    assert_eq!(code, 5, "{out}");
    assert!(
        out.contains("does not name evidence-demo-20261003T020000Z, which is the leaf before it"),
        "{out}"
    );
    let (code, out, _) =
        desk.verify(&format!("{} {}", Desk::zip(2), Desk::zip(2).replace("@store", "@other")));
    assert!(code == 5 && out.contains("two versions of one log"), "{out}");
    // A slot is missing between two leaves that follow each other.
    let mut gap = week();
    gap.remove(3);
    let desk = Desk::with(&gap);
    let (code, out, _) = desk.verify(&format!("{} {} --json", Desk::zip(2), Desk::zip(4)));
    let together: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((code, &together["refused"][0]["check"]), (5, &Value::from("slot-coverage")), "{out}");
}

fn period_bundle(desk: &Desk, runs: &[Run], span: Span) -> PathBuf {
    let id = PeriodId::new(Scope::new("demo").unwrap(), PeriodName::new("week").unwrap()).unwrap();
    let request = period_bundle::Request {
        id: id.clone(),
        span,
        days: None,
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        limit_bytes: PERIOD_BYTES,
    };
    let (mut zip, mut store) = (Cursor::new(Vec::new()), store_of(runs));
    // A store keeps the tiles of every size that its log had.
    let leaves = leaves_of(runs);
    (1..leaves.len()).for_each(|size| write_tiles(&mut store, &leaves[..size]));
    build(&store, &request, &Extras::default(), &mut zip).unwrap();
    let path = desk.path(&id.file_name());
    fs::write(&path, zip.into_inner()).unwrap();
    path
}

#[test]
fn a_period_bundle_is_verified_like_its_store() {
    let desk = Desk::new();
    let path = period_bundle(&desk, &week(), days(5));
    let (code, out, errors) = desk.verify("@demo-week.zip --from 2026-10-01 --to 2026-10-05");
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.contains("5 of 5 slots sequenced, 5 opened"), "{out}");
    // Its own words are not signed, and the report says so.
    let (code, out, _) = desk.verify("@demo-week.zip");
    assert!(code == 0 && out.contains("period        2026-10-01 to 2026-10-05"), "{out}");
    assert!(out.contains("the period bundle says so itself, and nobody signs that"), "{out}");
    // Days that it does not hold.
    let (code, out, _) = desk.verify("@demo-week.zip --from 2026-10-01 --to 2026-10-06");
    assert!(code == 5 && out.contains("the end of the period is not in it"), "{out}");
    // Any byte of it.
    let mut bytes = read(&path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, out, _) = desk.verify("@demo-week.zip");
    assert!(code == 5 && out.starts_with("NOT GENUINE"), "{out}");
}

#[test]
fn a_renamed_bundle_is_still_refused_for_its_name() {
    let desk = Desk::new();
    fs::copy(desk.path("store").join(Run::of(1).id.store_key()), desk.path("october.zip")).unwrap();
    let (code, out, _) = desk.verify("@october.zip");
    assert_ne!(code, 0);
    assert!(!out.contains("stored files only"), "{out}");
}
