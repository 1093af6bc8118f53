//! A shard's event loop: every socket of the shard, every client, every deadline, in one thread.
//!
//! A turn reads what is there, lets the [`Application`] act, and then flushes: whatever was queued for a socket in the
//! turn goes out in one write.
//!
//! What the reactor owns is in types of their own, which know nothing of it: [`Links`], [`Clients`], [`Outbox`], [`Deadlines`],
//! [`Acceptor`], [`StrangerLedger`], [`Streams`]. The modules below are the steps of a turn; each calls only those before it:
//!
//! - `sockets`, `closing`: a socket, whoever has it; a client that is closed.
//! - `evicting`, `askers`, `accepting`: who may be here.
//! - `backlog`, `output`, `arriving`, `polling`, `flushing`, `streaming`, `sending`, `event_streams`, `ending`: what goes out, and how it ends.
//! - `heartbeats`, `moving`, `packets`, `passing_on`, `engine_requests`, `stream_requests`, `requests`, `reading`: what comes in.
//! - `stranger_turns`, `adopting`, `expiring`: when.

mod accepting;
mod adopting;
pub(crate) mod application;
mod arriving;
mod askers;
mod backlog;
mod closing;
mod ending;
mod engine_requests;
mod event_streams;
mod evicting;
mod expiring;
mod flushing;
mod heartbeats;
mod moving;
mod next;
mod output;
mod packets;
mod passing_on;
mod polling;
mod reading;
mod requests;
mod sending;
mod sockets;
mod stranger_turns;
mod stream_requests;
pub(crate) mod streaming;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foodtrack_session::{ClosedPolling, Parser, Sid};
use mio::{Events, Poll, Token};

use crate::acceptor::Acceptor;
use crate::admission::Admission;
use crate::client::{Client, ClientKey, HandshakeInfo};
use crate::clients::Clients;
use crate::commons::{Commons, ReactorConfig, ReactorStats};
use crate::deadlines::{Deadlines, Timer};
use crate::delivery_queue::DeliveryQueue;
use crate::door::DoorRefusals;
use crate::limits::READ_BYTES_PER_TURN;
use crate::links::Links;
use crate::outbox::{FanoutState, Outbox};
use crate::send_ring::SendRing;
use crate::sid::{SidDirectory, SidSource};
use crate::stranger_ledger::StrangerLedger;
use crate::stranger_queue::StrangerQueue;
use crate::streams::Streams;
use crate::waker::Waker;

use application::Application;
use flushing::Sealed;

const WAKER: Token = Token(usize::MAX);
const EVENTS_PER_TURN: usize = 1_024;

/// One shard's sockets, clients and deadlines.
pub struct Reactor {
    poll: Poll,
    waker: Arc<Waker>,
    acceptor: Acceptor,
    shard: usize,
    config: Arc<ReactorConfig>,
    sids: Arc<SidDirectory>,
    /// Closed sessions whose clients are still to be told.
    closed_polling: ClosedPolling<DeliveryQueue>,
    admission: Arc<Admission>,
    strangers: StrangerLedger,
    strangers_ready: StrangerQueue,
    door: Arc<DoorRefusals>,
    deadlines: Deadlines,
    links: Links,
    clients: Clients,
    /// By the clients' places.
    fanout: Vec<FanoutState>,
    outbox: Outbox,
    sealed: Sealed,
    /// Who was not sent what cannot be said in its parser.
    unsayable: Vec<ClientKey>,
    sid_source: SidSource,
    scratch: Vec<u8>,
    stats: ReactorStats,
    streams: Streams,
    /// Made on the reactor's own thread: a ring belongs to the thread that submits.
    ring: Option<SendRing>,
    wants_ring: bool,
}

