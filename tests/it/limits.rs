//! Everything a client may push has a limit, and says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use foodtrack_server::LimitsConfig;
use foodtrack_wire::socket_io::PacketType;
use test_support::let_pass;

use crate::harness::{
    Client, Connect, HttpConnection, Options, Server, Transport, Who, config, eventually, limits,
    on_both_transports, on_every_transport,
};

const TENANT: &str = "pizza-roma";

fn ready() -> Value {
    json!({ "orderId": "1", "status": "ready" })
}

/// Emits 30 events with acknowledgements and counts the codes.
fn thirty(client: &mut Client) -> (usize, Vec<Value>) {
    let answers: Vec<Value> =
        (0..30).map(|_| client.ask("order:status_changed", ready())).collect();
    let (accepted, refused): (Vec<Value>, Vec<Value>) =
        answers.into_iter().partition(|answer| answer["success"] == true);
    (accepted.len(), refused.into_iter().map(|mut answer| answer["error"].take()).collect())
}

on_both_transports! {
    fn leaving_and_joining_again_on_one_transport_gives_no_more_than_staying(transport) {
        let server = Server::with(config().limits(LimitsConfig {
            messages_per_second_per_connection: 1, messages_burst_per_connection: 10,
            messages_per_second_per_user: 1, messages_burst_per_user: 15, ..limits()
        }));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let started = Instant::now();
        let mut accepted = 0;
        for _ in 0..5 {
            for _ in 0..10 {
                let answer = chef.ask("order:status_changed", ready());
                let is_accepted = answer["success"] == true;
                accepted += u64::from(is_accepted);
                assert!(is_accepted || answer["error"]["code"] == "rate_limited", "{answer}");
            }
            while chef.next_within(Duration::from_millis(100)).is_some() {}
            chef.send_packet(PacketType::Disconnect, None, &Value::Null, &[]);
            chef.send_connect();
            chef.connected().unwrap();
        }
        let most = 15 + started.elapsed().as_secs() + 1;
        assert!((15..=most).contains(&accepted), "{accepted} accepted, not {most}");
        // A new transport, and another device of the user's, are the same user.
        let mut other = Client::join(&server, transport, &Who::chef(TENANT, "carl").device("d"));
        let (more, _) = thirty(&mut other);
        let most = 15 + started.elapsed().as_secs() + 1 - accepted;
        assert!(more as u64 <= most, "{more} accepted, not {most}");
        Client::join(&server, transport, &Who::chef(TENANT, "carla"))
            .accepted("order:status_changed", ready());
    }
}

