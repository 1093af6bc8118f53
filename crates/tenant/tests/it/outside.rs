//! What surrounds a tenant that is driven by operations: clients, back ends and a log, which check what the tenant does to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use foodtrack_contract::{ErrorCode, Offset, Refusal, TenantId};
use foodtrack_tenant::{
    Answer, Asker, CloseReason, ConnectionSlot, CursorSuffix, Effects, EventFrame, Forwarded,
    HookQuestion, Pace, Permit, PermitsOf, ReadJob, RequestId, Verdict,
};
use foodtrack_tenant_log::{
    Assignment, Completion, DeadLetter, Durability, EntryRef, LogReader, LogWriter, MemoryLog,
    MemoryStore, Note, OnCompletion, OrderOwner, RefusedReason, Retention, SavedCursor,
    SubmitError, Submitted, SubscriberKey, SubscriberStore, TailSnapshot, TenantLog,
};
use foodtrack_wire::NamespaceId;
use uuid::Uuid;

/// A client whose connection is open.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// The last cursor that it was sent.
    pub(crate) cursor: Option<(String, u64)>,
    /// The cursor that it brought, where it is to be sent nothing up to there.
    pub(crate) had: Option<String>,
    /// Entries that it was sent, but for those sent once more.
    entries: BTreeSet<u64>,
    /// The same, in their order.
    pub(crate) got: Vec<u64>,
    /// What was answered to what it asked.
    pub(crate) answers: BTreeMap<u64, String>,
    /// Whether it was told that its session is back.
    pub(crate) is_recovered: bool,
    /// Numbers of the acknowledgements that it asked for and has not got.
    pub(crate) asked: BTreeSet<u64>,
    /// The mark of the last ping.
    pub(crate) mark: u64,
    pub(crate) is_backlogged: bool,
    pub(crate) waits_to_drain: bool,
    /// Whether it was told to go.
    pub(crate) is_closed: bool,
}

/// An event in its final bytes, as far as it matters here.
#[derive(Clone, Debug)]
struct Frame {
    /// Of the entry that it is, where it is sent in the log's order.
    entry: Option<u64>,
    cursor: Option<(String, u64)>,
}

/// Everything outside a tenant.
pub(crate) struct Outside {
    pub(crate) log: MemoryLog,
    is_in_memory: bool,
    pub(crate) waits_for_replicas: bool,
    /// What the log has to say and nobody has heard yet.
    pub(crate) news: Arc<Mutex<VecDeque<Completion>>>,
    pub(crate) clients: BTreeMap<ConnectionSlot, Client>,
    pub(crate) jobs: VecDeque<(Asker, ReadJob)>,
    /// Requests that wait for their answer.
    pub(crate) requests: BTreeSet<u64>,
    pub(crate) last_reply: Option<Answer>,
    /// What became of the client that came last.
    pub(crate) verdict: Option<Verdict>,
    /// Durable entries of which the tenant has not heard that they are on disk.
    unsafe_entries: BTreeSet<u64>,
    /// Durable entries that the log refused.
    refused: BTreeSet<u64>,
    frames: Vec<(NamespaceId, Frame)>,
    ids: u128,
}

impl Outside {
    pub(crate) fn new(is_in_memory: bool) -> Self {
        Self::over(is_in_memory, |tell| {
            MemoryLog::new(MemoryStore::default(), Retention::default(), tell)
        })
    }

    /// That of a node whose log others write to as well.
    pub(crate) fn sharing(store: &MemoryStore, is_in_memory: bool, node: u32) -> Self {
        let outside = Self::over(is_in_memory, |tell| {
            MemoryLog::shared(store.clone(), Retention::default(), tell)
        });
        // No two nodes make the same id.
        Self { ids: u128::from(node) << 64, ..outside }
    }

    fn over(is_in_memory: bool, log: impl FnOnce(OnCompletion) -> MemoryLog) -> Self {
        let news = Arc::<Mutex<VecDeque<Completion>>>::default();
        let heard = Arc::clone(&news);
        let tell = Box::new(move |completion| heard.lock().unwrap().push_back(completion));
        Self {
            log: log(tell),
            is_in_memory,
            waits_for_replicas: false,
            news,
            clients: BTreeMap::new(),
            jobs: VecDeque::new(),
            requests: BTreeSet::new(),
            last_reply: None,
            verdict: None,
            unsafe_entries: BTreeSet::new(),
            refused: BTreeSet::new(),
            frames: Vec::new(),
            ids: 0,
        }
    }

