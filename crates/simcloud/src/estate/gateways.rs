//! Ways out of a VPC: internet and NAT gateways, endpoints, addresses.
//!
//! Deleted NAT gateways linger in the list, as they do for an hour; endpoint policies are JSON in a string.

use serde_json::{Value, json};

use super::{Estate, list, network::Tier};

impl Estate<'_> {
    pub(crate) fn internet_gateway_id(&self, vpc: u64) -> String {
        self.id("igw", "igw", vpc)
    }

    pub(crate) fn egress_only_gateway_id(&self, vpc: u64) -> String {
        self.id("eigw", "eigw", vpc)
    }

    pub(crate) fn nat_gateway_id(&self, vpc: u64) -> String {
        self.id("nat", "nat", vpc)
    }

    pub(crate) fn deleted_nat_gateway_id(&self, vpc: u64) -> String {
        self.id("nat", "deleted-nat", vpc)
    }

    pub(crate) fn gateway_endpoint_id(&self, vpc: u64) -> String {
        self.id("vpce", "s3", vpc)
    }

    /// Answers `DescribeInternetGateways`: one for each VPC, and one that is attached to none.
    pub(crate) fn describe_internet_gateways(&self) -> Value {
        let attached = self.vpcs().map(|vpc| {
            json!({
                "Attachments": [{"State": "available", "VpcId": self.vpc_id(vpc)}],
                "InternetGatewayId": self.internet_gateway_id(vpc),
                "OwnerId": self.account,
                "Tags": if vpc == 0 { json!([]) } else {
                    self.tags(&format!("igw-{}", self.vpc_name(vpc)), vpc)
                },
            })
        });
        let spare = (!self.quiet()).then(|| {
            json!({
                "Attachments": [],
                "InternetGatewayId": self.id("igw", "spare", 0),
                "OwnerId": self.account,
                "Tags": self.tags("igw-spare", 3),
            })
        });
        json!({"InternetGateways": list(attached.chain(spare))})
    }

    /// Answers `DescribeEgressOnlyInternetGateways`.
    pub(crate) fn describe_egress_only_internet_gateways(&self) -> Value {
        json!({"EgressOnlyInternetGateways": list(
            self.custom_vpcs().filter(|vpc| Self::has_ipv6(*vpc)).map(|vpc| json!({
                "Attachments": [{"State": "attached", "VpcId": self.vpc_id(vpc)}],
                "EgressOnlyInternetGatewayId": self.egress_only_gateway_id(vpc),
                "Tags": self.tags(&format!("eigw-{}", self.vpc_name(vpc)), vpc),
            })),
        )})
    }

    /// Answers `DescribeNatGateways`.
    pub(crate) fn describe_nat_gateways(&self) -> Value {
        json!({"NatGateways": list(self.custom_vpcs().flat_map(|vpc| {
            let live = json!({
                "CreateTime": self.days_ago(400, vpc),
                "NatGatewayAddresses": [{
                    "AllocationId": self.allocation_id(vpc),
                    "NetworkInterfaceId": self.nat_interface_id(vpc),
                    "PrivateIp": self.private_ip(vpc, Tier::Public, 0, 0),
                    "PublicIp": self.public_ip(vpc),
                    "AssociationId": self.id("eipassoc", "nat", vpc),
                    "IsPrimary": true,
                    "Status": "succeeded",
                }],
                "NatGatewayId": self.nat_gateway_id(vpc),
                "State": "available",
                "SubnetId": self.subnet_id(vpc, Tier::Public, 0),
                "VpcId": self.vpc_id(vpc),
                "Tags": self.tags(&format!("nat-{}", self.vpc_name(vpc)), vpc),
                "ConnectivityType": "public",
                "AvailabilityMode": "zonal",
            });
            let gone = (vpc % 4 == 2).then(|| json!({
                "CreateTime": self.days_ago(90, vpc),
                "DeleteTime": self.days_ago(0, vpc),
                "NatGatewayAddresses": [{
                    "NetworkInterfaceId": self.id("eni", "deleted-nat", vpc),
                    "PrivateIp": self.private_ip(vpc, Tier::Public, 1, 0),
                    "IsPrimary": true,
                    "Status": "succeeded",
                }],
                "NatGatewayId": self.deleted_nat_gateway_id(vpc),
                "State": "deleted",
                "SubnetId": self.subnet_id(vpc, Tier::Public, 1),
                "VpcId": self.vpc_id(vpc),
                "Tags": [],
                "ConnectivityType": "public",
            }));
            std::iter::once(live).chain(gone)
        }))})
    }

    /// Answers `DescribeVpcEndpoints`.
    pub(crate) fn describe_vpc_endpoints(&self) -> Value {
        json!({"VpcEndpoints": list(self.custom_vpcs().flat_map(|vpc| {
            // The open policy that AWS writes when none is given, its spacing included, or a narrow one.
            let policy = if vpc % 2 == 0 {
                "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \
                 \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}"
                    .to_owned()
            } else {
                json!({"Version": "2012-10-17", "Statement": [{
                    "Sid": "OwnBuckets", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
                    "Resource": "arn:aws:s3:::*",
                    "Condition": {"StringEquals": {"aws:ResourceAccount": self.account}},
                }]})
                .to_string()
            };
            let gateway = json!({
                "VpcEndpointId": self.gateway_endpoint_id(vpc),
                "VpcEndpointType": "Gateway",
                "VpcId": self.vpc_id(vpc),
                "ServiceName": format!("com.amazonaws.{}.s3", self.region),
                "State": "available",
                "PolicyDocument": policy,
                "RouteTableIds": self.endpoint_route_tables(vpc),
                "SubnetIds": [],
                "Groups": [],
                "PrivateDnsEnabled": false,
                "RequesterManaged": false,
                "NetworkInterfaceIds": [],
                "DnsEntries": [],
                "CreationTimestamp": self.days_ago(380, vpc),
                "Tags": self.tags(&format!("s3-{}", self.vpc_name(vpc)), vpc),
                "OwnerId": self.account,
                "ServiceRegion": self.region,
            });
            let id = self.id("vpce", "ssm", vpc);
            let interface = json!({
                "VpcEndpointId": id,
                "VpcEndpointType": "Interface",
                "VpcId": self.vpc_id(vpc),
                "ServiceName": format!("com.amazonaws.{}.ssm", self.region),
                "State": if vpc % 5 == 3 { "pendingAcceptance" } else { "available" },
                "PolicyDocument": "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \
                    \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}",
                "RouteTableIds": [],
                "SubnetIds": [self.subnet_id(vpc, Tier::Private, 0), self.subnet_id(vpc, Tier::Private, 1)],
                "Groups": [{"GroupId": self.tier_group_id(vpc, 1), "GroupName": self.tier_group_name(vpc, 1)}],
                "IpAddressType": "ipv4",
                "DnsOptions": {"DnsRecordIpType": "ipv4"},
                "PrivateDnsEnabled": true,
                "RequesterManaged": false,
                "NetworkInterfaceIds": [
                    self.endpoint_interface_id(vpc, 0), self.endpoint_interface_id(vpc, 1),
                ],
                "DnsEntries": [{
                    "DnsName": format!("{id}-{:08x}.ssm.{}.vpce.amazonaws.com",
                        self.hash("dns", vpc) >> 32, self.region),
                    "HostedZoneId": "Z7HUB22UULQXV",
                }],
                "CreationTimestamp": self.days_ago(370, vpc),
                "Tags": self.tags(&format!("ssm-{}", self.vpc_name(vpc)), vpc + 1),
                "OwnerId": self.account,
                "ServiceRegion": self.region,
            });
            [gateway, interface]
        }))})
    }

    pub(crate) fn allocation_id(&self, n: u64) -> String {
        self.id("eipalloc", "eip", n)
    }

    /// A public address out of the blocks that are kept for documentation.
    pub(crate) fn public_ip(&self, n: u64) -> String {
        let hash = self.hash("public-ip", n);
        let block = if hash.is_multiple_of(2) { "203.0.113" } else { "198.51.100" };
        format!("{block}.{}", hash / 2 % 254 + 1)
    }

    /// Answers `DescribeAddresses`: those of the NAT gateways, and one that nothing uses.
    pub(crate) fn describe_addresses(&self) -> Value {
        let used = self.custom_vpcs().map(|vpc| {
            json!({
                "AllocationId": self.allocation_id(vpc),
                "AssociationId": self.id("eipassoc", "nat", vpc),
                "Domain": "vpc",
                "NetworkInterfaceId": self.nat_interface_id(vpc),
                "NetworkInterfaceOwnerId": self.account,
                "PrivateIpAddress": self.private_ip(vpc, Tier::Public, 0, 0),
                "Tags": self.tags(&format!("nat-{}", self.vpc_name(vpc)), vpc),
                "PublicIpv4Pool": "amazon",
                "NetworkBorderGroup": self.region,
                "PublicIp": self.public_ip(vpc),
            })
        });
        let spare = (!self.quiet()).then(|| {
            json!({
                "AllocationId": self.allocation_id(1 << 32),
                "Domain": "vpc",
                "PublicIpv4Pool": "amazon",
                "NetworkBorderGroup": self.region,
                "PublicIp": self.public_ip(1 << 32),
            })
        });
        json!({"Addresses": list(used.chain(spare))})
    }
}
