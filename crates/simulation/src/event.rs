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
    /// The acknowledgement that it asks for.
    pub ack_id: Option<u64>,
    /// The last argument, where it is a string and not the name.
    pub cursor: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    /// Reads the data of an EVENT packet; `None` where it is no event.
    pub(crate) fn read(ack_id: Option<u64>, data: &'a str) -> Option<Self> {
        let arguments: Vec<&'a RawValue> = serde_json::from_str(data).ok()?;
        let text = |raw: &'a RawValue| serde_json::from_str::<Text<'a>>(raw.get()).ok();
        let (name, arguments) = arguments.split_first()?;
        let cursor = arguments.last().and_then(|last| Some(text(last)?.0));
        let argument = arguments.first().map_or("null", |first| first.get());
        Some(Self { name: text(name)?.0, argument, ack_id, cursor })
    }
}

/// A string that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
