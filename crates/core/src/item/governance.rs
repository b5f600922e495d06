//! AWS Config's verdicts on the network, and every bucket's transport policy.
//!
//! API reference: <https://docs.aws.amazon.com/config/latest/APIReference/> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/>. Each bucket is asked in its own region.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Answers, Ask, Item, Scope, Step, each, parameters, step};

/// Managed rules about the network, by `Source.SourceIdentifier`: a rule under another name is still one of them.
pub const NETWORK_RULES: &[&str] = &[
    "VPC_FLOW_LOGS_ENABLED",
    "INCOMING_SSH_DISABLED",
    "RESTRICTED_INCOMING_TRAFFIC",
    "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS",
    "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK",
    "ACM_CERTIFICATE_EXPIRATION_CHECK",
    "ELB_TLS_HTTPS_LISTENERS_ONLY",
];

/// Resource types of the network: a rule whose scope names one of them is evidence too.
const NETWORK_TYPES: &[&str] = &[
    "AWS::EC2::VPC",
    "AWS::EC2::Subnet",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::RouteTable",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::FlowLog",
    "AWS::EC2::TransitGateway",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNConnection",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ACM::Certificate",
    "AWS::NetworkFirewall::Firewall",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::RuleGroup",
];

const NO_BUCKET: &[&str] = &["NoSuchBucket"];

pub(super) static ITEMS: &[Item] = &[
    Item {
        id: "config.compliance",
        title: "AWS Config recorders, rules and compliance",
        criteria: &["CC6.6", "CC6.7", "CC7.2"],
        scope: Scope::Region,
        steps: CONFIG,
    },
    Item {
        id: "s3.buckets",
        title: "S3 buckets: policies, encryption, versioning, lock",
        criteria: &["CC6.6", "CC6.7"],
        scope: Scope::Account,
        steps: BUCKETS,
    },
];

static CONFIG: &[Step] = &[
    step("config", "DescribeConfigRules", &["config:DescribeConfigRules"]).counting(&["ConfigRules"]),
    step("config", "DescribeConfigRuleEvaluationStatus", &["config:DescribeConfigRuleEvaluationStatus"]),
    step("config", "DescribeComplianceByConfigRule", &["config:DescribeComplianceByConfigRule"]),
    step("config", "GetComplianceDetailsByConfigRule", &["config:GetComplianceDetailsByConfigRule"])
        .asking(network_rules)
        .with_vanished(&["NoSuchConfigRuleException"]),
    step("config", "DescribeConfigurationRecorders", &["config:DescribeConfigurationRecorders"]),
    step("config", "DescribeConfigurationRecorderStatus", &["config:DescribeConfigurationRecorderStatus"]),
    step("config", "DescribeDeliveryChannels", &["config:DescribeDeliveryChannels"]),
    step("config", "DescribeConformancePacks", &["config:DescribeConformancePacks"]),
];

static BUCKETS: &[Step] = &[
    step("s3", "ListBuckets", &["s3:ListAllMyBuckets"]).counting(&["Buckets"]),
    step("s3", "GetBucketLocation", &["s3:GetBucketLocation"])
        .asking(|answers| each("Bucket", answers.texts("ListBuckets", "Buckets", "Name")))
        .with_vanished(NO_BUCKET),
    step("s3", "GetBucketPolicy", &["s3:GetBucketPolicy"])
        .asking(in_own_region)
        .with_facts(&["NoSuchBucketPolicy"])
        .with_vanished(NO_BUCKET),
    step("s3", "GetBucketPolicyStatus", &["s3:GetBucketPolicyStatus"])
        .asking(in_own_region)
        .with_facts(&["NoSuchBucketPolicy"])
        .with_vanished(NO_BUCKET),
    step("s3", "GetPublicAccessBlock", &["s3:GetBucketPublicAccessBlock"])
        .asking(in_own_region)
        .with_facts(&["NoSuchPublicAccessBlockConfiguration"])
        .with_vanished(NO_BUCKET),
    step("s3", "GetBucketEncryption", &["s3:GetEncryptionConfiguration"])
        .asking(in_own_region)
        .with_facts(&["ServerSideEncryptionConfigurationNotFoundError"])
        .with_vanished(NO_BUCKET),
    step("s3", "GetBucketVersioning", &["s3:GetBucketVersioning"])
        .asking(in_own_region)
        .with_vanished(NO_BUCKET),
    step("s3", "GetBucketLogging", &["s3:GetBucketLogging"]).asking(in_own_region).with_vanished(NO_BUCKET),
    step("s3", "GetObjectLockConfiguration", &["s3:GetBucketObjectLockConfiguration"])
        .asking(in_own_region)
        .with_facts(&["ObjectLockConfigurationNotFoundError"])
        .with_vanished(NO_BUCKET),
];

