//! The source against a server on loopback: what is captured, what is refused, what is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evidenced_core::item::catalogue;
use evidenced_core::shape::Shapes;
use evidenced_core::source::{Account, Failure, FailureKind, Page, Request, Source};
use serde_json::{Map, Value, json};

use super::test_server::{Reply, Server};
use super::{AssumeRole, AwsError, AwsSource, Keys, Secret, Settings, supported};

const ACCOUNT: &str = "111122223333";
const VPCS: &str = "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>";

fn settings(url: &str) -> Settings {
    Settings {
        keys: Some(Keys {
            access_key_id: String::from("AKIAEXAMPLE"),
            secret_access_key: Secret::new("secret"),
        }),
        endpoint_url: Some(url.to_owned()),
        home_region: Some(String::from("eu-west-1")),
        slot_compact: String::from("20261122T020000Z"),
        accounts: BTreeMap::from([(ACCOUNT.to_owned(), None)]),
        first_backoff: Duration::from_millis(1),
        max_attempts: 3,
        ..Settings::default()
    }
}

async fn source(server: &Server) -> AwsSource {
    AwsSource::new(settings(&server.url)).await.unwrap()
}

fn account() -> Account {
    Account { id: ACCOUNT.to_owned(), name: String::new(), partition: String::from("aws") }
}

fn request(service: &'static str, operation: &'static str, parameters: Value) -> Request {
    let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
    Request { service, operation, region: String::from("eu-west-1"), parameters }
}

async fn vpcs(source: &AwsSource) -> Result<Page, Failure> {
    source.page(&account(), &request("ec2", "DescribeVpcs", json!({ "MaxResults": 5 }))).await
}

fn ec2_error(code: &str) -> String {
    format!("<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>")
}

#[tokio::test]
async fn the_bytes_of_a_page_are_kept_with_what_came_with_them() {
    let server =
        Server::start(|_, _| Reply::ok(VPCS).header("x-amzn-requestid", "r-1").header("X-Odd", "a")).await;
    let page = vpcs(&source(&server).await).await.unwrap();
    assert_eq!((page.status, page.attempts), (200, 1));
    assert_eq!(page.body, VPCS.as_bytes());
    assert_eq!(page.request_id(), Some("r-1"));
    assert_eq!(page.headers.get("x-odd").map(String::as_str), Some("a"));
    assert_eq!(page.endpoint, server.url);
    assert!(page.started_at_ms > 0 && page.finished_at_ms >= page.started_at_ms);
}

#[tokio::test]
async fn the_bytes_of_a_refusal_are_kept() {
    let body = ec2_error("UnauthorizedOperation");
    let answer = body.clone();
    let server = Server::start(move |_, _| Reply::status(403, &answer)).await;
    let page = vpcs(&source(&server).await).await.unwrap();
    assert_eq!((page.status, page.attempts), (403, 1));
    assert_eq!(page.body, body.as_bytes());
}

#[tokio::test]
async fn a_server_error_is_tried_again_and_the_last_answer_is_reported() {
    let server = Server::start(|_, before| {
        Reply::status(500, &ec2_error("InternalError")).header("x-amzn-requestid", &format!("r-{before}"))
    })
    .await;
    let page = vpcs(&source(&server).await).await.unwrap();
    assert_eq!((page.status, page.attempts), (500, 3));
    assert_eq!(page.request_id(), Some("r-2"));
    assert_eq!(page.body, ec2_error("InternalError").as_bytes());
}

#[tokio::test]
async fn an_attempt_after_a_server_error_is_the_one_that_is_reported() {
    let server = Server::start(|_, before| match before {
        0 => Reply::status(503, &ec2_error("Unavailable")).header("x-amzn-requestid", "r-bad"),
        _ => Reply::ok(VPCS).header("x-amzn-requestid", "r-good"),
    })
    .await;
    let page = vpcs(&source(&server).await).await.unwrap();
    assert_eq!((page.status, page.attempts, page.request_id()), (200, 2, Some("r-good")));
    assert_eq!(page.body, VPCS.as_bytes());
}

