# METADATA
# title: No security group lets SSH in from the internet
# description: >-
#   The rules of each group are taken together: ranges that hold the port, any protocol, IPv4 and IPv6, prefix lists,
#   and CIDRs that are the internet only together (0.0.0.0/1 with 128.0.0.0/1). Unused groups have a row too.
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
#       description: TCP ports of SSH
#       kind: ports
#       default: [22]
#   remediation: Remove the rule, or name the addresses that need it; reach hosts by Session Manager instead.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-13]
#   also:
#     securityhub: [EC2.13, EC2.53, EC2.54]
#     config: [restricted-ssh, INCOMING_SSH_DISABLED]
#     prowler: [ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_22]
package evidenced.checks.sg_no_ssh_from_internet

subjects := data.lib.groups.ids

findings contains finding if some finding in data.lib.groups.foreign

findings contains finding if some finding in data.lib.groups.open("tcp", input.parameters.tcp)

findings contains finding if some finding in data.lib.groups.unresolved("tcp", input.parameters.tcp)
