# What is so of the security groups of a place, whatever the check: nothing here reads a parameter, so that it is worked
# out once for all checks.
package lib.place_groups

answers := data.lib.evidence.calls("vpc.security-groups", "DescribeSecurityGroups")

all := data.lib.evidence.entries("vpc.security-groups", "DescribeSecurityGroups", "SecurityGroups")

ids contains group.GroupId if {
	some call in answers
	some group in call.value.output.SecurityGroups
}

# Groups that another account shares with the one that is judged, and whose they are.
strangers[group.GroupId] := group.OwnerId if {
	some document in input.documents
	account := document.account
	some call in document.calls
	call.operation == "DescribeSecurityGroups"
	some group in call.output.SecurityGroups
	group.OwnerId != account
}

# Groups whose rules may have the internet at the other end: of the others nothing more is looked at.
suspects := picked("IpPermissions")

suspects_out := picked("IpPermissionsEgress")

picked(side) := groups if {
	wanted := naming(side)
	groups := [{"at": concat("/", [call.at, "output", "SecurityGroups", format_int(number, 10)]), "value": group} |
		some call in answers
		some number
		group := call.value.output.SecurityGroups[number]
		group.GroupId in wanted
		not strangers[group.GroupId]
	]
}

# Groups with a rule that names a CIDR without which nothing is the internet, or a prefix list.
naming(side) := (v4 | v6) | lists if {
	heads := data.lib.net.heads
	asked := answers
	v4 := {group.GroupId |
		some call in asked
		some group in call.value.output.SecurityGroups
		some rule in group[side]
		some range in rule.IpRanges
		range.CidrIp in heads
	}
	v6 := {group.GroupId |
		some call in asked
		some group in call.value.output.SecurityGroups
		some rule in group[side]
		some range in rule.Ipv6Ranges
		range.CidrIpv6 in heads
	}
	lists := {group.GroupId |
		some call in asked
		some group in call.value.output.SecurityGroups
		some rule in group[side]
		count(object.get(rule, "PrefixListIds", [])) > 0
	}
}