#[tokio::test]
async fn a_page_that_the_sdk_could_not_parse_is_kept() {
    for (service, operation, parameters) in [
        ("ec2", "DescribeVpcs", json!({})),
        ("elbv2", "DescribeLoadBalancers", json!({})),
        ("acm", "ListCertificates", json!({})),
        ("s3", "ListBuckets", json!({})),
    ] {
        let server = Server::start(|_, _| Reply::ok("<not <xml, nor JSON")).await;
        let page =
            source(&server).await.page(&account(), &request(service, operation, parameters)).await.unwrap();
        assert_eq!((page.status, page.attempts), (200, 1), "{service}");
        assert_eq!(page.body, b"<not <xml, nor JSON".as_slice(), "{service}");
    }
}

#[tokio::test]
async fn a_truncated_body_is_a_failure_and_never_a_page() {
    for (service, operation) in [("ec2", "DescribeVpcs"), ("s3", "ListBuckets"), ("acm", "ListCertificates")]
    {
        for reply in [Reply::Short(VPCS.into()), Reply::Unended(VPCS.into()), Reply::Unended(Vec::new())] {
            let server = Server::start(move |_, _| reply.clone()).await;
            let failure = source(&server)
                .await
                .page(&account(), &request(service, operation, json!({})))
                .await
                .unwrap_err();
            assert_eq!(failure.kind, FailureKind::Response, "{failure}");
            assert_eq!(failure.attempts, 3, "a truncated body is tried again");
            assert_eq!(failure.endpoint.as_deref(), Some(server.url.as_str()));
        }
    }
}

#[tokio::test]
async fn a_truncated_body_that_comes_whole_the_second_time_is_a_page() {
    let server = Server::start(|_, before| match before {
        0 => Reply::Short(b"<Descr".to_vec()),
        _ => Reply::ok(VPCS),
    })
    .await;
    let page = vpcs(&source(&server).await).await.unwrap();
    assert_eq!((page.attempts, page.body.as_ref()), (2, VPCS.as_bytes()));
}

#[tokio::test]
async fn an_answer_of_an_earlier_attempt_is_not_the_answer() {
    let server = Server::start(|_, before| match before {
        0 => Reply::status(500, &ec2_error("InternalError")),
        _ => Reply::Short(VPCS.into()),
    })
    .await;
    let failure = vpcs(&source(&server).await).await.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Response, 3));
}

#[tokio::test]
async fn a_stalled_body_ends_with_the_attempt_time_out() {
    let server = Server::start(|_, _| Reply::Stall(b"<Describe".to_vec())).await;
    let settings =
        Settings { attempt_timeout: Duration::from_millis(200), max_attempts: 2, ..settings(&server.url) };
    let begun = Instant::now();
    let failure = vpcs(&AwsSource::new(settings).await.unwrap()).await.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Timeout, 2), "{failure}");
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert!(begun.elapsed() < Duration::from_secs(10), "well below the SDK's grace of 20 s");
}

#[tokio::test]
async fn the_operation_time_out_ends_all_attempts() {
    let server = Server::start(|_, _| Reply::Stall(Vec::new())).await;
    let settings = Settings { operation_timeout: Duration::from_millis(200), ..settings(&server.url) };
    let failure = vpcs(&AwsSource::new(settings).await.unwrap()).await.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Timeout, 1), "{failure}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_not_asked_for_again() {
    for (service, operation) in [("ec2", "DescribeVpcs"), ("s3", "ListBuckets")] {
        let server = Server::start(|_, _| Reply::ok(VPCS)).await;
        let settings = Settings { max_body_bytes: VPCS.len() - 1, ..settings(&server.url) };
        let source = AwsSource::new(settings).await.unwrap();
        let failure = source.page(&account(), &request(service, operation, json!({}))).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Response, "ResponseTooLarge"));
        assert_eq!((failure.attempts, server.asked().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_a_page() {
    let server = Server::start(|_, _| Reply::ok(VPCS)).await;
    let settings = Settings { max_body_bytes: VPCS.len(), ..settings(&server.url) };
    assert_eq!(vpcs(&AwsSource::new(settings).await.unwrap()).await.unwrap().body, VPCS.as_bytes());
}

#[tokio::test]
async fn a_connection_that_is_closed_is_a_connection_failure() {
    let server = Server::start(|_, _| Reply::Close).await;
    let failure = vpcs(&source(&server).await).await.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Connection, 3), "{failure}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_connection_failure() {
    let server = Server::start(|_, _| Reply::ok(VPCS)).await;
    let url = server.url.replace("http://", "https://");
    let settings = Settings { max_attempts: 1, ..settings(&url) };
    let failure = vpcs(&AwsSource::new(settings).await.unwrap()).await.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Connection, 1), "{failure}");
    assert_eq!(failure.endpoint, Some(url));
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_on_is_a_connection_failure() {
    let server = Server::start(|_, _| Reply::Close).await;
    let source = source(&server).await;
    let url = server.url.clone();
    drop(server);
    // Aborting is asynchronous: the listener is gone once it can be bound again.
    while tokio::net::TcpListener::bind(url.trim_start_matches("http://")).await.is_err() {
        tokio::task::yield_now().await;
    }
    let failure = vpcs(&source).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Connection, "ConnectionFailed"));
}

