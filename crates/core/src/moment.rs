//! Times as text: UTC, ending in `Z`.

use jiff::Timestamp;

/// Milliseconds since 1970 as `2026-11-22T02:00:03.412Z`; a time that no calendar holds is the empty string.
pub fn milliseconds(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_default()
}

/// Seconds since 1970 as `2026-11-22T02:00:03Z`.
pub fn seconds(s: i64) -> String {
    Timestamp::from_second(s).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// The day of a time in seconds since 1970, `2026-11-22`.
pub fn day(s: i64) -> String {
    Timestamp::from_second(s).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// `2026-11-22T02:00:00Z` (or with an offset) as seconds since 1970; fractions are refused.
pub fn parse(text: &str) -> Option<i64> {
    let at: Timestamp = text.parse().ok()?;
    (at.subsec_nanosecond() == 0).then(|| at.as_second())
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_end_in_z_and_read_back() {
        assert_eq!(super::milliseconds(1_795_312_803_412), "2026-11-22T02:00:03.412Z");
        assert_eq!(super::seconds(1_795_312_803), "2026-11-22T02:00:03Z");
        assert_eq!(super::parse("2026-11-22T02:00:03Z"), Some(1_795_312_803));
        assert_eq!(super::parse("2026-11-22T03:00:03+01:00"), Some(1_795_312_803));
        assert_eq!(super::parse("2026-11-22"), None);
    }
}
