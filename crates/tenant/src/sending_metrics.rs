//! Figures of the day on their way to the dashboards.

use foodtrack_contract::DeliveryClass;

use crate::appending::{Checked, meta_of};
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::metrics_pace::HeldMetrics;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Sends figures to those they are for, now or in the place of those that wait.
    pub(crate) fn send_at_pace(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
    ) {
        if self.metrics.goes_now(turn.now.monotonic_ms) {
            return self.send_unlogged(turn, checked);
        }
        self.metrics.hold(HeldMetrics {
            event: checked.event.clone(),
            priority: checked.priority,
            audience: checked.audience.clone(),
            message: checked.message.clone(),
            attachments: checked.attachments.to_vec(),
        });
    }

    /// Sends the figures whose time has come.
    pub(crate) fn send_held_metrics(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let Some(held) = self.metrics.take_due(turn.now.monotonic_ms) else { return };
        let suffix = self.cursor_suffix();
        let of = (DeliveryClass::Volatile, held.priority);
        let frame = EventFrame {
            event: &held.event,
            message: &held.message,
            retries: 0,
            attachments: &held.attachments,
            meta: meta_of(of, &held.event, 0, suffix.place()),
            suffix: &suffix,
            ack_id: None,
            words: None,
        };
        self.fan_out(turn, &frame, DeliveryClass::Volatile, &held.audience);
    }
}
