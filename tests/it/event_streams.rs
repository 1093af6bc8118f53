//! `/events`: who only listens gets what a connection gets, and comes back by the id of the last event.

use std::collections::BTreeSet;
use std::time::Duration;

use foodtrack_contract::ApplicationType;
use foodtrack_server::LimitsConfig;
use serde_json::json;

use crate::acknowledgements::asks;
use crate::harness::{
    Client, EventSource, HttpConnection, Server, Transport, Who, config, eventually, limits,
};
use crate::support::{TENANT, back_end, publish};

#[test]
fn who_listens_gets_each_event_with_its_cursor_and_headers_that_proxies_pass_on() {
    let server = Server::start();
    let mut source = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(source.head.contains(header), "{}", source.head);
    }
    for absent in ["content-length", "transfer-encoding", "content-encoding"] {
        assert!(!source.head.contains(absent), "{}", source.head);
    }
    let mut classic = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    publish(&mut back_end(&server), 1..=1);
    let (sent, event) = (source.expect("order:updated"), classic.expect("order:updated"));
    assert_eq!((sent.id, sent.data), (event.cursor.clone(), event.argument));
}

#[test]
fn a_token_in_the_query_counts_and_one_in_the_header_goes_before_it() {
    let server = Server::start();
    let token = Who::chef(TENANT, "carl").token();
    let mut source =
        EventSource::ask(&server, &format!("?token={token}&application=kitchen_app"), &[]);
    let greeting = source.expect("system:connection_established");
    assert_eq!(greeting.data["payload"]["userId"], "carl");
    let bearer = format!("Bearer {}", Who::chef(TENANT, "cleo").token());
    let headers = [("Authorization", &*bearer)];
    let mut source = EventSource::ask(&server, &format!("?token={token}"), &headers);
    let greeting = source.expect("system:connection_established");
    assert_eq!(greeting.data["payload"]["userId"], "cleo");
}

#[test]
fn tenants_with_equal_names_and_other_applications_hear_nothing_of_each_other() {
    let server = Server::start();
    let mut own = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    let mut foreign = EventSource::open(&server, &Who::chef("sushi-kyoto", "carl"), "", None);
    let customer = Who::of_application(TENANT, "carl", ApplicationType::ClientApp);
    let mut customer = EventSource::open(&server, &customer, "", None);
    publish(&mut back_end(&server), 1..=1);
    assert_eq!(own.numbers(1), [1]);
    let mut theirs = Client::join(&server, Transport::WebSocket, &Who::service("sushi-kyoto"));
    publish(&mut theirs, 7..=7);
    assert_eq!(foreign.numbers(1), [7]);
    let mut sender = back_end(&server);
    sender.accepted("notification:info", json!({ "message": "for all" }));
    customer.expect("notification:info");
    own.expect("notification:info");
}

#[test]
fn a_device_that_brings_its_last_id_gets_what_it_missed_once_also_after_a_restart() {
    let mut server = Server::durable(config());
    let (who, query) = (Who::chef(TENANT, "carl"), "?deviceId=screen-1");
    let mut source = EventSource::open(&server, &who, query, None);
    publish(&mut back_end(&server), 1..=3);
    assert_eq!(source.numbers(2), [1, 2]);
    let last_id = source.last_id.clone();
    drop(source);
    publish(&mut back_end(&server), 4..=5);
    let mut source = EventSource::open(&server, &who, query, last_id.as_deref());
    assert_eq!(source.numbers(3), [3, 4, 5]);
    let last_id = source.last_id.clone();
    drop(source);
    server.restart();
    publish(&mut back_end(&server), 6..=6);
    let mut source = EventSource::open(&server, &who, query, last_id.as_deref());
    assert_eq!(source.numbers(1), [6]);
    // By the query as well, where nobody can set a header.
    let id = last_id.unwrap().replace('+', "%2B");
    let mut source = EventSource::open(&server, &who, &format!("{query}&cursor={id}"), None);
    assert_eq!(source.numbers(1), [6]);
}

