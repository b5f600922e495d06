//! Period bundles: built from a store, read back as one.

use std::io::{Cursor, Read as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use evidenced_bundle::anchor::{Anchor, AnchorError};
use evidenced_bundle::period_bundle::{
    BuildError, Built, Extras, Index, PeriodShelf, Place, PlanError, build,
};
use evidenced_bundle::shelf::Shelf;
use evidenced_bundle::trust::TrustRoot;
use evidenced_bundle::{Digest, Kind, Span, UtcSecond, VerifyError};

use crate::period_store::{DAILY, MemShelf, QUARTER, at, built, day, days, q4, request, store, trust};

fn open(zip: &[u8], name: &str) -> Result<PeriodShelf, VerifyError> {
    PeriodShelf::open(Box::new(Cursor::new(zip.to_vec())), name, Vec::new(), &mut |_, _| {})
}

fn read(shelf: &dyn Shelf, key: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    shelf.open(key).unwrap()?.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

fn file(zip: &[u8], path: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_quarter_is_read_back_as_the_store_that_it_is_of() {
    let store = &*QUARTER;
    let (Built { coverage, index, bytes, beside }, zip) = built(store, &q4()).unwrap();
    assert_eq!((coverage.first, coverage.leaves, coverage.slots, coverage.undated), (0, 92, 92, 92));
    assert_eq!((coverage.absent.len(), beside.len(), index.count(Place::Inside)), (0, 0, 92));
    assert_eq!(bytes, u64::try_from(zip.len()).unwrap());
    let shelf = open(&zip, "demo-2026-Q4.zip").unwrap();
    assert_eq!((shelf.id().to_string().as_str(), shelf.span()), ("demo-2026-Q4", &q4().span));
    assert_eq!((shelf.sha256(), shelf.start()), (&Digest::of(&zip), None));
    assert_eq!(shelf.index(), &index);
    let kept = |key: &&String| {
        key.starts_with("bundles/")
            || key.starts_with("trust/")
            || ["log/checkpoint", "log/checkpoints/92", "log/tile/0/000.p/92", "log/tile/entries/000.p/92"]
                .contains(&key.as_str())
    };
    let keys: Vec<&String> = store.0.keys().filter(kept).collect();
    assert_eq!(shelf.list("").unwrap().iter().collect::<Vec<_>>(), keys);
    for key in keys {
        assert_eq!(read(&shelf, key).unwrap(), *store.0[key], "{key}");
        assert!(!shelf.left_out(key));
    }
    assert_eq!(shelf.list("log/checkpoints/").unwrap(), ["log/checkpoints/92"]);
    assert_eq!(read(&shelf, "log/checkpoints/91"), None);
    assert!(shelf.small("log/checkpoint", 10).is_err());
    assert!(shelf.open("../log/checkpoint").is_err());
}

#[test]
fn the_trust_root_is_read_from_it_and_counts_by_its_fingerprint_only() {
    let (_, zip) = built(&*QUARTER, &q4()).unwrap();
    let shelf = open(&zip, "demo-2026-Q4.zip").unwrap();
    let mut chain = |name: &str| shelf.small(&format!("trust/{name}"), 256 << 10);
    assert_eq!(TrustRoot::load_chain(&mut chain, &trust().1, 1).unwrap().version(), 1);
    assert!(TrustRoot::load_chain(&mut chain, &Digest::of(b"another"), 1).is_err());
}

#[test]
fn a_pack_may_be_named_as_the_trust_root_and_then_its_own_copy_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pack = folder.path().join("demo-2026-Q4.zip");
    let (_, zip) = built(&*QUARTER, &q4()).unwrap();
    std::fs::write(&pack, &zip).unwrap();
    let read = |fingerprint: Digest| {
        let mut inputs = Vec::new();
        let root = Anchor::read_root(&pack, Some(&fingerprint.to_string()), 0, &mut inputs);
        root.map(|anchor| (anchor.describe(), inputs))
    };
    let (anchor, inputs) = read(trust().1).unwrap();
    assert_eq!(anchor, format!("version 1, fingerprint {}", trust().1));
    assert_eq!((inputs.len(), inputs[0].sha256), (1, Digest::of(&zip)));
    assert!(matches!(read(Digest::of(b"another")), Err(AnchorError::Root { .. })));
    std::fs::write(&pack, &zip[..zip.len() - 1]).unwrap();
    assert!(matches!(read(trust().1), Err(AnchorError::Pack { .. })));
}

#[test]
fn the_same_store_gives_the_same_bytes_also_when_its_log_has_grown() {
    let (_, first) = built(&*QUARTER, &q4()).unwrap();
    let (_, second) = built(&*QUARTER, &q4()).unwrap();
    assert!(first == second);
    let later = store((0..95).map(day));
    assert!(built(&later, &q4()).unwrap().1 == first);
}

#[test]
fn a_period_is_refused_before_its_last_slot_is_sealed() {
    let refused = |runs: i64, span: &str| match built(
        &store((0..runs).map(day)),
        &request("x", Span::quarter(span).unwrap()),
    ) {
        Err(BuildError::Plan(PlanError::NotSealed { slot, last, .. })) => {
            (slot.to_string(), last.to_string())
        }
        other => panic!("{other:?}"),
    };
    let last = "2026-12-31T02:00:00Z".to_owned();
    assert_eq!(refused(91, "2026-Q4"), (last.clone(), last.clone()));
    assert_eq!(refused(3, "2026-Q4"), ("2026-10-04T02:00:00Z".to_owned(), last));
    let next = ("2027-01-01T02:00:00Z".to_owned(), "2027-03-31T02:00:00Z".to_owned());
    assert_eq!(refused(92, "2027-Q1"), next);
    let error = built(&*QUARTER, &request("x", Span::quarter("2027-Q1").unwrap())).unwrap_err();
    assert!(error.to_string().contains("slot 2027-01-01T02:00:00Z of the period"), "{error}");
    let before = built(&*QUARTER, &request("x", Span::quarter("2026-Q3").unwrap()));
    assert!(matches!(before, Err(BuildError::Plan(PlanError::Empty { .. }))));
}

#[test]
fn a_sample_pack_has_every_statement_and_the_zips_of_its_days() {
    let chosen = ["2026-10-03", "2026-10-17", "2026-12-31"];
    let sample = evidenced_bundle::period_bundle::Request { days: Some(days(&chosen)), ..q4() };
    let (Built { coverage, index, .. }, zip) = built(&*QUARTER, &sample).unwrap();
    assert_eq!((coverage.leaves, index.count(Place::Inside), index.count(Place::LeftOut)), (92, 3, 89));
    let shelf = open(&zip, "demo-2026-Q4.zip").unwrap();
    for key in QUARTER.0.keys().filter(|key| Path::new(key).extension().is_some_and(|it| it == "zip")) {
        let wanted = chosen.iter().any(|day| key.contains(&day.replace('-', "/")));
        assert_eq!(read(&shelf, key).is_some(), wanted, "{key}");
        assert_eq!(shelf.left_out(key), !wanted, "{key}");
        assert!(read(&shelf, &format!("{key}.sigstore.json")).is_some());
    }
    assert!(!shelf.left_out("bundles/2026/10/04/evidence-demo-20261005T020000Z.zip"), "a second place");
    let wrong = evidenced_bundle::period_bundle::Request {
        days: Some(days(&["2026-10-03", "2026-09-30", "2027-01-01"])),
        ..q4()
    };
    let error = built(&*QUARTER, &wrong).unwrap_err();
    assert_eq!(error.to_string(), "there is no run to open on 2026-09-30, 2027-01-01");
}

#[test]
fn a_period_in_the_middle_of_the_log_begins_with_the_checkpoint_before_it() {
    let november = request("2026-11", Span::days("2026-11-01", "2026-11-30").unwrap());
    let (built, zip) = built(&*QUARTER, &november).unwrap();
    assert_eq!((built.coverage.first, built.coverage.leaves), (31, 30));
    let shelf = open(&zip, "demo-2026-11.zip").unwrap();
    assert_eq!(shelf.start().unwrap(), &**QUARTER.0["log/checkpoints/31"]);
    assert_eq!(shelf.list("log/checkpoints/").unwrap(), ["log/checkpoints/31", "log/checkpoints/61"]);
    assert_eq!(read(&shelf, "log/checkpoint").unwrap(), **QUARTER.0["log/checkpoints/61"]);
    let consistency = String::from_utf8(file(&zip, "demo-2026-11/data/log/consistency.txt")).unwrap();
    assert!(consistency.starts_with("old 31\n"), "{consistency}");
    assert!(consistency.ends_with(std::str::from_utf8(&QUARTER.0["log/checkpoints/61"]).unwrap()));
    // The oldest leaves are there, so that the root can be recomputed; their zips are not.
    assert!(shelf.open("bundles/2026/10/31/evidence-demo-20261031T020000Z.zip").unwrap().is_none());
    assert!(!shelf.left_out("bundles/2026/10/31/evidence-demo-20261031T020000Z.zip"));
}

#[test]
fn a_change_of_the_schedule_and_extra_runs_are_in_the_period() {
    let twice = "0 2,14 * * *";
    let one = NonZeroU32::MIN;
    let runs = [
        at("2026-09-30T02:00:00Z", Kind::Schedule, DAILY),
        day(0),
        at("2026-10-01T09:30:00Z", Kind::Manual, DAILY),
        at("2026-10-02T02:00:00Z", Kind::Schedule, twice),
        at("2026-09-30T02:00:00Z", Kind::Supplement(one), DAILY),
        at("2026-10-02T14:00:00Z", Kind::Schedule, twice),
        at("2026-10-02T14:00:00Z", Kind::Supplement(one), twice),
        at("2026-10-03T02:00:00Z", Kind::Schedule, twice),
    ];
    let span = Span::days("2026-10-01", "2026-10-02").unwrap();
    let (built, zip) = built(&store(runs.clone()), &request("two", span)).unwrap();
    assert_eq!((built.coverage.first, built.coverage.leaves, built.coverage.slots), (1, 6, 3));
    let names: Vec<&str> = built.index.lines().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "evidence-demo-20260930T020000Z-supplement-1.zip",
            "evidence-demo-20261001T020000Z.zip",
            "evidence-demo-20261001T093000Z-manual.zip",
            "evidence-demo-20261002T020000Z.zip",
            "evidence-demo-20261002T140000Z-supplement-1.zip",
            "evidence-demo-20261002T140000Z.zip",
        ]
    );
    open(&zip, "demo-two.zip").unwrap();
    // Without the run of 14:00 the new schedule leaves a slot open.
    let early = store(runs.into_iter().take(5));
    let refused = crate::period_store::built(&early, &request("two", span)).unwrap_err();
    assert!(refused.to_string().starts_with("slot 2026-10-02T14:00:00Z of the period"), "{refused}");
}

