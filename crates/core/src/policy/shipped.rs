//! The policies that are built in, as text: `config/policies`, listed by the build script.

use std::collections::BTreeMap;

use super::Text;

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// The checks, sorted by id.
pub(super) fn checks() -> Vec<Text> {
    CHECKS.iter().map(|(id, text)| Text { id: (*id).to_owned(), text: (*text).to_owned() }).collect()
}

/// The library: package `lib.<name>`.
pub(super) fn library() -> &'static [(&'static str, &'static str)] {
    LIBRARY
}

/// The dated lists of AWS: `data.lists.<name>`.
pub(super) fn lists() -> &'static [(&'static str, &'static str)] {
    LISTS
}

/// The library and the lists, by path below the folder of the policies.
pub(super) fn support() -> BTreeMap<String, String> {
    let library = LIBRARY.iter().map(|(name, text)| (format!("lib/{name}.rego"), (*text).to_owned()));
    let lists = LISTS.iter().map(|(name, text)| (format!("data/{name}.json"), (*text).to_owned()));
    library.chain(lists).collect()
}
