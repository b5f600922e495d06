//! Hostile files beside a genuine zip, and hostile trust roots: each is refused for its named check by the binary,
//! which may not have more than 64 MiB of memory for all of them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use evidenced_bundle::Check;
use evidenced_bundle::trust::file_name;
use serde_json::Value;

use crate::scene::{last, root_files};

/// What is longer than any limit, without taking room on the disk.
const ENDLESS: u64 = 300 << 20;

enum Content {
    Bytes(Vec<u8>),
    Zeros(u64),
}

struct Case {
    name: &'static str,
    suffix: &'static str,
    content: Content,
    check: Check,
}

/// The binary with no more address space than 64 MiB, of which its own code is a part.
fn limited(folder: &Path, arguments: &[String]) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v 65536 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_evidenced-verify")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn statements() -> Vec<Case> {
    let good = String::from_utf8(last().sidecars.sigstore.unwrap()).unwrap();
    let replaced = |old: &str, new: &str| {
        let changed = good.replacen(old, new, 1);
        assert_ne!(changed, good, "{old}");
        changed.into_bytes()
    };
    let token = "\"rfc3161Timestamps\":[";
    let many = vec!["{\"signedTimestamp\":\"\"}"; 8_000].join(",");
    let case =
        |name, check, bytes| Case { name, suffix: ".sigstore.json", content: Content::Bytes(bytes), check };
    let form = |name, bytes| case(name, Check::StatementForm, bytes);
    vec![
        form("lists a hundred thousand deep", vec![b'['; 100_000]),
        form("objects forty thousand deep", "{\"a\":".repeat(40_000).into_bytes()),
        form(
            "lists in an unknown member",
            replaced("{\"mediaType\"", &format!("{{\"x\":{},\"mediaType\"", "[".repeat(99_000))),
        ),
        form("a member twice", replaced("\"dsseEnvelope\":", "\"dsseEnvelope\":{},\"dsseEnvelope\":")),
        form("a payload twice", replaced("\"payload\":", "\"payload\":\"e30=\",\"payload\":")),
        form(
            "a member that is not known",
            replaced("\"payloadType\":", "\"payloadtype\":\"\",\"payloadType\":"),
        ),
        form("an entry of a log", replaced("\"tlogEntries\":[]", "\"tlogEntries\":[{}]")),
        form("no signature", replaced("\"signatures\":[", "\"signatures\":[],\"x\":[")),
        form(
            "two signatures",
            replaced("\"signatures\":[", "\"signatures\":[{\"sig\":\"\",\"keyid\":\"\"},"),
        ),
        form("another type of payload", replaced("application/vnd.in-toto+json", "application/json")),
        form("base64 for addresses", replaced("\"payload\":\"", "\"payload\":\"-_-_")),
        form("base64 with a line feed", replaced("\"payload\":\"", "\"payload\":\"\\n")),
        form("base64 with padding within", replaced("\"payload\":\"", "\"payload\":\"AA==")),
        form("an escape for a letter", replaced("\"payload\":\"e", "\"payload\":\"\\u0065")),
        form("half a character", replaced("\"keyid\":\"", "\"keyid\":\"\\ud800")),
        form("a mark of byte order", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        form(
            "bytes that are no text",
            [&good.as_bytes()[..20], b"\xff\xfe", &good.as_bytes()[20..]].concat(),
        ),
        form("a space in front", format!(" {good}").into_bytes()),
        form("a second document behind", format!("{good}{good}").into_bytes()),
        form("a number of many digits", vec![b'9'; 200_000]),
        form("nothing", Vec::new()),
        case("eight thousand tokens", Check::Tokens, replaced(token, &format!("{token}{many}"))),
        Case { content: Content::Zeros(ENDLESS), ..form("zeros without end", Vec::new()) },
    ]
}

