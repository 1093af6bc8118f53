//! Tenants that must be told anew what stands beside their logs: who writes finds out that this is due, and who follows asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::UnboundedSender;

use super::follower::Follow;

/// What the worker knows of them.
pub(super) struct Refreshes {
    follows: UnboundedSender<Follow>,
    /// The follower's number of its listening.
    listening: Arc<AtomicU64>,
    /// Redis did not answer one.
    is_owed: bool,
}

impl Refreshes {
    pub(super) fn new(follows: UnboundedSender<Follow>, listening: Arc<AtomicU64>) -> Self {
        Self { follows, listening, is_owed: false }
    }

    /// Redis did not answer one: it is asked for again once Redis answers.
    pub(super) fn refused(&mut self) {
        self.is_owed = true;
    }

    /// Redis answers again.
    pub(super) fn redis_answers(&mut self) {
        if std::mem::take(&mut self.is_owed) {
            self.ask();
        }
    }

    /// A tenant's log was opened, and everything is heard that was noted in a listening of this number. Another one may have begun since,
    /// when the log was not open yet.
    pub(super) fn opened(&self, heard_since: u64) {
        if self.listening.load(Ordering::Relaxed) != heard_since {
            self.ask();
        }
    }

    fn ask(&self) {
        // The follower may have ended.
        let _ = self.follows.send(Follow::Refresh);
    }
}
