//! The audit log of a running server: what is in it, who may read it, and what of it survives what.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use foodtrack_contract::UserRole;
use foodtrack_server::{AuditConfig, WebSocketConfig};
use serde_json::{Value, json};
use test_support::{eventually, wait_until};

use crate::process::{Served, command, run};
use crate::support::{Answer, SECRET, call, config, request, serve, token};

fn owner(tenant: &str) -> String {
    token(tenant, UserRole::RestaurantOwner)
}

/// What the API has of a tenant, newest first.
fn listed(address: SocketAddr, tenant: &str) -> Vec<Value> {
    let answer = call(address, "GET /api/v1/audit", &owner(tenant), "");
    answer.data().as_array().unwrap().clone()
}

fn acts(records: &[Value]) -> Vec<(String, u64)> {
    let act = |it: &Value| (it["act"].as_str().unwrap().to_owned(), it["status"].as_u64().unwrap());
    records.iter().map(act).collect()
}

/// All that is in the files.
fn text(data_dir: &Path) -> String {
    let files = std::fs::read_dir(data_dir.join("audit")).unwrap();
    files.map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap()).collect()
}

fn add_rule(address: SocketAddr, tenant: &str) -> Answer {
    let event = json!({ "name": "loyalty:earned", "schema": { "type": "object" } }).to_string();
    assert_eq!(call(address, "POST /api/v1/events", &owner(tenant), &event).status, 201);
    let rule =
        json!({ "id": "r1", "events": "loyalty:earned", "from": ["system"], "to": ["client_app"] });
    call(address, "POST /api/v1/rules", &owner(tenant), &rule.to_string())
}

#[test]
fn who_changed_read_and_was_refused_what_is_told_to_their_tenant_alone_and_no_payload_or_token() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(config().data_dir(directory.path().to_str().unwrap()));
    let address = server.local_addr();
    assert_eq!(add_rule(address, "t1").status, 201);
    let rule = json!({ "id": "r2", "events": "loyalty:earned", "from": ["system"], "to": [] });
    for (line, body) in [
        ("POST /api/v1/rules?dryRun=true", rule.to_string()),
        ("GET /api/v1/rules", String::new()),
        ("GET /api/v1/dead-letters", String::new()),
        ("DELETE /api/v1/rules/r1", String::new()),
    ] {
        assert_eq!(call(address, line, &owner("t1"), &body).status, 200, "{line}");
    }
    let chef = token("t1", UserRole::Chef);
    assert_eq!(call(address, "GET /api/v1/connections", &chef, "").status, 403);
    let message =
        json!({ "type": "order:created", "payload": { "orderId": "1", "note": "no onions" } });
    let system = token("t1", UserRole::System);
    assert_eq!(call(address, "POST /api/v1/publish", &system, &message.to_string()).status, 200);
    assert_eq!(request(address, "GET /api/v1/rules", &[], "").status, 401);
    assert_eq!(call(address, "GET /api/v1/rules", "no.token.at-all", "").status, 401);
    let expected: Vec<(String, u64)> = [
        ("GET /api/v1/connections", 403),
        ("DELETE /api/v1/rules/{id}", 200),
        ("GET /api/v1/dead-letters", 200),
        ("POST /api/v1/rules", 201),
        ("POST /api/v1/events", 201),
    ]
    .map(|(act, status)| (act.to_owned(), status))
    .to_vec();
    let records = eventually("all of it", || {
        let mut records = listed(address, "t1");
        // Reading the audit log is told as well.
        records.retain(|it| it["act"] != "GET /api/v1/audit");
        (records.len() == expected.len()).then_some(records)
    });
    assert_eq!(acts(&records), expected);
    let [refused, removed, _, added, declared] = &records[..] else { panic!() };
    assert_eq!((&refused["code"], &refused["role"]), (&json!("permission_denied"), &json!("chef")));
    assert_eq!(removed["path"], "/api/v1/rules/r1");
    assert_eq!((&added["subject"], &added["user"]), (&json!("r1"), &json!("u1")));
    assert_eq!(
        (&declared["subject"], &declared["address"]),
        (&json!("loyalty:earned"), &json!("127.0.0.1"))
    );
    assert!(listed(address, "t2").iter().all(|it| it["tenant"] == "t2"));
    assert_eq!(call(address, "GET /api/v1/audit", &chef, "").code(), "permission_denied");
    for query in ["?cursor=x", "?limit=0", "?limit=1001"] {
        let line = format!("GET /api/v1/audit{query}");
        assert_eq!(call(address, &line, &owner("t1"), "").code(), "message_malformed", "{query}");
    }
    let metrics = server.metrics();
    assert!(
        metrics.contains("foodtrack_audit_lost_total 0")
            && metrics.contains("foodtrack_audit_records_total ")
    );
    server.stop();
    let text = text(directory.path());
    assert!(text.contains("strangers.refused") && text.contains("token_missing 1"), "{text}");
    let secrets = ["no onions", "no.token.at-all", &owner("t1")[..40], SECRET];
    assert!(secrets.iter().all(|it| !text.contains(it)), "{text}");
}

