//! Rooms that are joined and left: who is told so finds it so after a restart.

use foodtrack_contract::{ApplicationType, DeviceId, ErrorCode, Refusal};
use foodtrack_tenant_log::{Completion, RefusedReason};

use super::{ORDER, Sent, Test};
use crate::connection_slot::ConnectionSlot;
use crate::input::Input;

/// Whether somebody receives what another one says of order 42.
fn is_followed(test: &mut Test, by: ConnectionSlot, who: ConnectionSlot) -> bool {
    let at = test.world.submitted.len() as u64 + 1;
    test.publish(by, "delivery:picked_up", &format!(r#"{{"orderId":"42","number":{at}}}"#));
    let sent = test.committed(at);
    sent.iter().any(|(to, text)| *to == who.place() && text.starts_with("2[\"delivery"))
}

fn noted(test: &mut Test, ticket: u64) -> Sent {
    let tenant = test.tenant.id().clone();
    test.handle(Input::Log(Completion::Noted { tenant, ticket }))
}

#[test]
fn who_is_told_that_a_room_is_left_is_not_in_it_again_also_where_the_disk_was_full() {
    let mut test = Test::new();
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    let other = test.enter("rui", ApplicationType::DeliveryApp);
    assert_eq!(test.publish(courier, "subscribe:order", ORDER), []);
    let sent = noted(&mut test, 1);
    assert!(sent[0].1.starts_with("2[\"subscribed\""), "{sent:?}");
    assert!(is_followed(&mut test, other, courier));
    // The disk is full: what it asks for is refused, and was not done. It is in the room as a restart would find it.
    assert_eq!(test.publish(courier, "unsubscribe:order", ORDER), []);
    let (tenant, reason) = (test.tenant.id().clone(), RefusedReason::DiskFull);
    let refused = Completion::NoteRefused { tenant, ticket: 2, reason };
    let sent = test.handle(Input::Log(refused));
    assert!(sent.len() == 1 && sent[0].1.contains("storage_full"), "{sent:?}");
    assert!(is_followed(&mut test, other, courier));
    // Its next attempt has to wait for the disk, too.
    assert_eq!(test.publish(courier, "unsubscribe:order", ORDER), []);
    assert!(is_followed(&mut test, other, courier), "it was not told yet");
    let sent = noted(&mut test, 3);
    assert!(sent[0].1.starts_with("2[\"unsubscribed\""), "{sent:?}");
    assert!(!is_followed(&mut test, other, courier));
}

fn not_noted(test: &mut Test, ticket: u64) -> Sent {
    let (tenant, reason) = (test.tenant.id().clone(), RefusedReason::DiskFull);
    test.handle(Input::Log(Completion::NoteRefused { tenant, ticket, reason }))
}

#[test]
fn who_asks_again_for_a_room_is_in_it_where_either_row_is_kept() {
    for (is_first_kept, is_second_kept) in [(true, false), (false, true), (false, false)] {
        let mut test = Test::new();
        let courier = test.enter("leo", ApplicationType::DeliveryApp);
        let other = test.enter("rui", ApplicationType::DeliveryApp);
        // It does not know whether the first one arrived.
        test.publish(courier, "subscribe:order", ORDER);
        test.publish(courier, "subscribe:order", ORDER);
        for (ticket, is_kept) in [(1, is_first_kept), (2, is_second_kept)] {
            let answer = if is_kept { "2[\"subscribed\"" } else { "37[{\"success\":false" };
            let sent =
                if is_kept { noted(&mut test, ticket) } else { not_noted(&mut test, ticket) };
            assert!(sent[0].1.starts_with(answer), "{sent:?}");
        }
        let is_in = is_first_kept || is_second_kept;
        assert_eq!(is_followed(&mut test, other, courier), is_in, "{is_first_kept}");
    }
}

#[test]
fn a_room_that_was_left_and_joined_again_is_left_where_that_is_not_kept() {
    for is_left in [true, false] {
        let mut test = Test::new();
        let courier = test.enter("leo", ApplicationType::DeliveryApp);
        let other = test.enter("rui", ApplicationType::DeliveryApp);
        test.publish(courier, "subscribe:order", ORDER);
        noted(&mut test, 1);
        test.publish(courier, "unsubscribe:order", ORDER);
        test.publish(courier, "subscribe:order", ORDER);
        if is_left {
            noted(&mut test, 2)
        } else {
            not_noted(&mut test, 2)
        };
        not_noted(&mut test, 3);
        assert_eq!(is_followed(&mut test, other, courier), !is_left, "as the disk says");
    }
}

#[test]
fn where_nobody_knows_whether_a_room_is_kept_both_leaving_and_joining_it_are_written() {
    let mut test = Test::new();
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    let other = test.enter("rui", ApplicationType::DeliveryApp);
    let unknown = |test: &mut Test, ticket| {
        let (tenant, reason) = (test.tenant.id().clone(), RefusedReason::Unknown);
        let sent = test.handle(Input::Log(Completion::NoteRefused { tenant, ticket, reason }));
        assert!(sent.len() == 1 && sent[0].1.contains("\"timeout\""), "{sent:?}");
    };
    test.publish(courier, "subscribe:order", ORDER);
    unknown(&mut test, 1);
    // It asks again, and this one is refused for certain: what the first one left on disk is as doubtful as before.
    test.publish(courier, "subscribe:order", ORDER);
    not_noted(&mut test, 2);
    // A row may say that it is in the room, so another one has to say that it is not.
    assert_eq!(test.publish(courier, "unsubscribe:order", ORDER), [], "it waits for the disk");
    unknown(&mut test, 3);
    // A row may say that it is not.
    assert_eq!(test.publish(courier, "subscribe:order", ORDER), [], "it waits for the disk");
    let sent = noted(&mut test, 4);
    assert!(sent[0].1.starts_with("2[\"subscribed\""), "{sent:?}");
    assert!(is_followed(&mut test, other, courier));
}

#[test]
fn a_room_that_a_device_leaves_is_left_also_by_the_session_that_it_was_in_before() {
    let mut test = Test::new();
    test.device = DeviceId::parse("tablet-1").ok();
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    test.publish(courier, "subscribe:order", ORDER);
    noted(&mut test, 1);
    let rooms = |test: &Test, slot: ConnectionSlot| {
        let connection = test.tenant.present(slot).unwrap();
        let key = &test.tenant.reliability.subscriber(connection.subscriber).unwrap().key;
        test.tenant.sessions.last_rooms_of(key).len()
    };
    // It begins a session anew, and has not asked for the room in that.
    let again = test.enter("leo", ApplicationType::DeliveryApp);
    assert_eq!(rooms(&test, again), 1);
    assert_eq!(test.publish(again, "unsubscribe:order", ORDER), [], "it waits for the disk");
    let sent = noted(&mut test, 2);
    assert!(sent[0].1.starts_with("2[\"unsubscribed\""), "{sent:?}");
    assert_eq!(rooms(&test, again), 0);
}

#[test]
fn a_room_that_is_kept_cannot_be_left_while_the_log_is_away() {
    let mut test = Test::new();
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    test.publish(courier, "subscribe:order", ORDER);
    noted(&mut test, 1);
    let (tenant, reason) = (test.tenant.id().clone(), RefusedReason::Poisoned);
    test.handle(Input::Log(Completion::OpenFailed { tenant, reason }));
    let sent = test.publish(courier, "unsubscribe:order", ORDER);
    assert!(sent.len() == 1 && sent[0].1.contains("storage_failed"), "{sent:?}");
}

#[test]
fn a_join_that_the_back_end_has_a_say_in_keeps_its_senders_order_and_is_asked_about_once() {
    let mut test = Test::new();
    test.world.asks_to_join = true;
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    let other = test.enter("rui", ApplicationType::DeliveryApp);
    assert_eq!(test.publish(courier, "subscribe:order", ORDER), []);
    assert_eq!(test.publish(courier, "ping", "null"), [], "it stands behind");
    assert!(test.publish(other, "ping", "null")[0].1.contains("pong"), "others do not");
    assert!(!is_followed(&mut test, other, courier));
    let question = test.world.hooks.remove(0);
    let sent = test.handle(Input::Permitted(question.clone(), Ok(())));
    assert!(sent[0].1.contains("pong"), "what it joined is told when that is on disk: {sent:?}");
    assert!(is_followed(&mut test, other, courier));
    assert!(test.world.hooks.is_empty(), "the answer was enough, though nobody remembers it");
    // An answer that nobody waits for changes nothing.
    assert_eq!(test.handle(Input::Permitted(question, Ok(()))), []);
}

#[test]
fn a_join_that_the_back_end_refuses_is_not_made_and_what_stands_behind_it_is_done() {
    let mut test = Test::new();
    test.world.asks_to_join = true;
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    let other = test.enter("rui", ApplicationType::DeliveryApp);
    test.publish(courier, "subscribe:order", ORDER);
    test.publish(courier, "ping", "null");
    let question = test.world.hooks.remove(0);
    let refusal = Refusal::new(ErrorCode::UpstreamRefused, "not yours");
    let sent = test.handle(Input::Permitted(question, Err(refusal)));
    assert!(sent[0].1.contains("not yours"), "{sent:?}");
    assert!(sent[1].1.contains("pong"), "{sent:?}");
    assert!(!is_followed(&mut test, other, courier));
}
