//! The way between two nodes: how much later an event is there, and what it costs nodes and Redis.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::load::{Load, Placing, Plan, Timing};
use super::{ClusterReport, ClusterServer, Goal, NodesOptions, prepare};
use crate::figures::Column;
use crate::latencies::Latencies;
use crate::meter::Meter;
use crate::redis::{self, Told};
use crate::run::RunError;
use crate::servers::Servers;
use crate::workload::WorkloadError;

/// How long commands are looked at one by one, once all else was measured.
const MONITORED: Duration = Duration::from_secs(1);
/// Commands that are called less often for each event are not listed.
const RARE: f64 = 0.01;

const ADDED_P50: &str = "added by the hop: p50 ms";
const ADDED_P99: &str = "added by the hop: p99 ms";
const FROM_CLIENTS: &str = "Redis commands/event that nodes send";
const ALL_COMMANDS: &str = "Redis commands/event, those in scripts included";
const REDIS_CPU: &str = "Redis: CPU us/event";
const CPU: &str = "nodes and Redis: CPU us/event";

#[derive(Args)]
pub(crate) struct HopOptions {
    /// Deliveries a second, of all nodes together
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    rate: u32,
    /// Tenants of ten, each at all nodes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_500))]
    tenants: u32,
    #[command(flatten)]
    pub(crate) nodes: NodesOptions,
}

/// Measures every server on every number of nodes.
///
/// # Errors
/// A server is missing, refuses an event, or has ended.
pub(crate) fn run(options: &HopOptions) -> Result<ClusterReport, RunError> {
    let (origin, interrupted) = prepare(&options.nodes.machine)?;
    let columns = options
        .nodes
        .measure(|server, nodes, timing| measure(server, nodes, timing, options, &interrupted))?;
    let (tenants, rate) = (options.tenants, options.rate);
    let how = format!(
        "{tenants} tenants of ten at all nodes, a publisher each, {rate} deliveries/s in all, one node after the other publishes; servers and \
         Redis share a core"
    );
    let goals = goals(&options.nodes, &columns);
    Ok(ClusterReport { origin, how, columns, goals })
}

fn measure(
    server: ClusterServer,
    nodes: usize,
    timing: Timing,
    options: &HopOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Column, WorkloadError> {
    let machine = &options.nodes.machine;
    let mut servers = server.start(nodes, "hop", machine)?;
    let placing = Placing::Spread;
    let (tenants, rate) = (options.tenants as usize, options.rate);
    let plan = Plan { server, placing, tenants, deliveries_per_second: rate };
    let mut load = Load::open(&plan, &servers, interrupted)?;
    load.play_for(timing.warm_up)?;
    let redis = servers.redis_address();
    let calls = || redis.map(redis::calls).transpose();
    let bytes = || redis.map(redis::used_bytes).transpose();
    load.begin();
    let (before, bytes_before) = (calls()?, bytes()?);
    let meter = Meter::start(&mut servers, machine.cores())?;
    load.play_for(timing.measured)?;
    let used = meter.until_now(&mut servers)?;
    let called = calls()?.zip(before).map(|(now, before)| since(now, &before));
    let grown = bytes()?.zip(bytes_before).map(|(now, before)| now.saturating_sub(before));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (events, deliveries) = (load.events as f64, load.seen.at.iter().sum::<u64>() as f64);
    let mut column = Column::new(server.on(nodes));
    let seconds = used.elapsed.as_secs_f64();
    column.add("events/s", events / seconds);
    column.add("deliveries/s", deliveries / seconds);
    add_latencies(&mut load, &mut column);
    let told = redis.map(|redis| monitor(&mut load, redis)).transpose()?;
    if let Some((called, told)) = called.zip(told) {
        add_commands(&called, &told, events, &mut column);
    }
    add_costs(&servers, events, deliveries, &mut column);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    column.add("Redis: memory, bytes/event", grown.map(|bytes| bytes as f64 / events));
    used.add_cores(&servers, &mut column);
    Ok(column)
}

fn since(mut now: BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    now.iter_mut().for_each(|(name, calls)| *calls -= before.get(name).copied().unwrap_or(0));
    // What this process asks.
    now.remove("info");
    now
}

/// What Redis is asked for a while under the load.
fn monitor(load: &mut Load, redis: SocketAddr) -> Result<BTreeMap<String, Told>, WorkloadError> {
    let told = thread::spawn(move || redis::monitor(redis, MONITORED));
    load.play(|| told.is_finished())?;
    let told = told.join().map_err(|_| std::io::Error::other("who counts commands panicked"))?;
    Ok(told?)
}

fn add_latencies(load: &mut Load, column: &mut Column) {
    let ms = |latencies: &mut Latencies, per_mille| {
        latencies.sort();
        latencies.percentile_us(per_mille).map(|us| us / 1_000.0)
    };
    let seen = &mut load.seen;
    for (name, added, per_mille) in
        [("p50 ms", ADDED_P50, 500), ("p99 ms", ADDED_P99, 990), ("p99.9 ms", "", 999)]
    {
        let (near, far) = (ms(&mut seen.near, per_mille), ms(&mut seen.far, per_mille));
        column.add(format!("emit to receipt, same node: {name}"), near);
        column.add(format!("emit to receipt, other node: {name}"), far);
        if !added.is_empty() {
            column.add(added, near.zip(far).map(|(near, far)| far - near));
        }
    }
}

/// Adds how often each command was called. Who calls it, `told` says: clients, or scripts.
fn add_commands(
    called: &BTreeMap<String, u64>,
    told: &BTreeMap<String, Told>,
    events: f64,
    column: &mut Column,
) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let commands: Vec<(&str, f64, f64)> = called
        .iter()
        .map(|(name, &calls)| {
            let Told { by_clients, by_scripts } = told.get(name).copied().unwrap_or_default();
            let told = f64::from(by_clients + by_scripts).max(1.0);
            let per_event = calls as f64 / events;
            (name.as_str(), per_event, per_event * f64::from(by_clients) / told)
        })
        .collect();
    column.add(FROM_CLIENTS, commands.iter().map(|(.., of_clients)| of_clients).sum::<f64>());
    column.add(ALL_COMMANDS, commands.iter().map(|(_, all, _)| all).sum::<f64>());
    for (name, all, of_clients) in commands {
        let name = name.to_uppercase();
        for (row, per_event) in [
            (format!("{name}, from nodes"), of_clients),
            (format!("{name}, in scripts"), all - of_clients),
        ] {
            column.add(row, (per_event >= RARE).then_some(per_event));
        }
    }
}

