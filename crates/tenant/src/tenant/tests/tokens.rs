//! Tokens that end while their connection is there, and those that are revoked.

use foodtrack_contract::{ApplicationType, Revocation, RevocationTarget};

use super::Test;
use crate::connection_slot::ConnectionSlot;
use crate::input::Input;
use crate::request::{Answer, Request, RequestId};

/// The kitchen with a token that ends at this second, at the beginning of time.
fn renewed(expires_at_s: u64) -> (Test, ConnectionSlot) {
    let mut test = Test::new();
    let chef = test.enter("chef", ApplicationType::KitchenApp);
    test.begin(chef);
    test.publish(chef, "authenticate", &format!("\"{expires_at_s}\""));
    (test, chef)
}

/// What is told, and when it is looked at next, at this second.
fn look(test: &mut Test, chef: ConnectionSlot, now_s: u64) -> (Vec<&'static str>, Option<u64>) {
    look_at(test, chef, now_s * 1_000)
}

fn look_at(test: &mut Test, chef: ConnectionSlot, now_ms: u64) -> (Vec<&'static str>, Option<u64>) {
    test.now_ms = now_ms;
    test.world.alarms.clear();
    let told = test.handle(Input::TokenEnds(chef));
    let kind = |text: &str| match text {
        _ if text.contains("token_expiring") => "warned",
        _ if text.contains("token_expired") => "ended",
        _ => "something else",
    };
    let told = told.iter().map(|(_, text)| kind(text)).collect();
    (told, test.world.alarms.last().map(|(_, at_s)| *at_s))
}

#[test]
fn a_minute_before_its_token_ends_a_connection_is_warned_once_and_then_its_transport_closes() {
    let (mut test, chef) = renewed(3_600);
    assert_eq!(test.world.alarms.last(), Some(&(chef.place(), 3_540)));
    // An alarm has an end of its own, and comes too early.
    assert_eq!(look(&mut test, chef, 1_000), (vec![], Some(3_540)));
    assert_eq!(look(&mut test, chef, 3_540), (vec!["warned"], Some(3_600)));
    assert_eq!(look(&mut test, chef, 3_600), (vec!["ended"], None));
    assert_eq!((test.world.closed, test.world.disconnected), (vec![chef.place()], vec![]));
}

#[test]
fn an_alarm_that_is_some_milliseconds_early_is_in_time_and_warns_nobody_twice() {
    let (mut test, chef) = renewed(3_600);
    assert_eq!(look_at(&mut test, chef, 3_539_998), (vec!["warned"], Some(3_600)));
    assert_eq!(look_at(&mut test, chef, 3_599_998), (vec!["ended"], None));
}

#[test]
fn a_fresh_token_puts_the_warning_off_and_a_short_one_is_warned_of_in_its_middle() {
    let (mut test, chef) = renewed(3_600);
    look(&mut test, chef, 3_540);
    test.publish(chef, "authenticate", "\"7200\"");
    assert_eq!(test.world.alarms.last(), Some(&(chef.place(), 7_140)));
    // The alarm of the first token.
    assert_eq!(look(&mut test, chef, 3_600), (vec![], Some(7_140)));
    test.publish(chef, "authenticate", "\"3640\"");
    assert_eq!(test.world.alarms.last(), Some(&(chef.place(), 3_620)));
    assert_eq!(look(&mut test, chef, 3_620), (vec!["warned"], Some(3_640)));
}

#[test]
fn who_is_revoked_is_told_and_sent_away_and_nobody_else_is() {
    let mut test = Test::new();
    let chef = test.enter("chef", ApplicationType::KitchenApp);
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    let target = RevocationTarget::User("chef".into());
    let revocation = Revocation { target, issued_through_s: 0 };
    let told = test.handle(Input::Request(RequestId(1), Request::Revoke(revocation.clone())));
    assert!(told.iter().all(|(to, text)| *to == chef.place() && text.contains("token_revoked")));
    assert_eq!((told.len(), &test.world.disconnected), (1, &vec![chef.place()]));
    assert!(matches!(test.world.answers[..], [(RequestId(1), Answer::Disconnected(1))]));
    // It is gone at once: what it still sends is nobody's, and it is not ended twice.
    assert_eq!(test.publish(chef, "order:created", super::ORDER), []);
    test.handle(Input::Request(RequestId(2), Request::Revoke(revocation)));
    assert!(matches!(test.world.answers.last(), Some((_, Answer::Disconnected(0)))));
    assert_eq!(test.publish(owner, "order:created", super::ORDER), []);
    assert_eq!(test.world.submitted, [1]);
}
