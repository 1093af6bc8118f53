//! `socket.io-client` from its transports on: polling, the change to a WebSocket, what it keeps while it is away.

use std::mem;
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Backoff, Heard, SocketIo};

/// Between the packets of a payload.
const SEPARATOR: &str = "\u{1e}";

/// How long the library waits for a connection to open, in milliseconds: its Manager's `timeout`.
const OPEN_MS_MAX: u64 = 20_000;

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests for what came, and requests with what is sent.
    Polling,
    /// A WebSocket.
    WebSocket,
}

/// What the client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens a connection: the handshake by polling, or a WebSocket.
    Open(Way),
    /// Opens a WebSocket beside the session that polls.
    OpenProbe,
    /// Asks for what has come.
    Poll,
    /// Posts packets, in one payload.
    Post(String),
    /// Says a packet on the WebSocket.
    Say(String),
    /// Lets go of everything.
    Leave,
}

/// What happens to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A poll's answer, or a message of the WebSocket.
    Payload(Way, &'a str),
    /// A post was taken.
    Posted,
    /// A request failed, or the WebSocket is gone.
    Closed(Way),
    /// The application sends an event: its name, and its argument as JSON.
    Emit(&'a str, &'a str),
    /// The application acknowledges an event that asked for it.
    Acknowledge(u64),
    /// Time has passed.
    Tick,
}

/// The change from polling to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// Over, failed, or not wanted.
    None,
    /// "2probe" was said.
    Probing,
    /// "3probe" was heard: what polls must come to rest first.
    Pausing,
    /// The WebSocket went while what polls came to rest: the library neither polls nor posts any more, until the server counts
    /// as gone.
    Deaf,
}

/// A connection that is up, or is coming up.
#[derive(Debug)]
struct Line {
    way: Way,
    upgrade: Upgrade,
    is_polling: bool,
    is_posting: bool,
    /// Packets that wait for the line to take them.
    unsent: Vec<String>,
    /// When the server counts as gone.
    expires_ms: u64,
    patience_ms: u64,
}

#[derive(Debug)]
enum State {
    Away {
        again_ms: u64,
    },
    Up(Line),
    /// Told to stay away: the library does not come back by itself.
    Dismissed,
}

/// What Engine.IO's handshake says to a client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handshake {
    ping_interval: u64,
    ping_timeout: u64,
    upgrades: Vec<String>,
}

/// A client of the library with its transports, without its sockets. Times are milliseconds on the caller's clock.
#[derive(Debug)]
pub struct ModelClient {
    io: SocketIo,
    /// The transports it was given, in their order: `Polling` alone, `WebSocket` alone, or polling that upgrades.
    ways: Vec<Way>,
    backoff: Backoff,
    rng: Rng,
    state: State,
    is_joined: bool,
    /// Events that the application sent while it was not joined.
    kept: Vec<String>,
}

impl ModelClient {
    /// A client that connects at its first tick; `auth` is the handshake's.
    pub fn new(seed: u64, ways: Vec<Way>, auth: Map<String, Value>) -> Self {
        Self {
            io: SocketIo::new(auth),
            ways,
            backoff: Backoff::LIBRARY,
            rng: Rng::with_seed(seed),
            state: State::Away { again_ms: 0 },
            is_joined: false,
            kept: Vec::new(),
        }
    }

    /// Whether CONNECT was answered and the line holds.
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// The same with other delays between attempts.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The cursor that it would bring.
    pub fn offset(&self) -> Option<&str> {
        self.io.offset()
    }

    /// Whether the hub gave it a private id.
    pub fn has_pid(&self) -> bool {
        self.io.has_pid()
    }

    /// Whether it was told to stay away.
    pub fn is_dismissed(&self) -> bool {
        matches!(self.state, State::Dismissed)
    }

    /// How it is connected now.
    pub fn way(&self) -> Option<Way> {
        match &self.state {
            State::Up(line) => Some(line.way),
            _ => None,
        }
    }

    /// When it wants a [`Input::Tick`]; `None` for never.
    pub fn next_ms(&self) -> Option<u64> {
        match &self.state {
            State::Away { again_ms } => Some(*again_ms),
            State::Up(line) => Some(line.expires_ms),
            State::Dismissed => None,
        }
    }

    /// Takes an input; returns what follows from it, and tells `ear` what the application notices.
    pub fn handle(
        &mut self,
        now_ms: u64,
        input: Input<'_>,
        ear: &mut impl FnMut(Heard<'_>),
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Tick => self.tick(now_ms, &mut actions),
            Input::Emit(name, argument) => self.emit(name, argument),
            Input::Acknowledge(id) => self.give(format!("43{id}[]")),
            Input::Posted => {
                if let State::Up(line) = &mut self.state {
                    line.is_posting = false;
                }
            }
            Input::Closed(way) => self.closed(now_ms, way, &mut actions),
            Input::Payload(way, payload) => self.payload(now_ms, way, payload, ear, &mut actions),
        }
        self.flush(&mut actions);
        actions
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        match &self.state {
            State::Away { again_ms } if *again_ms <= now_ms => {
                let way = self.ways.first().copied().unwrap_or(Way::Polling);
                actions.push(Action::Open(way));
                self.state = State::Up(Line {
                    way,
                    upgrade: Upgrade::None,
                    is_polling: way == Way::Polling,
                    is_posting: false,
                    unsent: Vec::new(),
                    expires_ms: now_ms + OPEN_MS_MAX,
                    patience_ms: 0,
                });
            }
            State::Up(line) if line.expires_ms <= now_ms => self.lost(now_ms, actions),
            _ => {}
        }
    }

