//! What is a repeat of what, and what is remembered of it.

use foodtrack_contract::ApplicationType;

use super::*;

fn note(repeats: &mut Repeats, emission: Emission, id: Uuid, offset: Offset, now_ms: u64) {
    assert_eq!(repeats.repeated(emission, now_ms), None);
    repeats.note(emission, id, Some(offset), now_ms);
}

fn emission(order: u64, fingerprint: u64) -> Emission {
    Emission { order, fingerprint }
}

fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

#[test]
fn only_the_last_emission_about_an_order_can_be_repeated() {
    let mut repeats = Repeats::default();
    let (ready, cooking) = (emission(42, 1), emission(42, 2));
    note(&mut repeats, ready, Uuid::from_u128(1), offset(1), 0);
    assert_eq!(repeats.repeated(ready, 5), Some((Uuid::from_u128(1), Offset::new(1))));
    assert_eq!(repeats.repeated(emission(43, 1), 5), None);
    note(&mut repeats, cooking, Uuid::from_u128(2), offset(2), 10);
    assert_eq!(repeats.repeated(ready, 11), None, "it was left and is entered again");
    assert!(repeats.repeated(cooking, 10 + WINDOW_MS).is_some());
    assert_eq!(repeats.repeated(cooking, 11 + WINDOW_MS), None);
}

#[test]
fn an_emission_is_noted_where_its_order_stands_whatever_came_since_it_was_looked_for() {
    // As hashes are, or else nothing would move when there are more.
    let of = |n: u64, fingerprint| emission(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), fingerprint);
    let mut repeats = Repeats::default();
    note(&mut repeats, of(1, 1), Uuid::nil(), offset(1), 0);
    assert_eq!(repeats.repeated(of(1, 2), 0), None);
    (2..1_000).for_each(|n| note(&mut repeats, of(n, n), Uuid::nil(), offset(n), 0));
    repeats.note(of(1, 2), Uuid::nil(), Offset::new(1_000), 0);
    assert_eq!(repeats.repeated(of(1, 2), 0), Some((Uuid::nil(), Offset::new(1_000))));
    assert!((2..1_000).all(|n| repeats.repeated(of(n, n), 0).is_some()));
}

#[test]
fn what_a_log_brings_along_can_be_repeated_from_its_opening_on() {
    let (mut repeats, key) = (Repeats::default(), EmissionKey::new(&[1; 16]));
    let (order, id) = ("42".into(), Uuid::from_u128(1));
    let last = LastEmission { order, fingerprint: 1, id, offset: offset(1) };
    repeats.restore(&key, vec![last], 1_000);
    let again = emission(key.order(Some("42")), 1);
    assert_eq!(repeats.repeated(again, 1_000 + WINDOW_MS), Some((id, Offset::new(1))));
    assert_eq!(repeats.repeated(again, 1_001 + WINDOW_MS), None);
}

#[test]
fn what_the_store_has_not_placed_yet_comes_after_what_others_wrote_before_it() {
    let (mut repeats, key) = (Repeats::default(), EmissionKey::new(&[1; 16]));
    let own = Uuid::from_u128(1);
    let order = key.order(Some("42"));
    repeats.note(emission(order, 1), own, None, 0);
    let logged = |id, fingerprint, n| LastEmission {
        order: "42".into(),
        fingerprint,
        id,
        offset: offset(n),
    };
    repeats.note_logged(&key, logged(Uuid::from_u128(2), 2, 1), 0);
    assert_eq!(repeats.repeated(emission(order, 1), 0), Some((own, None)));
    // It is answered, and another's in front of it is read after that.
    repeats.placed(order, own, offset(2));
    repeats.note_logged(&key, logged(Uuid::from_u128(2), 2, 1), 0);
    assert_eq!(repeats.repeated(emission(order, 1), 0), Some((own, Offset::new(2))));
    repeats.note_logged(&key, logged(own, 1, 2), 0);
    assert_eq!(repeats.repeated(emission(order, 1), 0), Some((own, Offset::new(2))));
    repeats.note_logged(&key, logged(Uuid::from_u128(3), 2, 3), 0);
    assert_eq!(repeats.repeated(emission(order, 1), 0), None, "it was left");
    repeats.note(emission(order, 5), own, None, 0);
    repeats.forget_submitted(own);
    assert_eq!(repeats.repeated(emission(order, 5), 0), None);
}

