//! Fields that are hidden from some.

use std::sync::Arc;

use foodtrack_contract::{ApplicationType as App, UserRole};
use foodtrack_router::{HideFrom, Redaction, Redactions};

use super::Test;
use crate::policies::Policies;

/// Two redactions that overlap: one hides from couriers and dashboards, the other from dashboards.
fn hiding() -> Test {
    let mut redactions = Redactions::default();
    let hidden = |id: &str, field: &str, hide_from: &[HideFrom]| Redaction {
        id: id.into(),
        tenant: None,
        events: "order:created".into(),
        fields: vec![field.into()],
        hide_from: hide_from.into(),
    };
    let (kitchen, dashboard) = (App::KitchenApp, App::TenantDashboard);
    let both = [HideFrom::Application(kitchen), HideFrom::Application(dashboard)];
    redactions.add(hidden("cost", "/cost", &both)).unwrap();
    redactions.add(hidden("note", "/note", &both[1..])).unwrap();
    let nobody_here = [HideFrom::Role(UserRole::Chef)];
    redactions.add(hidden("id", "/orderId", &nobody_here)).unwrap();
    let mut test = Test::new();
    let redactions = Arc::new(redactions);
    test.settings.policies = Arc::new(Policies { redactions, ..Policies::default() });
    test
}

#[test]
fn an_event_is_redacted_and_encoded_once_for_each_view_and_not_for_each_recipient() {
    let mut test = hiding();
    let ada = test.enter("ada", App::ClientApp);
    let cooks = [1, 2, 3].map(|n| test.enter(&format!("cook{n}"), App::KitchenApp).place());
    let bosses = [1, 2].map(|n| test.enter(&format!("boss{n}"), App::TenantDashboard).place());
    test.publish(ada, "order:created", r#"{"orderId":"42","customerId":"ada","cost":3,"note":4}"#);
    let sent = test.committed(1);
    assert_eq!(test.world.frames.len(), 3, "whole, without the cost, without cost and note");
    let seen = |place: u32| {
        let (_, text) =
            sent.iter().find(|(to, text)| *to == place && text.starts_with("2[")).unwrap();
        (text.contains("cost"), text.contains("note"))
    };
    assert_eq!(seen(ada.place()), (true, true));
    assert!(cooks.iter().all(|cook| seen(*cook) == (false, true)), "{sent:?}");
    assert!(bosses.iter().all(|boss| seen(*boss) == (false, false)), "{sent:?}");
    test.publish(ada, "order:cancelled", r#"{"orderId":"42","customerId":"ada","cost":3}"#);
    let mut sent = test.committed(2);
    sent.retain(|(_, text)| text.starts_with("2["));
    assert!(sent.len() > 1 && sent.iter().all(|(_, text)| text.contains("cost")), "{sent:?}");
}

#[test]
fn an_event_that_has_none_of_the_hidden_fields_is_encoded_once_for_everybody() {
    let mut test = hiding();
    let ada = test.enter("ada", App::ClientApp);
    let others = [App::KitchenApp, App::TenantDashboard].map(|it| test.enter("other", it).place());
    test.publish(ada, "order:created", r#"{"orderId":"42","customerId":"ada","price":3}"#);
    let sent = test.committed(1);
    assert_eq!(test.world.frames.len(), 1, "{sent:?}");
    let is_sent = |place: u32| sent.iter().any(|(to, text)| *to == place && text.contains("price"));
    assert!(is_sent(ada.place()) && others.into_iter().all(is_sent), "{sent:?}");
}