on_every_transport! {
    fn a_connection_over_its_rate_is_refused_and_stays(transport) {
        let server = Server::with(config().limits(LimitsConfig {
            messages_per_second_per_connection: 5, messages_burst_per_connection: 10, ..limits()
        }));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let (accepted, refused) = thirty(&mut chef);
        // Each refusal pauses reading, so that a little of the rate comes back meanwhile.
        assert!((10..=25).contains(&accepted), "{accepted} accepted");
        for error in &refused {
            assert_eq!(error["code"], "rate_limited", "{error}");
            assert!(error["retryAfterMs"].as_u64().unwrap() <= 1_000, "{error}");
        }
        assert_eq!(server.metric("rate_limited_total"), refused.len() as u64);
        let mut other = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        other.accepted("order:status_changed", ready());
    }

    fn a_tenant_over_its_rate_is_refused_and_no_other_is(transport) {
        let server = Server::with(config().shards(1).limits(LimitsConfig {
            messages_per_second_per_tenant: 5, messages_burst_per_tenant: 10, ..limits()
        }));
        let mut chefs = [0, 1].map(|_| Client::join(&server, transport, &Who::chef(TENANT, "carl")));
        let (first, refused) = thirty(&mut chefs[0]);
        assert!((10..=25).contains(&first), "{first} accepted");
        assert!(refused.iter().all(|error| error["code"] == "tenant_rate_limited"), "{refused:?}");
        let (second, refused) = thirty(&mut chefs[1]);
        assert!(second <= 15 && !refused.is_empty(), "{second} accepted of the second connection");
        let mut neighbour = Client::join(&server, transport, &Who::chef("sushi-kyoto", "carl"));
        neighbour.accepted("order:status_changed", ready());
    }

    fn a_user_has_as_many_connections_as_it_may_have(transport) {
        let server = Server::with(config().limits(LimitsConfig { connections_per_user_max: 2, ..limits() }));
        let auth = json!({ "token": Who::chef(TENANT, "carl").token() });
        let _two = [0, 1].map(|_| Client::join(&server, transport, &Who::chef(TENANT, "carl")));
        let Connect::Refused(error) = Client::connect(&server, &Options::new(transport, auth)) else {
            panic!("a third connection came in")
        };
        assert_eq!(error["data"]["code"], "too_many_connections", "{error}");
        assert!(error["data"]["retryAfterMs"].is_u64(), "{error}");
        Client::join(&server, transport, &Who::chef(TENANT, "carla"));
        Client::join(&server, transport, &Who::chef("sushi-kyoto", "carl"));
    }

    fn a_tenant_has_as_many_connections_as_it_may_have(transport) {
        let server = Server::with(config().limits(LimitsConfig { connections_per_tenant_max: 2, ..limits() }));
        let auth = json!({ "token": Who::chef(TENANT, "c").token() });
        let _two = ["a", "b"].map(|user| Client::join(&server, transport, &Who::chef(TENANT, user)));
        let Connect::Refused(error) = Client::connect(&server, &Options::new(transport, auth)) else {
            panic!("a third connection came in")
        };
        assert_eq!(error["data"]["code"], "too_many_connections", "{error}");
    }

    fn an_address_that_knocks_too_fast_is_told_when_to_come_back(transport) {
        let server = Server::with(config().handshakes_per_minute(3));
        let auth = json!({ "token": Who::chef(TENANT, "carl").token() });
        let _three = [0, 1, 2].map(|_| Client::join(&server, transport, &Who::chef(TENANT, "carl")));
        let Connect::HttpRefused(answer) = Client::connect(&server, &Options::new(transport, auth)) else {
            panic!("a fourth handshake was admitted")
        };
        let answer = answer.to_lowercase();
        assert!(answer.contains("429") && answer.contains("retry-after: "), "{answer}");
        assert!(answer.contains("handshake_rate_limited"), "{answer}");
        // Those inside are not asked again, and the HTTP API is no handshake.
        assert_eq!(server.metric("connections"), 3);
    }

    fn a_message_over_the_limit_closes_its_sender_alone(transport) {
        let server = Server::with(config().payload_bytes_max(10_000));
        let mut big = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut other = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let notes = "x".repeat(11_000);
        big.try_emit("order:status_changed", json!({ "orderId": "1", "status": "s", "notes": notes }));
        if transport != Transport::Polling {
            assert_eq!(big.until_closed().1, Some(1_009));
            crate::harness::eventually(|| (server.count(TENANT) == 1).then_some(()));
        }
        other.accepted("order:status_changed", ready());
        assert_eq!(other.drain_names(), ["order:status_changed"]);
    }
}

#[test]
fn a_body_over_the_limit_is_413() {
    let server = Server::with(config().payload_bytes_max(10_000));
    let mut http = HttpConnection::open(server.address());
    let open = http.get("/socket.io/?EIO=4&transport=polling").body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let line = format!("POST /socket.io/?EIO=4&transport=polling&sid={sid}");
    let mut posts = HttpConnection::open(server.address());
    assert_eq!(posts.request(&line, &[], &format!("4{}", "x".repeat(10_001))).status, 413);
}

#[test]
fn bytes_are_limited_like_messages() {
    let server = Server::with(config().payload_bytes_max(10_000).limits(LimitsConfig {
        payload_bytes_max: 10_000,
        bytes_per_second_per_connection: 10_000,
        bytes_burst_per_connection: 20_000,
        ..limits()
    }));
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let notes = "x".repeat(8_000);
    let big = json!({ "orderId": "1", "status": "s", "notes": notes });
    let codes: Vec<Value> = (0..4)
        .map(|_| chef.ask("order:status_changed", big.clone())["error"]["code"].take())
        .collect();
    assert_eq!(codes[..2], [Value::Null, Value::Null]);
    assert_eq!(codes[3], "rate_limited");
}

