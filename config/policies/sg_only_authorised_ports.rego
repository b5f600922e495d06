# METADATA
# title: Security groups let the internet in on authorised ports only
# description: >-
#   Whatever the internet reaches must be listed: TCP and UDP ports, and other protocols such as icmp by name.
#   Any protocol is never authorised. A range passes only when each of its ports is listed.
# custom:
#   version: 2
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     vpc.security-groups:
#       DescribeSecurityGroups: [SecurityGroups.GroupId, SecurityGroups.IpPermissions, SecurityGroups.IpPermissions.IpProtocol]
#       GetManagedPrefixListEntries: resolved
#   parameters:
#     tcp:
#       description: TCP ports that the internet may reach
#       kind: ports
#       default: [80, 443]
#     udp:
#       description: UDP ports that the internet may reach (443 for HTTP/3)
#       kind: ports
#       default: []
#     protocols:
#       description: other protocols that the internet may reach
#       kind: texts
#       default: []
#   remediation: Remove the rule or list the port in [checks.params.sg_only_authorised_ports].
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-18]
#   also:
#     securityhub: [EC2.18]
#     config: [VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS]
package evidenced.checks.sg_only_authorised_ports

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

findings contains finding if {
	some group in data.lib.groups.suspects
	some protocol in ["tcp", "udp"]
	rules := group.value.IpPermissions
	some port in data.lib.groups.stray(rules, protocol, input.parameters[protocol])
	some number, rule in rules
	data.lib.groups.opens(rule, protocol, port)
	finding := found(group, number, concat(" ", [protocol, format_int(port, 10)]))
}

# Neither TCP nor UDP: ICMP and the like, each protocol by itself.
findings contains finding if {
	some group in data.lib.groups.suspects
	rules := group.value.IpPermissions
	some number
	protocol := rules[number].IpProtocol
	not protocol in {"-1", "tcp", "6", "udp", "17"}
	not protocol in input.parameters.protocols
	data.lib.groups.from_internet([rule | some rule in rules; rule.IpProtocol == protocol])
	finding := found(group, number, concat(" ", ["protocol", protocol]))
}

findings contains finding if {
	some group in data.lib.groups.suspects
	some number
	rule := group.value.IpPermissions[number]
	some list in data.lib.groups.unread(rule)
	finding := {
		"subject": group.value.GroupId,
		"status": "unknown",
		"reason": concat("", ["lets in prefix list ", list, ", whose entries could not be read"]),
		"pointers": [data.lib.groups.pointer(group, number)],
	}
}

found(group, number, what) := {
	"subject": group.value.GroupId,
	"status": "fail",
	"reason": concat("", [what, " is not authorised: ", data.lib.groups.text(group.value.IpPermissions[number])]),
	"observed": data.lib.groups.text(group.value.IpPermissions[number]),
	"expected": {"tcp": input.parameters.tcp, "udp": input.parameters.udp, "protocols": input.parameters.protocols},
	"pointers": [data.lib.groups.pointer(group, number)],
}
