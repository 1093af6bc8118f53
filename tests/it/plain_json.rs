//! What the page of the plain WebSocket says (`docs/reference/ws.md`), frame by frame. Every other scenario runs over it as well.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use foodtrack_contract::ApplicationType;
use foodtrack_server::LimitsConfig;
use serde_json::{Value, json};
use test_support::let_pass;

use crate::harness::{
    Address, Client, HttpConnection, Link as _, Outgoing, PATIENCE, Received, Server, Transport,
    WebSocketLink, Who, config, eventually, limits,
};
use crate::support::{TENANT, back_end, publish};

/// A connection to `/ws` that says and hears JSON.
struct Plain {
    link: WebSocketLink,
    /// Events that came while something else was waited for.
    events: VecDeque<Value>,
}

impl Plain {
    #[track_caller]
    fn open(server: &impl Address) -> Self {
        let link = WebSocketLink::open_at(server.address(), "/ws", &[], None).unwrap();
        let mut plain = Self { link, events: VecDeque::new() };
        let open = plain.hear();
        assert_eq!(open["type"], "open", "{open}");
        assert!(open["pingIntervalMs"].is_u64() && open["pingTimeoutMs"].is_u64(), "{open}");
        assert!(open["payloadBytesMax"].is_u64(), "{open}");
        plain
    }

    /// Opens one and connects; the greeting is heard.
    #[track_caller]
    fn connect(server: &impl Address, connect: Value) -> (Self, Value) {
        let mut plain = Self::open(server);
        plain.say_connect(connect);
        let connected = plain.expect("connected");
        assert_eq!(plain.hear_event()["event"], "system:connection_established");
        (plain, connected)
    }

    fn say_connect(&mut self, mut connect: Value) {
        connect["type"] = json!("connect");
        self.say(&connect);
    }

    fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string());
    }

    fn say_text(&mut self, text: &str) {
        self.link.send(&[Outgoing::Text(text.to_owned())]);
    }

    fn receive(&mut self) -> Received {
        self.link.receive(Instant::now() + PATIENCE)
    }

    /// The next message, whatever it is.
    #[track_caller]
    fn hear(&mut self) -> Value {
        match self.receive() {
            Received::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no message came: {other:?}"),
        }
    }

    /// The next message but for pings, which are answered.
    #[track_caller]
    fn hear_next(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        self.hear_new()
    }

    #[track_caller]
    fn hear_new(&mut self) -> Value {
        loop {
            let message = self.hear();
            if message["type"] != "ping" {
                return message;
            }
            self.say(&json!({ "type": "pong" }));
        }
    }

    #[track_caller]
    fn expect(&mut self, kind: &str) -> Value {
        let message = self.hear_next();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    #[track_caller]
    fn hear_event(&mut self) -> Value {
        self.expect("event")
    }

    /// The numbers of the next events.
    #[track_caller]
    fn hear_numbers(&mut self, count: usize) -> Vec<u64> {
        let number = |event: Value| event["message"]["payload"]["number"].as_u64().unwrap();
        (0..count).map(|_| number(self.hear_event())).collect()
    }

    /// Publishes, and hears the answer; events that come before it are heard later.
    #[track_caller]
    fn ask(&mut self, id: u64, event: &str, message: Value) -> Value {
        self.say(&json!({ "type": "publish", "id": id, "event": event, "message": message }));
        loop {
            let message = self.hear_new();
            if message["type"] == "ack" {
                assert_eq!(message["id"], id);
                return message["answer"].clone();
            }
            assert_eq!(message["type"], "event", "{message}");
            self.events.push_back(message);
        }
    }

    /// Reads until the hub closes. What came before, and the code.
    #[track_caller]
    fn until_closed(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut messages = Vec::new();
        loop {
            match self.receive() {
                Received::Text(text) => messages.push(serde_json::from_str(&text).unwrap()),
                Received::Closed(code) => return (messages, code),
                other => panic!("the hub does not close: {other:?}"),
            }
        }
    }
}

fn token(who: &Who) -> Value {
    json!({ "token": who.token() })
}

