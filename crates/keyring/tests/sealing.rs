//! What is sealed is opened in its place, by its tenant, unchanged, and nowhere else.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use foodtrack_contract::TenantId;
use foodtrack_keyring::{
    KeyError, KeyId, MasterKey, RowKind, SEALED_BYTES_MORE, SecretBytes, TenantKey, TenantKeys,
    WrappedKey,
};
use proptest::prelude::*;

const MARKER: &[u8] = b"{\"payload\":{\"note\":\"ring twice\"}}";

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn key(id: u32, fill: u8) -> TenantKey {
    TenantKey::new(KeyId::new(id), 1_800_000_000_000, SecretBytes::new([fill; 32]))
}

fn keys(name: &str, all: &[(u32, u8)]) -> TenantKeys {
    TenantKeys::new(tenant(name), all.iter().map(|(id, fill)| key(*id, *fill)).collect()).unwrap()
}

fn sealed(keys: &TenantKeys, beside: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    keys.seal(RowKind::Bodies, beside, MARKER, &mut out).unwrap();
    out
}

fn master(fill: u8) -> MasterKey {
    let bytes = std::array::from_fn(|n| fill.wrapping_add(u8::try_from(n).unwrap()));
    MasterKey::new(&SecretBytes::new(bytes)).unwrap()
}

#[test]
fn what_is_sealed_comes_back_and_shows_nothing_of_itself() {
    let keys = keys("t", &[(1, 7)]);
    let sealed = sealed(&keys, &[b"1", b"ids"]);
    assert_eq!(sealed.len(), MARKER.len() + SEALED_BYTES_MORE);
    assert!(!sealed.windows(4).any(|it| it == b"ring"));
    assert_eq!(keys.open(RowKind::Bodies, &[b"1", b"ids"], &sealed).unwrap(), MARKER);
}

#[test]
fn the_same_twice_is_sealed_differently() {
    let keys = keys("t", &[(1, 7)]);
    assert_ne!(sealed(&keys, &[b"1"]), sealed(&keys, &[b"1"]));
}

