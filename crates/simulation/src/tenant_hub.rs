//! Real tenants over a model log: what a shard does with inputs, reads and deadlines, without its reactor.

mod effects;
mod handshake;

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use foodtrack_contract::{DeliveryClass, DeliveryPolicy, TenantId};
use foodtrack_session::{CloseReason, Event, NamespaceId};
use foodtrack_tenant::{
    Admission, Answer, Arrival, Asker, ClientEvent, ConnectionSlot, Counters, Input, Now,
    PageLimits, Policies, ReadJob, RecoveryConfig, Request, RequestId, RetryPolicy, SessionKey,
    Settings, Tenant, TenantLimits, Verdict, rfc3339,
};
use foodtrack_tenant_log::Completion;

use crate::{
    ClientIndex, Clients, Fault, Hub, HubLog, HubSettings, LogModel, ModelLog, ModelTime, Packet,
    Ticket, Topic,
};
use effects::{Frames, HubEffects};
use handshake::{Tokens, back_end};

/// How long a read of the log takes at most.
const READ_MS_MAX: u64 = 20;
/// The keys of every process: sessions are known again.
const SECRET: [u8; 32] = [7; 32];

/// The tenants of one process.
pub struct TenantHub<L = ModelLog> {
    settings: Settings,
    log: L,
    tenants: BTreeMap<TenantId, Resident>,
    clients: BTreeMap<ClientIndex, (TenantId, ConnectionSlot)>,
    /// Clients whose tenants' logs are being opened.
    waiting: Vec<(ClientIndex, Admission)>,
    /// Clients that come in once all is heard that other nodes had noted when they came.
    entrants: Vec<(u64, ClientIndex, Admission)>,
    reads: Vec<(u64, TenantId, Asker, ReadJob)>,
    rng: Rng,
    frames: Frames,
    turn: u64,
    now_ms: u64,
    /// The last number that a tenant has given out that was closed.
    serials_from: u32,
    forgets: bool,
    fault: Option<Fault>,
    next_sweep_ms: u64,
    sweeps: u32,
}

/// A tenant, and the clients of its connections.
struct Resident {
    tenant: Tenant,
    clients: BTreeMap<ConnectionSlot, ClientIndex>,
    /// When it was told something last but a sweep.
    used_ms: u64,
}

/// What came of an input, beside what was sent.
#[derive(Default)]
struct Outcome {
    verdict: Option<Verdict>,
    reads: Vec<(Asker, ReadJob)>,
    answers: Vec<(RequestId, Answer)>,
    released: Vec<ConnectionSlot>,
}

impl TenantHub {
    /// As [`crate::MakeHub`].
    pub fn boxed(log: &LogModel, node: usize, settings: HubSettings) -> Option<Box<dyn Hub>> {
        Some(match log {
            LogModel::Disk(log) => Box::new(TenantHub::new(log, settings)),
            LogModel::Stream(stream) => {
                let log = stream.log_of(node, settings.seed ^ 5, settings.fault)?;
                Box::new(TenantHub::new(&log, settings))
            }
        })
    }
}

