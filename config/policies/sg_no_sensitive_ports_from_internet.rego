# METADATA
# title: No security group lets the internet in on ports of databases, file shares, consoles and remote access
# description: >-
#   The dated list of sensitive ports (data/sensitive_ports.json), more ports and exceptions by parameters. The
#   rules of each group are taken together.
# custom:
#   version: 2
#   scope: region
#   severity: high
#   criteria: [CC6.6]
#   inputs:
#     vpc.security-groups:
#       DescribeSecurityGroups: [SecurityGroups.GroupId, SecurityGroups.IpPermissions, SecurityGroups.IpPermissions.IpProtocol]
#       GetManagedPrefixListEntries: resolved
#   parameters:
#     tcp:
#       description: more TCP ports
#       kind: ports
#       default: []
#     udp:
#       description: more UDP ports
#       kind: ports
#       default: []
#     except:
#       description: ports of the list that may be open
#       kind: ports
#       default: []
#   remediation: Remove the rule, or put the service behind a load balancer or a private address.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-19]
#   also:
#     securityhub: [EC2.19]
#     prowler: [ec2_securitygroup_allow_ingress_from_internet_to_high_risk_tcp_ports]
package evidenced.checks.sg_no_sensitive_ports_from_internet

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

ports[protocol] := {port |
	some port in array.concat(data.lists.sensitive_ports[protocol], input.parameters[protocol])
	not port in input.parameters.except
} if some protocol in ["tcp", "udp"]

findings contains finding if {
	some protocol in ["tcp", "udp"]
	some finding in data.lib.groups.open(protocol, sort(ports[protocol]))
}

findings contains finding if {
	some protocol in ["tcp", "udp"]
	some finding in data.lib.groups.unresolved(protocol, sort(ports[protocol]))
}
