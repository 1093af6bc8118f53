//! Each of the rules that make the promises true, kept and then broken: a checker that finds nothing fails here.

use foodtrack_contract::Priority;
use foodtrack_history_checker::{Class, Kind, Receipt, What};

use crate::story::Story;

/// Three events about one order, the last of them urgent, behind one about another order.
fn urgent_behind_its_own() -> Story {
    Story::new()
        .publishes("1", "e-1")
        .publishes_about("2", "e-2", "x", Priority::Low)
        .publishes_about("3", "e-3", "x", Priority::Urgent)
}

#[test]
fn offsets_are_released_in_order() {
    // A recoverable event does not pass a durable one that still waits for the disk.
    let story = || {
        let story = Story::new().tries("1", "1", Priority::Medium, Class::Durable);
        story.tries("2", "2", Priority::Medium, Class::Recoverable).answered("2", "e-2")
    };
    story().answered("1", "e-1").gets("kitchen", "1", "e-1").gets("kitchen", "2", "e-2").holds(0);
    let early = story().gets("kitchen", "2", "e-2").answered("1", "e-1");
    early.gets("kitchen", "1", "e-2").breaks(&[Kind::Cursor, Kind::Disorder, Kind::Cursor]);
}

#[test]
fn a_shown_offset_is_never_used_again() {
    let shown_and_gone = || {
        let story = Story::new().tries("1", "1", Priority::Medium, Class::Recoverable);
        story.gets("kitchen", "1", "e-1").and(What::HubKilled).torn("kitchen")
    };
    let next = |offset| {
        let story = shown_and_gone().opened("kitchen", true).publishes("2", offset);
        story.gets("kitchen", "2", offset)
    };
    next("e-2").holds(0);
    next("f-1").holds(0);
    next("e-1").breaks(&[Kind::Cursor, Kind::Cursor]);
}

#[test]
fn all_that_a_cursor_covers_was_written_before() {
    let story = || Story::new().publishes("1", "e-1").publishes("2", "e-2");
    story().gets("kitchen", "1", "e-1").gets("kitchen", "2", "e-2").holds(0);
    let hasty = story().gets("kitchen", "1", "e-2").gets("kitchen", "2", "e-2");
    hasty.breaks(&[Kind::Cursor, Kind::Cursor]);
}

#[test]
fn what_overtakes_names_itself_beside_the_cursor() {
    let story = || {
        let story = Story::new().publishes("1", "e-1");
        story.publishes_about("2", "e-2", "2", Priority::Urgent)
    };
    let after = |cursor| story().gets("kitchen", "2", cursor).gets("kitchen", "1", "e-2");
    after("e-0+2").holds(0);
    after("e-0").breaks(&[Kind::Cursor]);
    after("e-2").breaks(&[Kind::Cursor, Kind::Cursor]);
}

#[test]
fn urgent_takes_its_own_along() {
    let along = urgent_behind_its_own().gets("kitchen", "2", "e-0+2");
    along.gets("kitchen", "3", "e-0+2,3").gets("kitchen", "1", "e-3").holds(0);
    let alone = urgent_behind_its_own().gets("kitchen", "3", "e-0+3");
    let alone = alone.gets("kitchen", "1", "e-1+3").gets("kitchen", "2", "e-3");
    alone.breaks(&[Kind::Disorder]);
}

#[test]
fn urgent_takes_its_own_along_also_where_nobody_was_told_its_place() {
    let story = |last: Priority| {
        let story = Story::new().publishes("1", "e-1");
        let story = story.publishes_about("2", "e-2", "x", Priority::Low);
        let story = story.tries("3", "x", last, Class::Durable);
        let story = story.gets("kitchen", "2", "e-0+2");
        let receipt = Receipt {
            recipient: String::from("kitchen"),
            id: Some(String::from("3")),
            event_type: String::from("order:status_changed"),
            asks: true,
            ..Receipt::default()
        };
        story.and(What::Received(receipt)).gets("kitchen", "1", "e-2")
    };
    story(Priority::Urgent).holds(0);
    story(Priority::Low).breaks(&[Kind::Disorder]);
}

