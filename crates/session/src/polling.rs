//! A client that polls, and how it leaves polling for a WebSocket.

use foodtrack_wire::engine_io::Packet;

use crate::closed_polling::FinalPoll;
use crate::link_id::LinkId;
use crate::poll_body::{Backlog, LastPacket, poll_body};
use crate::probe::{Probe, ProbeStep};
use crate::request_replay::{Carrier, PollReplay, RequestId, RequestReplay};

/// How long a clock stands still at most from which a client takes what it calls its requests, and how much later than another
/// a request may come that was sent at the same time.
const SAME_TIME_MS_MAX: u64 = 100;

/// One client's polls and posts, and its upgrade while that is under way. It knows connections by their ids alone: what it
/// says of one, the owner of the sockets does.
#[derive(Debug, Default)]
pub struct Polling {
    /// The request that waits for packets.
    poll: Option<LinkId>,
    /// When the last poll came.
    polled_ms: u64,
    upgrade: Option<Upgrade>,
    replay: RequestReplay,
}

#[derive(Debug)]
struct Upgrade {
    link: LinkId,
    probe: Probe,
}

/// What follows from a poll.
#[derive(Debug, PartialEq, Eq)]
pub enum PollStep {
    /// Answer this: it is the last poll again, and its answer was lost.
    Again(Vec<u8>),
    /// It waits for packets.
    Waits {
        /// Connections that the client has given up: close them.
        given_up: [Option<LinkId>; 2],
        /// The client is about to change its transport: [answer](crate::EngineSession::answer_poll) the poll now, whatever there is.
        is_changing: bool,
        /// It may be the last one again, all the same: whether the answer before arrived will never be known.
        is_doubtful: bool,
    },
    /// Another poll waits, so somebody else may hold the session's id: the session ends.
    Conflict,
}

/// The answer to a poll that waited.
#[derive(Debug, PartialEq, Eq)]
pub struct PollAnswer {
    /// Where it goes.
    pub link: LinkId,
    /// What it says.
    pub body: Vec<u8>,
    /// Whether it is kept, to be given again where it is lost. Otherwise nobody will know whether it arrived.
    pub is_kept: bool,
}

/// What the loss of a connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing: no poll waited there, and no upgrade was under way.
    Nothing,
    /// The upgrade came to nothing; the client goes on polling.
    Upgrade,
    /// The client is gone.
    Client,
}

/// What is left to do for a client that is closed.
#[derive(Debug)]
pub(crate) struct PollingEnd<B> {
    /// The answer to the poll that waited.
    pub(crate) answer: Option<PollAnswer>,
    /// The connection of an upgrade that came to nothing: close it.
    pub(crate) probing: Option<LinkId>,
    /// What its next polls are to be told, if it is to be told anything.
    pub(crate) last: FinalPoll<B>,
}

impl Polling {
    /// The connection on which a poll waits.
    pub fn waiting(&self) -> Option<LinkId> {
        self.poll
    }

    /// The connection that is probed for an upgrade.
    pub fn probing(&self) -> Option<LinkId> {
        self.upgrade.as_ref().map(|upgrade| upgrade.link)
    }

