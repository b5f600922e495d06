//! One test per fault rule, on top of a baseline where the same cell is complete.
//!
//! The cell says what happened, the rest of the run is complete, the exit code is 4.

use serde_json::Value;
use simcloud::{Config, Effect, Fault};

use crate::estate::{Estate, Run, one_account, two_accounts};

const REGION: &str = "eu-central-1";
const ITEM: &str = "vpc.flow-logs";

fn on_flow_logs(effect: Effect) -> Config {
    let fault = Fault { region: Some(REGION.to_owned()), ..Fault::on("ec2", "DescribeFlowLogs", effect) };
    Config { faults: vec![fault], ..one_account() }
}

fn account(config: &Config) -> String {
    simcloud::account_ids(config).remove(0)
}

/// The run with this effect on one call of one cell; the baseline without it is complete.
fn spoilt(effect: Effect) -> (Run, String) {
    let config = on_flow_logs(effect);
    let account = account(&config);
    (Estate::new(config, "").collect(), account)
}

/// That cell is the only gap, has this status and this code, and no output is claimed for it.
fn is_the_only_gap(effect: Effect, status: &str, code: &str) -> Value {
    let (mut run, account) = spoilt(effect);
    let gaps = run.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let gap = run.row(&account, REGION, ITEM);
    assert_eq!((gap["status"].as_str(), gap["error"]["code"].as_str()), (Some(status), Some(code)), "{gap}");
    assert_eq!(run.code, 4, "{}", run.stderr());
    assert_eq!(run.json("data/run.json")["status"], "partial");
    let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
    assert!(call.get("output").is_none(), "{call}");
    assert_eq!(call["error"]["code"].as_str(), Some(code));
    call
}

/// The fault is survived: the run is complete and the cell holds the same list as the baseline.
fn is_survived(effect: Effect) -> Value {
    let (mut run, account) = spoilt(effect);
    assert_eq!(run.gaps(), Vec::<Value>::new());
    assert_eq!(run.code, 0, "{}", run.stderr());
    let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
    let expected = baseline();
    assert_eq!(call["output"]["FlowLogs"].as_array().unwrap().len(), expected, "{call}");
    call
}

fn baseline() -> usize {
    let config = one_account();
    let account = account(&config);
    let mut run = Estate::new(config, "items = [\"vpc.flow-logs\"]").collect();
    let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
    call["output"]["FlowLogs"].as_array().unwrap().len()
}

#[test]
fn the_baseline_is_complete() {
    let mut run = Estate::new(two_accounts(), "").collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    assert_eq!(run.gaps(), Vec::<Value>::new());
    assert!(baseline() > 0);
}

#[test]
fn a_denied_call_is_denied() {
    let call = is_the_only_gap(Effect::AccessDenied { scp: false }, "denied", "UnauthorizedOperation");
    assert_eq!(call["pages"][0]["status"], 403);
    assert!(call["pages"][0]["requestId"].is_string());
}

#[test]
fn a_service_control_policy_is_named_as_the_reason() {
    let (mut run, account) = spoilt(Effect::AccessDenied { scp: true });
    let gap = run.row(&account, REGION, ITEM);
    assert_eq!(gap["reason"], "an explicit deny in a service control policy");
}

#[test]
fn a_server_error_fails_after_the_configured_attempts() {
    for code in [500, 503] {
        let (mut run, account) = spoilt(Effect::Status { code });
        let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
        assert_eq!(run.row(&account, REGION, ITEM)["status"], "failed");
        assert_eq!(
            (&call["pages"][0]["status"], &call["pages"][0]["attempts"]),
            (&code.into(), &2.into()),
            "{call}"
        );
        assert_eq!(run.code, 4);
    }
}

#[test]
fn a_body_that_breaks_off_is_never_a_shorter_list() {
    is_the_only_gap(Effect::Truncate, "failed", "ResponseIncomplete");
}

#[test]
fn a_body_cut_short_with_a_matching_length_is_malformed() {
    let call = is_the_only_gap(Effect::TruncateConsistently, "failed", "MalformedResponse");
    assert!(call["pages"][0]["sha256"].is_string(), "the body that was refused is still named");
}

#[test]
fn a_body_that_is_not_well_formed_is_malformed() {
    is_the_only_gap(Effect::Malformed, "failed", "MalformedResponse");
}

