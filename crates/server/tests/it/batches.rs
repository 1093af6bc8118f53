//! Several events in one request: each checked, answered and kept as though it had come alone.

use std::net::SocketAddr;

use foodtrack_contract::UserRole;
use foodtrack_server::LimitsConfig;
use serde_json::{Value, json};

use crate::support::{Answer, call, config, request, serve, token};

fn order(id: &str) -> Value {
    json!({ "type": "order:created", "payload": { "orderId": id } })
}

fn batch(events: &[Value]) -> String {
    json!({ "events": events }).to_string()
}

fn publish(address: SocketAddr, events: &[Value]) -> Answer {
    let line = "POST /api/v1/publish/batch";
    call(address, line, &token("t1", UserRole::System), &batch(events))
}

fn publish_with_key(address: SocketAddr, key: &str, events: &[Value]) -> Answer {
    let bearer = format!("Bearer {}", token("t1", UserRole::System));
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
    request(address, "POST /api/v1/publish/batch", &headers, &batch(events))
}

#[test]
fn each_event_of_a_batch_is_answered_by_itself_in_their_order() {
    let server = serve(config());
    let address = server.local_addr();
    let events = [
        order("1"),
        json!({ "type": "order:created", "payload": { "orderId": 7 } }),
        json!({ "type": "menu:burned", "payload": {} }),
        json!({ "type": "delivery:location_updated", "payload": { "orderId": "1", "latitude": 1, "longitude": 2 } }),
        order("2"),
    ];
    let answer = publish(address, &events);
    assert_eq!(answer.status, 200, "{answer:?}");
    let data = answer.data();
    let offsets: Vec<&Value> = [0, 4].map(|n| &data[n]["data"]["offset"]).into();
    assert_eq!(offsets, [&json!(1), &json!(2)], "{data}");
    assert_eq!(
        (&data[1]["code"], &data[1]["pointer"]),
        (&json!("payload_invalid"), &json!("/orderId"))
    );
    assert_eq!((&data[2]["success"], &data[2]["code"]), (&json!(false), &json!("event_unknown")));
    assert!(data[3]["data"]["id"].is_string() && data[3]["data"].get("offset").is_none(), "{data}");
    server.stop();
}

#[test]
fn a_batch_under_a_key_is_published_once_and_its_repeat_says_so() {
    let server = serve(config());
    let address = server.local_addr();
    let events: Vec<Value> = (0..100).map(|n| order(&n.to_string())).collect();
    let (first, again) = (
        publish_with_key(address, "k1", &events).data(),
        publish_with_key(address, "k1", &events).data(),
    );
    for n in 0..100 {
        let (first, again) = (&first[n]["data"], &again[n]["data"]);
        assert_eq!((&first["id"], &first["offset"]), (&again["id"], &again["offset"]));
        assert_eq!((first.get("duplicate"), &again["duplicate"]), (None, &json!(true)));
    }
    let other = publish_with_key(address, "k1", &events[1..]);
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_conflict"));
    // Alone, the key is another one.
    let bearer = format!("Bearer {}", token("t1", UserRole::System));
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k1")];
    let alone = request(address, "POST /api/v1/publish", &headers, &order("x").to_string());
    assert_eq!(alone.data().get("duplicate"), None, "{alone:?}");
    server.stop();
}

#[test]
fn a_batch_of_which_nothing_was_taken_may_be_corrected_under_its_key() {
    let server = serve(config());
    let address = server.local_addr();
    let refused = json!({ "type": "order:created", "payload": {} });
    let answer = publish_with_key(address, "k1", &[refused]).data();
    assert_eq!(answer[0]["code"], "payload_invalid");
    let corrected = publish_with_key(address, "k1", &[order("1")]).data();
    assert_eq!(corrected[0]["success"], true, "{corrected}");
    server.stop();
}

#[test]
fn a_batch_that_cannot_be_read_is_refused_whole_at_its_place() {
    let server = serve(config());
    let address = server.local_addr();
    let refused = |events: &[Value]| {
        let answer = publish(address, events);
        assert_eq!((answer.status, answer.code().as_str()), (400, "message_malformed"));
        answer.json()["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&[]), "/events");
    assert_eq!(refused(&vec![order("1"); 1_001]), "/events");
    assert!(refused(&[order("1"), json!("order:created")]).starts_with("/events/1"));
    assert!(refused(&[order("1"), json!({ "payload": {} })]).starts_with("/events/1"));
    let named = json!({ "type": "order:created", "id": "01935c1e-0000-7000-8000-000000000001", "payload": { "orderId": "1" } });
    let answer = publish_with_key(address, "k1", &[order("1"), named]);
    assert_eq!(answer.json()["pointer"], "/events/1/id", "{answer:?}");
    // Nothing of them was published.
    assert_eq!(publish(address, &[order("1")]).data()[0]["data"]["offset"], 1);
    server.stop();
}

#[test]
fn one_tenants_batches_leave_others_to_publish_and_each_event_is_answered_or_its_batch_refused() {
    let limits = LimitsConfig { messages_per_second_per_tenant: 0, ..Default::default() };
    let server = serve(config().limits(limits));
    let address = server.local_addr();
    let flood: Vec<_> = (0..40)
        .map(|batch| {
            let events: Vec<Value> = (0..500).map(|n| order(&format!("{batch}-{n}"))).collect();
            std::thread::spawn(move || publish(address, &events))
        })
        .collect();
    let other = token("t2", UserRole::System);
    let mut others = 0;
    while others == 0 || flood.iter().any(|batch| !batch.is_finished()) {
        let answer = call(address, "POST /api/v1/publish", &other, &order("1").to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        others += 1;
    }
    let mut taken = 0;
    for batch in flood {
        let answer = batch.join().unwrap();
        if answer.status == 503 {
            assert_eq!(
                (answer.code().as_str(), answer.header("retry-after")),
                ("overloaded", Some("1"))
            );
            continue;
        }
        let data = answer.data();
        let refused = data.as_array().unwrap().iter().find(|it| it["success"] != true);
        assert_eq!(refused, None);
        taken += 1;
    }
    assert!(taken >= 16, "{taken}");
    // Each has a place of its own.
    assert_eq!(publish(address, &[order("last")]).data()[0]["data"]["offset"], taken * 500 + 1);
    server.stop();
}
