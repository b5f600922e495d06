//! Hostile period bundles: one change each, with lists and manifests re-made where that is no secret, and the check
//! that must refuse it.

use std::io::Cursor;
use std::sync::LazyLock;

use evidenced_bundle::period_bundle::PeriodShelf;
use evidenced_bundle::{Check, Digest, Span, VerifyError};

use crate::period_store::{built, day, days, request, store};
use crate::period_zip::{Files, archive, files, remade, replace};
use crate::raw_zip::{Archive, RawEntry};

const NAME: &str = "demo-days.zip";
const ZIP: &str = "data/bundles/evidence-demo-20261003T020000Z.zip";
const OTHER_ZIP: &str = "data/bundles/evidence-demo-20261004T020000Z.zip";
const ENTRIES: &str = "data/log/tile/entries/000.p/4";
const HASHES: &str = "data/log/tile/0/000.p/4";

/// 3 and 4 October of a log that begins on the 1st, and both with a zip of the 4th only.
static GENUINE: LazyLock<Vec<u8>> = LazyLock::new(|| zip(None));
static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| zip(Some("2026-10-04")));

fn zip(sample: Option<&str>) -> Vec<u8> {
    let span = Span::days("2026-10-03", "2026-10-04").unwrap();
    let days = sample.map(|day| days(&[day]));
    let request = evidenced_bundle::period_bundle::Request { days, ..request("days", span) };
    built(&store((0..5).map(day)), &request).unwrap().1
}

/// Of 3 October.
fn whole(files: &Files) -> Archive {
    archive("demo-days", 0x5d43, files)
}

fn verify(zip: &[u8], name: &str) -> Result<PeriodShelf, VerifyError> {
    PeriodShelf::open(Box::new(Cursor::new(zip.to_vec())), name, Vec::new(), &mut |_, _| {})
}

fn refusal(zip: &[u8]) -> (Check, String) {
    match verify(zip, NAME) {
        Err(VerifyError::Refused { check, file, detail }) => {
            (check, format!("{} {detail}", file.unwrap_or_default()))
        }
        other => panic!("{other:?}"),
    }
}

fn insert(zip: &mut Archive, name: &str, bytes: &[u8]) {
    let entry = RawEntry { time: 0, date: 0x5d43, ..RawEntry::stored(name, bytes) };
    let place = zip.entries.iter().position(|other| other.name > entry.name).unwrap_or(zip.entries.len());
    zip.entries.insert(place, entry);
}

#[test]
fn a_genuine_one_passes_also_when_it_is_taken_apart_and_put_together() {
    for zip in [&*GENUINE, &*SAMPLE] {
        verify(zip, NAME).unwrap();
        let files = files(zip);
        assert_eq!(remade(files.clone()), files);
        assert!(whole(&files).bytes() == *zip);
    }
}

