//! Commands that show what is in a bundle, or judge it: only what is genuine, and whom they believed is said.

use std::fs;
use std::path::Path;

use crate::estate::{Estate, Run, one_account};
use crate::verdicts::sealed_again;

const KEY: [&str; 2] = ["--key", "keys/evidence.pub.pem"];

/// Exit code, standard output, standard error.
fn run(estate: &Estate, arguments: &[&str]) -> (i32, String, String) {
    let output = estate.command().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn collected() -> (Estate, Run) {
    let estate = Estate::new(one_account(), "items = [\"vpc.vpcs\"]");
    let run = estate.collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    (estate, run)
}

fn report(estate: &Estate, bundle: &Path, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["report", bundle.to_str().unwrap(), "-o", "r.html"], more].concat();
    run(estate, &arguments)
}

#[test]
fn a_report_is_the_one_of_its_bundle_and_names_the_key_that_signed_it() {
    let (estate, mut collected) = collected();
    let page = collected.read("data/report.html");
    let key = collected.bundle.key_id().to_string();
    assert_eq!(collected.json("data/run.json")["evidenceKeyId"], key);
    let (code, said, why) = report(&estate, &collected.path, &KEY);
    assert_eq!(code, 0, "{why}");
    assert!(said.starts_with("r.html  "), "{said}");
    assert!(
        why.contains("genuine, signed by") && why.contains("believed: key keys/evidence.pub.pem"),
        "{why}"
    );
    assert!(fs::read(estate.path("r.html")).unwrap() == page);
    assert!(String::from_utf8(page).unwrap().contains(&key));
}

#[test]
fn nothing_is_written_of_a_bundle_that_is_not_genuine() {
    let (estate, collected) = collected();
    let genuine = fs::read(&collected.path).unwrap();
    let mut tampered = genuine.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    fs::write(&collected.path, tampered).unwrap();
    let bundle = collected.path.to_str().unwrap();
    for command in [
        &["report", bundle, "-o", "r.html"][..],
        &["evaluate", bundle],
        &["export", bundle, "--format", "csv", "--to", "tables"],
        &["exceptions", "--bundle", bundle],
        &["diff", bundle, bundle],
    ] {
        let (code, said, why) = run(&estate, &[command, &KEY].concat());
        assert_eq!((code, said.as_str()), (5, ""), "{command:?}: {why}");
        assert!(why.contains("NOT GENUINE"), "{command:?}: {why}");
    }
    assert!(!estate.path("r.html").exists() && !estate.path("tables").exists());

    // Genuine, and signed by somebody else.
    fs::write(&collected.path, genuine).unwrap();
    let (code, _, why) = report(&estate, &collected.path, &["--key", "keys/log.pub.pem"]);
    assert_eq!(code, 5, "{why}");
    assert!(why.contains("step 9 (signature)") && why.contains("of no given key"), "{why}");
    assert!(!estate.path("r.html").exists());
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let (estate, collected) = collected();
    fs::write(estate.path("r.html"), "mine").unwrap();
    let (code, _, why) = report(&estate, &collected.path, &KEY);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("r.html: is there already") && why.contains("hint: name another file"), "{why}");
    assert_eq!(fs::read_to_string(estate.path("r.html")).unwrap(), "mine");
}

#[test]
fn a_bundle_without_verdicts_has_no_report_and_says_so() {
    let (estate, mut collected) = collected();
    sealed_again(&estate, &mut collected, |files| {
        files.retain(|path, _| !path.starts_with("data/report") && !path.starts_with("data/findings"));
        files.remove("data/checks.json");
    });
    let (code, _, why) = report(&estate, &collected.path, &KEY);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("holds no data/report.html: nothing was judged in it"), "{why}");
    assert!(!estate.path("r.html").exists());
    let bundle = collected.path.to_str().unwrap();
    for command in [
        &["export", bundle, "--format", "ocsf", "--to", "-"][..],
        &["exceptions", "--bundle", bundle],
        &["verify", bundle, "--reperform"],
    ] {
        let (code, _, why) = run(&estate, &[command, &KEY].concat());
        assert_eq!(code, 2, "{command:?}: {why}");
    }
}

