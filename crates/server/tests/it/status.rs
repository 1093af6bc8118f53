//! `/health`, `/ready` and `/metrics`: what they say, and that asking costs nothing.

use std::time::Instant;

use foodtrack_contract::UserRole;
use serde_json::{Value, json};
use test_support::{eventually, wait_until};

use crate::process::{Served, command};
use crate::support::{SECRET, call, config, request, serve, token};

#[test]
fn a_page_is_made_once_a_second_however_often_it_is_asked_for() {
    let server = serve(config());
    let address = server.local_addr();
    let started = Instant::now();
    let mut pages = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let page = request(address, "GET /metrics", &[], "").body;
        let uptime = page.lines().find(|line| line.starts_with("foodtrack_uptime_seconds "));
        pages.insert(uptime.unwrap().to_owned());
    }
    // One for each second that has begun.
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 2;
    assert!(pages.len() <= seconds, "{} pages in {seconds} s", pages.len());
    server.stop();
}

#[test]
fn ready_says_yes_and_a_head_request_has_no_body() {
    let server = serve(config());
    let ready = request(server.local_addr(), "GET /ready", &[], "");
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true })));
    let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
    let head = "HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let answer = std::io::read_to_string(&mut stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    server.stop();
}

#[test]
fn metrics_are_openmetrics_for_who_accepts_that_and_count_what_was_asked_by_route_alone() {
    let server = serve(config());
    let address = server.local_addr();
    let old = request(address, "GET /metrics", &[("Accept", "text/plain;version=0.0.4")], "");
    assert_eq!(old.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5";
    let new = request(address, "GET /metrics", &[("Accept", accept)], "");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(new.header("content-type"), Some(kind));
    assert!(new.body.ends_with("\n# EOF\n") && !old.body.contains("# EOF"), "{}", new.body);
    let owner = token("t1", UserRole::RestaurantOwner);
    for path in ["/api/v1/orders/7/timeline", "/api/v1/orders/8/timeline", "/made/up%0Afoo", "/x"] {
        call(address, &format!("GET {path}"), &owner, "");
    }
    let page = server.metrics();
    for line in [
        "foodtrack_http_requests_total{route=\"/api/v1/orders/{order}/timeline\",method=\"GET\",status=\"200\"} 2\n",
        "foodtrack_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 2\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(!page.contains("/made"), "{page}");
    assert!(page.contains("foodtrack_http_request_seconds_bucket{le=\"+Inf\"}"), "{page}");
    server.stop();
}

#[test]
fn a_node_that_works_is_live_and_its_canary_goes_through_its_shards() {
    let server = serve(config());
    let live = request(server.local_addr(), "GET /live", &[], "");
    assert_eq!((live.status, live.json()), (200, json!({ "live": true })));
    wait_until("it has flown", || !server.metrics().contains("foodtrack_canary_seconds_count 0\n"));
    assert!(server.metrics().contains("foodtrack_canary_late_total 0\n"));
    server.stop();
}

#[test]
fn refusals_over_http_are_counted_by_code() {
    let server = serve(config());
    let system = token("t1", UserRole::System);
    let refused = call(server.local_addr(), "POST /api/v1/publish", &system, "{");
    assert_eq!(refused.code(), "message_malformed");
    assert_eq!(request(server.local_addr(), "GET /api/v1/rules", &[], "").code(), "token_missing");
    let page = server.metrics();
    for code in ["message_malformed", "token_missing"] {
        assert!(
            page.contains(&format!("foodtrack_refusals_total{{code=\"{code}\"}} 1\n")),
            "{page}"
        );
    }
    server.stop();
}

fn draining(delay_ms: &str) -> Served {
    let serve = ["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1", "--drain-delay-ms"];
    Served::start(command(&[&serve[..], &[delay_ms]].concat()).env("JWT_SECRET", SECRET))
}

#[test]
fn a_stop_is_announced_while_clients_are_still_served_and_then_the_listener_closes() {
    let mut served = draining("3000");
    assert_eq!(request(served.address, "GET /ready", &[], "").status, 200);
    served.signal("TERM");
    let ready = eventually("it is not ready", || {
        let ready = request(served.address, "GET /ready", &[], "");
        (ready.status == 503).then_some(ready)
    });
    assert_eq!(ready.json()["reason"], "draining", "{ready:?}");
    let health = request(served.address, "GET /health", &[], "");
    assert_eq!((health.status, &health.json()["draining"]), (503, &json!(true)));
    let body = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let system = token("t1", UserRole::System);
    let accepted = call(served.address, "POST /api/v1/publish", &system, &body);
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(served.wait(), 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut served = draining("600000");
    served.signal("TERM");
    wait_until("it hears the first signal", || {
        request(served.address, "GET /ready", &[], "").status != 200
    });
    served.signal("INT");
    assert_eq!(served.wait(), 1);
}

/// Asks a node to drain; returns what it says.
fn drain(served: &Served, body: &Value) -> Value {
    let system = token("t1", UserRole::System);
    let answer = call(served.address, "POST /api/v1/drain", &system, &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.data()
}

fn phase(served: &Served) -> Value {
    request(served.address, "GET /health", &[], "").json()["drain"]["phase"].take()
}

/// The code of the answer to a poll of a client that was here.
fn joined(served: &Served) -> impl Fn() -> u16 + use<> {
    let address = served.address;
    let open = request(address, "GET /socket.io/?EIO=4&transport=polling", &[], "").body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    let connect = format!("40{}", json!({ "token": token("t1", UserRole::RestaurantOwner) }));
    assert_eq!(request(address, &format!("POST {path}"), &[], &connect).status, 200);
    let first = request(address, &format!("GET {path}"), &[], "");
    assert!(first.body.starts_with("40{"), "{first:?}");
    move || request(address, &format!("GET {path}"), &[], "").status
}

#[test]
fn a_node_that_is_asked_to_drain_says_so_sends_its_clients_elsewhere_and_ends() {
    let mut served = draining("0");
    let poll = joined(&served);
    let begun = drain(&served, &json!({ "delayMs": 700, "withinMs": 2_000 }));
    assert_eq!((&begun["phase"], &begun["then"]), (&json!("announced"), &json!("exit")));
    let ready = request(served.address, "GET /ready", &[], "");
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &json!("draining")));
    // Answered when its session ends.
    poll();
    assert_eq!(served.wait(), 0);
}

#[test]
fn a_node_that_is_to_stay_is_drained_and_ends_when_that_is_asked_or_signalled() {
    for is_asked in [true, false] {
        // SIGTERM does not say anew what was said.
        let mut served = draining("600000");
        let poll = joined(&served);
        drain(&served, &json!({ "then": "stay", "delayMs": 0, "withinMs": 200 }));
        wait_until("it is drained", || phase(&served) == "drained");
        wait_until("its clients are gone", || poll() != 200);
        let ready = request(served.address, "GET /ready", &[], "");
        assert_eq!((ready.status, &ready.json()["reason"]), (503, &json!("drained")));
        if is_asked {
            assert_eq!(drain(&served, &json!({}))["then"], "exit");
        } else {
            served.signal("TERM");
        }
        assert_eq!(served.wait(), 0);
    }
}

#[test]
fn a_drain_that_is_asked_for_badly_changes_nothing() {
    let served = draining("0");
    let system = token("t1", UserRole::System);
    for (body, code) in [
        (r#"{"then":"explode"}"#, "message_malformed"),
        (r#"{"withinMs":600001}"#, "payload_invalid"),
        (r#"{"delayMs":600001}"#, "payload_invalid"),
        (r#"{"delayMs":-1}"#, "message_malformed"),
        (r#"{"within":1}"#, "message_malformed"),
        ("[]", "message_malformed"),
    ] {
        let refused = call(served.address, "POST /api/v1/drain", &system, body);
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{body}");
    }
    for other in [UserRole::RestaurantOwner, UserRole::Admin] {
        let refused = call(served.address, "POST /api/v1/drain", &token("t1", other), "");
        assert_eq!(refused.code(), "permission_denied", "of one tenant's administrator");
    }
    assert_eq!(request(served.address, "GET /ready", &[], "").status, 200);
}

#[test]
fn the_command_has_a_node_drain() {
    let mut served = draining("0");
    let hub = format!("http://{}", served.address);
    let system = token("t1", UserRole::System);
    let output = command(&["drain", "--url", &hub, "--token", &system, "--within-ms", "300"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["then"], "exit", "{said}");
    assert_eq!(served.wait(), 0);
    let owner = token("t1", UserRole::RestaurantOwner);
    let served = draining("0");
    let hub = format!("http://{}", served.address);
    let refused = command(&["drain", "--url", &hub, "--token", &owner]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn logs_that_yield_to_the_disk_s_budget_are_told_in_health_and_metrics_and_publishing_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let log =
        foodtrack_server::config::LogConfig { disk_bytes_max: 16 << 20, ..Default::default() };
    let mut said = config().data_dir(path.to_str().unwrap());
    said.log = log;
    let server = serve(said);
    let address = server.local_addr();
    let system = token("t1", UserRole::System);
    // What cannot be packed.
    let mut random = 1_u64;
    let mut noise = |count: usize| {
        let mut text = String::with_capacity(count + 16);
        while text.len() < count {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text += &format!("{random:016x}");
        }
        text
    };
    let mut has_yielded = false;
    for n in 0..30 {
        let notes = noise(800_000);
        let message = json!({ "type": "order:created", "payload": { "orderId": n.to_string(), "notes": notes } });
        let answer = call(address, "POST /api/v1/publish", &system, &message.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        has_yielded |= server.metrics().contains("foodtrack_log_yielding 1\n");
    }
    assert!(has_yielded);
    let health = request(address, "GET /health", &[], "").json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["conditions"][0]["condition"], "storage_yielding", "{health}");
    wait_until("it is over", || !server.metrics().contains("foodtrack_log_yielding 1\n"));
    server.stop();
}
