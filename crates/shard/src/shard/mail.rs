//! What other threads ask of a shard.

use foodtrack_contract::TenantId;
use foodtrack_tenant::{Answer, ConnectionCounts, Input, Request};
use foodtrack_transport::{DoorRefusal, HttpTicket, Reactor};
use tokio::sync::oneshot;

use super::{STOP, STOP_MS_MAX, Shard};
use crate::mailbox::ShardMessage;
use crate::tallies::Tallies;

impl Shard {
    pub(super) fn handle_message(&mut self, io: &mut Reactor, message: ShardMessage) {
        match message {
            ShardMessage::Adopt(handover) => self.receive(io, *handover),
            ShardMessage::HttpResponse(ticket, response) => {
                self.asked = self.asked.saturating_sub(1);
                respond(io, ticket, &response);
            }
            ShardMessage::Tenant(tenant, request, reply) => {
                self.handle_request(io, &tenant, request, reply);
            }
            ShardMessage::Erase(tenant, erasure, on_erased) => {
                self.erase(io, &tenant, erasure, on_erased);
            }
            ShardMessage::Answered(tenant, requester, answer) => {
                // Where the tenant is not here, nobody waits.
                if let Some(tenant) = self.by_name.get(&tenant).copied() {
                    self.handle(io, tenant, Input::Answered(requester, answer));
                }
            }
            ShardMessage::Permitted(question, answer) => {
                self.hear_permit(io, &question, answer);
            }
            ShardMessage::Totals(reply) => {
                let mut totals = ConnectionCounts::default();
                for (_, resident) in &self.tenants {
                    let client = |slot| resident.clients.get(slot);
                    let polls = |slot| client(slot).is_some_and(|client| io.is_polling(client));
                    totals.add(&resident.tenant.counts(polls));
                }
                // Who asked may have gone away: nothing is lost with the answer.
                let _ = reply.send(totals);
            }
            ShardMessage::Tallies(most, reply) => {
                let tenants = self.tenants.iter().map(|(_, resident)| &resident.tenant);
                let tallies = tenants.map(|tenant| (tenant.id(), tenant.tally()));
                let _ = reply.send(Tallies::of(tallies, most));
            }
            // Who asked may have given up.
            ShardMessage::Probe(reply) => _ = reply.send(()),
            ShardMessage::TellObserver(client, events) => self.tell_observer(io, client, events),
            ShardMessage::EndObserver(client) => self.end_observer(io, client),
            ShardMessage::NodeState { payload, is_well } => {
                self.announce(io, &payload);
                self.parts.settings.node_trouble = Some(payload).filter(|_| !is_well);
            }
            ShardMessage::SendElsewhere { within_ms } => self.send_elsewhere_within(io, within_ms),
            ShardMessage::Stop => {
                self.stops_by_ms = Some(io.now_ms() + STOP_MS_MAX);
                io.schedule(STOP_MS_MAX, STOP);
                io.stop_accepting();
            }
        }
    }

    /// Tells the clients of all tenants something about this node.
    fn announce(&mut self, io: &mut Reactor, payload: &str) {
        let here: Vec<_> = self.by_name.values().copied().collect();
        for tenant in here {
            self.handle(io, tenant, Input::Announce(payload));
        }
    }

    fn handle_request(
        &mut self,
        io: &mut Reactor,
        id: &TenantId,
        request: Request,
        reply: oneshot::Sender<Answer>,
    ) {
        // Other nodes ask for tenants that are not here.
        if !self.by_name.contains_key(id)
            && let Some(answer) = request.answer_of_nobody()
        {
            // Who asked may have gone away.
            let _ = reply.send(answer);
            return;
        }
        let tenant = self.open_tenant(id);
        let id = self.replies.add(tenant, reply);
        self.handle(io, tenant, Input::Request(id, request));
    }
}

pub(super) fn respond(
    io: &mut Reactor,
    ticket: HttpTicket,
    response: &http::Response<bytes::Bytes>,
) {
    if let Some(code) = response.extensions().get::<DoorRefusal>() {
        io.note_refused_request(ticket, *code);
    }
    let headers: Vec<(&str, &[u8])> = response
        .headers()
        .iter()
        // The transport frames the body itself.
        .filter(|(name, _)| {
            !matches!(name.as_str(), "content-length" | "connection" | "transfer-encoding")
        })
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    io.respond(ticket, response.status().as_u16(), &headers, response.body());
}
