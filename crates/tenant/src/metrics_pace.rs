//! A tenant's figures of the day, at a pace of their own: of those that come faster, the latest goes out when it is time.
//!
//! A page draws itself anew with each, and asks for them again; so many of them would keep every dashboard busy.

use foodtrack_contract::{EventName, Priority};
use foodtrack_tenant_log::LoggedAudience;

use crate::appending::{Checked, meta_of};
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// They go out once in so many milliseconds at most.
const METRICS_EVERY_MS: u64 = 1_000;

/// When figures go out next, and which.
#[derive(Debug, Default)]
pub(crate) struct MetricsPace {
    /// On the clock of the shard.
    next_ms: u64,
    held: Option<Held>,
}

/// Figures whose time has not come.
#[derive(Debug)]
struct Held {
    event: EventName,
    priority: Priority,
    audience: LoggedAudience,
    message: Vec<u8>,
    attachments: Vec<Vec<u8>>,
}

impl MetricsPace {
    /// When something is to go out.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.held.is_some().then_some(self.next_ms)
    }
}

impl Tenant {
    /// Sends figures to those they are for, now or in the place of those that wait.
    pub(crate) fn send_at_pace(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
    ) {
        let now_ms = turn.now.monotonic_ms;
        if now_ms >= self.metrics.next_ms {
            self.metrics = MetricsPace { next_ms: now_ms + METRICS_EVERY_MS, held: None };
            return self.send_unlogged(turn, checked);
        }
        self.metrics.held = Some(Held {
            event: checked.event.clone(),
            priority: checked.priority,
            audience: checked.audience.clone(),
            message: checked.message.clone(),
            attachments: checked.attachments.to_vec(),
        });
    }

    /// The time of [`MetricsPace::due_ms`] may have come.
    pub(crate) fn send_held_metrics(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let now_ms = turn.now.monotonic_ms;
        if now_ms < self.metrics.next_ms {
            return;
        }
        let Some(held) = self.metrics.held.take() else { return };
        self.metrics.next_ms = now_ms + METRICS_EVERY_MS;
        let suffix = self.cursor_suffix();
        let class = foodtrack_contract::DeliveryClass::Volatile;
        let frame = EventFrame {
            event: &held.event,
            message: &held.message,
            retries: 0,
            attachments: &held.attachments,
            meta: meta_of((class, held.priority), &held.event, 0, suffix.place()),
            suffix: &suffix,
            ack_id: None,
            words: None,
        };
        self.fan_out(turn, &frame, &held.audience);
    }
}
