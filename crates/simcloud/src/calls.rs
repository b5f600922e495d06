//! The calls that are answered: one line each, besides the narrowing by ids, names and filters.
//!
//! An answer is whole and in the AWS CLI's spelling. Refused: what does not exist, what only the management account
//! or only us-east-1 may ask, filters that are not simulated (never ignored: that would widen an answer).

use evidenced_core::shape::{Operation, Service};
use serde_json::{Map, Value, json};

use crate::{
    config::{Config, ROLE_NAME},
    credentials::{Caller, Keys, external_id},
    estate::{Estate, balancers::describe_ssl_policies, firewall::Scope},
    refuse::{self, Refusal},
    request::Parameters,
};

/// One call that is to be answered.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) operation: &'a Operation,
    pub(crate) parameters: &'a Parameters,
    pub(crate) caller: &'a Caller,
}

impl Call<'_> {
    /// The whole answer, as if there were no pages.
    pub(crate) fn answer(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        let whole = match self.service.name.as_str() {
            "ec2" => self.ec2(estate)?,
            "elbv2" => self.elbv2(estate)?,
            "wafv2" => self.wafv2(estate)?,
            "config" => self.config(estate)?,
            "acm" => self.acm(estate)?,
            "s3" => self.s3(estate)?,
            "organizations" => self.organizations(estate)?,
            "sts" if self.operation.name == "GetCallerIdentity" => estate.get_caller_identity(self.caller),
            _ => return Err(refuse::unknown_action(self.service, &self.operation.name)),
        };
        self.narrow(whole)
    }

    fn text(&self, name: &str) -> &str {
        self.parameters.text(name).unwrap_or_default()
    }

    fn or_not_found(&self, found: Option<Value>) -> Result<Value, Refusal> {
        found.ok_or_else(|| refuse::not_found(self.service, &self.operation.name))
    }

    fn unknown(&self) -> Refusal {
        refuse::unknown_action(self.service, &self.operation.name)
    }

    fn ec2(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        Ok(match self.operation.name.as_str() {
            "DescribeRegions" => estate.describe_regions(self.parameters.is_true("AllRegions")),
            "DescribeVpcs" => estate.describe_vpcs(),
            "DescribeVpcBlockPublicAccessOptions" => estate.describe_vpc_block_public_access_options(),
            "DescribeVpcBlockPublicAccessExclusions" => estate.describe_vpc_block_public_access_exclusions(),
            "DescribeSubnets" => estate.describe_subnets(),
            "DescribeRouteTables" => estate.describe_route_tables(),
            "DescribeInternetGateways" => estate.describe_internet_gateways(),
            "DescribeEgressOnlyInternetGateways" => estate.describe_egress_only_internet_gateways(),
            "DescribeNatGateways" => estate.describe_nat_gateways(),
            "DescribeVpcPeeringConnections" => estate.describe_vpc_peering_connections(),
            "DescribeTransitGatewayAttachments" => estate.describe_transit_gateway_attachments(),
            "DescribeTransitGateways" => estate.describe_transit_gateways(),
            "DescribeTransitGatewayRouteTables" => estate.describe_transit_gateway_route_tables(),
            "SearchTransitGatewayRoutes" => {
                let found = estate.search_transit_gateway_routes(self.text("TransitGatewayRouteTableId"));
                self.or_not_found(found)?
            }
            "DescribeVpnConnections" => estate.describe_vpn_connections(),
            "DescribeVpcEndpoints" => estate.describe_vpc_endpoints(),
            "DescribeNetworkAcls" => estate.describe_network_acls(),
            "DescribeSecurityGroups" => estate.describe_security_groups(),
            "DescribeSecurityGroupRules" => estate.describe_security_group_rules(),
            "DescribeManagedPrefixLists" => estate.describe_managed_prefix_lists(),
            "GetManagedPrefixListEntries" => {
                self.or_not_found(estate.managed_prefix_list_entries(self.text("PrefixListId")))?
            }
            "DescribeStaleSecurityGroups" => {
                self.or_not_found(estate.describe_stale_security_groups(self.text("VpcId")))?
            }
            "DescribeInstances" => estate.describe_instances(),
            "DescribeNetworkInterfaces" => estate.describe_network_interfaces(),
            "DescribeAddresses" => estate.describe_addresses(),
            "DescribeFlowLogs" => estate.describe_flow_logs(),
            _ => return Err(self.unknown()),
        })
    }

    fn elbv2(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        let arn = self.text("LoadBalancerArn");
        let balancer = || estate.balancer_at(arn);
        Ok(match self.operation.name.as_str() {
            "DescribeLoadBalancers" => estate.describe_load_balancers(),
            "DescribeLoadBalancerAttributes" => {
                self.or_not_found(balancer().map(|n| estate.describe_load_balancer_attributes(n)))?
            }
            "DescribeListeners" => {
                let listeners = self.parameters.words("ListenerArns");
                match (self.parameters.has("LoadBalancerArn"), listeners.first()) {
                    (true, _) => self.or_not_found(balancer().map(|n| estate.describe_listeners(n)))?,
                    (false, Some(listener)) => {
                        let n = estate.balancer_of_listener(listener).ok_or_else(|| {
                            Refusal::new(400, "ListenerNotFound", "One or more listeners not found")
                        })?;
                        estate.describe_listeners(n)
                    }
                    (false, None) => {
                        let text = "You must specify either listener ARNs or a load balancer ARN";
                        return Err(refuse::invalid(self.service, text));
                    }
                }
            }
            "DescribeListenerCertificates" => {
                self.or_not_found(estate.describe_listener_certificates(self.text("ListenerArn")))?
            }
            "DescribeRules" => {
                if !self.parameters.has("ListenerArn") {
                    let text = "You must specify either listener ARNs or rule ARNs";
                    return Err(refuse::invalid(self.service, text));
                }
                self.or_not_found(estate.describe_rules(self.text("ListenerArn")))?
            }
            "DescribeSSLPolicies" => describe_ssl_policies(),
            "DescribeTargetGroups" => {
                let mut whole = estate.describe_target_groups();
                if let (true, Some(groups)) = (
                    self.parameters.has("LoadBalancerArn"),
                    whole.get_mut("TargetGroups").and_then(Value::as_array_mut),
                ) {
                    groups.retain(|group| {
                        let arns = group.get("LoadBalancerArns").and_then(Value::as_array);
                        arns.is_some_and(|arns| arns.iter().any(|other| other == arn))
                    });
                }
                whole
            }
            _ => return Err(self.unknown()),
        })
    }

    fn wafv2(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        let scope = match self.text("Scope") {
            "CLOUDFRONT" => Scope::CloudFront,
            _ => Scope::Regional,
        };
        if scope == Scope::CloudFront && estate.region != "us-east-1" {
            return Err(Refusal::new(
                400,
                "WAFInvalidParameterException",
                "Error reason: The scope is not valid., field: SCOPE_VALUE, parameter: CLOUDFRONT",
            ));
        }
        // By id, or by ARN for those that take one.
        let wanted = if self.parameters.has("Id") { self.text("Id") } else { self.text("ARN") };
        let by_arn = if wanted.contains(":global/") { Scope::CloudFront } else { Scope::Regional };
        let scope = if wanted.starts_with("arn:") { by_arn } else { scope };
        Ok(match self.operation.name.as_str() {
            "ListWebACLs" => estate.list_web_acls(scope),
            "GetWebACL" => {
                self.or_not_found(estate.web_acl_at(scope, wanted).map(|n| estate.web_acl(scope, n)))?
            }
            "ListResourcesForWebACL" => {
                let arn = self.text("WebACLArn");
                if arn.contains(":global/") {
                    return Err(Refusal::new(
                        400,
                        "WAFInvalidParameterException",
                        format!(
                            "Error reason: The ARN isn't valid. A valid ARN begins with arn: and includes other \
                            information separated by colons or slashes., field: WEB_ACL_ARN, parameter: {arn}"
                        ),
                    ));
                }
                let kind = self.parameters.text("ResourceType").unwrap_or("APPLICATION_LOAD_BALANCER");
                let found = estate.web_acl_at(Scope::Regional, arn);
                self.or_not_found(found.map(|n| estate.resources_for_web_acl(n, kind)))?
            }
            "GetLoggingConfiguration" => {
                let arn = self.text("ResourceArn");
                let scope = if arn.contains(":global/") { Scope::CloudFront } else { Scope::Regional };
                let logging = estate.web_acl_at(scope, arn).and_then(|n| estate.web_acl_logging(scope, n));
                self.or_not_found(logging.map(|logging| json!({"LoggingConfiguration": logging})))?
            }
            "ListLoggingConfigurations" => estate.list_logging_configurations(scope),
            "GetIPSet" => self.or_not_found(estate.ip_set(scope, wanted))?,
            "GetRegexPatternSet" => self.or_not_found(estate.pattern_set(scope, wanted))?,
            "GetRuleGroup" => self.or_not_found(estate.rule_group(scope, wanted))?,
            "DescribeManagedRuleGroup" => {
                let version = self.parameters.text("VersionName");
                let found = estate.managed_rule_group(self.text("Name"), version);
                self.or_not_found(found.filter(|_| self.text("VendorName") == "AWS"))?
            }
            _ => return Err(self.unknown()),
        })
    }

    fn config(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        Ok(match self.operation.name.as_str() {
            "DescribeConfigRules" => estate.describe_config_rules(),
            "DescribeConfigRuleEvaluationStatus" => estate.describe_config_rule_evaluation_status(),
            "DescribeComplianceByConfigRule" => estate.describe_compliance_by_config_rule(),
            "GetComplianceDetailsByConfigRule" => {
                let mut whole = self.or_not_found(estate.compliance_details(self.text("ConfigRuleName")))?;
                let types = self.parameters.words("ComplianceTypes");
                if let (false, Some(results)) =
                    (types.is_empty(), whole.get_mut("EvaluationResults").and_then(Value::as_array_mut))
                {
                    results.retain(|result| {
                        result
                            .get("ComplianceType")
                            .and_then(Value::as_str)
                            .is_some_and(|found| types.iter().any(|wanted| wanted == found))
                    });
                }
                whole
            }
            "DescribeConfigurationRecorders" => estate.describe_configuration_recorders(),
            "DescribeConfigurationRecorderStatus" => estate.describe_configuration_recorder_status(),
            "DescribeDeliveryChannels" => estate.describe_delivery_channels(),
            "DescribeConformancePacks" => estate.describe_conformance_packs(),
            _ => return Err(self.unknown()),
        })
    }

    fn acm(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        Ok(match self.operation.name.as_str() {
            "ListCertificates" => estate.list_certificates(&self.parameters.words_in("Includes", "keyTypes")),
            "DescribeCertificate" => {
                let arn = self.text("CertificateArn");
                estate.describe_certificate(arn).ok_or_else(|| {
                    let text = format!("Could not find certificate {arn} in {}.", estate.region);
                    Refusal::new(400, "ResourceNotFoundException", text)
                })?
            }
            _ => return Err(self.unknown()),
        })
    }

    fn s3(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        if self.operation.name == "ListBuckets" {
            let paged = ["MaxBuckets", "ContinuationToken", "BucketRegion"]
                .iter()
                .any(|name| self.parameters.has(name));
            let (prefix, region) = (self.parameters.text("Prefix"), self.parameters.text("BucketRegion"));
            return Ok(estate.list_buckets(paged, prefix, region));
        }
        let name = self.text("Bucket");
        let Some(n) = estate.bucket_at(name) else {
            return Err(refuse::not_found(self.service, "").with("BucketName", name));
        };
        let home = estate.bucket_region(n);
        if home != estate.region {
            // Where a bucket is can be asked of us-east-1 too.
            if self.operation.name != "GetBucketLocation" {
                return Err(moved(name, home));
            }
            if estate.region != "us-east-1" {
                let text = format!(
                    "The authorization header is malformed; the region '{}' is wrong; expecting '{home}'",
                    estate.region
                );
                return Err(Refusal::new(400, "AuthorizationHeaderMalformed", text)
                    .with("Region", home)
                    .header("x-amz-bucket-region", home));
            }
        }
        match self.operation.name.as_str() {
            "GetBucketLocation" => Ok(estate.bucket_location(n)),
            "GetBucketPolicy" => estate.bucket_policy(n),
            "GetBucketPolicyStatus" => estate.bucket_policy_status(n),
            "GetPublicAccessBlock" => estate.public_access_block(n),
            "GetBucketEncryption" => estate.bucket_encryption(n),
            "GetBucketVersioning" => Ok(Estate::bucket_versioning(n)),
            "GetBucketLogging" => Ok(estate.bucket_logging(n)),
            "GetObjectLockConfiguration" => estate.object_lock_configuration(n),
            _ => Err(self.unknown()),
        }
    }

    fn organizations(&self, estate: &Estate<'_>) -> Result<Value, Refusal> {
        if estate.region != "us-east-1" {
            let text = format!("Credential should be scoped to a valid region, not '{}'.", estate.region);
            return Err(refuse::wrong_scope(self.service, &text));
        }
        if estate.index != 0 {
            let text = "You don't have permissions to access this resource.";
            return Err(Refusal::new(400, "AccessDeniedException", text));
        }
        match self.operation.name.as_str() {
            "ListAccounts" => Ok(estate.list_accounts()),
            _ => Err(self.unknown()),
        }
    }

    /// Leaves out what ids, names and filters do not ask for.
    fn narrow(&self, mut whole: Value) -> Result<Value, Refusal> {
        let service = self.service.name.as_str();
        let Some((list, parameters)) = identity(service, &self.operation.name) else { return Ok(whole) };
        let Some(entries) = whole.get_mut(list).and_then(Value::as_array_mut) else { return Ok(whole) };
        for (parameter, key) in parameters {
            let wanted = self.parameters.words(parameter);
            if wanted.is_empty() {
                continue;
            }
            if let Some(missing) =
                wanted.iter().find(|id| !entries.iter().any(|entry| entry_is(entry, key, id)))
            {
                return Err(self.no_such(parameter, missing));
            }
            entries.retain(|entry| wanted.iter().any(|id| entry_is(entry, key, id)));
        }
        if service == "ec2" && self.operation.name != "SearchTransitGatewayRoutes" {
            for (name, values) in self.parameters.filters() {
                let known = filter(&name, entries, &values);
                if !known {
                    let text = format!("The filter '{name}' is invalid");
                    return Err(refuse::invalid(self.service, &text));
                }
            }
        }
        Ok(whole)
    }

    fn no_such(&self, parameter: &str, id: &str) -> Refusal {
        match self.service.name.as_str() {
            "ec2" => {
                let noun = parameter.trim_end_matches('s').trim_end_matches("Id");
                Refusal::new(
                    400,
                    format!("Invalid{noun}ID.NotFound"),
                    format!("The {noun} ID '{id}' does not exist"),
                )
            }
            "elbv2" => match parameter {
                "TargetGroupArns" => {
                    Refusal::new(400, "TargetGroupNotFound", "One or more target groups not found")
                }
                "ListenerArns" => Refusal::new(400, "ListenerNotFound", "One or more listeners not found"),
                "RuleArns" => Refusal::new(400, "RuleNotFound", "One or more rules not found"),
                "Names" if self.operation.name == "DescribeSSLPolicies" => {
                    Refusal::new(400, "SSLPolicyNotFound", format!("Policy '{id}' not found"))
                }
                _ => Refusal::new(400, "LoadBalancerNotFound", format!("Load balancers '[{id}]' not found")),
            },
            _ => refuse::not_found(self.service, &self.operation.name),
        }
    }
}

