# METADATA
# title: The region has no default VPC
# description: >-
#   A default VPC has public subnets and an internet gateway that nobody decided on; there is one in every
#   region that an account enables. One row per region.
# custom:
#   version: 2
#   scope: region
#   severity: low
#   criteria: [CC6.6]
#   inputs:
#     vpc.vpcs:
#       DescribeVpcs: [Vpcs.VpcId, Vpcs.IsDefault]
#     vpc.network-interfaces:
#       DescribeNetworkInterfaces: resolved
#   remediation: Delete the default VPC where nothing is in it; otherwise move what is in it first.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html]
#   also:
#     cloud-audit: [aws-vpc-001]
#     auditkit: [CheckDefaultVPC]
package evidenced.checks.vpc_no_default

subjects := {input.region}

listed := data.lib.evidence.entries("vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces")

# How many are in it, or that they were not read: the default VPC fails either way.
interfaces(vpc) := format_int(count([1 | some interface in listed; interface.value.VpcId == vpc]), 10) if read

interfaces(_) := "not read" if not read

read if {
	some call in data.lib.evidence.calls("vpc.network-interfaces", "DescribeNetworkInterfaces")
	call.value.output
}

findings contains finding if {
	some vpc in data.lib.evidence.entries("vpc.vpcs", "DescribeVpcs", "Vpcs")
	vpc.value.IsDefault == true
	attached := interfaces(vpc.value.VpcId)
	finding := {
		"subject": input.region,
		"status": "fail",
		"reason": concat("", [vpc.value.VpcId, " is the default VPC; network interfaces in it: ", attached]),
		"observed": {"vpc": vpc.value.VpcId, "networkInterfaces": attached},
		"expected": "no default VPC",
		"pointers": [vpc.at],
	}
}
