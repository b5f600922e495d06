//! Instants: whole seconds of UTC between 1970 and 9999.
//!
//! Two spellings, each read strictly: `2026-11-22T02:00:00Z` in documents and `20261122T020000Z` in names. There is
//! no clock here and no time zone.

use std::fmt;

const DAY_SECONDS: i64 = 86_400;

/// A second of UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcSecond {
    unix: i64,
}

/// Date and time of day of an instant.
#[derive(Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl UtcSecond {
    /// The instant so many seconds after 1970-01-01T00:00:00Z; `None` before that and after 9999.
    pub fn from_unix(unix: i64) -> Option<Self> {
        (0..=253_402_300_799).contains(&unix).then_some(Self { unix })
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.unix
    }

    /// Reads `2026-11-22T02:00:00Z` and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_as(text, "####-##-##T##:##:##Z")
    }

    /// Reads `20261122T020000Z` and nothing else.
    pub fn parse_compact(text: &str) -> Option<Self> {
        Self::parse_as(text, "########T######Z")
    }

    fn parse_as(text: &str, pattern: &str) -> Option<Self> {
        if text.len() != pattern.len() {
            return None;
        }
        let mut digits = [0_i64; 14];
        let mut slots = digits.iter_mut();
        for (found, wanted) in text.bytes().zip(pattern.bytes()) {
            match wanted {
                b'#' if found.is_ascii_digit() => *slots.next()? = i64::from(found - b'0'),
                // The sign of the pattern is no letter of it: a text that has it would lose a digit.
                b'#' => return None,
                _ if found == wanted => {}
                _ => return None,
            }
        }
        let [y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2] = digits;
        let civil = Civil {
            year: y1 * 1000 + y2 * 100 + y3 * 10 + y4,
            month: m1 * 10 + m2,
            day: d1 * 10 + d2,
            hour: h1 * 10 + h2,
            minute: n1 * 10 + n2,
            second: s1 * 10 + s2,
        };
        let instant = Self::from_unix(civil.unix())?;
        // A day that the month lacks (31 June) becomes another date: what does not come back was not a date.
        let back = instant.civil();
        let same = (back.year, back.month, back.day) == (civil.year, civil.month, civil.day);
        (same && civil.hour < 24 && civil.minute < 60 && civil.second < 60).then_some(instant)
    }

    /// As in names: `20261122T020000Z`.
    pub fn compact(self) -> String {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// The date: `2026-11-22`.
    pub fn date(self) -> String {
        let Civil { year, month, day, .. } = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The MS-DOS date and time of zip headers, in steps of two seconds; `None` outside 1980 to 2107.
    pub fn dos(self) -> Option<(u16, u16)> {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        let years = u16::try_from(year - 1980).ok().filter(|years| *years < 128)?;
        let small = |value: i64| u16::try_from(value).ok();
        let date = years << 9 | small(month)? << 5 | small(day)?;
        let time = small(hour)? << 11 | small(minute)? << 5 | (small(second)? / 2);
        Some((date, time))
    }

    /// Days to a civil date and back: the proleptic Gregorian calendar counted in 400-year eras from 1 March, after
    /// Howard Hinnant's `chrono`-compatible algorithms.
    fn civil(self) -> Civil {
        let days = self.unix.div_euclid(DAY_SECONDS) + 719_468;
        let second_of_day = self.unix.rem_euclid(DAY_SECONDS);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }
}

impl Civil {
    fn unix(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY_SECONDS
            + self.hour * 3600
            + self.minute * 60
            + self.second
    }
}

impl fmt::Display for UtcSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl fmt::Debug for UtcSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether `text` is a date `YYYY-MM-DD` that exists.
pub fn is_date(text: &str) -> bool {
    UtcSecond::parse(&format!("{text}T00:00:00Z")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_have_their_spellings() {
        for (unix, long, compact) in [
            (0, "1970-01-01T00:00:00Z", "19700101T000000Z"),
            (1_795_312_800, "2026-11-22T02:00:00Z", "20261122T020000Z"),
            (951_782_399, "2000-02-28T23:59:59Z", "20000228T235959Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z", "20240229T000000Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "99991231T235959Z"),
        ] {
            let instant = UtcSecond::from_unix(unix).unwrap();
            assert_eq!((instant.to_string().as_str(), instant.compact().as_str()), (long, compact));
            assert_eq!(
                (UtcSecond::parse(long), UtcSecond::parse_compact(compact)),
                (Some(instant), Some(instant))
            );
        }
        assert_eq!(UtcSecond::parse("2026-11-22T02:31:58Z").unwrap().dos(), Some((0x5d76, 0x13fd)));
        assert_eq!(UtcSecond::parse("1979-12-31T23:59:59Z").unwrap().dos(), None);
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-06-31T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00+00:00",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00.0Z",
            "2026-11-#2T02:00:00Z",
            "2026-11-22T02:00:0#Z",
            "1969-12-31T23:59:59Z",
            "2026-1-01T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(UtcSecond::parse(text), None, "{text}");
        }
        assert!(is_date("2026-11-22") && !is_date("2026-11-31") && !is_date("2026-11-22Z"));
    }

    proptest! {
        #[test]
        fn every_second_is_read_back(unix in 0_i64..=253_402_300_799) {
            let instant = UtcSecond::from_unix(unix).unwrap();
            prop_assert_eq!(UtcSecond::parse(&instant.to_string()), Some(instant));
            prop_assert_eq!(UtcSecond::parse_compact(&instant.compact()), Some(instant));
        }
    }
}
