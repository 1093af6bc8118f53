//! A log that others write to as well. Its store counts the offsets: what was submitted has none before it is answered, and
//! what others wrote is read.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset};
use foodtrack_tenant_log::{Answer, LogEntry, Page, PageStart};
use foodtrack_wire::LogPlace;
use uuid::Uuid;

use super::Pending;
use crate::reply_to::ReplyTo;

/// How much of a log is known that its store counts.
#[derive(Debug)]
pub(super) struct CountedByStore {
    epoch: Epoch,
    /// Everything up to here waits to be delivered, or was. The rest of what waits is own entries beyond what was read.
    complete_through: Offset,
    /// How far the log goes, as far as was told.
    known_through: Offset,
    /// What was submitted and is not answered yet, in the order of its submission.
    submitted: VecDeque<Submission>,
    /// The number of the first of them; the others' follow.
    first: u64,
    /// Their numbers, by their messages' ids.
    numbers: AHashMap<Uuid, u64>,
    reading: Reading,
    /// How many looks were asked for: see [`CountedByStore::look`].
    looks: u64,
    /// How many of them are over.
    looked: u64,
}

#[derive(Debug)]
struct Submission {
    ticket: u64,
    pending: Pending,
}

/// What is being read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Nothing,
    /// This was asked for, when so many looks were.
    Asked {
        serial: u32,
        next: NextRead,
        looks: u64,
    },
    /// It could not be read: it is to be tried again then, on the shard's clock.
    Failed {
        again_at_ms: u64,
    },
}

/// What is to be read next of a log that others write to as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextRead {
    pub(crate) epoch: Epoch,
    pub(crate) after: Offset,
    /// Up to where the log is known to go; `None` for a look at whatever is there.
    pub(crate) through: Option<Offset>,
}

/// What a page of the log means for who delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// It was taken, or nobody waits for it any more.
    Whole,
    /// It was taken, and what came after this offset, through that one, is no longer kept.
    Gap(Offset, Offset),
    /// The log is another incarnation now.
    OtherLog,
}

