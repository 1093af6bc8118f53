//! Everything a client may push has a limit, and says so.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use foodtrack_server::LimitsConfig;

use crate::harness::{
    Client, Connect, HttpConnection, Options, Server, Transport, Who, config, eventually, limits,
    on_both_transports,
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
        if transport == Transport::WebSocket {
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
            let transport = Transport::ALL[n % 2];
            scope.spawn(move || Client::join(server, transport, &Who::chef("stormy", "carl")));
        }
        // The neighbour comes in between.
        eventually(|| (server.metric("entrances_delayed_total") > 0).then_some(()));
        let came = Instant::now();
        Client::join(&server, Transport::WebSocket, &Who::chef("calm", "carl"));
        assert!(came.elapsed() < Duration::from_millis(500), "it took {:?}", came.elapsed());
    });
    // Nobody was refused, and those beyond the burst came one after another.
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    assert_eq!(server.metric("handshakes_refused_total"), 0);
}
