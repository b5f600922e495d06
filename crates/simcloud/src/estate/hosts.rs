//! Instances and network interfaces: what sits in which tier and what a group is attached to.
//!
//! Interfaces of balancers, databases, functions, endpoints and gateways are told by type, requester and
//! description, as AWS has them. Terminated instances linger without an address.

use serde_json::{Value, json};

use super::{Estate, list, network::Tier};

struct Interface {
    id: String,
    vpc: u64,
    tier: Tier,
    zone: u64,
    host: u64,
    kind: &'static str,
    /// Service on whose behalf it was made.
    requester: Option<&'static str>,
    description: String,
    groups: Vec<(String, String)>,
    /// Place of a public address, with the allocation where it is an elastic one.
    public: Option<(u64, Option<String>)>,
    instance: Option<(u64, u64)>,
    in_use: bool,
}

impl Estate<'_> {
    pub(crate) fn nat_interface_id(&self, vpc: u64) -> String {
        self.id("eni", "nat", vpc)
    }

    pub(crate) fn endpoint_interface_id(&self, vpc: u64, zone: u64) -> String {
        self.id("eni", "vpce", vpc * 3 + zone)
    }

    fn instance_interface_id(&self, vpc: u64, n: u64) -> String {
        self.id("eni", "instance", vpc * 10_000 + n)
    }

    fn instance_id(&self, vpc: u64, n: u64) -> String {
        self.id("i", "instance", vpc * 10_000 + n)
    }

    fn instances_in(&self, _vpc: u64) -> u64 {
        4 + u64::from(self.config.scale.unit()).min(50)
    }

    /// Tier of an instance: two of four serve the application, one is a bastion with a public address.
    fn instance_tier(n: u64) -> (Tier, u64) {
        match n % 4 {
            0 | 1 => (Tier::Private, 1),
            2 => (Tier::Data, 2),
            _ => (Tier::Public, 0),
        }
    }

    /// The group of its tier, and here and there one more.
    fn instance_groups(&self, vpc: u64, n: u64) -> Vec<(String, String)> {
        let (_, tier) = Self::instance_tier(n);
        let mut groups = vec![(self.tier_group_id(vpc, tier), self.tier_group_name(vpc, tier))];
        let shape = vpc - 1 + n * 2;
        if shape < self.shape_groups() && self.shape_group_vpc(shape) == vpc {
            groups.push((self.shape_group_id(shape), self.shape_group_name(shape)));
        }
        groups
    }

    fn is_terminated(n: u64) -> bool {
        n == 4
    }

    fn interfaces(&self) -> Vec<Interface> {
        let mut all = Vec::new();
        for vpc in self.custom_vpcs() {
            let tier_group = |tier| (self.tier_group_id(vpc, tier), self.tier_group_name(vpc, tier));
            let base = |id: String, tier, zone, host, kind, description: &str| Interface {
                id,
                vpc,
                tier,
                zone,
                host,
                kind,
                requester: None,
                description: description.to_owned(),
                groups: vec![],
                public: None,
                instance: None,
                in_use: true,
            };
            let nat = format!("Interface for NAT Gateway {}", self.nat_gateway_id(vpc));
            all.push(Interface {
                requester: Some("amazon-nat"),
                public: Some((vpc, Some(self.allocation_id(vpc)))),
                ..base(self.nat_interface_id(vpc), Tier::Public, 0, 0, "nat_gateway", &nat)
            });
            for n in (0..self.instances_in(vpc)).filter(|n| !Self::is_terminated(*n)) {
                let (tier, _) = Self::instance_tier(n);
                all.push(Interface {
                    groups: self.instance_groups(vpc, n),
                    public: (tier == Tier::Public).then_some((10_000 + vpc * 100 + n, None)),
                    instance: Some((vpc, n)),
                    ..base(self.instance_interface_id(vpc, n), tier, n % 3, 20 + n, "interface", "")
                });
            }
            for zone in 0..2 {
                let id = self.id("eni", "rds", vpc * 3 + zone);
                all.push(Interface {
                    requester: Some("amazon-rds"),
                    groups: vec![tier_group(2)],
                    ..base(id, Tier::Data, zone, 10, "interface", "RDSNetworkInterface")
                });
                let endpoint = format!("VPC Endpoint Interface {}", self.id("vpce", "ssm", vpc));
                let id = self.endpoint_interface_id(vpc, zone);
                all.push(Interface {
                    requester: Some("vpce-managed"),
                    groups: vec![tier_group(1)],
                    ..base(id, Tier::Private, zone, 11, "vpc_endpoint", &endpoint)
                });
            }
            for (tier, zone) in Self::transit_subnets() {
                let id = self.id("eni", "tgw", vpc * 3 + zone);
                let text = "Network Interface for Transit Gateway Attachment";
                all.push(Interface {
                    requester: Some("tgw-managed"),
                    ..base(id, tier, zone, 12, "transit_gateway", text)
                });
            }
            let text = format!("AWS Lambda VPC ENI-report-{}", self.uuid("lambda", vpc));
            let id = self.id("eni", "lambda", vpc);
            all.push(Interface {
                requester: Some("lambda-managed"),
                groups: vec![tier_group(1)],
                ..base(id, Tier::Private, 2, 13, "lambda", &text)
            });
            let spare = base(self.id("eni", "spare", vpc), Tier::Private, 2, 14, "interface", "left over");
            all.push(Interface { in_use: false, groups: vec![tier_group(1)], ..spare });
        }
        for n in 0..self.balancers() {
            let vpc = self.balancer_vpc(n);
            let Some(kind) = self.balancer_description(n) else { continue };
            for zone in 0..2 {
                let facing = self.balancer_is_public(n);
                all.push(Interface {
                    id: self.id("eni", "elb", n * 3 + zone),
                    vpc,
                    tier: if facing { Tier::Public } else { Tier::Private },
                    zone,
                    host: 100 + n,
                    kind: if kind.starts_with("ELB net") { "network_load_balancer" } else { "interface" },
                    requester: Some("amazon-elb"),
                    description: kind.clone(),
                    groups: self.balancer_groups(n),
                    public: facing.then_some((20_000 + n * 3 + zone, None)),
                    instance: None,
                    in_use: true,
                });
            }
        }
        all
    }

    /// Answers `DescribeNetworkInterfaces`.
    pub(crate) fn describe_network_interfaces(&self) -> Value {
        json!({"NetworkInterfaces": list((0..).zip(self.interfaces()).map(|(n, interface)| {
            self.interface(n, &interface)
        }))})
    }

    fn mac(&self, ip: &str) -> String {
        let bytes = self.key.word("mac").word(ip).finish().to_be_bytes();
        let parts: Vec<String> = bytes.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        format!("02:{}", parts.join(":"))
    }

    fn private_name(&self, ip: &str) -> String {
        let host = ip.replace('.', "-");
        if self.region == "us-east-1" {
            format!("ip-{host}.ec2.internal")
        } else {
            format!("ip-{host}.{}.compute.internal", self.region)
        }
    }

    fn public_name(&self, ip: &str) -> String {
        let host = ip.replace('.', "-");
        if self.region == "us-east-1" {
            format!("ec2-{host}.compute-1.amazonaws.com")
        } else {
            format!("ec2-{host}.{}.compute.amazonaws.com", self.region)
        }
    }

    fn interface(&self, n: u64, interface: &Interface) -> Value {
        let Interface { id, vpc, tier, zone, host, .. } = interface;
        let ip = self.private_ip(*vpc, *tier, *zone, *host);
        let name = self.private_name(&ip);
        let mut address = json!({"Primary": true, "PrivateDnsName": name, "PrivateIpAddress": ip});
        let ipv6 = if Self::has_ipv6(*vpc) && interface.instance.is_some() {
            let full = format!("{}::{:x}", self.ipv6_subnet(*vpc, *tier, *zone), host + 0x10);
            json!([{"Ipv6Address": full, "IsPrimaryIpv6": false}])
        } else {
            json!([])
        };
        let mut answer = json!({
            "AvailabilityZone": self.zone(*zone),
            "Description": interface.description,
            "Groups": list(interface.groups.iter().map(|(id, name)| json!({"GroupId": id, "GroupName": name}))),
            "InterfaceType": interface.kind,
            "Ipv6Addresses": ipv6,
            "MacAddress": self.mac(&ip),
            "NetworkInterfaceId": id,
            "OwnerId": self.account,
            "PrivateDnsName": name,
            "PrivateIpAddress": ip,
            "RequesterManaged": interface.requester.is_some(),
            "SourceDestCheck": interface.kind != "nat_gateway",
            "Status": if interface.in_use { "in-use" } else { "available" },
            "SubnetId": self.subnet_id(*vpc, *tier, *zone),
            "TagSet": if interface.instance.is_some() { self.tags(&format!("eni-{n}"), n) } else { json!([]) },
            "VpcId": self.vpc_id(*vpc),
            "AvailabilityZoneId": self.zone_id(*zone),
        });
        let Some(members) = answer.as_object_mut() else { return answer };
        if let Some((place, allocation)) = &interface.public {
            let public = self.public_ip(*place);
            let mut association = json!({
                "AssociationId": self.id("eipassoc", "nat", *place),
                "IpOwnerId": if allocation.is_some() { self.account.as_str() } else { "amazon" },
                "PublicDnsName": self.public_name(&public),
                "PublicIp": public,
            });
            if let (Some(association), Some(allocation)) = (association.as_object_mut(), allocation) {
                association.insert("AllocationId".to_owned(), json!(allocation));
            }
            if let Some(address) = address.as_object_mut() {
                address.insert("Association".to_owned(), association.clone());
            }
            members.insert("Association".to_owned(), association);
        }
        members.insert("PrivateIpAddresses".to_owned(), json!([address]));
        if let Some(requester) = interface.requester {
            // Some services show their account id, others a name.
            members.insert(
                "RequesterId".to_owned(),
                json!(match requester {
                    "amazon-elb" | "amazon-rds" | "amazon-nat" => requester.to_owned(),
                    _ => format!("{:012}", self.hash(requester, 0) % 1_000_000_000_000),
                }),
            );
        }
        if interface.in_use {
            let mut attachment = json!({
                "AttachmentId": self.id("eni-attach", "attach", n),
                "DeleteOnTermination": interface.instance.is_some(),
                "DeviceIndex": u8::from(interface.instance.is_none()),
                "InstanceOwnerId": if interface.instance.is_some() { self.account.as_str() } else { "amazon-aws" },
                "Status": "attached",
            });
            if let (Some(attachment), Some((vpc, n))) = (attachment.as_object_mut(), interface.instance) {
                attachment.insert("AttachTime".to_owned(), json!(self.days_ago(60, n)));
                attachment.insert("NetworkCardIndex".to_owned(), json!(0));
                attachment.insert("InstanceId".to_owned(), json!(self.instance_id(vpc, n)));
            }
            members.insert("Attachment".to_owned(), attachment);
        }
        answer
    }

    /// Answers `DescribeInstances`: a reservation for each.
    pub(crate) fn describe_instances(&self) -> Value {
        json!({"Reservations": list(self.custom_vpcs().flat_map(|vpc| {
            (0..self.instances_in(vpc)).map(move |n| json!({
                "ReservationId": self.id("r", "reservation", vpc * 10_000 + n),
                "OwnerId": self.account,
                "Groups": [],
                "Instances": [self.instance(vpc, n)],
            }))
        }))})
    }

    fn instance(&self, vpc: u64, n: u64) -> Value {
        let (tier, _) = Self::instance_tier(n);
        let zone = n % 3;
        let ip = self.private_ip(vpc, tier, zone, 20 + n);
        let gone = Self::is_terminated(n);
        let id = self.instance_id(vpc, n);
        let groups = list(
            self.instance_groups(vpc, n)
                .into_iter()
                .map(|(id, name)| json!({"GroupId": id, "GroupName": name})),
        );
        let mut answer = json!({
            "Architecture": if n.is_multiple_of(2) { "arm64" } else { "x86_64" },
            "BlockDeviceMappings": if gone { json!([]) } else { json!([{
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "AttachTime": self.days_ago(60, n), "DeleteOnTermination": true, "Status": "attached",
                    "VolumeId": self.id("vol", "vol", vpc * 10_000 + n),
                },
            }]) },
            "ClientToken": self.uuid("client-token", vpc * 10_000 + n),
            "EbsOptimized": true,
            "EnaSupport": true,
            "Hypervisor": "xen",
            "RootDeviceName": "/dev/xvda",
            "RootDeviceType": "ebs",
            "VirtualizationType": "hvm",
            "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1},
            "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
            "HibernationOptions": {"Configured": false},
            "MetadataOptions": {
                "State": if gone { "pending" } else { "applied" },
                "HttpTokens": if n.is_multiple_of(3) { "optional" } else { "required" },
                "HttpPutResponseHopLimit": 2,
                "HttpEndpoint": "enabled",
                "HttpProtocolIpv6": "disabled",
                "InstanceMetadataTags": "disabled",
            },
            "EnclaveOptions": {"Enabled": false},
            "BootMode": "uefi-preferred",
            "PlatformDetails": "Linux/UNIX",
            "UsageOperation": "RunInstances",
            "UsageOperationUpdateTime": self.days_ago(60, n),
            "MaintenanceOptions": {"AutoRecovery": "default"},
            "InstanceId": id,
            "ImageId": self.id("ami", "ami", n % 2),
            "State": if gone { json!({"Code": 48, "Name": "terminated"}) } else {
                json!({"Code": 16, "Name": "running"})
            },
            "PrivateDnsName": if gone { String::new() } else { self.private_name(&ip) },
            "PublicDnsName": "",
            "StateTransitionReason": if gone { "User initiated (2026-11-21 23:41:07 GMT)" } else { "" },
            "AmiLaunchIndex": 0,
            "ProductCodes": [],
            "InstanceType": if n.is_multiple_of(2) { "m7g.large" } else { "m6i.large" },
            "LaunchTime": self.days_ago(60, n),
            "Placement": {"GroupName": "", "Tenancy": "default", "AvailabilityZone": self.zone(zone)},
            "Monitoring": {"State": "disabled"},
            "NetworkInterfaces": [],
            "SecurityGroups": [],
            "Tags": self.tags(&format!("host-{}-{n}", self.vpc_name(vpc)), n),
        });
        let Some(members) = answer.as_object_mut() else { return answer };
        if gone {
            members.insert(
                "StateReason".to_owned(),
                json!({
                    "Code": "Client.UserInitiatedShutdown",
                    "Message": "Client.UserInitiatedShutdown: User initiated shutdown",
                }),
            );
            return answer;
        }
        let mut interface = json!({
            "Attachment": {
                "AttachTime": self.days_ago(60, n),
                "AttachmentId": self.id("eni-attach", "instance", vpc * 10_000 + n),
                "DeleteOnTermination": true, "DeviceIndex": 0, "Status": "attached", "NetworkCardIndex": 0,
            },
            "Description": "",
            "Groups": groups,
            "Ipv6Addresses": [],
            "MacAddress": self.mac(&ip),
            "NetworkInterfaceId": self.instance_interface_id(vpc, n),
            "OwnerId": self.account,
            "PrivateDnsName": self.private_name(&ip),
            "PrivateIpAddress": ip,
            "PrivateIpAddresses": [{
                "Primary": true, "PrivateDnsName": self.private_name(&ip), "PrivateIpAddress": ip,
            }],
            "SourceDestCheck": true,
            "Status": "in-use",
            "SubnetId": self.subnet_id(vpc, tier, zone),
            "VpcId": self.vpc_id(vpc),
            "InterfaceType": "interface",
        });
        if tier == Tier::Public {
            let public = self.public_ip(10_000 + vpc * 100 + n);
            if let Some(interface) = interface.as_object_mut() {
                interface.insert(
                    "Association".to_owned(),
                    json!({
                        "IpOwnerId": "amazon", "PublicDnsName": self.public_name(&public), "PublicIp": public,
                    }),
                );
            }
            members.insert("PublicDnsName".to_owned(), json!(self.public_name(&public)));
            members.insert("PublicIpAddress".to_owned(), json!(public));
        }
        members.insert("NetworkInterfaces".to_owned(), json!([interface]));
        members.insert("SecurityGroups".to_owned(), groups);
        members.insert("SourceDestCheck".to_owned(), json!(true));
        members.insert("SubnetId".to_owned(), json!(self.subnet_id(vpc, tier, zone)));
        members.insert("VpcId".to_owned(), json!(self.vpc_id(vpc)));
        members.insert("PrivateIpAddress".to_owned(), json!(ip));
        if n.is_multiple_of(2) {
            members.insert(
                "IamInstanceProfile".to_owned(),
                json!({
                    "Arn": format!("arn:aws:iam::{}:instance-profile/app", self.account),
                    "Id": format!("AIPA{:016X}", self.hash("profile", 0)),
                }),
            );
        }
        answer
    }
}
