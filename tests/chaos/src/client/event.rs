//! An event as it reaches an application.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// An event, as the library hands it to its listeners.
#[derive(Debug)]
pub struct Event<'a> {
    /// The event's name.
    pub name: Cow<'a, str>,
    /// The first argument, as text.
    pub argument: &'a str,
    /// The last argument, where it is a string and not the name.
    pub cursor: Option<Cow<'a, str>>,
}

/// What a recipient notes of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Message<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    /// The tenant that it names.
    #[serde(borrow)]
    pub tenant_id: Option<Cow<'a, str>>,
    /// What the publisher put into it.
    #[serde(borrow)]
    pub payload: Payload<'a>,
}

/// What this package's publishers put into every payload.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Payload<'a> {
    /// The publisher's tenant.
    #[serde(borrow)]
    pub origin: Option<Cow<'a, str>>,
    /// What it is known by, where its publisher gave the message no id.
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    /// The event's number in its run.
    pub number: Option<u64>,
}

impl<'a> Event<'a> {
    /// Reads the data of an EVENT packet; `None` where it is no event.
    pub(super) fn read(data: &'a str) -> Option<Self> {
        let arguments: Vec<&'a RawValue> = serde_json::from_str(data).ok()?;
        let text = |raw: &'a RawValue| serde_json::from_str::<Text<'a>>(raw.get()).ok();
        let (name, arguments) = arguments.split_first()?;
        let cursor = arguments.last().and_then(|last| Some(text(last)?.0));
        let argument = arguments.first().map_or("null", |first| first.get());
        Some(Self { name: text(name)?.0, argument, cursor })
    }

    /// The first argument as a message; empty where it is none.
    pub fn message(&self) -> Message<'a> {
        serde_json::from_str(self.argument).unwrap_or_default()
    }
}

/// A string that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
