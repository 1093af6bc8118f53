//! The cursors of frames that overtake.

use foodtrack_contract::CURSOR_BEYOND_MAX;
use foodtrack_session::NamespaceId;
use foodtrack_wire::LogPlace;

use super::*;
use crate::frame_layout::{Data, write_packet};
use crate::packet_parts::{CursorSuffix, PacketKind, PacketParts};
use crate::written_cursor::OVERTAKERS_MAX;

/// An event with raw arguments; with a cursor at its end, where it has a place and `has_cursor`.
pub(super) fn event(
    arguments: &str,
    ack_id: Option<u64>,
    meta: FrameMeta,
    has_cursor: bool,
) -> Arc<Frame> {
    let suffix = meta.place.filter(|_| has_cursor);
    let parts = PacketParts {
        kind: PacketKind::Event { ack_id },
        suffix: suffix.map(|place| CursorSuffix { epoch: b"k", offset: place.offset }),
        ..PacketParts::event(NamespaceId::ROOT, meta)
    };
    let mut bytes = Vec::new();
    let data = Data::Arguments(|out: &mut Vec<u8>| out.extend_from_slice(arguments.as_bytes()));
    let layout = write_packet(&mut bytes, &parts.head("/"), data, parts.suffix, &[]);
    Arc::new(Frame::new(meta, layout, bytes.into()))
}

pub(super) fn at(offset: u64, is_entry: bool) -> Option<LogPlace> {
    Some(LogPlace { offset, is_entry })
}

fn entry(offset: u64, urgency: Urgency, entity: u64) -> Arc<Frame> {
    let meta = FrameMeta { urgency, entity, place: at(offset, true), ..FrameMeta::default() };
    event(&format!("\"e{offset}\""), None, meta, true)
}

/// The text of what goes next.
pub(super) fn next_text(queue: &mut DeliveryQueue) -> Option<String> {
    let mut body = Vec::new();
    queue.pop_as(Form::PollingText, &mut body).then(|| String::from_utf8(body).unwrap())
}

fn texts(queue: &mut DeliveryQueue) -> Vec<String> {
    std::iter::from_fn(|| next_text(queue)).collect()
}

fn push_all(queue: &mut DeliveryQueue, frames: impl IntoIterator<Item = Arc<Frame>>) {
    for frame in frames {
        assert_eq!(queue.push(frame, 10_000, 1 << 20), Pushed::Queued { dropped: 0 });
    }
}

