# METADATA
# title: Internet gateways are attached to authorised VPCs only
# description: >-
#   VPCs that may have an internet gateway are listed in the configuration; with an empty list every attached
#   gateway fails, as with AWS's own rule.
# custom:
#   version: 2
#   scope: region
#   severity: medium
#   criteria: [CC6.6]
#   inputs:
#     vpc.gateways:
#       DescribeInternetGateways: [InternetGateways.InternetGatewayId, InternetGateways.Attachments]
#   parameters:
#     vpcs:
#       description: ids of VPCs that may have an internet gateway
#       kind: texts
#       default: []
#   remediation: Detach the gateway, or list the VPC in [checks.params.igw_authorised_vpc_only].
#   references: [https://docs.aws.amazon.com/config/latest/developerguide/internet-gateway-authorized-vpc-only.html]
#   also:
#     config: [internet-gateway-authorized-vpc-only]
package evidenced.checks.igw_authorised_vpc_only

all := data.lib.evidence.entries("vpc.gateways", "DescribeInternetGateways", "InternetGateways")

subjects contains gateway.value.InternetGatewayId if some gateway in all

findings contains finding if some finding in data.lib.shared.findings(all, "InternetGatewayId")

findings contains finding if {
	some gateway in data.lib.shared.own(all)
	some attachment in gateway.value.Attachments
	attachment.State in {"available", "attached", "attaching"}
	not attachment.VpcId in input.parameters.vpcs
	finding := {
		"subject": gateway.value.InternetGatewayId,
		"status": "fail",
		"reason": concat("", ["is attached to ", attachment.VpcId, ", which is not listed as having the internet"]),
		"observed": attachment.VpcId,
		"expected": input.parameters.vpcs,
		"pointers": [concat("/", [gateway.at, "Attachments"])],
	}
}
