//! Shards on a real port, and clients that poll by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod namespaces;
mod payload_keys;
#[allow(dead_code, reason = "the crate's own tests use the rest")]
mod poller;
#[allow(dead_code, reason = "the crate's own tests use the rest")]
mod server;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use foodtrack_shard::{Rate, TenantLimits};
use foodtrack_tenant_log::MemoryStore;
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use test_support::{let_pass, wait_until};

use crate::poller::Poller;
use crate::server::Server;

#[test]
fn following_a_customer_does_not_use_up_their_connections() {
    let limits = TenantLimits { connections_per_user_max: 1, ..TenantLimits::default() };
    let server = Server::start(limits);
    let dashboard = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    assert!(dashboard.ask(r#"["subscribe:customer","ana"]"#).contains("\"success\":true"));
    let first = Poller::join(&server, "t1 ana customer client_app 60");
    let second = Poller::open(&server);
    assert!(second.connect("t1 ana customer client_app 60").contains("too_many_connections"));
    first.leave();
    Poller::join(&server, "t1 ana customer client_app 60");
    // And the same user of another tenant is somebody else.
    Poller::join(&server, "t2 ana customer client_app 60");
}

#[test]
fn attachments_weigh_as_much_as_text() {
    let bytes_per_connection = Rate { per_second: 1, burst: 2_000 };
    let server = Server::start(TenantLimits { bytes_per_connection, ..TenantLimits::default() });
    let dashboard = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    let data = r#"["notification:info",{"message":"m","photo":{"_placeholder":true,"num":0}}]"#;
    assert!(dashboard.ask_with_bytes(data, &[7; 1_900]).contains("\"success\":true"));
    assert!(dashboard.ask_with_bytes(data, &[7; 1_900]).contains("rate_limited"));
}

#[test]
fn a_connection_ends_with_its_token_and_lives_on_with_a_fresh_one() {
    let server = Server::start(TenantLimits::default());
    let ends = Poller::join(&server, "t1 ana customer client_app 2");
    let renews = Poller::join(&server, "t1 bob customer client_app 2");
    for _ in 0..20 {
        let answer = renews.ask(r#"["authenticate","t1 bob customer client_app 60"]"#);
        assert!(answer.contains("\"success\":true"), "{answer}");
    }
    assert!(ends.find("42[\"system:error\"").contains("token_expired"));
    // Its first deadline passes, too.
    let_pass(Duration::from_millis(500));
    assert!(renews.ask(r#"["health_check"]"#).contains("\"success\":true"));
    // Who comes now may be given the place of who went, and keeps a deadline of their own.
    let later = Poller::join(&server, "t1 eve customer client_app 60");
    assert!(later.ask(r#"["health_check"]"#).contains("\"success\":true"));
}

#[test]
fn a_server_that_stops_does_not_wait_for_who_comes_in_too_late() {
    let (open, opened) = channel();
    let mut server = Server::start_with_slow_log(opened);
    let mut late = TcpStream::connect(server.address()).unwrap();
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    late.write_all(request.as_bytes()).unwrap();
    let mut connect = Vec::new();
    let packet = br#"40{"token":"t1 ana customer client_app 60"}"#;
    write_client_frame(&mut connect, Opcode::Text, packet, [1, 2, 3, 4]);
    late.write_all(&connect).unwrap();
    // They wait for their tenant's log, and the server for them: strangers are read in the order of coming.
    (0..3).for_each(|_| _ = Poller::open(&server));
    server.stop();
    wait_until("it accepts nobody", || TcpStream::connect(server.address()).is_err());
    open.send(()).unwrap();
    let (stop, stopped) = channel();
    std::thread::spawn(move || {
        drop(server);
        stop.send(()).unwrap();
    });
    assert_eq!(stopped.recv_timeout(Duration::from_secs(5)), Ok(()), "it does not stop");
    // An unmodified client that is refused does not come back by itself; one whose transport closes does.
    let mut heard = Vec::new();
    let _ = late.read_to_end(&mut heard);
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("maxPayload") && !heard.contains("44{"), "{heard}");
}

#[test]
fn a_token_of_somebody_else_renews_nothing() {
    let server = Server::start(TenantLimits::default());
    let ana = Poller::join(&server, "t1 ana customer client_app 60");
    for other in [
        "t1 bob customer client_app 60",
        "t2 ana customer client_app 60",
        "t1 ana admin client_app 60",
    ] {
        let answer = ana.ask(&format!(r#"["authenticate",{{"token":"{other}"}}]"#));
        assert!(answer.contains("token_subject"), "{answer}");
    }
}

#[test]
fn an_order_belongs_to_its_tenant_and_to_its_customer() {
    let server = Server::start(TenantLimits::default());
    let ana = Poller::join(&server, "t1 ana customer client_app 60");
    let bob = Poller::join(&server, "t1 bob customer client_app 60");
    let elsewhere = Poller::join(&server, "t2 ana customer client_app 60");
    assert!(ana.ask(r#"["order:created",{"orderId":"42"}]"#).contains("\"success\":true"));
    assert!(bob.ask(r#"["order:created",{"orderId":"42"}]"#).contains("order_forbidden"));
    assert!(bob.ask(r#"["subscribe:order","42"]"#).contains("room_forbidden"));
    assert!(elsewhere.ask(r#"["subscribe:order","42"]"#).contains("room_forbidden"));
    assert!(elsewhere.ask(r#"["order:created",{"orderId":"42"}]"#).contains("\"success\":true"));
}

#[test]
fn a_flood_of_customers_leaves_places_for_staff() {
    let limits = TenantLimits { connections_max: 10, ..TenantLimits::default() };
    let server = Server::start(limits);
    let _customers: Vec<Poller> =
        (0..9).map(|n| Poller::join(&server, &format!("t1 c{n} customer client_app 60"))).collect();
    let one_more = Poller::open(&server);
    assert!(one_more.connect("t1 c9 customer client_app 60").contains("too_many_connections"));
    Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    // And where staff has its places, the bound is the tenant's.
    let staff = Poller::open(&server);
    assert!(staff.connect("t1 otto admin tenant_dashboard 60").contains("too_many_connections"));
}

#[test]
fn a_panic_outside_a_tenants_turn_ends_the_shard_and_whoever_looks_sees_it() {
    let server = Server::start(TenantLimits::default());
    let _ana = Poller::join(&server, "t1 ana customer client_app 60");
    assert!(!server.has_ended());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut sent = request.as_bytes().to_vec();
    write_client_frame(&mut sent, Opcode::Text, br#"40{"token":"planted panic"}"#, [1, 2, 3, 4]);
    socket.write_all(&sent).unwrap();
    wait_until("the shard ends", || server.has_ended());
    // Its sockets close, so that its clients go elsewhere; and it can still be stopped.
    let mut heard = Vec::new();
    let _ = socket.read_to_end(&mut heard);
    drop(server);
}

#[test]
fn clients_of_one_tenant_on_two_nodes_of_a_shared_log_get_the_same_events_in_the_same_order() {
    let store = MemoryStore::default();
    let nodes = [0; 2].map(|_| Server::start_sharing(&store));
    let olgas =
        nodes.each_ref().map(|node| Poller::join(node, "t1 olga admin tenant_dashboard 60"));
    // Both are live: what is published from now on is for them.
    olgas
        .iter()
        .for_each(|olga| assert!(olga.ask(r#"["health_check"]"#).contains("\"success\":true")));
    for n in 0..20 {
        olgas[n % 2].emit(&format!(r#"["notification:info",{{"message":"number {n}."}}]"#));
    }
    let got = olgas.each_ref().map(|olga| {
        let next = |_| olga.find("42[\"notification:info\"");
        let events: Vec<String> = (0..20).map(next).collect();
        events.iter().map(|it| it.split("number ").nth(1).unwrap()[..2].to_owned()).collect()
    });
    let [one, other]: [Vec<String>; 2] = got;
    assert_eq!(one, other);
    let mut each = one;
    each.sort_unstable();
    each.dedup();
    assert_eq!(each.len(), 20, "{each:?}");
    // Each is told where its own are.
    let told = olgas[0].ask(r#"["notification:info",{"message":"the last"}]"#);
    assert!(told.contains(r#""offset":21"#), "{told}");
}