#[test]
fn a_slot_that_never_came_is_a_line_of_the_coverage() {
    let (built, zip) = built(
        &store([day(0), day(1), day(4), day(5)]),
        &request("gap", Span::days("2026-10-01", "2026-10-05").unwrap()),
    )
    .unwrap();
    let absent = ["2026-10-03T02:00:00Z", "2026-10-04T02:00:00Z"].map(|text| UtcSecond::parse(text).unwrap());
    assert_eq!(built.coverage.absent, absent);
    let coverage = String::from_utf8(file(&zip, "demo-gap/data/coverage.csv")).unwrap();
    let rows: Vec<&str> = coverage.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(
        rows[0],
        "slot,id,trigger,status,zip_sha256,log_index,collected_start,collected_end,token_time,zip"
    );
    let digest = |day: &str| {
        Digest::of(&file(&zip, &format!("demo-gap/data/bundles/evidence-demo-{day}T020000Z.zip")))
    };
    assert_eq!(
        rows[1],
        format!(
            "2026-10-01T02:00:00Z,evidence-demo-20261001T020000Z,schedule,missed,{},0,2026-10-01T02:00:01Z,2026-10-01T02:00:01Z,,inside",
            digest("20261001")
        )
    );
    assert_eq!(rows[3], "2026-10-03T02:00:00Z,,schedule,absent,,,,,,");
}

