//! AWS Config: rules, how they were evaluated and what they found, recorders and delivery.
//!
//! The seven network rules are there, one of them a second time under a name of its own, besides custom rules on
//! network resources. What they find agrees with the rest of the estate. A quiet region has no recorder.

use serde_json::{Value, json};

use super::{Estate, groups, iso_micros, list};

/// Rules by name and what they are: an identifier of AWS's, or who wrote it.
const RULES: [(&str, &str); 12] = [
    ("restricted-ssh", "INCOMING_SSH_DISABLED"),
    ("restricted-common-ports", "RESTRICTED_INCOMING_TRAFFIC"),
    ("vpc-flow-logs-enabled", "VPC_FLOW_LOGS_ENABLED"),
    ("vpc-sg-open-only-to-authorized-ports", "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS"),
    ("alb-http-to-https-redirection-check", "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK"),
    ("acm-certificate-expiration-check", "ACM_CERTIFICATE_EXPIRATION_CHECK"),
    ("elb-tls-https-listeners-only", "ELB_TLS_HTTPS_LISTENERS_ONLY"),
    ("house-no-ssh-from-anywhere", "INCOMING_SSH_DISABLED"),
    ("alb-waf-enabled", "ALB_WAF_ENABLED"),
    ("house-nacl-lambda", "lambda"),
    ("house-sg-policy", "guard"),
    ("s3-bucket-ssl-requests-only", "S3_BUCKET_SSL_REQUESTS_ONLY"),
];

