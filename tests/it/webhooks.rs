//! Back ends are told of events: at least once, in the log's order, whatever becomes of them or of the hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use foodtrack_server::{RetryConfig, Secret, WebSocketConfig, WebhookConfig};
use serde_json::{Value, json};
use test_support::wait_until;

use crate::harness::{
    BackEnd, Client, HttpConnection, Process, Reply, SIGNING_SECRET, Server, Transport, Who, config,
};
use crate::support::{NOTHING, TENANT, back_end, publish, update};

/// Takes all.
pub(crate) fn takes() -> Reply {
    Reply::json("")
}

pub(crate) fn webhook(name: &str, receiver: &BackEnd, events: &[&str]) -> WebhookConfig {
    WebhookConfig {
        name: name.into(),
        url: receiver.url(),
        secret: Some(Secret::new(SIGNING_SECRET)),
        events: events.iter().map(|&event| event.into()).collect(),
        timeout_ms: 2_000,
        ..WebhookConfig::default()
    }
}

/// With short waits, and permission to post to this machine.
pub(crate) fn telling(webhooks: impl IntoIterator<Item = WebhookConfig>) -> WebSocketConfig {
    let retry = RetryConfig {
        base_delay_ms: 10,
        max_delay_ms: 50,
        max_attempts: 3,
        ..RetryConfig::default()
    };
    let mut config = config().retry(retry);
    config.security.webhook_networks = vec!["127.0.0.0/8".into()];
    webhooks.into_iter().fold(config, WebSocketConfig::webhook)
}

/// The events that a receiver took of a tenant, in the order in which they came.
pub(crate) fn events(receiver: &BackEnd, tenant: &str) -> Vec<Value> {
    let mut events = Vec::new();
    for mut asked in receiver.taken().iter().map(|asked| asked.json()) {
        if asked["tenantId"] == tenant {
            events.append(asked["events"].as_array_mut().unwrap());
        }
    }
    events
}

/// The numbers of its updates.
pub(crate) fn numbers(receiver: &BackEnd) -> Vec<u64> {
    let number = |event: &Value| event["message"]["payload"]["number"].as_u64();
    events(receiver, TENANT).iter().filter_map(number).collect()
}

/// The numbers as they first came: what comes again after a failure was sent at least once, as promised.
fn first_numbers(receiver: &BackEnd) -> Vec<u64> {
    let mut first = Vec::new();
    for number in numbers(receiver) {
        if !first.contains(&number) {
            first.push(number);
        }
    }
    first
}

pub(crate) fn wait_for_numbers(receiver: &BackEnd, expected: std::ops::RangeInclusive<u64>) {
    let expected: Vec<u64> = expected.collect();
    wait_until("the receiver has all", || first_numbers(receiver).len() >= expected.len());
    assert_eq!(first_numbers(receiver), expected);
}

#[test]
fn a_receiver_is_told_of_what_it_wants_signed_in_order_and_once() {
    let receiver = BackEnd::start(|_| takes());
    let server = Server::with(telling([webhook("billing", &receiver, &["order:*"])]));
    let mut sender = back_end(&server);
    sender.accepted("order:created", json!({ "orderId": "1", "customerId": "ada" }));
    sender.accepted("delivery:in_transit", json!({ "orderId": "1" }));
    publish(&mut sender, 1..=250);
    wait_for_numbers(&receiver, 1..=250);
    let told = events(&receiver, TENANT);
    assert_eq!(told.len(), 251, "each once, and nothing else");
    assert_eq!((&told[0]["event"], &told[0]["orderId"]), (&json!("order:created"), &json!("1")));
    assert!(told[0]["cursor"].is_string() && told[0]["message"]["payload"]["customerId"] == "ada");
    let taken = receiver.taken();
    assert!(taken.iter().all(|asked| asked.is_signed() && asked.json()["webhook"] == "billing"));
    assert!(taken.iter().all(|asked| asked.json()["events"].as_array().unwrap().len() <= 100));
}

