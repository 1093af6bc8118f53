//! One core: a loop and a match over everything that can wake it.

mod application;
mod client_table;
mod closing;
mod containing;
mod entrants;
mod erasing;
mod logs;
mod mail;
mod observing;
mod pacing;
mod permits;
mod replies;
mod resident;
mod sending_elsewhere;
mod shard_effects;
mod table_budget;
mod tenant_timer;

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Authenticate, Refusal, TenantId};
use foodtrack_tenant::{HookQuestion, Input, Settings};
use foodtrack_transport::{ClientKey, CloseReason, Handover, Reactor, Verdict};
use slab::Slab;

use crate::clock::{Clock, ShardClock};
use crate::connection_audit::ConnectionAudit;
use crate::delivery_tracer::DeliveryTracer;
use crate::entrant::Entrant;
use crate::hook_book::HookBook;
use crate::http_service::HttpService;
use crate::log_link::{LogLink, LogNews};
use crate::mailbox::Inbox;
use crate::observer::ObserverDesk;
use crate::payload_keys::PayloadKeys;
use crate::shards::Shards;
use crate::tag::Tag;
use crate::upstream::Upstream;

use containing::caught;
use pacing::Pacing;
use replies::Replies;
use resident::Resident;
use shard_effects::{Outcome, ShardEffects};
use table_budget::TableBudget;

/// User agents kept once for all who send them.
const USER_AGENTS_MAX: usize = 1_024;
/// The number of that deadline; no tenant's.
pub(crate) const SWEEP: u64 = u64::MAX;
/// How long a shard that stops waits for answers that it owes. A disk that takes longer may take for ever.
const STOP_MS_MAX: u64 = 3_000;
/// The number of the deadline that ends that; no tenant's.
pub(crate) const STOP: u64 = u64::MAX - 2;
/// The number of the deadline at which some clients are sent elsewhere; no tenant's.
pub(crate) const SEND_ELSEWHERE: u64 = u64::MAX - 3;
/// The longest that an alarm is set for; tokens may live longer, and are looked at again then.
pub(crate) const ALARM_MS_MAX: u64 = 3_600_000;

/// How often it is looked at how much waits for readers.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

/// What every shard of a server has in common.
pub(crate) struct ShardParts {
    pub(crate) index: usize,
    pub(crate) shards: Shards,
    pub(crate) inbox: Inbox,
    pub(crate) http: Arc<dyn HttpService>,
    /// Whom clients' requests are handed on to.
    pub(crate) upstream: Option<Arc<dyn Upstream>>,
    pub(crate) payload_keys: Option<Arc<dyn PayloadKeys>>,
    pub(crate) audit: Option<Arc<dyn ConnectionAudit>>,
    pub(crate) tracer: Option<Arc<dyn DeliveryTracer>>,
    /// Who lets clients watch, where they may.
    pub(crate) desk: Option<Arc<dyn ObserverDesk>>,
    pub(crate) log: LogLink,
    pub(crate) news: Receiver<LogNews>,
    /// What its tenants work with.
    pub(crate) settings: Settings,
    pub(crate) cookie_name: String,
    pub(crate) clock: Clock,
}

impl ShardParts {
    fn authenticator(&self) -> &Arc<dyn Authenticate> {
        &self.settings.authenticator
    }
}

/// A shard: tenants, and the way to their actors.
pub(crate) struct Shard {
    parts: ShardParts,
    tenants: Slab<Resident>,
    by_name: AHashMap<TenantId, u32>,
    replies: Replies,
    /// Clients that watch from outside.
    observers: AHashSet<ClientKey>,
    /// Clients of tenants whose logs are being opened.
    waiting: AHashMap<u32, VecDeque<Handover<Entrant>>>,
    /// Clients that wait until it is known which of the orders that they come back to are theirs.
    entrants: AHashMap<u32, Handover<Entrant>>,
    /// What the business back end has a say in, where it has one.
    hooks: Option<HookBook>,
    /// Clients that wait for the business back end to let them in.
    at_hook: AHashMap<Arc<HookQuestion>, Vec<Handover<Entrant>>>,
    pacing: Pacing,
    tables: TableBudget,
    /// Tenants that had more to do than fits into their turn.
    unfinished: Vec<u32>,
    user_agents: AHashMap<Box<str>, Arc<str>>,
    clock: ShardClock,
    serial: u32,
    /// The last number that a tenant has given out that was closed.
    serials_from: u32,
    /// How often what has expired was let go.
    sweeps: u32,
    /// When it is looked at next how much waits for readers.
    measures_queues_at: Instant,
    /// The number of this turn, and how many tenants were at work in it and in the one before.
    turn: u64,
    busy: usize,
    busy_before: usize,
    /// When the first event of this turn was read, and the deliveries until then.
    read_first: Option<(Instant, u64)>,
    /// When it stops at the latest, whoever still waits for an answer; `None` until it is told to.
    stops_by_ms: Option<u64>,
    /// By when all clients are sent elsewhere; `None` until it is told to.
    sends_elsewhere_by_ms: Option<u64>,
    /// Requests that the HTTP API has to answer.
    asked: usize,
    /// A shard cannot leave the thread that made it.
    pinned: PhantomData<*const ()>,
}

