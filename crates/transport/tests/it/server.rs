//! A server of one or more shards with a tiny application, each shard on its own thread.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foodtrack_session::{Event, HeartbeatConfig, NamespaceId, Namespaces};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, Commons, CursorSuffix, DoorRefusal, DoorRefusals,
    Endpoint, Flow, FrameMeta, Handover, HttpRequest, HttpTicket, Limits, LogPlace, OriginPolicy,
    PacketParts, Piece, Protocol, Reactor, ReactorConfig, ReactorStats, TrustedProxies, Urgency,
    Verdict, Waker, listen,
};
use foodtrack_wire::socket_io::split_arguments;
use test_support::{let_pass, wait_until};

/// A shard as the others see it.
struct Peer {
    inbox: Sender<Handover<()>>,
    waker: Arc<Waker>,
}

/// A turn to accept, one to read, one to handle what strangers sent, one to flush; and the one that was under way.
const TURNS_TO_SETTLE: usize = 5;

/// What a shard shows to the test.
#[derive(Default)]
struct Shown {
    stats: ReactorStats,
    closed: Vec<CloseReason>,
    /// Marks that pongs confirmed.
    confirmed: Vec<u64>,
    drained: usize,
    /// Turns that are over.
    turns: u64,
    /// Entries of its log.
    entries: u64,
    /// How often it was held up.
    held: u64,
    /// Events it got.
    events: u64,
    /// Pieces of streams that were taken, and how often one was not.
    pieces_taken: usize,
    pieces_refused: usize,
    /// Streams that their producer did not end itself.
    streams_ended: usize,
    /// Whether it asks soon after an entry whether that arrived.
    asks_soon: bool,
    /// How long it takes for each client that is drained.
    drained_takes: Duration,
}

/// Stops its shards when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
    door: Arc<DoorRefusals>,
    shards: Vec<Shard>,
}

