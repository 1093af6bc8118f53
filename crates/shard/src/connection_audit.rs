//! Who keeps account of connections.

use foodtrack_contract::ErrorCode;
use foodtrack_tenant::ConnectionNews;

/// Keeps account of connections. A shard tells it while it serves others: it must hand on what it wants and return at once.
pub trait ConnectionAudit: Send + Sync {
    /// Something became of somebody's connection.
    fn tell(&self, news: &ConnectionNews<'_>);

    /// Somebody was refused of whom nothing is known.
    fn stranger_refused(&self, code: ErrorCode);
}
