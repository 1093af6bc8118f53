//! Requests to the business back end: the tenant hands them on and relays the answers.

use foodtrack_contract::{ErrorCode, Refusal, Source};

use crate::client_events::Said;
use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::forwarded::{Forwarded, Requester};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Hands a request on. The answer comes as [`Input::Answered`](crate::Input::Answered).
    ///
    /// # Errors
    /// Why the back end is not asked.
    pub(crate) fn forward(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        to: ConnectionSlot,
        said: &Said<'_>,
        (attachments, ack_id): (&[Vec<u8>], Option<u64>),
    ) -> Result<(), Refusal> {
        let Some(connection) = self.present(to) else { return Ok(()) };
        if !attachments.is_empty() {
            let message = "a request carries no binary: the back end is asked in JSON";
            return Err(Refusal::new(ErrorCode::MessageMalformed, message).of_event(&*said.name));
        }
        let forwarded = Forwarded {
            requester: Requester { slot: to, id: connection.id, ack_id },
            principal: connection.principal.clone(),
            application: match connection.source {
                Source::Application(application) => Some(application),
                Source::System => None,
            },
            event: said.name.clone().into_owned(),
            payload: said.control_argument().to_owned(),
        };
        turn.counters.requests_forwarded.add(1);
        turn.effects.forward(forwarded).map_err(|refusal| refusal.of_event(&*said.name))
    }

    /// Relays the back end's answer, where the client that asked is still here.
    pub(crate) fn relay(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        to: Requester,
        answer: Result<&[u8], &Refusal>,
    ) {
        let Requester { slot, id, ack_id } = to;
        if self.present(slot).is_none_or(|connection| connection.id != id) {
            return;
        }
        match (answer, ack_id) {
            (Ok(answer), Some(ack_id)) => {
                turn.effects.acknowledge(slot, ack_id, |out| out.extend_from_slice(answer));
            }
            (Ok(_), None) => {}
            (Err(refusal), ack_id) => self.refuse(turn, slot, ack_id, refusal),
        }
    }
}
