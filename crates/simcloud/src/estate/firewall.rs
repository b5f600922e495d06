//! Web ACLs and what they refer to: address sets, pattern sets, rule groups, AWS's managed groups, logs.
//!
//! Four shapes in turn, from the guide's two managed groups to an ACL without rules. The search string of a
//! match on an origin header is a secret.

use serde_json::{Value, json};

use crate::digest::base64;

use super::{Estate, list};

/// Where an ACL stands: before regional resources, or before `CloudFront` (asked in us-east-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Regional,
    CloudFront,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Regional => "regional",
            Self::CloudFront => "global",
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Regional => 0,
            Self::CloudFront => 1 << 40,
        }
    }
}

/// What the rules of an ACL amount to.
pub(crate) const SHAPES: [&str; 4] = ["guide", "count-only", "no-rules", "nested"];

/// The managed groups that rules refer to: name, capacity, label, rules.
const MANAGED: [(&str, u32, &str, &[&str]); 4] = [
    (
        "AWSManagedRulesCommonRuleSet",
        700,
        "core-rule-set",
        &[
            "NoUserAgent_HEADER",
            "UserAgent_BadBots_HEADER",
            "SizeRestrictions_QUERYSTRING",
            "GenericLFI_QUERYARGUMENTS",
            "GenericRFI_BODY",
            "CrossSiteScripting_COOKIE",
        ],
    ),
    (
        "AWSManagedRulesKnownBadInputsRuleSet",
        200,
        "known-bad-inputs",
        &["JavaDeserializationRCE_BODY", "Log4JRCE_HEADER", "Host_localhost_HEADER"],
    ),
    (
        "AWSManagedRulesAmazonIpReputationList",
        25,
        "amazon-ip-list",
        &["AWSManagedIPReputationList", "AWSManagedReconnaissanceList"],
    ),
    ("AWSManagedRulesSQLiRuleSet", 200, "sql-database", &["SQLi_QUERYARGUMENTS", "SQLi_BODY"]),
];

