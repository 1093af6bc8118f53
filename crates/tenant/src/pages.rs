//! Pages of today's applications: what they say by names of their own, and when they listen.
//!
//! A page attaches its handlers a moment after its client has connected. What comes before is handed to nobody, though the
//! client's answers to pings confirm it. So such a connection is sent nothing before its page is known to listen: before the
//! third answer to a ping and a pause, or before the page says something that it says only then.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, ErrorCode, EventType, Refusal, RoomName};
use foodtrack_profile::Incoming;

use crate::client_events::Said;
use crate::connection_slot::ConnectionSlot;
use crate::control_events::{Topic, room_id};
use crate::effects::Effects;
use crate::input::ClientEvent;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// After so many answers to pings, each sent after the one before, a page has had time to draw itself.
const ROUNDS: u8 = 3;
/// How long after the last of them it listens.
const PAUSE_MS: u64 = 250;
/// How long a connection waits whose client's answers prove nothing.
const WAIT_MS_MAX: u64 = 10_000;
/// The mark of a ping whose answer confirms nothing.
pub(crate) const NOT_LISTENING: u64 = u64::MAX;

/// What is known of the pages behind connections.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Answers to pings by connections whose pages may not listen yet, by place.
    rounds: AHashMap<u32, u8>,
    /// When each of them is taken to listen, on the clock of the shard.
    due: BTreeSet<(u64, ConnectionSlot)>,
    /// The order whose room a page says it left last, by place. Its page may join it again at once, and without end.
    leaving: AHashMap<u32, Box<str>>,
}

/// What a page's event comes to.
pub(crate) enum Heard<'e> {
    /// It is one of the contract's own control events, or of the tenant's.
    AsItIs,
    /// It stands for this one.
    Means(ClientEvent<'e>),
    /// It is done.
    Taken,
    Refused(Refusal),
}

impl Pages {
    pub(crate) fn is_waiting(&self, place: u32) -> bool {
        self.rounds.contains_key(&place)
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, ..)| *due_ms)
    }

    /// A connection has gone.
    pub(crate) fn forget(&mut self, place: u32) {
        self.rounds.remove(&place);
        self.leaving.remove(&place);
    }

    fn wait_until(&mut self, due_ms: u64, client: ConnectionSlot) {
        self.due.insert((due_ms, client));
    }
}

impl Tenant {
    /// A page has connected: it is sent nothing before it listens.
    pub(crate) fn wait_for_page(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(connection) = self.members.get_mut(place) else { return };
        let client = connection.slot;
        if connection.dialect.application().is_none() || connection.replay.is_none() {
            return;
        }
        self.pages.rounds.insert(place, 0);
        self.pages.wait_until(turn.now.monotonic_ms + WAIT_MS_MAX, client);
        turn.effects.ping(client, NOT_LISTENING);
    }

    /// A page that may not listen yet answered a ping. Returns whether that is so.
    pub(crate) fn page_answered(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) -> bool {
        let Some(client) = self.members.get(place).map(|connection| connection.slot) else {
            return false;
        };
        let Some(rounds) = self.pages.rounds.get_mut(&place) else { return false };
        *rounds = rounds.saturating_add(1);
        match (*rounds).cmp(&ROUNDS) {
            std::cmp::Ordering::Less => turn.effects.ping(client, NOT_LISTENING),
            std::cmp::Ordering::Equal => {
                self.pages.wait_until(turn.now.monotonic_ms + PAUSE_MS, client);
            }
            std::cmp::Ordering::Greater => {}
        }
        true
    }

    /// A page listens: it is sent what it missed, and then what happens.
    fn page_listens(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        if self.pages.rounds.remove(&place).is_some() {
            self.go_on(turn, place);
        }
    }

    /// The time of [`Pages::due_ms`] may have come.
    pub(crate) fn look_at_pages(&mut self, turn: &mut Turn<'_, impl Effects>) {
        while let Some((due_ms, client)) = self.pages.due.first().copied()
            && due_ms <= turn.now.monotonic_ms
        {
            self.pages.due.pop_first();
            if self.present(client).is_some() {
                self.page_listens(turn, client.place());
            }
        }
    }

