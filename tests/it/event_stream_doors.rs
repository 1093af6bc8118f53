//! Who may open a stream, how many of them, and how one ends.

use std::time::{Duration, Instant};

use foodtrack_contract::ApplicationType;
use foodtrack_server::LimitsConfig;
use serde_json::{Value, json};

use crate::harness::{
    Client, EventSource, HttpConnection, PATIENCE, Server, Transport, Who, config, limits, now_s,
};
use crate::support::{TENANT, back_end, publish};

fn carl() -> Who {
    Who::chef(TENANT, "carl")
}

/// Asks for a stream that is refused: the status, and the problem.
#[track_caller]
fn refused(server: &Server, query: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let answer =
        HttpConnection::open(server.address()).request(&format!("GET /events{query}"), headers, "");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{problem}");
    (answer.status, problem)
}

#[test]
fn every_refusal_is_a_problem_with_a_status_and_a_code() {
    let server = Server::start();
    let both = [ApplicationType::KitchenApp, ApplicationType::TenantDashboard];
    let both = carl().applications(&both);
    let device = carl().device("tablet-1");
    let long = format!("?deviceId={}", "x".repeat(129));
    let forged = carl().signed_with("another secret of at least 32 bytes");
    let cases = [
        ("", String::new(), 401, "token_missing"),
        ("", "a.b.c".into(), 401, "token_malformed"),
        ("", forged.token(), 401, "token_signature"),
        ("", carl().expires_at_s(now_s() - 60).token(), 401, "token_expired"),
        ("", both.token(), 400, "application_required"),
        ("?application=toaster", both.token(), 400, "application_unknown"),
        ("?application=delivery_app", both.token(), 403, "application_forbidden"),
        (&*long, carl().token(), 400, "message_malformed"),
        ("?deviceId=tablet-2", device.token(), 401, "token_claims"),
    ];
    for (query, token, status, code) in cases {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", &*bearer)];
        let (got, problem) = refused(&server, query, &headers);
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{query}: {problem}");
        assert!(!problem.to_string().contains(&token) || token.is_empty(), "{problem}");
    }
    assert_eq!(server.metric("connections"), 0);
}

#[test]
fn the_token_may_come_in_a_cookie() {
    let server = Server::start();
    let cookie = format!("a=b; token={}", carl().token());
    let mut source = EventSource::ask(&server, "", &[("Cookie", &cookie)]);
    source.expect("system:connection_established");
}

#[test]
fn a_stream_ends_with_its_token_and_goes_on_with_another() {
    let mut punctual = config();
    punctual.security.leeway_seconds = 0;
    let server = Server::with(punctual);
    let query = "?deviceId=screen";
    let short = carl().expires_at_s(now_s() + 6);
    let mut source = EventSource::open(&server, &short, query, None);
    publish(&mut back_end(&server), 1..=1);
    assert_eq!(source.numbers(1), [1]);
    let warned = source.expect("system:reconnection_required");
    assert_eq!(warned.data["payload"]["reason"], "token_expiring");
    let told = source.expect("system:error");
    assert_eq!(told.data["payload"]["code"], "token_expired");
    // No `end`: it is to come again, with a fresh token.
    assert!(source.next().is_none(), "the stream has ended");
    publish(&mut back_end(&server), 2..=2);
    let bearer = format!("Bearer {}", short.token());
    let last_id = source.last_id.unwrap();
    let headers = [("Authorization", &*bearer), ("Last-Event-ID", &*last_id)];
    assert_eq!(refused(&server, query, &headers).1["code"], "token_expired");
    let mut back = EventSource::open(&server, &carl(), query, Some(&last_id));
    assert_eq!(back.numbers(1), [2]);
}

#[test]
fn an_id_of_another_tenant_or_user_opens_nothing() {
    let server = Server::start();
    let mut theirs = Client::join(&server, Transport::WebSocket, &Who::service("sushi-kyoto"));
    let mut foreign = EventSource::open(&server, &Who::chef("sushi-kyoto", "carl"), "", None);
    let before_foreign = foreign.last_id.clone().unwrap();
    publish(&mut theirs, 1..=2);
    assert_eq!(foreign.numbers(2), [1, 2]);
    let mut sender = back_end(&server);
    let first = EventSource::open(&server, &carl(), "", None);
    let before_own = first.last_id.clone().unwrap();
    publish(&mut sender, 11..=12);
    for (user, id, reason) in [("eve", before_foreign, "reset"), ("adam", before_own, "gap")] {
        let mut source = EventSource::open(&server, &Who::chef(TENANT, user), "", Some(&id));
        let told = source.expect("system:reconnection_required");
        assert_eq!(told.data["payload"]["reason"], reason, "{user}");
        let number = if user == "eve" { 13 } else { 14 };
        publish(&mut sender, number..=number);
        assert_eq!(source.numbers(1), [number], "{user}");
    }
}

