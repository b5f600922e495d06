# The tier of a security group: what its tag says, else what its network interfaces belong to.
package lib.roles

# By group id: lb, app or db, or another name of the parameter `values`.
of_group[id] := role if some id, role in by_tag

of_group[id] := "lb" if {
	some id in attached.lb
	not by_tag[id]
}

of_group[id] := "db" if {
	some id in attached.db
	not by_tag[id]
	not id in attached.lb
}

of_group[id] := "app" if {
	some id in attached.app
	not by_tag[id]
	not id in attached.lb | attached.db
}

by_tag[group.GroupId] := role if {
	key := input.parameters.tag
	roles := of_value
	some call in data.lib.groups.answers
	some group in call.value.output.SecurityGroups
	some tag in group.Tags
	tag.Key == key
	role := roles[lower(tag.Value)]
}

# The tier that a value of the tag stands for.
of_value[value] := role if {
	some role, values in input.parameters.values
	some value in values
}

# Ids of listed groups by what their interfaces belong to.
attached[kind] := {member.GroupId |
	some interface in interfaces
	belongs(interface.value) == kind
	some member in interface.value.Groups
	member.GroupId in data.lib.groups.ids
} if some kind in ["lb", "app", "db"]

tagged(thing) := role if {
	some tag in object.get(thing, "Tags", [])
	tag.Key == input.parameters.tag
	role := of_value[lower(tag.Value)]
}

interfaces := data.lib.evidence.entries("vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces")

# What a network interface belongs to: a load balancer, a function, a data store.
belongs(interface) := "lb" if startswith(object.get(interface, "Description", ""), "ELB ")

belongs(interface) := "app" if interface.InterfaceType == "lambda"

belongs(interface) := "db" if data_store(object.get(interface, "Description", ""))

data_store(description) if description == "RDSNetworkInterface"

data_store(description) if startswith(description, "ElastiCache ")

data_store(description) if startswith(description, "EFS mount target")
