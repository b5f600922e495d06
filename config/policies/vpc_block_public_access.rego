# METADATA
# title: VPC Block Public Access is on in the region
# description: >-
#   The region's own switch for internet gateways. It is asked for under the profile aws; under guide, where
#   load balancers face the internet, its mode is recorded.
# custom:
#   version: 1
#   scope: region
#   severity: low
#   criteria: [CC6.6]
#   inputs:
#     vpc.vpcs:
#       DescribeVpcBlockPublicAccessOptions: [VpcBlockPublicAccessOptions.InternetGatewayBlockMode]
#   parameters:
#     required:
#       description: whether off fails
#       kind: boolean
#       guide: false
#       aws: true
#     modes:
#       description: modes that pass
#       kind: texts
#       default: ["block-bidirectional", "block-ingress"]
#   remediation: Set the block mode, with exclusions for the VPCs that face the internet.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-172]
#   also:
#     securityhub: [EC2.172]
#     prowler: [vpc_block_public_access_restrict_internet_gateway_traffic]
package evidenced.checks.vpc_block_public_access

subjects := {input.region}

options := [call.value.output.VpcBlockPublicAccessOptions |
	some call in data.lib.evidence.calls("vpc.vpcs", "DescribeVpcBlockPublicAccessOptions")
]

mode := options[0].InternetGatewayBlockMode

findings contains finding if {
	not mode in input.parameters.modes
	input.parameters.required
	finding := {
		"subject": input.region,
		"status": "fail",
		"reason": concat("", ["block public access is ", mode]),
		"observed": mode,
		"expected": input.parameters.modes,
	}
}

findings contains finding if {
	not mode in input.parameters.modes
	not input.parameters.required
	finding := {
		"subject": input.region,
		"status": "not-applicable",
		"reason": concat("", ["block public access is ", mode, " and is not asked for"]),
		"observed": mode,
	}
}
