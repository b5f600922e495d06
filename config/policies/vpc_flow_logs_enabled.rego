# METADATA
# title: Every VPC is watched by flow logs
# description: >-
#   A live log on the VPC, or one on each of its subnets: all traffic (the profile aws takes rejected traffic
#   too), delivery that works, and source, destination, ports, protocol and action in its format. When the log
#   began is part of the row.
# custom:
#   version: 1
#   scope: region
#   severity: high
#   criteria: [CC7.2]
#   inputs:
#     vpc.vpcs:
#       DescribeVpcs: [Vpcs.VpcId, Vpcs.OwnerId]
#     vpc.flow-logs:
#       DescribeFlowLogs: [FlowLogs.FlowLogId, FlowLogs.ResourceId, FlowLogs.FlowLogStatus, FlowLogs.TrafficType]
#     vpc.subnets:
#       DescribeSubnets: [Subnets.SubnetId, Subnets.VpcId]
#   parameters:
#     traffic:
#       description: traffic types that count
#       kind: texts
#       guide: ["ALL"]
#       aws: ["ALL", "REJECT"]
#     fields:
#       description: fields that the format must have
#       kind: texts
#       default: ["srcaddr", "dstaddr", "srcport", "dstport", "protocol", "action"]
#   remediation: Create a flow log on the VPC for all traffic, and alarm on its delivery.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-6]
#   also:
#     securityhub: [EC2.6]
#     config: [VPC_FLOW_LOGS_ENABLED]
#     prowler: [vpc_flow_logs_enabled]
package evidenced.checks.vpc_flow_logs_enabled

vpcs := data.lib.evidence.entries("vpc.vpcs", "DescribeVpcs", "Vpcs")

subnets := data.lib.evidence.entries("vpc.subnets", "DescribeSubnets", "Subnets")

logs := data.lib.evidence.entries("vpc.flow-logs", "DescribeFlowLogs", "FlowLogs")

subjects contains vpc.value.VpcId if some vpc in vpcs

# What keeps a flow log from counting.
defects(log) := [why |
	some part in [traffic(log), status(log), delivery(log), format(log)]
	some why in part
]

traffic(log) := [concat(" ", ["records", log.TrafficType, "only"]) | not log.TrafficType in input.parameters.traffic]

status(log) := [concat(" ", ["is", log.FlowLogStatus]) | log.FlowLogStatus != "ACTIVE"]

delivery(log) := ["could not deliver" | object.get(log, "DeliverLogsStatus", "SUCCESS") == "FAILED"]

# A log without a format has AWS's own, which has them all.
format(log) := [] if not log.LogFormat

format(log) := [concat(" ", ["leaves out", field]) |
	some field in input.parameters.fields
	not contains(log.LogFormat, concat("", ["${", field, "}"]))
] if log.LogFormat

good(resource) := [log | some log in logs; log.value.ResourceId == resource; count(defects(log.value)) == 0]

covered(vpc) if count(good(vpc)) > 0

covered(vpc) if {
	own := [subnet.value.SubnetId | some subnet in subnets; subnet.value.VpcId == vpc]
	count(own) > 0
	every subnet in own {
		count(good(subnet)) > 0
	}
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId != input.account
	finding := {
		"subject": vpc.value.VpcId,
		"status": "not-applicable",
		"reason": concat("", ["is shared by ", vpc.value.OwnerId, " and is judged there"]),
	}
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	not covered(vpc.value.VpcId)
	own := [log | some log in logs; log.value.ResourceId == vpc.value.VpcId]
	faults := [text | some log in own; text := concat(" ", [log.value.FlowLogId, concat(" and ", defects(log.value))])]
	finding := {
		"subject": vpc.value.VpcId,
		"status": "fail",
		"reason": concat("", ["no flow log counts", {true: "", false: ": "}[count(faults) == 0], concat("; ", sort(faults))]),
		"observed": count(own),
		"expected": {"traffic": input.parameters.traffic, "status": "ACTIVE", "fields": input.parameters.fields},
		"pointers": [log.at | some log in own],
	}
}

# When a log began is what the period's report asks: before that the VPC was not watched.
findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	some log in good(vpc.value.VpcId)
	finding := {
		"subject": vpc.value.VpcId,
		"status": "pass",
		"reason": concat(" ", [log.value.FlowLogId, "records", log.value.TrafficType, "since", object.get(log.value, "CreationTime", "an unknown time")]),
		"observed": {"id": log.value.FlowLogId, "since": object.get(log.value, "CreationTime", null)},
		"pointers": [log.at],
	}
}
