//! A tenant's effects over the model's clients and its log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fastrand::Rng;
use foodtrack_contract::{Cursor, ErrorCode, Offset, Refusal, TenantId};
use foodtrack_session::NamespaceId;
use foodtrack_tenant::{
    Answer, Asker, CloseReason, ConnectionSlot, CursorSuffix, Effects, EventFrame, Forwarded,
    HookQuestion, Pace, Permit, PermitsOf, ReadJob, RequestId, Verdict,
};
use foodtrack_tenant_log::{
    Assignment, DeadLetter, EntryRef, LogReader, LogWriter, Note, OrderOwner, SavedCursor,
    SubmitError, Submitted, SubscriberKey, SubscriberStore, TailSnapshot, TenantLog,
};
use uuid::Uuid;

use super::Outcome;
use crate::{ClientIndex, Clients, Fault, HubLog};

/// Frames of a turn, as text. One that breaks rule 9 keeps those of others.
#[derive(Default)]
pub(super) struct Frames {
    texts: Vec<(String, bool)>,
    /// By what is not enough to tell them apart.
    shared: HashMap<String, String>,
}

/// The effects of one input.
pub(super) struct HubEffects<'e, L> {
    pub(super) clients: &'e mut Clients,
    pub(super) log: &'e mut L,
    pub(super) slots: &'e mut BTreeMap<ConnectionSlot, ClientIndex>,
    pub(super) frames: &'e mut Frames,
    pub(super) rng: &'e mut Rng,
    pub(super) outcome: &'e mut Outcome,
    pub(super) arriving: Option<ClientIndex>,
    pub(super) believed_ms: u64,
    pub(super) fault: Option<Fault>,
}

impl<L> HubEffects<'_, L> {
    fn client(&self, slot: ConnectionSlot) -> Option<ClientIndex> {
        self.slots.get(&slot).copied()
    }

    fn text_of(&mut self, event: &EventFrame<'_>) -> (String, bool) {
        let mut arguments = Vec::new();
        event.write_arguments(&mut arguments);
        let text = packet(event.ack_id(), arguments, event.suffix());
        let place = event.meta().place;
        let is_entry = place.is_some_and(|place| place.is_entry);
        if self.fault == Some(Fault::SharesFramesAcrossTenants) {
            // Neither the tenant nor anything else but the message's id.
            let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36));
            if let Some(id) = id {
                let shared = self.frames.shared.entry(id.to_owned()).or_insert(text);
                return (shared.clone(), is_entry);
            }
        }
        (text, is_entry)
    }
}

