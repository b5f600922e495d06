//! The period bundle: one zip with everything that the log says of a period, for people who download one file.
//!
//! Its form is a bag (BagIt 1.0) in a zip of its own profile: the rules of a bundle's zip, with every file stored and
//! the start of the period as the one time. It is not signed: every zip, statement and checkpoint in it is, and what
//! is not (the lists, this form itself) proves nothing. [`build`] writes it from a store and [`PeriodShelf`] reads it as one; they share
//! the grammar of names, lists and tag files, and nothing else.
//!
//! ```text
//! <scope>-<name>/README.txt  bag-info.txt  bagit.txt  manifest-sha256.txt  tagmanifest-sha256.txt
//! <scope>-<name>/data/VERIFY.txt  coverage.csv  [report.html]  [verify.html]
//! <scope>-<name>/data/bundles.txt                  what becomes of each zip: see `index`
//! <scope>-<name>/data/bundles/<id>.zip             and its sidecars, all in one folder
//! <scope>-<name>/data/log/checkpoint.start         before the first leaf of the period; none at index 0
//! <scope>-<name>/data/log/checkpoint.end           the first that covers the last leaf of the period
//! <scope>-<name>/data/log/consistency.txt          that the one begins with the other
//! <scope>-<name>/data/log/tile/...                 entries and hashes of the whole log up to there
//! <scope>-<name>/data/trust/...                    a copy of the trust root, for convenience
//! ```

mod build;
mod consistency;
mod coverage;
mod index;
mod info;
mod plan;
mod shelf;
mod stored;
mod text;
mod window;

use std::fmt;

pub use build::{BuildError, Built, Extras, Request, build};
pub use consistency::{Consistency, ConsistencyError};
pub use index::{Index, IndexError, Line, Place};
pub use info::{PeriodInfo, PeriodInfoError};
pub use plan::{Coverage, PlanError};
pub use shelf::PeriodShelf;

use crate::id::{BagId, Scope};
use crate::parts::PartId;

/// The longest period bundle: what every tool reads without zip64, with room to spare.
pub const PERIOD_BYTES: u64 = 3_584 << 20;
/// The most files: a zip without zip64 has fewer than 65,535.
pub const PERIOD_FILES: u64 = 65_534;

const BUNDLES: &str = "data/bundles/";
const BUNDLES_LIST: &str = "data/bundles.txt";
const LOG_FOLDER: &str = "data/log/";
const CHECKPOINT_START: &str = "data/log/checkpoint.start";
const CHECKPOINT_END: &str = "data/log/checkpoint.end";
const CONSISTENCY: &str = "data/log/consistency.txt";
const TRUST_FOLDER: &str = "data/trust/";
const VERIFY_TEXT: &str = "data/VERIFY.txt";
const COVERAGE: &str = "data/coverage.csv";
const PAGE: &str = "data/verify.html";
const REPORT: &str = "data/report.html";

/// What every zip of the log has beside it; `.tsr` comes when its token does.
const SIDECARS: [(&str, u64); 3] =
    [(".sigstore.json", 256 << 10), (".sshsig", 4 << 10), (".tlog-proof", 128 << 10)];
const TOKEN: (&str, u64) = (".tsr", 64 << 10);
/// A checkpoint, a consistency file, a file of the trust root.
const SMALL_BYTES: u64 = 256 << 10;
/// A tile: 256 leaves of at most 4 KiB, with their lengths.
const TILE_BYTES: u64 = 2 << 20;

/// What a period is called: `[A-Za-z0-9][A-Za-z0-9-]{0,31}`, such as `2026-Q4`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodName(String);

impl PeriodName {
    /// `None` for other text.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let starts = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
        let allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (starts && allowed && text.len() <= 32).then_some(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeriodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one period bundle: of its folder, and with `.zip` of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodId {
    scope: Scope,
    name: PeriodName,
}

impl PeriodId {
    /// `None` when a bundle of a slot could have the same name.
    pub fn new(scope: Scope, name: PeriodName) -> Option<Self> {
        let id = Self { scope, name };
        BagId::parse(&id.to_string()).is_none().then_some(id)
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `<scope>-<name>.zip`.
    pub fn file_name(&self) -> String {
        format!("{self}.zip")
    }

    /// Where it lies in a store: `periods/<scope>-<name>.zip`.
    pub fn store_key(&self) -> String {
        format!("periods/{self}.zip")
    }
}

impl fmt::Display for PeriodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.scope, self.name)
    }
}

/// The bag of a zip: `<id>.zip` or a part of it, `<id>.part-0001.zip`.
fn bag_of(zip: &str) -> Option<(BagId, Option<PartId>)> {
    match PartId::of_file_name(zip) {
        Some(part) => Some((part.root().clone(), Some(part))),
        None => Some((BagId::parse(zip.strip_suffix(".zip")?)?, None)),
    }
}

/// Where a file of `data/bundles/` lies in a store.
fn store_key(name: &str) -> Option<String> {
    let zip = name.find(".zip").and_then(|at| name.get(..at + 4))?;
    let (id, _) = bag_of(zip)?;
    let key = id.store_key();
    let (folder, _) = key.rsplit_once('/')?;
    Some(format!("{folder}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_never_named_like_a_bundle() {
        let id = |scope: &str, name: &str| PeriodId::new(Scope::new(scope)?, PeriodName::new(name)?);
        assert_eq!(id("prod", "2026-Q4").unwrap().store_key(), "periods/prod-2026-Q4.zip");
        assert!(id("evidence-prod", "20261001T020000Z").is_none());
        assert!(id("evidence", "prod-20261001T020000Z-manual").is_none());
        for name in ["", "-a", "a/b", "a.zip", "a_b", "ä", "a b", "../a", &"a".repeat(33)] {
            assert_eq!(PeriodName::new(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_zip_and_its_parts_belong_to_one_bag() {
        let id = BagId::parse("evidence-prod-20261003T020000Z").unwrap();
        assert_eq!(bag_of("evidence-prod-20261003T020000Z.zip"), Some((id.clone(), None)));
        let (root, part) = bag_of("evidence-prod-20261003T020000Z.part-0012.zip").unwrap();
        assert_eq!((root, part.unwrap().number().get()), (id, 12));
        for other in [
            "evidence-prod-20261003T020000Z.part-0000.zip",
            "evidence-prod-20261003T020000Z.part-012.zip",
            "evidence-prod-20261003T020000Z.part-+012.zip",
            "evidence-prod-20261003T020000Z.part-00012.zip",
            "evidence-prod-20261003T020000Z",
            "notes.zip",
        ] {
            assert_eq!(bag_of(other), None, "{other}");
        }
        assert_eq!(
            store_key("evidence-prod-20261003T020000Z.zip.tsr").unwrap(),
            "bundles/2026/10/03/evidence-prod-20261003T020000Z.zip.tsr"
        );
    }
}
