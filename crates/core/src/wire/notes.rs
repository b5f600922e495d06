//! Where the reader is in an answer, and what it found there that the shape table does not say.
//!
//! Lists are sorted and without repetition: a thousand elements with one new member are one line.

use std::collections::BTreeSet;

use crate::wire::MAX_DEPTH;

/// The place of the reader and its remarks. `'t` is the shape table's.
#[derive(Debug, Default)]
pub(super) struct Notes<'t> {
    place: Vec<&'t str>,
    unknown: BTreeSet<String>,
    anomalies: BTreeSet<String>,
}

/// The body nests deeper than [`MAX_DEPTH`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

impl<'t> Notes<'t> {
    /// Steps into a member, or into `*` for any element of a list or map.
    pub(super) fn enter(&mut self, step: &'t str) -> Result<(), TooDeep> {
        if self.place.len() >= MAX_DEPTH {
            return Err(TooDeep);
        }
        self.place.push(step);
        Ok(())
    }

    /// Steps out again.
    pub(super) fn leave(&mut self) {
        self.place.pop();
    }

    /// How many levels are left below this place.
    pub(super) fn levels_left(&self) -> usize {
        MAX_DEPTH.saturating_sub(self.place.len())
    }

    /// The member `key` of this place is not in the table.
    pub(super) fn unknown(&mut self, key: &str) {
        let pointer = self.pointer(Some(key));
        self.unknown.insert(pointer);
    }

    /// This place is odd.
    pub(super) fn anomaly(&mut self, oddity: &str) {
        let line = format!("{}: {oddity}", self.pointer(None));
        self.anomalies.insert(line);
    }

    /// The member `key` of this place is odd.
    pub(super) fn anomaly_at(&mut self, key: &str, oddity: &str) {
        let line = format!("{}: {oddity}", self.pointer(Some(key)));
        self.anomalies.insert(line);
    }

    /// The unknown members and the anomalies.
    pub(super) fn lists(self) -> (Vec<String>, Vec<String>) {
        (self.unknown.into_iter().collect(), self.anomalies.into_iter().collect())
    }

    fn pointer(&self, key: Option<&str>) -> String {
        let mut pointer = String::new();
        for step in self.place.iter().copied().chain(key) {
            pointer.push('/');
            // Escapes of RFC 6901; a `*` of a name cannot be told from a wildcard, but no wire name has one.
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        if pointer.is_empty() {
            pointer.push('/');
        }
        pointer
    }
}
