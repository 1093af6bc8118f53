//! A node is killed that has thousands of sessions: how long it takes until all are back at the others, and what they missed.

mod audience;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;

use super::{ClusterReport, ClusterServer, Goal, prepare};
use crate::chance::Chance;
use crate::dialect::Dialect;
use crate::figures::Column;
use crate::machine::MachineOptions;
use crate::meter::Meter;
use crate::run::RunError;
use crate::servers::Servers;
use crate::swarm::{Swarm, SwarmError, check_deadline};
use crate::workload::WorkloadError;
use crate::workload::client::Client;
use audience::Audience;

/// Of each tenant, beside its publisher.
const SESSIONS: usize = 10;
/// The node that is killed; publishers are at the first one.
const VICTIM: usize = 1;
const OPEN_TIMEOUT: Duration = Duration::from_secs(300);
const HANDSHAKES_MAX: usize = 128;
/// How long is waited until everybody is back, and for how long nothing may come until all is over.
const BACK_TIMEOUT: Duration = Duration::from_secs(120);
const QUIET: Duration = Duration::from_secs(3);
const ALL_BACK: &str = "s from the kill until all were back";

#[derive(Args)]
pub(crate) struct RecoveryOptions {
    /// Servers, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [ClusterServer::Hub])]
    server: Vec<ClusterServer>,
    /// Sessions of the node that is killed, ten to a tenant
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=17_000))]
    sessions: u32,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    nodes: u32,
    /// Durable events a second, each to the ten sessions of a tenant, before, while and after the node is killed
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    events: u32,
    /// Chance of who comes back when, and to which node
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    machine: MachineOptions,
    /// Write the results there, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Kills a node of each server.
///
/// # Errors
/// A server is missing, refuses somebody at the beginning, or ends although nobody killed it; or not all come back.
pub(crate) fn run(options: &RecoveryOptions) -> Result<ClusterReport, RunError> {
    let (origin, interrupted) = prepare(&options.machine)?;
    let (mut columns, mut goals) = (Vec::new(), Vec::new());
    for &server in &options.server {
        let name = server.on(options.nodes as usize);
        let column = measure(server, options, &interrupted)
            .map_err(|source| RunError::Cluster { load: name.clone(), source })?;
        let goal =
            |figure, limit| Goal::new(format!("{name}: {figure}"), limit, column.get(figure));
        goals.extend(
            [goal(ALL_BACK, 8.0), goal("lost", 0.0), goal("repeated", 0.0)].into_iter().flatten(),
        );
        columns.push(column);
    }
    let how = format!(
        "{} sessions of a node that is killed, {} durable events/s for ten sessions each, clients come back after 0.5 to 1.5 s; servers and \
         Redis share a core",
        options.sessions, options.events
    );
    Ok(ClusterReport { origin, how, columns, goals })
}

fn measure(
    server: ClusterServer,
    options: &RecoveryOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Column, WorkloadError> {
    let mut servers = server.start(options.nodes as usize, "recovery", &options.machine)?;
    let dialect = server.contender().dialect();
    let swarm = Swarm::new(dialect, servers.address(0), None, Arc::clone(interrupted))?;
    let tenants = (options.sessions as usize).div_ceil(SESSIONS);
    let audience = Audience::new(dialect, tenants)?;
    if dialect == Dialect::Hub {
        (0..tenants).try_for_each(|tenant| {
            let (name, order) = (audience::tenant_name(tenant), audience::order(tenant));
            Client::make_order(servers.address(0), &name, &order)
        })?;
    }
    let period = Duration::from_secs(1) / options.events;
    let chance = Chance::new(options.seed);
    let mut evening =
        Recovery { swarm, audience, chance, period, next: Instant::now(), returns: Vec::new() };
    evening.open(&servers)?;
    evening.play_for(&servers, Duration::from_secs(3))?;
    let deadline = Instant::now() + BACK_TIMEOUT;
    let meter = Meter::start(&mut servers, options.machine.cores())?;
    servers.kill(VICTIM)?;
    evening.audience.node_is_killed();
    while evening.audience.away() > 0 {
        evening.publish()?;
        evening.turn(&servers)?;
        check_deadline(deadline, "coming back", BACK_TIMEOUT)?;
    }
    let used = meter.until_now(&mut servers)?;
    evening.play_for(&servers, Duration::from_secs(2))?;
    evening.settle(&servers)?;
    let mut column = Column::new(server.on(options.nodes as usize));
    verdict::add(&mut evening.audience, ALL_BACK, &mut column);
    used.add_cores(&servers, &mut column);
    Ok(column)
}

/// Clients who come back, and publishers who go on.
struct Recovery {
    swarm: Swarm,
    audience: Audience,
    chance: Chance,
    period: Duration,
    /// When the next event is published.
    next: Instant,
    /// Who comes back, and when.
    returns: Vec<(Instant, usize)>,
}

impl Recovery {
    /// Publishers come to the first node, sessions to the one that will be killed.
    fn open(&mut self, servers: &Servers) -> Result<(), WorkloadError> {
        self.swarm.tick_every(Duration::from_millis(2))?;
        let deadline = Instant::now() + OPEN_TIMEOUT;
        let (mut opened, all) = (0, self.audience.clients());
        while self.audience.here() < all {
            while opened < all && opened - self.audience.here() < HANDSHAKES_MAX {
                let node = if self.audience.is_publisher(opened) { 0 } else { VICTIM };
                self.swarm.open_line(opened, servers.address(node))?;
                opened += 1;
            }
            self.turn(servers)?;
            check_deadline(deadline, "connecting", OPEN_TIMEOUT)?;
        }
        self.next = Instant::now();
        Ok(())
    }

    fn play_for(&mut self, servers: &Servers, duration: Duration) -> Result<(), WorkloadError> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.publish()?;
            self.turn(servers)?;
        }
        Ok(())
    }

    /// Nobody publishes any more: waits until everything has been answered and nothing comes.
    fn settle(&mut self, servers: &Servers) -> Result<(), WorkloadError> {
        let deadline = Instant::now() + BACK_TIMEOUT;
        let (mut receipts, mut since) = (0, Instant::now());
        while since.elapsed() < QUIET && Instant::now() < deadline {
            self.turn(servers)?;
            let now = self.audience.receipts();
            if now != receipts {
                (receipts, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), SwarmError> {
        while self.next <= Instant::now() {
            self.next += self.period;
            let (publisher, event) = self.audience.next_event();
            self.swarm.send(publisher, event.as_bytes())?;
        }
        Ok(())
    }

    fn turn(&mut self, servers: &Servers) -> Result<(), SwarmError> {
        let audience = &mut self.audience;
        self.swarm.turn(&mut |client, payload, out| {
            audience.on_frame(client, payload, out);
            Ok(())
        })?;
        let turned_away = self.audience.take_turned_away();
        turned_away.iter().try_for_each(|&client| self.swarm.cut(client))?;
        let mut ended = self.swarm.take_gone();
        ended.extend(turned_away);
        let now = Instant::now();
        for client in ended {
            let delay_s = self.audience.leaves(client) * self.chance.between(0.5, 1.5);
            self.returns.push((now + Duration::from_secs_f64(delay_s), client));
        }
        let (due, later) = self.returns.iter().partition(|(at, _)| *at <= now);
        self.returns = later;
        let due: Vec<(Instant, usize)> = due;
        let living = servers.living();
        for (_, client) in due {
            let node = living[self.chance.below(living.len())];
            self.swarm.open_line(client, servers.address(node))?;
        }
        Ok(())
    }
}