#[test]
fn a_run_that_names_another_key_is_refused_though_it_is_signed() {
    let (estate, mut collected) = collected();
    let run_json = collected.json("data/run.json");
    sealed_again(&estate, &mut collected, |files| {
        let mut lie = run_json.clone();
        lie["evidenceKeyId"] = "0".repeat(64).into();
        files.insert("data/run.json".into(), format!("{lie}\n").into_bytes());
    });
    let bundle = collected.path.to_str().unwrap();
    let (code, said, _) = run(&estate, &[&["verify", bundle], &KEY[..]].concat());
    assert!(code == 5 && said.contains("run-identity") && said.contains("evidenceKeyId"), "{said}");
    let (code, _, why) = report(&estate, &collected.path, &KEY);
    assert_eq!(code, 5, "{why}");
}

#[test]
fn a_run_that_states_other_policies_is_refused_though_it_is_signed() {
    let (estate, mut collected) = collected();
    sealed_again(&estate, &mut collected, |files| {
        let text = files.get_mut("data/policies/lib/net.rego").unwrap();
        text.extend_from_slice(b"# weaker\n");
    });
    let bundle = collected.path.to_str().unwrap();
    let (code, said, _) = run(&estate, &[&["verify", bundle], &KEY[..]].concat());
    assert!(
        code == 5 && said.contains("run-policies") && said.contains("collector.policiesDigest is"),
        "{said}"
    );
}

#[test]
fn whom_to_believe_is_said_in_one_way_by_all_commands() {
    let (estate, collected) = collected();
    let bundle = collected.path.to_str().unwrap();
    let commands: [&[&str]; 5] = [
        &["report", bundle, "-o", "-"],
        &["evaluate", bundle],
        &["export", bundle, "--format", "ocsf", "--to", "-"],
        &["exceptions", "--bundle", bundle],
        &["diff", bundle, bundle],
    ];
    for command in commands {
        let (code, said, why) = run(&estate, command);
        assert_eq!((code, said.as_str()), (2, ""), "{command:?}: {why}");
        assert!(why.contains("evidenced.toml names no [signing] trust_root"), "{command:?}: {why}");
        assert!(why.contains("hint: give --key FILE, or --trust DIR"), "{command:?}: {why}");
        let help = run(&estate, &[command[0], "--help"]).1;
        for words in ["Trust root that you trust", "The configuration", "got by another way than the bundle"]
        {
            assert!(help.contains(words), "{command:?}: {help}");
        }
    }
    // The trust root of the configuration; the bundle has sidecars then.
    fs::remove_dir_all(estate.path("store/bundles")).unwrap();
    estate.configure_log("");
    let logged = estate.collect();
    assert_eq!(logged.code, 0, "{}", logged.stderr());
    let bundle = logged.path.to_str().unwrap();
    for command in [
        &["report", bundle, "-o", "-"][..],
        &["evaluate", bundle],
        &["export", bundle, "--format", "ocsf", "--to", "-"],
        &["exceptions", "--bundle", bundle],
        &["diff", bundle, bundle],
    ] {
        let (code, said, why) = run(&estate, command);
        assert!(code == 0 && !said.is_empty(), "{command:?}: {code} {why}");
        assert!(
            why.contains("undated, logged; believed: the trust root that evidenced.toml names, version 1"),
            "{why}"
        );
    }
}

