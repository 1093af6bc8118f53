//! What an event becomes for each of today's applications, and what they mean by names of their own.

use std::fmt::Write;

use foodtrack_contract::{
    ApplicationType, EventName, EventType, Message, Priority, Source, TenantId,
};
use foodtrack_profile::{Incoming, Meaning, Profile};
use uuid::Uuid;

/// A question about one name.
pub(super) struct ProfileQuestion<'q> {
    pub(super) tables: &'q Profile,
    pub(super) tenant: &'q TenantId,
    /// An event of the contract, or an application's own name for something.
    pub(super) name: &'q str,
    /// A payload to show it with, as JSON.
    pub(super) payload: Option<&'q str>,
}

impl ProfileQuestion<'_> {
    /// The answer, for people; `None` where the name is nothing in any application's tables, nor in the contract.
    pub(super) fn answer(&self) -> Option<String> {
        let mut told = String::new();
        if let Some(event) = EventType::from_wire(self.name) {
            self.tell_outgoing(event, &mut told);
        }
        self.tell_incoming(&mut told);
        (!told.is_empty()).then_some(told)
    }

    fn tell_outgoing(&self, event: EventType, told: &mut String) {
        let _ = writeln!(told, "{event} is sent to connections of the profile foodtrack:");
        for application in ApplicationType::ALL {
            let _ = match self.tables.outgoing_name(application, event) {
                None => writeln!(told, "  {application}: not; it has no name for it"),
                Some(name) => {
                    writeln!(told, "  {application}: as {name}{}", self.shown(application, event))
                }
            };
        }
        for application in ApplicationType::ALL {
            for (name, meaning) in self.tables.incoming_names(application) {
                if matches!(meaning, Meaning::Event(meant) if *meant == event) {
                    let _ = writeln!(told, "{application} sends it as {name}");
                }
            }
        }
    }

    /// How the payload arrives there.
    fn shown(&self, application: ApplicationType, event: EventType) -> String {
        let Some(payload) = self.payload else { return String::new() };
        let message = Message {
            id: Uuid::nil(),
            event: event.as_str(),
            tenant: self.tenant,
            timestamp: "2026-01-01T00:00:00.000Z",
            source: Source::System,
            target: None,
            payload,
            priority: Priority::Medium,
            retry_count: 0,
            encrypted: false,
        };
        let mut out = Vec::new();
        let event = EventName::from(event);
        match self.tables.outgoing(application, &event, &message.to_json(), false, &mut out) {
            Ok(()) => format!(": [{}]", String::from_utf8_lossy(&out)),
            Err(why) => format!(", but not this one: {}", why.as_str()),
        }
    }

    fn tell_incoming(&self, told: &mut String) {
        for application in ApplicationType::ALL {
            let argument = self.payload.unwrap_or("{}");
            let meant = self.tables.incoming(application, "USER", self.name, argument);
            let _ = match meant {
                None => continue,
                Some(Incoming::Event(event, payload)) => {
                    let payload = self.payload.map(|_| format!(" with {payload}"));
                    let payload = payload.unwrap_or_default();
                    writeln!(told, "{application} means {event} by {}{payload}", self.name)
                }
                Some(Incoming::Control(control)) => {
                    writeln!(
                        told,
                        "{application} means the control event {control} by {}",
                        self.name
                    )
                }
                Some(Incoming::Ignored) => {
                    writeln!(told, "{application} may send {}, and nothing follows", self.name)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, payload: Option<&str>) -> Option<String> {
        let (tables, tenant) = (Profile::builtin(), TenantId::parse("t1").unwrap());
        ProfileQuestion { tables: &tables, tenant: &tenant, name, payload }.answer()
    }

    #[test]
    fn an_event_is_shown_as_each_application_gets_it_and_a_name_of_theirs_as_what_it_means() {
        let told =
            ask("order:cancelled", Some(r#"{"orderId":"o1","status":"cancelled"}"#)).unwrap();
        assert!(told.contains("kitchen_app: as order:modified: [\"order:modified\",{"), "{told}");
        assert!(told.contains("client_app: as ORDER_CANCELLED"), "{told}");
        let told = ask("station:help_requested", None).unwrap();
        assert!(told.contains("client_app: not; it has no name for it"), "{told}");
        assert!(told.contains("kitchen_app sends it as station:request-help"), "{told}");
        let told = ask("accept_delivery", None).unwrap();
        assert_eq!(told, "delivery_app means delivery:assigned by accept_delivery\n");
        let told = ask("join_order_room", None).unwrap();
        assert!(told.contains("the control event subscribe:order"), "{told}");
        assert_eq!(ask("no_such_name", None), None);
    }
}