impl Estate<'_> {
    /// How many ACLs there are; those before `CloudFront` belong to no region but are asked in us-east-1.
    pub(crate) fn web_acls(&self, scope: Scope) -> u64 {
        match scope {
            Scope::Regional => self.scaled(3, 1),
            Scope::CloudFront if self.region == "us-east-1" => 1 + u64::from(self.config.scale.unit()),
            Scope::CloudFront => 0,
        }
    }

    pub(crate) fn web_acl_shape(n: u64) -> &'static str {
        usize::try_from(n).ok().and_then(|n| SHAPES.get(n % SHAPES.len())).copied().unwrap_or("no-rules")
    }

    pub(crate) fn web_acl_name(&self, scope: Scope, n: u64) -> String {
        format!("acl-{}-{n}", if scope == Scope::Regional { self.region } else { "cloudfront" })
    }

    fn waf_id(&self, kind: &str, scope: Scope, n: u64) -> String {
        self.uuid(kind, scope.number() + n)
    }

    fn waf_arn(&self, scope: Scope, kind: &str, name: &str, id: &str) -> String {
        self.arn("wafv2", &format!("{}/{kind}/{name}/{id}", scope.word()))
    }

    pub(crate) fn web_acl_arn(&self, scope: Scope, n: u64) -> String {
        let id = self.waf_id("webacl", scope, n);
        self.waf_arn(scope, "webacl", &self.web_acl_name(scope, n), &id)
    }

    /// Answers `ListWebACLs`.
    pub(crate) fn list_web_acls(&self, scope: Scope) -> Value {
        json!({"WebACLs": list((0..self.web_acls(scope)).map(|n| json!({
            "Name": self.web_acl_name(scope, n),
            "Id": self.waf_id("webacl", scope, n),
            "Description": if n % 3 == 1 { "guards <b>the shop</b> & more" } else { "" },
            "LockToken": self.waf_id("lock", scope, n),
            "ARN": self.web_acl_arn(scope, n),
        })))})
    }

    /// The place of the ACL with this id or ARN.
    pub(crate) fn web_acl_at(&self, scope: Scope, wanted: &str) -> Option<u64> {
        (0..self.web_acls(scope))
            .find(|n| self.waf_id("webacl", scope, *n) == wanted || self.web_acl_arn(scope, *n) == wanted)
    }

    /// Answers `GetWebACL`.
    pub(crate) fn web_acl(&self, scope: Scope, n: u64) -> Value {
        let shape = Self::web_acl_shape(n);
        let id = self.waf_id("webacl", scope, n);
        let name = self.web_acl_name(scope, n);
        let rules = self.web_acl_rules(scope, n);
        let mut acl = json!({
            "Name": name,
            "Id": id,
            "ARN": self.web_acl_arn(scope, n),
            "DefaultAction": if shape == "nested" {
                json!({"Block": {"CustomResponse": {
                    "ResponseCode": 403, "CustomResponseBodyKey": "no",
                    "ResponseHeaders": [{"Name": "x-why", "Value": "blocked"}],
                }}})
            } else {
                json!({"Allow": {}})
            },
            "Description": if n % 3 == 1 { "guards <b>the shop</b> & more" } else { "" },
            "Rules": rules,
            "VisibilityConfig": visibility(&name, n.is_multiple_of(2)),
            "Capacity": if shape == "no-rules" { 0 } else { 950 },
            "ManagedByFirewallManager": shape == "nested",
            "LabelNamespace": format!("awswaf:{}:webacl:{name}:", self.account),
            "RetrofittedByFirewallManager": false,
        });
        if let Some(members) = acl.as_object_mut() {
            if shape == "nested" {
                members.insert(
                    "CustomResponseBodies".to_owned(),
                    json!({
                        "no": {"ContentType": "TEXT_HTML", "Content": "<h1>no & \"never\"</h1>"},
                    }),
                );
                members.insert(
                    "PreProcessFirewallManagerRuleGroups".to_owned(),
                    json!([{
                        "Name": "PREFMManaged-1", "Priority": 0,
                        "FirewallManagerStatement": {"ManagedRuleGroupStatement": {
                            "VendorName": "AWS", "Name": "AWSManagedRulesAmazonIpReputationList",
                        }},
                        "OverrideAction": {"None": {}},
                        "VisibilityConfig": visibility("prefm", true),
                    }]),
                );
                members.insert(
                    "AssociationConfig".to_owned(),
                    json!({
                        "RequestBody": {"API_GATEWAY": {"DefaultSizeInspectionLimit": "KB_32"}},
                    }),
                );
            }
            if shape == "guide" {
                members.insert("TokenDomains".to_owned(), json!(["example.com"]));
                members.insert(
                    "CaptchaConfig".to_owned(),
                    json!({
                        "ImmunityTimeProperty": {"ImmunityTime": 300},
                    }),
                );
            }
        }
        json!({"WebACL": acl, "LockToken": self.waf_id("lock", scope, n)})
    }

    fn origin_match(&self, scope: Scope, n: u64) -> Value {
        json!({"ByteMatchStatement": {
            "SearchString": base64(self.secret("waf-origin", scope.number() + n).as_bytes()),
            "FieldToMatch": {"SingleHeader": {"Name": "x-origin-secret"}},
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
            "PositionalConstraint": "EXACTLY",
        }})
    }

    fn web_acl_rules(&self, scope: Scope, n: u64) -> Value {
        let rule = |name: &str, priority: u32, statement: Value, action: (&str, Value)| {
            json!({
                "Name": name,
                "Priority": priority,
                "Statement": statement,
                action.0: action.1,
                "VisibilityConfig": visibility(name, true),
            })
        };
        let none = || ("OverrideAction", json!({"None": {}}));
        let count = || ("OverrideAction", json!({"Count": {}}));
        let managed = |name: &str| json!({"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name}});
        let block = || ("Action", json!({"Block": {}}));
        let lower = json!([{"Priority": 0, "Type": "LOWERCASE"}, {"Priority": 1, "Type": "URL_DECODE"}]);
        match Self::web_acl_shape(n) {
            "guide" => json!([
                rule("common", 0, managed("AWSManagedRulesCommonRuleSet"), none()),
                rule(
                    "bad-inputs",
                    1,
                    json!({"ManagedRuleGroupStatement": {
                        "VendorName": "AWS", "Name": "AWSManagedRulesKnownBadInputsRuleSet",
                        "Version": "Version_1.22",
                    }}),
                    none()
                ),
                rule(
                    "blocked-addresses",
                    2,
                    json!({"IPSetReferenceStatement": {
                        "ARN": self.ip_set_arn(scope, 0),
                    }}),
                    block()
                ),
                rule(
                    "flood",
                    3,
                    json!({"RateBasedStatement": {
                        "Limit": 2_000, "EvaluationWindowSec": 300, "AggregateKeyType": "IP",
                        "ScopeDownStatement": {"NotStatement": {"Statement": {
                            "IPSetReferenceStatement": {"ARN": self.ip_set_arn(scope, 1)},
                        }}},
                    }}),
                    ("Action", json!({"Block": {"CustomResponse": {"ResponseCode": 429}}}))
                ),
                rule(
                    "origin",
                    4,
                    json!({"NotStatement": {"Statement": self.origin_match(scope, n)}}),
                    block()
                ),
                rule(
                    "patterns",
                    5,
                    json!({"RegexPatternSetReferenceStatement": {
                        "ARN": self.pattern_set_arn(scope), "FieldToMatch": {"UriPath": {}},
                        "TextTransformations": lower,
                    }}),
                    block()
                ),
                rule(
                    "own-group",
                    6,
                    json!({"RuleGroupReferenceStatement": {
                        "ARN": self.rule_group_arn(scope),
                        "RuleActionOverrides": [{"Name": "agents", "ActionToUse": {"Count": {}}}],
                    }}),
                    none()
                ),
            ]),
            "count-only" => json!([rule(
                "common",
                0,
                json!({"ManagedRuleGroupStatement": {
                    "VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet",
                    "ExcludedRules": [{"Name": "NoUserAgent_HEADER"}],
                    "ScopeDownStatement": {"GeoMatchStatement": {"CountryCodes": ["CH", "DE"]}},
                }}),
                count()
            ),]),
            "nested" => json!([
                rule(
                    "or",
                    0,
                    json!({"OrStatement": {"Statements": [
                        {"AndStatement": {"Statements": [
                            self.origin_match(scope, n),
                            {"NotStatement": {"Statement": {"LabelMatchStatement": {
                                "Scope": "LABEL", "Key": "awswaf:managed:aws:core-rule-set:NoUserAgent_Header",
                            }}}},
                        ]}},
                        {"SizeConstraintStatement": {
                            "FieldToMatch": {"Body": {"OversizeHandling": "CONTINUE"}},
                            "ComparisonOperator": "GT", "Size": 8192, "TextTransformations": lower,
                        }},
                        {"SqliMatchStatement": {
                            "FieldToMatch": {"AllQueryArguments": {}}, "TextTransformations": lower,
                            "SensitivityLevel": "LOW",
                        }},
                    ]}}),
                    ("Action", json!({"Captcha": {}}))
                ),
                rule("sqli", 1, managed("AWSManagedRulesSQLiRuleSet"), none()),
            ]),
            _ => json!([]),
        }
    }

    /// Answers `ListResourcesForWebACL` for one type of resource.
    pub(crate) fn resources_for_web_acl(&self, n: u64, kind: &str) -> Value {
        let balancers = |of: &[u64]| -> Vec<String> {
            of.iter().filter(|n| **n < self.balancers()).map(|n| self.balancer_arn(*n)).collect()
        };
        let arns = match (kind, n) {
            ("APPLICATION_LOAD_BALANCER", 0) => balancers(&[0, 1]),
            ("APPLICATION_LOAD_BALANCER", 1) => balancers(&[2]),
            ("API_GATEWAY", 0) => vec![format!(
                "arn:aws:apigateway:{}::/restapis/{:010x}/stages/prod",
                self.region,
                self.hash("api", 0) & 0xff_ffff_ffff
            )],
            ("COGNITO_USER_POOL", 1) => {
                vec![self.arn(
                    "cognito-idp",
                    &format!("userpool/{}_{:09X}", self.region, self.hash("pool", 0) >> 28),
                )]
            }
            _ => vec![],
        };
        json!({"ResourceArns": arns})
    }

    /// Whether an ACL's requests are logged.
    pub(crate) fn web_acl_is_logged(n: u64) -> bool {
        n.is_multiple_of(2)
    }

    /// The configuration of an ACL's log, as both calls give it.
    pub(crate) fn web_acl_logging(&self, scope: Scope, n: u64) -> Option<Value> {
        if !Self::web_acl_is_logged(n) {
            return None;
        }
        let mut logging = json!({
            "ResourceArn": self.web_acl_arn(scope, n),
            "LogDestinationConfigs": [
                self.arn("firehose", "deliverystream/aws-waf-logs-evidence"),
            ],
            "ManagedByFirewallManager": false,
            "LogType": "WAF_LOGS",
            "LogScope": "CUSTOMER",
        });
        if let (true, Some(members)) = (n == 0, logging.as_object_mut()) {
            members.insert(
                "RedactedFields".to_owned(),
                json!([
                    {"SingleHeader": {"Name": "authorization"}}, {"QueryString": {}},
                ]),
            );
            members.insert(
                "LoggingFilter".to_owned(),
                json!({
                    "Filters": [{
                        "Behavior": "KEEP", "Requirement": "MEETS_ANY",
                        "Conditions": [{"ActionCondition": {"Action": "BLOCK"}}],
                    }],
                    "DefaultBehavior": "DROP",
                }),
            );
        }
        Some(logging)
    }

    /// Answers `ListLoggingConfigurations`.
    pub(crate) fn list_logging_configurations(&self, scope: Scope) -> Value {
        let logged = (0..self.web_acls(scope)).filter_map(|n| self.web_acl_logging(scope, n));
        json!({"LoggingConfigurations": list(logged)})
    }

    fn ip_set_arn(&self, scope: Scope, n: u64) -> String {
        let (name, id) = (Self::ip_set_name(n), self.waf_id("ipset", scope, n));
        self.waf_arn(scope, "ipset", name, &id)
    }

    fn ip_set_name(n: u64) -> &'static str {
        if n == 0 { "blocked" } else { "office" }
    }

    /// Answers `GetIPSet`; `None` when there is no such set.
    pub(crate) fn ip_set(&self, scope: Scope, id: &str) -> Option<Value> {
        let n = (0..2).find(|n| self.waf_id("ipset", scope, *n) == id && self.web_acls(scope) > 0)?;
        let addresses = if n == 0 { vec![] } else { vec!["198.51.100.0/24", "203.0.113.64/26"] };
        Some(json!({
            "IPSet": {
                "Name": Self::ip_set_name(n),
                "Id": id,
                "ARN": self.ip_set_arn(scope, n),
                "Description": "",
                "IPAddressVersion": "IPV4",
                "Addresses": addresses,
            },
            "LockToken": self.waf_id("lock-ipset", scope, n),
        }))
    }

    fn pattern_set_arn(&self, scope: Scope) -> String {
        self.waf_arn(scope, "regexpatternset", "probes", &self.waf_id("patterns", scope, 0))
    }

    /// Answers `GetRegexPatternSet`; `None` when there is no such set.
    pub(crate) fn pattern_set(&self, scope: Scope, id: &str) -> Option<Value> {
        (self.waf_id("patterns", scope, 0) == id && self.web_acls(scope) > 0).then(|| {
            json!({
                "RegexPatternSet": {
                    "Name": "probes",
                    "Id": id,
                    "ARN": self.pattern_set_arn(scope),
                    "Description": "what scanners ask for",
                    "RegularExpressionList": [{"RegexString": r"^/wp-(admin|login)\.php"}, {"RegexString": r"\.git/"}],
                },
                "LockToken": self.waf_id("lock-patterns", scope, 0),
            })
        })
    }

    fn rule_group_arn(&self, scope: Scope) -> String {
        self.waf_arn(scope, "rulegroup", "own", &self.waf_id("rulegroup", scope, 0))
    }

    /// Answers `GetRuleGroup` by id or ARN; `None` when there is no such group.
    pub(crate) fn rule_group(&self, scope: Scope, wanted: &str) -> Option<Value> {
        let id = self.waf_id("rulegroup", scope, 0);
        if self.web_acls(scope) == 0 || (wanted != id && wanted != self.rule_group_arn(scope)) {
            return None;
        }
        Some(json!({
            "RuleGroup": {
                "Name": "own",
                "Id": id,
                "Capacity": 50,
                "ARN": self.rule_group_arn(scope),
                "Description": "",
                "Rules": [{
                    "Name": "agents",
                    "Priority": 0,
                    "Statement": {"RegexMatchStatement": {
                        "RegexString": "^curl/.*<b>", "FieldToMatch": {"SingleHeader": {"Name": "user-agent"}},
                        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
                    }},
                    "Action": {"Block": {}},
                    "RuleLabels": [{"Name": "agent:curl"}],
                    "VisibilityConfig": visibility("agents", true),
                }, {
                    "Name": "origin",
                    "Priority": 1,
                    "Statement": self.origin_match(scope, 1_000),
                    "Action": {"Allow": {}},
                    "VisibilityConfig": visibility("origin", false),
                }],
                "VisibilityConfig": visibility("own", true),
                "LabelNamespace": format!("awswaf:{}:rulegroup:own:", self.account),
                "AvailableLabels": [{"Name": format!("awswaf:{}:rulegroup:own:agent:curl", self.account)}],
            },
            "LockToken": self.waf_id("lock-rulegroup", scope, 0),
        }))
    }

    /// Answers `DescribeManagedRuleGroup`; `None` when AWS has no such group or version.
    pub(crate) fn managed_rule_group(&self, name: &str, version: Option<&str>) -> Option<Value> {
        let (_, capacity, label, rules) = MANAGED.iter().find(|(known, ..)| *known == name)?;
        let default = "Version_1.20";
        let version = version.unwrap_or(default);
        if !version.starts_with("Version_") {
            return None;
        }
        let namespace = format!("awswaf:managed:aws:{label}:");
        Some(json!({
            "VersionName": version,
            "SnsTopicArn": format!("arn:aws:sns:{}:248400274283:aws-managed-waf-rule-notifications", self.region),
            "Capacity": capacity,
            "Rules": list(rules.iter().map(|rule| json!({"Name": rule, "Action": {"Block": {}}}))),
            "LabelNamespace": namespace,
            "AvailableLabels": list(rules.iter().map(|rule| json!({"Name": format!("{namespace}{rule}")}))),
        }))
    }
}

fn visibility(metric: &str, sampled: bool) -> Value {
    json!({"SampledRequestsEnabled": sampled, "CloudWatchMetricsEnabled": true, "MetricName": metric})
}
