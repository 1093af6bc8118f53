use std::borrow::Cow;

use crate::json::{JsonError, Reader, unescape};

/// The largest id of a `publish`: what every JSON library keeps exact.
pub const ID_MAX: u64 = (1 << 53) - 1;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// It wants to come in. The `auth` object of a Socket.IO handshake.
    Connect(String),
    /// It publishes an event.
    Publish {
        /// What the answer is to name, where one is asked for.
        id: Option<u64>,
        /// The event's name and its message, as a JSON array.
        data: String,
    },
    /// It has dealt with everything through this cursor.
    Confirm(Cow<'a, str>),
    /// It has dealt with the event that asked for it by this number.
    Acknowledge(u64),
    /// It asks whether the hub is there.
    Ping,
    /// It answers a ping.
    Pong,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainJsonError {
    /// It is no JSON object, or is nested too deep.
    #[error("a message must be one JSON object with a `type`")]
    NoObject,
    /// Its `type` is none that clients send.
    #[error("`type` must be one of connect, publish, ack, ping, pong")]
    UnknownType,
    /// A `publish` without a name.
    #[error("a `publish` takes `event`, a string")]
    NoEvent,
    /// The `id` of a `publish` is no number that can be given back.
    #[error("the `id` of a `publish` must be a whole number from 0 to 9007199254740991")]
    InvalidId,
    /// An `ack` of nothing.
    #[error("an `ack` takes `cursor`, a string, or `id`, a whole number")]
    NothingAcknowledged,
}

impl From<JsonError> for PlainJsonError {
    fn from(_: JsonError) -> Self {
        Self::NoObject
    }
}

/// The fields that are read, as raw JSON; of one that is there twice, the last.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    id: Option<&'a str>,
    event: Option<&'a str>,
    message: Option<&'a str>,
    cursor: Option<&'a str>,
    session: Option<&'a str>,
    token: Option<&'a str>,
    application: Option<&'a str>,
    device_id: Option<&'a str>,
    version: Option<&'a str>,
    features: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, JsonError> {
        let mut fields = Self::default();
        let mut reader = Reader::new(text);
        reader.take(b'{')?;
        if !reader.take_if(b'}') {
            loop {
                let name = unescape(reader.key()?);
                let value = reader.value(1)?;
                if let Some(field) = fields.field(&name) {
                    *field = (value != "null" || name == "message").then_some(value);
                }
                if !reader.take_if(b',') {
                    break;
                }
            }
            reader.take(b'}')?;
        }
        reader.end()?;
        Ok(fields)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name {
            "type" => &mut self.kind,
            "id" => &mut self.id,
            "event" => &mut self.event,
            "message" => &mut self.message,
            "cursor" => &mut self.cursor,
            "session" => &mut self.session,
            "token" => &mut self.token,
            "application" => &mut self.application,
            "deviceId" => &mut self.device_id,
            "version" => &mut self.version,
            "features" => &mut self.features,
            _ => return None,
        })
    }

    /// What a Socket.IO client says of itself in its handshake. What a field holds is its reader's matter.
    fn auth(&self) -> String {
        let fields = [
            ("token", self.token),
            ("application", self.application),
            ("deviceId", self.device_id),
            ("pid", self.session),
            ("offset", self.cursor),
            ("version", self.version),
            ("features", self.features),
        ];
        let mut auth = String::from("{");
        for (name, value) in fields {
            let Some(value) = value else { continue };
            auth += if auth.len() > 1 { ",\"" } else { "\"" };
            auth += name;
            auth += "\":";
            auth += value;
        }
        auth.push('}');
        auth
    }
}

/// The text of a raw string; `None` for another value.
fn text(raw: Option<&str>) -> Option<Cow<'_, str>> {
    raw.filter(|raw| raw.starts_with('"')).map(unescape)
}

fn number(raw: &str) -> Option<u64> {
    raw.parse().ok().filter(|id| *id <= ID_MAX)
}

