//! What a node asks of what lives in it: the application above Engine.IO.

use foodtrack_session::{CloseReason, Event};

use crate::{Clients, Packet};

/// The time of a turn, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelTime {
    /// A clock that nobody sets, since the beginning of the run.
    pub monotonic_ms: u64,
    /// The wall clock, since the Unix epoch. It jumps.
    pub wall_ms: u64,
    /// What is believed of it: it goes on evenly.
    pub believed_ms: u64,
}

/// A client of a node: never another one's again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientIndex(pub u32);

/// A back end's request that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u32);

/// Tenants and their log, as one process has them. Each call is a turn.
pub trait Hub {
    /// A client asks to join; `auth` is raw JSON. Answered by [`Clients::accept`] or [`Clients::refuse`], now or later.
    fn connect(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        auth: Option<&str>,
    );

    /// A client that joined sent an event.
    fn event(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        event: &Event<'_>,
    );

    /// A client acknowledged an event.
    fn acknowledged(&mut self, now: ModelTime, clients: &mut Clients, client: ClientIndex, id: u64);

    /// What a ping that goes out now is marked with; 0 for nothing. With `is_due` a heartbeat is due; otherwise the client was
    /// sent something of the log a while ago, and 0 says that all of it is known to have arrived.
    fn ping_mark(&mut self, client: ClientIndex, is_due: bool) -> u64;

    /// A client answered the ping of this mark.
    fn ponged(&mut self, now: ModelTime, clients: &mut Clients, client: ClientIndex, mark: u64);

    /// A client that [`Clients::tell_when_drained`] was called for has taken everything.
    fn drained(&mut self, now: ModelTime, clients: &mut Clients, client: ClientIndex);

    /// A client is gone.
    fn closed(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        reason: CloseReason,
    );

    /// A back end publishes. Answered by [`Clients::publish_answered`], now or later.
    fn publish(&mut self, now: ModelTime, clients: &mut Clients, ticket: Ticket, request: &Packet);

    /// Time has passed: what was due happens.
    fn wake(&mut self, now: ModelTime, clients: &mut Clients);

    /// When it wants to be woken next, on the monotonic clock.
    fn next_ms(&self) -> Option<u64>;
}
