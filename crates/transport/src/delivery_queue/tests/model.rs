//! Random backlogs against a client that keeps the last cursor it saw, and may be torn away at any moment.

use std::collections::HashMap;

use foodtrack_contract::{Cursor, Offset};
use proptest::prelude::*;

use super::cursors::{at, event, next_text};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Entry,
    /// An entry that asks for an acknowledgement.
    Asking,
    /// With a cursor, but not in the log.
    Volatile,
    /// Says nothing of the log.
    Bare,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push { kind: Kind, urgency: Urgency, entity: u64, droppable: bool, conflates: bool, gap: u64 },
    Pop(usize),
    Ping,
}

fn operation() -> impl Strategy<Value = Operation> {
    let kind = prop_oneof![
        5 => Just(Kind::Entry),
        1 => Just(Kind::Asking),
        2 => Just(Kind::Volatile),
        1 => Just(Kind::Bare),
    ];
    let urgency = prop_oneof![
        Just(Urgency::Low),
        Just(Urgency::Medium),
        Just(Urgency::High),
        Just(Urgency::Urgent)
    ];
    let push = (kind, urgency, 0..4_u64, prop::bool::weighted(0.3), any::<bool>(), 1..4_u64)
        .prop_map(|(kind, urgency, entity, droppable, conflates, gap)| Operation::Push {
            kind,
            urgency,
            entity,
            droppable,
            conflates,
            gap,
        });
    prop_oneof![8 => push, 2 => (1..8_usize).prop_map(Operation::Pop), 1 => Just(Operation::Ping)]
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    kind: Kind,
    entity: u64,
    droppable: bool,
    offset: u64,
}

impl Kind {
    fn is_entry(self) -> bool {
        matches!(self, Self::Entry | Self::Asking)
    }
}

impl Sent {
    fn is_entry(&self) -> bool {
        self.kind.is_entry()
    }
}

/// What the server sent, and what the client saw of it.
struct Model {
    sent: Vec<Sent>,
    /// By the numbers of what was sent.
    got: Vec<bool>,
    cursor: Cursor,
    /// Entries that came without a cursor since the last cursor.
    unconfirmed: Vec<usize>,
    last_of_entity: HashMap<u64, usize>,
    /// What a ping waits for.
    before_ping: usize,
}

impl Model {
    fn covers(&self, number: usize) -> bool {
        self.cursor.covers(Offset::new(self.sent[number].offset).unwrap())
    }

    /// Makes the frame of a push, where the log stands at `log`.
    fn send(&mut self, push: &Operation, log: u64) -> Arc<Frame> {
        let Operation::Push { kind, urgency, entity, droppable, conflates, .. } = *push else {
            panic!("{push:?} sends nothing");
        };
        let number = self.sent.len();
        self.got.push(false);
        self.sent.push(Sent { kind, entity, droppable, offset: log });
        let place = at(log, kind.is_entry()).filter(|_| !matches!(kind, Kind::Bare));
        let meta = FrameMeta { urgency, entity, droppable, conflates, place };
        let has_cursor = matches!(kind, Kind::Entry | Kind::Volatile);
        let arguments = match has_cursor {
            true => format!("\"{number}\""),
            false => format!("\"{number}\",1"),
        };
        event(&arguments, None, meta, has_cursor)
    }

