//! How clients talk to each kind of server: connect, join, publish, ask. All of it by prefixes, without a JSON parser.

use memchr::memmem;

use crate::frame::{Opcode, encode};
use crate::stamp::{PLACE, Template};
use crate::token;

/// What a peer's event is filled up to. The hub's envelope alone is about as long, so its events carry no filler.
pub(crate) const EVENT_BYTES: usize = 200;
/// A frame of at least so many bytes is taken for a delivery; heartbeats and answers are shorter.
pub(crate) const EVENT_BYTES_MIN: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Tokens, `subscribe:order`, and an event that the routing table sends to the order's room.
    Hub,
    /// Socket.IO with the three events of `bench/peers`: `join`, `pub`, `request`.
    SocketIo,
    /// Opaque frames and topics.
    Topics,
}

/// Who connects: made before the clock starts, tokens included.
#[derive(Default)]
pub(crate) struct Member {
    rooms: Vec<String>,
    token: String,
}

impl Member {
    /// A courier of `tenant`; on peers, which know no tenants, a member of `rooms` alone.
    pub(crate) fn new(
        dialect: Dialect,
        tenant: &str,
        user: &str,
        rooms: Vec<String>,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        let token = match dialect {
            Dialect::Hub => token::courier(tenant, user)?,
            Dialect::SocketIo | Dialect::Topics => String::new(),
        };
        Ok(Self { rooms, token })
    }
}

/// Where a client stands after a frame that came before it was ready.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    Wait,
    Ready,
}

/// The server said no, in its own words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the server refuses: {0}")]
pub(crate) struct Refused(pub(crate) String);

