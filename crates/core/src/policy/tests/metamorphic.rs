//! What does not matter changes no verdict: names, order, how addresses and rules are cut up, what else there is.
//!
//! Cases of `tests/policies`, turned by a seed in all of these ways together; rows are compared resource by resource.
//! That lists the other way round give the same rows is a test of its own, over every case.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::policy::addresses::range;

/// Turned cases. Each is judged once as it is and once turned, about 50 ms together in a debug build.
const TURNS: u32 = 150;

/// A stream of numbers from a seed: which turn is taken has to be the same when a failure is looked at again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::try_from(end.max(1)).unwrap()).try_into().unwrap()
    }
}

const PREFIXES: &[&str] = &[
    "vpc-", "subnet-", "sg-", "acl-", "rtb-", "igw-", "eni-", "pcx-", "tgw-", "fl-", "pl-", "nat-", "vpce-",
    "eigw-",
];

/// The new name of what a text is the id of.
fn renamed(text: &str, salt: u64) -> String {
    let prefix = PREFIXES.iter().find(|prefix| text.starts_with(**prefix));
    let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    prefix
        .filter(|_| plain)
        .map_or(text.to_owned(), |prefix| format!("{prefix}{salt:04x}{}", text.strip_prefix(prefix).unwrap()))
}

/// Every value of a tree, the innermost first.
fn each(value: &mut Value, turn: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| each(entry, turn)),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| each(member, turn)),
        _ => {}
    }
    turn(value);
}

/// The two halves of a CIDR, or the CIDR itself where it has none.
fn halves(text: &str) -> Vec<String> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let (Ok(length), Some(_)) = (length.parse::<u32>(), range(text)) else { return vec![text.to_owned()] };
    if let Ok(address) = address.parse::<std::net::Ipv4Addr>() {
        let first = u32::from(address) & !u32::MAX.checked_shr(length).unwrap_or(0);
        let Some(bit) = 32_u32.checked_sub(length + 1) else { return vec![text.to_owned()] };
        return [first, first | 1 << bit]
            .map(|it| format!("{}/{}", std::net::Ipv4Addr::from(it), length + 1))
            .to_vec();
    }
    let address = u128::from(address.parse::<std::net::Ipv6Addr>().unwrap());
    let first = address & !u128::MAX.checked_shr(length).unwrap_or(0);
    let Some(bit) = 128_u32.checked_sub(length + 1) else { return vec![text.to_owned()] };
    [first, first | 1 << bit].map(|it| format!("{}/{}", std::net::Ipv6Addr::from(it), length + 1)).to_vec()
}

/// Entries of a list in whose place others stand.
fn replaced(entries: &mut Vec<Value>, by: impl Fn(&Value) -> Vec<Value>) {
    *entries = entries.iter().flat_map(by).collect();
}

/// An entry with `member` in halves: two of them.
fn split(entry: &Value, members: &[&str]) -> Vec<Value> {
    let Some((member, text)) = members.iter().find_map(|it| Some((*it, entry.get(*it)?.as_str()?))) else {
        return vec![entry.clone()];
    };
    let with = |half: String| {
        let mut entry = entry.clone();
        entry[member] = json!(half);
        entry
    };
    halves(text).into_iter().map(with).collect()
}

/// Every range of addresses in two halves: of rules, of entries of ACLs and prefix lists, of routes.
fn split_addresses(documents: &mut Value) {
    each(documents, &mut |value| {
        let Value::Object(members) = value else { return };
        for list in ["IpRanges", "Ipv6Ranges"] {
            if let Some(Value::Array(ranges)) = members.get_mut(list) {
                replaced(ranges, |it| split(it, &["CidrIp", "CidrIpv6"]));
            }
        }
        if let Some(Value::Array(routes)) = members.get_mut("Routes") {
            replaced(routes, |it| split(it, &["DestinationCidrBlock", "DestinationIpv6CidrBlock"]));
        }
        if let Some(Value::Array(entries)) = members.get_mut("Entries") {
            replaced(entries, |it| {
                let mut halves = split(it, &["CidrBlock", "Ipv6CidrBlock", "Cidr"]);
                for (second, half) in halves.iter_mut().enumerate() {
                    if let Some(number) = half.get("RuleNumber").and_then(Value::as_u64) {
                        half["RuleNumber"] = json!(number * 2 + u64::try_from(second).unwrap());
                    }
                }
                halves
            });
        }
    });
}

/// A rule with many sources as many rules with one.
fn split_rules(documents: &mut Value) {
    const SOURCES: [&str; 4] = ["IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"];
    let one_by_one = |rule: &Value| -> Vec<Value> {
        let mut bare = rule.clone();
        for source in SOURCES {
            bare[source] = json!([]);
        }
        let single = |source: &'static str| {
            let bare = &bare;
            rule[source].as_array().cloned().unwrap_or_default().into_iter().map(move |entry| {
                let mut rule = bare.clone();
                rule[source] = json!([entry]);
                rule
            })
        };
        let rules: Vec<Value> = SOURCES.into_iter().flat_map(single).collect();
        if rules.is_empty() { vec![rule.clone()] } else { rules }
    };
    each(documents, &mut |value| {
        for side in ["IpPermissions", "IpPermissionsEgress"] {
            if let Some(Value::Array(rules)) = value.get_mut(side) {
                replaced(rules, one_by_one);
            }
        }
    });
}