    fn emit(&mut self, name: &str, argument: &str) {
        let (packet, _) = self.io.event_packet(name, argument);
        self.give(packet);
    }

    /// Gives a packet to the line, or keeps it until there is one.
    fn give(&mut self, packet: String) {
        match &mut self.state {
            State::Up(line) if self.is_joined => line.unsent.push(packet),
            _ => self.kept.push(packet),
        }
    }

    fn closed(&mut self, now_ms: u64, way: Way, actions: &mut Vec<Action>) {
        match &mut self.state {
            State::Up(line) if line.way != way => {
                line.upgrade = match line.upgrade {
                    Upgrade::Pausing | Upgrade::Deaf => Upgrade::Deaf,
                    Upgrade::None | Upgrade::Probing => Upgrade::None,
                };
            }
            State::Up(_) => self.lost(now_ms, actions),
            _ => {}
        }
    }

    fn lost(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.leave(actions);
        let delay = self.backoff.next(&mut self.rng);
        self.state = State::Away { again_ms: now_ms + millis(delay) };
    }

    fn leave(&mut self, actions: &mut Vec<Action>) {
        // What was handed to the line goes with it.
        self.is_joined = false;
        self.io.closed();
        actions.push(Action::Leave);
    }

    fn payload(
        &mut self,
        now_ms: u64,
        way: Way,
        payload: &str,
        ear: &mut impl FnMut(Heard<'_>),
        actions: &mut Vec<Action>,
    ) {
        let State::Up(line) = &mut self.state else { return };
        if line.way != way {
            if payload == "3probe" && line.upgrade == Upgrade::Probing {
                line.upgrade = Upgrade::Pausing;
            }
            return;
        }
        if way == Way::Polling {
            line.is_polling = false;
        }
        for packet in payload.split(SEPARATOR) {
            self.packet(now_ms, packet, ear, actions);
        }
    }

    fn packet(
        &mut self,
        now_ms: u64,
        packet: &str,
        ear: &mut impl FnMut(Heard<'_>),
        actions: &mut Vec<Action>,
    ) {
        let State::Up(line) = &mut self.state else { return };
        let (kind, rest) = packet.split_at(usize::from(!packet.is_empty()));
        match kind {
            "0" => {
                let Ok(handshake) = serde_json::from_str::<Handshake>(rest) else {
                    return self.lost(now_ms, actions);
                };
                line.patience_ms = handshake.ping_interval + handshake.ping_timeout;
                line.expires_ms = now_ms + line.patience_ms;
                line.unsent.push(self.io.connect_packet());
                let is_offered = handshake.upgrades.iter().any(|name| name == "websocket");
                if line.way == Way::Polling && is_offered && self.ways.contains(&Way::WebSocket) {
                    line.upgrade = Upgrade::Probing;
                    actions.extend([Action::OpenProbe, Action::Say("2probe".into())]);
                }
            }
            "1" => self.lost(now_ms, actions),
            "2" => {
                line.expires_ms = now_ms + line.patience_ms;
                line.unsent.push(format!("3{rest}"));
            }
            "4" => self.hear(rest, ear, actions),
            _ => {}
        }
    }

    fn hear(&mut self, packet: &str, ear: &mut impl FnMut(Heard<'_>), actions: &mut Vec<Action>) {
        let (mut has_joined, mut is_dismissed) = (false, false);
        self.io.hear(packet, &mut |heard| {
            has_joined |= matches!(heard, Heard::Connected(_));
            is_dismissed |= matches!(heard, Heard::Dismissed | Heard::TurnedAway(_));
            ear(heard);
        });
        if let State::Up(line) = &mut self.state
            && has_joined
        {
            self.is_joined = true;
            self.backoff.reset();
            line.unsent.append(&mut self.kept);
        }
        if is_dismissed {
            self.leave(actions);
            self.state = State::Dismissed;
        }
    }

    /// Gives the line what it can take.
    fn flush(&mut self, actions: &mut Vec<Action>) {
        let State::Up(line) = &mut self.state else { return };
        if line.upgrade == Upgrade::Pausing && !line.is_polling && !line.is_posting {
            (line.way, line.upgrade) = (Way::WebSocket, Upgrade::None);
            actions.push(Action::Say("5".into()));
        }
        if line.way == Way::WebSocket {
            actions.extend(mem::take(&mut line.unsent).into_iter().map(Action::Say));
            return;
        }
        if let Upgrade::Pausing | Upgrade::Deaf = line.upgrade {
            return;
        }
        if !line.is_posting && !line.unsent.is_empty() {
            line.is_posting = true;
            actions.push(Action::Post(mem::take(&mut line.unsent).join(SEPARATOR)));
        }
        if !mem::replace(&mut line.is_polling, true) {
            actions.push(Action::Poll);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
