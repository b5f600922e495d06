use super::*;

const EXAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/evidenced.toml"));

const SMALL: &str = r#"
scope = "prod"
organisation = "Example Ltd"
[store]
url = "file:store"
[signing]
origin = "evidence.example.com/prod"
evidence_key = "file:keys/evidence.key.pem"
"#;

#[test]
fn the_commented_example_has_no_problem() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.schedule.as_str(), "0 2 * * *");
    assert_eq!(config.aws.accounts.len(), 1);
    assert_eq!((config.accepted_gaps.len(), config.controls.len(), config.exceptions.len()), (1, 1, 1));
    // The values that it shows for the service are those in force without them.
    assert!(EXAMPLE.contains("\n[service]"));
    assert_eq!(config.service, parse(SMALL).unwrap().service);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(SMALL).unwrap();
    assert_eq!(config.collect.concurrency, 64);
    assert_eq!(config.aws.regions, Regions::Enabled);
    assert_eq!(config.collect.items, ["*"]);
}

#[test]
fn a_bag_is_never_larger_than_what_a_verifier_reads() {
    assert_eq!(parse(SMALL).unwrap().bundle, BagSize { max_entries: 20_000, max_bytes: 1 << 30 });
    let small = parse(&format!("{SMALL}[bundle]\nmax_entries = 10\nmax_bytes = 65536\n")).unwrap();
    assert_eq!(small.bundle, BagSize { max_entries: 10, max_bytes: 65_536 });
    for wrong in ["max_entries = 20001", "max_entries = 9", "max_bytes = 1073741825", "max_bytes = \"1 GiB\""]
    {
        let problems = parse(&format!("{SMALL}[bundle]\n{wrong}\n")).unwrap_err();
        assert!(problems[0].key.starts_with("bundle.max_"), "{wrong}: {problems:?}");
    }
}

#[test]
fn every_problem_comes_at_once_with_its_line_and_key() {
    let text = r#"
scope = "Prod!"
organisation = 7
schedule = "0 2 * *"
regins = "enabled"
[store]
url = "ftp://bucket"
[signing]
origin = "has space"
[aws]
regions = 5
[[aws.accounts]]
id = "12"
[collect]
concurrency = 0
concurency = 3
items = ["vpc.vpcz"]
[[accepted_gaps]]
reason = "x"
approver = "y"
expires = "2027-02-30"
"#;
    let problems = parse(text).unwrap_err();
    let found: Vec<(usize, &str)> = problems.iter().map(|it| (it.line, it.key.as_str())).collect();
    assert_eq!(
        found,
        [
            (2, "scope"),
            (3, "organisation"),
            (4, "schedule"),
            (5, "regins"),
            (7, "store.url"),
            (8, "signing.evidence_key"),
            (9, "signing.origin"),
            (11, "aws.regions"),
            (13, "aws.accounts[0].id"),
            (15, "collect.concurrency"),
            (16, "collect.concurency"),
            (17, "collect.items"),
            (18, "accepted_gaps[0].region"),
            (21, "accepted_gaps[0].expires"),
        ]
    );
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown[9], "15: collect.concurrency = 0: expected a whole number from 1 to 1024");
    assert_eq!(shown[10], "16: collect.concurency: is not a known key; did you mean \"concurrency\"?");
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let problems = parse("scope = \"prod\"\norganisation = \n").unwrap_err();
    assert_eq!(problems[0].line, 2);
    assert!(problems[0].message.starts_with("not TOML"), "{}", problems[0].message);
}

#[test]
fn the_effective_configuration_holds_no_path_and_no_external_id() {
    let text = format!(
        "{SMALL}\n[[aws.accounts]]\nid = \"111122223333\"\nrole = \"EvidenceReader\"\nexternal_id_file = \"secret-path\"\n"
    );
    let shown = effective(&parse(&text).unwrap(), None).to_string();
    assert!(
        !shown.contains("secret-path") && !shown.contains("keys/") && !shown.contains("file:"),
        "{shown}"
    );
    assert!(shown.contains("\"external_id\":true"));
}

