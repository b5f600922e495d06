"""Certificates, load balancers, web ACLs and AWS Config of the population.

Promises: listeners have a period of 5 and TLS policies one of 10; web ACL 0 refers to an IP set, a regex set, a rule
group and a managed group, guards the first two balancers and logs; the last web ACL is empty; us-east-1 has a web ACL
for CloudFront. Refused: private keys other than throw-away ones made here.
"""

import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAYS = (3, 20, 60, 89, 91, 400)
POLICIES = (
    "ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-TLS13-1-3-2021-06", "ELBSecurityPolicy-TLS-1-2-2017-01", "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10", "ELBSecurityPolicy-TLS13-1-1-2021-06",
)
KINDS = ("https+redirect", "https-only", "http-forward", "https+http-forward", "https+redirect-to-http")
REDIRECT = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}


def balancers(population, region):
    """Everything of one region that is not EC2."""
    out = population.made["regions"][region]
    out.update(certificates=certificates(population, region), balancers=[], web_acls=[], config_rules=[])
    elb = population.client("elbv2", region)
    for i in range(population.counts["balancers"]):
        balancer(population, elb, region, out, i)
    web_acls(population, region, out)
    if region == "us-east-1":
        out["cloudfront"] = web_acl(population, region, "CLOUDFRONT", "edge", references(population, region, "CLOUDFRONT"))
    config(population, region, out)


@functools.cache
def pairs():
    """Self-signed certificates and their keys: the first RSA, the others EC."""
    made = []
    now = datetime.datetime.now(datetime.timezone.utc)
    for number, days in enumerate(DAYS):
        key = rsa.generate_private_key(65537, 2048) if number == 0 else ec.generate_private_key(ec.SECP256R1())
        host = f"d{days}.example.com"
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1000 + days).not_valid_before(now - datetime.timedelta(days=5))
            .not_valid_after(now + datetime.timedelta(days=days, hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False).sign(key, hashes.SHA256())
        )
        made.append((days, certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        )))
    return made


def certificates(population, region):
    acm, made = population.client("acm", region), []
    for days, certificate, key in pairs():
        answer = population.attempt(acm.import_certificate, Certificate=certificate, PrivateKey=key)
        if answer:
            made.append({"arn": answer["CertificateArn"], "days": days})
    answer = population.attempt(
        acm.request_certificate, DomainName=f"app.{region}.example.com", ValidationMethod="DNS",
        SubjectAlternativeNames=[f"*.app.{region}.example.com"],
    )
    if answer:
        made.append({"arn": answer["CertificateArn"], "days": None})
    return made


def balancer(population, elb, region, out, i):
    """Application balancers, save the fifth of five (network, with TLS) and the tenth of ten (gateway)."""
    home = out["vpcs"][i % len(out["vpcs"])]
    kind = "gateway" if i % 10 == 9 else "network" if i % 5 == 4 else "application"
    name = f"lb-{region}-{i}"
    group = next(group["id"] for group in out["groups"] if group["vpc"] == home["id"])
    answer = population.attempt(
        elb.create_load_balancer, Name=name, Subnets=home["subnets"][:2], Type=kind,
        Tags=[{"Key": "Name", "Value": name}],
        **({} if kind == "gateway" else {"Scheme": "internet-facing" if i % 3 else "internal"}),
        **({"SecurityGroups": [group]} if kind == "application" else {}),
    )
    if not answer:
        return
    arn = answer["LoadBalancers"][0]["LoadBalancerArn"]
    protocol, port = {"application": ("HTTP", 8080), "network": ("TCP", 8443), "gateway": ("GENEVE", 6081)}[kind]
    target = population.attempt(
        elb.create_target_group, Name=f"tg-{region}-{i}", Protocol=protocol, Port=port, VpcId=home["id"],
        TargetType="ip",
    )
    forward = [{"Type": "forward", "TargetGroupArn": target["TargetGroups"][0]["TargetGroupArn"]}] if target else [
        {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}},
    ]
    listeners = KINDS[i % 5] if kind == "application" else kind
    policy = POLICIES[i % 10]
    certificates = [one["arn"] for one in out["certificates"]]

    def listen(**how):
        return population.attempt(elb.create_listener, LoadBalancerArn=arn, **how)

    secure = None
    if kind == "network":
        listen(Protocol="TLS", Port=443, SslPolicy=policy, DefaultActions=forward,
               Certificates=[{"CertificateArn": certificates[0]}])
    elif kind == "gateway":
        listen(DefaultActions=forward)
    elif listeners != "http-forward" and certificates:
        secure = listen(Protocol="HTTPS", Port=443, SslPolicy=policy, DefaultActions=forward,
                        Certificates=[{"CertificateArn": certificates[-2]}])
    if listeners == "https+redirect":
        listen(Protocol="HTTP", Port=80, DefaultActions=[{"Type": "redirect", "RedirectConfig": REDIRECT}])
    elif listeners in ("http-forward", "https+http-forward"):
        listen(Protocol="HTTP", Port=80, DefaultActions=forward)
    if secure and i == 0:
        details(population, elb, arn, secure["Listeners"][0]["ListenerArn"], forward, certificates)
    out["balancers"].append({"arn": arn, "name": name, "kind": kind, "listeners": listeners, "policy": policy})