#[test]
fn a_whole_conversation_is_as_the_page_says() {
    let server = Server::start();
    let (mut chef, connected) = Plain::connect(&server, token(&Who::chef(TENANT, "carl")));
    assert!(connected["sid"].is_string() && connected["session"].is_string());
    assert_ne!(connected["sid"], connected["session"]);
    for (field, expected) in [
        ("recovered", json!(false)),
        ("tenant", json!(TENANT)),
        ("user", json!("carl")),
        ("role", json!("chef")),
        ("application", json!("kitchen_app")),
    ] {
        assert_eq!(connected[field], expected, "{connected}");
    }
    let answer = chef.ask(1, "subscribe:order", json!("order-7"));
    assert_eq!(answer["success"], true, "{answer}");
    let subscribed = chef.hear_event();
    assert_eq!(subscribed["event"], "subscribed");
    assert_eq!(subscribed["message"]["type"], "order");
    let message = json!({ "orderId": "order-7", "status": "ready" });
    let answer = chef.ask(9_007_199_254_740_991, "order:status_changed", message);
    assert_eq!(answer["success"], true, "{answer}");
    let event = chef.hear_event();
    assert_eq!(event["event"], "order:status_changed");
    assert_eq!(event["message"]["id"], answer["data"]["id"]);
    assert_eq!(event["message"]["payload"]["status"], "ready");
    assert!(event["cursor"].as_str().unwrap().contains('-'));
    assert_eq!(event.get("ack"), None);
    let refused = chef.ask(2, "order:eaten", Value::Null);
    assert_eq!(refused["error"]["code"], "event_unknown", "{refused}");
    // Without an id only a refusal is told, as an event.
    chef.say(&json!({ "type": "publish", "event": "order:eaten" }));
    let error = chef.hear_event();
    assert_eq!(error["event"], "system:error");
    chef.say(&json!({ "type": "ping" }));
    assert_eq!(chef.hear_next(), json!({ "type": "pong" }));
}

#[test]
fn a_session_is_back_with_its_rooms_and_what_was_missed_comes_once() {
    let server = Server::start();
    let who = Who::courier(TENANT, "dora");
    let (mut courier, connected) = Plain::connect(&server, token(&who));
    assert_eq!(courier.ask(1, "subscribe:order", json!("1"))["success"], true);
    assert_eq!(courier.hear_event()["event"], "subscribed");
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    let event = courier.hear_event();
    drop(courier);
    publish(&mut sender, 2..=4);
    let resume =
        json!({ "token": who.token(), "session": connected["session"], "cursor": event["cursor"] });
    let (mut back, again) = Plain::connect(&server, resume);
    assert_eq!(again["recovered"], true, "{again}");
    assert_eq!((&again["sid"], &again["session"]), (&connected["sid"], &connected["session"]));
    assert_eq!(back.hear_numbers(3), [2, 3, 4]);
    publish(&mut sender, 5..=5);
    assert_eq!(back.hear_numbers(1), [5]);
}

#[test]
fn an_acknowledged_cursor_confirms_exactly_and_pongs_confirm_nothing_beside_it() {
    let server = Server::start();
    let connect = || {
        let who = Who::chef(TENANT, "carl");
        Plain::connect(&server, json!({ "token": who.token(), "deviceId": "tablet" })).0
    };
    let mut tablet = connect();
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=3);
    let events: Vec<_> = (0..3).map(|_| tablet.hear_event()).collect();
    tablet.say(&json!({ "type": "ack", "cursor": events[1]["cursor"] }));
    // What is no cursor of the log's, and what is older, changes nothing.
    for cursor in ["", "nonsense", "zz-99", events[0]["cursor"].as_str().unwrap()] {
        tablet.say(&json!({ "type": "ack", "cursor": cursor }));
    }
    // Nor does any pong: the hub would ask within two seconds.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        if let Received::Text(text) = tablet.link.receive(until) {
            assert!(text.contains("ping"), "{text}");
            tablet.say(&json!({ "type": "pong" }));
        }
    }
    assert_eq!(tablet.ask(1, "health_check", Value::Null)["success"], true);
    drop(tablet);
    let mut tablet = connect();
    assert_eq!(tablet.hear_numbers(1), [3]);
    // A cursor beyond what was sent is believed as far as that.
    let epoch = events[0]["cursor"].as_str().unwrap().split('-').next().unwrap().to_owned();
    tablet.say(&json!({ "type": "ack", "cursor": format!("{epoch}-999999") }));
    assert_eq!(tablet.ask(1, "health_check", Value::Null)["success"], true);
    drop(tablet);
    publish(&mut sender, 4..=4);
    assert_eq!(connect().hear_numbers(1), [4]);
}

