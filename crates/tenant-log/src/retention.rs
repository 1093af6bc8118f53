//! How long a log keeps what it has.

use crate::RECENT_IDS_MAX;

/// What every tenant's log keeps, whatever its age and number, as far as its bytes allow.
pub const RETENTION_ENTRIES_MIN: u64 = 65_536;

// Or else an id could be forgotten by a restart that was remembered before it.
const _: () = assert!(RETENTION_ENTRIES_MIN >= RECENT_IDS_MAX as u64);

/// What a tenant's log keeps: an entry goes when any limit says so, oldest first. The limit on bytes holds in any case, the
/// others not below the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// No entry older than this. Seven days.
    pub age_ms_max: u64,
    /// No more entries than this. One million.
    pub entries_max: u64,
    /// No more bytes than this, except 4 MiB and one entry that are not in the index yet, by [`crate::LogEntry::bytes`]. One GiB.
    pub bytes_max: u64,
    /// So many of the newest stay, whatever their age and number, where they are within the bytes. [`RETENTION_ENTRIES_MIN`]; less only where a test wants it.
    pub entries_min: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age_ms_max: 7 * 24 * 60 * 60 * 1_000,
            entries_max: 1_000_000,
            bytes_max: 1 << 30,
            entries_min: RETENTION_ENTRIES_MIN,
        }
    }
}

impl Retention {
    /// For a log in memory, which its process pays for: a day, 65 536 entries, 64 MiB a tenant. Its floor is low, or
    /// else large messages would make the limit on bytes an empty word.
    pub const fn in_memory() -> Self {
        Self {
            age_ms_max: 24 * 60 * 60 * 1_000,
            entries_max: 65_536,
            bytes_max: 64 << 20,
            entries_min: 64,
        }
    }
}

/// An entry's place in the sums over its tenant's log: how many entries and bytes there were up to and including it.
///
/// The difference of two is what lies between, so that nothing has to be counted again after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn plus(self, entries: u64, bytes: u64) -> Self {
        Self { entries: self.entries + entries, bytes: self.bytes.saturating_add(bytes) }
    }
}

impl Retention {
    /// Whether the oldest entry, of `tally` and `at_ms`, goes; `last` is the newest entry's tally.
    pub(crate) fn lets_go(self, tally: Tally, at_ms: u64, last: Tally, now_ms: u64) -> bool {
        // What would stay without it; with it, one entry more.
        let entries_after = last.entries.saturating_sub(tally.entries);
        let bytes_after = last.bytes.saturating_sub(tally.bytes);
        bytes_after >= self.bytes_max
            || entries_after >= self.entries_min
                && (now_ms.saturating_sub(at_ms) > self.age_ms_max
                    || entries_after >= self.entries_max)
    }

    /// Whether fewer entries than the floor stay behind one that went: the limit on bytes took it.
    pub(crate) fn floor_yields(self, tally: Tally, last: Tally) -> bool {
        last.entries.saturating_sub(tally.entries) < self.entries_min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Retention =
        Retention { age_ms_max: 100, entries_max: 10, bytes_max: 1_000, entries_min: 3 };

    /// How many of `count` entries of `bytes` each, all taken at time zero, stay at `now_ms`.
    #[track_caller]
    fn check(count: u64, bytes: u64, now_ms: u64, stay: u64) {
        let tally = |entries| Tally { entries, bytes: entries * bytes };
        let gone =
            (1..=count).take_while(|n| LIMITS.lets_go(tally(*n), 0, tally(count), now_ms)).count();
        assert_eq!(count - gone as u64, stay);
    }

    #[test]
    fn each_limit_takes_the_oldest_and_the_floor_yields_to_bytes_alone() {
        check(10, 10, 100, 10);
        check(12, 10, 100, 10);
        check(10, 250, 100, 4);
        check(10, 10, 101, 3);
        check(10, 5_000, 101, 1);
        check(2, 5_000, 101, 1);
        check(10, 400, 0, 3);
        check(10, 600, 0, 2);
    }
}