#[test]
fn the_answer_to_something_else_is_refused() {
    is_the_only_gap(Effect::WrongRoot, "failed", "WrongRoot");
}

#[test]
fn a_stalled_body_is_a_time_out() {
    let config = on_flow_logs(Effect::Stall);
    let account = account(&config);
    let limits = "attempt_timeout = \"3s\"\noperation_timeout = \"8s\"";
    let mut run = Estate::new(config, limits).collect();
    let gap = run.row(&account, REGION, ITEM);
    assert_eq!(
        (gap["status"].as_str(), gap["error"]["code"].as_str()),
        (Some("failed"), Some("Timeout")),
        "{gap}"
    );
    assert_eq!((run.gaps().len(), run.code), (1, 4));
}

#[test]
fn an_empty_body_is_not_an_empty_list() {
    is_the_only_gap(Effect::EmptyBody, "failed", "MalformedResponse");
}

#[test]
fn a_reset_connection_fails() {
    let (mut run, account) = spoilt(Effect::Reset);
    let gap = run.row(&account, REGION, ITEM);
    assert_eq!((gap["status"].as_str(), run.gaps().len(), run.code), (Some("failed"), 1, 4), "{gap}");
}

#[test]
fn a_body_larger_than_the_limit_is_refused() {
    is_the_only_gap(Effect::Oversize { bytes: 65 << 20 }, "failed", "ResponseTooLarge");
}

#[test]
fn a_repeated_token_is_a_gap_not_a_loop() {
    let (mut run, account) = spoilt(Effect::RepeatToken);
    let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
    assert_eq!(call["error"]["code"], "RepeatedToken");
    assert!(call.get("output").is_none() && call["incompleteOutput"]["FlowLogs"].is_array());
    assert_eq!(run.row(&account, REGION, ITEM)["status"], "partial");
}

#[test]
fn a_refused_token_leaves_the_list_incomplete() {
    let fault =
        Fault { region: Some(REGION.to_owned()), ..Fault::on("ec2", "DescribeSubnets", Effect::RefuseToken) };
    let config = Config { page_cap: Some(5), faults: vec![fault], ..one_account() };
    let account = account(&config);
    let mut run = Estate::new(config, "").collect();
    let call = run.document(&account, REGION, "vpc.subnets")["calls"][0].clone();
    assert!(call.get("output").is_none() && call["error"]["code"].is_string(), "no output is claimed");
    assert_eq!(call["incompleteOutput"]["Subnets"].as_array().unwrap().len(), 5);
    assert_eq!(run.row(&account, REGION, "vpc.subnets")["status"], "partial");
    assert_eq!((run.gaps().len(), run.code), (1, 4));
}

#[test]
fn a_token_that_leads_to_an_empty_page_is_followed() {
    assert_eq!(is_survived(Effect::TrailingToken)["pages"].as_array().unwrap().len(), 2);
}

#[test]
fn a_slow_answer_is_waited_for() {
    is_survived(Effect::Latency { milliseconds: 300 });
}

#[test]
fn a_wrong_content_type_does_not_matter() {
    is_survived(Effect::WrongContentType);
}

#[test]
fn unknown_members_are_kept_and_listed() {
    let call = is_survived(Effect::UnknownFields);
    assert!(!call["unknown"].as_array().unwrap().is_empty(), "{call}");
}

#[test]
fn a_throttle_that_passes_is_survived_and_one_that_stays_is_a_gap() {
    let (mut run, account) = spoilt(Effect::Throttle { burst: Some(0.0), per_second: Some(0.0) });
    let gap = run.row(&account, REGION, ITEM);
    assert_eq!(
        (gap["status"].as_str(), gap["error"]["code"].as_str()),
        (Some("failed"), Some("RequestLimitExceeded"))
    );
    let config = Config {
        faults: vec![Fault {
            first: Some(1),
            region: Some(REGION.to_owned()),
            ..Fault::on(
                "ec2",
                "DescribeFlowLogs",
                Effect::Throttle { burst: Some(0.0), per_second: Some(0.0) },
            )
        }],
        ..one_account()
    };
    let mut run = Estate::new(config, "").collect();
    let call = run.document(&account, REGION, ITEM)["calls"][0].clone();
    assert_eq!((run.code, &call["pages"][0]["attempts"]), (0, &2.into()), "{call}");
}

