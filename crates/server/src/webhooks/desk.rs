//! What is kept of webhooks for their operators: in a file of a node that is alone, or where all nodes of a cluster find it.

use std::collections::BTreeSet;
use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant_log::{ReadError, SavedCursor, TenantLog, WebhookPlaces};

use super::kept::Kept;
use super::place::{self, Place};
use super::webhook::{Webhook, now_ms};

/// What goes wrong with what is kept.
type DeskError = Box<dyn std::error::Error>;

/// How a webhook stands with a tenant.
pub(super) struct Standing {
    pub(super) place: Place,
    pub(super) is_paused: bool,
}

fn degraded(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::Degraded, error.to_string())
}

fn saved(place: Place) -> Option<SavedCursor> {
    Some(SavedCursor { cursor: place.cursor()?, updated_at_ms: now_ms() })
}

impl Kept {
    /// Webhooks that were not there before are told of what is accepted from now on. Before the first event of this process.
    pub(super) fn begin(
        &self,
        log: &dyn TenantLog,
        webhooks: &[Arc<Webhook>],
    ) -> Result<(), DeskError> {
        if let Some(places) = log.webhook_places() {
            return begin_in_cluster(log, places, webhooks);
        }
        let names: BTreeSet<String> = webhooks.iter().map(|it| it.name.clone()).collect();
        for webhook in webhooks.iter().filter(|it| !self.knows(&it.name)) {
            for (tenant, end) in ends(log, webhook)? {
                place::keep(log, &tenant, &webhook.key, end, now_ms())?;
                // What is kept is read back only once it is on disk.
                webhook.move_to(&tenant, end);
            }
        }
        Ok(self.set_known(&names)?)
    }

    /// Where a webhook stands. Waits for the store.
    pub(super) fn standing(
        &self,
        log: &dyn TenantLog,
        webhook: &Webhook,
        tenant: &TenantId,
    ) -> Result<Standing, ReadError> {
        if let Some(places) = log.webhook_places() {
            let kept = places.place(tenant, &webhook.key)?;
            // Who tells it may be further than what is kept.
            let place = kept.cursor.as_ref().map_or(Place::BEGINNING, Place::from);
            return Ok(Standing { place, is_paused: kept.is_paused });
        }
        let place = match webhook.place(tenant) {
            Some(place) => place,
            None => place::find(log, tenant, &webhook.key)?,
        };
        Ok(Standing { place, is_paused: self.is_paused(&webhook.name, tenant) })
    }

    /// Has a webhook told nothing of a tenant for now, or go on.
    pub(super) fn pause(
        &self,
        log: &dyn TenantLog,
        webhook: &Webhook,
        tenant: &TenantId,
        is_paused: bool,
    ) -> Result<(), Refusal> {
        match log.webhook_places() {
            Some(places) => {
                places.set_paused(tenant, &webhook.key, is_paused).map_err(degraded)?;
            }
            None => self.set_paused(&webhook.name, tenant, is_paused).map_err(degraded)?,
        }
        if !is_paused {
            webhook.turns.add(tenant);
        }
        Ok(())
    }

    /// Has a webhook go on from another place.
    pub(super) fn move_to(
        &self,
        log: &dyn TenantLog,
        webhook: &Webhook,
        tenant: &TenantId,
        to: Place,
    ) -> Result<(), Refusal> {
        match (log.webhook_places(), saved(to)) {
            (Some(places), Some(saved)) => {
                places.move_to(tenant, &webhook.key, &saved).map_err(degraded)?;
                webhook.turns.add(tenant);
            }
            _ => {
                place::keep(log, tenant, &webhook.key, to, now_ms()).map_err(degraded)?;
                webhook.move_to(tenant, to);
            }
        }
        Ok(())
    }
}

fn begin_in_cluster(
    log: &dyn TenantLog,
    places: &dyn WebhookPlaces,
    webhooks: &[Arc<Webhook>],
) -> Result<(), DeskError> {
    let known = places.known()?;
    let key = |webhook: &Arc<Webhook>| webhook.key.as_str().to_owned();
    let new: Vec<_> = webhooks.iter().filter(|it| !known.contains(it.key.as_str())).collect();
    for webhook in &new {
        for (tenant, end) in ends(log, webhook)? {
            if let Some(end) = saved(end) {
                places.begin_at(&tenant, &webhook.key, &end)?;
            }
        }
    }
    Ok(places.add_known(&new.into_iter().map(key).collect())?)
}

/// The ends of the logs that a webhook is told of.
fn ends(log: &dyn TenantLog, webhook: &Webhook) -> Result<Vec<(TenantId, Place)>, ReadError> {
    let tenants = log.tenants()?.into_iter().filter(|tenant| webhook.covers(tenant));
    tenants.map(|tenant| Ok((tenant.clone(), Place::from(&log.stats(&tenant)?.last)))).collect()
}
