//! What an application's own event means.

use foodtrack_contract::{ApplicationType, EventName, EventType, without_lone_surrogates};

use crate::field_rule::{Beside, FieldRule};
use crate::fields::Fields;
use crate::kind::Dictionary;
use crate::profile::Profile;

/// What an application's own event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'p> {
    /// An event of the contract, with its payload.
    Event(EventType, String),
    /// A control event, with the argument as it came.
    Control(&'p str),
    /// It is taken, and nothing follows.
    Ignored,
}

/// What one of an application's own events stands for.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// An event of the contract.
    Event(EventType),
    /// A control event.
    Control(Box<str>),
    /// Nothing follows.
    Ignored,
}

/// How one of an application's own events is read.
#[derive(Clone, Debug)]
pub(crate) struct IncomingRule {
    pub(crate) meaning: Meaning,
    pub(crate) fields: Vec<FieldRule>,
    pub(crate) leave_out: Vec<Box<str>>,
}

impl Profile {
    /// What an application's own event means, sent by `user` with `argument`, raw JSON; `None` where it has no such event.
    ///
    /// A payload that cannot be made right stays as it is: its schema says what is wrong with it.
    pub fn incoming<'p>(
        &'p self,
        application: ApplicationType,
        user: &str,
        name: &str,
        argument: &str,
    ) -> Option<Incoming<'p>> {
        let rule = self.of(application).incoming.get(name)?;
        Some(match &rule.meaning {
            Meaning::Event(event) => Incoming::Event(*event, self.payload(rule, user, argument)),
            Meaning::Control(control) => Incoming::Control(control),
            Meaning::Ignored => Incoming::Ignored,
        })
    }

    fn payload(&self, rule: &IncomingRule, user: &str, argument: &str) -> String {
        let whole = Fields::read(argument).is_none().then(|| without_lone_surrogates(argument));
        let argument = whole.as_ref().and_then(|whole| whole.as_deref()).unwrap_or(argument);
        let Some(mut fields) = Fields::read(argument) else { return argument.to_owned() };
        let beside = Beside { user, timestamp: "null", payload: argument };
        let dictionary = Dictionary { statuses: &self.statuses, words: None };
        for field in &rule.fields {
            field.offer(&mut fields, beside, dictionary);
        }
        fields.retain(|name, _| !rule.leave_out.iter().any(|other| **other == *name));
        fields.to_json()
    }

    /// Every name that applications have for what they send.
    pub fn own_names(&self) -> impl Iterator<Item = (ApplicationType, &str)> {
        ApplicationType::ALL.into_iter().flat_map(|application| {
            self.of(application).incoming.keys().map(move |name| (application, &**name))
        })
    }

    /// The name by which an application says an event of the contract, if it has one.
    pub fn own_name(&self, application: ApplicationType, event: &EventName) -> Option<&str> {
        let EventName::Builtin(wanted) = event else { return None };
        let rules = self.of(application).incoming.iter();
        rules
            .filter(|(_, rule)| matches!(&rule.meaning, Meaning::Event(event) if event == wanted))
            .map(|(name, _)| &**name)
            .next()
    }
}
