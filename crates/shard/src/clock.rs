//! Time: the wall clock for people and tokens, a clock that nobody sets for durations, and one between them for what expires.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use foodtrack_tenant::{Now, rfc3339};

/// So far ahead the wall clock is believed at once, in milliseconds: a restart, or a correction over the network.
const LEAD_MS_MAX: u64 = 5 * 60 * 1_000;
/// How long the wall clock must have been further ahead before it is believed, in milliseconds.
const LEAD_HOLDS_MS: u64 = 10 * 60 * 1_000;

/// Where time comes from; another one for tests.
pub trait TimeSource: Send + Sync {
    /// The wall clock, in milliseconds since the Unix epoch. It may be set.
    fn wall_ms(&self) -> u64;

    /// A clock that nobody sets, in milliseconds since some moment.
    fn steady_ms(&self) -> u64;
}

/// The system's clocks.
struct SystemClocks {
    started: Instant,
}

impl TimeSource for SystemClocks {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(0)
    }

    fn steady_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The clock of a server's shards.
///
/// What was kept expires by *believed* time: it goes on from where the server before this one had it, as fast as a clock
/// that nobody sets, and follows the wall clock when that is a little ahead, or has been ahead for ten minutes. So a wall
/// clock that is days ahead for a moment, or is set back, takes nothing from anybody.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn TimeSource>,
    kept_ms: Option<u64>,
    believed_ms: Arc<AtomicU64>,
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClocks { started: Instant::now() }))
    }

    /// One that reads `source`.
    pub fn new(source: Arc<dyn TimeSource>) -> Self {
        Self { source, kept_ms: None, believed_ms: Arc::default() }
    }

    /// The same, going on from what [`Clock::believed_ms`] said last before the restart.
    #[must_use]
    pub fn going_on_from(mut self, kept_ms: Option<u64>) -> Self {
        self.kept_ms = kept_ms;
        self
    }

    /// Believed time in milliseconds since the Unix epoch, as the shards have it; 0 before they run. To be kept about once
    /// a minute, for the next start.
    pub fn believed_ms(&self) -> u64 {
        self.believed_ms.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("kept_ms", &self.kept_ms).finish_non_exhaustive()
    }
}

/// A shard's clock: read at most once while it is awake, and the time as text at most once a millisecond.
pub(crate) struct ShardClock {
    clock: Clock,
    wall_ms: u64,
    steady_ms: u64,
    believed_ms: u64,
    /// Since when the wall clock has been too far ahead, on the steady clock.
    ahead_since_ms: Option<u64>,
    text: String,
    /// Whether it was looked at since the shard last slept.
    is_fresh: bool,
}

impl ShardClock {
    pub(crate) fn new(clock: Clock) -> Self {
        let (wall_ms, steady_ms) = (clock.source.wall_ms(), clock.source.steady_ms());
        let believed_ms = clock.kept_ms.unwrap_or(wall_ms);
        let mut this = Self {
            clock,
            wall_ms,
            steady_ms,
            believed_ms,
            ahead_since_ms: None,
            text: String::new(),
            is_fresh: false,
        };
        this.tick();
        this
    }

    /// The shard is about to sleep, for how long nobody knows.
    pub(crate) fn sleep(&mut self) {
        self.is_fresh = false;
    }

    /// Looks at the clocks, if the shard has slept since.
    pub(crate) fn wake(&mut self) {
        if !self.is_fresh {
            self.tick();
        }
    }

    /// Looks at the clocks.
    pub(crate) fn tick(&mut self) {
        self.is_fresh = true;
        let wall_ms = self.clock.source.wall_ms();
        let steady_ms = self.clock.source.steady_ms();
        if wall_ms != self.wall_ms {
            self.wall_ms = wall_ms;
            self.text.clear();
        }
        let passed_ms = steady_ms.saturating_sub(self.steady_ms);
        self.steady_ms = steady_ms;
        self.believe(passed_ms);
    }

    fn believe(&mut self, passed_ms: u64) {
        self.believed_ms = self.believed_ms.saturating_add(passed_ms);
        let ahead_ms = self.wall_ms.saturating_sub(self.believed_ms);
        if ahead_ms <= LEAD_MS_MAX {
            self.ahead_since_ms = None;
            self.believed_ms += ahead_ms;
        } else {
            let since_ms = *self.ahead_since_ms.get_or_insert(self.steady_ms);
            if self.steady_ms - since_ms >= LEAD_HOLDS_MS {
                self.ahead_since_ms = None;
                self.believed_ms = self.wall_ms;
            }
        }
        self.clock.believed_ms.fetch_max(self.believed_ms, Ordering::Relaxed);
    }

