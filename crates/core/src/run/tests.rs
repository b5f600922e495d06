use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::Arc;

use evidenced_bundle::{BagId, BundlePath, Content, Draft, EvidenceKey, Kind, Limits, UtcSecond, prepare};
use serde_json::{Value, json};

use super::*;
use crate::config;
use crate::layout;
use crate::source::{Page, Request};
use crate::testing::{FakeSource, FixedClock, MemoryScratch, NOW_MS, Silent, failure, nothing, page};

const ACCOUNT: &str = "111122223333";
const CONFIG: &str = "scope = \"test\"\norganisation = \"Example Ltd\"\n[store]\nurl = \"file:store\"\n[signing]\n\
                      origin = \"evidence.example.com/test\"\nevidence_key = \"file:k\"\n";

/// What the fake answers: `None` is "nothing is there".
type Special = fn(&str, &Request) -> Option<Result<Page, Failure>>;

fn regions(names: &[(&str, &str)]) -> Page {
    let region = |(name, status): &(&str, &str)| {
        format!("<item><regionName>{name}</regionName><optInStatus>{status}</optInStatus></item>")
    };
    let items = names.iter().map(region).collect::<Vec<_>>().concat();
    page(200, &format!("<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"))
}

fn target(id: &str) -> Target {
    Target {
        account: Account { id: id.to_owned(), name: String::new(), partition: "aws".to_owned() },
        in_scope: true,
        owner: None,
        excluded: None,
    }
}

fn settings() -> Settings {
    Settings {
        regions: Regions::Enabled,
        items: vec!["*".to_owned()],
        partitions: BTreeMap::from([(
            "aws".to_owned(),
            vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
        )]),
        home: None,
        accepted: Vec::new(),
        redactor: Redactor::default(),
        raw: false,
        concurrency: 8,
        slot: NOW_MS / 1000,
        only: None,
    }
}

struct Ran {
    snapshot: Snapshot,
    files: BTreeMap<String, Vec<u8>>,
    requests: Vec<(String, Request)>,
}

impl Ran {
    fn row(&self, region: &str, item: &str) -> &Row {
        self.snapshot.rows.iter().find(|row| row.region == region && row.item == item).unwrap()
    }

    fn document(&self, region: &str, item: &str) -> Value {
        serde_json::from_slice(&self.files[&format!("data/evidence/{ACCOUNT}/{region}/{item}.json")]).unwrap()
    }

    fn status(&self, region: &str, item: &str) -> &'static str {
        self.row(region, item).status.word()
    }
}

fn run_with(settings: &Settings, targets: Vec<Target>, special: Special) -> Result<Ran, RunError> {
    run_into(settings, targets, special, MemoryScratch::default())
}

fn run_into(
    settings: &Settings,
    targets: Vec<Target>,
    special: Special,
    scratch: MemoryScratch,
) -> Result<Ran, RunError> {
    let shapes = Arc::new(Shapes::embedded().unwrap());
    let table = Arc::clone(&shapes);
    let source = FakeSource::new(move |account, request| {
        special(account, request).unwrap_or_else(|| {
            Ok(match request.operation {
                "DescribeRegions" => {
                    regions(&[("eu-west-1", "opted-in"), ("us-east-1", "opt-in-not-required")])
                }
                "GetCallerIdentity" => page(200, ""),
                _ => nothing(&table, request),
            })
        })
    });
    let world =
        World { source: &source, scratch: &scratch, clock: &FixedClock, observer: &Silent, shapes: &shapes };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let snapshot = runtime.block_on(run(&world, settings, targets))?;
    let files = scratch.files.into_inner().unwrap();
    let requests = source.requests.into_inner().unwrap();
    Ok(Ran { snapshot, files, requests })
}

