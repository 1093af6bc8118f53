//! The only way into a tenant: one input, and all that follows from it.

use std::borrow::Cow;
use std::sync::Arc;

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::Completion;
use foodtrack_wire::{NamespaceId, Sid};

use crate::admission::Admission;
use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::forwarded::{Requester, UpstreamAnswer};
use crate::hook::{HookQuestion, Permit};
use crate::now::Now;
use crate::read_job::{Asker, ReadAnswer};
use crate::request::{Request, RequestId};
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// What a tenant is told.
pub enum Input<'i> {
    /// Somebody needs the log: it is opened, unless it is open, or known to be away.
    OpenLog,
    /// What became of what was submitted to the log.
    Log(Completion),
    /// What [`Effects::read`] was asked for. Answers that are too late for who asked find nobody.
    Read(Asker, ReadAnswer),
    /// A client comes in; answered by [`Effects::decide`].
    Connect(Box<Arrival>),
    /// The answer to a client's CONNECT is on its way: what is sent from now on comes after it.
    Connected(ConnectionSlot),
    /// A client sent an event.
    Event(ConnectionSlot, ClientEvent<'i>),
    /// A client acknowledged the event of this number.
    Acknowledged(ConnectionSlot, u64),
    /// A client answered a ping that took this mark along.
    Ponged(ConnectionSlot, u64),
    /// A client says that it has dealt with everything through this cursor.
    Confirmed(ConnectionSlot, Cursor),
    /// A client has taken everything that it was sent: see [`Effects::tell_when_drained`].
    Drained(ConnectionSlot),
    /// A client's token may have ended: see [`Effects::watch_expiry`].
    TokenEnds(ConnectionSlot),
    /// A client says that it leaves: its session ends.
    Left(ConnectionSlot),
    /// A client has gone, for this reason.
    Gone(ConnectionSlot, &'static str),
    /// A back end asks for something; answered once by [`Effects::reply`].
    Request(RequestId, Request),
    /// What the business back end answered to [`Effects::forward`]: JSON as it is to be told, or why there is none. An answer that
    /// is too late for who asked finds nobody.
    Answered(Requester, UpstreamAnswer),
    /// What the business back end answered to [`Effects::permit`].
    Permitted(Arc<HookQuestion>, Permit),
    /// How this node is, which all clients here are told: JSON. Who comes later hears it by [`Settings::node_trouble`].
    Announce(&'i str),
    /// The time of [`Tenant::next_deadline_ms`] has come.
    Deadline,
    /// The tenant goes on with what did not fit into its turn: see [`Tenant::has_more`].
    GoOn,
    /// What has expired is let go, and what is in use is kept for longer; with the number of the sweep.
    Sweep(u32),
}

/// A client that comes in.
#[derive(Debug)]
pub struct Arrival {
    /// Who it is.
    pub admission: Admission,
    /// Its public id, unless its session is back.
    pub new_id: Sid,
    /// The namespace that it joins.
    pub namespace: NamespaceId,
    /// What it calls itself, kept once for all who call themselves so.
    pub user_agent: Option<Arc<str>>,
}

/// An event as a client sent it.
#[derive(Clone, Debug)]
pub struct ClientEvent<'e> {
    /// The number of the acknowledgement that it asks for.
    pub id: Option<u64>,
    /// The arguments as the raw text of a JSON array, not checked yet; binary is a placeholder.
    pub data: Cow<'e, str>,
    /// The binary that the placeholders stand for.
    pub attachments: Cow<'e, [Vec<u8>]>,
}

impl ClientEvent<'_> {
    /// What it costs of its sender's bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.attachments.iter().map(Vec::len).sum::<usize>()
    }
}

impl Tenant {
    /// Handles one input, with all that follows from it. `effects` is the only way out.
    ///
    /// What names a connection that has gone changes nothing.
    pub fn handle(
        &mut self,
        now: Now<'_>,
        settings: &Settings,
        input: Input<'_>,
        effects: &mut impl Effects,
    ) {
        if self.turn != now.turn {
            self.turn = now.turn;
            self.turn_deliveries = 0;
        }
        let mut turn = Turn::new(now, settings, effects);
        let turn = &mut turn;
        match input {
            Input::OpenLog => self.need_log(turn),
            Input::Log(completion) => self.hear_of_log(turn, completion),
            Input::Read(asker, answer) => self.hear_of_reading(turn, asker, answer),
            Input::Connect(arrival) => self.connect(turn, *arrival),
            Input::Request(id, request) => self.request(turn, id, request),
            Input::Answered(requester, answer) => {
                self.relay(turn, requester, answer.as_deref());
            }
            Input::Permitted(question, permit) => self.permitted(turn, &question, &permit),
            Input::Announce(payload) => self.announce(turn, payload),
            Input::Deadline => self.handle_deadline(turn),
            Input::GoOn => {
                self.go_on_following(turn);
            }
            Input::Sweep(number) => self.sweep(turn, number),
            Input::Connected(slot) => self.of(slot, |tenant, place| tenant.connected(turn, place)),
            Input::Event(slot, event) => {
                self.of(slot, |tenant, place| tenant.take_event(turn, place, &event));
            }
            Input::Acknowledged(slot, id) => {
                self.of(slot, |tenant, place| tenant.acknowledged(turn, place, id));
            }
            Input::Ponged(slot, mark) => {
                self.of(slot, |tenant, place| tenant.ponged(turn, place, mark));
            }
            Input::Confirmed(slot, cursor) => {
                self.of(slot, |tenant, _| tenant.confirmed(turn, slot, &cursor));
            }
            Input::Drained(slot) => self.of(slot, |tenant, place| tenant.drained(turn, place)),
            Input::TokenEnds(slot) => self.of(slot, |tenant, place| tenant.token_ends(turn, place)),
            Input::Left(slot) => self.of(slot, |tenant, place| tenant.end_session(turn, place)),
            Input::Gone(slot, reason) => {
                self.of(slot, |tenant, place| tenant.let_go(turn, place, reason));
            }
        }
    }

    /// Does something for a connection, if it is still here.
    fn of(&mut self, slot: ConnectionSlot, work: impl FnOnce(&mut Self, u32)) {
        if self.present(slot).is_some() {
            work(self, slot.place());
        }
    }
}
