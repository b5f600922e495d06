# METADATA
# title: The network rules of AWS Config are there
# description: >-
#   The seven managed rules of the guide, recognised by what they run and not by their name, active in the
#   region and with the guide's parameters.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC7.2]
#   inputs:
#     config.compliance:
#       DescribeConfigRules: [ConfigRules.ConfigRuleName, ConfigRules.Source.Owner, ConfigRules.ConfigRuleState]
#   parameters:
#     identifiers:
#       description: managed rules that must be there
#       kind: texts
#       default: ["VPC_FLOW_LOGS_ENABLED", "INCOMING_SSH_DISABLED", "RESTRICTED_INCOMING_TRAFFIC", "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS", "ALB_HTTP_TO_HTTPS_REDIRECTION_CHECK", "ACM_CERTIFICATE_EXPIRATION_CHECK", "ELB_TLS_HTTPS_LISTENERS_ONLY"]
#     values:
#       description: parameters that they must have
#       kind: rules
#       default:
#         - {"identifier": "VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS", "name": "authorizedTcpPorts", "value": "80,443"}
#         - {"identifier": "ACM_CERTIFICATE_EXPIRATION_CHECK", "name": "daysToExpiration", "value": "90"}
#   remediation: Deploy the rule in the region, as a conformance pack for all of them.
#   references: [https://docs.aws.amazon.com/config/latest/developerguide/managed-rules-by-aws-config.html]
package evidenced.checks.config_rules_present

rules := data.lib.evidence.entries("config.compliance", "DescribeConfigRules", "ConfigRules")

subjects contains identifier if some identifier in input.parameters.identifiers

# A rule is known by what it runs, not by its name.
active(identifier) := [rule |
	some rule in rules
	rule.value.Source.Owner == "AWS"
	rule.value.Source.SourceIdentifier == identifier
	rule.value.ConfigRuleState == "ACTIVE"
]

findings contains finding if {
	some identifier in input.parameters.identifiers
	count(active(identifier)) == 0
	finding := found(identifier, "no active rule runs it in the region", [])
}

findings contains finding if {
	some wanted in input.parameters.values
	some rule in active(wanted.identifier)
	given := json.unmarshal(object.get(rule.value, "InputParameters", "{}"))
	value := object.get(given, wanted.name, "not set")
	parts(shown(value)) != parts(wanted.value)
	why := concat("", [rule.value.ConfigRuleName, " has ", wanted.name, " ", shown(value), ", not ", wanted.value])
	finding := found(wanted.identifier, why, [rule.at])
}

# A list of values, in whatever order and with whatever blanks.
parts(text) := {part | some part in split(replace(text, " ", ""), ",")}

shown(value) := value if is_string(value)

shown(value) := format_int(value, 10) if is_number(value)

shown(value) := "what is neither text nor a number" if {
	not is_string(value)
	not is_number(value)
}

found(identifier, why, pointers) := {
	"subject": identifier,
	"status": "fail",
	"reason": why,
	"expected": [wanted | some wanted in input.parameters.values; wanted.identifier == identifier],
	"pointers": pointers,
}
