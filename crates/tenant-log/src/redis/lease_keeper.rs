//! The task that keeps the duties that this node has, claims those that it wants, and finds those that nobody has any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashSet;
use foodtrack_contract::TenantId;
use redis::{Cmd, RedisError, Value};
use tokio::time::MissedTickBehavior;

use super::follower::{UNHEARD, unix_ms};
use super::known_places::KnownPlaces;
use super::lease_table::{DutyOf, LeaseTable, Round};
use super::link::Link;
use super::pipeline::{CommandBuilder, call};
use super::queue::{Command, Opening, Queue};
use super::scripts;
use super::values::{array, bytes, number, text};
use super::worker::Tell;
use crate::{Completion, Duty, Lease, Openings};

/// How many duties are claimed in one pipeline.
const CLAIMED_TOGETHER_MAX: usize = 512;
/// How many duties that nobody has any more are taken up by one node in one round.
const ABANDONED_MAX: usize = 64;
/// How long giving duties back may hold up the end of the node.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(1);
/// How many commands a claim is.
const CLAIM_COMMANDS: usize = 2;
/// What stands before a node's name.
const NODE: &str = "node ";

/// What a duty is called where those of all tenants are.
fn member((tenant, duty): &DutyOf) -> String {
    format!("{} {}", tenant.as_str(), duty.name())
}

fn read_member(member: &Value) -> Option<DutyOf> {
    let (tenant, duty) = text(member)?.split_once(' ')?;
    Some((TenantId::parse(tenant).ok()?, Duty::from_name(duty)?))
}

/// Reads the answer to a claim that was asked at `asked_at`: `None` where it cannot be understood, `Some(None)` where another node
/// has the duty.
pub(super) fn read_claim(
    answer: &Value,
    asked_at: Instant,
    time: Duration,
) -> Option<Option<Lease>> {
    let token: u64 = number(answer)?;
    // Clocks do not run alike: this node stops a little before another one can begin.
    let until = asked_at + time.mul_f64(0.8);
    Some((token > 0).then(|| Lease::new(token, until)))
}

impl CommandBuilder {
    /// Claims a duty, or keeps it for longer.
    pub(super) fn claim(&self, (tenant, duty): &DutyOf, has: Option<Lease>) -> Cmd {
        let keys = [self.keys.lease(tenant, duty), self.keys.tokens(tenant)];
        let mut claim = call(&scripts::LEASE, &keys);
        claim.arg(self.node_name()).arg(duty.name()).arg(millis(self.options.lease));
        match has {
            Some(lease) => claim.arg(lease.token()),
            None => claim.arg(""),
        };
        claim
    }

    /// Notes for all nodes that somebody has a duty. It goes behind the claim: what is given back is not looked for any more, and before it
    /// is free.
    pub(super) fn note_claim(&self, of: &DutyOf) -> Cmd {
        let ends_ms = unix_ms().saturating_add(millis(self.options.lease));
        let mut command = redis::cmd("ZADD");
        command.arg(self.keys.leases()).arg("NX").arg(ends_ms).arg(member(of));
        command
    }

    /// This node, as leases name it.
    pub(super) fn node_name(&self) -> String {
        format!("{:016x}", u64::from_le_bytes(self.node))
    }

    fn give_back(&self, (tenant, duty): &DutyOf, lease: Lease) -> Cmd {
        let mut command = call(&scripts::GIVE_BACK, &[self.keys.lease(tenant, duty)]);
        command.arg(format!("{} {}", lease.token(), self.node_name()));
        command
    }

    fn roll_call(&self, held: &[DutyOf]) -> Cmd {
        let mut command = call(&scripts::ROLL_CALL, &[self.keys.leases(), self.keys.alive()]);
        command.arg(format!("{NODE}{}", self.node_name())).arg(millis(self.options.lease));
        command.arg(ABANDONED_MAX);
        held.iter().for_each(|of| _ = command.arg(member(of)));
        command
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Tenants that are open here.
#[derive(Clone)]
pub(super) struct OpenTenants {
    pub(super) known: Arc<KnownPlaces>,
    pub(super) queue: Queue,
    pub(super) openings: Arc<Openings>,
}

impl OpenTenants {
    /// Has them told anew what stands beside their logs.
    fn refresh(&self) {
        let now_ms = unix_ms();
        for tenant in self.known.tenants() {
            let noted_meanwhile = self.openings.begin(&tenant);
            let opening =
                Opening { now_ms, heard_since: UNHEARD, is_refresh: true, noted_meanwhile };
            // Where too much waits, Redis is about to be taken for gone.
            let _ = self.queue.send(Command::Open { tenant, opening });
        }
    }
}

pub(super) struct LeaseKeeper {
    builder: CommandBuilder,
    link: Link,
    tell: Tell,
    table: Arc<LeaseTable>,
    open: OpenTenants,
    /// There was a roll call before.
    has_called: bool,
    /// Of something that is no lease a line was written.
    has_warned: bool,
}

impl LeaseKeeper {
    pub(super) fn new(
        builder: CommandBuilder,
        link: Link,
        tell: Tell,
        table: Arc<LeaseTable>,
        open: OpenTenants,
    ) -> Self {
        Self { builder, link, tell, table, open, has_called: false, has_warned: false }
    }

    /// Goes on until the runtime ends.
    pub(super) async fn run(mut self) {
        let mut rounds = tokio::time::interval(self.builder.options.lease / 3);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_round = tokio::select! {
                _ = rounds.tick() => true,
                () = self.table.news() => false,
            };
            if let Err(error) = self.round(is_round).await {
                // What is not renewed ends by itself.
                tracing::debug!(%error, "leases wait for Redis");
            }
        }
    }

    async fn round(&mut self, is_round: bool) -> Result<(), RedisError> {
        let Round { mut claims, gives_back } = self.table.round();
        self.give_back(gives_back).await?;
        if !is_round {
            claims.retain(|(_, has)| has.is_none());
        }
        for claims in claims.chunks(CLAIMED_TOGETHER_MAX) {
            self.claim(claims).await?;
        }
        if is_round { self.call_the_roll().await } else { Ok(()) }
    }

    async fn claim(&mut self, claims: &[(DutyOf, Option<Lease>)]) -> Result<(), RedisError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for (of, has) in claims {
            pipeline.add_command(self.builder.claim(of, *has));
            pipeline.add_command(self.builder.note_claim(of));
        }
        let asked_at = Instant::now();
        let answers = self.link.run(&pipeline).await?;
        for ((of, has), answers) in claims.iter().zip(answers.chunks(CLAIM_COMMANDS)) {
            let Some(answer) = answers.first() else { continue };
            let claimed = match answer {
                Ok(answer) => read_claim(answer, asked_at, self.builder.options.lease),
                Err(error) => {
                    self.warn(of, error);
                    None
                }
            };
            let Some(lease) = claimed else { continue };
            if self.table.claimed(of, *has, lease) && self.table.is_wanted(of) {
                let (tenant, duty) = of.clone();
                self.tell.tell(Completion::Claimed { tenant, duty });
            }
        }
        Ok(())
    }