struct Shard {
    shown: Arc<Mutex<Shown>>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) fn config(limits: Limits) -> ReactorConfig {
    ReactorConfig {
        endpoints: vec![Endpoint { path: "/socket.io/".to_owned(), protocol: Protocol::SocketIo }],
        namespaces: Namespaces::new(&["/"]),
        heartbeat: HeartbeatConfig { interval_ms: 25_000, timeout_ms: 20_000, missed_max: 1 },
        limits,
        origins: OriginPolicy::new(&["*"], false),
        handshakes_per_minute: 0,
        proxies: TrustedProxies::default(),
        proxy_protocol: false,
        batched_sends: true,
        node: None,
        tls: None,
    }
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::with_shards(config(limits), 1)
    }

    /// `shards` shards that accept from one port.
    pub(crate) fn with_shards(config: ReactorConfig, shards: usize) -> Self {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let commons = Commons::new(config, shards);
        let stopped = Arc::new(AtomicBool::new(false));
        let peers: Arc<Mutex<Vec<Peer>>> = Arc::default();
        let start = |shard| {
            let (inbox, outbox) = channel();
            let reactor =
                Reactor::new(&commons, shard, Some(listener.try_clone().unwrap())).unwrap();
            let waker = reactor.waker();
            peers.lock().unwrap().push(Peer { inbox, waker: Arc::clone(&waker) });
            let shown = Arc::new(Mutex::new(Shown::default()));
            let (peers, shown_by_app) = (Arc::clone(&peers), Arc::clone(&shown));
            let app = App {
                shard,
                inbox: outbox,
                peers,
                shown: shown_by_app,
                offset: 0,
                batches: 0,
                streams: HashMap::new(),
            };
            let stopped = Arc::clone(&stopped);
            let thread = std::thread::spawn(move || run(reactor, app, &stopped));
            Shard { shown, waker, thread: Some(thread) }
        };
        let shards = (0..shards).map(start).collect();
        Self { address, stopped, door: commons.door(), shards }
    }

    /// How many were refused at the door for this reason.
    pub(crate) fn refused(&self, code: DoorRefusal) -> u64 {
        self.door.each().find(|(other, _)| *other == code).unwrap().1
    }

    /// Sockets and clients of all shards.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(sockets, clients), shard| {
            let stats = shard.shown.lock().unwrap().stats;
            (sockets + stats.sockets, clients + stats.clients)
        })
    }

    /// Waits until no socket and no client is left.
    pub(crate) fn wait_until_empty(&self, patience: Duration) {
        let end = Instant::now() + patience;
        wait_until("no socket and no client", || {
            assert!(Instant::now() < end, "still there: {:?}", self.counts());
            self.counts() == (0, 0)
        });
    }

    /// Waits until so many clients were closed, ever.
    pub(crate) fn wait_until_closed(&self, count: usize) {
        wait_until(&format!("{count} closed"), || self.closed().len() >= count);
    }

    /// Waits until every shard has done what it can with all that was sent to it: what a turn accepts, the next ones read,
    /// handle and answer.
    pub(crate) fn settle(&self) {
        for shard in &self.shards {
            let turns = || shard.shown.lock().unwrap().turns;
            for _ in 0..TURNS_TO_SETTLE {
                let before = turns();
                shard.waker.wake();
                wait_until("a turn", || turns() > before);
            }
        }
    }

    /// Waits until the shards' logs have so many entries, and those are on their way.
    pub(crate) fn wait_for_entries(&self, count: u64) {
        self.wait_for(count, |shown| shown.entries);
        self.settle();
    }

    /// Waits until so many events have come.
    pub(crate) fn wait_for_events(&self, count: u64) {
        self.wait_for(count, |shown| shown.events);
    }

    /// Waits until a shard is held up.
    pub(crate) fn wait_until_held(&self) {
        self.wait_for(1, |shown| shown.held);
    }

    fn wait_for(&self, least: u64, number: impl Fn(&Shown) -> u64) {
        let sum =
            || self.shards.iter().map(|shard| number(&shard.shown.lock().unwrap())).sum::<u64>();
        wait_until("what was sent has come", || sum() >= least);
    }

    /// Why clients were closed, in order, shard by shard.
    pub(crate) fn closed(&self) -> Vec<CloseReason> {
        self.shards.iter().flat_map(|shard| shard.shown.lock().unwrap().closed.clone()).collect()
    }

    /// From now on, asks soon after an entry whether that arrived.
    pub(crate) fn ask_soon(&self) {
        for shard in &self.shards {
            shard.shown.lock().unwrap().asks_soon = true;
        }
    }

    /// From now on, takes so long for each client that is drained.
    pub(crate) fn take_for_each_drained(&self, time: Duration) {
        for shard in &self.shards {
            shard.shown.lock().unwrap().drained_takes = time;
        }
    }

    /// The marks that pongs confirmed, in order, shard by shard.
    pub(crate) fn confirmed(&self) -> Vec<u64> {
        self.shards.iter().flat_map(|shard| shard.shown.lock().unwrap().confirmed.clone()).collect()
    }

    /// Pieces of streams that the transport has taken.
    pub(crate) fn pieces_taken(&self) -> usize {
        self.shards.iter().map(|shard| shard.shown.lock().unwrap().pieces_taken).sum()
    }

    /// How often it had no room for one.
    pub(crate) fn pieces_refused(&self) -> usize {
        self.shards.iter().map(|shard| shard.shown.lock().unwrap().pieces_refused).sum()
    }

    /// Of how many streams the producer was told that they ended.
    pub(crate) fn streams_ended(&self) -> usize {
        self.shards.iter().map(|shard| shard.shown.lock().unwrap().streams_ended).sum()
    }

    /// How often a client was drained.
    pub(crate) fn drained(&self) -> usize {
        self.shards.iter().map(|shard| shard.shown.lock().unwrap().drained).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        for shard in &mut self.shards {
            shard.waker.wake();
            let ended = shard.thread.take().unwrap().join();
            // A second panic while the first unwinds would hide it.
            assert!(ended.is_ok() || std::thread::panicking(), "a shard panicked");
        }
    }
}

fn run(mut reactor: Reactor, mut app: App, stopped: &AtomicBool) {
    let mut events = Reactor::events();
    while !stopped.load(Ordering::Acquire) {
        reactor.turn(&mut app, &mut events).unwrap();
        let mut shown = app.shown.lock().unwrap();
        shown.stats = reactor.stats();
        shown.turns += 1;
    }
}

/// Echoes events as `echo`, on the shard that the client's `auth` asks for.
struct App {
    shard: usize,
    inbox: Receiver<Handover<()>>,
    peers: Arc<Mutex<Vec<Peer>>>,
    shown: Arc<Mutex<Shown>>,
    /// The last entry of the log.
    offset: u64,
    /// Batches that are still to be sent, each when the one before is out.
    batches: usize,
    /// How many pieces of each stream were sent, and how many there are.
    streams: HashMap<HttpTicket, (usize, usize)>,
}

fn parts(meta: FrameMeta) -> PacketParts<'static> {
    PacketParts::event(NamespaceId::ROOT, meta)
}