fn moved(bucket: &str, home: &str) -> Refusal {
    let text = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send \
                all future requests to this endpoint.";
    Refusal::new(301, "PermanentRedirect", text)
        .with("Endpoint", format!("{bucket}.s3.{home}.amazonaws.com"))
        .with("Bucket", bucket)
        .header("x-amz-bucket-region", home)
}

type Identity = (&'static str, &'static [(&'static str, &'static str)]);

/// The list of an answer, and which parameters name entries of it by which member.
fn identity(service: &str, operation: &str) -> Option<Identity> {
    Some(match (service, operation) {
        ("ec2", "DescribeRegions") => ("Regions", &[("RegionNames", "RegionName")]),
        ("ec2", "DescribeVpcs") => ("Vpcs", &[("VpcIds", "VpcId")]),
        ("ec2", "DescribeVpcBlockPublicAccessExclusions") => {
            ("VpcBlockPublicAccessExclusions", &[("ExclusionIds", "ExclusionId")])
        }
        ("ec2", "DescribeSubnets") => ("Subnets", &[("SubnetIds", "SubnetId")]),
        ("ec2", "DescribeRouteTables") => ("RouteTables", &[("RouteTableIds", "RouteTableId")]),
        ("ec2", "DescribeInternetGateways") => {
            ("InternetGateways", &[("InternetGatewayIds", "InternetGatewayId")])
        }
        ("ec2", "DescribeEgressOnlyInternetGateways") => {
            ("EgressOnlyInternetGateways", &[("EgressOnlyInternetGatewayIds", "EgressOnlyInternetGatewayId")])
        }
        ("ec2", "DescribeNatGateways") => ("NatGateways", &[("NatGatewayIds", "NatGatewayId")]),
        ("ec2", "DescribeVpcPeeringConnections") => {
            ("VpcPeeringConnections", &[("VpcPeeringConnectionIds", "VpcPeeringConnectionId")])
        }
        ("ec2", "DescribeTransitGatewayAttachments") => {
            ("TransitGatewayAttachments", &[("TransitGatewayAttachmentIds", "TransitGatewayAttachmentId")])
        }
        ("ec2", "DescribeTransitGateways") => {
            ("TransitGateways", &[("TransitGatewayIds", "TransitGatewayId")])
        }
        ("ec2", "DescribeTransitGatewayRouteTables") => {
            ("TransitGatewayRouteTables", &[("TransitGatewayRouteTableIds", "TransitGatewayRouteTableId")])
        }
        ("ec2", "DescribeVpnConnections") => ("VpnConnections", &[("VpnConnectionIds", "VpnConnectionId")]),
        ("ec2", "DescribeVpcEndpoints") => ("VpcEndpoints", &[("VpcEndpointIds", "VpcEndpointId")]),
        ("ec2", "DescribeNetworkAcls") => ("NetworkAcls", &[("NetworkAclIds", "NetworkAclId")]),
        ("ec2", "DescribeSecurityGroups") => {
            ("SecurityGroups", &[("GroupIds", "GroupId"), ("GroupNames", "GroupName")])
        }
        ("ec2", "DescribeSecurityGroupRules") => {
            ("SecurityGroupRules", &[("SecurityGroupRuleIds", "SecurityGroupRuleId")])
        }
        ("ec2", "DescribeManagedPrefixLists") => ("PrefixLists", &[("PrefixListIds", "PrefixListId")]),
        ("ec2", "DescribeInstances") => ("Reservations", &[("InstanceIds", "/Instances/0/InstanceId")]),
        ("ec2", "DescribeNetworkInterfaces") => {
            ("NetworkInterfaces", &[("NetworkInterfaceIds", "NetworkInterfaceId")])
        }
        ("ec2", "DescribeAddresses") => {
            ("Addresses", &[("AllocationIds", "AllocationId"), ("PublicIps", "PublicIp")])
        }
        ("ec2", "DescribeFlowLogs") => ("FlowLogs", &[("FlowLogIds", "FlowLogId")]),
        ("elbv2", "DescribeLoadBalancers") => {
            ("LoadBalancers", &[("LoadBalancerArns", "LoadBalancerArn"), ("Names", "LoadBalancerName")])
        }
        ("elbv2", "DescribeListeners") => ("Listeners", &[("ListenerArns", "ListenerArn")]),
        ("elbv2", "DescribeRules") => ("Rules", &[("RuleArns", "RuleArn")]),
        ("elbv2", "DescribeSSLPolicies") => ("SslPolicies", &[("Names", "Name")]),
        ("elbv2", "DescribeTargetGroups") => {
            ("TargetGroups", &[("TargetGroupArns", "TargetGroupArn"), ("Names", "TargetGroupName")])
        }
        ("config", "DescribeConfigRules") => ("ConfigRules", &[("ConfigRuleNames", "ConfigRuleName")]),
        ("config", "DescribeConfigRuleEvaluationStatus") => {
            ("ConfigRulesEvaluationStatus", &[("ConfigRuleNames", "ConfigRuleName")])
        }
        ("config", "DescribeComplianceByConfigRule") => {
            ("ComplianceByConfigRules", &[("ConfigRuleNames", "ConfigRuleName")])
        }
        ("config", "DescribeConformancePacks") => {
            ("ConformancePackDetails", &[("ConformancePackNames", "ConformancePackName")])
        }
        _ => return None,
    })
}