#[tokio::test]
async fn a_throttle_is_retried_and_slows_its_lane() {
    let server = Server::start(|_, before| match before {
        0 => Reply::status(503, &ec2_error("RequestLimitExceeded")),
        _ => Reply::ok(VPCS),
    })
    .await;
    let source = source(&server).await;
    let page = vpcs(&source).await.unwrap();
    assert_eq!((page.status, page.attempts), (200, 2));
    assert!((0.5..0.6).contains(&source.factor(ACCOUNT, "eu-west-1", "ec2", "DescribeVpcs")));
    assert!(source.factor(ACCOUNT, "eu-west-1", "ec2", "DescribeSubnets") > 0.99);
}

#[tokio::test]
async fn an_unknown_parameter_and_a_wrong_type_are_named_and_nothing_is_sent() {
    let server = Server::start(|_, _| Reply::ok(VPCS)).await;
    let source = source(&server).await;
    for (parameters, words) in [
        (json!({ "MaxResult": 5 }), "DescribeVpcs: parameter MaxResult: the operation has none of that name"),
        (json!({ "MaxResults": "5" }), "DescribeVpcs: parameter MaxResults: \"5\" is not a 32-bit integer"),
        (json!({ "VpcIds": "vpc-1" }), "DescribeVpcs: parameter VpcIds: \"vpc-1\" is not a list of strings"),
        (
            json!({ "Filters": [{ "Name": "n", "Value": "v" }] }),
            "DescribeVpcs: parameter Filters: [{\"Name\":\"n\",\"Value\":\"v\"}] is not a list of {\"Name\": string, \"Values\": [string]}",
        ),
        (json!({ "NextToken": null }), "DescribeVpcs: parameter NextToken: null is not a string"),
    ] {
        let failure = source.page(&account(), &request("ec2", "DescribeVpcs", parameters)).await.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Internal, words));
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_unknown_call_or_account_is_internal() {
    let server = Server::start(|_, _| Reply::ok(VPCS)).await;
    let source = source(&server).await;
    let failure = source.page(&account(), &request("ec2", "DeleteVpc", json!({}))).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Internal);
    let other = Account { id: String::from("444455556666"), ..account() };
    let failure = source.page(&other, &request("ec2", "DescribeVpcs", json!({}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Internal, "UnknownAccount"));
    assert!(server.asked().is_empty());
}

/// What a call is sent with in the test below: one value for every parameter it may have.
fn value_of(parameter: &str) -> Value {
    match parameter {
        "MaxResults" | "Limit" | "PageSize" | "MaxItems" | "MaxBuckets" => json!(37),
        "TargetVersion" => json!(7),
        "AllRegions" | "IncludeManagedResources" => json!(true),
        "Filters" | "Filter" => json!([{ "Name": "filter-name", "Values": ["filter-value"] }]),
        "Includes" => json!({ "keyTypes": ["EC_prime256v1", "a-new-type"] }),
        "LoadBalancerType" => json!("network"),
        "Bucket" => json!("bucket-name"),
        "Names" => json!(["Names-value"]),
        name if name.ends_with("Ids")
            || name.ends_with("Names") && name != "Names"
            || name.ends_with("Arns")
            || name.ends_with("Statuses")
            || name.ends_with("Types")
            || name.ends_with("Origins")
            || name == "PublicIps" =>
        {
            json!([format!("{name}-value")])
        }
        name => json!(format!("{name}-value")),
    }
}

