//! Values that tests of several parts are made of.

use std::net::SocketAddr;
use std::sync::Arc;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, Authenticate, ErrorCode, EventType, Offset, PermissionSet,
    Principal, Priority, Refusal, TenantId, UserId, UserRole, VerifiedClaims,
};
use foodtrack_tenant_log::{
    Assignment, DeadLetter, Durability, EntryRef, LogEntry, LoggedAudience, Note, OrderOwner,
    SavedCursor, SubmitError, Submitted, SubscriberKey, TailSnapshot,
};
use foodtrack_wire::NamespaceId;
use uuid::Uuid;

use crate::admission::{Admission, ClientAbout};
use crate::connection_slot::{ConnectionSlot, Generation};
use crate::counters::Counters;
use crate::cursor_suffix::CursorSuffix;
use crate::dialect::Dialect;
use crate::effects::{CloseReason, Effects, Pace, Verdict};
use crate::event_frame::EventFrame;
use crate::forwarded::Forwarded;
use crate::hook::{HookQuestion, Permit, PermitsOf};
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::read_job::{Asker, ReadJob};
use crate::request::{Answer, RequestId};
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;
use crate::settings::{RecoveryConfig, Settings, TenantLimits};

/// What a tenant did, in its order.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) frames: Vec<String>,
    /// The namespace of each frame.
    pub(crate) encoded: Vec<NamespaceId>,
    /// To the connection at which place, and what.
    pub(crate) sent: Vec<(u32, String)>,
    pub(crate) submitted: Vec<u64>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) answers: Vec<(RequestId, Answer)>,
    pub(crate) read: Vec<(Asker, ReadJob)>,
    pub(crate) forwarded: Vec<Forwarded>,
    pub(crate) asks_to_join: bool,
    pub(crate) hooks: Vec<Arc<HookQuestion>>,
    /// Whom, with which mark.
    pub(crate) pings: Vec<(u32, u64)>,
    /// Whose token is looked at, and when: seconds since the Unix epoch.
    pub(crate) alarms: Vec<(u32, u64)>,
    /// Whom, for good.
    pub(crate) disconnected: Vec<u32>,
    /// Whose transports.
    pub(crate) closed: Vec<u32>,
    ids: u128,
}

impl Effects for World {
    type Frame = usize;

    fn encode(&mut self, event: &EventFrame<'_>, namespace: NamespaceId) -> usize {
        self.encoded.push(namespace);
        let id = event.ack_id.map(|id| id.to_string()).unwrap_or_default();
        let text = text(&format!("2{id}"), event.suffix, |out| event.write_arguments(out));
        self.frames.push(text);
        self.frames.len() - 1
    }

    fn send(&mut self, to: ConnectionSlot, frame: usize) -> bool {
        assert_eq!(self.encoded[frame], to.namespace(), "to {to:?}");
        self.sent.push((to.place(), self.frames[frame].clone()));
        true
    }

    fn send_event(&mut self, to: ConnectionSlot, event: &EventFrame<'_>) {
        let frame = self.encode(event, to.namespace());
        self.send(to, frame);
    }

    fn emit(
        &mut self,
        to: ConnectionSlot,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let text = text("2", suffix, |out| {
            out.extend_from_slice(format!("\"{event}\",").as_bytes());
            argument(out);
        });
        self.sent.push((to.place(), text));
    }

    fn acknowledge(&mut self, to: ConnectionSlot, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        self.sent.push((to.place(), text(&format!("3{id}"), &CursorSuffix::None, answer)));
    }

    fn take_unsayable(&mut self) -> Vec<ConnectionSlot> {
        Vec::new()
    }

    fn ping(&mut self, to: ConnectionSlot, mark: u64) {
        self.pings.push((to.place(), mark));
    }

    fn close(&mut self, client: ConnectionSlot, _: CloseReason) {
        self.closed.push(client.place());
    }

    fn disconnect(&mut self, client: ConnectionSlot) {
        self.disconnected.push(client.place());
    }

    fn release(&mut self, _: ConnectionSlot) {}

    fn is_backlogged(&self, _: ConnectionSlot) -> bool {
        false
    }

    fn tell_when_drained(&mut self, _: ConnectionSlot) {}

    fn is_polling(&self, _: ConnectionSlot) -> bool {
        false
    }

    fn heard_ms(&self, _: ConnectionSlot) -> u64 {
        0
    }

