# METADATA
# title: Transit gateways do not accept attachments by themselves
# description: >-
#   Of transit gateways that the account owns; shared ones are judged where they belong.
# custom:
#   version: 1
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     vpc.connections:
#       DescribeTransitGateways: [TransitGateways.TransitGatewayId, TransitGateways.OwnerId, TransitGateways.Options.AutoAcceptSharedAttachments]
#   remediation: Disable AutoAcceptSharedAttachments and accept attachments one by one.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-23]
#   also:
#     securityhub: [EC2.23]
#     prowler: [ec2_transitgateway_auto_accept_vpc_attachments]
package evidenced.checks.tgw_no_auto_accept

all := data.lib.evidence.entries("vpc.connections", "DescribeTransitGateways", "TransitGateways")

live := [gateway | some gateway in all; not gateway.value.State in {"deleted", "deleting"}]

subjects contains gateway.value.TransitGatewayId if some gateway in live

findings contains finding if {
	some gateway in live
	gateway.value.OwnerId == input.account
	gateway.value.Options.AutoAcceptSharedAttachments != "disable"
	finding := {
		"subject": gateway.value.TransitGatewayId,
		"status": "fail",
		"reason": "accepts attachments of other accounts by itself",
		"observed": gateway.value.Options.AutoAcceptSharedAttachments,
		"expected": "disable",
		"pointers": [concat("/", [gateway.at, "Options", "AutoAcceptSharedAttachments"])],
	}
}

findings contains finding if {
	some gateway in live
	gateway.value.OwnerId != input.account
	finding := {
		"subject": gateway.value.TransitGatewayId,
		"status": "not-applicable",
		"reason": concat("", ["belongs to ", gateway.value.OwnerId, " and is judged there"]),
	}
}
