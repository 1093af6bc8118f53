use foodtrack_wire::rfc6455::{
    Limits, Message, MessageDecoder, Opcode, ProtocolError, accept_key, is_valid_key,
    write_client_frame, write_close, write_frame,
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { message_bytes_max: 100_000, fragments_max: 4 };
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;

/// A message that outlives its input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close(frame) => {
                Self::Close(frame.map(|frame| (frame.code, frame.reason.to_owned())))
            }
        }
    }
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_client_frame(&mut out, opcode, payload, MASK);
    out
}

fn fragment(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = frame(opcode, payload);
    out[0] &= !FIN;
    out
}

/// Feeds `stream` in pieces that end at `cuts`, as reads from a socket would come.
fn decode_in_pieces(stream: &[u8], cuts: &[usize]) -> Result<Vec<Owned>, ProtocolError> {
    let mut decoder = MessageDecoder::default();
    let mut messages = Vec::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&stream.len()]) {
        let cut = cut.clamp(at, stream.len());
        buffer.extend_from_slice(&stream[at..cut]);
        at = cut;
        loop {
            let before = buffer.clone();
            let decoded = decoder.decode(&mut buffer, &LIMITS)?;
            let consumed = decoded.consumed;
            messages.extend(decoded.message.map(Owned::from));
            if consumed == 0 {
                assert_eq!(buffer, before, "an incomplete frame was touched");
                break;
            }
            buffer.drain(..consumed);
        }
    }
    Ok(messages)
}

#[track_caller]
fn check(stream: &[u8], expected: Result<&[Owned], ProtocolError>) {
    assert_eq!(decode_in_pieces(stream, &[]), expected.map(<[Owned]>::to_vec));
}

#[track_caller]
fn check_error(stream: &[u8], error: ProtocolError, close_code: u16) {
    check(stream, Err(error));
    assert_eq!(error.close_code(), close_code);
}