impl CountedByStore {
    pub(super) fn new(epoch: Epoch, last: Offset) -> Self {
        Self {
            epoch,
            complete_through: last,
            known_through: last,
            submitted: VecDeque::new(),
            first: 0,
            numbers: AHashMap::new(),
            reading: Reading::Nothing,
            looks: 1,
            looked: 0,
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn complete_through(&self) -> Offset {
        self.complete_through
    }

    /// Whether a message of this id was submitted and is not answered yet.
    pub(super) fn has_submitted(&self, id: Uuid) -> bool {
        self.numbers.contains_key(&id)
    }

    /// Whether anything was submitted that is not answered yet.
    pub(super) fn waits(&self) -> bool {
        !self.submitted.is_empty()
    }

    /// Takes a message that was submitted, until it is answered.
    pub(super) fn submitted(&mut self, ticket: u64, pending: Pending) {
        self.numbers.insert(pending.entry.id, self.first + self.submitted.len() as u64);
        self.submitted.push_back(Submission { ticket, pending });
    }

    /// The first that was submitted and is not answered yet, if this is its ticket.
    pub(super) fn next_submitted(&self, ticket: u64) -> Option<&LogEntry> {
        self.submitted.front().filter(|it| it.ticket == ticket).map(|it| &*it.pending.entry)
    }

    /// Has whoever sent a message again told with its first sender. Returns the reply if that was answered.
    pub(super) fn join(&mut self, id: Uuid, reply: ReplyTo) -> Option<ReplyTo> {
        let number = self.numbers.get(&id).and_then(|it| usize::try_from(it - self.first).ok());
        match number.and_then(|number| self.submitted.get_mut(number)) {
            Some(Submission { pending, .. }) => {
                pending.replies.push((reply, true));
                None
            }
            None => Some(reply),
        }
    }

    /// What became of the first that was submitted; `waiting` is what waits to be delivered. Returns it where it will not be
    /// delivered any more: it was read and delivered already, repeats an earlier one, or was not kept.
    pub(super) fn answered(
        &mut self,
        ticket: u64,
        answer: Answer,
        waiting: &mut VecDeque<Pending>,
    ) -> Option<Pending> {
        if let Answer::Committed(offset) | Answer::Repeated(offset) = answer {
            self.grown(offset);
        }
        // Another one is of before a panic: what came of it is read.
        let Submission { pending, .. } =
            self.submitted.pop_front_if(|first| first.ticket == ticket)?;
        self.first += 1;
        self.numbers.remove(&pending.entry.id);
        let Answer::Committed(offset) = answer else { return Some(pending) };
        match waiting.binary_search_by_key(&offset, |it| it.entry.offset) {
            // It was read among the others'.
            Ok(place) => waiting[place].replies.extend(pending.replies),
            Err(_) if offset <= self.complete_through => return Some(pending),
            Err(place) => {
                waiting.insert(place, placed(pending, offset));
                self.go_on(waiting);
            }
        }
        None
    }

    /// The log goes on to here, whoever wrote that.
    pub(super) fn grown(&mut self, through: Offset) {
        self.known_through = self.known_through.max(through);
    }

    /// Asks for a look: whatever others wrote by now is read, though nobody told of it. Returns the look's number.
    pub(super) fn look(&mut self) -> u64 {
        self.looks += 1;
        self.looks
    }

    /// Whether everything was read that was there when a look was asked for.
    pub(super) fn has_looked(&self, number: u64) -> bool {
        self.looked >= number
    }

    /// What is to be read next, if that is not under way: the answer is to bring `serial` back.
    pub(super) fn next_read(&mut self, serial: u32) -> Option<NextRead> {
        if self.reading != Reading::Nothing {
            return None;
        }
        let through = match self.looks > self.looked {
            true => None,
            false if self.known_through > self.complete_through => Some(self.known_through),
            false => return None,
        };
        let next = NextRead { epoch: self.epoch, after: self.complete_through, through };
        self.reading = Reading::Asked { serial, next, looks: self.looks };
        Some(next)
    }

    /// What was read of the log, in the order in which it is to be delivered after what waits.
    pub(super) fn followed(
        &mut self,
        serial: u32,
        page: &mut Page,
        waiting: &mut VecDeque<Pending>,
        pending: impl Fn(LogEntry) -> Pending,
    ) -> Followed {
        let Some((next, looks)) = self.take_asked(serial) else { return Followed::Whole };
        if next.through.is_none() && page.is_last {
            self.looked = looks;
        }
        if page.start == PageStart::Reset || page.epoch != self.epoch {
            return Followed::OtherLog;
        }
        for entry in page.entries.drain(..).filter(|entry| entry.offset > self.complete_through) {
            // An own one waits already.
            if let Err(place) = waiting.binary_search_by_key(&entry.offset, |it| it.entry.offset) {
                waiting.insert(place, pending(entry));
            }
        }
        let after = self.complete_through;
        // Up to there all was read, or is gone.
        let through = next.through.filter(|_| page.is_last).unwrap_or(page.next);
        self.complete_through = after.max(through);
        self.grown(self.complete_through);
        self.go_on(waiting);
        match page.start {
            PageStart::Gap { through } if through > after => Followed::Gap(after, through),
            _ => Followed::Whole,
        }
    }

    /// The log could not be read: it is tried again at `again_at_ms`.
    pub(super) fn not_followed(&mut self, serial: u32, again_at_ms: u64) {
        if self.take_asked(serial).is_some() {
            self.look();
            self.reading = Reading::Failed { again_at_ms };
        }
    }

    fn take_asked(&mut self, serial: u32) -> Option<(NextRead, u64)> {
        let Reading::Asked { serial: asked, next, looks } = self.reading else { return None };
        (asked == serial).then(|| {
            self.reading = Reading::Nothing;
            (next, looks)
        })
    }

    /// When the log is to be read again that could not be read.
    pub(super) fn again_at_ms(&self) -> Option<u64> {
        match self.reading {
            Reading::Failed { again_at_ms } => Some(again_at_ms),
            _ => None,
        }
    }

    /// Reads again what could not be read.
    pub(super) fn try_again(&mut self, now_ms: u64) {
        if self.again_at_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            self.reading = Reading::Nothing;
        }
    }

    /// The store has opened the log again, whose last entry is at `last`: what was under way is asked for anew.
    pub(super) fn reopened(&mut self, last: Offset) {
        self.grown(last);
        self.reading = Reading::Nothing;
        self.look();
    }

    /// What was submitted and is not answered yet.
    pub(super) fn into_submitted(self) -> impl Iterator<Item = Pending> {
        self.submitted.into_iter().map(|it| it.pending)
    }

    /// What waits directly behind what is complete is complete with it.
    fn go_on(&mut self, waiting: &VecDeque<Pending>) {
        let first = waiting.partition_point(|it| it.entry.offset <= self.complete_through);
        for pending in waiting.range(first..) {
            if pending.entry.offset != self.complete_through.next() {
                return;
            }
            self.complete_through = pending.entry.offset;
        }
    }
}

/// A message whose offset is known now.
fn placed(mut pending: Pending, offset: Offset) -> Pending {
    Arc::make_mut(&mut pending.entry).offset = offset;
    pending.meta.place = Some(LogPlace { offset: offset.get(), is_entry: true });
    pending
}
