# The tier of a security group: what its tag says, else what its network interfaces belong to.
package lib.roles

# By group id: lb, app or db, or another name of the parameter `values`.
of_group[group.value.GroupId] := role if {
	some group in data.lib.groups.all
	role := tagged(group.value)
}

of_group[group.value.GroupId] := role if {
	some group in data.lib.groups.all
	not tagged(group.value)
	role := attached(group.value.GroupId)
}

tagged(thing) := role if {
	some tag in object.get(thing, "Tags", [])
	tag.Key == input.parameters.tag
	some role
	values := input.parameters.values[role]
	lower(tag.Value) in values
}

attached(group) := "lb" if "lb" in kinds(group)

attached(group) := "db" if {
	"db" in kinds(group)
	not "lb" in kinds(group)
}

kinds(group) := {kind |
	some interface in interfaces
	some member in object.get(interface.value, "Groups", [])
	member.GroupId == group
	kind := belongs(interface.value)
}

interfaces := data.lib.evidence.entries("vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces")

# What a network interface belongs to: a load balancer, a data store.
belongs(interface) := "lb" if startswith(object.get(interface, "Description", ""), "ELB ")

belongs(interface) := "db" if data_store(object.get(interface, "Description", ""))

data_store(description) if description == "RDSNetworkInterface"

data_store(description) if startswith(description, "ElastiCache ")

data_store(description) if startswith(description, "EFS mount target")
