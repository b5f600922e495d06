"""The shared population in moto, collected by the program: every row is what the script that made it knows.

The manifest of `populate` says which shape each resource has. What it does not name (default groups, default ACLs,
listeners) is found in the documents by what it belongs to. Every check has an expectation here; where a check says
something else than one would think at first, the comment says why.
"""

import datetime

import pytest

import harness
from judged import PLACES, REGIONS, Judged, emulators, populate

TLS12 = {  # policies of the population whose protocols are TLSv1.2 and TLSv1.3 only
    "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06", "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
}
SSH = {"ssh-any4", "ssh-any6", "range-any4", "all-any4", "ssh-halves", "tcp-any4"}
RDP = {"rdp-any4", "rdp-any6", "all-any4", "tcp-any4"}
WIDE = {"all-any4", "tcp-any4"}
SENSITIVE = SSH | RDP | {"mysql-any4"}
STRAY = SENSITIVE | {"udp22-any4", "icmp-any4"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    # Certificates expire relative to the day of the run: the checks are asked on that day.
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with emulators.moto() as server:
        made = populate.populate(server.address, REGIONS, is_moto=True)
        judged = Judged(tmp_path_factory.mktemp("moto"), server, now=now)
    judged.made = made
    return judged


def verdict(failed):
    return "fail" if failed else "pass"


def groups(moto, region, shapes):
    """Groups of these shapes fail, every other one passes, default groups too: nothing comes in from outside there."""
    known = {one["id"]: one["shape"] for one in moto.made["regions"][region]["groups"]}
    listed = moto.entries(region, "vpc.security-groups", "DescribeSecurityGroups", "SecurityGroups")
    assert known.keys() <= {one["GroupId"] for one in listed}
    assert all(one["GroupName"] == "default" for one in listed if one["GroupId"] not in known)
    return {one["GroupId"]: verdict(known.get(one["GroupId"]) in shapes) for one in listed}


def default_groups(moto, region):
    # Nobody closed them: AWS's own rules are in each.
    listed = moto.entries(region, "vpc.security-groups", "DescribeSecurityGroups", "SecurityGroups")
    return {one["GroupId"]: "fail" for one in listed if one["GroupName"] == "default"}


def egress(moto, region):
    # The rule that lets everything out, which AWS puts into every new group, is left in all of them.
    listed = moto.entries(region, "vpc.security-groups", "DescribeSecurityGroups", "SecurityGroups")
    return {one["GroupId"]: "fail" for one in listed}


def acls(moto, region, failing):
    shapes = {f"nacl-{one['name']}": one["nacl"] for one in moto.made["regions"][region]["vpcs"]}
    expected = {}
    for acl in moto.entries(region, "vpc.network-acls", "DescribeNetworkAcls", "NetworkAcls"):
        name = next((tag["Value"] for tag in acl.get("Tags", []) if tag["Key"] == "Name"), None)
        # What AWS makes with a VPC lets everything in; what is associated with no subnet is not exposed.
        failed = acl["IsDefault"] or shapes[name] in failing
        expected[acl["NetworkAclId"]] = verdict(failed) if acl["Associations"] else "not-applicable"
    assert sum(one == "pass" for one in expected.values()) + sum(one == "fail" for one in expected.values()) >= 3
    return expected


def private_acls(moto, region):
    """ACLs all of whose subnets are private: each lets everything out, which is more than the table of the guide.

    The subnets of the default VPC are private in moto, whose main table there leads to no gateway. ACLs of moto keep
    subnets that were deleted with theirs: nobody knows those to be public.
    """
    public = public_subnets(moto, region)
    expected = {}
    for acl in moto.entries(region, "vpc.network-acls", "DescribeNetworkAcls", "NetworkAcls"):
        subnets = [one["SubnetId"] for one in acl["Associations"]]
        if subnets and not any(public.get(one) for one in subnets):
            assert {"-1"} == {one["Protocol"] for one in acl["Entries"] if one["Egress"]}
            expected[acl["NetworkAclId"]] = "fail"
    return expected or {None: "not-applicable"}


def public_subnets(moto, region):
    """k-th subnets of the population's VPCs with k % 3 == 0, and those of the default VPC."""
    made = {one: k % 3 == 0 for home in moto.made["regions"][region]["vpcs"] for k, one in enumerate(home["subnets"])}
    listed = moto.entries(region, "vpc.subnets", "DescribeSubnets", "Subnets")
    return {one["SubnetId"]: made.get(one["SubnetId"], None) for one in listed}


def auto_public(moto, region):
    # The first subnet of each zone where no default VPC is left: moto calls it the default one, with a public address.
    made = {one: k % 6 == 0 for home in moto.made["regions"][region]["vpcs"] for k, one in enumerate(home["subnets"])}
    listed = moto.entries(region, "vpc.subnets", "DescribeSubnets", "Subnets")
    assert sum(one["DefaultForAz"] for one in listed if one["SubnetId"] in made) <= 3
    return {one["SubnetId"]: verdict(made.get(one["SubnetId"], True) or one["DefaultForAz"]) for one in listed}


def balancers(moto, region, judge):
    made = enumerate(moto.made["regions"][region]["balancers"])
    found = {one["arn"]: judge(i, one) for i, one in made}
    return {arn: expected for arn, expected in found.items() if expected}


def redirects(_, one):
    if one["kind"] == "application":
        return verdict(one["listeners"] in ("http-forward", "https+http-forward"))
    return None


def guarded(moto, region):
    behind = {arn for acl in moto.made["regions"][region]["web_acls"] for arn in acl["associated"]}

    def judge(i, one):
        if one["kind"] != "application":
            return "not-applicable"
        internal = i % 3 == 0
        return "pass" if one["arn"] in behind else "not-applicable" if internal else "fail"

    return balancers(moto, region, judge)


def listeners(moto, region, judge):
    made = {one["arn"]: one for one in moto.made["regions"][region]["balancers"]}
    listed = moto.entries(region, "elb.load-balancers", "DescribeListeners", "Listeners")
    found = {one["ListenerArn"]: judge(one["Protocol"], made[one["LoadBalancerArn"]]) for one in listed}
    return {arn: expected for arn, expected in found.items() if expected}


def encrypted(protocol, one):
    return verdict(protocol == "HTTP" and one["listeners"] != "https+redirect")


def tls(protocol, one):
    return verdict(one["policy"] not in TLS12) if protocol in ("HTTPS", "TLS") else None


def targets(moto, region):
    # HTTP and TCP behind the balancers; one that no listener leads to is behind none.
    listed = moto.entries(region, "elb.load-balancers", "DescribeTargetGroups", "TargetGroups")
    return {one["TargetGroupArn"]: "fail" if one["LoadBalancerArns"] else "not-applicable" for one in listed}


def certificates(moto, region):
    used = set()
    for i, one in enumerate(moto.made["regions"][region]["balancers"]):
        arns = [certificate["arn"] for certificate in moto.made["regions"][region]["certificates"]]
        if one["kind"] == "network":
            used.add(arns[0])
        elif one["listeners"] != "http-forward":
            used.add(arns[-2])
        if i == 0:
            used.add(arns[0])
    expected = {}
    for one in moto.made["regions"][region]["certificates"]:
        # Imported ones must have 90 days left, where anything uses them.
        in_use = one["arn"] in used
        expected[one["arn"]] = verdict(one["days"] is None or one["days"] < 90) if in_use else "not-applicable"
    return expected


def keys(moto, region):
    return {one["arn"]: "pass" for one in moto.made["regions"][region]["certificates"]}


def web_acls(moto, place, judge):
    if place == "global":
        acl = moto.made["regions"]["us-east-1"]["cloudfront"]
        return {acl["arn"]: judge(acl)}
    return {acl["arn"]: judge(acl) for acl in moto.made["regions"][place]["web_acls"]}


def logs(moto, region):
    # VPC 0 and 1 log everything, VPC 2 what is rejected, one subnet of the last everything: not the whole VPC.
    homes = moto.made["regions"][region]["vpcs"]
    expected = {one["id"]: verdict(number >= 2) for number, one in enumerate(homes)}
    for one in moto.entries(region, "vpc.vpcs", "DescribeVpcs", "Vpcs"):
        expected.setdefault(one["VpcId"], "fail")
    return expected


def gateways(moto, region):
    # No VPC is authorised in the configuration: every attached gateway fails.
    listed = moto.entries(region, "vpc.gateways", "DescribeInternetGateways", "InternetGateways")
    return {one["InternetGatewayId"]: verdict(bool(one["Attachments"])) for one in listed}


def endpoints(moto, region):
    # The population's endpoint for S3 is in the public table, and the private tables have none; nor has the main table
    # of the default VPC, which in moto leads to no gateway and so makes its subnets private.
    listed = moto.entries(region, "vpc.vpcs", "DescribeVpcs", "Vpcs")
    return {one["VpcId"]: "fail" for one in listed}


def rules_present(moto, region):
    # Two of the seven lack the parameters that the guide gives them.
    bare = {"VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS", "ACM_CERTIFICATE_EXPIRATION_CHECK"}
    wanted = harness.metadata("config_rules_present")["parameters"]["identifiers"]["default"]
    return {one: verdict(one in bare) for one in wanted}


def rules_compliant(moto, region):
    # What moto's stand-in for Config finds: open groups, and VPCs without a log (the last region has no default VPC).
    logged = region == REGIONS[-1]
    return {
        "restricted-ssh": "fail", "our-common-ports": "fail", "vpc-sg-open-only-to-authorized-ports": "fail",
        "vpc-flow-logs-enabled": verdict(not logged), "alb-http-to-https-redirection-check": "not-applicable",
        "acm-certificate-expiration-check": "not-applicable", "elb-tls-https-listeners-only": "not-applicable",
    }


def peerings(moto, region):
    # The route leads to 10.200.0.0/16, which is not the peer's range; the other connection was deleted.
    listed = moto.entries(region, "vpc.connections", "DescribeVpcPeeringConnections", "VpcPeeringConnections")
    return {one["VpcPeeringConnectionId"]: "pass" for one in listed if one["Status"]["Code"] == "active"}


def transits(moto, region):
    listed = moto.entries(region, "vpc.connections", "DescribeTransitGateways", "TransitGateways")
    assert listed
    return {one["TransitGatewayId"]: "pass" for one in listed}


def tiers(moto, region):
    """Public subnets that hold an interface of neither a balancer nor a gateway fail; nothing is tagged with a tier."""
    public = public_subnets(moto, region)
    listed = moto.entries(region, "vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces")
    held = {one["SubnetId"] for one in listed if one["InterfaceType"] not in ("nat_gateway", "vpc_endpoint")}
    return {one: verdict(is_public is not False and one in held) for one, is_public in public.items()}


def exposed(moto, region):
    # Balancers that face the internet are entry points; the NAT gateway may have an address, the bastion may not.
    expected = balancers(moto, region, lambda i, one: "pass" if i % 3 and one["kind"] != "gateway" else None)
    listed = moto.entries(region, "vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces")
    for one in listed:
        if one.get("Association", {}).get("PublicIp"):
            expected[one["NetworkInterfaceId"]] = verdict(one["InterfaceType"] != "nat_gateway")
    return expected


def buckets(moto, good):
    return {one["name"]: verdict(not good(one)) for one in moto.made["buckets"]}


EXPECTED = {
    "acm_key_strength": keys,
    "acm_not_expiring": certificates,
    "alb_has_waf": guarded,
    "config_recorder_on": lambda moto, region: {region: "pass"},
    "config_rules_compliant": rules_compliant,
    "config_rules_present": rules_present,
    "igw_authorised_vpc_only": gateways,
    "lb_access_logs": lambda moto, region: balancers(moto, region, lambda i, one: "fail"),
    "lb_http_redirects": lambda moto, region: balancers(moto, region, redirects),
    "lb_listeners_encrypted": lambda moto, region: listeners(moto, region, encrypted),
    "lb_targets_encrypted": targets,
    "lb_tls_policy_strong": lambda moto, region: listeners(moto, region, tls),
    "nacl_no_admin_ports_from_internet": lambda moto, region: acls(moto, region, {"any-all", "ssh-any4", "rdp-any4"}),
    "nacl_private_table": private_acls,
    "nacl_not_allow_all": lambda moto, region: acls(moto, region, {"any-all"}),
    "peering_least_privilege": peerings,
    "public_exposure_inventory": exposed,
    "s3_not_public": lambda moto, region: buckets(moto, lambda one: one["policy"] == "deny-full"),
    "s3_refuses_plain_http": lambda moto, region: buckets(moto, lambda one: one["policy"] in ("deny-full", "deny-aws-star")),
    "sg_default_closed": default_groups,
    "sg_egress_least_privilege": egress,
    "sg_no_all_traffic_from_internet": lambda moto, region: groups(moto, region, WIDE),
    "sg_no_rdp_from_internet": lambda moto, region: groups(moto, region, RDP),
    "sg_no_sensitive_ports_from_internet": lambda moto, region: groups(moto, region, SENSITIVE),
    "sg_no_ssh_from_internet": lambda moto, region: groups(moto, region, SSH),
    "sg_only_authorised_ports": lambda moto, region: groups(moto, region, STRAY),
    # No group has a tag of a tier, and moto gives balancers no interfaces to tell one by.
    "sg_tier_pattern": lambda moto, region: {None: "not-applicable"},
    "subnet_no_auto_public_ip": auto_public,
    "subnet_tier_by_route": tiers,
    "tgw_no_auto_accept": transits,
    "vpc_block_public_access": lambda moto, region: {region: "pass"},
    "vpc_flow_logs_enabled": logs,
    "vpc_no_default": lambda moto, region: {region: verdict(region != REGIONS[-1])},
    "vpc_service_endpoints": endpoints,
    # One managed group at most where the guide wants two.
    "waf_acl_protects": lambda moto, place: web_acls(moto, place, lambda acl: "fail"),
    "waf_logging_enabled": lambda moto, place: web_acls(moto, place, lambda acl: verdict(not acl.get("logging"))),
}
GLOBAL = {"s3_not_public", "s3_refuses_plain_http"}
EVERYWHERE = {"waf_acl_protects", "waf_logging_enabled"}


@pytest.mark.parametrize("check", sorted(EXPECTED))
def test_every_row_is_what_the_population_knows(moto, check):
    places = ["global"] if check in GLOBAL else PLACES if check in EVERYWHERE else REGIONS
    for place in places:
        assert moto.verdicts(check, place) == EXPECTED[check](moto, place), place
    assert [place for place in PLACES if moto.verdicts(check, place)] == places


def test_every_check_has_an_expectation(moto):
    known = {path.stem for path in harness.POLICIES.glob("*.rego")}
    assert known == EXPECTED.keys()


def test_no_row_of_a_collected_place_is_unknown(moto):
    unknown = {key: rows for key, rows in moto.rows.items() if key[1] in PLACES and "unknown" in dict(rows.values())}
    assert unknown == {}
