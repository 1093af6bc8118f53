//! The default table, row by row, from every source.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use foodtrack_contract::{
    ApplicationSet, ApplicationType, ErrorCode, EventName, EventType, Permission, PermissionSet,
    ReadPermission, RoomName, Source, TenantId,
};
use foodtrack_router::{About, MessageRouter, Sender};

const ABOUT: About<'_> = About {
    order: Some("o1"),
    customer: Some("c1"),
    station: Some("s1"),
    route: Some("r1"),
    assignee: Some("a1"),
};

const SOURCES: [&str; 5] =
    ["client_app", "tenant_dashboard", "kitchen_app", "delivery_app", "system"];

/// A row: the events, who sends them, what that takes, the applications and the rooms, in words.
struct Row {
    events: &'static [&'static str],
    from: &'static [&'static str],
    needs: Option<&'static str>,
    applications: &'static [&'static str],
    rooms: &'static [&'static str],
}

const TABLE: &[Row] = &[
    Row {
        events: &["order:created", "order:updated"],
        from: &["client_app", "tenant_dashboard", "system"],
        needs: Some("write:orders"),
        applications: &["tenant_dashboard", "kitchen_app"],
        rooms: &["order:t1:o1", "user:t1:c1"],
    },
    Row {
        events: &["order:cancelled"],
        from: &["client_app", "tenant_dashboard", "system"],
        needs: Some("write:orders"),
        applications: &["tenant_dashboard", "kitchen_app"],
        rooms: &["order:t1:o1", "user:t1:c1", "user:t1:a1"],
    },
    Row {
        events: &["order:status_changed"],
        from: &["kitchen_app", "tenant_dashboard", "delivery_app", "system"],
        needs: Some("write:orders"),
        applications: &["tenant_dashboard", "kitchen_app", "delivery_app"],
        rooms: &["order:t1:o1", "user:t1:c1"],
    },
    Row {
        events: &["order:assigned"],
        from: &["tenant_dashboard", "system"],
        needs: Some("write:delivery"),
        applications: &["tenant_dashboard"],
        rooms: &["order:t1:o1", "user:t1:a1"],
    },
    Row {
        events: &["delivery:assigned"],
        from: &["tenant_dashboard", "delivery_app", "system"],
        needs: Some("write:delivery"),
        applications: &["tenant_dashboard"],
        rooms: &["order:t1:o1", "user:t1:a1"],
    },
    Row {
        events: &[
            "kitchen:order_received",
            "kitchen:preparation_started",
            "kitchen:notification",
            "kitchen:station_assignment",
        ],
        from: &["kitchen_app", "system"],
        needs: Some("write:kitchen"),
        applications: &["kitchen_app", "tenant_dashboard"],
        rooms: &["order:t1:o1", "kitchen_station:t1:s1"],
    },
    Row {
        events: &["kitchen:preparation_completed"],
        from: &["kitchen_app", "system"],
        needs: Some("write:kitchen"),
        applications: &["kitchen_app", "tenant_dashboard", "delivery_app"],
        rooms: &["order:t1:o1", "kitchen_station:t1:s1"],
    },
    Row {
        events: &[
            "delivery:picked_up",
            "delivery:in_transit",
            "delivery:completed",
            "delivery:delayed",
            "delivery:location_updated",
        ],
        from: &["delivery_app", "system"],
        needs: Some("write:delivery"),
        applications: &["tenant_dashboard"],
        rooms: &["order:t1:o1", "user:t1:c1", "user:t1:a1", "delivery_route:t1:r1"],
    },
    Row {
        events: &["inventory:low_stock", "inventory:usage_update"],
        from: &["kitchen_app", "system"],
        needs: Some("write:inventory"),
        applications: &["tenant_dashboard", "kitchen_app"],
        rooms: &[],
    },
    Row {
        events: &[
            "product:created",
            "product:updated",
            "product:deleted",
            "product:availability_changed",
        ],
        from: &["tenant_dashboard", "system"],
        needs: Some("write:inventory"),
        applications: &["client_app", "tenant_dashboard", "kitchen_app", "delivery_app"],
        rooms: &[],
    },
    Row {
        events: &["tenant:metrics"],
        from: &["system"],
        needs: None,
        applications: &["tenant_dashboard"],
        rooms: &[],
    },
    Row {
        events: &["quality:issue_reported", "station:help_requested"],
        from: &["kitchen_app"],
        needs: Some("write:kitchen"),
        applications: &["tenant_dashboard", "kitchen_app"],
        rooms: &[],
    },
    Row {
        events: &["notification:alert", "notification:info", "notification:warning"],
        from: &["tenant_dashboard", "system"],
        needs: None,
        applications: &["client_app", "tenant_dashboard", "kitchen_app", "delivery_app"],
        rooms: &[],
    },
];

fn tenant() -> TenantId {
    TenantId::parse("t1").unwrap()
}

fn source(name: &str) -> Source {
    Source::from_wire(name).unwrap()
}

fn applications(names: &[&str]) -> ApplicationSet {
    names.iter().map(|name| ApplicationType::from_wire(name).unwrap()).collect()
}

