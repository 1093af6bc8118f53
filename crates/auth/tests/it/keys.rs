//! Which key verifies which token.

use aws_lc_rs::rsa::KeySize;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_auth::{Algorithm, AuthConfig, AuthConfigError, Authenticator, KeySource};
use foodtrack_contract::{Authenticate, ErrorCode};
use jsonwebtoken::Header;
use serde_json::{Value, json};

use crate::support::{
    NOW_S, Pair, SECRET, authenticator, check_refused, claims, ec, ed25519, hmac_token, hs256, rsa,
    rsa_pair,
};

fn library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.as_str().parse().unwrap()
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    let mut header = Header::new(library(algorithm));
    header.kid = kid.map(str::to_owned);
    header
}

fn signed(pair: &Pair, algorithm: Algorithm, kid: Option<&str>) -> String {
    jsonwebtoken::encode(&header(algorithm, kid), &claims(), &pair.signing).unwrap()
}

fn with_pem(pem: &str, algorithms: &[Algorithm]) -> Result<Authenticator, AuthConfigError> {
    Authenticator::new(AuthConfig::new(KeySource::PublicKeyPem(pem.into()), algorithms.to_vec()))
}

fn with_jwks(keys: &[Value], algorithms: &[Algorithm]) -> Result<Authenticator, AuthConfigError> {
    let json = json!({ "keys": keys }).to_string();
    Authenticator::new(AuthConfig::new(KeySource::Jwks(json), algorithms.to_vec()))
}

fn with_secret(secret: &str, algorithms: &[Algorithm]) -> Result<Authenticator, AuthConfigError> {
    Authenticator::new(AuthConfig::new(KeySource::Secret(secret.into()), algorithms.to_vec()))
}

fn jwk(pair: &Pair, extra: &Value) -> Value {
    let mut jwk = pair.jwk.clone();
    jwk.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    jwk
}

/// A public key of 1024 bits; its private half was thrown away.
const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCdt5sOYH2n9HB4kyO1r6/UJUgn
sABMLCFmu0J2lz3BoXxH0qsgN5P9VB5/AgF+pOHBkjCvF/798+CJWwN4c1ei7t4d
HuvLiyaUb12wntdjpY9k4h41VcSG5TOnYjjY+ooguNVWpluQDyHouZ8zW6gPGPY+
M1VAL7lfq4HF195RbQIDAQAB
-----END PUBLIC KEY-----
";

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Every asymmetric kind with the algorithms that it serves.
fn pairs() -> Vec<(Pair, Vec<Algorithm>)> {
    vec![
        (ec("P-256"), vec![Algorithm::ES256]),
        (ec("P-384"), vec![Algorithm::ES384]),
        (ed25519(), vec![Algorithm::EdDSA]),
    ]
}

#[test]
fn every_algorithm_verifies_with_its_own_key_as_pem_and_as_jwk() {
    let check = |pair: &Pair, algorithms: &[Algorithm]| {
        let pem = with_pem(&pair.public_pem, algorithms).unwrap();
        let jwks = with_jwks(&[jwk(pair, &json!({}))], algorithms).unwrap();
        for algorithm in algorithms {
            let token = signed(pair, *algorithm, None);
            assert_eq!(pem.principal(&token, NOW_S).unwrap().tenant().as_str(), "t1");
            assert_eq!(jwks.principal(&token, NOW_S).unwrap().tenant().as_str(), "t1");
        }
    };
    check(rsa(), &RSA);
    pairs().iter().for_each(|(pair, algorithms)| check(pair, algorithms));
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token = hmac_token(&header(algorithm, None), &claims(), SECRET.as_bytes());
        with_secret(SECRET, &[algorithm]).unwrap().principal(&token, NOW_S).unwrap();
        let key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
        with_jwks(&[key], &[algorithm]).unwrap().principal(&token, NOW_S).unwrap();
    }
}

#[test]
fn another_key_of_the_same_kind_verifies_nothing() {
    for ((pair, algorithms), (other, _)) in pairs().iter().zip(pairs()) {
        let token = signed(&other, algorithms[0], None);
        let result = with_pem(&pair.public_pem, algorithms).unwrap().principal(&token, NOW_S);
        check_refused(result, ErrorCode::TokenSignature, &token);
    }
    let token = hmac_token(&header(Algorithm::HS256, None), &claims(), SECRET.as_bytes());
    let other = with_secret(&SECRET.replace('0', "x"), &[Algorithm::HS256]).unwrap();
    check_refused(other.principal(&token, NOW_S), ErrorCode::TokenSignature, &token);
}

