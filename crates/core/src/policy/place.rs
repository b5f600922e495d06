//! What the library says of a place whatever the check: worked out once and shared by all checks that read the same.
//!
//! A file `lib/place_<name>.rego` is such a text when it reads documents, CIDRs and prefix lists and nothing else, and
//! the library that it calls does so too. Other engines take it for what it is, a package of rules. Refused: a text of
//! which that cannot be seen is never shared, and a check that reads its input in another way than by the members of
//! the contract is not told: both are evaluated as they stand.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::demand::Supply;
use super::engine::{Members, Placed};

/// The member of the input that holds what is so in a place.
pub(super) const MEMBER: &str = "place";

/// What a shared text may read.
const SHARED: &[&str] = &["documents", "cidrs", "prefix_lists"];
/// What a text may read that is told what is so in a place.
const CONTRACT: &[&str] =
    &["account", "region", "now", "profile", "parameters", "documents", "cidrs", "prefix_lists"];

/// The texts of the library that are shared; none when a part of the library reads its input in an unknown way.
pub(super) fn names(library: &BTreeMap<String, String>) -> Vec<String> {
    if !library.values().all(|text| may_be_told(text)) {
        return Vec::new();
    }
    let shared = |name: &str| called(name, library).iter().all(|text| reads_only(text, SHARED));
    library.keys().filter(|name| name.starts_with("place_") && shared(name)).cloned().collect()
}

/// The texts of the library that are shared or call one that is.
pub(super) fn leading(library: &BTreeMap<String, String>, shared: &[String]) -> Vec<String> {
    let leads = |name: &String| {
        shared
            .iter()
            .any(|it| library.get(it).is_some_and(|text| called(name, library).contains(&text.as_str())))
    };
    library.keys().filter(|name| leads(name)).cloned().collect()
}

/// Whether a check would not see that its input holds one member more.
pub(super) fn may_be_told(text: &str) -> bool {
    reads_only(text, CONTRACT)
}

/// A text of the library and those that it calls.
fn called<'l>(name: &str, library: &'l BTreeMap<String, String>) -> Vec<&'l str> {
    let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
    let mut pending: Vec<&str> = vec![name];
    while let Some(name) = pending.pop() {
        let Some((name, text)) = library.get_key_value(name) else { continue };
        if reached.insert(name, text).is_none() {
            pending.extend(
                library
                    .keys()
                    .filter(|other| text.contains(&format!("data.lib.{other}")))
                    .map(String::as_str),
            );
        }
    }
    reached.into_values().collect()
}

/// Whether every `input` of a text, comments aside, is followed by one of these members, and every `data` by a name.
fn reads_only(text: &str, members: &[&str]) -> bool {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    text.lines().filter(|line| !line.trim_start().starts_with('#')).all(|line| {
        ["input", "data"].iter().all(|root| {
            line.match_indices(root).all(|(at, _)| {
                let (before, rest) = (line.get(..at), line.get(at.saturating_add(root.len())..));
                let (before, rest) = (before.unwrap_or_default(), rest.unwrap_or_default());
                if before.ends_with(is_name) || before.ends_with('.') || rest.starts_with(is_name) {
                    return true;
                }
                let Some(rest) = rest.strip_prefix('.') else { return false };
                let member = rest.split(|it| !is_name(it)).next().unwrap_or_default();
                // `data.lib[name]` and `data.evidenced` could be any text of the library, or another check.
                if *root == "input" {
                    return members.contains(&member);
                }
                let inner = rest.strip_prefix("lib.").or_else(|| rest.strip_prefix("lists."));
                inner.is_some_and(|inner| inner.starts_with(is_name))
            })
        })
    })
}

/// What checks that read the same documents are given.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) documents: regorus::Value,
    pub(super) cidrs: regorus::Value,
    pub(super) prefix_lists: regorus::Value,
    place: OnceCell<Option<regorus::Value>>,
}

impl Common {
    pub(super) fn of(supply: &Supply<'_>) -> Self {
        let mut cidrs = Members::new();
        let mut prefix_lists = Map::new();
        for document in supply.documents.values() {
            cidrs.extend(document.cidrs.iter().map(|(text, range)| (text.clone(), range.clone())));
            prefix_lists.extend(document.prefix_lists.clone());
        }
        let documents: Members =
            supply.documents.iter().map(|(name, it)| (name.as_str().into(), it.shared.clone())).collect();
        Self {
            documents: documents.into(),
            cidrs: cidrs.into(),
            prefix_lists: Value::Object(prefix_lists).into(),
            place: OnceCell::new(),
        }
    }

    /// The CIDRs of the documents and those of a check's parameters; whether they are the documents' alone.
    pub(super) fn with(&self, own: Members) -> (regorus::Value, bool) {
        let known = self.cidrs.as_object().ok();
        let own: Vec<_> =
            own.into_iter().filter(|(name, _)| known.is_some_and(|it| it.get(name).is_none())).collect();
        if own.is_empty() {
            return (self.cidrs.clone(), true);
        }
        let mut cidrs: Members =
            known.into_iter().flatten().map(|(name, it)| (name.clone(), it.clone())).collect();
        cidrs.extend(own);
        (cidrs.into(), false)
    }

    /// What is so in the place of these documents.
    pub(super) fn place(&self, placed: &Placed, steps: u64) -> Option<&regorus::Value> {
        let look = || {
            let members = [
                ("documents", &self.documents),
                ("cidrs", &self.cidrs),
                ("prefix_lists", &self.prefix_lists),
            ];
            let input: Members = members.into_iter().map(|(name, it)| (name.into(), it.clone())).collect();
            placed.look(&input, steps)
        };
        self.place.get_or_init(look).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_text_that_reads_documents_only_is_shared() {
        let shared = "package lib.place_a\n# input\nall := data.lib.b.all\nx := input.cidrs";
        assert_eq!(names(&library(&[("place_a", shared), ("b", "all := input.documents")])), ["place_a"]);
    }

    #[test]
    fn a_text_that_reads_parameters_anywhere_is_not_shared() {
        let none: [&str; 0] = [];
        let direct = library(&[("place_a", "x := input.parameters.x")]);
        assert_eq!(names(&direct), none);
        let called = library(&[("place_a", "x := data.lib.b.x"), ("b", "x := input.parameters.x")]);
        assert_eq!(names(&called), none);
    }

    #[test]
    fn a_text_that_reads_its_input_in_another_way_is_not_told() {
        for text in [
            "x := input[key]",
            "some k, v in input",
            "x := input.place",
            "x := data[name]",
            "x := data.lib[name]",
        ] {
            assert!(!may_be_told(text), "{text}");
        }
        for text in ["x := input.region", "x := inputs.y", "metadata.data[1]", "x := data.lib.net.y"] {
            assert!(may_be_told(text), "{text}");
        }
    }
}
