"""Small estates as unpacked bags, for the pages that are made of them: documents as AWS answers, names as people give."""

import hashlib
import json

ACCOUNT = "111122223333"
OTHER = "999900001111"
REGION = "eu-west-1"
KEY = "5e" * 32
NOW = "2026-11-22T02:00:00Z"
ITEMS = ["vpc.vpcs", "vpc.subnets", "vpc.route-tables", "vpc.gateways", "vpc.connections", "vpc.endpoints",
         "vpc.network-acls", "vpc.security-groups", "ec2.instances", "vpc.network-interfaces", "vpc.flow-logs",
         "elb.load-balancers", "waf.web-acls"]


def group(number, name="group", port=443, cidr="10.0.0.0/8"):
    return {"GroupId": f"sg-{number:05}", "GroupName": name, "OwnerId": ACCOUNT, "VpcId": "vpc-0", "Description": name,
            "Tags": [{"Key": "Name", "Value": name}], "IpPermissionsEgress": [],
            "IpPermissions": [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [],
                               "IpRanges": [{"CidrIp": cidr}], "Ipv6Ranges": [], "PrefixListIds": []}]}


def named(name):
    return [{"Key": "Name", "Value": name}]


def network(name="web", vpcs=1, subnets=6, groups=4, peer=True):
    """The documents of a region: each operation's output, or None where the call was denied."""
    zones = [f"{REGION}{letter}" for letter in "abc"]
    kinds = ["public", "app", "data"]
    ids = [f"vpc-{number}" for number in range(vpcs)]
    balancer = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{'web'}/0123456789abcdef"
    tables = [{"RouteTableId": f"rtb-{vpc}-{kind}", "VpcId": vpc, "OwnerId": ACCOUNT, "PropagatingVgws": [],
               "Associations": [{"SubnetId": f"subnet-{vpc}-{number}", "Main": False}
                                for number in range(subnets) if kinds[number % 3] == kind],
               "Routes": {"public": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": f"igw-{vpc}", "State": "active"}],
                          "app": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": f"nat-{vpc}", "State": "active"}],
                          "data": []}[kind]}
              for vpc in ids for kind in kinds]
    peering = {"VpcPeeringConnectionId": "pcx-0", "Status": {"Code": "active", "Message": name}, "Tags": named(name),
               "RequesterVpcInfo": {"VpcId": "vpc-0", "OwnerId": ACCOUNT, "Region": REGION, "CidrBlock": "10.0.0.0/16"},
               "AccepterVpcInfo": {"VpcId": "vpc-far", "OwnerId": OTHER, "Region": "us-east-1"}}
    return {
        "vpc.vpcs": {"DescribeVpcs": {"Vpcs": [
            {"VpcId": vpc, "OwnerId": ACCOUNT, "IsDefault": False, "CidrBlock": f"10.{at}.0.0/16", "State": "available",
             "Tags": named(f"{name}" if vpcs == 1 else f"{name}-{at}")} for at, vpc in enumerate(ids)]}},
        "vpc.subnets": {"DescribeSubnets": {"Subnets": [
            {"SubnetId": f"subnet-{vpc}-{number}", "VpcId": vpc, "OwnerId": ACCOUNT, "AvailabilityZone": zones[number // 3 % 3],
             "CidrBlock": f"10.{at}.{number}.0/24", "MapPublicIpOnLaunch": number == 0, "AssignIpv6AddressOnCreation": False,
             "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": f"2a05:d014:{at}:{number}::/64"}] if number % 2 else [],
             "Tags": named(f"{name}-{kinds[number % 3]}-{number}")}
            for at, vpc in enumerate(ids) for number in range(subnets)]}},
        "vpc.route-tables": {"DescribeRouteTables": {"RouteTables": tables}},
        "vpc.gateways": {
            "DescribeInternetGateways": {"InternetGateways": [
                {"InternetGatewayId": f"igw-{vpc}", "Attachments": [{"VpcId": vpc, "State": "available"}]} for vpc in ids]},
            "DescribeEgressOnlyInternetGateways": {"EgressOnlyInternetGateways": []},
            "DescribeNatGateways": {"NatGateways": [
                {"NatGatewayId": f"nat-{vpc}", "VpcId": vpc, "SubnetId": f"subnet-{vpc}-0", "State": "available"} for vpc in ids]}},
        "vpc.connections": {
            "DescribeVpcPeeringConnections": {"VpcPeeringConnections": [peering] if peer else []},
            "DescribeTransitGatewayAttachments": {"TransitGatewayAttachments": [
                {"TransitGatewayId": "tgw-0", "TransitGatewayOwnerId": ACCOUNT, "ResourceType": "vpc", "ResourceId": vpc,
                 "State": "available"} for vpc in ids]},
            "DescribeTransitGateways": {"TransitGateways": []}, "DescribeTransitGatewayRouteTables": {"TransitGatewayRouteTables": []},
            "DescribeVpnConnections": {"VpnConnections": []}},
        "vpc.endpoints": {"DescribeVpcEndpoints": {"VpcEndpoints": [
            {"VpcEndpointId": "vpce-0", "VpcEndpointType": "Gateway", "VpcId": "vpc-0", "State": "available",
             "ServiceName": f"com.amazonaws.{REGION}.s3", "RouteTableIds": ["rtb-vpc-0-app"], "Tags": named(name)}]}},
        "vpc.network-acls": {"DescribeNetworkAcls": {"NetworkAcls": []}},
        "vpc.security-groups": {"DescribeSecurityGroups": {"SecurityGroups": [
            group(number, name, 22 if number == 0 else 443, "0.0.0.0/0" if number < 2 else "10.0.0.0/8")
            for number in range(groups)]}, "DescribeSecurityGroupRules": {"SecurityGroupRules": []}},
        "ec2.instances": {"DescribeInstances": {"Reservations": []}},
        "vpc.network-interfaces": {"DescribeNetworkInterfaces": {"NetworkInterfaces": []},
                                   "DescribeAddresses": {"Addresses": []}},
        "vpc.flow-logs": {"DescribeFlowLogs": {"FlowLogs": [
            {"FlowLogId": "fl-0", "ResourceId": "vpc-0", "TrafficType": "ALL", "FlowLogStatus": "ACTIVE", "Tags": named(name),
             "DeliverLogsStatus": "SUCCESS", "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::logs"}]}},
        "elb.load-balancers": {"DescribeLoadBalancers": {"LoadBalancers": [
            {"LoadBalancerArn": balancer, "LoadBalancerName": name, "Type": "application", "Scheme": "internet-facing",
             "VpcId": "vpc-0", "AvailabilityZones": [{"ZoneName": zone} for zone in zones[:2]]}]}},
        "waf.web-acls": {"ListWebACLs": {"WebACLs": []}},
    }


