# METADATA
# title: Listeners of load balancers are encrypted
# description: >-
#   HTTPS, TLS and QUIC pass. An HTTP listener that only redirects passes under guide and fails under aws. TCP
#   that goes through to TLS targets passes, other pass-through cannot be judged and is unknown.
# custom:
#   version: 3
#   scope: region
#   severity: high
#   criteria: [CC6.7]
#   inputs:
#     elb.load-balancers:
#       DescribeListeners: [Listeners.ListenerArn, Listeners.LoadBalancerArn]
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.Type]
#       DescribeRules: resolved
#       DescribeTargetGroups: []
#   parameters:
#     redirects_pass:
#       description: whether an HTTP listener that only redirects passes
#       kind: boolean
#       guide: true
#       aws: false
#     fixed_response:
#       description: "whether an HTTP listener may answer by itself: nothing is forwarded"
#       kind: boolean
#       guide: true
#       aws: false
#   remediation: Give the listener TLS and a certificate.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-18]
#   also:
#     securityhub: [ELB.18]
#     prowler: [elbv2_nlb_tls_termination_enabled]
package evidenced.checks.lb_listeners_encrypted

all := data.lib.listeners.all

subjects contains listener.value.ListenerArn if some listener in all

# Target groups that a TCP listener hands its connections to.
protocols(listener) := {group.value.Protocol |
	some group in data.lib.evidence.entries("elb.load-balancers", "DescribeTargetGroups", "TargetGroups")
	some action in listener.DefaultActions
	action.TargetGroupArn == group.value.TargetGroupArn
}

findings contains finding if {
	some listener in all
	listener.value.Protocol == "HTTP"
	not redirect_only(listener.value)
	finding := found(listener, http(listener.value), "speaks HTTP and does more than redirect")
}

findings contains finding if {
	some listener in all
	listener.value.Protocol == "HTTP"
	redirect_only(listener.value)
	finding := found(listener, "pass", "HTTP that redirects to HTTPS and does nothing else")
}

findings contains finding if {
	some listener in all
	data.lib.listeners.protocol(listener.value) == "GENEVE"
	finding := found(listener, "not-applicable", "GENEVE carries packets of a gateway and has no TLS")
}

findings contains finding if {
	some listener in all
	protocol := data.lib.listeners.protocol(listener.value)
	not protocol in {"HTTPS", "TLS", "QUIC", "HTTP", "GENEVE"}
	not passes_tls(listener.value)
	what := concat(" ", [protocol, "is passed through: whether it is encrypted does not show in the listener"])
	finding := found(listener, "unknown", what)
}

findings contains finding if {
	some listener in data.lib.listeners.silent
	finding := found(listener, "unknown", "does not say what it speaks")
}

passes_tls(listener) if {
	listener.Protocol == "TCP"
	protocols(listener) == {"TLS"}
}

redirect_only(listener) if {
	input.parameters.redirects_pass
	data.lib.listeners.redirects(listener)
}

http(listener) := "fail" if count(data.lib.listeners.answered(listener)) > 0

http(listener) := "fail" if not input.parameters.redirects_pass

http(listener) := "unknown" if {
	input.parameters.redirects_pass
	count(data.lib.listeners.answered(listener)) == 0
}

found(listener, status, why) := {
	"subject": listener.value.ListenerArn,
	"status": status,
	"reason": why,
	"observed": object.get(listener.value, "Protocol", null),
	"expected": "HTTPS, TLS or QUIC",
	"pointers": [listener.at],
}
