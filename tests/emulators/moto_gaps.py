"""Answers for the calls of the evidence table that moto 5.2.1 does not have, in AWS's form.

Promises: state comes from moto's own backends (what was created there is what is told), the rest is a function of
it, so two calls in a row say the same. Calls that moto has are left alone, save four whose answer AWS would never
give (said where they are). Refused: anything that would hide a member or a call from the collector; these are answers
for a test, not a model of AWS.
"""

import json

from moto.config.responses import ConfigResponse
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.ec2.responses.availability_zones_and_regions import AvailabilityZonesAndRegions
from moto.ec2.responses.transit_gateway_route_tables import TransitGatewayRouteTable
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import NoSuchBucketPolicy
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.wafv2.exceptions import WAFNonexistentItemException
from moto.wafv2.responses import WAFV2Response

EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z: the one instant of everything that is made up here


def install(is_tls=False):
    """Adds the calls to moto's classes; `is_tls` says that every request comes by HTTPS."""
    for owner, calls in (
        (EC2Response, (
            describe_vpc_block_public_access_options, modify_vpc_block_public_access_options,
            describe_vpc_block_public_access_exclusions, create_vpc_block_public_access_exclusion,
            describe_stale_security_groups,
        )),
        (WAFV2Response, (list_resources_for_web_acl, describe_managed_rule_group)),
        (ConfigResponse, (
            describe_config_rule_evaluation_status, describe_compliance_by_config_rule,
            get_compliance_details_by_config_rule, put_conformance_pack, describe_conformance_packs,
        )),
    ):
        for call in calls:
            if hasattr(owner, call.__name__):
                raise RuntimeError(f"moto has {owner.__name__}.{call.__name__} of its own now: remove ours")
            setattr(owner, call.__name__, call)
    TransitGatewayRouteTable.search_transit_gateway_routes = search_transit_gateway_routes
    AvailabilityZonesAndRegions.describe_regions = describe_regions
    S3Response.get_bucket_policy = get_bucket_policy
    if is_tls:
        FakeBucket.get_permission = get_permission_over_tls


def kept(backend, name, default):
    """State of ours that lives and dies with a backend of moto's (its reset endpoint drops it)."""
    return backend.__dict__.setdefault(f"evidenced_{name}", default)


def page(items, token, size):
    """One page of items and the token of the next, as a decimal offset."""
    start = int(token or 0)
    rest = start + size
    return items[start:rest], str(rest) if rest < len(items) else None


# -- ec2 ---------------------------------------------------------------------------------------------------------------


def block_public_access(backend):
    return kept(backend, "block_public_access", {
        "AwsAccountId": backend.account_id,
        "AwsRegion": backend.region_name,
        "State": "default-state",
        "InternetGatewayBlockMode": "off",
        "LastUpdateTimestamp": EPOCH,
        "ManagedBy": "account",
        "ExclusionsAllowed": "allowed",
    })


def describe_vpc_block_public_access_options(self):
    return ActionResult({"VpcBlockPublicAccessOptions": block_public_access(self.ec2_backend)})


def modify_vpc_block_public_access_options(self):
    options = block_public_access(self.ec2_backend)
    options.update(InternetGatewayBlockMode=self._get_param("InternetGatewayBlockMode"), State="update-complete")
    return ActionResult({"VpcBlockPublicAccessOptions": options})


def create_vpc_block_public_access_exclusion(self):
    exclusions = kept(self.ec2_backend, "exclusions", [])
    resource = self._get_param("VpcId") or self._get_param("SubnetId")
    kind = "vpc" if resource.startswith("vpc-") else "subnet"
    exclusion = {
        "ExclusionId": f"vpcbpa-exclude-{len(exclusions) + 1:017x}",
        "InternetGatewayExclusionMode": self._get_param("InternetGatewayExclusionMode"),
        "ResourceArn": f"arn:aws:ec2:{self.region}:{self.current_account}:{kind}/{resource}",
        "State": "create-complete",
        "CreationTimestamp": EPOCH,
        "LastUpdateTimestamp": EPOCH,
        "Tags": [],
    }
    exclusions.append(exclusion)
    return ActionResult({"VpcBlockPublicAccessExclusion": exclusion})


