//! What people say to a server, and how their frames are read. By prefixes, without a JSON parser.

use memchr::memmem;

use super::cast::Person;
use super::order::{LIFE, Order, STEPS, Says};
use crate::dialect::{Dialect, quoted};
use crate::stamp;

/// A step of an order among all of the evening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventNumber(u32);

impl EventNumber {
    pub(super) fn new(order: usize, step: usize) -> Self {
        Self(u32::try_from(order * STEPS + step).unwrap_or(u32::MAX))
    }

    pub(super) fn order(self) -> usize {
        self.0 as usize / STEPS
    }

    pub(super) fn step(self) -> usize {
        self.0 as usize % STEPS
    }
}

/// The CONNECT packet of somebody, who brings back the session that they had.
pub(super) fn connect(
    dialect: Dialect,
    person: Person,
    token: &str,
    pid: &str,
    cursor: &str,
) -> String {
    let who = match dialect {
        Dialect::Hub => {
            format!(r#""token":"{token}","application":"{}""#, person.role.application())
        }
        _ => format!(r#""rooms":[{}]"#, quoted(&person.rooms())),
    };
    match (pid, cursor) {
        ("", _) => format!("40{{{who}}}"),
        (pid, "") => format!(r#"40{{"pid":"{pid}",{who}}}"#),
        (pid, cursor) => format!(r#"40{{"pid":"{pid}","offset":"{cursor}",{who}}}"#),
    }
}

/// A step of an order, to be answered. It has the same id however often it is sent.
pub(super) fn step(dialect: Dialect, order: &Order, number: EventNumber) -> String {
    let event = LIFE[number.step()].event;
    let also = match LIFE[number.step()].says {
        Says::Nothing => String::new(),
        Says::Customer => format!(r#","customerId":"{}""#, order.customer().user()),
        Says::Assignee => format!(r#","assigneeId":"{}""#, order.courier().user()),
        Says::Status(status) => format!(r#","status":"{status}""#),
    };
    let (EventNumber(number), rooms) = (number, order.rooms(Some(number.step())));
    let message = format!(
        r#"{{"id":"00000000-0000-4000-8000-{number:012x}","type":"{event}","payload":{{"orderId":"o{}"{also},"mark":"@{:016x}{number:08x}"}}}}"#,
        number as usize / STEPS,
        stamp::now_ns(),
    );
    match dialect {
        Dialect::Hub => format!(r#"42{number}["{event}",{message}]"#),
        _ => format!(r#"42{number}["pub",[{}],"{event}",{message}]"#, quoted(&rooms)),
    }
}

/// Where an order's courier is: volatile, and answered by nobody.
pub(super) fn location(dialect: Dialect, order: &Order, number: usize) -> String {
    const EVENT: &str = "delivery:location_updated";
    let message = format!(
        r#"{{"type":"{EVENT}","payload":{{"orderId":"o{number}","latitude":52.52,"longitude":13.405,"mark":"@{:016x}"}}}}"#,
        stamp::now_ns(),
    );
    match dialect {
        Dialect::Hub => format!(r#"42["{EVENT}",{message}]"#),
        _ => format!(r#"42["where",[{}],"{EVENT}",{message}]"#, quoted(&order.rooms(None))),
    }
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The Engine.IO session is open.
    Open,
    /// The session, new or resumed.
    Connected {
        pid: &'a str,
    },
    /// The connection is refused or ended.
    Ended,
    Answer {
        number: EventNumber,
        is_good: bool,
    },
    Event(Event<'a>),
    /// Something was missed and cannot be had any more.
    Gap,
    Else,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// When it was sent, and what it is where it is a step of an order.
    pub(super) sent: Option<(u64, Option<EventNumber>)>,
    /// Through where its receiver has everything.
    pub(super) cursor: Option<&'a str>,
}

pub(super) fn hear(payload: &[u8]) -> Heard<'_> {
    match payload {
        [b'0', b'{', ..] => Heard::Open,
        [b'4', b'0', ..] => Heard::Connected { pid: between(payload, b"\"pid\":\"").unwrap_or("") },
        [b'4', b'1' | b'4', ..] => Heard::Ended,
        [b'4', b'3', rest @ ..] => answer(rest).unwrap_or(Heard::Else),
        _ if payload.starts_with(b"42[\"system:reconnection_required\"") => Heard::Gap,
        [b'4', b'2', ..] => Heard::Event(Event { sent: sent(payload), cursor: cursor(payload) }),
        _ => Heard::Else,
    }
}

fn answer(rest: &[u8]) -> Option<Heard<'_>> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let is_good = memmem::find(rest, b"\"success\":true").is_some();
    Some(Heard::Answer { number: EventNumber(number), is_good })
}

fn sent(payload: &[u8]) -> Option<(u64, Option<EventNumber>)> {
    let sent_ns = stamp::read(payload)?;
    let digits = memchr::memchr(b'@', payload)? + 1 + 16;
    let number = payload.get(digits..digits + 8).and_then(|it| str::from_utf8(it).ok());
    let number = number.and_then(|it| u32::from_str_radix(it, 16).ok());
    Some((sent_ns, number.map(EventNumber)))
}

/// The last argument, where it is a text.
fn cursor(payload: &[u8]) -> Option<&str> {
    let rest = payload.strip_suffix(b"\"]")?;
    let start = memchr::memrchr(b'"', rest)? + 1;
    str::from_utf8(&rest[start..]).ok()
}

fn between<'a>(payload: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let start = memmem::find(payload, mark)? + mark.len();
    let length = memchr::memchr(b'"', &payload[start..])?;
    str::from_utf8(&payload[start..start + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::super::chance::Chance;
    use super::*;

    #[test]
    fn a_step_that_was_sent_is_known_again_when_it_comes() {
        let order = Order::within(2, 0.0, &mut Chance::new(1));
        let number = EventNumber::new(17, 4);
        assert_eq!((number.order(), number.step()), (17, 4));
        let said = step(Dialect::Hub, &order, number);
        let (_, arguments) = said.split_once('[').unwrap();
        let came = format!("42[{},\"k3f9-1042\"]", arguments.strip_suffix(']').unwrap());
        let Heard::Event(Event { sent: Some((_, seen)), cursor }) = hear(came.as_bytes()) else {
            panic!("{came}");
        };
        assert_eq!((seen, cursor), (Some(number), Some("k3f9-1042")));
    }

    #[test]
    fn where_a_courier_is_has_no_number_and_moves_no_cursor() {
        let order = Order::within(2, 0.0, &mut Chance::new(1));
        let said = location(Dialect::Hub, &order, 3);
        let Heard::Event(Event { sent: Some((_, None)), cursor: None }) = hear(said.as_bytes())
        else {
            panic!("{said}");
        };
    }

    #[test]
    fn answers_and_sessions_are_told_apart() {
        let good = br#"43205[{"success":true,"data":{"id":"x"}}]"#;
        let number = EventNumber(205);
        assert_eq!(hear(good), Heard::Answer { number, is_good: true });
        let bad = br#"43205[{"success":false,"error":{}}]"#;
        assert_eq!(hear(bad), Heard::Answer { number, is_good: false });
        assert_eq!(hear(br#"40{"sid":"a","pid":"b"}"#), Heard::Connected { pid: "b" });
        assert_eq!(hear(br#"44{"message":"no"}"#), Heard::Ended);
        assert_eq!(hear(b"0{}"), Heard::Open);
    }
}
