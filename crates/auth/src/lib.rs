//! Token to [`Principal`](foodtrack_contract::Principal): the only crate that reads a JWT.
//!
//! [`Authenticator`] verifies tokens, [`TokenSigner`] makes them for a command line, a demo and tests. Time is an
//! argument, never read; a refusal names a code and what to do, and never the token.

mod algorithm;
mod api_keys;
mod auth_config;
mod authenticator;
mod claims;
mod gate;
mod issuer;
mod keys;
mod revocations;
mod service_certificate;
mod tenant_set;
mod token_signer;
mod weak_secrets;

pub use algorithm::{Algorithm, AlgorithmError};
pub use api_keys::{
    API_KEY_ID_BYTES, API_KEY_PREFIX, API_KEY_SECRET_BYTES, ApiKeyGrant, NewApiKey, SecretDigest,
    SecretGrant, api_key_id,
};
pub use auth_config::{
    AuthConfig, AuthConfigError, KeySource, LEEWAY_S_DEFAULT, Secret, TOKEN_BYTES_MAX_DEFAULT,
};
pub use authenticator::Authenticator;
pub use gate::Gate;
pub use revocations::RevocationIndex;
pub use service_certificate::ServiceCertificate;
pub use tenant_set::TenantSet;
pub use token_signer::{SignError, TokenClaims, TokenSigner};
