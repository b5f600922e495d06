//! Security groups and their rules, in the shapes that checks get wrong.
//!
//! One description of a rule answers both calls: grouped by protocol and ports in `DescribeSecurityGroups`, one
//! by one in `DescribeSecurityGroupRules`.

use serde_json::{Value, json};

use super::{Estate, list};

/// Who a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    V4(String),
    V6(String),
    Prefixes(String),
    /// A group, of a peered VPC where there is one: the VPC, the connection and its state.
    Group {
        id: String,
        account: String,
        peer: Option<(String, String, &'static str)>,
    },
}

/// One rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    egress: bool,
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    peer: Peer,
    description: Option<String>,
}

/// One group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) vpc: u64,
    /// What is interesting about it.
    pub(crate) shape: &'static str,
    description: String,
    rules: Vec<Rule>,
    number: u64,
}

/// Shapes of the groups that are not part of a tier, in turn.
pub(crate) const SHAPES: [&str; 24] = [
    "ssh-any4",
    "rdp-any4",
    "ssh-any6",
    "rdp-any6",
    "range20-30-any4",
    "all-any4",
    "https-any4",
    "mysql-any4",
    "ssh-split-any4",
    "udp22-any4",
    "ssh-from-group",
    "https-any4-any6",
    "alltcp-any4",
    "icmp-any4",
    "ssh-public24",
    "ssh-prefix-list-world",
    "ssh-prefix-list-office",
    "rdp-prefix-list-world6",
    "ssh-2000-3",
    "from-peered-group",
    "no-rules",
    "internal",
    "many-rules",
    "launch-wizard",
];

/// Shapes that let the internet reach TCP 22, and TCP 3389.
pub(crate) const SSH_OPEN: [&str; 9] = [
    "ssh-any4",
    "ssh-any6",
    "range20-30-any4",
    "all-any4",
    "ssh-split-any4",
    "alltcp-any4",
    "ssh-prefix-list-world",
    "ssh-2000-3",
    "launch-wizard",
];
/// See [`SSH_OPEN`].
pub(crate) const RDP_OPEN: [&str; 5] =
    ["rdp-any4", "rdp-any6", "all-any4", "alltcp-any4", "rdp-prefix-list-world6"];

const FIRST_SHAPE: u64 = 1_000_000;
const ANY4: &str = "0.0.0.0/0";
const ANY6: &str = "::/0";

fn v4(cidr: &str) -> Peer {
    Peer::V4(cidr.to_owned())
}

fn v6(cidr: &str) -> Peer {
    Peer::V6(cidr.to_owned())
}

fn tcp(port: i32, peer: Peer) -> Rule {
    rule(false, "tcp", Some((port, port)), peer)
}

fn rule(egress: bool, protocol: &'static str, ports: Option<(i32, i32)>, peer: Peer) -> Rule {
    let description = match &peer {
        Peer::V4(cidr) if cidr != ANY4 => Some(format!("from {cidr}")),
        _ => None,
    };
    Rule { egress, protocol, ports, peer, description }
}

