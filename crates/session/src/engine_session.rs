//! One client's Engine.IO session: how it is reached, whether it is there, what has reached it, and how it ends.

use foodtrack_wire::engine_io::Packet;

use crate::close_reason::CloseReason;
use crate::closed_polling::FinalPoll;
use crate::heartbeat::{Beat, Heartbeat, HeartbeatConfig};
use crate::link_id::LinkId;
use crate::pings::Pings;
use crate::poll_body::{Backlog, LastPacket};
use crate::polling::{Lost, PollAnswer, PollStep, Polling};
use crate::probe::ProbeStep;
use crate::request_replay::{Carrier, RequestId};

/// The machine: packets, requests and times go in; answers, deadlines and what to do with connections come out. Times are
/// milliseconds on any one monotonic clock. What waits for the client is its caller's, and comes as a [`Backlog`].
#[derive(Debug)]
pub struct EngineSession {
    transport: Transport,
    phase: Phase,
    /// Whether it was sent something of the log of which nobody will know whether it arrived, or of which the client says by itself
    /// that it did.
    is_unproven: bool,
    heartbeat: Heartbeat,
    pings: Pings,
}

// An idle client pays for it.
const _: () = assert!(size_of::<EngineSession>() <= 64);

#[derive(Debug)]
enum Transport {
    /// Nobody's connection once it is lost, which may still be ending.
    WebSocket(Option<LinkId>),
    Polling(Box<Polling>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// It was closed, and nobody was told yet.
    Closing(CloseReason),
    /// Everybody was told but the client, which is just changing its transport: on neither would it hear now.
    Changing(CloseReason),
}

/// What follows from a call to [`EngineSession::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The session ends: it is to be [left](EngineSession::leave) at the end of the turn.
    Begun,
    /// It was closed before.
    Already,
    /// It was closed before, and the upgrade that keeps it is not waited for any more: it is to be given up.
    GiveUpUpgrade,
}

/// How far a session is that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Why.
    pub reason: CloseReason,
    /// Whether the application is told now, and not before.
    pub is_news: bool,
}

/// What a pong means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pong {
    /// It answers a ping, and confirms what the ping was marked with.
    Confirms(u64),
    /// It answers a ping.
    Answers,
    /// It answers nothing that was asked.
    Senseless,
}

/// What is left to do for a session that ends.
#[derive(Debug)]
pub enum End<B> {
    /// The WebSocket is closed with a code, or without a word where that would not be read.
    WebSocket(Option<LinkId>, Option<u16>),
    /// It polled.
    Polling {
        /// The answer to the poll that waited.
        answer: Option<PollAnswer>,
        /// The connection of an upgrade that came to nothing: close it.
        probing: Option<LinkId>,
        /// What its next polls are told, where they are told anything.
        last: Option<FinalPoll<B>>,
    },
}

impl EngineSession {
    /// A session that opens with a WebSocket.
    pub fn websocket(link: LinkId, now_ms: u64) -> Self {
        Self::new(Transport::WebSocket(Some(link)), now_ms)
    }

    /// A session that opens with polling.
    pub fn polling(now_ms: u64) -> Self {
        Self::new(Transport::Polling(Box::default()), now_ms)
    }

    fn new(transport: Transport, now_ms: u64) -> Self {
        Self {
            transport,
            phase: Phase::Open,
            is_unproven: false,
            heartbeat: Heartbeat::start(now_ms),
            pings: Pings::default(),
        }
    }

    /// The connection of its WebSocket, once that is its transport and not lost.
    pub fn websocket_link(&self) -> Option<LinkId> {
        match self.transport {
            Transport::WebSocket(link) => link,
            Transport::Polling(_) => None,
        }
    }

    /// How it polls, while it does.
    pub fn as_polling(&self) -> Option<&Polling> {
        match &self.transport {
            Transport::Polling(polling) => Some(polling),
            Transport::WebSocket(_) => None,
        }
    }

    fn as_polling_mut(&mut self) -> Option<&mut Polling> {
        match &mut self.transport {
            Transport::Polling(polling) => Some(polling),
            Transport::WebSocket(_) => None,
        }
    }

    /// Whether it polls.
    pub fn is_polling(&self) -> bool {
        self.as_polling().is_some()
    }

