# Network ACLs: what their entries let through, in the order of their numbers.
package lib.nacls

all := data.lib.evidence.entries("vpc.network-acls", "DescribeNetworkAcls", "NetworkAcls")

own := data.lib.shared.own(all)

foreign := data.lib.shared.findings(all, "NetworkAclId")

numbers := {"tcp": "6", "udp": "17"}

# Whether an entry decides on a port. `all` is decided by entries for every protocol only.
holds(entry, _, _) if entry.Protocol == "-1"

holds(entry, protocol, port) if {
	entry.Protocol == numbers[protocol]
	range := object.get(entry, "PortRange", {"From": 0, "To": 65535})
	range.From <= port
	port <= range.To
}

cidr(entry) := entry.CidrBlock if entry.CidrBlock

cidr(entry) := entry.Ipv6CidrBlock if not entry.CidrBlock

range_of(entry) := range if {
	name := cidr(entry)
	range := input.cidrs[name]
}

# Entries that allow a port, at some public address on which no earlier entry decides.
effective(nacl, egress, protocol, port) := [number |
	some number
	candidate := nacl.Entries[number]
	candidate.Egress == egress
	candidate.RuleAction == "allow"
	holds(candidate, protocol, port)
	range := range_of(candidate)
	before := earlier(nacl, candidate.RuleNumber, egress, protocol, port, range.family)
	reaches(range, before)
]

earlier(nacl, behind, egress, protocol, port, family) := [range |
	some other in nacl.Entries
	other.Egress == egress
	other.RuleNumber < behind
	holds(other, protocol, port)
	range := range_of(other)
	range.family == family
]

# The first address that is left of a range starts it, starts a public part of it, or is behind an earlier range.
reaches(range, before) if {
	some point in points(range, before)
	range.first <= point
	point <= range.last
	some public in data.lists.public_addresses.ranges
	public.family == range.family
	data.lib.net.within(public.parts, point)
	not data.lib.net.within(before, point)
}

points(range, before) := ({range.first} | {part.first |
	some public in data.lists.public_addresses.ranges
	public.family == range.family
	some part in public.parts
}) | {other.next | some other in before; other.next != null}

# Whether entries together are the internet.
together(nacl, chosen) if {
	names := [name | some number in chosen; entry := nacl.Entries[number]; name := cidr(entry)]
	data.lib.net.worldwide(names)
}

place(nacl, number) := concat("/", [nacl.at, "Entries", format_int(number, 10)])

# An entry in words: `rule 100 (tcp 1024-65535 from 0.0.0.0/0)`.
words(entry) := concat("", ["rule ", format_int(entry.RuleNumber, 10), " (", span(entry), " ", cidr(entry), ")"])

span(entry) := "every protocol" if entry.Protocol == "-1"

span(entry) := concat("", ["protocol ", entry.Protocol, " ports ", format_int(entry.PortRange.From, 10), "-", format_int(entry.PortRange.To, 10)])

span(entry) := concat("", ["protocol ", entry.Protocol]) if {
	entry.Protocol != "-1"
	not entry.PortRange
}
