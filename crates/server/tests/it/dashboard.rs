//! The dashboard's pages, the operator who sees all tenants, and the namespace of the admin UI.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foodtrack_contract::UserRole;
use serde_json::{Value, json};

use crate::support::{Answer, call, config, request, serve, token};

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn the_dashboard_is_served_and_may_run_nothing_from_elsewhere() {
    let server = serve(config());
    let address = server.local_addr();
    let page = request(address, "GET /dashboard", &[], "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    for path in page.body.split('"').filter(|part| part.starts_with("/dashboard/")) {
        assert_eq!(request(address, &format!("GET {path}"), &[], "").status, 200, "{path}");
    }
    let tag = page.header("etag").unwrap();
    let again = request(address, "GET /dashboard", &[("If-None-Match", tag)], "");
    assert_eq!((again.status, &*again.body), (304, ""));
    let slash = request(address, "GET /dashboard/", &[], "");
    assert_eq!((slash.status, slash.header("location")), (308, Some("/dashboard")));
    server.stop();
}

#[test]
fn a_dashboard_that_is_switched_off_is_not_there() {
    let server = serve(config().dashboard(false));
    assert_eq!(request(server.local_addr(), "GET /dashboard", &[], "").status, 404);
    server.stop();
}

#[test]
fn the_operator_sees_each_tenant_that_it_names_and_publishes_for_none() {
    let server = serve(config().operator_token(OPERATOR));
    let address = server.local_addr();
    let event = |order: &str| json!({ "type": "order:created", "payload": { "orderId": order } });
    for tenant in ["roma", "kyoto"] {
        let system = token(tenant, UserRole::System);
        let published = call(address, "POST /api/v1/publish", &system, &event(tenant).to_string());
        assert_eq!(published.status, 200, "{published:?}");
    }
    let ask = |line: &str, tenant: &str, token: &str, body: &str| -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", &*authorization), ("Foodtrack-Tenant", tenant)];
        request(address, line, &headers, body)
    };
    let tenants = call(address, "GET /api/v1/tenants", OPERATOR, "").data();
    let names: Vec<_> = tenants.as_array().unwrap().iter().map(|it| &it["tenant"]).collect();
    assert_eq!(names, ["kyoto", "roma"]);
    for tenant in ["roma", "kyoto"] {
        let log = ask("GET /api/v1/log?last=5", tenant, OPERATOR, "").data();
        assert_eq!((log.as_array().unwrap().len(), &log[0]["orderId"]), (1, &json!(tenant)));
    }
    let nameless = call(address, "GET /api/v1/log", OPERATOR, "");
    assert_eq!((nameless.status, nameless.code().as_str()), (401, "token_claims"));
    let published = ask("POST /api/v1/publish", "roma", OPERATOR, &event("7").to_string());
    assert_eq!((published.status, published.code().as_str()), (403, "permission_denied"));
    // The header is the operator's alone: another tenant's token stays its tenant's.
    let roma = token("roma", UserRole::RestaurantOwner);
    assert_eq!(ask("GET /api/v1/log", "kyoto", &roma, "").data()[0]["orderId"], "roma");
    assert_eq!(call(address, "GET /api/v1/tenants", &roma, "").status, 403);
    for stranger in ["0123456789abcdef0123456789abcdeF", "0123456789abcdef", ""] {
        assert_eq!(ask("GET /api/v1/log", "roma", stranger, "").status, 401, "{stranger}");
    }
    server.stop();
}

#[test]
fn the_configuration_is_told_to_the_operator_without_its_secrets() {
    let server = serve(config().operator_token(OPERATOR));
    let answer = call(server.local_addr(), "GET /api/v1/configuration", OPERATOR, "");
    assert!(!answer.body.contains(OPERATOR) && !answer.body.contains(crate::support::SECRET));
    let keys = answer.data();
    let of = |name: &str| keys.as_array().unwrap().iter().find(|it| it["key"] == name).unwrap();
    assert_eq!(of("security.jwtSecret")["value"], "(redacted)");
    assert_eq!((&of("shards")["value"], &of("shards")["place"]), (&json!(1), &json!("program")));
    assert_eq!(of("heartbeat.intervalMs")["place"], "default");
    server.stop();
}

