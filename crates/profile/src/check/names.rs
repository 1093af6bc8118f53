//! The names that applications have for events.

use std::collections::BTreeMap;

use foodtrack_contract::{CONTROL_EVENTS, EventGroup, EventType};
use toml::Spanned;

use super::{Checked, unknown};
use crate::incoming::{IncomingRule, Meaning};
use crate::outgoing::OutgoingRule;
use crate::problem::Source;
use crate::said::{SaidIncoming, SaidOutgoing};

/// Names that mean something to the clients' library itself.
const LIBRARY_NAMES: [&str; 8] = [
    "connect",
    "connecting",
    "connect_error",
    "connection",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
/// The names of the hub's own answers to control events.
const ANSWERS: [&str; 4] = ["subscribed", "unsubscribed", "pong", "health_check"];

impl Checked {
    pub(super) fn take_outgoing(
        &mut self,
        source: Source<'_>,
        place: usize,
        said: BTreeMap<String, Spanned<SaidOutgoing>>,
    ) {
        for (event, rule) in said {
            let at = rule.span().start;
            let mut rule = rule.into_inner();
            let shape = self.shape_of(source, place, &mut rule);
            if let Some(why) = why_not_outgoing(&rule.name) {
                self.fault(source, at, why);
            }
            let Some(event) = self.event(source, at, &event) else { continue };
            let rule = OutgoingRule {
                name: rule.name.into(),
                nest: shape.nest,
                beside: shape.beside,
                fields: shape.fields,
                leave_out: rule.leave_out.into_iter().map(Into::into).collect(),
            };
            self.applications[place].outgoing.insert(event, rule);
        }
    }

    pub(super) fn take_incoming(
        &mut self,
        source: Source<'_>,
        place: usize,
        said: BTreeMap<String, Spanned<SaidIncoming>>,
    ) {
        for (name, rule) in said {
            let at = rule.span().start;
            let rule = rule.into_inner();
            if let Some(why) = why_not_incoming(&name) {
                self.fault(source, at, why);
            }
            let meaning = match (rule.event, rule.control, rule.ignored) {
                (Some(event), None, false) => {
                    self.event(source, event.span().start, event.get_ref()).map(Meaning::Event)
                }
                (None, Some(control), false) => {
                    let is_known = CONTROL_EVENTS.contains(&control.get_ref().as_str());
                    if !is_known {
                        let known = CONTROL_EVENTS.into_iter();
                        let sentence = unknown("control event", control.get_ref(), known);
                        self.fault(source, control.span().start, sentence);
                    }
                    is_known.then(|| Meaning::Control(control.into_inner().into()))
                }
                (None, None, true) => Some(Meaning::Ignored),
                _ => {
                    let sentence = format!("{name} means one of event, control and ignored = true");
                    self.fault(source, at, sentence);
                    None
                }
            };
            let fields = self.fields(source, rule.fields);
            let Some(meaning) = meaning else { continue };
            let leave_out = rule.leave_out.into_iter().map(Into::into).collect();
            let rule = IncomingRule { meaning, fields, leave_out };
            self.applications[place].incoming.insert(name.into(), rule);
        }
    }

    /// An event of the contract that applications may be sent, or send.
    fn event(&mut self, source: Source<'_>, at: usize, name: &str) -> Option<EventType> {
        let events = EventType::ALL.iter().filter(|it| it.group() != EventGroup::System);
        let known = events.clone().find(|event| event.as_str() == name);
        if known.is_none() {
            let sentence = unknown("event", name, events.map(|event| event.as_str()));
            self.fault(source, at, sentence);
        }
        known.copied()
    }
}

fn why_not_outgoing(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("an event's name is not empty".into());
    }
    if LIBRARY_NAMES.contains(&name) || ANSWERS.contains(&name) {
        return Some(format!("{name} collides with a name of the library's or the hub's own"));
    }
    None
}

fn why_not_incoming(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("an event's name is not empty".into());
    }
    if LIBRARY_NAMES.contains(&name) {
        return Some(format!("{name} collides with a name of the library's own"));
    }
    if CONTROL_EVENTS.contains(&name) {
        return Some(format!("{name} collides with a control event, which every client may send"));
    }
    if EventType::from_wire(name).is_some() {
        return Some(format!("{name} collides with the contract's event of that name"));
    }
    None
}
