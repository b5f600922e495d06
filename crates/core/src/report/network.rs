//! The network of one region, cut down to what a diagram shows.
//!
//! Small and owned, so that the documents can be let go when the region has been judged. What could not be read is
//! kept as the reason, part by part: a denied call makes one part of a diagram unknown and never empties it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::look::{Known, calls, entries, list, owned, refusal, tag, text};
use super::routes::{Tables, Tier, tier};
use crate::policy::{Evidence, Public};

/// One VPC.
#[derive(Debug, Clone)]
pub(super) struct Vpc {
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// The account that owns it, when that is another one: a shared VPC.
    pub(super) shared_by: Option<String>,
    pub(super) cidrs: Vec<String>,
    pub(super) is_default: bool,
    pub(super) subnets: Known<Vec<Subnet>>,
    pub(super) internet: Known<Vec<String>>,
    pub(super) egress_only: Known<Vec<String>>,
    /// NAT gateways by the reason why they are not known; those that are stand in their subnets.
    pub(super) nats: Known<()>,
    pub(super) endpoints: Known<Vec<Endpoint>>,
    pub(super) links: Known<Vec<Link>>,
    pub(super) balancers: Known<Vec<Balancer>>,
    pub(super) flow: Known<Flow>,
    pub(super) groups: Known<usize>,
    pub(super) acls: Known<usize>,
}

/// One subnet.
#[derive(Debug, Clone)]
pub(super) struct Subnet {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) zone: String,
    pub(super) cidrs: Vec<String>,
    pub(super) gives_public: bool,
    pub(super) tier: Tier,
    pub(super) table: Option<String>,
    pub(super) ways: Vec<String>,
    pub(super) nats: Vec<String>,
    pub(super) interfaces: Option<usize>,
}

/// One VPC endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) service: String,
}

/// What a VPC is connected with.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Peering(Peering),
    Transit { id: String, state: String },
}

/// A peering connection, as either side lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peering {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) from: Side,
    pub(super) to: Side,
}

impl Peering {
    /// Whether it is a thing of the past: AWS lists such for a while.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status.as_str(), "deleted" | "rejected" | "expired" | "failed")
    }
}

/// One end of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Side {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) vpc: String,
}

/// One load balancer.
#[derive(Debug, Clone)]
pub(super) struct Balancer {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) scheme: String,
    pub(super) zones: BTreeSet<String>,
    pub(super) waf: Waf,
}

/// What stands before a load balancer.
#[derive(Debug, Clone)]
pub(super) enum Waf {
    Acl(String),
    Missing,
    /// It cannot carry one.
    Inapplicable,
    Unread(String),
}

/// Whether traffic is recorded.
#[derive(Debug, Clone)]
pub(super) enum Flow {
    /// Logs on the VPC itself, each as words; whether one of them is active and delivers.
    Logs {
        words: Vec<String>,
        alive: bool,
    },
    /// Logs on so many of its subnets.
    Subnets(usize),
    Missing,
}

/// A transit gateway with what hangs on it, as one account sees it.
#[derive(Debug, Clone)]
pub(super) struct Transit {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) vpcs: BTreeSet<String>,
    /// Attachments of other kinds: `vpn`, `direct-connect-gateway`, ...
    pub(super) others: BTreeMap<String, usize>,
}

/// One region of one account.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) vpcs: Known<Vec<Vpc>>,
    pub(super) peerings: Known<Vec<Peering>>,
    pub(super) transits: Known<Vec<Transit>>,
}

