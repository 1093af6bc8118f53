//! What waits until the log has said whose an order is or whether it has a message, or until the back end has said who may join
//! a room; and what its senders sent behind it.
//!
//! A shard does not wait for the disk: the event stands in a line of its sender's, and what the sender sends meanwhile stands
//! behind it, so that a connection's events keep their order. Whoever else asks the same joins those who wait for the
//! answer, so nothing can be made of it between the look at the disk and the answer.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{ErrorCode, Offset, Refusal, Room, RoomName, Source};
use foodtrack_tenant_log::{Assignment, OrderOwner, ReadError};
use slab::Slab;
use uuid::Uuid;

use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::hook::{HookQuestion, Permit};
use crate::input::ClientEvent;
use crate::intake::{Emitted, Publisher, Question, Stopped};
use crate::read_job::{Asker, Job, ReadJob};
use crate::request::Answer;
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::waiting_work::{Publication, Revocation, Sender, WaitingEvent, Work};

/// How much waits of one connection before it is read more slowly.
const LINE_LONG: usize = 64;
/// How many events and requests of a tenant wait; further ones are refused.
pub(crate) const WAITING_MAX: usize = 16_384;
/// And how many bytes of them.
pub(crate) const WAITING_BYTES_MAX: usize = 64 << 20;

impl Sender {
    pub(crate) fn publisher(&self) -> Publisher<'_> {
        Publisher {
            user: self.user.as_str(),
            sender: self.sender,
            role: self.role,
            source: self.source,
            permissions: self.permissions,
        }
    }
}

impl WaitingEvent {
    pub(crate) fn new(to: ConnectionSlot, sender: Sender, event: &ClientEvent<'_>) -> Self {
        let data = event.data.clone().into_owned();
        Self {
            to,
            sender,
            data,
            attachments: event.attachments.clone().into_owned(),
            ack_id: event.id,
            permit: None,
        }
    }
}

/// What one sender has waiting. The first waits for the log's answer, or has its turn.
#[derive(Default)]
struct Line {
    /// The connection, while it is here.
    place: Option<u32>,
    work: VecDeque<Work>,
    /// What the log has said that it does not know, to the first of them.
    absent: Vec<Question>,
}

struct Asked {
    serial: u32,
    /// In the order in which they came.
    lines: Vec<u32>,
}

/// What waits in one tenant.
#[derive(Default)]
pub(crate) struct LogLookups {
    lines: Slab<Line>,
    of_place: AHashMap<u32, u32>,
    asked: AHashMap<Question, Asked>,
    /// Messages that the log does not have, while those who asked have their turn.
    absent: AHashSet<Uuid>,
    /// What the back end allows the event at work.
    permit: Option<Arc<HookQuestion>>,
    /// Lines that may go on.
    ready: VecDeque<u32>,
    count: usize,
    bytes: usize,
}

impl LogLookups {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether something could go on at once.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the log has said that it does not have a message. Whoever was before has left it in memory since.
    pub(crate) fn is_absent(&self, id: &Uuid) -> bool {
        !self.absent.is_empty() && self.absent.contains(id)
    }

    /// Whether the back end has said so to what is at work.
    pub(crate) fn is_permitted(&self, question: &HookQuestion) -> bool {
        self.permit.as_deref() == Some(question)
    }

    /// Notes that the log does not have a message, until nothing waits any more.
    pub(crate) fn note_absent(&mut self, id: Uuid) {
        self.absent.insert(id);
    }

    /// Forgets what was noted, where nothing waits any more.
    pub(crate) fn forget_absent(&mut self) {
        if self.lines.is_empty() {
            self.absent.clear();
        }
    }

    /// Whether something of this connection waits: what it sends now must wait behind it.
    pub(crate) fn has_line(&self, place: u32) -> bool {
        !self.of_place.is_empty() && self.of_place.contains_key(&place)
    }

    /// Whether so much of this connection waits that it should be read more slowly.
    pub(crate) fn is_long(&self, place: u32) -> bool {
        let line = self.of_place.get(&place).and_then(|line| self.lines.get(*line as usize));
        line.is_some_and(|line| line.work.len() >= LINE_LONG)
    }

    /// The connection is gone; what it had sent is still done.
    pub(crate) fn detach(&mut self, place: u32) {
        if let Some(line) = self.of_place.remove(&place)
            && let Some(line) = self.lines.get_mut(line as usize)
        {
            line.place = None;
        }
    }

