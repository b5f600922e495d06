//! The policies that are built in, as text: `config/policies`, listed by the build script.

use std::collections::BTreeMap;

use super::Text;

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// The checks, sorted by id.
pub(super) fn checks() -> Vec<Text> {
    CHECKS.iter().map(|(id, text)| Text { id: (*id).to_owned(), text: (*text).to_owned() }).collect()
}

/// The dated lists of AWS that are built in.
pub(super) fn lists() -> &'static [(&'static str, &'static str)] {
    LISTS
}

/// What checks share: the library and the dated lists of AWS, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Support {
    /// Package `lib.<name>`.
    pub(super) library: BTreeMap<String, String>,
    /// `data.lists.<name>`.
    pub(super) lists: BTreeMap<String, String>,
}

impl Support {
    /// Those that are built in.
    pub(super) fn shipped() -> Self {
        let owned = |entries: &[(&str, &str)]| {
            entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        Self { library: owned(LIBRARY), lists: owned(LISTS) }
    }

    /// By path below the folder of the policies.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let library = self.library.iter().map(|(name, text)| (format!("lib/{name}.rego"), text.clone()));
        let lists = self.lists.iter().map(|(name, text)| (format!("data/{name}.json"), text.clone()));
        library.chain(lists).collect()
    }
}
