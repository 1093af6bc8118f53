//! What the server promises about each event type, and what it does to keep the promise.

use ahash::AHashMap;

use crate::{ApplicationType, DeliveryClass, EventName, EventType, Schemas, TenantId};

/// How events of one type are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// What is promised.
    pub class: DeliveryClass,
    /// After how many milliseconds it is of no use any more: it is not replayed then. `None`: as long as it is kept.
    pub time_to_live_ms: Option<u64>,
    /// Whether, of several about one order that somebody missed while offline, the last says it all.
    pub compacts: bool,
    /// Whether clients are asked to acknowledge it, and it is sent again until they do.
    pub acknowledge: bool,
    /// Who must have got it in time, or somebody is told.
    pub watch: Option<Watch>,
}

/// An application of which at least one device must confirm an event in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which one.
    pub by: ApplicationType,
    /// In milliseconds: after that it is sent again, after as long once more the dashboard is alerted.
    pub within_ms: u64,
}

impl DeliveryPolicy {
    /// What goes for a class where nothing else is said.
    pub const fn of_class(class: DeliveryClass) -> Self {
        Self { class, time_to_live_ms: None, compacts: false, acknowledge: false, watch: None }
    }

    /// Whether such events are in the log.
    pub fn is_logged(&self) -> bool {
        self.class != DeliveryClass::Volatile
    }
}

/// The policies that differ from what an event's type says by itself.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPolicies {
    builtin: Vec<(EventType, DeliveryPolicy)>,
    declared: AHashMap<Box<str>, DeliveryPolicy>,
}

impl DeliveryPolicies {
    /// Sets what goes for every tenant's events of this name.
    pub fn set(&mut self, name: &str, policy: DeliveryPolicy) {
        match EventType::from_wire(name) {
            Some(event_type) => {
                self.builtin.retain(|(it, _)| *it != event_type);
                self.builtin.push((event_type, policy));
            }
            None => _ = self.declared.insert(name.into(), policy),
        }
    }

    /// What goes for an event of a tenant. A volatile type is never logged, so nothing else can be asked of it.
    pub fn of(&self, schemas: &Schemas, tenant: &TenantId, event: &EventName) -> DeliveryPolicy {
        // A handful at most, and mostly none: a search beats a table.
        let said = match event {
            EventName::Builtin(event_type) => {
                self.builtin.iter().find(|(it, _)| it == event_type).map(|(_, policy)| *policy)
            }
            EventName::Declared(name) => self.declared.get(&**name).copied(),
        };
        said.unwrap_or_else(|| DeliveryPolicy::of_class(schemas.delivery_class(tenant, event)))
    }

    /// Whether any event asks for an acknowledgement.
    pub fn any_acknowledged(&self) -> bool {
        self.acknowledged_names().next().is_some()
    }

    /// Whether any event must be confirmed in time.
    pub fn any_watched(&self) -> bool {
        let builtin = self.builtin.iter().map(|(_, policy)| policy);
        builtin.chain(self.declared.values()).any(|policy| policy.watch.is_some())
    }

    /// Events that ask for an acknowledgement, by name.
    pub fn acknowledged(&self) -> Vec<Box<str>> {
        self.acknowledged_names().map(Box::from).collect()
    }

    fn acknowledged_names(&self) -> impl Iterator<Item = &str> {
        let builtin = self.builtin.iter().map(|(event, policy)| (event.as_str(), policy));
        let declared = self.declared.iter().map(|(name, policy)| (&**name, policy));
        builtin.chain(declared).filter(|(_, policy)| policy.acknowledge).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_was_set_goes_before_what_the_type_says() {
        let (schemas, tenant) = (Schemas::new(), TenantId::parse("t").unwrap());
        let mut policies = DeliveryPolicies::default();
        let of = |policies: &DeliveryPolicies, event: EventType| {
            policies.of(&schemas, &tenant, &event.into())
        };
        assert_eq!(of(&policies, EventType::OrderCreated).class, DeliveryClass::Durable);
        assert!(!policies.any_acknowledged());
        let policy = DeliveryPolicy {
            acknowledge: true,
            ..DeliveryPolicy::of_class(DeliveryClass::Recoverable)
        };
        policies.set("order:created", policy);
        policies.set("order:created", policy);
        assert_eq!(of(&policies, EventType::OrderCreated), policy);
        assert_eq!(of(&policies, EventType::OrderUpdated).class, DeliveryClass::Durable);
        assert!(policies.any_acknowledged() && !policies.any_watched());
        let watch = Some(Watch { by: ApplicationType::KitchenApp, within_ms: 1 });
        policies.set("loyalty:earned", DeliveryPolicy { watch, ..policy });
        assert!(policies.any_watched());
        assert!(!of(&policies, EventType::DeliveryLocationUpdated).is_logged());
    }
}
