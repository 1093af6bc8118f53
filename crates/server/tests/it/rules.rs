//! A tenant's own rules and redactions, over HTTP.

use std::net::SocketAddr;

use foodtrack_contract::UserRole;
use serde_json::{Value, json};

use crate::process::{Served, command, run};
use crate::support::{Answer, SECRET, call, config, serve, token};

fn owner(tenant: &str) -> String {
    token(tenant, UserRole::RestaurantOwner)
}

fn declare(address: SocketAddr, tenant: &str, name: &str) -> Answer {
    let declaration = json!({ "name": name, "schema": { "type": "object" } });
    call(address, "POST /api/v1/events", &owner(tenant), &declaration.to_string())
}

fn rule(id: &str, to: &[&str]) -> Value {
    json!({ "id": id, "events": "loyalty:earned", "from": ["system"], "to": to })
}

fn add(address: SocketAddr, tenant: &str, rule: &Value) -> Answer {
    call(address, "POST /api/v1/rules", &owner(tenant), &rule.to_string())
}

fn remove(address: SocketAddr, tenant: &str, id: &str) -> Answer {
    call(address, &format!("DELETE /api/v1/rules/{id}"), &owner(tenant), "")
}

/// The rules that are the tenant's own.
fn own(address: SocketAddr, tenant: &str) -> Vec<Value> {
    let rules = call(address, "GET /api/v1/rules", &owner(tenant), "").data();
    let own = rules.as_array().unwrap().iter().filter(|rule| rule["tenant"] == tenant);
    own.cloned().collect()
}

fn publish(address: SocketAddr, tenant: &str) -> Answer {
    let message = json!({ "type": "loyalty:earned", "payload": {} }).to_string();
    call(address, "POST /api/v1/publish", &token(tenant, UserRole::System), &message)
}

/// The applications that an event would go to.
fn explained(address: SocketAddr, tenant: &str) -> Value {
    let question = json!({ "event": "loyalty:earned" }).to_string();
    call(address, "POST /api/v1/explain", &owner(tenant), &question).data()
}

#[test]
fn a_declared_event_is_routed_without_a_restart_and_no_longer_once_its_rule_is_gone() {
    let server = serve(config());
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "loyalty:earned").status, 201);
    assert_eq!(publish(address, "t1").code(), "source_forbidden");
    let added = add(address, "t1", &rule("r1", &["client_app"]));
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.data()["tenant"], "t1");
    assert_eq!(publish(address, "t1").status, 200);
    let explanation = explained(address, "t1");
    assert_eq!(explanation["isAllowed"], true);
    assert!(explanation.to_string().contains("\"r1\""), "{explanation}");
    // Again is the same as once, and another of its id takes its place.
    assert_eq!(add(address, "t1", &rule("r1", &["client_app"])).status, 201);
    assert_eq!(add(address, "t1", &rule("r1", &["kitchen_app"])).status, 201);
    assert_eq!(own(address, "t1").len(), 1);
    assert_eq!(own(address, "t1")[0]["to"], json!(["kitchen_app"]));
    assert_eq!(remove(address, "t1", "r1").data(), json!({ "removed": "r1" }));
    assert_eq!(publish(address, "t1").code(), "source_forbidden");
    assert_eq!(remove(address, "t1", "r1").code(), "not_found");
    server.stop();
}

#[test]
fn two_tenants_with_equal_names_have_rules_of_their_own() {
    let server = serve(config());
    let address = server.local_addr();
    for tenant in ["t1", "t2"] {
        assert_eq!(declare(address, tenant, "loyalty:earned").status, 201);
    }
    assert_eq!(add(address, "t1", &rule("r1", &["client_app"])).status, 201);
    assert_eq!(publish(address, "t2").code(), "source_forbidden");
    assert_eq!(add(address, "t2", &rule("r1", &["kitchen_app"])).status, 201);
    assert_eq!(own(address, "t1")[0]["to"], json!(["client_app"]));
    assert_eq!(remove(address, "t2", "r1").status, 200);
    assert_eq!((publish(address, "t1").status, own(address, "t1").len()), (200, 1));
    // Nobody names another's tenant.
    let mut of_another = rule("r2", &["client_app"]);
    of_another["tenant"] = json!("t2");
    let refused = add(address, "t1", &of_another);
    assert_eq!((refused.status, refused.code().as_str()), (403, "tenant_mismatch"));
    assert_eq!(own(address, "t2"), Vec::<Value>::new());
    server.stop();
}

