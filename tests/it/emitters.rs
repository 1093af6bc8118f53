//! Back ends that publish through Redis with Socket.IO's emitters: what they emit is a tenant's event like any other.

use foodtrack_server::{EmitterConfig, EmitterKind, Secret};
use serde_json::{Value, json};
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{Client, Server, Transport, Who, config, redis_at};
use crate::support::{TENANT, expect_nothing, expect_numbers, update};

fn redis() -> Option<RedisServer> {
    let redis = RedisServer::start(&[]);
    if redis.is_none() {
        skipped("redis-server is not installed");
    }
    redis
}

fn emitter(redis: &RedisServer, kind: EmitterKind) -> EmitterConfig {
    let url = Some(Secret::new(redis.url()));
    EmitterConfig { name: "gateway".into(), kind, url, ..EmitterConfig::default() }
}

fn chef(node: &Server, tenant: &str) -> Client {
    Client::join(node, Transport::WebSocket, &Who::chef(tenant, "carl"))
}

/// As `@socket.io/redis-emitter` does: `io.to(room).emit("order:updated", payload)`.
fn emit(redis: &RedisServer, room: &str, payload: &Value) {
    let packet = json!({ "type": 2, "data": ["order:updated", payload], "nsp": "/" });
    let options = json!({ "rooms": [room], "flags": {}, "except": [] });
    let message = rmp_serde::to_vec(&json!(["emitter", packet, options])).unwrap();
    let channel = format!("socket.io#/#{room}#");
    redis.call(&[b"PUBLISH", channel.as_bytes(), &message]);
}

/// As `@socket.io/redis-streams-emitter` does.
fn add(redis: &RedisServer, room: &str, payload: &Value) {
    let packet = json!({ "type": 2, "data": ["order:updated", payload] });
    let data = json!({ "packet": packet, "opts": { "rooms": [room], "except": [], "flags": {} } });
    let data = data.to_string();
    let fields = ["uid", "emitter", "nsp", "/", "type", "3", "data", data.as_str()];
    let mut call: Vec<&[u8]> = vec![b"XADD", b"socket.io", b"*"];
    call.extend(fields.iter().map(|it| it.as_bytes()));
    redis.call(&call);
}

fn listens(redis: &RedisServer) {
    wait_until("the hub listens", || redis.command("PUBSUB NUMPAT") == ":1");
}

#[test]
fn what_a_back_end_emits_to_a_tenants_room_is_that_tenants_event_and_nobody_elses() {
    let Some(redis) = redis() else { return };
    let node = Server::with(config().emitter(emitter(&redis, EmitterKind::Pubsub)));
    let (mut ours, mut theirs) = (chef(&node, TENANT), chef(&node, "sushi-kyoto"));
    listens(&redis);
    emit(&redis, &format!("order:{TENANT}:1"), &update("1", 1));
    emit(&redis, &format!("tenant:{TENANT}"), &update("1", 2));
    // A whole message keeps its id, and the same id is the same event.
    let id = uuid::Uuid::from_u128(7);
    let whole = json!({ "id": id, "type": "order:updated", "payload": update("1", 3) });
    emit(&redis, &format!("tenant:{TENANT}"), &whole);
    emit(&redis, &format!("tenant:{TENANT}"), &whole);
    emit(&redis, &format!("tenant:{TENANT}"), &update("1", 4));
    expect_numbers(&mut ours, &[1, 2, 3, 4], "");
    expect_nothing(&mut theirs, "another tenant's");
}

#[test]
fn messages_that_come_to_nothing_are_counted_and_cost_the_next_one_nothing() {
    let Some(redis) = redis() else { return };
    let node = Server::with(config().emitter(emitter(&redis, EmitterKind::Pubsub)));
    let mut ours = chef(&node, TENANT);
    listens(&redis);
    redis.call(&[b"PUBLISH", b"socket.io#/#", b"no msgpack"]);
    redis.call(&[b"PUBLISH", b"socket.io#/#", &[0x91; 200_000]]);
    emit(&redis, "everybody", &update("1", 1));
    // Its schema refuses it, as it would over HTTP.
    emit(&redis, &format!("tenant:{TENANT}"), &json!({ "orderId": 7 }));
    emit(&redis, &format!("tenant:{TENANT}"), &update("1", 2));
    expect_numbers(&mut ours, &[2], "");
    let count = |name: &str| {
        let line = format!("foodtrack_emitter_{name}_total{{emitter=\"gateway\"}} ");
        let page = node.metrics_page();
        page.lines().find_map(|it| it.strip_prefix(line.as_str())).unwrap().parse::<u64>().unwrap()
    };
    wait_until("the page is new", || count("published") == 1);
    assert_eq!((count("malformed"), count("refused")), (3, 1));
}

#[test]
fn what_is_in_the_stream_waits_for_a_node_and_is_published_once_by_several() {
    let Some(redis) = redis() else { return };
    let shared = redis_at(&redis.url());
    let node = || {
        Server::with(config().redis(shared.clone()).emitter(emitter(&redis, EmitterKind::Streams)))
    };
    let room = format!("tenant:{TENANT}");
    let first = node();
    let mut carl = chef(&first, TENANT);
    let place = || redis.command(&format!("GET {}:emitter:gateway:place", shared.prefix));
    wait_until("the first node reads", || place().contains("0-0"));
    (1..=3).for_each(|n| add(&redis, &room, &update("1", n)));
    expect_numbers(&mut carl, &[1, 2, 3], "");
    let away = carl.away();
    drop(first);
    (4..=6).for_each(|n| add(&redis, &room, &update("1", n)));
    let nodes = [node(), node()];
    let mut back = away.resume(&nodes[0]);
    assert!(back.recovered);
    (7..=9).for_each(|n| add(&redis, &room, &update("1", n)));
    expect_numbers(&mut back, &[4, 5, 6, 7, 8, 9], "");
    expect_nothing(&mut back, "each once");
}
