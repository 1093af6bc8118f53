//! Tokens and keys for the tests, made anew in every run.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use foodtrack_auth::{AuthConfig, Authenticator};
use foodtrack_contract::{Authenticate, ErrorCode, Principal, Refusal};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "4f1d0c9ab7e35826d0b1f4a97c62e85319ad7c40fe2b8d6514c3a09e7b5f28d1";
pub(crate) const NOW_S: u64 = 1_800_000_000;

pub(crate) fn claims() -> Value {
    json!({
        "userId": "u1",
        "tenantId": "t1",
        "role": "chef",
        "applicationTypes": ["kitchen_app"],
        "exp": NOW_S + 60,
    })
}

/// The claims with some of them replaced, or taken out where the replacement is null.
pub(crate) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        let object = claims.as_object_mut().unwrap();
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// A token with any header and claims, signed with HMAC by the library itself.
pub(crate) fn hmac_token(header: &Header, claims: &Value, secret: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

pub(crate) fn hs256(claims: &Value) -> String {
    hmac_token(&Header::new(jsonwebtoken::Algorithm::HS256), claims, SECRET.as_bytes())
}

/// A token whose header and claims are these very texts, signed with HS256.
pub(crate) fn hs256_of_texts(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

pub(crate) fn authenticator() -> Authenticator {
    Authenticator::new(AuthConfig::hs256(SECRET)).unwrap()
}

pub(crate) fn principal(token: &str) -> Result<Principal, Refusal> {
    authenticator().principal(token, NOW_S)
}

/// Checks the code, and that the refusal shows nothing of the token.
pub(crate) fn check_refused(result: Result<Principal, Refusal>, code: ErrorCode, token: &str) {
    let refusal = result.expect_err("the token must be refused");
    assert_eq!(refusal.code(), code, "{refusal}");
    for part in token.split('.').filter(|part| part.len() > 4) {
        assert!(!refusal.to_json().contains(part), "{refusal} shows the token");
    }
}

/// A key pair, as its issuer and its verifiers see it.
pub(crate) struct Pair {
    pub(crate) signing: EncodingKey,
    pub(crate) public_pem: String,
    pub(crate) private_pem: String,
    /// Without `kid` and `alg`.
    pub(crate) jwk: Value,
}

fn pem(tag: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}

pub(crate) fn rsa_pair(size: KeySize) -> Pair {
    let pair = RsaKeyPair::generate(size).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let private_pem = pem("PRIVATE KEY", pkcs8.as_ref());
    let public = pair.public_key();
    let n = public.modulus().big_endian_without_leading_zero();
    let e = public.exponent().big_endian_without_leading_zero();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Pair {
        signing: EncodingKey::from_rsa_pem(private_pem.as_bytes()).unwrap(),
        public_pem: pem("PUBLIC KEY", &spki(public)),
        private_pem,
        jwk: json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
    }
}

/// One RSA key for all tests of a process: they take long to make.
pub(crate) fn rsa() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| rsa_pair(KeySize::Rsa2048))
}

pub(crate) fn ec(curve: &str) -> Pair {
    let algorithm: &'static EcdsaSigningAlgorithm = match curve {
        "P-256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
        _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
    };
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let private_pem = pem("PRIVATE KEY", pkcs8.as_ref());
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Pair {
        signing: EncodingKey::from_ec_pem(private_pem.as_bytes()).unwrap(),
        public_pem: pem("PUBLIC KEY", &spki(pair.public_key())),
        private_pem,
        jwk: json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) }),
    }
}

pub(crate) fn ed25519() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let private_pem = pem("PRIVATE KEY", pkcs8.as_ref());
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    Pair {
        signing: EncodingKey::from_ed_pem(private_pem.as_bytes()).unwrap(),
        public_pem: pem("PUBLIC KEY", &spki(pair.public_key())),
        private_pem,
        jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
    }
}
