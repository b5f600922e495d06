//! AWS's documented request rates, as data.
//!
//! Rates are per account and region. Where AWS documents none, the value is a cautious one and says so.
//! Sources: "Request throttling for the Amazon EC2 API" (EC2 Developer Guide), "AWS WAF quotas" (WAF Developer Guide),
//! "Quotas: API rate quotas" (ACM User Guide), "Request throttling for the Elastic Load Balancing API" (ELB User Guide),
//! "Quotas for AWS Organizations", "Amazon S3 performance guidelines". Read in 2026.

use serde_json::{Map, Value};

/// A token bucket of AWS: refilled at `per_second`, holding `burst`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quota {
    pub(super) per_second: f64,
    pub(super) burst: f64,
    pub(super) shared: Shared,
}

/// What draws from one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// Each action has its own.
    ByAction,
    /// The service's read actions have one together.
    ByService,
}

const fn by_action(per_second: f64, burst: f64) -> Quota {
    Quota { per_second, burst, shared: Shared::ByAction }
}

/// The quota of an operation called with these parameters; none where requests are not limited in our reach.
pub(super) fn quota(service: &str, operation: &str, parameters: &Map<String, Value>) -> Option<Quota> {
    Some(match (service, operation) {
        // Non-mutating actions; without a page size, a filter or ids the smaller bucket is asked.
        ("ec2", _) if is_narrowed(parameters) => by_action(20.0, 100.0),
        ("ec2", _) => by_action(10.0, 50.0),
        ("wafv2", "ListResourcesForWebACL" | "GetWebACLForResource") => by_action(1.0, 1.0),
        ("wafv2", _) => by_action(5.0, 5.0),
        ("acm", "DescribeCertificate") => by_action(10.0, 10.0),
        ("acm", _) => by_action(8.0, 8.0),
        // All Describe actions of API version 2 draw from one bucket.
        ("elbv2", _) => Quota { per_second: 10.0, burst: 40.0, shared: Shared::ByService },
        ("organizations", _) => by_action(8.0, 13.0),
        // Not documented for GetCallerIdentity; asked once per account.
        ("sts", _) => by_action(100.0, 100.0),
        // 5,500 GETs a second and prefix: beyond our concurrency.
        ("s3", _) => return None,
        // AWS Config documents none for its Describe actions: cautious, as for whatever else may come.
        _ => by_action(5.0, 10.0),
    })
}

fn is_narrowed(parameters: &Map<String, Value>) -> bool {
    parameters.keys().any(|name| {
        matches!(name.as_str(), "MaxResults" | "NextToken" | "Filters" | "Filter")
            || name.ends_with("Id")
            || name.ends_with("Ids")
    })
}
