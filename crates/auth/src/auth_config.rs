//! What an [`Authenticator`](crate::Authenticator) trusts.

use std::collections::BTreeMap;
use std::fmt;

use foodtrack_contract::LoginRole;
use serde::Deserialize;

use crate::{Algorithm, TenantSet};

/// How far clocks may be apart, in seconds.
pub const LEEWAY_S_DEFAULT: u64 = 5;
/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX_DEFAULT: usize = 8192;

/// Which keys, algorithms, issuer and audience are trusted.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// What signatures are verified with.
    pub keys: KeySource,
    /// What tokens may be signed with; every one of them must be of the key's kind.
    pub algorithms: Vec<Algorithm>,
    /// What `iss` must be; anything where absent.
    pub issuer: Option<String>,
    /// One of these must be in `aud`; anything where empty.
    pub audience: Vec<String>,
    /// Of which tenants its tokens may be.
    pub tenants: TenantSet,
    /// The longest time from `iat` to `exp`, in seconds; then `iat` must be there. Any where absent.
    pub lifetime_s_max: Option<u64>,
    /// How far clocks may be apart, in seconds: a token is good so much longer, and so much earlier.
    pub leeway_s: u64,
    /// The longest token that is looked at, in bytes.
    pub token_bytes_max: usize,
    /// What a login's role means, where its token lists no applications; `None` where such tokens open nothing. A role of the
    /// contract that is not in it means itself.
    pub logins: Option<BTreeMap<String, LoginRole>>,
}

impl AuthConfig {
    /// Trusts `keys` with `algorithms`; any issuer and audience, and the default leeway and length.
    pub fn new(keys: KeySource, algorithms: Vec<Algorithm>) -> Self {
        Self {
            keys,
            algorithms,
            issuer: None,
            audience: Vec::new(),
            tenants: TenantSet::All,
            lifetime_s_max: None,
            leeway_s: LEEWAY_S_DEFAULT,
            token_bytes_max: TOKEN_BYTES_MAX_DEFAULT,
            logins: None,
        }
    }

    /// Trusts a shared secret with HS256.
    pub fn hs256(secret: impl Into<Secret>) -> Self {
        Self::new(KeySource::Secret(secret.into()), vec![Algorithm::HS256])
    }
}

/// Where the keys come from. All are text: who reads files or fetches addresses is somebody else.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A secret that is shared with who signs: HS256, HS384, HS512.
    Secret(Secret),
    /// One public key, as `PUBLIC KEY` or `RSA PUBLIC KEY` in PEM.
    PublicKeyPem(String),
    /// A JWK Set (RFC 7517) as JSON. Its keys serve the algorithms of their `kty`, `crv` and `alg`; those that are not
    /// for verifying, or of a kind that is not known here, are passed over.
    Jwks(String),
    /// A JWK Set that is given later, and anew: by [`Authenticator::set_jwks`](crate::Authenticator::set_jwks). Until then tokens are refused
    /// with `degraded`.
    Fetched,
}

/// A secret that never shows itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for who needs it to sign.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Why a configuration opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// No algorithm is allowed.
    #[error(
        "no signature algorithm is allowed; name those that your issuer signs with, such as HS256"
    )]
    NoAlgorithm,
    /// The secret is shorter than the hash.
    #[error(
        "the secret for {algorithm} has {bytes} bytes and needs at least {bytes_min}; \
         make one with `openssl rand -base64 48`"
    )]
    SecretTooShort {
        /// The most demanding of the allowed algorithms.
        algorithm: Algorithm,
        /// What it has.
        bytes: usize,
        /// What it needs.
        bytes_min: usize,
    },
    /// A public key in the place of a secret would let everyone sign.
    #[error(
        "the secret is a key in PEM or a JWK Set: anyone who has it could sign tokens; \
         configure it as a public key or as JWKS instead"
    )]
    SecretIsKey,
    /// The algorithm takes another kind of key.
    #[error("{algorithm} does not go with {key_kind}; allow the algorithms of that key only")]
    AlgorithmMismatch {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the key is.
        key_kind: &'static str,
    },
    /// A private key or a certificate, or no key at all.
    #[error(
        "the public key is not one of RSA, P-256, P-384 or Ed25519 in PEM; \
         `openssl pkey -in key.pem -pubout` gives it"
    )]
    PublicKeyMalformed,
    /// RSA below 2048 bits.
    #[error("an RSA key needs at least 2048 bits; make a longer one and sign with it")]
    RsaKeyTooShort,
    /// The JWK Set is not JSON, or has no `keys`.
    #[error("the JWK Set is not a JSON object with a list of `keys`")]
    JwksMalformed(#[source] serde_json::Error),
    /// The JWK Set has more keys than anybody needs.
    #[error("the JWK Set has {keys} keys; at most {keys_max} are looked at")]
    JwksTooMany {
        /// What it has.
        keys: usize,
        /// What it may have.
        keys_max: usize,
    },
    /// The secret is one of examples, or could be guessed.
    #[error(
        "the secret {why}: anybody who guesses it can sign tokens; make one with `openssl rand -base64 48`"
    )]
    SecretWeak {
        /// What gives it away.
        why: &'static str,
    },
    /// There is no issuer of this number.
    #[error("there is no such issuer")]
    NoIssuer,
    /// No key of the set serves any allowed algorithm.
    #[error(
        "no key of the JWK Set verifies {algorithms}; check `kty`, `crv`, `alg` and `use` of its keys"
    )]
    JwksUnusable {
        /// The allowed algorithms.
        algorithms: String,
    },
}
