//! What a client of `/ws` says is taken only where another parser calls it a JSON object too; what is passed on of it is JSON and
//! says the same.

#![no_main]

use std::collections::HashMap;

use foodtrack_wire::plain_json::{ClientMessage, ID_MAX, decode};
use foodtrack_wire::socket_io::{event_name, split_arguments};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

/// The fields of an object as they stand there; `None` where the other parser cannot say a name: half of a surrogate pair.
fn fields(text: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

fuzz_target!(|text: &str| {
    let Ok(message) = decode(text) else { return };
    let whole = serde_json::from_str::<&RawValue>(text);
    assert!(whole.is_ok_and(|whole| whole.get().starts_with('{')), "{text}");
    match message {
        ClientMessage::Connect(auth) => {
            assert!(serde_json::from_str::<&RawValue>(&auth).is_ok(), "{text}: {auth}");
        }
        ClientMessage::Publish { id, data } => {
            let arguments = split_arguments(&data).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!((1..=2).contains(&arguments.len()), "{text}: {data}");
            assert!(event_name(arguments[0]).is_ok(), "{text}: {data}");
            assert!(id.is_none_or(|id| id <= ID_MAX));
            let Some(fields) = fields(text) else { return };
            assert_eq!(fields.get("event").map(|raw| raw.get()), Some(arguments[0]), "{text}");
            assert_eq!(fields.get("message").map(|raw| raw.get()), arguments.get(1).copied());
        }
        ClientMessage::Acknowledge(id) => assert!(id <= ID_MAX),
        ClientMessage::Confirm(_) | ClientMessage::Ping | ClientMessage::Pong => {}
    }
});