#[test]
fn streams_are_listed_and_ended_over_http_for_good() {
    let server = Server::start();
    let owner = Who::owner(TENANT, "olga").token();
    let foreign = Who::owner("sushi-kyoto", "olga").token();
    let mut http = HttpConnection::open(server.address());
    let greeting = |query: &str| {
        let bearer = format!("Bearer {}", carl().token());
        let mut source = EventSource::ask(&server, query, &[("Authorization", &*bearer)]);
        let greeting = source.expect("system:connection_established");
        (greeting.data["payload"]["connectionId"].as_str().unwrap().to_owned(), source)
    };
    let (id, mut by_id) = greeting("");
    let (_, mut by_user) = greeting("?deviceId=screen");
    let listed = http.call("GET /api/v1/connections?user=carl", &owner, &Value::Null).json();
    assert_eq!(listed["data"]["connections"].as_array().unwrap().len(), 2, "{listed}");
    let line = format!("DELETE /api/v1/connections/{id}");
    assert_eq!(http.call(&line, &foreign, &Value::Null).status, 404);
    assert_eq!(http.call(&line, &owner, &Value::Null).status, 200);
    by_id.expect("end");
    assert!(by_id.next().is_none(), "the stream has ended");
    assert_eq!(server.count(TENANT), 1);
    let gone = http.call("DELETE /api/v1/users/carl/connections", &owner, &Value::Null).json();
    assert_eq!(gone["data"]["disconnected"], 1, "{gone}");
    by_user.expect("end");
    assert!(by_user.next().is_none(), "the stream has ended");
    assert_eq!(server.count(TENANT), 0);
}

#[test]
fn a_device_has_one_connection_of_whatever_kind() {
    let server = Server::start();
    let query = "?deviceId=screen";
    let auth = json!({ "token": carl().token(), "deviceId": "screen" });
    let options = crate::harness::Options::new(Transport::WebSocket, auth);
    let mut older = EventSource::open(&server, &carl(), query, None);
    let mut newer = Client::join_with(&server, &options);
    assert_eq!(older.expect("system:error").data["payload"]["code"], "device_replaced");
    older.expect("end");
    assert!(older.next().is_none(), "the stream has ended");
    let mut newest = EventSource::open(&server, &carl(), query, None);
    assert_eq!(newer.expect("system:error").payload("code"), "device_replaced");
    newer.until_closed();
    publish(&mut back_end(&server), 1..=1);
    assert_eq!(newest.numbers(1), [1]);
}

#[test]
fn when_the_server_stops_a_stream_closes_without_being_sent_away() {
    let mut server = Server::durable(config());
    let query = "?deviceId=screen";
    let mut source = EventSource::open(&server, &carl(), query, None);
    server.restart();
    assert!(source.next().is_none(), "the stream has ended, and nothing says that it is for good");
    publish(&mut back_end(&server), 1..=1);
    let mut back = EventSource::open(&server, &carl(), query, source.last_id.as_deref());
    assert_eq!(back.numbers(1), [1]);
}

#[test]
fn a_tenant_and_a_user_have_as_many_streams_as_connections() {
    let few =
        LimitsConfig { connections_per_user_max: 2, connections_per_tenant_max: 3, ..limits() };
    let server = Server::with(config().limits(few));
    let bearer = |who: &Who| format!("Bearer {}", who.token());
    let _two = [0, 1].map(|_| EventSource::open(&server, &carl(), "", None));
    let headers = bearer(&carl());
    let (status, problem) = refused(&server, "", &[("Authorization", &headers)]);
    assert_eq!((status, &problem["code"]), (429, &json!("too_many_connections")), "{problem}");
    assert!(problem["retryAfterMs"].is_u64(), "{problem}");
    let _third = EventSource::open(&server, &Who::chef(TENANT, "cleo"), "", None);
    let headers = bearer(&Who::chef(TENANT, "carla"));
    let (_, problem) = refused(&server, "", &[("Authorization", &headers)]);
    assert_eq!(problem["code"], "too_many_connections", "{problem}");
    EventSource::open(&server, &Who::chef("sushi-kyoto", "carl"), "", None);
}

/// Strangers ask without end: each is answered, their address has its allowance, and who is inside notices nothing.
#[test]
fn a_flood_of_requests_without_a_token_is_refused_and_delays_nobody() {
    const STRANGERS: usize = 40;
    const REQUESTS: usize = 50;
    let server = Server::with(config().handshakes_per_minute(200));
    let mut source = EventSource::open(&server, &carl(), "", None);
    let mut sender = back_end(&server);
    let address = server.address();
    let flood = std::thread::spawn(move || {
        let mut statuses = Vec::new();
        for _ in 0..REQUESTS {
            let mut asking: Vec<_> =
                (0..STRANGERS).map(|_| HttpConnection::open(address)).collect();
            for http in &mut asking {
                let _ = http.send("GET /events?token=nonsense&cursor=1-1", &[], "");
            }
            for mut http in asking {
                let answer = http.receive(Instant::now() + PATIENCE).ok().flatten();
                statuses.extend(answer.map(|answer| answer.status));
            }
        }
        statuses
    });
    let mut slowest = Duration::ZERO;
    let mut number = 0;
    while !flood.is_finished() {
        number += 1;
        let began = Instant::now();
        publish(&mut sender, number..=number);
        assert_eq!(source.numbers(1), [number]);
        slowest = slowest.max(began.elapsed());
    }
    let statuses = flood.join().unwrap();
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    assert_eq!(statuses.len(), STRANGERS * REQUESTS, "each was answered");
    // Two of the address's allowance were those inside.
    assert!((150..300).contains(&count(401)), "{} looked at", count(401));
    assert_eq!(count(401) + count(429), statuses.len());
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert_eq!(server.metric("connections"), 2);
}
