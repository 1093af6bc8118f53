//! A budget for the whole disk: near its end the largest tenants' logs yield, oldest first, before anybody is refused.

use std::time::{Duration, Instant};

use crate::DiskRoom;

/// How often it is looked at while there is something to write.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Or after so many bytes.
const LOOK_BYTES: u64 = 1 << 20;
/// So many bytes before the end of the budget logs yield, or a tenth of it where that is more: what comes meanwhile needs room.
const MARGIN_BYTES: u64 = 4 << 20;
/// How often it is said that logs yield.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// So long after the last of it logs count as yielding, or else it would change with every look.
const YIELDING_HOLDS: Duration = Duration::from_secs(10);
/// No tenant's log yields below so many bytes.
pub(super) const YIELD_BYTES_MIN: u64 = 64 << 10;

/// What all tenants' logs together may take of the disk. Near it the largest logs yield, oldest first, so far that all of them
/// are within four fifths of it; at it, what must not be lost is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskBudget {
    /// So many bytes of the database; `None` is no limit. Beside them are up to 48 MiB of the reserve, and what
    /// waits to be moved into the database.
    pub bytes_max: Option<u64>,
    /// So many bytes stay free on the file system, or a tenth of it where that is less; 0 is none.
    pub free_bytes_min: u64,
}

/// The budget of one log, and how it stands.
#[derive(Debug)]
pub(super) struct Budget {
    limits: DiskBudget,
    looked_at: Option<Instant>,
    written_bytes: u64,
    told_at: Option<Instant>,
    yielded_at: Option<Instant>,
    /// Less is free than must be: the database must not grow.
    is_low: bool,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// So many bytes should go.
    pub(super) excess: u64,
    /// Free pages should go back to the file system.
    pub(super) gives_back: bool,
}

impl Budget {
    pub(super) fn new(limits: DiskBudget) -> Self {
        Self {
            limits,
            looked_at: None,
            written_bytes: 0,
            told_at: None,
            yielded_at: None,
            is_low: false,
        }
    }

    pub(super) fn note_written(&mut self, bytes: u64) {
        self.written_bytes += bytes;
    }

    /// Whether it should be looked at.
    pub(super) fn is_due(&self) -> bool {
        self.limits != DiskBudget::default()
            && (self.written_bytes >= LOOK_BYTES
                || self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY))
    }

    /// How long it may wait where nobody writes; `None` where there is nothing to see.
    pub(super) fn wait(&self) -> Option<Duration> {
        (self.is_low || self.is_yielding()).then_some(LOOK_EVERY)
    }

    pub(super) fn is_low(&self) -> bool {
        self.is_low
    }

    pub(super) fn is_yielding(&self) -> bool {
        self.yielded_at.is_some_and(|at| at.elapsed() < YIELDING_HOLDS)
    }

    /// Looks, where `used` bytes are, and the file system has so much `room`.
    pub(super) fn look(&mut self, used: u64, room: Option<DiskRoom>) -> Look {
        self.looked_at = Some(Instant::now());
        self.written_bytes = 0;
        let floor = room.map_or(0, |room| self.limits.free_bytes_min.min(room.all_bytes / 10));
        let free = room.map_or(u64::MAX, |room| room.free_bytes);
        self.is_low = free < floor;
        let too_much = self.limits.bytes_max.map_or(0, |max| over(used, max));
        let too_little_free = short(free, floor);
        let look = Look { excess: too_much.max(too_little_free), gives_back: too_little_free > 0 };
        if look.excess > 0 {
            self.yielded_at = Some(Instant::now());
        }
        look
    }

    /// Says that logs yield, once a minute.
    pub(super) fn tell(&mut self, used: u64, level: u64) {
        if self.told_at.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            return;
        }
        self.told_at = Some(Instant::now());
        tracing::warn!(
            used_bytes = used,
            disk_bytes_max = self.limits.bytes_max,
            free_bytes_min = self.limits.free_bytes_min,
            tenant_bytes = level,
            "the disk's budget for the log is nearly used: the oldest events of the tenants with the largest logs go before their time; make room, raise log.diskBytesMax, or shorten the retention"
        );
    }
}

/// How much must go where more is used than the budget without its margin, down to twice the margin below it.
fn over(used: u64, max: u64) -> u64 {
    let margin = (max / 10).max(MARGIN_BYTES).min(max / 4);
    if used > max - margin { used.saturating_sub(max - 2 * margin) } else { 0 }
}

/// How much must be freed where less is free than the floor and a quarter, up to the floor and a half.
fn short(free: u64, floor: u64) -> u64 {
    if free < floor.saturating_add(floor / 4) {
        floor.saturating_add(floor / 2).saturating_sub(free)
    } else {
        0
    }
}

/// What each may have at most, so that all together have `total_max`: those that have less give nothing. `None`: they have no more.
pub(super) fn level(mut sizes: Vec<u64>, total_max: u64) -> Option<u64> {
    sizes.sort_unstable();
    let mut left = total_max;
    for (i, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - i) as u64;
        if *size > share {
            return Some(share.max(YIELD_BYTES_MIN));
        }
        left -= size;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_give_and_the_small_keep_what_they_have() {
        let mb = |n: u64| n << 20;
        assert_eq!(level(vec![mb(1), mb(1), mb(30)], mb(20)), Some(mb(18)));
        assert_eq!(level(vec![mb(1), mb(30), mb(20)], mb(21)), Some(mb(10)));
        assert_eq!(level(vec![mb(1), mb(2)], mb(3)), None);
        assert_eq!(level(vec![mb(1), mb(2)], 0), Some(YIELD_BYTES_MIN));
        assert_eq!(level(Vec::new(), 0), None);
    }

    #[test]
    fn logs_yield_from_nine_tenths_on_and_so_far_that_it_lasts() {
        let mb = |n: u64| n << 20;
        assert_eq!(over(mb(90), mb(100)), 0);
        assert_eq!((over(mb(91), mb(100)), over(mb(120), mb(100))), (mb(11), mb(40)));
        // Of a small one more is kept free, and never more than half.
        assert_eq!((over(mb(15), mb(20)), over(mb(17), mb(20))), (0, mb(5)));
        assert_eq!((over(mb(3), mb(4)), over(mb(4), mb(4))), (0, mb(2)));
        assert_eq!((short(125, 100), short(124, 100), short(0, 100)), (0, 26, 150));
        assert_eq!(short(0, 0), 0);
    }
}
