//! What a tenant does to the world, and what it sees of it while it has its turn: the only way out of a tenant.

use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{EntryRef, SubmitError, TenantLog};
use foodtrack_transport::{ClientKey, CloseReason};

use crate::cursor_suffix::CursorSuffix;
use crate::event_frame::EventFrame;
use crate::log_link::{Asker, OwnerAsker, ReadJob};

/// Clients, and the log. The shard has it over its reactor and its link to the log; dispatch is static, and a call allocates
/// nothing per recipient.
pub(crate) trait Effects {
    /// An event in its final bytes.
    type Frame: Copy;

    /// Encodes an event once, whoever gets it.
    fn encode(&mut self, event: &EventFrame<'_>) -> Self::Frame;

    /// Sends an encoded event. Returns whether it was handed to the client's transport or queue.
    fn send(&mut self, to: ClientKey, frame: Self::Frame) -> bool;

    /// Sends an event to one client alone.
    fn send_event(&mut self, to: ClientKey, event: &EventFrame<'_>);

    /// Sends an event of the server's own to one client alone: `argument` appends its one argument as JSON.
    fn emit(
        &mut self,
        to: ClientKey,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    );

    /// Answers a client's event: `answer` appends the answer as JSON.
    fn acknowledge(&mut self, to: ClientKey, id: u64, answer: impl FnOnce(&mut Vec<u8>));

    /// Clients that were to be sent something since this was asked last, and speak a parser in which it cannot be said.
    fn take_unsayable(&mut self) -> Vec<ClientKey>;

    /// Asks a client whether what it was sent has arrived: its answer brings back `mark`.
    fn ping(&mut self, to: ClientKey, mark: u64);

    /// Closes a client's transport: it comes back by itself.
    fn close(&mut self, who: ClientKey, reason: CloseReason);

    /// Ends a client for good: it is told, and does not come back by itself.
    fn disconnect(&mut self, who: ClientKey);

    /// A client's place among its tenant's connections, once it is in.
    fn place_of(&self, client: ClientKey) -> Option<u32>;

    /// Whether a client has yet to take something that it was sent.
    fn is_backlogged(&self, client: ClientKey) -> bool;

    /// Has the tenant told once the client has taken everything.
    fn tell_when_drained(&mut self, client: ClientKey);

    /// Whether a client polls.
    fn is_polling(&self, client: ClientKey) -> bool;

    /// When a client was heard last, on the shard's clock.
    fn heard_ms(&self, client: ClientKey) -> u64;

    /// Whether the log ends with the process: then nobody waits for a disk, and it may be read at once.
    fn is_log_in_memory(&self) -> bool;

    /// Submits the tenant's next entry; what became of it comes as news.
    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError>;

    /// The log, with all that was submitted, for what does not wait for the disk.
    fn log(&mut self) -> &dyn TenantLog;

    /// Has something read; the answer comes as news.
    fn read(&mut self, tenant: &TenantId, asker: Asker, job: ReadJob);

    /// Has it looked up whose orders are; the answer comes as news.
    fn read_owners(&mut self, tenant: &TenantId, asker: OwnerAsker, orders: Vec<Box<str>>);
}
