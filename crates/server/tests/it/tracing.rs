//! Traces: a publisher's is passed on to who is told of its event, and spans reach a collector where one is configured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use foodtrack_contract::UserRole;
use foodtrack_server::{HooksConfig, Secret, UpstreamConfig, WebSocketConfig, WebhookConfig};
use serde_json::{Value, json};
use test_support::wait_until;

use crate::support::{Answer, config, request, serve, token};

const PUBLISH: &str = "/api/v1/publish";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PATIENCE: Duration = Duration::from_secs(30);

/// What was posted: the value of `traceparent`, and the body.
pub(crate) type Posted = (Option<String>, Value);

/// Takes whatever is posted. Returns where, and what comes.
pub(crate) fn taker() -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/taken", listener.local_addr().unwrap());
    let (tell, told) = channel();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut trace, mut length) = (None, 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                match name.to_lowercase().as_str() {
                    "traceparent" => trace = Some(value.trim().to_owned()),
                    "content-length" => length = value.trim().parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = reader.get_mut().write_all(answer.as_bytes());
            let _ = tell.send((trace, serde_json::from_slice(&body).unwrap_or_default()));
        }
    });
    (url, told)
}

/// A hub with a webhook.
fn told_at(url: &str) -> WebSocketConfig {
    let mut config = config().webhook(WebhookConfig {
        name: "billing".into(),
        url: url.into(),
        secret: Some(Secret::new("a secret for tests, of at least 32 bytes")),
        events: vec!["order:*".into()],
        ..WebhookConfig::default()
    });
    config.security.webhook_networks = vec!["127.0.0.0/8".into()];
    config
}

/// Posts what is published, as a part of this trace; returns the answer.
fn post(
    address: SocketAddr,
    path: &str,
    trace: Option<&str>,
    key: Option<&str>,
    body: &Value,
) -> Answer {
    let bearer = format!("Bearer {}", token("t1", UserRole::System));
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(trace.map(|trace| ("traceparent", trace)));
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    request(address, &format!("POST {path}"), &headers, &body.to_string())
}

/// An order that nobody has made before.
fn order(id: Option<Value>) -> Value {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    let order = ORDERS.fetch_add(1, Ordering::Relaxed).to_string();
    let mut order = json!({ "type": "order:created", "payload": { "orderId": order } });
    if let Some(id) = id {
        order["id"] = id;
    }
    order
}

fn publish(address: SocketAddr, trace: Option<&str>) {
    assert_eq!(post(address, PUBLISH, trace, None, &order(None)).status, 200);
}

fn given() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-01")
}

#[test]
fn a_publishers_trace_is_passed_on_to_who_is_told_however_it_names_its_message() {
    let (url, told) = taker();
    let server = serve(told_at(&url));
    let (address, given) = (server.local_addr(), given());
    let passed_on = || told.recv_timeout(PATIENCE).unwrap().0;
    let uuid = json!("01890a5d-ac96-774b-bcce-b302099a8057");
    for (key, id) in [(None, None), (None, Some(uuid)), (Some("k1"), None)] {
        let answer = post(address, PUBLISH, Some(&given), key, &order(id));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(passed_on().as_ref(), Some(&given));
    }
    for key in [None, Some("k2")] {
        let batch = json!({ "events": [order(None)] });
        let answer = post(address, "/api/v1/publish/batch", Some(&given), key, &batch);
        assert_eq!(answer.data()[0]["success"], true, "{answer:?}");
        assert_eq!(passed_on().as_ref(), Some(&given));
    }
    // What is the same again without an id is a repeat also where it is traced.
    let again = order(None);
    let repeats = [1, 2].map(|_| post(address, PUBLISH, Some(&given), None, &again).data());
    assert_eq!((&repeats[0]["id"], &repeats[1]["duplicate"]), (&repeats[1]["id"], &json!(true)));
    passed_on();
    // Null stands for absent, and what is no id is refused, traced or not.
    for trace in [None, Some(given.as_str())] {
        assert_eq!(post(address, PUBLISH, trace, None, &order(Some(Value::Null))).status, 200);
        passed_on();
        let refused = post(address, PUBLISH, trace, None, &order(Some(json!("seven"))));
        assert_eq!(refused.code(), "message_malformed");
    }
    server.stop();
}

#[test]
fn a_trace_that_is_none_is_ignored_and_where_nobody_traces_nothing_is_made_for_it() {
    let (url, told) = taker();
    let server = serve(told_at(&url));
    let long = "0".repeat(4_000);
    for none in [None, Some("00-nonsense-01"), Some("0-1-1-1"), Some("ff-0-0-0"), Some(&long)] {
        publish(server.local_addr(), none);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, None, "{none:?}");
    }
    assert!(!server.metrics().contains("foodtrack_spans"));
    // The test is alone in its process.
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.flatten().filter_map(|it| std::fs::read_to_string(it.path().join("comm")).ok());
    let names: Vec<String> = names.collect();
    assert!(!names.iter().any(|it| it.starts_with("otlp") || it.starts_with("OpenT")), "{names:?}");
    server.stop();
}