#[test]
fn a_token_without_a_signature_is_never_good() {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256", "HS1", "RS256"] {
        let header = encode(&json!({ "alg": alg }).to_string());
        let message = format!("{header}.{}", encode(&claims().to_string()));
        let (_, signature) =
            hs256(&claims()).rsplit_once('.').map(|(m, s)| (m.to_owned(), s.to_owned())).unwrap();
        for token in [format!("{message}."), format!("{message}.{signature}")] {
            let result = authenticator().principal(&token, NOW_S);
            check_refused(result, ErrorCode::TokenAlgorithm, &token);
        }
    }
    let unsigned = format!("{}.", hs256(&claims()).rsplit_once('.').unwrap().0);
    let result = authenticator().principal(&unsigned, NOW_S);
    check_refused(result, ErrorCode::TokenSignature, &unsigned);
}

/// The classic confusion: a verifier that takes the public key, which everyone has, for an HMAC secret.
#[test]
fn a_public_key_never_serves_as_a_secret() {
    let pair = rsa();
    let forged_with =
        |secret: &[u8]| hmac_token(&header(Algorithm::HS256, None), &claims(), secret);
    let der = pair.public_pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let jwks_text = json!({ "keys": [pair.jwk] }).to_string();
    let forgeries = [
        forged_with(pair.public_pem.as_bytes()),
        forged_with(pair.public_pem.trim().as_bytes()),
        forged_with(der.as_bytes()),
        forged_with(jwks_text.as_bytes()),
    ];
    for authenticator in [
        with_pem(&pair.public_pem, &RSA).unwrap(),
        with_jwks(std::slice::from_ref(&pair.jwk), &RSA).unwrap(),
    ] {
        for token in &forgeries {
            check_refused(authenticator.principal(token, NOW_S), ErrorCode::TokenAlgorithm, token);
        }
    }
    // Even where the set's issuer allows HMAC for another key of the set.
    let oct = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let mixed = with_jwks(&[pair.jwk.clone(), oct], &[Algorithm::RS256, Algorithm::HS256]).unwrap();
    for token in &forgeries {
        check_refused(mixed.principal(token, NOW_S), ErrorCode::TokenSignature, token);
    }
    for text in [&pair.public_pem, &pair.private_pem, &jwks_text, &pair.jwk.to_string()] {
        let error = with_secret(text, &[Algorithm::HS256]).unwrap_err();
        assert!(matches!(error, AuthConfigError::SecretIsKey), "{error}");
    }
}

#[test]
fn algorithms_of_another_family_than_the_key_s_are_a_configuration_error() {
    let mismatch = |result: Result<Authenticator, AuthConfigError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, AuthConfigError::AlgorithmMismatch { .. }), "{error}");
    };
    mismatch(with_secret(SECRET, &[Algorithm::RS256]));
    mismatch(with_secret(SECRET, &[Algorithm::HS256, Algorithm::EdDSA]));
    mismatch(with_pem(&rsa().public_pem, &[Algorithm::HS256]));
    mismatch(with_pem(&rsa().public_pem, &[Algorithm::RS256, Algorithm::ES256]));
    mismatch(with_pem(&ec("P-256").public_pem, &[Algorithm::ES384]));
    mismatch(with_pem(&ed25519().public_pem, &[Algorithm::ES256]));
    let error = with_jwks(&[rsa().jwk.clone()], &[Algorithm::HS256]).unwrap_err();
    assert!(matches!(error, AuthConfigError::JwksUnusable { .. }), "{error}");
    let error = with_secret(SECRET, &[]).unwrap_err();
    assert!(matches!(error, AuthConfigError::NoAlgorithm), "{error}");
}

#[test]
fn a_short_secret_is_a_configuration_error_that_says_what_to_do() {
    for (algorithm, bytes_min) in
        [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)]
    {
        with_secret(&SECRET[..bytes_min], &[algorithm]).unwrap();
        let short = &SECRET[..bytes_min - 1];
        let error = with_secret(short, &[algorithm]).unwrap_err().to_string();
        assert!(error.contains("openssl rand") && !error.contains(short), "{error}");
        let key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(short) });
        let error = with_jwks(&[key], &[algorithm]).unwrap_err();
        assert!(matches!(error, AuthConfigError::SecretTooShort { .. }), "{error}");
    }
}

