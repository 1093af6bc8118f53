//! The requests of docs/reference/http.md, each made so that it works, after what it needs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread::sleep;
use std::time::{Duration, Instant};

use foodtrack_contract::UserRole;
use foodtrack_server::{
    DeliveryConfig, HideFrom, LimitsConfig, Redaction, RetryConfig, Secret, WebSocketConfig,
    WebSocketServer, WebhookConfig,
};
use serde_json::{Value, json};
use test_support::eventually;

use crate::http_reference::{PAGE, Row};
use crate::support::{call, config, request, token};

pub(crate) fn owner() -> String {
    token("t1", UserRole::RestaurantOwner)
}

pub(crate) fn system() -> String {
    token("t1", UserRole::System)
}

/// A client that polls, as far as it has joined. Returns its Socket.IO id.
pub(crate) fn connect(address: SocketAddr, token: &str) -> String {
    let open = request(address, "GET /socket.io/?EIO=4&transport=polling", &[], "").body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    let connect = format!("40{}", json!({ "token": token }));
    assert_eq!(request(address, &format!("POST {path}"), &[], &connect).status, 200);
    let joined = request(address, &format!("GET {path}"), &[], "").body;
    let joined = joined.split('\u{1e}').find_map(|packet| packet.strip_prefix("40")).unwrap();
    let joined: Value = serde_json::from_str(joined).unwrap();
    joined["sid"].as_str().unwrap().to_owned()
}

const REDACTION: &str =
    r#"{"id":"supplier","events":"order:*","fields":["/supplier"],"hideFrom":["client_app"]}"#;

/// A rule, as the page's example has it.
pub(crate) fn example() -> &'static str {
    PAGE.split_once("```json\n").unwrap().1.split_once("\n```").unwrap().0
}

pub(crate) fn declaration() -> String {
    json!({ "name": "loyalty:points_earned", "schema": { "type": "object" }, "deliveryClass": "durable", "description": "for a test" }).to_string()
}

/// An order that a client got and never acknowledged: where it is in the log.
fn dead_letter(address: SocketAddr) -> String {
    connect(address, &owner());
    let order = json!({ "type": "order:created", "payload": { "orderId": "8" } }).to_string();
    let published = call(address, "POST /api/v1/publish", &system(), &order);
    let deadline = Instant::now() + Duration::from_secs(10);
    while call(address, "GET /api/v1/dead-letters", &owner(), "").data() == json!([]) {
        assert!(Instant::now() < deadline, "it was not given up");
        sleep(Duration::from_millis(10));
    }
    published.data()["offset"].to_string()
}

/// Somebody who was here and has gone: its key.
fn subscriber(address: SocketAddr) -> String {
    let sid = connect(address, &owner());
    let gone = call(address, &format!("DELETE /api/v1/connections/{sid}"), &owner(), "");
    assert_eq!(gone.status, 200);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let queues = call(address, "GET /api/v1/offline-queues", &owner(), "").data();
        if let Some(key) = queues[0]["subscriber"].as_str() {
            return key.to_owned();
        }
        assert!(Instant::now() < deadline, "its cursor is not kept: {queues}");
        sleep(Duration::from_millis(10));
    }
}

/// The token of who runs the hub.
pub(crate) const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

/// A webhook whose receiver is away.
fn nobodys() -> WebhookConfig {
    WebhookConfig {
        name: "billing".into(),
        url: "http://127.0.0.1:9/hub".into(),
        secret: Some(Secret::new("a secret for tests, of at least 32 bytes")),
        events: vec!["order:*".into()],
        ..WebhookConfig::default()
    }
}

/// The request that needs a letter of a webhook, and so a receiver that refuses.
pub(crate) const WEBHOOK_LETTER: &str = "POST /api/v1/webhooks/{name}/dead-letters/{offset}/replay";

/// The request that needs a data directory.
pub(crate) const AUDIT: &str = "GET /api/v1/audit";

/// The request whose answer is no JSON.
pub(crate) const TENANT_METRICS: &str = "GET /metrics/tenants/{tenant}";

/// A receiver that refuses whatever it is posted. Returns its URL.
pub(crate) fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 16 << 10];
            // Whoever hangs up is not answered.
            let _ = stream.read(&mut request);
            let answer = "HTTP/1.1 422 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

/// Waits for the letter of the webhook. Returns its offset.
fn letter_of_webhook(address: SocketAddr) -> u64 {
    eventually("the webhook's letter", || {
        let letters = call(address, "GET /api/v1/dead-letters", &owner(), "").data();
        let mut letters = letters.as_array().cloned().unwrap_or_default().into_iter();
        let of_webhook =
            |it: &Value| it["subscriber"].as_str().is_some_and(|it| it.contains("billing"));
        letters.find(of_webhook).and_then(|it| it["offset"].as_u64())
    })
}

