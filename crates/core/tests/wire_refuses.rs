//! What `wire` refuses: bodies that are cut off, malformed, hostile, or the answer to another question.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a table that does not load fails the test")]

use std::collections::BTreeMap;

use bytes::Bytes;
use evidenced_core::shape::Shapes;
use evidenced_core::source::Page;
use evidenced_core::wire::{Converted, MAX_DEPTH, WireError, convert, service_error};

const VPCS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>59dbff89</requestId>
    <vpcSet>
        <item><vpcId>vpc-081ec835</vpcId><isDefault>true</isDefault><tagSet/>
            <zzFuture><item>1</item></zzFuture><cidrBlock><![CDATA[10.0.0.0/16]]></cidrBlock></item>
        <!-- two -->
        <item><vpcId>&#x76;pc-2 &amp; &lt;é&gt;</vpcId></item>
    </vpcSet>
</DescribeVpcsResponse>"#;

const BALANCERS: &str = r#"<DescribeLoadBalancersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
  <DescribeLoadBalancersResult><LoadBalancers><member><Scheme>internal</Scheme></member></LoadBalancers>
  </DescribeLoadBalancersResult>
  <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</DescribeLoadBalancersResponse>"#;

const VERSIONING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

const LOCATION: &str =
    r#"<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">EU</LocationConstraint>"#;

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]}"#;

const WEB_ACLS: &str = r#"{"NextMarker":"m","WebACLs":[{"Name":"a","Capacity":1}]}"#;

fn page(status: u16, body: &[u8]) -> Page {
    Page {
        status,
        headers: BTreeMap::new(),
        body: Bytes::copy_from_slice(body),
        endpoint: String::new(),
        attempts: 1,
        started_at_ms: 0,
        finished_at_ms: 0,
    }
}

fn read(service: &str, operation: &str, body: &[u8]) -> Result<Converted, WireError> {
    let shapes = Shapes::embedded().unwrap();
    let service = shapes.service(service).unwrap();
    convert(service, service.operation(operation).unwrap(), &page(200, body))
}

fn is_malformed(service: &str, operation: &str, body: &[u8]) -> bool {
    matches!(read(service, operation, body), Err(WireError::Malformed { .. }))
}

#[test]
fn a_body_that_is_cut_off_anywhere_is_refused() {
    for (service, operation, body) in [
        ("ec2", "DescribeVpcs", VPCS),
        ("elbv2", "DescribeLoadBalancers", BALANCERS),
        ("s3", "GetBucketVersioning", VERSIONING),
        ("s3", "GetBucketLocation", LOCATION),
        ("s3", "GetBucketPolicy", POLICY),
        ("wafv2", "ListWebACLs", WEB_ACLS),
    ] {
        let shapes = Shapes::embedded().unwrap();
        let table = shapes.service(service).unwrap();
        let call = table.operation(operation).unwrap();
        assert!(convert(table, call, &page(200, body.as_bytes())).is_ok(), "{operation}");
        for length in 0..body.len() {
            let cut = page(200, &body.as_bytes()[..length]);
            let answer = convert(table, call, &cut);
            assert!(
                matches!(answer, Err(WireError::Malformed { .. })),
                "{operation} cut to {length}: {answer:?}"
            );
        }
    }
}

#[test]
fn malformed_xml_is_refused() {
    for body in [
        "<DescribeVpcsResponse><vpcSet></DescribeVpcsResponse>",
        "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse><more/>",
        "<DescribeVpcsResponse>&nosuch;</DescribeVpcsResponse>",
        "<DescribeVpcsResponse><p:vpcSet/></DescribeVpcsResponse>",
        "<DescribeVpcsResponse a='1' a='2'/>",
        "<DescribeVpcsResponse>&#0;</DescribeVpcsResponse>",
        "<html><body>503 Service Unavailable",
        "{\"Vpcs\": []}",
        " \n",
    ] {
        assert!(is_malformed("ec2", "DescribeVpcs", body.as_bytes()), "{body}");
    }
}

#[test]
fn another_root_element_is_refused() {
    for (service, operation, body, expected) in [
        ("ec2", "DescribeVpcs", "<DescribeSubnetsResponse/>", "DescribeVpcsResponse"),
        ("ec2", "DescribeVpcs", "<Response><Errors/></Response>", "DescribeVpcsResponse"),
        ("ec2", "DescribeVpcs", "<html/>", "DescribeVpcsResponse"),
        ("s3", "GetBucketVersioning", "<Error><Code>InternalError</Code></Error>", "VersioningConfiguration"),
        ("s3", "GetBucketPolicyStatus", "<GetPublicAccessBlockResponse/>", "PolicyStatus"),
        ("s3", "GetBucketLocation", "<ListAllMyBucketsResult/>", "LocationConstraint"),
    ] {
        let Err(WireError::WrongRoot { expected: wanted, .. }) = read(service, operation, body.as_bytes())
        else {
            panic!("{operation} takes {body}");
        };
        assert_eq!(wanted, expected);
    }
}

#[test]
fn an_answer_without_its_wrapper_is_refused() {
    for body in [
        "<DescribeLoadBalancersResponse/>",
        "<DescribeLoadBalancersResponse><LoadBalancers/></DescribeLoadBalancersResponse>",
        "<DescribeLoadBalancersResponse><DescribeRulesResult/></DescribeLoadBalancersResponse>",
    ] {
        let answer = read("elbv2", "DescribeLoadBalancers", body.as_bytes());
        assert!(matches!(answer, Err(WireError::WrongRoot { .. })), "{answer:?}");
    }
}

