//! Erasing over HTTP while the hub runs: a person by an administrator of their tenant, a tenant by who runs the hub, and nobody else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foodtrack_contract::UserRole;
use foodtrack_server::{LimitsConfig, Secret, WebSocketConfig};
use serde_json::{Value, json};
use test_support::{RedisServer, eventually, files_with, wait_until};

use crate::encryption;
use crate::support::{Answer, call, claims, config, request, serve, signed, token};

const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
const OPERATOR: &str = "a-token-of-the-operator-of-the-hub-0123456789";
/// Stands in payloads about Ada, and must be found in no file.
const MARKER: &str = "ring-twice-at-the-green-door";
const OTHERS: &str = "leave-it-at-the-blue-gate";

const ERASE: &str = "POST /api/v1/erasures";

fn on(directory: &Path) -> WebSocketConfig {
    // It is asked again and again until its turn comes.
    let limits = LimitsConfig {
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..LimitsConfig::default()
    };
    config().limits(limits).data_dir(directory.to_str().unwrap()).operator_token(OPERATOR)
}

fn owner(tenant: &str) -> String {
    token(tenant, UserRole::RestaurantOwner)
}

fn publish(address: SocketAddr, tenant: &str, customer: &str, order: &str, note: &str) -> Answer {
    let system = token(tenant, UserRole::System);
    call(address, "POST /api/v1/publish", &system, &created(customer, order, note))
}

fn created(customer: &str, order: &str, note: &str) -> String {
    let payload = json!({ "orderId": order, "customerId": customer, "note": note });
    json!({ "type": "order:created", "payload": payload }).to_string()
}

fn user(name: &str) -> String {
    json!({ "user": name }).to_string()
}

/// Asks for it until nothing of the tenant was erased a moment ago.
fn erase(address: SocketAddr, line: &str, credential: &str, body: &str) -> Answer {
    eventually("the turn of an erasure", || {
        let answer = call(address, line, credential, body);
        (answer.status != 503).then_some(answer)
    })
}

fn entries(address: SocketAddr, tenant: &str) -> Vec<Value> {
    let answer = call(address, "GET /api/v1/log?limit=1000", &owner(tenant), "");
    answer.data().as_array().unwrap().clone()
}

#[test]
fn a_person_is_erased_by_an_administrator_of_their_tenant_and_by_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(on(directory.path()));
    let address = server.local_addr();
    for tenant in ["t1", "t2"] {
        assert_eq!(publish(address, tenant, "ada", "o1", MARKER).status, 200);
        assert_eq!(publish(address, tenant, "bob", "o2", OTHERS).status, 200);
    }
    let scoped = json!({ "name": "till", "permissions": ["write:orders"] }).to_string();
    let scoped = call(address, "POST /api/v1/api-keys", &owner("t1"), &scoped).data();
    let key = scoped["key"].as_str().unwrap();
    for (credential, status) in [
        (token("t1", UserRole::Chef), 403),
        (token("t1", UserRole::Customer), 403),
        (key.to_owned(), 403),
        // The operator names a tenant, or is nobody's administrator.
        (OPERATOR.to_owned(), 401),
        ("nonsense".to_owned(), 401),
    ] {
        let answer = call(address, ERASE, &credential, &user("ada"));
        assert_eq!(answer.status, status, "{answer:?}");
    }
    for body in [
        "{}",
        "[]",
        r#"{"user":"a","order":"b"}"#,
        r#"{"user":""}"#,
        r#"{"user":"a","tenant":"t2"}"#,
    ] {
        assert_eq!(call(address, ERASE, &owner("t1"), body).status, 400, "{body}");
    }
    // Another tenant's administrator erases nobody here.
    let answer = erase(address, ERASE, &owner("t3"), &user("ada"));
    assert_eq!((&answer.data()["entries"], &answer.data()["tenant"]), (&json!(0), &json!("t3")));
    assert!(entries(address, "t1")[0].to_string().contains(MARKER));

    let answer = erase(address, ERASE, &owner("t1"), &user("ada")).data();
    assert_eq!((&answer["entries"], &answer["damaged"]), (&json!(1), &json!(0)), "{answer}");
    assert_eq!(answer["isRewritten"], true);
    let left = entries(address, "t1");
    assert_eq!(left[0]["message"]["payload"], json!({ "erased": true }));
    assert!(left[1].to_string().contains(OTHERS), "{left:?}");
    assert!(entries(address, "t2")[0].to_string().contains(MARKER), "another tenant's Ada");
    let again = erase(address, ERASE, &owner("t1"), &user("ada")).data();
    assert_eq!(again["entries"], 0);
    // The operator does the same where a tenant is named, and then Ada is in no file.
    let headers = [("authorization", &*format!("Bearer {OPERATOR}")), ("foodtrack-tenant", "t2")];
    assert_eq!(request(address, ERASE, &headers, &user("ada")).data()["entries"], 1);
    assert_eq!(files_with(directory.path(), MARKER), Vec::<String>::new());
    wait_until("it is in the audit log", || {
        let told = call(address, "GET /api/v1/audit", &owner("t1"), "").data();
        let is_told = |it: &Value| it["subject"] == "user ada" && it["status"] == 200;
        told.as_array().unwrap().iter().any(is_told)
    });
    // It goes on where it was.
    assert_eq!(publish(address, "t1", "bob", "o3", OTHERS).data()["offset"], 3);
    server.stop();
}

