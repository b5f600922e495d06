//! CIDRs as ranges of fixed-width hex, so that a policy compares addresses as text.
//!
//! `{family, first, last, next}`: `first` and `last` are inclusive, `next` is the address behind `last` or null at the
//! end of the space. Host bits are cleared, as AWS does. A text that is no CIDR is not in the table.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use serde_json::Value;

/// The addresses of a CIDR.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    family: u8,
    first: String,
    last: String,
    next: Option<String>,
}

impl Range {
    /// As a policy sees it.
    fn value(self) -> regorus::Value {
        let next = self.next.map_or(regorus::Value::Null, Into::into);
        let members: BTreeMap<regorus::Value, regorus::Value> = BTreeMap::from([
            ("family".into(), u64::from(self.family).into()),
            ("first".into(), self.first.into()),
            ("last".into(), self.last.into()),
            ("next".into(), next),
        ]);
        members.into()
    }
}

/// The range of a CIDR; `None` when the text is none.
pub(super) fn range(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/')?;
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u32 = length.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let mask = mask(u128::from(u32::MAX), 32, length)?;
            let first = u128::from(u32::from(address)) & !mask;
            Some(table(4, 8, first, first | mask, u128::from(u32::MAX)))
        }
        IpAddr::V6(address) => {
            let mask = mask(u128::MAX, 128, length)?;
            let first = u128::from(address) & !mask;
            Some(table(6, 32, first, first | mask, u128::MAX))
        }
    }
}

/// The public addresses of the shipped list: what `has_public` of the policies' library asks.
#[derive(Debug, Clone)]
pub(crate) struct Public(Vec<(u64, String, String)>);

impl Public {
    /// Reads the list; nothing is public by a list that cannot be read.
    pub(crate) fn shipped() -> Self {
        let list = super::shipped::lists().iter().find(|(name, _)| *name == "public_addresses");
        let list: Value = list.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut parts = Vec::new();
        for range in list.get("ranges").and_then(Value::as_array).into_iter().flatten() {
            let family = range.get("family").and_then(Value::as_u64);
            for part in range.get("parts").and_then(Value::as_array).into_iter().flatten() {
                let text = |name: &str| Some(part.get(name)?.as_str()?.to_owned());
                if let (Some(family), Some(first), Some(last)) = (family, text("first"), text("last")) {
                    parts.push((family, first, last));
                }
            }
        }
        Self(parts)
    }

    /// Whether a CIDR holds a public address.
    pub(crate) fn meets(&self, cidr: &str) -> bool {
        let Some(range) = range(cidr) else { return false };
        let family = u64::from(range.family);
        self.0.iter().any(|(of, from, to)| *of == family && range.first <= *to && *from <= range.last)
    }
}

/// The host bits.
fn mask(all: u128, width: u32, length: u32) -> Option<u128> {
    (length <= width).then(|| all.checked_shr(length).unwrap_or(0))
}

fn table(family: u8, width: usize, first: u128, last: u128, end: u128) -> Range {
    let hex = |address: u128| format!("{address:0width$x}");
    let next = (last != end).then(|| hex(last.saturating_add(1)));
    Range { family, first: hex(first), last: hex(last), next }
}

/// Adds every CIDR that is anywhere in `value`.
pub(super) fn collect(value: &Value, cidrs: &mut BTreeMap<regorus::Value, regorus::Value>) {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) => {
                // The same few CIDRs stand in most rules.
                if text.len() <= 49
                    && text.contains('/')
                    && seen.insert(text)
                    && let Some(range) = range(text)
                {
                    cidrs.insert(text.as_str().into(), range.value());
                }
            }
            Value::Array(entries) => pending.extend(entries),
            Value::Object(members) => pending.extend(members.values()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_range_is_fixed_width_hex() {
        for (text, family, first, last, next) in [
            ("10.0.0.5/8", 4, "0a000000", "0affffff", json!("0b000000")),
            ("0.0.0.0/0", 4, "00000000", "ffffffff", Value::Null),
            ("128.0.0.0/1", 4, "80000000", "ffffffff", Value::Null),
            ("1.2.3.4/32", 4, "01020304", "01020304", json!("01020305")),
            (
                "2000::/3",
                6,
                "20000000000000000000000000000000",
                "3fffffffffffffffffffffffffffffff",
                json!("40000000000000000000000000000000"),
            ),
            ("::/0", 6, "00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", Value::Null),
        ] {
            let expected = json!({ "family": family, "first": first, "last": last, "next": next });
            assert_eq!(serde_json::to_value(range(text).unwrap().value()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn the_internet_is_public_and_private_space_is_not() {
        let public = Public::shipped();
        for (cidr, meets) in [
            ("0.0.0.0/0", true),
            ("8.8.8.0/24", true),
            ("::/0", true),
            ("10.0.0.0/8", false),
            ("192.168.0.0/16", false),
            ("fd00::/8", false),
            ("no cidr", false),
        ] {
            assert_eq!(public.meets(cidr), meets, "{cidr}");
        }
    }

    #[test]
    fn what_is_no_cidr_has_no_range() {
        for text in
            ["", "/", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "a/b", "1.1.1.1/"]
        {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