#[test]
fn only_an_administrator_adds_rules_and_only_for_what_the_tenant_declared() {
    let server = serve(config());
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "loyalty:earned").status, 201);
    let chef = token("t1", UserRole::Chef);
    let body = rule("r1", &["client_app"]).to_string();
    for line in ["POST /api/v1/rules", "DELETE /api/v1/rules/r1"] {
        assert_eq!(call(address, line, &chef, &body).code(), "permission_denied");
        assert_eq!(call(address, line, "", &body).status, 401);
    }
    for (events, said) in [
        ("order:created", "operator"),
        ("order:*", "operator"),
        ("*", "operator"),
        ("loyalty:earnd", "did you mean loyalty:earned?"),
        ("weather:changed", "declare it first"),
        ("system:error", "operator"),
        ("loyalty", "a rule's `events` is"),
    ] {
        let mut rule = rule("r1", &["client_app"]);
        rule["events"] = json!(events);
        let refused = add(address, "t1", &rule);
        assert_eq!((refused.status, refused.code().as_str()), (400, "declaration_invalid"));
        assert!(refused.body.contains(said), "{events}: {refused:?}");
    }
    let mut group = rule("group", &["client_app"]);
    group["events"] = json!("loyalty:*");
    assert_eq!(add(address, "t1", &group).status, 201);
    // A default rule's id is taken, and such a rule is not the tenant's to remove.
    let default = "default:order:created";
    assert_eq!(add(address, "t1", &rule(default, &["client_app"])).code(), "conflict");
    assert_eq!(remove(address, "t1", default).code(), "not_found");
    server.stop();
}

#[test]
fn a_tenant_s_rules_are_bounded_in_number_and_size() {
    let server = serve(config().limits(unlimited()));
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "loyalty:earned").status, 201);
    let long = rule(&"r".repeat(129), &["client_app"]);
    assert_eq!(add(address, "t1", &long).code(), "declaration_invalid");
    let many = rule("r", &["client_app"; 17]);
    assert_eq!(add(address, "t1", &many).code(), "declaration_invalid");
    for n in 0..256 {
        let added = add(address, "t1", &rule(&format!("r{n}"), &["client_app"]));
        assert_eq!(added.status, 201, "{added:?}");
    }
    assert_eq!(add(address, "t1", &rule("r256", &["client_app"])).code(), "declaration_invalid");
    assert_eq!(add(address, "t1", &rule("r0", &["kitchen_app"])).status, 201);
    server.stop();
}

fn redaction(id: &str, events: &str) -> Value {
    json!({ "id": id, "events": events, "fields": ["/cost"], "hideFrom": ["client_app"] })
}

fn hide(address: SocketAddr, tenant: &str, redaction: &Value) -> Answer {
    call(address, "POST /api/v1/redactions", &owner(tenant), &redaction.to_string())
}

fn show(address: SocketAddr, tenant: &str, id: &str) -> Answer {
    call(address, &format!("DELETE /api/v1/redactions/{id}"), &owner(tenant), "")
}