#[test]
fn what_a_device_acknowledged_need_not_come_to_its_next_page() {
    let story = |device: Option<&str>| {
        let story = Story::default().joins("page", "kitchen_app", device).greeted("page", "e-0");
        let receipt = Receipt {
            recipient: String::from("page"),
            id: Some(String::from("1")),
            event_type: String::from("order:updated"),
            asks: true,
            ..Receipt::default()
        };
        let story = story.publishes("1", "e-1").and(What::Received(receipt));
        let story = story.and(What::Confirmed { recipient: "page".into(), id: "1".into() });
        let story = story.torn("page").joins("next", "kitchen_app", device);
        let story = story.greeted("next", "e-0").publishes("2", "e-2").gets("next", "2", "e-2");
        story.and(What::Ended { recipient: "page".into() })
    };
    story(Some("tablet")).holds(0);
    story(None).breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn what_was_acknowledged_by_its_reader_does_not_come_again() {
    let read = || Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").torn("kitchen");
    read().opened("kitchen", true).greeted("kitchen", "e-1").holds(0);
    // The reader brings the cursor of before, and the acknowledgement is forgotten.
    read().opened("kitchen", true).gets("kitchen", "1", "e-1").breaks(&[Kind::Repeated]);
}

#[test]
fn a_replay_is_for_the_audience_that_there_was() {
    let courier = || Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
    let replay = |story: Story| {
        let story = story.torn("courier").publishes("1", "e-1").gets("kitchen", "1", "e-1");
        story.opened("courier", true).gets("courier", "1", "e-1")
    };
    replay(courier().subscribes("courier", "1")).holds(0);
    replay(courier()).breaks(&[Kind::Foreign]);
    replay(courier().subscribes("courier", "1").leaves("courier", "1")).breaks(&[Kind::Foreign]);
    // Asked for again, the room is the courier's again.
    let back = courier().subscribes("courier", "1").leaves("courier", "1");
    replay(back.subscribes("courier", "1")).holds(0);
}

#[test]
fn what_was_written_but_not_confirmed_comes_again() {
    let torn = || Story::new().publishes("1", "e-1").torn("kitchen").opened("kitchen", true);
    torn().gets("kitchen", "1", "e-1").holds(0);
    // The cursor moved on the write.
    torn().greeted("kitchen", "e-1").breaks(&[Kind::Cursor, Kind::Lost]);
    torn().breaks(&[Kind::Lost]);
}

#[test]
fn connect_comes_before_the_replay() {
    let away = || Story::new().publishes("1", "e-1").torn("kitchen");
    away().opened("kitchen", true).gets("kitchen", "1", "e-1").holds(0);
    // Torn between the replay and CONNECT, a client keeps what came and brings the old cursor.
    let twice = away().gets("kitchen", "1", "e-1").torn("kitchen").opened("kitchen", true);
    twice.gets("kitchen", "1", "e-1").breaks(&[Kind::Repeated]);
}

#[test]
fn a_shared_frame_is_its_tenants_own() {
    let story = || Story::new().publishes("1", "e-1");
    story().gets_from("kitchen", "1", "e-1", "a").holds(0);
    story()
        .gets("kitchen", "1", "e-1")
        .gets_from("kitchen", "1", "e-1", "b")
        .breaks(&[Kind::Foreign]);
    // The envelope says the reader's tenant, and the payload was written in another.
    let mixed = What::Received(Receipt {
        recipient: "kitchen".into(),
        id: Some("1".into()),
        event_type: "order:updated".into(),
        tenant: Some("a".into()),
        origin: Some("b".into()),
        asks: false,
        cursor: Some("e-1".into()),
    });
    story().gets("kitchen", "1", "e-1").and(mixed).breaks(&[Kind::Foreign]);
}

#[test]
fn an_event_from_before_its_room_was_entered_may_come_late_but_in_its_order_s_order() {
    let enters = |story: Story, order: &str| {
        let (recipient, order) = ("courier".to_owned(), order.to_owned());
        let asks = What::Subscribing { recipient: recipient.clone(), order: order.clone() };
        story.and(asks).and(What::Subscribed { recipient, order })
    };
    let late = |story: Story| {
        let story = story.gets("kitchen", "1", "e-1").gets("kitchen", "2", "e-2");
        enters(story.gets("courier", "2", "e-0+2"), "x").gets("courier", "1", "e-2")
    };
    let joined = || Story::new().joins("courier", "delivery_app", None).greeted("courier", "e-0");
    let publishes = |story: Story, second: &str| {
        let story = story.publishes_about("1", "e-1", "x", Priority::Medium);
        story.publishes_about("2", "e-2", second, Priority::Medium)
    };
    late(publishes(enters(joined(), "y"), "y")).holds(0);
    // Where it was in the room already, or the later one is about the same order, it is out of order.
    late(publishes(enters(enters(joined(), "y"), "x"), "y")).breaks(&[Kind::Disorder]);
    late(publishes(enters(joined(), "x"), "x")).breaks(&[Kind::Disorder]);
}
