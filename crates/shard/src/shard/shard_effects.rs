//! A tenant's effects over the shard's reactor and its link to the log.

use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Offset, Refusal, TenantId};
use foodtrack_session::NamespaceId;
use foodtrack_tenant::{
    Answer, Asker, CloseReason, ConnectionNews, ConnectionSlot, CursorSuffix, DeliveryNews,
    Effects, EventFrame, Forwarded, HookQuestion, Pace, PayloadKey, Permit, PermitsOf, ReadJob,
    RequestId, Verdict,
};
use foodtrack_tenant_log::{
    Assignment, DeadLetter, Duty, EntryRef, Note, OrderOwner, SavedCursor, SubmitError, Submitted,
    SubscriberKey, TailSnapshot,
};
use foodtrack_transport::{
    self as transport, ClientKey, Flow, FrameId, FrameMeta, PacketKind, PacketParts, Reactor,
};
use uuid::Uuid;

use super::ALARM_MS_MAX;
use super::client_table::ClientTable;
use super::closing::Held;
use super::replies::Replies;
use crate::connection_audit::ConnectionAudit;
use crate::delivery_tracer::DeliveryTracer;
use crate::hook_book::HookBook;
use crate::log_link::LogLink;
use crate::mailbox::ShardSender;
use crate::payload_keys::PayloadKeys;
use crate::tag::Tag;
use crate::upstream::{Relay, Upstream};

/// The effects of one tenant's input.
pub(crate) struct ShardEffects<'s> {
    pub(super) io: &'s mut Reactor,
    pub(super) log: &'s mut LogLink,
    pub(super) replies: &'s mut Replies,
    pub(super) upstream: Option<&'s dyn Upstream>,
    pub(super) payload_keys: Option<&'s dyn PayloadKeys>,
    pub(super) audit: Option<&'s dyn ConnectionAudit>,
    pub(super) tracer: Option<&'s dyn DeliveryTracer>,
    pub(super) hooks: Option<&'s mut HookBook>,
    /// Where answers from elsewhere come in.
    pub(super) own_mailbox: &'s ShardSender,
    pub(super) clients: &'s mut ClientTable,
    pub(super) held: &'s mut Held,
    /// The tenant's place among the shard's.
    pub(super) tenant: u32,
    pub(super) wall_ms: u64,
    /// The client that comes in.
    pub(super) arriving: Option<ClientKey>,
    pub(super) outcome: Outcome,
}

/// What the reactor waits to hear of an input.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Of a client that came in.
    pub(super) verdict: Option<Verdict>,
    /// How soon the client is read again.
    pub(super) flow: Flow,
    /// Whether an acknowledgement was asked for.
    pub(super) was_asked: bool,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { verdict: None, flow: Flow::Continue, was_asked: true }
    }
}