class Bag:
    """An unpacked bag; `write` makes what a report is made of."""

    def __init__(self, folder, organisation="Example Ltd", name="payments-prod", owner="platform"):
        self.folder = folder
        self.cells = []
        self.config = {
            "scope": "prod", "organisation": organisation, "schedule": "0 2 * * *",
            "signing": {"origin": "evidence.example.com/prod", "timestamp_urls": []}, "accepted_gaps": [], "controls": [],
            "checks": {"profile": "guide", "params": {}}, "exceptions": []}
        self.accounts = [{"id": ACCOUNT, "name": name, "partition": "aws", "inScope": True, "owner": owner,
                          "regions": [{"name": REGION, "state": "enabled", "planned": True}]}]

    def region(self, documents, region=REGION):
        for item, operations in documents.items():
            calls = [{"service": "aws", "operation": operation, "parameters": {}}
                     | ({"output": output} if output is not None else
                        {"error": {"code": "UnauthorizedOperation", "message": "You are not authorized."}})
                     for operation, output in operations.items()]
            failed = [call for call in calls if "error" in call]
            path = f"data/evidence/{ACCOUNT}/{region}/{item}.json"
            text = json.dumps({"schema": "evidenced/evidence/v1", "account": ACCOUNT, "region": region, "item": item,
                               "calls": calls}, ensure_ascii=False) + "\n"
            self.put(path, text)
            cell = {"account": ACCOUNT, "region": region, "item": item, "file": path, "resources": 1,
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                    "status": "complete" if not failed else "denied" if len(failed) == len(calls) else "partial"}
            if failed:
                cell["error"] = {"operation": failed[0]["operation"]} | failed[0]["error"]
            self.cells.append(cell)
        return self

    def gap(self, item, status, reason, region=REGION, **more):
        self.cells.append({"account": ACCOUNT, "region": region, "item": item, "status": status, "reason": reason} | more)

    def put(self, path, text):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def write(self):
        self.cells.sort(key=lambda cell: (cell["account"], cell["region"], cell["item"]))
        catalogue = [{"id": item, "title": item.replace(".", " "), "criteria": ["CC6.6"]} for item in ITEMS]
        files = {
            "config": self.config, "plan": {"accounts": self.accounts}, "catalogue": {"items": catalogue},
            "summary": {}, "run": {
                "evidenceKeyId": KEY,
                "slot": NOW, "status": "partial", "trigger": "schedule", "schedule": "0 2 * * *",
                "collected": {"start": NOW, "end": NOW}, "scope": {"name": "prod", "accounts": 1, "regions": 1},
                "collector": {"version": "0.1.0", "configDigest": {"sha256": "0" * 64}}, "cells": self.cells}}
        for name, value in files.items():
            self.put(f"data/{name}.json", json.dumps(value, ensure_ascii=False) + "\n")
        return self.folder