#[test]
fn a_region_that_turns_out_not_to_be_opted_in_is_said_to_be_so() {
    let fault = Fault { region: Some(REGION.to_owned()), ..Fault::always(Effect::RegionDisabled) };
    let config = Config { faults: vec![fault], ..one_account() };
    let account = account(&config);
    let mut run = Estate::new(config, "").collect();
    // The account's own list says that it is enabled: nothing of it may pass as complete.
    let rows = run.rows();
    let there: Vec<&Value> = rows.iter().filter(|row| row["region"] == REGION).collect();
    assert!(!there.is_empty());
    for row in there {
        assert!(["failed", "denied", "region-disabled"].contains(&row["status"].as_str().unwrap()), "{row}");
    }
    assert_eq!(run.row(&account, "us-east-1", ITEM)["status"], "complete");
}

#[test]
fn a_resource_that_vanished_is_listed_and_is_no_error() {
    let fault = Fault {
        first: Some(1),
        region: Some(REGION.to_owned()),
        ..Fault::on("acm", "DescribeCertificate", Effect::Vanish)
    };
    let config = Config { faults: vec![fault], ..one_account() };
    let account = account(&config);
    let mut run = Estate::new(config, "").collect();
    assert_eq!((run.gaps().len(), run.code), (0, 0));
    let document = run.document(&account, REGION, "acm.certificates");
    assert_eq!(document["vanished"].as_array().unwrap().len(), 1);
    assert_eq!(document["status"], "complete");
}

#[test]
fn credentials_that_expire_mid_run_are_gaps_from_then_on() {
    let fault = Fault {
        after: Some(0),
        service: Some("wafv2".to_owned()),
        ..Fault::always(Effect::ExpireCredentials)
    };
    let config = Config { faults: vec![fault], ..one_account() };
    let account = account(&config);
    let mut run = Estate::new(config, "").collect();
    let gap = run.row(&account, REGION, "waf.web-acls");
    assert_eq!(gap["status"], "failed");
    assert!(gap["error"]["code"].as_str().unwrap().contains("Expired"), "{gap}");
    assert!(run.gaps().iter().all(|row| row["item"] == "waf.web-acls"));
    assert_eq!(run.code, 4);
}

#[test]
fn an_account_whose_role_cannot_be_assumed_keeps_every_cell_and_the_others_are_complete() {
    let config = two_accounts();
    let member = simcloud::account_ids(&config).remove(1);
    let fault = Fault {
        resource: Some(format!("*:iam::{member}:role/*")),
        ..Fault::on("sts", "AssumeRole", Effect::AccessDenied { scp: false })
    };
    let config = Config { faults: vec![fault], ..config };
    let mut run = Estate::new(config, "").collect();
    assert_eq!(run.code, 4, "{}", run.stderr());
    let gaps = run.gaps();
    assert!(!gaps.is_empty() && gaps.iter().all(|row| row["account"] == member.as_str()));
    assert!(gaps.iter().all(|row| row["status"] == "denied" && row["file"].is_string()), "{:?}", gaps[0]);
    // Every region of the partition is planned: nobody could say which the account has.
    let regions: std::collections::BTreeSet<&str> =
        gaps.iter().map(|row| row["region"].as_str().unwrap()).collect();
    assert!(regions.len() > 15, "{regions:?}");
}

#[test]
fn a_wrong_external_id_is_a_denial_and_is_never_shown() {
    let estate = Estate::new(two_accounts(), "");
    std::fs::write(estate.path("external-id"), "wrong-Secret-4711\n").unwrap();
    let mut run = estate.collect();
    assert_eq!(run.code, 4);
    assert!(!run.stderr().contains("wrong-Secret-4711"));
    for path in run.documents() {
        assert!(!String::from_utf8(run.read(&path)).unwrap().contains("wrong-Secret-4711"), "{path}");
    }
}

#[test]
fn an_unreachable_endpoint_is_no_access_and_leaves_nothing() {
    let estate = Estate::new(one_account(), "");
    let text = std::fs::read_to_string(estate.path("evidenced.toml")).unwrap();
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = text.replace(&estate.endpoint(), &format!("http://{free}"));
    std::fs::write(estate.path("evidenced.toml"), text).unwrap();
    let output = estate.command().arg("collect").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!estate.path("store/bundles").exists());
}