impl App {
    /// Appends an entry to the log and sends it to the client.
    fn log(&mut self, io: &mut Reactor, client: ClientKey, urgency: Urgency, filler: usize) {
        self.offset += 1;
        self.shown.lock().unwrap().entries = self.offset;
        let place = Some(LogPlace { offset: self.offset, is_entry: true });
        let meta = FrameMeta { urgency, place, ..FrameMeta::default() };
        let suffix = Some(CursorSuffix { epoch: b"k", offset: self.offset });
        let with_cursor = PacketParts { suffix, ..parts(meta) };
        let arguments = format!("\"e{}\",\"{}\"", self.offset, "x".repeat(filler));
        let frame = io.frame(&with_cursor, |out| out.extend_from_slice(arguments.as_bytes()));
        io.send(client, frame);
    }

    /// Begins a stream of `kind`: a number of pieces, `endless`, or none, with a heartbeat (`beating`) or without (`waiting`).
    fn begin_stream(&mut self, io: &mut Reactor, ticket: HttpTicket, kind: &str) {
        let heartbeat = (kind == "beating").then_some(&b":\n\n"[..]);
        if !io.begin_stream(ticket, 200, &[("content-type", b"text/plain")], heartbeat) {
            return;
        }
        match kind {
            "waiting" | "beating" => return,
            "endless" => self.streams.insert(ticket, (0, usize::MAX)),
            count => self.streams.insert(ticket, (0, count.parse().unwrap())),
        };
        self.go_on_streaming(io, ticket);
    }

    /// Sends pieces of 64 KiB, each full of the next letter, until one is refused.
    fn go_on_streaming(&mut self, io: &mut Reactor, ticket: HttpTicket) {
        let Some((sent, count)) = self.streams.get_mut(&ticket) else { return };
        let mut shown = self.shown.lock().unwrap();
        while *sent < *count {
            let letter = b"abcdefghijklmnopqrstuvwxyz"[*sent % 26];
            match io.stream(ticket, &[letter; 64 * 1024]) {
                Piece::Taken => {}
                Piece::Full => return shown.pieces_refused += 1,
                Piece::Gone => panic!("the stream ended without a word"),
            }
            *sent += 1;
            shown.pieces_taken += 1;
        }
        self.streams.remove(&ticket);
        io.end_stream(ticket);
    }

    fn accept(&self) -> Verdict<()> {
        Verdict::Accept { answer: format!("{{\"shard\":{}}}", self.shard) }
    }
}

impl Application for App {
    type Transfer = ();

