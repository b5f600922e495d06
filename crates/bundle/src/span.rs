//! The days that a period covers: what `--quarter`, `--from` and `--to` mean, for the builder and the verifier alike.
//!
//! A span is whole days of UTC, from the first second of the first to before the first second of the day behind the
//! last. Refused: dates that do not exist, a last day before the first, quarters in another spelling than `2026-Q4`.

use std::fmt;

use crate::time::UtcSecond;

const DAY_SECONDS: i64 = 86_400;

/// Whole days of UTC, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    start: UtcSecond,
    end: UtcSecond,
}

/// Why text is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not `YYYY-MM-DD`, or a day that no month has.
    #[error("{text:?} is not a date such as 2026-10-01")]
    Date {
        /// What was given.
        text: String,
    },
    /// Not `YYYY-Qn`.
    #[error("{text:?} is not a quarter such as 2026-Q4")]
    Quarter {
        /// What was given.
        text: String,
    },
    /// The last day is before the first.
    #[error("the period ends on {last}, before it starts on {first}")]
    Backwards {
        /// The first day.
        first: String,
        /// The last day.
        last: String,
    },
}

impl Span {
    /// From the first day to the last, both in it: `2026-10-01`, `2026-12-31`.
    pub fn days(first: &str, last: &str) -> Result<Self, SpanError> {
        let (start, last_start) = (day(first)?, day(last)?);
        let end = UtcSecond::from_unix(last_start.unix() + DAY_SECONDS);
        match end {
            Some(end) if start <= last_start => Ok(Self { start, end }),
            Some(_) => Err(SpanError::Backwards { first: first.to_owned(), last: last.to_owned() }),
            // The day behind 9999-12-31 cannot be written.
            None => Err(SpanError::Date { text: last.to_owned() }),
        }
    }

    /// A quarter of a calendar year: `2026-Q4`.
    pub fn quarter(text: &str) -> Result<Self, SpanError> {
        let refuse = || SpanError::Quarter { text: text.to_owned() };
        let (year, quarter) = text.split_once("-Q").ok_or_else(refuse)?;
        let (first, last) = match quarter {
            "1" => ("01-01", "03-31"),
            "2" => ("04-01", "06-30"),
            "3" => ("07-01", "09-30"),
            "4" => ("10-01", "12-31"),
            _ => return Err(refuse()),
        };
        Self::days(&format!("{year}-{first}"), &format!("{year}-{last}")).map_err(|_| refuse())
    }

    /// The first second of the first day.
    pub fn start(&self) -> UtcSecond {
        self.start
    }

    /// The first second that is no longer in it.
    pub fn end(&self) -> UtcSecond {
        self.end
    }

    /// The first day: `2026-10-01`.
    pub fn first_day(&self) -> String {
        self.start.date()
    }

    /// The last day: `2026-12-31`.
    pub fn last_day(&self) -> String {
        UtcSecond::from_unix(self.end.unix() - DAY_SECONDS).unwrap_or(self.start).date()
    }

    /// Whether an instant is in it.
    pub fn contains(&self, instant: UtcSecond) -> bool {
        self.start <= instant && instant < self.end
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first_day(), self.last_day())
    }
}

/// The first second of a day of UTC: `2026-10-01`.
pub fn day(text: &str) -> Result<UtcSecond, SpanError> {
    UtcSecond::parse(&format!("{text}T00:00:00Z")).ok_or_else(|| SpanError::Date { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_its_days() {
        for (quarter, first, last, days) in [
            ("2026-Q1", "2026-01-01", "2026-03-31", 90),
            ("2028-Q1", "2028-01-01", "2028-03-31", 91),
            ("2026-Q2", "2026-04-01", "2026-06-30", 91),
            ("2026-Q3", "2026-07-01", "2026-09-30", 92),
            ("2026-Q4", "2026-10-01", "2026-12-31", 92),
        ] {
            let span = Span::quarter(quarter).unwrap();
            assert_eq!(Span::days(first, last), Ok(span));
            assert_eq!((span.first_day().as_str(), span.last_day().as_str()), (first, last));
            assert_eq!((span.end().unix() - span.start().unix()) / DAY_SECONDS, days);
            assert_eq!(span.to_string(), format!("{first} to {last}"));
        }
    }

    #[test]
    fn both_days_are_in_it_and_their_neighbours_are_not() {
        let span = Span::days("2026-10-01", "2026-10-02").unwrap();
        for (text, inside) in [
            ("2026-09-30T23:59:59Z", false),
            ("2026-10-01T00:00:00Z", true),
            ("2026-10-02T23:59:59Z", true),
            ("2026-10-03T00:00:00Z", false),
        ] {
            assert_eq!(span.contains(UtcSecond::parse(text).unwrap()), inside, "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for quarter in
            ["2026-Q0", "2026-Q5", "2026-q4", "26-Q4", "2026Q4", "2026-Q44", "2026-Q", "", "+026-Q1"]
        {
            assert_eq!(Span::quarter(quarter), Err(SpanError::Quarter { text: quarter.into() }));
        }
        for (first, last) in [
            ("2026-02-29", "2026-03-01"),
            ("2026-10-1", "2026-10-02"),
            ("", "2026-10-02"),
            ("2026-10-01", "x"),
        ] {
            assert!(matches!(Span::days(first, last), Err(SpanError::Date { .. })), "{first} {last}");
        }
        assert!(matches!(Span::days("2026-10-02", "2026-10-01"), Err(SpanError::Backwards { .. })));
        assert!(Span::days("9999-12-31", "9999-12-31").is_err());
    }
}
