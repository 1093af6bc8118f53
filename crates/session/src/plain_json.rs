//! Clients that speak plain JSON: what they say is what a Socket.IO client's packets say in the one namespace `/`.

use std::borrow::Cow;

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_wire::plain_json::{self, ClientMessage};
use foodtrack_wire::socket_io::PacketType;

use crate::session::{Namespaces, Session, SessionError, Step};

/// What a message in plain JSON asks of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainStep<'a> {
    /// The same as a packet.
    Packet(Step<'a>),
    /// The client has dealt with everything through this cursor; not checked yet.
    Confirm(Cow<'a, str>),
    /// To be answered by a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Session {
    /// Takes a message in plain JSON.
    ///
    /// # Errors
    /// [`SessionError`]: close the transport, after [what is wrong](SessionError::to_json) was said.
    pub fn handle_plain_json<'a>(
        &mut self,
        message: &'a str,
        namespaces: &Namespaces,
    ) -> Result<PlainStep<'a>, SessionError> {
        let (kind, id, data) = match plain_json::decode(message)? {
            ClientMessage::Connect(auth) => (PacketType::Connect, None, auth),
            ClientMessage::Publish { id, data } => (PacketType::Event, id, data),
            ClientMessage::Acknowledge(id) => (PacketType::Ack, Some(id), "[]".to_owned()),
            ClientMessage::Confirm(_) if self.is_idle() => {
                return Err(SessionError::NamespaceState);
            }
            ClientMessage::Confirm(cursor) => return Ok(PlainStep::Confirm(cursor)),
            ClientMessage::Ping => return Ok(PlainStep::Ping),
            ClientMessage::Pong => return Ok(PlainStep::Pong),
        };
        let (namespace, data) = (Cow::Borrowed("/"), Some(Cow::Owned(data)));
        self.step(kind, namespace, id, data, Vec::new(), namespaces).map(PlainStep::Packet)
    }
}

impl SessionError {
    /// What a client that speaks plain JSON is told before its connection closes: the JSON of a refusal.
    pub fn to_json(&self) -> String {
        let message = match self {
            Self::NamespaceState => {
                "`connect` comes first, once; `publish` and `ack` follow `connected`".to_owned()
            }
            error => error.to_string(),
        };
        Refusal::new(ErrorCode::MessageMalformed, message).to_json()
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_wire::NamespaceId;

    use super::*;
    use crate::session::{Event, Parser};

    fn session() -> (Session, Namespaces) {
        (Session::speaking(Parser::PlainJson), Namespaces::new(&["/"]))
    }

    #[test]
    fn who_has_connected_publishes_and_acknowledges() {
        let (mut session, namespaces) = session();
        let root = NamespaceId::ROOT;
        let step = session.handle_plain_json(r#"{"type":"connect","token":"t"}"#, &namespaces);
        let auth = Some(Cow::Borrowed(r#"{"token":"t"}"#));
        let connect = PlainStep::Packet(Step::Connect { namespace: root, auth });
        assert_eq!(step.unwrap(), connect);
        session.accept(root);
        let event = |id, data: &'static str| Event {
            namespace: root,
            id,
            data: data.into(),
            attachments: vec![],
        };
        let publish = r#"{"type":"publish","id":3,"event":"a","message":"b"}"#;
        let step = session.handle_plain_json(publish, &namespaces).unwrap();
        assert_eq!(step, PlainStep::Packet(Step::Event(event(Some(3), r#"["a","b"]"#))));
        let step = session.handle_plain_json(r#"{"type":"ack","id":9}"#, &namespaces).unwrap();
        assert_eq!(step, PlainStep::Packet(Step::Acknowledged(event(Some(9), "[]"))));
        let step = session.handle_plain_json(r#"{"type":"ack","cursor":"k-9"}"#, &namespaces);
        assert_eq!(step.unwrap(), PlainStep::Confirm("k-9".into()));
        assert_eq!(session.parser(), Parser::PlainJson);
    }

    #[test]
    fn connect_comes_first_and_once_and_another_try_follows_a_refusal() {
        let (mut session, namespaces) = session();
        for early in [
            r#"{"type":"publish","event":"a"}"#,
            r#"{"type":"ack","id":1}"#,
            r#"{"type":"ack","cursor":"k-1"}"#,
        ] {
            let error = session.handle_plain_json(early, &namespaces).unwrap_err();
            assert!(matches!(error, SessionError::NamespaceState), "{early}");
            assert!(error.to_json().contains("message_malformed"));
        }
        let connect = r#"{"type":"connect"}"#;
        assert!(session.handle_plain_json(connect, &namespaces).is_ok());
        assert!(session.handle_plain_json(connect, &namespaces).is_err(), "one at a time");
        session.refuse(NamespaceId::ROOT);
        assert!(session.handle_plain_json(connect, &namespaces).is_ok());
        session.accept(NamespaceId::ROOT);
        assert!(session.handle_plain_json(connect, &namespaces).is_err(), "it is in");
        for (ping, step) in
            [(r#"{"type":"ping"}"#, PlainStep::Ping), (r#"{"type":"pong"}"#, PlainStep::Pong)]
        {
            assert_eq!(session.handle_plain_json(ping, &namespaces).unwrap(), step);
        }
    }
}
