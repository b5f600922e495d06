//! Verdicts of runs: in the bundle, re-performed from its evidence, compared with the bundle before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use evidenced_bundle::seal::Content;
use evidenced_bundle::{Draft, EvidenceKey, Limits, prepare};
use serde_json::Value;

use crate::estate::{Estate, Run, one_account};

fn estate() -> Estate {
    Estate::new(one_account(), "")
}

/// Exit code, and what is printed on both outputs.
fn run(estate: &Estate, arguments: &[&str]) -> (i32, String) {
    let output = estate.command().args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

fn reperform(estate: &Estate, bundle: &Path) -> (i32, String) {
    let bundle = bundle.to_str().unwrap();
    run(estate, &["verify", bundle, "--key", "keys/evidence.pub.pem", "--reperform"])
}

fn add(estate: &Estate, text: &str) {
    let path = estate.path("evidenced.toml");
    let known = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{known}{text}")).unwrap();
}

fn paths(run: &Run) -> Vec<String> {
    run.bundle.manifest().files().keys().map(|path| path.as_str().to_owned()).collect()
}

/// A file of findings that holds a failure, and its text.
fn failing(run: &mut Run) -> (String, String) {
    let findings: Vec<String> =
        paths(run).into_iter().filter(|path| path.starts_with("data/findings/")).collect();
    let texts = findings.into_iter().map(|path| {
        let text = String::from_utf8(run.read(&path)).unwrap();
        (path, text)
    });
    texts.into_iter().find(|(_, text)| text.contains("\"verdict\":\"fail\"")).unwrap()
}

/// The same bundle with other files, signed by the holder of the key.
pub(crate) fn sealed_again(estate: &Estate, run: &mut Run, change: impl Fn(&mut BTreeMap<String, Vec<u8>>)) {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for path in paths(run) {
        let bytes = run.read(&path);
        files.insert(path, bytes);
    }
    change(&mut files);
    let (id, info) = (run.bundle.id().clone(), run.bundle.info().clone());
    let content = |(path, bytes): (String, Vec<u8>)| {
        (evidenced_bundle::BundlePath::new(path).unwrap(), Content::Bytes(bytes))
    };
    let draft = Draft {
        scope: id.scope().clone(),
        slot: id.slot(),
        organisation: info.organisation,
        agent: info.agent,
        bagging_date: info.bagging_date,
        files: files.into_iter().map(content).collect(),
        id,
    };
    let key = EvidenceKey::from_pem(&fs::read_to_string(estate.path("keys/evidence.key.pem")).unwrap());
    let key = key.unwrap();
    let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let mut zip = std::io::Cursor::new(Vec::new());
    unsigned.seal(signature, key.public(), &mut zip).unwrap();
    fs::remove_file(&run.path).unwrap();
    fs::write(&run.path, zip.into_inner()).unwrap();
}

#[test]
fn a_run_holds_its_verdicts_and_anyone_gets_the_same_from_its_evidence() {
    let estate = estate();
    let mut run = estate.collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    let stdout = String::from_utf8_lossy(&run.output.stdout).into_owned();
    assert!(stdout.contains("  verdicts   ") && stdout.contains(" fail, "), "{stdout}");
    assert!(stdout.contains("  findings   worst first:"), "{stdout}");
    let there = paths(&run);
    for path in [
        "data/checks.json",
        "data/exceptions.json",
        "data/changes.json",
        "data/findings.csv",
        "data/population.csv",
        "data/coverage.csv",
        "data/report.html",
        "data/policies/sg_no_ssh_from_internet.rego",
        "data/policies/lib/net.rego",
    ] {
        assert!(there.iter().any(|it| it == path), "{path} is not in {there:?}");
    }
    assert!(!there.iter().any(|path| path == "data/not-made.json"), "{there:?}");
    // The digest of the policies is that of their lines in the manifest.
    let manifest = String::from_utf8(run.bundle.manifest().print()).unwrap();
    let lines = manifest.lines().filter(|line| line[66..].starts_with("data/policies/"));
    let listing = lines.fold(String::new(), |all, line| all + line + "\n");
    let digest = evidenced_bundle::Digest::of(listing.as_bytes()).to_string();
    assert_eq!(run.json("data/run.json")["collector"]["policiesDigest"]["sha256"], digest);
    let changes = run.json("data/changes.json");
    assert_eq!(
        (&changes["previous"], &changes["reason"]),
        (&Value::Null, &"there is no bundle before this one".into())
    );

    let (code, text) = reperform(&estate, &run.path);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("re-performed: ") && text.contains("regorus "), "{text}");
}

