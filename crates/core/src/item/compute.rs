//! EC2's items: regions, VPCs and everything inside and between them.
//!
//! API reference: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/>. Promised: nothing is filtered by us;
//! deleted NAT gateways and terminated instances stay, with their state.

use serde_json::{Map, Value, json};

use super::answers::{distinct, walk};
use super::{Answers, Ask, Item, Scope, Step, each, parameters, step};

const CC66: &[&str] = &["CC6.6"];

pub(super) static ITEMS: &[Item] = &[
    Item {
        id: "account.regions",
        title: "Regions and their opt-in status",
        criteria: CC66,
        scope: Scope::Account,
        steps: &[step("ec2", "DescribeRegions", &["ec2:DescribeRegions"])
            .asking(|_| vec![Ask::here(parameters([("AllRegions", json!(true))]))])
            .counting(&["Regions"])],
    },
    Item {
        id: "vpc.vpcs",
        title: "VPCs and block public access",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[
            step("ec2", "DescribeVpcs", &["ec2:DescribeVpcs"]).counting(&["Vpcs"]),
            step("ec2", "DescribeVpcBlockPublicAccessOptions", &["ec2:DescribeVpcBlockPublicAccessOptions"]),
            step(
                "ec2",
                "DescribeVpcBlockPublicAccessExclusions",
                &["ec2:DescribeVpcBlockPublicAccessExclusions"],
            ),
        ],
    },
    Item {
        id: "vpc.subnets",
        title: "Subnets",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[step("ec2", "DescribeSubnets", &["ec2:DescribeSubnets"]).counting(&["Subnets"])],
    },
    Item {
        id: "vpc.route-tables",
        title: "Route tables",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[step("ec2", "DescribeRouteTables", &["ec2:DescribeRouteTables"]).counting(&["RouteTables"])],
    },
    Item {
        id: "vpc.gateways",
        title: "Internet, egress-only and NAT gateways",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[
            step("ec2", "DescribeInternetGateways", &["ec2:DescribeInternetGateways"])
                .counting(&["InternetGateways"]),
            step("ec2", "DescribeEgressOnlyInternetGateways", &["ec2:DescribeEgressOnlyInternetGateways"])
                .counting(&["EgressOnlyInternetGateways"]),
            step("ec2", "DescribeNatGateways", &["ec2:DescribeNatGateways"]).counting(&["NatGateways"]),
        ],
    },
    Item {
        id: "vpc.connections",
        title: "Peering, transit gateways and VPN connections",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[
            step("ec2", "DescribeVpcPeeringConnections", &["ec2:DescribeVpcPeeringConnections"])
                .counting(&["VpcPeeringConnections"]),
            step("ec2", "DescribeTransitGatewayAttachments", &["ec2:DescribeTransitGatewayAttachments"])
                .counting(&["TransitGatewayAttachments"]),
            step("ec2", "DescribeTransitGateways", &["ec2:DescribeTransitGateways"])
                .counting(&["TransitGateways"]),
            step("ec2", "DescribeTransitGatewayRouteTables", &["ec2:DescribeTransitGatewayRouteTables"])
                .counting(&["TransitGatewayRouteTables"]),
            step("ec2", "SearchTransitGatewayRoutes", &["ec2:SearchTransitGatewayRoutes"])
                .asking(transit_gateway_routes)
                .with_vanished(&["InvalidRouteTableID.NotFound"]),
            step("ec2", "DescribeVpnConnections", &["ec2:DescribeVpnConnections"])
                .counting(&["VpnConnections"]),
        ],
    },
    Item {
        id: "vpc.endpoints",
        title: "VPC endpoints and their policies",
        criteria: &["CC6.6", "CC6.7"],
        scope: Scope::Region,
        steps: &[
            step("ec2", "DescribeVpcEndpoints", &["ec2:DescribeVpcEndpoints"]).counting(&["VpcEndpoints"])
        ],
    },
    Item {
        id: "vpc.network-acls",
        title: "Network ACLs",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[step("ec2", "DescribeNetworkAcls", &["ec2:DescribeNetworkAcls"]).counting(&["NetworkAcls"])],
    },
    Item {
        id: "vpc.security-groups",
        title: "Security group rules",
        criteria: CC66,
        scope: Scope::Region,
        steps: SECURITY_GROUPS,
    },
    Item {
        id: "ec2.instances",
        title: "Instances (without user data)",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[step("ec2", "DescribeInstances", &["ec2:DescribeInstances"]).counting(&["Reservations"])],
    },
    Item {
        id: "vpc.network-interfaces",
        title: "Network interfaces and Elastic IP addresses",
        criteria: CC66,
        scope: Scope::Region,
        steps: &[
            step("ec2", "DescribeNetworkInterfaces", &["ec2:DescribeNetworkInterfaces"])
                .counting(&["NetworkInterfaces"]),
            step("ec2", "DescribeAddresses", &["ec2:DescribeAddresses"]).counting(&["Addresses"]),
        ],
    },
    Item {
        id: "vpc.flow-logs",
        title: "VPC flow logs",
        criteria: &["CC7.2"],
        scope: Scope::Region,
        steps: &[step("ec2", "DescribeFlowLogs", &["ec2:DescribeFlowLogs"]).counting(&["FlowLogs"])],
    },
];

