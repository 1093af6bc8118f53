//! Several issuers, each with its own keys, tenants and times; and keys that are replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_auth::{
    Algorithm, AuthConfig, AuthConfigError, Authenticator, KeySource, Secret, TenantSet,
};
use foodtrack_contract::{Authenticate, ErrorCode, Refusal};
use jsonwebtoken::Header;
use serde_json::{Value, json};

use crate::support::{NOW_S, Pair, SECRET, claims_with, ec, hmac_token, hs256};

const OTHER_SECRET: &str = "kq9Zr4uT1wXo7PbLs2MvYc8dEaHgJi5N0fQyUtRe";

fn tenants(patterns: &[&str]) -> TenantSet {
    let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
    TenantSet::parse(&patterns).unwrap()
}

fn issuer(name: &str, secret: &str, patterns: &[&str]) -> AuthConfig {
    AuthConfig {
        issuer: Some(name.into()),
        tenants: tenants(patterns),
        ..AuthConfig::hs256(Secret::from(secret))
    }
}

fn two() -> Authenticator {
    let mut both = Authenticator::new(issuer("one", SECRET, &["t1", "chain-*"])).unwrap();
    both.trust(issuer("two", OTHER_SECRET, &["t2"])).unwrap();
    both
}

fn signed(secret: &str, changes: &Value) -> String {
    let header = Header::new(jsonwebtoken::Algorithm::HS256);
    hmac_token(&header, &claims_with(changes), secret.as_bytes())
}

fn code(result: Result<foodtrack_contract::Principal, Refusal>) -> Option<ErrorCode> {
    result.err().map(|refusal| refusal.code())
}

#[test]
fn a_token_is_of_the_issuer_that_it_names_and_of_that_ones_tenants_and_keys_alone() {
    let both = two();
    let verdict = |secret, iss: &str, tenant: &str| {
        code(both.principal(&signed(secret, &json!({ "iss": iss, "tenantId": tenant })), NOW_S))
    };
    assert_eq!(verdict(SECRET, "one", "t1"), None);
    assert_eq!(verdict(SECRET, "one", "chain-7"), None);
    assert_eq!(verdict(OTHER_SECRET, "two", "t2"), None);
    // The tenants of the other one.
    assert_eq!(verdict(SECRET, "one", "t2"), Some(ErrorCode::TokenClaims));
    assert_eq!(verdict(OTHER_SECRET, "two", "t1"), Some(ErrorCode::TokenClaims));
    assert_eq!(verdict(SECRET, "one", "chain"), Some(ErrorCode::TokenClaims));
    // The name of the other one.
    assert_eq!(verdict(SECRET, "two", "t2"), Some(ErrorCode::TokenSignature));
    assert_eq!(verdict(OTHER_SECRET, "one", "t1"), Some(ErrorCode::TokenSignature));
    // Nobody's, and no name at all.
    assert_eq!(verdict(SECRET, "three", "t1"), Some(ErrorCode::TokenClaims));
    assert_eq!(
        code(both.principal(&hs256(&claims_with(&json!({}))), NOW_S)),
        Some(ErrorCode::TokenClaims)
    );
    for odd in [json!(["one"]), json!(7), json!({ "one": 1 })] {
        let token = signed(SECRET, &json!({ "iss": odd }));
        assert!(both.principal(&token, NOW_S).is_err(), "{odd}");
    }
}

#[test]
fn an_issuer_without_a_name_has_the_tokens_that_name_nobody_who_is_known() {
    let mut both = Authenticator::new(AuthConfig::hs256(SECRET)).unwrap();
    both.trust(issuer("two", OTHER_SECRET, &["t2"])).unwrap();
    both.principal(&signed(SECRET, &json!({})), NOW_S).unwrap();
    both.principal(&signed(SECRET, &json!({ "iss": "elsewhere" })), NOW_S).unwrap();
    both.principal(&signed(OTHER_SECRET, &json!({ "iss": "two", "tenantId": "t2" })), NOW_S)
        .unwrap();
    let disguised = signed(SECRET, &json!({ "iss": "two", "tenantId": "t2" }));
    assert_eq!(code(both.principal(&disguised, NOW_S)), Some(ErrorCode::TokenSignature));
}