#[test]
fn who_may_do_nothing_cannot_crowd_out_what_those_did_who_may() {
    let directory = tempfile::tempdir().unwrap();
    let mut config: WebSocketConfig = config().data_dir(directory.path().to_str().unwrap());
    config.audit.records_per_minute_per_tenant = 5;
    let server = serve(config);
    let address = server.local_addr();
    let chef = token("t1", UserRole::Chef);
    for _ in 0..20 {
        assert_eq!(call(address, "GET /api/v1/rules", &chef, "").status, 403);
    }
    assert_eq!(add_rule(address, "t1").status, 201);
    wait_until("what was done", || text(directory.path()).contains("POST /api/v1/rules"));
    server.stop();
    let text = text(directory.path());
    assert_eq!(text.matches("\"permission_denied\"").count(), 5);
    assert!(text.contains("\"audit.left_out\"") && text.contains("\"count\":15"), "{text}");
}

#[test]
fn the_operator_reads_what_is_about_all_tenants_and_the_node_and_one_tenants_where_it_names_it() {
    const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
    let directory = tempfile::tempdir().unwrap();
    let config = config().data_dir(directory.path().to_str().unwrap());
    let server = serve(config.operator_token(OPERATOR));
    let address = server.local_addr();
    for tenant in ["t1", "t2"] {
        assert_eq!(add_rule(address, tenant).status, 201);
    }
    wait_until("both are told", || {
        text(directory.path()).matches("POST /api/v1/rules").count() == 2
    });
    let all = call(address, "GET /api/v1/audit", OPERATOR, "").data();
    let tenants: BTreeSet<_> =
        all.as_array().unwrap().iter().map(|it| it["tenant"].as_str()).collect();
    assert_eq!(tenants, BTreeSet::from([None, Some("t1"), Some("t2")]));
    wait_until("who read it is told", || text(directory.path()).contains("\"user\":\"operator\""));
    let bearer = format!("Bearer {OPERATOR}");
    let headers = [("Authorization", bearer.as_str()), ("foodtrack-tenant", "t1")];
    let one = request(address, "GET /api/v1/audit", &headers, "").data();
    assert!(one.as_array().unwrap().iter().all(|it| it["tenant"] == "t1"), "{one}");
    // The header opens nothing to who is no operator.
    let owner = format!("Bearer {}", owner("t1"));
    let headers = [("Authorization", owner.as_str()), ("foodtrack-tenant", "t2")];
    let own = request(address, "GET /api/v1/audit", &headers, "").data();
    assert!(own.as_array().unwrap().iter().all(|it| it["tenant"] == "t1"), "{own}");
    server.stop();
}

