//! Who reads the server's output, or does not, holds nobody up.

use std::process::Stdio;

use foodtrack_contract::UserRole;
use serde_json::json;
use test_support::wait_until;

use crate::process::{Served, command, full_pipe, logged};
use crate::support::{SECRET, call, request, token};

const SERVE: &[&str] = &["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"];

/// A second Engine.IO handshake packet is a broken packet, which is a line at `debug`.
fn flood(served: &Served) {
    for _ in 0..300 {
        let path = "POST /socket.io/?EIO=4&transport=polling&sid=none";
        assert_eq!(request(served.address, path, &[], "0{}").status, 400);
    }
}

#[test]
fn clients_are_served_and_a_signal_ends_it_while_nobody_reads_stderr() {
    let (reader, writer) = full_pipe();
    let mut served = Served::start_with_stderr(
        command(SERVE).env("JWT_SECRET", SECRET).env("RUST_LOG", "trace"),
        Stdio::from(writer),
    );
    flood(&served);
    let body = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let system = token("t1", UserRole::System);
    let accepted = call(served.address, "POST /api/v1/publish", &system, &body);
    assert_eq!(accepted.status, 200);
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    drop(reader);
}

#[test]
fn a_refused_start_ends_while_nobody_reads_stderr() {
    for arguments in [&["serve", "--port", "0"][..], &["serve", "--prot", "1"]] {
        let (_reader, writer) = full_pipe();
        let mut process = command(arguments).stderr(writer).spawn().unwrap();
        wait_until(&format!("{arguments:?} ends"), || process.try_wait().unwrap().is_some());
        assert_eq!(process.wait().unwrap().code(), Some(2));
    }
}

