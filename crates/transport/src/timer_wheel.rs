//! One timer wheel for a shard: every deadline of every client and socket, without a timer for each.

/// The length of a tick.
const TICK_MS: u64 = 8;
/// A tick with more deadlines than this is looked at once, at its end: a crowd costs one wake-up for each tick.
const CROWD: usize = 4;
/// Slots of the wheel; a deadline beyond them comes round and is looked at again.
const SLOTS: usize = 4_096;
const WORDS: usize = SLOTS / 64;

/// Deadlines by tick. Cancelling is the owner's matter: an entry that no longer means anything is ignored when it
/// comes, and every owner keeps at most a few entries in the wheel.
pub(crate) struct TimerWheel<T> {
    slots: Vec<Vec<Entry<T>>>,
    occupied: [u64; WORDS],
    /// The next tick to look at.
    tick: u64,
}

struct Entry<T> {
    deadline_ms: u64,
    what: T,
}

impl<T: Copy> TimerWheel<T> {
    pub(crate) fn new(now_ms: u64) -> Self {
        let slots = std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        Self { slots, occupied: [0; WORDS], tick: now_ms / TICK_MS }
    }

    /// Says `what` once `deadline_ms` has passed: never early, at most a tick late, and not late at all where few
    /// deadlines share the tick.
    pub(crate) fn schedule(&mut self, deadline_ms: u64, what: T) {
        let tick = (deadline_ms / TICK_MS).max(self.tick);
        let slot = slot(tick);
        self.slots[slot].push(Entry { deadline_ms, what });
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// How long nothing can be due, in milliseconds; `None` where nothing is scheduled.
    pub(crate) fn idle_ms(&self, now_ms: u64) -> Option<u64> {
        let start = slot(self.tick);
        let ticks = (0..=WORDS).find_map(|step| {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= !0 << (start % 64);
            }
            (bits != 0).then(|| {
                let found = word * 64 + bits.trailing_zeros() as usize;
                (found + SLOTS - start) % SLOTS
            })
        })?;
        let tick = self.tick + ticks as u64;
        let end_ms = (tick + 1) * TICK_MS;
        let entries = &self.slots[slot(tick)];
        if entries.len() > CROWD {
            return Some(end_ms.saturating_sub(now_ms));
        }
        let earliest_ms = entries.iter().map(|entry| entry.deadline_ms).fold(end_ms, u64::min);
        Some(earliest_ms.saturating_sub(now_ms))
    }

    /// Moves what is due into `due`.
    pub(crate) fn expire(&mut self, now_ms: u64, due: &mut Vec<T>) {
        let now_tick = now_ms / TICK_MS;
        // After a long sleep one round over the wheel sees every entry.
        let first = self.tick.max(now_tick.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=now_tick {
            let slot = slot(tick);
            if self.occupied[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            let entries = &mut self.slots[slot];
            if tick == now_tick && entries.len() > CROWD {
                break;
            }
            entries.retain(|entry| {
                let later = entry.deadline_ms > now_ms;
                if !later {
                    due.push(entry.what);
                }
                later
            });
            if entries.is_empty() {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
                if entries.capacity() > 64 {
                    *entries = Vec::new();
                }
            }
        }
        self.tick = self.tick.max(now_tick);
    }
}

const fn slot(tick: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below SLOTS")]
    let slot = (tick % SLOTS as u64) as usize;
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(wheel: &mut TimerWheel<u32>, now_ms: u64) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(now_ms, &mut due);
        due
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_a_tick_late() {
        for deadline_ms in 1..100 {
            let mut wheel = TimerWheel::new(0);
            wheel.schedule(deadline_ms, 7);
            let fired = (0..).find(|now_ms| !expired(&mut wheel, *now_ms).is_empty()).unwrap();
            assert!(
                (deadline_ms..=deadline_ms + TICK_MS).contains(&fired),
                "{deadline_ms}: {fired}"
            );
        }
    }

    /// Every deadline that fires, with the time when it does, for a sleeper that wakes when the wheel says.
    fn wake_ups(deadlines_ms: &[u64]) -> Vec<(u64, Vec<u64>)> {
        let mut wheel = TimerWheel::new(0);
        deadlines_ms.iter().for_each(|deadline_ms| wheel.schedule(*deadline_ms, *deadline_ms));
        let (mut now_ms, mut wakes) = (0, Vec::new());
        while let Some(idle_ms) = wheel.idle_ms(now_ms) {
            now_ms += idle_ms;
            let mut due = Vec::new();
            wheel.expire(now_ms, &mut due);
            wakes.push((now_ms, due));
        }
        wakes
    }

    #[test]
    fn a_few_deadlines_are_kept_to_the_millisecond() {
        let wakes = wake_ups(&[301, 303, 501, 509]);
        assert_eq!(wakes, [301, 303, 501, 509].map(|ms| (ms, vec![ms])));
    }

    #[test]
    fn a_crowd_in_one_tick_costs_one_wake_up() {
        let wakes = wake_ups(&[800, 801, 802, 803, 804, 805, 806, 807]);
        assert_eq!(wakes, [(808, (800..808).collect())]);
    }

    #[test]
    fn the_wheel_says_how_long_to_sleep() {
        let mut wheel = TimerWheel::new(1_000);
        assert_eq!(wheel.idle_ms(1_000), None);
        wheel.schedule(1_500, 1);
        let idle_ms = wheel.idle_ms(1_000).unwrap();
        assert!((500..=500 + TICK_MS).contains(&idle_ms), "{idle_ms}");
        assert_eq!(expired(&mut wheel, 1_000 + idle_ms), [1]);
        assert_eq!(wheel.idle_ms(2_000), None);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_waits_for_its_round() {
        let mut wheel = TimerWheel::new(0);
        let far_ms = TICK_MS * SLOTS as u64 + 80;
        wheel.schedule(far_ms, 1);
        wheel.schedule(80, 2);
        assert_eq!(expired(&mut wheel, 90), [2]);
        assert_eq!(expired(&mut wheel, far_ms - 10), [0_u32; 0]);
        assert_eq!(expired(&mut wheel, far_ms + TICK_MS), [1]);
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let mut wheel = TimerWheel::new(0);
        (0..1_000).for_each(|n| wheel.schedule(u64::from(n) * 100, n));
        let mut all = expired(&mut wheel, 10_000_000);
        all.sort_unstable();
        assert_eq!(all, (0..1_000).collect::<Vec<_>>());
    }
}
