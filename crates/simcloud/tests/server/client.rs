//! A client that can be told to do wrong: one request a connection, the raw answer as it came.

use std::{collections::BTreeMap, fmt::Write as _, io, net::SocketAddr, time::SystemTime};

use aws_credential_types::Credentials as SigningCredentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use evidenced_core::{
    shape::{Operation, Protocol, Service, Shapes},
    source::Page,
    wire::{self, ServiceError},
};
use serde_json::{Map, Value, json};
use simcloud::{Config, Credentials, Running, credentials, start};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) struct Client {
    pub(crate) config: Config,
    pub(crate) running: Running,
    pub(crate) shapes: Shapes,
    pub(crate) credentials: Credentials,
    pub(crate) time: SystemTime,
}

/// What came back: `Err` where the connection broke before the answer was whole.
pub(crate) type Raw = Result<Page, (io::ErrorKind, Vec<u8>)>;

impl Client {
    pub(crate) async fn start(config: Config) -> Self {
        let running = start(config.clone(), SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        Self {
            credentials: credentials(&config),
            config,
            running,
            shapes: Shapes::embedded().unwrap(),
            time: SystemTime::now(),
        }
    }

    pub(crate) fn service(&self, name: &str) -> &Service {
        self.shapes.service(name).unwrap()
    }

    pub(crate) fn operation(&self, service: &str, name: &str) -> &Operation {
        self.service(service).operation(name).unwrap()
    }

    /// One request as the SDK would send it, and whatever comes back.
    pub(crate) async fn raw(&self, region: &str, service: &str, operation: &str, parameters: &Value) -> Raw {
        let request = self.signed(region, service, operation, parameters);
        self.send(&request).await
    }

    /// One request whose answer has to arrive whole.
    pub(crate) async fn page(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        parameters: &Value,
    ) -> Page {
        self.raw(region, service, operation, parameters).await.unwrap()
    }

    /// The output of one request that has to succeed, every member known.
    pub(crate) async fn ask(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        parameters: &Value,
    ) -> Value {
        let page = self.page(region, service, operation, parameters).await;
        let body = String::from_utf8_lossy(&page.body).into_owned();
        assert_eq!(page.status, 200, "{service} {operation} {parameters}: {body}");
        assert!(page.request_id().is_some(), "{service} {operation} has no request id");
        let (service, operation) = (self.service(service), self.operation(service, operation));
        let converted = wire::convert(service, operation, &page).unwrap();
        assert_eq!((converted.unknown, converted.anomalies), (vec![], vec![]), "{body}");
        converted.output
    }

    /// The refusal of one request: status, code.
    pub(crate) async fn refused(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        parameters: &Value,
    ) -> (u16, String) {
        let page = self.page(region, service, operation, parameters).await;
        assert!(page.status >= 300, "{service} {operation} {parameters} was answered");
        (page.status, self.error(service, &page).code)
    }

    pub(crate) fn error(&self, service: &str, page: &Page) -> ServiceError {
        wire::service_error(self.service(service), page)
    }

    /// All pages of a call with this page size, each entry of the result list once in order.
    pub(crate) async fn pages(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        mut parameters: Map<String, Value>,
    ) -> Vec<Value> {
        let mut pages = Vec::new();
        loop {
            let output = self.ask(region, service, operation, &Value::Object(parameters.clone())).await;
            let next = wire::next_token(self.operation(service, operation), &output).unwrap();
            pages.push(output);
            assert!(pages.len() < 2_000, "{operation} does not end");
            match next {
                Some(next) => parameters.extend(next),
                None => return pages,
            }
        }
    }

    /// The bytes of a request, signed.
    pub(crate) fn signed(&self, region: &str, service: &str, operation: &str, parameters: &Value) -> Vec<u8> {
        let service = self.service(service);
        let operation = self.operation(&service.name, operation);
        let (method, path, body, mut headers) = build(service, operation, parameters);
        let host = self.running.address().to_string();
        headers.insert("host".to_owned(), host.clone());
        let url = format!("http://{host}{path}");
        let mut settings = SigningSettings::default();
        if service.name == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = SigningCredentials::new(
            &self.credentials.access_key_id,
            &self.credentials.secret_access_key,
            self.credentials.session_token.clone(),
            None,
            "test",
        )
        .into();
        let signing = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(&service.signing_name)
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable =
            SignableRequest::new(method, url, pairs, SignableBody::Bytes(body.as_bytes())).unwrap();
        let (instructions, _) = sign(signable, &signing).unwrap().into_parts();
        let (signed, query) = instructions.into_parts();
        assert!(query.is_empty());
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers.iter().map(|(name, value)| (name.as_str(), value.as_str())) {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        for header in &signed {
            write!(text, "{}: {}\r\n", header.name(), header.value()).unwrap();
        }
        text.push_str("\r\n");
        text.push_str(&body);
        text.into_bytes()
    }

    /// Sends bytes and reads until the connection ends.
    pub(crate) async fn send(&self, request: &[u8]) -> Raw {
        let mut stream = TcpStream::connect(self.running.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer).await {
            return Err((error.kind(), answer));
        }
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Err((io::ErrorKind::UnexpectedEof, answer));
        };
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = answer[end + 4..].to_vec();
        let length: usize = headers["content-length"].parse().unwrap();
        if body.len() < length {
            return Err((io::ErrorKind::UnexpectedEof, body));
        }
        Ok(Page {
            status,
            headers,
            body: Bytes::from(body),
            endpoint: self.running.endpoint(),
            attempts: 1,
            started_at_ms: 0,
            finished_at_ms: 0,
        })
    }
}

type Built = (&'static str, String, String, BTreeMap<String, String>);

fn build(service: &Service, operation: &Operation, parameters: &Value) -> Built {
    let mut headers = BTreeMap::new();
    match service.protocol {
        Protocol::Json => {
            headers.insert("content-type".to_owned(), "application/x-amz-json-1.1".to_owned());
            let target = format!("{}.{}", service.target_prefix.as_deref().unwrap(), operation.name);
            headers.insert("x-amz-target".to_owned(), target);
            ("POST", "/".to_owned(), parameters.to_string(), headers)
        }
        Protocol::Ec2 | Protocol::Query => {
            headers.insert(
                "content-type".to_owned(),
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            );
            let mut body = format!("Action={}&Version={}", operation.name, service.api_version);
            for (name, value) in parameters.as_object().unwrap() {
                let wire = &operation.input_member(name).unwrap().wire;
                form(&mut body, wire, value);
            }
            ("POST", "/".to_owned(), body, headers)
        }
        Protocol::RestXml => {
            let bucket = parameters.get("Bucket").and_then(Value::as_str).unwrap_or_default();
            let mut path = operation.uri.replace("{Bucket}", bucket);
            for (name, value) in parameters.as_object().unwrap().iter().filter(|(name, _)| *name != "Bucket")
            {
                path.push(if path.contains('?') { '&' } else { '?' });
                let wire = &operation.input_member(name).unwrap().wire;
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                write!(path, "{wire}={}", escape(&text)).unwrap();
            }
            ("GET", path, String::new(), headers)
        }
    }
}

fn form(body: &mut String, key: &str, value: &Value) {
    match value {
        Value::Array(values) => {
            for (at, value) in (1..).zip(values) {
                form(body, &format!("{key}.{at}"), value);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = if name == "Values" { "Value" } else { name };
                form(body, &format!("{key}.{name}"), value);
            }
        }
        Value::String(text) => write!(body, "&{key}={}", escape(text)).unwrap(),
        other => write!(body, "&{key}={other}").unwrap(),
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Parameters as a map.
pub(crate) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => panic!("{value} is no object"),
    }
}

/// Every call of the catalogue in one region with the parameters that it needs, found by asking.
pub(crate) async fn calls(client: &Client, region: &str) -> Vec<(&'static str, &'static str, Value)> {
    let first = |value: &Value, pointer: &str| value.pointer(pointer).unwrap().clone();
    let mut calls: Vec<(&str, &str, Value)> = Vec::new();
    for operation in [
        "DescribeRegions",
        "DescribeVpcs",
        "DescribeVpcBlockPublicAccessOptions",
        "DescribeVpcBlockPublicAccessExclusions",
        "DescribeSubnets",
        "DescribeRouteTables",
        "DescribeInternetGateways",
        "DescribeEgressOnlyInternetGateways",
        "DescribeNatGateways",
        "DescribeVpcPeeringConnections",
        "DescribeTransitGatewayAttachments",
        "DescribeTransitGateways",
        "DescribeTransitGatewayRouteTables",
        "DescribeVpnConnections",
        "DescribeVpcEndpoints",
        "DescribeNetworkAcls",
        "DescribeSecurityGroups",
        "DescribeSecurityGroupRules",
        "DescribeManagedPrefixLists",
        "DescribeInstances",
        "DescribeNetworkInterfaces",
        "DescribeAddresses",
        "DescribeFlowLogs",
    ] {
        calls.push(("ec2", operation, json!({})));
    }
    let ask = async |service, operation, parameters: Value| {
        client.ask(region, service, operation, &parameters).await
    };
    let tables = ask("ec2", "DescribeTransitGatewayRouteTables", json!({})).await;
    calls.push(("ec2", "SearchTransitGatewayRoutes", json!({
        "TransitGatewayRouteTableId": first(&tables, "/TransitGatewayRouteTables/0/TransitGatewayRouteTableId"),
        "Filters": [{"Name": "type", "Values": ["static", "propagated"]}],
    })));
    let lists = ask("ec2", "DescribeManagedPrefixLists", json!({})).await;
    let long = lists["PrefixLists"]
        .as_array()
        .unwrap()
        .iter()
        .find(|list| list["PrefixListName"].as_str().unwrap().contains("cloudfront"));
    calls.push((
        "ec2",
        "GetManagedPrefixListEntries",
        json!({"PrefixListId": long.unwrap()["PrefixListId"]}),
    ));
    let truth = simcloud::truth(&client.config);
    let peered = &truth["accounts"][0]["regions"][region]["peered_vpcs"];
    for vpc in peered.as_array().unwrap() {
        calls.push(("ec2", "DescribeStaleSecurityGroups", json!({"VpcId": vpc})));
    }

    calls.push(("elbv2", "DescribeLoadBalancers", json!({})));
    calls.push(("elbv2", "DescribeSSLPolicies", json!({})));
    calls.push(("elbv2", "DescribeTargetGroups", json!({})));
    let balancers = ask("elbv2", "DescribeLoadBalancers", json!({})).await;
    for balancer in balancers["LoadBalancers"].as_array().unwrap() {
        let arn = json!({"LoadBalancerArn": balancer["LoadBalancerArn"]});
        let listeners = ask("elbv2", "DescribeListeners", arn.clone()).await;
        calls.push(("elbv2", "DescribeLoadBalancerAttributes", arn.clone()));
        calls.push(("elbv2", "DescribeListeners", arn));
        for listener in listeners["Listeners"].as_array().unwrap() {
            let arn = json!({"ListenerArn": listener["ListenerArn"]});
            calls.push(("elbv2", "DescribeListenerCertificates", arn.clone()));
            calls.push(("elbv2", "DescribeRules", arn));
        }
    }

    calls.push(("wafv2", "ListWebACLs", json!({"Scope": "REGIONAL"})));
    calls.push(("wafv2", "ListLoggingConfigurations", json!({"Scope": "REGIONAL"})));
    let acls = ask("wafv2", "ListWebACLs", json!({"Scope": "REGIONAL"})).await;
    for acl in acls["WebACLs"].as_array().unwrap() {
        let get = json!({"Name": acl["Name"], "Id": acl["Id"], "Scope": "REGIONAL"});
        calls.push(("wafv2", "ListResourcesForWebACL", json!({"WebACLArn": acl["ARN"]})));
        let whole = ask("wafv2", "GetWebACL", get.clone()).await.to_string();
        calls.push(("wafv2", "GetWebACL", get));
        for (kind, operation) in
            [("ipset", "GetIPSet"), ("regexpatternset", "GetRegexPatternSet"), ("rulegroup", "GetRuleGroup")]
        {
            let Some(at) = whole.find(&format!("regional/{kind}/")) else { continue };
            let path = whole[at..].split('"').next().unwrap();
            let parts: Vec<&str> = path.split('/').collect();
            calls.push(("wafv2", operation, json!({"Name": parts[2], "Id": parts[3], "Scope": "REGIONAL"})));
        }
    }
    let logged = ask("wafv2", "ListLoggingConfigurations", json!({"Scope": "REGIONAL"})).await;
    let arn = first(&logged, "/LoggingConfigurations/0/ResourceArn");
    calls.push(("wafv2", "GetLoggingConfiguration", json!({"ResourceArn": arn})));
    calls.push((
        "wafv2",
        "DescribeManagedRuleGroup",
        json!({
            "VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet", "Scope": "REGIONAL",
        }),
    ));

    for operation in [
        "DescribeConfigRules",
        "DescribeConfigRuleEvaluationStatus",
        "DescribeComplianceByConfigRule",
        "DescribeConfigurationRecorders",
        "DescribeConfigurationRecorderStatus",
        "DescribeDeliveryChannels",
        "DescribeConformancePacks",
    ] {
        calls.push(("config", operation, json!({})));
    }
    calls.push(("config", "GetComplianceDetailsByConfigRule", json!({"ConfigRuleName": "restricted-ssh"})));

    let all = json!([
        "RSA_1024",
        "RSA_2048",
        "RSA_3072",
        "RSA_4096",
        "EC_prime256v1",
        "EC_secp384r1",
        "EC_secp521r1"
    ]);
    let list = json!({"Includes": {"keyTypes": all}});
    let certificates = ask("acm", "ListCertificates", list.clone()).await;
    calls.push(("acm", "ListCertificates", list));
    for certificate in certificates["CertificateSummaryList"].as_array().unwrap() {
        calls.push(("acm", "DescribeCertificate", json!({"CertificateArn": certificate["CertificateArn"]})));
    }

    calls.push(("s3", "ListBuckets", json!({})));
    for bucket in truth["accounts"][0]["buckets"].as_array().unwrap().iter().filter(|b| b["region"] == region)
    {
        for operation in ["GetBucketLocation", "GetBucketVersioning", "GetBucketLogging"] {
            calls.push(("s3", operation, json!({"Bucket": bucket["name"]})));
        }
        // Those that may not be configured: asked for where they are.
        for operation in [
            "GetBucketPolicy",
            "GetBucketPolicyStatus",
            "GetPublicAccessBlock",
            "GetBucketEncryption",
            "GetObjectLockConfiguration",
        ] {
            let parameters = json!({"Bucket": bucket["name"]});
            let page = client.page(region, "s3", operation, &parameters).await;
            if page.status == 200 {
                calls.push(("s3", operation, parameters));
            } else {
                let error = client.error("s3", &page);
                let fact = error.code.starts_with("NoSuch") || error.code.ends_with("NotFoundError");
                assert!(page.status == 404 && fact, "{operation}: {error:?}");
            }
        }
    }
    calls.push(("sts", "GetCallerIdentity", json!({})));
    if region == "us-east-1" {
        calls.push(("organizations", "ListAccounts", json!({})));
    }
    calls
}
