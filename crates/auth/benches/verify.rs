//! What verifying a token costs: `cargo bench -p foodtrack-auth`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use foodtrack_auth::{AuthConfig, Authenticator, TokenClaims, TokenSigner};
use foodtrack_contract::{ApplicationSet, Authenticate, UserRole};

const SECRET: &str = "a secret for measurements, of enough bytes";
const ROUNDS: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = TokenSigner::hs256(SECRET).sign(&TokenClaims {
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
    })?;
    let authenticator = Authenticator::new(AuthConfig::hs256(SECRET))?;
    let mut best_ns = u128::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(authenticator.principal(black_box(&token), 1_500)?);
        }
        best_ns = best_ns.min(start.elapsed().as_nanos() / u128::from(ROUNDS));
    }
    println!("HS256, {} bytes: {best_ns} ns per token (best of 10 x {ROUNDS})", token.len());
    Ok(())
}
