//! What an emitter publishes, as it stands on the wire.
//!
//! Source: `@socket.io/redis-emitter` 5 (msgpack of `[uid, packet, { rooms, except, flags }]`), and the message of Socket.IO's cluster adapters
//! (`{ packet, opts }` as JSON, or as base64 of msgpack where it has binary) that `@socket.io/redis-streams-emitter` writes.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

/// The uid of every emitter; servers have others.
const EMITTER: &str = "emitter";
/// Socket.IO's packet of an event.
const EVENT: u64 = 2;
/// The cluster adapters' message of a broadcast.
const BROADCAST: &str = "3";
/// Rooms that one message may name.
const ROOMS_MAX: usize = 64;

/// An event for rooms.
#[derive(Debug, PartialEq)]
pub(super) struct Emitted {
    pub(super) rooms: Vec<String>,
    pub(super) event: String,
    /// The payload, or the whole message.
    pub(super) argument: Value,
}

/// Why nothing comes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    /// It is not an emitter's, or of another namespace.
    NotMeant,
    /// It cannot be understood, or asks for what the hub does not do.
    Malformed(&'static str),
}

#[derive(Deserialize)]
struct Packet {
    r#type: u64,
    #[serde(default)]
    data: Vec<Value>,
    /// Missing, it is the root's.
    nsp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    rooms: Vec<String>,
    except: Vec<String>,
}

#[derive(Deserialize)]
struct Broadcast {
    packet: Packet,
    #[serde(default)]
    opts: Options,
}

impl Emitted {
    /// Reads what came on a channel.
    pub(super) fn of_message(bytes: &[u8], namespace: &str) -> Result<Self, Nothing> {
        let (uid, packet, options): (String, Packet, Options) = rmp_serde::from_slice(bytes)
            .map_err(|_| Nothing::Malformed("it is not msgpack of [uid, packet, options]"))?;
        if uid != EMITTER {
            return Err(Nothing::NotMeant);
        }
        Self::read(packet, options, namespace)
    }

    /// Reads an entry of a stream by its fields.
    pub(super) fn of_entry<'a>(
        field: impl Fn(&str) -> Option<&'a str>,
        namespace: &str,
    ) -> Result<Self, Nothing> {
        if field("uid") != Some(EMITTER) || field("nsp") != Some(namespace) {
            return Err(Nothing::NotMeant);
        }
        if field("type") != Some(BROADCAST) {
            return Err(Nothing::Malformed(
                "it is no event: rooms are joined and left by clients alone",
            ));
        }
        let data = field("data").ok_or(Nothing::Malformed("it has no data"))?;
        let read = if data.starts_with('{') {
            serde_json::from_str(data).ok()
        } else {
            let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok();
            bytes.and_then(|bytes| rmp_serde::from_slice(&bytes).ok())
        };
        let Some(Broadcast { packet, opts }) = read else {
            return Err(Nothing::Malformed("its data is no broadcast"));
        };
        Self::read(packet, opts, namespace)
    }

    fn read(packet: Packet, options: Options, namespace: &str) -> Result<Self, Nothing> {
        if packet.nsp.as_deref().unwrap_or(namespace) != namespace {
            return Err(Nothing::NotMeant);
        }
        if packet.r#type != EVENT {
            return Err(Nothing::Malformed("it is no event"));
        }
        if !options.except.is_empty() {
            return Err(Nothing::Malformed(
                "it leaves rooms out (except), which the hub does not do",
            ));
        }
        if options.rooms.is_empty() {
            return Err(Nothing::Malformed("it names no room, and would be for every tenant"));
        }
        if options.rooms.len() > ROOMS_MAX {
            return Err(Nothing::Malformed("it names more than 64 rooms"));
        }
        let mut data = packet.data.into_iter();
        match (
            data.next(),
            data.next().unwrap_or_else(|| Value::Object(Default::default())),
            data.next(),
        ) {
            (Some(Value::String(event)), argument @ Value::Object(_), None) => {
                Ok(Self { rooms: options.rooms, event, argument })
            }
            _ => Err(Nothing::Malformed("an event is a name and one object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn msgpack(value: &Value) -> Vec<u8> {
        rmp_serde::to_vec(value).unwrap()
    }

    fn packet() -> Value {
        json!({ "type": 2, "data": ["order:updated", { "orderId": "42" }], "nsp": "/" })
    }

    fn opts() -> Value {
        json!({ "rooms": ["tenant:a"], "flags": { "volatile": true }, "except": [] })
    }

    fn expected() -> Emitted {
        let argument = json!({ "orderId": "42" });
        Emitted { rooms: vec!["tenant:a".into()], event: "order:updated".into(), argument }
    }

    #[test]
    fn what_the_emitters_write_is_read() {
        let message = msgpack(&json!(["emitter", packet(), opts()]));
        assert_eq!(Emitted::of_message(&message, "/"), Ok(expected()));
        // The bytes of @socket.io/redis-emitter 5.1: emit("hello", {}) to the room r1, without a namespace in the packet.
        let bytes = b"\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa5hello\x80\x83\xa5rooms\x91\xa2r1\xa5flags\x80\xa6except\x90";
        let hello = Emitted::of_message(bytes, "/").unwrap();
        assert_eq!((hello.event.as_str(), &hello.rooms[..]), ("hello", &["r1".to_owned()][..]));
        let body = json!({ "packet": packet(), "opts": opts() });
        let base64 = base64::engine::general_purpose::STANDARD.encode(msgpack(&body));
        for data in [body.to_string(), base64] {
            let field = |name: &str| match name {
                "uid" => Some("emitter"),
                "nsp" => Some("/"),
                "type" => Some("3"),
                "data" => Some(data.as_str()),
                _ => None,
            };
            assert_eq!(Emitted::of_entry(field, "/"), Ok(expected()));
        }
    }

    #[test]
    fn what_is_not_meant_is_left_alone_and_what_cannot_be_done_is_told() {
        let read = |uid: &str, packet: Value, opts: Value| {
            Emitted::of_message(&msgpack(&json!([uid, packet, opts])), "/")
        };
        let is_malformed = |it: Result<Emitted, Nothing>| matches!(it, Err(Nothing::Malformed(_)));
        assert_eq!(read("x3F9sa", packet(), opts()), Err(Nothing::NotMeant));
        let elsewhere = json!({ "type": 2, "data": ["a", {}], "nsp": "/admin" });
        assert_eq!(read("emitter", elsewhere, opts()), Err(Nothing::NotMeant));
        for (packet, opts) in [
            (packet(), json!({ "rooms": [], "except": [] })),
            (packet(), json!({ "rooms": ["a"], "except": ["b"] })),
            (packet(), json!({ "rooms": vec!["a"; 65] })),
            (json!({ "type": 3, "data": ["a", {}] }), opts()),
            (json!({ "type": 2, "data": [7, {}] }), opts()),
            (json!({ "type": 2, "data": ["a", "text"] }), opts()),
            (json!({ "type": 2, "data": ["a", {}, {}] }), opts()),
            (json!({ "type": 2 }), opts()),
        ] {
            assert!(is_malformed(read("emitter", packet.clone(), opts)), "{packet}");
        }
        for bytes in [&b""[..], b"\x93", b"{}", &[0xdf, 0xff, 0xff, 0xff, 0xff], &[0x91; 100_000]] {
            assert!(is_malformed(Emitted::of_message(bytes, "/")));
        }
        // Binary has no place in a payload.
        let binary = b"\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa5hello\x81\xa1a\xc4\x01\x00\x81\xa5rooms\x91\xa2r1";
        assert!(is_malformed(Emitted::of_message(binary, "/")));
    }
}