fn rooms(audience: &[RoomName<'_>]) -> Vec<String> {
    let mut names: Vec<_> = audience.iter().map(|room| room.of(&tenant()).to_string()).collect();
    names.sort();
    names
}

fn refusal(event: &str, from: &str, permissions: PermissionSet) -> Option<ErrorCode> {
    let event = EventName::from(EventType::from_wire(event).unwrap());
    let sender = Sender { source: source(from), permissions };
    let result = MessageRouter::with_default_rules().authorize(&tenant(), &event, sender);
    result.err().map(|refusal| refusal.code())
}

#[test]
fn the_table_has_every_event_that_clients_send() {
    let mut listed: Vec<_> = TABLE.iter().flat_map(|row| row.events).copied().collect();
    listed.sort_unstable();
    let mut known: Vec<_> = EventType::ALL
        .iter()
        .map(|event| event.as_str())
        .filter(|name| !name.starts_with("system:"))
        .collect();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn every_row_lets_its_sources_send_and_no_other() {
    for row in TABLE {
        for (event, from) in row.events.iter().flat_map(|e| SOURCES.map(|from| (e, from))) {
            let expected = (!row.from.contains(&from)).then_some(ErrorCode::SourceForbidden);
            assert_eq!(refusal(event, from, PermissionSet::ALL), expected, "{event} from {from}");
        }
    }
}

#[test]
fn every_row_takes_its_permission_and_admin_access_implies_it() {
    for row in TABLE {
        for (event, from) in row.events.iter().flat_map(|e| row.from.iter().map(move |f| (e, f))) {
            let needed = row.needs.map(|name| Permission::from_wire(name).unwrap());
            let lacking = Permission::ALL
                .into_iter()
                .filter(|one| Some(*one) != needed && *one != Permission::AdminAccess);
            let lacking = PermissionSet::of(&lacking.collect::<Vec<_>>());
            let expected = needed.map(|_| ErrorCode::PermissionDenied);
            assert_eq!(refusal(event, from, lacking), expected, "{event} from {from}");
            if let Some(needed) = needed {
                assert_eq!(refusal(event, from, PermissionSet::of(&[needed])), None);
            }
            assert_eq!(refusal(event, from, PermissionSet::of(&[Permission::AdminAccess])), None);
        }
    }
}

#[test]
fn every_row_goes_where_the_contract_says_and_nowhere_else() {
    let router = MessageRouter::with_default_rules();
    for row in TABLE {
        for (event, from) in row.events.iter().flat_map(|e| row.from.iter().map(move |f| (e, f))) {
            let name = EventName::from(EventType::from_wire(event).unwrap());
            let audience = router.audience(&tenant(), &name, source(from), None, &ABOUT);
            assert_eq!(
                audience.applications,
                applications(row.applications),
                "{event} from {from}"
            );
            let mut expected: Vec<_> = row.rooms.iter().map(ToString::to_string).collect();
            expected.sort();
            assert_eq!(rooms(&audience.rooms), expected, "{event} from {from}");
            assert_eq!(audience.only, ApplicationSet::ALL);
            assert!(!audience.rooms.spilled(), "{event} allocates");
        }
    }
}

#[test]
fn what_an_event_does_not_name_reaches_nobody() {
    let router = MessageRouter::with_default_rules();
    for event in EventType::ALL {
        let nothing = About::default();
        let audience = router.audience(&tenant(), &(*event).into(), Source::System, None, &nothing);
        assert!(audience.rooms.is_empty(), "{event}");
    }
}

#[test]
fn reading_takes_the_group_s_permission() {
    let router = MessageRouter::with_default_rules();
    let read = |name: EventName| {
        router
            .audience(&tenant(), &name, Source::System, None, &ABOUT)
            .read
            .map(ReadPermission::as_str)
    };
    assert_eq!(read(EventType::OrderCreated.into()), Some("read:orders"));
    assert_eq!(read(EventType::KitchenNotification.into()), Some("read:kitchen"));
    assert_eq!(
        read(EventType::KitchenPreparationCompleted.into()),
        Some("read:kitchen or read:delivery")
    );
    assert_eq!(read(EventType::DeliveryAssigned.into()), Some("read:delivery"));
    assert_eq!(read(EventType::InventoryLowStock.into()), Some("read:inventory"));
    assert_eq!(read(EventType::ProductUpdated.into()), None);
    assert_eq!(read(EventType::NotificationInfo.into()), None);
    assert_eq!(read(EventName::Declared("inventory:delivered".into())), Some("read:inventory"));
    assert_eq!(read(EventName::Declared("table:opened".into())), None);
}

#[test]
fn the_server_s_own_events_come_from_no_sender_and_have_no_audience() {
    let router = MessageRouter::with_default_rules();
    let own = EventType::ALL.iter().filter(|event| event.as_str().starts_with("system:"));
    let own = own.map(|event| EventName::from(*event));
    for event in own.chain([EventName::Declared("system:mine".into())]) {
        for from in SOURCES.map(source) {
            let sender = Sender { source: from, permissions: PermissionSet::ALL };
            let refused = router.authorize(&tenant(), &event, sender).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::EventReserved);
            assert!(router.audience(&tenant(), &event, from, None, &ABOUT).is_empty());
        }
    }
}

#[test]
fn a_refusal_names_what_would_be_allowed() {
    let router = MessageRouter::with_default_rules();
    let say = |event: EventName, from: &str, permissions| {
        let sender = Sender { source: source(from), permissions };
        let refused = router.authorize(&tenant(), &event, sender).unwrap_err();
        assert_eq!(refused.event(), Some(event.as_str()));
        refused.message().to_owned()
    };
    assert_eq!(
        say(EventType::OrderAssigned.into(), "client_app", PermissionSet::ALL),
        "order:assigned comes from tenant_dashboard or system, not from client_app"
    );
    assert_eq!(
        say(EventType::OrderCreated.into(), "client_app", PermissionSet::NONE),
        "to send order:created a token needs write:orders"
    );
    assert_eq!(
        say(EventName::Declared("table:opened".into()), "client_app", PermissionSet::ALL),
        "no rule lets anyone send table:opened; declare a rule that names client_app"
    );
}