def describe_vpc_block_public_access_exclusions(self):
    return ActionResult({"VpcBlockPublicAccessExclusions": kept(self.ec2_backend, "exclusions", [])})


def describe_stale_security_groups(self):
    """Groups with a rule that names a group of a VPC whose peering is gone, or one that does not exist."""
    backend, vpc = self.ec2_backend, self._get_param("VpcId")
    backend.get_vpc(vpc)
    peered = {
        other
        for peering in backend.vpc_pcxs.values() if peering._status.code == "active"
        for one, other in ((peering.vpc.id, peering.peer_vpc.id), (peering.peer_vpc.id, peering.vpc.id)) if one == vpc
    }
    stale = []
    for group in backend.groups[vpc].values():
        entry = {"Description": group.description, "GroupId": group.id, "GroupName": group.name, "VpcId": vpc}
        found = False
        for key, rules in (("StaleIpPermissions", group.ingress_rules), ("StaleIpPermissionsEgress", group.egress_rules)):
            entry[key] = [permission(rule) for rule in rules if is_stale(backend, vpc, peered, rule)]
            found = found or entry[key]
        if found:
            stale.append(entry)
    stale.sort(key=lambda group: group["GroupId"])
    return ActionResult({"StaleSecurityGroupSet": stale})


def is_stale(backend, vpc, peered, rule):
    named = rule.source_group.get("GroupId")
    if not named:
        return False
    home = next((v for v, groups in backend.groups.items() if named in groups), None)
    return home != vpc and home not in peered


def permission(rule):
    pair = {key: rule.source_group[key] for key in ("GroupId", "UserId", "VpcId") if rule.source_group.get(key)}
    return {
        "FromPort": rule.from_port, "ToPort": rule.to_port, "IpProtocol": rule.ip_protocol,
        "IpRanges": [], "PrefixListIds": [], "UserIdGroupPairs": [pair],
    }


def search_transit_gateway_routes(self):
    """moto's own slices a dict when MaxResults is set, and answers 500."""
    routes = self.ec2_backend.search_transit_gateway_routes(
        transit_gateway_route_table_id=self._get_param("TransitGatewayRouteTableId"),
        filters=self._filters_from_querystring(),
    )
    size = int(self._get_param("MaxResults") or 1000)
    return ActionResult({"routeSet": routes[:size], "additionalRoutesAvailable": len(routes) > size})


_moto_describe_regions = AvailabilityZonesAndRegions.describe_regions


def describe_regions(self):
    """moto's own ignores the opt-in-status filter."""
    answer = _moto_describe_regions(self)
    wanted = self._filters_from_querystring().get("opt-in-status")
    if wanted:
        answer._result = {"Regions": [r for r in answer._result["Regions"] if r.opt_in_status in wanted]}
    return answer


# -- wafv2 -------------------------------------------------------------------------------------------------------------

RESOURCES = {
    "APPLICATION_LOAD_BALANCER": ":loadbalancer/app/",
    "API_GATEWAY": ":/restapis/",
    "APPSYNC": ":apis/",
    "COGNITO_USER_POOL": ":userpool/",
    "APP_RUNNER_SERVICE": ":service/",
    "VERIFIED_ACCESS_INSTANCE": ":verified-access-instance/",
    "AMPLIFY": ":apps/",
}


def as_json(body):
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body)


def list_resources_for_web_acl(self):
    acl = self.wafv2_backend.wacls.get(self._get_param("WebACLArn"))
    if acl is None:
        raise WAFNonexistentItemException()
    mark = RESOURCES.get(self._get_param("ResourceType") or "APPLICATION_LOAD_BALANCER", "of a kind that moto has not")
    return as_json({"ResourceArns": [arn for arn in acl.associated_resources if mark in arn]})


