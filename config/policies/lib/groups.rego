# Security groups: what their rules let in and out.
package lib.groups

answers := data.lib.place_groups.answers

all := data.lib.place_groups.all

ids := data.lib.place_groups.ids

# Groups whose rules may have the internet at the other end: of the others nothing more is looked at.
suspects := data.lib.place_groups.suspects

suspects_out := data.lib.place_groups.suspects_out

# Groups of other accounts that are shared with this one, with a row that says so.
foreign := [finding |
	some id
	owner := data.lib.place_groups.strangers[id]
	finding := {
		"subject": id,
		"status": "not-applicable",
		"reason": concat("", ["belongs to ", owner, " and is judged there"]),
		"observed": owner,
		"expected": input.account,
	}
]

numbers := {"tcp": {"tcp", "6"}, "udp": {"udp", "17"}}

# CIDRs that a rule names, prefix lists resolved.
cidrs(rule) := array.concat(array.concat(v4, v6), lists) if {
	v4 := [range.CidrIp | some range in object.get(rule, "IpRanges", [])]
	v6 := [range.CidrIpv6 | some range in object.get(rule, "Ipv6Ranges", [])]
	lists := [cidr | some list in object.get(rule, "PrefixListIds", []); some cidr in input.prefix_lists[list.PrefixListId]]
}

# Prefix lists of a rule whose entries could not be read.
unread(rule) := [list.PrefixListId |
	some list in object.get(rule, "PrefixListIds", [])
	not input.prefix_lists[list.PrefixListId]
]

# Whether a rule lets a port through: any protocol, or the port's own with a range that holds it.
opens(rule, _, _) if rule.IpProtocol == "-1"

opens(rule, protocol, port) if {
	rule.IpProtocol in numbers[protocol]
	object.get(rule, "FromPort", 0) <= port
	port <= object.get(rule, "ToPort", 65535)
}

# Whether the sources of these rules together are the internet.
from_internet(rules) if data.lib.net.worldwide([cidr | some rule in rules; some cidr in cidrs(rule)])

# Findings on groups that let the internet in on some of the ports.
open(protocol, ports) := [finding |
	some group in suspects
	opened := [port | some port in ports; from_internet(opening(group.value.IpPermissions, protocol, port))]
	count(opened) > 0
	rules := {number |
		some number
		rule := group.value.IpPermissions[number]
		some port in opened
		opens(rule, protocol, port)
		count(cidrs(rule)) > 0
	}
	finding := {
		"subject": group.value.GroupId,
		"status": "fail",
		"reason": concat("", [protocol, " ", numbers_text(opened), " is open to the internet: ", texts(group.value.IpPermissions, rules)]),
		"observed": {"protocol": protocol, "ports": opened},
		"expected": concat("", ["no ", protocol, " port of ", numbers_text(ports), " from the internet"]),
		"pointers": [pointer(group, number) | some number in rules],
	}
]

# Ports outside the allowed ones at which the rules, together, have the internet at the other end. Which rules hold a
# port changes only where a rule starts and behind an allowed port, so that these are the ports to look at.
stray(rules, protocol, allowed) := {port |
	some port in points(rules, allowed)
	not port in allowed
	from_internet(opening(rules, protocol, port))
}

points(rules, allowed) := ({0} | {port | some rule in rules; port := object.get(rule, "FromPort", 0); port >= 0}) | {port |
	some known in allowed
	port := known + 1
	port <= 65535
}

opening(rules, protocol, port) := [rule | some rule in rules; opens(rule, protocol, port)]

# Groups that let in a prefix list that could not be read, on some of the ports.
unresolved(protocol, ports) := [finding |
	some group in suspects
	some at
	rule := group.value.IpPermissions[at]
	some list in unread(rule)
	some port in ports
	opens(rule, protocol, port)
	finding := {
		"subject": group.value.GroupId,
		"status": "unknown",
		"reason": concat("", ["lets in prefix list ", list, ", whose entries could not be read"]),
		"pointers": [pointer(group, at)],
	}
]

# Where a rule stands.
pointer(group, number) := concat("/", [group.at, "IpPermissions", format_int(number, 10)])

# A rule in words: `tcp 20-25 from 0.0.0.0/0`.
text(rule) := concat("", [reach(rule), " from ", concat(", ", cidrs(rule))])

reach(rule) := "every protocol" if rule.IpProtocol == "-1"

reach(rule) := concat(" ", [rule.IpProtocol, format_int(rule.FromPort, 10)]) if rule.FromPort == rule.ToPort

reach(rule) := concat("", [rule.IpProtocol, " ", format_int(rule.FromPort, 10), "-", format_int(rule.ToPort, 10)]) if rule.FromPort != rule.ToPort

reach(rule) := concat(" ", ["protocol", rule.IpProtocol]) if {
	rule.IpProtocol != "-1"
	not bounded(rule)
}

bounded(rule) if {
	is_number(rule.FromPort)
	is_number(rule.ToPort)
}

texts(rules, chosen) := concat("; ", sort([text(rules[number]) | some number in chosen]))

numbers_text(ports) := concat(", ", [format_int(port, 10) | some port in ports])