impl Estate<'_> {
    /// Id of the group of a tier: 0 load balancer, 1 application, 2 database.
    pub(crate) fn tier_group_id(&self, vpc: u64, tier: u64) -> String {
        self.id("sg", "tier", vpc * 3 + tier)
    }

    pub(crate) fn tier_group_name(&self, vpc: u64, tier: u64) -> String {
        let word = match tier {
            0 => "lb",
            1 => "app",
            _ => "db",
        };
        format!("{}-{word}", self.vpc_name(vpc))
    }

    /// Id of the `n`th group that is not part of a tier.
    pub(crate) fn shape_group_id(&self, n: u64) -> String {
        self.id("sg", "shape", n)
    }

    pub(crate) fn shape_group_name(&self, n: u64) -> String {
        if Self::shape_of(n) == "launch-wizard" {
            format!("launch-wizard-{n}")
        } else {
            format!("sg-{}-{n}", self.region)
        }
    }

    fn shape_of(n: u64) -> &'static str {
        usize::try_from(n).ok().and_then(|n| SHAPES.get(n % SHAPES.len())).copied().unwrap_or("internal")
    }

    pub(crate) fn shape_groups(&self) -> u64 {
        self.scaled(0, 24)
    }

    /// One of the VPCs that somebody made, in turn.
    pub(crate) fn some_vpc(&self, n: u64) -> u64 {
        let count = self.custom_vpcs().end() - self.custom_vpcs().start() + 1;
        1 + n % count
    }

    /// VPC of the `n`th group that is not part of a tier: those of a peer's groups are in the VPC that is peered.
    pub(crate) fn shape_group_vpc(&self, n: u64) -> u64 {
        if Self::shape_of(n) == "from-peered-group" { 1 } else { self.some_vpc(n) }
    }

    /// All groups of the region.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let everywhere = || rule(true, "-1", None, v4(ANY4));
        let mut groups = Vec::new();
        for vpc in self.vpcs() {
            let id = self.id("sg", "default", vpc);
            // Every other default group was closed, as it should be.
            let closed = vpc != 0 && self.turn(vpc).is_multiple_of(2);
            let own = Peer::Group { id: id.clone(), account: self.account.clone(), peer: None };
            groups.push(Group {
                id,
                name: "default".to_owned(),
                vpc,
                shape: if closed { "default-closed" } else { "default-open" },
                description: "default VPC security group".to_owned(),
                rules: if closed { vec![] } else { vec![rule(false, "-1", None, own), everywhere()] },
                number: vpc,
            });
        }
        for vpc in self.custom_vpcs() {
            for tier in 0..3 {
                groups.push(self.tier_group(vpc, tier));
            }
        }
        for n in 0..self.shape_groups() {
            let mut rules = self.shape_rules(n);
            match Self::shape_of(n) {
                "no-rules" => {}
                // What it lets out can only be known from the list.
                "ssh-prefix-list-office" => {
                    let out = Peer::Prefixes(self.prefix_list_id(0));
                    rules.push(rule(true, "tcp", Some((443, 443)), out));
                }
                _ => rules.push(everywhere()),
            }
            groups.push(Group {
                id: self.shape_group_id(n),
                name: self.shape_group_name(n),
                vpc: self.shape_group_vpc(n),
                shape: Self::shape_of(n),
                description: format!("shape {}", Self::shape_of(n)),
                rules,
                number: FIRST_SHAPE + n,
            });
        }
        groups
    }

    fn tier_group(&self, vpc: u64, tier: u64) -> Group {
        let near = |tier| Peer::Group {
            id: self.tier_group_id(vpc, tier),
            account: self.account.clone(),
            peer: None,
        };
        let both = |egress, port, peer| rule(egress, "tcp", Some((port, port)), peer);
        let (shape, rules) = match tier {
            0 => (
                "tier-lb",
                vec![tcp(443, v4(ANY4)), tcp(443, v6(ANY6)), tcp(80, v4(ANY4)), both(true, 8080, near(1))],
            ),
            1 => ("tier-app", vec![tcp(8080, near(0)), both(true, 5432, near(2)), both(true, 443, v4(ANY4))]),
            _ => ("tier-db", vec![tcp(5432, near(1))]),
        };
        Group {
            id: self.tier_group_id(vpc, tier),
            name: self.tier_group_name(vpc, tier),
            vpc,
            shape,
            description: format!("{shape} of {}", self.vpc_name(vpc)),
            rules,
            number: 1_000 + vpc * 3 + tier,
        }
    }

    /// A group of a VPC that was peered once.
    fn stale_peer(&self, n: u64) -> String {
        self.id("sg", "stale", n)
    }

    fn shape_rules(&self, n: u64) -> Vec<Rule> {
        let own =
            |n: u64| Peer::Group { id: self.shape_group_id(n), account: self.account.clone(), peer: None };
        let next = self.neighbour();
        let mut rules = match Self::shape_of(n) {
            "ssh-any4" => vec![tcp(22, v4(ANY4))],
            "rdp-any4" => vec![tcp(3389, v4(ANY4))],
            "ssh-any6" => vec![tcp(22, v6(ANY6))],
            "rdp-any6" => vec![tcp(3389, v6(ANY6))],
            "range20-30-any4" => vec![rule(false, "tcp", Some((20, 30)), v4(ANY4))],
            "all-any4" => vec![rule(false, "-1", None, v4(ANY4))],
            "https-any4" => vec![tcp(443, v4(ANY4))],
            "mysql-any4" => vec![tcp(3306, v4(ANY4))],
            "ssh-split-any4" => vec![tcp(22, v4("0.0.0.0/1")), tcp(22, v4("128.0.0.0/1"))],
            "udp22-any4" => vec![rule(false, "udp", Some((22, 22)), v4(ANY4))],
            "ssh-from-group" => vec![tcp(22, own(n))],
            "https-any4-any6" => vec![tcp(443, v4(ANY4)), tcp(443, v6(ANY6))],
            "alltcp-any4" => vec![rule(false, "tcp", Some((0, 65_535)), v4(ANY4))],
            "icmp-any4" => vec![
                rule(false, "icmp", Some((-1, -1)), v4(ANY4)),
                rule(false, "icmpv6", Some((-1, -1)), v6(ANY6)),
            ],
            "ssh-public24" => vec![tcp(22, v4("198.51.100.0/24"))],
            "ssh-prefix-list-world" => vec![tcp(22, Peer::Prefixes(self.prefix_list_id(1)))],
            "ssh-prefix-list-office" => {
                let office = || Peer::Prefixes(self.prefix_list_id(0));
                vec![tcp(22, office()), rule(false, "-1", None, office())]
            }
            "rdp-prefix-list-world6" => vec![tcp(3389, Peer::Prefixes(self.prefix_list_id(2)))],
            "ssh-2000-3" => vec![tcp(22, v6("2000::/3"))],
            "from-peered-group" => {
                let from = |id: String, vpc: u64, connection: u64, state| Peer::Group {
                    id,
                    account: next.account.clone(),
                    peer: Some((next.vpc_id(vpc), self.peering_id(connection), state)),
                };
                vec![
                    tcp(8_443, from(next.tier_group_id(1, 1), 1, 1, "active")),
                    tcp(9_000, from(self.stale_peer(n), 2, 4, "deleted")),
                ]
            }
            "no-rules" => return vec![],
            "many-rules" => {
                (0..55_u8).map(|at| tcp(7_000 + i32::from(at), v4(&format!("10.{at}.0.0/16")))).collect()
            }
            "launch-wizard" => vec![tcp(22, v4(ANY4)), tcp(80, v4(ANY4))],
            _ => vec![
                rule(false, "50", None, v4("10.0.0.0/8")),
                tcp(443, Peer::Prefixes(self.aws_prefix_list_id("s3"))),
            ],
        };
        rules.push(tcp(8_000, v4("10.0.0.0/8")));
        if let (true, Some(last)) = (n % 7 == 3, rules.last_mut()) {
            last.description = Some("</script><b onmouseover=alert(1)> Zürich".to_owned());
        }
        rules
    }

    /// Answers `DescribeSecurityGroups`.
    pub(crate) fn describe_security_groups(&self) -> Value {
        json!({"SecurityGroups": list(self.groups().iter().map(|group| {
            let mut answer = json!({
                "GroupId": group.id,
                "IpPermissionsEgress": permissions(group, true),
                "VpcId": self.vpc_id(group.vpc),
                "SecurityGroupArn": self.arn("ec2", &format!("security-group/{}", group.id)),
                "OwnerId": self.account,
                "GroupName": group.name,
                "Description": group.description,
                "IpPermissions": permissions(group, false),
            });
            if let (true, Some(members)) = (group.name != "default", answer.as_object_mut()) {
                let mut tags = self.tags(&group.name, group.number);
                if let (Some(tags), Some(tier)) = (tags.as_array_mut(), tier_tag(group.shape)) {
                    tags.push(json!({"Key": "Tier", "Value": tier}));
                }
                members.insert("Tags".to_owned(), tags);
            }
            answer
        }))})
    }

    /// Answers `DescribeSecurityGroupRules`.
    pub(crate) fn describe_security_group_rules(&self) -> Value {
        json!({"SecurityGroupRules": list(self.groups().iter().flat_map(|group| {
            (0..).zip(&group.rules).map(|(at, rule): (u64, _)| {
                let id = self.id("sgr", "sgr", group.number * 1_000 + at);
                let mut answer = json!({
                    "SecurityGroupRuleId": id,
                    "GroupId": group.id,
                    "GroupOwnerId": self.account,
                    "IsEgress": rule.egress,
                    "IpProtocol": rule.protocol,
                    // Here AWS says -1 where the other call leaves the ports out.
                    "FromPort": rule.ports.map_or(-1, |ports| ports.0),
                    "ToPort": rule.ports.map_or(-1, |ports| ports.1),
                    "Tags": [],
                    "SecurityGroupRuleArn": self.arn("ec2", &format!("security-group-rule/{id}")),
                });
                if let Some(members) = answer.as_object_mut() {
                    let (key, value) = match &rule.peer {
                        Peer::V4(cidr) => ("CidrIpv4", json!(cidr)),
                        Peer::V6(cidr) => ("CidrIpv6", json!(cidr)),
                        Peer::Prefixes(id) => ("PrefixListId", json!(id)),
                        Peer::Group { id, account, peer } => {
                            let mut info = json!({"GroupId": id, "UserId": account});
                            if let (Some(info), Some((vpc, connection, state))) = (info.as_object_mut(), peer) {
                                info.insert("VpcId".to_owned(), json!(vpc));
                                info.insert("VpcPeeringConnectionId".to_owned(), json!(connection));
                                info.insert("PeeringStatus".to_owned(), json!(state));
                            }
                            ("ReferencedGroupInfo", info)
                        }
                    };
                    members.insert(key.to_owned(), value);
                    if let Some(description) = &rule.description {
                        members.insert("Description".to_owned(), json!(description));
                    }
                }
                answer
            }).collect::<Vec<_>>()
        }))})
    }

    /// Answers `DescribeStaleSecurityGroups` for one VPC; `None` when there is no such VPC.
    pub(crate) fn describe_stale_security_groups(&self, vpc_id: &str) -> Option<Value> {
        let vpc = self.vpcs().find(|vpc| self.vpc_id(*vpc) == vpc_id)?;
        let stale = self.groups().into_iter().filter(|group| {
            // A group of the other VPC of a deleted connection is still named.
            group.vpc == vpc && group.shape == "from-peered-group"
        });
        let next = self.neighbour();
        Some(json!({"StaleSecurityGroupSet": list(stale.map(|group| json!({
            "Description": group.description,
            "GroupId": group.id,
            "GroupName": group.name,
            "StaleIpPermissions": [{
                "FromPort": 9_000,
                "IpProtocol": "tcp",
                "IpRanges": [],
                "PrefixListIds": [],
                "ToPort": 9_000,
                "UserIdGroupPairs": [{
                    "UserId": next.account,
                    "GroupId": self.stale_peer(group.number - FIRST_SHAPE),
                    "VpcId": next.vpc_id(2),
                    "VpcPeeringConnectionId": self.peering_id(4),
                    "PeeringStatus": "deleted",
                }],
            }],
            "StaleIpPermissionsEgress": [],
            "VpcId": vpc_id,
        })))}))
    }
}

