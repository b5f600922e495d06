# METADATA
# title: Web ACLs log what they see
# description: >-
#   A logging configuration with a destination, and no filter that drops everything. Web ACLs for CloudFront are
#   judged in the region global.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC7.2]
#   inputs:
#     waf.web-acls:
#       ListWebACLs: [WebACLs.ARN]
#       GetLoggingConfiguration: []
#   remediation: Switch logging on for the web ACL.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/waf-controls.html#waf-11]
#   also:
#     securityhub: [WAF.11]
#     config: [wafv2-logging-enabled]
#     prowler: [wafv2_webacl_logging_enabled]
package evidenced.checks.waf_logging_enabled

acls := data.lib.evidence.entries("waf.web-acls", "ListWebACLs", "WebACLs")

subjects contains acl.value.ARN if some acl in acls

answers(arn) := [call |
	some call in data.lib.evidence.calls("waf.web-acls", "GetLoggingConfiguration")
	call.value.parameters.ResourceArn == arn
	not call.value.error
]

findings contains finding if {
	some acl in acls
	some call in answers(acl.value.ARN)
	call.value.fact
	finding := found(acl, "fail", call.at, "has no logging")
}

findings contains finding if {
	some acl in acls
	some call in answers(acl.value.ARN)
	configuration := call.value.output.LoggingConfiguration
	count(object.get(configuration, "LogDestinationConfigs", [])) == 0
	finding := found(acl, "fail", call.at, "logs to no destination")
}

findings contains finding if {
	some acl in acls
	some call in answers(acl.value.ARN)
	filter := call.value.output.LoggingConfiguration.LoggingFilter
	filter.DefaultBehavior == "DROP"
	kept := [1 | some one in object.get(filter, "Filters", []); one.Behavior == "KEEP"]
	count(kept) == 0
	finding := found(acl, "fail", call.at, "its filter drops every record")
}

# What is logged says what it leaves out.
findings contains finding if {
	some acl in acls
	some call in answers(acl.value.ARN)
	configuration := call.value.output.LoggingConfiguration
	redacted := format_int(count(object.get(configuration, "RedactedFields", [])), 10)
	filters := format_int(count(object.get(object.get(configuration, "LoggingFilter", {}), "Filters", [])), 10)
	why := concat("", ["logs to ", concat(", ", object.get(configuration, "LogDestinationConfigs", [])), "; redacted fields ", redacted, ", filters ", filters])
	finding := found(acl, "pass", call.at, why)
}

findings contains finding if {
	some acl in acls
	count(answers(acl.value.ARN)) == 0
	finding := found(acl, "unknown", acl.at, "its logging was not read")
}

found(acl, status, at, why) := {"subject": acl.value.ARN, "status": status, "reason": why, "pointers": [at]}