impl Shard {
    pub(crate) fn new(parts: ShardParts) -> Self {
        let clock = ShardClock::new(parts.clock.clone());
        let tables =
            TableBudget::new(parts.settings.limits.table_bytes_max / parts.shards.senders().len());
        let hooks = parts.upstream.clone().and_then(|upstream| {
            let senders = parts.shards.senders();
            HookBook::new(upstream, senders[parts.index].clone(), senders.len())
        });
        Self {
            parts,
            hooks,
            at_hook: AHashMap::new(),
            tenants: Slab::new(),
            by_name: AHashMap::new(),
            replies: Replies::default(),
            observers: AHashSet::new(),
            waiting: AHashMap::new(),
            entrants: AHashMap::new(),
            pacing: Pacing::default(),
            tables,
            unfinished: Vec::new(),
            user_agents: AHashMap::new(),
            clock,
            serial: 0,
            serials_from: 0,
            sweeps: 0,
            measures_queues_at: Instant::now(),
            turn: 0,
            busy: 0,
            busy_before: 0,
            read_first: None,
            stops_by_ms: None,
            sends_elsewhere_by_ms: None,
            asked: 0,
            pinned: PhantomData,
        }
    }

    /// Runs until the shard is told to stop, its clients are gone, and it owes nobody an answer.
    ///
    /// # Errors
    /// Where the system's poll fails.
    pub(crate) fn run(mut self, io: &mut Reactor) -> io::Result<()> {
        let mut events = Reactor::events();
        self.clock.tick();
        io.schedule(self.parts.settings.recovery.sweep_ms, SWEEP);
        while !self.is_done(io) {
            self.clock.sleep();
            io.turn(&mut self, &mut events)?;
            self.parts.log.hand_over();
            // Answers and what the server itself says: nothing that anybody could be given later.
            let unsayable = io.take_unsayable().len();
            self.parts.settings.counters.undeliverable.add(unsayable as u64);
            if self.stops_by_ms.is_some() {
                // Also those who came in since: a socket was accepted before, or somebody waited for their tenant's log.
                for client in io.clients() {
                    io.close(client, CloseReason::ServerClosed);
                }
            }
            self.count_turn(io);
            self.keep_tables_within_budget();
            self.turn += 1;
            self.busy_before = std::mem::take(&mut self.busy);
        }
        Ok(())
    }

    fn is_done(&self, io: &Reactor) -> bool {
        let Some(stops_by_ms) = self.stops_by_ms else { return false };
        let is_quiet = io.stats().clients == 0 && !self.owes_answers();
        is_quiet || io.now_ms() >= stops_by_ms
    }

    /// Whether somebody waits for the disk or for the HTTP API.
    fn owes_answers(&self) -> bool {
        self.asked > 0
            || !self.waiting.is_empty()
            || self.tenants.iter().any(|(_, resident)| resident.tenant.owes_answers())
    }

    /// Counts what the turn that has ended took; its frames are flushed.
    fn count_turn(&mut self, io: &Reactor) {
        let (counters, now) = (&self.parts.settings.counters, Instant::now());
        counters.deliveries_dropped.set(io.stats().dropped);
        counters.times.turn.observe(now.saturating_duration_since(io.turn_began()));
        if let Some((read, deliveries)) = self.read_first.take()
            && counters.deliveries.get() > deliveries
        {
            counters.times.publish_to_write.observe(now.saturating_duration_since(read));
        }
        if self.measures_queues_at <= now {
            self.measures_queues_at = now + QUEUES_EVERY;
            let (frames, bytes) = io.queued();
            counters.queued_frames.set(frames as u64);
            counters.queued_bytes.set(bytes as u64);
        }
    }

    /// Has a tenant handle an input. `None` where there is no such tenant, and after a panic: then the tenant was dropped.
    fn handle(&mut self, io: &mut Reactor, tenant: u32, input: Input<'_>) -> Option<Outcome> {
        self.handle_arrival(io, tenant, input, None)
    }

