//! What was accepted while the log was away: it is on this node's disk, and is delivered to everybody once the log has it.
//!
//! What it says of an order, such as whose it is, is said by the log alone. Until then nobody knows, and who would have to know is told to
//! come again: nobody waits for a log of which nobody knows when it is back.

use foodtrack_tenant_log::Answer;

use crate::effects::Effects;
use crate::ledger::Pending;
use crate::model::Accepted;
use crate::spooled_orders::Said;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// What was submitted with a ticket is on this node's disk: its sender is told so.
    pub(crate) fn spooled(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        ticket: u64,
        pending: Pending,
        is_repeat: bool,
    ) {
        // Where it waits already, its first ticket says what becomes of it.
        if !is_repeat {
            self.spooled.note(ticket, &pending.entry);
        }
        if let Some(order) = &pending.entry.entity {
            self.refuse_who_asks_for(turn, order);
        }
        for (reply, is_again) in pending.replies {
            let duplicate = is_again || is_repeat;
            let id = pending.entry.id;
            self.answer(turn, reply, Ok(Accepted { id, offset: None, duplicate, spooled: true }));
        }
    }

    /// The log has what was on this node's disk, or had it before. What it says is read there.
    pub(crate) fn unspooled(&mut self, ticket: u64, answer: Answer) {
        let Some(Said { order, makes, assigns }) = self.spooled.take(ticket) else { return };
        if !matches!(answer, Answer::Committed(_)) {
            self.intake.said_elsewhere(&order, makes, assigns);
            self.order_decided(&order);
        }
    }
}
