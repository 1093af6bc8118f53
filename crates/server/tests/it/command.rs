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
    assert!(stderr.contains("stop what listens there, or take another port"), "{stderr}");
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
fn completions_and_manual_pages_know_every_command() {
    let (code, script, _) = run(&mut command(&["completions", "bash"]));
    assert_eq!(code, 0);
    let pages = tempfile::tempdir().unwrap();
    let out = pages.path().to_str().unwrap();
    assert_eq!(run(&mut command(&["manual", "--out", out])).0, 0);
    for name in ["serve", "token", "check-config", "drain", "explain"] {
        assert!(script.contains(name), "{name}");
        let page = pages.path().join(format!("foodtrack-websocket-{name}.1"));
        assert!(std::fs::read_to_string(page).unwrap().contains("Exit codes"), "{name}");
    }
    let (code, _, said) = run(&mut command(&["manual", "--out", "/dev/null/pages"]));
    assert_eq!(code, 1);
    assert!(said.contains("cannot write to /dev/null/pages"), "{said}");
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

/// A configuration with a fault of each kind.
const FAULTY: &str = "\
secret = 'x'
shards = 'many'
pingInterval = 5
max_connections = 9
[heartbeat]
timeoutMs = 0
[cors]
origins = ['http://localhost:3000']
[logging]
level = 'loud'
[[rules]]
id = 'one'
events = 'order:craeted'
from = ['system', 'kitchen']
to = ['client_app',
      'order']
permission = 'write:order'
[[rules]]
id = 'two'
events = 'system:error'
from = ['system']
to = ['client_app']
[[delivery]]
event = 'kitchen:order_recieved'
class = 'durable'
[limits]
queueBytesMax = 10
";

#[test]
fn every_fault_of_a_configuration_is_told_at_once_with_its_line_and_what_was_meant() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.toml");
    std::fs::write(&path, FAULTY).unwrap();
    let path = path.to_str().unwrap();
    let expected = [
        format!("{path}:1: secret: no such key; did you mean security.jwtSecret?"),
        format!("{path}:2: shards: "),
        format!("{path}:3: pingInterval: no such key; did you mean heartbeat.intervalMs?"),
        format!(
            "{path}:4: max_connections: no such key; did you mean limits.connectionsPerTenantMax?"
        ),
        format!("{path}:6: heartbeat.timeoutMs: at least 1"),
        format!("{path}:8: cors.origins: no such key; did you mean cors.origin?"),
        format!("{path}:10: logging.level: "),
        format!("{path}:13: rules.0.events: no such event type; did you mean order:created?"),
        format!("{path}:14: rules.0.from.1: unknown; did you mean kitchen_app?"),
        format!("{path}:16: rules.0.to.1: unknown; did you mean order_room?"),
        format!("{path}:17: rules.0.permission: unknown; did you mean write:orders?"),
        format!("{path}:18: rules.1 (two): rule \"two\": system:* events"),
        format!(
            "{path}:24: delivery.0.event: no such event type; did you mean kitchen:order_received?"
        ),
        format!("{path}:27: limits.queueBytesMax: a queue must hold"),
        "FOODTRACK__RETRY__MAX_ATTEMPTS: retry.maxAttempts: ".into(),
        "FOODTRACK__RETRY__DELAY_BASE_MS: RETRY__DELAY_BASE_MS: no such key; did you mean retry.baseDelayMs? It is FOODTRACK__RETRY__BASE_DELAY_MS".into(),
        "--host: host: not an IP address".into(),
    ];
    for arguments in [&["check-config"][..], &["serve", "--in-memory", "--host", "everywhere"]] {
        let arguments = [arguments, &["--config", path]].concat();
        let (code, _, stderr) = run(command(&arguments)
            .env("FOODTRACK__RETRY__DELAY_BASE_MS", "1")
            .env("FOODTRACK__RETRY__MAX_ATTEMPTS", "0"));
        assert_eq!(code, 2);
        let is_flag = |line: &&String| line.starts_with("--");
        let expected = || expected.iter().filter(|line| arguments[0] == "serve" || !is_flag(line));
        for expected in expected() {
            assert!(stderr.contains(expected), "{expected} in {stderr}");
        }
        let told = stderr.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(told, expected().count(), "{stderr}");
    }
}

#[test]
fn every_fault_of_syntax_is_told_with_its_line_and_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.toml");
    std::fs::write(&path, "port = \n[security]\njwtSecret = hunter2hunter2\n[cors\n").unwrap();
    let path = path.to_str().unwrap();
    let (code, _, stderr) =
        run(command(&["check-config", "--config", path]).env("WEBSOCKET_PORT", "many"));
    assert_eq!(code, 2);
    for line in [1, 3, 4] {
        assert!(stderr.contains(&format!("{path}:{line}: no TOML: ")), "{line} in {stderr}");
    }
    assert!(stderr.contains("WEBSOCKET_PORT: port: "), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn each_usual_mistake_is_told_with_what_to_do() {
    let said = |arguments: &[&str], port: Option<&str>| {
        let mut command = command(arguments);
        command.env("JWT_SECRET", SECRET);
        if let Some(port) = port {
            command.env("WEBSOCKET_PORT", port);
        }
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        stderr
    };
    let serve = ["serve", "--in-memory"];
    for port in ["99999", "abc", "-1"] {
        let flag = format!("--port={port}");
        let stderr = said(&[&serve[..], &[flag.as_str()]].concat(), None);
        assert!(stderr.contains("a port is a number from 0 to 65535"), "{stderr}");
    }
    let stderr = said(&serve, Some("abc"));
    assert!(stderr.contains("expected a whole number from 0 to 65535"), "{stderr}");
    let stderr = said(&["serve", "--config", "/no/such.toml"], None);
    assert!(stderr.contains("/no/such.toml") && stderr.contains("name a file"), "{stderr}");
    let stderr = said(&["schema", "order:creatd"], None);
    assert!(stderr.contains("did you mean order:created?"), "{stderr}");
    let stderr = said(&["explain", "--event", "order:create"], None);
    assert!(stderr.contains("Did you mean order:created?"), "{stderr}");
    let stderr = said(&["sreve"], None);
    assert!(stderr.contains("'serve'"), "{stderr}");
    let stderr = said(&["serve", "--data-dir", "/no/such/directory"], None);
    assert!(stderr.contains("in a directory that exists"), "{stderr}");
}

#[test]
fn a_help_text_breaks_its_lines_at_the_terminals_width_alone() {
    let commands: [&[&str]; 6] = [
        &["serve"],
        &["demo"],
        &["token"],
        &["explain"],
        &["log", "backup"],
        &["dead-letters", "replay"],
    ];
    for arguments in commands {
        let (code, stdout, _) = run(&mut command(&[arguments, &["--help"]].concat()));
        assert_eq!(code, 0);
        let lines: Vec<&str> = stdout.lines().collect();
        for pair in lines.windows(2) {
            // A short line amid a paragraph was broken twice.
            let next_word = pair[1].split(' ').next().unwrap_or_default();
            let is_amid = !pair[0].is_empty() && !pair[1].is_empty();
            let is_text =
                !pair[0].starts_with(' ') && !pair[1].starts_with(' ') && !pair[0].ends_with(':');
            assert!(
                !is_amid || !is_text || pair[0].len() + 1 + next_word.len() > 80,
                "{arguments:?}: {pair:?}"
            );
        }
    }
}
