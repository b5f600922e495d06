//! The binary under a trust root: verdicts, what is said, and the workpaper.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use evidenced_bundle::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::scene::{Bundle, DAYS, EVIDENCE, THIEF, key, last, later, root_files, slot, token};
use crate::tsa::ONE;

/// A folder with the three days, their sidecars, the trust root in `trust`, and public keys.
struct Desk {
    folder: TempDir,
    fingerprint: String,
}

impl Desk {
    fn new() -> Self {
        let (files, fingerprint) = root_files(|_| {});
        let desk = Self { folder: tempfile::tempdir().unwrap(), fingerprint: fingerprint.to_string() };
        fs::create_dir(desk.path("trust")).unwrap();
        for (name, bytes) in files {
            fs::write(desk.path("trust").join(name), bytes).unwrap();
        }
        for (name, number) in [("key.pem", EVIDENCE), ("other.pem", THIEF)] {
            fs::write(desk.path(name), key(number).public().to_pem()).unwrap();
        }
        DAYS.iter().for_each(|day| desk.put(day));
        desk
    }

    fn put(&self, bundle: &Bundle) {
        fs::write(self.path(&bundle.name), &bundle.zip).unwrap();
        for (suffix, bytes) in bundle.sidecars.files() {
            fs::write(self.path(&format!("{}{suffix}", bundle.name)), bytes).unwrap();
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_evidenced-verify"))
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Code and text under the trust root.
    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        let root = ["--trust", "trust", "--root-fingerprint", &self.fingerprint];
        let output = self.run(&[arguments, &root].concat());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// What standard error says of arguments that lead to nothing.
    fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn name(day: usize) -> &'static str {
    DAYS[day].name.as_str()
}

#[test]
fn a_bundle_with_everything_beside_it_is_signed_dated_and_logged() {
    let desk = Desk::new();
    let (code, text) = desk.verify(&[name(2)]);
    let id = key(EVIDENCE).public().id().to_string();
    assert_eq!(code, 0, "{text}");
    let first = format!("genuine: {}\n  assurance     signed, dated, logged, by key {id}\n", name(2));
    assert!(text.starts_with(&first), "{text}");
    for line in [
        &format!("  dated         {}\n", later(slot(2), 42)),
        "  log           number 2 of evidence.example.com/prod, root ",
        "     1  the keys are those of the trust root whose fingerprint was given from outside\n",
        "     4  it existed at the time that a pinned timestamp authority gives, while the key counted\n",
        "     7  the statement is in the log, at its number\n",
        "  not checked   whether other bundles were left out, and whether AWS was asked the right questions",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // The file of the version leads to the same folder.
    let root = ["--trust=trust/root-v1.dsse.json", &format!("--root-fingerprint={}", desk.fingerprint)];
    assert_eq!(desk.run(&[&[name(2)][..], &root].concat()).status.code(), Some(0));
}

#[test]
fn late_and_undated_are_exceptions_and_undated_only_when_accepted() {
    let desk = Desk::new();
    let tsr = desk.path(&format!("{}.tsr", name(2)));
    fs::write(&tsr, token(&ONE, &last().zip, later(slot(2), 90_000))).unwrap();
    let (code, text) = desk.verify(&[name(2)]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("  exceptions    1\n    late: dated "), "{text}");
    fs::remove_file(&tsr).unwrap();
    let (code, text) = desk.verify(&[name(2)]);
    assert_eq!(code, 2, "{text}");
    let says =
        format!("could not tell: {0}\n  because       step 4 (tokens): {0}.tsr: is not there", name(2));
    assert!(text.starts_with(&says), "{text}");
    let (code, text) = desk.verify(&[name(2), "--undated"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("  assurance     signed, logged, by key "), "{text}");
    assert!(text.contains("    undated: no timestamp says when it was signed\n"), "{text}");
    assert!(
        text.contains("  not checked   when it was signed, whether other bundles were left out"),
        "{text}"
    );
    assert!(!text.contains("pinned timestamp authority"), "nothing is proved of a date: {text}");
}

#[test]
fn a_missing_sidecar_is_could_not_tell_and_a_forged_one_is_not_genuine() {
    let desk = Desk::new();
    for suffix in [".sigstore.json", ".tlog-proof", ".sshsig"] {
        let file = desk.path(&format!("{}{suffix}", name(1)));
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        for options in [&[name(1)][..], &[name(1), "--undated"]] {
            let (code, text) = desk.verify(options);
            assert_eq!(code, 2, "{text}");
            assert!(text.contains(&format!("{}{suffix}: is not there", name(1))), "{text}");
        }
        fs::write(&file, fs::read(desk.path(&format!("{}{suffix}", name(2)))).unwrap()).unwrap();
        let (code, text) = desk.verify(&[name(1)]);
        assert_eq!((code, text.starts_with("NOT GENUINE: ")), (5, true), "{text}");
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(desk.verify(&[name(0), name(1), name(2)]).0, 0);
}

#[test]
fn a_lone_zip_under_a_trust_root_needs_its_sidecars_and_under_a_key_does_not() {
    let desk = Desk::new();
    fs::create_dir(desk.path("lone")).unwrap();
    fs::copy(desk.path(name(0)), desk.path("lone").join(name(0))).unwrap();
    let lone = format!("lone/{}", name(0));
    assert_eq!(desk.verify(&[&lone]).0, 2);
    let output = desk.run(&[&lone, "--key", "key.pem"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("  assurance     signed, by key "), "{text}");
    assert!(
        text.contains("  not checked   when it was signed, whether other bundles were left out, and "),
        "{text}"
    );
    // Beside its sidecars a key goes as far as it can, and says how far that is.
    let output = desk.run(&[name(0), "--key", "key.pem"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("     3  a trusted key signed that statement\n"), "{text}");
    assert!(
        text.contains("  not checked   .tlog-proof and .tsr beside it (they need a trust root: --trust), "),
        "{text}"
    );
    assert_eq!(desk.run(&[name(0), "--key", "other.pem"]).status.code(), Some(5));
}

#[test]
fn an_unpacked_folder_has_no_date_and_no_log() {
    let desk = Desk::new();
    let unzip = Command::new("unzip").args(["-q", name(0)]).current_dir(desk.folder.path()).output().unwrap();
    assert!(unzip.status.success());
    let folder = name(0).strip_suffix(".zip").unwrap();
    let (code, text) = desk.verify(&[folder]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("verify the zip, or the folder with --key"), "{text}");
    assert_eq!(desk.run(&[folder, "--key", "key.pem"]).status.code(), Some(0));
}

#[test]
fn nothing_is_verified_without_an_anchor_from_outside() {
    let desk = Desk::new();
    let wrong = Digest::of(b"another").to_string();
    let fingerprint = desk.fingerprint.as_str();
    let upper = fingerprint.to_uppercase();
    for (arguments, says) in [
        (&["--trust", "trust"][..], "--trust needs --root-fingerprint"),
        (&["--trust", "trust", "--root-fingerprint", &wrong], "pinned is"),
        (&["--trust", "trust", "--root-fingerprint", "12"], "is not 64 lower-case hexadecimal digits"),
        (&["--trust", "trust", "--root-fingerprint", &upper], "is not 64 lower-case hexadecimal digits"),
        (
            &["--trust", "nowhere", "--root-fingerprint", fingerprint],
            "is neither a folder, nor a file root-v<number>.dsse.json, nor a period bundle",
        ),
        (
            &["--trust", "key.pem", "--root-fingerprint", fingerprint],
            "is neither a folder, nor a file root-v<number>.dsse.json, nor a period bundle",
        ),
        (&["--trust", "trust/root-v2.dsse.json", "--root-fingerprint", fingerprint], "ends at version 1"),
        (
            &["--trust", "trust", "--root-fingerprint", fingerprint, "--trust-version", "2"],
            "ends at version 1",
        ),
        (
            &["--trust", "trust", "--root-fingerprint", fingerprint, "--key", "key.pem"],
            "a trust root brings its keys",
        ),
        (
            &["--trust", "trust", "--trust", "trust", "--root-fingerprint", fingerprint],
            "--trust is given twice",
        ),
        (&["--key", "key.pem", "--undated"], "need --trust"),
        (&["--key", "key.pem", "--root-fingerprint", fingerprint], "need --trust"),
        (&["--trust-version", "x"], "--trust-version needs a number"),
        (&["--undated=yes"], "unknown option --undated=yes"),
        (&["--key="], "--key needs a file"),
        (&[], "no key is given"),
    ] {
        let text = desk.error(&[&[name(0)][..], arguments].concat());
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
    let text = desk.error(&[name(0), "--trust", "trust"]);
    assert!(text.contains("hint: the organisation prints it with `evidenced trust show`"), "{text}");
}

#[test]
fn a_trust_root_that_was_changed_is_refused() {
    let desk = Desk::new();
    let fingerprint = desk.fingerprint.as_str();
    let arguments = [name(0), "--trust", "trust", "--root-fingerprint", fingerprint];
    for (file, says) in [
        ("root-v1.dsse.json", "trust root trust is refused"),
        ("evidence-a.pub.pem", "has another digest than the trust root states"),
        ("tsa-root.pem", "has another digest than the trust root states"),
    ] {
        let path = desk.path("trust").join(file);
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(desk.error(&arguments).contains(says), "{file}");
        fs::write(&path, good).unwrap();
    }
    assert_eq!(desk.run(&arguments).status.code(), Some(0));
}

#[test]
fn json_names_date_place_and_inputs() {
    let desk = Desk::new();
    let (code, text) = desk.verify(&["--json", name(2)]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["assurance"]), (0, &"signed, dated, logged".into()));
    assert_eq!(report["dated"], later(slot(2), 42).to_string());
    assert_eq!(
        (&report["log"]["origin"], &report["log"]["index"]),
        (&"evidence.example.com/prod".into(), &2.into())
    );
    let inputs = report["inputs"].as_array().unwrap();
    let (zip, digest) = (&inputs[0], Digest::of(&last().zip).to_string());
    assert_eq!((&zip["path"], &zip["sha256"]), (&name(2).into(), &digest.into()));
    assert_eq!(inputs.len(), 5);
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["outcome"] == "passed"), "{checks:?}");
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names[..10],
        [
            "trust-root",
            "statement-form",
            "statement-signature",
            "tokens",
            "statement",
            "zip-digest",
            "log-proof",
            "checkpoint",
            "inclusion",
            "ssh-signature"
        ]
    );
    assert!(names.contains(&"stated-manifest") && names.contains(&"run-statement"));
}

fn lines(paper: &str) -> Vec<&str> {
    paper.lines().collect()
}

#[test]
fn a_workpaper_names_inputs_steps_result_verifier_and_time() {
    let desk = Desk::new();
    let (code, _) = desk.verify(&[name(1), name(2), "--workpaper", "paper.txt"]);
    assert_eq!(code, 0);
    let paper = fs::read_to_string(desk.path("paper.txt")).unwrap();
    let all = lines(&paper);
    for line in [
        "result        genuine (exit code 0)".to_owned(),
        "assurance     signed, dated, logged (of all)".to_owned(),
        format!("verifier      evidenced-verify {}", env!("CARGO_PKG_VERSION")),
        format!("trusted       trust root: version 1, fingerprint {}", desk.fingerprint),
        "verified      2 of 2 paths genuine".to_owned(),
    ] {
        assert!(all.contains(&line.as_str()), "{line} in {paper}");
    }
    assert!(all.iter().any(|line| line.starts_with("verified at   20") && line.ends_with('Z')), "{paper}");
    // Every file that was read, with its digest and length.
    let mut read: Vec<String> = fs::read_dir(desk.path("trust"))
        .unwrap()
        .map(|entry| format!("trust/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    for day in [1, 2] {
        read.push(name(day).to_owned());
        read.extend(
            [".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"]
                .map(|suffix| format!("{}{suffix}", name(day))),
        );
    }
    for path in read {
        let bytes = fs::read(desk.path(&path)).unwrap();
        let line = format!("{}  {:>12}  {path}", Digest::of(&bytes), bytes.len());
        assert!(all.contains(&line.as_str()), "{line} in {paper}");
    }
    let step = |text: &str| all.iter().filter(|line| line.starts_with(text)).count();
    assert_eq!(
        (step("   4  tokens               passed"), step("  10  run-statement        passed")),
        (2, 2),
        "{paper}"
    );
    // Verified again, it is the same but for the time.
    let again = desk.verify(&[name(1), name(2), "--workpaper", "again.txt"]);
    assert_eq!(again.0, 0);
    let again = fs::read_to_string(desk.path("again.txt")).unwrap();
    let other: Vec<_> = lines(&again).into_iter().filter(|line| !line.starts_with("verified at")).collect();
    assert_eq!(other, all.into_iter().filter(|line| !line.starts_with("verified at")).collect::<Vec<_>>());
}

#[test]
fn a_workpaper_of_a_refusal_says_which_step_failed() {
    let desk = Desk::new();
    let mut forged = last();
    forged.zip.push(0);
    desk.put(&forged);
    let (code, _) = desk.verify(&[name(1), name(2), "--workpaper=paper.txt"]);
    assert_eq!(code, 5);
    let paper = fs::read_to_string(desk.path("paper.txt")).unwrap();
    for part in [
        "result        NOT GENUINE (exit code 5)\nassurance     none (of all)\n",
        "verified      1 of 2 paths genuine\n",
        "   6  zip-digest           FAILED   the whole zip, to the last byte, is the one that the statement names\n",
        "   8  zip-end              not run  ",
        &format!("{}  {:>12}  {}\n", Digest::of(&forged.zip), forged.zip.len(), name(2)),
    ] {
        assert!(paper.contains(part), "{part} in {paper}");
    }
}

#[test]
fn a_workpaper_is_never_overwritten() {
    let desk = Desk::new();
    fs::write(desk.path("paper.txt"), "kept").unwrap();
    for path in ["paper.txt", "no/such/folder"] {
        let root = ["--trust", "trust", "--root-fingerprint", &desk.fingerprint, "--workpaper", path];
        let output = desk.run(&[&[name(0)][..], &root].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&format!("workpaper {path} cannot be written")), "{text}");
    }
    assert_eq!(fs::read(desk.path("paper.txt")).unwrap(), b"kept");
    assert!(!Path::new("no").exists());
}