#[test]
fn the_examples_of_the_rfc_are_read_and_written() {
    // RFC 6455, 5.7.
    let masked_hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    check(&masked_hello, Ok(&[Owned::Text("Hello".into())]));
    assert_eq!(frame(Opcode::Text, b"Hello"), masked_hello);
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Text, b"Hello");
    assert_eq!(out, b"\x81\x05Hello");
    out.clear();
    write_frame(&mut out, Opcode::Binary, &[7; 256]);
    assert_eq!(out[..4], [0x82, 0x7e, 0x01, 0x00]);
    out.clear();
    write_frame(&mut out, Opcode::Binary, &[7; 65_536]);
    assert_eq!(out[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    // RFC 6455, 1.3.
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_key_is_sixteen_bytes_of_base64() {
    assert!(is_valid_key("dGhlIHNhbXBsZSBub25jZQ=="));
    for key in
        ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZTE=", "!GhlIHNhbXBsZSBub25jZQ=="]
    {
        assert!(!is_valid_key(key), "{key}");
    }
}

#[test]
fn an_unfragmented_message_is_lent_from_the_input() {
    let mut input = frame(Opcode::Text, "grüße".as_bytes());
    let range = input.as_ptr_range();
    let mut decoder = MessageDecoder::default();
    let decoded = decoder.decode(&mut input, &LIMITS).unwrap();
    let Some(Message::Text(text)) = decoded.message else { panic!("{decoded:?}") };
    assert!(range.contains(&text.as_ptr()));
}

#[test]
fn control_frames_pass_between_fragments() {
    let stream = [
        fragment(Opcode::Text, b"one "),
        frame(Opcode::Ping, b"?"),
        fragment(Opcode::Continuation, b""),
        frame(Opcode::Pong, b"!"),
        frame(Opcode::Continuation, b"two"),
        frame(Opcode::Binary, &[0, 255]),
    ];
    let expected = [
        Owned::Ping(b"?".to_vec()),
        Owned::Pong(b"!".to_vec()),
        Owned::Text("one two".into()),
        Owned::Binary(vec![0, 255]),
    ];
    check(&stream.concat(), Ok(&expected));
}

#[test]
fn a_character_may_be_cut_between_fragments_but_not_by_the_end() {
    let (first, second) = "€".as_bytes().split_at(2);
    let whole = [fragment(Opcode::Text, first), frame(Opcode::Continuation, second)].concat();
    check(&whole, Ok(&[Owned::Text("€".into())]));
    let cut = [fragment(Opcode::Text, first), frame(Opcode::Continuation, b"")].concat();
    check_error(&cut, ProtocolError::InvalidUtf8, 1007);
    check_error(&frame(Opcode::Text, first), ProtocolError::InvalidUtf8, 1007);
    // Binary may be anything.
    check(&frame(Opcode::Binary, first), Ok(&[Owned::Binary(first.to_vec())]));
}

#[test]
fn broken_text_fails_at_its_fragment_not_at_the_end() {
    check_error(&fragment(Opcode::Text, b"a\xffb"), ProtocolError::InvalidUtf8, 1007);
    let late = [fragment(Opcode::Text, b"a"), fragment(Opcode::Continuation, b"\xed\xa0\x80")];
    check_error(&late.concat(), ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn what_the_protocol_forbids_closes_with_1002() {
    let cases: &[(&[u8], ProtocolError)] = &[
        (&[0xc1, 0x80], ProtocolError::ReservedBits),
        (&[0xa1], ProtocolError::ReservedBits),
        (&[0x91], ProtocolError::ReservedBits),
        (&[0x83], ProtocolError::ReservedOpcode { opcode: 3 }),
        (&[0x8b], ProtocolError::ReservedOpcode { opcode: 11 }),
        (b"\x81\x05Hello", ProtocolError::Unmasked),
        (&[0x09], ProtocolError::FragmentedControl),
        (&[0x89, 0xfe], ProtocolError::ControlTooLong),
        (&[0x88, 0xff], ProtocolError::ControlTooLong),
        (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], ProtocolError::LengthOverflow),
        (&frame(Opcode::Continuation, b"x"), ProtocolError::UnexpectedContinuation),
        (
            &[fragment(Opcode::Text, b"a"), frame(Opcode::Text, b"b")].concat(),
            ProtocolError::InterruptedMessage,
        ),
        (&frame(Opcode::Close, &[3]), ProtocolError::TruncatedCloseCode),
    ];
    for &(stream, error) in cases {
        check_error(stream, error, 1002);
    }
}

#[test]
fn only_codes_that_may_be_sent_are_read_from_a_close_frame() {
    check(&frame(Opcode::Close, b""), Ok(&[Owned::Close(None)]));
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999] {
        let stream = frame(Opcode::Close, &u16::to_be_bytes(code));
        check(&stream, Ok(&[Owned::Close(Some((code, String::new())))]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let stream = frame(Opcode::Close, &u16::to_be_bytes(code));
        check_error(&stream, ProtocolError::InvalidCloseCode { code }, 1002);
    }
    let broken_reason = frame(Opcode::Close, b"\x03\xe8\xff");
    check_error(&broken_reason, ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    let mut out = Vec::new();
    write_close(&mut out, 1008, &"€".repeat(100));
    assert_eq!(out[..4], [0x88, 2 + 123, 0x03, 0xf0]);
    assert_eq!(out[4..], *"€".repeat(41).as_bytes());
    out.clear();
    write_close(&mut out, 1008, &format!("x{}", "€".repeat(100)));
    assert_eq!(out[1], 2 + 121);
}

#[test]
fn a_message_that_is_too_big_is_refused_from_its_header() {
    let limits = Limits { message_bytes_max: 10, fragments_max: 9 };
    let too_big = ProtocolError::MessageTooBig { message_bytes_max: 10 };
    let mut decoder = MessageDecoder::default();
    let mut header = frame(Opcode::Binary, &[0; 11]);
    header.truncate(6);
    assert_eq!(decoder.decode(&mut header, &limits), Err(too_big));
    assert_eq!(too_big.close_code(), 1009);
    let mut largest = [0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0];
    assert_eq!(decoder.decode(&mut largest, &limits), Err(too_big));

    let mut first = fragment(Opcode::Binary, &[0; 6]);
    assert!(decoder.decode(&mut first, &limits).is_ok());
    let mut fits = fragment(Opcode::Continuation, &[0; 4]);
    assert!(decoder.decode(&mut fits, &limits).is_ok());
    let mut header = frame(Opcode::Continuation, &[0; 1]);
    header.truncate(6);
    assert_eq!(decoder.decode(&mut header, &limits), Err(too_big));
}

#[test]
fn fragments_are_counted_also_when_they_are_empty() {
    let mut stream = fragment(Opcode::Text, b"");
    for _ in 0..3 {
        stream.extend(fragment(Opcode::Continuation, b""));
    }
    check(&stream, Ok(&[]));
    stream.extend(frame(Opcode::Continuation, b""));
    check_error(&stream, ProtocolError::TooManyFragments { fragments_max: 4 }, 1008);
}

#[test]
fn the_length_of_a_frame_is_known_once_its_header_is_here() {
    for payload_bytes in [0, 125, 126, 65_535, 65_536] {
        let frame = frame(Opcode::Binary, &vec![1; payload_bytes]);
        let header_bytes = frame.len() - payload_bytes;
        for end in 0..header_bytes {
            assert_eq!(MessageDecoder::frame_len(&frame[..end]), None);
        }
        assert_eq!(MessageDecoder::frame_len(&frame[..header_bytes]), Some(frame.len()));
    }
}

fn message() -> impl Strategy<Value = Owned> {
    prop_oneof![
        ".{0,200}".prop_map(Owned::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Owned::Binary),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Ping),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Pong),
        prop::option::of((3000_u16..5000, "[a-zß]{0,60}")).prop_map(Owned::Close),
    ]
}

fn write(out: &mut Vec<u8>, message: &Owned, mask: [u8; 4], cut: Option<usize>) {
    let (opcode, payload) = match message {
        Owned::Text(text) => (Opcode::Text, text.clone().into_bytes()),
        Owned::Binary(bytes) => (Opcode::Binary, bytes.clone()),
        Owned::Ping(bytes) => (Opcode::Ping, bytes.clone()),
        Owned::Pong(bytes) => (Opcode::Pong, bytes.clone()),
        Owned::Close(None) => (Opcode::Close, Vec::new()),
        Owned::Close(Some((code, reason))) => {
            (Opcode::Close, [&code.to_be_bytes(), reason.as_bytes()].concat())
        }
    };
    match cut {
        Some(cut) if matches!(opcode, Opcode::Text | Opcode::Binary) => {
            let (first, second) = payload.split_at(cut.min(payload.len()));
            let start = out.len();
            write_client_frame(out, opcode, first, mask);
            out[start] &= !FIN;
            write_client_frame(out, Opcode::Continuation, second, mask);
        }
        _ => write_client_frame(out, opcode, &payload, mask),
    }
}

proptest! {
    #[test]
    fn every_split_of_a_stream_gives_the_same_messages(
        messages in prop::collection::vec(
            (message(), any::<[u8; 4]>(), prop::option::of(0_usize..200)),
            0..6,
        ),
        mut cuts in prop::collection::vec(0_usize..3000, 0..40),
    ) {
        let mut stream = Vec::new();
        for (message, mask, cut) in &messages {
            write(&mut stream, message, *mask, *cut);
        }
        cuts.sort_unstable();
        let expected: Vec<_> = messages.into_iter().map(|(message, ..)| message).collect();
        prop_assert_eq!(decode_in_pieces(&stream, &cuts), Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_give_the_same_answer_however_they_are_split(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..300,
    ) {
        prop_assert_eq!(decode_in_pieces(&stream, &[cut]), decode_in_pieces(&stream, &[]));
    }

    #[test]
    fn a_frame_is_complete_exactly_at_its_length(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        missing in 1_usize..20,
    ) {
        let mut stream = frame(Opcode::Binary, &payload);
        let length = MessageDecoder::frame_len(&stream);
        prop_assert_eq!(length, Some(stream.len()));
        stream.truncate(stream.len() - missing.min(stream.len()));
        let mut decoder = MessageDecoder::default();
        prop_assert_eq!(decoder.decode(&mut stream, &LIMITS).unwrap().consumed, 0);
    }
}

/// Autobahn 9.3.1 and 9.4.1: 64 bytes each, and an empty one at the end.
#[test]
fn a_message_of_very_many_fragments_costs_each_of_them_once() {
    const FRAGMENTS: usize = 65_536;
    let limits = Limits { message_bytes_max: 64 * FRAGMENTS, fragments_max: 131_072 };
    let mut decoder = MessageDecoder::default();
    // Looking at all of it for each fragment would take minutes.
    for n in 0..=FRAGMENTS {
        let mut frame = Vec::new();
        let opcode = if n == 0 { Opcode::Text } else { Opcode::Continuation };
        let payload = if n == FRAGMENTS { &[][..] } else { &[b'*'; 64] };
        write_client_frame(&mut frame, opcode, payload, [1; 4]);
        if n < FRAGMENTS {
            frame[0] &= 0x7f;
        }
        let decoded = decoder.decode(&mut frame, &limits).unwrap();
        match decoded.message {
            Some(Message::Text(text)) => assert_eq!((n, text.len()), (FRAGMENTS, 64 * FRAGMENTS)),
            message => assert!(message.is_none() && n < FRAGMENTS),
        }
    }
}
