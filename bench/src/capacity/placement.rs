//! Tenants of a hub on its nodes, connection by connection.

use super::inputs::Inputs;
use super::model::Hubs;
use crate::chance::Chance;

/// What a hub's nodes look like once everybody has come.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) tenants: f64,
    /// Nodes that follow a tenant's log: on average over tenants, of the smallest and of the largest size.
    pub(super) followers_mean: f64,
    pub(super) followers_smallest: f64,
    pub(super) followers_largest: f64,
    /// Tenants that a node follows, and durable events a second that come to it.
    pub(super) followed: Spread,
    pub(super) events: Spread,
    /// Durable events a second that a node would see if it saw only its own clients'.
    pub(super) own_events: f64,
    /// Of the largest tenant: events a second, and connections at its fullest node.
    pub(super) largest_events: f64,
    pub(super) largest_at_node: f64,
    /// Messages a second that Redis sends to nodes.
    pub(super) published: f64,
}

/// Of nodes: on average, and at the one with the most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let most = values.iter().copied().fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let count = values.len() as f64;
        Self { mean: values.iter().sum::<f64>() / count, most }
    }
}

impl Placement {
    /// Lets everybody of a hub come in a random order through a round-robin balancer. The same each time.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn simulate(inputs: &Inputs, hubs: &Hubs) -> Self {
        let sizes = sizes(inputs, hubs.load.tenants);
        let nodes = hubs.nodes as usize;
        let mut arrivals: Vec<u32> = Vec::new();
        for (tenant, &connections) in sizes.iter().enumerate() {
            let tenant = u32::try_from(tenant).unwrap_or(u32::MAX);
            arrivals.extend(std::iter::repeat_n(tenant, connections as usize));
        }
        shuffle(&mut arrivals);
        let connections = arrivals.len() as f64;
        // Sorted, the connections of a tenant at a node stand behind each other.
        let mut places: Vec<(u32, usize)> =
            arrivals.into_iter().enumerate().map(|(at, tenant)| (tenant, at % nodes)).collect();
        places.sort_unstable();
        let events_of =
            |connections: u32| hubs.load.durable * f64::from(connections) / connections_of(hubs);
        let mut followers = vec![0_u32; sizes.len()];
        let (mut followed, mut events) = (vec![0.0; nodes], vec![0.0; nodes]);
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let mut largest_at_node = 0;
        for group in places.chunk_by(|one, other| one == other) {
            let (tenant, node) = group[0];
            let size = sizes[tenant as usize];
            followers[tenant as usize] += 1;
            followed[node] += 1.0;
            events[node] += events_of(size);
            if size == largest {
                largest_at_node = largest_at_node.max(group.len());
            }
        }
        let mean_of = |size: Option<u32>| {
            let of_size = sizes.iter().zip(&followers);
            let of_size = of_size.filter(|(it, _)| size.is_none_or(|size| **it == size));
            let (count, sum) = of_size
                .fold((0.0, 0.0), |(count, sum), (_, &at)| (count + 1.0, sum + f64::from(at)));
            sum / count
        };
        Self {
            tenants: sizes.len() as f64,
            followers_mean: mean_of(None),
            followers_smallest: mean_of(sizes.iter().copied().min()),
            followers_largest: mean_of(Some(largest)),
            followed: Spread::of(&followed),
            own_events: hubs.load.durable * connections / connections_of(hubs) / nodes as f64,
            largest_events: events_of(largest),
            largest_at_node: largest_at_node as f64,
            published: events.iter().sum(),
            events: Spread::of(&events),
        }
    }
}

fn connections_of(hubs: &Hubs) -> f64 {
    hubs.load.connections
}

/// A size for each of so many tenants, as the shares say. Of a size that is rarer than a tenant there is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a hub has far fewer tenants than 2^32"
)]
fn sizes(inputs: &Inputs, tenants: f64) -> Vec<u32> {
    let of_size = inputs.tenants.iter().flat_map(|size| {
        let count = (size.share * tenants).round() as usize;
        std::iter::repeat_n(size.connections, count)
    });
    of_size.collect()
}

/// Fisher and Yates.
fn shuffle(values: &mut [u32]) {
    let mut chance = Chance::new(1);
    for last in (1..values.len()).rev() {
        values.swap(last, chance.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Balancer, Load};
    use super::*;

    #[test]
    fn what_is_simulated_is_what_the_model_computes() {
        let inputs = Inputs::parse(include_str!("../../capacity.toml")).unwrap();
        let load = Load::of(&inputs, 200_000.0);
        let hubs = Hubs::for_load(&inputs, load, Balancer::RoundRobin).unwrap();
        let placement = Placement::simulate(&inputs, &hubs);
        let durable = placement.own_events * f64::from(hubs.nodes);
        let followers = placement.published / durable;
        assert!((followers / hubs.followers - 1.0).abs() < 0.05, "{followers} {hubs:?}");
        assert!(placement.followed.most <= 1.1 * placement.followed.mean, "{placement:?}");
    }
}