    /// Whether the client was told that it may change to a WebSocket: it stops polling, and what comes there is not read yet.
    pub fn is_changing(&self) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| upgrade.probe == Probe::Answered)
    }

    /// Takes a poll that came on `link`. `carrier` says what is known of a connection.
    pub(crate) fn poll(
        &mut self,
        id: Option<RequestId>,
        link: LinkId,
        now_ms: u64,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> PollStep {
        // What is called as the last one, by more than a time or so much later, is that again: its client lost a connection that
        // seems to live, since nobody has said so yet, or since a proxy keeps it.
        let is_late = now_ms > self.polled_ms + SAME_TIME_MS_MAX;
        let names_one = is_late || id.is_some_and(|id| !id.is_time());
        let as_known = |link| match carrier(link) {
            Carrier::Open if names_one => Carrier::Ended,
            known => known,
        };
        let is_doubtful = match self.replay.replay_poll(id, link, as_known) {
            PollReplay::Again(answer) => return PollStep::Again(answer),
            replay => replay == PollReplay::Doubtful,
        };
        // Where the one that waits is repeated, the client has lost its connection.
        let abandoned = self.poll.filter(|_| self.replay.is_last_poll(id));
        if self.poll != abandoned {
            return PollStep::Conflict;
        }
        // Who asks on has read the answer before, or wants it no more: no session has more than one that is not taken.
        let before = self.replay.answered_on().filter(|before| *before != link);
        let untaken = before.filter(|before| carrier(*before) == Carrier::Untaken);
        self.replay.begin_poll(id);
        (self.poll, self.polled_ms) = (Some(link), now_ms);
        let is_changing = self.is_changing();
        PollStep::Waits { given_up: [untaken, abandoned], is_changing, is_doubtful }
    }

    /// Whether a post that came on `link` is the last one again, whose answer was lost: then it is answered, and that is all.
    pub(crate) fn is_post_again(
        &mut self,
        id: Option<RequestId>,
        body: &[u8],
        link: LinkId,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> bool {
        self.replay.is_post_again(id, body, link, carrier)
    }

    /// A post is taken, and answered on `link`.
    pub(crate) fn note_post(&mut self, id: Option<RequestId>, body: &[u8], link: LinkId) {
        self.replay.note_post(id, body, link);
    }

    /// Answers the poll that waits with what one answer may hold of the backlog, then `last`. `None` where no poll waits.
    pub(crate) fn answer<B: Backlog>(
        &mut self,
        backlog: &mut Option<Box<B>>,
        bytes_max: usize,
        last: Option<LastPacket>,
    ) -> Option<PollAnswer> {
        let link = self.poll.take()?;
        let body = poll_body(backlog, bytes_max, last);
        self.replay.keep_answer(&body, link);
        Some(PollAnswer { link, body, is_kept: self.replay.is_repeatable() })
    }

    /// Begins an upgrade on `link`. Returns whether it may: one at a time.
    pub(crate) fn open_upgrade(&mut self, link: LinkId) -> bool {
        let may_open = self.upgrade.is_none();
        if may_open {
            self.upgrade = Some(Upgrade { link, probe: Probe::Awaited });
        }
        may_open
    }

    /// Takes a packet of the connection that is probed; `None` where that is not this one.
    pub(crate) fn probe(&mut self, link: LinkId, packet: &Packet<'_>) -> Option<ProbeStep> {
        let upgrade = self.upgrade.as_mut().filter(|upgrade| upgrade.link == link)?;
        Some(upgrade.probe.handle(packet))
    }

    /// The upgrade on `link` comes to nothing. Returns whether one was under way there.
    pub(crate) fn end_upgrade(&mut self, link: LinkId) -> bool {
        self.upgrade.take_if(|upgrade| upgrade.link == link).is_some()
    }

    /// The client has changed to its WebSocket. A poll that waits has this answer, which takes nothing with it: who has said
    /// goodbye to polling may not read what a last poll brings.
    pub(crate) fn finish_upgrade(&mut self) -> Option<PollAnswer> {
        debug_assert!(self.is_changing());
        self.upgrade = None;
        self.answer(&mut None::<Box<NoBacklog>>, 0, Some(LastPacket::Noop))
    }

    /// A connection is gone.
    pub(crate) fn lose(&mut self, link: LinkId) -> Lost {
        if self.end_upgrade(link) {
            return Lost::Upgrade;
        }
        match self.poll.take_if(|poll| *poll == link) {
            Some(_) => Lost::Client,
            None => Lost::Nothing,
        }
    }

    /// The session ends. A poll that waits is answered with what there is to say, or with the end where that is all: not with
    /// both, as [`FinalPoll`] has it.
    pub(crate) fn end<B: Backlog>(
        mut self,
        mut backlog: Option<Box<B>>,
        bytes_max: usize,
    ) -> PollingEnd<B> {
        let last = backlog.is_none().then_some(LastPacket::Close);
        let answer = self.answer(&mut backlog, bytes_max, last);
        let probing = self.probing();
        let last = match answer.is_some() && last.is_some() {
            true => FinalPoll::told(self.replay),
            false => FinalPoll::untold(backlog, self.replay),
        };
        PollingEnd { answer, probing, last }
    }

    /// The client moves to another owner of sockets, which gives it its connections back by [`Self::arrive`]. Returns the one
    /// on which a poll waits and the one that is probed.
    pub(crate) fn depart(&mut self) -> [Option<LinkId>; 2] {
        [self.poll.take(), self.probing()]
    }

    /// The client has moved. These are the connections that came along, as they are called here.
    pub(crate) fn arrive(&mut self, [poll, probing]: [Option<LinkId>; 2]) {
        self.replay.forget_carriers();
        self.poll = poll;
        self.upgrade = self
            .upgrade
            .take()
            .zip(probing)
            .map(|(upgrade, link)| Upgrade { link, probe: upgrade.probe });
    }
}

/// What waits where nothing does.
enum NoBacklog {}

impl Backlog for NoBacklog {
    fn peek(&mut self) -> Option<(usize, usize)> {
        match *self {}
    }

    fn pop(&mut self, _body: &mut Vec<u8>) -> bool {
        match *self {}
    }

    fn is_empty(&self) -> bool {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll_body::tests::Texts;

    const FIRST: LinkId = LinkId::new(1, 1);
    const SECOND: LinkId = LinkId::new(2, 1);
    const THIRD: LinkId = LinkId::new(3, 1);

    fn id(t: &str) -> Option<RequestId> {
        RequestId::parse(t)
    }

    fn waits(given_up: [Option<LinkId>; 2]) -> PollStep {
        PollStep::Waits { given_up, is_changing: false, is_doubtful: false }
    }

    fn said(answer: Option<PollAnswer>) -> Option<(LinkId, String)> {
        answer.map(|answer| (answer.link, String::from_utf8(answer.body).unwrap()))
    }

    fn answer(polling: &mut Polling, texts: &[&str]) -> Option<(LinkId, String)> {
        said(polling.answer(&mut Texts::of(texts), 100, None))
    }

    /// A client on whose [`SECOND`] connection a probe was answered.
    fn changing() -> Polling {
        let mut polling = Polling::default();
        assert!(polling.open_upgrade(SECOND));
        assert_eq!(polling.probe(SECOND, &Packet::Ping("probe")), Some(ProbeStep::Answer));
        polling
    }

    #[test]
    fn a_poll_waits_and_is_answered_once() {
        let mut polling = Polling::default();
        assert_eq!(answer(&mut polling, &["42"]), None, "no poll waits");
        assert_eq!(polling.poll(id("a"), FIRST, 0, |_| Carrier::Open), waits([None, None]));
        assert_eq!(answer(&mut polling, &["42", "43"]), Some((FIRST, "42\u{1e}43".into())));
        assert_eq!(answer(&mut polling, &["44"]), None);
    }

    #[test]
    fn two_polls_at_once_end_the_session_unless_one_repeats_the_other() {
        let mut polling = Polling::default();
        polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        let repeated = polling.poll(id("a"), SECOND, 0, |_| Carrier::Open);
        assert_eq!(repeated, waits([None, Some(FIRST)]));
        assert_eq!(polling.poll(id("b"), THIRD, 0, |_| Carrier::Open), PollStep::Conflict);
        assert_eq!(polling.poll(None, THIRD, 0, |_| Carrier::Open), PollStep::Conflict);
        // The one that waits goes on.
        assert_eq!(answer(&mut polling, &["42"]), Some((SECOND, "42".into())));
    }

    #[test]
    fn who_asks_on_gives_up_an_answer_that_is_not_taken() {
        let mut polling = Polling::default();
        polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        answer(&mut polling, &["42"]);
        let next = polling.poll(id("b"), SECOND, 0, |_| Carrier::Untaken);
        assert_eq!(next, waits([Some(FIRST), None]));
    }

    #[test]
    fn a_lost_answer_is_given_again_and_one_that_may_be_lost_is_doubtful() {
        let mut polling = Polling::default();
        let time = "1700000000123";
        polling.poll(id(time), FIRST, 0, |_| Carrier::Open);
        answer(&mut polling, &["42"]);
        let again = polling.poll(id(time), SECOND, 0, |_| Carrier::Ended);
        assert_eq!(again, PollStep::Again(b"42".to_vec()));
        let PollStep::Waits { is_doubtful, .. } =
            polling.poll(id(time), THIRD, 0, |_| Carrier::Open)
        else {
            panic!("it is another poll")
        };
        assert!(is_doubtful);
        // Later than any clock stands still it is the last one, whose answer was lost.
        answer(&mut polling, &["43"]);
        let again = polling.poll(id(time), SECOND, SAME_TIME_MS_MAX + 1, |_| Carrier::Open);
        assert_eq!(again, PollStep::Again(b"43".to_vec()));
    }

    #[test]
    fn a_poll_that_is_called_by_more_than_a_time_is_the_last_one_however_soon_it_comes() {
        let mut polling = Polling::default();
        polling.poll(id("PkVfbF2"), FIRST, 0, |_| Carrier::Open);
        answer(&mut polling, &["42"]);
        let again = polling.poll(id("PkVfbF2"), SECOND, 0, |_| Carrier::Open);
        assert_eq!(again, PollStep::Again(b"42".to_vec()));
    }

    #[test]
    fn an_answer_that_nobody_can_ask_for_again_is_not_kept() {
        let mut polling = Polling::default();
        for (t, is_kept) in [("a", true), ("", false)] {
            polling.poll(id(t), FIRST, 0, |_| Carrier::Open);
            let answer = polling.answer(&mut Texts::of(&["42"]), 100, None).unwrap();
            assert_eq!(answer.is_kept, is_kept, "{t}");
        }
    }

    #[test]
    fn a_poll_of_who_is_changing_is_to_be_answered_at_once() {
        let mut polling = changing();
        let step = polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        assert!(matches!(step, PollStep::Waits { is_changing: true, .. }), "{step:?}");
    }

    #[test]
    fn a_finished_upgrade_ends_the_poll_and_takes_nothing_with_it() {
        let mut polling = changing();
        polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        assert_eq!(polling.probe(SECOND, &Packet::Upgrade), Some(ProbeStep::Upgrade));
        assert_eq!(said(polling.finish_upgrade()), Some((FIRST, "6".into())));
    }

    #[test]
    fn one_connection_is_probed_at_a_time_and_others_packets_mean_nothing() {
        let mut polling = changing();
        assert!(!polling.open_upgrade(THIRD));
        assert_eq!(polling.probe(THIRD, &Packet::Upgrade), None);
        assert_eq!(polling.lose(THIRD), Lost::Nothing);
        assert_eq!(polling.lose(SECOND), Lost::Upgrade);
        assert!(polling.open_upgrade(THIRD));
    }

    #[test]
    fn who_loses_the_connection_of_its_poll_is_gone_and_by_no_other() {
        let mut polling = Polling::default();
        polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        assert_eq!(polling.lose(LinkId::new(FIRST.place(), 2)), Lost::Nothing);
        assert_eq!(polling.lose(FIRST), Lost::Client);
        assert_eq!(polling.waiting(), None);
    }

    #[test]
    fn the_end_is_told_alone() {
        let told = |is_polling: bool, texts: &[&str]| {
            let mut polling = Polling::default();
            if is_polling {
                polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
            }
            let mut end = polling.end(Texts::of(texts).filter(|it| !it.is_empty()), 100);
            let next = end.last.answer(id("b"), SECOND, 100, |_| Carrier::Open);
            (said(end.answer).map(|(_, body)| body), next.map(|it| String::from_utf8(it).unwrap()))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told(true, &[]), (text("1"), None));
        assert_eq!(told(true, &["42"]), (text("42"), text("1")));
        assert_eq!(told(false, &["42"]), (None, text("42")));
        assert_eq!(told(false, &[]), (None, text("1")));
    }

    #[test]
    fn who_moves_takes_its_poll_and_its_probe_along() {
        let mut polling = changing();
        polling.poll(id("a"), FIRST, 0, |_| Carrier::Open);
        assert_eq!(polling.depart(), [Some(FIRST), Some(SECOND)]);
        polling.arrive([Some(THIRD), Some(FIRST)]);
        assert_eq!((polling.waiting(), polling.probing()), (Some(THIRD), Some(FIRST)));
        assert!(polling.is_changing());
        polling.depart();
        polling.arrive([None, None]);
        assert!(!polling.is_changing() && polling.open_upgrade(SECOND));
    }
}