/// Reads a region.
pub(super) fn network(evidence: &Evidence, region: &str, public: &Public) -> Network {
    let read = |item: &str, operation: &str, member: &str| entries(evidence, region, item, operation, member);
    let peerings = read("vpc.connections", "DescribeVpcPeeringConnections", "VpcPeeringConnections")
        .map(|list| list.into_iter().map(peering).collect());
    let attachments =
        read("vpc.connections", "DescribeTransitGatewayAttachments", "TransitGatewayAttachments");
    let transits = attachments.as_ref().map_err(Clone::clone).map(|list| transits(list));
    let vpcs = read("vpc.vpcs", "DescribeVpcs", "Vpcs").map(|vpcs| {
        let parts = Parts {
            account: evidence.account(),
            subnets: read("vpc.subnets", "DescribeSubnets", "Subnets"),
            tables: read("vpc.route-tables", "DescribeRouteTables", "RouteTables"),
            internet: read("vpc.gateways", "DescribeInternetGateways", "InternetGateways"),
            egress_only: read(
                "vpc.gateways",
                "DescribeEgressOnlyInternetGateways",
                "EgressOnlyInternetGateways",
            ),
            nats: read("vpc.gateways", "DescribeNatGateways", "NatGateways"),
            endpoints: read("vpc.endpoints", "DescribeVpcEndpoints", "VpcEndpoints"),
            interfaces: read("vpc.network-interfaces", "DescribeNetworkInterfaces", "NetworkInterfaces"),
            balancers: read("elb.load-balancers", "DescribeLoadBalancers", "LoadBalancers"),
            flow: read("vpc.flow-logs", "DescribeFlowLogs", "FlowLogs"),
            groups: read("vpc.security-groups", "DescribeSecurityGroups", "SecurityGroups"),
            acls: read("vpc.network-acls", "DescribeNetworkAcls", "NetworkAcls"),
            protected: protected(evidence, region),
            peerings: &peerings,
            attachments,
            public,
        };
        let mut vpcs: Vec<Vpc> = vpcs.into_iter().map(|vpc| parts.vpc(vpc)).collect();
        // What is connected and named first: defaults are alike everywhere.
        vpcs.sort_by(|a, b| (a.is_default, &a.name, &a.id).cmp(&(b.is_default, &b.name, &b.id)));
        vpcs
    });
    Network { vpcs, peerings, transits }
}

/// Lists of a region, read once for all of its VPCs.
struct Parts<'a> {
    account: &'a str,
    subnets: Known<Vec<&'a Value>>,
    tables: Known<Vec<&'a Value>>,
    internet: Known<Vec<&'a Value>>,
    egress_only: Known<Vec<&'a Value>>,
    nats: Known<Vec<&'a Value>>,
    endpoints: Known<Vec<&'a Value>>,
    interfaces: Known<Vec<&'a Value>>,
    balancers: Known<Vec<&'a Value>>,
    flow: Known<Vec<&'a Value>>,
    groups: Known<Vec<&'a Value>>,
    acls: Known<Vec<&'a Value>>,
    protected: Protected,
    peerings: &'a Known<Vec<Peering>>,
    attachments: Known<Vec<&'a Value>>,
    public: &'a Public,
}

/// Those of a list that name a VPC.
fn within<'a>(list: &Known<Vec<&'a Value>>, vpc: &str) -> Known<Vec<&'a Value>> {
    let of_vpc = |entry: &&&Value| text(entry, "VpcId") == Some(vpc);
    list.as_ref().map_err(Clone::clone).map(|list| list.iter().filter(of_vpc).copied().collect())
}

/// Ids of those that are attached to a VPC.
fn attached(list: &Known<Vec<&Value>>, vpc: &str, id: &str) -> Known<Vec<String>> {
    let here = |entry: &&&Value| {
        self::list(entry, "Attachments").any(|attachment| text(attachment, "VpcId") == Some(vpc))
    };
    let list = list.as_ref().map_err(Clone::clone)?;
    Ok(list.iter().filter(here).map(|entry| owned(entry, id)).collect())
}

