//! How `wire` reads what AWS sends and what no model describes.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a table that does not load fails the test")]

use bytes::Bytes;
use evidenced_core::shape::Shapes;
use evidenced_core::source::Page;
use evidenced_core::wire::{Converted, ServiceError, convert, service_error};
use serde_json::{Value, json};

fn page(status: u16, headers: &[(&str, &str)], body: &str) -> Page {
    Page {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        endpoint: String::new(),
        attempts: 1,
        started_at_ms: 0,
        finished_at_ms: 0,
    }
}

fn read(service: &str, operation: &str, body: &str) -> Converted {
    let shapes = Shapes::embedded().unwrap();
    let service = shapes.service(service).unwrap();
    convert(service, service.operation(operation).unwrap(), &page(200, &[], body)).unwrap()
}

/// The output of a body in which nothing is unknown or odd.
fn plain(service: &str, operation: &str, body: &str) -> Value {
    let converted = read(service, operation, body);
    assert_eq!((converted.unknown, converted.anomalies), (vec![], vec![]));
    converted.output
}

fn vpcs(inner: &str) -> Converted {
    read("ec2", "DescribeVpcs", &format!("<DescribeVpcsResponse>{inner}</DescribeVpcsResponse>"))
}

#[test]
fn an_empty_list_is_a_list_and_an_absent_one_no_key() {
    assert_eq!(vpcs("<vpcSet/>").output, json!({"Vpcs": []}));
    assert_eq!(vpcs("<requestId>r</requestId>").output, json!({}));
}

