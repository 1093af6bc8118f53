//! A webhook's dead letters: events that its receiver found fault with, posted once more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use foodtrack_contract::{ErrorCode, Offset, Refusal, TenantId};
use foodtrack_tenant_log::{ReadError, TenantLog, dead_letters_at};
use http::HeaderMap;

use super::receiver::Delivery;
use super::report::TestReport;
use super::webhook::{Webhook, now_ms};
use super::{Webhooks, reports};
use crate::log_report::{EntryReport, Reports};
use crate::policy_book::PolicyBook;

impl Webhooks {
    /// Posts the event of a dead letter to the webhook's receiver, alone. The letter goes once the receiver has taken it.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]: the tenant has no such webhook, the webhook no such letter, or retention has taken the event.
    /// [`ErrorCode::Overloaded`]: another letter of the webhook is posted at the moment. [`ErrorCode::Degraded`]: the log cannot be
    /// read. [`ErrorCode::Draining`]: the server starts or stops.
    pub(crate) async fn replay_letter(
        &self,
        log: &Arc<dyn TenantLog>,
        policies: &PolicyBook,
        tenant: &TenantId,
        (name, offset): (&str, Offset),
    ) -> Result<TestReport, Refusal> {
        let webhook = self.find(tenant, name)?;
        let (log, reports) = (Arc::clone(log), reports(policies, tenant));
        let draining = || Refusal::new(ErrorCode::Draining, "the server starts or stops");
        let runtime = self.runtime.get().ok_or_else(draining)?;
        let posted = runtime.spawn(async move { webhook.post_letter(&log, reports, offset).await });
        posted.await.map_err(|_| draining())?
    }
}

impl Webhook {
    async fn post_letter(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        reports: Reports,
        offset: Offset,
    ) -> Result<TestReport, Refusal> {
        let Ok(_turn) = self.letters.try_acquire() else {
            let sentence =
                "another dead letter of the webhook is posted at the moment; try again shortly";
            return Err(Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(1_000));
        };
        let tenant = &reports.tenant().clone();
        let (webhook, store) = (Arc::clone(self), Arc::clone(log));
        // It waits for the disk.
        let read = tokio::task::spawn_blocking(move || webhook.letter(&*store, &reports, offset));
        let event =
            read.await.map_err(|_| Refusal::new(ErrorCode::Draining, "the server stops"))??;
        let delivery = Delivery {
            webhook: &self.name,
            tenant_id: tenant.as_str(),
            is_test: false,
            is_after_gap: false,
            events: std::slice::from_ref(&event),
        };
        let terms = self.terms();
        let exchange = terms.receiver.post(&delivery, HeaderMap::new()).await;
        if exchange.outcome.is_ok() {
            self.health.note_success(now_ms());
            self.counts.delivered.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = log.remove_dead_letter(tenant, offset, &self.key) {
                tracing::error!(webhook = self.name, offset = offset.get(), %error, "a dead letter that was taken is still there");
            }
        }
        Ok(TestReport::new(&terms.receiver, exchange))
    }

    /// The event of a letter.
    fn letter(
        &self,
        log: &dyn TenantLog,
        reports: &Reports,
        offset: Offset,
    ) -> Result<EntryReport, Refusal> {
        let tenant = reports.tenant();
        let degraded = |error: ReadError| Refusal::new(ErrorCode::Degraded, error.to_string());
        let missing = |sentence: &'static str| Refusal::new(ErrorCode::NotFound, sentence);
        let none =
            "the webhook has no such dead letter; GET /api/v1/dead-letters lists what there is";
        let letters = dead_letters_at(offset, |after| log.dead_letters(tenant, after, 1));
        let letters = match letters {
            Err(ReadError::UnknownTenant(_)) => return Err(missing(none)),
            letters => letters.map_err(degraded)?,
        };
        if !letters.iter().any(|letter| letter.subscriber == self.key) {
            return Err(missing(none));
        }
        let entry = log.read_at(tenant, &[offset]).map_err(degraded)?.pop();
        let entry = entry.ok_or_else(|| missing("retention has taken the event"))?;
        let epoch = log.stats(tenant).map_err(degraded)?.last.epoch();
        Ok(reports.entry(epoch, &entry))
    }
}
