//! Who may enter, by the configuration: its keys are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use foodtrack_auth::{Algorithm, AuthConfig, Authenticator, KeySource};
use foodtrack_contract::LoginRole;

use super::problems::ConfigErrors;
use super::sections::SecurityConfig;

/// Makes it; `None` where the configuration has problems, which are told.
pub(super) fn authenticator(
    security: &SecurityConfig,
    logins: Option<BTreeMap<String, LoginRole>>,
    errors: &mut ConfigErrors,
) -> Option<Arc<Authenticator>> {
    let file =
        |key: &str, path: &str, errors: &mut ConfigErrors| match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                errors.add(key, format!("{path} cannot be read: {error}"));
                None
            }
        };
    let (key, keys, usual) = match (&security.jwt_secret, &security.public_key, &security.jwks) {
        (Some(secret), None, None) => {
            let keys = KeySource::Secret(secret.reveal().into());
            ("security.jwtSecret", keys, vec![Algorithm::HS256])
        }
        (None, Some(path), None) => {
            let pem = file("security.publicKey", path, errors)?;
            if security.algorithms.is_empty() {
                errors.add("security.algorithms", "name the key's algorithm, such as [\"RS256\"]");
                return None;
            }
            ("security.publicKey", KeySource::PublicKeyPem(pem), Vec::new())
        }
        (None, None, Some(path)) => {
            let jwks = KeySource::Jwks(file("security.jwks", path, errors)?);
            ("security.jwks", jwks, vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA])
        }
        (None, None, None) => {
            errors.add(
                "security.jwtSecret",
                "no key to verify tokens with; set JWT_SECRET (at least 32 bytes), security.publicKey or security.jwks",
            );
            return None;
        }
        _ => {
            errors.add("security", "give one of jwtSecret, publicKey and jwks, not several");
            return None;
        }
    };
    let algorithms =
        if security.algorithms.is_empty() { usual } else { security.algorithms.clone() };
    let config = AuthConfig {
        keys,
        algorithms,
        issuer: security.issuer.clone(),
        audience: security.audience.clone(),
        leeway_s: security.leeway_seconds.into(),
        token_bytes_max: 8_192,
        logins,
    };
    match Authenticator::new(config) {
        Ok(authenticator) => Some(Arc::new(authenticator)),
        Err(error) => {
            errors.add(key, error.to_string());
            None
        }
    }
}
