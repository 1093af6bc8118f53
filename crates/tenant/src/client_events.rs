//! What a client sends, once it is within its rates: a control event, or an event of the tenant's.

use std::borrow::Cow;

use crate::input::ClientEvent;
use foodtrack_contract::{ErrorCode, PAYLOAD_DEPTH_MAX, Refusal};
use foodtrack_wire::socket_io;

use crate::connection_slot::ConnectionSlot;
use crate::control_events::ControlEvent;
use crate::effects::{Effects, Pace};
use crate::intake::{Emitted, OverRate, Stopped};
use crate::pages::Heard;
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::waiting_work::{Sender, WaitingEvent, Work};

/// How long a connection over its rate is not read.
const OVER_RATE_PAUSE_MS: u32 = 50;
/// How long a connection is not read of which much waits for the log.
const LINE_PAUSE_MS: u32 = 10;

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
    /// Takes what a client sends, or tells it why not.
    pub(crate) fn take_event(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        event: &ClientEvent<'_>,
    ) {
        let Some(to) = self.members.get(place).map(|connection| connection.slot) else { return };
        let dialect = self.dialect_of(to);
        let heard = dialect.application().map(|it| self.hear_page(turn, place, it, event));
        let event = match &heard {
            Some(Heard::Taken) => return,
            Some(Heard::Means(meant)) => meant,
            Some(Heard::AsItIs | Heard::Refused(_)) | None => event,
        };
        let (limits, now_ms) = (turn.limits, turn.now.monotonic_ms);
        if let Some(sender) = self.members.with_user(place)
            && let Err(over) = self.intake.check_rates(sender, event.bytes(), limits, now_ms)
        {
            self.refuse_over_rate(turn, to, event.id, &over);
            return turn.effects.pace(Pace::PauseMs(OVER_RATE_PAUSE_MS));
        }
        let done = match &heard {
            Some(Heard::Refused(refusal)) => Err(refusal.clone()),
            _ => self.do_or_keep(turn, to, event),
        };
        if let Err(refusal) = done {
            self.refuse(turn, to, event.id, &refusal);
        }
        if self.lookups.is_long(place) {
            turn.effects.pace(Pace::PauseMs(LINE_PAUSE_MS));
        } else if self.is_turn_over(turn.has_others) {
            turn.effects.pace(Pace::Yield);
        }
    }

    fn refuse_over_rate(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        to: ConnectionSlot,
        ack_id: Option<u64>,
        over: &OverRate,
    ) {
        if ack_id.is_some() || over.tell {
            return self.refuse(turn, to, ack_id, &over.refusal);
        }
        self.tally.refuse();
        turn.counters.events_refused.add(1);
        turn.counters.refusals.add(over.refusal.code());
        turn.counters.rate_limited.add(1);
    }

    /// Does what an event asks for, or has it wait behind what its client has waiting.
    fn do_or_keep(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        to: ConnectionSlot,
        event: &ClientEvent<'_>,
    ) -> Result<(), Refusal> {
        let place = to.place();
        let Some(sender) = self.members.get(place).map(Sender::of) else { return Ok(()) };
        // A fresh token waits for no order's owner.
        if self.lookups.has_line(place) && !is_authenticate(&event.data) {
            return self.wait_behind(place, WaitingEvent::new(to, sender, event));
        }
        match self.do_event(turn, to, &sender, (&event.data, &event.attachments), event.id) {
            Ok(()) => Ok(()),
            Err(Stopped::Refused(refusal)) => Err(refusal),
            Err(Stopped::Asks(question)) => {
                let event = Box::new(WaitingEvent::new(to, sender, event));
                self.wait_for_log(turn, Some(place), question, Work::Event(event));
                Ok(())
            }
        }
    }

    /// Does what an event asks for. `to` may be gone by now if the event had to wait.
    pub(crate) fn do_event(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        to: ConnectionSlot,
        sender: &Sender,
        (data, attachments): (&str, &[Vec<u8>]),
        ack_id: Option<u64>,
    ) -> Result<(), Stopped> {
        let said = Said::read(data)?;
        if let Some(control) = ControlEvent::from_wire(&said.name) {
            if self.present(to).is_none() {
                return Ok(());
            }
            let place = to.place();
            let argument = said.control_argument();
            match control {
                ControlEvent::Subscribe(topic) => {
                    self.control_room(turn, place, (topic, true), argument, ack_id)?;
                }
                ControlEvent::Unsubscribe(topic) => {
                    self.control_room(turn, place, (topic, false), argument, ack_id)?;
                }
                ControlEvent::Ping => self.pong(turn, to, ack_id),
                ControlEvent::HealthCheck => self.health(turn, place, ack_id),
                ControlEvent::Authenticate => self.renew_token(turn, to, argument, ack_id)?,
                ControlEvent::PayloadKey => self.payload_key(turn, place, argument, ack_id)?,
            }
            return Ok(());
        }
        if turn.policies.requests.has(&said.name) {
            self.forward(turn, to, &said, (attachments, ack_id))?;
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
        let emitted = Emitted { name: &said.name, argument, attachments, spare_id: None };
        // Who it is to be told is known wherever it waits.
        let published = self.publish(turn, sender.publisher(), emitted, reply);
        published.map_err(|waits| Stopped::Asks(waits.question))
    }
}

fn is_authenticate(data: &str) -> bool {
    let said = Said::read(data);
    said.is_ok_and(|said| ControlEvent::from_wire(&said.name) == Some(ControlEvent::Authenticate))
}