#[test]
fn a_tenant_is_erased_by_who_runs_the_hub_with_its_keys_and_all_that_it_declared() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = on(directory.path());
    config.security.encryption_key = Some(Secret::new(KEY));
    let server = serve(config);
    let address = server.local_addr();
    for tenant in ["gone", "stays"] {
        assert_eq!(
            publish(address, tenant, "ada", &format!("order-of-{tenant}"), MARKER).status,
            200
        );
        let event = json!({ "name": "loyalty:earned", "schema": { "type": "object" } }).to_string();
        assert_eq!(call(address, "POST /api/v1/events", &owner(tenant), &event).status, 201);
    }
    let key = json!({ "name": "till", "permissions": ["admin:access"] }).to_string();
    let key = call(address, "POST /api/v1/api-keys", &owner("gone"), &key).data();
    let key = key["key"].as_str().unwrap();
    let revoked = json!({ "kind": "user", "value": "eve" }).to_string();
    assert_eq!(call(address, "POST /api/v1/revocations", &owner("gone"), &revoked).status, 201);
    let line = "POST /api/v1/tenants/gone/erase";
    let confirm = |name: &str| json!({ "confirm": name }).to_string();
    for credential in [&*owner("gone"), &*token("gone", UserRole::System), key] {
        assert_eq!(call(address, line, credential, &confirm("gone")).status, 403);
    }
    assert_eq!(call(address, line, OPERATOR, &confirm("stays")).status, 400);
    assert_eq!(
        call(address, "POST /api/v1/tenants/../erase", OPERATOR, &confirm("..")).status,
        400
    );

    let answer = erase(address, line, OPERATOR, &confirm("gone")).data();
    assert_eq!((&answer["tenant"], &answer["entries"]), (&json!("gone"), &json!(1)), "{answer}");
    assert_eq!(files_with(directory.path(), "order-of-gone"), Vec::<String>::new());
    for file in ["keys/gone.key", "declarations/gone.json", "api-keys/gone.json"] {
        assert!(!directory.path().join(file).exists(), "{file}");
    }
    assert_eq!(call(address, "GET /api/v1/rooms", key, "").status, 401);
    assert_eq!(erase(address, line, OPERATOR, &confirm("gone")).data()["entries"], 0);
    // The other one has all that it had, and who is called so begins anew.
    let declared = |token: &str| call(address, "GET /api/v1/events", token, "").data();
    assert_eq!(declared(&owner("stays")).as_array().unwrap().len(), 1);
    assert_eq!(declared(&later("gone", UserRole::RestaurantOwner, 90)), json!([]));
    assert!(entries(address, "stays")[0].to_string().contains(MARKER));
    let (line, system) = ("POST /api/v1/publish", later("gone", UserRole::System, 90));
    let answer = call(address, line, &system, &created("bob", "o1", OTHERS));
    assert_eq!(answer.data()["offset"], 1);
    server.stop();
}

#[track_caller]
fn check_refused<'a>(address: SocketAddr, tokens: impl IntoIterator<Item = &'a String>) {
    for token in tokens {
        let answer = call(address, "GET /api/v1/rooms", token, "");
        assert_eq!((answer.status, &*answer.code()), (401, "token_revoked"));
    }
}

/// A token that is made so much later than now that an erasure does not refuse it.
fn later(tenant: &str, role: UserRole, seconds: u64) -> String {
    let mut claims = claims(tenant, role);
    claims.issued_at_s += seconds;
    signed(&claims)
}

