//! VPCs, subnets, route tables and network ACLs, and the traffic logs of them.
//!
//! VPC 0 is the default VPC, which three of four (account, region) pairs have. The others have three tiers in
//! three zones. Traps: a data tier without its own association on a main table that leads to the internet, a
//! blackhole route, secondary and IPv6 blocks, logs that do not deliver.

use serde_json::{Value, json};

use super::{Estate, list};

/// Which part of an application a subnet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Public,
    Private,
    Data,
}

impl Tier {
    pub(crate) const ALL: [Self; 3] = [Self::Public, Self::Private, Self::Data];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Data => "data",
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Public => 0,
            Self::Private => 1,
            Self::Data => 2,
        }
    }
}

/// What a network ACL lets in.
pub(crate) const ACL_SHAPES: [&str; 7] =
    ["guide-private", "ssh-any4", "rdp-any6", "ssh-any4-after-deny", "internal", "any-all", "ssh-split-any4"];

/// How a VPC's traffic is logged.
pub(crate) const LOG_SHAPES: [&str; 6] =
    ["cloudwatch-all", "none", "s3-all", "reject-only", "delivery-failed", "subnets-all"];

/// The network ACL of one VPC.
pub(crate) struct Acl {
    pub(crate) id: String,
    pub(crate) vpc: u64,
    pub(crate) shape: &'static str,
}

