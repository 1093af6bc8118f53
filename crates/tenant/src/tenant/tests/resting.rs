//! When a tenant can be dropped from memory.

use super::*;

/// What is remembered of an order's last event may be repeated for so long, after an opening of the log, too.
const REPEATED_MS: u64 = 300_000;

#[test]
fn a_tenant_is_at_rest_when_nobody_is_there_and_all_that_they_said_is_in_the_log() {
    let mut test = Test::closed();
    assert!(test.is_at_rest(), "nobody ever came");
    test.handle(Input::OpenLog);
    assert!(!test.is_at_rest(), "its log is being opened");
    test.open();
    assert!(test.is_at_rest());
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    assert!(!test.is_at_rest(), "somebody is here");
    test.publish(owner, "notification:info", NAMED);
    test.handle(Input::Gone(owner, "left"));
    test.now_ms = 10_000;
    test.handle(Input::Sweep(0));
    assert!(!test.is_at_rest(), "the log does not have it yet");
    test.committed(1);
    assert!(test.is_at_rest());
}

#[test]
fn a_tenant_is_not_at_rest_before_its_people_have_their_rates_back() {
    let mut test = Test::new();
    test.settings.limits.messages_per_user = crate::Rate { per_second: 1, burst: 100 };
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    (0..3).for_each(|_| _ = test.publish(owner, "notification:info", NAMED));
    test.committed(1);
    test.handle(Input::Gone(owner, "left"));
    let mut rests = |now_ms| {
        test.now_ms = now_ms;
        test.handle(Input::Sweep(0));
        test.is_at_rest()
    };
    assert_eq!([rests(2_999), rests(3_000)], [false, true]);
}

#[test]
fn a_tenant_is_not_at_rest_while_an_opened_log_would_take_an_event_for_a_repeat() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "order:created", ORDER);
    test.committed(1);
    test.handle(Input::Gone(owner, "left"));
    let mut rests = |now_ms| {
        test.now_ms = now_ms;
        test.handle(Input::Sweep(0));
        test.is_at_rest()
    };
    assert_eq!([rests(REPEATED_MS), rests(REPEATED_MS + 1)], [false, true]);
}

#[test]
fn a_tenant_is_not_at_rest_while_an_opened_log_would_have_an_event_watched_again() {
    let mut test = Test::new();
    let mut policies = crate::Policies::default();
    let watch = foodtrack_contract::Watch { by: ApplicationType::KitchenApp, within_ms: 200_000 };
    let policy = foodtrack_contract::DeliveryPolicy {
        watch: Some(watch),
        ..foodtrack_contract::DeliveryPolicy::of_class(foodtrack_contract::DeliveryClass::Durable)
    };
    policies.delivery.set("notification:info", policy);
    test.settings.policies = std::sync::Arc::new(policies);
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "notification:info", NAMED);
    test.committed(1);
    test.handle(Input::Gone(owner, "left"));
    test.now_ms = 100_000;
    test.handle(Input::Sweep(0));
    assert!(test.tenant.next_deadline_ms().is_some() && !test.is_at_rest(), "it is watched");
    for now_ms in [200_000, 400_000] {
        test.now_ms = now_ms;
        test.handle(Input::Deadline);
    }
    test.committed(2);
    assert!(test.tenant.next_deadline_ms().is_none() && !test.is_at_rest());
    test.now_ms = 800_001;
    assert!(test.is_at_rest());
}
