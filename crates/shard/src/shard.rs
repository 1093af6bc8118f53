//! One core: a loop and a match over everything that can wake it.

mod application;
mod containing;
mod entrants;
mod events;
mod logs;
mod mail;
mod pacing;
mod shard_effects;
mod tenant_timer;

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ahash::AHashMap;
use foodtrack_contract::{Authenticate, Refusal, TenantId};
use foodtrack_transport::{ClientKey, CloseReason, Handover, Reactor, Verdict};
use slab::Slab;

use crate::clock::{Clock, ShardClock};
use crate::connection_lines;
use crate::counters::Counters;
use crate::handshake::Admission;
use crate::http_service::HttpService;
use crate::intake::EmissionKey;
use crate::log_link::{LogLink, LogNews};
use crate::mailbox::Inbox;
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;
use crate::shard_config::{RecoveryConfig, TenantLimits};
use crate::shards::Shards;
use crate::tag::Tag;
use crate::tenant::{Tenant, TenantIndex};
use crate::turn::Turn;

use application::Entering;
use containing::{Panicked, caught};
use logs::Waiting;
use pacing::Pacing;
use shard_effects::ShardEffects;
use tenant_timer::TenantTimer;

/// User agents kept once for all who send them.
const USER_AGENTS_MAX: usize = 1_024;
/// The number of that deadline; no tenant's.
pub(crate) const SWEEP: u64 = u64::MAX;
/// How long a shard that stops waits for answers that it owes. A disk that takes longer may take for ever.
const STOP_MS_MAX: u64 = 3_000;
/// The number of the deadline that ends that; no tenant's.
pub(crate) const STOP: u64 = u64::MAX - 2;
/// The longest that an alarm is set for; tokens may live longer, and are looked at again then.
const ALARM_MS_MAX: u64 = 3_600_000;

/// What every shard of a server has in common.
pub(crate) struct ShardParts {
    pub(crate) index: usize,
    pub(crate) shards: Shards,
    pub(crate) inbox: Inbox,
    pub(crate) authenticator: Arc<dyn Authenticate>,
    pub(crate) http: Arc<dyn HttpService>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) log: LogLink,
    pub(crate) news: Receiver<LogNews>,
    pub(crate) limits: TenantLimits,
    pub(crate) retry: RetryPolicy,
    pub(crate) recovery: RecoveryConfig,
    pub(crate) page: PageLimits,
    pub(crate) session_key: SessionKey,
    pub(crate) emission_key: EmissionKey,
    pub(crate) cookie_name: String,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
}

/// A shard: tenants, and the way to their actors.
pub(crate) struct Shard {
    parts: ShardParts,
    tenants: Slab<Tenant>,
    by_name: TenantIndex,
    /// By the tenant's place among the tenants.
    timers: Vec<TenantTimer>,
    /// Clients and requests of tenants whose logs are being opened.
    waiting: AHashMap<u32, Waiting>,
    /// Clients that wait until it is known which of the orders that they come back to are theirs.
    entrants: AHashMap<u32, Handover<Admission>>,
    pacing: Pacing,
    /// The client that is being let in.
    entering: Option<Entering>,
    /// Tenants that had more to do than fits into their turn.
    unfinished: Vec<u32>,
    user_agents: AHashMap<Box<str>, Arc<str>>,
    clock: ShardClock,
    serial: u32,
    /// How often what has expired was let go.
    sweeps: u32,
    /// The number of this turn, and how many tenants were at work in it and in the one before.
    turn: u64,
    busy: usize,
    busy_before: usize,
    /// When the first event of this turn was read, and the deliveries until then.
    read_first: Option<(Instant, u64)>,
    /// When it stops at the latest, whoever still waits for an answer; `None` until it is told to.
    stops_by_ms: Option<u64>,
    /// Requests that the HTTP API has to answer.
    asked: usize,
    /// A shard cannot leave the thread that made it.
    pinned: PhantomData<*const ()>,
}

