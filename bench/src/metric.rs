//! What is measured, and the cells that results consist of.

use std::collections::BTreeMap;

use serde::Serialize;

/// A measured quantity; the unit is in the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    CpuUsPerDelivery,
    CpuUserUsPerDelivery,
    DeliveriesPerSecond,
    CpuUsPerRequest,
    RssKibPerConnection,
    RssKibPerTenant,
    RssMib,
    CpuUsPerConnection,
    ConnectionsPerSecond,
    EventsPerSecond,
    LatencyUsP50,
    LatencyUsP99,
    LatencyUsP999,
    RefusedPerSecond,
    ConnectionsLost,
    EventBytes,
    ServerBusyPercent,
    /// Of the same core, what the server's Redis used.
    RedisBusyPercent,
    /// Near 100: the generator, not the server, was the bottleneck, and rates say nothing.
    ClientBusyPercent,
    /// Of both cores' time, what neither the server nor the generator used: somebody else was at work here.
    OthersBusyPercent,
}

impl Metric {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::CpuUsPerDelivery => "CPU us/delivery",
            Self::CpuUserUsPerDelivery => "of it user",
            Self::DeliveriesPerSecond => "deliveries/s",
            Self::CpuUsPerRequest => "CPU us/request",
            Self::RssKibPerConnection => "RSS KiB/connection",
            Self::RssKibPerTenant => "RSS KiB/tenant",
            Self::RssMib => "RSS MiB",
            Self::CpuUsPerConnection => "CPU us/new connection",
            Self::ConnectionsPerSecond => "connections/s",
            Self::EventsPerSecond => "events/s",
            Self::LatencyUsP50 => "p50 us",
            Self::LatencyUsP99 => "p99 us",
            Self::LatencyUsP999 => "p99.9 us",
            Self::RefusedPerSecond => "refused/s",
            Self::ConnectionsLost => "connections lost",
            Self::EventBytes => "event bytes",
            Self::ServerBusyPercent => "server core %",
            Self::RedisBusyPercent => "Redis, same core %",
            Self::ClientBusyPercent => "generator core %",
            Self::OthersBusyPercent => "others, both cores %",
        }
    }

    /// Whether a ratio between two servers says something; how busy a core was does not.
    pub(crate) fn compares(self) -> bool {
        !matches!(
            self,
            Self::EventBytes
                | Self::ServerBusyPercent
                | Self::RedisBusyPercent
                | Self::ClientBusyPercent
                | Self::OthersBusyPercent
        )
    }
}

/// What was measured under one load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) values: BTreeMap<Metric, f64>,
}

impl Cell {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: BTreeMap::new() }
    }

    /// Adds a value; one that could not be measured is left out.
    pub(crate) fn with(mut self, metric: Metric, value: impl Into<Option<f64>>) -> Self {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.values.insert(metric, value);
        }
        self
    }
}
