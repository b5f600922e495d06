//! The identifiers that findings refer to, as an OSCAL catalog in our own words.
//!
//! The text of the Trust Services Criteria belongs to the AICPA and is not repeated: an identifier, one line of ours
//! on what the evidence can show about it, and where the text is sold. Criteria that only a customer's policies name,
//! and the customer's own controls, are in it too, so that no finding refers to what is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::about::{About, text};
use super::name_uuid::Namespace;
use super::oscal::{VERSION, line};
use crate::assessment::Assessment;
use crate::facts::Facts;

/// Identifiers with our own wording.
const INDEX: &[(&str, &str)] = &[
    ("A1.2", "Copies, capacity and surroundings that keep the system running are looked after"),
    ("CC2.3", "Who outside is told what, and who answers for which part, is written down"),
    ("CC6.1", "Only those who should get in get in: logical access to what is protected"),
    ("CC6.6", "The boundary of the system is kept: what the outside can reach, and what guards it"),
    ("CC6.7", "Data that moves is protected on its way, and goes only where it should"),
    ("CC6.8", "Software that should not be there is kept out or noticed"),
    ("CC7.1", "Changes of configuration and new weaknesses are noticed"),
    ("CC7.2", "The system is watched, so that what is out of the ordinary is noticed"),
    ("CC7.3", "What was noticed is judged, and acted on where it matters"),
    ("CC8.1", "Changes are authorised, tested and traceable"),
];

/// Our wording for an identifier, where it is in the index.
pub fn criterion(id: &str) -> Option<&'static str> {
    INDEX.iter().find(|(known, _)| *known == id).map(|(_, wording)| *wording)
}

/// The controls that there are: identifiers of findings and the tokens that stand for them.
#[derive(Debug)]
pub(super) struct Controls {
    tokens: BTreeMap<String, String>,
}

impl Controls {
    /// Our index, what the checks name, and the configuration's own controls.
    pub(super) fn of(facts: &Facts, assessment: &Assessment) -> Self {
        let named = assessment.checks.values().flat_map(|check| &check.criteria).map(String::as_str);
        let own = own_controls(facts).map(|control| text(control, "/id"));
        let ids: BTreeSet<&str> = INDEX.iter().map(|(id, _)| *id).chain(named).chain(own).collect();
        let mut taken = BTreeSet::new();
        let mut tokens = BTreeMap::new();
        for id in ids {
            let base = token(id);
            let mut free = base.clone();
            let mut number = 2;
            while !taken.insert(free.clone()) {
                free = format!("{base}.{number}");
                number += 1;
            }
            tokens.insert(id.to_owned(), free);
        }
        Self { tokens }
    }

    /// The token of an identifier.
    pub(super) fn token(&self, id: &str) -> Option<&str> {
        self.tokens.get(id).map(String::as_str)
    }

    /// The catalog.
    pub(super) fn catalog(&self, about: &About<'_>, facts: &Facts) -> Value {
        let ids = Namespace::new();
        let indexed = INDEX.iter().filter_map(|(id, wording)| self.control(id, wording, "criterion"));
        let mut seen: BTreeSet<&str> = INDEX.iter().map(|(id, _)| *id).collect();
        let own: Vec<Value> = own_controls(facts)
            .filter(|control| seen.insert(text(control, "/id")))
            .filter_map(|control| self.control(text(control, "/id"), text(control, "/title"), "own-control"))
            .collect();
        let is_own = |id: &str| own_controls(facts).any(|control| text(control, "/id") == id);
        let others: Vec<Value> = self
            .tokens
            .keys()
            .filter(|id| !INDEX.iter().any(|(known, _)| known == id) && !is_own(id))
            .filter_map(|id| {
                self.control(id, &format!("{id}, as a policy of the customer names it"), "other")
            })
            .collect();
        let mut groups = vec![json!({
            "id": "tsc",
            "class": "index",
            "title": "Identifiers of the Trust Services Criteria, in our own words",
            "controls": indexed.collect::<Vec<_>>(),
        })];
        for (id, title, controls) in
            [("own", "The organisation's own controls", own), ("other", "Other identifiers", others)]
        {
            if !controls.is_empty() {
                groups.push(json!({ "id": id, "title": title, "controls": controls }));
            }
        }
        let names: Vec<&str> = self.tokens.keys().map(String::as_str).collect();
        json!({ "catalog": {
            "uuid": ids.id(&["catalog", &about.run, &names.join(" ")]),
            "metadata": {
                "title": "Index of control identifiers that evidenced refers to",
                "last-modified": about.end,
                "version": line(about.version),
                "oscal-version": VERSION,
                "links": [{
                    "href": "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022",
                    "rel": "reference",
                }],
                "remarks": "An index of identifiers with wording of evidenced's own. The Trust Services Criteria \
                            themselves are published by the AICPA, and are not contained.",
            },
            "groups": groups,
        } })
    }

    fn control(&self, id: &str, wording: &str, class: &str) -> Option<Value> {
        let token = self.token(id)?;
        Some(json!({
            "id": token,
            "class": class,
            "title": line(wording),
            "props": [{ "name": "label", "value": line(id) }],
            "parts": [{ "id": statement(token), "name": "statement", "prose": line(wording) }],
        }))
    }
}

/// The id of the statement of a control: what findings target.
pub(super) fn statement(token: &str) -> String {
    format!("{token}_smt")
}

fn own_controls(facts: &Facts) -> impl Iterator<Item = &Value> {
    let controls = facts.config.get("controls").and_then(Value::as_array).map(Vec::as_slice);
    controls.unwrap_or_default().iter().filter(|control| !text(control, "/id").is_empty())
}

/// An identifier as OSCAL's tokens are written: `CC6.6` is `cc6.6`.
fn token(id: &str) -> String {
    let kept = |it: char| if it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_') { it } else { '-' };
    let token: String = id.to_ascii_lowercase().chars().map(kept).collect();
    if token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        token
    } else {
        format!("_{token}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_oscal_takes() {
        assert_eq!([token("CC6.6"), token("NET 04"), token("1.2")], ["cc6.6", "net-04", "_1.2"]);
    }

    #[test]
    fn two_identifiers_never_share_a_token() {
        let own = json!({ "controls": [{ "id": "NET 04", "title": "a" }, { "id": "NET-04", "title": "b" }] });
        let facts = Facts { config: own, ..Facts::default() };
        let controls = Controls::of(&facts, &Assessment::default());
        assert_ne!(controls.token("NET 04"), controls.token("NET-04"));
    }

    #[test]
    fn the_wording_is_ours_and_short() {
        assert!(INDEX.iter().all(|(_, wording)| wording.len() < 100));
    }
}
