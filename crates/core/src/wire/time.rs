//! Timestamps as AWS sends them -> Python's `isoformat`, which is what the CLI prints.
//!
//! `2026-10-01T02:00:00+00:00`, with six digits of a second only when they are not all zero. An offset that was sent
//! stays; a time without one stays without. Seconds since 1970 are UTC and round as Python rounds them.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::rfc2822;

/// A timestamp in a text: seconds since 1970, ISO 8601, or the date of a header (RFC 2822).
pub(super) fn from_text(text: &str) -> Option<String> {
    let text = text.trim();
    let numeric = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(numeric)
        && let Ok(seconds) = text.parse::<f64>()
    {
        return from_seconds(seconds);
    }
    from_iso(text).or_else(|| from_header(text))
}

/// Seconds since 1970.
pub(super) fn from_seconds(seconds: f64) -> Option<String> {
    // Half to even on the fraction alone, as `datetime.fromtimestamp` does it.
    let whole = seconds.trunc();
    let micros = ((seconds - whole) * 1e6).round_ties_even();
    let micros = whole_number(whole)?.checked_mul(1_000_000)?.checked_add(whole_number(micros)?)?;
    let since_1970 = SignedDuration::from_micros(micros);
    isoformat(date(1970, 1, 1).at(0, 0, 0, 0).checked_add(since_1970).ok()?, Zone::Minutes(0))
}

/// A float without fraction as an integer.
fn whole_number(value: f64) -> Option<i64> {
    format!("{value:.0}").parse().ok()
}

/// The offset of a time from UTC.
#[derive(Clone, Copy)]
enum Zone {
    Unsaid,
    Minutes(i32),
}

fn isoformat(at: DateTime, zone: Zone) -> Option<String> {
    if !(1..=9999).contains(&at.year()) {
        return None;
    }
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let fraction = match at.subsec_nanosecond() / 1000 {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    let offset = match zone {
        Zone::Unsaid => String::new(),
        Zone::Minutes(east) => {
            let sign = if east < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)
        }
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}"))
}

/// `2026-10-01T02:00:00.123Z`; the basic form without separators; the date alone.
fn from_iso(text: &str) -> Option<String> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    let dashes = eat(&mut rest, &['-']);
    let month = digits(&mut rest, 2)?;
    if dashes && !eat(&mut rest, &['-']) {
        return None;
    }
    let day = digits(&mut rest, 2)?;
    let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
    let mut offset = Zone::Unsaid;
    if !rest.is_empty() {
        if !eat(&mut rest, &['T', 't', ' ']) {
            return None;
        }
        hour = digits(&mut rest, 2)?;
        let colons = eat(&mut rest, &[':']);
        minute = digits(&mut rest, 2)?;
        if colons == eat(&mut rest, &[':']) && rest.starts_with(|next: char| next.is_ascii_digit()) {
            second = digits(&mut rest, 2)?;
            nanos = fraction(&mut rest)?;
        }
        offset = zone(&mut rest)?;
    }
    let narrow = |value: i32| i8::try_from(value).ok();
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        nanos,
    );
    if rest.is_empty() { isoformat(civil.ok()?, offset) } else { None }
}

/// `Sun, 22 Nov 2026 02:00:03 GMT`.
fn from_header(text: &str) -> Option<String> {
    let zoned = rfc2822::parse(text).ok()?;
    isoformat(zoned.datetime(), Zone::Minutes(zoned.offset().seconds() / 60))
}

fn eat(rest: &mut &str, wanted: &[char]) -> bool {
    match rest.strip_prefix(wanted) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn digits(rest: &mut &str, count: usize) -> Option<i32> {
    let (taken, after) = rest.split_at_checked(count)?;
    if !taken.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = after;
    taken.parse().ok()
}

/// Nanoseconds of `.123456789`, cut off after the microsecond as the CLI cuts them off.
fn fraction(rest: &mut &str) -> Option<i32> {
    let Some(after) = rest.strip_prefix('.') else { return Some(0) };
    let end = after.find(|next: char| !next.is_ascii_digit()).unwrap_or(after.len());
    let (taken, after) = after.split_at_checked(end)?;
    if taken.is_empty() {
        return None;
    }
    *rest = after;
    let micros: String = taken.chars().chain("000000".chars()).take(6).collect();
    micros.parse::<i32>().ok().map(|micros| micros * 1000)
}

/// Minutes of `Z`, `+02:00`, `-0330` or `+02`; unsaid where the text is at its end.
fn zone(rest: &mut &str) -> Option<Zone> {
    if rest.is_empty() {
        return Some(Zone::Unsaid);
    }
    if eat(rest, &['Z', 'z']) {
        return Some(Zone::Minutes(0));
    }
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    if !eat(rest, &['+', '-']) {
        return None;
    }
    let hours = digits(rest, 2)?;
    eat(rest, &[':']);
    let minutes = if rest.is_empty() { 0 } else { digits(rest, 2)? };
    if hours > 23 || minutes > 59 { None } else { Some(Zone::Minutes(sign * (hours * 60 + minutes))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_8601_is_printed_as_python_prints_it() {
        for (sent, printed) in [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
            ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00+00:00"),
            ("2023-12-31T12:34:56.789Z", "2023-12-31T12:34:56.789000+00:00"),
            ("2024-06-30T01:02:03.1234567Z", "2024-06-30T01:02:03.123456+00:00"),
            ("2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00+02:00"),
            ("2024-01-01T00:00:00-0330", "2024-01-01T00:00:00-03:30"),
            ("2024-01-01T00:00:00-00:00", "2024-01-01T00:00:00+00:00"),
            ("2024-01-01 00:00:00", "2024-01-01T00:00:00"),
            ("2024-01-01T05:06Z", "2024-01-01T05:06:00+00:00"),
            ("20240101T050607Z", "2024-01-01T05:06:07+00:00"),
            ("2024-01-01", "2024-01-01T00:00:00"),
            ("Sun, 22 Nov 2026 02:00:03 GMT", "2026-11-22T02:00:03+00:00"),
        ] {
            assert_eq!(from_text(sent).as_deref(), Some(printed), "{sent}");
        }
    }

    #[test]
    fn seconds_since_1970_round_as_python_rounds_them() {
        for (sent, printed) in [
            ("0", "1970-01-01T00:00:00+00:00"),
            ("-1.5", "1969-12-31T23:59:58.500000+00:00"),
            ("1.70000000012E9", "2023-11-14T22:13:20.120000+00:00"),
            ("1523580432.527", "2018-04-13T00:47:12.527000+00:00"),
            ("1719999999.999999", "2024-07-03T09:46:39.999999+00:00"),
            ("1719999999.9999999", "2024-07-03T09:46:40+00:00"),
            ("253402300799", "9999-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(from_text(sent).as_deref(), Some(printed), "{sent}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "never",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "1e300",
            "2024-01-01T00:00:00Zulu",
            "2024-01-01T00:00:00+99:00",
            "2024-01-01T0:00:00Z",
            "2024-01-01T00:00:00.Z",
            "99999999999999",
            "日本",
            "2024-01-0１T00:00:00Z",
        ] {
            assert_eq!(from_text(text), None, "{text:?}");
        }
    }
}
