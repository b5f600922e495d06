//! The checks of step 11, by name: what a log and the bundles of a period have to show.
//!
//! One table, as for the checks of one bundle: the name in reports and what is true when the check passes.

use std::fmt;
use std::io;

use serde::{Serialize, Serializer};

use crate::check::printable;

/// One check of step 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogCheck {
    /// The newest checkpoint.
    Head,
    /// The leaves.
    Entries,
    /// The root over them.
    Root,
    /// The other checkpoints.
    Checkpoints,
    /// The hash tiles.
    Tiles,
    /// The keys of the checkpoints.
    Keys,
    /// The statements.
    Chain,
    /// The checkpoint of the caller.
    Pinned,
    /// The order of the slots.
    SlotOrder,
    /// The slots of the period.
    SlotCoverage,
    /// Bundles that complete others.
    Supplements,
    /// The zips and their sidecars.
    BundlesThere,
    /// Steps 2 to 10 for each.
    Bundles,
    /// Zips without a leaf.
    BundlesLogged,
}

impl LogCheck {
    /// Every check, in the order in which they are made.
    pub const ALL: [Self; 14] = [
        Self::Head,
        Self::Entries,
        Self::Root,
        Self::Checkpoints,
        Self::Tiles,
        Self::Keys,
        Self::Chain,
        Self::Pinned,
        Self::SlotOrder,
        Self::SlotCoverage,
        Self::Supplements,
        Self::BundlesThere,
        Self::Bundles,
        Self::BundlesLogged,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What is true when it passes.
    pub fn claim(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Head => (
                "log-head",
                "log keys of the trust root, and nobody unknown, signed the newest checkpoint, and it was not set back",
            ),
            Self::Entries => ("log-entries", "every leaf that the newest checkpoint counts is there"),
            Self::Root => ("log-root", "the root computed from all leaves is the one that was signed"),
            Self::Checkpoints => {
                ("log-checkpoints", "every other checkpoint in the store is a beginning of the same log")
            }
            Self::Tiles => ("log-tiles", "the hash tiles that are there are those of the leaves"),
            Self::Keys => ("log-keys", "a log key that is not revoked vouches for all of the log"),
            Self::Chain => (
                "log-chain",
                "each leaf is a statement of this log and scope, with its number and the digest of the one before",
            ),
            Self::Pinned => ("pinned", "the log begins with the checkpoint that the verifier held"),
            Self::SlotOrder => (
                "slot-order",
                "no bundle is there twice, the slots of scheduled runs increase, and each is due by its own schedule",
            ),
            Self::SlotCoverage => {
                ("slot-coverage", "every slot that was due has exactly one leaf of a scheduled run")
            }
            Self::Supplements => {
                ("supplements", "every supplement completes a run that is in the log before it")
            }
            Self::BundlesThere => (
                "bundles-there",
                "every bundle is there with its sidecars, but for zips that a sample leaves out",
            ),
            Self::Bundles => {
                ("bundles", "each zip that was opened is genuine and the one that its leaf names")
            }
            Self::BundlesLogged => ("bundles-logged", "no zip lies where the zip of a leaf does not belong"),
        }
    }
}

impl fmt::Display for LogCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step 11 ({})", self.name())
    }
}

impl Serialize for LogCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a check found: that it does not hold, or an exception to be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{check}: {subject}: {detail}")]
pub struct Finding {
    /// Which check.
    pub check: LogCheck,
    /// The key, the bundle or the slot that it is about.
    pub subject: String,
    /// What was found, printable.
    pub detail: String,
}

impl Finding {
    pub(crate) fn new(check: LogCheck, subject: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self { check, subject: printable(&subject.to_string()), detail: printable(&detail.to_string()) }
    }
}

/// Why a log was not believed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A check does not hold: the log is not genuine.
    #[error(transparent)]
    Refused(#[from] Finding),
    /// An object could not be read: nothing can be said.
    #[error("{key} cannot be read")]
    Unreadable {
        /// Its key.
        key: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