#[test]
fn what_an_emission_says_is_told_apart_by_the_key_and_by_each_part_of_it() {
    let key = EmissionKey::new(&[1; 16]);
    let of = |payload: &str, attachments: &[&str], sent, event| {
        let attachments: Vec<_> = attachments.iter().map(|it| it.as_bytes().to_vec()).collect();
        key.content(payload, &attachments, sent, event)
    };
    let whole = of("{}", &["ab", "c"], [1, 2, 3], EventType::OrderUpdated);
    let again = EmissionKey::new(&[1; 16]);
    let parts = [b"ab".to_vec(), b"c".to_vec()];
    assert_eq!(whole, again.content("{}", &parts, [1, 2, 3], EventType::OrderUpdated));
    let by_another_key = EmissionKey::new(&[2; 16]);
    assert_ne!(whole, by_another_key.content("{}", &parts, [1, 2, 3], EventType::OrderUpdated));
    for other in [
        of("{ }", &["ab", "c"], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &["a", "bc"], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &["c", "ab"], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &["ab"], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &[], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &["ab", "c", ""], [1, 2, 3], EventType::OrderUpdated),
        of("{}", &["ab", "c"], [1, 2, 4], EventType::OrderUpdated),
        of("{}", &["ab", "c"], [1, 2, 3], EventType::OrderCancelled),
    ] {
        assert_ne!(whole, other);
    }
    // Short and long ones go different ways through the hash.
    for length in [0, 3, 16, 100, 200, 300, 5_000] {
        let [one, other] = ["7", "6"].map(|last| "7".repeat(length) + last);
        let of = |payload: &str| of(payload, &[], [0; 3], EventType::OrderUpdated);
        assert_ne!(of(&one), of(&other), "{length} bytes and one");
    }
}

#[test]
fn a_sender_is_told_by_user_device_and_source_and_the_same_after_a_restart() {
    let key = EmissionKey::new(&[1; 16]);
    let kitchen = Source::Application(ApplicationType::KitchenApp);
    let sender = key.sender("ada", Some("1"), kitchen);
    for (user, device, source) in [
        ("ada1", Some(""), kitchen),
        ("ad", Some("a1"), kitchen),
        ("ada", None, kitchen),
        ("ada", Some("1"), Source::System),
    ] {
        assert_ne!(sender, key.sender(user, device, source));
    }
    assert_eq!(sender, EmissionKey::new(&[1; 16]).sender("ada", Some("1"), kitchen));
    assert_ne!(sender, EmissionKey::new(&[2; 16]).sender("ada", Some("1"), kitchen));
}

#[test]
fn an_order_that_keeps_changing_stays_known_and_one_that_does_not_is_let_go() {
    let mut repeats = Repeats::default();
    note(&mut repeats, emission(1, 1), Uuid::nil(), offset(1), 0);
    for n in 2..100 {
        note(&mut repeats, emission(42, n), Uuid::nil(), offset(n), n * WINDOW_MS / 4);
        assert!(repeats.repeated(emission(42, n), n * WINDOW_MS / 4).is_some());
    }
    assert_eq!((repeats.last.len(), repeats.orders.len()), (1, 1));
}

#[test]
fn what_nothing_can_repeat_any_more_takes_no_memory() {
    let mut repeats = Repeats::default();
    (0..10_000).for_each(|n| note(&mut repeats, emission(n, n), Uuid::nil(), offset(n), n));
    assert!(repeats.bytes() > 500_000);
    repeats.expire(9_999 + WINDOW_MS);
    assert!(repeats.repeated(emission(9_999, 9_999), 9_999 + WINDOW_MS).is_some());
    assert!(repeats.bytes() < 1_000, "{}", repeats.bytes());
    repeats.expire(10_000 + WINDOW_MS);
    assert_eq!(repeats.bytes(), 0);
}

#[test]
fn what_was_not_kept_is_not_repeated() {
    let mut repeats = Repeats::default();
    note(&mut repeats, emission(42, 1), Uuid::from_u128(1), offset(1), 0);
    repeats.forget(offset(1));
    assert_eq!(repeats.repeated(emission(42, 1), 1), None);
    assert!(repeats.orders.is_empty());
}

#[test]
fn the_memory_is_bounded() {
    let mut repeats = Repeats::default();
    for n in 0..3 * ORDERS_MAX as u64 {
        note(&mut repeats, emission(n, n), Uuid::nil(), offset(n), n / 8);
    }
    assert!(repeats.last.len() <= ORDERS_MAX && repeats.orders.len() <= ORDERS_MAX);
    let newest = 3 * ORDERS_MAX as u64 - 1;
    assert!(repeats.repeated(emission(newest, newest), newest / 8).is_some());
    assert!(repeats.repeated(emission(0, 0), 0).is_none());
}