    /// Puts work behind what waits of the same connection; of nobody's in particular, or where nothing waits, in a line of
    /// its own. Returns the line, or the work where there is no room.
    fn push(&mut self, place: Option<u32>, work: Work) -> Result<u32, Work> {
        let bytes = work.bytes();
        if self.count >= WAITING_MAX || self.bytes + bytes > WAITING_BYTES_MAX {
            return Err(work);
        }
        let known = place.and_then(|place| self.of_place.get(&place).copied());
        let line = known.unwrap_or_else(|| {
            let (work, absent) = (VecDeque::new(), Vec::new());
            let line = self.lines.insert(Line { place, work, absent });
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            place.map(|place| self.of_place.insert(place, line));
            line
        });
        self.lines[line as usize].work.push_back(work);
        (self.count, self.bytes) = (self.count + 1, self.bytes + bytes);
        Ok(line)
    }

    /// Takes out a line's first, and what the log does not know that it asked for.
    fn pop(&mut self, line: u32) -> Option<(Work, Vec<Question>)> {
        let known = self.lines.get_mut(line as usize)?;
        let (work, absent) = (known.work.pop_front(), std::mem::take(&mut known.absent));
        match &work {
            Some(work) => {
                (self.count, self.bytes) = (self.count - 1, self.bytes - work.bytes());
            }
            None => {
                if let Some(place) = self.lines.remove(line as usize).place {
                    self.of_place.remove(&place);
                }
                self.forget_absent();
            }
        }
        work.map(|work| (work, absent))
    }

    fn first_of(&mut self, line: u32) -> Option<&mut Work> {
        self.lines.get_mut(line as usize)?.work.front_mut()
    }

    fn push_back_again(&mut self, line: u32, work: Work, absent: Vec<Question>) {
        (self.count, self.bytes) = (self.count + 1, self.bytes + work.bytes());
        self.lines[line as usize].work.push_front(work);
        self.lines[line as usize].absent = absent;
    }

    /// Notes for a line's first that the log does not know what it asked for.
    fn note_absent_for(&mut self, line: u32, question: &Question) {
        if let Some(line) = self.lines.get_mut(line as usize) {
            line.absent.push(question.clone());
        }
    }
}

impl Tenant {
    /// Puts an event behind what its sender has waiting.
    pub(crate) fn wait_behind(&mut self, place: u32, event: WaitingEvent) -> Result<(), Refusal> {
        let pushed = self.lookups.push(Some(place), Work::Event(Box::new(event)));
        pushed.map(|_| ()).map_err(|_| too_many())
    }

    /// Has something wait until the log has answered.
    pub(crate) fn wait_for_log(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: Option<u32>,
        question: Question,
        work: Work,
    ) {
        match self.lookups.push(place, work) {
            Ok(line) => self.ask_log(turn, line, question),
            Err(work) => self.refuse_work(turn, work, &too_many()),
        }
    }

    fn ask_log(&mut self, turn: &mut Turn<'_, impl Effects>, line: u32, question: Question) {
        if self.is_on_disk(&question) {
            let refusal = self.log_unknown();
            self.refuse_first(turn, line, &refusal);
            return self.lookups.ready.push_back(line);
        }
        if let Some(asked) = self.lookups.asked.get_mut(&question) {
            return asked.lines.push(line);
        }
        let serial = self.next_serial();
        let job = match &question {
            // The store may not have heard yet what the log will say.
            question if self.intake.is_being_said(question) => None,
            Question::OwnerOf(order) => Some(Job::Owner(order.clone())),
            Question::AssigneeOf(order) => Some(Job::Assignee(order.clone())),
            Question::Message(id) => Some(Job::Message(*id)),
            // It was asked when it did not know at once.
            Question::Permit(_) => None,
        };
        if let Some(job) = job {
            turn.effects.read(&self.id, Asker::Events(serial), ReadJob(job));
        }
        self.lookups.asked.insert(question, Asked { serial, lines: vec![line] });
    }

    /// Whether the log will answer it by something that is on this node's disk.
    fn is_on_disk(&self, question: &Question) -> bool {
        match question {
            Question::OwnerOf(order) | Question::AssigneeOf(order) => {
                self.spooled.have(order) && self.intake.is_being_said(question)
            }
            Question::Message(_) | Question::Permit(_) => false,
        }
    }

    /// What the log will say of an order is on this node's disk, and nobody knows when it is in the log: who waits for it is refused.
    pub(crate) fn refuse_who_asks_for(&mut self, turn: &mut Turn<'_, impl Effects>, order: &str) {
        for question in [Question::OwnerOf(order.into()), Question::AssigneeOf(order.into())] {
            let asked =
                self.is_on_disk(&question).then(|| self.lookups.asked.remove(&question)).flatten();
            let lines = asked.map(|asked| asked.lines).unwrap_or_default();
            let refusal = self.log_unknown();
            lines.iter().for_each(|line| self.refuse_first(turn, *line, &refusal));
            self.lookups.ready.extend(lines);
        }
    }

