//! The keys, each bound to the kind of algorithm that it serves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;

use crate::algorithm::KeyKind;
use crate::weak_secrets::weakness;
use crate::{Algorithm, AuthConfigError, KeySource};

/// The least modulus of an RSA key: 2048 bits.
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// The most keys of a JWK Set.
const JWKS_KEYS_MAX: usize = 100;

/// A verification key.
pub(crate) struct Key {
    decoding: DecodingKey,
    kind: KeyKind,
    /// The one algorithm that a JWK says it is for.
    only: Option<Algorithm>,
    id: Option<String>,
}

impl Key {
    fn serves(&self, algorithm: Algorithm) -> bool {
        self.kind == algorithm.key_kind() && self.only.is_none_or(|only| only == algorithm)
    }
}

/// All keys of a configuration.
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// Whether a token's `kid` chooses among them.
    is_set: bool,
}

impl Keys {
    /// Reads the keys and checks that every allowed algorithm goes with them; `None` where they come later.
    pub(crate) fn new(
        source: &KeySource,
        algorithms: &[Algorithm],
    ) -> Result<Option<Self>, AuthConfigError> {
        if algorithms.is_empty() {
            return Err(AuthConfigError::NoAlgorithm);
        }
        let key = match source {
            KeySource::Fetched => return Ok(None),
            KeySource::Jwks(json) => return Self::of_set(json, algorithms).map(Some),
            KeySource::Secret(secret) => secret_key(secret.expose(), algorithms)?,
            KeySource::PublicKeyPem(pem) => {
                let key = pem_key(pem)?;
                require_kind(key.kind, algorithms)?;
                key
            }
        };
        Ok(Some(Self { keys: vec![key], is_set: false }))
    }

    /// Reads a JWK Set.
    pub(crate) fn of_set(json: &str, algorithms: &[Algorithm]) -> Result<Self, AuthConfigError> {
        Ok(Self { keys: jwks_keys(json, algorithms)?, is_set: true })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have made a signature of `algorithm`. In a set, a token's `kid` chooses; a key without one
    /// is always a candidate.
    pub(crate) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        let kid = kid.filter(|_| self.is_set);
        self.keys
            .iter()
            .filter(move |key| key.serves(algorithm))
            .filter(move |key| match (kid, &key.id) {
                (Some(kid), Some(id)) => kid == id,
                _ => true,
            })
            .map(|key| &key.decoding)
    }
}

fn require_kind(kind: KeyKind, algorithms: &[Algorithm]) -> Result<(), AuthConfigError> {
    match algorithms.iter().find(|algorithm| algorithm.key_kind() != kind) {
        Some(&algorithm) => {
            Err(AuthConfigError::AlgorithmMismatch { algorithm, key_kind: kind.as_str() })
        }
        None => Ok(()),
    }
}

fn secret_key(secret: &str, algorithms: &[Algorithm]) -> Result<Key, AuthConfigError> {
    require_kind(KeyKind::Hmac, algorithms)?;
    let is_jwk = serde_json::from_str::<serde_json::Value>(secret)
        .is_ok_and(|json| json.get("keys").is_some() || json.get("kty").is_some());
    if is_jwk || secret.contains("-----BEGIN ") {
        return Err(AuthConfigError::SecretIsKey);
    }
    require_secret_length(secret.as_bytes(), algorithms)?;
    require_strength(secret.as_bytes())?;
    let decoding = DecodingKey::from_secret(secret.as_bytes());
    Ok(Key { decoding, kind: KeyKind::Hmac, only: None, id: None })
}

fn require_secret_length(secret: &[u8], algorithms: &[Algorithm]) -> Result<(), AuthConfigError> {
    let hmac = algorithms.iter().filter(|algorithm| algorithm.key_kind() == KeyKind::Hmac);
    match hmac.max_by_key(|algorithm| algorithm.secret_bytes_min()) {
        Some(&algorithm) if secret.len() < algorithm.secret_bytes_min() => {
            Err(AuthConfigError::SecretTooShort {
                algorithm,
                bytes: secret.len(),
                bytes_min: algorithm.secret_bytes_min(),
            })
        }
        _ => Ok(()),
    }
}

fn require_strength(secret: &[u8]) -> Result<(), AuthConfigError> {
    weakness(secret).map_or(Ok(()), |why| Err(AuthConfigError::SecretWeak { why }))
}