#[test]
fn clients_are_served_while_nobody_reads_stdout() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_reader, writer) = full_pipe();
    let port = free.port().to_string();
    let mut process = command(&["serve", "--in-memory", "--port", &port, "--host", "127.0.0.1"])
        .env("JWT_SECRET", SECRET)
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it listens", || std::net::TcpStream::connect(free).is_ok());
    assert_eq!(request(free, "GET /health", &[], "").status, 200);
    // It must be past the line that nobody reads to hear the signal.
    let kill = format!("kill -TERM {}", process.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    wait_until("it ends", || process.try_wait().unwrap().is_some());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_request_has_an_id_that_its_answer_and_its_line_name_and_a_bad_one_is_replaced() {
    let format = [("FOODTRACK__LOGGING__FORMAT", "logfmt")];
    let text = logged(&format, |served| {
        let bearer = format!("Bearer {}", token("t1", UserRole::RestaurantOwner));
        let ask = |id: &str| {
            let headers = [("Authorization", bearer.as_str()), ("X-Request-Id", id)];
            let body = r#"{"kind":"user","value":"u7"}"#;
            let answer = request(served.address, "POST /api/v1/revocations", &headers, body);
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.header("x-request-id").unwrap().to_owned()
        };
        assert_eq!(ask("order-7/retry:2"), "order-7/retry:2");
        for bad in ["a b", "x\"y", "{a=\"b\"}", &"x".repeat(129)] {
            let made = ask(bad);
            assert!(uuid::Uuid::parse_str(&made).is_ok(), "{made}");
        }
        let status = request(served.address, "GET /ready", &[("X-Request-Id", "probe-1")], "");
        assert_eq!(status.header("x-request-id"), Some("probe-1"));
    });
    let line = text.lines().find(|line| line.contains("request=order-7/retry:2")).unwrap();
    for part in [
        "level=info",
        "method=POST",
        "route=/api/v1/revocations",
        "status=201",
        "tenant=t1",
        "user=u1",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.contains("address=127.0.0.1"), "{line}");
    assert_eq!(text.matches("HTTP request").count(), 5, "{text}");
}

#[test]
fn the_level_is_changed_while_it_runs_also_for_one_user_alone_and_the_log_says_by_whom() {
    let text = logged(&[], |served| {
        let hub = format!("http://{}", served.address);
        let system = token("t1", UserRole::System);
        let level = |arguments: &[&str]| {
            let always = ["--hub", &hub, "--token", &system];
            let output = command(&[&["log-level"], arguments, &always].concat()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        };
        let listed = |role, status| {
            let answer = call(served.address, "GET /api/v1/rules", &token("t1", role), "");
            assert_eq!(answer.status, status);
        };
        listed(UserRole::RestaurantOwner, 200);
        let closer = level(&["debug", "--of-tenant", "--user", "u1", "--seconds", "60"]);
        assert_eq!((&closer["level"], &closer["secondsLeft"]), (&json!("info"), &json!(null)));
        assert_eq!(closer["closer"][0]["userId"], "u1");
        listed(UserRole::RestaurantOwner, 200);
        level(&["--reset"]);
        listed(UserRole::RestaurantOwner, 200);
        assert_eq!(level(&["off", "--seconds", "60"])["level"], "off");
        listed(UserRole::Chef, 403);
        let owner = token("t1", UserRole::RestaurantOwner);
        let refused = call(served.address, "PUT /api/v1/log-level", &owner, r#"{"level":"trace"}"#);
        assert_eq!(refused.code(), "permission_denied", "a node's log is no tenant's");
        for (body, code) in [
            (r#"{"level":"loud"}"#, "payload_invalid"),
            (r#"{"level":"info","seconds":0}"#, "payload_invalid"),
            (r#"{"level":"info","seconds":86401}"#, "payload_invalid"),
            (r#"{"level":"info","userId":"u"}"#, "message_malformed"),
            (r#"{"level":"info,x=debug","of":"tenant"}"#, "payload_invalid"),
        ] {
            let refused = call(served.address, "PUT /api/v1/log-level", &system, body);
            assert_eq!(refused.code(), code, "{body}");
        }
        level(&["--reset"]);
    });
    let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("/api/v1/rules"), 1, "{text}");
    assert_eq!(lines("more is written of a tenant or user"), 1, "{text}");
    assert_eq!(lines("the log level was changed"), 1, "{text}");
    assert_eq!(lines("the configured one again"), 2, "also while all else is off: {text}");
}

#[test]
fn the_last_lines_are_written_before_the_process_ends() {
    let text = logged(&[], |_| {});
    assert!(text.lines().last().unwrap().contains("stopped"), "{text}");
}

#[test]
fn who_comes_is_refused_and_goes_is_one_line_each_without_a_token() {
    let good = token("t1", UserRole::Admin);
    let open = |served: &Served, token: &str| {
        let path = "/socket.io/?EIO=4&transport=polling";
        let answer = request(served.address, &format!("GET {path}"), &[], "").body;
        let sid = answer.split('"').nth(3).unwrap().to_owned();
        let path = format!("{path}&sid={sid}");
        let connect = format!("40{{\"token\":\"{token}\",\"application\":\"tenant_dashboard\"}}");
        assert_eq!(request(served.address, &format!("POST {path}"), &[], &connect).status, 200);
        request(served.address, &format!("GET {path}"), &[], "");
        assert_eq!(request(served.address, &format!("POST {path}"), &[], "1").status, 200);
    };
    let text = logged(&[], |served| {
        open(served, &good);
        open(served, "made.up.token");
    });
    let lines_with = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    for what in ["client connected", "client refused", "client disconnected"] {
        assert_eq!(lines_with(what), 1, "{what}: {text}");
    }
    let find = |what: &str| text.lines().find(|line| line.contains(what)).unwrap();
    for line in [find("client connected"), find("client disconnected")] {
        assert!(
            ["t1", "tenant_dashboard", "127.0.0.1"].iter().all(|it| line.contains(it)),
            "{line}"
        );
    }
    assert!(find("client disconnected").contains("transport_closed"), "{text}");
    assert!(
        find("client refused").contains("token_") && find("client refused").contains("127.0.0.1")
    );
    assert!(!text.contains(&good) && !text.contains("made.up"), "no token is written");
}
