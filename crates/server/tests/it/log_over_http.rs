//! A tenant's log and its dead letters over HTTP.

use std::net::SocketAddr;

use foodtrack_contract::UserRole;
use serde_json::json;

use crate::support::{Answer, call, config, serve, token};

fn publish(address: SocketAddr, tenant: &str, event: &str, order: &str) -> u64 {
    let message = json!({ "type": event, "payload": { "orderId": order, "status": "s" } });
    let system = token(tenant, UserRole::System);
    let answer = call(address, "POST /api/v1/publish", &system, &message.to_string());
    answer.data()["offset"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
}

fn log(address: SocketAddr, tenant: &str, query: &str) -> Answer {
    let owner = token(tenant, UserRole::RestaurantOwner);
    call(address, &format!("GET /api/v1/log{query}"), &owner, "")
}

fn offsets(answer: &Answer) -> Vec<u64> {
    let data = answer.data();
    data.as_array().unwrap().iter().map(|entry| entry["offset"].as_u64().unwrap()).collect()
}

#[test]
fn a_tenants_log_is_read_in_parts_without_a_gap_and_never_anothers() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(config().data_dir(directory.path().to_str().unwrap()));
    let address = server.local_addr();
    assert_eq!(log(address, "t1", "").data(), json!([]), "nothing was accepted yet");
    let places: Vec<u64> =
        (0..25).map(|n| publish(address, "t1", "order:created", &n.to_string())).collect();
    publish(address, "t2", "order:created", "other");
    let (mut read, mut query) = (Vec::new(), "?limit=10".to_owned());
    for part in 0.. {
        assert!(part < 4, "there is no end");
        let answer = log(address, "t1", &query);
        read.extend(offsets(&answer));
        assert!(!answer.body.contains("other"), "{answer:?}");
        let Some(cursor) =
            answer.json().get("nextCursor").map(|it| it.as_str().unwrap().to_owned())
        else {
            break;
        };
        query = format!("?limit=10&cursor={cursor}");
    }
    assert_eq!(read, places);
    let entry = &log(address, "t1", "?limit=1").data()[0];
    assert_eq!(entry["message"]["payload"]["orderId"], "0", "{entry}");
    assert_eq!((&entry["event"], &entry["durable"]), (&json!("order:created"), &json!(true)));
    server.stop();
}

#[test]
fn the_log_is_filtered_by_order_and_by_event() {
    let server = serve(config());
    let address = server.local_addr();
    let made = publish(address, "t1", "order:created", "7");
    publish(address, "t1", "order:created", "8");
    let changed = publish(address, "t1", "order:status_changed", "7");
    assert_eq!(offsets(&log(address, "t1", "?order=7")), [made, changed]);
    assert_eq!(offsets(&log(address, "t1", "?event=order:status_changed")), [changed]);
    assert_eq!(offsets(&log(address, "t1", "?order=7&event=order:created")), [made]);
    assert_eq!(offsets(&log(address, "t1", "?order=9")), [0; 0]);
    server.stop();
}

#[test]
fn what_is_wanted_is_found_among_much_else_in_parts_and_once() {
    let server = serve(config());
    let address = server.local_addr();
    let other = json!({ "type": "order:created", "payload": { "orderId": "x" } });
    let batch = |n: usize| {
        let events: Vec<_> = (0..700)
            .map(|of| {
                let mut event = other.clone();
                event["payload"]["orderId"] = format!("{n}-{of}").into();
                event
            })
            .collect();
        let system = token("t1", UserRole::System);
        let body = json!({ "events": events }).to_string();
        assert_eq!(call(address, "POST /api/v1/publish/batch", &system, &body).status, 200);
    };
    let mut wanted = Vec::new();
    for n in 0..3 {
        batch(n);
        // The same twice in a row would be one.
        for order in ["7", "8"] {
            wanted.push(publish(address, "t1", "order:status_changed", &format!("{order}-{n}")));
        }
    }
    let (mut found, mut query) = (Vec::new(), String::new());
    for part in 0.. {
        assert!(part < 9, "there is no end");
        let answer = log(address, "t1", &format!("?event=order:status_changed&limit=1{query}"));
        found.extend(offsets(&answer));
        match answer.json().get("nextCursor") {
            Some(cursor) => query = format!("&cursor={}", cursor.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(found, wanted);
    server.stop();
}

#[test]
fn a_cursor_that_the_log_never_gave_out_is_refused_and_not_taken_for_the_beginning() {
    let server = serve(config());
    let address = server.local_addr();
    publish(address, "t1", "order:created", "7");
    let refused = |query: &str| {
        let answer = log(address, "t1", query);
        (answer.status, answer.code())
    };
    assert_eq!(refused("?cursor=zzzzzz-1"), (409, "conflict".into()));
    assert_eq!(refused("?cursor=rubbish"), (400, "message_malformed".into()));
    assert_eq!(refused("?order=7&cursor=zzzzzz-1"), (400, "message_malformed".into()));
    assert_eq!(refused("?limit=0"), (400, "message_malformed".into()));
    assert_eq!(refused("?unknown=1"), (400, "message_malformed".into()));
    server.stop();
}

#[test]
fn a_dead_letter_that_is_not_there_is_not_found() {
    let server = serve(config());
    let address = server.local_addr();
    let owner = token("t1", UserRole::RestaurantOwner);
    assert_eq!(call(address, "GET /api/v1/dead-letters", &owner, "").data(), json!([]));
    let offset = publish(address, "t1", "order:created", "7");
    for line in ["GET /api/v1/dead-letters/", "DELETE /api/v1/dead-letters/"] {
        let answer = call(address, &format!("{line}{offset}"), &owner, "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{line}");
    }
    let replay = format!("POST /api/v1/dead-letters/{offset}/replay");
    assert_eq!(call(address, &replay, &owner, "").code(), "not_found");
    let beyond = call(address, &format!("GET /api/v1/dead-letters/{}", u64::MAX), &owner, "");
    assert_eq!((beyond.status, beyond.code().as_str()), (400, "message_malformed"));
    server.stop();
}