#[test]
fn no_token_that_was_revoked_is_good_again_once_its_tenant_is_erased() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(on(directory.path()));
    let address = server.local_addr();
    let tokens = ["eve", "ada", "bob"].map(|user| {
        let mut claims = claims("gone", UserRole::RestaurantOwner);
        claims.user_id = user.into();
        claims.token_id = Some(format!("token-of-{user}"));
        signed(&claims)
    });
    // Of an issuer whose clock is ahead.
    let ahead = later("gone", UserRole::RestaurantOwner, 30);
    assert_eq!(publish(address, "gone", "ada", "o1", MARKER).status, 200);
    for (kind, value) in [("user", "eve"), ("token", "token-of-ada")] {
        let body = json!({ "kind": kind, "value": value, "reason": "left-the-company" });
        let answer = call(address, "POST /api/v1/revocations", &tokens[2], &body.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    check_refused(address, &tokens[..2]);
    let confirm = json!({ "confirm": "gone" }).to_string();
    let answer = erase(address, "POST /api/v1/tenants/gone/erase", OPERATOR, &confirm);
    assert_eq!(answer.data()["entries"], 1);
    // Not those that were good, either: they are of the tenant that is gone.
    check_refused(address, tokens.iter().chain([&ahead]));
    let between = later("gone", UserRole::RestaurantOwner, 90);
    // What is kept for it names nobody, and has an end.
    let check_kept = |address, token: &str| {
        let kept = call(address, "GET /api/v1/revocations", token, "").data();
        assert_eq!((kept.as_array().unwrap().len(), &kept[0]["kind"]), (1, &json!("tenant")));
        for text in ["eve", "token-of-ada", "bob", "left-the-company"] {
            let folder = directory.path().join("revocations");
            assert_eq!(files_with(&folder, text), Vec::<String>::new());
        }
    };
    check_kept(address, &between);
    server.stop();
    // The command line does the same, and a start knows it.
    let erase = ["tenant", "erase", "--tenant", "gone", "--confirm", "gone"];
    let (code, _, notes) = encryption::on(directory.path(), "", &erase);
    assert!(code == 0 && notes.contains("tokens that it has are refused"), "{notes}");
    let server = serve(on(directory.path()));
    let address = server.local_addr();
    check_refused(address, tokens.iter().chain([&ahead]));
    check_kept(address, &later("gone", UserRole::RestaurantOwner, 90));
    server.stop();
}

#[test]
fn events_that_come_while_a_person_is_erased_are_kept_or_refused_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(on(directory.path()));
    let address = server.local_addr();
    for n in 0..20 {
        assert_eq!(publish(address, "t1", "ada", &format!("a{n}"), MARKER).status, 200);
    }
    let is_over = AtomicBool::new(false);
    let taken = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut taken = Vec::new();
            let mut n = 0;
            while !is_over.load(Ordering::Relaxed) {
                n += 1;
                let answer = publish(address, "t1", "ada", &format!("b{n}"), OTHERS);
                match answer.status {
                    200 => taken.push((n, answer.data()["offset"].as_u64().unwrap())),
                    // Nobody knows.
                    504 => {}
                    _ => panic!("{answer:?}"),
                }
            }
            taken
        });
        std::thread::sleep(Duration::from_millis(50));
        let erased = erase(address, ERASE, &owner("t1"), &user("ada")).data();
        assert!(erased["entries"].as_u64().unwrap() >= 20, "{erased}");
        std::thread::sleep(Duration::from_millis(50));
        is_over.store(true, Ordering::Relaxed);
        publisher.join().unwrap()
    });
    assert!(taken.len() > 1, "or else this test shows nothing");
    assert!(taken.windows(2).all(|two| two[0].1 < two[1].1), "{taken:?}");
    let log = entries(address, "t1");
    for (_, offset) in &taken {
        assert!(log.iter().any(|it| it["offset"] == *offset), "{offset} is not there");
    }
    let text = Value::from(log).to_string();
    assert!(!text.contains(MARKER));
    // What came behind is theirs still, until it is erased once more.
    assert!(text.contains(OTHERS));
    assert!(erase(address, ERASE, &owner("t1"), &user("ada")).data()["entries"].as_u64() > Some(0));
    assert_eq!(files_with(directory.path(), OTHERS), Vec::<String>::new());
    server.stop();
}

#[test]
fn where_the_log_is_in_redis_nothing_is_erased_and_it_is_said_why() {
    let Some(redis) = RedisServer::start(&[]) else {
        test_support::skipped("redis-server is not installed");
        return;
    };
    let mut config = config().operator_token(OPERATOR);
    config.redis.url = Some(Secret::new(redis.url()));
    let server = serve(config);
    let address = server.local_addr();
    assert_eq!(publish(address, "t1", "ada", "o1", MARKER).status, 200);
    let answer = call(address, ERASE, &owner("t1"), &user("ada"));
    assert_eq!((answer.status, &*answer.code()), (409, "conflict"));
    assert!(answer.body.contains("Redis"), "{answer:?}");
    let body = json!({ "confirm": "t1" }).to_string();
    let answer = call(address, "POST /api/v1/tenants/t1/erase", OPERATOR, &body);
    assert_eq!(answer.status, 409);
    assert!(entries(address, "t1")[0].to_string().contains(MARKER), "nothing changed");
    server.stop();
}