    /// The tenant is about to hear this of its log.
    pub(crate) fn heard(&mut self, completion: &Completion) {
        match completion {
            Completion::Committed { through, .. } => {
                self.unsafe_entries.retain(|offset| *offset > through.get());
            }
            Completion::Refused { from, through, .. } => {
                let range = from.get()..=through.get();
                self.refused.extend(self.unsafe_entries.iter().filter(|it| range.contains(it)));
            }
            _ => {}
        }
    }

    fn client(&mut self, slot: ConnectionSlot) -> &mut Client {
        let client = self.clients.get_mut(&slot);
        client.unwrap_or_else(|| panic!("{slot:?} is nobody's"))
    }

    fn receive(&mut self, to: ConnectionSlot, frame: &Frame) {
        if let Some(entry) = frame.entry {
            let is_unsafe = self.unsafe_entries.contains(&entry) || self.refused.contains(&entry);
            assert!(!is_unsafe, "{entry} is not on disk");
        }
        let client = self.client(to);
        if let Some(entry) = frame.entry {
            assert!(client.entries.insert(entry), "{entry} was sent twice to {to:?}");
            if let (Some(had), Some((epoch, _))) = (&client.had, &frame.cursor)
                && let Some(("", had)) =
                    had.strip_prefix(&**epoch).and_then(|it| it.split_once('-'))
            {
                assert!(had.parse::<u64>().unwrap() < entry, "{to:?} had {entry}");
            }
            client.got.push(entry);
        }
        if let Some((epoch, offset)) = &frame.cursor {
            let last = client.cursor.as_ref().map_or(0, |(_, last)| *last);
            assert!(*offset >= last, "the cursor of {to:?} goes back from {last} to {offset}");
            client.cursor = Some((epoch.clone(), *offset));
        }
    }
}

fn cursor(suffix: &CursorSuffix) -> Option<(String, u64)> {
    match suffix {
        CursorSuffix::At(epoch, offset) => Some((epoch.to_string(), offset.get())),
        CursorSuffix::None | CursorSuffix::Behind(_) => None,
    }
}

impl Frame {
    fn of(event: &EventFrame<'_>) -> Self {
        let mut arguments = Vec::new();
        event.write_arguments(&mut arguments);
        assert!(arguments.starts_with(b"\"") && arguments.ends_with(b"}") || !arguments.is_empty());
        let place = event.meta().place;
        let entry = place.filter(|place| place.is_entry).map(|place| place.offset);
        Self { entry, cursor: cursor(event.suffix()) }
    }
}

impl Effects for Outside {
    type Frame = usize;

    fn encode(&mut self, event: &EventFrame<'_>, namespace: NamespaceId) -> usize {
        self.frames.push((namespace, Frame::of(event)));
        self.frames.len() - 1
    }

    fn send(&mut self, to: ConnectionSlot, frame: usize) -> bool {
        let (namespace, frame) = self.frames[frame].clone();
        assert_eq!(namespace, to.namespace());
        self.receive(to, &frame);
        true
    }

    fn send_event(&mut self, to: ConnectionSlot, event: &EventFrame<'_>) {
        self.receive(to, &Frame::of(event));
    }