#[test]
fn a_key_that_is_no_public_key_is_a_configuration_error() {
    let certificate = rsa().public_pem.replace("PUBLIC KEY", "CERTIFICATE");
    for text in ["", "key", &rsa().private_pem, &ec("P-256").private_pem, &certificate] {
        let error = with_pem(text, &[Algorithm::RS256]).unwrap_err();
        assert!(matches!(error, AuthConfigError::PublicKeyMalformed), "{error}");
    }
    let config = AuthConfig::new(KeySource::Jwks("[]".into()), vec![Algorithm::RS256]);
    let error = Authenticator::new(config).unwrap_err();
    assert!(matches!(error, AuthConfigError::JwksMalformed(_)), "{error}");
}

#[test]
fn a_jwk_serves_only_its_own_algorithm_and_use() {
    let pair = rsa();
    let token = |algorithm| signed(pair, algorithm, None);
    let bound = jwk(pair, &json!({ "alg": "RS256" }));
    let authenticator = with_jwks(&[bound], &RSA).unwrap();
    authenticator.principal(&token(Algorithm::RS256), NOW_S).unwrap();
    let other = token(Algorithm::PS256);
    let result = authenticator.principal(&other, NOW_S);
    check_refused(result, ErrorCode::TokenSignature, &other);
    for extra in
        [json!({ "use": "enc" }), json!({ "key_ops": ["encrypt"] }), json!({ "alg": "RSA-OAEP" })]
    {
        let error = with_jwks(&[jwk(pair, &extra)], &RSA).unwrap_err();
        assert!(matches!(error, AuthConfigError::JwksUnusable { .. }), "{extra}: {error}");
    }
}

#[test]
fn a_key_id_chooses_the_key_of_the_set() {
    let (old, new) = (ec("P-256"), ec("P-256"));
    let set = [jwk(&old, &json!({ "kid": "old" })), jwk(&new, &json!({ "kid": "new" }))];
    let authenticator = with_jwks(&set, &[Algorithm::ES256]).unwrap();
    let at = |pair, kid| authenticator.principal(&signed(pair, Algorithm::ES256, kid), NOW_S);
    at(&old, Some("old")).unwrap();
    at(&new, Some("new")).unwrap();
    // Without a key id, any key of the set may have signed.
    at(&old, None).unwrap();
    at(&new, None).unwrap();
    for (pair, kid) in [(&old, "new"), (&new, "old"), (&new, "unknown")] {
        assert_eq!(at(pair, Some(kid)).unwrap_err().code(), ErrorCode::TokenSignature);
    }
}

#[test]
fn keys_of_a_set_that_are_not_understood_are_passed_over() {
    let pair = ed25519();
    let set = [
        json!({ "kty": "future", "kid": "x" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!(7),
        pair.jwk.clone(),
    ];
    let authenticator = with_jwks(&set, &[Algorithm::EdDSA]).unwrap();
    authenticator.principal(&signed(&pair, Algorithm::EdDSA, None), NOW_S).unwrap();
}

#[test]
fn the_shortest_rsa_key_that_is_taken_has_2048_bits() {
    let long = rsa_pair(KeySize::Rsa3072);
    let token = signed(&long, Algorithm::RS256, None);
    with_pem(&long.public_pem, &RSA).unwrap().principal(&token, NOW_S).unwrap();
    let n = URL_SAFE_NO_PAD.encode([0xff; 128]);
    let short = json!({ "kty": "RSA", "n": n, "e": "AQAB" });
    let error = with_jwks(&[short], &RSA).unwrap_err();
    assert!(matches!(error, AuthConfigError::RsaKeyTooShort), "{error}");
    let error = with_pem(RSA_1024, &RSA).unwrap_err();
    assert!(matches!(error, AuthConfigError::RsaKeyTooShort), "{error}");
}

#[test]
fn neither_configuration_nor_verifier_shows_the_secret() {
    let config = AuthConfig::hs256(SECRET);
    assert!(!format!("{config:?}").contains(SECRET));
    assert!(!format!("{:?}", authenticator()).contains(SECRET));
}
