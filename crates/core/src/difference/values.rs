//! Two values, and which of their members differ.
//!
//! The order of lists is not looked at: what AWS lists are sets, and where an order counts it gives a number
//! (`RuleNumber`, `Priority`, `Order`). Entries that are in both are paired first, then those that a member names
//! (`Key`, `...Id`, `...Arn`, `RuleNumber`, ...); what is left was added or removed. Members are named by JSON Pointers
//! into the later value, into the earlier one where a member is gone.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One member that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// JSON Pointer from the resource.
    pub pointer: String,
    /// Its value before; absent when it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value after; absent when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Members that tell the entries of a list apart, the best first. Several together where one is not enough.
const NAMES: &[&[&str]] = &[
    &["Key"],
    &["RuleNumber", "Egress"],
    &["ListenerArn"],
    &["RuleArn"],
    &["Arn"],
    &["ARN"],
    &["Id"],
    &["Name"],
    &["name"],
    &["CidrIp"],
    &["CidrIpv6"],
    &["PrefixListId"],
    &["GroupId"],
    &["DestinationCidrBlock"],
    &["DestinationIpv6CidrBlock"],
    &["DestinationPrefixListId"],
    &["AssociationId"],
    &["RouteTableAssociationId"],
    &["NetworkAclAssociationId"],
    &["NetworkInterfaceId"],
    &["SubnetId"],
    &["VpcId"],
    &["ZoneName"],
    &["IpProtocol", "FromPort", "ToPort"],
    &["Priority"],
];

/// Members that differ, apart from those that are ignored by name.
pub(super) fn members(before: &Value, after: &Value, ignored: &[&str]) -> Vec<Member> {
    let mut found = Vec::new();
    compare(&mut String::new(), before, after, ignored, &mut found);
    found
}

fn compare(at: &mut String, before: &Value, after: &Value, ignored: &[&str], found: &mut Vec<Member>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(earlier), Value::Object(later)) => {
            let names = earlier.keys().chain(later.keys().filter(|name| !earlier.contains_key(*name)));
            for name in names.filter(|name| !ignored.contains(&name.as_str())) {
                let end = at.len();
                at.push('/');
                at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                match (earlier.get(name), later.get(name)) {
                    (Some(one), Some(other)) => compare(at, one, other, ignored, found),
                    (one, other) => found.push(member(at, one, other)),
                }
                at.truncate(end);
            }
        }
        (Value::Array(earlier), Value::Array(later)) => lists(at, earlier, later, ignored, found),
        _ => found.push(member(at, Some(before), Some(after))),
    }
}

fn member(at: &str, before: Option<&Value>, after: Option<&Value>) -> Member {
    Member { pointer: at.to_owned(), before: before.cloned(), after: after.cloned() }
}

type Entry<'v> = (usize, &'v Value);

fn lists(at: &mut String, earlier: &[Value], later: &[Value], ignored: &[&str], found: &mut Vec<Member>) {
    let mut left: BTreeMap<String, Vec<Entry<'_>>> = BTreeMap::new();
    for (position, value) in earlier.iter().enumerate() {
        left.entry(form(value, ignored)).or_default().push((position, value));
    }
    let mut right: Vec<Entry<'_>> = Vec::new();
    for (position, value) in later.iter().enumerate() {
        if left.get_mut(&form(value, ignored)).and_then(Vec::pop).is_none() {
            right.push((position, value));
        }
    }
    let mut left: Vec<Entry<'_>> = left.into_values().flatten().collect();
    left.sort_by_key(|(position, _)| *position);
    let mut step = |position: usize, before: Option<&Value>, after: Option<&Value>| {
        let end = at.len();
        at.push('/');
        at.push_str(&position.to_string());
        match (before, after) {
            (Some(one), Some(other)) => compare(at, one, other, ignored, found),
            (one, other) => found.push(member(at, one, other)),
        }
        at.truncate(end);
    };
    let names = naming(&left, &right);
    for (position, after) in right {
        let same = names.and_then(|names| {
            let wanted = named(after, names)?;
            left.iter().position(|(_, before)| named(before, names).as_ref() == Some(&wanted))
        });
        match same {
            Some(index) => step(position, Some(left.remove(index).1), Some(after)),
            None => step(position, None, Some(after)),
        }
    }
    for (position, before) in left {
        step(position, Some(before), None);
    }
}