#[test]
fn a_zip_that_tries_something_is_refused() {
    type Change = fn(&mut Archive);
    let cases: &[(&str, Check, Change)] = &[
        ("deflated", Check::ZipHeaders, |zip| {
            let entry = zip.entry("README.txt");
            let bytes = entry.packed.clone();
            *entry = RawEntry { time: 0, date: 0x5d43, ..RawEntry::deflated("demo-days/README.txt", &bytes) };
        }),
        ("prefix", Check::ZipLayout, |zip| zip.prefix = b"#!/bin/sh\n".to_vec()),
        ("suffix", Check::ZipEnd, |zip| zip.suffix = b"more".to_vec()),
        ("comment", Check::ZipEnd, |zip| zip.comment = b"more".to_vec()),
        ("hidden entry", Check::ZipLayout, |zip| {
            insert(zip, "demo-days/data/bundles/hidden.zip", b"x");
            zip.entry("hidden.zip").in_central = false;
        }),
        ("gap", Check::ZipLayout, |zip| zip.entry("README.txt").gap = b"more".to_vec()),
        ("gap before the directory", Check::ZipLayout, |zip| zip.before_central = b"more".to_vec()),
        ("entries out of order", Check::ZipNames, |zip| zip.entries.swap(3, 4)),
        ("twice the same", Check::ZipNames, |zip| {
            let entry = zip.entry("README.txt").clone();
            zip.entries.insert(1, entry);
        }),
        ("zip64", Check::ZipHeaders, |zip| zip.entry("README.txt").size = u32::MAX),
        ("zip64 extra", Check::ZipHeaders, |zip| zip.entry("README.txt").extra = vec![1, 0, 0, 0]),
        ("extra", Check::ZipHeaders, |zip| zip.entry("README.txt").local_extra = vec![0x55, 0x54, 0, 0]),
        ("parent folder", Check::ZipNames, |zip| insert(zip, "demo-days/data/../../evil", b"x")),
        ("absolute", Check::ZipNames, |zip| insert(zip, "/etc/passwd", b"x")),
        ("backslash", Check::ZipNames, |zip| insert(zip, "demo-days/data\\evil", b"x")),
        ("another folder", Check::ZipNames, |zip| insert(zip, "demo-other/evil", b"x")),
        ("case clash", Check::ZipNames, |zip| insert(zip, "demo-days/data/Bundles.txt", b"x")),
        ("symbolic link", Check::ZipHeaders, |zip| zip.entry("README.txt").external = 0o120_777 << 16),
        ("a space in the name", Check::ZipNames, |zip| {
            zip.entry("README.txt").rename(b"demo-days/README .txt");
        }),
        ("directory", Check::ZipNames, |zip| insert(zip, "demo-days/data/", b"")),
        ("another time", Check::ZipHeaders, |zip| zip.entry("README.txt").time = 1),
        ("checksum", Check::ZipContent, |zip| {
            let entry = zip.entry("README.txt");
            entry.crc ^= 1;
            entry.local_crc ^= 1;
        }),
        ("content", Check::ZipContent, |zip| zip.entry("README.txt").packed[5] ^= 1),
        ("other name in the local header", Check::ZipHeaders, |zip| {
            zip.entry("README.txt").local_name = b"demo-days/README.TXT".to_vec();
        }),
        ("encrypted", Check::ZipHeaders, |zip| zip.entry("README.txt").flags = 1),
        ("more in the end record", Check::ZipLayout, |zip| zip.more = 1),
        ("second disk", Check::ZipEnd, |zip| zip.disk = 1),
    ];
    let genuine = whole(&files(&GENUINE));
    for (name, check, change) in cases {
        let mut changed = genuine.clone();
        change(&mut changed);
        assert_eq!(refusal(&changed.bytes()).0, *check, "{name}");
    }
    // Every time the same, and another than the period's start.
    let mut later = genuine;
    later.entries.iter_mut().for_each(|entry| entry.date += 1);
    assert_eq!(refusal(&later.bytes()).0, Check::BagName);
}

