//! When an input is handled: a tenant knows no clock.

use time::OffsetDateTime;
use time::macros::format_description;

/// The time of an input, and the turn that it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Now<'t> {
    /// A clock that nobody sets, in milliseconds: for what is due, and for rates.
    pub monotonic_ms: u64,
    /// A clock that nobody sets, by the server's source of time: for what is remembered within this run.
    pub steady_ms: u64,
    /// The wall clock in milliseconds since the Unix epoch: for people and tokens.
    pub wall_ms: u64,
    /// Believed time in milliseconds since the Unix epoch: for whatever is kept and expires. Never goes back.
    pub believed_ms: u64,
    /// The wall clock as RFC 3339.
    pub text: &'t str,
    /// The number of the turn: inputs of one turn share what a tenant may deliver in it.
    pub turn: u64,
    /// Whether other tenants are at work in the turn too: only then is it bounded.
    pub has_others: bool,
}

/// RFC 3339 in UTC with milliseconds, such as `2026-11-23T12:00:00.000Z`.
pub fn rfc3339(unix_ms: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| String::from("1970-01-01T00:00:00.000Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_435_200_042), "2026-11-23T12:00:00.042Z");
    }
}