/// Reads what a client says.
///
/// # Errors
/// [`PlainJsonError`]: close the connection.
pub fn decode(message: &str) -> Result<ClientMessage<'_>, PlainJsonError> {
    let fields = Fields::read(message)?;
    let kind = text(fields.kind).ok_or(PlainJsonError::UnknownType)?;
    Ok(match &*kind {
        "connect" => ClientMessage::Connect(fields.auth()),
        "publish" => {
            let event = fields.event.filter(|event| event.starts_with('"'));
            let event = event.ok_or(PlainJsonError::NoEvent)?;
            let id = fields.id.map(|id| number(id).ok_or(PlainJsonError::InvalidId));
            let message = fields.message.map_or(String::new(), |message| format!(",{message}"));
            ClientMessage::Publish { id: id.transpose()?, data: format!("[{event}{message}]") }
        }
        "ack" => match (text(fields.cursor), fields.id.and_then(number)) {
            (Some(cursor), _) => ClientMessage::Confirm(cursor),
            (None, Some(id)) => ClientMessage::Acknowledge(id),
            (None, None) => return Err(PlainJsonError::NothingAcknowledged),
        },
        "ping" => ClientMessage::Ping,
        "pong" => ClientMessage::Pong,
        _ => return Err(PlainJsonError::UnknownType),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_message_is_read() {
        let publish = |id, data: &str| Ok(ClientMessage::Publish { id, data: data.to_owned() });
        let connect = |auth: &str| Ok(ClientMessage::Connect(auth.to_owned()));
        for (message, expected) in [
            (r#"{"type":"connect"}"#, connect("{}")),
            (
                r#" { "type" : "connect", "token":"t", "deviceId":null, "session":"p", "cursor":"k-1", "pid":"x", "profile":"foodtrack" } "#,
                connect(r#"{"token":"t","pid":"p","offset":"k-1"}"#),
            ),
            (r#"{"type":"publish","event":"a","id":7}"#, publish(Some(7), r#"["a"]"#)),
            (
                r#"{"event":"a","message":{"x":[1]},"type":"publish"}"#,
                publish(None, r#"["a",{"x":[1]}]"#),
            ),
            (
                r#"{"type":"publish","event":"a","message":null,"id":null}"#,
                publish(None, r#"["a",null]"#),
            ),
            (r#"{"type":"ack","cursor":"k-4+9"}"#, Ok(ClientMessage::Confirm("k-4+9".into()))),
            (r#"{"type":"ack","id":9}"#, Ok(ClientMessage::Acknowledge(9))),
            (r#"{"type":"p\u0069ng"}"#, Ok(ClientMessage::Ping)),
            (r#"{"type":"pong"}"#, Ok(ClientMessage::Pong)),
        ] {
            assert_eq!(decode(message), expected, "{message}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_message_is_said() {
        for (message, expected) in [
            ("", PlainJsonError::NoObject),
            ("[]", PlainJsonError::NoObject),
            ("{", PlainJsonError::NoObject),
            (r#"{"type":"ping"} x"#, PlainJsonError::NoObject),
            (r#"{"type":"ping",}"#, PlainJsonError::NoObject),
            ("{}", PlainJsonError::UnknownType),
            (r#"{"type":1}"#, PlainJsonError::UnknownType),
            (r#"{"type":"event"}"#, PlainJsonError::UnknownType),
            (r#"{"type":"publish"}"#, PlainJsonError::NoEvent),
            (r#"{"type":"publish","event":1}"#, PlainJsonError::NoEvent),
            (r#"{"type":"publish","event":"a","id":"1"}"#, PlainJsonError::InvalidId),
            (r#"{"type":"publish","event":"a","id":-1}"#, PlainJsonError::InvalidId),
            (r#"{"type":"publish","event":"a","id":9007199254740992}"#, PlainJsonError::InvalidId),
            (r#"{"type":"ack"}"#, PlainJsonError::NothingAcknowledged),
            (r#"{"type":"ack","cursor":5,"id":"x"}"#, PlainJsonError::NothingAcknowledged),
        ] {
            assert_eq!(decode(message), Err(expected), "{message}");
        }
        let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(decode(&deep), Err(PlainJsonError::NoObject));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_answer_and_what_is_passed_on_is_json(text in ".{0,80}") {
            for message in [text.clone(), format!(r#"{{"type":"publish","event":"a","message":{text}}}"#)] {
                if let Ok(
                    ClientMessage::Connect(json) | ClientMessage::Publish { data: json, .. },
                ) = decode(&message)
                {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
                }
            }
        }
    }
}
