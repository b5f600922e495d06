//! Links between networks: peering, transit gateways, VPN.
//!
//! VPN answers hold pre-shared keys, twice: in the tunnel options and in the customer's configuration.

use serde_json::{Value, json};

use super::{AWS_OWNER, Estate, list, network::Tier};

impl Estate<'_> {
    pub(crate) fn peering_id(&self, n: u64) -> String {
        self.id("pcx", "pcx", n)
    }

    /// Places of the custom VPCs that have an active peering connection.
    pub(crate) fn peered_vpcs(&self) -> Vec<u64> {
        if self.quiet() { Vec::new() } else { vec![1, 2] }
    }

    /// Answers `DescribeVpcPeeringConnections`: within the account, with the next account, and one in each
    /// state that lingers.
    pub(crate) fn describe_vpc_peering_connections(&self) -> Value {
        if self.quiet() {
            return json!({"VpcPeeringConnections": []});
        }
        let side = |estate: &Estate<'_>, vpc: u64| {
            json!({
                "CidrBlock": estate.vpc_cidr(vpc),
                "CidrBlockSet": [{"CidrBlock": estate.vpc_cidr(vpc)}],
                "OwnerId": estate.account,
                "PeeringOptions": {
                    "AllowDnsResolutionFromRemoteVpc": vpc == 1,
                    "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
                    "AllowEgressFromLocalVpcToRemoteClassicLink": false,
                },
                "VpcId": estate.vpc_id(vpc),
                "Region": estate.region,
            })
        };
        // The other side of a connection that is not active is its id and no more.
        let stranger = |estate: &Estate<'_>, vpc: u64| json!({"OwnerId": estate.account, "VpcId": estate.vpc_id(vpc), "Region": estate.region});
        let next = self.neighbour();
        let mut all = vec![
            json!({
                "AccepterVpcInfo": side(self, 2),
                "RequesterVpcInfo": side(self, 1),
                "Status": {"Code": "active", "Message": "Active"},
                "Tags": self.tags("payments-web", 1),
                "VpcPeeringConnectionId": self.peering_id(0),
            }),
            json!({
                "AccepterVpcInfo": side(&next, 1),
                "RequesterVpcInfo": side(self, 1),
                "Status": {"Code": "active", "Message": "Active"},
                "Tags": self.tags("next-account", 3),
                "VpcPeeringConnectionId": self.peering_id(1),
            }),
        ];
        let lingering = [
            ("pending-acceptance", format!("Pending Acceptance by {}", next.account)),
            ("expired", "Expired".to_owned()),
            ("deleted", format!("Deleted by {}", self.account)),
        ];
        let more = u64::from(self.config.scale.unit()) * 2 + 1;
        for (n, (code, message)) in
            (2..).zip(lingering.iter().cycle()).take(usize::try_from(more).unwrap_or(3))
        {
            let mut connection = json!({
                "AccepterVpcInfo": stranger(&next, 2),
                "RequesterVpcInfo": side(self, 2),
                "Status": {"Code": code, "Message": message},
                "Tags": [],
                "VpcPeeringConnectionId": self.peering_id(n),
            });
            if let (true, Some(members)) = (*code != "deleted", connection.as_object_mut()) {
                members.insert("ExpirationTime".to_owned(), json!(self.days_ago(-6, n)));
            }
            all.push(connection);
        }
        json!({"VpcPeeringConnections": all})
    }

    fn transit_gateways(&self) -> u64 {
        self.scaled(0, 1)
    }

    fn transit_gateway(&self, n: u64) -> String {
        self.id("tgw", "tgw", n)
    }

    /// The transit gateway that route tables lead to.
    pub(crate) fn transit_gateway_id(&self) -> String {
        self.transit_gateway(0)
    }

    fn transit_table(&self, gateway: u64, which: &str) -> String {
        self.id("tgw-rtb", which, gateway)
    }

    /// Answers `DescribeTransitGateways`.
    pub(crate) fn describe_transit_gateways(&self) -> Value {
        json!({"TransitGateways": list((0..self.transit_gateways()).map(|n| {
            let id = self.transit_gateway(n);
            json!({
                "TransitGatewayId": id,
                "TransitGatewayArn": self.arn("ec2", &format!("transit-gateway/{id}")),
                "State": "available",
                "OwnerId": self.account,
                "Description": "hub",
                "CreationTime": self.days_ago(500, n),
                "Options": {
                    "AmazonSideAsn": 64_512 + n,
                    "TransitGatewayCidrBlocks": [],
                    "AutoAcceptSharedAttachments": if self.turn(n).is_multiple_of(2) { "enable" } else { "disable" },
                    "DefaultRouteTableAssociation": "enable",
                    "AssociationDefaultRouteTableId": self.transit_table(n, "default"),
                    "DefaultRouteTablePropagation": "enable",
                    "PropagationDefaultRouteTableId": self.transit_table(n, "default"),
                    "VpnEcmpSupport": "enable",
                    "DnsSupport": "enable",
                    "SecurityGroupReferencingSupport": "disable",
                    "MulticastSupport": "disable",
                },
                "Tags": self.tags(&format!("hub-{n}"), n),
            })
        }))})
    }

    /// Answers `DescribeTransitGatewayRouteTables`.
    pub(crate) fn describe_transit_gateway_route_tables(&self) -> Value {
        json!({"TransitGatewayRouteTables": list((0..self.transit_gateways()).flat_map(|n| {
            ["default", "isolated"].map(|which| json!({
                "TransitGatewayRouteTableId": self.transit_table(n, which),
                "TransitGatewayId": self.transit_gateway(n),
                "State": "available",
                "DefaultAssociationRouteTable": which == "default",
                "DefaultPropagationRouteTable": which == "default",
                "CreationTime": self.days_ago(500, n),
                "Tags": if which == "default" { json!([]) } else { self.tags(which, n) },
            }))
        }))})
    }

    fn transit_attachment(&self, vpc: u64) -> String {
        self.id("tgw-attach", "vpc", vpc)
    }

    /// Answers `DescribeTransitGatewayAttachments`.
    pub(crate) fn describe_transit_gateway_attachments(&self) -> Value {
        if self.transit_gateways() == 0 {
            return json!({"TransitGatewayAttachments": []});
        }
        let attachment = |id: String, kind: &str, resource: String, owner: &str, n: u64| {
            json!({
                "TransitGatewayAttachmentId": id,
                "TransitGatewayId": self.transit_gateway_id(),
                "TransitGatewayOwnerId": self.account,
                "ResourceOwnerId": owner,
                "ResourceType": kind,
                "ResourceId": resource,
                "State": "available",
                "Association": {
                    "TransitGatewayRouteTableId": self.transit_table(0, "default"),
                    "State": "associated",
                },
                "CreationTime": self.days_ago(490, n),
                "Tags": self.tags(&format!("attachment-{n}"), n),
            })
        };
        let vpcs = self
            .custom_vpcs()
            .map(|vpc| attachment(self.transit_attachment(vpc), "vpc", self.vpc_id(vpc), &self.account, vpc));
        let next = self.neighbour();
        let others = [
            attachment(self.id("tgw-attach", "foreign", 0), "vpc", next.vpc_id(1), &next.account, 100),
            attachment(self.id("tgw-attach", "vpn", 0), "vpn", self.vpn_id(0), &self.account, 101),
        ];
        json!({"TransitGatewayAttachments": list(vpcs.chain(others))})
    }

    /// Answers `SearchTransitGatewayRoutes` for one table; `None` when there is no such table.
    pub(crate) fn search_transit_gateway_routes(&self, table: &str) -> Option<Value> {
        let gateway = (0..self.transit_gateways())
            .find(|n| ["default", "isolated"].iter().any(|which| self.transit_table(*n, which) == table))?;
        let attachment = |id: String, kind: &str, resource: String| json!([{"ResourceId": resource, "TransitGatewayAttachmentId": id, "ResourceType": kind}]);
        if self.transit_table(gateway, "isolated") == table {
            return Some(json!({"Routes": [{
                "DestinationCidrBlock": "0.0.0.0/0", "Type": "static", "State": "blackhole",
            }], "AdditionalRoutesAvailable": false}));
        }
        let propagated = self.custom_vpcs().map(|vpc| {
            json!({
                "DestinationCidrBlock": self.vpc_cidr(vpc),
                "TransitGatewayAttachments": attachment(self.transit_attachment(vpc), "vpc", self.vpc_id(vpc)),
                "Type": "propagated",
                "State": "active",
            })
        });
        let fixed = [
            json!({
                "DestinationCidrBlock": "0.0.0.0/0",
                "TransitGatewayAttachments": attachment(self.transit_attachment(1), "vpc", self.vpc_id(1)),
                "Type": "static",
                "State": "active",
            }),
            json!({"DestinationCidrBlock": "192.168.0.0/16", "Type": "static", "State": "blackhole"}),
            json!({
                "DestinationCidrBlock": "172.20.0.0/16",
                "PrefixListId": self.prefix_list_id(0),
                "TransitGatewayAttachments":
                    attachment(self.id("tgw-attach", "vpn", 0), "vpn", self.vpn_id(0)),
                "Type": "static",
                "State": "active",
            }),
        ];
        Some(json!({"Routes": list(propagated.chain(fixed)), "AdditionalRoutesAvailable": false}))
    }

    fn vpn_id(&self, n: u64) -> String {
        self.id("vpn", "vpn", n)
    }

    /// Answers `DescribeVpnConnections`.
    pub(crate) fn describe_vpn_connections(&self) -> Value {
        json!({"VpnConnections": list((0..self.scaled(1, 1)).map(|n| self.vpn(n)))})
    }

    fn vpn(&self, n: u64) -> Value {
        let id = self.vpn_id(n);
        let outside = |tunnel: u64| self.public_ip((1 << 40) + n * 2 + tunnel);
        let secret = |tunnel: u64| self.secret("psk", n * 2 + tunnel);
        let tunnel = |tunnel: u64| {
            format!(
                "  <ipsec_tunnel>\n    <vpn_gateway>\n      <tunnel_outside_address>\n        <ip_address>{}\
                 </ip_address>\n      </tunnel_outside_address>\n    </vpn_gateway>\n    <ike>\n      \
                 <pre_shared_key>{}</pre_shared_key>\n    </ike>\n  </ipsec_tunnel>\n",
                outside(tunnel),
                secret(tunnel)
            )
        };
        let configuration = tunnel(0) + &tunnel(1);
        let tunnels = (0..2).map(|tunnel| {
            json!({
                "OutsideIpAddress": outside(tunnel),
                "TunnelInsideCidr": format!("169.254.{}.{}/30", 10 + n % 200, tunnel * 4),
                "PreSharedKey": secret(tunnel),
                "Phase1LifetimeSeconds": 28_800,
                "Phase1EncryptionAlgorithms": [{"Value": "AES256"}, {"Value": "AES256-GCM-16"}],
                "Phase1DHGroupNumbers": [{"Value": 14}, {"Value": 20}],
                "IkeVersions": [{"Value": "ikev2"}],
                "LogOptions": {"CloudWatchLogOptions": {"LogEnabled": tunnel == 0}},
                "EnableTunnelLifecycleControl": false,
            })
        });
        let telemetry = (0..2).map(|tunnel| {
            json!({
                "AcceptedRouteCount": if tunnel == 0 { 3 } else { 0 },
                "LastStatusChange": self.days_ago(4, n * 2 + tunnel),
                "OutsideIpAddress": outside(tunnel),
                // The second tunnel of every other connection is down.
                "Status": if tunnel == 1 && n.is_multiple_of(2) { "DOWN" } else { "UP" },
                "StatusMessage": if tunnel == 1 && n.is_multiple_of(2) { "IPSEC IS DOWN" } else { "3 BGP ROUTES" },
            })
        });
        json!({
            "Category": "VPN",
            "TransitGatewayId": self.transit_gateway_id(),
            "GatewayAssociationState": "associated",
            "Options": {
                "EnableAcceleration": false,
                "StaticRoutesOnly": n % 2 == 1,
                "LocalIpv4NetworkCidr": "0.0.0.0/0",
                "RemoteIpv4NetworkCidr": "0.0.0.0/0",
                "OutsideIpAddressType": "PublicIpv4",
                "TunnelInsideIpVersion": "ipv4",
                "TunnelOptions": list(tunnels),
            },
            "Routes": if n % 2 == 1 {
                json!([{"DestinationCidrBlock": "192.168.0.0/16", "Source": "Static", "State": "available"}])
            } else {
                json!([])
            },
            "Tags": self.tags(&format!("office-{n}"), n),
            "VgwTelemetry": list(telemetry),
            "VpnConnectionId": id,
            "State": "available",
            "CustomerGatewayConfiguration": format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<vpn_connection id=\"{id}\">\n{configuration}\
                 </vpn_connection>"
            ),
            "Type": "ipsec.1",
            "CustomerGatewayId": self.id("cgw", "cgw", n),
        })
    }

    /// Prefix lists of AWS, which every account sees: (short service name, how many entries).
    const AWS_LISTS: [(&'static str, u64); 4] =
        [("s3", 6), ("dynamodb", 3), ("vpc-lattice", 2), ("global.cloudfront.origin-facing", 46)];

    pub(crate) fn aws_prefix_list_id(&self, service: &str) -> String {
        // The same in all accounts of a region, and shorter than those of customers.
        let hash = crate::digest::Mix::new(0).word(self.region).word(service).finish();
        format!("pl-{:08x}", hash >> 32)
    }

    pub(crate) fn prefix_list_id(&self, n: u64) -> String {
        self.id("pl", "pl", n)
    }

    fn prefix_lists(&self) -> u64 {
        self.scaled(3, 1)
    }

    fn prefix_list_shape(n: u64) -> (&'static str, &'static [&'static str]) {
        match n {
            0 => ("office", &["198.51.100.0/24", "203.0.113.64/26"]),
            1 => ("world-in-halves", &["0.0.0.0/1", "128.0.0.0/1"]),
            2 => ("world6", &["::/0"]),
            3 => ("nobody", &[]),
            _ => ("partners", &["192.0.2.0/24", "10.0.0.0/8", "172.16.0.0/12"]),
        }
    }

    /// Answers `DescribeManagedPrefixLists`.
    pub(crate) fn describe_managed_prefix_lists(&self) -> Value {
        let aws = Self::AWS_LISTS.iter().map(|(service, _)| {
            let id = self.aws_prefix_list_id(service);
            let name = if service.starts_with("global") {
                format!("com.amazonaws.{service}")
            } else {
                format!("com.amazonaws.{}.{service}", self.region)
            };
            json!({
                "PrefixListId": id,
                "AddressFamily": "IPv4",
                "State": "create-complete",
                "PrefixListArn": format!("arn:aws:ec2:{}:aws:prefix-list/{id}", self.region),
                "PrefixListName": name,
                "Tags": [],
                "OwnerId": AWS_OWNER,
            })
        });
        let own = (0..self.prefix_lists()).map(|n| {
            let (name, entries) = Self::prefix_list_shape(n);
            let id = self.prefix_list_id(n);
            json!({
                "PrefixListId": id,
                "AddressFamily": if entries.iter().any(|cidr| cidr.contains(':')) { "IPv6" } else { "IPv4" },
                "State": "modify-complete",
                "PrefixListArn": self.arn("ec2", &format!("prefix-list/{id}")),
                "PrefixListName": name,
                "MaxEntries": 20,
                "Version": 1 + n,
                "Tags": self.tags(name, n),
                "OwnerId": self.account,
            })
        });
        json!({"PrefixLists": list(aws.chain(own))})
    }

    /// Answers `GetManagedPrefixListEntries`; `None` when there is no such list.
    pub(crate) fn managed_prefix_list_entries(&self, id: &str) -> Option<Value> {
        let aws = Self::AWS_LISTS.iter().find(|(service, _)| self.aws_prefix_list_id(service) == id);
        if let Some((_, count)) = aws {
            let entries =
                (0..*count).map(|n| json!({"Cidr": format!("52.{}.{}.0/22", 80 + n / 64, n % 64 * 4)}));
            return Some(json!({"Entries": list(entries)}));
        }
        let own = (0..self.prefix_lists()).find(|n| self.prefix_list_id(*n) == id)?;
        let (name, entries) = Self::prefix_list_shape(own);
        let entries = entries.iter().zip(0..).map(|(cidr, n): (_, u32)| {
            if n == 0 {
                json!({"Cidr": cidr, "Description": format!("{name} & friends")})
            } else {
                json!({"Cidr": cidr})
            }
        });
        Some(json!({"Entries": list(entries)}))
    }

    /// Subnets that the transit gateway has interfaces in.
    pub(crate) fn transit_subnets() -> [(Tier, u64); 2] {
        [(Tier::Private, 0), (Tier::Private, 1)]
    }
}
