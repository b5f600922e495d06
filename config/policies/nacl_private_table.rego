# METADATA
# title: Network ACLs of private subnets allow what the guide's table lists and nothing else
# description: >-
#   ACLs all of whose subnets have no route to an internet gateway. Every entry that allows must be inside a row
#   of the table: direction, protocol, ports, and a CIDR, or vpc for the VPC's own blocks. Under guide: the guide's
#   rule 100 for return traffic, HTTPS out, and traffic of the VPC. Under aws: AWS's rules for a private subnet
#   behind a NAT device, which let HTTP out too and have IPv6. Answers leave a private subnet for the VPC only, so
#   no row lets the ephemeral ports out to the internet.
# custom:
#   version: 2
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
#       guide:
#         - {"way": "in", "protocol": "tcp", "from": 1024, "to": 65535, "cidr": "0.0.0.0/0"}
#         - {"way": "in", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "tcp", "from": 443, "to": 443, "cidr": "0.0.0.0/0"}
#       aws:
#         - {"way": "in", "protocol": "tcp", "from": 1024, "to": 65535, "cidr": "0.0.0.0/0"}
#         - {"way": "in", "protocol": "tcp", "from": 1024, "to": 65535, "cidr": "::/0"}
#         - {"way": "in", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "all", "cidr": "vpc"}
#         - {"way": "out", "protocol": "tcp", "from": 80, "to": 80, "cidr": "0.0.0.0/0"}
#         - {"way": "out", "protocol": "tcp", "from": 80, "to": 80, "cidr": "::/0"}
#         - {"way": "out", "protocol": "tcp", "from": 443, "to": 443, "cidr": "0.0.0.0/0"}
#         - {"way": "out", "protocol": "tcp", "from": 443, "to": 443, "cidr": "::/0"}
#   remediation: Remove the entry, or add a row to [checks.params.nacl_private_table] with its reason.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Scenario2.html#nacl-rules-scenario-2, https://docs.aws.amazon.com/vpc/latest/userguide/nacl-ephemeral-ports.html, https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html]
package evidenced.checks.nacl_private_table

# ACLs none of whose subnets is known to be public.
private := [nacl |
	some nacl in data.lib.nacls.own
	count(object.get(nacl.value, "Associations", [])) > 0
	exposed := [association | some association in nacl.value.Associations; classes[association.SubnetId] == "public"]
	count(exposed) == 0
]

classes[subnet.value.SubnetId] := found if {
	some subnet in data.lib.routes.subnets
	table := data.lib.routes.table_of(subnet.value)
	found := data.lib.routes.class(table.value)
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

findings contains finding if {
	some nacl in private
	some association in nacl.value.Associations
	not classes[association.SubnetId]
	finding := {
		"subject": nacl.value.NetworkAclId,
		"status": "unknown",
		"reason": concat("", ["whether ", association.SubnetId, " has a route to an internet gateway is not known"]),
		"pointers": [nacl.at],
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
