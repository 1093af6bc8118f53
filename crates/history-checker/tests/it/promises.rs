//! Each kind of broken promise is found, and what is allowed is left alone.

use foodtrack_contract::Priority;
use foodtrack_history_checker::{Class, Kind, Receipt, What, read_lines, write_lines};

use crate::story::Story;

#[test]
fn a_run_without_faults_holds() {
    let story = Story::new().publishes("1", "e-1").publishes("2", "e-2");
    story.gets("kitchen", "1", "e-1").gets("kitchen", "2", "e-2").holds(0);
}

#[test]
fn an_answer_may_name_an_offset_alone() {
    Story::new().publishes("1", "1").gets("kitchen", "1", "e-1").holds(0);
    Story::new().publishes("1", "2").gets("kitchen", "1", "e-1").breaks(&[Kind::Cursor]);
}

#[test]
fn a_recovered_session_that_gets_what_it_missed_holds() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").torn("kitchen");
    let story = story.publishes("2", "e-2").opened("kitchen", true);
    story.gets("kitchen", "2", "e-2").holds(0);
}

#[test]
fn an_acknowledged_event_that_does_not_arrive_is_lost() {
    Story::new().publishes("1", "e-1").breaks(&[Kind::Lost]);
}

#[test]
fn what_one_has_seen_is_lost_to_another_without_an_acknowledgement() {
    let story = Story::new().joins("other", "kitchen_app", Some("tablet")).greeted("other", "e-0");
    let story = story.tries("1", "1", Priority::Medium, Class::Durable);
    story.gets("kitchen", "1", "e-1").breaks(&[Kind::Lost]);
}

#[test]
fn what_was_published_before_the_first_connection_is_not_missed() {
    let early = Story::default().publishes("1", "e-1");
    early.joins("kitchen", "kitchen_app", None).greeted("kitchen", "e-1").holds(0);
}

#[test]
fn a_gap_in_the_middle_is_lost_and_the_cursor_false() {
    let story = Story::new().publishes("1", "e-1").publishes("2", "e-2");
    story.gets("kitchen", "2", "e-2").breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn an_event_twice_in_a_recovered_session_is_repeated() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").torn("kitchen");
    story.opened("kitchen", true).gets("kitchen", "1", "e-1").breaks(&[Kind::Repeated]);
}

#[test]
fn an_event_again_in_a_new_session_is_reshown() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").torn("kitchen");
    let story = story.opened("kitchen", false).greeted("kitchen", "e-0");
    story.gets("kitchen", "1", "e-1").holds(1);
}

#[test]
fn a_new_session_that_begins_behind_what_never_arrived_is_caught() {
    let story = Story::new().torn("kitchen").publishes("1", "e-1");
    let story = story.opened("kitchen", false).greeted("kitchen", "e-1");
    story.breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn sockets_without_a_device_share_what_arrived() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1");
    let story = story.joins("second", "kitchen_app", None).greeted("second", "e-1");
    story.holds(0);
}

#[test]
fn each_socket_gets_all_from_where_it_began() {
    let story = Story::new().joins("second", "kitchen_app", None).greeted("second", "e-0");
    story.publishes("1", "e-1").gets("kitchen", "1", "e-1").breaks(&[Kind::Lost]);
}

#[test]
fn another_tenants_event_is_foreign() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1");
    story.gets_from("kitchen", "1", "e-1", "b").breaks(&[Kind::Foreign]);
}

#[test]
fn an_event_for_others_is_foreign() {
    let story = Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
    let story = story.publishes("1", "e-1").gets("kitchen", "1", "e-1");
    story.gets("courier", "1", "e-1").breaks(&[Kind::Foreign]);
}

/// A courier that was in an order's room, and its second socket that was not.
fn two_couriers(device: Option<&str>) -> Story {
    let order = || "1".to_owned();
    let story = Story::new().joins("courier", "delivery_app", device).greeted("courier", "e-0");
    let story = story
        .and(What::Subscribing { recipient: "courier".into(), order: order() })
        .and(What::Subscribed { recipient: "courier".into(), order: order() })
        .torn("courier")
        .publishes("1", "e-1")
        .gets("kitchen", "1", "e-1");
    story.joins("again", "delivery_app", device).greeted("again", "e-0").gets("again", "1", "e-1")
}

