# METADATA
# title: TLS listeners take strong protocols only
# description: >-
#   Under guide the policy's protocols, as DescribeSSLPolicies tells them, must be among TLSv1.2 and TLSv1.3;
#   under aws its name must be in the dated list of ELB.17. All HTTPS and TLS listeners.
# custom:
#   version: 3
#   scope: region
#   severity: high
#   criteria: [CC6.7]
#   inputs:
#     elb.load-balancers:
#       DescribeListeners: [Listeners.ListenerArn, Listeners.LoadBalancerArn]
#       DescribeLoadBalancers: [LoadBalancers.LoadBalancerArn, LoadBalancers.Type]
#       DescribeSSLPolicies: [SslPolicies.Name, SslPolicies.SslProtocols]
#   parameters:
#     by:
#       description: what is judged, protocols or names
#       kind: text
#       guide: "protocols"
#       aws: "names"
#     protocols:
#       description: protocols that pass
#       kind: texts
#       default: ["TLSv1.2", "TLSv1.3"]
#   remediation: Set the listener's policy to ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-17]
#   also:
#     securityhub: [ELB.17]
#     prowler: [elbv2_insecure_ssl_ciphers]
package evidenced.checks.lb_tls_policy_strong

secure := [listener | some listener in data.lib.listeners.all; listener.value.Protocol in {"HTTPS", "TLS"}]

policies := data.lib.evidence.entries("elb.load-balancers", "DescribeSSLPolicies", "SslPolicies")

subjects contains listener.value.ListenerArn if some listener in secure

subjects contains listener.value.ListenerArn if some listener in data.lib.listeners.silent

findings contains finding if {
	some listener in data.lib.listeners.silent
	finding := found(listener, "unknown", "does not say what it speaks", null)
}

described(name) := [policy.value.SslProtocols | some policy in policies; policy.value.Name == name]

findings contains finding if {
	some listener in secure
	input.parameters.by == "protocols"
	some protocols in described(listener.value.SslPolicy)
	weak := [protocol | some protocol in protocols; not protocol in input.parameters.protocols]
	count(weak) > 0
	finding := found(listener, "fail", concat("", [listener.value.SslPolicy, " allows ", concat(", ", weak)]), protocols)
}

findings contains finding if {
	some listener in secure
	input.parameters.by == "protocols"
	name := object.get(listener.value, "SslPolicy", "no policy")
	count(described(name)) == 0
	finding := found(listener, "unknown", concat(" ", [name, "is not described"]), name)
}

findings contains finding if {
	some listener in secure
	input.parameters.by == "names"
	name := object.get(listener.value, "SslPolicy", "no policy")
	not name in data.lists.elb17_policies.names
	finding := found(listener, "fail", concat(" ", [name, "is not in the list of ELB.17 of", data.lists.elb17_policies.date]), name)
}

# What passes says what it takes, with the ciphers that have no forward secrecy or no authenticated encryption.
findings contains finding if {
	some listener in secure
	some policy in policies
	policy.value.Name == listener.value.SslPolicy
	old := [cipher.Name | some cipher in object.get(policy.value, "Ciphers", []); not modern(cipher.Name)]
	noted := {true: "", false: concat("", ["; ciphers without forward secrecy or with CBC: ", format_int(count(old), 10)])}[count(old) == 0]
	why := concat("", [policy.value.Name, " takes ", concat(", ", policy.value.SslProtocols), noted])
	finding := found(listener, "pass", why, {"protocols": policy.value.SslProtocols, "oldCiphers": old})
}

# TLS 1.3 has no others.
modern(name) if startswith(name, "TLS_")

modern(name) if {
	startswith(name, "ECDHE-")
	contains(name, "-GCM-")
}

found(listener, status, why, observed) := {
	"subject": listener.value.ListenerArn,
	"status": status,
	"reason": why,
	"observed": observed,
	"expected": {"protocols": input.parameters.protocols, "by": input.parameters.by},
	"pointers": [listener.at],
}
