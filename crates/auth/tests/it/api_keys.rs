//! API keys: what they open, and who compares what.

use std::sync::Arc;

use foodtrack_auth::{
    API_KEY_PREFIX, ApiKeyGrant, Authenticator, Gate, NewApiKey, SecretDigest, SecretGrant,
    api_key_id,
};
use foodtrack_contract::{Authenticate, ErrorCode, Permission, PermissionSet, TenantId, UserRole};

use crate::support::{NOW_S, authenticator};

fn gate() -> Gate {
    let authenticator: Authenticator = authenticator();
    Gate::new(Arc::new(authenticator))
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// A key of this id, and what is kept of it.
fn key(id: u8, secret: u8) -> (String, String, SecretGrant) {
    let id = api_key_id([id; 8]);
    let NewApiKey { key, digest } = NewApiKey::new(&id, [secret; 32]);
    // As it comes back from where it is kept.
    let digest = SecretDigest::parse(&digest.to_text()).unwrap();
    let kept = SecretGrant { digest, made_at_s: NOW_S - 10, expires_at_s: NOW_S + 60 };
    (id, key, kept)
}

fn grant(id: &str, secrets: Vec<SecretGrant>) -> ApiKeyGrant {
    let permissions = PermissionSet::of(&[Permission::WriteOrders]);
    ApiKeyGrant { id: id.into(), permissions, secrets }
}

#[test]
fn a_key_is_its_tenants_back_end_with_its_own_permissions_until_it_ends() {
    let gate = gate();
    let (id, key, kept) = key(1, 1);
    gate.set_api_keys(&tenant("t1"), vec![grant(&id, vec![kept])]);
    let principal = gate.api_key(&key, NOW_S).unwrap();
    assert_eq!((principal.tenant().as_str(), principal.role()), ("t1", UserRole::System));
    assert_eq!(principal.permissions(), PermissionSet::of(&[Permission::WriteOrders]));
    assert_eq!(principal.token_id().map(|it| it.as_str()), Some(id.as_str()));
    assert_eq!((gate.api_key_last_used_s(&id), principal.issued_at_s()), (NOW_S, NOW_S - 10));
    let code = |now_s| gate.api_key(&key, now_s).err().map(|refusal| refusal.code());
    assert_eq!((code(NOW_S + 59), code(NOW_S + 60)), (None, Some(ErrorCode::TokenExpired)));
    // What is refused is no use.
    assert_eq!(gate.api_key_last_used_s(&id), NOW_S + 59);
    // It is no token.
    assert!(gate.principal(&key, NOW_S).is_err());
}

#[test]
fn a_key_opens_nothing_with_another_secret_id_or_shape() {
    let gate = gate();
    let (id, good, kept) = key(1, 1);
    let (other, _, kept_other) = key(2, 2);
    gate.set_api_keys(&tenant("t1"), vec![grant(&id, vec![kept])]);
    gate.set_api_keys(&tenant("t2"), vec![grant(&other, vec![kept_other])]);
    let (_, secret) = good.split_once(&id).unwrap();
    let digest = kept.digest.to_text();
    for wrong in [
        String::new(),
        API_KEY_PREFIX.into(),
        format!("{API_KEY_PREFIX}{id}"),
        format!("{API_KEY_PREFIX}{id}_"),
        format!("{API_KEY_PREFIX}{other}{secret}"),
        // Who reads what is kept has no key.
        format!("{API_KEY_PREFIX}{id}_{digest}"),
        format!("{good}="),
        format!(" {good}"),
        good.to_uppercase(),
        good.repeat(40),
    ] {
        let refusal = gate.api_key(&wrong, NOW_S).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::TokenSignature, "{wrong}");
        assert!(wrong.len() < 9 || !refusal.message().contains(&wrong), "{wrong}");
    }
    assert!(!format!("{kept:?}{gate:?}").contains(&digest));
}

#[test]
fn keys_are_replaced_for_one_tenant_alone_and_one_that_stays_keeps_when_it_was_used() {
    let gate = gate();
    let (id, key_one, one) = key(1, 1);
    let (_, key_two, two) = key(1, 2);
    let (other, key_other, kept_other) = key(2, 3);
    gate.set_api_keys(&tenant("t1"), vec![grant(&id, vec![one])]);
    gate.set_api_keys(&tenant("t2"), vec![grant(&other, vec![kept_other])]);
    let is_good = |key: &str| gate.api_key(key, NOW_S).is_ok();
    assert!(is_good(&key_one) && !is_good(&key_two));
    gate.set_api_keys(&tenant("t1"), vec![grant(&id, vec![one, two])]);
    assert!(is_good(&key_one) && is_good(&key_two));
    gate.set_api_keys(&tenant("t1"), vec![grant(&id, vec![two])]);
    assert!(!is_good(&key_one) && is_good(&key_two));
    assert_eq!(gate.api_key_last_used_s(&id), NOW_S);
    gate.set_api_keys(&tenant("t1"), Vec::new());
    assert!(!is_good(&key_two) && is_good(&key_other));
    // An id is whose it was first.
    gate.set_api_keys(&tenant("t1"), vec![grant(&other, vec![two])]);
    assert!(is_good(&key_other));
}
