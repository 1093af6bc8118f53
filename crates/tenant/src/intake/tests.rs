//! The intake alone: what may come in, and what is known of it then.

use foodtrack_contract::{ApplicationType, ErrorCode, EventType};
use foodtrack_tenant_log::HEAD_ORDERS_MAX;

use super::*;
use crate::samples::{World, log_entry};

struct Test {
    tenant: TenantId,
    policies: Policies,
    key: EmissionKey,
    intake: Intake,
}

impl Test {
    fn new(is_all_known: bool) -> Self {
        let mut intake = Intake::default();
        let key = EmissionKey::new(&[1; 16]);
        let orders = if is_all_known { 0 } else { HEAD_ORDERS_MAX };
        let orders = (0..orders).map(|n| (format!("old-{n}").into(), None)).collect();
        let has_assignments = !is_all_known;
        let log = OpenedLog { orders, has_assignments, emissions: Vec::new(), is_shared: false };
        intake.opened(log, HEAD_ORDERS_MAX, &key, 0);
        let tenant = TenantId::parse("t1").unwrap();
        Self { tenant, policies: Policies::default(), key, intake }
    }

    fn check<'a>(&mut self, user: &str, name: &'a str, argument: &'a str) -> Checking<'a> {
        self.check_by(ApplicationType::ClientApp, user, name, argument)
    }

    /// Of a courier, who accepts an order.
    fn accept<'a>(&mut self, user: &str, argument: &'a str) -> Checking<'a> {
        self.check_by(ApplicationType::DeliveryApp, user, "delivery:assigned", argument)
    }

    fn check_by<'a>(
        &mut self,
        application: ApplicationType,
        user: &str,
        name: &'a str,
        argument: &'a str,
    ) -> Checking<'a> {
        let source = Source::Application(application);
        let publisher = Publisher {
            user,
            sender: self.key.sender(user, None, source),
            role: UserRole::Customer,
            source,
            permissions: PermissionSet::ALL,
        };
        let circumstances = Circumstances {
            tenant: &self.tenant,
            policies: &self.policies,
            emission_key: &self.key,
            now_ms: 0,
            timestamp: "2026-11-23T12:00:00.000Z",
            log: Ok(()),
            must_ask_for: &|_| false,
        };
        let emitted = Emitted { name, argument, attachments: &[], spare_id: None };
        let mut world = World::default();
        self.intake.check(&circumstances, publisher, emitted, &mut world)
    }

    fn refusal(&mut self, user: &str, name: &str, argument: &str) -> ErrorCode {
        match self.check(user, name, argument) {
            Err(Stopped::Refused(refusal)) => refusal.code(),
            Err(Stopped::Asks(what)) => unreachable!("it asks for {what:?}"),
            Ok(_) => unreachable!("it passes"),
        }
    }

    /// An event that passes and is in the log from now on.
    fn publish(&mut self, user: &str, name: &str, argument: &str, at: u64) {
        let Ok(checked) = self.check(user, name, argument) else { unreachable!("it passes") };
        self.intake.submitted(&checked, offset(at));
        self.intake.seen(&checked, offset(at), 0);
        self.intake.done(checked);
    }
}

type Checking<'a> = Result<Checked<'a>, Stopped>;

fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

const CREATED: &str = "order:created";
const ORDER: &str = r#"{"orderId":"42"}"#;

#[test]
fn an_order_is_whose_the_first_accepted_event_says_and_a_check_alone_says_nothing() {
    let mut test = Test::new(true);
    assert!(test.check("eve", CREATED, ORDER).is_ok());
    test.publish("ada", CREATED, ORDER, 1);
    assert_eq!(test.intake.whose("42"), Whose::Customers("ada"));
    assert_eq!(test.refusal("eve", CREATED, ORDER), ErrorCode::OrderForbidden);
    let named = r#"{"orderId":"43","customerId":"ada"}"#;
    assert_eq!(test.refusal("eve", CREATED, named), ErrorCode::OrderForbidden);
}

