//! A session and a client that behaves as browsers do, driven by a string of operations: for tests and fuzzing. Requests are
//! sent again where a connection ends before they are answered, answers are lost, polling is left for a WebSocket, the client
//! moves to another shard, and the session ends.
//!
//! What must hold, whatever comes: messages arrive in order and none twice; none is missing, but where nobody could know that
//! an answer was lost; what is confirmed has arrived; a request is answered once; a post is taken once; and the end of a
//! polling session comes alone, behind all that was sent.

use std::collections::{HashMap, VecDeque};

use foodtrack_wire::engine_io::{self, Packet};

use crate::{
    Backlog, Carrier, CloseReason, Closing, End, EngineSession, FinalPoll, LinkId, Lost,
    PollAnswer, PollStep, Pong, ProbeStep, RequestId,
};

/// Bytes of an answer: a few messages.
const BODY_BYTES_MAX: usize = 12;

/// Runs the operations that the bytes are: the first says whether requests bear a `t`, and each of the others is one operation.
///
/// # Panics
/// Where something does not hold that must.
pub fn run(bytes: &[u8]) {
    let Some((first, operations)) = bytes.split_first() else { return };
    let mut world = World::new(first & 1 == 0);
    for operation in operations {
        if !world.step(*operation) {
            return;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Message(u32),
    Ping,
}

#[derive(Debug, Default)]
struct Queue(VecDeque<Item>);

impl Queue {
    fn holds_ping(&self) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Ping))
    }
}

fn encoded(item: Item) -> String {
    match item {
        Item::Message(number) => format!("4{number}"),
        Item::Ping => "2".to_owned(),
    }
}

impl Backlog for Queue {
    fn peek(&mut self) -> Option<(usize, usize)> {
        self.0.front().map(|item| (encoded(*item).len(), 1))
    }

