//! Paging: which page comes next, and how pages become one answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a table that does not load fails the test")]

use evidenced_core::shape::{Operation, Shapes};
use evidenced_core::wire::{WireError, cut_short, is_empty, merge, next_token};
use serde_json::{Value, json};

fn with<T>(service: &str, operation: &str, ask: impl FnOnce(&Operation) -> T) -> T {
    let shapes = Shapes::embedded().unwrap();
    ask(shapes.service(service).unwrap().operation(operation).unwrap())
}

fn next(service: &str, operation: &str, output: &Value) -> Option<Value> {
    with(service, operation, |operation| next_token(operation, output)).unwrap().map(Value::Object)
}

#[test]
fn a_token_becomes_the_parameter_of_the_next_page() {
    assert_eq!(next("ec2", "DescribeVpcs", &json!({"NextToken": "t"})), Some(json!({"NextToken": "t"})));
    assert_eq!(next("elbv2", "DescribeRules", &json!({"NextMarker": "t"})), Some(json!({"Marker": "t"})));
    assert_eq!(next("wafv2", "ListWebACLs", &json!({"NextMarker": "t"})), Some(json!({"NextMarker": "t"})));
    assert_eq!(
        next("s3", "ListBuckets", &json!({"ContinuationToken": "t"})),
        Some(json!({"ContinuationToken": "t"}))
    );
}

#[test]
fn an_absent_null_or_empty_token_ends_the_call() {
    for output in [json!({}), json!({"NextToken": null}), json!({"NextToken": ""})] {
        assert_eq!(next("ec2", "DescribeVpcs", &output), None);
    }
    assert_eq!(next("sts", "GetCallerIdentity", &json!({"NextToken": "t"})), None);
}

#[test]
fn a_token_without_the_flag_means_nothing() {
    let search = "SearchTransitGatewayRoutes";
    assert_eq!(next("ec2", search, &json!({"NextToken": "t", "AdditionalRoutesAvailable": false})), None);
    assert_eq!(next("ec2", search, &json!({"NextToken": "t"})), None);
    let more = json!({"NextToken": "t", "AdditionalRoutesAvailable": true});
    assert_eq!(next("ec2", search, &more), Some(json!({"NextToken": "t"})));
}

#[test]
fn more_without_a_token_is_cut_short() {
    let search =
        |output: &Value| with("ec2", "SearchTransitGatewayRoutes", |operation| cut_short(operation, output));
    assert!(search(&json!({"Routes": [], "AdditionalRoutesAvailable": true})));
    assert!(!search(&json!({"Routes": [], "AdditionalRoutesAvailable": true, "NextToken": "t"})));
    assert!(!search(&json!({"Routes": [], "AdditionalRoutesAvailable": false})));
    assert!(!with("ec2", "DescribeVpcs", |operation| cut_short(operation, &json!({"Vpcs": []}))));
}

#[test]
fn a_token_that_is_no_text_is_an_error() {
    let error = with("ec2", "DescribeVpcs", |operation| next_token(operation, &json!({"NextToken": 5})));
    assert!(matches!(error, Err(WireError::Token { .. })));
}

#[test]
fn a_page_without_results_is_empty() {
    let empty = |output: &Value| with("wafv2", "ListWebACLs", |operation| is_empty(operation, output));
    assert!(empty(&json!({})));
    assert!(empty(&json!({"WebACLs": [], "NextMarker": "t"})));
    assert!(!empty(&json!({"WebACLs": [{}]})));
    assert!(!with("sts", "GetCallerIdentity", |operation| is_empty(operation, &json!({}))));
}

fn merged(service: &str, operation: &str, pages: &[Value]) -> Value {
    with(service, operation, |operation| merge(operation, pages.to_vec()))
}

#[test]
fn results_are_concatenated_and_the_token_is_gone() {
    let pages = [json!({"Vpcs": [1], "NextToken": "t"}), json!({}), json!({"Vpcs": [2, 3], "NextToken": ""})];
    assert_eq!(merged("ec2", "DescribeVpcs", &pages), json!({"Vpcs": [1, 2, 3]}));
    assert_eq!(merged("ec2", "DescribeVpcs", &[json!({"Vpcs": [], "NextToken": ""})]), json!({"Vpcs": []}));
    assert_eq!(merged("ec2", "DescribeVpcs", &[json!({})]), json!({}));
}

#[test]
fn keys_of_page_1_stay_and_an_absent_one_is_null() {
    let pages =
        [json!({"Buckets": [1], "Owner": {"ID": "a"}}), json!({"Buckets": [2], "Owner": {"ID": "b"}})];
    assert_eq!(
        merged("s3", "ListBuckets", &pages),
        json!({"Buckets": [1, 2], "Owner": {"ID": "a"}, "Prefix": null})
    );
}

#[test]
fn members_of_the_model_that_the_cli_drops_are_dropped_and_unknown_ones_stay() {
    let pages = [
        json!({"Routes": [1], "AdditionalRoutesAvailable": true, "zzNew": 1}),
        json!({"Routes": [2], "AdditionalRoutesAvailable": false, "zzNew": 2, "zzOther": 3}),
    ];
    let expected = json!({"Routes": [1, 2], "zzNew": 1, "zzOther": 3});
    assert_eq!(merged("ec2", "SearchTransitGatewayRoutes", &pages), expected);
}

#[test]
fn one_page_of_waf_keeps_its_token_and_several_have_none() {
    let page = json!({"WebACLs": [1], "NextMarker": "t"});
    assert_eq!(merged("wafv2", "ListWebACLs", std::slice::from_ref(&page)), page);
    let pages = [page, json!({"WebACLs": [], "NextMarker": "t", "zzNew": 1})];
    assert_eq!(merged("wafv2", "ListWebACLs", &pages), json!({"WebACLs": [1], "zzNew": 1}));
}

#[test]
fn a_result_that_is_no_list_is_not_lost() {
    let pages = [json!({"Vpcs": "odd"}), json!({"Vpcs": [1]}), json!({"Vpcs": 2})];
    assert_eq!(merged("ec2", "DescribeVpcs", &pages), json!({"Vpcs": ["odd", [1], 2]}));
}

#[test]
fn a_call_without_pages_is_its_page() {
    let page = json!({"Account": "1", "zzNew": 2});
    assert_eq!(merged("sts", "GetCallerIdentity", std::slice::from_ref(&page)), page);
}