#[tokio::test]
async fn every_call_sends_its_action_and_every_parameter_it_declares() {
    let server = Server::start(|asked, _| {
        // What the SDK's parser is shown does not depend on this.
        Reply::ok(if asked.target.starts_with("GET") { "<x/>" } else { "whatever" })
    })
    .await;
    let source = source(&server).await;
    let mut tested = BTreeSet::new();
    for (service, operation) in supported() {
        let mut parameters = Map::new();
        for name in super::calls::parameters_of(service, operation) {
            let value = match (service, *name) {
                ("config", "Filters") => json!({ "EvaluationMode": "DETECTIVE" }),
                _ => value_of(name),
            };
            parameters.insert((*name).to_owned(), value);
        }
        let asked_before = server.asked().len();
        let page =
            source.page(&account(), &request(service, operation, Value::Object(parameters.clone()))).await;
        let page = page.unwrap_or_else(|failure| panic!("{service} {operation}: {failure}"));
        assert_eq!(page.status, 200);
        let asked = server.asked().get(asked_before).cloned().unwrap();
        if service != "s3" {
            let action = asked.action();
            assert!(action.ends_with(operation), "{service} {operation}: {action}");
        }
        assert!(asked.headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
        let sent = format!("{} {:?} {}", asked.target, asked.headers.values(), asked.body);
        for (name, value) in &parameters {
            for word in words(value) {
                assert!(sent.contains(&word), "{service} {operation}: {name} ({word}) is not in {sent}");
            }
        }
        tested.insert((service, operation));
    }
    assert_eq!(tested.len(), supported().count(), "no call is declared twice");
    assert!(tested.len() >= 63, "{}", tested.len());
}

/// The words of a value as they stand in a request.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(words).collect(),
        Value::Object(members) => members.values().flat_map(words).collect(),
        Value::String(text) => vec![text.clone()],
        // A header of its own (S3) or a number as it is.
        other => vec![other.to_string()],
    }
}

#[tokio::test]
async fn the_sdk_accepts_the_stand_in_of_every_call() {
    let server = Server::start(|_, _| Reply::ok("not a document")).await;
    let source = source(&server).await;
    for (service, operation) in supported().filter(|(service, _)| *service != "s3") {
        let outcome = source.outcome(&account(), &request(service, operation, json!({}))).await;
        // Calls with required identifiers in the path would not be built; these protocols have none.
        assert_eq!(outcome, Ok(()), "{service} {operation}");
    }
}

const ASSUMED: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
    </Credentials></AssumeRoleResult></AssumeRoleResponse>";

fn query_error(code: &str, message: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
}

fn with_role(url: &str) -> Settings {
    let role = AssumeRole {
        role_name: String::from("EvidenceReader"),
        external_id: Some(Secret::new("canary-external-id")),
    };
    Settings { accounts: BTreeMap::from([(ACCOUNT.to_owned(), Some(role))]), ..settings(url) }
}

#[tokio::test]
async fn a_role_is_assumed_once_with_its_external_id_and_session_name() {
    let server = Server::start(|asked, _| match asked.action().as_str() {
        "AssumeRole" => Reply::ok(ASSUMED),
        _ => Reply::ok(VPCS),
    })
    .await;
    let source = AwsSource::new(with_role(&server.url)).await.unwrap();
    vpcs(&source).await.unwrap();
    source.page(&account(), &request("acm", "ListCertificates", json!({}))).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "one AssumeRole for two services");
    let assumed = &asked[0].body;
    assert!(assumed.contains("ExternalId=canary-external-id"), "{assumed}");
    assert!(assumed.contains("RoleSessionName=evidenced-20261122T020000Z"), "{assumed}");
    assert!(
        assumed.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2FEvidenceReader"),
        "{assumed}"
    );
    assert!(asked[1].headers["authorization"].contains("Credential=ASIAROLE/"));
    assert!(!format!("{source:?}").contains("canary"));
}