fn proofs() -> Vec<Case> {
    let good = String::from_utf8(last().sidecars.proof.unwrap()).unwrap();
    let case = |name, check, text: String| Case {
        name,
        suffix: ".tlog-proof",
        content: Content::Bytes(text.into_bytes()),
        check,
    };
    let hash = format!("{}=\n", "A".repeat(43));
    let head = "c2sp.org/tlog-proof@v1\nindex 2\n";
    let (_, checkpoint) = good.split_once("\n\n").unwrap();
    let line = checkpoint.lines().last().unwrap();
    let number = |number: &str| good.replace("index 2\n", &format!("index {number}\n"));
    vec![
        case(
            "a hundred thousand hashes",
            Check::LogProof,
            format!("{head}{}\n{checkpoint}", hash.repeat(100_000)),
        ),
        case(
            "as many hashes as its limit holds",
            Check::LogProof,
            format!("{head}{}\n{checkpoint}", hash.repeat(2_900)),
        ),
        case("sixty-four hashes", Check::Inclusion, format!("{head}{}\n{checkpoint}", hash.repeat(64))),
        case("a line without end", Check::LogProof, format!("{head}{}", "A".repeat(130_000))),
        case("lines without text", Check::LogProof, "\n".repeat(131_072)),
        case("the largest number", Check::LogProof, number("18446744073709551615")),
        case("a number beyond", Check::LogProof, number("18446744073709551616")),
        case("a number of many digits", Check::LogProof, number(&"9".repeat(100_000))),
        case("a negative number", Check::LogProof, number("-1")),
        case("signatures of a thousand strangers", Check::LogProof, {
            let stranger = line.replace("evidence.example.com/prod", "stranger.example.com");
            format!("{good}{}", format!("{stranger}\n").repeat(600))
        }),
        case("a size beyond numbers", Check::Checkpoint, good.replace("\n3\n", "\n18446744073709551616\n")),
        case(
            "a size that is not signed",
            Check::Checkpoint,
            good.replace("\n3\n", "\n18446744073709551615\n"),
        ),
        case("a control character", Check::LogProof, good.replace("index 2\n", "index 2\n\u{1b}[2J\n")),
        Case {
            content: Content::Zeros(ENDLESS),
            ..case("zeros without end", Check::LogProof, String::new())
        },
    ]
}

fn ssh_signatures() -> Vec<Case> {
    let good = String::from_utf8(last().sidecars.sshsig.unwrap()).unwrap();
    let case = |name, text: String| Case {
        name,
        suffix: ".sshsig",
        content: Content::Bytes(text.into_bytes()),
        check: Check::SshSignature,
    };
    vec![
        case("one long line", good.replacen('\n', "\u{0}", 1).replace('\n', "")),
        case("base64 without end", format!("-----BEGIN SSH SIGNATURE-----\n{}", "A".repeat(4_000))),
        case("two signatures", format!("{good}{good}")),
        case("carriage returns", good.replace('\n', "\r\n")),
        Case { content: Content::Zeros(ENDLESS), ..case("zeros without end", String::new()) },
    ]
}

/// DER of a sequence around `content`, as often as asked.
fn nested(times: usize) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut length = 0_usize;
    for _ in 0..times {
        let [.., high, middle, low] = length.to_be_bytes();
        let head = match length {
            0..0x80 => vec![low, 0x30],
            0x80..0x100 => vec![low, 0x81, 0x30],
            0x100..0x1_0000 => vec![low, middle, 0x82, 0x30],
            _ => vec![low, middle, high, 0x83, 0x30],
        };
        length += head.len();
        heads.extend(head);
    }
    heads.reverse();
    heads
}

fn tokens() -> Vec<Case> {
    let good = last().sidecars.tsr.unwrap();
    let case =
        |name, bytes| Case { name, suffix: ".tsr", content: Content::Bytes(bytes), check: Check::Tokens };
    let granted = [0x30, 3, 2, 1, 0];
    let around = |content: &[u8]| {
        let [.., high, low] = (granted.len() + content.len()).to_be_bytes();
        [&[0x30, 0x82, high, low][..], &granted, content].concat()
    };
    vec![
        case("sequences fifteen thousand deep", nested(15_000)),
        case("sequences deep in an answer", around(&nested(14_000))),
        case("a length of 2^64 - 1", [&[0x30, 0x88][..], &[0xff; 8]].concat()),
        case("a length of 2^31 - 1", [&[0x30, 0x84, 0x7f][..], &[0xff; 3]].concat()),
        case("a length of 126 bytes", [&[0x30, 0xfe][..], &[0xff; 126]].concat()),
        case("no stated length", [&[0x30, 0x80][..], &[0; 60_000]].concat()),
        case(
            "an object identifier without end",
            around(&[&[6, 0x82, 0xea, 0x60][..], &[0xff; 60_000]].concat()),
        ),
        case("an integer of many bytes", around(&[&[2, 0x82, 0xea, 0x60][..], &[0x7f; 60_000]].concat())),
        case("a second answer behind", [good.clone(), good.clone()].concat()),
        case("zeros up to the limit", vec![0; 64 << 10]),
        case("beyond the limit", [good.clone(), vec![0; 64 << 10]].concat()),
        case("text", b"-----BEGIN PKCS7-----\n".to_vec()),
        Case { content: Content::Zeros(ENDLESS), ..case("zeros without end", Vec::new()) },
    ]
}

fn write(path: &Path, content: &Content) {
    match content {
        Content::Bytes(bytes) => fs::write(path, bytes).unwrap(),
        Content::Zeros(length) => File::create(path).unwrap().set_len(*length).unwrap(),
    }
}

