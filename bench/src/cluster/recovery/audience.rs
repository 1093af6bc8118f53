//! Publishers of events, and the sessions that get them.

use std::mem;
use std::time::{Duration, Instant};

use super::SESSIONS;
use crate::dialect::Dialect;
use crate::frame::{Opcode, encode};
use crate::heard::{Heard, hear};
use crate::{stamp, token};

/// How long socket.io-client waits at first before it comes back, and at most; give or take half of it.
const DELAY_S: f64 = 1.0;
const DELAY_MAX_S: f64 = 5.0;

/// One session's client.
pub(super) struct Client {
    token: String,
    pid: String,
    cursor: String,
    is_here: bool,
    /// How often in a row it did not get in.
    attempts: i32,
    /// Numbers of the events that came, in their order.
    pub(super) received: Vec<u32>,
    /// Whether its node was killed, and how long after that it was back.
    pub(super) was_killed: bool,
    pub(super) back: Option<Duration>,
    pub(super) is_recovered: bool,
}

/// Everybody: the publishers, a tenant each, then the sessions, ten of a tenant behind each other.
pub(super) struct Audience {
    dialect: Dialect,
    pub(super) tenants: usize,
    pub(super) all: Vec<Client>,
    here: usize,
    killed_at: Option<Instant>,
    away: usize,
    turned_away: Vec<usize>,
    /// By an event's number: whether it was answered.
    pub(super) answered: Vec<bool>,
    pub(super) refused: u64,
    pub(super) gaps: u64,
    receipts: u64,
    /// The longest from an event's sending to a receipt of it, in nanoseconds.
    pub(super) longest_ns: u64,
}

impl Audience {
    pub(super) fn new(
        dialect: Dialect,
        tenants: usize,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        let mut all = Vec::with_capacity(tenants * (SESSIONS + 1));
        for tenant in 0..tenants {
            all.push(Client::new(token::courier(&tenant_name(tenant), "publisher")?));
        }
        for session in 0..tenants * SESSIONS {
            let (tenant, user) = (tenant_name(session / SESSIONS), format!("m{session}"));
            let (role, application) = ("restaurant_manager", "tenant_dashboard");
            all.push(Client::new(token::person(&tenant, &user, role, application)?));
        }
        Ok(Self {
            dialect,
            tenants,
            all,
            here: 0,
            killed_at: None,
            away: 0,
            turned_away: Vec::new(),
            answered: Vec::new(),
            refused: 0,
            gaps: 0,
            receipts: 0,
            longest_ns: 0,
        })
    }

    pub(super) fn clients(&self) -> usize {
        self.all.len()
    }

    pub(super) fn here(&self) -> usize {
        self.here
    }

    /// Those of the killed node who are not back yet.
    pub(super) fn away(&self) -> usize {
        self.away
    }

    pub(super) fn receipts(&self) -> u64 {
        self.receipts
    }

    pub(super) fn is_publisher(&self, client: usize) -> bool {
        client < self.tenants
    }

    /// The tenant of a client.
    pub(super) fn tenant(&self, client: usize) -> usize {
        if self.is_publisher(client) { client } else { (client - self.tenants) / SESSIONS }
    }

    pub(super) fn take_turned_away(&mut self) -> Vec<usize> {
        mem::take(&mut self.turned_away)
    }

    /// All sessions lose their node now.
    pub(super) fn node_is_killed(&mut self) {
        self.killed_at = Some(Instant::now());
        for client in &mut self.all[self.tenants..] {
            client.was_killed = true;
            self.away += 1;
        }
    }

    /// A client's line has ended. Returns how long it waits on average, in seconds.
    pub(super) fn leaves(&mut self, client: usize) -> f64 {
        let client = &mut self.all[client];
        self.here -= usize::from(mem::take(&mut client.is_here));
        let delay_s = (DELAY_S * 2_f64.powi(client.attempts.min(8))).min(DELAY_MAX_S);
        client.attempts += 1;
        delay_s
    }