    fn pop(&mut self, body: &mut Vec<u8>) -> bool {
        let Some(item) = self.0.pop_front() else { return false };
        if !body.is_empty() {
            body.push(engine_io::SEPARATOR);
        }
        body.extend_from_slice(encoded(item).as_bytes());
        true
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How far the client is with its upgrade.
#[derive(Clone, Copy, Debug)]
enum Upgrade {
    None,
    Opened(LinkId),
    Probed(LinkId),
    Done,
}

struct World {
    session: Option<EngineSession>,
    backlog: Option<Box<Queue>>,
    /// What is left of a session that ended while it polled.
    last: Option<FinalPoll<Queue>>,
    carriers: HashMap<LinkId, Carrier>,
    links: u32,
    now_ms: u64,
    sent: u32,
    posts_taken: u32,
    has_ids: bool,
    requests: u32,
    /// The client's poll that is not answered.
    poll: Option<(Option<RequestId>, LinkId)>,
    /// What becomes of the connection of the next answer; `None` where it arrives.
    loses_next: Option<Carrier>,
    upgrade: Upgrade,
    received: u32,
    /// Messages may be missing: an answer was lost, and nobody could know.
    may_miss: bool,
    missed: bool,
    pings_to_answer: u32,
    posts: u32,
    is_told: bool,
}

impl World {
    fn new(has_ids: bool) -> Self {
        Self {
            session: Some(EngineSession::polling(0)),
            backlog: None,
            last: None,
            carriers: HashMap::new(),
            links: 0,
            now_ms: 1,
            sent: 0,
            posts_taken: 0,
            has_ids,
            requests: 0,
            poll: None,
            loses_next: None,
            upgrade: Upgrade::None,
            received: 0,
            may_miss: false,
            missed: false,
            pings_to_answer: 0,
            posts: 0,
            is_told: false,
        }
    }

    /// Does one operation. Returns whether there can be more.
    fn step(&mut self, operation: u8) -> bool {
        self.now_ms += 1;
        match operation % 16 {
            0 | 1 => self.send(),
            2 => self.ping(),
            3 | 4 => self.begin_poll(),
            5 => self.flush(),
            6 => self.pong(),
            7 => self.loses_next = Some(Carrier::Ended),
            8 => self.loses_next = Some(Carrier::Untaken),
            9 => self.loses_next = Some(Carrier::Open),
            10 => self.repeat_waiting_poll(),
            11 => self.go_on_with_upgrade(),
            12 => self.post(operation & 0x10 != 0),
            13 => self.move_away(),
            14 => match operation & 0x30 {
                0 => self.close(CloseReason::Disconnected),
                0x10 => self.close(CloseReason::ServerClosed),
                0x20 => self.lose_probe(),
                _ => self.lose_transport(),
            },
            _ => self.begin_poll_and_flush(),
        }
        self.session.is_some() || self.last.is_some()
    }

    fn new_link(&mut self) -> LinkId {
        self.links += 1;
        // A few places only, so that each has many generations.
        let link = LinkId::new(self.links % 4, self.links);
        self.carriers.insert(link, Carrier::Open);
        link
    }

    fn new_request(&mut self) -> Option<RequestId> {
        self.requests += 1;
        self.has_ids.then(|| RequestId::parse(&format!("t{}", self.requests)))?
    }

    fn send(&mut self) {
        let Some(session) = &self.session else { return };
        if session.is_closing() {
            return;
        }
        let item = Item::Message(self.sent);
        self.sent += 1;
        if session.websocket_link().is_some() {
            self.receive(item);
        } else {
            self.backlog.get_or_insert_default().0.push_back(item);
        }
    }

    fn ping(&mut self) {
        let Some(session) = &mut self.session else { return };
        let holds_ping = self.backlog.as_ref().is_some_and(|queue| queue.holds_ping());
        if holds_ping || session.is_closing() {
            return;
        }
        // The mark says how many messages went before; 0 is none.
        session.ping(u64::from(self.sent), self.now_ms);
        if session.websocket_link().is_some() {
            self.receive(Item::Ping);
        } else {
            self.backlog.get_or_insert_default().0.push_back(Item::Ping);
        }
    }

    fn receive(&mut self, item: Item) {
        match item {
            Item::Ping => self.pings_to_answer += 1,
            Item::Message(number) => {
                assert!(number >= self.received, "message {number} again, or out of order");
                if number > self.received {
                    assert!(self.may_miss, "message {} is missing", self.received);
                    self.missed = true;
                }
                self.received = number + 1;
            }
        }
    }

    fn pong(&mut self) {
        if self.pings_to_answer == 0 {
            return;
        }
        self.pings_to_answer -= 1;
        let waiting = u8::from(self.backlog.as_ref().is_some_and(|queue| queue.holds_ping()));
        let Some(session) = &mut self.session else { return };
        match session.pong(waiting, self.now_ms) {
            Pong::Senseless => panic!("a ping was answered"),
            Pong::Answers => {}
            Pong::Confirms(mark) => {
                assert!(u64::from(self.received) >= mark, "confirmed before it arrived");
                assert!(!self.missed, "confirmed, and some of it never arrived");
            }
        }
    }

    fn begin_poll(&mut self) {
        let may_poll = matches!(self.upgrade, Upgrade::None | Upgrade::Opened(_));
        if self.poll.is_some() || !may_poll || self.is_told {
            return;
        }
        let id = self.new_request();
        let link = self.new_link();
        self.request_poll(id, link);
    }

    fn begin_poll_and_flush(&mut self) {
        self.begin_poll();
        self.flush();
    }

    /// The client's poll comes in.
    fn request_poll(&mut self, id: Option<RequestId>, link: LinkId) {
        let carriers = &self.carriers;
        let carrier = |link| carriers.get(&link).copied().unwrap_or(Carrier::Ended);
        if let Some(last) = &mut self.last {
            match last.answer(id, link, BODY_BYTES_MAX, carrier) {
                Some(body) => self.read_or_lose(id, link, &body),
                // Only who lost the end can ask behind it, and nobody could know of that.
                None => assert!(self.may_miss || !self.has_ids),
            }
            return;
        }
        let Some(session) = &mut self.session else { return };
        match session.poll(id, link, self.now_ms, carrier) {
            None => panic!("a poll of who polls is refused"),
            Some(PollStep::Conflict) => panic!("one poll at a time is too many"),
            Some(PollStep::Again(body)) => self.read_or_lose(id, link, &body),
            Some(PollStep::Waits { given_up, is_changing, .. }) => {
                for link in given_up.into_iter().flatten() {
                    self.carriers.remove(&link);
                }
                self.poll = Some((id, link));
                if is_changing {
                    self.answer(Some(crate::LastPacket::Noop));
                }
            }
        }
    }

    /// The server has something to say.
    fn flush(&mut self) {
        if self.backlog.is_some() {
            self.answer(None);
        }
    }

    fn answer(&mut self, last: Option<crate::LastPacket>) {
        let Some(session) = &mut self.session else { return };
        let last = last.filter(|_| self.backlog.is_none());
        if let Some(answer) = session.answer_poll(&mut self.backlog, true, BODY_BYTES_MAX, last) {
            self.deliver(&answer);
        }
    }

    /// An answer goes to the client's poll.
    fn deliver(&mut self, answer: &PollAnswer) {
        let (id, link) = self.poll.take().expect("an answer that nobody asked for");
        assert_eq!(answer.link, link, "an answer on another connection");
        self.read_or_lose(id, link, &answer.body);
    }

    fn read_or_lose(&mut self, id: Option<RequestId>, link: LinkId, body: &[u8]) {
        let Some(carrier) = self.loses_next.take() else { return self.read(body) };
        self.carriers.insert(link, carrier);
        // Who cannot be known again, or comes by a connection of a proxy's that lives, asks for what is next.
        self.may_miss |= id.is_none() || carrier == Carrier::Open;
        let again = self.new_link();
        self.request_poll(id, again);
    }

    fn read(&mut self, body: &[u8]) {
        let body = std::str::from_utf8(body).expect("text alone was sent");
        let (mut packets, mut is_end) = (Vec::new(), false);
        let read = engine_io::decode_payload(body, |packet| match packet {
            Packet::Text(number) => packets.push(Item::Message(number.parse().expect("a number"))),
            Packet::Ping("") => packets.push(Item::Ping),
            Packet::Noop => {}
            Packet::Close => is_end = true,
            packet => panic!("{packet:?} in an answer"),
        });
        read.expect("an answer is a body");
        assert!(!is_end || packets.is_empty(), "the end is not alone");
        packets.into_iter().for_each(|packet| self.receive(packet));
        if is_end {
            assert!(self.may_miss || self.received == self.sent, "the end came before the rest");
            self.is_told = true;
        }
    }

    /// The client's socket is lost while its poll waits, and it asks again.
    fn repeat_waiting_poll(&mut self) {
        let Some((Some(id), _)) = self.poll.take_if(|(id, _)| id.is_some()) else { return };
        let again = self.new_link();
        self.request_poll(Some(id), again);
    }

    fn go_on_with_upgrade(&mut self) {
        let Some(session) = &mut self.session else { return };
        match self.upgrade {
            Upgrade::None => {
                let link = self.new_link();
                let Some(session) = &mut self.session else { return };
                assert!(session.open_upgrade(link), "one upgrade is too many");
                self.upgrade = Upgrade::Opened(link);
            }
            Upgrade::Opened(link) => {
                let step = session.probe(link, &Packet::Ping("probe"));
                assert_eq!(step, Some(ProbeStep::Answer));
                self.upgrade = Upgrade::Probed(link);
                self.answer(Some(crate::LastPacket::Noop));
                self.flush();
            }
            // It has stopped polling by then.
            Upgrade::Probed(link) if self.poll.is_none() => {
                let step = session.probe(link, &Packet::Upgrade);
                assert_eq!(step, Some(ProbeStep::Upgrade));
                assert_eq!(session.finish_upgrade(link), None);
                self.upgrade = Upgrade::Done;
                let queued = self.backlog.take().map_or_else(VecDeque::new, |queue| queue.0);
                queued.into_iter().for_each(|item| self.receive(item));
                self.leave();
            }
            Upgrade::Probed(_) | Upgrade::Done => {}
        }
    }

    fn lose_probe(&mut self) {
        let (Upgrade::Opened(link) | Upgrade::Probed(link)) = self.upgrade else { return };
        let Some(session) = &mut self.session else { return };
        assert_eq!(session.lose(link), Lost::Upgrade);
        self.upgrade = Upgrade::None;
        if session.is_kept_by_upgrade() {
            self.leave();
        }
    }

    /// The connection ends on which the server can reach the client, and the server hears of it.
    fn lose_transport(&mut self) {
        let Some(session) = &mut self.session else { return };
        let [Some(link), _] = session.links() else { return };
        assert_eq!(session.lose(link), Lost::Client);
        self.poll = None;
        self.close(CloseReason::TransportError);
    }

    fn post(&mut self, is_lost: bool) {
        if self.is_told || matches!(self.upgrade, Upgrade::Done) {
            return;
        }
        let (id, body) = (self.new_request(), self.posts.to_string());
        self.posts += 1;
        let link = self.new_link();
        self.take_post(id, &body, link);
        if is_lost && id.is_some() {
            self.carriers.insert(link, Carrier::Ended);
            let again = self.new_link();
            self.take_post(id, &body, again);
        }
        if self.session.is_some() {
            assert_eq!(self.posts_taken, self.posts, "a post was not taken once");
        }
    }

    fn take_post(&mut self, id: Option<RequestId>, body: &str, link: LinkId) {
        let carriers = &self.carriers;
        let carrier = |link| carriers.get(&link).copied().unwrap_or(Carrier::Ended);
        let Some(session) = &mut self.session else { return };
        if !session.is_post_again(id, body.as_bytes(), link, carrier) {
            session.note_post(id, body.as_bytes(), link);
            self.posts_taken += 1;
        }
    }

    fn move_away(&mut self) {
        let Some(session) = &mut self.session else { return };
        if session.is_closing() {
            return;
        }
        let links = session.depart();
        let there = links.map(|link| link.map(|_| self.new_link()));
        let Some(session) = &mut self.session else { return };
        assert!(session.arrive(there));
        if let (Some((_, poll)), Some(link)) = (&mut self.poll, there[0]) {
            *poll = link;
        }
        if let (Upgrade::Opened(link) | Upgrade::Probed(link), Some(there)) =
            (&mut self.upgrade, there[1])
        {
            *link = there;
        }
    }

    fn close(&mut self, reason: CloseReason) {
        let Some(session) = &mut self.session else { return };
        match session.close(reason) {
            Closing::Begun => self.leave(),
            Closing::Already => {}
            Closing::GiveUpUpgrade => self.lose_probe(),
        }
    }

    /// What the end of a turn does for who was closed.
    fn leave(&mut self) {
        let Some(session) = &mut self.session else { return };
        let Some(leave) = session.leave() else { return };
        if session.stay_for_upgrade() {
            return;
        }
        let Some(session) = self.session.take() else { return };
        match session.end(leave.reason, self.backlog.take(), BODY_BYTES_MAX) {
            End::WebSocket(..) => self.poll = None,
            End::Polling { answer, last, .. } => {
                self.upgrade = Upgrade::None;
                self.last = last;
                if let Some(answer) = answer {
                    self.deliver(&answer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::run;

    /// The seeds of the fuzz target: stories that each come to their end.
    #[test]
    fn the_seeds_of_the_fuzz_target_hold() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/engine_session");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn whatever_a_client_does_it_gets_what_was_sent(
            operations in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            run(&operations);
        }
    }
}
