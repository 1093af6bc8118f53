//! A packet reads back as it was written; its arguments are JSON exactly when another parser says
//! so; and what was accepted can be sent as msgpack, as plain JSON and as a server-sent event.

#![no_main]

use foodtrack_wire::{event_stream, msgpack, plain_json};
use foodtrack_wire::socket_io::{
    ARGUMENTS_MAX, Packet, PacketError, PacketType, decode, event_name, split_arguments, write_json_string,
    write_packet,
};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fn check_arguments(data: &str) {
    let ours = split_arguments(data);
    match (&ours, serde_json::from_str::<Vec<&RawValue>>(data)) {
        (Ok(ours), Ok(other)) => {
            assert!(ours.len() <= ARGUMENTS_MAX);
            assert!(ours.iter().copied().eq(other.into_iter().map(RawValue::get)));
        }
        // The other parser has other limits.
        (Err(PacketError::TooDeep | PacketError::TooManyArguments), _) | (Err(_), Err(_)) => {}
        (ours, other) => panic!("{data}: {ours:?}, but {other:?}"),
    }
    let Ok(arguments) = ours else { return };
    if let Some(Ok(name)) = arguments.first().map(|raw| event_name(raw)) {
        let mut literal = Vec::new();
        write_json_string(&mut literal, &name);
        let literal = String::from_utf8(literal).expect("text");
        assert_eq!(event_name(&literal), Ok(name));
    }
}

/// What clients without a Socket.IO library are told of a packet.
fn check_other_forms(packet: &Packet<'_>, attachments: &[&[u8]]) {
    let mut written = Vec::new();
    match plain_json::write_packet(&mut written, packet, attachments) {
        Some(()) => assert!(serde_json::from_slice::<&RawValue>(&written).is_ok(), "{packet:?}"),
        None => assert!(written.is_empty()),
    }
    written.clear();
    let Some(()) = event_stream::write_packet(&mut written, packet, attachments) else {
        return assert!(written.is_empty());
    };
    let written = String::from_utf8(written).expect("text");
    let block = written.strip_suffix("\n\n").expect("one event ends in an empty line");
    // A line that began with anything else, or an empty one, would say what nobody sent.
    let names: Vec<_> = block.split(['\n', '\r']).map(|line| line.split(':').next()).collect();
    let (event, id, data) = (Some("event"), Some("id"), Some("data"));
    assert!(names == [event, data] || names == [event, id, data], "{packet:?}: {written}");
}

fuzz_target!(|text: &str| {
    let Ok(packet) = decode(text) else { return };
    let mut written = Vec::new();
    write_packet(&mut written, &packet);
    let written = String::from_utf8(written).expect("text");
    assert_eq!(decode(&written), Ok(packet));

    let is_event_or_ack = !matches!(
        packet.kind,
        PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError
    );
    if let Some(data) = packet.data.filter(|_| is_event_or_ack) {
        check_arguments(data);
    }
    let attachments = vec![text.as_bytes(); usize::from(packet.attachments)];
    check_other_forms(&packet, &attachments);
    let mut binary = Vec::new();
    match msgpack::write_packet(&mut binary, &packet, &attachments) {
        Ok(()) => {
            if let Ok(read) = msgpack::decode(&binary, usize::MAX) {
                assert_eq!((read.namespace.as_str(), read.id), (packet.namespace, packet.id));
                assert!(read.attachments.iter().all(|attachment| attachment == text.as_bytes()));
            }
        }
        Err(error) => {
            assert!(binary.is_empty());
            let arguments = packet.data.map(split_arguments);
            let is_bad_data = matches!(arguments, Some(Err(_)));
            assert!(is_event_or_ack && is_bad_data, "{text}: {error}");
        }
    }
});