#[test]
fn a_pattern_of_tenants_is_a_name_or_a_beginning() {
    for wrong in ["*", "", "a b", "a*b", "*a"] {
        assert!(TenantSet::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

#[test]
fn a_token_that_lives_too_long_is_refused_and_so_is_one_that_does_not_say() {
    let config = AuthConfig { lifetime_s_max: Some(3_600), ..AuthConfig::hs256(SECRET) };
    let authenticator = Authenticator::new(config).unwrap();
    let verdict =
        |changes: Value| code(authenticator.principal(&hs256(&claims_with(&changes)), NOW_S));
    assert_eq!(verdict(json!({ "iat": NOW_S - 60, "exp": NOW_S + 3_540 })), None);
    assert_eq!(
        verdict(json!({ "iat": NOW_S - 60, "exp": NOW_S + 3_541 })),
        Some(ErrorCode::TokenClaims)
    );
    assert_eq!(verdict(json!({})), Some(ErrorCode::TokenClaims));
    // Whoever says to be made later lives no longer by that.
    let later = json!({ "iat": NOW_S + 7_200, "exp": NOW_S + 10_800 });
    assert_eq!(verdict(later), Some(ErrorCode::TokenClaims));
}

fn jwks(keys: &[(&Pair, &str)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(pair, kid)| {
            let mut jwk = pair.jwk.clone();
            jwk["kid"] = json!(kid);
            jwk
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

fn es256(pair: &Pair, kid: &str) -> String {
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.kid = Some(kid.into());
    jsonwebtoken::encode(&header, &claims_with(&json!({})), &pair.signing).unwrap()
}

#[test]
fn keys_are_replaced_whole_and_never_by_a_set_that_verifies_nothing() {
    let config = AuthConfig::new(KeySource::Fetched, vec![Algorithm::ES256]);
    let authenticator = Authenticator::new(config).unwrap();
    let unknown = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&unknown);
    authenticator.on_unknown_key(Box::new(move |issuer| {
        assert_eq!(issuer, 0);
        told.fetch_add(1, Ordering::Relaxed);
    }));
    let (old, new) = (ec("P-256"), ec("P-256"));
    let verdict = |pair, kid: &str| code(authenticator.principal(&es256(pair, kid), NOW_S));
    // Before they are there, whoever comes is to come again.
    assert_eq!(verdict(&old, "old"), Some(ErrorCode::Degraded));
    assert_eq!(authenticator.set_jwks(0, &jwks(&[(&old, "old")])).unwrap(), 1);
    assert_eq!(verdict(&old, "old"), None);
    assert_eq!(
        (verdict(&new, "new"), unknown.load(Ordering::Relaxed)),
        (Some(ErrorCode::TokenSignature), 1)
    );
    assert_eq!(authenticator.set_jwks(0, &jwks(&[(&old, "old"), (&new, "new")])).unwrap(), 2);
    assert_eq!((verdict(&old, "old"), verdict(&new, "new")), (None, None));
    // What is taken out is good no more.
    authenticator.set_jwks(0, &jwks(&[(&new, "new")])).unwrap();
    assert_eq!(
        (verdict(&old, "old"), verdict(&new, "new")),
        (Some(ErrorCode::TokenSignature), None)
    );
    let oct = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "new" }] }).to_string();
    let many: Vec<(&Pair, &str)> = (0..101).map(|_| (&old, "old")).collect();
    for lie in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[7]}"#, &oct, &jwks(&many)] {
        authenticator.set_jwks(0, lie).unwrap_err();
        assert_eq!(verdict(&new, "new"), None, "{lie:.40}");
    }
    assert!(matches!(
        authenticator.set_jwks(0, &jwks(&many)),
        Err(AuthConfigError::JwksTooMany { keys: 101, .. })
    ));
    assert!(matches!(
        authenticator.set_jwks(1, &jwks(&[(&new, "new")])),
        Err(AuthConfigError::NoIssuer)
    ));
}

#[test]
fn a_secret_that_others_know_opens_nothing() {
    for secret in [
        "your-256-bit-secret-your-256-bit-secret",
        "changeme-changeme-changeme-changeme",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let error = Authenticator::new(AuthConfig::hs256(secret)).unwrap_err();
        assert!(matches!(error, AuthConfigError::SecretWeak { .. }), "{error}");
        assert!(!error.to_string().contains(secret) && error.to_string().contains("openssl rand"));
        let key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret) });
        let jwks = KeySource::Jwks(json!({ "keys": [key] }).to_string());
        let error = Authenticator::new(AuthConfig::new(jwks, vec![Algorithm::HS256])).unwrap_err();
        assert!(matches!(error, AuthConfigError::SecretWeak { .. }), "{error}");
    }
}
