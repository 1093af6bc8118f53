//! What pages of other origins may do: the same on both halves of the port.

use std::net::SocketAddr;

use foodtrack_contract::UserRole;
use foodtrack_server::WebSocketConfig;

use crate::support::{config, request, serve, token};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";
const PAGE: &str = "https://dashboard.example";

/// What a page of `origin` is allowed by Engine.IO and by the API: the origin that is shown, and whether with credentials.
pub(crate) fn allowed(address: SocketAddr, origin: &str) -> [(Option<String>, bool); 2] {
    [format!("GET {POLL}"), "GET /health".to_owned()].map(|line| {
        let answer = request(address, &line, &[("Origin", origin)], "");
        let shown = answer.header("access-control-allow-origin").map(str::to_owned);
        (shown, answer.header("access-control-allow-credentials").is_some())
    })
}

fn with_credentials(yes: bool) -> WebSocketConfig {
    let mut config = config().allowed_origins([PAGE]);
    config.cors.credentials = yes;
    config
}

#[test]
fn both_halves_of_the_port_allow_the_same_origins() {
    let of = |origin: &str, credentials| {
        let allowed = (Some(origin.to_owned()), credentials);
        [allowed.clone(), allowed]
    };
    let nobody = [(None, false), (None, false)];
    let server = serve(with_credentials(true));
    for same in [PAGE, "https://dashboard.example:443", "HTTPS://Dashboard.example"] {
        assert_eq!(allowed(server.local_addr(), same), of(same, true));
    }
    for other in ["https://evil.example", "http://dashboard.example", "null"] {
        assert_eq!(allowed(server.local_addr(), other), nobody, "{other}");
    }
    server.stop();
    let server = serve(with_credentials(false));
    assert_eq!(allowed(server.local_addr(), PAGE), of(PAGE, false));
    server.stop();
    let mut any = config().allowed_origins(["*", "null"]);
    any.cors.credentials = false;
    let server = serve(any);
    assert_eq!(allowed(server.local_addr(), "https://evil.example"), of("*", false));
    assert_eq!(allowed(server.local_addr(), "null"), of("null", false));
    server.stop();
}

#[test]
fn both_halves_name_a_refused_origin_and_where_to_allow_it() {
    let server = serve(with_credentials(true));
    let page = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    for line in [format!("GET {POLL}"), "OPTIONS /api/v1/publish".to_owned()] {
        let answer = request(server.local_addr(), &line, &page, "");
        assert_eq!(answer.status, 403);
        let says = |what| answer.body.contains(what);
        assert!(says("https://evil.example") && says("cors.origin"), "{answer:?}");
    }
    server.stop();
}

/// Whether a polling client joins by nothing but its headers.
fn joins(address: SocketAddr, headers: &[(&str, &str)]) -> bool {
    let open = request(address, &format!("GET {POLL}"), headers, "").body;
    let sid = open.strip_prefix("0{\"sid\":\"").unwrap().split('"').next().unwrap().to_owned();
    let session = format!("{POLL}&sid={sid}");
    assert_eq!(request(address, &format!("POST {session}"), headers, "40").body, "ok");
    let answer = request(address, &format!("GET {session}"), headers, "").body;
    assert!(answer.starts_with("40{") || answer.contains("token_missing"), "{answer}");
    answer.starts_with("40{")
}

#[test]
fn a_cookie_counts_where_its_origin_is_allowed_with_credentials() {
    let cookie = format!("token={}", token("t1", UserRole::RestaurantOwner));
    let server = serve(with_credentials(true));
    let address = server.local_addr();
    let own = format!("http://{address}");
    for origin in [Some(PAGE), Some(&*own), None] {
        let mut headers = vec![("Cookie", &*cookie)];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        assert!(joins(address, &headers), "{origin:?}");
    }
    server.stop();
    let mut any = config().allowed_origins(["*"]);
    any.cors.credentials = false;
    for config in [with_credentials(false), any] {
        let server = serve(config);
        let headers = [("Cookie", &*cookie), ("Origin", PAGE)];
        assert!(!joins(server.local_addr(), &headers));
        assert!(joins(server.local_addr(), &headers[..1]), "who is no page");
        server.stop();
    }
}

#[test]
fn a_token_is_found_in_any_of_several_cookie_headers_and_in_quotes() {
    let token = token("t1", UserRole::RestaurantOwner);
    let server = serve(config());
    let quoted = format!("theme=dark; token = \"{token}\"");
    let plain = format!("token={token}");
    for cookies in [
        &[("Cookie", "theme=dark"), ("Cookie", &*plain)][..],
        &[("Cookie", &*plain), ("cookie", "other=\u{fffd}")],
        &[("Cookie", &*quoted)],
    ] {
        assert!(joins(server.local_addr(), cookies), "{cookies:?}");
    }
    server.stop();
}

#[test]
fn who_asks_elsewhere_is_told_where_clients_connect() {
    let mut config = config();
    config.path = "/hub/".into();
    let server = serve(config);
    let upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")];
    for (line, headers) in [
        (format!("GET {POLL}"), &[][..]),
        ("GET /socket".to_owned(), &upgrade),
        ("GET /hub?EIO=4&transport=websocket".to_owned(), &upgrade),
    ] {
        let answer = request(server.local_addr(), &line, headers, "");
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{line}");
        assert!(answer.body.contains("connect at /hub/"), "{answer:?}");
    }
    server.stop();
}

#[test]
fn a_polling_body_that_is_too_large_is_told_the_limits_key() {
    let server = serve(config());
    let body = "4".repeat(1_000_001);
    let answer = request(server.local_addr(), &format!("POST {POLL}&sid=none"), &[], &body);
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("1000000 bytes (limits.payloadBytesMax)"), "{answer:?}");
    server.stop();
}
