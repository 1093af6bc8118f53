//! The bodies that polls are answered with.

use foodtrack_wire::engine_io::{self, Packet};

/// Packets in the body of one poll: python-engineio gives a longer body up as an attack.
pub const POLL_PACKETS_MAX: usize = 16;

/// What waits for a client that polls.
pub trait Backlog {
    /// How large the next message is: bytes, and packets. `None` where nothing waits.
    fn peek(&mut self) -> Option<(usize, usize)>;

    /// Takes the next message and appends its packets to a body, each behind a separator where there is one before it.
    /// Returns whether there was one.
    fn pop(&mut self, body: &mut Vec<u8>) -> bool;

    /// Whether nothing waits: then the backlog is to be let go.
    fn is_empty(&self) -> bool;
}

/// A packet that a poll may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPacket {
    /// Nothing more: the client is free to change its transport, or to close.
    Noop,
    /// The end of the session.
    Close,
}

impl LastPacket {
    fn packet(self) -> Packet<'static> {
        match self {
            Self::Noop => Packet::Noop,
            Self::Close => Packet::Close,
        }
    }
}

/// Takes off a backlog what one answer may hold (`bytes_max`, but at least one message, and [`POLL_PACKETS_MAX`]), puts `last`
/// behind it, and lets an empty backlog go.
pub(crate) fn poll_body<B: Backlog>(
    backlog: &mut Option<Box<B>>,
    bytes_max: usize,
    last: Option<LastPacket>,
) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(waiting) = backlog {
        let packets_max = POLL_PACKETS_MAX - usize::from(last.is_some());
        let mut packets = 0;
        // Base64 makes binary a third longer.
        while let Some((next_bytes, next_packets)) = waiting.peek()
            && (body.is_empty()
                || body.len() + next_bytes * 4 / 3 <= bytes_max
                    && packets + next_packets <= packets_max)
            && waiting.pop(&mut body)
        {
            packets += next_packets;
        }
        if waiting.is_empty() {
            *backlog = None;
        }
    }
    if let Some(last) = last {
        engine_io::append_to_payload(&mut body, last.packet());
    }
    body
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;

    use foodtrack_wire::engine_io::SEPARATOR;

    use super::*;

    /// Messages of one text packet each; the empty one is binary.
    #[derive(Debug, Default)]
    pub(crate) struct Texts(pub(crate) VecDeque<String>);

    impl Texts {
        pub(crate) fn of(texts: &[&str]) -> Option<Box<Self>> {
            Some(Box::new(Self(texts.iter().map(|text| (*text).to_owned()).collect())))
        }
    }

    impl Backlog for Texts {
        fn peek(&mut self) -> Option<(usize, usize)> {
            self.0.front().map(|text| (text.len(), 1))
        }

        fn pop(&mut self, body: &mut Vec<u8>) -> bool {
            let Some(text) = self.0.pop_front() else { return false };
            let packet = match text.strip_prefix('4') {
                Some(data) => Packet::Text(data),
                None => Packet::Binary(b"\x01\x02\x03"),
            };
            engine_io::append_to_payload(body, packet);
            true
        }

        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    #[test]
    fn packets_are_separated_and_binary_is_base64() {
        let mut backlog = Texts::of(&["41", "", "42"]);
        assert_eq!(poll_body(&mut backlog, 100, None), b"41\x1ebAQID\x1e42");
        assert!(backlog.is_none());
    }

    #[test]
    fn a_body_holds_one_message_at_least_and_what_fits_behind_it() {
        let long = "4".repeat(100);
        let mut backlog = Texts::of(&[&long, "42", "43"]);
        assert_eq!(poll_body(&mut backlog, 10, None), long.as_bytes());
        assert_eq!(poll_body(&mut backlog, 10, Some(LastPacket::Close)), b"42\x1e43\x1e1");
        assert!(backlog.is_none());
    }

    #[test]
    fn no_body_holds_more_packets_than_clients_take() {
        let texts = ["42"; 40];
        let mut backlog = Texts::of(&texts);
        let packets = |body: &[u8]| body.split(|byte| *byte == SEPARATOR).count();
        assert_eq!(packets(&poll_body(&mut backlog, 1_000, None)), POLL_PACKETS_MAX);
        let body = poll_body(&mut backlog, 1_000, Some(LastPacket::Noop));
        assert_eq!(packets(&body), POLL_PACKETS_MAX);
        assert_eq!(packets(&poll_body(&mut backlog, 1_000, None)), 40 - 2 * POLL_PACKETS_MAX + 1);
    }

    #[test]
    fn an_answer_without_a_backlog_is_its_last_packet() {
        let mut nothing = None::<Box<Texts>>;
        assert_eq!(poll_body(&mut nothing, 100, Some(LastPacket::Noop)), b"6");
        assert_eq!(poll_body(&mut nothing, 100, None), b"");
    }
}