/// What is logged, at every level, while it is the thread's subscriber.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_level_shows_the_external_id_or_a_secret_key() {
    let server = Server::start(|asked, _| match asked.action().as_str() {
        "AssumeRole" => Reply::ok(&ASSUMED.replace("<SecretAccessKey>s<", "<SecretAccessKey>canary-key<")),
        _ => Reply::ok(VPCS),
    })
    .await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // Tests in other threads, without a subscriber, may have had a hand in what is enabled: so once to make every
    // event known, and once to read.
    vpcs(&AwsSource::new(with_role(&server.url)).await.unwrap()).await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    vpcs(&AwsSource::new(with_role(&server.url)).await.unwrap()).await.unwrap();
    assert!(server.asked()[0].body.contains("canary-external-id"));
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("operation=\"DescribeVpcs\""), "the event of the request is there");
    assert!(log.contains("transmitting request"), "the SDK's are there");
    let shown: Vec<_> = log.lines().filter(|line| line.contains("canary")).collect();
    assert!(shown.is_empty(), "{shown:?}");
}

#[tokio::test]
async fn a_denied_role_is_denied_in_the_servers_words_without_the_external_id() {
    let server = Server::start(|_, _| {
        Reply::status(403, &query_error("AccessDenied", "not authorized with canary-external-id"))
    })
    .await;
    let source = AwsSource::new(with_role(&server.url)).await.unwrap();
    let failure = vpcs(&source).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Denied, "AccessDenied"));
    assert_eq!(failure.message, "not authorized with <removed>");
    let again = source.page(&account(), &request("ec2", "DescribeSubnets", json!({}))).await.unwrap_err();
    assert_eq!(again.kind, FailureKind::Denied);
    let principal = source.principal(&account()).await.unwrap_err();
    assert_eq!(principal.kind, FailureKind::Denied);
    assert_eq!(server.asked().len(), 1, "a denial is remembered");
}

#[tokio::test]
async fn expired_base_credentials_are_a_credentials_failure() {
    let server = Server::start(|_, _| {
        Reply::status(
            403,
            &query_error("ExpiredToken", "The security token included in the request is expired"),
        )
    })
    .await;
    let source = AwsSource::new(with_role(&server.url)).await.unwrap();
    let failure = vpcs(&source).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Credentials, "ExpiredToken"));
    assert!(failure.message.contains("is expired"), "{failure}");
    let failure = source.caller().await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Credentials, "ExpiredToken"));
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_refused_at_the_door() {
    let settings = Settings {
        keys: None,
        profile: Some(String::from("a-profile-that-no-machine-has")),
        ..settings("http://127.0.0.1:9")
    };
    let error = AwsSource::new(settings).await.unwrap_err();
    let AwsError::NoCredentials { reason } = error else { panic!("{error}") };
    assert!(reason.contains("a-profile-that-no-machine-has"), "{reason}");
}

