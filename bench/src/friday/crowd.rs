//! Everybody's applications: what each has sent, what each got, and whether it is here.

use super::cast::Person;
use super::order::Order;
use super::speech::{self, EventNumber};
use crate::dialect::Dialect;
use crate::frame::{Opcode, encode};
use crate::heard::{self, Event, Heard};
use crate::latencies::Latencies;
use crate::stamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Without a line; it comes back.
    Away,
    /// The line is open, the session is not.
    Coming,
    Here,
}

/// One person's application.
pub(super) struct App {
    token: String,
    pub(super) presence: Presence,
    pid: String,
    cursor: String,
    /// Since when it has been here.
    since_ns: u64,
    /// Steps that were not answered, in their order: sent again whenever it comes back.
    pub(super) unanswered: Vec<EventNumber>,
    /// Every step that came, in its order.
    pub(super) received: Vec<EventNumber>,
    /// How often in a row it did not get in.
    pub(super) attempts: u32,
}

impl App {
    fn new(token: String) -> Self {
        Self {
            token,
            presence: Presence::Away,
            pid: String::new(),
            cursor: String::new(),
            since_ns: 0,
            unanswered: Vec::new(),
            received: Vec::new(),
            attempts: 0,
        }
    }
}

/// What happened to all together.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) deliveries: u64,
    pub(super) reconnects: u64,
    pub(super) recovered: u64,
    pub(super) refused: u64,
    pub(super) gaps: u64,
    /// From sending to receipt, of receivers that were here all the while.
    pub(super) latencies: Latencies,
}

pub(super) struct Crowd {
    dialect: Dialect,
    pub(super) apps: Vec<App>,
    pub(super) orders: Vec<Order>,
    pub(super) counts: Counts,
    /// Steps that were answered for the first time since this was looked at.
    pub(super) answered: Vec<EventNumber>,
    /// Steps that were refused since then.
    pub(super) refused: Vec<EventNumber>,
    /// Clients who came since this was looked at, and those who were refused.
    pub(super) came: Vec<usize>,
    pub(super) turned_away: Vec<usize>,
}

impl Crowd {
    pub(super) fn new(
        dialect: Dialect,
        people: usize,
        orders: Vec<Order>,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        let app = |client| Ok(App::new(Person::of_client(client).token()?));
        let apps = (0..people).map(app).collect::<Result<_, jsonwebtoken::errors::Error>>()?;
        Ok(Self {
            dialect,
            apps,
            orders,
            counts: Counts::default(),
            answered: Vec::new(),
            refused: Vec::new(),
            came: Vec::new(),
            turned_away: Vec::new(),
        })
    }

    pub(super) fn is_here(&self, client: usize) -> bool {
        self.apps[client].presence == Presence::Here
    }

    /// The packet of a step, stamped with the time.
    pub(super) fn step(&self, number: EventNumber) -> String {
        speech::step(self.dialect, &self.orders[number.order()], number)
    }

    pub(super) fn location(&self, order: usize) -> String {
        speech::location(self.dialect, &self.orders[order], order)
    }

    /// What a person's application does with a frame.
    pub(super) fn on_frame(&mut self, client: usize, payload: &[u8], out: &mut Vec<u8>) {
        let app = &mut self.apps[client];
        match heard::hear(payload) {
            Heard::Open => {
                let person = Person::of_client(client);
                let connect =
                    speech::connect(self.dialect, person, &app.token, &app.pid, &app.cursor);
                encode(Opcode::Text, connect.as_bytes(), out);
            }
            Heard::Connected { pid } => self.comes(client, pid, out),
            Heard::Ended => self.turned_away.push(client),
            Heard::Answer { number, is_good } => {
                self.on_answer(client, EventNumber::heard(number), is_good);
            }
            Heard::Event(event) => self.on_event(client, &event),
            Heard::Gap => self.counts.gaps += 1,
            Heard::Else => {}
        }
    }

    fn comes(&mut self, client: usize, pid: &str, out: &mut Vec<u8>) {
        let app = &mut self.apps[client];
        if !app.pid.is_empty() {
            self.counts.reconnects += 1;
            self.counts.recovered += u64::from(app.pid == pid);
        }
        if app.pid != pid {
            // Another session begins with no place of its own, as socket.io-client has it.
            pid.clone_into(&mut app.pid);
            app.cursor.clear();
        }
        (app.presence, app.since_ns, app.attempts) = (Presence::Here, stamp::now_ns(), 0);
        self.came.push(client);
        for &number in &self.apps[client].unanswered {
            encode(Opcode::Text, self.step(number).as_bytes(), out);
        }
    }

    fn on_answer(&mut self, client: usize, number: EventNumber, is_good: bool) {
        if !is_good {
            self.counts.refused += 1;
            self.refused.push(number);
            return;
        }
        self.apps[client].unanswered.retain(|&it| it != number);
        let order = self.orders.get_mut(number.order());
        if order.is_some_and(|order| order.answer(number.step())) {
            self.answered.push(number);
        }
    }

    fn on_event(&mut self, client: usize, event: &Event<'_>) {
        let app = &mut self.apps[client];
        if let Some(cursor) = event.cursor {
            cursor.clone_into(&mut app.cursor);
        }
        let Some((sent_ns, number)) = event.sent else { return };
        self.counts.deliveries += 1;
        app.received.extend(number.map(EventNumber::heard));
        if app.presence == Presence::Here && app.since_ns <= sent_ns {
            self.counts.latencies.push(stamp::now_ns().saturating_sub(sent_ns));
        }
    }
}
