# Load balancers, listeners and their rules.
package lib.listeners

balancers := data.lib.evidence.entries("elb.load-balancers", "DescribeLoadBalancers", "LoadBalancers")

all := data.lib.evidence.entries("elb.load-balancers", "DescribeListeners", "Listeners")

rules_asked := data.lib.evidence.calls("elb.load-balancers", "DescribeRules")

# Calls that answered with the rules of a listener.
answered(listener) := [call |
	some call in rules_asked
	call.value.parameters.ListenerArn == listener.ListenerArn
	call.value.output.Rules
]

# Ports on which a load balancer speaks HTTPS; 443 is one that it may.
secure_ports(balancer) := {"443"} | {port |
	some listener in all
	listener.value.LoadBalancerArn == balancer
	listener.value.Protocol == "HTTPS"
	port := format_int(listener.value.Port, 10)
}

# What is wrong with the rules of an HTTP listener: {rule, at, why}.
leaks(listener) := [leak |
	some call in answered(listener)
	some number
	rule := call.value.output.Rules[number]
	some action in rule.Actions
	why := wrong(action, secure_ports(listener.LoadBalancerArn))
	leak := {
		"rule": rule.RuleArn,
		"priority": rule.Priority,
		"at": concat("/", [call.at, "output", "Rules", format_int(number, 10)]),
		"why": why,
	}
]

wrong(action, _) := "forwards" if action.Type == "forward"

wrong(action, _) := "answers by itself" if {
	action.Type == "fixed-response"
	not input.parameters.fixed_response
}

wrong(action, _) := concat(" ", ["redirects to protocol", action.RedirectConfig.Protocol]) if {
	action.Type == "redirect"
	action.RedirectConfig.Protocol != "HTTPS"
}

wrong(action, _) := "redirects to no protocol of its own" if {
	action.Type == "redirect"
	not action.RedirectConfig.Protocol
}

wrong(action, ports) := concat(" ", ["redirects to port", port]) if {
	action.Type == "redirect"
	action.RedirectConfig.Protocol == "HTTPS"
	port := object.get(action.RedirectConfig, "Port", "#{port}")
	not port in ports
}

wrong(action, ports) := concat(" ", ["redirects with", status]) if {
	action.Type == "redirect"
	action.RedirectConfig.Protocol == "HTTPS"
	object.get(action.RedirectConfig, "Port", "#{port}") in ports
	status := object.get(action.RedirectConfig, "StatusCode", "no status")
	not status in {"HTTP_301", "HTTP_302"}
}

# Whether the rules of an HTTP listener are known and all redirect to HTTPS.
redirects(listener) if {
	count(answered(listener)) > 0
	count(leaks(listener)) == 0
}