    fn decide(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    fn watch_expiry(&mut self, client: ConnectionSlot, at_s: u64) {
        self.alarms.push((client.place(), at_s));
    }

    fn pace(&mut self, _: Pace) {}

    fn note_unasked(&mut self, _: ConnectionSlot) {}

    fn reply(&mut self, to: RequestId, answer: Answer) {
        self.answers.push((to, answer));
    }

    fn forward(&mut self, request: Forwarded) -> Result<(), Refusal> {
        self.forwarded.push(request);
        Ok(())
    }

    fn asks_to_join(&self) -> bool {
        self.asks_to_join
    }

    fn permit(&mut self, question: &Arc<HookQuestion>) -> Option<Permit> {
        self.hooks.push(Arc::clone(question));
        None
    }

    fn forget_permits(&mut self, _: &TenantId, _: PermitsOf<'_>) {}

    fn new_message_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn is_log_in_memory(&self) -> bool {
        false
    }

    fn open_log(&mut self, _: &TenantId, _: u64) -> Result<(), SubmitError> {
        Ok(())
    }

    fn is_log_shared(&self) -> bool {
        false
    }

    fn submit(&mut self, _: &TenantId, entry: &EntryRef<'_>) -> Result<Submitted, SubmitError> {
        self.submitted.push(entry.offset.get());
        Ok(Submitted::At(entry.offset))
    }

    fn tail(&mut self, _: &TenantId, _: Offset) -> TailSnapshot {
        TailSnapshot::nothing(Offset::MAX)
    }

    fn has_room_for_orders(&mut self, _: &TenantId) -> bool {
        true
    }

    fn order_owner(&mut self, _: &TenantId, _: &str) -> Option<OrderOwner> {
        None
    }

    fn assignment(&mut self, _: &TenantId, _: &str) -> Option<Assignment> {
        None
    }

    fn find_message(&mut self, _: &TenantId, _: Uuid) -> Option<Offset> {
        None
    }

    fn cursor(&mut self, _: &TenantId, _: &SubscriberKey) -> Option<SavedCursor> {
        None
    }

    fn save_cursor(
        &mut self,
        _: &TenantId,
        _: &SubscriberKey,
        _: SavedCursor,
    ) -> Result<(), SubmitError> {
        Ok(())
    }

    fn begin_cursor(
        &mut self,
        _: &TenantId,
        _: &SubscriberKey,
        _: SavedCursor,
    ) -> Result<(), SubmitError> {
        Ok(())
    }

    fn save_note(&mut self, _: &TenantId, _: Note, _: Option<u64>) -> Result<(), SubmitError> {
        Ok(())
    }

    fn put_dead_letter(&mut self, _: &TenantId, _: DeadLetter) -> Result<(), SubmitError> {
        Ok(())
    }

    fn remove_dead_letter(
        &mut self,
        _: &TenantId,
        _: Offset,
        _: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        Ok(())
    }

    fn read(&mut self, _: &TenantId, asker: Asker, job: ReadJob) {
        self.read.push((asker, job));
    }
}

/// A packet as its recipient would read it.
fn text(head: &str, suffix: &CursorSuffix, arguments: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = format!("{head}[").into_bytes();
    arguments(&mut text);
    if let CursorSuffix::At(epoch, offset) = suffix {
        text.extend_from_slice(format!(",\"{epoch}-{}\"", offset.get()).as_bytes());
    }
    text.push(b']');
    String::from_utf8(text).unwrap()
}

/// Believes that a token is the chef's, and ends at the second that it is.
struct Strict;

impl Authenticate for Strict {
    fn principal(&self, token: &str, _: u64) -> Result<Principal, Refusal> {
        let no_time = |_| Refusal::new(ErrorCode::TokenMissing, "a token of a test is a time");
        Ok(principal(
            "chef",
            ApplicationType::KitchenApp,
            PermissionSet::ALL,
            token.parse().map_err(no_time)?,
        ))
    }
}

fn principal(
    user: &str,
    application: ApplicationType,
    permissions: PermissionSet,
    expires_at_s: u64,
) -> Principal {
    Principal::from_verified_token(VerifiedClaims {
        tenant: TenantId::parse("t1").unwrap(),
        user: UserId::parse(user).unwrap(),
        role: UserRole::Admin,
        applications: ApplicationSet::of(&[application]),
        permissions,
        device: None,
        token_id: None,
        issued_at_s: 0,
        expires_at_s,
    })
}

/// What a tenant of a test works with.
pub(crate) fn settings() -> Settings {
    let session_key = SessionKey::new(&[1; 32]);
    Settings {
        policies: Arc::new(Policies::default()),
        limits: TenantLimits::default(),
        retry: RetryPolicy::default(),
        recovery: RecoveryConfig::default(),
        page: PageLimits::within(2, 2),
        emission_key: session_key.emission_key(),
        session_key,
        authenticator: Arc::new(Strict),
        counters: Arc::new(Counters::default()),
        crowds: None,
        node_trouble: None,
    }
}

/// The slot of the first connection at a place.
pub(crate) fn slot(place: u32) -> ConnectionSlot {
    ConnectionSlot::new(place, Generation::new(0, NamespaceId::ROOT))
}

/// An entry for nobody.
pub(crate) fn log_entry(offset: Offset) -> LogEntry {
    LogEntry {
        offset,
        id: Uuid::from_u128(offset.get().into()),
        event: EventType::OrderCreated.into(),
        durability: Durability::Durable,
        priority: Priority::High,
        at_ms: 0,
        expires_at_ms: None,
        audience: LoggedAudience {
            applications: ApplicationSet::EMPTY,
            rooms: Vec::new(),
            only: ApplicationSet::ALL,
            read: None,
        },
        entity: None,
        compacts: false,
        creates_order: None,
        fingerprint: None,
        message: Vec::new().into(),
        attachments: Vec::new(),
    }
}

/// Somebody of an application who may come in.
pub(crate) fn admission(
    user: &str,
    application: ApplicationType,
    permissions: PermissionSet,
) -> Admission {
    let about = ClientAbout {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        user_agent: None,
        version: None,
        features: Box::default(),
    };
    Admission {
        principal: principal(user, application, permissions, u64::MAX),
        application: Some(application),
        dialect: Dialect::Canonical,
        device: None,
        about,
        resume: None,
        is_expired: false,
        owns: None,
        permit: None,
    }
}
