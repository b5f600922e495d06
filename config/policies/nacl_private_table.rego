# METADATA
# title: Network ACLs of private subnets allow what the guide's table lists and nothing else
# description: >-
#   ACLs all of whose subnets have no route to an internet gateway. Every entry that allows must be inside a row
#   of the table: direction, protocol, ports, and a CIDR, or vpc for the VPC's own blocks. The first row of the
#   default is the guide's rule 100; the others are what a private subnet needs, so set the table to your own.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.network-acls:
#       DescribeNetworkAcls: [NetworkAcls.NetworkAclId, NetworkAcls.Entries, NetworkAcls.Entries.RuleNumber, NetworkAcls.Entries.Protocol, NetworkAcls.Entries.RuleAction, NetworkAcls.Entries.Egress]
#     vpc.subnets:
#       DescribeSubnets: [Subnets.SubnetId, Subnets.VpcId]
#     vpc.route-tables:
#       DescribeRouteTables: [RouteTables.RouteTableId, RouteTables.VpcId, RouteTables.Routes]
#     vpc.vpcs:
#       DescribeVpcs: [Vpcs.VpcId, Vpcs.CidrBlock]
#   parameters:
#     table:
#       description: "rows: way (in, out), protocol (tcp, udp, all), from, to, cidr (or vpc)"
#       kind: rules
#       default:
#         - {"way": "in", "protocol": "tcp", "from": 1024, "to": 65535, "cidr": "0.0.0.0/0"}
#         - {"way": "in", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "tcp", "from": 443, "to": 443, "cidr": "0.0.0.0/0"}
#         - {"way": "out", "protocol": "tcp", "from": 1024, "to": 65535, "cidr": "0.0.0.0/0"}
#   remediation: Remove the entry, or add a row to [checks.params.nacl_private_table] with its reason.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html]
package evidenced.checks.nacl_private_table

# ACLs all of whose subnets are known to be private.
private := [nacl |
	some nacl in data.lib.nacls.all
	count(object.get(nacl.value, "Associations", [])) > 0
	every association in nacl.value.Associations {
		hidden(association.SubnetId)
	}
]

hidden(id) if {
	some subnet in data.lib.routes.subnets
	subnet.value.SubnetId == id
	data.lib.routes.class(data.lib.routes.table_of(subnet.value).value) != "public"
}

subjects contains nacl.value.NetworkAclId if some nacl in private

findings contains finding if {
	some nacl in private
	some number, entry in nacl.value.Entries
	entry.RuleAction == "allow"
	not listed(nacl.value, entry)
	finding := {
		"subject": nacl.value.NetworkAclId,
		"status": "fail",
		"reason": concat("", [data.lib.nacls.words(entry), " ", way(entry), " is not in the table for private subnets"]),
		"observed": data.lib.nacls.words(entry),
		"expected": input.parameters.table,
		"pointers": [data.lib.nacls.place(nacl, number)],
	}
}

way(entry) := {true: "out", false: "in"}[entry.Egress]

listed(nacl, entry) if {
	some row in input.parameters.table
	row.way == way(entry)
	ports(row, entry)
	address(row.cidr, nacl.VpcId, data.lib.nacls.cidr(entry))
}

ports(row, _) if row.protocol == "all"

ports(row, entry) if {
	entry.Protocol == data.lib.nacls.numbers[row.protocol]
	row.from <= entry.PortRange.From
	entry.PortRange.To <= row.to
}

address("vpc", id, cidr) if {
	some vpc in data.lib.evidence.entries("vpc.vpcs", "DescribeVpcs", "Vpcs")
	vpc.value.VpcId == id
	sets := {"CidrBlockAssociationSet": "CidrBlock", "Ipv6CidrBlockAssociationSet": "Ipv6CidrBlock"}
	blocks := [block | some set; field := sets[set]; some own in object.get(vpc.value, set, []); block := own[field]]
	data.lib.net.inside(cidr, array.concat(blocks, [vpc.value.CidrBlock]))
}

address(wanted, _, cidr) if {
	wanted != "vpc"
	data.lib.net.inside(cidr, [wanted])
}