#[test]
fn clients_that_come_at_once_wait_for_their_turn_and_others_do_not() {
    const CLIENTS: usize = 40;
    let server = Server::with(config().limits(LimitsConfig {
        sessions_per_second_per_tenant: 40,
        sessions_burst_per_tenant: 10,
        ..limits()
    }));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let server = &server;
            let transport = Transport::ALL[n % Transport::ALL.len()];
            scope.spawn(move || Client::join(server, transport, &Who::chef("stormy", "carl")));
        }
        // The neighbour comes in between.
        eventually(|| (server.metric("arrivals_delayed_total") > 0).then_some(()));
        let came = Instant::now();
        Client::join(&server, Transport::WebSocket, &Who::chef("calm", "carl"));
        assert!(came.elapsed() < Duration::from_millis(500), "it took {:?}", came.elapsed());
    });
    // Nobody was refused, and those beyond the burst came one after another.
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    assert_eq!(server.metric("handshakes_refused_total"), 0);
}

#[test]
fn while_customers_wait_to_open_sessions_staff_and_back_ends_come_in_at_once() {
    let server = Server::with(config().shards(1).limits(LimitsConfig {
        sessions_per_second_per_tenant: 5,
        sessions_burst_per_tenant: 10,
        ..limits()
    }));
    let delayed = || server.metric("arrivals_delayed_total");
    thread::scope(|scope| {
        for n in 0..24 {
            let server = &server;
            let who = Who::customer(TENANT, &format!("eve-{n}"));
            scope.spawn(move || {
                Client::join(server, Transport::ALL[n % Transport::ALL.len()], &who)
            });
        }
        // All have come once no more of them begin to wait; those who wait have three a second.
        eventually(|| (delayed() > 5).then_some(()));
        let before = eventually(|| {
            let before = delayed();
            thread::sleep(Duration::from_millis(300));
            (delayed() == before).then_some(before)
        });
        Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
        Client::join(&server, Transport::WebSocket, &Who::service(TENANT));
        assert_eq!(delayed(), before, "staff or a back end waited");
    });
    assert_eq!(server.metric("handshakes_refused_total"), 0);
}

/// Floods with updates of its own order, as fast as it is read, until the flag is set. Reads nothing.
fn flood_as_customer(server: &Server, user: &str, connections: usize, is_over: &AtomicBool) {
    let who = Who::customer(TENANT, user);
    let join = || Client::join(server, Transport::WebSocket, &who);
    let mut clients: Vec<Client> = (0..connections).map(|_| join()).collect();
    let events: Vec<(&str, Value)> =
        (0..50).map(|n| ("order:created", json!({ "orderId": format!("{user}-{n}") }))).collect();
    while !is_over.load(Ordering::Relaxed) {
        for client in &mut clients {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            // Who does not read is sent away at some time.
            if !client.try_emit_all(&events) {
                *client = join();
            }
        }
    }
}

#[test]
fn while_customers_flood_staff_and_back_ends_get_all_of_theirs_accepted() {
    // A connection's own rate is in nobody's way here: it is the user's and the tenant's that are tried.
    let rates = LimitsConfig {
        messages_per_second_per_tenant: 100,
        messages_burst_per_tenant: 200,
        ..limits()
    };
    let per_user = LimitsConfig {
        messages_per_second_per_connection: 1_000,
        messages_burst_per_connection: 1_000,
        messages_per_second_per_user: 1_000,
        messages_burst_per_user: 1_000,
        ..rates.clone()
    };
    // One customer of 95 connections, and many of one each.
    for (limits, users, connections) in [(per_user, 1, 95), (rates, 8, 2)] {
        let server = Server::with(config().shards(1).limits(limits));
        let is_over = AtomicBool::new(false);
        let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
        let mut service = Client::join(&server, Transport::WebSocket, &Who::service(TENANT));
        let mut http = HttpConnection::open(server.address());
        let token = Who::service(TENANT).token();
        thread::scope(|scope| {
            // Also where this fails: or else the flood would go on for ever.
            let _over = Over(&is_over);
            for user in 0..users {
                let (server, is_over) = (&server, &is_over);
                scope.spawn(move || {
                    flood_as_customer(server, &format!("eve-{user}"), connections, is_over);
                });
            }
            eventually(|| (server.metric("rate_limited_total") > 500).then_some(()));
            // Theirs are 20 and 10 a second, and they send less.
            for number in 0..20 {
                chef.accepted("kitchen:notification", json!({ "message": "m", "number": number }));
                service.accepted("notification:info", json!({ "message": "m", "number": number }));
                let body = json!({ "type": "notification:info", "payload": { "message": "m" } });
                let answer = http.call("POST /api/v1/publish", &token, &body);
                assert_eq!(answer.status, 200, "{answer:?}");
                let_pass(Duration::from_millis(250));
            }
        });
    }
}

/// Says so when it is dropped.
struct Over<'f>(&'f AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
