//! The section of networks: drawings, and the same content as lists and tables.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawings::Drawings;
use super::estate::{Connections, overview};
use super::network::{Subnet, Vpc};
use super::read::{Account, called};
use super::vpc::{counted, diagram, flow_words, link_words, waf_words};

/// VPCs that are not default ones and are drawn open, when there are no more of them.
const OPEN: usize = 8;

/// The section, as the template reads it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Networks {
    overview: String,
    connections: Vec<Connection>,
    unread: Vec<(String, String, String)>,
    vpcs: Vec<VpcBlock>,
    /// Whether the diagrams are on other pages.
    pages: bool,
}

#[derive(Debug, Serialize)]
struct Connection {
    id: String,
    between: Vec<String>,
    state: String,
}

#[derive(Debug, Serialize)]
struct VpcBlock {
    anchor: String,
    name: String,
    id: String,
    account: String,
    region: String,
    default: bool,
    shared_by: Option<String>,
    open: bool,
    svg: String,
    facts: Vec<(&'static str, String)>,
    subnets: Vec<SubnetLine>,
}

#[derive(Debug, Serialize)]
struct SubnetLine {
    id: String,
    name: Option<String>,
    tier: &'static str,
    zone: String,
    cidrs: String,
    public: bool,
    routes: String,
}

/// The overview, with the diagrams of one account, of all, or of none here.
pub(super) fn estate(drawings: &Drawings, accounts: &BTreeMap<String, Account>, diagrams: bool) -> Networks {
    let found = Connections::of(drawings);
    let names = accounts.iter().map(|(id, account)| (id.clone(), account.name.clone())).collect();
    let end = |account: &str, region: &str, vpc: &str| format!("{vpc} in {account} {region}");
    let peerings = found.peerings.iter().map(|it| Connection {
        id: it.id.clone(),
        between: [&it.from, &it.to].map(|side| end(&side.account, &side.region, &side.vpc)).to_vec(),
        state: it.status.clone(),
    });
    let transits = found.transits.iter().map(|it| Connection {
        id: it.id.clone(),
        between: it
            .vpcs
            .iter()
            .cloned()
            .chain(it.others.iter().map(|(kind, n)| format!("{n} {kind}")))
            .collect(),
        state: format!("transit gateway of {}", it.owner),
    });
    let any = drawings.networks().next().is_some();
    Networks {
        overview: if any { overview(drawings, &found, &names) } else { String::new() },
        connections: peerings.chain(transits).collect(),
        unread: found.unread.clone(),
        vpcs: if diagrams { blocks(drawings, accounts, None) } else { Vec::new() },
        pages: any && !diagrams,
    }
}

/// The diagrams of one account.
pub(super) fn of_account(drawings: &Drawings, accounts: &BTreeMap<String, Account>, id: &str) -> Networks {
    Networks { vpcs: blocks(drawings, accounts, Some(id)), ..Networks::default() }
}

fn blocks(drawings: &Drawings, accounts: &BTreeMap<String, Account>, only: Option<&str>) -> Vec<VpcBlock> {
    let own = || drawings.vpcs().filter(|(account, _, _)| only.is_none_or(|only| only == *account));
    let open = own().filter(|(_, _, vpc)| !vpc.is_default).count() <= OPEN;
    own()
        .enumerate()
        .map(|(number, (account, region, vpc))| VpcBlock {
            anchor: format!("n{number}"),
            name: vpc.name.clone().unwrap_or_else(|| vpc.id.clone()),
            id: vpc.id.clone(),
            account: called(accounts, account),
            region: region.to_owned(),
            default: vpc.is_default,
            shared_by: vpc.shared_by.clone(),
            open: open && !vpc.is_default,
            svg: diagram(vpc, account, region, &format!("s{number}")),
            facts: facts(vpc),
            subnets: vpc.subnets.iter().flatten().map(line).collect(),
        })
        .collect()
}

fn line(subnet: &Subnet) -> SubnetLine {
    let table = subnet.table.as_deref().unwrap_or("no route table is known");
    let ways = if subnet.ways.is_empty() { String::new() } else { format!(" to {}", subnet.ways.join(", ")) };
    let nats =
        if subnet.nats.is_empty() { String::new() } else { format!("; holds {}", subnet.nats.join(", ")) };
    SubnetLine {
        id: subnet.id.clone(),
        name: subnet.name.clone(),
        tier: subnet.tier.word(),
        zone: subnet.zone.clone(),
        cidrs: subnet.cidrs.join(", "),
        public: subnet.gives_public,
        routes: format!("{table}{ways}{nats}"),
    }
}

/// A list in words, or why it is not known.
fn listed<T>(known: &Result<Vec<T>, String>, word: impl Fn(&T) -> String) -> String {
    match known {
        Ok(list) if list.is_empty() => "none".to_owned(),
        Ok(list) => list.iter().map(word).collect::<Vec<_>>().join("; "),
        Err(why) => format!("unknown ({why})"),
    }
}

fn facts(vpc: &Vpc) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Addresses", vpc.cidrs.join(", ")),
        ("Flow logs", flow_words(vpc).1.trim_start_matches("Flow logs: ").to_owned()),
        ("Internet gateways", listed(&vpc.internet, Clone::clone)),
        ("Egress-only gateways", listed(&vpc.egress_only, Clone::clone)),
        (
            "Load balancers",
            listed(&vpc.balancers, |it| {
                let zones: Vec<&str> = it.zones.iter().map(String::as_str).collect();
                let waf = waf_words(&it.waf).1;
                let waf = if waf.is_empty() { String::new() } else { format!(", {waf}") };
                format!("{} ({}, {}, {}{waf})", it.name, it.kind, it.scheme, zones.join(" "))
            }),
        ),
        ("Endpoints", listed(&vpc.endpoints, |it| format!("{} {} ({})", it.id, it.service, it.kind))),
        (
            "Connections",
            listed(&vpc.links, |it| {
                let (what, to, place) = link_words(vpc, it);
                let place = if place.is_empty() { place } else { format!(", {place}") };
                format!("{what}: {to}{place}")
            }),
        ),
        (
            "Groups and ACLs",
            format!(
                "{}, {}",
                counted(&vpc.groups, "security group", "security groups"),
                counted(&vpc.acls, "network ACL", "network ACLs")
            ),
        ),
    ];
    if let Err(why) = &vpc.subnets {
        facts.push(("Subnets", format!("unknown ({why})")));
    }
    if let Err(why) = &vpc.nats {
        facts.push(("NAT gateways", format!("unknown ({why})")));
    }
    facts
}
