//! One who signs tokens: its keys, and what it may say.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use foodtrack_contract::{ErrorCode, Refusal};

use crate::claims::Header;
use crate::keys::Keys;
use crate::{Algorithm, AuthConfig, AuthConfigError};

/// An issuer. Its keys may be replaced while tokens are verified: whole, and without a lock for who reads them.
pub(crate) struct Issuer {
    pub(crate) config: AuthConfig,
    /// `None` until they were fetched once.
    keys: ArcSwapOption<Keys>,
}

/// Why no key of an issuer verified a token.
pub(crate) struct NoKey {
    pub(crate) refusal: Refusal,
    /// Whether the issuer may have made it with a key that is not known yet.
    pub(crate) may_be_new: bool,
}

impl From<Refusal> for NoKey {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, may_be_new: false }
    }
}

impl Issuer {
    /// # Errors
    /// [`AuthConfigError`] where the keys are unusable, or do not go with the allowed algorithms.
    pub(crate) fn new(config: AuthConfig) -> Result<Self, AuthConfigError> {
        let keys = Keys::new(&config.keys, &config.algorithms)?.map(Arc::new);
        Ok(Self { config, keys: ArcSwapOption::new(keys) })
    }

    /// Puts the keys of a JWK Set in the place of those that it had. Returns how many can be used.
    ///
    /// # Errors
    /// [`AuthConfigError`]: no token could be verified with it, or it is too large. The keys stay as they were.
    pub(crate) fn set_jwks(&self, json: &str) -> Result<usize, AuthConfigError> {
        let keys = Keys::of_set(json, &self.config.algorithms)?;
        let count = keys.len();
        self.keys.store(Some(Arc::new(keys)));
        Ok(count)
    }

    /// Whether one of the keys made the signature of a token: of `message`, its header and claims as they came.
    pub(crate) fn verify(
        &self,
        header: &Header<'_>,
        message: &str,
        signature: &str,
    ) -> Result<(), NoKey> {
        let algorithm = Algorithm::from_wire(&header.alg.0)
            .filter(|algorithm| self.config.algorithms.contains(algorithm))
            .ok_or_else(|| self.algorithm_refusal())?;
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else {
            let sentence = "the keys of the token's issuer are not here yet; try again shortly";
            return Err(Refusal::new(ErrorCode::Degraded, sentence).retry_after_ms(1_000).into());
        };
        let kid = header.kid.as_ref().map(|kid| &*kid.0);
        let mut has_candidate = false;
        for key in keys.candidates(algorithm, kid) {
            has_candidate = true;
            let verified = jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                key,
                algorithm.library(),
            );
            // An error is a signature that is no base64url, or has not the algorithm's length.
            if verified.unwrap_or(false) {
                return Ok(());
            }
        }
        let sentence = if has_candidate {
            "the token's signature does not verify; sign it with the key that this server trusts"
        } else {
            "this server has no key for the token's alg and kid; get a fresh token, or add the key"
        };
        Err(NoKey {
            refusal: Refusal::new(ErrorCode::TokenSignature, sentence),
            may_be_new: !has_candidate && kid.is_some(),
        })
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