/// A polling client: its session's path, and what its CONNECT was answered.
fn join(address: SocketAddr, connect: &str) -> (String, String) {
    let open = request(address, "GET /socket.io/?EIO=4&transport=polling", &[], "").body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(request(address, &format!("POST {path}"), &[], connect).status, 200);
    let answer = request(address, &format!("GET {path}"), &[], "").body;
    (path, answer)
}

/// What the client is sent, until that is among it.
fn hear(address: SocketAddr, path: &str, awaited: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let heard = request(address, &format!("GET {path}"), &[], "").body;
        if heard.contains(awaited) {
            return heard;
        }
        assert!(Instant::now() < deadline, "no {awaited}: {heard}");
        if heard.split('\u{1e}').any(|packet| packet == "2") {
            request(address, &format!("POST {path}"), &[], "3");
        }
    }
}

#[test]
fn the_admin_namespace_shows_a_login_its_own_tenant_and_ends_with_its_token() {
    let mut said = config().operator_token(OPERATOR);
    said.admin_ui.enabled = true;
    let server = serve(said);
    let address = server.local_addr();
    let watch = |name: &str, password: &str| {
        let auth = json!({ "username": name, "password": password });
        join(address, &format!("40/admin,{auth}"))
    };
    let device = |tenant: &str| -> String {
        let auth = json!({ "token": token(tenant, UserRole::RestaurantOwner) });
        let (_, answer) = join(address, &format!("40{auth}"));
        let packet = answer.split('\u{1e}').find_map(|it| it.strip_prefix("40")).unwrap();
        serde_json::from_str::<Value>(packet).unwrap()["sid"].as_str().unwrap().to_owned()
    };
    let (roma, kyoto) = (device("roma"), device("kyoto"));
    for bad in ["", "eyJ.x.y", &token("roma", UserRole::Chef)] {
        let (_, answer) = watch("olga", bad);
        assert!(answer.starts_with("44/admin,") && answer.contains("\"invalid credentials\""));
    }
    let (path, answer) = watch("olga", &token("roma", UserRole::RestaurantOwner));
    assert!(answer.starts_with("40/admin,{\"sid\":"), "{answer}");
    let heard = match answer.contains("all_sockets") {
        true => answer,
        false => hear(address, &path, "all_sockets"),
    };
    assert!(heard.contains(&roma) && !heard.contains(&kyoto), "{heard}");
    let (operator, answer) = watch("kyoto", OPERATOR);
    let heard = match answer.contains("all_sockets") {
        true => answer,
        false => hear(address, &operator, "all_sockets"),
    };
    assert!(heard.contains(&kyoto) && !heard.contains(&roma), "{heard}");
    let order = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let published = call(address, "POST /api/v1/publish", &token("roma", UserRole::System), &order);
    assert_eq!(published.status, 200);
    hear(address, &path, "event_received");
    // More than is looked at in one look.
    let note = "x".repeat(120_000);
    for n in 0..10 {
        let payload = json!({ "orderId": format!("large-{n}"), "note": note });
        let order = json!({ "type": "order:created", "payload": payload }).to_string();
        let system = token("roma", UserRole::System);
        assert_eq!(call(address, "POST /api/v1/publish", &system, &order).status, 200);
    }
    hear(address, &path, "large-9");
    let everyone = json!({ "kind": "user", "value": "u1" }).to_string();
    let owner = token("roma", UserRole::RestaurantOwner);
    assert_eq!(call(address, "POST /api/v1/revocations", &owner, &everyone).status, 201);
    hear(address, &path, "41/admin");
    server.stop();
}

#[test]
fn without_a_word_in_the_configuration_there_is_no_admin_namespace() {
    let server = serve(config());
    let auth = json!({ "password": token("roma", UserRole::RestaurantOwner) });
    let (_, answer) = join(server.local_addr(), &format!("40/admin,{auth}"));
    assert!(answer.starts_with("44/admin,{\"message\":\"Invalid namespace\""), "{answer}");
    server.stop();
}
