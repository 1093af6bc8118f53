//! What the hub tells back ends of itself: entries of a tenant's log that no client gets.

use crate::EventName;

/// Something that happened to a device or to a message. Webhooks that name it are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubEvent {
    /// A device has come that was not here.
    DeviceOnline,
    /// A device has gone, and has not come back in time.
    DeviceOffline,
    /// An event was given up for a device: it is a dead letter.
    MessageFailed,
    /// Nobody has confirmed an event that was to be confirmed, though it was sent again.
    OrderUnconfirmed,
}

impl HubEvent {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::DeviceOnline, Self::DeviceOffline, Self::MessageFailed, Self::OrderUnconfirmed];

    /// The name in the log. It has no colon: a tenant cannot declare a type of this name, and a client cannot send one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceOnline => "device.online",
            Self::DeviceOffline => "device.offline",
            Self::MessageFailed => "message.failed",
            Self::OrderUnconfirmed => "order.unconfirmed",
        }
    }

    /// The event of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

impl From<HubEvent> for EventName {
    fn from(event: HubEvent) -> Self {
        Self::Declared(event.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventType;

    #[test]
    fn no_client_and_no_tenant_can_send_an_event_of_the_hubs_own_name() {
        for event in HubEvent::ALL {
            let name = event.as_str();
            assert_eq!(HubEvent::from_name(name), Some(event));
            assert!(!name.contains(':') && EventType::from_wire(name).is_none(), "{name}");
        }
    }
}
