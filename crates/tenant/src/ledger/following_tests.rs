//! What is released of a log that others write to as well: own and others' alike, in the log's order, each once.

use foodtrack_contract::{Epoch, Offset};
use foodtrack_tenant_log::{Answer, Durability, LogEntry, Page, PageStart, RefusedReason};
use uuid::Uuid;

use super::tests::{delivered, head, offset, pending};
use super::{Admitted, Followed, Ledger, NextRead, Opened, Unavailable};
use crate::reply_to::ReplyTo;
use crate::samples::log_entry;

/// A ledger of a log whose last entry is at 6, that has looked at what is there.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    assert!(matches!(ledger.opened(head(7), true), Opened::Fresh(_)));
    let look = NextRead { epoch: Epoch::new(1), after: offset(6), through: None };
    assert_eq!(ledger.next_read(1, 0), Some(look));
    assert_eq!(ledger.next_read(2, 0), None, "one is under way");
    follow(&mut ledger, 1, 6, &[]);
    assert_eq!(ledger.next_read(3, 0), None, "nothing was told");
    ledger
}

fn submit(ledger: &mut Ledger, n: u128) {
    let admitted = ledger.admit(Uuid::from_u128(n), true, Durability::Durable);
    assert_eq!(admitted, Ok(Admitted::Unplaced));
    let entry = LogEntry { id: Uuid::from_u128(n), ..log_entry(Offset::ZERO) };
    ledger.wait_for_answer(u64::try_from(n).unwrap(), pending(entry));
}

/// Answers what was submitted with a ticket. Returns whether its sender is to be told at once.
fn commit(ledger: &mut Ledger, ticket: u64, at: u64) -> bool {
    ledger.answered(ticket, Answer::Committed(offset(at))).is_some()
}

fn page(next: u64, entries: &[u64]) -> Page {
    Page {
        epoch: Epoch::new(1),
        start: PageStart::Whole,
        entries: entries.iter().map(|n| log_entry(offset(*n))).collect(),
        next: offset(next),
        is_last: true,
    }
}

fn follow(ledger: &mut Ledger, serial: u32, next: u64, entries: &[u64]) {
    let followed = ledger.followed(serial, &mut page(next, entries), pending);
    assert_eq!(followed, Followed::Whole);
}

/// What is to be read next: after which offset, and through which.
fn reads(ledger: &mut Ledger, serial: u32) -> Option<(u64, Option<u64>)> {
    let next = ledger.next_read(serial, 0)?;
    Some((next.after.get(), next.through.map(Offset::get)))
}

#[test]
fn an_own_entry_is_delivered_when_all_before_it_was_and_each_is_delivered_once() {
    let mut ledger = ledger();
    submit(&mut ledger, 1);
    assert!(ledger.owes_answers());
    assert!(!commit(&mut ledger, 1, 9));
    assert_eq!(delivered(&mut ledger), [0; 0], "7 and 8 are others'");
    assert_eq!(reads(&mut ledger, 4), Some((6, Some(9))));
    submit(&mut ledger, 2);
    assert!(!commit(&mut ledger, 2, 10));
    // The own one is read with them.
    follow(&mut ledger, 4, 9, &[7, 8, 9]);
    assert_eq!(delivered(&mut ledger), [7, 8, 9, 10]);
    assert!(!ledger.owes_answers() && reads(&mut ledger, 5).is_none());
    submit(&mut ledger, 3);
    assert!(!commit(&mut ledger, 3, 11));
    assert_eq!(delivered(&mut ledger), [11], "nothing lies between");
}

#[test]
fn an_own_entry_that_was_read_before_its_answer_is_not_delivered_again_and_its_sender_is_told() {
    let mut ledger = ledger();
    (1..=2).for_each(|n| submit(&mut ledger, n));
    ledger.grown(offset(8));
    assert_eq!(reads(&mut ledger, 4), Some((6, Some(8))));
    follow(&mut ledger, 4, 8, &[7, 8]);
    let first = ledger.next_released().unwrap();
    ledger.deliver(first.entry.offset);
    assert!(commit(&mut ledger, 1, 7), "it was delivered already");
    assert!(!commit(&mut ledger, 2, 8));
    let second = ledger.next_released().unwrap();
    assert_eq!(second.replies.len(), 2, "the sender is told when it is delivered");
    ledger.deliver(second.entry.offset);
    assert_eq!(delivered(&mut ledger), [0; 0]);
}

#[test]
fn a_notice_that_was_lost_costs_nothing_and_the_next_one_fills_the_gap() {
    let mut ledger = ledger();
    // That of 7 and 8 was lost.
    ledger.grown(offset(9));
    assert_eq!(reads(&mut ledger, 4), Some((6, Some(9))));
    ledger.grown(offset(12));
    ledger.grown(offset(11));
    assert_eq!(reads(&mut ledger, 5), None, "one is under way");
    follow(&mut ledger, 3, 9, &[7]);
    assert_eq!(delivered(&mut ledger), [0; 0], "that was not asked for");
    follow(&mut ledger, 4, 9, &[7, 8, 9]);
    assert_eq!(reads(&mut ledger, 6), None, "first this is delivered");
    assert_eq!(delivered(&mut ledger), [7, 8, 9]);
    assert_eq!(reads(&mut ledger, 6), Some((9, Some(12))));
    // 12 is gone: nobody waits for it.
    follow(&mut ledger, 6, 11, &[10, 11]);
    assert_eq!(delivered(&mut ledger), [10, 11]);
    assert_eq!(reads(&mut ledger, 7), None);
}

