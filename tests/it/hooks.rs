//! The business back end has a say in who comes in and who joins a room, whatever that back end does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foodtrack_server::{
    DisconnectTarget, HooksConfig, RoomName, Secret, TenantId, UpstreamConfig, WebSocketConfig,
};
use serde_json::{Value, json};
use test_support::let_pass;

use crate::harness::{
    Asked, BackEnd, Client, Connect, EventSource, Options, Reply, SIGNING_SECRET, Server,
    Transport, Who, config, eventually, on_every_transport,
};
use crate::support::{TENANT, update};

const YES: &str = r#"{"success":true}"#;
const NO: &str = r#"{"success":false,"error":{"code":"x","message":"the account is closed"}}"#;

fn hooked(url: String, hooks: HooksConfig) -> WebSocketConfig {
    config().upstream(UpstreamConfig {
        url: Some(url),
        secret: Some(Secret::new(SIGNING_SECRET)),
        timeout_ms: 500,
        hooks,
        ..UpstreamConfig::default()
    })
}

fn connect() -> HooksConfig {
    HooksConfig { connect: true, ..HooksConfig::default() }
}

fn join() -> HooksConfig {
    HooksConfig { join: true, ..HooksConfig::default() }
}

fn options(transport: Transport, who: &Who) -> Options {
    Options::new(transport, json!({ "token": who.token() }))
}

/// Why a client may not come in.
#[track_caller]
fn turned_away(server: &Server, transport: Transport, who: &Who) -> Value {
    match Client::connect(server, &options(transport, who)) {
        Connect::Refused(mut error) => error["data"].take(),
        Connect::Connected(_) => panic!("it came in"),
        Connect::HttpRefused(answer) => panic!("{answer}"),
    }
}

/// What the back end was asked so far, of these.
fn asked(back_end: &BackEnd, event: &str) -> Vec<Value> {
    let bodies = back_end.taken().into_iter().map(|asked| asked.json());
    bodies.filter(|body| body["event"] == event).collect()
}

