//! What back ends and operators do over HTTP shows on the connections.

use foodtrack_wire::socket_io::PacketType;
use serde_json::{Value, json};

use crate::harness::{
    Client, HttpConnection, PATIENCE, Server, Transport, Who, config, limits, on_every_transport,
};

const TENANT: &str = "pizza-roma";

on_every_transport! {
    fn what_a_backend_publishes_reaches_its_audience_once(transport) {
        let server = Server::start();
        let mut http = HttpConnection::open(server.address());
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let mut other = Client::join(&server, transport, &Who::owner("sushi-kyoto", "ada"));
        let service = Who::service(TENANT).token();
        let message = json!({ "type": "order:created", "id": "01935c1e-0000-7000-8000-000000000001",
            "payload": { "orderId": "1", "customerId": "ada" } });
        for _ in 0..2 {
            let answer = http.call("POST /api/v1/publish", &service, &message);
            assert_eq!((answer.status, &answer.json()["data"]["id"]), (200, &message["id"]));
        }
        let event = ada.expect("order:created");
        assert_eq!((&event.argument["source"], &event.argument["id"]), (&json!("system"), &message["id"]));
        assert_eq!(ada.drain_names(), [""; 0]);
        assert_eq!(other.drain_names(), [""; 0]);
    }

    fn connections_are_listed_and_ended_within_the_tenant(transport) {
        let server = Server::start();
        let mut http = HttpConnection::open(server.address());
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let owner = Who::owner(TENANT, "olga").token();
        let foreign = Who::owner("sushi-kyoto", "olga").token();
        let listing = http.call("GET /api/v1/connections", &owner, &Value::Null).json();
        assert_eq!(listing["data"]["counts"]["total"], 2, "{listing}");
        let of_carl = http.call("GET /api/v1/connections?user=carl", &owner, &Value::Null).json();
        let found = &of_carl["data"]["connections"];
        assert_eq!(found.as_array().unwrap().len(), 1, "{of_carl}");
        assert_eq!(found[0]["id"], chef.id);
        assert_eq!(found[0]["application"], "kitchen_app");
        let none = http.call("GET /api/v1/connections", &foreign, &Value::Null).json();
        assert_eq!(none["data"]["counts"]["total"], 0, "{none}");

        let line = format!("DELETE /api/v1/connections/{}", chef.id);
        assert_eq!(http.call(&line, &foreign, &Value::Null).status, 404);
        assert_eq!(http.call(&line, &owner, &Value::Null).status, 200);
        // A DISCONNECT packet: the client's library does not come back by itself.
        assert_eq!(chef.packet(PATIENCE).unwrap().kind, PacketType::Disconnect);
        chef.until_closed();
        let gone = http.call("DELETE /api/v1/users/ada/connections", &owner, &Value::Null).json();
        assert_eq!(gone["data"]["disconnected"], 1, "{gone}");
        assert_eq!(ada.packet(PATIENCE).unwrap().kind, PacketType::Disconnect);
        assert_eq!(server.count(TENANT), 0);
    }

    fn an_event_for_one_connection_reaches_it_alone(transport) {
        let server = Server::start();
        let mut http = HttpConnection::open(server.address());
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut same_user = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut other = Client::join(&server, transport, &Who::owner("sushi-kyoto", "ada"));
        let line = format!("POST /api/v1/connections/{}/events", chef.id);
        let event = json!({ "type": "notification:info", "payload": { "message": "for you" }, "priority": "high" });
        let answer = http.call(&line, &Who::service(TENANT).token(), &event);
        assert_eq!(answer.status, 200, "{answer:?}");
        let sent = answer.json()["data"].take();
        assert_eq!(sent["delivered"], true, "{sent}");
        let got = chef.expect("notification:info");
        assert_eq!((&got.argument["id"], &got.argument["source"]), (&sent["id"], &json!("system")));
        assert_eq!((got.payload("message"), &got.argument["priority"]), (&json!("for you"), &json!("high")));
        assert_eq!(same_user.drain_names(), [""; 0]);
        assert_eq!(other.drain_names(), [""; 0]);
    }

    fn a_tenants_own_event_type_is_sent_and_checked_once_declared(transport) {
        let server = Server::start();
        let mut http = HttpConnection::open(server.address());
        let service = Who::service(TENANT).token();
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let event = |points: Value| json!({ "type": "loyalty:points_earned", "payload": { "points": points } });
        let mut publish = |body: Value| {
            let answer = http.call("POST /api/v1/publish", &service, &body);
            (answer.status, answer.json()["code"].take())
        };
        assert_eq!(publish(event(json!(1))), (400, json!("event_unknown")));
        let declaration = json!({ "name": "loyalty:points_earned",
            "schema": { "type": "object", "properties": { "points": { "type": "integer" } } } });
        let mut other = HttpConnection::open(server.address());
        assert_eq!(other.call("POST /api/v1/events", &service, &declaration).status, 201);
        server.router().add(serde_json::from_value(json!({ "id": "loyalty", "tenant": TENANT,
            "events": "loyalty:*", "from": ["system"], "to": ["client_app"] })).unwrap()).unwrap();
        assert_eq!(publish(event(json!("many"))), (400, json!("payload_invalid")));
        assert_eq!(publish(event(json!(1))), (200, Value::Null));
        assert_eq!(ada.drain_names(), ["loyalty:points_earned"]);
    }
}

