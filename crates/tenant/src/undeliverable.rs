//! What cannot be sent to somebody: it counts as given up, and its subscriber's cursor does not pass it in silence.

use foodtrack_contract::{EventName, Offset};
use foodtrack_tenant_log::DeadLetterReason;
use uuid::Uuid;

use crate::effects::Effects;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How many event types are remembered of which a line was written.
const TOLD_MAX: usize = 64;

impl Tenant {
    /// Notes who was not sent an event that was for them, since it cannot be said in their parser. Where it is in the log
    /// it becomes a dead letter of theirs.
    pub(crate) fn note_unsayable(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        event: &EventName,
        entry: Option<(Offset, Uuid)>,
    ) {
        let clients = turn.effects.take_unsayable();
        if clients.is_empty() {
            return;
        }
        turn.counters.undeliverable.add(clients.len() as u64);
        // Once: who sends such events sends more of them.
        let name = event.as_str();
        if !self.told_unsayable.contains(name) && self.told_unsayable.len() < TOLD_MAX {
            self.told_unsayable.insert(name.into());
            tracing::warn!(
                tenant = self.id.as_str(),
                event = name,
                "an event cannot be said in msgpack, and clients that speak it do not get it"
            );
        }
        let Some((offset, id)) = entry else { return };
        for client in clients {
            if let Some(subscriber) = self.present(client).map(|it| it.subscriber) {
                self.give_up(turn, subscriber, offset, id, DeadLetterReason::Failed, 1);
            }
        }
    }
}
