//! The verifier.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_contract::{Authenticate, ErrorCode, Principal, Refusal};

use crate::claims::{Claims, Header, IssuerClaim, object};
use crate::issuer::Issuer;
use crate::{AuthConfig, AuthConfigError};

/// Is told that a token names a key that the issuer of this number may have, and that is not known here.
type OnUnknownKey = Box<dyn Fn(usize) + Send + Sync>;

/// Turns tokens into principals. Threads share it. A token changes nothing in it; keys of issuers may be replaced.
pub struct Authenticator {
    issuers: Vec<Issuer>,
    on_unknown_key: OnceLock<OnUnknownKey>,
}

impl Authenticator {
    /// Trusts one issuer. Reads its keys once.
    ///
    /// # Errors
    /// [`AuthConfigError`] where the keys are unusable, or do not go with the allowed algorithms.
    pub fn new(config: AuthConfig) -> Result<Self, AuthConfigError> {
        let issuers = vec![Issuer::new(config)?];
        Ok(Self { issuers, on_unknown_key: OnceLock::new() })
    }

    /// Trusts another issuer as well. A token is of the issuer that its `iss` names, and is verified with that one's keys alone; one without `iss`,
    /// or with one that nobody has, is of the first issuer that asks for none.
    ///
    /// # Errors
    /// [`AuthConfigError`], as [`Authenticator::new`].
    pub fn trust(&mut self, config: AuthConfig) -> Result<(), AuthConfigError> {
        self.issuers.push(Issuer::new(config)?);
        Ok(())
    }

    /// Puts the keys of a JWK Set in the place of those that the issuer of this number had: for every token that is verified from now on.
    /// Issuers are numbered as they were given. Returns how many keys can be used.
    ///
    /// # Errors
    /// [`AuthConfigError`]: no token could be verified with the set, or it is too large; the keys stay as they were.
    pub fn set_jwks(&self, issuer: usize, json: &str) -> Result<usize, AuthConfigError> {
        let issuer = self.issuers.get(issuer).ok_or(AuthConfigError::NoIssuer)?;
        issuer.set_jwks(json)
    }

    /// Who is told when a token names a key that is not known. It is called by whoever verifies, as often as strangers like: it must do
    /// nearly nothing. Only the first call counts.
    pub fn on_unknown_key(&self, tell: OnUnknownKey) {
        // The first one stays.
        let _ = self.on_unknown_key.set(tell);
    }

    /// The claims of a token whose signature holds, as JSON, and whose keys it was made with.
    fn verify(&self, token: &str) -> Result<(&Issuer, Vec<u8>), Refusal> {
        let (message, signature) = token.rsplit_once('.').ok_or_else(not_a_jwt)?;
        let (header, claims) = message.split_once('.').ok_or_else(not_a_jwt)?;
        let header = decode(header)?;
        let header: Header<'_> = object(&header).map_err(|_| not_a_jwt())?;
        if header.crit.is_some() {
            return Err(Refusal::new(
                ErrorCode::TokenMalformed,
                "the token's header demands extensions (crit) that are not known here; issue it without",
            ));
        }
        let claims = decode(claims)?;
        let number = self.issuer_of(&claims)?;
        let issuer = &self.issuers[number];
        if let Err(no_key) = issuer.verify(&header, message, signature) {
            if no_key.may_be_new
                && let Some(tell) = self.on_unknown_key.get()
            {
                tell(number);
            }
            return Err(no_key.refusal);
        }
        Ok((issuer, claims))
    }

    /// The number of the issuer that claims, which nobody has verified yet, say they are of.
    fn issuer_of(&self, claims: &[u8]) -> Result<usize, Refusal> {
        if self.issuers.len() == 1 {
            return Ok(0);
        }
        let claim: IssuerClaim<'_> = object(claims).unwrap_or_default();
        let said = claim.iss.as_ref().map(|iss| &*iss.0);
        let of = |name: Option<&str>| {
            self.issuers.iter().position(|issuer| issuer.config.issuer.as_deref() == name)
        };
        said.and_then(|said| of(Some(said))).or_else(|| of(None)).ok_or_else(|| {
            let sentence = "iss is none of the issuers that this server trusts; get the token from one of those";
            Refusal::new(ErrorCode::TokenClaims, sentence)
        })
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
        let bytes_max = self.issuers.iter().map(|it| it.config.token_bytes_max).max().unwrap_or(0);
        if token.len() > bytes_max {
            return Err(Refusal::new(
                ErrorCode::TokenMalformed,
                format!("the token is longer than {bytes_max} bytes; issue one with fewer claims"),
            ));
        }
        let (issuer, claims) = self.verify(token)?;
        Claims::parse(&claims)?.principal(&issuer.config, now_s)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |issuer: &Issuer| (issuer.config.issuer.clone(), issuer.config.algorithms.clone());
        f.debug_list().entries(self.issuers.iter().map(shown)).finish()
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