impl Estate<'_> {
    /// Whether VPC 0 is there.
    pub(crate) fn has_default_vpc(&self) -> bool {
        self.turn(0) % 4 != 3 || self.quiet()
    }

    /// Places of the VPCs that somebody made.
    pub(crate) fn custom_vpcs(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.scaled(1, 1)
    }

    /// Places of all VPCs.
    pub(crate) fn vpcs(&self) -> impl Iterator<Item = u64> + '_ {
        self.has_default_vpc().then_some(0).into_iter().chain(self.custom_vpcs())
    }

    pub(crate) fn vpc_id(&self, vpc: u64) -> String {
        self.id("vpc", "vpc", vpc)
    }

    pub(crate) fn vpc_name(&self, vpc: u64) -> String {
        let names = ["payments", "web", "batch", "analytics", "shared"];
        let name = usize::try_from(vpc).ok().and_then(|at| names.iter().cycle().nth(at % names.len()));
        format!("{}-{}-{vpc}", name.unwrap_or(&"vpc"), self.region)
    }

    fn octet(&self, vpc: u64) -> u64 {
        (self.place * 32 + vpc + u64::from(self.index) * 7) % 256
    }

    pub(crate) fn vpc_cidr(&self, vpc: u64) -> String {
        if vpc == 0 { "172.31.0.0/16".to_owned() } else { format!("10.{}.0.0/16", self.octet(vpc)) }
    }

    pub(crate) fn has_ipv6(vpc: u64) -> bool {
        vpc % 2 == 1
    }

    fn ipv6_prefix(&self, vpc: u64) -> String {
        format!("2a05:d014:{:x}:{:x}", self.octet(vpc) + 0x100, self.hash("ipv6", vpc) & 0xff00)
    }

    /// Subnets of a VPC: tier and zone. A default VPC has one public subnet in each zone.
    pub(crate) fn subnets_of(vpc: u64) -> impl Iterator<Item = (Tier, u64)> + use<> {
        let tiers: &[Tier] = if vpc == 0 { &[Tier::Public] } else { &Tier::ALL };
        tiers.iter().flat_map(|tier| (0..3).map(move |zone| (*tier, zone)))
    }

    pub(crate) fn subnet_id(&self, vpc: u64, tier: Tier, zone: u64) -> String {
        self.id("subnet", "subnet", vpc * 9 + tier.number() * 3 + zone)
    }

    /// Third octet of a subnet's /20.
    fn third(tier: Tier, zone: u64) -> u64 {
        (tier.number() * 3 + zone) * 16
    }

    pub(crate) fn private_ip(&self, vpc: u64, tier: Tier, zone: u64, host: u64) -> String {
        let (third, fourth) = (Self::third(tier, zone) + (host / 240) % 16, 5 + host % 240);
        if vpc == 0 {
            format!("172.31.{third}.{fourth}")
        } else {
            format!("10.{}.{third}.{fourth}", self.octet(vpc))
        }
    }

    /// Answers `DescribeVpcs`.
    pub(crate) fn describe_vpcs(&self) -> Value {
        json!({"Vpcs": list(self.vpcs().map(|vpc| self.vpc(vpc)))})
    }

    fn vpc(&self, vpc: u64) -> Value {
        let association = |n: u64, cidr: String| {
            json!({
                "AssociationId": self.id("vpc-cidr-assoc", "cidr", vpc * 10 + n),
                "CidrBlock": cidr,
                "CidrBlockState": {"State": "associated"},
            })
        };
        let mut blocks = vec![association(0, self.vpc_cidr(vpc))];
        if vpc % 4 == 2 {
            blocks.push(association(1, format!("100.{}.0.0/16", 64 + vpc % 64)));
        }
        let mut answer = json!({
            "OwnerId": self.account,
            "InstanceTenancy": "default",
            "CidrBlockAssociationSet": blocks,
            "IsDefault": vpc == 0,
            "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
            "VpcId": self.vpc_id(vpc),
            "State": "available",
            "CidrBlock": self.vpc_cidr(vpc),
            "DhcpOptionsId": self.id("dopt", "dopt", 0),
        });
        if let Some(members) = answer.as_object_mut() {
            if Self::has_ipv6(vpc) {
                members.insert(
                    "Ipv6CidrBlockAssociationSet".to_owned(),
                    json!([{
                        "AssociationId": self.id("vpc-cidr-assoc", "cidr6", vpc),
                        "Ipv6CidrBlock": format!("{}::/56", self.ipv6_prefix(vpc)),
                        "Ipv6CidrBlockState": {"State": "associated"},
                        "NetworkBorderGroup": self.region,
                        "Ipv6Pool": "Amazon",
                        "Ipv6AddressAttribute": "public",
                        "IpSource": "amazon",
                    }]),
                );
            }
            // A default VPC is seldom tagged: the member is absent then, not empty.
            if vpc != 0 {
                members.insert("Tags".to_owned(), self.tags(&self.vpc_name(vpc), vpc));
            }
        }
        answer
    }

    /// Answers `DescribeVpcBlockPublicAccessOptions`.
    pub(crate) fn describe_vpc_block_public_access_options(&self) -> Value {
        let (state, mode) = match self.turn(0) % 3 {
            0 => ("default-state", "off"),
            1 => ("update-complete", "block-ingress"),
            _ => ("update-complete", "block-bidirectional"),
        };
        json!({"VpcBlockPublicAccessOptions": {
            "AwsAccountId": self.account,
            "AwsRegion": self.region,
            "State": state,
            "InternetGatewayBlockMode": mode,
            "LastUpdateTimestamp": self.days_ago(200, 1),
            "ManagedBy": "account",
            "ExclusionsAllowed": "allowed",
        }})
    }

    /// Answers `DescribeVpcBlockPublicAccessExclusions`.
    pub(crate) fn describe_vpc_block_public_access_exclusions(&self) -> Value {
        let exclusions = self.custom_vpcs().filter(|vpc| vpc % 2 == 1).map(|vpc| {
            json!({
                "ExclusionId": self.id("vpcbpa-exclude", "exclusion", vpc),
                "InternetGatewayExclusionMode": if vpc % 4 == 1 { "allow-egress" } else { "allow-bidirectional" },
                "ResourceArn": self.arn("ec2", &format!("vpc/{}", self.vpc_id(vpc))),
                "State": "create-complete",
                "CreationTimestamp": self.days_ago(150, vpc),
                "LastUpdateTimestamp": self.days_ago(149, vpc),
                "Tags": self.tags(&format!("exclusion-{vpc}"), vpc),
            })
        });
        json!({"VpcBlockPublicAccessExclusions": list(exclusions)})
    }

    /// Answers `DescribeSubnets`.
    pub(crate) fn describe_subnets(&self) -> Value {
        json!({"Subnets": list(self.vpcs().flat_map(|vpc| {
            Self::subnets_of(vpc).map(move |(tier, zone)| self.subnet(vpc, tier, zone))
        }))})
    }

    /// Whether instances of a subnet get a public address without asking for one.
    pub(crate) fn maps_public_ip(vpc: u64, tier: Tier, zone: u64) -> bool {
        tier == Tier::Public && (vpc == 0 || zone == 0)
    }

    fn subnet(&self, vpc: u64, tier: Tier, zone: u64) -> Value {
        let id = self.subnet_id(vpc, tier, zone);
        let third = Self::third(tier, zone);
        let cidr = if vpc == 0 {
            format!("172.31.{third}.0/20")
        } else {
            format!("10.{}.{third}.0/20", self.octet(vpc))
        };
        let ipv6 = if Self::has_ipv6(vpc) {
            json!([{
                "AssociationId": self.id("subnet-cidr-assoc", "subnet6", vpc * 9 + tier.number() * 3 + zone),
                "Ipv6CidrBlock": format!("{}::/64", self.ipv6_subnet(vpc, tier, zone)),
                "Ipv6CidrBlockState": {"State": "associated"},
                "Ipv6AddressAttribute": "public",
                "IpSource": "amazon",
            }])
        } else {
            json!([])
        };
        let mut answer = json!({
            "AvailabilityZoneId": self.zone_id(zone),
            "MapCustomerOwnedIpOnLaunch": false,
            "OwnerId": self.account,
            "AssignIpv6AddressOnCreation": Self::has_ipv6(vpc) && tier == Tier::Public && zone == 1,
            "Ipv6CidrBlockAssociationSet": ipv6,
            "SubnetArn": self.arn("ec2", &format!("subnet/{id}")),
            "EnableDns64": false,
            "Ipv6Native": false,
            "PrivateDnsNameOptionsOnLaunch": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": false,
                "EnableResourceNameDnsAAAARecord": false,
            },
            "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
            "SubnetId": id,
            "State": "available",
            "VpcId": self.vpc_id(vpc),
            "CidrBlock": cidr,
            "AvailableIpAddressCount": 4091 - (vpc * 3 + zone) % 200,
            "AvailabilityZone": self.zone(zone),
            "DefaultForAz": vpc == 0,
            "MapPublicIpOnLaunch": Self::maps_public_ip(vpc, tier, zone),
        });
        if let (true, Some(members)) = (vpc != 0, answer.as_object_mut()) {
            let name = format!("{}-{}-{}", self.vpc_name(vpc), tier.word(), self.zone(zone));
            let mut tags = self.tags(&name, vpc + zone);
            if let Some(tags) = tags.as_array_mut() {
                tags.push(json!({"Key": "tier", "Value": tier.word()}));
            }
            members.insert("Tags".to_owned(), tags);
        }
        answer
    }

    pub(crate) fn ipv6_subnet(&self, vpc: u64, tier: Tier, zone: u64) -> String {
        let prefix = self.ipv6_prefix(vpc);
        let (head, tail) = prefix.rsplit_once(':').unwrap_or((&prefix, "0"));
        let site = u64::from_str_radix(tail, 16).unwrap_or_default();
        format!("{head}:{:x}", site + tier.number() * 3 + zone)
    }

    /// Whether the data tier has no table of its own and the main table leads to the internet.
    pub(crate) fn data_tier_is_exposed(&self, vpc: u64) -> bool {
        vpc != 0 && self.turn(vpc) % 4 == 3
    }

    fn route_table_id(&self, vpc: u64, which: &str) -> String {
        self.id("rtb", which, vpc)
    }

    /// Answers `DescribeRouteTables`.
    pub(crate) fn describe_route_tables(&self) -> Value {
        json!({"RouteTables": list(self.vpcs().flat_map(|vpc| self.route_tables(vpc)))})
    }

    fn route_tables(&self, vpc: u64) -> Vec<Value> {
        let mut local = vec![json!({
            "DestinationCidrBlock": self.vpc_cidr(vpc),
            "GatewayId": "local",
            "Origin": "CreateRouteTable",
            "State": "active",
        })];
        if Self::has_ipv6(vpc) {
            local.push(json!({
                "DestinationIpv6CidrBlock": format!("{}::/56", self.ipv6_prefix(vpc)),
                "GatewayId": "local",
                "Origin": "CreateRouteTable",
                "State": "active",
            }));
        }
        let route = |to: Value| {
            let mut route = json!({"DestinationCidrBlock": "0.0.0.0/0"});
            if let (Some(route), Value::Object(to)) = (route.as_object_mut(), to) {
                route.extend(to);
                route.insert("Origin".to_owned(), json!("CreateRoute"));
                route.entry("State").or_insert_with(|| json!("active"));
            }
            route
        };
        let internet = || route(json!({"GatewayId": self.internet_gateway_id(vpc)}));
        let mut main = local.clone();
        if vpc == 0 || self.data_tier_is_exposed(vpc) {
            main.push(internet());
        }
        let mut tables = vec![self.route_table(vpc, "main", &main, &[])];
        if vpc == 0 {
            return tables;
        }
        let mut public = local.clone();
        public.push(internet());
        if Self::has_ipv6(vpc) {
            public.push(json!({
                "DestinationIpv6CidrBlock": "::/0",
                "GatewayId": self.internet_gateway_id(vpc),
                "Origin": "CreateRoute",
                "State": "active",
            }));
        }
        tables.push(self.route_table(vpc, "public", &public, &[Tier::Public]));

        let mut private = local.clone();
        private.push(route(json!({"NatGatewayId": self.nat_gateway_id(vpc)})));
        if Self::has_ipv6(vpc) {
            private.push(json!({
                "DestinationIpv6CidrBlock": "::/0",
                "EgressOnlyInternetGatewayId": self.egress_only_gateway_id(vpc),
                "Origin": "CreateRoute",
                "State": "active",
            }));
        }
        private.push(json!({
            "DestinationPrefixListId": self.aws_prefix_list_id("s3"),
            "GatewayId": self.gateway_endpoint_id(vpc),
            "Origin": "CreateRoute",
            "State": "active",
        }));
        private.push(json!({
            "DestinationCidrBlock": "10.0.0.0/8",
            "TransitGatewayId": self.transit_gateway_id(),
            "Origin": "CreateRoute",
            "State": "active",
        }));
        if vpc == 1 && self.custom_vpcs().contains(&2) {
            private.push(json!({
                "DestinationCidrBlock": self.vpc_cidr(2),
                "VpcPeeringConnectionId": self.peering_id(0),
                "Origin": "CreateRoute",
                "State": "active",
            }));
        }
        if vpc % 4 == 2 {
            // Its NAT gateway is gone: the route stays, and leads nowhere.
            private.push(json!({
                "DestinationCidrBlock": "192.0.2.0/24",
                "NatGatewayId": self.deleted_nat_gateway_id(vpc),
                "Origin": "CreateRoute",
                "State": "blackhole",
            }));
        }
        tables.push(self.route_table(vpc, "private", &private, &[Tier::Private]));
        if !self.data_tier_is_exposed(vpc) {
            let mut data = local;
            data.push(json!({
                "DestinationPrefixListId": self.aws_prefix_list_id("s3"),
                "GatewayId": self.gateway_endpoint_id(vpc),
                "Origin": "CreateRoute",
                "State": "active",
            }));
            tables.push(self.route_table(vpc, "data", &data, &[Tier::Data]));
        }
        tables
    }

    /// Tables that gateway endpoints are entered in.
    pub(crate) fn endpoint_route_tables(&self, vpc: u64) -> Vec<String> {
        let mut tables = vec![self.route_table_id(vpc, "private")];
        if !self.data_tier_is_exposed(vpc) {
            tables.push(self.route_table_id(vpc, "data"));
        }
        tables
    }

    fn route_table(&self, vpc: u64, which: &str, routes: &[Value], tiers: &[Tier]) -> Value {
        let id = self.route_table_id(vpc, which);
        let mut associations = Vec::new();
        if which == "main" {
            associations.push(json!({
                "Main": true,
                "RouteTableAssociationId": self.id("rtbassoc", which, vpc),
                "RouteTableId": id,
                "AssociationState": {"State": "associated"},
            }));
        }
        for tier in tiers {
            for zone in 0..3 {
                let n = vpc * 9 + tier.number() * 3 + zone;
                associations.push(json!({
                    "Main": false,
                    "RouteTableAssociationId": self.id("rtbassoc", "subnet", n),
                    "RouteTableId": id,
                    "SubnetId": self.subnet_id(vpc, *tier, zone),
                    "AssociationState": {"State": "associated"},
                }));
            }
        }
        json!({
            "Associations": associations,
            "PropagatingVgws": [],
            "RouteTableId": id,
            "Routes": routes,
            "Tags": if vpc == 0 { json!([]) } else {
                self.tags(&format!("{}-{which}", self.vpc_name(vpc)), vpc)
            },
            "VpcId": self.vpc_id(vpc),
            "OwnerId": self.account,
        })
    }

    /// The network ACLs that somebody made: one in each VPC, for its private subnets.
    pub(crate) fn custom_acls(&self) -> impl Iterator<Item = Acl> + '_ {
        self.custom_vpcs().map(|vpc| {
            let shape = usize::try_from(self.turn(vpc)).unwrap_or_default() % ACL_SHAPES.len();
            Acl {
                id: self.id("acl", "custom", vpc),
                vpc,
                shape: ACL_SHAPES.get(shape).copied().unwrap_or("internal"),
            }
        })
    }

    /// Answers `DescribeNetworkAcls`.
    pub(crate) fn describe_network_acls(&self) -> Value {
        let defaults = self.vpcs().map(|vpc| {
            let tiers: &[Tier] = if vpc == 0 { &[Tier::Public] } else { &[Tier::Public, Tier::Data] };
            let mut entries = Vec::new();
            for egress in [true, false] {
                entries.push(entry(100, egress, "allow", "-1", None, "0.0.0.0/0"));
                entries.push(entry(32_767, egress, "deny", "-1", None, "0.0.0.0/0"));
                if Self::has_ipv6(vpc) {
                    entries.push(entry(101, egress, "allow", "-1", None, "::/0"));
                    entries.push(entry(32_768, egress, "deny", "-1", None, "::/0"));
                }
            }
            self.network_acl(vpc, &self.id("acl", "default", vpc), true, &entries, tiers)
        });
        let customs = self.custom_acls().map(|acl| {
            let entries = acl_entries(acl.shape, &self.vpc_cidr(acl.vpc));
            self.network_acl(acl.vpc, &acl.id, false, &entries, &[Tier::Private])
        });
        json!({"NetworkAcls": list(defaults.chain(customs))})
    }

    fn network_acl(&self, vpc: u64, id: &str, default: bool, entries: &[Value], tiers: &[Tier]) -> Value {
        let associations = tiers.iter().flat_map(|tier| (0..3).map(move |zone| (*tier, zone)));
        json!({
            "Associations": list(associations.map(|(tier, zone)| json!({
                "NetworkAclAssociationId": self.id("aclassoc", "acl", vpc * 9 + tier.number() * 3 + zone),
                "NetworkAclId": id,
                "SubnetId": self.subnet_id(vpc, tier, zone),
            }))),
            "Entries": entries,
            "IsDefault": default,
            "NetworkAclId": id,
            "Tags": if default { json!([]) } else { self.tags(&format!("acl-{}", self.vpc_name(vpc)), vpc) },
            "VpcId": self.vpc_id(vpc),
            "OwnerId": self.account,
        })
    }

    /// How a VPC's traffic is logged; the default VPC's is not.
    pub(crate) fn log_shape(&self, vpc: u64) -> &'static str {
        if vpc == 0 {
            return "none";
        }
        let shape = usize::try_from(self.turn(vpc) - 1).unwrap_or_default() % LOG_SHAPES.len();
        LOG_SHAPES.get(shape).copied().unwrap_or("none")
    }

    /// Flow logs: (id, resource, VPC, shape).
    pub(crate) fn flow_logs(&self) -> Vec<(String, String, u64, &'static str)> {
        let mut logs = Vec::new();
        for vpc in self.custom_vpcs() {
            let shape = self.log_shape(vpc);
            match shape {
                "none" => {}
                "subnets-all" => logs.extend(Self::subnets_of(vpc).map(|(tier, zone)| {
                    let n = 1_000 + vpc * 9 + tier.number() * 3 + zone;
                    (self.id("fl", "fl", n), self.subnet_id(vpc, tier, zone), vpc, shape)
                })),
                _ => logs.push((self.id("fl", "fl", vpc), self.vpc_id(vpc), vpc, shape)),
            }
        }
        logs
    }

    /// Answers `DescribeFlowLogs`.
    pub(crate) fn describe_flow_logs(&self) -> Value {
        json!({"FlowLogs": list(self.flow_logs().into_iter().map(|(id, resource, vpc, shape)| {
            let mut log = json!({
                "CreationTime": self.days_ago(300 - i64::try_from(vpc % 100).unwrap_or_default(), vpc),
                "DeliverLogsStatus": if shape == "delivery-failed" { "FAILED" } else { "SUCCESS" },
                "FlowLogId": id,
                "FlowLogStatus": "ACTIVE",
                "ResourceId": resource,
                "TrafficType": if shape == "reject-only" { "REJECT" } else { "ALL" },
                "LogFormat": "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} \
                    ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
                "Tags": self.tags(&format!("fl-{}", self.vpc_name(vpc)), vpc),
                "MaxAggregationInterval": if vpc % 2 == 0 { 60 } else { 600 },
            });
            if let Some(members) = log.as_object_mut() {
                let mut add = |key: &str, value: Value| { members.insert(key.to_owned(), value); };
                if shape == "s3-all" {
                    add("LogDestinationType", json!("s3"));
                    add("LogDestination", json!(format!("arn:aws:s3:::{}", self.bucket_name(0))));
                    add("DestinationOptions", json!({
                        "FileFormat": "parquet", "HiveCompatiblePartitions": false, "PerHourPartition": true,
                    }));
                } else {
                    let group = format!("/aws/vpc/{}", self.vpc_name(vpc));
                    add("LogDestinationType", json!("cloud-watch-logs"));
                    add("LogGroupName", json!(group));
                    add("DeliverLogsPermissionArn",
                        json!(format!("arn:aws:iam::{}:role/flow-logs", self.account)));
                }
                if shape == "delivery-failed" {
                    add("DeliverLogsErrorMessage", json!("Access error"));
                }
            }
            log
        }))})
    }
}