impl Reactor {
    /// The reactor of shard number `shard`. Listeners, if any, are non-blocking and may be shared with other shards.
    ///
    /// # Errors
    /// Where the system gives no poll or waker, or there are more than 64 listeners.
    pub fn new(
        commons: &Commons,
        shard: usize,
        listeners: impl IntoIterator<Item = std::net::TcpListener>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(mio::Waker::new(poll.registry(), WAKER)?));
        let acceptor = Acceptor::new(poll.registry(), listeners)?;
        commons.strangers.join(Arc::clone(&waker));
        Ok(Self {
            poll,
            waker,
            acceptor,
            shard,
            config: Arc::clone(&commons.config),
            sids: Arc::clone(&commons.sids),
            closed_polling: ClosedPolling::default(),
            admission: Arc::clone(&commons.admission),
            strangers: StrangerLedger::new(Arc::clone(&commons.strangers)),
            strangers_ready: StrangerQueue::default(),
            door: Arc::clone(&commons.door),
            deadlines: Deadlines::new(commons.start),
            links: Links::default(),
            clients: Clients::default(),
            fanout: Vec::new(),
            outbox: Outbox::default(),
            sealed: Sealed::default(),
            unsayable: Vec::new(),
            sid_source: SidSource::new(),
            scratch: vec![0; READ_BYTES_PER_TURN],
            stats: ReactorStats::default(),
            streams: Streams::default(),
            ring: None,
            wants_ring: commons.config.batched_sends,
        })
    }

    /// Wakes this reactor from other threads.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Milliseconds on the server's monotonic clock, as of this turn.
    pub fn now_ms(&self) -> u64 {
        self.deadlines.now_ms()
    }

    /// When this turn began: once there was something to do.
    pub fn turn_began(&self) -> Instant {
        self.deadlines.turn_began()
    }

    /// Frames that wait for readers now, and their bytes; what is on its way to the system's buffers not among them. Looks at every
    /// client.
    pub fn queued(&self) -> (usize, usize) {
        let sizes =
            self.clients.iter().filter_map(|(_, client)| client.queue()).map(|it| it.size());
        sizes.fold((0, 0), |(frames, bytes), size| (frames + size.0, bytes + size.1))
    }

    /// The numbers now.
    pub fn stats(&self) -> ReactorStats {
        ReactorStats {
            sockets: self.links.len(),
            clients: self.clients.len(),
            streams: self.streams.len(),
            ..self.stats
        }
    }

    /// What the client told when it opened its session. Taken once: an idle client does not keep it.
    pub fn take_handshake(&mut self, client: ClientKey) -> Option<Box<HandshakeInfo>> {
        let info = self.clients.find_mut(client)?.take_handshake();
        self.recount_client(client.place());
        info
    }

    /// Keeps what the client told for its next try.
    pub fn give_handshake_back(&mut self, client: ClientKey, info: Box<HandshakeInfo>) {
        if let Some(state) = self.clients.find_mut(client) {
            state.give_handshake_back(info);
            self.recount_client(client.place());
        }
    }

    /// An unguessable id, for a client's public name.
    pub fn new_id(&mut self) -> Sid {
        self.sid_source.next()
    }

    /// The application's own number of a client; 0 before it is set.
    pub fn tag(&self, client: ClientKey) -> u64 {
        self.clients.find(client).map_or(0, Client::tag)
    }

    /// Sets the application's own number of a client.
    pub fn set_tag(&mut self, client: ClientKey, tag: u64) {
        if let Some(client) = self.clients.find_mut(client) {
            client.set_tag(tag);
        }
    }

    /// Which parser the client speaks, as far as it has shown.
    pub fn parser(&self, client: ClientKey) -> Parser {
        let client = self.clients.find(client);
        client.map_or(Parser::Unknown, |client| client.session.parser())
    }

    /// Whether the client polls at the moment.
    pub fn is_polling(&self, client: ClientKey) -> bool {
        self.clients.find(client).is_some_and(|client| client.engine.is_polling())
    }

    /// When the client was last heard, on the clock of [`Self::now_ms`].
    pub fn heard_ms(&self, client: ClientKey) -> u64 {
        self.clients.find(client).map_or(0, |client| client.engine.heard_ms())
    }

    /// Makes the application's [`deadline`](Application::deadline) called with `what` once `after_ms` have passed.
    pub fn schedule(&mut self, after_ms: u64, what: u64) {
        self.deadlines.schedule(self.deadlines.now_ms() + after_ms, Timer::Application(what));
    }

    /// Makes the application's [`alarm`](Application::alarm) called for a client once `after_ms` have passed, and not
    /// when an earlier call said.
    pub fn set_alarm(&mut self, client: ClientKey, after_ms: u64) {
        let alarm_ms = self.deadlines.now_ms().saturating_add(after_ms);
        let Some(state) = self.clients.find_mut(client) else { return };
        if state.alarm.set(alarm_ms) {
            let timer = Timer::Alarm(state.key(client.place()));
            self.deadlines.schedule(alarm_ms, timer);
        }
    }

    /// Keeps every client from being accepted: for a server that stops.
    pub fn stop_accepting(&mut self) {
        self.acceptor.stop();
    }

    /// Every client, for a server that stops.
    pub fn clients(&self) -> Vec<ClientKey> {
        self.clients.iter().map(|(index, client)| client.key(index)).collect()
    }

    /// Takes one turn: waits until there is something to do, does it, flushes.
    ///
    /// # Errors
    /// Where the system's poll fails; nothing of a client's doing.
    pub fn turn<A: Application>(&mut self, app: &mut A, events: &mut Events) -> io::Result<()> {
        if std::mem::take(&mut self.wants_ring) {
            self.open_ring();
        }
        match self.poll.poll(events, self.patience()) {
            // A signal; there are no events, but the clock went on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            polled => polled?,
        }
        self.deadlines.begin_turn();
        self.waker.rearm();
        self.relieve();
        self.resume_deferred(app);
        self.resume_posted(app);
        for event in events.iter() {
            match event.token() {
                WAKER => {}
                token if Acceptor::owns(token) => self.acceptor.announce(),
                Token(index) => {
                    let Some(link) = self.links.id_at(index) else { continue };
                    if event.is_writable() {
                        self.writable(link);
                    }
                    if event.is_readable() || event.is_error() || event.is_read_closed() {
                        let hung_up = event.is_read_closed() || event.is_error();
                        self.ready(app, link, hung_up);
                    }
                }
            }
            self.flush_if_large();
        }
        self.serve_strangers(app);
        app.turn(self);
        self.expire(app);
        self.evict_if_spent();
        self.flush();
        self.tell_drained(app);
        self.tell_streams(app);
        self.finish_closing(app);
        Ok(())
    }

    /// A buffer of events for [`Self::turn`].
    pub fn events() -> Events {
        Events::with_capacity(EVENTS_PER_TURN)
    }

    fn open_ring(&mut self) {
        match SendRing::new() {
            Ok(ring) => self.ring = Some(ring),
            Err(error) => {
                tracing::info!(%error, "no io_uring here: every send is a call of its own");
            }
        }
    }

    fn patience(&self) -> Option<Duration> {
        let is_busy = self.acceptor.is_pending()
            || !self.strangers_ready.is_empty()
            || self.links.has_deferred()
            || self.clients.has_work()
            || self.streams.has_news();
        if is_busy {
            return Some(Duration::ZERO);
        }
        self.deadlines.idle()
    }

    /// The key of the client that is at an index now.
    fn key(&self, index: u32) -> ClientKey {
        self.clients.key(index)
    }

    fn resume_deferred<A: Application>(&mut self, app: &mut A) {
        let mut deferred = self.links.take_deferred();
        for link in deferred.drain(..) {
            let Some(state) = self.links.get_mut(link) else { continue };
            if state.standing.is_known() {
                self.resume(app, link);
                self.flush_if_large();
            } else {
                state.waits.note_resumed();
                self.strangers_ready.push(&mut self.links, link);
            }
        }
        self.links.give_deferred_back(deferred);
    }

    /// The address that the first listener of this server is bound to.
    ///
    /// # Errors
    /// Where the system does not tell, or nothing is listened on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.local_addr()
    }
}
