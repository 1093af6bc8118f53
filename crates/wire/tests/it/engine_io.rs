use foodtrack_wire::engine_io::{
    Handshake, Packet, PacketError, SEPARATOR, append_to_payload, decode_payload, decode_text,
    write_open,
};
use proptest::prelude::*;

/// A packet that outlives its input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(char, String),
    Binary(Vec<u8>),
}

impl From<Packet<'_>> for Owned {
    fn from(packet: Packet<'_>) -> Self {
        match packet {
            Packet::Open(data) => Self::Text('0', data.to_owned()),
            Packet::Close => Self::Text('1', String::new()),
            Packet::Ping(data) => Self::Text('2', data.to_owned()),
            Packet::Pong(data) => Self::Text('3', data.to_owned()),
            Packet::Text(data) => Self::Text('4', data.to_owned()),
            Packet::Upgrade => Self::Text('5', String::new()),
            Packet::Noop => Self::Text('6', String::new()),
            Packet::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl Owned {
    fn lend(&self) -> Packet<'_> {
        match self {
            Self::Text('0', data) => Packet::Open(data),
            Self::Text('1', _) => Packet::Close,
            Self::Text('2', data) => Packet::Ping(data),
            Self::Text('3', data) => Packet::Pong(data),
            Self::Text('5', _) => Packet::Upgrade,
            Self::Text('6', _) => Packet::Noop,
            Self::Text(_, data) => Packet::Text(data),
            Self::Binary(bytes) => Packet::Binary(bytes),
        }
    }
}

fn decode(body: &str) -> (Vec<Owned>, Result<(), PacketError>) {
    let mut packets = Vec::new();
    let result = decode_payload(body, |packet| packets.push(packet.into()));
    (packets, result)
}

#[test]
fn every_type_is_read_from_text() {
    let cases = [
        ("0{}", Packet::Open("{}")),
        ("1", Packet::Close),
        ("2probe", Packet::Ping("probe")),
        ("3probe", Packet::Pong("probe")),
        ("3", Packet::Pong("")),
        ("4hello €", Packet::Text("hello €")),
        ("4", Packet::Text("")),
        ("5", Packet::Upgrade),
        ("6", Packet::Noop),
    ];
    for (text, packet) in cases {
        assert_eq!(decode_text(text), Ok(packet));
        let mut body = Vec::new();
        append_to_payload(&mut body, packet);
        assert_eq!(body, text.as_bytes());
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    for (text, error) in [
        ("", PacketError::Empty),
        ("abc", PacketError::UnknownType),
        ("7", PacketError::UnknownType),
        ("€", PacketError::UnknownType),
        ("bAQID", PacketError::UnknownType),
        ("1x", PacketError::UnexpectedData),
        ("5probe", PacketError::UnexpectedData),
        ("6 ", PacketError::UnexpectedData),
    ] {
        assert_eq!(decode_text(text), Err(error), "{text}");
    }
}

#[test]
fn a_body_is_packets_between_separators() {
    let mut body = Vec::new();
    append_to_payload(&mut body, Packet::Text("test1"));
    append_to_payload(&mut body, Packet::Binary(&[1, 2, 3, 4]));
    append_to_payload(&mut body, Packet::Ping(""));
    assert_eq!(body, b"4test1\x1ebAQIDBA==\x1e2");
    let (packets, result) = decode("4test1\x1ebAQIDBA==\x1e2");
    assert_eq!(result, Ok(()));
    let expected = [
        Owned::Text('4', "test1".into()),
        Owned::Binary(vec![1, 2, 3, 4]),
        Owned::Text('2', String::new()),
    ];
    assert_eq!(packets, expected);
}

#[test]
fn base64_needs_no_padding() {
    assert_eq!(decode("bAQIDBA"), (vec![Owned::Binary(vec![1, 2, 3, 4])], Ok(())));
    assert_eq!(decode("b"), (vec![Owned::Binary(vec![])], Ok(())));
    for body in ["bA", "b====", "bAQ!D", "bAQID BA=="] {
        assert_eq!(decode(body), (vec![], Err(PacketError::InvalidBase64)), "{body}");
    }
}

#[test]
fn a_body_is_read_up_to_its_first_error() {
    let before = || vec![Owned::Text('4', "a".into())];
    assert_eq!(decode("4a\x1eabc\x1e4b"), (before(), Err(PacketError::UnknownType)));
    assert_eq!(decode("4a\x1e\x1e4b"), (before(), Err(PacketError::Empty)));
    assert_eq!(decode("4a\x1e"), (before(), Err(PacketError::Empty)));
    assert_eq!(decode(""), (vec![], Err(PacketError::Empty)));
}

#[test]
fn the_handshake_is_what_clients_read() {
    let handshake = Handshake {
        sid: "lv_VI97HAXpY6yYWAAAC",
        upgrades: &["websocket"],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload: 1_000_000,
    };
    let mut out = Vec::new();
    write_open(&mut out, &handshake);
    let expected = concat!(
        r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"#,
        r#""pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let mut out = Vec::new();
    write_open(&mut out, &Handshake { upgrades: &[], ..handshake });
    assert!(String::from_utf8(out).unwrap().contains(r#""upgrades":[],"#));
}

fn packet() -> impl Strategy<Value = Owned> {
    prop_oneof![
        (prop::sample::select(vec!['0', '2', '3', '4']), "[^\u{1e}]{0,40}")
            .prop_map(|(kind, data)| Owned::Text(kind, data)),
        prop::sample::select(vec!['1', '5', '6']).prop_map(|kind| Owned::Text(kind, String::new())),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Owned::Binary),
    ]
}

proptest! {
    #[test]
    fn a_body_gives_back_what_was_put_in(packets in prop::collection::vec(packet(), 1..10)) {
        let mut body = Vec::new();
        for packet in &packets {
            append_to_payload(&mut body, packet.lend());
        }
        let body = String::from_utf8(body).unwrap();
        prop_assert_eq!(decode(&body), (packets, Ok(())));
    }

    #[test]
    fn arbitrary_text_never_panics_and_is_read_one_way(body in "[0-9b\u{1e}A-Z=€]{0,40}") {
        let (packets, result) = decode(&body);
        let segments = body.split(char::from(SEPARATOR)).count();
        prop_assert!(result.is_err() || packets.len() == segments);
        let mut written = Vec::new();
        for packet in &packets {
            append_to_payload(&mut written, packet.lend());
        }
        if !packets.is_empty() {
            prop_assert_eq!(decode(&String::from_utf8(written).unwrap()), (packets, Ok(())));
        }
    }
}
