//! Wall-clock time as messages carry it.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::macros::format_description;

/// RFC 3339 in UTC with milliseconds, such as `2026-11-23T12:00:00.000Z`.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| String::from("1970-01-01T00:00:00.000Z"))
}

/// The time as text, worked out at most once a millisecond.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    unix_ms: u64,
    text: String,
    /// Whether it was looked at since the shard last slept.
    is_fresh: bool,
}

impl WallClock {
    /// The shard is about to sleep, for how long nobody knows.
    pub(crate) fn sleep(&mut self) {
        self.is_fresh = false;
    }

    /// Looks at the system's clock, if the shard has slept since.
    pub(crate) fn wake(&mut self) {
        if !self.is_fresh {
            self.tick();
        }
    }

    /// Looks at the system's clock.
    pub(crate) fn tick(&mut self) {
        self.is_fresh = true;
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or(0);
        if unix_ms != self.unix_ms {
            self.unix_ms = unix_ms;
            self.text.clear();
        }
    }

    /// Milliseconds since the Unix epoch, as of the last tick.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.unix_ms
    }

    /// Seconds since the Unix epoch, as of the last tick.
    pub(crate) fn unix_s(&self) -> u64 {
        self.unix_ms / 1_000
    }

    /// RFC 3339, as of the last tick.
    pub(crate) fn text(&mut self) -> &str {
        if self.text.is_empty() {
            self.text = rfc3339(self.unix_ms);
        }
        &self.text
    }
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
