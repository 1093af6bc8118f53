//! Entries to try codings with.

use bytes::Bytes;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventName, EventType, Offset, Priority, ReadPermission,
    RoomName,
};
use uuid::Uuid;

use super::Encoded;
use crate::{Durability, LogEntry, LoggedAudience, OrderOwner};

pub(crate) fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

/// As little as an entry can have.
pub(crate) fn plain(n: u64) -> LogEntry {
    LogEntry {
        offset: offset(n),
        id: Uuid::from_u128(n.into()),
        event: EventName::Builtin(EventType::OrderCreated),
        durability: Durability::Recoverable,
        priority: Priority::Low,
        at_ms: n,
        expires_at_ms: None,
        audience: LoggedAudience::default(),
        entity: None,
        compacts: false,
        creates_order: None,
        fingerprint: None,
        message: Bytes::new(),
        attachments: Vec::new(),
    }
}

/// Everything that an entry can have.
pub(crate) fn full(n: u64) -> LogEntry {
    LogEntry {
        event: EventName::Declared("table:opened".into()),
        durability: Durability::Durable,
        priority: Priority::Urgent,
        expires_at_ms: Some(0),
        audience: LoggedAudience {
            applications: ApplicationSet::of(&[ApplicationType::KitchenApp]),
            rooms: vec![
                RoomName::Tenant.into(),
                RoomName::Order("4:2\u{1f355}").into(),
                RoomName::Application(ApplicationType::ClientApp).into(),
            ],
            only: ApplicationSet::ALL,
            read: Some(ReadPermission::KitchenOrDelivery),
        },
        entity: Some("".into()),
        compacts: true,
        creates_order: Some(OrderOwner { customer: Some("ada".into()) }),
        fingerprint: Some(u64::MAX),
        message: format!("{{\"id\":\"{}\",\"payload\":{n}}}", Uuid::from_u128(n.into())).into(),
        attachments: vec![Vec::new(), vec![0, 255], vec![7; 300]],
        ..plain(n)
    }
}

/// Entries that follow each other.
pub(crate) fn several() -> Vec<LogEntry> {
    let nobodys = Some(OrderOwner { customer: None });
    let others = Bytes::from(format!("{{\"id\":\"{}\"}}", Uuid::from_u128(1)));
    vec![
        plain(7),
        full(8),
        LogEntry { creates_order: nobodys, ..full(9) },
        LogEntry { message: others, ..plain(10) },
    ]
}

pub(crate) fn encoded(entries: &[LogEntry]) -> Encoded {
    let mut encoded = Encoded::default();
    entries.iter().for_each(|entry| encoded.push(&entry.by_ref()));
    encoded
}
