//! Tokens of the test clients: HS256, and nothing asked of the claims but a subject.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

/// Why a client may not join; its code is what the client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("a token is needed: auth.token")]
    Missing,
    #[error("the token is no JSON Web Token of a subject")]
    Malformed,
    #[error("the token is signed by somebody else")]
    Signature,
    #[error("the token has expired")]
    Expired,
}

impl TokenError {
    /// The JSON of the CONNECT_ERROR packet.
    pub(crate) fn packet(self) -> String {
        let code = match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
        };
        serde_json::json!({ "message": self.to_string(), "data": { "code": code } }).to_string()
    }
}

#[derive(Default, Deserialize)]
struct Auth {
    token: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

pub(crate) struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
}

impl TokenVerifier {
    pub(crate) fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_aud = false;
        Self { key: DecodingKey::from_secret(secret.as_bytes()), validation }
    }

    /// The subject that the handshake's `auth` proves.
    ///
    /// # Errors
    /// [`TokenError`]: the client may not join.
    pub(crate) fn subject(&self, auth: Option<&str>) -> Result<String, TokenError> {
        let auth: Auth = auth.and_then(|auth| serde_json::from_str(auth).ok()).unwrap_or_default();
        let token = auth.token.ok_or(TokenError::Missing)?;
        match decode::<Claims>(&token, &self.key, &self.validation) {
            Ok(token) => Ok(token.claims.sub),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Malformed,
            }),
        }
    }
}