#[test]
fn members_stand_in_the_order_in_which_they_were_sent() {
    let output = vpcs("<vpcSet><item><vpcId>v</vpcId><cidrBlock>c</cidrBlock></item></vpcSet>").output;
    assert_eq!(output.to_string(), r#"{"Vpcs":[{"VpcId":"v","CidrBlock":"c"}]}"#);
}

#[test]
fn unknown_members_stay_under_their_wire_names_and_are_listed_once() {
    let item = "<item><zzNew>1</zzNew><zzSet><item>a</item></zzSet></item>";
    let converted = vpcs(&format!("<vpcSet>{item}{item}</vpcSet><zzTop a='1'>t</zzTop>"));
    let vpc = json!({"zzNew": "1", "zzSet": ["a"]});
    assert_eq!(converted.output, json!({"Vpcs": [vpc, vpc], "zzTop": {"#text": "t", "@a": "1"}}));
    assert_eq!(converted.unknown, ["/Vpcs/*/zzNew", "/Vpcs/*/zzSet", "/zzTop"]);
    assert_eq!(converted.anomalies, [""; 0]);
}

#[test]
fn an_unknown_member_never_hides_a_known_one() {
    // `VpcId` is how the CLI names what EC2 writes `vpcId`.
    for item in ["<VpcId>new</VpcId><vpcId>v</vpcId>", "<vpcId>v</vpcId><VpcId>new</VpcId>"] {
        let converted = vpcs(&format!("<vpcSet><item>{item}</item></vpcSet>"));
        assert_eq!(converted.output, json!({"Vpcs": [{"VpcId": "v", "VpcId#": "new"}]}));
        assert_eq!(converted.unknown, ["/Vpcs/*/VpcId#"]);
    }
}

#[test]
fn a_repeated_scalar_keeps_the_first_and_says_so() {
    let converted = vpcs("<vpcSet><item><vpcId>v</vpcId><vpcId>w</vpcId><vpcId>x</vpcId></item></vpcSet>");
    assert_eq!(converted.output, json!({"Vpcs": [{"VpcId": "v", "vpcId": ["w", "x"]}]}));
    assert_eq!(converted.anomalies, ["/Vpcs/*/VpcId: a repeated element"]);
    assert_eq!(converted.unknown, ["/Vpcs/*/vpcId"]);
}

#[test]
fn a_scalar_of_the_wrong_type_keeps_its_text_and_says_so() {
    let converted =
        vpcs("<vpcSet><item><isDefault>perhaps</isDefault><vpcId><a>1</a></vpcId></item></vpcSet>");
    assert_eq!(converted.output, json!({"Vpcs": [{"IsDefault": "perhaps", "VpcId": {"a": "1"}}]}));
    assert_eq!(
        converted.anomalies,
        ["/Vpcs/*/IsDefault: not a boolean", "/Vpcs/*/VpcId: elements where a text is expected"]
    );
    let converted = read("wafv2", "ListWebACLs", r#"{"WebACLs": [{"Name": 1}, "x"], "NextMarker": {}}"#);
    assert_eq!(converted.output, json!({"WebACLs": [{"Name": 1}, "x"], "NextMarker": {}}));
    assert_eq!(
        converted.anomalies,
        ["/NextMarker: not a string", "/WebACLs/*/Name: not a string", "/WebACLs/*: not an object"]
    );
}

#[test]
fn text_between_members_is_kept() {
    let converted = vpcs("<vpcSet><item>stray<vpcId>v</vpcId></item></vpcSet>");
    assert_eq!(converted.output, json!({"Vpcs": [{"VpcId": "v", "#text": "stray"}]}));
    assert_eq!(converted.unknown, ["/Vpcs/*/#text"]);
}

#[test]
fn a_list_takes_every_child_and_names_the_odd_ones() {
    let converted = vpcs("<vpcSet><member><vpcId>v</vpcId></member></vpcSet>");
    assert_eq!(converted.output, json!({"Vpcs": [{"VpcId": "v"}]}));
    assert_eq!(converted.anomalies, ["/Vpcs/*: the element is member, not item"]);
}

#[test]
fn big_integer_survives() {
    for digits in ["9007199254740993", "18446744073709551615", "-9223372036854775809"] {
        let body = format!(r#"{{"WebACL":{{"Capacity":{digits},"zzNew":{digits}}}}}"#);
        let converted = read("wafv2", "GetWebACL", &body);
        assert_eq!(converted.output.to_string(), body);
        let body = format!(
            "<DescribeManagedPrefixListsResponse><prefixListSet><item><version>{digits}</version></item>\
            </prefixListSet></DescribeManagedPrefixListsResponse>"
        );
        let lists = plain("ec2", "DescribeManagedPrefixLists", &body);
        assert_eq!(lists.to_string(), format!(r#"{{"PrefixLists":[{{"Version":{digits}}}]}}"#));
    }
}

#[test]
fn a_null_member_is_left_out_and_a_null_element_stays() {
    let body = r#"{"NextMarker": null, "WebACLs": [null, {"Name": null}], "zzNew": null}"#;
    let converted = read("wafv2", "ListWebACLs", body);
    assert_eq!(converted.output, json!({"WebACLs": [null, {}], "zzNew": null}));
    assert_eq!(converted.unknown, ["/zzNew"]);
}

#[test]
fn times_of_json_are_printed_as_text() {
    let body =
        r#"{"Certificate": {"NotBefore": 1.70000000012E9, "NotAfter": 1700000000, "CreatedAt": "soon"}}"#;
    let converted = read("acm", "DescribeCertificate", body);
    let expected = json!({"Certificate": {
        "NotBefore": "2023-11-14T22:13:20.120000+00:00",
        "NotAfter": "2023-11-14T22:13:20+00:00",
        "CreatedAt": "soon",
    }});
    assert_eq!(converted.output, expected);
    assert_eq!(converted.anomalies, ["/Certificate/CreatedAt: not a timestamp"]);
}

#[test]
fn the_location_of_a_bucket_is_the_text_of_the_root() {
    let space = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;
    for (body, location) in [
        (format!("<LocationConstraint {space}>eu-west-1</LocationConstraint>"), json!("eu-west-1")),
        (format!("<LocationConstraint {space}/>"), Value::Null),
        (format!("<LocationConstraint {space}></LocationConstraint>"), Value::Null),
    ] {
        assert_eq!(plain("s3", "GetBucketLocation", &body), json!({ "LocationConstraint": location }));
    }
}

#[test]
fn a_bucket_policy_is_the_text_as_it_was_sent() {
    let text = "{\"Version\":\"2012-10-17\",\n \"Statement\":[]}\n";
    assert_eq!(plain("s3", "GetBucketPolicy", text), json!({ "Policy": text }));
}

#[test]
fn a_root_that_is_named_after_the_operation_is_taken_from_s3_and_said() {
    let converted = read("s3", "ListBuckets", "<ListBucketsResponse><Buckets/></ListBucketsResponse>");
    assert_eq!(converted.output, json!({"Buckets": []}));
    assert_eq!(
        converted.anomalies,
        ["/: the root element is ListBucketsResponse, not ListAllMyBucketsResult"]
    );
}

#[test]
fn the_type_of_a_grantee_is_its_attribute() {
    let grantee = r#"<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>u</URI></Grantee>"#;
    let body = format!(
        "<BucketLoggingStatus><LoggingEnabled><TargetGrants><Grant>{grantee}</Grant></TargetGrants></LoggingEnabled>\
        </BucketLoggingStatus>"
    );
    let expected = json!({"LoggingEnabled": {"TargetGrants": [{"Grantee": {"URI": "u", "Type": "Group"}}]}});
    assert_eq!(plain("s3", "GetBucketLogging", &body), expected);
}

#[test]
fn a_flattened_list_may_be_mixed_with_other_members() {
    let body = "<ServerSideEncryptionConfiguration><Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule>\
        <zzNew/><Rule/></ServerSideEncryptionConfiguration>";
    let converted = read("s3", "GetBucketEncryption", body);
    let expected = json!({"ServerSideEncryptionConfiguration": {"Rules": [{"BucketKeyEnabled": true}, {}], "zzNew": ""}});
    assert_eq!(converted.output, expected);
    assert_eq!(converted.unknown, ["/ServerSideEncryptionConfiguration/zzNew"]);
}

#[test]
fn a_pointer_escapes_what_a_pointer_must() {
    let converted = read("wafv2", "ListWebACLs", r#"{"a/b~c": 1}"#);
    assert_eq!(converted.unknown, ["/a~1b~0c"]);
}

fn refusal(service: &str, status: u16, headers: &[(&str, &str)], body: &str) -> ServiceError {
    let shapes = Shapes::embedded().unwrap();
    service_error(shapes.service(service).unwrap(), &page(status, headers, body))
}

fn said(code: &str, message: &str, request_id: Option<&str>, region: Option<&str>) -> ServiceError {
    ServiceError {
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: request_id.map(str::to_owned),
        region: region.map(str::to_owned),
    }
}

#[test]
fn refusals_of_every_protocol_are_read() {
    let ec2 = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not</Message></Error>\
        </Errors><RequestID>r1</RequestID></Response>";
    assert_eq!(refusal("ec2", 403, &[], ec2), said("UnauthorizedOperation", "You are not", Some("r1"), None));
    let query = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>\
        <RequestId>r2</RequestId></ErrorResponse>";
    assert_eq!(refusal("elbv2", 403, &[], query), said("AccessDenied", "no", Some("r2"), None));
    let json = r#"{"__type":"com.amazonaws.waf#WAFNonexistentItemException:http://x","message":"none"}"#;
    let headers = [("x-amzn-requestid", "r3")];
    assert_eq!(
        refusal("wafv2", 400, &headers, json),
        said("WAFNonexistentItemException", "none", Some("r3"), None)
    );
    let headers = [("x-amzn-errortype", "ThrottlingException:http://x")];
    assert_eq!(refusal("acm", 400, &headers, "{}"), said("ThrottlingException", "", None, None));
}

#[test]
fn a_redirect_of_s3_names_the_region() {
    let body = "<Error><Code>PermanentRedirect</Code><Message>m</Message><Region>eu-south-2</Region>\
        <RequestId>r</RequestId></Error>";
    let moved = said("PermanentRedirect", "m", Some("r"), Some("eu-south-2"));
    assert_eq!(refusal("s3", 301, &[], body), moved);
    let headers = [("x-amz-bucket-region", "eu-south-2"), ("x-amz-request-id", "r")];
    assert_eq!(refusal("s3", 301, &headers, ""), said("Http301", "", Some("r"), Some("eu-south-2")));
}

#[test]
fn a_body_that_is_no_error_document_gives_the_status() {
    for service in ["ec2", "elbv2", "s3", "config"] {
        let html = format!("<html><body>{}</body></html>", "busy ".repeat(1000));
        let error = refusal(service, 503, &[("x-amzn-requestid", "r")], &html);
        assert_eq!((error.code.as_str(), error.request_id.as_deref()), ("Http503", Some("r")));
        assert_eq!(error.message.chars().count(), 201);
        assert_eq!(refusal(service, 500, &[], ""), said("Http500", "", None, None));
    }
}
