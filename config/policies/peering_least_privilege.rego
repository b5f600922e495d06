# METADATA
# title: Routes over peering connections lead to parts of the peer's network
# description: >-
#   A route that holds a whole block of the other VPC fails; IPv4 and IPv6, both directions, seen from the VPC
#   of the route table. Connections without a route pass.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.connections:
#       DescribeVpcPeeringConnections: [VpcPeeringConnections.VpcPeeringConnectionId, VpcPeeringConnections.Status.Code, VpcPeeringConnections.RequesterVpcInfo.VpcId, VpcPeeringConnections.AccepterVpcInfo.VpcId]
#     vpc.route-tables:
#       DescribeRouteTables: [RouteTables.RouteTableId, RouteTables.VpcId, RouteTables.Routes]
#   remediation: Route to the subnets that are needed, not to the whole VPC.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/vpc-peering.html]
#   also:
#     prowler: [vpc_peering_routing_tables_with_least_privilege]
package evidenced.checks.peering_least_privilege

all := data.lib.evidence.entries("vpc.connections", "DescribeVpcPeeringConnections", "VpcPeeringConnections")

live := [connection | some connection in all; connection.value.Status.Code in {"active", "provisioning", "pending-acceptance"}]

subjects contains connection.value.VpcPeeringConnectionId if some connection in live

# Routes over a connection, with the other side's CIDRs as the table's VPC sees them.
routes(connection) := [found |
	some table in data.lib.routes.tables
	some number
	route := table.value.Routes[number]
	route.VpcPeeringConnectionId == connection.VpcPeeringConnectionId
	found := {
		"table": table.value.RouteTableId,
		"cidrs": data.lib.routes.destinations(route),
		"peer": peer(connection, table.value.VpcId),
		"at": concat("/", [table.at, "Routes", format_int(number, 10)]),
	}
]

peer(connection, vpc) := connection.AccepterVpcInfo if connection.RequesterVpcInfo.VpcId == vpc

peer(connection, vpc) := connection.RequesterVpcInfo if connection.AccepterVpcInfo.VpcId == vpc

blocks(side) := (v4 | v6) | first if {
	v4 := {block.CidrBlock | some block in object.get(side, "CidrBlockSet", [])}
	v6 := {block.Ipv6CidrBlock | some block in object.get(side, "Ipv6CidrBlockSet", [])}
	first := {side.CidrBlock | side.CidrBlock}
}

findings contains finding if {
	some connection in live
	some route in routes(connection.value)
	some cidr in route.cidrs
	some block in blocks(route.peer)
	data.lib.net.inside(block, [cidr])
	finding := {
		"subject": connection.value.VpcPeeringConnectionId,
		"status": "fail",
		"reason": concat("", [route.table, " routes ", cidr, ", the whole ", block, " of ", route.peer.VpcId, " of ", route.peer.OwnerId]),
		"observed": cidr,
		"expected": "routes to parts of the peer's range",
		"pointers": [route.at],
	}
}

# A peer of another account whose range is not told.
findings contains finding if {
	some connection in live
	some route in routes(connection.value)
	count(blocks(route.peer)) == 0
	finding := {
		"subject": connection.value.VpcPeeringConnectionId,
		"status": "unknown",
		"reason": concat("", ["the range of ", route.peer.VpcId, " of ", route.peer.OwnerId, " is not known"]),
		"pointers": [route.at],
	}
}