#[test]
fn what_memory_does_not_know_of_an_order_is_asked_first() {
    let mut test = Test::new(false);
    let asked = Question::OwnerOf("42".into());
    assert!(matches!(test.check("ada", CREATED, ORDER), Err(Stopped::Asks(it)) if it == asked));
    test.intake.learn("42", Some(Some("eve".into())));
    assert_eq!(test.refusal("ada", CREATED, ORDER), ErrorCode::OrderForbidden);
    assert!(test.intake.must_ask("44", Ok(())));
    assert!(!test.intake.must_ask("44", Err(Unavailable::NotYet)), "nobody can be asked");
}

#[test]
fn an_event_that_comes_again_is_known_by_its_id_or_by_what_it_says_until_the_store_refuses_it() {
    let mut test = Test::new(true);
    test.publish("ada", CREATED, ORDER, 1);
    let again = test.check("ada", CREATED, ORDER).unwrap();
    assert_eq!(test.intake.first_of(&again, 0).unwrap().1, Some(offset(1)));
    let entry = LogEntry {
        entity: Some("42".into()),
        creates_order: Some(foodtrack_tenant_log::OrderOwner { customer: None }),
        ..log_entry(offset(1))
    };
    test.intake.refused(&entry);
    assert!(test.intake.first_of(&again, 0).is_none());
    assert_eq!(test.intake.whose("42"), Whose::NotMade);
    let id = Uuid::from_u128(7);
    let named = format!("{{\"type\":\"{CREATED}\",\"id\":\"{id}\",\"payload\":{ORDER}}}");
    let named = test.check("ada", CREATED, &named).unwrap();
    assert!(named.is_named && test.intake.first_of(&named, 0).is_none());
    test.intake.seen_unlogged(&named);
    assert_eq!(test.intake.first_of(&named, 0), Some((id, None)));
}

#[test]
fn a_client_does_not_decide_its_tenant_or_its_source() {
    let mut test = Test::new(true);
    for (claim, code) in [
        (r#""tenantId":"t2""#, ErrorCode::TenantMismatch),
        (r#""source":"kitchen_app""#, ErrorCode::SourceForbidden),
        (r#""encrypted":true"#, ErrorCode::MessageMalformed),
    ] {
        let argument = format!("{{\"type\":\"{CREATED}\",{claim},\"payload\":{ORDER}}}");
        assert_eq!(test.refusal("ada", CREATED, &argument), code, "{claim}");
    }
}

#[test]
fn a_courier_has_an_order_from_when_it_is_submitted_until_the_store_refuses_it() {
    let mut test = Test::new(true);
    let by_dora = r#"{"orderId":"42","assigneeId":"dora"}"#;
    let by_dino = r#"{"orderId":"42","assigneeId":"dino"}"#;
    let first = test.accept("dora", by_dora).unwrap();
    assert!(test.accept("dino", by_dino).is_ok(), "a check alone says nothing");
    test.intake.submitted(&first, offset(1));
    let Err(Stopped::Refused(refusal)) = test.accept("dino", by_dino) else { unreachable!() };
    assert_eq!(refusal.code(), ErrorCode::OrderTaken);
    let again = test.accept("dora", by_dora).unwrap();
    assert_eq!(test.intake.first_of(&again, 0), Some((first.id, Some(offset(1)))));
    let entry = LogEntry {
        event: EventName::Builtin(EventType::DeliveryAssigned),
        entity: Some("42".into()),
        message: first.message.clone().into(),
        ..log_entry(offset(1))
    };
    test.intake.refused(&entry);
    let asked = Question::AssigneeOf("42".into());
    assert!(matches!(test.accept("dino", by_dino), Err(Stopped::Asks(it)) if it == asked));
    test.intake.learn_assignment("42", None);
    assert!(test.accept("dino", by_dino).is_ok());
    let Err(Stopped::Refused(refusal)) = test.accept("dino", by_dora) else { unreachable!() };
    assert_eq!(
        (refusal.code(), refusal.pointer()),
        (ErrorCode::PermissionDenied, Some("/assigneeId"))
    );
}