    /// As [`Shard::handle`], of an input that is about the client that comes in.
    fn handle_arrival(
        &mut self,
        io: &mut Reactor,
        tenant: u32,
        input: Input<'_>,
        arriving: Option<ClientKey>,
    ) -> Option<Outcome> {
        self.take_newest();
        let resident = self.tenants.get_mut(tenant as usize)?;
        if resident.turn != self.turn {
            resident.turn = self.turn;
            self.busy += 1;
            self.tables.touched(tenant);
        }
        if !matches!(input, Input::Sweep(_)) {
            resident.held.used_ms = io.now_ms();
        }
        self.clock.wake();
        let has_others = self.busy.max(self.busy_before) > 1;
        let now = self.clock.now(io.now_ms(), self.turn, has_others);
        let mut effects = ShardEffects {
            io: &mut *io,
            log: &mut self.parts.log,
            replies: &mut self.replies,
            upstream: self.parts.upstream.as_deref(),
            payload_keys: self.parts.payload_keys.as_deref(),
            audit: self.parts.audit.as_deref(),
            tracer: self.parts.tracer.as_deref(),
            hooks: self.hooks.as_mut(),
            own_mailbox: self.parts.shards.sender(self.parts.index),
            clients: &mut resident.clients,
            held: &mut resident.held,
            tenant,
            wall_ms: now.wall_ms,
            arriving,
            outcome: Outcome::default(),
        };
        let state = &mut resident.tenant;
        let handled = caught(|| state.handle(now, &self.parts.settings, input, &mut effects));
        let outcome = effects.outcome;
        if handled.is_err() {
            self.drop_tenant(io, tenant);
            return None;
        }
        if resident.tenant.has_more() && !self.unfinished.contains(&tenant) {
            self.unfinished.push(tenant);
        }
        resident.set_timer(io, tenant);
        Some(outcome)
    }

    /// Puts policies and limits in force that were given since. Before whatever they may change: who was told of a change, and then sends
    /// something, is served by it, though a turn reads sockets before the mailbox.
    fn take_newest(&mut self) {
        if let Some(policies) = self.parts.inbox.policies() {
            self.parts.settings.policies = policies;
        }
        if let Some(limits) = self.parts.inbox.limits() {
            self.parts.settings.limits = limits;
        }
    }

    /// Lets go of what has expired: sessions, and what retention says of tenants that have become quiet.
    fn sweep(&mut self, io: &mut Reactor) {
        self.sweeps = self.sweeps.wrapping_add(1);
        let tenants: Vec<u32> =
            self.tenants.iter().filter_map(|(tenant, _)| u32::try_from(tenant).ok()).collect();
        for tenant in tenants {
            self.handle(io, tenant, Input::Sweep(self.sweeps));
        }
        self.close_quiet_tenants(io);
        if let Some(hooks) = &mut self.hooks {
            hooks.sweep(io.now_ms());
        }
        // One shard speaks for all.
        if self.parts.index == 0 && self.parts.log.log().trim(self.clock.unix_ms()).is_err() {
            tracing::warn!("the log does not trim: it is full or has failed");
        }
        io.schedule(self.parts.settings.recovery.sweep_ms, SWEEP);
    }

    fn open_tenant(&mut self, id: &TenantId) -> u32 {
        if let Some(tenant) = self.by_name.get(id) {
            return *tenant;
        }
        let tenant =
            u32::try_from(self.tenants.insert(Resident::new(id.clone(), self.serials_from)))
                .unwrap_or(u32::MAX);
        self.by_name.insert(id.clone(), tenant);
        tenant
    }

    fn turn_away(
        &self,
        io: &mut Reactor,
        client: ClientKey,
        refusal: &Refusal,
    ) -> Verdict<Entrant> {
        self.parts.settings.counters.handshakes_refused.add(1);
        self.parts.settings.counters.refusals.add(refusal.code());
        if let Some(ticket) = io.refuse_stream(client) {
            mail::respond(io, ticket, &self.parts.http.refusal(refusal));
            return Verdict::Refuse { error: String::new() };
        }
        let message = serde_json::Value::from(refusal.message());
        let error = format!("{{\"message\":{message},\"data\":{}}}", refusal.to_json());
        Verdict::Refuse { error }
    }

    fn intern(&mut self, user_agent: Option<&str>) -> Option<Arc<str>> {
        let user_agent = user_agent?;
        if let Some(known) = self.user_agents.get(user_agent) {
            return Some(Arc::clone(known));
        }
        let shared: Arc<str> = user_agent.into();
        if self.user_agents.len() < USER_AGENTS_MAX {
            self.user_agents.insert(user_agent.into(), Arc::clone(&shared));
        }
        Some(shared)
    }

    /// Takes a client that has gone from its tenant.
    fn depart(&mut self, io: &mut Reactor, client: ClientKey, reason: &'static str) {
        let Some(tag) = Tag::of(io, client) else { return };
        io.set_tag(client, 0);
        let Some(slot) = self.tenants.get(tag.tenant as usize).and_then(|it| it.slot(tag)) else {
            return;
        };
        // After a panic it was counted with all others of its tenant.
        if self.handle(io, tag.tenant, Input::Gone(slot, reason)).is_some()
            && let Some(resident) = self.tenants.get_mut(tag.tenant as usize)
        {
            resident.clients.remove(slot);
        }
    }
}
