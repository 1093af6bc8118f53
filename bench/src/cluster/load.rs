//! Tenants with a publisher and receivers each, at a fixed rate, on several nodes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::ClusterServer;
use crate::dialect::{Dialect, EVENT_BYTES, Refused, filled, refusal};
use crate::latencies::Latencies;
use crate::servers::Servers;
use crate::stamp::{self, PLACE, Template};
use crate::swarm::{Attention, Swarm};
use crate::workload::client::Client;
use crate::workload::steady::Metronome;
use crate::workload::{OPEN_TIMEOUT, Publishers, WorkloadError, room_name};

/// Of each tenant, the publisher included.
pub(super) const MEMBERS: usize = 10;

/// How long it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

impl Timing {
    pub(super) fn of_seconds(warm_up: u64, measured: u64) -> Self {
        Self { warm_up: Duration::from_secs(warm_up), measured: Duration::from_secs(measured) }
    }
}

/// At which node members of a tenant are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placing {
    /// Each tenant at all nodes.
    Spread,
    /// Each tenant at one node.
    Pinned,
}

impl Placing {
    /// A member's node. The publisher is member 0: tenants' publishers are at all nodes alike.
    fn node(self, tenant: usize, member: usize, nodes: usize) -> usize {
        match self {
            Self::Spread => (tenant + member) % nodes,
            Self::Pinned => tenant % nodes,
        }
    }
}

pub(super) struct Plan {
    pub(super) server: ClusterServer,
    pub(super) placing: Placing,
    pub(super) tenants: usize,
    pub(super) deliveries_per_second: u32,
}

/// What receivers have seen.
#[derive(Default)]
pub(super) struct Seen {
    /// At the publisher's node, itself included.
    pub(super) near: Latencies,
    /// At other nodes.
    pub(super) far: Latencies,
    /// Deliveries at each node.
    pub(super) at: Vec<u64>,
}

/// A load under way.
pub(super) struct Load {
    swarm: Swarm,
    publishers: Publishers,
    metronome: Metronome,
    /// The node of each client, and whether its tenant's publisher is there.
    places: Vec<(usize, bool)>,
    pub(super) events: u64,
    pub(super) seen: Seen,
}

impl Load {
    /// Connects everybody.
    pub(super) fn open(
        plan: &Plan,
        servers: &Servers,
        interrupted: &Arc<AtomicBool>,
    ) -> Result<Self, WorkloadError> {
        let dialect = plan.server.contender().dialect();
        let nodes = servers.living().len();
        if dialect == Dialect::Hub {
            (0..plan.tenants).try_for_each(|tenant| {
                Client::make_order(servers.address(0), &tenant_name(tenant), &room_name(tenant))
            })?;
        }
        let mut swarm = Swarm::new(dialect, servers.address(0), None, Arc::clone(interrupted))?;
        let (mut publishers, mut places) = (Publishers::default(), Vec::new());
        for node in 0..nodes {
            let mut members = Vec::new();
            for (tenant, member) in
                (0..plan.tenants).flat_map(|it| (0..MEMBERS).map(move |member| (it, member)))
            {
                if plan.placing.node(tenant, member, nodes) != node {
                    continue;
                }
                let room = room_name(tenant);
                if member == 0 {
                    publishers.add(places.len(), publication(dialect, &room));
                }
                places.push((node, plan.placing.node(tenant, 0, nodes) == node));
                let (name, user) = (tenant_name(tenant), format!("u{member}"));
                let member = crate::dialect::Member::new(dialect, &name, &user, vec![room])?;
                members.push((member, Attention::Watches));
            }
            swarm.turn_to(servers.address(node));
            swarm.open(members, OPEN_TIMEOUT)?;
        }
        let members = u32::try_from(MEMBERS).unwrap_or(u32::MAX);
        let metronome = Metronome::new((plan.deliveries_per_second / members).max(1));
        swarm.tick_every(metronome.period())?;
        let seen = Seen { at: vec![0; nodes], ..Seen::default() };
        Ok(Self { swarm, publishers, metronome, places, events: 0, seen })
    }

    /// Publishes at its rate until `is_over` says so.
    pub(super) fn play(&mut self, mut is_over: impl FnMut() -> bool) -> Result<(), WorkloadError> {
        while !is_over() {
            self.events += self.metronome.publish_due(&mut self.publishers, &mut self.swarm)?;
            let (places, seen) = (&self.places, &mut self.seen);
            self.swarm.turn(&mut |client, payload, _| take(places, seen, client, payload))?;
        }
        Ok(())
    }

    pub(super) fn play_for(&mut self, duration: Duration) -> Result<(), WorkloadError> {
        let end = Instant::now() + duration;
        self.metronome.begin();
        self.play(|| Instant::now() >= end)
    }

    /// Forgets what was seen so far.
    pub(super) fn begin(&mut self) {
        self.events = 0;
        self.seen = Seen { at: vec![0; self.seen.at.len()], ..Seen::default() };
    }
}

/// On the hub.
fn tenant_name(tenant: usize) -> String {
    format!("t{tenant}")
}

fn take(
    places: &[(usize, bool)],
    seen: &mut Seen,
    client: usize,
    payload: &[u8],
) -> Result<(), Refused> {
    let Some(sent_ns) = stamp::read(payload) else { return refusal(payload) };
    let took_ns = stamp::now_ns().saturating_sub(sent_ns);
    let (node, is_near) = places[client];
    seen.at[node] += 1;
    if is_near { &mut seen.near } else { &mut seen.far }.push(took_ns);
    Ok(())
}

/// An event to everyone in `room`, the sender included, that the server answers.
fn publication(dialect: Dialect, room: &str) -> Template {
    const EVENT: &str = "delivery:in_transit";
    let stamped = format!(r#"{{"orderId":"{room}","reason":"{PLACE}""#);
    Template::new(match dialect {
        Dialect::Hub => format!(r#"421["{EVENT}",{stamped}}}]"#),
        _ => {
            let wrapper = format!(r#"42["{EVENT}",]"#).len();
            let message = filled(&stamped, EVENT_BYTES - wrapper);
            format!(r#"421["pub",["{room}"],"{EVENT}",{message}]"#)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_tenant_is_at_one_node_and_a_spread_one_at_all() {
        for tenant in 0..8 {
            let nodes = |placing: Placing| {
                let mut nodes: Vec<_> =
                    (0..MEMBERS).map(|member| placing.node(tenant, member, 4)).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes
            };
            assert_eq!(nodes(Placing::Pinned), [tenant % 4]);
            assert_eq!(nodes(Placing::Spread), [0, 1, 2, 3]);
        }
    }

    #[test]
    fn what_is_published_is_asked_an_answer_for_and_carries_its_time() {
        for dialect in [Dialect::Hub, Dialect::SocketIo] {
            let mut event = publication(dialect, "o7");
            let sent = event.stamped(0xABCD).to_vec();
            assert!(sent.starts_with(b"421["));
            assert_eq!(stamp::read(&sent), Some(0xABCD));
        }
    }
}