static SECURITY_GROUPS: &[Step] = &[
    step("ec2", "DescribeSecurityGroups", &["ec2:DescribeSecurityGroups"]).counting(&["SecurityGroups"]),
    step("ec2", "DescribeSecurityGroupRules", &["ec2:DescribeSecurityGroupRules"]),
    step("ec2", "DescribeManagedPrefixLists", &["ec2:DescribeManagedPrefixLists"]),
    step("ec2", "GetManagedPrefixListEntries", &["ec2:GetManagedPrefixListEntries"])
        .asking(referenced_prefix_lists),
    // Which VPCs are peered is asked here too: an item must not depend on another item's luck.
    step("ec2", "DescribeVpcPeeringConnections", &["ec2:DescribeVpcPeeringConnections"]),
    step("ec2", "DescribeStaleSecurityGroups", &["ec2:DescribeStaleSecurityGroups"])
        .asking(peered_vpcs)
        .with_vanished(&["InvalidVpcID.NotFound"]),
];

/// Prefix lists that a rule refers to, in either form of the rules.
fn referenced_prefix_lists(answers: &Answers<'_>) -> Vec<Ask> {
    let mut found = Vec::new();
    for group in answers.entries("DescribeSecurityGroups", "SecurityGroups") {
        walk(group, &mut |members| found.extend(members.get("PrefixListId").and_then(Value::as_str)));
    }
    for rule in answers.entries("DescribeSecurityGroupRules", "SecurityGroupRules") {
        found.extend(rule.get("PrefixListId").and_then(Value::as_str));
    }
    each("PrefixListId", distinct(found.into_iter()))
}

/// VPCs of this region that take part in a peering connection.
fn peered_vpcs(answers: &Answers<'_>) -> Vec<Ask> {
    let mut found = Vec::new();
    for connection in answers.entries("DescribeVpcPeeringConnections", "VpcPeeringConnections") {
        for side in ["RequesterVpcInfo", "AccepterVpcInfo"] {
            let Some(side) = connection.get(side) else { continue };
            // A side without a region is on this side of an older record: ask; a foreign id is only refused.
            let here =
                side.get("Region").and_then(Value::as_str).is_none_or(|region| region == answers.region);
            if here && owned_here(answers, side) {
                found.extend(side.get("VpcId").and_then(Value::as_str));
            }
        }
    }
    each("VpcId", distinct(found.into_iter()))
}

/// Whether the side of a peering belongs to the account whose security groups were listed.
fn owned_here(answers: &Answers<'_>, side: &Value) -> bool {
    let owner = side.get("OwnerId").and_then(Value::as_str);
    let ours = answers
        .entries("DescribeSecurityGroups", "SecurityGroups")
        .find_map(|group| group.get("OwnerId")?.as_str());
    match (owner, ours) {
        (Some(owner), Some(ours)) => owner == ours,
        _ => true,
    }
}

/// All routes of each transit gateway route table: a filter is required, and every route has a type.
fn transit_gateway_routes(answers: &Answers<'_>) -> Vec<Ask> {
    answers
        .texts("DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables", "TransitGatewayRouteTableId")
        .into_iter()
        .map(|id| {
            let mut asked: Map<String, Value> =
                parameters([("TransitGatewayRouteTableId", Value::String(id))]);
            asked.insert(
                "Filters".to_owned(),
                json!([{ "Name": "type", "Values": ["static", "propagated"] }]),
            );
            Ask::here(asked)
        })
        .collect()
}