fn api_key() -> String {
    json!({ "name": "billing", "permissions": ["write:orders"] }).to_string()
}

/// Makes an API key. Returns its id.
fn create_key(address: SocketAddr) -> String {
    let made = call(address, "POST /api/v1/api-keys", &owner(), &api_key()).data();
    made["apiKey"]["id"].as_str().unwrap().to_owned()
}

/// Somebody whose tokens are revoked. Returns the revocation's id.
fn revoke(address: SocketAddr) -> String {
    let body = json!({ "kind": "user", "value": "u7", "reason": "for a test" }).to_string();
    let revoked = call(address, "POST /api/v1/revocations", &owner(), &body).data();
    revoked["revocation"]["id"].as_str().unwrap().to_owned()
}

/// A server that gives up at once what is not acknowledged.
pub(crate) fn impatient() -> WebSocketConfig {
    let retry = RetryConfig { max_attempts: 1, base_delay_ms: 1, ..Default::default() };
    let mut config = config().webhook(nobodys());
    config.security.webhook_networks = vec!["127.0.0.0/8".into()];
    let config = config.add_redaction(Redaction {
        id: "costs".into(),
        tenant: None,
        events: "order:*".into(),
        fields: vec!["/cost".into()],
        hide_from: vec![HideFrom::Webhooks],
    });
    let config = config.operator_token(OPERATOR);
    config.limits(unlimited()).retry(retry).deliver(DeliveryConfig {
        event: "order:created".into(),
        class: None,
        time_to_live_seconds: None,
        compact: false,
        acknowledge: true,
        confirm_within_seconds: None,
        confirm_by: None,
    })
}

