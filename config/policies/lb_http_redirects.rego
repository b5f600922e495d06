# METADATA
# title: Application load balancers redirect HTTP to HTTPS
# description: >-
#   Every rule of every HTTP listener, the default one and the others, must redirect to HTTPS on a port that
#   speaks it. One forward fails the load balancer, whatever its other rules do. A load balancer without an HTTP
#   listener passes.
# custom:
#   version: 3
#   scope: region
#   severity: high
#   criteria: [CC6.7]
#   inputs:
#     elb.load-balancers:
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.Type]
#       DescribeListeners: [Listeners.ListenerArn, Listeners.LoadBalancerArn]
#       DescribeRules: resolved
#   parameters:
#     fixed_response:
#       description: "whether an HTTP listener may answer by itself: nothing is forwarded"
#       kind: boolean
#       guide: true
#       aws: false
#   remediation: Make every rule of the HTTP listener a redirect to HTTPS port 443, or delete the listener.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-1]
#   also:
#     securityhub: [ELB.1]
#     config: [ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK]
#     prowler: [elbv2_ssl_listeners]
package evidenced.checks.lb_http_redirects

application := [balancer | some balancer in data.lib.listeners.balancers; balancer.value.Type == "application"]

subjects contains balancer.value.LoadBalancerArn if some balancer in application

plain := [listener | some listener in data.lib.listeners.all; listener.value.Protocol == "HTTP"]

findings contains finding if {
	some listener in plain
	some leak in data.lib.listeners.leaks(listener.value)
	finding := {
		"subject": listener.value.LoadBalancerArn,
		"status": "fail",
		"reason": concat("", [
			"HTTP port ", port(listener.value), ": rule ", leak.priority, " (", leak.rule, ") ", leak.why,
		]),
		"observed": leak.why,
		"expected": "redirect by 301 or 302 to HTTPS on a port that has it",
		"pointers": [listener.at, leak.at],
	}
}

findings contains finding if {
	some listener in plain
	count(data.lib.listeners.answered(listener.value)) == 0
	finding := {
		"subject": listener.value.LoadBalancerArn,
		"status": "unknown",
		"reason": concat("", ["HTTP port ", port(listener.value), ": its rules could not be read"]),
		"pointers": [listener.at],
	}
}

# Nothing is forwarded, and nothing redirects either: the row says so.
findings contains finding if {
	input.parameters.fixed_response
	some listener in plain
	some call in data.lib.listeners.answered(listener.value)
	some rule in call.value.output.Rules
	some action in rule.Actions
	action.Type == "fixed-response"
	finding := {
		"subject": listener.value.LoadBalancerArn,
		"status": "pass",
		"reason": concat("", ["HTTP port ", port(listener.value), ": rule ", rule.Priority, " answers by itself, nothing is forwarded"]),
		"pointers": [listener.at],
	}
}

findings contains finding if {
	some listener in data.lib.listeners.silent
	listener.value.LoadBalancerArn in subjects
	finding := {
		"subject": listener.value.LoadBalancerArn,
		"status": "unknown",
		"reason": concat("", [listener.value.ListenerArn, " does not say what it speaks"]),
		"pointers": [listener.at],
	}
}

port(listener) := format_int(listener.Port, 10) if listener.Port

port(listener) := "not told" if not listener.Port
