//! Which events of the hub's own are wanted: the others are not logged.

use ahash::AHashMap;
use foodtrack_contract::{HubEvent, TenantId};

/// Which events of the hub's own back ends are told of. Default: none.
#[derive(Clone, Debug, Default)]
pub struct WantedHubEvents {
    of_all: Vec<HubEvent>,
    of_tenants: AHashMap<TenantId, Vec<HubEvent>>,
}

impl WantedHubEvents {
    /// Has an event of one tenant logged, or of all tenants where none is named.
    pub fn add(&mut self, event: HubEvent, tenant: Option<TenantId>) {
        let wanted = match tenant {
            Some(tenant) => self.of_tenants.entry(tenant).or_default(),
            None => &mut self.of_all,
        };
        if !wanted.contains(&event) {
            wanted.push(event);
        }
    }

    /// Whether nobody wants any.
    pub fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_tenants.is_empty()
    }

    /// Whether a tenant's event is wanted.
    pub fn has(&self, tenant: &TenantId, event: HubEvent) -> bool {
        self.of_all.contains(&event)
            || self.of_tenants.get(tenant).is_some_and(|wanted| wanted.contains(&event))
    }

    /// Whether anybody wants to know which devices of a tenant are here.
    pub fn has_devices(&self, tenant: &TenantId) -> bool {
        self.has(tenant, HubEvent::DeviceOnline) || self.has(tenant, HubEvent::DeviceOffline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_tenant_s_back_end_wants_is_not_logged_for_another() {
        let [one, two] = ["t1", "t2"].map(|name| TenantId::parse(name).unwrap());
        let mut wanted = WantedHubEvents::default();
        assert!(!wanted.has_devices(&one));
        wanted.add(HubEvent::DeviceOffline, Some(one.clone()));
        wanted.add(HubEvent::MessageFailed, None);
        assert!(wanted.has_devices(&one) && !wanted.has_devices(&two));
        assert!(!wanted.has(&one, HubEvent::DeviceOnline));
        assert!(wanted.has(&two, HubEvent::MessageFailed));
    }
}