impl Dialect {
    /// The HTTP request that opens the WebSocket.
    pub(crate) fn upgrade(self, member: &Member) -> String {
        let path = match self {
            Self::Hub | Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::Topics if member.rooms.is_empty() => "/".to_owned(),
            Self::Topics => format!("/?rooms={}", member.rooms.join(",")),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    /// Answers one frame of a server that is greeting `member`. `joins_pending` belongs to the connection.
    ///
    /// # Errors
    /// The server refused the connection or a room.
    pub(crate) fn greet(
        self,
        member: &Member,
        joins_pending: &mut usize,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Greeting, Refused> {
        if self == Self::Topics {
            return Ok(if payload == b"ready" { Greeting::Ready } else { Greeting::Wait });
        }
        refusal(payload)?;
        if payload.starts_with(b"0{") {
            let auth = match self {
                Self::Hub => {
                    format!(r#"40{{"token":"{}","application":"delivery_app"}}"#, member.token)
                }
                _ => format!(r#"40{{"rooms":[{}]}}"#, quoted(&member.rooms)),
            };
            encode(Opcode::Text, auth.as_bytes(), out);
        } else if payload.starts_with(b"42[\"ready\"") && self == Self::SocketIo {
            return Ok(Greeting::Ready);
        } else if payload.starts_with(b"40") && self == Self::Hub {
            *joins_pending = self.join(&member.rooms, out);
            return Ok(if *joins_pending == 0 { Greeting::Ready } else { Greeting::Wait });
        } else if self.is_join_answer(payload) {
            *joins_pending = joins_pending.saturating_sub(1);
            return Ok(if *joins_pending == 0 { Greeting::Ready } else { Greeting::Wait });
        }
        Ok(Greeting::Wait)
    }

    /// Asks to be in `rooms` too; returns how many answers will come.
    pub(crate) fn join(self, rooms: &[String], out: &mut Vec<u8>) -> usize {
        match self {
            Self::Hub => {
                for room in rooms {
                    let text = format!(r#"421["subscribe:order","{room}"]"#);
                    encode(Opcode::Text, text.as_bytes(), out);
                }
                rooms.len()
            }
            Self::SocketIo => {
                let text = format!(r#"421["join",[{}]]"#, quoted(rooms));
                encode(Opcode::Text, text.as_bytes(), out);
                1
            }
            Self::Topics => {
                encode(Opcode::Text, format!("J{}", rooms.join(" ")).as_bytes(), out);
                1
            }
        }
    }

    pub(crate) fn is_join_answer(self, payload: &[u8]) -> bool {
        match self {
            Self::Hub | Self::SocketIo => payload.starts_with(b"431["),
            Self::Topics => payload == b"joined",
        }
    }

    /// The event that goes to everyone in `room`; the sender is a member of it.
    pub(crate) fn publication(self, room: &str) -> Template {
        let stamped = format!(r#"{{"orderId":"{room}","reason":"{PLACE}""#);
        Template::new(match self {
            Self::Hub => format!(r#"42["delivery:in_transit",{stamped}}}]"#),
            Self::SocketIo => {
                // What a member gets is this much longer than what is filled here.
                let wrapper = r#"42["delivery:in_transit",]"#.len();
                format!(r#"42["pub","{room}",{}]"#, filled(&stamped, EVENT_BYTES - wrapper))
            }
            Self::Topics => format!("P{}", filled(&stamped, EVENT_BYTES - 1)),
        })
    }

    /// A message whose only effect is its answer. On the hub an event to an order's room with nobody in it.
    pub(crate) fn request(self) -> Template {
        let stamped = format!(r#"{{"orderId":"alone","reason":"{PLACE}""#);
        Template::new(match self {
            Self::Hub => format!(r#"427["delivery:in_transit",{}]"#, filled(&stamped, 170)),
            Self::SocketIo => format!(r#"427["request",{}]"#, filled(&stamped, 183)),
            Self::Topics => format!("R{}", filled(&stamped, EVENT_BYTES - 1)),
        })
    }

    /// Whether `payload` answers [`Dialect::request`].
    ///
    /// # Errors
    /// It does, and says no.
    pub(crate) fn is_answer(self, payload: &[u8]) -> Result<bool, Refused> {
        if self == Self::Topics {
            return Ok(payload == b"answer");
        }
        refusal(payload)?;
        Ok(payload.starts_with(b"437["))
    }
}

/// A Socket.IO CONNECT_ERROR, an acknowledgement without success, or the hub's `system:error`.
///
/// # Errors
/// `payload` is one of these.
pub(crate) fn refusal(payload: &[u8]) -> Result<(), Refused> {
    let refused = payload.starts_with(b"44")
        || payload.starts_with(b"42[\"system:error\"")
        || (payload.starts_with(b"43") && memmem::find(payload, b"\"success\":false").is_some());
    if refused { Err(Refused(String::from_utf8_lossy(payload).into_owned())) } else { Ok(()) }
}

pub(crate) fn quoted(rooms: &[String]) -> String {
    rooms.iter().map(|room| format!("\"{room}\"")).collect::<Vec<_>>().join(",")
}

/// Closes the JSON object that `open` begins, with a member that makes it `bytes` long where it is shorter.
pub(crate) fn filled(open: &str, bytes: usize) -> String {
    let member = r#","note":""}"#.len();
    let filler = "n".repeat(bytes.saturating_sub(open.len() + member));
    format!(r#"{open},"note":"{filler}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(dialect: Dialect, rooms: &[&str], frames: &[&str]) -> Result<Vec<Greeting>, Refused> {
        let rooms = rooms.iter().map(|&room| room.to_owned()).collect();
        let member = Member::new(dialect, "t1", "u1", rooms).unwrap();
        let (mut joins_pending, mut out) = (0, Vec::new());
        frames
            .iter()
            .map(|frame| dialect.greet(&member, &mut joins_pending, frame.as_bytes(), &mut out))
            .collect()
    }

    #[test]
    fn a_hub_client_is_ready_when_the_last_room_is_confirmed() {
        use Greeting::{Ready, Wait};
        let open = r#"0{"sid":"a","upgrades":[]}"#;
        let connected = r#"40{"sid":"b"}"#;
        let hello = r#"42["system:connection_established",{}]"#;
        let yes = r#"431[{"success":true,"data":{"room":"order:t1:o1"}}]"#;
        let frames = [open, connected, hello, yes, r#"42["subscribed",{}]"#, yes];
        let steps = talk(Dialect::Hub, &["o1", "o2"], &frames);
        assert_eq!(steps, Ok(vec![Wait, Wait, Wait, Wait, Wait, Ready]));
        assert_eq!(talk(Dialect::Hub, &[], &[open, connected]), Ok(vec![Wait, Ready]));
    }

    #[test]
    fn a_refusal_is_passed_on_in_the_servers_words() {
        let no = r#"431[{"success":false,"error":{"code":"forbidden"}}]"#;
        for frame in [no, r#"44{"message":"expired"}"#, r#"42["system:error",{"code":"x"}]"#] {
            let frames = ["0{}", "40{}", frame];
            assert_eq!(talk(Dialect::Hub, &["o1"], &frames), Err(Refused(frame.to_owned())));
        }
    }

    #[test]
    fn a_peers_event_arrives_with_the_promised_length() {
        let mut publication = Dialect::SocketIo.publication("r1");
        let sent = String::from_utf8(publication.stamped(5).to_vec()).unwrap();
        let delivered = sent.replacen(r#""pub","r1""#, r#""delivery:in_transit""#, 1);
        assert_eq!(delivered.len(), EVENT_BYTES);
        assert_eq!(Dialect::Topics.publication("r1").stamped(5).len(), EVENT_BYTES);
    }
}