fn pem_key(pem: &str) -> Result<Key, AuthConfigError> {
    // The library would take a private key or a certificate for one too, and then verify nothing with it.
    let is_public = pem.contains("-----BEGIN PUBLIC KEY-----")
        || pem.contains("-----BEGIN RSA PUBLIC KEY-----");
    if !is_public || pem.contains("PRIVATE KEY-----") || pem.contains("CERTIFICATE-----") {
        return Err(AuthConfigError::PublicKeyMalformed);
    }
    let bytes = pem.as_bytes();
    let attempts = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
    let decoding = attempts
        .into_iter()
        .find_map(|read| read(bytes).ok())
        .ok_or(AuthConfigError::PublicKeyMalformed)?;
    let key = decoding.try_get_as_bytes().map_err(|_| AuthConfigError::PublicKeyMalformed)?;
    let kind = match decoding.family() {
        jsonwebtoken::AlgorithmFamily::Rsa if key.len() <= RSA_MODULUS_BYTES_MIN => {
            return Err(AuthConfigError::RsaKeyTooShort);
        }
        jsonwebtoken::AlgorithmFamily::Rsa => KeyKind::Rsa,
        jsonwebtoken::AlgorithmFamily::Ec => match key.len() {
            65 => KeyKind::P256,
            97 => KeyKind::P384,
            _ => return Err(AuthConfigError::PublicKeyMalformed),
        },
        jsonwebtoken::AlgorithmFamily::Ed => KeyKind::Ed25519,
        jsonwebtoken::AlgorithmFamily::Hmac => return Err(AuthConfigError::PublicKeyMalformed),
    };
    Ok(Key { decoding, kind, only: None, id: None })
}

fn jwks_keys(json: &str, algorithms: &[Algorithm]) -> Result<Vec<Key>, AuthConfigError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }

    let set: Set = serde_json::from_str(json).map_err(AuthConfigError::JwksMalformed)?;
    if set.keys.len() > JWKS_KEYS_MAX {
        return Err(AuthConfigError::JwksTooMany { keys: set.keys.len(), keys_max: JWKS_KEYS_MAX });
    }
    let mut keys = Vec::new();
    for value in set.keys {
        // RFC 7517, section 5: a key that is not understood is passed over, and the rest of the set serves.
        if let Ok(jwk) = serde_json::from_value::<Jwk>(value)
            && let Some(key) = jwk_key(&jwk, algorithms)?
        {
            keys.push(key);
        }
    }
    if keys.iter().any(|key| algorithms.iter().any(|algorithm| key.serves(*algorithm))) {
        return Ok(keys);
    }
    let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    Err(AuthConfigError::JwksUnusable { algorithms: names.join(" or ") })
}

fn jwk_key(jwk: &Jwk, algorithms: &[Algorithm]) -> Result<Option<Key>, AuthConfigError> {
    let common = &jwk.common;
    let is_for_verifying =
        common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|list| {
                list.iter().any(|one| matches!(one, KeyOperations::Verify | KeyOperations::Sign))
            });
    let only = match common.key_algorithm {
        None => None,
        Some(named) => match Algorithm::from_wire(&named.to_string()) {
            Some(algorithm) => Some(algorithm),
            None => return Ok(None),
        },
    };
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map(|bytes| bytes.len()).ok();
    let kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => match bytes(&key.n) {
            Some(modulus) if modulus < RSA_MODULUS_BYTES_MIN => {
                return Err(AuthConfigError::RsaKeyTooShort);
            }
            Some(_) => KeyKind::Rsa,
            None => return Ok(None),
        },
        AlgorithmParameters::EllipticCurve(key) => {
            let (kind, coordinate) = match key.curve {
                EllipticCurve::P256 => (KeyKind::P256, 32),
                EllipticCurve::P384 => (KeyKind::P384, 48),
                _ => return Ok(None),
            };
            if bytes(&key.x) != Some(coordinate) || bytes(&key.y) != Some(coordinate) {
                return Ok(None);
            }
            kind
        }
        AlgorithmParameters::OctetKeyPair(key)
            if key.curve == EllipticCurve::Ed25519 && bytes(&key.x) == Some(32) =>
        {
            KeyKind::Ed25519
        }
        AlgorithmParameters::OctetKey(key) => {
            if algorithms.iter().all(|algorithm| algorithm.key_kind() != KeyKind::Hmac) {
                return Ok(None);
            }
            let Ok(secret) = URL_SAFE_NO_PAD.decode(&key.value) else { return Ok(None) };
            match only {
                Some(algorithm) => require_secret_length(&secret, &[algorithm])?,
                None => require_secret_length(&secret, algorithms)?,
            }
            require_strength(&secret)?;
            KeyKind::Hmac
        }
        _ => return Ok(None),
    };
    let (true, Ok(decoding)) = (is_for_verifying, DecodingKey::from_jwk(jwk)) else {
        return Ok(None);
    };
    Ok(Some(Key { decoding, kind, only, id: common.key_id.clone() }))
}
