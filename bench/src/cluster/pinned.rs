//! Tenants that are at one node each: what a node costs must follow from its own, whatever the other nodes do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::load::{Load, Placing, Plan, Timing};
use super::{ClusterReport, ClusterServer, Goal, NodesOptions, prepare};
use crate::figures::Column;
use crate::meter::Meter;
use crate::run::RunError;
use crate::workload::WorkloadError;

const COST: &str = "a node: CPU us/delivery at its own clients, mean";

#[derive(Args)]
pub(crate) struct PinnedOptions {
    /// Deliveries a second at each node
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    rate: u32,
    /// Tenants of ten at each node
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=450))]
    tenants: u32,
    #[command(flatten)]
    pub(crate) nodes: NodesOptions,
}

/// Measures every server on every number of nodes.
///
/// # Errors
/// A server is missing, refuses an event, or has ended.
pub(crate) fn run(options: &PinnedOptions) -> Result<ClusterReport, RunError> {
    let (origin, interrupted) = prepare(&options.nodes.machine)?;
    let columns = options
        .nodes
        .measure(|server, nodes, timing| measure(server, nodes, timing, options, &interrupted))?;
    let (tenants, rate) = (options.tenants, options.rate);
    let how = format!(
        "{tenants} tenants of ten at each node and at no other, {rate} deliveries/s at each node; servers and Redis share a core"
    );
    let goals = options.nodes.server.iter().filter_map(|&server| {
        let costs =
            columns.iter().filter(|it| it.server().starts_with(&format!("{}, ", server.name())));
        let costs: Vec<f64> = costs.filter_map(|column| column.get(COST)).collect();
        let first = *costs.first().filter(|_| costs.len() > 1)?;
        let most = costs.iter().copied().fold(0.0, f64::max);
        let name = format!("{}: {COST}, dearest / fewest nodes", server.name());
        Goal::new(name, 1.2, most / first)
    });
    Ok(ClusterReport { origin, how, goals: goals.collect(), columns })
}

fn measure(
    server: ClusterServer,
    nodes: usize,
    timing: Timing,
    options: &PinnedOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Column, WorkloadError> {
    let machine = &options.nodes.machine;
    let mut servers = server.start(nodes, "pinned", machine)?;
    let of_all = u32::try_from(nodes).unwrap_or(u32::MAX);
    let plan = Plan {
        server,
        placing: Placing::Pinned,
        tenants: options.tenants as usize * nodes,
        deliveries_per_second: options.rate.saturating_mul(of_all),
    };
    let mut load = Load::open(&plan, &servers, interrupted)?;
    load.play_for(timing.warm_up)?;
    load.begin();
    let meter = Meter::start(&mut servers, machine.cores())?;
    load.play_for(timing.measured)?;
    let used = meter.until_now(&mut servers)?;
    let mut column = Column::new(server.on(nodes));
    let seconds = used.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let at: Vec<f64> = load.seen.at.iter().map(|&deliveries| deliveries as f64).collect();
    let deliveries: f64 = at.iter().sum();
    column.add("deliveries/s of all nodes", deliveries / seconds);
    let node_us = servers.nodes_used_us();
    column.add(COST, node_us.iter().sum::<f64>() / deliveries);
    for (number, (us, deliveries)) in node_us.iter().zip(&at).enumerate() {
        column.add(format!("node {}: CPU us/delivery", number + 1), us / deliveries);
    }
    column.add("Redis: CPU us/delivery", servers.redis_used_us() / deliveries);
    load.seen.near.sort();
    for (name, per_mille) in [("p50", 500), ("p99", 990)] {
        let ms = load.seen.near.percentile_us(per_mille).map(|us| us / 1_000.0);
        column.add(format!("{name} ms, emit to receipt"), ms);
    }
    used.add_cores(&servers, &mut column);
    Ok(column)
}