#[test]
fn what_is_accepted_while_a_receiver_is_away_comes_afterwards_in_order() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let receiver =
        BackEnd::start(
            move |_| {
                if away.load(Ordering::Relaxed) { takes().status(503) } else { takes() }
            },
        );
    let server = Server::with(telling([webhook("billing", &receiver, &["*"])]));
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=300);
    wait_until("the receiver was asked often", || receiver.taken().len() > 6);
    let attempts = receiver.taken().len();
    is_away.store(false, Ordering::Relaxed);
    wait_for_numbers(&receiver, 1..=300);
    let after: Vec<Value> = receiver.taken()[attempts..].iter().map(|asked| asked.json()).collect();
    let count: usize = after.iter().map(|body| body["events"].as_array().unwrap().len()).sum();
    // One request may have been on its way when the receiver came back.
    assert!((200..=400).contains(&count), "not given up, and not sent over and over: {count}");
    let letters = dead_letters(&server);
    assert_eq!(letters, json!([]), "an absence is nobody's fault");
}

pub(crate) fn dead_letters(server: &Server) -> Value {
    let mut http = HttpConnection::open(server.address());
    let owner = Who::owner(TENANT, "olga").token();
    http.call("GET /api/v1/dead-letters", &owner, &Value::Null).json()["data"].take()
}