/// Makes a request of the page so that it works, and what it needs before. Returns its line and body.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn prepared(server: &WebSocketServer, row: &Row) -> (String, String) {
    let address = server.local_addr();
    let order = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let sid = || connect(address, &owner());
    let declare =
        || assert_eq!(call(address, "POST /api/v1/events", &owner(), &declaration()).status, 201);
    let grant = |of: &str| row.request.replace("{name}", of).replace("{user}", "u7");
    let room = "order:t1:7";
    let plain = |body: &str| (row.request.to_owned(), body.to_owned());
    match row.request {
        "POST /api/v1/publish" => plain(&order),
        "POST /api/v1/config/reload" => plain(""),
        "POST /api/v1/drain" => plain(r#"{"then":"stay"}"#),
        "PUT /api/v1/log-level" => plain(r#"{"level":"debug","of":"tenant","userId":"u7"}"#),
        "GET /api/v1/log-level" | "DELETE /api/v1/log-level" => plain(""),
        "POST /api/v1/erasures" => plain(r#"{"user":"ada"}"#),
        "POST /api/v1/tenants/{tenant}/erase" => {
            (row.request.replace("{tenant}", "t1"), r#"{"confirm":"t1"}"#.into())
        }
        "POST /api/v1/publish/batch" => plain(&format!("{{\"events\":[{order}]}}")),
        "GET /api/v1/connections" => {
            sid();
            plain("")
        }
        "DELETE /api/v1/connections/{id}" => (row.request.replace("{id}", &sid()), String::new()),
        "POST /api/v1/connections/{id}/events" => {
            let body = json!({ "type": "notification:info", "payload": { "message": "m" } });
            (row.request.replace("{id}", &sid()), body.to_string())
        }
        "DELETE /api/v1/devices/{device}/connections" => {
            (row.request.replace("{device}", "tablet"), String::new())
        }
        "DELETE /api/v1/users/{user}/connections" => {
            sid();
            (row.request.replace("{user}", "u1"), String::new())
        }
        "GET /api/v1/presence" => {
            sid();
            plain("")
        }
        "GET /api/v1/tenants" | "GET /api/v1/device-journal" => {
            sid();
            plain("")
        }
        "GET /api/v1/rooms" => {
            sid();
            plain("")
        }
        "PUT /api/v1/rooms/{name}" => {
            let body = json!({ "description": "d", "maxMembers": 5, "isPrivate": true, "tags": ["a"] });
            (grant(room), body.to_string())
        }
        "GET /api/v1/rooms/{name}/grants" => {
            let line = "PUT /api/v1/rooms/order:t1:7/grants/u7";
            assert_eq!(call(address, line, &owner(), "").status, 200);
            (grant(room), String::new())
        }
        "PUT /api/v1/rooms/{name}/grants/{user}" => (grant(room), String::new()),
        "DELETE /api/v1/rooms/{name}/grants/{user}" => {
            let line = grant(room);
            assert_eq!(call(address, &line.replace("DELETE", "PUT"), &owner(), "").status, 200);
            (line, String::new())
        }
        "GET /api/v1/events" => {
            declare();
            plain("")
        }
        "POST /api/v1/events" => plain(&declaration()),
        "DELETE /api/v1/events/{name}" => {
            declare();
            (row.request.replace("{name}", "loyalty:points_earned"), String::new())
        }
        "POST /api/v1/rules" => {
            declare();
            plain(example())
        }
        "DELETE /api/v1/rules/{id}" => {
            declare();
            assert_eq!(call(address, "POST /api/v1/rules", &owner(), example()).status, 201);
            (row.request.replace("{id}", "loyalty"), String::new())
        }
        "POST /api/v1/redactions" => plain(REDACTION),
        "DELETE /api/v1/redactions/{id}" => {
            let added = call(address, "POST /api/v1/redactions", &owner(), REDACTION);
            assert_eq!(added.status, 201);
            (row.request.replace("{id}", "supplier"), String::new())
        }
        "POST /api/v1/api-keys" => plain(&api_key()),
        "GET /api/v1/api-keys" => {
            create_key(address);
            plain("")
        }
        "POST /api/v1/api-keys/{id}/rotate" => {
            (row.request.replace("{id}", &create_key(address)), "{}".into())
        }
        "DELETE /api/v1/api-keys/{id}" => {
            (row.request.replace("{id}", &create_key(address)), String::new())
        }
        "POST /api/v1/revocations" => plain(&json!({ "kind": "user", "value": "u7" }).to_string()),
        "GET /api/v1/revocations" => {
            revoke(address);
            plain("")
        }
        "DELETE /api/v1/revocations/{id}" => {
            (row.request.replace("{id}", &revoke(address)), String::new())
        }
        "GET /api/v1/log" => {
            assert_eq!(call(address, "POST /api/v1/publish", &system(), &order).status, 200);
            plain("")
        }
        "GET /api/v1/dead-letters" => {
            dead_letter(address);
            plain("")
        }
        "GET /api/v1/dead-letters/{offset}"
        | "POST /api/v1/dead-letters/{offset}/replay"
        | "DELETE /api/v1/dead-letters/{offset}" => {
            (row.request.replace("{offset}", &dead_letter(address)), String::new())
        }
        "GET /api/v1/orders/{order}/timeline" => {
            subscriber(address);
            assert_eq!(call(address, "POST /api/v1/publish", &system(), &order).status, 200);
            (row.request.replace("{order}", "7"), String::new())
        }
        "GET /api/v1/messages/{id}/trace" => {
            subscriber(address);
            let id = call(address, "POST /api/v1/publish", &system(), &order).data()["id"].clone();
            (row.request.replace("{id}", id.as_str().unwrap()), String::new())
        }
        "GET /api/v1/offline-queues" => {
            subscriber(address);
            plain("")
        }
        "GET /api/v1/offline-queues/{subscriber}"
        | "POST /api/v1/offline-queues/{subscriber}/replay"
        | "DELETE /api/v1/offline-queues/{subscriber}" => {
            (row.request.replace("{subscriber}", &subscriber(address)), String::new())
        }
        "POST /api/v1/explain" => plain(&json!({
            "event": "order:created", "source": "client_app", "role": "customer", "permissions": ["write:orders"],
            "target": ["kitchen_app"], "order": "7", "customer": "u7", "station": "s", "route": "r", "assignee": "u8"
        }).to_string()),
        "GET /api/v1/webhooks" => plain(""),
        "POST /api/v1/webhooks/{name}/test"
        | "POST /api/v1/webhooks/{name}/pause"
        | "POST /api/v1/webhooks/{name}/resume"
        | "POST /api/v1/webhooks/{name}/replay" => {
            (row.request.replace("{name}", "billing"), String::new())
        }
        WEBHOOK_LETTER => {
            assert_eq!(call(address, "POST /api/v1/publish", &system(), &order).status, 200);
            let offset = letter_of_webhook(address).to_string();
            (row.request.replace("{name}", "billing").replace("{offset}", &offset), String::new())
        }
        AUDIT => {
            declare();
            eventually("it is told", || {
                let told = call(address, AUDIT, &owner(), "").data();
                (told != json!([])).then_some(())
            });
            plain("")
        }
        TENANT_METRICS => (row.request.replace("{tenant}", "t1"), String::new()),
        "GET /api/v1/errors/{code}" => (row.request.replace("{code}", "not_found"), String::new()),
        "GET /api/v1/openapi.json" | "GET /api/v1/reference" | "GET /api/v1/errors" | "GET /api/v1/rules" | "GET /api/v1/redactions" | "GET /api/v1/performance" | "GET /api/v1/configuration" | "GET /api/v1/nodes" | "GET /health" | "GET /ready" | "GET /live" | "GET /metrics" => plain(""),
        other => panic!("no test makes the request {other}"),
    }
}

pub(crate) fn unlimited() -> LimitsConfig {
    LimitsConfig {
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..Default::default()
    }
}
