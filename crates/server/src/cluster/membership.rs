//! A node's lease in Redis: renewed while the node lives, given up when it stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{NodeRegistry, NodeRegistryError};

use super::node_book::NodeBook;

/// A lease is renewed so many times before it could end.
const RENEWALS_PER_LEASE: u32 = 3;
/// However often somebody wants it, the nodes are not read more often.
const LOOKS_APART: Duration = Duration::from_millis(100);

/// Keeps the lease and the book.
pub(super) struct Membership {
    registry: NodeRegistry,
    book: Arc<NodeBook>,
    lease: Duration,
    has_failed: bool,
}

impl Membership {
    pub(super) fn new(registry: NodeRegistry, book: Arc<NodeBook>, lease: Duration) -> Self {
        Self { registry, book, lease, has_failed: false }
    }

    /// Renews the lease, and reads who else has one.
    pub(super) async fn renew(&mut self) {
        // Texts and numbers only: it cannot fail.
        let card = serde_json::to_vec(&self.book.own_card()).unwrap_or_default();
        let renewed = self.registry.renew(self.book.own_id().as_str(), &card, self.lease).await;
        // After the answer: the cluster's clock is rather late than early, by the way of one answer.
        let at = Instant::now();
        match renewed {
            Ok(census) => {
                if std::mem::take(&mut self.has_failed) {
                    tracing::info!("this node's lease in Redis is renewed again");
                }
                self.book.learn(census, at);
            }
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&mut self, error: &NodeRegistryError) {
        if !std::mem::replace(&mut self.has_failed, true) {
            tracing::warn!(%error, "this node's lease in Redis is not renewed: the nodes known last are taken to live");
        }
    }

    /// Renews it again and again.
    pub(super) async fn run(&mut self) {
        loop {
            tokio::time::sleep(LOOKS_APART).await;
            let pause = (self.lease / RENEWALS_PER_LEASE).saturating_sub(LOOKS_APART);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.book.wanted() => {}
            }
            self.renew().await;
        }
    }

    /// Gives the lease up, so that others know at their next look.
    pub(super) async fn leave(&mut self) {
        if let Err(error) = self.registry.leave(self.book.own_id().as_str()).await {
            tracing::debug!(%error, "the lease ends by itself");
        }
    }
}