#[test]
fn another_tenant_kind_place_or_neighbour_opens_nothing() {
    let ours = keys("t", &[(1, 7)]);
    let sealed = sealed(&ours, &[b"1", b"ids"]);
    let foreign = Err(KeyError::Foreign);
    // Another tenant with the very same key.
    assert_eq!(keys("u", &[(1, 7)]).open(RowKind::Bodies, &[b"1", b"ids"], &sealed), foreign);
    assert_eq!(keys("t", &[(1, 8)]).open(RowKind::Bodies, &[b"1", b"ids"], &sealed), foreign);
    assert_eq!(ours.open(RowKind::Note, &[b"1", b"ids"], &sealed), foreign);
    for beside in
        [&[b"2".as_slice(), b"ids"][..], &[b"1i", b"ds"], &[b"1ids"], &[b"1", b"ids", b""]]
    {
        assert_eq!(ours.open(RowKind::Bodies, beside, &sealed), foreign);
    }
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let keys = keys("t", &[(1, 7)]);
    let sealed = sealed(&keys, &[b"1"]);
    for bit in 0..8 * sealed.len() {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(keys.open(RowKind::Bodies, &[b"1"], &changed).is_err(), "bit {bit}");
    }
    for end in 0..sealed.len() {
        assert!(keys.open(RowKind::Bodies, &[b"1"], &sealed[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn the_newest_key_seals_and_every_one_opens() {
    let (old, both) = (keys("t", &[(1, 7)]), keys("t", &[(2, 8), (1, 7)]));
    let (before, after) = (sealed(&old, &[b"1"]), sealed(&both, &[b"2"]));
    assert_eq!(both.open(RowKind::Bodies, &[b"1"], &before).unwrap(), MARKER);
    assert_eq!(both.open(RowKind::Bodies, &[b"2"], &after).unwrap(), MARKER);
    assert_eq!(
        old.open(RowKind::Bodies, &[b"2"], &after),
        Err(KeyError::UnknownKey(KeyId::new(2)))
    );
    assert!(both.is_of_newest(&after) && !both.is_of_newest(&before));
    assert_eq!(both.newest().unwrap().id(), KeyId::new(2));
}

#[test]
fn a_tenant_without_a_key_or_with_one_twice_is_none() {
    let twice = TenantKeys::new(tenant("t"), vec![key(1, 7), key(1, 8)]);
    assert_eq!(twice.unwrap_err(), KeyError::Malformed);
    assert_eq!(TenantKeys::new(tenant("t"), Vec::new()).unwrap_err(), KeyError::NoKey);
}

#[test]
fn a_key_that_clients_get_opens_nothing_that_is_kept() {
    let key = key(1, 7);
    let given = TenantKey::new(key.id(), key.made_at_ms(), key.payload_key().unwrap());
    let sealed = sealed(&keys("t", &[(1, 7)]), &[b"1"]);
    let with_given = TenantKeys::new(tenant("t"), vec![given]).unwrap();
    assert_eq!(with_given.open(RowKind::Bodies, &[b"1"], &sealed), Err(KeyError::Foreign));
}

#[test]
fn a_wrapped_key_is_unwrapped_by_its_master_for_its_tenant_alone() {
    let (master, key) = (master(1), key(3, 7));
    let wrapped = WrappedKey::wrap(&master, &tenant("t"), &key).unwrap();
    let text = serde_json::to_string(&wrapped).unwrap();
    let read: WrappedKey = serde_json::from_str(&text).unwrap();
    let back = read.unwrap(&master, &tenant("t")).unwrap();
    assert_eq!((back.id(), back.made_at_ms()), (key.id(), key.made_at_ms()));
    assert_eq!(back.payload_key().unwrap().reveal(), key.payload_key().unwrap().reveal());
    let fails = |wrapped: &WrappedKey, by: &MasterKey, of: &str| {
        wrapped.unwrap(by, &tenant(of)).unwrap_err()
    };
    assert_eq!(fails(&wrapped, &master, "u"), KeyError::Foreign);
    let other = self::master(2);
    let swapped = KeyError::OtherMasterKey { found: master.id(), expected: other.id() };
    assert_eq!(fails(&wrapped, &other, "t"), swapped);
    // Who changes which master key it says only makes it fail later.
    let lying = WrappedKey { master: other.id().to_string(), ..wrapped.clone() };
    assert_eq!(fails(&lying, &other, "t"), KeyError::Foreign);
    let renamed = WrappedKey { kid: KeyId::new(4), ..wrapped.clone() };
    assert_eq!(fails(&renamed, &master, "t"), KeyError::Foreign);
    let cut = WrappedKey { wrapped: wrapped.wrapped[..8].into(), ..wrapped };
    assert_eq!(fails(&cut, &master, "t"), KeyError::Malformed);
}

#[test]
fn nothing_that_has_a_key_shows_it() {
    let (master, key) = (master(1), key(3, b'K'));
    let wrapped = WrappedKey::wrap(&master, &tenant("t"), &key).unwrap();
    let shown = format!("{master:?} {key:?} {wrapped:?} {:?}", keys("t", &[(1, b'K')]));
    assert!(!shown.contains("75, 75") && !shown.contains("KK"), "{shown}");
    assert!(!shown.contains(&wrapped.wrapped));
}

#[test]
fn ids_on_the_wire_are_read_back_and_others_are_not_the_hub_s() {
    assert_eq!(KeyId::from_the_wire(&KeyId::new(42).on_the_wire()), Some(KeyId::new(42)));
    for text in ["", "42", "hub-", "hub-042", "hub-0", "hub-+1", "hub-4294967296", "ours-1"] {
        assert_eq!(KeyId::from_the_wire(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn bytes_of_strangers_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let keys = keys("t", &[(1, 7)]);
        prop_assert!(keys.open(RowKind::Bodies, &[b"1"], &bytes).is_err());
    }
}
