//! Shards on a real port, and clients that poll by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod poller;
mod server;

use std::time::Duration;

use foodtrack_shard::{Rate, TenantLimits};

use crate::poller::Poller;
use crate::server::Server;

#[test]
fn following_a_customer_does_not_use_up_their_connections() {
    let limits = TenantLimits { connections_per_user_max: 1, ..TenantLimits::default() };
    let server = Server::start(limits);
    let dashboard = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    assert!(dashboard.ask(r#"["subscribe:customer","ana"]"#).contains("\"success\":true"));
    let first = Poller::join(&server, "t1 ana customer client_app 60");
    let second = Poller::open(&server);
    assert!(second.connect("t1 ana customer client_app 60").contains("too_many_connections"));
    first.leave();
    Poller::join(&server, "t1 ana customer client_app 60");
    // And the same user of another tenant is somebody else.
    Poller::join(&server, "t2 ana customer client_app 60");
}

#[test]
fn attachments_weigh_as_much_as_text() {
    let bytes_per_connection = Rate { per_second: 1, burst: 2_000 };
    let server = Server::start(TenantLimits { bytes_per_connection, ..TenantLimits::default() });
    let dashboard = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    let data = r#"["notification:info",{"message":"m","photo":{"_placeholder":true,"num":0}}]"#;
    assert!(dashboard.ask_with_bytes(data, &[7; 1_900]).contains("\"success\":true"));
    assert!(dashboard.ask_with_bytes(data, &[7; 1_900]).contains("rate_limited"));
}

#[test]
fn a_connection_ends_with_its_token_and_lives_on_with_a_fresh_one() {
    let server = Server::start(TenantLimits::default());
    let ends = Poller::join(&server, "t1 ana customer client_app 2");
    let renews = Poller::join(&server, "t1 bob customer client_app 2");
    for _ in 0..20 {
        let answer = renews.ask(r#"["authenticate","t1 bob customer client_app 60"]"#);
        assert!(answer.contains("\"success\":true"), "{answer}");
    }
    assert!(ends.find("42[\"system:error\"").contains("token_expired"));
    std::thread::sleep(Duration::from_millis(500));
    assert!(renews.ask(r#"["health_check"]"#).contains("\"success\":true"));
    // Who comes now may be given the place of who went, and keeps a deadline of their own.
    let later = Poller::join(&server, "t1 eve customer client_app 60");
    assert!(later.ask(r#"["health_check"]"#).contains("\"success\":true"));
}

#[test]
fn a_token_of_somebody_else_renews_nothing() {
    let server = Server::start(TenantLimits::default());
    let ana = Poller::join(&server, "t1 ana customer client_app 60");
    for other in [
        "t1 bob customer client_app 60",
        "t2 ana customer client_app 60",
        "t1 ana admin client_app 60",
    ] {
        let answer = ana.ask(&format!(r#"["authenticate",{{"token":"{other}"}}]"#));
        assert!(answer.contains("token_subject"), "{answer}");
    }
}

#[test]
fn an_order_belongs_to_its_tenant_and_to_its_customer() {
    let server = Server::start(TenantLimits::default());
    let ana = Poller::join(&server, "t1 ana customer client_app 60");
    let bob = Poller::join(&server, "t1 bob customer client_app 60");
    let elsewhere = Poller::join(&server, "t2 ana customer client_app 60");
    assert!(ana.ask(r#"["order:created",{"orderId":"42"}]"#).contains("\"success\":true"));
    assert!(bob.ask(r#"["order:created",{"orderId":"42"}]"#).contains("order_forbidden"));
    assert!(bob.ask(r#"["subscribe:order","42"]"#).contains("room_forbidden"));
    assert!(elsewhere.ask(r#"["subscribe:order","42"]"#).contains("room_forbidden"));
    assert!(elsewhere.ask(r#"["order:created",{"orderId":"42"}]"#).contains("\"success\":true"));
}
