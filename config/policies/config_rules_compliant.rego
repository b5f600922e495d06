# METADATA
# title: AWS Config's network rules find everything compliant
# description: >-
#   The verdict of each managed network rule in the region. Insufficient data is split by the state of the
#   evaluation: never evaluated and failed evaluations are unknown, an empty scope is not applicable.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC6.6, CC7.2]
#   inputs:
#     config.compliance:
#       DescribeConfigRules: [ConfigRules.ConfigRuleName, ConfigRules.Source]
#       DescribeComplianceByConfigRule: [ComplianceByConfigRules.ConfigRuleName]
#       DescribeConfigRuleEvaluationStatus: [ConfigRulesEvaluationStatus.ConfigRuleName]
#       GetComplianceDetailsByConfigRule: []
#   parameters:
#     identifiers:
#       description: managed rules that are looked at
#       kind: texts
#       default: ["VPC_FLOW_LOGS_ENABLED", "INCOMING_SSH_DISABLED", "RESTRICTED_INCOMING_TRAFFIC", "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS", "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK", "ACM_CERTIFICATE_EXPIRATION_CHECK", "ELB_TLS_HTTPS_LISTENERS_ONLY"]
#   remediation: Mend the resources that the rule names.
#   references: [https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_view-compliance.html]
package evidenced.checks.config_rules_compliant

all := data.lib.evidence.entries("config.compliance", "DescribeConfigRules", "ConfigRules")

rules := [rule | some rule in all; rule.value.Source.SourceIdentifier in input.parameters.identifiers]

subjects contains rule.value.ConfigRuleName if some rule in rules

compliance(name) := [entry |
	some entry in data.lib.evidence.entries("config.compliance", "DescribeComplianceByConfigRule", "ComplianceByConfigRules")
	entry.value.ConfigRuleName == name
]

state(name) := [entry |
	some entry in data.lib.evidence.entries("config.compliance", "DescribeConfigRuleEvaluationStatus", "ConfigRulesEvaluationStatus")
	entry.value.ConfigRuleName == name
]

# Summaries cap their counts: the details have every resource.
failing(name) := [result.EvaluationResultIdentifier.EvaluationResultQualifier.ResourceId |
	some call in data.lib.evidence.calls("config.compliance", "GetComplianceDetailsByConfigRule")
	call.value.parameters.ConfigRuleName == name
	some result in call.value.output.EvaluationResults
	result.ComplianceType == "NON_COMPLIANT"
]

findings contains finding if {
	some rule in rules
	some entry in compliance(rule.value.ConfigRuleName)
	entry.value.Compliance.ComplianceType == "NON_COMPLIANT"
	found := failing(rule.value.ConfigRuleName)
	why := concat("", ["AWS Config finds resources that do not comply: ", format_int(count(found), 10)])
	finding := made(rule, "fail", why, [entry.at])
}

findings contains finding if {
	some rule in rules
	some status in state(rule.value.ConfigRuleName)
	status.value.LastErrorCode
	finding := made(rule, "unknown", concat(" ", ["its last evaluation ended in", status.value.LastErrorCode]), [status.at])
}

# INSUFFICIENT_DATA is three things: never evaluated, an error, or nothing in its scope.
findings contains finding if {
	some rule in rules
	some entry in compliance(rule.value.ConfigRuleName)
	entry.value.Compliance.ComplianceType == "INSUFFICIENT_DATA"
	done := [1 | some status in state(rule.value.ConfigRuleName); status.value.LastSuccessfulEvaluationTime]
	verdict := {true: "unknown", false: "not-applicable"}[count(done) == 0]
	why := {true: "was never evaluated", false: "was evaluated, and nothing is in its scope"}[count(done) == 0]
	finding := made(rule, verdict, why, [entry.at])
}

findings contains finding if {
	some rule in rules
	some entry in compliance(rule.value.ConfigRuleName)
	entry.value.Compliance.ComplianceType == "NOT_APPLICABLE"
	finding := made(rule, "not-applicable", "nothing is in its scope", [entry.at])
}

findings contains finding if {
	some rule in rules
	count(compliance(rule.value.ConfigRuleName)) == 0
	finding := made(rule, "unknown", "AWS Config names no compliance for it", [rule.at])
}

made(rule, status, why, pointers) := {
	"subject": rule.value.ConfigRuleName,
	"status": status,
	"reason": why,
	"observed": rule.value.Source.SourceIdentifier,
	"expected": "COMPLIANT",
	"pointers": pointers,
}
