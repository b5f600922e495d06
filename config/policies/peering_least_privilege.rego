# METADATA
# title: Routes over peering connections lead to parts of the peer's network
# description: >-
#   Routes that together hold a whole block of the other VPC fail; IPv4 and IPv6, both directions, seen from the VPC
#   of the route table. Connections without a route pass.
# custom:
#   version: 3
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

# The routes of a table over a connection, with the other side as the table's VPC sees it.
routes(connection) := [found |
	some table in data.lib.routes.tables
	numbers := [number | some number; table.value.Routes[number].VpcPeeringConnectionId == connection.VpcPeeringConnectionId]
	count(numbers) > 0
	found := {
		"table": table.value.RouteTableId,
		"cidrs": [cidr | some number in numbers; some cidr in data.lib.routes.destinations(table.value.Routes[number])],
		"peer": peer(connection, table.value.VpcId),
		"at": [concat("/", [table.at, "Routes", format_int(number, 10)]) | some number in numbers],
	}
]

peer(connection, vpc) := connection.AccepterVpcInfo if connection.RequesterVpcInfo.VpcId == vpc

peer(connection, vpc) := connection.RequesterVpcInfo if connection.AccepterVpcInfo.VpcId == vpc

blocks(side) := (v4 | v6) | first if {
	v4 := {block.CidrBlock | some block in object.get(side, "CidrBlockSet", [])}
	v6 := {block.Ipv6CidrBlock | some block in object.get(side, "Ipv6CidrBlockSet", [])}
	first := {side.CidrBlock | side.CidrBlock}
}

# Routes count together: two halves of a block are the block.
findings contains finding if {
	some connection in live
	some route in routes(connection.value)
	some block in blocks(route.peer)
	whole := input.cidrs[block]
	over := [cidr | some cidr in route.cidrs; input.cidrs[cidr].family == whole.family]
	data.lib.net.covered([input.cidrs[cidr] | some cidr in over], whole.first, whole.last)
	finding := {
		"subject": connection.value.VpcPeeringConnectionId,
		"status": "fail",
		"reason": concat("", [
			route.table, " routes ", concat(", ", sort(over)), ", the whole ", block, " of ", route.peer.VpcId, " of ",
			route.peer.OwnerId,
		]),
		"observed": over,
		"expected": "routes to parts of the peer's range",
		"pointers": route.at,
	}
}

# Who is connected, on connections that pass too.
findings contains finding if {
	some connection in live
	sides := [concat(" of ", [side.VpcId, object.get(side, "OwnerId", "an account that is not told")]) |
		some side in [connection.value.RequesterVpcInfo, connection.value.AccepterVpcInfo]
	]
	finding := {
		"subject": connection.value.VpcPeeringConnectionId,
		"status": "pass",
		"reason": concat(" ", ["connects", concat(" and ", sides), "without a route to a whole block"]),
		"observed": sides,
		"pointers": [connection.at],
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
		"pointers": route.at,
	}
}
