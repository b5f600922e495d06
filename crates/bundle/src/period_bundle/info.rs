//! `bag-info.txt` of a period bundle.
//!
//! [`PeriodInfo::print`] and [`PeriodInfo::parse`] are twins.

use super::{PeriodId, PeriodName};
use crate::bag::Oxum;
use crate::id::Scope;
use crate::note::KeyName;
use crate::span::Span;
use crate::time::is_date;

const VALUE_BYTES: usize = 256;

/// The contents of `bag-info.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodInfo {
    /// `Bag-Group-Identifier` and `External-Identifier`.
    pub id: PeriodId,
    /// `Bag-Software-Agent`.
    pub agent: String,
    /// `Bagging-Date`: of the last run in it, so that the same store gives the same bytes on every day.
    pub bagging_date: String,
    /// `Evidenced-Log-Origin`.
    pub origin: KeyName,
    /// `Evidenced-Period`: first and last day.
    pub span: Span,
    /// `Payload-Oxum`.
    pub oxum: Oxum,
    /// `Source-Organization`.
    pub organisation: String,
}

/// What is wrong with `bag-info.txt`, or with what should go into it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodInfoError {
    /// The lines are not the eight keys in their order, in the one spelling.
    #[error("not the eight lines of a period's bag-info.txt")]
    Form,
    /// A value that its key does not allow.
    #[error("value of {key} is not allowed: {value:?}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

impl PeriodInfo {
    /// Refuses free text that would not be one line of a tag file.
    pub fn check(&self) -> Result<(), PeriodInfoError> {
        let free = [("Bag-Software-Agent", &self.agent), ("Source-Organization", &self.organisation)];
        let wrong = free.into_iter().find(|(_, value)| {
            value.is_empty()
                || value.len() > VALUE_BYTES
                || value.trim() != value.as_str()
                || value.chars().any(char::is_control)
        });
        let wrong = wrong.or((!is_date(&self.bagging_date)).then_some(("Bagging-Date", &self.bagging_date)));
        wrong.map_or(Ok(()), |(key, value)| Err(PeriodInfoError::Value { key, value: value.clone() }))
    }

    /// The bytes of `bag-info.txt`.
    pub fn print(&self) -> Vec<u8> {
        format!(
            "Bag-Group-Identifier: {}\nBag-Software-Agent: {}\nBagging-Date: {}\nEvidenced-Log-Origin: {}\n\
             Evidenced-Period: {}/{}\nExternal-Identifier: {}\nPayload-Oxum: {}\nSource-Organization: {}\n",
            self.id.scope(),
            self.agent,
            self.bagging_date,
            self.origin,
            self.span.first_day(),
            self.span.last_day(),
            self.id,
            self.oxum,
            self.organisation
        )
        .into_bytes()
    }

    /// Reads what [`Self::print`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, PeriodInfoError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PeriodInfoError::Form)?;
        let mut lines = text.split('\n');
        let mut value = |key: &'static str| {
            let rest = lines.next().and_then(|line| line.strip_prefix(key)?.strip_prefix(": "));
            rest.map(|value| (key, value)).ok_or(PeriodInfoError::Form)
        };
        let scope = read(value("Bag-Group-Identifier")?, Scope::new)?;
        let agent = read(value("Bag-Software-Agent")?, |text| Some(text.to_owned()))?;
        let bagging_date = read(value("Bagging-Date")?, |text| Some(text.to_owned()))?;
        let origin = read(value("Evidenced-Log-Origin")?, KeyName::new)?;
        let span = read(value("Evidenced-Period")?, |text| {
            let (first, last) = text.split_once('/')?;
            Span::days(first, last).ok()
        })?;
        let id = read(value("External-Identifier")?, |text| {
            let name = text.strip_prefix(scope.as_str())?.strip_prefix('-')?;
            PeriodId::new(scope.clone(), PeriodName::new(name)?)
        })?;
        let oxum = read(value("Payload-Oxum")?, Oxum::parse)?;
        let organisation = read(value("Source-Organization")?, |text| Some(text.to_owned()))?;
        let info = Self { id, agent, bagging_date, origin, span, oxum, organisation };
        info.check()?;
        if info.print() == bytes { Ok(info) } else { Err(PeriodInfoError::Form) }
    }
}

fn read<'a, T>(
    (key, value): (&'static str, &'a str),
    parse: impl Fn(&'a str) -> Option<T>,
) -> Result<T, PeriodInfoError> {
    parse(value).ok_or_else(|| PeriodInfoError::Value { key, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_and_only_in_its_form() {
        let info = PeriodInfo {
            id: PeriodId::new(Scope::new("prod").unwrap(), PeriodName::new("2026-Q4").unwrap()).unwrap(),
            agent: "evidenced 0.1.0".into(),
            bagging_date: "2026-12-31".into(),
            origin: KeyName::new("evidence.example.com/prod").unwrap(),
            span: Span::quarter("2026-Q4").unwrap(),
            oxum: Oxum { bytes: 12, files: 3 },
            organisation: "Müller & Söhne GmbH".into(),
        };
        let text = String::from_utf8(info.print()).unwrap();
        assert_eq!(PeriodInfo::parse(text.as_bytes()), Ok(info.clone()));
        for (from, to) in [
            ("Group-Identifier: prod", "Group-Identifier: other"),
            ("2026-10-01/2026-12-31", "2026-12-31/2026-10-01"),
            ("2026-10-01/2026-12-31", "2026-10-01"),
            ("Bagging-Date: 2026-12-31\n", ""),
            ("Bagging-Date: 2026-12-31", "Bagging-Date: 2026-12-32"),
            ("12.3", "012.3"),
            (": ", ":"),
            ("GmbH\n", "GmbH"),
            ("GmbH\n", "GmbH\nExtra: 1\n"),
            ("GmbH\n", "GmbH\r\n"),
        ] {
            assert!(text.contains(from));
            assert!(PeriodInfo::parse(text.replace(from, to).as_bytes()).is_err(), "{from:?} -> {to:?}");
        }
        assert!(PeriodInfo { organisation: "A\nPayload-Oxum: 0.0".into(), ..info }.check().is_err());
    }
}
