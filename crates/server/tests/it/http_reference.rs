//! docs/reference/http.md, line by line: each path with its answer's fields and who may ask, each limit, each example, each status.

use std::collections::{BTreeMap, BTreeSet};
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

use crate::support::{Answer, call, config, request, serve, token};

const PAGE: &str = include_str!("../../../../docs/reference/http.md");

/// A row of the table of requests.
struct Row {
    /// Such as `GET /api/v1/rooms`.
    request: &'static str,
    who: &'static str,
    what: &'static str,
}

fn rows() -> Vec<Row> {
    let cells = |line: &'static str| -> Option<Row> {
        let (request, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (who, what) = rest.strip_suffix(" |")?.split_once(" | ")?;
        request.contains(" /").then_some(Row { request, who, what })
    };
    PAGE.lines().filter_map(cells).collect()
}

/// The fields that a row names in `{ a, b? }`, and whether each must be there; `None` where it names none.
fn fields(what: &str) -> Option<BTreeMap<&str, bool>> {
    let (fields, _) = what.split_once("{ ")?.1.split_once(" }")?;
    let field = |name| match str::strip_suffix(name, "?") {
        Some(optional) => (optional, false),
        None => (name, true),
    };
    Some(fields.split(", ").map(field).collect())
}

/// Whether `value` has exactly the fields that a row names; of a list, its first.
#[track_caller]
fn check_fields(row: &Row, value: &Value) {
    let Some(fields) = fields(row.what) else {
        panic!("{}: the page names no fields", row.request)
    };
    let object = value.get(0).unwrap_or(value);
    let object = object.as_object().unwrap_or_else(|| panic!("{}: {value}", row.request));
    for (name, is_required) in &fields {
        assert!(!is_required || object.contains_key(*name), "{}: no {name}: {value}", row.request);
    }
    for name in object.keys() {
        assert!(fields.contains_key(name.as_str()), "{}: not told: {name}: {value}", row.request);
    }
}

/// The description that the server gives of itself.
fn description(address: SocketAddr) -> Value {
    request(address, "GET /api/v1/openapi.json", &[], "").json()
}

