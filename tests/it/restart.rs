//! What a tenant was told is known after a restart, and after a kill.

use foodtrack_server::{PageQuery, RoomMetadata, RoomName, TenantId};
use serde_json::{Value, json};

use crate::harness::{
    Client, HttpConnection, Process, Server, Transport, Who, config, on_every_transport,
};
use crate::support::{TENANT, back_end, expect_numbers, publish, update};

on_every_transport! {
    fn an_orders_customer_is_known_after_a_restart(transport) {
        let mut server = Server::durable(config());
        let mut sender = back_end(&server);
        sender.accepted("order:created", json!({ "orderId": "1", "customerId": "ada", "number": 1 }));
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        ada.accepted("order:created", json!({ "orderId": "2", "number": 2 }));
        server.restart();
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let mut eve = Client::join(&server, transport, &Who::customer(TENANT, "eve"));
        expect_numbers(&mut ada, &[2], "what nobody knew she had");
        for order in ["1", "2"] {
            assert_eq!(eve.refused("order:cancelled", json!({ "orderId": order })), "order_forbidden");
            assert_eq!(eve.refused("subscribe:order", json!(order)), "room_forbidden");
            assert_eq!(eve.refused("order:created", json!({ "orderId": order })), "order_forbidden");
            ada.accepted("order:updated", update(order, 3));
        }
        publish(&mut back_end(&server), 4..=4);
        expect_numbers(&mut ada, &[3, 3, 4], "what became of her orders");
        expect_numbers(&mut eve, &[], "somebody else's orders");
    }

    fn grants_and_what_was_said_of_rooms_outlive_a_restart(transport) {
        let mut server = Server::durable(config());
        let tenant = TenantId::parse(TENANT).unwrap();
        let (one, two) = (RoomName::Order("1").of(&tenant), RoomName::Order("2").of(&tenant));
        back_end(&server);
        let rooms = server.connections();
        let metadata = RoomMetadata { description: Some("vip".into()), max_members: Some(1), ..RoomMetadata::default() };
        server.wait(rooms.describe_room(&one, metadata.clone())).unwrap();
        server.wait(rooms.grant(&one, "bob")).unwrap();
        server.wait(rooms.grant(&two, "bob")).unwrap();
        assert!(server.wait(rooms.revoke_grant(&two, "bob")).unwrap());
        server.restart();
        let mut bob = Client::join(&server, transport, &Who::customer(TENANT, "bob"));
        let rooms = server.wait(server.connections().rooms(&tenant, PageQuery::default())).unwrap();
        let found = rooms.items.iter().find(|room| room.name == one.to_string()).unwrap();
        assert_eq!(found.metadata, metadata);
        bob.subscribe("order", "1");
        assert_eq!(bob.refused("subscribe:order", json!("2")), "room_forbidden");
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        assert_eq!(chef.refused("subscribe:order", json!("1")), "room_full");
    }
}

#[test]
fn two_tenants_with_equal_names_for_everything_find_their_own_after_a_kill() {
    let tenants = [TENANT, "sushi-kyoto"];
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let mut aways = Vec::new();
    for (tenant, number) in tenants.into_iter().zip([1_u64, 2]) {
        let join = |who: Who| Client::join(&server, Transport::WebSocket, &who.device("d"));
        let mut ada = join(Who::customer(tenant, "ada"));
        let chef = join(Who::chef(tenant, "carl")).tear();
        let mut sender = join(Who::service(tenant));
        let order =
            |customer: &str| json!({ "orderId": "1", "customerId": customer, "number": number });
        // Whose order 1 is differs.
        sender.accepted("order:created", order(if number == 1 { "ada" } else { "bob" }));
        if number == 1 {
            ada.expect("order:created");
        }
        sender.accepted("order:updated", update("1", number + 10));
        aways.push((ada.tear(), chef));
    }
    server.kill();
    let server = Process::serve(directory.path(), &config());
    for ((ada, chef), number) in aways.iter().zip([1_u64, 2]) {
        let own = [number, number + 10];
        expect_numbers(&mut chef.resume(&server), &own, "recovered");
        let missed: &[u64] = if number == 1 { &[11] } else { &[] };
        expect_numbers(&mut ada.resume(&server), missed, "the customer");
    }
    // One's session and cursor are nothing to the other.
    let (ada, chef) = &aways[0];
    for (away, who) in
        [(ada, Who::customer(tenants[1], "ada")), (chef, Who::chef(tenants[1], "carl"))]
    {
        let mut thief = away.clone().who(&who.device("d")).resume(&server);
        assert!(!thief.recovered);
        for event in thief.drain() {
            assert_eq!(event.argument["tenantId"], tenants[1], "{event:?}");
        }
    }
    let mut http = HttpConnection::open(crate::harness::Address::address(&server));
    for tenant in tenants {
        let token = Who::owner(tenant, "olga").token();
        let listed = http.call("GET /api/v1/connections", &token, &Value::Null);
        assert_eq!(listed.status, 200);
    }
}
