# Load balancers, listeners and their rules.
package lib.listeners

balancers := data.lib.evidence.entries("elb.load-balancers", "DescribeLoadBalancers", "LoadBalancers")

all := data.lib.evidence.entries("elb.load-balancers", "DescribeListeners", "Listeners")

# What kind of load balancer each is, by ARN.
kinds[balancer.value.LoadBalancerArn] := balancer.value.Type if some balancer in balancers

# What a listener speaks; those of gateway load balancers need not say that it is GENEVE.
protocol(listener) := listener.Protocol if listener.Protocol

protocol(listener) := "GENEVE" if {
	not listener.Protocol
	kinds[listener.LoadBalancerArn] == "gateway"
}

# Listeners that do not say what they speak.
silent := [listener | some listener in all; not protocol(listener.value)]

# Calls that answered with the rules of a listener.
answered(listener) := object.get(answers, listener.ListenerArn, [])

answers := {listener: [call] |
	some call in data.lib.evidence.calls("elb.load-balancers", "DescribeRules")
	call.value.output.Rules
	listener := call.value.parameters.ListenerArn
}

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
	some why in faults(rule, secure_ports(listener.LoadBalancerArn))
	leak := {
		"rule": rule.RuleArn,
		"priority": rule.Priority,
		"at": concat("/", [call.at, "output", "Rules", format_int(number, 10)]),
		"why": why,
	}
]

# A rule ends in an action that redirects, or is at fault: one of a kind that nobody has told us of too.
faults(rule, ports) := {why | some action in rule.Actions; why := wrong(action, ports)} | {"ends in no action that is known" |
	ends := [1 | some action in rule.Actions; action.Type in {"redirect", "forward", "fixed-response"}]
	count(ends) == 0
}

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