#[test]
fn findings_that_the_holder_of_the_key_altered_are_named() {
    let estate = estate();
    let mut run = estate.collect();
    let (path, text) = failing(&mut run);
    let altered = text.replacen("\"verdict\":\"fail\"", "\"verdict\":\"pass\"", 1);
    sealed_again(&estate, &mut run, |files| {
        files.insert(path.clone(), altered.clone().into_bytes());
    });
    let bundle = run.path.to_str().unwrap();
    // The signature is good: only the evidence can tell.
    assert_eq!(self::run(&estate, &["verify", bundle, "--key", "keys/evidence.pub.pem"]).0, 0);
    let (code, text) = reperform(&estate, &run.path);
    assert_eq!(code, 5, "{text}");
    assert!(
        text.contains("NOT RE-PERFORMED") && text.contains("the findings say pass, its evidence gives fail"),
        "{text}"
    );

    // A place without findings, and parameters that were not in force.
    sealed_again(&estate, &mut run, |files| {
        files.remove(&path);
    });
    let (code, text) = reperform(&estate, &run.path);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains(&format!("{path}: is not in the bundle")), "{text}");
}

#[test]
fn other_parameters_over_the_same_evidence_give_other_verdicts() {
    let estate = estate();
    let run = estate.collect();
    let bundle = run.path.to_str().unwrap();
    let evaluate = |more: &[&str]| {
        let arguments = [&["evaluate", bundle, "--key", "keys/evidence.pub.pem"], more].concat();
        self::run(&estate, &arguments)
    };
    let (code, text) = evaluate(&["--fail-on", "fail"]);
    assert_eq!(code, 3, "{text}");
    fs::write(estate.path("params.toml"), "[acm_not_expiring]\ndays = 1\n").unwrap();
    let (code, text) = evaluate(&["--params", "params.toml"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("checks.params.acm_not_expiring.days: is no parameter of the check"), "{text}");
    let (code, text) = evaluate(&["--print-input", "sg_no_ssh_from_internet"]);
    assert_eq!(code, 0, "{text}");
    // Whom it believed is said on the other output.
    let lines = text.lines().filter(|line| !line.contains("; believed: key keys/evidence.pub.pem"));
    let inputs: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!inputs.is_empty() && inputs.iter().all(|input| input["documents"].is_object()), "{text}");
    let (code, text) = evaluate(&["--print-input", "sg_no_ssh"]);
    assert!(code == 2 && text.contains("is no check"), "{text}");
}

#[test]
fn mistakes_in_checks_come_at_once_with_file_line_and_key() {
    let estate = estate();
    fs::create_dir(estate.path("mine")).unwrap();
    fs::write(estate.path("mine/my_check.rego"), "package evidenced.checks.other\n").unwrap();
    add(
        &estate,
        "[checks]\npolicies_dir = \"mine\"\n[checks.params.sg_no_ssh]\nports = [22]\n\
         [checks.params.sg_only_authorised_ports]\ntcp = \"443\"\n",
    );
    let lines = fs::read_to_string(estate.path("evidenced.toml")).unwrap().lines().count();
    for arguments in [["config", "check"].as_slice(), &["collect"]] {
        let (code, text) = run(&estate, arguments);
        assert_eq!(code, 2, "{text}");
        for said in [
            format!("evidenced.toml:{}: checks.params.sg_no_ssh: is no check", lines - 3),
            format!(
                "evidenced.toml:{lines}: checks.params.sg_only_authorised_ports.tcp: expected a list of ports"
            ),
            "mine/my_check.rego: expected the line \"package evidenced.checks.my_check\"".to_owned(),
            "mine/my_check.rego:1: no METADATA".to_owned(),
        ] {
            assert!(text.contains(&said), "{said} is not in {text}");
        }
    }
}

#[test]
fn mistakes_of_the_configuration_and_of_its_checks_come_at_once() {
    let estate = estate();
    fs::create_dir(estate.path("mine")).unwrap();
    fs::write(estate.path("mine/my_check.rego"), "package evidenced.checks.other\n").unwrap();
    let text = fs::read_to_string(estate.path("evidenced.toml")).unwrap();
    let text = text.replace("schedule = \"0 2 * * *\"", "schedule = \"daily\"\ncolour = \"red\"");
    fs::write(estate.path("evidenced.toml"), text).unwrap();
    add(
        &estate,
        "[checks]\nprofile = \"strict\"\npolicies_dir = \"mine\"\n\
         [checks.params.sg_only_authorised_ports]\ntcp = \"443\"\n\
         [[exceptions]]\nid = \"EX-1\"\ncheck = \"sg_no_shh\"\nresource = \"sg-1\"\nreason = \"known\"\n\
         owner = \"a\"\napprover = \"b\"\napproved_at = \"yesterday\"\n",
    );
    let lines = fs::read_to_string(estate.path("evidenced.toml")).unwrap().lines().count();
    let (code, text) = run(&estate, &["config", "check"]);
    assert_eq!(code, 2, "{text}");
    let at = |line: usize| format!("evidenced.toml:{line}: ");
    for said in [
        at(3) + "schedule = \"daily\"",
        at(4) + "colour",
        at(lines - 11) + "checks.profile",
        at(lines - 8) + "checks.params.sg_only_authorised_ports.tcp: expected a list of ports",
        at(lines - 5) + "exceptions[0].check: \"sg_no_shh\" is no check",
        at(lines) + "exceptions[0].approved_at",
        "mine/my_check.rego:1: no METADATA".to_owned(),
    ] {
        assert!(text.contains(&said), "{said} is not in {text}");
    }
    assert!(text.contains("8 problem(s)"), "{text}");
}