def findings(bag, rows, accounts=1):
    """Findings of so many rows, spread over checks and accounts, in the place of judged ones."""
    checks = [{"id": f"check_{number:02}", "version": 1, "title": f"Claim number {number}", "description": "What is looked at.",
               "scope": "region", "severity": ["low", "medium", "high", "critical"][number % 4],
               "criteria": [["CC6.6"], ["CC6.7"], ["CC7.2"]][number % 3],
               "inputs": [{"item": "vpc.security-groups", "calls": ["DescribeSecurityGroups"]}], "parameters": {"ports": [22, 3389]},
               "remediation": "Close it.", "references": [], "also": {}, "sha256": "0" * 64} for number in range(36)]
    head = {"schema": "evidenced/checks/v1", "profile": "guide", "now": NOW}
    bag.put("data/checks.json", json.dumps(head | {"checks": checks}))
    each = rows // accounts
    for account in range(accounts):
        number = f"{111122220000 + account:012}"
        bag.accounts.append({"id": number, "name": f"team-{account}", "inScope": True, "owner": f"owner-{account % 7}",
                             "regions": [{"name": REGION, "state": "enabled", "planned": True}]})
        listed = [{"resource": f"sg-{at:017x}", "verdict": "fail" if at % 7 else "pass",
                   "reason": f"port {at} from 0.0.0.0/0 by rule sgr-{at:017x}", "observed": "tcp 22 from 0.0.0.0/0",
                   "expected": "no rule with port 22 from the internet",
                   "evidence": [f"vpc.security-groups#/calls/0/output/SecurityGroups/{at}"]} for at in range(each)]
        document = f"data/evidence/{number}/{REGION}/vpc.security-groups.json"
        bag.put(f"data/findings/{number}/{REGION}.json", json.dumps(
            {"schema": "evidenced/findings/v1", "account": number, "region": REGION, "documents": {document: "0" * 64},
             "contents": {"vpc.security-groups.json": "0" * 64},
             "checks": [{"check": f"check_{of:02}", "rows": listed[of::36]} for of in range(36)]}))
    return bag