impl Effects for ShardEffects<'_> {
    type Frame = FrameId;

    fn encode(&mut self, event: &EventFrame<'_>, namespace: NamespaceId) -> FrameId {
        with_parts(event, namespace, |parts| self.io.frame(parts, |out| event.write_arguments(out)))
    }

    #[inline]
    fn send(&mut self, to: ConnectionSlot, frame: FrameId) -> bool {
        self.clients.get(to).is_some_and(|client| self.io.send(client, frame))
    }

    fn send_event(&mut self, to: ConnectionSlot, event: &EventFrame<'_>) {
        let Some(client) = self.clients.get(to) else { return };
        with_parts(event, to.namespace(), |parts| {
            self.io.send_packet(client, parts, |out| event.write_arguments(out));
        });
    }

    fn emit(
        &mut self,
        to: ConnectionSlot,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(client) = self.clients.get(to) else { return };
        let meta = FrameMeta { place: suffix.place(), ..FrameMeta::default() };
        with_suffix(suffix, |shared| {
            let parts = PacketParts { suffix: shared, ..PacketParts::event(to.namespace(), meta) };
            self.io.send_packet(client, &parts, |out| {
                out.push(b'"');
                out.extend_from_slice(event.as_bytes());
                out.extend_from_slice(b"\",");
                argument(out);
                suffix.write_own(out);
            });
        });
    }

    fn acknowledge(&mut self, to: ConnectionSlot, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        if let Some(client) = self.clients.get(to) {
            self.io.send_packet(client, &PacketParts::ack(to.namespace(), id), answer);
        }
    }

    fn take_unsayable(&mut self) -> Vec<ConnectionSlot> {
        let clients = self.io.take_unsayable().into_iter();
        let tags = clients.filter_map(|client| Tag::of(self.io, client));
        tags.filter_map(|tag| self.clients.slot(tag.place)).collect()
    }

    fn ping(&mut self, to: ConnectionSlot, mark: u64) {
        if let Some(client) = self.clients.get(to) {
            self.io.ping(client, mark);
        }
    }

    fn close(&mut self, who: ConnectionSlot, reason: CloseReason) {
        if let Some(client) = self.clients.get(who) {
            self.io.close(
                client,
                match reason {
                    CloseReason::TransportClosed => transport::CloseReason::TransportClosed,
                    CloseReason::ServerClosed => transport::CloseReason::ServerClosed,
                },
            );
        }
    }

    fn disconnect(&mut self, who: ConnectionSlot) {
        if let Some(client) = self.clients.get(who) {
            self.io.disconnect(client, who.namespace());
            self.io.close(client, transport::CloseReason::Disconnected);
        }
    }

    fn release(&mut self, who: ConnectionSlot) {
        if let Some(client) = self.clients.remove(who) {
            self.io.set_tag(client, 0);
        }
    }

    fn is_backlogged(&self, client: ConnectionSlot) -> bool {
        self.clients.get(client).is_some_and(|client| self.io.is_backlogged(client))
    }

    fn tell_when_drained(&mut self, client: ConnectionSlot) {
        if let Some(client) = self.clients.get(client) {
            self.io.tell_when_drained(client);
        }
    }

    fn is_polling(&self, client: ConnectionSlot) -> bool {
        self.clients.get(client).is_some_and(|client| self.io.is_polling(client))
    }

    fn heard_ms(&self, client: ConnectionSlot) -> u64 {
        self.clients.get(client).map_or(0, |client| self.io.heard_ms(client))
    }

    fn decide(&mut self, verdict: Verdict) {
        if let (Verdict::Accepted { slot, .. }, Some(client)) = (&verdict, self.arriving) {
            self.clients.insert(*slot, client);
            self.io.set_tag(client, Tag { tenant: self.tenant, place: slot.place() }.number());
        }
        self.outcome.verdict = Some(verdict);
    }

    fn watch_expiry(&mut self, client: ConnectionSlot, expires_at_s: u64) {
        if let Some(client) = self.clients.get(client) {
            let left_ms = expires_at_s.saturating_mul(1_000).saturating_sub(self.wall_ms);
            self.io.set_alarm(client, left_ms.min(ALARM_MS_MAX));
        }
    }

    fn pace(&mut self, pace: Pace) {
        self.outcome.flow = match pace {
            Pace::Yield => Flow::Yield,
            Pace::PauseMs(ms) => Flow::PauseMs(ms),
        };
    }

    fn note_unasked(&mut self, _: ConnectionSlot) {
        self.outcome.was_asked = false;
    }

    fn reply(&mut self, to: RequestId, answer: Answer) {
        self.replies.answer(to, answer);
    }

    fn forward(&mut self, request: Forwarded) -> Result<(), Refusal> {
        let Some(upstream) = self.upstream else {
            let message = "this server has no back end to ask; set upstream.url";
            return Err(Refusal::new(ErrorCode::Degraded, message));
        };
        let tenant = request.principal.tenant().clone();
        let relay = Relay::new(self.own_mailbox.clone(), tenant, request.requester);
        upstream.forward(request, relay)
    }

    fn asks_to_join(&self) -> bool {
        self.hooks.as_ref().is_some_and(|hooks| hooks.hooks().join)
    }

    fn permit(&mut self, question: &Arc<HookQuestion>) -> Option<Permit> {
        let now_ms = self.io.now_ms();
        self.hooks.as_mut().map_or(Some(Ok(())), |hooks| hooks.ask(question, now_ms))
    }

    fn forget_permits(&mut self, tenant: &TenantId, whose: PermitsOf<'_>) {
        if let Some(hooks) = &mut self.hooks {
            hooks.forget(tenant, whose);
        }
    }

    fn payload_key(&mut self, tenant: &TenantId, kid: Option<&str>) -> Option<PayloadKey> {
        self.payload_keys?.payload_key(tenant, kid)
    }

    fn account(&mut self, news: &ConnectionNews<'_>) {
        if let Some(audit) = self.audit {
            audit.tell(news);
        }
    }

    fn trace(&mut self, news: &DeliveryNews<'_>) {
        if let Some(tracer) = self.tracer {
            tracer.delivered(news);
        }
    }

    fn new_message_id(&mut self) -> Uuid {
        Uuid::now_v7()
    }

    fn is_log_in_memory(&self) -> bool {
        self.log.is_in_memory
    }

    fn open_log(&mut self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.log.log().open(tenant, now_ms)
    }

    fn is_log_shared(&self) -> bool {
        self.log.is_shared
    }

    fn waits_for_replicas(&self) -> bool {
        self.log.waits_for_replicas
    }

    fn is_log_spooling(&mut self) -> bool {
        self.log.log().is_spooling()
    }

    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        #[cfg(test)]
        panic_if_planted(entry.message);
        self.log.submit(tenant, entry)
    }

    fn want_watch(&mut self, tenant: &TenantId) -> bool {
        self.log.log().want(tenant, &Duty::Watch)
    }

    fn rest_from_watching(&mut self, tenant: &TenantId) {
        self.log.log().rest(tenant, &Duty::Watch);
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        self.log.pass_on(tenant, entry);
    }

    fn tail(&mut self, tenant: &TenantId, through: Offset) -> TailSnapshot {
        self.log.log().tail(tenant, through)
    }

    fn has_room_for_orders(&mut self, tenant: &TenantId) -> bool {
        self.log.log().has_room_for_orders(tenant)
    }

    fn order_owner(&mut self, tenant: &TenantId, order: &str) -> Option<OrderOwner> {
        self.log.log().order_owner(tenant, order).ok().flatten()
    }

    fn assignment(&mut self, tenant: &TenantId, order: &str) -> Option<Assignment> {
        self.log.log().assignment(tenant, order).ok().flatten()
    }

    fn find_message(&mut self, tenant: &TenantId, id: Uuid) -> Option<Offset> {
        self.log.log().find(tenant, id).ok().flatten()
    }

    fn cursor(&mut self, tenant: &TenantId, subscriber: &SubscriberKey) -> Option<SavedCursor> {
        self.log.log().cursor(tenant, subscriber).ok().flatten()
    }

    fn save_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.held.note(self.log.log().save_cursor(tenant, subscriber, saved))
    }

    fn begin_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.held.note(self.log.log().begin_cursor(tenant, subscriber, first))
    }

    fn save_note(
        &mut self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        let taken = self.log.log().save_note(tenant, note, ticket);
        // With a ticket, what it says is undone where it is not taken.
        if ticket.is_some() { taken } else { self.held.note(taken) }
    }

    fn put_dead_letter(
        &mut self,
        tenant: &TenantId,
        letter: DeadLetter,
    ) -> Result<(), SubmitError> {
        self.log.log().put_dead_letter(tenant, letter)
    }

    fn remove_dead_letter(
        &mut self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        self.log.log().remove_dead_letter(tenant, offset, subscriber)
    }

    fn read(&mut self, tenant: &TenantId, asker: Asker, job: ReadJob) {
        self.log.read(tenant, asker, job);
    }
}