#[test]
fn an_event_for_one_connection_is_refused_to_who_may_not_send_or_read_it() {
    let server = Server::start();
    let mut http = HttpConnection::open(server.address());
    let mut courier = Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "cora"));
    let (own, foreign) = (Who::service(TENANT).token(), Who::service("sushi-kyoto").token());
    let (id, gone) = (courier.id.clone(), "nobody".to_owned());
    let info = json!({ "type": "notification:info", "payload": { "message": "m" } });
    let mut check = |id: &str, token: &str, body: &Value, refused: (u16, &str)| {
        let answer = http.call(&format!("POST /api/v1/connections/{id}/events"), token, body);
        assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), refused, "{body}");
    };
    check(&id, &foreign, &info, (404, "not_found"));
    check(&gone, &own, &info, (404, "not_found"));
    check(&id, &Who::owner(TENANT, "olga").token(), &info, (403, "permission_denied"));
    let low = json!({ "type": "inventory:low_stock",
        "payload": { "ingredientId": "i", "currentStock": 1, "minimumStock": 2 } });
    check(&id, &own, &low, (403, "permission_denied"));
    let system = json!({ "type": "system:error", "payload": { "code": "x", "message": "m" } });
    check(&id, &own, &system, (403, "event_reserved"));
    let unknown = json!({ "type": "loyalty:points", "payload": {} });
    check(&id, &own, &unknown, (400, "event_unknown"));
    let wrong = json!({ "type": "notification:info", "payload": {} });
    check(&id, &own, &wrong, (400, "payload_invalid"));
    let more = json!({ "type": "notification:info", "payload": { "message": "m" }, "target": "client_app" });
    check(&id, &own, &more, (400, "message_malformed"));
    assert_eq!(courier.drain_names(), [""; 0]);
}

#[test]
fn an_event_for_one_connection_is_in_no_log_and_counts_against_the_tenants_rate() {
    let mut few = limits();
    (few.messages_per_second_per_tenant, few.messages_burst_per_tenant) = (1, 4);
    let server = Server::with(config().limits(few));
    let mut http = HttpConnection::open(server.address());
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let service = Who::service(TENANT).token();
    let line = format!("POST /api/v1/connections/{}/events", chef.id);
    let order = json!({ "type": "order:created", "payload": { "orderId": "1" } });
    let over = (0..9).find_map(|_| {
        let answer = http.call(&line, &service, &order);
        (answer.status != 200).then_some(answer)
    });
    let over = over.expect("the tenant has its rate");
    assert_eq!((over.status, over.json()["code"].clone()), (429, json!("tenant_rate_limited")));
    assert_eq!(chef.expect("order:created").payload("orderId"), "1");
    let log = http.call("GET /api/v1/log", &service, &Value::Null).json();
    assert_eq!(log["data"], json!([]), "{log}");
}

#[test]
fn a_polling_client_that_is_ended_between_two_polls_is_told_at_the_next() {
    let server = Server::start();
    let owner = Who::owner(TENANT, "olga").token();
    let mut chef = Client::join(&server, Transport::Polling, &Who::chef(TENANT, "carl"));
    let mut http = HttpConnection::open(server.address());
    let line = format!("DELETE /api/v1/connections/{}", chef.id);
    assert_eq!(http.call(&line, &owner, &Value::Null).status, 200);
    crate::harness::eventually(|| (server.count(TENANT) == 0).then_some(()));
    // What it says meanwhile is no error, and nobody hears it.
    chef.emit("kitchen:notification", json!({ "message": "m" }));
    assert_eq!(chef.packet(PATIENCE).unwrap().kind, PacketType::Disconnect);
    assert!(chef.until_closed().0.is_empty());
    assert_eq!(server.metric("events_accepted_total"), 0);
}

#[test]
fn stopping_closes_transports_without_sending_clients_away() {
    let server = Server::start();
    let mut clients = Transport::ALL
        .map(|transport| Client::join(&server, transport, &Who::chef(TENANT, "carl")));
    // A poll is out, as a client of the library always has one.
    clients.iter_mut().for_each(|client| drop(client.drain_names()));
    drop(server);
    let (events, code) = clients[0].until_closed();
    assert!(events.is_empty() && code == Some(1_001), "{events:?} {code:?}");
    assert!(clients[1].until_closed().0.is_empty());
}

#[test]
fn what_is_asked_of_the_api_and_what_is_said_of_rooms_is_bounded() {
    let mut few = limits();
    (few.api_requests_per_second_per_token, few.api_requests_burst_per_token) = (1, 4);
    let server = Server::with(config().limits(few));
    let mut http = HttpConnection::open(server.address());
    let (owner, other) = (Who::owner(TENANT, "olga").token(), Who::owner(TENANT, "ella").token());
    let line = format!("PUT /api/v1/rooms/order:{TENANT}:1");
    let large = http.call(&line, &owner, &json!({ "description": "d".repeat(900_000) }));
    assert_eq!((large.status, large.json()["pointer"].clone()), (400, json!("/description")));
    let small = http.call(&line, &owner, &json!({ "description": "d", "tags": ["vip"] }));
    assert_eq!(small.status, 200);
    let over = (0..9).find_map(|_| {
        let answer = http.call("GET /api/v1/rooms?limit=1", &owner, &Value::Null);
        (answer.status != 200).then_some(answer)
    });
    let over = over.expect("a token has its rate");
    assert_eq!((over.status, over.json()["code"].clone()), (429, json!("rate_limited")));
    assert!(over.header("retry-after").is_some());
    assert_eq!(http.call("GET /api/v1/rooms", &other, &Value::Null).status, 200);
}
