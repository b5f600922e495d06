# Addresses: whether CIDRs together are the internet. The ranges are in `input.cidrs`, as fixed-width hex.
package lib.net

# Whether the CIDRs hold every public address of a family: 0.0.0.0/0, but 0.0.0.0/1 with 128.0.0.0/1 too, or 2000::/3.
worldwide(cidrs) if {
	some public in data.lists.public_addresses.ranges
	ranges := [range | some cidr in cidrs; range := input.cidrs[cidr]; range.family == public.family]
	count(ranges) > 0
	every part in public.parts {
		covered(ranges, part.first, part.last)
	}
}

# CIDRs that hold the first public address of a family: without one of them, CIDRs are not the internet together. A
# quick first look at many rules.
heads contains name if {
	some public in data.lists.public_addresses.ranges
	family := public.family
	first := public.parts[0].first
	some name, range in input.cidrs
	range.first <= first
	first <= range.last
	range.family == family
}

# Whether ranges cover everything from first to last: first is in one, and where one ends another goes on.
covered(ranges, first, last) if {
	within(ranges, first)
	every range in ranges {
		goes_on(range, ranges, first, last)
	}
}

goes_on(range, _, _, _) if range.next == null

goes_on(range, _, first, _) if range.next <= first

goes_on(range, _, _, last) if range.next > last

goes_on(range, ranges, _, _) if within(ranges, range.next)

within(ranges, address) if {
	some range in ranges
	range.first <= address
	address <= range.last
}

# Whether a CIDR is inside one of the others.
inside(cidr, others) if {
	range := input.cidrs[cidr]
	some other in others
	outer := input.cidrs[other]
	outer.family == range.family
	outer.first <= range.first
	range.last <= outer.last
}

# Whether a CIDR holds a public address.
has_public(cidr) if {
	range := input.cidrs[cidr]
	some public in data.lists.public_addresses.ranges
	public.family == range.family
	some part in public.parts
	range.first <= part.last
	part.first <= range.last
}
