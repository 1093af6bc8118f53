//! What is released of a log, in its order, and what is not.

use foodtrack_contract::Cursor;
use smallvec::smallvec;

use super::*;
use crate::samples::log_entry;

pub(super) fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.opened(head(1), false);
    ledger
}

pub(super) fn head(next: u64) -> Head {
    Head {
        epoch: Epoch::new(1),
        next: offset(next),
        reserved_through: offset(1_000),
        trimmed_through: Offset::ZERO,
        recent: Vec::new(),
        tail: Vec::new(),
        orders: Vec::new(),
        has_assignments: false,
        emissions: Vec::new(),
        notes: Vec::new(),
    }
}

/// Admits a message, and has it wait. Returns its offset.
fn admit(ledger: &mut Ledger, n: u128, durability: Durability) -> Offset {
    let Ok(Admitted::At(at)) = ledger.admit(Uuid::from_u128(n), true, durability) else {
        unreachable!("it is new")
    };
    let entry = LogEntry { id: Uuid::from_u128(n), durability, ..log_entry(at) };
    ledger.wait(pending(entry));
    at
}

pub(super) fn pending(entry: LogEntry) -> Pending {
    Pending {
        entry: Arc::new(entry),
        meta: FrameMeta::default(),
        asks_ack: false,
        watch: None,
        submitted_ms: None,
        replies: smallvec![(ReplyTo::Nobody, false)],
    }
}

/// Delivers what is released.
pub(super) fn delivered(ledger: &mut Ledger) -> Vec<u64> {
    let mut delivered = Vec::new();
    while ledger.has_released() {
        let Some(pending) = ledger.next_released() else { continue };
        ledger.deliver(pending.entry.offset);
        delivered.push(pending.entry.offset.get());
    }
    delivered
}

#[test]
fn what_is_behind_a_durable_message_waits_with_it_and_each_is_released_once() {
    let mut ledger = ledger();
    assert!(ledger.is_next(offset(0)), "nothing waits");
    assert_eq!(admit(&mut ledger, 1, Durability::Durable), offset(1));
    assert_eq!(admit(&mut ledger, 2, Durability::Recoverable), offset(2));
    assert!(ledger.owes_answers() && !ledger.is_next(offset(3)));
    assert_eq!(delivered(&mut ledger), [0; 0]);
    ledger.committed(offset(1), offset(1_000));
    assert_eq!(delivered(&mut ledger), [1, 2]);
    assert_eq!(delivered(&mut ledger), [0; 0]);
    assert!(!ledger.owes_answers());
}

#[test]
fn what_the_store_refused_is_never_delivered_and_what_follows_is() {
    let mut ledger = ledger();
    (1..=3).for_each(|n| _ = admit(&mut ledger, n, Durability::Durable));
    let refused = ledger.refused(offset(1), offset(2));
    let refused: Vec<u64> = refused.iter().map(|it| it.entry.offset.get()).collect();
    assert_eq!(refused, [1, 2]);
    ledger.committed(offset(3), offset(1_000));
    assert_eq!(delivered(&mut ledger), [3]);
    assert_eq!(ledger.position().unwrap().delivered_through, offset(3));
}

#[test]
fn who_sends_a_message_again_waits_with_its_first_sender_or_hears_at_once() {
    let mut ledger = ledger();
    let at = admit(&mut ledger, 1, Durability::Durable);
    let again = ledger.admit(Uuid::from_u128(1), true, Durability::Durable);
    assert_eq!(again, Ok(Admitted::Repeat(at)));
    assert!(ledger.join(at, ReplyTo::Nobody).is_none());
    ledger.committed(at, offset(1_000));
    let repeats: Vec<bool> =
        ledger.next_released().unwrap().replies.iter().map(|(_, repeat)| *repeat).collect();
    assert_eq!(repeats, [false, true]);
    assert!(ledger.join(at, ReplyTo::Nobody).is_some());
}

#[test]
fn a_log_that_is_away_is_asked_for_once_and_takes_nothing_meanwhile() {
    let mut ledger = Ledger::default();
    let admit = |ledger: &mut Ledger| ledger.admit(Uuid::nil(), true, Durability::Durable);
    assert!(ledger.is_closed());
    assert_eq!(admit(&mut ledger), Err(Unavailable::NotYet));
    ledger.asked();
    assert!(ledger.is_opening() && ledger.due_ms().is_none());
    ledger.failed(RefusedReason::DiskFull, 1_000);
    assert_eq!(admit(&mut ledger), Err(Unavailable::Away(RefusedReason::DiskFull)));
    assert_eq!(ledger.due_ms(), Some(1_000));
    ledger.asked();
    assert!(ledger.due_ms().is_none() && ledger.away().is_some() && !ledger.is_opening());
}

#[test]
fn a_cursor_goes_on_from_what_was_given_out_and_is_still_kept() {
    let mut ledger = ledger();
    (1..=5).for_each(|n| _ = admit(&mut ledger, n, Durability::Recoverable));
    assert_eq!(delivered(&mut ledger), [1, 2, 3, 4, 5]);
    ledger.trimmed(offset(2));
    let position = ledger.position().unwrap();
    let of = |epoch, n| Cursor::new(Epoch::new(epoch), offset(n));
    assert!(position.goes_on_from(&of(1, 2)) && position.goes_on_from(&of(1, 5)));
    assert!(!position.goes_on_from(&of(1, 1)) && position.gave_out(&of(1, 1)));
    assert!(!position.gave_out(&of(1, 6)) && !position.gave_out(&of(2, 3)));
}

#[test]
fn nothing_is_delivered_behind_what_nobody_knows_to_be_kept_and_who_sends_that_again_repeats_it() {
    let mut ledger = ledger();
    assert_eq!(admit(&mut ledger, 1, Durability::Recoverable), offset(1));
    assert_eq!(delivered(&mut ledger), [1]);
    assert_eq!(admit(&mut ledger, 2, Durability::Durable), offset(2));
    assert_eq!(admit(&mut ledger, 3, Durability::Recoverable), offset(3));
    assert_eq!(admit(&mut ledger, 4, Durability::Recoverable), offset(4));
    let in_doubt = ledger.doubt(offset(1), offset(3));
    let in_doubt: Vec<u64> = in_doubt.iter().map(|it| it.entry.offset.get()).collect();
    assert_eq!(in_doubt, [2, 3]);
    assert!(!ledger.is_in_doubt(offset(1)), "that was shown");
    assert!(ledger.is_in_doubt(offset(2)) && ledger.is_in_doubt(offset(3)));
    assert_eq!(delivered(&mut ledger), [0; 0], "its cursor would be beyond what may be there");
    let again = ledger.admit(Uuid::from_u128(2), true, Durability::Durable);
    assert_eq!(again, Ok(Admitted::Repeat(offset(2))));
    assert_eq!(ledger.refused(offset(4), offset(4)).len(), 1);
    assert!(!ledger.owes_answers());
    assert_eq!(ledger.position().unwrap().delivered_through, offset(1));
}