    fn receive(&mut self, text: &str, is_left: bool) {
        if text == "2" {
            let waiting = (0..self.before_ping)
                .filter(|number| !self.sent[*number].droppable && !self.got[*number]);
            assert_eq!(waiting.count(), 0, "a ping overtook");
            return;
        }
        let mut parts = text.split('"');
        let number: usize = parts.nth(1).unwrap().parse().unwrap();
        let sent = self.sent[number];
        if sent.is_entry() {
            assert!(!self.covers(number), "{text} had been counted as received: {}", self.cursor);
        }
        assert!(!std::mem::replace(&mut self.got[number], true), "{text} came twice");
        if sent.entity != 0 {
            let last = self.last_of_entity.insert(sent.entity, number);
            assert!(last.is_none_or(|last| last < number), "{text} came behind a later one");
        }
        match (sent.kind, parts.nth(1)) {
            (Kind::Entry | Kind::Volatile, Some(cursor)) => {
                self.cursor = Cursor::parse(cursor).unwrap_or_else(|| panic!("{cursor}"));
                self.unconfirmed.clear();
            }
            (Kind::Asking, None) => self.unconfirmed.push(number),
            (Kind::Bare, None) => {}
            (kind, cursor) => panic!("{kind:?} with {cursor:?}"),
        }
        // The connection may be torn now.
        for (number, sent) in self.sent.iter().enumerate().filter(|(_, sent)| sent.is_entry()) {
            let got = self.got[number] && !self.unconfirmed.contains(&number);
            if !sent.droppable || got {
                assert_eq!(self.covers(number), got, "{} of {sent:?} behind {text}", self.cursor);
            }
        }
        if !is_left && self.unconfirmed.is_empty() && matches!(sent.kind, Kind::Entry) {
            assert_eq!(self.cursor.beyond(), [], "nothing waits");
        }
    }
}

/// Runs a backlog to its end. `messages_max` is the queue's bound; `direct`: whether frames go past an empty queue, as they
/// do where a socket takes them.
fn check(operations: &[Operation], messages_max: usize, direct: bool) {
    let mut model = Model {
        sent: Vec::new(),
        got: Vec::new(),
        cursor: Cursor::parse("k-0").unwrap(),
        unconfirmed: Vec::new(),
        last_of_entity: HashMap::new(),
        before_ping: 0,
    };
    let mut queue: Option<DeliveryQueue> = None;
    let (mut log, mut dropped_total) = (0, 0);
    let drain = |queue: &mut Option<DeliveryQueue>, model: &mut Model, count| {
        for _ in 0..count {
            let Some(some) = queue else { break };
            let text = next_text(some).unwrap();
            model.receive(&text, !some.is_empty());
            if some.is_empty() {
                *queue = None;
            }
        }
    };
    for operation in operations {
        match *operation {
            Operation::Pop(count) => drain(&mut queue, &mut model, count),
            Operation::Ping => {
                let queue = queue.get_or_insert_default();
                if !queue.holds_ping() {
                    queue.push_ping();
                    model.before_ping = model.sent.len();
                }
            }
            Operation::Push { kind, gap, .. } => {
                // Others' entries lie in between; what is no entry shows where the log stands.
                log += gap - u64::from(!kind.is_entry());
                let frame = model.send(operation, log);
                if direct && queue.is_none() {
                    let mut text = Vec::new();
                    assert!(frame.append(Form::PollingText, &mut text));
                    model.receive(std::str::from_utf8(&text).unwrap(), false);
                    continue;
                }
                match queue.get_or_insert_default().push(frame, messages_max, 1 << 20) {
                    Pushed::Queued { dropped } | Pushed::Dropped { dropped } => {
                        dropped_total += dropped as usize;
                    }
                    // The reader is closed.
                    Pushed::Overflow => return,
                }
            }
        }
    }
    drain(&mut queue, &mut model, usize::MAX);
    assert!(queue.is_none());
    assert_eq!(model.got.iter().filter(|got| **got).count() + dropped_total, model.sent.len());
    let lost = (0..model.sent.len())
        .filter(|number| !model.sent[*number].droppable && !model.got[*number]);
    assert_eq!(lost.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_last_cursor_tells_exactly_what_arrived(
        operations in prop::collection::vec(operation(), 0..120), direct in any::<bool>()
    ) {
        check(&operations, 10_000, direct);
    }

    #[test]
    fn the_last_cursor_tells_what_arrived_where_frames_are_dropped(
        operations in prop::collection::vec(operation(), 0..200), messages_max in 8..24_usize
    ) {
        check(&operations, messages_max, true);
    }

    #[test]
    fn the_last_cursor_tells_what_arrived_where_the_list_is_full(
        pushes in prop::collection::vec(operation(), 100..300)
    ) {
        let pushes: Vec<_> =
            pushes.into_iter().filter(|operation| !matches!(operation, Operation::Pop(_))).collect();
        check(&pushes, 10_000, false);
    }
}