    fn connect(
        &mut self,
        _io: &mut Reactor,
        _client: ClientKey,
        _namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<()> {
        let asked = auth.and_then(|auth| {
            auth.strip_prefix("{\"shard\":")?.strip_suffix('}')?.parse::<usize>().ok()
        });
        match asked {
            Some(shard) if shard != self.shard => Verdict::HandOver { shard, transfer: () },
            _ => self.accept(),
        }
    }

    fn connected(&mut self, _io: &mut Reactor, _client: ClientKey, _namespace: NamespaceId) {}

    fn adopt(
        &mut self,
        _io: &mut Reactor,
        _client: ClientKey,
        _namespace: NamespaceId,
        (): (),
    ) -> Verdict<()> {
        self.accept()
    }

    fn hand_over(&mut self, shard: usize, handover: Handover<()>) {
        let peers = self.peers.lock().unwrap();
        peers[shard].inbox.send(handover).unwrap();
        peers[shard].waker.wake();
    }

    /// `["echo", n]` comes back; so do `["yield", n]` and `["pause", n]`, which then hold the client up; `["flood", n]`
    /// brings `n` frames of 64 KiB, and `["floodAll", n]` brings them to everybody. `["log", n]` brings `n` entries of 64
    /// KiB, `["urgent", n]` small ones that may overtake them. `["tell", n]` asks for `["drained", 0]`, with `n` small
    /// entries before it, each when the client has no backlog. `["close", 0]` closes the client, `["disconnect", 0]` for good;
    /// `["hold", n]` keeps the shard from everything for `n` ms.
    fn event(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> Flow {
        let arguments = split_arguments(&event.data).unwrap();
        let [name, rest] = arguments[..] else { panic!("two elements: {}", event.data) };
        let count = rest.parse().unwrap_or(0);
        self.shown.lock().unwrap().events += 1;
        if name == "\"log\"" {
            (0..count).for_each(|_| self.log(io, client, Urgency::Medium, 64 * 1024));
            return Flow::Continue;
        }
        if name == "\"urgent\"" {
            (0..count).for_each(|_| self.log(io, client, Urgency::Urgent, 0));
            return Flow::Continue;
        }
        if name == "\"close\"" {
            io.close(client, CloseReason::ServerClosed);
            return Flow::Continue;
        }
        if name == "\"disconnect\"" {
            io.close(client, CloseReason::Disconnected);
            return Flow::Continue;
        }
        if name == "\"hold\"" {
            self.shown.lock().unwrap().held += 1;
            let_pass(Duration::from_millis(count as u64));
            return Flow::Continue;
        }
        if name == "\"tell\"" {
            self.batches = count;
            // Once, however often it is asked for.
            io.tell_when_drained(client);
            io.tell_when_drained(client);
            return Flow::Continue;
        }
        if let "\"flood\"" | "\"floodAll\"" = name {
            let filler = [b'x'; 64 * 1024];
            let frame = io.frame(&parts(FrameMeta::default()), |out| {
                out.extend_from_slice(b"\"flood\",\"");
                out.extend_from_slice(&filler);
                out.push(b'"');
            });
            let everybody = if name == "\"flood\"" { vec![client] } else { io.clients() };
            for _ in 0..count {
                for client in &everybody {
                    io.send(*client, frame);
                }
            }
            return Flow::Continue;
        }
        let echo = format!("\"echo\",{rest}");
        let arguments = |out: &mut Vec<u8>| out.extend_from_slice(echo.as_bytes());
        io.send_packet(client, &parts(FrameMeta::default()), arguments);
        match name {
            "\"pause\"" => Flow::PauseMs(15),
            "\"yield\"" => Flow::Yield,
            _ => Flow::Continue,
        }
    }

    /// Marks the shard and what it logged so far; never 0, which asks for nothing.
    fn pinged(&mut self, _io: &mut Reactor, _client: ClientKey) -> u64 {
        (self.shard as u64 + 1) << 32 | self.offset
    }

    fn unconfirmed(&mut self, io: &mut Reactor, client: ClientKey) -> u64 {
        let asks_soon = self.shown.lock().unwrap().asks_soon;
        if asks_soon { self.pinged(io, client) } else { 0 }
    }

    fn ponged(&mut self, _io: &mut Reactor, _client: ClientKey, mark: u64) {
        assert_eq!(mark >> 32, self.shard as u64 + 1, "another shard's mark");
        self.shown.lock().unwrap().confirmed.push(mark & u64::from(u32::MAX));
    }

    fn drained(&mut self, io: &mut Reactor, client: ClientKey) {
        assert!(!io.is_backlogged(client));
        let takes = {
            let mut shown = self.shown.lock().unwrap();
            shown.drained += 1;
            shown.drained_takes
        };
        if takes > Duration::ZERO {
            let_pass(takes);
        }
        if self.batches > 0 {
            self.batches -= 1;
            self.log(io, client, Urgency::Medium, 0);
            return io.tell_when_drained(client);
        }
        let arguments = |out: &mut Vec<u8>| out.extend_from_slice(b"\"drained\",0");
        io.send_packet(client, &parts(FrameMeta::default()), arguments);
    }

    fn acknowledged(&mut self, _io: &mut Reactor, _client: ClientKey, _event: Event<'_>) -> bool {
        false
    }

    fn left(&mut self, _io: &mut Reactor, _client: ClientKey, _namespace: NamespaceId) {}

    fn closed(&mut self, _io: &mut Reactor, _client: ClientKey, reason: CloseReason) {
        self.shown.lock().unwrap().closed.push(reason);
    }

    /// `/hold/n` keeps the shard from everything for `n` ms.
    fn http(&mut self, io: &mut Reactor, request: HttpRequest, ticket: HttpTicket) {
        if let Some(ms) = request.target.strip_prefix("/hold/") {
            let_pass(Duration::from_millis(ms.parse().unwrap()));
        }
        match request.target.strip_prefix("/stream/") {
            Some(kind) => self.begin_stream(io, ticket, kind),
            None if request.target == "/whoami" => {
                io.respond(ticket, 200, &[], request.peer.ip().to_string().as_bytes());
            }
            None => io.respond(ticket, 200, &[], request.target.as_bytes()),
        }
    }

    fn stream_drained(&mut self, io: &mut Reactor, ticket: HttpTicket) {
        self.go_on_streaming(io, ticket);
    }

    fn stream_ended(&mut self, _io: &mut Reactor, ticket: HttpTicket) {
        self.streams.remove(&ticket);
        self.shown.lock().unwrap().streams_ended += 1;
    }

    fn turn(&mut self, io: &mut Reactor) {
        while let Ok(handover) = self.inbox.try_recv() {
            io.adopt(self, handover);
        }
    }
}
