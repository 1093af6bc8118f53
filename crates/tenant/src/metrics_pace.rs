//! A tenant's figures of the day, at a pace of their own: of those that come faster, the latest goes out when it is time.
//!
//! A page draws itself anew with each, and asks for them again; so many of them would keep every dashboard busy.

use foodtrack_contract::{EventName, Priority};
use foodtrack_tenant_log::LoggedAudience;

/// They go out once in so many milliseconds at most.
const METRICS_EVERY_MS: u64 = 1_000;

/// When figures go out next, and which.
#[derive(Debug, Default)]
pub(crate) struct MetricsPace {
    /// On the clock of the shard.
    next_ms: u64,
    held: Option<HeldMetrics>,
}

/// Figures whose time has not come.
#[derive(Debug)]
pub(crate) struct HeldMetrics {
    pub(crate) event: EventName,
    pub(crate) priority: Priority,
    pub(crate) audience: LoggedAudience,
    pub(crate) message: Vec<u8>,
    pub(crate) attachments: Vec<Vec<u8>>,
}

impl MetricsPace {
    /// When something is to go out.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.held.is_some().then_some(self.next_ms)
    }

    /// Whether figures that came now go out at once, in the place of any that are held.
    pub(crate) fn goes_now(&mut self, now_ms: u64) -> bool {
        let is_time = now_ms >= self.next_ms;
        if is_time {
            *self = Self { next_ms: now_ms + METRICS_EVERY_MS, held: None };
        }
        is_time
    }

    /// Holds figures in the place of those that were held.
    pub(crate) fn hold(&mut self, metrics: HeldMetrics) {
        self.held = Some(metrics);
    }

    /// What is to go out now.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<HeldMetrics> {
        let held = self.held.take_if(|_| now_ms >= self.next_ms)?;
        self.next_ms = now_ms + METRICS_EVERY_MS;
        Some(held)
    }
}
