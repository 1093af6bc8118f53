//! What thousands of sessions got, in little memory: a bit for each event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Observer, Opened};
use foodtrack_simulation::Event;
use foodtrack_simulation::Message;

/// All sessions of a load.
pub(super) struct Listeners {
    listeners: Vec<Listener>,
    /// Events that the hub has acknowledged.
    published: Arc<AtomicU64>,
    /// From CONNECT to the last event that was missed, for each connection that had missed some.
    pub(super) replays: Vec<Duration>,
    /// Connections after a listener's first, and how many of them took up their session.
    pub(super) reconnected: usize,
    pub(super) recovered: usize,
    /// Events that came again in the same session.
    pub(super) repeated: usize,
    /// Events whose origin is another tenant.
    pub(super) foreign: usize,
    pub(super) turned_away: usize,
    pub(super) dismissed: usize,
}

#[derive(Default)]
struct Listener {
    tenant: Box<str>,
    received: Vec<u64>,
    /// How many of the first events it has without a gap.
    complete: u64,
    connections: u32,
    is_recovered: bool,
    /// The replay that is under way: since when, and up to which event.
    replay: Option<(Instant, u64)>,
    /// When it last got an event or a session.
    last: Option<Instant>,
}

impl Listeners {
    pub(super) fn new(tenants: impl Iterator<Item = String>, published: Arc<AtomicU64>) -> Self {
        let listener = |tenant: String| Listener { tenant: tenant.into(), ..Listener::default() };
        Self {
            listeners: tenants.map(listener).collect(),
            published,
            replays: Vec::new(),
            reconnected: 0,
            recovered: 0,
            repeated: 0,
            foreign: 0,
            turned_away: 0,
            dismissed: 0,
        }
    }

    /// Whether a listener has the first `count` events.
    pub(super) fn has(&self, listener: usize, count: u64) -> bool {
        self.listeners[listener].complete >= count
    }

    /// When it last got an event or a session.
    pub(super) fn last(&self, listener: usize) -> Option<Instant> {
        self.listeners[listener].last
    }

    /// Whether its present session is the one of before the last tear.
    pub(super) fn is_recovered(&self, listener: usize) -> bool {
        self.listeners[listener].is_recovered
    }

    pub(super) fn connections(&self, listener: usize) -> u32 {
        self.listeners[listener].connections
    }

    /// How many events all listeners got together, of the first `count`; repeats left out.
    pub(super) fn delivered(&self, count: u64) -> u64 {
        self.listeners.iter().map(|one| (0..count).filter(|n| one.got(*n)).count() as u64).sum()
    }
}

impl Listener {
    fn got(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|place| self.received.get(place));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Notes an event; false where it was here before.
    fn note(&mut self, number: u64) -> bool {
        let Ok(place) = usize::try_from(number / 64) else { return false };
        if self.received.len() <= place {
            self.received.resize(place + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.received[place] & bit == 0;
        self.received[place] |= bit;
        while self.got(self.complete) {
            self.complete += 1;
        }
        is_new
    }
}

impl Observer for Listeners {
    fn opened(&mut self, client: usize, opened: Opened<'_>) {
        let listener = &mut self.listeners[client];
        listener.connections += 1;
        listener.is_recovered = opened.recovered;
        listener.last = Some(Instant::now());
        if listener.connections == 1 {
            return;
        }
        self.reconnected += 1;
        self.recovered += usize::from(opened.recovered);
        let missed = self.published.load(Ordering::SeqCst);
        listener.replay = (listener.complete < missed).then_some((opened.sent, missed));
    }

    fn event(&mut self, client: usize, event: &Event<'_>) {
        let listener = &mut self.listeners[client];
        let payload = Message::of(event).payload;
        let Some(number) = payload.number else { return };
        if payload.origin.is_none_or(|origin| *origin != *listener.tenant) {
            self.foreign += 1;
            return;
        }
        listener.last = Some(Instant::now());
        if !listener.note(number) && (listener.is_recovered || listener.connections == 1) {
            self.repeated += 1;
        }
        if let Some((sent, missed)) = listener.replay
            && listener.complete >= missed
        {
            self.replays.push(sent.elapsed());
            listener.replay = None;
        }
    }

    fn torn(&mut self, client: usize) {
        self.listeners[client].replay = None;
    }

    fn turned_away(&mut self, _client: usize, _code: &str) {
        self.turned_away += 1;
    }

    fn dismissed(&mut self, _client: usize) {
        self.dismissed += 1;
    }
}
