//! Hostile zips: the bag inside is signed and whole, and only the zip around it tries something.
//!
//! Each case is one change of a genuine zip, and the check that must refuse it. All of them are refused by our own
//! structural check, before the second reader and before a file is unpacked, unless the lie is in the packed data.

use std::io::Cursor;

use evidenced_bundle::{Check, Limits, UntrustedBundle};

use crate::bag::{DOCUMENT, ID, Run, key, refusal, trusted, verify, verify_named, zip};
use crate::raw_zip::{Archive, RawEntry};

fn genuine() -> Archive {
    zip(&Run::complete().signed())
}

struct Case {
    name: &'static str,
    check: Check,
    change: fn(&mut Archive),
}

fn extra_file(zip: &mut Archive, name: &str, bytes: &[u8]) {
    insert(zip, RawEntry::deflated(name, bytes));
}

/// Adds an entry where sorting puts it.
fn insert(zip: &mut Archive, entry: RawEntry) {
    let place = zip.entries.iter().position(|other| other.name > entry.name).unwrap_or(zip.entries.len());
    zip.entries.insert(place, entry);
}

fn within(path: &str) -> String {
    format!("{ID}/{path}")
}

const CASES: &[Case] = &[
    // Names.
    Case {
        name: "parent folder",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("../../evil"), b"x"),
    },
    Case {
        name: "bare parent folder",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, "../../evil", b"x"),
    },
    Case {
        name: "backslashes",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("..\\..\\evil"), b"x"),
    },
    Case {
        name: "nul in the name",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data/a\0.json"), b"x"),
    },
    Case {
        name: "absolute path",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, "/etc/passwd", b"x"),
    },
    Case { name: "drive letter", check: Check::ZipNames, change: |zip| extra_file(zip, "C:/evil", b"x") },
    Case {
        name: "dot segment",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("./data/x"), b"x"),
    },
    Case {
        name: "empty segment",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data//x"), b"x"),
    },
    Case {
        name: "case clash",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data/RUN.json"), b"x"),
    },
    Case {
        name: "file as folder",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data/run.json/x"), b"x"),
    },
    Case {
        name: "second root folder",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, "zzz/data/x", b"x"),
    },
    Case {
        name: "file beside the folder",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, "zzz", b"x"),
    },
    Case {
        name: "not ascii",
        check: Check::ZipNames,
        change: |zip| zip.entry("README.txt").rename(b"\xff/README.txt"),
    },
    Case {
        name: "name that is too long",
        check: Check::ZipHeaders,
        change: |zip| {
            extra_file(zip, &within(&format!("data/{}", "x".repeat(400))), b"x");
        },
    },
    Case {
        name: "last file in another folder",
        check: Check::ZipNames,
        change: |zip| {
            let last = zip.entries.last_mut().unwrap();
            let path = String::from_utf8(last.name.clone()).unwrap().replacen(ID, "zzz", 1);
            last.rename(path.as_bytes());
        },
    },
    Case {
        name: "all files in the folder above",
        check: Check::ZipNames,
        change: |zip| {
            for entry in &mut zip.entries {
                let path = String::from_utf8(entry.name.clone()).unwrap().replacen(ID, "..", 1);
                entry.rename(path.as_bytes());
            }
        },
    },
    Case {
        name: "stored in another number of bytes",
        check: Check::ZipHeaders,
        change: |zip| {
            let mut stored = RawEntry::stored(&within("data/x"), b"x");
            (stored.size, stored.local_size) = (2, 2);
            insert(zip, stored);
        },
    },
    Case { name: "not sorted", check: Check::ZipNames, change: |zip| zip.entries.reverse() },
    Case {
        name: "duplicate name",
        check: Check::ZipNames,
        change: |zip| {
            let twin = zip.entry("vpc.vpcs.json").clone();
            insert(zip, twin);
        },
    },
    Case {
        name: "duplicate name, other content",
        check: Check::ZipNames,
        change: |zip| {
            extra_file(zip, &within(DOCUMENT), b"{}");
        },
    },
    // Kinds of files.
    Case {
        name: "directory entry",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data/"), b""),
    },
    Case {
        name: "directory entry with data",
        check: Check::ZipNames,
        change: |zip| extra_file(zip, &within("data/"), b"x"),
    },
    Case {
        name: "symlink inside",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("vpc.vpcs.json").external = 0o120_777 << 16,
    },
    Case {
        name: "symlink out, then a file through it",
        check: Check::ZipHeaders,
        change: |zip| {
            let mut link = RawEntry::stored(&within("data/link"), b"/tmp");
            link.external = 0o120_777 << 16;
            insert(zip, link);
            extra_file(zip, &within("data/link/evil"), b"x");
        },
    },
    Case {
        name: "fifo",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").external = 0o010_644 << 16,
    },
    Case {
        name: "device",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").external = 0o020_644 << 16,
    },
    Case {
        name: "setuid",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").external = 0o104_755 << 16,
    },
    Case {
        name: "executable",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").external = 0o100_755 << 16,
    },
    Case { name: "no mode", check: Check::ZipHeaders, change: |zip| zip.entry("README.txt").external = 0 },
    Case {
        name: "DOS directory bit",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").external |= 0x10,
    },
    Case {
        name: "made on DOS",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").made_by = 20,
    },
    // Fields.
    Case { name: "encrypted", check: Check::ZipHeaders, change: |zip| zip.entry("README.txt").flags = 1 },
    Case {
        name: "data descriptor",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").flags = 1 << 3,
    },
    Case {
        name: "strong encryption",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").flags = 1 << 6,
    },
    Case {
        name: "masked headers",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").flags = 1 << 13,
    },
    Case {
        name: "utf-8 flag",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").flags = 1 << 11,
    },
    Case {
        name: "unknown method",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").method = 12,
    },
    Case {
        name: "zip64 version",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").needed = 45,
    },
    Case {
        name: "zip64 size",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").size = u32::MAX,
    },
    Case {
        name: "zip64 extra field",
        check: Check::ZipHeaders,
        change: |zip| {
            zip.entry("README.txt").extra = [&[1, 0, 8, 0][..], &[0; 8]].concat();
        },
    },
    Case {
        name: "unicode path that renames",
        check: Check::ZipHeaders,
        change: |zip| {
            zip.entry("README.txt").extra = [&[0x75, 0x70, 9, 0, 1][..], &[0; 4], b"evil"].concat();
        },
    },
    Case {
        name: "extra field in the local header only",
        check: Check::ZipHeaders,
        change: |zip| {
            zip.entry("README.txt").local_extra = vec![0x55, 0x54, 1, 0, 0];
            // The layout comes first: the file begins elsewhere than it would without the field.
            let last = zip.entries.len() - 1;
            zip.entries.swap_remove(last);
            zip.entries.truncate(1);
            zip.before_central.clear();
        },
    },
    Case {
        name: "comment of a file",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").comment = b"hi".to_vec(),
    },
    Case {
        name: "internal attributes",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").internal = 1,
    },
    Case {
        name: "second disk of a file",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").disk = 1,
    },
    Case { name: "another time", check: Check::ZipHeaders, change: |zip| zip.entry("README.txt").time += 1 },
    Case {
        name: "another time everywhere",
        check: Check::ZipHeaders,
        change: |zip| {
            zip.entries.iter_mut().for_each(|entry| entry.time += 1);
        },
    },
    Case {
        name: "local name differs",
        check: Check::ZipHeaders,
        change: |zip| {
            zip.entry("README.txt").local_name = within("ANYTHING.x").into_bytes();
        },
    },
    Case {
        name: "local size differs",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").local_size += 1,
    },
    Case {
        name: "local checksum differs",
        check: Check::ZipHeaders,
        change: |zip| zip.entry("README.txt").local_crc ^= 1,
    },
    // Layout.
    Case {
        name: "hidden local entry",
        check: Check::ZipLayout,
        change: |zip| {
            extra_file(zip, &within("data/hidden"), b"x");
            zip.entry("data/hidden").in_central = false;
        },
    },
    Case {
        name: "hidden last local entry",
        check: Check::ZipLayout,
        change: |zip| {
            extra_file(zip, &within("z"), b"x");
            zip.entry("/z").in_central = false;
        },
    },
    Case {
        name: "overlapping entries",
        check: Check::ZipLayout,
        change: |zip| {
            let first = zip.entries.first().unwrap().clone();
            zip.entry("run.json").offset = Some(u32::try_from(first.packed.len()).unwrap());
        },
    },
    Case {
        name: "entry without local header",
        check: Check::ZipLayout,
        change: |zip| {
            extra_file(zip, &within("z"), b"x");
            zip.entry("/z").in_local = false;
        },
    },
    Case {
        name: "gap between entries",
        check: Check::ZipLayout,
        change: |zip| zip.entry("README.txt").gap = vec![0],
    },
    Case {
        name: "gap before the directory",
        check: Check::ZipLayout,
        change: |zip| zip.before_central = b"gap".to_vec(),
    },
    Case {
        name: "bytes behind the directory",
        check: Check::ZipLayout,
        change: |zip| zip.after_central = b"gap".to_vec(),
    },
    Case {
        name: "prefix",
        check: Check::ZipLayout,
        change: |zip| zip.prefix = b"#!/bin/sh\nexit 0\n\n".to_vec(),
    },
    Case { name: "suffix", check: Check::ZipEnd, change: |zip| zip.suffix = b"trailing".to_vec() },
    Case { name: "comment", check: Check::ZipEnd, change: |zip| zip.comment = b"comment".to_vec() },
    Case {
        name: "another zip in the comment",
        check: Check::ZipEnd,
        change: |zip| {
            zip.comment = genuine().bytes();
        },
    },
    Case { name: "second disk", check: Check::ZipEnd, change: |zip| zip.disk = 1 },
    Case { name: "fewer entries counted", check: Check::ZipLayout, change: |zip| zip.more = -1 },
    Case { name: "more entries counted", check: Check::ZipLayout, change: |zip| zip.more = 1 },
    Case { name: "no entries", check: Check::ZipEnd, change: |zip| zip.entries.clear() },
    // Sizes.
    Case {
        name: "60000 entries",
        check: Check::ZipLimits,
        change: |zip| {
            zip.entries =
                (0..60_000).map(|n| RawEntry::stored(&within(&format!("data/{n:05}")), b"")).collect();
        },
    },
    Case {
        name: "bomb: one file",
        check: Check::ZipLimits,
        change: |zip| {
            let mut bomb = RawEntry::deflated(&within("data/zeros"), b"");
            (bomb.size, bomb.local_size) = (600 << 20, 600 << 20);
            insert(zip, bomb);
        },
    },
    Case {
        name: "bomb: many files",
        check: Check::ZipLimits,
        change: |zip| {
            for number in 0..3 {
                let mut bomb = RawEntry::deflated(&within(&format!("data/zeros{number}")), b"");
                (bomb.size, bomb.local_size) = (500 << 20, 500 << 20);
                insert(zip, bomb);
            }
        },
    },
    // Lies in the packed data, found while unpacking.
    Case {
        name: "size lie: more than stated",
        check: Check::ZipContent,
        change: |zip| {
            let mut lie = RawEntry::deflated(&within(DOCUMENT), &vec![0; 50 << 20]);
            (lie.size, lie.local_size) = (7, 7);
            *zip.entry("vpc.vpcs.json") = lie;
        },
    },
    Case {
        name: "size lie: less than stated",
        check: Check::ZipContent,
        change: |zip| {
            let entry = zip.entry("vpc.vpcs.json");
            (entry.size, entry.local_size) = (entry.size + 1, entry.size + 1);
        },
    },
    Case {
        name: "wrong checksum",
        check: Check::ZipContent,
        change: |zip| {
            let entry = zip.entry("vpc.vpcs.json");
            (entry.crc, entry.local_crc) = (entry.crc ^ 1, entry.crc ^ 1);
        },
    },
    Case {
        name: "bytes behind the compressed data",
        check: Check::ZipContent,
        change: |zip| {
            let entry = zip.entry("vpc.vpcs.json");
            entry.packed.extend(b"hidden");
            entry.packed_size += 6;
        },
    },
    Case {
        name: "compressed data cut off",
        check: Check::ZipContent,
        change: |zip| {
            let entry = zip.entry("vpc.vpcs.json");
            entry.packed.truncate(entry.packed.len() - 4);
            entry.packed_size -= 4;
        },
    },
    Case {
        name: "stored data under method 8",
        check: Check::ZipContent,
        change: |zip| {
            let bytes = Run::complete().payload()[DOCUMENT].clone();
            let mut entry = RawEntry::stored(&within(DOCUMENT), &bytes);
            entry.method = 8;
            *zip.entry("vpc.vpcs.json") = entry;
        },
    },
    Case {
        name: "a bit that means nothing",
        check: Check::ZipContent,
        change: |zip| {
            // One stored block: three bits of header, five bits that no inflater looks at.
            let bytes = Run::complete().payload()[DOCUMENT].clone();
            let length = u16::try_from(bytes.len()).unwrap();
            let block = [&[1 | 0x80][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &bytes].concat();
            let entry = zip.entry("vpc.vpcs.json");
            (entry.packed_size, entry.packed) = (u32::try_from(block.len()).unwrap(), block);
        },
    },
    Case {
        name: "packed size beyond the file",
        check: Check::ZipLayout,
        change: |zip| {
            let last = zip.entries.last_mut().unwrap();
            last.packed_size += 1000;
        },
    },
];

