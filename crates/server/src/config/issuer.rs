//! Who signs tokens, in the configuration: `[[issuers]]`, and the one of the section `security`.

use foodtrack_auth::Algorithm;
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::sections::SecurityConfig;

/// One who signs tokens: `[[issuers]]`. One of `jwtSecret`, `publicKey`, `jwks`, `jwksUrl` and `discovery` says where its keys are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IssuerConfig {
    /// Its name, in log lines, metrics and `/health`.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The HMAC secret that it signs with.
    pub jwt_secret: Option<Secret>,
    /// A file with its public key as PEM.
    pub public_key: Option<String>,
    /// A file with its public keys as JWKS; read again when it changes.
    pub jwks: Option<String>,
    /// Where its JWKS is fetched from.
    pub jwks_url: Option<String>,
    /// Whether its JWKS is found by OpenID Connect discovery: below `issuer`.
    pub discovery: bool,
    /// What it signs with. Default: HS256 with a secret; RS256, ES256 and EdDSA with a JWKS.
    pub algorithms: Vec<Algorithm>,
    /// The `aud` values of which its tokens must have one. Default: any.
    pub audience: Vec<String>,
    /// Of which tenants its tokens may be: names, or beginnings such as `chain-*`; none names all.
    pub tenants: Vec<String>,
    /// How far the clocks may differ. Default: `security.leewaySeconds`.
    pub leeway_seconds: Option<u32>,
    /// The longest time from `iat` to `exp`. Default: `security.tokenLifetimeSecondsMax`.
    pub lifetime_seconds_max: Option<u32>,
}

/// What the issuer of the section `security` is called.
pub(super) const OWN_NAME: &str = "security";

impl IssuerConfig {
    /// The one of the section `security`; `None` where it names no keys.
    pub(super) fn own(security: &SecurityConfig) -> Option<Self> {
        let has_keys = security.jwt_secret.is_some()
            || security.public_key.is_some()
            || security.jwks.is_some()
            || security.jwks_url.is_some();
        has_keys.then(|| Self {
            name: OWN_NAME.into(),
            issuer: security.issuer.clone().unwrap_or_default(),
            jwt_secret: security.jwt_secret.clone(),
            public_key: security.public_key.clone(),
            jwks: security.jwks.clone(),
            jwks_url: security.jwks_url.clone(),
            discovery: false,
            algorithms: security.algorithms.clone(),
            audience: security.audience.clone(),
            tenants: Vec::new(),
            leeway_seconds: None,
            lifetime_seconds_max: None,
        })
    }
}