#[test]
fn what_was_written_is_not_confirmed_before_its_id_comes_back() {
    let server = Server::start();
    let (who, query) = (Who::chef(TENANT, "carl"), "?deviceId=screen-1");
    let mut source = EventSource::open(&server, &who, query, None);
    publish(&mut back_end(&server), 1..=2);
    assert_eq!(source.numbers(2), [1, 2]);
    let last_id = source.last_id.clone();
    drop(source);
    // Nothing came back: all of it comes again.
    let mut source = EventSource::open(&server, &who, query, None);
    assert_eq!(source.numbers(2), [1, 2]);
    drop(source);
    drop(EventSource::open(&server, &who, query, last_id.as_deref()));
    // It has come back once: that is known from now on.
    publish(&mut back_end(&server), 3..=3);
    assert_eq!(EventSource::open(&server, &who, query, None).numbers(1), [3]);
}

#[test]
fn an_id_that_was_made_up_opens_nothing_of_before() {
    let server = Server::start();
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=3);
    let mut first = EventSource::open(&server, &Who::chef(TENANT, "carl"), "?deviceId=a", None);
    publish(&mut sender, 4..=4);
    assert_eq!(first.numbers(1), [4]);
    let epoch = first.last_id.clone().unwrap().split('-').next().unwrap().to_owned();
    let made_up = [format!("{epoch}-0"), "nonsense".to_owned(), format!("{epoch}-99999")];
    // An event of its own each: the same one once more would be taken for a repeat.
    for (id, next) in made_up.iter().zip(5..) {
        let user = Who::chef(TENANT, "newcomer");
        let mut source = EventSource::open(&server, &user, "?deviceId=b", Some(id));
        publish(&mut sender, next..=next);
        let mut sent = source.next().unwrap();
        // It is told that it will not be sent what it says it has not got.
        if sent.event == "system:reconnection_required" {
            assert_eq!(sent.data["payload"]["reason"], "gap");
            sent = source.next().unwrap();
        }
        assert_eq!(
            (&*sent.event, &sent.data["payload"]["number"]),
            ("order:updated", &json!(next)),
            "{id}"
        );
        drop(source);
        // What it says it has, it has.
        drop(EventSource::open(&server, &user, "?deviceId=b", Some(&sent.id.unwrap())));
    }
}

