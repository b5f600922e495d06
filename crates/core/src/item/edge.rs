//! Load balancers and certificates: what ends TLS, and with what.
//!
//! API reference: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/> and
//! <https://docs.aws.amazon.com/acm/latest/APIReference/>. ACM lists RSA 2048 and smaller only unless it is asked for
//! every key type, so it is asked for every key type.

use serde_json::json;

use super::{Answers, Ask, Item, Scope, Step, each, parameters, step};

/// Every key type that ACM names (`KeyAlgorithm`).
const KEY_TYPES: &[&str] =
    &["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];

const LB_GONE: &[&str] = &["LoadBalancerNotFound"];
const LISTENER_GONE: &[&str] = &["ListenerNotFound"];

pub(super) static ITEMS: &[Item] = &[
    Item {
        id: "elb.load-balancers",
        title: "Load balancers, listeners, rules and TLS policies",
        criteria: &["CC6.6", "CC6.7"],
        scope: Scope::Region,
        steps: LOAD_BALANCERS,
    },
    Item {
        id: "acm.certificates",
        title: "ACM certificates",
        criteria: &["CC6.7"],
        scope: Scope::Region,
        steps: &[
            step("acm", "ListCertificates", &["acm:ListCertificates"])
                .asking(|_| vec![Ask::here(parameters([("Includes", json!({ "keyTypes": KEY_TYPES }))]))])
                .counting(&["CertificateSummaryList"]),
            step("acm", "DescribeCertificate", &["acm:DescribeCertificate"])
                .asking(|answers| {
                    each(
                        "CertificateArn",
                        answers.texts("ListCertificates", "CertificateSummaryList", "CertificateArn"),
                    )
                })
                .with_vanished(&["ResourceNotFoundException"]),
        ],
    },
];

static LOAD_BALANCERS: &[Step] = &[
    step("elbv2", "DescribeLoadBalancers", &["elasticloadbalancing:DescribeLoadBalancers"])
        .counting(&["LoadBalancers"]),
    step("elbv2", "DescribeLoadBalancerAttributes", &["elasticloadbalancing:DescribeLoadBalancerAttributes"])
        .asking(per_load_balancer)
        .with_vanished(LB_GONE),
    step("elbv2", "DescribeListeners", &["elasticloadbalancing:DescribeListeners"])
        .asking(per_load_balancer)
        .with_vanished(LB_GONE),
    step("elbv2", "DescribeListenerCertificates", &["elasticloadbalancing:DescribeListenerCertificates"])
        .asking(per_secure_listener)
        .with_vanished(LISTENER_GONE),
    step("elbv2", "DescribeRules", &["elasticloadbalancing:DescribeRules"])
        .asking(per_application_listener)
        .with_vanished(LISTENER_GONE),
    step("elbv2", "DescribeSSLPolicies", &["elasticloadbalancing:DescribeSSLPolicies"]),
    step("elbv2", "DescribeTargetGroups", &["elasticloadbalancing:DescribeTargetGroups"]),
];

fn per_load_balancer(answers: &Answers<'_>) -> Vec<Ask> {
    each("LoadBalancerArn", answers.texts("DescribeLoadBalancers", "LoadBalancers", "LoadBalancerArn"))
}

/// Listeners that can hold certificates: the others are refused by the API.
fn per_secure_listener(answers: &Answers<'_>) -> Vec<Ask> {
    listeners(answers, |protocol| matches!(protocol, "HTTPS" | "TLS" | "QUIC" | "TCP_QUIC"))
}

/// Listeners of application load balancers: only they have rules.
fn per_application_listener(answers: &Answers<'_>) -> Vec<Ask> {
    listeners(answers, |protocol| matches!(protocol, "HTTP" | "HTTPS"))
}

fn listeners(answers: &Answers<'_>, wanted: fn(&str) -> bool) -> Vec<Ask> {
    let arns = answers.entries("DescribeListeners", "Listeners").filter_map(|listener| {
        let protocol = listener.get("Protocol").and_then(|it| it.as_str()).unwrap_or_default();
        wanted(protocol).then(|| listener.get("ListenerArn")?.as_str()).flatten()
    });
    each("ListenerArn", super::answers::distinct(arns))
}