#[test]
fn a_changed_file_is_refused_by_its_manifest_and_named_when_the_manifests_are_re_made() {
    type Change = fn(&mut Files);
    // What is refused as it is, and what when everything that is not signed is re-made.
    let cases: &[(&str, Check, Check, &str, Change)] = &[
        ("a zip replaced", Check::Payload, Check::PeriodZips, "is not the zip that bundles.txt", |it| {
            let other = it[OTHER_ZIP].clone();
            it.insert(ZIP.into(), other);
        }),
        ("a zip removed", Check::FileSet, Check::PeriodZips, "bundles.txt says it is inside", |it| {
            drop(it.remove(ZIP));
        }),
        ("a sidecar missing", Check::FileSet, Check::PeriodZips, "is missing", |it| {
            drop(it.remove(&format!("{ZIP}.tlog-proof")));
        }),
        ("a zip of nobody", Check::FileSet, Check::PeriodZips, "belongs to no run", |it| {
            it.insert("data/bundles/evidence-demo-20261005T020000Z.zip".into(), b"x".to_vec());
        }),
        ("a sidecar of nobody", Check::FileSet, Check::PeriodZips, "belongs to no run", |it| {
            it.insert("data/bundles/evidence-demo-20261005T020000Z.zip.tsr".into(), b"x".to_vec());
        }),
        ("another file", Check::FileSet, Check::FileSet, "is no file of a period bundle", |it| {
            it.insert("data/notes.txt".into(), b"x".to_vec());
        }),
        (
            "another file among the zips",
            Check::FileSet,
            Check::FileSet,
            "is no file of a period bundle",
            |it| {
                it.insert("data/bundles/notes.txt".into(), b"x".to_vec());
            },
        ),
        ("entries cut", Check::Payload, Check::PeriodLog, "does not hold the leaves of its width", |it| {
            it.get_mut(ENTRIES).unwrap().truncate(100);
        }),
        ("an entry changed", Check::Payload, Check::PeriodLog, "", |it| {
            *it.get_mut(ENTRIES).unwrap().last_mut().unwrap() ^= 1;
        }),
        (
            "an early entry changed",
            Check::Payload,
            Check::PeriodLog,
            "its root is not that of the leaves",
            |it| {
                it.get_mut(ENTRIES).unwrap()[50] ^= 1;
            },
        ),
        ("entries missing", Check::FileSet, Check::PeriodLog, "is missing", |it| drop(it.remove(ENTRIES))),
        ("hashes missing", Check::FileSet, Check::PeriodLog, "is missing", |it| drop(it.remove(HASHES))),
        ("hashes changed", Check::Payload, Check::PeriodLog, "does not hold the hashes", |it| {
            it.get_mut(HASHES).unwrap()[0] ^= 1;
        }),
        ("a tile too many", Check::FileSet, Check::PeriodLog, "is no tile of a log of this size", |it| {
            let entries = it[ENTRIES].clone();
            it.insert("data/log/tile/entries/000.p/5".into(), entries);
        }),
        (
            "checkpoint.end older",
            Check::Payload,
            Check::PeriodLog,
            "its checkpoint is not that of the end",
            |it| {
                let start = it["data/log/checkpoint.start"].clone();
                it.insert("data/log/checkpoint.end".into(), start);
            },
        ),
        ("checkpoint.start newer", Check::Payload, Check::PeriodLog, "another size", |it| {
            let end = it["data/log/checkpoint.end"].clone();
            it.insert("data/log/checkpoint.start".into(), end);
        }),
        ("no checkpoint.start", Check::FileSet, Check::PeriodLog, "does not begin with", |it| {
            it.remove("data/log/checkpoint.start");
        }),
        ("no checkpoint.end", Check::FileSet, Check::FileSet, "is missing", |it| {
            it.remove("data/log/checkpoint.end");
        }),
        ("a huge log", Check::Payload, Check::PeriodLog, "fewer tiles", |it| {
            replace(it, "data/log/checkpoint.end", "\n4\n", "\n18446744073709551615\n");
            replace(it, "data/log/consistency.txt", "\n4\n", "\n18446744073709551615\n");
        }),
        ("consistency of another size", Check::Payload, Check::PeriodLog, "", |it| {
            replace(it, "data/log/consistency.txt", "old 2", "old 1");
        }),
        ("consistency from nothing", Check::Payload, Check::PeriodLog, "", |it| {
            replace(it, "data/log/consistency.txt", "old 2", "old 0");
        }),
        ("consistency hash", Check::Payload, Check::PeriodLog, "", |it| {
            let text = String::from_utf8(it["data/log/consistency.txt"].clone()).unwrap();
            let hash = text.lines().nth(1).unwrap().to_owned();
            replace(it, "data/log/consistency.txt", &hash, &format!("{}=", "A".repeat(43)));
        }),
        ("consistency is none", Check::Payload, Check::PeriodLog, "not a consistency proof", |it| {
            it.insert("data/log/consistency.txt".into(), b"old 2\n".to_vec());
        }),
        (
            "another digest in the list",
            Check::Payload,
            Check::PeriodZips,
            "another digest than its statement",
            |it| {
                let digest = Digest::of(&it[ZIP]).to_string();
                replace(it, "data/bundles.txt", &digest, &Digest::of(b"x").to_string());
            },
        ),
        ("another length in the list", Check::Payload, Check::PeriodZips, "is not the zip", |it| {
            let length = format!(" {} ", it[ZIP].len());
            replace(it, "data/bundles.txt", &length, " 1 ");
        }),
        ("a zip said to be beside", Check::Payload, Check::PeriodZips, "bundles.txt says it is not", |it| {
            replace(it, "data/bundles.txt", "inside", "beside");
        }),
        ("a line of the list removed", Check::Payload, Check::PeriodZips, "does not list", |it| {
            let text = String::from_utf8(it["data/bundles.txt"].clone()).unwrap();
            let line = format!("{}\n", text.lines().next().unwrap());
            replace(it, "data/bundles.txt", &line, "");
        }),
        (
            "a line of the list added",
            Check::Payload,
            Check::PeriodZips,
            "no statement of the period names it",
            |it| {
                let text = String::from_utf8(it["data/bundles.txt"].clone()).unwrap();
                let line = text
                    .lines()
                    .last()
                    .unwrap()
                    .replace("20261004", "20261005")
                    .replace("inside", "left-out");
                it.insert("data/bundles.txt".into(), format!("{text}{line}\n").into_bytes());
            },
        ),
        ("no list", Check::FileSet, Check::FileSet, "is missing", |it| drop(it.remove("data/bundles.txt"))),
        ("another bag declaration", Check::TagFiles, Check::BagDeclaration, "", |it| {
            replace(it, "bagit.txt", "1.0", "0.97");
        }),
        ("another scope", Check::TagFiles, Check::BagInfo, "", |it| {
            replace(it, "bag-info.txt", "Group-Identifier: demo", "Group-Identifier: prod");
        }),
        ("another origin", Check::TagFiles, Check::PeriodLog, "is one of log", |it| {
            replace(it, "bag-info.txt", "evidence.example.com/demo", "evidence.example.com/prod");
        }),
        (
            "a period with another start",
            Check::TagFiles,
            Check::BagName,
            "another time than the period's start",
            |it| {
                replace(it, "bag-info.txt", "2026-10-03/", "2026-10-02/");
            },
        ),
        ("a fetch list", Check::FileSet, Check::TagManifest, "", |it| {
            it.insert("fetch.txt".into(), b"https://example.com/x 1 data/x\n".to_vec());
        }),
    ];
    let genuine = files(&GENUINE);
    for (name, as_is, re_made, what, change) in cases {
        let mut changed = genuine.clone();
        change(&mut changed);
        assert!(changed != genuine, "{name}");
        assert_eq!(refusal(&whole(&changed).bytes()).0, *as_is, "{name}");
        let (check, detail) = refusal(&whole(&remade(changed)).bytes());
        assert_eq!((check, detail.contains(what)), (*re_made, true), "{name}: {detail}");
    }
}