#[test]
fn a_devices_room_is_the_devices_own_and_no_other_sockets() {
    let kinds = two_couriers(None).kinds();
    assert!(kinds.contains(&Kind::Foreign), "{kinds:?}");
    let kinds = two_couriers(Some("phone")).kinds();
    assert!(!kinds.contains(&Kind::Foreign), "{kinds:?}");
}

#[test]
fn an_event_that_nobody_sent_is_foreign() {
    Story::new().gets("kitchen", "9", "e-1").breaks(&[Kind::Foreign]);
}

#[test]
fn a_subscriber_of_an_order_lacks_what_its_room_got() {
    let subscribed = What::Subscribed { recipient: "courier".into(), order: "1".into() };
    let story = Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
    let story = story.and(subscribed).publishes("1", "e-1").gets("kitchen", "1", "e-1");
    story.breaks(&[Kind::Lost]);
}

#[test]
fn who_has_left_an_order_lacks_nothing() {
    let subscribed = What::Subscribed { recipient: "courier".into(), order: "1".into() };
    let leaving = What::Unsubscribing { recipient: "courier".into(), order: "1".into() };
    let story = Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
    let story = story.and(subscribed).and(leaving).publishes("1", "e-1");
    story.gets("kitchen", "1", "e-1").holds(0);
}

#[test]
fn who_leaves_an_order_and_is_torn_off_is_not_brought_what_had_not_come() {
    let subscribed = || What::Subscribed { recipient: "courier".into(), order: "1".into() };
    let leaving = || What::Unsubscribing { recipient: "courier".into(), order: "1".into() };
    let story = || {
        let story = Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
        story.and(subscribed()).publishes("1", "e-1").gets("kitchen", "1", "e-1")
    };
    let back =
        |story: Story| story.torn("courier").opened("courier", true).greeted("courier", "e-1");
    back(story().and(leaving())).holds(0);
    // Still in the room, or in it again for what comes then, or told on the same line that there was nothing.
    back(story()).breaks(&[Kind::Cursor, Kind::Lost]);
    let again = back(story().and(leaving())).and(subscribed());
    let again = again.publishes_about("2", "e-2", "1", Priority::Medium);
    again.gets("kitchen", "2", "e-2").breaks(&[Kind::Lost]);
    back(story().and(leaving()).greeted("courier", "e-1")).breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn who_leaves_an_order_leaves_it_where_their_node_stands() {
    let story = |story: Story| {
        let story = story.joins("courier", "delivery_app", None).greeted("courier", "e-0");
        let story = story.subscribes("courier", "1").publishes("1", "e-1");
        story.gets("kitchen", "1", "e-1")
    };
    let nodes = || Story::new().and(What::NodeUp { node: 0 }).and(What::NodeUp { node: 1 });
    story(nodes()).leaves("courier", "1").greeted("courier", "e-1").holds(0);
    story(nodes()).greeted("courier", "e-1").breaks(&[Kind::Cursor, Kind::Lost]);
    // A node alone has delivered what it has answered.
    let alone = story(Story::new()).leaves("courier", "1").greeted("courier", "e-1");
    alone.breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn an_older_event_after_a_newer_one_is_disorder() {
    let story = Story::new().publishes("1", "e-1").publishes("2", "e-2");
    let story = story.gets("kitchen", "2", "e-0+2").gets("kitchen", "1", "e-2");
    story.breaks(&[Kind::Disorder]);
}

#[test]
fn an_urgent_event_may_overtake_others() {
    let story = Story::new().publishes("1", "e-1");
    let story = story.publishes_about("2", "e-2", "2", Priority::Urgent);
    story.gets("kitchen", "2", "e-0+2").gets("kitchen", "1", "e-2").holds(0);
}

#[test]
fn an_urgent_event_takes_its_own_along() {
    let story = Story::new().publishes("1", "e-1").publishes_about("2", "e-2", "x", Priority::Low);
    let story = story.publishes_about("3", "e-3", "x", Priority::Urgent);
    let story = story.gets("kitchen", "2", "e-0+2").gets("kitchen", "3", "e-0+2,3");
    story.gets("kitchen", "1", "e-3").holds(0);
}

#[test]
fn an_urgent_event_before_an_older_one_of_its_entity_is_disorder() {
    let story = Story::new().publishes_about("1", "e-1", "x", Priority::Medium);
    let story = story.publishes_about("2", "e-2", "x", Priority::Urgent);
    let story = story.gets("kitchen", "2", "e-0+2").gets("kitchen", "1", "e-2");
    story.breaks(&[Kind::Disorder]);
}

#[test]
fn a_cursor_that_goes_back_is_caught() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1");
    story.greeted("kitchen", "e-0").breaks(&[Kind::Cursor]);
}

#[test]
fn a_cursor_that_claims_too_much_is_caught_although_the_event_comes_later() {
    let story = Story::new().publishes("1", "e-1").greeted("kitchen", "e-1");
    story.gets("kitchen", "1", "e-1").breaks(&[Kind::Cursor, Kind::Cursor]);
}

#[test]
fn a_cursor_that_leaves_out_its_own_event_is_caught() {
    let story = Story::new().publishes("1", "e-1").publishes("2", "e-2");
    let story = story.gets("kitchen", "1", "e-1").gets("kitchen", "2", "e-1");
    story.breaks(&[Kind::Cursor]);
}

#[test]
fn an_event_without_a_cursor_is_caught_once() {
    let story = Story::new().publishes("1", "e-1").publishes("2", "e-2");
    story.gets("kitchen", "1", "").gets("kitchen", "2", "").breaks(&[Kind::Cursor]);
}

#[test]
fn one_id_with_two_offsets_is_a_false_answer() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1");
    story.publishes("1", "e-2").breaks(&[Kind::Answer, Kind::Cursor]);
}

