//! What the HTTP handlers know of the running server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use foodtrack_contract::{Authenticate, Principal, Refusal};
use foodtrack_shard::{ConnectionManager, DeadLetters, EventBroadcaster, Running};

use crate::config::CheckedConfig;
use crate::data::Declarations;
use crate::health::{HealthStatus, Signs};
use crate::performance::Performance;
use crate::policy_book::PolicyBook;

/// How long a shard may take to count its connections before the node counts as unhealthy.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// The running server, seen by those who ask.
pub(crate) struct Hub {
    pub(crate) connections: ConnectionManager,
    pub(crate) broadcaster: EventBroadcaster,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) policies: Arc<PolicyBook>,
    pub(crate) declarations: Declarations,
    pub(crate) performance: Performance,
    pub(crate) config: CheckedConfig,
    authenticator: Arc<dyn Authenticate>,
    started_at: Instant,
    is_stopping: AtomicBool,
}

impl Hub {
    pub(crate) fn new(
        config: CheckedConfig,
        policies: Arc<PolicyBook>,
        declarations: Declarations,
        running: &Running,
        performance: Performance,
    ) -> Self {
        Self {
            connections: ConnectionManager::new(running.shards.clone()),
            broadcaster: EventBroadcaster::new(running.shards.clone()),
            dead_letters: DeadLetters::new(running.shards.clone(), Arc::clone(&running.log)),
            policies,
            declarations,
            performance,
            authenticator: config.authenticator(),
            config,
            started_at: Instant::now(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Who the token is.
    pub(crate) fn principal(&self, token: &str) -> Result<Principal, Refusal> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.authenticator.principal(token, since_epoch.as_secs())
    }

    pub(crate) fn uptime_s(&self) -> f64 {
        self.started_at.elapsed().as_secs_f64()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// From now on the node tells whoever asks to go elsewhere.
    pub(crate) fn begin_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The node's health. `connections` is what [`Hub::count`] gave.
    pub(crate) fn health(&self, connections: Option<usize>) -> HealthStatus {
        HealthStatus::of(&Signs {
            uptime_s: self.uptime_s(),
            connections,
            logs_away: self.performance.logs_away(),
            is_stopping: self.is_stopping(),
        })
    }

    /// Authenticated connections; `None` when a shard is stuck. Needs a tokio runtime with a clock.
    pub(crate) async fn count(&self) -> Option<usize> {
        let totals = tokio::time::timeout(COUNT_TIMEOUT, self.connections.totals()).await;
        totals.ok().map(|totals| totals.total)
    }
}
