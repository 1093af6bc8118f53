//! Webhooks that come, change and go while the hub runs.
//!
//! A webhook that stays keeps where it is with each tenant, in memory as on disk: its next turn goes by its new terms, and the one that is
//! under way ends by its old ones. So nothing is told twice, and nothing is left out.

use std::io;
use std::sync::Arc;

use super::terms::Terms;
use super::webhook::Webhook;
use super::{Surroundings, Webhooks};
use crate::config::WebhookConfig;

/// Webhooks as they are to be: made, and not in force yet.
pub(crate) struct NextWebhooks {
    /// In the configuration's order.
    all: Vec<Arc<Webhook>>,
    fresh: Vec<Arc<Webhook>>,
    changed: Vec<(Arc<Webhook>, Arc<Terms>)>,
}

impl Webhooks {
    /// Makes what is new of these; nothing changes.
    ///
    /// # Errors
    /// No HTTP client can be made, or the system gives no thread.
    pub(crate) fn prepare(
        self: &Arc<Self>,
        said: &[WebhookConfig],
        around: &Surroundings,
    ) -> io::Result<NextWebhooks> {
        let next = self.next(said)?;
        if !next.all.is_empty() {
            self.start_thread(around)?;
        }
        Ok(next)
    }

    /// Has them take the place of those that were. New ones are told of what is accepted from now on. Waits for the disk.
    pub(crate) fn put_in_force(self: &Arc<Self>, next: NextWebhooks, around: &Surroundings) {
        let NextWebhooks { all, fresh, changed } = next;
        let is_news = !fresh.is_empty() || !changed.is_empty();
        if !is_news && all.len() == self.all.load().len() {
            return;
        }
        for (webhook, terms) in changed {
            webhook.change(terms);
        }
        self.begin_with(&*around.log, &all);
        let before = self.all.swap(Arc::new(all.clone()));
        let is_gone = |old: &&Arc<Webhook>| !all.iter().any(|it| Arc::ptr_eq(it, old));
        before.iter().filter(is_gone).for_each(|old| old.end());
        self.tell(&fresh, around);
    }

    /// What is there already stays, under new terms where those are other ones.
    pub(super) fn next(&self, said: &[WebhookConfig]) -> io::Result<NextWebhooks> {
        let now = self.all.load();
        let mut next = NextWebhooks { all: Vec::new(), fresh: Vec::new(), changed: Vec::new() };
        for said in said {
            let known = now.iter().find(|it| it.name == said.name);
            if let Some(known) = known.filter(|it| it.terms().said == *said) {
                next.all.push(Arc::clone(known));
                continue;
            }
            let terms = Terms::new(said, self.allowed.clone())?;
            if let Some(known) = known {
                next.changed.push((Arc::clone(known), Arc::new(terms)));
                next.all.push(Arc::clone(known));
            } else {
                let fresh = Arc::new(Webhook::new(terms, self.retry, &self.telemetry)?);
                next.fresh.push(Arc::clone(&fresh));
                next.all.push(fresh);
            }
        }
        Ok(next)
    }
}

impl NextWebhooks {
    pub(super) fn into_all(self) -> Vec<Arc<Webhook>> {
        self.all
    }
}
