//! The model: load of a number of connections, and the hubs that carry it. A hub is nodes with one Redis master, under a prefix of its own.

use super::inputs::{EventCosts, Inputs};
use crate::friday;

/// How a balancer gives connections to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    /// One node after the other, whoever comes.
    RoundRobin,
    /// A tenant's connections all come to one node.
    ByTenant,
}

/// So many hubs are looked at, and nodes of one, before it is said that it cannot be.
const HUBS_MAX: u32 = 4_096;
const NODES_MAX: u32 = 2_048;

/// What all connections do in a second of the peak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) connections: f64,
    pub(super) tenants: f64,
    pub(super) durable: f64,
    pub(super) volatile: f64,
    pub(super) deliveries: f64,
}

impl Load {
    pub(super) fn of(inputs: &Inputs, connections: f64) -> Self {
        let friday = friday::shape();
        let assumed = &inputs.assumed;
        let orders = connections / friday.people * assumed.orders_per_minute / 60.0;
        let durable = orders * friday.events_per_order;
        let volatile = orders * assumed.location_seconds / assumed.location_every_seconds;
        Self {
            connections,
            tenants: connections / inputs.mean_connections(),
            durable,
            volatile,
            deliveries: orders * friday.receipts_per_order
                + volatile * friday.receipts_per_location,
        }
    }

    fn over(self, hubs: u32) -> Self {
        let hubs = f64::from(hubs);
        Self {
            connections: self.connections / hubs,
            tenants: self.tenants / hubs,
            durable: self.durable / hubs,
            volatile: self.volatile / hubs,
            deliveries: self.deliveries / hubs,
        }
    }
}

/// What carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hubs {
    pub(super) hubs: u32,
    /// Of each hub, those that may be down included.
    pub(super) nodes: u32,
    /// What each hub has to do.
    pub(super) load: Load,
    /// Nodes that follow the log of an event's tenant, on average over events.
    pub(super) followers: f64,
    /// Of a hub's nodes together: cores that are busy.
    pub(super) node_cores: f64,
    /// Of each node.
    pub(super) node_gib: f64,
    /// Of each hub's master: cores that are busy, of the one that it has.
    pub(super) redis_cores: f64,
    pub(super) redis_gib: f64,
}

impl Hubs {
    /// The fewest hubs whose Redis bears them, with the fewest nodes; nothing where there are none.
    pub(super) fn for_load(inputs: &Inputs, load: Load, balancer: Balancer) -> Option<Self> {
        (1..=HUBS_MAX).find_map(|hubs| Self::of(inputs, load.over(hubs), hubs, balancer))
    }

    fn of(inputs: &Inputs, load: Load, hubs: u32, balancer: Balancer) -> Option<Self> {
        for needed in 1..=NODES_MAX {
            let it = Self::on(inputs, load, hubs, needed, balancer);
            // More nodes only make it more.
            if !it.redis_bears_it(inputs) {
                return None;
            }
            if it.nodes_bear_it(inputs, needed) {
                return Some(it);
            }
        }
        None
    }

    /// What hubs have to do, each on so many nodes beside those that may be down; whether they can or not.
    pub(super) fn on(
        inputs: &Inputs,
        load: Load,
        hubs: u32,
        needed: u32,
        balancer: Balancer,
    ) -> Self {
        let (costs, assumed) = (&inputs.costs, &inputs.assumed);
        let nodes = f64::from(needed);
        // Clients are at those that may be down as well, until they are.
        let all = nodes + assumed.node_spares;
        let followers = mean_followers(inputs, all, balancer);
        let event_us = |costs: EventCosts| costs.publish_us + (followers - 1.0) * costs.follow_us;
        let redis_us =
            |costs: EventCosts| costs.redis_us + (followers - 1.0) * costs.redis_follow_us;
        let events_us = |us: &dyn Fn(EventCosts) -> f64| {
            load.durable * us(costs.durable) + load.volatile * us(costs.volatile)
        };
        let whatever_else = load.deliveries * costs.delivery_us
            // A ping and its answer, about what two deliveries cost.
            + load.connections / assumed.heartbeat_seconds * 2.0 * costs.delivery_us
            + load.connections * assumed.reconnects_per_second * costs.connect_us;
        let tenants = load.tenants * mean_followers_of_tenants(inputs, all, balancer) / nodes;
        let kib = load.connections / nodes * costs.connection_kib + tenants * costs.tenant_kib;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful")]
        let spares = assumed.node_spares as u32;
        Self {
            hubs,
            nodes: needed + spares,
            load,
            followers,
            node_cores: (whatever_else + events_us(&event_us)) / 1e6,
            node_gib: kib / f64::from(1 << 20),
            redis_cores: events_us(&redis_us) / 1e6,
            redis_gib: redis_gib(inputs, load),
        }
    }

