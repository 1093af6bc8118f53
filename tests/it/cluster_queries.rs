//! What is asked of one node of a cluster is answered for all of them, in bounded time, and within one tenant.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{RedisServer, let_pass, wait_until};

use crate::harness::{Address, Client, Process, Server, Transport, Who};
use crate::node_requests::{mark, with_secret};
use crate::nodes::{LEASE_MS, ask, known, node, redis};
use crate::support::TENANT;

const OTHER: &str = "pizza-Roma";

/// Nodes that know each other.
fn nodes(redis: &RedisServer, count: usize) -> Vec<Server> {
    let shared = with_secret(redis);
    let nodes: Vec<_> = (0..count).map(|_| Server::with(node(&shared))).collect();
    for one in &nodes {
        wait_until("all are known", || known(one)["nodes"].as_array().unwrap().len() == count);
    }
    nodes
}

fn owner() -> Who {
    Who::owner(TENANT, "olga")
}

fn join(node: &impl Address, who: &Who) -> Client {
    Client::join(node, Transport::WebSocket, who)
}

#[track_caller]
fn answer(node: &impl Address, line: &str) -> Value {
    let (status, answer) = ask(node, line, &owner());
    assert_eq!(status, 200, "{line}: {answer}");
    answer
}

/// The ids that a list has, read in parts of so many.
fn ids(node: &impl Address, path: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut part = answer(node, &format!("GET {path}?limit={limit}{cursor}"));
        assert_eq!(part.get("missingNodes"), None, "{part}");
        let items = match part["data"].take() {
            Value::Array(rooms) => rooms,
            mut listing => listing["connections"].as_array_mut().unwrap().drain(..).collect(),
        };
        assert!(items.len() <= limit);
        let id =
            |item: &Value| item.get("id").unwrap_or(&item["name"]).as_str().unwrap().to_owned();
        ids.extend(items.iter().map(id));
        match part["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace(':', "%3A")),
            None => return ids,
        }
    }
}

#[test]
fn connections_and_rooms_of_all_nodes_are_listed_and_counted_through_any_of_them() {
    let Some(redis) = redis() else { return };
    let nodes = nodes(&redis, 3);
    let tablet = |device: &str| Who::chef(TENANT, "carl").device(device);
    let mut here: Vec<Client> = vec![
        join(&nodes[0], &tablet("tablet-1")),
        join(&nodes[1], &tablet("tablet-2")),
        join(&nodes[1], &Who::manager(TENANT, "mia")),
        join(&nodes[2], &Who::courier(TENANT, "dora")),
    ];
    let _foreign = join(&nodes[2], &Who::chef(OTHER, "carl").device("tablet-1"));
    for client in &mut here[..2] {
        client.subscribe("order", "7");
    }
    let mut expected: Vec<String> = here.iter().map(|it| it.id.clone()).collect();
    expected.sort();
    for node in &nodes {
        for limit in [1, 2, 100] {
            assert_eq!(ids(node, "/api/v1/connections", limit), expected);
        }
        let listed = answer(node, "GET /api/v1/connections");
        let counts = &listed["data"]["counts"];
        assert_eq!((&counts["total"], &counts["users"]), (&json!(4), &json!(3)), "{counts}");
        assert_eq!(
            (&counts["tenants"], &counts["byApplication"]["kitchen_app"]),
            (&json!(1), &json!(2))
        );
        let of_device = answer(node, "GET /api/v1/connections?device=tablet-2");
        let found = of_device["data"]["connections"].as_array().unwrap();
        assert_eq!((found.len(), &found[0]["id"]), (1, &json!(here[1].id)));
        let rooms = answer(node, "GET /api/v1/rooms?limit=1000");
        let rooms = rooms["data"].as_array().unwrap();
        let room = |name: String| rooms.iter().find(|it| it["name"] == name.as_str()).unwrap();
        assert_eq!(room(format!("order:{TENANT}:7"))["members"], 2);
        assert_eq!(room(format!("tenant:{TENANT}"))["members"], 4);
        let names = ids(node, "/api/v1/rooms", 3);
        assert_eq!(names.len(), rooms.len());
        assert!(names.is_sorted() && names.iter().all(|it| it.contains(TENANT)), "{names:?}");
    }
}