impl Parts<'_> {
    fn vpc(&self, vpc: &Value) -> Vpc {
        let id = owned(vpc, "VpcId");
        let owner = text(vpc, "OwnerId").filter(|owner| *owner != self.account);
        let mut cidrs: Vec<String> =
            list(vpc, "CidrBlockAssociationSet").map(|it| owned(it, "CidrBlock")).collect();
        cidrs.extend(list(vpc, "Ipv6CidrBlockAssociationSet").map(|it| owned(it, "Ipv6CidrBlock")));
        if cidrs.is_empty() {
            cidrs.extend(text(vpc, "CidrBlock").map(str::to_owned));
        }
        cidrs.retain(|cidr| !cidr.is_empty());
        let subnets = within(&self.subnets, &id).map(|list| self.subnets(&id, &list));
        let flow = self.flow(&id, subnets.as_deref().unwrap_or_default());
        Vpc {
            name: tag(vpc, "Name").filter(|name| !name.is_empty()),
            shared_by: owner.map(str::to_owned),
            cidrs,
            is_default: vpc.get("IsDefault") == Some(&Value::Bool(true)),
            subnets,
            internet: attached(&self.internet, &id, "InternetGatewayId"),
            egress_only: attached(&self.egress_only, &id, "EgressOnlyInternetGatewayId"),
            nats: self.nats.as_ref().map(|_| ()).map_err(Clone::clone),
            endpoints: within(&self.endpoints, &id).map(|list| list.into_iter().map(endpoint).collect()),
            links: self.links(&id),
            balancers: within(&self.balancers, &id)
                .map(|list| list.into_iter().map(|entry| self.balancer(entry)).collect()),
            flow,
            groups: within(&self.groups, &id).map(|list| list.len()),
            acls: within(&self.acls, &id).map(|list| list.len()),
            id,
        }
    }

    fn subnets(&self, vpc: &str, subnets: &[&Value]) -> Vec<Subnet> {
        let tables = self.tables.as_ref().map(|tables| Tables::new(tables));
        let mut found: Vec<Subnet> = subnets
            .iter()
            .map(|subnet| {
                let id = owned(subnet, "SubnetId");
                let table = tables.as_ref().ok().and_then(|tables| tables.of(&id, vpc));
                let (tier, ways) =
                    table.map_or((Tier::Unknown, Vec::new()), |table| tier(table, self.public));
                let mut cidrs: Vec<String> =
                    text(subnet, "CidrBlock").into_iter().map(str::to_owned).collect();
                let ipv6 = list(subnet, "Ipv6CidrBlockAssociationSet");
                cidrs.extend(ipv6.filter_map(|it| text(it, "Ipv6CidrBlock")).map(str::to_owned));
                let yes = |name: &str| subnet.get(name) == Some(&Value::Bool(true));
                let here = |entry: &&&Value| text(entry, "SubnetId") == Some(id.as_str());
                let nats = self.nats.as_deref().unwrap_or_default().iter();
                let nats = nats.filter(here).filter(|nat| text(nat, "State") != Some("deleted"));
                Subnet {
                    name: tag(subnet, "Name").filter(|name| !name.is_empty()),
                    zone: owned(subnet, "AvailabilityZone"),
                    cidrs,
                    gives_public: yes("MapPublicIpOnLaunch") || yes("AssignIpv6AddressOnCreation"),
                    tier,
                    table: table.map(|table| owned(table, "RouteTableId")),
                    ways,
                    nats: nats.map(|nat| owned(nat, "NatGatewayId")).collect(),
                    interfaces: self.interfaces.as_ref().ok().map(|list| list.iter().filter(here).count()),
                    id,
                }
            })
            .collect();
        found.sort_by(|a, b| (a.tier, &a.zone, &a.name, &a.id).cmp(&(b.tier, &b.zone, &b.name, &b.id)));
        found
    }

    /// Peering connections that are not gone, and transit gateways.
    fn links(&self, vpc: &str) -> Known<Vec<Link>> {
        let peerings = self.peerings.as_ref().map_err(Clone::clone)?;
        let attachments = self.attachments.as_ref().map_err(Clone::clone)?;
        let mut links: Vec<Link> = Vec::new();
        for peering in peerings {
            if !peering.is_gone() && (peering.from.vpc == vpc || peering.to.vpc == vpc) {
                links.push(Link::Peering(peering.clone()));
            }
        }
        for attachment in attachments.iter().filter(|it| text(it, "ResourceId") == Some(vpc)) {
            let state = owned(attachment, "State");
            if state != "deleted" {
                links.push(Link::Transit { id: owned(attachment, "TransitGatewayId"), state });
            }
        }
        Ok(links)
    }

    fn balancer(&self, entry: &Value) -> Balancer {
        let kind = owned(entry, "Type");
        let arn = text(entry, "LoadBalancerArn").unwrap_or_default();
        let waf = if kind == "application" { self.protected.of(arn) } else { Waf::Inapplicable };
        Balancer {
            name: owned(entry, "LoadBalancerName"),
            scheme: owned(entry, "Scheme"),
            zones: list(entry, "AvailabilityZones").map(|zone| owned(zone, "ZoneName")).collect(),
            kind,
            waf,
        }
    }

    fn flow(&self, vpc: &str, subnets: &[Subnet]) -> Known<Flow> {
        let logs = self.flow.as_ref().map_err(Clone::clone)?;
        let of = |id: &str| logs.iter().filter(|log| text(log, "ResourceId") == Some(id)).collect::<Vec<_>>();
        let own = of(vpc);
        if own.is_empty() {
            let logged = subnets.iter().filter(|subnet| !of(&subnet.id).is_empty()).count();
            return Ok(if logged == 0 { Flow::Missing } else { Flow::Subnets(logged) });
        }
        let alive = |log: &&&Value| {
            text(log, "FlowLogStatus") == Some("ACTIVE") && text(log, "DeliverLogsStatus") != Some("FAILED")
        };
        let words = own.iter().map(|log| {
            let failed = text(log, "DeliverLogsStatus") == Some("FAILED");
            format!(
                "{} traffic to {}, {}{}",
                text(log, "TrafficType").unwrap_or("?"),
                text(log, "LogDestinationType").unwrap_or("?"),
                text(log, "FlowLogStatus").unwrap_or("?").to_ascii_lowercase(),
                if failed { ", delivery fails" } else { "" }
            )
        });
        Ok(Flow::Logs { words: words.collect(), alive: own.iter().any(alive) })
    }
}

