# METADATA
# title: AWS Config records every resource type in the region
# description: >-
#   A recorder that records, for every supported type, and delivers. What Config's rules say rests on it.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC7.2]
#   inputs:
#     config.compliance:
#       DescribeConfigurationRecorders: [ConfigurationRecorders.name]
#       DescribeConfigurationRecorderStatus: [ConfigurationRecordersStatus.name, ConfigurationRecordersStatus.recording]
#   remediation: Start a recorder for all supported types with a delivery channel.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/config-controls.html#config-1]
#   also:
#     securityhub: [Config.1]
#     prowler: [config_recorder_all_regions_enabled]
package evidenced.checks.config_recorder_on

subjects := {input.region}

recorders := data.lib.evidence.entries("config.compliance", "DescribeConfigurationRecorders", "ConfigurationRecorders")

states := data.lib.evidence.entries("config.compliance", "DescribeConfigurationRecorderStatus", "ConfigurationRecordersStatus")

findings contains finding if {
	count(recorders) == 0
	finding := found("there is no configuration recorder", [])
}

findings contains finding if {
	some recorder in recorders
	not all_types(recorder.value)
	finding := found(concat(" ", ["recorder", recorder.value.name, "does not record every resource type"]), [recorder.at])
}

findings contains finding if {
	some recorder in recorders
	own := [state | some state in states; state.value.name == recorder.value.name]
	running := [state | some state in own; state.value.recording == true]
	count(running) == 0
	finding := found(concat(" ", ["recorder", recorder.value.name, "is not recording"]), [recorder.at])
}

findings contains finding if {
	some state in states
	state.value.recording == true
	last := object.get(state.value, "lastStatus", "never delivered")
	not last in {"SUCCESS", "Success", "PENDING", "Pending"}
	finding := found(concat(" ", ["the last delivery of recorder", state.value.name, "ended", last]), [state.at])
}

all_types(recorder) if recorder.recordingGroup.allSupported == true

all_types(recorder) if recorder.recordingGroup.recordingStrategy.useOnly == "ALL_SUPPORTED_RESOURCE_TYPES"

found(why, pointers) := {"subject": input.region, "status": "fail", "reason": why, "pointers": pointers}