/// The members that name every entry on both sides, and none twice.
fn naming(left: &[Entry<'_>], right: &[Entry<'_>]) -> Option<&'static [&'static str]> {
    let tells = |entries: &[Entry<'_>], names: &[&str]| {
        let mut seen = std::collections::BTreeSet::new();
        entries.iter().all(|(_, value)| named(value, names).is_some_and(|name| seen.insert(name)))
    };
    NAMES.iter().copied().find(|names| tells(left, names) && tells(right, names))
}

fn named(value: &Value, names: &[&str]) -> Option<String> {
    let members = value.as_object()?;
    members.contains_key(*names.first()?).then(|| {
        let values: Vec<String> = names
            .iter()
            .map(|name| members.get(*name).map(ToString::to_string).unwrap_or_default())
            .collect();
        values.join(" ")
    })
}

/// A text that is the same for values that differ in order only.
pub(super) fn form(value: &Value, ignored: &[&str]) -> String {
    match value {
        Value::Array(entries) => {
            let mut forms: Vec<String> = entries.iter().map(|entry| form(entry, ignored)).collect();
            forms.sort();
            format!("[{}]", forms.join(","))
        }
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> =
                members.iter().filter(|(name, _)| !ignored.contains(&name.as_str())).collect();
            let forms: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), form(value, ignored)))
                .collect();
            format!("{{{}}}", forms.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(before: &Value, after: &Value) -> Vec<String> {
        members(before, after, &["LockToken"]).into_iter().map(|member| member.pointer).collect()
    }

    #[test]
    fn order_is_no_difference_at_any_depth() {
        let one = json!({ "A": [{ "B": [1, 2], "Key": "x" }, { "Key": "y" }], "C": [3, 4] });
        let other = json!({ "C": [4, 3], "A": [{ "Key": "y" }, { "Key": "x", "B": [2, 1] }] });
        assert!(pointers(&one, &other).is_empty());
    }

    #[test]
    fn an_entry_that_changed_is_paired_by_its_name() {
        let one = json!({ "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "1" }] });
        let other = json!({ "Tags": [{ "Key": "b", "Value": "2" }, { "Key": "a", "Value": "1" }] });
        assert_eq!(pointers(&one, &other), ["/Tags/0/Value"]);
    }

    #[test]
    fn a_rule_more_is_one_member_and_shows_its_value() {
        let ranges = |list: &[&str]| {
            json!({ "IpPermissions": [{ "FromPort": 22, "IpProtocol": "tcp", "ToPort": 22,
            "IpRanges": list.iter().map(|it| json!({ "CidrIp": it })).collect::<Vec<_>>() }] })
        };
        let found = members(&ranges(&["10.0.0.0/8"]), &ranges(&["0.0.0.0/0", "10.0.0.0/8"]), &[]);
        let expected = Member {
            pointer: "/IpPermissions/0/IpRanges/0".into(),
            before: None,
            after: Some(json!({ "CidrIp": "0.0.0.0/0" })),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn duplicates_count() {
        let found = members(&json!([1, 1, 2]), &json!([1, 2]), &[]);
        assert_eq!((found.len(), &found[0].before, &found[0].after), (1, &Some(json!(1)), &None));
    }

    #[test]
    fn what_is_ignored_by_name_is_no_difference_inside_lists_either() {
        let one = json!({ "L": [{ "Id": 1, "LockToken": "a" }], "LockToken": "a" });
        let other = json!({ "L": [{ "Id": 1, "LockToken": "b" }], "LockToken": "b" });
        assert!(pointers(&one, &other).is_empty());
    }

    #[test]
    fn names_with_slashes_are_escaped() {
        assert_eq!(pointers(&json!({ "a/b~c": 1 }), &json!({ "a/b~c": 2 })), ["/a~1b~0c"]);
    }
}
