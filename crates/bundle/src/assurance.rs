//! How far a proof reaches: the assurance levels that every output names.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that is proved of a genuine bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The holder of a trusted key signed exactly these files.
    Signed,
    /// A pinned timestamp authority saw it at a time.
    Dated,
    /// It is in the log, at its number, under a log key of the trust root.
    Logged,
    /// The log grew from a checkpoint that the verifier held already.
    Pinned,
    /// Witnesses saw the log.
    Witnessed,
}

impl Level {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Dated => "dated",
            Self::Logged => "logged",
            Self::Pinned => "pinned",
            Self::Witnessed => "witnessed",
        }
    }
}

/// The levels that were reached, none for what is not genuine. Printed as `signed, dated, logged`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assurance(BTreeSet<Level>);

impl Assurance {
    /// Nothing is proved.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether this level was reached.
    pub fn has(&self, level: Level) -> bool {
        self.0.contains(&level)
    }

    /// What is proved of both.
    #[must_use]
    pub fn shared(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }
}

impl FromIterator<Level> for Assurance {
    fn from_iter<I: IntoIterator<Item = Level>>(levels: I) -> Self {
        Self(levels.into_iter().collect())
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|level| level.word()).collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

impl Serialize for Assurance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
