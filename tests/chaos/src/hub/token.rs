//! Tokens of the people and back ends of a run.

use std::time::{SystemTime, UNIX_EPOCH};

use foodtrack_auth::{SignError, TokenClaims, TokenSigner};
use foodtrack_contract::{ApplicationSet, ApplicationType, UserRole};

/// What the hub under test gets as `JWT_SECRET`.
pub const SECRET: &str = "chaos-only-secret-of-thirty-two-bytes-and-more";

const LIFETIME_S: u64 = 6 * 3_600;

/// Who a token speaks for.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user.
    pub user: &'a str,
    /// The user's role.
    pub role: UserRole,
    /// The application that the token opens; none for a back end's.
    pub application: Option<ApplicationType>,
}

/// A token that outlives the run.
///
/// # Errors
/// The claims are none that a verifier would take.
pub fn token(claims: Claims<'_>) -> Result<String, SignError> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    TokenSigner::hs256(SECRET).sign(&TokenClaims {
        tenant_id: claims.tenant.to_owned(),
        user_id: claims.user.to_owned(),
        role: claims.role,
        application_types: ApplicationSet::of(claims.application.as_slice()),
        permissions: None,
        device_id: None,
        issued_at_s: now_s,
        expires_at_s: now_s + LIFETIME_S,
        token_id: None,
        issuer: None,
        audience: None,
    })
}
