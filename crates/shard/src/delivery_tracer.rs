//! Who traces events.

use foodtrack_tenant::DeliveryNews;

/// Traces events. A shard tells it while it serves others: it must hand on what it wants and return at once.
pub trait DeliveryTracer: Send + Sync {
    /// An event that came to this node was sent to everyone here whom it is for.
    fn delivered(&self, news: &DeliveryNews<'_>);
}