on_every_transport! {
    fn the_back_end_says_who_comes_in(transport) {
        let back_end = BackEnd::start(|asked| {
            Reply::json(if asked.json()["userId"] == "eve" { NO } else { YES })
        });
        let server = Server::with(hooked(back_end.url(), connect()));
        let device = Who::chef(TENANT, "carl").device("tablet-1");
        let mut chef = Client::join(&server, transport, &device);
        let refused = turned_away(&server, transport, &Who::customer(TENANT, "eve"));
        assert_eq!((&refused["code"], &refused["message"]), (&json!("upstream_refused"), &json!("the account is closed")));
        assert!(back_end.taken().iter().all(Asked::is_signed));
        let questions = asked(&back_end, "hook:connect");
        let about = |key: &str| questions[0][key].clone();
        assert_eq!((about("tenantId"), about("userId"), about("role")), (json!(TENANT), json!("carl"), json!("chef")));
        assert_eq!((about("application"), about("deviceId")), (json!("kitchen_app"), json!("tablet-1")));
        assert_eq!((about("payload"), about("connectionId")), (json!({}), Value::Null));
        // The back ends' own are not asked about, and joining needs nobody's leave here.
        Client::join(&server, transport, &Who::service(TENANT));
        chef.subscribe("order", "1");
        assert_eq!(back_end.taken().len(), 2);
    }

    fn the_back_end_says_who_joins_a_room_that_policy_lets_them_into(transport) {
        let back_end = BackEnd::start(|asked| {
            Reply::json(if asked.json()["payload"]["id"] == "13" { NO } else { YES })
        });
        let server = Server::with(hooked(back_end.url(), join()));
        let mut other = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
        let mut courier = Client::join(&server, transport, &Who::courier(TENANT, "dino"));
        courier.subscribe("order", "42");
        assert_eq!(courier.refused("subscribe:order", json!("13")), "upstream_refused");
        for order in ["13", "42"] {
            other.accepted("delivery:picked_up", update(order, 1));
        }
        let got: Vec<_> = courier.drain().iter().map(|it| it.payload("orderId").clone()).collect();
        assert_eq!(got, ["42"]);
        let questions = asked(&back_end, "hook:join");
        let payload = json!({ "room": format!("order:{TENANT}:42"), "type": "order", "id": "42" });
        assert_eq!((&questions[0]["payload"], &questions[0]["userId"]), (&payload, &json!("dino")));
        // It cannot let anybody in whom policy keeps out, and is not even asked.
        assert_eq!(courier.refused("subscribe:kitchen", json!(TENANT)), "permission_denied");
        assert_eq!(courier.refused("subscribe:tenant", json!("sushi-kyoto")), "tenant_mismatch");
        assert_eq!(asked(&back_end, "hook:join").len(), 2);
        // Who is in a room is not asked about again; nor is leaving.
        courier.subscribe("order", "42");
        courier.accepted("unsubscribe:order", json!("42"));
        assert_eq!(asked(&back_end, "hook:join").len(), 2);
    }

    fn what_a_client_sends_behind_a_join_that_waits_stays_behind_it(transport) {
        let back_end = BackEnd::start(|asked| {
            if asked.json()["payload"]["id"] == "13" {
                let_pass(Duration::from_millis(150));
            }
            Reply::json(YES)
        });
        let server = Server::with(hooked(back_end.url(), join()));
        let mut courier = Client::join(&server, transport, &Who::courier(TENANT, "dino"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut manager = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let picked_up = |number: u64| ("delivery:picked_up", update("42", number));
        let events = [
            ("subscribe:order", json!("13")),
            ("subscribe:order", json!("42")),
            ("unsubscribe:order", json!("13")),
            picked_up(1),
            ("subscribe:order", json!("44")),
            picked_up(2),
        ];
        courier.emit_all(&events);
        // Another client's do not wait for it.
        let ready = json!({ "orderId": "7", "status": "ready", "number": 9 });
        chef.accepted("order:status_changed", ready);
        let numbers: Vec<_> = (0..3).map(|_| manager.next().payload("number").clone()).collect();
        assert_eq!(numbers, [9, 1, 2]);
        let names = courier.drain_names();
        let controls: Vec<_> = names.iter().filter(|name| name.ends_with("subscribed")).collect();
        assert_eq!(controls, ["subscribed", "subscribed", "unsubscribed", "subscribed"]);
    }
}

#[test]
fn the_back_end_says_who_listens_to_events() {
    let back_end =
        BackEnd::start(|asked| Reply::json(if asked.json()["userId"] == "eve" { NO } else { YES }));
    let server = Server::with(hooked(back_end.url(), connect()));
    EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    let query = format!("?token={}", Who::chef(TENANT, "eve").token());
    for _ in 0..2 {
        let refused = EventSource::ask(&server, &query, &[]);
        assert!(refused.head.starts_with("http/1.1 403"), "{}", refused.head);
    }
    assert_eq!(back_end.taken().len(), 2, "the second time it was remembered");
}

#[test]
fn clients_that_come_at_once_share_an_answer_and_those_that_come_later_have_it() {
    let back_end = BackEnd::start(|_| {
        let_pass(Duration::from_millis(200));
        Reply::json(YES)
    });
    let server = Server::with(hooked(back_end.url(), connect()));
    let ada = Who::customer(TENANT, "ada");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| Client::join(&server, Transport::WebSocket, &ada));
        }
    });
    Client::join(&server, Transport::WebSocket, &ada);
    assert_eq!(back_end.taken().len(), 1);
    // Another user, device or role is another question.
    Client::join(&server, Transport::WebSocket, &Who::customer(TENANT, "bob"));
    let device = Who::customer(TENANT, "ada").device("phone");
    Client::join(&server, Transport::WebSocket, &device);
    Client::join(&server, Transport::WebSocket, &Who::customer("sushi-kyoto", "ada"));
    assert_eq!(back_end.taken().len(), 4);
}

