# METADATA
# title: Load balancers write access logs
# description: >-
#   Application and network load balancers, to a bucket.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC7.2]
#   inputs:
#     elb.load-balancers:
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.Type]
#       DescribeLoadBalancerAttributes: []
#   remediation: Switch access logs on, to a bucket that the log-delivery service may write.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-5]
#   also:
#     securityhub: [ELB.5]
#     prowler: [elbv2_logging_enabled]
package evidenced.checks.lb_access_logs

subjects contains balancer.value.LoadBalancerArn if some balancer in data.lib.listeners.balancers

attributes(balancer) := object.get(answers, balancer, [])

answers := {balancer: [call] |
	some call in data.lib.evidence.calls("elb.load-balancers", "DescribeLoadBalancerAttributes")
	call.value.output.Attributes
	balancer := call.value.parameters.LoadBalancerArn
}

logged(balancer) if {
	some call in attributes(balancer)
	some attribute in call.value.output.Attributes
	attribute.Key == "access_logs.s3.enabled"
	attribute.Value == "true"
}

findings contains finding if {
	some balancer in data.lib.listeners.balancers
	balancer.value.Type == "gateway"
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "not-applicable",
		"reason": "gateway load balancers have no access logs",
	}
}

findings contains finding if {
	some balancer in data.lib.listeners.balancers
	balancer.value.Type != "gateway"
	some call in attributes(balancer.value.LoadBalancerArn)
	not logged(balancer.value.LoadBalancerArn)
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "fail",
		"reason": "access logs are off",
		"expected": "access_logs.s3.enabled is true",
		"pointers": [concat("/", [call.at, "output", "Attributes"])],
	}
}

findings contains finding if {
	some balancer in data.lib.listeners.balancers
	balancer.value.Type != "gateway"
	count(attributes(balancer.value.LoadBalancerArn)) == 0
	finding := {
		"subject": balancer.value.LoadBalancerArn,
		"status": "unknown",
		"reason": "its attributes were not read",
	}
}
