//! What this package's publishers put into their events.

use std::borrow::Cow;

use crate::Event;
use serde::Deserialize;

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
    /// How often it was sent before.
    pub retry_count: u64,
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

impl<'a> Message<'a> {
    /// The event's first argument as a message; empty where it is none.
    pub fn of(event: &Event<'a>) -> Self {
        serde_json::from_str(event.argument).unwrap_or_default()
    }
}