impl Estate<'_> {
    /// How many rules there are; the first dozen by name, then fillers.
    pub(crate) fn config_rules(&self) -> u64 {
        self.scaled(12, 18)
    }

    pub(crate) fn config_rule(n: u64) -> (String, &'static str) {
        match usize::try_from(n).ok().and_then(|at| RULES.get(at)) {
            Some((name, kind)) => ((*name).to_owned(), kind),
            None => (format!("filler-{n}"), "EBS_OPTIMIZED_INSTANCE"),
        }
    }

    fn config_rule_ids(&self, n: u64) -> (String, String) {
        let id = format!("config-rule-{:06x}", self.hash("config-rule", n) & 0xff_ffff);
        (self.arn("config", &format!("config-rule/{id}")), id)
    }

    /// Answers `DescribeConfigRules`.
    pub(crate) fn describe_config_rules(&self) -> Value {
        json!({"ConfigRules": list((0..self.config_rules()).map(|n| {
            let (name, kind) = Self::config_rule(n);
            let (arn, id) = self.config_rule_ids(n);
            let details = json!([{
                "EventSource": "aws.config", "MessageType": "ConfigurationItemChangeNotification",
            }]);
            let source = match kind {
                "lambda" => json!({
                    "Owner": "CUSTOM_LAMBDA", "SourceIdentifier": self.arn("lambda", "function:nacl-check"),
                    "SourceDetails": details,
                }),
                "guard" => json!({
                    "Owner": "CUSTOM_POLICY", "SourceDetails": details,
                    "CustomPolicyDetails": {"PolicyRuntime": "guard-2.x.x", "EnableDebugLogDelivery": false},
                }),
                identifier => json!({"Owner": "AWS", "SourceIdentifier": identifier}),
            };
            let parameters = match kind {
                "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS" => "{\"authorizedTcpPorts\":\"443,80\"}",
                "ACM_CERTIFICATE_EXPIRATION_CHECK" => "{\"daysToExpiration\":\"90\"}",
                _ => "{}",
            };
            let mut rule = json!({
                "ConfigRuleName": name,
                "ConfigRuleArn": arn,
                "ConfigRuleId": id,
                "Description": if n % 3 == 0 { "as the guide has it" } else { "" },
                "Source": source,
                "InputParameters": parameters,
                "ConfigRuleState": "ACTIVE",
                "EvaluationModes": [{"Mode": "DETECTIVE"}],
            });
            if let Some(members) = rule.as_object_mut() {
                let types = match kind {
                    "INCOMING_SSH_DISABLED" | "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS" | "guard" => {
                        Some("AWS::EC2::SecurityGroup")
                    }
                    "lambda" => Some("AWS::EC2::NetworkAcl"),
                    _ => None,
                };
                match types {
                    Some(kind) => {
                        members.insert("Scope".to_owned(), json!({"ComplianceResourceTypes": [kind]}));
                    }
                    None => {
                        members.insert("MaximumExecutionFrequency".to_owned(), json!("TwentyFour_Hours"));
                    }
                }
                if n % 5 == 4 {
                    members.insert("CreatedBy".to_owned(), json!("securityhub.amazonaws.com"));
                }
            }
            rule
        }))})
    }

    /// Answers `DescribeConfigRuleEvaluationStatus`.
    pub(crate) fn describe_config_rule_evaluation_status(&self) -> Value {
        json!({"ConfigRulesEvaluationStatus": list((0..self.config_rules()).map(|n| {
            let (name, kind) = Self::config_rule(n);
            let (arn, id) = self.config_rule_ids(n);
            let at = |days: i64, ms: i64| iso_micros(self.config.now - days * 86_400 - 1_800, ms * 1_000);
            let mut status = json!({
                "ConfigRuleName": name,
                "ConfigRuleArn": arn,
                "ConfigRuleId": id,
                "LastSuccessfulInvocationTime": at(0, 123),
                "FirstActivatedTime": at(300, 7),
                "FirstEvaluationStarted": kind != "lambda",
            });
            if let Some(members) = status.as_object_mut() {
                if kind == "lambda" {
                    members.insert("LastFailedEvaluationTime".to_owned(), json!(at(1, 999)));
                    members.insert("LastErrorCode".to_owned(), json!("400"));
                    members.insert("LastErrorMessage".to_owned(), json!("The function <nacl-check> timed out"));
                } else {
                    members.insert("LastSuccessfulEvaluationTime".to_owned(), json!(at(0, 456)));
                }
            }
            status
        }))})
    }

    /// What a rule says of each resource: type, id, whether it complies.
    fn evaluations(&self, kind: &str) -> Vec<(&'static str, String, bool)> {
        match kind {
            "INCOMING_SSH_DISABLED" => (self.groups().into_iter())
                .map(|group| ("AWS::EC2::SecurityGroup", group.id, !groups::SSH_OPEN.contains(&group.shape)))
                .collect(),
            "RESTRICTED_INCOMING_TRAFFIC" => (self.groups().into_iter())
                .map(|group| ("AWS::EC2::SecurityGroup", group.id, !groups::RDP_OPEN.contains(&group.shape)))
                .collect(),
            "VPC_FLOW_LOGS_ENABLED" => (self.vpcs())
                .map(|vpc| ("AWS::EC2::VPC", self.vpc_id(vpc), self.log_shape(vpc) != "none"))
                .collect(),
            "ACM_CERTIFICATE_EXPIRATION_CHECK" => (0..self.certificates())
                .filter_map(|n| {
                    let days = Self::certificate_shape(n).days?;
                    Some(("AWS::ACM::Certificate", self.certificate_arn(n), days >= 90))
                })
                .collect(),
            "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK" => (0..self.balancers())
                .filter(|n| Self::balancer_kind(*n) == "application")
                .map(|n| {
                    let shape = Self::balancer_shape(n);
                    let good = !matches!(
                        shape,
                        "http-forward"
                            | "https+http-forward"
                            | "https+redirect-to-http"
                            | "https+fixed-response"
                    );
                    ("AWS::ElasticLoadBalancingV2::LoadBalancer", self.balancer_arn(n), good)
                })
                .collect(),
            "ALB_WAF_ENABLED" => (0..self.balancers())
                .filter(|n| Self::balancer_kind(*n) == "application")
                .map(|n| ("AWS::ElasticLoadBalancingV2::LoadBalancer", self.balancer_arn(n), n < 3))
                .collect(),
            "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS" => (self.groups().into_iter())
                .map(|group| {
                    let good = !group.shape.contains("any") || group.shape.starts_with("https");
                    ("AWS::EC2::SecurityGroup", group.id, good)
                })
                .collect(),
            // Nothing of the kind, or never evaluated.
            _ => vec![],
        }
    }

    /// Answers `DescribeComplianceByConfigRule`.
    pub(crate) fn describe_compliance_by_config_rule(&self) -> Value {
        json!({"ComplianceByConfigRules": list((0..self.config_rules()).map(|n| {
            let (name, kind) = Self::config_rule(n);
            let found = self.evaluations(kind);
            let bad = found.iter().filter(|(_, _, good)| !good).count();
            let compliance = if found.is_empty() {
                json!({"ComplianceType": "INSUFFICIENT_DATA"})
            } else if bad == 0 {
                json!({"ComplianceType": "COMPLIANT"})
            } else {
                json!({
                    "ComplianceType": "NON_COMPLIANT",
                    "ComplianceContributorCount": {"CappedCount": bad.min(25), "CapExceeded": bad > 25},
                })
            };
            json!({"ConfigRuleName": name, "Compliance": compliance})
        }))})
    }

    /// Answers `GetComplianceDetailsByConfigRule`; `None` when there is no such rule.
    pub(crate) fn compliance_details(&self, rule: &str) -> Option<Value> {
        let n = (0..self.config_rules()).find(|n| Self::config_rule(*n).0 == rule)?;
        let (name, kind) = Self::config_rule(n);
        let found = (0..).zip(self.evaluations(kind));
        Some(json!({"EvaluationResults": list(found.map(|(at, (resource_type, resource, good)): (i64, _)| {
            let recorded = self.config.now - 7_200;
            let mut result = json!({
                "EvaluationResultIdentifier": {
                    "EvaluationResultQualifier": {
                        "ConfigRuleName": name, "ResourceType": resource_type, "ResourceId": resource,
                        "EvaluationMode": "DETECTIVE",
                    },
                    "OrderingTimestamp": iso_micros(recorded - 60, 250_000),
                },
                "ComplianceType": if good { "COMPLIANT" } else { "NON_COMPLIANT" },
                "ResultRecordedTime": iso_micros(recorded + at, (at % 1_000) * 1_000),
                "ConfigRuleInvokedTime": iso_micros(recorded, 5_000),
            });
            if let (false, Some(members)) = (good, result.as_object_mut()) {
                members.insert("Annotation".to_owned(), json!("not as the rule wants it"));
            }
            result
        }))}))
    }

    fn recorder_name() -> &'static str {
        "default"
    }

    /// Answers `DescribeConfigurationRecorders`.
    pub(crate) fn describe_configuration_recorders(&self) -> Value {
        if self.quiet() {
            return json!({"ConfigurationRecorders": []});
        }
        let all = self.turn(0).is_multiple_of(2);
        let group = if all {
            json!({
                "allSupported": true, "includeGlobalResourceTypes": true, "resourceTypes": [],
                "exclusionByResourceTypes": {"resourceTypes": []},
                "recordingStrategy": {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"},
            })
        } else {
            json!({
                "allSupported": false, "includeGlobalResourceTypes": false,
                "resourceTypes": ["AWS::EC2::VPC", "AWS::EC2::SecurityGroup"],
                "exclusionByResourceTypes": {"resourceTypes": []},
                "recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"},
            })
        };
        json!({"ConfigurationRecorders": [{
            "arn": self.arn("config", &format!("configuration-recorder/default/{}", self.uuid("recorder", 0))),
            "name": Self::recorder_name(),
            "roleARN": format!(
                "arn:aws:iam::{}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig", self.account
            ),
            "recordingGroup": group,
            "recordingMode": {"recordingFrequency": "CONTINUOUS", "recordingModeOverrides": []},
            "recordingScope": "PAID",
        }]})
    }

    /// Answers `DescribeConfigurationRecorderStatus`.
    pub(crate) fn describe_configuration_recorder_status(&self) -> Value {
        if self.quiet() {
            return json!({"ConfigurationRecordersStatus": []});
        }
        let running = self.turn(0) % 5 != 4;
        json!({"ConfigurationRecordersStatus": [{
            "arn": self.arn("config", &format!("configuration-recorder/default/{}", self.uuid("recorder", 0))),
            "name": Self::recorder_name(),
            "lastStartTime": iso_micros(self.config.now - 86_400 * 300, 761_000),
            "recording": running,
            "lastStatus": if running { "SUCCESS" } else { "FAILURE" },
            "lastStatusChangeTime": iso_micros(self.config.now - 900, 104_000),
        }]})
    }

    /// Answers `DescribeDeliveryChannels`.
    pub(crate) fn describe_delivery_channels(&self) -> Value {
        if self.quiet() {
            return json!({"DeliveryChannels": []});
        }
        json!({"DeliveryChannels": [{
            "name": "default",
            "s3BucketName": self.bucket_name(0),
            "configSnapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"},
        }]})
    }

    /// Answers `DescribeConformancePacks`.
    pub(crate) fn describe_conformance_packs(&self) -> Value {
        json!({"ConformancePackDetails": list((0..self.scaled(1, 1)).map(|n| {
            let name = format!("pack-{n}");
            let id = format!("conformance-pack-{:09x}", self.hash("pack", n) & 0xf_ffff_ffff);
            json!({
                "ConformancePackName": name,
                "ConformancePackArn": self.arn("config", &format!("conformance-pack/{name}/{id}")),
                "ConformancePackId": id,
                "DeliveryS3Bucket": "",
                "DeliveryS3KeyPrefix": "",
                "ConformancePackInputParameters": [
                    {"ParameterName": "AcmCertificateExpirationCheckParamDaysToExpiration", "ParameterValue": "90"},
                ],
                "LastUpdateRequestedTime": iso_micros(self.config.now - 86_400 * 40, 87_000),
            })
        }))})
    }
}