fn trust(folder: &Path) -> Vec<String> {
    let (files, fingerprint) = root_files(|_| {});
    fs::create_dir(folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    ["--trust", "trust", "--root-fingerprint", &fingerprint.to_string()].map(str::to_owned).to_vec()
}

#[test]
fn hostile_sidecars_are_refused_by_name_within_64_mib() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = trust(&folder.path().join("trust"));
    arguments.push("--json".to_owned());
    let cases: Vec<_> = [statements(), proofs(), ssh_signatures(), tokens()].into_iter().flatten().collect();
    let good = last();
    for (number, case) in cases.iter().enumerate() {
        let place = folder.path().join(number.to_string());
        fs::create_dir(&place).unwrap();
        fs::write(place.join(&good.name), &good.zip).unwrap();
        for (suffix, bytes) in good.sidecars.files() {
            fs::write(place.join(format!("{}{suffix}", good.name)), bytes).unwrap();
        }
        let path = place.join(format!("{}{}", good.name, case.suffix));
        assert!(path.exists(), "{}", case.suffix);
        write(&path, &case.content);
        arguments.push(format!("{number}/{}", good.name));
    }
    let output = limited(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), cases.len());
    let mut wrong = Vec::new();
    for (case, line) in cases.iter().zip(stdout.lines()) {
        let report: Value = serde_json::from_str(line).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let failed = checks.iter().find(|check| check["outcome"] == "failed");
        if report["verdict"] != "not-genuine"
            || failed.is_none_or(|failed| failed["name"] != case.check.name())
        {
            wrong.push(format!("{} {}: expected {}, got {failed:?}", case.suffix, case.name, case.check));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_trust_roots_are_refused_by_name_within_64_mib() {
    let folder = tempfile::tempdir().unwrap();
    let good = last();
    fs::write(folder.path().join(&good.name), &good.zip).unwrap();
    let (files, _) = root_files(|_| {});
    let root = String::from_utf8(files[&file_name(1)].clone()).unwrap();
    let some = |text: String| Content::Bytes(text.into_bytes());
    let file = file_name(1);
    let derived = files.keys().find(|name| name.starts_with("trusted_root")).unwrap().clone();
    let key = "evidence-a.pub.pem".to_owned();
    for (name, file, content, said) in [
        ("lists a hundred thousand deep", &file, some("[".repeat(100_000)), "not a trust root"),
        (
            "objects in a member",
            &file,
            some(format!("{{\"payload\":{}", "{\"a\":".repeat(20_000))),
            "not a trust root",
        ),
        (
            "a member twice",
            &file,
            some(root.replacen("\"payload\":", "\"payload\":\"\",\"payload\":", 1)),
            "not a trust root",
        ),
        (
            "a thousand signatures",
            &file,
            some(root.replacen(
                "\"signatures\":[",
                &format!("\"signatures\":[{}", "{\"keyid\":\"\",\"sig\":\"\"},".repeat(1_000)),
                1,
            )),
            "not a trust root",
        ),
        (
            "base64 up to the limit",
            &file,
            some(format!("{{\"payload\":\"{}", "A".repeat(120_000))),
            "not a trust root",
        ),
        ("zeros without end", &file, Content::Zeros(ENDLESS), "too long"),
        ("a derived file without end", &derived, Content::Zeros(ENDLESS), "too long"),
        ("a key without end", &key, Content::Zeros(ENDLESS), "too long"),
        ("a key of many lines", &key, some("-----BEGIN PUBLIC KEY-----\n".repeat(9_000)), "digest"),
    ] {
        let place = folder.path().join("trust");
        let mut arguments = trust(&place);
        write(&place.join(file), &content);
        arguments.push(good.name.clone());
        let output = limited(folder.path(), &arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(matches!(output.status.code(), Some(2 | 5)), "{name}: {:?} {stderr}", output.status);
        assert!(stderr.contains(said) || stdout.contains(said), "{name}: {stdout}{stderr}");
        fs::remove_dir_all(&place).unwrap();
    }
}

/// What else may lie where a file should, and how it is made.
type Maker<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn a_sidecar_that_cannot_be_read_is_not_one_that_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = trust(&folder.path().join("trust"));
    let good = last();
    fs::write(folder.path().join(&good.name), &good.zip).unwrap();
    arguments.push(good.name.clone());
    for suffix in [".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"] {
        for (suffix, bytes) in good.sidecars.files() {
            fs::write(folder.path().join(format!("{}{suffix}", good.name)), bytes).unwrap();
        }
        let path = folder.path().join(format!("{}{suffix}", good.name));
        let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let itself = |path: &Path| std::os::unix::fs::symlink(path, path).unwrap();
        let inside = |path: &Path| fs::create_dir(path).unwrap();
        let makers: [Maker; 3] = [("a pipe", &pipe), ("a link to itself", &itself), ("a folder", &inside)];
        for (what, make) in makers {
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            make(&path);
            let output = limited(folder.path(), &arguments);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(2), "{what} as {suffix}: {said}");
            assert!(!said.contains("is missing") && !said.contains("absent"), "{what} as {suffix}: {said}");
        }
        fs::remove_dir(&path).unwrap();
    }
}