/// Whether an answer is of the shape that the description promises for it.
#[track_caller]
fn check_described(description: &Value, row: &Row, answer: &Answer) {
    let (method, path) = row.request.split_once(' ').unwrap();
    let operation = &description["paths"][path][method.to_lowercase()];
    let response = operation["responses"].get(answer.status.to_string());
    let response = response.unwrap_or(&operation["responses"]["default"]);
    let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
    let mut schema = response["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{}: {kind} of {} is not described", row.request, answer.status);
    if kind == "text/plain" {
        return;
    }
    schema["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<_> = validator.iter_errors(&answer.json()).map(|it| it.to_string()).collect();
    assert!(faults.is_empty(), "{}: {faults:?}: {answer:?}", row.request);
}

#[test]
fn the_description_for_programs_has_the_paths_of_the_page_and_no_others() {
    let server = serve(config());
    let description = description(server.local_addr());
    server.stop();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let told = rows().into_iter().map(|row| row.request.to_owned());
    let told: BTreeSet<String> =
        told.filter(|it| !it.ends_with("/openapi.json") && !it.ends_with("/reference")).collect();
    assert_eq!(described.collect::<BTreeSet<_>>(), told);
    let operations: Vec<&Value> =
        paths.values().flat_map(|item| item.as_object().unwrap().values()).collect();
    let ids: BTreeSet<&str> =
        operations.iter().map(|it| it["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "an operation's id is another's: {ids:?}");
    for operation in operations {
        assert!(operation["summary"].is_string() && operation["responses"]["default"].is_object());
    }
}

/// `int32` ends at 2147483647: a program made from the description would refuse what the server takes.
#[test]
fn the_description_for_programs_gives_unsigned_numbers_their_whole_range() {
    let server = serve(config());
    let text = request(server.local_addr(), "GET /api/v1/openapi.json", &[], "").body;
    server.stop();
    assert!(!text.contains(r#""format":"int"#), "{text}");
    assert!(text.contains(r#""format":"uint32""#) && text.contains(r#""format":"uint64""#));
}

fn owner() -> String {
    token("t1", UserRole::RestaurantOwner)
}

fn system() -> String {
    token("t1", UserRole::System)
}

/// A client that polls, as far as it has joined. Returns its Socket.IO id.
fn connect(address: SocketAddr, token: &str) -> String {
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
fn example() -> &'static str {
    PAGE.split_once("```json\n").unwrap().1.split_once("\n```").unwrap().0
}

fn declaration() -> String {
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
const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

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
const WEBHOOK_LETTER: &str = "POST /api/v1/webhooks/{name}/dead-letters/{offset}/replay";

/// The request that needs a data directory.
const AUDIT: &str = "GET /api/v1/audit";

/// The request whose answer is no JSON.
const TENANT_METRICS: &str = "GET /metrics/tenants/{tenant}";

/// A receiver that refuses whatever it is posted. Returns its URL.
fn refusing() -> String {
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
fn impatient() -> WebSocketConfig {
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
fn prepared(server: &WebSocketServer, row: &Row) -> (String, String) {
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

fn unlimited() -> LimitsConfig {
    LimitsConfig {
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..Default::default()
    }
}

#[test]
fn each_path_of_the_page_answers_whom_it_says_with_the_fields_it_says() {
    let rows = rows();
    assert!(rows.len() >= 19, "{} rows", rows.len());
    for row in &rows {
        let mut config = impatient();
        if row.request == WEBHOOK_LETTER {
            config.webhooks.iter_mut().for_each(|it| it.url = refusing());
        }
        // What it needs a disk for.
        let directory = (row.request == AUDIT).then(|| tempfile::tempdir().unwrap());
        config.data_dir = directory.as_ref().map(|it| it.path().to_str().unwrap().to_owned());
        let again = config.clone();
        let server = serve(config);
        server.reload_from(move || again.clone().check());
        let address = server.local_addr();
        let (line, body) = prepared(&server, row);
        if row.who == "anyone" {
            let answer = request(address, &line, &[], "");
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            if line.ends_with("/openapi.json") || line.ends_with("/reference") {
                continue;
            }
            check_described(&description(address), row, &answer);
            if line == "GET /metrics" {
                assert!(answer.body.starts_with("# HELP ") && !answer.body.contains("t1"));
            } else if line.starts_with("GET /api/") {
                check_fields(row, &answer.data());
            } else {
                check_fields(row, &answer.json());
            }
            server.stop();
            continue;
        }
        let description = description(address);
        let refused = call(address, &line, &token("t1", UserRole::Chef), &body);
        check_described(&description, row, &refused);
        assert_eq!((refused.status, refused.code().as_str()), (403, "permission_denied"), "{line}");
        assert_eq!(request(address, &line, &[], &body).status, 401, "{line}");
        let good = match row.who {
            "back end" => {
                assert_eq!(call(address, &line, &owner(), &body).status, 403, "{line}");
                system()
            }
            "administrator" => owner(),
            "operator" => {
                for other in [owner(), system()] {
                    assert_eq!(call(address, &line, &other, &body).status, 403, "{line}");
                }
                OPERATOR.into()
            }
            other => panic!("{other}?"),
        };
        let answer = call(address, &line, &good, &body);
        let status = if row.what.contains("; 201") { 201 } else { 200 };
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        check_described(&description, row, &answer);
        match row.request {
            TENANT_METRICS => assert!(answer.body.contains("{tenant=\"t1\"} 0\n"), "{answer:?}"),
            _ => check_fields(row, &answer.data()),
        }
        server.stop();
    }
}

#[test]
fn lists_come_in_parts_within_the_limits_of_the_page() {
    let server = serve(config().limits(unlimited()));
    let address = server.local_addr();
    let _ids = [connect(address, &owner()), connect(address, &owner())];
    for path in ["/api/v1/connections", "/api/v1/rooms"] {
        for (limit, status) in [("1", 200), ("1000", 200), ("0", 400), ("1001", 400)] {
            let answer = call(address, &format!("GET {path}?limit={limit}"), &owner(), "");
            assert_eq!(answer.status, status, "{path}: {answer:?}");
        }
        let first = call(address, &format!("GET {path}?limit=1"), &owner(), "").json();
        let cursor = first["nextCursor"].as_str().unwrap();
        let next = call(address, &format!("GET {path}?limit=1&cursor={cursor}"), &owner(), "");
        assert_eq!(next.status, 200, "{next:?}");
        assert_ne!(next.json()["data"], first["data"], "{path}");
    }
    let filter = "user=u1&application=tenant_dashboard&limit=5";
    let found = call(address, &format!("GET /api/v1/connections?{filter}"), &owner(), "");
    assert_eq!(found.data()["connections"].as_array().unwrap().len(), 2, "{found:?}");
    let none = call(address, "GET /api/v1/connections?device=d7", &owner(), "");
    assert_eq!(none.data()["connections"], json!([]));
    server.stop();
}

#[test]
fn each_status_of_the_page_is_one_that_comes() {
    let server = serve(config().limits(LimitsConfig { payload_bytes_max: 2_000, ..unlimited() }));
    let address = server.local_addr();
    let body = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let with_key = |body: &str| {
        let bearer = format!("Bearer {}", system());
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k1")];
        request(address, "POST /api/v1/publish", &headers, body)
    };
    assert_eq!(with_key(&body).status, 200);
    let described =
        |body: Value| call(address, "PUT /api/v1/rooms/order:t1:7", &owner(), &body.to_string());
    let default_rule = example().replace("\"loyalty\"", "\"default:order:created\"");
    assert_eq!(call(address, "POST /api/v1/events", &owner(), &declaration()).status, 201);
    let comes: Vec<(u16, Answer, &str)> = vec![
        (400, call(address, "POST /api/v1/publish", &system(), "{"), "message_malformed"),
        (400, described(json!({ "description": "d".repeat(1_025) })), "payload_invalid"),
        (400, described(json!({ "tags": vec!["t"; 33] })), "payload_invalid"),
        (400, described(json!({ "tags": ["t".repeat(65)] })), "payload_invalid"),
        (400, described(json!({ "maxMembers": 1_000_001 })), "payload_invalid"),
        (401, call(address, "POST /api/v1/publish", "a.b.c", &body), "token_malformed"),
        (403, call(address, "POST /api/v1/publish", &owner(), &body), "permission_denied"),
        (404, call(address, "GET /api/v1/nothing", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/events/a:b", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/rules/r1", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/connections/x", &owner(), ""), "not_found"),
        (
            404,
            call(address, "DELETE /api/v1/rooms/order:t1:7/grants/u7", &owner(), ""),
            "not_found",
        ),
        (405, call(address, "PUT /api/v1/publish", &system(), &body), "method_not_allowed"),
        (409, call(address, "POST /api/v1/rules", &owner(), &default_rule), "conflict"),
        (422, with_key(&body.replace('7', "8")), "idempotency_conflict"),
    ];
    for (status, answer, code) in &comes {
        assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{answer:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), *status == 401);
        assert_eq!(answer.header("allow").is_some(), *status == 405);
    }
    // Refused before the API has it.
    let large = call(address, "POST /api/v1/publish", &system(), &"x".repeat(2_001));
    assert_eq!((large.status, large.header("content-type")), (413, None), "{large:?}");
    server.stop();
    check_too_many_requests();
    // Those that come when the server is in trouble are other tests'.
    let elsewhere = [503, 504];
    let told =
        PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok());
    for status in told {
        let is_tested = comes.iter().any(|(comes, ..)| *comes == status);
        assert!(
            is_tested || [413, 429].contains(&status) || elsewhere.contains(&status),
            "{status}"
        );
    }
}

fn check_too_many_requests() {
    let tight = LimitsConfig {
        api_requests_per_second_per_token: 1,
        api_requests_burst_per_token: 1,
        ..Default::default()
    };
    let server = serve(config().limits(tight));
    let twice = || call(server.local_addr(), "GET /api/v1/rules", &owner(), "");
    assert_eq!(twice().status, 200);
    let limited = twice();
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1, "{limited:?}");
    server.stop();
}
