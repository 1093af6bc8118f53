//! Events that are requests to the business back end: the hub hands them on and relays the answers.

use ahash::AHashSet;
use foodtrack_contract::{ApplicationType, ErrorCode, Principal, Refusal, Source};
use foodtrack_wire::Sid;

use crate::client_events::Said;
use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Which events are requests, by their names. Default: none.
#[derive(Clone, Debug, Default)]
pub struct RequestNames {
    names: AHashSet<Box<str>>,
    /// `admin:` for `admin:*`.
    groups: Vec<Box<str>>,
}

impl RequestNames {
    /// Each is an event's name, or a group such as `admin:*`.
    pub fn new<'n>(patterns: impl IntoIterator<Item = &'n str>) -> Self {
        let mut requests = Self::default();
        for pattern in patterns {
            match pattern.strip_suffix('*') {
                Some(group) => requests.groups.push(group.into()),
                None => _ = requests.names.insert(pattern.into()),
            }
        }
        requests
    }

    /// Whether an event of this name is a request.
    pub fn has(&self, name: &str) -> bool {
        (!self.names.is_empty() && self.names.contains(name))
            || self.groups.iter().any(|group| name.starts_with(&**group))
    }
}

/// Who is to be answered: a client's request, by the number of its acknowledgement.
///
/// The Socket.IO id is there because a tenant that was opened again gives its slots out anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The connection.
    pub slot: ConnectionSlot,
    /// Its Socket.IO id.
    pub id: Sid,
    /// `None` where the client asked for no answer.
    pub ack_id: Option<u64>,
}

/// A request on its way to the back end.
#[derive(Debug)]
pub struct Forwarded {
    /// Who is to be answered.
    pub requester: Requester,
    /// Who asks.
    pub principal: Principal,
    /// With which application; back ends have none.
    pub application: Option<ApplicationType>,
    /// The event's name.
    pub event: String,
    /// Its first argument, as JSON text.
    pub payload: String,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_name_or_its_group() {
        let requests = RequestNames::new(["kitchen:get_orders", "admin:*"]);
        for (name, is_request) in [
            ("kitchen:get_orders", true),
            ("kitchen:get_orders2", false),
            ("kitchen:notification", false),
            ("admin:get_connection_stats", true),
            ("administrator", false),
        ] {
            assert_eq!(requests.has(name), is_request, "{name}");
        }
        assert!(!RequestNames::default().has("kitchen:get_orders"));
    }
}