fn entry(
    number: u32,
    egress: bool,
    action: &str,
    protocol: &str,
    ports: Option<(u32, u32)>,
    cidr: &str,
) -> Value {
    let family = if cidr.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
    let mut entry = json!({family: cidr, "Egress": egress, "Protocol": protocol, "RuleAction": action,
        "RuleNumber": number});
    if let (Some(members), Some((from, to))) = (entry.as_object_mut(), ports) {
        members.insert("PortRange".to_owned(), json!({"From": from, "To": to}));
    }
    entry
}

fn acl_entries(shape: &str, vpc_cidr: &str) -> Vec<Value> {
    let into = |number, action, protocol, ports, cidr| entry(number, false, action, protocol, ports, cidr);
    let any = "0.0.0.0/0";
    let mut entries = match shape {
        "guide-private" => {
            vec![into(100, "allow", "6", Some((1024, 65_535)), any), into(110, "allow", "-1", None, vpc_cidr)]
        }
        "ssh-any4" => vec![into(100, "allow", "6", Some((22, 22)), any)],
        "rdp-any6" => vec![
            into(90, "allow", "6", Some((443, 443)), any),
            into(100, "allow", "6", Some((3389, 3389)), "::/0"),
        ],
        "ssh-any4-after-deny" => vec![
            into(90, "deny", "6", Some((22, 22)), any),
            into(100, "allow", "6", Some((22, 22)), any),
            into(110, "allow", "17", Some((53, 53)), any),
        ],
        "any-all" => vec![into(100, "allow", "-1", None, any)],
        "ssh-split-any4" => vec![
            into(100, "allow", "6", Some((20, 25)), "0.0.0.0/1"),
            into(101, "allow", "6", Some((20, 25)), "128.0.0.0/1"),
        ],
        _ => vec![
            into(100, "allow", "6", Some((443, 443)), "10.0.0.0/8"),
            into(110, "allow", "6", Some((1024, 3388)), "10.0.0.0/8"),
        ],
    };
    let mut ping = into(300, "allow", "1", None, vpc_cidr);
    if let Some(members) = ping.as_object_mut() {
        members.insert("IcmpTypeCode".to_owned(), json!({"Code": -1, "Type": 8}));
    }
    entries.push(ping);
    entries.push(into(32_767, "deny", "-1", None, any));
    if shape == "guide-private" {
        entries.push(entry(200, true, "allow", "-1", None, vpc_cidr));
        entries.push(entry(210, true, "allow", "6", Some((443, 443)), any));
    } else {
        entries.push(entry(200, true, "allow", "-1", None, any));
    }
    entries.push(entry(32_767, true, "deny", "-1", None, any));
    entries
}