MANAGED = {
    "AWSManagedRulesCommonRuleSet": (700, "core-rule-set", {
        "NoUserAgent_HEADER": "NoUserAgent_Header", "SizeRestrictions_BODY": "SizeRestrictions_Body",
        "GenericLFI_QUERYARGUMENTS": "GenericLFI_QueryArguments", "CrossSiteScripting_BODY": "CrossSiteScripting_Body",
    }),
    "AWSManagedRulesKnownBadInputsRuleSet": (200, "known-bad-inputs", {
        "Log4JRCE_HEADER": "Log4JRCE_Header", "ExploitablePaths_URIPATH": "ExploitablePaths_URIPath",
    }),
    "AWSManagedRulesSQLiRuleSet": (200, "sql-database", {"SQLi_BODY": "SQLi_Body"}),
}


def describe_managed_rule_group(self):
    vendor, name = self._get_param("VendorName"), self._get_param("Name")
    if vendor != "AWS" or name not in MANAGED:
        raise WAFNonexistentItemException()
    capacity, space, rules = MANAGED[name]
    space = f"awswaf:managed:aws:{space}:"
    return as_json({
        "VersionName": self._get_param("VersionName") or "Version_1.17",
        "SnsTopicArn": f"arn:aws:sns:us-east-1:248400274283:aws-managed-waf-rule-notifications-{name.lower()}",
        "Capacity": capacity,
        "Rules": [{"Name": rule, "Action": {"Block": {}}} for rule in rules],
        "LabelNamespace": space,
        "AvailableLabels": [{"Name": space + label} for label in rules.values()],
        "ConsumedLabels": [],
    })


# -- config ------------------------------------------------------------------------------------------------------------


