//! A log that may have gone back: what it must still have, and who need not get what it has no more.

use foodtrack_contract::Priority;
use foodtrack_history_checker::{Class, Kind, What};

use crate::story::Story;

/// The same so far.
fn story_of(story: &Story) -> Story {
    Story { records: story.records.clone() }
}

impl Story {
    fn replaced(self) -> Self {
        self.and(What::LogReplaced)
    }

    fn told_of_gap(self, name: &str) -> Self {
        self.and(What::GapTold { recipient: name.into() })
    }

    fn has_at_the_end(self, ids: &[&str]) -> Self {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.and(What::LogRead { tenant: "a".into(), ids })
    }
}

#[test]
fn what_was_acknowledged_and_the_log_lacks_is_lost_whoever_got_it() {
    let story = || Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").replaced();
    story().has_at_the_end(&["1"]).holds(0);
    story().has_at_the_end(&["2"]).breaks(&[Kind::Lost]);
}

#[test]
fn what_nobody_was_told_is_kept_may_be_gone_with_the_old_log() {
    let story = Story::new().joins("other", "kitchen_app", Some("tablet")).greeted("other", "e-0");
    let story = story.tries("1", "1", Priority::Medium, Class::Durable);
    let story = story.gets("kitchen", "1", "e-1").replaced();
    story.has_at_the_end(&[]).holds(0);
}

#[test]
fn who_is_told_of_a_gap_need_not_get_what_was_sent_before_and_who_is_not_lacks_it() {
    let story = || Story::new().torn("kitchen").publishes("1", "e-1").replaced();
    let back = || story().opened("kitchen", false);
    back().told_of_gap("kitchen").greeted("kitchen", "f-1").has_at_the_end(&["1"]).holds(0);
    back().greeted("kitchen", "f-1").breaks(&[Kind::Lost]);
    // What comes later is due to both.
    let later = back().told_of_gap("kitchen").greeted("kitchen", "f-1").publishes("2", "f-2");
    later.breaks(&[Kind::Lost]);
    // In a log that cannot have gone back, nobody is excused.
    let alone = Story::new().torn("kitchen").publishes("1", "e-1").opened("kitchen", false);
    let alone = alone.told_of_gap("kitchen").greeted("kitchen", "e-1");
    alone.breaks(&[Kind::Cursor, Kind::Lost]);
}

#[test]
fn what_was_acknowledged_has_one_place_also_in_the_next_epoch() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1").replaced();
    let story = story.torn("kitchen").opened("kitchen", false).told_of_gap("kitchen");
    let back = |answer| {
        let again = story_of(&story).greeted("kitchen", "f-1").answered("1", answer);
        again.has_at_the_end(&["1"])
    };
    back("1").holds(0);
    // The log had let go of it, which no repeat makes good, though it is there at the end.
    back("2").breaks(&[Kind::Answer]);
}

#[test]
fn what_is_left_of_a_log_keeps_its_places_and_what_is_gone_leaves_its_own_free() {
    let story = Story::new().publishes("1", "e-1").gets("kitchen", "1", "e-1");
    // Nobody was told that this is kept, and it is not.
    let story = story.tries("2", "2", Priority::Medium, Class::Durable);
    let story = story.gets("kitchen", "2", "e-2").replaced().torn("kitchen");
    let story = story.opened("kitchen", false).told_of_gap("kitchen").greeted("kitchen", "f-1");
    // An answer names no epoch.
    let story = story.publishes("3", "2").gets("kitchen", "3", "f-2").answered("2", "3");
    story.gets("kitchen", "2", "f-3").has_at_the_end(&["1", "2", "3"]).holds(1);
    // Two that were acknowledged have not one place.
    let twice = Story::new().publishes("1", "e-1").replaced().publishes("2", "e-1");
    assert!(twice.kinds().contains(&Kind::Answer));
}