fn usual(special: Special) -> Ran {
    run_with(&settings(), vec![target(ACCOUNT)], special).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the form of what a special answer returns")]
fn denied() -> Option<Result<Page, Failure>> {
    let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized: \
                explicit deny in a service control policy</Message></Error></Errors><RequestID>r-1</RequestID></Response>";
    Some(Ok(page(403, body)))
}

fn zip_of(ran: &Ran) -> Vec<u8> {
    let config = config::parse(CONFIG).unwrap();
    let slot = UtcSecond::from_unix(NOW_MS / 1000).unwrap();
    let id = BagId::new(evidenced_bundle::Scope::new("test").unwrap(), slot, Kind::Manual);
    let mut draft: Draft = layout::draft(
        &config,
        &ran.snapshot,
        id,
        &layout::Collector::new("0.1.0"),
        std::path::Path::new("/nowhere"),
        None,
        &mut |_, bytes| Ok(Content::Bytes(bytes)),
    )
    .unwrap();
    // The files of the run are in memory here.
    for (path, bytes) in &ran.files {
        draft.files.insert(BundlePath::new(path.clone()).unwrap(), Content::Bytes(bytes.clone()));
    }
    let key = EvidenceKey::from_seed(&[1; 32]);
    let unsigned = prepare(draft, key.public().id(), &Limits::default()).unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let mut out = Cursor::new(Vec::new());
    unsigned.seal(signature, key.public(), &mut out).unwrap();
    out.into_inner()
}

#[test]
fn every_planned_cell_is_a_row_and_a_document() {
    let ran = usual(|_, _| None);
    let mut expected = BTreeSet::new();
    for item in catalogue() {
        match item.scope {
            Scope::Account => expected.insert((GLOBAL.to_owned(), item.id)),
            Scope::Region => {
                ["eu-west-1", "us-east-1"].map(|it| expected.insert((it.to_owned(), item.id)))[0]
            }
        };
    }
    let rows: BTreeSet<(String, &str)> =
        ran.snapshot.rows.iter().map(|row| (row.region.clone(), row.item.as_str())).collect();
    assert_eq!(rows, expected);
    assert_eq!(ran.snapshot.rows.len(), expected.len());
    assert!(ran.snapshot.rows.iter().all(|row| row.status == Status::Complete && row.file.is_some()));
    assert_eq!(ran.snapshot.status(), "complete");
    for row in &ran.snapshot.rows {
        let bytes = &ran.files[row.file.as_ref().unwrap()];
        assert_eq!(Digest::of(bytes).to_string(), *row.sha256.as_ref().unwrap());
    }
}

#[test]
fn the_same_answers_give_the_same_bytes() {
    let first = zip_of(&usual(|_, _| None));
    assert_eq!(first, zip_of(&usual(|_, _| None)));
    // Changes with the catalogue and with the version of the zip or deflate crate: then it is renewed knowingly.
    assert_eq!(Digest::of(&first).to_string(), include_str!("golden.sha256").trim());
}

#[test]
fn a_denied_call_is_a_gap_with_a_document_and_the_rest_is_complete() {
    let ran = usual(|_, request| {
        (request.operation == "DescribeFlowLogs" && request.region == "eu-west-1").then(denied).flatten()
    });
    let row = ran.row("eu-west-1", "vpc.flow-logs");
    assert_eq!(row.status, Status::Denied);
    assert_eq!(row.reason.as_deref(), Some("an explicit deny in a service control policy"));
    assert_eq!(row.error.as_ref().unwrap().request_id.as_deref(), Some("r-1"));
    let call = &ran.document("eu-west-1", "vpc.flow-logs")["calls"][0];
    assert_eq!(call["error"]["code"], "UnauthorizedOperation");
    assert_eq!(call["pages"][0]["status"], 403);
    assert!(call.get("output").is_none());
    let others = ran.snapshot.rows.iter().filter(|row| row.status != Status::Complete).count();
    assert_eq!((others, ran.snapshot.status()), (1, "partial"));
}

#[test]
fn a_partly_denied_item_holds_what_could_be_read() {
    let ran = usual(|_, request| match request.operation {
        "DescribeVpcs" => Some(Ok(page(
            200,
            "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>",
        ))),
        "DescribeVpcBlockPublicAccessOptions" => denied(),
        _ => None,
    });
    assert_eq!(ran.status("eu-west-1", "vpc.vpcs"), "partial");
    let calls = &ran.document("eu-west-1", "vpc.vpcs")["calls"];
    assert_eq!(calls[0]["output"], json!({ "Vpcs": [{ "VpcId": "vpc-1" }] }));
    assert_eq!(calls[1]["error"]["code"], "UnauthorizedOperation");
    assert_eq!(ran.row("eu-west-1", "vpc.vpcs").resources, Some(1));
}

#[test]
fn pages_are_followed_to_the_end_and_merged() {
    let ran = usual(|_, request| {
        let token = request.parameters.get("NextToken").and_then(Value::as_str);
        (request.operation == "DescribeSubnets").then(|| {
            let (id, next) = match token {
                None => ("s-1", "<nextToken>a</nextToken>"),
                Some("a") => ("s-2", "<nextToken>b</nextToken>"),
                _ => ("s-3", ""),
            };
            Ok(page(200, &format!("<DescribeSubnetsResponse><subnetSet><item><subnetId>{id}</subnetId></item></subnetSet>{next}</DescribeSubnetsResponse>")))
        })
    });
    let document = ran.document("eu-west-1", "vpc.subnets");
    let call = &document["calls"][0];
    assert_eq!(
        call["output"],
        json!({ "Subnets": [{ "SubnetId": "s-1" }, { "SubnetId": "s-2" }, { "SubnetId": "s-3" }] })
    );
    assert_eq!(call["pages"].as_array().unwrap().len(), 3);
    assert_eq!(call["parameters"], json!({ "MaxResults": 1000 }));
}

#[test]
fn a_repeated_token_stops_with_a_gap_and_keeps_what_was_read_apart() {
    let ran = usual(|_, request| {
        (request.operation == "DescribeSubnets").then(|| {
            Ok(page(200, "<DescribeSubnetsResponse><subnetSet><item><subnetId>s-1</subnetId></item></subnetSet><nextToken>same</nextToken></DescribeSubnetsResponse>"))
        })
    });
    assert_eq!(ran.status("eu-west-1", "vpc.subnets"), "partial");
    let call = &ran.document("eu-west-1", "vpc.subnets")["calls"][0];
    assert_eq!(call["error"]["code"], "RepeatedToken");
    assert!(call.get("output").is_none());
    assert_eq!(call["incompleteOutput"]["Subnets"].as_array().unwrap().len(), 2);
    let asked =
        ran.requests.iter().filter(|(_, it)| it.operation == "DescribeSubnets" && it.region == "eu-west-1");
    assert_eq!(asked.count(), 2);
}

#[test]
fn routes_that_the_service_left_out_are_a_gap() {
    let ran = usual(|_, request| match request.operation {
        "DescribeTransitGatewayRouteTables" => Some(Ok(page(
            200,
            "<DescribeTransitGatewayRouteTablesResponse><transitGatewayRouteTables><item><transitGatewayRouteTableId>tgw-rtb-1</transitGatewayRouteTableId></item></transitGatewayRouteTables></DescribeTransitGatewayRouteTablesResponse>",
        ))),
        "SearchTransitGatewayRoutes" => Some(Ok(page(
            200,
            "<SearchTransitGatewayRoutesResponse><routeSet><item><destinationCidrBlock>10.0.0.0/8</destinationCidrBlock></item></routeSet><additionalRoutesAvailable>true</additionalRoutesAvailable></SearchTransitGatewayRoutesResponse>",
        ))),
        _ => None,
    });
    let row = ran.row("eu-west-1", "vpc.connections");
    assert_eq!((row.status, row.error.as_ref().unwrap().code.as_str()), (Status::Partial, "Truncated"));
}

#[test]
fn waf_may_repeat_its_marker_with_an_empty_page_and_that_is_the_end() {
    let ran = usual(|_, request| {
        (request.operation == "ListWebACLs").then(|| {
            let body = if request.parameters.contains_key("NextMarker") {
                json!({ "NextMarker": "m", "WebACLs": [] })
            } else {
                json!({ "NextMarker": "m", "WebACLs": [{ "Name": "n", "Id": "i", "ARN": "arn:aws:wafv2:eu-west-1:1:regional/webacl/n/i" }] })
            };
            Ok(page(200, &body.to_string()))
        })
    });
    assert_eq!(ran.status("eu-west-1", "waf.web-acls"), "complete");
    assert_eq!(ran.row("eu-west-1", "waf.web-acls").resources, Some(1));
}

#[test]
fn a_malformed_answer_is_a_failure_never_an_empty_list() {
    for (body, code) in [
        ("<DescribeSubnetsResponse><subnetSet><item>", "MalformedResponse"),
        ("<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>", "WrongRoot"),
        ("", "MalformedResponse"),
        ("{}", "MalformedResponse"),
    ] {
        // A function pointer cannot capture: the body is chosen by a thread-local.
        BODY.with_borrow_mut(|it| body.clone_into(it));
        let ran = usual(|_, request| {
            (request.operation == "DescribeSubnets").then(|| Ok(page(200, &BODY.with_borrow(Clone::clone))))
        });
        let row = ran.row("eu-west-1", "vpc.subnets");
        assert_eq!(
            (row.status, row.error.as_ref().unwrap().code.as_str()),
            (Status::Failed, code),
            "{body:?}"
        );
        assert!(ran.document("eu-west-1", "vpc.subnets")["calls"][0].get("output").is_none());
    }
}

thread_local! {
    static BODY: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

#[test]
fn a_time_out_is_a_failure_with_its_word() {
    let ran =
        usual(|_, request| (request.service == "acm").then(|| Err(failure(FailureKind::Timeout, "Timeout"))));
    let row = ran.row("us-east-1", "acm.certificates");
    assert_eq!((row.status, row.error.as_ref().unwrap().code.as_str()), (Status::Failed, "Timeout"));
    let call = &ran.document("us-east-1", "acm.certificates")["calls"][0];
    assert_eq!(call["attemptsWithoutResponse"], 3);
}

#[test]
fn an_account_that_cannot_be_entered_keeps_all_its_cells() {
    let ran = usual(|_, request| {
        (request.operation == "GetCallerIdentity").then(|| Err(failure(FailureKind::Denied, "AccessDenied")))
    });
    assert!(ran.snapshot.rows.iter().all(|row| row.status == Status::Denied && row.file.is_some()));
    let regions: Vec<&str> =
        ran.snapshot.plan.accounts[0].regions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
    assert!(ran.requests.is_empty(), "nothing is asked with credentials that do not exist");
}

#[test]
fn evidence_is_never_filed_under_another_account() {
    let ran = run_with(&settings(), vec![target("999999999999")], |_, _| None).unwrap();
    assert!(ran.snapshot.rows.iter().all(|row| row.status == Status::Complete));
    // The fake's ARN names the account it is asked for; a source that answers as somebody else is refused.
    let account = target(ACCOUNT).account;
    let refused =
        same_account(&account, "arn:aws:iam::999999999999:user/other".to_owned(), NOW_MS).unwrap_err();
    assert_eq!(refused.code, "WrongAccount");
}

#[test]
fn a_service_without_an_endpoint_is_a_row_only() {
    let ran = usual(|_, request| {
        (request.service == "wafv2" && request.region == "eu-west-1")
            .then(|| Err(failure(FailureKind::NotOffered, "NotOffered")))
    });
    let row = ran.row("eu-west-1", "waf.web-acls");
    assert_eq!((row.status, &row.file), (Status::NotOffered, &None));
    assert_eq!(ran.snapshot.status(), "complete");
}

#[test]
fn regions_and_items_that_are_left_out_are_rows_with_a_reason() {
    let mut settings = settings();
    settings.regions = Regions::Listed(vec!["eu-west-1".to_owned()]);
    settings.items = vec!["vpc.*".to_owned()];
    let ran = run_with(&settings, vec![target(ACCOUNT)], |_, request| {
        (request.operation == "DescribeRegions").then(|| {
            Ok(regions(&[
                ("eu-west-1", "opted-in"),
                ("us-east-1", "opt-in-not-required"),
                ("af-south-1", "not-opted-in"),
            ]))
        })
    })
    .unwrap();
    assert_eq!(ran.status("eu-west-1", "vpc.vpcs"), "complete");
    assert_eq!(ran.status("us-east-1", "vpc.vpcs"), "excluded");
    assert_eq!(ran.status("af-south-1", "vpc.vpcs"), "region-disabled");
    assert_eq!(ran.status("eu-west-1", "acm.certificates"), "excluded");
    assert_eq!(ran.status(GLOBAL, "s3.buckets"), "excluded");
    assert_eq!(ran.status(GLOBAL, "account.regions"), "complete");
    assert!(ran.snapshot.rows.iter().all(|row| row.file.is_some() || row.reason.is_some()));
    assert_eq!(ran.snapshot.status(), "complete");
}

#[test]
fn an_excluded_account_is_not_asked_and_not_forgotten() {
    let mut other = target("444455556666");
    other.excluded = Some("sandbox".to_owned());
    let ran = run_with(&settings(), vec![target(ACCOUNT), other], |_, _| None).unwrap();
    let rows: Vec<&Row> = ran.snapshot.rows.iter().filter(|row| row.account == "444455556666").collect();
    assert_eq!(rows.len(), catalogue().iter().filter(|item| item.scope == Scope::Account).count());
    assert!(
        rows.iter().all(|row| row.status == Status::Excluded && row.reason.as_deref() == Some("sandbox"))
    );
    assert!(ran.requests.iter().all(|(account, _)| account == ACCOUNT));
    assert_eq!(ran.snapshot.plan.accounts[1].reason.as_deref(), Some("sandbox"));
}

#[test]
fn an_unreadable_region_list_does_not_shrink_the_run() {
    let ran = usual(|_, request| (request.operation == "DescribeRegions").then(denied).flatten());
    assert_eq!(ran.status(GLOBAL, "account.regions"), "denied");
    assert_eq!(ran.status("us-east-1", "vpc.vpcs"), "complete");
    assert_eq!(ran.status("eu-west-1", "vpc.vpcs"), "complete");
}

#[test]
fn a_region_that_is_not_opted_in_is_said_to_be_so_when_nothing_else_told() {
    let mut settings = settings();
    settings.regions = Regions::Listed(vec!["xx-south-9".to_owned()]);
    let ran = run_with(&settings, vec![target(ACCOUNT)], |_, request| {
        (request.region == "xx-south-9").then(|| {
            let body = "<Response><Errors><Error><Code>AuthFailure</Code><Message>not valid</Message></Error></Errors></Response>";
            Ok(page(401, body))
        })
    })
    .unwrap();
    assert_eq!(ran.status("xx-south-9", "vpc.vpcs"), "region-disabled");
    // In a region that the account says is enabled, the same code is what it says.
    let ran = usual(|_, request| {
        (request.operation == "DescribeVpcEndpoints").then(|| {
            let body = "<Response><Errors><Error><Code>AuthFailure</Code><Message>not valid</Message></Error></Errors></Response>";
            Ok(page(401, body))
        })
    });
    assert_eq!(ran.status("eu-west-1", "vpc.endpoints"), "failed");
}

#[test]
fn what_is_absent_is_a_fact_and_what_vanished_is_not_an_error() {
    let ran = usual(|_, request| match request.operation {
        "ListBuckets" => Some(Ok(page(
            200,
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>here</Name></Bucket><Bucket><Name>gone</Name></Bucket></Buckets></ListAllMyBucketsResult>",
        ))),
        "GetBucketLocation" if request.parameters["Bucket"] == "here" => {
            Some(Ok(page(200, "<LocationConstraint>eu-west-1</LocationConstraint>")))
        }
        "GetBucketPolicy" | "GetBucketPolicyStatus" => {
            Some(Ok(page(404, "<Error><Code>NoSuchBucketPolicy</Code></Error>")))
        }
        "GetPublicAccessBlock" => {
            Some(Ok(page(404, "<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>")))
        }
        "GetBucketEncryption" => {
            Some(Ok(page(404, "<Error><Code>ServerSideEncryptionConfigurationNotFoundError</Code></Error>")))
        }
        "GetObjectLockConfiguration" => {
            Some(Ok(page(404, "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>")))
        }
        "GetBucketVersioning" => Some(Ok(page(200, "<VersioningConfiguration/>"))),
        "GetBucketLogging" => Some(Ok(page(200, "<BucketLoggingStatus/>"))),
        _ if request.service == "s3" => Some(Ok(page(404, "<Error><Code>NoSuchBucket</Code></Error>"))),
        _ => None,
    });
    assert_eq!(ran.status(GLOBAL, "s3.buckets"), "complete");
    let document = ran.document(GLOBAL, "s3.buckets");
    assert_eq!(document["vanished"][0]["parameters"]["Bucket"], "gone");
    let policy =
        document["calls"].as_array().unwrap().iter().find(|it| it["operation"] == "GetBucketPolicy").unwrap();
    assert_eq!(policy["fact"]["code"], "NoSuchBucketPolicy");
    assert_eq!(policy["region"], "eu-west-1");
}

#[test]
fn raw_bodies_are_kept_but_never_of_calls_with_a_redaction() {
    let mut settings = settings();
    settings.raw = true;
    let ran = run_with(&settings, vec![target(ACCOUNT)], |_, _| None).unwrap();
    let raw: Vec<&String> = ran.files.keys().filter(|path| path.starts_with("data/raw/")).collect();
    assert!(raw.iter().any(|path| path.ends_with("eu-west-1/vpc.vpcs/0001-0001.body")), "{raw:?}");
    // DescribeVpnConnections is the sixth call of vpc.connections when there is no route table to search.
    let document = ran.document("eu-west-1", "vpc.connections");
    let vpn = document["calls"]
        .as_array()
        .unwrap()
        .iter()
        .position(|it| it["operation"] == "DescribeVpnConnections");
    let name = format!("data/raw/{ACCOUNT}/eu-west-1/vpc.connections/{:04}-0001.body", vpn.unwrap() + 1);
    assert!(!ran.files.contains_key(&name));
    assert_eq!(Digest::of(&ran.files[raw[0]]).to_string().len(), 64);
}

#[test]
fn an_account_id_that_is_a_path_is_refused_before_anything_is_written() {
    let ended = run_with(&settings(), vec![target("../../escape")], |_, _| None);
    assert!(matches!(ended, Err(RunError::Path { path, .. }) if path.contains("../../escape")));
}

#[test]
fn a_full_disk_ends_the_run_loudly() {
    let path = format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.vpcs.json");
    let scratch = MemoryScratch { refuses: Some(path.clone()), ..MemoryScratch::default() };
    let ended = run_into(&settings(), vec![target(ACCOUNT)], |_, _| None, scratch);
    assert!(matches!(ended, Err(RunError::Scratch { path: at, .. }) if at == path));
}

#[test]
fn an_accepted_gap_does_not_make_the_run_partial() {
    let mut settings = settings();
    settings.accepted = vec![AcceptedGap {
        account: "*".into(),
        region: "eu-*".into(),
        item: "vpc.flow-logs".into(),
        reason: "known".into(),
        approver: "ciso".into(),
        expires: "2026-12-31".into(),
    }];
    let special: Special = |_, request| {
        (request.operation == "DescribeFlowLogs" && request.region == "eu-west-1").then(denied).flatten()
    };
    let ran = run_with(&settings, vec![target(ACCOUNT)], special).unwrap();
    assert_eq!(ran.row("eu-west-1", "vpc.flow-logs").accepted.as_ref().unwrap().approver, "ciso");
    assert_eq!(ran.status("eu-west-1", "vpc.flow-logs"), "denied");
    assert_eq!(ran.snapshot.status(), "complete");
}

#[test]
fn more_rows_than_one_file_holds_are_split_by_account() {
    let targets: Vec<Target> = (0..70).map(|number| target(&format!("{number:012}"))).collect();
    let ran = run_with(&settings(), targets, |_, _| None).unwrap();
    assert!(ran.snapshot.rows.len() > 2_000);
    let zip = zip_of(&ran);
    let key = EvidenceKey::from_seed(&[1; 32]);
    let keys = evidenced_bundle::TrustedKeys::new([key.public().clone()]).unwrap();
    let name = "evidence-test-20261122T020003Z-manual.zip";
    let bundle = evidenced_bundle::UntrustedBundle::open(Cursor::new(zip), name, &Limits::default());
    let verified = bundle.verify(&keys).unwrap();
    assert!(verified.manifest().print().windows(27).any(|it| it == b"data/run/000000000000.json\n"));
}

#[test]
fn a_run_of_some_cells_asks_and_writes_those_alone() {
    let cell = |region: &str, item: &str| (ACCOUNT.to_owned(), region.to_owned(), item.to_owned());
    let only = Cells::new([cell("eu-west-1", "vpc.vpcs"), cell(GLOBAL, "s3.buckets")]);
    let settings = Settings { only: Some(only), ..settings() };
    let other = "444455556666";
    let ran = run_with(&settings, vec![target(ACCOUNT), target(other)], |_, _| None).unwrap();
    let rows: Vec<_> = ran.snapshot.rows.iter().map(|row| (row.region.as_str(), row.item.as_str())).collect();
    assert_eq!(rows, [("eu-west-1", "vpc.vpcs"), (GLOBAL, "s3.buckets")]);
    assert_eq!(ran.files.len(), 2, "{:?}", ran.files.keys());
    // The account that has no such cell is not entered; of the other, the regions are looked at all the same.
    assert!(ran.requests.iter().all(|(account, _)| account == ACCOUNT), "{:?}", ran.requests);
    assert!(ran.requests.iter().any(|(_, request)| request.operation == "DescribeRegions"));
    assert!(!ran.requests.iter().any(|(_, request)| request.operation == "DescribeSubnets"));
    assert_eq!(ran.snapshot.plan.accounts.len(), 1);
}
