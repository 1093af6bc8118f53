//! Who may enter, by the configuration: its keys are read, and it is said which are fetched later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use foodtrack_auth::{Algorithm, AuthConfig, AuthConfigError, Authenticator, KeySource, TenantSet};
use foodtrack_contract::LoginRole;
use foodtrack_transport::CidrBlocks;

use super::issuer::{IssuerConfig, OWN_NAME};
use super::problems::ConfigErrors;
use super::webhook::is_name;
use crate::WebSocketConfig;
use crate::public_targets::{AllowedNetworks, ISSUER_NETWORKS, key_url_fault};

/// More are a mistake.
const ISSUERS_MAX: usize = 32;
/// The longest that a token may be good for, where the configuration says for how long: a year.
const LIFETIME_SECONDS_LIMIT: u32 = 366 * 24 * 60 * 60;
/// How often keys are fetched, at the most and at the least.
const REFRESH_SECONDS_MIN: u32 = 1;
const REFRESH_SECONDS_MAX: u32 = 24 * 60 * 60;
/// What public keys sign with, where it is not said.
const PUBLIC_ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Where an issuer's keys are that may change while the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// A file with a JWKS.
    File(PathBuf),
    /// A URL with a JWKS.
    Url(String),
    /// The URL of an issuer, below which OpenID Connect discovery says where its JWKS is.
    Discovery(String),
}

/// An issuer whose keys may change.
#[derive(Clone, Debug)]
pub(crate) struct KeyFeed {
    /// Its number in the authenticator.
    pub(crate) issuer: usize,
    pub(crate) name: String,
    pub(crate) place: KeyPlace,
}

/// Who may enter, and whose keys may change.
#[derive(Clone)]
pub(crate) struct TrustedIssuers {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) feeds: Vec<KeyFeed>,
    /// Which private addresses keys may be fetched from.
    pub(crate) networks: AllowedNetworks,
}

/// What is made of each issuer.
struct Reader<'c> {
    said: &'c WebSocketConfig,
    logins: Option<BTreeMap<String, LoginRole>>,
    networks: AllowedNetworks,
    authenticator: Option<Authenticator>,
    feeds: Vec<KeyFeed>,
    count: usize,
}

/// Makes it; `None` where the configuration has problems, which are told.
pub(super) fn trusted_issuers(
    said: &WebSocketConfig,
    logins: Option<BTreeMap<String, LoginRole>>,
    errors: &mut ConfigErrors,
) -> Option<TrustedIssuers> {
    let networks = CidrBlocks::new(&said.security.issuer_networks).unwrap_or_else(|error| {
        errors.add(ISSUER_NETWORKS, error.to_string());
        CidrBlocks::default()
    });
    let networks = AllowedNetworks { networks, key: ISSUER_NETWORKS };
    check_numbers(said, errors);
    let (authenticator, feeds, count) = (None, Vec::new(), 0);
    let mut reader = Reader { said, logins, networks, authenticator, feeds, count };
    let mut has_fault = false;
    if let Some(own) = IssuerConfig::own(&said.security) {
        has_fault |= reader.read(&own, "security", errors).is_none();
    }
    let (mut names, mut issuers) = (BTreeSet::from([OWN_NAME]), BTreeSet::new());
    issuers.extend(said.security.issuer.as_deref());
    for (i, issuer) in said.issuers.iter().enumerate() {
        let path = format!("issuers.{i}");
        if !is_name(&issuer.name) {
            errors.add(
                &format!("{path}.name"),
                "letters, digits, - and _, at most 64, such as login",
            );
        } else if !names.insert(&issuer.name) {
            errors.add(
                &format!("{path}.name"),
                format!("another issuer is called {} already", issuer.name),
            );
        }
        if issuer.issuer.is_empty() {
            errors.add(
                &format!("{path}.issuer"),
                "is missing: the iss of its tokens says that they are its",
            );
        } else if !issuers.insert(&issuer.issuer) {
            errors.add(
                &format!("{path}.issuer"),
                "another issuer has the same: which of them made a token could not be told",
            );
        }
        has_fault |= reader.read(issuer, &path, errors).is_none();
    }
    let Some(authenticator) = reader.authenticator.filter(|_| !has_fault) else {
        if !has_fault {
            errors.add(
                "security.jwtSecret",
                "no key to verify tokens with; set JWT_SECRET (at least 32 bytes), security.publicKey, security.jwks or security.jwksUrl, or write [[issuers]]",
            );
        }
        return None;
    };
    let (feeds, networks) = (reader.feeds, reader.networks);
    Some(TrustedIssuers { authenticator: Arc::new(authenticator), feeds, networks })
}

fn check_numbers(said: &WebSocketConfig, errors: &mut ConfigErrors) {
    if said.issuers.len() > ISSUERS_MAX {
        errors.add("issuers", format!("at most {ISSUERS_MAX}"));
    }
    let refresh = said.security.jwks_refresh_seconds;
    if !(REFRESH_SECONDS_MIN..=REFRESH_SECONDS_MAX).contains(&refresh) {
        let sentence = format!("from {REFRESH_SECONDS_MIN} to {REFRESH_SECONDS_MAX}, a day");
        errors.add("security.jwksRefreshSeconds", sentence);
    }
    let own = (said.security.token_lifetime_seconds_max, "security.tokenLifetimeSecondsMax".into());
    let of_issuers = said.issuers.iter().enumerate();
    let of_issuers = of_issuers
        .map(|(i, it)| (it.lifetime_seconds_max, format!("issuers.{i}.lifetimeSecondsMax")));
    for (lifetime, key) in std::iter::once(own).chain(of_issuers) {
        if lifetime.is_some_and(|it| !(1..=LIFETIME_SECONDS_LIMIT).contains(&it)) {
            errors.add(&key, format!("from 1 to {LIFETIME_SECONDS_LIMIT}, a year"));
        }
    }
}