#[test]
fn every_hostile_zip_is_refused_by_the_check_that_is_meant_for_it() {
    verify(genuine().bytes()).unwrap();
    let mut wrong = Vec::new();
    for case in CASES {
        let mut zip = genuine();
        (case.change)(&mut zip);
        let (check, message) = refusal(verify(zip.bytes()));
        if check != case.check {
            wrong.push(format!("{}: expected {}, got {message}", case.name, case.check));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(CASES.len() >= 27);
}

/// Files that nobody without the key can make pass, large where they are read before the signature is known.
fn unsigned_and_large() -> Vec<(&'static str, Check, Vec<u8>)> {
    let bomb = RawEntry::deflated("zeros", &vec![0; 400 << 20]);
    let with = |end: &str| {
        let (mut zip, mut bomb) = (genuine(), bomb.clone());
        bomb.rename(&zip.entry(end).name.clone());
        *zip.entry(end) = bomb;
        zip.bytes()
    };
    let names = |count: u32, name: &dyn Fn(u32) -> String| {
        let mut zip = genuine();
        let files = (0..count).map(|number| RawEntry::stored(&within(&name(number)), b""));
        zip.entries.extend(files);
        zip.entries.sort_by(|one, two| one.name.cmp(&two.name));
        zip.bytes()
    };
    vec![
        ("a tag manifest of 400 MB", Check::TagManifest, with("/tagmanifest-sha256.txt")),
        ("a signature of 400 MB", Check::Signature, with(".sig")),
        ("a README of 400 MB", Check::TagFiles, with("/README.txt")),
        ("a manifest of 400 MB", Check::TagFiles, with("/manifest-sha256.txt")),
        ("a document of 400 MB", Check::Payload, with("/vpc.vpcs.json")),
        (
            "as many files as are allowed, with long names",
            Check::FileSet,
            names(19_980, &|number| format!("data/{0}/{0}/{number:05}", "x".repeat(80))),
        ),
        ("one file more", Check::ZipLimits, names(20_000, &|number| format!("data/{number:05}"))),
    ]
}

#[test]
fn hostile_zip_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let changed = CASES.iter().map(|case| {
        let mut zip = genuine();
        (case.change)(&mut zip);
        (case.name, case.check, zip.bytes())
    });
    std::fs::write(folder.path().join("key.pem"), key(1).public().to_pem()).unwrap();
    let mut arguments = vec!["--key".to_owned(), "key.pem".to_owned(), "--json".to_owned()];
    let mut expected = Vec::new();
    for (number, (name, check, bytes)) in changed.chain(unsigned_and_large()).enumerate() {
        std::fs::create_dir(folder.path().join(number.to_string())).unwrap();
        std::fs::write(folder.path().join(format!("{number}/{ID}.zip")), bytes).unwrap();
        arguments.push(format!("{number}/{ID}.zip"));
        expected.push((name, check));
    }
    // One process for all of them, with no more address space than 64 MiB, its own code included.
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 65536 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_evidenced-verify")])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), expected.len());
    let mut wrong = Vec::new();
    for ((name, check), line) in expected.iter().zip(stdout.lines()) {
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let failed = checks.iter().find(|check| check["outcome"] == "failed");
        if failed.is_none_or(|failed| failed["name"] != check.name()) {
            wrong.push(format!("{name}: expected {check}, got {failed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_second_reader_accepts_most_of_them_so_it_is_not_the_guard() {
    let accepted = CASES.iter().filter(|case| {
        let mut zip = genuine();
        (case.change)(&mut zip);
        zip::ZipArchive::new(Cursor::new(zip.bytes()))
            .is_ok_and(|mut zip| zip.validate_header_consistency().is_ok())
    });
    assert!(accepted.count() > CASES.len() / 4);
}

#[test]
fn what_is_not_a_zip_is_refused() {
    for bytes in [
        Vec::new(),
        b"PK".to_vec(),
        vec![0; 22],
        vec![0; 100_000],
        b"not a zip, but longer than 22 bytes".to_vec(),
    ] {
        assert_eq!(refusal(verify(bytes)).0, Check::ZipEnd);
    }
    // The signature of the end record, and a comment that is stated and not there.
    for from_end in [22, 2] {
        let mut bytes = genuine().bytes();
        let place = bytes.len() - from_end;
        bytes[place] ^= 1;
        assert_eq!(refusal(verify(bytes)).0, Check::ZipEnd, "{from_end}");
    }
}

/// So many zeros, which are nowhere.
struct Zeros {
    length: u64,
    at: u64,
}

impl std::io::Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX).min(buffer.len());
        buffer[..left].fill(0);
        self.at += u64::try_from(left).unwrap();
        Ok(left)
    }
}

impl std::io::Seek for Zeros {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            std::io::SeekFrom::Start(at) => at,
            std::io::SeekFrom::End(_) => self.length,
            std::io::SeekFrom::Current(_) => self.at,
        };
        Ok(self.at)
    }
}

