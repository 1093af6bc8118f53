use std::sync::LazyLock;

use foodtrack_contract::{
    ApplicationSet, ApplicationType as A, Message, Priority, Source, TenantId, builtin_schemas,
    read_envelope,
};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::tenant;

fn message(tenant: &TenantId) -> Message<'_> {
    Message {
        id: Uuid::from_u128(0x0190_f5de_8d5b_7a3e_8c11_6b4c_5b0a_1e2f),
        event: "order:created",
        tenant,
        timestamp: "2024-07-01T12:00:00.000Z",
        source: Source::System,
        target: None,
        payload: r#"{"orderId":"o1"}"#,
        priority: Priority::Medium,
        retry_count: 0,
        encrypted: false,
    }
}

fn written(message: &Message<'_>) -> String {
    let mut out = Vec::new();
    message.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message_is_written_in_the_contracts_order() {
    let tenant = tenant("t1");
    assert_eq!(
        written(&message(&tenant)),
        concat!(
            r#"{"id":"0190f5de-8d5b-7a3e-8c11-6b4c5b0a1e2f","type":"order:created","tenantId":"t1","#,
            r#""timestamp":"2024-07-01T12:00:00.000Z","source":"system","payload":{"orderId":"o1"},"#,
            r#""priority":"medium","retryCount":0,"encrypted":false}"#
        )
    );
}

#[test]
fn one_target_is_a_string_and_several_are_a_list() {
    let tenant = tenant("t1");
    let target = |applications: &[A]| {
        let target = Some(ApplicationSet::of(applications));
        let tree: Value =
            serde_json::from_str(&written(&Message { target, ..message(&tenant) })).unwrap();
        tree["target"].clone()
    };
    assert_eq!(target(&[A::KitchenApp]), "kitchen_app");
    let several = serde_json::json!(["client_app", "kitchen_app"]);
    assert_eq!(target(&[A::KitchenApp, A::ClientApp]), several);
}

#[test]
fn a_message_is_appended_to_what_is_there() {
    let tenant = tenant("t1");
    let mut out = b"42".to_vec();
    message(&tenant).write_json(&mut out);
    assert!(out.starts_with(b"42{\"id\"") && out.ends_with(b"}"));
}

static ENVELOPE: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schemas = builtin_schemas();
    jsonschema::options().should_validate_formats(true).build(&schemas["WebSocketMessage"]).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_and_keeps_the_envelopes_schema(
        id: u128,
        event in "\\PC{1,20}",
        applications in proptest::collection::vec(0_usize..4, 0..4),
        source in 0_usize..5,
        priority in 0_usize..4,
        retry_count: u32,
        encrypted: bool,
        text: String,
    ) {
        let tenant = tenant("t_1-A");
        let payload = serde_json::json!({ "orderId": text }).to_string();
        let target = (!applications.is_empty())
            .then(|| applications.into_iter().map(|i| A::ALL[i]).collect::<ApplicationSet>());
        let source = A::ALL.get(source).copied().map_or(Source::System, Source::Application);
        let message = Message {
            id: Uuid::from_u128(id),
            event: &event,
            target,
            source,
            payload: &payload,
            priority: Priority::ALL[priority],
            retry_count,
            encrypted,
            ..message(&tenant)
        };
        let json = written(&message);

        let incoming = read_envelope(&event, &json).unwrap();
        prop_assert_eq!(incoming.id, Some(message.id));
        prop_assert_eq!(incoming.tenant.as_deref(), Some("t_1-A"));
        prop_assert_eq!(incoming.source, Some(source));
        prop_assert_eq!(incoming.target, target);
        prop_assert_eq!(incoming.priority, message.priority);
        prop_assert_eq!(incoming.encrypted, encrypted);
        prop_assert_eq!(incoming.payload, &payload);

        let tree: Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&tree["retryCount"], retry_count);
        prop_assert!(ENVELOPE.is_valid(&tree), "{}", tree);
    }
}