fn member<'a>(entry: &'a Value, key: &str) -> Option<&'a Value> {
    if key.starts_with('/') { entry.pointer(key) } else { entry.get(key) }
}

fn entry_is(entry: &Value, key: &str, id: &str) -> bool {
    member(entry, key).and_then(Value::as_str) == Some(id)
}

/// Applies one of EC2's filters; says whether it is one that is simulated: `tag:…`, or a member's name.
fn filter(name: &str, entries: &mut Vec<Value>, values: &[String]) -> bool {
    if let Some(key) = name.strip_prefix("tag:") {
        entries.retain(|entry| {
            let tags = entry.get("Tags").or_else(|| entry.get("TagSet")).and_then(Value::as_array);
            tags.is_some_and(|tags| {
                tags.iter().any(|tag| {
                    entry_is(tag, "Key", key) && values.iter().any(|value| entry_is(tag, "Value", value))
                })
            })
        });
        return true;
    }
    let pascal: String = name
        .split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        })
        .collect();
    let known = entries.iter().any(|entry| entry.get(&pascal).is_some_and(|value| !value.is_object()));
    if !known {
        return entries.is_empty();
    }
    entries.retain(|entry| {
        let text = match entry.get(&pascal) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return false,
        };
        values.contains(&text)
    });
    true
}