    /// Believed time (see [`Clock`]) in milliseconds since the Unix epoch, as of the last tick: for whatever is kept and
    /// expires. Never goes back.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.believed_ms
    }

    /// The wall clock in seconds since the Unix epoch, as of the last tick: for tokens.
    pub(crate) fn wall_s(&self) -> u64 {
        self.wall_ms / 1_000
    }

    /// The clock that nobody sets, as of the last tick, in milliseconds.
    pub(crate) fn steady_ms(&self) -> u64 {
        self.steady_ms
    }

    /// The time as of the last tick; the shard's own clock shows `monotonic_ms`.
    pub(crate) fn now(&mut self, monotonic_ms: u64, turn: u64, has_others: bool) -> Now<'_> {
        if self.text.is_empty() {
            self.text = rfc3339(self.wall_ms);
        }
        Now {
            monotonic_ms,
            steady_ms: self.steady_ms,
            wall_ms: self.wall_ms,
            believed_ms: self.believed_ms,
            text: &self.text,
            turn,
            has_others,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOON_MS: u64 = 1_795_435_200_000;

    /// The wall clock and the steady one.
    struct Hands(Mutex<(u64, u64)>);

    impl TimeSource for Hands {
        fn wall_ms(&self) -> u64 {
            self.0.lock().unwrap().0
        }

        fn steady_ms(&self) -> u64 {
            self.0.lock().unwrap().1
        }
    }

    struct Test {
        hands: Arc<Hands>,
        clock: ShardClock,
    }

    impl Test {
        fn new(wall_ms: u64, kept_ms: Option<u64>) -> Self {
            let hands = Arc::new(Hands(Mutex::new((wall_ms, 7))));
            let source: Arc<dyn TimeSource> = Arc::clone(&hands) as _;
            let clock = ShardClock::new(Clock::new(source).going_on_from(kept_ms));
            Self { hands, clock }
        }

        /// Minutes pass, one tick each.
        fn pass(&mut self, minutes: u64) -> u64 {
            for _ in 0..minutes {
                let mut hands = self.hands.0.lock().unwrap();
                *hands = (hands.0 + 60_000, hands.1 + 60_000);
                drop(hands);
                self.clock.tick();
            }
            self.clock.unix_ms()
        }

        fn set(&mut self, wall_ms: u64) -> u64 {
            self.hands.0.lock().unwrap().0 = wall_ms;
            self.clock.tick();
            self.clock.unix_ms()
        }
    }

    #[test]
    fn a_wall_clock_that_is_days_ahead_for_a_minute_after_the_start_is_not_believed() {
        let mut test = Test::new(NOON_MS + 72 * HOUR_MS, Some(NOON_MS));
        assert_eq!(test.clock.unix_ms(), NOON_MS);
        assert_eq!(test.pass(1), NOON_MS + 60_000);
        assert_eq!(test.set(NOON_MS + 90_000), NOON_MS + 90_000);
        assert_eq!(test.pass(60), NOON_MS + 90_000 + HOUR_MS);
        assert_eq!(
            test.set(NOON_MS + 100 * HOUR_MS),
            NOON_MS + 90_000 + HOUR_MS,
            "nor while it runs"
        );
    }

    #[test]
    fn a_wall_clock_that_stays_ahead_is_believed_after_ten_minutes() {
        let mut test = Test::new(NOON_MS + 9 * HOUR_MS, Some(NOON_MS));
        assert_eq!(test.pass(9), NOON_MS + 9 * 60_000);
        assert_eq!(test.pass(1), NOON_MS + 9 * HOUR_MS + 10 * 60_000);
    }

    #[test]
    fn a_pause_of_a_few_minutes_is_believed_at_once() {
        let mut test = Test::new(NOON_MS + 4 * 60_000, Some(NOON_MS));
        assert_eq!(test.clock.unix_ms(), NOON_MS + 4 * 60_000);
        assert_eq!(test.pass(1), NOON_MS + 5 * 60_000);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_stops_nothing_and_ages_nothing() {
        let mut test = Test::new(NOON_MS, None);
        assert_eq!(test.set(NOON_MS - HOUR_MS), NOON_MS);
        assert_eq!(test.pass(30), NOON_MS + HOUR_MS / 2);
        assert_eq!(test.clock.wall_ms, NOON_MS - HOUR_MS / 2);
        assert_eq!(test.set(NOON_MS + HOUR_MS / 2), NOON_MS + HOUR_MS / 2);
    }

    #[test]
    fn a_wall_clock_that_knows_no_date_after_a_start_ages_nothing() {
        let mut test = Test::new(60_000, Some(NOON_MS));
        assert_eq!(test.pass(1), NOON_MS + 60_000);
        assert_eq!(test.set(NOON_MS + 61_000), NOON_MS + 61_000);
    }
}
