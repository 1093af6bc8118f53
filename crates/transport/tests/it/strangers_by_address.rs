//! How many sockets and how much memory strangers may have, and who goes where it is too much.

use std::net::Ipv4Addr;
use std::time::Duration;

use foodtrack_transport::{Limits, ReactorConfig, TrustedProxies};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use test_support::{let_pass, wait_until};

use crate::client::{Wire, event, get, join_by_websocket, open_websocket};
use crate::server::{Server, config};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);

/// Nobody goes because of the time.
fn patient() -> Limits {
    Limits { handshake_timeout: Duration::from_secs(60), ..Limits::default() }
}

fn silent(server: &Server, source: Ipv4Addr, count: usize) -> Vec<Wire> {
    (0..count).map(|_| Wire::connect_from(server.address, source)).collect()
}

#[track_caller]
fn wait_for_sockets(server: &Server, count: usize) {
    wait_until(&format!("{count} sockets"), || server.counts().0 == count);
}

/// Whether a socket still gets an answer.
fn is_served(wire: &mut Wire) -> bool {
    wire.try_write(get("/x").as_bytes()) && wire.try_response() == Some(200)
}

#[test]
fn an_address_with_too_many_strangers_loses_its_oldest_and_nobody_else_does() {
    let limits = Limits { strangers_per_address_max: 40, ..patient() };
    let server = Server::start(limits);
    let mut good = join_by_websocket(server.address);
    let mut others = silent(&server, OTHER, 30);
    let mut strangers = silent(&server, ONE, 60);
    wait_for_sockets(&server, 1 + 30 + 40);
    assert!(strangers[..20].iter_mut().all(Wire::ends), "the oldest went");
    assert!(strangers[20..].iter_mut().all(is_served), "the latest stayed");
    assert!(others.iter_mut().all(is_served));
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
}

#[test]
fn who_has_joined_does_not_count_with_the_strangers_of_its_address() {
    let limits = Limits { strangers_per_address_max: 32, ..patient() };
    let server = Server::start(limits);
    let mut joined: Vec<_> = (0..50).map(|_| join_by_websocket(server.address)).collect();
    assert_eq!(server.counts(), (50, 50));
    for wire in &mut joined {
        wire.send_text(&[event("echo", 1)]);
        wire.expect_echoes(1..2);
    }
}

#[test]
fn each_shard_bounds_its_part_of_an_addresss_strangers() {
    let limits = Limits { strangers_per_address_max: 80, ..patient() };
    let server = Server::with_shards(config(limits), 2);
    let strangers = silent(&server, ONE, 200);
    wait_until("80 sockets at most", || server.counts().0 <= 80);
    let mut newcomer = join_by_websocket(server.address);
    newcomer.send_text(&[event("echo", 1)]);
    newcomer.expect_echoes(1..2);
    drop(strangers);
}

#[test]
fn behind_a_trusted_proxy_the_strangers_of_whom_it_names_are_bounded_and_it_is_not() {
    let limits = Limits { strangers_per_address_max: 40, ..patient() };
    let proxies = TrustedProxies::new(&[ONE.to_string()]).unwrap();
    let server = Server::with_shards(ReactorConfig { proxies, ..config(limits) }, 1);
    let ask = |wire: &mut Wire, client: &str| {
        let forwarded = format!("host: hub\r\nx-forwarded-for: {client}");
        wire.write(get("/x").replace("host: hub", &forwarded).as_bytes());
        wire.response().status
    };
    // The proxy itself may have as many as it likes.
    let mut connections = silent(&server, ONE, 100);
    wait_for_sockets(&server, 100);
    for wire in &mut connections[..60] {
        assert_eq!(ask(wire, "203.0.113.7"), 200);
    }
    wait_for_sockets(&server, 80);
    assert!(connections[..20].iter_mut().all(Wire::ends));
    // Others behind it are counted for themselves; so is a connection that it uses for another client now.
    for wire in &mut connections[60..] {
        assert_eq!(ask(wire, "203.0.113.8"), 200);
    }
    assert_eq!(ask(&mut connections[20], "203.0.113.9"), 200);
    assert_eq!(server.counts().0, 80);
}

#[test]
fn a_server_without_room_lets_the_oldest_stranger_of_the_busiest_address_go() {
    let server = Server::start(Limits { sockets_max: 50, ..patient() });
    let mut good: Vec<_> = (0..4).map(|_| join_by_websocket(server.address)).collect();
    let mut few = silent(&server, OTHER, 10);
    let mut many = silent(&server, ONE, 36);
    wait_for_sockets(&server, 50);
    let mut newcomer = join_by_websocket(server.address);
    newcomer.send_text(&[event("echo", 1)]);
    newcomer.expect_echoes(1..2);
    assert!(many[0].ends());
    assert!(is_served(&mut many[35]));
    assert!(few.iter_mut().all(is_served));
    for wire in &mut good {
        wire.send_text(&[event("echo", 1)]);
        wire.expect_echoes(1..2);
    }
}

