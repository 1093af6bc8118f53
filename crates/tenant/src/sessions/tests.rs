//! What comes back of sessions, and who is told when it is kept.

use foodtrack_contract::RoomName;

use super::*;

const NOW_MS: u64 = 1_000 * HOUR_MS;

fn sid(n: u32) -> Sid {
    Sid::parse(&format!("{n:0>20}")).unwrap()
}

fn facts(n: u32) -> SessionFacts {
    SessionFacts { sid: sid(n), owner: 7, began_hours: hours(NOW_MS), now_ms: NOW_MS }
}

fn order(id: &str) -> LoggedRoom {
    RoomName::Order(id).into()
}

/// The sessions after a restart that finds these rows, of which later ones take the place of earlier ones.
fn restarted(rows: &[Note]) -> Sessions {
    let mut kept: Vec<Note> = Vec::new();
    for row in rows {
        kept.retain(|other| other.key != row.key);
        kept.extend(row.value.is_some().then(|| row.clone()));
    }
    let mut sessions = Sessions::default();
    sessions.restore(&kept);
    sessions
}

fn rooms(sessions: &Sessions, n: u32) -> Option<Vec<LoggedRoom>> {
    sessions.rooms_to_resume(&sid(n), 7, hours(NOW_MS), NOW_MS, || None)
}

#[test]
fn a_session_comes_back_to_its_rooms_also_after_a_restart() {
    let mut sessions = Sessions::default();
    let device = SubscriberKey::new("ada:kitchen_app:t1").unwrap();
    let mut rows = Vec::new();
    for room in ["1", "2"] {
        let (device, row) = sessions.join(facts(1), &order(room), Some(device.clone()), None);
        rows.extend(device.into_iter().chain([row]));
    }
    rows.extend(sessions.leave(facts(1), &order("1")));
    rows.push(sessions.resume_from(facts(1), Offset::new(9).unwrap()));
    for sessions in [&sessions, &restarted(&rows)] {
        assert_eq!(rooms(sessions, 1), Some(vec![order("2")]));
        assert_eq!(sessions.last_rooms_of(&device), [order("2")]);
        assert_eq!(sessions.resumed_from(&sid(1)), Offset::new(9));
    }
    let rows = sessions.renew(facts(1), vec![order("3").to_text().into()]);
    assert_eq!(rooms(&restarted(&rows), 1), Some(vec![order("3")]));
}

#[test]
fn a_session_that_ended_or_was_forgotten_does_not_come_back_also_after_a_restart() {
    let mut sessions = Sessions::default();
    let (_, joined) = sessions.join(facts(1), &order("1"), None, None);
    let ended: Vec<Note> = [joined].into_iter().chain(sessions.end(facts(1))).collect();
    assert_eq!(rooms(&sessions, 1), None);
    assert_eq!(rooms(&restarted(&ended), 1), None);
    assert_eq!(rooms(&sessions, 2), Some(Vec::new()), "a young one was in no rooms");
    let mut forgotten = Vec::new();
    for n in 0..=u32::try_from(kept_sessions::SESSIONS_PER_USER_MAX).unwrap() {
        let (_, row) = sessions.join(facts(100 + n), &order("1"), None, None);
        forgotten.push(row);
        forgotten.extend(sessions.shrink(7, NOW_MS).1);
    }
    for sessions in [&sessions, &restarted(&forgotten)] {
        assert_eq!(rooms(sessions, 100), None);
        assert_eq!(rooms(sessions, 101), Some(vec![order("1")]));
    }
}

#[test]
fn a_room_is_kept_when_its_row_is_on_disk_and_who_waits_for_it_is_told_once() {
    let mut sessions = Sessions::default();
    let ticket = sessions.next_ticket();
    sessions.join(facts(1), &order("1"), None, Some(ticket));
    let to = crate::samples::slot(1);
    let (event, answer) = ("subscribed", String::new());
    let reply = RoomReply { to, sid: sid(1), event, answer, ack_id: None };
    sessions.wait(ticket, reply, RoomChange::Joined(order("1")));
    assert!(!sessions.is_kept(&sid(1), &order("1")));
    assert!(sessions.saved(ticket).is_some() && sessions.is_kept(&sid(1), &order("1")));
    assert!(sessions.saved(ticket).is_none() && sessions.not_saved(ticket).is_none());
}

