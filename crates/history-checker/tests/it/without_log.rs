//! What a checker makes of a hub whose log is away, and of events that ask for an acknowledgement.

use foodtrack_contract::Priority;
use foodtrack_history_checker::{Class, Kind, Receipt, What};

use crate::story::Story;

fn asked(story: Story) -> Story {
    story.and(What::Received(Receipt {
        recipient: "kitchen".into(),
        id: Some("1".into()),
        event_type: "order:updated".into(),
        asks: true,
        ..Receipt::default()
    }))
}

#[test]
fn who_was_away_is_not_due_what_is_in_no_log() {
    let story = |offset: Option<&str>| {
        let story = Story::new().torn("kitchen");
        let story = story.tries("1", "1", Priority::Medium, Class::Recoverable);
        let (tenant, id, offset) = ("a".into(), "1".into(), offset.map(String::from));
        let story = story.and(What::Acknowledged { tenant, id, offset });
        story.opened("kitchen", true).greeted("kitchen", "e-0")
    };
    story(None).holds(0);
    story(Some("e-1")).breaks(&[Kind::Lost]);
}

#[test]
fn who_came_while_the_log_was_away_is_not_known_when_they_come_again() {
    let story = |is_unknown: bool| {
        let (recipient, recovered, brought) = (String::from("bar"), false, None);
        let story = Story::new().joins("bar", "kitchen_app", Some("tablet"));
        // The first connection is in front of everything: the same without a private id.
        let story = Story {
            records: story
                .records
                .into_iter()
                .map(|mut record| {
                    if let What::Opened { recipient: name, is_unknown: it, .. } = &mut record.what {
                        *it = is_unknown && name == "bar";
                    }
                    record
                })
                .collect(),
        };
        let story = story.torn("bar").publishes("1", "e-1").gets("kitchen", "1", "e-1");
        let again = What::Opened { recipient, recovered, brought, is_unknown: false };
        story.and(again).greeted("bar", "e-1")
    };
    story(true).holds(0);
    story(false).breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn who_came_to_a_node_that_had_no_way_to_the_log_is_unknown_to_others_until_it_has() {
    let cut = |for_ms| What::LogDisturbed { about: "CutLine".into(), for_ms };
    let story = |for_ms, comes_back_at_us: u64| {
        let story = Story::new().and(cut(for_ms)).joins("bar", "kitchen_app", Some("tablet"));
        let story = story.torn("bar").publishes("1", "e-1").gets("kitchen", "1", "e-1");
        let mut story = story.joins("bar, anew", "kitchen_app", Some("tablet"));
        let anew = story.records.len() - 2;
        story.records[anew..].iter_mut().for_each(|it| it.at_us += comes_back_at_us);
        story.greeted("bar, anew", "e-1")
    };
    story(1, 0).holds(0);
    story(1, 1_000).breaks(&[Kind::Cursor, Kind::Lost]);
    story(0, 0).breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn an_event_that_asks_may_come_again_and_must_come_once() {
    let story = || Story::new().publishes("1", "e-1");
    asked(asked(story())).holds(0);
    story().breaks(&[Kind::Lost]);
}

#[test]
fn an_event_that_asks_does_not_come_long_after_its_acknowledgement() {
    let story = |later_us: u64| {
        let (recipient, id) = ("kitchen".into(), "1".into());
        let story = asked(Story::new().publishes("1", "e-1"));
        let mut story = asked(story.and(What::Confirmed { recipient, id }));
        if let Some(last) = story.records.last_mut() {
            last.at_us += later_us;
        }
        story
    };
    story(1_000_000).holds(0);
    story(60_000_000).breaks(&[Kind::Repeated]);
}

#[test]
fn what_a_recipient_acknowledged_need_not_come_in_a_session_that_it_begins_anew() {
    let story = |by: &str| {
        let (recipient, id) = (by.into(), "1".into());
        let story = asked(Story::new().publishes("1", "e-1"));
        let torn = story.and(What::Confirmed { recipient, id }).torn("kitchen");
        let anew = torn.opened("kitchen", false).greeted("kitchen", "e-0");
        anew.publishes("2", "e-2").gets("kitchen", "2", "e-2")
    };
    story("kitchen").holds(0);
    // What somebody else acknowledged is no sign that the kitchen has it.
    story("dashboard").breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn what_was_acknowledged_comes_again_in_a_session_that_begins_anew_and_in_no_other() {
    let story = |is_recovered: bool| {
        let (recipient, id) = ("kitchen".into(), "1".into());
        let story = asked(Story::new().publishes("1", "e-1"));
        let torn = story.and(What::Confirmed { recipient, id }).torn("kitchen");
        let mut story = asked(torn.opened("kitchen", is_recovered));
        if let Some(last) = story.records.last_mut() {
            last.at_us += 60_000_000;
        }
        story
    };
    story(false).holds(0);
    story(true).breaks(&[Kind::Repeated]);
}

#[test]
fn who_is_greeted_by_a_process_that_has_ended_may_not_be_known_to_the_next_one() {
    // A page of the same tablet that is opened anew has nothing in its hands.
    let opens = |story: Story, name: &str| story.joins(name, "kitchen_app", Some("tablet"));
    let missed = |story: Story| {
        let story = story.torn("bar").publishes("1", "e-1").gets("kitchen", "1", "e-1");
        opens(story, "bar anew").greeted("bar anew", "e-1")
    };
    let ends = |story: Story| story.and(What::HubKilled).and(What::HubUp);
    // Its greeting was on its way when the process ended.
    let mut late = opens(Story::new(), "bar").records;
    let greeting = late.pop().into_iter();
    let late = ends(Story { records: late });
    missed(greeting.fold(late, |story, it| story.and(it.what))).holds(0);
    missed(opens(ends(Story::new()), "bar")).breaks(&[Kind::Cursor, Kind::Lost]);
}
