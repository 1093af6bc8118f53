//! Makes tokens: for a command line, a demo, and tests.

use std::fmt;

use foodtrack_contract::{
    ApplicationSet, IdentifierError, PermissionSet, TenantId, UserId, UserRole,
};
use jsonwebtoken::{EncodingKey, Header};
use serde::{Serialize, Serializer};

/// Signs tokens with HS256.
pub struct TokenSigner {
    key: EncodingKey,
}

/// What a token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// `tenantId`
    pub tenant_id: String,
    /// `userId`
    pub user_id: String,
    /// `role`
    pub role: UserRole,
    /// `applicationTypes`
    pub application_types: ApplicationSet,
    /// `permissions`; the role's default set where absent.
    pub permissions: Option<PermissionSet>,
    /// `deviceId`
    pub device_id: Option<String>,
    /// `iat`, in seconds since the Unix epoch.
    pub issued_at_s: u64,
    /// `exp`, in seconds since the Unix epoch.
    pub expires_at_s: u64,
    /// `jti`
    pub token_id: Option<String>,
    /// `iss`
    pub issuer: Option<String>,
    /// `aud`
    pub audience: Option<String>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A claim that every verifier would refuse.
    #[error("{claim}: {source}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What is wrong with it.
        source: IdentifierError,
    },
    /// The token would never be good.
    #[error(
        "a token that expires before it is issued is never good; let expires_at_s lie after issued_at_s"
    )]
    NeverValid,
    /// The library could not sign.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl TokenSigner {
    /// Signs with a shared secret. An [`Authenticator`](crate::Authenticator) takes one of at least 32 bytes.
    pub fn hs256(secret: &str) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()) }
    }

    /// The token as text.
    ///
    /// # Errors
    /// [`SignError`] where no verifier would take the token.
    pub fn sign(&self, claims: &TokenClaims) -> Result<String, SignError> {
        TenantId::parse(&claims.tenant_id)
            .map_err(|source| SignError::Claim { claim: "tenantId", source })?;
        UserId::parse(&claims.user_id)
            .map_err(|source| SignError::Claim { claim: "userId", source })?;
        if claims.expires_at_s <= claims.issued_at_s {
            return Err(SignError::NeverValid);
        }
        let wire = WireClaims {
            tenant_id: &claims.tenant_id,
            user_id: &claims.user_id,
            role: claims.role,
            application_types: claims.application_types,
            permissions: claims.permissions.map(WirePermissions),
            device_id: claims.device_id.as_deref(),
            iat: claims.issued_at_s,
            exp: claims.expires_at_s,
            jti: claims.token_id.as_deref(),
            iss: claims.issuer.as_deref(),
            aud: claims.audience.as_deref(),
        };
        let header = Header::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::encode(&header, &wire, &self.key).map_err(SignError::Sign)
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSigner(redacted)")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireClaims<'a> {
    tenant_id: &'a str,
    user_id: &'a str,
    role: UserRole,
    application_types: ApplicationSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<WirePermissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

struct WirePermissions(PermissionSet);

impl Serialize for WirePermissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}