#[test]
fn after_kills_of_the_hub_a_receiver_misses_nothing() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    // Every other request is not answered well: kills find it in every state.
    let receiver = BackEnd::start(move |_| {
        if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            takes().status(500)
        } else {
            takes()
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("webhook-secret");
    std::fs::write(&secret, SIGNING_SECRET).unwrap();
    let secret_file = Some(secret.to_str().unwrap().into());
    let hook = WebhookConfig {
        secret: None,
        secret_file,
        batch_max: 7,
        ..webhook("billing", &receiver, &["order:*"])
    };
    let data = directory.path().join("data");
    let config = telling([hook]);
    for round in 0..4 {
        let server = Process::serve(&data, &config);
        publish(
            &mut Client::join(&server, Transport::WebSocket, &Who::service(TENANT)),
            round * 50 + 1..=round * 50 + 50,
        );
        server.kill();
    }
    let _server = Process::serve(&data, &config);
    wait_for_numbers(&receiver, 1..=200);
}

#[test]
fn an_event_that_a_receiver_refuses_is_a_dead_letter_and_the_others_come() {
    let receiver = BackEnd::start(|asked| {
        let has_it = asked.json()["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["message"]["payload"]["number"] == 13);
        if has_it { Reply::json("thirteen is not billed").status(422) } else { takes() }
    });
    let server = Server::with(telling([webhook("billing", &receiver, &["*"])]));
    publish(&mut back_end(&server), 1..=20);
    let taken = || {
        let well = |asked: &Value| {
            !asked["events"]
                .as_array()
                .unwrap()
                .iter()
                .any(|event| event["message"]["payload"]["number"] == 13)
        };
        let bodies: Vec<Value> =
            receiver.taken().iter().map(|asked| asked.json()).filter(well).collect();
        let numbers = bodies.iter().flat_map(|body| body["events"].as_array().unwrap());
        numbers
            .filter_map(|event| event["message"]["payload"]["number"].as_u64())
            .collect::<Vec<_>>()
    };
    wait_until("the last one came", || taken().contains(&20));
    let expected: Vec<u64> = (1..=20).filter(|number| *number != 13).collect();
    assert_eq!(taken(), expected, "each once, in order");
    wait_until("the letter is listed", || {
        dead_letters(&server)[0]["subscriber"] == "webhook/billing"
    });
    let letters = dead_letters(&server);
    assert_eq!(
        (letters.as_array().unwrap().len(), &letters[0]["attempts"]),
        (1, &json!(3)),
        "{letters}"
    );
}

#[test]
fn a_dead_letter_of_a_webhook_is_posted_once_more_and_goes_when_it_is_taken() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let receiver =
        BackEnd::start(
            move |_| {
                if mended.load(Ordering::Relaxed) { takes() } else { takes().status(422) }
            },
        );
    let server = Server::with(telling([webhook("billing", &receiver, &["*"])]));
    publish(&mut back_end(&server), 13..=13);
    wait_until("the letter is listed", || dead_letters(&server) != json!([]));
    let letters = dead_letters(&server);
    let offset = letters[0]["offset"].as_u64().unwrap();
    let again = |name: &str, offset: u64, who: &Who| {
        let line = format!("POST /api/v1/webhooks/{name}/dead-letters/{offset}/replay");
        let answer = HttpConnection::open(server.address()).call(&line, &who.token(), &Value::Null);
        (answer.status, answer.json())
    };
    let owner = Who::owner(TENANT, "olga");
    let (status, report) = again("billing", offset, &owner);
    assert_eq!((status, &report["data"]["isTaken"]), (200, &json!(false)), "{report}");
    assert_eq!(report["data"]["status"], 422);
    assert_eq!(dead_letters(&server).as_array().unwrap().len(), 1);
    assert_eq!(again("billing", offset + 1, &owner).0, 404, "no letter is there");
    assert_eq!(again("another", offset, &owner).0, 404);
    assert_eq!(again("billing", offset, &Who::chef(TENANT, "carl")).0, 403);
    assert_eq!(again("billing", offset, &Who::owner("sushi-kyoto", "kei")).0, 404);
    is_mended.store(true, Ordering::Relaxed);
    assert_eq!(again("billing", offset, &owner).1["data"]["isTaken"], true);
    let last = receiver.taken().pop().unwrap();
    assert!(last.is_signed());
    let events = last.json()["events"].clone();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!(events[0]["message"]["payload"]["number"], 13);
    wait_until("the letter is gone", || dead_letters(&server) == json!([]));
    assert_eq!(again("billing", offset, &owner).0, 404);
}

#[test]
fn a_receiver_that_is_slow_dead_or_redirects_delays_no_other() {
    let elsewhere = BackEnd::start(|_| takes());
    let target = elsewhere.url();
    let bad = [
        BackEnd::start(|_| Reply::never()),
        BackEnd::start(|_| Reply::hang_up()),
        BackEnd::start(move |_| takes().status(302).header("location", &target)),
    ];
    let good = BackEnd::start(|_| takes());
    let hooks =
        bad.iter().enumerate().map(|(i, receiver)| webhook(&format!("bad-{i}"), receiver, &["*"]));
    let server = Server::with(telling(hooks.chain([webhook("good", &good, &["*"])])));
    publish(&mut back_end(&server), 1..=50);
    wait_for_numbers(&good, 1..=50);
    wait_until("the bad ones were tried", || {
        bad.iter().all(|receiver| !receiver.taken().is_empty())
    });
    assert!(elsewhere.taken().is_empty(), "a redirect is not followed");
    let page = HttpConnection::open(server.address()).get("/metrics").body;
    assert!(page.contains("foodtrack_webhook_receiver_away{webhook=\"bad-1\"} 1"), "{page}");
    assert!(page.contains("foodtrack_webhook_delivered_total{webhook=\"good\"} 50"), "{page}");
}

#[test]
fn a_webhook_of_one_tenant_is_told_nothing_of_another_and_shown_to_no_other() {
    let (own, all) = (BackEnd::start(|_| takes()), BackEnd::start(|_| takes()));
    let of_one = WebhookConfig { tenants: vec![TENANT.into()], ..webhook("own", &own, &["*"]) };
    let server = Server::with(telling([of_one, webhook("all", &all, &["*"])]));
    let mut other = Client::join(&server, Transport::WebSocket, &Who::service("sushi-kyoto"));
    other.accepted("order:updated", update("1", 7));
    publish(&mut back_end(&server), 1..=5);
    wait_for_numbers(&own, 1..=5);
    wait_for_numbers(&all, 1..=5);
    wait_until("the other tenant's came", || events(&all, "sushi-kyoto").len() == 1);
    assert_eq!(events(&own, "sushi-kyoto").len(), 0);
    for asked in all.taken().iter().map(|asked| asked.json()) {
        let number = |event: &Value| event["message"]["payload"]["number"].as_u64().unwrap();
        let numbers: Vec<u64> = asked["events"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(asked["tenantId"] == "sushi-kyoto", numbers == [7], "{asked}");
    }
    let mut http = HttpConnection::open(server.address());
    let list = |http: &mut HttpConnection, tenant: &str| {
        let token = Who::owner(tenant, "olga").token();
        let listed = http.call("GET /api/v1/webhooks", &token, &Value::Null).json()["data"].take();
        let names =
            listed.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(list(&mut http, TENANT), ["own", "all"]);
    assert_eq!(list(&mut http, "sushi-kyoto"), ["all"]);
    let foreign = Who::owner("sushi-kyoto", "olga").token();
    for action in ["test", "pause", "resume", "replay"] {
        let line = format!("POST /api/v1/webhooks/own/{action}");
        assert_eq!(http.call(&line, &foreign, &Value::Null).status, 404, "{action}");
        let chef = Who::chef(TENANT, "carl").token();
        assert_eq!(http.call(&line, &chef, &Value::Null).status, 403, "{action}");
    }
}

#[test]
fn a_webhook_is_paused_resumed_tried_and_sent_all_again_also_across_a_restart() {
    let receiver = BackEnd::start(|_| takes());
    let mut server = Server::durable(telling([webhook("billing", &receiver, &["order:*"])]));
    let owner = Who::owner(TENANT, "olga").token();
    let call = |server: &Server, line: &str| {
        HttpConnection::open(server.address()).call(line, &owner, &Value::Null)
    };
    publish(&mut back_end(&server), 1..=3);
    wait_for_numbers(&receiver, 1..=3);
    assert_eq!(
        call(&server, "POST /api/v1/webhooks/billing/pause").json()["data"]["isPaused"],
        true
    );
    publish(&mut back_end(&server), 4..=6);
    server.restart();
    let listed = || call(&server, "GET /api/v1/webhooks").json()["data"][0].clone();
    wait_until("what waits is counted", || listed()["behind"] == 3);
    assert_eq!(listed()["isPaused"], true);
    let tried = call(&server, "POST /api/v1/webhooks/billing/test").json();
    assert_eq!(
        (&tried["data"]["isTaken"], &tried["data"]["status"]),
        (&json!(true), &json!(200)),
        "{tried}"
    );
    assert_eq!(receiver.taken().last().unwrap().json()["isTest"], true);
    assert_eq!(numbers(&receiver), [1, 2, 3], "it is paused");
    call(&server, "POST /api/v1/webhooks/billing/resume");
    wait_for_numbers(&receiver, 1..=6);
    let before = numbers(&receiver).len();
    wait_until("it is up to date", || listed()["behind"] == 0);
    assert_eq!(call(&server, "POST /api/v1/webhooks/billing/replay").status, 200);
    wait_until("all came again", || numbers(&receiver).len() == before + 6);
    let cursor = events(&receiver, TENANT).iter().rev().nth(1).unwrap()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let line = format!("POST /api/v1/webhooks/billing/replay?cursor={cursor}");
    assert_eq!(call(&server, &line).status, 200);
    wait_until("the last came again", || numbers(&receiver).len() == before + 7);
    assert_eq!(call(&server, "POST /api/v1/webhooks/billing/replay?cursor=zzzz-1").status, 409);
    assert_eq!(call(&server, "POST /api/v1/webhooks/billing/replay?cursor=7").status, 400);
    assert_eq!(call(&server, "POST /api/v1/webhooks/nobody/pause").status, 404);
}

#[test]
fn a_new_webhook_is_told_of_what_comes_and_a_new_tenant_is_told_of_whole() {
    let receiver = BackEnd::start(|_| takes());
    let mut server = Server::durable(telling([]));
    publish(&mut back_end(&server), 1..=3);
    server.restart_with(|config| config.webhook(webhook("billing", &receiver, &["*"])));
    publish(&mut back_end(&server), 4..=5);
    wait_until("the new ones came", || numbers(&receiver).len() == 2);
    assert_eq!(numbers(&receiver), [4, 5]);
    // Nothing of this tenant was kept before the hub ends.
    let mut other = Client::join(&server, Transport::WebSocket, &Who::service("sushi-kyoto"));
    other.accepted("order:updated", update("1", 7));
    server.restart();
    wait_until("the new tenant's event came", || !events(&receiver, "sushi-kyoto").is_empty());
    assert_eq!(numbers(&receiver), [4, 5], "what was taken does not come again");
}

#[test]
fn receivers_on_private_networks_are_refused_unless_they_are_allowed() {
    let receiver = BackEnd::start(|_| takes());
    let errors =
        config().webhook(webhook("billing", &receiver, &["*"])).check().unwrap_err().to_string();
    assert!(
        errors.contains("webhooks.0.url") && errors.contains("security.webhookNetworks"),
        "{errors}"
    );
    // A name is looked at when it is resolved.
    let by_name = receiver.url().replace("127.0.0.1", "localhost");
    let hook = WebhookConfig { url: by_name, ..webhook("billing", &receiver, &["*"]) };
    let server = Server::with(config().webhook(hook));
    publish(&mut back_end(&server), 1..=3);
    let owner = Who::owner(TENANT, "olga").token();
    let mut http = HttpConnection::open(server.address());
    wait_until("the refusal is told", || {
        let listed = http.call("GET /api/v1/webhooks", &owner, &Value::Null).json();
        listed["data"][0]["lastError"]
            .as_str()
            .is_some_and(|error| error.contains("webhookNetworks"))
    });
    assert_eq!(numbers(&receiver), NOTHING);
}