fn duplicate_tags(documents: &mut Value) {
    each(documents, &mut |value| {
        if let Some(Value::Array(tags)) = value.get_mut("Tags") {
            replaced(tags, |tag| vec![tag.clone(), tag.clone()]);
        }
    });
}

fn shuffle(documents: &mut Value, dice: &mut Dice) {
    each(documents, &mut |value| {
        if let Value::Array(entries) = value {
            for place in (1..entries.len()).rev() {
                entries.swap(place, dice.below(place + 1));
            }
        }
    });
}

/// One more of each kind, which has to do with nothing, and the same documents of another region.
fn add_unrelated(documents: &mut Value) {
    let more = json!({
        "SecurityGroups": { "GroupId": "sg-more", "GroupName": "more", "VpcId": "vpc-more", "IpPermissions": [],
            "IpPermissionsEgress": [] },
        "Vpcs": { "VpcId": "vpc-more", "CidrBlock": "10.250.0.0/16", "IsDefault": false, "OwnerId": ACCOUNT },
        "Subnets": { "SubnetId": "subnet-more", "VpcId": "vpc-more", "MapPublicIpOnLaunch": false,
            "AssignIpv6AddressOnCreation": false },
        "RouteTables": { "RouteTableId": "rtb-more", "VpcId": "vpc-more", "Associations": [{ "Main": true }],
            "Routes": [{ "DestinationCidrBlock": "10.250.0.0/16", "GatewayId": "local", "State": "active" }] },
        "NetworkInterfaces": { "NetworkInterfaceId": "eni-more", "VpcId": "vpc-more", "SubnetId": "subnet-more",
            "InterfaceType": "interface", "Groups": [{ "GroupId": "sg-more" }] },
        "NetworkAcls": { "NetworkAclId": "acl-more", "VpcId": "vpc-more", "Associations": [], "Entries": [] },
        "InternetGateways": { "InternetGatewayId": "igw-more", "Attachments": [] },
        "Buckets": { "Name": "more" },
        "TransitGateways": { "TransitGatewayId": "tgw-more", "OwnerId": ACCOUNT, "State": "available",
            "Options": { "AutoAcceptSharedAttachments": "disable" } },
    });
    each(documents, &mut |value| {
        let Value::Object(members) = value else { return };
        for (list, entry) in more.as_object().unwrap() {
            if let Some(Value::Array(entries)) = members.get_mut(list) {
                entries.push(entry.clone());
            }
        }
    });
    let elsewhere: Vec<(String, Value)> = documents
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, it)| {
            Some((format!("ap-south-2/{}", name.strip_prefix("eu-west-1/")?), it.clone()))
        })
        .collect();
    documents.as_object_mut().unwrap().extend(elsewhere);
}

fn turned(case: &Case, dice: &mut Dice, salt: u64) -> Case {
    let mut value = case.value.clone();
    let documents = &mut value["documents"];
    add_unrelated(documents);
    split_rules(documents);
    split_addresses(documents);
    duplicate_tags(documents);
    shuffle(documents, dice);
    for part in ["documents", "parameters"] {
        if let Some(part) = value.get_mut(part) {
            each(part, &mut |value| {
                if let Value::String(text) = value {
                    *text = renamed(text, salt);
                }
            });
        }
    }
    Case { check: case.check.clone(), name: case.name.clone(), value }
}

#[test]
fn names_order_cuts_and_neighbours_change_no_verdict() {
    let cases = cases();
    let last = cases.len();
    let config = ProptestConfig { cases: TURNS, failure_persistence: None, ..ProptestConfig::default() };
    let law = TestRunner::new(config).run(&(0..last, 1..u64::MAX, 0..0x1_0000_u64), |(at, seed, salt)| {
        let case = &cases[at];
        let after = turned(case, &mut Dice(seed), salt).rows(Engine::Interpreter);
        let after = verdicts(&after);
        for row in case.rows(Engine::Interpreter) {
            // A population that was empty has somebody in it now.
            let Some(resource) = &row.resource else { continue };
            let name = renamed(resource, salt);
            let verdict = after.get(&Some(name.as_str()));
            prop_assert_eq!(verdict, Some(&row.verdict), "{}/{}: {}", &case.check, &case.name, resource);
        }
        Ok(())
    });
    law.unwrap();
}

#[test]
fn halves_are_what_they_were() {
    assert_eq!(halves("0.0.0.0/0"), ["0.0.0.0/1", "128.0.0.0/1"]);
    assert_eq!(halves("10.0.0.7/24"), ["10.0.0.0/25", "10.0.0.128/25"]);
    assert_eq!(halves("10.0.0.7/32"), ["10.0.0.7/32"]);
    assert_eq!(halves("::/0"), ["::/1", "8000::/1"]);
    assert_eq!(halves("no cidr"), ["no cidr"]);
}