#[test]
fn a_malformed_frame_is_explained_and_closes_its_sender_alone() {
    let server = Server::start();
    let (mut other, _) = Plain::connect(&server, token(&Who::chef(TENANT, "carl")));
    let connect = token(&Who::chef(TENANT, "cleo"));
    for frame in [
        "",
        "x",
        "[]",
        "{}",
        "42[\"a\"]",
        r#"{"type":"event"}"#,
        r#"{"type":"publish"}"#,
        r#"{"type":"publish","event":"a","id":"x"}"#,
        r#"{"type":"ack"}"#,
        r#"{"type":"connect"}"#,
    ] {
        let (mut plain, _) = Plain::connect(&server, connect.clone());
        plain.say_text(frame);
        let (messages, code) = plain.until_closed();
        let [error] = &messages[..] else { panic!("{frame}: {messages:?}") };
        assert_eq!(error["type"], "error", "{frame}: {error}");
        assert_eq!(error["error"]["code"], "message_malformed", "{frame}: {error}");
        assert_eq!(code, Some(1_002), "{frame}");
    }
    let (mut plain, _) = Plain::connect(&server, connect.clone());
    plain.link.send(&[Outgoing::Binary(vec![1, 2, 3])]);
    assert_eq!(plain.until_closed().1, Some(1_002));
    // Before it has connected it may say nothing else.
    let mut plain = Plain::open(&server);
    plain.say(&json!({ "type": "publish", "event": "health_check", "id": 1 }));
    let (messages, code) = plain.until_closed();
    assert_eq!((messages[0]["type"].as_str(), code), (Some("error"), Some(1_002)));
    assert_eq!(other.ask(1, "health_check", Value::Null)["success"], true);
    eventually(|| (server.count(TENANT) == 1).then_some(()));
}

#[test]
fn who_is_refused_may_try_again_on_the_same_connection() {
    let server = Server::start();
    let mut plain = Plain::open(&server);
    for (connect, code) in [
        (json!({}), "token_missing"),
        (json!({ "token": "nonsense" }), "token_malformed"),
        (
            json!({ "token": Who::chef(TENANT, "carl").token(), "application": "toaster" }),
            "application_unknown",
        ),
    ] {
        plain.say_connect(connect);
        let error = plain.expect("error");
        assert_eq!(error["error"]["code"], code, "{error}");
        assert!(error["error"]["message"].is_string() && error["error"]["number"].is_u64());
    }
    plain.say_connect(token(&Who::chef(TENANT, "carl")));
    assert_eq!(plain.expect("connected")["user"], "carl");
}

#[test]
fn who_never_connects_is_closed_and_so_is_who_says_too_much_before() {
    let limits = LimitsConfig { connect_timeout_ms: 300, ..limits() };
    let server = Server::with(config().limits(limits));
    let (messages, code) = Plain::open(&server).until_closed();
    assert_eq!((messages.len(), code), (0, Some(1_000)));
    let server = Server::start();
    let mut plain = Plain::open(&server);
    plain.say_connect(json!({ "token": "x".repeat(20_000) }));
    assert_eq!(plain.until_closed().1, Some(1_009));
}

#[test]
fn a_device_that_connects_anew_ends_its_older_connection_for_good() {
    let server = Server::start();
    let connect = json!({ "token": Who::chef(TENANT, "carl").token(), "deviceId": "tablet" });
    let (mut older, _) = Plain::connect(&server, connect.clone());
    let (mut newer, _) = Plain::connect(&server, connect);
    let (messages, code) = older.until_closed();
    let [error, end] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(error["message"]["payload"]["code"], "device_replaced", "{error}");
    assert_eq!(end, &json!({ "type": "end" }));
    assert_eq!(code, Some(1_000));
    assert_eq!(newer.ask(1, "health_check", Value::Null)["success"], true);
}

#[test]
fn a_client_hears_what_is_its_tenants_and_its_applications_alone() {
    let server = Server::start();
    let (mut own, _) = Plain::connect(&server, token(&Who::chef(TENANT, "carl")));
    let (mut foreign, _) = Plain::connect(&server, token(&Who::chef("sushi-kyoto", "carl")));
    let customer = Who::of_application(TENANT, "carl", ApplicationType::ClientApp);
    let (mut customer, _) = Plain::connect(&server, token(&customer));
    let mut classic = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    assert_eq!(own.hear_numbers(1), [1]);
    classic.expect("order:updated");
    for other in [&mut foreign, &mut customer] {
        other.say(&json!({ "type": "publish", "id": 1, "event": "health_check" }));
        assert_eq!(other.hear_next()["type"], "ack", "the event was not for it");
    }
}

