//! Slots: the instants at which a snapshot is due, as one pure function over the cron expression.
//!
//! The collector asks it what to do next and the verifier what was due, so that both mean the same. Five numeric
//! fields (`* , - /`) in UTC, Vixie's rule for the two day fields (either matches when both are restricted). Slots are
//! whole minutes. Refused: names, seconds, macros, time zones. Vectors: `tests/vectors`.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A parsed schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a schedule is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error("has {0} fields, not five (minute hour day-of-month month day-of-week)")]
    Fields(usize),
    /// Something else than digits and `* , - /`.
    #[error("field {0:?} may only hold digits and * , - /")]
    Characters(String),
    /// Out of range, or never due.
    #[error("is not a schedule: {0}")]
    Cron(String),
}

impl Schedule {
    /// Parses `minute hour day-of-month month day-of-week`.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != 5 {
            return Err(ScheduleError::Fields(fields.len()));
        }
        for field in &fields {
            if !field.bytes().all(|byte| byte.is_ascii_digit() || b"*,-/".contains(&byte)) {
                return Err(ScheduleError::Characters((*field).to_owned()));
            }
        }
        let text = fields.join(" ");
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .dom_and_dow(false)
            .build()
            .parse(&text)
            .map_err(|error| ScheduleError::Cron(error.to_string()))?;
        let schedule = Self { text, cron };
        match schedule.after(0) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Cron("it is never due".to_owned())),
        }
    }

    /// The expression, with single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot after `unix` (seconds since 1970); `None` when there is none.
    pub fn after(&self, unix: i64) -> Option<i64> {
        let from = Timestamp::from_second(unix).ok()?.to_zoned(TimeZone::UTC);
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp().as_second())
    }

    /// Whether `unix` is a slot.
    pub fn is_slot(&self, unix: i64) -> bool {
        self.after(unix.saturating_sub(1)) == Some(unix)
    }

    /// The last slot at or before `unix`; `None` when there is none.
    pub fn at_or_before(&self, unix: i64) -> Option<i64> {
        let from = Timestamp::from_second(unix).ok()?.to_zoned(TimeZone::UTC);
        let found = self.cron.find_previous_occurrence(&from, true).ok()?;
        Some(found.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UtcSecond;

    fn instant(text: &str) -> i64 {
        UtcSecond::parse(text).unwrap().unix()
    }

    #[test]
    fn the_published_slot_vectors_agree() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/bundle-vectors.json"
        )))
        .unwrap();
        let slots = vectors["slots"].as_array().unwrap();
        assert_eq!(slots.len(), 4);
        for vector in slots {
            let schedule = Schedule::parse(vector["schedule"].as_str().unwrap()).unwrap();
            let mut at = instant(vector["after"].as_str().unwrap());
            for next in vector["next"].as_array().unwrap() {
                at = schedule.after(at).unwrap();
                assert_eq!(at, instant(next.as_str().unwrap()), "{}", schedule.as_str());
                assert!(schedule.is_slot(at) && !schedule.is_slot(at + 60));
                assert_eq!(schedule.at_or_before(at + 59), Some(at));
            }
        }
    }

    #[test]
    fn names_seconds_and_macros_are_refused() {
        for text in ["@daily", "0 0 2 * * *", "0 2 * * MON", "61 2 * * *", "0 2 30 2 *", "0 2 * *", ""] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