#[test]
fn who_is_online_is_listed_once_with_all_of_their_connections_and_no_other_tenants() {
    let Some(redis) = redis() else { return };
    let nodes = nodes(&redis, 2);
    let tablet = |device: &str| Who::chef(TENANT, "carl").device(device);
    let mut here = vec![
        join(&nodes[0], &tablet("tablet-1")),
        join(&nodes[1], &tablet("tablet-2")),
        // Without a device's name both are one.
        join(&nodes[0], &Who::manager(TENANT, "mia")),
        join(&nodes[1], &Who::manager(TENANT, "mia")),
        join(&nodes[1], &Who::service(TENANT)),
    ];
    let _foreign = join(&nodes[1], &Who::chef(OTHER, "carl").device("tablet-3"));
    let online = |node: &Server, query: &str| -> Vec<(String, Value, u64)> {
        let listed = answer(node, &format!("GET /api/v1/presence{query}"))["data"].take();
        let row = |it: &Value| {
            assert!(it["since"].as_str().unwrap().ends_with('Z'), "{it}");
            let user = it["user"].as_str().unwrap().to_owned();
            (user, it["device"].clone(), it["connections"].as_u64().unwrap())
        };
        listed.as_array().unwrap().iter().map(row).collect()
    };
    let of = |user: &str, device: Value, connections| (user.to_owned(), device, connections);
    let expected = [
        of("carl", json!("tablet-1"), 1),
        of("carl", json!("tablet-2"), 1),
        of("mia", Value::Null, 2),
    ];
    for node in &nodes {
        assert_eq!(online(node, ""), expected);
        assert_eq!(online(node, "?user=mia"), expected[2..]);
        assert_eq!(online(node, "?application=kitchen_app&limit=1"), expected[..1]);
    }
    drop(here.remove(0));
    let torn = [of("carl", json!("tablet-1"), 0), expected[1].clone()];
    wait_until("one tablet has no line", || online(&nodes[1], "?user=carl") == torn);
}

#[test]
fn who_comes_back_in_time_was_online_all_the_while_at_whichever_node() {
    let Some(redis) = redis() else { return };
    let nodes = nodes(&redis, 2);
    let presence = |node: &Server| {
        let listed = answer(node, "GET /api/v1/presence")["data"].take();
        let [one] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
        one.clone()
    };
    let tablet = Who::chef(TENANT, "carl").device("tablet-1");
    let client = join(&nodes[0], &tablet);
    let since = presence(&nodes[1])["since"].clone();
    assert!(presence(&nodes[1]).get("goneSince").is_none());
    // So that a later beginning would be another text.
    let_pass(Duration::from_millis(5));
    drop(client);
    wait_until("its line is gone", || presence(&nodes[1])["connections"] == 0);
    let torn = presence(&nodes[1]);
    assert_eq!(torn["since"], since);
    assert!(torn["goneSince"].as_str().unwrap() > since.as_str().unwrap(), "{torn}");
    let _client = join(&nodes[1], &tablet);
    for node in &nodes {
        let back = presence(node);
        assert_eq!((&back["connections"], &back["since"]), (&json!(1), &since), "{back}");
        assert!(back.get("goneSince").is_none(), "{back}");
    }
}

#[test]
fn a_disconnect_reaches_every_node_and_no_other_tenant() {
    let Some(redis) = redis() else { return };
    let nodes = nodes(&redis, 2);
    let tablet = |tenant: &str, device: &str| Who::chef(tenant, "carl").device(device);
    let foreign =
        [join(&nodes[0], &tablet(OTHER, "tablet-1")), join(&nodes[1], &tablet(OTHER, "tablet-2"))];
    let ended = |line: &str| answer(&nodes[0], line)["data"].take();
    let here = |node: &Server| node.count(TENANT);
    let dora = join(&nodes[1], &Who::courier(TENANT, "dora"));
    let chefs = [
        join(&nodes[0], &tablet(TENANT, "tablet-1")),
        join(&nodes[1], &tablet(TENANT, "tablet-2")),
    ];
    assert_eq!(ended("DELETE /api/v1/users/carl/connections"), json!({ "disconnected": 2 }));
    wait_until("they are gone", || (here(&nodes[0]), here(&nodes[1])) == (0, 1));
    let line = format!("DELETE /api/v1/connections/{}", dora.id);
    assert_eq!(ended(&line), json!({ "disconnected": 1 }));
    wait_until("she is gone", || here(&nodes[1]) == 0);
    assert_eq!(ask(&nodes[0], &line, &owner()).0, 404, "there is none");
    let _tablet = join(&nodes[1], &tablet(TENANT, "tablet-9"));
    let line = "DELETE /api/v1/devices/tablet-9/connections";
    assert_eq!(ended(line), json!({ "disconnected": 1 }));
    // Nobody ends another tenant's, by whatever id.
    let line = format!("DELETE /api/v1/connections/{}", foreign[1].id);
    assert_eq!(ask(&nodes[0], &line, &owner()).0, 404);
    assert_eq!((nodes[0].count(OTHER), nodes[1].count(OTHER)), (1, 1));
    drop(chefs);
}