#[test]
fn a_zip_that_no_32_bits_can_describe_is_refused_unread() {
    for length in [1 << 32, u64::MAX] {
        let zeros = Zeros { length, at: 0 };
        let bundle = UntrustedBundle::open(zeros, &format!("{ID}.zip"), &Limits::default());
        assert_eq!(refusal(bundle.verify(&trusted())).0, Check::ZipLimits, "{length}");
    }
}

#[test]
fn more_cells_than_the_limit_are_refused() {
    // Four are planned, and a fifth has a row.
    for (cells, said) in [(3, "4 planned cells are more than the limit"), (4, "more rows than the limit")] {
        let limits = Limits { cells, ..Limits::default() };
        let zip = Cursor::new(genuine().bytes());
        let bundle = UntrustedBundle::open(zip, &format!("{ID}.zip"), &limits);
        let (check, message) = refusal(bundle.verify(&trusted()));
        assert_eq!(check, Check::Coverage);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn a_real_bomb_costs_no_memory_and_is_refused() {
    // 200 MB of zeros, honestly declared, under a limit that is smaller.
    let mut zip = genuine();
    insert(&mut zip, RawEntry::deflated(&within("data/zeros"), &vec![0; 200 << 20]));
    let limits = Limits { uncompressed_bytes: 100 << 20, ..Limits::default() };
    let bundle = UntrustedBundle::open(Cursor::new(zip.bytes()), &format!("{ID}.zip"), &limits);
    assert_eq!(refusal(bundle.verify(&trusted())).0, Check::ZipLimits);
}

#[test]
fn a_file_under_another_name_is_refused() {
    for name in ["evidence-prod-20261123T020000Z.zip", "bundle.zip", "EVIDENCE-PROD-20261122T020000Z.ZIP"] {
        assert_eq!(refusal(verify_named(genuine().bytes(), name)).0, Check::BagName, "{name}");
    }
}

#[test]
fn a_folder_under_another_name_is_refused() {
    for root in ["evidence-prod-20261123T020000Z", "bundle", "evidence-test-20261122T020000Z"] {
        let files = Run::complete().signed();
        let entries = files.iter().map(|(path, bytes)| RawEntry::deflated(&format!("{root}/{path}"), bytes));
        let bytes = Archive::new(entries).bytes();
        assert_eq!(refusal(verify(bytes)).0, Check::BagName, "{root}");
    }
}
