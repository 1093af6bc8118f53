use foodtrack_contract::{
    ApplicationSet, ApplicationType as A, Incoming, Priority, Source, read_envelope,
};

use crate::facts;

const EVENT: &str = "order:created";

fn alone(payload: &str) -> Incoming<'_> {
    Incoming {
        id: None,
        tenant: None,
        source: None,
        target: None,
        priority: Priority::Medium,
        encrypted: false,
        payload,
    }
}

/// A whole message with `fields` beside its type and payload.
fn whole(fields: &str) -> String {
    format!(r#"{{"type":"order:created",{fields},"payload":{{"orderId":"o1"}}}}"#)
}

#[test]
fn a_whole_message_says_what_its_sender_decided() {
    let text = r#" { "id": "0190F5DE-8D5B-7A3E-8C11-6B4C5B0A1E2F", "type": "order:created", "tenantId": "t1",
        "timestamp": "2024-07-01T12:00:00Z", "source": "kitchen_app", "target": ["client_app", "delivery_app"],
        "payload": { "orderId": "o1" } , "priority": "urgent", "retryCount": 2, "encrypted": true, "more": [1] } "#;
    let incoming = read_envelope(EVENT, text).unwrap();
    assert_eq!(incoming.id.unwrap().to_string(), "0190f5de-8d5b-7a3e-8c11-6b4c5b0a1e2f");
    assert_eq!(incoming.tenant.as_deref(), Some("t1"));
    assert_eq!(incoming.source, Some(Source::Application(A::KitchenApp)));
    assert_eq!(incoming.target, Some(ApplicationSet::of(&[A::ClientApp, A::DeliveryApp])));
    assert_eq!(incoming.payload, r#"{ "orderId": "o1" }"#);
    assert_eq!(incoming.priority, Priority::Urgent);
    assert!(incoming.encrypted);
}

#[test]
fn anything_else_is_the_payload_alone() {
    for text in [
        r#"{"orderId":"o1"}"#,
        r#"{"type":"order:updated","payload":{}}"#,
        r#"{"type":"order:created"}"#,
        r#"{"type":5,"payload":{},"id":7,"target":{},"priority":3,"source":false}"#,
        r#"{"payload":{},"tenantId":[]}"#,
        r#""o1""#,
        "[1,2]",
        "null",
        "17",
    ] {
        assert_eq!(read_envelope(EVENT, text).unwrap(), alone(text), "{text}");
    }
    assert_eq!(read_envelope(EVENT, " {\"a\":1}\n").unwrap(), alone("{\"a\":1}"));
}

#[test]
fn a_type_is_compared_as_text_whatever_its_spelling() {
    let text = r#"{"type":"order\u003acreated","payload":1}"#;
    assert_eq!(read_envelope(EVENT, text).unwrap(), alone("1"));
}

#[test]
fn null_is_absent_but_for_the_payload() {
    let text = whole(
        r#""id":null,"tenantId":null,"timestamp":null,"source":null,"target":null,"priority":null,"retryCount":null,"encrypted":null"#,
    );
    assert_eq!(read_envelope(EVENT, &text).unwrap(), alone(r#"{"orderId":"o1"}"#));
    let text = r#"{"type":"order:created","payload":null}"#;
    assert_eq!(read_envelope(EVENT, text).unwrap(), alone("null"));
}

#[test]
fn a_target_is_one_application_or_several() {
    let target = |text: &str| read_envelope(EVENT, &whole(text)).unwrap().target.unwrap();
    assert_eq!(target(r#""target":"kitchen_app""#), ApplicationSet::of(&[A::KitchenApp]));
    assert_eq!(
        target(r#""target":["kitchen_app","client_app","kitchen_app"]"#),
        ApplicationSet::of(&[A::KitchenApp, A::ClientApp])
    );
}

#[test]
fn a_malformed_field_is_named_with_its_rule() {
    let check = |field: &str, code: &str, pointer: &str, rule: &str| {
        let refusal = read_envelope(EVENT, &whole(field)).expect_err(field);
        assert_eq!(facts(&refusal), (code, pointer, rule), "{field}");
        assert_eq!(refusal.event(), Some(EVENT));
    };
    let malformed = "message_malformed";
    check(r#""id":7"#, malformed, "/id", "type");
    check(r#""id":"""#, malformed, "/id", "format");
    check(r#""id":"0190f5de8d5b7a3e8c116b4c5b0a1e2f""#, malformed, "/id", "format");
    check(r#""id":"0190f5de-8d5b-7a3e-8c11-6b4c5b0a1e2z""#, malformed, "/id", "format");
    check(r#""tenantId":7"#, malformed, "/tenantId", "type");
    check(r#""timestamp":1719835200000"#, malformed, "/timestamp", "type");
    check(r#""source":{}"#, malformed, "/source", "type");
    check(r#""source":"waiter_app""#, "source_forbidden", "/source", "enum");
    check(r#""source":"kitchen""#, "source_forbidden", "/source", "enum");
    check(r#""target":7"#, malformed, "/target", "type");
    check(r#""target":{}"#, malformed, "/target", "type");
    check(r#""target":[]"#, malformed, "/target", "minItems");
    check(r#""target":"system""#, malformed, "/target", "enum");
    check(r#""target":["client_app",7]"#, malformed, "/target/1", "type");
    check(r#""target":["client_app","kitchen"]"#, malformed, "/target/1", "enum");
    check(r#""priority":1"#, malformed, "/priority", "type");
    check(r#""priority":"URGENT""#, malformed, "/priority", "enum");
    check(r#""retryCount":-1"#, malformed, "/retryCount", "type");
    check(r#""retryCount":"2""#, malformed, "/retryCount", "type");
    check(r#""encrypted":"true""#, malformed, "/encrypted", "type");
    check(r#""encrypted":1"#, malformed, "/encrypted", "type");
}

#[test]
fn a_field_of_the_envelope_is_there_once() {
    for (field, pointer) in [
        (r#""payload":{}"#, "/payload"),
        (r#""type":"x""#, "/type"),
        (r#""tenantId":"a","tenantId":"b""#, "/tenantId"),
        (r#""source":"client_app","sourc\u0065":"system""#, "/source"),
    ] {
        let refusal = read_envelope(EVENT, &whole(field)).expect_err(field);
        assert_eq!(facts(&refusal), ("message_malformed", pointer, "duplicate"));
    }
}

#[test]
fn a_refusal_never_quotes_the_message() {
    let secret = "s3cret";
    for field in ["id", "source", "target", "priority", "encrypted", "retryCount"] {
        let text = whole(&format!(r#""{field}":"{secret}""#));
        let refusal = read_envelope(EVENT, &text).expect_err(field);
        assert!(!refusal.to_json().contains(secret), "{refusal}");
    }
}

#[test]
fn an_object_that_is_no_json_is_malformed() {
    let whole = [r#"{"payload""#, r#"{"payload":}"#, r#"{"type":"order:created","payload":{}} {}"#];
    for text in whole {
        let refusal = read_envelope(EVENT, text).expect_err(text);
        assert_eq!(facts(&refusal), ("message_malformed", "", "syntax"));
    }
    // What may only be a payload is its schema's to read.
    for text in ["{", r#"{"a":}"#, "{} {}"] {
        assert_eq!(read_envelope(EVENT, text).map(|incoming| incoming.payload), Ok(text));
    }
}

#[test]
fn half_of_a_surrogate_pair_stays_as_it_came() {
    let payload = r#"{"orderId":"1","notes":"\ud83c"}"#;
    let whole =
        format!(r#"{{"type":"order:updated","payload":{payload},"tenantId":"t1","\ud83c":1}}"#);
    let incoming = read_envelope("order:updated", &whole).unwrap();
    assert_eq!((incoming.payload, incoming.tenant.as_deref()), (payload, Some("t1")));
    let alone = r#"{"orderId":"1","\ud83c":"\ud83c"}"#;
    assert_eq!(read_envelope("order:updated", alone).unwrap().payload, alone);
    let id = r#"{"type":"order:updated","payload":{},"id":"\ud83c"}"#;
    assert_eq!(facts(&read_envelope("order:updated", id).unwrap_err()).1, "/id");
}
