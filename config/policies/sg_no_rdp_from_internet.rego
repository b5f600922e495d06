# METADATA
# title: No security group lets RDP in from the internet
# description: >-
#   As for SSH: the rules of each group are taken together, with ranges, any protocol, IPv4 and IPv6, prefix
#   lists and CIDRs that are the internet only together.
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
#       description: TCP ports of RDP
#       kind: ports
#       default: [3389]
#   remediation: Remove the rule, or name the addresses that need it; reach hosts by Session Manager instead.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-14]
#   also:
#     securityhub: [EC2.14, EC2.53, EC2.54]
#     config: [restricted-common-ports]
#     prowler: [ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_3389]
package evidenced.checks.sg_no_rdp_from_internet

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

findings contains finding if some finding in data.lib.groups.open("tcp", input.parameters.tcp)

findings contains finding if some finding in data.lib.groups.unresolved("tcp", input.parameters.tcp)
