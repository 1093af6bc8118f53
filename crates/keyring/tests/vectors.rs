//! What others made with the same keys is opened here: `tests/vectors/encryption.json`, which the clients' tests read too.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use foodtrack_contract::TenantId;
use foodtrack_keyring::{
    KeyId, MasterKey, RowKind, SecretBytes, TenantKey, TenantKeys, WrappedKey,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    master_key: String,
    tenant: String,
    secret: String,
    wrapped: WrappedKey,
    rows: Vec<Row>,
    payload_key: String,
}

#[derive(Deserialize)]
struct Row {
    kind: String,
    beside: Vec<String>,
    plain: String,
    sealed: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/vectors/encryption.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn a_wrapped_key_of_another_implementation_is_unwrapped() {
    let vectors = vectors();
    let tenant = TenantId::parse(&vectors.tenant).unwrap();
    let master = MasterKey::parse(&vectors.master_key).unwrap();
    assert_eq!(master.id().to_string(), vectors.wrapped.master);
    let key = vectors.wrapped.unwrap(&master, &tenant).unwrap();
    let secret = SecretBytes::new(bytes(&vectors.secret).try_into().unwrap());
    let expected = TenantKey::new(key.id(), key.made_at_ms(), secret);
    assert_eq!(key.payload_key().unwrap().reveal(), expected.payload_key().unwrap().reveal());
    assert_eq!(base64_url(key.payload_key().unwrap().reveal()), vectors.payload_key);
}

#[test]
fn rows_that_another_implementation_sealed_are_opened() {
    let vectors = vectors();
    let secret = SecretBytes::new(bytes(&vectors.secret).try_into().unwrap());
    let key = TenantKey::new(KeyId::new(3), 0, secret);
    let keys = TenantKeys::new(TenantId::parse(&vectors.tenant).unwrap(), vec![key]).unwrap();
    for row in &vectors.rows {
        let kind = if row.kind == "note" { RowKind::Note } else { RowKind::Bodies };
        let beside: Vec<_> = row.beside.iter().map(|it| bytes(it)).collect();
        let beside: Vec<_> = beside.iter().map(Vec::as_slice).collect();
        assert_eq!(keys.open(kind, &beside, &bytes(&row.sealed)).unwrap(), bytes(&row.plain));
    }
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