    /// What was submitted about an order is in a log that others write to as well, or will not be: who waits for that goes on
    /// in the next call of [`Tenant::go_on_with_lines`].
    pub(crate) fn order_decided(&mut self, order: &str) {
        for question in [Question::OwnerOf(order.into()), Question::AssigneeOf(order.into())] {
            let is_asked = !self.intake.is_being_said(&question);
            if let Some(asked) = is_asked.then(|| self.lookups.asked.remove(&question)).flatten() {
                self.lookups.ready.extend(asked.lines);
            }
        }
    }

    /// The log has said whose an order is.
    pub(crate) fn owner_found(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        serial: u32,
        order: &str,
        owner: Result<Option<OrderOwner>, ReadError>,
    ) {
        let learned = owner.map(|owner| owner.map(|owner| owner.customer));
        let question = Question::OwnerOf(order.into());
        self.answered(turn, serial, &question, learned, |tenant, owner| {
            let is_lasting = owner.is_some() || !tenant.ledger.is_shared();
            if is_lasting {
                tenant.intake.learn(order, owner);
            }
            is_lasting
        });
    }

    /// The log has said who an order is assigned to.
    pub(crate) fn assignment_found(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        serial: u32,
        order: &str,
        assignment: Result<Option<Assignment>, ReadError>,
    ) {
        let question = Question::AssigneeOf(order.into());
        self.answered(turn, serial, &question, assignment, |tenant, assignment| {
            let is_lasting = assignment.is_some() || !tenant.ledger.is_shared();
            if is_lasting {
                tenant.intake.learn_assignment(order, assignment);
            }
            is_lasting
        });
    }

    /// The log has said whether it has a message, and where.
    pub(crate) fn message_found(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        serial: u32,
        id: Uuid,
        found: Result<Option<Offset>, ReadError>,
    ) {
        self.answered(turn, serial, &Question::Message(id), found, |tenant, found| {
            tenant.learn_message(id, found);
            true
        });
    }

    /// Notes where the log has a message, or that it does not have it.
    pub(crate) fn learn_message(&mut self, id: Uuid, found: Option<Offset>) {
        match found {
            Some(offset) => self.ledger.found(id, offset),
            None => self.lookups.note_absent(id),
        }
    }

    /// The back end has said whether somebody may join a room: what waits for that goes on, or is refused.
    pub(crate) fn permitted(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        question: &Arc<HookQuestion>,
        permit: &Permit,
    ) {
        let asked = self.lookups.asked.remove(&Question::Permit(Arc::clone(question)));
        let lines = asked.map(|asked| asked.lines).unwrap_or_default();
        for line in &lines {
            match (permit, self.lookups.first_of(*line)) {
                (Ok(()), Some(Work::Event(event))) => event.permit = Some(Arc::clone(question)),
                (Err(refusal), Some(_)) => self.refuse_first(turn, *line, refusal),
                _ => {}
            }
        }
        self.lookups.ready.extend(lines);
        self.go_on_with_lines(turn);
    }

    fn refuse_first(&mut self, turn: &mut Turn<'_, impl Effects>, line: u32, refusal: &Refusal) {
        if let Some((work, _)) = self.lookups.pop(line) {
            self.refuse_work(turn, work, refusal);
        }
    }

    /// The log has answered: those who asked go on. `learn` returns whether the answer holds for good: that a log which others write
    /// to does not know something holds for who asked, for another node may be told at any time.
    fn answered<T>(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        serial: u32,
        question: &Question,
        answer: Result<T, ReadError>,
        learn: impl FnOnce(&mut Self, T) -> bool,
    ) {
        // Another answer is to a question of before a panic.
        if self.lookups.asked.get(question).is_none_or(|asked| asked.serial != serial) {
            return;
        }
        let asked = self.lookups.asked.remove(question);
        let lines = asked.map(|asked| asked.lines).unwrap_or_default();
        match answer {
            Ok(answer) => {
                if !learn(self, answer) {
                    lines.iter().for_each(|line| self.lookups.note_absent_for(*line, question));
                }
            }
            Err(error) => {
                tracing::error!(tenant = self.id.as_str(), %error, "cannot look up what the log knows");
                let refusal = self.log_unknown();
                lines.iter().for_each(|line| self.refuse_first(turn, *line, &refusal));
            }
        }
        self.lookups.ready.extend(lines);
        self.go_on_with_lines(turn);
    }

