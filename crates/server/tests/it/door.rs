//! Who is refused before anything is known of them is logged and counted.

use std::io::Read;
use std::process::Stdio;
use test_support::wait_until;

use crate::process::{Served, command};
use crate::support::{SECRET, config, request, serve};

/// What the metrics page says that a code was the reason for.
#[track_caller]
fn count(page: &str, code: &str) -> u64 {
    let line = format!("foodtrack_refused_requests_total{{code=\"{code}\"}} ");
    page.lines().find_map(|it| it.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_refusals_are_a_handful_of_lines_and_a_thousand_in_the_metrics() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut served = Served::start_with_stderr(
        command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"])
            .env("JWT_SECRET", SECRET),
        Stdio::from(writer),
    );
    for _ in 0..1_000 {
        assert_eq!(request(served.address, "GET /wp-login.php", &[], "").status, 404);
    }
    // The page may be a second old.
    wait_until("a thousand are counted", || {
        let page = request(served.address, "GET /metrics", &[], "").body;
        let counted = count(&page, "path_unknown");
        assert!(counted <= 1_000, "{counted}");
        counted == 1_000
    });
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.lines().filter(|it| it.contains("refused at the door")).collect();
    // Twenty in ten seconds of one address; a slow machine may take longer.
    assert!((1..=60).contains(&lines.len()), "{} lines: {text}", lines.len());
    let first = lines[0];
    assert!(["INFO", "127.0.0.1", "path_unknown"].iter().all(|it| first.contains(it)), "{first}");
    assert!(text.contains("repeated lines were left out"), "{text}");
    assert!(!text.contains("wp-login"), "nothing that a stranger wrote: {text}");
}

#[test]
fn each_refusal_at_the_door_has_its_code() {
    let server = serve(config().handshakes_per_minute(1));
    let engine = "/socket.io/?EIO=4&transport=polling";
    let evil = [("Origin", "http://evil.example")];
    let cases = [
        ("path_unknown", "GET /nothing".to_owned(), &[][..], 404),
        ("unauthorized", "POST /api/v1/publish".to_owned(), &[], 401),
        ("session_unknown", format!("GET {engine}&sid=none"), &[], 400),
        ("bad_request", "GET /socket.io/?EIO=4&transport=pigeon".to_owned(), &[], 400),
        ("bad_request", "GET /socket.io/?EIO=3&transport=polling".to_owned(), &[], 400),
        ("origin_forbidden", format!("GET {engine}"), &evil, 403),
    ];
    for (code, line, headers, status) in cases {
        let before = count(&server.metrics(), code);
        assert_eq!(request(server.local_addr(), &line, headers, "").status, status, "{line}");
        assert_eq!(count(&server.metrics(), code), before + 1, "{line}");
    }
    let knock = || request(server.local_addr(), &format!("GET {engine}"), &[], "").status;
    assert_eq!([knock(), knock(), knock()], [200, 429, 429]);
    assert_eq!(count(&server.metrics(), "handshake_rate_limited"), 2);
    let long = "x".repeat(20_000);
    assert_eq!(request(server.local_addr(), "GET /", &[("X-Long", &long)], "").status, 431);
    assert_eq!(count(&server.metrics(), "head_too_large"), 1);
    assert_eq!(count(&server.metrics(), "too_many_connections"), 0);
    server.stop();
}
