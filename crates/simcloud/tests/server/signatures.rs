//! Who may ask: signatures, keys, sessions, regions.

use std::time::Duration;

use serde_json::{Value, json};
use simcloud::{Config, Credentials, ROLE_NAME, Signatures, account_ids, credentials_of, external_id};

use crate::client::Client;

fn config() -> Config {
    Config { accounts: 3, ..Config::default() }
}

async fn assume(
    client: &Client,
    account: &str,
    role: &str,
    external_id: &str,
) -> Result<Credentials, (u16, String)> {
    let parameters = json!({
        "RoleArn": format!("arn:aws:iam::{account}:role/{role}"),
        "RoleSessionName": "evidenced-20261122T020000Z",
        "ExternalId": external_id,
    });
    let page = client.page("us-east-1", "sts", "AssumeRole", &parameters).await;
    if page.status != 200 {
        return Err((page.status, client.error("sts", &page).code));
    }
    let answer = client.ask("us-east-1", "sts", "AssumeRole", &parameters).await;
    let text = |key: &str| answer["Credentials"][key].as_str().unwrap().to_owned();
    assert_eq!(
        answer["AssumedRoleUser"]["Arn"],
        format!("arn:aws:sts::{account}:assumed-role/{ROLE_NAME}/evidenced-20261122T020000Z")
    );
    Ok(Credentials {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        session_token: Some(text("SessionToken")),
    })
}

#[tokio::test]
async fn an_assumed_role_is_the_other_account() {
    let mut client = Client::start(config()).await;
    let ids = account_ids(&client.config);
    let own = client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    client.credentials = assume(&client, &ids[1], ROLE_NAME, &external_id(&client.config)).await.unwrap();
    let who = client.ask("eu-central-1", "sts", "GetCallerIdentity", &json!({})).await;
    assert_eq!(who["Account"], ids[1].as_str());
    let arn = format!("arn:aws:sts::{}:assumed-role/EvidenceReader/evidenced-20261122T020000Z", ids[1]);
    assert_eq!(who["Arn"], arn);
    let other = client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    assert_ne!(own, other);
    assert!(other["Vpcs"].as_array().unwrap().iter().all(|vpc| vpc["OwnerId"] == ids[1].as_str()));
}