/// The bucket that evidence is written to: asked before it is written to, and kept in the bundle.
pub static STORE: Item = Item {
    id: "store.bucket",
    title: "The bucket of the evidence itself",
    criteria: &["CC6.1", "CC6.7"],
    scope: Scope::Account,
    steps: &[
        step("s3", "GetBucketPolicy", &["s3:GetBucketPolicy"])
            .asking(known)
            .with_facts(&["NoSuchBucketPolicy"])
            .counting(&["Policy"]),
        step("s3", "GetBucketVersioning", &["s3:GetBucketVersioning"]).asking(known),
        step("s3", "GetObjectLockConfiguration", &["s3:GetBucketObjectLockConfiguration"])
            .asking(known)
            .with_facts(&["ObjectLockConfigurationNotFoundError"]),
        step("s3", "GetPublicAccessBlock", &["s3:GetBucketPublicAccessBlock"])
            .asking(known)
            .with_facts(&["NoSuchPublicAccessBlockConfiguration"]),
        step("s3", "GetBucketEncryption", &["s3:GetEncryptionConfiguration"])
            .asking(known)
            .with_facts(&["ServerSideEncryptionConfigurationNotFoundError"]),
    ],
};

/// What every step of [`STORE`] asks, and where: given from outside, since the configuration names the bucket.
pub fn about_store(region: &str, bucket: &str, owner: Option<&str>) -> Answer {
    let mut asked = parameters([("Bucket", Value::from(bucket))]);
    asked.extend(owner.map(|owner| ("ExpectedBucketOwner".to_owned(), Value::from(owner))));
    Answer {
        operation: CONFIGURED,
        parameters: asked,
        region: region.to_owned(),
        output: Arc::new(Value::Null),
    }
}

const CONFIGURED: &str = "";

fn known(answers: &Answers<'_>) -> Vec<Ask> {
    let asks = answers.of(CONFIGURED);
    asks.map(|it| Ask { region: Some(it.region.clone()), parameters: it.parameters.clone() }).collect()
}

/// Rules that AWS made for the network, and any rule whose scope is a network resource.
fn network_rules(answers: &Answers<'_>) -> Vec<Ask> {
    let names = answers.entries("DescribeConfigRules", "ConfigRules").filter_map(|rule| {
        let identifier = rule.pointer("/Source/SourceIdentifier").and_then(Value::as_str);
        let types = rule.pointer("/Scope/ComplianceResourceTypes").and_then(Value::as_array);
        let about_network = identifier.is_some_and(|it| NETWORK_RULES.contains(&it))
            || types.into_iter().flatten().filter_map(Value::as_str).any(|it| NETWORK_TYPES.contains(&it));
        about_network.then(|| rule.get("ConfigRuleName")?.as_str()).flatten()
    });
    each("ConfigRuleName", super::answers::distinct(names))
}

/// Each bucket in its own region: as located, else as listed. `null` is us-east-1, `EU` the first name of eu-west-1.
///
/// A bucket whose region nobody told is not asked: its `GetBucketLocation` is the error that says so.
fn in_own_region(answers: &Answers<'_>) -> Vec<Ask> {
    answers
        .entries("ListBuckets", "Buckets")
        .filter_map(|bucket| {
            let name = bucket.get("Name")?;
            let located = answers
                .of("GetBucketLocation")
                .find(|answer| answer.parameters.get("Bucket") == Some(name))
                .and_then(|answer| answer.output.get("LocationConstraint"));
            let region = match located.or_else(|| bucket.get("BucketRegion"))? {
                Value::Null => "us-east-1",
                Value::String(name) if name.is_empty() => "us-east-1",
                Value::String(name) if name == "EU" => "eu-west-1",
                Value::String(name) => name,
                _ => return None,
            };
            Some(Ask { region: Some(region.to_owned()), parameters: parameters([("Bucket", name.clone())]) })
        })
        .collect()
}