#[test]
fn two_ids_with_one_offset_are_a_false_answer() {
    let story = Story::new().publishes("1", "e-1").tries("2", "2", Priority::Low, Class::Volatile);
    story.answered("2", "e-1").gets("kitchen", "1", "e-1").breaks(&[Kind::Answer, Kind::Answer]);
}

#[test]
fn an_offset_below_one_that_was_told_before_is_a_false_answer() {
    let story = Story::new().publishes("2", "e-2").gets("kitchen", "2", "e-2");
    let story = story.tries("1", "1", Priority::Medium, Class::Volatile).answered("1", "e-1");
    story.breaks(&[Kind::Answer]);
}

#[test]
fn a_refused_event_that_arrives_is_a_phantom() {
    let story = Story::new().tries("1", "1", Priority::Medium, Class::Durable).refused("1");
    story.gets("kitchen", "1", "e-1").breaks(&[Kind::Phantom]);
}

#[test]
fn a_refusal_that_was_retried_is_none() {
    let story = Story::new().tries("1", "1", Priority::Medium, Class::Durable).refused("1");
    story.publishes("1", "e-1").gets("kitchen", "1", "e-1").holds(0);
}

#[test]
fn a_new_process_cannot_know_what_memory_alone_held() {
    let twice = |class, process_ends| {
        let story = Story::new().tries("1", "1", Priority::Medium, class);
        let story = story.gets("kitchen", "1", "e-1");
        let story = if process_ends { story.and(What::HubKilled) } else { story };
        story.tries("1", "1", Priority::Medium, class).gets("kitchen", "1", "e-2")
    };
    for class in [Class::Recoverable, Class::Volatile] {
        twice(class, false).breaks(&[Kind::Repeated]);
        twice(class, true).holds(1);
    }
    twice(Class::Durable, true).breaks(&[Kind::Repeated]);
}