#[test]
fn what_is_too_large_for_one_zip_stays_beside_it() {
    let small = evidenced_bundle::period_bundle::Request { limit_bytes: 600 << 10, ..q4() };
    let (built, zip) = built(&*QUARTER, &small).unwrap();
    assert_eq!((built.index.count(Place::Beside), built.beside.len()), (92, 92));
    let folder = tempfile::tempdir().unwrap();
    let in_store = folder.path().join("periods");
    std::fs::create_dir(&in_store).unwrap();
    for path in [folder.path().join("demo-2026-Q4.zip"), in_store.join("demo-2026-Q4.zip")] {
        std::fs::write(path, &zip).unwrap();
    }
    let key = &built.beside[7];
    let name = key.rsplit('/').next().unwrap();
    let at = |path: &Path| PeriodShelf::open_path(path, &mut |_, _| {}).unwrap();
    // Nowhere.
    let shelf = at(&folder.path().join("demo-2026-Q4.zip"));
    assert!(shelf.open(key).unwrap().is_none() && !shelf.left_out(key));
    // Beside it.
    std::fs::write(folder.path().join(name), &**QUARTER.0[key]).unwrap();
    assert_eq!(read(&shelf, key).unwrap(), **QUARTER.0[key]);
    std::fs::write(folder.path().join(name), b"cut").unwrap();
    assert_eq!(shelf.open(key).err().unwrap().kind(), std::io::ErrorKind::InvalidData);
    // Where the store has it.
    std::fs::remove_file(folder.path().join(name)).unwrap();
    let in_store = at(&in_store.join("demo-2026-Q4.zip"));
    assert!(in_store.open(key).unwrap().is_none());
    std::fs::create_dir_all(folder.path().join(key).parent().unwrap()).unwrap();
    std::fs::write(folder.path().join(key), &**QUARTER.0[key]).unwrap();
    assert_eq!(read(&in_store, key).unwrap(), **QUARTER.0[key]);
    // Too small even so.
    let tiny = evidenced_bundle::period_bundle::Request { limit_bytes: 10 << 10, ..q4() };
    assert!(matches!(crate::period_store::built(&*QUARTER, &tiny), Err(BuildError::TooLarge { .. })));
}

