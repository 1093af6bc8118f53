//! What holds for every rule, message and target.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventName, EventType, Permission, PermissionSet, Source,
    TenantId,
};
use foodtrack_router::{About, Destination, MessageRouter, Rule, Sender};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PATTERNS: [&str; 7] =
    ["*", "order:*", "order:created", "kitchen:*", "table:*", "table:opened", "delivery:assigned"];
const DESTINATIONS: [Destination; 10] = [
    Destination::Application(ApplicationType::ClientApp),
    Destination::Application(ApplicationType::TenantDashboard),
    Destination::Application(ApplicationType::KitchenApp),
    Destination::Application(ApplicationType::DeliveryApp),
    Destination::EveryApplication,
    Destination::OrderRoom,
    Destination::Customer,
    Destination::Assignee,
    Destination::StationRoom,
    Destination::RouteRoom,
];

fn tenant_id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn sources() -> Vec<Source> {
    let applications = ApplicationType::ALL.map(Source::Application);
    applications.into_iter().chain([Source::System]).collect()
}

fn permission_set() -> impl Strategy<Value = PermissionSet> {
    subsequence(Permission::ALL.to_vec(), 0..=9).prop_map(|list| PermissionSet::of(&list))
}

fn application_set() -> impl Strategy<Value = ApplicationSet> {
    subsequence(ApplicationType::ALL.to_vec(), 0..=4).prop_map(|list| ApplicationSet::of(&list))
}

fn a_rule(tenants: &'static [Option<&'static str>]) -> impl Strategy<Value = Rule> {
    (
        select(tenants),
        select(&PATTERNS[..]),
        subsequence(sources(), 1..=5),
        proptest::option::of(select(&Permission::ALL[..])),
        subsequence(DESTINATIONS.to_vec(), 0..=10),
    )
        .prop_map(|(tenant, events, from, permission, to)| Rule {
            id: String::new(),
            tenant: tenant.map(tenant_id),
            events: events.to_owned(),
            from,
            permission,
            to,
        })
}

fn an_event() -> impl Strategy<Value = EventName> {
    prop_oneof![
        select(EventType::ALL).prop_map(EventName::from),
        select(&["table:opened", "table:closed", "order:rated"][..])
            .prop_map(|name| EventName::Declared(name.into())),
    ]
}

fn an_about() -> impl Strategy<Value = About<'static>> {
    let id = || proptest::option::of(select(&["1", "2"][..]));
    (id(), id(), id(), id(), id()).prop_map(|(order, customer, station, route, assignee)| About {
        order,
        customer,
        station,
        route,
        assignee,
    })
}

fn a_message() -> impl Strategy<Value = (EventName, Sender, About<'static>)> {
    let sender = (select(sources()), permission_set())
        .prop_map(|(source, permissions)| Sender { source, permissions });
    (an_event(), sender, an_about())
}

fn with_rules(mut router: MessageRouter, rules: &[Rule], prefix: &str) -> MessageRouter {
    for (n, rule) in rules.iter().enumerate() {
        router.add(Rule { id: format!("{prefix}{n}"), ..rule.clone() }).unwrap();
    }
    router
}

fn rules(tenants: &'static [Option<&'static str>]) -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(a_rule(tenants), 0..6)
}

