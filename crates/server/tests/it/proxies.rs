//! Who a request comes from: the other end, or whom a proxy names that the configuration trusts.

use foodtrack_server::WebSocketServer;

use crate::process::logged;
use crate::support::{config, request, serve};

const HANDSHAKE: &str = "GET /socket.io/?EIO=4&transport=polling";

/// A handshake with these headers: its status.
#[track_caller]
fn knock(server: &WebSocketServer, headers: &[(&str, &str)]) -> u16 {
    request(server.local_addr(), HANDSHAKE, headers, "").status
}

/// Whether as many handshakes as one address may make are admitted with these headers, and no more.
#[track_caller]
fn check_own_limit(server: &WebSocketServer, headers: &[(&str, &str)]) {
    let statuses = [(); 3].map(|()| knock(server, headers));
    assert_eq!(statuses, [200, 200, 429], "{headers:?}");
}

#[test]
fn behind_a_trusted_proxy_each_client_has_a_limit_of_its_own() {
    let server =
        serve(config().handshakes_per_minute(2).trusted_proxies(["127.0.0.1", "10.0.0.0/8"]));
    check_own_limit(&server, &[("X-Forwarded-For", "203.0.113.7")]);
    check_own_limit(&server, &[("X-Forwarded-For", "203.0.113.8:4711, 10.1.2.3")]);
    check_own_limit(&server, &[("Forwarded", "for=203.0.113.9;proto=https")]);
    // Whatever a client wrote before the proxy added its address is no other client.
    check_own_limit(&server, &[("X-Forwarded-For", "198.51.100.1, 203.0.113.10")]);
    assert_eq!(knock(&server, &[("X-Forwarded-For", "198.51.100.2, 203.0.113.10")]), 429);
    // An IPv6 site is one address.
    check_own_limit(&server, &[("Forwarded", "for=\"[2001:db8::1]:4711\"")]);
    assert_eq!(knock(&server, &[("X-Forwarded-For", "2001:db8::2")]), 429);
    assert_eq!(knock(&server, &[("X-Forwarded-For", "2001:db8:0:1::2")]), 200);
    // Where the headers name nobody, it is the proxy itself.
    check_own_limit(&server, &[("X-Forwarded-For", "unknown")]);
    assert_eq!(knock(&server, &[]), 429);
    server.stop();
}

#[test]
fn what_a_stranger_says_of_where_it_comes_from_is_not_believed() {
    for trusted in [&[][..], &["10.0.0.0/8"]] {
        let server = serve(config().handshakes_per_minute(2).trusted_proxies(trusted.to_vec()));
        let statuses = [7, 8, 9].map(|last| {
            let address = format!("203.0.113.{last}");
            let forwarded = format!("for={address}");
            knock(&server, &[("X-Forwarded-For", &address), ("Forwarded", &forwarded)])
        });
        assert_eq!(statuses, [200, 200, 429]);
        server.stop();
    }
}

#[test]
fn a_text_that_names_no_proxy_is_refused_with_its_key() {
    let refused =
        config().trusted_proxies(["10.0.0.1", "proxy.local"]).check().unwrap_err().to_string();
    assert!(
        refused.contains("security.trustedProxies") && refused.contains("proxy.local"),
        "{refused}"
    );
}

/// What a server logs while so many handshakes come, through a proxy that it does or does not trust.
fn lines_of(trusted: &str, handshakes: usize) -> String {
    let environment = [
        ("FOODTRACK__SECURITY__TRUSTED_PROXIES", trusted),
        ("FOODTRACK__SECURITY__RATE_LIMITING__HANDSHAKES_PER_MINUTE", "2"),
    ];
    logged(&environment, |served| {
        for _ in 0..handshakes {
            request(served.address, HANDSHAKE, &[("X-Forwarded-For", "203.0.113.7")], "");
        }
    })
}

#[test]
fn a_proxy_that_nobody_named_is_warned_of_once() {
    let text = lines_of("", 20);
    let warned: Vec<&str> =
        text.lines().filter(|line| line.contains("security.trustedProxies")).collect();
    assert_eq!(warned.len(), 1, "{text}");
    assert!(warned[0].contains("WARN") && warned[0].contains("127.0.0.1"), "{text}");
}

#[test]
fn log_lines_name_the_client_behind_a_trusted_proxy() {
    let text = lines_of("127.0.0.0/8", 3);
    let line = text.lines().find(|line| line.contains("refused at the door")).unwrap();
    assert!(line.contains("203.0.113.7") && line.contains("handshake_rate_limited"), "{text}");
    assert!(!text.contains("security.trustedProxies"), "{text}");
}