#[test]
fn a_server_full_of_people_refuses_newcomers_and_says_so() {
    let server = Server::start(Limits { sockets_max: 7, ..patient() });
    let mut good: Vec<_> = (0..7).map(|_| join_by_websocket(server.address)).collect();
    let mut newcomer = Wire::connect(server.address);
    let answer = newcomer.response();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("too_many_connections"), "{}", answer.body);
    good.pop();
    wait_for_sockets(&server, 6);
    join_by_websocket(server.address);
}

#[test]
fn whichever_shard_holds_the_strangers_newcomers_come_in() {
    let server = Server::with_shards(config(Limits { sockets_max: 64, ..patient() }), 2);
    let _strangers = silent(&server, ONE, 200);
    // Newcomers are spared for half a second.
    let_pass(Duration::from_millis(700));
    let mut people: Vec<_> = (0..40).map(|_| join_by_websocket(server.address)).collect();
    for wire in &mut people {
        wire.send_text(&[event("echo", 1)]);
        wire.expect_echoes(1..2);
    }
    assert!(server.counts().0 <= 64 + 8, "{:?}", server.counts());
}

#[test]
fn sessions_without_a_socket_count_with_all_that_strangers_hold() {
    let server = Server::start(Limits { strangers_bytes_max: 1 << 20, ..patient() });
    let cookie = format!("host: hub\r\ncookie: {}", "x".repeat(8_000));
    for _ in 0..300 {
        let mut wire = Wire::connect(server.address);
        let target = "/socket.io/?EIO=4&transport=polling";
        wire.write(get(target).replace("host: hub", &cookie).as_bytes());
        assert_eq!(wire.response().status, 200);
    }
    wait_for_sockets(&server, 0);
    let sessions = server.counts().1;
    assert!((50..=(1 << 20) / 9_000).contains(&sessions), "{sessions} sessions");
}

#[test]
fn half_a_message_of_many_strangers_is_bounded() {
    for shards in [1, 2] {
        let limits = Limits { strangers_bytes_max: 1 << 20, ..patient() };
        let server = Server::with_shards(config(limits), shards);
        let mut good = join_by_websocket(server.address);
        let mut fragment = Vec::new();
        write_client_frame(&mut fragment, Opcode::Text, &[b'x'; 15_000], [1, 2, 3, 4]);
        // Its message goes on.
        fragment[0] &= 0x7f;
        let mut strangers: Vec<_> = (0..200).map(|_| open_websocket(server.address)).collect();
        for wire in &mut strangers {
            wire.try_write(&fragment);
        }
        wait_until("few strangers", || server.counts().0 <= 1 + (1 << 20) / 15_000);
        assert!(strangers[0].ends());
        good.send_text(&[event("echo", 1)]);
        good.expect_echoes(1..2);
    }
}

#[test]
fn a_stranger_posts_few_packets_at_once() {
    let server = Server::start(patient());
    let mut wire = Wire::connect(server.address);
    wire.write(get("/socket.io/?EIO=4&transport=polling").as_bytes());
    let sid = wire.response().body.split('"').nth(3).unwrap().to_owned();
    let body = ["3"; 1_025].join("\x1e");
    let head =
        format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: hub\r\n");
    wire.write(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    assert_eq!(wire.response().status, 400);
}

#[test]
fn who_has_joined_does_not_wait_until_all_strangers_were_served() {
    let server = Server::start(patient());
    let mut good = join_by_websocket(server.address);
    let mut holder = join_by_websocket(server.address);
    let mut strangers = silent(&server, ONE, 100);
    wait_for_sockets(&server, 102);
    // All of it is there when the server looks again, the strangers' first.
    holder.send_text(&[event("hold", 300)]);
    server.wait_until_held();
    let requests = get("/x").repeat(300);
    for wire in &mut strangers {
        wire.write(requests.as_bytes());
    }
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
    let served = strangers.iter().filter(|wire| wire.has_answer()).count();
    assert!(served < 50, "{served} of 100 strangers were served before");
    // And they all are, in their turn.
    for wire in &mut strangers {
        (0..300).for_each(|_| assert_eq!(wire.response().status, 200));
    }
}

#[test]
fn a_stranger_session_has_no_large_body_on_whichever_shard_it_comes() {
    let server = Server::with_shards(config(patient()), 2);
    for _ in 0..20 {
        let mut wire = Wire::connect(server.address);
        wire.write(get("/socket.io/?EIO=4&transport=polling").as_bytes());
        let sid = wire.response().body.split('"').nth(3).unwrap().to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let head =
            format!("POST {target} HTTP/1.1\r\nhost: hub\r\ncontent-length: 900000\r\n\r\n4");
        let mut other = Wire::connect(server.address);
        other.write(head.as_bytes());
        assert_eq!(other.response().status, 413);
        assert!(other.ends());
    }
}
