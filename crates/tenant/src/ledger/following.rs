//! The ledger of a log that others write to as well: what the store answers, and what is read of it.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{Answer, LogEntry, Page};
use uuid::Uuid;

use super::counted_by_store::{CountedByStore, Followed, NextRead};
use super::{Counting, Ledger, OpenLog, Pending};
use crate::reply_to::ReplyTo;

/// Where nobody else writes to the log, nothing of this happens.
impl Ledger {
    /// Takes a message that was submitted, and whose offset the store will say.
    pub(crate) fn wait_for_answer(&mut self, ticket: u64, pending: Pending) {
        if let Some(store) = self.by_store_mut() {
            store.submitted(ticket, pending);
        }
    }

    /// As [`Ledger::join`], of a message by its id, whose offset the store has not said yet.
    pub(crate) fn join_submitted(&mut self, id: Uuid, reply: ReplyTo) -> Option<ReplyTo> {
        match self.by_store_mut() {
            Some(store) => store.join(id, reply),
            None => Some(reply),
        }
    }

    /// What was submitted with a ticket, if that is what is answered next.
    pub(crate) fn submitted(&mut self, ticket: u64) -> Option<&LogEntry> {
        self.by_store_mut()?.next_submitted(ticket)
    }

    /// The store has said what became of what was submitted with a ticket. Returns that where it is not delivered from here:
    /// it was read and delivered already, repeats an earlier one, or was not kept.
    pub(crate) fn answered(&mut self, ticket: u64, answer: Answer) -> Option<Pending> {
        let OpenLog { counting: Counting::ByStore(store), pending, .. } = self.open_mut()? else {
            return None;
        };
        store.answered(ticket, answer, pending)
    }

    /// The store said that the log goes on to here.
    pub(crate) fn grown(&mut self, through: Offset) {
        if let Some(store) = self.by_store_mut() {
            store.grown(through);
        }
    }

    /// Asks for a look at what nobody told of. Returns its number, for [`Ledger::has_looked`]; `None` where nobody else writes.
    pub(crate) fn look(&mut self) -> Option<u64> {
        self.by_store_mut().map(CountedByStore::look)
    }

    /// Whether all is delivered that was there when a look was asked for.
    pub(crate) fn has_looked(&mut self, number: u64) -> bool {
        !self.has_released() && self.by_store_mut().is_none_or(|store| store.has_looked(number))
    }

    /// What is to be read next of what others wrote, once all is delivered that was read. The answer is to bring `serial` back.
    pub(crate) fn next_read(&mut self, serial: u32, now_ms: u64) -> Option<NextRead> {
        if self.has_released() {
            return None;
        }
        let store = self.by_store_mut()?;
        store.try_again(now_ms);
        store.next_read(serial)
    }

    /// Takes what was read of the log; `pending` makes of an entry what waits to be delivered.
    pub(crate) fn followed(
        &mut self,
        serial: u32,
        page: &mut Page,
        to_pending: impl Fn(LogEntry) -> Pending,
    ) -> Followed {
        let Some(OpenLog { counting: Counting::ByStore(store), pending, .. }) = self.open_mut()
        else {
            return Followed::Whole;
        };
        store.followed(serial, page, pending, to_pending)
    }

    /// The log could not be read: it is tried again at `again_at_ms` on the shard's clock.
    pub(crate) fn not_followed(&mut self, serial: u32, again_at_ms: u64) {
        if let Some(store) = self.by_store_mut() {
            store.not_followed(serial, again_at_ms);
        }
    }
}
