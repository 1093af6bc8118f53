//! What the tables say, for people.

use foodtrack_contract::{ApplicationType, EventType};

use crate::incoming::Meaning;
use crate::profile::Profile;

impl Profile {
    /// The name by which an application is sent an event, if it has one.
    pub fn outgoing_name(&self, application: ApplicationType, event: EventType) -> Option<&str> {
        Some(&self.of(application).outgoing.get(&event)?.name)
    }

    /// What an application may send by names of its own, and what each means.
    pub fn incoming_names(
        &self,
        application: ApplicationType,
    ) -> impl Iterator<Item = (&str, &Meaning)> {
        self.of(application).incoming.iter().map(|(name, rule)| (&**name, &rule.meaning))
    }
}
