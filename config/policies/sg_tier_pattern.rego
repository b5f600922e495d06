# METADATA
# title: Security groups of a tier have the rules of the tier pattern and no others
# description: >-
#   The arrows of the guide: the internet to the load balancer on 443 and 80, the load balancer to the
#   application on 8080, the application to the database on 5432 and to the internet on 443, and nothing out of
#   the database. Every rule of a group of a tier must be one of the arrows; a CIDR in the place of a group
#   fails.
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
#     arrows:
#       description: "what may be: tier, way (in, out), protocol, port, peer (a tier or internet)"
#       kind: rules
#       default:
#         - {"tier": "lb", "way": "in", "protocol": "tcp", "port": 443, "peer": "internet"}
#         - {"tier": "lb", "way": "in", "protocol": "tcp", "port": 80, "peer": "internet"}
#         - {"tier": "lb", "way": "out", "protocol": "tcp", "port": 8080, "peer": "app"}
#         - {"tier": "app", "way": "in", "protocol": "tcp", "port": 8080, "peer": "lb"}
#         - {"tier": "app", "way": "out", "protocol": "tcp", "port": 5432, "peer": "db"}
#         - {"tier": "app", "way": "out", "protocol": "tcp", "port": 443, "peer": "internet"}
#         - {"tier": "db", "way": "in", "protocol": "tcp", "port": 5432, "peer": "app"}
#     tag:
#       description: key of the tag that names the tier of a security group
#       kind: text
#       default: "Tier"
#     values:
#       description: values of that tag, lower case, by tier
#       kind: texts-by-name
#       default: {"lb": ["lb", "alb", "web", "public"], "app": ["app", "application"], "db": ["db", "data", "database"]}
#   remediation: Give each tier its own group and let rules name groups, not addresses.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html]
package evidenced.checks.sg_tier_pattern

tiered := [group |
	roles := data.lib.roles.of_group
	some group in data.lib.shared.own(data.lib.groups.all)
	roles[group.value.GroupId]
]

subjects contains group.value.GroupId if some group in tiered

# Every peer of every rule: {rule, way, peer}. A CIDR or a prefix list is `internet` when it is, else `addresses`.
peers(group) := [found |
	some way in ["in", "out"]
	some number
	rule := group[sides[way]][number]
	some peer in of_rule(rule)
	found := {"way": way, "number": number, "rule": rule, "peer": peer}
]

sides := {"in": "IpPermissions", "out": "IpPermissionsEgress"}

of_rule(rule) := {{"kind": "group", "name": pair.GroupId} | some pair in object.get(rule, "UserIdGroupPairs", [])} | outside(rule)

outside(rule) := {{"kind": "internet", "name": concat(", ", data.lib.groups.cidrs(rule))}} if data.lib.groups.from_internet([rule])

outside(rule) := {{"kind": "addresses", "name": concat(", ", data.lib.groups.cidrs(rule))}} if {
	not data.lib.groups.from_internet([rule])
	count(data.lib.groups.cidrs(rule)) > 0
}

outside(rule) := set() if count(data.lib.groups.cidrs(rule)) == 0

allowed(role, found) if {
	some arrow in input.parameters.arrows
	arrow.tier == role
	arrow.way == found.way
	found.rule.IpProtocol in data.lib.groups.numbers[arrow.protocol]
	found.rule.FromPort == arrow.port
	found.rule.ToPort == arrow.port
	fits(arrow.peer, found.peer)
}

fits(wanted, peer) if {
	wanted == "internet"
	peer.kind in {"internet", "addresses"}
}

fits(wanted, peer) if {
	peer.kind == "group"
	data.lib.roles.of_group[peer.name] == wanted
}

findings contains finding if {
	some group in tiered
	role := data.lib.roles.of_group[group.value.GroupId]
	some found in peers(group.value)
	not allowed(role, found)
	finding := {
		"subject": group.value.GroupId,
		"status": status(found.peer),
		"reason": concat("", [
			"tier ", role, ": ", data.lib.groups.reach(found.rule), " ", found.way, " ", found.peer.kind, " ", found.peer.name,
			" is not in the pattern",
		]),
		"observed": concat(" ", [found.way, data.lib.groups.reach(found.rule), found.peer.name]),
		"expected": [arrow | some arrow in input.parameters.arrows; arrow.tier == role],
		"pointers": [concat("/", [group.at, sides[found.way], format_int(found.number, 10)])],
	}
}

findings contains finding if {
	some group in tiered
	some way in ["in", "out"]
	some number, rule in group.value[sides[way]]
	some list in data.lib.groups.unread(rule)
	finding := {
		"subject": group.value.GroupId,
		"status": "unknown",
		"reason": concat("", ["prefix list ", list, " could not be read"]),
		"pointers": [concat("/", [group.at, sides[way], format_int(number, 10)])],
	}
}

# A group of another VPC or account: its tier is not in this evidence.
status(peer) := "unknown" if {
	peer.kind == "group"
	not peer.name in data.lib.groups.ids
}

status(peer) := "fail" if peer.kind != "group"

status(peer) := "fail" if peer.name in data.lib.groups.ids
