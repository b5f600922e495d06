# METADATA
# title: Security groups let out to the internet only what their tier needs
# description: >-
#   No group lets every protocol out to the internet; a group of a known tier lets out the ports of its list. A
#   tier is a tag, else what the network interfaces belong to (load balancers, functions, databases).
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.security-groups:
#       DescribeSecurityGroups: [SecurityGroups.GroupId, SecurityGroups.IpPermissions, SecurityGroups.IpPermissions.IpProtocol, SecurityGroups.IpPermissionsEgress, SecurityGroups.IpPermissionsEgress.IpProtocol]
#       GetManagedPrefixListEntries: resolved
#     vpc.network-interfaces:
#       DescribeNetworkInterfaces: [NetworkInterfaces.NetworkInterfaceId]
#   parameters:
#     egress:
#       description: TCP ports that each tier may reach on the internet
#       kind: ports-by-name
#       default: {"lb": [], "app": [443], "db": []}
#     tag:
#       description: key of the tag that names the tier of a security group
#       kind: text
#       default: "Tier"
#     values:
#       description: values of that tag, lower case, by tier
#       kind: texts-by-name
#       default: {"lb": ["lb", "alb", "web", "public"], "app": ["app", "application"], "db": ["db", "data", "database"]}
#   remediation: Replace the rule for all outbound traffic by the ports and addresses that the tier needs.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html]
package evidenced.checks.sg_egress_least_privilege

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

findings contains finding if {
	some group in data.lib.groups.suspects_out
	rules := group.value.IpPermissionsEgress
	some number
	rules[number].IpProtocol == "-1"
	data.lib.groups.from_internet([rule | some rule in rules; rule.IpProtocol == "-1"])
	finding := found(group, number, "lets everything out to the internet (the default of a new group)")
}

# A group of a known tier: the ports of its list and no others.
findings contains finding if {
	some group in data.lib.groups.suspects_out
	allowed := input.parameters.egress[data.lib.roles.of_group[group.value.GroupId]]
	rules := [rule | some rule in group.value.IpPermissionsEgress; rule.IpProtocol != "-1"]
	some protocol, ports in {"tcp": allowed, "udp": []}
	some port in data.lib.groups.stray(rules, protocol, ports)
	some number
	rule := group.value.IpPermissionsEgress[number]
	rule.IpProtocol != "-1"
	data.lib.groups.opens(rule, protocol, port)
	role := data.lib.roles.of_group[group.value.GroupId]
	what := concat("", ["is of tier ", role, " and lets ", protocol, " ", format_int(port, 10), " out to the internet"])
	finding := found(group, number, what)
}

findings contains finding if {
	some group in data.lib.groups.suspects_out
	some number
	rule := group.value.IpPermissionsEgress[number]
	some list in data.lib.groups.unread(rule)
	finding := {
		"subject": group.value.GroupId,
		"status": "unknown",
		"reason": concat("", ["lets out to prefix list ", list, ", whose entries could not be read"]),
		"pointers": [pointer(group, number)],
	}
}

pointer(group, number) := concat("/", [group.at, "IpPermissionsEgress", format_int(number, 10)])

found(group, number, what) := {
	"subject": group.value.GroupId,
	"status": "fail",
	"reason": what,
	"observed": data.lib.groups.reach(group.value.IpPermissionsEgress[number]),
	"expected": input.parameters.egress,
	"pointers": [pointer(group, number)],
}
