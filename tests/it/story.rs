//! An audit from the first day to the workpaper, with nothing but the program.

use std::fs;
use std::path::Path;

use crate::estate::{Estate, one_account};

/// An organisation and its auditor in one folder.
struct Story {
    estate: Estate,
    fingerprint: String,
}

impl Story {
    fn begin() -> Self {
        let estate = Estate::new(one_account(), "");
        estate.configure_log("");
        let mut story = Self { estate, fingerprint: String::new() };
        let (_, shown) = story.run("trust show --dir store/trust");
        let is_fingerprint = |word: &&str| word.len() == 64 && word.bytes().all(|it| it.is_ascii_hexdigit());
        shown.split_whitespace().find(is_fingerprint).unwrap().clone_into(&mut story.fingerprint);
        story
    }

    /// Exit code, and what is printed on both outputs.
    fn run(&self, line: &str) -> (i32, String) {
        let output = self.estate.command().args(line.split(' ')).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn collect(&self, day: u8) {
        let (code, text) = self.run(&format!("collect --slot 2026-11-{day:02}T02:00:00Z"));
        assert_eq!(code, 0, "{text}");
    }

    fn verify(&self, line: &str) -> (i32, String) {
        self.run(&format!("verify {line} --trust store/trust --root-fingerprint {}", self.fingerprint))
    }

    /// Genuine; that nobody dated it, and that it was collected late, is listed.
    fn genuine(&self, line: &str, says: &[&str]) -> String {
        let (code, text) = self.verify(line);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.starts_with("genuine, with exceptions: "), "{line}: {text}");
        for words in says {
            assert!(text.contains(words), "{line}: {words:?} is not in {text}");
        }
        text
    }

    /// Not genuine, for this reason.
    fn forged(&self, line: &str, says: &str) {
        let (code, text) = self.verify(line);
        assert_eq!(code, 5, "{line}: {text}");
        assert!(text.starts_with("NOT GENUINE: ") && text.contains(says), "{line}: {text}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn an_audit_from_the_first_day_to_the_workpaper() {
    let story = Story::begin();
    for day in 1..=3 {
        story.collect(day);
    }
    // The first audit keeps a checkpoint.
    let first = "store --from 2026-11-01 --to 2026-11-03 --save-checkpoint kept";
    story.genuine(first, &["assurance     signed, logged\n", "3 of 3 slots sequenced, 3 opened"]);
    let (code, text) = story.verify(first);
    assert!(code == 2 && text.contains("is never overwritten"), "{text}");

    // The next one begins there, and says so.
    story.collect(4);
    let week = "--from 2026-11-01 --to 2026-11-04";
    let pinned = format!("store {week} --pin kept --workpaper paper.txt");
    let says = ["signed, logged, pinned", "4 of 4 slots sequenced, 4 opened", "pinned        3 leaves"];
    story.genuine(&pinned, &says);
    let paper = fs::read_to_string(story.estate.path("paper.txt")).unwrap();
    let inputs = ["kept", "store/trust/root-v1.dsse.json", "log/checkpoint", "T020000Z.zip.sigstore.json"];
    for words in inputs.into_iter().chain([story.fingerprint.as_str(), "slot-coverage        passed"]) {
        assert!(paper.contains(words), "{words:?} is not in {paper}");
    }

    // What was agreed, and what was not kept.
    let agreed = "schedule = \"0 2 * * *\"\nitems = [\"vpc.vpcs\", \"vpc.security-groups\"]\n";
    fs::write(story.estate.path("agreed.toml"), agreed).unwrap();
    let expected = format!("store {week} --expect agreed.toml");
    story.genuine(&expected, &["not as agreed", "item vpc.security-groups", "in 4 bundles from"]);

    // The same in one file, and a sample of it, which does not claim what it has not.
    for (line, name) in [("--name week", "week"), ("--name sample --days 2026-11-02", "sample")] {
        let (code, text) = story.run(&format!("period build {week} {line} --output test-{name}.zip"));
        assert_eq!(code, 0, "{text}");
    }
    story.genuine(&format!("test-week.zip {week} --pin kept"), &["4 of 4 slots sequenced, 4 opened"]);
    let sampled = format!("test-sample.zip {week} --pin kept");
    let says =
        ["4 of 4 slots sequenced, 1 opened", "left out of this sample", "but for zips that a sample leaves"];
    story.genuine(&sampled, &says);

    // Every bundle alone, as a shell expands it.
    let zip = |day: u8| format!("store/bundles/2026/11/{day:02}/evidence-test-202611{day:02}T020000Z.zip");
    let alone = [zip(1), zip(2), zip(4)].join(" ") + " --undated";
    let text = story.genuine(&alone, &["together: 3 bundles", "not given     leaves 2\n"]);
    assert_eq!(text.matches("genuine, with exceptions: ").count(), 3);

    // A fingerprint that nobody published: nothing is verified with it.
    let wrong = format!("verify store {week} --trust store/trust --root-fingerprint {}", "0".repeat(64));
    let (code, text) = story.run(&wrong);
    assert!(code == 2 && text.contains("pinned is 000000"), "{text}");
    // A day before the first.
    story.forged(
        "store --from 2026-10-31 --to 2026-11-04",
        "verify --from 2026-11-01 if collecting began then",
    );
    // A day that was taken away; with what the log says of it, too.
    let taken = story.estate.path("taken");
    copy(&story.estate.path("store"), &taken);
    fs::remove_dir_all(taken.join("bundles/2026/11/02")).unwrap();
    story.forged(&format!("taken {week}"), "20261102T020000Z.zip is missing, and beside it .sigstore.json");
    for newest in
        ["log/checkpoints/4", "log/tile/0/000.p/4", "log/tile/entries/000.p/4", "bundles/2026/11/04"]
    {
        let path = taken.join(newest);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    story.forged(&format!("taken {week}"), "every leaf that the newest checkpoint counts is there");
}
