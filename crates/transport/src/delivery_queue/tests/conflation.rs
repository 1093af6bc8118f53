//! Newer values in place of older ones.

use super::*;

fn value(name: u8, entity: u64, conflates: bool) -> Arc<Frame> {
    let meta = FrameMeta { entity, droppable: true, conflates, ..FrameMeta::default() };
    binary(meta, &[name])
}

#[test]
fn of_an_entitys_values_the_newest_goes_in_the_first_ones_turn() {
    let mut queue = DeliveryQueue::default();
    for (name, entity) in [(b'a', 42), (b'b', 7), (b'c', 42), (b'd', 42)] {
        let dropped = u32::from(name > b'b');
        let pushed = queue.push(value(name, entity, true), 100, 10_000);
        assert_eq!(pushed, Pushed::Queued { dropped });
    }
    assert_eq!(queue.bytes(), 6);
    assert_eq!(drain(&mut queue), *b"db");
}

#[test]
fn a_value_does_not_overtake_its_own_entity() {
    let mut queue = DeliveryQueue::default();
    queue.push(value(b'a', 42, true), 100, 10_000);
    queue.push(frame(b'b', Urgency::Medium, 42, false), 100, 10_000);
    queue.push(value(b'c', 42, true), 100, 10_000);
    assert_eq!(drain(&mut queue), *b"bc");
}

#[test]
fn what_does_not_conflate_stays() {
    let mut queue = DeliveryQueue::default();
    for (name, conflates, entity) in
        [(b'a', false, 42), (b'b', true, 42), (b'c', false, 42), (b'd', true, 0), (b'e', true, 0)]
    {
        let pushed = queue.push(value(name, entity, conflates), 100, 10_000);
        assert_eq!(pushed, Pushed::Queued { dropped: 0 });
    }
    assert_eq!(drain(&mut queue), *b"abcde");
}

#[test]
fn a_value_that_is_replaced_makes_the_room_for_it() {
    let mut queue = DeliveryQueue::default();
    queue.push(value(b'a', 42, true), 2, 10_000);
    queue.push(frame(b'b', Urgency::Medium, 0, false), 2, 10_000);
    assert_eq!(queue.push(value(b'c', 42, true), 2, 10_000), Pushed::Queued { dropped: 1 });
    assert_eq!(drain(&mut queue), *b"cb");
}

#[test]
fn what_took_a_popped_values_place_conflates_in_its_turn() {
    let mut queue = DeliveryQueue::default();
    queue.push(value(b'a', 42, true), 100, 10_000);
    queue.push(frame(b'b', Urgency::Low, 0, false), 100, 10_000);
    assert_eq!(pop(&mut queue).unwrap()[2], b'a');
    assert_eq!(queue.push(value(b'c', 42, true), 100, 10_000), Pushed::Queued { dropped: 0 });
    assert_eq!(queue.push(value(b'd', 42, true), 100, 10_000), Pushed::Queued { dropped: 1 });
    assert_eq!(drain(&mut queue), *b"db");
}