#[test]
fn the_path_is_for_websockets_of_allowed_origins() {
    let server = Server::start();
    let answer = HttpConnection::open(server.address()).get("/ws");
    assert_eq!(answer.status, 426);
    let foreign = [("origin".to_owned(), "https://evil.example".to_owned())];
    let refused = WebSocketLink::open_at(server.address(), "/ws", &foreign, None);
    assert!(refused.is_err_and(|refused| refused.0.starts_with("HTTP/1.1 403")));
}

/// Says the same again and again until the hub closes or `patience` is over. What came, and the code where it closed.
fn flood(
    plain: &mut Plain,
    message: &str,
    patience: Duration,
) -> (Vec<Value>, Option<Option<u16>>) {
    let batch: Vec<_> = (0..100).map(|_| Outgoing::Text(message.to_owned())).collect();
    let (deadline, mut heard) = (Instant::now() + patience, Vec::new());
    let mut is_open = true;
    while Instant::now() < deadline {
        is_open = is_open && plain.link.send(&batch);
        loop {
            match plain.link.receive(Instant::now() + Duration::from_millis(1)) {
                Received::Text(text) => heard.push(serde_json::from_str(&text).unwrap()),
                Received::Closed(code) => return (heard, Some(code)),
                _ => break,
            }
        }
    }
    (heard, None)
}

#[test]
fn floods_of_strangers_and_of_members_are_bounded_and_delay_nobody() {
    let limits = LimitsConfig {
        messages_per_second_per_connection: 20,
        messages_burst_per_connection: 40,
        ..limits()
    };
    let server = Server::with(config().limits(limits));
    let (mut other, _) = Plain::connect(&server, token(&Who::manager(TENANT, "mia")));
    let mut sender = back_end(&server);
    let patience = Duration::from_secs(2);
    let stranger = |message: &str| flood(&mut Plain::open(&server), message, patience);
    let member = |message: &str| {
        let (mut plain, _) = Plain::connect(&server, token(&Who::chef(TENANT, "carl")));
        flood(&mut plain, message, patience)
    };
    let flooding = std::thread::scope(|scope| {
        let forged = scope.spawn(|| stranger(r#"{"type":"connect","token":"a.b.c"}"#));
        let early = scope.spawn(|| stranger(r#"{"type":"ping"}"#));
        let pongs = scope.spawn(|| member(r#"{"type":"pong"}"#));
        let acks = scope.spawn(|| member(r#"{"type":"ack","id":7}"#));
        let message =
            r#"{"type":"publish","id":1,"event":"kitchen:notification","message":{"message":"m"}}"#;
        let events = scope.spawn(|| member(message));
        let floods = [forged, early, pongs, acks, events];
        let mut number = 0;
        while floods.iter().any(|flood| !flood.is_finished()) {
            number += 1;
            // Within its own rate.
            let_pass(Duration::from_millis(100));
            publish(&mut sender, number..=number);
            // The flood of events is for it as well.
            let began = Instant::now();
            while other.hear_event()["message"]["payload"]["number"] != number {}
            assert!(began.elapsed() < Duration::from_secs(5), "{number}: {:?}", began.elapsed());
        }
        floods.map(|flood| flood.join().unwrap())
    });
    let [forged, early, pongs, acks, events] = flooding;
    // Each try is answered, and after so many the transport closes.
    assert!(forged.0.len() <= 32 && forged.1.is_some(), "{forged:?}");
    assert!(forged.0.iter().all(|it| it["error"]["code"] == "token_malformed"), "{forged:?}");
    // Fifty a second are read, and as many at once.
    assert!((1..300).contains(&early.0.len()), "{} pings were answered", early.0.len());
    assert!(pongs.1.is_some() && acks.1.is_some(), "what nobody asked for closes its sender");
    // Who is only too fast stays, and is refused what is over its rate.
    assert_eq!(events.1, None);
    let is_accepted = |it: &&Value| it["type"] == "ack" && it["answer"]["success"] == true;
    let accepted = events.0.iter().filter(is_accepted).count();
    assert!((1..200).contains(&accepted), "{accepted}");
    let is_refused = |it: &Value| it["answer"]["error"]["code"] == "rate_limited";
    assert!(events.0.iter().any(is_refused));
}