#[test]
fn a_document_type_definition_is_refused() {
    let bomb = r#"<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>
        <DescribeVpcsResponse><vpcSet><item><vpcId>&c;</vpcId></item></vpcSet></DescribeVpcsResponse>"#;
    let file = r#"<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><DescribeVpcsResponse>&a;</DescribeVpcsResponse>"#;
    for body in [bomb, file, "<!DOCTYPE html><DescribeVpcsResponse/>"] {
        assert!(is_malformed("ec2", "DescribeVpcs", body.as_bytes()), "{body}");
    }
}

#[test]
fn nesting_without_end_is_refused_without_a_stack_overflow() {
    let levels = 200_000;
    let unknown = format!(
        "<DescribeVpcsResponse>{}{}</DescribeVpcsResponse>",
        "<a>".repeat(levels),
        "</a>".repeat(levels)
    );
    assert!(matches!(read("ec2", "DescribeVpcs", unknown.as_bytes()), Err(WireError::TooDeep { .. })));
    let known = format!(
        "<DescribeVpcsResponse><vpcSet>{}{}</vpcSet></DescribeVpcsResponse>",
        "<item>".repeat(levels),
        "</item>".repeat(levels)
    );
    assert!(matches!(read("ec2", "DescribeVpcs", known.as_bytes()), Err(WireError::TooDeep { .. })));
    let json = format!("{}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert!(is_malformed("wafv2", "GetWebACL", json.as_bytes()));
}

#[test]
fn nesting_as_deep_as_a_web_acl_is_read() {
    // A rule may hold NotStatements in NotStatements; each level is two of JSON.
    let levels = 40;
    let statement =
        format!("{}{{}}{}", r#"{"NotStatement":{"Statement":"#.repeat(levels), "}}".repeat(levels));
    let body = format!(r#"{{"WebACL":{{"Rules":[{{"Statement":{statement}}}]}}}}"#);
    let answer = read("wafv2", "GetWebACL", body.as_bytes()).unwrap();
    assert_eq!((answer.unknown, answer.anomalies), (vec![], vec![]));
    assert!(levels * 2 < MAX_DEPTH);
}

#[test]
fn json_that_is_no_object_is_refused() {
    for body in ["", "null", "[]", "\"x\"", "1", "{} {}", "{\"a\":1,}", "<x/>"] {
        assert!(is_malformed("config", "DescribeConfigRules", body.as_bytes()), "{body}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let xml =
        b"<DescribeVpcsResponse><vpcSet><item><vpcId>\xff</vpcId></item></vpcSet></DescribeVpcsResponse>";
    assert!(is_malformed("ec2", "DescribeVpcs", xml));
    assert!(is_malformed("wafv2", "ListWebACLs", b"{\"NextMarker\":\"\xff\"}"));
    assert!(is_malformed("s3", "GetBucketPolicy", b"{\"Id\":\"\xff\"}"));
}

#[test]
fn a_refusal_is_not_converted() {
    let shapes = Shapes::embedded().unwrap();
    let ec2 = shapes.service("ec2").unwrap();
    for status in [100, 199, 300, 301, 400, 503] {
        let answer = convert(ec2, ec2.operation("DescribeVpcs").unwrap(), &page(status, VPCS.as_bytes()));
        assert!(matches!(answer, Err(WireError::Status { status: told, .. }) if told == status), "{status}");
    }
}

#[test]
fn damaged_bytes_never_panic() {
    // A fixed sequence: every byte of every body replaced, doubled or dropped in turn.
    let shapes = Shapes::embedded().unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for (service, operation, body) in [
        ("ec2", "DescribeVpcs", VPCS),
        ("elbv2", "DescribeLoadBalancers", BALANCERS),
        ("s3", "GetBucketLocation", LOCATION),
        ("wafv2", "ListWebACLs", WEB_ACLS),
    ] {
        let table = shapes.service(service).unwrap();
        for at in 0..body.len() {
            for way in 0..6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let mut bytes = body.as_bytes().to_vec();
                match way {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, bytes[at]),
                    2 => bytes[at] ^= 1 << (at % 8),
                    3 => bytes[at] = b'<',
                    4 => bytes[at] = b'"',
                    _ => bytes[at] = state.to_be_bytes()[0],
                }
                let damaged = page(200, &bytes);
                let answer = convert(table, table.operation(operation).unwrap(), &damaged);
                assert!(answer.is_ok() || answer.unwrap_err().to_string().starts_with(operation));
                assert!(!service_error(table, &damaged).code.is_empty());
            }
        }
    }
}

#[test]
fn an_error_names_the_operation_and_what_was_found() {
    let error = read("ec2", "DescribeVpcs", b"<DescribeSubnetsResponse/>").unwrap_err();
    let text =
        r#"DescribeVpcs: the body has "DescribeSubnetsResponse" where "DescribeVpcsResponse" is expected"#;
    assert_eq!(error.to_string(), text);
    assert_eq!(
        read("ec2", "DescribeVpcs", b"<a>").unwrap_err().to_string(),
        "DescribeVpcs: the body is not XML"
    );
}
