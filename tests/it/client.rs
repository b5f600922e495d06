//! What the compliance team does with a store: list, download, status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use simcloud::{Effect, Fault};

use crate::bucket::Bucket;
use crate::estate::Estate;
use crate::publish::{bundle, collected, due, fingerprint, with_log};

const DAY: i64 = 86_400;

fn run(estate: &Estate, arguments: &[&str]) -> (i32, String) {
    let output: Output = estate.command().args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

fn json(estate: &Estate, arguments: &[&str]) -> (i32, Value) {
    let output = estate.command().args(arguments).args(["--output", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), value)
}

/// Every file below a folder, with its path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn date(unix: i64) -> String {
    evidenced_bundle::UtcSecond::from_unix(unix).unwrap().date()
}

fn quarter(unix: i64) -> String {
    let date = date(unix);
    let month: u32 = date[5..7].parse().unwrap();
    format!("{}-Q{}", &date[..4], month.div_ceil(3))
}

#[test]
fn the_list_is_that_of_the_log_with_the_missed_slot_in_it() {
    let estate = with_log();
    collected(&estate, due() - 2 * DAY);
    let last = collected(&estate, due());
    let (code, list) = json(&estate, &["list"]);
    assert_eq!(code, 0);
    let rows = list["bundles"].as_array().unwrap();
    let statuses: Vec<_> = rows.iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["complete", "missed", "complete"]);
    let row = &rows[2];
    assert_eq!((&row["id"], &row["sha256"], &row["bytes"]), (&last["id"], &last["sha256"], &last["bytes"]));
    assert_eq!((&row["logIndex"], &row["gaps"], &row["date"]), (&2.into(), &0.into(), &"no".into()));
    assert_eq!(list["rootFingerprint"], fingerprint(&estate));
    assert_eq!((&list["notLogged"], list["log"]["size"].as_u64()), (&Value::Array(Vec::new()), Some(3)));
    let day = date(due());
    let (_, one) = json(&estate, &["list", "--from", &day, "--to", &day]);
    assert_eq!(one["bundles"].as_array().unwrap().len(), 1);
    let (code, text) = run(&estate, &["list"]);
    assert_eq!(code, 0, "{text}");
    let line = text.lines().find(|line| line.contains(last["id"].as_str().unwrap())).unwrap();
    assert!(line.contains("complete") && line.contains(" kB "), "{text}");
    assert!(text.contains("3 of 3 bundles in the log evidence.example.com/test"), "{text}");
}