impl Reader<'_> {
    /// Trusts an issuer; `None` where that cannot be, which is told.
    fn read(&mut self, issuer: &IssuerConfig, path: &str, errors: &mut ConfigErrors) -> Option<()> {
        let (key, keys, usual) = self.keys(issuer, path, errors)?;
        let algorithms =
            if issuer.algorithms.is_empty() { usual } else { issuer.algorithms.clone() };
        let is_fetched = matches!(keys, KeySource::Fetched);
        if is_fetched && algorithms.iter().any(|it| it.as_str().starts_with("HS")) {
            let sentence = "keys that are fetched are public: whoever reads them could sign with HS256, HS384 or HS512";
            errors.add(&format!("{path}.algorithms"), sentence);
            return None;
        }
        let tenants = TenantSet::parse(&issuer.tenants).map_err(|pattern| {
            let sentence = format!("{pattern:?} is no tenant; write such as pizza-roma, or chain-* for all that begin so");
            errors.add(&format!("{path}.tenants"), sentence);
        });
        let security = &self.said.security;
        let lifetime = issuer.lifetime_seconds_max.or(security.token_lifetime_seconds_max);
        let config = AuthConfig {
            keys,
            algorithms,
            issuer: (!issuer.issuer.is_empty()).then(|| issuer.issuer.clone()),
            audience: issuer.audience.clone(),
            tenants: tenants.ok()?,
            lifetime_s_max: lifetime.map(u64::from),
            leeway_s: issuer.leeway_seconds.unwrap_or(security.leeway_seconds).into(),
            token_bytes_max: 8_192,
            logins: self.logins.clone(),
        };
        match self.trust(config) {
            Ok(()) => {
                self.count += 1;
                Some(())
            }
            Err(error) => {
                errors.add(&format!("{path}.{key}"), error.to_string());
                None
            }
        }
    }

    fn trust(&mut self, config: AuthConfig) -> Result<(), AuthConfigError> {
        match &mut self.authenticator {
            Some(authenticator) => authenticator.trust(config),
            None => {
                self.authenticator = Some(Authenticator::new(config)?);
                Ok(())
            }
        }
    }

    /// An issuer's keys, the key of the configuration that names them, and what they usually sign with.
    fn keys(
        &mut self,
        issuer: &IssuerConfig,
        path: &str,
        errors: &mut ConfigErrors,
    ) -> Option<(&'static str, KeySource, Vec<Algorithm>)> {
        let said = [
            issuer.jwt_secret.is_some(),
            issuer.public_key.is_some(),
            issuer.jwks.is_some(),
            issuer.jwks_url.is_some(),
            issuer.discovery,
        ];
        if said.iter().filter(|it| **it).count() != 1 {
            let sentence = match path {
                "security" => "give one of jwtSecret, publicKey, jwks and jwksUrl, not several",
                _ => "give one of jwtSecret, publicKey, jwks, jwksUrl and discovery = true",
            };
            errors.add(path, sentence);
            return None;
        }
        let public = || PUBLIC_ALGORITHMS.to_vec();
        if let Some(secret) = &issuer.jwt_secret {
            let keys = KeySource::Secret(secret.reveal().into());
            return Some(("jwtSecret", keys, vec![Algorithm::HS256]));
        }
        if let Some(file) = &issuer.public_key {
            let pem = read_file(&format!("{path}.publicKey"), file, errors)?;
            if issuer.algorithms.is_empty() {
                let sentence = "name the key's algorithm, such as [\"RS256\"]";
                errors.add(&format!("{path}.algorithms"), sentence);
                return None;
            }
            return Some(("publicKey", KeySource::PublicKeyPem(pem), Vec::new()));
        }
        if let Some(file) = &issuer.jwks {
            let jwks = KeySource::Jwks(read_file(&format!("{path}.jwks"), file, errors)?);
            self.feed(issuer, KeyPlace::File(file.into()));
            return Some(("jwks", jwks, public()));
        }
        let (key, url, place) = match &issuer.jwks_url {
            Some(url) => ("jwksUrl", url, KeyPlace::Url(url.clone())),
            None => ("issuer", &issuer.issuer, KeyPlace::Discovery(issuer.issuer.clone())),
        };
        if let Some(sentence) = key_url_fault(url, &self.networks) {
            errors.add(&format!("{path}.{key}"), sentence);
            return None;
        }
        self.feed(issuer, place);
        Some((key, KeySource::Fetched, public()))
    }

    fn feed(&mut self, issuer: &IssuerConfig, place: KeyPlace) {
        self.feeds.push(KeyFeed { issuer: self.count, name: issuer.name.clone(), place });
    }
}

fn read_file(key: &str, path: &str, errors: &mut ConfigErrors) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            errors.add(key, format!("{path} cannot be read: {error}"));
            None
        }
    }
}
