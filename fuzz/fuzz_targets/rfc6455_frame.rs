//! However a stream is cut, the same messages come out of it, and what came out can be sent again.

#![no_main]

use foodtrack_wire::rfc6455::{
    Limits, Message, MessageDecoder, Opcode, ProtocolError, write_client_frame,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { message_bytes_max: 2_000, fragments_max: 5 };

type Owned = (Opcode, Vec<u8>);

fn own(message: Message<'_>) -> Owned {
    match message {
        Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
        Message::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
        Message::Ping(bytes) => (Opcode::Ping, bytes.to_vec()),
        Message::Pong(bytes) => (Opcode::Pong, bytes.to_vec()),
        Message::Close(None) => (Opcode::Close, Vec::new()),
        Message::Close(Some(frame)) => {
            (Opcode::Close, [&frame.code.to_be_bytes(), frame.reason.as_bytes()].concat())
        }
    }
}

fn decode(stream: &[u8], piece_bytes: usize) -> (Vec<Owned>, Option<ProtocolError>) {
    let mut decoder = MessageDecoder::default();
    let mut messages = Vec::new();
    let mut buffer = Vec::new();
    for piece in stream.chunks(piece_bytes.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            let announced = MessageDecoder::frame_len(&buffer);
            let available = buffer.len();
            let decoded = match decoder.decode(&mut buffer, &LIMITS) {
                Ok(decoded) => decoded,
                Err(error) => return (messages, Some(error)),
            };
            let consumed = decoded.consumed;
            if let Some(message) = decoded.message {
                let message = own(message);
                assert!(message.1.len() <= LIMITS.message_bytes_max);
                messages.push(message);
            }
            if consumed == 0 {
                assert!(announced.is_none_or(|announced| announced > available));
                break;
            }
            assert_eq!(announced, Some(consumed));
            buffer.drain(..consumed);
        }
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece_bytes, stream)) = data.split_first() else { return };
    let whole = decode(stream, stream.len());
    assert_eq!(decode(stream, usize::from(piece_bytes)), whole);

    let mut again = Vec::new();
    for (opcode, payload) in &whole.0 {
        write_client_frame(&mut again, *opcode, payload, [piece_bytes, 1, 2, 3]);
    }
    assert_eq!(decode(&again, again.len()), (whole.0, None));
});
