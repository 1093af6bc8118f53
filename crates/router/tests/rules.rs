//! What adding and removing rules does, and what explanations say.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use foodtrack_contract::{
    ApplicationSet, ApplicationType, ErrorCode, EventName, EventType, PermissionSet, RoomName,
    Source, TenantId,
};
use foodtrack_router::{
    About, Destination, EventPatternError, MessageRouter, RULES_PER_TENANT_MAX, Rule, RuleError,
    Sender,
};

const CLIENT: Source = Source::Application(ApplicationType::ClientApp);

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn declared(name: &str) -> EventName {
    EventName::Declared(name.into())
}

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).unwrap()
}

fn table_rule() -> Rule {
    rule(
        r#"{"id":"tables","tenant":"t1","events":"table:*","from":["client_app"],
            "permission":"write:orders","to":["tenant_dashboard","customer"]}"#,
    )
}

fn may_send(router: &MessageRouter, of: &str, event: &EventName, from: Source) -> bool {
    let sender = Sender { source: from, permissions: PermissionSet::ALL };
    router.authorize(&tenant(of), event, sender).is_ok()
}

#[test]
fn a_declared_event_is_sent_by_nobody_until_a_rule_lets() {
    let mut router = MessageRouter::with_default_rules();
    let event = declared("table:opened");
    let sender = Sender { source: CLIENT, permissions: PermissionSet::ALL };
    let refused = router.authorize(&tenant("t1"), &event, sender).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::SourceForbidden);

    router.add(table_rule()).unwrap();
    router.authorize(&tenant("t1"), &event, sender).unwrap();
    let none = Sender { permissions: PermissionSet::NONE, ..sender };
    let refused = router.authorize(&tenant("t1"), &event, none).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::PermissionDenied);
    let about = About { customer: Some("u1"), ..About::default() };
    let audience = router.audience(&tenant("t1"), &event, CLIENT, None, &about);
    assert_eq!(audience.applications, ApplicationSet::of(&[ApplicationType::TenantDashboard]));
    assert_eq!(audience.rooms.as_slice(), [RoomName::User("u1")]);
}

#[test]
fn a_rule_of_one_tenant_is_none_of_another() {
    let mut router = MessageRouter::with_default_rules();
    router.add(table_rule()).unwrap();
    assert!(may_send(&router, "t1", &declared("table:opened"), CLIENT));
    assert!(!may_send(&router, "t2", &declared("table:opened"), CLIENT));
    assert!(may_send(&router, "t2", &EventType::OrderCreated.into(), CLIENT));
}

#[test]
fn a_shared_rule_holds_for_tenants_that_have_their_own_too() {
    let mut router = MessageRouter::with_default_rules();
    router.add(table_rule()).unwrap();
    router
        .add(Rule { id: "all".into(), tenant: None, events: "menu:*".into(), ..table_rule() })
        .unwrap();
    assert!(may_send(&router, "t1", &declared("menu:seen"), CLIENT));
    assert!(may_send(&router, "t2", &declared("menu:seen"), CLIENT));
    router.remove(None, "all").unwrap();
    assert!(!may_send(&router, "t1", &declared("menu:seen"), CLIENT));
    assert!(!may_send(&router, "t2", &declared("menu:seen"), CLIENT));
}

#[test]
fn removing_a_rule_undoes_adding_it() {
    let mut router = MessageRouter::with_default_rules();
    router.add(table_rule()).unwrap();
    assert_eq!(router.remove(Some(&tenant("t1")), "tables"), Some(table_rule()));
    assert_eq!(router.remove(Some(&tenant("t1")), "tables"), None);
    assert!(!may_send(&router, "t1", &declared("table:opened"), CLIENT));
    assert_eq!(router.rules().count(), MessageRouter::with_default_rules().rules().count());
}

#[test]
fn a_default_rule_can_be_removed() {
    let mut router = MessageRouter::with_default_rules();
    router.remove(None, "default:order:created").unwrap();
    assert!(!may_send(&router, "t1", &EventType::OrderCreated.into(), CLIENT));
    assert!(may_send(&router, "t1", &EventType::OrderUpdated.into(), CLIENT));
}