#[test]
fn a_store_that_is_not_what_its_log_says_is_not_packed() {
    const ZIP: &str = "bundles/2026/10/02/evidence-demo-20261002T020000Z.zip";
    type Change = fn(&mut MemShelf);
    let cases: &[(&str, Change)] = &[
        ("has digest", |it| it.change(ZIP, |bytes| bytes[99] ^= 1)),
        ("is missing", |it| drop(it.0.remove(ZIP))),
        ("is missing", |it| drop(it.0.remove(&format!("{ZIP}.sshsig")))),
        ("is missing", |it| drop(it.0.remove(&format!("{ZIP}.tlog-proof")))),
        ("is missing", |it| drop(it.0.remove("log/checkpoint"))),
        ("is missing", |it| drop(it.0.remove("log/checkpoints/3"))),
        ("is missing", |it| drop(it.0.remove("log/tile/entries/000.p/4"))),
        ("is missing", |it| drop(it.0.remove("log/tile/0/000.p/3"))),
        ("carries another statement", |it| {
            let other = it.0["bundles/2026/10/03/evidence-demo-20261003T020000Z.zip.sigstore.json"].clone();
            it.0.insert(format!("{ZIP}.sigstore.json"), other);
        }),
        ("proof of another leaf", |it| {
            let other = it.0["bundles/2026/10/03/evidence-demo-20261003T020000Z.zip.tlog-proof"].clone();
            it.0.insert(format!("{ZIP}.tlog-proof"), other);
        }),
        ("is not what the log makes it", |it| {
            it.change("log/tile/entries/000.p/4", |bytes| bytes.truncate(99));
        }),
        ("is not what the log makes it", |it| {
            it.change("log/tile/entries/000.p/4", |bytes| *bytes.last_mut().unwrap() ^= 1);
        }),
        ("its root is not that of the leaves", |it| {
            let other = it.0["log/checkpoints/2"].clone();
            it.0.insert("log/checkpoints/3".into(), other);
        }),
    ];
    let span = Span::days("2026-10-01", "2026-10-03").unwrap();
    let whole = store((0..4).map(day));
    for (what, change) in cases {
        let mut changed = whole.clone();
        change(&mut changed);
        let error = match built(&changed, &request("x", span)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{what}: was packed"),
        };
        let fits = error.contains(what) || (what.contains("root") && error.contains("of another size"));
        assert!(fits, "{what}: {error}");
    }
    let other = evidenced_bundle::period_bundle::Request {
        id: evidenced_bundle::PeriodId::new(
            evidenced_bundle::Scope::new("prod").unwrap(),
            evidenced_bundle::PeriodName::new("x").unwrap(),
        )
        .unwrap(),
        ..request("x", span)
    };
    let error = built(&whole, &other).unwrap_err().to_string();
    assert_eq!(error, "the store holds the log of scope demo, not of prod");
}

