//! The Trust Services Criteria by their ids, in words of our own, and what this report leaves to others.
//!
//! The text of the criteria is the AICPA's and is not repeated. Refused: silence about a criterion that no check
//! bears on.

use std::collections::BTreeSet;

use serde::Serialize;

/// A criterion and what it is about, in our words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Criterion {
    pub(super) id: String,
    pub(super) words: String,
}

/// Criteria that checks bear on.
const COVERED: [(&str, &str); 3] = [
    ("CC6.6", "The boundary of the network: what can be reached from outside, and what keeps the rest out."),
    ("CC6.7", "Data on the move: encrypted on its way, and kept to the ways that it is meant to take."),
    ("CC7.2", "Watching: traffic and configuration leave records in which something odd can be found."),
];

/// The others, by group.
const OTHERS: [(&str, &str); 16] = [
    ("CC1.1-CC1.5", "how the organisation is led and held to its word"),
    ("CC2.1-CC2.3", "what people inside and outside are told"),
    ("CC3.1-CC3.4", "how risks are found and judged"),
    ("CC4.1-CC4.2", "how controls are watched over time"),
    ("CC5.1-CC5.3", "how controls are chosen and put into practice"),
    ("CC6.1-CC6.3", "who may log in, with which rights, and how rights are given and taken"),
    ("CC6.4-CC6.5", "buildings and hardware, and what becomes of retired media"),
    ("CC6.8", "unwanted and malicious software"),
    ("CC7.1", "vulnerabilities and configurations that drift"),
    ("CC7.3-CC7.5", "how incidents are judged, answered and recovered from"),
    ("CC8.1", "how changes are asked for, tested and approved"),
    ("CC9.1-CC9.2", "interruptions of business, and suppliers"),
    ("A1.1-A1.3", "availability: capacity, backups, tests of recovery"),
    ("C1.1-C1.2", "confidential information: keeping and disposing of it"),
    ("PI1.1-PI1.5", "whether processing is whole, right and in time"),
    ("P1.0-P8.1", "personal information"),
];

/// The criteria that are named, ours first; one that is not ours keeps its id alone.
pub(super) fn known(named: &BTreeSet<&str>) -> Vec<Criterion> {
    let ours = COVERED
        .iter()
        .filter(|(id, _)| named.contains(id))
        .map(|(id, words)| Criterion { id: (*id).to_owned(), words: (*words).to_owned() });
    let others = named.iter().filter(|id| !COVERED.iter().any(|(known, _)| known == *id)).map(|id| {
        Criterion { id: (*id).to_owned(), words: "Named by a check of this organisation.".to_owned() }
    });
    ours.chain(others).collect()
}

/// What no check bears on; a group of which one is named stays, since the others of it are not.
pub(super) fn not_covered(named: &BTreeSet<&str>) -> Vec<Criterion> {
    let missing = COVERED.iter().filter(|(id, _)| !named.contains(id));
    let others = OTHERS.iter().filter(|(id, _)| !named.contains(id));
    missing
        .chain(others)
        .map(|(id, words)| Criterion { id: (*id).to_owned(), words: (*words).to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_criterion_is_either_covered_or_said_not_to_be() {
        let named = BTreeSet::from(["CC6.6", "NET-1"]);
        let known: Vec<String> = known(&named).into_iter().map(|it| it.id).collect();
        assert_eq!(known, ["CC6.6", "NET-1"]);
        let rest: Vec<String> = not_covered(&named).into_iter().map(|it| it.id).collect();
        assert!(rest.contains(&"CC6.7".to_owned()) && rest.contains(&"CC8.1".to_owned()));
        assert!(!rest.contains(&"CC6.6".to_owned()));
    }
}
