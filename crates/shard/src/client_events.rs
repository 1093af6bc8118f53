//! What a client sends, once it is within its rates: a control event, or an event of the tenant's.

use std::borrow::Cow;

use foodtrack_contract::{ErrorCode, PAYLOAD_DEPTH_MAX, Refusal};
use foodtrack_session::Event;
use foodtrack_wire::socket_io;

use crate::control_events::ControlEvent;
use crate::effects::Effects;
use crate::intake::{Emitted, Stopped};
use crate::owner_lookups::{Sender, WaitingEvent, Work};
use crate::reply_to::{Addressee, ReplyTo};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// An event's name and first argument.
pub(crate) struct Said<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Raw JSON.
    argument: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// Reads an event's arguments.
    ///
    /// # Errors
    /// [`ErrorCode::MessageMalformed`], and [`ErrorCode::PayloadInvalid`] for what is nested so deep that it is not read.
    pub(crate) fn read(data: &'a str) -> Result<Self, Refusal> {
        let malformed = |error: socket_io::PacketError| {
            if error == socket_io::PacketError::TooDeep {
                let sentence =
                    format!("the payload is nested deeper than {PAYLOAD_DEPTH_MAX} levels");
                return Refusal::new(ErrorCode::PayloadInvalid, sentence).at("", "depth");
            }
            Refusal::new(ErrorCode::MessageMalformed, error.to_string())
        };
        let arguments = socket_io::split_arguments(data).map_err(malformed)?;
        let name = arguments.first().copied().unwrap_or("");
        let name = socket_io::event_name(name).map_err(malformed)?;
        Ok(Self { name, argument: arguments.get(1).copied() })
    }

    /// The argument of a control event, which may do without.
    pub(crate) fn control_argument(&self) -> &'a str {
        self.argument.unwrap_or("null")
    }
}

impl Tenant {
    /// Takes a client's event, or has it wait behind what the client has waiting.
    pub(crate) fn take_event(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        event: &Event<'_>,
    ) -> Result<(), Refusal> {
        let Some(to) = self.addressee(place) else { return Ok(()) };
        let Some(sender) = self.members.get(place).map(Sender::of) else { return Ok(()) };
        if self.lookups.has_line(place) {
            return self.wait_behind(place, WaitingEvent::new(to, sender, event));
        }
        match self.do_event(turn, to, &sender, (&event.data, &event.attachments), event.id) {
            Ok(()) => Ok(()),
            Err(Stopped::Refused(refusal)) => Err(refusal),
            Err(Stopped::Asks(order)) => {
                let event = Box::new(WaitingEvent::new(to, sender, event));
                self.wait_for_owner(turn, Some(place), order, Work::Event(event));
                Ok(())
            }
        }
    }

    /// Does what an event asks for. `to` may be gone by now if the event had to wait.
    pub(crate) fn do_event(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        to: Addressee,
        sender: &Sender,
        (data, attachments): (&str, &[Vec<u8>]),
        ack_id: Option<u64>,
    ) -> Result<(), Stopped> {
        let said = Said::read(data)?;
        if let Some(control) = ControlEvent::from_wire(&said.name) {
            if self.present(to).is_none() {
                return Ok(());
            }
            let argument = said.control_argument();
            match control {
                ControlEvent::Subscribe(topic) => {
                    self.control_room(turn, to.place, (topic, true), argument, ack_id)?;
                }
                ControlEvent::Unsubscribe(topic) => {
                    self.control_room(turn, to.place, (topic, false), argument, ack_id)?;
                }
                ControlEvent::Ping => self.pong(turn, to.client, ack_id),
                ControlEvent::HealthCheck => self.health(turn, to.place, ack_id),
                // The shard's: it has the keys.
                ControlEvent::Authenticate => {}
            }
            return Ok(());
        }
        let Some(argument) = said.argument else {
            let message = "the event carries no message: send one as its first argument";
            return Err(Refusal::new(ErrorCode::MessageMalformed, message)
                .at("", "required")
                .of_event(&*said.name)
                .into());
        };
        let reply = ReplyTo::sender(to, ack_id);
        let emitted = Emitted { name: &said.name, argument, attachments };
        // Who it is to be told is known wherever it waits.
        let published = self.publish(turn, sender.publisher(), emitted, reply);
        published.map_err(|waits| Stopped::Asks(waits.order))
    }
}