    fn warn(&mut self, (tenant, _): &DutyOf, error: &RedisError) {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(%error, tenant = tenant.as_str(), "what must be done once for a tenant cannot be claimed");
        }
    }

    /// Gives back what nothing is to be done for. First nobody looks for who has it, then it is free: whoever claims it says so
    /// behind that.
    async fn give_back(&mut self, leases: Vec<(DutyOf, Lease)>) -> Result<(), RedisError> {
        for leases in leases.chunks(CLAIMED_TOGETHER_MAX) {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for (of, lease) in leases {
                // One that may be another's by now is left to it.
                if lease.is_valid_at(Instant::now()) {
                    pipeline.cmd("ZREM").arg(self.builder.keys.leases()).arg(member(of));
                }
                pipeline.add_command(self.builder.give_back(of, *lease));
            }
            self.link.run(&pipeline).await?;
        }
        Ok(())
    }

    async fn call_the_roll(&mut self) -> Result<(), RedisError> {
        let held = self.table.held();
        let mut pipeline = redis::pipe();
        pipeline.add_command(self.builder.roll_call(&held)).ignore_errors();
        let answers = self.link.run(&pipeline).await?;
        let answer = match answers.into_iter().next() {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                if !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!(%error, "what other nodes leave behind is not found");
                }
                return Ok(());
            }
            None => return Ok(()),
        };
        let Some([ended, nodes, is_new]) = array(&answer) else { return Ok(()) };
        if std::mem::replace(&mut self.has_called, true) && *is_new == Value::Int(1) {
            // It was taken for gone: others may have told so of who is here.
            self.open.refresh();
        }
        let nodes = array(nodes).unwrap_or_default().iter().filter_map(text);
        let nodes: AHashSet<String> =
            nodes.filter_map(|it| it.strip_prefix(NODE)).map(str::to_owned).collect();
        if self.table.nodes_live(nodes) {
            self.look_again(held);
        }
        self.tell_abandoned(array(ended).unwrap_or_default()).await
    }

    /// A node has gone: who watches looks at what it leaves behind.
    fn look_again(&self, held: Vec<DutyOf>) {
        for (tenant, duty) in held.into_iter().filter(|(_, duty)| *duty == Duty::Watch) {
            self.tell.tell(Completion::Claimed { tenant, duty });
        }
    }

    async fn tell_abandoned(&mut self, ended: &[Value]) -> Result<(), RedisError> {
        let mut strange = redis::pipe();
        strange.ignore_errors();
        for ended in ended {
            match read_member(ended) {
                Some((tenant, duty)) if self.table.lease(&tenant, &duty).is_none() => {
                    self.tell.tell(Completion::Abandoned { tenant, duty });
                }
                Some(_) => {}
                None => {
                    let ended = bytes(ended).unwrap_or_default();
                    strange.cmd("ZREM").arg(self.builder.keys.leases()).arg(ended);
                }
            }
        }
        if !strange.is_empty() {
            tracing::warn!("what is no lease of this version stood among those of the cluster");
            self.link.run(&strange).await?;
        }
        Ok(())
    }

    /// Gives all back at once, since the node ends: the next round of another node finds it.
    pub(super) async fn end(mut self) {
        let leases = self.table.take_all();
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for (of, lease) in &leases {
            if lease.is_valid_at(Instant::now()) {
                pipeline.cmd("ZADD").arg(self.builder.keys.leases()).arg(0).arg(member(of));
            }
            pipeline.add_command(self.builder.give_back(of, *lease));
        }
        let name = self.builder.node_name();
        pipeline.cmd("ZREM").arg(self.builder.keys.alive()).arg(format!("{NODE}{name}"));
        let mut retention = call(&scripts::GIVE_BACK, &[self.builder.keys.retention()]);
        retention.arg(name);
        pipeline.add_command(retention);
        // What is not given back ends by itself.
        let _ = tokio::time::timeout(GIVE_BACK_WITHIN, self.link.run(&pipeline)).await;
    }
}