    fn emit(
        &mut self,
        to: ConnectionSlot,
        _: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut said = Vec::new();
        argument(&mut said);
        let said = String::from_utf8(said).unwrap();
        self.client(to).is_recovered |= said.contains(r#""recovered":true"#);
        self.receive(to, &Frame { entry: None, cursor: cursor(suffix) });
    }

    fn acknowledge(&mut self, to: ConnectionSlot, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        let mut said = Vec::new();
        answer(&mut said);
        let client = self.client(to);
        assert!(client.asked.remove(&id), "{id} of {to:?} is answered unasked or again");
        client.answers.insert(id, String::from_utf8(said).unwrap());
    }

    fn take_unsayable(&mut self) -> Vec<ConnectionSlot> {
        Vec::new()
    }

    fn ping(&mut self, to: ConnectionSlot, mark: u64) {
        self.client(to).mark = mark;
    }

    fn close(&mut self, who: ConnectionSlot, _: CloseReason) {
        self.client(who).is_closed = true;
    }

    fn disconnect(&mut self, who: ConnectionSlot) {
        self.client(who).is_closed = true;
    }

    fn release(&mut self, who: ConnectionSlot) {
        assert!(self.clients.remove(&who).is_some(), "{who:?} was nobody's already");
    }

    fn is_backlogged(&self, client: ConnectionSlot) -> bool {
        self.clients[&client].is_backlogged
    }

    fn tell_when_drained(&mut self, client: ConnectionSlot) {
        self.client(client).waits_to_drain = true;
    }

    fn is_polling(&self, client: ConnectionSlot) -> bool {
        self.clients.contains_key(&client) && client.place() % 2 == 1
    }

    fn heard_ms(&self, _: ConnectionSlot) -> u64 {
        0
    }

    fn decide(&mut self, verdict: Verdict) {
        assert!(self.verdict.is_none(), "it was decided already");
        if let Verdict::Accepted { slot, .. } = &verdict {
            assert!(self.clients.keys().all(|other| other.place() != slot.place()));
            self.clients.insert(*slot, Client::default());
        }
        self.verdict = Some(verdict);
    }

    fn watch_expiry(&mut self, client: ConnectionSlot, _: u64) {
        self.client(client);
    }

    fn pace(&mut self, _: Pace) {}

    fn note_unasked(&mut self, client: ConnectionSlot) {
        self.client(client);
    }

    fn reply(&mut self, to: RequestId, answer: Answer) {
        assert!(self.requests.remove(&to.0), "{to:?} is answered again");
        self.last_reply = Some(answer);
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
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn is_log_in_memory(&self) -> bool {
        self.is_in_memory
    }

    fn open_log(&mut self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.log.open(tenant, now_ms)
    }

    fn is_log_shared(&self) -> bool {
        self.log.is_shared()
    }

    fn waits_for_replicas(&self) -> bool {
        self.waits_for_replicas
    }

    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        // One that has no offset yet is not sent before it has.
        if entry.durability == Durability::Durable && !self.log.is_shared() {
            self.unsafe_entries.insert(entry.offset.get());
        }
        self.log.submit(tenant, entry)
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        self.log.pass_on(tenant, entry);
    }

    fn tail(&mut self, tenant: &TenantId, through: Offset) -> TailSnapshot {
        self.log.tail(tenant, through)
    }

    fn has_room_for_orders(&mut self, tenant: &TenantId) -> bool {
        self.log.has_room_for_orders(tenant)
    }

    fn order_owner(&mut self, tenant: &TenantId, order: &str) -> Option<OrderOwner> {
        self.log.order_owner(tenant, order).ok().flatten()
    }

    fn assignment(&mut self, tenant: &TenantId, order: &str) -> Option<Assignment> {
        self.log.assignment(tenant, order).ok().flatten()
    }

    fn find_message(&mut self, tenant: &TenantId, id: Uuid) -> Option<Offset> {
        self.log.find(tenant, id).ok().flatten()
    }

    fn cursor(&mut self, tenant: &TenantId, subscriber: &SubscriberKey) -> Option<SavedCursor> {
        self.log.cursor(tenant, subscriber).ok().flatten()
    }

    fn save_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.log.save_cursor(tenant, subscriber, saved)
    }

    fn begin_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.log.begin_cursor(tenant, subscriber, first)
    }

    fn save_note(
        &mut self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        self.log.save_note(tenant, note, ticket)
    }

    fn put_dead_letter(&mut self, tenant: &TenantId, it: DeadLetter) -> Result<(), SubmitError> {
        self.log.put_dead_letter(tenant, it)
    }

    fn remove_dead_letter(
        &mut self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        self.log.remove_dead_letter(tenant, offset, subscriber)
    }

    fn read(&mut self, _: &TenantId, asker: Asker, job: ReadJob) {
        self.jobs.push_back((asker, job));
    }
}

impl Outside {
    /// The log refuses what comes next.
    pub(crate) fn refuse_next(&self) {
        self.log.refuse_next(RefusedReason::DiskFull);
    }
}