impl Shard {
    pub(crate) fn new(parts: ShardParts) -> Self {
        let clock = ShardClock::new(parts.clock.clone());
        Self {
            parts,
            tenants: Slab::new(),
            by_name: TenantIndex::new(),
            timers: Vec::new(),
            waiting: AHashMap::new(),
            entrants: AHashMap::new(),
            pacing: Pacing::default(),
            entering: None,
            unfinished: Vec::new(),
            user_agents: AHashMap::new(),
            clock,
            serial: 0,
            sweeps: 0,
            turn: 0,
            busy: 0,
            busy_before: 0,
            read_first: None,
            stops_by_ms: None,
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
        io.schedule(self.parts.recovery.sweep_ms, SWEEP);
        while !self.is_done(io) {
            self.clock.sleep();
            io.turn(&mut self, &mut events)?;
            self.parts.log.hand_over();
            // Answers and what the server itself says: nothing that anybody could be given later.
            let unsayable = io.take_unsayable().len();
            self.parts.counters.undeliverable.add(unsayable as u64);
            if self.stops_by_ms.is_some() {
                // Also those who came in since: a socket was accepted before, or somebody waited for their tenant's log.
                for client in io.clients() {
                    io.close(client, CloseReason::ServerClosed);
                }
            }
            self.count_turn(io.stats().dropped);
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
            || self.tenants.iter().any(|(_, tenant)| tenant.owes_answers())
    }

    /// Counts what the turn that has ended took; its frames are flushed.
    fn count_turn(&mut self, dropped: u64) {
        let counters = &self.parts.counters;
        counters.deliveries_dropped.add(dropped - counters.deliveries_dropped.get());
        if let Some((read, deliveries)) = self.read_first.take()
            && counters.deliveries.get() > deliveries
        {
            counters.fan_out_us_sum.add(u64::try_from(read.elapsed().as_micros()).unwrap_or(0));
            counters.fan_out_turns.add(1);
        }
    }

    /// The tenant's actor with what it works with. `None` where there is none, and after a panic: then the tenant was dropped.
    fn with_tenant<T>(
        &mut self,
        io: &mut Reactor,
        tenant: u32,
        work: impl FnOnce(&mut Tenant, &mut Turn<'_, ShardEffects<'_>>) -> T,
    ) -> Option<T> {
        let state = self.tenants.get_mut(tenant as usize)?;
        if state.turn != self.turn {
            state.turn = self.turn;
            state.turn_deliveries = 0;
            self.busy += 1;
        }
        self.clock.wake();
        let mut has_more = false;
        let now = self.clock.now(io.now_ms());
        let mut turn = Turn {
            now,
            effects: &mut ShardEffects { io: &mut *io, log: &mut self.parts.log },
            policies: &self.parts.policies,
            limits: &self.parts.limits,
            retry: &self.parts.retry,
            recovery: &self.parts.recovery,
            page: self.parts.page,
            session_key: &self.parts.session_key,
            emission_key: &self.parts.emission_key,
            counters: &self.parts.counters,
            serial: &mut self.serial,
            has_others: self.busy.max(self.busy_before) > 1,
            has_more: &mut has_more,
        };
        let result = caught(|| work(state, &mut turn));
        if has_more && !self.unfinished.contains(&tenant) {
            self.unfinished.push(tenant);
        }
        match result {
            Ok(result) => {
                self.set_timer(io, tenant);
                Some(result)
            }
            Err(Panicked) => {
                self.drop_tenant(io, tenant);
                None
            }
        }
    }

    /// Sets a tenant's timer for what it has to do next.
    fn set_timer(&mut self, io: &mut Reactor, tenant: u32) {
        let next_ms = self.tenants.get(tenant as usize).and_then(Tenant::next_deadline_ms);
        if let Some(due_ms) = next_ms
            && self.timers[tenant as usize].sets(due_ms)
        {
            io.schedule(due_ms.saturating_sub(io.now_ms()), u64::from(tenant));
        }
    }

    /// Lets go of what has expired: sessions, and what retention says of tenants that have become quiet.
    fn sweep(&mut self, io: &mut Reactor) {
        let now_ms = self.clock.unix_ms();
        self.sweeps = self.sweeps.wrapping_add(1);
        let tenants: Vec<u32> =
            self.tenants.iter().filter_map(|(tenant, _)| u32::try_from(tenant).ok()).collect();
        for tenant in tenants {
            let sweep = self.sweeps;
            self.with_tenant(io, tenant, |tenant, turn| {
                tenant.renew_sessions(turn, sweep);
                tenant.expire_sessions(now_ms);
                tenant.forget_users(turn);
            });
        }
        // One shard speaks for all.
        if self.parts.index == 0 && self.parts.log.log().trim(now_ms).is_err() {
            tracing::warn!("the log does not trim: it is full or has failed");
        }
        io.schedule(self.parts.recovery.sweep_ms, SWEEP);
    }

    fn open_tenant(&mut self, id: &TenantId) -> u32 {
        if let Some(tenant) = self.by_name.get(id) {
            return *tenant;
        }
        let tenant =
            u32::try_from(self.tenants.insert(Tenant::new(id.clone()))).unwrap_or(u32::MAX);
        self.by_name.insert(id.clone(), tenant);
        // A tenant's place is never another's.
        self.timers.resize(self.tenants.len(), TenantTimer::default());
        tenant
    }

    fn turn_away(&self, refusal: &Refusal) -> Verdict<Admission> {
        self.parts.counters.handshakes_refused.add(1);
        self.parts.counters.refusals.add(refusal.code());
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

    fn watch_expiry(&self, io: &mut Reactor, client: ClientKey, expires_at_s: u64) {
        let left_ms = expires_at_s.saturating_mul(1_000).saturating_sub(self.clock.wall_ms());
        io.set_alarm(client, left_ms.min(ALARM_MS_MAX));
    }

    fn depart(&mut self, io: &mut Reactor, client: ClientKey, reason: &'static str) {
        let Some(tag) = Tag::of(io, client) else { return };
        io.set_tag(client, 0);
        let kept = self.with_tenant(io, tag.tenant, |tenant, turn| {
            tenant.keep_for_return(turn, tag.place);
            tenant.forget_users(turn);
        });
        let wall_ms = self.clock.wall_ms();
        let departed = self.contained(io, tag.tenant, |shard, _| {
            let tenant = shard.tenants.get_mut(tag.tenant as usize)?;
            let gone = tenant.depart(tag.place)?;
            connection_lines::disconnected(&tenant.id, &gone, reason, wall_ms);
            Some(tenant.members.is_empty())
        });
        let departed = kept.and(departed);
        let counters = &self.parts.counters;
        let is_last = match departed {
            Some(Some(is_last)) => is_last,
            Some(None) => return,
            // The others are counted already; this one had no tag any more.
            None => false,
        };
        counters.connections.sub(1);
        counters.connections_closed.add(1);
        counters.disconnects.add(reason);
        counters.tenants.sub(u64::from(is_last));
    }
}

/// Panics where a test's event asks for it.
#[cfg(test)]
pub(crate) fn panic_if_planted(argument: &str) {
    assert!(!argument.contains("planted panic"), "a test planted it");
}
