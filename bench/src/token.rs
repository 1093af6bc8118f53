//! The tokens that a back end would give to a restaurant's people.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

/// Known to the server through `JWT_SECRET`; it protects nothing but a server on the loopback interface.
pub(crate) const SECRET: &str = "bench-only-secret-of-thirty-two-bytes-and-more";

const LIFETIME_S: u64 = 6 * 3600;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    user_id: &'a str,
    tenant_id: &'a str,
    role: &'a str,
    application_types: [&'a str; 1],
    iat: u64,
    exp: u64,
}

/// An HS256 token of a courier of `tenant`.
///
/// # Errors
/// The signing library refuses, as it never does for HS256 and a plain secret.
pub(crate) fn courier(tenant: &str, user: &str) -> Result<String, jsonwebtoken::errors::Error> {
    person(tenant, user, "delivery_personnel", "delivery_app")
}

/// The same of a customer.
///
/// # Errors
/// As [`courier`].
pub(crate) fn customer(tenant: &str, user: &str) -> Result<String, jsonwebtoken::errors::Error> {
    person(tenant, user, "customer", "client_app")
}

/// The same of a back end.
///
/// # Errors
/// As [`courier`].
pub(crate) fn service(tenant: &str) -> Result<String, jsonwebtoken::errors::Error> {
    person(tenant, "gateway", "system", "system")
}

/// The same of anybody.
///
/// # Errors
/// As [`courier`].
pub(crate) fn person(
    tenant: &str,
    user: &str,
    role: &str,
    application: &str,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let claims = Claims {
        user_id: user,
        tenant_id: tenant,
        role,
        application_types: [application],
        iat: now_s,
        exp: now_s + LIFETIME_S,
    };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}