/// Answers `AssumeRole`: credentials for the account that the role is of.
///
/// `index_of` finds the place of an account id. Only the management account is trusted, with the external id.
pub(crate) fn assume_role(
    config: &Config,
    keys: &Keys,
    parameters: &Parameters,
    caller: &Caller,
    now: i64,
    index_of: impl Fn(&str) -> Option<u32>,
) -> Result<Value, Refusal> {
    let arn = parameters.text("RoleArn").unwrap_or_default();
    let session = parameters.text("RoleSessionName").unwrap_or_default();
    let well_formed = (2..=64).contains(&session.len())
        && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte));
    if !well_formed {
        return Err(Refusal::new(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: [\\w+=,.@-]*"
            ),
        ));
    }
    let own = Estate::new(config, caller.account, "us-east-1");
    let denied = || {
        let who = caller.arn(&own.account);
        Refusal::new(
            403,
            "AccessDenied",
            format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"),
        )
    };
    let target = arn
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":role/"))
        .filter(|(_, role)| *role == ROLE_NAME)
        .and_then(|(account, _)| index_of(account))
        .ok_or_else(denied)?;
    let trusted = caller.account == 0 && parameters.text("ExternalId") == Some(external_id(config).as_str());
    if !trusted {
        return Err(denied());
    }
    let asked = parameters.number("DurationSeconds").unwrap_or(3_600);
    if caller.session.is_some() && asked > 3_600 {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(Refusal::new(400, "ValidationError", text));
    }
    let lives = config.session_seconds.map_or(asked, u64::from);
    let expires = now.saturating_add(i64::try_from(lives).unwrap_or(3_600));
    let credentials = keys.session(target, session, expires);
    let estate = Estate::new(config, target, "us-east-1");
    let mut answer = Map::new();
    answer.insert(
        "Credentials".to_owned(),
        json!({
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": crate::estate::iso(expires),
        }),
    );
    answer.insert(
        "AssumedRoleUser".to_owned(),
        json!({
            "AssumedRoleId": format!("{}:{session}", estate.role_id()),
            "Arn": Caller { account: target, session: Some(session.to_owned()) }.arn(&estate.account),
        }),
    );
    Ok(Value::Object(answer))
}
