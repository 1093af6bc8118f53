//! The verifier.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_contract::{Authenticate, ErrorCode, Principal, Refusal};

use crate::claims::{Claims, Header};
use crate::keys::Keys;
use crate::{Algorithm, AuthConfig, AuthConfigError};

/// Turns tokens into principals. Holds no state that a token changes, so threads share it.
pub struct Authenticator {
    config: AuthConfig,
    keys: Keys,
}

impl Authenticator {
    /// Reads the keys once.
    ///
    /// # Errors
    /// [`AuthConfigError`] where the keys are unusable, or do not go with the allowed algorithms.
    pub fn new(config: AuthConfig) -> Result<Self, AuthConfigError> {
        let keys = Keys::new(&config.keys, &config.algorithms)?;
        Ok(Self { config, keys })
    }

    /// The claims of a token whose signature holds, as JSON.
    fn verify(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        let (message, signature) = token.rsplit_once('.').ok_or_else(not_a_jwt)?;
        let (header, claims) = message.split_once('.').ok_or_else(not_a_jwt)?;
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| not_a_jwt())?;
        if header.crit.is_some() {
            return Err(Refusal::new(
                ErrorCode::TokenMalformed,
                "the token's header demands extensions (crit) that are not known here; issue it without",
            ));
        }
        let algorithm = Algorithm::from_wire(&header.alg.0)
            .filter(|algorithm| self.config.algorithms.contains(algorithm))
            .ok_or_else(|| self.algorithm_refusal())?;
        let kid = header.kid.as_ref().map(|kid| &*kid.0);
        let mut has_candidate = false;
        for key in self.keys.candidates(algorithm, kid) {
            has_candidate = true;
            let verified = jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                key,
                algorithm.library(),
            );
            // An error is a signature that is no base64url, or has not the algorithm's length.
            if verified.unwrap_or(false) {
                return decode(claims);
            }
        }
        Err(Refusal::new(
            ErrorCode::TokenSignature,
            if has_candidate {
                "the token's signature does not verify; sign it with the key that this server trusts"
            } else {
                "this server has no key for the token's alg and kid; get a fresh token, or add the key"
            },
        ))
    }

    fn algorithm_refusal(&self) -> Refusal {
        let allowed: Vec<_> =
            self.config.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        Refusal::new(
            ErrorCode::TokenAlgorithm,
            format!("the token's alg is not allowed here; sign it with {}", allowed.join(" or ")),
        )
    }
}

impl Authenticate for Authenticator {
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, Refusal> {
        if token.is_empty() {
            return Err(Refusal::new(
                ErrorCode::TokenMissing,
                "send a token as auth.token, as the Authorization header or in the cookie",
            ));
        }
        if token.len() > self.config.token_bytes_max {
            let bytes_max = self.config.token_bytes_max;
            return Err(Refusal::new(
                ErrorCode::TokenMalformed,
                format!("the token is longer than {bytes_max} bytes; issue one with fewer claims"),
            ));
        }
        let claims = self.verify(token)?;
        Claims::parse(&claims)?.principal(&self.config, now_s)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("algorithms", &self.config.algorithms)
            .field("issuer", &self.config.issuer)
            .field("audience", &self.config.audience)
            .finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| not_a_jwt())
}

fn not_a_jwt() -> Refusal {
    Refusal::new(
        ErrorCode::TokenMalformed,
        "the token is no JWT: send the three parts that its issuer gave, without anything around them",
    )
}