#[test]
fn a_look_finds_what_nobody_told_of_page_by_page() {
    let mut ledger = ledger();
    let first = ledger.look().unwrap();
    assert_eq!(reads(&mut ledger, 4), Some((6, None)));
    // This one may find nothing of what came since.
    let second = ledger.look().unwrap();
    let mut full = Page { is_last: false, ..page(8, &[7, 8]) };
    assert_eq!(ledger.followed(4, &mut full, pending), Followed::Whole);
    assert_eq!(delivered(&mut ledger), [7, 8]);
    assert!(!ledger.has_looked(first));
    assert_eq!(reads(&mut ledger, 5), Some((8, None)));
    let third = ledger.look().unwrap();
    follow(&mut ledger, 5, 9, &[9]);
    assert!(!ledger.has_looked(second), "it is not delivered");
    assert_eq!(delivered(&mut ledger), [9]);
    assert!(ledger.has_looked(second) && !ledger.has_looked(third));
    assert_eq!(reads(&mut ledger, 6), Some((9, None)));
    ledger.not_followed(6, 1_000);
    assert_eq!((reads(&mut ledger, 7), ledger.due_ms()), (None, Some(1_000)));
    let again = ledger.next_read(8, 1_000).unwrap();
    assert_eq!((again.after, again.through), (offset(9), None));
}

#[test]
fn what_is_refused_or_repeats_another_is_not_delivered_and_who_sent_it_again_waits_with_it() {
    let mut ledger = ledger();
    (1..=2).for_each(|n| submit(&mut ledger, n));
    let again = ledger.admit(Uuid::from_u128(2), true, Durability::Durable);
    assert_eq!(again, Ok(Admitted::Submitted));
    assert!(ledger.join_submitted(Uuid::from_u128(2), ReplyTo::Nobody).is_none());
    let refused = ledger.answered(1, Answer::Refused(RefusedReason::DiskFull)).unwrap();
    assert_eq!(refused.entry.id, Uuid::from_u128(1));
    assert!(ledger.answered(7, Answer::Committed(offset(3))).is_none(), "of before a panic");
    let repeat = ledger.answered(2, Answer::Repeated(offset(5))).unwrap();
    assert_eq!(repeat.replies.iter().map(|it| it.1).collect::<Vec<_>>(), [false, true]);
    assert!(ledger.join_submitted(Uuid::from_u128(2), ReplyTo::Nobody).is_some());
    assert_eq!(delivered(&mut ledger), [0; 0]);
    // What was refused may come again.
    submit(&mut ledger, 1);
}

#[test]
fn a_log_that_was_taken_over_goes_on_where_it_was_once_it_is_open_again() {
    let mut ledger = ledger();
    submit(&mut ledger, 1);
    assert!(ledger.lost() && !ledger.lost() && !ledger.is_open());
    let away = Err(Unavailable::Away(RefusedReason::Fenced));
    assert_eq!(ledger.availability(), away);
    assert_eq!(ledger.position().unwrap().delivered_through, offset(6));
    ledger.failed(RefusedReason::DiskFull, 1_000);
    assert_eq!((ledger.due_ms(), ledger.away()), (Some(1_000), None));
    ledger.asked();
    assert!(matches!(ledger.opened(head(9), true), Opened::GoesOn));
    assert_eq!(reads(&mut ledger, 4), Some((6, None)));
    follow(&mut ledger, 4, 8, &[7, 8]);
    assert_eq!(delivered(&mut ledger), [7, 8]);
    assert!(!commit(&mut ledger, 1, 9), "it is answered still");
    assert_eq!(delivered(&mut ledger), [9]);
}

#[test]
fn what_is_not_delivered_of_a_log_that_is_another_now_is_given_back() {
    let mut shared = ledger();
    submit(&mut shared, 1);
    shared.lost();
    let mut other = head(1);
    other.epoch = Epoch::new(2);
    let Opened::Fresh(not_kept) = shared.opened(other, true) else { panic!() };
    assert_eq!(not_kept.len(), 1);
    assert_eq!(shared.position().unwrap().delivered_through, offset(0));

    let mut own = Ledger::default();
    own.opened(head(1), false);
    let Ok(Admitted::At(at)) = own.admit(Uuid::from_u128(1), true, Durability::Durable) else {
        panic!()
    };
    own.wait(pending(log_entry(at)));
    own.lost();
    let Opened::Behind(through, not_kept) = own.opened(head(5), false) else { panic!() };
    assert_eq!((through, not_kept.len()), (offset(0), 1));
    assert_eq!(own.position().unwrap().delivered_through, offset(4));
    assert!(own.look().is_none() && own.next_read(1, 0).is_none(), "nobody else writes");
}

#[test]
fn what_the_log_has_let_go_of_is_a_gap_and_another_log_is_told_apart() {
    let mut ledger = ledger();
    ledger.grown(offset(20));
    reads(&mut ledger, 4);
    let start = PageStart::Gap { through: offset(18) };
    let mut gap = Page { start, ..page(20, &[19, 20]) };
    let followed = ledger.followed(4, &mut gap, pending);
    assert_eq!(followed, Followed::Gap(offset(6), offset(18)));
    assert_eq!(delivered(&mut ledger), [19, 20]);
    ledger.grown(offset(21));
    reads(&mut ledger, 5);
    let mut other = Page { epoch: Epoch::new(2), start: PageStart::Reset, ..page(0, &[]) };
    assert_eq!(ledger.followed(5, &mut other, pending), Followed::OtherLog);
    assert_eq!(delivered(&mut ledger), [0; 0]);
}
