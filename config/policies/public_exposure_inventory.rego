# METADATA
# title: Public addresses are on load balancers and gateways only
# description: >-
#   The inventory of what the internet can address: internet-facing load balancers and network interfaces with a
#   public address, each with a row. An address elsewhere fails until it is authorised.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.network-interfaces:
#       DescribeNetworkInterfaces: [NetworkInterfaces.NetworkInterfaceId]
#     elb.load-balancers:
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.LoadBalancerName]
#   parameters:
#     types:
#       description: types of network interface that may have a public address
#       kind: texts
#       default: ["nat_gateway", "network_load_balancer", "global_accelerator_managed"]
#     authorised:
#       description: ids of network interfaces that may have one
#       kind: texts
#       default: []
#   remediation: Put the resource behind a load balancer, or authorise it by an exception.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-9]
#   also:
#     securityhub: [EC2.9]
#     prowler: [ec2_instance_public_ip, elbv2_internet_facing]
package evidenced.checks.public_exposure_inventory

balancers := data.lib.evidence.entries("elb.load-balancers", "DescribeLoadBalancers", "LoadBalancers")

facing := [balancer | some balancer in balancers; balancer.value.Scheme == "internet-facing"]

interfaces := [interface | some interface in data.lib.roles.interfaces; interface.value.Association.PublicIp]

subjects contains interface.value.NetworkInterfaceId if some interface in interfaces

subjects contains balancer.value.LoadBalancerArn if some balancer in facing

findings contains finding if {
	some balancer in facing
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "pass",
		"reason": concat("", ["load balancer ", balancer.value.LoadBalancerName, " faces the internet: an entry point"]),
		"pointers": [balancer.at],
	}
}

findings contains finding if {
	some interface in interfaces
	expected(interface.value)
	finding := {
		"subject": interface.value.NetworkInterfaceId,
		"status": "pass",
		"reason": concat("", [interface.value.Association.PublicIp, " belongs to a load balancer or a gateway"]),
		"pointers": [interface.at],
	}
}

findings contains finding if {
	some interface in interfaces
	not expected(interface.value)
	not interface.value.NetworkInterfaceId in input.parameters.authorised
	finding := {
		"subject": interface.value.NetworkInterfaceId,
		"status": "fail",
		"reason": concat("", [
			"has the public address ", interface.value.Association.PublicIp, " and belongs to neither a load balancer nor a gateway: ",
			object.get(interface.value, "Description", ""),
		]),
		"observed": interface.value.Association.PublicIp,
		"expected": "public addresses on load balancers and NAT gateways only",
		"pointers": [interface.at],
	}
}

expected(interface) if data.lib.roles.belongs(interface) == "lb"

expected(interface) if interface.InterfaceType in input.parameters.types