    /// Whether it has a WebSocket, or is changing to one.
    pub fn has_websocket(&self) -> bool {
        self.as_polling().is_none_or(|polling| polling.probing().is_some())
    }

    /// The connections it has now: its WebSocket, or the one of a poll that waits and the one that is probed.
    pub fn links(&self) -> [Option<LinkId>; 2] {
        match &self.transport {
            Transport::WebSocket(link) => [*link, None],
            Transport::Polling(polling) => [polling.waiting(), polling.probing()],
        }
    }

    /// Takes a poll that came on `link`; `None` where the session does not poll. `carrier` says what is known of a connection.
    pub fn poll(
        &mut self,
        id: Option<RequestId>,
        link: LinkId,
        now_ms: u64,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> Option<PollStep> {
        let step = self.as_polling_mut()?.poll(id, link, now_ms, carrier);
        if let PollStep::Waits { is_doubtful: true, .. } = step {
            // A pong must not claim the answer.
            self.pings.forget_mark();
            self.is_unproven = true;
        }
        Some(step)
    }

    /// Answers the poll that waits with what one answer may hold of the backlog, then `last`; `None` where no poll waits.
    /// `holds_entries`: something of the log is or was in the backlog.
    pub fn answer_poll<B: Backlog>(
        &mut self,
        backlog: &mut Option<Box<B>>,
        holds_entries: bool,
        bytes_max: usize,
        last: Option<LastPacket>,
    ) -> Option<PollAnswer> {
        let answer = self.as_polling_mut()?.answer(backlog, bytes_max, last)?;
        if !answer.is_kept {
            // Whether this arrives will never be known, so a pong must not claim it.
            self.pings.forget_mark();
            self.is_unproven |= holds_entries;
        }
        Some(answer)
    }

    /// Whether a post that came on `link` is the last one again, whose answer was lost: then it is answered, and that is all.
    pub fn is_post_again(
        &mut self,
        id: Option<RequestId>,
        body: &[u8],
        link: LinkId,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> bool {
        self.as_polling_mut().is_some_and(|polling| polling.is_post_again(id, body, link, carrier))
    }

    /// A post is taken, and answered on `link`.
    pub fn note_post(&mut self, id: Option<RequestId>, body: &[u8], link: LinkId) {
        if let Some(polling) = self.as_polling_mut() {
            polling.note_post(id, body, link);
        }
    }

    /// Begins an upgrade on `link`. Returns whether it may: one at a time, and only from polling.
    pub fn open_upgrade(&mut self, link: LinkId) -> bool {
        self.as_polling_mut().is_some_and(|polling| polling.open_upgrade(link))
    }

    /// Takes a packet of the connection that is probed; `None` where that is not this one.
    pub fn probe(&mut self, link: LinkId, packet: &Packet<'_>) -> Option<ProbeStep> {
        self.as_polling_mut()?.probe(link, packet)
    }

    /// The upgrade on `link` comes to nothing. Returns whether one was under way there.
    pub fn end_upgrade(&mut self, link: LinkId) -> bool {
        self.as_polling_mut().is_some_and(|polling| polling.end_upgrade(link))
    }

    /// The client has changed to the WebSocket on `link`. Returns what a poll that waits is answered with.
    pub fn finish_upgrade(&mut self, link: LinkId) -> Option<PollAnswer> {
        let answer = self.as_polling_mut()?.finish_upgrade();
        self.transport = Transport::WebSocket(Some(link));
        answer
    }

    /// A connection is gone, or goes its own way from now on.
    pub fn lose(&mut self, link: LinkId) -> Lost {
        match &mut self.transport {
            Transport::Polling(polling) => polling.lose(link),
            Transport::WebSocket(own) => match own.take_if(|own| *own == link) {
                Some(_) => Lost::Client,
                None => Lost::Nothing,
            },
        }
    }

    /// The client moves to another owner of sockets, with [these](Self::links) of its connections.
    pub fn depart(&mut self) -> [Option<LinkId>; 2] {
        match &mut self.transport {
            Transport::WebSocket(link) => [link.take(), None],
            Transport::Polling(polling) => polling.depart(),
        }
    }

    /// The client has moved; what was asked of it before means nothing here. `links` are the connections that came along, as
    /// they are called here. Returns whether it can still be reached.
    pub fn arrive(&mut self, links: [Option<LinkId>; 2]) -> bool {
        self.pings.forget_mark();
        match &mut self.transport {
            Transport::WebSocket(link) => {
                *link = links[0];
                link.is_some()
            }
            Transport::Polling(polling) => {
                polling.arrive(links);
                true
            }
        }
    }

    /// The client said something.
    pub fn heard(&mut self, now_ms: u64) {
        self.heartbeat.heard(now_ms);
    }

    /// When the client was last heard.
    pub fn heard_ms(&self) -> u64 {
        self.heartbeat.heard_ms()
    }

    /// What to do at the deadline of the heartbeat.
    pub fn beat(&mut self, now_ms: u64, config: &HeartbeatConfig) -> Beat {
        self.heartbeat.expire(now_ms, config)
    }

    /// Whether a ping that goes out now proves what the client was sent before, and may bear a mark.
    pub fn may_mark(&self) -> bool {
        self.pings.may_mark() && !self.is_unproven
    }

    /// A ping goes out, behind everything that the client was sent before. Its mark is not kept where it [may
    /// not](Self::may_mark) bear one; 0 is none.
    pub fn ping(&mut self, mark: u64, now_ms: u64) {
        self.pings.sent(if self.may_mark() { mark } else { 0 });
        self.heartbeat.asked(now_ms);
    }

    /// A pong came while `waiting` of the pings have not been written yet.
    pub fn pong(&mut self, waiting: u8, now_ms: u64) -> Pong {
        self.heartbeat.heard(now_ms);
        if !self.pings.is_awaited(waiting) {
            return Pong::Senseless;
        }
        self.pings.answered(waiting).map_or(Pong::Answers, Pong::Confirms)
    }

    /// Confirms nothing by the pings that are out.
    pub fn forget_mark(&mut self) {
        self.pings.forget_mark();
    }

    /// The client says by itself how far it is, or never answers a ping: no pong confirms anything from now on.
    pub fn forgo_proof(&mut self) {
        self.pings.forget_mark();
        self.is_unproven = true;
    }

    /// Whether no pong will confirm anything any more.
    pub fn forgoes_proof(&self) -> bool {
        self.is_unproven
    }

    /// Ends the session.
    pub fn close(&mut self, reason: CloseReason) -> Closing {
        match self.phase {
            Phase::Open => {
                self.phase = Phase::Closing(reason);
                Closing::Begun
            }
            Phase::Changing(_) if reason == CloseReason::ServerClosed => Closing::GiveUpUpgrade,
            Phase::Closing(_) | Phase::Changing(_) => Closing::Already,
        }
    }

    /// Whether the session was closed.
    pub fn is_closing(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether it was closed, and stays only until its client has changed its transport.
    pub fn is_kept_by_upgrade(&self) -> bool {
        matches!(self.phase, Phase::Changing(_))
    }

    /// Why a session is left that was closed; `None` where it was not.
    pub fn leave(&self) -> Option<Leave> {
        match self.phase {
            Phase::Open => None,
            Phase::Closing(reason) => Some(Leave { reason, is_news: true }),
            Phase::Changing(reason) => Some(Leave { reason, is_news: false }),
        }
    }

    /// Whether a session that was closed, of which the application knows now, stays all the same. A client that is told of its
    /// end while it changes its transport would hear on neither: it is told on the WebSocket, once it has changed.
    pub fn stay_for_upgrade(&mut self) -> bool {
        let (Phase::Closing(reason) | Phase::Changing(reason)) = self.phase else { return true };
        let is_changing = self.as_polling().is_some_and(Polling::is_changing);
        self.phase = match is_changing && reason == CloseReason::Disconnected {
            true => Phase::Changing(reason),
            false => Phase::Closing(reason),
        };
        self.is_kept_by_upgrade()
    }

    /// The session is over.
    pub fn end<B: Backlog>(
        self,
        reason: CloseReason,
        backlog: Option<Box<B>>,
        bytes_max: usize,
    ) -> End<B> {
        match self.transport {
            Transport::WebSocket(link) => End::WebSocket(link, reason.websocket_code()),
            Transport::Polling(polling) => {
                let end = polling.end(backlog, bytes_max);
                let is_told = reason.is_told_to_polls() && !end.last.is_over();
                let last = is_told.then_some(end.last);
                End::Polling { answer: end.answer, probing: end.probing, last }
            }
        }
    }
}

#[cfg(test)]
mod tests;