impl<L: HubLog> TenantHub<L> {
    /// A process without tenants over a store.
    pub fn new(log: &L, settings: HubSettings) -> Self {
        let HubSettings { seed, asks, forgets, fault } = settings;
        let mut policies = Policies::default();
        if asks {
            let policy = DeliveryPolicy::of_class(DeliveryClass::Durable);
            let policy = DeliveryPolicy { acknowledge: true, ..policy };
            policies.delivery.set(Topic::Started.event_type(), policy);
        }
        let session_key = SessionKey::new(&SECRET);
        let settings = Settings {
            policies: Arc::new(policies),
            limits: TenantLimits::default(),
            // Nobody gives an event up here: it would be no loss, and look like one.
            retry: RetryPolicy {
                attempts_max: 1_000,
                delay_ms_max: 4_000,
                ..RetryPolicy::default()
            },
            recovery: RecoveryConfig { close_after_ms: 10_000, ..RecoveryConfig::default() },
            page: PageLimits::within(8, 64 << 10),
            emission_key: session_key.emission_key(),
            session_key,
            authenticator: Arc::new(Tokens),
            counters: Arc::new(Counters::default()),
            crowds: None,
            node_trouble: None,
        };
        Self {
            settings,
            log: log.clone(),
            tenants: BTreeMap::new(),
            clients: BTreeMap::new(),
            waiting: Vec::new(),
            entrants: Vec::new(),
            reads: Vec::new(),
            rng: Rng::with_seed(seed),
            frames: Frames::default(),
            turn: 0,
            now_ms: 0,
            serials_from: 0,
            forgets,
            fault,
            next_sweep_ms: 60_000,
            sweeps: 0,
        }
    }

    fn handle(&mut self, now: ModelTime, clients: &mut Clients, id: &TenantId, input: Input<'_>) {
        self.handle_for(now, clients, id, input, None);
    }

    /// Gives a tenant an input. `arriving` is the client that an arrival is about.
    fn handle_for(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        id: &TenantId,
        input: Input<'_>,
        arriving: Option<ClientIndex>,
    ) {
        self.now_ms = now.monotonic_ms;
        self.turn += 1;
        let fresh = || Resident {
            tenant: Tenant::numbered_after(id.clone(), self.serials_from),
            clients: BTreeMap::new(),
            used_ms: now.monotonic_ms,
        };
        let resident = self.tenants.entry(id.clone()).or_insert_with(fresh);
        if !matches!(input, Input::Sweep(_)) {
            resident.used_ms = now.monotonic_ms;
        }
        let text = rfc3339(now.wall_ms);
        let turn_now = turn_now(now, &text, self.turn);
        let mut outcome = Outcome::default();
        let mut effects = HubEffects {
            clients,
            log: &mut self.log,
            slots: &mut resident.clients,
            frames: &mut self.frames,
            rng: &mut self.rng,
            outcome: &mut outcome,
            arriving,
            believed_ms: now.believed_ms,
            fault: self.fault,
        };
        resident.tenant.handle(turn_now, &self.settings, input, &mut effects);
        if self.forgets && resident.tenant.may_forget_tables() {
            resident.tenant.forget_tables(now.monotonic_ms);
        }
        for slot in &outcome.released {
            if let Some(client) = resident.clients.remove(slot) {
                self.clients.remove(&client);
            }
        }
        for (asker, job) in outcome.reads {
            let due_ms = now.monotonic_ms + self.rng.u64(0..=READ_MS_MAX);
            self.reads.push((due_ms, id.clone(), asker, job));
        }
        for (request, answer) in outcome.answers {
            let ticket = Ticket(u32::try_from(request.0).unwrap_or(u32::MAX));
            clients.publish_answered(ticket, handshake::answer_text(answer));
        }
        let Some(client) = arriving else { return };
        match outcome.verdict {
            Some(Verdict::Accepted { slot, welcome }) => {
                self.clients.insert(client, (id.clone(), slot));
                clients.accept(client, &welcome.to_json());
                self.handle(now, clients, id, Input::Connected(slot));
            }
            Some(Verdict::Refused(refusal)) => {
                clients.refuse(client, &handshake::refusal_text(&refusal));
            }
            Some(Verdict::ComeAgain) | None => clients.close(client, CloseReason::ServerClosed),
        }
    }

    fn handle_of(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        input: impl FnOnce(ConnectionSlot) -> Input<'static>,
    ) {
        if let Some((tenant, slot)) = self.clients.get(&client).cloned() {
            self.handle(now, clients, &tenant, input(slot));
        }
    }