/// What the tag of a group calls its tier: those of the pattern, and one with rules that the pattern does not have.
fn tier_tag(shape: &str) -> Option<&'static str> {
    match shape {
        "tier-lb" => Some("lb"),
        "tier-app" => Some("App"),
        "tier-db" => Some("database"),
        "https-any4" | "ssh-prefix-list-office" => Some("web"),
        _ => None,
    }
}

/// Rules of one direction as `DescribeSecurityGroups` has them: one entry for each protocol and port range.
fn permissions(group: &Group, egress: bool) -> Value {
    type Key = (&'static str, Option<(i32, i32)>);
    let mut keys: Vec<Key> = Vec::new();
    for rule in group.rules.iter().filter(|rule| rule.egress == egress) {
        let key = (rule.protocol, rule.ports);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    list(keys.into_iter().map(|(protocol, ports)| {
        let (mut pairs, mut ranges, mut ranges6, mut prefixes) = (vec![], vec![], vec![], vec![]);
        let same = |rule: &&Rule| rule.egress == egress && (rule.protocol, rule.ports) == (protocol, ports);
        for rule in group.rules.iter().filter(same) {
            let mut entry = match &rule.peer {
                Peer::V4(cidr) => json!({"CidrIp": cidr}),
                Peer::V6(cidr) => json!({"CidrIpv6": cidr}),
                Peer::Prefixes(id) => json!({"PrefixListId": id}),
                Peer::Group { id, account, peer: Some((vpc, connection, state)) } => json!({
                    "UserId": account, "GroupId": id, "VpcId": vpc, "VpcPeeringConnectionId": connection,
                    "PeeringStatus": state,
                }),
                Peer::Group { id, account, peer: None } => json!({"UserId": account, "GroupId": id}),
            };
            if let (Some(members), Some(description)) = (entry.as_object_mut(), &rule.description) {
                members.insert("Description".to_owned(), json!(description));
            }
            match &rule.peer {
                Peer::V4(_) => ranges.push(entry),
                Peer::V6(_) => ranges6.push(entry),
                Peer::Prefixes(_) => prefixes.push(entry),
                Peer::Group { .. } => pairs.push(entry),
            }
        }
        let mut permission = json!({"IpProtocol": protocol});
        if let Some(members) = permission.as_object_mut() {
            if let Some((from, to)) = ports {
                members.insert("FromPort".to_owned(), json!(from));
                members.insert("ToPort".to_owned(), json!(to));
            }
            for (key, value) in [
                ("UserIdGroupPairs", pairs),
                ("IpRanges", ranges),
                ("Ipv6Ranges", ranges6),
                ("PrefixListIds", prefixes),
            ] {
                members.insert(key.to_owned(), Value::Array(value));
            }
        }
        permission
    }))
}
