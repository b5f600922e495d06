# METADATA
# title: Application load balancers that face the internet have a web ACL
# description: >-
#   What each web ACL protects is asked for load balancers by type. Internal ones are reported and do not fail;
#   network and gateway load balancers carry none.
# custom:
#   version: 2
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     elb.load-balancers:
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.Type, LoadBalancers.LoadBalancerName]
#     waf.web-acls:
#       ListWebACLs: [WebACLs.ARN]
#       ListResourcesForWebACL: resolved
#   parameters:
#     internal:
#       description: whether internal load balancers need one too
#       kind: boolean
#       default: false
#   remediation: Associate a web ACL with the load balancer.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-16]
#   also:
#     securityhub: [ELB.16]
#     prowler: [elbv2_waf_acl_attached]
package evidenced.checks.alb_has_waf

subjects contains balancer.value.LoadBalancerArn if some balancer in data.lib.listeners.balancers

asked := [call |
	some call in data.lib.evidence.calls("waf.web-acls", "ListResourcesForWebACL")
	call.value.parameters.ResourceType == "APPLICATION_LOAD_BALANCER"
]

protected(balancer) if {
	some call in asked
	balancer in call.value.output.ResourceArns
}

# Web ACLs of which it is not known what they protect.
silent := [acl.value |
	some acl in data.lib.evidence.entries("waf.web-acls", "ListWebACLs", "WebACLs")
	not answered(acl.value.ARN)
]

answered(arn) if {
	some call in asked
	call.value.parameters.WebACLArn == arn
	not call.value.error
}

bare := [balancer |
	some balancer in data.lib.listeners.balancers
	balancer.value.Type == "application"
	not protected(balancer.value.LoadBalancerArn)
]

exempt(balancer) if {
	balancer.Scheme == "internal"
	not input.parameters.internal
}

findings contains finding if {
	some balancer in bare
	balancer.value.Scheme
	not exempt(balancer.value)
	count(silent) == 0
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "fail",
		"reason": concat("", [balancer.value.Scheme, " load balancer ", balancer.value.LoadBalancerName, " has no web ACL"]),
		"expected": "a web ACL",
		"pointers": [balancer.at],
	}
}

findings contains finding if {
	some balancer in bare
	some acl in silent
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "unknown",
		"reason": concat(" ", ["what", acl.ARN, "protects could not be read"]),
		"pointers": [balancer.at],
	}
}

# Gateway load balancers have no scheme; an application load balancer without one cannot be judged.
findings contains finding if {
	some balancer in bare
	not balancer.value.Scheme
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "unknown",
		"reason": "has no web ACL and does not say whether it faces the internet",
		"pointers": [balancer.at],
	}
}

findings contains finding if {
	some balancer in data.lib.listeners.balancers
	balancer.value.Type != "application"
	finding := na(balancer, concat(" ", [balancer.value.Type, "load balancers carry no web ACL"]))
}

findings contains finding if {
	some balancer in bare
	exempt(balancer.value)
	count(silent) == 0
	finding := na(balancer, "is internal and has no web ACL")
}

na(balancer, why) := {"subject": balancer.value.LoadBalancerArn, "status": "not-applicable", "reason": why, "pointers": [balancer.at]}
