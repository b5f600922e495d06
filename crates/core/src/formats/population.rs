//! The population: every resource that a list call of the evidence names, once, with where it stands.
//!
//! Made while the documents of an account and region are in memory, and small enough to be kept for all of them: ids,
//! names and positions, no documents. A list that could not be read, or not to its end, is a row that says so: a
//! population is never silently short. The same evidence gives the same rows, in the order of kind and id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kinds::{Arn, KINDS, Kind, Named};
use crate::item::catalogue;
use crate::policy::Evidence;

/// Every resource of a run, by account and region.
#[derive(Debug, Default)]
pub struct Population {
    places: BTreeMap<(Box<str>, Box<str>), Place>,
}

/// One account in one region.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) partition: Box<str>,
    pub(super) resources: Vec<Resource>,
    pub(super) unread: Vec<Unread>,
}

/// One resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: &'static Kind,
    pub(super) item: &'static str,
    pub(super) id: Box<str>,
    pub(super) name: Box<str>,
    /// As AWS gave it, or the account that owns it, from which it is made.
    arn: Given,
    call: usize,
    entry: usize,
    inner: usize,
    whole: bool,
}

#[derive(Debug)]
enum Given {
    Arn(Box<str>),
    Owner(Box<str>),
    Nothing,
}

/// A list that was not read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) kind: &'static Kind,
    pub(super) item: &'static str,
    pub(super) call: usize,
    pub(super) code: Box<str>,
}

impl Population {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the resources of one region, or of `global`, of the account whose evidence this is.
    pub fn add(&mut self, evidence: &Evidence, region: &str) {
        let mut place = Place::default();
        let mut seen: BTreeSet<(&'static str, Box<str>)> = BTreeSet::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for item in catalogue().into_iter().filter(|item| done.insert(item.id)) {
            let Some(Ok(document)) = evidence.look(region, item.id) else { continue };
            if let Some(partition) = document.get("partition").and_then(Value::as_str) {
                place.partition = partition.into();
            }
            place.read(item.id, document, &mut seen);
        }
        if place.resources.is_empty() && place.unread.is_empty() {
            return;
        }
        let order = |kind: &Kind| KINDS.iter().position(|known| known.name == kind.name);
        place.resources.sort_by(|a, b| (order(a.kind), &a.id).cmp(&(order(b.kind), &b.id)));
        place.unread.sort_by_key(|unread| order(unread.kind));
        place.resources.shrink_to_fit();
        self.places.insert((evidence.account().into(), region.into()), place);
    }

    /// How many resources there are.
    pub fn count(&self) -> usize {
        self.places.values().map(|place| place.resources.len()).sum()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &str, &Place)> {
        self.places.iter().map(|((account, region), place)| (&**account, &**region, place))
    }
}

impl Place {
    fn read(&mut self, item: &'static str, document: &Value, seen: &mut BTreeSet<(&'static str, Box<str>)>) {
        let calls = document.get("calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (call, value) in calls.iter().enumerate() {
            let operation = value.get("operation").and_then(Value::as_str).unwrap_or_default();
            for kind in KINDS.iter().filter(|kind| kind.operation == operation) {
                if let Some(error) = value.get("error") {
                    let code = error.get("code").and_then(Value::as_str).unwrap_or("error").into();
                    self.unread.push(Unread { kind, item, call, code });
                }
                let whole = value.get("output");
                let Some(output) = whole.or_else(|| value.get("incompleteOutput")) else { continue };
                for (entry, inner, resource) in entries(kind, output) {
                    let Some(id) = kind.id_of(resource) else { continue };
                    if !seen.insert((kind.name, id.into())) {
                        continue;
                    }
                    self.resources.push(Resource {
                        kind,
                        item,
                        id: id.into(),
                        name: name_of(kind, resource).unwrap_or_default().into(),
                        arn: given(kind, resource),
                        call,
                        entry,
                        inner,
                        whole: whole.is_some(),
                    });
                }
            }
        }
    }
}

impl Resource {
    /// Its ARN; empty when it has none.
    pub(super) fn arn(&self, partition: &str, account: &str, region: &str) -> String {
        match &self.arn {
            Given::Arn(arn) => arn.to_string(),
            Given::Owner(owner) => self.kind.made(partition, owner, region, &self.id),
            Given::Nothing => self.kind.made(partition, account, region, &self.id),
        }
    }

    /// Where its document says it.
    pub(super) fn pointer(&self) -> String {
        let output = if self.whole { "output" } else { "incompleteOutput" };
        let at = format!("/calls/{}/{output}/{}/{}", self.call, self.kind.list, self.entry);
        self.kind.within.map_or(at.clone(), |within| format!("{at}/{within}/{}", self.inner))
    }
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str().filter(|text| !text.is_empty())
}

impl Kind {
    /// The ARN that AWS documents for a resource of an account; empty when there is none.
    pub(crate) fn made(&self, partition: &str, account: &str, region: &str, id: &str) -> String {
        match self.arn {
            Arn::Ec2(kind) => format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}"),
            Arn::Bucket => format!("arn:{partition}:s3:::{id}"),
            Arn::Member(_) | Arn::None => String::new(),
        }
    }

    /// The id of a resource of this kind.
    pub(crate) fn id_of<'v>(&self, resource: &'v Value) -> Option<&'v str> {
        text(resource, self.id).or_else(|| text(resource, self.or?))
    }
}

/// Positions and values of the resources in an output.
pub(crate) fn entries<'v>(kind: &'static Kind, output: &'v Value) -> Vec<(usize, usize, &'v Value)> {
    let outer = output.get(kind.list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for (entry, value) in outer.iter().enumerate() {
        match kind.within {
            None => found.push((entry, 0, value)),
            Some(within) => {
                let inner =
                    value.get(within).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                found.extend(inner.iter().enumerate().map(|(at, value)| (entry, at, value)));
            }
        }
    }
    found
}

/// The name of a resource.
pub(crate) fn name_of<'v>(kind: &Kind, resource: &'v Value) -> Option<&'v str> {
    match kind.named {
        Named::Member(member) => text(resource, member),
        Named::Tag => {
            let tags = resource.get("Tags").or_else(|| resource.get("TagSet"))?.as_array()?;
            let named = tags.iter().find(|tag| tag.get("Key").and_then(Value::as_str) == Some("Name"))?;
            text(named, "Value")
        }
    }
}

fn given(kind: &Kind, resource: &Value) -> Given {
    match kind.arn {
        Arn::Member(member) => text(resource, member).map_or(Given::Nothing, |arn| Given::Arn(arn.into())),
        Arn::Ec2(_) => text(resource, "OwnerId").map_or(Given::Nothing, |owner| Given::Owner(owner.into())),
        Arn::Bucket | Arn::None => Given::Nothing,
    }
}
