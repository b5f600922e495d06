//! Pages: every paged call gives every entry once, whatever the page size; sizes outside the bounds are refused.

use std::collections::BTreeSet;

use evidenced_core::wire;
use serde_json::{Value, json};
use simcloud::{Config, Effect, Fault, Scale};

use crate::client::{Client, calls, map};

fn large() -> Config {
    Config { scale: Scale::Of(10), accounts: 30, ..Config::default() }
}

#[tokio::test]
async fn every_paged_call_gives_every_entry_once_at_page_size_five() {
    let client = Client::start(large()).await;
    let mut many = BTreeSet::new();
    let mut paged = BTreeSet::new();
    for (service, operation, parameters) in calls(&client, "us-east-1").await {
        let model = client.operation(service, operation);
        let Some(pages) = &model.pages else { continue };
        paged.insert(operation);
        let whole = client.pages("us-east-1", service, operation, map(parameters.clone())).await;
        let mut small = map(parameters);
        if let Some(limit) = &pages.limit_key {
            small.insert(limit.clone(), json!(5));
        }
        let parts = client.pages("us-east-1", service, operation, small).await;
        let key = &pages.result_keys[0];
        if pages.limit_key.is_some() {
            for part in &parts {
                assert!(part[key].as_array().unwrap().len() <= 5, "{operation}");
            }
        }
        if parts.len() > 1 {
            many.insert(operation);
        }
        let list = |pages: Vec<Value>| wire::merge(model, pages)[key].clone();
        // Asked for pages, S3 tells more of each bucket.
        if operation == "ListBuckets" {
            let names = |list: Value| -> Vec<Value> {
                list.as_array().unwrap().iter().map(|bucket| bucket["Name"].clone()).collect()
            };
            assert_eq!(names(list(parts)), names(list(whole)));
        } else {
            assert_eq!(list(parts), list(whole), "{operation}");
        }
    }
    let all: BTreeSet<&str> = client
        .shapes
        .services()
        .flat_map(|service| service.operations.values())
        .filter(|operation| operation.pages.is_some())
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(paged, all);
    assert_eq!(many, all, "every one of them has more than a page");
}

#[tokio::test]
async fn a_cap_answers_fewer_than_were_asked_for() {
    let client = Client::start(Config { page_cap: Some(2), ..Config::default() }).await;
    let pages =
        client.pages("us-east-1", "ec2", "DescribeSecurityGroups", map(json!({"MaxResults": 1000}))).await;
    assert!(pages.len() > 10);
    assert!(pages.iter().all(|page| page["SecurityGroups"].as_array().unwrap().len() <= 2));
}

#[tokio::test]
async fn page_sizes_outside_the_bounds_are_refused() {
    let client = Client::start(large()).await;
    for (service, operation, parameters) in calls(&client, "us-east-1").await {
        let model = client.operation(service, operation);
        let Some(pages) = &model.pages else { continue };
        let Some(limit) = &pages.limit_key else { continue };
        let code = match service {
            "ec2" => "InvalidParameterValue",
            "elbv2" => "ValidationError",
            "s3" => "InvalidArgument",
            "organizations" => "InvalidInputException",
            _ => "ValidationException",
        };
        let mut sizes = vec![];
        sizes.extend(pages.page_size_min.filter(|least| *least > 0).map(|least| i64::from(least) - 1));
        sizes.extend(pages.page_size_max.map(|most| i64::from(most) + 1));
        assert!(!sizes.is_empty(), "{operation} has no bounds");
        for size in sizes {
            let mut wrong = map(parameters.clone());
            wrong.insert(limit.clone(), json!(size));
            let refused = client.refused("us-east-1", service, operation, &Value::Object(wrong)).await;
            assert_eq!(refused, (400, code.to_owned()), "{operation} {size}");
        }
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_request_only() {
    let client = Client::start(large()).await;
    let first = client.ask("us-east-1", "ec2", "DescribeSubnets", &json!({"MaxResults": 5})).await;
    let token = first["NextToken"].as_str().unwrap();
    let refused = (400, "InvalidNextToken".to_owned());
    for (region, operation, token) in [
        ("us-east-1", "DescribeVpcs", token),
        ("eu-central-1", "DescribeSubnets", token),
        ("us-east-1", "DescribeSubnets", "bm9uc2Vuc2U="),
        ("us-east-1", "DescribeSubnets", "?"),
    ] {
        let parameters = json!({"MaxResults": 5, "NextToken": token});
        assert_eq!(
            client.refused(region, "ec2", operation, &parameters).await,
            refused,
            "{region} {operation} {token}"
        );
    }
    let filtered = json!({
        "MaxResults": 5, "NextToken": token, "Filters": [{"Name": "state", "Values": ["available"]}],
    });
    assert_eq!(client.refused("us-east-1", "ec2", "DescribeSubnets", &filtered).await, refused);
    for (service, operation, parameters, code) in [
        ("elbv2", "DescribeLoadBalancers", json!({"Marker": "x"}), "ValidationError"),
        ("config", "DescribeConfigRules", json!({"NextToken": "x"}), "InvalidNextTokenException"),
        ("acm", "ListCertificates", json!({"NextToken": "x"}), "ValidationException"),
        (
            "wafv2",
            "ListWebACLs",
            json!({"Scope": "REGIONAL", "NextMarker": "x"}),
            "WAFInvalidParameterException",
        ),
        ("s3", "ListBuckets", json!({"ContinuationToken": "x"}), "InvalidArgument"),
        ("organizations", "ListAccounts", json!({"NextToken": "x"}), "InvalidInputException"),
    ] {
        let refused = client.refused("us-east-1", service, operation, &parameters).await;
        assert_eq!(refused, (400, code.to_owned()), "{operation}");
    }
}

#[tokio::test]
async fn a_repeated_token_leads_to_the_same_page_for_ever() {
    let faults = vec![Fault::on("ec2", "DescribeSubnets", Effect::RepeatToken)];
    let client = Client::start(Config { faults, ..large() }).await;
    let first = client.ask("us-east-1", "ec2", "DescribeSubnets", &json!({"MaxResults": 5})).await;
    let token = first["NextToken"].as_str().unwrap();
    let second = client
        .ask("us-east-1", "ec2", "DescribeSubnets", &json!({"MaxResults": 5, "NextToken": token}))
        .await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_trailing_token_leads_to_an_empty_page() {
    let faults = vec![Fault::on("wafv2", "ListWebACLs", Effect::TrailingToken)];
    let client = Client::start(Config { faults, ..Config::default() }).await;
    let pages = client.pages("us-east-1", "wafv2", "ListWebACLs", map(json!({"Scope": "REGIONAL"}))).await;
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1], json!({"WebACLs": []}));
}

#[tokio::test]
async fn a_token_can_be_refused_although_it_is_good() {
    let faults = vec![Fault::on("ec2", "DescribeSubnets", Effect::RefuseToken)];
    let client = Client::start(Config { faults, ..large() }).await;
    let first = client.ask("us-east-1", "ec2", "DescribeSubnets", &json!({"MaxResults": 5})).await;
    let parameters = json!({"MaxResults": 5, "NextToken": first["NextToken"]});
    let refused = client.refused("us-east-1", "ec2", "DescribeSubnets", &parameters).await;
    assert_eq!(refused, (400, "InvalidNextToken".to_owned()));
}