/// A restaurant's owner comes in, by polling. Returns what asks for what there is for them, and what posts for them.
fn polling(address: SocketAddr) -> (impl Fn() -> String, impl Fn(&str) -> Answer) {
    const PATH: &str = "/socket.io/?EIO=4&transport=polling";
    let open = request(address, &format!("GET {PATH}"), &[], "").body;
    let sid = open.split('"').nth(3).unwrap().to_owned();
    let path = format!("{PATH}&sid={sid}");
    let (get, post) = (format!("GET {path}"), format!("POST {path}"));
    let post = move |body: &str| request(address, &post, &[], body);
    let connect = format!("40{}", json!({ "token": token("t1", UserRole::RestaurantOwner) }));
    assert_eq!(post(&connect).status, 200);
    (move || request(address, &get, &[], "").body, post)
}

/// Spans that came, until there are so many.
fn spans(collected: &Receiver<Posted>, count: usize) -> Vec<Value> {
    let mut spans = Vec::new();
    while spans.len() < count {
        let (_, body) = collected.recv_timeout(PATIENCE).unwrap();
        let scopes = body["resourceSpans"][0]["scopeSpans"].as_array().unwrap().clone();
        spans.extend(scopes.into_iter().flat_map(|it| it["spans"].as_array().unwrap().clone()));
    }
    spans
}

#[test]
fn spans_of_a_trace_reach_the_collector_with_the_publishers_and_the_receivers_ends() {
    let ((receiver, told), (collector, collected)) = (taker(), taker());
    let mut config = told_at(&receiver);
    config.tracing.otlp_url = Some(collector);
    let server = serve(config);
    publish(server.local_addr(), Some(&given()));
    let passed_on = told.recv_timeout(PATIENCE).unwrap().0.unwrap();
    let (_, passed_on) = passed_on.split_once(TRACE).unwrap();
    wait_until("all are begun", || server.metrics().contains("foodtrack_spans_total 3\n"));
    // What is left is sent at the end.
    server.stop();
    let spans = spans(&collected, 3);
    let of = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap();
    let (publish, tell) = (of("publish"), of("tell a webhook"));
    assert_eq!((&publish["traceId"], &tell["traceId"]), (&json!(TRACE), &json!(TRACE)));
    assert_eq!(publish["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(tell["parentSpanId"], publish["spanId"]);
    let deliver = of("deliver an event");
    assert_eq!(
        (&deliver["traceId"], &deliver["parentSpanId"]),
        (&json!(TRACE), &publish["spanId"])
    );
    assert!(passed_on.contains(tell["spanId"].as_str().unwrap()), "{passed_on} {tell}");
    let text = format!("{spans:?}");
    assert!(text.contains("foodtrack.message_id") && !text.contains("orderId"), "{text}");
}

#[test]
fn the_back_end_that_is_asked_gets_the_trace_of_the_span_that_the_collector_gets() {
    let ((back_end, asked), (collector, collected)) = (taker(), taker());
    let mut config = config().upstream(UpstreamConfig {
        url: Some(back_end),
        secret: Some(Secret::new("a secret for tests, of at least 32 bytes")),
        hooks: HooksConfig { connect: true, ..HooksConfig::default() },
        ..UpstreamConfig::default()
    });
    config.tracing.otlp_url = Some(collector);
    let server = serve(config);
    let _ = polling(server.local_addr());
    let (trace, question) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(question["event"], "hook:connect");
    server.stop();
    let span = spans(&collected, 1).remove(0);
    assert_eq!(span["name"], "ask the back end");
    let ids =
        format!("00-{}-{}-01", span["traceId"].as_str().unwrap(), span["spanId"].as_str().unwrap());
    assert_eq!(trace, Some(ids));
}

#[test]
fn an_event_that_a_client_sends_has_a_span_with_its_id_and_its_recipients() {
    let (collector, collected) = taker();
    let mut config = config();
    config.tracing.otlp_url = Some(collector);
    let server = serve(config);
    let (kitchen, _) = polling(server.local_addr());
    let (_, post) = polling(server.local_addr());
    let event = r#"420["order:created",{"orderId":"42","customerId":"zoe"}]"#;
    assert_eq!(post(event).status, 200);
    wait_until("the event came", || kitchen().contains("order:created"));
    server.stop();
    let span = spans(&collected, 1).remove(0);
    assert_eq!((&span["name"], &span["parentSpanId"]), (&json!("deliver an event"), &json!("")));
    let attribute = |key: &str| {
        let all = span["attributes"].as_array().unwrap();
        all.iter().find(|it| it["key"] == key).map(|it| it["value"].clone()).unwrap_or_default()
    };
    assert_eq!(attribute("foodtrack.tenant")["stringValue"], "t1");
    assert_eq!(attribute("foodtrack.event")["stringValue"], "order:created");
    assert_eq!(attribute("foodtrack.recipients")["intValue"], "2");
    assert_eq!(attribute("foodtrack.offset")["intValue"], "1");
    assert!(attribute("foodtrack.message_id")["stringValue"].as_str().unwrap().len() == 36);
    // No id of a trace has a z.
    assert!(!span.to_string().contains("zoe"), "nothing of its payload: {span}");
}

#[test]
fn a_collector_that_never_answers_keeps_nobody_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (receiver, told) = taker();
    let mut config = told_at(&receiver);
    config.tracing.otlp_url = Some(format!("http://{}/v1/traces", listener.local_addr().unwrap()));
    let server = serve(config);
    for _ in 0..20 {
        publish(server.local_addr(), None);
        assert!(told.recv_timeout(PATIENCE).unwrap().0.is_some());
    }
    let begun = Instant::now();
    server.stop();
    // Two seconds for the spans, and what a busy machine takes.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
