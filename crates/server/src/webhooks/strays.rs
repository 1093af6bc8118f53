//! Duties of webhooks that this node does not have: they are given back, so that no node is told of them again and again.

use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{Duty, TenantLog};
use tokio::sync::Notify;

/// So many wait; further ones are told again.
const STRAYS_MAX: usize = 1_024;

/// Those that wait to be given back.
#[derive(Debug, Default)]
pub(super) struct Strays {
    waiting: Mutex<Vec<(TenantId, Duty)>>,
    news: Notify,
}

impl Strays {
    pub(super) fn add(&self, tenant: &TenantId, duty: Duty) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < STRAYS_MAX {
            waiting.push((tenant.clone(), duty));
            self.news.notify_one();
        }
    }

    /// Gives back what comes, without end.
    pub(super) async fn give_back(&self, log: &Arc<dyn TenantLog>) {
        loop {
            self.news.notified().await;
            let some =
                std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let log = Arc::clone(log);
            let given_back = tokio::task::spawn_blocking(move || {
                for (tenant, duty) in some {
                    // What is another's, or cannot be asked for, is told again.
                    if let Ok(Some(_)) = log.claim(&tenant, &duty) {
                        log.rest(&tenant, &duty);
                    }
                }
            });
            // It ends with the runtime alone.
            let _ = given_back.await;
        }
    }
}
