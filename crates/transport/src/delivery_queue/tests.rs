use super::*;
use crate::frame_layout::Layout;

mod conflation;
mod cursors;
mod model;

fn frame(name: u8, urgency: Urgency, entity: u64, droppable: bool) -> Arc<Frame> {
    let meta = FrameMeta { urgency, entity, droppable, ..FrameMeta::default() };
    binary(meta, &[name; 8])
}

fn binary(meta: FrameMeta, payload: &[u8]) -> Arc<Frame> {
    let mut bytes = Vec::new();
    let layout = Layout::binary(&mut bytes, payload);
    Arc::new(Frame::new(meta, layout, bytes.into()))
}

/// What goes next, as WebSocket frames.
fn pop(queue: &mut DeliveryQueue) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    queue.pop_frames(&mut out).then_some(out)
}

/// The first bytes of what goes, in its order.
fn drain(queue: &mut DeliveryQueue) -> Vec<u8> {
    std::iter::from_fn(|| pop(queue)).map(|frames| frames[2]).collect()
}

#[test]
fn urgent_overtakes_others_but_takes_its_own_along() {
    let mut queue = DeliveryQueue::default();
    for (name, urgency, entity) in [
        (1, Urgency::Medium, 42),
        (2, Urgency::Medium, 7),
        (3, Urgency::Low, 42),
        (4, Urgency::Urgent, 42),
        (5, Urgency::High, 7),
    ] {
        queue.push(frame(name, urgency, entity, false), 100, 10_000);
    }
    let order = drain(&mut queue);
    let place = |name| order.iter().position(|other| *other == name).unwrap();
    assert!(place(1) < place(4) && place(3) < place(4), "{order:?}");
    assert!(place(1) < place(3), "its own keep their order among each other: {order:?}");
    assert!(place(4) < place(2) && place(2) < place(5), "{order:?}");
}

#[test]
fn droppable_frames_make_room_and_the_rest_overflows() {
    let mut queue = DeliveryQueue::default();
    queue.push(frame(1, Urgency::Medium, 0, false), 2, 10_000);
    queue.push(frame(2, Urgency::Low, 0, true), 2, 10_000);
    let third = queue.push(frame(3, Urgency::Medium, 0, false), 2, 10_000);
    assert_eq!(third, Pushed::Queued { dropped: 1 });
    assert_eq!(
        queue.push(frame(4, Urgency::Low, 0, true), 2, 10_000),
        Pushed::Dropped { dropped: 1 }
    );
    assert_eq!(queue.push(frame(5, Urgency::Low, 0, false), 2, 10_000), Pushed::Overflow);
    assert_eq!(drain(&mut queue), [1, 3]);
}

#[test]
fn bytes_are_bounded_and_counted_back_to_zero() {
    let mut queue = DeliveryQueue::default();
    (0..3).for_each(|n| _ = queue.push(frame(n, Urgency::Medium, 0, false), 100, 30));
    assert_eq!(queue.push(frame(9, Urgency::Medium, 0, false), 100, 30), Pushed::Overflow);
    assert_eq!(queue.bytes(), 30);
    drain(&mut queue);
    assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
}

#[test]
fn a_ping_goes_behind_what_waited_before_it_and_not_behind_what_comes_for_ever() {
    let mut queue = DeliveryQueue::default();
    for (name, urgency) in [(b'a', Urgency::Low), (b'b', Urgency::Medium)] {
        queue.push(frame(name, urgency, 0, false), 100, 10_000);
    }
    queue.push_ping();
    queue.push(frame(b'c', Urgency::Urgent, 0, false), 100, 10_000);
    queue.push(frame(b'd', Urgency::Low, 0, false), 100, 10_000);
    assert!(queue.holds_ping());
    assert_eq!(drain(&mut queue), *b"cba2d");
    assert!(queue.is_empty() && !queue.holds_ping());
}

#[test]
fn a_ping_does_not_wait_for_what_was_dropped() {
    let mut queue = DeliveryQueue::default();
    queue.push(frame(b'a', Urgency::Low, 0, true), 1, 10_000);
    queue.push_ping();
    assert_eq!(
        queue.push(frame(b'b', Urgency::Low, 0, false), 1, 10_000),
        Pushed::Queued { dropped: 1 }
    );
    assert_eq!(drain(&mut queue), *b"2b");
}

#[test]
fn a_ping_alone_is_something_to_send() {
    let mut queue = DeliveryQueue::default();
    queue.push_ping();
    assert!(!queue.is_empty());
    assert_eq!(queue.peek(), Some((3, 1)));
    assert_eq!(drain(&mut queue), *b"2");
    assert!(queue.is_empty());
}

#[test]
fn a_session_that_ended_leaves_nothing_of_the_log_to_the_next_one() {
    let mut queue = DeliveryQueue::default();
    let meta = FrameMeta {
        place: Some(crate::LogPlace { offset: 5, is_entry: true }),
        ..FrameMeta::default()
    };
    queue.push(binary(meta, b"x"), 100, 10_000);
    queue.push(frame(b'a', Urgency::Low, 0, false), 100, 10_000);
    queue.push_ping();
    queue.forget_log();
    assert_eq!(drain(&mut queue), *b"a2");
    assert_eq!(queue.bytes(), 0);
}