def details(population, elb, arn, listener, forward, certificates):
    """Rules of several kinds, further certificates and attributes: on the first balancer."""
    population.attempt(
        elb.add_listener_certificates, ListenerArn=listener, Certificates=[{"CertificateArn": certificates[0]}],
    )
    population.attempt(
        elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=[
            {"Key": "deletion_protection.enabled", "Value": "true"},
            {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"},
        ],
    )
    signing_in = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
        "Issuer": "https://id.example.com", "AuthorizationEndpoint": "https://id.example.com/a",
        "TokenEndpoint": "https://id.example.com/t", "UserInfoEndpoint": "https://id.example.com/u",
        "ClientId": "evidence", "ClientSecret": "canary-client-secret",
    }}
    for priority, conditions, actions in (
        (10, [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/admin/*"]}}], forward),
        (20, [{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com", "b.example.com"]}}], forward),
        (30, [{"Field": "http-header", "HttpHeaderConfig": {
            "HttpHeaderName": "X-Origin-Secret", "Values": ["canary-header-value"]}}], forward),
        (40, [{"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}}],
         [{"Type": "redirect", "RedirectConfig": REDIRECT}]),
        (50, [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}]}}],
         [signing_in, {**forward[0], "Order": 2}]),
    ):
        population.attempt(
            elb.create_rule, ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=actions,
        )


def seen(name):
    return {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": name}


def references(population, region, scope):
    """An IP set, a regex set, a rule group, and the rules of a web ACL that refer to each of them."""
    waf = population.client("wafv2", region)
    suffix = f"{scope.lower()}-{region}"
    arns = {}
    for what, call, more in (
        ("IPSetReferenceStatement", waf.create_ip_set, {
            "IPAddressVersion": "IPV4", "Addresses": ["192.0.2.0/24", "198.51.100.7/32"], "Name": f"ips-{suffix}"}),
        ("RegexPatternSetReferenceStatement", waf.create_regex_pattern_set, {
            "RegularExpressionList": [{"RegexString": "^/admin"}, {"RegexString": "\\.php$"}],
            "Name": f"paths-{suffix}"}),
        ("RuleGroupReferenceStatement", waf.create_rule_group, {
            "Capacity": 100, "VisibilityConfig": seen("group"), "Name": f"group-{suffix}", "Rules": [{
                "Name": "geo", "Priority": 0, "Action": {"Block": {}}, "VisibilityConfig": seen("geo"),
                "Statement": {"GeoMatchStatement": {"CountryCodes": ["KP"]}}}]}),
    ):
        answer = population.attempt(call, Scope=scope, Description="of the population", **more)
        if answer:
            arns[what] = answer["Summary"]["ARN"]
    path = {"FieldToMatch": {"UriPath": {}}, "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}
    rules = [{
        "Name": "by-header", "Priority": 0, "Action": {"Block": {}}, "VisibilityConfig": seen("by-header"),
        "Statement": {"NotStatement": {"Statement": {"ByteMatchStatement": {
            "SearchString": b"canary-search-string", "FieldToMatch": {"SingleHeader": {"Name": "x-origin-secret"}},
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}], "PositionalConstraint": "EXACTLY"}}}},
    }, {
        "Name": "rate", "Priority": 1, "Action": {"Block": {}}, "VisibilityConfig": seen("rate"),
        "Statement": {"RateBasedStatement": {"Limit": 2000, "AggregateKeyType": "IP", "ScopeDownStatement": {
            "ByteMatchStatement": {"SearchString": b"/login", "PositionalConstraint": "STARTS_WITH", **path}}}},
    }]
    for what, arn in arns.items():
        verdict = {"OverrideAction": {"None": {}}} if what.startswith("RuleGroup") else {"Action": {"Count": {}}}
        more = path if what.startswith("Regex") else {}
        rules.append({
            "Name": what, "Priority": len(rules), "VisibilityConfig": seen(what),
            "Statement": {what: {"ARN": arn, **more}}, **verdict,
        })
    return rules + [managed("AWSManagedRulesCommonRuleSet", len(rules))]


def managed(name, priority):
    return {
        "Name": name, "Priority": priority, "OverrideAction": {"None": {}}, "VisibilityConfig": seen(name),
        "Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name}},
    }


def web_acl(population, region, scope, name, rules):
    answer = population.attempt(
        population.client("wafv2", region).create_web_acl, Name=name, Scope=scope, Rules=rules,
        DefaultAction={"Allow": {}}, VisibilityConfig=seen(name),
    )
    return answer and {"name": name, "arn": answer["Summary"]["ARN"], "rules": len(rules), "associated": []}


def web_acls(population, region, out):
    waf = population.client("wafv2", region)
    count = population.counts["acls"]
    application = [one["arn"] for one in out["balancers"] if one["kind"] == "application"]
    for i in range(count):
        if i == 0:
            rules = references(population, region, "REGIONAL")
        elif i == count - 1:
            rules = []
        else:
            rules = [managed("AWSManagedRulesKnownBadInputsRuleSet", 0)]
        acl = web_acl(population, region, "REGIONAL", f"acl-{region}-{i}", rules)
        if not acl:
            continue
        for arn in (application[:2], application[2:3])[i] if i < 2 else ():
            if population.attempt(waf.associate_web_acl, WebACLArn=acl["arn"], ResourceArn=arn) is not None:
                acl["associated"].append(arn)
        if i == 0:
            acl["logging"] = population.attempt(waf.put_logging_configuration, LoggingConfiguration={
                "ResourceArn": acl["arn"], "RedactedFields": [{"SingleHeader": {"Name": "authorization"}}],
                "LogDestinationConfigs": [f"arn:aws:firehose:{region}:123456789012:deliverystream/aws-waf-logs-main"],
                "LoggingFilter": {"DefaultBehavior": "KEEP", "Filters": [{
                    "Behavior": "DROP", "Requirement": "MEETS_ANY",
                    "Conditions": [{"ActionCondition": {"Action": "ALLOW"}}]}]},
            }) is not None
        out["web_acls"].append(acl)


RULES = (
    ("restricted-ssh", "INCOMING_SSH_DISABLED"), ("our-common-ports", "RESTRICTED_INCOMING_TRAFFIC"),
    ("vpc-flow-logs-enabled", "VPC_FLOW_LOGS_ENABLED"),
    ("vpc-sg-open-only-to-authorized-ports", "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS"),
    ("alb-http-to-https-redirection-check", "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK"),
    ("acm-certificate-expiration-check", "ACM_CERTIFICATE_EXPIRATION_CHECK"),
    ("elb-tls-https-listeners-only", "ELB_TLS_HTTPS_LISTENERS_ONLY"), ("alb-waf-enabled", "ALB_WAF_ENABLED"),
)


def config(population, region, out):
    """A recorder that runs, a channel, the network rules (one under a name of its own) and a conformance pack."""
    client = population.client("config", region)
    population.attempt(client.put_configuration_recorder, ConfigurationRecorder={
        "name": "default", "roleARN": "arn:aws:iam::123456789012:role/config",
        "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
    })
    population.attempt(client.put_delivery_channel, DeliveryChannel={
        "name": "default", "s3BucketName": "evid-config",
        "configSnapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"},
    })
    population.attempt(client.start_configuration_recorder, ConfigurationRecorderName="default")
    for name, identifier in RULES:
        rule = {"ConfigRuleName": name, "Source": {"Owner": "AWS", "SourceIdentifier": identifier}}
        if identifier == "RESTRICTED_INCOMING_TRAFFIC":
            rule |= {"Description": "ports of ours", "InputParameters": '{"blockedPort1":"20","blockedPort2":"21"}',
                     "Scope": {"ComplianceResourceTypes": ["AWS::EC2::SecurityGroup"]}}
        if population.attempt(client.put_config_rule, ConfigRule=rule) is not None:
            out["config_rules"].append(name)
    population.attempt(
        client.put_conformance_pack, ConformancePackName="network", DeliveryS3Bucket="evid-config",
        TemplateBody="Resources: {}",
        ConformancePackInputParameters=[{"ParameterName": "Ports", "ParameterValue": "443"}],
    )