    /// Does what had to wait, as much as fits into the tenant's turn.
    pub(crate) fn go_on_with_lines(&mut self, turn: &mut Turn<'_, impl Effects>) {
        while let Some(line) = self.lookups.ready.front().copied() {
            if self.is_turn_over(turn.has_others) {
                return;
            }
            let Some((work, absent)) = self.lookups.pop(line) else {
                self.lookups.ready.pop_front();
                continue;
            };
            absent.iter().for_each(|question| self.intake.presume_absent(question));
            let waits = self.do_work(turn, work);
            absent.iter().for_each(|question| self.intake.forget_absent(question));
            if let Some((work, question)) = waits {
                self.lookups.ready.pop_front();
                self.lookups.push_back_again(line, work, absent);
                self.ask_log(turn, line, question);
            }
        }
    }

    /// Does one thing that waited. Returns it where it has to wait for another answer.
    fn do_work(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        work: Work,
    ) -> Option<(Work, Question)> {
        match work {
            Work::Event(mut event) => {
                let parts = (event.data.as_str(), event.attachments.as_slice());
                self.lookups.permit = event.permit.take();
                let done = self.do_event(turn, event.to, &event.sender, parts, event.ack_id);
                self.lookups.permit = None;
                match done {
                    Ok(()) => None,
                    Err(Stopped::Asks(question)) => Some((Work::Event(event), question)),
                    Err(Stopped::Refused(refusal)) => {
                        self.refuse_work(turn, Work::Event(event), &refusal);
                        None
                    }
                }
            }
            Work::Publish(publication) => self
                .publish_for_back_end(turn, *publication)
                .map(|(publication, question)| (Work::Publish(Box::new(publication)), question)),
            Work::Revoke(revocation) => {
                self.revoke(turn, *revocation);
                None
            }
        }
    }

    fn refuse_work(&mut self, turn: &mut Turn<'_, impl Effects>, work: Work, refusal: &Refusal) {
        match work {
            Work::Event(event) if self.present(event.to).is_some() => {
                self.refuse(turn, event.to, event.ack_id, refusal);
            }
            Work::Event(_) => {
                self.tally.refuse();
                turn.counters.events_refused.add(1);
                turn.counters.refusals.add(refusal.code());
            }
            Work::Publish(publication) => {
                self.answer(turn, publication.reply, Err(refusal.clone()));
            }
            // In doubt the grant was all that let them in.
            Work::Revoke(revocation) => self.revoke(turn, *revocation),
        }
    }

    /// Publishes an event of a back end's, now or when the log has said what it must say first.
    pub(crate) fn publish_when_known(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        publication: Publication,
    ) {
        if let Some((publication, question)) = self.publish_for_back_end(turn, publication) {
            self.wait_for_log(turn, None, question, Work::Publish(Box::new(publication)));
        }
    }

    /// Takes a grant back, now or when the log has said whose the order is: its customer stays in the room.
    pub(crate) fn revoke_when_known(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        revocation: Revocation,
    ) {
        let room = revocation.room.room();
        let found = match room.as_ref().map(Room::name) {
            Some(RoomName::Order(order)) => self.find_owner(turn, order),
            _ => Ok(()),
        };
        let revocation = Box::new(revocation);
        match found {
            Err(Stopped::Asks(question)) => {
                self.wait_for_log(turn, None, question, Work::Revoke(revocation));
            }
            _ => self.revoke(turn, *revocation),
        }
    }

    /// An event of a back end's. Returns it where it has to wait for the log's answer.
    pub(crate) fn publish_for_back_end(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        publication: Publication,
    ) -> Option<(Publication, Question)> {
        let Publication { principal, event, argument, spare_id, reply } = publication;
        let (user, source) = (principal.user().as_str(), Source::System);
        let publisher = Publisher {
            user,
            sender: turn.emission_key.sender(user, None, source),
            role: principal.role(),
            source,
            permissions: principal.permissions(),
        };
        let emitted = Emitted { name: &event, argument: &argument, attachments: &[], spare_id };
        let waits = self.publish(turn, publisher, emitted, reply).err()?;
        let publication = Publication { principal, event, argument, spare_id, reply: waits.reply };
        Some((publication, waits.question))
    }

    fn revoke(&mut self, turn: &mut Turn<'_, impl Effects>, revocation: Revocation) {
        let Revocation { room, user, id } = revocation;
        let was_granted = room.room().is_some_and(|room| self.revoke_grant(turn, &room, &user));
        turn.effects.reply(id, Answer::Revoked(was_granted));
    }
}

fn too_many() -> Refusal {
    let message = "too much waits for the log to say whose orders are: try again in a moment";
    Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(200)
}
