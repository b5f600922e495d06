# Routes: which route table a subnet uses, and where it leads.
package lib.routes

tables := data.lib.evidence.entries("vpc.route-tables", "DescribeRouteTables", "RouteTables")

subnets := data.lib.evidence.entries("vpc.subnets", "DescribeSubnets", "Subnets")

explicit[association.SubnetId] := table if {
	some table in tables
	some association in object.get(table.value, "Associations", [])
	in_force(association)
}

# The main table of the VPC: of that VPC and of no other.
main[table.value.VpcId] := table if {
	some table in tables
	some association in object.get(table.value, "Associations", [])
	association.Main == true
}

in_force(association) if {
	association.SubnetId
	object.get(object.get(association, "AssociationState", {}), "State", "associated") in {"associated", "associating"}
}

table_of(subnet) := explicit[subnet.SubnetId]

table_of(subnet) := main[subnet.VpcId] if not explicit[subnet.SubnetId]

# public: a live route for public addresses to an internet gateway; egress: such a route to anything else; isolated.
class(table) := "public" if {
	some route in table.Routes
	outward(route)
	startswith(target(route), "igw-")
}

class(table) := "egress" if {
	leads_out(table)
	not to_gateway(table)
}

class(table) := "isolated" if not leads_out(table)

leads_out(table) if {
	some route in table.Routes
	outward(route)
}

to_gateway(table) if {
	some route in table.Routes
	outward(route)
	startswith(target(route), "igw-")
}

# A route that is alive and holds public addresses; the prefix list of a gateway endpoint is not the internet.
outward(route) if {
	object.get(route, "State", "active") == "active"
	some cidr in destinations(route)
	data.lib.net.has_public(cidr)
	target(route) != "local"
}

outward(route) if {
	object.get(route, "State", "active") == "active"
	route.DestinationPrefixListId
	not startswith(target(route), "vpce-")
}

destinations(route) := [cidr |
	some key in ["DestinationCidrBlock", "DestinationIpv6CidrBlock"]
	cidr := route[key]
]

targets := [
	"GatewayId", "NatGatewayId", "EgressOnlyInternetGatewayId", "TransitGatewayId", "VpcPeeringConnectionId",
	"NetworkInterfaceId", "InstanceId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
]

target(route) := [route[key] | some key in targets; route[key]][0]