#[test]
fn rules_add_up() {
    let mut router = MessageRouter::with_default_rules();
    router
        .add(rule(r#"{"id":"couriers","events":"order:created","from":["client_app"],"to":["delivery_app"]}"#))
        .unwrap();
    let event = EventType::OrderCreated.into();
    let audience = router.audience(&tenant("t1"), &event, CLIENT, None, &About::default());
    let expected = [
        ApplicationType::TenantDashboard,
        ApplicationType::KitchenApp,
        ApplicationType::DeliveryApp,
    ];
    assert_eq!(audience.applications, ApplicationSet::of(&expected));
    // The rule is for one source; the others' audience is as before.
    let audience = router.audience(&tenant("t1"), &event, Source::System, None, &About::default());
    assert!(!audience.applications.contains(ApplicationType::DeliveryApp));
}

#[test]
fn a_rule_that_does_not_hold_changes_nothing() {
    let mut router = MessageRouter::with_default_rules();
    router.add(table_rule()).unwrap();
    let before: Vec<_> = router.rules().cloned().collect();
    let id = || String::from("x");
    let base = Rule { id: id(), ..table_rule() };
    let events = |source| RuleError::Events { id: id(), source };
    let cases = [
        (table_rule(), RuleError::IdTaken { id: "tables".into() }),
        (Rule { id: String::new(), ..base.clone() }, RuleError::IdMalformed),
        (Rule { id: "x".repeat(129), ..base.clone() }, RuleError::IdMalformed),
        (Rule { id: "a\nb".into(), ..base.clone() }, RuleError::IdMalformed),
        (Rule { from: vec![], ..base.clone() }, RuleError::NoSource { id: id() }),
        (Rule { from: vec![CLIENT; 17], ..base.clone() }, RuleError::ListTooLong { id: id() }),
        (Rule { events: "table".into(), ..base.clone() }, events(EventPatternError::Malformed)),
        (Rule { events: "system:*".into(), ..base.clone() }, events(EventPatternError::Reserved)),
    ];
    for (bad, expected) in cases {
        assert_eq!(router.add(bad), Err(expected));
        assert!(router.rules().eq(&before));
    }
}

#[test]
fn two_tenants_may_have_rules_of_one_id_and_each_changes_its_own_alone() {
    let mut router = MessageRouter::with_default_rules();
    let of = |name: &str| Rule { tenant: Some(tenant(name)), ..table_rule() };
    router.add(of("t1")).unwrap();
    router.add(of("t2")).unwrap();
    // One for every tenant would be a second one of its id for both.
    let shared = Rule { tenant: None, ..table_rule() };
    assert_eq!(router.add(shared), Err(RuleError::IdTaken { id: "tables".into() }));
    assert_eq!(router.remove(None, "tables"), None);
    assert_eq!(router.remove(Some(&tenant("t1")), "tables"), Some(of("t1")));
    assert!(!may_send(&router, "t1", &declared("table:opened"), CLIENT));
    assert!(may_send(&router, "t2", &declared("table:opened"), CLIENT));
    // A tenant has no way to a rule for every tenant.
    assert_eq!(router.remove(Some(&tenant("t2")), "default:order:created"), None);
}

#[test]
fn a_tenant_s_rules_are_limited_and_do_not_use_up_another_s() {
    let mut router = MessageRouter::empty();
    let numbered = |of: &str, n: usize| Rule {
        id: format!("{of}-{n}"),
        tenant: Some(tenant(of)),
        ..table_rule()
    };
    for n in 0..RULES_PER_TENANT_MAX {
        router.add(numbered("t1", n)).unwrap();
    }
    assert_eq!(router.add(numbered("t1", RULES_PER_TENANT_MAX)), Err(RuleError::TooMany));
    router.add(numbered("t2", 0)).unwrap();
}

#[test]
fn a_rule_reads_and_writes_the_names_on_the_wire() {
    let json = r#"{"id":"tables","tenant":"t1","events":"table:*","from":["client_app","system"],"permission":"write:orders","to":["tenant_dashboard","every_application","order_room","customer","assignee","station_room","route_room"]}"#;
    assert_eq!(serde_json::to_string(&rule(json)).unwrap(), json);
    let shared = r#"{"id":"x","events":"*","from":["kitchen_app"],"to":[]}"#;
    assert_eq!(serde_json::to_string(&rule(shared)).unwrap(), shared);
    for bad in [
        r#"{"id":"x","events":"*","from":["kitchen"],"to":[]}"#,
        r#"{"id":"x","events":"*","from":["kitchen_app"],"to":["everyone"]}"#,
        r#"{"id":"x","tenant":"a b","events":"*","from":["kitchen_app"],"to":[]}"#,
        r#"{"id":"x","events":"*","from":["kitchen_app"],"to":[],"unknown":1}"#,
        r#"{"id":"x","events":"*","from":["kitchen_app"],"permission":"fly","to":[]}"#,
    ] {
        serde_json::from_str::<Rule>(bad).unwrap_err();
    }
}

#[test]
fn a_room_is_named_once_when_the_customer_is_the_assignee() {
    let mut router = MessageRouter::empty();
    let to = vec![Destination::Customer, Destination::Assignee];
    router.add(Rule { to, ..table_rule() }).unwrap();
    let about = About { customer: Some("u1"), assignee: Some("u1"), ..About::default() };
    let audience = router.audience(&tenant("t1"), &declared("table:x"), CLIENT, None, &about);
    assert_eq!(audience.rooms.as_slice(), [RoomName::User("u1")]);
}

#[test]
fn an_explanation_says_which_rule_sent_it_where_and_what_the_target_removed() {
    let router = MessageRouter::with_default_rules();
    let sender = Sender {
        source: Source::Application(ApplicationType::KitchenApp),
        permissions: PermissionSet::ALL,
    };
    let target = ApplicationSet::of(&[ApplicationType::KitchenApp]);
    let about = About { order: Some("o1"), ..About::default() };
    let event = EventType::KitchenPreparationCompleted.into();
    let explanation = router.explain(&tenant("t1"), &event, sender, Some(target), &about);
    assert_eq!(
        explanation.to_string(),
        "kitchen_app may send kitchen:preparation_completed in tenant t1\n\
         rules that cover it:\n  \
           default:kitchen:*\n  \
           default:kitchen:preparation_completed\n\
         goes to:\n  \
           kitchen_app, by default:kitchen:*\n  \
           station_room, by default:kitchen:*; left out: the event names no station\n  \
           tenant_dashboard, by default:kitchen:*; left out: the message's target does not name it\n  \
           order_room (order:t1:o1), by default:kitchen:*\n  \
           delivery_app, by default:kitchen:preparation_completed; left out: the message's target does not name it\n\
         removed by the message's target: tenant_dashboard, delivery_app\n\
         to receive it a token needs read:kitchen or read:delivery"
    );
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["read"], serde_json::json!(["read:kitchen", "read:delivery"]));
    assert_eq!(json["isAllowed"], true);
    assert_eq!(json["removedByTarget"], serde_json::json!(["tenant_dashboard", "delivery_app"]));
    assert_eq!(json["destinations"][3]["room"], "order:t1:o1");
}

#[test]
fn an_explanation_of_a_refusal_says_why() {
    let router = MessageRouter::with_default_rules();
    let sender = Sender { source: CLIENT, permissions: PermissionSet::NONE };
    let explain = |event: EventType| {
        router.explain(&tenant("t1"), &event.into(), sender, None, &About::default())
    };
    let denied = explain(EventType::OrderCreated);
    assert_eq!(denied.refusal.as_ref().unwrap().code(), ErrorCode::PermissionDenied);
    assert!(denied.to_string().contains("the sender lacks write:orders"));
    let forbidden = explain(EventType::OrderAssigned);
    assert_eq!(forbidden.refusal.as_ref().unwrap().code(), ErrorCode::SourceForbidden);
    assert!(forbidden.to_string().contains("not for client_app"));
    assert!(forbidden.destinations.is_empty());
}