fn add_costs(servers: &Servers, events: f64, deliveries: f64, column: &mut Column) {
    let nodes = servers.nodes_used_us();
    let others = nodes.len().saturating_sub(1);
    let (of_nodes, of_redis) = (nodes.iter().sum::<f64>(), servers.redis_used_us());
    column.add("nodes: CPU us/event", of_nodes / events);
    column.add(REDIS_CPU, of_redis / events);
    column.add(CPU, (of_nodes + of_redis) / events);
    if others > 0 {
        // An event that comes to so many other nodes is as many messages between nodes.
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let messages = events * others as f64;
        column.add("nodes: CPU us/cross-node message", of_nodes / messages);
        column.add("Redis: CPU us/cross-node message", of_redis / messages);
    }
    column.add("nodes and Redis: CPU us/delivery", (of_nodes + of_redis) / deliveries);
}

fn goals(options: &NodesOptions, columns: &[Column]) -> Vec<Goal> {
    let column = |server: ClusterServer, nodes: usize| {
        columns.iter().find(|column| column.server() == server.on(nodes))
    };
    let mut goals = Vec::new();
    for &nodes in options.nodes.iter().filter(|&&nodes| nodes > 1) {
        let peer = column(ClusterServer::SocketioStreams, nodes);
        for server in [ClusterServer::Hub, ClusterServer::HubVolatile] {
            let Some(hub) = column(server, nodes) else { continue };
            let name = hub.server();
            goals.push(Goal::new(format!("{name}: {ADDED_P50}"), 1.5, hub.get(ADDED_P50)));
            goals.push(Goal::new(format!("{name}: {ADDED_P99}"), 5.0, hub.get(ADDED_P99)));
            for figure in [FROM_CLIENTS, ALL_COMMANDS, REDIS_CPU, CPU] {
                let ratio = hub.get(figure).zip(peer.and_then(|peer| peer.get(figure)));
                let ratio = ratio.map(|(hub, peer)| hub / peer);
                goals.push(Goal::new(format!("{name} / peer: {figure}"), 1.0, ratio));
            }
        }
    }
    goals.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_since_the_beginning_and_not_the_question_itself() {
        let calls = |calls: &[(&str, u64)]| {
            calls.iter().map(|&(name, calls)| (name.to_owned(), calls)).collect::<BTreeMap<_, _>>()
        };
        let before = calls(&[("evalsha", 10), ("info", 1)]);
        let now = calls(&[("evalsha", 30), ("hget", 7), ("info", 2)]);
        assert_eq!(since(now, &before), calls(&[("evalsha", 20), ("hget", 7)]));
    }
}