#[test]
fn a_recoverable_event_may_get_another_place_in_a_new_process() {
    let answered = |story: Story, offset| {
        story.tries("1", "1", Priority::Medium, Class::Recoverable).answered("1", offset)
    };
    let first = || answered(Story::new(), "e-1").gets("kitchen", "1", "e-1");
    answered(first().and(What::HubKilled), "e-9").holds(0);
    answered(first(), "e-9").breaks(&[Kind::Answer, Kind::Cursor]);
    // The first answer was on its way when its sender's end was noted.
    let tried = Story::new().tries("1", "1", Priority::Medium, Class::Recoverable);
    answered(tried.and(What::HubKilled).answered("1", "e-1"), "e-9")
        .gets("kitchen", "1", "e-9")
        .holds(0);
}

#[test]
fn what_a_node_sent_beside_the_log_is_no_place_of_it_where_the_log_was_disturbed() {
    let cut = || What::LogDisturbed { about: "CutLine(1)".into(), for_ms: 0 };
    // One node sends it without the log, and another one has it in the log behind something else.
    let twice = |story: Story, class| {
        let tried = story.tries("1", "1", Priority::Medium, class).gets("kitchen", "1", "e-0");
        let logged = tried.publishes("2", "e-1").gets("kitchen", "2", "e-1");
        logged
            .tries("1", "1", Priority::Medium, class)
            .answered("1", "e-2")
            .gets("kitchen", "1", "e-2")
    };
    twice(Story::new().and(cut()), Class::Recoverable).holds(1);
    assert!(!twice(Story::new(), Class::Recoverable).kinds().is_empty());
    assert!(!twice(Story::new().and(cut()), Class::Durable).kinds().is_empty());
}

#[test]
fn a_greeting_may_come_before_the_hub_knows_the_cursor() {
    let greeting = What::Received(Receipt {
        recipient: "kitchen".into(),
        event_type: "system:connection_established".into(),
        ..Receipt::default()
    });
    let story = Story::default().joins("kitchen", "kitchen_app", None).and(greeting.clone());
    let story = story.publishes("1", "e-1").gets("kitchen", "1", "e-1");
    let mut late = Story { records: story.records.clone() };
    story.holds(0);
    late = late.and(greeting);
    late.breaks(&[Kind::Cursor]);
}

#[test]
fn what_only_memory_held_may_go_with_the_process() {
    let recoverable = |story: Story| {
        story.tries("1", "1", Priority::Medium, Class::Recoverable).answered("1", "e-1")
    };
    recoverable(Story::new()).and(What::HubKilled).holds(0);
    recoverable(Story::new().and(What::HubKilled)).breaks(&[Kind::Lost]);
}

#[test]
fn a_log_needs_time_to_find_out_that_its_disk_has_room_again() {
    let full = || Story::new().and(What::DiskFull).and(What::DiskFreed);
    let recoverable = |story: Story| {
        story.tries("1", "1", Priority::Medium, Class::Recoverable).answered("1", "e-2")
    };
    let durable = |story: Story| story.publishes("2", "e-1").gets("kitchen", "2", "e-1");
    recoverable(full()).holds(0);
    recoverable(durable(full())).breaks(&[Kind::Lost]);
    recoverable(full().and(What::HubUp)).breaks(&[Kind::Lost]);
    // What was kept may have been sent before there was room.
    let early = Story::new().and(What::DiskFull).tries("2", "2", Priority::Medium, Class::Durable);
    let early = early.and(What::DiskFreed).answered("2", "e-1").gets("kitchen", "2", "e-1");
    recoverable(early).holds(0);
}

#[test]
fn what_the_run_found_stuck_counts() {
    Story::new().and(What::Stuck { about: "no fence".into() }).breaks(&[Kind::Stuck]);
}

#[test]
fn a_history_comes_back_from_its_lines() {
    let subscribed = What::Subscribed { recipient: "kitchen".into(), order: "1".into() };
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").refused("2");
    let records = story.and(subscribed).torn("kitchen").and(What::HubUp).records;
    let mut lines = Vec::new();
    write_lines(&records, &mut lines).unwrap();
    assert_eq!(read_lines(lines.as_slice()).unwrap(), records);
}