#[test]
fn who_is_refused_gets_a_problem_and_no_stream() {
    let server = Server::start();
    let bearer = |token: &str| format!("Bearer {token}");
    let mut http = HttpConnection::open(server.address());
    let manager = Who::of_application(TENANT, "mia", ApplicationType::TenantDashboard);
    for (path, headers, status, code) in [
        ("/events", vec![], 401, "token_missing"),
        ("/events?token=nonsense", vec![], 401, "token_malformed"),
        (
            "/events?application=kitchen_app",
            vec![("Authorization", bearer(&manager.token()))],
            403,
            "application_forbidden",
        ),
        ("/events", vec![("Origin", "https://evil.example".to_owned())], 403, "permission_denied"),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = http.request(&format!("GET {path}"), &headers, "");
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem = answer.json();
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!(code), &json!(status)),
            "{path}"
        );
        http = HttpConnection::open(server.address());
    }
    let answer = http.request("POST /events", &[], "");
    assert_eq!(answer.status, 405);
    let few = LimitsConfig { connections_per_user_max: 1, ..limits() };
    let server = Server::with(config().limits(few).handshakes_per_minute(3));
    let who = Who::chef(TENANT, "carl");
    let _first = EventSource::open(&server, &who, "", None);
    let headers = [("Authorization", &*bearer(&who.token()))];
    let answer = HttpConnection::open(server.address()).request("GET /events", &headers, "");
    assert_eq!((answer.status, &answer.json()["code"]), (429, &json!("too_many_connections")));
    let mut last = None;
    for _ in 0..3 {
        last = Some(HttpConnection::open(server.address()).request("GET /events", &headers, ""));
    }
    let answer = last.unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (429, &json!("handshake_rate_limited")));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn pages_of_allowed_origins_may_read_the_stream() {
    let mut config = config();
    config.cors.origin = vec!["https://shop.example".into()];
    let server = Server::with(config);
    let bearer = format!("Bearer {}", Who::chef(TENANT, "carl").token());
    let headers = [("Authorization", &*bearer), ("Origin", "https://shop.example")];
    let source = EventSource::ask(&server, "", &headers);
    assert!(
        source.head.contains("access-control-allow-origin: https://shop.example"),
        "{}",
        source.head
    );
    let preflight = [
        ("Origin", "https://shop.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let answer = HttpConnection::open(server.address()).request("OPTIONS /events", &preflight, "");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
}

#[test]
fn an_idle_stream_shows_that_the_server_is_there() {
    let server = Server::with(config().heartbeat_interval(Duration::from_millis(200)));
    let mut source = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    let mut sender = back_end(&server);
    test_support::let_pass(Duration::from_secs(1));
    publish(&mut sender, 1..=1);
    assert_eq!(source.numbers(1), [1]);
    assert!(source.heartbeats >= 2, "{}", source.heartbeats);
}

#[test]
fn a_slow_reader_is_closed_and_comes_back_with_all_it_missed() {
    let bounded = LimitsConfig { queue_messages_max: 20, ..limits() };
    let server = Server::with(config().limits(bounded));
    let (who, query) = (Who::chef(TENANT, "carl"), "?deviceId=slow");
    let mut slow = EventSource::open(&server, &who, query, None);
    let mut sender = back_end(&server);
    let filling = "x".repeat(100_000);
    for number in 1..=120 {
        let message = json!({ "orderId": "1", "number": number, "filling": filling });
        sender.accepted("order:updated", message);
    }
    eventually(|| (server.metric("slow_readers_closed_total") == 1).then_some(()));
    let mut got = 0;
    while let Some(sent) = slow.next() {
        got += 1;
        assert_eq!(sent.data["payload"]["number"], got);
    }
    assert!(got < 120);
    let mut back = EventSource::open(&server, &who, query, slow.last_id.as_deref());
    let rest: Vec<u64> = (got + 1..=120).collect();
    assert_eq!(back.numbers(rest.len()), rest);
}

#[test]
fn who_only_listens_is_asked_for_no_acknowledgement_and_owes_none() {
    let server = Server::with(config().deliver(asks("order:updated", None)));
    let mut source =
        EventSource::open(&server, &Who::chef(TENANT, "carl"), "?deviceId=screen", None);
    let mut asked = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "cleo"));
    publish(&mut back_end(&server), 1..=1);
    assert!(asked.expect("order:updated").ack_id.is_some());
    let sent = source.expect("order:updated");
    assert!(sent.id.is_some(), "{sent:?}");
}

#[test]
fn a_device_that_opens_another_stream_ends_its_older_one() {
    let server = Server::start();
    let who = Who::chef(TENANT, "carl");
    let mut older = EventSource::open(&server, &who, "?deviceId=screen", None);
    let _newer = EventSource::open(&server, &who, "?deviceId=screen", None);
    assert_eq!(older.expect("system:error").data["payload"]["code"], "device_replaced");
    older.expect("end");
    assert!(older.next().is_none(), "the stream has ended");
}

#[test]
fn a_stream_on_which_its_reader_says_something_ends_and_no_other_does() {
    let server = Server::start();
    let mut quiet = EventSource::open(&server, &Who::chef(TENANT, "cleo"), "", None);
    let mut source = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    source.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(source.next().is_none(), "the stream has ended");
    publish(&mut back_end(&server), 1..=1);
    assert_eq!(quiet.numbers(1), [1]);
}

#[test]
fn readers_that_lose_their_connections_together_do_not_come_back_together() {
    let server = Server::start();
    let who = Who::chef(TENANT, "carl");
    let sources: Vec<_> = (0..20).map(|_| EventSource::open(&server, &who, "", None)).collect();
    let retries: BTreeSet<u64> = sources.iter().map(|source| source.retry_ms.unwrap()).collect();
    assert!(retries.iter().all(|retry_ms| (1_000..3_000).contains(retry_ms)), "{retries:?}");
    assert!(retries.len() > 10, "{retries:?}");
}
