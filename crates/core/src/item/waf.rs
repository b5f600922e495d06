//! AWS WAF's items: web ACLs, what they protect, what they refer to, and where they log.
//!
//! API reference: <https://docs.aws.amazon.com/waf/latest/APIReference/>. Web ACLs for CloudFront are asked for once
//! per account, in us-east-1; `ListResourcesForWebACL` must not be used for those.

use serde_json::{Value, json};

use super::answers::{distinct, walk};
use super::{Answers, Ask, Item, Scope, Step, parameters, step};

const CC66: &[&str] = &["CC6.6"];
const MISSING: &[&str] = &["WAFNonexistentItemException"];
/// CloudFront's web ACLs live here, whatever region the account calls home.
const CLOUDFRONT_HOME: &str = "us-east-1";

/// Every resource type that the API names for a regional web ACL. Without a type it answers for load balancers only.
const RESOURCE_TYPES: &[&str] = &[
    "APPLICATION_LOAD_BALANCER",
    "API_GATEWAY",
    "APPSYNC",
    "COGNITO_USER_POOL",
    "APP_RUNNER_SERVICE",
    "VERIFIED_ACCESS_INSTANCE",
];
/// Types that the API names but may refuse for a regional web ACL or in a region that does not have them.
const LATER_RESOURCE_TYPES: &[&str] = &["AMPLIFY", "AGENTCORE_GATEWAY"];

pub(super) static ITEMS: &[Item] = &[
    Item {
        id: "waf.web-acls",
        title: "WAF web ACLs, what they protect and where they log",
        criteria: CC66,
        scope: Scope::Region,
        steps: REGIONAL,
    },
    Item {
        id: "waf.web-acls",
        title: "WAF web ACLs for CloudFront",
        criteria: CC66,
        scope: Scope::Account,
        steps: CLOUDFRONT,
    },
];

static REGIONAL: &[Step] = &[
    step("wafv2", "ListWebACLs", &["wafv2:ListWebACLs"])
        .asking(|_| scoped("REGIONAL"))
        .counting(&["WebACLs"]),
    step("wafv2", "GetWebACL", &["wafv2:GetWebACL"])
        .asking(|answers| listed(answers, "REGIONAL"))
        .with_vanished(MISSING),
    step(
        "wafv2",
        "ListResourcesForWebACL",
        &[
            "wafv2:ListResourcesForWebACL",
            "apprunner:ListAssociatedServicesForWebAcl",
            "appsync:ListResourcesForWebACL",
            "cognito-idp:ListResourcesForWebACL",
            "ec2:DescribeVerifiedAccessInstanceWebAclAssociations",
            "elasticloadbalancing:DescribeWebACLAssociation",
        ],
    )
    .asking(|answers| protected(answers, RESOURCE_TYPES))
    .with_vanished(MISSING),
    step(
        "wafv2",
        "ListResourcesForWebACL",
        &["wafv2:ListResourcesForWebACL", "amplify:ListResourcesForWebACL"],
    )
    .asking(|answers| protected(answers, LATER_RESOURCE_TYPES))
    .with_facts(&["WAFInvalidParameterException"])
    .with_vanished(MISSING),
    step("wafv2", "ListLoggingConfigurations", &["wafv2:ListLoggingConfigurations"])
        .asking(|_| scoped("REGIONAL")),
    step("wafv2", "GetLoggingConfiguration", &["wafv2:GetLoggingConfiguration"])
        .asking(|answers| logging(answers, None))
        .with_facts(MISSING),
    step("wafv2", "GetRuleGroup", &["wafv2:GetRuleGroup"])
        .asking(|answers| referenced(answers, "RuleGroupReferenceStatement", "REGIONAL"))
        .with_vanished(MISSING),
    step("wafv2", "GetIPSet", &["wafv2:GetIPSet"])
        .asking(|answers| referenced(answers, "IPSetReferenceStatement", "REGIONAL"))
        .with_vanished(MISSING),
    step("wafv2", "GetRegexPatternSet", &["wafv2:GetRegexPatternSet"])
        .asking(|answers| referenced(answers, "RegexPatternSetReferenceStatement", "REGIONAL"))
        .with_vanished(MISSING),
    step("wafv2", "DescribeManagedRuleGroup", &["wafv2:DescribeManagedRuleGroup"])
        .asking(|answers| managed(answers, "REGIONAL")),
];