#[test]
fn a_tenant_reads_its_audit_log_part_by_part_each_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(config().data_dir(directory.path().to_str().unwrap()));
    let address = server.local_addr();
    for tenant in ["t1", "t2"] {
        assert_eq!(add_rule(address, tenant).status, 201);
    }
    wait_until("both are told", || listed(address, "t1").len() >= 2);
    let first = listed(address, "t1")[0]["n"].as_u64().unwrap() + 1;
    let (mut numbers, mut cursor) = (Vec::new(), first.to_string());
    loop {
        let line = format!("GET /api/v1/audit?limit=1&cursor={cursor}");
        let answer = call(address, &line, &owner("t1"), "").json();
        let part = answer["data"].as_array().unwrap();
        assert!(part.len() <= 1);
        numbers.extend(part.iter().map(|it| it["n"].as_u64().unwrap()));
        let Some(next) = answer["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    server.stop();
    let mut once = numbers.clone();
    once.dedup();
    assert!(
        numbers.len() >= 2 && once == numbers && numbers.is_sorted_by(|a, b| a > b),
        "{numbers:?}"
    );
}

#[test]
fn connections_and_publishing_are_told_where_the_configuration_wants_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut config: WebSocketConfig = config().data_dir(directory.path().to_str().unwrap());
    config.audit = AuditConfig { connections: true, publishes: true, ..AuditConfig::default() };
    let server = serve(config);
    let address = server.local_addr();
    let open = request(address, "GET /socket.io/?EIO=4&transport=polling", &[], "").body;
    let sid =
        serde_json::from_str::<Value>(&open[1..]).unwrap()["sid"].as_str().unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let connect = format!("40{}", json!({ "token": owner("t1") }));
    assert_eq!(request(address, &format!("POST {path}"), &[], &connect).status, 200);
    assert_eq!(request(address, &format!("GET {path}"), &[], "").status, 200);
    assert_eq!(request(address, &format!("POST {path}"), &[], "41").status, 200);
    let id = "01890000-0000-7000-8000-000000000001";
    let message = json!({ "id": id, "type": "order:created", "source": "tenant_dashboard", "payload": { "orderId": "1" } });
    let system = token("t1", UserRole::System);
    assert_eq!(call(address, "POST /api/v1/publish", &system, &message.to_string()).status, 200);
    let about = |act: &str| listed(address, "t1").into_iter().find(|it| it["act"] == act);
    let connected = eventually("the client's coming", || about("client.connected"));
    assert_eq!(
        (&connected["user"], &connected["application"]),
        (&json!("u1"), &json!("tenant_dashboard"))
    );
    assert_eq!(connected["address"], "127.0.0.1");
    let gone = eventually("its going", || about("client.disconnected"));
    assert_eq!((&gone["connection"], &gone["reason"]), (&connected["connection"], &json!("left")));
    let published = eventually("the event", || about("POST /api/v1/publish"));
    let expected = format!("order:created {id} as tenant_dashboard");
    assert_eq!(published["subject"], json!(expected));
    server.stop();
}

#[test]
fn after_kill_9_the_chain_goes_on_and_the_command_line_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    let data = data.to_str().unwrap();
    let start = || {
        let arguments = ["serve", "--port", "0", "--host", "127.0.0.1", "--data-dir", data];
        Served::start(command(&arguments).env("JWT_SECRET", SECRET))
    };
    let mut first = start();
    assert_eq!(add_rule(first.address, "t1").status, 201);
    wait_until("it is told", || text(Path::new(data)).contains("POST /api/v1/rules"));
    first.signal("KILL");
    first.wait();
    let mut second = start();
    assert_eq!(add_rule(second.address, "t1").status, 201);
    second.signal("TERM");
    assert_eq!(second.wait(), 0);
    let audit = |arguments: &[&str]| {
        let arguments = [&["audit"], arguments, &["--data-dir", data]].concat();
        run(&mut command(&arguments))
    };
    let (code, stdout, stderr) = audit(&["--last", "1000"]);
    assert_eq!(code, 0, "{stderr}");
    let acts: Vec<String> = stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["act"].as_str().unwrap().into())
        .collect();
    assert_eq!(acts.iter().filter(|it| *it == "server.started").count(), 2, "{acts:?}");
    assert!(acts.contains(&"server.killed".to_owned()) && acts.last().unwrap() == "server.stopped");
    let (_, of_tenant, _) = audit(&["--tenant", "t1", "--last", "1"]);
    assert!(of_tenant.lines().count() == 1 && of_tenant.contains("/api/v1/rules"), "{of_tenant}");
    let (code, stdout, stderr) = audit(&["verify"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let head = stdout.trim().rsplit(' ').next().unwrap();
    assert_eq!(audit(&["verify", "--expect", head]).0, 0);
    let file = std::fs::read_dir(Path::new(data).join("audit")).unwrap();
    let mut file =
        file.map(|it| it.unwrap().path()).filter(|it| it.extension().unwrap() == "jsonl");
    let file = file.next().unwrap();
    let changed = std::fs::read_to_string(&file).unwrap().replacen("u1", "u2", 1);
    std::fs::write(&file, changed).unwrap();
    let (code, stdout, _) = audit(&["verify"]);
    assert!(code == 1 && stdout.contains("was not written behind"), "{stdout}");
    assert_eq!(run(&mut command(&["audit", "--data-dir", "/nonexistent"])).0, 2);
    assert_eq!(run(&mut command(&["audit"])).0, 2);
}