fn endpoint(entry: &Value) -> Endpoint {
    let service = text(entry, "ServiceName").unwrap_or_default();
    // `com.amazonaws.eu-west-1.s3`: what AWS itself offers is known by its last words.
    let short = service.strip_prefix("com.amazonaws.").and_then(|rest| rest.split_once('.'));
    Endpoint {
        id: owned(entry, "VpcEndpointId"),
        kind: owned(entry, "VpcEndpointType"),
        service: short.map_or(service, |(_, name)| name).to_owned(),
    }
}

fn peering(entry: &Value) -> Peering {
    let side = |name: &str| {
        let info = entry.get(name).unwrap_or(&Value::Null);
        Side { account: owned(info, "OwnerId"), region: owned(info, "Region"), vpc: owned(info, "VpcId") }
    };
    Peering {
        id: owned(entry, "VpcPeeringConnectionId"),
        status: entry.pointer("/Status/Code").and_then(Value::as_str).unwrap_or_default().to_owned(),
        from: side("RequesterVpcInfo"),
        to: side("AccepterVpcInfo"),
    }
}

fn transits(attachments: &[&Value]) -> Vec<Transit> {
    let mut found: BTreeMap<String, Transit> = BTreeMap::new();
    for attachment in attachments.iter().filter(|it| text(it, "State") != Some("deleted")) {
        let id = owned(attachment, "TransitGatewayId");
        let transit = found.entry(id.clone()).or_insert_with(|| Transit {
            id,
            owner: owned(attachment, "TransitGatewayOwnerId"),
            vpcs: BTreeSet::new(),
            others: BTreeMap::new(),
        });
        match text(attachment, "ResourceType") {
            Some("vpc") => {
                transit.vpcs.insert(owned(attachment, "ResourceId"));
            }
            kind => *transit.others.entry(kind.unwrap_or("?").to_owned()).or_default() += 1,
        }
    }
    found.into_values().collect()
}

/// Which load balancers have a web ACL, as far as the answers go.
struct Protected {
    by_arn: BTreeMap<String, String>,
    unread: Option<String>,
}

impl Protected {
    fn of(&self, arn: &str) -> Waf {
        match (self.by_arn.get(arn), &self.unread) {
            (Some(acl), _) => Waf::Acl(acl.clone()),
            (None, Some(why)) => Waf::Unread(why.clone()),
            (None, None) => Waf::Missing,
        }
    }
}

fn protected(evidence: &Evidence, region: &str) -> Protected {
    let mut by_arn = BTreeMap::new();
    // Without a single web ACL nothing is asked about resources: then the list itself is the answer.
    let mut unread = entries(evidence, region, "waf.web-acls", "ListWebACLs", "WebACLs").err();
    match calls(evidence, region, "waf.web-acls", "ListResourcesForWebACL") {
        Ok(calls) => {
            for call in calls {
                let acl = call.pointer("/parameters/WebACLArn").and_then(Value::as_str).unwrap_or_default();
                let name = acl.split('/').nth(2).unwrap_or(acl);
                unread = unread.or_else(|| refusal(call));
                let arns = call.pointer("/output/ResourceArns").and_then(Value::as_array);
                for arn in arns.into_iter().flatten().filter_map(Value::as_str) {
                    by_arn.insert(arn.to_owned(), name.to_owned());
                }
            }
        }
        Err(why) => unread = unread.or(Some(why)),
    }
    Protected { by_arn, unread }
}