impl<L: HubLog> Effects for HubEffects<'_, L> {
    type Frame = usize;

    fn encode(&mut self, event: &EventFrame<'_>, _: NamespaceId) -> usize {
        let frame = self.text_of(event);
        self.frames.texts.push(frame);
        self.frames.texts.len() - 1
    }

    fn send(&mut self, to: ConnectionSlot, frame: usize) -> bool {
        let Some(client) = self.client(to) else { return false };
        let Some((text, is_entry)) = self.frames.texts.get(frame) else { return false };
        self.clients.send(client, text, *is_entry)
    }

    fn send_event(&mut self, to: ConnectionSlot, event: &EventFrame<'_>) {
        let (text, is_entry) = self.text_of(event);
        if let Some(client) = self.client(to) {
            self.clients.send(client, &text, is_entry);
        }
    }

    fn emit(
        &mut self,
        to: ConnectionSlot,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(client) = self.client(to) else { return };
        let mut arguments = format!("\"{event}\",").into_bytes();
        argument(&mut arguments);
        suffix.write_own(&mut arguments);
        self.clients.send(client, &packet(None, arguments, suffix), false);
    }

    fn acknowledge(&mut self, to: ConnectionSlot, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        let Some(client) = self.client(to) else { return };
        let mut text = format!("3{id}[").into_bytes();
        answer(&mut text);
        text.push(b']');
        self.clients.send(client, &String::from_utf8(text).unwrap_or_default(), false);
    }

    fn take_unsayable(&mut self) -> Vec<ConnectionSlot> {
        Vec::new()
    }

    fn ping(&mut self, to: ConnectionSlot, mark: u64) {
        if let Some(client) = self.client(to) {
            self.clients.ping(client, mark);
        }
    }

    fn close(&mut self, who: ConnectionSlot, reason: CloseReason) {
        let Some(client) = self.client(who) else { return };
        self.clients.close(
            client,
            match reason {
                CloseReason::TransportClosed => foodtrack_session::CloseReason::TransportClosed,
                CloseReason::ServerClosed => foodtrack_session::CloseReason::ServerClosed,
            },
        );
    }

    fn disconnect(&mut self, who: ConnectionSlot) {
        if let Some(client) = self.client(who) {
            self.clients.disconnect(client);
        }
    }

    fn release(&mut self, who: ConnectionSlot) {
        self.outcome.released.push(who);
    }

    fn is_backlogged(&self, client: ConnectionSlot) -> bool {
        self.client(client).is_some_and(|client| self.clients.is_backlogged(client))
    }

    fn tell_when_drained(&mut self, client: ConnectionSlot) {
        if let Some(client) = self.client(client) {
            self.clients.tell_when_drained(client);
        }
    }

    fn is_polling(&self, client: ConnectionSlot) -> bool {
        self.client(client).is_some_and(|client| self.clients.is_polling(client))
    }

    fn heard_ms(&self, client: ConnectionSlot) -> u64 {
        self.client(client).map_or(0, |client| self.clients.heard_ms(client))
    }

    fn decide(&mut self, verdict: Verdict) {
        if let (Verdict::Accepted { slot, .. }, Some(client)) = (&verdict, self.arriving) {
            self.slots.insert(*slot, client);
        }
        self.outcome.verdict = Some(verdict);
    }

    fn watch_expiry(&mut self, _client: ConnectionSlot, _expires_at_s: u64) {}

    fn pace(&mut self, _pace: Pace) {}

    fn note_unasked(&mut self, _client: ConnectionSlot) {}

    fn reply(&mut self, to: RequestId, answer: Answer) {
        self.outcome.answers.push((to, answer));
    }

    fn forward(&mut self, _: Forwarded) -> Result<(), Refusal> {
        Err(Refusal::new(ErrorCode::Degraded, "there is no back end"))
    }

    fn asks_to_join(&self) -> bool {
        false
    }

    fn permit(&mut self, _: &Arc<HookQuestion>) -> Option<Permit> {
        Some(Ok(()))
    }

    fn forget_permits(&mut self, _: &TenantId, _: PermitsOf<'_>) {}

    fn new_message_id(&mut self) -> Uuid {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(self.believed_ms, &random).into_uuid()
    }

    fn is_log_in_memory(&self) -> bool {
        false
    }

    fn open_log(&mut self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        TenantLog::open(self.log, tenant, now_ms)
    }

    fn is_log_shared(&self) -> bool {
        TenantLog::is_shared(self.log)
    }

    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        LogWriter::submit(self.log, tenant, entry)
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        LogWriter::pass_on(self.log, tenant, entry);
    }

    fn tail(&mut self, tenant: &TenantId, through: Offset) -> TailSnapshot {
        LogReader::tail(self.log, tenant, through)
    }

    fn has_room_for_orders(&mut self, tenant: &TenantId) -> bool {
        LogReader::has_room_for_orders(self.log, tenant)
    }

    fn order_owner(&mut self, tenant: &TenantId, order: &str) -> Option<OrderOwner> {
        LogReader::order_owner(self.log, tenant, order).ok().flatten()
    }

    fn assignment(&mut self, tenant: &TenantId, order: &str) -> Option<Assignment> {
        LogReader::assignment(self.log, tenant, order).ok().flatten()
    }

    fn find_message(&mut self, tenant: &TenantId, id: Uuid) -> Option<Offset> {
        LogReader::find(self.log, tenant, id).ok().flatten()
    }

    fn cursor(&mut self, tenant: &TenantId, subscriber: &SubscriberKey) -> Option<SavedCursor> {
        SubscriberStore::cursor(self.log, tenant, subscriber).ok().flatten()
    }

    fn save_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        SubscriberStore::save_cursor(self.log, tenant, subscriber, saved)
    }

    fn begin_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        SubscriberStore::begin_cursor(self.log, tenant, subscriber, first)
    }

    fn save_note(
        &mut self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        SubscriberStore::save_note(self.log, tenant, note, ticket)
    }

    fn put_dead_letter(
        &mut self,
        tenant: &TenantId,
        letter: DeadLetter,
    ) -> Result<(), SubmitError> {
        SubscriberStore::put_dead_letter(self.log, tenant, letter)
    }

    fn remove_dead_letter(
        &mut self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        SubscriberStore::remove_dead_letter(self.log, tenant, offset, subscriber)
    }

    fn read(&mut self, _tenant: &TenantId, asker: Asker, job: ReadJob) {
        self.outcome.reads.push((asker, job));
    }
}

/// An EVENT packet of these arguments, with the cursor behind them that all recipients share.
fn packet(ack_id: Option<u64>, arguments: Vec<u8>, suffix: &CursorSuffix) -> String {
    let arguments = String::from_utf8(arguments).unwrap_or_default();
    let id = ack_id.map_or(String::new(), |id| id.to_string());
    match suffix {
        CursorSuffix::At(epoch, offset) => {
            format!("2{id}[{arguments},\"{}\"]", Cursor::new(*epoch, *offset))
        }
        CursorSuffix::None | CursorSuffix::Behind(_) => format!("2{id}[{arguments}]"),
    }
}
