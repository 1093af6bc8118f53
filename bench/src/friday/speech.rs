//! What people say to a server.

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

    /// As it was heard.
    pub(super) fn heard(number: u32) -> Self {
        Self(number)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use crate::heard::{Event, Heard, hear};

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
        assert_eq!((seen.map(EventNumber::heard), cursor), (Some(number), Some("k3f9-1042")));
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
}