/// Works with an event in the parts that a frame has.
fn with_parts<R>(
    event: &EventFrame<'_>,
    namespace: NamespaceId,
    work: impl FnOnce(&PacketParts<'_>) -> R,
) -> R {
    with_suffix(event.suffix(), |suffix| {
        work(&PacketParts {
            kind: PacketKind::Event { ack_id: event.ack_id() },
            namespace,
            suffix,
            attachments: event.attachments(),
            meta: event.meta(),
        })
    })
}

/// Works with the part of a suffix that all recipients share.
fn with_suffix<R>(
    suffix: &CursorSuffix,
    work: impl FnOnce(Option<transport::CursorSuffix<'_>>) -> R,
) -> R {
    match suffix {
        CursorSuffix::At(epoch, offset) => work(Some(transport::CursorSuffix {
            epoch: epoch.digits().as_bytes(),
            offset: offset.get(),
        })),
        CursorSuffix::None | CursorSuffix::Behind(_) => work(None),
    }
}

/// Panics in the tenant's turn where a test's event asks for it.
#[cfg(test)]
fn panic_if_planted(message: &[u8]) {
    let message = String::from_utf8_lossy(message);
    assert!(!message.contains("planted panic"), "a test planted it");
}

#[cfg(test)]
mod tests {
    use foodtrack_tenant::DISCONNECT_REASONS;
    use foodtrack_transport::CloseReason;

    #[test]
    fn every_reason_to_close_a_transport_is_counted_by_its_name() {
        for reason in [
            CloseReason::TransportClosed,
            CloseReason::TransportError,
            CloseReason::PingTimeout,
            CloseReason::ConnectTimeout,
            CloseReason::ProtocolError,
            CloseReason::SlowReader,
            CloseReason::Disconnected,
            CloseReason::ServerClosed,
        ] {
            assert!(DISCONNECT_REASONS.contains(&reason.as_str()), "{reason:?}");
        }
    }
}
