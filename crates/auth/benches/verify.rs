//! What verifying a token costs, as a handshake does it: `cargo bench -p foodtrack-auth`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_auth::{
    Algorithm, AuthConfig, Authenticator, Gate, KeySource, RevocationIndex, TokenClaims,
    TokenSigner,
};
use foodtrack_contract::{
    ApplicationSet, Authenticate, Revocation, RevocationTarget, TenantId, UserRole,
};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

const SECRET: &str = "a secret for measurements, of enough bytes";
const ROUNDS: u32 = 5_000;
/// As many as a tenant may have.
const REVOCATIONS: usize = 2_000;
const NOW_S: u64 = 1_500;

fn main() -> Result<(), Failure> {
    let hs256 = hs256()?;
    measure("HS256", &hs256, Authenticator::new(AuthConfig::hs256(SECRET))?)?;
    let (es256, jwks) = es256()?;
    let config = AuthConfig::new(KeySource::Jwks(jwks), vec![Algorithm::ES256]);
    measure("ES256", &es256, Authenticator::new(config)?)
}

/// The best of ten runs, of a tenant that has revoked as much as it may.
fn measure(name: &str, token: &str, authenticator: Authenticator) -> Result<(), Failure> {
    let gate = Gate::new(Arc::new(authenticator));
    let revoked: Vec<Revocation> = (0..REVOCATIONS)
        .map(|i| Revocation {
            target: RevocationTarget::Token(format!("token-{i}")),
            issued_through_s: 0,
        })
        .collect();
    let mut index = RevocationIndex::default();
    index.set(&TenantId::parse("tenant-1")?, revoked.iter().map(|it| (it, u64::MAX)));
    gate.set_revocations(index);
    let mut best_ns = u128::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(gate.principal(black_box(token), NOW_S)?);
        }
        best_ns = best_ns.min(start.elapsed().as_nanos() / u128::from(ROUNDS));
    }
    println!(
        "{name}, {} bytes, {REVOCATIONS} revocations: {best_ns} ns per token (best of 10 x {ROUNDS})",
        token.len()
    );
    Ok(())
}

fn hs256() -> Result<String, Failure> {
    Ok(TokenSigner::hs256(SECRET).sign(&TokenClaims {
        tenant_id: "tenant-1".into(),
        user_id: "6f1c1f0e-6f43-4a3b-9b0e-8d2e6d1c9a10".into(),
        role: UserRole::KitchenStaff,
        application_types: ApplicationSet::ALL,
        permissions: Some(UserRole::KitchenStaff.default_permissions()),
        device_id: Some("tablet-7".into()),
        issued_at_s: 1_000,
        expires_at_s: 2_000,
        token_id: Some("0193e7a2-7c55-7b7c-8f5f-0f6a2b1c3d4e".into()),
        issuer: None,
        audience: None,
    })?)
}

/// A token, and the set of keys that verifies it.
fn es256() -> Result<(String, String), Failure> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "ES256", "kid": "one" }));
    let claims = part(json!({
        "sub": "6f1c1f0e-6f43-4a3b-9b0e-8d2e6d1c9a10", "tenantId": "tenant-1", "role": "kitchen_staff",
        "applicationTypes": ["kitchen_app"], "iat": 1_000, "exp": 2_000, "jti": "0193e7a2-7c55-7b7c-8f5f-0f6a2b1c3d4e",
    }));
    let message = format!("{header}.{claims}");
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes())?;
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y });
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    Ok((token, json!({ "keys": [jwk] }).to_string()))
}
