# METADATA
# title: Network ACLs of subnets let neither SSH nor RDP in from the internet
# description: >-
#   Entries are taken in the order of their numbers over address sets: an earlier deny takes addresses away,
#   halves of the internet count together, IPv4 and IPv6, default ACLs too. The guide's rule for ephemeral ports
#   passes where no subnet of the ACL has a route to an internet gateway.
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
#   parameters:
#     tcp:
#       description: TCP ports that administer
#       kind: ports
#       default: [22, 3389]
#     private_ephemeral:
#       description: the rule for TCP 1024-65535 passes for private subnets
#       kind: boolean
#       guide: true
#       aws: false
#   remediation: Deny 22 and 3389 with a lower rule number, or allow the addresses that need them.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-21]
#   also:
#     securityhub: [EC2.21]
#     config: [nacl-no-unrestricted-ssh-rdp]
#     prowler: [ec2_networkacl_allow_ingress_tcp_port_22, ec2_networkacl_allow_ingress_tcp_port_3389]
package evidenced.checks.nacl_no_admin_ports_from_internet

subjects contains nacl.value.NetworkAclId if some nacl in data.lib.nacls.all

findings contains finding if some finding in data.lib.nacls.foreign

findings contains finding if {
	some nacl in data.lib.nacls.own
	count(object.get(nacl.value, "Associations", [])) == 0
	finding := {
		"subject": nacl.value.NetworkAclId,
		"status": "not-applicable",
		"reason": "is associated with no subnet",
	}
}

findings contains finding if {
	some nacl in data.lib.nacls.own
	count(object.get(nacl.value, "Associations", [])) > 0
	some port in input.parameters.tcp
	chosen := data.lib.nacls.effective(nacl.value, false, "tcp", port)
	data.lib.nacls.together(nacl.value, chosen)
	not sheltered(nacl.value, chosen)
	finding := found(nacl, port, chosen, "fail", "")
}

findings contains finding if {
	some nacl in data.lib.nacls.own
	some port in input.parameters.tcp
	chosen := data.lib.nacls.effective(nacl.value, false, "tcp", port)
	data.lib.nacls.together(nacl.value, chosen)
	sheltered(nacl.value, chosen)
	finding := found(nacl, port, chosen, "pass", ": return traffic of private subnets, no public route")
}

found(nacl, port, chosen, status, note) := {
	"subject": nacl.value.NetworkAclId,
	"status": status,
	"reason": concat("", ["tcp ", format_int(port, 10), " is open to the internet: ", rules(nacl, chosen), note]),
	"observed": {"port": port, "rules": rules(nacl, chosen), "isDefault": object.get(nacl.value, "IsDefault", false)},
	"expected": concat("", ["no tcp ", format_int(port, 10), " from the internet"]),
	"pointers": [data.lib.nacls.place(nacl, number) | some number in chosen],
}

rules(nacl, chosen) := concat("; ", sort([data.lib.nacls.words(nacl.value.Entries[number]) | some number in chosen]))

# The rule for ephemeral ports of an ACL whose subnets have no route to an internet gateway.
sheltered(nacl, chosen) if {
	count(nacl.Associations) > 0
	input.parameters.private_ephemeral
	every number in chosen {
		nacl.Entries[number].Protocol == "6"
		nacl.Entries[number].PortRange == {"From": 1024, "To": 65535}
	}
	every association in nacl.Associations {
		private(association.SubnetId)
	}
}

private(id) if {
	some subnet in data.lib.routes.subnets
	subnet.value.SubnetId == id
	data.lib.routes.class(data.lib.routes.table_of(subnet.value).value) != "public"
}
