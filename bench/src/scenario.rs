//! The loads by name. Each runs against a server of its own, so that none inherits another's memory.

use clap::ValueEnum;
use serde::Serialize;

use crate::contender::Contender;
use crate::dialect::Dialect;
use crate::metric::Cell;
use crate::workload::fan_out::{self, Rooms};
use crate::workload::{
    Fixture, WorkloadError, http_publish, http_single, idle, idle_streams, noisy, orders, replay,
    request, scale, steady, upstream, webhooks,
};

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One room of 1 000, one publisher, 1 and 16 in flight
    FanOutLarge,
    /// 100 rooms of 10, a publisher in each, 1 and 16 in flight
    FanOutSmall,
    /// Emit with acknowledgement, 1 in flight
    Request,
    /// 20 000 deliveries/s in 100 rooms of 10
    Steady,
    /// 10 000 connections in three rooms each
    Idle10k,
    /// 19 000 connections in three rooms each
    Idle19k,
    /// 10 000 streams of server-sent events (hub only)
    IdleStreams10k,
    /// A delivery's cost among 10, 1 000 and 100 000 rooms
    ScaleRooms,
    /// A delivery's cost among 1, 100 and 10 000 tenants (hub only)
    ScaleTenants,
    /// One tenant's p99 while another floods at ten times its limit (hub only)
    NoisyNeighbour,
    /// What 1 000 tenants keep in memory that had 10 000 orders each (hub only)
    TenantOrders1k,
    /// The same of 10 000 tenants: takes minutes, and 10 GiB of disk (hub only)
    TenantOrders10k,
    /// A client comes back that has missed 100 000 events (hub only)
    Replay,
    /// A back end publishes batches of 50 over HTTP, each event to 10 subscribers (hub only)
    HttpPublish,
    /// A back end publishes durable events one by one over HTTP, 50 in flight, each to 10 subscribers (hub and express only)
    HttpSingle,
    /// A client's request that a back end answers at once, 1 in flight (hub only)
    Upstream,
    /// A back end publishes, and another is told by webhook (hub only)
    Webhooks,
}

impl Scenario {
    /// Whether the load means anything to a server: peers know neither tenants nor limits, and only one of them keeps events.
    pub(crate) fn applies_to(self, contender: Contender) -> bool {
        if contender == Contender::Express {
            return self == Self::HttpSingle;
        }
        contender.dialect() == Dialect::Hub
            || !matches!(
                self,
                Self::ScaleTenants
                    | Self::NoisyNeighbour
                    | Self::Replay
                    | Self::HttpPublish
                    | Self::HttpSingle
                    | Self::Upstream
                    | Self::Webhooks
                    | Self::IdleStreams10k
                    | Self::TenantOrders1k
                    | Self::TenantOrders10k
            )
    }

    /// Whether the hub runs with its limits on tenants as a production server would.
    pub(crate) fn needs_limits(self) -> bool {
        self == Self::NoisyNeighbour
    }

    /// Whether there is a business back end beside the hub.
    pub(crate) fn needs_back_end(self) -> bool {
        matches!(self, Self::Upstream | Self::Webhooks)
    }

    /// Whether a quick run does without it.
    pub(crate) fn is_long(self) -> bool {
        matches!(self, Self::Idle19k | Self::TenantOrders1k | Self::TenantOrders10k)
    }

    /// Who is where, for a load that two servers can have in turns.
    pub(crate) fn rooms(self) -> Option<Rooms> {
        match self {
            Self::FanOutLarge => Some(fan_out::ONE_LARGE),
            Self::FanOutSmall => Some(fan_out::MANY_SMALL),
            _ => None,
        }
    }

    /// Runs the load. `limit_events_per_second` is what the hub's limited configuration allows a tenant.
    pub(crate) fn run(
        self,
        fixture: &mut Fixture,
        limit_events_per_second: u32,
    ) -> Result<Vec<Cell>, WorkloadError> {
        match self {
            Self::FanOutLarge => fan_out::run(fixture, fan_out::ONE_LARGE),
            Self::FanOutSmall => fan_out::run(fixture, fan_out::MANY_SMALL),
            Self::Request => request::run(fixture),
            Self::Steady => steady::run(fixture),
            Self::Idle10k => idle::run(fixture, 10_000),
            Self::Idle19k => idle::run(fixture, 19_000),
            Self::IdleStreams10k => idle_streams::run(fixture, 10_000),
            Self::ScaleRooms => scale::rooms(fixture),
            Self::ScaleTenants => scale::tenants(fixture),
            Self::NoisyNeighbour => noisy::run(fixture, limit_events_per_second),
            Self::TenantOrders1k => orders::run(fixture, 1_000),
            Self::TenantOrders10k => orders::run(fixture, 10_000),
            Self::Replay => replay::run(fixture),
            Self::HttpPublish => http_publish::run(fixture),
            Self::HttpSingle => http_single::run(fixture),
            Self::Upstream => upstream::run(fixture),
            Self::Webhooks => webhooks::run(fixture),
        }
    }
}
