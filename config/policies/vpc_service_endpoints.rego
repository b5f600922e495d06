# METADATA
# title: Private subnets reach S3 by a gateway endpoint whose policy is narrowed
# description: >-
#   The endpoint is in the route table of every subnet that no internet gateway serves, and its policy is not
#   the one that lets everyone do everything. Shared VPCs are judged where they belong.
# custom:
#   version: 2
#   scope: region
#   severity: low
#   criteria: [CC6.6, CC6.7]
#   inputs:
#     vpc.vpcs:
#       DescribeVpcs: [Vpcs.VpcId, Vpcs.OwnerId]
#     vpc.endpoints:
#       DescribeVpcEndpoints: [VpcEndpoints.VpcEndpointId, VpcEndpoints.VpcId, VpcEndpoints.ServiceName, VpcEndpoints.VpcEndpointType]
#     vpc.subnets:
#       DescribeSubnets: [Subnets.SubnetId, Subnets.VpcId]
#     vpc.route-tables:
#       DescribeRouteTables: [RouteTables.RouteTableId, RouteTables.VpcId, RouteTables.Routes]
#   parameters:
#     services:
#       description: services that need a gateway endpoint, s3 and dynamodb
#       kind: texts
#       default: ["s3"]
#   remediation: Create the endpoint, add it to the route tables, and name the buckets that it may reach.
#   references: [https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html]
#   also:
#     securityhub: [EC2.10]
#     config: [service-vpc-endpoint-enabled]
package evidenced.checks.vpc_service_endpoints

vpcs := data.lib.evidence.entries("vpc.vpcs", "DescribeVpcs", "Vpcs")

endpoints := data.lib.evidence.entries("vpc.endpoints", "DescribeVpcEndpoints", "VpcEndpoints")

subjects contains vpc.value.VpcId if some vpc in vpcs

# Route tables of the subnets that no internet gateway serves.
private(vpc) := {table.value.RouteTableId |
	some subnet in data.lib.routes.subnets
	subnet.value.VpcId == vpc
	table := data.lib.routes.table_of(subnet.value)
	data.lib.routes.class(table.value) != "public"
}

serving(vpc, service) := [endpoint |
	some endpoint in endpoints
	endpoint.value.VpcId == vpc
	endpoint.value.VpcEndpointType == "Gateway"
	lower(object.get(endpoint.value, "State", "available")) == "available"
	endpoint.value.ServiceName == concat(".", ["com.amazonaws", input.region, service])
]

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId != input.account
	finding := made(vpc, "not-applicable", concat("", ["is shared by ", vpc.value.OwnerId, " and is judged there"]), [])
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	count(private(vpc.value.VpcId)) == 0
	finding := made(vpc, "not-applicable", "has no private subnet", [])
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	some service in input.parameters.services
	tables := {table | some endpoint in serving(vpc.value.VpcId, service); some table in endpoint.value.RouteTableIds}
	missing := sort([table | some table in private(vpc.value.VpcId); not table in tables])
	count(missing) > 0
	finding := made(vpc, "fail", concat("", ["no gateway endpoint for ", service, " in ", concat(", ", missing)]), [])
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	some service in input.parameters.services
	some endpoint in serving(vpc.value.VpcId, service)
	open(json.unmarshal(endpoint.value.PolicyDocument))
	why := concat("", [endpoint.value.VpcEndpointId, " lets everyone do everything"])
	finding := made(vpc, "fail", why, [concat("/", [endpoint.at, "PolicyDocument"])])
}

findings contains finding if {
	some vpc in vpcs
	vpc.value.OwnerId == input.account
	some service in input.parameters.services
	some endpoint in serving(vpc.value.VpcId, service)
	not endpoint.value.PolicyDocument
	finding := made(vpc, "unknown", concat(" ", [endpoint.value.VpcEndpointId, "does not show its policy"]), [endpoint.at])
}

open(policy) if {
	some statement in listed(policy.Statement)
	statement.Effect == "Allow"
	everyone(statement.Principal)
	"*" in listed(statement.Action)
	"*" in listed(statement.Resource)
	count(object.get(statement, "Condition", {})) == 0
}

everyone(principal) if principal == "*"

everyone(principal) if "*" in listed(principal.AWS)

listed(value) := value if is_array(value)

listed(value) := [value] if not is_array(value)

made(vpc, status, why, pointers) := {"subject": vpc.value.VpcId, "status": status, "reason": why, "pointers": array.concat([vpc.at], pointers)}