#[test]
fn everybody_comes_in_after_an_outage_however_few_are_asked_about_at_once() {
    let back_end = BackEnd::start(|_| {
        let_pass(Duration::from_millis(2));
        Reply::json(YES)
    });
    let mut config = hooked(back_end.url(), connect());
    config.upstream.concurrent_per_tenant_max = 2;
    let server = Server::with(config);
    let clients: Vec<Client> = std::thread::scope(|scope| {
        let join = |number: usize| {
            let who = Who::customer(TENANT, &format!("user-{number}"));
            Client::join(&server, Transport::WebSocket, &who)
        };
        let threads: Vec<_> = (0..100).map(|number| scope.spawn(move || join(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((clients.len(), server.count(TENANT)), (100, 100));
}

#[test]
fn an_answer_is_asked_for_anew_when_it_is_old_and_a_refusal_sooner() {
    let is_open = Arc::new(AtomicBool::new(false));
    let back_end = BackEnd::start({
        let is_open = Arc::clone(&is_open);
        move |_| Reply::json(if is_open.load(Ordering::Relaxed) { YES } else { NO })
    });
    let hooks = HooksConfig { refused_cache_ms: 1, ..connect() };
    let server = Server::with(hooked(back_end.url(), hooks));
    let ada = Who::customer(TENANT, "ada");
    turned_away(&server, Transport::WebSocket, &ada);
    is_open.store(true, Ordering::Relaxed);
    eventually(|| match Client::connect(&server, &options(Transport::WebSocket, &ada)) {
        Connect::Connected(_) => Some(()),
        _ => None,
    });
    // The permission holds, though the back end has changed its mind.
    is_open.store(false, Ordering::Relaxed);
    let count = back_end.taken().len();
    Client::join(&server, Transport::WebSocket, &ada);
    assert_eq!(back_end.taken().len(), count);
}

#[test]
fn who_is_disconnected_by_a_back_end_is_asked_about_anew() {
    let is_closed = Arc::new(AtomicBool::new(false));
    let back_end = BackEnd::start({
        let is_closed = Arc::clone(&is_closed);
        move |asked| {
            let is_ada = asked.json()["userId"] == "ada";
            Reply::json(if is_ada && is_closed.load(Ordering::Relaxed) { NO } else { YES })
        }
    });
    let server = Server::with(hooked(back_end.url(), connect()));
    let (ada, bob) = (Who::customer(TENANT, "ada"), Who::customer(TENANT, "bob"));
    for who in [&ada, &bob] {
        Client::join(&server, Transport::WebSocket, who);
    }
    is_closed.store(true, Ordering::Relaxed);
    Client::join(&server, Transport::WebSocket, &ada);
    let (connections, tenant) = (server.connections(), TenantId::parse(TENANT).unwrap());
    // She need not be here.
    let target = DisconnectTarget::User("ada".into());
    server.wait(connections.disconnect(&tenant, target)).unwrap();
    let refused = turned_away(&server, Transport::WebSocket, &ada);
    assert_eq!(refused["code"], "upstream_refused");
    let count = back_end.taken().len();
    Client::join(&server, Transport::WebSocket, &bob);
    assert_eq!(back_end.taken().len(), count, "nobody else is");
}

#[test]
fn who_lost_a_grant_is_asked_about_anew() {
    let back_end = BackEnd::start(|_| Reply::json(YES));
    let server = Server::with(hooked(back_end.url(), join()));
    let mut courier = Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "dino"));
    let again = |courier: &mut Client| {
        courier.subscribe("order", "42");
        courier.accepted("unsubscribe:order", json!("42"));
        courier.drain();
    };
    again(&mut courier);
    again(&mut courier);
    assert_eq!(back_end.taken().len(), 1);
    let tenant = TenantId::parse(TENANT).unwrap();
    let room = RoomName::Order("42").of(&tenant);
    server.wait(server.connections().revoke_grant(&room, "dino")).unwrap();
    again(&mut courier);
    assert_eq!(back_end.taken().len(), 2);
}

/// What a back end may do instead of answering.
fn lies() -> Vec<Reply> {
    let elsewhere = "http://127.0.0.1:1/";
    vec![
        Reply::json("<html>an error page</html>"),
        Reply::json(r#"{"success":"true"}"#),
        Reply::json(r#"{"allow":true}"#),
        Reply::json("").status(204),
        Reply::json(YES).status(500),
        Reply::json(YES).status(302).header("location", elsewhere),
        Reply::json(&format!(r#"{{"success":true,"data":"{}"}}"#, "x".repeat(1_100_000))),
        Reply::hang_up(),
        Reply::never(),
    ]
}

#[test]
fn without_an_answer_nobody_comes_in_or_joins_and_they_are_told_to_try_again() {
    for reply in lies() {
        let back_end = BackEnd::start({
            let reply = reply.clone();
            move |_| reply.clone()
        });
        let hooks = HooksConfig { join: true, ..connect() };
        let server = Server::with(hooked(back_end.url(), hooks));
        let refused = turned_away(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
        assert_eq!(refused["code"], "degraded", "{reply:?}");
        assert!(refused["retryAfterMs"].as_u64().unwrap() > 0, "{refused}");
        let server = Server::with(hooked(back_end.url(), join()));
        let mut courier = Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "d"));
        assert_eq!(courier.refused("subscribe:order", json!("1")), "degraded", "{reply:?}");
        // Nothing of it is remembered.
        assert_eq!(courier.refused("subscribe:order", json!("1")), "degraded");
        assert_eq!(asked(&back_end, "hook:join").len(), 2);
        courier.accepted("delivery:picked_up", update("1", 1));
    }
}

#[test]
fn where_it_is_configured_clients_come_in_without_an_answer_but_not_against_one() {
    let hooks = HooksConfig { join: true, allow_without_answer: true, ..connect() };
    for reply in [Reply::hang_up(), Reply::never(), Reply::json(NO)] {
        let is_no = matches!(reply, Reply::Says { .. });
        let back_end = BackEnd::start(move |_| reply.clone());
        let server = Server::with(hooked(back_end.url(), hooks.clone()));
        let courier = Who::courier(TENANT, "dino");
        if is_no {
            turned_away(&server, Transport::WebSocket, &courier);
        } else {
            Client::join(&server, Transport::WebSocket, &courier).subscribe("order", "1");
        }
    }
}

#[test]
fn a_back_end_that_is_away_is_left_alone_and_comes_back() {
    let back_end = BackEnd::start(|_| Reply::json(YES));
    let url = back_end.url();
    drop(back_end);
    let server = Server::with(hooked(url, connect()));
    for number in 0..5 {
        let who = Who::customer(TENANT, &format!("user-{number}"));
        assert_eq!(turned_away(&server, Transport::WebSocket, &who)["code"], "degraded");
    }
    let refused = turned_away(&server, Transport::WebSocket, &Who::customer(TENANT, "ada"));
    assert!((1_001..=5_000).contains(&refused["retryAfterMs"].as_u64().unwrap()), "{refused}");
}

#[test]
fn a_tenants_slow_answers_delay_no_other_tenant() {
    let back_end = BackEnd::start(|asked| match asked.json()["tenantId"].as_str() {
        Some("slow") => Reply::never(),
        _ => Reply::json(YES),
    });
    let mut config = hooked(back_end.url(), connect());
    config.upstream.timeout_ms = 20_000;
    config.upstream.concurrent_per_tenant_max = 2;
    config.upstream.concurrent_max = 16;
    let server = Server::with(config);
    let mut waiting: Vec<Client> = Vec::new();
    for number in 0..6 {
        let who = Who::customer("slow", &format!("user-{number}"));
        let mut client = Client::open(&server, &options(Transport::WebSocket, &who))
            .unwrap_or_else(|it| panic!("{it}"));
        client.send_connect();
        waiting.push(client);
    }
    for number in 0..20 {
        let who = Who::customer(TENANT, &format!("user-{number}"));
        Client::join(&server, Transport::WebSocket, &who);
    }
    assert_eq!(
        asked(&back_end, "hook:connect").iter().filter(|it| it["tenantId"] == "slow").count(),
        2
    );
}
