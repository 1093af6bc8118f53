//! The HTTP API: the tenant is the token's, every refusal has its status and its code.

use foodtrack_contract::{TenantId, UserRole};
use foodtrack_server::Rule;
use serde_json::json;

use crate::support::{call, config, request, serve, token};

fn message(order: &str) -> String {
    json!({ "type": "order:created", "payload": { "orderId": order, "customerId": "u7" } })
        .to_string()
}

#[test]
fn a_backend_service_publishes_and_is_told_the_id() {
    let server = serve(config());
    let address = server.local_addr();
    let system = token("t1", UserRole::System);
    let id = "01935c1e-0000-7000-8000-000000000001";
    let body = json!({ "id": id, "type": "order:created", "payload": { "orderId": "7" } });
    let answer = call(address, "POST /api/v1/publish", &system, &body.to_string());
    assert_eq!((answer.status, answer.data()), (200, json!({ "id": id, "offset": 1 })));
    server.stop();
}

#[test]
fn what_cannot_be_published_is_refused_with_its_status_and_code() {
    let server = serve(config());
    let address = server.local_addr();
    let (system, owner) = (token("t1", UserRole::System), token("t1", UserRole::RestaurantOwner));
    let publish = |token: &str, body: &str| call(address, "POST /api/v1/publish", token, body);
    let event = |name: &str| json!({ "type": name, "payload": {} }).to_string();
    let of_tenant =
        json!({ "type": "order:created", "tenantId": "t2", "payload": { "orderId": "7" } });
    let cases = [
        (publish(&system, "{"), 400, "message_malformed"),
        (publish(&system, r#"{"type":"order:created"}"#), 400, "message_malformed"),
        (publish(&system, &event("order:created")), 400, "payload_invalid"),
        (publish(&system, &event("order:eaten")), 400, "event_unknown"),
        (publish(&system, &event("system:error")), 403, "event_reserved"),
        (publish(&system, &of_tenant.to_string()), 403, "tenant_mismatch"),
        (publish(&owner, &message("7")), 403, "permission_denied"),
        (publish("a.b.c", &message("7")), 401, "token_malformed"),
        (request(address, "POST /api/v1/publish", &[], &message("7")), 401, "token_missing"),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    let invalid = publish(&system, r#"{"type":"order:created","payload":{"orderId":7}}"#).json();
    assert_eq!(invalid["pointer"], "/orderId", "{invalid}");
    server.stop();
}

#[test]
fn a_list_is_not_read_as_the_object_whose_members_it_would_fit() {
    let server = serve(config());
    let owner = token("t1", UserRole::RestaurantOwner);
    let rotate = "POST /api/v1/api-keys/cfd0c1a77bb34965/rotate";
    let rotate = |body: &str| call(server.local_addr(), rotate, &owner, body);
    assert_eq!(rotate("{}").code(), "not_found");
    for list in ["[null, null]", " [ null,null]", "[]"] {
        let answer = rotate(list);
        assert_eq!((answer.status, answer.code().as_str()), (400, "message_malformed"), "{list}");
    }
    server.stop();
}

#[test]
fn a_body_over_the_limit_is_413() {
    let server = serve(config().payload_bytes_max(1_000));
    let body = message(&"7".repeat(1_000));
    let system = token("t1", UserRole::System);
    let answer = call(server.local_addr(), "POST /api/v1/publish", &system, &body);
    assert_eq!(answer.status, 413);
    server.stop();
}

#[test]
fn the_type_of_a_problem_leads_to_what_its_code_means() {
    let server = serve(config());
    let address = server.local_addr();
    let problem = request(address, "GET /api/v1/nowhere", &[], "").json();
    let place = format!("GET {}", problem["type"].as_str().unwrap());
    let explained = request(address, &place, &[], "").data();
    for member in ["code", "number", "status"] {
        assert_eq!(explained[member], problem[member], "{explained}");
    }
    assert_eq!((&explained["about"], &explained["reaction"]), (&problem["title"], &json!("stop")));
    let all = request(address, "GET /api/v1/errors", &[], "").data();
    assert!(all.as_array().unwrap().contains(&explained), "{all}");
    assert_eq!(request(address, "GET /api/v1/errors/no_such_code", &[], "").code(), "not_found");
    server.stop();
}

#[test]
fn unknown_paths_and_methods_are_refused_as_json() {
    let server = serve(config());
    let nowhere = request(server.local_addr(), "GET /api/v1/nowhere", &[], "");
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "not_found"));
    let method = request(server.local_addr(), "GET /api/v1/publish", &[], "");
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")), "{method:?}");
    assert_eq!(method.code(), "method_not_allowed");
    let health = request(server.local_addr(), "POST /health", &[], "");
    assert_eq!((health.status, health.code().as_str()), (405, "method_not_allowed"));
    assert!(health.header("allow").unwrap().contains("GET"), "{health:?}");
    server.stop();
}

#[test]
fn administration_takes_admin_access_or_a_backend_service() {
    let server = serve(config());
    let lines = [
        "GET /api/v1/connections",
        "DELETE /api/v1/connections/x",
        "DELETE /api/v1/users/u1/connections",
        "GET /api/v1/rooms",
        "PUT /api/v1/rooms/order:t1:7",
        "GET /api/v1/rooms/order:t1:7/grants",
        "PUT /api/v1/rooms/order:t1:7/grants/u1",
        "DELETE /api/v1/rooms/order:t1:7/grants/u1",
        "GET /api/v1/events",
        "POST /api/v1/events",
        "DELETE /api/v1/events/a:b",
        "GET /api/v1/rules",
        "POST /api/v1/explain",
        "GET /api/v1/performance",
    ];
    for line in lines {
        let chef = call(server.local_addr(), line, &token("t1", UserRole::Chef), "{}");
        assert_eq!((chef.status, chef.code().as_str()), (403, "permission_denied"), "{line}");
        let nobody = request(server.local_addr(), line, &[], "{}");
        assert_eq!((nobody.status, nobody.code().as_str()), (401, "token_missing"), "{line}");
        for role in [UserRole::RestaurantOwner, UserRole::System] {
            let status = call(server.local_addr(), line, &token("t1", role), "{}").status;
            assert!(![401, 403, 405].contains(&status), "{line} as {role}: {status}");
        }
    }
    server.stop();
}

#[test]
fn a_tenant_declares_event_types_that_no_other_tenant_sees() {
    let server = serve(config());
    let address = server.local_addr();
    let (one, two) = (token("t1", UserRole::System), token("t2", UserRole::System));
    let declaration = json!({
        "name": "loyalty:points_earned",
        "schema": { "type": "object", "required": ["points"] },
        "deliveryClass": "recoverable",
    });
    let declared = call(address, "POST /api/v1/events", &one, &declaration.to_string());
    assert_eq!(declared.status, 201, "{declared:?}");
    let listed = call(address, "GET /api/v1/events", &one, "").data();
    assert_eq!(listed[0]["name"], "loyalty:points_earned");
    assert_eq!(call(address, "GET /api/v1/events", &two, "").data(), json!([]));
    let event = json!({ "type": "loyalty:points_earned", "payload": { "points": 1 } }).to_string();
    let foreign = call(address, "POST /api/v1/publish", &two, &event);
    assert_eq!(foreign.code(), "event_unknown");
    let withdraw = "DELETE /api/v1/events/loyalty:points_earned";
    assert_eq!(call(address, withdraw, &two, "").status, 404);
    assert_eq!(call(address, withdraw, &one, "").status, 200);
    assert_eq!(call(address, withdraw, &one, "").status, 404);
    let invalid =
        call(address, "POST /api/v1/events", &one, r#"{"name":"order:created","schema":{}}"#);
    assert_eq!((invalid.status, invalid.code().as_str()), (400, "declaration_invalid"));
    server.stop();
}

#[test]
fn rules_change_while_the_server_runs_and_stay_within_their_tenant() {
    let server = serve(config());
    let address = server.local_addr();
    let rule: Rule = serde_json::from_value(json!({
        "id": "t1-alerts", "tenant": "t1", "events": "notification:alert",
        "from": ["kitchen_app"], "to": ["tenant_dashboard"],
    }))
    .unwrap();
    let question = json!({ "event": "notification:alert", "source": "kitchen_app" }).to_string();
    let allowed = |tenant: &str| {
        let token = token(tenant, UserRole::System);
        call(address, "POST /api/v1/explain", &token, &question).data()["isAllowed"].clone()
    };
    let has_rule = |tenant: &str| {
        let token = token(tenant, UserRole::RestaurantOwner);
        let rules = call(address, "GET /api/v1/rules", &token, "").data();
        rules.as_array().unwrap().iter().any(|rule| rule["id"] == "t1-alerts")
    };
    assert_eq!(allowed("t1"), false);
    server.router().add(rule).unwrap();
    assert_eq!((allowed("t1"), allowed("t2")), (json!(true), json!(false)));
    assert_eq!((has_rule("t1"), has_rule("t2")), (true, false));
    server.router().remove(Some(&TenantId::parse("t1").unwrap()), "t1-alerts").unwrap();
    assert_eq!(allowed("t1"), false);
    server.stop();
}

#[test]
fn a_question_that_does_not_fit_is_refused_at_its_place() {
    let server = serve(config());
    let system = token("t1", UserRole::System);
    let ask = |question: &str| call(server.local_addr(), "POST /api/v1/explain", &system, question);
    assert_eq!(ask(r#"{"event":"order:eaten"}"#).code(), "event_unknown");
    let source = ask(r#"{"event":"order:created","source":"fridge"}"#).json();
    assert_eq!(source["pointer"], "/source", "{source}");
    let role = ask(r#"{"event":"order:created","role":"thief"}"#).json();
    assert_eq!(role["pointer"], "/role", "{role}");
    server.stop();
}

#[test]
fn another_tenants_room_can_be_neither_described_nor_granted() {
    let server = serve(config());
    let system = token("t1", UserRole::System);
    for line in [
        "PUT /api/v1/rooms/order:t2:7",
        "PUT /api/v1/rooms/order:t2:7/grants/u1",
        "GET /api/v1/rooms/order:t2:7/grants",
    ] {
        let answer = call(server.local_addr(), line, &system, "{}");
        assert_eq!((answer.status, answer.code().as_str()), (403, "tenant_mismatch"), "{line}");
    }
    let described = call(
        server.local_addr(),
        "PUT /api/v1/rooms/order:t1:7",
        &system,
        r#"{"description":"a birthday","maxMembers":3}"#,
    );
    assert_eq!(described.data()["metadata"]["maxMembers"], 3);
    server.stop();
}

#[test]
fn health_and_metrics_need_no_token_and_name_no_tenant() {
    let server = serve(config());
    let address = server.local_addr();
    let system = token("tenant-of-this-test", UserRole::System);
    assert_eq!(call(address, "POST /api/v1/publish", &system, &message("7")).status, 200);
    let health = request(address, "GET /health", &[], "");
    assert_eq!((health.status, health.json()["connections"].clone()), (200, json!(0)));
    let metrics = request(address, "GET /metrics", &[], "");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"), "{metrics:?}");
    assert!(
        metrics.body.contains("foodtrack_events_accepted_total{shard=\"0\"} 1\n"),
        "{metrics:?}"
    );
    for answer in [health, metrics] {
        assert!(!answer.body.contains("tenant-of-this-test"), "{answer:?}");
    }
    server.stop();
}

#[test]
fn a_page_of_an_allowed_origin_may_read_and_no_other() {
    let server = serve(config().allowed_origins(["https://dashboard.example"]));
    let address = server.local_addr();
    let from = |line: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        let headers = if line.starts_with("OPTIONS") { &headers[..] } else { &headers[..1] };
        let answer = request(address, line, headers, "");
        let allowed = answer.header("access-control-allow-origin").map(str::to_owned);
        (answer.status, allowed)
    };
    let ours = Some("https://dashboard.example".to_owned());
    assert_eq!(from("GET /health", "https://dashboard.example"), (200, ours.clone()));
    assert_eq!(from("OPTIONS /api/v1/publish", "https://dashboard.example"), (204, ours));
    assert_eq!(from("GET /health", "https://evil.example"), (200, None));
    assert_eq!(from("OPTIONS /api/v1/publish", "https://evil.example"), (403, None));
    server.stop();
}

#[test]
fn the_demos_tokens_are_not_there_outside_the_demo() {
    let server = serve(config());
    let path = "GET /demo/token?tenant=pizza-roma&application=kitchen_app&user=ada";
    for line in [path, "GET /demo/info", "GET /", "GET /playground/app.js"] {
        assert_eq!(request(server.local_addr(), line, &[], "").status, 404, "{line}");
    }
    server.stop();
}

#[test]
fn a_limit_out_of_its_bounds_is_refused_with_the_bounds() {
    let server = serve(config());
    let owner = token("t1", UserRole::RestaurantOwner);
    for list in ["connections", "rooms"] {
        let of = |limit: &str| {
            let line = format!("GET /api/v1/{list}?limit={limit}");
            call(server.local_addr(), &line, &owner, "")
        };
        assert_eq!((of("1").status, of("1000").status), (200, 200));
        for limit in ["0", "1001", "99999999"] {
            let answer = of(limit);
            assert_eq!((answer.status, answer.code().as_str()), (400, "message_malformed"));
            assert!(answer.body.contains("from 1 to 1000"), "{answer:?}");
        }
        assert_eq!(of("many").status, 400);
    }
    server.stop();
}

#[test]
fn an_idempotency_key_publishes_once_whatever_happens_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let configured = || config().data_dir(directory.path().to_string_lossy());
    let publish =
        |server: &foodtrack_server::WebSocketServer, tenant: &str, key: &str, body: &str| {
            let bearer = format!("Bearer {}", token(tenant, UserRole::System));
            let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
            request(server.local_addr(), "POST /api/v1/publish", &headers, body)
        };
    let server = serve(configured());
    let first = publish(&server, "t1", "k1", &message("7"));
    assert_eq!((first.status, &first.data()["offset"]), (200, &json!(1)), "{first:?}");
    let again = publish(&server, "t1", "k1", &message("7"));
    assert_eq!(again.status, 200);
    let id = &first.data()["id"];
    assert_eq!(again.data(), json!({ "id": id, "offset": 1, "duplicate": true }));
    let other_body = publish(&server, "t1", "k1", &message("8"));
    assert_eq!((other_body.status, other_body.code().as_str()), (422, "idempotency_conflict"));
    // Other keys and other tenants are others.
    assert_eq!(publish(&server, "t1", "k2", &message("8")).data()["offset"], 2);
    assert_ne!(publish(&server, "t2", "k1", &message("7")).data()["id"], first.data()["id"]);
    // What was refused may be corrected under the same key.
    let wrong = r#"{"type":"order:created","payload":{}}"#;
    assert_eq!(publish(&server, "t1", "k3", wrong).code(), "payload_invalid");
    assert_eq!(publish(&server, "t1", "k3", &message("9")).status, 200);
    // Two names for one message are one too many; a key has a shape.
    let id = r#"{"id":"01935c1e-0000-7000-8000-000000000001","type":"order:created","payload":{"orderId":"7"}}"#;
    assert_eq!(publish(&server, "t1", "k4", id).code(), "message_malformed");
    assert_eq!(publish(&server, "t1", &"k".repeat(256), &message("7")).code(), "message_malformed");
    assert_eq!(publish(&server, "t1", "", &message("7")).code(), "message_malformed");
    server.stop();
    let server = serve(configured());
    let again = publish(&server, "t1", "k1", &message("7"));
    assert_eq!(again.data()["id"], first.data()["id"]);
    assert_eq!(again.data()["offset"], 1, "known from the log: {again:?}");
    assert_eq!(again.data()["duplicate"], true);
    server.stop();
}
