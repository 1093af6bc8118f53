//! The stamps of frames that overtake.

use foodtrack_contract::CURSOR_BEYOND_MAX;

use super::*;
use crate::frame::{LogPlace, each_server_frame};
use crate::written_cursor::OVERTAKERS_MAX;

pub(super) fn placed(
    text: &str,
    meta: FrameMeta,
    offset: u64,
    is_entry: bool,
    is_stamped: bool,
) -> Arc<Frame> {
    let mut bytes = Vec::new();
    rfc6455::write_frame(&mut bytes, Opcode::Text, text.as_bytes());
    let place = Some(LogPlace { offset, is_entry, is_stamped });
    Arc::new(Frame { bytes: bytes.into(), meta: FrameMeta { place, ..meta } })
}

fn entry(offset: u64, urgency: Urgency, entity: u64) -> Arc<Frame> {
    let meta = FrameMeta { urgency, entity, ..FrameMeta::default() };
    placed(&format!("42[\"e{offset}\",\"k-{offset}\"]"), meta, offset, true, true)
}

pub(super) fn text(outgoing: &Outgoing) -> String {
    let mut text = String::new();
    each_server_frame(outgoing.bytes(), |_, payload| {
        text.push_str(std::str::from_utf8(payload).unwrap());
    });
    text
}

fn texts(queue: &mut DeliveryQueue) -> Vec<String> {
    std::iter::from_fn(|| queue.pop()).map(|outgoing| text(&outgoing)).collect()
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
            placed(
                "42[\"v\",\"k-9\"]",
                FrameMeta { urgency: Urgency::High, ..FrameMeta::default() },
                9,
                false,
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
        let Some(Outgoing::Shared(popped)) = queue.pop() else { panic!("its own bytes") };
        assert!(Arc::ptr_eq(frame, &popped));
    }
}

#[test]
fn an_entry_that_asks_for_an_acknowledgement_counts_but_bears_no_stamp() {
    let mut queue = DeliveryQueue::default();
    let urgent = FrameMeta { urgency: Urgency::Urgent, ..FrameMeta::default() };
    push_all(
        &mut queue,
        [
            entry(5, Urgency::Medium, 0),
            placed("429[\"ask\"]", urgent, 9, true, false),
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
    let volatile = FrameMeta { entity: 42, ..FrameMeta::default() };
    push_all(&mut queue, [placed("42[\"v\",\"k-0\"]", volatile, 0, false, true)]);
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
fn a_msgpack_client_reads_its_own_stamp_too() {
    let mut queue = DeliveryQueue::default();
    queue.speak(Parser::Msgpack);
    push_all(&mut queue, [entry(5, Urgency::Medium, 0), entry(9, Urgency::Urgent, 0)]);
    queue.push_ping();
    let mut stamps = Vec::new();
    while let Some(outgoing) = queue.pop() {
        each_server_frame(outgoing.bytes(), |is_text, payload| {
            if is_text {
                return stamps.push(String::from_utf8(payload.to_vec()).unwrap());
            }
            let packet = foodtrack_wire::msgpack::decode(payload, usize::MAX).unwrap();
            stamps.push(packet.data.unwrap());
        });
    }
    assert_eq!(stamps, [r#"["e9","k-4+9"]"#, r#"["e5","k-9"]"#, "2"]);
}

#[test]
fn what_is_dropped_holds_no_overtaker_back() {
    let mut queue = DeliveryQueue::default();
    let low = FrameMeta { urgency: Urgency::Low, droppable: true, ..FrameMeta::default() };
    push_all(&mut queue, [placed("42[\"e5\",\"k-5\"]", low, 5, true, true)]);
    push_all(&mut queue, [entry(9, Urgency::Urgent, 0)]);
    assert_eq!(text(&queue.pop().unwrap()), r#"42["e9","k-4+9"]"#);
    let control = Arc::new(Frame { bytes: Box::new([0x81, 1, b'x']), meta: FrameMeta::CONTROL });
    assert_eq!(queue.push(control, 1, 1 << 20), Pushed::Queued { dropped: 1 });
    assert_eq!(text(&queue.pop().unwrap()), "x");
    assert!(queue.is_empty(), "with nothing left to cover");
}