/// Puts a node among the others that is none of the test's servers.
pub(crate) fn pretend(redis: &RedisServer, prefix: &str, id: &str, address: &str) {
    let card = json!({
        "format": 1, "mark": mark(), "address": address, "version": "0.0.1", "startedAtMs": 1,
        "connections": 0, "tenants": 0,
    });
    let card = card.to_string().replace('"', "\\\"");
    redis.command(&format!("HSET {prefix}:nodes {id} \"99999999999999 {card}\""));
}

/// Whom an answer lacks, and how long it took.
fn missing(node: &impl Address, line: &str) -> (Value, Duration) {
    let begin = Instant::now();
    let mut answer = answer(node, line);
    let missing = match answer.get("missingNodes") {
        Some(missing) => missing.clone(),
        None => answer["data"]["missingNodes"].take(),
    };
    (missing, begin.elapsed())
}

#[test]
fn a_node_that_hangs_is_named_in_bounded_time_and_the_others_answer() {
    let Some(redis) = redis() else { return };
    let shared = with_secret(&redis);
    let (one, other) = (Server::with(node(&shared)), Server::with(node(&shared)));
    let _chefs = [&one, &other].map(|node| join(node, &Who::chef(TENANT, "carl")));
    // It accepts, as the kernel does for it, and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    pretend(&redis, &shared.prefix, "hangs", &format!("http://{}", hanging.local_addr().unwrap()));
    wait_until("all are known", || known(&one)["nodes"].as_array().unwrap().len() == 3);
    for line in [
        "GET /api/v1/connections",
        "GET /api/v1/rooms",
        "DELETE /api/v1/users/nobody/connections",
        "DELETE /api/v1/connections/nothing",
    ] {
        let (missing, took) = missing(&one, line);
        assert_eq!(missing, json!(["hangs"]), "{line}");
        assert!(took < Duration::from_secs(5), "{line}: {took:?}");
    }
    let listed = answer(&one, "GET /api/v1/connections");
    assert_eq!(listed["data"]["counts"]["total"], 2, "what the others have is there");
    let line = "GET /api/v1/nodes?status=true";
    let (_, asked) = ask(&one, line, &Who::service(TENANT));
    assert_eq!(asked["data"]["missingNodes"], json!(["hangs"]), "{asked}");
    let nodes = asked["data"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().filter(|it| it.get("status").is_some()).count(), 2);
}

#[test]
fn a_node_that_is_killed_is_named_until_its_lease_ends() {
    let Some(redis) = redis() else { return };
    let shared = with_secret(&redis);
    let one = Server::with(node(&shared));
    let directory = tempfile::tempdir().unwrap();
    let killed = Process::serve(directory.path(), &node(&shared));
    let _chefs =
        (join(&one, &Who::chef(TENANT, "carl")), join(&killed, &Who::chef(TENANT, "dora")));
    let total = || answer(&one, "GET /api/v1/connections")["data"]["counts"]["total"].take();
    wait_until("both are counted", || total() == 2);
    let nodes = known(&one)["nodes"].take();
    let id =
        nodes.as_array().unwrap().iter().find(|it| it["isSelf"] == false).unwrap()["id"].clone();
    killed.kill();
    let at = Instant::now();
    let (named, took) = missing(&one, "GET /api/v1/connections");
    // On a slow machine its lease may be over by then.
    let must_hold = at.elapsed() < Duration::from_millis(u64::from(LEASE_MS) / 2);
    assert!(named == json!([id]) || !must_hold, "{named}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    wait_until("its lease is over", || missing(&one, "GET /api/v1/connections").0 == Value::Null);
    assert_eq!(total(), 1);
}

#[test]
fn an_answer_that_is_not_of_the_cluster_is_none() {
    let Some(redis) = redis() else { return };
    let shared = with_secret(&redis);
    let one = Server::with(node(&shared));
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", liar.local_addr().unwrap());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in liar.incoming().flatten() {
            let mut request = [0; 16 << 10];
            // Whoever hangs up is not answered.
            let _ = stream.read(&mut request);
            let body = format!("{{\"tenant\":\"{TENANT}\",\"about\":{{\"disconnected\":7}}}}");
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
            let proof = "a".repeat(64);
            let answer =
                format!("{head}foodtrack-node-answer: {proof}\r\nconnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    pretend(&redis, &shared.prefix, "liar", &address);
    pretend(&redis, &shared.prefix, "nowhere", "http://127.0.0.1:1");
    wait_until("all are known", || known(&one)["nodes"].as_array().unwrap().len() == 3);
    let ended = answer(&one, "DELETE /api/v1/users/nobody/connections")["data"].take();
    assert_eq!(ended, json!({ "disconnected": 0, "missingNodes": ["liar", "nowhere"] }));
}
