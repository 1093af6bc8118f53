//! What a hub does with a configuration that was read anew.

use std::sync::Arc;

use crate::audit::{AuditEntry, cut};
use crate::hub::Hub;
use crate::logging;
use crate::reload::{ReloadError, ReloadReport};
use crate::shards_config::{api_rates, tenant_limits};
use crate::webhooks::Surroundings;

impl Hub {
    /// Reads the configuration anew, where it was said from where. What can change without a restart does.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing changed.
    pub(crate) fn reload(&self) -> Result<ReloadReport, ReloadError> {
        let reloaded = self.reloader.reload(|read, next| {
            // What may fail comes first.
            let around = self.around_webhooks();
            let webhooks = self.webhooks.prepare(&next.webhooks, &around);
            let webhooks = webhooks.map_err(ReloadError::Webhooks)?;
            let declared = self.declarations.reconfigure(&read.policies());
            declared.map_err(|error| ReloadError::Declared(error.to_string()))?;
            self.shards.limit(tenant_limits(&next.limits));
            self.api_quota.set(api_rates(&next.limits));
            self.cors.set(read);
            self.webhooks.put_in_force(webhooks, &around);
            logging::configure(&next.logging.level);
            Ok(())
        });
        let entry = AuditEntry::new("configuration.reloaded");
        match &reloaded {
            Ok(report) => {
                tracing::info!(%report, "the configuration was read anew");
                self.audit.tell(AuditEntry { subject: Some(cut(&report.to_string())), ..entry });
            }
            Err(ReloadError::NoSource) => {}
            Err(error) => {
                tracing::error!(%error, "the configuration was not read anew");
                self.audit.tell(entry.because("refused: nothing changed"));
            }
        }
        reloaded
    }

    fn around_webhooks(&self) -> Surroundings {
        Surroundings {
            log: Arc::clone(&self.log),
            connections: self.connections.clone(),
            policies: Arc::clone(&self.policies),
        }
    }
}