#[test]
fn page_and_report_are_in_it_when_they_are_given() {
    let span = Span::days("2026-10-01", "2026-10-01").unwrap();
    let extras = Extras { page: Some(b"<p>page".to_vec()), report: Some(b"<p>report".to_vec()) };
    let mut out = Cursor::new(Vec::new());
    build(&store([day(0), day(1)]), &request("day", span), &extras, &mut out).unwrap();
    let zip = out.into_inner();
    assert_eq!(file(&zip, "demo-day/data/verify.html"), b"<p>page");
    assert_eq!(file(&zip, "demo-day/data/report.html"), b"<p>report");
    open(&zip, "demo-day.zip").unwrap();
    let index = Index::parse(&file(&zip, "demo-day/data/bundles.txt")).unwrap();
    assert_eq!(index.count(Place::Inside), 1);
}

#[test]
fn other_tools_read_it_and_find_a_bag() {
    let folder = tempfile::tempdir().unwrap();
    let (_, zip) = built(&*QUARTER, &q4()).unwrap();
    std::fs::write(folder.path().join("demo-2026-Q4.zip"), zip).unwrap();
    let run = |program: &str, arguments: &[&str], at: &Path| {
        let output = Command::new(program).args(arguments).current_dir(at).output();
        let output = output.unwrap_or_else(|error| panic!("{program} is needed: {error}"));
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{program}: {text}");
        text
    };
    let tested = run("unzip", &["-t", "demo-2026-Q4.zip"], folder.path());
    assert!(tested.contains("No errors detected"), "{tested}");
    run("unzip", &["-q", "demo-2026-Q4.zip"], folder.path());
    let bag = folder.path().join("demo-2026-Q4");
    run("sha256sum", &["-c", "--strict", "--quiet", "tagmanifest-sha256.txt"], &bag);
    run("sha256sum", &["-c", "--strict", "--quiet", "manifest-sha256.txt"], &bag);
    // As data/VERIFY.txt prints it.
    let text = std::fs::read_to_string(bag.join("data/VERIFY.txt")).unwrap();
    let awk = text.lines().find(|line| line.trim_start().starts_with("awk ")).unwrap();
    run("sh", &["-c", awk], &bag.join("data"));
    std::fs::write(bag.join("data/bundles/evidence-demo-20261002T020000Z.zip"), b"other").unwrap();
    let status = Command::new("sh").args(["-c", awk]).current_dir(bag.join("data")).output().unwrap().status;
    assert!(!status.success());
}