    /// The next event and its publisher: one tenant after the other.
    pub(super) fn next_event(&mut self) -> (usize, String) {
        let number = self.answered.len();
        self.answered.push(false);
        let tenant = number % self.tenants;
        let message = format!(
            r#"{{"id":"00000000-0000-4000-8000-{number:012x}","type":"delivery:in_transit","payload":{{"orderId":"{}","reason":"@{:016x}{number:08x}"}}}}"#,
            order(tenant),
            stamp::now_ns(),
        );
        let text = match self.dialect {
            Dialect::Hub => format!(r#"42{number}["delivery:in_transit",{message}]"#),
            _ => {
                let room = tenant_name(tenant);
                format!(r#"42{number}["pub",["{room}"],"delivery:in_transit",{message}]"#)
            }
        };
        (tenant, text)
    }

    pub(super) fn on_frame(&mut self, client: usize, payload: &[u8], out: &mut Vec<u8>) {
        match hear(payload) {
            Heard::Open => encode(Opcode::Text, self.connect(client).as_bytes(), out),
            Heard::Connected { pid } => self.comes(client, pid),
            Heard::Ended => self.turned_away.push(client),
            Heard::Answer { number, is_good } => match self.answered.get_mut(number as usize) {
                Some(answered) if is_good => *answered = true,
                _ => self.refused += 1,
            },
            Heard::Gap => self.gaps += 1,
            Heard::Event(event) => {
                let it = &mut self.all[client];
                if let Some(cursor) = event.cursor {
                    cursor.clone_into(&mut it.cursor);
                }
                if let Some((sent_ns, Some(number))) = event.sent {
                    it.received.push(number);
                    self.receipts += 1;
                    self.longest_ns = self.longest_ns.max(stamp::now_ns().saturating_sub(sent_ns));
                }
            }
            Heard::Else => {}
        }
    }

    fn connect(&self, client: usize) -> String {
        let Client { token, pid, cursor, .. } = &self.all[client];
        let who = match (self.dialect, self.is_publisher(client)) {
            (Dialect::Hub, true) => format!(r#""token":"{token}","application":"delivery_app""#),
            (Dialect::Hub, false) => {
                format!(r#""token":"{token}","application":"tenant_dashboard""#)
            }
            (_, true) => r#""rooms":[]"#.to_owned(),
            (_, false) => format!(r#""rooms":["{}"]"#, tenant_name(self.tenant(client))),
        };
        match (pid.as_str(), cursor.as_str()) {
            ("", _) => format!("40{{{who}}}"),
            (pid, "") => format!(r#"40{{"pid":"{pid}",{who}}}"#),
            (pid, cursor) => format!(r#"40{{"pid":"{pid}","offset":"{cursor}",{who}}}"#),
        }
    }

    fn comes(&mut self, client: usize, pid: &str) {
        let it = &mut self.all[client];
        if it.was_killed && it.back.is_none() {
            it.back = self.killed_at.map(|at| at.elapsed());
            it.is_recovered = it.pid == pid;
            self.away -= 1;
        }
        if it.pid != pid {
            pid.clone_into(&mut it.pid);
            it.cursor.clear();
        }
        it.attempts = 0;
        self.here += usize::from(!mem::replace(&mut it.is_here, true));
    }
}

impl Client {
    fn new(token: String) -> Self {
        Self {
            token,
            pid: String::new(),
            cursor: String::new(),
            is_here: false,
            attempts: 0,
            received: Vec::new(),
            was_killed: false,
            back: None,
            is_recovered: false,
        }
    }
}

/// The one order of a tenant.
pub(super) fn order(tenant: usize) -> String {
    format!("o{tenant}")
}

pub(super) fn tenant_name(tenant: usize) -> String {
    format!("t{tenant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_brings_back_what_it_had_and_is_counted_as_recovered() {
        let mut audience = Audience::new(Dialect::Hub, 2).unwrap();
        let (session, mut out) = (2 + SESSIONS, Vec::new());
        assert_eq!(audience.tenant(session), 1);
        audience.on_frame(session, br#"40{"sid":"a","pid":"p1"}"#, &mut out);
        let (publisher, event) = audience.next_event();
        assert_eq!((publisher, audience.here()), (0, 1));
        let (_, arguments) = event.split_once('[').unwrap();
        let came = format!("42[{},\"c1\"]", arguments.strip_suffix(']').unwrap());
        audience.on_frame(session, came.as_bytes(), &mut out);
        assert_eq!(audience.all[session].received, [0]);
        audience.node_is_killed();
        assert!((audience.leaves(session) - 1.0).abs() < f64::EPSILON);
        assert!(audience.connect(session).starts_with(r#"40{"pid":"p1","offset":"c1","#));
        let away = audience.away();
        audience.on_frame(session, br#"40{"sid":"b","pid":"p1"}"#, &mut out);
        assert_eq!((audience.away(), audience.all[session].is_recovered), (away - 1, true));
    }
}
