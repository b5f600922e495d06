# METADATA
# title: Load balancers reach their targets encrypted
# description: >-
#   Target groups speak HTTPS, TLS or QUIC. Functions, load balancers behind load balancers and gateways are not
#   applicable. A design that ends TLS at the load balancer fails here: except it, with its reason.
# custom:
#   version: 1
#   scope: region
#   severity: low
#   criteria: [CC6.7]
#   inputs:
#     elb.load-balancers:
#       DescribeTargetGroups: [TargetGroups.TargetGroupArn, TargetGroups.TargetType]
#   parameters:
#     protocols:
#       description: protocols that pass
#       kind: texts
#       default: ["HTTPS", "TLS", "QUIC", "TCP_QUIC"]
#   remediation: Give the targets certificates and the group HTTPS, or except the group with the reason.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-22]
#   also:
#     securityhub: [ELB.22]
package evidenced.checks.lb_targets_encrypted

groups := data.lib.evidence.entries("elb.load-balancers", "DescribeTargetGroups", "TargetGroups")

subjects contains group.value.TargetGroupArn if some group in groups

exempt(group) := "leads to a function" if group.TargetType == "lambda"

exempt(group) := "leads to another load balancer" if group.TargetType == "alb"

exempt(group) := "carries packets of a gateway" if object.get(group, "Protocol", "") == "GENEVE"

exempt(group) := "is behind no load balancer" if {
	count(object.get(group, "LoadBalancerArns", [])) == 0
	not group.TargetType in {"lambda", "alb"}
	object.get(group, "Protocol", "") != "GENEVE"
}

findings contains finding if {
	some group in groups
	why := exempt(group.value)
	finding := {"subject": group.value.TargetGroupArn, "status": "not-applicable", "reason": why, "pointers": [group.at]}
}

findings contains finding if {
	some group in groups
	not exempt(group.value)
	protocol := object.get(group.value, "Protocol", "no protocol")
	not protocol in input.parameters.protocols
	finding := {
		"subject": group.value.TargetGroupArn,
		"status": "fail",
		"reason": concat(" ", ["targets are reached by", protocol]),
		"observed": protocol,
		"expected": input.parameters.protocols,
		"pointers": [group.at],
	}
}