#[test]
fn a_store_and_a_period_are_reperformed_bundle_by_bundle() {
    let estate = Estate::new(one_account(), "");
    estate.configure_log("");
    for slot in ["2026-11-01T02:00:00Z", "2026-11-03T02:00:00Z"] {
        let (code, _, why) = run(&estate, &["collect", "--slot", slot]);
        assert!(code == 0 || code == 4, "{why}");
    }
    let shown = run(&estate, &["trust", "show", "--dir", "store/trust"]).1;
    let fingerprint = shown.split_whitespace().find(|word| word.len() == 64).unwrap();
    let trust = ["--trust", "store/trust", "--root-fingerprint", fingerprint, "--undated", "--reperform"];
    let (code, said, why) = run(&estate, &[&["verify", "store"], &trust[..]].concat());
    assert_eq!(code, 4, "{said}{why}");
    for slot in ["20261101", "20261103"] {
        assert!(said.contains(&format!("re-performed: evidence-test-{slot}T020000Z")), "{said}");
    }
    assert!(
        said.contains("evidence-test-20261102T020000Z: could not be re-performed: there was no run"),
        "{said}"
    );
    // The days that were asked for, and no others.
    let days = ["--from", "2026-11-01", "--to", "2026-11-01"];
    let (_, said, why) = run(&estate, &[&["verify", "store"], &trust[..], &days].concat());
    assert!(said.contains("re-performed: evidence-test-20261101"), "{said}{why}");
    assert!(!said.contains("re-performed: evidence-test-20261103"), "{said}");

    let build = ["period", "build", "--from", "2026-11-01", "--to", "2026-11-02", "--name", "first"];
    let (code, _, why) = run(&estate, &build);
    assert_eq!(code, 0, "{why}");
    let (code, said, why) = run(&estate, &[&["verify", "store/periods/test-first.zip"], &trust[..]].concat());
    assert_eq!(code, 4, "{said}{why}");
    assert!(said.contains("re-performed: evidence-test-20261101T020000Z"), "{said}");
}

#[test]
fn a_store_has_no_report_and_the_hint_names_a_bundle() {
    let estate = Estate::new(one_account(), "");
    estate.configure_log("");
    assert_eq!(estate.collect().code, 0);
    let (code, _, why) = report(&estate, &estate.path("store"), &KEY);
    assert_eq!(code, 2, "{why}");
    assert!(
        why.contains("is a store or a period bundle") && why.contains("hint: name a bundle of it"),
        "{why}"
    );
}

#[test]
fn exceptions_are_held_against_a_bundle_that_never_knew_them() {
    let estate = Estate::new(one_account(), "items = [\"vpc.security-groups\"]");
    let mut collected = estate.collect();
    let csv = String::from_utf8(collected.read("data/findings.csv")).unwrap();
    let failing = csv.lines().find(|line| line.contains("sg_no_ssh_from_internet") && line.contains("fail"));
    let at = failing.unwrap().find("sg-0").unwrap();
    let named = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
    let group: String = failing.unwrap()[at..].chars().take_while(named).collect();
    let exception = |id: &str, check: &str, resource: &str, expires: &str| {
        format!(
            "[[exceptions]]\nid = \"{id}\"\ncheck = \"{check}\"\nresource = \"{resource}\"\nreason = \"known\"\n\
             owner = \"a\"\napprover = \"b\"\napproved_at = \"2020-01-01\"\n{expires}"
        )
    };
    let known = fs::read_to_string(estate.path("evidenced.toml")).unwrap();
    let write = |more: &str| fs::write(estate.path("evidenced.toml"), format!("{known}{more}")).unwrap();
    let ends = "expires = \"2099-12-31\"\n";
    let ssh = "sg_no_ssh_from_internet";
    write(&[exception("EX-1", ssh, &group, ends), exception("EX-2", ssh, "sg-none", "")].concat());
    let arguments = [&["exceptions", "--bundle", collected.path.to_str().unwrap()], &KEY[..]].concat();
    let (code, said, why) = run(&estate, &arguments);
    assert_eq!(code, 4, "{said}{why}");
    assert!(said.contains("covers 1 failure(s) of 1 matching row(s)"), "{said}");
    assert!(said.contains("never ends; owner a") && said.contains("! orphaned: no resource"), "{said}");
    // The bundle does not hold it: nothing can be said of since when one does.
    assert!(!said.contains("claimed"), "{said}");

    write(&exception("EX-3", "sg_no_shh", &group, ends));
    let (code, _, why) = run(&estate, &arguments);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("exceptions[0].check: \"sg_no_shh\" is no check"), "{why}");
}
