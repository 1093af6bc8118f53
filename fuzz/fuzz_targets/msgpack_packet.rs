//! What is read is JSON of a bounded size, and survives being written and read again.

#![no_main]

use foodtrack_wire::msgpack::{MsgpackError, decode, write_packet};
use foodtrack_wire::socket_io::{ARGUMENTS_MAX, Packet, PacketError, PacketType, split_arguments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = decode(bytes, usize::MAX) else { return };
    let data = read.data.as_deref();
    if let Some(data) = data {
        assert!(data.len() <= bytes.len() * 6 + 300);
        if matches!(read.kind, PacketType::Event | PacketType::Ack) {
            match split_arguments(data) {
                Ok(arguments) => assert!(arguments.len() <= ARGUMENTS_MAX),
                Err(error) => assert_eq!(error, PacketError::TooManyArguments),
            }
        }
    }
    assert!(read.attachments.iter().map(Vec::len).sum::<usize>() <= bytes.len());

    let packet =
        Packet { kind: read.kind, attachments: 0, namespace: &read.namespace, id: read.id, data };
    let attachments: Vec<&[u8]> = read.attachments.iter().map(Vec::as_slice).collect();
    let mut written = Vec::new();
    match write_packet(&mut written, &packet, &attachments) {
        Ok(()) => {}
        // More may be read than written, so that its sender can be told.
        Err(MsgpackError::TooDeep) => return,
        Err(error) => panic!("what was read can be written: {error}"),
    }

    // A map of the sender's own that looks like a placeholder adds a binary value.
    let placeholders = data.map_or(0, |data| data.matches("\"_placeholder\"").count());
    if attachments.is_empty() || placeholders == attachments.len() {
        let again = decode(&written, usize::MAX).expect("what was written can be read");
        assert!(again == read, "{data:?} became {:?}", again.data);
    }
});