    /// What an event of a page's comes to.
    pub(crate) fn hear_page<'e>(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        application: ApplicationType,
        event: &ClientEvent<'_>,
    ) -> Heard<'e> {
        let said = match Said::read(&event.data) {
            Ok(said) => said,
            Err(refusal) => return Heard::Refused(refusal),
        };
        let Some(user) = self.members.get(place).map(|it| it.principal.user().clone()) else {
            return Heard::Taken;
        };
        let tables = &turn.policies.profiles.tables;
        let argument = said.control_argument();
        let means = |name: &str, argument: &str| {
            Heard::Means(ClientEvent {
                id: event.id,
                data: Cow::Owned(format!("[\"{name}\",{argument}]")),
                attachments: Cow::Owned(event.attachments.to_vec()),
            })
        };
        match tables.incoming(application, user.as_str(), &said.name, argument) {
            Some(Incoming::Event(event, payload)) => means(event.as_str(), &payload),
            Some(Incoming::Ignored) => {
                self.page_listens(turn, place);
                self.acknowledge_page(turn, place, event.id);
                Heard::Taken
            }
            Some(Incoming::Control("unsubscribe:order")) => {
                match self.page_leaves(place, argument) {
                    Some(other) => {
                        means("unsubscribe:order", &serde_json::json!(other).to_string())
                    }
                    None => {
                        self.acknowledge_page(turn, place, event.id);
                        Heard::Taken
                    }
                }
            }
            Some(Incoming::Control("subscribe:order")) => {
                self.page_listens(turn, place);
                if self.page_stays(turn, place, argument) {
                    self.acknowledge_page(turn, place, event.id);
                    return Heard::Taken;
                }
                means("subscribe:order", argument)
            }
            Some(Incoming::Control(control)) => means(control, argument),
            None => match EventType::from_wire(&said.name) {
                Some(event) => {
                    let own = tables.own_name(application, &event.into());
                    let own = own.map(|own| format!("say {own}, or ")).unwrap_or_default();
                    let message = format!(
                        "this connection speaks the profile foodtrack: {own}connect with auth.profile canonical"
                    );
                    let refusal = Refusal::new(ErrorCode::EventUnknown, message);
                    Heard::Refused(refusal.of_event(event.as_str()))
                }
                None => Heard::AsItIs,
            },
        }
    }

    fn acknowledge_page(&self, turn: &mut Turn<'_, impl Effects>, place: u32, ack_id: Option<u64>) {
        if let (Some(id), Some(connection)) = (ack_id, self.members.get(place)) {
            Self::acknowledge_success(turn, connection.slot, id, "null");
        }
    }

    /// A page leaves an order's room: kept in mind until it joins or leaves another one, as it may only draw itself anew.
    /// Returns the order that it left before, whose room it is to leave now.
    fn page_leaves(&mut self, place: u32, argument: &str) -> Option<Box<str>> {
        let order = room_id(Topic::Order, argument).ok()?;
        let connection = self.members.get(place)?;
        if !self.members.is_in(connection, RoomName::Order(&order)) {
            return None;
        }
        let before = self.pages.leaving.insert(place, order.as_str().into());
        before.filter(|before| **before != *order)
    }

    /// A page joins an order's room. Returns whether it is there still.
    fn page_stays(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        argument: &str,
    ) -> bool {
        let Ok(order) = room_id(Topic::Order, argument) else { return false };
        match self.pages.leaving.remove(&place) {
            Some(left) if *left != *order => {
                let left = serde_json::json!(left).to_string();
                // Leaving a room that is not there any more is as good.
                let _ = self.control_room(turn, place, (Topic::Order, false), &left, None);
            }
            _ => {}
        }
        let connection = self.members.get(place);
        connection.is_some_and(|it| self.members.is_in(it, RoomName::Order(&order)))
    }
}
