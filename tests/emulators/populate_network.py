"""The VPC side of the population: networks, gateways, connections, groups, machines, logs.

Promises: shapes repeat with fixed periods, so that a truth can be told from an index; each kind that the evidence
table names is there once at least. Refused: failing where an emulator lacks a call.
"""

ANY4, ANY6 = "0.0.0.0/0", "::/0"
NACLS = ("any-all", "ssh-any4", "rdp-any4", "internal", "ssh-any4-after-deny")


def tags(kind, name):
    """TagSpecifications of EC2."""
    pairs = [{"Key": "Name", "Value": name}, {"Key": "env", "Value": "prod"}]
    return [{"ResourceType": kind, "Tags": pairs}]


def network(population, index, region):
    """Everything of EC2 in one region."""
    out = population.made["regions"][region]
    out.update(vpcs=[], groups=[], acls=[], flow_logs=[])
    ec2 = population.client("ec2", region)
    if index == len(population.regions) - 1:
        remove_default_vpc(population, ec2)
    for number in range(population.counts["vpcs"]):
        out["vpcs"].append(vpc(population, ec2, region, index, number))
    lists = prefix_lists(population, ec2, region)
    security_groups(population, ec2, region, out, lists)
    machines(population, ec2, out)
    gateways(population, ec2, out)
    connections(population, ec2, region, out)
    endpoints(population, ec2, region, out)
    public_access(population, ec2, out)
    flow_logs(population, ec2, region, out)


def remove_default_vpc(population, ec2):
    """The last region has no default VPC, as accounts that are kept clean have."""
    found = population.attempt(ec2.describe_vpcs, Filters=[{"Name": "isDefault", "Values": ["true"]}])
    for one in (found or {}).get("Vpcs", []):
        where = [{"Name": "vpc-id", "Values": [one["VpcId"]]}]
        for subnet in ec2.describe_subnets(Filters=where)["Subnets"]:
            population.attempt(ec2.delete_subnet, SubnetId=subnet["SubnetId"])
        attached = [{"Name": "attachment.vpc-id", "Values": [one["VpcId"]]}]
        for gateway in ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]:
            ident = gateway["InternetGatewayId"]
            population.attempt(ec2.detach_internet_gateway, InternetGatewayId=ident, VpcId=one["VpcId"])
            population.attempt(ec2.delete_internet_gateway, InternetGatewayId=ident)
        population.attempt(ec2.delete_vpc, VpcId=one["VpcId"])