    fn redis_bears_it(&self, inputs: &Inputs) -> bool {
        let [core, memory] = self.redis_used(inputs);
        core <= 1.0 && memory <= 1.0
    }

    fn nodes_bear_it(&self, inputs: &Inputs, needed: u32) -> bool {
        let (nodes, assumed) = (f64::from(needed), &inputs.assumed);
        self.node_cores <= nodes * assumed.node_cores * assumed.node_busy
            && self.node_gib <= assumed.node_memory_gib * assumed.node_busy
            && self.load.connections <= nodes * assumed.node_connections_max
    }

    /// Which part is used of what a Redis may use of its core, and of its memory.
    pub(super) fn redis_used(&self, inputs: &Inputs) -> [f64; 2] {
        let assumed = &inputs.assumed;
        let memory = assumed.redis_memory_gib * assumed.redis_memory_busy;
        [self.redis_cores / assumed.redis_busy, self.redis_gib / memory]
    }

    /// The connections that one Redis bears, were there as many nodes as there are now.
    pub(super) fn connections_max(&self, inputs: &Inputs) -> f64 {
        let [core, memory] = self.redis_used(inputs);
        self.load.connections / core.max(memory)
    }
}

fn redis_gib(inputs: &Inputs, load: Load) -> f64 {
    /// What a log keeps whatever its age: `tenant_log::RETENTION_ENTRIES_MIN`.
    const ENTRIES: f64 = 65_536.0;
    let costs = &inputs.costs;
    let entries = (inputs.assumed.log_mib * f64::from(1 << 20) / costs.event_bytes).min(ENTRIES);
    load.tenants * entries * costs.redis_event_bytes / f64::from(1 << 30)
}

/// Nodes at which a tenant of so many connections is, on average.
fn followers(nodes: f64, connections: u32, balancer: Balancer) -> f64 {
    match balancer {
        Balancer::ByTenant => 1.0,
        Balancer::RoundRobin => nodes * (1.0 - (1.0 - 1.0 / nodes).powf(f64::from(connections))),
    }
}

/// On average over events, of which a tenant has as many as it has connections.
fn mean_followers(inputs: &Inputs, nodes: f64, balancer: Balancer) -> f64 {
    let sizes = inputs.tenants.iter();
    let weighed: f64 = sizes
        .map(|size| {
            let connections = f64::from(size.connections);
            size.share * connections * followers(nodes, size.connections, balancer)
        })
        .sum();
    weighed / inputs.mean_connections()
}

/// On average over tenants.
fn mean_followers_of_tenants(inputs: &Inputs, nodes: f64, balancer: Balancer) -> f64 {
    let sizes = inputs.tenants.iter();
    sizes.map(|size| size.share * followers(nodes, size.connections, balancer)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        Inputs::parse(include_str!("../../capacity.toml")).unwrap()
    }

    #[test]
    fn whatever_is_said_to_carry_a_load_has_room_for_it() {
        let inputs = inputs();
        for connections in [1e4, 1e5, 1e6, 1e7] {
            for balancer in [Balancer::RoundRobin, Balancer::ByTenant] {
                let load = Load::of(&inputs, connections);
                let hubs = Hubs::for_load(&inputs, load, balancer).unwrap();
                let needed = f64::from(hubs.nodes) - inputs.assumed.node_spares;
                assert!(hubs.redis_cores <= inputs.assumed.redis_busy);
                assert!(
                    hubs.node_cores
                        <= needed * inputs.assumed.node_cores * inputs.assumed.node_busy
                );
                let all = hubs.load.connections * f64::from(hubs.hubs);
                assert!((all - connections).abs() < 1.0);
            }
        }
    }

    #[test]
    fn a_tenant_is_at_no_more_nodes_than_there_are_and_than_it_has_connections() {
        for nodes in [1.0, 3.0, 50.0] {
            for connections in [1, 18, 2_000] {
                let at = followers(nodes, connections, Balancer::RoundRobin);
                assert!(at >= 1.0 - 1e-9 && at <= nodes.min(f64::from(connections)) + 1e-9);
            }
        }
        assert!((followers(3.0, 1_000, Balancer::RoundRobin) - 3.0).abs() < 1e-6);
    }
}