#[test]
fn names_and_pages_of_a_hostile_store_are_shown_safely() {
    let estate = with_log();
    collected(&estate, due());
    let zip = bundle(&estate, due());
    let folder = zip.parent().unwrap();
    fs::write(folder.join("evidence-test-\u{1b}[2J\u{202e}.zip"), "x").unwrap();
    fs::create_dir_all(estate.path("store/status")).unwrap();
    let id = zip.file_stem().unwrap().to_str().unwrap();
    let page = |bundles: &str, scope: &str| {
        format!(
            "{{\"scope\":\"{scope}\",\"schedule\":\"\u{1b}\",\"version\":\"\",\"writtenAt\":\"\\u001b]0;x\",\
             \"nextSlot\":\"\",\"bundles\":[{bundles}]}}"
        )
    };
    let lie = format!("{{\"id\":\"{id}\",\"status\":\"complete\",\"sha256\":\"00\",\"gaps\":7}}");
    for (page, note) in [
        ("\u{1b}[2Jnot a page".to_owned(), "is no status page"),
        (page("", "test").replace('\u{1b}', ""), "is older than the log"),
        (page(&lie, "test").replace('\u{1b}', ""), "says of"),
        (page("", "other").replace('\u{1b}', ""), "another scope"),
        ("[".repeat(200_000), "is no status page"),
    ] {
        fs::write(estate.path("store/status/test.json"), page).unwrap();
        for arguments in [&["status"][..], &["list"], &["status", "--output", "json"]] {
            let (code, text) = run(&estate, arguments);
            assert_eq!(code, 0, "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
            assert!(arguments[0] == "list" || text.contains(note), "{note}: {text}");
        }
    }
    let (_, list) = run(&estate, &["list"]);
    assert!(list.contains("is in no leaf of the log") && list.contains("u{1b}"), "{list}");
    // What the page says of other bytes is not what is said of these.
    assert_eq!(json(&estate, &["list"]).1["bundles"][0]["gaps"], 0);
}

#[test]
fn status_tells_good_from_missed_from_overdue() {
    let estate = with_log();
    collected(&estate, due() - 4 * DAY);
    let (code, overdue) = json(&estate, &["status"]);
    assert_eq!((code, overdue["next"]["due"].as_str()), (5, Some("overdue")));
    assert!(overdue["lastSuccessSeconds"].as_i64().unwrap() < DAY, "{overdue}");
    let (_, text) = run(&estate, &["status"]);
    assert!(text.contains("OVERDUE") && text.contains("has no bundle"), "{text}");
    assert!(text.contains("no status page"), "{text}");
    collected(&estate, due());
    let (code, missed) = json(&estate, &["status"]);
    assert_eq!((code, missed["slots"].as_array().unwrap().len()), (4, 5));
    let (code, good) = json(&estate, &["status", "--last", "1"]);
    assert_eq!((code, good["slots"][0]["status"].as_str()), (0, Some("complete")));
    fs::remove_file(bundle(&estate, due())).unwrap();
    let (code, text) = run(&estate, &["status", "--last", "1"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("NOT THERE"), "{text}");
}

#[test]
fn a_bundle_is_downloaded_with_what_lies_beside_it_and_verified() {
    let estate = with_log();
    collected(&estate, due());
    let zip = bundle(&estate, due());
    let (code, text) = run(&estate, &["download", &date(due()), "--to", "got"]);
    // The trust root has no timestamp authority: undated is an exception.
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("4 file(s) fetched"), "{text}");
    let (code, text) = run(&estate, &["download", &date(due()), "--to", "got", "--undated"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("0 file(s) fetched") && text.contains("4 there already"), "{text}");
    assert!(text.contains("signed, logged"), "{text}");
    for file in files(&estate.path("got")) {
        let there = zip.parent().unwrap().join(file.file_name().unwrap());
        assert_eq!(fs::read(&file).unwrap(), fs::read(there).unwrap());
    }
    assert_eq!(files(&estate.path("got")).len(), 4);
}

#[test]
fn a_quarter_arrives_as_a_store_and_goes_on_where_it_was_interrupted() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    collected(&estate, due());
    let quarter = quarter(due());
    let arguments = ["download", &quarter, "--to", "got", "--undated"];
    let (code, text) = run(&estate, &arguments);
    // The quarter is not over, and began before the log: the verifier of the folder says the same.
    assert!(text.contains("step 11") || text.contains("slot-coverage"), "{text}");
    let verified = |folder: &str| {
        let print = fingerprint(&estate);
        let trust = ["--trust", "store/trust", "--root-fingerprint", &print];
        let all = [&["verify", folder, "--undated"][..], &trust, &["--quarter", &quarter]].concat();
        run(&estate, &all).0
    };
    assert_eq!((code, code), (verified("store"), verified("got")), "{text}");
    let (days, print) = (date(due() - DAY), fingerprint(&estate));
    let days = ["--from", &days, "--to", &date(due())];
    let trust = ["verify", "got", "--trust", "got/trust", "--root-fingerprint", &print];
    let (code, text) = run(&estate, &[&trust[..], &days].concat());
    assert_eq!(code, 4, "{text}");
    let all = files(&estate.path("got"));
    // Interrupted: one zip is gone, of another there is half a file under a name of its own.
    let zips: Vec<_> = all.iter().filter(|path| path.extension().is_some_and(|it| it == "zip")).collect();
    fs::remove_file(zips[0]).unwrap();
    let half = zips[1].with_file_name(format!(".{}.partial", zips[1].file_name().unwrap().to_str().unwrap()));
    fs::rename(zips[1], &half).unwrap();
    fs::OpenOptions::new().write(true).open(&half).unwrap().set_len(100).unwrap();
    let (_, text) = run(&estate, &arguments);
    assert!(text.contains("2 file(s) fetched"), "{text}");
    assert_eq!(files(&estate.path("got")), all);
    // A log that grew since is the newest state, and the old files stay as they are.
    estate.command().arg("collect").output().unwrap();
    let (_, text) = run(&estate, &arguments);
    assert!(text.contains("3 bundle(s)"), "{text}");
    assert_eq!(
        fs::read(estate.path("got/log/checkpoint")).unwrap(),
        fs::read(estate.path("store/log/checkpoint")).unwrap()
    );
}

#[test]
fn a_zip_that_is_not_the_signed_one_is_refused_and_not_kept() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    collected(&estate, due());
    let cut = bundle(&estate, due() - DAY);
    let whole = fs::read(&cut).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (number, bytes) in [&whole[..whole.len() / 2], b"", &flipped].into_iter().enumerate() {
        fs::write(&cut, bytes).unwrap();
        let to = format!("got-{number}");
        let (code, text) = run(&estate, &["download", &date(due() - DAY), "--to", &to]);
        assert_eq!(code, 5, "{text}");
        assert!(text.contains("REFUSED") && text.contains("it is not what was signed"), "{text}");
        assert!(files(&estate.path(&to)).is_empty());
    }
    fs::remove_file(&cut).unwrap();
    // The others of a quarter arrive all the same.
    let (code, text) = run(&estate, &["download", &quarter(due()), "--to", "got", "--undated"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("1 bundle(s) in got") && text.contains("is not in the store"), "{text}");
}

#[test]
fn nothing_in_the_folder_is_overwritten() {
    let estate = with_log();
    collected(&estate, due());
    let zip = bundle(&estate, due());
    let mine = estate.path("got").join(zip.file_name().unwrap());
    fs::create_dir(estate.path("got")).unwrap();
    fs::write(&mine, "mine").unwrap();
    let (code, text) = run(&estate, &["download", &date(due()), "--to", "got"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("is there already, with other bytes"), "{text}");
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
}

#[test]
fn a_log_that_is_not_genuine_shows_nothing() {
    let estate = with_log();
    collected(&estate, due());
    let (code, text) = run(&estate, &["download", "2001-01-01"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("the log has no bundle of 2001-01-01"), "{text}");
    let tile = estate.path("store/log/tile/entries/000.p/1");
    let leaves = fs::read(&tile).unwrap();
    let changed = String::from_utf8_lossy(&leaves).replace("complete", "mutilate");
    fs::write(&tile, changed).unwrap();
    for arguments in [&["list"][..], &["status"], &["download", &date(due())]] {
        let (code, text) = run(&estate, arguments);
        assert_eq!(code, 5, "{text}");
        assert!(text.contains("the log of the store is refused"), "{text}");
    }
    fs::write(&tile, leaves).unwrap();
    let print = "00".repeat(32);
    let (code, text) = run(&estate, &["list", "--trust", "store/trust", "--root-fingerprint", &print]);
    assert_eq!(code, 2, "{text}");
    estate.write_configuration("other", "trust_root = \"store/trust\"\n", "");
    let (code, text) = run(&estate, &["list"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("the store is that of scope test, not of other"), "{text}");
    estate.configure("");
    let (code, text) = run(&estate, &["status"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("no trust root is named"), "{text}");
    fs::remove_dir_all(estate.path("store/log")).unwrap();
    estate.configure_log("");
    let (code, text) = run(&estate, &["list"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("has no log"), "{text}");
}

#[test]
fn a_bucket_is_read_like_a_folder_and_a_cut_connection_leaves_no_half_file() {
    let estate = with_log();
    collected(&estate, due() - DAY);
    collected(&estate, due());
    let (_, folder) = json(&estate, &["list"]);
    let bucket = Bucket::over(estate.path("store"));
    let configuration = estate.path("evidenced.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace("url = \"file:store\"", &bucket.table())).unwrap();
    let (code, list) = json(&estate, &["list"]);
    assert_eq!((code, &list["bundles"]), (0, &folder["bundles"]));
    assert_eq!(json(&estate, &["status"]).0, 0);
    assert_eq!(bucket.zips_fetched(), 0);
    let arguments = ["download", &quarter(due()), "--to", "got", "--undated"];
    bucket.cut_zips(500);
    let (code, text) = run(&estate, &arguments);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("store cannot fetch") && text.contains("run it again"), "{text}");
    let named = |path: &PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    assert!(!files(&estate.path("got")).iter().any(named));
    bucket.cut_zips(u64::MAX);
    bucket.zips_fetched();
    run(&estate, &arguments);
    assert_eq!(bucket.zips_fetched(), 2);
    for file in files(&estate.path("got")) {
        let there = estate.path("store").join(file.strip_prefix(estate.path("got")).unwrap());
        assert_eq!(fs::read(&file).unwrap(), fs::read(there).unwrap(), "{}", file.display());
    }
    run(&estate, &arguments);
    assert_eq!(bucket.zips_fetched(), 0);
}

#[test]
fn the_parts_of_a_run_come_with_it_each_held_against_the_signed_list() {
    let estate = Estate::new(simcloud::Config { accounts: 3, ..simcloud::Config::default() }, "");
    let log = "log_key = \"file:keys/log.key.pem\"\ntrust_root = \"store/trust\"\n";
    estate.write_configuration("test", log, "[bundle]\nmax_entries = 60\n");
    collected(&estate, due());
    let folder = bundle(&estate, due()).parent().unwrap().to_owned();
    let (_, list) = json(&estate, &["list"]);
    assert_eq!(list["bundles"][0]["parts"], 3);
    assert_eq!(list["notLogged"], Value::Array(Vec::new()));
    let (code, text) = run(&estate, &["download", &date(due()), "--to", "got", "--undated"]);
    assert_eq!(code, 4, "{text}");
    assert_eq!(files(&estate.path("got")).len(), 7);
    let part = files(&folder).into_iter().find(|path| path.to_str().unwrap().contains(".part-0002")).unwrap();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() - 1]).unwrap();
    let (code, text) = run(&estate, &["download", &date(due()), "--to", "other", "--undated"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("part-0002.zip has sha256"), "{text}");
    assert!(!estate.path("other").join(part.file_name().unwrap()).exists());
}

#[test]
fn gaps_are_counted_by_the_page_only_where_it_speaks_of_the_same_bytes() {
    let fault = Fault::on("ec2", "DescribeVpcs", Effect::AccessDenied { scp: false });
    let config = simcloud::Config { faults: vec![fault], ..simcloud::Config::default() };
    let estate = Estate::new(config, "");
    estate.configure_log("");
    let output = crate::publish::collect(&estate, due());
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["status"], "partial");
    let (code, before) = json(&estate, &["status"]);
    assert_eq!((code, &before["slots"][0]["gaps"]), (4, &Value::Null));
    let (_, text) = self::run(&estate, &["list"]);
    assert!(text.lines().any(|line| line.contains("partial") && line.contains("some")), "{text}");
    fs::create_dir_all(estate.path("store/status")).unwrap();
    let zeros = Value::from("00".repeat(32));
    for (sha256, index, gaps, notes) in [
        (&run["sha256"], 0, Value::from(3), 0),
        (&zeros, 0, Value::Null, 1),
        (&run["sha256"], 7, Value::from(3), 1),
    ] {
        let page = serde_json::json!({
            "scope": "test", "schedule": "0 2 * * *", "version": "0", "writtenAt": "2026-11-22T02:00:00Z",
            "nextSlot": "2026-11-23T02:00:00Z",
            "bundles": [{ "id": run["id"], "status": "partial", "logIndex": index, "sha256": sha256, "gaps": 3 }],
        });
        fs::write(estate.path("store/status/test.json"), page.to_string()).unwrap();
        let (code, after) = json(&estate, &["status"]);
        assert_eq!((code, &after["slots"][0]["gaps"]), (4, &gaps));
        assert_eq!(after["notes"].as_array().unwrap().len(), notes, "{after}");
    }
}

#[test]
fn a_log_of_extra_runs_says_that_no_slot_has_a_bundle() {
    let estate = with_log();
    assert!(estate.command().arg("collect").output().unwrap().status.success());
    let (code, status) = json(&estate, &["status"]);
    assert_eq!((code, status["next"]["due"].as_str()), (0, Some("later")));
    assert!(status["notes"][0].as_str().unwrap().contains("no slot has a bundle"), "{status}");
}
