//! Encrypted payloads pass as they are, and the key for them is given to who may have it.

use foodtrack_shard::{Rate, TenantLimits};

use crate::poller::Poller;
use crate::server::Server;

const MESSAGE: &str = r#"["order:created",{"id":"0190b5a0-0000-7000-8000-000000000001","type":"order:created","encrypted":true,"payload":{"orderId":"42","alg":"A256GCM","kid":"hub-1","iv":"AAcOFRwjKjE4P0ZN","ciphertext":"abcdefghijklmnopqrstuv"}}]"#;

#[test]
fn an_encrypted_event_is_routed_by_what_stands_outside_and_arrives_as_it_was_sent() {
    let server = Server::start(TenantLimits::default());
    let dashboard = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
    let customer = Poller::join(&server, "t1 ana customer client_app 60");
    let answer = customer.ask(MESSAGE);
    assert!(answer.contains("\"success\":true"), "{answer}");
    let event = dashboard.find("42[\"order:created\"");
    for part in
        [r#""encrypted":true"#, r#""ciphertext":"abcdefghijklmnopqrstuv""#, r#""orderId":"42""#]
    {
        assert!(event.contains(part), "{event}");
    }
    // By the order's room too: it is the customer's from now on.
    assert!(customer.ask(r#"["subscribe:order","42"]"#).contains("\"success\":true"));
    let eve = Poller::join(&server, "t1 eve customer client_app 60");
    assert!(eve.ask(r#"["subscribe:order","42"]"#).contains("room_forbidden"));
}

#[test]
fn an_encrypted_event_without_an_id_or_what_routing_needs_is_refused_and_nobody_is_closed() {
    let server = Server::start(TenantLimits::default());
    let customer = Poller::join(&server, "t1 ana customer client_app 60");
    let without = |part: &str| MESSAGE.replace(part, "");
    for (message, code) in [
        (without(r#""id":"0190b5a0-0000-7000-8000-000000000001","#), "message_malformed"),
        (without(r#""orderId":"42","#), "payload_invalid"),
        (without(r#""iv":"AAcOFRwjKjE4P0ZN","#), "payload_invalid"),
        (MESSAGE.replace("A256GCM", "none"), "payload_invalid"),
    ] {
        let answer = customer.ask(&message);
        assert!(answer.contains(code), "{answer}");
    }
    assert!(customer.ask(MESSAGE).contains("\"success\":true"));
}

#[test]
fn the_key_of_payloads_is_given_to_applications_that_may_have_it_and_of_their_own_tenant() {
    let server = Server::start(TenantLimits::default());
    let chef = Poller::join(&server, "t1 chef admin kitchen_app 60");
    let answer = chef.ask(r#"["payload_key"]"#);
    assert!(
        answer.contains(
            r#"{"success":true,"data":{"kid":"hub-2","alg":"A256GCM","key":"newest-of-t1"}}"#
        ),
        "{answer}"
    );
    let older = chef.ask(r#"["payload_key",{"kid":"hub-1"}]"#);
    assert!(older.contains(r#""kid":"hub-1","alg":"A256GCM","key":"older-of-t1""#), "{older}");
    assert!(chef.ask(r#"["payload_key",{"kid":"hub-9"}]"#).contains("not_found"));
    assert!(chef.ask(r#"["payload_key",7]"#).contains("message_malformed"));
    let other = Poller::join(&server, "t2 chef admin kitchen_app 60");
    assert!(other.ask(r#"["payload_key"]"#).contains("newest-of-t2"));
    for who in ["t1 ana customer client_app 60", "t1 olga admin tenant_dashboard 60"] {
        let refused = Poller::join(&server, who).ask(r#"["payload_key"]"#);
        assert!(refused.contains("permission_denied") && !refused.contains("of-t1"), "{refused}");
    }
}

#[test]
fn keys_are_not_asked_for_without_end() {
    let messages_per_connection = Rate { per_second: 1, burst: 5 };
    let limits = TenantLimits { messages_per_connection, ..TenantLimits::default() };
    let server = Server::start(limits);
    let chef = Poller::join(&server, "t1 chef admin kitchen_app 60");
    let answers: Vec<_> = (0..12).map(|_| chef.ask(r#"["payload_key"]"#)).collect();
    assert!(answers.iter().any(|it| it.contains("\"code\":\"rate_limited\"")), "{answers:?}");
}
