//! What a resource of a finding is: its type, ARN and name, as the population has them.
//!
//! Read from the population of a run, or from `population.csv` of a bundle. Of two resources with one id, the one in
//! the finding's own region counts; of two in other regions, neither.

use std::collections::BTreeMap;

use super::about::About;
use super::kinds::KINDS;
use super::{FormatError, Population};
use crate::facts::Facts;

/// Resources by account and id.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<(String, String), Vec<(String, Known)>>);

/// What is known of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) kind: String,
    pub(super) arn: String,
    pub(super) name: String,
}

impl Names {
    /// The resources of one account.
    pub(super) fn of_account(population: &Population, account: &str) -> Self {
        let mut names = Self::default();
        for (account, region, place) in population.places().filter(|(known, _, _)| *known == account) {
            for resource in &place.resources {
                let known = Known {
                    kind: resource.kind.name.to_owned(),
                    arn: resource.arn(&place.partition, account, region),
                    name: resource.name.to_string(),
                };
                names.add(account, &resource.id, region, known);
            }
        }
        names
    }

    /// From `data/population.csv` and the facts of the run.
    pub fn read(bytes: &[u8], facts: &Facts) -> Result<Self, FormatError> {
        let about = About::of(facts);
        let mut names = Self::default();
        let mut reader = csv::Reader::from_reader(bytes);
        let head = reader.headers()?.clone();
        let column =
            |name: &'static str| head.iter().position(|known| known == name).ok_or(FormatError::Column(name));
        let [account, region, kind, id, arn, name] = [
            column("account")?,
            column("region")?,
            column("resource_type")?,
            column("resource_id")?,
            column("resource_arn")?,
            column("resource_name")?,
        ];
        for record in reader.records() {
            let record = record?;
            let field = |at: usize| {
                let text = record.get(at).unwrap_or_default();
                text.strip_prefix('\'').unwrap_or(text)
            };
            let (region, id) = (field(region), field(id));
            // The label of an account begins with its id.
            let account = field(account).split(' ').next().unwrap_or_default();
            let arn = match field(arn) {
                "" => {
                    let kind = KINDS.iter().find(|known| known.name == field(kind));
                    kind.map(|it| it.made(about.partition(account), account, region, id)).unwrap_or_default()
                }
                given => given.to_owned(),
            };
            if !id.is_empty() {
                let known = Known { kind: field(kind).into(), arn, name: field(name).into() };
                names.add(account, id, region, known);
            }
        }
        Ok(names)
    }

    fn add(&mut self, account: &str, id: &str, region: &str, known: Known) {
        self.0.entry((account.to_owned(), id.to_owned())).or_default().push((region.to_owned(), known));
    }

    /// What is known of a resource; nothing when it is not in the population.
    pub(super) fn look(&self, account: &str, region: &str, id: &str) -> Known {
        let found = self.0.get(&(account.to_owned(), id.to_owned())).map(Vec::as_slice).unwrap_or_default();
        let known = match (found.iter().find(|(at, _)| at == region), found) {
            (Some((_, known)), _) | (None, [(_, known)]) => known.clone(),
            _ => Known::default(),
        };
        // An id that is an ARN says itself what it is called.
        if known.arn.is_empty() && id.starts_with("arn:") {
            return Known { arn: id.to_owned(), ..known };
        }
        known
    }
}