#[test]
fn a_sample_that_hides_a_zip_or_claims_one_is_refused() {
    let sample = files(&SAMPLE);
    let mut claimed = sample.clone();
    replace(&mut claimed, "data/bundles.txt", "left-out", "inside");
    assert_eq!(refusal(&whole(&remade(claimed)).bytes()).0, Check::PeriodZips);
    let mut hidden = sample;
    hidden.insert(ZIP.into(), files(&GENUINE)[ZIP].clone());
    assert_eq!(refusal(&whole(&remade(hidden)).bytes()).0, Check::PeriodZips);
}

#[test]
fn another_file_name_is_refused() {
    for name in ["demo-2026-Q4.zip", "demo-days.ZIP", "demo-days", ""] {
        assert!(
            matches!(verify(&GENUINE, name), Err(VerifyError::Refused { check: Check::BagName, .. })),
            "{name}"
        );
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    // One day, so that there are few bytes; what is tried depends on their place only.
    let span = Span::days("2026-10-01", "2026-10-01").unwrap();
    let mut one = store([day(0)]);
    one.0.retain(|key, _| !key.starts_with("trust/"));
    let genuine = &built(&one, &request("days", span)).unwrap().1;
    verify(genuine, NAME).unwrap();
    let mut changed = genuine.clone();
    for position in 0..genuine.len() {
        changed[position] ^= 1;
        assert!(verify(&changed, NAME).is_err(), "{position}");
        changed[position] = genuine[position];
    }
    for length in 0..genuine.len() {
        if length % 16 == 0 || length + 400 > genuine.len() {
            assert!(verify(&genuine[..length], NAME).is_err(), "{length}");
        }
    }
}
