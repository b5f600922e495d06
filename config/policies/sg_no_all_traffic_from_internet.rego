# METADATA
# title: No security group lets all traffic in from the internet
# description: >-
#   Any protocol, or every TCP or every UDP port (0-65535 or 1-65535), from sources that together are the
#   internet.
# custom:
#   version: 2
#   scope: region
#   severity: critical
#   criteria: [CC6.6]
#   inputs:
#     vpc.security-groups:
#       DescribeSecurityGroups: [SecurityGroups.GroupId, SecurityGroups.IpPermissions, SecurityGroups.IpPermissions.IpProtocol]
#       GetManagedPrefixListEntries: resolved
#   remediation: Replace the rule by one for the port that is needed.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-18]
#   also:
#     prowler: [ec2_securitygroup_allow_ingress_from_internet_to_all_ports]
#     scoutsuite: [ec2-security-group-opens-all-ports-to-all]
package evidenced.checks.sg_no_all_traffic_from_internet

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

findings contains finding if {
	some group in data.lib.groups.suspects
	some protocol in ["tcp", "udp"]
	wide := [rule | some rule in group.value.IpPermissions; everything(rule, protocol)]
	data.lib.groups.from_internet(wide)
	texts := [data.lib.groups.text(rule) | some rule in wide]
	finding := {
		"subject": group.value.GroupId,
		"status": "fail",
		"reason": concat("", ["lets the internet in on every ", protocol, " port: ", concat("; ", texts)]),
		"observed": texts,
		"expected": "no rule with every port from the internet",
	}
}

findings contains finding if {
	some protocol in ["tcp", "udp"]
	some finding in data.lib.groups.unresolved(protocol, [1])
}

everything(rule, _) if rule.IpProtocol == "-1"

everything(rule, protocol) if {
	rule.IpProtocol in data.lib.groups.numbers[protocol]
	object.get(rule, "FromPort", 0) <= 1
	object.get(rule, "ToPort", 65535) == 65535
}
