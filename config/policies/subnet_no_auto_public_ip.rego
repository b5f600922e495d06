# METADATA
# title: Subnets do not give out public addresses by themselves
# description: >-
#   Neither public IPv4 addresses at launch nor IPv6 addresses at creation. Subnets that another account shares are
#   judged there.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.subnets:
#       DescribeSubnets: [Subnets.SubnetId, Subnets.MapPublicIpOnLaunch, Subnets.AssignIpv6AddressOnCreation]
#   remediation: Switch the attribute off and give addresses to the resources that need one.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-15]
#   also:
#     securityhub: [EC2.15]
#     config: [subnet-auto-assign-public-ip-disabled]
#     prowler: [vpc_subnet_no_public_ip_by_default]
package evidenced.checks.subnet_no_auto_public_ip

all := data.lib.evidence.entries("vpc.subnets", "DescribeSubnets", "Subnets")

subjects contains subnet.value.SubnetId if some subnet in all

findings contains finding if some finding in data.lib.shared.findings(all, "SubnetId")

findings contains finding if {
	some subnet in data.lib.shared.own(all)
	some field in ["MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"]
	subnet.value[field] == true
	finding := {
		"subject": subnet.value.SubnetId,
		"status": "fail",
		"reason": concat("", ["whatever starts in the subnet gets a public address: ", field, " is true"]),
		"observed": {field: true},
		"expected": {field: false},
		"pointers": [concat("/", [subnet.at, field])],
	}
}