def vpc(population, ec2, region, index, number):
    """One VPC with its internet gateway, subnets (every third public) and a network ACL of one of five shapes."""
    name, block = f"vpc-{region}-{number}", f"10.{index * 16 + number % 16}"
    ident = ec2.create_vpc(CidrBlock=f"{block}.0.0/16", TagSpecifications=tags("vpc", name))["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", f"igw-{name}"))
    gateway = gateway["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=ident)
    table = ec2.create_route_table(VpcId=ident, TagSpecifications=tags("route-table", f"public-{name}"))
    table = table["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANY4, GatewayId=gateway)
    vpcs, wanted = population.counts["vpcs"], population.counts["subnets"]
    subnets = []
    for k in range(wanted // vpcs + (1 if number < wanted % vpcs else 0)):
        kind = "public" if k % 3 == 0 else "private"
        subnet = ec2.create_subnet(
            VpcId=ident, CidrBlock=f"{block}.{k * 2}.0/23", AvailabilityZone=region + "abc"[k % 3],
            TagSpecifications=tags("subnet", f"{name}-{kind}-{k}"),
        )["Subnet"]["SubnetId"]
        subnets.append(subnet)
        if kind == "public":
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        if k % 6 == 0:
            population.attempt(ec2.modify_subnet_attribute, SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    if number == 0:
        population.attempt(ec2.associate_vpc_cidr_block, VpcId=ident, CidrBlock="100.64.0.0/16")
        population.attempt(ec2.associate_vpc_cidr_block, VpcId=ident, AmazonProvidedIpv6CidrBlock=True)
    made = {"id": ident, "name": name, "subnets": subnets, "table": table, "nacl": NACLS[number % 5]}
    network_acl(population, ec2, made)
    return made


def network_acl(population, ec2, made):
    ident = ec2.create_network_acl(VpcId=made["id"], TagSpecifications=tags("network-acl", f"nacl-{made['name']}"))
    ident = ident["NetworkAcl"]["NetworkAclId"]

    def entry(number, action, protocol="6", low=None, high=None, egress=False, **where):
        ports = {"PortRange": {"From": low, "To": high}} if low is not None else {}
        population.attempt(
            ec2.create_network_acl_entry, NetworkAclId=ident, RuleNumber=number, Protocol=protocol, RuleAction=action,
            Egress=egress, **(where or {"CidrBlock": ANY4}), **ports,
        )

    shape = made["nacl"]
    if shape == "any-all":
        entry(100, "allow", "-1")
    elif shape == "ssh-any4":
        entry(100, "allow", low=22, high=22)
    elif shape == "rdp-any4":
        entry(100, "allow", low=3389, high=3389)
    elif shape == "internal":
        entry(100, "allow", low=443, high=443, CidrBlock="10.0.0.0/8")
        entry(110, "allow", low=1024, high=3388)
    else:
        entry(90, "deny", low=22, high=22)
        entry(100, "allow", low=22, high=22)
    entry(120, "allow", low=443, high=443, Ipv6CidrBlock=ANY6)
    entry(200, "allow", "-1", egress=True)
    if not made["subnets"]:
        return
    where = [{"Name": "association.subnet-id", "Values": [made["subnets"][0]]}]
    found = population.attempt(ec2.describe_network_acls, Filters=where) or {"NetworkAcls": []}
    for acl in found["NetworkAcls"]:
        for held in acl["Associations"]:
            if held["SubnetId"] == made["subnets"][0]:
                population.attempt(
                    ec2.replace_network_acl_association,
                    AssociationId=held["NetworkAclAssociationId"], NetworkAclId=ident,
                )


def prefix_lists(population, ec2, region):
    """Two lists of ours with entries, one for each address family."""
    made = []
    for family, cidrs in (("IPv4", ("192.0.2.0/24", "198.51.100.0/24")), ("IPv6", ("2001:db8::/32",))):
        answer = population.attempt(
            ec2.create_managed_prefix_list, PrefixListName=f"offices-{family.lower()}-{region}", MaxEntries=5,
            AddressFamily=family, Entries=[{"Cidr": cidr, "Description": f"office {cidr}"} for cidr in cidrs],
            TagSpecifications=tags("prefix-list", f"offices-{family.lower()}"),
        )
        if answer:
            made.append(answer["PrefixList"]["PrefixListId"])
    return made


def rule(protocol, low, high, v4=(), v6=(), groups=(), lists=()):
    """One entry of IpPermissions."""
    made = {"IpProtocol": protocol}
    if protocol != "-1":
        made |= {"FromPort": low, "ToPort": high}
    if v4:
        made["IpRanges"] = [{"CidrIp": cidr, "Description": f"from {cidr}"} for cidr in v4]
    if v6:
        made["Ipv6Ranges"] = [{"CidrIpv6": cidr} for cidr in v6]
    if groups:
        made["UserIdGroupPairs"] = [{"GroupId": group} for group in groups]
    if lists:
        made["PrefixListIds"] = [{"PrefixListId": ident} for ident in lists]
    return made


def shape_of(i, before, lists):
    """The rule that matters of group i: a period of 20."""
    inside = rule("tcp", 8000 + i % 500, 8000 + i % 500, ["10.0.0.0/8"])
    return {
        0: ("ssh-any4", rule("tcp", 22, 22, [ANY4])),
        1: ("rdp-any4", rule("tcp", 3389, 3389, [ANY4])),
        2: ("ssh-any6", rule("tcp", 22, 22, v6=[ANY6])),
        3: ("rdp-any6", rule("tcp", 3389, 3389, v6=[ANY6])),
        4: ("range-any4", rule("tcp", 20, 30, [ANY4])),
        5: ("all-any4", rule("-1", 0, 0, [ANY4])),
        6: ("https-any4", rule("tcp", 443, 443, [ANY4])),
        7: ("mysql-any4", rule("tcp", 3306, 3306, [ANY4])),
        8: ("ssh-halves", rule("tcp", 22, 22, ["0.0.0.0/1", "128.0.0.0/1"])),
        9: ("udp22-any4", rule("udp", 22, 22, [ANY4])),
        10: ("ssh-group", rule("tcp", 22, 22, groups=[before]) if before else inside),
        11: ("https-any4-any6", rule("tcp", 443, 443, [ANY4], [ANY6])),
        12: ("tcp-any4", rule("tcp", 0, 65535, [ANY4])),
        13: ("icmp-any4", rule("icmp", -1, -1, [ANY4])),
        14: ("ssh-public24", rule("tcp", 22, 22, ["198.51.100.0/24"])),
        15: ("ssh-list", rule("tcp", 22, 22, lists=lists) if lists else inside),
    }.get(i % 20, ("inside", inside))


def security_groups(population, ec2, region, out, lists):
    """Groups dealt out over the VPCs; each has its shape and four rules from inside; half of them are in use."""
    vpcs, last = out["vpcs"], {}
    for i in range(population.counts["groups"]):
        home = vpcs[i % len(vpcs)]
        shape, rule_of_shape = shape_of(i, last.get(home["id"]), lists)
        name = f"sg-{region}-{i}"
        ident = ec2.create_security_group(
            GroupName=name, Description=f"group of shape {shape}", VpcId=home["id"],
            TagSpecifications=tags("security-group", name),
        )["GroupId"]
        ports = [9000 + (i * 7 + k) % 900 for k in range(1, 5)]
        inside = [rule("tcp", port, port, [f"10.{k}.{i % 250}.0/24"]) for k, port in enumerate(ports, 1)]
        population.attempt(
            ec2.authorize_security_group_ingress, GroupId=ident, IpPermissions=[rule_of_shape, *inside],
        )
        last[home["id"]] = ident
        out["groups"].append({"id": ident, "name": name, "shape": shape, "vpc": home["id"]})
    for i in range(0, len(out["groups"]) // 2, 10):
        home = vpcs[i % len(vpcs)]
        groups = [group["id"] for group in out["groups"][: len(out["groups"]) // 2] if group["vpc"] == home["id"]]
        population.attempt(
            ec2.create_network_interface, SubnetId=home["subnets"][0], Groups=groups[:4],
            Description=f"interface {i}", TagSpecifications=tags("network-interface", f"eni-{region}-{i}"),
        )


def machines(population, ec2, out):
    """Two instances, one of them terminated, and an address on the other."""
    images = (population.attempt(ec2.describe_images) or {}).get("Images", [])
    image = next((image["ImageId"] for image in images if image.get("State") == "available"), None)
    if not image:
        made = population.attempt(
            ec2.register_image, Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}], VirtualizationType="hvm",
        )
        image = made["ImageId"] if made else "ami-12c6146b"
    group = out["groups"][0]
    home = next(one for one in out["vpcs"] if one["id"] == group["vpc"])
    instances = population.attempt(
        ec2.run_instances, ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2,
        SubnetId=home["subnets"][0], SecurityGroupIds=[group["id"]], UserData="#!/bin/sh\necho never-collected\n",
        TagSpecifications=tags("instance", "bastion"),
    )
    if instances:
        first, second = [one["InstanceId"] for one in instances["Instances"]]
        population.attempt(ec2.terminate_instances, InstanceIds=[second])
        address = population.attempt(
            ec2.allocate_address, Domain="vpc", TagSpecifications=tags("elastic-ip", "bastion"),
        )
        if address:
            population.attempt(ec2.associate_address, InstanceId=first, AllocationId=address["AllocationId"])


def gateways(population, ec2, out):
    """NAT gateways (one lives, one lingers as deleted) and an egress-only gateway, with routes through them."""
    home = out["vpcs"][0]
    private = home["subnets"][1 % len(home["subnets"])]
    address = population.attempt(ec2.allocate_address, Domain="vpc")
    nat = address and population.attempt(
        ec2.create_nat_gateway, SubnetId=home["subnets"][0], AllocationId=address["AllocationId"],
        TagSpecifications=tags("natgateway", f"nat-{home['name']}"),
    )
    gone = population.attempt(ec2.create_nat_gateway, SubnetId=private, ConnectivityType="private")
    if gone:
        population.attempt(ec2.delete_nat_gateway, NatGatewayId=gone["NatGateway"]["NatGatewayId"])
    egress = population.attempt(ec2.create_egress_only_internet_gateway, VpcId=home["id"])
    table = ec2.create_route_table(VpcId=home["id"], TagSpecifications=tags("route-table", "private"))
    home["private_table"] = table["RouteTable"]["RouteTableId"]
    population.attempt(ec2.associate_route_table, RouteTableId=home["private_table"], SubnetId=private)
    if nat:
        population.attempt(
            ec2.create_route, RouteTableId=home["private_table"], DestinationCidrBlock=ANY4,
            NatGatewayId=nat["NatGateway"]["NatGatewayId"],
        )
    if egress:
        population.attempt(
            ec2.create_route, RouteTableId=home["private_table"], DestinationIpv6CidrBlock=ANY6,
            EgressOnlyInternetGatewayId=egress["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"],
        )


def peering(population, ec2, one, other):
    made = population.attempt(
        ec2.create_vpc_peering_connection, VpcId=one["id"], PeerVpcId=other["id"],
        TagSpecifications=tags("vpc-peering-connection", f"{one['name']}-{other['name']}"),
    )
    if not made:
        return None
    ident = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    population.attempt(ec2.accept_vpc_peering_connection, VpcPeeringConnectionId=ident)
    return ident


def connections(population, ec2, region, out):
    """A live peering; one that was deleted and left a stale rule; a transit gateway with routes; a VPN."""
    first, second, *_ = out["vpcs"]
    last = out["vpcs"][-1]
    live = peering(population, ec2, first, second)
    if live:
        population.attempt(
            ec2.create_route, RouteTableId=first["private_table"], DestinationCidrBlock="10.200.0.0/16",
            VpcPeeringConnectionId=live,
        )
    if last is not second and (gone := peering(population, ec2, first, last)):
        theirs = next((group["id"] for group in out["groups"] if group["vpc"] == last["id"]), None)
        ours = next((group["id"] for group in out["groups"] if group["vpc"] == first["id"]), None)
        if ours and theirs:
            permissions = [rule("tcp", 5432, 5432, groups=[theirs])]
            population.attempt(ec2.authorize_security_group_ingress, GroupId=ours, IpPermissions=permissions)
        population.attempt(ec2.delete_vpc_peering_connection, VpcPeeringConnectionId=gone)
    transit(population, ec2, first, second, last)
    customer = population.attempt(
        ec2.create_customer_gateway, BgpAsn=65000, PublicIp="203.0.113.9", Type="ipsec.1",
        TagSpecifications=tags("customer-gateway", "office"),
    )
    private = population.attempt(ec2.create_vpn_gateway, Type="ipsec.1")
    if customer and private:
        gateway = private["VpnGateway"]["VpnGatewayId"]
        population.attempt(ec2.attach_vpn_gateway, VpcId=first["id"], VpnGatewayId=gateway)
        population.attempt(
            ec2.create_vpn_connection, Type="ipsec.1", VpnGatewayId=gateway,
            CustomerGatewayId=customer["CustomerGateway"]["CustomerGatewayId"],
            Options={"StaticRoutesOnly": True, "TunnelOptions": [{"PreSharedKey": "canary.psk.1"}]},
        )


def transit(population, ec2, first, second, last):
    made = population.attempt(
        ec2.create_transit_gateway, Description="core", TagSpecifications=tags("transit-gateway", "core"),
    )
    if not made:
        return
    gateway = made["TransitGateway"]["TransitGatewayId"]
    attachments = []
    for one in (first, second):
        answer = population.attempt(
            ec2.create_transit_gateway_vpc_attachment, TransitGatewayId=gateway, VpcId=one["id"],
            SubnetIds=one["subnets"][:2], TagSpecifications=tags("transit-gateway-attachment", one["name"]),
        )
        if answer:
            attachments.append(answer["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])
    table = population.attempt(
        ec2.create_transit_gateway_route_table, TransitGatewayId=gateway,
        TagSpecifications=tags("transit-gateway-route-table", "core"),
    )
    if table and attachments:
        where = {"TransitGatewayRouteTableId": table["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]}
        attachment = {"TransitGatewayAttachmentId": attachments[0]}
        population.attempt(
            ec2.create_transit_gateway_route, DestinationCidrBlock="10.99.0.0/16", **where, **attachment,
        )
        population.attempt(
            ec2.create_transit_gateway_route, DestinationCidrBlock="192.168.0.0/16", Blackhole=True, **where,
        )
        population.attempt(ec2.associate_transit_gateway_route_table, **where, **attachment)
        population.attempt(ec2.enable_transit_gateway_route_table_propagation, **where, **attachment)
    population.attempt(
        ec2.create_route, RouteTableId=first["private_table"], DestinationCidrBlock="10.99.0.0/16",
        TransitGatewayId=gateway,
    )


def endpoints(population, ec2, region, out):
    """A gateway endpoint with a policy, and an interface endpoint with groups."""
    home = out["vpcs"][0]
    population.attempt(
        ec2.create_vpc_endpoint, VpcId=home["id"], ServiceName=f"com.amazonaws.{region}.s3",
        VpcEndpointType="Gateway", RouteTableIds=[home["table"]],
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}',
    )
    groups = [group["id"] for group in out["groups"] if group["vpc"] == home["id"]]
    population.attempt(
        ec2.create_vpc_endpoint, VpcId=home["id"], ServiceName=f"com.amazonaws.{region}.ssm",
        VpcEndpointType="Interface", SubnetIds=home["subnets"][:1], SecurityGroupIds=groups[:1],
        PrivateDnsEnabled=True, TagSpecifications=tags("vpc-endpoint", "ssm"),
    )


def public_access(population, ec2, out):
    population.attempt(ec2.modify_vpc_block_public_access_options, InternetGatewayBlockMode="block-bidirectional")
    population.attempt(
        ec2.create_vpc_block_public_access_exclusion, VpcId=out["vpcs"][0]["id"],
        InternetGatewayExclusionMode="allow-egress",
    )


def flow_logs(population, ec2, region, out):
    """VPC 0 to CloudWatch, 1 to S3, 2 only rejected traffic, 3 and more none; and one of a subnet."""
    role = "arn:aws:iam::123456789012:role/flow-logs"
    for number, home in enumerate(out["vpcs"]):
        kind = number % 5
        if kind > 2:
            continue
        if kind == 0:
            name = f"/aws/vpc/{home['name']}"
            population.attempt(population.client("logs", region).create_log_group, logGroupName=name)
            where = {"LogDestinationType": "cloud-watch-logs", "LogGroupName": name, "DeliverLogsPermissionArn": role}
        else:
            where = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::evid-flowlogs"}
        answer = population.attempt(
            ec2.create_flow_logs, ResourceType="VPC", ResourceIds=[home["id"]],
            TrafficType="REJECT" if kind == 2 else "ALL", TagSpecifications=tags("vpc-flow-log", home["name"]), **where,
        )
        out["flow_logs"] += [{"id": ident, "vpc": home["id"]} for ident in (answer or {}).get("FlowLogIds", [])]
    population.attempt(
        ec2.create_flow_logs, ResourceType="Subnet", ResourceIds=out["vpcs"][-1]["subnets"][:1], TrafficType="ALL",
        LogDestinationType="s3", LogDestination="arn:aws:s3:::evid-flowlogs",
    )
