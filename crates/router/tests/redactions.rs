//! What redactions leave of a message.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use foodtrack_contract::{ApplicationType, EventName, EventType, TenantId, UserRole};
use foodtrack_router::{HideFrom, NotRedactable, Redaction, Redactions, Viewer};

/// What a courier gets of a message with this payload and attachments; `None` where that is all of it.
fn left(payload: &str, attachments: &[Vec<u8>]) -> Option<(String, Vec<Vec<u8>>)> {
    let message = message(payload, false);
    let left = redacted(&message, attachments).unwrap()?;
    let kept = left.attachments(attachments).to_vec();
    Some((String::from_utf8(left.message().to_vec()).unwrap(), kept))
}

fn message(payload: &str, encrypted: bool) -> String {
    format!(r#"{{"id":"1","type":"x","payload":{payload},"retryCount":0,"encrypted":{encrypted}}}"#)
}

fn redacted(
    message: &str,
    attachments: &[Vec<u8>],
) -> Result<Option<foodtrack_router::RedactedMessage>, NotRedactable> {
    let mut redactions = Redactions::default();
    let redaction = Redaction {
        id: "costs".into(),
        tenant: None,
        events: "*".into(),
        fields: vec!["/supplierNote".into(), "/items/*/cost".into(), "/type".into()],
        hide_from: vec![HideFrom::Application(ApplicationType::DeliveryApp)],
    };
    redactions.add(redaction).unwrap();
    let (tenant, event) = (TenantId::parse("t").unwrap(), EventName::from(EventType::OrderCreated));
    let viewer = Viewer::connection(Some(ApplicationType::DeliveryApp), UserRole::Customer);
    let about = redactions.of(&tenant, &event);
    about.redact(about.hidden_from(viewer), message.as_bytes(), attachments)
}

#[test]
fn a_message_that_has_none_of_the_fields_is_left_as_it_is() {
    let binary = [b"picture".to_vec()];
    for payload in [
        r#"{"orderId":"1","reason":"late"}"#,
        r#"{ "items": [ { "price": 1 } ], "supplierNotes": "cost" }"#,
        r#"{"reason":"the \"supplierNote\"","cost":2,"items":{"cost":1}}"#,
        r#"{"picture":{"_placeholder":true,"num":0}}"#,
    ] {
        assert_eq!(left(payload, &binary), None, "{payload}");
    }
}

#[test]
fn a_field_is_left_out_however_its_name_is_written() {
    for (payload, expected) in [
        (r#"{"supplierNote":1,"a":1.50,"supplierNote":2}"#, r#"{"a":1.50}"#),
        (r#"{"\u0073upplierNote":"x","type":"y","a":"\n"}"#, r#"{"a":"\n"}"#),
        (r#"{"items":[{"c\u006fst":1,"b":2}]}"#, r#"{"items":[{"b":2}]}"#),
        (r#"{"items":[{"a":1,"cost":1},{"cost":2}]}"#, r#"{"items":[{"a":1},{}]}"#),
    ] {
        assert_eq!(left(payload, &[]), Some((message(expected, false), Vec::new())), "{payload}");
    }
}

#[test]
fn binary_goes_with_the_field_that_it_stands_in() {
    let binary = [b"secret".to_vec(), b"picture".to_vec()];
    let placeholder = |n| format!(r#"{{"_placeholder":true,"num":{n}}}"#);
    let payload = format!(r#"{{"supplierNote":{},"a":{}}}"#, placeholder(0), placeholder(1));
    let expected = message(&format!(r#"{{"a":{}}}"#, placeholder(0)), false);
    assert_eq!(left(&payload, &binary), Some((expected, vec![b"picture".to_vec()])));
}

#[test]
fn what_cannot_be_read_is_not_for_those_from_whom_a_part_is_hidden() {
    let unread = [message("{}", true), message(r#"{"supplierNote":1"#, false) + "\\"];
    for message in unread {
        assert_eq!(redacted(&message, &[]).unwrap_err(), NotRedactable, "{message}");
    }
}
