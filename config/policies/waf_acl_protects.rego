# METADATA
# title: Web ACLs apply the managed rule groups and block
# description: >-
#   The managed groups of the parameter, each without an override to Count and without rules that are excluded
#   or softened to Count or Allow; groups of Firewall Manager count. The ACL protects something, and its metrics
#   and sampled requests are on. An Allow rule before the groups is unknown until it is named.
# custom:
#   version: 2
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     waf.web-acls:
#       ListWebACLs: [WebACLs.ARN]
#       GetWebACL: [WebACL.ARN, WebACL.Rules]
#       ListResourcesForWebACL: resolved
#   parameters:
#     groups:
#       description: managed rule groups of AWS that each ACL must apply
#       kind: texts
#       default: ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"]
#     allow_rules:
#       description: names of Allow rules that may come first
#       kind: texts
#       default: []
#   remediation: Add the managed groups without overrides, and associate the ACL.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/waf-controls.html#waf-10]
#   also:
#     securityhub: [WAF.10]
#     prowler: [wafv2_webacl_with_rules]
package evidenced.checks.waf_acl_protects

listed := data.lib.evidence.entries("waf.web-acls", "ListWebACLs", "WebACLs")

subjects contains acl.value.ARN if some acl in listed

acls := [{"at": concat("", [call.at, "/output/WebACL"]), "value": acl} |
	some call in data.lib.evidence.calls("waf.web-acls", "GetWebACL")
	acl := call.value.output.WebACL
]

findings contains finding if {
	some acl in acls
	some name in input.parameters.groups
	count(data.lib.web_acls.applying(acl.value, name)) == 0
	finding := found(acl, "fail", concat(" ", ["does not apply", name]))
}

findings contains finding if {
	some acl in acls
	some name in input.parameters.groups
	rules := data.lib.web_acls.applying(acl.value, name)
	count(rules) > 0
	count([rule | some rule in rules; data.lib.web_acls.blocks(rule)]) == 0
	weak := sort([text | some rule in rules; some text in data.lib.web_acls.softened(rule)])
	why := {true: " is in Count", false: concat(" ", [" is softened:", concat(", ", weak)])}[count(weak) == 0]
	finding := found(acl, "fail", concat("", [name, why]))
}

# What the row of an ACL that passes says: its default, and how each group is narrowed and pinned.
findings contains finding if {
	some acl in acls
	groups := [concat("", [name, data.lib.web_acls.version(rule), data.lib.web_acls.narrowed(rule)]) |
		some name in input.parameters.groups
		some rule in data.lib.web_acls.applying(acl.value, name)
	]
	default_action := concat(", ", [action | some action in ["Allow", "Block"]; acl.value.DefaultAction[action]])
	why := concat("", ["applies ", concat(", ", groups), "; its default action is ", default_action])
	finding := found(acl, "pass", why)
}

# An Allow that comes first lets requests past the groups; how many, its statement says and this check does not.
findings contains finding if {
	some acl in acls
	some rule in acl.value.Rules
	rule.Action.Allow
	not rule.Name in input.parameters.allow_rules
	some later in acl.value.Rules
	later.Statement.ManagedRuleGroupStatement.Name in input.parameters.groups
	rule.Priority < later.Priority
	finding := found(acl, "unknown", concat(" ", ["rule", rule.Name, "allows requests before the managed groups see them"]))
}

findings contains finding if {
	some acl in acls
	some field in ["SampledRequestsEnabled", "CloudWatchMetricsEnabled"]
	acl.value.VisibilityConfig[field] == false
	finding := found(acl, "fail", concat(" ", [field, "is false"]))
}

# What a web ACL for CloudFront protects is not asked of WAF.
findings contains finding if {
	input.region != "global"
	some acl in acls
	not data.lib.web_acls.in_use(acl.value.ARN)
	failed := [call | some call in data.lib.web_acls.resources(acl.value.ARN); call.value.error]
	known := count(data.lib.web_acls.resources(acl.value.ARN)) > 0
	status := {true: "fail", false: "unknown"}[data.lib.web_acls.known_all(known, failed)]
	why := {true: "protects no resource", false: "what it protects could not be read"}[data.lib.web_acls.known_all(known, failed)]
	finding := found(acl, status, why)
}

findings contains finding if {
	some acl in listed
	not acl.value.ARN in {described.value.ARN | some described in acls}
	finding := {"subject": acl.value.ARN, "status": "unknown", "reason": "was listed and not described"}
}

found(acl, status, why) := {
	"subject": acl.value.ARN,
	"status": status,
	"reason": why,
	"expected": input.parameters.groups,
	"pointers": [acl.at],
}