#[test]
fn an_external_id_is_in_a_file_or_in_a_variable_not_in_both() {
    let with =
        |lines: &str| parse(&format!("{SMALL}\n[aws.organization]\nrole = \"EvidenceReader\"\n{lines}"));
    let good = with("external_id_env = \"EVIDENCED_EXTERNAL_ID\"\n").unwrap();
    let shown = effective(&good, None).to_string();
    assert!(shown.contains("\"external_id\":true") && !shown.contains("EVIDENCED_EXTERNAL_ID"), "{shown}");
    let both = with("external_id_file = \"a\"\nexternal_id_env = \"A\"\n").unwrap_err();
    assert_eq!(both[0].key, "aws.organization.external_id_env");
    for name in ["", "lower", "1A", "A-B", "A=B"] {
        assert_eq!(with(&format!("external_id_env = \"{name}\"\n")).unwrap_err().len(), 1, "{name:?}");
    }
    let lonely = format!("{SMALL}\n[[aws.accounts]]\nid = \"111122223333\"\nexternal_id_env = \"A\"\n");
    assert_eq!(parse(&lonely).unwrap_err()[0].message, "needs a role");
}

#[test]
fn plain_http_is_for_loopback_only() {
    for (url, good) in [
        ("http://127.0.0.1:5000", true),
        ("http://localhost:5000/x", true),
        ("http://[::1]:5000", true),
        ("https://aws.example.com", true),
        ("http://aws.example.com", false),
        ("http://127.example.com", false),
        ("http://127.0.0.1@evil.example", false),
    ] {
        let text = format!("{SMALL}\n[aws]\nendpoint_url = \"{url}\"\n");
        assert_eq!(parse(&text).is_ok(), good, "{url}");
    }
}

#[test]
fn nothing_to_wait_for_is_a_duration_where_that_makes_sense() {
    let none = parse(&format!("{SMALL}[service]\njitter = \"0s\"\nshutdown_grace = \"0ms\"\n")).unwrap();
    assert_eq!((none.service.jitter_seconds, none.service.shutdown_grace_ms), (0, 0));
    for wrong in ["max_run = \"0s\"", "jitter = \"0\"", "jitter = 0", "jitter = \"-1s\""] {
        let problems = parse(&format!("{SMALL}[service]\n{wrong}\n")).unwrap_err();
        assert!(problems[0].key.starts_with("service."), "{wrong}: {problems:?}");
    }
    let problems = parse(&format!("{SMALL}[collect]\nattempt_timeout = \"0s\"\n")).unwrap_err();
    assert_eq!(problems[0].key, "collect.attempt_timeout");
    let said = "leaves no time at all: expected a duration such as \"500ms\", \"20s\", \"2m\" or \"1h\"";
    assert_eq!((problems[0].value.as_deref(), problems[0].message.as_str()), (Some("\"0s\""), said));
}

#[test]
fn who_is_told_is_read_and_goes_into_no_bundle() {
    let hooks = "[service]\non_failure = { command = [\"/bin/page\", \"-x\"], timeout = \"3s\" }\n\
                 on_gap = { url = \"https://hooks.example.com/t0ken\", secret_env = \"HOOK_SECRET\" }\n";
    let config = parse(&format!("{SMALL}{hooks}")).unwrap();
    let failure = config.service.on_failure.clone().unwrap();
    assert_eq!(failure.target, HookTarget::Command(vec!["/bin/page".to_owned(), "-x".to_owned()]));
    assert_eq!((failure.timeout_ms, failure.secret), (3_000, None));
    let gap = config.service.on_gap.clone().unwrap();
    assert_eq!(gap.secret, Some(HookSecret::Variable("HOOK_SECRET".to_owned())));
    let kept = effective(&config, None).to_string();
    assert!(
        !kept.contains("t0ken") && !kept.contains("HOOK_SECRET") && !kept.contains("/bin/page"),
        "{kept}"
    );
}