proptest! {
    #[test]
    fn a_target_narrows_and_never_widens(
        rules in rules(&[None, Some("t1")]),
        (event, sender, about) in a_message(),
        target in application_set(),
    ) {
        let router = with_rules(MessageRouter::with_default_rules(), &rules, "x");
        let t1 = tenant_id("t1");
        let whole = router.audience(&t1, &event, sender.source, None, &about);
        let narrowed = router.audience(&t1, &event, sender.source, Some(target), &about);
        prop_assert_eq!(narrowed.applications, whole.applications.intersection(target));
        prop_assert_eq!(narrowed.only, target);
        prop_assert_eq!(&narrowed.rooms, &whole.rooms);
        prop_assert_eq!(narrowed.read, whole.read);
        prop_assert_eq!(whole.only, ApplicationSet::ALL);
    }

    #[test]
    fn the_rules_of_one_tenant_never_affect_another(
        shared in rules(&[None]),
        others in rules(&[Some("t2")]),
        (event, sender, about) in a_message(),
    ) {
        let without = with_rules(MessageRouter::with_default_rules(), &shared, "s");
        let with = with_rules(without.clone(), &others, "o");
        let t1 = tenant_id("t1");
        prop_assert_eq!(
            without.authorize(&t1, &event, sender),
            with.authorize(&t1, &event, sender)
        );
        prop_assert_eq!(
            without.explain(&t1, &event, sender, None, &about),
            with.explain(&t1, &event, sender, None, &about)
        );
        prop_assert_eq!(
            without.audience(&t1, &event, sender.source, None, &about),
            with.audience(&t1, &event, sender.source, None, &about)
        );
    }

    /// The audience comes from tables made in advance, the explanation from the rules themselves.
    #[test]
    fn an_explanation_agrees_with_the_audience(
        rules in rules(&[None, Some("t1"), Some("t2")]),
        (event, sender, about) in a_message(),
        target in proptest::option::of(application_set()),
    ) {
        let router = with_rules(MessageRouter::with_default_rules(), &rules, "x");
        let t1 = tenant_id("t1");
        let audience = router.audience(&t1, &event, sender.source, target, &about);
        let explanation = router.explain(&t1, &event, sender, target, &about);

        let decision = router.authorize(&t1, &event, sender);
        let rule_lets = explanation.rules.iter().any(|r| r.is_for_source && r.lacking.is_none());
        prop_assert_eq!(decision.is_ok(), rule_lets);
        prop_assert_eq!(explanation.is_allowed, rule_lets);
        prop_assert_eq!(&explanation.refusal, &decision.err());

        let mut applications = ApplicationSet::EMPTY;
        let mut explained_rooms: Vec<String> = Vec::new();
        for destination in &explanation.destinations {
            match destination.to {
                Destination::EveryApplication => applications = ApplicationSet::ALL,
                Destination::Application(one) => applications.insert(one),
                _ => explained_rooms.extend(destination.room.clone()),
            }
        }
        for removed in explanation.removed_by_target.iter() {
            prop_assert!(applications.contains(removed) && !audience.applications.contains(removed));
        }
        let kept = applications.iter().filter(|one| !explanation.removed_by_target.contains(*one));
        prop_assert_eq!(audience.applications, kept.collect::<ApplicationSet>());
        explained_rooms.sort();
        explained_rooms.dedup();
        let mut rooms: Vec<_> =
            audience.rooms.iter().map(|room| room.of(&t1).to_string()).collect();
        rooms.sort();
        prop_assert_eq!(rooms, explained_rooms);
        prop_assert_eq!(audience.read, explanation.read);
    }

    #[test]
    fn adding_and_removing_rules_in_any_order_leaves_what_is_left(
        rules in rules(&[None, Some("t1"), Some("t2")]),
        gone in prop::collection::vec(any::<bool>(), 6),
        (event, sender, about) in a_message(),
    ) {
        let mut router = with_rules(MessageRouter::with_default_rules(), &rules, "x");
        let mut fresh = MessageRouter::with_default_rules();
        for (n, rule) in rules.iter().enumerate() {
            if gone[n] {
                router.remove(rule.tenant.as_ref(), &format!("x{n}")).unwrap();
            } else {
                fresh.add(Rule { id: format!("x{n}"), ..rule.clone() }).unwrap();
            }
        }
        for of in ["t1", "t2", "t3"].map(tenant_id) {
            prop_assert_eq!(
                router.explain(&of, &event, sender, None, &about),
                fresh.explain(&of, &event, sender, None, &about)
            );
            prop_assert_eq!(
                router.audience(&of, &event, sender.source, None, &about),
                fresh.audience(&of, &event, sender.source, None, &about)
            );
            prop_assert_eq!(
                router.authorize(&of, &event, sender),
                fresh.authorize(&of, &event, sender)
            );
        }
    }
}
