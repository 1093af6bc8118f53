//! Who is in which room: by rule, by grant, up to a number, for good.

use std::collections::BTreeSet;

use foodtrack_contract::{Permission, PermissionSet};
use foodtrack_server::{
    Broadcast, PageQuery, Priority, Recipients, RoomMetadata, RoomName, TenantId,
};
use serde_json::json;

use crate::harness::{Client, Server, Transport, Who, config, limits, on_every_transport};

const TENANT: &str = "pizza-roma";

fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

/// Sends a notification to the members of a room.
fn tell_room(server: &Server, room: &str) {
    let broadcast = Broadcast {
        event: "notification:info".into(),
        payload: json!({ "message": "hello" }).to_string(),
        priority: Priority::Medium,
        to: Recipients { rooms: vec![room.into()], ..Recipients::default() },
        except: Vec::new(),
    };
    server.wait(server.broadcaster().broadcast(&tenant(), broadcast)).unwrap();
}

on_every_transport! {
    fn a_subscription_is_answered_and_ends_when_asked(transport) {
        let server = Server::start();
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let room = format!("kitchen_station:{TENANT}:grill");
        for argument in [json!("grill"), json!({ "stationId": "grill" })] {
            let answer = chef.accepted("subscribe:kitchen", argument.clone());
            assert_eq!(answer, json!({ "room": room, "type": "kitchen_station" }));
            assert_eq!(chef.expect("subscribed").argument, answer);
            tell_room(&server, &room);
            assert_eq!(chef.drain_names(), ["notification:info"]);
            chef.accepted("unsubscribe:kitchen", argument);
            assert_eq!(chef.expect("unsubscribed").argument, answer);
            tell_room(&server, &room);
            assert_eq!(chef.drain_names(), [""; 0]);
        }
        for argument in [json!(null), json!(""), json!(7), json!({ "orderId": "1" }), json!("x".repeat(129))] {
            assert_eq!(chef.refused("subscribe:kitchen", argument), "room_malformed");
        }
    }

    fn rooms_open_by_role_and_permission(transport) {
        let server = Server::start();
        let join = |who: &Who| Client::join(&server, transport, who);
        let mut customer = join(&Who::customer(TENANT, "ada"));
        let mut chef = join(&Who::chef(TENANT, "carl"));
        let mut courier = join(&Who::courier(TENANT, "dora"));
        let mut manager = join(&Who::manager(TENANT, "mia"));
        let mut deaf = join(&Who::chef(TENANT, "carl").permissions(PermissionSet::of(&[Permission::WriteOrders])));
        let forbid = |client: &mut Client, topic: &str, id: &str, code: &str| {
            assert_eq!(client.refused(&format!("subscribe:{topic}"), json!(id)), code, "{topic} {id}");
        };
        forbid(&mut customer, "order", "1", "room_forbidden");
        forbid(&mut customer, "kitchen", "grill", "room_forbidden");
        forbid(&mut customer, "route", "r", "room_forbidden");
        forbid(&mut customer, "customer", "bob", "room_forbidden");
        forbid(&mut chef, "route", "r", "permission_denied");
        forbid(&mut chef, "customer", "ada", "room_forbidden");
        forbid(&mut courier, "kitchen", TENANT, "permission_denied");
        forbid(&mut deaf, "order", "1", "permission_denied");
        chef.subscribe("order", "1");
        courier.subscribe("route", "r");
        manager.subscribe("customer", "ada");
        manager.subscribe("kitchen", TENANT);
        customer.subscribe("customer", "ada");
        customer.subscribe("tenant", TENANT);
    }

    fn an_orders_first_customer_is_its_customer_for_good(transport) {
        let server = Server::start();
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let mut eve = Client::join(&server, transport, &Who::customer(TENANT, "eve"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut service = Client::join(&server, transport, &Who::service(TENANT));
        let order = json!({ "orderId": "1" });
        let of = |customer: &str| json!({ "orderId": "1", "customerId": customer });
        assert_eq!(eve.refused("order:created", of("ada")), "order_forbidden");
        ada.accepted("order:created", order.clone());
        assert_eq!(eve.refused("order:created", order.clone()), "order_forbidden");
        assert_eq!(eve.refused("order:created", of("eve")), "order_forbidden");
        assert_eq!(eve.refused("order:updated", order.clone()), "order_forbidden");
        assert_eq!(eve.refused("subscribe:order", json!("1")), "room_forbidden");
        // Not even a back end hands the order on.
        service.accepted("order:created", of("eve"));
        assert_eq!(eve.refused("subscribe:order", json!("1")), "room_forbidden");
        ada.drain();
        ada.subscribe("order", "1");
        chef.accepted("order:status_changed", json!({ "orderId": "1", "status": "ready" }));
        assert_eq!(ada.drain_names(), ["order:status_changed"]);
        assert_eq!(eve.drain_names(), [""; 0]);
    }

    fn a_grant_opens_a_private_room_and_its_end_closes_it(transport) {
        let server = Server::start();
        let connections = server.connections();
        let room = RoomName::Order("1").of(&tenant()).to_string();
        let mut customer = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let private = RoomMetadata { is_private: true, ..RoomMetadata::default() };
        let id = tenant();
        server.wait(connections.describe_room(&RoomName::Order("1").of(&id), private)).unwrap();
        assert_eq!(chef.refused("subscribe:order", json!("1")), "room_forbidden");
        server.wait(connections.grant(&RoomName::Order("1").of(&id), "ada")).unwrap();
        customer.subscribe("order", "1");
        tell_room(&server, &room);
        assert_eq!(customer.drain_names(), ["notification:info"]);
        assert!(server.wait(connections.revoke_grant(&RoomName::Order("1").of(&id), "ada")).unwrap());
        tell_room(&server, &room);
        assert_eq!(customer.drain_names(), [""; 0]);
        assert_eq!(customer.refused("subscribe:order", json!("1")), "room_forbidden");
    }

    fn a_room_takes_as_many_members_as_it_may_have(transport) {
        let server = Server::start();
        let metadata = RoomMetadata { max_members: Some(2), ..RoomMetadata::default() };
        let id = tenant();
        server.wait(server.connections().describe_room(&RoomName::KitchenStation("grill").of(&id), metadata)).unwrap();
        let mut chefs: Vec<Client> =
            (0..3).map(|_| Client::join(&server, transport, &Who::chef(TENANT, "carl"))).collect();
        chefs[0].subscribe("kitchen", "grill");
        chefs[1].subscribe("kitchen", "grill");
        chefs[1].subscribe("kitchen", "grill");
        assert_eq!(chefs[2].refused("subscribe:kitchen", json!("grill")), "room_full");
        chefs[0].accepted("unsubscribe:kitchen", json!("grill"));
        chefs[2].subscribe("kitchen", "grill");
    }

    fn leaving_a_room_of_the_start_succeeds_and_changes_nothing(transport) {
        let server = Server::start();
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        for (topic, id) in [("tenant", TENANT), ("customer", "carl"), ("kitchen", TENANT)] {
            chef.accepted(&format!("unsubscribe:{topic}"), json!(id));
            chef.expect("unsubscribed");
        }
        for room in [format!("tenant:{TENANT}"), format!("user:{TENANT}:carl"), format!("app:{TENANT}:kitchen_app")] {
            tell_room(&server, &room);
            assert_eq!(chef.drain_names(), ["notification:info"], "{room}");
        }
    }
}

#[test]
fn a_connection_may_be_in_a_thousand_rooms_and_in_no_more_than_it_may() {
    const ROOMS: u32 = 1_000;
    let mut roomy = limits();
    roomy.rooms_per_connection_max = ROOMS + 3;
    let server = Server::with(config().limits(roomy));
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let events: Vec<_> =
        (0..ROOMS).map(|order| ("subscribe:order", json!(order.to_string()))).collect();
    chef.emit_all(&events);
    (0..ROOMS).for_each(|_| drop(chef.expect("subscribed")));
    assert_eq!(chef.refused("subscribe:order", json!("one-more")), "rooms_too_many");
    for room in [0, 499, 999] {
        tell_room(&server, &format!("order:{TENANT}:{room}"));
    }
    assert_eq!(chef.drain_names(), ["notification:info"; 3]);
    let page = |cursor: Option<String>, limit| {
        let query = PageQuery { limit: Some(limit), cursor };
        server.wait(server.connections().rooms(&tenant(), query)).unwrap()
    };
    let (mut names, mut cursor) = (BTreeSet::new(), None);
    loop {
        let rooms = page(cursor, 100);
        assert!(rooms.items.len() <= 100);
        assert!(rooms.items.into_iter().all(|room| names.insert(room.name)), "once each");
        cursor = rooms.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), ROOMS as usize + 3);
    assert_eq!(page(None, 100_000).items.len(), 1_000, "a page is bounded");
    drop(chef);
    // The rooms go with their last member.
    crate::harness::eventually(|| page(None, 1).items.is_empty().then_some(()));
}

#[test]
fn ten_thousand_rooms_may_be_described_and_no_more_and_they_are_listed_in_parts() {
    const ROOMS: usize = 10_000;
    let server = Server::start();
    let (connections, id) = (server.connections(), tenant());
    let describe = |order: usize| {
        let metadata =
            RoomMetadata { description: Some("d".repeat(100)), ..RoomMetadata::default() };
        let (connections, id) = (connections.clone(), id.clone());
        async move {
            let order = order.to_string();
            connections.describe_room(&RoomName::Order(&order).of(&id), metadata).await
        }
    };
    server.wait(async {
        for order in 0..ROOMS {
            describe(order).await.unwrap();
        }
    });
    assert_eq!(server.wait(describe(ROOMS)).unwrap_err().code().as_str(), "rooms_too_many");
    // One that is described may be described anew.
    server.wait(describe(0)).unwrap();
    let over = RoomMetadata { description: Some("d".repeat(1_025)), ..RoomMetadata::default() };
    let refused = server.wait(connections.describe_room(&RoomName::Order("1").of(&id), over));
    assert_eq!(refused.unwrap_err().code().as_str(), "payload_invalid");
    let (mut names, mut cursor, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let query = PageQuery { limit: None, cursor };
        let page = server.wait(connections.rooms(&id, query)).unwrap();
        assert!(page.items.len() <= 1_000, "{} in a part", page.items.len());
        assert!(page.items.into_iter().all(|room| names.insert(room.name)), "once each");
        (cursor, pages) = (page.next, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), ROOMS);
    assert!(pages >= 10, "{pages} parts");
}
