//! A shard's clock, and what comes due by it.

use std::time::{Duration, Instant};

use foodtrack_session::LinkId;

use crate::client::ClientKey;
use crate::timer_wheel::TimerWheel;

/// What may come due. There is one entry of a kind a link or client, but for what its owner outlived.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// A socket has said nothing useful, or is closing.
    Link(LinkId),
    /// A link's pause is over.
    Resume(LinkId),
    /// Some of what waits for a link must have been taken by now.
    Output(LinkId),
    Heartbeat(ClientKey),
    /// A client was sent something of the log a moment ago.
    Confirm(ClientKey),
    /// A client must be in a namespace by now.
    Connect(ClientKey),
    /// The probe on a link must have ended by now.
    Upgrade(LinkId),
    Alarm(ClientKey),
    Accept,
    /// A body that comes in pieces may have been idle for too long.
    Stream(LinkId),
    /// Closed sessions whose clients did not come for the end.
    ClosedPolling,
    Application(u64),
}

/// Time stands still within a turn: whatever is done in it is done at [`Self::now_ms`].
pub(crate) struct Deadlines {
    start: Instant,
    /// When the turn began.
    began: Instant,
    now_ms: u64,
    wheel: TimerWheel<Timer>,
}

impl Deadlines {
    /// Counts milliseconds from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        let began = Instant::now();
        let now_ms = millis(began.saturating_duration_since(start));
        Self { start, began, now_ms, wheel: TimerWheel::new(now_ms) }
    }

    /// Milliseconds on the server's monotonic clock, as of this turn.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// When this turn began: once there was something to do.
    pub(crate) fn turn_began(&self) -> Instant {
        self.began
    }

    /// A turn begins.
    pub(crate) fn begin_turn(&mut self) {
        self.began = Instant::now();
        self.now_ms = millis(self.began.saturating_duration_since(self.start));
    }

    /// Makes `timer` come due at `deadline_ms`.
    pub(crate) fn schedule(&mut self, deadline_ms: u64, timer: Timer) {
        self.wheel.schedule(deadline_ms, timer);
    }

    /// What is due now.
    pub(crate) fn expire(&mut self) -> Vec<Timer> {
        let mut due = Vec::new();
        self.wheel.expire(self.now_ms, &mut due);
        due
    }

    /// How long nothing can be due, counted from now and not from the beginning of the turn.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.wheel.idle_ms(millis(self.start.elapsed())).map(Duration::from_millis)
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
