//! Every fault, as it looks on the wire, on top of a request that is answered without it.

use std::{io, time::Duration};

use evidenced_core::wire::{self, WireError};
use serde_json::{Value, json};
use simcloud::{Config, Effect, Fault};

use crate::client::{Client, Raw};

const EVERY_PROTOCOL: [(&str, &str); 4] = [
    ("ec2", "DescribeSubnets"),
    ("elbv2", "DescribeLoadBalancers"),
    ("acm", "ListCertificates"),
    ("s3", "ListBuckets"),
];

async fn with(effect: Effect) -> Client {
    // Only in one region: the other is the same request without the fault.
    let fault = Fault { region: Some("us-*".to_owned()), ..Fault::always(effect) };
    let client = Client::start(Config { faults: vec![fault], ..Config::default() }).await;
    for (service, operation) in EVERY_PROTOCOL {
        client.ask("eu-central-1", service, operation, &json!({})).await;
    }
    client
}

async fn refusals(effect: Effect) -> Vec<(u16, String)> {
    let client = with(effect).await;
    let mut all = Vec::new();
    for (service, operation) in EVERY_PROTOCOL {
        all.push(client.refused("us-east-1", service, operation, &json!({})).await);
    }
    all
}

fn expected(codes: [(u16, &str); 4]) -> Vec<(u16, String)> {
    codes.map(|(status, code)| (status, code.to_owned())).to_vec()
}

async fn bodies(effect: Effect) -> Vec<(Raw, Result<Value, WireError>)> {
    let client = with(effect).await;
    let mut all = Vec::new();
    for (service, operation) in EVERY_PROTOCOL {
        let raw = client.raw("us-east-1", service, operation, &json!({})).await;
        let read = match &raw {
            Ok(page) => wire::convert(client.service(service), client.operation(service, operation), page)
                .map(|converted| converted.output),
            Err(_) => Ok(Value::Null),
        };
        all.push((raw, read));
    }
    all
}

#[tokio::test]
async fn access_denied_is_each_services_own_and_names_the_policy() {
    let codes = expected([
        (403, "UnauthorizedOperation"),
        (403, "AccessDenied"),
        (400, "AccessDeniedException"),
        (403, "AccessDenied"),
    ]);
    assert_eq!(refusals(Effect::AccessDenied { scp: false }).await, codes);
    let client = with(Effect::AccessDenied { scp: true }).await;
    for (service, operation) in EVERY_PROTOCOL {
        let page = client.page("us-east-1", service, operation, &json!({})).await;
        let message = client.error(service, &page).message;
        assert!(
            message.contains("with an explicit deny in a service control policy"),
            "{service}: {message}"
        );
    }
}

#[tokio::test]
async fn throttling_is_each_services_own() {
    let codes = expected([
        (503, "RequestLimitExceeded"),
        (400, "Throttling"),
        (400, "ThrottlingException"),
        (503, "SlowDown"),
    ]);
    assert_eq!(refusals(Effect::Throttle { burst: Some(0.0), per_second: Some(0.0) }).await, codes);
}

#[tokio::test]
async fn the_documented_bucket_of_waf_is_five_a_second() {
    let faults = vec![Fault::always(Effect::Throttle { burst: None, per_second: None })];
    let client = Client::start(Config { faults, ..Config::default() }).await;
    let scope = json!({"Scope": "REGIONAL"});
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(client.page("us-east-1", "wafv2", "ListWebACLs", &scope).await.status);
    }
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses.contains(&400));
    // Another region has a bucket of its own.
    client.ask("eu-central-1", "wafv2", "ListWebACLs", &scope).await;
}

#[tokio::test]
async fn server_errors_are_each_services_own() {
    let codes = expected([
        (500, "InternalError"),
        (500, "InternalFailure"),
        (500, "InternalFailure"),
        (500, "InternalError"),
    ]);
    assert_eq!(refusals(Effect::Status { code: 500 }).await, codes);
    let codes = expected([
        (503, "Unavailable"),
        (503, "ServiceUnavailable"),
        (503, "ServiceUnavailableException"),
        (503, "ServiceUnavailable"),
    ]);
    assert_eq!(refusals(Effect::Status { code: 503 }).await, codes);
}

#[tokio::test]
async fn a_disabled_region_is_each_services_own() {
    let codes = expected([
        (401, "AuthFailure"),
        (403, "InvalidClientTokenId"),
        (400, "UnrecognizedClientException"),
        (403, "InvalidAccessKeyId"),
    ]);
    assert_eq!(refusals(Effect::RegionDisabled).await, codes);
}

#[tokio::test]
async fn expired_credentials_are_each_services_own() {
    let codes = expected([
        (400, "RequestExpired"),
        (403, "ExpiredToken"),
        (400, "ExpiredTokenException"),
        (400, "ExpiredToken"),
    ]);
    assert_eq!(refusals(Effect::ExpireCredentials).await, codes);
}

