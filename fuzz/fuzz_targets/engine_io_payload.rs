//! A body is read or refused, and what was read can be written and read again.

#![no_main]

use foodtrack_wire::engine_io::{
    Packet, PacketError, SEPARATOR, append_to_payload, decode_payload, decode_text,
};
use libfuzzer_sys::fuzz_target;

/// Puts the packets into a new body as they are read.
fn copy(body: &str) -> (Vec<u8>, usize, Result<(), PacketError>) {
    let mut written = Vec::new();
    let mut packets = 0;
    let result = decode_payload(body, |packet| {
        append_to_payload(&mut written, packet);
        packets += 1;
    });
    (written, packets, result)
}

fuzz_target!(|body: &str| {
    let (written, packets, result) = copy(body);
    if result.is_ok() {
        assert_eq!(packets, body.split(char::from(SEPARATOR)).count());
    }
    if packets > 0 {
        let written = String::from_utf8(written).expect("text and base64");
        assert_eq!(copy(&written), (written.clone().into_bytes(), packets, Ok(())));
    }
    if let Ok(packet) = decode_text(body) {
        assert!(!matches!(packet, Packet::Binary(_)));
        let mut written = Vec::new();
        append_to_payload(&mut written, packet);
        assert_eq!(written, body.as_bytes());
    }
});