    /// Lets a client in, or has it wait for its tenant's log.
    fn arrive(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        admission: Admission,
    ) {
        let id = admission.principal.tenant().clone();
        self.handle(now, clients, &id, Input::OpenLog);
        if !self.tenants.get(&id).is_some_and(|it| it.tenant.takes_clients()) {
            return self.waiting.push((client, admission));
        }
        match self.log.heard_by_ms(now.monotonic_ms) {
            // What it missed cannot be read: it comes again.
            None => clients.close(client, CloseReason::ServerClosed),
            Some(at_ms) if at_ms > now.monotonic_ms => {
                self.entrants.push((at_ms, client, admission));
            }
            Some(_) => self.let_in(now, clients, client, admission),
        }
    }

    fn let_in(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        admission: Admission,
    ) {
        let id = admission.principal.tenant().clone();
        let (new_id, namespace) = (clients.new_id(), NamespaceId::ROOT);
        let arrival = Box::new(Arrival { admission, new_id, namespace, user_agent: None });
        self.handle_for(now, clients, &id, Input::Connect(arrival), Some(client));
    }

    fn hear(&mut self, now: ModelTime, clients: &mut Clients, completion: Completion) {
        let id = completion.tenant().clone();
        if !self.tenants.contains_key(&id) {
            return;
        }
        let lets_in =
            matches!(completion, Completion::Opened { .. } | Completion::OpenFailed { .. });
        self.handle(now, clients, &id, Input::Log(completion));
        if lets_in {
            let of_tenant = |it: &(ClientIndex, Admission)| *it.1.principal.tenant() == id;
            let (go_on, wait) = std::mem::take(&mut self.waiting).into_iter().partition(of_tenant);
            self.waiting = wait;
            for (client, admission) in go_on {
                self.arrive(now, clients, client, admission);
            }
        }
    }

    /// Closes the logs of tenants where nobody has been for a while, as a shard does.
    fn close_quiet_tenants(&mut self, now: ModelTime) {
        if self.log.is_ill() {
            return;
        }
        let (settings, turn) = (&self.settings, self.turn);
        let text = rfc3339(now.wall_ms);
        let is_quiet = |resident: &Resident| {
            now.monotonic_ms - resident.used_ms >= settings.recovery.close_after_ms
                && resident.tenant.is_at_rest(turn_now(now, &text, turn), settings)
        };
        for (id, closed) in self.tenants.extract_if(.., |_, resident| is_quiet(resident)) {
            self.serials_from = self.serials_from.max(closed.tenant.last_serial());
            // It answers nobody.
            let _ = self.log.close(&id);
        }
    }

    fn is_due(&self, id: &TenantId, now_ms: u64) -> bool {
        let deadline = self.tenants.get(id).and_then(|it| it.tenant.next_deadline_ms());
        deadline.is_some_and(|at_ms| at_ms <= now_ms)
    }
}

/// The time of a turn in a tenant's words.
fn turn_now(now: ModelTime, text: &str, turn: u64) -> Now<'_> {
    Now {
        monotonic_ms: now.monotonic_ms,
        steady_ms: now.monotonic_ms,
        wall_ms: now.wall_ms,
        believed_ms: now.believed_ms,
        text,
        turn,
        has_others: false,
    }
}

impl<L: HubLog> Hub for TenantHub<L> {
    fn connect(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        auth: Option<&str>,
    ) {
        match handshake::admit(auth, &self.settings.authenticator, now.wall_ms / 1_000) {
            Ok(admission) => self.arrive(now, clients, client, admission),
            Err(refusal) => clients.refuse(client, &handshake::refusal_text(&refusal)),
        }
    }

    fn event(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        event: &Event<'_>,
    ) {
        let (id, data) = (event.id, event.data.clone().into_owned());
        let event = ClientEvent { id, data: data.into(), attachments: Vec::new().into() };
        self.handle_of(now, clients, client, |slot| Input::Event(slot, event));
    }

    fn acknowledged(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        id: u64,
    ) {
        if self.fault != Some(Fault::IgnoresAcknowledgements) {
            self.handle_of(now, clients, client, |slot| Input::Acknowledged(slot, id));
        }
    }

