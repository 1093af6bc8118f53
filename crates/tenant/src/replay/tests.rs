//! What a connection that catches up needs next.

use foodtrack_contract::Epoch;

use super::*;
use crate::samples::log_entry;

fn offset(n: u64) -> Offset {
    Offset::ZERO.plus(n)
}

fn cursor(n: u64) -> Cursor {
    Cursor::new(Epoch::new(1), offset(n))
}

/// A log that has delivered ten entries.
const END: u64 = 10;

fn position() -> Position {
    Position {
        epoch: Epoch::new(1),
        trimmed_through: Offset::ZERO,
        delivered_through: offset(END),
        given_through: Offset::MAX,
    }
}

fn start(start: Start) -> Replay {
    Replay::new(1, &position(), start, false, 0)
}

fn next(replay: &mut Replay, is_backlogged: bool) -> Next {
    replay.next(offset(END), false, || is_backlogged)
}

fn plan(urgent: &[u64], rest: &[u64]) -> Plan {
    let of = |offsets: &[u64]| offsets.iter().map(|n| offset(*n)).collect();
    Plan { urgent: of(urgent), rest: of(rest), through: offset(END), ..Plan::default() }
}

fn entries(offsets: &[u64]) -> Vec<LogEntry> {
    offsets.iter().map(|n| log_entry(offset(*n))).collect()
}

fn take(replay: &mut Replay) -> Option<u64> {
    replay.take().map(|entry| entry.offset.get())
}

#[test]
fn who_has_missed_nothing_is_live_at_once_and_who_has_is_not() {
    assert_eq!(next(&mut start(Start::Recovered(cursor(END))), true), Next::Live);
    let mut behind = start(Start::Recovered(cursor(4)));
    assert_eq!(next(&mut behind, false), Next::Plan { after: offset(4) });
    behind.planned(plan(&[], &[6, 8]));
    assert_eq!(next(&mut behind, false), Next::Entry);
    assert_eq!(behind.ahead(), [offset(6), offset(8)]);
    assert_eq!(take(&mut behind), None, "nothing was read");
    behind.read_ahead(entries(&[6, 8]));
    assert_eq!((take(&mut behind), take(&mut behind)), (Some(6), Some(8)));
    assert_eq!(behind.cursor(), Some(&cursor(8)));
    assert_eq!(next(&mut behind, true), Next::Live);
    assert_eq!(behind.cursor(), Some(&cursor(END)), "the rest was not for it");
    assert_eq!(behind.took_ms(7), Some(7));
}

#[test]
fn it_waits_for_the_store_and_for_the_client_and_skips_what_is_gone() {
    let mut replay = start(Start::Brought(cursor(0)));
    next(&mut replay, false);
    replay.wait();
    assert_eq!(next(&mut replay, false), Next::Nothing);
    replay.planned(plan(&[], &[1, 2, 3]));
    next(&mut replay, false);
    replay.wait();
    replay.read(entries(&[2]), 2);
    assert_eq!(take(&mut replay), Some(2));
    assert_eq!(replay.next(offset(END), true, || true), Next::Drain);
    assert_eq!(next(&mut replay, false), Next::Nothing);
    assert!(replay.drained() && !replay.drained());
    assert_eq!(next(&mut replay, false), Next::Entry);
    assert_eq!(replay.ahead(), [offset(3)]);
}

#[test]
fn what_lists_others_is_taken_before_anything_comes_live_also_when_the_store_was_asked_meanwhile() {
    let mut replay = start(Start::Brought(cursor(0)));
    replay.planned(plan(&[5], &[1]));
    replay.read_ahead(entries(&[5]));
    assert_eq!(take(&mut replay), Some(5));
    assert!(matches!(replay.suffix(), CursorSuffix::Behind(_)));
    replay.wait();
    replay.read(entries(&[1]), 1);
    assert_eq!(take(&mut replay), Some(1));
    assert_eq!(next(&mut replay, true), Next::Drain);
    assert!(replay.drained());
    assert_eq!(next(&mut replay, true), Next::Live);
}

#[test]
fn the_store_says_where_a_subscriber_goes_on_and_until_then_nothing_is_claimed() {
    let mut replay = start(Start::Confirmed);
    assert_eq!(replay.find(offset(END)), &cursor(END));
    assert_eq!(replay.cursor(), None);
    assert_eq!(next(&mut replay, false), Next::Nothing);
    let saved = |epoch, n| SavedCursor {
        cursor: Cursor::new(Epoch::new(epoch), offset(n)),
        updated_at_ms: 0,
    };
    assert_eq!(replay.found(Some(&saved(1, 3)), &position(), Vec::new()), offset(3));
    assert!(!replay.take_reset());
    assert_eq!(replay.start_before_session(), Some(offset(3)));
    assert_eq!(next(&mut replay, false), Next::Plan { after: offset(3) });
    let mut other = start(Start::Confirmed);
    other.find(offset(END));
    assert_eq!(other.found(Some(&saved(2, 3)), &position(), Vec::new()), offset(END));
    assert!(other.take_reset() && !other.take_reset());
    let mut nobody = start(Start::Confirmed);
    nobody.find(offset(END));
    assert_eq!(nobody.found(None, &position(), Vec::new()), offset(END));
    assert!(!nobody.take_reset());
    assert_eq!(next(&mut nobody, false), Next::Live);
}

#[test]
fn who_was_in_another_log_is_told_once_when_it_is_known_where_it_goes_on() {
    let mut replay = start(Start::Reset);
    replay.find(offset(END));
    assert!(!replay.take_reset());
    replay.found(None, &position(), Vec::new());
    assert!(replay.take_reset() && !replay.take_reset());
    let mut known = start(Start::Reset);
    assert_eq!(known.go_on_from(offset(9)), offset(9));
    assert!(known.take_reset());
}

#[test]
fn another_sockets_confirmation_does_not_count_for_a_session_that_got_nothing() {
    let mut replay = start(Start::Since(offset(4)));
    assert_eq!(replay.go_on_from(offset(9)), offset(4));
    let mut acknowledged = Replay::new(1, &position(), Start::Since(offset(4)), true, 0);
    assert_eq!(acknowledged.go_on_from(offset(9)), offset(9));
    assert_eq!(start(Start::Since(offset(4))).go_on_from(offset(2)), offset(2));
    replay.owe(vec![offset(2), offset(3)]);
    assert_eq!(replay.at(), offset(1), "what is owed is looked at again");
}

#[test]
fn who_has_more_than_was_delivered_here_waits_for_it() {
    for brought in [cursor(END + 2), Cursor::parse("1-4+12").unwrap()] {
        let mut ahead = start(Start::Recovered(brought));
        assert_eq!(next(&mut ahead, false), Next::Ahead);
        assert_eq!(next(&mut ahead, false), Next::Nothing, "once is enough");
        assert!(!ahead.reached(&position()));
        let later = Position { delivered_through: offset(END + 2), ..position() };
        assert!(ahead.reached(&later));
        let end = later.delivered_through;
        match ahead.cursor().unwrap().beyond() {
            [] => assert_eq!(ahead.next(end, false, || false), Next::Live),
            _ => assert_eq!(ahead.next(end, false, || false), Next::Plan { after: offset(4) }),
        }
    }
}
