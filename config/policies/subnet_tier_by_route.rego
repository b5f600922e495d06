# METADATA
# title: Subnets have the routes of their tier
# description: >-
#   A subnet's route table is the one that it is associated with, else the main one of its VPC. It is public by
#   a live route to an internet gateway, egress by one to anything else that leaves, and isolated otherwise.
#   Data must be isolated, applications not public, and public subnets hold load balancers and gateways only.
#   Subnets that another account shares are judged there.
# custom:
#   version: 2
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     vpc.subnets:
#       DescribeSubnets: [Subnets.SubnetId, Subnets.VpcId]
#     vpc.route-tables:
#       DescribeRouteTables: [RouteTables.RouteTableId, RouteTables.VpcId, RouteTables.Routes]
#     vpc.network-interfaces:
#       DescribeNetworkInterfaces: [NetworkInterfaces.NetworkInterfaceId]
#   parameters:
#     classes:
#       description: classes that a tier may have
#       kind: texts-by-name
#       default: {"lb": ["public", "egress", "isolated"], "app": ["egress", "isolated"], "db": ["isolated"]}
#     public_types:
#       description: types of network interface that may be in a public subnet
#       kind: texts
#       default: ["nat_gateway", "network_load_balancer", "gateway_load_balancer", "vpc_endpoint"]
#     tag:
#       description: key of the tag that names the tier of a subnet
#       kind: text
#       default: "Tier"
#     values:
#       description: values of that tag, lower case, by tier
#       kind: texts-by-name
#       default: {"lb": ["lb", "alb", "web", "public"], "app": ["app", "application", "private"], "db": ["db", "data", "database"]}
#   remediation: Associate the subnet with the route table of its tier.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html]
#   also:
#     prowler: [vpc_subnet_separate_private_public]
package evidenced.checks.subnet_tier_by_route

subjects contains subnet.value.SubnetId if some subnet in data.lib.routes.subnets

own := data.lib.shared.own(data.lib.routes.subnets)

findings contains finding if some finding in data.lib.shared.findings(data.lib.routes.subnets, "SubnetId")

# Subnets with a data store in them, and what else there is in subnets than load balancers and gateways.
holding_data contains interface.value.SubnetId if {
	some interface in data.lib.roles.interfaces
	data.lib.roles.belongs(interface.value) == "db"
}

others := [interface | some interface in data.lib.roles.interfaces; not belongs(interface.value)]

# The tier that a subnet is for: its tag, else the data stores in it.
tier(subnet) := data.lib.roles.tagged(subnet)

tier(subnet) := "db" if {
	not data.lib.roles.tagged(subnet)
	subnet.SubnetId in holding_data
}

findings contains finding if {
	some subnet in own
	not data.lib.routes.table_of(subnet.value)
	finding := {
		"subject": subnet.value.SubnetId,
		"status": "unknown",
		"reason": "no route table of its VPC is known",
		"pointers": [subnet.at],
	}
}

findings contains finding if {
	some subnet in own
	table := data.lib.routes.table_of(subnet.value)
	class := data.lib.routes.class(table.value)
	why := concat("", ["is ", class, " by ", table.value.RouteTableId, onward(table.value)])
	finding := found(subnet, table, "pass", why, class)
}

findings contains finding if {
	some subnet in own
	table := data.lib.routes.table_of(subnet.value)
	class := data.lib.routes.class(table.value)
	role := tier(subnet.value)
	not class in input.parameters.classes[role]
	why := concat("", ["is of tier ", role, " and ", class, " by ", table.value.RouteTableId, onward(table.value)])
	finding := found(subnet, table, "fail", why, class)
}

# A public subnet is for load balancers and gateways.
findings contains finding if {
	some subnet in own
	table := data.lib.routes.table_of(subnet.value)
	data.lib.routes.class(table.value) == "public"
	some interface in others
	interface.value.SubnetId == subnet.value.SubnetId
	why := concat("", ["is public and holds ", interface.value.NetworkInterfaceId, ", of neither a load balancer nor a gateway"])
	finding := found(subnet, table, "fail", why, "public")
}

# Behind a transit gateway the way goes on in its own route tables, which are not looked at here.
onward(table) := concat("", [" over ", concat(", ", transit), ": whether that leads to the internet is unknown"]) if {
	transit := transits(table)
	count(transit) > 0
}

onward(table) := "" if count(transits(table)) == 0

transits(table) := {route.TransitGatewayId | some route in table.Routes; data.lib.routes.outward(route); route.TransitGatewayId}

belongs(interface) if data.lib.roles.belongs(interface) == "lb"

belongs(interface) if interface.InterfaceType in input.parameters.public_types

found(subnet, table, status, why, class) := {
	"subject": subnet.value.SubnetId,
	"status": status,
	"reason": why,
	"observed": class,
	"expected": input.parameters.classes,
	"pointers": [subnet.at, table.at],
}
