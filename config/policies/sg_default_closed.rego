# METADATA
# title: The default security group of every VPC has no rules
# description: >-
#   Any rule fails, the one among the members of the group and the one for all outbound traffic that AWS puts
#   there too. Default groups of unused VPCs have a row too.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.security-groups:
#       DescribeSecurityGroups: [SecurityGroups.GroupId, SecurityGroups.GroupName, SecurityGroups.VpcId, SecurityGroups.IpPermissions, SecurityGroups.IpPermissionsEgress]
#   remediation: Remove every rule of the default group and give resources groups of their own.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-2]
#   also:
#     securityhub: [EC2.2]
#     config: [vpc-default-security-group-closed]
#     prowler: [ec2_securitygroup_default_restrict_traffic]
package evidenced.checks.sg_default_closed

defaults := [group | some group in data.lib.groups.all; group.value.GroupName == "default"]

subjects contains group.value.GroupId if some group in defaults

findings contains finding if some finding in data.lib.shared.findings(defaults, "GroupId")

findings contains finding if {
	some group in data.lib.shared.own(defaults)
	inward := count(group.value.IpPermissions)
	outward := count(group.value.IpPermissionsEgress)
	inward + outward > 0
	finding := {
		"subject": group.value.GroupId,
		"status": "fail",
		"reason": concat("", [
			"the default group of ", group.value.VpcId, " has ", format_int(inward, 10), " rules in and ",
			format_int(outward, 10), " out",
		]),
		"observed": {"inbound": inward, "outbound": outward},
		"expected": "no rules",
	}
}
