//! What other threads ask of a shard.

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_transport::{DoorRefusal, HttpTicket, Reactor};

use super::{STOP, STOP_MS_MAX, Shard};
use crate::effects::Effects;
use crate::mailbox::{ShardMessage, TenantRequest};
use crate::model::ConnectionCounts;
use crate::owner_lookups::{Publication, Revocation};
use crate::reply_to::ReplyTo;
use crate::shared_rate::Party;

impl Shard {
    pub(super) fn handle_message(&mut self, io: &mut Reactor, message: ShardMessage) {
        match message {
            ShardMessage::Adopt(handover) => self.receive(io, *handover),
            ShardMessage::HttpResponse(ticket, response) => {
                self.asked = self.asked.saturating_sub(1);
                respond(io, ticket, &response);
            }
            ShardMessage::Tenant(tenant, request) => self.handle_request(io, &tenant, request),
            ShardMessage::Totals(reply) => {
                let mut totals = ConnectionCounts::default();
                self.tenants.iter().for_each(|(_, tenant)| {
                    totals.add(&tenant.counts(|client| io.is_polling(client)));
                });
                // Who asked may have gone away: nothing is lost with the answer.
                let _ = reply.send(totals);
            }
            ShardMessage::Policies(policies) => self.parts.policies = policies,
            ShardMessage::Stop => {
                self.stops_by_ms = Some(io.now_ms() + STOP_MS_MAX);
                io.schedule(STOP_MS_MAX, STOP);
                io.stop_accepting();
            }
        }
    }

    fn handle_request(&mut self, io: &mut Reactor, id: &TenantId, request: TenantRequest) {
        let tenant = self.open_tenant(id);
        if request.needs_log() && !self.open_log(io, id) {
            return self.request_later(tenant, request);
        }
        self.do_request(io, tenant, request);
    }

    pub(super) fn do_request(&mut self, io: &mut Reactor, tenant: u32, request: TenantRequest) {
        let now_ms = io.now_ms();
        // A reply that nobody waits for any more is no loss.
        self.with_tenant(io, tenant, |tenant, turn| match request {
            TenantRequest::Publish { principal, event, argument, reply } => {
                let rate = turn.limits.messages_per_tenant;
                let reply = ReplyTo::Handle(reply);
                let publication = Publication { principal, event, argument, reply };
                match tenant.intake.spend_message(Party::BackEnds, rate, now_ms) {
                    Ok(()) => tenant.publish_when_known(turn, publication),
                    Err(after_ms) => {
                        let message = "the tenant sends more than its limit allows";
                        let refusal = Refusal::new(ErrorCode::TenantRateLimited, message)
                            .retry_after_ms(u64::from(after_ms));
                        tenant.answer(turn, publication.reply, Err(refusal));
                    }
                }
            }
            TenantRequest::Broadcast(broadcast, reply) => {
                tenant.broadcast(turn, &broadcast, ReplyTo::Handle(reply));
            }
            TenantRequest::Counts(reply) => {
                _ = reply.send(tenant.counts(|client| turn.effects.is_polling(client)));
            }
            TenantRequest::List(filter, reply) => _ = reply.send(tenant.list(turn, &filter)),
            TenantRequest::Disconnect(target, reply) => {
                let _ = reply.send(tenant.disconnect(turn, &target));
            }
            TenantRequest::Rooms(query, reply) => _ = reply.send(tenant.room_infos(query)),
            TenantRequest::DescribeRoom { room, metadata, reply } => {
                let described = room.room().map(|room| tenant.describe_room(turn, &room, metadata));
                if let Some(described) = described {
                    let _ = reply.send(described);
                }
            }
            TenantRequest::Grant { room, user, reply } => {
                if let Some(room) = room.room() {
                    let _ = reply.send(tenant.grant(turn, &room, &user));
                }
            }
            TenantRequest::RevokeGrant { room, user, reply } => {
                tenant.revoke_when_known(turn, Revocation { room, user, reply });
            }
            TenantRequest::ReplayLetter { subscriber, entry, reply } => {
                let _ = reply.send(tenant.send_letter(turn, &subscriber, *entry));
            }
        });
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