    fn ping_mark(&mut self, client: ClientIndex, is_due: bool) -> u64 {
        let Some((id, slot)) = self.clients.get(&client) else { return 0 };
        let Some(resident) = self.tenants.get(id) else { return 0 };
        match is_due {
            true => resident.tenant.ping_mark(*slot),
            false => resident.tenant.unconfirmed(*slot),
        }
    }

    fn ponged(&mut self, now: ModelTime, clients: &mut Clients, client: ClientIndex, mark: u64) {
        self.handle_of(now, clients, client, |slot| Input::Ponged(slot, mark));
    }

    fn drained(&mut self, now: ModelTime, clients: &mut Clients, client: ClientIndex) {
        self.handle_of(now, clients, client, Input::Drained);
    }

    fn closed(
        &mut self,
        now: ModelTime,
        clients: &mut Clients,
        client: ClientIndex,
        reason: CloseReason,
    ) {
        self.waiting.retain(|(waiting, _)| *waiting != client);
        self.entrants.retain(|(_, entrant, _)| *entrant != client);
        self.handle_of(now, clients, client, |slot| Input::Gone(slot, reason.as_str()));
        if let Some((id, slot)) = self.clients.remove(&client)
            && let Some(resident) = self.tenants.get_mut(&id)
        {
            resident.clients.remove(&slot);
        }
    }

    fn publish(&mut self, now: ModelTime, clients: &mut Clients, ticket: Ticket, request: &Packet) {
        let Packet::Publish { tenant, event, argument } = request else { return };
        let principal = back_end(tenant);
        let (event, argument) = (event.clone(), argument.clone());
        let request = Request::Publish { principal, event, argument, spare_id: None };
        let id = RequestId(u64::from(ticket.0));
        self.handle(now, clients, tenant, Input::Request(id, request));
    }

    fn wake(&mut self, now: ModelTime, clients: &mut Clients) {
        for completion in self.log.advance(now.monotonic_ms) {
            self.hear(now, clients, completion);
        }
        let is_heard = |it: &mut (u64, ClientIndex, Admission)| it.0 <= now.monotonic_ms;
        let heard: Vec<_> = self.entrants.extract_if(.., is_heard).collect();
        for (_, client, admission) in heard {
            self.let_in(now, clients, client, admission);
        }
        let is_due = |read: &(u64, TenantId, Asker, ReadJob)| read.0 <= now.monotonic_ms;
        let (due, later) = std::mem::take(&mut self.reads).into_iter().partition(is_due);
        self.reads = later;
        for (_, id, asker, job) in due {
            let answer = job.run(&self.log, &id);
            self.handle(now, clients, &id, Input::Read(asker, answer));
        }
        let ids: Vec<TenantId> = self.tenants.keys().cloned().collect();
        for id in &ids {
            if self.is_due(id, now.monotonic_ms) {
                self.handle(now, clients, id, Input::Deadline);
            }
            if self.tenants.get(id).is_some_and(|it| it.tenant.has_more()) {
                self.handle(now, clients, id, Input::GoOn);
            }
        }
        if self.next_sweep_ms <= now.monotonic_ms {
            self.next_sweep_ms = now.monotonic_ms + 60_000;
            self.sweeps += 1;
            for id in &ids {
                self.handle(now, clients, id, Input::Sweep(self.sweeps));
            }
            self.close_quiet_tenants(now);
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let deadlines = self.tenants.values().filter_map(|it| it.tenant.next_deadline_ms());
        let reads = self.reads.iter().map(|(due_ms, ..)| *due_ms);
        let entrants = self.entrants.iter().map(|(due_ms, ..)| *due_ms);
        deadlines
            .chain(reads)
            .chain(entrants)
            .chain(self.log.next_ms())
            .chain([self.next_sweep_ms])
            .min()
    }
}