def resources_of(backend, rule):
    """(type, id) of what the managed rule looks at and whether it is compliant: AWS's outline, not its judgement."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    identifier = rule.source.source_identifier
    if identifier in ("INCOMING_SSH_DISABLED", "RESTRICTED_INCOMING_TRAFFIC", "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS"):
        for groups in ec2.groups.values():
            for group in groups.values():
                yield "AWS::EC2::SecurityGroup", group.id, not any(is_open(rule, 22) for rule in group.ingress_rules)
    elif identifier == "VPC_FLOW_LOGS_ENABLED":
        logged = {log.resource_id for log in ec2.flow_logs.values()}
        for vpc in ec2.vpcs.values():
            yield "AWS::EC2::VPC", vpc.id, vpc.id in logged


def is_open(rule, port):
    if rule.cidr_ipv4 != "0.0.0.0/0" and rule.cidr_ipv6 != "::/0":
        return False
    return rule.ip_protocol == "-1" or (rule.ip_protocol == "tcp" and rule.from_port <= port <= rule.to_port)


def rules_of(self):
    backend = self.config_backend
    names = self._get_param("ConfigRuleNames") or sorted(backend.config_rules)
    backend.describe_config_rules(self._get_param("ConfigRuleNames"), None)  # raises NoSuchConfigRuleException
    return [backend.config_rules[name] for name in names]


def paged(self, key, items, size):
    items, token = page(items, self._get_param("NextToken"), int(self._get_param("Limit") or 0) or size)
    return json.dumps({key: items} | ({"NextToken": token} if token else {}))


def describe_config_rule_evaluation_status(self):
    return paged(self, "ConfigRulesEvaluationStatus", [
        {
            "ConfigRuleName": rule.config_rule_name, "ConfigRuleArn": rule.config_rule_arn,
            "ConfigRuleId": rule.config_rule_id, "LastSuccessfulInvocationTime": EPOCH + 60.25,
            "LastSuccessfulEvaluationTime": EPOCH + 61, "FirstActivatedTime": EPOCH, "FirstEvaluationStarted": True,
        }
        for rule in rules_of(self)
    ], 50)


def describe_compliance_by_config_rule(self):
    answer = []
    for rule in rules_of(self):
        found = list(resources_of(self.config_backend, rule))
        bad = sum(not good for _, _, good in found)
        if not found:
            compliance = {"ComplianceType": "INSUFFICIENT_DATA"}
        elif bad:
            counted = {"CappedCount": min(bad, 25), "CapExceeded": bad > 25}
            compliance = {"ComplianceType": "NON_COMPLIANT", "ComplianceContributorCount": counted}
        else:
            compliance = {"ComplianceType": "COMPLIANT"}
        answer.append({"ConfigRuleName": rule.config_rule_name, "Compliance": compliance})
    return paged(self, "ComplianceByConfigRules", answer, 25)


def get_compliance_details_by_config_rule(self):
    name = self._get_param("ConfigRuleName")
    self.config_backend.describe_config_rules([name], None)
    rule = self.config_backend.config_rules.get(name)
    wanted = self._get_param("ComplianceTypes")
    answer = []
    for kind, resource, good in resources_of(self.config_backend, rule):
        compliance = "COMPLIANT" if good else "NON_COMPLIANT"
        if wanted and compliance not in wanted:
            continue
        answer.append({
            "EvaluationResultIdentifier": {
                "EvaluationResultQualifier": {
                    "ConfigRuleName": name, "ResourceType": kind, "ResourceId": resource, "EvaluationMode": "DETECTIVE",
                },
                "OrderingTimestamp": EPOCH,
            },
            "ComplianceType": compliance,
            "ResultRecordedTime": EPOCH + 61.5,
            "ConfigRuleInvokedTime": EPOCH + 60.25,
        })
    return paged(self, "EvaluationResults", answer, 10)


def put_conformance_pack(self):
    packs, name = kept(self.config_backend, "conformance_packs", {}), self._get_param("ConformancePackName")
    ident = f"conformance-pack-{len(packs):09d}"
    arn = f"arn:aws:config:{self.region}:{self.current_account}:conformance-pack/{name}/{ident}"
    packs[name] = {
        "ConformancePackName": name, "ConformancePackArn": arn, "ConformancePackId": ident,
        "DeliveryS3Bucket": self._get_param("DeliveryS3Bucket") or "",
        "ConformancePackInputParameters": self._get_param("ConformancePackInputParameters") or [],
        "LastUpdateRequestedTime": EPOCH,
    }
    return json.dumps({"ConformancePackArn": arn})


def describe_conformance_packs(self):
    packs = kept(self.config_backend, "conformance_packs", {})
    return paged(self, "ConformancePackDetails", [packs[name] for name in sorted(packs)], 20)


# -- s3 ----------------------------------------------------------------------------------------------------------------

_moto_get_bucket_policy = S3Response.get_bucket_policy


def get_bucket_policy(self):
    """moto's own; but moto takes `?policyStatus` for a list of objects, so `serve` turns it into `?policy` with a mark."""
    if "policyStatus" not in self.querystring:
        return _moto_get_bucket_policy(self)
    policy = self.backend.get_bucket_policy(self.bucket_name)
    if not policy:
        raise NoSuchBucketPolicy(bucket_name=self.bucket_name)
    statements = json.loads(policy)["Statement"]
    public = any(
        s["Effect"] == "Allow" and not s.get("Condition") and s.get("Principal") in ("*", {"AWS": "*"})
        for s in (statements if isinstance(statements, list) else [statements])
    )
    return 200, {}, (
        '<?xml version="1.0" encoding="UTF-8"?>\n<PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsPublic>{str(public).lower()}</IsPublic></PolicyStatus>"
    )


def get_permission_over_tls(self, action, resource):
    """moto reads no Condition, and so denies HTTPS too where a bucket is HTTPS-only."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(self.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    plain_only = {"Bool": {"aws:SecureTransport": "false"}}
    policy["Statement"] = [it for it in statements if it.get("Condition") != plain_only]
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)