static CLOUDFRONT: &[Step] = &[
    step("wafv2", "ListWebACLs", &["wafv2:ListWebACLs"])
        .asking(|_| scoped("CLOUDFRONT"))
        .counting(&["WebACLs"]),
    step("wafv2", "GetWebACL", &["wafv2:GetWebACL"])
        .asking(|answers| listed(answers, "CLOUDFRONT"))
        .with_vanished(MISSING),
    step("wafv2", "ListLoggingConfigurations", &["wafv2:ListLoggingConfigurations"])
        .asking(|_| scoped("CLOUDFRONT")),
    step("wafv2", "GetLoggingConfiguration", &["wafv2:GetLoggingConfiguration"])
        .asking(|answers| logging(answers, Some(CLOUDFRONT_HOME)))
        .with_facts(MISSING),
    step("wafv2", "GetRuleGroup", &["wafv2:GetRuleGroup"])
        .asking(|answers| referenced(answers, "RuleGroupReferenceStatement", "CLOUDFRONT"))
        .with_vanished(MISSING),
    step("wafv2", "GetIPSet", &["wafv2:GetIPSet"])
        .asking(|answers| referenced(answers, "IPSetReferenceStatement", "CLOUDFRONT"))
        .with_vanished(MISSING),
    step("wafv2", "GetRegexPatternSet", &["wafv2:GetRegexPatternSet"])
        .asking(|answers| referenced(answers, "RegexPatternSetReferenceStatement", "CLOUDFRONT"))
        .with_vanished(MISSING),
    step("wafv2", "DescribeManagedRuleGroup", &["wafv2:DescribeManagedRuleGroup"])
        .asking(|answers| managed(answers, "CLOUDFRONT")),
];

fn home(scope: &str) -> Option<String> {
    (scope == "CLOUDFRONT").then(|| CLOUDFRONT_HOME.to_owned())
}

fn scoped(scope: &str) -> Vec<Ask> {
    vec![Ask { region: home(scope), parameters: parameters([("Scope", json!(scope))]) }]
}

/// Each listed web ACL by name and id.
fn listed(answers: &Answers<'_>, scope: &str) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for acl in answers.entries("ListWebACLs", "WebACLs") {
        if let (Some(name), Some(id)) = (acl.get("Name"), acl.get("Id")) {
            let ask = Ask {
                region: home(scope),
                parameters: parameters([("Name", name.clone()), ("Scope", json!(scope)), ("Id", id.clone())]),
            };
            // The list may repeat its last page.
            if !asks.contains(&ask) {
                asks.push(ask);
            }
        }
    }
    asks
}

fn protected(answers: &Answers<'_>, types: &[&str]) -> Vec<Ask> {
    answers
        .texts("ListWebACLs", "WebACLs", "ARN")
        .into_iter()
        .flat_map(|arn| {
            types.iter().map(move |kind| {
                Ask::here(parameters([("WebACLArn", json!(arn)), ("ResourceType", json!(kind))]))
            })
        })
        .collect()
}

fn logging(answers: &Answers<'_>, region: Option<&str>) -> Vec<Ask> {
    answers
        .texts("ListWebACLs", "WebACLs", "ARN")
        .into_iter()
        .map(|arn| Ask {
            region: region.map(str::to_owned),
            parameters: parameters([("ResourceArn", Value::String(arn))]),
        })
        .collect()
}

/// What a statement of any web ACL or rule group refers to by ARN, at any depth.
///
/// The ARN holds what the call needs: `arn:aws:wafv2:<region>:<account>:<regional|global>/<kind>/<name>/<id>`.
fn referenced(answers: &Answers<'_>, statement: &str, scope: &str) -> Vec<Ask> {
    let mut found = Vec::new();
    for answer in answers.of("GetWebACL").chain(answers.of("GetRuleGroup")) {
        walk(&answer.output, &mut |members| {
            found.extend(members.get(statement).and_then(|it| it.get("ARN")).and_then(Value::as_str));
        });
    }
    distinct(found.into_iter())
        .into_iter()
        .map(|arn| {
            let mut parts = arn.rsplit('/');
            let asked = match (parts.next(), parts.next()) {
                (Some(id), Some(name)) if !id.is_empty() && !name.is_empty() => {
                    parameters([("Name", json!(name)), ("Scope", json!(scope)), ("Id", json!(id))])
                }
                // An ARN of another form is asked as it is, so that the refusal is in the evidence.
                _ => parameters([("Name", json!(arn)), ("Scope", json!(scope)), ("Id", json!(arn))]),
            };
            Ask { region: home(scope), parameters: asked }
        })
        .collect()
}

/// Each managed rule group that a web ACL uses, with the version that it names.
fn managed(answers: &Answers<'_>, scope: &str) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for answer in answers.of("GetWebACL") {
        walk(&answer.output, &mut |members| {
            let Some(group) = members.get("ManagedRuleGroupStatement") else { return };
            let (Some(vendor), Some(name)) = (group.get("VendorName"), group.get("Name")) else { return };
            let mut asked =
                parameters([("VendorName", vendor.clone()), ("Name", name.clone()), ("Scope", json!(scope))]);
            if let Some(version) = group.get("Version") {
                asked.insert("VersionName".to_owned(), version.clone());
            }
            let ask = Ask { region: home(scope), parameters: asked };
            if !asks.contains(&ask) {
                asks.push(ask);
            }
        });
    }
    asks
}