#[tokio::test]
async fn a_role_is_refused_without_its_external_id_name_or_account() {
    let mut client = Client::start(config()).await;
    let ids = account_ids(&client.config);
    let good = external_id(&client.config);
    let denied = (403, "AccessDenied".to_owned());
    let nobody = "111122223333";
    for (account, role, external) in
        [(ids[1].as_str(), ROLE_NAME, "guess"), (&ids[1], "Admin", &good), (nobody, ROLE_NAME, &good)]
    {
        assert_eq!(
            assume(&client, account, role, external).await,
            Err(denied.clone()),
            "{account} {role} {external}"
        );
    }
    let closed = client.ask("us-east-1", "organizations", "ListAccounts", &json!({})).await;
    let closed = closed["Accounts"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(closed["Status"], "SUSPENDED");
    assert_eq!(assume(&client, closed["Id"].as_str().unwrap(), ROLE_NAME, &good).await, Err(denied.clone()));
    // The role trusts the management account only.
    client.credentials = credentials_of(&client.config, 2);
    assert_eq!(assume(&client, &ids[1], ROLE_NAME, &good).await, Err(denied));
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let mut client = Client::start(Config { session_seconds: Some(0), ..config() }).await;
    let ids = account_ids(&client.config);
    client.credentials = assume(&client, &ids[1], ROLE_NAME, &external_id(&client.config)).await.unwrap();
    for (service, operation, expected) in [
        ("ec2", "DescribeVpcs", (400, "RequestExpired")),
        ("elbv2", "DescribeLoadBalancers", (403, "ExpiredToken")),
        ("acm", "ListCertificates", (400, "ExpiredTokenException")),
        ("s3", "ListBuckets", (400, "ExpiredToken")),
    ] {
        let refused = client.refused("us-east-1", service, operation, &json!({})).await;
        assert_eq!(refused, (expected.0, expected.1.to_owned()), "{service}");
    }
}

const EVERY_PROTOCOL: [(&str, &str); 4] = [
    ("ec2", "DescribeVpcs"),
    ("elbv2", "DescribeLoadBalancers"),
    ("acm", "ListCertificates"),
    ("s3", "ListBuckets"),
];

#[tokio::test]
async fn a_wrong_secret_is_refused_in_every_protocol() {
    let mut client = Client::start(config()).await;
    client.credentials.secret_access_key = "0".repeat(40);
    for (service, operation) in EVERY_PROTOCOL {
        let code = if service == "acm" { "InvalidSignatureException" } else { "SignatureDoesNotMatch" };
        let refused = client.refused("us-east-1", service, operation, &json!({})).await;
        assert_eq!(refused, (403, code.to_owned()), "{service}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_every_protocol() {
    let mut client = Client::start(config()).await;
    client.credentials.access_key_id = "AKIAIOSFODNN7EXAMPLE".to_owned();
    for ((service, operation), expected) in EVERY_PROTOCOL.into_iter().zip([
        (401, "AuthFailure"),
        (403, "InvalidClientTokenId"),
        (400, "UnrecognizedClientException"),
        (403, "InvalidAccessKeyId"),
    ]) {
        let refused = client.refused("us-east-1", service, operation, &json!({})).await;
        assert_eq!(refused, (expected.0, expected.1.to_owned()), "{service}");
    }
}

#[tokio::test]
async fn a_changed_byte_of_a_signed_request_is_refused() {
    let client = Client::start(config()).await;
    let parameters = json!({"RegionNames": ["us-east-1"]});
    let good = String::from_utf8(client.signed("us-east-1", "ec2", "DescribeRegions", &parameters)).unwrap();
    assert_eq!(client.send(good.as_bytes()).await.unwrap().status, 200);
    for (from, to) in [
        ("RegionName.1=us-east-1", "RegionName.1=us-west-1"),
        ("POST / HTTP", "POST /x HTTP"),
        ("POST / HTTP", "POST /?a=b HTTP"),
        ("x-www-form-urlencoded; charset=utf-8", "x-www-form-urlencoded; charset=utf-9"),
        ("/us-east-1/ec2/", "/eu-central-1/ec2/"),
    ] {
        let forged = good.replace(from, to);
        assert_ne!(forged, good);
        let page = client.send(forged.as_bytes()).await.unwrap();
        assert_eq!(
            (page.status, client.error("ec2", &page).code.as_str()),
            (403, "SignatureDoesNotMatch"),
            "{to}"
        );
    }
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let client = Client::start(config()).await;
    let body = "Action=DescribeVpcs&Version=2016-11-15";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let page = client.send(request.as_bytes()).await.unwrap();
    assert_eq!((page.status, client.error("ec2", &page).code.as_str()), (401, "AuthFailure"));
}

#[tokio::test]
async fn a_request_from_yesterday_is_refused() {
    let mut client = Client::start(config()).await;
    client.time -= Duration::from_hours(24);
    for ((service, operation), code) in EVERY_PROTOCOL.into_iter().zip([
        "RequestExpired",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "RequestTimeTooSkewed",
    ]) {
        assert_eq!(client.refused("us-east-1", service, operation, &json!({})).await.1, code, "{service}");
    }
}

#[tokio::test]
async fn a_region_that_is_not_enabled_refuses_every_call() {
    let client = Client::start(config()).await;
    let regions = client.ask("us-east-1", "ec2", "DescribeRegions", &json!({"AllRegions": true})).await;
    let off: Vec<&str> = (regions["Regions"].as_array().unwrap().iter())
        .filter(|region| region["OptInStatus"] == "not-opted-in")
        .map(|region| region["RegionName"].as_str().unwrap())
        .collect();
    assert_eq!(off.len(), 3);
    for ((service, operation), code) in EVERY_PROTOCOL.into_iter().zip([
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
    ]) {
        assert_eq!(client.refused(off[0], service, operation, &json!({})).await.1, code, "{service}");
    }
    let enabled = client.ask("us-east-1", "ec2", "DescribeRegions", &json!({})).await;
    assert_eq!(enabled["Regions"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn with_signatures_off_nobody_looks_at_them() {
    let mut client = Client::start(Config { signatures: Signatures::Off, ..config() }).await;
    client.credentials.secret_access_key = "0".repeat(40);
    let answer = client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    assert_ne!(answer["Vpcs"], Value::Null);
}

#[tokio::test]
async fn an_address_that_others_could_reach_is_refused() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = simcloud::start(config(), everywhere).await.err().unwrap();
    assert_eq!(error.to_string(), "0.0.0.0:0 is not a loopback address");
}
