//! What the model is given: a file of measured figures and of assumptions.

use serde::Deserialize;

/// A figure that was measured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) value: f64,
    /// Whether nothing else ran on the machine. Where something did, the value is a placeholder.
    pub(super) quiet: bool,
    /// What measures it, and where in its output it stands.
    pub(super) command: String,
    pub(super) row: String,
    pub(super) column: String,
}

/// What nobody measured. What each is, the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assumed {
    pub(super) orders_per_minute: f64,
    pub(super) location_seconds: f64,
    pub(super) location_every_seconds: f64,
    pub(super) reconnects_per_second: f64,
    pub(super) heartbeat_seconds: f64,
    pub(super) log_mib: f64,
    pub(super) node_cores: f64,
    pub(super) node_memory_gib: f64,
    pub(super) node_busy: f64,
    pub(super) node_connections_max: f64,
    pub(super) node_spares: f64,
    pub(super) redis_busy: f64,
    pub(super) redis_memory_gib: f64,
    pub(super) redis_memory_busy: f64,
}

/// Tenants of one size.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantSize {
    /// Of all tenants, from 0 to 1.
    pub(super) share: f64,
    pub(super) connections: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    pub(super) measured: Vec<Measure>,
    pub(super) assumed: Assumed,
    pub(super) tenants: Vec<TenantSize>,
    #[serde(skip)]
    pub(super) costs: Costs,
}

/// The measured figures by what they mean; times are microseconds of CPU.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Costs {
    pub(super) durable: EventCosts,
    pub(super) volatile: EventCosts,
    pub(super) delivery_us: f64,
    pub(super) event_bytes: f64,
    pub(super) redis_event_bytes: f64,
    pub(super) connection_kib: f64,
    pub(super) connect_us: f64,
    pub(super) tenant_kib: f64,
}

/// What an event costs beside its deliveries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EventCosts {
    /// The node where it is published.
    pub(super) publish_us: f64,
    /// Each further node.
    pub(super) follow_us: f64,
    /// Redis, where no other node follows.
    pub(super) redis_us: f64,
    /// Redis, for each further node.
    pub(super) redis_follow_us: f64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InputsError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("`measured` has no figure with the name {0}")]
    Missing(&'static str),
    #[error("shares of tenants add up to {0}, not to 1")]
    Shares(f64),
    #[error("{0} is not greater than 0")]
    NotPositive(String),
}

impl Inputs {
    /// # Errors
    /// The text is not such a file, or says something that cannot be.
    pub(super) fn parse(text: &str) -> Result<Self, InputsError> {
        let mut inputs: Self = toml::from_str(text)?;
        if let Some(measure) = inputs.measured.iter().find(|measure| measure.value <= 0.0) {
            return Err(InputsError::NotPositive(measure.name.clone()));
        }
        let shares: f64 = inputs.tenants.iter().map(|size| size.share).sum();
        if (shares - 1.0).abs() > 1e-6 {
            return Err(InputsError::Shares(shares));
        }
        inputs.costs = inputs.costs()?;
        Ok(inputs)
    }

    fn costs(&self) -> Result<Costs, InputsError> {
        let value = |name| {
            let found = self.measured.iter().find(|measure| measure.name == name);
            found.map(|measure| measure.value).ok_or(InputsError::Missing(name))
        };
        let delivery_us = value("delivery_us")?;
        let event = |nodes: [&'static str; 2], redis: [&'static str; 2]| {
            let [one, four] = [value(nodes[0])?, value(nodes[1])?];
            let [redis_one, redis_four] = [value(redis[0])?, value(redis[1])?];
            Ok::<_, InputsError>(EventCosts {
                // The load that was measured has ten deliveries for each event.
                publish_us: (one - 10.0 * delivery_us).max(0.0),
                follow_us: ((four - one) / 3.0).max(0.0),
                redis_us: redis_one,
                redis_follow_us: ((redis_four - redis_one) / 3.0).max(0.0),
            })
        };
        Ok(Costs {
            durable: event(
                ["event_us_1_node", "event_us_4_nodes"],
                ["redis_event_us_1_node", "redis_event_us_4_nodes"],
            )?,
            volatile: event(
                ["volatile_us_1_node", "volatile_us_4_nodes"],
                ["redis_volatile_us_1_node", "redis_volatile_us_4_nodes"],
            )?,
            delivery_us,
            event_bytes: value("event_bytes")?,
            redis_event_bytes: value("redis_event_bytes")?,
            connection_kib: value("connection_kib")?,
            connect_us: value("connect_us")?,
            tenant_kib: value("tenant_kib")?,
        })
    }

    /// Connections of a tenant, on average.
    pub(super) fn mean_connections(&self) -> f64 {
        self.tenants.iter().map(|size| size.share * f64::from(size.connections)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_what_cannot_be_is_refused() {
        let text = include_str!("../../capacity.toml");
        assert!(Inputs::parse(text).is_ok());
        let missing = text.replace("name = \"connect_us\"", "name = \"other\"");
        assert!(matches!(Inputs::parse(&missing), Err(InputsError::Missing("connect_us"))));
        let shares = text.replace("share = 0.90", "share = 0.80");
        assert!(matches!(Inputs::parse(&shares), Err(InputsError::Shares(_))));
    }
}