fn identity(arn: &str) -> String {
    format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDA</UserId>\
         <Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

#[tokio::test]
async fn the_caller_tells_account_and_partition() {
    let server = Server::start(|_, _| Reply::ok(&identity("arn:aws-cn:iam::111122223333:user/x"))).await;
    let caller = source(&server).await.caller().await.unwrap();
    assert_eq!(
        (caller.account.as_str(), caller.partition.as_str(), caller.user.as_str()),
        (ACCOUNT, "aws-cn", "AIDA")
    );
}

#[tokio::test]
async fn a_principal_is_asked_for_once() {
    let server = Server::start(|_, _| Reply::ok(&identity("arn:aws:iam::111122223333:user/x"))).await;
    let source = source(&server).await;
    for _ in 0..2 {
        assert_eq!(source.principal(&account()).await.unwrap(), "arn:aws:iam::111122223333:user/x");
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn every_page_of_the_organisation_is_read() {
    let server = Server::start(|_, before| match before {
        0 => Reply::ok(
            r#"{"Accounts":[{"Id":"1","Name":"a","Status":"ACTIVE","JoinedTimestamp":1.5E9}],"NextToken":"t"}"#,
        ),
        _ => Reply::ok(r#"{"Accounts":[{"Id":"2","Name":"b","State":"SUSPENDED","Status":"ACTIVE"}]}"#),
    })
    .await;
    let accounts = source(&server).await.list_accounts().await.unwrap();
    let told: Vec<_> =
        accounts.iter().map(|a| (a.id.as_str(), a.status.as_str(), a.joined.as_deref())).collect();
    assert_eq!(told, [("1", "ACTIVE", Some("2017-07-14T02:40:00Z")), ("2", "SUSPENDED", None)]);
    assert!(server.asked()[1].body.contains(r#""NextToken":"t""#));
}

#[tokio::test]
async fn a_repeated_token_of_the_organisation_stops() {
    let server = Server::start(|_, _| Reply::ok(r#"{"Accounts":[],"NextToken":"t"}"#)).await;
    let failure = source(&server).await.list_accounts().await.unwrap_err();
    assert_eq!((failure.code.as_str(), server.asked().len()), ("RepeatedToken", 2));
}

#[tokio::test]
async fn what_is_released_can_be_asked_again() {
    let server = Server::start(|_, _| Reply::ok(VPCS)).await;
    let source = source(&server).await;
    vpcs(&source).await.unwrap();
    source.release(&account(), "eu-west-1");
    assert_eq!(vpcs(&source).await.unwrap().status, 200);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let server = Server::start(|_, _| Reply::Stall(Vec::new())).await;
    let settings = Settings {
        concurrency: 2,
        attempt_timeout: Duration::from_millis(300),
        max_attempts: 1,
        ..settings(&server.url)
    };
    let source = AwsSource::new(settings).await.unwrap();
    let begun = Instant::now();
    let answers = futures_util::future::join_all((0..4).map(|_| vpcs(&source))).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(begun.elapsed() >= Duration::from_millis(600), "four in two rounds: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_missing_host_is_not_offered_only_where_the_partition_table_says_so() {
    let server = Server::start(|_, _| Reply::Close).await;
    let source = source(&server).await;
    let kind = |region: &str, code: &str| {
        let failure = Failure {
            kind: FailureKind::Connection,
            code: code.to_owned(),
            message: String::new(),
            attempts: 1,
            started_at_ms: 0,
            finished_at_ms: 0,
            endpoint: None,
        };
        let request = Request { region: region.to_owned(), ..request("wafv2", "ListWebACLs", json!({})) };
        source.not_offered(&request, failure).kind
    };
    assert_eq!(kind("us-iso-west-1", "EndpointUnknown"), FailureKind::NotOffered);
    assert_eq!(kind("us-iso-west-1", "ConnectionFailed"), FailureKind::Connection);
    assert_eq!(kind("eu-west-1", "EndpointUnknown"), FailureKind::Connection);
    assert_eq!(kind("xx-new-1", "EndpointUnknown"), FailureKind::Connection);
}

#[test]
fn every_call_of_the_catalogue_can_be_made() {
    let supported: BTreeSet<_> = supported().collect();
    for item in catalogue() {
        for step in item.steps {
            assert!(
                supported.contains(&(step.service, step.operation)),
                "{} {}",
                step.service,
                step.operation
            );
        }
    }
}

/// Parameters of the API that are left out, with the reason.
const LEFT_OUT: [&str; 1] = [
    // Sends nothing but a permission check.
    "DryRun",
];

#[test]
fn every_parameter_of_the_shape_table_is_declared_and_no_other() {
    let shapes = Shapes::embedded().unwrap();
    for (service, operation) in supported() {
        let table = shapes.service(service).unwrap().operation(operation).unwrap();
        let known: BTreeSet<_> = table.input_members.iter().map(|member| member.name.as_str()).collect();
        let declared: BTreeSet<_> = super::calls::parameters_of(service, operation).iter().copied().collect();
        let missing: Vec<_> = known.difference(&declared).filter(|name| !LEFT_OUT.contains(name)).collect();
        assert!(missing.is_empty(), "{service} {operation} lacks {missing:?}");
        let invented: Vec<_> = declared.difference(&known).collect();
        assert!(invented.is_empty(), "{service} {operation} has {invented:?}");
    }
}
