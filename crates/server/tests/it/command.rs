//! The command line: what it prints where, and how it ends.

use std::io::Read;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::process::{Served, command, run};
use crate::support::{SECRET, call, request};

#[test]
fn serve_prints_one_line_and_ends_with_0_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let mut served = Served::start(
            command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"])
                .env("JWT_SECRET", SECRET),
        );
        assert_eq!(request(served.address, "GET /health", &[], "").status, 200);
        served.signal(signal);
        assert_eq!(served.wait(), 0);
        let mut rest = String::new();
        served.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn serve_refuses_to_start_without_a_secret() {
    let (code, stdout, stderr) = run(&mut command(&["serve", "--port", "0"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("JWT_SECRET"), "{stderr}");
}

#[test]
fn serve_names_the_file_and_the_key_that_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.toml");
    std::fs::write(&path, "[heartbeat]\nintervallMs = 5\n").unwrap();
    let path = path.to_str().unwrap();
    let (code, _, stderr) = run(command(&["serve", "--config", path]).env("JWT_SECRET", SECRET));
    assert_eq!(code, 2);
    assert!(stderr.contains(path) && stderr.contains("heartbeat.intervallMs"), "{stderr}");
    assert!(stderr.contains("did you mean heartbeat.intervalMs?"), "{stderr}");
}

#[test]
fn an_address_in_use_ends_with_3() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let arguments = ["serve", "--in-memory", "--host", "127.0.0.1", "--port", &port];
    let (code, stdout, stderr) = run(command(&arguments).env("JWT_SECRET", SECRET));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains(&format!("127.0.0.1:{port}")), "{stderr}");
}

#[test]
fn bad_usage_ends_with_2_and_says_what_would_be_good() {
    assert_eq!(run(&mut command(&["serve", "--prot", "1"])).0, 2);
    assert_eq!(run(&mut command(&[])).0, 2);
    let arguments = ["token", "--tenant", "t", "--user", "u", "--role", "thief"];
    let (code, _, stderr) = run(&mut command(&arguments));
    assert!(code == 2 && stderr.contains("kitchen_staff"), "{stderr}");
}

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    for name in ["serve", "demo", "token", "check-config", "schema", "explain"] {
        let (code, stdout, _) = run(&mut command(&[name, "--help"]));
        assert_eq!(code, 0);
        assert!(stdout.contains("Examples:") && stdout.contains("Exit codes:"), "{stdout}");
    }
}

#[test]
fn a_printed_token_opens_the_hub_for_its_tenant_and_role() {
    let served = Served::start(
        command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"])
            .env("JWT_SECRET", SECRET),
    );
    let arguments = ["token", "--tenant", "t1", "--user", "u1", "--role"];
    let made = |more: &[&str]| {
        let (code, stdout, stderr) =
            run(command(&[&arguments, more].concat()).env("JWT_SECRET", SECRET));
        assert_eq!((code, stderr.as_str()), (0, ""), "{stderr}");
        assert_eq!(stdout.lines().count(), 1);
        stdout.trim().to_owned()
    };
    let owner = made(&["restaurant_owner", "--application", "dashboard", "--ttl", "5m"]);
    let question = json!({ "event": "order:created", "source": "client_app", "order": "7" });
    let explained = call(served.address, "POST /api/v1/explain", &owner, &question.to_string());
    let data = explained.data();
    assert_eq!((&data["tenant"], &data["isAllowed"]), (&json!("t1"), &json!(true)));
    let chef = made(&["chef", "--application", "kitchen_app"]);
    let refused = call(served.address, "POST /api/v1/explain", &chef, &question.to_string());
    assert_eq!(refused.code(), "permission_denied");
}

#[test]
fn no_token_is_printed_that_the_hub_would_refuse() {
    let arguments = ["token", "--tenant", "t1", "--user", "u1", "--role", "chef"];
    let (code, stdout, _) = run(command(&arguments).env("JWT_SECRET", SECRET));
    assert_eq!((code, stdout.as_str()), (2, ""));
    let more = [&arguments[..], &["--application", "kitchen_app"]].concat();
    let (code, stdout, _) = run(command(&more).env("JWT_SECRET", "too short"));
    assert_eq!((code, stdout.as_str()), (2, ""));
}

#[test]
fn check_config_prints_what_is_in_force_and_hides_the_secret() {
    let (code, stdout, stderr) = run(command(&["check-config"])
        .env("JWT_SECRET", SECRET)
        .env("FOODTRACK__LIMITS__ROOMS_PER_CONNECTION_MAX", "77"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("roomsPerConnectionMax = 77"), "{stdout}");
    assert!(stdout.contains("(redacted)") && !stdout.contains(SECRET), "{stdout}");
    let (code, _, stderr) = run(command(&["check-config"]).env("WEBSOCKET_PORT", "many"));
    assert!(code == 2 && stderr.contains("WEBSOCKET_PORT"), "{stderr}");
    let (code, stdout, _) = run(&mut command(&["check-config", "--keys"]));
    assert!(code == 0 && stdout.contains("limits.queueBytesMax"), "{stdout}");
}

#[test]
fn schema_prints_one_event_or_all() {
    let (code, stdout, _) = run(&mut command(&["schema"]));
    let all: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    let (_, stdout, _) = run(&mut command(&["schema", "order:created"]));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), all["order:created"]);
    assert_eq!(run(&mut command(&["schema", "order:eaten"])).0, 2);
}

#[test]
fn explain_needs_no_secret_and_says_where_and_why() {
    let arguments =
        ["explain", "--event", "order:created", "--source", "client_app", "--order", "42"];
    let (code, stdout, _) = run(&mut command(&arguments));
    assert_eq!(code, 0);
    assert!(stdout.contains("order:tenant:42") && stdout.contains("kitchen_app"), "{stdout}");
    let (code, stdout, _) = run(&mut command(&[&arguments[..], &["--json"]].concat()));
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["isAllowed"], true);
    assert_eq!(run(&mut command(&["explain", "--event", "order:eaten"])).0, 2);
}

#[test]
fn the_demo_gives_tokens_of_its_own_restaurants_to_its_page() {
    let mut served = Served::start(&mut command(&["demo", "--port", "0"]));
    let page = request(served.address, "GET /", &[], "");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let info = request(served.address, "GET /demo/info", &[], "").json();
    assert_eq!(info["tenants"][0]["id"], "pizza-roma");
    let path =
        |tenant| format!("GET /demo/token?tenant={tenant}&application=tenant_dashboard&user=ada");
    let given = request(served.address, &path("pizza-roma"), &[], "").json();
    assert_eq!(
        (&given["tenant"], &given["role"]),
        (&json!("pizza-roma"), &json!("restaurant_manager"))
    );
    // A manager is no administrator: that the refusal is about permission says that the token itself is good.
    let token = given["token"].as_str().unwrap();
    let rules = call(served.address, "GET /api/v1/rules", token, "");
    assert_eq!(rules.code(), "permission_denied");
    assert_eq!(request(served.address, &path("another"), &[], "").status, 404);
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
}
