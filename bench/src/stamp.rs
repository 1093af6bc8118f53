//! The time of sending, carried inside an event so that a receiver finds it without parsing JSON.

use std::sync::OnceLock;
use std::time::Instant;

/// Marks the stamp: no server puts this character into an envelope of its own.
const MARK: u8 = b'@';
const DIGITS: usize = 16;

/// What a template holds where the stamp will be.
pub(crate) const PLACE: &str = "@0000000000000000";

/// Nanoseconds since this process first asked.
pub(crate) fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// When the event in `payload` was sent; `None` if it carries no stamp.
pub(crate) fn read(payload: &[u8]) -> Option<u64> {
    let start = memchr::memchr(MARK, payload)? + 1;
    let digits = payload.get(start..start + DIGITS)?;
    digits.iter().try_fold(0, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// A message that is the same each time but for its stamp.
#[derive(Clone)]
pub(crate) struct Template {
    text: Vec<u8>,
    stamp_at: Option<usize>,
}

impl Template {
    /// A template of `text`, which has at most one [`PLACE`] in it.
    pub(crate) fn new(text: String) -> Self {
        let stamp_at = text.find(PLACE).map(|at| at + 1);
        Self { text: text.into_bytes(), stamp_at }
    }

    /// The message with `time_ns` in its place.
    pub(crate) fn stamped(&mut self, time_ns: u64) -> &[u8] {
        if let Some(at) = self.stamp_at {
            for (position, byte) in self.text[at..at + DIGITS].iter_mut().enumerate() {
                let nibble = (time_ns >> (4 * (DIGITS - 1 - position)) & 0xF) as usize;
                *byte = b"0123456789abcdef"[nibble];
            }
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_as_it_was_written() {
        let mut template = Template::new(format!(r#"42["a",{{"reason":"{PLACE}"}}]"#));
        for time_ns in [0, 1, 0xDEAD_BEEF, u64::MAX] {
            assert_eq!(read(template.stamped(time_ns)), Some(time_ns));
        }
    }

    #[test]
    fn what_carries_no_whole_stamp_has_none() {
        for payload in [&b"42[\"ready\"]"[..], b"@", b"@00000000", b"@000000000000000g"] {
            assert_eq!(read(payload), None);
        }
    }
}
