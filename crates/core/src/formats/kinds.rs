//! The kinds of resources: in which answers they are listed, and what names one.
//!
//! One line per list call of the catalogue. Types have the names of `CloudFormation`, or names like them where it has
//! none. The id is what checks call the resource. An ARN is taken as AWS gave it; where a list leaves it out, it is
//! made in the form that AWS documents.

/// One list of resources in the evidence.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Type of the resources.
    pub(crate) name: &'static str,
    /// Operation that lists them.
    pub(crate) operation: &'static str,
    /// Member of the output that is the list.
    pub(crate) list: &'static str,
    /// Member of each entry that is the list, where they are one level further down.
    pub(crate) within: Option<&'static str>,
    /// Member that is the id.
    pub(crate) id: &'static str,
    /// Member that is the id where the first is absent.
    pub(crate) or: Option<&'static str>,
    /// Where the ARN is from.
    pub(crate) arn: Arn,
    /// Where the name is from.
    pub(crate) named: Named,
}

/// Where an ARN is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arn {
    /// This member.
    Member(&'static str),
    /// `arn:<partition>:ec2:<region>:<owner>:<this>/<id>`.
    Ec2(&'static str),
    /// `arn:<partition>:s3:::<id>`.
    Bucket,
    /// There is none.
    None,
}

/// Where a name is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// The tag `Name`.
    Tag,
    /// This member.
    Member(&'static str),
}

const fn ec2(
    name: &'static str,
    operation: &'static str,
    list: &'static str,
    id: &'static str,
    arn: &'static str,
) -> Kind {
    Kind { name, operation, list, within: None, id, or: None, arn: Arn::Ec2(arn), named: Named::Tag }
}

const fn listed(
    name: &'static str,
    operation: &'static str,
    list: &'static str,
    id: &'static str,
    arn: Arn,
    named: &'static str,
) -> Kind {
    Kind { name, operation, list, within: None, id, or: None, arn, named: Named::Member(named) }
}

/// Every kind: the place in this list is the place in the files.
#[rustfmt::skip]
pub(crate) static KINDS: &[Kind] = &[
    listed("AWS::Region", "DescribeRegions", "Regions", "RegionName", Arn::None, "RegionName"),
    ec2("AWS::EC2::VPC", "DescribeVpcs", "Vpcs", "VpcId", "vpc"),
    ec2("AWS::EC2::VPCBlockPublicAccessExclusion", "DescribeVpcBlockPublicAccessExclusions", "VpcBlockPublicAccessExclusions", "ExclusionId", "vpc-block-public-access-exclusion"),
    ec2("AWS::EC2::Subnet", "DescribeSubnets", "Subnets", "SubnetId", "subnet"),
    ec2("AWS::EC2::RouteTable", "DescribeRouteTables", "RouteTables", "RouteTableId", "route-table"),
    ec2("AWS::EC2::InternetGateway", "DescribeInternetGateways", "InternetGateways", "InternetGatewayId", "internet-gateway"),
    ec2("AWS::EC2::EgressOnlyInternetGateway", "DescribeEgressOnlyInternetGateways", "EgressOnlyInternetGateways", "EgressOnlyInternetGatewayId", "egress-only-internet-gateway"),
    ec2("AWS::EC2::NatGateway", "DescribeNatGateways", "NatGateways", "NatGatewayId", "natgateway"),
    ec2("AWS::EC2::VPCPeeringConnection", "DescribeVpcPeeringConnections", "VpcPeeringConnections", "VpcPeeringConnectionId", "vpc-peering-connection"),
    ec2("AWS::EC2::TransitGatewayAttachment", "DescribeTransitGatewayAttachments", "TransitGatewayAttachments", "TransitGatewayAttachmentId", "transit-gateway-attachment"),
    ec2("AWS::EC2::TransitGateway", "DescribeTransitGateways", "TransitGateways", "TransitGatewayId", "transit-gateway"),
    ec2("AWS::EC2::TransitGatewayRouteTable", "DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables", "TransitGatewayRouteTableId", "transit-gateway-route-table"),
    ec2("AWS::EC2::VPNConnection", "DescribeVpnConnections", "VpnConnections", "VpnConnectionId", "vpn-connection"),
    ec2("AWS::EC2::VPCEndpoint", "DescribeVpcEndpoints", "VpcEndpoints", "VpcEndpointId", "vpc-endpoint"),
    ec2("AWS::EC2::NetworkAcl", "DescribeNetworkAcls", "NetworkAcls", "NetworkAclId", "network-acl"),
    listed("AWS::EC2::SecurityGroup", "DescribeSecurityGroups", "SecurityGroups", "GroupId", Arn::Ec2("security-group"), "GroupName"),
    ec2("AWS::EC2::SecurityGroupRule", "DescribeSecurityGroupRules", "SecurityGroupRules", "SecurityGroupRuleId", "security-group-rule"),
    listed("AWS::EC2::PrefixList", "DescribeManagedPrefixLists", "PrefixLists", "PrefixListId", Arn::Member("PrefixListArn"), "PrefixListName"),
    Kind {
        name: "AWS::EC2::Instance", operation: "DescribeInstances", list: "Reservations", within: Some("Instances"),
        id: "InstanceId", or: None, arn: Arn::Ec2("instance"), named: Named::Tag,
    },
    ec2("AWS::EC2::NetworkInterface", "DescribeNetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId", "network-interface"),
    Kind {
        name: "AWS::EC2::EIP", operation: "DescribeAddresses", list: "Addresses", within: None,
        id: "AllocationId", or: Some("PublicIp"), arn: Arn::Ec2("elastic-ip"), named: Named::Tag,
    },
    ec2("AWS::EC2::FlowLog", "DescribeFlowLogs", "FlowLogs", "FlowLogId", "vpc-flow-log"),
    listed("AWS::WAFv2::WebACL", "ListWebACLs", "WebACLs", "ARN", Arn::Member("ARN"), "Name"),
    listed("AWS::ElasticLoadBalancingV2::LoadBalancer", "DescribeLoadBalancers", "LoadBalancers", "LoadBalancerArn", Arn::Member("LoadBalancerArn"), "LoadBalancerName"),
    listed("AWS::ElasticLoadBalancingV2::Listener", "DescribeListeners", "Listeners", "ListenerArn", Arn::Member("ListenerArn"), "Protocol"),
    listed("AWS::ElasticLoadBalancingV2::ListenerRule", "DescribeRules", "Rules", "RuleArn", Arn::Member("RuleArn"), "Priority"),
    listed("AWS::ElasticLoadBalancingV2::TargetGroup", "DescribeTargetGroups", "TargetGroups", "TargetGroupArn", Arn::Member("TargetGroupArn"), "TargetGroupName"),
    listed("AWS::CertificateManager::Certificate", "ListCertificates", "CertificateSummaryList", "CertificateArn", Arn::Member("CertificateArn"), "DomainName"),
    listed("AWS::Config::ConfigRule", "DescribeConfigRules", "ConfigRules", "ConfigRuleName", Arn::Member("ConfigRuleArn"), "ConfigRuleName"),
    listed("AWS::Config::ConfigurationRecorder", "DescribeConfigurationRecorders", "ConfigurationRecorders", "name", Arn::Member("arn"), "name"),
    listed("AWS::Config::DeliveryChannel", "DescribeDeliveryChannels", "DeliveryChannels", "name", Arn::None, "name"),
    listed("AWS::Config::ConformancePack", "DescribeConformancePacks", "ConformancePackDetails", "ConformancePackName", Arn::Member("ConformancePackArn"), "ConformancePackName"),
    listed("AWS::S3::Bucket", "ListBuckets", "Buckets", "Name", Arn::Bucket, "Name"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::catalogue;

    #[test]
    fn every_list_that_an_item_counts_is_a_kind() {
        // The bucket of the store is one that ListBuckets lists; its item counts the answer, not a resource.
        for item in catalogue().into_iter().filter(|item| item.id != "store.bucket") {
            for step in item.steps {
                for list in step.counted {
                    let known = |kind: &&Kind| kind.operation == step.operation && kind.list == *list;
                    assert!(KINDS.iter().any(|kind| known(&kind)), "{} {list}", step.operation);
                }
            }
        }
    }

    #[test]
    fn every_kind_is_listed_by_a_call_of_the_catalogue() {
        let items = catalogue();
        for kind in KINDS {
            let mut steps = items.iter().flat_map(|item| item.steps);
            assert!(steps.any(|step| step.operation == kind.operation), "{}", kind.operation);
        }
    }
}