#[test]
fn a_room_whose_row_is_not_on_disk_is_not_kept_though_another_room_was_left() {
    let mut sessions = Sessions::default();
    for (ticket, id) in [(1, "1"), (2, "2")] {
        sessions.join(facts(1), &order(id), None, Some(ticket));
        let (event, answer) = ("subscribed", String::new());
        let to = crate::samples::slot(1);
        let reply = RoomReply { to, sid: sid(1), event, answer, ack_id: None };
        sessions.wait(ticket, reply, RoomChange::Joined(order(id)));
    }
    // The first is refused, and its client does not follow it any more.
    assert!(sessions.not_saved(1).is_some());
    sessions.leave(facts(1), &order("1"));
    assert!(!sessions.is_kept(&sid(1), &order("2")));
    assert!(sessions.not_saved(2).is_some());
    assert!(!sessions.is_kept(&sid(1), &order("2")), "no row says so");
}

#[test]
fn a_room_that_is_joined_again_while_a_row_that_it_was_left_is_on_its_way_is_not_kept() {
    let mut sessions = Sessions::default();
    sessions.join(facts(1), &order("1"), None, None);
    assert!(sessions.is_kept(&sid(1), &order("1")));
    sessions.start_leaving(&sid(1), &order("1"), 1);
    sessions.join(facts(1), &order("1"), None, Some(2));
    assert!(!sessions.is_kept(&sid(1), &order("1")));
    sessions.join(facts(1), &order("2"), None, Some(3));
    sessions.leave(facts(1), &order("2"));
    assert!(!sessions.is_kept(&sid(1), &order("1")));
}

#[test]
fn a_room_is_left_when_that_is_on_disk_unless_it_was_joined_again_meanwhile() {
    let mut sessions = Sessions::default();
    let (sid, room) = (sid(1), order("1"));
    assert!(sessions.start_leaving(&sid, &room, 1).is_none(), "nothing is kept of it");
    sessions.join(facts(1), &room, None, None);
    assert!(sessions.start_leaving(&sid, &room, 2).is_some());
    assert_eq!(rooms(&sessions, 1), Some(vec![order("1")]), "it is not on disk yet");
    sessions.cancel_leaving(&sid, &room, 2);
    assert!(!sessions.finish_leaving(&sid, &room, 2));
    // Asked twice, it is left with the first row, or with the second where the first was not kept.
    sessions.start_leaving(&sid, &room, 3);
    sessions.start_leaving(&sid, &room, 4);
    sessions.cancel_leaving(&sid, &room, 3);
    sessions.join(facts(1), &order("2"), None, None);
    assert!(sessions.finish_leaving(&sid, &room, 4));
    assert_eq!(rooms(&sessions, 1), Some(vec![order("2")]));
    sessions.join(facts(1), &room, None, None);
    sessions.start_leaving(&sid, &room, 5);
    sessions.join(facts(1), &room, None, Some(6));
    sessions.start_leaving(&sid, &room, 7);
    assert!(!sessions.finish_leaving(&sid, &room, 5), "it was joined after that");
    assert!(sessions.finish_leaving(&sid, &room, 7));
}

#[test]
fn rows_are_due_before_they_expire_unless_their_session_is_over() {
    let mut sessions = Sessions::default();
    let later = |hours: u64| SessionFacts { now_ms: NOW_MS + hours * HOUR_MS, ..facts(1) };
    let left = KEPT_HOURS - RENEWED_HOURS;
    assert!(!sessions.is_due(later(5), left) && sessions.is_due(later(7), left));
    sessions.renew(later(7), Vec::new());
    assert!(!sessions.is_due(later(12), left) && sessions.is_due(later(14), left));
    sessions.end(later(14));
    assert!(!sessions.is_due(later(100), left));
}
