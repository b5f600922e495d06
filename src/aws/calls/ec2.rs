//! Calls of EC2.

use aws_sdk_ec2::types::Filter;
use serde_json::Value;

use super::calls;
use crate::aws::parameters::{Read, flag, int, list, long, members, text, texts};

calls! {
    "ec2" Ec2 {
        DescribeRegions describe_regions {
            RegionNames set_region_names texts, AllRegions set_all_regions flag, Filters set_filters filters,
        }
        DescribeVpcs describe_vpcs {
            Filters set_filters filters, VpcIds set_vpc_ids texts, NextToken set_next_token text,
            MaxResults set_max_results int,
        }
        DescribeVpcBlockPublicAccessOptions describe_vpc_block_public_access_options {}
        DescribeVpcBlockPublicAccessExclusions describe_vpc_block_public_access_exclusions {
            Filters set_filters filters, ExclusionIds set_exclusion_ids texts, NextToken set_next_token text,
            MaxResults set_max_results int,
        }
        DescribeSubnets describe_subnets {
            Filters set_filters filters, SubnetIds set_subnet_ids texts, NextToken set_next_token text,
            MaxResults set_max_results int,
        }
        DescribeRouteTables describe_route_tables {
            NextToken set_next_token text, MaxResults set_max_results int,
            RouteTableIds set_route_table_ids texts, Filters set_filters filters,
        }
        DescribeInternetGateways describe_internet_gateways {
            NextToken set_next_token text, MaxResults set_max_results int,
            InternetGatewayIds set_internet_gateway_ids texts, Filters set_filters filters,
        }
        DescribeEgressOnlyInternetGateways describe_egress_only_internet_gateways {
            EgressOnlyInternetGatewayIds set_egress_only_internet_gateway_ids texts,
            MaxResults set_max_results int, NextToken set_next_token text, Filters set_filters filters,
        }
        DescribeNatGateways describe_nat_gateways {
            Filter set_filter filters, MaxResults set_max_results int,
            NatGatewayIds set_nat_gateway_ids texts, NextToken set_next_token text,
        }
        DescribeVpcPeeringConnections describe_vpc_peering_connections {
            NextToken set_next_token text, MaxResults set_max_results int,
            VpcPeeringConnectionIds set_vpc_peering_connection_ids texts, Filters set_filters filters,
        }
        DescribeTransitGatewayAttachments describe_transit_gateway_attachments {
            TransitGatewayAttachmentIds set_transit_gateway_attachment_ids texts,
            Filters set_filters filters, MaxResults set_max_results int, NextToken set_next_token text,
        }
        DescribeTransitGateways describe_transit_gateways {
            TransitGatewayIds set_transit_gateway_ids texts, Filters set_filters filters,
            MaxResults set_max_results int, NextToken set_next_token text,
        }
        DescribeTransitGatewayRouteTables describe_transit_gateway_route_tables {
            TransitGatewayRouteTableIds set_transit_gateway_route_table_ids texts,
            Filters set_filters filters, MaxResults set_max_results int, NextToken set_next_token text,
        }
        SearchTransitGatewayRoutes search_transit_gateway_routes {
            TransitGatewayRouteTableId set_transit_gateway_route_table_id text, Filters set_filters filters,
            MaxResults set_max_results int, NextToken set_next_token text,
        }
        DescribeVpnConnections describe_vpn_connections {
            Filters set_filters filters, VpnConnectionIds set_vpn_connection_ids texts,
        }
        DescribeVpcEndpoints describe_vpc_endpoints {
            VpcEndpointIds set_vpc_endpoint_ids texts, Filters set_filters filters,
            MaxResults set_max_results int, NextToken set_next_token text,
        }
        DescribeNetworkAcls describe_network_acls {
            NextToken set_next_token text, MaxResults set_max_results int,
            NetworkAclIds set_network_acl_ids texts, Filters set_filters filters,
        }
        DescribeSecurityGroups describe_security_groups {
            GroupIds set_group_ids texts, GroupNames set_group_names texts, NextToken set_next_token text,
            MaxResults set_max_results int, Filters set_filters filters,
        }
        DescribeSecurityGroupRules describe_security_group_rules {
            Filters set_filters filters, SecurityGroupRuleIds set_security_group_rule_ids texts,
            NextToken set_next_token text, MaxResults set_max_results int,
        }
        DescribeManagedPrefixLists describe_managed_prefix_lists {
            Filters set_filters filters, MaxResults set_max_results int, NextToken set_next_token text,
            PrefixListIds set_prefix_list_ids texts,
        }
        GetManagedPrefixListEntries get_managed_prefix_list_entries {
            PrefixListId set_prefix_list_id text, TargetVersion set_target_version long,
            MaxResults set_max_results int, NextToken set_next_token text,
        }
        DescribeStaleSecurityGroups describe_stale_security_groups {
            MaxResults set_max_results int, NextToken set_next_token text, VpcId set_vpc_id text,
        }
        DescribeInstances describe_instances {
            InstanceIds set_instance_ids texts, IncludeManagedResources set_include_managed_resources flag,
            Filters set_filters filters, NextToken set_next_token text, MaxResults set_max_results int,
        }
        DescribeNetworkInterfaces describe_network_interfaces {
            NextToken set_next_token text, MaxResults set_max_results int,
            IncludeManagedResources set_include_managed_resources flag,
            NetworkInterfaceIds set_network_interface_ids texts, Filters set_filters filters,
        }
        DescribeAddresses describe_addresses {
            PublicIps set_public_ips texts, Filters set_filters filters,
            AllocationIds set_allocation_ids texts,
        }
        DescribeFlowLogs describe_flow_logs {
            Filter set_filter filters, FlowLogIds set_flow_log_ids texts, MaxResults set_max_results int,
            NextToken set_next_token text,
        }
    }
}

fn filters(value: &Value) -> Read<Vec<Filter>> {
    list(value, |filter| {
        let members = members(filter, &["Name", "Values"]).ok_or("")?;
        let name = members.get("Name").ok_or("").and_then(text)?;
        let values = members.get("Values").ok_or("").and_then(texts)?;
        Ok(Filter::builder().name(name).set_values(Some(values)).build())
    })
    .map_err(|_| "a list of {\"Name\": string, \"Values\": [string]}")
}