const MINE: &str = "# METADATA
# title: Every VPC has a name of ours
# description: VPCs are looked at
# custom:
#   version: 1
#   scope: region
#   severity: low
#   criteria: [CC6.6]
#   inputs:
#     vpc.vpcs:
#       DescribeVpcs: [Vpcs.VpcId]
#   remediation: Give it one
#   references: []
package evidenced.checks.NAME

import rego.v1

subjects contains vpc.VpcId if {
\tsome document in input.documents
\tsome call in document.calls
\tsome vpc in call.output.Vpcs
}

";

#[test]
fn a_policy_that_takes_all_memory_is_a_row_and_the_others_are_judged() {
    let estate = estate();
    fs::create_dir(estate.path("mine")).unwrap();
    let calm = "findings contains finding if {\n\tsome id in subjects\n\tfinding := {\"subject\": id, \"status\": \"fail\", \"reason\": \"no name\"}\n}\n";
    let greedy = "findings contains finding if {\n\tall := numbers.range(1, 100000000)\n\tfinding := {\"subject\": \"x\", \"status\": \"fail\", \"reason\": format_int(count(all), 10)}\n}\n";
    for (name, body) in [("calm", calm), ("greedy", greedy)] {
        let text = format!("{}{body}", MINE.replace("NAME", name));
        fs::write(estate.path(&format!("mine/{name}.rego")), text).unwrap();
    }
    add(&estate, "[checks]\npolicies_dir = \"mine\"\n");
    let mut run = estate.collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    let csv = String::from_utf8(run.read("data/findings.csv")).unwrap();
    assert!(csv.lines().any(|line| line.contains(",calm,") && line.contains(",fail,")), "{csv}");
    assert!(csv.contains("the policy ended its process"), "{csv}");
    assert!(csv.lines().any(|line| line.contains("sg_no_ssh_from_internet")), "{csv}");
}

#[test]
fn an_exception_covers_its_failure_and_the_next_bundle_says_what_turned() {
    let estate = estate();
    let mut first = estate.collect();
    let (path, text) = failing(&mut first);
    let line = text.lines().find(|line| line.contains("\"verdict\":\"fail\"")).unwrap();
    let row: Value = serde_json::from_str(line.trim_end_matches(',')).unwrap();
    let check = text.split(line).next().unwrap().rsplit("\"check\":\"").next().unwrap();
    let (check, resource) = (check.split('"').next().unwrap(), row["resource"].as_str().unwrap());
    add(
        &estate,
        &format!(
            "[[exceptions]]\nid = \"EX-1\"\ncheck = \"{check}\"\nresource = \"{resource}\"\nreason = \"known\"\n\
             owner = \"a\"\napprover = \"b\"\napproved_at = \"2020-01-01\"\nexpires = \"2099-12-31\"\n"
        ),
    );
    // Extra runs are named by their second.
    let mut second = loop {
        let run = estate.collect();
        if run.path != first.path {
            break run;
        }
    };
    let text = String::from_utf8(second.read(&path)).unwrap();
    assert!(text.contains("\"verdict\":\"excepted\",\"raw\":\"fail\",\"exception\":\"EX-1\""), "{text}");
    let states = second.json("data/exceptions.json");
    assert_eq!(states["exceptions"][0]["state"], "live");
    assert_eq!(states["exceptions"][0]["flags"], serde_json::json!(["claimed"]));
    let changes = second.json("data/changes.json");
    let sha256 = evidenced_bundle::Digest::of(&fs::read(&first.path).unwrap()).to_string();
    assert_eq!(changes["previous"]["sha256"], sha256, "{changes}");
    assert_eq!(changes["turned"][0]["causes"], serde_json::json!(["exception"]), "{changes}");
    assert_eq!(
        (&changes["estate"]["changed"], &changes["policy"]["changed"]),
        (&false.into(), &false.into())
    );
    assert_eq!(reperform(&estate, &second.path).0, 0);

    // Without what the spool keeps, the bundle before is read from the store.
    fs::remove_dir_all(estate.path("spool/previous")).unwrap();
    let mut third = loop {
        let run = estate.collect();
        if run.path != second.path {
            break run;
        }
    };
    let changes = third.json("data/changes.json");
    let sha256 = evidenced_bundle::Digest::of(&fs::read(&second.path).unwrap()).to_string();
    assert_eq!(changes["previous"]["sha256"], sha256, "{changes}");
    assert_eq!(changes["turned"], serde_json::json!([]), "{changes}");
    // Since when the log has the exception is told on.
    assert_eq!(
        third.json("data/exceptions.json")["exceptions"][0]["since"],
        states["exceptions"][0]["since"]
    );
}

#[test]
fn findings_end_a_run_with_a_code_of_their_own_when_asked() {
    let estate = estate();
    let (code, text) = run(&estate, &["collect", "--fail-on", "fail"]);
    assert_eq!(code, 3, "{text}");
}