#[tokio::test]
async fn what_vanished_is_not_found() {
    let faults =
        vec![Fault::on("wafv2", "GetWebACL", Effect::Vanish), Fault::on("acm", "Describe*", Effect::Vanish)];
    let client = Client::start(Config { faults, ..Config::default() }).await;
    let acls = client.ask("us-east-1", "wafv2", "ListWebACLs", &json!({"Scope": "REGIONAL"})).await;
    let acl = &acls["WebACLs"][0];
    let parameters = json!({"Name": acl["Name"], "Id": acl["Id"], "Scope": "REGIONAL"});
    let refused = client.refused("us-east-1", "wafv2", "GetWebACL", &parameters).await;
    assert_eq!(refused, (400, "WAFNonexistentItemException".to_owned()));
    let listed = client.ask("us-east-1", "acm", "ListCertificates", &json!({})).await;
    let parameters = json!({"CertificateArn": listed["CertificateSummaryList"][0]["CertificateArn"]});
    let refused = client.refused("us-east-1", "acm", "DescribeCertificate", &parameters).await;
    assert_eq!(refused, (400, "ResourceNotFoundException".to_owned()));
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_length() {
    for (raw, _) in bodies(Effect::Truncate).await {
        let (kind, received) = raw.unwrap_err();
        assert_eq!(kind, io::ErrorKind::UnexpectedEof);
        assert!(!received.is_empty());
    }
}

#[tokio::test]
async fn a_consistently_truncated_body_is_malformed() {
    for (raw, read) in bodies(Effect::TruncateConsistently).await {
        assert_eq!(raw.unwrap().status, 200);
        assert!(matches!(read, Err(WireError::Malformed { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn a_malformed_body_is_malformed() {
    for (raw, read) in bodies(Effect::Malformed).await {
        assert_eq!(raw.unwrap().status, 200);
        assert!(matches!(read, Err(WireError::Malformed { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn a_wrong_root_is_noticed() {
    for (raw, read) in bodies(Effect::WrongRoot).await {
        assert_eq!(raw.unwrap().status, 200);
        assert!(matches!(read, Err(WireError::WrongRoot { .. } | WireError::Malformed { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn an_empty_body_is_empty() {
    for (raw, _) in bodies(Effect::EmptyBody).await {
        let page = raw.unwrap();
        assert_eq!((page.status, page.body.len()), (200, 0));
    }
}

#[tokio::test]
async fn unknown_fields_are_kept_and_listed() {
    let client = with(Effect::UnknownFields).await;
    for (service, operation) in EVERY_PROTOCOL {
        let page = client.page("us-east-1", service, operation, &json!({})).await;
        let read =
            wire::convert(client.service(service), client.operation(service, operation), &page).unwrap();
        assert_eq!(read.unknown.len(), 2, "{service}: {:?}", read.unknown);
        assert!(read.output.to_string().contains("yes & <no>"));
    }
}

#[tokio::test]
async fn a_wrong_content_type_has_the_right_body() {
    for (raw, read) in bodies(Effect::WrongContentType).await {
        assert_eq!(raw.unwrap().headers["content-type"], "text/html; charset=utf-8");
        assert!(read.is_ok());
    }
}

#[tokio::test]
async fn an_oversized_body_is_as_large_as_was_wanted() {
    for (raw, read) in bodies(Effect::Oversize { bytes: 300_000 }).await {
        assert_eq!(raw.unwrap().body.len(), 300_000);
        assert!(read.is_ok());
    }
}

#[tokio::test]
async fn a_reset_connection_has_no_answer() {
    for (raw, _) in bodies(Effect::Reset).await {
        let (kind, received) = raw.unwrap_err();
        assert_eq!((kind, received.len()), (io::ErrorKind::ConnectionReset, 0));
    }
}

#[tokio::test]
async fn a_stalled_body_never_ends() {
    let client = with(Effect::Stall).await;
    for (service, operation) in EVERY_PROTOCOL {
        let parameters = json!({});
        let waiting = client.raw("us-east-1", service, operation, &parameters);
        let outcome = tokio::time::timeout(Duration::from_millis(150), waiting).await;
        assert!(outcome.is_err(), "{service} ended: {outcome:?}");
    }
    client.running.stop().await;
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let client = with(Effect::Latency { milliseconds: 120 }).await;
    let before = std::time::Instant::now();
    client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    assert!(before.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_fault_is_for_the_requests_that_it_names() {
    let denied = Effect::AccessDenied { scp: false };
    let truth = simcloud::truth(&Config::default());
    let name = |n: usize| truth["accounts"][0]["buckets"][n]["name"].as_str().unwrap().to_owned();
    let faults = vec![
        Fault { resource: Some(name(0)), ..Fault::on("s3", "Get*", denied.clone()) },
        Fault { first: Some(2), ..Fault::on("ec2", "DescribeVpcs", Effect::Status { code: 503 }) },
        Fault { after: Some(1), ..Fault::on("ec2", "DescribeSubnets", denied) },
    ];
    let client = Client::start(Config { faults, ..Config::default() }).await;
    let bucket = |n: usize| json!({"Bucket": name(n)});
    assert_eq!(client.refused("us-east-1", "s3", "GetBucketVersioning", &bucket(0)).await.1, "AccessDenied");
    client.ask("us-east-1", "s3", "GetBucketVersioning", &bucket(2)).await;
    let statuses = async |operation| {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(client.page("us-east-1", "ec2", operation, &json!({})).await.status);
        }
        all
    };
    assert_eq!(statuses("DescribeVpcs").await, [503, 503, 200, 200]);
    assert_eq!(statuses("DescribeSubnets").await, [200, 403, 403, 403]);
}
