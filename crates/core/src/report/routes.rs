//! The tier of a subnet by its route table: the logic of `config/policies/lib/routes.rego`, which a test compares.
//!
//! A subnet uses the table that it is associated with, else the main one of its VPC. Public: a live route for public
//! addresses to an internet gateway. Private: such a route to anything else. Data: no way out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::look::{list, text};
use crate::policy::Public;

/// Where the packets of a subnet can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// To and from an internet gateway.
    Public,
    /// Out by a NAT gateway or another way.
    Private,
    /// Nowhere outside.
    Data,
    /// Route tables were not read, or none is known.
    Unknown,
}

impl Tier {
    /// The word of the policy `subnet_tier_by_route`.
    #[cfg(test)]
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "egress",
            Self::Data => "isolated",
            Self::Unknown => "unknown",
        }
    }

    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::Private => "Private",
            Self::Data => "Data",
            Self::Unknown => "Unknown",
        }
    }
}

const TARGETS: [&str; 10] = [
    "GatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
];

/// The route tables of a region.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    explicit: BTreeMap<&'a str, &'a Value>,
    main: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(tables: &[&'a Value]) -> Self {
        let mut found = Self::default();
        for table in tables {
            for association in list(table, "Associations") {
                let state = association.pointer("/AssociationState/State").and_then(Value::as_str);
                if let Some(subnet) = text(association, "SubnetId")
                    && matches!(state.unwrap_or("associated"), "associated" | "associating")
                {
                    found.explicit.insert(subnet, table);
                }
                if association.get("Main") == Some(&Value::Bool(true))
                    && let Some(vpc) = text(table, "VpcId")
                {
                    found.main.insert(vpc, table);
                }
            }
        }
        found
    }

    /// The table that a subnet uses.
    pub(super) fn of(&self, subnet: &str, vpc: &str) -> Option<&'a Value> {
        self.explicit.get(subnet).or_else(|| self.main.get(vpc)).copied()
    }
}

/// The tier, and the ways out: what each live route to public addresses leads to.
pub(super) fn tier(table: &Value, public: &Public) -> (Tier, Vec<String>) {
    let mut ways: Vec<String> = Vec::new();
    let mut out = false;
    for route in list(table, "Routes") {
        if text(route, "State").unwrap_or("active") != "active" {
            continue;
        }
        let target = TARGETS.iter().find_map(|name| text(route, name));
        let cidrs = ["DestinationCidrBlock", "DestinationIpv6CidrBlock"];
        let addresses = cidrs.iter().filter_map(|name| text(route, name)).any(|cidr| public.meets(cidr))
            && target.is_some_and(|target| target != "local");
        let listed = text(route, "DestinationPrefixListId").is_some()
            && target.is_some_and(|target| !target.starts_with("vpce-"));
        if addresses || listed {
            out = true;
            if let Some(target) = target.filter(|target| !ways.iter().any(|way| way == target)) {
                ways.push(target.to_owned());
            }
        }
    }
    let tier = if ways.iter().any(|way| way.starts_with("igw-")) {
        Tier::Public
    } else if out {
        Tier::Private
    } else {
        Tier::Data
    };
    ways.sort();
    (tier, ways)
}
