//! Names of bags: `evidence-<scope>-<slot>`, with `-manual` or `-supplement-<n>` behind it for extra runs.
//!
//! One spelling for each id, so that equal names are equal bags.

use std::fmt;
use std::num::NonZeroU32;

use crate::time::UtcSecond;

/// The name of what is collected: `[a-z0-9-]{1,32}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// `None` when the text is not 1 to 32 lower-case letters, digits and hyphens.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let allowed = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        (allowed && (1..=32).contains(&text.len())).then_some(Self(text))
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What made a run start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The schedule: the only kind that satisfies a slot.
    Schedule,
    /// A person.
    Manual,
    /// The n-th completion of a partial slot.
    Supplement(NonZeroU32),
}

impl Kind {
    /// The word of `trigger` in `run.json`.
    pub fn trigger(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Supplement(_) => "supplement",
        }
    }
}

/// The name of one bag: of its folder, and with `.zip` of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BagId {
    scope: Scope,
    slot: UtcSecond,
    kind: Kind,
}

impl BagId {
    /// The id of a run of `scope` for `slot`.
    pub fn new(scope: Scope, slot: UtcSecond, kind: Kind) -> Self {
        Self { scope, slot, kind }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("evidence-")?;
        // A scope has no capital letter, so the first one is the T in the middle of the slot.
        let slot_start = rest.find('T')?.checked_sub(8)?;
        let slot = UtcSecond::parse_compact(rest.get(slot_start..slot_start + 16)?)?;
        let scope = Scope::new(rest.get(..slot_start)?.strip_suffix('-')?)?;
        let suffix = rest.get(slot_start + 16..)?;
        let kind = match suffix {
            "" => Kind::Schedule,
            "-manual" => Kind::Manual,
            _ => Kind::Supplement(suffix.strip_prefix("-supplement-")?.parse().ok()?),
        };
        let id = Self { scope, slot, kind };
        (id.to_string() == text).then_some(id)
    }

    /// The scope in the name.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The slot in the name; of a manual run its instant.
    pub fn slot(&self) -> UtcSecond {
        self.slot
    }

    /// What made the run start.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// `<id>.zip`.
    pub fn file_name(&self) -> String {
        format!("{self}.zip")
    }

    /// Where the bag lies in a store: `bundles/2026/11/22/<id>.zip`.
    pub fn store_key(&self) -> String {
        format!("bundles/{}/{self}.zip", self.slot.date().replace('-', "/"))
    }
}

impl fmt::Display for BagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evidence-{}-{}", self.scope, self.slot.compact())?;
        match self.kind {
            Kind::Schedule => Ok(()),
            Kind::Manual => f.write_str("-manual"),
            Kind::Supplement(number) => write!(f, "-supplement-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_id_is_read_back() {
        for (text, trigger) in [
            ("evidence-prod-20261122T020000Z", "schedule"),
            ("evidence-prod-manual-20261122T020000Z", "schedule"),
            ("evidence-prod-20261122T023117Z-manual", "manual"),
            ("evidence-111122223333-20261122T020000Z-supplement-12", "supplement"),
        ] {
            let id = BagId::parse(text).unwrap();
            assert_eq!((id.to_string().as_str(), id.kind().trigger()), (text, trigger));
        }
        let id = BagId::parse("evidence-a-b-20261122T020000Z").unwrap();
        assert_eq!((id.scope().as_str(), id.slot().to_string().as_str()), ("a-b", "2026-11-22T02:00:00Z"));
        assert_eq!(id.store_key(), "bundles/2026/11/22/evidence-a-b-20261122T020000Z.zip");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "evidence-prod-20261122T020000Z-supplement-0",
            "evidence-prod-20261122T020000Z-supplement-01",
            "evidence-prod-20261122T020000Z-supplement-+1",
            "evidence-prod-20261122T020000Z-Manual",
            "evidence-20261122T020000Z",
            "evidence--20261122T020000Z ",
            "evidence-Prod-20261122T020000Z",
            "evidence-prod-20261132T020000Z",
            "evidence-prod-2026",
            "prod-20261122T020000Z",
            "evidence-prod-20261122T020000Z.zip",
            "evidence-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-20261122T020000Z",
        ] {
            assert_eq!(BagId::parse(text), None, "{text}");
        }
    }
}