#[test]
fn a_frame_that_overtakes_carries_the_cursor_as_it_stands() {
    let mut queue = DeliveryQueue::default();
    push_all(
        &mut queue,
        [
            entry(5, Urgency::Medium, 0),
            entry(7, Urgency::Medium, 0),
            entry(9, Urgency::Urgent, 0),
            event(
                "\"v\"",
                None,
                FrameMeta { urgency: Urgency::High, place: at(9, false), ..FrameMeta::default() },
                true,
            ),
        ],
    );
    assert_eq!(
        texts(&mut queue),
        [r#"42["e9","k-4+9"]"#, r#"42["v","k-4+9"]"#, r#"42["e5","k-6+9"]"#, r#"42["e7","k-9"]"#,]
    );
    assert!(queue.is_empty());
}

#[test]
fn frames_in_their_order_go_out_as_their_shared_bytes() {
    let mut queue = DeliveryQueue::default();
    let frames: Vec<_> =
        (1..100).map(|offset| entry(offset, Urgency::Medium, offset % 5)).collect();
    push_all(&mut queue, frames.iter().cloned());
    for frame in &frames {
        let Some(Outgoing::Shared(popped)) = queue.take() else { panic!("its own bytes") };
        assert!(Arc::ptr_eq(frame, &popped));
    }
}

#[test]
fn an_entry_that_asks_for_an_acknowledgement_counts_but_bears_no_cursor() {
    let mut queue = DeliveryQueue::default();
    let urgent = FrameMeta { urgency: Urgency::Urgent, place: at(9, true), ..FrameMeta::default() };
    push_all(
        &mut queue,
        [
            entry(5, Urgency::Medium, 0),
            event("\"ask\"", Some(9), urgent, false),
            entry(10, Urgency::High, 0),
        ],
    );
    assert_eq!(
        texts(&mut queue),
        ["429[\"ask\"]", r#"42["e10","k-4+9,10"]"#, r#"42["e5","k-10"]"#]
    );
}

#[test]
fn when_the_list_is_full_nothing_overtakes_until_the_lowest_went() {
    assert_eq!(OVERTAKERS_MAX, CURSOR_BEYOND_MAX);
    let mut queue = DeliveryQueue::default();
    let volatile = FrameMeta { entity: 42, place: at(0, false), ..FrameMeta::default() };
    push_all(&mut queue, [event("\"v\"", None, volatile, true)]);
    push_all(&mut queue, [entry(1, Urgency::Medium, 42), entry(2, Urgency::Low, 0)]);
    push_all(&mut queue, (3..100).map(|offset| entry(offset, Urgency::Urgent, 0)));
    let texts = texts(&mut queue);
    let name = |nth: usize| texts[nth].split('"').nth(1).unwrap();
    assert_eq!((name(0), name(63)), ("e3", "e66"));
    // What is about the entity of the lowest goes before it; then the next lowest, until the list is short.
    assert_eq!((name(64), name(65), name(66), name(67)), ("v", "e1", "e2", "e67"));
    assert_eq!(texts[66], r#"42["e2","k-66"]"#);
    assert_eq!(texts[67], r#"42["e67","k-67"]"#);
}

#[test]
fn an_entry_that_comes_again_moves_no_cursor() {
    let mut queue = DeliveryQueue::default();
    push_all(
        &mut queue,
        [entry(5, Urgency::Medium, 0), entry(9, Urgency::Medium, 0), entry(7, Urgency::Urgent, 0)],
    );
    assert_eq!(texts(&mut queue), [r#"42["e7","k-4"]"#, r#"42["e5","k-7"]"#, r#"42["e9","k-9"]"#]);
}

#[test]
fn a_msgpack_client_reads_its_own_cursor_too() {
    let mut queue = DeliveryQueue::default();
    queue.speak(Parser::Msgpack);
    push_all(&mut queue, [entry(5, Urgency::Medium, 0), entry(9, Urgency::Urgent, 0)]);
    queue.push_ping();
    let mut cursors = Vec::new();
    while let Some(frames) = pop(&mut queue) {
        match &frames[..] {
            [0x82, bytes, message @ ..] if message.len() == usize::from(*bytes) => {
                let packet = foodtrack_wire::msgpack::decode(message, usize::MAX).unwrap();
                cursors.push(packet.data.unwrap());
            }
            [0x81, 1, ping] => cursors.push(char::from(*ping).into()),
            frames => panic!("{frames:?}"),
        }
    }
    assert_eq!(cursors, [r#"["e9","k-4+9"]"#, r#"["e5","k-9"]"#, "2"]);
}

#[test]
fn what_is_dropped_holds_no_overtaker_back() {
    let mut queue = DeliveryQueue::default();
    let place = at(5, true);
    let low = FrameMeta { urgency: Urgency::Low, droppable: true, place, ..FrameMeta::default() };
    push_all(&mut queue, [event("\"e5\"", None, low, true)]);
    push_all(&mut queue, [entry(9, Urgency::Urgent, 0)]);
    assert_eq!(next_text(&mut queue).unwrap(), r#"42["e9","k-4+9"]"#);
    let control = event("", None, FrameMeta::CONTROL, false);
    assert_eq!(queue.push(control, 1, 1 << 20), Pushed::Queued { dropped: 1 });
    assert_eq!(next_text(&mut queue).unwrap(), "42[]");
    assert!(queue.is_empty(), "with nothing left to cover");
}