/// The ids of what holds for the tenant.
fn hidden(address: SocketAddr, tenant: &str) -> Vec<String> {
    let listed = call(address, "GET /api/v1/redactions", &owner(tenant), "").data();
    let ids = listed.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn a_tenant_adds_replaces_and_removes_redactions_of_its_own_alone() {
    let configured: foodtrack_server::Redaction =
        serde_json::from_value(redaction("operators", "order:*")).unwrap();
    let server = serve(config().limits(unlimited()).add_redaction(configured));
    let address = server.local_addr();
    let chef = token("t1", UserRole::Chef);
    let body = redaction("r1", "order:*").to_string();
    for line in ["POST /api/v1/redactions", "DELETE /api/v1/redactions/r1"] {
        assert_eq!(call(address, line, &chef, &body).code(), "permission_denied");
        assert_eq!(call(address, line, "", &body).status, 401);
    }
    let dry = call(address, "POST /api/v1/redactions?dryRun=true", &owner("t1"), &body);
    assert_eq!((dry.status, hidden(address, "t1")), (200, vec!["operators".to_owned()]));
    // Built-in events are the tenant's to hide from its own, and one of the same id takes the place of the first.
    assert_eq!(hide(address, "t1", &redaction("r1", "order:created")).status, 201);
    assert_eq!(hide(address, "t1", &redaction("r1", "*")).data()["events"], "*");
    assert_eq!(hidden(address, "t1"), ["operators", "r1"]);
    assert_eq!(hidden(address, "t2"), ["operators"]);
    // The operator's stay, and nobody names another's tenant.
    assert_eq!(hide(address, "t1", &redaction("operators", "*")).code(), "conflict");
    assert_eq!(show(address, "t1", "operators").code(), "not_found");
    assert_eq!(show(address, "t2", "r1").code(), "not_found");
    let mut of_another = redaction("r2", "*");
    of_another["tenant"] = json!("t2");
    assert_eq!(hide(address, "t1", &of_another).code(), "tenant_mismatch");
    for (name, value, said) in [
        ("events", json!("loyalty:earned"), "declared no event type"),
        ("events", json!("order:creatd"), "declared no event type"),
        ("events", json!("system:error"), "server"),
        ("fields", json!(["cost"]), "no pointer"),
        ("fields", json!([]), "1 to 32"),
        ("hideFrom", json!([]), "1 to 32"),
        ("id", json!("a\nb"), "control character"),
    ] {
        let mut bad = redaction("r2", "*");
        bad[name] = value;
        let refused = hide(address, "t1", &bad);
        assert_eq!(refused.code(), "declaration_invalid", "{bad}");
        assert!(refused.body.contains(said), "{bad}: {refused:?}");
    }
    for n in 2..64 {
        assert_eq!(hide(address, "t1", &redaction(&format!("r{n}"), "*")).status, 201);
    }
    assert_eq!(hide(address, "t1", &redaction("r64", "*")).code(), "declaration_invalid");
    assert_eq!(show(address, "t1", "r1").data(), json!({ "removed": "r1" }));
    assert_eq!(hidden(address, "t1").len(), 63);
    server.stop();
}

/// The API's rates lifted.
fn unlimited() -> foodtrack_server::LimitsConfig {
    foodtrack_server::LimitsConfig {
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..Default::default()
    }
}

#[test]
fn rules_and_redactions_survive_kill_9_and_are_in_a_backup() {
    let parent = tempfile::tempdir().unwrap();
    let (data, copy) = (parent.path().join("data"), parent.path().join("copy"));
    let (data, copy) = (data.to_str().unwrap(), copy.to_str().unwrap());
    let start = |directory: &str| {
        let arguments = ["serve", "--port", "0", "--host", "127.0.0.1", "--data-dir", directory];
        Served::start(command(&arguments).env("JWT_SECRET", SECRET))
    };
    let mut first = start(data);
    for tenant in ["t1", "t2"] {
        assert_eq!(declare(first.address, tenant, "loyalty:earned").status, 201);
    }
    assert_eq!(add(first.address, "t1", &rule("kept", &["client_app"])).status, 201);
    assert_eq!(add(first.address, "t1", &rule("gone", &["client_app"])).status, 201);
    assert_eq!(remove(first.address, "t1", "gone").status, 200);
    for id in ["kept", "gone"] {
        assert_eq!(hide(first.address, "t1", &redaction(id, "order:*")).status, 201);
    }
    assert_eq!(show(first.address, "t1", "gone").status, 200);
    first.signal("KILL");
    first.wait();

    let second = start(data);
    assert_eq!(own(second.address, "t1").len(), 1);
    assert_eq!(own(second.address, "t1")[0]["id"], "kept");
    assert_eq!(hidden(second.address, "t1"), ["kept"]);
    assert_eq!(publish(second.address, "t1").status, 200);
    assert_eq!(publish(second.address, "t2").code(), "source_forbidden");
    let (code, _, stderr) = run(&mut command(&["log", "backup", "--data-dir", data, "--to", copy]));
    assert_eq!(code, 0, "{stderr}");
    drop(second);
    assert_eq!(run(&mut command(&["log", "renew-epochs", "--data-dir", copy])).0, 0);
    let restored = start(copy);
    assert_eq!(own(restored.address, "t1")[0]["id"], "kept");
    assert_eq!(hidden(restored.address, "t1"), ["kept"]);
    assert_eq!(publish(restored.address, "t1").status, 200);
}

#[test]
fn a_configuration_s_rule_is_not_replaced_over_http() {
    let own_rule = json!({
        "id": "r1", "tenant": "t1", "events": "loyalty:*", "from": ["system"], "to": ["client_app"]
    });
    let server = serve(config().add_rule(serde_json::from_value(own_rule).unwrap()));
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "loyalty:earned").status, 201);
    let refused = add(address, "t1", &rule("r1", &["kitchen_app"]));
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
    assert_eq!(remove(address, "t1", "r1").code(), "not_found");
    assert_eq!(own(address, "t1").len(), 1);
    server.stop();
}

#[test]
fn a_dry_run_says_what_would_be_in_force_and_changes_nothing() {
    let server = serve(config());
    let address = server.local_addr();
    let owner = token("t1", UserRole::RestaurantOwner);
    let post = |path: &str, body: &Value| {
        call(address, &format!("POST {path}"), &owner, &body.to_string())
    };
    let event = json!({ "name": "loyalty:points_earned", "schema": { "type": "object" } });
    let rule = json!({ "id": "loyalty", "events": "loyalty:points_earned", "from": ["system"], "to": ["client_app"] });
    let dry = post("/api/v1/events?dryRun=true", &event);
    assert_eq!((dry.status, &dry.data()["name"]), (200, &event["name"]));
    assert_eq!(call(address, "GET /api/v1/events", &owner, "").data(), json!([]));
    let bad = json!({ "name": "loyalty:points_earned", "schema": { "type": "objekt" } });
    assert_eq!(post("/api/v1/events?dryRun=true", &bad).code(), "declaration_invalid");
    // A rule is tried against what is declared.
    assert_eq!(post("/api/v1/rules?dryRun=true", &rule).code(), "declaration_invalid");
    assert_eq!(post("/api/v1/events", &event).status, 201);
    let before = call(address, "GET /api/v1/rules", &owner, "").data();
    let dry = post("/api/v1/rules?dryRun=true", &rule);
    assert_eq!((dry.status, &dry.data()["tenant"]), (200, &json!("t1")));
    assert_eq!(call(address, "GET /api/v1/rules", &owner, "").data(), before);
    assert_eq!(post("/api/v1/rules?dryRun=perhaps", &rule).code(), "message_malformed");
    server.stop();
}
